/* test_report.c: facts, benches, queries as CSV, the views that figures are drawn from, the rules that
 * `hone db check` proves. */
#include "tests/results/direct.h"
#include "tests/results/records.h"
#include <unistd.h>

/* ---- facts and benches ---- */

Test(report, facts_are_kept_by_four_keys) {
    struct store *store = opened(database_new(), STORE_WRITE);
    struct error err = {OK, ""};
    char *value = NULL;
    cr_assert_eq(store_fact_get(store, "plan", "m", "v", "k", &value, &err), STATUS_NOTHING);
    cr_assert_null(value);
    WELL(store_fact_set(store, "plan", "m", "v", "k", "{\"fused\":true}", &err));
    WELL(store_fact_set(store, "plan", "m", "v", "other", "1", &err));
    WELL(store_fact_get(store, "plan", "m", "v", "k", &value, &err));
    cr_assert_str_eq(value, "{\"fused\":true}");
    free(value);
    WELL(store_fact_set(store, "plan", "m", "v", "k", "2", &err));
    WELL(store_fact_get(store, "plan", "m", "v", "k", &value, &err));
    cr_assert_str_eq(value, "2");
    free(value);
    cr_assert_eq(store_fact_get(store, "class", "m", "v", "k", &value, &err), STATUS_NOTHING);
    cr_assert_eq(store_fact_get(store, "plan", "m2", "v", "k", &value, &err), STATUS_NOTHING);
    cr_assert_eq(store_fact_get(store, "plan", "m", "v2", "k", &value, &err), STATUS_NOTHING);
    cr_assert_eq(store_fact_set(store, "plan", "m", "v", "k", "{", &err), STATUS_INVALID);
    store_close(store);
}

Test(report, a_row_of_a_bench_has_columns_and_rivals) {
    struct store *store = opened(database_new(), STORE_WRITE);
    struct error err = {OK, ""};
    const int64_t device = device_row(store, MODEL, VERSION);
    static const char row[] =
        "{\"family\":\"gemm\",\"class\":\"f32\",\"layout\":\"panel16\",\"profile\":\"tuned\","
        "\"variant\":\"tiled\",\"config\":\"TM=4\",\"time_ns\":1000.0,\"low_ns\":null,"
        "\"gflops\":250,\"ceiling_gflops\":500.5,\"outcome\":\"ok\",\"rivals\":{\"clblast\":{"
        "\"time_ns\":20000.0},"
        "\"openblas\":{\"time_ns\":null,\"why\":\"no\"}}}";
    WELL(store_bench_add(store, device, "matmul", "m=64,k=32,n=8", row, &err));
    expect_csv(store,
               "SELECT family, m, k, n, w, slice, profile, variant, config, time_ns, low_ns, "
               "gflops, ceiling_gflops FROM bench_rows",
               "family,m,k,n,w,slice,profile,variant,config,time_ns,low_ns,gflops,"
               "ceiling_gflops\n"
               "matmul,64,32,8,,gemm,tuned,tiled,TM=4,1000.0,,250.0,500.5\n");
    expect_csv(store, "SELECT rival, rival_ns, speedup FROM bench_rivals",
               "rival,rival_ns,speedup\nclblast,20000.0,20.0\nopenblas,,\n");
    cr_assert_eq(store_bench_add(store, device, "matmul", "m=1", "[]", &err), STATUS_INVALID);
    cr_assert_eq(store_bench_add(store, device, "matmul", "m=1", "{", &err), STATUS_INVALID);
    cr_assert_eq(store_bench_add(store, 99, "matmul", "m=1", "{}", &err), STATUS_DB);
    expect_csv(store, "SELECT count(*) AS n FROM problems", "n\n1\n");
    store_close(store);
}

/* ---- queries of the report ---- */

Test(report, csv_quotes_what_needs_it) {
    struct store *store = opened(database_new(), STORE_WRITE);
    expect_csv(store,
               "SELECT 1 AS \"a,b\", 'x\"y' AS c, 'two\nlines' AS d, NULL AS e, '' AS f, 0.5",
               "\"a,b\",c,d,e,f,0.5\n1,\"x\"\"y\",\"two\nlines\",,,0.5\n");
    expect_csv(store, "SELECT problem FROM problems;  \n", "problem\n");
    store_close(store);
}

Test(report, csv_only_reads) {
    const char *path = database_new();
    struct store *store = opened(path, STORE_WRITE);
    struct error err = {OK, ""};
    device_row(store, MODEL, VERSION);
    static const char *const refused[] = {
        "DELETE FROM devices",
        "INSERT INTO facts VALUES ('a', 'b', 'c', 'd', '1', 1)",
        "UPDATE devices SET name = 'x' RETURNING name",
        "UPDATE sqlite_schema SET sql = ''",
        "DROP VIEW records",
        "CREATE TEMP TABLE t (a)",
        "ATTACH 'other.db' AS other",
        "BEGIN",
        "COMMIT",
        "PRAGMA user_version = 7",
        "PRAGMA user_version",
        "VACUUM INTO 'copy.db'",
        "SELECT 1; DELETE FROM devices",
        "SELECT load_extension('x')",
        "SELECT nonsense FROM nowhere",
        "SELEC 1",
        "",
        "-- nothing",
    };
    expect_csv(store, "SELECT key, value FROM json_each('{\"VW\":\"4\"}')", "key,value\nVW,4\n");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char *csv = NULL;
        cr_assert_neq(store_csv(store, refused[i], &csv, &err), OK, "%s was run", refused[i]);
        cr_assert_null(csv);
        cr_assert_gt(strlen(err.text), 0);
    }
    expect_csv(store, "SELECT count(*) AS n FROM devices", "n\n1\n");
    const int64_t device = device_row(store, MODEL, VERSION); /* and writing still works */
    cr_assert_gt(device, 0);
    store_close(store);
    expect_clean(path);
}

Test(report, a_reader_does_not_write) {
    const char *path = database_new();
    store_close(opened(path, STORE_WRITE));
    struct store *store = opened(path, STORE_READ);
    struct error err = {OK, ""};
    int64_t n;
    cr_assert_eq(store_device(store, MODEL, VERSION, "d", "u", &n, &err), STATUS_DB);
    cr_assert(strstr(err.text, "read-only"), "%s", err.text);
    cr_assert_eq(store_retry(store, &n, &err), STATUS_DB);
    store_close(store);
}

/* ---- views ---- */

Test(report, views_draw_a_session) {
    struct store *store = opened(database_new(), STORE_WRITE);
    struct error err = {OK, ""};
    const int64_t device = device_row(store, MODEL, VERSION), session = session_new(store, device);
    static const struct {
        const char *config;
        enum outcome outcome;
        double time_ns;
    } story[] = {{"TM=1", OUTCOME_OK, 400},
                 {"TM=2", OUTCOME_CRASHED, NAN},
                 {"TM=3", OUTCOME_OK, 200},
                 {"TM=4", OUTCOME_ABANDONED, 100},
                 {"TM=5", OUTCOME_OK, 300}};
    enum { N = sizeof story / sizeof *story };
    struct evaluation e[N];
    for (int i = 0; i < N; i++) {
        e[i] = evaluation_begun(session, device, i, with_config(story[i].config));
        e[i].is_default = i == 0;
        WELL(store_step(store, i ? &e[i - 1] : NULL, &e[i], &err));
        evaluation_end(&e[i], story[i].outcome, story[i].time_ns);
        e[i].elapsed_ns = (i + 1) * INT64_C(500000000);
    }
    expect_csv(store, "SELECT evaluations, elapsed_s, best_ns FROM progress",
               "evaluations,elapsed_s,best_ns\n1,0.5,400.0\n2,1.0,400.0\n3,1.5,200.0\n"
               "4,2.0,200.0\n");
    WELL(store_step(store, &e[N - 1], NULL, &err));
    evaluation_end(&e[N - 1], OUTCOME_OK, 300);
    e[N - 1].is_final = true;
    WELL(store_refine(store, &e[N - 1], &err));
    expect_csv(store,
               "SELECT family, problem, m, k, n, w, class, config, time_ns, default_ns, "
               "evaluations, failed, is_final, is_latest FROM winners",
               "family,problem,m,k,n,w,class,config,time_ns,default_ns,evaluations,failed,"
               "is_final,is_latest\n"
               "matmul,\"m=256,k=128,n=16,w=q4:128\",256,128,16,q4:128,f32,TM=5,300.0,400.0,5,1,"
               "1,1\n");
    expect_csv(store, "SELECT line FROM profile_lines",
               "line\n\"record matmul m=256,k=128,n=16,w=q4:128 f32 panel16 tiled TM=5 300.0 "
               "0123456789abcdef\"\n");
    expect_csv(store, "SELECT config, outcome, times FROM quarantine",
               "config,outcome,times\nTM=2,crashed,1\n");
    expect_csv(store, "SELECT field, value, size FROM fields",
               "field,value,size\nk,128,128\nm,256,256\nn,16,16\nw,q4:128,\n");
    /* A later session has the word. */
    record_new(store, device, with_config("TM=6"), OUTCOME_OK, 350, true);
    expect_csv(store, "SELECT config, is_latest FROM winners ORDER BY session_id",
               "config,is_latest\nTM=5,0\nTM=6,1\n");
    store_close(store);
}

/* ---- check ---- */

Test(report, check_finds_what_breaks_its_rules) {
    static const struct {
        const char *sql, *finding;
    } cases[] = {
        {"DELETE FROM samples", "what was timed has samples: evaluation 1"},
        {"UPDATE samples SET time_ns = 7000",
         "the time lies within its last samples: evaluation 1"},
        {"UPDATE evaluations SET outcome = 'running', time_ns = NULL, low_ns = NULL; "
         "UPDATE sessions SET state = 'finished'",
         "nothing under way: evaluation 1 of session 1"},
        {"UPDATE evaluations SET sequence = 3", "without gaps: session 1, matmul m=256"},
        {"DELETE FROM devices", "a reference leads nowhere: sessions row 1 to devices"},
        {"DELETE FROM problems", "a reference leads nowhere: evaluations row 1 to problems"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = database_new();
        struct store *store = opened(path, STORE_WRITE);
        struct error err = {OK, ""};
        record_new(store, device_row(store, MODEL, VERSION), key_usual, OUTCOME_OK, 50, false);
        store_close(store);
        expect_clean(path);
        sql_into(path, cases[i].sql);
        store = opened(path, STORE_READ);
        char *report = NULL;
        cr_assert_eq(store_check(store, &report, &err), STATUS_WRONG, "%s", cases[i].sql);
        cr_assert(strstr(report, cases[i].finding), "%s: %s", cases[i].sql, report);
        cr_assert(strstr(err.text, path), "%s", err.text);
        free(report);
        store_close(store);
    }
}
