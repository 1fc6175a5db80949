/* yardstick.c: see yardstick.h. */
#include "tuner/yardstick.h"
#include "base/embedded.h"
#include "base/hash.h"
#include "base/stats.h"
#include "base/str.h"
#include <stdlib.h>
#include <string.h>

const char *const yardstick_names[YARDSTICKS] = {"stream", "chain", "empty"};

static const char source_name[] = "tuner/yardstick.cl";
static const size_t VECTOR_BYTES = 64; /* float16 */
/* A launch streams this much, and the next one the next part of what exceeds the last-level cache. */
static const size_t WINDOW_BYTES = 8 << 20;
/* A kernel that takes at most this many times what reading its bytes, or an empty launch, takes is bound by
 * that; others are bound by arithmetic, or by latency that scales with the clock as arithmetic does. Not
 * more: a neighbour who takes bandwidth moves the stream by a fifth, and a kernel at half of it hardly. */
static const double BOUND_BY = 1.5;
/* A neighbour takes whole slices of time: some of these runs are left alone. */
enum { CHOOSE_RUNS = 11 };
static const double UNTOUCHED = 0.1;

/* Many small groups, so that a neighbour on one core delays yardstick and kernel in the same proportion: with
 * four groups a core, a core that is half taken costs a quarter more or a half, and nothing between. */
static const struct shape {
    int groups, local; /* groups a compute unit */
    int rounds;        /* of the chain: a fraction of a millisecond */
    bool adjacent;     /* neighbours read side by side */
} shapes[] = {
    [DEVICE_CPU] = {32, 1, 2048, false},
    [DEVICE_GPU] = {16, 256, 128, true},
    [DEVICE_OTHER] = {16, 64, 128, true},
};

struct yardstick {
    struct device *device;
    const struct shape *shape;
    struct program *program;
    struct arena *arena;
    struct view data, out;
    size_t items, local, windows, turn;
    struct side {
        struct yardstick *yardstick;
        struct kernel *kernel;
        int count; /* vectors of the stream, rounds of the chain */
    } side[YARDSTICKS];
};

int yardstick_find(const char *name) {
    for (int i = 0; name && i < YARDSTICKS; i++)
        if (strcmp(yardstick_names[i], name) == 0) return i;
    return -1;
}

void yardstick_key(char text[17]) {
    const struct embedded *source = embedded_find(source_name);
    hash_hex(hash_text(hash_start(), source && source->text ? source->text : ""), text);
}

static enum status side_run(void *context, int repeats, double *time_ns, struct error *err) {
    const struct side *side = context;
    struct yardstick *y = side->yardstick;
    const bool adjacent = y->shape->adjacent;
    struct timing timing;
    enum status st = device_time_begin(y->device, err);
    for (int i = 0; st == OK && i < repeats; i++) {
        const struct view window =
            view_part(y->data, y->turn++ % y->windows * WINDOW_BYTES, WINDOW_BYTES);
        const struct argument arguments[] = {
            {.kind = ARGUMENT_VIEW, .view = window},
            {.kind = ARGUMENT_VIEW, .view = y->out},
            {.kind = ARGUMENT_INT, .i = adjacent ? 1 : (int32_t)side->count},
            {.kind = ARGUMENT_INT, .i = adjacent ? (int32_t)y->items : 1},
            {.kind = ARGUMENT_INT, .i = (int32_t)side->count},
        };
        const struct launch launch = {side->kernel, {y->items, 1, 1}, {y->local, 1, 1}};
        st = kernel_set(side->kernel, arguments, 5, err);
        if (st == OK) st = launch_enqueue(y->device, &launch, err);
    }
    struct error ignored;
    const enum status end = device_time_end(y->device, &timing, st == OK ? err : &ignored);
    if (st == OK) st = end;
    if (st == OK) *time_ns = timing.host_ns / repeats;
    return st;
}

struct subject yardstick_subject(struct yardstick *yardstick, enum yardstick_kind kind) {
    return (struct subject){side_run, &yardstick->side[kind]};
}

static enum status open_sides(struct yardstick *y, struct error *err) {
    const int counts[YARDSTICKS] = {(int)(WINDOW_BYTES / VECTOR_BYTES / y->items), y->shape->rounds,
                                    0};
    enum status st = OK;
    for (int i = 0; st == OK && i < YARDSTICKS; i++) {
        y->side[i] = (struct side){.yardstick = y, .count = counts[i]};
        st = program_kernel(y->program, yardstick_names[i], &y->side[i].kernel, err);
    }
    return st;
}

static enum status open_memory(struct yardstick *y, struct error *err) {
    y->windows = measure_cold_set(y->device) / WINDOW_BYTES + 1;
    const size_t data = y->windows * WINDOW_BYTES, out = y->items * VECTOR_BYTES;
    enum status st = arena_open(y->device, data + out + 2 * VIEW_ALIGN, &y->arena, err);
    if (st == OK) st = arena_take(y->arena, data, &y->data, err);
    if (st == OK) st = arena_take(y->arena, out, &y->out, err);
    return st == OK ? view_fill(y->data, 0, 0, data, err) : st;
}

enum status yardstick_open(struct device *device, struct yardstick **out, struct error *err) {
    const struct device_info *info = device_describe(device);
    const struct embedded *source = embedded_find(source_name);
    struct yardstick *y = memory_new(sizeof *y);
    y->device = device;
    y->shape = &shapes[info->type];
    const size_t units = info->compute_units > 0 ? (size_t)info->compute_units : 1;
    y->local = (size_t)y->shape->local < info->max_work_group ? (size_t)y->shape->local
                                                              : info->max_work_group;
    y->items = units * (size_t)y->shape->groups * y->local;
    *out = y;
    enum status st =
        source && source->text
            ? OK
            : fail(err, STATUS_UNSUPPORTED, "this program was built without %s", source_name);
    if (st == OK) st = program_build(device, "yardstick", source->text, "", &y->program, err);
    if (st == OK) st = open_sides(y, err);
    if (st == OK) st = open_memory(y, err);
    double ignored_ns;
    for (int i = 0; st == OK && i < YARDSTICKS; i++)
        st = side_run(&y->side[i], 1, &ignored_ns, err);
    if (st == OK) {
        program_keep(y->program);
        return OK;
    }
    yardstick_close(y);
    *out = NULL;
    return st;
}

void yardstick_close(struct yardstick *yardstick) {
    if (!yardstick) return;
    program_close(yardstick->program);
    arena_close(yardstick->arena);
    free(yardstick);
}

static enum status usual_ns(struct yardstick *y, enum yardstick_kind kind, double *time_ns,
                            struct error *err) {
    double run[CHOOSE_RUNS];
    enum status st = OK;
    for (int i = 0; st == OK && i < CHOOSE_RUNS; i++)
        st = side_run(&y->side[kind], 2, &run[i], err);
    *time_ns = st == OK ? stats_quantile(run, CHOOSE_RUNS, UNTOUCHED) : 0;
    return st;
}

enum status yardstick_choose(struct yardstick *y, const struct cost *cost, double time_ns,
                             enum yardstick_kind *kind, struct error *err) {
    double empty_ns = 0, stream_ns = 0;
    enum status st = usual_ns(y, YARDSTICK_EMPTY, &empty_ns, err);
    if (st == OK) st = usual_ns(y, YARDSTICK_STREAM, &stream_ns, err);
    if (st != OK) return st;
    const double reading_ns = stream_ns * cost->bytes / (double)WINDOW_BYTES;
    *kind = time_ns < BOUND_BY * empty_ns     ? YARDSTICK_EMPTY
            : time_ns < BOUND_BY * reading_ns ? YARDSTICK_STREAM
                                              : YARDSTICK_CHAIN;
    return OK;
}
