/* evaluations.c: one evaluation in and out: the step of a session, the refining of finalists. A table says
 * which member of the struct is which column; statements name their parameters after the columns. */
#include "base/clock.h"
#include "base/str.h"
#include "results/sql.h"
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

const char *const outcome_names[OUTCOMES] = {
    [OUTCOME_RUNNING] = "running",
    [OUTCOME_OK] = "ok",
    [OUTCOME_ABANDONED] = "abandoned",
    [OUTCOME_COMPILE_FAILED] = "compile_failed",
    [OUTCOME_LAUNCH_FAILED] = "launch_failed",
    [OUTCOME_WRONG] = "wrong",
    [OUTCOME_TIMEOUT] = "timeout",
    [OUTCOME_CRASHED] = "crashed",
    [OUTCOME_IMPLAUSIBLE] = "implausible",
};

int outcome_find(const char *name) {
    for (int outcome = 0; outcome < OUTCOMES; outcome++)
        if (!strcmp(outcome_names[outcome], name)) return outcome;
    return -1;
}

void evaluation_free(struct evaluation *e) {
    const struct record_key *key = &e->key;
    const char *const owned[] = {key->source_key, key->options, key->family,  key->problem,
                                 key->class_name, key->layout,  key->variant, key->config,
                                 e->message,      e->conditions};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free((char *)(uintptr_t)owned[i]);
    free(e->samples_ns);
    *e = (struct evaluation){0};
}

/* ---- members and columns ---- */

enum kind { KIND_INT, KIND_REAL, KIND_TEXT, KIND_BOOL, KIND_OUTCOME };
static const struct column {
    const char *name;
    enum kind kind;
    size_t offset;
} columns[] = {
    {"evaluation_id", KIND_INT, offsetof(struct evaluation, id)},
    {"session_id", KIND_INT, offsetof(struct evaluation, session_id)},
    {"device_id", KIND_INT, offsetof(struct evaluation, device_id)},
    {"sequence", KIND_INT, offsetof(struct evaluation, sequence)},
    {"source_key", KIND_TEXT, offsetof(struct evaluation, key.source_key)},
    {"options", KIND_TEXT, offsetof(struct evaluation, key.options)},
    {"family", KIND_TEXT, offsetof(struct evaluation, key.family)},
    {"problem", KIND_TEXT, offsetof(struct evaluation, key.problem)},
    {"class", KIND_TEXT, offsetof(struct evaluation, key.class_name)},
    {"layout", KIND_TEXT, offsetof(struct evaluation, key.layout)},
    {"variant", KIND_TEXT, offsetof(struct evaluation, key.variant)},
    {"config", KIND_TEXT, offsetof(struct evaluation, key.config)},
    {"outcome", KIND_OUTCOME, offsetof(struct evaluation, outcome)},
    {"message", KIND_TEXT, offsetof(struct evaluation, message)},
    {"time_ns", KIND_REAL, offsetof(struct evaluation, time_ns)},
    {"low_ns", KIND_REAL, offsetof(struct evaluation, low_ns)},
    {"high_ns", KIND_REAL, offsetof(struct evaluation, high_ns)},
    {"floor_ns", KIND_REAL, offsetof(struct evaluation, floor_ns)},
    {"ceiling_gbps", KIND_REAL, offsetof(struct evaluation, ceiling_gbps)},
    {"ceiling_gflops", KIND_REAL, offsetof(struct evaluation, ceiling_gflops)},
    {"share", KIND_REAL, offsetof(struct evaluation, share)},
    {"nmse", KIND_REAL, offsetof(struct evaluation, nmse)},
    {"build_ns", KIND_INT, offsetof(struct evaluation, build_ns)},
    {"check_ns", KIND_INT, offsetof(struct evaluation, check_ns)},
    {"wall_ns", KIND_INT, offsetof(struct evaluation, wall_ns)},
    {"elapsed_ns", KIND_INT, offsetof(struct evaluation, elapsed_ns)},
    {"conditions", KIND_TEXT, offsetof(struct evaluation, conditions)},
    {"unix_s", KIND_INT, offsetof(struct evaluation, unix_s)},
    {"is_default", KIND_BOOL, offsetof(struct evaluation, is_default)},
    {"is_final", KIND_BOOL, offsetof(struct evaluation, is_final)},
    {"is_resumed", KIND_BOOL, offsetof(struct evaluation, is_resumed)},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static void bind_evaluation(struct query *q, const struct evaluation *e) {
    for (int c = 0; c < COLUMNS; c++) {
        const char *at = (const char *)e + columns[c].offset;
        char name[32] = ":";
        strncat(name, columns[c].name, sizeof name - 2);
        switch (columns[c].kind) {
        case KIND_INT: query_bind_int(q, name, *(const int64_t *)at); break;
        case KIND_REAL: query_bind_real(q, name, *(const double *)at); break;
        case KIND_TEXT: query_bind_text(q, name, *(const char *const *)at); break;
        case KIND_BOOL: query_bind_int(q, name, *(const bool *)at); break;
        case KIND_OUTCOME:
            query_bind_text(q, name, outcome_names[*(const enum outcome *)at]);
            break;
        }
    }
    query_bind_text(q, ":boot_id", clock_boot_id());
}

static void read_evaluation(const struct query *q, struct evaluation *e) {
    *e = (struct evaluation){0};
    for (int c = 0; c < COLUMNS; c++) {
        char *at = (char *)e + columns[c].offset;
        switch (columns[c].kind) {
        case KIND_INT: *(int64_t *)at = query_int(q, c); break;
        case KIND_REAL: *(double *)at = query_real(q, c); break;
        case KIND_TEXT: *(char **)at = query_text(q, c); break;
        case KIND_BOOL: *(bool *)at = query_int(q, c) != 0; break;
        case KIND_OUTCOME: *(enum outcome *)at = query_outcome(q, c); break;
        }
    }
}

enum outcome query_outcome(const struct query *q, int column) {
    const int outcome = outcome_find(query_peek(q, column));
    return outcome < 0 ? OUTCOME_CRASHED : (enum outcome)outcome;
}

void query_bind_key(struct query *q, const struct record_key *key) {
    query_bind_text(q, ":source_key", key->source_key);
    query_bind_text(q, ":options", key->options);
    query_bind_text(q, ":family", key->family);
    query_bind_text(q, ":problem", key->problem);
    query_bind_text(q, ":class", key->class_name);
    query_bind_text(q, ":layout", key->layout);
    query_bind_text(q, ":variant", key->variant);
    query_bind_text(q, ":config", key->config);
}

/* ---- reading ---- */

static enum status read_samples(struct store *store, struct evaluation *e, struct error *err) {
    struct query q;
    enum status st = query_open(&q, store, "reading samples",
                                "SELECT time_ns FROM samples WHERE evaluation_id = :evaluation_id "
                                "ORDER BY round, sample",
                                err);
    if (st != OK) return st;
    size_t capacity = 0;
    query_bind_int(&q, ":evaluation_id", e->id);
    while ((st = query_next(&q, err)) == OK) {
        if (e->n_samples == capacity) {
            capacity = capacity ? 2 * capacity : 32;
            e->samples_ns = memory_grow(e->samples_ns, capacity * sizeof *e->samples_ns);
        }
        e->samples_ns[e->n_samples++] = query_real(&q, 0);
    }
    query_close(&q);
    return st == STATUS_NOTHING ? OK : st;
}

enum status evaluation_read(struct store *store, int64_t evaluation_id, struct evaluation *e,
                            struct error *err) {
    struct query q;
    struct str sql = {0};
    for (int c = 0; c < COLUMNS; c++) str_addf(&sql, "%s%s", c ? ", " : "SELECT ", columns[c].name);
    str_add(&sql, " FROM evaluations JOIN problems USING (problem_id) "
                  "WHERE evaluation_id = :evaluation_id");
    *e = (struct evaluation){0};
    enum status st = query_open(&q, store, "reading an evaluation", sql.text, err);
    str_free(&sql);
    if (st != OK) return st;
    query_bind_int(&q, ":evaluation_id", evaluation_id);
    st = query_next(&q, err);
    if (st == OK) read_evaluation(&q, e);
    query_close(&q);
    if (st == OK) st = read_samples(store, e, err);
    if (st != OK) evaluation_free(e);
    return st;
}

/* ---- writing ---- */

static const char recording[] = "recording an evaluation";

static enum status add_round(struct store *store, const struct evaluation *e, int64_t round,
                             struct error *err) {
    struct query q;
    enum status st = query_open(&q, store, recording,
                                "INSERT INTO samples (evaluation_id, round, sample, time_ns) "
                                "VALUES (:evaluation_id, :round, :sample, :time_ns)",
                                err);
    if (st != OK) return st;
    query_bind_int(&q, ":evaluation_id", e->id);
    query_bind_int(&q, ":round", round);
    for (size_t i = 0; st == OK && i < e->n_samples; i++) {
        query_bind_int(&q, ":sample", (int64_t)i);
        query_bind_real(&q, ":time_ns", e->samples_ns[i]);
        st = query_run(&q, err);
    }
    query_close(&q);
    return st;
}

/* One more round of samples. */
static enum status add_samples(struct store *store, const struct evaluation *e, struct error *err) {
    struct query q;
    int64_t round = 0;
    enum status st = query_open(&q, store, recording,
                                "SELECT coalesce(max(round) + 1, 0) FROM samples "
                                "WHERE evaluation_id = :evaluation_id",
                                err);
    if (st != OK) return st;
    query_bind_int(&q, ":evaluation_id", e->id);
    st = query_next(&q, err);
    if (st == OK) round = query_int(&q, 0);
    query_close(&q);
    return st == OK ? add_round(store, e, round, err) : st;
}

/* An UPDATE that must meet one row. */
static enum status update(struct store *store, const struct evaluation *e, const char *sql,
                          struct error *err) {
    struct query q;
    enum status st = query_open(&q, store, recording, sql, err);
    if (st != OK) return st;
    bind_evaluation(&q, e);
    st = query_finish(&q, err);
    if (st == OK && sqlite3_changes(store->db) != 1)
        st = fail(err, STATUS_DB, "the database %s: %s: number %lld is not there, or not ok",
                  store->path, recording, (long long)e->id);
    return st;
}

static enum status check_conditions(const struct store *store, const struct evaluation *e,
                                    struct error *err) {
    return e->conditions ? sql_check_json(store, recording, e->conditions, err) : OK;
}

static enum status write_outcome(struct store *store, const struct evaluation *done,
                                 struct error *err) {
    enum status st = check_conditions(store, done, err);
    if (st == OK)
        st = update(store, done,
                    "UPDATE evaluations SET outcome = :outcome, message = :message, "
                    "time_ns = :time_ns, low_ns = :low_ns, high_ns = :high_ns, "
                    "floor_ns = :floor_ns, ceiling_gbps = :ceiling_gbps, "
                    "ceiling_gflops = :ceiling_gflops, share = :share, nmse = :nmse, "
                    "build_ns = :build_ns, check_ns = :check_ns, wall_ns = :wall_ns, "
                    "elapsed_ns = :elapsed_ns, conditions = coalesce(:conditions, '{}'), "
                    "unix_s = :unix_s, boot_id = :boot_id, is_final = :is_final, "
                    "is_resumed = iif(:outcome = 'running', :is_resumed, "
                    "is_resumed OR :is_resumed) WHERE evaluation_id = :evaluation_id",
                    err);
    return st == OK ? add_samples(store, done, err) : st;
}

static enum status insert_running(struct store *store, struct evaluation *next, struct error *err) {
    struct query q;
    int64_t problem_id;
    enum status st = problem_row(store, next->key.family, next->key.problem, &problem_id, err);
    if (st == OK)
        st = query_open(&q, store, recording,
                        "INSERT INTO evaluations (session_id, device_id, problem_id, class, "
                        "layout, sequence, source_key, options, variant, config, outcome, "
                        "unix_s, boot_id, is_default) VALUES (:session_id, :device_id, "
                        ":problem_id, :class, :layout, :sequence, :source_key, :options, "
                        ":variant, :config, 'running', :unix_s, :boot_id, :is_default)",
                        err);
    if (st != OK) return st;
    bind_evaluation(&q, next);
    query_bind_int(&q, ":problem_id", problem_id);
    st = query_finish(&q, err);
    if (st == OK) next->id = sqlite3_last_insert_rowid(store->db);
    return st;
}

enum status store_step(struct store *store, const struct evaluation *done, struct evaluation *next,
                       struct error *err) {
    enum status st = sql_begin(store, recording, err);
    if (st != OK) return st;
    if (done) st = write_outcome(store, done, err);
    if (st == OK && next) st = insert_running(store, next, err);
    st = sql_end(store, st, recording, err);
    if (st != OK && next) next->id = 0;
    return st;
}

enum status store_refine(struct store *store, const struct evaluation *e, struct error *err) {
    enum status st = check_conditions(store, e, err);
    if (st == OK) st = sql_begin(store, recording, err);
    if (st != OK) return st;
    st = update(store, e,
                "UPDATE evaluations SET time_ns = :time_ns, low_ns = :low_ns, "
                "high_ns = :high_ns, floor_ns = :floor_ns, ceiling_gbps = :ceiling_gbps, "
                "ceiling_gflops = :ceiling_gflops, share = :share, nmse = :nmse, "
                "conditions = coalesce(:conditions, '{}'), unix_s = :unix_s, "
                "is_final = :is_final WHERE evaluation_id = :evaluation_id AND outcome = 'ok'",
                err);
    if (st == OK) st = add_samples(store, e, err);
    return sql_end(store, st, recording, err);
}
