/* part: silu(gate) · up. A row is cut into parts of WG · PER units, a unit is a vector (o=f32) or a
 * bundle of groups that share a scale each (o=i8); lanes take units side by side. Work: tile = row · parts + part. */
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
#ifndef SIDE
#define SIDE 0 // o=i8: 1: a bundle is VW groups, folded side by side; 0: one group
#endif
#ifndef O
#define O 0 // output: 0 f32, 1 class-i8 blocks
#endif
#ifndef G
#define G 32 // values that share a scale
#endif
#include "kernels/common.clh"
#include "kernels/whole.clh"
#include "kernels/quant_act/expf.clh"
#if O == 1
#include "kernels/quant_act/reduce.clh"
#include "kernels/quant_act/block.clh"
#define UNIT (BUNDLE * G)
#else
#define UNIT VW
#endif
#define PARTS(K) (((K) + WG * PER * UNIT - 1) / (WG * PER * UNIT))

static inline VEC(float) SYM(swiglu)(VEC(float) gate, VEC(float) up) {
    return gate / (1.0f + SYM(exp_vector)(-gate)) * up;
}

#if O == 1
/* n groups of the output from number `group` on. */
static inline __attribute__((always_inline)) void
SYM(swiglu_bundle)(__global const float *gate, __global const float *up, __global char *y, int K,
                   int group, int n) {
    VEC(float) v[BUNDLE * GROUP_VECTORS];
    for (int g = 0; g < n; g++)
        _Pragma("unroll") for (int i = 0; i < GROUP_VECTORS; i++) {
            const int at = (group + g) * G + i * VW;
            v[g * GROUP_VECTORS + i] = SYM(swiglu)(VGET_GLOBAL(gate + at), VGET_GLOBAL(up + at));
        }
    SYM(bundle_write)(y, K, group, n, v);
}
#endif

static inline void SYM(swiglu_tile)(__global const float *GU, __global char *Y, int K, int tile,
                                    int lane) {
    const int row = tile / PARTS(K), part = tile % PARTS(K);
    __global const float *gate = GU + (ulong)row * 2 * K, *up = gate + K;
    for (int j = 0; j < PER; j++) {
        const int unit = (part * PER + j) * WG + lane, at = unit * UNIT;
        if (at >= K) return;
#if O == 1
        const int n = BUNDLE_GROUPS(K, unit * BUNDLE);
        __global char *y = Y + row * BLOCK_ROW_BYTES(K);
        if (n == BUNDLE) SYM(swiglu_bundle)(gate, up, y, K, unit * BUNDLE, BUNDLE);
        else SYM(swiglu_bundle)(gate, up, y, K, unit * BUNDLE, n);
#else
        __global float *y = (__global float *)Y + (ulong)row * K;
        if (at + VW <= K) {
            VPUT_GLOBAL(SYM(swiglu)(VGET_GLOBAL(gate + at), VGET_GLOBAL(up + at)), y + at);
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
#undef GROUP_VECTORS
#undef BUNDLE
#undef ROW_BUNDLES
#undef BUNDLE_GROUPS
#undef UNIT
#undef PARTS
#undef WG
#undef VW
#undef PER
#undef EXP
#undef SIDE
