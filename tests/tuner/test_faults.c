/* test_faults.c: sessions over an OpenCL that hangs, dies, lies, refuses and is lost: every fault ends as the right
 * outcome and the session goes on, or the program stops with code 5 when the device is gone.
 *
 * And one call is refused, at every place of a session from which OpenCL is called, until there is no further
 * place. `make test` takes a few of them, `make faults` all; some, or those of one function (faults.c). At the end it
 * says how many faults struck and how the runs ended.
 *
 *     HONE_FAULT_SWEEP="clFinish 1 1000 10" build/tests/tuner/test_faults --filter 'faults/refused*' */
#include "tests/tuner/faults.h"
#include "results/store.h"
#include "tuner/session.h"
#include <inttypes.h>
#include <math.h>

TestSuite(faults, .timeout = 3600);

#define TINY "--family", "gemv", "--problem", "m=64,k=64,n=1"

/* Whatever failed must hold: a code that says how, a sentence if it was not well. */
static void expect_orderly(const struct ending *end, const char *fault) {
    cr_assert(end->code == 0 || end->code == 1 || end->code == 5, "%s: code %d: %s", fault,
              end->code, end->err);
    cr_assert(end->code == 0 || strstr(end->err, "hone: "), "%s: code %d says \"%s\"", fault,
              end->code, end->err);
}

/* ---- outcomes ---- */

/* Short enough for a test, long enough for a busy machine. */
static const struct deadlines short_deadlines = {
    .start = 20000000000,
    .prepare = 60000000000,
    .build = 5000000000,
    .launch_least = 1000000000,
    .launch_most = 3000000000,
    .judge = 10000000000,
    .ceiling = 60000000000,
};

/* `test_faults @child session N`: the session of N evaluations, which hangs for seconds only. */
static int session_child(const char *evaluations) {
    struct problem problem;
    struct error err = {OK, ""};
    json_t *result = NULL;
    enum status st = problem_parse(slice_find("gemv"), "m=64,k=64,n=1", &problem, &err);
    const struct session_options options = {.database = getenv("HONE_DB"),
                                            .problems = &problem,
                                            .n_problems = 1,
                                            .seed = 1,
                                            .evaluations = strtol(evaluations, NULL, 10),
                                            .lock_text = "test_faults",
                                            .deadlines = &short_deadlines};
    if (st == OK) st = session_run(&options, &result, &err);
    if (st != OK) fprintf(stderr, "hone: %s\n", err.text);
    else json_dumpf(result, stdout, 0);
    json_decref(result);
    return status_exit_code(st);
}

/* A session of N evaluations over these faults, in a fresh folder. */
static struct ending run_session(const struct scene *scene, const char *fault, const char *n) {
    scene_forget(scene);
    return scene_run(scene, "/proc/self/exe", fault,
                     (const char *const[]){"@child", "session", n, NULL});
}

static json_t *problem_of(const struct ending *end) {
    json_error_t why;
    json_t *result = json_loads(end->out, 0, &why);
    cr_assert_not_null(result, "%s: %s", why.text, end->err);
    json_t *problem = json_incref(json_array_get(json_object_get(result, "problems"), 0));
    json_decref(result);
    return problem;
}

static int outcome_of(const json_t *problem, enum outcome outcome) {
    const json_t *outcomes = json_object_get(problem, "outcomes");
    return (int)json_integer_value(json_object_get(outcomes, outcome_names[outcome]));
}

/* Each fault meets a candidate of its own: the first of them is well. (A time of zero, which does no harm, says
 * that the next launch is a timed one.) */
Test(faults, each_is_an_outcome_and_the_session_goes_on) {
    static const char story[] = "segv clBuildProgram 2 once -DTN=;"
                                "abort clEnqueueNDRangeKernel 1 once matmul;"
                                "refuse clBuildProgram 1 once -DTN=;"
                                "lose clBuildProgram 1 once -DTN=;"
                                "hang clBuildProgram 1 once -DTN=;"
                                "refuse clEnqueueNDRangeKernel 1 once matmul;"
                                "zero clGetEventProfilingInfo 1 once matmul;"
                                "hang clEnqueueNDRangeKernel 1 once matmul;"
                                "wrong clEnqueueReadBuffer 1 once matmul;"
                                "refuse clFinish 1 once matmul";
    static const struct {
        enum outcome outcome;
        int n;
    } expected[] = {{OUTCOME_CRASHED, 4}, {OUTCOME_COMPILE_FAILED, 1}, {OUTCOME_LAUNCH_FAILED, 1},
                    {OUTCOME_TIMEOUT, 2}, {OUTCOME_WRONG, 1},          {OUTCOME_IMPLAUSIBLE, 0}};
    const struct scene scene = scene_open();
    struct ending end = run_session(&scene, story, "12");
    cr_assert_eq(end.code, 0, "%s", end.err);
    json_t *problem = problem_of(&end);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        cr_expect_eq(outcome_of(problem, expected[i].outcome), expected[i].n, "%s: %d",
                     outcome_names[expected[i].outcome], outcome_of(problem, expected[i].outcome));
    cr_expect(json_is_object(json_object_get(problem, "best")));
    scene_check_database(&scene, story);
    json_decref(problem);
    ending_free(&end);
}

/* A clock that only runs too fast where candidates run. */
Test(faults, times_that_are_too_short_are_implausible) {
    static const char fault[] = "short clGetEventProfilingInfo 1 all matmul";
    const struct scene scene = scene_open();
    struct ending end = run_session(&scene, fault, "2");
    cr_assert_eq(end.code, 0, "%s", end.err);
    json_t *problem = problem_of(&end);
    cr_expect_eq(outcome_of(problem, OUTCOME_IMPLAUSIBLE), 2);
    cr_expect(!json_is_object(json_object_get(problem, "best")));
    json_decref(problem);
    ending_free(&end);
}

/* The host's clock takes over. */
Test(faults, events_without_times_are_done_without) {
    static const char fault[] = "zero clGetEventProfilingInfo 1 all *";
    const struct scene scene = scene_open();
    struct ending end = run_session(&scene, fault, "2");
    cr_assert_eq(end.code, 0, "%s", end.err);
    json_t *problem = problem_of(&end);
    const json_t *best = json_object_get(problem, "best");
    cr_expect(json_number_value(json_object_get(best, "time_ns")) > 0);
    cr_expect(json_number_value(json_object_get(best, "share")) > 0);
    json_decref(problem);
    ending_free(&end);
}

/* ns of the samples of the database's evaluations as the host's clock took them: least and most, and how many
 * evaluations were timed by which clock. */
struct times {
    double least_ns, most_ns;
    int by_events, by_host;
};

static struct times times_of(const struct scene *scene) {
    struct times times = {INFINITY, 0, 0, 0};
    struct store *store = NULL;
    struct error err = {OK, ""};
    char *csv = NULL;
    static const char sql[] =
        "SELECT json_extract(conditions, '$.host_clock'), min(samples.time_ns), "
        "max(samples.time_ns) FROM evaluations "
        "JOIN samples USING (evaluation_id) WHERE outcome IN ('ok', 'abandoned') "
        "GROUP BY evaluation_id";
    cr_assert_eq(store_open(scene->database, STORE_READ, &store, &err), OK, "%s", err.text);
    cr_assert_eq(store_csv(store, sql, &csv, &err), OK, "%s", err.text);
    for (char *line = strchr(csv, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
        int is_host;
        double least, most;
        cr_assert_eq(sscanf(line + 1, "%d,%lf,%lf", &is_host, &least, &most), 3, "%s", line);
        ++*(is_host ? &times.by_host : &times.by_events);
        times.least_ns = fmin(times.least_ns, least);
        times.most_ns = fmax(times.most_ns, most);
    }
    free(csv);
    store_close(store);
    return times;
}

/* Events that are right when the worker begins, and lie from some call on: in the second candidate (the first one
 * asks 20 to 32 times), or, all of them, while ceilings are measured. (A clFinish that fills nothing is passed on: it
 * says when.) What was timed by them meanwhile is not kept. */
Test(faults, events_that_lie_later_are_done_without) {
    static const char *const faults[] = {
        "zero clGetEventProfilingInfo 41 all matmul",
        "refuse clGetEventProfilingInfo 41 all matmul",
        "long clGetEventProfilingInfo 41 all matmul",
        "short clGetEventProfilingInfo 41 all *",
        "zero clFinish 41 once matmul; short clGetEventProfilingInfo 1 all *",
    };
    const struct scene scene = scene_open();
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        scene_clear(&scene);
        struct ending end = run_session(&scene, faults[i], "4");
        cr_assert_eq(end.code, 0, "%s: %s", faults[i], end.err);
        json_t *problem = problem_of(&end);
        const struct times times = times_of(&scene);
        const double share =
            json_number_value(json_object_get(json_object_get(problem, "best"), "share"));
        cr_log_info("%s: by events %d, by the host %d, %.0f to %.0f ns, share %.3f", faults[i],
                    times.by_events, times.by_host, times.least_ns, times.most_ns, share);
        cr_expect_gt(share, 1e-3, "%s: ceilings by events that lie", faults[i]);
        cr_expect_eq(outcome_of(problem, OUTCOME_IMPLAUSIBLE), 0, "%s", faults[i]);
        cr_expect_geq(times.by_host, 1, "%s: %d", faults[i], times.by_host);
        cr_expect(times.least_ns > 200 && times.most_ns < 1e7, "%s: %g to %g ns", faults[i],
                  times.least_ns, times.most_ns);
        scene_check_database(&scene, faults[i]);
        json_decref(problem);
        ending_free(&end);
    }
}

/* ---- the device is gone ---- */

static struct ending tune(const struct scene *scene, const char *fault) {
    return scene_run(scene, scene->program, fault,
                     (const char *const[]){"tune", TINY, "--evals", "3", NULL});
}

/* In the middle of a candidate; for good; until somebody brings it back. */
Test(faults, a_lost_device_ends_the_session) {
    static const char fault[] = "abort clEnqueueNDRangeKernel 40 once matmul; lose any 1 all *";
    const struct scene scene = scene_open();
    for (int i = 0; i < 2; i++) {
        struct ending end = tune(&scene, fault);
        cr_assert_eq(end.code, 5, "%d: %s", end.code, end.err);
        scene_check_database(&scene, fault);
        ending_free(&end);
    }
    struct ending end = tune(&scene, NULL);
    cr_assert_eq(end.code, 0, "%s", end.err);
    cr_assert(strstr(end.out, "of the ceiling"), "%s", end.out);
    scene_check_database(&scene, fault);
    ending_free(&end);
}

/* A driver that loses its device for one process only: the next worker has it, and no candidate is to blame. */
Test(faults, a_device_lost_to_one_process_costs_that_process) {
    static const char fault[] =
        "refuse clEnqueueNDRangeKernel 40 once matmul; lose any 1 process *";
    const struct scene scene = scene_open();
    struct ending end = run_session(&scene, fault, "3");
    cr_assert_eq(end.code, 0, "%s", end.err);
    json_t *problem = problem_of(&end);
    cr_expect_eq(outcome_of(problem, OUTCOME_LAUNCH_FAILED), 1);
    cr_expect_eq(outcome_of(problem, OUTCOME_OK) + outcome_of(problem, OUTCOME_ABANDONED), 2);
    json_decref(problem);
    ending_free(&end);
}

/* The worker has no device, or its own kernels do not run: no candidate is to blame, however often that is
 * tried. */
Test(faults, a_worker_that_fails_by_itself_blames_nobody) {
    static const struct {
        const char *fault;
        int code;
        const char *words;
    } told[] = {{"lose clCreateContext 1 all *", 5, "context"},
                {"refuse clEnqueueNDRangeKernel 1 all canary", 1, "canary"},
                {"refuse clBuildProgram 1 all *", 1, "canary"},
                {"wrong clGetKernelInfo 1 all *", 1, "arguments"},
                {"lose clCreateContext 1 all *", 5, "context"}};
    const struct scene scene = scene_open();
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        struct ending end = run_session(&scene, told[i].fault, "1");
        cr_assert_eq(end.code, told[i].code, "%s: %d: %s", told[i].fault, end.code, end.err);
        cr_assert(strstr(end.err, told[i].words), "%s: %s", told[i].fault, end.err);
        ending_free(&end);
    }
    struct ending end = run_session(&scene, NULL, "1");
    cr_assert_eq(end.code, 0, "%s", end.err);
    json_t *problem = problem_of(&end);
    cr_expect_eq(outcome_of(problem, OUTCOME_OK), 1);
    json_decref(problem);
    ending_free(&end);
}

/* A driver that hangs or dies as soon as it is asked costs a child; its platform is named. */
Test(faults, a_driver_that_never_answers_is_named) {
    static const struct {
        const char *fault;
        const char *arguments[8];
        int code;
        const char *words;
    } told[] = {
        {"hang clGetDeviceIDs 1 all *", {"tune", TINY, "--evals", "1"}, 5, "the driver of "},
        {"segv clGetDeviceInfo 3 all *", {"tune", TINY, "--evals", "1"}, 5, "the driver of "},
        {"abort clGetDeviceIDs 1 all *", {"bench", TINY}, 5, "the driver of "},
        {"abort clGetDeviceIDs 1 all *", {"doctor"}, 1, "mend  platform     asking the driver of "},
        {"lose clCreateContext 1 all *", {"doctor"}, 1, "mend  platform     opening a context"},
        {"hang clGetPlatformIDs 1 all *", {"devices"}, 5, "the OpenCL drivers"},
    };
    const struct scene scene = scene_open();
    size_t n = sizeof told / sizeof *told;
    if (getenv("CI")) n--; /* another 20 s of waiting */
    for (size_t i = 0; i < n; i++) {
        struct ending end = scene_run(&scene, scene.program, told[i].fault, told[i].arguments);
        cr_assert_eq(end.code, told[i].code, "%s: %d: %s", told[i].fault, end.code, end.err);
        cr_assert(strstr(end.err, told[i].words) || strstr(end.out, told[i].words), "%s: %s%s",
                  told[i].fault, end.out, end.err);
        scene_forget(&scene);
        ending_free(&end);
    }
}

/* What a child finds that never had the device must not be believed for ever. */
Test(faults, features_are_not_found_without_a_device) {
    static const char fault[] = "refuse clCreateContext 1 all *";
    const struct scene scene = scene_open();
    char features[1200];
    glob_t found;
    snprintf(features, sizeof features, "%s/hone/features", scene.cache);
    cr_assert_eq(unlink(features), 0); /* what other tests found */
    struct ending end =
        scene_run(&scene, scene.program, fault, (const char *const[]){"devices", NULL});
    cr_expect_eq(end.code, 5, "%d: %s", end.code, end.err);
    snprintf(features, sizeof features, "%s/hone/features/*", scene.cache);
    cr_expect_eq(glob(features, 0, NULL, &found), GLOB_NOMATCH);
    ending_free(&end);
}

/* ---- any call ---- */

struct sweep {
    char call[48];
    int64_t first, last, step;
};

/* $HONE_FAULT_SWEEP, or a sample. */
static struct sweep sweep_asked(void) {
    struct sweep sweep = {"new", 20, INT64_MAX, 67};
    const char *text = getenv("HONE_FAULT_SWEEP");
    if (!text) return sweep;
    sweep.step = 1;
    const int n = sscanf(text, "%47s %18" SCNd64 " %18" SCNd64 " %18" SCNd64, sweep.call,
                         &sweep.first, &sweep.last, &sweep.step);
    cr_assert_geq(n, 3, "HONE_FAULT_SWEEP is \"FUNCTION FIRST LAST\", not \"%s\"", text);
    return sweep;
}

/* Refuse one call; what was not finished is gone on with. False: there was no such call. */
static bool refuse_one(const struct scene *scene, const char *call, int64_t n, int codes[6]) {
    char fault[120];
    scene_clear(scene);
    snprintf(fault, sizeof fault, "refuse %s %" PRId64 " once *", call, n);
    struct ending end = tune(scene, fault);
    expect_orderly(&end, fault);
    scene_check_database(scene, fault);
    if (end.code != 0) {
        cr_log_info("%s: code %d: %s", fault, end.code, strstr(end.err, "hone: "));
        struct ending again = tune(scene, NULL);
        cr_assert_eq(again.code, 0, "%s, then the same command: code %d: %s", fault, again.code,
                     again.err);
        cr_assert(strstr(again.out, "kept in"), "%s, then the same command: %s", fault, again.out);
        scene_check_database(scene, fault);
        ending_free(&again);
    }
    codes[end.code]++;
    ending_free(&end);
    int64_t counts[STORY_MOST];
    scene_counts(scene, counts);
    return counts[0] >= n;
}

Test(faults, refused_anywhere_a_session_ends_well) {
    const struct sweep sweep = sweep_asked();
    const struct scene scene = scene_open();
    int codes[6] = {0}, runs = 0;
    for (int64_t n = sweep.first; n <= sweep.last; n += sweep.step, runs++)
        if (!refuse_one(&scene, sweep.call, n, codes)) break;
    cr_log_info("%d sessions with one call refused: code 0 %d, 1 %d, 5 %d", runs, codes[0],
                codes[1], codes[5]);
}

/* Tests, in processes of their own, and then what they injected. */
static int run_tests(int argc, char **argv) {
    struct criterion_test_set *tests = criterion_initialize();
    char tally[] = "/tmp/hone-faults-XXXXXX";
    const int fd = mkstemp(tally);
    if (fd >= 0) close(fd);
    setenv("HONE_FAULT_TALLY", tally, 1);
    criterion_options.jobs = 1;
    const bool is_asked = criterion_handle_args(argc, argv, true);
    const int code = is_asked ? !criterion_run_all_tests(tests) : 0;
    criterion_finalize(tests);
    if (is_asked) tally_print(tally);
    unlink(tally);
    return code;
}

int main(int argc, char **argv) {
    return argc == 4 && !strcmp(argv[1], "@child") ? session_child(argv[3]) : run_tests(argc, argv);
}
