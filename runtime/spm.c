/* spm.c: SentencePiece's BPE: a text starts as its characters, neighbours join to the piece with the
 * highest score, characters without a piece become byte tokens. Pieces hold plain spaces here (files
 * write U+2581), so that text needs no escaping. */
#include "base/utf8.h"
#include "runtime/merge.h"
#include "runtime/vocabulary.h"
#include <stdlib.h>
#include <string.h>

struct spm {
    struct hash_map *pieces; /* bytes -> id */
    int32_t byte_id[256];    /* −1: none */
    size_t longest;          /* piece, in bytes */
    struct spm_options options;
};

/* One encode call: what find_piece looks at. */
struct spm_text {
    const struct spm *spm;
    const struct token *token;
    const char *text;
};

static int32_t find_piece(const void *context, const struct merge_node *left,
                          const struct merge_node *right, double *priority) {
    const struct spm_text *t = context;
    const size_t n = (size_t)left->length + (size_t)right->length;
    if (n > t->spm->longest) return -1;
    const int id = hash_map_find(t->spm->pieces, t->text + left->start, n);
    if (id >= 0) *priority = -(double)t->token[id].score;
    return id;
}

static enum status add_node(const struct tokenizer *t, const struct spm_text *text,
                            const struct merge_node *node, struct id_list *ids, struct error *err) {
    if (node->symbol >= 0) return id_list_add(ids, node->symbol, err);
    enum status status = OK;
    for (int32_t i = 0; status == OK && i < node->length; i++) {
        int32_t id = text->spm->byte_id[(unsigned char)text->text[node->start + i]];
        if (id < 0) id = t->vocabulary.unknown;
        if (id >= 0) status = id_list_add(ids, id, err);
    }
    return status;
}

static enum status encode_prepared(const struct tokenizer *t, const char *bytes, size_t n,
                                   struct id_list *ids, struct error *err) {
    const struct spm *spm = t->algorithm.state;
    const struct spm_text text = {spm, t->vocabulary.token, bytes};
    struct merge merge = {0};
    enum status status = OK;
    for (size_t i = 0, length; status == OK && i < n; i += length) {
        length = utf8_character(bytes + i, n - i);
        if (!length) length = 1;
        status = merge_add(&merge, (int32_t)i, (int32_t)length,
                           hash_map_find(spm->pieces, bytes + i, length), err);
    }
    if (status == OK) status = merge_run(&merge, find_piece, &text, err);
    for (int32_t i = merge.n ? 0 : -1; status == OK && i >= 0; i = merge.node[i].next)
        status = add_node(t, &text, &merge.node[i], ids, err);
    merge_free(&merge);
    return status;
}

/* The text as SentencePiece sees it; returns its length. */
static size_t prepare(const struct spm *spm, const char *text, size_t n, bool starts, char *out) {
    size_t length = 0;
    if (spm->options.squeeze_space) {
        while (n && text[n - 1] == ' ') n--;
        while (n && text[0] == ' ') text++, n--;
    }
    if (n && starts && spm->options.space_prefix) out[length++] = ' ';
    for (size_t i = 0; i < n; i++)
        if (!spm->options.squeeze_space || text[i] != ' ' || text[i - 1] != ' ')
            out[length++] = text[i];
    return length;
}

static enum status spm_encode(const struct tokenizer *t, const char *text, size_t n, bool starts,
                              struct id_list *ids, struct error *err) {
    char *bytes = malloc(n + 1);
    if (!bytes) return fail(err, STATUS_NOMEM, "encoding a text: no memory for %zu bytes", n);
    const size_t length = prepare(t->algorithm.state, text, n, starts, bytes);
    const enum status status = encode_prepared(t, bytes, length, ids, err);
    free(bytes);
    return status;
}

static void spm_close(void *state) {
    struct spm *spm = state;
    if (!spm) return;
    hash_map_close(spm->pieces);
    free(spm);
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* "<0x0A>" -> 10; −1: it is not written like that. */
static int byte_of_piece(const struct token *t) {
    if (t->length != 6 || memcmp(t->bytes, "<0x", 3) != 0 || t->bytes[5] != '>') return -1;
    const int high = hex_digit(t->bytes[3]), low = hex_digit(t->bytes[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* U+2581 becomes a space, in place. */
static void unescape(struct token *t, char *bytes) {
    uint32_t length = 0;
    for (uint32_t i = 0; i < t->length;) {
        const bool space = i + 3 <= t->length && !memcmp(t->bytes + i, "\xe2\x96\x81", 3);
        bytes[length++] = space ? ' ' : t->bytes[i];
        i += space ? 3 : 1;
    }
    t->length = length;
}

static enum status add_piece(const char *path, struct spm *spm, struct vocabulary *v, int64_t id,
                             struct error *err) {
    struct token *t = &v->token[id];
    char *bytes = v->pool + (t->bytes - v->pool);
    if (t->type == TOKEN_BYTE) {
        const int byte = byte_of_piece(t);
        if (byte < 0)
            return fail(err, STATUS_INVALID,
                        "reading the vocabulary of %s: token %lld is a byte, but not "
                        "written like <0x0A>",
                        path, (long long)id);
        if (spm->byte_id[byte] < 0) spm->byte_id[byte] = (int32_t)id;
        bytes[0] = (char)byte;
        t->length = 1;
        return OK;
    }
    if (t->type == TOKEN_CONTROL || t->type == TOKEN_UNKNOWN || !t->length) return OK;
    unescape(t, bytes);
    if (t->length > spm->longest) spm->longest = t->length;
    hash_map_add(spm->pieces, t->bytes, t->length, (int)id);
    return OK;
}

enum status spm_from_vocabulary(const char *path, struct spm_options options, struct tokenizer *t,
                                struct error *err) {
    struct spm *spm = calloc(1, sizeof *spm);
    if (!spm) return fail(err, STATUS_NOMEM, "reading the vocabulary of %s: no memory", path);
    t->algorithm = (struct algorithm){spm, spm_encode, spm_close, options.space_prefix};
    spm->options = options;
    spm->pieces = hash_map_open((size_t)t->vocabulary.n);
    for (int i = 0; i < 256; i++) spm->byte_id[i] = -1;
    enum status status = OK;
    for (int64_t i = 0; status == OK && i < t->vocabulary.n; i++)
        status = add_piece(path, spm, &t->vocabulary, i, err);
    return status;
}
