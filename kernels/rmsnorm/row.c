/* row: a work-group a row. See row.cl. */
#include "kernels/rmsnorm/rmsnorm.h"

enum { P_WG, P_VW, P_UNROLL, P_SIDE, P_COUNT };

static const struct param params[P_COUNT] = {
    [P_WG] = {"WG", "lanes of a row", WG_VALUES},
    [P_VW] = {"VW", "values in a vector", VALUES(V(1), V(4), V(8), V(16))},
    [P_UNROLL] = {"UNROLL", "vectors in flight, with sums of their own", VALUES(V(1), V(2), V(4))},
    [P_SIDE] = SIDE_PARAM,
};

static bool lanes_have_work(const int *value, const struct problem *problem) {
    return value[P_WG] == 1 || (int64_t)value[P_WG] * value[P_VW] < 2 * problem->value[F_K];
}

static bool unroll_has_work(const int *value, const struct problem *problem) {
    return value[P_UNROLL] == 1 ||
           (int64_t)value[P_WG] * value[P_VW] * (value[P_UNROLL] / 2) < problem->value[F_K];
}

static bool side_applies(const int *value, const struct problem *problem) {
    return rows_side_applies(rmsnorm_rows(problem), value[P_SIDE], value[P_VW]);
}

static const struct constraint constraints[] = {
    {"WG * VW is not wasted on k", READS(P_WG) | READS(P_VW), lanes_have_work, true},
    {"UNROLL is not wasted on k", READS(P_WG) | READS(P_VW) | READS(P_UNROLL), unroll_has_work,
     true},
    SIDE_CONSTRAINT(P_VW, P_SIDE, side_applies),
};

static bool accepts(const struct problem *problem) {
    return problem->class == CLASS_F32 && rows_fit(rmsnorm_rows(problem));
}

static void geometry(const struct config *config, const struct problem *problem,
                     struct geometry *out) {
    const size_t lanes = config->value[P_WG];
    *out = (struct geometry){
        .n_stages = 1,
        .stage = {{"rmsnorm_row", {problem->value[F_N] * lanes, 1, 1}, {lanes, 1, 1}}},
        .local_bytes = lanes > 1 ? lanes * sizeof(float) : 0,
    };
}

static void fallback(const struct problem *problem, struct config *out) {
    *out = (struct config){.variant = &rmsnorm_row};
    out->value[P_WG] = 1;
    out->value[P_VW] = 16;
    out->value[P_UNROLL] = 2;
    if (!unroll_has_work(out->value, problem)) out->value[P_UNROLL] = 1;
    out->value[P_SIDE] = problem->value[F_O] == ROWS_I8;
}

const struct variant rmsnorm_row = {
    .name = "row",
    .summary = "a work-group a row",
    .source = "kernels/rmsnorm/row.cl",
    .params = params,
    .n_params = P_COUNT,
    .constraints = constraints,
    .n_constraints = COUNT_OF(constraints),
    .accepts = accepts,
    .geometry = geometry,
    .fallback = fallback,
    .embeds = true,
};
