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
#if O == 1
#include "kernels/quant_act/reduce.clh"
#include "kernels/quant_act/block.clh"
#define UNIT (BUNDLE * G)
#else
#define UNIT VW
#endif
#define PARTS(K) (((K) + WG * PER * UNIT - 1) / (WG * PER * UNIT))

/* The exponential is that of expf.clh, less what 1 + e does not see: the polynomial is of degree 5 (1 + r
 * given, the rest minimax, within 1.1e-7), and there is no 0 at the end. (Not in expf.clh, which is a part
 * of attention's keys.) Gates are clamped to where 1 + e is below 2¹²⁶, beyond which some GPUs divide to 0. */
#define EXP_SHIFT (0x1.8p23f + 127)
static inline VEC(float) SYM(swiglu)(VEC(float) gate, VEC(float) up) {
#if EXP == 1
    const VEC(float) least = (VEC(float))(-86.0f), most = (VEC(float))(86.0f);
    const VEC(float) one = (VEC(float))(1.0f);
    const VEC(float) raised = gate < least ? least : gate, clamped = raised > most ? most : raised;
    const VEC(float) shifted = fma(clamped, (VEC(float))(-1.44269504f), (VEC(float))(EXP_SHIFT));
    const VEC(float) n = shifted - EXP_SHIFT;
    VEC(float) r = fma(n, (VEC(float))(-0.693359375f), -clamped);
    r = fma(n, (VEC(float))(2.12194440e-4f), r);
    VEC(float) p = fma(r, (VEC(float))(8.312500815e-3f), (VEC(float))(4.189033142e-2f));
    p = fma(p, r, (VEC(float))(1.666711539e-1f));
    p = fma(p, r, (VEC(float))(4.999923031e-1f));
    p = fma(p, r, one);
    p = fma(p, r, one);
    return gate / fma(p, AS(float, AS(int, shifted) << 23), one) * up;
#else
    return gate / (1.0f + exp(-gate)) * up;
#endif
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
    SYM(bundle_write)(y, K, group, n, v, SYM(bundle_scales)(v, n));
}
#endif

static inline void SYM(swiglu_tile)(__global const float *GU, __global char *Y, int K, int tile,
                                    int lane) {
    const int row = tile / PARTS(K), part = tile % PARTS(K);
    __global const float *gate = GU + (ulong)row * 2 * K, *up = gate + K;
    const int first = part * PER * WG + lane;
#define UNIT_AT(j) ((first + (j) * WG) * UNIT)
#if O == 1
    __global char *y = Y + row * BLOCK_ROW_BYTES(K);
    for (int j = 0; j < PER && UNIT_AT(j) < K; j++) {
        const int group = UNIT_AT(j) / G, n = BUNDLE_GROUPS(K, group);
        if (n == BUNDLE) SYM(swiglu_bundle)(gate, up, y, K, group, BUNDLE);
        else SYM(swiglu_bundle)(gate, up, y, K, group, n);
    }
#else
    __global float *y = (__global float *)Y + (ulong)row * K;
    int j = 0;
    for (; j < PER && UNIT_AT(j) + VW <= K; j++) {
        const int at = UNIT_AT(j);
        VPUT_GLOBAL(SYM(swiglu)(VGET_GLOBAL(gate + at), VGET_GLOBAL(up + at)), y + at);
    }
    /* Not in the loop, whose registers its constants would take. */
    if (j < PER)
        for (int i = UNIT_AT(j); i < K; i++) y[i] = gate[i] / (1.0f + exp(-gate[i])) * up[i];
#endif
#undef UNIT_AT
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
#undef EXP_SHIFT
#undef SIDE
