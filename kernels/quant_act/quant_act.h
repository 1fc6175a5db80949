/* quant_act.h: fields and variants of the family. */
#pragma once
#include "kernels/quant_act/rows.h"

enum { F_K, F_N, F_G };

struct rows quant_act_rows(const struct problem *problem);
extern const struct variant quant_act_group;
