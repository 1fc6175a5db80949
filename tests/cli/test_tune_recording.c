/* test_tune_recording.c: hone tune --device replay:FILE: a recorded space stands for a device. Session, database,
 * lock and worker are the usual ones, and every command takes what they leave. */
#include "tests/cli/answers.h"
#include "tests/tuner/made_recording.h"
#include <fcntl.h>
#include <sys/file.h>
#include <zlib.h>

/* The fastest is 3 ms, at TM·TN = 12, WG = 128, VW = 4. */
static const char *folder_with_recording(void) {
    const char *folder = test_folder();
    const struct made_space made = {1, 0, 0, 3};
    char *text = made_recording(&made);
    program_write(folder, "made.json", text);
    free(text);
    return folder;
}

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
    const char *folder = folder_with_recording();
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
    const char *folder = folder_with_recording();
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
    const char *folder = folder_with_recording();
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
    program_expect(HONE(folder, "explain", "--family", "recorded"), 2, "no family 'recorded'");
    program_expect(HONE(folder, "explain", "--family", "gemm", "--problem", "m=64,k=64,n=4"), 0,
                   "default");
}

/* A second one waits for nobody. */
Test(tune_recording, is_locked) {
    const char *folder = folder_with_recording();
    char cache[1200], *name = NULL;
    snprintf(cache, sizeof cache, "%s/cache", folder);
    setenv("XDG_CACHE_HOME", cache, 1);
    program_expect(TUNE(folder, "--evals", "2", "-q"), 0, "2 evaluations");
    FILE *found = popen("ls cache/hone/locks/*", "re");
    char line[200] = "";
    cr_assert_not_null(fgets(line, sizeof line, found));
    pclose(found);
    line[strcspn(line, "\n")] = 0;
    name = text_copy(line);
    const int fd = open(name, O_RDWR | O_CLOEXEC);
    cr_assert_eq(flock(fd, LOCK_EX | LOCK_NB), 0, "it was given back");
    program_expect(TUNE(folder, "--evals", "2", "-q"), 1, "is being measured by another process");
    close(fd);
    program_expect(TUNE(folder, "--evals", "2", "-q"), 0, "0 evaluations");
    free(name);
}
