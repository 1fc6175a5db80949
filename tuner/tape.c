/* tape.c: see tape.h. */
#include "tuner/tape.h"

struct tape tape_of(const struct recorded *recorded, const struct recorded_config *config,
                    struct rng *rng) {
    return (struct tape){.runs_ns = recorded->recording.runs_ns + config->first_run,
                         .n = config->n_runs,
                         .at = (size_t)rng_below(rng, config->n_runs)};
}

static enum status run(void *context, int repeats, double *time_ns, struct error *err) {
    struct tape *t = context;
    double sum = 0;
    (void)err;
    for (int i = 0; i < repeats; i++) sum += t->runs_ns[t->at++ % t->n];
    t->spent_ns += sum;
    *time_ns = sum / repeats;
    return OK;
}

struct subject tape_subject(struct tape *tape) {
    return (struct subject){run, tape};
}
