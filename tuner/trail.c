/* trail.c: see trail.h. */
#include "tuner/trail.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum {
    LOOKED_AT = 1 << 15, /* configurations that trail_nearest compares: some 2 ms */
    NEIGHBOURS = 512,
};
/* Another variant's parameters mean something else: farther than any parameter of one's own. */
static const double OTHER_VARIANT = 8;

enum status trail_open(struct trail *trail, const struct search *search, struct error *err) {
    const size_t n = search->space->n;
    *trail = (struct trail){.best = -1,
                            .asked = -1,
                            .n_coordinates = (int)search->space->stride,
                            .time_ns = malloc((n ? n : 1) * sizeof *trail->time_ns)};
    if (!trail->time_ns)
        return fail(err, STATUS_NOMEM, "no memory to search %zu configurations", n);
    for (size_t i = 0; i < n; i++) trail->time_ns[i] = INFINITY;
    return told_open(&trail->told, search, err);
}

void trail_close(struct trail *trail) {
    told_close(&trail->told);
    free(trail->time_ns);
    *trail = (struct trail){.best = -1, .asked = -1};
}

bool trail_tell(struct trail *trail, int64_t config, double time_ns, bool censored) {
    const bool was_asked = config == trail->asked;
    told_mark(&trail->told, config);
    if (was_asked) trail->asked = -1;
    if (time_ns < INFINITY) trail->time_ns[config] = time_ns;
    if (!censored && time_ns < INFINITY &&
        (trail->best < 0 || time_ns < trail->time_ns[trail->best]))
        trail->best = config;
    return was_asked;
}

int64_t trail_random(const struct trail *trail, struct search *search) {
    if (trail->told.n_told == trail->told.n) return -1;
    size_t i = rng_below(&search->rng, trail->told.n);
    while (trail->told.is_told[i]) i = (i + 1) % trail->told.n;
    return (int64_t)i;
}

int64_t trail_step(struct search *search, int64_t at) {
    int64_t around[NEIGHBOURS];
    const size_t n = space_neighbours(search->space, at, around, NEIGHBOURS);
    return n ? around[rng_below(&search->rng, n < NEIGHBOURS ? n : NEIGHBOURS)] : at;
}

/* ---- coordinates ---- */

/* ORDER point: layout, variant, parameters (space.h) */
enum { AT_LAYOUT, AT_VARIANT, AT_PARAMS };

static const unsigned char *point_of(const struct space *space, size_t at) {
    return space->points + at * space->stride;
}

/* What a step between neighbouring values of each byte is for points of a variant; 0: one value only. */
struct steps {
    double of[VARIANTS][COORDINATES];
};

static struct steps steps_of(const struct space *space) {
    struct steps steps = {0};
    const struct variant *const *variants = space->problem.family->variants;
    for (int v = 0; variants[v]; v++) {
        steps.of[v][AT_LAYOUT] = space->n_layouts > 1 ? 1.0 / ((double)space->n_layouts - 1) : 0;
        for (int p = 0; p < variants[v]->n_params; p++) {
            const int last = variants[v]->params[p].n_values - 1;
            steps.of[v][AT_PARAMS + p] = last ? 1.0 / last : 0;
        }
    }
    return steps;
}

static int n_variants(const struct space *space) {
    int n = 0;
    while (space->problem.family->variants[n]) n++;
    return n;
}

void trail_place(const struct trail *trail, const struct search *search, int64_t at,
                 double place[COORDINATES]) {
    const struct space *space = search->space;
    const unsigned char *point = point_of(space, (size_t)at);
    const struct steps steps = steps_of(space);
    for (int c = 0; c < trail->n_coordinates; c++)
        place[c] = point[c] * steps.of[point[AT_VARIANT]][c];
    place[AT_VARIANT] = (point[AT_VARIANT] + 0.5) / n_variants(space);
}

static double distance(const unsigned char *point, const double *place, const struct steps *steps,
                       int variant, int n) {
    double sum = point[AT_VARIANT] == variant ? 0 : OTHER_VARIANT;
    for (int c = 0; c < n; c++)
        if (c != AT_VARIANT) sum += fabs(point[c] * steps->of[point[AT_VARIANT]][c] - place[c]);
    return sum;
}

int64_t trail_nearest(const struct trail *trail, struct search *search,
                      const double place[COORDINATES]) {
    const struct space *space = search->space;
    const struct steps steps = steps_of(space);
    const int most = n_variants(space) - 1;
    const int wanted = (int)fmin(fmax(place[AT_VARIANT], 0) * (most + 1), most);
    const bool whole = space->n <= LOOKED_AT;
    int64_t nearest = -1;
    double least = INFINITY;
    for (size_t i = 0; i < (whole ? space->n : LOOKED_AT); i++) {
        const size_t at = whole ? i : rng_below(&search->rng, space->n);
        if (trail->told.is_told[at]) continue;
        const double d = distance(point_of(space, at), place, &steps, wanted, trail->n_coordinates);
        if (d < least) {
            least = d;
            nearest = (int64_t)at;
        }
    }
    return nearest >= 0 ? nearest : trail_random(trail, search);
}
