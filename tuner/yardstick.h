/* yardstick.h: frozen kernels that stand beside a benchmark in the same process. The machine's speed of the
 * hour is in both times, so that their ratio can be compared between processes and days, which neither
 * time can. The canary of measure.h is another thing: it is calibrated anew each time. */
#pragma once
#include "tuner/measure.h"

/* ORDER yardsticks */
enum yardstick_kind { YARDSTICK_STREAM, YARDSTICK_CHAIN, YARDSTICK_EMPTY, YARDSTICKS };
extern const char *const yardstick_names[YARDSTICKS]; /* "stream", "chain", "empty" */
int yardstick_find(const char *name);                 /* −1: unknown */
void yardstick_key(char text[17]);                    /* hash of their source */

struct yardstick;
enum status yardstick_open(struct device *device, struct yardstick **out, struct error *err);
void yardstick_close(struct yardstick *yardstick); /* NULL is fine */
/* One launch of that kind: always the same work on one device model, by the host's clock. */
struct subject yardstick_subject(struct yardstick *yardstick, enum yardstick_kind kind);
/* The kind that is bound by what a kernel with this cost and time is bound by. */
enum status yardstick_choose(struct yardstick *yardstick, const struct cost *cost, double time_ns,
                             enum yardstick_kind *kind, struct error *err);
