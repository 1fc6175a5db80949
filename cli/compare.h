/* compare.h: what bench shares with compare. */
#pragma once
#include "cli/problems.h"

/* hone bench --aa: record runs of one program, and say how often its gate would raise a false alarm here.
 * runs: of a benchmark; save: a file for them, or NULL. */
enum status compare_alarms(const struct common_options *common, struct problem_options *problems,
                           const char *profile, int runs, const char *save, struct error *err);
