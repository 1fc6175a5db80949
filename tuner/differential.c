/* differential.c: differential evolution (best/1/bin). A member is a place; its rival is the best one plus
 * a scaled difference of two others, mixed with the member, put on the nearest configuration that was not
 * tried. It takes the member's place when it is faster. */
#include "tuner/trail.h"
#include <math.h>
#include <stdlib.h>

enum { POPULATION = 16 };
static const double SCALE = 0.7, CROSSOVER = 0.7;

struct differential {
    struct trail trail;
    int64_t member[POPULATION];
    int n_members;
    int turn; /* the member whose rival is asked next */
};

static enum status begin(struct search *search, struct error *err) {
    struct differential *d = calloc(1, sizeof *d);
    search->state = d;
    if (!d) return fail(err, STATUS_NOMEM, "no memory to begin differential evolution");
    return trail_open(&d->trail, search, err);
}

static int64_t any(const struct differential *d, struct rng *rng) {
    return d->member[rng_below(rng, POPULATION)];
}

static int64_t rival(const struct differential *d, struct search *search) {
    const struct trail *t = &d->trail;
    double place[COORDINATES], base[COORDINATES], plus[COORDINATES], minus[COORDINATES];
    trail_place(t, search, d->member[d->turn], place);
    trail_place(t, search, t->best >= 0 ? t->best : any(d, &search->rng), base);
    trail_place(t, search, any(d, &search->rng), plus);
    trail_place(t, search, any(d, &search->rng), minus);
    const int kept = (int)rng_below(&search->rng, (uint64_t)t->n_coordinates);
    for (int c = 0; c < t->n_coordinates; c++)
        if (c == kept || rng_uniform(&search->rng) < CROSSOVER)
            place[c] = base[c] + SCALE * (plus[c] - minus[c]);
    return trail_nearest(t, search, place);
}

static int64_t next(struct search *search) {
    struct differential *d = search->state;
    struct trail *t = &d->trail;
    if (t->asked < 0) t->asked = told_next_seed(&t->told, search);
    if (t->asked < 0)
        t->asked = d->n_members < POPULATION ? trail_random(t, search) : rival(d, search);
    return t->asked;
}

static void tell(struct search *search, int64_t config, double time_ns, bool censored) {
    struct differential *d = search->state;
    const struct trail *t = &d->trail;
    const bool was_asked = trail_tell(&d->trail, config, time_ns, censored);
    if (d->n_members < POPULATION) {
        d->member[d->n_members++] = config;
        return;
    }
    if (t->time_ns[config] < t->time_ns[d->member[d->turn]]) d->member[d->turn] = config;
    if (was_asked) d->turn = (d->turn + 1) % POPULATION;
}

static void end(struct search *search) {
    struct differential *d = search->state;
    if (d) trail_close(&d->trail);
    free(d);
    search->state = NULL;
}

const struct strategy strategy_differential = {
    .name = "differential",
    .summary = "differential evolution on the places of the values",
    .begin = begin,
    .next = next,
    .tell = tell,
    .end = end,
};
