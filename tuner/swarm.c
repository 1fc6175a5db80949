/* swarm.c: particle swarm. A particle has a place, a speed, and its own best configuration; it is drawn to
 * that and to the best of all, and what is evaluated is the configuration nearest to it that was not tried. */
#include "tuner/trail.h"
#include <math.h>
#include <stdlib.h>

enum { PARTICLES = 16 };
/* Clerc's constriction: converges without a limit on the speed. */
static const double INERTIA = 0.73, PULL = 1.5;

struct swarm {
    struct trail trail;
    struct particle {
        double place[COORDINATES], speed[COORDINATES];
        int64_t best; /* −1: it has not been anywhere */
    } particle[PARTICLES];
    int turn; /* the particle whose place is asked next */
};

static enum status begin(struct search *search, struct error *err) {
    struct swarm *s = calloc(1, sizeof *s);
    search->state = s;
    if (!s) return fail(err, STATUS_NOMEM, "no memory to begin a swarm");
    for (int p = 0; p < PARTICLES; p++) s->particle[p].best = -1;
    return trail_open(&s->trail, search, err);
}

static void move(const struct swarm *s, struct search *search, struct particle *p) {
    double own[COORDINATES], all[COORDINATES];
    trail_place(&s->trail, search, p->best, own);
    trail_place(&s->trail, search, s->trail.best >= 0 ? s->trail.best : p->best, all);
    for (int c = 0; c < s->trail.n_coordinates; c++) {
        p->speed[c] = INERTIA * p->speed[c] +
                      PULL * rng_uniform(&search->rng) * (own[c] - p->place[c]) +
                      PULL * rng_uniform(&search->rng) * (all[c] - p->place[c]);
        p->place[c] = fmin(fmax(p->place[c] + p->speed[c], 0), 1);
    }
}

static int64_t choose(struct swarm *s, struct search *search) {
    struct particle *p = &s->particle[s->turn];
    const int64_t seed = told_next_seed(&s->trail.told, search);
    if (seed >= 0) return seed;
    if (p->best < 0) return trail_random(&s->trail, search);
    move(s, search, p);
    return trail_nearest(&s->trail, search, p->place);
}

static int64_t next(struct search *search) {
    struct swarm *s = search->state;
    if (s->trail.asked < 0) s->trail.asked = choose(s, search);
    return s->trail.asked;
}

static void tell(struct search *search, int64_t config, double time_ns, bool censored) {
    struct swarm *s = search->state;
    struct particle *p = &s->particle[s->turn];
    const bool was_asked = trail_tell(&s->trail, config, time_ns, censored);
    const bool is_new = p->best < 0;
    if (is_new) trail_place(&s->trail, search, config, p->place);
    if (is_new || s->trail.time_ns[config] < s->trail.time_ns[p->best]) p->best = config;
    if (was_asked || is_new) s->turn = (s->turn + 1) % PARTICLES;
}

static void end(struct search *search) {
    struct swarm *s = search->state;
    if (s) trail_close(&s->trail);
    free(s);
    search->state = NULL;
}

const struct strategy strategy_swarm = {
    .name = "swarm",
    .summary = "particle swarm on the places of the values",
    .begin = begin,
    .next = next,
    .tell = tell,
    .end = end,
};
