/* test_check.c: the gates hold what is right and catch what is wrong: a mutant for each. */
#include "kernels/activation.h"
#include "tests/kernels/mutants.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct error err;
static struct device *device;

#define must(call) cr_assert_eq(call, OK, "%s", err.text)

/* Row by row, as the mutants take it. */
static struct problem problem_of(const char *family, const char *text) {
    struct problem problem;
    must(problem_parse(slice_find(family), text, &problem, &err));
    problem.layout = &layouts[LAYOUT_rows];
    return problem;
}

/* ---- the gates alone ---- */

static const double U = 0x1p-24;

/* One element of K = 100 terms, off by `share` of what f32 allows; among `others` that are exact. */
static struct verdict one_element(enum class_id class, double share, int others) {
    const double bound = (class == CLASS_TF32 || class == CLASS_F16 ? 16 : 4) * 10 * U * 50;
    struct verdict v = {0};
    for (int i = 0; i < others; i++) verdict_element(&v, class, 100, 3, 3, 50, i, 0);
    verdict_element(&v, class, 100, 3 + share * bound, 3, 50, 17, 4);
    verdict_finish(&v, class);
    return v;
}

Test(gates, one_element_off) {
    for (int class = 0; class < CLASSES; class ++) {
        const struct verdict below = one_element((enum class_id) class, 0.999, 1000000);
        cr_expect_str_empty(below.failed, "%s: %s", class_names[class], below.failed);
        cr_expect(below.worst > 0.99 && below.worst <= 1);
        cr_expect_eq(below.judged, 1000001);
        const struct verdict above = one_element((enum class_id) class, -1.001, 1000000);
        cr_expect(strstr(above.failed, "row 17, column 4 is "), "%s", above.failed);
        cr_expect_gt(above.worst, 1);
        cr_expect_leq(above.nmse, 1e-11, "only the gate per element sees it");
    }
}

/* Every element within its bound, and all of them together too far off. */
Test(gates, all_elements_off_a_little) {
    for (int class = 0; class < CLASSES; class ++) {
        struct verdict v = {0};
        for (int i = 0; i < 1000; i++)
            verdict_element(&v, (enum class_id) class, 4096, 1 + 0.9 * 256 * U, 1, 1, i, 0);
        cr_expect(v.worst <= 0.91 && !*v.failed, "%s", v.failed);
        verdict_finish(&v, (enum class_id) class);
        cr_expect(strstr(v.failed, "NMSE over 1000 elements is 1.89e-10"), "%s", v.failed);
        cr_expect_float_eq(v.nmse, 0.9 * 0.9 * 65536 * U * U, 1e-16);
    }
}

Test(gates, what_is_no_number_is_wrong) {
    const double bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        struct verdict v = {0};
        verdict_element(&v, CLASS_F32, 10, bad[i], 1, 1, 0, 0);
        cr_expect(*v.failed && v.worst > 1e300);
        verdict_finish(&v, CLASS_F32);
        cr_expect_not(v.nmse <= 1, "%g", v.nmse);
    }
    struct verdict exact = {0};
    verdict_element(&exact, CLASS_F32, 10, 0, 0, 0, 0, 0);
    verdict_finish(&exact, CLASS_F32);
    cr_expect_str_empty(exact.failed, "an exact 0 of nothing: %s", exact.failed);
    struct verdict off = {0};
    verdict_element(&off, CLASS_F32, 10, 1e-30, 0, 0, 0, 0);
    cr_expect(*off.failed, "anything but 0 where nothing is summed");
}

Test(gates, nothing_judged_is_no_pass) {
    struct verdict v = {0};
    verdict_finish(&v, CLASS_F32);
    cr_assert_str_eq(v.failed, "nothing was judged");
}

Test(gates, first_failure_stays) {
    struct verdict v = {0};
    verdict_projection(&v, CLASS_F32, 1, 2, 1, 1, 1, 1, 5);
    verdict_fail(&v, "later");
    verdict_element(&v, CLASS_F32, 1, 9, 1, 1, 3, 3);
    cr_assert(strstr(v.failed, "projection 1, column 5 is 2, not 1: off by"), "%s", v.failed);
}

/* ---- on a device ---- */

static void open_device(void) {
    if (device_open_bare(NULL, &device, &err) != OK) cr_skip_test("%s", err.text);
}
static void close_device(void) {
    device_close(device);
}
TestSuite(check, .init = open_device, .fini = close_device, .timeout = 300);

static struct check_case *opened(const struct problem *problem, uint64_t seed, int copies) {
    struct check_case *c;
    must(check_open(device, problem, seed, copies, &c, &err));
    return c;
}

/* A mutant with its case: run once by check_run, then as often as is asked, then looked at again. */
struct trial {
    struct check_case *check;
    struct op *op;
    struct verdict verdict;
};

static struct trial trial_open(const struct problem *problem, enum fault fault, int copies) {
    const struct config config = mutant_config(fault);
    struct trial t = {.check = opened(problem, 1, copies)};
    must(op_open(device, &config, problem, &t.op, &err));
    return t;
}

static void trial_close(struct trial *t) {
    op_close(t->op);
    check_close(t->check);
}

static void expect_caught(const struct problem *problem, enum fault fault, const char *says) {
    struct trial t = trial_open(problem, fault, 1);
    cr_expect_eq(check_run(t.check, t.op, true, &t.verdict, &err), STATUS_WRONG, "fault %d", fault);
    cr_expect(strstr(t.verdict.failed, says), "fault %d: %s", fault, t.verdict.failed);
    cr_expect(strstr(err.text, says) && strstr(err.text, "mutant FAULT="), "%s", err.text);
    trial_close(&t);
}

Test(check, right_kernel_passes) {
    const struct problem p = problem_of("gemm", "m=33,k=172,n=5");
    struct trial t = trial_open(&p, FAULT_NONE, 3);
    for (int round = 0; round < 2; round++) {
        must(check_run(t.check, t.op, true, &t.verdict, &err));
        cr_expect_eq(t.verdict.judged, 33 * 5);
        cr_expect(t.verdict.nmse > 0 && t.verdict.nmse < 1e-12, "%g", t.verdict.nmse);
        for (int i = 0; i < 4; i++) must(check_enqueue(t.check, t.op, i, &err));
        must(check_after(t.check, t.op, &t.verdict, &err));
        cr_expect_eq(t.verdict.judged, 33 * 5);
    }
    trial_close(&t);
}

Test(check, faults_are_caught) {
    const struct problem p = problem_of("gemm", "m=33,k=172,n=5");
    struct problem strided = p;
    problem_set(&strided, "ldc", 40);
    expect_caught(&p, FAULT_ONE_OFF, "row 17, column 2 is");
    expect_caught(&p, FAULT_BEFORE, "wrote 4 bytes before the start of C");
    expect_caught(&p, FAULT_BEHIND, "bytes beyond the end of C");
    expect_caught(&p, FAULT_BEFORE_SCRATCH, "wrote 4 bytes before the start of scratch");
    expect_caught(&p, FAULT_BEHIND_SCRATCH, "bytes beyond the end of scratch");
    expect_caught(&p, FAULT_UNWRITTEN, "row 17, column 2 is nan");
    expect_caught(&strided, FAULT_GAP, "into the gap behind the row of token 0");
    expect_caught(&strided, FAULT_BEHIND, "bytes beyond the end of C");
}

/* Timed runs come after check_run: what they wrote, and whether they wrote, is looked at again. */
Test(check, later_faults_are_caught) {
    static const struct {
        enum fault fault;
        const char *says;
    } rows[] = {{FAULT_LATER, "row 17, column 2 is"}, {FAULT_STOPS, "is nan"}};
    const struct problem p = problem_of("gemm", "m=33,k=172,n=5");
    for (int i = 0; i < 2; i++) {
        struct trial t = trial_open(&p, rows[i].fault, 1);
        must(check_run(t.check, t.op, true, &t.verdict, &err));
        must(check_enqueue(t.check, t.op, 0, &err));
        cr_expect_eq(check_after(t.check, t.op, &t.verdict, &err), STATUS_WRONG);
        cr_expect(strstr(t.verdict.failed, rows[i].says), "%s", t.verdict.failed);
        trial_close(&t);
    }
    struct trial t = trial_open(&p, FAULT_NONE, 1);
    must(check_run(t.check, t.op, true, &t.verdict, &err));
    cr_expect_eq(check_after(t.check, t.op, &t.verdict, &err), STATUS_WRONG, "nothing ran since");
    trial_close(&t);
}

/* A phase goes over all copies in one launch, and what it writes is judged like any other run's; a second
 * one starts where the meetings of the first ended. */
Test(check, phases_write_what_launches_write) {
    static const char *const configs[] = {"VW=8,RV=2", "VW=4,KL=4", "VW=4,RV=4"};
    struct problem p = problem_of("gemm_q4", "m=333,k=512,n=3");
    p.layout = layout_find("panel16");
    struct device *full;
    must(device_open(NULL, &full, &err));
    if (!device_has(full, FEATURE_grid_barrier)) cr_skip_test("no grid-wide barrier here");
    struct check_case *c;
    must(check_open(full, &p, 5, 40, &c, &err));
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        struct config config;
        struct op *op, *phase;
        struct verdict verdict = {0};
        int copies = 0;
        must(config_parse(p.family, "gemv", configs[i], &config, &err));
        cr_assert(op_has_phase(full, &config, &p));
        must(op_open(full, &config, &p, &op, &err));
        must(op_open_phase(full, &config, &p, &phase, &err));
        must(check_run(c, op, true, &verdict, &err));
        for (int round = 0; round < 2; round++) must(check_enqueue_phase(c, phase, &copies, &err));
        cr_expect_eq(copies, 40);
        must(check_after(c, op, &verdict, &err));
        cr_expect_str_empty(verdict.failed, "%s: %s", configs[i], verdict.failed);
        op_close(phase);
        op_close(op);
    }
    check_close(c);
    device_close(full);
}

/* Large enough to be sampled; the wrong element lies in no sampled row: the projections see it. */
Test(check, projections_see_what_no_sampled_row_has) {
    const struct problem p = problem_of("gemm", "m=3000,k=1024,n=336");
    struct trial right = trial_open(&p, FAULT_NONE, 1);
    must(check_run(right.check, right.op, false, &right.verdict, &err));
    cr_expect_eq(right.verdict.judged, 8 * 336 + 2 * 336, "8 rows and 2 projections");
    trial_close(&right);
    struct trial t = trial_open(&p, FAULT_ONE_OFF, 1);
    cr_expect_eq(check_run(t.check, t.op, false, &t.verdict, &err), STATUS_WRONG);
    cr_expect(strstr(t.verdict.failed, "projection 0, column 168 is"), "%s", t.verdict.failed);
    cr_expect_eq(check_run(t.check, t.op, true, &t.verdict, &err), STATUS_WRONG);
    cr_expect(strstr(t.verdict.failed, "row 1501, column 168 is"), "%s", t.verdict.failed);
    trial_close(&t);
}

/* A whole reference is kept: everything is judged then, the second time and by whoever shares it, who may
 * live longer. */
Test(check, references_are_kept_and_shared) {
    const struct problem p = problem_of("gemm", "m=3001,k=1024,n=16");
    struct trial right = trial_open(&p, FAULT_NONE, 1), wrong = trial_open(&p, FAULT_ONE_OFF, 1);
    must(check_run(right.check, right.op, true, &right.verdict, &err));
    cr_expect_eq(right.verdict.judged, 3001 * 16);
    must(check_run(right.check, right.op, false, &right.verdict, &err));
    cr_expect_eq(right.verdict.judged, 3001 * 16);
    check_share(wrong.check, right.check);
    cr_expect_eq(wrong.check->reference, right.check->reference);
    trial_close(&right);
    cr_expect_eq(check_run(wrong.check, wrong.op, false, &wrong.verdict, &err), STATUS_WRONG);
    cr_expect_eq(wrong.verdict.judged, 3001 * 16);
    trial_close(&wrong);
}

/* What the family says of the outputs that were read back last; they may be wrong. */
static struct verdict verdict_now(struct check_case *c) {
    struct verdict verdict = {0};
    must(c->problem.family->judge(&c->problem, c, false, &verdict, &err));
    return verdict;
}

static void expect_same(const struct verdict *a, const struct verdict *b) {
    cr_expect_eq(a->judged, b->judged);
    cr_expect(a->sum_error == b->sum_error && a->sum_reference == b->sum_reference &&
                  a->worst == b->worst,
              "nmse %.17g and %.17g, worst %.17g and %.17g", a->nmse, b->nmse, a->worst, b->worst);
    cr_expect_str_eq(a->failed, b->failed);
}

/* Rows and projections are made once: later verdicts are those of a case that makes them anew, with every
 * epilogue, of right outputs and of wrong ones; the sizes are for several threads. */
Test(check, kept_references_judge_as_fresh_ones) {
    static const struct {
        int64_t row, token;
        const char *says;
    } wrong[] = {{2999, 5, "row 2999, column 5 is"}, {1234, 700, "projection 0, column 700 is"}};
    const char *const epilogues[] = {"none", "bias", "residual"};
    for (int e = 0; e < 3; e++) {
        char text[60];
        snprintf(text, sizeof text, "m=3000,k=512,n=704,e=%s", epilogues[e]);
        const struct problem p = problem_of("gemm", text);
        struct check_case *kept = opened(&p, 1, 1);
        struct config config;
        struct op *op;
        struct verdict first;
        must(family_default(&p, &config, &err));
        must(op_open(device, &config, &p, &op, &err));
        must(check_run(kept, op, false, &first, &err));
        cr_expect_eq(first.judged, (8 + 2) * 704, "8 rows and 2 projections");
        const struct verdict second = verdict_now(kept);
        expect_same(&first, &second);
        for (int i = 0; i < 2; i++) {
            float *y = (float *)kept->host[2] + wrong[i].token * 3000 + wrong[i].row;
            const float right = *y;
            *y += 1;
            struct check_case *fresh = opened(&p, 1, 1);
            memcpy(fresh->host[2], kept->host[2], kept->bytes[2]);
            const struct verdict later = verdict_now(kept), anew = verdict_now(fresh);
            cr_expect(strstr(later.failed, wrong[i].says), "%s: %s", text, later.failed);
            expect_same(&later, &anew);
            check_close(fresh);
            *y = right;
        }
        op_close(op);
        check_close(kept);
    }
}

/* A kernel that is right once and wrong from then on, judged by what the first run left. */
Test(check, kept_references_see_later_faults) {
    const struct problem p = problem_of("gemm", "m=3000,k=512,n=704");
    struct trial t = trial_open(&p, FAULT_LATER, 1);
    must(check_run(t.check, t.op, false, &t.verdict, &err));
    must(check_enqueue(t.check, t.op, 0, &err));
    cr_expect_eq(check_after(t.check, t.op, &t.verdict, &err), STATUS_WRONG);
    cr_expect(strstr(t.verdict.failed, "projection 0, column 352 is"), "%s", t.verdict.failed);
    trial_close(&t);
}

/* rmsnorm with r=1 changes its input: runs add up, check_after starts over. */
Test(check, inout_operands_are_restored) {
    const struct problem p = problem_of("rmsnorm", "k=100,n=3,r=1");
    struct check_case *c = opened(&p, 2, 1);
    struct config config;
    struct verdict verdict;
    struct op *op;
    must(family_default(&p, &config, &err));
    must(op_open(device, &config, &p, &op, &err));
    must(check_run(c, op, true, &verdict, &err));
    for (int i = 0; i < 3; i++) must(check_enqueue(c, op, i, &err));
    must(check_after(c, op, &verdict, &err));
    must(check_run(c, op, true, &verdict, &err));
    op_close(op);
    check_close(c);
}

Test(check, inputs_follow_the_seed) {
    const struct problem p = problem_of("gemm_q4_1", "m=20,k=64,n=3");
    struct check_case *a = opened(&p, 1, 1), *same = opened(&p, 1, 2), *other = opened(&p, 2, 1);
    for (int o = 0; o < 2; o++) {
        cr_expect_arr_eq(a->host[o], same->host[o], a->bytes[o]);
        cr_expect_arr_neq(a->host[o], other->host[o], a->bytes[o]);
    }
    cr_expect_null(a->host[3], "no residual in this problem");
    check_close(a);
    check_close(same);
    check_close(other);
    check_close(NULL);
}

/* ---- numbers that a computer of another kind might give ---- */

/* The float with `bits` explicit bits of mantissa that is nearest, ties to even. */
static float rounded(float f, int bits) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    const uint32_t last = 1u << (23 - bits);
    if (bits < 23) u = (u + last / 2 - 1 + (u / last & 1)) & ~(last - 1);
    memcpy(&f, &u, sizeof f);
    return f;
}

/* How C is computed: mantissas of the factors, and the order of the sum. */
struct arithmetic {
    const char *name;
    int bits;
    enum { SUM_EXACT, SUM_FORWARD, SUM_BACKWARD, SUM_PAIRS, SUM_PRODUCTS_FIRST } sum;
};

static float sum_pairs(const float *w, const float *x, int64_t k) {
    if (k == 1) return w[0] * x[0];
    return sum_pairs(w, x, k / 2) + sum_pairs(w + k / 2, x + k / 2, k - k / 2);
}

static float sum_of(const struct arithmetic *a, const float *w, const float *x, int64_t k) {
    double exact = 0;
    float sum = 0;
    if (a->sum == SUM_PAIRS) return sum_pairs(w, x, k);
    for (int64_t i = 0; i < k; i++) {
        const int64_t at = a->sum == SUM_BACKWARD ? k - 1 - i : i;
        const float product = w[at] * x[at];
        if (a->sum == SUM_EXACT) exact += (double)rounded(w[at], a->bits) * rounded(x[at], a->bits);
        else if (a->sum == SUM_PRODUCTS_FIRST) sum += product;
        else sum = fmaf(w[at], x[at], sum);
    }
    return a->sum == SUM_EXACT ? (float)exact : sum;
}

/* What the family's judge says of C = W·X in this arithmetic (f32, layout rows). */
static struct verdict judged(const struct problem *p, const struct arithmetic *a, uint64_t seed,
                             bool whole) {
    const int64_t m = problem_get(p, "m"), k = problem_get(p, "k"), n = problem_get(p, "n");
    struct check_case *c = opened(p, seed, 1);
    struct verdict verdict = {0};
    const float *w = (const float *)c->host[0], *x = (const float *)c->host[1];
    float *y = (float *)c->host[2];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < m; j++) y[i * m + j] = sum_of(a, w + j * k, x + i * k, k);
    must(p->family->judge(p, c, whole, &verdict, &err));
    check_close(c);
    return verdict;
}

/* No order of summation in fp32 is refused; the worst is far from the gate. */
Test(check, every_order_of_fp32_passes) {
    static const struct arithmetic orders[] = {{"forward", 23, SUM_FORWARD},
                                               {"backward", 23, SUM_BACKWARD},
                                               {"in pairs", 23, SUM_PAIRS},
                                               {"without fma", 23, SUM_PRODUCTS_FIRST}};
    const char *const problems[] = {"m=300,k=4096,n=4", "m=200,k=172,n=9", "m=50,k=1,n=50",
                                    "m=3000,k=1024,n=12"};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            const struct problem p = problem_of("gemm", problems[j]);
            const struct verdict v = judged(&p, &orders[i], 3, j < 3);
            cr_expect_str_empty(v.failed, "%s, %s: %s", problems[j], orders[i].name, v.failed);
            cr_expect(v.worst < 0.5, "%s, %s: %g", problems[j], orders[i].name, v.worst);
        }
}

/* Few numbers are looked at where one token is sampled: their sums of squares must not pass the gate by
 * chance, whatever the seed. The order is the worst, one by one. */
Test(check, no_seed_fails_a_right_kernel) {
    static const struct arithmetic forward = {"forward", 23, SUM_FORWARD};
    const struct problem p = problem_of("gemv", "m=8192,k=4096");
    for (uint64_t seed = 1; seed <= 24; seed++) {
        const struct verdict v = judged(&p, &forward, seed, false);
        cr_expect_str_empty(v.failed, "seed %d: %s", (int)seed, v.failed);
        cr_expect_lt(v.nmse, 5e-12, "seed %d: %g", (int)seed, v.nmse);
    }
}

/* Factors with ten-bit mantissas and exact sums, as matrix units in TF32 do it: never taken for f32,
 * whatever K and however it is looked at; with whole mantissas the same sums pass. */
Test(check, tf32_is_not_f32) {
    static const struct arithmetic tf32 = {"tf32", 10, SUM_EXACT}, fine = {"24", 23, SUM_EXACT};
    const char *const problems[] = {"m=64,k=32,n=4", "m=172,k=576,n=5", "m=64,k=4096,n=4",
                                    "m=3000,k=1024,n=12"};
    for (size_t i = 0; i < 4; i++) {
        const struct problem p = problem_of("gemm", problems[i]);
        const struct verdict v = judged(&p, &tf32, 3, i < 3), exact = judged(&p, &fine, 3, i < 3);
        cr_expect(*v.failed, "TF32 passes as f32 at %s", problems[i]);
        cr_expect(v.nmse > 1e-9 && v.nmse < 1e-6, "%s: %g", problems[i], v.nmse);
        cr_expect_str_empty(exact.failed, "%s", exact.failed);
    }
}

/* ---- the class's own error ---- */

/* NMSE of the class-i8 product against the f32 one from the inputs of two cases, in full. */
static double error_by_cases(const struct problem *i8) {
    const int64_t m = problem_get(i8, "m"), k = problem_get(i8, "k"), n = problem_get(i8, "n");
    const struct weight w = weight_from_int(problem_get(i8, "w"));
    struct problem f32 = *i8;
    f32.class = CLASS_F32;
    struct check_case *a = opened(&f32, 5, 1), *b = opened(i8, 5, 1);
    struct weight_row row;
    float *weights = malloc((size_t)k * sizeof *weights);
    double *x = malloc((size_t)k * sizeof *x), sum = 0, sum_error = 0;
    must(weight_row_open(w, k, &row, &err));
    for (int64_t j = 0; j < m; j++) {
        layout_unpack_row(i8->layout, w, m, k, a->host[0], j, &row);
        weight_row_to_float(w, k, &row, weights);
        for (int64_t i = 0; i < n; i++) {
            const float *plain = (const float *)a->host[1] + i * k;
            const size_t bytes = activation_row_bytes(CLASS_I8, k, w.group);
            double y = 0, y_i8 = 0;
            activation_dequantise(CLASS_I8, b->host[1] + (size_t)i * bytes, k, w.group, x);
            for (int64_t l = 0; l < k; l++) {
                y += (double)weights[l] * plain[l];
                y_i8 += weights[l] * x[l];
            }
            sum += y * y;
            sum_error += (y_i8 - y) * (y_i8 - y);
        }
    }
    weight_row_close(&row);
    free(weights);
    free(x);
    check_close(a);
    check_close(b);
    return sum_error / sum;
}

Test(check, class_error_of_i8) {
    const char *const problems[] = {"m=64,k=512,n=4,w=q4:128", "m=33,k=576,n=16,w=q4_1",
                                    "m=64,k=576,n=1,w=q8", "m=1,k=1536,n=3,w=q4_0"};
    for (size_t i = 0; i < 4; i++) {
        struct problem p = problem_of("matmul", problems[i]);
        double nmse;
        p.class = CLASS_I8;
        must(check_class_error(&p, 5, &nmse, &err));
        cr_expect(nmse > 1e-6 && nmse <= 5e-4, "%s: %g", problems[i], nmse);
        const double whole = error_by_cases(&p);
        cr_expect(fabs(nmse - whole) < 1e-6 * whole, "%s: %g, in full %g", problems[i], nmse,
                  whole);
    }
}

/* The real sizes, where rows and tokens are sampled. */
Test(check, class_error_of_large_problems) {
    const char *const problems[] = {"m=12288,k=4096,n=512,w=q4:128", "m=49152,k=576,n=1,w=q4_1",
                                    "m=4096,k=11008,n=64,w=q8", "m=4096,k=4096,n=8,w=q4_0"};
    for (size_t i = 0; i < 4; i++) {
        struct problem p = problem_of("matmul", problems[i]);
        double nmse;
        p.class = CLASS_I8;
        must(check_class_error(&p, 1, &nmse, &err));
        fprintf(stderr, "checked %s: class i8 costs NMSE %.2g\n", problems[i], nmse);
        cr_expect(nmse > 1e-6 && nmse <= 5e-4, "%s: %g", problems[i], nmse);
    }
}

Test(check, class_error_where_there_is_none) {
    struct problem p = problem_of("matmul", "m=64,k=512,n=4,w=q4:128");
    double nmse = 7;
    must(check_class_error(&p, 1, &nmse, &err));
    cr_expect_eq(nmse, 0, "f32 is the measure");
    p.class = CLASS_TF32;
    cr_expect_eq(check_class_error(&p, 1, &nmse, &err), STATUS_UNSUPPORTED);
    cr_expect(strstr(err.text, "matmul cannot tell the error of class tf32"), "%s", err.text);
    struct problem norm = problem_of("rmsnorm", "k=64");
    norm.class = CLASS_I8;
    cr_expect_eq(check_class_error(&norm, 1, &nmse, &err), STATUS_UNSUPPORTED);
}

/* ---- the ragged relative ---- */

static void expect_ragged(const struct problem *p) {
    struct problem small;
    char text[160], of[160];
    check_ragged(p, &small);
    problem_format(&small, text);
    problem_format(p, of);
    cr_expect(small.class == p->class && small.layout == p->layout && small.family == p->family);
    for (int f = 0; f < p->family->n_fields; f++) {
        const struct field *field = &p->family->fields[f];
        const bool may_change = field->kind == FIELD_SIZE && !(field->use & USE_DEFINE);
        if (!may_change) cr_expect_eq(small.value[f], p->value[f], "%s of %s", field->name, of);
        else cr_expect(small.value[f] >= field->low && small.value[f] <= field->high);
    }
    for (const struct variant *const *v = p->family->variants; *v; v++)
        if ((*v)->accepts(p))
            cr_expect((*v)->accepts(&small), "%s does %s but not its relative %s", (*v)->name, of,
                      text);
}

static void expect_ragged_everywhere(struct problem p) {
    const struct layout *found[LAYOUTS];
    for (int class = 0; class < CLASSES; class ++) {
        p.class = (enum class_id) class;
        const size_t n = family_layouts(&p, found);
        for (size_t i = 0; i < n; i++) {
            p.layout = found[i];
            expect_ragged(&p);
        }
    }
}

Test(ragged, every_variant_still_accepts_it) {
    struct problem *list;
    size_t n;
    for (const struct family *const *f = families; *f; f++)
        for (const char *const *text = (*f)->examples; text && *text; text++) {
            char fields[160];
            snprintf(fields, sizeof fields, "%.*s", (int)strcspn(*text, " "), *text);
            expect_ragged_everywhere(problem_of((*f)->name, fields));
        }
    must(problem_expand(
        slice_find("matmul"),
        "m=12288,49152,172,k=4096,1536,768,n=1..20,31,32,512,1024,w=f32,f16,q8,q4:128,"
        "q4_1:32,q4_0:256",
        &list, &n, &err));
    cr_assert_gt(n, 1000);
    for (size_t i = 0; i < n; i++) expect_ragged_everywhere(list[i]);
    free(list);
}

/* Sizes are cut down and odd: no tile divides them. */
Test(ragged, sizes) {
    struct problem small;
    const struct problem large = problem_of("matmul", "m=12288,k=4096,n=256,w=q4:128");
    check_ragged(&large, &small);
    cr_expect_eq(problem_get(&small, "n"), 255);
    cr_expect_eq(problem_get(&small, "k"), 384);
    cr_expect(problem_get(&small, "m") % 2 == 1 && problem_get(&small, "m") >= 131);
    const double products = (double)problem_get(&small, "m") * 384 * 255;
    cr_expect_leq(products, 3.1e7, "%g products take too long in full", products);
    const struct problem norm = problem_of("rmsnorm", "k=4096,n=64,o=i8,g=128");
    check_ragged(&norm, &small);
    cr_expect_eq(problem_get(&small, "k"), 9 * 128);
    cr_expect_eq(problem_get(&small, "n"), 63);
}

/* A quarter of the rows, in whole panels; nothing where so few say little. */
Test(part, of_the_rows) {
    struct problem part;
    const struct problem large = problem_of("matmul", "m=11008,k=4096,n=256,w=q4:128");
    cr_assert(check_part(&large, 4, &part));
    cr_expect_eq(problem_get(&part, "m"), 2816);
    cr_expect_eq(problem_get(&part, "k"), 4096);
    cr_expect_eq(problem_get(&part, "n"), 256);
    const struct problem small = problem_of("matmul", "m=2048,k=4096,n=256"),
                         norm = problem_of("rmsnorm", "k=4096,n=64");
    cr_expect_not(check_part(&small, 4, &part));
    cr_expect_not(check_part(&norm, 4, &part));
}
