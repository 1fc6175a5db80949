/* session_finals.c: the best of a problem measured again, side by side and checked in full: its
 * finals, and the winners of a finished session. */
#include "base/clock.h"
#include "base/log.h"
#include "tuner/session_private.h"

enum { FINALISTS = 4 };
/* Samples of all finalists together; of a winner that is measured once more. */
static const int64_t FINALS_LEAST_NS = 200000000, FINALS_MOST_NS = 8000000000;
static const int64_t RECHECK_NS = 2000000000;

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
    if (st == OK) st = session_save_rounds(s, q, err);
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

enum status session_measure_again(struct session *s, struct quest *q, struct attempt **who,
                                  size_t n, int64_t budget_ns, struct error *err) {
    struct work works[WORKS_MOST] = {0};
    struct evaluation e[WORKS_MOST] = {0};
    struct record_key keys[WORKS_MOST] = {0};
    for (size_t i = 0; i < n; i++) {
        works[i] = (struct work){.config = who[i]->setting.config,
                                 .problem = quest_problem(q, &who[i]->setting),
                                 .seed = 1,
                                 .incumbent_ns = quest_incumbent(q),
                                 .budget_ns = budget_ns,
                                 .is_final = true};
        keys[i] = quest_key(q, &who[i]->setting);
        e[i] = session_new_evaluation(s, q, who[i]->is_default, &keys[i]);
        e[i].id = who[i]->id;
        e[i].sequence = who[i] - q->attempts;
    }
    const int64_t began = clock_now_ns();
    enum status st = evaluate_finals(s, works, n, e, err);
    s->again = (struct pace){s->again.ns + clock_now_ns() - began, s->again.n + (int64_t)n};
    if (st == OK) st = commit_finals(s, q, who, e, n, err);
    for (size_t i = 0; i < n; i++) evaluation_drop(&e[i], &keys[i]);
    return st;
}

int64_t span_finals_ns(const struct span *span) {
    if (span->end_ns == INT64_MAX) return FINALS_MOST_NS;
    const int64_t left = span->end_ns - clock_now_ns();
    return left < FINALS_LEAST_NS ? FINALS_LEAST_NS : left > FINALS_MOST_NS ? FINALS_MOST_NS : left;
}

size_t pace_affords(const struct pace *pace, int64_t end_ns, size_t most) {
    if (end_ns == INT64_MAX || pace->n == 0) return most;
    const int64_t left = end_ns - clock_now_ns(),
                  n = left > 0 ? left / (pace->ns / pace->n + 1) : 0;
    return n < (int64_t)most ? (size_t)n : most;
}

enum status session_hold_finals(struct session *s, struct quest *q, const struct span *span,
                                struct error *err) {
    while (q->final_rounds < FINAL_ROUNDS) {
        struct attempt *who[FINALISTS];
        const size_t most = pace_affords(&s->again, span->end_ns, FINALISTS);
        const size_t n = quest_finalists(q, who, q->final_rounds == 0 && most == 0 ? 1 : most);
        if (n == 0) return OK;
        q->final_rounds++;
        enum status st = session_measure_again(s, q, who, n, span_finals_ns(span), err);
        if (st != OK) return st;
    }
    return OK;
}

enum status session_recheck(struct session *s, struct quest *q, struct error *err) {
    enum status st = session_replay(s, q, err);
    const struct attempt *best = quest_best(q);
    if (st != OK || !best || session_is_interrupted(s)) return st;
    struct attempt *who[1] = {&q->attempts[best - q->attempts]};
    st = session_measure_again(s, q, who, 1, RECHECK_NS, err);
    if (st != OK || who[0]->outcome == OUTCOME_OK) return st;
    char name[256];
    quest_name(q, name);
    log_warn("%s: the winner does not pass its check any more (%s)", name,
             outcome_names[who[0]->outcome]);
    return session_hold_finals(s, q, &(struct span){INT64_MAX, INT64_MAX}, err);
}
