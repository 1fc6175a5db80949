/* tiled: many tokens, arithmetic is the limit. A work-group owns a block of LM·RV·VW rows and
 * LN·NB·TN tokens; K is cut into blocks of KB; a block of W (decoded) and of X may be staged in local
 * memory, where the lanes share it and quantised weights are decoded once for all token tiles. X is
 * packed first into tiles [K][TN].
 *
 *              LN·NB·TN tokens
 *             +----------------+
 *   LM·RV·VW  |  C block       |   = Σ over k blocks of  W block [KB][rows] · X block [KB][tokens]
 *   rows      +----------------+
 *
 * Idea: the loops around the micro-kernel of BLIS; local staging after CLBlast's Xgemm. */
#ifndef VW
#define VW 4 // rows in a vector
#endif
#ifndef RV
#define RV 1 // vectors a lane
#endif
#ifndef TN
#define TN 4 // tokens in a register tile
#endif
#ifndef NB
#define NB 1 // register tiles a lane
#endif
#ifndef KB
#define KB 64 // columns of W a block
#endif
#ifndef LM
#define LM 8 // lanes along the rows
#endif
#ifndef LN
#define LN 8 // lanes along the tokens
#endif
#ifndef WL
#define WL 0 // stage W in local memory, decoded
#endif
#ifndef XL
#define XL 0 // stage X in local memory
#endif
#ifndef UNROLL
#define UNROLL 1 // of the loop over k (words for quantised weights)
#endif
#ifndef DEQ
#define DEQ 0 // codes, halves to floats: 0 arithmetic, 1 vpermps, vcvtph2ps (VW=16), 2 as 0, vload_half
#endif
#ifndef DOT
#define DOT 0 // int8 products: 0 multiply, 1 vpdpbusd, 2 dp4a, 3 vpmaddubsw and vpmaddwd
#endif
#ifndef WI
#define WI 0 // W from 0 buffer, 1 image
#endif
#define GS 0
#define PF 0
#define XP 1
#include "kernels/common.clh"
#include "kernels/matmul/micro.clh"

#define ROWS (LM * RV * VW)
#define LANES (LM * LN)

#if WL
/* Decode columns k0 … k1 of the block's rows into staged[k − k0][ROWS]. */
static inline __attribute__((always_inline)) void SYM(stage_w)(W_PARAMS, __local float *staged, int m, int M, int K, int k0, int k1, int lane) {
    const int vectors = ROWS / VW;
    const int last = (M + PANEL - 1) / PANEL * PANEL - VW;
    for (int i = lane; i < vectors * ((k1 - k0) / WORD_K); i += LANES) {
        const int row = min(m + i % vectors * VW, last), word = k0 / WORD_K + i / vectors;
        const ulong panel = row / PANEL, within = row % PANEL;
        __local float *to = staged + i / vectors * WORD_K * ROWS + i % vectors * VW;
#if QUANTISED
        const UV v = SYM(word)(W_PASS, (panel * (ulong)(K / WORD_K) + word) * PANEL + within);
        const struct SYM(scale) scale =
            SYM(scale_at)(W_PASS, (panel * (ulong)(K / GROUP) + word * WORD_K / GROUP) * PANEL + within);
        _Pragma("unroll") for (int j = 0; j < WORD_K; j++)
            VWRITE(fma(SYM(code)(v, j), scale.s, scale.o), to + j * ROWS);
#else
        VWRITE(SYM(value)(W_PASS, (panel * (ulong)K + word) * PANEL + within), to);
#endif
    }
}
#endif

#if XL
/* Copy words of one k block of `tiles` token tiles into staged[tile][word][TN]. */
static inline __attribute__((always_inline)) void SYM(stage_x)(__global const uchar *X, __local SYM(xword) *staged, int tile0, int tiles,
                         int all_tiles, int K, int k0, int k1, int lane) {
    const int words = (k1 - k0) / X_K * TN;
    for (int tile = 0; tile < tiles; tile++) {
        __global const SYM(xword) *from = SYM(tokens_at)(X, tile0 + tile, all_tiles, K).p + k0 / X_K * TN;
        for (int i = lane; i < words; i += LANES) staged[tile * (KB / X_K * TN) + i] = from[i];
    }
}
#endif

#if WL || XL
/* accumulate() with either operand from local memory, class f32. */
static inline __attribute__((always_inline)) void SYM(accumulate_staged)(W_PARAMS, struct SYM(rows) rows, __local const float *wl,
                                   struct SYM(tokens) x, __local const SYM(xword) *xl, int k0, int k1,
                                   FV acc[RV][TN]) {
    _Pragma("unroll UNROLL") for (int k = 0; k < k1 - k0; k++) {
        FV v[RV];
        _Pragma("unroll") for (int r = 0; r < RV; r++) {
#if WL
            v[r] = VREAD(wl + k * ROWS + r * LM * VW);
#else
            v[r] = SYM(value)(W_PASS, rows.word[r] + (ulong)(k0 + k) * PANEL);
#endif
        }
        _Pragma("unroll") for (int t = 0; t < TN; t++) {
#if XL
            const FV xv = (FV)(xl[k * TN + t]);
#else
            const FV xv = (FV)(XWORD(x, k0 + k, t));
#endif
            _Pragma("unroll") for (int r = 0; r < RV; r++) acc[r][t] = fma(v[r], xv, acc[r][t]);
        }
    }
}
#endif

/* The block (row block, token block) for lane (lm, ln). */
static inline __attribute__((always_inline)) void SYM(tiled_tile)(W_PARAMS, __global const uchar *X, __global float *C,
                            __global const float *R, __local float *wl, __local SYM(xword) *xl, int M,
                            int N, int K, int ldc, int row_block, int token_block, int lm, int ln) {
    const int all_tiles = (N + TN - 1) / TN;
    const int m = row_block * ROWS + lm * VW, tile0 = token_block * LN * NB;
    const int tiles = min(LN * NB, all_tiles - tile0);
    const struct SYM(rows) rows = SYM(rows_at)(m, LM * VW, M, K);
    FV acc[NB][RV][TN];
    for (int b = 0; b < NB; b++)
        _Pragma("unroll") for (int r = 0; r < RV; r++)
            _Pragma("unroll") for (int t = 0; t < TN; t++) acc[b][r][t] = (FV)(0);
    for (int k0 = 0; k0 < K; k0 += KB) {
        const int k1 = min(k0 + KB, K);
#if WL || XL
#if LANES > 1
        barrier(CLK_LOCAL_MEM_FENCE);
#endif
#if WL
        SYM(stage_w)(W_PASS, wl, row_block * ROWS, M, K, k0, k1, ln * LM + lm);
#endif
#if XL
        SYM(stage_x)(X, xl, tile0, tiles, all_tiles, K, k0, k1, ln * LM + lm);
#endif
#if LANES > 1
        barrier(CLK_LOCAL_MEM_FENCE);
#endif
#endif
        for (int b = 0; b < NB; b++) {
            const int tile = b * LN + ln;
            if (tile >= tiles) continue;
            FV sum[RV][TN];
            _Pragma("unroll") for (int r = 0; r < RV; r++)
                _Pragma("unroll") for (int t = 0; t < TN; t++) sum[r][t] = acc[b][r][t];
            const struct SYM(tokens) x = SYM(tokens_at)(X, tile0 + tile, all_tiles, K);
#if WL || XL
            SYM(accumulate_staged)(W_PASS, rows, wl + lm * VW, x, xl + tile * (KB / X_K * TN), k0, k1, sum);
#else
            SYM(accumulate)(W_PASS, rows, x, k0, k1, sum);
#endif
            _Pragma("unroll") for (int r = 0; r < RV; r++)
                _Pragma("unroll") for (int t = 0; t < TN; t++) acc[b][r][t] = sum[r][t];
        }
    }
    for (int b = 0; b < NB; b++)
        _Pragma("unroll") for (int r = 0; r < RV; r++)
            _Pragma("unroll") for (int t = 0; t < TN; t++) {
                const int row = m + r * LM * VW, n = (tile0 + b * LN + ln) * TN + t;
                if (row < M && n < N) SYM(store)(C, R, row, n, acc[b][r][t], M, ldc);
            }
}

__kernel __attribute__((reqd_work_group_size(LM, LN, 1)))
void SYM(matmul_tiled)(W_OPERAND, OPERAND(const uchar, X), OPERAND(float, C), OPERAND(const float, R),
                       OPERAND(uchar, scratch), int M, int K, int N, int ldc) {
    W_VIEW(M, K);
    VIEW_AS(const uchar, X, scratch);
    VIEW(float, C);
    VIEW(const float, R);
#if WL
    __local float wl[KB * ROWS];
#else
    __local float *wl = 0;
#endif
#if XL
    __local SYM(xword) xl[LN * NB * (KB / X_K) * TN];
#else
    __local SYM(xword) *xl = 0;
#endif
    const int token_blocks = ((N + TN - 1) / TN + LN * NB - 1) / (LN * NB);
    const int group = get_group_id(0);
    SYM(tiled_tile)(W_PASS, X, C, R, wl, xl, M, N, K, ldc ? ldc : M, group / token_blocks,
                    group % token_blocks, get_local_id(0), get_local_id(1));
}

#include "kernels/matmul/pack.clh"

#undef ROWS
#undef LANES
#undef NB
#undef KB
#undef LM
#undef LN
#undef WL
#undef XL
#include "kernels/matmul/undo.clh"
