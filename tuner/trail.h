/* trail.h: what the searching strategies remember: the time of each configuration, the best one, the one
 * that was asked; and how they move: a place in the space is a vector of coordinates in [0, 1], one for
 * each byte of a point (layout, variant, parameters), so that strategies made for numbers (differential
 * evolution, swarms) search a space of choices. */
#pragma once
#include "tuner/strategy.h"

enum { COORDINATES = 2 + PARAMS };

struct trail {
    struct told told;
    double *time_ns; /* per configuration; INFINITY: unknown or failed; censored: its lower bound */
    int64_t best;    /* the fastest that was not censored, −1: none */
    int64_t asked;   /* what next said last and was not told yet, −1: none */
    int n_coordinates;
};
enum status trail_open(struct trail *trail, const struct search *search, struct error *err);
void trail_close(struct trail *trail);
/* Remember an outcome. Returns whether it is the one that was asked. */
bool trail_tell(struct trail *trail, int64_t config, double time_ns, bool censored);

/* Uniform over what was not told, −1: nothing left. */
int64_t trail_random(const struct trail *trail, struct search *search);
/* A random neighbour, itself where it has none. */
int64_t trail_step(struct search *search, int64_t at);
void trail_place(const struct trail *trail, const struct search *search, int64_t at,
                 double place[COORDINATES]);
/* The configuration nearest to a place among those not told, −1: nothing left. Of a large space a sample
 * is looked at. */
int64_t trail_nearest(const struct trail *trail, struct search *search,
                      const double place[COORDINATES]);
