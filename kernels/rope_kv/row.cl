/* row: rotation of Q and K, K and V into the pool. A unit is a pair of vectors of a head, components
 * i … i + VW and i + D/2 …, of Q, K or V; lanes take units side by side. Work: tile = row · PARTS + part. */
#ifndef WG
#define WG 1 // lanes
#endif
#ifndef VW
#define VW 4 // components in a vector
#endif
#ifndef PARTS
#define PARTS 1 // work-groups a row
#endif
#ifndef HALF
#define HALF 0 // floats to halves: 0 integer arithmetic, 2 vcvtps2ph
#endif
#include "kernels/common.clh"
#include "kernels/rope_kv/pool.clh"

static inline void SYM(rope_kv_tile)(__global float *QKV, __global KV_T *Kpool, __global KV_T *Vpool,
                                     __global const int4 *rows, __global const float *rotary, int tile,
                                     int lane) {
    const int n = tile / PARTS, part = tile % PARTS;
    const int4 row = rows[n];
    const int block = ROW_SLOT(row) / BLOCK, place = ROW_SLOT(row) % BLOCK;
    __global const float *turn = rotary + (ulong)ROW_POSITION(row) * D;
    for (int unit = part * WG + lane; unit < (HEADS + 2 * KVH) * PAIRS; unit += PARTS * WG) {
        const int head = unit / PAIRS, i = unit % PAIRS * VW;
        __global float *x = QKV + (ulong)n * QKV_ROW + head * D;
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

__kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void SYM(rope_kv_row)(OPERAND(float, QKV), OPERAND(KV_T, Kpool), OPERAND(KV_T, Vpool),
                      OPERAND(const int4, rows), OPERAND(const float, rotary), OPERAND(float, scratch),
                      int N) {
    VIEW(float, QKV);
    VIEW(KV_T, Kpool);
    VIEW(KV_T, Vpool);
    VIEW(const int4, rows);
    VIEW(const float, rotary);
    SYM(rope_kv_tile)(QKV, Kpool, Vpool, rows, rotary, get_group_id(0), get_local_id(0));
}

#undef WG
#undef VW
#undef PARTS
#undef HALF
