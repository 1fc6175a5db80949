/* test_sharing.c: databases for others: export and import of text profiles, and merging, which loses
 * nothing and adds nothing twice. */
#include "tests/results/direct.h"
#include "tests/results/records.h"
#include "base/path.h"
#include "results/profile.h"
#include <malloc.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- support ---- */

static void copy_file(const char *from, const char *to) {
    char *bytes;
    size_t size;
    struct error err = {OK, ""};
    WELL(path_read(from, 1 << 28, &bytes, &size, &err));
    FILE *file = fopen(to, "we");
    cr_assert(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
    free(bytes);
}

static struct merge_tally merged(const char *into, const char *from) {
    struct store *store = opened(into, STORE_WRITE), *other = opened(from, STORE_READ);
    struct merge_tally added;
    struct error err = {OK, ""};
    WELL(store_merge(store, other, &added, &err));
    store_close(other);
    store_close(store);
    return added;
}

static void expect_nothing_added(const char *into, const char *from) {
    const struct merge_tally t = merged(into, from);
    cr_assert(!t.sessions && !t.evaluations && !t.samples && !t.benches && !t.facts,
              "%lld sessions, %lld evaluations, %lld samples, %lld benches, %lld facts",
              (long long)t.sessions, (long long)t.evaluations, (long long)t.samples,
              (long long)t.benches, (long long)t.facts);
}

static void expect_in(const char *path, const char *sql, const char *expected) {
    struct store *store = opened(path, STORE_READ);
    expect_csv(store, sql, expected);
    store_close(store);
}

/* All that was measured, by what it is; numbers of rows left out. */
static const char all_measurements[] =
    "SELECT model, version, strategy, seed, family, problem, class, layout, sequence, variant, "
    "config, source_key, outcome, message, m.time_ns, share, nmse, is_final, s.round, s.sample, "
    "s.time_ns AS sample_ns FROM measurements m LEFT JOIN samples s USING (evaluation_id) "
    "ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 19, 20, 21";

static void expect_same(const char *a, const char *b) {
    struct store *x = opened(a, STORE_READ), *y = opened(b, STORE_READ);
    char *left = csv_of(x, all_measurements), *right = csv_of(y, all_measurements);
    size_t at = 0; /* they may be too long to be told */
    while (left[at] && left[at] == right[at]) at++;
    cr_assert(left[at] == right[at], "%.200s\n%.200s", left + at, right + at);
    free(left);
    free(right);
    store_close(x);
    store_close(y);
}

/* One evaluation of a session that is under way. */
static void add(struct store *store, int64_t session, int64_t device, int64_t sequence,
                const char *config, enum outcome outcome, double time_ns, int64_t elapsed_ns) {
    struct error err = {OK, ""};
    struct evaluation e = evaluation_begun(session, device, sequence, with_config(config));
    WELL(store_step(store, NULL, &e, &err));
    evaluation_end(&e, outcome, time_ns);
    e.elapsed_ns = elapsed_ns;
    WELL(store_step(store, &e, NULL, &err));
}

static int64_t started(struct store *store) {
    return session_new(store, device_row(store, MODEL, VERSION));
}

static char *exported(struct store *store, int64_t device) {
    char *text = NULL;
    struct error err = {OK, ""};
    WELL(store_export(store, device, "hone test", &text, &err));
    return text;
}

/* ---- export ---- */

Test(sharing, an_export_holds_the_best_of_each_layout_with_its_samples) {
    struct store *store = opened(database_new(), STORE_WRITE);
    const int64_t device = device_row(store, MODEL, VERSION);
    const int64_t other = device_row(store, MODEL, "driver 2");
    struct record_key rows = with_config("TM=9");
    rows.layout = "rows";
    record_new(store, device, with_config("TM=1"), OUTCOME_OK, 100, true);
    record_new(store, device, with_config("TM=2"), OUTCOME_OK, 80, true);
    record_new(store, device, with_config("TM=3"), OUTCOME_OK, 50, false); /* no final */
    record_new(store, device, rows, OUTCOME_OK, 300, true);
    record_new(store, other, with_config("TM=7"), OUTCOME_OK, 1, true);
    char *text = exported(store, device);
    cr_assert_str_eq(
        text, "hone-profile 2\n"
              "architecture x86_64 family 26 model 2\n"
              "device " MODEL "\n"
              "version " VERSION "\n"
              "provenance Device, 4 evaluations from 2023-11-14 to 2023-11-14, by hone test\n"
              "record matmul m=256,k=128,n=16,w=q4:128 f32 panel16 tiled TM=2 80.0 "
              "0123456789abcdef\n"
              "samples 0 100.0 60.0 80.0\n"
              "record matmul m=256,k=128,n=16,w=q4:128 f32 rows tiled TM=9 300.0 "
              "0123456789abcdef\n"
              "samples 0 375.0 225.0 300.0\n"
              "end 2\n");
    free(text);
    store_close(store);
}

Test(sharing, an_export_leaves_out_what_is_not_trusted_and_older_kernels) {
    struct store *store = opened(database_new(), STORE_WRITE);
    const int64_t device = device_row(store, MODEL, VERSION);
    record_new(store, device, with_config("TM=1"), OUTCOME_OK, 10, true);
    record_new(store, device, with_config("TM=1"), OUTCOME_WRONG, NAN, false);
    record_new(store, device, with_config("TM=2"), OUTCOME_OK, 20, true);
    struct profile p;
    struct error err = {OK, ""};
    char *text = exported(store, device);
    WELL(profile_parse("test", text, strlen(text), &p, &err));
    cr_assert(p.n_records == 1 && !strcmp(p.records[0].config, "TM=2"));
    profile_free(&p);
    free(text);
    struct record_key newer = with_config("TM=3");
    newer.source_key = "fedcba9876543210";
    record_new(store, device, newer, OUTCOME_OK, 500, true);
    text = exported(store, device);
    WELL(profile_parse("test", text, strlen(text), &p, &err));
    cr_assert(p.n_records == 1 && !strcmp(p.records[0].config, "TM=3"));
    profile_free(&p);
    free(text);
    store_close(store);
}

Test(sharing, what_cannot_be_exported_says_why) {
    const char *path = database_new();
    struct store *store = opened(path, STORE_WRITE);
    const int64_t device = device_row(store, MODEL, VERSION);
    struct error err = {OK, ""};
    char *text = NULL;
    cr_assert_eq(store_export(store, device, "hone", &text, &err), STATUS_NOTHING);
    cr_assert(strstr(err.text, "holds no record of this device"), "%s", err.text);
    struct record_key hostile = with_config("TM=1\nrecord x");
    record_new(store, device, hostile, OUTCOME_OK, 10, true);
    cr_assert_eq(store_export(store, device, "hone", &text, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, path) && strstr(err.text, "line 6"), "%s", err.text);
    cr_assert_null(text);
    store_close(store);
}

Test(sharing, devices_newest_first) {
    struct store *store = opened(database_new(), STORE_WRITE);
    struct device_row *list;
    size_t n;
    struct error err = {OK, ""};
    device_row(store, MODEL, "never measured");
    record_new(store, device_row(store, MODEL, "driver 0"), key_usual, OUTCOME_OK, 10, true);
    record_new(store, device_row(store, MODEL, VERSION), key_usual, OUTCOME_OK, 10, true);
    sql_into(store_path(store),
             "UPDATE evaluations SET unix_s = 1800000000 WHERE evaluation_id = 1");
    WELL(store_devices(store, &list, &n, &err));
    cr_assert_eq(n, 2);
    cr_assert_str_eq(list[0].version, "driver 0");
    cr_assert(list[0].newest_unix_s == 1800000000 && list[0].evaluations == 1);
    cr_assert_str_eq(list[1].version, VERSION);
    device_rows_free(list, n);
    store_close(store);
}

/* ---- import ---- */

Test(sharing, an_export_can_be_imported_once) {
    struct store *store = opened(database_new(), STORE_WRITE);
    const int64_t device = device_row(store, MODEL, VERSION);
    record_new(store, device, key_usual, OUTCOME_OK, 10, true);
    char *text = exported(store, device);
    store_close(store);
    const char *path = database_new();
    store = opened(path, STORE_WRITE);
    bool is_new;
    struct error err = {OK, ""};
    WELL(store_import(store, "a.profile", text, strlen(text), &is_new, &err));
    cr_assert(is_new);
    WELL(store_import(store, "b.profile", text, strlen(text), &is_new, &err));
    cr_assert_not(is_new);
    expect_csv(store, "SELECT count(*) AS n FROM evaluations", "n\n0\n");
    expect_csv(store, "SELECT kind, model, version FROM facts",
               "kind,model,version\nprofile," MODEL "," VERSION "\n");
    free(text);
    store_close(store);
    expect_clean(path);
}

Test(sharing, what_is_no_profile_is_not_imported) {
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "line 0: it is empty"},
        {"SQLite format 3", "line 1"},
        {"hone-profile 2\narchitecture x\n", "it was cut short"},
        {"hone-profile 2\narchitecture x\nend 0\n", "holds no record"},
        {"hone-profile 2\narchitecture x\nrecord matmul m=1 f32 rows gemv - 1 0123456789abcdef\n"
         "end 2\n",
         "it ends with 2 records, and holds 1"},
    };
    struct store *store = opened(database_new(), STORE_WRITE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool is_new;
        struct error err = {OK, ""};
        const enum status st =
            store_import(store, "x.profile", cases[i].text, strlen(cases[i].text), &is_new, &err);
        cr_assert_eq(st, STATUS_INVALID);
        cr_assert(strstr(err.text, "x.profile") && strstr(err.text, cases[i].words), "%s",
                  err.text);
    }
    expect_csv(store, "SELECT count(*) AS n FROM facts", "n\n0\n");
    store_close(store);
}

/* ---- merge ---- */

/* Two evaluations, a bench, facts of several kinds, under numbers that differ from file to file. */
static const char *database_full(int padding, int64_t began) {
    const char *path = text_copy(database_new());
    struct store *store = opened(path, STORE_WRITE);
    struct error err = {OK, ""};
    for (int i = 0; i < padding; i++) {
        char version[32];
        snprintf(version, sizeof version, "padding %d", i);
        device_row(store, MODEL, version);
    }
    const int64_t device = device_row(store, MODEL, VERSION), session = started(store);
    add(store, session, device, 0, "TM=1", OUTCOME_OK, 100, began);
    add(store, session, device, 1, "TM=2", OUTCOME_COMPILE_FAILED, NAN, began + 1);
    WELL(store_bench_add(store, device, "matmul", "m=64,k=32,n=8",
                         "{\"time_ns\":5.0,\"rivals\":{\"openblas\":{\"time_ns\":7.0}}}", &err));
    WELL(store_fact_set(store, "plan", MODEL, VERSION, "model i8", "{\"choice\":\"\"}", &err));
    WELL(store_fact_set(store, "check", MODEL, VERSION, "x", "{\"why\":\"\"}", &err));
    char key[64];
    snprintf(key, sizeof key, "%lld matmul m=1 f32", (long long)session);
    WELL(store_fact_set(store, "seeds", MODEL, VERSION, key, "[]", &err));
    store_close(store);
    char *sql =
        text_format("UPDATE sessions SET began_unix_s = %lld; UPDATE facts SET unix_s = 100; "
                    "UPDATE benches SET unix_s = 100",
                    (long long)began);
    sql_into(path, sql);
    free(sql);
    return path;
}

/* Their keys begin with its number, which is another one here. */
Test(sharing, facts_of_a_session_go_with_its_number) {
    static const char *const kinds[] = {"seeds", "grants", "done", "finals", "cross"};
    const char *path = database_full(0, 1000), *other = database_full(0, 2000);
    struct error err = {OK, ""};
    struct store *store = opened(other, STORE_WRITE);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        WELL(store_fact_set(store, kinds[k], MODEL, VERSION, "1 matmul m=2 f32", "[]", &err));
    store_close(store);
    merged(path, other);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        char *sql = text_format("SELECT key FROM facts WHERE kind = '%s' AND key LIKE '%%m=2 f32'",
                                kinds[k]);
        expect_in(path, sql, "key\n2 matmul m=2 f32\n");
        free(sql);
    }
}

Test(sharing, a_merge_takes_everything_once) {
    const char *path = database_full(3, 1000), *other = database_full(0, 2000);
    const struct merge_tally t = merged(path, other);
    cr_assert(t.sessions == 1 && t.evaluations == 2 && t.samples == 3 && t.benches == 0,
              "%lld %lld %lld %lld", (long long)t.sessions, (long long)t.evaluations,
              (long long)t.samples, (long long)t.benches);
    expect_in(path, "SELECT count(*) AS n FROM sessions", "n\n2\n");
    expect_in(path, "SELECT key FROM facts WHERE kind = 'seeds' ORDER BY key",
              "key\n1 matmul m=1 f32\n2 matmul m=1 f32\n");
    expect_nothing_added(path, other);
    expect_clean(path);
    /* Into an empty one: a copy. */
    const char *copy = text_copy(database_new());
    store_close(opened(copy, STORE_WRITE));
    const struct merge_tally whole = merged(copy, path);
    cr_assert(whole.sessions == 2 && whole.benches == 1 && whole.facts == 3);
    expect_same(copy, path);
    expect_in(copy, "SELECT rival, rival_ns FROM bench_rivals", "rival,rival_ns\nopenblas,7.0\n");
    expect_in(copy, "SELECT count(*) AS n FROM facts WHERE kind = 'check'", "n\n0\n");
    expect_nothing_added(copy, path);
    expect_nothing_added(path, copy);
    expect_clean(copy);
}

Test(sharing, the_newer_fact_wins) {
    const char *path = database_full(0, 1000), *other = database_full(0, 1000);
    sql_into(other, "UPDATE facts SET value = '{\"choice\":\"residual\"}', unix_s = unix_s + 5 "
                    "WHERE kind = 'plan'");
    cr_assert_eq(merged(path, other).facts, 1);
    expect_in(path, "SELECT value FROM facts WHERE kind = 'plan'",
              "value\n\"{\"\"choice\"\":\"\"residual\"\"}\"\n");
    sql_into(other, "UPDATE facts SET value = '1', unix_s = 5 WHERE kind = 'plan'");
    cr_assert_eq(merged(path, other).facts, 0);
}

Test(sharing, a_session_that_went_on_is_one_session) {
    const char *path = database_full(0, 1000), *later = text_copy(database_new());
    copy_file(path, later);
    struct store *store = opened(later, STORE_WRITE);
    struct error err = {OK, ""};
    add(store, 1, 1, 2, "TM=3", OUTCOME_OK, 70, 50);
    /* Measured again among the finalists. */
    double samples[] = {90, 95, 92};
    struct evaluation e = evaluation_begun(1, 1, 0, with_config("TM=1"));
    e.id = 1, e.time_ns = 92, e.low_ns = 90, e.high_ns = 95, e.is_final = true;
    e.samples_ns = samples, e.n_samples = 3;
    WELL(store_refine(store, &e, &err));
    WELL(store_session_spend(store, 1, 77, "finished", &err));
    store_close(store);
    const struct merge_tally t = merged(path, later);
    cr_assert(t.sessions == 0 && t.evaluations == 1 && t.samples == 6);
    expect_same(path, later);
    expect_in(path, "SELECT spent_ns, state FROM sessions", "spent_ns,state\n77,finished\n");
    expect_nothing_added(path, later);
    expect_nothing_added(later, path);
    /* An older state of it brings nothing back. */
    expect_clean(path);
}

Test(sharing, rounds_of_both_are_kept) {
    const char *path = database_full(0, 1000), *other = text_copy(database_new());
    copy_file(path, other);
    const char *const files[] = {path, other};
    for (int i = 0; i < 2; i++) {
        struct store *store = opened(files[i], STORE_WRITE);
        struct error err = {OK, ""};
        double samples[] = {90 + i, 94 + i, 92 + i};
        struct evaluation e = evaluation_begun(1, 1, 0, with_config("TM=1"));
        e.id = 1, e.time_ns = 92 + i, e.samples_ns = samples, e.n_samples = 3;
        WELL(store_refine(store, &e, &err));
        store_close(store);
    }
    cr_assert_eq(merged(path, other).samples, 3);
    expect_in(path, "SELECT count(*) AS n, max(round) AS round FROM samples", "n,round\n9,2\n");
    expect_in(path, "SELECT time_ns FROM evaluations WHERE evaluation_id = 1", "time_ns\n93.0\n");
    expect_nothing_added(path, other);
    expect_clean(path);
}

Test(sharing, copies_that_went_on_apart_are_kept_beside_each_other) {
    const char *path = database_full(0, 1000), *other = text_copy(database_new());
    copy_file(path, other);
    struct store *store = opened(path, STORE_WRITE);
    add(store, 1, 1, 2, "TM=3", OUTCOME_OK, 70, 50);
    store_close(store);
    store = opened(other, STORE_WRITE);
    add(store, 1, 1, 2, "TM=4", OUTCOME_OK, 60, 51);
    store_close(store);
    const struct merge_tally t = merged(path, other);
    cr_assert(t.sessions == 1 && t.evaluations == 3);
    expect_in(path, "SELECT count(*) AS n FROM evaluations WHERE config IN ('TM=3', 'TM=4')",
              "n\n2\n");
    expect_nothing_added(path, other);
    expect_clean(path);
    /* Two sessions that began alike are two for a third database, too. */
    const char *third = text_copy(database_new());
    cr_assert_eq(merged(third, path).sessions, 2);
    expect_same(third, path);
    expect_nothing_added(third, path);
    expect_nothing_added(path, third);
    expect_clean(third);
}

Test(sharing, what_is_under_way_stays_where_it_is) {
    const char *path = text_copy(database_new()), *other = database_full(0, 1000);
    store_close(opened(path, STORE_WRITE));
    struct store *store = opened(other, STORE_WRITE);
    struct error err = {OK, ""};
    struct evaluation e = evaluation_begun(1, 1, 2, with_config("TM=9"));
    WELL(store_step(store, NULL, &e, &err));
    cr_assert_eq(merged(path, other).evaluations, 2);
    expect_in(path, "SELECT count(*) AS n FROM evaluations WHERE outcome = 'running'", "n\n0\n");
    /* It ends, and comes with the next merge; its own file knows it as running meanwhile. */
    const char *copy = text_copy(database_new());
    copy_file(other, copy);
    evaluation_end(&e, OUTCOME_OK, 30);
    WELL(store_step(store, &e, NULL, &err));
    store_close(store);
    cr_assert_eq(merged(path, other).evaluations, 1);
    cr_assert_eq(merged(copy, other).evaluations, 1);
    expect_same(path, other);
    expect_same(copy, other);
    expect_clean(copy);
}

/* ---- what may not be merged ---- */

Test(sharing, a_database_is_not_merged_into_itself) {
    const char *path = database_full(0, 1000);
    struct store *store = opened(path, STORE_WRITE), *other = opened(path, STORE_READ);
    struct merge_tally added;
    struct error err = {OK, ""};
    cr_assert_eq(store_merge(store, other, &added, &err), STATUS_USAGE);
    cr_assert(strstr(err.text, "into itself"), "%s", err.text);
    store_close(other);
    store_close(store);
}

Test(sharing, a_database_that_breaks_its_rules_changes_nothing) {
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"PRAGMA foreign_keys = OFF; DELETE FROM sessions", "session is missing"},
        {"PRAGMA foreign_keys = OFF; DELETE FROM devices", "device is missing"},
        {"PRAGMA foreign_keys = OFF; DELETE FROM problems WHERE problem LIKE 'm=256%'",
         "problem is missing"},
        {"DELETE FROM samples", "what was timed has samples"},
        {"UPDATE facts SET value = '{' WHERE kind = 'plan'", "not JSON"},
        {"UPDATE benches SET row = '{'", "not JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = database_full(0, 1000), *other = database_full(0, 2000);
        char *before, *after;
        size_t size_before, size_after;
        struct error err = {OK, ""};
        struct merge_tally added;
        sql_into(other, "UPDATE benches SET unix_s = 5; UPDATE facts SET unix_s = unix_s + 9");
        sql_into(other, cases[i].sql);
        WELL(path_read(path, 1 << 28, &before, &size_before, &err));
        struct store *store = opened(path, STORE_WRITE), *from = opened(other, STORE_READ);
        const enum status st = store_merge(store, from, &added, &err);
        cr_assert_neq(st, OK, "%s", cases[i].sql);
        cr_assert(strstr(err.text, cases[i].words), "\"%s\" does not say %s", err.text,
                  cases[i].words);
        cr_assert(strstr(err.text, other), "%s", err.text);
        cr_assert(!added.sessions && !added.evaluations && !added.facts && !added.benches);
        store_close(from);
        store_close(store);
        WELL(path_read(path, 1 << 28, &after, &size_after, &err));
        cr_assert(size_before == size_after && !memcmp(before, after, size_before));
        free(before);
        free(after);
    }
}

/* ---- many, and at once ---- */

/* A finished session of evaluations that have `samples` samples each. */
static const char *shard_new(int evaluations, int samples) {
    const char *path = database_full(0, 0);
    char *sql = text_format(
        "BEGIN; DELETE FROM samples; DELETE FROM evaluations; DELETE FROM facts; "
        "DELETE FROM rivals; DELETE FROM benches; "
        "CREATE TEMP TABLE n AS WITH RECURSIVE r(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM r "
        "WHERE i < %d) SELECT i FROM r; "
        "INSERT INTO evaluations (session_id, device_id, problem_id, class, layout, sequence, "
        "source_key, options, variant, config, outcome, time_ns, wall_ns, elapsed_ns, unix_s, "
        "boot_id, is_default) SELECT 1, 1, 1, 'f32', 'panel' || (i %% 4), i, '0123456789abcdef', "
        "'-DVW=16 -DTM=4 -DTN=2 -DUNROLL=4', 'tiled', 'VW=16,TM=4,TN=2,UNROLL=' || i, 'ok', "
        "1000.5 + i, 5000000 + i, i * 6000000, 1700000000 + i, 'boot', 0 FROM n; "
        "INSERT INTO samples SELECT evaluation_id, 0, s.i, time_ns FROM evaluations, n s "
        "WHERE s.i < %d; COMMIT",
        evaluations - 1, samples);
    sql_into(path, sql);
    free(sql);
    return path;
}

/* Rows with and without a message, a share, an NMSE; samples of one more than go in at once; long texts. */
static const char uneven[] =
    "UPDATE evaluations SET message = printf('%*s', CASE sequence WHEN 41 THEN 1500000 ELSE 9 END, "
    "sequence), share = 1.0 / (1 + sequence) WHERE sequence % 3 = 0 OR sequence = 41; "
    "UPDATE evaluations SET nmse = sequence / 1e9 WHERE sequence % 5 = 1; "
    "WITH RECURSIVE r(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM r WHERE i < 400) "
    "INSERT INTO samples SELECT evaluation_id, 0, i, time_ns + i FROM evaluations, r "
    "WHERE sequence = 20";

Test(sharing, rows_that_go_in_together_stay_apart) {
    const char *shard = shard_new(100, 3), *path = text_copy(database_new());
    const char *half = text_copy(database_new());
    sql_into(shard, uneven);
    cr_assert_eq(merged(path, shard).evaluations, 100);
    expect_same(path, shard);
    expect_nothing_added(path, shard);
    expect_clean(path);
    /* Every second one is there; of some of those a round was measured again. */
    copy_file(shard, half);
    sql_into(half,
             "DELETE FROM samples WHERE evaluation_id IN (SELECT evaluation_id FROM evaluations "
             "WHERE sequence % 2); DELETE FROM evaluations WHERE sequence % 2");
    sql_into(shard, "INSERT INTO samples SELECT evaluation_id, 1, 0, time_ns FROM evaluations "
                    "WHERE sequence % 4 = 0");
    const struct merge_tally t = merged(half, shard);
    cr_assert(t.evaluations == 50 && t.samples == 3 * 50 + 25 && !t.sessions);
    expect_same(half, shard);
    expect_nothing_added(half, shard);
    expect_clean(half);
}

/* 10,000 rows each: evaluations and their samples. */
Test(sharing, a_hundred_shards_of_ten_thousand_rows, .timeout = 120) {
    enum { SHARDS = 100, EVALUATIONS = 2500, SAMPLES = 3 };
    const char *path = text_copy(database_new()), *shard = shard_new(EVALUATIONS, SAMPLES);
    const char *folder = test_folder();
    char *files[SHARDS];
    for (int i = 0; i < SHARDS; i++) {
        files[i] = text_format("%s/%d.db", folder, i);
        copy_file(shard, files[i]);
        char *sql = text_format("PRAGMA synchronous = OFF; UPDATE sessions SET began_unix_s = %d",
                                1700000000 + i);
        sql_into(files[i], sql);
        free(sql);
    }
    struct store *store = opened(path, STORE_WRITE);
    struct error err = {OK, ""};
    struct merge_tally added;
    double seconds[2];
    mallopt(M_TRIM_THRESHOLD, 64 << 20); /* as hone db merge does */
    for (int pass = 0; pass < 2; pass++) {
        const clock_t began = clock();
        for (int i = 0; i < SHARDS; i++) {
            struct store *other = opened(files[i], STORE_READ);
            WELL(store_merge(store, other, &added, &err));
            cr_assert_eq(added.evaluations, pass ? 0 : EVALUATIONS);
            cr_assert_eq(added.samples, pass ? 0 : EVALUATIONS * SAMPLES);
            store_close(other);
        }
        seconds[pass] = (double)(clock() - began) / CLOCKS_PER_SEC;
    }
    store_close(store);
    expect_in(path, "SELECT count(*) AS n FROM evaluations", "n\n250000\n");
    expect_in(path, "SELECT count(*) AS n FROM samples", "n\n750000\n");
    for (int i = 0; i < SHARDS; i++) free(files[i]);
    /* Of the processor, since others work on the machine, too; 5 s are asked for on a quiet one. */
    cr_log_info(
        "checked %d shards of 10000 rows: merged in %.2f s of the processor, again in %.2f s",
        SHARDS, seconds[0], seconds[1]);
    cr_assert_lt(seconds[0], 8);
}

Test(sharing, two_writers_lose_nothing) {
    enum { SHARDS = 12 };
    const char *path = text_copy(database_new()), *shard = shard_new(300, 2);
    const char *folder = test_folder();
    store_close(opened(path, STORE_WRITE));
    for (int i = 0; i < SHARDS; i++) {
        char *file = text_format("%s/%d.db", folder, i);
        copy_file(shard, file);
        char *sql = text_format("UPDATE sessions SET began_unix_s = %d", i);
        sql_into(file, sql);
        free(sql);
        free(file);
    }
    pid_t writers[2];
    for (int w = 0; w < 2; w++) {
        if ((writers[w] = fork()) != 0) continue;
        int failed = 0;
        for (int i = w; i < SHARDS; i += 2) {
            char *file = text_format("%s/%d.db", folder, i);
            struct store *store = NULL, *other = NULL;
            struct merge_tally added;
            failed |= store_open(path, STORE_WRITE, &store, NULL) != OK ||
                      store_open(file, STORE_READ, &other, NULL) != OK ||
                      store_merge(store, other, &added, NULL) != OK;
            store_close(other);
            store_close(store);
            free(file);
        }
        _exit(failed);
    }
    for (int w = 0; w < 2; w++) {
        int status;
        cr_assert_eq(waitpid(writers[w], &status, 0), writers[w]);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "writer %d failed", w);
    }
    expect_in(path, "SELECT count(*) AS n FROM sessions", "n\n12\n");
    expect_in(path, "SELECT count(*) AS n FROM evaluations", "n\n3600\n");
    expect_in(path, "SELECT count(*) AS n FROM samples", "n\n7200\n");
    expect_clean(path);
}
