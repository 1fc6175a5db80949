/* stats.c: see stats.h. */
#include "base/stats.h"
#include "base/str.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double *sorted(const double *x, size_t n) {
    double *copy = memory_new(n * sizeof *copy);
    memcpy(copy, x, n * sizeof *copy);
    qsort(copy, n, sizeof *copy, compare);
    return copy;
}

double stats_quantile(const double *x, size_t n, double q) {
    if (n == 0) return NAN;
    double *s = sorted(x, n);
    const double at = q * (double)(n - 1);
    const size_t i = (size_t)at;
    const double value = i + 1 < n ? s[i] + (at - (double)i) * (s[i + 1] - s[i]) : s[n - 1];
    free(s);
    return value;
}

double stats_median(const double *x, size_t n) {
    return stats_quantile(x, n, 0.5);
}

double stats_mad(const double *x, size_t n) {
    if (n == 0) return NAN;
    const double median = stats_median(x, n);
    double *distance = memory_new(n * sizeof *distance);
    for (size_t i = 0; i < n; i++) distance[i] = fabs(x[i] - median);
    const double mad = 1.4826 * stats_median(distance, n);
    free(distance);
    return mad;
}

double stats_mean(const double *x, size_t n) {
    if (n == 0) return NAN;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum / (double)n;
}

/* The largest k (from 1) with P(fewer than k of n below the median) ≤ (1 − level) / 2: the interval is
 * [x(k), x(n + 1 − k)]. 0: n is too small for the level. */
static size_t interval_rank(size_t n, double level) {
    double log_term = (double)n * log(0.5), below = 0; /* in logarithms: 0.5 ^ n would underflow */
    size_t k = 0;
    while (k < n / 2 && below + exp(log_term) <= (1 - level) / 2) {
        below += exp(log_term);
        k++;
        log_term += log((double)(n - k + 1) / (double)k);
    }
    return k;
}

void stats_median_interval(const double *x, size_t n, double level, double *low, double *high) {
    if (n == 0) {
        *low = *high = NAN;
        return;
    }
    double *s = sorted(x, n);
    const size_t k = n < 6 ? 0 : interval_rank(n, level);
    *low = s[k ? k - 1 : 0];
    *high = s[k ? n - k : n - 1];
    free(s);
}

double stats_shift(const double *x, size_t n, const double *y, size_t m) {
    if (n == 0 || m == 0) return NAN;
    double *difference = memory_new(n * m * sizeof *difference);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++) difference[i * m + j] = y[j] - x[i];
    const double shift = stats_median(difference, n * m);
    free(difference);
    return shift;
}
