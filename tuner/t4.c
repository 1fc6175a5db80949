/* t4.c: see t4.h. */
#include "tuner/t4.h"
#include "base/clock.h"
#include "tuner/frames.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What T4 calls each outcome. */
static const char *const invalidity[OUTCOMES] = {
    [OUTCOME_RUNNING] = "runtime",         [OUTCOME_OK] = "correct",
    [OUTCOME_ABANDONED] = "correct",       [OUTCOME_COMPILE_FAILED] = "compile",
    [OUTCOME_LAUNCH_FAILED] = "runtime",   [OUTCOME_WRONG] = "correctness",
    [OUTCOME_TIMEOUT] = "timeout",         [OUTCOME_CRASHED] = "runtime",
    [OUTCOME_IMPLAUSIBLE] = "correctness",
};

/* A whole number, or a word. */
static json_t *value_of(const char *text, size_t length) {
    char copy[64], *end;
    if (length > 0 && length < sizeof copy) {
        memcpy(copy, text, length);
        copy[length] = 0;
        const long long number = strtoll(copy, &end, 10);
        if (*end == 0) return json_integer(number);
        const double real = strtod(copy, &end);
        if (*end == 0 && isfinite(real)) return json_real(real);
    }
    json_t *word = json_stringn(text, length);
    return word ? word : json_string("?");
}

/* "VW=16,DOT=vnni" as an object. */
static json_t *configuration(const struct record_key *key, bool has_layouts) {
    json_t *object = json_object();
    if (has_layouts) json_object_set_new(object, "layout", frame_text(key->layout));
    for (const char *at = key->config; *at;) {
        const size_t length = strcspn(at, ",");
        const char *equal = memchr(at, '=', length);
        if (equal) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)(equal - at), at);
            json_object_set_new(object, name,
                                value_of(equal + 1, length - (size_t)(equal + 1 - at)));
        }
        at += length + (at[length] == ',');
    }
    return object;
}

static json_t *times(const double *ns, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, frame_number(ns[i]));
    return list;
}

static void add_measurement(json_t *list, const char *name, json_t *value, const char *unit) {
    json_array_append_new(list,
                          json_pack("{s:s,s:o,s:s}", "name", name, "value", value, "unit", unit));
}

static json_t *measurements(const struct trial_record *trial) {
    const struct evaluation *e = &trial->evaluation;
    json_t *list = json_array();
    add_measurement(list, "outcome", json_string(outcome_names[e->outcome]), "");
    if (e->time_ns > 0) add_measurement(list, "time", json_real(e->time_ns), "nanoseconds");
    if (trial->n_earlier > 0)
        add_measurement(list, "earlier_runtimes", times(e->samples_ns, trial->n_earlier),
                        "nanoseconds");
    if (e->message) add_measurement(list, "message", frame_text(e->message), "");
    return list;
}

/* Abandoned with the ragged problem: its samples are not of the problem. */
static bool was_hopeless(const struct evaluation *e) {
    return e->outcome == OUTCOME_ABANDONED && e->conditions &&
           strstr(e->conditions, "\"ragged\":true");
}

static json_t *result(const struct trial_record *trial, bool has_layouts) {
    const struct evaluation *e = &trial->evaluation;
    const char *validity = invalidity[was_hopeless(e) ? OUTCOME_TIMEOUT : e->outcome];
    const bool is_correct = strcmp(validity, "correct") == 0;
    const size_t n = e->n_samples - trial->n_earlier;
    char when[21];
    clock_iso(e->unix_s, when);
    return json_pack(
        "{s:s,s:o,s:{s:I,s:I,s:o},s:s,s:i,s:o,s:[s]}", "timestamp", when, "configuration",
        configuration(&e->key, has_layouts), "times", "compilation_time", (json_int_t)e->build_ns,
        "validation", (json_int_t)e->check_ns, "runtimes",
        times(e->samples_ns + trial->n_earlier, is_correct ? n : 0), "invalidity", validity,
        "correctness", (int)is_correct, "measurements", measurements(trial), "objectives", "time");
}

json_t *t4_results(const struct tried *kernel, const char *device, bool has_layouts,
                   const struct trial_record *trials, size_t n) {
    json_t *results = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(results, result(&trials[i], has_layouts));
    return json_pack("{s:s,s:o,s:o,s:{s:s,s:o,s:o,s:o,s:o,s:o},s:o}", "schema_version", "1.0.0",
                     "device_name", frame_text(device), "kernel_name", frame_text(kernel->variant),
                     "metadata", "timeunit", "nanoseconds", "family", frame_text(kernel->family),
                     "problem", frame_text(kernel->problem), "class",
                     frame_text(kernel->class_name), "variant", frame_text(kernel->variant),
                     "source_key", frame_text(kernel->source_key), "results", results);
}
