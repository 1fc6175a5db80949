/* test_weights.c: weight types as text and as numbers, rows of weights, half precision. */
#include "kernels/weights.h"
#include "tests/kernels/matrices.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static struct error err;

/* ---- types ---- */

Test(weights, text_round_trip) {
    for (int i = 0; i < WEIGHT_TYPES; i++) {
        const struct weight w = weight_number(i);
        struct weight again;
        char text[16];
        cr_assert_eq(weight_parse(weight_format(w, text), &again, &err), OK, "%s", err.text);
        cr_assert(again.kind == w.kind && again.group == w.group, "%s", text);
        const struct weight packed = weight_from_int(weight_pack_int(w));
        cr_assert(packed.kind == w.kind && packed.group == w.group, "%s", text);
        cr_assert_eq(weight_is_quantised(w), i >= 2);
    }
}

Test(weights, usual_groups) {
    static const struct {
        const char *text;
        struct weight w;
    } rows[] = {{"f32", {WEIGHT_f32, 0}},     {"f16", {WEIGHT_f16, 0}},
                {"q8", {WEIGHT_q8, 32}},      {"q4", {WEIGHT_q4, 128}},
                {"q4_0", {WEIGHT_q4_0, 32}},  {"q4_1", {WEIGHT_q4_1, 32}},
                {"q4:256", {WEIGHT_q4, 256}}, {"q8:64", {WEIGHT_q8, 64}}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weight w;
        cr_assert_eq(weight_parse(rows[i].text, &w, &err), OK, "%s", err.text);
        cr_assert(w.kind == rows[i].w.kind && w.group == rows[i].w.group, "%s", rows[i].text);
    }
}

Test(weights, refusals_list_the_types) {
    static const char *const bad[] = {"",       "q5",      "Q4",      "q4:",      "q4:0",
                                      "q4:16",  "q4:1280", "q4:128 ", "q4:+128",  " q4",
                                      "f32:32", "f16:",    "q4_2",    "q4:128:2", ":"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct weight w;
        cr_expect_eq(weight_parse(bad[i], &w, &err), STATUS_INVALID, "%s", bad[i]);
        cr_expect(strstr(err.text, "the types are f32, f16, q8, q4, q4_0, q4_1;"), "%s", err.text);
    }
}

Test(weights, canonical_bytes) {
    static const struct {
        const char *text;
        double bits; /* a weight */
    } rows[] = {{"f32", 32},      {"f16", 16},    {"q8:32", 8.5},      {"q4:128", 4 + 20.0 / 128},
                {"q4_0:32", 4.5}, {"q4_1:32", 5}, {"q4:32", 4 + .625}, {"q8:256", 8.0625}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weight w;
        cr_assert_eq(weight_parse(rows[i].text, &w, &err), OK);
        cr_expect_eq(weight_canonical_bytes(w, 12288, 4096), 12288.0 * 4096 * rows[i].bits / 8,
                     "%s", rows[i].text);
    }
    const struct weight q4 = {WEIGHT_q4, 128};
    cr_assert_gt(weight_canonical_bytes(q4, 1 << 24, 1 << 24), 1e14, "no overflow");
}

/* ---- rows ---- */

Test(weights, row_has_what_its_form_has) {
    for (int i = 0; i < WEIGHT_TYPES; i++) {
        const struct weight w = weight_number(i);
        const enum weight_form form = weight_kinds[w.kind].form;
        struct weight_row row = row_opened(w, 512);
        cr_assert_eq(row.value != NULL, form == FORM_PLAIN);
        cr_assert_eq(row.code != NULL, form != FORM_PLAIN);
        cr_assert_eq(row.scale != NULL, form != FORM_PLAIN);
        cr_assert_eq(row.zero != NULL, form == FORM_ZERO);
        cr_assert_eq(row.offset != NULL, form == FORM_OFFSET);
        weight_row_close(&row);
        cr_assert(!row.value && !row.code && !row.scale && !row.zero && !row.offset);
        weight_row_close(&row);
    }
}

/* w = s·(q − z) or s·q + o, the formula of weights.def, computed apart. */
static double expected_value(struct weight w, const struct weight_row *row, int64_t k) {
    const int64_t g = w.group ? k / w.group : 0;
    switch (w.kind) {
    case WEIGHT_q8: return (double)half_to_float(row->scale[g]) * (row->code[k] - 128);
    case WEIGHT_q4: return (double)half_to_float(row->scale[g]) * (row->code[k] - row->zero[g]);
    case WEIGHT_q4_0: return (double)half_to_float(row->scale[g]) * (row->code[k] - 8);
    case WEIGHT_q4_1:
        return (double)half_to_float(row->scale[g]) * row->code[k] + half_to_float(row->offset[g]);
    default: return row->value[k];
    }
}

Test(weights, row_to_float) {
    enum { K = 512 };
    const uint64_t seed = 11;
    for (int i = 0; i < WEIGHT_TYPES; i++) {
        const struct weight w = weight_number(i);
        const struct matrix matrix = noise_matrix(w, 5, K, &seed);
        struct weight_row row = row_opened(w, K);
        float value[K];
        for (int64_t m = 0; m < matrix.m; m++) {
            matrix.read(&matrix, m, &row);
            weight_row_to_float(w, K, &row, value);
            for (int64_t k = 0; k < K; k++) {
                const double expected = expected_value(w, &row, k);
                cr_assert_leq(fabs(value[k] - expected), 0x1p-23 * (fabs(expected) + 64),
                              "%s, k = %lld: %g", weight_kinds[w.kind].name, (long long)k,
                              value[k]);
                if (w.kind != WEIGHT_q4_1) cr_assert_eq(value[k], (float)expected, "is exact");
            }
        }
        weight_row_close(&row);
    }
}

/* ---- half precision ---- */

/* Half to double by the definition: (−1)^s · 2^(e − 15) · 1.f, subnormal 2^−14 · 0.f. */
static double half_by_definition(unsigned h) {
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    const double sign = h >> 15 ? -1 : 1;
    if (exponent == 31) return fraction ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexp(fraction, -24);
    return sign * ldexp(1024 + fraction, exponent - 25);
}

static uint32_t bits_of(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

Test(weights, every_half_to_float_and_back) {
    for (unsigned h = 0; h < 65536; h++) {
        const float f = half_to_float((uint16_t)h);
        const double expected = half_by_definition(h);
        if (isnan(expected)) {
            cr_assert(isnan(f), "%04x", h);
            cr_assert(isnan(half_to_float(half_from_float(f))), "%04x", h);
            continue;
        }
        cr_assert_eq((double)f, expected, "%04x is %g", h, f);
        cr_assert_eq(bits_of(f) >> 31, h >> 15, "sign of %04x", h);
        cr_assert_eq(half_from_float(f), h, "%04x comes back as %04x", h, half_from_float(f));
    }
}

/* Between neighbours a < b: below the middle a, above it b, in the middle the even one. */
Test(weights, ties_go_to_even) {
    for (unsigned h = 0; h < 0x7bff; h++) { /* up to 65504 */
        const double a = half_by_definition(h), b = half_by_definition(h + 1);
        const float middle = (float)((a + b) / 2);
        cr_assert_eq((double)middle, (a + b) / 2, "exact in float");
        const unsigned even = h % 2 ? h + 1 : h;
        cr_assert_eq(half_from_float(middle), even, "%a", middle);
        cr_assert_eq(half_from_float(-middle), even | 0x8000, "%a", -middle);
        cr_assert_eq(half_from_float(nextafterf(middle, 0)), h, "below %a", middle);
        cr_assert_eq(half_from_float(nextafterf(middle, INFINITY)), h + 1, "above %a", middle);
    }
}

Test(weights, halves_at_the_ends) {
    cr_assert_eq(half_from_float(65504), 0x7bff);
    cr_assert_eq(half_from_float(nextafterf(65520, 0)), 0x7bff);
    cr_assert_eq(half_from_float(65520), 0x7c00, "a tie between 65504 and 65536 goes to infinity");
    cr_assert_eq(half_from_float(1e30f), 0x7c00);
    cr_assert_eq(half_from_float(-INFINITY), 0xfc00);
    cr_assert_eq(half_from_float(0x1p-25f), 0, "half the smallest, a tie, to even");
    cr_assert_eq(half_from_float(nextafterf(0x1p-25f, 1)), 1);
    cr_assert_eq(half_from_float(0x1p-149f), 0);
    cr_assert_eq(half_from_float(-0.0f), 0x8000);
    cr_assert(isnan(half_to_float(half_from_float(NAN))));
    cr_assert(isnan(half_to_float(half_from_float(-NAN))));
}
