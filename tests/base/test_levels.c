/* test_levels.c: steps are found where they are, and not where there is only noise. */
#include "base/levels.h"
#include "base/rng.h"
#include <criterion/criterion.h>
#include <stdio.h>

enum { MOST = 60 };

static size_t steps_of(const double *level, size_t n) {
    size_t steps = 0;
    for (size_t i = 1; i < n; i++) steps += level[i] != level[i - 1];
    return steps;
}

Test(levels, steps_stand_where_the_values_step) {
    double y[12], level[12];
    for (size_t i = 0; i < 12; i++) y[i] = (i < 4 ? 1 : i < 9 ? 2 : 0.5) + 0.001 * (double)(i % 3);
    levels_fit(y, 12, level);
    cr_assert_eq(steps_of(level, 12), 2);
    cr_assert_float_eq(level[0], 1.0005, 1e-9, "the median of four");
    cr_assert_neq(level[3], level[4]);
    cr_assert_float_eq(level[4], 2.001, 1e-9);
    cr_assert_neq(level[8], level[9]);
}

Test(levels, strays_are_no_step) {
    double y[MOST], level[MOST];
    for (size_t i = 0; i < MOST; i++) y[i] = i == 20 || i == 21 || i == 40 ? 3 : 1;
    levels_fit(y, MOST, level);
    cr_assert_eq(steps_of(level, MOST), 0);
    cr_assert_float_eq(level[20], 1, 1e-12);
}

Test(levels, small_n) {
    double level[2] = {7, 7};
    levels_fit(NULL, 0, level);
    cr_assert_eq(level[0], 7);
    levels_fit((const double[]){2}, 1, level);
    cr_assert_eq(level[0], 2);
    levels_fit((const double[]){2, 4}, 2, level);
    cr_assert(level[0] == 3 && level[1] == 3);
}

/* Histories of 60 runs with 3 % noise: a step of 20 % is found in nearly all, one where there is none in few. */
Test(levels, rates_on_noise) {
    struct rng rng = rng_seed(1);
    int false_alarms = 0, found = 0;
    for (int trial = 0; trial < 500; trial++) {
        double y[MOST], level[MOST];
        for (size_t i = 0; i < MOST; i++) y[i] = 0.03 * rng_normal(&rng);
        levels_fit(y, MOST, level);
        false_alarms += steps_of(level, MOST) > 0;
        for (size_t i = MOST / 2; i < MOST; i++) y[i] += 0.2;
        levels_fit(y, MOST, level);
        found += level[MOST - 1] - level[0] > 0.1;
    }
    printf("checked 500 histories: %d false alarms, %d steps of 20 %% found\n", false_alarms,
           found);
    cr_assert_leq(false_alarms, 25, "%d of 500", false_alarms);
    cr_assert_geq(found, 499, "%d of 500", found);
}
