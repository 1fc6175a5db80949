/* clblast.h: the space of CLBlast's Xgemm tuner (kernel 0, second stage): 16 parameters, 663,552 raw points,
 * 120,800 valid ones. For tests of counting and listing; there is no kernel behind it. */
#pragma once
#include "tuner/space.h"

enum {
    X_GEMMK,
    X_MWG,
    X_NWG,
    X_KWG,
    X_MDIMC,
    X_NDIMC,
    X_MDIMA,
    X_NDIMB,
    X_KWI,
    X_VWM,
    X_VWN,
    X_STRM,
    X_STRN,
    X_SA,
    X_SB,
    X_KREG,
    X_PARAMS
};
#define X_ALL(...) ((const struct param_value[]){__VA_ARGS__})
#define X_V(number)                                                                                \
    { number, NULL, FEATURE_NONE }
#define X_ONE(a) X_ALL(X_V(a)), 1
#define X_TWO(a, b) X_ALL(X_V(a), X_V(b)), 2
#define X_THREE(a, b, c) X_ALL(X_V(a), X_V(b), X_V(c)), 3
#define X_FOUR(a, b, c, d) X_ALL(X_V(a), X_V(b), X_V(c), X_V(d)), 4
static const struct param clblast_params[X_PARAMS] = {
    [X_GEMMK] = {"GEMMK", "kernel", X_ONE(0)},
    [X_MWG] = {"MWG", "tile in M", X_FOUR(16, 32, 64, 128)},
    [X_NWG] = {"NWG", "tile in N", X_FOUR(16, 32, 64, 128)},
    [X_KWG] = {"KWG", "tile in K", X_TWO(16, 32)},
    [X_MDIMC] = {"MDIMC", "threads in M", X_THREE(8, 16, 32)},
    [X_NDIMC] = {"NDIMC", "threads in N", X_THREE(8, 16, 32)},
    [X_MDIMA] = {"MDIMA", "threads in M that load A", X_THREE(8, 16, 32)},
    [X_NDIMB] = {"NDIMB", "threads in N that load B", X_THREE(8, 16, 32)},
    [X_KWI] = {"KWI", "unrolling of K", X_ONE(2)},
    [X_VWM] = {"VWM", "vectors of A and C", X_FOUR(1, 2, 4, 8)},
    [X_VWN] = {"VWN", "vectors of B", X_FOUR(1, 2, 4, 8)},
    [X_STRM] = {"STRM", "strided in M", X_TWO(0, 1)},
    [X_STRN] = {"STRN", "strided in N", X_TWO(0, 1)},
    [X_SA] = {"SA", "A through local memory", X_TWO(0, 1)},
    [X_SB] = {"SB", "B through local memory", X_TWO(0, 1)},
    [X_KREG] = {"KREG", "registers in K", X_ONE(1)},
};

#define X_DIVIDES(name, whole, part)                                                               \
    static bool name(const int *v, const struct problem *problem) {                                \
        (void)problem;                                                                             \
        return (whole) % (part) == 0;                                                              \
    }
X_DIVIDES(clblast_kwi, v[X_KWG], v[X_KWI])
X_DIVIDES(clblast_mwg, v[X_MWG], v[X_MDIMC] * v[X_VWM])
X_DIVIDES(clblast_nwg, v[X_NWG], v[X_NDIMC] * v[X_VWN])
X_DIVIDES(clblast_mwa, v[X_MWG], v[X_MDIMA] * v[X_VWM])
X_DIVIDES(clblast_nwb, v[X_NWG], v[X_NDIMB] * v[X_VWN])
X_DIVIDES(clblast_kdima, v[X_KWG], v[X_MDIMC] * v[X_NDIMC] / v[X_MDIMA])
X_DIVIDES(clblast_kdimb, v[X_KWG], v[X_MDIMC] * v[X_NDIMC] / v[X_NDIMB])
static size_t clblast_local_bytes(const int *v) {
    return 4u * (size_t)(v[X_SA] * v[X_KWG] * v[X_MWG] + v[X_SB] * v[X_KWG] * v[X_NWG]);
}
static const struct constraint clblast_constraints[] = {
    {"KWG % KWI == 0", 1u << X_KWG | 1u << X_KWI, clblast_kwi, false},
    {"MWG % (MDIMC * VWM) == 0", 1u << X_MWG | 1u << X_MDIMC | 1u << X_VWM, clblast_mwg, false},
    {"NWG % (NDIMC * VWN) == 0", 1u << X_NWG | 1u << X_NDIMC | 1u << X_VWN, clblast_nwg, false},
    {"MWG % (MDIMA * VWM) == 0", 1u << X_MWG | 1u << X_MDIMA | 1u << X_VWM, clblast_mwa, false},
    {"NWG % (NDIMB * VWN) == 0", 1u << X_NWG | 1u << X_NDIMB | 1u << X_VWN, clblast_nwb, false},
    {"KWG % KDIMA == 0", 1u << X_KWG | 1u << X_MDIMC | 1u << X_NDIMC | 1u << X_MDIMA, clblast_kdima,
     false},
    {"KWG % KDIMB == 0", 1u << X_KWG | 1u << X_MDIMC | 1u << X_NDIMC | 1u << X_NDIMB, clblast_kdimb,
     false},
};

static bool clblast_accepts(const struct problem *problem) {
    return problem->layout->panel == 1;
}
static void clblast_geometry(const struct config *config, const struct problem *problem,
                             struct geometry *out) {
    const size_t m = (size_t)config->value[X_MDIMC], n = (size_t)config->value[X_NDIMC];
    (void)problem;
    *out = (struct geometry){.n_stages = 1, .local_bytes = clblast_local_bytes(config->value)};
    out->stage[0] = (struct stage){"none", {m, n, 1}, {m, n, 1}};
}
static const struct variant clblast_xgemm = {
    .name = "xgemm",
    .params = clblast_params,
    .n_params = X_PARAMS,
    .constraints = clblast_constraints,
    .n_constraints = sizeof clblast_constraints / sizeof *clblast_constraints,
    .accepts = clblast_accepts,
    .geometry = clblast_geometry,
};
static const struct variant *const clblast_variants[] = {&clblast_xgemm, NULL};
static const struct family clblast_family = {.name = "clblast", .variants = clblast_variants};
static const struct problem clblast_problem = {.family = &clblast_family,
                                               .layout = &layouts[LAYOUT_rows]};
