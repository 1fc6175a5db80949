/* test_ahead.c: what a search gains that takes what is compiled already: a recorded space, builders that take a second
 * a program, and a clock that is moved by hand. */
#include "tests/support.h"
#include "tuner/recorded.h"
#include "tuner/strategy.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

enum { BUILDERS = 14, LIKELY = 16 };
static const double BUILD_S = 1, EVALUATE_S = 0.07, END_S = 30;

/* When each configuration's program is there; INFINITY: nobody was asked for it. */
struct shop {
    double now_s, *ready_s;
    double free_s[BUILDERS]; /* when each builder is done */
    int64_t likely[LIKELY];
    size_t n_likely;
};

static bool has_built(void *context, int64_t config) {
    const struct shop *shop = context;
    return shop->ready_s[config] <= shop->now_s;
}

static bool give(struct shop *shop, int64_t config) {
    if (shop->ready_s[config] < INFINITY) return false;
    for (int b = 0; b < BUILDERS; b++) {
        if (shop->free_s[b] > shop->now_s) continue;
        shop->free_s[b] = shop->ready_s[config] = shop->now_s + BUILD_S;
        return true;
    }
    return false;
}

static void give_likely(struct shop *shop) {
    for (size_t i = 0; i < shop->n_likely; i++) give(shop, shop->likely[i]);
}

struct found {
    double seconds; /* until 95 % of the optimum */
    int evaluations;
};

static struct found searched(const struct recorded *recorded, uint64_t seed, bool tells) {
    const struct strategy *strategy = strategy_find("auto");
    struct shop shop = {.ready_s = malloc(recorded->space.n * sizeof(double))};
    bool *is_told = calloc(recorded->space.n, sizeof *is_told);
    for (size_t i = 0; i < recorded->space.n; i++) shop.ready_s[i] = INFINITY;
    struct search search = {.space = &recorded->space,
                            .rng = rng_seed(seed),
                            .is_ready = tells ? has_built : NULL,
                            .context = &shop};
    struct found found = {.seconds = INFINITY};
    double best_ns = INFINITY;
    cr_assert_eq(strategy->begin(&search, NULL), OK);
    while (shop.now_s < END_S) {
        const int64_t at = strategy->next(&search);
        if (at < 0) break;
        cr_assert(!is_told[at]); /* not even what the look-ahead thought of before it was */
        is_told[at] = true;
        if (shop.ready_s[at] == INFINITY && !give(&shop, at))
            shop.ready_s[at] = shop.now_s + BUILD_S; /* the worker itself */
        shop.n_likely = strategy->peek(&search, shop.likely, LIKELY);
        give_likely(&shop);
        shop.now_s = fmax(shop.now_s, shop.ready_s[at]);
        give_likely(&shop);
        shop.now_s += EVALUATE_S;
        const struct recorded_config *c = recorded_config(recorded, at);
        const double time_ns = c->outcome == OUTCOME_OK ? c->median_ns : INFINITY;
        strategy->tell(&search, at, time_ns, false);
        best_ns = fmin(best_ns, time_ns);
        if (recorded->optimum_ns / best_ns >= 0.95 && found.seconds == INFINITY)
            found.seconds = shop.now_s;
        found.evaluations++;
    }
    strategy->end(&search);
    free(shop.ready_s);
    free(is_told);
    return found;
}

/* Means over the seeds are added; a run that did not get there took until the end. */
static void add_mean(struct found *sum, const char *path, bool tells) {
    enum { SEEDS = 12 };
    struct recorded *recorded = NULL;
    struct error err = {0};
    int evaluations = 0;
    cr_assert_eq(recorded_open(path, &recorded, &err), OK, "%s", err.text);
    for (int i = 0; i < SEEDS; i++) {
        const struct found found = searched(recorded, 1 + (uint64_t)i, tells);
        sum->seconds += fmin(found.seconds, END_S) / SEEDS;
        evaluations += found.evaluations;
    }
    sum->evaluations += evaluations / SEEDS;
    recorded_close(recorded);
}

static struct found found_in_both(bool tells) {
    struct found sum = {0};
    add_mean(&sum, "results/spaces/h200-gemv-q4-n1.t4.json.gz", tells);
    add_mean(&sum, "results/spaces/h200-gemv-q4-n16.t4.json.gz", tells);
    cr_log_info("%s: 95 %% of two spaces in %.1f s, %d evaluations in %g s",
                tells ? "what is ready" : "in order", sum.seconds, sum.evaluations, 2 * END_S);
    return sum;
}

Test(ahead, what_is_ready_comes_first) {
    const struct found in_order = found_in_both(false), ready = found_in_both(true);
    cr_assert_gt(ready.evaluations, 1.25 * in_order.evaluations);
    cr_assert_lt(ready.seconds, in_order.seconds);
}
