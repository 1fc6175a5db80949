/* builders.c: see builders.h. The parent's side: nobody waits for a builder but in
 * builders_build. */
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
    uint64_t work; /* the last that it was given; 0: to start */
    int64_t since_ns, ran_ns;
};
struct given {
    uint64_t name;    /* 0: nobody's place */
    bool is_done;     /* the program is there */
    int64_t build_ns; /* what it took, once it is done */
};
struct builders {
    struct build_ahead ahead;
    char *selector, *model_key;
    int64_t start_ns, deadline_ns;
    struct builder builder[BUILDERS_MOST];
    struct given *given; /* works that were given to a builder, or to the worker */
    size_t n_given, capacity;
    struct work likely[BUILDERS_MOST + LIKELY_MORE]; /* after the one that is being evaluated */
    size_t n_likely;
    bool is_behind;   /* it was not asked yet what is likely after this one */
    uint64_t begun;   /* the work that builders_begin was told of; 0: none */
    int64_t begun_ns; /* when */
    int deaths;       /* in a row */
};

/* Beside parent and worker, which sleep while they wait; and no more than fit on the device, where
 * each has a context. */
static int usual(const struct build_ahead *ahead) {
    cpu_set_t cpus;
    const int n = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    if (ahead->on_device) return n;
    const double room = MEMORY_SHARE * ahead->device_bytes / CONTEXT_BYTES;
    const int beside = n > 2 ? n - 2 : n - 1;
    return room < beside ? (int)room : beside;
}

struct builders *builders_open(const struct build_ahead *ahead, const char *selector,
                               const char *model_key, int64_t start_ns, int64_t deadline_ns) {
    int n = ahead->builders == BUILDERS_USUAL ? usual(ahead) : ahead->builders;
    if (n < 1) return NULL;
    if (n > BUILDERS_MOST) n = BUILDERS_MOST;
    struct builders *b = memory_new(sizeof *b);
    *b = (struct builders){.ahead = *ahead,
                           .selector = text_copy(selector),
                           .model_key = model_key ? text_copy(model_key) : NULL,
                           .start_ns = start_ns,
                           .deadline_ns = deadline_ns};
    b->ahead.builders = n;
    return b;
}

static void stop(struct builder *builder) {
    child_close(builder->child);
    *builder = (struct builder){.is_paused = builder->is_paused};
}

static void died(struct builders *b, struct builder *builder, const char *why) {
    stop(builder);
    if (++b->deaths == DEATHS_MOST) log_warn("Nothing is compiled ahead any more: %s", why);
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

/* What its program is compiled from, but for the sources; of this process. Searches ask by the thousand. */
static uint64_t name_of(const struct work *work) {
    const struct problem *problem = &work->problem;
    const void *const objects[] = {problem->family, problem->layout};
    uint64_t name = hash_bytes(config_hash(&work->config), objects, sizeof objects);
    name = hash_bytes(name, problem->value, sizeof problem->value);
    name = hash_bytes(name, &problem->class, sizeof problem->class);
    return name ? name : 1;
}

/* Where it stands, or may stand: open addressing, never more than half full. */
static struct given *place_of(struct given *given, size_t capacity, uint64_t name) {
    size_t i = name & (capacity - 1);
    while (given[i].name && given[i].name != name) i = (i + 1) & (capacity - 1);
    return &given[i];
}

static struct given *find_given(const struct builders *b, uint64_t name) {
    struct given *given = b->capacity ? place_of(b->given, b->capacity, name) : NULL;
    return given && given->name ? given : NULL;
}

static void make_room(struct builders *b) {
    const size_t capacity = b->capacity ? 2 * b->capacity : 64;
    struct given *given = memory_new(capacity * sizeof *given);
    for (size_t i = 0; i < b->capacity; i++)
        if (b->given[i].name) *place_of(given, capacity, b->given[i].name) = b->given[i];
    free(b->given);
    b->given = given;
    b->capacity = capacity;
}

static void remember(struct builders *b, uint64_t name) {
    if (2 * b->n_given >= b->capacity) make_room(b);
    *place_of(b->given, b->capacity, name) = (struct given){.name = name};
    b->n_given++;
}

/* ---- one builder ---- */

static void say(struct builders *b, struct builder *builder, json_t *frame, uint64_t work) {
    struct error err = {OK, ""};
    const bool is_sent = frame_ask(builder->child, frame, &err) == OK;
    json_decref(frame);
    builder->is_busy = is_sent;
    builder->work = work;
    builder->since_ns = clock_now_ns();
    builder->ran_ns = 0;
    if (!is_sent) died(b, builder, err.text);
}

static void begin(struct builders *b, struct builder *builder) {
    struct error err = {OK, ""};
    if (child_open("builder", &builder->child, &err) != OK) {
        died(b, builder, err.text);
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

/* One that did not get its device has no use. A failure to compile is an answer like others: the
 * worker says so when it gets there. */
static void take_answer(struct builders *b, struct builder *builder, const char *bytes) {
    json_t *answer = json_loads(bytes, 0, NULL);
    const json_t *error = json_object_get(answer, "error");
    struct given *given = find_given(b, builder->work);
    builder->is_busy = false;
    if (!answer || (error && builder->work == 0)) {
        died(b, builder, error ? frame_read_text(error, "text") : "its answer is not JSON");
    } else {
        b->deaths = 0;
        if (given) {
            given->is_done = !error;
            given->build_ns = json_integer_value(json_object_get(answer, "build_ns"));
        }
    }
    json_decref(answer);
}

/* Its answer, if it has one. One that is stopped may have said half of it. */
static void collect(struct builders *b, struct builder *builder) {
    struct error err = {OK, ""};
    char *bytes = NULL;
    size_t size;
    if (!builder->child || !builder->is_busy || builder->is_paused) return;
    const int64_t deadline_ns = builder->work ? b->deadline_ns : b->start_ns;
    if (!child_has_frame(builder->child)) {
        if (ran_ns(builder) > deadline_ns) died(b, builder, "it takes too long");
        return;
    }
    if (child_receive(builder->child, deadline_ns, &bytes, &size, NULL, &err) == OK)
        take_answer(b, builder, bytes);
    else died(b, builder, err.text);
    free(bytes);
}

static struct builder *idle_builder(struct builders *b) {
    for (int i = 0; i < b->ahead.builders; i++)
        if (b->builder[i].child && !b->builder[i].is_busy) return &b->builder[i];
    return NULL;
}

/* Those who are missing: they have work the next time. */
static void begin_all(struct builders *b) {
    for (int i = 0; i < b->ahead.builders && b->deaths < DEATHS_MOST; i++)
        if (!b->builder[i].child) begin(b, &b->builder[i]);
}

/* Whether it was not given before, and there was somebody to give it to. */
static bool give(struct builders *b, const struct work *work) {
    const uint64_t name = name_of(work);
    if (find_given(b, name)) return false;
    struct builder *builder = idle_builder(b);
    if (!builder) {
        begin_all(b);
        return false;
    }
    remember(b, name);
    if (b->ahead.may_build(b->ahead.context, work)) say(b, builder, frame_work(work), name);
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

void builders_collect(struct builders *builders) {
    for (int i = 0; builders && i < builders->ahead.builders; i++)
        collect(builders, &builders->builder[i]);
}

static void give_likely(struct builders *b) {
    if (b->is_behind)
        b->n_likely =
            b->ahead.foresee(b->ahead.context, b->likely, (size_t)b->ahead.builders + LIKELY_MORE);
    b->is_behind = false;
    for (size_t i = 0; i < b->n_likely; i++) give(b, &b->likely[i]);
}

void builders_feed(struct builders *builders) {
    if (!builders) return;
    builders_collect(builders);
    give_likely(builders);
}

void builders_begin(struct builders *builders, const struct work *work) {
    if (!builders) return;
    struct builders *b = builders;
    b->begun = name_of(work);
    b->begun_ns = clock_now_ns();
    let_run(b, b->ahead.builders);
    builders_collect(b);
    if (!find_given(b, b->begun) && !give(b, work)) remember(b, b->begun);
    b->is_behind = true;
    if (b->ahead.on_device || !find_given(b, b->begun)->is_done) give_likely(b);
}

static bool is_at(struct builders *b, struct builder *builder, uint64_t work) {
    if (builder->is_busy && builder->work == work) collect(b, builder);
    return builder->is_busy && builder->work == work;
}

int64_t builders_build(struct builders *builders, const volatile int *interrupt) {
    if (!builders) return 0;
    struct builders *b = builders;
    let_run(b, b->ahead.builders);
    bool has_waited = false;
    for (int i = 0; i < b->ahead.builders; i++)
        for (; is_at(b, &b->builder[i], b->begun) && !(interrupt && *interrupt); has_waited = true)
            clock_sleep_ns(LOOK_NS);
    b->begun = 0;
    let_run(b, 0);
    return has_waited ? clock_now_ns() - b->begun_ns : 0;
}

bool builders_have_built(const struct builders *builders, const struct work *work) {
    const struct given *given = builders ? find_given(builders, name_of(work)) : NULL;
    return given && given->is_done;
}

int64_t builders_spent(const struct builders *builders, const struct work *work) {
    const struct given *given = builders ? find_given(builders, name_of(work)) : NULL;
    return given ? given->build_ns : 0;
}
