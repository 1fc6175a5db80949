/* random.c: the seeds, then uniformly without repetition: a shuffle of the space that is dealt one
 * configuration at a time. The yardstick for every other strategy. */
#include "tuner/strategy.h"
#include <stdlib.h>

struct random {
    struct told told;
    uint32_t
        *deck; /* configurations; those before `dealt` are out, those before `next` were told */
    size_t dealt, next;
};

static enum status begin(struct search *search, struct error *err) {
    struct random *r = calloc(1, sizeof *r);
    search->state = r;
    size_t n = search->space->n;
    if (r) r->deck = malloc((n ? n : 1) * sizeof *r->deck);
    if (!r || !r->deck)
        return fail(err, STATUS_NOMEM, "no memory to search %zu configurations at random", n);
    for (size_t i = 0; i < n; i++) r->deck[i] = (uint32_t)i;
    return told_open(&r->told, search, err);
}

/* Which card comes next depends on nothing but the seed: dealing ahead changes nothing. */
static void deal(struct random *r, struct rng *rng) {
    const size_t pick = r->dealt + rng_below(rng, r->told.n - r->dealt);
    const uint32_t card = r->deck[pick];
    r->deck[pick] = r->deck[r->dealt];
    r->deck[r->dealt++] = card;
}

static int64_t next(struct search *search) {
    struct random *r = search->state;
    const int64_t seed = told_next_seed(&r->told, search);
    if (seed >= 0) return seed;
    for (;; r->next++) {
        if (r->next == r->told.n) return -1;
        if (r->next == r->dealt) deal(r, &search->rng);
        if (!r->told.is_told[r->deck[r->next]]) return r->deck[r->next];
    }
}

static size_t peek(struct search *search, int64_t *likely, size_t n) {
    struct random *r = search->state;
    const int64_t now = next(search);
    size_t found = told_peek_seeds(&r->told, search, likely, n);
    for (size_t i = r->next; i < r->told.n && found < n; i++) {
        if (i == r->dealt) deal(r, &search->rng);
        if (!r->told.is_told[r->deck[i]] && r->deck[i] != now) likely[found++] = r->deck[i];
    }
    return found;
}

static void tell(struct search *search, int64_t config, double time_ns, bool censored) {
    struct random *r = search->state;
    (void)time_ns;
    (void)censored;
    told_mark(&r->told, config);
}

static void end(struct search *search) {
    struct random *r = search->state;
    if (r) {
        told_close(&r->told);
        free(r->deck);
    }
    free(r);
    search->state = NULL;
}

const struct strategy strategy_random = {
    .name = "random",
    .summary = "uniformly without repetition",
    .begin = begin,
    .next = next,
    .tell = tell,
    .peek = peek,
    .end = end,
};
