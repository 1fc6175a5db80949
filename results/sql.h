/* sql.h: SQLite as results/ sees it: a connection, statements whose parameters have names, one way in
 * which they fail. Private to results/, with the parts of the store that its files share. */
#pragma once
#include "results/store.h"
#include <jansson.h>
#include <sqlite3.h>

enum { SQL_BUSY_MS = 5000, STATEMENTS_KEPT = 16 };

struct store {
    sqlite3 *db;
    char *path; /* as it was given */
    enum store_mode mode;
    /* Between store_begin and store_end: sql_begin and sql_end wait for the latter. */
    bool is_grouped;
    sqlite3_stmt *kept[STATEMENTS_KEPT]; /* at rest, for the next query with the same text */
    unsigned n_evicted;
};

/* Open and configure; reads nothing of the file. */
enum status sql_connect(struct store *store, const char *file, int flags, const char *doing,
                        struct error *err);
/* Finalize the statements that are kept; and close the connection, too. */
void sql_forget(struct store *store);
void sql_disconnect(struct store *store);
/* The file below, for looking at its bytes: by another descriptor of ours, once closed, the process would
 * lose its locks on the file. */
sqlite3_file *sql_file(const struct store *store);
/* The sentence for the connection's last failure: the file, what was being done, what to try. */
enum status sql_fail(const struct store *store, const char *doing, struct error *err);

/* ---- statements ---- */

/* `doing` is for sentences: "recording an evaluation". */
struct query {
    struct store *store;
    const char *doing;
    sqlite3_stmt *stmt;
    int code; /* of the first binding that failed */
};
/* Only the first statement of sql. On failure there is nothing to close. */
enum status query_open(struct query *q, struct store *store, const char *doing, const char *sql,
                       struct error *err);
/* At rest a statement holds no lock: query_close keeps it for the next query, whoever prepared it. */
void query_close(struct query *q);
/* Parameters by name (":family"); one that the statement does not have is passed over. NULL and NAN
 * are NULL. Texts are copied. */
void query_bind_text(struct query *q, const char *name, const char *text);
void query_bind_int(struct query *q, const char *name, int64_t value);
void query_bind_real(struct query *q, const char *name, double value);
/* OK: a row. NOTHING: no more (err untouched). */
enum status query_next(struct query *q, struct error *err);
/* Ready to run again, parameters as they were. */
void query_reset(struct query *q);
/* Run a statement to its end and make it ready again. */
enum status query_run(struct query *q, struct error *err);
/* Bind parameter number `at` (from 1) to a column of another query's row, of whatever type; texts are
 * copied. */
void query_bind_column(struct query *q, int at, const struct query *from, int column);
/* By number, for statements that run very often. */
void query_bind_int_at(struct query *q, int at, int64_t value);
void query_bind_real_at(struct query *q, int at, double value);
/* The number of a column; the query must have it. */
int query_column(const struct query *q, const char *name);
/* To the end, whatever rows come, and close. */
enum status query_finish(struct query *q, struct error *err);
/* Columns of the row, from 0. The text is the caller's; NULL is NULL. */
char *query_text(const struct query *q, int column);
const char *query_peek(const struct query *q, int column); /* until the next row; "" for NULL */
int64_t query_int(const struct query *q, int column);
double query_real(const struct query *q, int column); /* NAN for NULL */

/* A statement without parameters; its rows are passed over. */
enum status sql_run(struct store *store, const char *doing, const char *sql, struct error *err);
/* The first column of the first row. */
enum status sql_number(struct store *store, const char *doing, const char *sql, int64_t *value,
                       struct error *err);

/* INVALID when the text is no JSON document. */
enum status sql_check_json(const struct store *store, const char *doing, const char *text,
                           struct error *err);

/* BEGIN IMMEDIATE; and COMMIT when status is OK, else ROLLBACK. Returns status, or why not. */
enum status sql_begin(struct store *store, const char *doing, struct error *err);
enum status sql_end(struct store *store, enum status status, const char *doing, struct error *err);

/* ---- the schema ---- */

/* The schema of this program, made in memory: what a database must hold. */
struct schema {
    struct store reference;
    int64_t application_id, version;
};
enum status schema_open(struct schema *schema, struct error *err);
void schema_close(struct schema *schema);
/* Make it in an empty database, within a transaction. */
enum status schema_make(struct store *store, struct error *err);
/* DB with the sentence when identity, version or objects are not ours. */
enum status schema_check_ids(const struct schema *schema, const struct store *store,
                             int64_t application_id, int64_t version, struct error *err);
enum status schema_check(struct schema *schema, struct store *store, struct error *err);

/* ---- a database that a killed program left in the middle of a change ---- */

/* Instead of the file of store->db, which may not be written, open a private copy on which SQLite has
 * undone the change. BUSY: somebody else undid it meanwhile, the file itself can be read. */
enum status snapshot_open(struct store *store, struct error *err);

/* ---- rows that several files write or read ---- */

/* Row of a problem. NOTHING (err untouched): it was never seen. */
enum status problem_find(struct store *store, const char *family, const char *problem,
                         int64_t *problem_id, struct error *err);
/* The same, made when missing; within a transaction. */
enum status problem_row(struct store *store, const char *family, const char *problem,
                        int64_t *problem_id, struct error *err);

/* ":source_key", ":family" … from a key. */
void query_bind_key(struct query *q, const struct record_key *key);
/* A name of outcome_names; what is none of them is taken for the worst. */
enum outcome query_outcome(const struct query *q, int column);

/* The evaluation with its samples. */
enum status evaluation_read(struct store *store, int64_t evaluation_id, struct evaluation *e,
                            struct error *err);

/* Records of a problem (members NULL: any) on a device model, best first; see the view of that name. */
enum { RECORD_ID, RECORD_VERSION, RECORD_SOURCE_KEY, RECORD_LAYOUT, RECORD_VARIANT, RECORD_CONFIG };
enum status records_open(struct query *q, struct store *store, const char *model,
                         const struct record_key *problem, struct error *err);

/* ---- profiles that were imported: facts of kind "profile" ---- */

struct imports {
    struct query q;
    json_t *value; /* of the fact that the last name and text are in */
};
/* Those that were measured on this device model first, then the newest. */
enum status imports_open(struct imports *imports, struct store *store, const char *model,
                         struct error *err);
/* NOTHING: no more. Facts that are none are passed over. Name and text hold until the next. */
enum status imports_next(struct imports *imports, const char **name, const char **text,
                         struct error *err);
void imports_close(struct imports *imports);
