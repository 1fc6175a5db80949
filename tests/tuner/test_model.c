/* test_model.c: what models see of a space (traits), and that they learn it (Gaussian process, forest). */
#include "tests/tuner/synthetic.h"
#include "tuner/forest.h"
#include "tuner/jury.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct device *device;
static struct space space;
static struct traits traits;

static void open_all(void) {
    struct error err = {0};
    cr_assert_eq(device_open_bare(NULL, &device, &err), OK, "%s", err.text);
    device_set_features(device, 1ull << FEATURE_fp16);
    struct problem problem = synthetic_problem(64);
    cr_assert_eq(space_open(device, &problem, NULL, NULL, 0, &space, &err), OK, "%s", err.text);
    traits_open(&space, &traits);
}
static void close_all(void) {
    space_close(&space);
    device_close(device);
}
TestSuite(model, .init = open_all, .fini = close_all);

static int trait_place(const char *name) {
    for (int t = 0; t < traits.n; t++)
        if (strcmp(traits.trait[t].name, name) == 0) return t;
    return -1;
}

Test(model, traits_are_parameters_and_quotients_that_a_constraint_makes) {
    const char *const there[] = {"WG", "TM", "TN", "VW", "UNROLL", "MODE", "layout", "is alpha"};
    for (size_t i = 0; i < sizeof there / sizeof *there; i++)
        cr_assert_geq(trait_place(there[i]), 0, "%s", there[i]);
    cr_assert_geq(trait_place("WG/TM"), 0, "WG is a multiple of VW · TM");
    cr_assert_eq(trait_place("TN/TM"), -1, "one does not always divide the other");
    cr_assert_eq(trait_place("WG/UNROLL"), -1, "all of its values divide all of the other's");
}

Test(model, traits_run_from_0_to_2) {
    float low[TRAITS] = {0}, high[TRAITS] = {0};
    for (int t = 0; t < traits.n; t++) {
        low[t] = 9;
        high[t] = -9;
    }
    for (size_t i = 0; i < space.n; i++) {
        float value[TRAITS];
        traits_of(&traits, &space, (int64_t)i, value);
        for (int t = 0; t < traits.n; t++) {
            low[t] = fminf(low[t], value[t]);
            high[t] = fmaxf(high[t], value[t]);
        }
    }
    for (int t = 0; t < traits.n; t++) {
        cr_assert_float_eq(low[t], 0, 1e-5, "%s", traits.trait[t].name);
        cr_assert_float_eq(high[t], 2, 1e-5, "%s", traits.trait[t].name);
    }
}

/* A smooth function of two traits of eight. */
static float hill(const float *x) {
    return expf(-(x[1] - 1.2F) * (x[1] - 1.2F) - 0.5F * (x[4] - 0.4F) * (x[4] - 0.4F));
}
enum { SEEN = 60, DIMENSIONS = 8 };

static void draw(struct rng *rng, float *x) {
    for (int t = 0; t < DIMENSIONS; t++) x[t] = (float)(2 * rng_uniform(rng));
}

static void observe_hill(struct gaussian *g, struct rng *rng) {
    gaussian_open(g, DIMENSIONS);
    for (; g->n < SEEN; g->n++) {
        float x[DIMENSIONS];
        draw(rng, x);
        for (int t = 0; t < DIMENSIONS; t++) g->x[t][g->n] = x[t];
        g->y[g->n] = hill(x);
    }
}

Test(model, gaussian_learns_what_matters) {
    struct gaussian *g = calloc(1, sizeof *g);
    struct rng rng = rng_seed(5);
    observe_hill(g, &rng);
    gaussian_fit(g, 400, &rng);
    gaussian_block value[DIMENSIONS], mean, deviation;
    for (int c = 0; c < GAUSSIAN_BLOCK; c++) {
        float x[DIMENSIONS];
        draw(&rng, x);
        /* The first ones are those that were seen. */
        for (int t = 0; t < DIMENSIONS; t++) value[t][c] = c < SEEN ? g->x[t][c] : x[t];
    }
    gaussian_expect(g, (const gaussian_block *)value, mean, deviation);
    double seen = 0, unseen = 0, error = 0, spread = 0;
    for (int c = 0; c < GAUSSIAN_BLOCK; c++) {
        float x[DIMENSIONS];
        for (int t = 0; t < DIMENSIONS; t++) x[t] = value[t][c];
        if (c < SEEN) {
            cr_assert_float_eq(mean[c], g->y[c], 0.1);
            seen += (double)deviation[c] / SEEN;
            continue;
        }
        unseen += (double)deviation[c] / (GAUSSIAN_BLOCK - SEEN);
        error += pow((double)(mean[c] - hill(x)), 2);
        spread += pow((double)hill(x) - g->mean, 2);
    }
    cr_assert_lt(seen, unseen);
    cr_assert_lt(error, 0.1 * spread, "%g of %g is left", error, spread);
    cr_assert_gt(g->scales.log_weight[1], g->scales.log_weight[0]);
    const double best = gaussian_best(g);
    cr_assert(best > 0.5 && best < 1.1, "%g", best);
    free(g);
}

/* What was reduced holds when all turns out otherwise: to the last bit, as if it was reduced then. */
Test(model, gaussian_reads_other_outcomes_from_what_was_reduced) {
    struct gaussian *g = calloc(1, sizeof *g);
    struct gaussian_reduced *reduced = calloc(1, sizeof *reduced);
    struct rng rng = rng_seed(6);
    gaussian_block value[DIMENSIONS], mean, deviation, later_mean, later_deviation;
    observe_hill(g, &rng);
    for (int t = 0; t < DIMENSIONS; t++)
        for (int c = 0; c < GAUSSIAN_BLOCK; c++) value[t][c] = (float)(2 * rng_uniform(&rng));
    gaussian_fit(g, 50, &rng);
    gaussian_reduce(g, (const gaussian_block *)value, reduced);
    gaussian_read(g, reduced, mean, deviation);
    for (int i = 0; i < g->n; i++) g->y[i] = 1 - g->y[i] * g->y[i];
    gaussian_fit(g, 0, &rng);
    gaussian_read(g, reduced, later_mean, later_deviation);
    cr_assert_neq(memcmp(mean, later_mean, sizeof mean), 0);
    gaussian_expect(g, (const gaussian_block *)value, mean, deviation);
    cr_assert_arr_eq(mean, later_mean, sizeof mean);
    cr_assert_arr_eq(deviation, later_deviation, sizeof deviation);
    free(reduced);
    free(g);
}

Test(model, gaussian_bears_what_is_all_the_same) {
    struct gaussian *g = calloc(1, sizeof *g);
    struct rng rng = rng_seed(5);
    gaussian_open(g, DIMENSIONS);
    g->n = 10; /* ten times the same place and outcome */
    for (int i = 0; i < g->n; i++) g->y[i] = 1;
    gaussian_fit(g, 50, &rng);
    gaussian_block value[DIMENSIONS] = {{0}}, mean, deviation;
    gaussian_expect(g, (const gaussian_block *)value, mean, deviation);
    cr_assert_float_eq(mean[0], 1, 1e-3);
    cr_assert_geq(deviation[0], 0);
    free(g);
}

Test(model, forest_learns_what_matters) {
    struct forest *f = calloc(1, sizeof *f);
    struct rng rng = rng_seed(5);
    f->n_traits = DIMENSIONS;
    for (; f->n < 4 * SEEN; f->n++) {
        draw(&rng, f->x[f->n]);
        f->y[f->n] = hill(f->x[f->n]);
    }
    forest_fit(f, &rng);
    double error = 0, spread = 0;
    for (int i = 0; i < 200; i++) {
        float x[DIMENSIONS];
        double mean, deviation;
        draw(&rng, x);
        forest_expect(f, x, &mean, &deviation);
        cr_assert_geq(deviation, 0);
        error += pow(mean - (double)hill(x), 2);
        spread += pow((double)hill(x) - 0.5, 2);
    }
    cr_assert_lt(error, 0.5 * spread, "%g of %g is left", error, spread);
    free(f);
}

/* A round that was heard before the outcomes were known: judged as one that is heard afterwards. */
Test(model, jury_judges_what_it_heard_by_what_is_known) {
    struct search search = {.space = &space, .rng = rng_seed(2)};
    struct pool pool;
    struct error err = {0};
    struct gaussian *g = calloc(1, sizeof *g);
    struct hearing *before = calloc(1, sizeof *before), *after = calloc(1, sizeof *after);
    unsigned char *is_told = calloc(space.n, 1);
    cr_assert_eq(pool_open(&pool, &search, &err), OK, "%s", err.text);
    gaussian_open(g, pool.traits.n);
    for (; g->n < SEEN; g->n++) {
        float value[TRAITS];
        traits_of(&pool.traits, &space, (int64_t)rng_below(&search.rng, space.n), value);
        for (int t = 0; t < pool.traits.n; t++) g->x[t][g->n] = value[t];
        g->y[g->n] = value[0] * value[1];
    }
    gaussian_fit(g, 20, &search.rng);
    pool_turn(&pool, &space, 3, (const int64_t[]){3}, 1);
    const struct jury jury = {&pool, g, is_told};
    struct choices first = {.most = 4}, again = {.most = 4}, anew = {.most = 4};
    jury_hear(&jury, 2, before);
    jury_judge(&jury, before, &first);
    cr_assert_eq(first.n, 4);
    is_told[first.at[0].config] = 1;
    for (int i = 0; i < g->n; i++) g->y[i] = 2 - g->y[i];
    gaussian_fit(g, 0, &search.rng);
    jury_judge(&jury, before, &again);
    jury_hear(&jury, 1, after);
    jury_judge(&jury, after, &anew);
    cr_assert_eq(again.n, 4);
    for (int i = 0; i < again.n; i++) {
        cr_assert_neq(again.at[i].config, first.at[0].config);
        cr_assert_eq(again.at[i].config, anew.at[i].config);
        cr_assert_eq(again.at[i].gain, anew.at[i].gain);
        cr_assert(i == 0 || again.at[i].gain <= again.at[i - 1].gain);
    }
    cr_assert_neq(again.at[0].gain, first.at[0].gain);
    pool_close(&pool);
    free(is_told), free(before), free(after), free(g);
}

Test(model, pool_shows_everything_in_turn) {
    struct search search = {.space = &space, .rng = rng_seed(1)};
    struct pool pool;
    struct error err = {0};
    cr_assert_eq(pool_open(&pool, &search, &err), OK, "%s", err.text);
    unsigned char *seen = calloc(space.n, 1);
    size_t n = 0;
    const int64_t centre[] = {3};
    for (size_t turn = 0; turn < pool.n_blocks; turn++) {
        pool_turn(&pool, &space, POOL_ROUND_BLOCKS, centre, 1);
        for (size_t b = 0; b < pool.round.n; b++)
            for (int c = 0; c < GAUSSIAN_BLOCK; c++) {
                const int64_t config = pool.config[pool.round.block[b] * GAUSSIAN_BLOCK + c];
                if (config < 0 || seen[config]) continue;
                float value[TRAITS];
                traits_of(&pool.traits, &space, config, value);
                for (int t = 0; t < pool.traits.n; t++)
                    cr_assert_eq(value[t],
                                 pool.value[pool.round.block[b] * (size_t)pool.traits.n + t][c]);
                seen[config] = 1;
                n++;
            }
    }
    cr_assert_eq(n, space.n);
    free(seen);
    pool_close(&pool);
}
