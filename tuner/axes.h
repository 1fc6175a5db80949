/* axes.h: a variant on a problem, ready to be walked parameter by parameter: the values that features and limits
 * leave, and the constraints that each parameter decides, which are those that read no later one. */
#pragma once
#include "tuner/space.h"

enum { AXIS_VALUES = 256 }; /* a place is a byte */

struct axis {
    unsigned char place[AXIS_VALUES]; /* of the values that may be taken */
    int n;
    uint32_t decided; /* bit c: constraint c is decided here */
    uint32_t
        live; /* bit q: parameter q, which comes before, is read by a constraint decided here or later */
};
struct axes {
    const struct device *device;
    const struct problem *problem; /* with its layout */
    const struct variant *variant;
    struct axis axis[PARAMS];
};
/* The problem and the variant outlive the axes. */
void axes_open(struct axes *axes, const struct device *device, const struct problem *problem,
               const struct variant *variant, const struct space_limit *limits, size_t n_limits);
/* Do the constraints hold that parameter p decides? Values up to p are set. */
bool axes_hold(const struct axes *axes, const int *value, int p);
