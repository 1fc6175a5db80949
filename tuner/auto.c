/* auto.c: the house strategy. A few places far from each other, then a Gaussian process
 * (gaussian.h) over traits that are derived from the space alone (traits.h), asked each time for
 * the largest expected improvement.
 *
 * What it learns is not the time but the cube of the speed relative to the best: how bad the bad
 * ones are says nothing about the good ones, a failure is a speed of nothing, and a cliff beside
 * the optimum (one more register a work-item, and everything spills) stays as small as it is.
 * docs/strategies.md has the figures. */
#include "base/parallel.h"
#include "tuner/pool.h"
#include <math.h>
#include <stdlib.h>

enum {
    DESIGN = 8,        /* places before the model is asked, seeds included … */
    DESIGN_LEAST = 4,  /* … but this many of its own */
    DESIGN_DRAWN = 40, /* of so many random places the one farthest from all others */
    STEPS_FIRST = 150, /* of the climb of the scales */
    STEPS = 30,        /* later */
    FULL = 120,
    /* On a GPU: of peek, for which the worker may have to wait; next goes on from its scales and
     * takes no step. */
    STEPS_AHEAD = 3,
    BLOCKS_AHEAD = POOL_ROUND_BLOCKS / 2,
    CENTRES = 5, /* the best ones, around which the model looks in each round */
    /* After so many evaluations it is asked every fourth time, later less and less often; in
     * between come the untried neighbours of the best. */
    LATE = 160,
    LATE_PERIOD = 4,
    CHOICES_MOST = 16, /* that peek has of the model */
    AHEAD_MOST = 64,   /* that peek named last: they may be ready */
    JURORS = 2,        /* threads that judge a round while the worker waits for it */
};
static const double SHARPNESS = 3; /* exponent of the relative speed */
/* One that is ready is taken for so much of the gain that the most promising one has: docs/strategies.md. */
static const double READY_GAIN = 0.05;

struct automatic {
    struct trail trail;
    struct pool pool;
    struct gaussian model;
    int64_t observed[GAUSSIAN_MOST]; /* in the model; when it is full, the slowest goes */
    int64_t ahead[AHEAD_MOST];       /* a ring */
    size_t n_ahead;
    int n_designed;
    int n_learned;                       /* times */
    struct gaussian_scales ahead_scales; /* that the look-ahead climbed to … */
    bool has_ahead_scales;               /* … since the model last learned */
};

static enum status begin(struct search *search, struct error *err) {
    struct automatic *a = calloc(1, sizeof *a);
    search->state = a;
    if (!a) return fail(err, STATUS_NOMEM, "no memory to begin a search");
    const enum status st = trail_open(&a->trail, search, err);
    if (st != OK) return st;
    const enum status opened = pool_open(&a->pool, search, err);
    gaussian_open(&a->model, a->pool.traits.n);
    return opened;
}

static double time_of(const struct automatic *a, int observation) {
    return a->trail.time_ns[a->observed[observation]];
}

/* ---- the first places ---- */

static double distance(const struct automatic *a, const float *value) {
    double least = INFINITY;
    for (int i = 0; i < a->model.n; i++) {
        double sum = 0;
        for (int t = 0; t < a->model.n_traits; t++)
            sum += fabs((double)value[t] - (double)a->model.x[t][i]);
        least = fmin(least, sum);
    }
    return least;
}

static int64_t farthest(const struct automatic *a, struct search *search) {
    int64_t choice = -1;
    double most = -1;
    for (int drawn = 0; drawn < DESIGN_DRAWN; drawn++) {
        float value[TRAITS];
        const int64_t place = trail_random(&a->trail, search);
        if (place < 0) break;
        traits_of(&a->pool.traits, search->space, place, value);
        const double far = distance(a, value);
        if (far > most) {
            most = far;
            choice = place;
        }
    }
    return choice;
}

/* ---- the model ---- */

struct choice {
    int64_t config;
    double gain;
};

static double normal_density(double z) {
    return exp(-z * z / 2) * 0.3989422804014327;
}
static double expected_improvement(double mean, double deviation, double best) {
    const double z = (mean - best) / deviation;
    if (z < -5) return deviation * normal_density(z) / (z * z); /* where the formula cancels */
    return deviation * (z * erfc(-z * 0.7071067811865476) / 2 + normal_density(z));
}

/* So many while there are at most FULL observations; with more of them so many fewer that the work stays the same: a step of
 * the climb takes their cube, a judgement their square. */
static double thinned(const struct automatic *a, double full, int power) {
    return a->model.n > FULL ? full * pow((double)FULL / a->model.n, power) : full;
}

static void learn(struct automatic *a, bool is_ahead, struct rng *rng) {
    const double best = a->trail.time_ns[a->trail.best];
    const int usual = is_ahead ? STEPS_AHEAD : a->has_ahead_scales ? 0 : (int)thinned(a, STEPS, 3);
    for (int i = 0; i < a->model.n; i++)
        a->model.y[i] = (float)pow(best / time_of(a, i), SHARPNESS);
    if (a->has_ahead_scales) a->model.scales = a->ahead_scales;
    gaussian_fit(&a->model, a->n_learned ? usual : STEPS_FIRST, rng);
    a->has_ahead_scales = false;
    a->n_learned++;
}

/* The best of the model's observations, best first. */
static int best_observed(const struct automatic *a, int64_t *best, int most) {
    int n = 0;
    for (int i = 0; i < a->model.n; i++) {
        int place = n < most ? n++ : most;
        for (; place > 0 && time_of(a, i) < a->trail.time_ns[best[place - 1]]; place--)
            if (place < most) best[place] = best[place - 1];
        if (place < most) best[place] = a->observed[i];
    }
    return n;
}

static bool is_ready(const struct search *search, int64_t config) {
    return search->is_ready && search->is_ready(search->context, config);
}

/* The untold configurations with the largest gains, largest first. */
struct choices {
    struct choice at[CHOICES_MOST];
    int n, most;
    const struct search *unready; /* without those that are ready; NULL: with them */
};

static void consider(struct choices *best, int64_t config, double gain) {
    int place = best->n < best->most ? best->n : best->most - 1;
    if (!(gain >= 0) || (best->n == best->most && !(gain > best->at[place].gain))) return;
    for (int i = 0; i < best->n; i++)
        if (best->at[i].config == config) return; /* in the list and around the best */
    if (best->unready && is_ready(best->unready, config)) return;
    for (; place > 0 && gain > best->at[place - 1].gain; place--)
        best->at[place] = best->at[place - 1];
    best->at[place] = (struct choice){config, gain};
    best->n += best->n < best->most;
}

static void judge(const struct automatic *a, size_t block, double best, struct choices *choices) {
    gaussian_block mean, deviation;
    const int64_t *config = a->pool.config + block * GAUSSIAN_BLOCK;
    gaussian_expect(&a->model, a->pool.value + block * (size_t)a->pool.traits.n, mean, deviation);
    for (int c = 0; c < GAUSSIAN_BLOCK; c++)
        if (config[c] >= 0 && !a->trail.told.is_told[config[c]])
            consider(choices, config[c],
                     expected_improvement((double)mean[c], (double)deviation[c], best));
}

/* The blocks of a round, each with its own choices, so that several threads can judge them. */
struct jury {
    const struct automatic *a;
    double best;
    size_t jurors;
    struct choices block[POOL_ROUND_BLOCKS + POOL_AROUND_BLOCKS];
};
static enum status judge_some(void *context, int64_t first, int64_t last, struct error *err) {
    struct jury *jury = context;
    const struct pool *pool = &jury->a->pool;
    (void)err;
    for (int64_t juror = first; juror < last; juror++)
        for (size_t b = (size_t)juror; b < pool->n_round; b += jury->jurors)
            judge(jury->a, pool->round[b], jury->best, &jury->block[b]);
    return OK;
}

/* The same choices whoever judges. As many builders as are usual leave two processors free, of which
 * the worker uses one while somebody looks ahead; a thread more waits for one of theirs, which
 * takes longer than to judge. */
static void judge_round(const struct automatic *a, const struct search *search,
                        struct choices *choices) {
    const size_t n = a->pool.n_round;
    struct jury jury = {
        .a = a, .best = gaussian_best(&a->model), .jurors = search->is_ready ? JURORS : 1};
    for (size_t b = 0; b < n; b++)
        jury.block[b] = (struct choices){.most = CHOICES_MOST, .unready = choices->unready};
    parallel_for((int64_t)jury.jurors, judge_some, &jury, NULL);
    for (size_t b = 0; b < n; b++)
        for (int i = 0; i < jury.block[b].n; i++)
            consider(choices, jury.block[b].at[i].config, jury.block[b].at[i].gain);
}

static struct choices most_promising(struct automatic *a, struct search *search, int most,
                                     const struct search *unready) {
    int64_t centre[CENTRES];
    struct choices choices = {.most = most, .unready = unready};
    const bool is_ahead = unready && unready->is_ready;
    learn(a, is_ahead, &search->rng);
    const int blocks = is_ahead ? BLOCKS_AHEAD : POOL_ROUND_BLOCKS;
    pool_turn(&a->pool, search->space, (size_t)thinned(a, blocks, 2), centre,
              best_observed(a, centre, CENTRES));
    judge_round(a, search, &choices);
    return choices;
}

/* The most promising one, or one that is ready and hardly less so. */
static int64_t model_choice(struct automatic *a, struct search *search) {
    int64_t ready[AHEAD_MOST];
    int n = 0;
    struct choices choices = most_promising(a, search, 1, NULL), at_once = {.most = 1};
    for (size_t i = 0; i < AHEAD_MOST && i < a->n_ahead; i++)
        if (!a->trail.told.is_told[a->ahead[i]] && is_ready(search, a->ahead[i]))
            ready[n++] = a->ahead[i];
    if (!choices.n) return -1;
    if (n)
        judge(a, pool_show(&a->pool, search->space, ready, n), gaussian_best(&a->model), &at_once);
    const bool takes = at_once.n && at_once.at[0].gain >= READY_GAIN * choices.at[0].gain;
    return takes ? at_once.at[0].config : choices.at[0].config;
}

/* Those that are ready before the others; how many they are. */
static size_t ready_first(const struct search *search, int64_t *configs, size_t n) {
    size_t n_ready = 0;
    for (size_t i = 0; search->is_ready && i < n; i++) {
        if (!is_ready(search, configs[i])) continue;
        const int64_t ready = configs[i];
        configs[i] = configs[n_ready];
        configs[n_ready++] = ready;
    }
    return n_ready;
}

/* A random neighbour of the best that was not tried; where there is none, of the next best. Of those that are
 * ready, where any is. */
static int64_t beside_the_best(const struct automatic *a, struct search *search) {
    enum { NEIGHBOURS = 512 };
    int64_t best[GAUSSIAN_MOST], around[NEIGHBOURS];
    const int n_best = best_observed(a, best, GAUSSIAN_MOST);
    for (int i = 0; i < n_best; i++) {
        size_t n = space_neighbours(search->space, best[i], around, NEIGHBOURS), untold = 0;
        for (size_t k = 0; k < n && k < NEIGHBOURS; k++)
            if (!a->trail.told.is_told[around[k]]) around[untold++] = around[k];
        const size_t n_ready = ready_first(search, around, untold);
        if (untold > 0) return around[rng_below(&search->rng, n_ready ? n_ready : untold)];
    }
    return -1;
}

static bool is_designing(const struct automatic *a) {
    return a->trail.best < 0 || a->trail.told.n_told < DESIGN || a->n_designed < DESIGN_LEAST;
}

static bool is_models_turn(const struct automatic *a) {
    const size_t n_told = a->trail.told.n_told;
    return n_told < LATE || n_told % (n_told * LATE_PERIOD / LATE) == 0;
}

static int64_t choose(struct automatic *a, struct search *search) {
    int64_t choice = told_next_seed(&a->trail.told, search);
    if (choice >= 0) return choice;
    if (is_designing(a)) {
        a->n_designed++;
        choice = farthest(a, search);
    } else if (is_models_turn(a)) {
        choice = model_choice(a, search);
    } else {
        choice = beside_the_best(a, search);
    }
    return choice >= 0 ? choice : trail_random(&a->trail, search);
}

static int64_t next(struct search *search) {
    struct automatic *a = search->state;
    if (a->trail.asked < 0) a->trail.asked = choose(a, search);
    return a->trail.asked;
}

/* ---- what was measured ---- */

static void observe(struct automatic *a, const struct space *space, int64_t config, int place) {
    float value[TRAITS];
    traits_of(&a->pool.traits, space, config, value);
    for (int t = 0; t < a->model.n_traits; t++) a->model.x[t][place] = value[t];
    a->observed[place] = config;
}

static void tell(struct search *search, int64_t config, double time_ns, bool censored) {
    struct automatic *a = search->state;
    const bool is_new = !a->trail.told.is_told[config];
    trail_tell(&a->trail, config, time_ns, censored);
    if (!is_new) return;
    if (a->model.n < GAUSSIAN_MOST) {
        observe(a, search->space, config, a->model.n++);
        return;
    }
    int slowest = 0;
    for (int i = 1; i < a->model.n; i++)
        if (time_of(a, i) > time_of(a, slowest)) slowest = i;
    if (a->trail.time_ns[config] < time_of(a, slowest)) observe(a, search->space, config, slowest);
}

/* ---- what comes next, if all goes on as expected ---- */

/* What the model makes of a configuration that was not measured; without one, as good as the
 * best. */
static double expected_ns(const struct automatic *a, const struct space *space, int64_t config) {
    if (a->trail.best < 0) return INFINITY;
    const double best_ns = a->trail.time_ns[a->trail.best];
    if (a->n_learned == 0) return best_ns;
    float trait[TRAITS];
    gaussian_block value[TRAITS] = {0}, mean, deviation;
    traits_of(&a->pool.traits, space, config, trait);
    for (int t = 0; t < a->model.n_traits; t++) value[t][0] = trait[t];
    gaussian_expect(&a->model, value, mean, deviation);
    return best_ns / pow(fmax((double)mean[0], 1e-3), 1 / SHARPNESS);
}

static void forget(struct automatic *a, int64_t config) {
    a->trail.told.is_told[config] = 0;
    a->trail.time_ns[config] = INFINITY;
}

/* The search itself, on a copy, with expectations in the place of outcomes, until it is the
 * model's turn: what the model finds promising then is as good a guess as what it would choose one
 * after the other, and much sooner known. What the copy was told is forgotten again where it is
 * shared with the search; of the rest that is shared, each round begins anew. */
static size_t look_ahead(const struct search *search, struct search *guess, int64_t *likely,
                         size_t n) {
    struct automatic *copy = guess->state;
    size_t found = 0;
    for (int64_t asked = next(guess); asked >= 0; likely[found++] = asked) {
        tell(guess, asked, expected_ns(copy, guess->space, asked), false);
        if (found == n) break;
        const bool has_seed = told_next_seed(&copy->trail.told, guess) >= 0;
        if (!has_seed && !is_designing(copy) && is_models_turn(copy)) {
            const int most = n - found < CHOICES_MOST ? (int)(n - found) : CHOICES_MOST;
            const struct choices best = most_promising(copy, guess, most, search);
            for (int i = 0; i < best.n; i++) likely[found++] = best.at[i].config;
            break;
        }
        asked = next(guess);
        if (asked < 0) break;
    }
    return found;
}

static void remember_ahead(struct automatic *a, int64_t config) {
    for (size_t i = 0; i < AHEAD_MOST && i < a->n_ahead; i++)
        if (a->ahead[i] == config) return;
    a->ahead[a->n_ahead++ % AHEAD_MOST] = config;
}

static size_t peek(struct search *search, int64_t *likely, size_t n) {
    const int64_t now = next(search);
    struct search guess = *search;
    struct automatic *a = search->state, *copy = guess.state = malloc(sizeof *copy);
    if (!copy || now < 0) {
        free(copy);
        return 0;
    }
    *copy = *a;
    guess.is_ready = NULL; /* what is, will have been measured by then */
    const size_t found = look_ahead(search, &guess, likely, n);
    forget(a, now);
    for (size_t i = 0; i < found; i++) {
        forget(a, likely[i]);
        if (search->is_ready) remember_ahead(a, likely[i]);
    }
    if (search->is_ready && a->n_learned && copy->n_learned > a->n_learned) {
        /* From times that were measured, and a few expected. */
        a->ahead_scales = copy->model.scales;
        a->has_ahead_scales = true;
        search->rng = guess.rng; /* or the next climb would try the same steps */
    }
    free(copy);
    return found;
}

static void end(struct search *search) {
    struct automatic *a = search->state;
    if (a) {
        trail_close(&a->trail);
        pool_close(&a->pool);
    }
    free(a);
    search->state = NULL;
}

const struct strategy strategy_auto = {
    .name = "auto",
    .summary = "far apart, then where a Gaussian process expects the largest gain",
    .begin = begin,
    .next = next,
    .tell = tell,
    .peek = peek,
    .end = end,
};
