/* test_measure.c: the rules of measuring, proven on scripted times. */
#include "tuner/measure.h"
#include <criterion/criterion.h>
#include <math.h>

/* A subject that reports times from a list; the last one for ever. */
struct script {
    const double *time_ns;
    int n, at, runs;
    int fails_at; /* run that fails; 0: none */
};
static enum status script_run(void *context, int repeats, double *time_ns, struct error *err) {
    struct script *s = context;
    (void)repeats;
    s->runs++;
    if (s->fails_at && s->runs == s->fails_at) return fail(err, STATUS_LAUNCH, "scripted failure");
    *time_ns = s->time_ns[s->at];
    if (s->at + 1 < s->n) s->at++;
    return OK;
}
#define SCRIPT(...)                                                                                \
    (struct script) {                                                                              \
        (const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double), 0,  \
            0, 0                                                                                   \
    }
static struct subject scripted(struct script *s) {
    return (struct subject){script_run, s};
}

/* ---- settle ---- */

Test(measure, settle_waits_for_two_equal_medians) {
    struct script canary = SCRIPT(900, 900, 900, 900, 900, 700, 700, 700, 700, 700, 600, 600, 600,
                                  600, 600, 599, 598, 600, 597, 600, 1);
    double settled;
    struct error err = {0};
    cr_assert_eq(measure_settle(scripted(&canary), &settled, &err), OK);
    cr_assert_eq(canary.runs, 20);
    cr_assert_eq(settled, 599);
}

static enum status restless_run(void *context, int repeats, double *time_ns, struct error *err) {
    int *runs = context;
    (void)repeats;
    (void)err;
    *time_ns = (*runs)++ / 5 % 2 ? 2e7 : 1e7;
    return OK;
}
Test(measure, settle_gives_up_after_three_seconds) {
    int runs = 0;
    double settled, elapsed = 0;
    cr_assert_eq(measure_settle((struct subject){restless_run, &runs}, &settled, NULL), OK);
    elapsed = runs * 1.5e7;
    cr_assert(elapsed >= 2.9e9 && elapsed < 3.3e9, "%g ns", elapsed);
}

/* ---- race ---- */

static bool race(struct script *subject, struct script *canary, double incumbent, int64_t budget,
                 struct sample_set *set) {
    struct measuring m = {.subject = scripted(subject),
                          .incumbent_ns = incumbent,
                          .budget_ns = budget,
                          .canary_settled_ns = 1e5};
    if (canary) m.canary = scripted(canary);
    bool abandoned;
    struct error err = {0};
    cr_assert_eq(measure_race(&m, set, &abandoned, &err), OK, "%s", err.text);
    return abandoned;
}

/* A kernel that empties the caches is no neighbour: the canary behind it is compared with itself. */
Test(measure, race_knows_what_its_kernels_do_to_the_canary) {
    struct script subject = SCRIPT(1.61e7), canary = SCRIPT(1.4e5);
    struct sample_set set;
    double behind_ns = INFINITY;
    bool abandoned;
    struct measuring m = {.subject = scripted(&subject),
                          .canary = scripted(&canary),
                          .incumbent_ns = 1e7,
                          .canary_settled_ns = 1e5,
                          .behind_ns = &behind_ns};
    cr_assert_eq(measure_race(&m, &set, &abandoned, NULL), OK);
    cr_assert(abandoned && set.n == 1 && set.discarded == 0);
    cr_assert_eq(behind_ns, 1.4e5);
    sample_set_free(&set);
    behind_ns =
        1e5; /* another kernel of the problem did nothing of the kind: somebody is at work */
    cr_assert_eq(measure_race(&m, &set, &abandoned, NULL), OK);
    cr_assert(!abandoned && set.n == 9 && set.discarded == 6, "%zu %d", set.n, set.discarded);
    cr_assert_eq(behind_ns, 1e5);
    sample_set_free(&set);
    behind_ns = 1.3e5;
    struct script passing =
        SCRIPT(1.4e5, 2e5, 1.4e5, 1.4e5); /* and here he comes, for one sample */
    m.canary = scripted(&passing);
    cr_assert_eq(measure_race(&m, &set, &abandoned, NULL), OK);
    cr_assert(abandoned && set.n == 1 && set.discarded == 2, "%zu %d", set.n, set.discarded);
    cr_assert_eq(behind_ns, 1.3e5);
    sample_set_free(&set);
}

/* The first run of each script is the estimate of its length, which is no sample. */
Test(measure, race_drops_after_one_run_beyond_1_6) {
    struct sample_set set;
    struct script canary = SCRIPT(1e5), slow = SCRIPT(1.61e7), fair = SCRIPT(1.59e7);
    cr_assert(race(&slow, &canary, 1e7, 0, &set));
    cr_assert_eq(set.n, 1);
    cr_assert_eq(set.time_ns[0], 1.61e7);
    sample_set_free(&set);
    cr_assert(race(&fair, &canary, 1e7, 0, &set));
    cr_assert_eq(set.n, 2, "1.59 is dropped only by the second run");
    sample_set_free(&set);
}

Test(measure, race_drops_after_two_runs_beyond_1_25) {
    struct sample_set set;
    struct script canary = SCRIPT(1e5);
    struct script slow = SCRIPT(1, 1.3e7, 1.26e7), lucky = SCRIPT(1, 1.3e7, 1.24e7);
    cr_assert(race(&slow, &canary, 1e7, 0, &set));
    cr_assert_eq(set.n, 2);
    sample_set_free(&set);
    cr_assert_not(race(&lucky, &canary, 1e7, 0, &set));
    cr_assert_eq(set.n, 9, "%zu samples", set.n);
    cr_assert_eq(set.median, 1.24e7);
    sample_set_free(&set);
}

Test(measure, race_without_incumbent_never_drops) {
    struct sample_set set;
    struct script canary = SCRIPT(1e5), subject = SCRIPT(3e9);
    cr_assert_not(race(&subject, &canary, INFINITY, 0, &set));
    cr_assert_eq(set.n, 9);
    cr_assert_eq(set.median, 3e9);
    cr_assert_float_eq(set.canary, 1, 1e-9);
    sample_set_free(&set);
}

/* Canary runs: one before, one after each sample. The second and third are disturbed: samples 1 to 3
 * have a disturbed canary on one side. */
Test(measure, a_drifting_canary_discards_the_window) {
    struct sample_set set;
    struct script canary = SCRIPT(1e5, 1.3e5, 1.3e5, 1e5);
    struct script subject = SCRIPT(1, 5e7, 5e7, 5e7, 1e7);
    cr_assert_not(race(&subject, &canary, 1e7, 0, &set), "dropped by disturbed samples");
    cr_assert_eq(set.discarded, 3);
    cr_assert_eq(set.n, 9);
    cr_assert_eq(set.median, 1e7);
    sample_set_free(&set);
    struct script faster = SCRIPT(1e5, 0.7e5, 1e5), again = SCRIPT(1e7);
    race(&again, &faster, 1e7, 0, &set);
    cr_assert_eq(set.discarded, 2, "a canary that is faster drifts too");
    sample_set_free(&set);
}

Test(measure, a_machine_that_stays_disturbed_is_measured_and_never_raced) {
    struct sample_set set;
    struct script canary = SCRIPT(1.5e5), subject = SCRIPT(9e7);
    cr_assert_not(race(&subject, &canary, 1e7, 0, &set));
    cr_assert_eq(set.n, 9);
    cr_assert_eq(set.discarded, 6);
    cr_assert_float_eq(set.canary, 1.5, 1e-9);
    sample_set_free(&set);
}

Test(measure, two_runs_beyond_10_are_dropped_on_any_machine) {
    struct sample_set set;
    struct script canary = SCRIPT(1.5e5), slow = SCRIPT(1, 1.1e8), once = SCRIPT(1, 1.1e8, 9e7);
    cr_assert(race(&slow, &canary, 1e7, 0, &set));
    cr_assert_eq(set.n, 2);
    cr_assert_eq(set.discarded, 0);
    sample_set_free(&set);
    cr_assert_not(race(&once, &canary, 1e7, 0, &set), "one run may be anything");
    cr_assert_eq(set.n, 9);
    sample_set_free(&set);
}

Test(measure, the_budget_ends_a_race_but_not_before_three_samples) {
    struct sample_set set;
    struct script subject = SCRIPT(1e8);
    cr_assert_not(race(&subject, NULL, INFINITY, 5e8, &set));
    cr_assert_eq(set.n, 5, "%zu samples", set.n);
    sample_set_free(&set);
    struct script longer = SCRIPT(1e8);
    race(&longer, NULL, INFINITY, 2e8, &set);
    cr_assert_eq(set.n, 3, "%zu samples", set.n);
    sample_set_free(&set);
}

/* Waiting for a quieter moment is part of the budget, too. */
Test(measure, nothing_is_discarded_once_the_budget_is_spent) {
    struct sample_set set;
    struct script canary = SCRIPT(1.5e5), subject = SCRIPT(1e8);
    cr_assert_not(race(&subject, &canary, INFINITY, 2e8, &set));
    cr_assert_eq(set.discarded, 1, "%d discarded", set.discarded);
    cr_assert_eq(set.n, 3, "%zu samples", set.n);
    sample_set_free(&set);
}

/* A launch longer than the whole budget beside a neighbour who never leaves: one sample at least. */
Test(measure, a_race_never_ends_without_a_sample) {
    struct sample_set set;
    struct script canary = SCRIPT(1.5e5), subject = SCRIPT(1e9);
    cr_assert_not(race(&subject, &canary, INFINITY, 1e8, &set));
    cr_assert_geq(set.n, 1);
    cr_assert_eq(set.median, 1e9);
    sample_set_free(&set);
}

static enum status count_repeats(void *context, int repeats, double *time_ns, struct error *err) {
    int *seen = context;
    (void)err;
    seen[seen[0] == 0 ? 1 : 2] = repeats;
    seen[0]++;
    *time_ns = 1e5;
    return OK;
}
Test(measure, short_kernels_run_several_times_in_a_sample) {
    int seen[3] = {0};
    struct measuring m = {.subject = {count_repeats, seen}, .incumbent_ns = INFINITY};
    struct sample_set set;
    bool abandoned;
    cr_assert_eq(measure_race(&m, &set, &abandoned, NULL), OK);
    cr_assert_eq(seen[1], 1, "the estimate");
    cr_assert_eq(seen[2], 20, "2 ms of 100 us");
    sample_set_free(&set);
}

Test(measure, a_failing_run_ends_the_race) {
    struct script subject = SCRIPT(1e7);
    subject.fails_at = 4;
    struct measuring m = {.subject = scripted(&subject), .incumbent_ns = INFINITY};
    struct sample_set set;
    struct error err = {0};
    bool abandoned;
    cr_assert_eq(measure_race(&m, &set, &abandoned, &err), STATUS_LAUNCH);
    cr_assert_eq(set.n, 2);
    sample_set_free(&set);
}

/* ---- finals ---- */

static int finals(struct script *a, struct script *b, struct sample_set sets[2]) {
    struct subject subjects[2] = {scripted(a), scripted(b)};
    sets[0] = sets[1] = (struct sample_set){0};
    struct error err = {0};
    cr_assert_eq(measure_finals((struct subject){0}, 0, subjects, 2, 0, sets, &err), OK);
    return (int)sets[0].n;
}

Test(measure, finals_end_when_the_intervals_part) {
    struct script a = SCRIPT(1e7), b = SCRIPT(1.05e7);
    struct sample_set sets[2];
    cr_assert_eq(finals(&a, &b, sets), 12);
    cr_assert_lt(sets[0].high, sets[1].low);
    sample_set_free(&sets[0]);
    sample_set_free(&sets[1]);
}

Test(measure, finals_end_when_they_agree) {
    struct script a = SCRIPT(1e7, 0.9e7, 1e7, 1.1e7, 1e7, 1e7, 1e7, 1e7);
    struct script b = SCRIPT(1.005e7, 1.1e7, 1.005e7, 0.9e7, 1.005e7, 1.005e7);
    struct sample_set sets[2];
    cr_assert_eq(finals(&a, &b, sets), 12);
    sample_set_free(&sets[0]);
    sample_set_free(&sets[1]);
}

static enum status noisy_run(void *context, int repeats, double *time_ns, struct error *err) {
    int *n = context;
    (void)repeats;
    (void)err;
    *time_ns = 1e7 + 1e6 * ((*n)++ * 7 % 11) + (n[1] ? 4e5 : 0);
    return OK;
}
Test(measure, finals_end_after_twenty_rounds) {
    int a[2] = {0, 0}, b[2] = {0, 1};
    struct subject subjects[2] = {{noisy_run, a}, {noisy_run, b}};
    struct sample_set sets[2] = {0};
    cr_assert_eq(measure_finals((struct subject){0}, 0, subjects, 2, 0, sets, NULL), OK);
    cr_assert_eq(sets[0].n, 20);
    cr_assert_eq(sets[1].n, 20);
    sample_set_free(&sets[0]);
    sample_set_free(&sets[1]);
}

Test(measure, finals_end_when_the_budget_is_spent) {
    int a[2] = {0, 0}, b[2] = {0, 1};
    struct subject subjects[2] = {{noisy_run, a}, {noisy_run, b}};
    struct sample_set sets[2] = {0};
    cr_assert_eq(measure_finals((struct subject){0}, 0, subjects, 2, 1, sets, NULL), OK);
    cr_assert_eq(sets[0].n, 3);
    sample_set_free(&sets[0]);
    sample_set_free(&sets[1]);
}

Test(measure, finals_never_end_without_a_sample_of_everyone) {
    struct script a = SCRIPT(1e9), b = SCRIPT(2e9), canary = SCRIPT(1.5e5);
    struct subject subjects[2] = {scripted(&a), scripted(&b)};
    struct sample_set sets[2] = {0};
    cr_assert_eq(measure_finals(scripted(&canary), 1e5, subjects, 2, 7000000000, sets, NULL), OK);
    for (int i = 0; i < 2; i++) {
        cr_assert_geq(sets[i].n, 1, "finalist %d has no sample", i);
        sample_set_free(&sets[i]);
    }
}

/* ---- clocks ---- */

/* What the device says, what the host waited, what counts, and whether events are believed afterwards. */
Test(measure, an_event_that_cannot_be_ends_the_belief_in_events) {
    static const struct {
        double event_ns, host_ns, time_ns;
        bool is_host;
    } told[] = {
        {9.5e6, 1e7, 9.5e6, false},
        {1e6, 1e7, 1e6, false},       /* the host was kept waiting */
        {1.04e7, 1e7, 1.04e7, false}, /* two clocks differ a little */
        {1.1e7, 1e7, 1e7, true},
        {1e10, 1e7, 1e7, true}, /* longer than it was waited for */
        {9e3, 2e3, 9e3, false},
        {2e4, 2e3, 2e3, true}, /* ticks of 10 µs at most */
        {0, 5e4, 5e4, false},
        {0, 5e6, 5e6, true}, /* less than a tick, or a clock that stands */
        {NAN, 1e7, 1e7, true},
    };
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        struct timer timer = {.is_host = false};
        const struct timing timing = {told[i].event_ns, told[i].host_ns};
        cr_expect_eq(timer_ns(&timer, &timing), told[i].time_ns, "%g", told[i].event_ns);
        cr_expect_eq(timer.is_host, told[i].is_host, "%g of %g", told[i].event_ns, told[i].host_ns);
    }
    struct timer timer = {.is_host = true};
    cr_expect_eq(timer_ns(&timer, &(struct timing){9e6, 1e7}), 1e7, "it stays the host's");
}

/* A host that is kept waiting now and then is no clock that runs too slowly. */
Test(measure, events_that_are_short_again_and_again_are_not_believed) {
    const struct timing brief = {1e4, 9e5}, late = {1e6, 1e7}, right = {9e6, 1e7};
    struct timer timer = {.is_host = false};
    for (int i = 0; i < 100; i++) timer_ns(&timer, i % 16 == 15 ? &right : &late);
    for (int i = 0; i < 100; i++) timer_ns(&timer, &brief);
    cr_expect_not(timer.is_host);
    cr_expect_eq(timer_ns(&timer, &right), 9e6);
    for (int i = 0; i < 15; i++) cr_expect_eq(timer_ns(&timer, &late), 1e6);
    cr_expect_eq(timer_ns(&timer, &late), 1e7, "sixteen times in a row");
    cr_expect(timer.is_host);
}

/* ---- shares ---- */

Test(measure, share_is_the_larger_of_two) {
    struct ceiling ceiling = {.read_gbps = 40, .gflops = 300, .giops = 1200};
    struct cost bound_by_bytes = {.bytes = 4e7, .operations = 1e8};
    struct cost bound_by_sums = {.bytes = 4e6, .operations = 6e8};
    struct cost integers = {.bytes = 4e6, .operations = 6e8, .integer = true};
    cr_assert_float_eq(ceiling_share(&ceiling, &bound_by_bytes, 2e6), 0.5, 1e-9);
    cr_assert_float_eq(ceiling_share(&ceiling, &bound_by_sums, 4e6), 0.5, 1e-9);
    cr_assert_float_eq(ceiling_share(&ceiling, &integers, 1e6), 0.5, 1e-9);
}

/* ---- on the device ---- */

Test(measure, canary_and_ceilings_on_the_device) {
    struct error err = {0};
    struct device *device;
    cr_assert_eq(device_open(NULL, &device, &err), OK, "%s", err.text);
    bool agree;
    cr_assert_eq(measure_clocks_agree(device, &agree, &err), OK, "%s", err.text);
    struct canary *canary;
    cr_assert_eq(canary_open(device, &canary, &err), OK, "%s", err.text);
    double settled = 0;
    cr_assert_eq(measure_settle(canary_subject(canary), &settled, &err), OK, "%s", err.text);
    cr_assert(settled > 1e4 && settled < 1e8, "canary takes %g ns", settled);
    canary_close(canary);
    struct timer timer = {.is_host = !agree};
    struct ceilings *ceilings;
    cr_assert_eq(ceilings_open(device, &timer, &ceilings, &err), OK, "%s", err.text);
    struct ceiling first, again;
    cr_assert_eq(ceilings_measure(ceilings, 32 << 20, &first, &err), OK, "%s", err.text);
    cr_assert_eq(ceilings_measure(ceilings, (32 << 20) + 5, &again, &err), OK, "%s", err.text);
    cr_log_info(
        "clocks agree %d, canary %.0f ns, read %.1f GB/s, %.0f GFLOP/s, %.0f GIOP/s, launch "
        "%.0f ns",
        agree, settled, first.read_gbps, first.gflops, first.giops, first.launch_ns);
    cr_assert_eq(first.read_gbps, again.read_gbps, "the same level is measured once");
    cr_assert(first.read_gbps > 0.5 && first.read_gbps < 2e4);
    cr_assert(first.gflops > 1 && first.giops > 1 && first.launch_ns > 10);
    double floor_ns;
    cr_assert_eq(ceilings_floor(ceilings, 64, 1, &floor_ns, &err), OK, "%s", err.text);
    cr_assert_gt(floor_ns, 10);
    ceilings_close(ceilings);
    device_close(device);
}
