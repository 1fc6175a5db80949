/* pool.c: see pool.h. */
#include "kernels/rope_kv/pool.h"
#include "base/rng.h"
#include <math.h>
#include <string.h>

/* A rotated component: two products and a sum. */
enum { ROTATION_TERMS = 2 };

/* ---- elements ---- */

static size_t element_bytes(struct pool pool) {
    return pool.is_f32 ? sizeof(float) : sizeof(uint16_t);
}

static size_t block_elements(struct pool pool) {
    return (size_t)(pool.kvh * pool.d) * POOL_BLOCK;
}

size_t pool_bytes(struct pool pool, int64_t n_blocks) {
    return (size_t)n_blocks * block_elements(pool) * element_bytes(pool);
}

size_t pool_key_at(struct pool pool, int64_t slot, int64_t head, int64_t component) {
    const int64_t block = slot / POOL_BLOCK, place = slot % POOL_BLOCK;
    return (size_t)(((block * pool.kvh + head) * pool.d + component) * POOL_BLOCK + place);
}

size_t pool_value_at(struct pool pool, int64_t slot, int64_t head, int64_t component) {
    const int64_t block = slot / POOL_BLOCK, place = slot % POOL_BLOCK;
    return (size_t)(((block * pool.kvh + head) * POOL_BLOCK + place) * pool.d + component);
}

double pool_get(struct pool pool, const void *memory, size_t at) {
    return pool.is_f32 ? ((const float *)memory)[at]
                       : half_to_float(((const uint16_t *)memory)[at]);
}

void pool_set(struct pool pool, void *memory, size_t at, float value) {
    if (pool.is_f32) ((float *)memory)[at] = value;
    else ((uint16_t *)memory)[at] = half_from_float(value);
}

void pool_poison(struct pool pool, void *memory, int64_t n_blocks) {
    static const uint32_t singles[] = {0x7fc0dead, 0x7f7fffff, 0xff800000};
    static const uint16_t halves[] = {0x7e01, 0x7bff, 0xfc00};
    const size_t n = (size_t)n_blocks * block_elements(pool);
    for (size_t i = 0; i < n; i++) {
        if (pool.is_f32) memcpy((float *)memory + i, &singles[i % 3], sizeof(float));
        else ((uint16_t *)memory)[i] = halves[i % 3];
    }
}

/* ---- rotation ---- */

void rotate(const float *x, const float *rotary, int64_t d, double *y, double *magnitude) {
    const int64_t half = d / 2;
    for (int64_t i = 0; i < half; i++) {
        const double a = x[i], b = x[i + half], c = rotary[2 * i], s = rotary[2 * i + 1];
        y[i] = a * c - b * s;
        y[i + half] = b * c + a * s;
        if (!magnitude) continue;
        magnitude[i] = fabs(a * c) + fabs(b * s);
        magnitude[i + half] = fabs(b * c) + fabs(a * s);
    }
}

void rotary_fill(float *rotary, int64_t positions, int64_t d, uint64_t seed) {
    struct rng rng = rng_seed(seed);
    for (int64_t i = 0; i < positions * (d / 2); i++) {
        const double angle = 6.283185307 * (double)(rng_next(&rng) >> 11) * 0x1p-53;
        rotary[2 * i] = (float)cos(angle);
        rotary[2 * i + 1] = (float)sin(angle);
    }
}

/* ---- judge ---- */

/* The most that rounding to the pool's type changes v: half a step of f16. */
static double half_step(struct pool pool, double v) {
    if (pool.is_f32) return 0;
    const int exponent = v == 0 ? -14 : ilogb(v);
    return ldexp(1, (exponent < -14 ? -14 : exponent) - 11);
}

static void judge_head(struct pool pool, const struct pool_row *row, int64_t head, const void *keys,
                       const void *values, struct verdict *verdict) {
    double k[HEAD_MOST] = {0}, magnitude[HEAD_MOST] = {0};
    const float *v = row->v + head * pool.d;
    rotate(row->k + head * pool.d, row->rotary, pool.d, k, magnitude);
    for (int64_t i = 0; i < pool.d; i++) {
        const int64_t column = head * pool.d + i;
        const double got = pool_get(pool, keys, pool_key_at(pool, row->slot, head, i));
        const double beyond = fabs(got - k[i]) - half_step(pool, k[i]); /* NaN stays NaN */
        verdict_element(verdict, CLASS_F32, ROTATION_TERMS, beyond <= 0 ? k[i] : k[i] + beyond,
                        k[i], magnitude[i], row->row, column);
        const double kept = pool_get(pool, values, pool_value_at(pool, row->slot, head, i));
        const double expected = pool.is_f32 ? v[i] : half_to_float(half_from_float(v[i]));
        verdict_element(verdict, CLASS_F32, 1, kept, expected, 0, row->row, column);
    }
}

void pool_judge_row(struct pool pool, const struct pool_row *row, const void *keys,
                    const void *values, struct verdict *verdict) {
    for (int64_t head = 0; head < pool.kvh; head++)
        judge_head(pool, row, head, keys, values, verdict);
}

void pool_judge_rest(struct pool pool, int64_t n_blocks, const bool *is_own, const void *memory,
                     const void *before, bool is_keys, struct verdict *verdict) {
    const size_t bytes = pool_bytes(pool, 1), one = element_bytes(pool);
    const char *now = memory, *then = before;
    for (int64_t block = 0; block < n_blocks; block++, now += bytes, then += bytes) {
        if (!memcmp(now, then, bytes)) continue;
        for (size_t i = 0; i < block_elements(pool); i++) {
            const size_t place = is_keys ? i % POOL_BLOCK : i / (size_t)pool.d % POOL_BLOCK;
            const int64_t slot = block * POOL_BLOCK + (int64_t)place;
            if (is_own[slot] || !memcmp(now + i * one, then + i * one, one)) continue;
            verdict_fail(verdict, "slot %lld of %s changed, which belongs to no row",
                         (long long)slot, is_keys ? "K" : "V");
            return;
        }
    }
}
