/* matmul.h: what the panel variants of matmul share: their first parameters, the constraints on
 * them, and what they accept. The sources share micro.clh in the same way. */
#pragma once
#include "kernels/kernel.h"

/* Fields of the family, in order. */
enum { F_M, F_K, F_N, F_W, F_E, F_LDC };
enum { E_NONE, E_BIAS, E_RESIDUAL };

/* The first parameters of every panel variant, in this order. */
enum { P_VW, P_RV, P_TN, P_UNROLL, P_DEQ, P_DOT, P_WI, P_LM, P_SHARED };

enum { DEQ_CONVERT, DEQ_PERMUTE, DEQ_LOAD };
enum { DOT_MUL, DOT_VNNI, DOT_DP4A, DOT_AVX2 };

#define VALUES(...)                                                                                \
    (const struct param_value[]){__VA_ARGS__},                                                     \
        sizeof((const struct param_value[]){__VA_ARGS__}) / sizeof(struct param_value)
#define V(number)                                                                                  \
    { number, NULL, FEATURE_NONE }

extern const struct param_value matmul_deq_values[3], matmul_dot_values[4], matmul_wi_values[2];

#define PANEL_PARAMS(tn_values)                                                                    \
    [P_VW] = {"VW", "rows in a vector", VALUES(V(1), V(2), V(4), V(8), V(16))},                    \
    [P_RV] = {"RV", "row vectors a lane", VALUES(V(1), V(2), V(4))},                               \
    [P_TN] = {"TN", "tokens in registers", tn_values},                                             \
    [P_UNROLL] = {"UNROLL", "unroll of the loop over k", VALUES(V(1), V(2), V(4))},                \
    [P_DEQ] = {"DEQ", "codes and halves to floats", matmul_deq_values, 3},                         \
    [P_DOT] = {"DOT", "int8 products", matmul_dot_values, 4},                                      \
    [P_WI] = {"WI", "W from", matmul_wi_values, 2}

#define READS(p) (1u << (p))
/* The constraints on them, each with its text below: does a configuration with these values hold it for the
 * problem? Asked while the space is enumerated, so they look at the parameters they READ and at the problem
 * alone. Those that say "is not wasted", "suit", "matters" keep out waste, the others what would be wrong. */
bool matmul_vector_fits(const int *value, const struct problem *problem); /* panel % VW == 0 */
/* A lane alone has a vector of its rows; where lanes are the vector, long ones only cost registers. */
bool matmul_lanes_suit(const int *value, const struct problem *problem);
/* VW * RV * LM < 2 m: no more than half of a block is padding; the smallest block always is right. */
bool matmul_rows_fit(const int *value, const struct problem *problem);
bool matmul_tile_fits(const int *value, const struct problem *problem);      /* RV * TN <= 28 */
bool matmul_tokens_fit(const int *value, const struct problem *problem);     /* TN < 2 n, or 1 */
bool matmul_unroll_matters(const int *value, const struct problem *problem); /* i8: always 1 */
/* permute takes codes and halves 16 at a time, load takes halves from a buffer. */
bool matmul_deq_applies(const int *value, const struct problem *problem);
/* mul for all; vnni takes 16 rows at a time, avx2 8, dp4a at most 4; all of them class i8. */
bool matmul_dot_applies(const int *value, const struct problem *problem);
/* A texel is 16 bytes of the panel: VW >= 4, and no f16. */
bool matmul_image_applies(const int *value, const struct problem *problem);

#define PANEL_CONSTRAINTS                                                                          \
    {"VW divides the panel", READS(P_VW), matmul_vector_fits, false},                              \
        {"a lane alone takes VW>=4, many lanes VW<=4", READS(P_VW) | READS(P_LM),                  \
         matmul_lanes_suit, true},                                                                 \
        {"RV * TN <= 28 registers", READS(P_RV) | READS(P_TN), matmul_tile_fits, true},            \
        {"a block of rows is not wasted on m", READS(P_VW) | READS(P_RV) | READS(P_LM),            \
         matmul_rows_fit, true},                                                                   \
        {"TN is not wasted on n", READS(P_TN), matmul_tokens_fit, true},                           \
        {"UNROLL is 1 where the class unrolls whole groups", READS(P_UNROLL),                      \
         matmul_unroll_matters, true},                                                             \
        {"DEQ=permute needs VW=16, load WI=buffer, both weights with halves",                      \
         READS(P_VW) | READS(P_DEQ) | READS(P_WI), matmul_deq_applies, false},                     \
        {"DOT is for class i8; vnni needs VW=16, avx2 VW=8, dp4a VW<=4",                           \
         READS(P_VW) | READS(P_DOT), matmul_dot_applies, false},                                   \
    {                                                                                              \
        "an image is read by 16 bytes: VW>=4, no f16", READS(P_VW) | READS(P_WI),                  \
            matmul_image_applies, false                                                            \
    }

extern const struct variant matmul_gemv, matmul_skinny, matmul_tiled, matmul_rowdot;

struct weight matmul_weight(const struct problem *problem); /* the type in field w */
/* Weights, class and shape that all variants do: f32 with any weights, i8 with quantised ones, of which a row
 * is whole groups. */
bool matmul_accepts_class(const struct problem *problem);
/* The same in an interleaved layout: what panel variants do. */
bool matmul_accepts_panels(const struct problem *problem);
/* Row vectors of 8 that a default takes: two fill a panel of 16. */
int matmul_default_vectors(const struct problem *problem);
/* DEQ of a default: the device's own instructions where weights are halves. */
int matmul_default_deq(const struct problem *problem);
/* Bytes of X packed in tiles of tn tokens, as pack.clh writes it. */
size_t matmul_packed_x_bytes(const struct problem *problem, int tn);
/* The packing stage of pack.clh. */
struct stage matmul_pack_stage(const struct problem *problem, int tn);

static inline size_t ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}
