/* census.h: how many points of a variant its constraints leave, and uniform draws from them, without a list.
 *
 *     count(p, values before p) = sum over the values of p that its constraints allow of count(p + 1, …)
 *
 * depends only on those values that later constraints still read, and is kept for them: a space of 10^12 raw
 * points whose constraints read a few parameters each takes microseconds. A draw goes down the same sum,
 * choosing each value as often as there are points behind it. */
#pragma once
#include "base/rng.h"
#include "tuner/axes.h"

struct census;
/* The axes outlive it. NOMEM: the constraints are so entangled that the counts do not fit. */
enum status census_open(const struct axes *axes, struct census **out, struct error *err);
void census_close(struct census *census); /* NULL is fine */
/* Points that the constraints leave; limits of the device beyond features are not asked. */
double census_count(const struct census *census);
/* One of them, each as likely as any other: places of its values. The count is not 0. */
void census_draw(struct census *census, struct rng *rng, unsigned char place[PARAMS],
                 struct config *config);
