/* program.h: programs, kernels, launches, and their time. */
#pragma once
#include "device/memory.h"

struct program;
struct kernel;

/* Build source with options ("-DTM=4 …"), or take the binary from the cache folder
 * (programs/<hash of source, options, model, version>). BUILD carries the log's first lines, the
 * options, and `name`. The machine code may still be made at the first launch (PoCL): callers count
 * a first launch at the timed geometry as part of the build. */
enum status program_build(struct device *device, const char *name, const char *source,
                          const char *options, struct program **out, struct error *err);
void program_close(struct program *program); /* and its kernels; NULL is fine */
/* The kernel of that name, owned by the program; the same pointer at every call. */
enum status program_kernel(struct program *program, const char *entry, struct kernel **out,
                           struct error *err);
/* Compile time spent in this program, ns; from_cache says whether the binary came from the cache. */
int64_t program_build_ns(const struct program *program, bool *from_cache);
/* Call after the first launch: keeps the binary in the cache folder, once. Failing is not an error. */
void program_keep(struct program *program);

/* NUMBER and BUFFER are for kernels that were not written for views. */
enum argument_kind {
    ARGUMENT_VIEW,
    ARGUMENT_INT,
    ARGUMENT_FLOAT,
    ARGUMENT_IMAGE,
    ARGUMENT_LOCAL,
    ARGUMENT_NUMBER,
    ARGUMENT_BUFFER
};
struct argument {
    enum argument_kind kind;
    union {
        /* becomes two kernel arguments: __global pointer, ulong byte offset; as a BUFFER the pointer alone, to
         * the view's first byte: its offset is a multiple of BUFFER_ALIGN */
        struct view view;
        int32_t i;
        float f;
        struct image *image;
        size_t local_bytes; /* __local memory; 0 is passed as 16 */
        struct {
            uint64_t bits; /* as they lie in memory, the first byte first */
            size_t bytes;  /* at most 8 */
        } number;
    };
};

struct launch {
    struct kernel *kernel;
    size_t global[3], local[3]; /* work-items; 1 in unused dimensions; local divides global */
};

/* Set all arguments of the kernel, in order. LAUNCH names kernel and position. */
enum status kernel_set(struct kernel *kernel, const struct argument *arguments, size_t n,
                       struct error *err);
/* Enqueue, not blocking. LAUNCH with OpenCL's symbol when the geometry is refused. */
enum status launch_enqueue(struct device *device, const struct launch *launch, struct error *err);

/* Times of a series of enqueued work: begin; launches, fills, copies …; end waits for all of it.
 * event_ns: device time from the start of the first to the end of the last command (0: less than a tick
 * of its clock; NAN where events do not work, or tell no time); host_ns: from begin to the end of the wait. */
struct timing {
    double event_ns, host_ns;
};
enum status device_time_begin(struct device *device, struct error *err);
enum status device_time_end(struct device *device, struct timing *timing, struct error *err);

const char *device_error_symbol(int code); /* −54 -> "CL_INVALID_WORK_GROUP_SIZE" */
