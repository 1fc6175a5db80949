/* t1_read.h: a kernel of one's own from its T1 file, the input format of Kernel Tuner, KTT and the benchmarks beside
 * them (TuningSchema, input-schema.json), with the members that Kernel Tuner adds (ProblemSize, GridDivX …). The
 * family that comes of it is lent to this process, so that records, workers and requests find it by name. */
#pragma once
#include "kernels/own.h"
#include <jansson.h>

struct t1_source {
    const char *path;      /* of the T1 file, for messages */
    const char *space;     /* its text */
    const char *kernel;    /* text of the .cl */
    const char *reference; /* path of the library; NULL: none */
};
/* The family, lent until the next or t1_return; one at a time. INVALID and UNSUPPORTED name the file and what of it
 * is no T1, no expression, or not supported; IO: no such reference. *notes (NULL: not wanted; the caller frees)
 * receives what was left out and why, a line each. */
enum status t1_lend(const struct t1_source *source, const struct family **family, char **notes,
                    struct error *err);
void t1_return(void); /* nothing lent is fine */

/* For a worker: what is lent here, null when nothing is (the caller's reference); and lend it there. */
json_t *t1_frame(void);
enum status t1_lend_frame(const json_t *frame, struct error *err);
