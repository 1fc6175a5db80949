/* engine_support.h: what tests of the engine share: a model opened with an engine of its own, rows,
 * comparing logits. */
#pragma once
#include "runtime/engine.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(call)                                                                                 \
    do {                                                                                           \
        struct error err = {OK, ""};                                                               \
        cr_assert_eq(call, OK, "%s: %s", #call, err.text);                                         \
    } while (0)

struct bench {
    struct engine_model *model;
    struct engine_model_facts facts;
    struct engine *engine;
};

/* The families' defaults, unless the options say otherwise; no database of the user's. */
static inline struct engine *bench_engine(struct engine_model *model, struct engine_options o) {
    struct engine *engine = NULL;
    char database[1100];
    snprintf(database, sizeof database, "%s/none.db", test_folder());
    if (!o.class_name) o.class_name = "f32";
    if (!o.database) o.database = database;
    MUST(engine_open(model, &o, &engine, &err));
    return engine;
}

static inline struct bench bench_open(const char *path, const char *tokenizer,
                                      struct engine_options o) {
    struct bench b = {0};
    MUST(engine_model_open(path, tokenizer, NULL, &b.model, &err));
    engine_model_describe(b.model, &b.facts);
    b.engine = bench_engine(b.model, o);
    return b;
}

static inline void bench_close(struct bench *b) {
    engine_close(b->engine);
    engine_model_close(b->model);
}

/* stories260K with its llama2.c tokenizer, the default profile, keys and values in f32. */
static inline struct bench bench_stories(struct engine_options o) {
    char model[1024];
    snprintf(model, sizeof model, "%s", test_data("model/stories260K.bin"));
    if (!o.kv_type) o.kv_type = "f32";
    o.profile = ENGINE_DEFAULT;
    return bench_open(model, test_data("tokenizer/tok512.bin"), o);
}

static inline int32_t bench_sequence(const struct bench *b) {
    int32_t sequence = -1;
    MUST(engine_sequence_new(b->engine, &sequence, &err));
    return sequence;
}

/* A copy of the logits of n ids at positions from `at` on, in batches of at most `chunk` rows. */
static inline float *bench_logits(const struct bench *b, int32_t sequence, const int32_t *ids,
                                  size_t n, size_t at, size_t chunk) {
    const size_t v = (size_t)b->facts.vocabulary;
    cr_assert(n > 0 && v > 0);
    float *all = malloc(n * v * sizeof *all);
    struct engine_row *rows = calloc(chunk, sizeof *rows);
    for (size_t i = 0; i < n; i += chunk) {
        const size_t some = n - i < chunk ? n - i : chunk;
        for (size_t j = 0; j < some; j++)
            rows[j] = (struct engine_row){ids[i + j], NULL, (int32_t)(at + i + j), sequence, true};
        MUST(engine_batch(b->engine, rows, some, &err));
        for (size_t j = 0; j < some; j++)
            memcpy(all + (i + j) * v, engine_logits(b->engine, j), v * sizeof *all);
    }
    free(rows);
    return all;
}

static inline void same_bits(const float *a, const float *b, size_t n, const char *what) {
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(memcmp(&a[i], &b[i], sizeof *a), 0, "%s: number %zu is %.9g, not %.9g", what,
                     i, (double)b[i], (double)a[i]);
}

/* Within `part` of the largest |a|, and the same largest element. */
static inline void near_logits(const float *a, const float *b, size_t n, double part,
                               const char *what) {
    size_t top_a = 0, top_b = 0;
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        if (a[i] > a[top_a]) top_a = i;
        if (b[i] > b[top_b]) top_b = i;
        largest = fmax(largest, fabs((double)a[i]));
    }
    for (size_t i = 0; i < n; i++)
        cr_assert_leq(fabs((double)a[i] - (double)b[i]), part * largest,
                      "%s: number %zu is %.9g, not %.9g", what, i, (double)b[i], (double)a[i]);
    cr_assert_eq(top_a, top_b, "%s: the largest is number %zu, not %zu", what, top_b, top_a);
}

/* Layers [0, cut) hand their hidden states to layers [cut, end): the bits are those of one stage. */
static inline void compare_stages(struct bench *b, int64_t cut, struct engine_options o,
                                  const int32_t *ids, size_t n) {
    const size_t v = (size_t)b->facts.vocabulary, width = (size_t)b->facts.width;
    float *whole = bench_logits(b, bench_sequence(b), ids, n, 0, n);
    struct bench head = *b, tail = *b;
    o.first_layer = 0;
    o.last_layer = cut;
    head.engine = bench_engine(b->model, o);
    o.first_layer = cut;
    o.last_layer = b->facts.n_layers;
    tail.engine = bench_engine(b->model, o);
    const int32_t s = bench_sequence(&head), t = bench_sequence(&tail);
    struct engine_row *rows = calloc(n, sizeof *rows);
    float *hidden = calloc(n * width, sizeof *hidden);
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct engine_row){ids[i], NULL, (int32_t)i, s, false};
    MUST(engine_batch(head.engine, rows, n, &err));
    for (size_t i = 0; i < n; i++) {
        cr_assert(engine_hidden(head.engine, i));
        memcpy(hidden + i * width, engine_hidden(head.engine, i), width * sizeof *hidden);
        rows[i] = (struct engine_row){-1, hidden + i * width, (int32_t)i, t, true};
    }
    MUST(engine_batch(tail.engine, rows, n, &err));
    for (size_t i = 0; i < n; i++)
        same_bits(whole + i * v, engine_logits(tail.engine, i), v, "two stages");
    free(rows), free(hidden), free(whole);
    engine_close(head.engine);
    engine_close(tail.engine);
}

/* All tokens of a request, the prompt's first; returns their number. */
static inline size_t bench_generate(const struct bench *b, const int32_t *prompt, size_t n_prompt,
                                    struct engine_request request, int32_t *ids,
                                    enum engine_finish *finish) {
    int64_t id;
    memcpy(ids, prompt, n_prompt * sizeof *ids);
    request.prompt = prompt;
    request.n_prompt = n_prompt;
    MUST(engine_submit(b->engine, &request, &id, &err));
    for (size_t n = n_prompt;;) {
        struct engine_event events[8];
        size_t n_events = 8;
        MUST(engine_step(b->engine, events, &n_events, &err));
        cr_assert_gt(n_events, 0);
        for (size_t i = 0; i < n_events; i++) {
            if (events[i].kind == ENGINE_TOKEN) ids[n++] = events[i].token;
            if (events[i].kind != ENGINE_DONE) continue;
            if (finish) *finish = events[i].finish;
            return n;
        }
    }
}
