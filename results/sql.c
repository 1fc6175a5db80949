/* sql.c: see sql.h.
 *
 * Settings, with their reasons: rollback journal, which is the default (in WAL mode SQLite 3.7.0 to 3.51.2
 * can lose data when two processes write); FULL, so that a power cut loses nothing that was committed;
 * defensive, schema not trusted, no triggers, cells checked, short limits, for the file may be anybody's. */
#include "results/sql.h"
#include "base/str.h"
#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* ---- failures ---- */

/* What a primary result code means for people; others are told in SQLite's words. */
static const struct {
    int code;
    const char *sentence;
} meanings[] = {
    {SQLITE_BUSY, "it is locked by another process (waited 5 s); wait for it or stop it"},
    {SQLITE_LOCKED, "it is locked by another process (waited 5 s); wait for it or stop it"},
    {SQLITE_READONLY, "it is read-only; make the file and its folder writable, or name another "
                      "file with --db"},
    {SQLITE_FULL, "the disk is full; make room and give the same command again"},
    {SQLITE_NOTADB, "it is no SQLite database; name another file with --db"},
};
static_assert(SQL_BUSY_MS == 5000, "the sentences say 5 s");

static void describe(const struct store *store, char text[400]) {
    const int code = sqlite3_extended_errcode(store->db), primary = code & 0xff;
    const int reason = sqlite3_system_errno(store->db);
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].code == primary) {
            snprintf(text, 400, "%s", meanings[i].sentence);
            return;
        }
    if (primary == SQLITE_CORRUPT)
        snprintf(text, 400,
                 "it is corrupt (%s); move it away, or put a copy in its place, and tune again",
                 sqlite3_errmsg(store->db));
    else if ((primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) && reason)
        snprintf(text, 400, "%s (%s)", strerror(reason), sqlite3_errmsg(store->db));
    else snprintf(text, 400, "%s", sqlite3_errmsg(store->db));
}

enum status sql_fail(const struct store *store, const char *doing, struct error *err) {
    char text[400];
    if (!store->db || sqlite3_errcode(store->db) == SQLITE_NOMEM)
        return fail(err, STATUS_NOMEM, "the database %s: %s: out of memory", store->path, doing);
    describe(store, text);
    return fail(err, STATUS_DB, "the database %s: %s: %s", store->path, doing, text);
}

/* ---- connections ---- */

enum { TEXT_MOST = 16 << 20 }; /* bytes of a value: compilers' messages are the longest we keep */

static const struct {
    int option, value;
} switches[] = {
    {SQLITE_DBCONFIG_DEFENSIVE, 1},   {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
    {SQLITE_DBCONFIG_ENABLE_FKEY, 1}, {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
    {SQLITE_DBCONFIG_DQS_DML, 0},     {SQLITE_DBCONFIG_DQS_DDL, 0},
};

/* Nobody asks SQLite how much memory it has, and to know that it takes a lock with every piece. */
static void configure(void) {
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

enum status sql_connect(struct store *store, const char *file, int flags, const char *doing,
                        struct error *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure);
    flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(file, &store->db, flags, NULL) != SQLITE_OK)
        return sql_fail(store, doing, err);
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        sqlite3_db_config(store->db, switches[i].option, switches[i].value, NULL);
    sqlite3_limit(store->db, SQLITE_LIMIT_LENGTH, TEXT_MOST);
    sqlite3_limit(store->db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_busy_timeout(store->db, SQL_BUSY_MS);
    return sql_run(store, doing, "PRAGMA cell_size_check = ON", err);
}

void sql_forget(struct store *store) {
    for (size_t i = 0; i < STATEMENTS_KEPT; i++) {
        sqlite3_finalize(store->kept[i]);
        store->kept[i] = NULL;
    }
}

void sql_disconnect(struct store *store) {
    sql_forget(store);
    sqlite3_close(store->db);
    store->db = NULL;
}

sqlite3_file *sql_file(const struct store *store) {
    sqlite3_file *file = NULL;
    sqlite3_file_control(store->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    return file;
}

/* ---- statements ---- */

/* A session asks the same few questions with every candidate, and to compile one takes longer than
 * to run it. */
static sqlite3_stmt *take_kept(struct store *store, const char *sql) {
    for (size_t i = 0; i < STATEMENTS_KEPT; i++) {
        sqlite3_stmt *stmt = store->kept[i];
        if (!stmt || strcmp(sqlite3_sql(stmt), sql) != 0) continue;
        store->kept[i] = NULL;
        return stmt;
    }
    return NULL;
}

/* Where there is room, or in the place of one after the other. */
static void keep(struct store *store, sqlite3_stmt *stmt) {
    sqlite3_stmt **place = store->kept, **const end = place + STATEMENTS_KEPT;
    while (place < end && *place) place++;
    if (place == end) place = &store->kept[store->n_evicted++ % STATEMENTS_KEPT];
    sqlite3_finalize(*place);
    *place = stmt;
}

enum status query_open(struct query *q, struct store *store, const char *doing, const char *sql,
                       struct error *err) {
    *q = (struct query){.store = store, .doing = doing, .stmt = take_kept(store, sql)};
    if (q->stmt || sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &q->stmt,
                                      NULL) == SQLITE_OK)
        return OK;
    return sql_fail(store, doing, err);
}

void query_close(struct query *q) {
    if (!q->stmt) return;
    sqlite3_reset(q->stmt);
    sqlite3_clear_bindings(q->stmt);
    keep(q->store, q->stmt);
    q->stmt = NULL;
}

static void note(struct query *q, int code) {
    if (q->code == SQLITE_OK) q->code = code;
}

void query_bind_text(struct query *q, const char *name, const char *text) {
    const int at = sqlite3_bind_parameter_index(q->stmt, name);
    if (at) note(q, sqlite3_bind_text(q->stmt, at, text, -1, SQLITE_TRANSIENT));
}

void query_bind_int(struct query *q, const char *name, int64_t value) {
    const int at = sqlite3_bind_parameter_index(q->stmt, name);
    if (at) note(q, sqlite3_bind_int64(q->stmt, at, value));
}

void query_bind_real(struct query *q, const char *name, double value) {
    const int at = sqlite3_bind_parameter_index(q->stmt, name);
    if (at)
        note(q, isfinite(value) ? sqlite3_bind_double(q->stmt, at, value)
                                : sqlite3_bind_null(q->stmt, at));
}

enum status query_next(struct query *q, struct error *err) {
    if (q->code == SQLITE_OK) q->code = sqlite3_step(q->stmt);
    const int code = q->code;
    q->code = SQLITE_OK;
    if (code == SQLITE_ROW) return OK;
    return code == SQLITE_DONE ? STATUS_NOTHING : sql_fail(q->store, q->doing, err);
}

void query_reset(struct query *q) {
    sqlite3_reset(q->stmt);
    q->code = SQLITE_OK;
}

enum status query_run(struct query *q, struct error *err) {
    enum status st;
    while ((st = query_next(q, err)) == OK) continue;
    query_reset(q);
    return st == STATUS_NOTHING ? OK : st;
}

void query_bind_column(struct query *q, int at, const struct query *from, int column) {
    sqlite3_stmt *theirs = from->stmt;
    switch (sqlite3_column_type(theirs, column)) {
    case SQLITE_INTEGER: query_bind_int_at(q, at, sqlite3_column_int64(theirs, column)); break;
    case SQLITE_FLOAT: query_bind_real_at(q, at, sqlite3_column_double(theirs, column)); break;
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_column_text(theirs, column);
        note(q, sqlite3_bind_text(q->stmt, at, text, sqlite3_column_bytes(theirs, column),
                                  SQLITE_TRANSIENT));
        break;
    }
    default: note(q, sqlite3_bind_null(q->stmt, at));
    }
}

void query_bind_int_at(struct query *q, int at, int64_t value) {
    note(q, sqlite3_bind_int64(q->stmt, at, value));
}

void query_bind_real_at(struct query *q, int at, double value) {
    note(q, sqlite3_bind_double(q->stmt, at, value));
}

int query_column(const struct query *q, const char *name) {
    static _Thread_local int last; /* columns are mostly read in their order */
    const int n = sqlite3_column_count(q->stmt);
    for (int i = 1; i <= n; i++) {
        const int c = (last + i) % n;
        if (!strcmp(sqlite3_column_name(q->stmt, c), name)) return last = c;
    }
    assert(!"the query has the column");
    return 0;
}

enum status query_finish(struct query *q, struct error *err) {
    enum status st;
    while ((st = query_next(q, err)) == OK) continue;
    query_close(q);
    return st == STATUS_NOTHING ? OK : st;
}

const char *query_peek(const struct query *q, int column) {
    const char *text = (const char *)sqlite3_column_text(q->stmt, column);
    return text ? text : "";
}

char *query_text(const struct query *q, int column) {
    if (sqlite3_column_type(q->stmt, column) == SQLITE_NULL) return NULL;
    return text_copy(query_peek(q, column));
}

int64_t query_int(const struct query *q, int column) {
    return sqlite3_column_int64(q->stmt, column);
}

double query_real(const struct query *q, int column) {
    if (sqlite3_column_type(q->stmt, column) == SQLITE_NULL) return NAN;
    return sqlite3_column_double(q->stmt, column);
}

enum status sql_run(struct store *store, const char *doing, const char *sql, struct error *err) {
    struct query q;
    const enum status st = query_open(&q, store, doing, sql, err);
    return st == OK ? query_finish(&q, err) : st;
}

enum status sql_number(struct store *store, const char *doing, const char *sql, int64_t *value,
                       struct error *err) {
    struct query q;
    enum status st = query_open(&q, store, doing, sql, err);
    if (st != OK) return st;
    st = query_next(&q, err);
    *value = st == OK ? query_int(&q, 0) : 0;
    query_close(&q);
    return st;
}

enum status sql_check_json(const struct store *store, const char *doing, const char *text,
                           struct error *err) {
    json_t *document = json_loads(text, JSON_DECODE_ANY, NULL);
    json_decref(document);
    if (document) return OK;
    return fail(err, STATUS_INVALID, "the database %s: %s: this is not JSON: %.100s", store->path,
                doing, text);
}

/* ---- transactions ---- */

enum status sql_begin(struct store *store, const char *doing, struct error *err) {
    return store->is_grouped ? OK : sql_run(store, doing, "BEGIN IMMEDIATE", err);
}

enum status sql_end(struct store *store, enum status status, const char *doing, struct error *err) {
    if (store->is_grouped) return status;
    if (status == OK) status = sql_run(store, doing, "COMMIT", err);
    /* A full disk may have rolled it back already. */
    if (status != OK && !sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static const char grouping[] = "recording several things at once";

enum status store_begin(struct store *store, struct error *err) {
    assert(!store->is_grouped);
    const enum status st = sql_begin(store, grouping, err);
    store->is_grouped = st == OK;
    return st;
}

enum status store_end(struct store *store, enum status status, struct error *err) {
    assert(store->is_grouped);
    store->is_grouped = false;
    return sql_end(store, status, grouping, err);
}
