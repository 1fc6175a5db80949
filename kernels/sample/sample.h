/* sample.h: fields and variants of the family. */
#pragma once
#include "kernels/quant_act/rows.h"

enum { F_M, F_N };

extern const struct variant sample_argmax;
