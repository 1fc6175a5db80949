/* builder_child.c: a builder: compile one configuration after the other, keep the binaries,
 * until the parent is gone. What some compilers only make at the first launch is made by one, of
 * the small problem that the worker launches first, too; only where that disturbs nobody: where
 * the device is the processor. */
#include "base/clock.h"
#include "kernels/check.h"
#include "tuner/builders.h"
#include "tuner/frames.h"
#include "tuner/t1_read.h"
#include <unistd.h>

/* Steps behind parent and worker, who would wait for a processor while all of them compile. Where the device is the
 * processor, they wait for the builder. */
enum { NICE = 10 };

static enum status launch_small(struct device *device, const struct work *work, struct op *op,
                                struct error *err) {
    struct problem small;
    struct check_case *c = NULL;
    check_ragged(&work->problem, &small);
    if (!problem_shares_program(&work->problem, &small) ||
        !config_runs(&work->config, &small, device, NULL))
        return OK;
    enum status st = check_open(device, &small, work->seed, 1, &c, err);
    if (st == OK) st = check_launch(c, op, err);
    check_close(c);
    return st;
}

static enum status build(struct device *device, const struct work *work, struct error *err) {
    struct op *op = NULL;
    enum status st = op_open(device, &work->config, &work->problem, &op, err);
    if (st == OK && device_describe(device)->type == DEVICE_CPU)
        st = launch_small(device, work, op, err);
    if (st == OK) op_keep(op);
    op_close(op);
    return st;
}

/* Without a device it was not told which: whatever comes then is no work for another one. */
static enum status open_device(const json_t *hello, struct device **device, struct error *err) {
    const char *selector = json_string_value(json_object_get(hello, "device"));
    if (!selector) return fail(err, STATUS_INVALID, "a builder without a device");
    enum status st = t1_lend_frame(json_object_get(hello, "own"), err);
    if (st == OK)
        st = device_open_known(selector, json_string_value(json_object_get(hello, "model")), device,
                               err);
    if (st == OK) device_load_features(*device);
    if (st == OK && device_describe(*device)->type != DEVICE_CPU) (void)!nice(NICE);
    return st;
}

static enum status serve(void *context, const json_t *request, json_t **reply, struct error *err) {
    struct device **device = context;
    struct work work;
    const int64_t began = clock_cpu_ns();
    const bool is_open = *device;
    enum status st =
        is_open ? frame_read_work(request, &work, err) : open_device(request, device, err);
    if (st == OK && is_open) st = build(*device, &work, err);
    if (st == OK) *reply = json_pack("{s:I}", "build_ns", (json_int_t)(clock_cpu_ns() - began));
    return st;
}

int builder_child(void) {
    struct device *device = NULL;
    const int code = frames_answer(serve, &device);
    device_close(device);
    return code;
}
