/* row: one row of a packed matrix as floats, a word of codes (or one value) at a time. The regions of the
 * packed matrix are described in kernels/layouts.h; row m is lane m mod PANEL of panel m / PANEL:
 *
 *     word i of row m = words[(m / PANEL · (K / WORD_K) + i) · PANEL + m % PANEL]
 *
 * Work: tile = token · PARTS + part. */
#ifndef WG
#define WG 1 // lanes
#endif
#ifndef PARTS
#define PARTS 1 // work-groups a row
#endif
#ifndef PANEL
#define PANEL 1 // rows interleaved
#endif
#include "kernels/common.clh"

#if W_F32 || W_F16
#define WORD_K 1
#elif W_Q8
#define WORD_K 4
#else
#define WORD_K 8
#endif
#define REGION(bytes) (((bytes) + 255) & ~(ulong)255)

/* Where a row lies in the packed matrix. */
struct SYM(packed_row) {
    ulong word;          /* its first word, values for f16 */
    ulong group;         /* its first scale */
    ulong scales, zeros; /* where those regions start, bytes */
};

static inline struct SYM(packed_row) SYM(packed_row_at)(int m, int M, int K) {
    const ulong rows = (ulong)((M + PANEL - 1) / PANEL) * PANEL, panel = m / PANEL;
    struct SYM(packed_row) at;
    at.word = panel * (K / WORD_K) * PANEL + m % PANEL;
    at.group = panel * (K / GROUP) * PANEL + m % PANEL;
    at.scales = REGION(rows * K / WORD_K * 4);
    at.zeros = at.scales + REGION(rows * (K / GROUP) * 2);
    return at;
}

/* Word i of the row as WORD_K floats. */
static inline void SYM(embed_word)(__global const uchar *W, struct SYM(packed_row) at, int i,
                                   __global float *x) {
    const ulong word = at.word + (ulong)i * PANEL;
#if W_F32
    x[i] = ((__global const float *)W)[word];
#elif W_F16
    x[i] = SYM(float_of_half)(((__global const ushort *)W)[word]);
#else
    const uint codes = ((__global const uint *)W)[word];
    const ulong group = at.group + (ulong)(i * WORD_K / GROUP) * PANEL;
    const float s = SYM(float_of_half)(((__global const ushort *)(W + at.scales))[group]);
#if W_Q4_1
    const float o = SYM(float_of_half)(((__global const ushort *)(W + at.zeros))[group]);
#elif W_Q4
    const float o = -s * (float)(W + at.zeros)[group];
#else
    const float o = -s * (float)W_ZERO;
#endif
    _Pragma("unroll") for (int j = 0; j < WORD_K; j++) {
#if W_Q8
        const uint q = codes >> (8 * j) & 255u;
#else
        const uint q = codes >> (j < 4 ? 8 * j : 8 * (j - 4) + 4) & 15u;
#endif
        x[i * WORD_K + j] = fma((float)q, s, o);
    }
#endif
}

static inline void SYM(embed_tile)(__global const uchar *W, __global const int *ids, __global float *X,
                                   int M, int K, int tile, int lane) {
    const int token = tile / PARTS, part = tile % PARTS;
    const struct SYM(packed_row) at = SYM(packed_row_at)(ids[token], M, K);
    __global float *x = X + (ulong)token * K;
    for (int i = part * WG + lane; i < K / WORD_K; i += PARTS * WG) SYM(embed_word)(W, at, i, x);
}

__kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void SYM(embed_row)(OPERAND(const uchar, W), OPERAND(const int, ids), OPERAND(float, X),
                    OPERAND(float, scratch), int M, int K, int N) {
    VIEW(const uchar, W);
    VIEW(const int, ids);
    VIEW(float, X);
    SYM(embed_tile)(W, ids, X, M, K, get_group_id(0), get_local_id(0));
}

#undef WORD_K
#undef REGION
#undef WG
#undef PARTS
