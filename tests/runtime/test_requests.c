/* test_requests.c: requests in continuous batches: what each gets, and how each ends. */
#include "tests/runtime/engine_support.h"
#include <pthread.h>

static const int32_t once[] = {1, 403, 407, 261, 378};
static const int32_t lily[] = {1, 421, 395, 317};

/* Steps until nothing is left; tokens and endings of up to 16 requests, by id. */
struct story {
    int32_t token[16][600];
    size_t n[16];
    enum engine_finish finish[16];
    bool is_done[16];
};

static void tell(const struct bench *b, struct story *story) {
    for (;;) {
        struct engine_event events[3];
        size_t n = 3;
        MUST(engine_step(b->engine, events, &n, &err));
        if (n == 0) return;
        for (size_t i = 0; i < n; i++) {
            const int64_t id = events[i].id;
            cr_assert(id >= 1 && id < 16);
            cr_assert_not(story->is_done[id], "an event after the end");
            if (events[i].kind == ENGINE_TOKEN) story->token[id][story->n[id]++] = events[i].token;
            if (events[i].kind != ENGINE_DONE) continue;
            cr_assert_eq((size_t)events[i].n_generated, story->n[id]);
            story->is_done[id] = true;
            story->finish[id] = events[i].finish;
        }
    }
}

static int64_t submit(const struct bench *b, const int32_t *prompt, size_t n, int64_t max_new) {
    const struct engine_request request = {
        .prompt = prompt, .n_prompt = n, .max_new = max_new, .ignore_end = true, .sequence = -1};
    int64_t id = 0;
    MUST(engine_submit(b->engine, &request, &id, &err));
    return id;
}

Test(requests, together_each_gets_what_it_gets_alone) {
    struct bench b = bench_stories((struct engine_options){.max_rows = 4});
    static struct story alone, together;
    int32_t ids[64];
    for (int i = 0; i < 5; i++) /* more requests than rows of a batch */
        submit(&b, i % 2 ? lily : once, i % 2 ? 4 : 5, 20 + i);
    tell(&b, &together);
    for (int i = 0; i < 5; i++) {
        const struct engine_request request = {
            .max_new = 20 + i, .ignore_end = true, .sequence = -1};
        const size_t n_prompt = i % 2 ? 4 : 5;
        const size_t n =
            bench_generate(&b, i % 2 ? lily : once, n_prompt, request, ids, &alone.finish[0]);
        cr_assert_eq(n - n_prompt, together.n[i + 1]);
        cr_assert_eq(together.finish[i + 1], ENGINE_LENGTH);
        for (size_t t = 0; t < together.n[i + 1]; t++)
            cr_assert_eq(together.token[i + 1][t], ids[n_prompt + t], "request %d, token %zu", i,
                         t);
    }
    bench_close(&b);
}

Test(requests, more_than_there_are_sequences_wait_their_turn) {
    struct bench b = bench_stories((struct engine_options){.max_sequences = 2});
    static struct story story;
    for (int i = 0; i < 6; i++) submit(&b, once, 5, 8);
    tell(&b, &story);
    for (int i = 1; i <= 6; i++) {
        cr_assert(story.is_done[i]);
        cr_assert_eq(story.n[i], 8);
        cr_assert_arr_eq(story.token[i], story.token[1], 8 * sizeof(int32_t));
    }
    bench_close(&b);
}

Test(requests, a_prompt_that_does_not_fit_is_refused_with_both_lengths) {
    struct bench b = bench_stories((struct engine_options){.context = 64});
    int32_t prompt[100];
    struct error err = {OK, ""};
    int64_t id;
    for (int i = 0; i < 100; i++) prompt[i] = 5;
    const struct engine_request request = {
        .prompt = prompt, .n_prompt = 100, .max_new = 5, .sequence = -1};
    cr_assert_eq(engine_submit(b.engine, &request, &id, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "100") && strstr(err.text, "64"), "%s", err.text);
    bench_close(&b);
}

Test(requests, one_that_fills_the_context_ends_with_it) {
    struct bench b = bench_stories((struct engine_options){.context = 64});
    static struct story story;
    submit(&b, once, 5, 500);
    tell(&b, &story);
    cr_assert_eq(story.finish[1], ENGINE_CONTEXT);
    cr_assert_eq(story.n[1], 64 - 5 + 1);
    bench_close(&b);
}

Test(requests, in_a_full_pool_the_youngest_gives_way) {
    struct bench b = bench_stories((struct engine_options){.context = 96});
    static struct story story;
    submit(&b, once, 5, 80);
    submit(&b, lily, 4, 80);
    tell(&b, &story);
    cr_assert_eq(story.finish[1], ENGINE_LENGTH);
    cr_assert_eq(story.n[1], 80);
    cr_assert_eq(story.finish[2], ENGINE_CONTEXT);
    cr_assert_lt(story.n[2], 80);
    bench_close(&b);
}

Test(requests, a_cancelled_one_ends_and_gives_its_sequence_back) {
    struct bench b = bench_stories((struct engine_options){.max_sequences = 1});
    static struct story story;
    for (int i = 0; i < 3; i++) {
        const int64_t id = submit(&b, once, 5, 500);
        struct engine_event event;
        size_t n = 1;
        MUST(engine_step(b.engine, &event, &n, &err));
        if (event.kind == ENGINE_TOKEN) story.token[id][story.n[id]++] = event.token;
        engine_cancel(b.engine, id);
        engine_cancel(b.engine, 999);
        tell(&b, &story);
        cr_assert(story.is_done[id]);
        cr_assert_eq(story.finish[id], ENGINE_CANCELLED);
    }
    bench_close(&b);
}

Test(requests, a_long_prompt_is_read_in_parts_and_says_so) {
    struct bench b = bench_stories((struct engine_options){.max_rows = 16});
    int32_t prompt[50];
    int parts = 0;
    for (int i = 0; i < 50; i++) prompt[i] = i ? 300 + i : 1;
    submit(&b, prompt, 50, 1);
    for (bool done = false; !done;) {
        struct engine_event event;
        size_t n = 1;
        MUST(engine_step(b.engine, &event, &n, &err));
        cr_assert_eq(n, 1);
        if (event.kind == ENGINE_PROMPT) cr_assert_eq(event.n_prompt, 16 * ++parts);
        done = event.kind == ENGINE_DONE;
    }
    cr_assert_eq(parts, 3);
    bench_close(&b);
}

Test(requests, a_sequence_of_the_caller_goes_on) {
    struct bench b = bench_stories((struct engine_options){0});
    int32_t whole[40], parts[40];
    struct engine_request request = {.max_new = 20, .ignore_end = true, .sequence = -1};
    bench_generate(&b, once, 5, request, whole, NULL);
    request.sequence = bench_sequence(&b);
    request.max_new = 7;
    const size_t n = bench_generate(&b, once, 5, request, parts, NULL);
    cr_assert_eq(engine_sequence_length(b.engine, request.sequence), (int64_t)n - 1);
    request.max_new = 13;
    bench_generate(&b, parts + n - 1, 1, request, parts + n - 1, NULL);
    cr_assert_arr_eq(whole, parts, 25 * sizeof(int32_t));
    bench_close(&b);
}

/* ---- any thread submits ---- */

struct submitter {
    const struct bench *bench;
    int64_t id[3];
};

static void *submit_some(void *context) {
    struct submitter *s = context;
    for (int i = 0; i < 3; i++) s->id[i] = submit(s->bench, once, 5, 10);
    return NULL;
}

Test(requests, other_threads_submit_while_one_steps) {
    struct bench b = bench_stories((struct engine_options){0});
    static struct story story;
    struct submitter s[3] = {{&b, {0}}, {&b, {0}}, {&b, {0}}};
    pthread_t thread[3];
    for (int i = 0; i < 3; i++) pthread_create(&thread[i], NULL, submit_some, &s[i]);
    tell(&b, &story);
    for (int i = 0; i < 3; i++) pthread_join(thread[i], NULL);
    tell(&b, &story);
    for (int id = 1; id <= 9; id++) {
        cr_assert(story.is_done[id]);
        cr_assert_eq(story.n[id], 10);
        cr_assert_arr_eq(story.token[id], story.token[1], 10 * sizeof(int32_t));
    }
    bench_close(&b);
}
