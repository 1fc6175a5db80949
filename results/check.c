/* check.c: is a database whole, and are its rules kept? SQLite's checks, then our own: what constraints
 * of single rows cannot say. */
#include "base/str.h"
#include "results/sql.h"
#include <string.h>

static const char checking[] = "checking it";
enum { FINDINGS_MOST = 100 }; /* of one rule */

/* Each query names what breaks the rule, one a row. */
static const struct rule {
    const char *sentence, *sql;
} rules[] = {
    {"SQLite finds", "PRAGMA integrity_check(100)"},
    {"a reference leads nowhere",
     "SELECT \"table\" || ' row ' || coalesce(rowid, '?') || ' to ' || parent "
     "FROM pragma_foreign_key_check"},
    {"what was timed has samples",
     "SELECT 'evaluation ' || evaluation_id FROM evaluations e "
     "WHERE outcome IN ('ok', 'abandoned', 'implausible') AND NOT EXISTS "
     "(SELECT 1 FROM samples s WHERE s.evaluation_id = e.evaluation_id)"},
    {"the time lies within its last samples",
     "SELECT 'evaluation ' || e.evaluation_id FROM evaluations e JOIN "
     "(SELECT evaluation_id, min(time_ns) AS low_ns, max(time_ns) AS high_ns FROM samples s "
     "WHERE round = (SELECT max(round) FROM samples r WHERE r.evaluation_id = s.evaluation_id) "
     "GROUP BY evaluation_id) AS last USING (evaluation_id) "
     "WHERE outcome = 'ok' AND e.time_ns NOT BETWEEN last.low_ns AND last.high_ns"},
    {"a finished session has nothing under way",
     "SELECT 'evaluation ' || evaluation_id || ' of session ' || session_id "
     "FROM evaluations JOIN sessions USING (session_id) "
     "WHERE outcome = 'running' AND state = 'finished'"},
    {"evaluations are numbered without gaps",
     "SELECT 'session ' || session_id || ', ' || family || ' ' || problem || ' ' || class "
     "FROM evaluations JOIN problems USING (problem_id) GROUP BY session_id, problem_id, class "
     "HAVING count(DISTINCT sequence) <> max(sequence) + 1"},
};

static enum status apply(struct store *store, const struct rule *rule, struct str *report,
                         size_t *n_findings, struct error *err) {
    struct query q;
    enum status st = query_open(&q, store, checking, rule->sql, err);
    if (st != OK) return st;
    for (int n = 0; n < FINDINGS_MOST && (st = query_next(&q, err)) == OK; n++) {
        if (!strcmp(query_peek(&q, 0), "ok")) continue; /* SQLite's word for no finding */
        str_addf(report, "%s: %s\n", rule->sentence, query_peek(&q, 0));
        ++*n_findings;
    }
    query_close(&q);
    return st == STATUS_NOTHING ? OK : st;
}

enum status store_check(struct store *store, char **report, struct error *err) {
    struct str text = {0};
    size_t n_findings = 0;
    enum status st = sql_run(store, checking, "BEGIN", err);
    for (size_t i = 0; st == OK && i < sizeof rules / sizeof *rules; i++)
        st = apply(store, &rules[i], &text, &n_findings, err);
    st = sql_end(store, st, checking, err);
    *report = NULL;
    if (st == OK) *report = text_copy(str_text(&text));
    str_free(&text);
    if (st == OK && n_findings)
        st = fail(err, STATUS_WRONG, "the database %s breaks its rules %zu times", store->path,
                  n_findings);
    return st;
}
