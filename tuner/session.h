/* session.h: the story of a tuning session: every evaluation is committed before the next begins, a
 * killed session continues, a finished one re-checks its winners. */
#pragma once
#include "tuner/strategy.h"
#include "tuner/worker.h"
#include <jansson.h>

struct session_options {
    const char *device;             /* selector of one device; or of a recording (target.h) */
    const char *database;           /* path */
    const struct problem *problems; /* class set; layout: every accepted one is searched */
    size_t n_problems;              /* 0 with a recording, which brings its own */
    const char *const *layout; /* per problem NULL (all layouts) or a layout's name; may be NULL */
    /* Per problem how often a token needs it: what takes most of a token's time comes first, and one layout is
     * chosen for all n of a matrix. 0: not searched, only measured with what is best at other n. NULL: all
     * alike, in the order given. */
    const double *weights;
    const char *strategy; /* NULL: default */
    uint64_t seed;
    int64_t budget_ns;   /* wall time of the command for this device; 0: no limit */
    int64_t began_ns;    /* when that time began, on the monotonic clock; 0: now */
    int64_t evaluations; /* per problem; 0: no limit */
    bool more;           /* go on with a finished session */
    const struct space_limit *limits;
    size_t n_limits;
    int builders;                  /* processes that compile ahead; 0: none; or BUILDERS_USUAL */
    const volatile int *interrupt; /* raised by the signal handler; may be NULL */
    const char *lock_text;         /* who we are, for the lock file */
    bool is_locked;                /* the caller holds the device's lock, and keeps it */
    const struct deadlines *deadlines; /* NULL: the usual ones */
};
/* When the time is over, problems that were not reached are left as they are and said; the same command
 * goes on with them, with the rest of the budget or, when hardly any is left, the whole of it again.
 * The JSON document of `hone tune` for this device in *result (also when interrupted: what there is;
 * NULL on other failures). BUSY names who holds the device's lock. INTERRUPTED says how to go on. */
enum status session_run(const struct session_options *options, json_t **result, struct error *err);
