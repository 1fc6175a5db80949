/* gemv: few tokens; K may be split over lanes and over work-groups. See gemv.cl. */
#include "kernels/matmul/matmul.h"

enum { P_KL = P_SHARED, P_SK, P_BLOCKS, P_GS, P_PF, P_COUNT };

static const struct param params[P_COUNT] = {
    PANEL_PARAMS(VALUES(V(1), V(2), V(4), V(8))),
    [P_LM] = {"LM", "lanes along the rows", VALUES(V(1), V(8), V(16), V(32), V(64))},
    [P_KL] = {"KL", "lanes along K", VALUES(V(1), V(2), V(4), V(8), V(16))},
    [P_SK] = {"SK", "work-groups along K", VALUES(V(1), V(2), V(4), V(8))},
    [P_BLOCKS] = {"BLOCKS", "row blocks a work-group",
                  VALUES(V(1), V(2), V(4), V(8), V(16), V(32))},
    [P_GS] = {"GS", "scale and zero per",
              VALUES({0, "weight", FEATURE_NONE}, {1, "group", FEATURE_NONE})},
    [P_PF] = {"PF", "prefetch distance in KiB",
              VALUES(V(0), {1, NULL, FEATURE_x86_avx2}, {2, NULL, FEATURE_x86_avx2},
                     {4, NULL, FEATURE_x86_avx2}, {8, NULL, FEATURE_x86_avx2})},
};

static bool lanes_fit(const int *value, const struct problem *problem) {
    (void)problem;
    return value[P_LM] * value[P_KL] <= 256;
}

static bool slices_have_work(const int *value, const struct problem *problem) {
    const struct weight w = matmul_weight(problem);
    const int step = weight_is_quantised(w) ? w.group : 16;
    return value[P_KL] * value[P_SK] == 1 ||
           (int64_t)value[P_KL] * value[P_SK] * step <= problem->value[F_K];
}

static bool blocks_leave_groups(const int *value, const struct problem *problem) {
    const int64_t rows = (int64_t)value[P_VW] * value[P_RV] * value[P_LM] * value[P_BLOCKS];
    return value[P_BLOCKS] == 1 || rows * 2 <= problem->value[F_M];
}

static bool group_scale_applies(const int *value, const struct problem *problem) {
    return !value[P_GS] ||
           (problem->class == CLASS_F32 && weight_is_quantised(matmul_weight(problem)));
}

static bool prefetch_applies(const int *value, const struct problem *problem) {
    (void)problem;
    return !value[P_PF] || !value[P_WI];
}

static const struct constraint constraints[] = {
    PANEL_CONSTRAINTS,
    {"LM * KL <= 256", READS(P_LM) | READS(P_KL), lanes_fit, false},
    {"every slice of K has work", READS(P_KL) | READS(P_SK), slices_have_work, true},
    {"BLOCKS leaves two work-groups", READS(P_VW) | READS(P_RV) | READS(P_LM) | READS(P_BLOCKS),
     blocks_leave_groups, true},
    {"GS=group needs quantised weights in class f32", READS(P_GS), group_scale_applies, false},
    {"PF is for buffers", READS(P_WI) | READS(P_PF), prefetch_applies, false},
};

/* On CPUs a lane is a core that streams one vector of rows, ahead of the prefetcher; floats want two, so
 * that a value of X serves twice. On GPUs lanes are rows, and several share a row's K. */
static const struct hint hints[] = {
    {DEVICE_CPU, "panel16", "VW=16,RV=1,DOT=vnni,BLOCKS=4,PF=4"},
    {DEVICE_CPU, "panel32", "VW=16,RV=2,DOT=vnni,BLOCKS=4,PF=4"},
    {DEVICE_CPU, "panel32", "VW=16,RV=2,UNROLL=4,DEQ=permute,GS=group,PF=4"},
    {DEVICE_CPU, "panel16", "VW=16,RV=2,UNROLL=4,DEQ=permute,PF=4"},
    {DEVICE_CPU, "panel32", "VW=16,RV=2,UNROLL=4,PF=4"},
    {DEVICE_CPU, "panel16", "VW=8,RV=2,DEQ=load,DOT=avx2,BLOCKS=4,PF=4"},
    {DEVICE_CPU, "panel16", "VW=8,RV=2,UNROLL=4,BLOCKS=4,PF=4"},
    {DEVICE_CPU, "panel16", "VW=8,RV=2"},
    {DEVICE_GPU, "panel32", "VW=1,LM=32,KL=4,DOT=dp4a"},
    {DEVICE_GPU, "panel32", "VW=1,LM=32,KL=8,GS=group"},
    {DEVICE_GPU, "panel32", "VW=1,RV=2,TN=8,UNROLL=2,LM=16,KL=16"},
    {DEVICE_GPU, "panel64", "VW=4,UNROLL=2,LM=32,KL=4,SK=8,GS=group"},
    {DEVICE_GPU, "panel64", "VW=2,LM=32,KL=4"},
    {DEVICE_GPU, "panel64", "VW=4,LM=16,KL=8,SK=4"},
    {0},
};

static bool accepts(const struct problem *problem) {
    return matmul_accepts_panels(problem) && problem->value[F_N] <= 16;
}

static void geometry(const struct config *config, const struct problem *problem,
                     struct geometry *out) {
    const int *v = config->value;
    const size_t m = problem->value[F_M], n = problem->value[F_N];
    const size_t tiles = ceil_div(m, (size_t)v[P_VW] * v[P_RV] * v[P_LM]);
    const size_t lanes = (size_t)v[P_LM] * v[P_KL];
    *out = (struct geometry){
        .n_stages = 1,
        .stage = {{"matmul_gemv",
                   {ceil_div(tiles, v[P_BLOCKS]) * v[P_SK] * lanes, 1, 1},
                   {lanes, 1, 1}}},
        .local_bytes = v[P_KL] > 1 ? lanes * v[P_RV] * v[P_TN] * v[P_VW] * sizeof(float) : 0,
        .images = v[P_WI] ? 1u : 0u,
    };
    if (v[P_SK] > 1) {
        out->stage[out->n_stages++] = (struct stage){"matmul_gemv_sum", {m, n, 1}, {1, 1, 1}};
        out->scratch_bytes = v[P_SK] * m * n * sizeof(float);
    }
}

static void fallback(const struct problem *problem, struct config *out) {
    *out = (struct config){.variant = &matmul_gemv};
    int *v = out->value;
    v[P_VW] = 8, v[P_RV] = matmul_default_vectors(problem), v[P_UNROLL] = 1, v[P_KL] = 1,
    v[P_SK] = 1, v[P_LM] = 1, v[P_BLOCKS] = 1, v[P_DEQ] = matmul_default_deq(problem);
    v[P_TN] = problem->value[F_N] >= 3 ? 4 : (int)problem->value[F_N];
}

const struct variant matmul_gemv = {
    .name = "gemv",
    .summary = "few tokens: W streams once, K split over lanes and work-groups",
    .source = "kernels/matmul/gemv.cl",
    .params = params,
    .n_params = P_COUNT,
    .constraints = constraints,
    .n_constraints = sizeof constraints / sizeof *constraints,
    .hints = hints,
    .accepts = accepts,
    .geometry = geometry,
    .fallback = fallback,
    .embeds = true,
    .phase = "matmul_gemv_phase",
};
