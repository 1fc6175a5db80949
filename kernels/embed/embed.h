/* embed.h: fields and variants of the family. */
#pragma once
#include "kernels/quant_act/rows.h"

enum { F_M, F_K, F_N, F_W };

struct weight embed_weight(const struct problem *problem);
extern const struct variant embed_row;
