/* compare.h: hone compare: runs in fresh processes, and the gate over them. */
#pragma once
#include "kernels/kernel.h"
#include <jansson.h>

struct compare_options {
    const char *device, *database;
    const char *lock_text; /* who we are, for the lock file */
    const char *against; /* another hone to compare with, its runs between ours; NULL: a baseline */
    size_t batch;        /* runs of a benchmark at a time; 0: the usual number */
    const volatile int *interrupt;
};
enum { COMPARE_BATCH = 9, COMPARE_BATCH_MOST = 14, COMPARE_BASE_MOST = 20 };

/* The benchmarks of these problems, without runs. layout NULL: any. profile: "default", "tuned". */
json_t *compare_plan(const struct problem *problems, size_t n, const char *profile,
                     const char *layout);
/* Run every benchmark of the document `options->batch` times more, in a new order each round. */
enum status compare_record(const struct compare_options *options, json_t *document,
                           struct error *err);
/* Fresh runs of the benchmarks of `base` (a plan when `against` is given) and a verdict, with a second batch
 * where it is wanted. *fresh receives the runs; *result the document of hone compare --json:
 *     {"verdict","device","benchmarks":[{"name","verdict","shift","low","high","p","n_base","n_new",
 *      "detectable","margin","noise","moved","base_ns","new_ns","yardstick","base_config","new_config"}]}
 * shift, low, high, margin, noise, moved, detectable are fractions: 0.07 is 7 % slower.
 * NOTHING when the baseline is of another device or environment, or too old or too short. */
enum status compare_run(const struct compare_options *options, json_t *base, json_t **fresh,
                        json_t **result, struct error *err);
/* The same between runs that there are. Of `fresh`, what exceeds a batch is the second batch. */
enum status compare_documents(json_t *base, const json_t *fresh, json_t **result,
                              struct error *err);
