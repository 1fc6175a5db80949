/* rows.h: what the families over rows of activations share: tables of parameters, the two output
 * formats (f32 rows, class-i8 blocks as activation.h lays them out), inputs, and judging. */
#pragma once
#include "base/rng.h"
#include "kernels/activation.h"
#include "kernels/check.h"

#define VALUES(...)                                                                                \
    (const struct param_value[]){__VA_ARGS__},                                                     \
        sizeof((const struct param_value[]){__VA_ARGS__}) / sizeof(struct param_value)
#define V(number)                                                                                  \
    { number, NULL, FEATURE_NONE }
#define READS(p) (1u << (p))
#define WG_VALUES VALUES(V(1), V(32), V(64), V(128), V(256))
#define COUNT_OF(array) (int)(sizeof(array) / sizeof *(array))

static inline size_t ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}

/* The choice field `o` of an output, and the field `g` beside it. */
enum rows_format { ROWS_F32, ROWS_I8 };
#define ROWS_FORMAT_FIELD                                                                          \
    { "o", "output", FIELD_CHOICE, USE_DEFINE, 0, 1, ROWS_F32, "f32,i8" }
#define ROWS_GROUP_FIELD                                                                           \
    { "g", "group that shares a scale in i8 blocks", FIELD_SIZE, USE_DEFINE, 32, 256, 32, NULL }

struct rows {
    enum rows_format format;
    int64_t k;
    int group;
};
size_t rows_bytes(struct rows rows); /* of one row */
/* i8 blocks need K to be whole groups of 32, 64, 128 or 256. */
bool rows_fit(struct rows rows);

/* Groups of i8 blocks are folded one by one or VW side by side (block.clh): a parameter of all kernels that
 * write them, and the bundles of a row. */
#define SIDE_PARAM                                                                                 \
    { "SIDE", "VW groups folded side by side", VALUES(V(0), V(1)) }
#define SIDE_CONSTRAINT(p_vw, p_side, holds)                                                       \
    { "SIDE is for o=i8 and vectors", READS(p_vw) | READS(p_side), holds, true }
bool rows_side_applies(struct rows rows, int side, int vw);
size_t rows_bundles(struct rows rows, int side, int vw);

/* A random number in [−1, 1); a row of them, every 61st column 16 times larger, as in the activations
 * of real models. */
float rows_random(struct rng *rng);
void rows_fill(float *x, int64_t k, struct rng *rng);

/* Judge one row of output against the reference and its magnitudes (the Σ|w·x| of the gate).
 * f32: every element by the gate. i8, per group: the scale is max |reference| / 127 (0 where that is
 * below SCALE_LEAST, and the codes, too) but for the gate and 1e-5; a code is at most half a step from reference / scale but for the gate (so that it differs
 * from the reference's only at a tie); the sum is exactly the sum of the codes written. */
void rows_judge(struct rows rows, const void *output, int64_t row, int64_t terms,
                const double *reference, const double *magnitude, struct verdict *verdict);

/* Rows to look at, one after another: all of them, or the first, the last and some between. */
int64_t rows_sample(int64_t n, int64_t most, int64_t i); /* row number i of min(n, most) */
