/* session.c: the story of a tuning session.
 *
 *     lock the device, open the database, find the session or begin it
 *     for each problem, what matters most first:
 *         seeds · replay what was measured · ask, commit, measure, tell · finals
 *     for each matrix whose problems at all n are done: what is good at one n is measured at the others,
 *         and one layout is chosen for all
 *     a finished session: measure its winners once more
 *
 * The parent owns the database and runs no kernel: those run in a worker that may die. The outcome of
 * one candidate and the `running` row of the next are one transaction. */
#include "tuner/session.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/units.h"
#include "tuner/cross.h"
#include "tuner/frames.h"
#include "tuner/lock.h"
#include "tuner/matrices.h"
#include "tuner/quest.h"
#include "tuner/seeds.h"
#include "tuner/times.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Finals take their part of a problem's time; the search stops before. */
static const double SEARCH_SHARE = 0.8;
/* Half of the budget is shared evenly, half by what the problems cost. */
static const double EVEN_SHARE = 0.5;
/* A problem that was begun gets its default and its best seed measured, and its finals, though its time is
 * over; one that was not begun then is left for the next run. */
enum { EVALUATIONS_LEAST = 2, FINALISTS = 4, FINAL_ROUNDS = 3, CROSS_LEAST = 2 };
/* Measuring what is good at one n at the others: a part of what the problems of a matrix have. */
static const double CROSS_SHARE = 0.25,
                    BETWEEN_SHARE = 0.1; /* at n that are used; at those between */
/* A session that goes on with less of its budget than this is given the whole of it again. */
static const double REST_LEAST = 0.1;
/* Whatever a database says. */
static const int64_t GRANTS_MOST = 1000, SPENT_MOST_NS = INT64_MAX / 4;
/* Samples of one candidate: a tenth of the problem's time, at least and at most this. */
static const double SAMPLES_SHARE = 0.1;
static const int64_t SAMPLES_LEAST_NS = 50000000, SAMPLES_MOST_NS = 2000000000;
/* Samples of all finalists together; of a winner that is measured once more. */
static const int64_t FINALS_LEAST_NS = 200000000, FINALS_MOST_NS = 8000000000;
static const int64_t RECHECK_NS = 2000000000;

/* A quest's place in the order: with the others of its matrix, which are as important as all of them
 * together. */
struct turn {
    struct quest *quest;
    struct matrix_uses *matrix; /* NULL: none */
    double together, alone;     /* time of a token, roughly */
    size_t first;               /* the first quest of its matrix, or itself */
};

/* How long measurements took. */
struct pace {
    int64_t ns, n;
};

struct session {
    const struct session_options *options;
    const struct strategy *strategy;
    struct target target;
    const struct device_info *info;
    struct lock *lock;
    struct store *store;
    int64_t device_id;
    struct session_row row;
    bool was_found, was_finished;
    int64_t grants; /* how many times the budget was given: 1, and 1 for each --more */
    struct worker *worker;
    struct quest *quests;
    size_t n_quests;
    struct turn *turns;           /* the quests, what matters most first */
    struct matrix_uses *matrices; /* only where it is known how often they are used */
    size_t n_matrices;
    struct pace first, again; /* of measurements in this run */
    int64_t began_ns, spent_before_ns;
    int64_t allowance_ns; /* what the session may have spent when it ends; INT64_MAX: no limit */
};

static bool is_interrupted(const struct session *s) {
    return s->options->interrupt && *s->options->interrupt;
}

static int64_t spent_ns(const struct session *s) {
    return s->spent_before_ns + clock_now_ns() - s->began_ns;
}

/* What is left of the budget; INT64_MAX without one. */
static int64_t left_ns(const struct session *s) {
    if (s->allowance_ns == INT64_MAX) return INT64_MAX;
    int64_t left = s->allowance_ns - spent_ns(s);
    return left > 0 ? left : 0;
}

/* No problem is begun any more. */
static bool is_over(const struct session *s) {
    return is_interrupted(s) || left_ns(s) == 0;
}

/* ---- facts of a session ---- */

static char *fact_key(const struct session *s, const struct quest *q) {
    char name[256];
    quest_name(q, name);
    return text_format("%lld %s", (long long)s->row.id, name);
}

static enum status set_fact(struct session *s, const char *kind, const char *key, json_t *value,
                            struct error *err) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
    json_decref(value);
    enum status st = text ? store_fact_set(s->store, kind, s->info->model_key, s->info->version_key,
                                           key, text, err)
                          : fail(err, STATUS_NOMEM, "no memory for a fact of the session");
    free(text);
    return st;
}

/* NULL when there is none. */
static json_t *get_fact(struct session *s, const char *kind, const char *key) {
    char *text = NULL;
    struct error ignored;
    json_error_t why;
    if (store_fact_get(s->store, kind, s->info->model_key, s->info->version_key, key, &text,
                       &ignored) != OK)
        return NULL;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &why);
    free(text);
    return value;
}

static enum status save_grants(struct session *s, struct error *err) {
    char key[32];
    snprintf(key, sizeof key, "%lld", (long long)s->row.id);
    return set_fact(s, "grants", key, json_integer(s->grants), err);
}

static int64_t bounded(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

static void load_grants(struct session *s) {
    char key[32];
    snprintf(key, sizeof key, "%lld", (long long)s->row.id);
    json_t *value = get_fact(s, "grants", key);
    s->grants = bounded(json_is_integer(value) ? json_integer_value(value) : 1, 1, GRANTS_MOST);
    json_decref(value);
}

/* That much for each grant; what no integer holds is no limit. */
static int64_t granted(const struct session *s, int64_t each) {
    int64_t all;
    return __builtin_mul_overflow(each, s->grants, &all) ? INT64_MAX : all;
}

static enum status save_ceilings(struct session *s, struct error *err) {
    const struct ceiling_memory *memory = worker_ceilings(s->worker);
    if (isnan(memory->gflops)) return OK;
    return set_fact(s, "ceiling", "measured", frame_ceilings(memory), err);
}

/* ---- seeds and state of a quest: fixed when it begins ---- */

static enum status save_seeds(struct session *s, const struct quest *q, struct error *err) {
    json_t *seeds = json_array();
    for (size_t i = 0; i < q->search.n_seeds; i++) {
        const struct setting setting = quest_setting(q, q->seeds[i]);
        json_array_append_new(seeds, setting_json(&setting));
    }
    char *key = fact_key(s, q);
    const enum status st = set_fact(s, "seeds", key, seeds, err);
    free(key);
    return st;
}

/* The search has ended under the present grant. */
static enum status save_done(struct session *s, const struct quest *q, struct error *err) {
    char *key = fact_key(s, q);
    const enum status st = set_fact(s, "done", key, json_integer(s->grants), err);
    free(key);
    return st;
}

static bool load_done(struct session *s, const struct quest *q) {
    char *key = fact_key(s, q);
    json_t *fact = get_fact(s, "done", key);
    const bool is_done = json_is_integer(fact) && json_integer_value(fact) >= s->grants;
    json_decref(fact);
    free(key);
    return is_done;
}

/* Rounds of finals that were held under the present grant. */
static enum status save_rounds(struct session *s, const struct quest *q, struct error *err) {
    char *key = fact_key(s, q);
    const enum status st = set_fact(
        s, "finals", key,
        json_pack("{s:I,s:i}", "grant", (json_int_t)s->grants, "rounds", q->final_rounds), err);
    free(key);
    return st;
}

static enum status save_cross(struct session *s, const struct quest *q, struct error *err) {
    char *key = fact_key(s, q);
    const enum status st = set_fact(s, "cross", key, json_incref(q->cross), err);
    free(key);
    return st;
}

static void load_rounds(struct session *s, struct quest *q) {
    char *key = fact_key(s, q);
    json_t *fact = get_fact(s, "finals", key);
    const json_t *grant = json_object_get(fact, "grant"), *rounds = json_object_get(fact, "rounds");
    q->final_rounds = 0;
    if (json_is_integer(grant) && json_integer_value(grant) == s->grants)
        q->final_rounds = (int)bounded(json_integer_value(rounds), 0, FINAL_ROUNDS);
    json_decref(fact);
    free(key);
}

static void load_cross(struct session *s, struct quest *q) {
    char *key = fact_key(s, q);
    q->cross = get_fact(s, "cross", key);
    if (!json_is_array(q->cross)) {
        json_decref(q->cross);
        q->cross = json_array();
    }
    q->is_crossed = cross_is_done(q->cross, s->grants);
    free(key);
}

/* Seeds as they were fixed; false when this quest was never begun. Its space is open. */
static bool load_seeds(struct session *s, const struct quest *q, int64_t seeds[SEEDS_MOST],
                       size_t *n) {
    char *key = fact_key(s, q);
    json_t *list = get_fact(s, "seeds", key);
    const bool is_known = json_is_array(list);
    free(key);
    *n = 0;
    for (size_t i = 0; i < json_array_size(list) && *n < SEEDS_MOST; i++) {
        const struct setting seed = setting_read(q, json_array_get(list, i));
        const int64_t at = seed.layout ? space_find(&q->space, &seed.config, seed.layout) : -1;
        if (at >= 0) seeds[(*n)++] = at;
    }
    json_decref(list);
    return is_known;
}

/* ---- quarantine ---- */

/* May this configuration run here? If not, the strategy is told so. */
static enum status consult(struct session *s, struct quest *q, const struct record_key *key,
                           int64_t config, bool *may_run, struct error *err) {
    enum outcome outcome = OUTCOME_OK;
    char *message = NULL;
    enum status st = store_verdict(s->store, s->device_id, key, &outcome, &message, err);
    free(message);
    *may_run = st == OK && outcome == OUTCOME_OK;
    if (st == OK && !*may_run) quest_skip(q, config);
    return st;
}

/* The strategy's next configuration that may run, with its key; −1 in *config: nothing left. */
static enum status next_config(struct session *s, struct quest *q, int64_t *config,
                               struct record_key *key, struct error *err) {
    for (;;) {
        *config = q->strategy->next(&q->search);
        if (*config < 0) return OK;
        bool may_run = false;
        const struct setting setting = quest_setting(q, *config);
        enum status st = quest_key(q, &setting, key, err);
        if (st == OK) st = consult(s, q, key, *config, &may_run, err);
        if (st != OK || may_run) return st;
        quest_key_free(key);
    }
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
        struct record_key key = {0};
        bool may_run = true;
        const struct setting setting = quest_setting(q, next);
        st = quest_key(q, &setting, &key, err);
        if (st == OK) st = consult(s, q, &key, next, &may_run, err);
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

/* What was measured, in order; while searching the strategy hears of it. */
static enum status replay(struct session *s, struct quest *q, struct error *err) {
    struct evaluation *history = NULL;
    size_t n = 0;
    enum status st = load_history(s, q, &history, &n, err);
    for (size_t i = 0; st == OK && i < n; i++) st = replay_one(s, q, &history[i], err);
    for (size_t i = 0; i < n; i++) evaluation_free(&history[i]);
    free(history);
    return st;
}

/* Open the space, fix or load the seeds, begin the search, replay. */
static enum status begin_quest(struct session *s, struct quest *q, struct error *err) {
    int64_t seeds[SEEDS_MOST];
    size_t n;
    enum status st = quest_open_space(q, err);
    if (st != OK) return st;
    const bool is_known = load_seeds(s, q, seeds, &n);
    if (!is_known) n = seeds_gather(s->store, s->info, q, s->quests, s->n_quests, seeds);
    st = quest_begin(q, s->strategy, s->options->seed, seeds, n, err);
    if (st == OK && !is_known) st = save_seeds(s, q, err);
    if (st == OK) load_rounds(s, q);
    return st == OK ? replay(s, q, err) : st;
}

/* ---- progress ---- */

static void format_left(double ns, char text[32]) {
    double seconds = ns / 1e9;
    if (seconds >= 60) snprintf(text, 32, "%dm%02ds", (int)(seconds / 60), (int)fmod(seconds, 60));
    else snprintf(text, 32, "%.0fs", seconds);
}

static void show_progress(const struct session *s, const struct quest *q, double eta_ns) {
    char name[256], best_text[96] = "none yet", eta[48] = "";
    const struct attempt *best = quest_best(q);
    double base = quest_default_ns(q);
    quest_name(q, name);
    if (best) {
        char time[UNITS_TEXT];
        int at = snprintf(best_text, sizeof best_text, "best %s %.0f %% of ceiling",
                          units_time_ns(best->time_ns, time), 100 * best->share);
        if (base > 0 && at > 0 && (size_t)at < sizeof best_text)
            snprintf(best_text + at, sizeof best_text - (size_t)at, " (×%.1f)",
                     base / best->time_ns);
    }
    if (isfinite(eta_ns)) {
        char left[32];
        format_left(eta_ns, left);
        snprintf(eta, sizeof eta, "  ETA %s", left);
    }
    int64_t failed =
        (int64_t)q->n_attempts - quest_count(q, OUTCOME_OK) - quest_count(q, OUTCOME_ABANDONED);
    int64_t total = (int64_t)q->space_n, limit = granted(s, s->options->evaluations);
    log_progress("%s  %zu/%lld  %s  %lld failed%s", name, q->n_attempts,
                 (long long)(limit > 0 && limit < total ? limit : total), best_text,
                 (long long)failed, eta);
}

/* ---- the search of one problem ---- */

/* When a problem's search ends: by time, by number, by interrupt. */
struct span {
    int64_t search_end_ns, end_ns; /* on the monotonic clock; INT64_MAX: no end */
};

static struct span span_of(const struct session *s, const struct quest *q) {
    int64_t left = left_ns(s), now = clock_now_ns();
    if (left == INT64_MAX) return (struct span){INT64_MAX, INT64_MAX};
    double all = 0;
    for (size_t i = 0; i < s->n_quests; i++)
        all += (s->quests[i].is_done ? 0 : s->quests[i].weight) +
               (s->quests[i].is_crossed ? 0 : s->quests[i].cross_weight);
    const double weight = q->is_done ? q->cross_weight : q->weight;
    double mine = (double)left * (all > 0 ? weight / all : 1);
    return (struct span){now + (int64_t)(mine * SEARCH_SHARE), now + (int64_t)mine};
}

/* Would another candidate, taking as long as they did on average, still fit? */
static bool goes_on(const struct session *s, const struct quest *q, const struct span *span,
                    int64_t search_began_ns) {
    int64_t limit = granted(s, s->options->evaluations);
    const int64_t asked = (int64_t)q->n_attempts - cross_count(q->cross, (int64_t)q->n_attempts);
    if (is_interrupted(s) || (limit > 0 && asked >= limit)) return false;
    if (q->n_attempts < EVALUATIONS_LEAST || span->search_end_ns == INT64_MAX) return true;
    if (quest_is_at_floor(q)) return false;
    int64_t now = clock_now_ns();
    int64_t usual = q->n_here ? (now - search_began_ns) / q->n_here : 0;
    return now + usual / 2 < span->search_end_ns;
}

static int64_t samples_budget(const struct span *span) {
    if (span->end_ns == INT64_MAX) return SAMPLES_MOST_NS;
    double share = SAMPLES_SHARE * (double)(span->end_ns - clock_now_ns());
    return share < (double)SAMPLES_LEAST_NS  ? SAMPLES_LEAST_NS
           : share > (double)SAMPLES_MOST_NS ? SAMPLES_MOST_NS
                                             : (int64_t)share;
}

/* The evaluation under way and the one before, which waits to be committed with it. */
struct pair {
    struct evaluation now;
    struct record_key key;
    bool has_done;
    struct evaluation done;
    struct record_key done_key;
};

static void drop(struct evaluation *e, struct record_key *key) {
    e->key = (struct record_key){0}; /* the strings are the key's */
    evaluation_free(e);
    *e = (struct evaluation){0};
    quest_key_free(key);
}

static struct evaluation new_evaluation(const struct session *s, const struct quest *q,
                                        bool is_default, const struct record_key *key) {
    return (struct evaluation){.session_id = s->row.id,
                               .device_id = s->device_id,
                               .sequence = (int64_t)q->n_attempts,
                               .key = *key,
                               .outcome = OUTCOME_RUNNING,
                               .time_ns = NAN,
                               .low_ns = NAN,
                               .high_ns = NAN,
                               .floor_ns = NAN,
                               .ceiling_gbps = NAN,
                               .ceiling_gflops = NAN,
                               .share = NAN,
                               .nmse = NAN,
                               .elapsed_ns = spent_ns(s),
                               .unix_s = clock_unix_s(),
                               .is_default = is_default};
}

static enum status spend(struct session *s, const char *state, struct error *err) {
    return store_session_spend(s->store, s->row.id, spent_ns(s), state, err);
}

/* What becomes of a row that is running when the worker has failed. Without room or refused, the candidate
 * never ran. Interrupted, or where the device is gone, no process starts or the worker's own kernels do not
 * run, it is as if it had not been asked for: tried once more, whatever was before. (A candidate that loses the
 * device has crashed; it is the next one that does not find it.) */
static const struct {
    enum status status;
    enum outcome outcome;
} unfinished[] = {
    {STATUS_NOMEM, OUTCOME_LAUNCH_FAILED},
    {STATUS_UNSUPPORTED, OUTCOME_LAUNCH_FAILED},
    {STATUS_INVALID, OUTCOME_LAUNCH_FAILED},
    {STATUS_INTERRUPTED, OUTCOME_RUNNING},
    {STATUS_BUILD, OUTCOME_RUNNING},
    {STATUS_LAUNCH, OUTCOME_RUNNING},
    {STATUS_IO, OUTCOME_RUNNING},
    {STATUS_DEVICE, OUTCOME_RUNNING},
};

/* Best effort: the failure that is being reported stays the one that is told. */
static void settle_unfinished(struct session *s, struct evaluation *e, const struct error *why) {
    struct error ignored;
    for (size_t i = 0; i < sizeof unfinished / sizeof *unfinished; i++) {
        if (unfinished[i].status != why->status) continue;
        e->outcome = unfinished[i].outcome;
        e->is_resumed = false;
        free(e->message);
        e->message = e->outcome == OUTCOME_RUNNING ? NULL : text_copy(why->text);
        store_step(s->store, e, NULL, &ignored);
    }
}

/* The outcome of one, the running row of the next, and what was spent until now: one transaction. */
static enum status commit_step(struct session *s, const struct evaluation *done,
                               struct evaluation *next, struct error *err) {
    enum status st = store_begin(s->store, err);
    if (st != OK) return st;
    st = store_step(s->store, done, next, err);
    if (st == OK) st = spend(s, "running", err);
    return store_end(s->store, st, err);
}

/* Let the worker evaluate what is running. */
static enum status evaluate(struct session *s, struct quest *q, const struct work *work,
                            struct evaluation *e, struct error *err) {
    const int64_t began = clock_now_ns();
    const enum status st = worker_evaluate(s->worker, work, e, s->options->interrupt, err);
    if (st != OK) {
        settle_unfinished(s, e, err);
        return st;
    }
    e->elapsed_ns = spent_ns(s);
    s->first = (struct pace){s->first.ns + clock_now_ns() - began, s->first.n + 1};
    q->n_here++;
    return OK;
}

/* Commit `done` with the next running row, let the worker evaluate it, tell the strategy. */
static enum status evaluate_one(struct session *s, struct quest *q, struct pair *p, int64_t config,
                                bool is_retry, const struct span *span, struct error *err) {
    const struct setting setting = quest_setting(q, config);
    p->now = new_evaluation(s, q, config == q->default_config, &p->key);
    enum status st;
    if (is_retry) {
        p->now.id = q->retry_id;
        p->now.is_resumed = true;
        st = commit_step(s, &p->now, NULL, err); /* still running, for the second time */
    } else {
        st = commit_step(s, p->has_done ? &p->done : NULL, &p->now, err);
        if (st == OK && p->has_done) drop(&p->done, &p->done_key);
        p->has_done = st == OK ? false : p->has_done;
    }
    const struct work work = {.config = setting.config,
                              .problem = quest_problem(q, &setting),
                              .seed = 1,
                              .incumbent_ns = quest_incumbent(q),
                              .budget_ns = samples_budget(span),
                              .small_first = is_retry};
    if (st != OK) return st;
    st = evaluate(s, q, &work, &p->now, err);
    if (st != OK) return st;
    quest_tell(q, &p->now);
    p->done = p->now;
    p->done_key = p->key;
    p->has_done = true;
    p->now = (struct evaluation){0};
    p->key = (struct record_key){0};
    return OK;
}

static enum status search_quest(struct session *s, struct quest *q, const struct span *span,
                                struct error *err) {
    struct pair p = {0};
    int64_t began = clock_now_ns();
    enum status st = OK;
    if (q->retry_id && q->retry_config >= 0) {
        const struct setting setting = quest_setting(q, q->retry_config);
        st = quest_key(q, &setting, &p.key, err);
        if (st == OK) st = evaluate_one(s, q, &p, q->retry_config, true, span, err);
        q->retry_id = st == OK ? 0 : q->retry_id;
    }
    while (st == OK && goes_on(s, q, span, began)) {
        int64_t config = -1;
        st = quest_check_default(q, err);
        if (st == OK) st = next_config(s, q, &config, &p.key, err);
        if (st != OK || config < 0) break;
        st = evaluate_one(s, q, &p, config, false, span, err);
        double eta = left_ns(s) == INT64_MAX ? NAN : (double)left_ns(s);
        show_progress(s, q, eta);
    }
    struct error second;
    if (p.has_done) {
        enum status last = store_step(s->store, &p.done, NULL, st == OK ? err : &second);
        st = st == OK ? last : st;
        drop(&p.done, &p.done_key);
    }
    drop(&p.now, &p.key);
    return st;
}

/* ---- finals ---- */

static void update_attempt(struct attempt *a, const struct evaluation *e) {
    a->outcome = e->outcome;
    if (e->outcome == OUTCOME_OK) {
        a->time_ns = a->hope_ns = e->time_ns;
        a->share = e->share;
        a->is_final = true;
    }
}

/* A finalist that is right gets its new samples; one that is not gets its outcome. */
static enum status commit_final(struct session *s, struct evaluation *e, struct error *err) {
    e->is_final = e->outcome == OUTCOME_OK;
    return e->is_final ? store_refine(s->store, e, err) : store_step(s->store, e, NULL, err);
}

/* All of a round or nothing: who is in the next one, and whether there is one, follows from the whole. */
static enum status commit_finals(struct session *s, const struct quest *q, struct attempt **who,
                                 struct evaluation *e, size_t n, struct error *err) {
    enum status st = store_begin(s->store, err);
    if (st != OK) return st;
    for (size_t i = 0; st == OK && i < n; i++) st = commit_final(s, &e[i], err);
    if (st == OK) st = save_rounds(s, q, err);
    st = store_end(s->store, st, err);
    for (size_t i = 0; st == OK && i < n; i++) update_attempt(who[i], &e[i]);
    return st;
}

/* Did the worker fail under all of them, one of which is to blame? */
static bool is_shared(enum outcome outcome) {
    return outcome == OUTCOME_CRASHED || outcome == OUTCOME_TIMEOUT ||
           outcome == OUTCOME_LAUNCH_FAILED;
}

/* All at once; where that failed under all of them, each alone, then. */
static enum status evaluate_finals(struct session *s, const struct work *works, size_t n,
                                   struct evaluation *e, struct error *err) {
    const volatile int *interrupt = s->options->interrupt;
    enum status st = worker_finals(s->worker, works, n, e, interrupt, err);
    const bool died = n > 1 && is_shared(e[0].outcome);
    for (size_t i = 0; st == OK && died && i < n; i++)
        st = worker_finals(s->worker, &works[i], 1, &e[i], interrupt, err);
    return st;
}

/* Measure these attempts side by side, checked in full, for about that long. */
static enum status measure_again(struct session *s, struct quest *q, struct attempt **who, size_t n,
                                 int64_t budget_ns, struct error *err) {
    struct work works[WORKS_MOST] = {0};
    struct evaluation e[WORKS_MOST] = {0};
    struct record_key keys[WORKS_MOST] = {0};
    enum status st = OK;
    for (size_t i = 0; i < n; i++) {
        works[i] = (struct work){.config = who[i]->setting.config,
                                 .problem = quest_problem(q, &who[i]->setting),
                                 .seed = 1,
                                 .incumbent_ns = quest_incumbent(q),
                                 .budget_ns = budget_ns,
                                 .is_final = true};
        if (st == OK) st = quest_key(q, &who[i]->setting, &keys[i], err);
        e[i] = new_evaluation(s, q, who[i]->is_default, &keys[i]);
        e[i].id = who[i]->id;
        e[i].sequence = who[i] - q->attempts;
    }
    const int64_t began = clock_now_ns();
    if (st == OK) st = evaluate_finals(s, works, n, e, err);
    s->again = (struct pace){s->again.ns + clock_now_ns() - began, s->again.n + (int64_t)n};
    if (st == OK) st = commit_finals(s, q, who, e, n, err);
    for (size_t i = 0; i < n; i++) drop(&e[i], &keys[i]);
    return st;
}

/* What is left of the problem's time, within bounds. */
static int64_t finals_budget(const struct span *span) {
    if (span->end_ns == INT64_MAX) return FINALS_MOST_NS;
    const int64_t left = span->end_ns - clock_now_ns();
    return left < FINALS_LEAST_NS ? FINALS_LEAST_NS : left > FINALS_MOST_NS ? FINALS_MOST_NS : left;
}

/* How many measurements fit into the time until then, at that pace. */
static size_t affordable(const struct pace *pace, int64_t end_ns, size_t most) {
    if (end_ns == INT64_MAX || pace->n == 0) return most;
    const int64_t left = end_ns - clock_now_ns(),
                  n = left > 0 ? left / (pace->ns / pace->n + 1) : 0;
    return n < (int64_t)most ? (size_t)n : most;
}

/* The best is measured whatever the time. */
static enum status hold_finals(struct session *s, struct quest *q, const struct span *span,
                               struct error *err) {
    while (q->final_rounds < FINAL_ROUNDS) {
        struct attempt *who[FINALISTS];
        const size_t most = affordable(&s->again, span->end_ns, FINALISTS);
        const size_t n = quest_finalists(q, who, q->final_rounds == 0 && most == 0 ? 1 : most);
        if (n == 0) return OK;
        q->final_rounds++;
        enum status st = measure_again(s, q, who, n, finals_budget(span), err);
        if (st != OK) return st;
    }
    return OK;
}

/* ---- one problem ---- */

static enum status run_quest(struct session *s, struct quest *q, struct error *err) {
    q->is_done = q->is_done || q->uses == 0;
    if (q->is_done) return replay(s, q, err);
    struct span span = span_of(s, q);
    enum status st = begin_quest(s, q, err);
    if (st == OK) st = search_quest(s, q, &span, err);
    quest_rest(q);
    if (st == OK && !is_interrupted(s)) st = hold_finals(s, q, &span, err);
    if (st == OK && !is_interrupted(s)) {
        q->is_done = true;
        st = save_done(s, q, err);
    }
    if (st == OK) st = save_ceilings(s, err);
    if (st == OK) st = spend(s, "running", err);
    log_progress_done();
    const struct attempt *best = quest_best(q);
    if (st == OK && best) {
        char name[256], time[UNITS_TEXT], gain[32] = "";
        double default_ns = quest_default_ns(q);
        quest_name(q, name);
        if (default_ns > 0) snprintf(gain, sizeof gain, ", ×%.2f", default_ns / best->time_ns);
        log_say("%s: %s, %.0f %% of the ceiling%s", name, units_time_ns(best->time_ns, time),
                100 * best->share, gain);
    }
    return st;
}

/* ---- one matrix: all its n together ---- */

/* One configuration in a row of its own, without racing: its time is wanted even when it is slow. */
static enum status cross_one(struct session *s, struct quest *q, const struct setting *setting,
                             const struct span *span, struct error *err) {
    struct record_key key = {0};
    enum outcome verdict = OUTCOME_OK;
    char *message = NULL;
    enum status st = quest_key(q, setting, &key, err);
    if (st == OK && !q->retry_id)
        st = store_verdict(s->store, s->device_id, &key, &verdict, &message, err);
    free(message);
    struct evaluation e = new_evaluation(s, q, false, &key);
    if (st == OK && verdict == OUTCOME_OK) {
        const struct work work = {.config = setting->config,
                                  .problem = quest_problem(q, setting),
                                  .seed = 1,
                                  .incumbent_ns = INFINITY,
                                  .budget_ns = samples_budget(span),
                                  .small_first = q->retry_id != 0};
        e.id = q->retry_id;
        e.is_resumed = q->retry_id != 0;
        st =
            q->retry_id ? store_step(s->store, &e, NULL, err) : store_step(s->store, NULL, &e, err);
        if (st == OK) st = evaluate(s, q, &work, &e, err);
        if (st == OK) st = commit_step(s, &e, NULL, err);
        if (st == OK) {
            quest_remember(q, &e);
            q->retry_id = 0;
        }
    }
    drop(&e, &key);
    return st;
}

/* The newest attempt of a setting that was right; NULL: none. */
static struct attempt *right_attempt(struct quest *q, const struct setting *setting) {
    for (size_t i = q->n_attempts; i > 0; i--) {
        struct attempt *a = &q->attempts[i - 1];
        if (a->outcome == OUTCOME_OK && a->setting.layout == setting->layout &&
            config_equal(&a->setting.config, &setting->config))
            return a;
    }
    return NULL;
}

/* The step's settings that are not measured here yet, while the time lasts; *left: how many it did not last for. */
static enum status measure_missing(struct session *s, struct quest *q,
                                   const struct setting *settings, size_t n,
                                   const struct span *span, size_t *left, struct error *err) {
    enum status st = OK;
    *left = 0;
    if (q->retry_id && q->retry_setting.layout) st = cross_one(s, q, &q->retry_setting, span, err);
    for (size_t i = 0; st == OK && i < n; i++) {
        if (right_attempt(q, &settings[i])) continue;
        if (is_interrupted(s) || affordable(&s->first, span->search_end_ns, 1) == 0) ++*left;
        else st = cross_one(s, q, &settings[i], span, err);
    }
    return st;
}

/* The settings of the step that is under way, or of a new one. */
static enum status open_step(struct session *s, const struct matrix_uses *m, size_t at,
                             struct setting settings[WORKS_MOST], size_t *n, struct error *err) {
    struct quest *q = m->quest[at];
    const json_t *step = cross_under_way(q->cross);
    enum status st = OK;
    if (!step) {
        *n = matrix_candidates(m, at, settings, WORKS_MOST);
        step = cross_begin(q->cross, s->grants, (int64_t)q->n_attempts, settings, *n);
        st = save_cross(s, q, err);
    }
    *n = cross_settings(step, q, settings, WORKS_MOST);
    return st;
}

/* What is good at other n, beside what is good here, measured side by side. Where the time was too short for
 * that, the step stays under way. */
static enum status cross_quest(struct session *s, const struct matrix_uses *m, size_t at,
                               struct error *err) {
    struct quest *q = m->quest[at];
    struct setting settings[WORKS_MOST];
    struct attempt *who[WORKS_MOST];
    const struct span span = span_of(s, q);
    size_t n, n_right = 0, left = 0;
    enum status st = open_step(s, m, at, settings, &n, err);
    if (st == OK) st = measure_missing(s, q, settings, n, &span, &left, err);
    for (size_t i = 0; i < n; i++) {
        who[n_right] = right_attempt(q, &settings[i]);
        n_right += who[n_right] != NULL;
    }
    size_t n_who = affordable(&s->again, span.end_ns, n_right);
    if (q->uses > 0 && n_who < CROSS_LEAST) n_who = n_right < CROSS_LEAST ? n_right : CROSS_LEAST;
    if (st == OK && n_who > 1 && !is_interrupted(s))
        st = measure_again(s, q, who, n_who, finals_budget(&span), err);
    if (st != OK || is_interrupted(s) || (n_who < 2 && (left > 0 || n_right > 1))) return st;
    cross_end(cross_under_way(q->cross), (int64_t)q->n_attempts);
    q->is_crossed = true;
    return save_cross(s, q, err);
}

/* The engine asks for it by the problem at n = 1 (runtime/routes.c). */
static enum status save_choice(struct session *s, const struct matrix_uses *m, struct error *err) {
    const struct matrix_choice choice = matrix_choose(m);
    if (!choice.layout) return OK;
    const struct problem *one = &m->quest[0]->problem;
    char kernels[17], name[160], *key = problem_layout_key(one);
    family_key(one->family, kernels);
    matrix_name(m, name);
    json_t *value = matrix_json(m);
    json_object_set_new(value, "kernels", json_string(kernels));
    const enum status st = set_fact(s, "plan", key, value, err);
    free(key);
    char open[80] = "";
    if (choice.n_open)
        snprintf(open, sizeof open, "; %zu of %zu n not measured in it", choice.n_open, m->n);
    log_say("%s %s: layout %s for every n, at most ×%.2f of the best measured%s", one->family->name,
            name, choice.layout->name, choice.worst, open);
    return st;
}

/* At the n that are used, or at those between. */
static enum status cross_matrix(struct session *s, const struct matrix_uses *m, bool used,
                                struct error *err) {
    enum status st = OK;
    bool is_new = false;
    for (size_t i = 0; i < m->n; i++)
        if (!m->quest[i]->is_done) return OK;
    for (size_t i = 0; st == OK && i < m->n && !is_over(s); i++) {
        struct quest *q = m->quest[i];
        if (q->is_crossed || (q->uses > 0) != used) continue;
        st = cross_quest(s, m, i, err);
        is_new = is_new || q->is_crossed;
    }
    if (st == OK) st = spend(s, "running", err);
    return st == OK && is_new ? save_choice(s, m, err) : st;
}

/* A finished session measures its winners once more. One that is not right any more gives way to the
 * next best. */
static enum status recheck(struct session *s, struct quest *q, struct error *err) {
    enum status st = replay(s, q, err);
    const struct attempt *best = quest_best(q);
    if (st != OK || !best || is_interrupted(s)) return st;
    struct attempt *who[1] = {&q->attempts[best - q->attempts]};
    st = measure_again(s, q, who, 1, RECHECK_NS, err);
    if (st != OK || who[0]->outcome == OUTCOME_OK) return st;
    char name[256];
    quest_name(q, name);
    log_warn("%s: the winner does not pass its check any more (%s)", name,
             outcome_names[who[0]->outcome]);
    return hold_finals(s, q, &(struct span){INT64_MAX, INT64_MAX}, err);
}

/* ---- rows that a dead session left running ---- */

/* Seen running twice, or before a reboot: it is to blame. The others are tried once more by the
 * session that they belong to. */
static enum status settle_running(struct session *s, struct error *err) {
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

/* ---- begin and end ---- */

static const struct layout *fixed_layout(const struct session_options *o, size_t i) {
    return o->layout && o->layout[i] ? layout_find(o->layout[i]) : NULL;
}

/* Time that a problem needs at least, roughly, for sharing the budget. */
static double rough_ns(const struct problem *problem) {
    struct cost cost;
    problem->family->cost(problem, &cost);
    return fmax(cost.bytes / 20, cost.operations / 100);
}

static enum status open_one(struct session *s, const struct problem *problem, size_t i,
                            struct error *err) {
    const struct session_options *o = s->options;
    struct quest *q = &s->quests[s->n_quests];
    if (o->layout && o->layout[i] && !fixed_layout(o, i))
        return fail(err, STATUS_INVALID, "there is no layout %s", o->layout[i]);
    enum status st =
        quest_open(q, &s->target, problem, fixed_layout(o, i), o->limits, o->n_limits, err);
    if (st != OK) return st;
    q->uses = o->weights ? o->weights[i] : 1;
    q->weight = rough_ns(&q->problem) * q->uses;
    s->n_quests++;
    return OK;
}

/* Shares of the budget. */
static void weigh_quests(struct session *s) {
    double all = 0, searched = 0;
    for (size_t i = 0; i < s->n_quests; i++) {
        all += s->quests[i].weight;
        searched += s->quests[i].uses > 0;
    }
    for (size_t i = 0; i < s->n_quests; i++)
        if (s->quests[i].uses > 0)
            s->quests[i].weight = EVEN_SHARE / searched +
                                  (1 - EVEN_SHARE) * (all > 0 ? s->quests[i].weight / all : 0);
    for (size_t i = 0; i < s->n_matrices; i++) {
        const struct matrix_uses *m = &s->matrices[i];
        double together = 0;
        for (size_t k = 0; k < m->n; k++) together += m->quest[k]->weight;
        for (size_t k = 0; k < m->n; k++)
            m->quest[k]->cross_weight = m->quest[k]->uses > 0
                                            ? CROSS_SHARE * m->quest[k]->weight
                                            : BETWEEN_SHARE * together / (double)m->n;
    }
}

static int by_importance(const void *a, const void *b) {
    const struct turn *x = a, *y = b;
    if (x->together != y->together) return x->together < y->together ? 1 : -1;
    if (x->first != y->first) return x->first > y->first ? 1 : -1;
    if (x->alone != y->alone) return x->alone < y->alone ? 1 : -1;
    return (x->quest > y->quest) - (x->quest < y->quest);
}

/* Without weights, which tell what matters, the order is that of the question. */
static void order_quests(struct session *s) {
    s->turns = memory_new((s->n_quests + 1) * sizeof *s->turns);
    for (size_t i = 0; i < s->n_quests; i++) {
        struct quest *q = &s->quests[i];
        s->turns[i] = (struct turn){q, NULL, q->weight, q->weight, i};
    }
    if (!s->options->weights) return;
    s->n_matrices = matrices_find(s->quests, s->n_quests, &s->matrices);
    for (size_t i = 0; i < s->n_matrices; i++) {
        struct matrix_uses *m = &s->matrices[i];
        double together = 0;
        size_t first = SIZE_MAX;
        for (size_t k = 0; k < m->n; k++) {
            const size_t at = (size_t)(m->quest[k] - s->quests);
            together += m->quest[k]->weight;
            first = at < first ? at : first;
        }
        for (size_t k = 0; k < m->n; k++) {
            struct turn *turn = &s->turns[m->quest[k] - s->quests];
            *turn = (struct turn){m->quest[k], m, together, turn->alone, first};
        }
    }
    qsort(s->turns, s->n_quests, sizeof *s->turns, by_importance);
}

/* Problems that nothing can do here, or that have no room, are said and left out; all of them: how the
 * last of them failed, in one sentence. */
static enum status open_quests(struct session *s, struct error *err) {
    const struct recorded *recorded = s->target.recorded;
    const struct problem *problems = recorded ? &recorded->problem : s->options->problems;
    const size_t n = recorded ? 1 : s->options->n_problems;
    struct str left_out = {0};
    enum status st = OK, refused = OK;
    s->quests = memory_new((n + 1) * sizeof *s->quests);
    for (size_t i = 0; i < n; i++) {
        st = open_one(s, &problems[i], i, err);
        if (st != OK && st != STATUS_UNSUPPORTED && st != STATUS_NOMEM) break;
        if (st != OK) str_addf(&left_out, "%s\n", err->text), refused = st, st = OK;
    }
    if (st == OK && s->n_quests == 0) {
        st = refused;
        if (n > 1) fail_while(err, "none of %zu problems is left", n);
    } else if (st == OK) {
        char *rest = left_out.text;
        for (char *line; rest && *rest && (line = strsep(&rest, "\n"));) log_warn("%s", line);
    }
    str_free(&left_out);
    order_quests(s);
    weigh_quests(s);
    return st;
}

/* What was asked, canonical: problems with class and layout, one a line, and limits. The kernels are part
 * of it: times of other sources would mislead a search that goes on. */
static char *asked_text(const struct session *s) {
    struct str text = {0};
    char key[17] = ""; /* of the family, made from all its sources */
    for (size_t i = 0; i < s->n_quests; i++) {
        const struct quest *q = &s->quests[i];
        if (i == 0 || q->problem.family != q[-1].problem.family) quest_family_key(q, key);
        str_addf(&text, "%s %s %s %s %s\n", q->problem.family->name, q->text,
                 class_names[q->problem.class], q->layout ? q->layout->name : "*", key);
    }
    for (size_t l = 0; l < s->options->n_limits; l++) {
        const struct space_limit *limit = &s->options->limits[l];
        str_addf(&text, "param %s", limit->param);
        for (int v = 0; v < limit->n_values; v++)
            str_addf(&text, "%s%s", v ? "," : "=", limit->values[v]);
        str_add(&text, "\n");
    }
    return text.text;
}

static enum status find_or_begin(struct session *s, struct error *err) {
    struct session_row asked = {.device_id = s->device_id,
                                .problems = asked_text(s),
                                .strategy = (char *)s->strategy->name,
                                .seed = s->options->seed,
                                .budget_ns = s->options->budget_ns,
                                .evaluations = s->options->evaluations,
                                .state = "running"};
    enum status st = store_session_find(s->store, &asked, &s->row, err);
    s->was_found = st == OK;
    s->grants = 1;
    if (st == OK) {
        s->spent_before_ns = bounded(s->row.spent_ns, 0, SPENT_MOST_NS);
        s->was_finished = s->row.state && strcmp(s->row.state, "finished") == 0;
        load_grants(s);
    } else if (st == STATUS_NOTHING) {
        st = store_session_begin(s->store, &asked, err);
        s->row = asked;
        s->row.problems = text_copy(asked.problems);
        s->row.strategy = text_copy(asked.strategy);
        s->row.state = text_copy("running");
    }
    free(asked.problems);
    return st;
}

/* A new session has its budget, one that was killed the unspent part. One that has finished, or has hardly
 * anything left because the time was too short for its problems, has the whole again. */
static void allow(struct session *s) {
    const int64_t budget = s->options->budget_ns;
    s->allowance_ns = INT64_MAX;
    if (budget <= 0) return;
    s->allowance_ns = granted(s, budget);
    const int64_t rest = s->allowance_ns - s->spent_before_ns;
    if (s->was_finished || (double)rest < REST_LEAST * (double)budget)
        s->allowance_ns = s->spent_before_ns + budget;
}

/* --more: the budget once again, and the searches are open again. */
static enum status grant_more(struct session *s, struct error *err) {
    if (!s->was_finished || !s->options->more) return OK;
    s->grants += s->grants < GRANTS_MOST;
    s->was_finished = false;
    for (size_t i = 0; i < s->n_quests; i++) s->quests[i].is_done = s->quests[i].is_crossed = false;
    return save_grants(s, err);
}

static enum status open_session(struct session *s, struct error *err) {
    const struct session_options *o = s->options;
    enum status st = target_open(o->device, &s->target, err);
    if (st != OK) return st;
    s->info = s->target.info;
    if ((!o->is_locked && (st = lock_take(s->info, o->lock_text, &s->lock, err)) != OK) ||
        (st = open_quests(s, err)) != OK ||
        (st = store_open(o->database, STORE_WRITE, &s->store, err)) != OK ||
        (st = store_device(s->store, s->info->model_key, s->info->version_key, s->info->name,
                           s->info->uuid, &s->device_id, err)) != OK ||
        (st = settle_running(s, err)) != OK || (st = find_or_begin(s, err)) != OK)
        return st;
    st = worker_open(s->target.selector, s->info->model_key, o->deadlines, &s->worker, err);
    for (size_t i = 0; st == OK && s->was_found && i < s->n_quests; i++)
        s->quests[i].is_done = s->quests[i].uses == 0 || load_done(s, &s->quests[i]);
    for (size_t i = 0; st == OK && i < s->n_quests; i++) load_cross(s, &s->quests[i]);
    if (st == OK) allow(s);
    return st == OK ? grant_more(s, err) : st;
}

static void close_session(struct session *s) {
    worker_close(s->worker);
    session_row_free(&s->row);
    store_close(s->store);
    for (size_t i = 0; i < s->n_quests; i++) quest_close(&s->quests[i]);
    free(s->quests);
    free(s->turns);
    free(s->matrices);
    lock_release(s->lock);
    target_close(&s->target);
}

static json_t *session_json(const struct session *s, const char *state) {
    json_t *problems = json_array();
    int64_t here = 0, all = 0;
    for (size_t i = 0; i < s->n_quests; i++) {
        json_array_append_new(problems, quest_json(&s->quests[i]));
        here += s->quests[i].n_here;
        all += (int64_t)s->quests[i].n_attempts;
    }
    const int64_t wall_ns = clock_now_ns() - s->began_ns;
    json_t *object = json_pack(
        "{s:s,s:s,s:s,s:I,s:f,s:o,s:{s:I,s:s,s:I,s:f,s:b},s:o}", "device", s->info->name, "db",
        store_path(s->store), "strategy", s->strategy->name, "evaluations", (json_int_t)here,
        "seconds", (double)wall_ns / 1e9, "time", times_json(s->worker, wall_ns), "session", "id",
        (json_int_t)s->row.id, "state", state, "evaluations", (json_int_t)all, "seconds",
        (double)spent_ns(s) / 1e9, "resumed", s->was_found, "problems", problems);
    if (s->n_matrices)
        json_object_set_new(object, "model", matrices_json(s->matrices, s->n_matrices));
    return object;
}

static void say_times(const struct session *s) {
    char text[160];
    times_format(s->worker, clock_now_ns() - s->began_ns, text);
    log_say("time: %s", text);
}

/* ---- the story ---- */

static size_t count_unfinished(const struct session *s) {
    size_t n = 0;
    for (size_t i = 0; i < s->n_quests; i++) {
        const struct quest *q = &s->quests[i];
        n += !q->is_done || (q->cross_weight > 0 && !q->is_crossed);
    }
    return n;
}

static enum status tell_story(struct session *s, struct error *err) {
    enum status st = OK;
    if (s->was_finished)
        log_say("session %lld is finished: its winners are measured once more (--more goes on)",
                (long long)s->row.id);
    else if (s->was_found) log_say("going on with session %lld", (long long)s->row.id);
    for (size_t i = 0; st == OK && i < s->n_quests; i++) {
        const struct turn *turn = &s->turns[i];
        struct quest *q = turn->quest;
        const bool is_last = i + 1 == s->n_quests || turn[1].matrix != turn->matrix;
        if (is_over(s)) st = replay(s, q, err); /* to be reported with what is known of it */
        else st = s->was_finished ? recheck(s, q, err) : run_quest(s, q, err);
        if (st == OK && turn->matrix && is_last && !s->was_finished)
            st = cross_matrix(s, turn->matrix, true, err);
    }
    for (size_t i = 0; st == OK && i < s->n_quests && !s->was_finished; i++) {
        const struct matrix_uses *m = s->turns[i].matrix;
        if (m && (i == 0 || s->turns[i - 1].matrix != m)) st = cross_matrix(s, m, false, err);
    }
    return st;
}

enum status session_run(const struct session_options *options, json_t **result, struct error *err) {
    struct session s = {.options = options,
                        .began_ns = options->began_ns ? options->began_ns : clock_now_ns(),
                        .strategy = strategy_find(options->strategy)};
    struct error local = {0};
    err = err ? err : &local;
    *result = NULL;
    if (!s.strategy)
        return fail(err, STATUS_INVALID, "there is no strategy %s; see `hone tune --help`",
                    options->strategy);
    enum status st = open_session(&s, err);
    if (st == OK) {
        st = tell_story(&s, err);
        const bool stopped = st == STATUS_INTERRUPTED || (st == OK && is_interrupted(&s));
        const size_t left = count_unfinished(&s);
        const char *state = st == OK && !stopped && left == 0 ? "finished" : "interrupted";
        struct error second;
        enum status last = spend(&s, state, st == OK ? err : &second);
        log_progress_done();
        say_times(&s);
        if (st == OK) st = last;
        if (st == OK && !stopped && left > 0)
            log_say(
                "The time is over: %zu of %zu problem%s not reached, or not measured with what is "
                "best at other n; the same command goes on.",
                left, s.n_quests, s.n_quests == 1 ? "" : "s");
        if (stopped && (st == OK || st == STATUS_INTERRUPTED))
            st = fail(err, STATUS_INTERRUPTED,
                      "interrupted; what was measured is kept, and the same "
                      "command goes on");
        if (st == OK || st == STATUS_INTERRUPTED) *result = session_json(&s, state);
    }
    close_session(&s);
    return st;
}
