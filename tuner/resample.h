/* resample.h: how often is the gate wrong? Gates are drawn from recorded runs and decided as hone compare
 * decides: false alarms where both sides are the same program, power where a second recording is of one
 * that is slower. Common practice is asked about the same draws. */
#pragma once
#include "base/status.h"
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum { RESAMPLE_LEAST = 38 }; /* runs of a benchmark: a baseline of 20, two batches of 9 */

struct resample_options {
    size_t gates;      /* drawn for a rate; 0: 400 */
    size_t bootstraps; /* of the runs, for the bounds; 0: 200 */
    uint64_t seed;
};
/* slow: the same benchmarks recorded with a slower program; NULL: false alarms only.
 *     {"gates","bootstraps","runs","false_alarms":{"rate","upper","noisy","in_order"},
 *      "practice":[{"name","false_alarms","upper","power"}],
 *      "benchmarks":[{"name","runs","sigma","needed","shift","power","power_low"}]}
 * upper and power_low are 95 % bounds by bootstrap over runs. in_order: runs of a side follow each other in
 * time, as in real gates, instead of being drawn from all. sigma: 1.4826 MAD of the runs; needed: max(5 %,
 * 5 sigma); shift: how much slower the second recording is. Of practice, power is the least of any benchmark.
 * INVALID when there are too few runs (RESAMPLE_LEAST of a benchmark, 18 of the slower), or the recordings do not match. */
enum status resample(const json_t *document, const json_t *slow,
                     const struct resample_options *options, json_t **result, struct error *err);
