/* gate.c: see gate.h. */
#include "tuner/gate.h"
#include "base/rng.h"
#include "base/stats.h"
#include "base/str.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double ALPHA = 0.05, INTERVAL = 0.95;
/* Both batches together must reach ALPHA after Holm; the second alone, half as many runs and asked whether the
 * first was a burst, must only point the same way. */
static const double CONFIRMS = 0.2;
/* Less than 3 % is what code does to a kernel by moving it in memory. */
static const double MARGIN_LEAST = 0.03, MARGIN_NOISES = 2;
/* Runs that scatter so much have a margin of a fifth and more: nothing that such a gate says helps anybody. */
static const double NOISE_MOST = 0.10;
/* The yardstick takes out what slows both, but not exactly: when a clock fell to 0.6 of what it was, the values
 * of matrix products moved by 6 %, because memory has a clock of its own. Runs whose yardstick is further
 * than this from that of most runs are of another state of the machine and do not count. */
static const double MOVED_MOST = 0.25;
/* Five and twenty runs reach p = 1/53130. */
enum { RUNS_LEAST = 5 };
enum { DRAWS = 400, RUNS_MOST = STATS_RANKS_MOST };
static const double DETECTS = 0.95;

const char *const verdict_names[VERDICTS] = {
#define XX(name, meaning) #name,
    VERDICT_MAP(XX)
#undef XX
};
const char *const verdict_meanings[VERDICTS] = {
#define XX(name, meaning) meaning,
    VERDICT_MAP(XX)
#undef XX
};

/* Both batches in one. */
struct pool {
    double value[RUNS_MOST], yardstick[RUNS_MOST];
    size_t n;
};

/* Those whose yardstick is near (ln); INFINITY: all. */
static void pool_add(struct pool *pool, const struct gate_runs *runs, double near, double within) {
    assert(pool->n + runs->n <= RUNS_MOST);
    for (size_t i = 0; i < runs->n; i++) {
        if (fabs(runs->yardstick[i] - near) > within) continue;
        pool->value[pool->n] = runs->value[i];
        pool->yardstick[pool->n++] = runs->yardstick[i];
    }
}

/* Of all runs around the median of their side: the larger of two MADs is by half too large as often as not,
 * and a margin made of it costs power. */
static double noise_of(const struct pool *x, const struct pool *y) {
    double centred[2 * RUNS_MOST];
    const double at_x = stats_median(x->value, x->n), at_y = stats_median(y->value, y->n);
    for (size_t i = 0; i < x->n; i++) centred[i] = x->value[i] - at_x;
    for (size_t i = 0; i < y->n; i++) centred[x->n + i] = y->value[i] - at_y;
    return stats_mad(centred, x->n + y->n);
}

/* ---- one benchmark ---- */

struct findings {
    struct pool base, fresh;               /* both batches */
    struct pool base_second, fresh_second; /* the second alone; empty: there is none */
    bool is_moved;         /* no state of the machine has enough runs of both sides */
    double p_slow, p_fast; /* one by one; Holm comes when all are known */
    double worst_noise;    /* of either side: new runs may be wild where the baseline is calm */
};

static void fill_pools(const struct gate_bench *bench, struct findings *f, double near,
                       double within) {
    f->base.n = f->fresh.n = f->base_second.n = f->fresh_second.n = 0;
    pool_add(&f->base, &bench->base, near, within);
    pool_add(&f->base, &bench->base_second, near, within);
    pool_add(&f->fresh, &bench->fresh, near, within);
    pool_add(&f->fresh, &bench->fresh_second, near, within);
    pool_add(&f->base_second, bench->base_second.n ? &bench->base_second : &bench->base, near,
             within);
    pool_add(&f->fresh_second, &bench->fresh_second, near, within);
}

static double usual_yardstick(const struct pool *x, const struct pool *y) {
    double all[2 * RUNS_MOST];
    memcpy(all, x->yardstick, x->n * sizeof *all);
    memcpy(all + x->n, y->yardstick, y->n * sizeof *all);
    return stats_median(all, x->n + y->n);
}

/* Fill the pools with the runs that count; with all of them where too few do. */
static void choose_runs(const struct gate_bench *bench, struct findings *f, struct judgement *j) {
    fill_pools(bench, f, 0, INFINITY);
    j->moved = expm1(stats_median(f->fresh.yardstick, f->fresh.n) -
                     stats_median(f->base.yardstick, f->base.n));
    fill_pools(bench, f, usual_yardstick(&f->base, &f->fresh), log1p(MOVED_MOST));
    f->is_moved = f->base.n < RUNS_LEAST || f->fresh.n < RUNS_LEAST;
    if (f->is_moved) fill_pools(bench, f, 0, INFINITY);
    j->n_base = f->base.n;
    j->n_fresh = f->fresh.n;
}

static void find(const struct gate_bench *bench, struct findings *f, struct judgement *j) {
    choose_runs(bench, f, j);
    const struct pool *x = &f->base, *y = &f->fresh;
    j->noise = noise_of(x, y);
    f->worst_noise = fmax(stats_mad(x->value, x->n), stats_mad(y->value, y->n));
    j->margin = fmax(log1p(MARGIN_LEAST), MARGIN_NOISES * j->noise);
    j->shift = stats_shift(x->value, x->n, y->value, y->n);
    stats_shift_interval(x->value, x->n, y->value, y->n, INTERVAL, &j->low, &j->high);
    j->detectable = NAN;
    f->p_slow = stats_mann_whitney(x->value, x->n, y->value, y->n, j->margin);
    f->p_fast = stats_mann_whitney(y->value, y->n, x->value, x->n, j->margin);
}

/* The second batch by itself; its own margin is not asked again. */
static bool confirms(const struct gate_bench *bench, const struct findings *f, double margin) {
    const struct pool *x = &f->base_second, *y = &f->fresh_second;
    return bench->fresh_second.n == 0 ||
           stats_mann_whitney(x->value, x->n, y->value, y->n, margin) <= CONFIRMS;
}

static enum verdict_id verdict_of(const struct gate_bench *bench, const struct findings *f,
                                  const struct judgement *j, double p_fast) {
    if (f->is_moved || f->worst_noise > NOISE_MOST) return VERDICT_NOISY;
    if (j->p <= ALPHA && confirms(bench, f, j->margin)) return VERDICT_SLOW;
    if (p_fast <= ALPHA) return VERDICT_FAST;
    return j->high < j->margin ? VERDICT_OK : VERDICT_AMBG;
}

/* ---- all together ---- */

void gate_judge(const struct gate_bench *benches, size_t n, struct judgement *out) {
    const size_t room = n ? n : 1;
    struct findings *found = memory_new(room * sizeof *found);
    double *slow = memory_new(room * sizeof *slow), *fast = memory_new(room * sizeof *fast);
    double *p_slow = memory_new(room * sizeof *p_slow), *p_fast = memory_new(room * sizeof *p_fast);
    for (size_t i = 0; i < n; i++) {
        find(&benches[i], &found[i], &out[i]);
        slow[i] = found[i].p_slow;
        fast[i] = found[i].p_fast;
    }
    stats_holm(slow, n, p_slow);
    stats_holm(fast, n, p_fast);
    for (size_t i = 0; i < n; i++) {
        out[i].p = p_slow[i];
        out[i].verdict = verdict_of(&benches[i], &found[i], &out[i], p_fast[i]);
    }
    free(p_fast);
    free(p_slow);
    free(fast);
    free(slow);
    free(found);
}

bool gate_is_open(const struct gate_bench *bench, const struct judgement *judgement) {
    return bench->fresh_second.n == 0 && judgement->verdict <= VERDICT_AMBG;
}

/* ---- what it would have found ---- */

/* n runs around 0, drawn with replacement from both sides. */
static void draw(struct rng *rng, const struct findings *f, double *out, size_t n) {
    const double at_x = stats_median(f->base.value, f->base.n);
    const double at_y = stats_median(f->fresh.value, f->fresh.n);
    for (size_t i = 0; i < n; i++) {
        const size_t k = (size_t)rng_below(rng, f->base.n + f->fresh.n);
        out[i] = k < f->base.n ? f->base.value[k] - at_x : f->fresh.value[k - f->base.n] - at_y;
    }
}

static int compare_up(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A gate rejects when at least `least` of its pairs differ by more than the margin: that many of the largest
 * differences, and so the shift that they lack is known without trying shifts. */
static double shift_to_find(const double *x, size_t n, const double *y, size_t m, size_t least,
                            double margin) {
    double difference[RUNS_MOST * RUNS_MOST] = {0};
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++) difference[i * m + j] = y[j] - x[i];
    qsort(difference, n * m, sizeof *difference, compare_up);
    return margin - difference[n * m - least];
}

void gate_detectable(const struct gate_bench *benches, size_t n, struct judgement *out) {
    struct rng rng = rng_seed(1);
    for (size_t b = 0; b < n; b++) {
        struct findings f;
        struct judgement again;
        find(&benches[b], &f, &again);
        const size_t pairs = f.base.n * f.fresh.n;
        /* Against the sharpest level that Holm may ask for. */
        const size_t least = stats_mann_whitney_least(f.base.n, f.fresh.n, ALPHA / (double)n);
        double found[DRAWS], x[RUNS_MOST], y[RUNS_MOST];
        for (size_t d = 0; d < DRAWS; d++) {
            draw(&rng, &f, x, f.base.n);
            draw(&rng, &f, y, f.fresh.n);
            found[d] = least <= pairs
                           ? shift_to_find(x, f.base.n, y, f.fresh.n, least, out[b].margin)
                           : INFINITY;
        }
        out[b].detectable = stats_quantile(found, DRAWS, DETECTS);
    }
}
