/* llama2c.h: llama2.c's version 0 files. A model is 7 int32 (dim, hidden_dim, n_layers, n_heads,
 * n_kv_heads, vocab_size, negative when the classifier is not tied, seq_len) and float32 arrays in a
 * fixed order; nothing names them, so that the size of the file must be exact. */
#pragma once
#include "base/path.h"
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LLAMA2C_HEADER_BYTES = 28 };

struct llama2c {
    int64_t width, hidden, n_layers, n_heads, n_kv_heads, vocabulary, context, head_size;
    bool tied;
    /* float32, little-endian, in the mapped file; (layers, ...) one after the other */
    const unsigned char *embedding;            /* (vocabulary, width) */
    const unsigned char *attn_norm, *ffn_norm; /* (layers, width) */
    const unsigned char *wq, *wk, *wv, *wo;    /* (layers, rows, columns), adjacent pairs rotate */
    const unsigned char *w_gate, *w_down, *w_up; /* (layers, rows, columns) */
    const unsigned char *final_norm;             /* (width) */
    const unsigned char *output;                 /* (vocabulary, width); == embedding when tied */
};

/* Whether the first bytes could be one's header: seven numbers within reason. */
bool llama2c_recognise(const unsigned char *bytes, size_t size);
/* INVALID names the field, or both sizes. path: for messages. */
enum status llama2c_parse(const char *path, const unsigned char *bytes, size_t size,
                          struct llama2c *out, struct error *err);
