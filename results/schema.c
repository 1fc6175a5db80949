/* schema.c: schema.sql as it travels in the program; is a database ours? The identity, the version and the
 * words of every object are those that schema.sql makes in memory, so each is written once. */
#include "base/embedded.h"
#include "results/sql.h"
#include <assert.h>
#include <string.h>

static const char making[] = "making the tables";

enum status schema_make(struct store *store, struct error *err) {
    const struct embedded *file = embedded_find("results/schema.sql");
    assert(file && file->text);
    if (sqlite3_exec(store->db, file->text, NULL, NULL, NULL) == SQLITE_OK) return OK;
    return sql_fail(store, making, err);
}

static char in_memory[] = ":memory:";

enum status schema_open(struct schema *schema, struct error *err) {
    *schema = (struct schema){.reference.path = in_memory};
    struct store *reference = &schema->reference;
    if (sqlite3_open(in_memory, &reference->db) != SQLITE_OK)
        return sql_fail(reference, making, err);
    enum status st = schema_make(reference, err);
    if (st == OK)
        st = sql_number(reference, making, "PRAGMA application_id", &schema->application_id, err);
    if (st == OK) st = sql_number(reference, making, "PRAGMA user_version", &schema->version, err);
    return st;
}

void schema_close(struct schema *schema) {
    sql_disconnect(&schema->reference);
}

enum status schema_check_ids(const struct schema *schema, const struct store *store,
                             int64_t application_id, int64_t version, struct error *err) {
    if (application_id != schema->application_id)
        return fail(err, STATUS_DB,
                    "the database %s is another program's (application id 0x%08x); name another "
                    "file with --db",
                    store->path, (unsigned)application_id);
    if (version > schema->version)
        return fail(err, STATUS_DB,
                    "the database %s was made by a newer hone (schema %lld, this program knows "
                    "%lld); use that one, or name another file with --db",
                    store->path, (long long)version, (long long)schema->version);
    if (version < schema->version)
        return fail(err, STATUS_DB,
                    "the database %s has schema %lld, which no hone has made; name another file "
                    "with --db",
                    store->path, (long long)version);
    return OK;
}

/* The object of the reference's row is in the database, word for word. */
static enum status check_object(const struct query *object, struct store *store,
                                struct error *err) {
    struct query q;
    enum status st =
        query_open(&q, store, "reading its tables",
                   "SELECT sql FROM sqlite_schema WHERE type = :type AND name = :name", err);
    if (st != OK) return st;
    query_bind_text(&q, ":type", query_peek(object, 0));
    query_bind_text(&q, ":name", query_peek(object, 1));
    st = query_next(&q, err);
    if (st == STATUS_NOTHING || (st == OK && strcmp(query_peek(&q, 0), query_peek(object, 2)) != 0))
        st = fail(err, STATUS_DB,
                  "the database %s is not as hone made it: the %s %s %s; move it away, or put a "
                  "copy in its place, and tune again",
                  store->path, query_peek(object, 0), query_peek(object, 1),
                  st == OK ? "was changed" : "is missing");
    query_close(&q);
    return st;
}

/* Further objects do no harm: nothing here reads them, and triggers are switched off. */
enum status schema_check(struct schema *schema, struct store *store, struct error *err) {
    int64_t application_id = 0, version = 0;
    struct query q;
    static const char reading[] = "reading its tables";
    enum status st = sql_number(store, reading, "PRAGMA application_id", &application_id, err);
    if (st == OK) st = sql_number(store, reading, "PRAGMA user_version", &version, err);
    if (st == OK) st = schema_check_ids(schema, store, application_id, version, err);
    if (st == OK)
        st = query_open(&q, &schema->reference, reading,
                        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL", err);
    if (st != OK) return st;
    while ((st = query_next(&q, err)) == OK)
        if ((st = check_object(&q, store, err)) != OK) break;
    query_close(&q);
    return st == STATUS_NOTHING ? OK : st;
}
