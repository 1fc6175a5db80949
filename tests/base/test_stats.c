/* test_stats.c: medians, spreads and intervals on samples whose answers are known by hand. */
#include "base/rng.h"
#include "base/stats.h"
#include <criterion/criterion.h>
#include <math.h>

static void check_close(double got, double expected) {
    cr_assert(fabs(got - expected) <= 1e-12 * fmax(1, fabs(expected)), "got %.17g, expected %.17g",
              got, expected);
}

Test(stats, median_of_odd_and_even_counts) {
    check_close(stats_median((double[]){3, 1, 2}, 3), 2);
    check_close(stats_median((double[]){4, 1, 3, 2}, 4), 2.5);
    check_close(stats_median((double[]){7}, 1), 7);
}

Test(stats, nothing_gives_nan) {
    double low = 0, high = 0;
    cr_assert(isnan(stats_median(NULL, 0)));
    cr_assert(isnan(stats_mean(NULL, 0)));
    cr_assert(isnan(stats_mad(NULL, 0)));
    cr_assert(isnan(stats_shift(NULL, 0, NULL, 0)));
    stats_median_interval(NULL, 0, 0.95, &low, &high);
    cr_assert(isnan(low) && isnan(high));
}

Test(stats, samples_keep_their_order) {
    const double x[] = {5, 1, 4, 2, 3};
    double low, high;
    stats_median(x, 5);
    stats_mad(x, 5);
    stats_median_interval(x, 5, 0.95, &low, &high);
    cr_assert(x[0] == 5 && x[1] == 1 && x[2] == 4 && x[3] == 2 && x[4] == 3);
}

Test(stats, quantiles_are_linear_between_order_statistics) {
    const double x[] = {40, 10, 30, 20};
    static const struct {
        double q, value;
    } cases[] = {{0, 10}, {1, 40}, {0.5, 25}, {0.25, 17.5}, {1.0 / 3, 20}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_close(stats_quantile(x, 4, cases[i].q), cases[i].value);
}

Test(stats, mad_ignores_an_outlier) {
    check_close(stats_mad((double[]){1, 2, 3, 4, 1e9}, 5), 1.4826);
    check_close(stats_mad((double[]){2, 2, 2}, 3), 0);
    check_close(stats_mean((double[]){1, 2, 6}, 3), 3);
}

/* The ranks of the 95 % interval in the tables of the sign test. */
Test(stats, median_interval_has_the_ranks_of_the_sign_test) {
    static const struct {
        size_t n, rank;
    } cases[] = {{2, 1},  {5, 1},  {6, 1},  {8, 1},  {9, 2},
                 {10, 2}, {12, 3}, {15, 4}, {20, 6}, {25, 8}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double x[25], low, high;
        const size_t n = cases[i].n;
        for (size_t j = 0; j < n; j++) x[j] = (double)(n - j);
        stats_median_interval(x, n, 0.95, &low, &high);
        check_close(low, (double)cases[i].rank);
        check_close(high, (double)(n + 1 - cases[i].rank));
    }
}

Test(stats, median_interval_of_many_samples_stays_near_the_median) {
    static double x[20000];
    double low, high;
    for (int i = 0; i < 20000; i++) x[i] = i;
    stats_median_interval(x, 20000, 0.95, &low, &high);
    /* 1.96 · √n / 2 ranks on either side */
    cr_assert(fabs(low - (9999.5 - 138.6)) < 2 && fabs(high - (9999.5 + 138.6)) < 2, "[%g, %g]",
              low, high);
}

Test(stats, median_interval_covers_the_median_as_often_as_it_says) {
    struct rng rng = rng_seed(11);
    int covered = 0;
    for (int round = 0; round < 2000; round++) {
        double x[15], low, high;
        for (int i = 0; i < 15; i++) x[i] = exp(rng_normal(&rng));
        stats_median_interval(x, 15, 0.95, &low, &high);
        covered += low <= 1 && 1 <= high;
    }
    cr_assert(covered >= 1900, "%d of 2000 intervals hold the true median", covered);
}

Test(stats, shift_is_the_median_of_all_differences) {
    check_close(stats_shift((double[]){1, 2, 3}, 3, (double[]){11, 12, 13}, 3), 10);
    check_close(stats_shift((double[]){0}, 1, (double[]){-3, 1, 5}, 3), 1);
    check_close(stats_shift((double[]){1, 2, 3, 1e9}, 4, (double[]){1, 2, 3}, 3), -0.5);
}

/* ---- two samples ---- */

/* n = m = 3: 20 orders, and of U = 9, 8, 7, 6 there are 1, 1, 2, 3 (counted by hand). */
Test(stats, mann_whitney_of_three_and_three_by_hand) {
    static const struct {
        double y[3];
        double p;
    } cases[] = {
        {{4, 5, 6}, 1 / 20.0},     /* U = 9 */
        {{2.5, 4, 5}, 2 / 20.0},   /* U = 8 */
        {{1.5, 4, 5}, 4 / 20.0},   /* U = 7 */
        {{0, 4, 5}, 7 / 20.0},     /* U = 6 */
        {{-3, -2, -1}, 20 / 20.0}, /* U = 0 */
        {{3, 4, 5}, 2 / 20.0},     /* U = 8.5, rounded against us */
    };
    const double x[] = {1, 2, 3};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_close(stats_mann_whitney(x, 3, cases[i].y, 3, 0), cases[i].p);
    check_close(stats_mann_whitney(x, 3, (double[]){14, 15, 16}, 3, 10), 1 / 20.0);
}

/* 1 / C(2n, n) is the smallest p there is; C(10, 5) = 252, C(18, 9) = 48620. */
Test(stats, mann_whitney_reaches_its_smallest_p) {
    double x[28], y[28];
    for (int i = 0; i < 28; i++) x[i] = i, y[i] = 100 + i;
    check_close(stats_mann_whitney(x, 5, y, 5, 0), 1 / 252.0);
    check_close(stats_mann_whitney(x, 9, y, 9, 0), 1 / 48620.0);
    check_close(stats_mann_whitney(x, 28, y, 28, 0), 1 / 7648690600760440.0);
}

/* Critical values of printed tables, one-sided: U is significant when it is ≤ 21 (n = m = 9, .05), 14
 * (.01), 4 (n = m = 5, .05), 48 (9, 18, .05); ours count from the other end, n·m − U. */
Test(stats, mann_whitney_has_the_critical_values_of_the_tables) {
    static const struct {
        size_t n, m;
        double alpha;
        size_t small;
    } cases[] = {{9, 9, 0.05, 21},  {9, 9, 0.01, 14},    {5, 5, 0.05, 4},
                 {9, 18, 0.05, 48}, {20, 20, 0.05, 138}, {3, 3, 0.05, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(stats_mann_whitney_least(cases[i].n, cases[i].m, cases[i].alpha),
                     cases[i].n * cases[i].m - cases[i].small, "n %zu, m %zu, %g: %zu", cases[i].n,
                     cases[i].m, cases[i].alpha,
                     stats_mann_whitney_least(cases[i].n, cases[i].m, cases[i].alpha));
    cr_expect_eq(stats_mann_whitney_least(2, 2, 0.05), 5, "two and two prove nothing");
}

Test(stats, mann_whitney_raises_as_many_false_alarms_as_it_says) {
    struct rng rng = rng_seed(3);
    int alarms = 0;
    for (int round = 0; round < 4000; round++) {
        double x[9], y[9];
        for (int i = 0; i < 9; i++) x[i] = rng_normal(&rng), y[i] = rng_normal(&rng);
        alarms += stats_mann_whitney(x, 9, y, 9, 0) <= 0.05;
    }
    /* exactly P(U ≤ 21) = 0.0470; 3 standard errors are 0.01 */
    cr_expect(alarms > 148 && alarms < 228, "%d of 4000", alarms);
}

/* n = m = 5, 95 %: two differences are cut off on either side (P(U ≤ 2) = 4/252 = .0159, P(U ≤ 3) = 7/252). */
Test(stats, shift_interval_by_hand) {
    const double x[] = {0, 0, 0, 0, 0}, y[] = {1, 2, 3, 4, 5};
    double low, high;
    stats_shift_interval(x, 5, y, 5, 0.95, &low, &high);
    check_close(low, 1);
    check_close(high, 5);
    const double a[] = {0, 100, 200, 300, 400}, b[] = {1, 102, 203, 304, 405};
    stats_shift_interval(a, 5, b, 5, 0.95, &low, &high);
    check_close(low, -298); /* below: -399, -299 */
    check_close(high, 304); /* above: 305, 405 */
}

Test(stats, shift_interval_covers_the_shift_as_often_as_it_says) {
    struct rng rng = rng_seed(5);
    int covered = 0;
    for (int round = 0; round < 1000; round++) {
        double x[9], y[9], low, high;
        for (int i = 0; i < 9; i++) x[i] = exp(rng_normal(&rng)), y[i] = 2 + exp(rng_normal(&rng));
        stats_shift_interval(x, 9, y, 9, 0.95, &low, &high);
        covered += low <= 2 && 2 <= high;
    }
    cr_assert(covered >= 935, "%d of 1000 intervals hold the true shift", covered);
}

Test(stats, holm_by_hand) {
    /* In order .01, .015, .03, .04 with factors 4, 3, 2, 1: .04, .045, .06, .06 (never below the one before). */
    const double p[] = {0.04, 0.01, 0.03, 0.015}, expected[] = {0.06, 0.04, 0.06, 0.045};
    double adjusted[4];
    stats_holm(p, 4, adjusted);
    for (int i = 0; i < 4; i++) check_close(adjusted[i], expected[i]);
    stats_holm((double[]){0.5, 0.9}, 2, adjusted);
    check_close(adjusted[0], 1);
    check_close(adjusted[1], 1);
}
