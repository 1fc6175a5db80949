/* test_extremes.c: int8 products at the ends of their codes, which random operands do not reach: sums of
 * them in few bits must hold. */
#include "kernels/activation.h"
#include "kernels/layouts.h"
#include "kernels/op.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { M = 32, K = 256, OPERANDS_HERE = 4 };

/* A way to multiply, with the vectors that it takes. */
static const char *const configs[] = {"VW=8,DOT=mul", "VW=16,DOT=vnni", "VW=8,DOT=avx2"};
static const char *const weights[] = {"q4:128", "q4_0:32", "q4_1:32", "q8:32"};

static struct error err;
static struct device *device;
static struct arena *arena;

#define must(call) cr_assert_eq(call, OK, "%s", err.text)

/* The largest code everywhere, scale 1, zero or offset 0. */
static void largest_row(const struct matrix *matrix, int64_t m, struct weight_row *row) {
    const struct weight w = matrix->weight;
    (void)m;
    memset(row->code, (1 << weight_kinds[w.kind].bits) - 1, (size_t)matrix->k);
    for (int64_t g = 0; g < matrix->k / w.group; g++) {
        row->scale[g] = half_from_float(1);
        if (row->zero) row->zero[g] = 0;
        if (row->offset) row->offset[g] = half_from_float(0);
    }
}

static double row_sum(const struct matrix *matrix) {
    struct weight_row row;
    float value[K];
    double sum = 0;
    must(weight_row_open(matrix->weight, K, &row, &err));
    matrix->read(matrix, 0, &row);
    weight_row_to_float(matrix->weight, K, &row, value);
    for (int k = 0; k < K; k++) sum += (double)value[k];
    weight_row_close(&row);
    return sum;
}

static struct view put(const void *bytes, size_t n) {
    struct view view;
    must(arena_take(arena, n, &view, &err));
    if (bytes) must(view_write(view, 0, bytes, n, &err));
    return view;
}

static struct view put_weights(const struct layout *layout, const struct matrix *matrix) {
    const size_t n = layout_regions(layout, matrix->weight, M, K).bytes;
    void *packed = calloc(1, n);
    must(layout_pack(layout, matrix, packed, &err));
    const struct view view = put(packed, n);
    free(packed);
    return view;
}

/* K values, all of them x: codes ±127. */
static struct view put_token(int group, float x) {
    const size_t n = activation_row_bytes(CLASS_I8, K, group);
    float values[K];
    void *row = calloc(1, n);
    for (int k = 0; k < K; k++) values[k] = x;
    activation_quantise(values, K, group, row);
    const struct view view = put(row, n);
    free(row);
    return view;
}

static void multiply(const struct problem *problem, const struct config *config, float x) {
    const struct matrix matrix = {weight_from_int(problem_get(problem, "w")), M, K, largest_row,
                                  NULL};
    const double expected = (double)x * row_sum(&matrix);
    float c[M];
    struct op *op;
    must(op_open(device, config, problem, &op, &err));
    const struct view operands[OPERANDS_HERE] = {put_weights(problem->layout, &matrix),
                                                 put_token(matrix.weight.group, x),
                                                 put(NULL, sizeof c)};
    const size_t scratch = op_scratch_bytes(op, problem);
    must(
        op_run(op, problem, operands, NULL, scratch ? put(NULL, scratch) : (struct view){0}, &err));
    must(device_finish(device, &err));
    must(view_read(operands[2], 0, c, sizeof c, &err));
    for (int m = 0; m < M; m++)
        cr_expect_float_eq((double)c[m], expected, 1e-5 * fabs(expected), "row %d: %g, not %g", m,
                           (double)c[m], expected);
    op_close(op);
}

Test(extremes, sums_of_the_largest_codes_hold) {
    int n = 0;
    if (device_open(NULL, &device, &err) != OK) cr_skip_test("%s", err.text);
    must(arena_open(device, 1 << 20, &arena, &err));
    for (size_t w = 0; w < sizeof weights / sizeof *weights; w++) {
        struct problem problem;
        char text[64];
        snprintf(text, sizeof text, "m=%d,k=%d,n=1,w=%s", M, K, weights[w]);
        must(problem_parse(slice_find("matmul"), text, &problem, &err));
        problem.class = CLASS_I8;
        problem.layout = &layouts[LAYOUT_panel16];
        for (size_t c = 0; c < sizeof configs / sizeof *configs; c++) {
            struct config config;
            must(config_parse(problem.family, "gemv", configs[c], &config, &err));
            if (!config_runs(&config, &problem, device, NULL)) continue;
            multiply(&problem, &config, 1);
            multiply(&problem, &config, -1);
            n++;
        }
    }
    cr_assert_geq(n, 4);
    arena_close(arena);
    device_close(device);
}
