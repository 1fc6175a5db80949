/* features.c: what a device can do beyond OpenCL 1.2. */
#include "device/opencl.h"

static const struct {
    const char *name, *meaning;
} names[] = {
#define FEATURE(name, meaning) {#name, meaning},
#include "device/features.def"
#undef FEATURE
};

const char *feature_name(enum feature f) {
    return names[f].name;
}

const char *feature_meaning(enum feature f) {
    return names[f].meaning;
}

enum status device_find_features(size_t index, uint64_t *bits, struct error *err) {
    *bits = 0;
    return fail(err, STATUS_UNSUPPORTED, "features of device %zu", index);
}

int device_feature_child(void) {
    return 1;
}
