/* row: work-groups take parts of a token's row. See row.cl. */
#include "kernels/embed/embed.h"

enum { P_WG, P_PARTS, P_COUNT };

static const struct param params[P_COUNT] = {
    [P_WG] = {"WG", "lanes", WG_VALUES},
    [P_PARTS] = {"PARTS", "work-groups a row", VALUES(V(1), V(2), V(4), V(8))},
};

static bool work_is_there(const int *value, const struct problem *problem) {
    return value[P_WG] * value[P_PARTS] == 1 ||
           (int64_t)value[P_WG] * value[P_PARTS] < 2 * problem->value[F_K];
}

static const struct constraint constraints[] = {
    {"WG * PARTS is not wasted on k", READS(P_WG) | READS(P_PARTS), work_is_there, true},
};

static bool accepts(const struct problem *problem) {
    const struct weight w = embed_weight(problem);
    return problem->class == CLASS_F32 &&
           (!weight_is_quantised(w) || problem->value[F_K] % w.group == 0);
}

static void geometry(const struct config *config, const struct problem *problem,
                     struct geometry *out) {
    const size_t lanes = config->value[P_WG], parts = config->value[P_PARTS];
    *out = (struct geometry){
        .n_stages = 1,
        .stage = {{"embed_row", {problem->value[F_N] * parts * lanes, 1, 1}, {lanes, 1, 1}}},
    };
}

static void fallback(const struct problem *problem, struct config *out) {
    (void)problem;
    *out = (struct config){.variant = &embed_row};
    out->value[P_WG] = 1;
    out->value[P_PARTS] = 1;
}

const struct variant embed_row = {
    .name = "row",
    .summary = "work-groups take parts of a token's row",
    .source = "kernels/embed/row.cl",
    .params = params,
    .n_params = P_COUNT,
    .constraints = constraints,
    .n_constraints = COUNT_OF(constraints),
    .accepts = accepts,
    .geometry = geometry,
    .fallback = fallback,
    .embeds = true,
};
