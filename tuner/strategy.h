/* strategy.h: how a space is searched: begin, next, tell, end. A strategy sees numbers of
 * configurations and times; it never measures. Its state is a function of the seed, the outcomes in
 * the order asked, and the seed records fixed at begin: a resumed session replays them. With is_ready it is also one of
 * when it was asked: then a resumed session goes on from the same outcomes, not with the same choices. */
#pragma once
#include "base/rng.h"
#include "tuner/space.h"

struct search {
    const struct space *space;
    struct rng rng;
    const int64_t
        *seeds; /* configurations worth asking first (default, nearest records); may be empty */
    size_t n_seeds;
    /* Can it be measured at once, because it is compiled already? NULL: all are alike. A strategy that has the
     * choice between two that promise about the same may take the one that is; what it asks for then depends
     * on when it is asked. */
    bool (*is_ready)(void *context, int64_t config);
    void *context;
    void *state; /* the strategy's own */
};
struct strategy {
    const char *name, *summary;
    enum status (*begin)(struct search *search, struct error *err);
    /* The next configuration to evaluate, −1: nothing left. Never one that was told already. */
    int64_t (*next)(struct search *search);
    /* time_ns: INFINITY when it failed; censored: it is at least that slow (abandoned). Any
     * configuration may be told, also one that was not asked for. */
    void (*tell)(struct search *search, int64_t config, double time_ns, bool censored);
    /* What next is likely to name after the configuration that it names now, likeliest first, at
     * most n: a guess for who prepares them ahead; without is_ready nothing of the search depends on
     * whether it was asked. NULL: no idea. */
    size_t (*peek)(struct search *search, int64_t *likely, size_t n);
    void (*end)(struct search *search);
};
bool search_is_ready(const struct search *search, int64_t config); /* false without is_ready */
extern const struct strategy *const strategies[]; /* ended by NULL; the first is the default */
const struct strategy *strategy_find(const char *name); /* NULL or "": the default; unknown: NULL */

/* What every strategy remembers: which configurations were told, and the seeds still to ask. */
struct told {
    unsigned char *is_told; /* per configuration */
    size_t n, n_told;
    size_t next_seed;
};
enum status told_open(struct told *told, const struct search *search, struct error *err);
void told_close(struct told *told);
void told_mark(struct told *told, int64_t config);
/* The next seed that was not told, −1: none left. */
int64_t told_next_seed(struct told *told, const struct search *search);
/* The seeds after that one; returns their number, at most n. */
size_t told_peek_seeds(const struct told *told, const struct search *search, int64_t *likely,
                       size_t n);
