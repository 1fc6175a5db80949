/* row: rotation of Q and K, K and V into the pool. A unit is a pair of vectors of a head, components
 * i … i + VW and i + D/2 …, of Q, K or V; lanes take units side by side. Rows whose slots are a run of RUN places
 * write their K together, for K lies across the places of a block: two bytes a row in a line of its own.
 * Work: tile = TR rows · PARTS + part. */
#ifndef WG
#define WG 1 // lanes
#endif
#ifndef VW
#define VW 4 // components in a vector
#endif
#ifndef PARTS
#define PARTS 1 // work-groups a row, or TR rows
#endif
#ifndef TR
#define TR 1 // rows a work-group
#endif
#ifndef PF
#define PF 0 // heads to prefetch ahead
#endif
#ifndef HALF
#define HALF 0 // floats to halves: 0 integer arithmetic, 2 vcvtps2ph
#endif
#include "kernels/common.clh"
#include "kernels/whole.clh"
#include "kernels/rope_kv/pool.clh"

/* The unit PF heads behind that at x. */
static inline __attribute__((always_inline)) void SYM(rope_prefetch)(__global const float *x) {
#if PF > 0
    __builtin_prefetch(x + PF * D);
    __builtin_prefetch(x + PF * D + D / 2);
#endif
}

/* Units begin … end of row n. */
static inline void SYM(rope_units)(__global float *QKV, __global KV_T *Kpool, __global KV_T *Vpool,
                                   __global const int4 *rows, __global const float *rotary, int n,
                                   int begin, int end) {
    const int4 row = rows[n];
    const int block = ROW_SLOT(row) / BLOCK, place = ROW_SLOT(row) % BLOCK;
    __global const float *turn = rotary + (ulong)ROW_POSITION(row) * D;
    for (int unit = begin; unit < end; unit += PARTS * WG) {
        const int head = unit / PAIRS, i = unit % PAIRS * VW;
        __global float *x = QKV + (ulong)n * QKV_ROW + head * D;
        SYM(rope_prefetch)(x + i);
        struct SYM(pair) pair = SYM(pair_load)(x, i);
        if (head >= HEADS + KVH) {
            SYM(value_write)(Vpool + HEAD_AT(block, head - HEADS - KVH), place, i, KV_OF(pair.low),
                             KV_OF(pair.high));
            continue;
        }
        pair = SYM(pair_turn)(pair, turn, i);
        VPUT_GLOBAL(pair.low, x + i);
        VPUT_GLOBAL(pair.high, x + i + D / 2);
        if (head >= HEADS)
            SYM(key_write)(Kpool + HEAD_AT(block, head - HEADS), place, i, KV_OF(pair.low),
                           KV_OF(pair.high));
    }
}

#if TR > 1
#define RUN 8 // ORDER run: row.c

/* Do rows n … n + RUN have slots that follow one another, from a multiple of RUN on? */
static inline bool SYM(is_run)(__global const int4 *rows, int n) {
    const int slot = ROW_SLOT(rows[n]);
    int differs = slot % RUN;
    _Pragma("unroll") for (int r = 1; r < RUN; r++) differs |= ROW_SLOT(rows[n + r]) ^ (slot + r);
    return differs == 0;
}

/* VW components of K of RUN rows, to places of their block that follow one another. */
static inline __attribute__((always_inline)) void SYM(keys_write)(__global KV_T *at,
                                                                 const VEC(ushort) *k) {
    ulong first[VW], second[VW];
    VEC(uint) two[RUN / 2];
    _Pragma("unroll") for (int r = 0; r < RUN / 2; r++)
        two[r] = CONVERT(uint, k[2 * r]) | CONVERT(uint, k[2 * r + 1]) << 16u;
    VSTORE(CONVERT(ulong, two[0]) | CONVERT(ulong, two[1]) << 32u, first);
    VSTORE(CONVERT(ulong, two[2]) | CONVERT(ulong, two[3]) << 32u, second);
    _Pragma("unroll") for (int j = 0; j < VW; j++)
        vstore2((ulong2)(first[j], second[j]), 0, (__global ulong *)(at + j * BLOCK));
}

/* Units begin … end, all of K, of rows n … n + RUN. Of QKV all is loaded before the first store: rows often lie
 * a multiple of 4 KiB apart, where processors take a load for one of what was just stored. */
static inline void SYM(rope_keys)(__global float *QKV, __global KV_T *Kpool, __global const int4 *rows,
                                  __global const float *rotary, int n, int begin, int end) {
    const int block = ROW_SLOT(rows[n]) / BLOCK, place = ROW_SLOT(rows[n]) % BLOCK;
    for (int unit = begin; unit < end; unit += PARTS * WG) {
        const int head = unit / PAIRS, i = unit % PAIRS * VW;
        __global float *x = QKV + (ulong)n * QKV_ROW + head * D + i;
        struct SYM(pair) pair[RUN];
        VEC(ushort) low[RUN], high[RUN];
        _Pragma("unroll") for (int r = 0; r < RUN; r++) {
            SYM(rope_prefetch)(x + r * QKV_ROW);
            pair[r] = SYM(pair_load)(x + r * QKV_ROW, 0);
        }
        _Pragma("unroll") for (int r = 0; r < RUN; r++) {
            pair[r] = SYM(pair_turn)(pair[r], rotary + (ulong)ROW_POSITION(rows[n + r]) * D, i);
            VPUT_GLOBAL(pair[r].low, x + r * QKV_ROW);
            VPUT_GLOBAL(pair[r].high, x + r * QKV_ROW + D / 2);
            low[r] = KV_OF(pair[r].low);
            high[r] = KV_OF(pair[r].high);
        }
        __global KV_T *at = Kpool + HEAD_AT(block, head - HEADS) + i * BLOCK + place;
        SYM(keys_write)(at, low);
        SYM(keys_write)(at + D / 2 * BLOCK, high);
    }
}
#endif

#define UNITS_Q (HEADS * PAIRS)
#define UNITS_KV (KVH * PAIRS)

static inline void SYM(rope_kv_tile)(__global float *QKV, __global KV_T *Kpool, __global KV_T *Vpool,
                                     __global const int4 *rows, __global const float *rotary, int N,
                                     int tile, int lane) {
    const int own = tile % PARTS * WG + lane;
    const int end = min(tile / PARTS * TR + TR, N);
    for (int n = tile / PARTS * TR; n < end;) {
#if TR > 1
        if (n + RUN <= end && SYM(is_run)(rows, n)) {
            for (int r = 0; r < RUN; r++) {
                SYM(rope_units)(QKV, Kpool, Vpool, rows, rotary, n + r, own, UNITS_Q);
                SYM(rope_units)(QKV, Kpool, Vpool, rows, rotary, n + r, UNITS_Q + UNITS_KV + own,
                                UNITS_Q + 2 * UNITS_KV);
            }
            SYM(rope_keys)(QKV, Kpool, rows, rotary, n, UNITS_Q + own, UNITS_Q + UNITS_KV);
            n += RUN;
            continue;
        }
#endif
        SYM(rope_units)(QKV, Kpool, Vpool, rows, rotary, n, own, UNITS_Q + 2 * UNITS_KV);
        n++;
    }
}

__kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void SYM(rope_kv_row)(OPERAND(float, QKV), OPERAND(KV_T, Kpool), OPERAND(KV_T, Vpool),
                      OPERAND(const int4, rows), OPERAND(const float, rotary), OPERAND(float, scratch),
                      int N) {
    VIEW(float, QKV);
    VIEW(KV_T, Kpool);
    VIEW(KV_T, Vpool);
    VIEW(const int4, rows);
    VIEW(const float, rotary);
    SYM(rope_kv_tile)(QKV, Kpool, Vpool, rows, rotary, N, get_group_id(0), get_local_id(0));
}

#undef UNITS_Q
#undef UNITS_KV
#undef RUN
#undef WG
#undef VW
#undef PARTS
#undef TR
#undef PF
#undef HALF
