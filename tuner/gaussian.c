/* gaussian.c: see gaussian.h. The covariance is rational quadratic, k(d²) = (1 + d²/8)⁻⁴: nearly the
 * squared exponential, with a heavier tail and without an exponential to compute. Inner loops run over
 * blocks of fixed size in order, so that compilers make vectors of them and every machine gets the same
 * numbers. */
#include "tuner/gaussian.h"
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* The prior of the scales, normal in their logarithms. A trait runs from 0 to 2: at a weight of e⁻³
 * its ends are still alike, and data must say that it matters. What is usual in a space is data's
 * affair, too: the mean of its weights is itself normal, around that. Noise is some 5 % of the
 * process' deviation. */
static const double WEIGHT_MEAN = -3, MEAN_DEVIATION = 1.5, WEIGHT_DEVIATION = 2.5;
static const double NOISE_MEAN = -6, NOISE_DEVIATION = 1;
static const double STEP = 0.8; /* of the climb, in logarithms */
enum {
    CHANGED_MOST = 3, /* scales that one step changes … */
    ALL_PERIOD = 4,   /* … but every fourth step, on average, moves all weights together */
};
static const double VARIANCE_LEAST = 1e-12; /* when all that was observed is equal */

enum { LANES = 8 };
/* Where the processor has vectors of eight, those; the same numbers, since neither kind fuses a product
 * with a sum. */
#if defined __x86_64__ && defined __GLIBC__
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif
static_assert(GAUSSIAN_MOST % LANES == 0 && GAUSSIAN_BLOCK % LANES == 0, "rows are whole vectors");
static int whole(int n) {
    return (n + LANES - 1) / LANES * LANES;
}

void gaussian_open(struct gaussian *gaussian, int n_traits) {
    assert(n_traits <= TRAITS);
    memset(gaussian, 0, sizeof *gaussian);
    gaussian->n_traits = n_traits;
    for (int t = 0; t < n_traits; t++) gaussian->scales.log_weight[t] = WEIGHT_MEAN;
    gaussian->scales.log_noise = NOISE_MEAN;
}

/* ---- vectors ---- */

/* sum += (a − x)² */
static void add_distance(float *restrict sum, const float *restrict a, float x, int n) {
    for (int i = 0; i < n; i += LANES)
        for (int l = 0; l < LANES; l++) sum[i + l] += (a[i + l] - x) * (a[i + l] - x);
}
static void covariances(float *distance, int n) {
    for (int i = 0; i < n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            float c = 1 / (1 + distance[i + l] / 8);
            c *= c;
            distance[i + l] = c * c;
        }
}
/* y −= a · x */
static void subtract(float *restrict y, float a, const float *restrict x, int n) {
    for (int i = 0; i < n; i += LANES)
        for (int l = 0; l < LANES; l++) y[i + l] -= a * x[i + l];
}

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
/* y −= Σ a[r] · x[r], row after row: the same numbers as one at a time, and y is fetched once. */
enum { ROWS = 8 };
static void subtract_rows(float *y, const float a[ROWS], const gaussian_block *x) {
    for (int i = 0; i < GAUSSIAN_BLOCK; i += LANES) {
        lanes rest = *(lanes *)(y + i);
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++) rest -= a[r] * *(const lanes *)(x[r] + i);
        *(lanes *)(y + i) = rest;
    }
}

/* ---- fitting ---- */

WIDE static void fill(struct gaussian *g) {
    for (int t = 0; t < g->n_traits; t++) {
        const float root = (float)exp(g->scales.log_weight[t] / 2);
        for (int i = 0; i < whole(g->n); i++) g->scaled[t][i] = root * g->x[t][i];
    }
    const float noise = (float)exp(g->scales.log_noise);
    for (int i = 0; i < g->n; i++) {
        const int from = i / LANES * LANES, n = whole(g->n) - from;
        float *row = g->factor[i] + from;
        memset(row, 0, (size_t)n * sizeof *row);
        for (int t = 0; t < g->n_traits; t++)
            add_distance(row, g->scaled[t] + from, g->scaled[t][i], n);
        covariances(row, n);
        g->factor[i][i] += noise;
    }
}

/* In place, covariances in, factor out: row k's multiples leave the rows below. Returns Σ ln of the diagonal,
 * INFINITY when it is not definite. */
WIDE static double factorize(struct gaussian *g) {
    double sum = 0;
    for (int k = 0; k < g->n; k++) {
        float *pivot = g->factor[k];
        if (!(pivot[k] > 1e-9F)) return INFINITY;
        const float root = sqrtf(pivot[k]), inverse = 1 / root;
        for (int j = k; j < whole(g->n); j++) pivot[j] *= inverse;
        sum += log((double)root);
        for (int i = k + 1; i < g->n; i++) {
            const int from = i / LANES * LANES;
            subtract(g->factor[i] + from, pivot[i], pivot + from, whole(g->n) - from);
        }
    }
    return sum;
}

/* x := U⁻ᵀ x */
static void solve(const struct gaussian *g, float *x) {
    for (int k = 0; k < g->n; k++) {
        x[k] /= g->factor[k][k];
        for (int i = k + 1; i < g->n; i++) x[i] -= g->factor[k][i] * x[k];
    }
}

/* The mean of the weights is where it is likeliest, given them. */
static double prior(const struct gaussian *g) {
    const double among = WEIGHT_DEVIATION * WEIGHT_DEVIATION,
                 of_mean = MEAN_DEVIATION * MEAN_DEVIATION;
    double shift = 0;
    for (int t = 0; t < g->n_traits; t++) shift += g->scales.log_weight[t] - WEIGHT_MEAN;
    shift *= of_mean / (among + g->n_traits * of_mean);
    double sum = shift * shift / of_mean;
    for (int t = 0; t < g->n_traits; t++)
        sum += pow((g->scales.log_weight[t] - WEIGHT_MEAN - shift) / WEIGHT_DEVIATION, 2);
    return -(sum + pow((g->scales.log_noise - NOISE_MEAN) / NOISE_DEVIATION, 2)) / 2;
}

/* Everything that follows from the scales. */
static void work_out(struct gaussian *g) {
    fill(g);
    const double determinant = factorize(g);
    float ones[GAUSSIAN_MOST];
    double square = 0, product = 0;
    for (int i = 0; i < g->n; i++) ones[i] = 1;
    memcpy(g->solved, g->y, sizeof g->solved);
    g->score = -INFINITY;
    if (!(determinant < INFINITY)) return;
    solve(g, ones);
    solve(g, g->solved);
    for (int i = 0; i < g->n; i++) {
        square += (double)ones[i] * (double)ones[i];
        product += (double)ones[i] * (double)g->solved[i];
    }
    g->mean = product / square;
    double variance = VARIANCE_LEAST;
    for (int i = 0; i < g->n; i++) {
        g->solved[i] -= (float)g->mean * ones[i];
        variance += (double)g->solved[i] * (double)g->solved[i] / g->n;
    }
    g->deviation = sqrt(variance);
    g->score = prior(g) - determinant - g->n * log(variance) / 2;
}

static void change(struct gaussian_scales *scales, int n_traits, struct rng *rng) {
    if (rng_below(rng, ALL_PERIOD) == 0) {
        const double by = STEP * rng_normal(rng);
        for (int t = 0; t < n_traits; t++) scales->log_weight[t] += by;
        return;
    }
    for (int left = 1 + (int)rng_below(rng, CHANGED_MOST); left > 0; left--) {
        const int which = (int)rng_below(rng, (uint64_t)n_traits + 1);
        *(which < n_traits ? &scales->log_weight[which] : &scales->log_noise) +=
            STEP * rng_normal(rng);
    }
}

void gaussian_fit(struct gaussian *g, int steps, struct rng *rng) {
    assert(g->n > 0 && g->n <= GAUSSIAN_MOST);
    work_out(g);
    struct gaussian_scales best = g->scales;
    double score = g->score;
    bool is_best = true; /* are factor and solved those of `best`? */
    for (int step = 0; step < steps; step++) {
        g->scales = best;
        change(&g->scales, g->n_traits, rng);
        work_out(g);
        is_best = g->score > score;
        if (!is_best) continue;
        score = g->score;
        best = g->scales;
    }
    if (is_best) return;
    g->scales = best;
    work_out(g);
}

/* ---- judging ---- */

double gaussian_best(const struct gaussian *g) {
    /* y − noise · K⁻¹ (y − mean): what is expected where it was observed. */
    const double noise = exp(g->scales.log_noise);
    double weight[GAUSSIAN_MOST], best = -INFINITY;
    for (int i = g->n - 1; i >= 0; i--) {
        weight[i] = (double)g->solved[i];
        for (int j = i + 1; j < g->n; j++) weight[i] -= (double)g->factor[i][j] * weight[j];
        weight[i] /= (double)g->factor[i][i];
        best = fmax(best, (double)g->y[i] - noise * weight[i]);
    }
    return best;
}

WIDE void gaussian_reduce(const struct gaussian *g, const gaussian_block *value,
                          struct gaussian_reduced *out) {
    gaussian_block scaled[TRAITS];
    for (int t = 0; t < g->n_traits; t++) {
        const float root = (float)exp(g->scales.log_weight[t] / 2);
        for (int c = 0; c < GAUSSIAN_BLOCK; c++) scaled[t][c] = root * value[t][c];
    }
    for (int c = 0; c < GAUSSIAN_BLOCK; c++) out->rest[c] = 1;
    for (int i = 0; i < g->n; i++) {
        float *v = out->row[i];
        memset(v, 0, sizeof out->row[i]);
        for (int t = 0; t < g->n_traits; t++)
            add_distance(v, scaled[t], g->scaled[t][i], GAUSSIAN_BLOCK);
        covariances(v, GAUSSIAN_BLOCK);
        int k = 0;
        for (; k + ROWS <= i; k += ROWS) {
            float a[ROWS];
            for (int r = 0; r < ROWS; r++) a[r] = g->factor[k + r][i];
            subtract_rows(v, a, (const gaussian_block *)out->row + k);
        }
        for (; k < i; k++) subtract(v, g->factor[k][i], out->row[k], GAUSSIAN_BLOCK);
        const float inverse = 1 / g->factor[i][i];
        for (int c = 0; c < GAUSSIAN_BLOCK; c += LANES) {
            const lanes by = *(lanes *)(v + c) * inverse;
            *(lanes *)(v + c) = by;
            *(lanes *)(out->rest + c) -= by * by;
        }
    }
}

WIDE void gaussian_read(const struct gaussian *g, const struct gaussian_reduced *reduced,
                        gaussian_block mean, gaussian_block deviation) {
    for (int c = 0; c < GAUSSIAN_BLOCK; c++) {
        mean[c] = (float)g->mean;
        deviation[c] = (float)g->deviation * sqrtf(fmaxf(reduced->rest[c], 1e-8F));
    }
    for (int i = 0; i < g->n; i++)
        for (int c = 0; c < GAUSSIAN_BLOCK; c += LANES)
            *(lanes *)(mean + c) += g->solved[i] * *(const lanes *)(reduced->row[i] + c);
}

void gaussian_expect(const struct gaussian *gaussian, const gaussian_block *value,
                     gaussian_block mean, gaussian_block deviation) {
    struct gaussian_reduced reduced;
    gaussian_reduce(gaussian, value, &reduced);
    gaussian_read(gaussian, &reduced, mean, deviation);
}
