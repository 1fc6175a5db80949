/* test_smollm2.c: a real model in 4 bits: stages, batches and classes on the families' defaults, and a
 * tuned profile that was found a minute ago. */
#include "base/path.h"
#include "tests/runtime/engine_support.h"
#include <sys/wait.h>
#include <unistd.h>

static const int32_t ids[] = {504, 3575, 282, 4649, 314, 7042, 30, 378, 25, 1116, 42, 28};
enum { N = sizeof ids / sizeof *ids };

static struct bench open_model(struct engine_options o) {
    char model[1024];
    snprintf(model, sizeof model, "%s", test_model());
    if (!o.context) o.context = 256;
    return bench_open(model, NULL, o);
}

Test(smollm2, layers_0_to_14_and_15_to_29_give_the_logits_of_all) {
    static const char *const classes[] = {"f32", "i8"};
    for (int c = 0; c < 2; c++) {
        const struct engine_options o = {
            .profile = ENGINE_DEFAULT, .class_name = classes[c], .context = 256};
        struct bench b = open_model(o);
        cr_assert_eq(b.facts.n_layers, 30);
        compare_stages(&b, 15, o, ids, N);
        bench_close(&b);
    }
}

Test(smollm2, interleaved_and_token_by_token_give_the_same_bits) {
    struct bench b =
        open_model((struct engine_options){.profile = ENGINE_DEFAULT, .class_name = "i8"});
    const size_t v = (size_t)b.facts.vocabulary;
    float *alone = bench_logits(&b, bench_sequence(&b), ids, N, 0, 1);
    const int32_t s = bench_sequence(&b), t = bench_sequence(&b);
    struct engine_row rows[2 * N];
    for (int i = 0; i < N; i++) {
        rows[2 * i] = (struct engine_row){ids[i], NULL, i, s, true};
        rows[2 * i + 1] = (struct engine_row){ids[N - 1 - i], NULL, i, t, false};
    }
    MUST(engine_batch(b.engine, rows, (size_t)2 * N, &err));
    for (size_t i = 0; i < N; i++)
        same_bits(alone + i * v, engine_logits(b.engine, 2 * i), v, "in a mixed batch");
    MUST(engine_sequence_truncate(b.engine, s, 4, &err));
    float *again = bench_logits(&b, s, ids + 4, N - 4, 4, 3);
    same_bits(alone + 4 * v, again, (N - 4) * v, "after truncating");
    free(alone), free(again);
    bench_close(&b);
}

/* Mean −ln p of the ids behind the first. */
static double mean_nll(const struct bench *b, const int32_t *text, size_t n) {
    const size_t v = (size_t)b->facts.vocabulary;
    float *logits = bench_logits(b, bench_sequence(b), text, n - 1, 0, 64);
    double sum = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        const float *row = logits + i * v;
        double top = -INFINITY, all = 0;
        for (size_t t = 0; t < v; t++) top = fmax(top, (double)row[t]);
        for (size_t t = 0; t < v; t++) all += exp((double)row[t] - top);
        sum += top + log(all) - (double)row[text[i + 1]];
    }
    free(logits);
    return sum / (double)(n - 1);
}

/* The whole protocol (8 windows of 512) is a command of the README; a test has time for a part of one. */
Test(smollm2, class_i8_costs_little_on_a_real_text) {
    enum { WINDOW = 96 };
    char *text = NULL;
    size_t size, n;
    int32_t *all = NULL;
    double nll[2];
    static const char *const classes[] = {"f32", "i8"};
    MUST(path_read(test_data("text/wiki.test.raw"), 1 << 22, &text, &size, &err));
    for (int c = 0; c < 2; c++) {
        struct bench b = open_model(
            (struct engine_options){.profile = ENGINE_DEFAULT, .class_name = classes[c]});
        free(all);
        MUST(engine_tokenize(b.model, text, 4096, false, false, &all, &n, &err));
        cr_assert_gt(n, WINDOW);
        nll[c] = mean_nll(&b, all, WINDOW);
        bench_close(&b);
    }
    cr_assert(nll[0] > 2 && nll[0] < 5, "mean NLL %.3f", nll[0]);
    cr_assert_leq(fabs(nll[1] - nll[0]), 0.03, "class f32 %.4f, i8 %.4f", nll[0], nll[1]);
    free(all);
    free(text);
}

/* ---- on a profile that was tuned just now ----
 *
 * Keys and values in f32: where they are rounded to f16, sums that differ in the last bit may round to
 * neighbours, which moves logits by more than the kernels do. */

static void tune(const char *database) {
    const char *program = getenv("HONE_PROGRAM");
    if (!program) cr_skip_test("HONE_PROGRAM is not set: tests/run.sh sets it");
    char model[1024];
    snprintf(model, sizeof model, "%s", test_model());
    const pid_t pid = fork();
    if (pid == 0) {
        execl(program, program, "tune", "--model", model, "--class", "f32", "--budget", "20s",
              "--db", database, "--quiet", "--json", (char *)NULL);
        _exit(127);
    }
    int how = -1;
    cr_assert_eq(waitpid(pid, &how, 0), pid);
    cr_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0, "hone tune ended with %d", how);
}

/* Class i8 was recorded to cost nothing: auto takes it, and says that f32 is what is tuned. */
static void check_auto(struct bench *b, struct engine_options o) {
    const struct engine_perplexity measured = {
        .ppl = 20, .predictions = 4088, .ids = ids, .n_ids = N, .kv_type = "f32"};
    const char *const classes[] = {"f32", "i8"};
    struct engine_facts facts;
    for (int i = 0; i < 2; i++)
        MUST(engine_remember_perplexity(b->model, o.database, classes[i], &measured, &err));
    o.class_name = "auto";
    struct engine *engine = bench_engine(b->model, o);
    engine_describe(engine, &facts);
    cr_assert_str_eq(facts.class_name, "i8");
    cr_assert_str_eq(facts.tuned_class, "f32");
    engine_close(engine);
}

/* A slow machine needs several goes: the same command goes on. */
static struct bench tuned_model(const char *database, struct engine_options o) {
    enum { GOES = 6 };
    struct engine_facts facts;
    for (int go = 1;; go++) {
        tune(database);
        struct bench tuned = open_model(o);
        engine_describe(tuned.engine, &facts);
        if (facts.tuned_operations > facts.operations / 2 &&
            2 * facts.tuned_matrices > facts.matrices) {
            cr_assert_str_eq(facts.profile, "tuned");
            return tuned;
        }
        bench_close(&tuned);
        cr_assert_lt(go, GOES, "after %d goes %zu of %zu operations and %zu of %zu matrices", go,
                     (size_t)facts.tuned_operations, (size_t)facts.operations,
                     (size_t)facts.tuned_matrices, (size_t)facts.matrices);
    }
}

Test(smollm2, tuned_kernels_give_the_logits_of_the_defaults) {
    char database[1100];
    snprintf(database, sizeof database, "%s/tuned.db", test_folder());
    const struct engine_options o = {.database = database, .context = 256, .kv_type = "f32"};
    struct bench tuned = tuned_model(database, o);
    struct bench b =
        open_model((struct engine_options){.profile = ENGINE_DEFAULT, .kv_type = "f32"});
    const size_t v = (size_t)b.facts.vocabulary;
    float *expected = bench_logits(&b, bench_sequence(&b), ids, N, 0, N);
    const size_t chunks[] = {1, 5, N};
    for (int i = 0; i < 3; i++) {
        float *logits = bench_logits(&tuned, bench_sequence(&tuned), ids, N, 0, chunks[i]);
        for (size_t t = 0; t < N; t++)
            near_logits(expected + t * v, logits + t * v, v, 1e-4, "tuned");
        free(logits);
    }
    free(expected);
    check_auto(&tuned, o);
    bench_close(&tuned);
    bench_close(&b);
}
