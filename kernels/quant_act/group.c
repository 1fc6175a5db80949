/* group: a lane rounds bundles of whole groups. See group.cl. */
#include "kernels/quant_act/quant_act.h"

enum { P_WG, P_VW, P_PER, P_PF, P_SIDE, P_COUNT };

static const struct param params[P_COUNT] = {
    [P_WG] = {"WG", "lanes", WG_VALUES},
    [P_VW] = {"VW", "values in a vector", VALUES(V(1), V(4), V(8), V(16))},
    [P_PER] = {"PER", "bundles of groups a lane", VALUES(V(1), V(2), V(4), V(8), V(16), V(64))},
    [P_PF] = {"PF", "bundles to prefetch ahead, as they lie in a row",
              VALUES(V(0), {1, NULL, FEATURE_x86_avx2}, {2, NULL, FEATURE_x86_avx2})},
    [P_SIDE] = SIDE_PARAM,
};

static size_t bundles(const int *value, const struct problem *problem) {
    return rows_bundles(quant_act_rows(problem), value[P_SIDE], value[P_VW]) * problem->value[F_N];
}

static bool work_is_there(const int *value, const struct problem *problem) {
    return value[P_PER] == 1 || (size_t)value[P_WG] * (value[P_PER] / 2) < bundles(value, problem);
}

static bool side_applies(const int *value, const struct problem *problem) {
    return rows_side_applies(quant_act_rows(problem), value[P_SIDE], value[P_VW]);
}

static const struct constraint constraints[] = {
    {"PER leaves no lane idle", READS(P_WG) | READS(P_VW) | READS(P_PER) | READS(P_SIDE),
     work_is_there, true},
    SIDE_CONSTRAINT(P_VW, P_SIDE, side_applies),
};

static bool accepts(const struct problem *problem) {
    return problem->class == CLASS_F32 && rows_fit(quant_act_rows(problem));
}

static void geometry(const struct config *config, const struct problem *problem,
                     struct geometry *out) {
    const int *v = config->value;
    const size_t tiles = ceil_div(bundles(v, problem), (size_t)v[P_WG] * v[P_PER]);
    *out = (struct geometry){
        .n_stages = 1,
        .stage = {{"quant_act_group", {tiles * v[P_WG], 1, 1}, {v[P_WG], 1, 1}}},
    };
}

static void fallback(const struct problem *problem, struct config *out) {
    *out = (struct config){.variant = &quant_act_group};
    out->value[P_WG] = 1;
    out->value[P_VW] = 16;
    out->value[P_SIDE] = 1;
    out->value[P_PER] = 4;
    if (!work_is_there(out->value, problem)) out->value[P_PER] = 1;
}

const struct variant quant_act_group = {
    .name = "group",
    .summary = "a lane rounds whole groups",
    .source = "kernels/quant_act/group.cl",
    .params = params,
    .n_params = P_COUNT,
    .constraints = constraints,
    .n_constraints = COUNT_OF(constraints),
    .accepts = accepts,
    .geometry = geometry,
    .fallback = fallback,
    .embeds = true,
};
