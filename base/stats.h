/* stats.h: the statistics of measuring: medians, never minima. Functions that take `const double *`
 * copy before they sort. n = 0 gives NAN. */
#pragma once
#include <stddef.h>

/* The middle of n numbers; the mean of the middle two where n is even. */
double stats_median(const double *x, size_t n);
double stats_quantile(const double *x, size_t n, double q); /* linear between order statistics */
double stats_mad(const double *x, size_t n);                /* 1.4826 · median |x − median| */
double stats_mean(const double *x, size_t n);
/* Distribution-free interval for the median with coverage ≥ level (0.95), from the binomial
 * distribution of order statistics; for n < 6 it is [min, max]. */
void stats_median_interval(const double *x, size_t n, double level, double *low, double *high);

/* ---- two samples: x from before, y from now ---- */

/* Hodges–Lehmann shift: the median of all y_j − x_i. */
double stats_shift(const double *x, size_t n, const double *y, size_t m);
/* The largest n and m of the functions below: C(56, 28) orders are still counted exactly in a double. */
enum { STATS_RANKS_MOST = 28 };

/* Exact one-sided Mann–Whitney: P(U' ≥ U) with U = Σ [y_j − margin > x_i] + ½ [=], when both come from one
 * distribution. Small: y is larger than x by more than the margin. Half a pair is rounded against finding
 * something. n, m ≤ STATS_RANKS_MOST. */
double stats_mann_whitney(const double *x, size_t n, const double *y, size_t m, double margin);
/* The least U that has P(U' ≥ U) ≤ alpha; n·m + 1 when none has. */
size_t stats_mann_whitney_least(size_t n, size_t m, double alpha);
/* Interval of the Hodges–Lehmann shift with coverage ≥ level, from the same distribution: the k-th
 * smallest and largest y_j − x_i; all of them where n and m are too small for the level. */
void stats_shift_interval(const double *x, size_t n, const double *y, size_t m, double level,
                          double *low, double *high);
/* Holm: adjusted[i] ≤ alpha for exactly the p[i] that are rejected when all of them together may raise a
 * false alarm with probability alpha. */
void stats_holm(const double *p, size_t n, double *adjusted);
