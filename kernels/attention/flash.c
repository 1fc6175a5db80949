/* flash: many rows of a sequence, Q·K and P·V as products of register tiles. See flash.cl. */
#include "kernels/attention/attention.h"

enum {
    P_WG,
    P_VW,
    P_TR,
    P_HT,
    P_NB,
    P_CB,
    P_RP,
    P_RD,
    P_UNROLL,
    P_KVL,
    P_PF,
    P_HALF,
    P_EXP,
    P_COUNT
};

/* Vectors that may be sums at a time: all registers of AVX-512 and NEON hold 32. */
enum { REGISTERS = 32 };
/* Tiles of fewer rows are mostly copies: the others do those. (The ragged relative of 16 rows has 15.) */
enum { ROWS_LEAST = 15 };

static const struct param params[P_COUNT] = {
    [P_WG] = {"WG", "lanes", WG_VALUES},
    [P_VW] = {"VW", "places of a block, components of V, in a vector", VECTOR_VALUES},
    [P_TR] = {"TR", "rows of a register tile",
              VALUES(V(1), V(2), V(3), V(4), V(5), V(6), V(8), V(10), V(12), V(14))},
    [P_HT] = {"HT", "heads of one KV head that share K and V",
              VALUES(V(1), V(2), V(3), V(4), V(5), V(7))},
    [P_NB] = {"NB", "register tiles a work-group", VALUES(V(1), V(2), V(4), V(8), V(16))},
    [P_CB] = {"CB", "blocks a chunk", VALUES(V(1), V(2), V(4), V(8))},
    [P_RP] = {"RP", "vectors of places in registers", VALUES(V(1), V(2), V(4))},
    [P_RD] = {"RD", "vectors of components in registers", VALUES(V(1), V(2), V(4), V(8))},
    [P_UNROLL] = {"UNROLL", "unroll of the loops over components and places",
                  VALUES(V(1), V(2), V(4))},
    [P_KVL] = {"KVL", "stage K and V in local memory, as floats", VALUES(V(0), V(1))},
    [P_PF] = {"PF", "queries of the next work-group prefetched",
              VALUES(V(0), {1, NULL, FEATURE_x86_avx2})},
    [P_HALF] = {"HALF", "halves to floats", HALF_VALUES},
    [P_EXP] = {"EXP", "exponential", EXP_VALUES},
};

static bool vector_fits(const int *value, const struct problem *problem) {
    return attention_vector_fits(value[P_VW], problem);
}

static bool half_applies(const int *value, const struct problem *problem) {
    return attention_half_applies(value[P_HALF], value[P_VW], problem);
}

static bool heads_fit(const int *value, const struct problem *problem) {
    return problem->value[F_HEADS] / problem->value[F_KVH] % value[P_HT] == 0;
}

static bool rows_are_there(const int *value, const struct problem *problem) {
    return (int64_t)(value[P_NB] - 1) * value[P_TR] < problem->value[F_N];
}

static bool chunk_is_filled(const int *value, const struct problem *problem) {
    return value[P_CB] == 1 || (int64_t)value[P_CB] * POOL_BLOCK < 2 * problem->value[F_L];
}

static bool unit_fits(const int *value, const struct problem *problem) {
    (void)problem;
    return value[P_RP] * value[P_VW] <= POOL_BLOCK;
}

static bool bundles_fit(const int *value, const struct problem *problem) {
    return problem->value[F_D] % (value[P_RD] * value[P_VW]) == 0;
}

static bool scores_fit(const int *value, const struct problem *problem) {
    (void)problem;
    return value[P_TR] * value[P_HT] * value[P_RP] <= REGISTERS;
}

static bool values_fit(const int *value, const struct problem *problem) {
    (void)problem;
    return value[P_TR] * value[P_HT] * value[P_RD] <= REGISTERS;
}

static const struct constraint constraints[] = {
    {"VW divides half of d", READS(P_VW), vector_fits, false},
    {"HT divides heads / kvh", READS(P_HT), heads_fit, false},
    {"(NB - 1) * TR < n", READS(P_TR) | READS(P_NB), rows_are_there, true},
    {"CB is not wasted on l", READS(P_CB), chunk_is_filled, true},
    {"RP * VW <= 32", READS(P_VW) | READS(P_RP), unit_fits, false},
    {"RD * VW divides d", READS(P_VW) | READS(P_RD), bundles_fit, false},
    {"TR * HT * RP <= 32", READS(P_TR) | READS(P_HT) | READS(P_RP), scores_fit, true},
    {"TR * HT * RD <= 32", READS(P_TR) | READS(P_HT) | READS(P_RD), values_fit, true},
    {"HALF is for kv=f16, HALF=x86 for VW=16", READS(P_VW) | READS(P_HALF), half_applies, false},
};

static bool accepts(const struct problem *problem) {
    return attention_accepts(problem) && problem->value[F_N] >= ROWS_LEAST;
}

/* ORDER local: flash.cl */
static size_t local_bytes(const int *v, const struct problem *problem) {
    const size_t d = (size_t)problem->value[F_D], chunk = (size_t)v[P_CB] * POOL_BLOCK;
    const size_t rows = (size_t)v[P_TR] * v[P_NB], queries = rows * v[P_HT];
    const size_t state = queries * (2 * d + chunk + 2 + v[P_VW]) + rows + v[P_NB];
    return (ceil_div(state, 16) * 16 + (v[P_KVL] ? chunk * d : 0)) * sizeof(float);
}

static void geometry(const struct config *config, const struct problem *problem,
                     struct geometry *out) {
    const int *v = config->value;
    const size_t n = problem->value[F_N], heads = problem->value[F_HEADS], wg = v[P_WG];
    const size_t tiles = heads / v[P_HT] * ceil_div(n, (size_t)v[P_TR] * v[P_NB]);
    *out = (struct geometry){.local_bytes = local_bytes(v, problem)};
    if (attention_writes_first(problem))
        out->stage[out->n_stages++] = attention_write_stage(problem);
    out->stage[out->n_stages++] = (struct stage){"attention_flash", {tiles * wg, 1, 1}, {wg, 1, 1}};
}

/* Local memory that every OpenCL 1.2 device has. */
enum { LOCAL_LEAST = 32768 };

/* Six sums of a tile: with vectors of 16 as many registers as AVX2 or NEON have, and most of the speed of
 * twelve with AVX-512. Wide heads get fewer rows. ORDER bits: what split's default sums in the same order */
static void fallback(const struct problem *problem, struct config *out) {
    *out = (struct config){.variant = &attention_flash};
    int *v = out->value;
    v[P_WG] = v[P_HT] = v[P_RP] = v[P_RD] = v[P_UNROLL] = 1;
    v[P_TR] = 6;
    v[P_NB] = v[P_CB] = 2;
    v[P_VW] = attention_widest_vector(problem);
    v[P_HALF] = problem->value[F_KV] == 0;
    v[P_EXP] = 1;
    if (!chunk_is_filled(v, problem)) v[P_CB] = 1;
    if (local_bytes(v, problem) > LOCAL_LEAST) v[P_NB] = 1;
    while (local_bytes(v, problem) > LOCAL_LEAST && v[P_TR] > 1) v[P_TR] /= 2;
}

/* On CPUs two dozen sums fill the registers of AVX-512, one dozen those of AVX2. */
static const struct hint hints[] = {
    {DEVICE_CPU, NULL, "VW=16,TR=12,NB=4,CB=8,RP=2,RD=2,PF=1,HALF=x86"},
    {DEVICE_CPU, NULL, "VW=16,TR=4,HT=3,NB=4,CB=8,RP=2,RD=2,PF=1,HALF=x86"},
    {DEVICE_CPU, NULL, "VW=16,TR=6,NB=16,CB=4,RP=2,RD=4,KVL=1,PF=1,HALF=x86"},
    {DEVICE_CPU, NULL, "VW=8,TR=6,NB=8,CB=4,RP=2,RD=2,KVL=1,HALF=load"},
    {DEVICE_CPU, NULL, "VW=4,TR=6,NB=8,CB=4,RP=4,RD=4,KVL=1,HALF=load"},
    {0},
};

const struct variant attention_flash = {
    .name = "flash",
    .summary = "many rows of a sequence, products of register tiles",
    .source = "kernels/attention/flash.cl",
    .params = params,
    .n_params = P_COUNT,
    .constraints = constraints,
    .n_constraints = COUNT_OF(constraints),
    .accepts = accepts,
    .hints = hints,
    .geometry = geometry,
    .fallback = fallback,
    .embeds = true,
};
