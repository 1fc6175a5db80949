/* pack.h: the matrices of a model, packed by their layouts into a few large arenas of a device.
 *
 * Packing reads every weight once; what comes out is kept in $XDG_CACHE_HOME/hone/packed, a mapped file
 * a matrix, and taken from there next time. A file that is short, damaged or about something else is
 * packed anew. 8 GiB are kept, or one model that is larger; what was used longest ago goes first. Small matrices are not kept: packing them is as fast as finding them. */
#pragma once
#include "device/memory.h"
#include "kernels/layouts.h"

/* One matrix to pack. */
struct pack_item {
    char name[64]; /* "blk.3.qkv": with the model's key it names the cache file */
    const struct matrix *matrix;
    const struct layout *layout;
    struct view view; /* out: where it lies */
};

struct packed {
    struct arena **arena;
    size_t n_arenas;
    int64_t bytes;    /* of all packed matrices */
    int n_from_cache; /* how many of them came from the cache */
};

/* Pack all items. model_key: fingerprint and stamp, which tell this file from all others and from itself before
 * it was last written (64 characters count); NULL: no cache is read or written. NOMEM when they do not fit the
 * device. */
enum status pack_open(struct device *device, const char *model_key, struct pack_item *items,
                      size_t n, struct packed *out, struct error *err);
void pack_close(struct packed *packed);
