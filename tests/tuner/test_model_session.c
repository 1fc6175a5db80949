/* test_model_session.c: sessions that know how often a problem is used: what matters most comes first, what is good
 * at one n is measured at the others and at n between, one layout is chosen, the engine takes it; killed in
 * the middle of it, the same command goes on. */
#include "base/clock.h"
#include "base/str.h"
#include "results/store.h"
#include "runtime/routes.h"
#include "tests/results/direct.h"
#include "tests/support.h"
#include "tuner/session.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROBLEMS = 4, SMALL = 0, PREFILL = 1, BETWEEN = 2, DECODE = 3 };
static const double weights[PROBLEMS] = {1, 1.0 / 32, 0, 1};

static struct session_options options_for(const char *database) {
    static struct problem problems[PROBLEMS];
    static const char *const texts[PROBLEMS][2] = {{"rmsnorm", "k=64,n=1,r=0"},
                                                   {"matmul", "m=256,k=256,n=32,w=f32"},
                                                   {"matmul", "m=256,k=256,n=8,w=f32"},
                                                   {"matmul", "m=256,k=256,n=1,w=f32"}};
    struct error err = {0};
    for (int i = 0; i < PROBLEMS; i++)
        cr_assert_eq(problem_parse(slice_find(texts[i][0]), texts[i][1], &problems[i], &err), OK,
                     "%s", err.text);
    return (struct session_options){.database = database,
                                    .problems = problems,
                                    .n_problems = PROBLEMS,
                                    .weights = weights,
                                    .strategy = "random",
                                    .seed = 1,
                                    .evaluations = 2,
                                    .lock_text = "test_model_session"};
}

static const char *database(void) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/hone.db", test_folder());
    return path;
}

static json_t *run_on(const char *path, bool more) {
    struct session_options options = options_for(path);
    options.more = more;
    struct error err = {0};
    json_t *result = NULL;
    cr_assert_eq(session_run(&options, &result, &err), OK, "%s", err.text);
    cr_assert_str_eq(
        json_string_value(json_object_get(json_object_get(result, "session"), "state")),
        "finished");
    return result;
}

static json_t *run(const char *path) {
    return run_on(path, false);
}

/* The first number of the answer; −1: there is none, or no database yet. */
static int64_t count(const char *path, const char *sql) {
    struct store *store;
    char *csv = NULL;
    int64_t n = -1;
    if (store_open(path, STORE_READ, &store, NULL) != OK) return -1;
    if (store_csv(store, sql, &csv, NULL) == OK && strchr(csv, '\n'))
        n = strtoll(strchr(csv, '\n') + 1, NULL, 10);
    free(csv);
    store_close(store);
    return n;
}

static const char between[] = "SELECT count(*) FROM evaluations JOIN problems USING (problem_id) "
                              "WHERE problem LIKE '%n=8,%'";

static const char finals_between[] =
    "SELECT sum(is_final) FROM evaluations JOIN problems USING (problem_id) "
    "WHERE problem LIKE '%n=8,%'";

/* At every n two were measured, and two of those that came through side by side; one where only one did. */
static const char short_of_finals[] =
    "SELECT count(*) FROM (SELECT sum(is_final) AS finals, sum(outcome = 'ok') AS good, "
    "count(*) AS n FROM evaluations JOIN problems USING (problem_id) "
    "WHERE family = 'matmul' GROUP BY problem_id) "
    "WHERE n < 2 OR good < 1 OR finals < min(good, 2)";

static const char decode[] = "SELECT count(*) FROM evaluations JOIN problems USING (problem_id) "
                             "WHERE problem LIKE '%n=1,w%'";

/* What is measured between is what is best on the sides; the time is of all that was done. */
static void expect_crossed(const char *path, json_t *result) {
    json_t *model = json_object_get(result, "model");
    json_t *matrices = json_object_get(model, "matrices"), *matrix = json_array_get(matrices, 0);
    cr_assert_eq(json_array_size(matrices), 1);
    cr_assert_str_eq(json_string_value(json_object_get(matrix, "problem")), "m=256,k=256,w=f32");
    cr_assert(json_is_string(json_object_get(matrix, "layout")));
    cr_assert_geq(json_array_size(json_object_get(matrix, "ranges")), 1);
    cr_assert_geq(json_number_value(json_object_get(model, "worst_slowdown")), 1);
    cr_assert_gt(count(path, between), 1);
    cr_assert_eq(count(path, "SELECT count(*) FROM evaluations WHERE outcome = 'running'"), 0);
    /* side by side, checked in full: two at n between, and at n = 1 and 32, where two came through */
    cr_assert_geq(count(path, finals_between), 2);
    cr_assert_eq(count(path, short_of_finals), 0);
    json_t *time = json_object_get(result, "time");
    double sum = 0;
    const char *key;
    json_t *value;
    json_object_foreach (time, key, value) sum += json_number_value(value);
    cr_assert_float_eq(sum, json_number_value(json_object_get(result, "seconds")), 0.05);
}

/* The engine takes the layout that was chosen, as long as the kernels are those that it was chosen with. */
static void expect_engine_takes(const char *path, const char *chosen) {
    const struct session_options session = options_for(path);
    struct routes_options options = {.database = path, .max_rows = 32};
    struct device *device;
    struct routes *routes;
    struct error err = {0};
    cr_assert_eq(device_open(NULL, &device, &err), OK, "%s", err.text);
    cr_assert_eq(routes_open(device, &options, &routes, &err), OK);
    cr_assert_str_eq(routes_layout(routes, &session.problems[DECODE])->name, chosen);
    routes_close(routes);
    const char *other = strcmp(chosen, "rows") ? "rows" : "panel16";
    char *sql = text_format("UPDATE facts SET value = replace(value, '\"layout\":\"%s\"', "
                            "'\"layout\":\"%s\"') WHERE kind = 'plan'",
                            chosen, other);
    sql_into(path, sql);
    cr_assert_eq(routes_open(device, &options, &routes, &err), OK);
    cr_assert_str_eq(routes_layout(routes, &session.problems[DECODE])->name, other);
    routes_close(routes);
    sql_into(path, "UPDATE facts SET value = replace(value, '\"kernels\":\"', '\"kernels\":\"0') "
                   "WHERE kind = 'plan'");
    cr_assert_eq(routes_open(device, &options, &routes, &err), OK);
    cr_assert_str_neq(routes_layout(routes, &session.problems[DECODE])->name, other);
    routes_close(routes);
    device_close(device);
    free(sql);
}

Test(model_session, one_layout_for_all_n) {
    const char *path = database();
    json_t *result = run(path);
    expect_crossed(path, result);
    /* What matters most first: the matrix, whose n = 1 is named last; the norm, which is named first, after it. */
    cr_assert_eq(count(path, "SELECT min(evaluation_id) FILTER (WHERE family = 'matmul') < "
                             "min(evaluation_id) FILTER (WHERE family = 'rmsnorm') "
                             "FROM evaluations JOIN problems USING (problem_id)"),
                 1);
    char *chosen = text_copy(json_string_value(json_object_get(
        json_array_get(json_object_get(json_object_get(result, "model"), "matrices"), 0),
        "layout")));
    json_decref(result);
    expect_engine_takes(path, chosen);
    free(chosen);
}

Test(model_session, killed_while_it_measures_between) {
    const char *path = database();
    const pid_t pid = fork();
    if (pid == 0) {
        json_decref(run(path));
        _exit(0);
    }
    for (int i = 0; i < 4000 && count(path, between) < 1; i++) clock_sleep_ns(10000000);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    const int64_t before = count(path, between);
    cr_assert_geq(before, 1);
    json_t *result = run(path);
    cr_assert(json_is_true(json_object_get(json_object_get(result, "session"), "resumed")));
    expect_crossed(path, result);
    /* the rows that were there went on: every one once, in order */
    cr_assert_eq(
        count(path, "SELECT count(*) FROM (SELECT problem_id FROM evaluations GROUP BY problem_id "
                    "HAVING max(sequence) + 1 <> count(*))"),
        0);
    cr_assert_eq(
        count(path,
              "SELECT count(*) FROM (SELECT 1 FROM evaluations JOIN problems USING (problem_id) "
              "WHERE problem LIKE '%n=8,%' GROUP BY layout, variant, config HAVING count(*) > 1)"),
        0);
    json_decref(result);
    json_t *again = run(path);
    cr_assert_eq(json_integer_value(json_object_get(again, "evaluations")), 0);
    json_decref(again);
    /* --more searches on behind the rows that no strategy asked for, and measures the new best between */
    const int64_t searched = count(path, decode);
    json_t *more = run_on(path, true);
    expect_crossed(path, more);
    cr_assert_geq(count(path, decode), searched + 2);
    json_decref(more);
    struct store *store;
    struct error err = {0};
    char *report = NULL;
    cr_assert_eq(store_open(path, STORE_WRITE, &store, &err), OK);
    cr_assert_eq(store_check(store, &report, &err), OK, "%s", report);
    free(report);
    store_close(store);
}
