/* replay.c: hone replay: score strategies on a recorded space, without a device. */
#include "tuner/replay.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/cli.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char examples[] =
    "  hone replay RTX_2080_Ti.json.gz                               the default strategy\n"
    "  hone replay RTX_2080_Ti.json.gz --strategy random,local --evals 600\n"
    "  hone replay RTX_2080_Ti.json.gz --warm RTX_Titan.json.gz      begin with another's best\n"
    "  hone replay RTX_2080_Ti.json.gz --strategy all --csv          best so far, to be drawn\n\n"
    "FILE is a cache of Kernel Tuner or T4 results, gzip or not. A share of the optimum is "
    "reached\n"
    "when the recorded median of the fastest so far is that near. Seconds are those that "
    "compiling,\n"
    "checking and racing would have taken. Score: 0 is random search, 1 the optimum at once\n"
    "(Willemsen et al. 2024).\n";

/* Shares of the optimum, in percent. */
static const int levels[] = {90, 95, 99};
enum { LEVELS = sizeof levels / sizeof *levels, WARM = 20 };

struct options {
    int json, csv, quiet;
    int evaluations;
    char *strategies, *told, *warm, *seed;
    int seeds;
};

/* ---- what was asked ---- */

/* The strategies named, between commas; "all": every one. The caller frees *list, which NULL ends. */
static enum status find_strategies(const char *names, const struct strategy ***list,
                                   struct error *err) {
    size_t n = 0;
    const bool all = names && strcmp(names, "all") == 0;
    *list = NULL;
    for (size_t i = 0; all && strategies[i]; i++) n++;
    for (const char *at = names; !all && at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) n++;
    *list = memory_new((n + 2) * sizeof **list);
    if (all) {
        memcpy(*list, strategies, n * sizeof **list);
        return OK;
    }
    char *copy = text_copy(names ? names : ""), *rest = copy, *name;
    enum status status = OK;
    for (size_t i = 0; status == OK && (name = strsep(&rest, ",")); i++) {
        (*list)[i] = strategy_find(name);
        if ((*list)[i]) continue;
        struct str known = {0};
        for (size_t s = 0; strategies[s]; s++)
            str_addf(&known, s ? ", %s" : "%s", strategies[s]->name);
        status = fail(err, STATUS_USAGE, "there is no strategy '%s': there are %s, and all", name,
                      str_text(&known));
        str_free(&known);
    }
    free(copy);
    return status;
}

static enum status find_told(const char *name, enum replay_told *told, struct error *err) {
    const int found = name ? replay_told_find(name) : REPLAY_TOLD_median;
    if (found < 0)
        return fail(err, STATUS_USAGE, "--told %s: strategies are told median, sample or race",
                    name);
    *told = (enum replay_told)found;
    return OK;
}

/* The fastest of another recorded space that are in this one, too. */
static enum status find_warm(const struct recorded *recorded, const char *path, int64_t warm[WARM],
                             size_t *n, struct error *err) {
    struct recorded *other;
    int64_t best[WARM];
    *n = 0;
    const enum status status = recorded_open(path, &other, err);
    if (status != OK) return status;
    const size_t n_best = recorded_best(other, best, WARM);
    for (size_t i = 0; i < n_best; i++) {
        const int64_t at = recorded_find(recorded, other, best[i]);
        if (at >= 0) warm[(*n)++] = at;
    }
    recorded_close(other);
    if (*n == 0) log_warn("%s: none of its best is in this space; the runs begin cold", path);
    return OK;
}

static enum status read_numbers(const struct options *o, struct replay_options *out,
                                struct error *err) {
    int64_t seed = 1;
    enum status status = OK;
    if (o->seed) status = units_parse_int(o->seed, 0, INT64_MAX, &seed, err);
    out->n_runs = (size_t)o->seeds;
    out->evaluations = o->evaluations > 0 ? (size_t)o->evaluations : 200;
    out->seed = (uint64_t)seed;
    return argument_status(status, err);
}

/* ---- JSON ---- */

/* null: most runs never got there. */
static json_t *number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *replay_json(const struct replay *replay, const struct replay_options *o) {
    const struct recorded *r = o->recorded;
    json_t *evals = json_object(), *seconds = json_object(), *reached = json_object();
    json_t *quartiles = json_object(), *curve = json_array();
    for (int l = 0; l < LEVELS; l++) {
        const struct replay_reach reach = replay_reach(replay, r, levels[l] / 100.0);
        char level[16];
        snprintf(level, sizeof level, "%d", levels[l]);
        json_object_set_new(evals, level, number(reach.evaluations));
        json_object_set_new(seconds, level, number(reach.seconds));
        json_object_set_new(reached, level, json_integer((json_int_t)reach.reached));
        json_object_set_new(quartiles, level,
                            json_pack("[o,o]", number(reach.low), number(reach.high)));
    }
    for (size_t i = 1; i <= replay->evaluations; i++) {
        const struct replay_point p = replay_point(replay, r, i);
        json_array_append_new(curve, json_pack("{s:I,s:f,s:f,s:f,s:f}", "evals", (json_int_t)i,
                                               "low", p.low, "median", p.median, "high", p.high,
                                               "seconds", p.seconds));
    }
    return json_pack("{s:{s:s,s:s,s:I,s:I},s:s,s:s,s:I,s:I,s:I,s:I,s:f,s:o,s:o,s:o,s:o,s:o,s:o}", //
                     "space", "device", r->recording.device, "kernel", r->recording.kernel,
                     "configurations", (json_int_t)r->recording.n, "ok", (json_int_t)r->n_ok,
                     "strategy", o->strategy->name, "told", replay_told_names[o->told], "runs",
                     (json_int_t)o->n_runs, "evals", (json_int_t)o->evaluations, "seed",
                     (json_int_t)o->seed, "warm", (json_int_t)o->n_warm, "optimum_ms",
                     r->optimum_ns / 1e6, "median_evals", evals, "median_seconds", seconds,
                     "reached", reached, "quartile_evals", quartiles, "score",
                     number(replay_score(replay, r)), "curve", curve);
}

/* ---- text ---- */

static enum status print_head(const struct replay_options *o, struct error *err) {
    const struct recorded *r = o->recorded;
    char optimum[UNITS_TEXT];
    return out_printf(err,
                      "%s on %s: %zu configurations, %zu of them failed; optimum %s\n"
                      "%zu runs of at most %zu evaluations, told the %s%s\n"
                      "%-12s %23s %23s %23s  %6s\n",
                      *r->recording.kernel ? r->recording.kernel : "a kernel",
                      *r->recording.device ? r->recording.device : "a device", r->recording.n,
                      r->recording.n - r->n_ok, units_time_ns(r->optimum_ns, optimum), o->n_runs,
                      o->evaluations, replay_told_names[o->told],
                      o->n_warm ? ", beginning with another's best" : "", "evaluations to", "90 %",
                      "95 %", "99 %", "score");
}

/* "77 (54 s, 98/100)": median, its simulated time, runs that got there. */
static void format_reach(const struct replay_reach *reach, size_t n_runs, char text[64]) {
    if (isfinite(reach->evaluations))
        snprintf(text, 64, "%.4g (%.0f s, %zu/%zu)", reach->evaluations, reach->seconds,
                 reach->reached, n_runs);
    else snprintf(text, 64, "never (%zu/%zu)", reach->reached, n_runs);
}

static enum status print_row(const struct replay *replay, const struct replay_options *o,
                             struct error *err) {
    char cell[LEVELS][64];
    for (int l = 0; l < LEVELS; l++) {
        const struct replay_reach reach = replay_reach(replay, o->recorded, levels[l] / 100.0);
        format_reach(&reach, o->n_runs, cell[l]);
    }
    return out_printf(err, "%-14s %23s %23s %23s  %6.3f\n", o->strategy->name, cell[0], cell[1],
                      cell[2], replay_score(replay, o->recorded));
}

static enum status print_csv(const struct replay *replay, const struct replay_options *o,
                             struct error *err) {
    enum status status = OK;
    for (size_t i = 1; status == OK && i <= replay->evaluations; i++) {
        const struct replay_point p = replay_point(replay, o->recorded, i);
        status = out_printf(err, "%s,%zu,%.6f,%.6f,%.6f,%.3f\n", o->strategy->name, i, p.low,
                            p.median, p.high, p.seconds);
    }
    return status;
}

/* ---- the command ---- */

/* Replay one strategy after the other; each is printed as soon as it is there, JSON at the end. */
static enum status replay_all(const struct options *o, const struct strategy *const *list,
                              struct replay_options *asked, struct error *err) {
    json_t *documents = json_array();
    enum status status = OK;
    if (o->csv) status = out_printf(err, "strategy,evaluations,low,median,high,seconds\n");
    else if (!o->json) status = print_head(asked, err);
    for (; status == OK && *list; list++) {
        struct replay replay;
        asked->strategy = *list;
        const int64_t began_ns = clock_now_ns();
        status = replay_strategy(asked, &replay, err);
        if (status == OK && o->json) json_array_append_new(documents, replay_json(&replay, asked));
        else if (status == OK) status = (o->csv ? print_csv : print_row)(&replay, asked, err);
        if (status == OK && !o->quiet)
            log_say("%s: replayed in %.1f s", (*list)->name,
                    (double)(clock_now_ns() - began_ns) / 1e9);
        replay_free(&replay);
    }
    if (status == OK && o->json)
        status =
            json_print(json_array_size(documents) == 1 ? json_incref(json_array_get(documents, 0))
                                                       : json_pack("{s:O}", "replays", documents),
                       err);
    json_decref(documents);
    return status;
}

static enum status replay_file(const struct options *o, const char *path, struct error *err) {
    struct replay_options asked = {.interrupt = &interrupted};
    struct recorded *recorded = NULL;
    const struct strategy **list = NULL;
    int64_t warm[WARM];
    enum status status = find_strategies(o->strategies, &list, err);
    if (status == OK) status = find_told(o->told, &asked.told, err);
    if (status == OK) status = read_numbers(o, &asked, err);
    if (status == OK) status = recorded_open(path, &recorded, err);
    if (status == OK && o->warm) {
        status = find_warm(recorded, o->warm, warm, &asked.n_warm, err);
        asked.warm = warm;
    }
    asked.recorded = recorded;
    if (status == OK) status = replay_all(o, list, &asked, err);
    recorded_close(recorded);
    free(list);
    return status;
}

enum status command_replay(int argc, const char **argv, struct error *err) {
    struct options o = {.seeds = 100};
    struct poptOption table[] = {
        {"strategy", 0, POPT_ARG_STRING, &o.strategies, 0, "which, or all (the default one)",
         "NAMES"},
        {"seeds", 0, POPT_ARG_INT, &o.seeds, 0, "runs, each with a seed of its own (100)", "N"},
        {"seed", 0, POPT_ARG_STRING, &o.seed, 0, "of the first run (1)", "S"},
        {"evals", 0, POPT_ARG_INT, &o.evaluations, 0, "evaluations a run at most (200)", "N"},
        {"told", 0, POPT_ARG_STRING, &o.told, 0,
         "what strategies are told: median, sample (one recorded run) or race (median)", "WHAT"},
        {"warm", 0, POPT_ARG_STRING, &o.warm, 0, "begin with the best of this recorded space",
         "FILE"},
        {"csv", 0, POPT_ARG_NONE, &o.csv, 0, "best so far after each evaluation, as CSV", NULL},
        {"json", 0, POPT_ARG_NONE, &o.json, 0, "one JSON document on stdout", NULL},
        {"quiet", 'q', POPT_ARG_NONE, &o.quiet, 0, "no progress on stderr", NULL},
        END_OPTIONS,
    };
    poptContext context = NULL;
    const char **plain;
    bool helped;
    enum status status = options_parse("replay", "FILE [options]", examples, table, argc, argv,
                                       &context, &plain, &helped, err);
    if (status == OK && !helped) {
        log_quiet = o.quiet;
        if (!plain[0] || plain[1])
            status = fail(err, STATUS_USAGE,
                          "hone replay: name one recorded space; see hone replay --help");
        else if (o.csv && o.json)
            status = fail(err, STATUS_USAGE,
                          "hone replay: --csv and --json are two answers; choose one");
        else status = replay_file(&o, plain[0], err);
    }
    poptFreeContext(context);
    return status;
}
