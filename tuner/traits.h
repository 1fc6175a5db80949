/* traits.h: what a configuration looks like to a model: numbers from 0 to 2, derived from nothing but the
 * values of the parameters. A parameter is a trait (its logarithm, where its values are positive
 * numbers); so is the quotient of two parameters where one always divides the other although not all of
 * their values would: a constraint says so, and what a tile holds per work-item is such a quotient. */
#pragma once
#include "tuner/space.h"

enum { TRAITS = 64 }; /* at most; the parameters come before the quotients */

struct trait {
    char name[56];
    float base, scale; /* value = (raw − base) · scale */
    /* By variant: the parameter, and what it is divided by; −1: none. */
    short param[VARIANTS], divisor[VARIANTS];
    bool is_log;
    int kind; /* traits.c: enum kind */
};
struct traits {
    int n;
    struct trait trait[TRAITS];
};
/* Traits that are the same for all configurations of the space are left out. */
void traits_open(const struct space *space, struct traits *traits);
/* Those of configuration `at`: value[traits->n]. */
void traits_of(const struct traits *traits, const struct space *space, int64_t at, float *value);
