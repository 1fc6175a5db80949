/* verdicts.c: see verdicts.h. */
#include "cli/verdicts.h"
#include "base/log.h"
#include "base/str.h"
#include "base/units.h"
#include "base/utf8.h"
#include "tuner/gate.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* NAN for null: what was not computed prints as nan. */
static double known_at(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static bool has_verdict(const json_t *row, enum verdict_id verdict) {
    return strcmp(text_at(row, "verdict"), verdict_names[verdict]) == 0;
}

/* ---- a line a benchmark ---- */

/* "+7.1 % [+6.2, +8.0]" */
static char *shift_text(const json_t *row) {
    return text_format("%+.1f %% [%+.1f, %+.1f]", 100 * known_at(row, "shift"),
                       100 * known_at(row, "low"), 100 * known_at(row, "high"));
}

/* What is worth saying besides numbers, "" else. The caller frees. */
static char *remark_of(const json_t *row) {
    const char *before = text_at(row, "base_config"), *after = text_at(row, "new_config");
    if (strcmp(before, after) != 0) return text_format("another kernel: %s, was %s", after, before);
    if (has_verdict(row, VERDICT_NOISY))
        return text_format("the yardstick moved %+.0f %%, runs scatter by %.1f %%",
                           100 * known_at(row, "moved"), 100 * known_at(row, "noise"));
    return text_copy("");
}

enum status verdicts_print(const json_t *result, struct error *err) {
    enum status status = OK;
    size_t i;
    const json_t *row;
    json_array_foreach (json_object_get(result, "benchmarks"), i, row) {
        char before[UNITS_TEXT], after[UNITS_TEXT];
        char *shift = shift_text(row), *remark = remark_of(row);
        if (status == OK)
            status = out_printf(
                err, "%-5s %-44s %-24s p %-8.2g margin %.1f %%  %s -> %s  would see %+.1f %%%s%s\n",
                text_at(row, "verdict"), text_at(row, "name"), shift, known_at(row, "p"),
                100 * known_at(row, "margin"), units_time_ns(known_at(row, "base_ns"), before),
                units_time_ns(known_at(row, "new_ns"), after), 100 * known_at(row, "detectable"),
                *remark ? "  " : "", remark);
        free(remark);
        free(shift);
    }
    return status == OK
               ? out_printf(err, "%s: %s\n", text_at(result, "verdict"), text_at(result, "device"))
               : status;
}

enum status verdicts_markdown(const json_t *result, struct error *err) {
    enum status status = out_printf(
        err,
        "### hone compare: %s\n\n"
        "| | benchmark | change, 95 %% interval | p | margin | before | now | would see | |\n"
        "|---|---|---|---:|---:|---:|---:|---:|---|\n",
        text_at(result, "verdict"));
    size_t i;
    const json_t *row;
    json_array_foreach (json_object_get(result, "benchmarks"), i, row) {
        char before[UNITS_TEXT], after[UNITS_TEXT];
        char *shift = shift_text(row), *remark = remark_of(row);
        if (status == OK)
            status =
                out_printf(err, "| %s%s%s | %s | %s | %.2g | %.1f %% | %s | %s | %+.1f %% | %s |\n",
                           has_verdict(row, VERDICT_OK) ? "" : "**", text_at(row, "verdict"),
                           has_verdict(row, VERDICT_OK) ? "" : "**", text_at(row, "name"), shift,
                           known_at(row, "p"), 100 * known_at(row, "margin"),
                           units_time_ns(known_at(row, "base_ns"), before),
                           units_time_ns(known_at(row, "new_ns"), after),
                           100 * known_at(row, "detectable"), remark);
        free(remark);
        free(shift);
    }
    return status == OK ? out_printf(err, "\n%s, %s\n", text_at(result, "device"),
                                     text_at(result, "environment"))
                        : status;
}

/* ---- JUnit ---- */

/* Text as XML: what is no character there becomes a question mark. */
static void add_xml(struct str *out, const char *text) {
    static const struct {
        char c;
        const char *entity;
    } entities[] = {
        {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&apos;"}};
    for (; *text; text++) {
        const char *entity = NULL;
        for (size_t e = 0; e < sizeof entities / sizeof *entities; e++)
            if (entities[e].c == *text) entity = entities[e].entity;
        const unsigned char c = (unsigned char)*text;
        if (entity) str_add(out, entity);
        else if (c < 32 || c == 127) str_add(out, c == '\n' ? "&#10;" : "?");
        else str_add_bytes(out, text, 1);
    }
}

static void add_attribute(struct str *out, const char *name, const char *text) {
    str_addf(out, " %s=\"", name);
    add_xml(out, text);
    str_add(out, "\"");
}

/* Verdicts that a test report has a word for. */
static const struct {
    enum verdict_id verdict;
    const char *element;
} elements[] = {{VERDICT_SLOW, "failure"}, {VERDICT_NOISY, "skipped"}};

static void add_case(struct str *out, const json_t *row) {
    char *shift = shift_text(row), *remark = remark_of(row);
    char *message = text_format("%s: %s, %s%s%s", text_at(row, "verdict"), text_at(row, "name"),
                                shift, *remark ? "; " : "", remark);
    str_add(out, "    <testcase classname=\"hone.compare\"");
    add_attribute(out, "name", text_at(row, "name"));
    str_addf(out, " time=\"%.9f\">\n", known_at(row, "new_ns") / 1e9);
    for (size_t e = 0; e < sizeof elements / sizeof *elements; e++) {
        if (!has_verdict(row, elements[e].verdict)) continue;
        str_addf(out, "      <%s", elements[e].element);
        add_attribute(out, "message", message);
        str_add(out, "/>\n");
    }
    str_add(out, "      <system-out>");
    add_xml(out, message);
    str_add(out, "</system-out>\n    </testcase>\n");
    free(message);
    free(remark);
    free(shift);
}

static size_t count_verdicts(const json_t *rows, enum verdict_id verdict) {
    size_t i, n = 0;
    const json_t *row;
    json_array_foreach (rows, i, row) n += has_verdict(row, verdict);
    return n;
}

char *verdicts_junit(const json_t *result) {
    const json_t *rows = json_object_get(result, "benchmarks");
    struct str out = {0};
    size_t i;
    const json_t *row;
    str_addf(&out,
             "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
             "  <testsuite name=\"hone compare\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" "
             "skipped=\"%zu\"",
             json_array_size(rows), count_verdicts(rows, VERDICT_SLOW),
             count_verdicts(rows, VERDICT_NOISY));
    add_attribute(&out, "hostname", text_at(result, "device"));
    str_add(&out, ">\n");
    json_array_foreach (rows, i, row) add_case(&out, row);
    str_add(&out, "  </testsuite>\n</testsuites>\n");
    return out.text;
}

/* ---- how it ends ---- */

/* "gemm m=… f32 +7.1 %, …" of the benchmarks with a verdict; the caller frees. */
static char *list_verdicts(const json_t *rows, enum verdict_id verdict) {
    struct str names = {0};
    size_t i;
    const json_t *row;
    json_array_foreach (rows, i, row) {
        if (!has_verdict(row, verdict)) continue;
        str_addf(&names, "%s%s %+.1f %%", names.length ? ", " : "", text_at(row, "name"),
                 100 * known_at(row, "shift"));
    }
    char *text = text_copy(str_text(&names));
    str_free(&names);
    return text;
}

enum status verdicts_judge(const json_t *result, struct error *err) {
    const json_t *rows = json_object_get(result, "benchmarks");
    const size_t n = json_array_size(rows);
    char *slow = list_verdicts(rows, VERDICT_SLOW), *noisy = list_verdicts(rows, VERDICT_NOISY);
    char *unclear = list_verdicts(rows, VERDICT_AMBG);
    if (*unclear)
        log_warn(
            "not decided after two batches, passed: %s; more runs (--runs) or a quieter machine "
            "would tell",
            unclear);
    enum status status = OK;
    if (*slow)
        status = fail(err, STATUS_SLOW, "%zu of %zu benchmarks %s slower than before: %s",
                      count_verdicts(rows, VERDICT_SLOW), n,
                      count_verdicts(rows, VERDICT_SLOW) == 1 ? "is" : "are", slow);
    else if (*noisy)
        status = fail(err, STATUS_INCONCLUSIVE,
                      "the machine is too noisy, or not as it was, to judge %s; ask at a quieter "
                      "hour, or with --against, or record the baseline again",
                      noisy);
    free(unclear);
    free(noisy);
    free(slow);
    return status;
}

/* ---- how often it is wrong ---- */

static enum status print_benchmark(const json_t *row, struct error *err) {
    enum status status = out_printf(err, "%-44s %3.0f runs  sigma %.2f %%  must find %+.1f %%",
                                    text_at(row, "name"), known_at(row, "runs"),
                                    100 * known_at(row, "sigma"), 100 * known_at(row, "needed"));
    if (status == OK && json_object_get(row, "power"))
        status = out_printf(err, "  slower by %.1f %%: found %.1f %% (lower bound %.1f %%)",
                            100 * known_at(row, "shift"), 100 * known_at(row, "power"),
                            100 * known_at(row, "power_low"));
    return status == OK ? out_printf(err, "\n") : status;
}

static enum status print_practice(const json_t *row, struct error *err) {
    enum status status =
        out_printf(err, "%-44s false alarms %5.1f %% (upper bound %.1f %%)", text_at(row, "name"),
                   100 * known_at(row, "false_alarms"), 100 * known_at(row, "upper"));
    if (status == OK && json_is_number(json_object_get(row, "power")))
        status = out_printf(err, "  found %.1f %%", 100 * known_at(row, "power"));
    return status == OK ? out_printf(err, "\n") : status;
}

enum status alarms_print(const json_t *result, struct error *err) {
    const json_t *alarms = json_object_get(result, "false_alarms");
    size_t i;
    const json_t *row;
    enum status status = OK;
    json_array_foreach (json_object_get(result, "benchmarks"), i, row)
        if (status == OK) status = print_benchmark(row, err);
    if (status == OK)
        status = out_printf(
            err,
            "%-44s false alarms %5.1f %% (upper bound %.1f %%)  in order of time %.1f %%, NOISY "
            "%.1f %%; %.0f gates\n",
            "hone compare", 100 * known_at(alarms, "rate"), 100 * known_at(alarms, "upper"),
            100 * known_at(alarms, "in_order"), 100 * known_at(alarms, "noisy"),
            known_at(result, "gates"));
    json_array_foreach (json_object_get(result, "practice"), i, row)
        if (status == OK) status = print_practice(row, err);
    return status;
}
