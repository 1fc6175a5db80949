/* test_records.c: what failed here is never run again, by the rules; the best come first. */
#include "tests/results/records.h"

/* ---- quarantine ---- */

static enum outcome verdict(struct store *store, int64_t device, struct record_key key) {
    enum outcome outcome;
    char *message = NULL;
    struct error err = {OK, ""};
    WELL(store_verdict(store, device, &key, &outcome, &message, &err));
    free(message);
    return outcome;
}

Test(records, quarantine_is_by_outcome) {
    static const struct {
        enum outcome outcome, after_one, after_two;
    } cases[] = {
        {OUTCOME_WRONG, OUTCOME_WRONG, OUTCOME_WRONG},
        {OUTCOME_CRASHED, OUTCOME_CRASHED, OUTCOME_CRASHED},
        {OUTCOME_COMPILE_FAILED, OUTCOME_COMPILE_FAILED, OUTCOME_COMPILE_FAILED},
        {OUTCOME_TIMEOUT, OUTCOME_OK, OUTCOME_TIMEOUT},
        {OUTCOME_LAUNCH_FAILED, OUTCOME_OK, OUTCOME_OK},
        {OUTCOME_IMPLAUSIBLE, OUTCOME_OK, OUTCOME_OK},
        {OUTCOME_ABANDONED, OUTCOME_OK, OUTCOME_OK},
        {OUTCOME_OK, OUTCOME_OK, OUTCOME_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct store *store = opened(database_new(), STORE_WRITE);
        const int64_t device = device_row(store, MODEL, VERSION);
        const bool needs_time = cases[i].outcome == OUTCOME_IMPLAUSIBLE;
        cr_assert_eq(verdict(store, device, key_usual), OUTCOME_OK);
        for (int times = 1; times <= 2 && !needs_time; times++) {
            record_new(store, device, key_usual, cases[i].outcome, 10, false);
            const enum outcome expected = times == 1 ? cases[i].after_one : cases[i].after_two;
            cr_assert_eq(verdict(store, device, key_usual), expected, "%d times %s", times,
                         outcome_names[cases[i].outcome]);
        }
        store_close(store);
    }
}

Test(records, quarantine_is_of_one_configuration_on_one_version) {
    struct store *store = opened(database_new(), STORE_WRITE);
    const int64_t device = device_row(store, MODEL, VERSION);
    struct record_key key = key_usual;
    record_new(store, device, key, OUTCOME_CRASHED, NAN, false);
    cr_assert_eq(verdict(store, device_row(store, MODEL, "new driver"), key), OUTCOME_OK);
    static const size_t members[] = {
        offsetof(struct record_key, source_key), offsetof(struct record_key, family),
        offsetof(struct record_key, problem),    offsetof(struct record_key, class_name),
        offsetof(struct record_key, layout),     offsetof(struct record_key, variant),
        offsetof(struct record_key, config)};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        struct record_key other = key;
        *(const char **)((char *)&other + members[i]) = "different";
        cr_assert_eq(verdict(store, device, other), OUTCOME_OK, "member %zu", i);
    }
    key.options = "-DTM=5";
    cr_assert_eq(verdict(store, device, key), OUTCOME_CRASHED);
    store_close(store);
}

Test(records, compile_failures_hold_for_the_same_program) {
    struct store *store = opened(database_new(), STORE_WRITE);
    const int64_t device = device_row(store, MODEL, VERSION);
    struct record_key key = key_usual;
    record_new(store, device, key, OUTCOME_COMPILE_FAILED, NAN, false);
    key.problem = "m=256,k=128,n=32,w=q4:128";
    cr_assert_eq(verdict(store, device, key), OUTCOME_COMPILE_FAILED, "the same text and options");
    key.options = "-DTM=4 -DGROUP=64";
    cr_assert_eq(verdict(store, device, key), OUTCOME_OK);
    store_close(store);
}

Test(records, a_verdict_says_why) {
    struct store *store = opened(database_new(), STORE_WRITE);
    struct error err = {OK, ""};
    const int64_t device = device_row(store, MODEL, VERSION);
    struct evaluation e = evaluation_begun(session_new(store, device), device, 0, key_usual);
    char why[] = "judge: killed by signal 11";
    WELL(store_step(store, NULL, &e, &err));
    e.outcome = OUTCOME_CRASHED;
    e.message = why;
    WELL(store_step(store, &e, NULL, &err));
    enum outcome outcome;
    char *message = NULL;
    WELL(store_verdict(store, device, &key_usual, &outcome, &message, &err));
    cr_assert_str_eq(message, why);
    free(message);
    store_close(store);
}

Test(records, retry_forgives_crashes_and_timeouts_only) {
    struct store *store = opened(database_new(), STORE_WRITE);
    struct error err = {OK, ""};
    const int64_t device = device_row(store, MODEL, VERSION);
    static const enum outcome outcomes[4] = {OUTCOME_CRASHED, OUTCOME_TIMEOUT, OUTCOME_WRONG,
                                             OUTCOME_COMPILE_FAILED};
    static const char *const configs[4] = {"TM=1", "TM=2", "TM=3", "TM=4"};
    static const char *const options[4] = {"-DTM=1", "-DTM=2", "-DTM=3", "-DTM=4"};
    struct record_key keys[4];
    for (int i = 0; i < 4; i++) {
        keys[i] = key_usual;
        keys[i].config = configs[i];
        keys[i].options = options[i];
        for (int times = 0; times < 2; times++)
            record_new(store, device, keys[i], outcomes[i], NAN, false);
    }
    int64_t n = 0;
    WELL(store_retry(store, &n, &err));
    cr_assert_eq(n, 4, "two crashes and two timeouts, not %lld", (long long)n);
    cr_assert_eq(verdict(store, device, keys[0]), OUTCOME_OK);
    cr_assert_eq(verdict(store, device, keys[1]), OUTCOME_OK);
    cr_assert_eq(verdict(store, device, keys[2]), OUTCOME_WRONG);
    cr_assert_eq(verdict(store, device, keys[3]), OUTCOME_COMPILE_FAILED);
    WELL(store_retry(store, &n, &err));
    cr_assert_eq(n, 0);
    record_new(store, device, keys[0], OUTCOME_CRASHED, NAN, false);
    cr_assert_eq(verdict(store, device, keys[0]), OUTCOME_CRASHED, "forgiven once, not for ever");
    store_close(store);
}

/* ---- the best ---- */

static void expect_best(struct store *store, struct record_key key, size_t limit,
                        const double *times, size_t expected) {
    struct evaluation *list = NULL;
    size_t n = 0;
    struct error err = {OK, ""};
    WELL(store_best(store, MODEL, &key, limit, &list, &n, &err));
    cr_assert_eq(n, expected, "%zu records", n);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(list[i].time_ns, times[i], "number %zu takes %g", i, list[i].time_ns);
        cr_assert_eq(list[i].n_samples, 3);
        evaluation_free(&list[i]);
    }
    free(list);
}
#define BEST(store, key, limit, ...)                                                               \
    expect_best(store, key, limit, (const double[]){__VA_ARGS__},                                  \
                sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

Test(records, the_best_are_final_then_fast) {
    struct store *store = opened(database_new(), STORE_WRITE);
    const int64_t device = device_row(store, MODEL, VERSION),
                  newer = device_row(store, MODEL, "new driver"),
                  other = device_row(store, "other model", VERSION);
    record_new(store, device, with_config("A"), OUTCOME_OK, 100, false);
    record_new(store, device, with_config("B"), OUTCOME_OK, 120, true);
    record_new(store, newer, with_config("C"), OUTCOME_OK, 110, true);
    record_new(store, other, with_config("D"), OUTCOME_OK, 1, true);
    record_new(store, device, with_config("E"), OUTCOME_ABANDONED, 2, false);
    struct record_key rows = with_config("F");
    rows.layout = "rows";
    record_new(store, device, rows, OUTCOME_OK, 90, false);
    struct record_key elsewhere = with_config("G");
    elsewhere.problem = "m=1,k=1,n=1,w=f32";
    elsewhere.class_name = "i8";
    record_new(store, device, elsewhere, OUTCOME_OK, 80, true);

    const struct record_key any = {0},
                            of_problem = {.family = "matmul", .problem = key_usual.problem},
                            in_layout = {.family = "matmul",
                                         .problem = key_usual.problem,
                                         .class_name = "f32",
                                         .layout = "panel16"},
                            in_class = {.class_name = "i8"},
                            never = {.family = "matmul", .problem = "m=2,k=2,n=2,w=f32"};
    BEST(store, of_problem, 10, 110, 120, 90, 100);
    BEST(store, of_problem, 2, 110, 120);
    BEST(store, in_layout, 10, 110, 120, 100);
    BEST(store, any, 1, 80);
    BEST(store, in_class, 10, 80);
    expect_best(store, never, 10, NULL, 0);
    expect_best(store, of_problem, 0, NULL, 0);
    store_close(store);
}

Test(records, a_configuration_is_its_newest_measurement) {
    struct store *store = opened(database_new(), STORE_WRITE);
    const int64_t device = device_row(store, MODEL, VERSION);
    record_new(store, device, with_config("A"), OUTCOME_OK, 50, false);
    record_new(store, device, with_config("A"), OUTCOME_OK, 70, false);
    record_new(store, device, with_config("B"), OUTCOME_OK, 60, false);
    BEST(store, key_usual, 10, 60, 70);
    store_close(store);
}

Test(records, what_failed_once_is_not_the_best) {
    struct store *store = opened(database_new(), STORE_WRITE);
    const int64_t device = device_row(store, MODEL, VERSION);
    record_new(store, device, with_config("A"), OUTCOME_OK, 50, true);
    record_new(store, device, with_config("B"), OUTCOME_OK, 60, true);
    record_new(store, device, with_config("A"), OUTCOME_WRONG, NAN, false);
    BEST(store, key_usual, 10, 60);
    store_close(store);
}

Test(records, outcomes_are_counted) {
    struct store *store = opened(database_new(), STORE_WRITE);
    struct error err = {OK, ""};
    const int64_t device = device_row(store, MODEL, VERSION);
    record_new(store, device, with_config("A"), OUTCOME_OK, 50, false);
    record_new(store, device_row(store, MODEL, "2"), with_config("B"), OUTCOME_OK, 50, false);
    record_new(store, device, with_config("C"), OUTCOME_CRASHED, NAN, false);
    struct record_key other = with_config("D");
    other.problem = "m=1,k=1,n=1,w=f32";
    record_new(store, device, other, OUTCOME_TIMEOUT, NAN, false);
    int64_t counts[OUTCOMES];
    const struct record_key key = {.family = "matmul", .problem = key_usual.problem}, any = {0};
    WELL(store_outcomes(store, MODEL, &key, counts, &err));
    cr_assert(counts[OUTCOME_OK] == 2 && counts[OUTCOME_CRASHED] == 1 &&
              counts[OUTCOME_TIMEOUT] == 0);
    WELL(store_outcomes(store, MODEL, &any, counts, &err));
    cr_assert_eq(counts[OUTCOME_TIMEOUT], 1);
    WELL(store_outcomes(store, "nowhere", &any, counts, &err));
    for (int i = 0; i < OUTCOMES; i++) cr_assert_eq(counts[i], 0);
    store_close(store);
}
