/* replay_score.c: what came out of a replay: evaluations to a share of the optimum, the curve, the published
 * score.
 *
 * The score is that of Willemsen et al., "A methodology for comparing optimization algorithms for auto-tuning",
 * Future Generation Computer Systems 159 (2024), doi 10.1016/j.future.2024.05.021: strategies are compared with
 * calculated random search, over time, up to the moment when random search has come 96 % of the way from the
 * median of the space to its optimum, from the moment when it has come half of it. An evaluation of random
 * search takes the median time of all. Where the authors' program rounds the rank that random search has
 * reached and smooths the steps, the rank here is a fraction. */
#include "base/stats.h"
#include "base/str.h"
#include "tuner/replay.h"
#include <math.h>
#include <stdlib.h>

static const double SCORE_FROM = 0.5, SCORE_TO = 0.96;
enum { SCORE_STEPS = 1000 };

/* ---- reached ---- */

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Quantile of sorted values of which some may be INFINITY: between two, of which the upper is, it is too. */
static double quantile(const double *sorted, size_t n, double q) {
    const double at = q * (double)(n - 1);
    const size_t i = (size_t)at;
    const double part = at - (double)i;
    if (part == 0 || i + 1 == n) return sorted[i];
    return sorted[i] + part * (sorted[i + 1] - sorted[i]);
}

struct replay_reach replay_reach(const struct replay *replay, const struct recorded *recorded,
                                 double share) {
    struct replay_reach reach = {0};
    const size_t n = replay->n_runs;
    double *evaluations = memory_new(n * sizeof *evaluations);
    double *seconds = memory_new(n * sizeof *seconds);
    for (size_t r = 0; r < n; r++) {
        const struct replay_run *run = &replay->runs[r];
        size_t i = 0;
        while (i < run->n && !(recorded->optimum_ns / run->best_ns[i] >= share)) i++;
        const bool is_reached = i < run->n;
        reach.reached += is_reached;
        evaluations[r] = is_reached ? (double)(i + 1) : INFINITY;
        seconds[r] = is_reached ? run->seconds[i] : INFINITY;
    }
    qsort(evaluations, n, sizeof *evaluations, by_value);
    qsort(seconds, n, sizeof *seconds, by_value);
    reach.evaluations = quantile(evaluations, n, 0.5);
    reach.seconds = quantile(seconds, n, 0.5);
    reach.low = quantile(evaluations, n, 0.25);
    reach.high = quantile(evaluations, n, 0.75);
    free(evaluations);
    free(seconds);
    return reach;
}

/* ---- curve ---- */

struct replay_point replay_point(const struct replay *replay, const struct recorded *recorded,
                                 size_t evaluations) {
    double *share = memory_new(replay->n_runs * sizeof *share);
    double *seconds = memory_new(replay->n_runs * sizeof *seconds);
    for (size_t r = 0; r < replay->n_runs; r++) {
        const struct replay_run *run = &replay->runs[r];
        if (run->n == 0) continue;
        const size_t i = (evaluations < run->n ? evaluations : run->n) - 1;
        share[r] = recorded->optimum_ns / run->best_ns[i];
        seconds[r] = run->seconds[i];
    }
    const struct replay_point point = {
        .low = stats_quantile(share, replay->n_runs, 0.25),
        .median = stats_median(share, replay->n_runs),
        .high = stats_quantile(share, replay->n_runs, 0.75),
        .seconds = stats_median(seconds, replay->n_runs),
    };
    free(share);
    free(seconds);
    return point;
}

/* ---- score ---- */

/* All medians, fastest first; those that failed count as the slowest: random search draws them too. */
static double *sorted_medians(const struct recorded *recorded) {
    const size_t n = recorded->recording.n;
    double *sorted = memory_new(n * sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = fmin(recorded->recording.configs[i].median_ns, recorded->worst_ns);
    qsort(sorted, n, sizeof *sorted, by_value);
    return sorted;
}

/* The best of m draws without repetition has, as expected, the rank (n + 1) / (m + 1), counted from 1. The
 * authors' program counts from 1 and looks up from 0 in falling order, which is one place nearer to the
 * optimum; so does this, for scores to be compared. (Random search itself scores −0.1 to 0.1: the mean
 * of the best lies below the value at the mean rank.) */
static double random_best(const double *sorted, size_t n, double m) {
    const double rank = fmax(((double)n + 1) / (m + 1) - 2, 0);
    return n > 1 ? quantile(sorted, n, fmin(rank / (double)(n - 1), 1)) : sorted[0];
}

static double random_evaluations(const double *sorted, size_t n, double part) {
    const double median = quantile(sorted, n, 0.5);
    const double target = sorted[0] + (median - sorted[0]) * (1 - part);
    size_t within =
        1; /* configurations within the target; random search is to go past the slowest of them */
    while (within < n && sorted[within] <= target) within++;
    return ceil((double)(n - within) / ((double)within + 1));
}

double replay_random_evaluations(const struct recorded *recorded, double part) {
    double *sorted = sorted_medians(recorded);
    const double evaluations = random_evaluations(sorted, recorded->recording.n, part);
    free(sorted);
    return evaluations;
}

/* Seconds of one evaluation with all its runs: the median over the space. */
static double usual_seconds(const struct recorded *recorded) {
    const size_t n = recorded->recording.n;
    double *seconds = memory_new(n * sizeof *seconds);
    for (size_t i = 0; i < n; i++) {
        const struct recorded_config *c = &recorded->recording.configs[i];
        double ns = c->compile_ns + c->check_ns;
        for (size_t k = 0; k < c->n_runs; k++) ns += recorded->recording.runs_ns[c->first_run + k];
        seconds[i] = ns / 1e9;
    }
    const double median = stats_median(seconds, n);
    free(seconds);
    return median;
}

/* Mean over the runs of the best at that time; before its first result a run has the slowest. at[r] is where
 * run r stands and moves on. */
static double mean_best(const struct replay *replay, const struct recorded *recorded, double time_s,
                        size_t *at) {
    double sum = 0;
    for (size_t r = 0; r < replay->n_runs; r++) {
        const struct replay_run *run = &replay->runs[r];
        while (at[r] < run->n && run->whole_s[at[r]] <= time_s) at[r]++;
        sum += at[r] ? fmin(run->best_ns[at[r] - 1], recorded->worst_ns) : recorded->worst_ns;
    }
    return sum / (double)replay->n_runs;
}

double replay_score(const struct replay *replay, const struct recorded *recorded) {
    const size_t n = recorded->recording.n;
    double *sorted = sorted_medians(recorded), sum = 0;
    int n_steps = 0;
    size_t *at = memory_new(replay->n_runs * sizeof *at);
    const double usual_s = usual_seconds(recorded);
    const double from = random_evaluations(sorted, n, SCORE_FROM);
    const double to = random_evaluations(sorted, n, SCORE_TO);
    for (int i = 1; i <= SCORE_STEPS; i++) {
        const double m = from + (to - from) * i / SCORE_STEPS;
        const double random = random_best(sorted, n, m), left = random - recorded->optimum_ns;
        if (!(left > 0)) continue; /* random search is through with a small space */
        sum += (random - mean_best(replay, recorded, m * usual_s, at)) / left;
        n_steps++;
    }
    free(at);
    free(sorted);
    return n_steps ? sum / n_steps : NAN;
}
