/* levels.c: see levels.h. */
#include "base/levels.h"
#include "base/stats.h"
#include "base/str.h"
#include <math.h>
#include <stdlib.h>

enum { SHORTEST = 3, WINDOW = 5 };
static const double PRICE = 4, SIGMA_LEAST = 0.01;

static double noise(const double *y, size_t n) {
    double *difference = memory_new(n * sizeof *difference);
    for (size_t i = 1; i < n; i++) difference[i - 1] = y[i] - y[i - 1];
    const double sigma = stats_mad(difference, n - 1) / sqrt(2);
    free(difference);
    return fmax(sigma, SIGMA_LEAST);
}

/* The median of five neighbours, two on each side where there are: one stray or two vanish, a step stays where
 * it is. */
static double without_strays(const double *y, size_t n, size_t i) {
    if (n <= WINDOW) return stats_median(y, n);
    const size_t first = i < WINDOW / 2 ? 0 : i - WINDOW / 2;
    return stats_median(y + (first + WINDOW <= n ? first : n - WINDOW), WINDOW);
}

/* Sums of y and y^2 before each value: the squares of a stretch [a, b) about its mean in constant time. */
struct sums {
    double *y, *yy;
};

static double squares(const struct sums *sums, size_t a, size_t b) {
    const double s = sums->y[b] - sums->y[a];
    return fmax(0, sums->yy[b] - sums->yy[a] - s * s / (double)(b - a));
}

/* from[b]: where the last stretch of the best cut of y[0, b) begins. */
static void cut(const struct sums *sums, size_t n, double price, size_t *from) {
    double *cost = memory_new((n + 1) * sizeof *cost);
    cost[0] = -price; /* the first stretch is no step */
    for (size_t b = 1; b <= n; b++) {
        cost[b] = INFINITY;
        for (size_t a = 0; a + SHORTEST <= b || a == 0; a++) {
            const double sum = cost[a] + squares(sums, a, b) + price;
            if (sum < cost[b]) cost[b] = sum, from[b] = a;
        }
    }
    free(cost);
}

void levels_fit(const double *y, size_t n, double *level) {
    if (n == 0) return;
    struct sums sums = {memory_new((n + 1) * sizeof(double)), memory_new((n + 1) * sizeof(double))};
    size_t *from = memory_new((n + 1) * sizeof *from);
    const double center = stats_median(y, n), sigma = n > 1 ? noise(y, n) : SIGMA_LEAST;
    for (size_t i = 0; i < n; i++) {
        const double d = without_strays(y, n, i) - center;
        sums.y[i + 1] = sums.y[i] + d;
        sums.yy[i + 1] = sums.yy[i] + d * d;
    }
    cut(&sums, n, PRICE * sigma * sigma * log((double)n), from);
    for (size_t b = n; b > 0; b = from[b]) {
        const double median = stats_median(y + from[b], b - from[b]);
        for (size_t i = from[b]; i < b; i++) level[i] = median;
    }
    free(from);
    free(sums.y);
    free(sums.yy);
}
