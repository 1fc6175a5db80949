/* test_gguf.c: the container: values and decoders, and a corpus of hostile files. Files are read from
 * memory that ends at an unreadable page; whatever is opened is read to its last byte. */
#include "runtime/gguf.h"
#include "tests/runtime/gguf_maker.h"
#include "tests/support.h"
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

static struct error err;

static enum status open_bytes(const void *bytes, size_t n, struct gguf **gguf) {
    err = (struct error){OK, ""};
    return gguf_open_bytes("test.gguf", bytes, n, gguf, &err);
}

static struct gguf *must_open(const struct str *file) {
    struct gguf *gguf;
    cr_assert_eq(open_bytes(file->text, file->length, &gguf), OK, "%s", err.text);
    return gguf;
}

/* ---- reading all that an opened file offers ---- */

static volatile unsigned sink;

static void touch(const void *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) sink += ((const volatile unsigned char *)bytes)[i];
}

static void touch_key(const struct gguf_key *key) {
    static const size_t bytes[GGUF_VALUE_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    const unsigned char *cursor = key->values;
    touch(key->name.bytes, key->name.length);
    for (uint64_t i = 0; key->type == GGUF_STRING && i < key->count; i++) {
        const struct gguf_text text = gguf_array_text(&cursor);
        touch(text.bytes, text.length);
    }
    if (key->type != GGUF_STRING) touch(key->values, (size_t)key->count * bytes[key->type]);
}

static void touch_all(const struct gguf *gguf) {
    for (size_t i = 0; i < gguf->n_keys; i++) touch_key(&gguf->key[i]);
    for (size_t i = 0; i < gguf->n_tensors; i++) {
        touch(gguf->tensor[i].name.bytes, gguf->tensor[i].name.length);
        touch(gguf->tensor[i].data, gguf->tensor[i].size_bytes);
    }
}

/* Open from fenced memory: OK and all readable, or a sentence that names the file. */
static enum status survive(const void *bytes, size_t n) {
    struct fenced f = fence(bytes, n);
    struct gguf *gguf = NULL;
    const enum status status = open_bytes(f.bytes, n, &gguf);
    if (status == OK) {
        touch_all(gguf);
    } else {
        cr_assert_null(gguf);
        cr_assert_eq(err.status, status);
        cr_assert(strstr(err.text, "test.gguf"), "the sentence names no file: %s", err.text);
    }
    gguf_close(gguf);
    fence_free(&f);
    return status;
}

/* ---- a file with a bit of everything ---- */

static struct maker rich(void) {
    struct maker m = maker_new();
    const float values[64] = {1, 2, 3};
    maker_string(&m, "general.architecture", "llama");
    maker_int(&m, "i.u8", GGUF_U8, 200);
    maker_int(&m, "i.i8", GGUF_I8, -100);
    maker_int(&m, "i.u16", GGUF_U16, 60000);
    maker_int(&m, "i.i16", GGUF_I16, -30000);
    maker_int(&m, "i.u32", GGUF_U32, 4000000000);
    maker_int(&m, "i.i32", GGUF_I32, -2000000000);
    maker_int(&m, "i.u64", GGUF_U64, INT64_MIN); /* 2^63 */
    maker_int(&m, "i.i64", GGUF_I64, -5000000000);
    maker_int(&m, "yes", GGUF_BOOL, 1);
    maker_f32(&m, "f.f32", 0.5f);
    maker_f32(&m, "f.nan", NAN);
    maker_key(&m, "f.f64", GGUF_F64);
    str_add_bytes(&m.keys, &(double){0.25}, 8);
    maker_strings(&m, "a.texts", (const char *const[]){"one", "", "three"}, 3);
    maker_array(&m, "a.i32", GGUF_I32, 2);
    maker_uint(&m.keys, 7, 4);
    maker_uint(&m.keys, (uint64_t)-7, 4);
    maker_array(&m, "a.f32", GGUF_F32, 1);
    str_add_bytes(&m.keys, &(float){1.5f}, 4);
    maker_array(&m, "a.u8", GGUF_U8, 3);
    maker_uint(&m.keys, 0x030201, 3);
    maker_tensor(&m, "vector", 0, 5, 0, values, 20);
    maker_tensor(&m, "matrix", 3, 64, 2, values, 80);
    maker_tensor(&m, "last", 0, 4, 4, values, 64);
    return m;
}

Test(gguf, values_and_tensors_of_a_good_file) {
    struct maker m = rich();
    struct str file = maker_file(&m);
    struct gguf *gguf = must_open(&file);
    cr_assert_eq(gguf->version, 3);
    cr_assert_eq(gguf->n_keys, m.n_keys);
    const struct {
        const char *name;
        int64_t value;
    } ints[] = {
        {"i.u8", 200},         {"i.i8", -100},         {"i.u16", 60000},     {"i.i16", -30000},
        {"i.u32", 4000000000}, {"i.i32", -2000000000}, {"i.u64", INT64_MAX}, {"i.i64", -5000000000},
    };
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        int64_t value = 0;
        cr_assert_eq(gguf_get_int(gguf, ints[i].name, INT64_MIN, INT64_MAX, &value, &err), OK);
        cr_assert_eq(value, ints[i].value, "%s is %lld", ints[i].name, (long long)value);
    }
    float f = 0;
    bool yes = false;
    struct gguf_text text;
    cr_assert(gguf_get_float(gguf, "f.f32", 0, 1, &f, &err) == OK && f == 0.5f);
    cr_assert(gguf_get_float(gguf, "f.f64", 0, 1, &f, &err) == OK && f == 0.25f);
    cr_assert(gguf_get_bool(gguf, "yes", &yes, &err) == OK && yes);
    cr_assert_eq(gguf_get_text(gguf, "general.architecture", &text, &err), OK);
    cr_assert(text.length == 5 && !memcmp(text.bytes, "llama", 5));
    const struct gguf_key *key;
    cr_assert_eq(gguf_get_array(gguf, "a.i32", GGUF_I32, &key, &err), OK);
    cr_assert(key->count == 2 && gguf_array_i32(key, 0) == 7 && gguf_array_i32(key, 1) == -7);
    cr_assert_eq(gguf_get_array(gguf, "a.f32", GGUF_F32, &key, &err), OK);
    cr_assert(key->count == 1 && gguf_array_f32(key, 0) == 1.5f);
    cr_assert_eq(gguf_get_array(gguf, "a.texts", GGUF_STRING, &key, &err), OK);
    const unsigned char *cursor = key->values;
    cr_assert_eq(gguf_array_text(&cursor).length, 3);
    cr_assert_eq(gguf_array_text(&cursor).length, 0);
    cr_assert_eq(gguf_array_text(&cursor).length, 5);
    const struct gguf_tensor *t = gguf_find_tensor(gguf, "matrix");
    cr_assert(t && t->n_dimensions == 2 && t->dimension[0] == 64 && t->dimension[1] == 2);
    cr_assert(t->elements == 128 && t->size_bytes == 80 && !strcmp(t->type->name, "Q4_1"));
    cr_assert_eq(gguf_find_tensor(gguf, "vector")->data[0], 0);
    cr_assert_null(gguf_find_tensor(gguf, "matri"));
    gguf_close(gguf);
    str_free(&file);
    maker_free(&m);
}

Test(gguf, getters_check_type_and_range_and_leave_defaults) {
    struct maker m = rich();
    struct str file = maker_file(&m);
    struct gguf *gguf = must_open(&file);
    int64_t n = 42;
    float f = 42;
    bool b = true;
    struct gguf_text text = {"x", 1};
    const struct gguf_key *key;
    cr_assert(gguf_get_int(gguf, "missing", 0, 1, &n, &err) == OK && n == 42);
    cr_assert(gguf_get_float(gguf, "missing", 0, 1, &f, &err) == OK && f == 42);
    cr_assert(gguf_get_bool(gguf, "missing", &b, &err) == OK && b);
    cr_assert(gguf_get_text(gguf, "missing", &text, &err) == OK && text.length == 1);
    cr_assert(gguf_get_array(gguf, "missing", GGUF_I32, &key, &err) == OK && !key);
    const char *const no_ints[] = {"f.f32", "yes", "a.i32", "general.architecture"};
    for (size_t i = 0; i < sizeof no_ints / sizeof *no_ints; i++) {
        cr_assert_eq(gguf_get_int(gguf, no_ints[i], 0, 9, &n, &err), STATUS_INVALID);
        cr_assert(strstr(err.text, no_ints[i]) && strstr(err.text, "byte "), "%s", err.text);
    }
    cr_assert_eq(gguf_get_int(gguf, "i.u8", 0, 199, &n, &err), STATUS_INVALID);
    cr_assert_eq(gguf_get_int(gguf, "i.u8", 201, 300, &n, &err), STATUS_INVALID);
    cr_assert_eq(n, 42, "a refused value is not stored");
    cr_assert_eq(gguf_get_float(gguf, "f.nan", -1e30, 1e30, &f, &err), STATUS_INVALID);
    cr_assert_eq(gguf_get_float(gguf, "i.u8", 0, 300, &f, &err), STATUS_INVALID);
    cr_assert_eq(gguf_get_bool(gguf, "i.u8", &b, &err), STATUS_INVALID);
    cr_assert_eq(gguf_get_text(gguf, "a.texts", &text, &err), STATUS_INVALID);
    cr_assert_eq(gguf_get_array(gguf, "a.u8", GGUF_I32, &key, &err), STATUS_INVALID,
                 "bytes read as int32 would run over");
    cr_assert_eq(gguf_get_array(gguf, "i.i32", GGUF_I32, &key, &err), STATUS_INVALID);
    gguf_close(gguf);
    str_free(&file);
    maker_free(&m);
}

Test(gguf, version_2_and_other_alignments) {
    for (uint64_t alignment = 1; alignment <= 4096; alignment *= 8) {
        struct maker m = maker_new();
        m.version = 2;
        m.alignment = alignment;
        maker_int(&m, "general.alignment", GGUF_U32, (int64_t)alignment);
        maker_tensor(&m, "a", 0, 1, 0, &(float){1}, 4);
        maker_tensor(&m, "b", 0, 1, 0, &(float){2}, 4);
        struct str file = maker_file(&m);
        struct gguf *gguf = must_open(&file);
        float b;
        memcpy(&b, gguf_find_tensor(gguf, "b")->data, 4);
        cr_assert(b == 2 && gguf->version == 2 && gguf->alignment == alignment);
        cr_assert_eq(survive(file.text, file.length), OK);
        gguf_close(gguf);
        str_free(&file);
        maker_free(&m);
    }
}

/* ---- decoders ---- */

static void decode(int number, const void *bytes, int64_t k, float *out) {
    const struct gguf_tensor_type *type = gguf_tensor_type_find(number);
    struct weight_row row;
    cr_assert_eq(weight_row_open(type->weight, k, &row, &err), OK);
    type->decode(bytes, k / type->block, &row);
    weight_row_to_float(type->weight, k, &row, out);
    weight_row_close(&row);
}

Test(gguf, tensor_types_decode_to_the_numbers_of_the_format) {
    float out[64];
    decode(0, (float[]){1.5f, -2}, 2, out);
    cr_assert(out[0] == 1.5f && out[1] == -2);
    decode(1, (uint16_t[]){0x3c00, 0xc100, 0x0001}, 3, out);
    cr_assert(out[0] == 1 && out[1] == -2.5f && out[2] == 0x1p-24f);
    unsigned char bytes[2 * 34] = {0};
    for (int b = 0; b < 2; b++) { /* scales 2 and 0.5; codes −16 … 15 */
        bytes[b * 34 + 1] = b ? 0x38 : 0x40;
        for (int i = 0; i < 32; i++) bytes[b * 34 + 2 + i] = (unsigned char)(i - 16);
    }
    decode(8, bytes, 64, out);
    for (int i = 0; i < 64; i++)
        cr_assert_eq(out[i], (i < 32 ? 2.0f : 0.5f) * (float)(i % 32 - 16));
    for (int j = 0; j < 16; j++) bytes[2 + j] = (unsigned char)(j | (15 - j) << 4);
    decode(2, bytes, 32, out); /* scale 2: 2·(q − 8) */
    for (int j = 0; j < 16; j++) cr_assert(out[j] == 2 * (j - 8) && out[j + 16] == 2 * (7 - j));
    memmove(bytes + 4, bytes + 2, 16);
    bytes[2] = 0, bytes[3] = 0xbc; /* offset −1 */
    decode(3, bytes, 32, out);     /* 2q − 1 */
    for (int j = 0; j < 16; j++) cr_assert(out[j] == 2 * j - 1 && out[j + 16] == 2 * (15 - j) - 1);
    cr_assert_null(gguf_tensor_type_find(12), "Q4_K is not read");
}

/* ---- hostile files ---- */

Test(gguf, every_truncation_is_refused) {
    struct maker m = rich();
    struct str file = maker_file(&m);
    cr_assert_eq(survive(file.text, file.length), OK, "%s", err.text);
    for (size_t n = 0; n < file.length; n++) {
        cr_assert_eq(survive(file.text, n), STATUS_INVALID, "%zu of %zu bytes", n, file.length);
        cr_assert(strstr(err.text, "byte"), "%s", err.text);
    }
    str_free(&file);
    maker_free(&m);
}

/* Each count, length, dimension and offset, with each value that breaks sums and products. */
Test(gguf, every_length_field_with_every_bad_value) {
    struct maker m = rich();
    struct str file = maker_file(&m);
    int n_refused = 0, n_taken = 0;
    for (size_t i = 0; i < m.n_fields + 2; i++) {
        const size_t at = i < m.n_fields ? maker_field_at(&m, i) : 8 + 8 * (i - m.n_fields);
        uint64_t old;
        memcpy(&old, file.text + at, 8);
        const uint64_t rest = file.length - at - 8;
        const uint64_t bad[] = {0, 1, 1ull << 31, 1ull << 62, 1ull << 63, UINT64_MAX, rest + 1};
        for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
            memcpy(file.text + at, &bad[b], 8);
            const enum status status = survive(file.text, file.length);
            n_refused += status != OK;
            n_taken += status == OK;
            cr_assert(status != OK || bad[b] <= 1, "field at byte %zu = %llu was taken", at,
                      (unsigned long long)bad[b]);
        }
        memcpy(file.text + at, &old, 8);
    }
    cr_assert(n_refused > 10 * n_taken, "%d refused, %d taken", n_refused, n_taken);
    str_free(&file);
    maker_free(&m);
}

Test(gguf, every_byte_with_other_values) {
    struct maker m = rich();
    struct str file = maker_file(&m);
    for (size_t i = 0; i < file.length; i++) {
        const char old = file.text[i];
        const unsigned char values[] = {0, 1, 9, 127, 128, 255, (unsigned char)~old};
        for (size_t v = 0; v < sizeof values; v++) {
            file.text[i] = (char)values[v];
            survive(file.text, file.length);
        }
        file.text[i] = old;
    }
    cr_assert_eq(survive(file.text, file.length), OK);
    str_free(&file);
    maker_free(&m);
}

/* ---- hostile files, one by one: each with what its sentence must say ---- */

static void tensor(struct maker *m, uint64_t type, uint64_t n, const uint64_t *dims,
                   uint64_t offset) {
    maker_info(m, "blk.0.bad", type, n, dims, offset);
    for (int i = 0; i < 256; i++) str_add_bytes(&m->data, "", 1);
}

static void no_dims(struct maker *m) {
    tensor(m, 0, 0, NULL, 0);
}
static void five_dims(struct maker *m) {
    tensor(m, 0, 5, (uint64_t[]){1, 1, 1, 1, 1}, 0);
}
static void many_dims(struct maker *m) {
    maker_info(m, "blk.0.bad", 0, 0, NULL, 0);
    memset(m->infos.text + 8 + 9, 0xff, 4);
}
static void zero_dim(struct maker *m) {
    tensor(m, 0, 2, (uint64_t[]){4, 0}, 0);
}
static void negative_dim(struct maker *m) {
    tensor(m, 0, 1, (uint64_t[]){UINT64_MAX}, 0);
}
static void dims_overflow(struct maker *m) {
    tensor(m, 0, 3, (uint64_t[]){1ull << 32, 1ull << 32, 4}, 0);
}
static void bytes_overflow(struct maker *m) {
    tensor(m, 0, 2, (uint64_t[]){1ull << 31, 1ull << 31}, 0); /* 2^62 elements, 2^64 bytes */
}
static void larger_than_file(struct maker *m) {
    tensor(m, 0, 1, (uint64_t[]){1 << 20}, 0);
}
static void ragged_rows(struct maker *m) {
    tensor(m, 8, 2, (uint64_t[]){48, 2}, 0);
}
static void unaligned_offset(struct maker *m) {
    tensor(m, 0, 1, (uint64_t[]){1}, 16);
}
static void offset_past_end(struct maker *m) {
    tensor(m, 0, 1, (uint64_t[]){1}, 1 << 20);
}
static void offset_wraps(struct maker *m) {
    tensor(m, 0, 1, (uint64_t[]){1}, UINT64_MAX - 31); /* −32 */
}
static void last_byte_missing(struct maker *m) {
    tensor(m, 0, 1, (uint64_t[]){60}, 32);
}
static void overlapping(struct maker *m) {
    maker_info(m, "a", 0, 1, (uint64_t[]){16}, 0);
    tensor(m, 0, 1, (uint64_t[]){16}, 32);
}
static void same_place(struct maker *m) {
    maker_info(m, "a", 0, 1, (uint64_t[]){1}, 0);
    tensor(m, 0, 1, (uint64_t[]){1}, 0);
}
static void type_negative(struct maker *m) {
    tensor(m, 0xffffffff, 1, (uint64_t[]){1}, 0);
}
static void type_removed(struct maker *m) {
    tensor(m, 4, 1, (uint64_t[]){1}, 0);
}
static void type_huge(struct maker *m) {
    tensor(m, 9999, 1, (uint64_t[]){1}, 0);
}
static void type_known_elsewhere(struct maker *m) {
    tensor(m, 12, 1, (uint64_t[]){256}, 0);
}
static void same_tensor(struct maker *m) {
    maker_info(m, "blk.0.bad", 0, 1, (uint64_t[]){1}, 32);
    tensor(m, 0, 1, (uint64_t[]){1}, 0);
}
static void tensor_without_name(struct maker *m) {
    maker_info(m, "", 0, 2, (uint64_t[]){1, 1}, 0);
}

static void same_key(struct maker *m) {
    maker_int(m, "twice", GGUF_U8, 1);
    maker_int(m, "twice", GGUF_U8, 2);
}
static void key_without_name(struct maker *m) {
    maker_int(m, "", GGUF_U64, 1);
}
static void key_not_ascii(struct maker *m) {
    maker_int(m, "k\xff\xfe", GGUF_U8, 1);
}
static void key_with_escape(struct maker *m) {
    maker_int(m, "k\033[2J", GGUF_U8, 1);
}
static void key_with_nul(struct maker *m) {
    m->n_keys++;
    maker_text(m, &m->keys, "a\0b", 3);
    maker_uint(&m->keys, GGUF_U8, 4);
    maker_uint(&m->keys, 1, 1);
}
static void key_64k(struct maker *m) {
    char *name = malloc(65536 + 1);
    memset(name, 'k', 65536);
    name[65536] = 0;
    maker_int(m, name, GGUF_U8, 1);
    free(name);
}
static void value_type_13(struct maker *m) {
    maker_key(m, "odd", 13);
}
static void value_type_huge(struct maker *m) {
    maker_key(m, "odd", (enum gguf_value_type) - 1);
}
static void array_type_13(struct maker *m) {
    maker_array(m, "odd", 13, 0);
}
static void array_of_arrays(struct maker *m) {
    maker_array(m, "nested", GGUF_ARRAY, 1);
}
static void array_product_overflow(struct maker *m) {
    maker_array(m, "huge", GGUF_F64, 1ull << 61); /* · 8 = 2^64 */
}
static void array_of_texts_without_texts(struct maker *m) {
    maker_array(m, "huge", GGUF_STRING, 1ull << 61);
}
static void bool_of_two(struct maker *m) {
    maker_int(m, "maybe", GGUF_BOOL, 2);
}
static void alignment_zero(struct maker *m) {
    maker_int(m, "general.alignment", GGUF_U32, 0);
}
static void alignment_three(struct maker *m) {
    maker_int(m, "general.alignment", GGUF_U32, 3);
}
static void alignment_huge(struct maker *m) {
    maker_int(m, "general.alignment", GGUF_U32, 1ll << 31);
}
static void alignment_negative(struct maker *m) {
    maker_int(m, "general.alignment", GGUF_I32, -32);
}
static void alignment_text(struct maker *m) {
    maker_string(m, "general.alignment", "32");
}
static void alignment_array(struct maker *m) {
    maker_array(m, "general.alignment", GGUF_U32, 1);
    maker_uint(&m->keys, 32, 4);
}
static void version_0(struct maker *m) {
    m->version = 0;
}
static void version_1(struct maker *m) {
    m->version = 1;
}
static void version_4(struct maker *m) {
    m->version = 4;
}
static void version_swapped(struct maker *m) {
    m->version = 3 << 24;
}
static void keys_31(struct maker *m) {
    m->n_keys = 1ull << 31;
}
static void keys_62(struct maker *m) {
    m->n_keys = 1ull << 62;
}
static void keys_63(struct maker *m) {
    m->n_keys = 1ull << 63;
}
static void keys_all(struct maker *m) {
    m->n_keys = UINT64_MAX;
}
static void tensors_31(struct maker *m) {
    m->n_tensors = 1ull << 31;
}
static void tensors_62(struct maker *m) {
    m->n_tensors = 1ull << 62;
}
static void tensors_63(struct maker *m) {
    m->n_tensors = 1ull << 63;
}
static void tensors_all(struct maker *m) {
    m->n_tensors = UINT64_MAX;
}

static const struct bad_file {
    const char *name;
    void (*make)(struct maker *m);
    enum status status;
    const char *says[2];
} bad_files[] = {
#define BAD(make, status, ...)                                                                     \
    {                                                                                              \
#make, make, STATUS_##status, {                                                            \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
    BAD(version_0, UNSUPPORTED, "version 0"),
    BAD(version_1, UNSUPPORTED, "version 1"),
    BAD(version_4, UNSUPPORTED, "version 4"),
    BAD(version_swapped, UNSUPPORTED, "big-endian"),
    BAD(keys_31, INVALID, "2147483648 keys", "byte 16"),
    BAD(keys_62, INVALID, "keys", "byte 16"),
    BAD(keys_63, INVALID, "keys", "byte 16"),
    BAD(keys_all, INVALID, "keys", "byte 16"),
    BAD(tensors_31, INVALID, "2147483648 tensors", "byte 8"),
    BAD(tensors_62, INVALID, "tensors", "byte 8"),
    BAD(tensors_63, INVALID, "tensors", "byte 8"),
    BAD(tensors_all, INVALID, "tensors", "byte 8"),
    BAD(same_key, INVALID, "twice", "byte "),
    BAD(key_without_name, INVALID, "0 bytes", "byte 24"),
    BAD(key_not_ascii, INVALID, "0xff", "byte 24"),
    BAD(key_with_escape, INVALID, "0x1b", "byte 24"),
    BAD(key_with_nul, INVALID, "0x00", "byte 24"),
    BAD(key_64k, INVALID, "65536 bytes", "byte 24"),
    BAD(value_type_13, INVALID, "odd", "type 13"),
    BAD(value_type_huge, INVALID, "odd", "type 4294967295"),
    BAD(array_type_13, INVALID, "odd", "type 13"),
    BAD(array_of_arrays, INVALID, "nested", "byte 24"),
    BAD(array_product_overflow, INVALID, "huge", "byte 24"),
    BAD(array_of_texts_without_texts, INVALID, "huge", "byte 24"),
    BAD(bool_of_two, INVALID, "maybe", "byte 24"),
    BAD(alignment_zero, INVALID, "general.alignment", "byte 24"),
    BAD(alignment_three, INVALID, "general.alignment", "power of two"),
    BAD(alignment_huge, INVALID, "general.alignment", "byte 24"),
    BAD(alignment_negative, INVALID, "general.alignment", "byte 24"),
    BAD(alignment_text, INVALID, "general.alignment", "byte 24"),
    BAD(alignment_array, INVALID, "general.alignment", "byte 24"),
    BAD(no_dims, INVALID, "blk.0.bad", "byte 24"),
    BAD(five_dims, INVALID, "blk.0.bad", "byte 24"),
    BAD(many_dims, INVALID, "blk.0.bad", "byte 24"),
    BAD(zero_dim, INVALID, "blk.0.bad", "byte 24"),
    BAD(negative_dim, INVALID, "blk.0.bad", "byte 24"),
    BAD(dims_overflow, INVALID, "blk.0.bad", "byte 24"),
    BAD(bytes_overflow, INVALID, "blk.0.bad", "byte 24"),
    BAD(larger_than_file, INVALID, "blk.0.bad", "byte 24"),
    BAD(ragged_rows, INVALID, "blk.0.bad", "(48)"),
    BAD(unaligned_offset, INVALID, "blk.0.bad", "(16)"),
    BAD(offset_past_end, INVALID, "blk.0.bad", "(1048576)"),
    BAD(offset_wraps, INVALID, "blk.0.bad", "byte 24"),
    BAD(last_byte_missing, INVALID, "blk.0.bad", "(32)"),
    BAD(overlapping, INVALID, "blk.0.bad", "overlaps"),
    BAD(same_place, INVALID, "overlaps"),
    BAD(type_negative, UNSUPPORTED, "blk.0.bad", "4294967295"),
    BAD(type_removed, UNSUPPORTED, "blk.0.bad", "(4)"),
    BAD(type_huge, UNSUPPORTED, "blk.0.bad", "9999"),
    BAD(type_known_elsewhere, UNSUPPORTED, "blk.0.bad", "Q4_K"),
    BAD(same_tensor, INVALID, "blk.0.bad", "twice"),
    BAD(tensor_without_name, INVALID, "0 bytes", "byte 24"),
#undef BAD
};

Test(gguf, bad_files_are_refused_with_a_sentence) {
    for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
        const struct bad_file *bad = &bad_files[i];
        struct maker m = maker_new();
        bad->make(&m);
        struct str file = maker_file(&m);
        cr_assert_eq(survive(file.text, file.length), bad->status, "%s: %s", bad->name, err.text);
        for (int s = 0; s < 2; s++)
            cr_assert(!bad->says[s] || strstr(err.text, bad->says[s]), "%s says: %s", bad->name,
                      err.text);
        str_free(&file);
        maker_free(&m);
    }
}

Test(gguf, order_of_tensor_data_is_free) {
    struct maker m = maker_new();
    maker_info(&m, "second", 0, 1, (uint64_t[]){1}, 32);
    maker_info(&m, "first", 0, 1, (uint64_t[]){1}, 0);
    for (int i = 0; i < 36; i++) str_add_bytes(&m.data, "", 1);
    struct str file = maker_file(&m);
    cr_assert_eq(survive(file.text, file.length), OK, "%s", err.text);
    str_free(&file);
    maker_free(&m);
}

/* What a quadratic search for duplicates would take minutes for. */
static void many(bool tensors, int n) {
    struct maker m = maker_new();
    struct str *s = tensors ? &m.infos : &m.keys;
    char name[16];
    for (int i = 0; i < n; i++) {
        maker_uint(s, (uint64_t)snprintf(name, sizeof name, "k%d", i), 8);
        str_add(s, name);
        maker_uint(s, tensors ? 1 : GGUF_U8, 4);
        if (tensors) maker_uint(s, 1, 8), maker_uint(s, 0, 4), maker_uint(s, 32ull * i, 8);
        else maker_uint(s, 0, 1);
    }
    *(tensors ? &m.n_tensors : &m.n_keys) = n;
    for (int i = 0; tensors && i < n; i++) maker_uint(&m.data, 0, 32);
    struct str file = maker_file(&m);
    struct gguf *gguf = NULL;
    const clock_t start = clock(); /* of this process: a busy machine is not counted */
    cr_assert_eq(open_bytes(file.text, file.length, &gguf), OK, "%s", err.text);
    const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    cr_assert(seconds < 1, "%d %s took %.2f s", n, tensors ? "tensors" : "keys", seconds);
    gguf_close(gguf);
    str_free(&file);
    maker_free(&m);
}

Test(gguf, a_million_keys_take_less_than_a_second) {
    many(false, 1000000);
}
Test(gguf, many_tensors_take_less_than_a_second) {
    many(true, 300000);
}

/* ---- paths ---- */

static void refuse_path(const char *path) {
    struct gguf *gguf = NULL;
    err = (struct error){OK, ""};
    cr_assert_eq(gguf_open(path, &gguf, &err), STATUS_IO, "%s", path);
    cr_assert(!gguf && strstr(err.text, path), "%s", err.text);
}

Test(gguf, only_regular_files_are_opened, .timeout = 20) {
    const char *folder = test_folder();
    char *fifo = text_format("%s/fifo", folder), *link = text_format("%s/link", folder);
    char *loop = text_format("%s/loop", folder), *good = text_format("%s/good", folder);
    struct maker m = rich();
    struct str file = maker_file(&m);
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    cr_assert_eq(symlink(good, link), 0);
    cr_assert_eq(symlink(loop, loop), 0);
    cr_assert_eq(path_write(good, file.text, file.length, &err), OK);
    refuse_path(folder);
    refuse_path(fifo);
    refuse_path(loop);
    refuse_path("/dev/zero");
    refuse_path("/nowhere/at/all.gguf");
    struct gguf *gguf = NULL;
    cr_assert_eq(gguf_open(link, &gguf, &err), OK, "%s", err.text);
    touch_all(gguf);
    gguf_close(gguf);
    free(fifo), free(link), free(loop), free(good);
    str_free(&file);
    maker_free(&m);
}
