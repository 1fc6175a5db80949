/* surrogate.c: random places, then the configuration for which a forest of extremely randomised trees
 * (forest.h) over derived traits promises the least time: mean − deviation of the logarithm. The forest
 * grows anew with every second evaluation, and each choice looks at a part of the space and at what
 * lies around the best. */
#include "tuner/forest.h"
#include "tuner/pool.h"
#include <math.h>
#include <stdlib.h>

enum {
    STARTS = 16,
    GROW_EVERY = 2,
};
static const double FAILED = 2.3; /* a failure counts as ten times the slowest */

struct surrogate {
    struct trail trail;
    struct pool pool;
    struct forest forest;
    int64_t observed[FOREST_MOST]; /* in the forest; the first ones, when there are more */
    int age;                       /* choices since it grew */
    bool is_grown;
};

static enum status begin(struct search *search, struct error *err) {
    struct surrogate *s = calloc(1, sizeof *s);
    search->state = s;
    if (!s) return fail(err, STATUS_NOMEM, "no memory to begin a search with a surrogate");
    const enum status st = trail_open(&s->trail, search, err);
    if (st != OK) return st;
    const enum status opened = pool_open(&s->pool, search, err);
    s->forest.n_traits = s->pool.traits.n;
    return opened;
}

static void grow(struct surrogate *s, struct rng *rng) {
    double slowest = 0;
    for (int i = 0; i < s->forest.n; i++) {
        const double time_ns = s->trail.time_ns[s->observed[i]];
        if (time_ns < INFINITY) slowest = fmax(slowest, log(time_ns));
    }
    for (int i = 0; i < s->forest.n; i++) {
        const double time_ns = s->trail.time_ns[s->observed[i]];
        s->forest.y[i] = (float)(time_ns < INFINITY ? log(time_ns) : slowest + FAILED);
    }
    forest_fit(&s->forest, rng);
    s->age = 0;
    s->is_grown = true;
}

struct choice {
    int64_t config;
    double promise;
};
static void judge(const struct surrogate *s, size_t block, struct choice *choice) {
    const int64_t *config = s->pool.config + block * GAUSSIAN_BLOCK;
    const gaussian_block *values = s->pool.value + block * (size_t)s->pool.traits.n;
    for (int c = 0; c < GAUSSIAN_BLOCK; c++) {
        float value[TRAITS];
        double mean, deviation;
        if (config[c] < 0 || s->trail.told.is_told[config[c]]) continue;
        for (int t = 0; t < s->forest.n_traits; t++) value[t] = values[t][c];
        forest_expect(&s->forest, value, &mean, &deviation);
        if (choice->config < 0 || mean - deviation < choice->promise)
            *choice = (struct choice){config[c], mean - deviation};
    }
}

static int64_t choose(struct surrogate *s, struct search *search) {
    const int64_t seed = told_next_seed(&s->trail.told, search);
    if (seed >= 0) return seed;
    if (s->trail.best < 0 || s->forest.n < STARTS) return trail_random(&s->trail, search);
    if (!s->is_grown || s->age++ >= GROW_EVERY - 1) grow(s, &search->rng);
    struct choice choice = {.config = -1};
    pool_turn(&s->pool, search->space, POOL_ROUND_BLOCKS, &s->trail.best, 1);
    for (size_t b = 0; b < s->pool.round.n; b++) judge(s, s->pool.round.block[b], &choice);
    return choice.config >= 0 ? choice.config : trail_random(&s->trail, search);
}

static int64_t next(struct search *search) {
    struct surrogate *s = search->state;
    if (s->trail.asked < 0) s->trail.asked = choose(s, search);
    return s->trail.asked;
}

static void tell(struct search *search, int64_t config, double time_ns, bool censored) {
    struct surrogate *s = search->state;
    const bool is_new = !s->trail.told.is_told[config];
    trail_tell(&s->trail, config, time_ns, censored);
    if (!is_new || s->forest.n == FOREST_MOST) return;
    traits_of(&s->pool.traits, search->space, config, s->forest.x[s->forest.n]);
    s->observed[s->forest.n++] = config;
}

static void end(struct search *search) {
    struct surrogate *s = search->state;
    if (s) {
        trail_close(&s->trail);
        pool_close(&s->pool);
    }
    free(s);
    search->state = NULL;
}

const struct strategy strategy_surrogate = {
    .name = "surrogate",
    .summary = "where a forest of random trees promises the least time",
    .begin = begin,
    .next = next,
    .tell = tell,
    .end = end,
};
