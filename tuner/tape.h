/* tape.h: the recorded runs of a configuration as something that can be measured: a loop of times that the
 * measuring protocol (measure.h) plays instead of launching kernels. It takes no time to play. */
#pragma once
#include "base/rng.h"
#include "tuner/measure.h"
#include "tuner/recorded.h"

struct tape {
    const double *runs_ns; /* the recording's */
    size_t n, at;          /* the next run; the tape is a loop */
    double spent_ns;       /* of what was played */
};
/* From a run on that is drawn; the configuration went well. The recording outlives the tape. */
struct tape tape_of(const struct recorded *recorded, const struct recorded_config *config,
                    struct rng *rng);
struct subject tape_subject(struct tape *tape);
