/* bench_model.c: hone bench --model: prompt and generation of a whole model, a file or a built-in shape, in the
 * terms of llama-bench, with the ceilings of the same run. See bench.h.
 *
 * A share is canonical bytes over the read ceiling, or canonical operations over the compute ceiling of the
 * class, whichever is more. The ceilings are measured in a process of their own before and after, when the
 * model's memory is not needed; of two bandwidths the higher one counts. */
#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/bench.h"
#include "results/store.h"
#include "tuner/bench.h"
#include "tuner/lock.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows between two looks at the interrupt: the most that the engine takes in one batch (engine.h), so that
 * cutting a prompt here changes nothing. */
enum { PART = 256, RUNS_USUAL = 5 };
enum { KV_BLOCK_POSITIONS = 32 }; /* a whole block, of which one position is a part */

struct model_bench {
    struct bench_choices *o;
    struct engine_model *model;
    struct engine *engine;
    struct engine_model_facts facts;
    struct engine_facts engine_facts;
    struct model_test *tests;
    size_t n_tests;
    int part; /* rows of a batch at most: no more memory than the tests take */
    json_t *peak, *rows;
    double process_bytes, process_own_bytes, process_peak_bytes; /* NAN: the system does not tell */
};

/* ---- running ---- */

static enum status go_on(struct error *err) {
    return interrupted ? fail(err, STATUS_INTERRUPTED, "interrupted; above is what was measured")
                       : OK;
}

/* Tokens at positions [from, from + n) in batches of at most `part`; the last of each wants an answer where
 * is_answered. */
static enum status feed(struct model_bench *b, int32_t sequence, int from, int n, int part,
                        bool is_answered, struct error *err) {
    struct engine_row rows[PART];
    enum status status = OK;
    for (int at = 0; status == OK && at < n; at += part) {
        const int here = n - at < part ? n - at : part;
        for (int i = 0; i < here; i++)
            rows[i] =
                (struct engine_row){.token = filler_id(b->engine, from + at + i),
                                    .position = from + at + i,
                                    .sequence = sequence,
                                    .want_logits = is_answered && at + here == n && i == here - 1};
        status = go_on(err);
        if (status == OK) status = engine_batch(b->engine, rows, (size_t)here, err);
    }
    return status;
}

static enum status generate(struct model_bench *b, int32_t sequence, int from, int n,
                            struct error *err) {
    enum status status = OK;
    for (int i = 0; status == OK && i < n; i++)
        status = feed(b, sequence, from + i, 1, 1, true, err);
    return status;
}

/* What has a kernel of its own, once, short of the whole test: a full batch and the last one; two tokens. */
static enum status warm_up(struct model_bench *b, const struct model_test *test, int32_t sequence,
                           int start, struct error *err) {
    const int rest = test->pp % b->part, pp = test->pp < b->part ? test->pp : b->part + rest;
    const int tg = test->tg < 2 ? test->tg : 2;
    enum status status = feed(b, sequence, start, pp, b->part, true, err);
    return status == OK ? generate(b, sequence, start + pp, tg, err) : status;
}

static enum status time_test(struct model_bench *b, struct model_test *test, int32_t sequence,
                             int start, struct error *err) {
    const int64_t began = clock_now_ns();
    enum status status = feed(b, sequence, start, test->pp, b->part, true, err);
    if (status == OK) status = generate(b, sequence, start + test->pp, test->tg, err);
    const double seconds = (double)(clock_now_ns() - began) * 1e-9;
    if (status != OK) return status;
    test->tps[test->n++] = (test->pp + test->tg) / seconds;
    log_progress("%s: %.2f token/s", test->name, test->tps[test->n - 1]);
    return OK;
}

/* The positions before are read once; every run begins behind them. Generation begins behind one at least. */
static enum status run_test(struct model_bench *b, struct model_test *test, struct error *err) {
    const int start = test->depth == 0 && test->pp == 0 ? 1 : test->depth;
    int32_t sequence;
    enum status status = engine_sequence_new(b->engine, &sequence, err);
    if (status != OK) return status;
    log_progress("%s: reading %d positions", test->name, start);
    status = feed(b, sequence, 0, start, b->part, false, err);
    if (status == OK) status = warm_up(b, test, sequence, start, err);
    for (int i = 0; status == OK && i < b->o->repeats; i++) {
        status = engine_sequence_truncate(b->engine, sequence, start, err);
        if (status == OK) status = time_test(b, test, sequence, start, err);
    }
    engine_sequence_drop(b->engine, sequence);
    return status;
}

/* ---- facts ---- */

/* A line of /proc/self/status in bytes, "VmHWM:    1234 kB"; NAN where there is none. */
static double process_bytes(const char *line) {
    FILE *file = fopen("/proc/self/status", "re");
    char text[256];
    double kib = NAN;
    while (file && fgets(text, sizeof text, file))
        if (!strncmp(text, line, strlen(line))) kib = strtod(text + strlen(line), NULL);
    if (file) fclose(file);
    return 1024 * kib;
}

static json_t *number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static double peak_number(const struct model_bench *b, const char *key) {
    const json_t *value = json_object_get(b->peak, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static json_t *test_json(struct model_bench *b, struct model_test *test) {
    const bool is_i8 = !strcmp(b->engine_facts.class_name, "i8") && peak_number(b, "iops") > 0;
    const double compute = is_i8 ? peak_number(b, "iops") / 1e9 : peak_number(b, "gflops");
    double low, high;
    const double tps = stats_median(test->tps, (size_t)test->n);
    stats_median_interval(test->tps, (size_t)test->n, 0.95, &low, &high);
    const double ns = 1e9 * (test->pp + test->tg) / tps;
    const double gbps = test->bytes / ns, gflops = test->operations / ns;
    const double moves = gbps / peak_number(b, "read_gbps"), computes = gflops / compute;
    json_t *samples = json_array();
    for (int i = 0; i < test->n; i++) json_array_append_new(samples, json_real(test->tps[i]));
    return json_pack("{s:s,s:s,s:i,s:i,s:i,s:s,s:s,s:o,s:o,s:o,s:i,s:o,s:o,s:o,s:o,s:o}", "model",
                     b->facts.name, "test", test->name, "pp", test->pp, "tg", test->tg, "depth",
                     test->depth, "class", b->engine_facts.class_name, "profile",
                     b->engine_facts.profile, "tps", number(tps), "low_tps", number(low),
                     "high_tps", number(high), "n", test->n, "token_bytes",
                     number(test->bytes / (test->pp + test->tg)), "gflops", number(gflops), "gbps",
                     number(gbps), "share", number(fmax(moves, computes)), "samples_tps", samples);
}

static void make_rows(struct model_bench *b) {
    const double kv = (double)engine_kv_bytes(b->model, KV_BLOCK_POSITIONS,
                                              b->o->choice.kv ? b->o->choice.kv : "f16") /
                      KV_BLOCK_POSITIONS;
    b->rows = json_array();
    for (size_t i = 0; i < b->n_tests; i++) {
        if (b->tests[i].n == 0) continue;
        test_cost(&b->tests[i], &b->facts, b->part, kv);
        json_array_append_new(b->rows, test_json(b, &b->tests[i]));
    }
}

/* Of the first test of a kind (only a prompt, only generation): what scripts rely on; null without one. */
static void add_first(const struct model_bench *b, json_t *model, const char *kind,
                      const char *other) {
    static const struct {
        const char *suffix, *key; /* key NULL: the kind's own */
    } facts[] = {{"", NULL}, {"_tps", "tps"}, {"_low", "low_tps"}, {"_high", "high_tps"}};
    const json_t *first = NULL;
    size_t i;
    json_t *row;
    json_array_foreach (b->rows, i, row)
        if (!first && json_integer_value(json_object_get(row, kind)) > 0 &&
            json_integer_value(json_object_get(row, other)) == 0)
            first = row;
    for (i = 0; i < sizeof facts / sizeof *facts; i++) {
        char *name = text_format("%s%s", kind, facts[i].suffix);
        json_t *value = json_object_get(first, facts[i].key ? facts[i].key : kind);
        json_object_set_new(model, name, value ? json_copy(value) : json_null());
        free(name);
    }
}

static json_t *document(const struct model_bench *b) {
    const struct engine_facts *e = &b->engine_facts;
    const json_int_t bytes = e->weight_bytes + e->kv_bytes + e->activation_bytes;
    json_t *model =
        json_pack("{s:s,s:s,s:s,s:s,s:f,s:I,s:I,s:I,s:I,s:o,s:o,s:o,s:i,s:i,s:o}", "file",
                  b->o->choice.model, "name", b->facts.name, "profile", e->profile, "class",
                  e->class_name, "load_s", (double)e->load_ns * 1e-9, "bytes", bytes,
                  "weight_bytes", (json_int_t)e->weight_bytes, "kv_bytes", (json_int_t)e->kv_bytes,
                  "activation_bytes", (json_int_t)e->activation_bytes, "process_bytes",
                  number(b->process_bytes), "process_own_bytes", number(b->process_own_bytes),
                  "process_peak_bytes", number(b->process_peak_bytes), "tuned_operations",
                  e->tuned_operations, "operations", e->operations, "beyond", beyond_json(e));
    add_first(b, model, "pp", "tg");
    add_first(b, model, "tg", "pp");
    json_object_set(model, "tests", b->rows);
    return json_pack("{s:s,s:O,s:[],s:o}", "device", e->device, "peak", b->peak, "rows", "model",
                     model);
}

/* ---- output ---- */

static enum status print_memory(const struct model_bench *b, struct error *err) {
    const struct engine_facts *e = &b->engine_facts;
    char weights[UNITS_TEXT], kv[UNITS_TEXT], activations[UNITS_TEXT], now[UNITS_TEXT],
        own[UNITS_TEXT], most[UNITS_TEXT], beyond[BEYOND_TEXT];
    enum status status = out_printf(err, "device memory: weights %s, KV %s, activations %s",
                                    units_memory((double)e->weight_bytes, weights),
                                    units_memory((double)e->kv_bytes, kv),
                                    units_memory((double)e->activation_bytes, activations));
    if (status == OK && isfinite(b->process_bytes))
        status = out_printf(
            err, "; process %s (%s of its own), at most %s", units_memory(b->process_bytes, now),
            units_memory(b->process_own_bytes, own), units_memory(b->process_peak_bytes, most));
    return status == OK ? out_printf(err, "; loaded in %.1f s%s\n", (double)e->load_ns * 1e-9,
                                     beyond_text(e, beyond))
                        : status;
}

static double at(const json_t *row, const char *key) {
    return json_number_value(json_object_get(row, key));
}

static enum status print_text(const struct model_bench *b, struct error *err) {
    const struct engine_facts *e = &b->engine_facts;
    char read[UNITS_TEXT], bytes[UNITS_TEXT], gbps[UNITS_TEXT];
    enum status status = out_printf(
        err, "%s, %s, class %s, profile %s; ceilings: read %s, %.0f GFLOP/s, int8 %.0f GOP/s\n",
        b->facts.name, e->device, e->class_name, e->profile,
        units_rate(peak_number(b, "read_gbps"), read), peak_number(b, "gflops"),
        peak_number(b, "iops") / 1e9);
    if (status == OK) status = print_memory(b, err);
    size_t i;
    json_t *row;
    json_array_foreach (b->rows, i, row) {
        const char *name = json_string_value(json_object_get(row, "test"));
        if (status == OK)
            status = out_printf(
                err, "%-20s %9.2f token/s [%.2f, %.2f] %12s/token %10s %4.0f %% of the ceiling\n",
                name, at(row, "tps"), at(row, "low_tps"), at(row, "high_tps"),
                units_memory(at(row, "token_bytes"), bytes), units_rate(at(row, "gbps"), gbps),
                100 * at(row, "share"));
    }
    for (i = 0; i < b->n_tests && status == OK; i++)
        if (b->tests[i].n == 0) status = out_printf(err, "%-20s not measured\n", b->tests[i].name);
    return status;
}

static enum status print(const struct model_bench *b, struct error *err) {
    log_progress_done();
    if (b->o->common.json) return json_print(document(b), err);
    if (b->o->csv) return bench_table(b->rows, FORM_CSV, err);
    return b->o->md ? bench_table(b->rows, FORM_MD, err) : print_text(b, err);
}

/* The rows go into the database as rows of the family "model". */
static enum status keep(const struct model_bench *b, struct error *err) {
    char *path = store_default_path(b->o->common.database);
    struct store *store = NULL;
    int64_t device_id;
    size_t i;
    json_t *row;
    enum status status = store_open(path, STORE_WRITE, &store, err);
    if (status == OK)
        status = store_device(store, b->engine_facts.model_key, b->engine_facts.version_key,
                              b->engine_facts.device, "", &device_id, err);
    json_array_foreach (b->rows, i, row) {
        char *problem = text_format("model=%s,pp=%d,tg=%d,depth=%d", b->facts.name,
                                    (int)at(row, "pp"), (int)at(row, "tg"), (int)at(row, "depth"));
        char *text = json_dumps(row, JSON_COMPACT);
        if (status == OK) status = store_bench_add(store, device_id, "model", problem, text, err);
        free(text);
        free(problem);
    }
    store_close(store);
    free(path);
    return status;
}

/* ---- the whole ---- */

static enum status measure_peak(struct model_bench *b, json_t **peak, struct error *err) {
    log_progress("measuring the ceilings");
    return bench_peak(b->o->common.device, (size_t)b->facts.weight_bytes, &interrupted, peak, err);
}

/* The ceilings once more: the higher of two bandwidths counts. */
static void measure_peak_again(struct model_bench *b) {
    json_t *again = NULL;
    if (measure_peak(b, &again, NULL) != OK) return;
    const double now = json_number_value(json_object_get(again, "read_gbps"));
    if (now > peak_number(b, "read_gbps")) {
        json_decref(b->peak);
        b->peak = json_incref(again);
    }
    json_decref(again);
}

static enum status run_engine(struct model_bench *b, struct error *err) {
    enum status status = choice_open(&b->o->choice, &b->o->common, b->model, NULL, &b->engine, err);
    for (size_t i = 0; status == OK && i < b->n_tests; i++) status = run_test(b, &b->tests[i], err);
    b->process_bytes = process_bytes("VmRSS:");
    b->process_own_bytes = process_bytes("RssAnon:");
    b->process_peak_bytes = process_bytes("VmHWM:");
    if (b->engine) engine_describe(b->engine, &b->engine_facts);
    engine_close(b->engine);
    return status;
}

static enum status run(struct model_bench *b, struct error *err) {
    struct error later = {OK, ""};
    enum status status = measure_peak(b, &b->peak, err);
    if (status != OK) return status;
    status = run_engine(b, err);
    if (status != OK && status != STATUS_INTERRUPTED) return status;
    if (status == OK) measure_peak_again(b);
    make_rows(b);
    enum status after = print(b, &later);
    if (after == OK && json_array_size(b->rows)) after = keep(b, &later);
    if (status != OK || after == OK) return status;
    *err = later;
    return after;
}

/* Rows that the tests put into one batch at most. */
static int longest_batch(const struct model_bench *b) {
    int most = 1;
    for (size_t i = 0; i < b->n_tests; i++) {
        if (b->tests[i].pp > most) most = b->tests[i].pp;
        if (b->tests[i].depth > most) most = b->tests[i].depth;
    }
    return most < PART ? most : PART;
}

/* The device is locked all the while. What was measured is printed when interrupted, too. */
enum status bench_model(struct bench_choices *o, struct error *err) {
    struct model_bench b = {.o = o};
    struct lock *lock = NULL;
    enum status status = tests_parse(o, &b.tests, &b.n_tests, err);
    if (o->repeats < 1 || o->repeats > TEST_RUNS_MOST) o->repeats = RUNS_USUAL;
    if (status == OK) {
        if (!o->choice.context) o->choice.context = tests_positions(b.tests, b.n_tests);
        b.part = o->choice.rows = longest_batch(&b);
        status = choice_open_model(&o->choice, &b.model, err);
    }
    if (status == OK) {
        engine_model_describe(b.model, &b.facts);
        status = lock_take_device(o->common.device, "hone bench", &lock, err);
    }
    if (status == OK) status = run(&b, err);
    lock_release(lock);
    engine_model_close(b.model);
    json_decref(b.peak);
    json_decref(b.rows);
    free(b.tests);
    return status;
}
