/* gaussian.h: a Gaussian process over traits: what a configuration is expected to bring, and how sure that
 * is, from a few dozen that were measured. Each trait has a weight of its own (its inverse length scale,
 * squared) that is learned by maximum a posteriori with each observation; mean and variance are solved for.
 * Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapters 2 and 5. */
#pragma once
#include "base/rng.h"
#include "tuner/traits.h"

enum {
    GAUSSIAN_MOST = 160,  /* observations */
    GAUSSIAN_BLOCK = 256, /* candidates that are judged at once */
};
typedef float gaussian_block[GAUSSIAN_BLOCK];

struct gaussian {
    int n_traits, n;
    float x[TRAITS][GAUSSIAN_MOST], y[GAUSSIAN_MOST]; /* written by the caller */
    struct gaussian_scales {
        double log_weight[TRAITS], log_noise; /* noise: variance, relative to the process */
    } scales;
    /* Of the scales and observations. */
    double mean, deviation, score; /* score: log posterior of the scales, but for a constant */
    float scaled[TRAITS][GAUSSIAN_MOST];        /* x · √weight */
    float factor[GAUSSIAN_MOST][GAUSSIAN_MOST]; /* U, rows from the diagonal: UᵀU = covariances */
    float solved[GAUSSIAN_MOST];                /* U⁻ᵀ (y − mean) */
};
void gaussian_open(struct gaussian *gaussian, int n_traits);
/* Learn the scales from x, y, n: so many steps of a random climb from where it stood. */
void gaussian_fit(struct gaussian *gaussian, int steps, struct rng *rng);
/* The most that is expected where something was observed: noise, and luck with it, is taken out. */
double gaussian_best(const struct gaussian *gaussian);
/* What there is between a block of candidates and the observations: nearly all of the work of judging them. It
 * needs no y, and holds for any other at the same x and scales. */
struct gaussian_reduced {
    gaussian_block row[GAUSSIAN_MOST]; /* n of them */
    gaussian_block rest;               /* of the variance, relative to the process */
};
void gaussian_reduce(const struct gaussian *gaussian, const gaussian_block *value, /* [trait] */
                     struct gaussian_reduced *out);
/* What is expected of the block, and the standard deviation; and both steps in one. */
void gaussian_read(const struct gaussian *gaussian, const struct gaussian_reduced *reduced,
                   gaussian_block mean, gaussian_block deviation);
void gaussian_expect(const struct gaussian *gaussian, const gaussian_block *value,
                     gaussian_block mean, gaussian_block deviation);
