/* split: queries that share K and V together, the KV range in parts. See split.cl. */
#include "kernels/attention/attention.h"

enum {
    P_WG,
    P_VW,
    P_TR,
    P_HT,
    P_HG,
    P_SPLITS,
    P_CB,
    P_RP,
    P_RD,
    P_UNROLL,
    P_PF,
    P_HALF,
    P_EXP,
    P_COUNT
};

/* Vectors that may be sums at a time. */
enum { REGISTERS = 32 };

static const struct param params[P_COUNT] = {
    [P_WG] = {"WG", "lanes", WG_VALUES},
    [P_VW] = {"VW", "places of a block, components of V, in a vector", VECTOR_VALUES},
    [P_TR] = {"TR", "rows that share K and V", VALUES(V(1), V(2), V(4), V(8))},
    [P_HT] = {"HT", "heads of one KV head that share K and V",
              VALUES(V(1), V(2), V(3), V(4), V(5), V(7))},
    [P_HG] = {"HG", "KV heads, one after another in every chunk",
              VALUES(V(1), V(2), V(4), V(8), V(16), V(32))},
    [P_SPLITS] = {"SPLITS", "parts of the KV range", VALUES(V(1), V(2), V(4), V(8), V(16), V(32))},
    [P_CB] = {"CB", "blocks a chunk", VALUES(V(1), V(2), V(4), V(8))},
    [P_RP] = {"RP", "vectors of places in registers", VALUES(V(1), V(2), V(4))},
    [P_RD] = {"RD", "vectors of components in registers", VALUES(V(1), V(2), V(4), V(8))},
    [P_UNROLL] = {"UNROLL", "components in flight, with sums of their own",
                  VALUES(V(1), V(2), V(4))},
    [P_PF] = {"PF", "blocks to prefetch ahead",
              VALUES(V(0), {1, NULL, FEATURE_x86_avx2}, {2, NULL, FEATURE_x86_avx2})},
    [P_HALF] = {"HALF", "halves to floats", HALF_VALUES},
    [P_EXP] = {"EXP", "exponential", EXP_VALUES},
};

static bool vector_fits(const int *value, const struct problem *problem) {
    return attention_vector_fits(value[P_VW], problem);
}

static bool half_applies(const int *value, const struct problem *problem) {
    return attention_half_applies(value[P_HALF], value[P_VW], problem);
}

static bool rows_are_there(const int *value, const struct problem *problem) {
    return value[P_TR] == 1 || value[P_TR] < 2 * problem->value[F_N];
}

static bool heads_fit(const int *value, const struct problem *problem) {
    return problem->value[F_HEADS] / problem->value[F_KVH] % value[P_HT] == 0;
}

static bool kv_heads_fit(const int *value, const struct problem *problem) {
    return problem->value[F_KVH] % value[P_HG] == 0;
}

static int64_t blocks(const struct problem *problem) {
    return (int64_t)ceil_div((size_t)problem->value[F_L], POOL_BLOCK);
}

static bool parts_have_blocks(const int *value, const struct problem *problem) {
    return value[P_SPLITS] == 1 || value[P_SPLITS] <= blocks(problem);
}

static bool chunk_is_filled(const int *value, const struct problem *problem) {
    return value[P_CB] == 1 || value[P_CB] * value[P_SPLITS] < 2 * blocks(problem);
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
    return value[P_TR] * value[P_HT] * value[P_RP] * value[P_UNROLL] <= REGISTERS;
}

static bool values_fit(const int *value, const struct problem *problem) {
    (void)problem;
    return value[P_TR] * value[P_HT] * value[P_RD] <= REGISTERS;
}

static bool unroll_fits(const int *value, const struct problem *problem) {
    return problem->value[F_D] % value[P_UNROLL] == 0;
}

static const struct constraint constraints[] = {
    {"VW divides half of d", READS(P_VW), vector_fits, false},
    {"TR < 2 * n", READS(P_TR), rows_are_there, true},
    {"HT divides heads / kvh", READS(P_HT), heads_fit, false},
    {"HG divides kvh", READS(P_HG), kv_heads_fit, false},
    {"every part has a block", READS(P_SPLITS), parts_have_blocks, true},
    {"CB is not wasted on a part", READS(P_SPLITS) | READS(P_CB), chunk_is_filled, true},
    {"RP * VW <= 32", READS(P_VW) | READS(P_RP), unit_fits, false},
    {"RD * VW divides d", READS(P_VW) | READS(P_RD), bundles_fit, false},
    {"TR * HT * RP * UNROLL <= 32", READS(P_TR) | READS(P_HT) | READS(P_RP) | READS(P_UNROLL),
     scores_fit, true},
    {"TR * HT * RD <= 32", READS(P_TR) | READS(P_HT) | READS(P_RD), values_fit, true},
    {"UNROLL divides d", READS(P_UNROLL), unroll_fits, false},
    {"HALF is for kv=f16, HALF=x86 for VW=16", READS(P_VW) | READS(P_HALF), half_applies, false},
};

static int64_t largest(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* ORDER local: split.cl */
static size_t local_bytes(const int *v, const struct problem *problem) {
    const int64_t d = problem->value[F_D], queries = (int64_t)v[P_TR] * v[P_HT];
    const int64_t chunk = (int64_t)v[P_CB] * POOL_BLOCK;
    const int64_t meeting = v[P_WG] > 1 ? v[P_WG] * largest(queries, v[P_VW]) : 0;
    return (size_t)(v[P_HG] * queries * d + largest(queries * chunk, 2 * d * v[P_TR]) +
                    chunk / (v[P_RP] * v[P_VW]) + meeting) *
           sizeof(float);
}

static void geometry(const struct config *config, const struct problem *problem,
                     struct geometry *out) {
    const int *v = config->value;
    const size_t n = problem->value[F_N], heads = problem->value[F_HEADS], wg = v[P_WG];
    const size_t tiles = heads / v[P_HT] / v[P_HG] * ceil_div(n, v[P_TR]) * v[P_SPLITS];
    *out = (struct geometry){.local_bytes = local_bytes(v, problem)};
    if (attention_writes_first(problem))
        out->stage[out->n_stages++] = attention_write_stage(problem);
    out->stage[out->n_stages++] = (struct stage){"attention_split", {tiles * wg, 1, 1}, {wg, 1, 1}};
    if (v[P_SPLITS] == 1) return;
    out->stage[out->n_stages++] =
        (struct stage){"attention_split_merge", {n * heads * wg, 1, 1}, {wg, 1, 1}};
    out->scratch_bytes =
        n * heads * v[P_SPLITS] * (size_t)(problem->value[F_D] + 2) * sizeof(float);
}

/* The most, halved until it fits. */
static void halved(int *value, int param, int most,
                   bool (*fits)(const int *value, const struct problem *problem),
                   const struct problem *problem) {
    value[param] = most;
    while (value[param] > 1 && !fits(value, problem)) value[param] /= 2;
}

/* The heads of a group, up to four, share the reads of K and V. ORDER bits: flash's default sums in the same
 * order, so that a row has the same bits in a batch of any size. */
static void fallback(const struct problem *problem, struct config *out) {
    *out = (struct config){.variant = &attention_split};
    int *v = out->value;
    v[P_WG] = v[P_TR] = v[P_HG] = v[P_SPLITS] = v[P_UNROLL] = 1;
    v[P_VW] = attention_widest_vector(problem);
    v[P_HT] = 4;
    while (!heads_fit(v, problem)) v[P_HT]--;
    halved(v, P_RP, 2, unit_fits, problem);
    halved(v, P_RD, 4, bundles_fit, problem);
    halved(v, P_CB, 2, chunk_is_filled, problem);
    v[P_HALF] = problem->value[F_KV] == 0;
    v[P_EXP] = 1;
}

/* On CPUs the heads of a group share the reads of K and V, and sums fill the registers. Without groups
 * memory is what counts: all KV heads in turn read a block as one stream. */
static const struct hint hints[] = {
    {DEVICE_CPU, NULL, "WG=1,VW=16,HT=3,SPLITS=4,CB=8,RP=2,RD=4,UNROLL=2,PF=1,HALF=x86"},
    {DEVICE_CPU, NULL, "WG=1,VW=16,HG=32,SPLITS=8,CB=1,RP=2,RD=8,UNROLL=4,PF=1,HALF=x86"},
    {DEVICE_CPU, NULL, "WG=1,VW=16,HT=3,CB=8,RP=2,RD=4,UNROLL=2,HALF=x86"},
    {DEVICE_CPU, NULL, "WG=1,VW=16,TR=2,HT=3,CB=8,RP=2,RD=4,HALF=x86"},
    {DEVICE_CPU, NULL, "WG=1,VW=16,HT=4,CB=4,RP=2,RD=4,PF=2,HALF=x86"},
    {DEVICE_CPU, NULL, "WG=1,VW=8,HT=3,SPLITS=4,CB=8,RP=2,RD=4,PF=1,HALF=load"},
    {DEVICE_CPU, NULL, "WG=1,VW=8,HG=32,SPLITS=8,CB=1,RP=2,RD=4,PF=1,HALF=load"},
    {DEVICE_CPU, NULL, "WG=1,VW=8,HT=3,SPLITS=4,CB=8,RP=2,RD=4,HALF=load"},
    {DEVICE_CPU, NULL, "WG=1,VW=8,HG=8,SPLITS=4,CB=1,RP=2,RD=4,HALF=load"},
    {DEVICE_CPU, NULL, "WG=1,VW=8,HT=1,CB=4,RP=2,RD=4,HALF=load"},
    {0},
};

const struct variant attention_split = {
    .name = "split",
    .summary = "rows and heads that share K and V together, the KV range in parts",
    .source = "kernels/attention/split.cl",
    .params = params,
    .n_params = P_COUNT,
    .constraints = constraints,
    .n_constraints = COUNT_OF(constraints),
    .accepts = attention_accepts,
    .hints = hints,
    .geometry = geometry,
    .fallback = fallback,
    .embeds = true,
};
