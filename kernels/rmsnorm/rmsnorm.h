/* rmsnorm.h: fields and variants of the family. */
#pragma once
#include "kernels/quant_act/rows.h"

enum { F_K, F_N, F_R, F_O, F_G, F_EPS };

/* The rows that a problem writes: format o, width k, groups of g where they are i8 blocks. */
struct rows rmsnorm_rows(const struct problem *problem);
extern const struct variant rmsnorm_row;
