/* part: silu(gate) · up. A row is cut into parts of WG · PER units, a unit is a vector (o=f32) or a
 * group that shares a scale (o=i8); lanes take units side by side. Work: tile = row · parts + part. */
#ifndef WG
#define WG 1 // lanes
#endif
#ifndef VW
#define VW 4 // values in a vector
#endif
#ifndef PER
#define PER 1 // units a lane
#endif
#ifndef EXP
#define EXP 0 // exponential: 0 built-in, 1 polynomial
#endif
#ifndef O
#define O 0 // output: 0 f32, 1 class-i8 blocks
#endif
#ifndef G
#define G 32 // values that share a scale
#endif
#include "kernels/common.clh"
#include "kernels/quant_act/expf.clh"
#if O == 1
#include "kernels/quant_act/reduce.clh"
#include "kernels/quant_act/block.clh"
#define UNIT G
#else
#define UNIT VW
#endif
#define PARTS(K) (((K) + WG * PER * UNIT - 1) / (WG * PER * UNIT))

static inline VEC(float) SYM(swiglu)(VEC(float) gate, VEC(float) up) {
    return gate / (1.0f + SYM(exp_vector)(-gate)) * up;
}

static inline void SYM(swiglu_tile)(__global const float *GU, __global char *Y, int K, int tile,
                                    int lane) {
    const int row = tile / PARTS(K), part = tile % PARTS(K);
    __global const float *gate = GU + (ulong)row * 2 * K, *up = gate + K;
    for (int j = 0; j < PER; j++) {
        const int unit = (part * PER + j) * WG + lane, at = unit * UNIT;
        if (at >= K) return;
#if O == 1
        VEC(float) v[G / VW];
        _Pragma("unroll") for (int i = 0; i < G / VW; i++)
            v[i] = SYM(swiglu)(VLOAD(gate + at + i * VW), VLOAD(up + at + i * VW));
        SYM(block_write)(Y + row * BLOCK_ROW_BYTES(K), K, unit, v);
#else
        __global float *y = (__global float *)Y + (ulong)row * K;
        if (at + VW <= K) {
            VSTORE(SYM(swiglu)(VLOAD(gate + at), VLOAD(up + at)), y + at);
        } else {
            for (int i = at; i < K; i++) y[i] = gate[i] / (1.0f + exp(-gate[i])) * up[i];
        }
#endif
    }
}

__kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void SYM(swiglu_part)(OPERAND(const float, GU), OPERAND(char, Y), OPERAND(float, scratch), int K,
                      int N) {
    VIEW(const float, GU);
    VIEW(char, Y);
    SYM(swiglu_tile)(GU, Y, K, get_group_id(0), get_local_id(0));
}

#undef BLOCK_ROW_BYTES
#undef UNIT
#undef PARTS
#undef WG
#undef VW
#undef PER
#undef EXP
