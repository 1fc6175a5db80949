/* skinny: some tokens; a block of W meets all of them while it is near. See skinny.cl. */
#include "kernels/matmul/matmul.h"

enum { P_NB = P_SHARED, P_KB, P_BLOCKS, P_NG, P_XP, P_GS, P_PF, P_COUNT };
enum { ALL = 1 << 20 };

static const struct param params[P_COUNT] = {
    PANEL_PARAMS(VALUES(V(1), V(2), V(4), V(6), V(8), V(12), V(16))),
    [P_LM] = {"LM", "lanes along the rows", VALUES(V(1), V(16), V(32), V(64))},
    [P_NB] = {"NB", "register tiles a pass", VALUES(V(1), V(2), V(4), V(8), V(11), V(16))},
    [P_KB] = {"KB", "columns of W a block",
              VALUES(V(128), V(256), V(512), V(1024), {ALL, "all", FEATURE_NONE})},
    [P_BLOCKS] = {"BLOCKS", "row blocks a work-group", VALUES(V(1), V(4), V(16))},
    [P_NG] = {"NG", "tokens a work-group", VALUES(V(128), V(256), {ALL, "all", FEATURE_NONE})},
    [P_XP] = {"XP", "X as", VALUES({0, "rows", FEATURE_NONE}, {1, "tiles", FEATURE_NONE})},
    [P_GS] = {"GS", "scale and zero per",
              VALUES({0, "weight", FEATURE_NONE}, {1, "group", FEATURE_NONE})},
    [P_PF] = {"PF", "prefetch distance in KiB",
              VALUES(V(0), {1, NULL, FEATURE_x86_avx2}, {4, NULL, FEATURE_x86_avx2})},
};

static bool passes_fit(const int *value, const struct problem *problem) {
    const int64_t tokens = value[P_NG] < problem->value[F_N]
                               ? value[P_NG] / value[P_TN] * value[P_TN]
                               : problem->value[F_N];
    return value[P_NB] == 1 || (value[P_NB] - 1) * value[P_TN] < tokens;
}

static bool blocks_matter(const int *value, const struct problem *problem) {
    if (value[P_NB] == 1) return value[P_KB] == ALL;
    return value[P_KB] == ALL || value[P_KB] < problem->value[F_K];
}

static bool blocks_leave_groups(const int *value, const struct problem *problem) {
    const int64_t rows = (int64_t)value[P_VW] * value[P_RV] * value[P_LM] * value[P_BLOCKS];
    return value[P_BLOCKS] == 1 || rows * 2 <= problem->value[F_M];
}

static bool tokens_are_cut(const int *value, const struct problem *problem) {
    return value[P_NG] == ALL || value[P_NG] < problem->value[F_N];
}

static bool group_scale_applies(const int *value, const struct problem *problem) {
    return !value[P_GS] ||
           (problem->class == CLASS_F32 && weight_is_quantised(matmul_weight(problem)) &&
            value[P_RV] * value[P_TN] <= 14);
}

static bool prefetch_applies(const int *value, const struct problem *problem) {
    (void)problem;
    return !value[P_PF] || !value[P_WI];
}

static const struct constraint constraints[] = {
    PANEL_CONSTRAINTS,
    {"NB tiles are not wasted on n", READS(P_TN) | READS(P_NB) | READS(P_NG), passes_fit, true},
    {"KB cuts K, and matters with several tiles", READS(P_NB) | READS(P_KB), blocks_matter, true},
    {"BLOCKS leaves two work-groups", READS(P_VW) | READS(P_RV) | READS(P_LM) | READS(P_BLOCKS),
     blocks_leave_groups, true},
    {"NG cuts n", READS(P_NG), tokens_are_cut, true},
    {"GS=group needs quantised weights in class f32 and registers",
     READS(P_RV) | READS(P_TN) | READS(P_GS), group_scale_applies, false},
    {"PF is for buffers", READS(P_WI) | READS(P_PF), prefetch_applies, false},
};

/* On CPUs: 2 × 8 vectors of sums stay in 32 registers, 2 × 6 in 16, and a strip of W meets all tokens. On
 * GPUs lanes are rows. */
static const struct hint hints[] = {
    {DEVICE_CPU, NULL, "VW=16,RV=1,TN=8,DOT=vnni,NB=4,KB=all,BLOCKS=4,XP=tiles"},
    {DEVICE_CPU, "panel32", "VW=16,RV=2,TN=12,UNROLL=4,NB=1,KB=all,BLOCKS=16,PF=4"},
    {DEVICE_CPU, "panel16", "VW=16,RV=2,TN=8,UNROLL=4,NB=2,KB=all,BLOCKS=4,XP=tiles,PF=4"},
    {DEVICE_CPU, "panel16", "VW=16,RV=2,TN=8,UNROLL=4,NB=2,KB=all,BLOCKS=4,NG=256,XP=tiles,PF=4"},
    {DEVICE_CPU, "panel16", "VW=8,RV=1,TN=8,DEQ=load,DOT=avx2,NB=4,KB=all,BLOCKS=4,XP=tiles"},
    {DEVICE_CPU, "panel16", "VW=8,RV=2,TN=6,UNROLL=4,NB=2,KB=all,BLOCKS=4,XP=tiles,PF=4"},
    {DEVICE_CPU, "panel32", "VW=16,RV=2,TN=8,NB=16,KB=256,XP=tiles"},
    {DEVICE_CPU, "panel32", "VW=16,RV=2,TN=8,DEQ=permute,NB=4,KB=all,XP=tiles,PF=1"},
    {DEVICE_CPU, "panel32", "VW=16,RV=2,TN=8,NB=4,KB=256,PF=1"},
    {DEVICE_CPU, "panel32", "VW=16,RV=2,TN=4,NB=1,KB=all"},
    {DEVICE_CPU, "panel16", "VW=8,RV=2,TN=4,NB=4,KB=256,XP=tiles"},
    {DEVICE_GPU, "panel32", "VW=1,RV=1,TN=8,LM=32,NB=1,KB=all,DOT=dp4a"},
    {DEVICE_GPU, "panel64", "VW=2,RV=1,TN=8,LM=32,NB=1,KB=all"},
    {0},
};

static bool accepts(const struct problem *problem) {
    return matmul_accepts_panels(problem) && problem->value[F_N] >= 2;
}

static void geometry(const struct config *config, const struct problem *problem,
                     struct geometry *out) {
    const int *v = config->value;
    const size_t tiles = ceil_div(problem->value[F_M], (size_t)v[P_VW] * v[P_RV] * v[P_LM]);
    const size_t parts = ceil_div(ceil_div(problem->value[F_N], v[P_TN]), v[P_NG] / v[P_TN]);
    *out = (struct geometry){.images = v[P_WI] ? 1u : 0u};
    if (v[P_XP]) {
        out->stage[out->n_stages++] = matmul_pack_stage(problem, v[P_TN]);
        out->scratch_bytes = matmul_packed_x_bytes(problem, v[P_TN]);
    }
    out->stage[out->n_stages++] = (struct stage){
        "matmul_skinny", {ceil_div(tiles, v[P_BLOCKS]) * v[P_LM], parts, 1}, {v[P_LM], 1, 1}};
}

static void fallback(const struct problem *problem, struct config *out) {
    *out = (struct config){.variant = &matmul_skinny};
    int *v = out->value;
    v[P_VW] = 8, v[P_RV] = matmul_default_vectors(problem), v[P_TN] = 2, v[P_UNROLL] = 1,
    v[P_LM] = 1, v[P_NB] = 1;
    v[P_KB] = ALL, v[P_BLOCKS] = 1, v[P_NG] = ALL, v[P_DEQ] = matmul_default_deq(problem);
}

const struct variant matmul_skinny = {
    .name = "skinny",
    .summary = "some tokens: a block of W meets all tokens while it is in the nearest cache",
    .source = "kernels/matmul/skinny.cl",
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
