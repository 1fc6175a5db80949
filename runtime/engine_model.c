/* engine_model.c: the model side of engine.h, a thin face over model.h, tokenizer.h and template.h. */
#include "runtime/engine_model.h"
#include "base/str.h"
#include "runtime/kv.h"
#include "runtime/template.h"
#include "runtime/tokenizer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct engine_model {
    struct model *model;
};

/* ---- the file ---- */

enum status engine_model_open(const char *path, const char *tokenizer,
                              const char *force_pretokenizer, struct engine_model **out,
                              struct error *err) {
    *out = memory_new(sizeof **out);
    const enum status status = model_open(path, tokenizer, force_pretokenizer, &(*out)->model, err);
    if (status == OK) return OK;
    free(*out);
    *out = NULL;
    return status;
}

const char *engine_shape_name(size_t i) {
    return shape_name(i);
}

void engine_model_close(struct engine_model *model) {
    if (!model) return;
    model_close(model->model);
    free(model);
}

const struct model *engine_model_get(const struct engine_model *model) {
    return model->model;
}

static void add_matrix(const struct matrix *matrix, int64_t *weights, double *bytes) {
    *weights += matrix->m * matrix->k;
    *bytes += weight_canonical_bytes(matrix->weight, matrix->m, matrix->k);
}

/* What a token reads and multiplies with. */
static void describe_work(const struct model *m, struct engine_model_facts *facts) {
    if (m->vocabulary_only) return;
    for (int64_t l = 0; l < m->n_layers; l++) {
        const struct model_layer *layer = &m->layer[l];
        const struct matrix *const matrices[] = {&layer->wq,    &layer->wk,     &layer->wv,
                                                 &layer->wo,    &layer->w_gate, &layer->w_up,
                                                 &layer->w_down};
        for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
            add_matrix(matrices[i], &facts->layer_weights, &facts->layer_bytes);
    }
    add_matrix(m->output, &facts->head_weights, &facts->head_bytes);
    facts->embedding_row_bytes = weight_canonical_bytes(m->embedding.weight, 1, m->embedding.k);
}

void engine_model_describe(const struct engine_model *model, struct engine_model_facts *facts) {
    const struct model *m = model->model;
    *facts = (struct engine_model_facts){
        .n_layers = m->n_layers,
        .width = m->width,
        .hidden = m->hidden,
        .n_heads = m->n_heads,
        .n_kv_heads = m->n_kv_heads,
        .head_size = m->head_size,
        .vocabulary = m->vocabulary_only ? tokenizer_size(m->tokenizer) : m->vocabulary,
        .context = m->context,
        .parameters = m->parameters,
        .file_bytes = m->file_bytes,
        .weight_bytes = m->weight_bytes,
        .n_types = m->n_types,
    };
    snprintf(facts->name, sizeof facts->name, "%s", m->name);
    snprintf(facts->architecture, sizeof facts->architecture, "%s", m->architecture);
    snprintf(facts->license, sizeof facts->license, "%s", m->license);
    snprintf(facts->path, sizeof facts->path, "%s", m->path);
    if (m->tokenizer)
        snprintf(facts->tokenizer, sizeof facts->tokenizer, "%s", tokenizer_kind(m->tokenizer));
    snprintf(facts->fingerprint, sizeof facts->fingerprint, "%s", m->fingerprint);
    _Static_assert(MODEL_TYPES <= sizeof facts->types / sizeof *facts->types, "every type fits");
    describe_work(m, facts);
    for (int i = 0; i < m->n_types; i++) {
        snprintf(facts->types[i].name, sizeof facts->types[i].name, "%s", m->type[i].name);
        facts->types[i].tensors = m->type[i].tensors;
        facts->types[i].bytes = m->type[i].bytes;
    }
}

int64_t engine_kv_bytes(const struct engine_model *model, int64_t positions, const char *kv_type) {
    const struct model *m = model->model;
    const struct kv_shape shape = {m->n_layers, m->n_kv_heads, m->head_size,
                                   kv_type && !strcmp(kv_type, "f32")};
    return kv_bytes(&shape, positions);
}

int64_t memory_needed(int64_t weight_bytes, int64_t kv_bytes) {
    enum { ACTIVATION_BYTES = 32 << 20 };
    return weight_bytes + kv_bytes + ACTIVATION_BYTES;
}

int64_t engine_memory_bytes(const struct engine_model *model, int64_t positions,
                            const char *kv_type) {
    return memory_needed(model->model->weight_bytes, engine_kv_bytes(model, positions, kv_type));
}

/* ---- tokens ---- */

static enum status need_tokenizer(const struct model *model, struct error *err) {
    if (model->tokenizer) return OK;
    return fail(err, STATUS_INVALID,
                "%s has no tokenizer: name one with --tokenizer FILE (a llama2.c tokenizer.bin or "
                "a SentencePiece .model)",
                model->path);
}

/* What was collected goes to the caller, or away. */
static enum status give_ids(enum status status, struct id_list *list, int32_t **ids, size_t *n) {
    if (status != OK) id_list_free(list);
    *ids = list->id;
    *n = list->n;
    return status;
}

enum status engine_tokenize(const struct engine_model *model, const char *text, size_t length,
                            bool add_bos, bool parse_special, int32_t **ids, size_t *n,
                            struct error *err) {
    struct id_list list = {0};
    const unsigned flags =
        (add_bos ? TOKENIZER_ADD_BOS : 0) | (parse_special ? TOKENIZER_PARSE_SPECIAL : 0);
    enum status status = need_tokenizer(model->model, err);
    if (status == OK)
        status = tokenizer_encode(model->model->tokenizer, text, length, flags, &list, err);
    return give_ids(status, &list, ids, n);
}

const char *engine_token_bytes(const struct engine_model *model, int32_t id, size_t *length) {
    *length = 0;
    return model->model->tokenizer ? tokenizer_bytes(model->model->tokenizer, id, false, length)
                                   : "";
}

bool engine_is_end(const struct engine_model *model, int32_t id) {
    return model->model->tokenizer && tokenizer_is_end(model->model->tokenizer, id);
}

int32_t engine_bos(const struct engine_model *model) {
    return model->model->tokenizer ? tokenizer_bos(model->model->tokenizer) : -1;
}

bool engine_adds_bos(const struct engine_model *model) {
    return model->model->tokenizer && tokenizer_adds_bos(model->model->tokenizer);
}

/* ---- conversations ---- */

static enum status choose_template(const struct model *model, const char *name,
                                   const struct template **out, struct error *err) {
    if (name && strcmp(name, "auto") != 0) return template_find(name, out, err);
    *out = template_recognise(model->chat_template);
    if (*out) return OK;
    struct str names = {0};
    for (size_t i = 0; template_at(i); i++)
        str_addf(&names, "%s%s", i ? ", " : "", template_name(template_at(i)));
    const enum status status =
        fail(err, STATUS_UNSUPPORTED, "%s has %s: choose one with --template: %s", model->path,
             model->chat_template ? "a chat template that is not known here" : "no chat template",
             str_text(&names));
    str_free(&names);
    return status;
}

/* The messages in the terms of template.h; the caller frees. */
static struct template_message *messages_of(const struct engine_message *messages, size_t n) {
    struct template_message *list = memory_new((n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++)
        list[i] = (struct template_message){messages[i].role, messages[i].text};
    return list;
}

enum status engine_chat_ids(const struct engine_model *model, const char *template_name,
                            const struct engine_message *messages, size_t n_messages, int32_t **ids,
                            size_t *n, struct error *err) {
    struct template_message *list = messages_of(messages, n_messages);
    struct id_list out = {0};
    const struct template *template;
    enum status status = need_tokenizer(model->model, err);
    if (status == OK) status = choose_template(model->model, template_name, &template, err);
    if (status == OK)
        status = template_ids(template, model->model->tokenizer, list, n_messages, &out, err);
    free(list);
    return give_ids(status, &out, ids, n);
}

enum status engine_chat_text(const struct engine_model *model, const char *template_name,
                             const struct engine_message *messages, size_t n_messages, char **text,
                             struct error *err) {
    struct template_message *list = messages_of(messages, n_messages);
    struct str out = {0};
    const struct template *template;
    enum status status = choose_template(model->model, template_name, &template, err);
    if (status == OK) status = template_text(template, list, n_messages, &out, err);
    free(list);
    *text = status == OK ? text_copy(str_text(&out)) : NULL;
    str_free(&out);
    return status;
}
