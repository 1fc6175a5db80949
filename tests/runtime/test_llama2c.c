/* test_llama2c.c: llama2.c's files: a header and a size that must agree. */
#include "runtime/llama2c.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct error err;

enum { DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, VOCABULARY, CONTEXT, FIELDS };

/* Bytes that a header asks for, by the format's own list. */
static size_t bytes_of(const int32_t f[FIELDS]) {
    const size_t d = (size_t)f[DIM], h = (size_t)f[HIDDEN], l = (size_t)f[LAYERS];
    const size_t v = (size_t)abs(f[VOCABULARY]), head = d / (size_t)f[HEADS];
    const size_t kv = head * (size_t)f[KV_HEADS], tables = 2 * (size_t)f[CONTEXT] * (head / 2);
    const size_t layer = 2 * d + 2 * d * d + 2 * d * kv + 3 * d * h;
    return 28 + 4 * (v * d + l * layer + d + tables + (f[VOCABULARY] < 0 ? v * d : 0));
}

static const int32_t good[FIELDS] = {8, 12, 2, 2, 1, 10, 16};

static enum status parse(const int32_t f[FIELDS], size_t size, struct llama2c *out) {
    unsigned char *bytes = calloc(1, size > 28 ? size : 28);
    memcpy(bytes, f, 28);
    err = (struct error){OK, ""};
    const enum status status = llama2c_parse("test.bin", bytes, size, out, &err);
    if (status == OK) { /* relative, so that they outlive the bytes */
        cr_assert_eq(out->embedding - bytes, 28);
        cr_assert_eq(out->attn_norm - out->embedding, 4 * out->vocabulary * out->width);
        const unsigned char *end = bytes + size;
        const int64_t output = out->tied ? 0 : 4 * out->vocabulary * out->width;
        const int64_t tables = 4 * out->context * out->head_size;
        cr_assert_eq(end - out->final_norm, 4 * out->width + tables + output);
        cr_assert(out->tied ? out->output == out->embedding : out->output == end - output);
    }
    free(bytes);
    return status;
}

Test(llama2c, the_size_must_be_exact) {
    struct llama2c m;
    int32_t untied[FIELDS];
    memcpy(untied, good, sizeof untied);
    untied[VOCABULARY] = -10;
    const int32_t *headers[] = {good, untied};
    for (int i = 0; i < 2; i++) {
        const size_t size = bytes_of(headers[i]);
        cr_assert_eq(parse(headers[i], size, &m), OK, "%s", err.text);
        cr_assert_eq(m.tied, i == 0);
        cr_assert(m.vocabulary == 10 && m.head_size == 4 && m.n_kv_heads == 1);
        for (size_t n = 0; n < size + 8; n++) {
            if (n == size) continue;
            cr_assert_eq(parse(headers[i], n, &m), STATUS_INVALID, "%zu bytes", n);
            cr_assert(strstr(err.text, "test.bin"), "%s", err.text);
        }
    }
}

Test(llama2c, every_field_with_every_bad_value) {
    static const char *const names[FIELDS] = {"dim",        "hidden_dim", "n_layers", "n_heads",
                                              "n_kv_heads", "vocab_size", "seq_len"};
    const int32_t bad[] = {0, -1, INT32_MIN, INT32_MAX, 1 << 30, 7};
    struct llama2c m;
    for (int i = 0; i < FIELDS; i++)
        for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
            int32_t f[FIELDS];
            memcpy(f, good, sizeof f);
            f[i] = bad[b];
            cr_assert_eq(parse(f, bytes_of(good), &m), STATUS_INVALID, "%s = %d", names[i], bad[b]);
            if (bad[b] <= 0 && i != VOCABULARY)
                cr_assert(strstr(err.text, names[i]) && strstr(err.text, "byte "), "%s", err.text);
        }
}

Test(llama2c, heads_must_divide) {
    struct llama2c m;
    const struct {
        int field;
        int32_t value;
        const char *says;
    } cases[] = {{HEADS, 3, "dim 8"}, {HEADS, 8, "even head size"}, {KV_HEADS, 3, "n_kv_heads 3"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t f[FIELDS];
        memcpy(f, good, sizeof f);
        f[cases[i].field] = cases[i].value;
        cr_assert_eq(parse(f, bytes_of(good), &m), STATUS_INVALID);
        cr_assert(strstr(err.text, cases[i].says), "%s", err.text);
    }
}

Test(llama2c, other_files_are_not_recognised) {
    unsigned char header[28];
    memcpy(header, good, sizeof header);
    cr_assert(llama2c_recognise(header, 28));
    cr_assert(!llama2c_recognise(header, 27));
    cr_assert(!llama2c_recognise((const unsigned char *)"GGUF\3\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0"
                                                        "\0\0\0\0abcd",
                                 28));
    cr_assert(!llama2c_recognise((const unsigned char *)"This is a text and not a model.", 28));
}

Test(llama2c, a_real_file) {
    const char *path = test_data("model/stories260K.bin");
    struct map map;
    struct llama2c m;
    cr_assert_eq(map_open(path, &map, &err), OK, "%s", err.text);
    cr_assert(llama2c_recognise(map.bytes, map.size));
    cr_assert_eq(llama2c_parse(path, map.bytes, map.size, &m, &err), OK, "%s", err.text);
    cr_assert(m.width == 64 && m.hidden == 172 && m.n_layers == 5 && m.n_heads == 8);
    cr_assert(m.n_kv_heads == 4 && m.vocabulary == 512 && m.context == 512 && m.tied);
    map_close(&map);
}
