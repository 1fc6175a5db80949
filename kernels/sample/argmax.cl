/* argmax: the index of the largest logit, the lowest on ties. Every component of every lane keeps its own
 * best; they meet at the end, larger value first, then lower index. With PARTS > 1 a row's parts leave
 * (value, index) in scratch and a second stage picks. NaN never wins. Work: tile = row · PARTS + part. */
#ifndef WG
#define WG 1 // lanes
#endif
#ifndef VW
#define VW 4 // values in a vector
#endif
#ifndef PARTS
#define PARTS 1 // work-groups a row
#endif
#include "kernels/common.clh"

struct SYM(best) {
    float value;
    int index;
};

static inline struct SYM(best) SYM(better)(struct SYM(best) a, float value, int index) {
    if (value > a.value || (value == a.value && index < a.index)) {
        a.value = value;
        a.index = index;
    }
    return a;
}

/* The best of one lane's share of x[first … last). */
static inline struct SYM(best) SYM(lane_best)(__global const float *x, int first, int last, int lane) {
    VEC(float) value = (VEC(float))(-INFINITY);
    VEC(int) at = (VEC(int))(INT_MAX);
    const int whole = last - (last - first) % VW;
    for (int i = first + lane * VW; i < whole; i += WG * VW) {
        const VEC(float) v = VLOAD(x + i);
        const VEC(int) larger = v > value;
        at = larger ? (VEC(int))(i) : at;
        value = larger ? v : value;
    }
    float values[VW];
    int ats[VW];
    VSTORE(value, values);
    VSTORE(at, ats);
    struct SYM(best) best = {-INFINITY, INT_MAX};
    for (int j = 0; j < VW; j++)
        best = SYM(better)(best, values[j], ats[j] == INT_MAX ? INT_MAX : ats[j] + j);
    for (int i = whole + lane; i < last; i += WG) best = SYM(better)(best, x[i], i);
    return best;
}

/* The best of the lanes, for lane 0. */
static inline __attribute__((always_inline)) struct SYM(best)
SYM(group_best)(struct SYM(best) best, __local float *values, __local int *indices, int lane) {
#if WG > 1
    barrier(CLK_LOCAL_MEM_FENCE);
    values[lane] = best.value;
    indices[lane] = best.index;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int other = 1; lane == 0 && other < WG; other++)
        best = SYM(better)(best, values[other], indices[other]);
#endif
    return best;
}

static inline __attribute__((always_inline)) void
SYM(sample_tile)(__global const float *logits, __global int *ids, __global struct SYM(best) *scratch,
                 __local float *values, __local int *indices, int M, int tile, int lane) {
    const int row = tile / PARTS, part = tile % PARTS, share = (M + PARTS - 1) / PARTS;
    const int first = min(part * share, M), last = min(first + share, M);
    struct SYM(best) best = SYM(lane_best)(logits + (ulong)row * M, first, last, lane);
    best = SYM(group_best)(best, values, indices, lane);
    if (lane != 0) return;
#if PARTS > 1
    scratch[tile] = best;
#else
    ids[row] = best.index == INT_MAX ? 0 : best.index;
#endif
}

__kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void SYM(sample_argmax)(OPERAND(const float, logits), OPERAND(int, ids),
                        OPERAND(struct SYM(best), scratch), int M, int N) {
    VIEW(const float, logits);
    VIEW(int, ids);
    VIEW(struct SYM(best), scratch);
#if WG > 1
    __local float values[WG];
    __local int indices[WG];
#else
    __local float *values = 0;
    __local int *indices = 0;
#endif
    SYM(sample_tile)(logits, ids, scratch, values, indices, M, get_group_id(0), get_local_id(0));
}

#if PARTS > 1
__kernel void SYM(sample_argmax_pick)(OPERAND(const float, logits), OPERAND(int, ids),
                                      OPERAND(const struct SYM(best), scratch), int M, int N) {
    VIEW(int, ids);
    VIEW(const struct SYM(best), scratch);
    const int row = get_global_id(0);
    struct SYM(best) best = scratch[row * PARTS];
    for (int part = 1; part < PARTS; part++) {
        const struct SYM(best) other = scratch[row * PARTS + part];
        best = SYM(better)(best, other.value, other.index);
    }
    ids[row] = best.index == INT_MAX ? 0 : best.index;
}
#endif

#undef WG
#undef VW
#undef PARTS
