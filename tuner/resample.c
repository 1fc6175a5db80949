/* resample.c: see resample.h. */
#include "tuner/resample.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/stats.h"
#include "base/str.h"
#include "tuner/compare.h"
#include "tuner/gate.h"
#include "tuner/runs.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BASE = COMPARE_BASE_MOST, BATCH = COMPARE_BATCH, NEEDED = BASE + 2 * BATCH };
enum { GATES = 400, BOOTSTRAPS = 200 };
static_assert((int)NEEDED == (int)RESAMPLE_LEAST, "what resample.h says");
static const double BOUND = 0.95, NEEDED_LEAST = 0.05, NEEDED_SIGMAS = 5;

/* The runs of one benchmark of one recording. */
struct pool {
    double *value, *yardstick, *kernel_ns; /* ln, ln, ns */
    size_t n;
};

static void pool_size(struct pool *pool, size_t n) {
    pool->value = memory_grow(pool->value, n * sizeof *pool->value);
    pool->yardstick = memory_grow(pool->yardstick, n * sizeof *pool->yardstick);
    pool->kernel_ns = memory_grow(pool->kernel_ns, n * sizeof *pool->kernel_ns);
    pool->n = n;
}

static void pool_copy(struct pool *to, size_t i, const struct pool *from, size_t k) {
    to->value[i] = from->value[k];
    to->yardstick[i] = from->yardstick[k];
    to->kernel_ns[i] = from->kernel_ns[k];
}

/* As many runs, drawn with replacement, in order of time. */
static void pool_bootstrap(struct rng *rng, const struct pool *from, struct pool *to) {
    pool_size(to, from->n);
    for (size_t i = 0; i < from->n; i++) pool_copy(to, i, from, (size_t)rng_below(rng, from->n));
}

static struct pool *pools_new(size_t n) {
    return memory_new((n ? n : 1) * sizeof(struct pool));
}

static void pools_free(struct pool *pools, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(pools[i].value);
        free(pools[i].yardstick);
        free(pools[i].kernel_ns);
    }
    free(pools);
}

static void pool_read(const json_t *bench, struct pool *pool) {
    pool_size(pool, runs_count(bench));
    for (size_t i = 0; i < pool->n; i++)
        runs_value(bench, i, &pool->value[i], &pool->yardstick[i], &pool->kernel_ns[i]);
}

/* ---- one drawn gate ---- */

/* A stored baseline, first and second batch of one benchmark. */
struct hand {
    double value[NEEDED], yardstick[NEEDED], kernel_ns[NEEDED];
};

static void hand_take(struct hand *hand, size_t i, const struct pool *pool, size_t k) {
    hand->value[i] = pool->value[k];
    hand->yardstick[i] = pool->yardstick[k];
    hand->kernel_ns[i] = pool->kernel_ns[k];
}

/* Deal n different runs to places from `at`. */
static void deal(struct rng *rng, const struct pool *pool, struct hand *hand, size_t at, size_t n) {
    int *order = memory_new(pool->n * sizeof *order);
    for (size_t i = 0; i < pool->n; i++) order[i] = (int)i;
    rng_shuffle(rng, order, pool->n);
    for (size_t i = 0; i < n; i++) hand_take(hand, at + i, pool, (size_t)order[i]);
    free(order);
}

static void deal_random(struct rng *rng, const struct pool *base, const struct pool *fresh,
                        struct hand *hand) {
    if (base == fresh) {
        deal(rng, base, hand, 0, NEEDED);
    } else {
        deal(rng, base, hand, 0, BASE);
        deal(rng, fresh, hand, BASE, 2 * BATCH);
    }
}

/* A baseline of neighbours in time, and both batches of neighbours elsewhere: before it or behind. The start
 * is the caller's, that benchmarks of a gate are of the same time. */
static void deal_in_order(const struct pool *pool, double at, double gap, struct hand *hand) {
    const size_t spare = pool->n - NEEDED;
    const size_t first = (size_t)(at * (double)(spare + 1)),
                 apart = (size_t)(gap * (double)(spare - first + 1));
    const bool is_reversed = (size_t)(at * 1e6) % 2;
    const size_t base_at = is_reversed ? first + apart + 2 * BATCH : first;
    const size_t fresh_at = is_reversed ? first : first + BASE + apart;
    for (size_t i = 0; i < BASE; i++) hand_take(hand, i, pool, base_at + i);
    for (size_t i = 0; i < 2 * BATCH; i++) hand_take(hand, BASE + i, pool, fresh_at + i);
}

static struct gate_runs runs_of(const struct hand *hand, size_t at, size_t n) {
    return (struct gate_runs){hand->value + at, hand->yardstick + at, n};
}

/* As hone compare decides: a second batch only where the first is not the last word. */
static void decide(const struct hand *hands, size_t n, struct gate_bench *gate,
                   struct judgement *out) {
    for (size_t i = 0; i < n; i++)
        gate[i] = (struct gate_bench){.base = runs_of(&hands[i], 0, BASE),
                                      .fresh = runs_of(&hands[i], BASE, BATCH)};
    gate_judge(gate, n, out);
    bool again = false;
    for (size_t i = 0; i < n; i++) {
        if (!gate_is_open(&gate[i], &out[i])) continue;
        gate[i].fresh_second = runs_of(&hands[i], BASE + BATCH, BATCH);
        again = true;
    }
    if (again) gate_judge(gate, n, out);
}

/* ---- common practice ---- */

static const double PRACTICE = 0.05;

static bool means_differ(const struct hand *h, size_t n) {
    return stats_mean(h->kernel_ns + BASE, n) > (1 + PRACTICE) * stats_mean(h->kernel_ns, n);
}
static bool one_run_mean(const struct hand *h) {
    return means_differ(h, 1);
}
static bool five_run_mean(const struct hand *h) {
    return means_differ(h, 5);
}
static bool nine_run_mean(const struct hand *h) {
    return means_differ(h, BATCH);
}
static bool nine_run_test(const struct hand *h) {
    return stats_mann_whitney(h->kernel_ns, BATCH, h->kernel_ns + BASE, BATCH, 0) <= PRACTICE;
}
static const struct practice {
    const char *name;
    bool (*alarms)(const struct hand *hand);
} practices[] = {
    {"one run each, time > +5 %", one_run_mean},
    {"mean of 5 runs > +5 %", five_run_mean},
    {"mean of 9 runs > +5 %", nine_run_mean},
    {"Mann-Whitney of 9 runs, p < .05", nine_run_test},
};
enum { PRACTICES = sizeof practices / sizeof *practices };

/* ---- rates ---- */

/* How many of the gates: said SLOW of any benchmark, of each; NOISY of any; practice of any, of each. */
struct tally {
    size_t gates, slow, noisy, practice[PRACTICES];
};
/* One benchmark may be asked alone; SIZE_MAX: any. */
static void count(struct tally *t, const struct hand *hands, const struct judgement *judged,
                  size_t n, size_t asked) {
    bool slow = false, noisy = false, alarm[PRACTICES] = {false};
    for (size_t i = 0; i < n; i++) {
        if (asked != SIZE_MAX && i != asked) continue;
        slow |= judged[i].verdict == VERDICT_SLOW;
        noisy |= judged[i].verdict == VERDICT_NOISY;
        for (size_t p = 0; p < PRACTICES; p++) alarm[p] |= practices[p].alarms(&hands[i]);
    }
    t->gates++;
    t->slow += slow;
    t->noisy += noisy;
    for (size_t p = 0; p < PRACTICES; p++) t->practice[p] += alarm[p];
}

static double share(size_t n, const struct tally *t) {
    return t->gates ? (double)n / (double)t->gates : NAN;
}

struct study {
    const json_t *document, *slow_document;
    size_t n, gates, bootstraps;
    struct rng rng;
    struct pool *base, *slow;             /* as recorded */
    struct pool *drawn_base, *drawn_slow; /* of a bootstrap */
    struct hand *hands;
    struct gate_bench *gate;
    struct judgement *judged;
};

/* Gates in which only benchmark `which` is of the slower program (SIZE_MAX: none, any alarm is false). */
static struct tally draw_gates(struct study *s, const struct pool *base, const struct pool *slow,
                               size_t which) {
    struct tally tally = {0};
    for (size_t g = 0; g < s->gates; g++) {
        for (size_t i = 0; i < s->n; i++)
            deal_random(&s->rng, &base[i], i == which ? &slow[i] : &base[i], &s->hands[i]);
        decide(s->hands, s->n, s->gate, s->judged);
        count(&tally, s->hands, s->judged, s->n, which);
    }
    return tally;
}

static struct tally draw_in_order(struct study *s) {
    struct tally tally = {0};
    for (size_t g = 0; g < s->gates; g++) {
        const double at = rng_uniform(&s->rng), gap = rng_uniform(&s->rng);
        for (size_t i = 0; i < s->n; i++) deal_in_order(&s->base[i], at, gap, &s->hands[i]);
        decide(s->hands, s->n, s->gate, s->judged);
        count(&tally, s->hands, s->judged, s->n, SIZE_MAX);
    }
    return tally;
}

/* Rates of bootstrapped recordings: the gate's and practice's, for their quantiles. */
struct spread {
    double *slow, *practice[PRACTICES];
};

static void spread_free(struct spread *spread) {
    free(spread->slow);
    for (size_t p = 0; p < PRACTICES; p++) free(spread->practice[p]);
}

static struct spread bootstrap(struct study *s, size_t which) {
    struct spread spread = {.slow = memory_new(s->bootstraps * sizeof(double))};
    for (size_t p = 0; p < PRACTICES; p++)
        spread.practice[p] = memory_new(s->bootstraps * sizeof(double));
    for (size_t b = 0; b < s->bootstraps; b++) {
        log_progress("bootstrap %zu of %zu", b + 1, s->bootstraps);
        for (size_t i = 0; i < s->n; i++) {
            pool_bootstrap(&s->rng, &s->base[i], &s->drawn_base[i]);
            if (i == which) pool_bootstrap(&s->rng, &s->slow[i], &s->drawn_slow[i]);
        }
        const struct tally tally = draw_gates(s, s->drawn_base, s->drawn_slow, which);
        spread.slow[b] = share(tally.slow, &tally);
        for (size_t p = 0; p < PRACTICES; p++)
            spread.practice[p][b] = share(tally.practice[p], &tally);
    }
    return spread;
}

/* ---- the answer ---- */

static void add_false_alarms(struct study *s, json_t *result) {
    const struct tally tally = draw_gates(s, s->base, NULL, SIZE_MAX), in_order = draw_in_order(s);
    struct spread spread = bootstrap(s, SIZE_MAX);
    json_object_set_new(result, "false_alarms",
                        json_pack("{s:f,s:f,s:f,s:f}", "rate", share(tally.slow, &tally), "upper",
                                  stats_quantile(spread.slow, s->bootstraps, BOUND), "noisy",
                                  share(tally.noisy, &tally), "in_order",
                                  share(in_order.slow, &in_order)));
    json_t *list = json_object_get(result, "practice");
    for (size_t p = 0; p < PRACTICES; p++)
        json_array_append_new(
            list, json_pack("{s:s,s:f,s:f,s:n}", "name", practices[p].name, "false_alarms",
                            share(tally.practice[p], &tally), "upper",
                            stats_quantile(spread.practice[p], s->bootstraps, BOUND), "power"));
    spread_free(&spread);
}

static void keep_least(json_t *object, double value) {
    const json_t *old = json_object_get(object, "power");
    if (!json_is_number(old) || value < json_number_value(old))
        json_object_set_new(object, "power", json_real(value));
}

static void add_power(struct study *s, size_t i, json_t *row, json_t *result) {
    const struct tally tally = draw_gates(s, s->base, s->slow, i);
    struct spread spread = bootstrap(s, i);
    json_object_set_new(row, "shift",
                        json_real(expm1(stats_shift(s->base[i].value, s->base[i].n,
                                                    s->slow[i].value, s->slow[i].n))));
    json_object_set_new(row, "power", json_real(share(tally.slow, &tally)));
    json_object_set_new(row, "power_low",
                        json_real(stats_quantile(spread.slow, s->bootstraps, 1 - BOUND)));
    for (size_t p = 0; p < PRACTICES; p++)
        keep_least(json_array_get(json_object_get(result, "practice"), p),
                   share(tally.practice[p], &tally));
    spread_free(&spread);
}

static void add_benchmarks(struct study *s, json_t *result) {
    json_t *rows = json_object_get(result, "benchmarks");
    for (size_t i = 0; i < s->n; i++) {
        const struct pool *pool = &s->base[i];
        const double sigma = stats_mad(pool->value, pool->n);
        json_t *row =
            json_pack("{s:s,s:I,s:f,s:f}", "name",
                      runs_name(json_array_get(json_object_get(s->document, "benchmarks"), i)),
                      "runs", (json_int_t)pool->n, "sigma", sigma, "needed",
                      fmax(NEEDED_LEAST, NEEDED_SIGMAS * sigma));
        if (s->slow) add_power(s, i, row, result);
        json_array_append_new(rows, row);
    }
}

static enum status check_count(const json_t *bench, size_t needed, struct error *err) {
    const size_t n = runs_count(bench);
    return n >= needed
               ? OK
               : fail(err, STATUS_INVALID,
                      "%s: %zu runs are too few to draw gates of %zu from; record 60 with hone "
                      "bench --aa --save FILE",
                      runs_name(bench), n, needed);
}

static enum status read_pools(struct study *s, struct error *err) {
    enum status st = OK;
    for (size_t i = 0; st == OK && i < s->n; i++) {
        const json_t *bench = json_array_get(json_object_get(s->document, "benchmarks"), i);
        const json_t *slow =
            s->slow_document ? runs_find(s->slow_document, runs_name(bench)) : bench;
        if (!slow)
            return fail(err, STATUS_INVALID, "the second recording has no runs of %s",
                        runs_name(bench));
        if (!runs_same_yardstick(bench, slow))
            return fail(err, STATUS_INVALID,
                        "%s was recorded by two yardsticks; record the second with hone compare "
                        "--record FILE FIRST",
                        runs_name(bench));
        st = check_count(bench, NEEDED, err);
        if (st == OK && s->slow) st = check_count(slow, 2 * (size_t)BATCH, err);
        if (st != OK) break;
        pool_read(bench, &s->base[i]);
        if (s->slow) pool_read(slow, &s->slow[i]);
    }
    return st;
}

enum status resample(const json_t *document, const json_t *slow,
                     const struct resample_options *options, json_t **result, struct error *err) {
    const size_t n = json_array_size(json_object_get(document, "benchmarks"));
    struct study s = {.document = document,
                      .slow_document = slow,
                      .n = n,
                      .gates = options->gates ? options->gates : GATES,
                      .bootstraps = options->bootstraps ? options->bootstraps : BOOTSTRAPS,
                      .rng = rng_seed(options->seed),
                      .base = pools_new(n),
                      .slow = slow ? pools_new(n) : NULL,
                      .drawn_base = pools_new(n),
                      .drawn_slow = pools_new(n),
                      .hands = memory_new((n ? n : 1) * sizeof *s.hands),
                      .gate = memory_new((n ? n : 1) * sizeof *s.gate),
                      .judged = memory_new((n ? n : 1) * sizeof *s.judged)};
    *result = NULL;
    enum status st = slow ? runs_comparable(document, slow, err) : OK;
    if (st == OK) st = read_pools(&s, err);
    if (st == OK) {
        *result = json_pack("{s:I,s:I,s:[],s:[]}", "gates", (json_int_t)s.gates, "bootstraps",
                            (json_int_t)s.bootstraps, "practice", "benchmarks");
        add_false_alarms(&s, *result);
        add_benchmarks(&s, *result);
    }
    log_progress_done();
    pools_free(s.base, n);
    if (s.slow) pools_free(s.slow, n);
    pools_free(s.drawn_base, n);
    pools_free(s.drawn_slow, n);
    free(s.hands);
    free(s.gate);
    free(s.judged);
    return st;
}
