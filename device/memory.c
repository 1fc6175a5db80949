/* memory.c: arenas, views, images, a pool of arenas. */
#include "base/str.h"
#include "base/units.h"
#include "device/opencl.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void pool_empty(struct arena_pool *pool);

static size_t round_up(size_t x, size_t multiple) {
    return (x + multiple - 1) / multiple * multiple;
}

static enum status fail_size(const struct device *device, size_t bytes, cl_int code,
                             struct error *err) {
    char want[UNITS_TEXT], one[UNITS_TEXT], all[UNITS_TEXT], open[UNITS_TEXT];
    return opencl_fail(err, STATUS_NOMEM, code,
                       "%s has no room for %s: at most %s in one piece and %s in all, %s in use",
                       device->info.name, units_memory((double)bytes, want),
                       units_memory((double)device->info.max_alloc_bytes, one),
                       units_memory((double)device->info.global_bytes, all),
                       units_memory((double)device->arena_total_bytes, open));
}

/* Pages are given at the first touch (and NVIDIA's memory with them): touched here, once, they
 * neither distort a timing nor fail in the middle of a run. */
static cl_int buffer_touch(struct device *device, cl_mem buffer, size_t bytes) {
    const cl_uint zero = 0;
    cl_int code =
        clEnqueueFillBuffer(device->queue, buffer, &zero, sizeof zero, 0, bytes, 0, NULL, NULL);
    return code != CL_SUCCESS ? code : clFinish(device->queue);
}

/* Where the host's memory is the device's, large pages: fewer faults at the first touch, and streams of weights are
 * read faster (int4 GEMV by a fifth, a whole engine by 4 to 6 %, on two processors of a virtual machine, whose page
 * walks are long). The system may have none. */
static void ask_for_large_pages(struct device *device, cl_mem buffer, size_t bytes) {
#ifdef MADV_HUGEPAGE
    enum { LARGE_PAGE = 2 << 20 };
    if (device->info.type != DEVICE_CPU || bytes < 2 * LARGE_PAGE) return;
    char *start = clEnqueueMapBuffer(device->queue, buffer, CL_TRUE, CL_MAP_WRITE_INVALIDATE_REGION,
                                     0, bytes, 0, NULL, NULL, NULL);
    if (!start) return;
    const size_t before = round_up((uintptr_t)start, LARGE_PAGE) - (uintptr_t)start;
    madvise(start + before, (bytes - before) / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);
    clEnqueueUnmapMemObject(device->queue, buffer, start, 0, NULL, NULL);
#endif
}

static enum status open_new(struct device *device, size_t bytes, struct arena **out,
                            struct error *err) {
    cl_int code = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    cl_mem buffer = NULL;
    *out = NULL;
    size_t limit = device->info.global_bytes; /* a host that overcommits would kill us instead */
    if (bytes > limit || device->arena_total_bytes > limit - bytes)
        return fail_size(device, bytes, code, err);
    size_t rounded = round_up(bytes ? bytes : 1, VIEW_ALIGN);
    buffer = clCreateBuffer(device->context, CL_MEM_READ_WRITE, rounded, NULL, &code);
    if (!buffer) return fail_size(device, bytes, code, err);
    ask_for_large_pages(device, buffer, rounded);
    code = buffer_touch(device, buffer, rounded);
    if (code != CL_SUCCESS) {
        clReleaseMemObject(buffer);
        return fail_size(device, bytes, code, err);
    }
    struct arena *arena = memory_new(sizeof *arena);
    *arena = (struct arena){.device = device, .buffer = buffer, .bytes = rounded};
    arena->serial = device->next_serial++;
    device->arena_count++;
    device->arena_total_bytes += rounded;
    *out = arena;
    return OK;
}

enum status arena_open(struct device *device, size_t bytes, struct arena **out, struct error *err) {
    const enum status st = open_new(device, bytes, out, err);
    if (st != STATUS_NOMEM || arena_pool_bytes(device->pool) == 0) return st;
    pool_empty(device->pool);
    return open_new(device, bytes, out, err);
}

static void close_parts(struct arena *arena) {
    for (size_t i = 0; i < arena->n_parts; i++) clReleaseMemObject(arena->parts[i].buffer);
    free(arena->parts);
    arena->parts = NULL;
    arena->n_parts = arena->part_at = 0;
}

void arena_close(struct arena *arena) {
    if (!arena) return;
    arena->device->arena_count--;
    arena->device->arena_total_bytes -= arena->bytes;
    close_parts(arena);
    clReleaseMemObject(arena->buffer);
    free(arena);
}

static bool is_part(const struct part *part, struct view view) {
    return part->offset == view.offset && part->bytes == view.bytes;
}

/* Views come round in the order in which they came first: the next one is usually the one after the last. */
static struct part *part_find(struct arena *arena, struct view view) {
    for (size_t i = 0; i < arena->n_parts; i++) {
        arena->part_at = (arena->part_at + 1) % arena->n_parts;
        if (is_part(&arena->parts[arena->part_at], view)) return &arena->parts[arena->part_at];
    }
    return NULL;
}

const struct part *view_part_buffer(struct view view, cl_int *code) {
    struct arena *arena = view.arena;
    const cl_buffer_region region = {view.offset, view.bytes};
    struct part *part = part_find(arena, view);
    *code = CL_SUCCESS;
    if (part) return part;
    cl_mem buffer =
        clCreateSubBuffer(arena->buffer, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, code);
    if (!buffer) return NULL;
    arena->parts = memory_grow(arena->parts, (arena->n_parts + 1) * sizeof *arena->parts);
    part = &arena->parts[arena->part_at = arena->n_parts++];
    *part = (struct part){view.offset, view.bytes, buffer, arena->device->next_serial++};
    return part;
}

enum status arena_take(struct arena *arena, size_t bytes, struct view *out, struct error *err) {
    size_t offset = round_up(arena->used, VIEW_ALIGN);
    *out = (struct view){0};
    if (offset > arena->bytes || bytes > arena->bytes - offset)
        return fail(err, STATUS_NOMEM,
                    "an arena of %zu bytes has no room for %zu more: %zu are taken", arena->bytes,
                    bytes, arena->used);
    *out = (struct view){.arena = arena, .offset = offset, .bytes = bytes};
    arena->used = offset + bytes;
    return OK;
}

size_t arena_bytes(const struct arena *arena) {
    return arena->bytes;
}

static bool view_holds(struct view view, size_t offset, size_t n) {
    return view.arena && offset <= view.bytes && n <= view.bytes - offset;
}

struct view view_part(struct view view, size_t offset, size_t bytes) {
    assert(view_holds(view, offset, bytes));
    return (struct view){.arena = view.arena, .offset = view.offset + offset, .bytes = bytes};
}

/* OK, or how a transfer of n bytes on this device failed. */
static enum status transfer_result(const struct device *device, cl_int code, const char *what,
                                   size_t n, struct error *err) {
    if (code == CL_SUCCESS) return OK;
    return opencl_fail(err, STATUS_DEVICE, code, "%s %zu bytes on %s", what, n, device->info.name);
}

enum status view_write(struct view view, size_t offset, const void *bytes, size_t n,
                       struct error *err) {
    assert(view_holds(view, offset, n));
    if (n == 0) return OK;
    struct device *device = view.arena->device;
    cl_int code =
        clEnqueueWriteBuffer(device->queue, view.arena->buffer, CL_TRUE, view.offset + offset, n,
                             bytes, 0, NULL, series_event(device));
    return transfer_result(device, code, "writing", n, err);
}

enum status view_read(struct view view, size_t offset, void *bytes, size_t n, struct error *err) {
    assert(view_holds(view, offset, n));
    if (n == 0) return OK;
    struct device *device = view.arena->device;
    cl_int code =
        clEnqueueReadBuffer(device->queue, view.arena->buffer, CL_TRUE, view.offset + offset, n,
                            bytes, 0, NULL, series_event(device));
    return transfer_result(device, code, "reading", n, err);
}

enum status view_fill(struct view view, size_t offset, uint32_t pattern, size_t n,
                      struct error *err) {
    assert(view_holds(view, offset, n) && n % 4 == 0 && (view.offset + offset) % 4 == 0);
    if (n == 0) return OK;
    struct device *device = view.arena->device;
    cl_int code = clEnqueueFillBuffer(device->queue, view.arena->buffer, &pattern, sizeof pattern,
                                      view.offset + offset, n, 0, NULL, series_event(device));
    return transfer_result(device, code, "filling", n, err);
}

enum status view_copy(struct view from, size_t from_offset, struct view to, size_t to_offset,
                      size_t n, struct error *err) {
    assert(view_holds(from, from_offset, n) && view_holds(to, to_offset, n));
    assert(from.arena->device == to.arena->device);
    if (n == 0) return OK;
    struct device *device = from.arena->device;
    cl_int code = clEnqueueCopyBuffer(device->queue, from.arena->buffer, to.arena->buffer,
                                      from.offset + from_offset, to.offset + to_offset, n, 0, NULL,
                                      series_event(device));
    return transfer_result(device, code, "copying", n, err);
}

enum status image_open(struct device *device, enum texel texel, size_t width, size_t height,
                       struct image **out, struct error *err) {
    const struct device_info *info = &device->info;
    *out = NULL;
    if (info->image_width == 0)
        return fail(err, STATUS_UNSUPPORTED, "%s has no images", info->name);
    if (width < 1 || height < 1 || width > info->image_width || height > info->image_height)
        return fail(err, STATUS_NOMEM, "%s has images of at most %zu × %zu texels, not %zu × %zu",
                    info->name, info->image_width, info->image_height, width, height);
    cl_image_format format = {
        .image_channel_order = CL_RGBA,
        .image_channel_data_type = texel == TEXEL_FLOAT4 ? CL_FLOAT : CL_UNSIGNED_INT32,
    };
    cl_image_desc desc = {
        .image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = width, .image_height = height};
    cl_int code;
    cl_mem handle = clCreateImage(device->context, CL_MEM_READ_ONLY, &format, &desc, NULL, &code);
    if (!handle)
        return opencl_fail(err, STATUS_NOMEM, code, "an image of %zu × %zu texels on %s", width,
                           height, info->name);
    struct image *image = memory_new(sizeof *image);
    *image = (struct image){.device = device, .image = handle, .texel = texel};
    image->width = width;
    image->height = height;
    image->serial = device->next_serial++;
    device->image_count++;
    *out = image;
    return OK;
}

void image_close(struct image *image) {
    if (!image) return;
    image->device->image_count--;
    clReleaseMemObject(image->image);
    free(image);
}

enum status image_load(struct image *image, struct view from, struct error *err) {
    size_t bytes = image->width * image->height * 16;
    assert(view_holds(from, 0, bytes) && from.arena->device == image->device);
    struct device *device = image->device;
    const size_t origin[3] = {0}, region[3] = {image->width, image->height, 1};
    cl_int code =
        clEnqueueCopyBufferToImage(device->queue, from.arena->buffer, image->image, from.offset,
                                   origin, region, 0, NULL, series_event(device));
    return transfer_result(device, code, "loading an image of", bytes, err);
}

/* ---- a pool ---- */

enum { POOL_ARENAS = 16 };

struct arena_pool {
    struct device *device;
    size_t most, bytes;
    struct arena *kept[POOL_ARENAS]; /* in the order given */
    size_t n;
};

struct arena_pool *arena_pool_new(struct device *device, size_t most) {
    struct arena_pool *pool = memory_new(sizeof *pool);
    assert(!device->pool);
    pool->device = device;
    pool->most = most;
    return device->pool = pool;
}

size_t arena_pool_bytes(const struct arena_pool *pool) {
    return pool ? pool->bytes : 0;
}

static struct arena *pool_remove(struct arena_pool *pool, size_t i) {
    struct arena *arena = pool->kept[i];
    pool->bytes -= arena->bytes;
    pool->n--;
    memmove(&pool->kept[i], &pool->kept[i + 1], (pool->n - i) * sizeof *pool->kept);
    return arena;
}

static void pool_empty(struct arena_pool *pool) {
    while (pool->n > 0) arena_close(pool_remove(pool, pool->n - 1));
}

void arena_pool_free(struct arena_pool *pool) {
    if (!pool) return;
    pool_empty(pool);
    pool->device->pool = NULL;
    free(pool);
}

enum status arena_pool_take(struct arena_pool *pool, size_t bytes, struct arena **out,
                            struct error *err) {
    size_t best = pool->n;
    for (size_t i = 0; i < pool->n; i++) {
        const size_t has = pool->kept[i]->bytes;
        if (has >= bytes && has - bytes <= bytes / 2 &&
            (best == pool->n || has < pool->kept[best]->bytes))
            best = i;
    }
    if (best == pool->n) return arena_open(pool->device, bytes, out, err);
    *out = pool_remove(pool, best);
    return OK;
}

void arena_pool_give(struct arena_pool *pool, struct arena *arena) {
    if (!arena) return;
    assert(arena->device == pool->device);
    if (arena->bytes > pool->most) {
        arena_close(arena);
        return;
    }
    close_parts(arena);
    arena->used = 0;
    while (pool->n == POOL_ARENAS || pool->bytes > pool->most - arena->bytes)
        arena_close(pool_remove(pool, 0));
    pool->kept[pool->n++] = arena;
    pool->bytes += arena->bytes;
}
