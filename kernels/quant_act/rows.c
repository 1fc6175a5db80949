/* rows.c: see rows.h. */
#include "kernels/quant_act/rows.h"
#include <math.h>

static const double SCALE_TOLERANCE = 1e-5; /* a division and a maximum in fp32, with room */

size_t rows_bytes(struct rows rows) {
    return activation_row_bytes(rows.format == ROWS_I8 ? CLASS_I8 : CLASS_F32, rows.k, rows.group);
}

bool rows_fit(struct rows rows) {
    const int g = rows.group;
    if (rows.format == ROWS_F32) return true;
    return (g == 32 || g == 64 || g == 128 || g == 256) && rows.k % g == 0;
}

bool rows_side_applies(struct rows rows, int side, int vw) {
    return !side || (rows.format == ROWS_I8 && vw > 1);
}

size_t rows_bundles(struct rows rows, int side, int vw) {
    return ceil_div((size_t)(rows.k / rows.group), (size_t)(side ? vw : 1));
}

float rows_random(struct rng *rng) {
    return (float)(int32_t)(uint32_t)(rng_next(rng) >> 16) * 0x1p-31f;
}

void rows_fill(float *x, int64_t k, struct rng *rng) {
    for (int64_t i = 0; i < k; i++) x[i] = rows_random(rng) * (i % 61 == 7 ? 16.0f : 1.0f);
}

int64_t rows_sample(int64_t n, int64_t most, int64_t i) {
    return n <= most ? i : i * (n - 1) / (most - 1);
}

static void refuse(struct verdict *v, const char *what, int64_t row, int64_t group, double got,
                   double expected) {
    verdict_fail(v, "row %lld, group %lld: the %s is %.9g, expected %.9g", (long long)row,
                 (long long)group, what, got, expected);
}

struct group {
    const int8_t *code;
    float scale, sum;
    const double *reference, *magnitude;
};

static void judge_group(const struct group *g, int n, int64_t row, int64_t number, int64_t terms,
                        struct verdict *v) {
    double largest = 0, error = 0;
    int sum = 0;
    for (int i = 0; i < n; i++) {
        largest = fmax(largest, fabs(g->reference[i]));
        error = fmax(error, 4 * sqrt((double)terms) * 0x1p-24 * g->magnitude[i]);
        sum += g->code[i];
    }
    const bool is_tiny = largest / 127 < SCALE_LEAST;
    const double scale = g->scale, expected = is_tiny ? 0 : largest / 127;
    const double tolerance = is_tiny ? 0 : (error + SCALE_TOLERANCE * largest) / 127;
    if (!(fabs(scale - expected) <= tolerance)) refuse(v, "scale", row, number, scale, expected);
    if (!(g->sum == (float)sum)) refuse(v, "sum of the codes", row, number, g->sum, sum);
    for (int i = 0; i < n; i++) {
        const double y = scale * g->code[i], reference = is_tiny ? 0 : g->reference[i];
        const double beyond = fmax(0, fabs(y - reference) - scale / 2);
        if (g->code[i] == -128) refuse(v, "code", row, number, -128, -127);
        verdict_element(v, CLASS_F32, terms, reference + beyond, reference,
                        g->magnitude[i] + fabs(reference), row, number * n + i);
    }
}

void rows_judge(struct rows rows, const void *output, int64_t row, int64_t terms,
                const double *reference, const double *magnitude, struct verdict *verdict) {
    if (rows.format == ROWS_F32) {
        const float *y = output;
        for (int64_t i = 0; i < rows.k; i++)
            verdict_element(verdict, CLASS_F32, terms, y[i], reference[i], magnitude[i], row, i);
        return;
    }
    const int64_t n_groups = rows.k / rows.group;
    const int8_t *code = output;
    const float *scale = (const float *)(code + rows.k), *sum = scale + n_groups;
    for (int64_t i = 0; i < n_groups; i++) {
        const int64_t at = i * rows.group;
        const struct group group = {code + at, scale[i], sum[i], reference + at, magnitude + at};
        judge_group(&group, rows.group, row, i, terms, verdict);
    }
}
