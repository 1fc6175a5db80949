/* space.h: the valid configurations of a problem: all layouts and variants that accept it, their
 * parameters and constraints, on one device. Enumeration prunes inside the loops: a constraint is asked
 * as soon as the last parameter that it reads has a value. Configurations of one space are numbered in
 * order. The layout of the weights is one more axis: a problem is searched over all of them at once. Of a
 * space that is too large for a list, a quarter of a million uniform draws (tuner/census.h) and the variants' own
 * configurations are listed. */
#pragma once
#include "kernels/kernel.h"

enum { LIMIT_VALUES = 16 };

/* --param TM=4,8: only these values of that parameter. */
struct space_limit {
    char param[24];
    char values[LIMIT_VALUES][24]; /* numbers, or names of values */
    int n_values;
};

struct space {
    const struct device *device;
    struct problem problem; /* its layout is that of the first layout of the space */
    const struct layout *layouts[LAYOUTS];
    size_t n_layouts;
    /* Configurations in order of layout, variant, parameters. Spaces are large, so each is `stride`
     * bytes only: place of its layout in layouts, of its variant in the family, and of every
     * parameter's value among its values. Owned. */
    unsigned char *points;
    size_t stride, n;
    double raw; /* points before constraints */
    uint32_t
        *index; /* hash table of numbers + 1; owned; NULL: points are in the order of their bytes */
    size_t index_size;
};
/* layout NULL: every layout that some variant accepts; else only this one. UNSUPPORTED when nothing is
 * valid; USAGE when a limit names a parameter that no variant has. */
enum status space_open(const struct device *device, const struct problem *problem,
                       const struct layout *layout, const struct space_limit *limits,
                       size_t n_limits, struct space *space, struct error *err);
/* The space that consists of these points: rows of as many bytes as the one variant of the problem's
 * family has parameters, each the place of its value; no row twice. For recorded spaces, which have no
 * device and whose constraint is that they were recorded. The family outlives the space. NOMEM. */
enum status space_list(const struct problem *problem, const unsigned char *places, size_t n,
                       struct space *space, struct error *err);
void space_close(struct space *space);
/* Number of the configuration in the space, −1 when it is not in it. O(log n). */
int64_t space_find(const struct space *space, const struct config *config,
                   const struct layout *layout);
/* Configuration number `at`. */
struct config space_config(const struct space *space, int64_t at);
/* The problem as configuration `at` sees it: with its layout. */
struct problem space_problem(const struct space *space, int64_t at);
/* Neighbours of a configuration: one parameter moved to another of its values (adjacent first), the
 * same in another layout, or the same parameters in another variant. Writes at most limit numbers,
 * returns how many there are. */
size_t space_neighbours(const struct space *space, int64_t at, int64_t *out, size_t limit);

/* Parse "TM=4,8,VW=16" (the option --param) into limits; caller frees *limits. USAGE names the text. */
enum status space_parse_limits(const char *const *texts, size_t n, struct space_limit **limits,
                               size_t *n_limits, struct error *err);
