/* seeds.h: configurations worth asking first: the default, what was best for this problem before (also under
 * another driver or kernel source), what is best for its nearest relatives on this device, what the variants
 * hint at. */
#pragma once
#include "results/store.h"
#include "tuner/quest.h"

enum { SEEDS_MOST = 16 };

/* Writes at most SEEDS_MOST numbers, the default first. relatives: other problems whose records may
 * exist (the session's). Nothing found is no failure: fewer seeds then. */
size_t seeds_gather(struct store *store, const struct device_info *info, const struct quest *quest,
                    const struct quest *relatives, size_t n_relatives, int64_t seeds[SEEDS_MOST]);
