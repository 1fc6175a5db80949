/* auto.c: the house strategy. A few places far from each other, then a Gaussian process
 * (gaussian.h) over traits that are derived from the space alone (traits.h), asked each time for
 * the largest expected improvement.
 *
 * What it learns is not the time but the cube of the speed relative to the best: how bad the bad
 * ones are says nothing about the good ones, a failure is a speed of nothing, and a cliff beside
 * the optimum (one more register a work-item, and everything spills) stays as small as it is.
 * docs/strategies.md has the figures. */
#include "tuner/jury.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    DESIGN = 8,        /* places before the model is asked, seeds included … */
    DESIGN_LEAST = 4,  /* … but this many of its own */
    DESIGN_DRAWN = 40, /* of so many random places the one farthest from all others */
    STEPS_FIRST = 150, /* of the climb of the scales */
    STEPS = 30,        /* later */
    FULL = 120,
    STEPS_AHEAD = 3, /* on a GPU, of the look-ahead, for which the worker may have to wait */
    CENTRES = 5,     /* the best ones, around which the model looks in each round */
    /* After so many evaluations it is asked every fourth time, later less and less often; in
     * between come the untried neighbours of the best. */
    LATE = 160,
    LATE_PERIOD = 4,
    AHEAD_MOST = 64, /* that peek named last: they may be ready */
    /* Threads that hear a round. As many builders as are usual leave two processors free, of which
     * the worker uses one while somebody looks ahead; a thread more waits for one of theirs, which
     * takes longer than to hear. */
    THREADS_AHEAD = 2,
};
static const double SHARPNESS = 3; /* exponent of the relative speed */
/* One that is ready is taken for so much of the gain that the most promising one has: docs/strategies.md. */
static const double READY_GAIN = 0.05;

/* What the look-ahead left for the choice after it: scales that it climbed to, and a round, heard with them,
 * whose neighbours are in the pool until the next pool_turn. */
struct foresight {
    bool is_there;
    struct gaussian_scales scales;
    int n;
    int64_t observed[GAUSSIAN_MOST]; /* in the model, when the round was heard */
    struct pool_round round;
    struct hearing hearing;
};

struct automatic {
    struct trail trail;
    struct pool pool;
    struct gaussian model;
    int64_t observed[GAUSSIAN_MOST]; /* in the model; when it is full, the slowest goes */
    int64_t ahead[AHEAD_MOST];       /* a ring */
    size_t n_ahead;
    int n_designed;
    int n_learned;               /* times */
    struct foresight *foresight; /* owned */
};

static enum status begin(struct search *search, struct error *err) {
    struct automatic *a = calloc(1, sizeof *a);
    search->state = a;
    if (a) a->foresight = calloc(1, sizeof *a->foresight);
    if (!a || !a->foresight) return fail(err, STATUS_NOMEM, "no memory to begin a search");
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

/* So many while there are at most FULL observations; with more of them so many fewer that the work stays the same: a step of
 * the climb takes their cube, a judgement their square. */
static double thinned(const struct automatic *a, double full, int power) {
    return a->model.n > FULL ? full * pow((double)FULL / a->model.n, power) : full;
}

/* From the scales that the look-ahead climbed to while the worker measured the choice takes no step. */
static void learn(struct automatic *a, bool is_ahead, struct rng *rng) {
    const double best = a->trail.time_ns[a->trail.best];
    const bool goes_on = a->foresight->is_there;
    const int steps = is_ahead ? STEPS_AHEAD : goes_on ? 0 : (int)thinned(a, STEPS, 3);
    for (int i = 0; i < a->model.n; i++)
        a->model.y[i] = (float)pow(best / time_of(a, i), SHARPNESS);
    if (goes_on) a->model.scales = a->foresight->scales;
    gaussian_fit(&a->model, a->n_learned ? steps : STEPS_FIRST, rng);
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

static void begin_round(struct automatic *a, const struct search *search) {
    int64_t centre[CENTRES];
    pool_turn(&a->pool, search->space, (size_t)thinned(a, POOL_ROUND_BLOCKS, 2), centre,
              best_observed(a, centre, CENTRES));
}

static struct jury jury_of(const struct automatic *a) {
    return (struct jury){&a->pool, &a->model, a->trail.told.is_told};
}

/* Of a new round, the largest gains that are expected now. */
static void judge_anew(struct automatic *a, struct search *search, bool is_ahead,
                       struct choices *choices) {
    const struct jury jury = jury_of(a);
    learn(a, is_ahead, &search->rng);
    begin_round(a, search);
    jury_hear(&jury, is_ahead ? THREADS_AHEAD : 1, &a->foresight->hearing);
    jury_judge(&jury, &a->foresight->hearing, choices);
    a->foresight->is_there = is_ahead;
}

/* The same for the look-ahead of a search that knows what is ready, which leaves what it heard to the choice. */
static void judge_ahead(struct automatic *a, struct search *guess, struct choices *choices) {
    struct foresight *f = a->foresight;
    judge_anew(a, guess, true, choices);
    f->scales = a->model.scales;
    f->n = a->model.n;
    memcpy(f->observed, a->observed, sizeof f->observed);
    f->round = a->pool.round;
}

/* Of the round that the look-ahead heard, if what it thought would be observed was: how that turned out is put
 * in. A best that nobody expected has its neighbours in the next round. */
static bool judge_again(struct automatic *a, struct search *search, struct choices *choices) {
    struct foresight *f = a->foresight;
    const struct jury jury = jury_of(a);
    if (!f->is_there || f->n != a->model.n ||
        memcmp(f->observed, a->observed, (size_t)f->n * sizeof *f->observed) != 0)
        return false;
    learn(a, false, &search->rng);
    a->pool.round = f->round;
    jury_judge(&jury, &f->hearing, choices);
    f->is_there = false;
    return true;
}

/* The most promising one, or one that is ready and hardly less so. */
static int64_t model_choice(struct automatic *a, struct search *search) {
    int64_t ready[AHEAD_MOST];
    int n = 0;
    struct choices choices = {.most = 1}, at_once = {.most = 1};
    const struct jury jury = jury_of(a);
    if (!judge_again(a, search, &choices)) judge_anew(a, search, false, &choices);
    for (size_t i = 0; i < AHEAD_MOST && i < a->n_ahead; i++)
        if (!a->trail.told.is_told[a->ahead[i]] && search_is_ready(search, a->ahead[i]))
            ready[n++] = a->ahead[i];
    if (!choices.n) return -1;
    if (n) jury_judge_block(&jury, pool_show(&a->pool, search->space, ready, n), &at_once);
    const bool takes = at_once.n && at_once.at[0].gain >= READY_GAIN * choices.at[0].gain;
    return takes ? at_once.at[0].config : choices.at[0].config;
}

/* Those that are ready before the others; how many they are. */
static size_t ready_first(const struct search *search, int64_t *configs, size_t n) {
    size_t n_ready = 0;
    for (size_t i = 0; search->is_ready && i < n; i++) {
        if (!search_is_ready(search, configs[i])) continue;
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
 * shared with the search; the neighbours that a round was heard with stay in the pool, which is
 * shared, for the choice. */
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
            struct choices best = {.most = most, .unready = search};
            if (search->is_ready) judge_ahead(copy, guess, &best);
            else judge_anew(copy, guess, false, &best);
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
    if (a->n_learned == 0) a->foresight->is_there = false; /* learned from expected times alone */
    if (a->foresight->is_there && copy->n_learned > a->n_learned)
        search->rng = guess.rng; /* or the next climb would try the same steps */
    free(copy);
    return found;
}

static void end(struct search *search) {
    struct automatic *a = search->state;
    if (a) {
        trail_close(&a->trail);
        pool_close(&a->pool);
        free(a->foresight);
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
