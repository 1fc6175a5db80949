/* exhaustive.c: the seeds, then every configuration in order. The smallest strategy: read it first. */
#include "tuner/strategy.h"
#include <stdlib.h>

struct exhaustive {
    struct told told;
    size_t at;
};

static enum status begin(struct search *search, struct error *err) {
    struct exhaustive *e = calloc(1, sizeof *e);
    search->state = e;
    if (!e) return fail(err, STATUS_NOMEM, "no memory to begin an exhaustive search");
    return told_open(&e->told, search, err);
}

static int64_t next(struct search *search) {
    struct exhaustive *e = search->state;
    int64_t seed = told_next_seed(&e->told, search);
    if (seed >= 0) return seed;
    while (e->at < e->told.n && e->told.is_told[e->at]) e->at++;
    return e->at < e->told.n ? (int64_t)e->at : -1;
}

static void tell(struct search *search, int64_t config, double time_ns, bool censored) {
    struct exhaustive *e = search->state;
    (void)time_ns;
    (void)censored;
    told_mark(&e->told, config);
}

static size_t peek(struct search *search, int64_t *likely, size_t n) {
    const struct exhaustive *e = search->state;
    const int64_t now = next(search);
    size_t found = told_peek_seeds(&e->told, search, likely, n);
    for (size_t at = e->at; at < e->told.n && found < n; at++)
        if (!e->told.is_told[at] && (int64_t)at != now) likely[found++] = (int64_t)at;
    return found;
}

static void end(struct search *search) {
    struct exhaustive *e = search->state;
    if (e) told_close(&e->told);
    free(e);
    search->state = NULL;
}

const struct strategy strategy_exhaustive = {
    .name = "exhaustive",
    .summary = "every configuration in order",
    .begin = begin,
    .next = next,
    .tell = tell,
    .peek = peek,
    .end = end,
};
