/* rope_kv.h: fields and variants of the family. */
#pragma once
#include "kernels/quant_act/rows.h"
#include "kernels/rope_kv/pool.h"

enum { F_HEADS, F_KVH, F_D, F_N, F_KV, F_SLOTS };

extern const struct variant rope_kv_row;
