/* spm_files.c: where SentencePiece vocabularies come from: the keys of a GGUF, a llama2.c
 * tokenizer.bin, a SentencePiece .model (a protobuf, of which pieces, their scores and types and the
 * normaliser's switches are read). */
#include "runtime/gguf.h"
#include "runtime/vocabulary.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static enum status check_score(const char *path, int64_t id, float score, struct error *err) {
    if (isfinite(score)) return OK;
    return fail(err, STATUS_INVALID,
                "reading the vocabulary of %s: the score of token %lld is no number", path,
                (long long)id);
}

/* ---- GGUF ---- */

enum status spm_from_gguf(const struct gguf *gguf, struct tokenizer *t, struct error *err) {
    const struct gguf_key *scores;
    struct spm_options options = {.space_prefix = true};
    struct vocabulary *v = &t->vocabulary;
    enum status status = vocabulary_from_gguf(gguf, v, err);
    if (status == OK)
        status = gguf_get_array(gguf, "tokenizer.ggml.scores", GGUF_F32, &scores, err);
    if (status != OK) return status;
    if (!scores || scores->count != (uint64_t)v->n)
        return fail(err, STATUS_INVALID,
                    "reading %s: tokenizer.ggml.scores has %llu values for %lld tokens", gguf->path,
                    scores ? (unsigned long long)scores->count : 0, (long long)v->n);
    for (int64_t i = 0; status == OK && i < v->n; i++) {
        v->token[i].score = gguf_array_f32(scores, (uint64_t)i);
        status = check_score(gguf->path, i, v->token[i].score, err);
    }
    t->adds_bos = v->bos >= 0;
    if (status == OK)
        status = gguf_get_bool(gguf, "tokenizer.ggml.add_bos_token", &t->adds_bos, err);
    if (v->bos < 0) t->adds_bos = false;
    if (status == OK)
        status = gguf_get_bool(gguf, "tokenizer.ggml.add_space_prefix", &options.space_prefix, err);
    snprintf(t->kind, sizeof t->kind, "spm");
    return status == OK ? spm_from_vocabulary(gguf->path, options, t, err) : status;
}

/* ---- llama2.c: int32 longest, then {float score, int32 length, bytes} per token ---- */

/* The type that llama2.c means: 0 unknown, 1 and 2 control, bytes after these. */
static uint8_t llama2c_type(int64_t id, const struct token *t) {
    if (id < 3) return id ? TOKEN_CONTROL : TOKEN_UNKNOWN;
    return id < 3 + 256 && t->length == 6 && !memcmp(t->bytes, "<0x", 3) ? TOKEN_BYTE
                                                                         : TOKEN_NORMAL;
}

/* The record at bytes[*at]; *at moves behind it. */
static enum status llama2c_record(const char *path, const char *bytes, size_t size, size_t *at,
                                  int64_t id, float *score, const char **text, int32_t *length,
                                  struct error *err) {
    *length = -1;
    if (size - *at >= 8) {
        memcpy(score, bytes + *at, sizeof *score);
        memcpy(length, bytes + *at + 4, sizeof *length);
    }
    if (*length < 0 || (size_t)*length > size - *at - 8)
        return fail(err, STATUS_INVALID,
                    "reading the tokenizer %s: token %lld at byte %zu does not fit into its "
                    "%zu bytes",
                    path, (long long)id, *at, size);
    *text = bytes + *at + 8;
    *at += 8 + (size_t)*length;
    return check_score(path, id, *score, err);
}

enum status spm_from_llama2c(const char *path, const char *bytes, size_t size, int64_t vocabulary,
                             struct tokenizer *t, struct error *err) {
    float score;
    const char *text;
    int32_t length;
    int64_t n = 0;
    if (size < 4)
        return fail(err, STATUS_INVALID, "reading the tokenizer %s: it has only %zu bytes", path,
                    size);
    enum status status = OK;
    for (size_t at = 4; status == OK && at < size && (!vocabulary || n <= vocabulary); n++)
        status = llama2c_record(path, bytes, size, &at, n, &score, &text, &length, err);
    if (status == OK) status = vocabulary_open(&t->vocabulary, (uint64_t)n, size, path, err);
    if (status != OK) return status;
    char *pool = t->vocabulary.pool;
    size_t at = 4;
    for (int64_t i = 0; status == OK && i < n; i++) {
        status = llama2c_record(path, bytes, size, &at, i, &score, &text, &length, err);
        if (status != OK) break;
        struct token *token = &t->vocabulary.token[i];
        memcpy(pool, text, (size_t)length);
        *token = (struct token){pool, (uint32_t)length, score, 0};
        token->type = llama2c_type(i, token);
        pool += length;
    }
    if (status != OK) return status;
    t->vocabulary.unknown = 0;
    if (n > 2) t->vocabulary.bos = 1, t->vocabulary.eos = 2;
    t->vocabulary.eot =
        t->vocabulary.bos; /* llama2.c's models end a story with the next one's BOS */
    t->adds_bos = n > 2;
    snprintf(t->kind, sizeof t->kind, "llama2.c");
    return spm_from_vocabulary(path, (struct spm_options){.space_prefix = true}, t, err);
}

/* ---- protobuf ---- */

struct field {
    uint64_t number, value; /* value: of wire types 0, 1, 5 */
    int wire;
    const char *bytes; /* of wire type 2 */
    size_t length;
};

static bool take_varint(const char **p, const char *end, uint64_t *value) {
    *value = 0;
    for (int shift = 0; shift < 64 && *p < end; shift += 7) {
        const unsigned char byte = (unsigned char)*(*p)++;
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return true;
    }
    return false;
}

/* The next field of a message; false at its end, and with *good = false where it is damaged. */
static bool take_field(const char **p, const char *end, struct field *f, bool *good) {
    uint64_t tag;
    if (*p == end) return false;
    *good = take_varint(p, end, &tag);
    if (!*good) return false;
    *f = (struct field){.number = tag >> 3, .wire = (int)(tag & 7)};
    const size_t fixed = f->wire == 1 ? 8 : f->wire == 5 ? 4 : 0;
    if (f->wire == 0) {
        *good = take_varint(p, end, &f->value);
    } else if (fixed) {
        *good = (size_t)(end - *p) >= fixed;
        if (*good) memcpy(&f->value, *p, fixed), *p += fixed;
    } else {
        *good = f->wire == 2 && take_varint(p, end, &f->value) && f->value <= (size_t)(end - *p);
        if (*good) f->bytes = *p, f->length = (size_t)f->value, *p += f->length;
    }
    return *good;
}

static enum status damaged(const char *path, const char *start, const char *p, struct error *err) {
    return fail(err, STATUS_INVALID,
                "reading the tokenizer %s: it is no SentencePiece model at byte %zu", path,
                (size_t)(p - start));
}

enum { MODEL_PIECE = 1, MODEL_TRAINER = 2, MODEL_NORMALISER = 3 };
enum { PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3 };
enum { TRAINER_KIND = 3, TRAINER_KIND_BPE = 2 };
enum { NORMALISER_MAP = 2, NORMALISER_PREFIX = 3, NORMALISER_SQUEEZE = 4 };

static bool read_piece(const struct field *message, struct token *t, char **pool) {
    struct field f;
    bool good = true;
    const char *p = message->bytes;
    *t = (struct token){.bytes = "", .type = TOKEN_NORMAL};
    while (take_field(&p, message->bytes + message->length, &f, &good)) {
        if (f.number == PIECE_TEXT && f.wire == 2) {
            memcpy(*pool, f.bytes, f.length);
            t->bytes = *pool;
            t->length = (uint32_t)f.length;
            *pool += f.length;
        } else if (f.number == PIECE_SCORE && f.wire == 5) {
            memcpy(&t->score, &f.value, sizeof t->score);
        } else if (f.number == PIECE_TYPE && f.wire == 0) {
            t->type =
                f.value >= TOKEN_NORMAL && f.value <= TOKEN_BYTE ? (uint8_t)f.value : TOKEN_NORMAL;
        }
    }
    return good;
}

static enum status check_trainer(const char *path, const struct field *message, struct error *err) {
    struct field f;
    bool good = true;
    uint64_t kind = 1; /* unigram, the format's default */
    for (const char *p = message->bytes;
         take_field(&p, message->bytes + message->length, &f, &good);)
        if (f.number == TRAINER_KIND && f.wire == 0) kind = f.value;
    if (kind == TRAINER_KIND_BPE) return OK;
    return fail(err, STATUS_UNSUPPORTED,
                "reading the tokenizer %s: it was not trained as BPE (kind %llu), which "
                "is not supported",
                path, (unsigned long long)kind);
}

static enum status read_normaliser(const char *path, const struct field *message,
                                   struct spm_options *options, struct error *err) {
    struct field f;
    bool good = true;
    for (const char *p = message->bytes;
         take_field(&p, message->bytes + message->length, &f, &good);) {
        if (f.number == NORMALISER_PREFIX && f.wire == 0) options->space_prefix = f.value != 0;
        if (f.number == NORMALISER_SQUEEZE && f.wire == 0) options->squeeze_space = f.value != 0;
        if (f.number == NORMALISER_MAP && f.wire == 2 && f.length)
            return fail(err, STATUS_UNSUPPORTED,
                        "reading the tokenizer %s: it maps characters before it "
                        "encodes them, which is not supported",
                        path);
    }
    return OK;
}

/* The special ids that Llama's models have by name. */
static void find_specials(struct vocabulary *v) {
    for (int32_t i = 0; i < v->n; i++) {
        const struct token *t = &v->token[i];
        if (t->type == TOKEN_UNKNOWN) v->unknown = i;
        if (t->type == TOKEN_CONTROL && t->length == 3 && !memcmp(t->bytes, "<s>", 3)) v->bos = i;
        if (t->type == TOKEN_CONTROL && t->length == 4 && !memcmp(t->bytes, "</s>", 4)) v->eos = i;
    }
}

enum status spm_from_protobuf(const char *path, const char *bytes, size_t size, struct tokenizer *t,
                              struct error *err) {
    struct spm_options options = {.space_prefix = true, .squeeze_space = true};
    struct field f;
    bool good = true;
    uint64_t n = 0;
    const char *p = bytes, *end = bytes + size;
    while (take_field(&p, end, &f, &good)) n += f.number == MODEL_PIECE && f.wire == 2;
    if (!good) return damaged(path, bytes, p, err);
    enum status status = vocabulary_open(&t->vocabulary, n, size, path, err);
    char *pool = t->vocabulary.pool;
    int64_t i = 0;
    for (p = bytes; status == OK && take_field(&p, end, &f, &good);) {
        if (f.wire != 2) continue;
        if (f.number == MODEL_PIECE) {
            struct token *token = &t->vocabulary.token[i];
            status = read_piece(&f, token, &pool) ? check_score(path, i, token->score, err)
                                                  : damaged(path, bytes, f.bytes, err);
            i++;
        }
        if (f.number == MODEL_TRAINER) status = check_trainer(path, &f, err);
        if (f.number == MODEL_NORMALISER) status = read_normaliser(path, &f, &options, err);
    }
    if (status != OK) return status;
    find_specials(&t->vocabulary);
    t->vocabulary.eot = t->vocabulary.bos; /* as above */
    t->adds_bos = t->vocabulary.bos >= 0;
    snprintf(t->kind, sizeof t->kind, "sentencepiece");
    return spm_from_vocabulary(path, options, t, err);
}
