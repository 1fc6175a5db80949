/* part: work-groups take parts of the rows. See part.cl. */
#include "kernels/swiglu/swiglu.h"

enum { P_WG, P_VW, P_PER, P_EXP, P_SIDE, P_COUNT };

static const struct param params[P_COUNT] = {
    [P_WG] = {"WG", "lanes", WG_VALUES},
    [P_VW] = {"VW", "values in a vector", VALUES(V(1), V(4), V(8), V(16))},
    [P_PER] = {"PER", "vectors (i8: bundles of groups) a lane",
               VALUES(V(1), V(2), V(4), V(8), V(16), V(32), V(64))},
    [P_EXP] = {"EXP", "exponential",
               VALUES({0, "built-in", FEATURE_NONE}, {1, "polynomial", FEATURE_NONE})},
    [P_SIDE] = SIDE_PARAM,
};

static size_t units(const int *value, const struct problem *problem) {
    if (problem->value[F_O] == ROWS_I8)
        return rows_bundles(swiglu_rows(problem), value[P_SIDE], value[P_VW]);
    return ceil_div(problem->value[F_K], value[P_VW]);
}

static size_t parts(const int *value, const struct problem *problem) {
    return ceil_div(units(value, problem), (size_t)value[P_WG] * value[P_PER]);
}

static bool work_is_there(const int *value, const struct problem *problem) {
    return value[P_PER] == 1 || (size_t)value[P_WG] * (value[P_PER] / 2) < units(value, problem);
}

static bool side_applies(const int *value, const struct problem *problem) {
    return rows_side_applies(swiglu_rows(problem), value[P_SIDE], value[P_VW]);
}

static const struct constraint constraints[] = {
    {"PER leaves no lane idle", READS(P_WG) | READS(P_VW) | READS(P_PER) | READS(P_SIDE),
     work_is_there, true},
    SIDE_CONSTRAINT(P_VW, P_SIDE, side_applies),
};

static bool accepts(const struct problem *problem) {
    return problem->class == CLASS_F32 && rows_fit(swiglu_rows(problem));
}

static void geometry(const struct config *config, const struct problem *problem,
                     struct geometry *out) {
    const int *v = config->value;
    *out = (struct geometry){
        .n_stages = 1,
        .stage = {{"swiglu_part",
                   {parts(v, problem) * problem->value[F_N] * v[P_WG], 1, 1},
                   {v[P_WG], 1, 1}}},
    };
}

static void fallback(const struct problem *problem, struct config *out) {
    *out = (struct config){.variant = &swiglu_part};
    out->value[P_WG] = 1;
    out->value[P_VW] = 16;
    out->value[P_EXP] = 1;
    out->value[P_SIDE] = problem->value[F_O] == ROWS_I8;
    out->value[P_PER] = 32;
    while (!work_is_there(out->value, problem)) out->value[P_PER] /= 2;
}

const struct variant swiglu_part = {
    .name = "part",
    .summary = "work-groups take parts of the rows",
    .source = "kernels/swiglu/part.cl",
    .params = params,
    .n_params = P_COUNT,
    .constraints = constraints,
    .n_constraints = COUNT_OF(constraints),
    .accepts = accepts,
    .geometry = geometry,
    .fallback = fallback,
    .embeds = true,
};
