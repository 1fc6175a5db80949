/* target.h: what a session measures: a device, or a recorded space that stands for one ("replay:FILE"). The
 * session, its database, its lock and its worker are the same; only what answers the worker's requests differs
 * (worker_child.c, recorded_child.c). A recording is a device model of its own, known by what its file holds and by the
 * names of device and kernel. */
#pragma once
#include "device/device.h"
#include "tuner/recorded.h"

struct target {
    const struct device_info *info;
    struct device *device;     /* only described: no context; NULL: a recording stands for it */
    struct recorded *recorded; /* NULL: it is a device */
    char *selector;            /* what the worker is told to open */
    struct device_info told;   /* what info points to when it is a recording */
};
/* The file of a selector "replay:FILE"; NULL: it names a device. */
const char *target_recording(const char *selector);
/* Statuses as those of device_open, and of recorded_open. Closed by target_close, also on failure. The target
 * does not move in between. */
enum status target_open(const char *selector, struct target *target, struct error *err);
void target_close(struct target *target);
