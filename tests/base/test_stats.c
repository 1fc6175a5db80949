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
