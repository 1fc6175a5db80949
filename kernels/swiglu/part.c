/* part: work-groups take parts of the rows. See part.cl. */
#include "kernels/swiglu/swiglu.h"

enum { P_WG, P_VW, P_PER, P_EXP, P_COUNT };

static const struct param params[P_COUNT] = {
    [P_WG] = {"WG", "lanes", WG_VALUES},
    [P_VW] = {"VW", "values in a vector", VALUES(V(1), V(4), V(8), V(16))},
    [P_PER] = {"PER", "vectors (i8: groups) a lane",
               VALUES(V(1), V(2), V(4), V(8), V(16), V(32), V(64))},
    [P_EXP] = {"EXP", "exponential",
               VALUES({0, "built-in", FEATURE_NONE}, {1, "polynomial", FEATURE_NONE})},
};

static int unit(const int *value, const struct problem *problem) {
    return problem->value[F_O] == ROWS_I8 ? (int)problem->value[F_G] : value[P_VW];
}

static size_t parts(const int *value, const struct problem *problem) {
    const size_t part = (size_t)value[P_WG] * value[P_PER] * unit(value, problem);
    return ceil_div(problem->value[F_K], part);
}

static bool work_is_there(const int *value, const struct problem *problem) {
    return value[P_PER] == 1 ||
           (int64_t)value[P_WG] * (value[P_PER] / 2) * unit(value, problem) < problem->value[F_K];
}

static const struct constraint constraints[] = {
    {"PER leaves no lane idle", READS(P_WG) | READS(P_VW) | READS(P_PER), work_is_there, true},
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
    for (int per = 32; per >= 1 && !out->value[P_PER]; per /= 2) {
        const int value[P_COUNT] = {1, 16, per, 1};
        if (work_is_there(value, problem)) out->value[P_PER] = per;
    }
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
