/* forest.h: extremely randomised trees over traits (Geurts, Ernst and Wehenkel 2006): every tree sees all
 * observations and splits them at random places, keeping the best of a few; the mean over the trees is what is
 * expected, their spread says how sure that is. */
#pragma once
#include "base/rng.h"
#include "tuner/traits.h"

enum {
    FOREST_MOST = 512, /* observations */
    FOREST_TREES = 16,
};
struct forest {
    int n_traits, n;
    float x[FOREST_MOST][TRAITS], y[FOREST_MOST]; /* written by the caller */
    struct forest_node {
        float split;           /* traits up to this go down */
        float value;           /* of a leaf */
        short trait, down, up; /* trait −1: a leaf */
    } node[FOREST_TREES][2 * FOREST_MOST];
};
void forest_fit(struct forest *forest, struct rng *rng);
void forest_expect(const struct forest *forest, const float *value, double *mean,
                   double *deviation);
