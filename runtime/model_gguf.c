/* model_gguf.c: a model out of a GGUF: the architectures that are known here, their numbers, and a
 * table of the tensors of a layer. A tensor that is not used is refused with the file: what it would
 * do (a bias, experts, a norm of Q and K) would silently be missing. */
#include "base/str.h"
#include "base/utf8.h"
#include "runtime/model_file.h"
#include "runtime/tokenizer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct architecture {
    const char *name;
    bool adjacent; /* Q and K rotate pairs side by side */
    bool has_bias; /* of Q, K and V: always; else where the file has it */
} architectures[] = {
    {"llama", true, false},
    {"qwen2", false, true},
};
enum { ARCHITECTURES = sizeof architectures / sizeof *architectures };

struct reader {
    const struct gguf *gguf;
    const struct architecture *architecture;
    struct model *model;
    struct head_order order; /* of Q and K */
    bool *is_used;           /* [n_tensors] */
    struct error *err;
};

/* ---- keys ---- */

static enum status get_text(struct reader *r, const char *key, char *out, size_t bytes) {
    struct gguf_text text = {"", 0};
    const enum status status = gguf_get_text(r->gguf, key, &text, r->err);
    if (status == OK) utf8_printable(text.bytes, text.length, out, bytes);
    return status;
}

/* The key of this architecture: "llama.block_count". */
static const char *key_of(const struct reader *r, const char *name, char key[64]) {
    snprintf(key, 64, "%s.%s", r->architecture->name, name);
    return key;
}

static enum status get_int(struct reader *r, const char *name, int64_t low, int64_t high,
                           int64_t *value) {
    char key[64];
    return gguf_get_int(r->gguf, key_of(r, name, key), low, high, value, r->err);
}

static enum status get_float(struct reader *r, const char *name, double low, double high,
                             float *value) {
    char key[64];
    return gguf_get_float(r->gguf, key_of(r, name, key), low, high, value, r->err);
}

/* Numbers that every file has. */
static const struct {
    const char *name;
    size_t member;
    int64_t high; /* from 1 */
} numbers[] = {
    {"block_count", offsetof(struct model, n_layers), 1 << 12},
    {"embedding_length", offsetof(struct model, width), 1 << 20},
    {"feed_forward_length", offsetof(struct model, hidden), 1 << 24},
    {"attention.head_count", offsetof(struct model, n_heads), 1 << 16},
    {"context_length", offsetof(struct model, context), 1 << 30},
};

static enum status missing_key(const struct reader *r, const char *name) {
    return fail(r->err, STATUS_INVALID, "reading %s: it has no key %s.%s", r->model->path,
                r->architecture->name, name);
}

static enum status read_numbers(struct reader *r) {
    enum status status = OK;
    for (size_t i = 0; status == OK && i < sizeof numbers / sizeof *numbers; i++) {
        int64_t *value = (int64_t *)((char *)r->model + numbers[i].member);
        status = get_int(r, numbers[i].name, 1, numbers[i].high, value);
        if (status == OK && *value == 0) status = missing_key(r, numbers[i].name);
    }
    r->model->norm_epsilon = 0;
    if (status == OK)
        status =
            get_float(r, "attention.layer_norm_rms_epsilon", 1e-12, 0.1, &r->model->norm_epsilon);
    if (status == OK && r->model->norm_epsilon == 0)
        status = missing_key(r, "attention.layer_norm_rms_epsilon");
    return status;
}

static enum status read_heads(struct reader *r) {
    struct model *m = r->model;
    int64_t value_length = 0, experts = 0;
    m->n_kv_heads = m->n_heads;
    enum status status = get_int(r, "attention.head_count_kv", 1, m->n_heads, &m->n_kv_heads);
    if (status == OK) status = get_int(r, "attention.key_length", 1, 1 << 16, &m->head_size);
    if (status == OK) status = get_int(r, "attention.value_length", 1, 1 << 16, &value_length);
    if (status == OK) status = get_int(r, "expert_count", 0, INT32_MAX, &experts);
    if (status != OK) return status;
    if (m->n_heads % m->n_kv_heads)
        return fail(r->err, STATUS_INVALID,
                    "reading %s: its %lld heads are no multiple of its %lld KV heads", m->path,
                    (long long)m->n_heads, (long long)m->n_kv_heads);
    if (m->head_size == 0 && m->width % m->n_heads)
        return fail(r->err, STATUS_INVALID,
                    "reading %s: its width %lld is no multiple of its %lld heads", m->path,
                    (long long)m->width, (long long)m->n_heads);
    if (m->head_size == 0) m->head_size = m->width / m->n_heads;
    if (m->head_size % 2)
        return fail(r->err, STATUS_INVALID, "reading %s: the head size %lld is odd", m->path,
                    (long long)m->head_size);
    if (value_length && value_length != m->head_size)
        return fail(r->err, STATUS_UNSUPPORTED,
                    "reading %s: keys of %lld and values of %lld components are not supported",
                    m->path, (long long)m->head_size, (long long)value_length);
    if (experts)
        return fail(r->err, STATUS_UNSUPPORTED,
                    "reading %s: a mixture of %lld experts is not supported", m->path,
                    (long long)experts);
    return OK;
}

/* ---- tensors ---- */

static enum status find_tensor(struct reader *r, const char *name, int64_t k, int64_t m,
                               const struct gguf_tensor **out) {
    const struct gguf_tensor *t = gguf_find_tensor(r->gguf, name);
    *out = t;
    if (!t)
        return fail(r->err, STATUS_INVALID, "reading %s: the tensor %s is missing", r->model->path,
                    name);
    r->is_used[t->line] = true;
    if (t->dimension[0] == k && t->dimension[1] == m && t->elements == k * m) return OK;
    return fail(r->err, STATUS_INVALID,
                "reading %s: tensor %s, described at byte %zu, is %lld x %lld x %lld x %lld; "
                "%lld x %lld was expected",
                r->model->path, name, t->offset, (long long)t->dimension[0],
                (long long)t->dimension[1], (long long)t->dimension[2], (long long)t->dimension[3],
                (long long)k, (long long)m);
}

static enum status take_matrix(struct reader *r, const char *name, int64_t m, int64_t k,
                               struct head_order order, struct matrix *out) {
    const struct gguf_tensor *t;
    const enum status status = find_tensor(r, name, k, m, &t);
    if (status == OK) *out = model_matrix(r->model, t->type, t->data, m, k, order);
    return status;
}

static enum status take_vector(struct reader *r, const char *name, int64_t n,
                               struct head_order order, const float **out) {
    const struct gguf_tensor *t;
    const enum status status = find_tensor(r, name, n, 1, &t);
    return status == OK ? model_vector(r->model, name, t->type, t->data, n, order, out, r->err)
                        : status;
}

/* Sizes that shapes are made of. */
enum size { NOTHING, WIDTH, HIDDEN, QUERIES, KEYS, SIZES };

/* The tensors of a layer: "blk.<layer>.<name>". */
static const struct layer_tensor {
    const char *name;
    size_t member; /* of struct model_layer: a matrix, or a vector when it has no columns */
    enum size rows, columns;
    bool rotates, is_bias;
} layer_tensors[] = {
    {"attn_norm.weight", offsetof(struct model_layer, attn_norm), WIDTH, NOTHING, false, false},
    {"attn_q.weight", offsetof(struct model_layer, wq), QUERIES, WIDTH, true, false},
    {"attn_k.weight", offsetof(struct model_layer, wk), KEYS, WIDTH, true, false},
    {"attn_v.weight", offsetof(struct model_layer, wv), KEYS, WIDTH, false, false},
    {"attn_q.bias", offsetof(struct model_layer, bq), QUERIES, NOTHING, true, true},
    {"attn_k.bias", offsetof(struct model_layer, bk), KEYS, NOTHING, true, true},
    {"attn_v.bias", offsetof(struct model_layer, bv), KEYS, NOTHING, false, true},
    {"attn_output.weight", offsetof(struct model_layer, wo), WIDTH, QUERIES, false, false},
    {"ffn_norm.weight", offsetof(struct model_layer, ffn_norm), WIDTH, NOTHING, false, false},
    {"ffn_gate.weight", offsetof(struct model_layer, w_gate), HIDDEN, WIDTH, false, false},
    {"ffn_up.weight", offsetof(struct model_layer, w_up), HIDDEN, WIDTH, false, false},
    {"ffn_down.weight", offsetof(struct model_layer, w_down), WIDTH, HIDDEN, false, false},
};

static enum status take_layer(struct reader *r, int64_t layer) {
    const struct model *m = r->model;
    const int64_t sizes[SIZES] = {
        [WIDTH] = m->width,
        [HIDDEN] = m->hidden,
        [QUERIES] = m->n_heads * m->head_size,
        [KEYS] = m->n_kv_heads * m->head_size,
    };
    const bool has_bias = r->architecture->has_bias;
    enum status status = OK;
    for (size_t i = 0; status == OK && i < sizeof layer_tensors / sizeof *layer_tensors; i++) {
        const struct layer_tensor *t = &layer_tensors[i];
        const struct head_order order = t->rotates ? r->order : (struct head_order){0};
        char *member = (char *)&m->layer[layer] + t->member;
        char name[64];
        snprintf(name, sizeof name, "blk.%lld.%s", (long long)layer, t->name);
        if (t->is_bias && !has_bias && !gguf_find_tensor(r->gguf, name)) continue;
        if (t->columns == NOTHING)
            status = take_vector(r, name, sizes[t->rows], order, (const float **)member);
        else
            status = take_matrix(r, name, sizes[t->rows], sizes[t->columns], order,
                                 (struct matrix *)member);
    }
    return status;
}

static enum status take_embedding(struct reader *r) {
    enum { VOCABULARY_MOST = 1 << 24 };
    struct model *m = r->model;
    const struct head_order plain = {0};
    const struct gguf_tensor *embedding = gguf_find_tensor(r->gguf, "token_embd.weight");
    m->vocabulary = embedding ? embedding->dimension[1] : 1;
    if (m->vocabulary > VOCABULARY_MOST)
        return fail(r->err, STATUS_INVALID, "reading %s: token_embd.weight has %lld rows", m->path,
                    (long long)m->vocabulary);
    enum status status =
        take_matrix(r, "token_embd.weight", m->vocabulary, m->width, plain, &m->embedding);
    m->tied = !gguf_find_tensor(r->gguf, "output.weight");
    m->output = &m->embedding;
    if (status == OK && !m->tied) {
        m->output = &m->owned->output;
        status = take_matrix(r, "output.weight", m->vocabulary, m->width, plain, &m->owned->output);
    }
    if (status == OK)
        status = take_vector(r, "output_norm.weight", m->width, plain, &m->final_norm);
    return status;
}

static enum status refuse_unused(const struct reader *r) {
    for (size_t i = 0; i < r->gguf->n_tensors; i++) {
        const struct gguf_tensor *t = &r->gguf->tensor[i];
        if (!r->is_used[i])
            return fail(r->err, STATUS_UNSUPPORTED,
                        "reading %s: the architecture %s has no tensor %.*s here: this variant of "
                        "it is not supported",
                        r->model->path, r->architecture->name,
                        (int)(t->name.length < 80 ? t->name.length : 80), t->name.bytes);
    }
    return OK;
}

/* ---- rotation ---- */

static enum status read_scaling(struct reader *r, float *factor) {
    char key[64], kind[32] = "linear"; /* what a factor without a type means */
    enum status status = OK;
    if (gguf_find_key(r->gguf, key_of(r, "rope.scaling.type", key)))
        status = get_text(r, key, kind, sizeof kind);
    if (status == OK && strcmp(kind, "linear") != 0 && strcmp(kind, "none") != 0)
        return fail(r->err, STATUS_UNSUPPORTED,
                    "reading %s: the rope scaling \"%s\" is not supported; linear is",
                    r->model->path, kind);
    *factor = 1;
    if (status == OK) status = get_float(r, "rope.scale_linear", 1e-3, 1e6, factor); /* old */
    if (status == OK) status = get_float(r, "rope.scaling.factor", 1e-3, 1e6, factor);
    if (!strcmp(kind, "none")) *factor = 1;
    r->model->rope_magnitude = 1;
    return status == OK
               ? get_float(r, "rope.scaling.attn_factor", 1e-3, 1e3, &r->model->rope_magnitude)
               : status;
}

/* Llama 3 keeps a factor for every pair in a tensor. */
static enum status read_factors(struct reader *r, int64_t n, const float **factors) {
    *factors = NULL;
    if (!gguf_find_tensor(r->gguf, "rope_freqs.weight")) return OK;
    const enum status status =
        take_vector(r, "rope_freqs.weight", n, (struct head_order){0}, factors);
    for (int64_t i = 0; status == OK && i < n; i++)
        if (!((*factors)[i] >= 1e-6f && (*factors)[i] <= 1e6f))
            return fail(r->err, STATUS_INVALID,
                        "reading %s: element %lld of tensor rope_freqs.weight is %g; 1e-06 to "
                        "1e+06 are allowed",
                        r->model->path, (long long)i, (double)(*factors)[i]);
    return status;
}

static enum status read_rotation(struct reader *r) {
    struct model *m = r->model;
    int64_t rotary = m->head_size;
    float factor = 1;
    const float *factors = NULL;
    m->rope_base = 10000;
    enum status status = get_int(r, "rope.dimension_count", 2, m->head_size, &rotary);
    if (status == OK && rotary % 2)
        return fail(r->err, STATUS_INVALID, "reading %s: %s.rope.dimension_count %lld is odd",
                    m->path, r->architecture->name, (long long)rotary);
    if (status == OK) status = get_float(r, "rope.freq_base", 1, 1e12, &m->rope_base);
    if (status == OK) status = read_scaling(r, &factor);
    if (status == OK) status = read_factors(r, rotary / 2, &factors);
    r->order = (struct head_order){m->head_size, rotary, r->architecture->adjacent};
    return status == OK ? model_frequencies(m, rotary, factor, factors, r->err) : status;
}

/* ---- the whole ---- */

static enum status find_architecture(struct reader *r) {
    struct str known = {0};
    for (size_t i = 0; i < ARCHITECTURES; i++) {
        if (!strcmp(architectures[i].name, r->model->architecture))
            r->architecture = &architectures[i];
        str_addf(&known, "%s%s", i ? ", " : "", architectures[i].name);
    }
    enum status status = OK;
    if (!r->architecture)
        status = fail(r->err, STATUS_UNSUPPORTED,
                      "reading %s: the architecture \"%s\" is not known; %s are", r->model->path,
                      r->model->architecture, str_text(&known));
    str_free(&known);
    return status;
}

static enum status read_weights(struct reader *r) {
    struct model *m = r->model;
    enum status status = find_architecture(r);
    if (status == OK) status = read_numbers(r);
    if (status == OK) status = read_heads(r);
    if (status == OK && (size_t)m->n_layers > r->gguf->n_tensors)
        status = fail(r->err, STATUS_INVALID, "reading %s: %lld layers in %zu tensors", m->path,
                      (long long)m->n_layers, r->gguf->n_tensors);
    if (status == OK) status = model_reserve(m, r->err);
    if (status == OK) status = read_rotation(r);
    if (status == OK) status = take_embedding(r);
    for (int64_t i = 0; status == OK && i < m->n_layers; i++) status = take_layer(r, i);
    if (status == OK) status = refuse_unused(r);
    for (size_t i = 0; status == OK && i < r->gguf->n_tensors; i++) {
        const struct gguf_tensor *t = &r->gguf->tensor[i];
        model_count(m, t->type->name, t->elements, t->size_bytes);
    }
    return status;
}

static enum status read_facts(struct reader *r) {
    struct model *m = r->model;
    struct gguf_text template = {NULL, 0};
    snprintf(m->format, sizeof m->format, "GGUF v%u", (unsigned)r->gguf->version);
    enum status status = OK;
    if (gguf_find_key(r->gguf, "general.name"))
        status = get_text(r, "general.name", m->name, sizeof m->name);
    if (status == OK)
        status = get_text(r, "general.architecture", m->architecture, sizeof m->architecture);
    if (status == OK) status = get_text(r, "general.license", m->license, sizeof m->license);
    if (status == OK) status = gguf_get_text(r->gguf, "tokenizer.chat_template", &template, r->err);
    if (status == OK && template.bytes) {
        m->chat_template = strndup(template.bytes, template.length);
        if (!m->chat_template)
            status =
                fail(r->err, STATUS_NOMEM, "reading %s: no memory for its chat template", m->path);
    }
    return status;
}

/* An id that the tokenizer makes must be a row of the embedding; rows beyond are padding. */
static enum status read_tokenizer(struct reader *r, const char *force_pretokenizer) {
    struct model *m = r->model;
    const enum status status =
        tokenizer_from_gguf(r->gguf, force_pretokenizer, &m->tokenizer, r->err);
    if (status != OK || m->vocabulary_only || tokenizer_size(m->tokenizer) <= m->vocabulary)
        return status;
    return fail(r->err, STATUS_INVALID,
                "reading %s: its tokenizer has %lld tokens, token_embd.weight only %lld rows",
                m->path, (long long)tokenizer_size(m->tokenizer), (long long)m->vocabulary);
}

enum status model_read_gguf(struct model *model, const char *force_pretokenizer,
                            struct error *err) {
    struct model_owned *owned = model->owned;
    enum status status =
        gguf_open_bytes(model->path, owned->map.bytes, owned->map.size, &owned->gguf, err);
    if (status != OK) return status;
    struct reader r = {.gguf = owned->gguf, .model = model, .err = err};
    owned->header_bytes = r.gguf->header_bytes;
    r.is_used = calloc(r.gguf->n_tensors + 1, sizeof *r.is_used);
    if (!r.is_used) return fail(err, STATUS_NOMEM, "reading %s: no memory", model->path);
    model->vocabulary_only = r.gguf->n_tensors == 0;
    status = read_facts(&r);
    if (status == OK && !model->vocabulary_only) status = read_weights(&r);
    if (status == OK) status = read_tokenizer(&r, force_pretokenizer);
    free(r.is_used);
    return status;
}
