/* merge.c: what another database measured, taken over by value, row for row, through a connection of its own:
 * it was opened as every database is (identity, schema, quick_check), a journal that a killed program left
 * is undone in a private copy, and nothing of its SQL is ever run here.
 *
 * Rows are known again by what they are, for numbers differ between files. A session is known by what was
 * asked of which device and when it began, and its evaluations by their places; an evaluation at the same
 * place with other times of its own is a session that went on apart from ours.
 *
 * Both databases are read in the order of their numbers, evaluations and samples side by side, so that a
 * merge takes one pass. */
#include "base/str.h"
#include "results/sql.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char merging[] = "merging another one into it";
static const char reading[] = "reading it for a merge";

/* ---- whose number is which of ours ---- */

struct pair {
    int64_t theirs, ours;
    bool is_new; /* of a session: it was not here before */
};
struct pairs {
    struct pair *items; /* in the order of theirs */
    size_t n, capacity;
};

static void pairs_add(struct pairs *pairs, int64_t theirs, int64_t ours, bool is_new) {
    if (pairs->n == pairs->capacity) {
        pairs->capacity = pairs->capacity ? 2 * pairs->capacity : 64;
        pairs->items = memory_grow(pairs->items, pairs->capacity * sizeof *pairs->items);
    }
    pairs->items[pairs->n++] = (struct pair){theirs, ours, is_new};
}

static int by_theirs(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    return (x->theirs > y->theirs) - (x->theirs < y->theirs);
}

static const struct pair *pairs_find(const struct pairs *pairs, int64_t theirs) {
    const struct pair key = {.theirs = theirs};
    if (!pairs->n) return NULL;
    return bsearch(&key, pairs->items, pairs->n, sizeof key, by_theirs);
}

/* ---- rows on their way into a table ---- */

/* Several with one statement: what SQLite makes anew for each, such as the lists in CHECKs, takes as long as
 * a row. A row whose first value is NULL is none. Look-ups do not see what waits in a batch; none has to, for
 * a place and a session of theirs are met once. */
struct batch {
    struct query insert;
    int columns;
    int rows, n;   /* that it may hold; that it holds */
    int64_t bytes; /* of texts that it holds */
};
enum { BATCH_BYTES = 1 << 20 }; /* about: messages of compilers may be long */

static enum status batch_open(struct batch *batch, struct store *store, const char *table,
                              const char *names, int columns, int rows, struct error *err) {
    struct str sql = {0};
    *batch = (struct batch){.columns = columns, .rows = rows};
    str_addf(&sql, "INSERT INTO %s (%s) SELECT * FROM (VALUES ", table, names);
    for (int i = 0; i < columns * rows; i++)
        str_addf(&sql, "%s?%d", i % columns ? ", " : i ? "), (" : "(", i + 1);
    str_add(&sql, ")) WHERE column1 NOT NULL");
    const enum status st = query_open(&batch->insert, store, merging, sql.text, err);
    str_free(&sql);
    return st;
}

static bool is_full(const struct batch *batch) {
    return batch->n == batch->rows || batch->bytes >= BATCH_BYTES;
}

/* The number of the next row's first parameter. */
static int batch_next(struct batch *batch) {
    return batch->n++ * batch->columns + 1;
}

static enum status batch_flush(struct batch *batch, struct error *err) {
    if (!batch->n) return OK;
    batch->n = 0;
    batch->bytes = 0;
    const enum status st = query_run(&batch->insert, err);
    sqlite3_clear_bindings(batch->insert.stmt);
    return st;
}

/* Rows of a query whose first column is a number that is made anew here; the others go into the table's
 * columns of the same names. */
struct copier {
    struct batch batch;
    int64_t last_id;
};

static enum status copier_open(struct copier *copier, struct store *store, const char *table,
                               const struct query *from, int rows, struct error *err) {
    struct str names = {0};
    const int n = sqlite3_column_count(from->stmt);
    for (int c = 0; c < n; c++)
        str_addf(&names, "%s%s", c ? ", " : "", sqlite3_column_name(from->stmt, c));
    enum status st = batch_open(&copier->batch, store, table, names.text, n, rows, err);
    str_free(&names);
    if (st != OK) return st;
    /* A number near the last that there is would leave no room behind it. */
    char *sql = text_format("SELECT max(rowid) FROM %s WHERE rowid < 1 << 62", table);
    st = sql_number(store, merging, sql, &copier->last_id, err);
    free(sql);
    return st;
}

struct replaced {
    int column;
    int64_t value;
};

/* The number of the new row. */
static int64_t copier_copy(struct copier *copier, const struct query *from,
                           const struct replaced *replaced, int n_replaced) {
    struct query *insert = &copier->batch.insert;
    const int at = batch_next(&copier->batch);
    query_bind_int_at(insert, at, ++copier->last_id);
    for (int c = 1; c < copier->batch.columns; c++) {
        query_bind_column(insert, at + c, from, c);
        if (sqlite3_column_type(from->stmt, c) == SQLITE_TEXT)
            copier->batch.bytes += sqlite3_column_bytes(from->stmt, c);
    }
    for (int r = 0; r < n_replaced; r++)
        query_bind_int_at(insert, at + replaced[r].column, replaced[r].value);
    return copier->last_id;
}

/* ---- the merge ---- */

struct sample {
    int64_t round;
    double time_ns;
};
struct samples {
    struct sample *items;
    size_t n, capacity;
};

static void samples_add(struct samples *samples, int64_t round, double time_ns) {
    if (samples->n == samples->capacity) {
        samples->capacity = samples->capacity ? 2 * samples->capacity : 64;
        samples->items = memory_grow(samples->items, samples->capacity * sizeof *samples->items);
    }
    samples->items[samples->n++] = (struct sample){round, time_ns};
}

/* Is it the same evaluation, where both have one at this place? Running rows are nobody's yet. */
static const char same_place[] = /* ORDER place: place_names, by number */
    "SELECT evaluation_id, outcome, outcome = 'running' OR (boot_id = ?5 AND wall_ns = ?6 AND "
    "elapsed_ns = ?7 AND build_ns = ?8 AND source_key = ?9 AND variant = ?10 AND config = ?11) "
    "FROM evaluations WHERE problem_id = ?1 AND class = ?2 AND layout = ?3 AND sequence = ?4 AND "
    "session_id = ?12";
/* ORDER place: same_place */
static const char *const place_names[] = {"problem_id", "class",   "layout",     "sequence",
                                          "boot_id",    "wall_ns", "elapsed_ns", "build_ns",
                                          "source_key", "variant", "config"};
enum { PLACE_PROBLEM, PLACE_NAMES = sizeof place_names / sizeof *place_names };

/* More rows a statement were not faster. */
enum { EVALUATIONS_AT_ONCE = 32, SAMPLES_AT_ONCE = 128 };

struct merge {
    struct store *store, *other;
    struct merge_tally *added;
    struct pairs devices, problems, sessions;
    struct query evaluations, samples; /* theirs, side by side */
    bool has_sample, is_at_end;        /* of samples: its row was not used yet; there are no more */
    struct copier copier;
    struct batch add_samples;
    struct query find, our_samples, update;
    struct samples ours, theirs;                               /* of the evaluation at hand */
    int at_session, at_device, at_outcome, place[PLACE_NAMES]; /* columns of theirs */
};

/* What quick_check does not see: numbers that lead nowhere, measurements without samples. */
static enum status fail_rules(const struct merge *m, const char *what, int64_t id,
                              struct error *err) {
    return fail(err, STATUS_DB,
                "the database %s breaks its rules: %s (row %lld); hone db check --db %s says more",
                m->other->path, what, (long long)id, m->other->path);
}

/* ---- devices and problems ---- */

static enum status merge_devices(struct merge *m, struct error *err) {
    struct query theirs, put;
    enum status st = query_open(&theirs, m->other, reading,
                                "SELECT device_id, model, version, name, uuid FROM devices "
                                "ORDER BY device_id",
                                err);
    if (st != OK) return st;
    st = query_open(&put, m->store, merging,
                    "INSERT INTO devices (model, version, name, uuid) VALUES (?1, ?2, ?3, ?4) "
                    "ON CONFLICT (model, version) DO UPDATE SET name = name RETURNING device_id",
                    err);
    while (st == OK && (st = query_next(&theirs, err)) == OK) {
        for (int c = 1; c <= 4; c++) query_bind_column(&put, c, &theirs, c);
        if ((st = query_next(&put, err)) != OK) break;
        pairs_add(&m->devices, query_int(&theirs, 0), query_int(&put, 0), false);
        st = query_run(&put, err);
    }
    query_close(&put);
    query_close(&theirs);
    return st == STATUS_NOTHING ? OK : st;
}

static enum status merge_problems(struct merge *m, struct error *err) {
    struct query theirs;
    enum status st =
        query_open(&theirs, m->other, reading,
                   "SELECT problem_id, family, problem FROM problems ORDER BY problem_id", err);
    if (st != OK) return st;
    while ((st = query_next(&theirs, err)) == OK) {
        int64_t ours;
        st = problem_row(m->store, query_peek(&theirs, 1), query_peek(&theirs, 2), &ours, err);
        if (st != OK) break;
        pairs_add(&m->problems, query_int(&theirs, 0), ours, false);
    }
    query_close(&theirs);
    return st == STATUS_NOTHING ? OK : st;
}

/* ---- sessions ---- */

static void find_columns(const struct query *theirs, int columns[PLACE_NAMES]) {
    for (int i = 0; i < PLACE_NAMES; i++) columns[i] = query_column(theirs, place_names[i]);
}

/* The place of the evaluation in `theirs` within our session. */
static enum status find_place(const struct merge *m, struct query *find, const struct query *theirs,
                              const int columns[PLACE_NAMES], int64_t session_id,
                              struct error *err) {
    const int64_t theirs_problem = query_int(theirs, columns[PLACE_PROBLEM]);
    const struct pair *problem = pairs_find(&m->problems, theirs_problem);
    if (!problem) return fail_rules(m, "there is no such problem", theirs_problem, err);
    query_reset(find);
    for (int i = 0; i < PLACE_NAMES; i++) query_bind_column(find, i + 1, theirs, columns[i]);
    query_bind_int_at(find, PLACE_PROBLEM + 1, problem->ours);
    query_bind_int_at(find, PLACE_NAMES + 1, session_id);
    return query_next(find, err);
}

static enum status count(struct store *store, int64_t session_id, int64_t *n, struct error *err) {
    struct query q;
    enum status st = query_open(&q, store, reading,
                                "SELECT count(*) FROM evaluations WHERE session_id = :session_id "
                                "AND outcome <> 'running'",
                                err);
    if (st != OK) return st;
    query_bind_int(&q, ":session_id", session_id);
    st = query_next(&q, err);
    *n = st == OK ? query_int(&q, 0) : 0;
    query_close(&q);
    return st;
}

/* Do the evaluations of both agree wherever both have one? */
static enum status is_same_session(struct merge *m, int64_t theirs, int64_t ours, bool *is_same,
                                   struct error *err) {
    struct query q, find;
    int64_t n_common = 0, n_theirs, n_ours;
    int columns[PLACE_NAMES];
    *is_same = false;
    enum status st = count(m->other, theirs, &n_theirs, err);
    if (st == OK) st = count(m->store, ours, &n_ours, err);
    if (st == OK)
        st = query_open(&q, m->other, reading,
                        "SELECT * FROM evaluations WHERE session_id = :session_id AND "
                        "outcome <> 'running'",
                        err);
    if (st != OK) return st;
    st = query_open(&find, m->store, merging, same_place, err);
    query_bind_int(&q, ":session_id", theirs);
    find_columns(&q, columns);
    *is_same = true;
    while (st == OK && *is_same && (st = query_next(&q, err)) == OK) {
        st = find_place(m, &find, &q, columns, ours, err);
        if (st == OK) *is_same = query_int(&find, 2) != 0;
        n_common += st == OK;
        if (st == STATUS_NOTHING) st = OK;
    }
    *is_same = *is_same && (n_common > 0 || n_theirs == 0 || n_ours == 0);
    query_close(&find);
    query_close(&q);
    return st == STATUS_NOTHING ? OK : st;
}

/* ORDER session: merge_sessions */
enum { SESSION_ID, SESSION_DEVICE, SESSION_BEGAN = 7, SESSION_SPENT, SESSION_STATE };

/* Is this session of ours one of theirs already? Two of theirs, which went on apart, are never one. */
static bool is_taken(const struct merge *m, int64_t ours) {
    for (size_t i = 0; i < m->sessions.n; i++)
        if (m->sessions.items[i].ours == ours) return true;
    return false;
}

/* Our number of the session in `theirs`; 0: it was never here. */
static enum status find_session(struct merge *m, const struct query *theirs, int64_t device_id,
                                int64_t *session_id, struct error *err) {
    struct query q;
    bool is_same = false;
    *session_id = 0;
    enum status st =
        query_open(&q, m->store, merging,
                   "SELECT session_id FROM sessions WHERE device_id = ?1 AND problems = ?2 AND "
                   "strategy = ?3 AND seed = ?4 AND budget_ns = ?5 AND evaluations_asked = ?6 AND "
                   "began_unix_s = ?7 ORDER BY session_id",
                   err);
    if (st != OK) return st;
    for (int c = SESSION_DEVICE; c < SESSION_BEGAN; c++) query_bind_column(&q, c, theirs, c);
    query_bind_int_at(&q, SESSION_DEVICE, device_id);
    query_bind_column(&q, SESSION_BEGAN, theirs, SESSION_BEGAN);
    while (!is_same && (st = query_next(&q, err)) == OK) {
        *session_id = query_int(&q, 0);
        if (is_taken(m, *session_id)) continue;
        st = is_same_session(m, query_int(theirs, SESSION_ID), *session_id, &is_same, err);
        if (st != OK) break;
    }
    query_close(&q);
    if (!is_same) *session_id = 0;
    return st == STATUS_NOTHING ? OK : st;
}

/* They may have gone on where we stopped. */
static enum status go_on(struct merge *m, const struct query *theirs, int64_t session_id,
                         struct error *err) {
    struct query q;
    const enum status st = query_open(&q, m->store, merging,
                                      "UPDATE sessions SET spent_ns = ?1, state = ?2 "
                                      "WHERE session_id = ?3 AND spent_ns < ?1",
                                      err);
    if (st != OK) return st;
    query_bind_column(&q, 1, theirs, SESSION_SPENT);
    query_bind_column(&q, 2, theirs, SESSION_STATE);
    query_bind_int_at(&q, 3, session_id);
    return query_finish(&q, err);
}

static enum status merge_session(struct merge *m, struct copier *copier, const struct query *theirs,
                                 struct error *err) {
    const int64_t id = query_int(theirs, SESSION_ID);
    const struct pair *device = pairs_find(&m->devices, query_int(theirs, SESSION_DEVICE));
    if (!device) return fail_rules(m, "a session's device is missing", id, err);
    const struct replaced replaced = {SESSION_DEVICE, device->ours};
    int64_t ours;
    enum status st = find_session(m, theirs, device->ours, &ours, err);
    const bool is_new = ours == 0;
    if (st == OK && is_new) {
        ours = copier_copy(copier, theirs, &replaced, 1);
        st = batch_flush(&copier->batch, err);
    } else if (st == OK) {
        st = go_on(m, theirs, ours, err);
    }
    m->added->sessions += is_new;
    pairs_add(&m->sessions, id, ours, is_new);
    return st;
}

/* ORDER session: the enum above */
static enum status merge_sessions(struct merge *m, struct error *err) {
    struct query theirs;
    struct copier copier;
    enum status st =
        query_open(&theirs, m->other, reading,
                   "SELECT session_id, device_id, problems, strategy, seed, budget_ns, "
                   "evaluations_asked, began_unix_s, spent_ns, state FROM sessions "
                   "ORDER BY session_id",
                   err);
    if (st != OK) return st;
    st = copier_open(&copier, m->store, "sessions", &theirs, 1, err);
    while (st == OK && (st = query_next(&theirs, err)) == OK)
        st = merge_session(m, &copier, &theirs, err);
    query_close(&copier.batch.insert);
    query_close(&theirs);
    return st == STATUS_NOTHING ? OK : st;
}

/* ---- samples ---- */

/* The next of their samples; NOTHING at the end, however often. */
static enum status next_sample(struct merge *m, struct error *err) {
    if (m->has_sample) return OK;
    const enum status st = m->is_at_end ? STATUS_NOTHING : query_next(&m->samples, err);
    m->has_sample = st == OK;
    m->is_at_end |= st == STATUS_NOTHING;
    return st;
}

/* Theirs of an evaluation; those of rows that were left out are passed by. */
static enum status read_theirs(struct merge *m, int64_t evaluation_id, struct error *err) {
    enum status st;
    m->theirs.n = 0;
    for (; (st = next_sample(m, err)) == OK; m->has_sample = false) {
        const int64_t id = query_int(&m->samples, 0);
        if (id > evaluation_id) break;
        if (id == evaluation_id)
            samples_add(&m->theirs, query_int(&m->samples, 1), query_real(&m->samples, 2));
    }
    return st == STATUS_NOTHING ? OK : st;
}

static enum status read_ours(struct merge *m, int64_t evaluation_id, struct error *err) {
    struct query *q = &m->our_samples;
    enum status st;
    m->ours.n = 0;
    query_reset(q);
    query_bind_int_at(q, 1, evaluation_id);
    while ((st = query_next(q, err)) == OK)
        samples_add(&m->ours, query_int(q, 0), query_real(q, 1));
    return st == STATUS_NOTHING ? OK : st;
}

/* New evaluations go in before their samples. */
static enum status flush(struct merge *m, struct error *err) {
    const enum status st = batch_flush(&m->copier.batch, err);
    return st == OK ? batch_flush(&m->add_samples, err) : st;
}

static enum status add_samples(struct merge *m, int64_t evaluation_id, const struct sample *list,
                               size_t n, int64_t round, struct error *err) {
    struct query *insert = &m->add_samples.insert;
    enum status st = OK;
    for (size_t i = 0; st == OK && i < n; i++) {
        const int at = batch_next(&m->add_samples);
        query_bind_int_at(insert, at, evaluation_id);
        query_bind_int_at(insert, at + 1, round);
        query_bind_int_at(insert, at + 2, (int64_t)i);
        query_bind_real_at(insert, at + 3, list[i].time_ns);
        if (is_full(&m->add_samples)) st = flush(m, err);
    }
    m->added->samples += st == OK ? (int64_t)n : 0;
    return st;
}

/* How many samples from `at` on belong to one round. */
static size_t round_length(const struct samples *samples, size_t at) {
    size_t n = 0;
    while (at + n < samples->n && samples->items[at + n].round == samples->items[at].round) n++;
    return n;
}

static bool holds_round(const struct samples *samples, const struct sample *round, size_t n) {
    for (size_t at = 0, length; at < samples->n; at += length) {
        bool is_same = (length = round_length(samples, at)) == n;
        for (size_t i = 0; is_same && i < n; i++)
            is_same = samples->items[at + i].time_ns == round[i].time_ns;
        if (is_same) return true;
    }
    return false;
}

/* Every round of theirs that is none of ours, behind ours. */
static enum status add_rounds(struct merge *m, int64_t evaluation_id, bool *has_more,
                              struct error *err) {
    enum status st = OK;
    int64_t next = m->ours.n ? m->ours.items[m->ours.n - 1].round + 1 : 0;
    *has_more = false;
    for (size_t at = 0, n; st == OK && at < m->theirs.n; at += n) {
        const struct sample *round = m->theirs.items + at;
        n = round_length(&m->theirs, at);
        if (holds_round(&m->ours, round, n)) continue;
        st = add_samples(m, evaluation_id, round, n, next++, err);
        *has_more = true;
    }
    return st;
}

/* ---- evaluations ---- */

static enum status add_evaluation(struct merge *m, int64_t session_id, struct error *err) {
    const struct query *theirs = &m->evaluations;
    const struct pair *device = pairs_find(&m->devices, query_int(theirs, m->at_device));
    const struct pair *problem =
        pairs_find(&m->problems, query_int(theirs, m->place[PLACE_PROBLEM]));
    bool has_more;
    if (!device || !problem)
        return fail_rules(m, "an evaluation's device or problem is missing", query_int(theirs, 0),
                          err);
    const struct replaced replaced[] = {{m->at_session, session_id},
                                        {m->at_device, device->ours},
                                        {m->place[PLACE_PROBLEM], problem->ours}};
    const int64_t id = copier_copy(&m->copier, theirs, replaced, 3);
    m->ours.n = 0;
    enum status st = add_rounds(m, id, &has_more, err);
    if (st == OK && is_full(&m->copier.batch)) st = flush(m, err);
    m->added->evaluations += st == OK;
    return st;
}

/* What was measured of an evaluation that both have: theirs is the later. */
static const char *const measured[] = {
    "outcome",  "message",    "time_ns",      "low_ns",         "high_ns", "floor_ns",
    "build_ns", "check_ns",   "ceiling_gbps", "ceiling_gflops", "share",   "nmse",
    "wall_ns",  "elapsed_ns", "conditions",   "unix_s",         "boot_id", "is_resumed"};
enum { MEASURED = sizeof measured / sizeof *measured };

static enum status update_open(struct merge *m, struct error *err) {
    struct str sql = {0};
    str_add(&sql, "UPDATE evaluations SET is_final = max(is_final, ?1)");
    for (int i = 0; i < MEASURED; i++) str_addf(&sql, ", %s = ?%d", measured[i], i + 3);
    str_add(&sql, " WHERE evaluation_id = ?2");
    const enum status st = query_open(&m->update, m->store, merging, sql.text, err);
    str_free(&sql);
    return st;
}

static enum status update_evaluation(struct merge *m, int64_t evaluation_id, struct error *err) {
    const struct query *theirs = &m->evaluations;
    query_bind_column(&m->update, 1, theirs, query_column(theirs, "is_final"));
    query_bind_int_at(&m->update, 2, evaluation_id);
    for (int i = 0; i < MEASURED; i++)
        query_bind_column(&m->update, i + 3, theirs, query_column(theirs, measured[i]));
    return query_run(&m->update, err);
}

/* An evaluation of a session that both hold: new here, finished there, measured again there, or known. */
static enum status meet_evaluation(struct merge *m, int64_t session_id, struct error *err) {
    bool has_more = false;
    enum status st = find_place(m, &m->find, &m->evaluations, m->place, session_id, err);
    if (st == STATUS_NOTHING) return add_evaluation(m, session_id, err);
    if (st != OK) return st;
    const int64_t id = query_int(&m->find, 0);
    const bool was_running = query_outcome(&m->find, 1) == OUTCOME_RUNNING;
    st = read_ours(m, id, err);
    if (st == OK) st = add_rounds(m, id, &has_more, err);
    if (st == OK && (has_more || was_running)) st = update_evaluation(m, id, err);
    m->added->evaluations += was_running;
    return st;
}

static enum status merge_evaluation(struct merge *m, struct error *err) {
    const struct query *theirs = &m->evaluations;
    const int64_t id = query_int(theirs, 0);
    const enum outcome outcome = query_outcome(theirs, m->at_outcome);
    const struct pair *session = pairs_find(&m->sessions, query_int(theirs, m->at_session));
    const bool is_timed =
        outcome == OUTCOME_OK || outcome == OUTCOME_ABANDONED || outcome == OUTCOME_IMPLAUSIBLE;
    const enum status st = read_theirs(m, id, err);
    if (st != OK) return st;
    if (!session) return fail_rules(m, "an evaluation's session is missing", id, err);
    if (is_timed && !m->theirs.n) return fail_rules(m, "what was timed has samples", id, err);
    return session->is_new ? add_evaluation(m, session->ours, err)
                           : meet_evaluation(m, session->ours, err);
}

static enum status evaluations_open(struct merge *m, struct error *err) {
    struct query *theirs = &m->evaluations;
    enum status st = query_open(
        theirs, m->other, reading,
        "SELECT * FROM evaluations WHERE outcome <> 'running' ORDER BY evaluation_id", err);
    if (st == OK)
        st = query_open(&m->samples, m->other, reading,
                        "SELECT evaluation_id, round, time_ns FROM samples "
                        "ORDER BY evaluation_id, round, sample",
                        err);
    if (st == OK)
        st = copier_open(&m->copier, m->store, "evaluations", theirs, EVALUATIONS_AT_ONCE, err);
    if (st == OK) st = query_open(&m->find, m->store, merging, same_place, err);
    if (st == OK) st = update_open(m, err);
    if (st == OK)
        st = batch_open(&m->add_samples, m->store, "samples",
                        "evaluation_id, round, sample, time_ns", 4, SAMPLES_AT_ONCE, err);
    if (st == OK)
        st = query_open(&m->our_samples, m->store, merging,
                        "SELECT round, time_ns FROM samples WHERE evaluation_id = ?1 "
                        "ORDER BY round, sample",
                        err);
    if (st != OK) return st;
    find_columns(theirs, m->place);
    m->at_session = query_column(theirs, "session_id");
    m->at_device = query_column(theirs, "device_id");
    m->at_outcome = query_column(theirs, "outcome");
    return OK;
}

static enum status merge_evaluations(struct merge *m, struct error *err) {
    enum status st = evaluations_open(m, err);
    while (st == OK && (st = query_next(&m->evaluations, err)) == OK) st = merge_evaluation(m, err);
    if (st == STATUS_NOTHING) st = flush(m, err);
    struct query *const owned[] = {&m->evaluations,        &m->samples, &m->copier.batch.insert,
                                   &m->add_samples.insert, &m->find,    &m->update,
                                   &m->our_samples};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) query_close(owned[i]);
    return st;
}

/* ---- benches ---- */

static enum status merge_rivals(struct merge *m, int64_t theirs, int64_t ours, struct error *err) {
    struct query q, put;
    enum status st =
        query_open(&q, m->other, reading,
                   "SELECT bench_id, rival, time_ns FROM rivals WHERE bench_id = ?1", err);
    if (st != OK) return st;
    query_bind_int_at(&q, 1, theirs);
    st = query_open(&put, m->store, merging,
                    "INSERT INTO rivals (bench_id, rival, time_ns) VALUES (?1, ?2, ?3)", err);
    while (st == OK && (st = query_next(&q, err)) == OK) {
        query_bind_int_at(&put, 1, ours);
        query_bind_column(&put, 2, &q, 1);
        query_bind_column(&put, 3, &q, 2);
        st = query_run(&put, err);
    }
    query_close(&put);
    query_close(&q);
    return st == STATUS_NOTHING ? OK : st;
}

/* A row of a bench is known by its second and its words. */
static enum status find_bench(struct merge *m, const struct query *theirs, int64_t device_id,
                              int64_t problem_id, bool *is_known, struct error *err) {
    struct query q;
    enum status st = query_open(&q, m->store, merging,
                                "SELECT 1 FROM benches WHERE device_id = ?1 AND problem_id = ?2 "
                                "AND row = ?3 AND unix_s = ?4",
                                err);
    if (st != OK) return st;
    query_bind_int_at(&q, 1, device_id);
    query_bind_int_at(&q, 2, problem_id);
    query_bind_column(&q, 3, theirs, query_column(theirs, "row"));
    query_bind_column(&q, 4, theirs, query_column(theirs, "unix_s"));
    st = query_next(&q, err);
    *is_known = st == OK;
    query_close(&q);
    return st == STATUS_NOTHING ? OK : st;
}

static enum status merge_bench(struct merge *m, struct copier *copier, const struct query *theirs,
                               struct error *err) {
    const int64_t theirs_id = query_int(theirs, 0);
    const int at_device = query_column(theirs, "device_id");
    const int at_problem = query_column(theirs, "problem_id");
    const struct pair *device = pairs_find(&m->devices, query_int(theirs, at_device));
    const struct pair *problem = pairs_find(&m->problems, query_int(theirs, at_problem));
    bool is_known;
    if (!device || !problem)
        return fail_rules(m, "a bench's device or problem is missing", theirs_id, err);
    enum status st = find_bench(m, theirs, device->ours, problem->ours, &is_known, err);
    if (st == OK)
        st =
            sql_check_json(m->other, reading, query_peek(theirs, query_column(theirs, "row")), err);
    if (st != OK || is_known) return st;
    const struct replaced replaced[] = {{at_device, device->ours}, {at_problem, problem->ours}};
    const int64_t id = copier_copy(copier, theirs, replaced, 2);
    st = batch_flush(&copier->batch, err);
    m->added->benches += st == OK;
    return st == OK ? merge_rivals(m, theirs_id, id, err) : st;
}

static enum status merge_benches(struct merge *m, struct error *err) {
    struct query theirs;
    struct copier copier;
    enum status st =
        query_open(&theirs, m->other, reading, "SELECT * FROM benches ORDER BY bench_id", err);
    if (st != OK) return st;
    st = copier_open(&copier, m->store, "benches", &theirs, 1, err);
    while (st == OK && (st = query_next(&theirs, err)) == OK)
        st = merge_bench(m, &copier, &theirs, err);
    query_close(&copier.batch.insert);
    query_close(&theirs);
    return st == STATUS_NOTHING ? OK : st;
}

/* ---- facts ---- */

/* How facts travel; kinds that are not here do as they are, the newer one wins. */
enum travel { TRAVELS, TRAVELS_WITH_SESSION, STAYS };
static const struct {
    const char *kind;
    enum travel travel;
} kinds[] = {
    {"seeds", TRAVELS_WITH_SESSION}, /* their keys begin with the session's number */
    {"grants", TRAVELS_WITH_SESSION},
    {"done", TRAVELS_WITH_SESSION},
    {"finals", TRAVELS_WITH_SESSION},
    {"cross", TRAVELS_WITH_SESSION},
    {"check", STAYS},
};

static enum travel travel_of(const char *kind) {
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        if (!strcmp(kinds[k].kind, kind)) return kinds[k].travel;
    return TRAVELS;
}

/* Their key, with our number of the session; NULL: it is no session's. The caller frees. */
static char *session_key(const struct merge *m, const char *key) {
    char *rest;
    const long long id = strtoll(key, &rest, 10);
    const struct pair *session = rest == key ? NULL : pairs_find(&m->sessions, id);
    return session ? text_format("%lld%s", (long long)session->ours, rest) : NULL;
}

static enum status merge_fact(struct merge *m, struct query *put, const struct query *theirs,
                              struct error *err) {
    const enum travel travel = travel_of(query_peek(theirs, 0));
    char *key = travel == TRAVELS_WITH_SESSION ? session_key(m, query_peek(theirs, 3))
                                               : query_text(theirs, 3);
    enum status st = OK;
    if (key && travel != STAYS) {
        for (int c = 0; c < 6; c++) query_bind_column(put, c + 1, theirs, c);
        query_bind_text(put, "?4", key);
        st = sql_check_json(m->other, reading, query_peek(theirs, 4), err);
        if (st == OK) st = query_run(put, err);
        m->added->facts += st == OK ? sqlite3_changes(m->store->db) : 0;
    }
    free(key);
    return st;
}

static enum status merge_facts(struct merge *m, struct error *err) {
    struct query theirs, put;
    enum status st = query_open(&theirs, m->other, reading,
                                "SELECT kind, model, version, key, value, unix_s FROM facts", err);
    if (st != OK) return st;
    st = query_open(&put, m->store, merging,
                    "INSERT INTO facts (kind, model, version, key, value, unix_s) "
                    "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE "
                    "SET value = excluded.value, unix_s = excluded.unix_s "
                    "WHERE excluded.unix_s > facts.unix_s",
                    err);
    while (st == OK && (st = query_next(&theirs, err)) == OK)
        st = merge_fact(m, &put, &theirs, err);
    query_close(&put);
    query_close(&theirs);
    return st == STATUS_NOTHING ? OK : st;
}

/* ---- all of it ---- */

static enum status (*const parts[])(struct merge *m, struct error *err) = {
    merge_devices,     merge_problems, merge_sessions, /* ORDER: later parts need the numbers */
    merge_evaluations, merge_benches,  merge_facts,
};

static enum status fail_same(const struct store *other, struct error *err) {
    return fail(err, STATUS_USAGE, "the database %s cannot be merged into itself", other->path);
}

static bool is_same_file(const struct store *a, const struct store *b) {
    const char *x = sqlite3_db_filename(a->db, "main"), *y = sqlite3_db_filename(b->db, "main");
    return x && y && !strcmp(x, y);
}

enum status store_merge(struct store *store, struct store *other, struct merge_tally *added,
                        struct error *err) {
    struct merge m = {.store = store, .other = other, .added = added};
    *added = (struct merge_tally){0};
    if (is_same_file(store, other)) return fail_same(other, err);
    enum status st = sql_run(store, merging, "PRAGMA cache_size = -65536", err); /* KiB */
    /* A statement of several rows keeps a journal of its own: not in a file. */
    if (st == OK) st = sql_run(store, merging, "PRAGMA temp_store = MEMORY", err);
    if (st == OK) st = sql_begin(store, merging, err);
    if (st != OK) return st;
    st = sql_run(other, reading, "BEGIN", err); /* one state of it, whoever writes meanwhile */
    for (size_t i = 0; st == OK && i < sizeof parts / sizeof *parts; i++) st = parts[i](&m, err);
    sql_end(other, st, reading, NULL);
    if (st != OK) fail_while(err, "merging %s", other->path);
    st = sql_end(store, st, merging, err);
    if (st != OK) *added = (struct merge_tally){0};
    struct pairs *const pairs[] = {&m.devices, &m.problems, &m.sessions};
    for (size_t i = 0; i < 3; i++) free(pairs[i]->items);
    free(m.ours.items);
    free(m.theirs.items);
    return st;
}
