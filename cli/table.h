/* table.h: what a query of the report answered, as cells. */
#pragma once
#include "base/status.h"
#include "results/store.h"
#include <stddef.h>

struct table {
    char *text;   /* the CSV, cut into cells; owned */
    char **cells; /* names of the columns, then row by row; into text */
    size_t n_columns, n_rows;
};

/* Run a query (see store_csv) and cut its answer into cells. Freed by table_free, also on failure. */
enum status table_query(struct store *store, const char *sql, struct table *table,
                        struct error *err);
void table_free(struct table *table);

/* The number of a column; the query must have it. */
size_t table_column(const struct table *table, const char *name);
/* A cell as text, "" for NULL; row < n_rows. */
const char *table_cell(const struct table *table, size_t row, size_t column);
const char *table_text(const struct table *table, size_t row, const char *column);
/* A cell as a number; NAN for NULL, and for what is no finite number. */
double table_number(const struct table *table, size_t row, const char *column);
