/* genetic.c: a genetic algorithm with a steady population. Each child mixes two parents that won a small
 * tournament, coordinate by coordinate, mutates a little, and is put on the nearest valid configuration
 * that was not tried; it replaces the worst of the population when it is better. */
#include "tuner/trail.h"
#include <math.h>
#include <stdlib.h>

enum { POPULATION = 20, TOURNAMENT = 3 };
static const double MUTATION = 0.1; /* of the coordinates, to anywhere */

struct genetic {
    struct trail trail;
    int64_t member[POPULATION];
    int n_members;
};

static enum status begin(struct search *search, struct error *err) {
    struct genetic *g = calloc(1, sizeof *g);
    search->state = g;
    if (!g) return fail(err, STATUS_NOMEM, "no memory to begin a genetic search");
    return trail_open(&g->trail, search, err);
}

static double time_of(const struct genetic *g, int member) {
    return g->trail.time_ns[g->member[member]];
}

static int64_t parent(const struct genetic *g, struct rng *rng) {
    int winner = (int)rng_below(rng, POPULATION);
    for (int round = 1; round < TOURNAMENT; round++) {
        const int rival = (int)rng_below(rng, POPULATION);
        if (time_of(g, rival) < time_of(g, winner)) winner = rival;
    }
    return g->member[winner];
}

static int64_t child(const struct genetic *g, struct search *search) {
    double mother[COORDINATES], father[COORDINATES], place[COORDINATES];
    trail_place(&g->trail, search, parent(g, &search->rng), mother);
    trail_place(&g->trail, search, parent(g, &search->rng), father);
    for (int c = 0; c < g->trail.n_coordinates; c++) {
        place[c] = rng_next(&search->rng) >> 63 ? mother[c] : father[c];
        if (rng_uniform(&search->rng) < MUTATION) place[c] = rng_uniform(&search->rng);
    }
    return trail_nearest(&g->trail, search, place);
}

static int64_t next(struct search *search) {
    struct genetic *g = search->state;
    struct trail *t = &g->trail;
    if (t->asked < 0) t->asked = told_next_seed(&t->told, search);
    if (t->asked < 0)
        t->asked = g->n_members < POPULATION ? trail_random(t, search) : child(g, search);
    return t->asked;
}

static void tell(struct search *search, int64_t config, double time_ns, bool censored) {
    struct genetic *g = search->state;
    trail_tell(&g->trail, config, time_ns, censored);
    if (g->n_members < POPULATION) {
        g->member[g->n_members++] = config;
        return;
    }
    int worst = 0;
    for (int m = 1; m < POPULATION; m++)
        if (time_of(g, m) > time_of(g, worst)) worst = m;
    if (g->trail.time_ns[config] < time_of(g, worst)) g->member[worst] = config;
}

static void end(struct search *search) {
    struct genetic *g = search->state;
    if (g) trail_close(&g->trail);
    free(g);
    search->state = NULL;
}

const struct strategy strategy_genetic = {
    .name = "genetic",
    .summary = "a population of 20, crossed and mutated",
    .begin = begin,
    .next = next,
    .tell = tell,
    .end = end,
};
