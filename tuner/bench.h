/* bench.h: default, tuned and rivals in one run, with the ceilings of that run. */
#pragma once
#include "tuner/measure.h"
#include <jansson.h>

struct bench_options {
    const char *device;
    const char *database; /* path; NULL: nothing was tuned, rows are not kept */
    const struct problem
        *problems; /* class set; layout: where the default runs if some variant takes it */
    size_t n_problems;
    const char *profile; /* "default", "tuned", NULL: both */
    bool phase;          /* also as phases of a larger kernel, where that can be (op.h) */
    const char *config_variant, *config; /* a configuration of the user's, or NULL */
    bool warm;                           /* launches with warm operands, too */
    const char *const *rivals;           /* names, each of one that rival_find knows */
    size_t n_rivals;
    int64_t tuning_ns;             /* for each tuner of a rival's own (rival.h) */
    const volatile int *interrupt; /* may be NULL */
    const char *lock_text;         /* who we are, for the lock file */
};
/* The JSON document of `hone bench`; rows go into the database. On INTERRUPTED *result holds the rows so
 * far; NULL on other failures. USAGE when no problem takes the configuration, NOMEM or UNSUPPORTED when none
 * gave a row, BUSY when the device is being measured, DB when the database is refused. */
enum status bench_run(const struct bench_options *options, json_t **result, struct error *err);
/* The "peak" of such a document alone, read and copied over a working set of that many bytes, in a process of
 * its own: its memory is free again afterwards. The caller's reference; who calls holds the lock. */
enum status bench_peak(const char *device, size_t bytes, const volatile int *interrupt,
                       json_t **peak, struct error *err);
