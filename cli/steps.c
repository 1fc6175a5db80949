/* steps.c: see steps.h. */
#include "cli/steps.h"
#include "base/levels.h"
#include "cli/table.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The newest of each history are enough; a fit is quadratic. */
static const char histories[] =
    "SELECT history, bench_id, ln(time_ns) AS y"
    "  FROM (SELECT *, row_number() OVER (PARTITION BY history ORDER BY bench_id DESC) AS age"
    "          FROM (SELECT bench_id, time_ns,"
    "                       dense_rank() OVER (ORDER BY model, problem_id, class, profile) AS "
    "history"
    "                  FROM benches JOIN devices USING (device_id)"
    "                 WHERE profile IN ('default', 'tuned') AND outcome = 'ok' AND time_ns > 0))"
    " WHERE age <= 400 AND history <= 1000 ORDER BY history, bench_id LIMIT 8192";

static void add_history(const struct table *table, size_t first, size_t n, struct str *sql) {
    double *y = memory_new(n * sizeof *y), *level = memory_new(n * sizeof *level);
    for (size_t i = 0; i < n; i++) y[i] = table_number(table, first + i, "y");
    levels_fit(y, n, level);
    for (size_t i = 0; i < n; i++)
        str_addf(sql, ", (%.0f, %.17e)", table_number(table, first + i, "bench_id"), exp(level[i]));
    free(level);
    free(y);
}

enum status steps_add(struct store *store, struct str *sql, struct error *err) {
    struct table table;
    const enum status status = table_query(store, histories, &table, err);
    str_add(sql,
            "levels (bench_id, level_ns) AS (VALUES (0, 0.0)"); /* a table has a row at least */
    for (size_t row = 0, n; status == OK && row < table.n_rows; row += n) {
        const char *history = table_text(&table, row, "history");
        for (n = 1; row + n < table.n_rows; n++)
            if (strcmp(table_text(&table, row + n, "history"), history) != 0) break;
        add_history(&table, row, n, sql);
    }
    str_add(sql, ")");
    table_free(&table);
    return status;
}
