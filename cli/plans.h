/* plans.h: what tuning a model ends with: is fusing worth it here? */
#pragma once
#include "cli/cli.h"

/* Decode with everything fused and, side by side, with one thing after the other not fused, on tuned
 * kernels; keep the fastest as the plan of this model, class and device. *result: {"plan", "token_ns",
 * "fused_ns"} (a token of the answer on that plan and, in the same trial, all fused), the caller's reference;
 * NULL with OK when end_ns (on the monotonic clock) came before anything had won. INTERRUPTED between two
 * measurements. */
enum status plans_measure(const struct common_options *common, const struct engine_choice *choice,
                          int64_t end_ns, json_t **result, struct error *err);
