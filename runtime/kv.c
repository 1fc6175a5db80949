/* kv.c: blocks, reference counts, and who sees which slot. A block's places are positions modulo 32. */
#include "runtime/kv.h"
#include "base/str.h"
#include "kernels/weights.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A block as a sequence sees it: positions base … base + 31. */
struct page {
    int64_t base;
    int32_t block;
};
struct sequence {
    bool is_used;
    struct page *page; /* rising base */
    int64_t n_pages, capacity;
    int64_t length;
};
struct kv {
    struct kv_shape shape;
    int64_t n_blocks, n_sequences;
    int32_t *references; /* [n_blocks] */
    int32_t *free_block; /* stack */
    int64_t n_free;
    int32_t *stored; /* [n_blocks * KV_BLOCK] */
    int64_t dirty_low, dirty_high;
    struct sequence *sequence;
    struct arena **arena; /* [n_layers]; NULL without a device */
    struct view *view;    /* [n_layers][2]: K, V */
};

/* ---- open ---- */

static size_t element_bytes(const struct kv_shape *shape) {
    return shape->is_f32 ? 4 : 2;
}

static size_t block_elements(const struct kv_shape *shape) {
    return (size_t)(shape->n_kv_heads * shape->head_size) * KV_BLOCK;
}

static int64_t blocks_of(int64_t positions) {
    return (positions + KV_BLOCK - 1) / KV_BLOCK;
}

int64_t kv_bytes(const struct kv_shape *shape, int64_t positions) {
    return shape->n_layers * 2 * blocks_of(positions) *
           (int64_t)(block_elements(shape) * element_bytes(shape));
}

/* One arena a layer: K, then V. Fresh memory is zeroed, because empty slots are multiplied by 0. */
static enum status open_layers(struct kv *kv, struct device *device, struct error *err) {
    const size_t bytes =
        (size_t)kv->n_blocks * block_elements(&kv->shape) * element_bytes(&kv->shape);
    const size_t room = (bytes + VIEW_ALIGN - 1) / VIEW_ALIGN * VIEW_ALIGN;
    kv->arena = memory_new((size_t)kv->shape.n_layers * sizeof *kv->arena);
    kv->view = memory_new((size_t)kv->shape.n_layers * 2 * sizeof *kv->view);
    enum status st = OK;
    for (int64_t l = 0; st == OK && l < kv->shape.n_layers; l++) {
        st = arena_open(device, 2 * room, &kv->arena[l], err);
        for (int i = 0; st == OK && i < 2; i++) {
            struct view *view = &kv->view[2 * l + i];
            st = arena_take(kv->arena[l], bytes, view, err);
            if (st == OK) st = view_fill(*view, 0, 0, bytes, err);
        }
    }
    return st;
}

enum status kv_open(struct device *device, const struct kv_shape *shape, int64_t positions,
                    int64_t max_sequences, struct kv **out, struct error *err) {
    struct kv *kv = memory_new(sizeof *kv);
    *out = NULL;
    kv->shape = *shape;
    kv->n_blocks = blocks_of(positions);
    kv->n_sequences = max_sequences;
    const size_t n = (size_t)kv->n_blocks;
    kv->references = calloc(n, sizeof *kv->references);
    kv->free_block = malloc(n * sizeof *kv->free_block);
    kv->stored = malloc(n * KV_BLOCK * sizeof *kv->stored);
    kv->sequence = calloc((size_t)max_sequences, sizeof *kv->sequence);
    enum status st = OK;
    if (!kv->references || !kv->free_block || !kv->stored || !kv->sequence)
        st = fail(err, STATUS_NOMEM, "no memory for a KV pool of %lld positions and %lld sequences",
                  (long long)positions, (long long)max_sequences);
    if (st == OK) {
        for (int64_t b = 0; b < kv->n_blocks; b++)
            kv->free_block[b] = (int32_t)(kv->n_blocks - 1 - b); /* block 0 comes first */
        kv->n_free = kv->n_blocks;
        memset(kv->stored, 0xff, n * KV_BLOCK * sizeof *kv->stored);
        kv->dirty_high = kv->n_blocks * KV_BLOCK;
        if (device) st = open_layers(kv, device, err);
    }
    if (st == OK) {
        *out = kv;
    } else {
        if (device) fail_while(err, "KV pool of %lld positions", (long long)positions);
        kv_close(kv);
    }
    return st;
}

void kv_close(struct kv *kv) {
    if (!kv) return;
    for (int64_t s = 0; kv->sequence && s < kv->n_sequences; s++) free(kv->sequence[s].page);
    for (int64_t l = 0; kv->arena && l < kv->shape.n_layers; l++) arena_close(kv->arena[l]);
    free(kv->arena);
    free(kv->view);
    free(kv->references);
    free(kv->free_block);
    free(kv->stored);
    free(kv->sequence);
    free(kv);
}

int64_t kv_slots(const struct kv *kv) {
    return kv->n_blocks * KV_BLOCK;
}

struct view kv_keys(const struct kv *kv, int64_t layer) {
    return kv->view[2 * layer];
}

struct view kv_values(const struct kv *kv, int64_t layer) {
    return kv->view[2 * layer + 1];
}

/* ---- blocks ---- */

static void store_position(struct kv *kv, int32_t block, int64_t place, int64_t position) {
    const int64_t slot = (int64_t)block * KV_BLOCK + place;
    kv->stored[slot] = (int32_t)position;
    if (kv->dirty_low >= kv->dirty_high) {
        kv->dirty_low = slot;
        kv->dirty_high = slot + 1;
    }
    if (slot < kv->dirty_low) kv->dirty_low = slot;
    if (slot >= kv->dirty_high) kv->dirty_high = slot + 1;
}

static enum status pool_full(const struct kv *kv, struct error *err) {
    return fail(err, STATUS_NOMEM,
                "the KV pool of %lld positions is full: end or truncate a sequence, "
                "or open the engine with a longer context",
                (long long)kv_slots(kv));
}

static enum status block_take(struct kv *kv, int32_t *block, struct error *err) {
    if (kv->n_free == 0) return pool_full(kv, err);
    *block = kv->free_block[--kv->n_free];
    kv->references[*block] = 1;
    return OK;
}

static void block_release(struct kv *kv, int32_t block) {
    assert(kv->references[block] > 0);
    if (--kv->references[block] > 0) return;
    for (int64_t place = 0; place < KV_BLOCK; place++) store_position(kv, block, place, -1);
    kv->free_block[kv->n_free++] = block;
}

static enum status block_copy(struct kv *kv, int32_t from, int32_t to, struct error *err) {
    const size_t bytes = block_elements(&kv->shape) * element_bytes(&kv->shape);
    for (int64_t place = 0; place < KV_BLOCK; place++)
        store_position(kv, to, place, kv->stored[(int64_t)from * KV_BLOCK + place]);
    enum status st = OK;
    for (int64_t v = 0; kv->view && st == OK && v < 2 * kv->shape.n_layers; v++)
        st = view_copy(kv->view[v], (size_t)from * bytes, kv->view[v], (size_t)to * bytes, bytes,
                       err);
    return st;
}

/* Make the page's block this sequence's alone. */
static enum status page_own(struct kv *kv, struct page *page, struct error *err) {
    int32_t copy = -1;
    if (kv->references[page->block] == 1) return OK;
    enum status st = block_take(kv, &copy, err);
    if (st != OK) return st;
    st = block_copy(kv, page->block, copy, err);
    block_release(kv, st == OK ? page->block : copy);
    if (st == OK) page->block = copy;
    return st;
}

static bool page_holds(const struct kv *kv, const struct page *page, int64_t from, int64_t to) {
    for (int64_t i = 0; i < KV_BLOCK; i++) {
        const int32_t position = kv->stored[(int64_t)page->block * KV_BLOCK + i];
        if (position >= from && position < to) return true;
    }
    return false;
}

/* Empty the slots of positions [from, to) of an owned page. */
static void page_clear(struct kv *kv, const struct page *page, int64_t from, int64_t to) {
    for (int64_t i = 0; i < KV_BLOCK; i++) {
        const int32_t position = kv->stored[(int64_t)page->block * KV_BLOCK + i];
        if (position >= from && position < to) store_position(kv, page->block, i, -1);
    }
}

/* ---- sequences ---- */

bool kv_is(const struct kv *kv, int32_t sequence) {
    return sequence >= 0 && sequence < kv->n_sequences && kv->sequence[sequence].is_used;
}

enum status kv_new(struct kv *kv, int32_t *sequence, struct error *err) {
    for (int32_t s = 0; s < kv->n_sequences; s++) {
        if (kv->sequence[s].is_used) continue;
        kv->sequence[s].is_used = true;
        *sequence = s;
        return OK;
    }
    return fail(err, STATUS_NOMEM, "all %lld sequences of the engine are in use",
                (long long)kv->n_sequences);
}

void kv_drop(struct kv *kv, int32_t sequence) {
    if (!kv_is(kv, sequence)) return;
    struct sequence *s = &kv->sequence[sequence];
    for (int64_t i = 0; i < s->n_pages; i++) block_release(kv, s->page[i].block);
    free(s->page);
    *s = (struct sequence){0};
}

int64_t kv_length(const struct kv *kv, int32_t sequence) {
    return kv->sequence[sequence].length;
}

int64_t kv_room(const struct kv *kv, int32_t sequence) {
    const struct sequence *s = &kv->sequence[sequence];
    const struct page *last = s->n_pages ? &s->page[s->n_pages - 1] : NULL;
    const int64_t rest =
        last && last->base + KV_BLOCK > s->length ? last->base + KV_BLOCK - s->length : 0;
    if (rest && kv->references[last->block] > 1) /* the copy takes a block */
        return kv->n_free ? rest + (kv->n_free - 1) * KV_BLOCK : 0;
    return rest + kv->n_free * KV_BLOCK;
}

static void page_add(struct sequence *s, struct page page) {
    if (s->n_pages == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 16;
        s->page = memory_grow(s->page, (size_t)s->capacity * sizeof *s->page);
    }
    s->page[s->n_pages++] = page;
}

/* What becomes of a page when positions [from, to) leave its sequence. */
enum fate { STAYS, GOES, CHANGES };
static enum fate page_fate(const struct kv *kv, const struct page *page, int64_t from, int64_t to) {
    if (page->base >= to || page->base + KV_BLOCK <= from) return STAYS;
    if (!page_holds(kv, page, 0, from) && !page_holds(kv, page, to, INT64_MAX)) return GOES;
    return page_holds(kv, page, from, to) ? CHANGES : STAYS;
}

/* Whether the blocks are there that a shared page's change takes; those that go come back before. */
static bool can_clear(const struct kv *kv, const struct sequence *s, int64_t from, int64_t to) {
    int64_t free = kv->n_free;
    for (int64_t i = 0; i < s->n_pages; i++) {
        const enum fate fate = page_fate(kv, &s->page[i], from, to);
        const bool is_shared = kv->references[s->page[i].block] > 1;
        free += fate == GOES && !is_shared;
        free -= fate == CHANGES && is_shared;
    }
    return free >= 0;
}

/* Positions [from, to) leave the sequence; blocks that hold nothing more of it are given back. NOMEM
 * changes nothing. */
static enum status sequence_clear(struct kv *kv, struct sequence *s, int64_t from, int64_t to,
                                  struct error *err) {
    if (!can_clear(kv, s, from, to)) return pool_full(kv, err);
    int64_t kept = 0;
    for (int64_t i = 0; i < s->n_pages; i++) {
        if (page_fate(kv, &s->page[i], from, to) == GOES) block_release(kv, s->page[i].block);
        else s->page[kept++] = s->page[i];
    }
    s->n_pages = kept;
    enum status st = OK;
    for (int64_t i = 0; st == OK && i < s->n_pages; i++) {
        if (page_fate(kv, &s->page[i], from, to) != CHANGES) continue;
        st = page_own(kv, &s->page[i], err);
        if (st == OK) page_clear(kv, &s->page[i], from, to);
    }
    return st;
}

enum status kv_truncate(struct kv *kv, int32_t sequence, int64_t positions, struct error *err) {
    struct sequence *s = &kv->sequence[sequence];
    if (positions < 0) positions = 0;
    if (positions > s->length)
        return fail(err, STATUS_INVALID,
                    "sequence %d holds %lld positions: it cannot be cut to %lld", sequence,
                    (long long)s->length, (long long)positions);
    const enum status st = sequence_clear(kv, s, positions, INT64_MAX, err);
    if (st == OK) s->length = positions;
    return st;
}

enum status kv_forget(struct kv *kv, int32_t sequence, int64_t from, int64_t to,
                      struct error *err) {
    return from < to ? sequence_clear(kv, &kv->sequence[sequence], from, to, err) : OK;
}

enum status kv_fork(struct kv *kv, int32_t sequence, int64_t positions, int32_t *copy,
                    struct error *err) {
    enum status st = kv_new(kv, copy, err);
    if (st != OK) return st;
    const struct sequence *s = &kv->sequence[sequence];
    struct sequence *c = &kv->sequence[*copy];
    for (int64_t i = 0; i < s->n_pages && s->page[i].base < positions; i++) {
        page_add(c, s->page[i]);
        kv->references[s->page[i].block]++;
    }
    c->length = s->length;
    if (positions < c->length) st = kv_truncate(kv, *copy, positions, err);
    if (st != OK) kv_drop(kv, *copy);
    return st;
}

/* ---- a batch ---- */

enum status kv_append(struct kv *kv, int32_t sequence, int64_t position, int32_t *slot,
                      struct error *err) {
    struct sequence *s = &kv->sequence[sequence];
    assert(position >= s->length);
    const int64_t place = position % KV_BLOCK, base = position - place;
    if (s->n_pages == 0 || s->page[s->n_pages - 1].base < base) {
        int32_t block = -1;
        const enum status st = block_take(kv, &block, err);
        if (st != OK) return st;
        page_add(s, (struct page){base, block});
    }
    struct page *page = &s->page[s->n_pages - 1];
    const enum status st = page_own(kv, page, err);
    if (st != OK) return st;
    store_position(kv, page->block, place, position);
    s->length = position + 1;
    *slot = (int32_t)(page->block * KV_BLOCK + place);
    return OK;
}

int64_t kv_table(const struct kv *kv, int32_t sequence, int32_t *table, int64_t n_most) {
    const struct sequence *s = &kv->sequence[sequence];
    for (int64_t i = 0; i < s->n_pages && i < n_most; i++) table[i] = s->page[i].block;
    return s->n_pages;
}

int64_t kv_blocks_until(const struct kv *kv, int32_t sequence, int64_t position) {
    const struct sequence *s = &kv->sequence[sequence];
    int64_t n = s->n_pages;
    while (n > 0 && s->page[n - 1].base > position) n--;
    return n;
}

const int32_t *kv_stored(const struct kv *kv, int64_t *low, int64_t *high) {
    *low = kv->dirty_low;
    *high = kv->dirty_high;
    return kv->stored;
}

void kv_stored_clean(struct kv *kv) {
    kv->dirty_low = kv->dirty_high = 0;
}

/* ---- moving a sequence ---- */

static float element_get(const struct kv_shape *shape, const void *block, size_t i) {
    return shape->is_f32 ? ((const float *)block)[i] : half_to_float(((const uint16_t *)block)[i]);
}

static void element_set(const struct kv_shape *shape, void *block, size_t i, float value) {
    if (shape->is_f32) ((float *)block)[i] = value;
    else ((uint16_t *)block)[i] = half_from_float(value);
}

/* Where (head, component, place) of K (is_value 0) or V lies in a block. */
static size_t element_index(const struct kv_shape *shape, int is_value, int64_t head,
                            int64_t component, int64_t place) {
    const int64_t d = shape->head_size;
    return (size_t)(is_value ? (head * KV_BLOCK + place) * d + component
                             : (head * d + component) * KV_BLOCK + place);
}

/* What one block of one layer gives to, or takes from, the rows of the canonical order. */
static void block_move(const struct kv *kv, const struct page *page, int is_value, void *block,
                       float *rows, int64_t length, bool is_import) {
    const struct kv_shape *shape = &kv->shape;
    const int64_t row = shape->n_kv_heads * shape->head_size;
    for (int64_t place = 0; place < KV_BLOCK && page->base + place < length; place++) {
        const int64_t position = page->base + place;
        if (kv->stored[(int64_t)page->block * KV_BLOCK + place] != position) continue;
        for (int64_t i = 0; i < row; i++) {
            const size_t at =
                element_index(shape, is_value, i / shape->head_size, i % shape->head_size, place);
            if (is_import) element_set(shape, block, at, rows[position * row + i]);
            else rows[position * row + i] = element_get(shape, block, at);
        }
    }
}

static enum status move_all(struct kv *kv, const struct sequence *s, float *rows, bool is_import,
                            struct error *err) {
    const size_t bytes = block_elements(&kv->shape) * element_bytes(&kv->shape);
    const int64_t plane = s->length * kv->shape.n_kv_heads * kv->shape.head_size;
    void *block = calloc(1, bytes);
    if (!block) return fail(err, STATUS_NOMEM, "no memory for a block of the KV pool");
    enum status st = OK;
    for (int64_t v = 0; st == OK && v < 2 * kv->shape.n_layers; v++)
        for (int64_t p = 0; st == OK && p < s->n_pages; p++) {
            const size_t at = (size_t)s->page[p].block * bytes;
            if (!is_import) st = view_read(kv->view[v], at, block, bytes, err);
            if (st == OK)
                block_move(kv, &s->page[p], v & 1, block, rows + v * plane, s->length, is_import);
            if (st == OK && is_import) st = view_write(kv->view[v], at, block, bytes, err);
        }
    free(block);
    return st;
}

static size_t canonical_floats(const struct kv *kv, int64_t positions) {
    return (size_t)(2 * kv->shape.n_layers * positions * kv->shape.n_kv_heads *
                    kv->shape.head_size);
}

enum status kv_export(struct kv *kv, int32_t sequence, float **out, size_t *n, struct error *err) {
    const struct sequence *s = &kv->sequence[sequence];
    *n = canonical_floats(kv, s->length);
    *out = calloc(*n ? *n : 1, sizeof **out);
    if (!*out)
        return fail(err, STATUS_NOMEM, "no memory to export %lld positions", (long long)s->length);
    const enum status st = move_all(kv, s, *out, false, err);
    if (st != OK) {
        free(*out);
        *out = NULL;
    }
    return st;
}

enum status kv_import(struct kv *kv, int32_t sequence, const float *in, size_t n, int64_t positions,
                      struct error *err) {
    struct sequence *s = &kv->sequence[sequence];
    if (s->length != 0 || s->n_pages != 0)
        return fail(err, STATUS_INVALID, "importing into sequence %d, which is not empty",
                    sequence);
    if (positions < 0 || positions > kv_slots(kv) || n != canonical_floats(kv, positions))
        return fail(err, STATUS_INVALID,
                    "importing %lld positions from %zu numbers: that needs %zu",
                    (long long)positions, n, canonical_floats(kv, positions < 0 ? 0 : positions));
    enum status st = OK;
    int32_t slot;
    for (int64_t p = 0; st == OK && p < positions; p++) st = kv_append(kv, sequence, p, &slot, err);
    if (st == OK) st = move_all(kv, s, (float *)(uintptr_t)in, true, err);
    if (st != OK) kv_truncate(kv, sequence, 0, NULL);
    return st;
}
