/* gguf_maker.h: GGUF files for tests, written piece by piece, well-formed or not. What every length
 * field is and where it stands is remembered, so that tests can break each. */
#pragma once
#include "base/str.h"
#include "runtime/gguf.h"
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAKER_FIELDS = 512 };

struct maker {
    struct str keys, infos, data; /* sections after the head */
    uint64_t version, n_keys, n_tensors, alignment;
    struct {
        bool in_infos;
        size_t at;         /* in its section */
    } field[MAKER_FIELDS]; /* where u64 lengths, counts, dimensions, offsets stand */
    size_t n_fields;
};

enum { MAKER_HEAD_BYTES = 24 };

static inline struct maker maker_new(void) {
    return (struct maker){.version = 3, .alignment = 32};
}

static inline void maker_free(struct maker *m) {
    str_free(&m->keys);
    str_free(&m->infos);
    str_free(&m->data);
}

static inline void maker_uint(struct str *s, uint64_t value, int n) {
    for (int i = 0; i < n; i++, value >>= 8) str_add_bytes(s, &(unsigned char){value & 255}, 1);
}

/* A u64 that says how much follows. */
static inline void maker_field(struct maker *m, struct str *s, uint64_t value) {
    cr_assert(m->n_fields < MAKER_FIELDS);
    m->field[m->n_fields].in_infos = s == &m->infos;
    m->field[m->n_fields++].at = s->length;
    maker_uint(s, value, 8);
}

static inline void maker_text(struct maker *m, struct str *s, const char *text, size_t n) {
    maker_field(m, s, n);
    str_add_bytes(s, text, n);
}

/* ---- keys ---- */

static inline void maker_key(struct maker *m, const char *name, enum gguf_value_type type) {
    m->n_keys++;
    maker_text(m, &m->keys, name, strlen(name));
    maker_uint(&m->keys, type, 4);
}

static inline void maker_int(struct maker *m, const char *name, enum gguf_value_type type,
                             int64_t value) {
    static const int bytes[GGUF_VALUE_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    maker_key(m, name, type);
    maker_uint(&m->keys, (uint64_t)value, bytes[type]);
}

static inline void maker_f32(struct maker *m, const char *name, float value) {
    maker_key(m, name, GGUF_F32);
    str_add_bytes(&m->keys, &value, sizeof value);
}

static inline void maker_string(struct maker *m, const char *name, const char *text) {
    maker_key(m, name, GGUF_STRING);
    maker_text(m, &m->keys, text, strlen(text));
}

/* The elements follow by maker_uint or maker_text to m->keys. */
static inline void maker_array(struct maker *m, const char *name, enum gguf_value_type type,
                               uint64_t n) {
    maker_key(m, name, GGUF_ARRAY);
    maker_uint(&m->keys, type, 4);
    maker_field(m, &m->keys, n);
}

static inline void maker_strings(struct maker *m, const char *name, const char *const *texts,
                                 size_t n) {
    maker_array(m, name, GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) maker_text(m, &m->keys, texts[i], strlen(texts[i]));
}

/* ---- tensors ---- */

/* The info alone, with any numbers. */
static inline void maker_info(struct maker *m, const char *name, uint64_t type, uint64_t n_dims,
                              const uint64_t *dims, uint64_t offset) {
    m->n_tensors++;
    maker_text(m, &m->infos, name, strlen(name));
    maker_uint(&m->infos, n_dims, 4);
    for (uint64_t i = 0; i < n_dims; i++) maker_field(m, &m->infos, dims[i]);
    maker_uint(&m->infos, type, 4);
    maker_field(m, &m->infos, offset);
}

/* A tensor of k columns and rows (0: one dimension), its bytes behind what is there, aligned. */
static inline void maker_tensor(struct maker *m, const char *name, int type, int64_t k,
                                int64_t rows, const void *bytes, size_t n) {
    while (m->data.length % m->alignment) str_add_bytes(&m->data, "", 1);
    maker_info(m, name, (uint64_t)type, rows ? 2 : 1, (uint64_t[]){(uint64_t)k, (uint64_t)rows},
               m->data.length);
    str_add_bytes(&m->data, bytes, n);
}

/* ---- the file ---- */

/* Where field i stands in the file. */
static inline size_t maker_field_at(const struct maker *m, size_t i) {
    return MAKER_HEAD_BYTES + (m->field[i].in_infos ? m->keys.length : 0) + m->field[i].at;
}

/* The caller frees with str_free. */
static inline struct str maker_file(const struct maker *m) {
    struct str s = {0};
    str_add(&s, "GGUF");
    maker_uint(&s, m->version, 4);
    maker_uint(&s, m->n_tensors, 8);
    maker_uint(&s, m->n_keys, 8);
    str_add_bytes(&s, str_text(&m->keys), m->keys.length);
    str_add_bytes(&s, str_text(&m->infos), m->infos.length);
    while (m->data.length && s.length % m->alignment) str_add_bytes(&s, "", 1);
    str_add_bytes(&s, str_text(&m->data), m->data.length);
    return s;
}

/* Bytes that end at a page that cannot be read: a step too far is a fault, not luck. */
struct fenced {
    unsigned char *map, *bytes;
    size_t size, map_size;
};
static inline struct fenced fence(const void *bytes, size_t size) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (size + page) / page * page;
    struct fenced f = {.size = size, .map_size = body + page};
    f.map = mmap(NULL, f.map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(f.map != MAP_FAILED);
    cr_assert(mprotect(f.map + body, page, PROT_NONE) == 0);
    f.bytes = f.map + body - size;
    memcpy(f.bytes, bytes, size);
    return f;
}
static inline void fence_free(struct fenced *f) {
    munmap(f->map, f->map_size);
}
