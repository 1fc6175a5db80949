/* rowdot: row-major layouts, lanes along K. See rowdot.cl. */
#include "kernels/matmul/matmul.h"

enum { R_VW, R_TN, R_LK, R_LR, R_UNROLL, R_DOT, R_WI, R_XI, R_COUNT };

static const struct param params[R_COUNT] = {
    [R_VW] = {"VW", "values along K a step", VALUES(V(4), V(8))},
    [R_TN] = {"TN", "tokens in registers", VALUES(V(1), V(2), V(4), V(8))},
    [R_LK] = {"LK", "lanes along K", VALUES(V(1), V(8), V(16), V(32), V(64), V(128))},
    [R_LR] = {"LR", "rows a work-group", VALUES(V(1), V(2), V(4), V(8))},
    [R_UNROLL] = {"UNROLL", "unroll of the loop over k", VALUES(V(1), V(2), V(4))},
    [R_DOT] = {"DOT", "int8 products",
               VALUES({DOT_MUL, "mul", FEATURE_NONE}, {DOT_DP4A, "dp4a", FEATURE_ptx_dp4a})},
    [R_WI] = {"WI", "W from", matmul_wi_values, 2},
    [R_XI] = {"XI", "X from", matmul_wi_values, 2},
};

static bool vector_is_word(const int *value, const struct problem *problem) {
    const struct weight w = matmul_weight(problem);
    return !weight_is_quantised(w) || value[R_VW] == 32 / weight_kinds[w.kind].bits;
}

static bool tokens_fit(const int *value, const struct problem *problem) {
    return value[R_TN] == 1 || value[R_TN] < 2 * problem->value[F_N];
}

static bool lanes_fit(const int *value, const struct problem *problem) {
    (void)problem;
    return value[R_LK] * value[R_LR] <= 256;
}

static bool lanes_have_work(const int *value, const struct problem *problem) {
    return value[R_LK] <= problem->value[F_K];
}

static bool dot_applies(const int *value, const struct problem *problem) {
    return problem->class == CLASS_I8 || value[R_DOT] == DOT_MUL;
}

static bool x_image_applies(const int *value, const struct problem *problem) {
    return !value[R_XI] || (problem->class == CLASS_F32 && problem->value[F_K] % value[R_VW] == 0 &&
                            problem->value[F_K] % 4 == 0);
}

static const struct constraint constraints[] = {
    {"VW is a word of codes for quantised weights", READS(R_VW), vector_is_word, false},
    {"TN is not wasted on n", READS(R_TN), tokens_fit, true},
    {"LK * LR <= 256", READS(R_LK) | READS(R_LR), lanes_fit, false},
    {"every lane along K has work", READS(R_LK), lanes_have_work, true},
    {"DOT is for class i8", READS(R_DOT), dot_applies, false},
    {"X as an image: class f32, K a multiple of VW", READS(R_VW) | READS(R_XI), x_image_applies,
     false},
};

static const struct hint hints[] = {
    {DEVICE_GPU, "rows", "VW=4,LK=128,LR=1,TN=1,UNROLL=2"},
    {DEVICE_GPU, "rows", "LK=32,LR=4,TN=1"},
    {DEVICE_GPU, "rows", "LK=32,LR=4,TN=4,UNROLL=2"},
    {0},
};

static bool accepts(const struct problem *problem) {
    return problem->layout->panel == 1 && matmul_accepts_class(problem);
}

static void geometry(const struct config *config, const struct problem *problem,
                     struct geometry *out) {
    const int *v = config->value;
    *out = (struct geometry){
        .n_stages = 1,
        .stage = {{"matmul_rowdot",
                   {ceil_div(problem->value[F_M], v[R_LR]) * v[R_LK], v[R_LR], 1},
                   {v[R_LK], v[R_LR], 1}}},
        .local_bytes = v[R_LK] > 1 ? (size_t)v[R_LK] * v[R_LR] * v[R_TN] * sizeof(float) : 0,
        .images = (v[R_WI] ? 1u : 0u) | (v[R_XI] ? 2u : 0u),
    };
}

static void fallback(const struct problem *problem, struct config *out) {
    *out = (struct config){.variant = &matmul_rowdot};
    int *v = out->value;
    const struct weight w = matmul_weight(problem);
    v[R_VW] = weight_is_quantised(w) ? 32 / weight_kinds[w.kind].bits : 4;
    v[R_TN] = 1, v[R_LK] = 1, v[R_LR] = 1, v[R_UNROLL] = 1;
}

const struct variant matmul_rowdot = {
    .name = "rowdot",
    .summary = "row-major W: lanes walk along K together",
    .source = "kernels/matmul/rowdot.cl",
    .params = params,
    .n_params = R_COUNT,
    .constraints = constraints,
    .n_constraints = sizeof constraints / sizeof *constraints,
    .hints = hints,
    .accepts = accepts,
    .geometry = geometry,
    .fallback = fallback,
    .embeds = true,
};
