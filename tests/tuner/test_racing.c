/* test_racing.c: racing over recorded run times on a machine that is busy now and then: the best is never
 * dropped, the finals find it or its equal, and most of the kernel time is saved. */
#include "base/rng.h"
#include "base/stats.h"
#include "tests/support.h"
#include "tuner/measure.h"
#include "tuner/recorded.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

enum { SEEDS = 100, CANDIDATES = 1000, FINALISTS = 4, FINAL_ROUNDS = 3, RUNS = 32 };
static const double FINALIST_WITHIN = 0.05;

/* ---- a machine on which something else runs a tenth of the time ---- */

static const double QUIET_NS = 3e9, BUSY_NS = 0.3e9, CANARY_NS = 1.5e5;

struct machine {
    struct rng rng;
    double now_ns, until_ns; /* until when it stays as it is */
    double slower;           /* 1: quiet */
};

static double exponential(struct rng *rng, double mean) {
    return -mean * log(1 - rng_uniform(rng));
}

static double machine_takes(struct machine *m, double ns) {
    while (m->now_ns >= m->until_ns) {
        const bool gets_busy = m->slower == 1;
        m->slower = gets_busy ? 1.2 + 1.8 * rng_uniform(&m->rng) : 1;
        m->until_ns += exponential(&m->rng, gets_busy ? BUSY_NS : QUIET_NS);
    }
    m->now_ns += ns * m->slower;
    return ns * m->slower;
}

struct player {
    struct machine *machine;
    const double *runs_ns; /* the recorded runs, round and round; a canary has one */
    size_t n, at;
    double spent_ns;
};

static enum status player_run(void *context, int repeats, double *time_ns, struct error *err) {
    struct player *p = context;
    double sum = 0;
    (void)err;
    for (int i = 0; i < repeats; i++) sum += machine_takes(p->machine, p->runs_ns[p->at++ % p->n]);
    p->spent_ns += sum;
    *time_ns = sum / repeats;
    return OK;
}

static struct player player_of(const struct recorded *r, int64_t at, struct machine *machine) {
    const struct recorded_config *c = recorded_config(r, at);
    return (struct player){machine, r->recording.runs_ns + c->first_run, c->n_runs,
                           rng_below(&machine->rng, c->n_runs), 0};
}

/* ---- one seed ---- */

struct candidate {
    int64_t at;
    double median_ns, hope_ns; /* as raced, and what it may be; INFINITY: dropped */
};

static int by_hope(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    return (x->hope_ns > y->hope_ns) - (x->hope_ns < y->hope_ns);
}

struct outcome_of_seed {
    bool is_dropped; /* the best */
    double worse;    /* recorded median of the winner over that of the best */
    double raced_ns; /* with canary and finals */
    double all_ns;   /* all recorded runs of each */
};

static struct candidate *race_all(const struct recorded *r, struct machine *machine,
                                  struct player *canary, struct outcome_of_seed *out) {
    struct candidate *list = calloc(CANDIDATES, sizeof *list);
    double incumbent_ns = INFINITY, best_ns = INFINITY, behind_ns = INFINITY;
    for (int i = 0; i < CANDIDATES; i++) {
        const int64_t at = (int64_t)rng_below(&machine->rng, r->space.n);
        struct player player = player_of(r, at, machine);
        const struct measuring m = {.subject = {player_run, &player},
                                    .canary = {player_run, canary},
                                    .canary_settled_ns = CANARY_NS,
                                    .behind_ns = &behind_ns,
                                    .incumbent_ns = incumbent_ns};
        struct sample_set set;
        bool is_abandoned;
        cr_assert_eq(measure_race(&m, &set, &is_abandoned, NULL), OK);
        list[i] = (struct candidate){at, is_abandoned ? INFINITY : set.median,
                                     is_abandoned ? INFINITY : set.undisturbed};
        if (!is_abandoned) incumbent_ns = fmin(incumbent_ns, set.median);
        sample_set_free(&set);
        out->raced_ns += player.spent_ns;
        for (size_t k = 0; k < player.n; k++) out->all_ns += player.runs_ns[k];
        const double median_ns = recorded_config(r, at)->median_ns;
        if (median_ns < best_ns) out->is_dropped = is_abandoned;
        best_ns = fmin(best_ns, median_ns);
    }
    out->worse = 1 / best_ns;
    return list;
}

/* These few side by side; their recorded medians and what was measured of the best go on. */
static void hold_final(const struct recorded *r, struct machine *machine, struct player *canary,
                       const struct candidate *list, size_t n, struct candidate *best,
                       struct outcome_of_seed *out) {
    struct player players[FINALISTS];
    struct subject subjects[FINALISTS];
    struct sample_set sets[FINALISTS] = {0};
    for (size_t i = 0; i < n; i++) {
        players[i] = player_of(r, list[i].at, machine);
        subjects[i] = (struct subject){player_run, &players[i]};
    }
    cr_assert_eq(
        measure_finals((struct subject){player_run, canary}, CANARY_NS, subjects, n, 0, sets, NULL),
        OK);
    for (size_t i = 0; i < n; i++) {
        if (sets[i].median < best->median_ns)
            *best = (struct candidate){list[i].at, sets[i].median, 0};
        out->raced_ns += players[i].spent_ns;
        sample_set_free(&sets[i]);
    }
}

/* The session's rule: the nearest few; then, twice, those that may be faster than the winner so far. */
static void hold_finals(const struct recorded *r, struct machine *machine, struct player *canary,
                        struct candidate *list, struct outcome_of_seed *out) {
    struct candidate best = {-1, INFINITY, INFINITY};
    size_t next = 0;
    qsort(list, CANDIDATES, sizeof *list, by_hope);
    double most_ns = list[0].median_ns * (1 + FINALIST_WITHIN);
    for (int i = 0; i < CANDIDATES; i++)
        most_ns = fmin(most_ns, list[i].median_ns * (1 + FINALIST_WITHIN));
    for (int round = 0; round < FINAL_ROUNDS; round++) {
        size_t n = 0;
        while (n < FINALISTS && next + n < CANDIDATES && list[next + n].hope_ns < most_ns) n++;
        if (n > 0) hold_final(r, machine, canary, list + next, n, &best, out);
        next += n;
        most_ns = best.median_ns;
    }
    out->worse *= recorded_config(r, best.at)->median_ns;
}

static struct outcome_of_seed one_seed(const struct recorded *r, uint64_t seed) {
    struct machine machine = {.rng = rng_seed(seed), .until_ns = QUIET_NS, .slower = 1};
    struct player canary = {&machine, &CANARY_NS, 1, 0, 0};
    struct outcome_of_seed out = {0};
    struct candidate *list = race_all(r, &machine, &canary, &out);
    hold_finals(r, &machine, &canary, list, &out);
    out.raced_ns += canary.spent_ns;
    free(list);
    return out;
}

/* ---- all seeds ---- */

static void prove(const char *file) {
    struct recorded *r;
    struct error err = {0};
    double worse[SEEDS], worst = 1, raced_ns = 0, all_ns = 0;
    int dropped = 0;
    cr_assert_eq(recorded_open(test_data(file), &r, &err), OK, "%s", err.text);
    for (int s = 0; s < SEEDS; s++) {
        const struct outcome_of_seed out = one_seed(r, (uint64_t)s + 1);
        dropped += out.is_dropped;
        worse[s] = out.worse;
        worst = fmax(worst, out.worse);
        raced_ns += out.raced_ns;
        all_ns += out.all_ns;
    }
    cr_log_info("%s: %d winners dropped in %d seeds; the one found is %.2f %% slower (median), "
                "%.2f %% at most; %.1f times less kernel time than %d runs each",
                file, dropped, SEEDS, 100 * (stats_median(worse, SEEDS) - 1), 100 * (worst - 1),
                all_ns / raced_ns, RUNS);
    cr_assert_eq(dropped, 0);
    cr_assert_lt(worst, 1.01, "finals agree within 1 %%");
    cr_assert_geq(all_ns / raced_ns, 7);
    recorded_close(r);
}

Test(racing, loses_no_winner_on_a_2080_ti) {
    prove("tuning/RTX_2080_Ti.json.gz");
}
Test(racing, loses_no_winner_on_a_titan) {
    prove("tuning/RTX_Titan.json.gz");
}
