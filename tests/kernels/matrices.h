/* matrices.h: matrices of random weights of every type, for tests of rows and layouts. */
#pragma once
#include "base/rng.h"
#include "kernels/weights.h"
#include <criterion/criterion.h>
#include <string.h>

/* Every type with every group that it may have: 2 plain, 4 quantised times 4 groups. */
enum { WEIGHT_TYPES = 2 + 4 * 4 };

static inline struct weight weight_number(int i) {
    static const int groups[] = {32, 64, 128, 256};
    if (i < 2) return (struct weight){i == 0 ? WEIGHT_f32 : WEIGHT_f16, 0};
    return (struct weight){(enum weight_kind)(WEIGHT_q8 + (i - 2) / 4), groups[(i - 2) % 4]};
}

/* Row m of a matrix whose context is a seed: all codes, all halves but infinity and NaN, all zeros. */
static inline void noise_row(const struct matrix *matrix, int64_t m, struct weight_row *row) {
    const uint64_t seed = *(const uint64_t *)matrix->context;
    const struct weight w = matrix->weight;
    struct rng rng = rng_seed(seed + 1000 * (uint64_t)m);
    for (int64_t k = 0; k < matrix->k; k++) {
        const uint64_t bits = rng_next(&rng) >> 40;
        const uint16_t half = (uint16_t)(bits & 0xbfff); /* finite: |value| < 2 */
        if (w.kind == WEIGHT_f32) row->value[k] = (float)bits * 0x1p-20f - 8;
        else if (w.kind == WEIGHT_f16) row->value[k] = half_to_float(half);
        else row->code[k] = (uint8_t)(bits & ((1u << weight_kinds[w.kind].bits) - 1));
    }
    for (int64_t g = 0; w.group && g < matrix->k / w.group; g++) {
        row->scale[g] = (uint16_t)(rng_next(&rng) >> 40 & 0xbfff);
        if (row->zero) row->zero[g] = (uint8_t)(rng_next(&rng) >> 40 & 15);
        if (row->offset) row->offset[g] = (uint16_t)(rng_next(&rng) >> 40 & 0xbfff);
    }
}

static inline struct matrix noise_matrix(struct weight w, int64_t m, int64_t k,
                                         const uint64_t *seed) {
    return (struct matrix){w, m, k, noise_row, seed};
}

static inline struct weight_row row_opened(struct weight w, int64_t k) {
    struct weight_row row;
    struct error err;
    cr_assert_eq(weight_row_open(w, k, &row, &err), OK, "%s", err.text);
    return row;
}

static inline bool rows_equal(struct weight w, int64_t k, const struct weight_row *a,
                              const struct weight_row *b) {
    const size_t n = (size_t)k, groups = w.group ? n / (size_t)w.group : 0;
    if (a->value) return !memcmp(a->value, b->value, n * sizeof *a->value);
    if (memcmp(a->code, b->code, n) != 0 ||
        memcmp(a->scale, b->scale, groups * sizeof *a->scale) != 0)
        return false;
    if (a->zero) return !memcmp(a->zero, b->zero, groups);
    return !a->offset || !memcmp(a->offset, b->offset, groups * sizeof *a->offset);
}
