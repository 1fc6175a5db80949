/* device.h: find, describe and open OpenCL devices. Together with memory.h and program.h the only
 * place that knows OpenCL; nothing here names a CL type.
 *
 * An open device is a context and one in-order queue with profiling. One thread at a time. */
#pragma once
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum feature {
#define FEATURE(name, meaning) FEATURE_##name,
#include "device/features.def"
#undef FEATURE
    FEATURES
};
enum { FEATURE_NONE = -1 }; /* "needs nothing" in tables of parameter values */

/* The columns of features.def: "images"; "two-dimensional float and integer images, read
 * exactly". */
const char *feature_name(enum feature f);
const char *feature_meaning(enum feature f);

enum device_type { DEVICE_CPU, DEVICE_GPU, DEVICE_OTHER };

/* Everything that is known without opening the device. */
struct device_info {
    char platform[128], platform_version[160];
    char vendor[128], name[256], driver[128], c_version[128];
    char architecture[96]; /* "x86_64 family 6 model 143", "compute capability 9.0", "" */
    enum device_type type;
    int compute_units;
    int clock_mhz;
    size_t max_work_group; /* work-items */
    size_t max_local[3];   /* work-items per dimension */
    size_t global_bytes, max_alloc_bytes, local_bytes;
    size_t cache_bytes; /* last level; of the host's sysfs where the device is the host CPU */
    size_t line_bytes;
    size_t image_width, image_height; /* 2D limits in texels; 0: no images */
    size_t align_bytes;               /* base address alignment */
    char uuid[48];                    /* provenance only; "" when the driver tells none */
    char *extensions;                 /* space separated; owned */
    char model_key
        [512]; /* platform|vendor|name|architecture|units|cache: what records are kept by */
    char version_key[384]; /* driver and platform version */
};

/* Every device of every platform, CPUs last; one that keeps silent about what every driver must
 * tell is left out. A child asks the drivers: DEVICE when one of them hangs or dies, with the name
 * of its platform where that is known; DEVICE with the Debian package to install when there is
 * none. The list is freed by device_list_free. */
enum status device_list(struct device_info **list, size_t *n, struct error *err);
void device_list_free(struct device_info *list, size_t n);
/* Main of the child `hone @child devices`: frames {"asking": platform} out while it looks, and then
 * {"devices", "status", "text"}. Returns the exit code. */
int device_listing_child(void);

/* Does the library of a driver load? Tried in a child: UNSUPPORTED with the loader's reason; DEVICE when
 * it hangs or dies. */
enum status device_try_library(const char *library, struct error *err);
/* Main of the child `hone @child library`: {"library": path} in, {"why": null or the reason} out. Returns
 * the exit code. */
int device_library_child(void);

struct device;

/* selector: NULL or "" = the first of the list; a number = its index; else a part of the name or
 * platform (case-insensitive), USAGE with the list when no device or several are meant. Features
 * come from the cache folder (features/<hash of model and version>) or are found now, in a child.
 * The driver is asked by this process and hangs it if it hangs: for children, and for the engine,
 * which runs its kernels here anyway. */
enum status device_open(const char *selector, struct device **out, struct error *err);
/* The same without finding features (none are set): for the child that finds them. */
enum status device_open_bare(const char *selector, struct device **out, struct error *err);
/* Bare, and the one that is known by this key (NULL: whatever it is): the device that had the number
 * when the parent listed it. DEVICE when it is gone, or another one has taken its number. */
enum status device_open_known(const char *selector, const char *model_key, struct device **out,
                              struct error *err);
/* Without context and queue, asked of a child as device_list is, for who only asks about it and
 * runs nothing: no driver is touched here. No features are set. */
enum status device_open_described(const char *selector, struct device **out, struct error *err);
/* Does it open? Tried in a child: DEVICE with the reason, or when that never ends; CRASHED. */
enum status device_try(const struct device *device, struct error *err);
/* Set the features as device_open does; none where they cannot be found. */
void device_load_features(struct device *device);
void device_close(struct device *device); /* NULL is fine */

/* What is known of it; the device's, as long as it is open. */
const struct device_info *device_describe(const struct device *device);
/* Its number in device_list, which is what a child is told to open. */
size_t device_index(const struct device *device);
/* FEATURE_NONE is always there. */
bool device_has(const struct device *device, int feature);
void device_set_features(struct device *device,
                         uint64_t bits);               /* tests and the child: bit f = feature f */
uint64_t device_features(const struct device *device); /* the same bits */

/* The features of the device that is number `index` of the list, found in a child or taken from the
 * cache; a feature whose test hangs or crashes is absent and the others are still found. DEVICE
 * when the child cannot open the device, or hangs doing so: then nothing is kept. UNSUPPORTED where
 * there can be no child. */
enum status device_find_features(const struct device_info *info, size_t index, uint64_t *bits,
                                 struct error *err);
/* Main of the child `hone @child features`: frames {"device": index, "model": key, "feature": name} in;
 * at the first one the device is opened and {"closed": null or why} goes out, then {"has": bool, "why":
 * sentence, "lost": bool} for each. Returns the exit code. */
int device_feature_child(void);

/* Wait until the queue is empty. DEVICE when the device is lost. */
enum status device_finish(struct device *device, struct error *err);
