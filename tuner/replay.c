/* replay.c: runs of strategies on recorded spaces, one thread a processor. What a run does is a function of its
 * seed alone: the draws from recorded times are those of the seed and the configuration. */
#include "tuner/replay.h"
#include "base/parallel.h"
#include "base/str.h"
#include "tuner/tape.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const replay_told_names[REPLAY_TOLDS] = {
#define XX(name, summary) #name,
    REPLAY_TOLD_MAP(XX)
#undef XX
};

int replay_told_find(const char *name) {
    for (int t = 0; t < REPLAY_TOLDS; t++)
        if (strcmp(name, replay_told_names[t]) == 0) return t;
    return -1;
}

/* ---- one run ---- */

struct reading {
    double time_ns;
    bool is_censored;
};

/* The protocol's race; a busy machine is not simulated, so there is no canary. */
static struct reading race(struct tape *tape, double incumbent_ns) {
    const struct measuring m = {.subject = tape_subject(tape), .incumbent_ns = incumbent_ns};
    struct sample_set set;
    struct reading reading = {0};
    measure_race(&m, &set, &reading.is_censored, NULL);
    reading.time_ns = set.median;
    sample_set_free(&set);
    return reading;
}

static struct reading read_config(const struct replay_options *o, const struct recorded_config *c,
                                  uint64_t seed, int64_t at, double incumbent_ns,
                                  struct replay_run *run) {
    struct rng rng = rng_seed(seed * 0x9E3779B97F4A7C15u + (uint64_t)at);
    struct tape tape = tape_of(o->recorded, c, &rng);
    const double sample_ns = tape.runs_ns[rng_below(&rng, tape.n)];
    const struct reading raced = race(&tape, incumbent_ns);
    run->race_ns += tape.spent_ns;
    for (size_t i = 0; i < tape.n; i++) run->whole_ns += tape.runs_ns[i];
    const struct reading readings[REPLAY_TOLDS] = {
        [REPLAY_TOLD_median] = {c->median_ns, false},
        [REPLAY_TOLD_sample] = {sample_ns, false},
        [REPLAY_TOLD_race] = raced,
    };
    return readings[o->told];
}

static bool is_enough(const struct replay_options *o, double best_ns) {
    return o->enough > 0 && o->recorded->optimum_ns / best_ns >= o->enough;
}

static enum status run_seed(const struct replay_options *o, uint64_t seed, struct replay_run *run,
                            struct error *err) {
    struct search search = {.space = &o->recorded->space,
                            .rng = rng_seed(seed),
                            .seeds = o->warm,
                            .n_seeds = o->n_warm};
    double incumbent_ns = INFINITY, best_ns = INFINITY, other_ns = 0;
    const enum status st = o->strategy->begin(&search, err);
    while (st == OK && run->n < o->evaluations && !is_enough(o, best_ns) &&
           !(o->interrupt && *o->interrupt)) {
        const int64_t at = o->strategy->next(&search);
        if (at < 0) break;
        const struct recorded_config *c = recorded_config(o->recorded, at);
        struct reading reading = {INFINITY, false};
        if (c->outcome == OUTCOME_OK) reading = read_config(o, c, seed, at, incumbent_ns, run);
        o->strategy->tell(&search, at, reading.time_ns, reading.is_censored);
        if (!reading.is_censored && reading.time_ns < incumbent_ns) {
            incumbent_ns = reading.time_ns;
            best_ns = c->median_ns;
        }
        other_ns += c->compile_ns + c->check_ns;
        run->best_ns[run->n] = best_ns;
        run->seconds[run->n] = (other_ns + run->race_ns) / 1e9;
        run->whole_s[run->n] = (other_ns + run->whole_ns) / 1e9;
        run->n++;
    }
    o->strategy->end(&search);
    return st;
}

/* ---- all runs ---- */

struct crew {
    const struct replay_options *options;
    struct replay *out;
};

static enum status run_some(void *context, int64_t first, int64_t last, struct error *err) {
    const struct crew *crew = context;
    enum status st = OK;
    for (int64_t i = first; st == OK && i < last; i++)
        st = run_seed(crew->options, crew->options->seed + (uint64_t)i, &crew->out->runs[i], err);
    return st;
}

static enum status make_runs(struct replay *out, struct error *err) {
    out->runs = calloc(out->n_runs, sizeof *out->runs);
    bool has_all = out->runs;
    for (size_t i = 0; has_all && i < out->n_runs; i++) {
        struct replay_run *run = &out->runs[i];
        run->best_ns = malloc(out->evaluations * sizeof *run->best_ns);
        run->seconds = malloc(out->evaluations * sizeof *run->seconds);
        run->whole_s = malloc(out->evaluations * sizeof *run->whole_s);
        has_all = run->best_ns && run->seconds && run->whole_s;
    }
    if (!has_all)
        return fail(err, STATUS_NOMEM, "no memory for %zu runs of %zu evaluations", out->n_runs,
                    out->evaluations);
    return OK;
}

enum status replay_strategy(const struct replay_options *options, struct replay *out,
                            struct error *err) {
    const size_t n = options->recorded->space.n;
    *out = (struct replay){.n_runs = options->n_runs,
                           .evaluations = options->evaluations < n ? options->evaluations : n};
    struct crew crew = {options, out};
    enum status st = make_runs(out, err);
    if (st == OK) st = parallel_for((int64_t)out->n_runs, run_some, &crew, err);
    if (st == OK && options->interrupt && *options->interrupt)
        st = fail(err, STATUS_INTERRUPTED, "interrupted; a replay keeps nothing");
    return st;
}

void replay_free(struct replay *replay) {
    for (size_t i = 0; replay->runs && i < replay->n_runs; i++) {
        free(replay->runs[i].best_ns);
        free(replay->runs[i].seconds);
        free(replay->runs[i].whole_s);
    }
    free(replay->runs);
    *replay = (struct replay){0};
}
