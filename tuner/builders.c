/* builders.c: see builders.h. The parent's side: nobody waits for a builder but in
 * builders_await. */
#include "tuner/builders.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "tuner/frames.h"
#include "tuner/t1_read.h"
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIKELY_MORE = 2, /* than there are builders: some of them were built before */
    DEATHS_MOST = 3, /* in a row: something is wrong with building here, and no more is begun */
};
/* What builders may take of the device's memory, and what one takes, at most: with NVIDIA's driver
 * some 500 MB on an H100. */
static const double MEMORY_SHARE = 0.1, CONTEXT_BYTES = 512e6;
static const int64_t LOOK_NS = 2000000; /* between two looks at who is waited for */

struct builder {
    struct child *child; /* NULL: not started */
    bool is_busy, is_paused;
    uint64_t work; /* what it is at; 0: starting */
    int64_t since_ns, ran_ns;
};
struct builders {
    struct build_ahead ahead;
    char *selector, *model_key;
    int64_t deadline_ns;
    struct builder builder[BUILDERS_MOST];
    uint64_t *given; /* works that were given to a builder, in any order */
    size_t n_given, capacity;
    int deaths; /* in a row */
};

/* Beside parent and worker, which sleep while they wait; and no more than fit on the device, where
 * each has a context. */
static int usual(const struct build_ahead *ahead) {
    cpu_set_t cpus;
    const int n = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    if (ahead->on_device) return n;
    const double room = MEMORY_SHARE * ahead->device_bytes / CONTEXT_BYTES;
    const int beside = n > 3 ? n - 2 : n - 1;
    return room < beside ? (int)room : beside;
}

struct builders *builders_open(const struct build_ahead *ahead, const char *selector,
                               const char *model_key, int64_t deadline_ns) {
    int n = ahead->builders < 0 ? usual(ahead) : ahead->builders;
    if (n < 1) return NULL;
    if (n > BUILDERS_MOST) n = BUILDERS_MOST;
    struct builders *b = memory_new(sizeof *b);
    *b = (struct builders){.ahead = *ahead,
                           .selector = text_copy(selector),
                           .model_key = model_key ? text_copy(model_key) : NULL,
                           .deadline_ns = deadline_ns};
    b->ahead.builders = n;
    return b;
}

static void stop(struct builder *builder) {
    child_close(builder->child);
    *builder = (struct builder){.is_paused = builder->is_paused};
}

void builders_close(struct builders *builders) {
    if (!builders) return;
    for (int i = 0; i < builders->ahead.builders; i++) stop(&builders->builder[i]);
    free(builders->selector);
    free(builders->model_key);
    free(builders->given);
    free(builders);
}

/* ---- what was given ---- */

/* What its program is compiled from, but for the sources. */
static uint64_t name_of(const struct work *work) {
    char problem[160], config[400];
    problem_format(&work->problem, problem);
    config_format(&work->config, config);
    const char *const texts[] = {work->problem.family->name,       problem,
                                 class_names[work->problem.class], work->problem.layout->name,
                                 work->config.variant->name,       config};
    uint64_t name = hash_start();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        name = hash_text(hash_text(name, texts[i]), "\n");
    return name ? name : 1;
}

static bool was_given(const struct builders *b, uint64_t work) {
    for (size_t i = 0; i < b->n_given; i++)
        if (b->given[i] == work) return true;
    return false;
}

static void remember(struct builders *b, uint64_t work) {
    if (b->n_given == b->capacity) {
        b->capacity = b->capacity ? 2 * b->capacity : 64;
        b->given = memory_grow(b->given, b->capacity * sizeof *b->given);
    }
    b->given[b->n_given++] = work;
}

/* ---- one builder ---- */

static void say(struct builders *b, struct builder *builder, json_t *frame, uint64_t work) {
    struct error ignored;
    char *text = json_dumps(frame, JSON_COMPACT);
    const bool is_sent = text && child_send(builder->child, text, strlen(text), &ignored) == OK;
    free(text);
    json_decref(frame);
    builder->is_busy = is_sent;
    builder->work = work;
    builder->since_ns = clock_now_ns();
    builder->ran_ns = 0;
    if (!is_sent) stop(builder), b->deaths++;
}

static void begin(struct builders *b, struct builder *builder) {
    struct error ignored;
    if (child_open("builder", &builder->child, &ignored) != OK) {
        b->deaths++;
        return;
    }
    say(b, builder,
        json_pack("{s:s,s:s?,s:o}", "device", b->selector, "model", b->model_key, "own",
                  t1_frame()),
        0);
    if (builder->is_paused && builder->child) child_pause(builder->child, true);
}

static int64_t ran_ns(const struct builder *builder) {
    return builder->ran_ns + (builder->is_paused ? 0 : clock_now_ns() - builder->since_ns);
}

/* Its answer, if it has one. A failure to compile is an answer: the worker says so when it gets
 * there. */
static void collect(struct builders *b, struct builder *builder) {
    if (!builder->child || !builder->is_busy) return;
    if (!child_has_frame(builder->child)) {
        if (ran_ns(builder) > b->deadline_ns) stop(builder), b->deaths++;
        return;
    }
    struct error err;
    char *bytes = NULL;
    size_t size;
    const enum status st = child_receive(builder->child, b->deadline_ns, &bytes, &size, NULL, &err);
    free(bytes);
    builder->is_busy = false;
    if (st == OK) b->deaths = 0;
    else stop(builder), b->deaths++;
}

static struct builder *idle_builder(struct builders *b) {
    for (int i = 0; i < b->ahead.builders; i++)
        if (b->builder[i].child && !b->builder[i].is_busy) return &b->builder[i];
    return NULL;
}

static bool give(struct builders *b, const struct work *work) {
    const uint64_t name = name_of(work);
    struct builder *builder = idle_builder(b);
    if (!builder) return false;
    if (was_given(b, name)) return true;
    remember(b, name);
    say(b, builder, frame_work(work), name);
    return true;
}

/* ---- all of them ---- */

/* Let the first n of them run, where the others would be in the way. */
static void let_run(struct builders *b, int n) {
    const int64_t now = clock_now_ns();
    if (!b->ahead.on_device) return;
    for (int i = 0; i < b->ahead.builders; i++) {
        struct builder *builder = &b->builder[i];
        const bool is_paused = i >= n;
        if (builder->is_paused == is_paused) continue;
        if (is_paused) builder->ran_ns += now - builder->since_ns;
        builder->since_ns = now;
        builder->is_paused = is_paused;
        if (builder->child) child_pause(builder->child, is_paused);
    }
}

/* While the worker builds, it needs one of the processors itself. */
void builders_step(struct builders *builders, bool is_building) {
    if (builders) let_run(builders, is_building ? builders->ahead.builders - 1 : 0);
}

/* See who is done, and start who is missing: it has work the next time. */
static void look_round(struct builders *b) {
    for (int i = 0; i < b->ahead.builders; i++) {
        struct builder *builder = &b->builder[i];
        collect(b, builder);
        if (!builder->child && b->deaths < DEATHS_MOST) begin(b, builder);
    }
}

void builders_feed(struct builders *builders) {
    struct work likely[BUILDERS_MOST + LIKELY_MORE];
    if (!builders) return;
    look_round(builders);
    if (!idle_builder(builders)) return;
    const size_t most = (size_t)builders->ahead.builders + LIKELY_MORE,
                 n = builders->ahead.foresee(builders->ahead.context, likely, most);
    for (size_t i = 0; i < n && give(builders, &likely[i]); i++) continue;
}

static void await(struct builders *b, struct builder *builder, const volatile int *interrupt) {
    while (builder->is_busy && !(interrupt && *interrupt)) {
        collect(b, builder);
        if (builder->is_busy) clock_sleep_ns(LOOK_NS);
    }
}

int64_t builders_build(struct builders *builders, const struct work *work,
                       const volatile int *interrupt) {
    if (!builders) return 0;
    const int64_t began = clock_now_ns();
    const uint64_t name = name_of(work);
    let_run(builders, builders->ahead.builders);
    look_round(builders);
    if (!give(builders, work) && !was_given(builders, name)) remember(builders, name);
    builders_feed(builders);
    for (int i = 0; i < builders->ahead.builders; i++)
        if (builders->builder[i].work == name) await(builders, &builders->builder[i], interrupt);
    let_run(builders, 0);
    return clock_now_ns() - began;
}
