/* t4.h: what was measured of a kernel as T4 results, the format that Kernel Tuner, KTT and the benchmarks beside
 * them exchange (TuningSchema, results-schema.json); recording.h reads it back. */
#pragma once
#include "results/store.h"
#include <jansson.h>

/* One result an evaluation, in the order made: configuration (numbers and words, with the layout when
 * has_layouts), what became of it, all its times in ns. `runtimes` are the samples that the time is the median
 * of, those of earlier rounds stand among the measurements, and so does the outcome in the words of hone: T4 has
 * none for a configuration that a race abandoned, whose samples are good. The caller's reference. */
json_t *t4_results(const struct tried *kernel, const char *device, bool has_layouts,
                   const struct trial_record *trials, size_t n);
