/* test_layouts.c: packing every type into every layout, and taking it apart again. */
#include "kernels/layouts.h"
#include "tests/kernels/matrices.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct error err;

Test(layouts, found_by_name) {
    for (int i = 0; i < LAYOUTS; i++) {
        cr_assert_eq(layout_find(layouts[i].name), &layouts[i]);
        cr_assert(layouts[i].panel >= 1 && layouts[i].version >= 1);
    }
    cr_assert_null(layout_find("panel"));
    cr_assert_null(layout_find(""));
    cr_assert_eq(layouts[LAYOUT_rows].panel, 1);
    cr_assert_eq(layouts[LAYOUT_panel64].panel, 64);
}

static size_t up_256(size_t bytes) {
    return (bytes + 255) / 256 * 256;
}

/* The sizes of the header's table: codes [Mp/P][K/8][P] uint32 and so on. */
static void expect_regions(const struct layout *layout, struct weight w, int64_t m, int64_t k) {
    const size_t mp = (size_t)((m + layout->panel - 1) / layout->panel * layout->panel);
    const size_t bits = w.kind == WEIGHT_f32   ? 32
                        : w.kind == WEIGHT_f16 ? 16
                        : w.kind == WEIGHT_q8  ? 8
                                               : 4;
    const size_t codes = up_256(mp * (size_t)k * bits / 8);
    const size_t scales = w.group ? up_256(mp * (size_t)(k / w.group) * 2) : 0;
    const size_t zeros = w.kind == WEIGHT_q4     ? up_256(mp * (size_t)(k / w.group))
                         : w.kind == WEIGHT_q4_1 ? scales
                                                 : 0;
    const struct layout_regions r = layout_regions(layout, w, m, k);
    cr_expect_eq(r.codes, 0);
    cr_expect_eq(r.scales, codes);
    cr_expect_eq(r.zeros, codes + scales);
    cr_expect_eq(r.bytes, codes + scales + zeros, "%s %s: %zu", weight_kinds[w.kind].name,
                 layout->name, r.bytes);
}

Test(layouts, regions) {
    static const int64_t sizes[][2] = {{1, 256}, {16, 512}, {17, 768}, {172, 1536}, {49152, 4096}};
    for (int l = 0; l < LAYOUTS; l++)
        for (int i = 0; i < WEIGHT_TYPES; i++)
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
                expect_regions(&layouts[l], weight_number(i), sizes[s][0], sizes[s][1]);
    /* 2^24 rows of 2^20: beyond 32 bits everywhere */
    const struct weight f32 = {WEIGHT_f32, 0};
    cr_assert_eq(layout_regions(&layouts[0], f32, 1 << 24, 1 << 20).bytes, (size_t)1 << 46);
}

/* ---- there and back ---- */

/* Packed bytes with a guard behind them, every byte dirty before. */
static unsigned char *packed_noise(const struct layout *layout, const struct matrix *matrix) {
    enum { GUARD = 64 };
    const size_t bytes = layout_regions(layout, matrix->weight, matrix->m, matrix->k).bytes;
    unsigned char *packed = malloc(bytes + GUARD);
    cr_assert_not_null(packed);
    memset(packed, 0x5a, bytes + GUARD);
    cr_assert_eq(layout_pack(layout, matrix, packed, &err), OK, "%s", err.text);
    for (int i = 0; i < GUARD; i++)
        cr_assert_eq(packed[bytes + (size_t)i], 0x5a, "%s wrote beyond its end", layout->name);
    return packed;
}

static void expect_round_trip(const struct layout *layout, struct weight w, int64_t m, int64_t k) {
    const uint64_t seed = 5;
    const struct matrix matrix = noise_matrix(w, m, k, &seed);
    unsigned char *packed = packed_noise(layout, &matrix);
    struct weight_row expected = row_opened(w, k), got = row_opened(w, k);
    for (int64_t row = 0; row < m; row++) {
        matrix.read(&matrix, row, &expected);
        layout_unpack_row(layout, w, m, k, packed, row, &got);
        cr_expect(rows_equal(w, k, &expected, &got), "%s:%d, %s, %lld x %lld, row %lld",
                  weight_kinds[w.kind].name, w.group, layout->name, (long long)m, (long long)k,
                  (long long)row);
    }
    weight_row_close(&expected);
    weight_row_close(&got);
    free(packed);
}

/* M: one row, one short of a panel, panels, ragged; K: one group, several. */
Test(layouts, every_type_in_every_layout_comes_back) {
    static const int64_t rows[] = {1, 15, 16, 17, 64, 172};
    for (int l = 0; l < LAYOUTS; l++)
        for (int i = 0; i < WEIGHT_TYPES; i++)
            for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
                const struct weight w = weight_number(i);
                expect_round_trip(&layouts[l], w, rows[r], w.group ? w.group : 7);
                expect_round_trip(&layouts[l], w, rows[r], w.group ? 3 * w.group : 172);
            }
}

/* Rows that pad the last panel are zero: codes, scales, zeros and values. */
Test(layouts, padding_is_zero) {
    enum { M = 17, K = 256 };
    const uint64_t seed = 6;
    for (int l = 0; l < LAYOUTS; l++)
        for (int i = 0; i < WEIGHT_TYPES; i++) {
            const struct weight w = weight_number(i);
            const struct matrix matrix = noise_matrix(w, M, K, &seed);
            unsigned char *packed = packed_noise(&layouts[l], &matrix);
            struct weight_row zero = row_opened(w, K), got = row_opened(w, K);
            const int64_t padded = (M + layouts[l].panel - 1) / layouts[l].panel * layouts[l].panel;
            for (int64_t row = M; row < padded; row++) {
                layout_unpack_row(&layouts[l], w, M, K, packed, row, &got);
                cr_expect(rows_equal(w, K, &zero, &got), "%s, row %lld", layouts[l].name,
                          (long long)row);
            }
            weight_row_close(&zero);
            weight_row_close(&got);
            free(packed);
        }
}

/* ---- where things lie: the header's formulas, element by element ---- */

static uint32_t word_at(const unsigned char *packed, size_t i) {
    uint32_t word;
    memcpy(&word, packed + 4 * i, sizeof word);
    return word;
}

static uint16_t half_at(const unsigned char *packed, size_t region, size_t i) {
    uint16_t half;
    memcpy(&half, packed + region + 2 * i, sizeof half);
    return half;
}

enum { M_ALL = 70, K_ALL = 512 };

/* [panel][k / per][within], per = codes in a word */
static void expect_codes(const struct layout *layout, struct weight w, const unsigned char *packed,
                         const struct weight_row *row, int64_t m) {
    const size_t p = (size_t)layout->panel, panel = (size_t)m / p, within = (size_t)m % p;
    for (size_t k = 0; k < K_ALL; k++) {
        unsigned code;
        if (w.kind == WEIGHT_q8) {
            const uint32_t word = word_at(packed, (panel * (K_ALL / 4) + k / 4) * p + within);
            code = word >> 8 * (k % 4) & 255;
        } else {
            const uint32_t word = word_at(packed, (panel * (K_ALL / 8) + k / 8) * p + within);
            const unsigned byte = word >> 8 * (k % 4) & 255;
            code = k % 8 < 4 ? byte & 15 : byte >> 4;
        }
        cr_assert_eq(code, row->code[k], "%s, row %lld, k %zu", layout->name, (long long)m, k);
    }
}

static void expect_groups(const struct layout *layout, struct weight w, const unsigned char *packed,
                          const struct weight_row *row, int64_t m) {
    const struct layout_regions r = layout_regions(layout, w, M_ALL, K_ALL);
    cr_assert_gt(w.group, 0);
    const size_t p = (size_t)layout->panel, groups = K_ALL / (size_t)w.group;
    for (size_t g = 0; g < groups; g++) {
        const size_t at = ((size_t)m / p * groups + g) * p + (size_t)m % p;
        cr_assert_eq(half_at(packed, r.scales, at), row->scale[g]);
        if (row->offset) cr_assert_eq(half_at(packed, r.zeros, at), row->offset[g]);
        if (row->zero) cr_assert_eq(packed[r.zeros + at], row->zero[g]);
    }
}

static void expect_values(const struct layout *layout, struct weight w, const unsigned char *packed,
                          const struct weight_row *row, int64_t m) {
    const size_t p = (size_t)layout->panel;
    for (size_t k = 0; k < K_ALL; k++) {
        const size_t at = ((size_t)m / p * K_ALL + k) * p + (size_t)m % p;
        float value;
        if (w.kind == WEIGHT_f16) value = half_to_float(half_at(packed, 0, at));
        else memcpy(&value, packed + 4 * at, sizeof value);
        cr_assert_eq(value, row->value[k]);
    }
}

Test(layouts, elements_lie_where_the_header_says) {
    const uint64_t seed = 8;
    for (int l = 0; l < LAYOUTS; l++)
        for (int i = 0; i < WEIGHT_TYPES; i++) {
            const struct weight w = weight_number(i);
            const struct matrix matrix = noise_matrix(w, M_ALL, K_ALL, &seed);
            unsigned char *packed = packed_noise(&layouts[l], &matrix);
            struct weight_row row = row_opened(w, K_ALL);
            for (int64_t m = 0; m < M_ALL; m++) {
                matrix.read(&matrix, m, &row);
                if (!weight_is_quantised(w)) {
                    expect_values(&layouts[l], w, packed, &row, m);
                } else {
                    expect_codes(&layouts[l], w, packed, &row, m);
                    expect_groups(&layouts[l], w, packed, &row, m);
                }
            }
            weight_row_close(&row);
            free(packed);
        }
}
