/* levels.h: a history cut into stretches of like values: where did it step? */
#pragma once
#include <stddef.h>

/* Fit a step function to n values in the order measured, logarithms of times, by least squares with a price:
 *
 *     minimise  sum (z[i] - level)^2  +  4 sigma^2 ln n  for each step
 *
 * over all cuts into stretches of three values or more. z[i] is the median of five neighbours of y[i]: two strays
 * are no step, the third makes one. sigma is the robust deviation
 * of neighbours' differences, which steps do not widen, and at least 0.01. level[i] receives the median of the
 * stretch of y[i]. The price is the information criterion that airspeed velocity takes. O(n^2). */
void levels_fit(const double *y, size_t n, double *level);
