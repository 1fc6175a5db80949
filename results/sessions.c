/* sessions.c: devices, problems, sessions. */
#include "base/clock.h"
#include "base/str.h"
#include "results/fields.h"
#include "results/sql.h"
#include <stdlib.h>
#include <string.h>

/* ---- devices ---- */

enum status store_device(struct store *store, const char *model, const char *version,
                         const char *name, const char *uuid, int64_t *device_id,
                         struct error *err) {
    static const char doing[] = "naming the device";
    struct query q;
    enum status st = sql_begin(store, doing, err);
    if (st != OK) return st;
    st = query_open(&q, store, doing,
                    "INSERT INTO devices (model, version, name, uuid) "
                    "VALUES (:model, :version, :name, :uuid) "
                    "ON CONFLICT (model, version) DO UPDATE SET name = :name RETURNING device_id",
                    err);
    if (st == OK) {
        query_bind_text(&q, ":model", model);
        query_bind_text(&q, ":version", version);
        query_bind_text(&q, ":name", name);
        query_bind_text(&q, ":uuid", uuid);
        st = query_next(&q, err);
        *device_id = st == OK ? query_int(&q, 0) : 0;
        if (st == OK) st = query_finish(&q, err);
        else query_close(&q);
    }
    return sql_end(store, st, doing, err);
}

/* ---- problems ---- */

static enum status add_fields(struct store *store, int64_t problem_id, const char *problem,
                              struct error *err) {
    struct text_field field;
    enum status st = OK;
    while (st == OK && field_next(&problem, &field)) {
        struct query q;
        st = query_open(&q, store, "recording a problem",
                        "INSERT OR IGNORE INTO fields (problem_id, field, value, size) "
                        "VALUES (:problem_id, :field, :value, iif(:is_size, :size, NULL))",
                        err);
        if (st != OK) return st;
        char *name = text_format("%.*s", (int)field.name_length, field.name);
        char *value = text_format("%.*s", (int)field.value_length, field.value);
        query_bind_int(&q, ":problem_id", problem_id);
        query_bind_text(&q, ":field", name);
        query_bind_text(&q, ":value", value);
        query_bind_int(&q, ":is_size", field.is_size);
        query_bind_int(&q, ":size", field.size);
        st = query_finish(&q, err);
        free(name);
        free(value);
    }
    return st;
}

enum status problem_find(struct store *store, const char *family, const char *problem,
                         int64_t *problem_id, struct error *err) {
    struct query q;
    enum status st = query_open(
        &q, store, "finding a problem",
        "SELECT problem_id FROM problems WHERE family = :family AND problem = :problem", err);
    if (st != OK) return st;
    query_bind_text(&q, ":family", family);
    query_bind_text(&q, ":problem", problem);
    st = query_next(&q, err);
    if (st == OK) *problem_id = query_int(&q, 0);
    query_close(&q);
    return st;
}

enum status problem_row(struct store *store, const char *family, const char *problem,
                        int64_t *problem_id, struct error *err) {
    enum status st = problem_find(store, family, problem, problem_id, err);
    if (st != STATUS_NOTHING) return st;
    struct query q;
    st = query_open(&q, store, "recording a problem",
                    "INSERT INTO problems (family, problem) VALUES (:family, :problem)", err);
    if (st != OK) return st;
    query_bind_text(&q, ":family", family);
    query_bind_text(&q, ":problem", problem);
    st = query_finish(&q, err);
    *problem_id = sqlite3_last_insert_rowid(store->db);
    return st == OK ? add_fields(store, *problem_id, problem, err) : st;
}

/* ---- sessions ---- */

void session_row_free(struct session_row *row) {
    free(row->problems);
    free(row->strategy);
    free(row->state);
    *row = (struct session_row){0};
}

static void bind_session(struct query *q, const struct session_row *row) {
    query_bind_int(q, ":device_id", row->device_id);
    query_bind_text(q, ":problems", row->problems);
    query_bind_text(q, ":strategy", row->strategy);
    query_bind_int(q, ":seed", (int64_t)row->seed);
    query_bind_int(q, ":budget_ns", row->budget_ns);
    query_bind_int(q, ":evaluations", row->evaluations);
    query_bind_int(q, ":spent_ns", row->spent_ns);
    query_bind_text(q, ":state", row->state);
    query_bind_int(q, ":began_unix_s", clock_unix_s());
}

enum status store_session_find(struct store *store, const struct session_row *key,
                               struct session_row *found, struct error *err) {
    struct query q;
    *found = (struct session_row){0};
    enum status st =
        query_open(&q, store, "finding the session",
                   "SELECT session_id, device_id, problems, strategy, seed, budget_ns, "
                   "evaluations_asked, spent_ns, state FROM sessions "
                   "WHERE device_id = :device_id AND problems = :problems AND "
                   "strategy = :strategy AND seed = :seed AND budget_ns = :budget_ns AND "
                   "evaluations_asked = :evaluations ORDER BY session_id DESC LIMIT 1",
                   err);
    if (st != OK) return st;
    bind_session(&q, key);
    st = query_next(&q, err);
    if (st == OK)
        *found = (struct session_row){.id = query_int(&q, 0),
                                      .device_id = query_int(&q, 1),
                                      .problems = query_text(&q, 2),
                                      .strategy = query_text(&q, 3),
                                      .seed = (uint64_t)query_int(&q, 4),
                                      .budget_ns = query_int(&q, 5),
                                      .evaluations = query_int(&q, 6),
                                      .spent_ns = query_int(&q, 7),
                                      .state = query_text(&q, 8)};
    query_close(&q);
    return st;
}

enum status store_session_begin(struct store *store, struct session_row *row, struct error *err) {
    static const char doing[] = "beginning a session";
    struct query q;
    enum status st = sql_begin(store, doing, err);
    if (st != OK) return st;
    st = query_open(&q, store, doing,
                    "INSERT INTO sessions (device_id, problems, strategy, seed, budget_ns, "
                    "evaluations_asked, spent_ns, state, began_unix_s) "
                    "VALUES (:device_id, :problems, :strategy, :seed, :budget_ns, :evaluations, "
                    ":spent_ns, :state, :began_unix_s)",
                    err);
    if (st == OK) {
        bind_session(&q, row);
        st = query_finish(&q, err);
    }
    const int64_t id = sqlite3_last_insert_rowid(store->db);
    st = sql_end(store, st, doing, err);
    if (st == OK) row->id = id;
    return st;
}

enum status store_session_spend(struct store *store, int64_t session_id, int64_t spent_ns,
                                const char *state, struct error *err) {
    static const char doing[] = "recording what a session spent";
    struct query q;
    enum status st = sql_begin(store, doing, err);
    if (st != OK) return st;
    st = query_open(&q, store, doing,
                    "UPDATE sessions SET spent_ns = :spent_ns, state = :state "
                    "WHERE session_id = :session_id",
                    err);
    if (st == OK) {
        query_bind_int(&q, ":spent_ns", spent_ns);
        query_bind_text(&q, ":state", state);
        query_bind_int(&q, ":session_id", session_id);
        st = query_finish(&q, err);
    }
    if (st == OK && sqlite3_changes(store->db) != 1)
        st = fail(err, STATUS_DB, "the database %s: %s: it holds no session %lld", store->path,
                  doing, (long long)session_id);
    return sql_end(store, st, doing, err);
}
