/* runs.c: see runs.h. */
#include "tuner/runs.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/stats.h"
#include "base/str.h"
#include "tuner/frames.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char format[] = "hone runs 1";
enum { FILE_MOST = 64 << 20, SAMPLES_MOST = 100000, BENCHES_MOST = 4096 };

/* Where runs may be compared: key of the document, what it is to people. */
static const struct {
    const char *key, *what;
} places[] = {
    {"device", "device"},
    {"version", "driver"},
    {"environment", "environment"},
    {"yardstick_key", "yardstick"},
};
enum { PLACES = sizeof places / sizeof *places };
static const char *const found_keys[] = {"profile", "layout", "variant", "config", "source_key"};

json_t *runs_new(void) {
    return json_pack("{s:s,s:[]}", "format", format, "benchmarks");
}

/* ---- files ---- */

static bool are_times(const json_t *list) {
    size_t i;
    const json_t *item;
    const size_t n = json_array_size(list);
    if (n == 0 || n > SAMPLES_MOST) return false;
    json_array_foreach (list, i, item)
        if (!(json_number_value(item) > 0 && isfinite(json_number_value(item)))) return false;
    return true;
}

static bool is_run(const json_t *run) {
    return json_is_integer(json_object_get(run, "unix_s")) &&
           are_times(json_object_get(run, "kernel_ns")) &&
           are_times(json_object_get(run, "yardstick_ns")) &&
           json_array_size(json_object_get(run, "kernel_ns")) ==
               json_array_size(json_object_get(run, "yardstick_ns"));
}

static enum status check_bench(const json_t *bench, const char *path, struct error *err) {
    static const char *const wanted_keys[] = {"slice", "problem", "class", "profile"};
    const json_t *runs = json_object_get(bench, "runs"), *wanted = json_object_get(bench, "wanted");
    bool good = *frame_read_text(bench, "name") && json_is_array(runs);
    for (size_t k = 0; k < sizeof wanted_keys / sizeof *wanted_keys; k++)
        good = good && *frame_read_text(wanted, wanted_keys[k]);
    for (size_t i = 0; good && i < json_array_size(runs); i++) {
        if (is_run(json_array_get(runs, i))) continue;
        return fail(err, STATUS_INVALID, "%s: run %zu of %s has no proper times; record it again",
                    path, i + 1, runs_name(bench));
    }
    return good ? OK
                : fail(err, STATUS_INVALID,
                       "%s: a benchmark lacks its name, its problem or its runs", path);
}

static enum status check_document(const json_t *document, const char *path, struct error *err) {
    if (strcmp(frame_read_text(document, "format"), format) != 0)
        return fail(err, STATUS_INVALID,
                    "%s holds no runs of hone (\"format\": \"%s\"): record them with hone compare "
                    "--record",
                    path, format);
    const json_t *benches = json_object_get(document, "benchmarks");
    if (json_array_size(benches) == 0)
        return fail(err, STATUS_NOTHING, "%s: there are no benchmarks in it", path);
    if (json_array_size(benches) > BENCHES_MOST)
        return fail(err, STATUS_INVALID, "%s: %zu benchmarks are more than anybody runs (%d)", path,
                    json_array_size(benches), BENCHES_MOST);
    size_t i;
    const json_t *bench;
    json_array_foreach (benches, i, bench) {
        const enum status st = check_bench(bench, path, err);
        if (st != OK) return st;
        if (runs_find(document, runs_name(bench)) != bench)
            return fail(err, STATUS_INVALID, "%s: %s is there twice", path, runs_name(bench));
    }
    return OK;
}

enum status runs_load(const char *path, json_t **out, struct error *err) {
    char *bytes = NULL;
    size_t size;
    *out = NULL;
    enum status st = path_read(path, FILE_MOST, &bytes, &size, err);
    if (st != OK) return st;
    json_error_t why;
    json_t *document = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &why);
    free(bytes);
    if (!document)
        return fail(err, STATUS_INVALID, "%s is not JSON: line %d: %s", path, why.line, why.text);
    st = check_document(document, path, err);
    if (st == OK) *out = document;
    else json_decref(document);
    return st;
}

enum status runs_save(const char *path, const json_t *document, struct error *err) {
    char *text = json_dumps(document, JSON_INDENT(1) | JSON_REAL_PRECISION(7));
    if (!text) return fail(err, STATUS_NOMEM, "no memory to write %s", path);
    const enum status st = path_write(path, text, strlen(text), err);
    free(text);
    return st;
}

/* ---- benchmarks ---- */

json_t *runs_add_bench(json_t *document, const char *slice, const char *problem,
                       const char *class_name, const char *profile, const char *layout) {
    char *name = text_format("%s %s %s%s%s", slice, problem, class_name, layout ? " " : "",
                             layout ? layout : "");
    json_t *bench =
        json_pack("{s:s,s:{s:s,s:s,s:s,s:s},s:[]}", "name", name, "wanted", "slice", slice,
                  "problem", problem, "class", class_name, "profile", profile, "runs");
    if (layout)
        json_object_set_new(json_object_get(bench, "wanted"), "layout", json_string(layout));
    json_array_append_new(json_object_get(document, "benchmarks"), bench);
    free(name);
    return bench;
}

json_t *runs_plan_of(const json_t *document) {
    json_t *plan = json_deep_copy(document);
    size_t i;
    json_t *bench;
    for (int p = 0; p < PLACES; p++) json_object_del(plan, places[p].key);
    json_array_foreach (json_object_get(plan, "benchmarks"), i, bench)
        json_array_clear(json_object_get(bench, "runs"));
    return plan;
}

json_t *runs_find(const json_t *document, const char *name) {
    size_t i;
    json_t *bench;
    json_array_foreach (json_object_get(document, "benchmarks"), i, bench)
        if (strcmp(runs_name(bench), name) == 0) return bench;
    return NULL;
}

const char *runs_name(const json_t *bench) {
    return frame_read_text(bench, "name");
}

size_t runs_count(const json_t *bench) {
    return json_array_size(json_object_get(bench, "runs"));
}

/* ---- runs ---- */

static enum status compare_places(const json_t *a, const json_t *b, const char *whose,
                                  struct error *err) {
    for (int p = 0; p < PLACES; p++) {
        const char *was = frame_read_text(a, places[p].key),
                   *is = frame_read_text(b, places[p].key);
        if (strcmp(was, is) != 0)
            return fail(err, STATUS_NOTHING,
                        "these runs cannot be compared: the %s of %s was \"%s\" and is \"%s\" now; "
                        "record a baseline here with hone compare --record",
                        places[p].what, whose, was, is);
    }
    return OK;
}

enum status runs_comparable(const json_t *base, const json_t *fresh, struct error *err) {
    return compare_places(base, fresh, "the baseline", err);
}

bool runs_same_yardstick(const json_t *bench, const json_t *other) {
    return strcmp(frame_read_text(bench, "yardstick"), frame_read_text(other, "yardstick")) == 0;
}

enum status runs_add(json_t *document, json_t *bench, const json_t *answer, struct error *err) {
    json_t *run = json_pack("{s:I,s:O?,s:O?}", "unix_s", (json_int_t)clock_unix_s(), "kernel_ns",
                            json_object_get(answer, "kernel_ns"), "yardstick_ns",
                            json_object_get(answer, "yardstick_ns"));
    enum status st = is_run(run) ? OK
                                 : fail(err, STATUS_INVALID, "%s: a run answers without times",
                                        runs_name(bench));
    const bool is_first = !json_object_get(document, places[0].key);
    if (st == OK && !is_first) st = compare_places(document, answer, "the runs before", err);
    if (st != OK) {
        json_decref(run);
        return st;
    }
    for (int p = 0; is_first && p < PLACES; p++)
        json_object_set(document, places[p].key, json_object_get(answer, places[p].key));
    json_t *found = json_object();
    for (size_t k = 0; k < sizeof found_keys / sizeof *found_keys; k++)
        json_object_set(found, found_keys[k], json_object_get(answer, found_keys[k]));
    json_object_set_new(bench, "found", found);
    json_object_set(bench, "yardstick", json_object_get(answer, "yardstick"));
    json_array_append_new(json_object_get(bench, "runs"), run);
    return OK;
}

void runs_trim(json_t *document, int64_t since_unix_s, size_t most) {
    size_t i;
    json_t *bench;
    json_array_foreach (json_object_get(document, "benchmarks"), i, bench) {
        json_t *runs = json_object_get(bench, "runs");
        for (size_t r = json_array_size(runs); r-- > 0;)
            if (json_integer_value(json_object_get(json_array_get(runs, r), "unix_s")) <
                since_unix_s)
                json_array_remove(runs, r);
        while (json_array_size(runs) > most) json_array_remove(runs, 0);
    }
}

void runs_append(json_t *bench, const json_t *more) {
    json_array_extend(json_object_get(bench, "runs"), json_object_get(more, "runs"));
    json_object_set(bench, "found", json_object_get(more, "found"));
}

/* Neighbours take whole slices of time: of samples that are as short as a slice some are untouched even when
 * most are not, and then the median is of one state or the other. The lower tenth of the kernel's samples over
 * that of the yardstick's scattered by 0.8 % from run to run where the median of the pairs' ratios scattered
 * by 3.0 % (90 runs of a matrix product on two cores with nine runnable processes), and as little as that on a
 * calm machine. Not the least: one lucky sample is nobody's speed. */
static const double UNTOUCHED = 0.1;

static double quantile_of(const json_t *list, double q) {
    const size_t n = json_array_size(list);
    double *values = memory_new((n ? n : 1) * sizeof *values);
    for (size_t i = 0; i < n; i++) values[i] = json_number_value(json_array_get(list, i));
    const double value = stats_quantile(values, n, q);
    free(values);
    return value;
}

void runs_value(const json_t *bench, size_t run, double *value, double *yardstick,
                double *kernel_ns) {
    const json_t *r = json_array_get(json_object_get(bench, "runs"), run);
    const json_t *kernel = json_object_get(r, "kernel_ns");
    *yardstick = log(quantile_of(json_object_get(r, "yardstick_ns"), UNTOUCHED));
    *value = log(quantile_of(kernel, UNTOUCHED)) - *yardstick;
    if (kernel_ns) *kernel_ns = quantile_of(kernel, 0.5);
}
