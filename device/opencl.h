/* opencl.h: what the files of this room share and nobody else may see: the handles of OpenCL behind
 * device, arena and image, and the one way in which a refusal by OpenCL becomes a sentence. */
#pragma once
#include "device/memory.h"
#include <CL/cl.h>

/* The series between device_time_begin and device_time_end. Only its first and its latest command
 * keep an event; outside a series commands ask for none, which keeps launches cheap. */
struct series {
    bool running;
    int64_t begin_ns;
    cl_event first, last; /* NULL: no such command yet */
};

struct device {
    struct device_info info;
    size_t index;      /* in device_list's order */
    uint64_t features; /* bit f: FEATURE f is there */
    cl_device_id id;
    cl_context context;
    cl_command_queue queue; /* in order, with profiling */
    struct series series;
    uint64_t next_serial;     /* names arenas and images; an address may come again, this not */
    size_t arena_count;       /* open arenas, images and programs: all closed before the device */
    size_t arena_total_bytes; /* of the open arenas */
    size_t image_count, program_count;
    struct arena_pool *pool; /* NULL: none */
};

struct arena {
    struct device *device;
    cl_mem buffer;
    uint64_t serial;
    size_t bytes, used;
    struct part *parts; /* buffers of their own within it, in the order made */
    size_t n_parts, part_at;
};
struct part {
    size_t offset, bytes;
    cl_mem buffer;
    uint64_t serial;
};
/* The view as a buffer, made when it is asked for first; it lives as long as the arena is not given to a pool. NULL with OpenCL's code. */
const struct part *view_part_buffer(struct view view, cl_int *code);

struct image {
    struct device *device;
    cl_mem image;
    uint64_t serial;
    enum texel texel;
    size_t width, height; /* texels */
};

/* One device as it was found: its description and its handle. */
struct found {
    struct device_info info;
    cl_device_id id; /* NULL: of another process */
};
/* Here and now, which may never end: `tell` (NULL: nobody) hears of each platform first. */
enum status devices_find(struct found **list, size_t *n, void (*tell)(const char *platform),
                         struct error *err);
/* The same found by a child, without handles. */
enum status devices_ask(struct found **list, size_t *n, struct error *err);
void devices_free(struct found *list, size_t n);

/* What a failure with this code is: DEVICE or NOMEM where it means a lost device or exhausted memory, whatever
 * was being done, else `status`. */
enum status opencl_status(enum status status, cl_int code);
/* fail() with ": CL_SYMBOL" behind the sentence and that status. */
enum status opencl_fail(struct error *err, enum status status, cl_int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Where the next command's event goes; NULL when nobody times. */
cl_event *series_event(struct device *device);

/* Replace what has no place in one line of text: control characters, non-ASCII, '|'; trim, and join
 * runs of blanks. In place. */
void text_tame(char *text);
