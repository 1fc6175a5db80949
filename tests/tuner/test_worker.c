/* test_worker.c: kernels that really are wrong, slow, hang, crash or do not compile, and the worker that
 * survives them all. */
#include "base/child.h"
#include "base/clock.h"
#include "tests/tuner/faulty.h"
#include "tuner/frames.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>

static struct worker *worker;

static void open_worker(void) {
    struct error err = {0};
    faulty_setup();
    cr_assert_eq(worker_open(NULL, NULL, &faulty_deadlines, &worker, &err), OK, "%s", err.text);
}
static void close_worker(void) {
    worker_close(worker);
}
TestSuite(worker, .init = open_worker, .fini = close_worker);

static struct work work_of(int kind, int wg, double incumbent_ns) {
    return (struct work){.config = {.variant = &faulty_variant, .value = {kind, wg}},
                         .problem = faulty_problem(100000, 3),
                         .seed = 1,
                         .incumbent_ns = incumbent_ns};
}

static struct evaluation evaluated(struct work work) {
    struct evaluation e = {0};
    struct error err = {0};
    cr_assert_eq(worker_evaluate(worker, &work, NULL, &e, NULL, &err), OK, "%s", err.text);
    return e;
}

static void expect(int kind, enum outcome outcome, const char *words) {
    struct evaluation e = evaluated(work_of(kind, 2, INFINITY));
    cr_assert_eq(e.outcome, outcome, "kind %d is %s, not %s: %s", kind, outcome_names[e.outcome],
                 outcome_names[outcome], e.message ? e.message : "");
    if (words)
        cr_assert(e.message && strstr(e.message, words), "\"%s\" says nothing of %s",
                  e.message ? e.message : "", words);
    if (outcome == OUTCOME_OK) {
        cr_assert(e.time_ns > 0 && e.low_ns <= e.time_ns && e.time_ns <= e.high_ns);
        cr_assert_geq(e.n_samples, 3);
        cr_assert(e.share > 0 && e.ceiling_gbps > 0 && e.ceiling_gflops > 0 && e.floor_ns > 0);
        cr_assert(e.build_ns > 0 && e.check_ns > 0 && e.wall_ns > 0);
        cr_assert(strstr(e.conditions, "working_set"), "%s", e.conditions);
    }
    evaluation_free(&e);
}

Test(worker, catches_each_kind_and_goes_on) {
    expect(KIND_RIGHT, OUTCOME_OK, NULL);
    expect(KIND_WRONG, OUTCOME_WRONG, NULL);
    expect(KIND_RIGHT, OUTCOME_OK, NULL);
    expect(KIND_NO_COMPILE, OUTCOME_COMPILE_FAILED, "this one does not compile");
    expect(KIND_CRASH, OUTCOME_CRASHED, "signal");
    expect(KIND_HANG, OUTCOME_TIMEOUT, "no end of");
    expect(KIND_RIGHT, OUTCOME_OK, NULL);
}

/* Samples beside a drifting canary never end a race: then this says nothing, and is tried again. */
static bool was_disturbed(const struct evaluation *e) {
    json_error_t why;
    json_t *conditions = json_loads(e->conditions, 0, &why);
    const bool disturbed = json_integer_value(json_object_get(conditions, "discarded")) > 0;
    json_decref(conditions);
    return disturbed;
}

/* Of a problem that is hardly larger than the small one, which tells nothing of it then. */
static struct evaluation evaluated_small(int kind, double incumbent_ns) {
    struct work work = work_of(kind, 8, incumbent_ns);
    work.problem = faulty_problem(10000, 3);
    return evaluated(work);
}

Test(worker, slow_kernels_are_abandoned) {
    struct evaluation right = evaluated_small(KIND_RIGHT, INFINITY), slow;
    cr_assert_eq(right.outcome, OUTCOME_OK, "%s", right.message);
    for (int attempt = 0;; attempt++) {
        slow = evaluated_small(KIND_SLOW, right.time_ns);
        if (slow.outcome == OUTCOME_ABANDONED) break;
        cr_assert(slow.outcome == OUTCOME_OK && was_disturbed(&slow), "%s: %s",
                  outcome_names[slow.outcome], slow.message ? slow.message : "");
        evaluation_free(&slow);
        if (attempt == 8) cr_skip_test("this machine is too busy to race kernels");
    }
    cr_assert(slow.n_samples >= 1 && slow.n_samples <= 2);
    cr_assert_gt(slow.time_ns, 1.25 * right.time_ns);
    evaluation_free(&right);
    evaluation_free(&slow);
}

static struct evaluation evaluated_at(const struct problem *problem, int kind,
                                      double incumbent_ns) {
    struct work work = work_of(kind, 8, incumbent_ns);
    work.problem = *problem;
    work.budget_ns = 1;
    return evaluated(work);
}

static void expect_parts(int kind, double incumbent_ns, enum outcome outcome, bool is_partial) {
    const struct problem problem = faulty_problem(1000000, 3);
    struct evaluation e = evaluated_at(&problem, kind, incumbent_ns);
    cr_expect_eq(e.outcome, outcome, "%s: %s", outcome_names[e.outcome], e.message);
    cr_expect_eq(strstr(e.conditions, "\"parts\":4") != NULL, is_partial, "%s", e.conditions);
    if (is_partial) cr_expect(e.time_ns > 60e6 && isnan(e.nmse), "%g %g", e.time_ns, e.nmse);
    evaluation_free(&e);
}

/* 1.5 · 10⁹ loads, beside a best that took 20 ms as it is said, or much longer than they do. */
Test(worker, what_is_hopeless_is_told_from_a_part_of_the_rows) {
    expect_parts(KIND_SLOW, 20e6, OUTCOME_ABANDONED, true);
    expect_parts(KIND_SLOW, 20e9, OUTCOME_OK, false);
    expect_parts(KIND_RIGHT, 20e9, OUTCOME_OK, false);
    expect_parts(KIND_SLOW, 20e9, OUTCOME_ABANDONED, true); /* parts are compared with parts */
}

static void expect_ragged(const struct problem *problem, double incumbent_ns, bool is_ragged) {
    struct evaluation e = evaluated_at(problem, KIND_SLOW, incumbent_ns);
    cr_expect_eq(strstr(e.conditions, "\"ragged\":true") != NULL, is_ragged, "%s", e.conditions);
    if (is_ragged) {
        cr_expect_eq(e.outcome, OUTCOME_ABANDONED, "%s", outcome_names[e.outcome]);
        cr_expect(e.time_ns > 3 * incumbent_ns && isnan(e.nmse), "%g %g", e.time_ns, e.nmse);
    }
    evaluation_free(&e);
}

/* Some thousand loads' time, beside what is told of the best of a large problem and of one that is hardly larger. */
Test(worker, what_would_hang_is_told_from_the_small_problem) {
    const struct problem large = faulty_problem(1000000, 3), small = faulty_problem(3000, 3);
    expect_ragged(&large, 1e3, true);
    expect_ragged(&large, 1e9, false);
    expect_ragged(&small, 1e3, false);
}

static int children(void) {
    FILE *list = fopen("/proc/thread-self/children", "re");
    int n = 0, pid;
    if (!list) cr_skip_test("this kernel does not list children");
    while (fscanf(list, "%d", &pid) == 1) n++;
    fclose(list);
    return n;
}

Test(worker, who_disturbs_nobody_starts_before_it_is_asked) {
    const struct build_ahead on_gpu = {.on_device = false}, on_cpu = {.on_device = true};
    worker_build_ahead(worker, &on_cpu);
    cr_expect_eq(children(), 0);
    worker_build_ahead(worker, &on_gpu);
    cr_expect_eq(children(), 1);
    expect(KIND_RIGHT, OUTCOME_OK, NULL);
    expect(KIND_CRASH, OUTCOME_CRASHED, "signal");
    cr_expect_eq(children(), 1, "who takes its place");
    expect(KIND_WRONG, OUTCOME_WRONG, NULL);
    cr_expect_eq(children(), 1);
    expect(KIND_RIGHT, OUTCOME_OK, NULL);
    cr_expect_eq(children(), 1);
}

Test(worker, three_crashes_are_not_a_lost_device) {
    expect(KIND_RIGHT, OUTCOME_OK, NULL);
    for (int i = 0; i < 4; i++) expect(KIND_CRASH, OUTCOME_CRASHED, "signal");
    expect(KIND_RIGHT, OUTCOME_OK, NULL);
}

Test(worker, finals_are_interleaved_and_checked) {
    struct work works[3] = {work_of(KIND_RIGHT, 4, INFINITY), work_of(KIND_WRONG, 4, INFINITY),
                            work_of(KIND_SLOW, 4, INFINITY)};
    for (int i = 0; i < 3; i++) works[i].is_final = true;
    struct evaluation e[3] = {0};
    struct error err = {0};
    cr_assert_eq(worker_finals(worker, works, 3, e, NULL, &err), OK, "%s", err.text);
    cr_assert_eq(e[0].outcome, OUTCOME_OK, "%s", e[0].message);
    cr_assert_eq(e[1].outcome, OUTCOME_WRONG);
    cr_assert_eq(e[2].outcome, OUTCOME_OK, "%s", e[2].message);
    cr_assert_lt(e[0].time_ns, e[2].time_ns);
    cr_assert_geq(e[0].n_samples, 3);
    for (int i = 0; i < 3; i++) evaluation_free(&e[i]);
}

Test(worker, ceilings_are_remembered_across_deaths) {
    expect(KIND_RIGHT, OUTCOME_OK, NULL);
    struct ceiling_memory before = *worker_ceilings(worker);
    cr_assert(before.gflops > 0 && before.n_levels > 0);
    expect(KIND_CRASH, OUTCOME_CRASHED, NULL);
    expect(KIND_RIGHT, OUTCOME_OK, NULL);
    cr_assert_eq(worker_ceilings(worker)->gflops, before.gflops, "measured once");
}

/* ---- leave ---- */

/* Its frames, until one has this member; NULL: it has died before, or says nothing for so long. */
static json_t *listen(struct child *child, const char *member, int64_t deadline_ns,
                      enum status *st) {
    char *bytes = NULL;
    size_t size;
    while ((*st = child_receive(child, deadline_ns, &bytes, &size, NULL, NULL)) == OK) {
        json_t *frame = json_loads(bytes, 0, NULL);
        free(bytes);
        if (json_object_get(frame, member)) return frame;
        json_decref(frame);
    }
    return NULL;
}

static void ask(struct child *child, json_t *frame) {
    struct error err = {0};
    cr_assert_eq(frame_ask(child, frame, &err), OK, "%s", err.text);
    json_decref(frame);
}

/* Until it waits for its leave, and half a second longer. */
static void expect_waiting(struct child *child) {
    const char *stage = "";
    enum status st = OK;
    for (json_t *frame; strcmp(stage, "leave") != 0; json_decref(frame)) {
        frame = listen(child, "stage", faulty_deadlines.build, &st);
        cr_assert(frame, "%s", status_name(st));
        stage = stage_names[stage_find(json_string_value(json_object_get(frame, "stage")))];
    }
    cr_assert_null(listen(child, "stage", 500000000, &st));
    cr_assert_eq(st, STATUS_TIMEOUT);
}

/* A worker that is held builds, but runs nothing: what crashes would take it along. The leave is
 * for one request, also where there was nothing to run. */
Test(worker, runs_nothing_before_it_has_leave) {
    static const int kinds[] = {KIND_NO_COMPILE, KIND_RIGHT, KIND_CRASH};
    struct child *child;
    struct error err = {0};
    enum status st;
    cr_assert_eq(child_open("worker", &child, &err), OK, "%s", err.text);
    ask(child, json_pack("{s:s}", "device", ""));
    json_decref(listen(child, "ceilings", faulty_deadlines.start, &st));
    cr_assert_eq(st, OK);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct work work = work_of(kinds[i], 2, INFINITY);
        ask(child, json_pack("{s:[o],s:b}", "works", frame_work(&work), "held", true));
        if (kinds[i] != KIND_NO_COMPILE) expect_waiting(child);
        else cr_assert_null(listen(child, "results", 500000000, &st));
        ask(child, json_pack("{s:b}", "leave", true));
        json_t *reply = listen(child, "results", faulty_deadlines.judge, &st);
        cr_assert_eq(st, kinds[i] == KIND_CRASH ? STATUS_CRASHED : OK, "%s", status_name(st));
        cr_assert_eq(json_array_size(json_object_get(reply, "results")), kinds[i] != KIND_CRASH);
        json_decref(reply);
    }
    child_close(child);
}

/* What must be done before a candidate runs. */
struct errand {
    int times;
    enum status status;
};
static enum status run_errand(void *context, struct error *err) {
    struct errand *errand = context;
    errand->times++;
    return errand->status == OK ? OK : fail(err, errand->status, "the errand came to nothing");
}

/* When the leave is refused nothing runs, with whatever status: it is neither the candidate's fault
 * nor the device's. */
static void expect_refusals(const struct work *work) {
    static const enum status statuses[] = {STATUS_DB, STATUS_NOMEM, STATUS_CRASHED, OK};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        struct errand errand = {.status = statuses[i]};
        struct leave leave = {.give = run_errand, .context = &errand};
        struct evaluation e = {.outcome = OUTCOME_RUNNING};
        struct error err = {0};
        const enum status st = worker_evaluate(worker, work, &leave, &e, NULL, &err);
        cr_assert_eq(st, statuses[i], "%s: %s", status_name(st), err.text);
        cr_assert_eq(errand.times, 1);
        cr_assert_eq(leave.is_given, statuses[i] == OK);
        cr_assert_eq(e.outcome, statuses[i] == OK ? OUTCOME_OK : OUTCOME_RUNNING);
        evaluation_free(&e);
    }
}

static bool may_build(void *context, const struct work *work) {
    (void)context, (void)work;
    return true;
}
static size_t foresee_nothing(void *context, struct work *works, size_t n) {
    (void)context, (void)works, (void)n;
    return 0;
}

/* Before anything is built, and where a builder has it, so that the worker is at it already. */
Test(worker, without_leave_nothing_runs) {
    const struct build_ahead ahead = {
        .builders = 1, .on_device = false, .may_build = may_build, .foresee = foresee_nothing};
    struct work work = work_of(KIND_RIGHT, 1, INFINITY);
    expect_refusals(&work);
    worker_build_ahead(worker, &ahead);
    const int64_t end_ns = clock_now_ns() + 60000000000;
    for (int m = 1; clock_now_ns() < end_ns && !worker_has_built(worker, &work); m++) {
        work.problem = faulty_problem(100000 + m, 3); /* not one that a builder was too late for */
        struct evaluation e = evaluated(work);
        evaluation_free(&e);
    }
    cr_assert(worker_has_built(worker, &work));
    expect_refusals(&work);
}

/* Where no worker starts nobody is asked a second time, and not later for something else. */
Test(worker, leave_of_one_that_never_starts) {
    struct worker *lost;
    struct errand errand = {.status = OK};
    struct leave leave = {.give = run_errand, .context = &errand};
    const struct work work = work_of(KIND_RIGHT, 1, INFINITY);
    struct evaluation e = {0};
    struct error err = {0};
    cr_assert_eq(worker_open("no such device", NULL, &faulty_deadlines, &lost, &err), OK);
    cr_assert_neq(worker_evaluate(lost, &work, &leave, &e, NULL, &err), OK);
    cr_assert_neq(worker_measure_ceilings(lost, 0, NULL, &err), OK);
    cr_assert_eq(errand.times, 1);
    worker_close(lost);
}

/* 2⁵⁰ bytes: nobody has them, and that says nothing about the device. */
Test(worker, no_room_is_not_a_lost_device) {
    struct work work = work_of(KIND_RIGHT, 1, INFINITY);
    work.problem = faulty_problem(1 << 24, 1 << 24);
    for (int i = 0; i < 4; i++) {
        struct evaluation e = {0};
        struct error err = {0};
        const enum status st = worker_evaluate(worker, &work, NULL, &e, NULL, &err);
        cr_assert_eq(st, STATUS_NOMEM, "%s: %s", status_name(st), err.text);
        cr_assert(strstr(err.text, "of memory"), "%s", err.text);
        evaluation_free(&e);
    }
    expect(KIND_RIGHT, OUTCOME_OK, NULL);
}

Test(worker, a_device_that_is_not_there) {
    struct worker *lost;
    struct work work = work_of(KIND_RIGHT, 1, INFINITY);
    struct evaluation e = {0};
    struct error err = {0};
    cr_assert_eq(worker_open("no such device", NULL, &faulty_deadlines, &lost, &err), OK);
    enum status st = worker_evaluate(lost, &work, NULL, &e, NULL, &err);
    cr_assert(st != OK && strstr(err.text, "no such device"), "%s: %s", status_name(st), err.text);
    worker_close(lost);
}

/* The number of a card that fell off the bus is the next one's. */
static void expect_gone(const char *selector, const char *key, const char *words) {
    struct worker *other;
    struct work work = work_of(KIND_RIGHT, 1, INFINITY);
    struct evaluation e = {0};
    struct error err = {0};
    cr_assert_eq(worker_open(selector, key, &faulty_deadlines, &other, &err), OK);
    cr_assert_eq(worker_evaluate(other, &work, NULL, &e, NULL, &err), STATUS_DEVICE, "%s",
                 err.text);
    cr_assert(strstr(err.text, words), "%s", err.text);
    worker_close(other);
}

Test(worker, another_device_is_not_the_one) {
    expect_gone("0", "platform|vendor|another|0|0", "not the one");
    expect_gone("99", "platform|vendor|another|0|0", "gone");
}
