/* test_census.c: counting without a list agrees with lists; draws are uniform; both are quick. */
#include "tests/tuner/clblast.h"
#include "tuner/census.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

/* The best of several, and time of the processor: what the code takes on a machine that others use, too. */
enum { TRIES = 100 };
static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct device *bare(void) {
    struct device *device = NULL;
    struct error err = {0};
    cr_assert_eq(device_open_bare(NULL, &device, &err), OK, "%s", err.text);
    device_set_features(device, 0);
    return device;
}

Test(census, clblast_is_counted_at_once) {
    double best_ms = INFINITY;
    for (int t = 0; t < TRIES; t++) {
        struct axes axes;
        struct census *census;
        const int64_t began_ns = now_ns();
        axes_open(&axes, NULL, &clblast_problem, &clblast_xgemm, NULL, 0);
        cr_assert_eq(census_open(&axes, &census, NULL), OK);
        best_ms = fmin(best_ms, (double)(now_ns() - began_ns) / 1e6);
        cr_assert_eq(census_count(census), 120800);
        census_close(census);
    }
    cr_log_info("120,800 of 663,552 counted in %.3f ms", best_ms);
    cr_assert_lt(best_ms, 1);
}

Test(census, clblast_is_listed_quickly) {
    struct device *device = bare();
    double best_ms = INFINITY;
    for (int t = 0; t < TRIES; t++) {
        struct space space;
        struct error err = {0};
        const int64_t began_ns = now_ns();
        cr_assert_eq(
            space_open(device, &clblast_problem, clblast_problem.layout, NULL, 0, &space, &err), OK,
            "%s", err.text);
        best_ms = fmin(best_ms, (double)(now_ns() - began_ns) / 1e6);
        cr_assert_eq(space.raw, 663552);
        cr_assert_eq(space.n, 120800);
        space_close(&space);
    }
    cr_log_info("120,800 of 663,552 listed and indexed in %.3f ms", best_ms);
    cr_assert_lt(best_ms, 10);
    device_close(device);
}

/* ---- 10^12 raw points ---- */

/* Four digits h l a b with a · b = 10 h + l: 100 of 10,000, and how many there are behind h and l differs
 * from 0 to 19, so that going down with equal chances would be far from uniform. Three such groups. */
enum { D_GROUP = 4, D_GROUPS = 3, D_PARAMS = D_GROUP * D_GROUPS };
static const struct param_value digits[] = {X_V(0), X_V(1), X_V(2), X_V(3), X_V(4),
                                            X_V(5), X_V(6), X_V(7), X_V(8), X_V(9)};
#define DIGIT(name)                                                                                \
    { name, "digit", digits, 10 }
static const struct param digit_params[D_PARAMS] = {
    DIGIT("H0"), DIGIT("L0"), DIGIT("A0"), DIGIT("B0"), DIGIT("H1"), DIGIT("L1"),
    DIGIT("A1"), DIGIT("B1"), DIGIT("H2"), DIGIT("L2"), DIGIT("A2"), DIGIT("B2"),
};
static bool is_product(const int *v) {
    return v[2] * v[3] == 10 * v[0] + v[1];
}
static bool digits_first(const int *v, const struct problem *problem) {
    (void)problem;
    return is_product(v);
}
static bool digits_second(const int *v, const struct problem *problem) {
    (void)problem;
    return is_product(v + D_GROUP);
}
static bool digits_third(const int *v, const struct problem *problem) {
    (void)problem;
    return is_product(v + 2 * D_GROUP);
}
static const struct constraint digit_constraints[D_GROUPS] = {
    {"A0 * B0 == H0 L0", 0xFu, digits_first, false},
    {"A1 * B1 == H1 L1", 0xFu << D_GROUP, digits_second, false},
    {"A2 * B2 == H2 L2", 0xFu << 2 * D_GROUP, digits_third, false},
};
static void digit_geometry(const struct config *config, const struct problem *problem,
                           struct geometry *out) {
    (void)config;
    (void)problem;
    *out = (struct geometry){.n_stages = 1};
    out->stage[0] = (struct stage){"none", {1, 1, 1}, {1, 1, 1}};
}
static void digit_fallback(const struct problem *problem, struct config *out) {
    (void)problem;
    memset(out->value, 0, sizeof out->value);
}
static struct variant digit_variant(int n_constraints) {
    return (struct variant){.name = "digits",
                            .params = digit_params,
                            .n_params = D_PARAMS,
                            .constraints = digit_constraints,
                            .n_constraints = n_constraints,
                            .accepts = clblast_accepts,
                            .geometry = digit_geometry,
                            .fallback = digit_fallback};
}

/* χ² of counts that should all be alike; above this only one in 10^4 would be. (Wilson and Hilferty.) */
static double chi_square(const int *counts, size_t n, double expected) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    return sum;
}
static double chi_square_limit(double freedom) {
    const double part = 2 / (9 * freedom);
    return freedom * pow(1 - part + 3.719 * sqrt(part), 3);
}

/* What a valid point is named by: its factors. */
static size_t factors(const int *value, int group) {
    const int *v = value + group * D_GROUP;
    return 10 * (size_t)v[2] + (size_t)v[3];
}

static void check_uniform(const char *what, const int *counts, size_t n, int draws) {
    const double found = chi_square(counts, n, (double)draws / (double)n);
    const double limit = chi_square_limit((double)n - 1);
    cr_log_info("%s: chi-square %.0f over %zu cells, limit %.0f", what, found, n, limit);
    cr_assert_lt(found, limit, "%s", what);
}

Test(census, draws_are_uniform_over_the_valid_points) {
    enum { DRAWS = 400000, SINGLE = 100, PAIR = SINGLE * SINGLE };
    const struct variant variant = digit_variant(D_GROUPS);
    const struct problem *problem = &clblast_problem;
    struct axes axes;
    struct census *census;
    axes_open(&axes, NULL, problem, &variant, NULL, 0);
    const int64_t began_ns = now_ns();
    cr_assert_eq(census_open(&axes, &census, NULL), OK);
    cr_log_info("10^12 raw points counted in %.3f ms", (double)(now_ns() - began_ns) / 1e6);
    cr_assert_eq(census_count(census), 1e6);
    int *single = calloc(D_GROUPS * SINGLE, sizeof *single), *pair = calloc(PAIR, sizeof *pair);
    struct rng rng = rng_seed(5);
    for (int d = 0; d < DRAWS; d++) {
        unsigned char place[PARAMS];
        struct config config;
        census_draw(census, &rng, place, &config);
        for (int g = 0; g < D_GROUPS; g++) {
            cr_assert(is_product(config.value + g * D_GROUP));
            single[g * SINGLE + (int)factors(config.value, g)]++;
        }
        pair[factors(config.value, 0) * SINGLE + factors(config.value, 2)]++;
    }
    check_uniform("first group", single, SINGLE, DRAWS);
    check_uniform("second group", single + SINGLE, SINGLE, DRAWS);
    check_uniform("third group", single + 2 * SINGLE, SINGLE, DRAWS);
    check_uniform("first and third", pair, PAIR, DRAWS);
    census_close(census);
    free(single);
    free(pair);
}

/* Too large for a list: draws in its place, no point twice, the default among them, the same every time. */
Test(census, a_space_that_is_too_large_is_drawn) {
    const struct variant variant = digit_variant(2);
    const struct variant *const variants[] = {&variant, NULL};
    const struct family family = {.name = "digits", .variants = variants};
    const struct problem problem = {.family = &family, .layout = &layouts[LAYOUT_rows]};
    struct device *device = bare();
    struct space space, again;
    struct error err = {0};
    cr_assert_eq(space_open(device, &problem, problem.layout, NULL, 0, &space, &err), OK, "%s",
                 err.text);
    cr_assert_eq(space_open(device, &problem, problem.layout, NULL, 0, &again, &err), OK);
    cr_assert_eq(space.raw, 1e12);
    cr_assert_gt(space.n, 250000);
    cr_assert_lt(space.n, 300000);
    cr_assert_eq(space.n, again.n);
    cr_assert_arr_eq(space.points, again.points, space.n * space.stride);
    int counts[1000] = {0};
    for (size_t i = 0; i < space.n; i++) {
        const struct config config = space_config(&space, (int64_t)i);
        cr_assert(is_product(config.value) && is_product(config.value + D_GROUP));
        cr_assert_eq(space_find(&space, &config, problem.layout), (int64_t)i);
        counts[factors(config.value, 0) * 10 + (size_t)config.value[D_PARAMS - 1]]++;
    }
    check_uniform("drawn in the place of a list", counts, 1000, (int)space.n);
    struct config fallback = {.variant = &variant};
    cr_assert_geq(space_find(&space, &fallback, problem.layout), 0);
    space_close(&space);
    space_close(&again);
    device_close(device);
}
