/* model_llama2c.c: a model out of a llama2.c file: float32, adjacent pairs, constants that the format
 * does not carry. */
#include "runtime/llama2c.h"
#include "runtime/model_file.h"
#include "runtime/tokenizer.h"
#include <stdio.h>
#include <string.h>

static const float NORM_EPSILON = 1e-5f, ROPE_BASE = 10000; /* run.c's */

/* Arrays that have a part for every layer. */
struct cut {
    struct model *model;
    const struct gguf_tensor_type *type;
    int64_t layer;
};

static const unsigned char *part_of(const struct cut *c, const unsigned char *all,
                                    int64_t elements) {
    return all + (size_t)(c->layer * elements) * sizeof(float);
}

static struct matrix cut_matrix(const struct cut *c, const unsigned char *all, int64_t m, int64_t k,
                                struct head_order order) {
    model_count(c->model, c->type->name, m * k, (size_t)(m * k) * sizeof(float));
    return model_matrix(c->model, c->type, part_of(c, all, m * k), m, k, order);
}

static enum status cut_vector(const struct cut *c, const char *name, const unsigned char *all,
                              const float **out, struct error *err) {
    const int64_t n = c->model->width;
    model_count(c->model, c->type->name, n, (size_t)n * sizeof(float));
    return model_vector(c->model, name, c->type, part_of(c, all, n), n, (struct head_order){0}, out,
                        err);
}

static enum status cut_layer(const struct cut *c, const struct llama2c *file, struct error *err) {
    struct model *m = c->model;
    struct model_layer *layer = &m->layer[c->layer];
    const struct head_order plain = {0}, order = {m->head_size, m->head_size, true};
    const int64_t keys = m->n_kv_heads * m->head_size;
    layer->wq = cut_matrix(c, file->wq, m->width, m->width, order);
    layer->wk = cut_matrix(c, file->wk, keys, m->width, order);
    layer->wv = cut_matrix(c, file->wv, keys, m->width, plain);
    layer->wo = cut_matrix(c, file->wo, m->width, m->width, plain);
    layer->w_gate = cut_matrix(c, file->w_gate, m->hidden, m->width, plain);
    layer->w_up = cut_matrix(c, file->w_up, m->hidden, m->width, plain);
    layer->w_down = cut_matrix(c, file->w_down, m->width, m->hidden, plain);
    const enum status status =
        cut_vector(c, "rms_att_weight", file->attn_norm, &layer->attn_norm, err);
    return status == OK ? cut_vector(c, "rms_ffn_weight", file->ffn_norm, &layer->ffn_norm, err)
                        : status;
}

static enum status cut_all(struct model *m, const struct llama2c *file, struct error *err) {
    struct cut c = {m, gguf_tensor_type_find(0), 0}; /* F32 */
    const struct head_order plain = {0};
    enum status status = model_reserve(m, err);
    if (status == OK) status = model_frequencies(m, m->head_size, 1, NULL, err);
    if (status != OK) return status;
    m->embedding = cut_matrix(&c, file->embedding, m->vocabulary, m->width, plain);
    m->output = &m->embedding;
    if (!m->tied) {
        m->owned->output = cut_matrix(&c, file->output, m->vocabulary, m->width, plain);
        m->output = &m->owned->output;
    }
    status = cut_vector(&c, "rms_final_weight", file->final_norm, &m->final_norm, err);
    for (; status == OK && c.layer < m->n_layers; c.layer++) status = cut_layer(&c, file, err);
    return status;
}

static void take_facts(struct model *m, const struct llama2c *file) {
    snprintf(m->format, sizeof m->format, "llama2.c v0");
    snprintf(m->architecture, sizeof m->architecture, "llama");
    m->n_layers = file->n_layers, m->width = file->width, m->hidden = file->hidden;
    m->n_heads = file->n_heads, m->n_kv_heads = file->n_kv_heads, m->head_size = file->head_size;
    m->vocabulary = file->vocabulary, m->context = file->context, m->tied = file->tied;
    m->norm_epsilon = NORM_EPSILON;
    m->rope_base = ROPE_BASE;
    m->rope_magnitude = 1;
}

enum status model_read_llama2c(struct model *model, const char *tokenizer, struct error *err) {
    struct model_owned *owned = model->owned;
    struct llama2c file;
    enum status status = llama2c_parse(model->path, owned->map.bytes, owned->map.size, &file, err);
    if (status != OK) return status;
    owned->header_bytes = LLAMA2C_HEADER_BYTES;
    take_facts(model, &file);
    status = cut_all(model, &file, err);
    if (status == OK && tokenizer)
        status = tokenizer_from_file(tokenizer, model->vocabulary, &model->tokenizer, err);
    return status;
}
