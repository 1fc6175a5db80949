/* group: class-i8 blocks of X, a lane a bundle of groups. Bundles are numbered through all rows, so that one
 * row alone still spreads over the device. Work: tile = WG · PER bundles, lanes side by side. */
#ifndef WG
#define WG 1 // lanes
#endif
#ifndef VW
#define VW 4 // values in a vector
#endif
#ifndef PER
#define PER 1 // bundles of groups a lane
#endif
#ifndef SIDE
#define SIDE 0 // 1: a bundle is VW groups, folded side by side; 0: one group
#endif
#ifndef G
#define G 32 // values that share a scale
#endif
#include "kernels/common.clh"
#include "kernels/quant_act/reduce.clh"
#include "kernels/quant_act/block.clh"

static inline void SYM(quant_act_tile)(__global const float *X, __global char *Y, int K, int N, int tile,
                                       int lane) {
    for (int j = 0; j < PER; j++) {
        const int number = (tile * PER + j) * WG + lane;
        if (number >= ROW_BUNDLES(K) * N) return;
        const int row = number / ROW_BUNDLES(K), group = number % ROW_BUNDLES(K) * BUNDLE;
        __global const float *x = X + (ulong)row * K + group * G;
        VEC(float) v[BUNDLE][GROUP_VECTORS];
        for (int g = 0; g < BUNDLE_GROUPS(K, group); g++)
            _Pragma("unroll") for (int i = 0; i < GROUP_VECTORS; i++)
                v[g][i] = VLOAD(x + g * G + i * VW);
        SYM(bundle_write)(Y + row * BLOCK_ROW_BYTES(K), K, group, v);
    }
}

__kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void SYM(quant_act_group)(OPERAND(const float, X), OPERAND(char, Y), OPERAND(float, scratch), int K,
                          int N) {
    VIEW(const float, X);
    VIEW(char, Y);
    SYM(quant_act_tile)(X, Y, K, N, get_group_id(0), get_local_id(0));
}

#undef BLOCK_ROW_BYTES
#undef GROUP_VECTORS
#undef BUNDLE
#undef ROW_BUNDLES
#undef BUNDLE_GROUPS
#undef WG
#undef VW
#undef PER
#undef SIDE
