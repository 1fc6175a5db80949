/* replay.h: strategies on recorded spaces, without a device: how many evaluations and how much simulated time
 * it takes to come near the optimum, over many seeds. */
#pragma once
#include "tuner/recorded.h"
#include "tuner/strategy.h"

/* What a strategy is told of a configuration that went well: name, what it is. */
#define REPLAY_TOLD_MAP(XX)                                                                        \
    XX(median, "the recorded median, as published figures do")                                     \
    XX(sample, "one of the recorded runs")                                                         \
    XX(race, "what racing over the recorded runs finds: dropped ones are censored")
enum replay_told {
#define XX(name, summary) REPLAY_TOLD_##name,
    REPLAY_TOLD_MAP(XX)
#undef XX
        REPLAY_TOLDS
};
extern const char *const replay_told_names[REPLAY_TOLDS];
int replay_told_find(const char *name); /* −1: unknown */

struct replay_options {
    const struct recorded *recorded;
    const struct strategy *strategy;
    enum replay_told told;
    size_t n_runs;       /* as many seeds */
    uint64_t seed;       /* of the first; the next run has the next */
    size_t evaluations;  /* a run at most */
    double enough;       /* a run ends at this share of the optimum; 0: never before its time */
    const int64_t *warm; /* configurations that every run begins with; may be NULL */
    size_t n_warm;
    const volatile int *interrupt; /* may be NULL */
};

/* After each of its evaluations, how far one run has come. The incumbent is the fastest by what was told; what
 * counts of it is its recorded median. */
struct replay_run {
    size_t n;        /* evaluations; fewer than asked when nothing was left, or it was enough */
    double *best_ns; /* recorded median of the incumbent; INFINITY: none yet */
    double *
        seconds; /* compile, check, and the runs that the measuring protocol takes, racing included */
    double *
        whole_s; /* the same with all recorded runs of each: what the published score is counted in */
    double race_ns, whole_ns; /* time of the runs alone: racing, and all of them */
};
struct replay {
    struct replay_run *runs; /* (n_runs) */
    size_t n_runs, evaluations;
};

/* All runs, on all processors; what comes out does not depend on how many there are. NOMEM; INTERRUPTED;
 * whatever a strategy fails with. Freed by replay_free, also on failure. */
enum status replay_strategy(const struct replay_options *options, struct replay *out,
                            struct error *err);
void replay_free(struct replay *replay);

/* ---- what came out ---- */

/* When a share of the optimum was reached; runs that never did count as never (INFINITY). */
struct replay_reach {
    double evaluations, seconds; /* medians over the runs */
    double low, high;            /* quartiles of the evaluations */
    size_t reached;              /* runs */
};
struct replay_reach replay_reach(const struct replay *replay, const struct recorded *recorded,
                                 double share);
/* Quartiles over the runs of optimum / best so far after that many evaluations (from 1), and the median of
 * the simulated seconds. */
struct replay_point {
    double low, median, high, seconds;
};
struct replay_point replay_point(const struct replay *replay, const struct recorded *recorded,
                                 size_t evaluations);
/* The score of Willemsen et al. (2024): by how much the mean best-so-far lies below that of random search,
 * relative to what is left to the optimum, averaged over time: 0 = random search, 1 = the optimum at once.
 * A run that ended before that keeps its best. NAN where random search reaches the cut-off at once. */
double replay_score(const struct replay *replay, const struct recorded *recorded);
/* Evaluations that random search without repetition needs to have, as expected, come that part of the way
 * from the median of the space to its optimum. */
double replay_random_evaluations(const struct recorded *recorded, double part);
