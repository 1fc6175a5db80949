/* pool.h: the KV pool and the rotation as fill and judge see them, for rope_kv and attention. Layout of
 * the pool: kernels/README.md; pool.clh says the same for kernels. */
#pragma once
#include "kernels/check.h"

enum { POOL_BLOCK = 32 };  /* slots of a block. ORDER block: kernels/README.md */
enum { HEAD_MOST = 1024 }; /* components of a head */

struct pool {
    int64_t kvh, d;
    bool is_f32; /* else f16 */
};

/* Bytes of K, or of V. */
size_t pool_bytes(struct pool pool, int64_t n_blocks);
/* Index of an element in K, in V. */
size_t pool_key_at(struct pool pool, int64_t slot, int64_t head, int64_t component);
size_t pool_value_at(struct pool pool, int64_t slot, int64_t head, int64_t component);
double pool_get(struct pool pool, const void *memory, size_t at);
void pool_set(struct pool pool, void *memory, size_t at, float value); /* f16: rounded */
/* What must never count: NaN, the largest number and −infinity in turn, through K or V. */
void pool_poison(struct pool pool, void *memory, int64_t n_blocks);

/* y = x turned by its position's part of the rotary table, [d/2][2] (cos, sin); magnitude (NULL: not
 * wanted) of a component: the sum of its two absolute products. */
void rotate(const float *x, const float *rotary, int64_t d, double *y, double *magnitude);
/* Random angles, so that only the right entry of the table gives the right result. */
void rotary_fill(float *rotary, int64_t positions, int64_t d, uint64_t seed);

/* A row whose K and V belong in a slot. */
struct pool_row {
    int64_t row, slot;
    const float *k, *v;  /* [kvh][d], K as it is before the rotation */
    const float *rotary; /* [d/2][2] of its position */
};
/* K in the slot is the rotated K within the gate, and half a step more where the pool rounds; V is V. */
void pool_judge_row(struct pool pool, const struct pool_row *row, const void *keys,
                    const void *values, struct verdict *verdict);
/* Slots that no row owns (is_own[slot]) are as they were. `memory` after, `before` of K, or of V. */
void pool_judge_rest(struct pool pool, int64_t n_blocks, const bool *is_own, const void *memory,
                     const void *before, bool is_keys, struct verdict *verdict);
