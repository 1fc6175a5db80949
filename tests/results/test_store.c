/* test_store.c: what goes into the database comes out of it; what cannot be does not go in. */
#include "tests/results/records.h"
#include "base/clock.h"
#include "results/sql.h"
#include <sys/stat.h>
#include <unistd.h>

/* ---- open ---- */

Test(store, is_made_with_its_folder_and_opened_again) {
    char *path = text_format("%s/new/folder/hone.db", test_folder());
    struct store *store = opened(path, STORE_WRITE);
    cr_assert_str_eq(store_path(store), path);
    const int64_t device = device_row(store, MODEL, VERSION);
    store_close(store);
    store = opened(path, STORE_WRITE);
    cr_assert_eq(device_row(store, MODEL, VERSION), device);
    store_close(store);
    store = opened(path, STORE_READ);
    expect_csv(store, "SELECT name, uuid FROM devices", "name,uuid\nDevice,uuid\n");
    store_close(store);
    expect_clean(path);
    free(path);
    store_close(NULL);
}

Test(store, an_empty_file_is_a_new_one) {
    const char *path = database_new();
    fclose(fopen(path, "we"));
    store_close(opened(path, STORE_WRITE));
    expect_clean(path);
}

Test(store, relative_paths_and_odd_names_are_files) {
    cr_assert_eq(chdir(test_folder()), 0);
    static const char *const names[] = {"plain.db", ":memory:", "file:x?mode=memory", "a b%20c"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        store_close(opened(names[i], STORE_WRITE));
        cr_assert_eq(access(names[i], F_OK), 0, "%s is not there", names[i]);
        expect_clean(names[i]);
    }
}

Test(store, the_place_is_option_variable_or_data_folder) {
    setenv("HONE_DB", "/variable.db", 1);
    setenv("XDG_DATA_HOME", "/data", 1);
    static const struct {
        const char *option, *expected;
    } cases[] = {{"/option.db", "/option.db"}, {NULL, "/variable.db"}, {"", "/variable.db"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = store_default_path(cases[i].option);
        cr_assert_str_eq(path, cases[i].expected);
        free(path);
    }
    setenv("HONE_DB", "", 1);
    char *path = store_default_path(NULL);
    cr_assert_str_eq(path, "/data/hone/hone.db");
    free(path);
}

/* ---- statements ---- */

/* The next query with the same text has the statement of the one before, with nothing bound; two at once have
 * one each. What is kept is bounded, and changes of the schema do not disturb it. */
Test(store, statements_are_compiled_once) {
    struct error err = {OK, ""};
    static const char sql[] = "SELECT :text";
    struct store *store = opened(database_new(), STORE_WRITE);
    struct query first, second;
    WELL(query_open(&first, store, "asking", sql, &err));
    WELL(query_open(&second, store, "asking", sql, &err));
    cr_assert_neq(first.stmt, second.stmt);
    query_bind_text(&first, ":text", "one");
    query_bind_text(&second, ":text", "two");
    WELL(query_next(&second, &err));
    WELL(query_next(&first, &err));
    cr_assert_str_eq(query_peek(&first, 0), "one");
    cr_assert_str_eq(query_peek(&second, 0), "two");
    const sqlite3_stmt *kept = second.stmt, *also_kept = first.stmt;
    query_close(&second);
    WELL(sql_run(store, "changing", "CREATE TABLE other (a)", &err));
    WELL(query_open(&second, store, "asking", sql, &err));
    cr_assert_eq(second.stmt, kept);
    WELL(query_next(&second, &err));
    cr_assert_str_eq(query_peek(&second, 0), "");
    query_close(&second);
    query_close(&first);
    int64_t number;
    for (int i = 0; i < 3 * STATEMENTS_KEPT; i++)
        WELL(sql_number(store, "asking", "SELECT 1", &number, &err));
    WELL(query_open(&first, store, "asking", sql, &err));
    cr_assert(first.stmt == kept || first.stmt == also_kept, "another one, often, drove it out");
    query_close(&first);
    for (int i = 0; i < 3 * STATEMENTS_KEPT; i++) {
        char *text = text_format("SELECT %d", i);
        WELL(sql_number(store, "asking", text, &number, &err));
        cr_assert_eq(number, i);
        free(text);
    }
    int n = 0;
    for (sqlite3_stmt *s = sqlite3_next_stmt(store->db, NULL); s;
         s = sqlite3_next_stmt(store->db, s))
        n++;
    cr_assert_eq(n, STATEMENTS_KEPT);
    sql_forget(store);
    cr_assert_null(sqlite3_next_stmt(store->db, NULL));
    store_close(store);
}

/* ---- devices, sessions ---- */

Test(store, a_device_is_its_model_and_version) {
    struct store *store = opened(database_new(), STORE_WRITE);
    const int64_t a = device_row(store, MODEL, VERSION);
    cr_assert_neq(device_row(store, MODEL, "driver 2|platform 1"), a);
    cr_assert_neq(device_row(store, "another", VERSION), a);
    cr_assert_eq(device_row(store, MODEL, VERSION), a);
    store_close(store);
}

Test(store, a_session_is_found_by_all_that_was_asked) {
    struct store *store = opened(database_new(), STORE_WRITE);
    struct error err = {OK, ""};
    struct session_row asked = session_usual(device_row(store, MODEL, VERSION)), found;
    asked.seed = UINT64_MAX - 5;
    asked.evaluations = 7;
    cr_assert_eq(store_session_find(store, &asked, &found, &err), STATUS_NOTHING);
    WELL(store_session_begin(store, &asked, &err));
    const int64_t first = asked.id;
    WELL(store_session_begin(store, &asked, &err));
    cr_assert_neq(asked.id, first);
    WELL(store_session_spend(store, asked.id, 1234, "interrupted", &err));
    WELL(store_session_find(store, &asked, &found, &err));
    cr_assert_eq(found.id, asked.id, "the newest");
    cr_assert(found.seed == asked.seed && found.evaluations == 7 && found.spent_ns == 1234 &&
              found.budget_ns == asked.budget_ns && found.device_id == asked.device_id);
    cr_assert_str_eq(found.state, "interrupted");
    cr_assert_str_eq(found.problems, asked.problems);
    cr_assert_str_eq(found.strategy, "local");
    session_row_free(&found);

    char other_text[] = "other";
    struct session_row others[5] = {asked, asked, asked, asked, asked};
    others[0].problems = other_text;
    others[1].strategy = other_text;
    others[2].seed++;
    others[3].budget_ns++;
    others[4].evaluations++;
    for (int i = 0; i < 5; i++)
        cr_assert_eq(store_session_find(store, &others[i], &found, &err), STATUS_NOTHING);
    store_close(store);
}

Test(store, a_session_that_is_not_there_spends_nothing) {
    struct store *store = opened(database_new(), STORE_WRITE);
    struct error err = {OK, ""};
    cr_assert_eq(store_session_spend(store, 5, 1, "running", &err), STATUS_DB);
    cr_assert(strstr(err.text, "no session 5"), "%s", err.text);
    const int64_t session = session_new(store, device_row(store, MODEL, VERSION));
    cr_assert_eq(store_session_spend(store, session, 1, "asleep", &err), STATUS_DB);
    cr_assert(strstr(err.text, "CHECK"), "%s", err.text);
    store_close(store);
}

/* ---- evaluations ---- */

static struct evaluation only_evaluation(struct store *store, int64_t session_id) {
    struct evaluation *list = NULL, one;
    size_t n = 0;
    struct error err = {OK, ""};
    WELL(store_history(store, session_id, &key_usual, &list, &n, &err));
    cr_assert_eq(n, 1, "%zu evaluations", n);
    one = list[0];
    free(list);
    return one;
}

static void expect_key(const struct record_key *a, const struct record_key *b) {
    cr_assert_str_eq(a->source_key, b->source_key);
    cr_assert_str_eq(a->options, b->options);
    cr_assert_str_eq(a->family, b->family);
    cr_assert_str_eq(a->problem, b->problem);
    cr_assert_str_eq(a->class_name, b->class_name);
    cr_assert_str_eq(a->layout, b->layout);
    cr_assert_str_eq(a->variant, b->variant);
    cr_assert_str_eq(a->config, b->config);
}

Test(store, an_evaluation_comes_back_as_it_went_in) {
    struct store *store = opened(database_new(), STORE_WRITE);
    struct error err = {OK, ""};
    const int64_t device = device_row(store, MODEL, VERSION), session = session_new(store, device);
    struct evaluation e = evaluation_begun(session, device, 0, key_usual);
    e.is_default = true;
    WELL(store_step(store, NULL, &e, &err));
    cr_assert_gt(e.id, 0);
    struct evaluation back = only_evaluation(store, session);
    cr_assert(back.id == e.id && back.outcome == OUTCOME_RUNNING && back.is_default);
    cr_assert(isnan(back.time_ns) && isnan(back.nmse) && back.n_samples == 0 && !back.message);
    expect_key(&back.key, &key_usual);
    evaluation_free(&back);

    char message[] = "a sentence, with \"quotes\"\nand ümlauts",
         conditions[] = "{\"load\":\"0.1\"}";
    evaluation_end(&e, OUTCOME_OK, 1000.125);
    e.message = message;
    e.floor_ns = 10.5, e.ceiling_gbps = 40.25, e.ceiling_gflops = 300.5, e.share = 0.75;
    e.nmse = 1.25e-14;
    e.build_ns = 11, e.check_ns = 12, e.wall_ns = 13, e.elapsed_ns = 14;
    e.conditions = conditions;
    e.unix_s = 1700000001;
    e.is_resumed = true;
    WELL(store_step(store, &e, NULL, &err));
    back = only_evaluation(store, session);
    cr_assert(back.session_id == session && back.device_id == device && back.sequence == 0);
    cr_assert(back.outcome == OUTCOME_OK && back.time_ns == 1000.125 && back.low_ns == e.low_ns &&
              back.high_ns == e.high_ns);
    cr_assert(back.floor_ns == 10.5 && back.ceiling_gbps == 40.25 && back.ceiling_gflops == 300.5 &&
              back.share == 0.75 && back.nmse == 1.25e-14);
    cr_assert(back.build_ns == 11 && back.check_ns == 12 && back.wall_ns == 13 &&
              back.elapsed_ns == 14 && back.unix_s == 1700000001);
    cr_assert(back.is_default && !back.is_final && back.is_resumed);
    cr_assert_str_eq(back.message, message);
    cr_assert_str_eq(back.conditions, conditions);
    cr_assert_eq(back.n_samples, 3);
    cr_assert_arr_eq(back.samples_ns, e.samples_ns, 3 * sizeof(double));
    evaluation_free(&back);
    evaluation_free(&back); /* twice is fine */
    store_close(store);
}

Test(store, the_step_is_one_transaction) {
    struct store *store = opened(database_new(), STORE_WRITE);
    struct error err = {OK, ""};
    const int64_t device = device_row(store, MODEL, VERSION), session = session_new(store, device);
    struct evaluation a = evaluation_begun(session, device, 0, key_usual),
                      b = evaluation_begun(session, device, 0, key_usual);
    WELL(store_step(store, NULL, &a, &err));
    /* The same sequence twice: refused, and the outcome that came with it is not kept either. */
    evaluation_end(&a, OUTCOME_OK, 5);
    cr_assert_eq(store_step(store, &a, &b, &err), STATUS_DB);
    cr_assert_eq(b.id, 0);
    struct evaluation back = only_evaluation(store, session);
    cr_assert_eq(back.outcome, OUTCOME_RUNNING);
    cr_assert_eq(back.n_samples, 0);
    evaluation_free(&back);
    b.sequence = 1;
    WELL(store_step(store, &a, &b, &err));
    /* A second one under way in the same session. */
    struct evaluation c = evaluation_begun(session, device, 2, key_usual);
    cr_assert_eq(store_step(store, NULL, &c, &err), STATUS_DB);
    /* An outcome of nothing. */
    a.id = 77;
    cr_assert_eq(store_step(store, &a, NULL, &err), STATUS_DB);
    cr_assert(strstr(err.text, "77"), "%s", err.text);
    store_close(store);
}

Test(store, what_cannot_be_is_refused) {
    struct store *store = opened(database_new(), STORE_WRITE);
    struct error err = {OK, ""};
    const int64_t device = device_row(store, MODEL, VERSION), session = session_new(store, device);
    struct evaluation e = evaluation_begun(session, device, 0, key_usual);
    WELL(store_step(store, NULL, &e, &err));
    e.outcome = OUTCOME_OK;
    cr_assert_eq(store_step(store, &e, NULL, &err), STATUS_DB, "ok without a time");
    evaluation_end(&e, OUTCOME_OK, 5);
    e.time_ns = -5;
    cr_assert_eq(store_step(store, &e, NULL, &err), STATUS_DB, "a negative time");
    e.time_ns = 1e9;
    cr_assert_eq(store_step(store, &e, NULL, &err), STATUS_DB, "outside of its interval");
    evaluation_end(&e, OUTCOME_OK, 5);
    char broken[] = "{not JSON";
    e.conditions = broken;
    cr_assert_eq(store_step(store, &e, NULL, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "{not JSON"), "%s", err.text);
    e.conditions = NULL;
    evaluation_end(&e, OUTCOME_WRONG, NAN);
    e.is_final = true;
    cr_assert_eq(store_step(store, &e, NULL, &err), STATUS_DB, "wrong and final");
    struct evaluation stray = evaluation_begun(session + 5, device, 0, key_usual);
    cr_assert_eq(store_step(store, NULL, &stray, &err), STATUS_DB, "no such session");
    stray = evaluation_begun(session, device_row(store, MODEL, "2"), 1, key_usual);
    cr_assert_eq(store_step(store, NULL, &stray, &err), STATUS_DB, "not the session's device");
    store_close(store);
}

Test(store, history_is_in_the_order_asked) {
    struct store *store = opened(database_new(), STORE_WRITE);
    struct error err = {OK, ""};
    const int64_t device = device_row(store, MODEL, VERSION), session = session_new(store, device);
    struct record_key other = key_usual;
    other.layout = "rows";
    struct evaluation e[6];
    for (int i = 0; i < 6; i++) {
        e[i] = evaluation_begun(session, device, i, i % 2 ? other : key_usual);
        WELL(store_step(store, i ? &e[i - 1] : NULL, &e[i], &err));
        evaluation_end(&e[i], i == 4 ? OUTCOME_TIMEOUT : OUTCOME_OK, 100 + i);
    }
    WELL(store_step(store, &e[5], NULL, &err));
    struct evaluation *list = NULL;
    size_t n = 0;
    WELL(store_history(store, session, &key_usual, &list, &n, &err));
    cr_assert_eq(n, 3);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(list[i].sequence, 2 * (int64_t)i);
        cr_assert_eq(list[i].outcome, i == 2 ? OUTCOME_TIMEOUT : OUTCOME_OK);
        evaluation_free(&list[i]);
    }
    free(list);
    WELL(store_history(store, session + 1, &key_usual, &list, &n, &err));
    cr_assert_eq(n, 0);
    free(list);
    store_close(store);
}

Test(store, refining_adds_a_round_of_samples) {
    struct store *store = opened(database_new(), STORE_WRITE);
    struct error err = {OK, ""};
    const int64_t device = device_row(store, MODEL, VERSION), session = session_new(store, device);
    struct evaluation e = evaluation_begun(session, device, 0, key_usual);
    WELL(store_step(store, NULL, &e, &err));
    evaluation_end(&e, OUTCOME_OK, 100);
    cr_assert_eq(store_refine(store, &e, &err), STATUS_DB, "it is not ok yet");
    WELL(store_step(store, &e, NULL, &err));
    evaluation_end(&e, OUTCOME_OK, 200);
    e.is_final = true;
    e.share = 0.5;
    WELL(store_refine(store, &e, &err));
    struct evaluation back = only_evaluation(store, session);
    const double expected[6] = {125, 75, 100, 250, 150, 200};
    cr_assert(back.time_ns == 200 && back.low_ns == 150 && back.share == 0.5 && back.is_final);
    cr_assert_eq(back.n_samples, 6);
    cr_assert_arr_eq(back.samples_ns, expected, sizeof expected);
    evaluation_free(&back);
    expect_csv(store, "SELECT round, count(*) AS n FROM samples GROUP BY round",
               "round,n\n0,3\n1,3\n");
    /* A final that turns out wrong: its samples stay, its time goes. */
    e.is_final = false;
    e.n_samples = 0;
    e.time_ns = e.low_ns = e.high_ns = NAN;
    e.outcome = OUTCOME_WRONG;
    WELL(store_step(store, &e, NULL, &err));
    back = only_evaluation(store, session);
    cr_assert(back.outcome == OUTCOME_WRONG && isnan(back.time_ns) && back.n_samples == 6);
    evaluation_free(&back);
    store_close(store);
}

/* ---- several things at once ---- */

static int64_t count_of(const char *path, const char *sql) {
    struct store *store = opened(path, STORE_READ);
    struct error err = {OK, ""};
    char *csv = NULL;
    WELL(store_csv(store, sql, &csv, &err));
    const int64_t n = strtoll(strchr(csv, '\n') + 1, NULL, 10);
    free(csv);
    store_close(store);
    return n;
}

Test(store, a_group_is_one_transaction) {
    static const char rows[] = "SELECT (SELECT count(*) FROM evaluations) + "
                               "10 * (SELECT count(*) FROM facts)";
    const char *path = database_new();
    struct store *store = opened(path, STORE_WRITE);
    struct error err = {OK, ""};
    const int64_t device = device_row(store, MODEL, VERSION), session = session_new(store, device);
    struct evaluation e = evaluation_begun(session, device, 0, key_usual);
    WELL(store_begin(store, &err));
    WELL(store_step(store, NULL, &e, &err));
    WELL(store_fact_set(store, "finals", MODEL, VERSION, "1", "1", &err));
    cr_assert_eq(count_of(path, rows), 0, "nothing is there before the end");
    WELL(store_end(store, OK, &err));
    cr_assert_eq(count_of(path, rows), 11);
    /* What fails takes the rest with it. */
    evaluation_end(&e, OUTCOME_OK, 100);
    WELL(store_begin(store, &err));
    WELL(store_step(store, &e, NULL, &err));
    const enum status st = store_fact_set(store, "finals", MODEL, VERSION, "2", "no JSON", &err);
    cr_assert_eq(st, STATUS_INVALID);
    cr_assert_eq(store_end(store, st, &err), st);
    cr_assert_eq(count_of(path, rows), 11);
    cr_assert_eq(count_of(path, "SELECT count(*) FROM evaluations WHERE outcome = 'ok'"), 0);
    WELL(store_step(store, &e, NULL, &err));
    cr_assert_eq(count_of(path, "SELECT count(*) FROM evaluations WHERE outcome = 'ok'"), 1);
    store_close(store);
}

/* ---- what was left running ---- */

static void expect_running(struct store *store, int64_t device, const char *boot, size_t expected,
                           bool same, bool resumed) {
    struct evaluation *list = NULL;
    bool *same_boot = NULL;
    size_t n = 0;
    struct error err = {OK, ""};
    WELL(store_running(store, device, boot, &list, &n, &same_boot, &err));
    cr_assert_eq(n, expected, "%zu are running", n);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(same_boot[i], same);
        cr_assert_eq(list[i].is_resumed, resumed);
        expect_key(&list[i].key, &key_usual);
        evaluation_free(&list[i]);
    }
    free(list);
    free(same_boot);
}

Test(store, what_was_left_running_is_found_with_its_boot) {
    struct store *store = opened(database_new(), STORE_WRITE);
    struct error err = {OK, ""};
    const int64_t device = device_row(store, MODEL, VERSION),
                  other = device_row(store, MODEL, "another");
    struct evaluation e = evaluation_begun(session_new(store, device), device, 0, key_usual);
    WELL(store_step(store, NULL, &e, &err));
    expect_running(store, device, clock_boot_id(), 1, clock_boot_id()[0] != 0, false);
    expect_running(store, device, "another boot", 1, false, false);
    expect_running(store, device, "", 1, false, false);
    expect_running(store, other, clock_boot_id(), 0, false, false);
    /* Tried once more: the row says so, whatever comes later. */
    e.is_resumed = true;
    WELL(store_step(store, &e, NULL, &err));
    expect_running(store, device, "another boot", 1, false, true);
    e.is_resumed = false;
    evaluation_end(&e, OUTCOME_OK, 10);
    WELL(store_step(store, &e, NULL, &err));
    expect_running(store, device, clock_boot_id(), 0, false, false);
    expect_csv(store, "SELECT is_resumed FROM evaluations", "is_resumed\n1\n");
    store_close(store);
}
