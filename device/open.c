/* open.c: choose a device, open and close it, wait for it, time what it does. */
#include "base/clock.h"
#include "base/str.h"
#include "device/opencl.h"
#include "device/program.h"
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool selector_is_number(const char *selector) {
    return selector[strspn(selector, "0123456789")] == 0 && strlen(selector) < 6;
}

/* "0: name (platform), 1: …" for sentences. The caller frees. */
static char *found_names(const struct found *list, size_t n) {
    struct str s = {0};
    for (size_t i = 0; i < n; i++)
        str_addf(&s, "%s%zu: %s (%s)", i ? ", " : "", i, list[i].info.name, list[i].info.platform);
    return s.text;
}

/* The index of the device that the selector means, in *index. */
static enum status found_select(const struct found *list, size_t n, const char *selector,
                                size_t *index, struct error *err) {
    size_t matches = 0;
    *index = 0;
    if (!selector || !*selector) return OK;
    if (selector_is_number(selector)) {
        *index = strtoul(selector, NULL, 10);
        matches = *index < n;
    } else {
        for (size_t i = n; i-- > 0;) {
            if (!strcasestr(list[i].info.name, selector) &&
                !strcasestr(list[i].info.platform, selector))
                continue;
            *index = i;
            matches++;
        }
    }
    if (matches == 1) return OK;
    char *names = found_names(list, n);
    enum status st = fail(err, STATUS_USAGE, "%s device is called \"%.100s\"; there %s %s",
                          matches ? "more than one" : "no", selector, n == 1 ? "is" : "are", names);
    free(names);
    return st;
}

/* Context and queue of a device that was found. */
static enum status open_handles(struct device *device, struct error *err) {
    cl_int code;
    device->context = clCreateContext(NULL, 1, &device->id, NULL, NULL, &code);
    if (!device->context)
        return opencl_fail(err, STATUS_DEVICE, code, "opening a context on %s", device->info.name);
    device->queue =
        clCreateCommandQueue(device->context, device->id, CL_QUEUE_PROFILING_ENABLE, &code);
    if (!device->queue)
        return opencl_fail(err, STATUS_DEVICE, code, "opening a queue on %s", device->info.name);
    return OK;
}

/* The device of the list that the selector means; the list is used up. */
static enum status take_described(struct found *list, size_t n, const char *selector,
                                  struct device **out, struct error *err) {
    size_t index = 0;
    *out = NULL;
    const enum status st = found_select(list, n, selector, &index, err);
    if (st == OK) {
        struct device *device = memory_new(sizeof *device);
        device->info = list[index].info;
        list[index].info.extensions = NULL; /* moved */
        device->id = list[index].id;
        device->index = index;
        device->next_serial = 1;
        *out = device;
    }
    devices_free(list, n);
    return st;
}

enum status device_open_described(const char *selector, struct device **out, struct error *err) {
    struct found *list = NULL;
    size_t n = 0;
    *out = NULL;
    const enum status st = devices_ask(&list, &n, err);
    return st == OK ? take_described(list, n, selector, out, err) : st;
}

enum status device_open_bare(const char *selector, struct device **out, struct error *err) {
    struct found *list = NULL;
    size_t n = 0;
    *out = NULL;
    enum status st = devices_find(&list, &n, NULL, err);
    if (st == OK) st = take_described(list, n, selector, out, err);
    if (st != OK || (st = open_handles(*out, err)) == OK) return st;
    device_close(*out);
    *out = NULL;
    return st;
}

enum status device_open_known(const char *selector, const char *model_key, struct device **out,
                              struct error *err) {
    const enum status st = device_open_bare(selector, out, err);
    const bool is_there = st == OK;
    if (!model_key || (!is_there && st != STATUS_USAGE)) return st;
    if (is_there && strcmp(model_key, (*out)->info.model_key) == 0) return OK;
    fail(err, STATUS_DEVICE, "device %s is %s now, not the one that this began with", selector,
         is_there ? (*out)->info.name : "gone");
    device_close(*out);
    *out = NULL;
    return STATUS_DEVICE;
}

/* Features that cannot be found (no child can be started) are features that are not used: every
 * kernel has a way without. */
void device_load_features(struct device *device) {
    uint64_t bits = 0;
    if (device_find_features(&device->info, device->index, &bits, NULL) == OK)
        device->features = bits;
}

enum status device_open(const char *selector, struct device **out, struct error *err) {
    enum status st = device_open_bare(selector, out, err);
    if (st == OK) device_load_features(*out);
    return st;
}

static void series_clear(struct series *series) {
    if (series->first) clReleaseEvent(series->first);
    if (series->last) clReleaseEvent(series->last);
    *series = (struct series){0};
}

void device_close(struct device *device) {
    if (!device) return;
    assert(device->arena_count == 0 && device->image_count == 0 && device->program_count == 0);
    series_clear(&device->series);
    if (device->queue) {
        clFinish(device->queue);
        clReleaseCommandQueue(device->queue);
    }
    if (device->context) clReleaseContext(device->context);
    free(device->info.extensions);
    free(device);
}

const struct device_info *device_describe(const struct device *device) {
    return &device->info;
}

size_t device_index(const struct device *device) {
    return device->index;
}

bool device_has(const struct device *device, int feature) {
    if (feature == FEATURE_NONE) return true;
    assert(feature >= 0 && feature < FEATURES);
    return device->features >> feature & 1;
}

void device_set_features(struct device *device, uint64_t bits) {
    device->features = bits;
}

uint64_t device_features(const struct device *device) {
    return device->features;
}

enum status device_finish(struct device *device, struct error *err) {
    cl_int code = clFinish(device->queue);
    if (code == CL_SUCCESS) return OK;
    return opencl_fail(err, STATUS_DEVICE, code, "waiting for %s", device->info.name);
}

cl_event *series_event(struct device *device) {
    struct series *series = &device->series;
    if (!series->running) return NULL;
    if (!series->first) return &series->first;
    if (series->last) clReleaseEvent(series->last);
    series->last = NULL;
    return &series->last;
}

enum status device_time_begin(struct device *device, struct error *err) {
    series_clear(&device->series);
    enum status st = device_finish(device, err);
    if (st != OK) return st;
    device->series.running = true;
    device->series.begin_ns = clock_now_ns();
    return OK;
}

/* Device time from the start of the first to the end of the last command; NAN when unknown: no clock
 * that runs says zero. */
static double series_ns(const struct series *series) {
    cl_ulong start = 0, end = 0;
    cl_event last = series->last ? series->last : series->first;
    if (!series->first) return NAN;
    cl_int a = clGetEventProfilingInfo(series->first, CL_PROFILING_COMMAND_START, sizeof start,
                                       &start, NULL);
    cl_int b = clGetEventProfilingInfo(last, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL);
    if (a != CL_SUCCESS || b != CL_SUCCESS || start == 0 || end < start) return NAN;
    return (double)(end - start);
}

enum status device_time_end(struct device *device, struct timing *timing, struct error *err) {
    assert(device->series.running);
    enum status st = device_finish(device, err);
    timing->host_ns = (double)(clock_now_ns() - device->series.begin_ns);
    timing->event_ns = st == OK ? series_ns(&device->series) : NAN;
    series_clear(&device->series);
    return st;
}
