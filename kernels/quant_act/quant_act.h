/* quant_act.h: fields and variants of the family. */
#pragma once
#include "kernels/quant_act/rows.h"

enum { F_K, F_N, F_G };

/* The rows that a problem writes: i8 blocks of width k in groups of g. */
struct rows quant_act_rows(const struct problem *problem);
extern const struct variant quant_act_group;
