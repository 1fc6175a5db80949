/* annealing.c: simulated annealing on the logarithm of the time. A walk over neighbours that takes every
 * improvement and a worsening with a chance that falls as it cools; when it is cold, or stands where
 * everything around was tried, it goes back to the best and is warmed again. */
#include "tuner/trail.h"
#include <math.h>
#include <stdlib.h>

enum { TRIES = 16 }; /* neighbours drawn before a place counts as exhausted */
/* Warm, a step that is 35 % slower is taken every third time; 200 evaluations later only 1 % is. */
static const double WARM = 0.3, COLD = 0.01, COOLING = 0.983;

struct annealing {
    struct trail trail;
    int64_t at; /* where the walk stands, −1: nowhere yet */
    double temperature;
};

static enum status begin(struct search *search, struct error *err) {
    struct annealing *a = calloc(1, sizeof *a);
    search->state = a;
    if (!a) return fail(err, STATUS_NOMEM, "no memory to begin simulated annealing");
    a->at = -1;
    a->temperature = WARM;
    return trail_open(&a->trail, search, err);
}

static int64_t untold_neighbour(struct annealing *a, struct search *search, int64_t at) {
    for (int t = 0; at >= 0 && t < TRIES; t++) {
        const int64_t step = trail_step(search, at);
        if (!a->trail.told.is_told[step]) return step;
    }
    return -1;
}

static int64_t choose(struct annealing *a, struct search *search) {
    int64_t choice = told_next_seed(&a->trail.told, search);
    if (choice >= 0) return choice;
    if (a->temperature < COLD) {
        a->temperature = WARM;
        a->at = a->trail.best;
    }
    choice = untold_neighbour(a, search, a->at);
    if (choice < 0) choice = untold_neighbour(a, search, a->trail.best);
    if (choice < 0) {
        a->at = -1;
        choice = trail_random(&a->trail, search);
    }
    return choice;
}

static int64_t next(struct search *search) {
    struct annealing *a = search->state;
    if (a->trail.asked < 0) a->trail.asked = choose(a, search);
    return a->trail.asked;
}

static void tell(struct search *search, int64_t config, double time_ns, bool censored) {
    struct annealing *a = search->state;
    if (!trail_tell(&a->trail, config, time_ns, censored) && a->at >= 0) return;
    a->temperature *= COOLING;
    if (!(time_ns < INFINITY)) return;
    const double worse = a->at < 0 ? 0 : log(time_ns / a->trail.time_ns[a->at]);
    if (worse <= 0 || rng_uniform(&search->rng) < exp(-worse / a->temperature)) a->at = config;
}

static void end(struct search *search) {
    struct annealing *a = search->state;
    if (a) trail_close(&a->trail);
    free(a);
    search->state = NULL;
}

const struct strategy strategy_annealing = {
    .name = "annealing",
    .summary = "simulated annealing over neighbours, warmed again when cold",
    .begin = begin,
    .next = next,
    .tell = tell,
    .end = end,
};
