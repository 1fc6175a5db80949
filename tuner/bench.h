/* bench.h: default, tuned and rivals in one run, with the ceilings of that run. */
#pragma once
#include "tuner/measure.h"
#include <jansson.h>

struct bench_options {
    const char *device, *database;
    const struct problem *problems;   /* class set, layout of the record or the default's */
    size_t n_problems;
    const char *profile;              /* "default", "tuned", NULL: both */
    const char *config_variant, *config; /* a configuration of the user's, or NULL */
    const char *const *rivals;        /* names */
    size_t n_rivals;
    const volatile int *interrupt;
};
/* The JSON document of `hone bench`; rows go into the database when it can be written. */
enum status bench_run(const struct bench_options *options, json_t **result, struct error *err);
