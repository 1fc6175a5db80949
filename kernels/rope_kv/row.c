/* row: work-groups take parts of a row's heads. See row.cl. */
#include "kernels/rope_kv/rope_kv.h"

enum { RUN = 8 }; /* rows that write their K together. ORDER run: row.cl */
enum { P_WG, P_VW, P_PARTS, P_TR, P_PF, P_HALF, P_COUNT };

static const struct param params[P_COUNT] = {
    [P_WG] = {"WG", "lanes", WG_VALUES},
    [P_VW] = {"VW", "components in a vector", VALUES(V(1), V(2), V(4), V(8), V(16))},
    [P_PARTS] = {"PARTS", "work-groups a row, or TR rows", VALUES(V(1), V(2), V(4), V(8))},
    [P_TR] = {"TR", "rows a work-group", VALUES(V(1), V(8), V(16), V(32), V(64))},
    [P_PF] = {"PF", "heads to prefetch ahead",
              VALUES(V(0), {2, NULL, FEATURE_x86_avx2}, {4, NULL, FEATURE_x86_avx2},
                     {8, NULL, FEATURE_x86_avx2}, {16, NULL, FEATURE_x86_avx2})},
    [P_HALF] = {"HALF", "floats to halves",
                VALUES({0, "integer", FEATURE_NONE}, {2, "x86", FEATURE_x86_avx512})},
};

static bool vectors_fit(const int *value, const struct problem *problem) {
    return problem->value[F_D] / 2 % value[P_VW] == 0;
}

/* Pairs of vectors in a row. */
static int64_t units(const int *value, const struct problem *problem) {
    const int64_t heads = problem->value[F_HEADS] + 2 * problem->value[F_KVH];
    return heads * (problem->value[F_D] / 2 / value[P_VW]);
}

static bool work_is_there(const int *value, const struct problem *problem) {
    const int64_t lanes = (int64_t)value[P_WG] * value[P_PARTS];
    return lanes == 1 || lanes < 2 * units(value, problem);
}

static bool half_applies(const int *value, const struct problem *problem) {
    return value[P_HALF] == 0 || (problem->value[F_KV] == 0 && value[P_VW] == 16);
}

static bool rows_are_there(const int *value, const struct problem *problem) {
    const int64_t n = problem->value[F_N];
    return value[P_TR] == 1 || (n >= RUN && value[P_TR] / 2 < n);
}

static bool run_applies(const int *value, const struct problem *problem) {
    return value[P_TR] == 1 || problem->value[F_KV] == 0;
}

static const struct constraint constraints[] = {
    {"VW divides half of d", READS(P_VW), vectors_fit, false},
    {"WG * PARTS leaves no lane idle", READS(P_WG) | READS(P_VW) | READS(P_PARTS), work_is_there,
     true},
    {"TR leaves rows to do", READS(P_TR), rows_are_there, true},
    {"TR > 1 is for kv=f16", READS(P_TR), run_applies, false},
    {"HALF=x86 is for kv=f16 and VW=16", READS(P_VW) | READS(P_HALF), half_applies, false},
};

static bool accepts(const struct problem *problem) {
    return problem->class == CLASS_F32 && problem->value[F_D] % 2 == 0;
}

static void geometry(const struct config *config, const struct problem *problem,
                     struct geometry *out) {
    const size_t lanes = config->value[P_WG], parts = config->value[P_PARTS];
    const size_t tiles = ceil_div(problem->value[F_N], config->value[P_TR]);
    *out = (struct geometry){
        .n_stages = 1,
        .stage = {{"rope_kv_row", {tiles * parts * lanes, 1, 1}, {lanes, 1, 1}}},
    };
}

static void fallback(const struct problem *problem, struct config *out) {
    *out = (struct config){.variant = &rope_kv_row};
    out->value[P_WG] = 1;
    out->value[P_PARTS] = 1;
    out->value[P_TR] = 1;
    out->value[P_VW] = 16;
    while (!vectors_fit(out->value, problem)) out->value[P_VW] /= 2;
}

/* CPUs: a lane a work-group, with rows enough for runs of them. */
static const struct hint hints[] = {
    {DEVICE_CPU, NULL, "WG=1,VW=16,PARTS=1,TR=32,PF=8,HALF=x86"},
    {DEVICE_CPU, NULL, "WG=1,VW=16,PARTS=1,HALF=x86"},
    {DEVICE_CPU, NULL, "WG=1,VW=8,PARTS=1,TR=32,PF=8"},
    {DEVICE_CPU, NULL, "WG=1,VW=8,PARTS=1"},
    {0},
};

const struct variant rope_kv_row = {
    .name = "row",
    .summary = "work-groups take parts of a row's heads",
    .source = "kernels/rope_kv/row.cl",
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
