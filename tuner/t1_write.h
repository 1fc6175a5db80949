/* t1_write.h: the space of a kernel as T1, the input format of Kernel Tuner, KTT and the benchmarks beside them
 * (TuningSchema). */
#pragma once
#include "kernels/kernel.h"
#include <jansson.h>

/* Parameters of the variant on this problem, before them the layout where it takes several, and its constraints. A
 * constraint whose text is an expression that says what the C function says, for all values, stands as that; any
 * other as the list of the values that it allows: "(TM, TN) in [(1, 2), …]". One that allows all is left out. Work
 * sizes are those of the default configuration, because geometry is C as well: the member Note says it. The
 * caller's reference; NULL when the variant does not do the problem in any layout. */
json_t *t1_space(const struct problem *problem, const struct variant *variant);
