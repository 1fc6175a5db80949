/* synthetic.h: a family that exists for tests only: two variants with parameters, constraints and a
 * feature, no source; and a surface of times over its space that looks like a GEMM's. */
#pragma once
#include "tuner/space.h"
#include <math.h>
#include <string.h>

enum { S_WG, S_TM, S_TN, S_VW, S_UNROLL, S_MODE, S_PARAMS };

#define SYNTHETIC_VALUES(name, ...) static const struct param_value name[] = {__VA_ARGS__}
SYNTHETIC_VALUES(synthetic_wg, {32, NULL, FEATURE_NONE}, {64, NULL, FEATURE_NONE},
                 {128, NULL, FEATURE_NONE}, {256, NULL, FEATURE_NONE});
SYNTHETIC_VALUES(synthetic_tile, {1, NULL, FEATURE_NONE}, {2, NULL, FEATURE_NONE},
                 {4, NULL, FEATURE_NONE}, {8, NULL, FEATURE_NONE}, {12, NULL, FEATURE_NONE});
SYNTHETIC_VALUES(synthetic_vw, {1, NULL, FEATURE_NONE}, {2, NULL, FEATURE_NONE},
                 {4, NULL, FEATURE_NONE}, {8, NULL, FEATURE_NONE}, {16, NULL, FEATURE_NONE});
SYNTHETIC_VALUES(synthetic_unroll, {1, NULL, FEATURE_NONE}, {2, NULL, FEATURE_NONE},
                 {4, NULL, FEATURE_NONE}, {8, NULL, FEATURE_NONE});
SYNTHETIC_VALUES(synthetic_mode, {0, "plain", FEATURE_NONE}, {1, "half", FEATURE_fp16});

static const struct param synthetic_params[S_PARAMS] = {
    [S_WG] = {"WG", "work-group size", synthetic_wg, 4},
    [S_TM] = {"TM", "rows of a tile", synthetic_tile, 5},
    [S_TN] = {"TN", "columns of a tile", synthetic_tile, 5},
    [S_VW] = {"VW", "vector width", synthetic_vw, 5},
    [S_UNROLL] = {"UNROLL", "unrolling", synthetic_unroll, 4},
    [S_MODE] = {"MODE", "arithmetic", synthetic_mode, 2},
};

static bool synthetic_tile_fits(const int *v, const struct problem *problem) {
    (void)problem;
    return v[S_TM] * v[S_TN] * v[S_VW] <= 256;
}
static bool synthetic_width_divides(const int *v, const struct problem *problem) {
    (void)problem;
    return v[S_WG] % (v[S_VW] * v[S_TM]) == 0;
}
static bool synthetic_columns_needed(const int *v, const struct problem *problem) {
    return v[S_TN] <= problem->value[2];
}
static const struct constraint synthetic_constraints[] = {
    {"TM * TN * VW <= 256", 1u << S_TM | 1u << S_TN | 1u << S_VW, synthetic_tile_fits, false},
    {"WG % (VW * TM) == 0", 1u << S_WG | 1u << S_TM | 1u << S_VW, synthetic_width_divides, false},
    {"TN <= n", 1u << S_TN, synthetic_columns_needed, true},
};

static bool synthetic_accepts(const struct problem *problem) {
    return problem->layout->panel <= 32;
}
static bool synthetic_accepts_rows(const struct problem *problem) {
    return problem->layout->panel == 1;
}
static void synthetic_geometry(const struct config *config, const struct problem *problem,
                               struct geometry *out) {
    (void)problem;
    *out = (struct geometry){.n_stages = 1};
    out->stage[0] = (struct stage){
        "none", {(size_t)config->value[S_WG], 1, 1}, {(size_t)config->value[S_WG], 1, 1}};
}
static void synthetic_fallback(const struct problem *problem, struct config *out) {
    (void)problem;
    const int value[S_PARAMS] = {32, 1, 1, 1, 1, 0};
    memcpy(out->value, value, sizeof value);
}
static void synthetic_fallback_small(const struct problem *problem, struct config *out) {
    (void)problem;
    out->value[0] = 32;
    out->value[1] = 1;
}

static const struct variant synthetic_alpha = {
    .name = "alpha",
    .summary = "everything",
    .source = "kernels/none.cl",
    .params = synthetic_params,
    .n_params = S_PARAMS,
    .constraints = synthetic_constraints,
    .n_constraints = 3,
    .accepts = synthetic_accepts,
    .geometry = synthetic_geometry,
    .fallback = synthetic_fallback,
};
static const struct variant synthetic_beta = {
    .name = "beta",
    .summary = "little",
    .source = "kernels/none.cl",
    .params = synthetic_params,
    .n_params = 2,
    .accepts = synthetic_accepts_rows,
    .geometry = synthetic_geometry,
    .fallback = synthetic_fallback_small,
};
static const struct variant *const synthetic_variants[] = {&synthetic_alpha, &synthetic_beta, NULL};

static const struct field synthetic_fields[] = {
    {.name = "m",
     .meaning = "rows",
     .kind = FIELD_SIZE,
     .use = USE_ARGUMENT,
     .low = 1,
     .high = 1 << 20,
     .fallback = -1},
    {.name = "k",
     .meaning = "inner",
     .kind = FIELD_SIZE,
     .use = USE_ARGUMENT,
     .low = 1,
     .high = 1 << 20,
     .fallback = -1},
    {.name = "n",
     .meaning = "columns",
     .kind = FIELD_SIZE,
     .use = USE_ARGUMENT,
     .low = 1,
     .high = 1 << 20,
     .fallback = -1},
    {.name = "w",
     .meaning = "weight type",
     .kind = FIELD_WEIGHT,
     .use = USE_DEFINE,
     .fallback = WEIGHT_f32 << 16},
};
/* One operand of weights, so that layouts matter. */
static size_t synthetic_bytes(const struct problem *problem) {
    return (size_t)(problem->value[0] * problem->value[1]) * 4;
}
static const struct operand synthetic_operands[] = {
    {"W", "[m][k]", OPERAND_WEIGHTS, synthetic_bytes},
};
static const struct family synthetic_family = {
    .name = "synthetic",
    .summary = "for tests",
    .fields = synthetic_fields,
    .n_fields = 4,
    .operands = synthetic_operands,
    .n_operands = 1,
    .variants = synthetic_variants,
};
static struct problem synthetic_problem(int64_t n) {
    return (struct problem){.family = &synthetic_family,
                            .value = {1024, 1024, n, WEIGHT_f32 << 16},
                            .layout = &layouts[LAYOUT_rows]};
}

/* Time of a configuration: a wide basin with ridges (each parameter has its best place, some interact)
 * and roughness of ±10 % that is a function of the configuration and the salt. */
static inline double synthetic_time(const struct space *space, int64_t at, uint64_t salt) {
    const struct config config = space_config(space, at), *c = &config;
    int layout = space_problem(space, at).layout->panel;
    double t = 1000;
    t *= 1 + 0.3 * fabs(log2(c->value[S_WG] / 128.0));
    t *= 1 + 0.5 * fabs(log2(c->value[S_TM] / 4.0));
    if (c->variant == &synthetic_alpha) {
        t *= 1 + 0.4 * fabs(log2(c->value[S_TN] / 8.0));
        t *= 1 + 0.3 * fabs(log2(c->value[S_VW] * c->value[S_TM] / 32.0));
        t *= 1 + 0.05 * fabs(log2(c->value[S_UNROLL] * c->value[S_VW] / 16.0));
        t *= c->value[S_MODE] ? 0.9 : 1;
    } else {
        t *= 4;
    }
    t *= layout == 16 ? 1 : 1.15;
    uint64_t hash = salt * 0x9E3779B97F4A7C15u + (uint64_t)at * 0xD1B54A32D192ED03u;
    hash ^= hash >> 31;
    hash *= 0xBF58476D1CE4E5B9u;
    hash ^= hash >> 29;
    return t * (0.9 + 0.2 * (double)(hash >> 40) / (double)(1 << 24));
}
