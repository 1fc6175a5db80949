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
#ifndef PF
#define PF 0 // bundles to prefetch ahead, as they lie in a row
#endif
#ifndef SIDE
#define SIDE 0 // 1: a bundle is VW groups, folded side by side; 0: one group
#endif
#ifndef G
#define G 32 // values that share a scale
#endif
#include "kernels/common.clh"
#include "kernels/whole.clh"
#include "kernels/quant_act/reduce.clh"
/* Values are read twice, the second time from the cache. */
#define GROUPS __global const float *
#define GROUP_AT(v, g) ((v) + (g) * G)
#define GROUP_VALUE(v, i) VGET_GLOBAL((v) + (i) * VW)
#include "kernels/quant_act/block.clh"

static inline void SYM(quant_act_tile)(__global const float *X, __global char *Y, int K, int N, int tile,
                                       int lane) {
    for (int j = 0; j < PER; j++) {
        const int number = (tile * PER + j) * WG + lane;
        if (number >= ROW_BUNDLES(K) * N) return;
        const int row = number / ROW_BUNDLES(K), group = number % ROW_BUNDLES(K) * BUNDLE;
        const int n = BUNDLE_GROUPS(K, group);
        __global const float *x = X + (ulong)row * K + group * G;
#if PF > 0
        _Pragma("unroll") for (int i = 0; i < BUNDLE * G; i += 16)
            __builtin_prefetch(x + PF * BUNDLE * G + i);
#endif
        __global char *y = Y + row * BLOCK_ROW_BYTES(K);
        if (n == BUNDLE) SYM(bundle_write)(y, K, group, BUNDLE, x);
        else SYM(bundle_write)(y, K, group, n, x);
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
#undef PF
#undef SIDE
