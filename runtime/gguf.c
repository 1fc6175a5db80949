/* gguf.c: see gguf.h. One cursor walks the file once; nothing is believed before it was compared with
 * the bytes that are left. */
#include "runtime/gguf.h"
#include "base/hash.h"
#include "base/str.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tensor types ---- */

static uint16_t get_u16(const unsigned char *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}

static void decode_f32(const unsigned char *bytes, int64_t blocks, struct weight_row *row) {
    memcpy(row->value, bytes, (size_t)blocks * sizeof *row->value);
}

static void decode_f16(const unsigned char *bytes, int64_t blocks, struct weight_row *row) {
    for (int64_t i = 0; i < blocks; i++) row->value[i] = half_to_float(get_u16(bytes + 2 * i));
}

/* |f16 scale|32 x int8| */
static void decode_q8_0(const unsigned char *bytes, int64_t blocks, struct weight_row *row) {
    for (int64_t b = 0; b < blocks; b++, bytes += 34) {
        row->scale[b] = get_u16(bytes);
        for (int i = 0; i < 32; i++) row->code[b * 32 + i] = bytes[2 + i] ^ 0x80; /* q + 128 */
    }
}

/* Byte j of 16 holds element j in its low half and element j + 16 in its high half. */
static void decode_nibbles(const unsigned char *bytes, uint8_t *code) {
    for (int j = 0; j < 16; j++) {
        code[j] = bytes[j] & 15;
        code[j + 16] = bytes[j] >> 4;
    }
}

/* |f16 scale|16 x 2 nibbles| */
static void decode_q4_0(const unsigned char *bytes, int64_t blocks, struct weight_row *row) {
    for (int64_t b = 0; b < blocks; b++, bytes += 18) {
        row->scale[b] = get_u16(bytes);
        decode_nibbles(bytes + 2, row->code + b * 32);
    }
}

/* |f16 scale|f16 offset|16 x 2 nibbles| */
static void decode_q4_1(const unsigned char *bytes, int64_t blocks, struct weight_row *row) {
    for (int64_t b = 0; b < blocks; b++, bytes += 20) {
        row->scale[b] = get_u16(bytes);
        row->offset[b] = get_u16(bytes + 2);
        decode_nibbles(bytes + 4, row->code + b * 32);
    }
}

static const struct gguf_tensor_type tensor_types[] = {
    {0, "F32", {WEIGHT_f32, 0}, 1, 4, decode_f32},
    {1, "F16", {WEIGHT_f16, 0}, 1, 2, decode_f16},
    {2, "Q4_0", {WEIGHT_q4_0, 32}, 32, 18, decode_q4_0},
    {3, "Q4_1", {WEIGHT_q4_1, 32}, 32, 20, decode_q4_1},
    {8, "Q8_0", {WEIGHT_q8, 32}, 32, 34, decode_q8_0},
};

/* Known to the format, not to us: only for the sentence. */
static const char *const other_types[] = {
    [6] = "Q5_0",    [7] = "Q5_1",     [9] = "Q8_1",   [10] = "Q2_K",   [11] = "Q3_K",
    [12] = "Q4_K",   [13] = "Q5_K",    [14] = "Q6_K",  [15] = "Q8_K",   [16] = "IQ2_XXS",
    [17] = "IQ2_XS", [18] = "IQ3_XXS", [19] = "IQ1_S", [20] = "IQ4_NL", [21] = "IQ3_S",
    [22] = "IQ2_S",  [23] = "IQ4_XS",  [24] = "I8",    [25] = "I16",    [26] = "I32",
    [27] = "I64",    [28] = "F64",     [29] = "IQ1_M", [30] = "BF16",   [34] = "TQ1_0",
    [35] = "TQ2_0",  [39] = "MXFP4",
};

const struct gguf_tensor_type *gguf_tensor_type_find(int number) {
    for (size_t i = 0; i < sizeof tensor_types / sizeof *tensor_types; i++)
        if (tensor_types[i].number == number) return &tensor_types[i];
    return NULL;
}

/* ---- value types ---- */

static const struct {
    const char *name;
    int bytes; /* of one value; 0: not fixed */
} value_types[GGUF_VALUE_TYPES] = {
    [GGUF_U8] = {"u8", 1},       [GGUF_I8] = {"i8", 1},     [GGUF_U16] = {"u16", 2},
    [GGUF_I16] = {"i16", 2},     [GGUF_U32] = {"u32", 4},   [GGUF_I32] = {"i32", 4},
    [GGUF_F32] = {"f32", 4},     [GGUF_BOOL] = {"bool", 1}, [GGUF_STRING] = {"string", 0},
    [GGUF_ARRAY] = {"array", 0}, [GGUF_U64] = {"u64", 8},   [GGUF_I64] = {"i64", 8},
    [GGUF_F64] = {"f64", 8},
};

static uint64_t get_bytes(const unsigned char *p, int n) {
    uint64_t value = 0;
    for (int i = n; i-- > 0;) value = value << 8 | p[i];
    return value;
}

/* ---- the walk over the header ---- */

struct cursor {
    const unsigned char *bytes;
    size_t size, at;
    const char *path;
    struct error *err;
};

static size_t left(const struct cursor *c) {
    return c->size - c->at;
}

static enum status cut_off(const struct cursor *c, const char *what) {
    return fail(c->err, STATUS_INVALID,
                "reading %s: the file ends inside %s at byte %zu: it is cut off or "
                "damaged, fetch it again",
                c->path, what, c->at);
}

static enum status take(struct cursor *c, int n, const char *what, uint64_t *value) {
    if (left(c) < (size_t)n) return cut_off(c, what);
    *value = get_bytes(c->bytes + c->at, n);
    c->at += (size_t)n;
    return OK;
}

static enum status take_text(struct cursor *c, const char *what, struct gguf_text *text) {
    uint64_t length = 0;
    const size_t at = c->at;
    const enum status status = take(c, 8, what, &length);
    if (status != OK) return status;
    if (length > left(c))
        return fail(c->err, STATUS_INVALID,
                    "reading %s: the length of %s at byte %zu is %llu, but only %zu "
                    "bytes are left",
                    c->path, what, at, (unsigned long long)length, left(c));
    *text = (struct gguf_text){(const char *)c->bytes + c->at, (size_t)length};
    c->at += (size_t)length;
    return OK;
}

/* Names are printable ASCII without spaces, so that they can stand in sentences. */
static enum status take_name(struct cursor *c, const char *what, struct gguf_text *name) {
    const size_t at = c->at;
    const enum status status = take_text(c, what, name);
    if (status != OK) return status;
    if (name->length == 0 || name->length > GGUF_KEY_LIMIT)
        return fail(c->err, STATUS_INVALID,
                    "reading %s: %s at byte %zu has %zu bytes; 1 to %d are allowed", c->path, what,
                    at, name->length, GGUF_KEY_LIMIT);
    for (size_t i = 0; i < name->length; i++)
        if (name->bytes[i] <= ' ' || name->bytes[i] > '~')
            return fail(c->err, STATUS_INVALID,
                        "reading %s: %s at byte %zu holds the byte 0x%02x; printable "
                        "ASCII is allowed",
                        c->path, what, at, (unsigned char)name->bytes[i]);
    return OK;
}

static int shown(struct gguf_text name) { /* for %.*s */
    return name.length < 80 ? (int)name.length : 80;
}

static enum status check_bools(struct cursor *c, const struct gguf_key *key) {
    for (uint64_t i = 0; i < key->count; i++)
        if (key->values[i] > 1)
            return fail(c->err, STATUS_INVALID,
                        "reading %s: key %.*s at byte %zu holds the bool %d", c->path,
                        shown(key->name), key->name.bytes, key->offset, key->values[i]);
    return OK;
}

/* `count` values of key->type. */
static enum status take_values(struct cursor *c, struct gguf_key *key) {
    key->values = c->bytes + c->at;
    const size_t least = key->type == GGUF_STRING ? 8 : (size_t)value_types[key->type].bytes;
    if (key->count > left(c) / least)
        return fail(c->err, STATUS_INVALID,
                    "reading %s: key %.*s at byte %zu says %llu values of type %s, but "
                    "only %zu bytes are left",
                    c->path, shown(key->name), key->name.bytes, key->offset,
                    (unsigned long long)key->count, value_types[key->type].name, left(c));
    if (key->type != GGUF_STRING) {
        c->at += (size_t)key->count * least;
        return key->type == GGUF_BOOL ? check_bools(c, key) : OK;
    }
    enum status status = OK;
    struct gguf_text text;
    for (uint64_t i = 0; status == OK && i < key->count; i++) {
        status = take_text(c, "a string", &text);
        if (status != OK)
            fail_while(c->err, "key %.*s at byte %zu", shown(key->name), key->name.bytes,
                       key->offset);
    }
    return status;
}

static enum status take_type(struct cursor *c, const struct gguf_key *key,
                             enum gguf_value_type *type) {
    uint64_t number = 0;
    const size_t at = c->at;
    const enum status status = take(c, 4, "the type of a value", &number);
    if (status != OK) return status;
    if (number >= GGUF_VALUE_TYPES)
        return fail(c->err, STATUS_INVALID,
                    "reading %s: key %.*s has the value type %llu at byte %zu, which "
                    "does not exist",
                    c->path, shown(key->name), key->name.bytes, (unsigned long long)number, at);
    *type = (enum gguf_value_type)number;
    return OK;
}

static enum status take_key(struct cursor *c, struct gguf_key *key) {
    *key = (struct gguf_key){.offset = c->at, .count = 1};
    enum status status = take_name(c, "the name of a key", &key->name);
    if (status == OK) status = take_type(c, key, &key->type);
    if (status == OK && key->type == GGUF_ARRAY) {
        key->is_array = true;
        status = take_type(c, key, &key->type);
        if (status == OK && key->type == GGUF_ARRAY)
            return fail(c->err, STATUS_INVALID,
                        "reading %s: key %.*s at byte %zu is an array of arrays, which "
                        "is not supported",
                        c->path, shown(key->name), key->name.bytes, key->offset);
        if (status == OK) status = take(c, 8, "the length of an array", &key->count);
    }
    return status == OK ? take_values(c, key) : status;
}

static enum status take_keys(struct cursor *c, struct gguf *gguf) {
    gguf->key = malloc((gguf->n_keys + 1) * sizeof *gguf->key);
    if (!gguf->key)
        return fail(c->err, STATUS_NOMEM, "reading %s: no memory for %zu keys", c->path,
                    gguf->n_keys);
    gguf->key_index = hash_map_open(gguf->n_keys);
    for (size_t i = 0; i < gguf->n_keys; i++) {
        struct gguf_key *key = &gguf->key[i];
        const enum status status = take_key(c, key);
        if (status != OK) return status;
        if (!hash_map_add(gguf->key_index, key->name.bytes, key->name.length, (int)i))
            return fail(c->err, STATUS_INVALID,
                        "reading %s: key %.*s stands there twice, again at byte %zu", c->path,
                        shown(key->name), key->name.bytes, key->offset);
    }
    return OK;
}

static enum status bad_tensor(const struct cursor *c, const struct gguf_tensor *t,
                              enum status status, const char *what, unsigned long long number) {
    return fail(c->err, status, "reading %s: tensor %.*s, described at byte %zu, %s (%llu)",
                c->path, shown(t->name), t->name.bytes, t->offset, what, number);
}

static enum status take_dimensions(struct cursor *c, struct gguf_tensor *t) {
    uint64_t n = 0, value = 0;
    enum status status = take(c, 4, "a number of dimensions", &n);
    if (status != OK) return status;
    if (n < 1 || n > GGUF_DIMENSIONS)
        return bad_tensor(c, t, STATUS_INVALID, "has a number of dimensions that is not 1 to 4", n);
    t->n_dimensions = (int)n;
    t->elements = 1;
    for (int i = 0; i < GGUF_DIMENSIONS; i++) {
        t->dimension[i] = 1;
        if (i >= t->n_dimensions) continue;
        status = take(c, 8, "a dimension", &value);
        if (status != OK) return status;
        if (value < 1 || value > INT64_MAX)
            return bad_tensor(c, t, STATUS_INVALID, "has a dimension out of range", value);
        t->dimension[i] = (int64_t)value;
        if (__builtin_mul_overflow(t->elements, t->dimension[i], &t->elements))
            return bad_tensor(c, t, STATUS_INVALID,
                              "has more elements than can be counted; dimension", value);
    }
    return OK;
}

static enum status unknown_type(const struct cursor *c, const struct gguf_tensor *t,
                                uint64_t number) {
    const bool known = number < sizeof other_types / sizeof *other_types && other_types[number];
    struct str readable = {0};
    for (size_t i = 0; i < sizeof tensor_types / sizeof *tensor_types; i++)
        str_addf(&readable, i ? ", %s" : "%s", tensor_types[i].name);
    fail(c->err, STATUS_UNSUPPORTED,
         "reading %s: tensor %.*s, described at byte %zu, has type %s (%llu); %s can be read: take "
         "a "
         "file with these",
         c->path, shown(t->name), t->name.bytes, t->offset, known ? other_types[number] : "unknown",
         (unsigned long long)number, str_text(&readable));
    str_free(&readable);
    return STATUS_UNSUPPORTED;
}

/* *data_offset: from the start of the data, which is known when all infos were read. */
static enum status take_tensor(struct cursor *c, struct gguf_tensor *t, uint64_t *data_offset) {
    uint64_t number = 0;
    *t = (struct gguf_tensor){.offset = c->at};
    enum status status = take_name(c, "the name of a tensor", &t->name);
    if (status == OK) status = take_dimensions(c, t);
    if (status == OK) status = take(c, 4, "the type of a tensor", &number);
    if (status == OK) status = take(c, 8, "the offset of a tensor", data_offset);
    if (status != OK) return status;
    t->type = number > INT_MAX ? NULL : gguf_tensor_type_find((int)number);
    if (!t->type) return unknown_type(c, t, number);
    if (t->dimension[0] % t->type->block)
        return bad_tensor(c, t, STATUS_INVALID, "has rows that are no multiple of its type's block",
                          (unsigned long long)t->dimension[0]);
    if (__builtin_mul_overflow((size_t)(t->elements / t->type->block), (size_t)t->type->block_bytes,
                               &t->size_bytes) ||
        t->size_bytes > c->size)
        return bad_tensor(c, t, STATUS_INVALID, "is larger than the file; elements",
                          (unsigned long long)t->elements);
    return OK;
}

static enum status take_tensors(struct cursor *c, struct gguf *gguf, uint64_t *data_offset) {
    gguf->tensor_index = hash_map_open(gguf->n_tensors);
    for (size_t i = 0; i < gguf->n_tensors; i++) {
        struct gguf_tensor *t = &gguf->tensor[i];
        const enum status status = take_tensor(c, t, &data_offset[i]);
        if (status != OK) return status;
        t->line = (int)i;
        if (!hash_map_add(gguf->tensor_index, t->name.bytes, t->name.length, (int)i))
            return bad_tensor(c, t, STATUS_INVALID, "stands there twice; number", i);
    }
    return OK;
}

static int by_data(const void *a, const void *b) {
    const struct gguf_tensor *x = *(const struct gguf_tensor *const *)a;
    const struct gguf_tensor *y = *(const struct gguf_tensor *const *)b;
    return (x->data > y->data) - (x->data < y->data);
}

/* Every tensor inside of the file, aligned, and no two in the same place. */
static enum status place_tensors(const struct cursor *c, struct gguf *gguf,
                                 const uint64_t *data_offset) {
    const size_t mask = gguf->alignment - 1;
    const size_t start =
        (c->at + mask) & ~mask; /* c->at is far below SIZE_MAX: it lies in the file */
    for (size_t i = 0; i < gguf->n_tensors; i++) {
        struct gguf_tensor *t = &gguf->tensor[i];
        if (data_offset[i] & mask)
            return bad_tensor(c, t, STATUS_INVALID, "has an offset that is not aligned",
                              data_offset[i]);
        if (start > c->size || data_offset[i] > c->size - start ||
            t->size_bytes > c->size - start - data_offset[i])
            return bad_tensor(c, t, STATUS_INVALID,
                              "lies beyond the end of the file: it is cut off or damaged; "
                              "its offset in the data",
                              data_offset[i]);
        t->data = c->bytes + start + data_offset[i];
    }
    const struct gguf_tensor **sorted = malloc((gguf->n_tensors + 1) * sizeof *sorted);
    if (!sorted)
        return fail(c->err, STATUS_NOMEM, "reading %s: no memory for %zu tensors", c->path,
                    gguf->n_tensors);
    for (size_t i = 0; i < gguf->n_tensors; i++) sorted[i] = &gguf->tensor[i];
    qsort(sorted, gguf->n_tensors, sizeof *sorted, by_data);
    enum status status = OK;
    for (size_t i = 1; status == OK && i < gguf->n_tensors; i++)
        if (sorted[i]->data < sorted[i - 1]->data + sorted[i - 1]->size_bytes)
            status = bad_tensor(c, sorted[i], STATUS_INVALID,
                                "overlaps another one; its offset in the data",
                                (unsigned long long)(sorted[i]->data - c->bytes - start));
    free(sorted);
    return status;
}

static enum status take_alignment(const struct cursor *c, struct gguf *gguf) {
    int64_t alignment = 32;
    const enum status status =
        gguf_get_int(gguf, "general.alignment", 1, 1 << 20, &alignment, c->err);
    if (status != OK) return status;
    if (alignment & (alignment - 1))
        return fail(c->err, STATUS_INVALID,
                    "reading %s: general.alignment is %lld, which is no power of two", c->path,
                    (long long)alignment);
    gguf->alignment = (uint32_t)alignment;
    return OK;
}

/* Magic, version, counts. */
static enum status take_head(struct cursor *c, struct gguf *gguf) {
    enum {
        KEY_LEAST = 8 + 1 + 4 + 1,
        TENSOR_LEAST = 8 + 1 + 4 + 8 + 4 + 8
    }; /* bytes in the file */
    uint64_t magic = 0, version = 0, tensors = 0, keys = 0;
    enum status status = take(c, 4, "the first four bytes", &magic);
    if (status == OK && magic != 0x46554747)
        return fail(c->err, STATUS_INVALID,
                    "reading %s: it does not begin with GGUF: it is no model file", c->path);
    if (status == OK) status = take(c, 4, "the version", &version);
    if (status == OK && version != 2 && version != 3)
        return fail(c->err, STATUS_UNSUPPORTED,
                    "reading %s: GGUF version %llu%s; 2 and 3 can be read", c->path,
                    (unsigned long long)version,
                    version && !(version & 0xffff) ? " (big-endian)" : "");
    if (status == OK) status = take(c, 8, "the number of tensors", &tensors);
    if (status == OK) status = take(c, 8, "the number of keys", &keys);
    if (status != OK) return status;
    if (keys > left(c) / KEY_LEAST || keys > INT_MAX)
        return fail(c->err, STATUS_INVALID,
                    "reading %s: it says %llu keys at byte 16, but has only %zu bytes", c->path,
                    (unsigned long long)keys, c->size);
    if (tensors > left(c) / TENSOR_LEAST || tensors > INT_MAX)
        return fail(c->err, STATUS_INVALID,
                    "reading %s: it says %llu tensors at byte 8, but has only %zu bytes", c->path,
                    (unsigned long long)tensors, c->size);
    gguf->version = (uint32_t)version;
    gguf->n_keys = (size_t)keys;
    gguf->n_tensors = (size_t)tensors;
    return OK;
}

static enum status parse(struct gguf *gguf, struct error *err) {
    struct cursor c = {gguf->map.bytes, gguf->map.size, 0, gguf->path, err};
    uint64_t *data_offset = NULL;
    enum status status = take_head(&c, gguf);
    if (status == OK) status = take_keys(&c, gguf);
    if (status == OK) status = take_alignment(&c, gguf);
    if (status != OK) goto done;
    data_offset = malloc((gguf->n_tensors + 1) * sizeof *data_offset);
    gguf->tensor = malloc((gguf->n_tensors + 1) * sizeof *gguf->tensor);
    if (!data_offset || !gguf->tensor) {
        status = fail(err, STATUS_NOMEM, "reading %s: no memory for %zu tensors", gguf->path,
                      gguf->n_tensors);
        goto done;
    }
    status = take_tensors(&c, gguf, data_offset);
    gguf->header_bytes = c.at;
    if (status == OK) status = place_tensors(&c, gguf, data_offset);
done:
    free(data_offset);
    return status;
}

enum status gguf_open_bytes(const char *path, const void *bytes, size_t size, struct gguf **out,
                            struct error *err) {
    *out = NULL;
    struct gguf *gguf = calloc(1, sizeof *gguf);
    if (!gguf) return fail(err, STATUS_NOMEM, "reading %s: no memory", path);
    gguf->map = (struct map){.bytes = bytes, .size = size};
    snprintf(gguf->path, sizeof gguf->path, "%s", path);
    const enum status status = parse(gguf, err);
    if (status == OK) *out = gguf;
    else gguf_close(gguf);
    return status;
}

enum status gguf_open(const char *path, struct gguf **out, struct error *err) {
    struct map map;
    *out = NULL;
    enum status status = map_open(path, &map, err);
    if (status != OK) return status;
    status = gguf_open_bytes(path, map.bytes, map.size, out, err);
    if (status == OK) (*out)->is_mapped = true;
    else map_close(&map);
    return status;
}

void gguf_close(struct gguf *gguf) {
    if (!gguf) return;
    hash_map_close(gguf->key_index);
    hash_map_close(gguf->tensor_index);
    free(gguf->key);
    free(gguf->tensor);
    if (gguf->is_mapped) map_close(&gguf->map);
    free(gguf);
}

/* ---- look-ups ---- */

const struct gguf_key *gguf_find_key(const struct gguf *gguf, const char *name) {
    const int i = hash_map_find(gguf->key_index, name, strlen(name));
    return i < 0 ? NULL : &gguf->key[i];
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *gguf, const char *name) {
    const int i = hash_map_find(gguf->tensor_index, name, strlen(name));
    return i < 0 ? NULL : &gguf->tensor[i];
}

static enum status wrong_type(const struct gguf *gguf, const struct gguf_key *key,
                              const char *wanted, struct error *err) {
    return fail(err, STATUS_INVALID, "reading %s: key %.*s at byte %zu is %s%s; %s was expected",
                gguf->path, shown(key->name), key->name.bytes, key->offset,
                key->is_array ? "an array of " : "of type ", value_types[key->type].name, wanted);
}

/* Any integer type as int64; false for others and for values beyond. */
static bool integer_of(const struct gguf_key *key, int64_t *value) {
    const int bytes = value_types[key->type].bytes; /* 0: a text */
    if (key->is_array || !bytes) return false;
    const uint64_t raw = get_bytes(key->values, bytes);
    switch (key->type) {
    case GGUF_U8:
    case GGUF_U16:
    case GGUF_U32:
    case GGUF_U64: *value = raw > INT64_MAX ? INT64_MAX : (int64_t)raw; return true;
    case GGUF_I8:
    case GGUF_I16:
    case GGUF_I32:
    case GGUF_I64:
        *value = (int64_t)(raw << (64 - 8 * bytes)) >> (64 - 8 * bytes); /* sign */
        return true;
    default: return false;
    }
}

enum status gguf_get_int(const struct gguf *gguf, const char *name, int64_t low, int64_t high,
                         int64_t *value, struct error *err) {
    const struct gguf_key *key = gguf_find_key(gguf, name);
    int64_t number = 0;
    if (!key) return OK;
    if (!integer_of(key, &number)) return wrong_type(gguf, key, "a single integer", err);
    if (number < low || number > high)
        return fail(err, STATUS_INVALID,
                    "reading %s: key %s at byte %zu is %lld; %lld to %lld are allowed", gguf->path,
                    name, key->offset, (long long)number, (long long)low, (long long)high);
    *value = number;
    return OK;
}

enum status gguf_get_float(const struct gguf *gguf, const char *name, double low, double high,
                           float *value, struct error *err) {
    const struct gguf_key *key = gguf_find_key(gguf, name);
    if (!key) return OK;
    if (key->is_array || (key->type != GGUF_F32 && key->type != GGUF_F64))
        return wrong_type(gguf, key, "a single f32", err);
    double number = gguf_array_f32(key, 0);
    if (key->type == GGUF_F64) memcpy(&number, key->values, sizeof number);
    if (!(number >= low && number <= high)) /* catches NaN too */
        return fail(err, STATUS_INVALID,
                    "reading %s: key %s at byte %zu is %g; %g to %g are allowed", gguf->path, name,
                    key->offset, number, low, high);
    *value = (float)number;
    return OK;
}

enum status gguf_get_bool(const struct gguf *gguf, const char *name, bool *value,
                          struct error *err) {
    const struct gguf_key *key = gguf_find_key(gguf, name);
    if (!key) return OK;
    if (key->is_array || key->type != GGUF_BOOL) return wrong_type(gguf, key, "a single bool", err);
    *value = key->values[0] != 0;
    return OK;
}

enum status gguf_get_text(const struct gguf *gguf, const char *name, struct gguf_text *value,
                          struct error *err) {
    const struct gguf_key *key = gguf_find_key(gguf, name);
    if (!key) return OK;
    if (key->is_array || key->type != GGUF_STRING)
        return wrong_type(gguf, key, "a single string", err);
    const unsigned char *cursor = key->values;
    *value = gguf_array_text(&cursor);
    return OK;
}

enum status gguf_get_array(const struct gguf *gguf, const char *name, enum gguf_value_type type,
                           const struct gguf_key **key, struct error *err) {
    *key = gguf_find_key(gguf, name);
    if (!*key || ((*key)->is_array && (*key)->type == type)) return OK;
    char wanted[32];
    snprintf(wanted, sizeof wanted, "an array of %s", value_types[type].name);
    return wrong_type(gguf, *key, wanted, err);
}

float gguf_array_f32(const struct gguf_key *key, uint64_t index) {
    float value;
    memcpy(&value, key->values + 4 * index, sizeof value);
    return value;
}

int32_t gguf_array_i32(const struct gguf_key *key, uint64_t index) {
    int32_t value;
    memcpy(&value, key->values + 4 * index, sizeof value);
    return value;
}

struct gguf_text gguf_array_text(const unsigned char **cursor) {
    const size_t length = (size_t)get_bytes(*cursor, 8);
    const struct gguf_text text = {(const char *)*cursor + 8, length};
    *cursor += 8 + length;
    return text;
}
