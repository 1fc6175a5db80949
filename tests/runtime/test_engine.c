/* test_engine.c: what batches, sequences, stages and plans promise, on stories260K. */
#include "tests/runtime/engine_support.h"

static const int32_t ids_a[] = {1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315};
static const int32_t ids_b[] = {1, 421, 395, 317, 426, 338, 401, 396, 267};
enum { N_A = sizeof ids_a / sizeof *ids_a, N_B = sizeof ids_b / sizeof *ids_b };

Test(engine, interleaved_sequences_get_what_they_get_alone) {
    struct bench b = bench_stories((struct engine_options){0});
    const size_t v = (size_t)b.facts.vocabulary;
    float *alone_a = bench_logits(&b, bench_sequence(&b), ids_a, N_A, 0, 1);
    float *alone_b = bench_logits(&b, bench_sequence(&b), ids_b, N_B, 0, N_B);
    const int32_t s = bench_sequence(&b), t = bench_sequence(&b);
    struct engine_row rows[N_A + N_B];
    size_t n = 0, at_a[N_A], at_b[N_B];
    for (int i = 0; i < N_A; i++) {
        at_a[i] = n;
        rows[n++] = (struct engine_row){ids_a[i], NULL, i, s, true};
        if (i >= N_B) continue;
        at_b[i] = n;
        rows[n++] = (struct engine_row){ids_b[i], NULL, i, t, true};
    }
    MUST(engine_batch(b.engine, rows, n, &err));
    for (int i = 0; i < N_A; i++)
        same_bits(alone_a + (size_t)i * v, engine_logits(b.engine, at_a[i]), v, "sequence a");
    for (int i = 0; i < N_B; i++)
        same_bits(alone_b + (size_t)i * v, engine_logits(b.engine, at_b[i]), v, "sequence b");
    free(alone_a), free(alone_b);
    bench_close(&b);
}

Test(engine, truncated_and_decoded_again_gives_the_same) {
    struct bench b = bench_stories((struct engine_options){0});
    const size_t v = (size_t)b.facts.vocabulary;
    const int32_t s = bench_sequence(&b);
    float *first = bench_logits(&b, s, ids_a, N_A, 0, 1);
    MUST(engine_sequence_truncate(b.engine, s, 5, &err));
    cr_assert_eq(engine_sequence_length(b.engine, s), 5);
    float *again = bench_logits(&b, s, ids_a + 5, N_A - 5, 5, 3);
    same_bits(first + 5 * v, again, (N_A - 5) * v, "after truncating");
    free(first), free(again);
    bench_close(&b);
}

Test(engine, a_fork_shares_the_past_and_goes_its_own_way) {
    struct bench b = bench_stories((struct engine_options){0});
    const size_t v = (size_t)b.facts.vocabulary;
    const int32_t s = bench_sequence(&b);
    int32_t fork, both[7];
    float *alone = bench_logits(&b, s, ids_a, N_A, 0, 4);
    MUST(engine_sequence_fork(b.engine, s, 4, &fork, &err));
    float *other = bench_logits(&b, fork, ids_b + 1, 3, 4, 1);
    MUST(engine_sequence_truncate(b.engine, s, N_A - 1, &err));
    float *last = bench_logits(&b, s, ids_a + N_A - 1, 1, N_A - 1, 1);
    same_bits(alone + (N_A - 1) * v, last, v, "the original after the fork");
    memcpy(both, ids_a, 4 * sizeof *both);
    memcpy(both + 4, ids_b + 1, 3 * sizeof *both);
    float *whole = bench_logits(&b, bench_sequence(&b), both, 7, 0, 7);
    same_bits(whole + 4 * v, other, 3 * v, "the fork");
    free(alone), free(other), free(last), free(whole);
    bench_close(&b);
}

Test(engine, forgotten_positions_are_not_seen) {
    struct bench b = bench_stories((struct engine_options){0});
    const size_t v = (size_t)b.facts.vocabulary;
    const int32_t s = bench_sequence(&b), t = bench_sequence(&b);
    double difference = 0;
    free(bench_logits(&b, s, ids_a, 8, 0, 8));
    free(bench_logits(&b, t, ids_a, 8, 0, 8));
    MUST(engine_sequence_forget(b.engine, s, 1, 4, &err));
    float *holes = bench_logits(&b, s, ids_a + 8, 1, 8, 1);
    float *whole = bench_logits(&b, t, ids_a + 8, 1, 8, 1);
    for (size_t i = 0; i < v; i++)
        difference = fmax(difference, fabs((double)holes[i] - (double)whole[i]));
    cr_assert_gt(difference, 1e-3, "forgetting three positions changes nothing");
    MUST(engine_sequence_truncate(b.engine, t, 8, &err));
    MUST(engine_sequence_forget(b.engine, t, 1, 4, &err));
    float *same = bench_logits(&b, t, ids_a + 8, 1, 8, 1);
    same_bits(holes, same, v, "both forgot the same");
    free(holes), free(whole), free(same);
    bench_close(&b);
}

Test(engine, a_sequence_moves_to_another_engine) {
    struct bench b = bench_stories((struct engine_options){0}), other = b;
    const size_t v = (size_t)b.facts.vocabulary;
    other.engine =
        bench_engine(b.model, (struct engine_options){.profile = ENGINE_DEFAULT, .kv_type = "f32"});
    const int32_t s = bench_sequence(&b), t = bench_sequence(&other);
    float *kv = NULL;
    size_t n = 0;
    free(bench_logits(&b, s, ids_a, 8, 0, 8));
    MUST(engine_sequence_export(b.engine, s, &kv, &n, &err));
    MUST(engine_sequence_import(other.engine, t, kv, n, 8, &err));
    float *here = bench_logits(&b, s, ids_a + 8, 4, 8, 1);
    float *there = bench_logits(&other, t, ids_a + 8, 4, 8, 1);
    same_bits(here, there, 4 * v, "after the move");
    free(kv), free(here), free(there);
    engine_close(other.engine);
    bench_close(&b);
}

Test(engine, two_stages_give_the_logits_of_one) {
    static const char *const plans[] = {"", "norm=0,rope=0,qkv=0,ffn=0"};
    for (int i = 0; i < 2; i++) {
        const struct engine_options o = {
            .profile = ENGINE_DEFAULT, .kv_type = "f32", .plan = plans[i]};
        struct bench b = bench_stories(o);
        compare_stages(&b, 2, o, ids_a, N_A);
        bench_close(&b);
    }
}

Test(engine, fused_or_not_the_logits_agree) {
    static const char *const plans[] = {"qkv=0", "ffn=0", "norm=0", "rope=0",
                                        "qkv=0,ffn=0,norm=0,rope=0"};
    struct bench b = bench_stories((struct engine_options){0});
    const size_t v = (size_t)b.facts.vocabulary;
    float *fused = bench_logits(&b, bench_sequence(&b), ids_a, N_A, 0, 5);
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        struct bench other = bench_stories((struct engine_options){.plan = plans[i]});
        float *logits = bench_logits(&other, bench_sequence(&other), ids_a, N_A, 0, 5);
        for (size_t t = 0; t < N_A; t++)
            near_logits(fused + t * v, logits + t * v, v, 1e-4, plans[i]);
        free(logits);
        bench_close(&other);
    }
    free(fused);
    bench_close(&b);
}

Test(engine, keys_and_values_in_f16_cost_little) {
    struct bench b = bench_stories((struct engine_options){0});
    struct bench half = bench_stories((struct engine_options){.kv_type = "f16"});
    const size_t v = (size_t)b.facts.vocabulary;
    float *x = bench_logits(&b, bench_sequence(&b), ids_a, N_A, 0, 5);
    float *y = bench_logits(&half, bench_sequence(&half), ids_a, N_A, 0, 5);
    for (size_t t = 0; t < N_A; t++) near_logits(x + t * v, y + t * v, v, 5e-3, "f16");
    free(x), free(y);
    bench_close(&half);
    bench_close(&b);
}

/* ---- what is refused ---- */

Test(engine, rows_that_cannot_be_are_refused) {
    struct bench b = bench_stories((struct engine_options){.context = 64});
    const int32_t s = bench_sequence(&b);
    const struct engine_row bad[] = {
        {5, NULL, 0, s + 1, true}, {5, NULL, -1, s, true},  {5, NULL, 100000, s, true},
        {-1, NULL, 0, s, true},    {512, NULL, 0, s, true},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err = {OK, ""};
        cr_assert_eq(engine_batch(b.engine, &bad[i], 1, &err), STATUS_INVALID, "row %zu", i);
        cr_assert_gt(strlen(err.text), 10);
    }
    cr_assert_eq(engine_sequence_length(b.engine, s), 0);
    bench_close(&b);
}

Test(engine, a_batch_that_does_not_fit_leaves_the_pool_as_it_was) {
    struct bench b = bench_stories((struct engine_options){.context = 64, .max_rows = 16});
    const int32_t s = bench_sequence(&b);
    struct error err = {OK, ""};
    struct engine_row rows[65];
    int32_t ids[65];
    for (int i = 0; i < 65; i++) {
        ids[i] = 5 + i;
        rows[i] = (struct engine_row){ids[i], NULL, i, s, false};
    }
    cr_assert_eq(engine_batch(b.engine, rows, 65, &err), STATUS_NOMEM, "%s", err.text);
    cr_assert_eq(engine_sequence_length(b.engine, s), 0);
    free(bench_logits(&b, s, ids, 64, 0, 64));
    cr_assert_eq(engine_sequence_length(b.engine, s), 64);
    bench_close(&b);
}

Test(engine, options_that_do_not_exist_are_refused) {
    char model[1024];
    snprintf(model, sizeof model, "%s", test_data("model/stories260K.bin"));
    struct engine_model *m = NULL;
    MUST(engine_model_open(model, test_data("tokenizer/tok512.bin"), NULL, &m, &err));
    const struct engine_options bad[] = {
        {.class_name = "f99"}, {.kv_type = "q8"},      {.first_layer = 3, .last_layer = 2},
        {.last_layer = 99},    {.plan = "nonsense=1"}, {.device = "no such device"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct engine *engine = NULL;
        struct error err = {OK, ""};
        struct engine_options o = bad[i];
        o.profile = ENGINE_DEFAULT;
        if (!o.class_name) o.class_name = "f32";
        cr_assert_neq(engine_open(m, &o, &engine, &err), OK, "options %zu", i);
        cr_assert_null(engine);
        cr_assert_gt(strlen(err.text), 10);
    }
    engine_model_close(m);
}
