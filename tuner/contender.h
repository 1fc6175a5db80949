/* contender.h: which configuration runs on a problem when people ask for the default, for what was tuned,
 * or for one of their own; and in which layout. Shared by bench and compare. */
#pragma once
#include "results/store.h"
#include "kernels/kernel.h"

struct contender {
    const char *profile; /* "default", "tuned", "config" */
    const char *rule;    /* which rule of the look-up answered, NULL */
    struct config config;
    struct problem problem;
    bool is_phase; /* timed as a phase of a larger kernel (op.h) */
};

/* Each returns false when there is none. The layout is the problem's own where that can be, else the first
 * of family_layouts that can; of tuned ones the record's. */
bool contender_default(const struct problem *problem, struct contender *c);
/* store NULL: only shipped profiles answer. */
bool contender_tuned(const struct device *device, struct store *store,
                     const struct problem *problem, struct contender *c);
/* A configuration of the user's; false with the reason in err. */
bool contender_config(const struct device *device, const struct problem *problem,
                      const char *variant, const char *config, struct contender *c,
                      struct error *err);
