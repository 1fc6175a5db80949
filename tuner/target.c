/* target.c: see target.h. */
#include "tuner/target.h"
#include "base/str.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "replay:";

const char *target_recording(const char *selector) {
    const size_t n = sizeof prefix - 1;
    return selector && strncmp(selector, prefix, n) == 0 ? selector + n : NULL;
}

/* The content stands where a device has its architecture: another recording is another device, the same file
 * in another folder is not. */
static void describe_recording(const struct recorded *recorded, struct device_info *info) {
    const char *name = recorded->recording.device;
    *info = (struct device_info){.type = DEVICE_OTHER, .platform = "recorded"};
    snprintf(info->name, sizeof info->name, "%s", *name ? name : recorded->kernel);
    snprintf(info->model_key, sizeof info->model_key, "recorded||%s|%s|0|0", info->name,
             recorded->recording.key);
    snprintf(info->version_key, sizeof info->version_key, "recorded");
}

enum status target_open(const char *selector, struct target *target, struct error *err) {
    const char *file = target_recording(selector);
    *target = (struct target){0};
    const enum status st = file ? recorded_open(file, &target->recorded, err)
                                : device_open_described(selector, &target->device, err);
    if (st != OK) return st;
    if (file) {
        describe_recording(target->recorded, &target->told);
        target->info = &target->told;
        target->selector = text_copy(selector);
    } else {
        device_load_features(target->device);
        target->info = device_describe(target->device);
        target->selector = text_format("%zu", device_index(target->device));
    }
    return OK;
}

void target_close(struct target *target) {
    device_close(target->device);
    recorded_close(target->recorded);
    free(target->selector);
    *target = (struct target){0};
}
