/* session_private.h: an open session, as its files share it: session.c (the story, the search of one
 * problem, begin and end), session_facts.c (what it keeps), session_replay.c (what earlier runs left),
 * session_finals.c (the best measured again), session_matrix.c (all n of a matrix together). */
#pragma once
#include "tuner/cross.h"
#include "tuner/matrices.h"
#include "tuner/quest.h"
#include "tuner/seeds.h"
#include "tuner/session.h"
#include "tuner/target.h"

enum { FINAL_ROUNDS = 3, GRANTS_MOST = 1000 };

/* How long measurements took. */
struct pace {
    int64_t ns, n;
};

/* When a problem's search ends, and when its finals do. */
struct span {
    int64_t search_end_ns, end_ns; /* on the monotonic clock; INT64_MAX: no end */
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
    struct quest *searched;       /* whose search is on; NULL: none is */
    struct turn *turns;           /* the quests, what matters most first */
    struct matrix_uses *matrices; /* only where it is known how often they are used */
    size_t n_matrices;
    struct pace first, again; /* of measurements in this run */
    int64_t began_ns, spent_before_ns;
    int64_t allowance_ns; /* what the session may have spent when it ends; INT64_MAX: no limit */
};

static inline int64_t bounded(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

/* ---- session.c ---- */

bool session_is_interrupted(const struct session *s);
/* Is no problem begun any more? */
bool session_is_over(const struct session *s);
/* The quest's part of what is left of the budget, from now on. */
struct span session_span(const struct session *s, const struct quest *q);
/* Samples of one candidate within it. */
int64_t span_samples_ns(const struct span *span);

/* A row that is running; its strings stay the key's. Both are freed by evaluation_drop. */
struct evaluation session_new_evaluation(const struct session *s, const struct quest *q,
                                         bool is_default, const struct record_key *key);
void evaluation_drop(struct evaluation *e, struct record_key *key);
/* The outcome of one, the running row of the next (either may be NULL), and what was spent until now:
 * one transaction. */
enum status session_commit(struct session *s, const struct evaluation *done,
                           struct evaluation *next, struct error *err);
/* Let the worker evaluate what leave (NULL: the caller) makes a running row. When the worker fails
 * afterwards, the row is settled. */
enum status session_evaluate(struct session *s, struct quest *q, const struct work *work,
                             struct leave *leave, struct evaluation *e, struct error *err);
/* What was spent until now, and the session's state. */
enum status session_spend(struct session *s, const char *state, struct error *err);

/* ---- session_facts.c ---- */

/* The value is taken. */
enum status session_set_fact(struct session *s, const char *kind, const char *key, json_t *value,
                             struct error *err);
enum status session_save_grants(struct session *s, struct error *err);
void session_load_grants(struct session *s);
/* What the worker knows of the device's ceilings, if it does. */
enum status session_save_ceilings(struct session *s, struct error *err);
enum status session_save_seeds(struct session *s, const struct quest *q, struct error *err);
/* Seeds as they were fixed; false when this quest was never begun. Its space is open. */
bool session_load_seeds(struct session *s, const struct quest *q, int64_t seeds[SEEDS_MOST],
                        size_t *n);
/* The search has ended under the present grant. */
enum status session_save_done(struct session *s, const struct quest *q, struct error *err);
bool session_load_done(struct session *s, const struct quest *q);
/* Rounds of finals that were held under the present grant. */
enum status session_save_rounds(struct session *s, const struct quest *q, struct error *err);
void session_load_rounds(struct session *s, struct quest *q);
/* Steps at other n: cross.h. */
enum status session_save_cross(struct session *s, const struct quest *q, struct error *err);
void session_load_cross(struct session *s, struct quest *q);

/* ---- session_replay.c ---- */

/* What was measured, in order; while searching the strategy hears of it. */
enum status session_replay(struct session *s, struct quest *q, struct error *err);
/* May this configuration run here? If not (quarantine), the strategy is told so. */
enum status session_consult(struct session *s, struct quest *q, const struct record_key *key,
                            int64_t config, bool *may_run, struct error *err);
/* Rows that a dead session left running: seen so twice, or before a reboot, they are to blame. The
 * others are tried once more by the session that they belong to. */
enum status session_settle_running(struct session *s, struct error *err);

/* ---- session_finals.c ---- */

/* How many measurements, at most that many, fit into the time until then, at that pace. */
size_t pace_affords(const struct pace *pace, int64_t end_ns, size_t most);
/* Samples of all finalists together: what is left of the problem's time, within bounds. */
int64_t span_finals_ns(const struct span *span);
/* Measure these attempts side by side, checked in full, for about that long. */
enum status session_measure_again(struct session *s, struct quest *q, struct attempt **who,
                                  size_t n, int64_t budget_ns, struct error *err);
/* The rounds that were not held yet. The best is measured whatever the time. */
enum status session_hold_finals(struct session *s, struct quest *q, const struct span *span,
                                struct error *err);
/* A finished session measures its winners once more. One that is not right any more gives way to the
 * next best. */
enum status session_recheck(struct session *s, struct quest *q, struct error *err);

/* ---- session_matrix.c ---- */

/* At the n that are used, or at those between, once the search has ended at all of them; the choice is
 * said, and kept as the fact that the engine asks for. */
enum status session_cross_matrix(struct session *s, const struct matrix_uses *m, bool used,
                                 struct error *err);
