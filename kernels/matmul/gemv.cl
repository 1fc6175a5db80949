/* gemv: few tokens, W streams from memory once. A lane owns RV vectors of VW rows; KL lanes share the
 * rows and split K, their sums meet in local memory; SK work-groups split K again, their sums meet in
 * scratch and a second stage adds them. X is read as it is.
 *
 * Work: tile = (block of LM·RV·VW rows) × (slice of K). BLOCKS tiles of one slice a work-group.
 * Idea: panels as in BLIS's packed operands, K split as in stream-K and flash-decoding. */
#ifndef VW
#define VW 4 // rows in a vector
#endif
#ifndef RV
#define RV 1 // vectors a lane
#endif
#ifndef TN
#define TN 1 // tokens in registers
#endif
#ifndef LM
#define LM 1 // lanes along the rows
#endif
#ifndef KL
#define KL 1 // lanes along K
#endif
#ifndef SK
#define SK 1 // work-groups along K
#endif
#ifndef BLOCKS
#define BLOCKS 1 // row blocks a work-group
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
#ifndef PF
#define PF 0 // prefetch distance in KiB
#endif
#define XP 0
#include "kernels/common.clh"
#include "kernels/matmul/micro.clh"
#if PHASE
#include "kernels/meet.clh"
#endif

#define ROWS (LM * RV * VW)

/* Tiles first … last − 1 of slice `slice`, for lane `lane` of LM·KL. */
static inline __attribute__((always_inline)) void SYM(gemv_tiles)(W_PARAMS, __global const uchar *X, __global float *C,
                            __global const float *R, __global float *partial,
                            __local float *meeting, int M, int N, int K, int ldc, int first, int last,
                            int slice, int lane) {
    const int lm = lane % LM, kl = lane / LM;
    const int steps = (K + STEP - 1) / STEP, share = (steps + SK * KL - 1) / (SK * KL);
    const int k0 = min(K, (slice * KL + kl) * share * STEP), k1 = min(K, k0 + share * STEP);
    for (int tile = first; tile < last; tile++) {
        const int m = tile * ROWS + lm * VW;
        const struct SYM(rows) rows = SYM(rows_at)(m, LM * VW, M, K);
        for (int n0 = 0; n0 < N; n0 += TN) {
            FV acc[RV][TN];
            _Pragma("unroll") for (int r = 0; r < RV; r++)
                _Pragma("unroll") for (int t = 0; t < TN; t++) acc[r][t] = (FV)(0);
            SYM(accumulate)(W_PASS, rows, SYM(tokens_at)(X, n0, N, K), k0, k1, acc);
#if KL > 1
            barrier(CLK_LOCAL_MEM_FENCE);
            _Pragma("unroll") for (int r = 0; r < RV; r++)
                _Pragma("unroll") for (int t = 0; t < TN; t++)
                    VWRITE(acc[r][t], meeting + ((lane * RV + r) * TN + t) * VW);
            barrier(CLK_LOCAL_MEM_FENCE);
            if (kl == 0) {
                for (int other = 1; other < KL; other++)
                    _Pragma("unroll") for (int r = 0; r < RV; r++)
                        _Pragma("unroll") for (int t = 0; t < TN; t++)
                            acc[r][t] += VREAD(meeting + (((other * LM + lm) * RV + r) * TN + t) * VW);
            }
#endif
            if (kl == 0) {
                _Pragma("unroll") for (int r = 0; r < RV; r++) {
                    const int row = m + r * LM * VW;
                    _Pragma("unroll") for (int t = 0; t < TN; t++) {
                        if (n0 + t < N && row < M) {
#if SK > 1
                            SYM(store_plain)(partial + ((ulong)slice * N + n0 + t) * M, row, acc[r][t], M);
#else
                            SYM(store)(C, R, row, n0 + t, acc[r][t], M, ldc);
#endif
                        }
                    }
                }
            }
        }
    }
}

__kernel __attribute__((reqd_work_group_size(LM * KL, 1, 1)))
void SYM(matmul_gemv)(W_OPERAND, OPERAND(const uchar, X), OPERAND(float, C), OPERAND(const float, R),
                      OPERAND(float, scratch), int M, int K, int N, int ldc) {
    W_VIEW(M, K);
    VIEW(const uchar, X);
    VIEW(float, C);
    VIEW(const float, R);
    VIEW(float, scratch);
#if KL > 1
    __local float meeting[LM * KL * RV * TN * VW];
#else
    __local float *meeting = 0;
#endif
    const int tiles = (M + ROWS - 1) / ROWS, groups = (tiles + BLOCKS - 1) / BLOCKS;
    const int slice = get_group_id(0) / groups, first = get_group_id(0) % groups * BLOCKS;
    SYM(gemv_tiles)(W_PASS, X, C, R, scratch, meeting, M, N, K, ldc ? ldc : M, first,
                    min(first + BLOCKS, tiles), slice, get_local_id(0));
}

#if PHASE
/* `copies` matrices, `stride` × 256 bytes apart, one after another in one launch: each work-group takes its
 * share of the tiles, and all meet before the next (kernels/meet.clh). */
__kernel __attribute__((reqd_work_group_size(LM * KL, 1, 1)))
void SYM(matmul_gemv_phase)(W_OPERAND, OPERAND(const uchar, X), OPERAND(float, C), OPERAND(const float, R),
                            OPERAND(float, scratch), int M, int K, int N, int ldc, int copies,
                            int stride, OPERAND(uint, meeting), uint met) {
    W_VIEW(M, K);
    VIEW(const uchar, X);
    VIEW(float, C);
    VIEW(const float, R);
    VIEW(float, scratch);
    VIEW(volatile uint, meeting);
#if KL > 1
    __local float together[LM * KL * RV * TN * VW];
#else
    __local float *together = 0;
#endif
    const int tiles = (M + ROWS - 1) / ROWS, groups = get_num_groups(0), group = get_group_id(0);
    const int first = (long)tiles * group / groups, last = (long)tiles * (group + 1) / groups;
    for (int copy = 0; copy < copies; copy++) {
        SYM(gemv_tiles)(w_words + (ulong)copy * stride * 64, w_scales, w_zeros, X, C, R, scratch,
                        together, M, N, K, ldc ? ldc : M, first, last, 0, get_local_id(0));
        met = SYM(meet)(meeting, met);
    }
}
#endif

#if SK > 1
/* C = Σ over slices of the partial sums, with the epilogue. One work-item a row vector and token. */
__kernel void SYM(matmul_gemv_sum)(W_OPERAND, OPERAND(const uchar, X), OPERAND(float, C),
                                   OPERAND(const float, R), OPERAND(float, scratch), int M, int K,
                                   int N, int ldc) {
    VIEW(float, C);
    VIEW(const float, R);
    VIEW(const float, scratch);
    const int m = get_global_id(0), n = get_global_id(1);
    float sum = 0;
    for (int slice = 0; slice < SK; slice++) sum += scratch[((ulong)slice * N + n) * M + m];
#if E == 1
    sum += R[m];
#elif E == 2
    sum += R[(ulong)n * M + m];
#endif
    C[(ulong)n * (ldc ? ldc : M) + m] = sum;
}
#endif

#undef ROWS
#undef LM
#undef KL
#undef SK
#undef BLOCKS
#include "kernels/matmul/undo.clh"
