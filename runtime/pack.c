/* pack.c: packing, and the cache of packed matrices.
 *
 *     cache file:  header (256 bytes: magic, sizes, checksum, key) | packed matrix
 *
 * The key holds model, matrix, layout, its version, weight type and sizes. The model's part says which file it
 * is and when it was last written, so that no cache file outlives the weights that it was made from. */
#include "runtime/pack.h"
#include "base/hash.h"
#include "base/path.h"
#include "base/str.h"
#include "kernels/op.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES = 256 };
static const size_t KEEP_BYTES = 1 << 20;     /* smaller matrices are not kept */
static const size_t CACHE_BYTES = 8ull << 30; /* of all that is kept, unless one model takes more */
static const size_t ARENA_BYTES = 1ull
                                  << 30; /* of a shared arena; a larger matrix has one of its own */
static const char MAGIC[8] = "honepk1";

struct header {
    char magic[8];
    uint64_t bytes, checksum;
    char key[HEADER_BYTES - 24];
};
_Static_assert(sizeof(struct header) == HEADER_BYTES, "the matrix starts at a multiple of 256");

/* Four independent sums over 64-bit words: as fast as memory, and order counts. */
static uint64_t checksum(const void *bytes, size_t n) {
    uint64_t sum[4] = {1, 2, 3, 4}, word[4];
    const unsigned char *p = bytes;
    size_t i = 0;
    for (; i + sizeof word <= n; i += sizeof word) {
        memcpy(word, p + i, sizeof word);
        for (int lane = 0; lane < 4; lane++)
            sum[lane] = (sum[lane] ^ word[lane]) * 0x9e3779b97f4a7c15ull + (sum[lane] >> 29);
    }
    return hash_bytes(hash_bytes(hash_start(), sum, sizeof sum), p + i, n - i);
}

/* ---- the key of a matrix ---- */

static void item_key(const char *model_key, const struct pack_item *item, char key[],
                     size_t key_bytes) {
    char weight[16];
    memset(key, 0, key_bytes);
    snprintf(key, key_bytes, "%.64s %s %s %d %s %lldx%lld", model_key, item->name,
             item->layout->name, item->layout->version, weight_format(item->matrix->weight, weight),
             (long long)item->matrix->m, (long long)item->matrix->k);
}

/* ---- one matrix ---- */

/* true when the file is there, whole, and about this key; then it has been written to the view. */
static bool load_cached(const char *path, const char *key, size_t bytes, struct view view,
                        enum status *st, struct error *err) {
    struct map map;
    struct header header;
    if (map_open(path, &map, NULL) != OK) return false;
    bool good = map.size == HEADER_BYTES + bytes;
    if (good) {
        memcpy(&header, map.bytes, sizeof header);
        good = !memcmp(header.magic, MAGIC, sizeof MAGIC) && header.bytes == bytes &&
               !strncmp(header.key, key, sizeof header.key) &&
               header.checksum == checksum(map.bytes + HEADER_BYTES, bytes);
    }
    if (good) *st = view_write(view, 0, map.bytes + HEADER_BYTES, bytes, err);
    map_close(&map);
    return good;
}

/* A full disk or a read-only home is no reason to stop. */
static void keep(const char *path, unsigned char *file, const char *key, size_t bytes) {
    struct header *header = (struct header *)file;
    *header = (struct header){.bytes = bytes, .checksum = checksum(file + HEADER_BYTES, bytes)};
    memcpy(header->magic, MAGIC, sizeof MAGIC);
    memcpy(header->key, key, strnlen(key, sizeof header->key - 1));
    if (path_make_parent(path, NULL) == OK) path_write(path, file, HEADER_BYTES + bytes, NULL);
}

/* ---- without the cache: in parts, so that hardly any memory is taken beside the arena's ---- */

/* A multiple of every panel, and of the 256 bytes that regions are rounded to: parts join without gaps. */
enum { PART_ROWS = 256 };

/* Rows [first, first + part.m) of a matrix. */
struct rows_of {
    const struct matrix *whole;
    int64_t first;
};
static void read_part(const struct matrix *part, int64_t m, struct weight_row *row) {
    const struct rows_of *rows = part->context;
    rows->whole->read(rows->whole, rows->first + m, row);
}

/* m rows from rows->first on go where the whole matrix has them, region by region. */
static enum status write_part(const struct pack_item *item, const struct rows_of *rows, int64_t m,
                              unsigned char *packed, struct error *err) {
    const struct matrix *whole = item->matrix;
    const struct matrix part = {whole->weight, m, whole->k, read_part, rows};
    const struct layout_regions to =
                                    layout_regions(item->layout, whole->weight, whole->m, whole->k),
                                before = layout_regions(item->layout, whole->weight, rows->first,
                                                        whole->k),
                                here = layout_regions(item->layout, whole->weight, m, whole->k);
    const struct {
        size_t to, before, from, bytes;
    } regions[] = {
        {to.codes, before.scales, here.codes, here.scales},
        {to.scales, before.zeros - before.scales, here.scales, here.zeros - here.scales},
        {to.zeros, before.bytes - before.zeros, here.zeros, here.bytes - here.zeros},
    };
    enum status st = layout_pack(item->layout, &part, packed, err);
    for (size_t r = 0; st == OK && r < sizeof regions / sizeof *regions; r++)
        if (regions[r].bytes)
            st = view_write(item->view, regions[r].to + regions[r].before, packed + regions[r].from,
                            regions[r].bytes, err);
    return st;
}

static enum status pack_in_parts(const struct pack_item *item, struct error *err) {
    const struct matrix *whole = item->matrix;
    unsigned char *packed =
        malloc(layout_regions(item->layout, whole->weight, PART_ROWS, whole->k).bytes);
    if (!packed) return fail(err, STATUS_NOMEM, "packing %s: no memory", item->name);
    enum status st = OK;
    for (struct rows_of rows = {whole, 0}; st == OK && rows.first < whole->m;
         rows.first += PART_ROWS) {
        const int64_t left = whole->m - rows.first;
        st = write_part(item, &rows, left < PART_ROWS ? left : PART_ROWS, packed, err);
    }
    free(packed);
    return st == OK ? OK : fail_while(err, "weights %s", item->name);
}

static enum status pack_one(const char *model_key, struct pack_item *item, struct packed *packed,
                            struct error *err) {
    const size_t bytes = item->view.bytes;
    struct header header;
    unsigned char *file = NULL;
    enum status st = OK;
    if (!model_key || bytes < KEEP_BYTES) return pack_in_parts(item, err);
    item_key(model_key, item, header.key, sizeof header.key);
    char *path = path_cache_keyed("packed", header.key, ".bin");
    if (load_cached(path, header.key, bytes, item->view, &st, err)) {
        packed->n_from_cache++;
        path_use(path);
        goto done;
    }
    file = malloc(HEADER_BYTES + bytes);
    if (!file) {
        st = fail(err, STATUS_NOMEM, "packing %s: no memory for %zu bytes", item->name, bytes);
        goto done;
    }
    if ((st = layout_pack(item->layout, item->matrix, file + HEADER_BYTES, err)) != OK) goto done;
    st = view_write(item->view, 0, file + HEADER_BYTES, bytes, err);
    if (st == OK) keep(path, file, header.key, bytes);
done:
    free(file);
    free(path);
    return st == OK ? OK : fail_while(err, "weights %s", item->name);
}

/* ---- all of them ---- */

/* The model at hand stays whole: else a large one would be packed anew each time. */
static void trim_cache(size_t model_bytes) {
    char *folder = path_cache("packed");
    path_trim(folder, model_bytes > CACHE_BYTES ? model_bytes : CACHE_BYTES);
    free(folder);
}

static size_t room_for(size_t bytes) {
    return (bytes + VIEW_ALIGN - 1) / VIEW_ALIGN * VIEW_ALIGN;
}

/* The next arena: as many items from `first` on as fit; *n is their number. */
static enum status next_arena(struct device *device, struct pack_item *items, size_t first,
                              size_t last, struct packed *packed, size_t *n, struct error *err) {
    const size_t device_limit = device_describe(device)->max_alloc_bytes;
    const size_t limit = device_limit && device_limit < ARENA_BYTES ? device_limit : ARENA_BYTES;
    size_t total = 0, i = first;
    for (; i < last && (i == first || total + room_for(items[i].view.bytes) <= limit); i++)
        total += room_for(items[i].view.bytes);
    packed->arena = memory_grow(packed->arena, (packed->n_arenas + 1) * sizeof *packed->arena);
    struct arena **arena = &packed->arena[packed->n_arenas];
    /* the last matrix, too, may be copied into an image, which takes whole rows of texels */
    enum status st = arena_open(device, total + op_image_bytes(1), arena, err);
    if (st != OK) return st;
    packed->n_arenas++;
    *n = i - first;
    for (i = first; st == OK && i < first + *n; i++)
        st = arena_take(*arena, items[i].view.bytes, &items[i].view, err);
    return st;
}

enum status pack_open(struct device *device, const char *model_key, struct pack_item *items,
                      size_t n, struct packed *out, struct error *err) {
    *out = (struct packed){0};
    enum status st = OK;
    for (size_t i = 0; i < n; i++) {
        const struct matrix *matrix = items[i].matrix;
        items[i].view.bytes =
            layout_regions(items[i].layout, matrix->weight, matrix->m, matrix->k).bytes;
        out->bytes += (int64_t)items[i].view.bytes;
    }
    for (size_t first = 0, some = 0; st == OK && first < n; first += some)
        st = next_arena(device, items, first, n, out, &some, err);
    for (size_t i = 0; st == OK && i < n; i++) st = pack_one(model_key, &items[i], out, err);
    if (model_key && st == OK) trim_cache((size_t)out->bytes);
    if (st != OK) pack_close(out);
    return st;
}

void pack_close(struct packed *packed) {
    for (size_t i = 0; i < packed->n_arenas; i++) arena_close(packed->arena[i]);
    free(packed->arena);
    *packed = (struct packed){0};
}
