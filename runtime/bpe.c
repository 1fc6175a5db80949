/* bpe.c: byte-level BPE: a text is cut into words by regular expressions (pretokenizers.def), a word
 * starts as its bytes, neighbours merge in the order of the file's list. GPT-2's files write bytes as
 * printable characters; they are turned back into bytes once, at opening, so that everything after
 * works on the text itself. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/str.h"
#include "base/utf8.h"
#include "runtime/gguf.h"
#include "runtime/merge.h"
#include "runtime/vocabulary.h"
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REGEX_MOST = 6 };

struct pretokenizer {
    const char *name;
    bool adds_bos, whole_words;
    const char *regex[REGEX_MOST + 1]; /* NULL after the last */
};

static const struct pretokenizer pretokenizers[] = {
#define PRETOKENIZER(name, adds_bos, whole_words, ...) {name, adds_bos, whole_words, {__VA_ARGS__}},
#include "runtime/pretokenizers.def"
#undef PRETOKENIZER
};
enum { PRETOKENIZERS = sizeof pretokenizers / sizeof *pretokenizers };

/* A symbol below the vocabulary's size is a token; those above are only steps on the way to one. */
struct pair {
    int32_t left, right; /* symbols */
};

struct bpe {
    const struct pretokenizer *pre;
    pcre2_code *regex[REGEX_MOST];
    pcre2_match_context *limits;
    struct hash_map *symbols; /* bytes -> symbol */
    int32_t byte_symbol[256]; /* −1: the vocabulary lacks it */
    struct hash_map *ranks;   /* struct pair -> index of the merge */
    struct pair *pair;        /* [merges] */
    int32_t *joined;          /* [merges] the symbol that the pair becomes */
    char *pool;               /* bytes of the merges */
};

/* ---- opening: bytes written as characters ---- */

/* The byte that GPT-2's character stands for, −1: none. Printable Latin-1 stands for itself, the other
 * 68 bytes follow from U+0100 on. */
static int byte_of_character(int character) {
    static const struct { int first, last; } others[] = {{0, 32}, {127, 160}, {173, 173}};
    const bool itself = (character > 32 && character < 127) ||
                        (character > 160 && character < 256 && character != 173);
    if (itself) return character;
    int index = character - 256;
    for (int i = 0; i < 3 && index >= 0; i++) {
        const int n = others[i].last - others[i].first + 1;
        if (index < n) return others[i].first + index;
        index -= n;
    }
    return -1;
}

/* The byte that the character at text[*i] stands for, −1: none; *i moves behind it. */
static int next_byte(const char *text, size_t n, size_t *i) {
    const unsigned char first = (unsigned char)text[(*i)++];
    if (first < 0x80) return byte_of_character(first);
    if (first < 0xc2 || first > 0xc5 || *i >= n || (text[*i] & 0xc0) != 0x80) return -1;
    return byte_of_character((first & 31) << 6 | (text[(*i)++] & 63));
}

/* Decode n bytes of such text to `out` (may be the same memory, or NULL); −1: some character is no byte. */
static int64_t bytes_of_text(const char *text, size_t n, char *out) {
    int64_t length = 0;
    for (size_t i = 0; i < n; length++) {
        const int byte = next_byte(text, n, &i);
        if (byte < 0) return -1;
        if (out) out[length] = (char)byte;
    }
    return length;
}

/* Normal tokens become bytes; one that is no such text stays as it is. */
static void decode_tokens(struct vocabulary *v) {
    for (int64_t i = 0; i < v->n; i++) {
        struct token *t = &v->token[i];
        if (t->type != TOKEN_NORMAL || bytes_of_text(t->bytes, t->length, NULL) < 0) continue;
        t->length = (uint32_t)bytes_of_text(t->bytes, t->length, v->pool + (t->bytes - v->pool));
    }
}

static void index_tokens(struct bpe *bpe, const struct vocabulary *v, enum token_type type) {
    for (int64_t i = 0; i < v->n; i++)
        if (v->token[i].type == type && v->token[i].length)
            hash_map_add(bpe->symbols, v->token[i].bytes, v->token[i].length, (int)i);
}

/* ---- opening: merges ---- */

/* The symbol of these bytes, a new one when there is none. */
static int32_t symbol_of(struct bpe *bpe, const char *bytes, size_t n, int32_t *n_symbols) {
    const int known = hash_map_find(bpe->symbols, bytes, n);
    if (known >= 0) return known;
    hash_map_add(bpe->symbols, bytes, n, *n_symbols);
    return (*n_symbols)++;
}

static enum status bad_merge(const struct gguf *gguf, uint64_t i, struct error *err) {
    return fail(err, STATUS_INVALID,
                "reading %s: tokenizer.ggml.merges: number %llu is not two texts with a "
                "space between",
                gguf->path, (unsigned long long)i);
}

/* One merge: its halves as bytes, side by side in the pool, which advances. */
static enum status read_merge(const struct gguf *gguf, struct bpe *bpe, uint64_t i,
                              struct gguf_text text, char **pool, int32_t *n_symbols,
                              struct error *err) {
    const char *space = text.length > 2 ? memchr(text.bytes + 1, ' ', text.length - 2) : NULL;
    if (!space || text.length > INT32_MAX / 2) return bad_merge(gguf, i, err);
    char *bytes = *pool;
    const int64_t left = bytes_of_text(text.bytes, (size_t)(space - text.bytes), bytes);
    if (left <= 0) return bad_merge(gguf, i, err);
    const size_t rest = text.length - (size_t)(space + 1 - text.bytes);
    const int64_t right = bytes_of_text(space + 1, rest, bytes + left);
    if (right <= 0) return bad_merge(gguf, i, err);
    *pool += left + right;
    bpe->pair[i].left = symbol_of(bpe, bytes, (size_t)left, n_symbols);
    bpe->pair[i].right = symbol_of(bpe, bytes + left, (size_t)right, n_symbols);
    bpe->joined[i] = symbol_of(bpe, bytes, (size_t)(left + right), n_symbols);
    hash_map_add(bpe->ranks, &bpe->pair[i], sizeof bpe->pair[i],
                 (int)i); /* the first of equals counts */
    return OK;
}

static enum status read_merges(const struct gguf *gguf, struct bpe *bpe, const struct vocabulary *v,
                               struct error *err) {
    const struct gguf_key *merges;
    enum status status = gguf_get_array(gguf, "tokenizer.ggml.merges", GGUF_STRING, &merges, err);
    if (status != OK) return status;
    const uint64_t n = merges ? merges->count : 0;
    if (n > INT32_MAX / 8)
        return fail(err, STATUS_INVALID, "reading %s: tokenizer.ggml.merges has %llu entries",
                    gguf->path, (unsigned long long)n);
    size_t bytes = 0;
    const unsigned char *cursor = merges ? merges->values : NULL;
    for (uint64_t i = 0; i < n; i++) bytes += gguf_array_text(&cursor).length;
    bpe->pair = calloc(n + 1, sizeof *bpe->pair);
    bpe->joined = calloc(n + 1, sizeof *bpe->joined);
    bpe->pool = malloc(bytes + 1);
    if (!bpe->pair || !bpe->joined || !bpe->pool)
        return fail(err, STATUS_NOMEM, "reading %s: no memory for %llu merges", gguf->path,
                    (unsigned long long)n);
    bpe->ranks = hash_map_open(n);
    int32_t n_symbols = (int32_t)v->n;
    char *pool = bpe->pool;
    cursor = merges ? merges->values : NULL;
    for (uint64_t i = 0; status == OK && i < n; i++)
        status = read_merge(gguf, bpe, i, gguf_array_text(&cursor), &pool, &n_symbols, err);
    return status;
}

/* ---- opening: the pre-tokenizer ---- */

static const struct pretokenizer *find_pretokenizer(const char *name, size_t n) {
    for (size_t i = 0; i < PRETOKENIZERS; i++)
        if (strlen(pretokenizers[i].name) == n && !memcmp(pretokenizers[i].name, name, n))
            return &pretokenizers[i];
    return NULL;
}

static enum status unknown_pretokenizer(const struct gguf *gguf, struct gguf_text name,
                                        const char *force, struct error *err) {
    struct str known = {0};
    char shown[64];
    for (size_t i = 0; i < PRETOKENIZERS; i++)
        str_addf(&known, "%s%s", i ? ", " : "", pretokenizers[i].name);
    const enum status status =
        fail(err, STATUS_UNSUPPORTED,
             "reading the tokenizer of %s: the pre-tokenizer %s%s is not known; force one of "
             "these if you know that it fits: %s",
             gguf->path,
             force         ? force
             : name.length ? utf8_printable(name.bytes, name.length, shown, sizeof shown)
                           : "(none is named)",
             force ? " that was asked for" : "", str_text(&known));
    str_free(&known);
    return status;
}

static enum status choose_pretokenizer(const struct gguf *gguf, const char *force, struct bpe *bpe,
                                       struct error *err) {
    struct gguf_text name = {"", 0};
    const enum status status = gguf_get_text(gguf, "tokenizer.ggml.pre", &name, err);
    if (status != OK) return status;
    bpe->pre = find_pretokenizer(name.bytes, name.length);
    if (!bpe->pre && force) bpe->pre = find_pretokenizer(force, strlen(force));
    return bpe->pre ? OK : unknown_pretokenizer(gguf, name, force, err);
}

static enum status compile_regexes(struct bpe *bpe, struct error *err) {
    enum { MATCH_LIMIT = 100000000, HEAP_LIMIT_KIB = 1 << 18 };
    bpe->limits = pcre2_match_context_create(NULL);
    if (!bpe->limits)
        return fail(err, STATUS_NOMEM, "compiling the pre-tokenizer %s: no memory", bpe->pre->name);
    pcre2_set_match_limit(bpe->limits, MATCH_LIMIT);
    pcre2_set_heap_limit(bpe->limits, HEAP_LIMIT_KIB);
    for (int i = 0; bpe->pre->regex[i]; i++) {
        int number;
        PCRE2_SIZE at;
        bpe->regex[i] = pcre2_compile((PCRE2_SPTR)bpe->pre->regex[i], PCRE2_ZERO_TERMINATED,
                                      PCRE2_UTF | PCRE2_UCP, &number, &at, NULL);
        if (!bpe->regex[i]) {
            char text[128];
            pcre2_get_error_message(number, (PCRE2_UCHAR *)text, sizeof text);
            return fail(err, STATUS_UNSUPPORTED,
                        "compiling expression %d of the pre-tokenizer %s: %s at %zu", i,
                        bpe->pre->name, text, (size_t)at);
        }
        pcre2_jit_compile(bpe->regex[i], PCRE2_JIT_COMPLETE); /* without it: the same, slower */
    }
    return OK;
}

/* ---- cutting a text into words ---- */

/* Where pieces end; the first starts at 0. */
struct cuts {
    int32_t *end;
    size_t n, capacity;
};

static enum status cuts_add(struct cuts *cuts, size_t end, struct error *err) {
    if (cuts->n == cuts->capacity) {
        const size_t capacity = cuts->capacity ? 2 * cuts->capacity : 256;
        int32_t *grown = realloc(cuts->end, capacity * sizeof *grown);
        if (!grown)
            return fail(err, STATUS_NOMEM, "encoding a text: no memory for %zu words", capacity);
        cuts->end = grown;
        cuts->capacity = capacity;
    }
    cuts->end[cuts->n++] = (int32_t)end;
    return OK;
}

/* Everything that one encode call needs. */
struct work {
    struct merge merge;
    struct cuts cuts, finer;
    pcre2_match_data *match;
};

/* Cut text[begin, end) by one expression, which sees nothing outside of it. */
static enum status cut_piece(const struct bpe *bpe, pcre2_code *regex, struct work *work,
                             const char *text, size_t begin, size_t end, struct error *err) {
    const PCRE2_SPTR piece = (PCRE2_SPTR)text + begin;
    const size_t n = end - begin;
    enum status status = OK;
    size_t at = 0;
    while (status == OK && at < n) {
        const uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
        int found = pcre2_match(regex, piece, n, at, options, work->match, bpe->limits);
        if (found == PCRE2_ERROR_JIT_STACKLIMIT)
            found =
                pcre2_match(regex, piece, n, at, options | PCRE2_NO_JIT, work->match, bpe->limits);
        if (found == PCRE2_ERROR_NOMATCH) break;
        if (found < 0)
            return fail(err, STATUS_INVALID,
                        "encoding a text: the pre-tokenizer %s gives up at byte %zu (%d)",
                        bpe->pre->name, begin + at, found);
        const PCRE2_SIZE *match = pcre2_get_ovector_pointer(work->match);
        if (match[0] > at) status = cuts_add(&work->finer, begin + match[0], err);
        if (status == OK) status = cuts_add(&work->finer, begin + match[1], err);
        at = match[1];
    }
    return status == OK && at < n ? cuts_add(&work->finer, end, err) : status;
}

/* The words of n bytes of UTF-8, in work->cuts. */
static enum status cut_words(const struct bpe *bpe, struct work *work, const char *text, size_t n,
                             struct error *err) {
    work->cuts.n = 0;
    enum status status = cuts_add(&work->cuts, n, err);
    for (int i = 0; status == OK && bpe->pre->regex[i]; i++) {
        work->finer.n = 0;
        for (size_t piece = 0; status == OK && piece < work->cuts.n; piece++)
            status = cut_piece(bpe, bpe->regex[i], work, text,
                               piece ? (size_t)work->cuts.end[piece - 1] : 0,
                               (size_t)work->cuts.end[piece], err);
        const struct cuts coarser = work->cuts;
        work->cuts = work->finer;
        work->finer = coarser;
    }
    return status;
}

/* ---- from words to ids ---- */

static int32_t find_merge(const void *context, const struct merge_node *left,
                          const struct merge_node *right, double *priority) {
    const struct bpe *bpe = context;
    const struct pair pair = {left->symbol, right->symbol};
    const int rank = hash_map_find(bpe->ranks, &pair, sizeof pair);
    if (rank < 0) return -1;
    *priority = rank;
    return bpe->joined[rank];
}

/* The bytes of a symbol that is no token, one by one. Those that the vocabulary lacks are left out: its
 * unknown token is often the end of text, which a text must not be able to say. */
static enum status add_bytes(const struct bpe *bpe, const char *text, size_t n, struct id_list *ids,
                             struct error *err) {
    enum status status = OK;
    for (size_t i = 0; status == OK && i < n; i++) {
        const int32_t id = bpe->byte_symbol[(unsigned char)text[i]];
        if (id >= 0) status = id_list_add(ids, id, err);
    }
    return status;
}

static enum status encode_word(const struct tokenizer *t, struct work *work, const char *text,
                               size_t n, struct id_list *ids, struct error *err) {
    const struct bpe *bpe = t->algorithm.state;
    if (bpe->pre->whole_words) {
        const int whole = hash_map_find(bpe->symbols, text, n);
        if (whole >= 0 && whole < t->vocabulary.n) return id_list_add(ids, whole, err);
    }
    struct merge *merge = &work->merge;
    merge_clear(merge);
    enum status status = OK;
    for (size_t i = 0; status == OK && i < n; i++)
        status = merge_add(merge, (int32_t)i, 1, bpe->byte_symbol[(unsigned char)text[i]], err);
    if (status == OK) status = merge_run(merge, find_merge, bpe, err);
    for (int32_t i = 0; status == OK && i >= 0; i = merge->node[i].next) {
        const struct merge_node *node = &merge->node[i];
        if (node->symbol >= 0 && node->symbol < t->vocabulary.n)
            status = id_list_add(ids, node->symbol, err);
        else status = add_bytes(bpe, text + node->start, (size_t)node->length, ids, err);
    }
    return status;
}

/* The longest run from here that is all UTF-8, or all not. */
static size_t run_length(const char *text, size_t n, bool *is_utf8) {
    size_t i = utf8_character(text, n);
    *is_utf8 = i > 0;
    if (!i) i = 1;
    while (i < n) {
        const size_t next = utf8_character(text + i, n - i);
        if ((next > 0) != *is_utf8) break;
        i += next ? next : 1;
    }
    return i;
}

static enum status encode_run(const struct tokenizer *t, struct work *work, const char *text,
                              size_t n, struct id_list *ids, struct error *err) {
    enum status status = cut_words(t->algorithm.state, work, text, n, err);
    size_t begin = 0;
    for (size_t i = 0; status == OK && i < work->cuts.n; i++) {
        const size_t end = (size_t)work->cuts.end[i];
        status = encode_word(t, work, text + begin, end - begin, ids, err);
        begin = end;
    }
    return status;
}

static enum status bpe_encode(const struct tokenizer *t, const char *text, size_t n, bool starts,
                              struct id_list *ids, struct error *err) {
    (void)starts;
    struct work work = {.match = pcre2_match_data_create(1, NULL)};
    enum status status = work.match ? OK : fail(err, STATUS_NOMEM, "encoding a text: no memory");
    for (size_t at = 0, length; status == OK && at < n; at += length) {
        bool is_utf8;
        length = run_length(text + at, n - at, &is_utf8);
        status = is_utf8 ? encode_run(t, &work, text + at, length, ids, err)
                         : encode_word(t, &work, text + at, length, ids, err);
    }
    merge_free(&work.merge);
    free(work.cuts.end);
    free(work.finer.end);
    pcre2_match_data_free(work.match);
    return status;
}

/* ---- open and close ---- */

static void bpe_close(void *state) {
    struct bpe *bpe = state;
    if (!bpe) return;
    for (int i = 0; i < REGEX_MOST; i++) pcre2_code_free(bpe->regex[i]);
    pcre2_match_context_free(bpe->limits);
    hash_map_close(bpe->symbols);
    hash_map_close(bpe->ranks);
    free(bpe->pair);
    free(bpe->joined);
    free(bpe->pool);
    free(bpe);
}

enum status bpe_from_gguf(const struct gguf *gguf, const char *force_pretokenizer,
                          struct tokenizer *t, struct error *err) {
    struct bpe *bpe = calloc(1, sizeof *bpe);
    if (!bpe) return fail(err, STATUS_NOMEM, "reading the tokenizer of %s: no memory", gguf->path);
    t->algorithm = (struct algorithm){bpe, bpe_encode, bpe_close, false};
    enum status status = choose_pretokenizer(gguf, force_pretokenizer, bpe, err);
    if (status == OK) status = compile_regexes(bpe, err);
    if (status == OK) status = vocabulary_from_gguf(gguf, &t->vocabulary, err);
    if (status != OK) return status;
    decode_tokens(&t->vocabulary);
    bpe->symbols = hash_map_open((size_t)t->vocabulary.n);
    index_tokens(bpe, &t->vocabulary, TOKEN_NORMAL);
    index_tokens(bpe, &t->vocabulary, TOKEN_USER);
    for (int i = 0; i < 256; i++) {
        const char byte = (char)i;
        bpe->byte_symbol[i] = hash_map_find(bpe->symbols, &byte, 1);
    }
    status = read_merges(gguf, bpe, &t->vocabulary, err);
    t->adds_bos = bpe->pre->adds_bos;
    if (status == OK)
        status = gguf_get_bool(gguf, "tokenizer.ggml.add_bos_token", &t->adds_bos, err);
    if (t->vocabulary.bos < 0) t->adds_bos = false;
    snprintf(t->kind, sizeof t->kind, "bpe %s", bpe->pre->name);
    return status;
}
