/* tiled: many tokens; blocks of W and X may be staged in local memory. See tiled.cl. */
#include "kernels/matmul/matmul.h"

enum { P_LN = P_SHARED, P_NB, P_KB, P_WL, P_XL, P_COUNT };

static const struct param params[P_COUNT] = {
    PANEL_PARAMS(VALUES(V(1), V(2), V(4), V(6), V(8), V(12), V(14))),
    [P_LM] = {"LM", "lanes along the rows", VALUES(V(1), V(8), V(16), V(32))},
    [P_LN] = {"LN", "lanes along the tokens", VALUES(V(1), V(4), V(8), V(16))},
    [P_NB] = {"NB", "register tiles a lane", VALUES(V(1), V(2), V(4), V(8), V(16), V(22))},
    [P_KB] = {"KB", "columns of W a block",
              VALUES(V(32), V(64), V(128), V(256), V(512), {1 << 20, "all", FEATURE_NONE})},
    [P_WL] = {"WL", "stage W in local memory, decoded", VALUES(V(0), V(1))},
    [P_XL] = {"XL", "stage X in local memory", VALUES(V(0), V(1))},
};

static bool tokens_fit(const int *value, const struct problem *problem) {
    const int64_t tiles = (int64_t)value[P_LN] * value[P_NB];
    return tiles == 1 || (tiles - 1) * value[P_TN] < problem->value[F_N];
}

static bool lanes_fit(const int *value, const struct problem *problem) {
    (void)problem;
    return value[P_LM] * value[P_LN] <= 256;
}

static bool blocks_hold_groups(const int *value, const struct problem *problem) {
    const struct weight w = matmul_weight(problem);
    return !weight_is_quantised(w) || value[P_KB] % w.group == 0;
}

static bool blocks_cut_k(const int *value, const struct problem *problem) {
    return value[P_KB] == 1 << 20 || value[P_KB] < problem->value[F_K];
}

/* Staging needs blocks; class i8 multiplies codes and stages nothing; what is staged is read as f32. */
static bool staging_applies(const int *value, const struct problem *problem) {
    if (!value[P_WL] && !value[P_XL]) return true;
    if (problem->class != CLASS_F32 || value[P_KB] > 1024) return false;
    return value[P_WL] || !weight_is_quantised(matmul_weight(problem));
}

static const struct constraint constraints[] = {
    PANEL_CONSTRAINTS,
    {"LM * LN <= 256", READS(P_LM) | READS(P_LN), lanes_fit, false},
    {"the tiles are not wasted on n", READS(P_TN) | READS(P_LN) | READS(P_NB), tokens_fit, true},
    {"a block of KB is whole groups", READS(P_KB), blocks_hold_groups, false},
    {"KB cuts K", READS(P_KB), blocks_cut_k, true},
    {"staging is for class f32 and blocks of K; X alone for unquantised W",
     READS(P_KB) | READS(P_WL) | READS(P_XL), staging_applies, false},
};

/* On GPUs 16 × 16 lanes with 4 × 4 sums each, both operands staged. */
static const struct hint hints[] = {
    {DEVICE_CPU, "panel32", "VW=16,RV=2,TN=4,NB=16,KB=all,DOT=vnni"},
    {DEVICE_CPU, "panel32", "VW=16,RV=2,TN=6,NB=4,KB=all,DOT=vnni"},
    {DEVICE_CPU, "panel32", "VW=16,RV=2,TN=8,NB=8,KB=256,DEQ=permute,WL=1"},
    {DEVICE_CPU, "panel32", "VW=16,RV=2,TN=8,NB=16,KB=256"},
    {DEVICE_CPU, "panel16", "VW=8,RV=1,TN=8,NB=16,KB=all,DEQ=load,DOT=avx2"},
    {DEVICE_CPU, "panel16", "VW=8,RV=2,TN=6,UNROLL=4,NB=8,KB=256,WL=1"},
    {DEVICE_CPU, "panel16", "VW=8,RV=2,TN=6,UNROLL=4,NB=16,KB=256"},
    {DEVICE_CPU, "panel16", "VW=8,RV=2,TN=4,NB=16,KB=256"},
    {DEVICE_GPU, "panel64", "VW=4,RV=1,TN=8,UNROLL=4,WI=image,LM=32,LN=8,NB=1,KB=all"},
    {DEVICE_GPU, "panel64", "VW=4,RV=1,TN=4,UNROLL=4,LM=16,LN=16,NB=1,KB=128,WL=1"},
    {DEVICE_GPU, "panel64", "VW=4,RV=4,TN=4,LM=8,LN=16,NB=2,KB=64,WL=1"},
    {DEVICE_GPU, "panel64", "VW=4,RV=1,TN=4,LM=16,LN=16,NB=1,KB=32,WL=1,XL=1"},
    {DEVICE_GPU, "panel64", "VW=4,RV=2,TN=8,LM=8,LN=16,NB=1,KB=32,WL=1,XL=1"},
    {DEVICE_GPU, "panel64", "VW=4,RV=1,TN=8,LM=16,LN=8,NB=1,KB=all"},
    {DEVICE_GPU, "panel64", "VW=4,RV=1,TN=4,LM=16,LN=8,NB=1,KB=all,DOT=dp4a"},
    {0},
};

static bool accepts(const struct problem *problem) {
    return matmul_accepts_panels(problem) && problem->value[F_N] >= 4;
}

static void geometry(const struct config *config, const struct problem *problem,
                     struct geometry *out) {
    const int *v = config->value;
    const size_t rows = (size_t)v[P_VW] * v[P_RV] * v[P_LM];
    const size_t token_tiles = ceil_div(problem->value[F_N], v[P_TN]);
    const size_t groups =
        ceil_div(problem->value[F_M], rows) * ceil_div(token_tiles, (size_t)v[P_LN] * v[P_NB]);
    *out = (struct geometry){
        .n_stages = 2,
        .stage = {matmul_pack_stage(problem, v[P_TN]),
                  {"matmul_tiled", {groups * v[P_LM], v[P_LN], 1}, {v[P_LM], v[P_LN], 1}}},
        .scratch_bytes = matmul_packed_x_bytes(problem, v[P_TN]),
        .local_bytes =
            (v[P_WL] ? v[P_KB] * rows * sizeof(float) : 0) +
            (v[P_XL] ? (size_t)v[P_LN] * v[P_NB] * v[P_KB] * v[P_TN] * sizeof(float) : 0),
        .images = v[P_WI] ? 1u : 0u,
    };
}

/* Eight sums fit the 16 registers of AVX2; eight tiles reuse W from the nearest cache. */
static void fallback(const struct problem *problem, struct config *out) {
    *out = (struct config){.variant = &matmul_tiled};
    int *v = out->value;
    v[P_VW] = 8, v[P_RV] = matmul_default_vectors(problem), v[P_TN] = 4, v[P_UNROLL] = 1;
    v[P_LM] = 1, v[P_LN] = 1, v[P_NB] = problem->value[F_N] > 28 ? 8 : 1, v[P_KB] = 1 << 20,
    v[P_DEQ] = matmul_default_deq(problem);
}

const struct variant matmul_tiled = {
    .name = "tiled",
    .summary = "many tokens: blocks of W and X, staged in local memory or not",
    .source = "kernels/matmul/tiled.cl",
    .params = params,
    .n_params = P_COUNT,
    .constraints = constraints,
    .n_constraints = sizeof constraints / sizeof *constraints,
    .hints = hints,
    .accepts = accepts,
    .geometry = geometry,
    .fallback = fallback,
    .embeds = true,
};
