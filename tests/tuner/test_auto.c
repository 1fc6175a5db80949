/* test_auto.c: the house strategy on recorded spaces, by the protocol of the published figures: 100 seeds, told
 * medians, at most 200 evaluations, nothing known beforehand. The bars are three quarters of what the best
 * published strategy needs on each space. */
#include "tests/support.h"
#include "tuner/replay.h"
#include <criterion/criterion.h>

enum { RUNS = 100, EVALUATIONS = 200 };

static struct recorded *opened(const char *name) {
    struct recorded *recorded = NULL;
    struct error err = {0};
    cr_assert_eq(recorded_open(test_data(name), &recorded, &err), OK, "%s", err.text);
    return recorded;
}

static struct replay replayed(const struct recorded *recorded, size_t n_runs, size_t evaluations,
                              const int64_t *warm, size_t n_warm) {
    const struct replay_options options = {.recorded = recorded,
                                           .strategy = strategy_find("auto"),
                                           .told = REPLAY_TOLD_median,
                                           .n_runs = n_runs,
                                           .seed = 1,
                                           .evaluations = evaluations,
                                           .enough = 0.99, /* the last that is asked for */
                                           .warm = warm,
                                           .n_warm = n_warm};
    struct replay replay = {0};
    struct error err = {0};
    cr_assert_eq(replay_strategy(&options, &replay, &err), OK, "%s", err.text);
    return replay;
}

static void cold(const char *name, double most_to_95, double most_to_99) {
    struct recorded *recorded = opened(name);
    struct replay replay = replayed(recorded, RUNS, EVALUATIONS, NULL, 0);
    const struct replay_reach near = replay_reach(&replay, recorded, 0.95),
                              nearest = replay_reach(&replay, recorded, 0.99);
    cr_log_info("checked %s: %.1f evaluations to 95 %%, %.1f to 99 %%, %zu and %zu of %d runs",
                name, near.evaluations, nearest.evaluations, near.reached, nearest.reached, RUNS);
    cr_expect_leq(near.evaluations, most_to_95);
    cr_expect_leq(nearest.evaluations, most_to_99);
    cr_expect_geq(near.reached, (size_t)95);
    cr_expect_geq(nearest.reached, (size_t)95);
    replay_free(&replay);
    recorded_close(recorded);
}

Test(auto_recorded, cold_2080_ti) {
    cold("tuning/RTX_2080_Ti.json.gz", 58, 72);
}
Test(auto_recorded, cold_titan) {
    cold("tuning/RTX_Titan.json.gz", 45, 52);
}

/* Spaces of our own kernels (results/spaces), that were not looked at when the constants were chosen. */
static void own_space(const char *path, double most_to_95) {
    enum { OWN_RUNS = 20 };
    struct recorded *recorded = NULL;
    struct error err = {0};
    cr_assert_eq(recorded_open(path, &recorded, &err), OK, "%s", err.text);
    struct replay replay = replayed(recorded, OWN_RUNS, EVALUATIONS, NULL, 0);
    const struct replay_reach near = replay_reach(&replay, recorded, 0.95);
    cr_log_info("checked %s: %.1f evaluations to 95 %%, %zu of %d runs", path, near.evaluations,
                near.reached, OWN_RUNS);
    cr_expect_leq(near.evaluations, most_to_95);
    cr_expect_geq(near.reached, (size_t)(OWN_RUNS - 1));
    replay_free(&replay);
    recorded_close(recorded);
}

Test(auto_recorded, own_spaces) {
    own_space("results/spaces/h200-gemv-q4-n1.t4.json.gz", 45);
    own_space("results/spaces/h200-gemv-q4-n16.t4.json.gz", 70);
    own_space("results/spaces/pocl-gemv-q4-n1.t4.json.gz", 30);
    own_space("results/spaces/pocl-gemm-n32.t4.json.gz", 20);
    own_space("results/spaces/pocl-gemm-q4-n32.t4.json.gz", 30);
}

/* Beginning with the best of another device's record. */
static void warm(const char *name, const char *other_name) {
    enum { SEEDS = 5, WARM_RUNS = 3, WARM_EVALUATIONS = 20 };
    struct recorded *recorded = opened(name), *other = opened(other_name);
    int64_t best[SEEDS], seeds[SEEDS];
    const size_t n = recorded_best(other, best, SEEDS);
    for (size_t i = 0; i < n; i++) seeds[i] = recorded_find(recorded, other, best[i]);
    struct replay replay = replayed(recorded, WARM_RUNS, WARM_EVALUATIONS, seeds, n);
    cr_expect_leq(replay_reach(&replay, recorded, 0.99).evaluations, 5);
    replay_free(&replay);
    recorded_close(other);
    recorded_close(recorded);
}

Test(auto_recorded, warm) {
    warm("tuning/RTX_2080_Ti.json.gz", "tuning/RTX_Titan.json.gz");
    warm("tuning/RTX_Titan.json.gz", "tuning/RTX_2080_Ti.json.gz");
}
