/* mutants.h: variants of matmul that are right, or wrong in one way each, to prove that every gate of
 * check can fail. They are no part of the registry: a configuration names its variant, and the source is
 * found by embedded_find, which is defined here.
 *
 *     C[n][m] = Σ over k of W[m][k] · X[n][k], f32, layout rows; "here" is one element in the middle */
#pragma once
#include "base/embedded.h"
#include "kernels/check.h"
#include <string.h>

enum fault {
    FAULT_NONE,
    FAULT_ONE_OFF,        /* the element here is off by 1 */
    FAULT_BEFORE,         /* the float before C is written */
    FAULT_BEHIND,         /* the float behind C is written */
    FAULT_BEFORE_SCRATCH, /* the same with scratch */
    FAULT_BEHIND_SCRATCH,
    FAULT_GAP,       /* the float behind a row of a strided C is written */
    FAULT_UNWRITTEN, /* the element here is left as it is */
    FAULT_LATER,     /* right the first time, off by 1 from then on: a race's stand-in */
    FAULT_STOPS,     /* right the first time, nothing is written from then on */
    FAULTS
};
enum { P_FAULT, P_MUTANT };

/* Scratch holds the number of earlier runs since check poisoned it. */
static const char mutant_source[] =
    "#include \"kernels/common.clh\"\n"
    "__kernel void SYM(mutant)(OPERAND(const float, W), OPERAND(const float, X), OPERAND(float, "
    "C),\n"
    "                          OPERAND(const float, R), OPERAND(int, scratch), int M, int K,\n"
    "                          int N, int ldc) {\n"
    "    VIEW(const float, W);\n"
    "    VIEW(const float, X);\n"
    "    VIEW(float, C);\n"
    "    VIEW(int, scratch);\n"
    "    const int m = get_global_id(0), n = get_global_id(1), stride = ldc ? ldc : M;\n"
    "    const int first = m == 0 && n == 0, here = m == M / 2 + 1 && n == N / 2;\n"
    "    const int is_later = scratch[0] == 1;\n"
    "    float sum = 0;\n"
    "    for (int k = 0; k < K; k++) sum = fma(W[(long)m * K + k], X[(long)n * K + k], sum);\n"
    "    if (FAULT == 1 && here) sum += 1;\n"
    "    if (FAULT == 2 && first) C[-1] = 0;\n"
    "    if (FAULT == 3 && first) C[stride * N] = 0;\n"
    "    if (FAULT == 4 && first) scratch[-1] = 0;\n"
    "    if (FAULT == 5 && first) scratch[4] = 0;\n"
    "    if (FAULT == 6 && m == M - 1 && n == 0 && ldc > M) C[M] = sum;\n"
    "    if (FAULT == 7 && here) return;\n"
    "    if (FAULT == 8 && here && is_later) sum += 1;\n"
    "    if (FAULT == 9 && is_later) return;\n"
    "    C[(long)n * stride + m] = sum;\n"
    "}\n"
    "__kernel void SYM(mutant_count)(OPERAND(const float, W), OPERAND(const float, X),\n"
    "                                OPERAND(float, C), OPERAND(const float, R),\n"
    "                                OPERAND(int, scratch), int M, int K, int N, int ldc) {\n"
    "    VIEW(int, scratch);\n"
    "    scratch[0] = 1;\n"
    "}\n";

const struct embedded *embedded_find(const char *path) {
    static const struct embedded mutant = {"tests/mutant.cl", mutant_source, 0x5eed};
    if (!strcmp(path, mutant.path)) return &mutant;
    for (const struct embedded *file = embedded_files; file->path; file++)
        if (!strcmp(file->path, path)) return file;
    return NULL;
}

#define FAULT_VALUE(n)                                                                             \
    { n, NULL, FEATURE_NONE }
static const struct param_value mutant_faults[FAULTS] = {
    FAULT_VALUE(0), FAULT_VALUE(1), FAULT_VALUE(2), FAULT_VALUE(3), FAULT_VALUE(4),
    FAULT_VALUE(5), FAULT_VALUE(6), FAULT_VALUE(7), FAULT_VALUE(8), FAULT_VALUE(9)};
static const struct param mutant_params[P_MUTANT] = {
    [P_FAULT] = {"FAULT", "what is wrong with it", mutant_faults, FAULTS},
};

static bool mutant_accepts(const struct problem *problem) {
    return problem->class == CLASS_F32 && problem->layout == &layouts[LAYOUT_rows];
}

static void mutant_geometry(const struct config *config, const struct problem *problem,
                            struct geometry *out) {
    const size_t m = (size_t)problem_get(problem, "m"), n = (size_t)problem_get(problem, "n");
    (void)config;
    *out = (struct geometry){
        .n_stages = 2,
        .stage = {{"mutant", {m, n, 1}, {1, 1, 1}}, {"mutant_count", {1, 1, 1}, {1, 1, 1}}},
        .scratch_bytes = 4 * sizeof(int)};
}

static void mutant_fallback(const struct problem *problem, struct config *out);
static const struct variant mutant_variant = {
    .name = "mutant",
    .summary = "for tests",
    .source = "tests/mutant.cl",
    .params = mutant_params,
    .n_params = P_MUTANT,
    .accepts = mutant_accepts,
    .geometry = mutant_geometry,
    .fallback = mutant_fallback,
};
static void mutant_fallback(const struct problem *problem, struct config *out) {
    (void)problem;
    *out = (struct config){.variant = &mutant_variant};
}

static inline struct config mutant_config(enum fault fault) {
    return (struct config){.variant = &mutant_variant, .value = {fault}};
}
