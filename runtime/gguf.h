/* gguf.h: the GGUF container, versions 2 and 3: a header, keys with typed values, tensor infos,
 * aligned data. Everything in the file is hostile until checked: gguf_open checks every length
 * against the file, so that what it returns can be used without further checks of bounds. Getters
 * check the type. Nothing is copied: strings and tensors point into the mapped file. */
#pragma once
#include "base/path.h"
#include "base/status.h"
#include "kernels/weights.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GGUF_DIMENSIONS = 4, GGUF_KEY_LIMIT = 65535 };

enum gguf_value_type {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_VALUE_TYPES
};

/* A tensor type that can be read. */
struct gguf_tensor_type {
    int number;           /* in the file */
    const char *name;     /* "Q4_1" */
    struct weight weight; /* what it is here */
    int block;            /* elements per block */
    int block_bytes;
    /* Decode `blocks` blocks into the first elements of row. */
    void (*decode)(const unsigned char *bytes, int64_t blocks, struct weight_row *row);
};

/* The row of that number in a file, NULL: it cannot be read. */
const struct gguf_tensor_type *gguf_tensor_type_find(int number);

struct gguf_text {
    const char *bytes; /* in the mapped file; not NUL-terminated */
    size_t length;
};

struct gguf_key {
    struct gguf_text name;
    enum gguf_value_type type; /* of the value, or of the elements when is_array */
    bool is_array;
    uint64_t count;              /* elements; 1 for a single value */
    const unsigned char *values; /* in the file: element after element */
    size_t offset;               /* of the name in the file, for messages */
};

struct gguf_tensor {
    struct gguf_text name;
    const struct gguf_tensor_type *type;
    int n_dimensions;
    int64_t dimension[GGUF_DIMENSIONS]; /* fastest first; 1 beyond n_dimensions; all >= 1 */
    int64_t elements;
    const unsigned char *data; /* in the file, size_bytes of it */
    size_t size_bytes;
    size_t offset; /* of the info in the file, for messages */
    int line;      /* index among the tensors */
};

struct gguf {
    struct map map;
    bool is_mapped;
    uint32_t version;
    uint32_t alignment;
    size_t n_keys, n_tensors;
    struct gguf_key *key;
    struct gguf_tensor *tensor;
    struct hash_map *key_index, *tensor_index; /* name -> index */
    size_t header_bytes;                       /* up to the end of the tensor infos */
    char path[1024];
};

/* Map and check the file. IO, INVALID (key or tensor and byte offset), UNSUPPORTED (tensor type). */
enum status gguf_open(const char *path, struct gguf **out, struct error *err);
/* The same from memory that outlives it. path: for messages. */
enum status gguf_open_bytes(const char *path, const void *bytes, size_t size, struct gguf **out,
                            struct error *err);
void gguf_close(struct gguf *gguf); /* NULL is fine */

/* NULL when there is no such key or tensor. */
const struct gguf_key *gguf_find_key(const struct gguf *gguf, const char *name);
const struct gguf_tensor *gguf_find_tensor(const struct gguf *gguf, const char *name);

/* Typed values of a key. A missing key leaves *value as it is and returns OK: the caller sets the
 * default, or a value outside of its own range, before. INVALID: wrong type, out of [low, high], an
 * integer where none is, NaN or infinite. Integers may have any integer type in the file. */
enum status gguf_get_int(const struct gguf *gguf, const char *name, int64_t low, int64_t high,
                         int64_t *value, struct error *err);
enum status gguf_get_float(const struct gguf *gguf, const char *name, double low, double high,
                           float *value, struct error *err);
enum status gguf_get_bool(const struct gguf *gguf, const char *name, bool *value,
                          struct error *err);
enum status gguf_get_text(const struct gguf *gguf, const char *name, struct gguf_text *value,
                          struct error *err);
/* A key that must be an array of this element type; *key is NULL when missing. */
enum status gguf_get_array(const struct gguf *gguf, const char *name, enum gguf_value_type type,
                           const struct gguf_key **key, struct error *err);

/* Elements of arrays, index < count of a key whose type was checked. */
float gguf_array_f32(const struct gguf_key *key, uint64_t index);
int32_t gguf_array_i32(const struct gguf_key *key, uint64_t index);
/* Strings of an array, in order: start with *cursor = key->values, call at most count times. */
struct gguf_text gguf_array_text(const unsigned char **cursor);
