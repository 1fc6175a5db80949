/* test_own.c: kernels of one's own in whole sessions: right, wrong, writing beyond the end, not compiling, crashing,
 * hanging; with a reference and without. */
#include "tests/results/direct.h"
#include "tests/results/records.h"
#include "tests/tuner/own.h"
#include "tuner/session.h"

static const struct deadlines quick = {
    .start = 60000000000,
    .prepare = 60000000000,
    .build = 5000000000,
    .launch_least = 1000000000,
    .launch_most = 3000000000,
    .judge = 5000000000,
    .ceiling = 60000000000,
};

/* Before the first worker: Criterion's own variable would take it for one of its tests. */
static void setup(void) {
    unsetenv("BXFI_MAP");
}

TestSuite(own, .init = setup);

/* One configuration a mode. */
static const struct space_limit one_group = {.param = "WG", .values = {"16"}, .n_values = 1};

static struct session_options options_for(const char *path, const struct problem *problem) {
    return (struct session_options){.device = "0",
                                    .database = path,
                                    .problems = problem,
                                    .n_problems = 1,
                                    .strategy = "exhaustive",
                                    .seed = 1,
                                    .budget_ns = 0,
                                    .lock_text = "test_own",
                                    .limits = &one_group,
                                    .n_limits = 1,
                                    .deadlines = &quick};
}

static int outcome_of(const json_t *result, const char *name) {
    const json_t *problem = json_array_get(json_object_get(result, "problems"), 0);
    return (int)json_integer_value(json_object_get(json_object_get(problem, "outcomes"), name));
}

static const char *best_of(const json_t *result) {
    const json_t *problem = json_array_get(json_object_get(result, "problems"), 0);
    const char *config =
        json_string_value(json_object_get(json_object_get(problem, "best"), "config"));
    return config ? config : "";
}

static json_t *tuned(const char *path, const char *modes, int usual, const char *reference,
                     enum status expected, struct error *err) {
    const struct problem problem = own_problem(own_lend(modes, usual, reference));
    const struct session_options options = options_for(path, &problem);
    json_t *result = NULL;
    const enum status st = session_run(&options, &result, err);
    cr_assert_eq(st, expected, "%s: %s", status_name(st), err->text);
    t1_return();
    return result;
}

Test(own, every_fault_is_an_outcome_and_the_session_goes_on) {
    const char *folder = test_folder(), *path = database_new();
    struct error err = {0};
    const char *library = own_library(folder, own_reference);
    json_t *first = tuned(path, "[0, 1, 2, 3, 4]", 0, library, OK, &err);
    cr_expect_eq(outcome_of(first, "ok") + outcome_of(first, "abandoned"), 1);
    cr_expect_eq(outcome_of(first, "compile_failed"), 1);
    cr_expect_eq(outcome_of(first, "wrong"), 2);
    cr_expect_eq(outcome_of(first, "crashed"), 1);
    cr_expect(strstr(best_of(first), "MODE=0"), "%s", best_of(first));
    json_decref(first);
    expect_clean(path);
    /* The same again: only the winner is measured. */
    json_t *second = tuned(path, "[0, 1, 2, 3, 4]", 0, library, OK, &err);
    cr_expect_eq(json_integer_value(json_object_get(second, "evaluations")), 0);
    json_decref(second);
    /* A verdict says where and by how much. */
    struct store *store = opened(path, STORE_READ);
    char *csv = csv_of(store, "SELECT message FROM evaluations WHERE outcome = 'wrong'");
    cr_expect(strstr(csv, "y 5003 is") && strstr(csv, "bytes beyond the end of y"), "%s", csv);
    free(csv);
    store_close(store);
}

Test(own, a_kernel_that_hangs_is_ended) {
    const char *path = database_new();
    struct error err = {0};
    json_t *result = tuned(path, "[0, 5]", 0, NULL, OK, &err);
    cr_expect_eq(outcome_of(result, "timeout"), 1);
    cr_expect_eq(outcome_of(result, "ok") + outcome_of(result, "abandoned"), 1);
    json_decref(result);
    expect_clean(path);
}

/* Without a reference the default configuration is what others are compared with. */
Test(own, without_a_reference_the_default_is_right) {
    const char *path = database_new();
    struct error err = {0};
    json_t *result = tuned(path, "[0, 2]", 0, NULL, OK, &err);
    cr_expect_eq(outcome_of(result, "wrong"), 1);
    cr_expect_eq(outcome_of(result, "ok") + outcome_of(result, "abandoned"), 1);
    json_decref(result);
    /* The other way round the right ones are wrong: another default is another question. */
    result = tuned(database_new(), "[0, 2]", 2, NULL, OK, &err);
    cr_expect_eq(outcome_of(result, "wrong"), 1);
    cr_expect(strstr(best_of(result), "MODE=2"), "%s", best_of(result));
    json_decref(result);
}

Test(own, a_default_that_fails_ends_the_session_with_a_sentence) {
    const char *path = database_new();
    struct error err = {0};
    for (int again = 0; again < 2; again++) { /* in quarantine, it is not tried at all */
        tuned(path, "[0, 1]", 1, NULL, STATUS_INVALID, &err);
        cr_expect(strstr(err.text, "the default configuration"), "%s", err.text);
    }
    expect_clean(path);
    tuned(database_new(), "[0, 4]", 4, NULL, STATUS_INVALID, &err);
    cr_expect(strstr(err.text, "ended as crashed"), "%s", err.text);
}

Test(own, a_reference_that_fails_is_told) {
    static const struct {
        const char *text, *why;
        enum status status;
    } cases[] = {
        {"int another(void) { return 0; }\n", "exports no function hone_reference", STATUS_INVALID},
        {"int hone_reference(void *call) { return call ? 5 : 0; }\n", "returned 5", STATUS_INVALID},
        {"int hone_reference(void *call) { return *(volatile int *)((char *)0 + !call); }\n",
         "before it reaches a kernel", STATUS_DEVICE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *folder = test_folder(), *path = database_new();
        struct error err = {0};
        tuned(path, "[0]", 0, own_library(folder, cases[i].text), cases[i].status, &err);
        cr_expect(strstr(err.text, cases[i].why), "%s", err.text);
    }
}
