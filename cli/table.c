/* table.c: see table.h. The CSV is that of results/csv.c: RFC 4180, lines that end with \n, every row with
 * as many cells as the first. */
#include "cli/table.h"
#include "base/str.h"
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Take the quotes off the cell at *read, move it to `write`; *read stands behind the cell then. Returns the
 * character that ended it. */
static char cut_cell(char **read, char *write) {
    const bool is_quoted = **read == '"';
    char *p = *read + is_quoted;
    for (; *p && (is_quoted || (*p != ',' && *p != '\n')); *write++ = *p++)
        if (is_quoted && *p == '"' && *++p != '"') break;
    const char end = *p;
    *read = p + (end != 0);
    *write = 0;
    return end;
}

static void cut(struct table *table) {
    size_t n = 0, capacity = 0;
    for (char *read = table->text; *read;) {
        if (n == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            table->cells = memory_grow(table->cells, capacity * sizeof *table->cells);
        }
        table->cells[n++] = read;
        const char end = cut_cell(&read, table->cells[n - 1]);
        if (!table->n_columns && end == '\n') table->n_columns = n;
    }
    assert(table->n_columns && n % table->n_columns == 0);
    table->n_rows = n / table->n_columns - 1;
}

enum status table_query(struct store *store, const char *sql, struct table *table,
                        struct error *err) {
    *table = (struct table){0};
    enum status status = store_csv(store, sql, &table->text, err);
    if (status == OK) cut(table);
    return status;
}

void table_free(struct table *table) {
    free(table->cells);
    free(table->text);
    *table = (struct table){0};
}

size_t table_column(const struct table *table, const char *name) {
    for (size_t c = 0; c < table->n_columns; c++)
        if (!strcmp(table->cells[c], name)) return c;
    assert(!"the query has the column");
    return 0;
}

const char *table_cell(const struct table *table, size_t row, size_t column) {
    assert(row < table->n_rows && column < table->n_columns);
    return table->cells[(row + 1) * table->n_columns + column];
}

const char *table_text(const struct table *table, size_t row, const char *column) {
    return table_cell(table, row, table_column(table, column));
}

double table_number(const struct table *table, size_t row, const char *column) {
    const char *text = table_text(table, row, column);
    char *end;
    const double value = strtod(text, &end);
    return end == text || *end || !isfinite(value) ? NAN : value;
}
