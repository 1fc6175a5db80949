/* attention.h: fields of the family, the batch that a problem stands for, what variants share. */
#pragma once
#include "kernels/quant_act/rows.h"
#include "kernels/rope_kv/pool.h"

enum { F_HEADS, F_KVH, F_D, F_N, F_L, F_KV, F_ROPE };

/* Values of a parameter: how halves of the pool become floats. */
#define HALF_VALUES                                                                                \
    VALUES({0, "integer", FEATURE_NONE}, {1, "load", FEATURE_NONE}, {2, "x86", FEATURE_x86_avx512})
#define EXP_VALUES VALUES({0, "built-in", FEATURE_NONE}, {1, "polynomial", FEATURE_NONE})
#define VECTOR_VALUES VALUES(V(1), V(2), V(4), V(8), V(16))

/* Vectors lie along the 32 places of a block, and along either half of the components of a head (what the
 * rotation turns together). */
bool attention_vector_fits(int vw, const struct problem *problem);
int attention_widest_vector(const struct problem *problem);
/* HALF is for pools of f16, HALF=x86 for 16 of them at once. */
bool attention_half_applies(int half, int vw, const struct problem *problem);
bool attention_accepts(const struct problem *problem);
/* The stage that writes K and V of several rows (rope=1); a single row writes its own. */
bool attention_writes_first(const struct problem *problem);
struct stage attention_write_stage(const struct problem *problem);

/* ---- the batch of a problem ---- */

/* A problem with n rows at KV length l stands for this batch (check, tune):
 *
 *     n = 1   a decode row at the end of a sequence of length l
 *     n ≥ 2   first a decode row of a sequence with many holes, out of order within its blocks; then
 *             sequences of length l whose last min(l, what is left) positions are rows;
 *     n ≥ 3   last a decode row of a sequence shorter than a block */
struct part {
    int64_t length;         /* positions 0 … length − 1, some of them forgotten */
    int64_t rows, position; /* of its first row; the others follow */
    int64_t table, blocks;  /* offset in the table, blocks with something in them */
    enum { PART_DENSE, PART_HOLEY, PART_SHORT } kind;
};
int64_t attention_parts(const struct problem *problem);
struct part attention_part(const struct problem *problem, int64_t number);
/* Has the position been forgotten? */
bool attention_is_hole(const struct part *part, int64_t position);
int64_t attention_table_size(const struct problem *problem);
int64_t attention_blocks(const struct problem *problem); /* of the pool */

extern const struct variant attention_flash, attention_naive, attention_split;
