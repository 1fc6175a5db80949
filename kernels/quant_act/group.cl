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
#define PF 0 // bundles to prefetch ahead, as they lie in a row, from the last one that was read
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
#if PF > 0
#define GROUP_AHEAD(v, i)                                                                          \
    if ((i) * VW % 16 == 0) __builtin_prefetch((v) + (i) * VW + (PF + (PER > 1)) * BUNDLE * G)
#else
#define GROUP_AHEAD(v, i)
#endif
#include "kernels/quant_act/block.clh"

struct SYM(bundle) {
    __global const float *x;
    __global char *row;
    int group, n; /* n: how many, 0: there is none */
    struct SYM(scales) scales;
};

static inline __attribute__((always_inline)) struct SYM(bundle)
SYM(bundle_at)(__global const float *X, __global char *Y, int K, int N, int number) {
    struct SYM(bundle) b;
    const int row = number / ROW_BUNDLES(K);
    b.group = (number - row * ROW_BUNDLES(K)) * BUNDLE;
    b.n = row < N ? BUNDLE_GROUPS(K, b.group) : 0;
    b.x = X + (ulong)row * K + b.group * G;
    b.row = Y + row * BLOCK_ROW_BYTES(K);
    if (b.n == 0) return b;
    b.scales = b.n == BUNDLE ? SYM(bundle_scales)(b.x, BUNDLE) : SYM(bundle_scales)(b.x, b.n);
    return b;
}

/* What a scale waits for, levels of a fold and a division, goes beside the codes of the bundle before. */
static inline void SYM(quant_act_tile)(__global const float *X, __global char *Y, int K, int N,
                                       int tile, int lane) {
    struct SYM(bundle) next;
    next.n = 0;
    for (int j = 0; j <= PER; j++) {
        const struct SYM(bundle) b = next;
        next.n = 0;
        if (j < PER) next = SYM(bundle_at)(X, Y, K, N, (tile * PER + j) * WG + lane);
        if (b.n == BUNDLE) SYM(bundle_write)(b.row, K, b.group, BUNDLE, b.x, b.scales);
        else if (b.n) SYM(bundle_write)(b.row, K, b.group, b.n, b.x, b.scales);
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
