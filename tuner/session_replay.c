/* session_replay.c: what earlier runs left: measured rows, of which the strategy hears again; rows
 * that were running when the program died; configurations in quarantine. */
#include "base/clock.h"
#include "base/str.h"
#include "tuner/session_private.h"
#include <stdlib.h>
#include <string.h>

/* ---- quarantine ---- */

enum status session_consult(struct session *s, struct quest *q, const struct record_key *key,
                            int64_t config, bool *may_run, struct error *err) {
    enum outcome outcome = OUTCOME_OK;
    char *message = NULL;
    enum status st = store_verdict(s->store, s->device_id, key, &outcome, &message, err);
    free(message);
    *may_run = st == OK && outcome == OUTCOME_OK;
    if (st == OK && !*may_run) quest_skip(q, config);
    return st;
}

/* ---- replay ---- */

static int by_sequence(const void *a, const void *b) {
    const struct evaluation *x = a, *y = b;
    return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

/* All evaluations of a quest, over its layouts, in the order asked. */
static enum status load_history(struct session *s, const struct quest *q, struct evaluation **all,
                                size_t *n, struct error *err) {
    *all = NULL;
    *n = 0;
    for (int l = 0; l < LAYOUTS; l++) {
        const struct record_key key = {.family = q->problem.family->name,
                                       .problem = q->text,
                                       .class_name = class_names[q->problem.class],
                                       .layout = layouts[l].name};
        struct evaluation *list = NULL;
        size_t n_list = 0;
        enum status st = store_history(s->store, s->row.id, &key, &list, &n_list, err);
        if (st != OK && st != STATUS_NOTHING) return st;
        *all = memory_grow(*all, (*n + n_list + 1) * sizeof **all);
        if (n_list) memcpy(*all + *n, list, n_list * sizeof **all);
        *n += n_list;
        free(list);
    }
    if (*n) qsort(*all, *n, sizeof **all, by_sequence);
    return OK;
}

/* A row that was found running and whose configuration this program does not have cannot be tried again. */
static enum status settle_unknown(struct session *s, struct evaluation *e, struct error *err) {
    free(e->message);
    e->message = text_copy("was running when the program died; this program has it no more");
    e->outcome = OUTCOME_CRASHED;
    return store_step(s->store, e, NULL, err);
}

/* What was right in this session may have failed in another since: then it is no winner any more. The
 * strategy is told what this session saw. */
static enum status demote(struct session *s, struct quest *q, const struct record_key *key,
                          struct error *err) {
    struct attempt *last = &q->attempts[q->n_attempts - 1];
    enum outcome outcome = OUTCOME_OK;
    char *message = NULL;
    if (last->outcome != OUTCOME_OK) return OK;
    enum status st = store_verdict(s->store, s->device_id, key, &outcome, &message, err);
    free(message);
    if (st == OK) last->outcome = outcome;
    return st;
}

/* Until the strategy names this configuration: what it names before was in quarantine, which left no
 * row, and is so again. */
static enum status catch_up(struct session *s, struct quest *q, int64_t config, struct error *err) {
    enum status st = OK;
    for (int64_t next; st == OK && (next = q->strategy->next(&q->search)) >= 0 && next != config;) {
        bool may_run = true;
        const struct setting setting = quest_setting(q, next);
        struct record_key key = quest_key(q, &setting);
        st = session_consult(s, q, &key, next, &may_run, err);
        quest_key_free(&key);
        if (may_run) break; /* another program's order: told all the same */
    }
    return st;
}

/* One evaluation of the history: told, or kept to be tried once more. */
static enum status replay_one(struct session *s, struct quest *q, struct evaluation *e,
                              struct error *err) {
    const int64_t config = quest_find(q, &e->key);
    const bool was_asked = q->strategy && !cross_has(q->cross, e->sequence);
    enum status st = was_asked ? catch_up(s, q, config, err) : OK;
    if (st != OK) return st;
    if (e->outcome == OUTCOME_RUNNING && config >= 0) {
        q->retry_id = e->id;
        q->retry_config = config;
        return OK;
    }
    if (e->outcome == OUTCOME_RUNNING && !q->strategy) {
        q->retry_id = e->id;
        q->retry_setting = quest_setting_of(q, &e->key);
        return OK;
    }
    st = e->outcome == OUTCOME_RUNNING ? settle_unknown(s, e, err) : OK;
    if (st == OK) (was_asked ? quest_tell : quest_remember)(q, e);
    return st == OK ? demote(s, q, &e->key, err) : st;
}

enum status session_replay(struct session *s, struct quest *q, struct error *err) {
    struct evaluation *history = NULL;
    size_t n = 0;
    enum status st = load_history(s, q, &history, &n, err);
    for (size_t i = 0; st == OK && i < n; i++) st = replay_one(s, q, &history[i], err);
    for (size_t i = 0; i < n; i++) evaluation_free(&history[i]);
    free(history);
    return st;
}

/* ---- rows that a dead session left running ---- */

enum status session_settle_running(struct session *s, struct error *err) {
    struct evaluation *list = NULL;
    bool *same_boot = NULL;
    size_t n = 0;
    enum status st =
        store_running(s->store, s->device_id, clock_boot_id(), &list, &n, &same_boot, err);
    if (st == STATUS_NOTHING) st = OK;
    for (size_t i = 0; i < n; i++) {
        if (st == OK && (!same_boot[i] || list[i].is_resumed)) {
            free(list[i].message);
            list[i].message =
                text_copy(list[i].is_resumed ? "was running when the program died, twice"
                                             : "was running when the machine went down");
            list[i].outcome = OUTCOME_CRASHED;
            st = store_step(s->store, &list[i], NULL, err);
        }
        evaluation_free(&list[i]);
    }
    free(list);
    free(same_boot);
    return st;
}
