/* test_tune_recording.c: hone tune --device replay:FILE: a recorded space stands for a device. Session, database,
 * lock and worker are the usual ones, and every command takes what they leave. */
#include "results/lookup.h"
#include "tests/cli/answers.h"
#include "tests/results/direct.h"
#include "tests/tuner/made_recording.h"
#include <fcntl.h>
#include <sys/file.h>
#include <zlib.h>

/* The fastest is 3 ms, at TM·TN = 12, WG = 128, VW = 4. */
static const char *folder_with_recording(double noise) {
    const char *folder = test_folder();
    const struct made_space made = {1, noise, 0, 7};
    char *text = made_recording(&made);
    program_write(folder, "made.json", text);
    char *cache = text_format("%s/cache", folder);
    setenv("XDG_CACHE_HOME", cache, 1); /* its locks are nobody else's */
    free(cache);
    free(text);
    return folder;
}

TestSuite(tune_recording, .init = test_in_memory);

#define TUNE(folder, ...) HONE(folder, "tune", "--device", "replay:made.json", __VA_ARGS__)

static json_t *problem_of(json_t *result) {
    return json_array_get(json_object_get(result, "problems"), 0);
}
static int outcome_of(json_t *result, const char *name) {
    const json_t *outcomes = json_object_get(problem_of(result), "outcomes");
    return (int)json_integer_value(json_object_get(outcomes, name));
}
/* Everything is tried, and ends as it was recorded. */
Test(tune_recording, all_of_it) {
    const char *folder = folder_with_recording(0);
    json_t *result =
        program_json(TUNE(folder, "--strategy", "exhaustive", "--evals", "1000", "--json", "-q"));
    const json_t *problem = problem_of(result), *best = json_object_get(problem, "best");
    int all = 0;
    const char *name;
    json_t *n;
    cr_assert_str_eq(json_string_value(json_object_get(problem, "family")), "recorded");
    cr_assert_str_eq(json_string_value(json_object_get(problem, "problem")), "kernel=made");
    cr_assert_str_eq(json_string_value(json_object_get(best, "variant")), "made");
    cr_assert(strstr(json_string_value(json_object_get(best, "config")), "WG=128"));
    cr_assert(strstr(json_string_value(json_object_get(best, "config")), "VW=4"));
    cr_assert_float_eq(json_number_value(json_object_get(best, "time_ns")), 3e6, 1);
    cr_assert_float_eq(json_number_value(json_object_get(best, "share")), 1, 1e-6);
    json_object_foreach (json_object_get(problem, "outcomes"), name, n)
        all += (int)json_integer_value(n);
    cr_assert_eq(all, 384);
    cr_assert_gt(outcome_of(result, "compile_failed"), 0);
    cr_assert_gt(outcome_of(result, "launch_failed"), 0);
    cr_assert_gt(outcome_of(result, "wrong"), 0);
    cr_assert_gt(outcome_of(result, "timeout"), 0);
    cr_assert_gt(outcome_of(result, "abandoned"), 0, "racing drops what is far from the best");
    json_decref(result);
}

/* The same command again checks the winner; so does the file when it is packed. Another one is another device. */
Test(tune_recording, again) {
    const char *folder = folder_with_recording(0);
    char *text = program_text(folder, "made.json"), path[1200];
    snprintf(path, sizeof path, "%s/made.json.gz", folder);
    gzFile file = gzopen(path, "wbe");
    cr_assert(file && gzputs(file, text) > 0 && gzclose(file) == Z_OK);
    free(text);
    program_write(folder, "other.json",
                  "{\"kernel_name\": \"made\", \"tune_params_keys\": [\"A\"], \"cache\": "
                  "{\"1\": {\"A\": 1, \"time\": 1}}}");
    static const struct {
        const char *device;
        int evaluations;
        bool is_resumed;
    } runs[] = {{"replay:made.json", 20, false},
                {"replay:made.json", 0, true},
                {"replay:made.json.gz", 0, true},
                {"replay:other.json", 1, false}};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        json_t *result = program_json(
            HONE(folder, "tune", "--device", runs[i].device, "--evals", "20", "--json", "-q"));
        const json_t *session = json_object_get(result, "session");
        cr_assert_eq(json_integer_value(json_object_get(result, "evaluations")),
                     runs[i].evaluations, "run %zu", i);
        cr_assert_eq(json_is_true(json_object_get(session, "resumed")), runs[i].is_resumed);
        cr_assert(json_is_object(json_object_get(problem_of(result), "best")));
        json_decref(result);
    }
}

/* What it leaves is a database like any other. */
Test(tune_recording, every_command_takes_it) {
    const char *folder = folder_with_recording(0);
    program_expect(TUNE(folder, "--evals", "30", "-q"), 0, "30 evaluations");
    program_expect(HONE(folder, "db", "check"), 0, "clean");
    program_expect(HONE(folder, "db", "retry"), 0, "");
    struct program_run run = HONE(folder, "db", "export");
    cr_assert_eq(run.code, 0, "%s", run.err);
    cr_assert(strstr(run.out, "record recorded kernel=made f32 rows made "), "%s", run.out);
    program_write(folder, "made.profile", run.out);
    program_free(&run);
    program_expect(HONE(folder, "db", "diff", "made.profile", "hone.db"), 0, "1 same");
    program_expect(HONE(folder, "db", "import", "made.profile"), 0, "");
    program_expect(HONE(folder, "db", "merge", "--db", "all.db", "hone.db"), 0, "30 evaluations");
    program_expect(HONE(folder, "db", "check", "--db", "all.db"), 0, "clean");
    program_expect(HONE(folder, "report", "--out", "report"), 0, "report");
    program_expect(HONE(folder, "db", "export", "--t4", "t4"), 0, "30 evaluations");
    program_expect(HONE(folder, "tune", "--device",
                        "replay:t4/recorded-made-f32-kernel=made.t4.json", "--evals", "50", "-q"),
                   0, "made: 30 evaluations"); /* what was tuned can stand for a device again */
    program_expect(HONE(folder, "explain", "--family", "recorded"), 2, "no family 'recorded'");
    program_expect(HONE(folder, "explain", "--family", "gemm", "--problem", "m=64,k=64,n=4"), 0,
                   "rule");
}

/* A second one is told so, and the lock is given back. */
Test(tune_recording, is_locked) {
    const char *folder = folder_with_recording(0);
    char path[200] = "";
    program_expect(TUNE(folder, "--evals", "2", "-q"), 0, "2 evaluations");
    FILE *found = popen("ls cache/hone/locks/*", "re");
    cr_assert_not_null(fgets(path, sizeof path, found));
    pclose(found);
    path[strcspn(path, "\n")] = 0;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_eq(flock(fd, LOCK_EX | LOCK_NB), 0, "it was given back");
    program_expect(TUNE(folder, "--evals", "2", "-q"), 1, "is being measured by another process");
    close(fd);
    program_expect(TUNE(folder, "--evals", "2", "-q"), 0, "0 evaluations");
}

/* ---- after an update ---- */

/* The first column of each row, with a newline behind it; the caller frees. */
static char *rows_of(const char *folder, const char *sql) {
    struct str path = {0}, text = {0};
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    str_addf(&path, "%s/hone.db", folder);
    cr_assert_eq(sqlite3_open(path.text, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s", sql);
    while (sqlite3_step(statement) == SQLITE_ROW)
        str_addf(&text, "%s\n", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    str_free(&path);
    return text.text ? text.text : text_copy("");
}

static void change(const char *folder, const char *sql) {
    char *path = text_format("%s/hone.db", folder);
    sql_into(path, sql);
    free(path);
}

/* What this program knows its kernels by, and that it can run all of them. */
static const char *key_of_variant(void *context, const char *variant) {
    (void)variant;
    return context;
}
static bool usable(void *context, const char *layout, const char *variant, const char *config) {
    (void)context, (void)layout, (void)variant, (void)config;
    return true;
}

/* The rule by which look-up answers, which says whether it is checked before its first use. */
static enum lookup_rule rule_of(const char *folder, char *source_key) {
    char *path = text_format("%s/hone.db", folder),
         *model = rows_of(folder, "SELECT DISTINCT model FROM devices");
    struct store *store = NULL;
    struct error err = {OK, ""};
    struct lookup_answer answer;
    model[strcspn(model, "\n")] = 0;
    cr_assert_eq(store_open(path, STORE_READ, &store, &err), OK, "%s", err.text);
    const struct lookup_query query = {.model = model,
                                       .version = "recorded",
                                       .family = "recorded",
                                       .problem = "kernel=made",
                                       .class_name = "f32",
                                       .source_key = key_of_variant,
                                       .usable = usable,
                                       .context = source_key};
    cr_assert_eq(lookup(store, &query, &answer, &err), OK, "%s", err.text);
    const enum lookup_rule rule = answer.rule;
    evaluation_free(&answer.record);
    if (answer.runner_up.id) evaluation_free(&answer.runner_up);
    store_close(store);
    free(model);
    free(path);
    return rule;
}

/* The best three that an older driver, or an older kernel, left are measured right behind the default; until
 * then they are hints. */
static void expect_checked_first(const char *folder, char *source_key, const char *update) {
    char *old =
        rows_of(folder, "SELECT config FROM evaluations WHERE outcome = 'ok' GROUP BY config "
                        "ORDER BY max(is_final) DESC, min(time_ns) LIMIT 3");
    cr_assert_eq(rule_of(folder, source_key), LOOKUP_EXACT);
    change(folder, update);
    cr_assert_eq(rule_of(folder, source_key), LOOKUP_ELSEWHERE, "%s", update);
    json_t *result = program_json(TUNE(folder, "--evals", "4", "--json", "-q"));
    cr_assert_eq(json_integer_value(json_object_get(result, "evaluations")), 4);
    char *first = rows_of(folder, "SELECT config FROM evaluations WHERE sequence BETWEEN 1 AND 3 "
                                  "AND session_id = (SELECT max(session_id) FROM sessions) "
                                  "ORDER BY sequence");
    cr_assert_str_eq(first, old, "%s", update);
    const char *best =
        json_string_value(json_object_get(json_object_get(problem_of(result), "best"), "config"));
    cr_assert_eq(strncmp(best, old, strcspn(old, "\n")), 0, "%s is not the first of\n%s", best,
                 old);
    cr_assert_eq(rule_of(folder, source_key), LOOKUP_EXACT);
    json_decref(result);
    free(first);
    free(old);
}

Test(tune_recording, an_update_has_its_old_winners_checked_first) {
    const char *folder = folder_with_recording(0.03);
    program_expect(TUNE(folder, "--evals", "40", "-q"), 0, "40 evaluations");
    char *source_key = rows_of(folder, "SELECT DISTINCT source_key FROM evaluations");
    source_key[strcspn(source_key, "\n")] = 0;
    expect_checked_first(folder, source_key, "UPDATE devices SET version = 'an older driver'");
    expect_checked_first(folder, source_key,
                         "UPDATE evaluations SET source_key = '0123456789abcdef';"
                         "UPDATE sessions SET problems = problems || 'of older kernels'");
    /* Three versions have the same winner: it is measured once, the next ones behind it. */
    expect_checked_first(
        folder, source_key,
        "UPDATE devices SET version = 'a later driver' WHERE version = 'recorded'");
    program_expect(HONE(folder, "db", "check"), 0, "clean");
    free(source_key);
}
