/* compare.c: see compare.h. */
#include "tuner/compare.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/stats.h"
#include "base/str.h"
#include "tuner/frames.h"
#include "tuner/gate.h"
#include "tuner/lock.h"
#include "tuner/runs.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A run takes a second; its first compiles and fills large inputs. */
static const int64_t RUN_DEADLINE_NS = 300000000000;
/* What a machine was a month ago it need not be now. */
static const int64_t AGE_MOST_S = 30 * 86400;
/* Five and nine runs reach p = 1/2002, enough for Holm over a hundred benchmarks. */
enum { BASE_LEAST = 5 };

/* ---- runs in fresh processes ---- */

/* A program and where its runs go. */
struct party {
    const char *program; /* NULL: this one */
    json_t *runs;
};
struct collector {
    const struct compare_options *options;
    struct device *device;
    struct lock *lock;
    struct rng rng;
    size_t batch, batches; /* done */
};

static enum status collector_open(struct collector *c, const struct compare_options *options,
                                  struct error *err) {
    *c = (struct collector){.options = options,
                            .rng = rng_seed((uint64_t)clock_now_ns()),
                            .batch = options->batch ? options->batch : COMPARE_BATCH};
    const enum status st = device_open_described(options->device, &c->device, err);
    return st == OK ? lock_take(device_describe(c->device), options->lock_text, &c->lock, err) : st;
}

static void collector_close(struct collector *c) {
    lock_release(c->lock);
    device_close(c->device);
}

static json_t *request_of(const struct collector *c, const json_t *bench, bool is_checked) {
    char index[24];
    snprintf(index, sizeof index, "%zu", device_index(c->device));
    json_t *request = json_deep_copy(json_object_get(bench, "wanted"));
    json_object_set_new(request, "device", json_string(index));
    json_object_set_new(request, "model", json_string(device_describe(c->device)->model_key));
    if (c->options->database)
        json_object_set_new(request, "database", json_string(c->options->database));
    json_object_set(request, "yardstick", json_object_get(bench, "yardstick"));
    json_object_set(request, "found", json_object_get(bench, "found"));
    json_object_set_new(request, "check", json_boolean(is_checked));
    return request;
}

static enum status read_answer(const char *bytes, json_t **answer, struct error *err) {
    json_error_t why;
    *answer = json_loads(bytes, 0, &why);
    const char *failed = json_string_value(json_object_get(*answer, "failed"));
    const char *text = json_string_value(json_object_get(*answer, "text"));
    if (!*answer) return fail(err, STATUS_CRASHED, "the answer is not JSON: %s", why.text);
    if (!failed) return OK;
    enum status st = STATUS_INTERRUPTED;
    while (st > OK && strcmp(status_name(st), failed) != 0) st--;
    return fail(err, st == OK ? STATUS_CRASHED : st, "%s", text ? text : failed);
}

/* One run: a process that is asked once. */
static enum status run_once(const struct collector *c, const struct party *party, json_t *bench,
                            struct error *err) {
    struct child *child = NULL;
    char *bytes = NULL;
    size_t size;
    json_t *request = request_of(c, bench, c->batches == 0 && runs_count(bench) == 0);
    json_t *answer = NULL;
    enum status st = child_open_program(party->program, "gate", &child, err);
    if (st == OK) st = frame_ask(child, request, err);
    if (st == OK)
        st = child_receive(child, RUN_DEADLINE_NS, &bytes, &size, c->options->interrupt, err);
    if (st == OK) st = read_answer(bytes, &answer, err);
    if (st == OK) st = runs_add(party->runs, bench, answer, err);
    if (st != OK && st != STATUS_INTERRUPTED && party->program)
        fail_while(err, "%s, by %s (is that a hone that has compare?)", runs_name(bench),
                   party->program);
    else if (st != OK && st != STATUS_INTERRUPTED) fail_while(err, "%s", runs_name(bench));
    child_close(child);
    free(bytes);
    json_decref(request);
    json_decref(answer);
    return st;
}

/* A benchmark's turn in a round: the parties one after the other, the last one first, and every other round in the
 * other order. The last is the older program, if there are two: the other one runs what it found. */
static enum status run_parties(const struct collector *c, struct party *parties, size_t n,
                               size_t bench, size_t round, struct error *err) {
    enum status st = OK;
    for (size_t i = 0; st == OK && i < n; i++) {
        struct party *party = &parties[round % 2 ? i : n - 1 - i];
        json_t *benches = json_object_get(party->runs, "benchmarks");
        json_t *mine = json_array_get(benches, bench);
        st = run_once(c, party, mine, err);
        /* Both are measured by one yardstick. */
        for (size_t k = 0; st == OK && k < n; k++) {
            json_t *other = json_array_get(json_object_get(parties[k].runs, "benchmarks"), bench);
            json_object_set(other, "yardstick", json_object_get(mine, "yardstick"));
            if (!json_object_get(other, "found"))
                json_object_set(other, "found", json_object_get(mine, "found"));
        }
    }
    return st;
}

/* A batch of runs of those that are wanted, in a new order each round. */
static enum status collect(struct collector *c, struct party *parties, size_t n_parties,
                           const bool *wanted, struct error *err) {
    const size_t n = json_array_size(json_object_get(parties[0].runs, "benchmarks"));
    int *order = memory_new((n ? n : 1) * sizeof *order);
    for (size_t i = 0; i < n; i++) order[i] = (int)i;
    enum status st = OK;
    for (size_t round = 0; st == OK && round < c->batch; round++) {
        rng_shuffle(&c->rng, order, n);
        for (size_t i = 0; st == OK && i < n; i++) {
            const size_t b = (size_t)order[i];
            if (wanted && !wanted[b]) continue;
            log_progress(
                "batch %zu, run %zu of %zu: %s", c->batches + 1, round + 1, c->batch,
                runs_name(json_array_get(json_object_get(parties[0].runs, "benchmarks"), b)));
            st = run_parties(c, parties, n_parties, b, round, err);
        }
    }
    log_progress_done();
    c->batches++;
    free(order);
    return st;
}

json_t *compare_plan(const struct problem *problems, size_t n, const char *profile,
                     const char *layout) {
    json_t *plan = runs_new();
    for (size_t i = 0; i < n; i++) {
        char text[160];
        problem_format(&problems[i], text);
        const struct slice *slice = slice_of(&problems[i]);
        runs_add_bench(plan, slice ? slice->name : problems[i].family->name, text,
                       class_names[problems[i].class], profile, layout);
    }
    return plan;
}

enum status compare_record(const struct compare_options *options, json_t *document,
                           struct error *err) {
    struct collector c;
    struct party self = {NULL, document};
    enum status st = collector_open(&c, options, err);
    if (st == OK) st = collect(&c, &self, 1, NULL, err);
    collector_close(&c);
    return st;
}

/* ---- from documents to verdicts ---- */

/* Values of the runs of one benchmark. */
struct values {
    double value[STATS_RANKS_MOST], yardstick[STATS_RANKS_MOST], kernel_ns[STATS_RANKS_MOST];
    size_t n;
};
struct judged {
    size_t n;
    const json_t **base, **fresh; /* benchmarks */
    struct values *old, *new;
    struct gate_bench *gate;
    struct judgement *judgement;
};

static void judged_free(struct judged *j) {
    free(j->base);
    free(j->fresh);
    free(j->old);
    free(j->new);
    free(j->gate);
    free(j->judgement);
}

static void read_values(const json_t *bench, struct values *v) {
    const size_t n = runs_count(bench);
    v->n = n < STATS_RANKS_MOST ? n : STATS_RANKS_MOST;
    for (size_t i = 0; i < v->n; i++)
        runs_value(bench, n - v->n + i, &v->value[i], &v->yardstick[i], &v->kernel_ns[i]);
}

/* The first `batch` of them, and what is behind. */
static void split(const struct values *v, size_t batch, struct gate_runs *first,
                  struct gate_runs *second) {
    const size_t n = v->n < batch ? v->n : batch;
    *first = (struct gate_runs){v->value, v->yardstick, n};
    *second = (struct gate_runs){v->value + n, v->yardstick + n, v->n - n};
}

static bool can_be_judged(const json_t *old, const json_t *bench) {
    const char *why = !old || runs_count(old) < BASE_LEAST ? "too few runs in the baseline"
                      : runs_count(bench) == 0             ? "no new runs"
                      : !runs_same_yardstick(bench, old)   ? "measured by another yardstick"
                                                           : NULL;
    if (why) log_warn("%s is left out: %s", runs_name(bench), why);
    return !why;
}

/* The benchmarks that both have, judged. base_batch: SIZE_MAX for a stored baseline. */
static enum status judge(const json_t *base, const json_t *fresh, size_t base_batch, size_t batch,
                         struct judged *j, struct error *err) {
    const json_t *list = json_object_get(fresh, "benchmarks");
    const size_t room = json_array_size(list);
    enum status st = runs_comparable(base, fresh, err);
    if (st != OK) return st;
    j->base = memory_new(room * sizeof *j->base);
    j->fresh = memory_new(room * sizeof *j->fresh);
    j->old = memory_new(room * sizeof *j->old);
    j->new = memory_new(room * sizeof *j->new);
    j->gate = memory_new(room * sizeof *j->gate);
    j->judgement = memory_new(room * sizeof *j->judgement);
    for (size_t i = 0; i < room; i++) {
        const json_t *bench = json_array_get(list, i);
        const json_t *old = runs_find(base, runs_name(bench));
        if (!can_be_judged(old, bench)) continue;
        const size_t k = j->n++;
        j->base[k] = old;
        j->fresh[k] = bench;
        read_values(old, &j->old[k]);
        read_values(bench, &j->new[k]);
        split(&j->old[k], base_batch, &j->gate[k].base, &j->gate[k].base_second);
        split(&j->new[k], batch, &j->gate[k].fresh, &j->gate[k].fresh_second);
    }
    if (j->n == 0)
        return fail(err, STATUS_NOTHING,
                    "there is nothing to compare with: no benchmark has %d runs in the baseline of "
                    "the last 30 days; record it again with hone compare --record",
                    BASE_LEAST);
    gate_judge(j->gate, j->n, j->judgement);
    return OK;
}

static json_t *config_of(const json_t *bench) {
    const json_t *found = json_object_get(bench, "found");
    return json_sprintf("%s %s %s", json_string_value(json_object_get(found, "layout")),
                        json_string_value(json_object_get(found, "variant")),
                        json_string_value(json_object_get(found, "config")));
}

static json_t *bench_result(const struct judged *j, size_t i) {
    const struct judgement *g = &j->judgement[i];
    return json_pack("{s:s,s:s,s:f,s:f,s:f,s:f,s:I,s:I,s:o,s:f,s:f,s:f,s:f,s:f,s:O?,s:o,s:o}",
                     "name", runs_name(j->fresh[i]), "verdict", verdict_names[g->verdict], "shift",
                     expm1(g->shift), "low", expm1(g->low), "high", expm1(g->high), "p", g->p,
                     "n_base", (json_int_t)g->n_base, "n_new", (json_int_t)g->n_fresh, "detectable",
                     frame_number(expm1(g->detectable)), "margin", expm1(g->margin), "noise",
                     expm1(g->noise), "moved", g->moved, "base_ns",
                     stats_median(j->old[i].kernel_ns, j->old[i].n), "new_ns",
                     stats_median(j->new[i].kernel_ns, j->new[i].n), "yardstick",
                     json_object_get(j->fresh[i], "yardstick"), "base_config",
                     config_of(j->base[i]), "new_config", config_of(j->fresh[i]));
}

static json_t *result_of(const struct judged *j, const json_t *fresh) {
    enum verdict_id worst = VERDICT_FAST;
    json_t *rows = json_array();
    gate_detectable(j->gate, j->n, j->judgement);
    for (size_t i = 0; i < j->n; i++) {
        if (j->judgement[i].verdict < worst) worst = j->judgement[i].verdict;
        json_array_append_new(rows, bench_result(j, i));
    }
    return json_pack("{s:s,s:O?,s:O?,s:o}", "verdict", verdict_names[worst], "device",
                     json_object_get(fresh, "device"), "environment",
                     json_object_get(fresh, "environment"), "benchmarks", rows);
}

/* ---- the gate ---- */

/* Which benchmarks want a second batch, by their place in `fresh`; how many. */
static size_t find_open(const struct judged *j, const json_t *fresh, bool *wanted) {
    size_t i, n = 0;
    const json_t *bench;
    json_array_foreach (json_object_get(fresh, "benchmarks"), i, bench)
        for (size_t k = 0; k < j->n; k++)
            if (j->fresh[k] == bench) n += wanted[i] = gate_is_open(&j->gate[k], &j->judgement[k]);
    return n;
}

/* Judge; collect once more where it is not the last word; judge again. */
static enum status decide(struct collector *c, struct party *parties, size_t n_parties,
                          const json_t *base, json_t **result, struct error *err) {
    const json_t *fresh = parties[0].runs;
    const size_t n = json_array_size(json_object_get(fresh, "benchmarks"));
    const size_t base_batch = n_parties > 1 ? c->batch : SIZE_MAX;
    bool *wanted = memory_new((n ? n : 1) * sizeof *wanted);
    struct judged judged = {0};
    enum status st = judge(base, fresh, base_batch, c->batch, &judged, err);
    if (st == OK && find_open(&judged, fresh, wanted) > 0) {
        st = collect(c, parties, n_parties, wanted, err);
        judged_free(&judged);
        judged = (struct judged){0};
        if (st == OK) st = judge(base, fresh, base_batch, c->batch, &judged, err);
    }
    if (st == OK) *result = result_of(&judged, fresh);
    judged_free(&judged);
    free(wanted);
    return st;
}

enum status compare_run(const struct compare_options *options, json_t *base, json_t **fresh,
                        json_t **result, struct error *err) {
    struct collector c;
    *result = NULL;
    *fresh = runs_plan_of(base);
    struct party parties[2] = {{NULL, *fresh}, {options->against, base}};
    const size_t n_parties = options->against ? 2 : 1;
    if (!options->against) runs_trim(base, clock_unix_s() - AGE_MOST_S, COMPARE_BASE_MOST);
    enum status st = collector_open(&c, options, err);
    if (st == OK) st = collect(&c, parties, n_parties, NULL, err);
    if (st == OK) st = decide(&c, parties, n_parties, base, result, err);
    collector_close(&c);
    return st;
}

enum status compare_documents(json_t *base, const json_t *fresh, json_t **result,
                              struct error *err) {
    struct judged judged = {0};
    *result = NULL;
    runs_trim(base, 0, COMPARE_BASE_MOST);
    const enum status st = judge(base, fresh, SIZE_MAX, COMPARE_BATCH, &judged, err);
    if (st == OK) *result = result_of(&judged, fresh);
    judged_free(&judged);
    return st;
}
