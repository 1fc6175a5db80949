/* test_space.c: pruned enumeration equals a filter over the whole product; numbering, limits, neighbours. */
#include "tests/tuner/synthetic.h"
#include <criterion/criterion.h>
#include <stdlib.h>

static struct device *device;

static void open_device(void) {
    struct error err = {0};
    cr_assert_eq(device_open_bare(NULL, &device, &err), OK, "%s", err.text);
    device_set_features(device, 0);
}
static void close_device(void) {
    device_close(device);
}
TestSuite(space, .init = open_device, .fini = close_device);

static struct space opened(int64_t n) {
    struct problem problem = synthetic_problem(n);
    struct space space;
    struct error err = {0};
    cr_assert_eq(space_open(device, &problem, NULL, NULL, 0, &space, &err), OK, "%s", err.text);
    return space;
}

/* Every point of alpha's product in order, filtered after the fact. */
static size_t brute_force(const struct problem *problem, bool half, struct config *out) {
    size_t n = 0;
    for (int wg = 0; wg < 4; wg++)
        for (int tm = 0; tm < 5; tm++)
            for (int tn = 0; tn < 5; tn++)
                for (int vw = 0; vw < 5; vw++)
                    for (int unroll = 0; unroll < 4; unroll++)
                        for (int mode = 0; mode < (half ? 2 : 1); mode++) {
                            struct config c = {.variant = &synthetic_alpha};
                            c.value[S_WG] = synthetic_wg[wg].value;
                            c.value[S_TM] = synthetic_tile[tm].value;
                            c.value[S_TN] = synthetic_tile[tn].value;
                            c.value[S_VW] = synthetic_vw[vw].value;
                            c.value[S_UNROLL] = synthetic_unroll[unroll].value;
                            c.value[S_MODE] = mode;
                            bool holds = true;
                            for (int i = 0; i < 3; i++)
                                holds &= synthetic_constraints[i].holds(c.value, problem);
                            if (holds) out[n++] = c;
                        }
    return n;
}

static int layout_of(const struct space *space, int64_t at) {
    return (int)(space_problem(space, at).layout - layouts);
}

static void compare_with_brute_force(bool half, int64_t columns) {
    device_set_features(device, half ? 1ull << FEATURE_fp16 : 0);
    struct space space = opened(columns);
    struct config *expected = malloc(8000 * sizeof *expected);
    struct problem problem = synthetic_problem(columns);
    size_t n = brute_force(&problem, half, expected);
    cr_assert_gt(n, 100);
    /* layouts panel16, panel32, rows take alpha; rows takes beta too, after alpha */
    const size_t beta = 4 * 5;
    cr_assert_eq(space.n_layouts, 3);
    cr_assert_eq(space.n, 3 * n + beta);
    for (size_t i = 0; i < n; i++) {
        const int64_t first = (int64_t)i, second = (int64_t)(2 * n + i);
        const struct config a = space_config(&space, first), b = space_config(&space, second);
        cr_assert(config_equal(&a, &expected[i]), "configuration %zu", i);
        cr_assert_eq(layout_of(&space, first), LAYOUT_panel16);
        cr_assert(config_equal(&b, &expected[i]));
        cr_assert_eq(layout_of(&space, second), LAYOUT_rows);
    }
    cr_assert_eq(space.raw, 3 * 4000 + 20);
    free(expected);
    space_close(&space);
}

Test(space, equals_brute_force) {
    compare_with_brute_force(false, 8);
    compare_with_brute_force(true, 64);
}

Test(space, finds_each_by_its_number) {
    struct space space = opened(8);
    for (size_t i = 0; i < space.n; i++) {
        const struct problem problem = space_problem(&space, (int64_t)i);
        const struct config config = space_config(&space, (int64_t)i);
        cr_assert_eq(space_find(&space, &config, problem.layout), (int64_t)i);
    }
    const struct config first = space_config(&space, 0);
    struct config foreign = first;
    foreign.value[S_TM] = 3;
    cr_assert_eq(space_find(&space, &foreign, space.layouts[0]), -1);
    cr_assert_eq(space_find(&space, &first, &layouts[LAYOUT_panel64]), -1);
    space_close(&space);
}

static int differences(const struct config *a, const struct config *b) {
    int n = 0;
    for (int p = 0; p < a->variant->n_params; p++) n += a->value[p] != b->value[p];
    return n;
}

Test(space, neighbours_are_one_step_away) {
    struct space space = opened(8);
    int64_t around[128];
    int between_variants = 0;
    for (size_t i = 0; i < space.n; i += 7) {
        size_t n = space_neighbours(&space, (int64_t)i, around, 128);
        cr_assert_leq(n, 128);
        for (size_t j = 0; j < n; j++) {
            cr_assert_neq(around[j], (int64_t)i);
            const struct config a = space_config(&space, (int64_t)i);
            const struct config b = space_config(&space, around[j]);
            const bool layout_moved = layout_of(&space, (int64_t)i) != layout_of(&space, around[j]);
            if (a.variant != b.variant) between_variants++;
            else cr_assert_eq(differences(&a, &b) + layout_moved, 1);
            for (size_t k = 0; k < j; k++) cr_assert_neq(around[j], around[k]);
        }
    }
    cr_assert_gt(between_variants, 0);
    cr_assert_eq(space_neighbours(&space, 0, around, 1), space_neighbours(&space, 0, around, 128));
    space_close(&space);
}

Test(space, limits_narrow_it) {
    const char *texts[] = {"TM=4,8,VW=1", "MODE=plain"};
    struct space_limit *limits;
    size_t n_limits;
    struct error err = {0};
    cr_assert_eq(space_parse_limits(texts, 2, &limits, &n_limits, &err), OK, "%s", err.text);
    cr_assert_eq(n_limits, 3);
    struct problem problem = synthetic_problem(8);
    struct space space;
    cr_assert_eq(
        space_open(device, &problem, &layouts[LAYOUT_panel16], limits, n_limits, &space, &err), OK,
        "%s", err.text);
    cr_assert_gt(space.n, 0);
    for (size_t i = 0; i < space.n; i++) {
        const struct config config = space_config(&space, (int64_t)i);
        cr_assert(config.value[S_TM] == 4 || config.value[S_TM] == 8);
        cr_assert_eq(config.value[S_VW], 1);
    }
    space_close(&space);
    free(limits);
}

Test(space, limits_that_make_no_sense) {
    struct space_limit *limits;
    size_t n;
    struct error err = {0};
    const char *bad[] = {"",
                         "TM",
                         "TM=",
                         "=4",
                         "TM=4,,8",
                         "4,TM=4",
                         "TM=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
                         "AN_UNREASONABLY_LONG_NAME_OF_A_PARAMETER=1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_eq(space_parse_limits(&bad[i], 1, &limits, &n, &err), STATUS_USAGE, "%s", bad[i]);
    struct space_limit unknown = {.param = "NOSUCH", .values = {"1"}, .n_values = 1};
    struct space_limit nothing = {.param = "TM", .values = {"77"}, .n_values = 1};
    struct problem problem = synthetic_problem(8);
    struct space space;
    cr_assert_eq(space_open(device, &problem, NULL, &unknown, 1, &space, &err), STATUS_USAGE);
    cr_assert(strstr(err.text, "NOSUCH") && strstr(err.text, "UNROLL"), "%s", err.text);
    cr_assert_eq(space_open(device, &problem, NULL, &nothing, 1, &space, &err), STATUS_UNSUPPORTED);
}
