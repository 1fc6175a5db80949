/* test_replay.c: replays count right, come out the same whoever runs them, and know random search. */
#include "tests/tuner/files.h"
#include "tuner/replay.h"
#include <math.h>
#include <stdlib.h>

static struct recorded *opened(const char *path) {
    struct recorded *r = NULL;
    struct error err = {0};
    cr_assert_eq(recorded_open(path, &r, &err), OK, "%s", err.text);
    return r;
}

static struct replay replayed(const struct recorded *r, const char *strategy, enum replay_told told,
                              size_t n_runs, size_t evaluations) {
    const struct replay_options options = {.recorded = r,
                                           .strategy = strategy_find(strategy),
                                           .told = told,
                                           .n_runs = n_runs,
                                           .seed = 1,
                                           .evaluations = evaluations};
    struct replay replay;
    struct error err = {0};
    cr_assert_eq(replay_strategy(&options, &replay, &err), OK, "%s", err.text);
    return replay;
}

Test(replay, counts_evaluations_and_seconds) {
    struct recorded *r = opened(file_of_text(CACHE_HEAD CACHE_ROWS "}}"));
    struct replay replay = replayed(r, "exhaustive", REPLAY_TOLD_median, 3, 100);
    const struct replay_run *run = &replay.runs[0];
    cr_assert_eq(run->n, 5, "all that there is");
    cr_assert_eq(run->best_ns[0], 3e6);
    cr_assert_eq(run->best_ns[4], 1.5e6);
    /* 8,x: 10 ms compiling, 5 ms checking, 2 + 3 + 4 ms of runs */
    cr_assert_float_eq(run->whole_s[0], 24e-3, 1e-12);
    /* 2,x is one run; 4,x compiles for 7 ms and fails; 8,y and 2,y add 18.5 ms */
    cr_assert_float_eq(run->whole_s[4], 24e-3 + 1.5e-3 + 7e-3 + 18.5e-3, 1e-12);
    struct replay_reach reach = replay_reach(&replay, r, 0.95);
    cr_assert_eq(reach.evaluations, 2);
    cr_assert_eq(reach.reached, 3);
    cr_assert_eq(replay_point(&replay, r, 1).median, 0.5);
    replay_free(&replay);
    replay = replayed(r, "exhaustive", REPLAY_TOLD_median, 3, 1);
    reach = replay_reach(&replay, r, 0.95);
    cr_assert_eq(reach.evaluations, INFINITY);
    cr_assert_eq(reach.reached, 0);
    replay_free(&replay);
    recorded_close(r);
}

Test(replay, warm_begins_with_what_it_is_given) {
    struct recorded *r = opened(file_of_text(CACHE_HEAD CACHE_ROWS "}}"));
    const int64_t warm[] = {1};
    for (const struct strategy *const *s = strategies; *s; s++) {
        const struct replay_options options = {.recorded = r,
                                               .strategy = *s,
                                               .n_runs = 2,
                                               .evaluations = 5,
                                               .warm = warm,
                                               .n_warm = 1};
        struct replay replay;
        cr_assert_eq(replay_strategy(&options, &replay, NULL), OK);
        cr_assert_eq(replay.runs[0].best_ns[0], 1.5e6, "%s", (*s)->name);
        replay_free(&replay);
    }
    recorded_close(r);
}

Test(replay, is_a_function_of_the_seed) {
    struct recorded *r = opened(test_data("tuning/A6000_original_T4.json.gz"));
    for (int told = 0; told < REPLAY_TOLDS; told++) {
        struct replay all = replayed(r, "local", (enum replay_told)told, 20, 100);
        for (size_t i = 0; i < 20; i += 7) {
            const struct replay_options options = {.recorded = r,
                                                   .strategy = strategy_find("local"),
                                                   .told = (enum replay_told)told,
                                                   .n_runs = 1,
                                                   .seed = 1 + i,
                                                   .evaluations = 100};
            struct replay one;
            cr_assert_eq(replay_strategy(&options, &one, NULL), OK);
            cr_assert_arr_eq(one.runs[0].best_ns, all.runs[i].best_ns, 100 * sizeof(double));
            cr_assert_arr_eq(one.runs[0].seconds, all.runs[i].seconds, 100 * sizeof(double));
            replay_free(&one);
        }
        replay_free(&all);
    }
    recorded_close(r);
}

/* Random search is the yardstick of the score, and local search better than it. */
Test(replay, random_scores_nothing) {
    struct recorded *r = opened(test_data("tuning/RTX_2080_Ti.json.gz"));
    /* What the published program says: 10 and 13 configurations of 17,956 are that good. */
    cr_assert_eq(replay_random_evaluations(r, 0.96), 1632);
    cr_assert_eq(replay_random_evaluations(r, 0.95), 1282);
    struct replay replay = replayed(r, "random", REPLAY_TOLD_median, 100, 2000);
    const double score = replay_score(&replay, r);
    cr_log_info("random search scores %.3f", score);
    cr_assert_float_eq(score, 0.05, 0.15);
    replay_free(&replay);
    replay = replayed(r, "local", REPLAY_TOLD_median, 100, 2000);
    cr_assert_gt(replay_score(&replay, r), 0.5);
    replay_free(&replay);
    recorded_close(r);
}

Test(replay, strategies_that_stop_are_interrupted) {
    struct recorded *r = opened(file_of_text(CACHE_HEAD CACHE_ROWS "}}"));
    const volatile int interrupt = 1;
    const struct replay_options options = {.recorded = r,
                                           .strategy = strategies[0],
                                           .n_runs = 2,
                                           .evaluations = 5,
                                           .interrupt = &interrupt};
    struct replay replay;
    cr_assert_eq(replay_strategy(&options, &replay, NULL), STATUS_INTERRUPTED);
    replay_free(&replay);
    recorded_close(r);
}
