/* bench_table.c: rows of a bench as CSV (RFC 4180, lines that end with \n) or as a Markdown table. See bench.h. */
#include "base/str.h"
#include "base/units.h"
#include "cli/bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How Markdown shows a value. */
enum shown { HIDDEN, PLAIN, TIME, RATE, FLOPS, SHARE, SPEED, MEMORY, SPREAD };

/* A column: where its value lies in a row ("conditions.clock_mhz"), title and form in Markdown. Columns that no
 * row has are left out, so that kernels and models share the list; rivals follow by name. */
static const struct column {
    const char *path, *title;
    enum shown shown;
} columns[] = {
    {"model", "model", PLAIN},
    {"test", "test", PLAIN},
    {"pp", "pp", HIDDEN},
    {"tg", "tg", HIDDEN},
    {"depth", "depth", HIDDEN},
    {"family", "family", PLAIN},
    {"problem", "problem", PLAIN},
    {"class", "class", PLAIN},
    {"layout", "layout", HIDDEN},
    {"profile", "profile", PLAIN},
    {"phase", "phase", PLAIN},
    {"variant", "variant", PLAIN},
    {"config", "config", HIDDEN},
    {"tps", "token/s", SPEED},
    {"low_tps", "95 %", SPREAD},
    {"high_tps", "", HIDDEN},
    {"time_ns", "time", TIME},
    {"low_ns", "from", TIME},
    {"high_ns", "to", TIME},
    {"n", "n", PLAIN},
    {"warm_ns", "warm", TIME},
    {"warm_low_ns", "", HIDDEN},
    {"warm_high_ns", "", HIDDEN},
    {"floor_ns", "", HIDDEN},
    {"pack_ns", "", HIDDEN},
    {"token_bytes", "bytes/token", MEMORY},
    {"gflops", "computes", FLOPS},
    {"gbps", "moves", RATE},
    {"share", "of the ceiling", SHARE},
    {"ceiling_gbps", "", HIDDEN},
    {"ceiling_gflops", "", HIDDEN},
    {"outcome", "", HIDDEN},
    {"rule", "", HIDDEN},
    {"conditions.canary", "", HIDDEN},
    {"conditions.clock_mhz", "MHz", PLAIN},
    {"conditions.power_w", "W", PLAIN},
    {"conditions.throttles", "throttled", PLAIN},
};
enum { COLUMNS = sizeof columns / sizeof *columns, RIVALS_MOST = 8 };

struct table_out {
    struct str text;
    enum table_form form;
    bool is_kept[COLUMNS];
    const char *rival[RIVALS_MOST]; /* in the order of the rows */
    size_t n_rivals;
};

static const json_t *value_at(const json_t *row, const char *path) {
    const char *dot = strchr(path, '.');
    if (!dot) return json_object_get(row, path);
    char *first = text_format("%.*s", (int)(dot - path), path);
    const json_t *value = json_object_get(json_object_get(row, first), dot + 1);
    free(first);
    return value;
}

static void find_columns(struct table_out *t, const json_t *rows) {
    size_t i;
    const char *name;
    json_t *row, *other;
    json_array_foreach (rows, i, row) {
        for (int c = 0; c < COLUMNS; c++) t->is_kept[c] |= value_at(row, columns[c].path) != NULL;
        if (i > 0) continue; /* every row has the rivals that were asked for */
        json_object_foreach (json_object_get(row, "rivals"), name, other)
            if (t->n_rivals < RIVALS_MOST) t->rival[t->n_rivals++] = name;
    }
    for (int c = 0; t->form == FORM_MD && c < COLUMNS; c++)
        t->is_kept[c] = t->is_kept[c] && columns[c].shown != HIDDEN;
}

/* ---- cells ---- */

/* The value as the JSON document prints it; text without its quotes. */
static char *plain(const json_t *value) {
    if (json_is_string(value)) return text_copy(json_string_value(value));
    if (!value || json_is_null(value)) return text_copy("");
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9));
    return text ? text : text_copy("");
}

static char *shown(const json_t *row, const struct column *column) {
    const json_t *value = value_at(row, column->path);
    const double number = json_number_value(value);
    char text[UNITS_TEXT] = "";
    if (column->shown == PLAIN || !json_is_number(value)) return plain(value);
    switch (column->shown) {
    case TIME: units_time_ns(number, text); break;
    case RATE: units_rate(number, text); break;
    case FLOPS: units_flops(number, text); break;
    case MEMORY: units_memory(number, text); break;
    case SHARE: snprintf(text, sizeof text, "%.0f %%", 100 * number); break;
    case SPEED: snprintf(text, sizeof text, "%.2f", number); break;
    case SPREAD:
        snprintf(text, sizeof text, "%.2f … %.2f", number,
                 json_number_value(json_object_get(row, "high_tps")));
        break;
    default: break;
    }
    return text_copy(text);
}

static void add_csv(struct table_out *t, const char *cell, bool is_first) {
    const bool is_quoted = strpbrk(cell, ",\"\n\r") != NULL;
    if (!is_first) str_add(&t->text, ",");
    if (is_quoted) str_add(&t->text, "\"");
    for (const char *c = cell; *c; c++) str_addf(&t->text, *c == '"' ? "\"%c" : "%c", *c);
    if (is_quoted) str_add(&t->text, "\"");
}

static void add_md(struct table_out *t, const char *cell) {
    str_add(&t->text, " ");
    for (const char *c = cell; *c; c++)
        str_addf(&t->text, *c == '|' ? "\\%c" : "%c", *c == '\n' ? ' ' : *c);
    str_add(&t->text, " |");
}

/* A cell that the table takes over. */
static void take_cell(struct table_out *t, char *cell, bool is_first) {
    if (t->form == FORM_CSV) add_csv(t, cell, is_first);
    else add_md(t, cell);
    free(cell);
}

/* ---- lines ---- */

static void begin(struct table_out *t) {
    if (t->form == FORM_MD) str_add(&t->text, "|");
}

static void add_titles(struct table_out *t) {
    bool is_first = true;
    begin(t);
    for (int c = 0; c < COLUMNS; c++) {
        if (!t->is_kept[c]) continue;
        take_cell(t, text_copy(t->form == FORM_CSV ? columns[c].path : columns[c].title), is_first);
        is_first = false;
    }
    for (size_t r = 0; r < t->n_rivals; r++)
        take_cell(t, text_format(t->form == FORM_CSV ? "rivals.%s.time_ns" : "%s", t->rival[r]),
                  false);
    str_add(&t->text, "\n");
    if (t->form == FORM_CSV) return;
    begin(t);
    for (int c = 0; c < COLUMNS; c++)
        if (t->is_kept[c]) str_add(&t->text, columns[c].shown == PLAIN ? "---|" : "---:|");
    for (size_t r = 0; r < t->n_rivals; r++) str_add(&t->text, "---:|");
    str_add(&t->text, "\n");
}

static void add_row(struct table_out *t, const json_t *row) {
    static const struct column rival_column = {"time_ns", "", TIME};
    bool is_first = true;
    begin(t);
    for (int c = 0; c < COLUMNS; c++) {
        if (!t->is_kept[c]) continue;
        take_cell(t,
                  t->form == FORM_CSV ? plain(value_at(row, columns[c].path))
                                      : shown(row, &columns[c]),
                  is_first);
        is_first = false;
    }
    for (size_t r = 0; r < t->n_rivals; r++) {
        const json_t *rival = json_object_get(json_object_get(row, "rivals"), t->rival[r]);
        take_cell(t,
                  t->form == FORM_CSV ? plain(json_object_get(rival, "time_ns"))
                                      : shown(rival, &rival_column),
                  false);
    }
    str_add(&t->text, "\n");
}

enum status bench_table(const json_t *rows, enum table_form form, struct error *err) {
    struct table_out t = {.form = form};
    find_columns(&t, rows);
    add_titles(&t);
    size_t i;
    json_t *row;
    json_array_foreach (rows, i, row) add_row(&t, row);
    const char *text = str_text(&t.text);
    const enum status status = out_write(text, strlen(text), err);
    str_free(&t.text);
    return status == OK ? out_flush(err) : status;
}
