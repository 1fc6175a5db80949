/* naive: a lane a row and head. See naive.cl. */
#include "kernels/attention/attention.h"

enum { P_WG, P_VW, P_HALF, P_EXP, P_COUNT };

static const struct param params[P_COUNT] = {
    [P_WG] = {"WG", "lanes, each a row and head", VALUES(V(1), V(16), V(32), V(64), V(128))},
    [P_VW] = {"VW", "places of a block, components of V, in a vector", VECTOR_VALUES},
    [P_HALF] = {"HALF", "halves to floats", HALF_VALUES},
    [P_EXP] = {"EXP", "exponential", EXP_VALUES},
};

static bool vector_fits(const int *value, const struct problem *problem) {
    return attention_vector_fits(value[P_VW], problem);
}

static bool half_applies(const int *value, const struct problem *problem) {
    return attention_half_applies(value[P_HALF], value[P_VW], problem);
}

static bool lanes_have_work(const int *value, const struct problem *problem) {
    return value[P_WG] == 1 || value[P_WG] < 2 * problem->value[F_N] * problem->value[F_HEADS];
}

static const struct constraint constraints[] = {
    {"WG < 2 * n * heads", READS(P_WG), lanes_have_work, true},
    {"VW divides half of d", READS(P_VW), vector_fits, false},
    {"HALF is for kv=f16, HALF=x86 for VW=16", READS(P_VW) | READS(P_HALF), half_applies, false},
};

static void geometry(const struct config *config, const struct problem *problem,
                     struct geometry *out) {
    const size_t lanes = config->value[P_WG];
    const size_t items = (size_t)(problem->value[F_N] * problem->value[F_HEADS]);
    *out = (struct geometry){0};
    if (attention_writes_first(problem))
        out->stage[out->n_stages++] = attention_write_stage(problem);
    out->stage[out->n_stages++] =
        (struct stage){"attention_naive", {ceil_div(items, lanes) * lanes, 1, 1}, {lanes, 1, 1}};
}

static void fallback(const struct problem *problem, struct config *out) {
    *out = (struct config){.variant = &attention_naive};
    out->value[P_WG] = 1;
    out->value[P_VW] = attention_widest_vector(problem);
    out->value[P_HALF] = problem->value[F_KV] == 0; /* vload_half is part of OpenCL 1.0 */
    out->value[P_EXP] = 1;
}

const struct variant attention_naive = {
    .name = "naive",
    .summary = "a lane a row and head",
    .source = "kernels/attention/naive.cl",
    .params = params,
    .n_params = P_COUNT,
    .constraints = constraints,
    .n_constraints = COUNT_OF(constraints),
    .accepts = attention_accepts,
    .geometry = geometry,
    .fallback = fallback,
    .embeds = true,
};
