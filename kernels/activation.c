/* activation.c: see activation.h. */
#include "kernels/activation.h"
#include <assert.h>
#include <math.h>
#include <string.h>

size_t activation_row_bytes(enum class_id class, int64_t k, int group) {
    if (class != CLASS_I8) return (size_t)k * sizeof(float);
    assert(group > 0 && k % group == 0);
    return (size_t)k + (size_t)(k / group) * 2 * sizeof(float);
}

static float largest(const float *x, int n) {
    float most = 0;
    for (int i = 0; i < n; i++) most = fmaxf(most, fabsf(x[i]));
    return most;
}

/* Added, it rounds to whole numbers, ties to even. */
static const float ROUND = 0x1.8p23f;

void activation_quantise(const float *x, int64_t k, int group, void *row) {
    int8_t *code = row;
    float *scale = (float *)(code + k), *sum = scale + k / group;
    for (int64_t g = 0; g < k / group; g++, x += group, code += group) {
        const float quotient = largest(x, group) / 127;
        scale[g] = quotient >= SCALE_LEAST ? quotient : 0;
        const float inverse = scale[g] > 0 ? 1 / scale[g] : 0;
        int total = 0;
        for (int i = 0; i < group; i++) {
            code[i] = (int8_t)(fmaf(x[i], inverse, ROUND) - ROUND);
            total += code[i];
        }
        sum[g] = (float)total;
    }
}

void activation_dequantise(enum class_id class, const void *row, int64_t k, int group, double *x) {
    if (class != CLASS_I8) {
        const float *value = row;
        for (int64_t i = 0; i < k; i++) x[i] = value[i];
        return;
    }
    const int8_t *code = row;
    const float *scale = (const float *)(code + k);
    for (int64_t i = 0; i < k; i++) x[i] = (double)scale[i / group] * code[i];
}
