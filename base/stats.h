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
/* Hodges–Lehmann shift: the median of all y_j − x_i. */
double stats_shift(const double *x, size_t n, const double *y, size_t m);
