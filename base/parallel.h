/* parallel.h: a loop over all processors, for arithmetic that somebody waits for (references in fp64, replays). */
#pragma once
#include "base/status.h"
#include <stdint.h>

/* body(context, first, last) for pieces [first, last) that together are [0, n), each on a thread of its own and
 * one on the caller's; as many as there are processors for this process, 64 at most. Where the system has no
 * thread left, the caller's does the work. Returns the first failure in the order of the pieces, with its
 * sentence. */
enum status parallel_for(int64_t n,
                         enum status (*body)(void *context, int64_t first, int64_t last,
                                             struct error *err),
                         void *context, struct error *err);
