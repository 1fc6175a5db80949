/* test_activation.c: rounding to class-i8 blocks on the host. */
#include "base/rng.h"
#include "kernels/activation.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { K = 1024 };

/* A row rounded, and where its parts lie. */
struct block {
    unsigned char bytes[K + K / 32 * 8 + 16];
    const int8_t *code;
    const float *scale, *sum;
};

static void quantise(const float *x, int group, struct block *b) {
    memset(b->bytes, 0x5a, sizeof b->bytes);
    activation_quantise(x, K, group, b->bytes);
    b->code = (const int8_t *)b->bytes;
    b->scale = (const float *)(b->bytes + K);
    b->sum = b->scale + K / group;
    const size_t bytes = activation_row_bytes(CLASS_I8, K, group);
    for (size_t i = bytes; i < sizeof b->bytes; i++)
        cr_assert_eq(b->bytes[i], 0x5a, "wrote beyond the block");
}

Test(activation, row_bytes) {
    cr_assert_eq(activation_row_bytes(CLASS_F32, 172, 0), 688);
    cr_assert_eq(activation_row_bytes(CLASS_I8, 256, 32), 256 + 8 * 8);
    cr_assert_eq(activation_row_bytes(CLASS_I8, 4096, 128), 4096 + 32 * 8);
    cr_assert_eq(activation_row_bytes(CLASS_I8, 1 << 24, 256), ((size_t)1 << 24) + (1 << 19));
}

/* With a scale of exactly 1, what is rounded is x itself: ties to even. */
Test(activation, ties_to_even) {
    static const struct {
        float x;
        int code;
    } rows[] = {{0.5f, 0},       {1.5f, 2},     {2.5f, 2},     {-0.5f, 0},      {-1.5f, -2},
                {-2.5f, -2},     {3.5f, 4},     {126.5f, 126}, {-126.5f, -126}, {0.49999997f, 0},
                {0.5000001f, 1}, {125.5f, 126}, {-127, -127},  {2.4999998f, 2}, {2.5000002f, 3}};
    float x[K] = {0};
    struct block b;
    x[0] = 127;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) x[i + 1] = rows[i].x;
    quantise(x, 32, &b);
    cr_assert_eq(b.scale[0], 1);
    cr_assert_eq(b.code[0], 127);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(b.code[i + 1], rows[i].code, "%g becomes %d", rows[i].x, b.code[i + 1]);
}

Test(activation, zero_groups) {
    float x[K] = {0};
    struct block b;
    x[40] = -3; /* the second group only */
    x[64] = -0.0f;
    quantise(x, 32, &b);
    for (int g = 0; g < K / 32; g++) {
        cr_expect_eq(b.scale[g], g == 1 ? 3.0f / 127 : 0);
        cr_expect_eq(b.sum[g], g == 1 ? -127 : 0);
    }
    for (int i = 0; i < K; i++) cr_expect_eq(b.code[i], i == 40 ? -127 : 0);
}

/* Scale from the largest, codes within half a step, sums of codes exact: for every group size. */
Test(activation, scale_codes_and_sums) {
    struct rng rng = rng_seed(9);
    for (int group = 32; group <= 256; group *= 2) {
        float x[K];
        struct block b;
        for (int i = 0; i < K; i++) x[i] = (float)(rng_normal(&rng) * exp(rng_normal(&rng) * 5));
        quantise(x, group, &b);
        double back[K];
        activation_dequantise(CLASS_I8, b.bytes, K, group, back);
        for (int g = 0; g < K / group; g++) {
            float largest = 0;
            int sum = 0, most = 0;
            for (int i = g * group; i < (g + 1) * group; i++) {
                largest = fmaxf(largest, fabsf(x[i]));
                sum += b.code[i];
                if (abs(b.code[i]) > most) most = abs(b.code[i]);
                cr_expect_leq(fabs(back[i] - x[i]), b.scale[g] * 0.500001, "%g became %g", x[i],
                              back[i]);
                cr_expect_eq(back[i], (double)b.scale[g] * b.code[i]);
            }
            cr_expect_eq(b.scale[g], largest / 127);
            cr_expect_eq(most, 127, "the largest of a group has the largest code");
            cr_expect_eq(b.sum[g], (float)sum);
        }
    }
}

/* Groups so small that their scale would be subnormal are zero: codes would leave int8. */
Test(activation, smallest_values) {
    static const float smallest[] = {0x1p-149f, 0x1p-142f, 0x1.7cp-142f, 0x1p-130f,
                                     0x1p-127f, 0x1p-126f, 0x1.fcp-120f};
    for (size_t i = 0; i < sizeof smallest / sizeof *smallest; i++) {
        float x[K] = {0};
        struct block b;
        x[3] = smallest[i];
        x[4] = -smallest[i];
        quantise(x, 32, &b);
        const bool is_kept = smallest[i] / 127 >= 0x1p-126f;
        cr_expect_eq(b.code[3], is_kept ? 127 : 0, "%a has code %d", smallest[i], b.code[3]);
        cr_expect_eq(b.code[4], is_kept ? -127 : 0, "%a has code %d", -smallest[i], b.code[4]);
        cr_expect_eq(b.sum[0], 0);
        cr_expect_eq(b.scale[0], is_kept ? smallest[i] / 127 : 0);
    }
}

Test(activation, f32_stays_as_it_is) {
    float x[K];
    double back[K];
    for (int i = 0; i < K; i++) x[i] = (float)i / 7;
    activation_dequantise(CLASS_F32, x, K, 0, back);
    for (int i = 0; i < K; i++) cr_assert_eq(back[i], (double)x[i]);
}
