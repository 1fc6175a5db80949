/* iterated.c: iterated local search from one start. Climb to the first better neighbour until there is
 * none, shake the best by a few steps, climb again; the more shakes in a row brought nothing, the farther
 * the next one goes. `local` begins at several places and starts afresh now and then. */
#include "tuner/trail.h"
#include <math.h>
#include <stdlib.h>

enum { SHAKE_LEAST = 2, SHAKE_MOST = 6, NEIGHBOURS = 512 };

struct iterated {
    struct trail trail;
    int64_t at; /* where the climb stands, −1: at a place that was only asked */
    int64_t around[NEIGHBOURS];
    size_t n_around;
    int shake; /* steps of the next shake */
};

static enum status begin(struct search *search, struct error *err) {
    struct iterated *s = calloc(1, sizeof *s);
    search->state = s;
    if (!s) return fail(err, STATUS_NOMEM, "no memory to begin an iterated local search");
    s->at = -1;
    s->shake = SHAKE_LEAST;
    return trail_open(&s->trail, search, err);
}

static void climb_from(struct iterated *s, struct search *search, int64_t at) {
    s->at = at;
    s->n_around = space_neighbours(search->space, at, s->around, NEIGHBOURS);
    if (s->n_around > NEIGHBOURS) s->n_around = NEIGHBOURS;
}

/* A neighbour that was not tried, in random order, −1: none left. */
static int64_t next_around(struct iterated *s, struct search *search) {
    while (s->at >= 0 && s->n_around > 0) {
        const size_t pick = rng_below(&search->rng, s->n_around);
        const int64_t neighbour = s->around[pick];
        s->around[pick] = s->around[--s->n_around];
        if (!s->trail.told.is_told[neighbour]) return neighbour;
    }
    return -1;
}

static int64_t shaken(struct iterated *s, struct search *search) {
    int64_t at = s->trail.best;
    for (int step = 0; at >= 0 && step < s->shake; step++) at = trail_step(search, at);
    if (s->shake < SHAKE_MOST) s->shake++;
    s->at = -1;
    return at < 0 || s->trail.told.is_told[at] ? trail_random(&s->trail, search) : at;
}

static int64_t choose(struct iterated *s, struct search *search) {
    int64_t choice = told_next_seed(&s->trail.told, search);
    if (choice >= 0) return choice;
    if (s->at < 0 && s->shake == SHAKE_LEAST && s->trail.best >= 0)
        climb_from(s, search, s->trail.best);
    choice = next_around(s, search);
    return choice >= 0 ? choice : shaken(s, search);
}

static int64_t next(struct search *search) {
    struct iterated *s = search->state;
    if (s->trail.asked < 0) s->trail.asked = choose(s, search);
    return s->trail.asked;
}

static void tell(struct search *search, int64_t config, double time_ns, bool censored) {
    struct iterated *s = search->state;
    const bool was_asked = trail_tell(&s->trail, config, time_ns, censored);
    if (s->trail.best == config) s->shake = SHAKE_LEAST;
    if (!was_asked || censored || !(time_ns < INFINITY)) return;
    if (s->at < 0 || time_ns < s->trail.time_ns[s->at]) climb_from(s, search, config);
}

static void end(struct search *search) {
    struct iterated *s = search->state;
    if (s) trail_close(&s->trail);
    free(s);
    search->state = NULL;
}

const struct strategy strategy_iterated = {
    .name = "iterated",
    .summary = "iterated local search from one start",
    .begin = begin,
    .next = next,
    .tell = tell,
    .end = end,
};
