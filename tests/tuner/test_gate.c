/* test_gate.c: verdicts of the gate on made-up runs whose truth is known: nothing, a slow-down, a gain, noise
 * bursts, a machine that moved; and how often it is wrong over many such gates. */
#include "base/rng.h"
#include "tuner/gate.h"
#include <criterion/criterion.h>
#include <math.h>

enum { BASE = 20, BATCH = 9, BENCHES = 4 };

/* The runs of one benchmark: baseline, first batch, second batch. */
struct made {
    double value[3][BASE], yardstick[3][BASE];
};
static const size_t counts[3] = {BASE, BATCH, BATCH};

static void make(struct rng *rng, struct made *made, double sigma, double shift) {
    for (int side = 0; side < 3; side++)
        for (size_t i = 0; i < counts[side]; i++) {
            made->value[side][i] = 2 + sigma * rng_normal(rng) + (side ? shift : 0);
            made->yardstick[side][i] = 11 + 0.03 * rng_normal(rng);
        }
}

static struct gate_runs side_of(const struct made *made, int side) {
    return (struct gate_runs){made->value[side], made->yardstick[side], counts[side]};
}

static struct gate_bench first_batch(const struct made *made) {
    return (struct gate_bench){.base = side_of(made, 0), .fresh = side_of(made, 1)};
}

static struct gate_bench both_batches(const struct made *made) {
    struct gate_bench bench = first_batch(made);
    bench.fresh_second = side_of(made, 2);
    return bench;
}

/* As compare does it. */
static void decide(const struct made *made, size_t n, struct judgement *out) {
    struct gate_bench gate[BENCHES];
    bool open = false;
    for (size_t i = 0; i < n; i++) gate[i] = first_batch(&made[i]);
    gate_judge(gate, n, out);
    for (size_t i = 0; i < n; i++)
        if (gate_is_open(&gate[i], &out[i])) gate[i] = both_batches(&made[i]), open = true;
    if (open) gate_judge(gate, n, out);
}

static enum verdict_id verdict_of(double sigma, double shift) {
    struct rng rng = rng_seed(7);
    struct made made;
    struct judgement judged;
    make(&rng, &made, sigma, shift);
    decide(&made, 1, &judged);
    return judged.verdict;
}

Test(gate, knows_each_truth) {
    cr_expect_eq(verdict_of(0.005, 0), VERDICT_OK);
    cr_expect_eq(verdict_of(0.005, 0.08), VERDICT_SLOW);
    cr_expect_eq(verdict_of(0.005, -0.08), VERDICT_FAST);
    cr_expect_eq(verdict_of(0.005, 0.02), VERDICT_OK, "within the margin");
    cr_expect_eq(verdict_of(0.005, log1p(0.03)), VERDICT_AMBG, "on the margin");
    cr_expect_eq(verdict_of(0.2, 0), VERDICT_NOISY);
}

Test(gate, reports_shift_interval_margin_and_noise) {
    struct rng rng = rng_seed(9);
    struct made made;
    struct judgement judged;
    make(&rng, &made, 0.005, 0.08);
    const struct gate_bench gate = both_batches(&made);
    gate_judge(&gate, 1, &judged);
    cr_expect(fabs(judged.shift - 0.08) < 0.01, "%g", judged.shift);
    cr_expect(judged.low < judged.shift && judged.shift < judged.high);
    cr_expect(fabs(judged.noise - 0.005) < 0.003, "%g", judged.noise);
    cr_expect_float_eq(judged.margin, log1p(0.03), 1e-12);
    cr_expect_lt(judged.p, 1e-4);
    cr_expect(isnan(judged.detectable));
    gate_detectable(&gate, 1, &judged);
    /* a margin of 3 %, and the noise of two medians above it */
    cr_expect(judged.detectable > 0.03 && judged.detectable < 0.045, "%g", judged.detectable);
}

Test(gate, margin_follows_the_noise) {
    struct rng rng = rng_seed(4);
    struct made made;
    struct judgement judged;
    make(&rng, &made, 0.04, 0);
    const struct gate_bench gate = first_batch(&made);
    gate_judge(&gate, 1, &judged);
    cr_expect_float_eq(judged.margin, 2 * judged.noise, 1e-12);
    cr_expect_gt(judged.margin, 0.04);
}

/* A neighbour during the whole first batch: SLOW there, and the second batch clears it. */
Test(gate, a_burst_over_the_first_batch_does_not_fail) {
    struct rng rng = rng_seed(5);
    struct made made;
    struct judgement judged;
    make(&rng, &made, 0.005, 0);
    for (int i = 0; i < BATCH; i++) made.value[1][i] += 0.1;
    struct gate_bench gate = first_batch(&made);
    gate_judge(&gate, 1, &judged);
    cr_assert_eq(judged.verdict, VERDICT_SLOW);
    cr_assert(gate_is_open(&gate, &judged));
    gate = both_batches(&made);
    gate_judge(&gate, 1, &judged);
    cr_expect_neq(judged.verdict, VERDICT_SLOW, "p %g", judged.p);
    cr_expect_not(gate_is_open(&gate, &judged), "a third batch");
}

/* Three of nine runs hit by half: what a mean makes + 17 % of. */
Test(gate, bursts_in_some_runs_do_not_fail) {
    struct rng rng = rng_seed(6);
    int slow = 0;
    for (int round = 0; round < 200; round++) {
        struct made made;
        struct judgement judged;
        make(&rng, &made, 0.005, 0);
        for (int side = 1; side < 3; side++)
            for (int i = 0; i < 3; i++) made.value[side][i] += log(1.5);
        decide(&made, 1, &judged);
        slow += judged.verdict == VERDICT_SLOW;
    }
    cr_expect_eq(slow, 0, "%d of 200", slow);
}

Test(gate, a_yardstick_that_moved_says_nothing) {
    struct rng rng = rng_seed(8);
    struct made made;
    struct judgement judged;
    make(&rng, &made, 0.005, 0.08);
    for (int side = 1; side < 3; side++)
        for (int i = 0; i < BATCH; i++) made.yardstick[side][i] += log(1.4);
    decide(&made, 1, &judged);
    cr_expect_eq(judged.verdict, VERDICT_NOISY);
    cr_expect(fabs(judged.moved - 0.4) < 0.06, "%g", judged.moved);
}

/* Runs of another state of the machine do not count, whatever they say. */
Test(gate, runs_with_another_yardstick_do_not_count) {
    struct rng rng = rng_seed(8);
    struct made made;
    struct judgement judged;
    make(&rng, &made, 0.005, 0);
    for (int i = 0; i < 4; i++) {
        made.yardstick[0][i] -= log(1.7);
        made.value[0][i] += 0.5;
        made.yardstick[1][i] += log(3);
        made.value[1][i] += 2;
    }
    const struct gate_bench gate = first_batch(&made);
    gate_judge(&gate, 1, &judged);
    cr_expect_eq(judged.verdict, VERDICT_OK, "%s", verdict_names[judged.verdict]);
    cr_expect_eq(judged.n_base, 16);
    cr_expect_eq(judged.n_fresh, 5);
}

/* Runs with heavy tails, four benchmarks a gate: false alarms of all together, and power of one. */
Test(gate, is_wrong_as_rarely_as_it_says) {
    struct rng rng = rng_seed(1);
    int alarms = 0, found = 0;
    enum { GATES = 1000 };
    for (int g = 0; g < GATES; g++) {
        struct made made[BENCHES];
        struct judgement judged[BENCHES];
        for (int slow = 0; slow < 2; slow++) {
            for (int b = 0; b < BENCHES; b++) {
                make(&rng, &made[b], 0.01, slow && b == 2 ? 0.05 : 0);
                for (int side = 0; side < 3; side++)
                    for (size_t i = 0; i < counts[side]; i++)
                        if (rng_uniform(&rng) < 0.1)
                            made[b].value[side][i] += 0.2 * rng_uniform(&rng);
            }
            decide(made, BENCHES, judged);
            bool any = false;
            for (int b = 0; b < BENCHES; b++) any |= judged[b].verdict == VERDICT_SLOW;
            if (slow) found += judged[2].verdict == VERDICT_SLOW;
            else alarms += any;
        }
    }
    cr_expect_leq(alarms, GATES / 100, "%d false alarms in %d gates", alarms, GATES);
    cr_expect_geq(found, GATES * 9 / 10, "found %d of %d", found, GATES);
}

/* Holm: what would be SLOW alone need not be among forty. */
Test(gate, many_benchmarks_share_one_rate) {
    enum { MANY = 40 };
    static struct made made[MANY];
    static struct gate_bench gate[MANY];
    static struct judgement judged[MANY];
    struct rng rng = rng_seed(2);
    for (int i = 0; i < MANY; i++) {
        make(&rng, &made[i], 0.01, 0);
        gate[i] = first_batch(&made[i]);
    }
    struct judgement alone;
    for (int i = 0; i < BATCH; i++) made[0].value[1][i] = made[0].value[0][i] + 0.042;
    gate_judge(gate, 1, &alone);
    gate_judge(gate, MANY, judged);
    cr_expect_leq(alone.p, 0.05);
    cr_expect_float_eq(judged[0].p, fmin(1, alone.p * MANY), 1e-12);
    cr_expect_eq(alone.verdict, VERDICT_SLOW);
    cr_expect_neq(judged[0].verdict, VERDICT_SLOW);
}
