/* canary.c: the canary on a device, and whether the device's events can be trusted. */
#include "base/embedded.h"
#include "base/str.h"
#include "tuner/measure.h"
#include <math.h>
#include <stdlib.h>

enum { DATA_BYTES = 8 << 20, ROUNDS_FIRST = 256, GROUPS_PER_UNIT = 4, LOCAL_GPU = 64 };
/* Long enough to be told from timer noise, short enough to run beside everything. */
static const double CANARY_NS = 5e5;
static const double CLOCKS_AGREE = 0.05;

struct canary {
    struct device *device;
    struct program *program;
    struct kernel *kernel;
    struct arena *arena;
    struct view data, out;
    size_t items, local;
    int rounds;
};

static enum status run_timed(struct canary *c, int repeats, struct timing *timing,
                             struct error *err) {
    const struct argument arguments[] = {
        {.kind = ARGUMENT_VIEW, .view = c->data},
        {.kind = ARGUMENT_VIEW, .view = c->out},
        {.kind = ARGUMENT_INT, .i = (int32_t)(DATA_BYTES / 64 / c->items)},
        {.kind = ARGUMENT_INT, .i = c->rounds},
    };
    const struct launch launch = {c->kernel, {c->items, 1, 1}, {c->local, 1, 1}};
    enum status st = kernel_set(c->kernel, arguments, 4, err);
    if (st == OK) st = device_time_begin(c->device, err);
    if (st != OK) return st;
    for (int i = 0; st == OK && i < repeats; i++) st = launch_enqueue(c->device, &launch, err);
    struct error ignored;
    enum status end = device_time_end(c->device, timing, st == OK ? err : &ignored);
    return st == OK ? end : st;
}

/* By the host's clock: it stands beside the samples, whatever theirs is, and is compared with itself. */
static enum status canary_run(void *context, int repeats, double *time_ns, struct error *err) {
    struct timing timing;
    enum status st = run_timed(context, repeats, &timing, err);
    if (st == OK) *time_ns = timing.host_ns / repeats;
    return st;
}

struct subject canary_subject(struct canary *canary) {
    return (struct subject){canary_run, canary};
}

/* Rounds of arithmetic so that one run takes about CANARY_NS. */
static enum status calibrate(struct canary *c, struct error *err) {
    c->rounds = ROUNDS_FIRST;
    for (int i = 0; i < 12; i++) {
        struct timing timing;
        enum status st = run_timed(c, 1, &timing, err);
        if (st != OK) return st;
        if (i > 0 && timing.host_ns < CANARY_NS && c->rounds < 1 << 20) c->rounds *= 2;
    }
    return OK;
}

enum status canary_open(struct device *device, struct canary **out, struct error *err) {
    const struct device_info *info = device_describe(device);
    const struct embedded *source = embedded_find("tuner/canary.cl");
    struct canary *c = memory_new(sizeof *c);
    c->device = device;
    c->local = info->type == DEVICE_CPU || info->max_work_group < LOCAL_GPU ? 1 : LOCAL_GPU;
    c->items =
        (size_t)(info->compute_units > 0 ? info->compute_units : 1) * GROUPS_PER_UNIT * c->local;
    *out = c;
    enum status st =
        !source || !source->text
            ? fail(err, STATUS_UNSUPPORTED, "this program was built without tuner/canary.cl")
            : OK;
    if (st == OK) st = program_build(device, "canary", source->text, "", &c->program, err);
    if (st == OK) st = program_kernel(c->program, "canary", &c->kernel, err);
    if (st == OK)
        st = arena_open(device, DATA_BYTES + c->items * 64 + 2 * VIEW_ALIGN, &c->arena, err);
    if (st == OK) st = arena_take(c->arena, DATA_BYTES, &c->data, err);
    if (st == OK) st = arena_take(c->arena, c->items * 64, &c->out, err);
    if (st == OK) st = view_fill(c->data, 0, 0, DATA_BYTES, err);
    if (st == OK) st = calibrate(c, err);
    if (st == OK) {
        program_keep(c->program);
        return OK;
    }
    canary_close(c);
    *out = NULL;
    return st;
}

void canary_close(struct canary *canary) {
    if (!canary) return;
    program_close(canary->program);
    arena_close(canary->arena);
    free(canary);
}

enum status measure_clocks_agree(struct device *device, bool *agree, struct error *err) {
    struct canary *canary;
    enum status st = canary_open(device, &canary, err);
    if (st != OK) return st;
    int agreed = 0;
    for (int i = 0; st == OK && i < 5; i++) {
        struct timing timing;
        st = run_timed(canary, 16, &timing, err);
        agreed += st == OK && fabs(timing.event_ns / timing.host_ns - 1) < CLOCKS_AGREE;
    }
    *agree = agreed >= 3;
    canary_close(canary);
    return st;
}
