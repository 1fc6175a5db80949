/* builder_child.c: a builder: compile one configuration after the other, keep the binaries,
 * until the parent is gone. What some compilers only make at the first launch is made by one, of
 * the small problem that the worker launches first, too; only where that disturbs nobody: where
 * the device is the processor. */
#include "kernels/check.h"
#include "tuner/builders.h"
#include "tuner/frames.h"
#include "tuner/t1_read.h"

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

static enum status serve(void *context, const json_t *request, json_t **reply, struct error *err) {
    struct device **device = context;
    struct work work;
    enum status st;
    if (*device) {
        st = frame_read_work(request, &work, err);
        if (st == OK) st = build(*device, &work, err);
    } else {
        st = t1_lend_frame(json_object_get(request, "own"), err);
        if (st == OK)
            st = device_open_known(json_string_value(json_object_get(request, "device")),
                                   json_string_value(json_object_get(request, "model")), device,
                                   err);
        if (st == OK) device_load_features(*device);
    }
    if (st == OK) *reply = json_object();
    return st;
}

int builder_child(void) {
    struct device *device = NULL;
    const int code = frames_answer(serve, &device);
    device_close(device);
    return code;
}
