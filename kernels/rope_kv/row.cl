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
#include "kernels/common.clh"
#include "kernels/rope_kv/pool.clh"

#define HEAD_UNITS (D / 2 / VW)

/* The (cos, sin) of VW pairs, apart. */
#if VW == 1
#define EVEN(a, b) (a)
#define ODD(a, b) (b)
#else
#define EVEN(a, b) ((VEC(float))((a).even, (b).even))
#define ODD(a, b) ((VEC(float))((a).odd, (b).odd))
#endif

/* VW components of a head into the pool: `at` the first, `stride` from one to the next. */
static inline void SYM(pool_write)(__global KV_T *at, int stride, VEC(float) v) {
    float x[VW];
    VSTORE(v, x);
    for (int i = 0; i < VW; i++) at[i * stride] = KV_OF(x[i]);
}

static inline void SYM(rope_kv_tile)(__global float *QKV, __global KV_T *Kpool, __global KV_T *Vpool,
                                     __global const int4 *rows, __global const float *rotary, int tile,
                                     int lane) {
    const int n = tile / PARTS, part = tile % PARTS;
    const int4 row = rows[n];
    const int block = ROW_SLOT(row) / BLOCK, place = ROW_SLOT(row) % BLOCK;
    __global const float *turn = rotary + (ulong)ROW_POSITION(row) * D;
    for (int unit = part * WG + lane; unit < (HEADS + 2 * KVH) * HEAD_UNITS; unit += PARTS * WG) {
        const int head = unit / HEAD_UNITS, i = unit % HEAD_UNITS * VW;
        __global float *x = QKV + (ulong)n * QKV_ROW + head * D + i;
        VEC(float) a = VLOAD(x), b = VLOAD(x + D / 2);
        if (head >= HEADS + KVH) {
            __global KV_T *v = Vpool + HEAD_AT(block, head - HEADS - KVH) + place * D + i;
            SYM(pool_write)(v, 1, a);
            SYM(pool_write)(v + D / 2, 1, b);
            continue;
        }
        const VEC(float) first = VLOAD(turn + 2 * i), second = VLOAD(turn + 2 * i + VW);
        const VEC(float) c = EVEN(first, second), s = ODD(first, second);
        const VEC(float) low = TURN_LOW(a, b, c, s), high = TURN_HIGH(a, b, c, s);
        VSTORE(low, x);
        VSTORE(high, x + D / 2);
        if (head < HEADS) continue;
        __global KV_T *k = Kpool + HEAD_AT(block, head - HEADS) + i * BLOCK + place;
        SYM(pool_write)(k, BLOCK, low);
        SYM(pool_write)(k + D / 2 * BLOCK, BLOCK, high);
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

#undef HEAD_UNITS
#undef EVEN
#undef ODD
#undef WG
#undef VW
#undef PARTS
