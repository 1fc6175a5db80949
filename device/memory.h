/* memory.h: memory on a device: arenas (one buffer each), views into them, images, and a pool of arenas.
 *
 * Kernels take an operand as (buffer, byte offset), so that weights lie in few large arenas. */
#pragma once
#include "device/device.h"

enum { VIEW_ALIGN = 256 }; /* bytes; every view starts at a multiple */
/* What is passed as a buffer of its own starts at a multiple of what any device asks for (NVIDIA: 512). */
enum { BUFFER_ALIGN = 4096 };

struct arena;
struct view {
    struct arena *arena; /* NULL: no operand (a kernel gets a NULL pointer) */
    size_t offset;       /* bytes from the arena's start */
    size_t bytes;
};

/* NOMEM names the size and the device's limits. Read-write; contents undefined (touched once). */
enum status arena_open(struct device *device, size_t bytes, struct arena **out, struct error *err);
void arena_close(struct arena *arena); /* NULL is fine */
/* The next `bytes` of the arena, aligned. NOMEM when it is full. */
enum status arena_take(struct arena *arena, size_t bytes, struct view *out, struct error *err);
size_t arena_bytes(const struct arena *arena);

struct view view_part(struct view view, size_t offset,
                      size_t bytes); /* asserts that it lies within */

/* Blocking transfers, in queue order. bytes <= view.bytes. */
enum status view_write(struct view view, size_t offset, const void *bytes, size_t n,
                       struct error *err);
enum status view_read(struct view view, size_t offset, void *bytes, size_t n, struct error *err);
/* Fill with a 4-byte pattern, n a multiple of 4. Not blocking. */
enum status view_fill(struct view view, size_t offset, uint32_t pattern, size_t n,
                      struct error *err);
/* Copy on the device, not blocking; the regions do not overlap. */
enum status view_copy(struct view from, size_t from_offset, struct view to, size_t to_offset,
                      size_t n, struct error *err);

/* A 2D image with four 32-bit channels a texel (float or uint), filled from a view row by row. */
enum texel { TEXEL_FLOAT4, TEXEL_UINT4 };
struct image;
enum status image_open(struct device *device, enum texel texel, size_t width, size_t height,
                       struct image **out, struct error *err); /* width, height in texels */
void image_close(struct image *image);
/* Copy width × height texels from the view, rows dense; in queue order, not blocking. */
enum status image_load(struct image *image, struct view from, struct error *err);

/* Arenas that somebody gave back and that may be wanted again, of one device: memory that is touched already costs
 * nothing, new pages cost more than what is written to them. It keeps at most `most` bytes. Whoever opens an
 * arena of the device and finds no room gets what the pool keeps. One pool a device, closed before it and
 * after all that takes from it. */
struct arena_pool;
struct arena_pool *arena_pool_new(struct device *device, size_t most);
void arena_pool_free(struct arena_pool *pool); /* with all that it keeps; NULL is fine */
/* One that is kept, of `bytes` or up to a half more, nothing taken from it, with whatever it held last; else
 * arena_open, and its errors. */
enum status arena_pool_take(struct arena_pool *pool, size_t bytes, struct arena **out,
                            struct error *err);
/* The pool's from now on, as are the buffers made of its parts. NULL is fine. */
void arena_pool_give(struct arena_pool *pool, struct arena *arena);
size_t arena_pool_bytes(const struct arena_pool *pool); /* kept now; NULL: 0 */
