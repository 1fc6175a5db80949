/* test_strategies.c: every strategy of the registry on a synthetic surface. */
#include "base/stats.h"
#include "tests/tuner/synthetic.h"
#include "tuner/strategy.h"
#include <criterion/criterion.h>
#include <stdlib.h>

static struct device *device;
static struct space space;

static void open_space(const char *limit) {
    struct error err = {0};
    struct space_limit *limits = NULL;
    size_t n = 0;
    struct problem problem = synthetic_problem(64);
    cr_assert_eq(space_parse_limits(&limit, limit ? 1 : 0, &limits, &n, &err), OK);
    cr_assert_eq(space_open(device, &problem, NULL, limits, n, &space, &err), OK, "%s", err.text);
    free(limits);
}
static void open_all(void) {
    struct error err = {0};
    cr_assert_eq(device_open_bare(NULL, &device, &err), OK, "%s", err.text);
    device_set_features(device, 1ull << FEATURE_fp16);
    open_space(NULL);
}
static void close_all(void) {
    space_close(&space);
    device_close(device);
}
TestSuite(strategies, .init = open_all, .fini = close_all);

static struct search begun(const struct strategy *strategy, uint64_t seed, const int64_t *seeds,
                           size_t n_seeds) {
    struct search search = {
        .space = &space, .rng = rng_seed(seed), .seeds = seeds, .n_seeds = n_seeds};
    struct error err = {0};
    cr_assert_eq(strategy->begin(&search, &err), OK, "%s", err.text);
    return search;
}

/* Some fail, some are censored; the rest have the surface's time. */
static void answer(const struct strategy *strategy, struct search *search, int64_t at,
                   uint64_t salt) {
    double time = synthetic_time(&space, at, salt);
    if (at % 11 == 3) strategy->tell(search, at, INFINITY, false);
    else strategy->tell(search, at, time, at % 7 == 2);
}

Test(strategies, never_repeat_and_visit_all) {
    space_close(&space);
    open_space("UNROLL=1,MODE=plain,TN=1,8");
    for (const struct strategy *const *s = strategies; *s; s++) {
        unsigned char *seen = calloc(space.n, 1);
        const int64_t seeds[] = {5, 5, 17, -1, (int64_t)space.n};
        struct search search = begun(*s, 1, seeds, 5);
        size_t n = 0;
        for (int64_t at; (at = (*s)->next(&search)) >= 0; n++) {
            cr_assert_lt((size_t)at, space.n, "%s", (*s)->name);
            cr_assert_not(seen[at], "%s repeats %lld", (*s)->name, (long long)at);
            if (n < 2)
                cr_assert_eq(at, n == 0 ? 5 : 17, "%s does not begin with its seeds", (*s)->name);
            seen[at] = 1;
            answer(*s, &search, at, 1);
        }
        cr_assert_eq(n, space.n, "%s stops after %zu of %zu", (*s)->name, n, space.n);
        (*s)->end(&search);
        free(seen);
    }
}

Test(strategies, replay_leads_to_the_same_place) {
    for (const struct strategy *const *s = strategies; *s; s++) {
        struct search first = begun(*s, 7, NULL, 0), second = begun(*s, 7, NULL, 0);
        int64_t asked[300];
        for (int i = 0; i < 300; i++) {
            asked[i] = (*s)->next(&first);
            cr_assert_eq((*s)->next(&first), asked[i], "%s changes its mind", (*s)->name);
            answer(*s, &first, asked[i], 3);
        }
        for (int i = 0; i < 300; i++) {
            cr_assert_eq((*s)->next(&second), asked[i], "%s, step %d", (*s)->name, i);
            answer(*s, &second, asked[i], 3);
        }
        (*s)->end(&first);
        (*s)->end(&second);
    }
}

/* Who looks ahead finds what comes next more often than not, and the search does not notice. */
Test(strategies, peeking_guesses_well_and_changes_nothing) {
    enum { EVALUATIONS = 200, AHEAD = 4 };
    const int64_t seeds[] = {5, 17, 5, 40};
    for (const struct strategy *const *s = strategies; *s; s++) {
        if (!(*s)->peek) continue;
        struct search plain = begun(*s, 11, seeds, 4), peeked = begun(*s, 11, seeds, 4);
        int64_t likely[AHEAD];
        size_t n = 0;
        int hits = 0;
        for (int i = 0; i < EVALUATIONS; i++) {
            const int64_t at = (*s)->next(&peeked);
            cr_assert_eq(at, (*s)->next(&plain), "%s at %d", (*s)->name, i);
            for (size_t k = 0; k < n; k++) hits += likely[k] == at;
            n = (*s)->peek(&peeked, likely, AHEAD);
            for (size_t k = 0; k < n; k++) cr_assert_neq(likely[k], at, "%s", (*s)->name);
            answer(*s, &peeked, at, 2);
            answer(*s, &plain, at, 2);
        }
        cr_log_info("%s: %d of %d were foreseen", (*s)->name, hits, EVALUATIONS);
        cr_assert_gt(hits, EVALUATIONS / 2, "%s: %d", (*s)->name, hits);
        (*s)->end(&plain);
        (*s)->end(&peeked);
    }
    cr_assert_not_null(strategy_find(NULL)->peek);
}

Test(strategies, survive_what_they_did_not_ask) {
    for (const struct strategy *const *s = strategies; *s; s++) {
        struct search search = begun(*s, 7, NULL, 0);
        for (int64_t at = 0; at < (int64_t)space.n; at++) (*s)->tell(&search, at, 100, false);
        cr_assert_eq((*s)->next(&search), -1, "%s", (*s)->name);
        (*s)->end(&search);
    }
}

static double best_after(const struct strategy *strategy, uint64_t seed, int evaluations) {
    struct search search = begun(strategy, seed, NULL, 0);
    double best = INFINITY;
    for (int i = 0; i < evaluations; i++) {
        int64_t at = strategy->next(&search);
        if (at < 0) break;
        double time = synthetic_time(&space, at, seed);
        best = time < best ? time : best;
        strategy->tell(&search, at, time, false);
    }
    strategy->end(&search);
    return best;
}

static double optimum(uint64_t salt) {
    double best = INFINITY;
    for (size_t i = 0; i < space.n; i++)
        best = fmin(best, synthetic_time(&space, (int64_t)i, salt));
    return best;
}

Test(strategies, exhaustive_finds_the_optimum) {
    double best = best_after(strategy_find("exhaustive"), 9, (int)space.n);
    cr_assert_eq(best, optimum(9));
}

static double median_share(const struct strategy *strategy, int evaluations) {
    enum { RUNS = 20 };
    double share[RUNS];
    for (int i = 0; i < RUNS; i++)
        share[i] = optimum((uint64_t)i) / best_after(strategy, (uint64_t)i, evaluations);
    return stats_median(share, RUNS);
}

/* All that look at what they were told, more and less soon. */
Test(strategies, searching_beats_random) {
    const struct strategy *random = strategy_find("random"),
                          *exhaustive = strategy_find("exhaustive");
    enum { EVALUATIONS = 100 };
    const double unguided = median_share(random, EVALUATIONS);
    for (const struct strategy *const *s = strategies; *s; s++) {
        if (*s == random || *s == exhaustive) continue;
        const double guided = median_share(*s, EVALUATIONS);
        cr_log_info("%s %.3f, random %.3f of the optimum", (*s)->name, guided, unguided);
        cr_assert_gt(guided, unguided, "%s", (*s)->name);
    }
}

/* Half of the space fails, whatever is asked first among it; the other half is found all the same. */
Test(strategies, survive_failures) {
    for (const struct strategy *const *s = strategies; *s; s++) {
        struct search search = begun(*s, 3, NULL, 0);
        double best = INFINITY;
        for (int i = 0; i < 200; i++) {
            const int64_t at = (*s)->next(&search);
            const bool fails = i < 20 || space_config(&space, at).value[S_TM] < 4;
            const double time = fails ? INFINITY : synthetic_time(&space, at, 3);
            best = fmin(best, time);
            (*s)->tell(&search, at, time, false);
        }
        if (*s != strategy_find("exhaustive")) cr_assert_lt(best, INFINITY, "%s", (*s)->name);
        (*s)->end(&search);
    }
}

Test(strategies, by_name) {
    cr_assert_eq(strategy_find(NULL), strategies[0]);
    cr_assert_str_eq(strategy_find(NULL)->name, "auto");
    cr_assert_str_eq(strategy_find("random")->name, "random");
    cr_assert_null(strategy_find("clairvoyant"));
}
