/* skinny: some tokens; W streams from memory once for each NG of them. A lane owns RV vectors of VW rows and its
 * tokens, as up to NB register tiles of TN: a block of KB columns of W is multiplied with every tile
 * while it is in the nearest cache. X is read as it is, or packed first into tiles [K][TN].
 *
 * Work: tile = block of LM·RV·VW rows; BLOCKS of them, and NG tokens, a work-group. */
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
#define NB 4 // register tiles a pass
#endif
#ifndef KB
#define KB 256 // columns of W a block
#endif
#ifndef LM
#define LM 1 // lanes along the rows
#endif
#ifndef BLOCKS
#define BLOCKS 1 // row blocks a work-group
#endif
#ifndef NG
#define NG 1048576 // tokens a work-group
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
#ifndef GS
#define GS 0 // scale and zero per 0 weight, 1 group
#endif
#ifndef WI
#define WI 0 // W from 0 buffer, 1 image
#endif
#ifndef XP
#define XP 0 // X as 0 token rows, 1 packed tiles
#endif
#ifndef PF
#define PF 0 // prefetch distance in KiB
#endif
#include "kernels/common.clh"
#include "kernels/matmul/micro.clh"

#define ROWS (LM * RV * VW)

static inline __attribute__((always_inline)) void SYM(skinny_tiles)(W_PARAMS, __global const uchar *X, __global float *C,
                              __global const float *R, int M, int N, int K, int ldc, int first,
                              int last, int part, int lane) {
    const int token_tiles = (N + TN - 1) / TN;
    const int part_first = part * (NG / TN), part_last = min(part_first + NG / TN, token_tiles);
    for (int tile = first; tile < last; tile++) {
        const int m = tile * ROWS + lane * VW;
        const struct SYM(rows) rows = SYM(rows_at)(m, LM * VW, M, K);
        for (int b0 = part_first; b0 < part_last; b0 += NB) {
            const int b1 = min(b0 + NB, part_last);
            FV acc[NB][RV][TN];
            for (int b = 0; b < NB; b++)
                _Pragma("unroll") for (int r = 0; r < RV; r++)
                    _Pragma("unroll") for (int t = 0; t < TN; t++) acc[b][r][t] = (FV)(0);
            for (int k0 = 0; k0 < K; k0 += KB) {
                const int k1 = min(k0 + KB, K);
                for (int b = b0; b < b1; b++) {
                    FV sum[RV][TN];
                    _Pragma("unroll") for (int r = 0; r < RV; r++)
                        _Pragma("unroll") for (int t = 0; t < TN; t++) sum[r][t] = acc[b - b0][r][t];
                    SYM(accumulate)(W_PASS, rows, TOKENS_AT(X, b, token_tiles, N, K), k0, k1, sum);
                    _Pragma("unroll") for (int r = 0; r < RV; r++)
                        _Pragma("unroll") for (int t = 0; t < TN; t++) acc[b - b0][r][t] = sum[r][t];
                }
            }
            for (int b = b0; b < b1; b++)
                _Pragma("unroll") for (int r = 0; r < RV; r++)
                    _Pragma("unroll") for (int t = 0; t < TN; t++) {
                        const int row = m + r * LM * VW, n = b * TN + t;
                        if (row < M && n < N) SYM(store)(C, R, row, n, acc[b - b0][r][t], M, ldc);
                    }
        }
    }
}

__kernel __attribute__((reqd_work_group_size(LM, 1, 1)))
void SYM(matmul_skinny)(W_OPERAND, OPERAND(const uchar, X), OPERAND(float, C), OPERAND(const float, R),
                        OPERAND(uchar, scratch), int M, int K, int N, int ldc) {
    W_VIEW(M, K);
#if XP
    VIEW_AS(const uchar, X, scratch);
#else
    VIEW(const uchar, X);
#endif
    VIEW(float, C);
    VIEW(const float, R);
    const int tiles = (M + ROWS - 1) / ROWS, first = get_group_id(0) * BLOCKS;
    SYM(skinny_tiles)(W_PASS, X, C, R, M, N, K, ldc ? ldc : M, first, min(first + BLOCKS, tiles),
                      get_group_id(1), get_local_id(0));
}

#if XP
#include "kernels/matmul/pack.clh"
#endif

#undef ROWS
#undef NB
#undef KB
#undef LM
#undef BLOCKS
#undef NG
#include "kernels/matmul/undo.clh"
