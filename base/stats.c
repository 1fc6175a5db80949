/* stats.c: see stats.h. */
#include "base/stats.h"
#include "base/str.h"
#include <assert.h>
#include <math.h>
#include <stdbool.h>
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

/* ---- two samples ---- */

static double *differences(const double *x, size_t n, const double *y, size_t m) {
    double *difference = memory_new(n * m * sizeof *difference);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++) difference[i * m + j] = y[j] - x[i];
    return difference;
}

double stats_shift(const double *x, size_t n, const double *y, size_t m) {
    if (n == 0 || m == 0) return NAN;
    double *difference = differences(x, n, y, m);
    const double shift = stats_median(difference, n * m);
    free(difference);
    return shift;
}

/* count[u]: in how many of the C(n + m, n) orders u pairs have y above x. It is the coefficient of q^u in
 * Π (1 − q^(m+i)) / (1 − q^i), i = 1 … n; whole numbers all the way. Returns their sum. */
static double count_orders(size_t n, size_t m, double *count) {
    const size_t most = n * m;
    double orders = 1;
    memset(count, 0, (most + 1) * sizeof *count);
    count[0] = 1;
    for (size_t i = 1; i <= n; i++) {
        for (size_t u = most; u >= m + i; u--) count[u] -= count[u - m - i];
        for (size_t u = i; u <= most; u++) count[u] += count[u - i];
        orders = orders * (double)(m + i) / (double)i;
    }
    return orders;
}

enum { PAIRS_MOST = STATS_RANKS_MOST * STATS_RANKS_MOST };

/* P(U' ≥ u); it is symmetric: P(U' ≤ n·m − u) too. */
static double upper_tail(size_t n, size_t m, size_t u) {
    double count[PAIRS_MOST + 1], sum = 0;
    const double orders = count_orders(n, m, count);
    for (size_t i = u; i <= n * m; i++) sum += count[i];
    return sum / orders;
}

double stats_mann_whitney(const double *x, size_t n, const double *y, size_t m, double margin) {
    assert(n <= STATS_RANKS_MOST && m <= STATS_RANKS_MOST);
    if (n == 0 || m == 0) return NAN;
    size_t halves = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++)
            halves += 2 * (y[j] - margin > x[i]) + (y[j] - margin == x[i]);
    return upper_tail(n, m, halves / 2);
}

size_t stats_mann_whitney_least(size_t n, size_t m, double alpha) {
    assert(n <= STATS_RANKS_MOST && m <= STATS_RANKS_MOST);
    double count[PAIRS_MOST + 1], sum = 0;
    const double orders = count_orders(n, m, count);
    size_t u = n * m + 1;
    while (u > 0 && (sum += count[u - 1]) <= alpha * orders) u--;
    return u;
}

void stats_shift_interval(const double *x, size_t n, const double *y, size_t m, double level,
                          double *low, double *high) {
    *low = *high = NAN;
    if (n == 0 || m == 0) return;
    double *difference = differences(x, n, y, m);
    qsort(difference, n * m, sizeof *difference, compare);
    /* As many differences are cut off on either side as U may be small with (1 − level) / 2. */
    const size_t least = stats_mann_whitney_least(n, m, (1 - level) / 2);
    const size_t cut = least > n * m ? 0 : n * m - least;
    *low = difference[cut];
    *high = difference[n * m - 1 - cut];
    free(difference);
}

void stats_holm(const double *p, size_t n, double *adjusted) {
    bool *is_done = memory_new((n ? n : 1) * sizeof *is_done);
    double before = 0; /* a p is never rejected when a smaller one is not */
    for (size_t left = n; left > 0; left--) {
        size_t least = n;
        for (size_t i = 0; i < n; i++)
            if (!is_done[i] && (least == n || p[i] < p[least])) least = i;
        before = fmax(before, fmin(1, p[least] * (double)left));
        adjusted[least] = before;
        is_done[least] = true;
    }
    free(is_done);
}
