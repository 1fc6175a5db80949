/* records.c: questions about evaluations: what is under way, what came of a session, what failed here,
 * what is best. */
#include "base/str.h"
#include "results/sql.h"
#include <stdlib.h>
#include <string.h>

enum { TIMEOUTS_MOST = 2 }; /* a busy machine may make one */

/* ---- lists ---- */

struct rows {
    struct evaluation *items;
    size_t n;
};

static enum status rows_add(struct rows *rows, struct store *store, int64_t id, struct error *err) {
    rows->items = memory_grow(rows->items, (rows->n + 1) * sizeof *rows->items);
    const enum status st = evaluation_read(store, id, &rows->items[rows->n], err);
    rows->n += st == OK;
    return st;
}

/* Hand the rows over, or free it. */
static enum status rows_end(struct rows *rows, enum status st, struct evaluation **list,
                            size_t *n) {
    if (st != OK) {
        for (size_t i = 0; i < rows->n; i++) evaluation_free(&rows->items[i]);
        free(rows->items);
        *rows = (struct rows){0};
    }
    *list = rows->items;
    *n = rows->n;
    return st;
}

/* ---- sessions ---- */

enum status store_running(struct store *store, int64_t device_id, const char *boot_id,
                          struct evaluation **list, size_t *n, bool **same_boot,
                          struct error *err) {
    struct rows rows = {0};
    struct query q;
    *same_boot = NULL;
    /* Where boots cannot be told apart, it may have been the machine that died. */
    enum status st = query_open(&q, store, "finding what was left running",
                                "SELECT evaluation_id, boot_id = :boot_id AND boot_id <> '' "
                                "FROM evaluations WHERE outcome = 'running' AND "
                                "device_id = :device_id ORDER BY evaluation_id",
                                err);
    if (st != OK) return rows_end(&rows, st, list, n);
    query_bind_int(&q, ":device_id", device_id);
    query_bind_text(&q, ":boot_id", boot_id);
    while ((st = query_next(&q, err)) == OK) {
        *same_boot = memory_grow(*same_boot, (rows.n + 1) * sizeof **same_boot);
        (*same_boot)[rows.n] = query_int(&q, 1) != 0;
        if ((st = rows_add(&rows, store, query_int(&q, 0), err)) != OK) break;
    }
    query_close(&q);
    if (st == STATUS_NOTHING) st = OK;
    if (st != OK) {
        free(*same_boot);
        *same_boot = NULL;
    }
    return rows_end(&rows, st, list, n);
}

enum status store_history(struct store *store, int64_t session_id, const struct record_key *problem,
                          struct evaluation **list, size_t *n, struct error *err) {
    struct rows rows = {0};
    struct query q;
    enum status st =
        query_open(&q, store, "reading what a session measured",
                   "SELECT evaluation_id FROM evaluations JOIN problems USING (problem_id) "
                   "WHERE session_id = :session_id AND family = :family AND problem = :problem "
                   "AND class = :class AND layout = :layout ORDER BY sequence",
                   err);
    if (st != OK) return rows_end(&rows, st, list, n);
    query_bind_int(&q, ":session_id", session_id);
    query_bind_key(&q, problem);
    while ((st = query_next(&q, err)) == OK)
        if ((st = rows_add(&rows, store, query_int(&q, 0), err)) != OK) break;
    query_close(&q);
    return rows_end(&rows, st == STATUS_NOTHING ? OK : st, list, n);
}

/* ---- quarantine ---- */

enum status store_verdict(struct store *store, int64_t device_id, const struct record_key *key,
                          enum outcome *outcome, char **message, struct error *err) {
    struct query q;
    int timeouts = 0;
    *outcome = OUTCOME_OK;
    *message = NULL;
    /* Kernels that were compiled from the same text with the same options compile alike, whatever the
     * problem; how they run depends on it. */
    enum status st = query_open(
        &q, store, "looking into the quarantine",
        "SELECT outcome, message FROM evaluations JOIN problems USING (problem_id) "
        "WHERE outcome IN ('wrong', 'timeout', 'crashed', 'compile_failed') AND "
        "device_id = :device_id AND variant = :variant AND config = :config AND "
        "source_key = :source_key AND class = :class AND layout = :layout AND family = :family "
        "AND is_forgiven = 0 AND "
        "iif(outcome = 'compile_failed', options = :options, problem = :problem) "
        "ORDER BY evaluation_id DESC",
        err);
    if (st != OK) return st;
    query_bind_int(&q, ":device_id", device_id);
    query_bind_key(&q, key);
    while ((st = query_next(&q, err)) == OK) {
        const enum outcome found = query_outcome(&q, 0);
        if (found == OUTCOME_TIMEOUT && ++timeouts < TIMEOUTS_MOST) continue;
        *outcome = found;
        *message = query_text(&q, 1);
        break;
    }
    query_close(&q);
    return st == STATUS_NOTHING ? OK : st;
}

enum status store_retry(struct store *store, int64_t *n, struct error *err) {
    static const char doing[] = "clearing the quarantine";
    enum status st = sql_begin(store, doing, err);
    if (st != OK) return st;
    st = sql_run(store, doing,
                 "UPDATE evaluations SET is_forgiven = 1 WHERE is_forgiven = 0 AND "
                 "outcome IN ('crashed', 'timeout')",
                 err);
    *n = st == OK ? sqlite3_changes64(store->db) : 0;
    return sql_end(store, st, doing, err);
}

/* ---- the best ---- */

/* " AND …" for the members of the problem that are given. */
static void add_conditions(const struct record_key *problem, bool by_id, struct str *sql) {
    if (by_id) str_add(sql, " AND problem_id = :problem_id");
    if (problem->family && !by_id) str_add(sql, " AND family = :family");
    if (problem->problem && !by_id) str_add(sql, " AND problem = :problem");
    if (problem->class_name) str_add(sql, " AND class = :class");
    if (problem->layout) str_add(sql, " AND layout = :layout");
}

/* A statement about one problem, or about many, on a device model. */
struct about {
    const char *doing, *select, *end;
};

/* A problem that is named whole is asked for by its number, so that only its rows are looked at. */
static enum status open_about(struct query *q, struct store *store, const struct about *about,
                              const char *model, const struct record_key *problem,
                              struct error *err) {
    struct str sql = {0};
    const bool by_id = problem->family && problem->problem;
    int64_t problem_id = 0; /* of none */
    enum status st =
        by_id ? problem_find(store, problem->family, problem->problem, &problem_id, err) : OK;
    if (st != OK && st != STATUS_NOTHING) return st;
    str_add(&sql, about->select);
    str_add(&sql, " JOIN problems USING (problem_id) JOIN devices USING (device_id) "
                  "WHERE model = :model");
    add_conditions(problem, by_id, &sql);
    str_add(&sql, about->end);
    st = query_open(q, store, about->doing, sql.text, err);
    str_free(&sql);
    if (st != OK) return st;
    query_bind_text(q, ":model", model);
    query_bind_key(q, problem);
    query_bind_int(q, ":problem_id", problem_id);
    return OK;
}

enum status records_open(struct query *q, struct store *store, const char *model,
                         const struct record_key *problem, struct error *err) {
    static const struct about best = {
        "looking for the best",
        "SELECT evaluation_id, version, source_key, layout, variant, config FROM records",
        " ORDER BY is_final DESC, time_ns, evaluation_id"};
    return open_about(q, store, &best, model, problem, err);
}

/* Was it right everywhere and always? */
static enum status is_trusted(struct store *store, const struct evaluation *e, bool *trusted,
                              struct error *err) {
    enum outcome outcome;
    char *message;
    const enum status st = store_verdict(store, e->device_id, &e->key, &outcome, &message, err);
    *trusted = st == OK && outcome == OUTCOME_OK;
    if (st == OK) free(message);
    return st;
}

enum status store_best(struct store *store, const char *model, const struct record_key *problem,
                       size_t limit, struct evaluation **list, size_t *n, struct error *err) {
    struct rows rows = {0};
    struct query q;
    enum status st = records_open(&q, store, model, problem, err);
    if (st != OK) return rows_end(&rows, st, list, n);
    while (rows.n < limit && (st = query_next(&q, err)) == OK) {
        bool trusted;
        st = rows_add(&rows, store, query_int(&q, RECORD_ID), err);
        if (st == OK) st = is_trusted(store, &rows.items[rows.n - 1], &trusted, err);
        if (st != OK) break;
        if (!trusted) evaluation_free(&rows.items[--rows.n]);
    }
    query_close(&q);
    return rows_end(&rows, st == STATUS_NOTHING ? OK : st, list, n);
}

enum status store_outcomes(struct store *store, const char *model, const struct record_key *problem,
                           int64_t counts[OUTCOMES], struct error *err) {
    static const struct about outcomes = {
        "counting outcomes", "SELECT outcome, count(*) FROM evaluations", " GROUP BY outcome"};
    struct query q;
    memset(counts, 0, OUTCOMES * sizeof *counts);
    enum status st = open_about(&q, store, &outcomes, model, problem, err);
    if (st != OK) return st;
    while ((st = query_next(&q, err)) == OK) counts[query_outcome(&q, 0)] = query_int(&q, 1);
    query_close(&q);
    return st == STATUS_NOTHING ? OK : st;
}

enum status store_messages(struct store *store, const char *model, const struct record_key *problem,
                           char *messages[OUTCOMES], struct error *err) {
    static const struct about about = {
        "reading why kernels failed",
        "SELECT outcome, message, max(evaluation_id) FROM evaluations",
        " AND message <> '' GROUP BY outcome"};
    struct query q;
    memset(messages, 0, OUTCOMES * sizeof *messages);
    enum status st = open_about(&q, store, &about, model, problem, err);
    if (st != OK) return st;
    while ((st = query_next(&q, err)) == OK) {
        char **message = &messages[query_outcome(&q, 0)];
        free(*message);
        *message = query_text(&q, 1);
    }
    query_close(&q);
    return st == STATUS_NOTHING ? OK : st;
}
