/* test_session.c: whole sessions over kernels that are right, slow, wrong, hang, crash or do not compile: every
 * outcome is caught and kept, nothing is run twice, kill -9 loses at most one evaluation. */
#define FAULTY_CHILD session_child
#include "tests/tuner/faulty.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"
#include "tests/results/direct.h"
#include "tests/support.h"
#include "tuner/lock.h"
#include "tuner/session.h"
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

enum { SPACE = KINDS * 4 };

TestSuite(session, .init = faulty_setup);

static struct space_limit harmless = {
    .param = "KIND", .values = {"right", "slow", "wrong"}, .n_values = 3};

static struct session_options options_for(const char *database, const struct problem *problems,
                                          size_t n) {
    return (struct session_options){.database = database,
                                    .problems = problems,
                                    .n_problems = n,
                                    .strategy = "exhaustive",
                                    .seed = 1,
                                    .lock_text = "test_session",
                                    .deadlines = &faulty_deadlines};
}

static json_t *run(const struct session_options *options) {
    struct error err = {0};
    json_t *result = NULL;
    enum status st = session_run(options, &result, &err);
    cr_assert_eq(st, OK, "%s: %s", status_name(st), err.text);
    cr_assert_not_null(result);
    return result;
}

static json_t *problem_of(json_t *result, size_t i) {
    return json_array_get(json_object_get(result, "problems"), i);
}
static int outcome_of(json_t *result, size_t i, const char *name) {
    return (int)json_integer_value(
        json_object_get(json_object_get(problem_of(result, i), "outcomes"), name));
}
static int evaluations_of(json_t *result) {
    return (int)json_integer_value(json_object_get(result, "evaluations"));
}
static const char *database(void) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/hone.db", test_folder());
    return path;
}

/* ---- every outcome ---- */

Test(session, catches_every_outcome_and_repeats_nothing) {
    const char *path = database();
    struct problem problem = faulty_problem(100000, 3);
    struct session_options options = options_for(path, &problem, 1);
    json_t *first = run(&options);
    cr_assert_eq(evaluations_of(first), SPACE, "%d", evaluations_of(first));
    cr_assert_eq(outcome_of(first, 0, "wrong"), 4);
    cr_assert_eq(outcome_of(first, 0, "compile_failed"), 4);
    cr_assert_eq(outcome_of(first, 0, "crashed"), 4);
    cr_assert_eq(outcome_of(first, 0, "timeout"), 4);
    cr_assert_eq(outcome_of(first, 0, "ok") + outcome_of(first, 0, "abandoned"), 8);
    json_t *best = json_object_get(problem_of(first, 0), "best");
    cr_assert(json_is_true(json_object_get(best, "checked_in_full")));
    cr_assert(strstr(json_string_value(json_object_get(best, "config")), "right"));
    cr_assert_gt(json_number_value(json_object_get(best, "share")), 0);
    json_decref(first);

    /* The same command again: nothing is evaluated, the winner is measured once more. */
    json_t *second = run(&options);
    cr_assert_eq(evaluations_of(second), 0);
    cr_assert_eq(outcome_of(second, 0, "crashed"), 4);
    cr_assert(json_is_object(json_object_get(problem_of(second, 0), "best")));
    json_decref(second);

    /* Another session: what was wrong or crashed is never run again here; a timeout may once. */
    options.seed = 2;
    json_t *third = run(&options);
    cr_assert_eq(outcome_of(third, 0, "wrong"), 0);
    cr_assert_eq(outcome_of(third, 0, "crashed"), 0);
    cr_assert_eq(outcome_of(third, 0, "compile_failed"), 0);
    json_decref(third);
}

/* ---- compiling ahead ---- */

static size_t count_programs(void) {
    char *folder = path_cache("programs");
    DIR *programs = opendir(folder);
    size_t n = 0;
    for (const struct dirent *entry; programs && (entry = readdir(programs));)
        n += entry->d_name[0] != '.';
    if (programs) closedir(programs);
    free(folder);
    return n;
}

static struct space_limit deadly = {
    .param = "KIND", .values = {"right", "wrong", "no_compile", "crash"}, .n_values = 4};

static void expect_deadly(json_t *result) {
    cr_assert_eq(outcome_of(result, 0, "wrong"), 4);
    cr_assert_eq(outcome_of(result, 0, "compile_failed"), 4);
    cr_assert_eq(outcome_of(result, 0, "crashed"), 4);
    cr_assert_eq(outcome_of(result, 0, "ok") + outcome_of(result, 0, "abandoned"), 4);
    json_decref(result);
}

static int n_foreseen;

/* Two that do not get far, and one that is right. */
static size_t three_works(void *context, struct work *works, size_t n) {
    static const int kinds[] = {KIND_NO_COMPILE, KIND_CRASH, KIND_RIGHT};
    cr_assert_geq(n, 3);
    n_foreseen++;
    for (int i = 0; i < 3; i++) {
        works[i] = (struct work){.problem = *(const struct problem *)context, .seed = 1};
        works[i].config = (struct config){.variant = &faulty_variant, .value = {kinds[i], 1}};
    }
    return 3;
}

static bool may_build_all(void *context, const struct work *work) {
    (void)context;
    (void)work;
    return true;
}

Test(session, builders_leave_programs_where_the_worker_looks) {
    struct problem problem = faulty_problem(100000, 3);
    const struct build_ahead ahead = {
        .builders = 1, .may_build = may_build_all, .foresee = three_works, .context = &problem};
    struct work works[3];
    setenv("XDG_CACHE_HOME", test_folder(), 1);
    const int64_t start_ns = faulty_deadlines.start, build_ns = faulty_deadlines.build;
    struct builders *builders = builders_open(&ahead, "0", NULL, start_ns, build_ns);
    const int64_t end = clock_now_ns() + 60000000000;
    three_works(&problem, works, 3);
    builders_begin(builders, &works[0]); /* nobody is there yet */
    builders_build(builders, NULL);
    for (; !builders_spent(builders, &works[2]) && clock_now_ns() < end; clock_sleep_ns(20000000))
        builders_feed(builders);
    cr_assert(builders_have_built(builders, &works[2]));
    cr_assert(!builders_have_built(builders, &works[0]), "what does not compile is not there");
    works[2].config.value[P_WG] = 2;
    cr_assert(!builders_have_built(builders, &works[2]));
    builders_begin(builders, &works[2]);
    cr_assert_gt(builders_build(builders, NULL), 0);
    cr_assert_gt(builders_spent(builders, &works[2]), 0);
    /* What is there is not waited for, and nobody looks ahead before the worker has it; then once. */
    n_foreseen = 0;
    builders_begin(builders, &works[2]);
    cr_assert_eq(builders_build(builders, NULL), 0);
    cr_assert_eq(n_foreseen, 0);
    builders_feed(builders);
    builders_feed(builders);
    cr_assert_eq(n_foreseen, 1);
    builders_close(builders);
    cr_assert_eq(count_programs(), 2, "%zu", count_programs());
}

static bool may_build_none(void *context, const struct work *work) {
    (void)context;
    (void)work;
    return false;
}

/* Rounds of building with four builders, until there are more programs than before. */
static void build_rounds(struct build_ahead ahead, const char *model_key, int rounds) {
    struct problem problem = faulty_problem(100000, 3);
    struct work works[3];
    const size_t before = count_programs();
    ahead.builders = 4;
    ahead.on_device = true;
    ahead.foresee = three_works;
    ahead.context = &problem;
    struct builders *builders =
        builders_open(&ahead, "0", model_key, faulty_deadlines.start, faulty_deadlines.build);
    three_works(&problem, works, 3);
    for (int i = 0; i < rounds && count_programs() == before; i++) {
        builders_begin(builders, &works[0]);
        builders_build(builders, NULL);
        builders_step(builders, true);
        clock_sleep_ns(50000000);
    }
    const int64_t began = clock_now_ns();
    builders_close(builders);
    cr_assert_lt(clock_now_ns() - began, 500000000, "closing those that are stopped takes long");
}

/* Told of a device that is not there any more, a builder builds nothing, for no other either; nor does
 * one build what is in quarantine. */
Test(session, builders_build_nothing_that_they_may_not) {
    const struct build_ahead all = {.may_build = may_build_all},
                             none = {.may_build = may_build_none};
    setenv("XDG_CACHE_HOME", test_folder(), 1);
    build_rounds(all, NULL, 400);
    const size_t n = count_programs();
    cr_assert_gt(n, 0);
    build_rounds(all, "a model that is gone", 20);
    build_rounds(none, NULL, 20);
    cr_assert_eq(count_programs(), n);
}

/* Builders meet what kills them, or cannot even start: the session is the same. */
Test(session, builders_are_never_to_blame) {
    struct problem problem = faulty_problem(100000, 3);
    struct session_options options = options_for(database(), &problem, 1);
    char path[1100];
    options.limits = &deadly;
    options.n_limits = 1;
    options.builders = 1;
    expect_deadly(run(&options));
    snprintf(path, sizeof path, "%s.second", options.database);
    options.database = path;
    setenv("NO_BUILDER", "1", 1);
    expect_deadly(run(&options));
}

/* ---- kill -9 ---- */

static const struct problem *two_problems(void) {
    static struct problem list[2];
    list[0] = faulty_problem(200000, 4);
    list[1] = faulty_problem(200000, 2);
    return list;
}

static struct session_options harmless_session(const char *path) {
    struct session_options options = options_for(path, two_problems(), 2);
    options.limits = &harmless;
    options.n_limits = 1;
    options.strategy = "random";
    return options;
}

/* The session as a program of its own, to be killed. */
static int session_child(int argc, char **argv) {
    if (argc < 4) return 2;
    setenv("HONE_PROGRAM", "/proc/self/exe", 1);
    struct session_options options = harmless_session(argv[3]);
    /* So that rows are committed at once, or while the worker prepares what is built. */
    options.builders = 1;
    json_t *result = NULL;
    struct error err = {0};
    enum status st = session_run(&options, &result, &err);
    json_decref(result);
    return status_exit_code(st);
}

static pid_t start_session(const char *path) {
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "test", "@child", "session", path, (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* Rows of the first session, in all or by outcome; −1 when the database is not there yet. */
static int count_rows(const char *path, const char *outcome) {
    struct store *store;
    struct error err = {0};
    if (store_open(path, STORE_READ, &store, &err) != OK) return -1;
    int n = 0;
    for (int i = 0; i < 2; i++) {
        char text[160];
        problem_format(&two_problems()[i], text);
        const struct record_key key = {
            .family = faulty_family.name, .problem = text, .class_name = "f32", .layout = "rows"};
        struct evaluation *list = NULL;
        size_t n_list = 0;
        if (store_history(store, 1, &key, &list, &n_list, &err) != OK) n_list = 0;
        for (size_t k = 0; k < n_list; k++) {
            n += !outcome || strcmp(outcome_names[list[k].outcome], outcome) == 0;
            evaluation_free(&list[k]);
        }
        free(list);
    }
    store_close(store);
    return n;
}

Test(session, kill_9_loses_one_evaluation_at_most) {
    const char *path = database();
    pid_t pid = start_session(path);
    for (int i = 0; i < 1200 && count_rows(path, "ok") < 2; i++) clock_sleep_ns(50000000);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    int before = count_rows(path, NULL), running = count_rows(path, "running");
    cr_assert_geq(before, 2);
    cr_assert_leq(running, 1);

    struct session_options options = harmless_session(path);
    json_t *result = run(&options);
    cr_assert(json_is_true(json_object_get(json_object_get(result, "session"), "resumed")));
    int after = count_rows(path, NULL);
    cr_assert_eq(after, 2 * 12, "%d rows for %d configurations", after, 2 * 12);
    cr_assert_eq(evaluations_of(result), after - before + running);
    cr_assert_eq(count_rows(path, "running"), 0);
    cr_assert_eq(outcome_of(result, 0, "wrong"), 4);
    json_decref(result);

    json_t *third = run(&options);
    cr_assert_eq(evaluations_of(third), 0);
    cr_assert_eq(count_rows(path, NULL), after);
    json_decref(third);
}

/* ---- what was left running ---- */

/* A row of the database as "value|value". */
static void expect_row(const char *path, const char *sql, const char *expected) {
    struct store *store;
    struct error err = {0};
    char *csv = NULL;
    cr_assert_eq(store_open(path, STORE_READ, &store, &err), OK, "%s", err.text);
    cr_assert_eq(store_csv(store, sql, &csv, &err), OK, "%s", err.text);
    cr_assert(strstr(csv, expected), "%s gives\n%snot %s", sql, csv, expected);
    free(csv);
    store_close(store);
}

/* A session of two evaluations whose program died during the second. */
static struct session_options died_in_the_second(const char *path, struct problem *problem) {
    *problem = faulty_problem(100000, 3);
    struct session_options options = options_for(path, problem, 1);
    options.limits = &harmless;
    options.n_limits = 1;
    options.evaluations = 2;
    json_decref(run(&options));
    sql_into(path, "DELETE FROM samples WHERE evaluation_id = 2; "
                   "UPDATE evaluations SET outcome = 'running', time_ns = NULL, low_ns = NULL, "
                   "high_ns = NULL, is_final = 0 WHERE evaluation_id = 2; "
                   "UPDATE sessions SET state = 'running'; "
                   "DELETE FROM facts WHERE kind = 'done'");
    return options;
}

Test(session, what_was_running_is_tried_once_more_in_the_same_boot) {
    const char *path = database();
    struct problem problem;
    struct session_options options = died_in_the_second(path, &problem);
    json_t *result = run(&options);
    cr_assert_eq(evaluations_of(result), 1, "%d", evaluations_of(result));
    json_decref(result);
    expect_row(path,
               "SELECT is_resumed, outcome IN ('ok', 'abandoned') FROM evaluations WHERE "
               "evaluation_id = 2",
               "\n1,1\n");
    expect_row(path, "SELECT count(*) FROM evaluations", "\n2\n");
}

/* Crashed, never run again in this session nor in another. */
static void expect_blamed(const char *path, struct session_options options, const char *why) {
    json_t *result = run(&options);
    cr_assert_eq(evaluations_of(result), 0, "%d", evaluations_of(result));
    cr_assert_eq(outcome_of(result, 0, "crashed"), 1);
    json_decref(result);
    expect_row(path, "SELECT outcome, message FROM evaluations WHERE evaluation_id = 2", why);
    options.seed = 2;
    options.evaluations = 5;
    json_decref(run(&options));
    expect_row(path,
               "SELECT count(*), sum(config = (SELECT config FROM evaluations WHERE "
               "evaluation_id = 2)) FROM evaluations WHERE session_id = 2",
               "\n5,0\n");
    options.seed = 3; /* the user's word clears it */
    sql_into(path, "UPDATE evaluations SET is_forgiven = 1");
    json_decref(run(&options));
    expect_row(path,
               "SELECT count(*), sum(config = (SELECT config FROM evaluations WHERE "
               "evaluation_id = 2)) FROM evaluations WHERE session_id = 3",
               "\n5,1\n");
}

Test(session, what_was_running_twice_is_to_blame) {
    const char *path = database();
    struct problem problem;
    const struct session_options options = died_in_the_second(path, &problem);
    sql_into(path, "UPDATE evaluations SET is_resumed = 1 WHERE evaluation_id = 2");
    expect_blamed(path, options, "crashed,\"was running when the program died, twice\"");
}

Test(session, what_was_running_when_the_machine_went_down_is_to_blame) {
    const char *path = database();
    struct problem problem;
    const struct session_options options = died_in_the_second(path, &problem);
    sql_into(path, "UPDATE evaluations SET boot_id = 'an earlier boot' WHERE evaluation_id = 2");
    expect_blamed(path, options, "crashed,was running when the machine went down");
}

Test(session, what_is_gone_from_the_program_is_settled) {
    const char *path = database();
    struct problem problem;
    const struct session_options options = died_in_the_second(path, &problem);
    sql_into(path, "UPDATE evaluations SET config = 'KIND=gone,WG=1' WHERE evaluation_id = 2");
    json_t *result = run(&options);
    cr_assert_eq(evaluations_of(result), 0);
    json_decref(result);
    expect_row(path, "SELECT outcome, message FROM evaluations WHERE evaluation_id = 2",
               "has it no more");
}

/* ---- one session's failure is another's warning ---- */

Test(session, a_winner_that_failed_elsewhere_is_no_winner) {
    const char *path = database();
    struct problem problem = faulty_problem(100000, 3);
    struct session_options options = options_for(path, &problem, 1);
    options.limits = &harmless;
    options.n_limits = 1;
    options.evaluations = 4; /* the four that are right */
    json_t *result = run(&options);
    const json_t *best = json_object_get(problem_of(result, 0), "best");
    char *config = text_copy(json_string_value(json_object_get(best, "config")));
    json_decref(result);
    /* Another session found it wrong. */
    char *sql = text_format(
        "INSERT INTO sessions SELECT 9, device_id, 'x', strategy, seed, 0, 0, 0, 'finished', 0 "
        "FROM sessions; INSERT INTO evaluations (session_id, device_id, problem_id, class, layout, "
        "sequence, source_key, options, variant, config, outcome, unix_s, boot_id, is_default) "
        "SELECT 9, device_id, problem_id, class, layout, 0, source_key, options, variant, config, "
        "'wrong', 0, '', 0 FROM evaluations WHERE config = '%s'",
        config);
    sql_into(path, sql);
    free(sql);
    result = run(&options); /* re-checks its winner */
    best = json_object_get(problem_of(result, 0), "best");
    cr_assert(json_is_object(best));
    cr_assert_str_neq(json_string_value(json_object_get(best, "config")), config);
    json_decref(result);
    sql = text_format("SELECT count(*) FROM samples JOIN evaluations USING (evaluation_id) "
                      "WHERE config = '%s' AND round > 1",
                      config);
    expect_row(path, sql, "\n0\n");
    free(sql);
    free(config);
}

/* ---- problems without room ---- */

Test(session, a_problem_without_room_is_left_out) {
    const char *path = database();
    const struct problem list[2] = {faulty_problem(1 << 24, 1 << 24), faulty_problem(100000, 3)};
    struct session_options options = options_for(path, list, 2);
    options.evaluations = 1;
    json_t *result = run(&options);
    cr_assert_eq(json_array_size(json_object_get(result, "problems")), 1);
    cr_assert(json_is_object(json_object_get(problem_of(result, 0), "best")));
    json_decref(result);

    struct error err = {0};
    options.n_problems = 1;
    cr_assert_eq(session_run(&options, &result, &err), STATUS_NOMEM, "%s", err.text);
    cr_assert(strstr(err.text, "ask for a smaller one"), "%s", err.text);
    cr_assert_null(result);
    expect_row(path, "SELECT count(*) FROM evaluations WHERE outcome <> 'ok'", "\n0\n");
}

/* ---- limits, interrupts, locks ---- */

Test(session, evaluations_limit_then_more) {
    const char *path = database();
    struct problem problem = faulty_problem(100000, 3);
    struct session_options options = options_for(path, &problem, 1);
    options.limits = &harmless;
    options.n_limits = 1;
    options.evaluations = 3;
    json_t *first = run(&options);
    cr_assert_eq(evaluations_of(first), 3);
    json_decref(first);
    options.more = true;
    json_t *second = run(&options);
    cr_assert_eq(evaluations_of(second), 3);
    json_decref(second);
}

/* A thousand grants at most, and no product that overflows, whatever the database says. With a budget, a
 * problem whose best is at its launch floor may end before. */
Test(session, hostile_grants_are_bounded) {
    static const int64_t budgets[] = {0, 100000000000};
    const char *path = database();
    struct problem problem = faulty_problem(100000, 3);
    struct session_options options = options_for(path, &problem, 1);
    options.limits = &harmless;
    options.n_limits = 1;
    options.evaluations = 2;
    for (int i = 0; i < 2; i++) {
        options.budget_ns = budgets[i];
        json_decref(run(&options));
        sql_into(path, "INSERT OR REPLACE INTO facts SELECT 'grants', model, version, session_id, "
                       "'9223372036854775807', 1 FROM sessions JOIN devices USING (device_id); "
                       "UPDATE sessions SET state = 'interrupted', spent_ns = 9223372036854775807");
        json_t *result = run(&options);
        const int n = evaluations_of(result);
        cr_expect(i == 0 ? n == 12 - 2 : n <= 12 - 2, "%d: 1000 times 2 may run, of 12", n);
        cr_expect(json_is_object(json_object_get(problem_of(result, 0), "best")));
        json_decref(result);
    }
}

Test(session, a_budget_ends_it) {
    struct session_options options = harmless_session(database());
    options.budget_ns = 6000000000;
    json_t *result = run(&options);
    cr_assert(json_is_object(json_object_get(problem_of(result, 0), "best")));
    const json_t *second = problem_of(result, 1); /* on a busy machine it may not be reached */
    cr_assert(json_is_object(json_object_get(second, "best")) ||
              json_is_false(json_object_get(second, "finished")));
    json_decref(result);
}

Test(session, what_the_time_did_not_reach_is_for_the_next_run) {
    struct session_options options = harmless_session(database());
    options.evaluations = 2;
    options.budget_ns = 20000000000;
    options.began_ns = clock_now_ns() - options.budget_ns; /* all of it has gone by */
    json_t *result = run(&options);
    cr_assert_eq(evaluations_of(result), 0);
    cr_assert(json_is_false(json_object_get(problem_of(result, 0), "finished")));
    cr_assert_str_eq(
        json_string_value(json_object_get(json_object_get(result, "session"), "state")),
        "interrupted");
    json_decref(result);

    options.began_ns = 0;
    result = run(&options);
    for (size_t i = 0; i < 2; i++)
        cr_assert(json_is_true(json_object_get(problem_of(result, i), "finished")));
    cr_assert(json_is_true(json_object_get(json_object_get(result, "session"), "resumed")));
    json_decref(result);
}

static volatile int interrupt;
static void raise_interrupt(int signal) {
    (void)signal;
    interrupt++;
}
Test(session, an_interrupt_keeps_what_there_is) {
    const char *path = database();
    struct session_options options = harmless_session(path);
    options.interrupt = &interrupt;
    signal(SIGALRM, raise_interrupt);
    alarm(4);
    json_t *result = NULL;
    struct error err = {0};
    enum status st = session_run(&options, &result, &err);
    if (st == OK) cr_skip_test("the session ended before it was interrupted");
    cr_assert_eq(st, STATUS_INTERRUPTED, "%s: %s", status_name(st), err.text);
    cr_assert(strstr(err.text, "same command"), "%s", err.text);
    cr_assert_not_null(result);
    json_decref(result);
    cr_assert_eq(count_rows(path, "running"), 0, "the candidate was finished");
    interrupt = 0;
    result = run(&options);
    cr_assert_eq(count_rows(path, NULL), 2 * 12);
    json_decref(result);
}

Test(session, two_at_once_are_told_who_is_there) {
    struct device *device;
    struct lock *lock;
    struct error err = {0};
    cr_assert_eq(device_open(NULL, &device, &err), OK, "%s", err.text);
    cr_assert_eq(lock_take(device_describe(device), "the other one", &lock, &err), OK, "%s",
                 err.text);
    struct session_options options = harmless_session(database());
    json_t *result = NULL;
    cr_assert_eq(session_run(&options, &result, &err), STATUS_BUSY);
    cr_assert(strstr(err.text, "the other one"), "%s", err.text);
    cr_assert_null(result);
    lock_release(lock);
    device_close(device);
}

Test(session, what_makes_no_sense_is_refused) {
    struct session_options options = harmless_session(database());
    json_t *result = NULL;
    struct error err = {0};
    options.strategy = "clairvoyant";
    cr_assert_eq(session_run(&options, &result, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "clairvoyant"));
    struct space_limit none = {.param = "NOSUCH", .values = {"1"}, .n_values = 1};
    options.strategy = NULL;
    options.limits = &none;
    cr_assert_eq(session_run(&options, &result, &err), STATUS_USAGE);
    cr_assert(strstr(err.text, "NOSUCH"), "%s", err.text);
}
