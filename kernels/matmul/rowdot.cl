/* rowdot: one row of W per lane group, for row-major layouts: LK lanes walk along K together (so that
 * neighbours read neighbours), keep TN token sums each, and meet in local memory. Works everywhere.
 *
 * W rows are contiguous: VW values, or one 32-bit word of WORD_K codes, a step. X as token rows, from a
 * buffer or (class f32) an image of float4 texels. */
#ifndef VW
#define VW 4 // values along K a step; WORD_K for quantised weights
#endif
#ifndef TN
#define TN 1 // tokens in registers
#endif
#ifndef LK
#define LK 1 // lanes along K
#endif
#ifndef LR
#define LR 1 // rows a work-group
#endif
#ifndef UNROLL
#define UNROLL 1 // of the loop along K
#endif
#ifndef DOT
#define DOT 0 // int8 products: 0 multiply, 2 dp4a
#endif
#ifndef WI
#define WI 0 // W from 0 buffer, 1 image
#endif
#ifndef XI
#define XI 0 // X from 0 buffer, 1 image
#endif
#include "kernels/common.clh"

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define XV CAT(float, VW)
#define QUANTISED (!W_F32 && !W_F16)
#if W_F32 || W_F16
#define WORD_K 1
#elif W_Q8
#define WORD_K 4
#else
#define WORD_K 8
#endif

#if WI || XI
#include "kernels/matmul/texel.clh"
#endif
#if WI
#define W_PARAM __read_only image2d_t W
static inline uint SYM(component)(uint4 t, uint i) {
    const uint2 pair = i & 2 ? t.hi : t.lo;
    return i & 1 ? pair.y : pair.x;
}
#define W_WORD(i) SYM(component)(SYM(texel)(W, (i) / 4), (i) % 4)
#define W_HALF(i) (ushort)(W_WORD((i) / 2) >> (16 * ((i) % 2)))
#define W_BYTE(i) (uchar)(W_WORD((i) / 4) >> (8 * ((i) % 4)))
#else
#define W_PARAM __global const uint *W
#define W_WORD(i) W[i]
#define W_HALF(i) ((__global const ushort *)W)[i]
#define W_BYTE(i) ((__global const uchar *)W)[i]
#endif

static inline ulong SYM(aligned)(ulong bytes) {
    return (bytes + 255) & ~(ulong)255;
}

#if CLASS_I8
#define XWORDS __global const int *
static inline int SYM(dot)(int acc, uint w, int x) {
#if DOT == 2
    __asm__("dp4a.u32.s32 %0, %1, %2, %0;" : "+r"(acc) : "r"(w), "r"(x));
    return acc;
#else
    for (int j = 0; j < 4; j++) acc += (int)((w >> (8 * j)) & 255u) * ((x << (24 - 8 * j)) >> 24);
    return acc;
#endif
}
#else
/* VW values of token row n at k (a multiple of VW). */
#if XI
#define X_PARAM __read_only image2d_t X
static inline XV SYM(x_at)(__read_only image2d_t image, ulong i) {
#if VW == 4
    return as_float4(SYM(texel)(image, i / 4));
#else
    return (float8)(as_float4(SYM(texel)(image, i / 4)), as_float4(SYM(texel)(image, i / 4 + 1)));
#endif
}
#define X_AT(i) SYM(x_at)(X, i)
#else
#define X_PARAM __global const float *X
#define X_AT(i) CAT(vload, VW)(0, X + (i))
#endif
static inline float SYM(across)(XV v) {
#if VW == 4
    return (v.x + v.y) + (v.z + v.w);
#else
    const float4 h = v.lo + v.hi;
    return (h.x + h.y) + (h.z + h.w);
#endif
}
#endif

#if QUANTISED
struct SYM(scale) {
    float s, o;
};
static inline struct SYM(scale) SYM(scale_at)(W_PARAM, ulong scales, ulong zeros, ulong at) {
    struct SYM(scale) scale;
    scale.s = SYM(float_of_half)(W_HALF(scales + at));
#if W_Q4_1
    scale.o = SYM(float_of_half)(W_HALF(zeros + at));
#elif W_Q4
    scale.o = -scale.s * (float)W_BYTE(2 * zeros + at);
#else
    scale.o = -scale.s * (float)W_ZERO;
#endif
    return scale;
}
/* The WORD_K codes of a word in the order of k. */
static inline XV SYM(codes)(uint w) {
#if W_Q8
    return convert_float4((uint4)(w, w >> 8, w >> 16, w >> 24) & 255u);
#else
    return convert_float8((uint8)(w, w >> 8, w >> 16, w >> 24, w >> 4, w >> 12, w >> 20, w >> 28) & 15u);
#endif
}
#endif

#if CLASS_I8
#define X_PARAM __global const uchar *X
#endif

/* Partial sums of row m with tokens n0 …, over the steps of lane kl. */
static inline void SYM(row_sums)(W_PARAM, X_PARAM, int m, int n0, int M, int N, int K, int kl,
                                 float sum[TN]) {
    for (int t = 0; t < TN; t++) sum[t] = 0;
#if QUANTISED
    const int groups = K / GROUP;
    const ulong scales = SYM(aligned)((ulong)M * K / WORD_K * 4) / 2;
    const ulong zeros = scales + SYM(aligned)((ulong)M * groups * 2) / 2;
    for (int g = kl; g < groups; g += LK) {
        const ulong first = (ulong)m * (K / WORD_K) + (ulong)g * (GROUP / WORD_K);
        const struct SYM(scale) scale = SYM(scale_at)(W, scales, zeros, (ulong)m * groups + g);
#if CLASS_I8
        int dot[TN];
        for (int t = 0; t < TN; t++) dot[t] = 0;
        const ulong row_bytes = (ulong)K + (ulong)groups * 8;
        _Pragma("unroll UNROLL") for (int i = 0; i < GROUP / WORD_K; i++) {
            const uint w = W_WORD(first + i);
            _Pragma("unroll") for (int t = 0; t < TN; t++) {
                XWORDS x = (XWORDS)(X + row_bytes * min(n0 + t, N - 1)) + g * (GROUP / 4);
#if W_Q8
                dot[t] = SYM(dot)(dot[t], w, x[i]);
#else
                dot[t] = SYM(dot)(dot[t], w & 0x0f0f0f0fu, x[2 * i]);
                dot[t] = SYM(dot)(dot[t], (w >> 4) & 0x0f0f0f0fu, x[2 * i + 1]);
#endif
            }
        }
        for (int t = 0; t < TN; t++) {
            __global const float *f = (__global const float *)(X + row_bytes * min(n0 + t, N - 1) + K);
            sum[t] = fma(convert_float(dot[t]) * f[g], scale.s, sum[t]);
            sum[t] = fma(f[g] * f[groups + g], scale.o, sum[t]);
        }
#else
        XV acc[TN], all[TN];
        for (int t = 0; t < TN; t++) acc[t] = all[t] = (XV)(0);
        _Pragma("unroll UNROLL") for (int i = 0; i < GROUP / WORD_K; i++) {
            const XV q = SYM(codes)(W_WORD(first + i));
            _Pragma("unroll") for (int t = 0; t < TN; t++) {
                const XV x = X_AT((ulong)min(n0 + t, N - 1) * K + g * GROUP + i * WORD_K);
                acc[t] = fma(q, x, acc[t]);
                all[t] += x;
            }
        }
        for (int t = 0; t < TN; t++) {
            sum[t] = fma(SYM(across)(acc[t]), scale.s, sum[t]);
            sum[t] = fma(SYM(across)(all[t]), scale.o, sum[t]);
        }
#endif
    }
#else
    const ulong row = (ulong)m * K;
    XV acc[TN];
    for (int t = 0; t < TN; t++) acc[t] = (XV)(0);
    const int whole = K / VW * VW;
    _Pragma("unroll UNROLL") for (int k = kl * VW; k < whole; k += LK * VW) {
#if W_F32
        float one[VW];
        for (int i = 0; i < VW; i++) one[i] = as_float(W_WORD(row + k + i));
        const XV w = CAT(vload, VW)(0, one);
#else
        ushort one[VW];
        for (int i = 0; i < VW; i++) one[i] = W_HALF(row + k + i);
        const XV w = SYM(floats_of_halves)(CAT(vload, VW)(0, one));
#endif
        _Pragma("unroll") for (int t = 0; t < TN; t++)
            acc[t] = fma(w, X_AT((ulong)min(n0 + t, N - 1) * K + k), acc[t]);
    }
    for (int t = 0; t < TN; t++) sum[t] = SYM(across)(acc[t]);
#if !XI
    for (int k = whole + kl; k < K; k += LK) {
#if W_F32
        const float w = as_float(W_WORD(row + k));
#else
        const float w = SYM(float_of_half)(W_HALF(row + k));
#endif
        for (int t = 0; t < TN; t++) sum[t] = fma(w, X[(ulong)min(n0 + t, N - 1) * K + k], sum[t]);
    }
#endif
#endif
}

/* Tiles (LR rows each) first … last − 1 for lane (kl, lr). */
static inline __attribute__((always_inline)) void
SYM(rowdot_tiles)(W_PARAM, X_PARAM, __global float *C, __global const float *R, __local float *meeting,
                  int M, int N, int K, int ldc, int first, int last, int kl, int lr) {
    for (int tile = first; tile < last; tile++) {
        const int m = tile * LR + lr;
        for (int n0 = 0; n0 < N; n0 += TN) {
            float sum[TN];
            SYM(row_sums)(W, X, min(m, M - 1), n0, M, N, K, kl, sum);
#if LK > 1
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int t = 0; t < TN; t++) meeting[(lr * TN + t) * LK + kl] = sum[t];
            for (int step = LK / 2; step > 0; step /= 2) {
                barrier(CLK_LOCAL_MEM_FENCE);
                if (kl < step)
                    for (int t = 0; t < TN; t++)
                        meeting[(lr * TN + t) * LK + kl] += meeting[(lr * TN + t) * LK + kl + step];
            }
            if (kl == 0)
                for (int t = 0; t < TN; t++) sum[t] = meeting[(lr * TN + t) * LK];
#endif
            if (kl == 0 && m < M) {
                for (int t = 0; t < TN && n0 + t < N; t++) {
                    float y = sum[t];
#if E == 1
                    y += R[m];
#elif E == 2
                    y += R[(ulong)(n0 + t) * M + m];
#endif
                    C[(ulong)(n0 + t) * ldc + m] = y;
                }
            }
        }
    }
}

#if WI
#define W_ARGUMENT __read_only image2d_t W
#define W_POINTER
#else
#define W_ARGUMENT OPERAND(const uint, W)
#define W_POINTER VIEW(const uint, W)
#endif
#if XI
#define X_ARGUMENT __read_only image2d_t X
#define X_POINTER
#elif CLASS_I8
#define X_ARGUMENT OPERAND(const uchar, X)
#define X_POINTER VIEW(const uchar, X)
#else
#define X_ARGUMENT OPERAND(const float, X)
#define X_POINTER VIEW(const float, X)
#endif

__kernel __attribute__((reqd_work_group_size(LK, LR, 1)))
void SYM(matmul_rowdot)(W_ARGUMENT, X_ARGUMENT, OPERAND(float, C), OPERAND(const float, R),
                        OPERAND(float, scratch), int M, int K, int N, int ldc) {
    W_POINTER;
    X_POINTER;
    VIEW(float, C);
    VIEW(const float, R);
#if LK > 1
    __local float meeting[LK * LR * TN];
#else
    __local float *meeting = 0;
#endif
    SYM(rowdot_tiles)(W, X, C, R, meeting, M, N, K, ldc ? ldc : M, get_group_id(0),
                      get_group_id(0) + 1, get_local_id(0), get_local_id(1));
}

#undef CAT_
#undef CAT
#undef XV
#undef QUANTISED
#undef WORD_K
#undef W_PARAM
#undef W_WORD
#undef W_HALF
#undef W_BYTE
#undef XWORDS
#undef X_PARAM
#undef X_AT
#undef W_ARGUMENT
#undef W_POINTER
#undef X_ARGUMENT
#undef X_POINTER
#undef VW
#undef TN
#undef LK
#undef LR
#undef UNROLL
#undef DOT
#undef WI
#undef XI
