/* vocabulary.h: the tokens of a tokenizer and the seam between what all tokenizers share (tokenizer.c:
 * special tokens, parts, ids to bytes) and the two algorithms (bpe.c, spm.c). Private to them. */
#pragma once
#include "base/hash.h"
#include "base/status.h"
#include "runtime/tokenizer.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers as in GGUF's tokenizer.ggml.token_type and SentencePiece's pieces. */
enum token_type {
    TOKEN_NORMAL = 1,
    TOKEN_UNKNOWN,
    TOKEN_CONTROL,
    TOKEN_USER,
    TOKEN_UNUSED,
    TOKEN_BYTE
};

struct token {
    const char *bytes; /* what it stands for; a control token's text */
    uint32_t length;
    float score;  /* SentencePiece: higher joins first */
    uint8_t type; /* enum token_type */
};

struct vocabulary {
    struct token *token; /* [n] */
    int64_t n;
    char *pool;                     /* all bytes, owned */
    int32_t bos, eos, eot, unknown; /* −1: none */
};

/* An opened algorithm: its state and what it does with a stretch of plain text. */
struct algorithm {
    void *state; /* owned; freed by close */
    /* Append the ids of n > 0 bytes. starts: at the start of the text or after a special token. */
    enum status (*encode)(const struct tokenizer *tokenizer, const char *text, size_t n,
                          bool starts, struct id_list *ids, struct error *err);
    void (*close)(void *state);
    bool leading_space; /* puts one before the text */
};

struct tokenizer {
    struct vocabulary vocabulary;
    struct algorithm algorithm;
    bool adds_bos;
    char kind[48];
    /* special tokens: by text; which first bytes and lengths they have */
    struct hash_map *specials;
    bool special_first[256];
    int special_length[256]; /* longest first */
    int n_special_lengths;
    int32_t end[32]; /* ids that end the generation */
    int n_ends;
};

/* Room for n tokens and their bytes, all zero; bos and so on −1. */
enum status vocabulary_open(struct vocabulary *vocabulary, uint64_t n, size_t pool_bytes,
                            const char *path, struct error *err);
void vocabulary_close(struct vocabulary *vocabulary);
/* Complete a tokenizer whose vocabulary and algorithm stand: specials and end ids. */
enum status tokenizer_finish(struct tokenizer *tokenizer, struct error *err);

/* bpe.c: byte-level BPE. The vocabulary's normal tokens become plain bytes in place. */
enum status bpe_from_gguf(const struct gguf *gguf, const char *force_pretokenizer,
                          struct tokenizer *tokenizer, struct error *err);

/* spm.c: SentencePiece's BPE. */
struct spm_options {
    bool space_prefix;  /* a space before the text */
    bool squeeze_space; /* runs of spaces become one, those at the ends go */
};
enum status spm_from_vocabulary(const char *path, struct spm_options options,
                                struct tokenizer *tokenizer, struct error *err);
/* spm_files.c: its vocabularies. */
enum status spm_from_gguf(const struct gguf *gguf, struct tokenizer *tokenizer, struct error *err);
enum status spm_from_llama2c(const char *path, const char *bytes, size_t size, int64_t vocabulary,
                             struct tokenizer *tokenizer, struct error *err);
enum status spm_from_protobuf(const char *path, const char *bytes, size_t size,
                              struct tokenizer *tokenizer, struct error *err);

/* Tokens, types and special ids of a GGUF, which both algorithms start from. */
enum status vocabulary_from_gguf(const struct gguf *gguf, struct vocabulary *vocabulary,
                                 struct error *err);
