/* bench.c: for each problem the configurations of the profiles, measured side by side in a worker, and
 * what the rivals take. */
#include "tuner/bench.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "results/store.h"
#include "tuner/contender.h"
#include "tuner/frames.h"
#include "tuner/lock.h"
#include "tuner/rival.h"
#include "tuner/worker.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROFILES = 3, STATES = 2 };            /* cold, warm */
enum { CONTENDERS = 2 * PROFILES };           /* each as a launch, and as a phase */
static const int64_t SAMPLES_NS = 6000000000; /* of all contenders of one problem together */

struct bench {
    const struct bench_options *options;
    struct device *device;
    const struct device_info *info;
    struct lock *lock;
    struct store *store; /* NULL: none */
    int64_t device_id;
    struct worker *worker;
    json_t *rows;
    struct packed {
        struct problem problem;
        double ns;
    } packed; /* the last packing that was timed */
};

static bool is_interrupted(const struct bench *b) {
    return b->options->interrupt && *b->options->interrupt;
}

/* ---- who runs ---- */

static const char *slice_name(const struct problem *problem) {
    const struct slice *slice = slice_of(problem);
    return slice ? slice->name : problem->family->name;
}

/* The user's configuration for a problem; false with the reason in err. */
static bool find_users(struct bench *b, const struct problem *problem, struct contender *c,
                       struct error *err) {
    const struct bench_options *o = b->options;
    return contender_config(b->device, problem, o->config_variant, o->config, c, err);
}

/* A configuration that no problem takes is a wrong command line: USAGE, with the reason of the last. */
static enum status check_config(struct bench *b, struct error *err) {
    const struct bench_options *o = b->options;
    struct contender c = {0};
    if (!o->config) return OK;
    for (size_t i = 0; i < o->n_problems; i++)
        if (find_users(b, &o->problems[i], &c, err)) return OK;
    err->status = STATUS_USAGE;
    return fail_while(err, "the configuration suits none of the problems");
}

static bool wants(const struct bench *b, const char *profile) {
    return !b->options->profile || strcmp(b->options->profile, profile) == 0;
}

/* Those of the first n that can be, once more as phases. */
static size_t add_phases(struct bench *b, struct contender list[CONTENDERS], size_t n) {
    size_t all = n;
    for (size_t i = 0; i < n; i++) {
        if (!op_has_phase(b->device, &list[i].config, &list[i].problem)) continue;
        list[all] = list[i];
        list[all++].is_phase = true;
    }
    return all;
}

static size_t find_contenders(struct bench *b, const struct problem *problem,
                              struct contender list[CONTENDERS]) {
    size_t n = 0;
    char text[160];
    problem_format(problem, text);
    memset(list, 0, CONTENDERS * sizeof *list);
    struct error why = {OK, ""};
    if (b->options->config && find_users(b, problem, &list[n], &why)) n++;
    else if (b->options->config)
        log_warn("%s %s is timed without the configuration: %s", slice_name(problem), text,
                 why.text);
    if (wants(b, "default")) n += contender_default(problem, &list[n]);
    if (wants(b, "tuned")) n += contender_tuned(b->device, b->store, problem, &list[n]);
    return b->options->phase ? add_phases(b, list, n) : n;
}

/* ---- packing ---- */

/* A matrix that costs next to nothing to read: the same row again and again. */
static void same_row(const struct matrix *matrix, int64_t m, struct weight_row *row) {
    (void)m;
    if (row->value) memset(row->value, 0, (size_t)matrix->k * sizeof *row->value);
    if (row->code) memset(row->code, 1, (size_t)matrix->k);
    size_t groups = matrix->weight.group ? (size_t)(matrix->k / matrix->weight.group) : 0;
    if (row->scale) memset(row->scale, 0, groups * sizeof *row->scale);
    if (row->zero) memset(row->zero, 0, groups);
    if (row->offset) memset(row->offset, 0, groups * sizeof *row->offset);
}

static bool has_field(const struct family *family, const char *name) {
    for (int f = 0; f < family->n_fields; f++)
        if (strcmp(family->fields[f].name, name) == 0) return true;
    return false;
}

/* What packing W costs once, NAN where there is none. */
static double pack_ns(struct bench *b, const struct problem *problem) {
    const struct family *family = problem->family;
    if (!has_field(family, "w") || !has_field(family, "m") || !has_field(family, "k")) return NAN;
    struct problem one = *problem;
    if (has_field(family, "n")) problem_set(&one, "n", 1);
    if (b->packed.problem.family && problem_equal(&b->packed.problem, &one)) return b->packed.ns;
    const struct matrix matrix = {.weight = weight_from_int(problem_get(problem, "w")),
                                  .m = problem_get(problem, "m"),
                                  .k = problem_get(problem, "k"),
                                  .read = same_row};
    struct layout_regions regions =
        layout_regions(problem->layout, matrix.weight, matrix.m, matrix.k);
    void *packed = malloc(regions.bytes);
    if (!packed) return NAN;
    struct error ignored;
    memset(packed, 0, regions.bytes); /* its pages are the system's affair, not packing */
    int64_t began = clock_now_ns();
    bool is_packed = layout_pack(problem->layout, &matrix, packed, &ignored) == OK;
    b->packed = (struct packed){one, is_packed ? (double)(clock_now_ns() - began) : NAN};
    free(packed);
    return b->packed.ns;
}

/* ---- rows ---- */

/* e: with cold operands; warm: with warm ones, NULL: not measured. */
static json_t *row_json(struct bench *b, const struct contender *c, const struct evaluation *e,
                        const struct evaluation *warm, json_t *times) {
    char problem[160], config[400];
    struct cost cost;
    problem_format(&c->problem, problem);
    config_format(&c->config, config);
    c->problem.family->cost(&c->problem, &cost);
    json_t *row = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:o,s:o,s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:s}", "family",
        slice_name(&c->problem), "problem", problem, "class", class_names[c->problem.class],
        "layout", c->problem.layout->name, "profile", c->profile, "variant",
        c->config.variant->name, "config", config, "time_ns", frame_number(e->time_ns), "low_ns",
        frame_number(e->low_ns), "high_ns", frame_number(e->high_ns), "n", (json_int_t)e->n_samples,
        "floor_ns", frame_number(e->floor_ns), "pack_ns", frame_number(pack_ns(b, &c->problem)),
        "gflops", frame_number(cost.operations / e->time_ns), "gbps",
        frame_number(cost.bytes / e->time_ns), "share", frame_number(e->share), "ceiling_gbps",
        frame_number(e->ceiling_gbps), "ceiling_gflops", frame_number(e->ceiling_gflops), "outcome",
        outcome_names[e->outcome]);
    if (c->is_phase) json_object_set_new(row, "phase", json_true());
    if (warm) {
        json_object_set_new(row, "warm_ns", frame_number(warm->time_ns));
        json_object_set_new(row, "warm_low_ns", frame_number(warm->low_ns));
        json_object_set_new(row, "warm_high_ns", frame_number(warm->high_ns));
    }
    if (c->rule) json_object_set_new(row, "rule", json_string(c->rule));
    if (e->message) json_object_set_new(row, "message", frame_text(e->message));
    json_error_t why;
    json_t *conditions = e->conditions ? json_loads(e->conditions, 0, &why) : NULL;
    if (conditions) json_object_set_new(row, "conditions", conditions);
    json_object_set(row, "rivals", times);
    return row;
}

static json_t *time_rivals(struct bench *b, const struct problem *problem) {
    json_t *object = json_object();
    const struct rival_place place = {.device = b->device,
                                      .store = b->store,
                                      .tuning_ns = b->options->tuning_ns,
                                      .interrupt = b->options->interrupt};
    for (size_t i = 0; i < b->options->n_rivals && !is_interrupted(b); i++) {
        const struct rival *rival = rival_find(b->options->rivals[i]);
        struct error why = {0};
        double time_ns;
        char how[128];
        enum status st = rival->time(&place, problem, &time_ns, how, &why);
        if (st == STATUS_INTERRUPTED) break;
        json_object_set_new(object, rival->name,
                            st == OK
                                ? json_pack("{s:f,s:s}", "time_ns", time_ns, "how", how)
                                : json_pack("{s:n,s:o}", "time_ns", "why", frame_text(why.text)));
    }
    return object;
}

static enum status keep_row(struct bench *b, const struct contender *c, const json_t *row,
                            struct error *err) {
    if (!b->store) return OK;
    char problem[160];
    problem_format(&c->problem, problem);
    char *text = json_dumps(row, JSON_COMPACT);
    enum status st =
        text ? store_bench_add(b->store, b->device_id, c->problem.family->name, problem, text, err)
             : fail(err, STATUS_NOMEM, "no memory for a row of the bench");
    free(text);
    return st;
}

static enum status run_problem(struct bench *b, const struct problem *problem, struct error *err) {
    struct contender list[CONTENDERS];
    struct work works[STATES * CONTENDERS];
    struct evaluation e[STATES * CONTENDERS];
    char text[160];
    problem_format(problem, text);
    log_progress("%s %s %s", slice_name(problem), text, class_names[problem->class]);
    enum status st = check_fits(b->device, problem, err);
    if (st != OK) return st;
    size_t n = find_contenders(b, problem, list);
    if (n == 0)
        return fail(err, STATUS_UNSUPPORTED, "%s %s %s: no configuration to run here",
                    slice_name(problem), text, class_names[problem->class]);
    memset(e, 0, sizeof e);
    /* Launches come before phases, which go over their copies in one launch and are never warm. */
    size_t n_warm = 0;
    while (b->options->warm && n_warm < n && !list[n_warm].is_phase) n_warm++;
    const size_t n_works = n + n_warm;
    for (size_t i = 0; i < n_works; i++) {
        works[i] = (struct work){.config = list[i % n].config,
                                 .problem = list[i % n].problem,
                                 .seed = 1,
                                 .incumbent_ns = INFINITY,
                                 .budget_ns = SAMPLES_NS,
                                 .as_phase = list[i % n].is_phase,
                                 .is_warm = i >= n};
        e[i].time_ns = e[i].low_ns = e[i].high_ns = e[i].floor_ns = e[i].share = e[i].ceiling_gbps =
            e[i].ceiling_gflops = NAN;
    }
    st = worker_finals(b->worker, works, n_works, e, b->options->interrupt, err);
    json_t *times = st == OK ? time_rivals(b, problem) : NULL;
    for (size_t i = 0; st == OK && i < n; i++) {
        json_t *row = row_json(b, &list[i], &e[i], i < n_warm ? &e[n + i] : NULL, times);
        json_array_append_new(b->rows, row);
        st = keep_row(b, &list[i], row, err);
    }
    if (st == OK && is_interrupted(b))
        st = fail(err, STATUS_INTERRUPTED, "interrupted at %s %s", slice_name(problem), text);
    json_decref(times);
    for (size_t i = 0; i < n_works; i++) evaluation_free(&e[i]);
    return st;
}

/* ---- the whole ---- */

static json_t *peak_json(const struct worker *worker) {
    const struct ceiling_memory *memory = worker_ceilings(worker);
    double read_gbps = NAN;
    size_t largest = 0;
    for (size_t i = 0; i < memory->n_levels; i++)
        if (memory->level[i].bytes >= largest && isfinite(memory->level[i].read_gbps)) {
            largest = memory->level[i].bytes;
            read_gbps = memory->level[i].read_gbps;
        }
    json_t *peak = frame_ceilings(memory);
    json_object_set_new(peak, "iops", frame_number(memory->giops * 1e9));
    json_object_set_new(peak, "read_gbps", frame_number(read_gbps));
    return peak;
}

static enum status open_store(struct bench *b, struct error *err) {
    if (!b->options->database) return OK;
    enum status st = store_open(b->options->database, STORE_WRITE, &b->store, err);
    return st == OK ? store_device(b->store, b->info->model_key, b->info->version_key,
                                   b->info->name, b->info->uuid, &b->device_id, err)
                    : st;
}

static enum status open_bench(struct bench *b, struct error *err) {
    const struct bench_options *o = b->options;
    enum status st = device_open_described(o->device, &b->device, err);
    if (st != OK) return st;
    device_load_features(b->device);
    b->info = device_describe(b->device);
    if ((st = check_config(b, err)) != OK) return st;
    st = lock_take(b->info, o->lock_text, &b->lock, err);
    if (st == OK) st = open_store(b, err);
    if (st != OK) return st;
    char index[24];
    snprintf(index, sizeof index, "%zu", device_index(b->device));
    return worker_open(index, device_describe(b->device)->model_key, NULL, &b->worker, err);
}

/* A problem that has no room here, or no kernel, is said and left out; when it is the last and no other
 * gave a row, that is how the bench fails. */
static enum status run_all(struct bench *b, struct error *err) {
    const size_t n = b->options->n_problems;
    enum status st = OK;
    for (size_t i = 0; st == OK && i < n; i++) {
        if (is_interrupted(b))
            return fail(err, STATUS_INTERRUPTED, "interrupted after %zu of %zu problems", i, n);
        st = run_problem(b, &b->options->problems[i], err);
        const bool is_left_out = st == STATUS_NOMEM || st == STATUS_UNSUPPORTED;
        if (!is_left_out || (i + 1 == n && json_array_size(b->rows) == 0)) continue;
        log_warn("%s", err->text);
        st = OK;
    }
    return st;
}

enum status bench_run(const struct bench_options *options, json_t **result, struct error *err) {
    struct bench b = {.options = options, .rows = json_array()};
    struct error local = {0};
    err = err ? err : &local;
    *result = NULL;
    enum status st = open_bench(&b, err);
    if (st == OK) st = run_all(&b, err);
    if (st == OK) st = worker_measure_ceilings(b.worker, 0, options->interrupt, err);
    log_progress_done();
    if (st == OK || st == STATUS_INTERRUPTED)
        *result = json_pack("{s:s,s:o,s:O}", "device", b.info->name, "peak", peak_json(b.worker),
                            "rows", b.rows);
    json_decref(b.rows);
    worker_close(b.worker);
    store_close(b.store);
    lock_release(b.lock);
    device_close(b.device);
    return st;
}

enum status bench_peak(const char *device, size_t bytes, const volatile int *interrupt,
                       json_t **peak, struct error *err) {
    struct worker *worker = NULL;
    *peak = NULL;
    enum status st = worker_open(device, NULL, NULL, &worker, err);
    if (st == OK) st = worker_measure_ceilings(worker, bytes, interrupt, err);
    if (st == OK) *peak = peak_json(worker);
    worker_close(worker);
    return st;
}
