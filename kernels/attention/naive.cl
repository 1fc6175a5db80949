/* naive: a lane a row and head. Its query, its sums and the scores of a block are private; the running
 * softmax is rescaled at every block. Work: tile = WG pairs (row, head). */
#ifndef WG
#define WG 1 // lanes
#endif
#ifndef VW
#define VW 4 // places of a block, components of V, in a vector
#endif
#ifndef HALF
#define HALF 0 // halves to floats: 0 integer arithmetic, 1 vload_half, 2 vcvtph2ps
#endif
#ifndef EXP
#define EXP 0 // exponential: 0 built-in, 1 polynomial
#endif
#include "kernels/common.clh"
#include "kernels/whole.clh"
#include "kernels/quant_act/expf.clh"
#include "kernels/quant_act/reduce.clh"
#include "kernels/rope_kv/pool.clh"
#include "kernels/attention/attend.clh"

#define VECTORS (BLOCK / VW) /* of places */
#define COLUMNS (D / VW)     /* vectors of components */

/* A running softmax: o = Σ exp(s − most)·v, sum = Σ exp(s − most). */
struct SYM(running) {
    float most, sum;
    VEC(float) o[COLUMNS];
};

/* Before any slot of the pool: nothing, or the row's own key and value. x: the row of QKV. */
INLINE void SYM(start)(struct SYM(running) *r, const float *q, __global const float *x,
                       __global KV_T *Kpool, __global KV_T *Vpool, int4 row, int kv_head,
                       bool writes TURNS) {
    r->most = NOTHING;
    r->sum = 0;
    _Pragma("unroll") for (int j = 0; j < COLUMNS; j++) r->o[j] = (VEC(float))(0);
#if ROPE
    VEC(float) s = (VEC(float))(0);
    float v[D];
    for (int i = 0; i < D / 2; i += VW) {
        const struct SYM(own) own = SYM(own_load)(x, kv_head, i, turn);
        s = fma(VLOAD(q + i), FLOATS_OF(own.key_low), s);
        s = fma(VLOAD(q + i + D / 2), FLOATS_OF(own.key_high), s);
        VSTORE(FLOATS_OF(own.value_low), v + i);
        VSTORE(FLOATS_OF(own.value_high), v + i + D / 2);
        if (writes) SYM(own_write)(Kpool, Vpool, ROW_SLOT(row), kv_head, i, own);
    }
    r->most = SYM(vector_sum)(s);
    r->sum = 1;
    _Pragma("unroll") for (int j = 0; j < COLUMNS; j++) r->o[j] = VLOAD(v + j * VW);
#endif
}

/* One block of K and V. */
INLINE void SYM(add_block)(struct SYM(running) *r, const float *q, __global const KV_T *K,
                           __global const KV_T *V, __global const int *stored, uint below) {
    VEC(float) s[VECTORS];
    float p[BLOCK];
    _Pragma("unroll") for (int j = 0; j < VECTORS; j++) s[j] = (VEC(float))(0);
    for (int i = 0; i < D; i++)
        _Pragma("unroll") for (int j = 0; j < VECTORS; j++)
            s[j] = fma((VEC(float))(q[i]), SYM(kv_load)(K + i * BLOCK + j * VW), s[j]);
    VEC(float) most = (VEC(float))(r->most), sum = (VEC(float))(0);
    _Pragma("unroll") for (int j = 0; j < VECTORS; j++) {
        s[j] = SYM(masked)(s[j], AS(uint, VLOAD(stored + j * VW)), below);
        most = fmax(most, s[j]);
    }
    const float now = SYM(vector_max)(most);
    const VEC(float) rescale = SYM(exp_vector)((VEC(float))(r->most - now));
    _Pragma("unroll") for (int j = 0; j < VECTORS; j++) {
        s[j] = SYM(exp_vector)(s[j] - now);
        sum += s[j];
        VSTORE(s[j], p + j * VW);
    }
    float factor[VW];
    VSTORE(rescale, factor);
    r->most = now;
    r->sum = fma(r->sum, factor[0], SYM(vector_sum)(sum));
    VEC(float) o[COLUMNS]; /* a sum of its own: one of thousands of terms in a row loses digits */
    _Pragma("unroll") for (int j = 0; j < COLUMNS; j++) o[j] = (VEC(float))(0);
    for (int i = 0; i < BLOCK; i++) {
        if (p[i] == 0) continue; /* what the row does not see may be NaN */
        _Pragma("unroll") for (int j = 0; j < COLUMNS; j++)
            o[j] = fma((VEC(float))(p[i]), SYM(kv_load)(V + i * D + j * VW), o[j]);
    }
    _Pragma("unroll") for (int j = 0; j < COLUMNS; j++) r->o[j] = fma(r->o[j], rescale, o[j]);
}

/* Row n, one head. */
INLINE void SYM(naive_item)(__global const float *QKV, __global KV_T *Kpool, __global KV_T *Vpool,
                            __global const int *table, __global const int4 *rows,
                            __global const int *stored, __global const float *rotary,
                            __global float *O, int N, int n, int head) {
    const int4 row = rows[n];
    __global const float *x = QKV + (ulong)n * QKV_ROW;
    float q[D];
    struct SYM(running) r;
    for (int i = 0; i < D / 2; i += VW) {
        const struct SYM(pair) pair = SYM(query)(x + head * D, i TURN_OF(row));
        VSTORE(pair.low, q + i);
        VSTORE(pair.high, q + i + D / 2);
    }
    SYM(start)(&r, q, x, Kpool, Vpool, row, head / GROUP_HEADS,
               N == 1 && head % GROUP_HEADS == 0 TURN_OF(row));
    for (int b = 0; b < ROW_BLOCKS(row); b++) {
        const int block = table[ROW_TABLE(row) + b];
        const ulong at = HEAD_AT(block, head / GROUP_HEADS);
        SYM(add_block)(&r, q, Kpool + at, Vpool + at, stored + (ulong)block * BLOCK,
                       SEES_BELOW(row));
    }
    __global float *o = O + ((ulong)n * HEADS + head) * D;
    const float whole = r.sum > 0 ? 1.0f / r.sum : 0.0f;
    for (int j = 0; j < COLUMNS; j++) VSTORE(r.o[j] * whole, o + j * VW);
}

INLINE void SYM(naive_tile)(__global const float *QKV, __global KV_T *Kpool, __global KV_T *Vpool,
                            __global const int *table, __global const int4 *rows,
                            __global const int *stored, __global const float *rotary,
                            __global float *O, int N, int tile, int lane) {
    const int item = tile * WG + lane;
    if (item < N * HEADS)
        SYM(naive_item)(QKV, Kpool, Vpool, table, rows, stored, rotary, O, N, item / HEADS,
                        item % HEADS);
}

__kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void SYM(attention_naive)(OPERAND(const float, QKV), OPERAND(KV_T, Kpool), OPERAND(KV_T, Vpool),
                          OPERAND(const int, table), OPERAND(const int4, rows),
                          OPERAND(const int, stored), OPERAND(const float, rotary), OPERAND(float, O),
                          OPERAND(float, scratch), int N) {
    VIEW(const float, QKV);
    VIEW(KV_T, Kpool);
    VIEW(KV_T, Vpool);
    VIEW(const int, table);
    VIEW(const int4, rows);
    VIEW(const int, stored);
    VIEW(const float, rotary);
    VIEW(float, O);
    SYM(naive_tile)(QKV, Kpool, Vpool, table, rows, stored, rotary, O, N, get_group_id(0),
                    get_local_id(0));
}

#undef VECTORS
#undef COLUMNS
#undef WG
#undef VW
#undef HALF
#undef EXP
