/* test_bench_tables.c: hone bench as CSV and Markdown: whole tables, and the numbers that the database has, which
 * are those of the JSON document. */
#include "results/store.h"
#include "tests/cli/program.h"
#include <jansson.h>
#include <math.h>

enum { CELLS = 64 };
struct line {
    char *cell[CELLS];
    size_t n;
};

/* The next line of a CSV, cut in place. */
static bool next_line(char **at, struct line *line) {
    line->n = 0;
    if (!**at) return false;
    for (char end = ','; end == ',';) {
        const bool is_quoted = **at == '"';
        char *read = *at + is_quoted, *write = *at;
        cr_assert_lt(line->n, CELLS);
        line->cell[line->n++] = write;
        for (; is_quoted || (*read != ',' && *read != '\n'); *write++ = *read++) {
            cr_assert(*read, "a line that does not end");
            if (is_quoted && *read == '"' && *++read != '"') break;
        }
        end = *read;
        *at = read + 1;
        *write = 0;
    }
    return true;
}

/* Rows of the database as JSON, in order. */
static json_t *rows_of(const char *folder) {
    char path[1100], *csv;
    struct store *store;
    struct error err;
    struct line line;
    snprintf(path, sizeof path, "%s/hone.db", folder);
    cr_assert_eq(store_open(path, STORE_READ, &store, &err), OK, "%s", err.text);
    cr_assert_eq(store_csv(store, "SELECT row FROM benches ORDER BY bench_id", &csv, &err), OK);
    json_t *rows = json_array();
    char *at = csv;
    cr_assert(next_line(&at, &line));
    while (next_line(&at, &line)) json_array_append_new(rows, json_loads(line.cell[0], 0, NULL));
    store_close(store);
    free(csv);
    return rows;
}

static const json_t *value_at(const json_t *row, char *path) {
    char *rest = path;
    for (char *part; row && (part = strsep(&rest, "."));) row = json_object_get(row, part);
    return row;
}

static void expect_cell(const json_t *row, const char *title, const char *cell) {
    char path[100];
    snprintf(path, sizeof path, "%s", title);
    const json_t *value = value_at(row, path);
    if (!value || json_is_null(value)) cr_expect_str_eq(cell, "", "%s: %s", title, cell);
    else if (json_is_string(value)) cr_expect_str_eq(cell, json_string_value(value), "%s", title);
    else
        cr_expect(fabs(strtod(cell, NULL) - json_number_value(value)) <=
                      1e-8 * fabs(json_number_value(value)),
                  "%s: %s", title, cell);
}

/* Every cell of the CSV is the row's value by that name; the columns that must be there are. */
static void expect_csv(char *csv, const char *folder, size_t n_rows, const char *const *columns) {
    json_t *rows = rows_of(folder);
    struct line titles, line;
    size_t n = 0;
    cr_assert(next_line(&csv, &titles));
    for (; *columns; columns++) {
        size_t c = 0;
        while (c < titles.n && strcmp(titles.cell[c], *columns) != 0) c++;
        cr_expect_lt(c, titles.n, "no column %s", *columns);
    }
    for (; next_line(&csv, &line); n++) {
        cr_assert_eq(line.n, titles.n, "row %zu has %zu cells of %zu", n, line.n, titles.n);
        for (size_t c = 0; c < line.n; c++)
            expect_cell(json_array_get(rows, n), titles.cell[c], line.cell[c]);
    }
    cr_expect_eq(n, n_rows);
    cr_expect_eq(json_array_size(rows), n_rows);
    json_decref(rows);
}

/* In a folder of the run's own, which is returned: its database lies there. */
static const char *run_well(const char *const *arguments, struct program_run *run) {
    const char *folder = test_folder();
    *run = program_run(folder, "", arguments);
    cr_assert_eq(run->code, 0, "%s", run->err);
    return folder;
}

static const char *const model_columns[] = {"model", "test",  "tps",         "low_tps", "high_tps",
                                            "n",     "share", "token_bytes", "gbps",    NULL};
static const char *const kernel_columns[] = {
    "family", "problem", "time_ns", "low_ns", "warm_ns", "share", "rivals.openblas.time_ns", NULL};

Test(bench_tables, csv_of_a_generated_model, .timeout = 300) {
    struct program_run run;
    const char *folder =
        run_well((const char *[]){"bench", "--model", "smollm2-135m-q4", "--pp", "8,9", "--tg", "2",
                                  "--pg", "4,2", "--depth", "0,5", "-r", "2", "--csv", NULL},
                 &run);
    expect_csv(run.out, folder, 8, model_columns);
    program_free(&run);
}

Test(bench_tables, csv_of_kernels, .timeout = 300) {
    struct program_run run;
    const char *folder = run_well((const char *[]){"bench", "--family", "gemm", "--problem",
                                                   "m=64,k=64,n=8,16", "--rivals", "openblas",
                                                   "--profile", "default", "--warm", "--csv", NULL},
                                  &run);
    expect_csv(run.out, folder, 2, kernel_columns);
    program_free(&run);
}

/* Every line has as many cells as the first, the second is the rule below the titles. */
Test(bench_tables, markdown, .timeout = 300) {
    struct program_run run;
    run_well((const char *[]){"bench", "--family", "gemm", "--problem", "m=64,k=64,n=8,16",
                              "--profile", "default", "--warm", "--md", NULL},
             &run);
    size_t bars = 0, lines = 0;
    for (char *rest = run.out, *line; (line = strsep(&rest, "\n")) && *line; lines++) {
        size_t here = 0;
        for (const char *c = line; *c; c++) here += *c == '|' && (c == line || c[-1] != '\\');
        if (lines == 0) bars = here;
        cr_expect_eq(here, bars, "%s", line);
        if (lines == 1) cr_expect_eq(strspn(line, "|-:"), strlen(line), "%s", line);
    }
    cr_expect_eq(lines, 4);
    cr_expect_gt(bars, 8);
    program_free(&run);
}

/* A generated token reads every matrix once, in the format's own bytes: 576 wide, 30 layers, groups of 64. */
Test(bench_tables, canonical_bytes_of_a_token, .timeout = 300) {
    struct program_run run;
    run_well((const char *[]){"bench", "--model", "smollm2-135m-q4", "--pp", "none", "--tg", "1",
                              "--depth", "3", "-r", "1", "--json", NULL},
             &run);
    json_t *document = json_loads(run.out, 0, NULL);
    const json_t *model = json_object_get(document, "model");
    const json_t *row = json_array_get(json_object_get(model, "tests"), 0);
    const double layer = 2.0 * 576 * 576 + 2.0 * 192 * 576 + 3.0 * 1536 * 576;
    const double head = 2.0 * 49152 * 576, embedding = 2.0 * 576, kv = 4 * 30 * 2 * 192 * 2.0;
    const double weights = 30 * layer * (0.5 + 2.5 / 64);
    cr_expect_float_eq(json_number_value(json_object_get(row, "token_bytes")),
                       weights + head + embedding + kv, 1, "%.1f for %.1f",
                       json_number_value(json_object_get(row, "token_bytes")),
                       weights + head + embedding + kv);
    cr_expect(json_is_null(json_object_get(model, "pp_tps")));
    cr_expect_gt(json_number_value(json_object_get(model, "tg_tps")), 0);
    const json_t *peak = json_object_get(document, "peak");
    cr_expect_gt(json_number_value(json_object_get(peak, "copy_gbps")), 0);
    cr_expect_gt(json_number_value(json_object_get(peak, "read_gbps")), 0);
    cr_expect_geq(json_number_value(json_object_get(model, "process_peak_bytes")),
                  json_number_value(json_object_get(model, "process_bytes")));
    json_decref(document);
    program_free(&run);
}

Test(bench_tables, wrong_tests_are_refused) {
    static const struct {
        const char *arguments[8], *word;
    } lines[] = {
        {{"bench", "--model", "smollm2-135m", "--pp", "8,x"}, "--pp"},
        {{"bench", "--model", "smollm2-135m", "--pp", "8,"}, "--pp"},
        {{"bench", "--model", "smollm2-135m", "--depth", "-1"}, "--depth"},
        {{"bench", "--model", "smollm2-135m", "--pg", "8"}, "--pg"},
        {{"bench", "--model", "smollm2-135m", "--pg", "8,9,10"}, "--pg"},
        {{"bench", "--model", "smollm2-135m", "--pp", "none", "--tg", "none"}, "no test"},
        {{"bench", "--csv", "--md"}, "--csv"},
        {{"bench", "--model", "smollm2-135m", "--warm"}, "--warm"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct program_run run = program_run(test_folder(), "", lines[i].arguments);
        cr_expect_eq(run.code, 2, "%s: %s", lines[i].word, run.err);
        cr_expect_not_null(strstr(run.err, lines[i].word), "%s", run.err);
        program_free(&run);
    }
}
