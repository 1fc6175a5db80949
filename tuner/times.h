/* times.h: what the wall time of a session went to, for people and for --json: the worker's stages say
 * (frames.h), and the rest is other. */
#pragma once
#include "tuner/worker.h"
#include <jansson.h>

/* {"build_s", "check_s", "device_s", "other_s"}: together wall_ns. worker NULL: all of it is other. */
json_t *times_json(const struct worker *worker, int64_t wall_ns);
/* "build 12.1 s (31 %), check 3.0 s (8 %), …" */
void times_format(const struct worker *worker, int64_t wall_ns, char text[160]);
