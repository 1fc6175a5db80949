/* local.c: seeds and a few random starts, then first-improvement local search from the best of them, then
 * iterated local search: the best is shaken, climbed again, and now and then replaced by a fresh start.
 *
 * Spaces of GEMM kernels are rough but have wide basins: on recorded spaces a plain climber with restarts
 * reaches 95 % of the optimum with fewer evaluations than annealing or genetic search. Good seeds (the
 * winner at the next smaller n) stand in for most of the random starts. */
#include "tuner/strategy.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum {
    STARTS_ALONE = 16, /* random starts when there are hardly any seeds */
    STARTS_SEEDED = 3, /* … when there are at least SEEDS_ENOUGH */
    SEEDS_ENOUGH = 3,
    CLIMBS = 3,      /* the best starts that are climbed from */
    SHAKES = 3,      /* random steps away from the best */
    FRESH_EVERY = 4, /* every so many climbs begin at a random place */
    NEIGHBOURS = 512,
};

struct local {
    struct told told;
    double *time_ns;           /* per configuration; INFINITY: failed, censored or unknown */
    unsigned char *is_climbed; /* per configuration: its neighbourhood was begun */
    int starts_left;
    int climbs_left;
    int rounds;       /* climbs after the first ones */
    int64_t best, at; /* −1: none; at: where the climb stands */
    int64_t asked;    /* what next said last and was not told yet; −1: none */
    int64_t around[NEIGHBOURS];
    size_t n_around, turn; /* of the climb's neighbourhood */
};

static enum status begin(struct search *search, struct error *err) {
    struct local *s = calloc(1, sizeof *s);
    search->state = s;
    size_t n = search->space->n;
    if (s) {
        s->time_ns = malloc((n ? n : 1) * sizeof *s->time_ns);
        s->is_climbed = calloc(n ? n : 1, 1);
    }
    if (!s || !s->time_ns || !s->is_climbed)
        return fail(err, STATUS_NOMEM, "no memory to search %zu configurations", n);
    for (size_t i = 0; i < n; i++) s->time_ns[i] = INFINITY;
    s->starts_left = search->n_seeds >= SEEDS_ENOUGH ? STARTS_SEEDED : STARTS_ALONE;
    s->climbs_left = CLIMBS;
    s->best = s->at = s->asked = -1;
    return told_open(&s->told, search, err);
}

static int64_t random_untold(struct search *search) {
    struct local *s = search->state;
    if (s->told.n_told == s->told.n) return -1;
    int64_t i = (int64_t)rng_below(&search->rng, s->told.n);
    while (s->told.is_told[i]) i = (i + 1) % (int64_t)s->told.n;
    return i;
}

static void shuffle(struct rng *rng, int64_t *items, size_t n) {
    for (size_t i = n; i > 1; i--) {
        size_t j = rng_below(rng, i);
        int64_t swap = items[i - 1];
        items[i - 1] = items[j];
        items[j] = swap;
    }
}

static void climb_from(struct search *search, int64_t at) {
    struct local *s = search->state;
    s->at = at;
    s->is_climbed[at] = 1;
    s->n_around = space_neighbours(search->space, at, s->around, NEIGHBOURS);
    if (s->n_around > NEIGHBOURS) s->n_around = NEIGHBOURS;
    s->turn = 0;
    shuffle(&search->rng, s->around, s->n_around);
}

/* The fastest place whose neighbourhood was not begun, −1: none. */
static int64_t best_unclimbed(const struct local *s) {
    int64_t best = -1;
    for (size_t i = 0; i < s->told.n; i++)
        if (s->told.is_told[i] && !s->is_climbed[i] && s->time_ns[i] < INFINITY &&
            (best < 0 || s->time_ns[i] < s->time_ns[best]))
            best = (int64_t)i;
    return best;
}

/* A few random steps away from a configuration. */
static int64_t shake(struct search *search, int64_t at) {
    int64_t around[NEIGHBOURS];
    for (int step = 0; step < SHAKES; step++) {
        size_t n = space_neighbours(search->space, at, around, NEIGHBOURS);
        if (n > 0) at = around[rng_below(&search->rng, n < NEIGHBOURS ? n : NEIGHBOURS)];
    }
    return at;
}

/* The next place to climb from when a climb has ended: a good start, a shaken best, a fresh place.
 * Returns a configuration that must be evaluated first, or −1 when the climb could begin at once. */
static int64_t next_climb(struct search *search) {
    struct local *s = search->state;
    int64_t start = s->climbs_left > 0 ? best_unclimbed(s) : -1;
    if (start >= 0) {
        s->climbs_left--;
        climb_from(search, start);
        return -1;
    }
    s->rounds++;
    start =
        s->best >= 0 && s->rounds % FRESH_EVERY ? shake(search, s->best) : random_untold(search);
    if (start < 0 || s->told.is_told[start]) start = random_untold(search);
    s->at = -1;
    return start;
}

static int64_t next_around(struct local *s) {
    while (s->at >= 0 && s->turn < s->n_around) {
        int64_t candidate = s->around[s->turn];
        if (!s->told.is_told[candidate]) return candidate;
        s->turn++;
    }
    return -1;
}

static int64_t choose(struct search *search) {
    struct local *s = search->state;
    int64_t choice = told_next_seed(&s->told, search);
    if (choice < 0 && s->starts_left > 0) {
        s->starts_left--;
        choice = random_untold(search);
    }
    while (choice < 0 && s->told.n_told < s->told.n) {
        choice = next_around(s);
        if (choice < 0) choice = next_climb(search);
    }
    return choice;
}

/* Asking twice without telling gives the same answer. */
static int64_t next(struct search *search) {
    struct local *s = search->state;
    if (s->asked < 0) s->asked = choose(search);
    return s->asked;
}

static void tell(struct search *search, int64_t config, double time_ns, bool censored) {
    struct local *s = search->state;
    bool was_asked = config == s->asked;
    told_mark(&s->told, config);
    if (was_asked) s->asked = -1;
    if (censored || !(time_ns < INFINITY)) return;
    s->time_ns[config] = time_ns;
    if (s->best < 0 || time_ns < s->time_ns[s->best]) s->best = config;
    bool searching = told_next_seed(&s->told, search) < 0 && s->starts_left == 0;
    bool is_round_start = s->at < 0 && s->rounds > 0 && was_asked;
    bool is_better = s->at >= 0 && time_ns < s->time_ns[s->at];
    if (searching && (is_better || is_round_start)) climb_from(search, config);
}

static void end(struct search *search) {
    struct local *s = search->state;
    if (s) {
        told_close(&s->told);
        free(s->time_ns);
        free(s->is_climbed);
    }
    free(s);
    search->state = NULL;
}

const struct strategy strategy_local = {
    .name = "local",
    .summary = "random starts and seeds, then local search from the best, restarted",
    .begin = begin,
    .next = next,
    .tell = tell,
    .end = end,
};
