/* ceiling.cl: what the device can do at most: read, copy, multiply and add, int8 dot products, start a kernel.
 * Compiled once per way of doing it:
 *
 *   VW     width of a vector           ACC    independent accumulators of a work-item
 *   APART  1: each accumulator reads a stream of its own, 0: neighbouring vectors
 *   AHEAD  bytes to prefetch ahead (x86 only), 0: none
 *   ASM    1: the x86 instruction itself  */
#ifndef VW
#define VW 4
#endif
#ifndef ACC
#define ACC 8
#endif
#ifndef APART
#define APART 0
#endif
#ifndef AHEAD
#define AHEAD 0
#endif
#ifndef ASM
#define ASM 0
#endif
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#if VW == 1
typedef float vector;
#define IS_MAGIC(v) ((v) == 0.123456f)
#else
typedef JOIN(float, VW) vector;
#define IS_MAGIC(v) any((v) == 0.123456f)
#endif

#if AHEAD
#define FETCH(p) __asm__ volatile("prefetcht0 %c1(%0)" : : "r"(p), "i"(AHEAD))
#else
#define FETCH(p)
#endif

/* Each group reads `per` vectors of its own, all of it `rounds` times. Sums are of floats, which a
 * compiler may not reorder; they are looked at, so that no load can be left out. */
__kernel void ceiling_read(__global const float *data_base, ulong data_at, __global float *out_base,
                           ulong out_at, int per, int rounds) {
    __global const vector *data =
        (__global const vector *)((__global const char *)data_base + data_at) +
        get_group_id(0) * (size_t)per;
    const int lane = get_local_id(0), lanes = get_local_size(0);
    vector sum[ACC];
#pragma unroll
    for (int j = 0; j < ACC; j++)
        sum[j] = 0;
    for (int round = 0; round < rounds; round++) {
#if APART
        const int length = per / ACC;
        for (int i = lane; i < length; i += lanes) {
#pragma unroll
            for (int j = 0; j < ACC; j++) {
                FETCH(&data[i + j * length]);
                sum[j] += data[i + j * length];
            }
        }
#else
        for (int i = lane; i < per; i += lanes * ACC) {
#pragma unroll
            for (int j = 0; j < ACC; j++) {
                FETCH(&data[i + j * lanes]);
                sum[j] += data[i + j * lanes];
            }
        }
#endif
    }
#pragma unroll
    for (int j = 1; j < ACC; j++)
        sum[0] += sum[j];
    if (IS_MAGIC(sum[0]))
        out_base[out_at / 4] = 1;
}

/* Each group copies `per` vectors of its own to where the parts of all groups end, `rounds` times. */
__kernel void ceiling_copy(__global float *data_base, ulong data_at, __global float *out_base,
                           ulong out_at, int per, int rounds) {
    __global vector *all = (__global vector *)((__global char *)data_base + data_at);
    __global const vector *from = all + get_group_id(0) * (size_t)per;
    __global vector *to = all + (get_num_groups(0) + get_group_id(0)) * (size_t)per;
    const int lane = get_local_id(0), lanes = get_local_size(0);
    for (int round = 0; round < rounds; round++)
        for (int i = lane; i < per; i += lanes * ACC) {
#pragma unroll
            for (int j = 0; j < ACC; j++)
                to[i + j * lanes] = from[i + j * lanes];
        }
}

/* rounds × ACC chains of multiply-add on vectors, per work-item. */
__kernel void ceiling_fma(__global float *out_base, ulong out_at, int rounds, float factor,
                          float term) {
    vector a[ACC];
    const vector m = factor, t = term;
#pragma unroll
    for (int j = 0; j < ACC; j++)
        a[j] = (float)(get_global_id(0) + j);
    for (int i = 0; i < rounds; i++) {
#pragma unroll
        for (int j = 0; j < ACC; j++)
#if ASM
            __asm__("vfmadd213ps %2, %1, %0" : "+v"(a[j]) : "v"(m), "v"(t));
#else
            a[j] = fma(a[j], m, t);
#endif
    }
#pragma unroll
    for (int j = 1; j < ACC; j++)
        a[0] += a[j];
    if (IS_MAGIC(a[0]))
        out_base[out_at / 4] = 1;
}

/* The same for sums of int8 products: DOT 1 vpdpbusd (64 products), 2 dp4a (4), 3 vpmaddubsw into sums of 16
 * bits (32), 0 portable (16). */
#ifndef DOT
#define DOT 0
#endif
#if DOT == 1
typedef int16 dot_sum;
typedef int16 dot_codes;
#define DOT_STEP(s, x, y) __asm__("vpdpbusd %2, %1, %0" : "+v"(s) : "v"(x), "v"(y))
#define DOT_TOTAL(s) ((s).s0 ^ (s).s5 ^ (s).sa ^ (s).sf)
#elif DOT == 2
typedef int dot_sum;
typedef int dot_codes;
#define DOT_STEP(s, x, y) __asm__("dp4a.s32.s32 %0, %1, %2, %0;" : "+r"(s) : "r"(x), "r"(y))
#define DOT_TOTAL(s) (s)
#elif DOT == 3
typedef int8 dot_sum;
typedef int8 dot_codes;
/* The codes are the sums so far, else the products could be taken out of the loop. */
#define DOT_STEP(s, x, y)                                                                          \
    do {                                                                                           \
        short16 p;                                                                                 \
        __asm__("vpmaddubsw %2, %1, %0" : "=x"(p) : "x"(s), "x"(y));                               \
        (s) = as_int8(as_short16(s) + p);                                                          \
    } while (0)
#define DOT_TOTAL(s) ((s).s0 ^ (s).s3 ^ (s).s5 ^ (s).s7)
#else
typedef int4 dot_sum;
typedef char16 dot_codes;
/* The codes change with every step, else the products could be taken out of the loop. */
#define DOT_STEP(s, x, y)                                                                          \
    do {                                                                                           \
        const short16 p = convert_short16(x) * convert_short16(y);                                 \
        (s) += convert_int4(p.s0123) + convert_int4(p.s4567) + convert_int4(p.s89ab) +             \
               convert_int4(p.scdef);                                                              \
        x ^= (char)(s).x;                                                                          \
    } while (0)
#define DOT_TOTAL(s) ((s).x ^ (s).y ^ (s).z ^ (s).w)
#endif

__kernel void ceiling_dot(__global int *out_base, ulong out_at, int rounds, int codes) {
    dot_sum sum[ACC];
#if DOT == 0
    dot_codes x = (char)codes, y = (char)(codes >> 8);
#else
    dot_codes x = codes, y = codes >> 1;
#endif
#pragma unroll
    for (int j = 0; j < ACC; j++)
        sum[j] = (int)get_global_id(0) + j;
    for (int i = 0; i < rounds; i++) {
#pragma unroll
        for (int j = 0; j < ACC; j++)
            DOT_STEP(sum[j], x, y);
    }
    int total = 0;
#pragma unroll
    for (int j = 0; j < ACC; j++)
        total ^= DOT_TOTAL(sum[j]);
    if (total == 0x12345678)
        out_base[out_at / 4] = 1;
}

/* Nothing: what a start costs, with arguments like any other kernel's. */
__kernel void ceiling_empty(__global float *a_base, ulong a_at, __global float *b_base, ulong b_at,
                            int m, int k, int n) {
}
