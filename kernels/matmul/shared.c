/* shared.c: see matmul.h. */
#include "kernels/matmul/matmul.h"
#include "kernels/activation.h"

const struct param_value matmul_deq_values[3] = {{DEQ_CONVERT, "convert", FEATURE_NONE},
                                                 {DEQ_PERMUTE, "permute", FEATURE_x86_avx512},
                                                 {DEQ_LOAD, "load", FEATURE_NONE}};
const struct param_value matmul_dot_values[4] = {{DOT_MUL, "mul", FEATURE_NONE},
                                                 {DOT_VNNI, "vnni", FEATURE_x86_vnni},
                                                 {DOT_AVX2, "avx2", FEATURE_x86_avx2},
                                                 {DOT_DP4A, "dp4a", FEATURE_ptx_dp4a}};
const struct param_value matmul_wi_values[2] = {{0, "buffer", FEATURE_NONE},
                                                {1, "image", FEATURE_images}};

struct weight matmul_weight(const struct problem *problem) {
    return weight_from_int(problem->value[F_W]);
}

bool matmul_accepts_class(const struct problem *problem) {
    const struct weight w = matmul_weight(problem);
    if (!weight_is_quantised(w)) return problem->class == CLASS_F32;
    if (problem->value[F_K] % w.group != 0) return false;
    return problem->class == CLASS_F32 || problem->class == CLASS_I8;
}

bool matmul_accepts_panels(const struct problem *problem) {
    return problem->layout->panel > 1 && matmul_accepts_class(problem);
}

bool matmul_vector_fits(const int *value, const struct problem *problem) {
    return problem->layout->panel % value[P_VW] == 0;
}

/* One vector is never a waste: rows are padded to whole panels. */
bool matmul_rows_fit(const int *value, const struct problem *problem) {
    return value[P_RV] * value[P_LM] == 1 ||
           value[P_VW] * value[P_RV] * value[P_LM] < 2 * problem->value[F_M];
}

int matmul_default_vectors(const struct problem *problem) {
    return problem->value[F_M] > 8 ? 2 : 1;
}

static bool has_halves(const struct problem *problem) {
    return matmul_weight(problem).kind != WEIGHT_f32;
}

int matmul_default_deq(const struct problem *problem) {
    return matmul_weight(problem).kind == WEIGHT_f16 ? DEQ_LOAD : DEQ_CONVERT;
}

/* Vector units want a lane's rows in one vector; where lanes are the vector, long ones only cost
 * registers. */
bool matmul_lanes_suit(const int *value, const struct problem *problem) {
    (void)problem;
    return value[P_LM] == 1 ? value[P_VW] >= 4 : value[P_VW] <= 4;
}

bool matmul_tile_fits(const int *value, const struct problem *problem) {
    (void)problem;
    return value[P_RV] * value[P_TN] <= 28;
}

bool matmul_tokens_fit(const int *value, const struct problem *problem) {
    return value[P_TN] == 1 || value[P_TN] < 2 * problem->value[F_N];
}

bool matmul_unroll_matters(const int *value, const struct problem *problem) {
    return problem->class != CLASS_I8 || value[P_UNROLL] == 1;
}

bool matmul_deq_applies(const int *value, const struct problem *problem) {
    if (value[P_DEQ] == DEQ_CONVERT) return true;
    return has_halves(problem) && (value[P_DEQ] == DEQ_LOAD ? !value[P_WI] : value[P_VW] == 16);
}

bool matmul_dot_applies(const int *value, const struct problem *problem) {
    if (problem->class != CLASS_I8) return value[P_DOT] == DOT_MUL;
    if (value[P_DOT] == DOT_VNNI) return value[P_VW] == 16;
    if (value[P_DOT] == DOT_AVX2) return value[P_VW] == 8;
    return value[P_DOT] == DOT_MUL || value[P_VW] <= 4;
}

bool matmul_image_applies(const int *value, const struct problem *problem) {
    return !value[P_WI] || (value[P_VW] >= 4 && matmul_weight(problem).kind != WEIGHT_f16);
}

size_t matmul_packed_x_bytes(const struct problem *problem, int tn) {
    const int64_t k = problem->value[F_K];
    const int group = matmul_weight(problem).group;
    const size_t tokens = ceil_div(problem->value[F_N], tn) * tn;
    return tokens * activation_row_bytes(problem->class, k, group);
}

struct stage matmul_pack_stage(const struct problem *problem, int tn) {
    const size_t words = problem->class == CLASS_I8 ? problem->value[F_K] / 4 : problem->value[F_K];
    const size_t chunk = problem->class == CLASS_I8 ? 256 : 1024;
    return (struct stage){.entry = "matmul_pack",
                          .global = {ceil_div(words, chunk), ceil_div(problem->value[F_N], tn), 1},
                          .local = {1, 1, 1}};
}
