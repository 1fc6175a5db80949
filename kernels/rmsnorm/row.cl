/* row: RMS norm, WG lanes a row. The row is read twice: for the squares, where the residual is added
 * and kept, and for the output. Work: tile = row. */
#ifndef WG
#define WG 1 // lanes of a row
#endif
#ifndef VW
#define VW 4 // values in a vector
#endif
#ifndef UNROLL
#define UNROLL 1 // vectors in flight, with sums of their own
#endif
#ifndef SIDE
#define SIDE 0 // o=i8: 1: a bundle is VW groups, folded side by side; 0: one group
#endif
#ifndef R
#define R 0 // 1: X += residual
#endif
#ifndef O
#define O 0 // output: 0 f32, 1 class-i8 blocks
#endif
#ifndef G
#define G 32 // values that share a scale
#endif
#include "kernels/common.clh"
#include "kernels/whole.clh"
#include "kernels/quant_act/reduce.clh"
#if O == 1
#include "kernels/quant_act/block.clh"
#endif

/* Σ x² over the row; the residual is added on the way. */
static inline float SYM(squares)(__global float *x, __global const float *residual, int K, int lane) {
    VEC(float) sum[UNROLL];
    const int step = WG * VW * UNROLL, whole = K - K % VW;
    _Pragma("unroll") for (int u = 0; u < UNROLL; u++) sum[u] = (VEC(float))(0);
    for (int i = lane * VW; i < whole; i += step)
        _Pragma("unroll") for (int u = 0; u < UNROLL; u++) {
            const int at = i + u * WG * VW;
            if (UNROLL > 1 && at >= whole) continue;
            VEC(float) v = VGET_GLOBAL(x + at);
#if R
            v += VGET_GLOBAL(residual + at);
            VPUT_GLOBAL(v, x + at);
#endif
            sum[u] = fma(v, v, sum[u]);
        }
    _Pragma("unroll") for (int u = 1; u < UNROLL; u++) sum[0] += sum[u];
    float rest = 0;
    for (int i = whole + lane; i < K; i += WG) {
        float v = x[i];
#if R
        v += residual[i];
        x[i] = v;
#endif
        rest = fma(v, v, rest);
    }
    return SYM(vector_sum)(sum[0]) + rest;
}

/* The sum over the lanes, for every lane. */
static inline __attribute__((always_inline)) float
SYM(lanes_sum)(float v, __local float *meeting, int lane) {
#if WG > 1
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    meeting[lane] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int stride = WG / 2; stride > 0; stride /= 2) {
        if (lane < stride) meeting[lane] += meeting[lane + stride];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    return meeting[0];
#else
    return v;
#endif
}

#if O == 1
/* n groups of the output from number `group` on. */
static inline __attribute__((always_inline)) void
SYM(norm_bundle)(__global const float *x, __global const float *gamma, __global char *y, int K,
                 float factor, int group, int n) {
    VEC(float) v[BUNDLE * GROUP_VECTORS];
    for (int g = 0; g < n; g++)
        _Pragma("unroll") for (int i = 0; i < GROUP_VECTORS; i++) {
            const int at = (group + g) * G + i * VW;
            v[g * GROUP_VECTORS + i] = VGET_GLOBAL(x + at) * factor * VGET_GLOBAL(gamma + at);
        }
    SYM(bundle_write)(y, K, group, n, v, SYM(bundle_scales)(v, n));
}
#endif

static inline __attribute__((always_inline)) void
SYM(rmsnorm_tile)(__global float *X, __global const float *residual, __global const float *gamma,
                  __global char *Y, __local float *meeting, int K, float eps, int row, int lane) {
    __global float *x = X + (ulong)row * K;
    const float sum = SYM(squares)(x, residual + (ulong)row * K, K, lane);
    const float factor = 1.0f / sqrt(SYM(lanes_sum)(sum, meeting, lane) / K + eps);
#if O == 1
    __global char *y = Y + row * BLOCK_ROW_BYTES(K);
    for (int bundle = lane; bundle < ROW_BUNDLES(K); bundle += WG) {
        const int group = bundle * BUNDLE, n = BUNDLE_GROUPS(K, group);
        if (n == BUNDLE) SYM(norm_bundle)(x, gamma, y, K, factor, group, BUNDLE);
        else SYM(norm_bundle)(x, gamma, y, K, factor, group, n);
    }
#else
    __global float *y = (__global float *)Y + (ulong)row * K;
    const int whole = K - K % VW;
    for (int i = lane * VW; i < whole; i += WG * VW)
        VPUT_GLOBAL(VGET_GLOBAL(x + i) * factor * VGET_GLOBAL(gamma + i), y + i);
    for (int i = whole + lane; i < K; i += WG) y[i] = x[i] * factor * gamma[i];
#endif
}

__kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void SYM(rmsnorm_row)(OPERAND(float, X), OPERAND(const float, residual), OPERAND(const float, gamma),
                      OPERAND(char, Y), OPERAND(float, scratch), int K, int N, int eps) {
    VIEW(float, X);
    VIEW(const float, residual);
    VIEW(const float, gamma);
    VIEW(char, Y);
#if WG > 1
    __local float meeting[WG];
#else
    __local float *meeting = 0;
#endif
    SYM(rmsnorm_tile)(X, residual, gamma, Y, meeting, K, as_float(eps), get_group_id(0),
                      get_local_id(0));
}

#undef BLOCK_ROW_BYTES
#undef GROUP_VECTORS
#undef BUNDLE
#undef ROW_BUNDLES
#undef BUNDLE_GROUPS
#undef WG
#undef VW
#undef UNROLL
#undef SIDE
