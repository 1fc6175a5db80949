/* argmax: rows cut into parts, the best of the parts picked by a second stage. See argmax.cl. */
#include "kernels/sample/sample.h"

enum { P_WG, P_VW, P_PARTS, P_COUNT };

static const struct param params[P_COUNT] = {
    [P_WG] = {"WG", "lanes", WG_VALUES},
    [P_VW] = {"VW", "values in a vector", VALUES(V(1), V(4), V(8), V(16))},
    [P_PARTS] = {"PARTS", "work-groups a row",
                 VALUES(V(1), V(2), V(4), V(8), V(16), V(32), V(64), V(128))},
};

static bool work_is_there(const int *value, const struct problem *problem) {
    return value[P_WG] * value[P_PARTS] == 1 ||
           (int64_t)value[P_WG] * value[P_VW] * value[P_PARTS] < 2 * problem->value[F_M];
}

static const struct constraint constraints[] = {
    {"WG * VW * PARTS is not wasted on m", READS(P_WG) | READS(P_VW) | READS(P_PARTS),
     work_is_there, true},
};

static bool accepts(const struct problem *problem) {
    return problem->class == CLASS_F32;
}

static void geometry(const struct config *config, const struct problem *problem,
                     struct geometry *out) {
    const int *v = config->value;
    const size_t n = problem->value[F_N], lanes = v[P_WG], parts = v[P_PARTS];
    *out = (struct geometry){
        .n_stages = 1,
        .stage = {{"sample_argmax", {n * parts * lanes, 1, 1}, {lanes, 1, 1}}},
        .local_bytes = lanes > 1 ? 2 * lanes * sizeof(float) : 0,
    };
    if (parts > 1) {
        out->stage[out->n_stages++] = (struct stage){"sample_argmax_pick", {n, 1, 1}, {1, 1, 1}};
        out->scratch_bytes = 2 * n * parts * sizeof(float);
    }
}

static void fallback(const struct problem *problem, struct config *out) {
    (void)problem;
    *out = (struct config){.variant = &sample_argmax};
    out->value[P_WG] = 1;
    out->value[P_VW] = 16;
    out->value[P_PARTS] = 1;
}

const struct variant sample_argmax = {
    .name = "argmax",
    .summary = "rows cut into parts, the best picked by a second stage",
    .source = "kernels/sample/argmax.cl",
    .params = params,
    .n_params = P_COUNT,
    .constraints = constraints,
    .n_constraints = COUNT_OF(constraints),
    .accepts = accepts,
    .geometry = geometry,
    .fallback = fallback,
    .embeds = true,
};
