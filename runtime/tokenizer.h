/* tokenizer.h: text to ids and back. Two algorithms behind one face: byte-level BPE with merges by
 * rank (bpe.c) and SentencePiece's BPE with merges by score (spm.c), each immutable and shareable by
 * threads once open. Text is bytes; bytes that are no UTF-8 survive encode and decode. */
#pragma once
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gguf;
struct tokenizer;

/* A growing list of ids. */
struct id_list {
    int32_t *id; /* NULL when empty and new */
    size_t n, capacity;
};
enum status id_list_add(struct id_list *list, int32_t id, struct error *err);
void id_list_free(struct id_list *list);

/* ---- open ---- */

/* From the keys tokenizer.ggml.*. force_pretokenizer: NULL, or a name of pretokenizers.def to use
 * where the file's is unknown. UNSUPPORTED lists the known ones. Nothing is kept of the GGUF. */
enum status tokenizer_from_gguf(const struct gguf *gguf, const char *force_pretokenizer,
                                struct tokenizer **out, struct error *err);
/* A llama2.c tokenizer.bin or a SentencePiece .model, told apart by content; it must have exactly
 * `vocabulary` pieces, or any number when that is 0. */
enum status tokenizer_from_file(const char *path, int64_t vocabulary, struct tokenizer **out,
                                struct error *err);
void tokenizer_close(struct tokenizer *tokenizer); /* NULL is fine */

/* ---- text to ids ---- */

enum tokenizer_flags {
    TOKENIZER_ADD_BOS = 1,       /* put the BOS id first, if there is one */
    TOKENIZER_PARSE_SPECIAL = 2, /* texts of special tokens become these tokens, not pieces */
};
/* Append the ids of the text. NOMEM; INVALID: text too long (2^31 bytes) or beyond a match limit. */
enum status tokenizer_encode(const struct tokenizer *tokenizer, const void *text, size_t length,
                             unsigned flags, struct id_list *ids, struct error *err);

/* A text in parts, of which only some may hold special tokens; plain neighbours are read as one text. */
struct tokenizer_part {
    const char *text;
    size_t length;
    bool parse_special;
};
enum status tokenizer_encode_parts(const struct tokenizer *tokenizer,
                                   const struct tokenizer_part *parts, size_t n_parts, bool add_bos,
                                   struct id_list *ids, struct error *err);

/* ---- ids to text ---- */

/* The bytes that a token stands for: length 0 for control tokens (unless show_special: then their text)
 * and for ids outside of the vocabulary. Owned by the tokenizer. A sequence's text is the bytes of its
 * ids one after the other; where the tokenizer put a space in front, less that space. */
const char *tokenizer_bytes(const struct tokenizer *tokenizer, int32_t id, bool show_special,
                            size_t *length);

/* ---- facts ---- */

int64_t tokenizer_size(const struct tokenizer *tokenizer);  /* vocabulary */
int32_t tokenizer_bos(const struct tokenizer *tokenizer);   /* −1: none */
int32_t tokenizer_eos(const struct tokenizer *tokenizer);   /* −1: none */
bool tokenizer_adds_bos(const struct tokenizer *tokenizer); /* what the file says */
/* Generation ends with this id: eos, eot, and the usual end markers that the vocabulary has. */
bool tokenizer_is_end(const struct tokenizer *tokenizer, int32_t id);
bool tokenizer_is_special(const struct tokenizer *tokenizer,
                          int32_t id); /* control or user-defined */
/* The special token with exactly this text ("<|im_start|>"), −1: there is none. */
int32_t tokenizer_special(const struct tokenizer *tokenizer, const char *text);
const char *tokenizer_kind(const struct tokenizer *tokenizer); /* "bpe smollm", "spm", "llama2.c" */
