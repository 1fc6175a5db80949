/* csv.c: queries of the report as CSV (RFC 4180, lines end with \n). An authorizer admits nothing but
 * reading: a statement that is "read only" for SQLite may still attach a file or start a transaction. */
#include "base/str.h"
#include "results/sql.h"
#include <string.h>

static const char querying[] = "a query of the report";

static int only_reading(void *context, int action, const char *a, const char *b, const char *c,
                        const char *d) {
    (void)context, (void)a, (void)b, (void)c, (void)d;
    const bool reads = action == SQLITE_SELECT || action == SQLITE_READ ||
                       action == SQLITE_FUNCTION || action == SQLITE_RECURSIVE;
    return reads ? SQLITE_OK : SQLITE_DENY;
}

/* A connection's first use of json_each() declares its table, which an authorizer sees as an update: it is
 * used once before there is one. */
static void know_json_each(struct store *store) {
    sqlite3_stmt *stmt = NULL;
    sqlite3_prepare_v2(store->db, "SELECT key FROM json_each('{}')", -1, &stmt, NULL);
    sqlite3_finalize(stmt);
}

static void add_value(struct str *csv, const char *text) {
    if (!text) return;
    if (!strpbrk(text, ",\"\r\n")) {
        str_add(csv, text);
        return;
    }
    str_add(csv, "\"");
    for (; *text; text++) str_add_bytes(csv, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
    str_add(csv, "\"");
}

static void add_header(struct str *csv, const struct query *q) {
    for (int c = 0; c < sqlite3_column_count(q->stmt); c++) {
        if (c) str_add(csv, ",");
        add_value(csv, sqlite3_column_name(q->stmt, c));
    }
    str_add(csv, "\n");
}

static void add_row(struct str *csv, const struct query *q) {
    for (int c = 0; c < sqlite3_column_count(q->stmt); c++) {
        if (c) str_add(csv, ",");
        add_value(csv, (const char *)sqlite3_column_text(q->stmt, c));
    }
    str_add(csv, "\n");
}

static enum status prepare(struct query *q, struct store *store, const char *sql,
                           struct error *err) {
    const char *rest = "";
    *q = (struct query){.store = store, .doing = querying};
    know_json_each(store);
    sqlite3_set_authorizer(store->db, only_reading, NULL);
    const int code = sqlite3_prepare_v2(store->db, sql, -1, &q->stmt, &rest);
    sqlite3_set_authorizer(store->db, NULL, NULL);
    if (code == SQLITE_AUTH)
        return fail(err, STATUS_INVALID, "%s may only read: %.200s", querying, sql);
    if (code == SQLITE_ERROR)
        return fail(err, STATUS_INVALID, "%s: %s: %.200s", querying, sqlite3_errmsg(store->db),
                    sql);
    if (code != SQLITE_OK) return sql_fail(store, querying, err);
    if (q->stmt && rest[strspn(rest, " \t\r\n;")] == 0) return OK;
    query_close(q);
    return fail(err, STATUS_INVALID, "%s is one statement: %.200s", querying, sql);
}

enum status store_csv(struct store *store, const char *sql, char **csv, struct error *err) {
    struct query q;
    struct str text = {0};
    *csv = NULL;
    enum status st = prepare(&q, store, sql, err);
    if (st != OK) return st;
    add_header(&text, &q);
    while ((st = query_next(&q, err)) == OK) add_row(&text, &q);
    query_close(&q);
    if (st == STATUS_NOTHING) *csv = text_copy(str_text(&text));
    str_free(&text);
    return st == STATUS_NOTHING ? OK : st;
}
