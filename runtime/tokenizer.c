/* tokenizer.c: see tokenizer.h. What all tokenizers share. */
#include "runtime/tokenizer.h"
#include "base/path.h"
#include "base/utf8.h"
#include "runtime/gguf.h"
#include "runtime/vocabulary.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists of ids ---- */

enum status id_list_add(struct id_list *list, int32_t id, struct error *err) {
    if (list->n == list->capacity) {
        const size_t capacity = list->capacity ? 2 * list->capacity : 64;
        int32_t *grown = realloc(list->id, capacity * sizeof *grown);
        if (!grown) return fail(err, STATUS_NOMEM, "no memory for %zu token ids", capacity);
        list->id = grown;
        list->capacity = capacity;
    }
    list->id[list->n++] = id;
    return OK;
}

void id_list_free(struct id_list *list) {
    free(list->id);
    *list = (struct id_list){0};
}

/* ---- vocabulary ---- */

enum status vocabulary_open(struct vocabulary *vocabulary, uint64_t n, size_t pool_bytes,
                            const char *path, struct error *err) {
    *vocabulary = (struct vocabulary){.bos = -1, .eos = -1, .eot = -1, .unknown = -1};
    if (n == 0 || n > INT32_MAX)
        return fail(err, STATUS_INVALID, "reading the vocabulary of %s: it has %llu tokens", path,
                    (unsigned long long)n);
    vocabulary->token = calloc(n, sizeof *vocabulary->token);
    vocabulary->pool = malloc(pool_bytes + 1);
    if (!vocabulary->token || !vocabulary->pool)
        return fail(err, STATUS_NOMEM, "reading the vocabulary of %s: no memory for %llu tokens",
                    path, (unsigned long long)n);
    vocabulary->n = (int64_t)n;
    return OK;
}

void vocabulary_close(struct vocabulary *vocabulary) {
    free(vocabulary->token);
    free(vocabulary->pool);
    *vocabulary = (struct vocabulary){0};
}

/* Types of the tokens; without the key all are normal. */
static enum status types_from_gguf(const struct gguf *gguf, struct vocabulary *vocabulary,
                                   struct error *err) {
    const struct gguf_key *types;
    const enum status status =
        gguf_get_array(gguf, "tokenizer.ggml.token_type", GGUF_I32, &types, err);
    if (status != OK) return status;
    if (types && types->count != (uint64_t)vocabulary->n)
        return fail(err, STATUS_INVALID,
                    "reading %s: tokenizer.ggml.token_type has %llu values for "
                    "%lld tokens",
                    gguf->path, (unsigned long long)types->count, (long long)vocabulary->n);
    for (int64_t i = 0; i < vocabulary->n; i++) {
        const int32_t type = types ? gguf_array_i32(types, (uint64_t)i) : TOKEN_NORMAL;
        if (type < TOKEN_NORMAL || type > TOKEN_BYTE)
            return fail(err, STATUS_INVALID,
                        "reading %s: tokenizer.ggml.token_type of token %lld is %d", gguf->path,
                        (long long)i, type);
        vocabulary->token[i].type = (uint8_t)type;
    }
    return OK;
}

static enum status special_from_gguf(const struct gguf *gguf, const char *key, int64_t n,
                                     int32_t *id, struct error *err) {
    int64_t value = -1;
    const enum status status = gguf_get_int(gguf, key, 0, n - 1, &value, err);
    if (status == OK) *id = (int32_t)value;
    return status;
}

enum status vocabulary_from_gguf(const struct gguf *gguf, struct vocabulary *vocabulary,
                                 struct error *err) {
    const struct gguf_key *tokens;
    enum status status = gguf_get_array(gguf, "tokenizer.ggml.tokens", GGUF_STRING, &tokens, err);
    if (status != OK) return status;
    if (!tokens)
        return fail(err, STATUS_INVALID, "reading %s: it has no tokenizer.ggml.tokens", gguf->path);
    size_t pool = 0;
    const unsigned char *cursor = tokens->values;
    for (uint64_t i = 0; i < tokens->count; i++) pool += gguf_array_text(&cursor).length;
    status = vocabulary_open(vocabulary, tokens->count, pool, gguf->path, err);
    if (status != OK) return status;
    char *bytes = vocabulary->pool;
    cursor = tokens->values;
    for (int64_t i = 0; i < vocabulary->n; i++) {
        const struct gguf_text text = gguf_array_text(&cursor);
        if (text.length > INT32_MAX / 2)
            return fail(err, STATUS_INVALID, "reading %s: token %lld has %zu bytes", gguf->path,
                        (long long)i, text.length);
        memcpy(bytes, text.bytes, text.length);
        vocabulary->token[i].bytes = bytes;
        vocabulary->token[i].length = (uint32_t)text.length;
        bytes += text.length;
    }
    struct vocabulary *v = vocabulary;
    status = types_from_gguf(gguf, v, err);
    if (status == OK)
        status = special_from_gguf(gguf, "tokenizer.ggml.bos_token_id", v->n, &v->bos, err);
    if (status == OK)
        status = special_from_gguf(gguf, "tokenizer.ggml.eos_token_id", v->n, &v->eos, err);
    if (status == OK)
        status = special_from_gguf(gguf, "tokenizer.ggml.eot_token_id", v->n, &v->eot, err);
    if (status == OK)
        status = special_from_gguf(gguf, "tokenizer.ggml.unknown_token_id", v->n, &v->unknown, err);
    return status;
}

/* ---- special tokens ---- */

enum { SPECIAL_LIMIT = 255 }; /* longer ones are never looked for in a text */

/* Texts that end a generation wherever a vocabulary has them as special tokens. */
static const char *const end_texts[] = {
    "<|im_end|>",    "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<|eom_id|>", "<|end|>",
    "<end_of_turn>", "<EOT>",         "</s>",
};

static bool is_marker(const struct token *t) {
    return t->length > 4 && !memcmp(t->bytes, "<|", 2) &&
           !memcmp(t->bytes + t->length - 2, "|>", 2);
}

/* Only looked for where parse_special says so. A user-defined token that looks like a marker counts:
 * people's text must not be able to speak for the template. */
static bool is_control(const struct token *t) {
    return t->type == TOKEN_CONTROL || t->type == TOKEN_UNKNOWN ||
           (t->type == TOKEN_USER && is_marker(t));
}

static void add_end(struct tokenizer *t, int32_t id) {
    if (id < 0 || tokenizer_is_end(t, id)) return;
    if (t->n_ends < (int)(sizeof t->end / sizeof *t->end)) t->end[t->n_ends++] = id;
}

enum status tokenizer_finish(struct tokenizer *t, struct error *err) {
    bool has_length[SPECIAL_LIMIT + 1] = {false};
    int64_t n = 0;
    (void)err;
    for (int64_t i = 0; i < t->vocabulary.n; i++) n += tokenizer_is_special(t, (int32_t)i);
    t->specials = hash_map_open((size_t)n);
    for (int64_t i = 0; n && i < t->vocabulary.n; i++) {
        const struct token *token = &t->vocabulary.token[i];
        if (!tokenizer_is_special(t, (int32_t)i) || !token->length || token->length > SPECIAL_LIMIT)
            continue;
        if (!hash_map_add(t->specials, token->bytes, token->length, (int)i)) continue;
        t->special_first[(unsigned char)token->bytes[0]] = true;
        has_length[token->length] = true;
    }
    for (int i = SPECIAL_LIMIT; i > 0; i--)
        if (has_length[i]) t->special_length[t->n_special_lengths++] = i;
    add_end(t, t->vocabulary.eos);
    add_end(t, t->vocabulary.eot);
    for (size_t i = 0; i < sizeof end_texts / sizeof *end_texts; i++)
        add_end(t, tokenizer_special(t, end_texts[i]));
    return OK;
}

/* The longest special token that the text begins with, −1: none. */
static int32_t special_at(const struct tokenizer *t, const char *text, size_t n,
                          bool parse_special) {
    if (!t->special_first[(unsigned char)text[0]]) return -1;
    for (int i = 0; i < t->n_special_lengths; i++) {
        const size_t length = (size_t)t->special_length[i];
        const int id = length > n ? -1 : hash_map_find(t->specials, text, length);
        if (id >= 0 && (parse_special || !is_control(&t->vocabulary.token[id]))) return id;
    }
    return -1;
}

/* ---- encode ---- */

/* Plain text collected until a special token or the end. */
struct stretch {
    char *text;
    size_t n;
    bool starts;
};

static enum status stretch_flush(const struct tokenizer *t, struct stretch *stretch,
                                 struct id_list *ids, struct error *err) {
    if (!stretch->n) return OK;
    const enum status status =
        t->algorithm.encode(t, stretch->text, stretch->n, stretch->starts, ids, err);
    stretch->n = 0;
    return status;
}

static enum status encode_part(const struct tokenizer *t, const struct tokenizer_part *part,
                               struct stretch *stretch, struct id_list *ids, struct error *err) {
    enum status status = OK;
    for (size_t i = 0; status == OK && i < part->length;) {
        const int32_t id = special_at(t, part->text + i, part->length - i, part->parse_special);
        if (id < 0) {
            stretch->text[stretch->n++] = part->text[i++];
            continue;
        }
        status = stretch_flush(t, stretch, ids, err);
        if (status == OK) status = id_list_add(ids, id, err);
        stretch->starts = true;
        i += t->vocabulary.token[id].length;
    }
    return status;
}

enum status tokenizer_encode_parts(const struct tokenizer *t, const struct tokenizer_part *parts,
                                   size_t n_parts, bool add_bos, struct id_list *ids,
                                   struct error *err) {
    size_t total = 0;
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].length > INT32_MAX - 64 - total)
            return fail(err, STATUS_INVALID, "encoding a text: it is longer than 2^31 bytes");
        total += parts[i].length;
    }
    struct stretch stretch = {malloc(total + 1), 0, true};
    if (!stretch.text)
        return fail(err, STATUS_NOMEM, "encoding a text: no memory for %zu bytes", total);
    enum status status = OK;
    if (add_bos && t->vocabulary.bos >= 0) status = id_list_add(ids, t->vocabulary.bos, err);
    for (size_t i = 0; status == OK && i < n_parts; i++)
        status = encode_part(t, &parts[i], &stretch, ids, err);
    if (status == OK) status = stretch_flush(t, &stretch, ids, err);
    free(stretch.text);
    return status;
}

enum status tokenizer_encode(const struct tokenizer *tokenizer, const void *text, size_t length,
                             unsigned flags, struct id_list *ids, struct error *err) {
    const struct tokenizer_part part = {text, length, flags & TOKENIZER_PARSE_SPECIAL};
    return tokenizer_encode_parts(tokenizer, &part, 1, flags & TOKENIZER_ADD_BOS, ids, err);
}

/* ---- decode ---- */

const char *tokenizer_bytes(const struct tokenizer *tokenizer, int32_t id, bool show_special,
                            size_t *length) {
    *length = 0;
    if (id < 0 || id >= tokenizer->vocabulary.n) return "";
    const struct token *token = &tokenizer->vocabulary.token[id];
    if (is_control(token) && !show_special) return "";
    *length = token->length;
    return token->bytes;
}

/* ---- facts ---- */

int64_t tokenizer_size(const struct tokenizer *tokenizer) {
    return tokenizer->vocabulary.n;
}

int32_t tokenizer_bos(const struct tokenizer *tokenizer) {
    return tokenizer->vocabulary.bos;
}

int32_t tokenizer_eos(const struct tokenizer *tokenizer) {
    return tokenizer->vocabulary.eos;
}

bool tokenizer_adds_bos(const struct tokenizer *tokenizer) {
    return tokenizer->adds_bos;
}

bool tokenizer_is_end(const struct tokenizer *tokenizer, int32_t id) {
    for (int i = 0; i < tokenizer->n_ends; i++)
        if (tokenizer->end[i] == id) return true;
    return false;
}

bool tokenizer_is_special(const struct tokenizer *tokenizer, int32_t id) {
    if (id < 0 || id >= tokenizer->vocabulary.n) return false;
    const struct token *token = &tokenizer->vocabulary.token[id];
    return is_control(token) || token->type == TOKEN_USER;
}

int32_t tokenizer_special(const struct tokenizer *tokenizer, const char *text) {
    return hash_map_find(tokenizer->specials, text, strlen(text));
}

const char *tokenizer_kind(const struct tokenizer *tokenizer) {
    return tokenizer->kind;
}

/* ---- open and close ---- */

static enum status finish_or_close(struct tokenizer *t, enum status status, struct tokenizer **out,
                                   struct error *err) {
    if (status == OK) status = tokenizer_finish(t, err);
    if (status == OK) *out = t;
    else tokenizer_close(t);
    return status;
}

enum status tokenizer_from_gguf(const struct gguf *gguf, const char *force_pretokenizer,
                                struct tokenizer **out, struct error *err) {
    struct gguf_text model = {"", 0};
    char shown[64];
    *out = NULL;
    enum status status = gguf_get_text(gguf, "tokenizer.ggml.model", &model, err);
    if (status != OK) return status;
    struct tokenizer *t = calloc(1, sizeof *t);
    if (!t) return fail(err, STATUS_NOMEM, "reading the tokenizer of %s: no memory", gguf->path);
    if (model.length == 4 && !memcmp(model.bytes, "gpt2", 4))
        status = bpe_from_gguf(gguf, force_pretokenizer, t, err);
    else if (model.length == 5 && !memcmp(model.bytes, "llama", 5))
        status = spm_from_gguf(gguf, t, err);
    else
        status = fail(err, STATUS_UNSUPPORTED,
                      "reading the tokenizer of %s: tokenizer.ggml.model is \"%s\"; gpt2 and "
                      "llama are supported",
                      gguf->path, utf8_printable(model.bytes, model.length, shown, sizeof shown));
    return finish_or_close(t, status, out, err);
}

enum status tokenizer_from_file(const char *path, int64_t vocabulary, struct tokenizer **out,
                                struct error *err) {
    enum { LIMIT = 1 << 28 };
    char *bytes;
    size_t size;
    *out = NULL;
    enum status status = path_read(path, LIMIT, &bytes, &size, err);
    if (status != OK) return status;
    struct tokenizer *t = calloc(1, sizeof *t);
    if (!t) {
        free(bytes);
        return fail(err, STATUS_NOMEM, "reading the tokenizer %s: no memory", path);
    }
    /* A SentencePiece model begins with field 1 of its protobuf, a piece; a tokenizer.bin with the length of
     * the longest token, which would be 2570 and more. */
    if (size > 4 && !memcmp(bytes, "GGUF", 4))
        status = fail(err, STATUS_INVALID,
                      "reading the tokenizer %s: it is a GGUF; a llama2.c tokenizer.bin or a "
                      "SentencePiece .model was expected",
                      path);
    else if (size > 4 && bytes[0] == '\n' && bytes[2] == '\n')
        status = spm_from_protobuf(path, bytes, size, t, err);
    else status = spm_from_llama2c(path, bytes, size, vocabulary, t, err);
    if (status == OK && vocabulary && t->vocabulary.n != vocabulary)
        status = fail(err, STATUS_INVALID,
                      "reading the tokenizer %s: it has %lld tokens, the model %lld: "
                      "they do not belong together",
                      path, (long long)t->vocabulary.n, (long long)vocabulary);
    free(bytes);
    return finish_or_close(t, status, out, err);
}

void tokenizer_close(struct tokenizer *tokenizer) {
    if (!tokenizer) return;
    if (tokenizer->algorithm.close) tokenizer->algorithm.close(tokenizer->algorithm.state);
    hash_map_close(tokenizer->specials);
    vocabulary_close(&tokenizer->vocabulary);
    free(tokenizer);
}
