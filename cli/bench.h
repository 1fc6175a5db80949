/* bench.h: what the files of `hone bench` share: bench.c (kernels, the command line), bench_model.c (whole
 * models), bench_cost.c (what a test of a model reads and computes), bench_table.c (CSV and Markdown). */
#pragma once
#include "cli/cli.h"
#include "cli/problems.h"
#include "runtime/engine.h"

struct bench_choices {
    struct common_options common;
    struct problem_options problems;
    struct engine_choice choice;
    char *config, *rivals, *rival_budget, *save;
    int csv, md, warm, phase, aa, runs, repeats;
    char *pp, *tg, *depth; /* lists of numbers, "none" */
    char **pg;             /* pairs, NULL-terminated; NULL: none */
};
/* hone bench --model. Takes the device's lock. */
enum status bench_model(struct bench_choices *o, struct error *err);

/* ---- tests of a model: llama-bench's pp, tg, pg at a depth ---- */

enum { TEST_RUNS_MOST = 64 };
struct model_test {
    char name[48];     /* "pp512", "tg128 @ d1024", "pp512+tg128" */
    int pp, tg, depth; /* prompt tokens, then generated ones, behind that many positions */
    double tps[TEST_RUNS_MOST];
    int n;                    /* runs that count */
    double bytes, operations; /* canonical, of one run */
};
/* All tests of the lists, depth by depth; the caller frees. USAGE: a list that is none. */
enum status tests_parse(const struct bench_choices *o, struct model_test **tests, size_t *n,
                        struct error *err);
/* The positions that the longest of them takes. */
int tests_positions(const struct model_test *tests, size_t n);
/* Bytes and operations of one run of a test in batches of at most `rows` rows: every matrix once a batch, of the
 * embedding the token's row; K and V of the positions before, once a batch; multiplications with weights and
 * attention. kv_position_bytes: K and V of one position in all layers. */
void test_cost(struct model_test *test, const struct engine_model_facts *model, int rows,
               double kv_position_bytes);

/* ---- tables ---- */

enum table_form { FORM_CSV, FORM_MD };
/* Rows (objects) of a document as a table. The CSV holds the JSON's own numbers, nothing where there is none;
 * the Markdown has fewer columns, in units. Rows without a column's value in any row lack the column. */
enum status bench_table(const json_t *rows, enum table_form form, struct error *err);
