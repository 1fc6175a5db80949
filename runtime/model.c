/* model.c: see model.h. Opening by name and content, the rows of matrices, what the model owns. */
#include "runtime/model.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "runtime/llama2c.h"
#include "runtime/model_file.h"
#include "runtime/tokenizer.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LAYER_MATRICES = 7, LAYER_VECTORS = 5, OTHERS = 2 }; /* embedding, output; norm, factors */

/* ---- rows ---- */

/* The row of the file that is our row: pairs side by side, or halves, become halves of the whole head;
 * components that do not rotate are paired too, because their frequency is 0. */
static int64_t file_row(const struct head_order *order, int64_t row) {
    if (order->size == 0) return row;
    const int64_t component = row % order->size, half = order->size / 2;
    const int64_t pair = component % half, second = component / half;
    const bool side_by_side = order->adjacent || pair >= order->rotary / 2;
    return row - component +
           (side_by_side ? 2 * pair + second : pair + second * (order->rotary / 2));
}

static void read_row(const struct matrix *matrix, int64_t m, struct weight_row *row) {
    const struct matrix_source *source = matrix->context;
    source->type->decode(source->data + (size_t)file_row(&source->order, m) * source->row_bytes,
                         matrix->k / source->type->block, row);
}

struct matrix model_matrix(struct model *model, const struct gguf_tensor_type *type,
                           const unsigned char *data, int64_t m, int64_t k,
                           struct head_order order) {
    struct model_owned *owned = model->owned;
    assert(owned->n_sources < (size_t)model->n_layers * LAYER_MATRICES + OTHERS);
    struct matrix_source *source = &owned->source[owned->n_sources++];
    *source = (struct matrix_source){type, data,
                                     (size_t)(k / type->block) * (size_t)type->block_bytes, order};
    return (struct matrix){type->weight, m, k, read_row, source};
}

enum status model_vector(struct model *model, const char *name, const struct gguf_tensor_type *type,
                         const unsigned char *data, int64_t n, struct head_order order,
                         const float **out, struct error *err) {
    struct model_owned *owned = model->owned;
    assert(owned->n_vectors < (size_t)model->n_layers * LAYER_VECTORS + OTHERS);
    if (weight_is_quantised(type->weight))
        return fail(err, STATUS_UNSUPPORTED,
                    "reading %s: tensor %s has type %s; F32 or F16 was expected", model->path, name,
                    type->name);
    float *ordered = malloc((size_t)n * sizeof *ordered);
    if (!ordered)
        return fail(err, STATUS_NOMEM, "reading %s: no memory for tensor %s", model->path, name);
    owned->vector[owned->n_vectors++] = ordered;
    for (int64_t i = 0; i < n; i++) {
        struct weight_row one = {.value = &ordered[i]};
        type->decode(data + (size_t)file_row(&order, i) * (size_t)type->block_bytes, 1, &one);
        if (!isfinite(ordered[i]))
            return fail(err, STATUS_INVALID,
                        "reading %s: element %lld of tensor %s is no finite number", model->path,
                        (long long)file_row(&order, i), name);
    }
    *out = ordered;
    return OK;
}

static void read_stack(const struct matrix *matrix, int64_t m, struct weight_row *row) {
    const struct matrix_stack *stack = matrix->context;
    int i = 0;
    for (; m >= stack->part[i].m; i++) m -= stack->part[i].m;
    stack->part[i].read(&stack->part[i], m, row);
}

enum status matrix_stack(const struct matrix *const *parts, int n_parts, struct matrix_stack *stack,
                         struct error *err) {
    assert(n_parts >= 1 && n_parts <= MATRIX_STACK_PARTS);
    *stack = (struct matrix_stack){.matrix = *parts[0], .n_parts = n_parts};
    stack->matrix.read = read_stack;
    stack->matrix.context = stack;
    stack->matrix.m = 0;
    for (int i = 0; i < n_parts; i++) {
        const struct matrix *part = parts[i];
        if (part->k != parts[0]->k ||
            weight_pack_int(part->weight) != weight_pack_int(parts[0]->weight)) {
            char first[16], other[16];
            return fail(err, STATUS_INVALID,
                        "stacking matrices: %lld columns of %s do not go below %lld of %s",
                        (long long)part->k, weight_format(part->weight, other),
                        (long long)parts[0]->k, weight_format(parts[0]->weight, first));
        }
        stack->part[i] = *part;
        stack->matrix.m += part->m;
    }
    return OK;
}

/* ---- for the readers ---- */

enum status model_reserve(struct model *model, struct error *err) {
    struct model_owned *owned = model->owned;
    const size_t layers = (size_t)model->n_layers;
    model->layer = calloc(layers, sizeof *model->layer);
    owned->source = calloc(layers * LAYER_MATRICES + OTHERS, sizeof *owned->source);
    owned->vector = calloc(layers * LAYER_VECTORS + OTHERS, sizeof *owned->vector);
    if (model->layer && owned->source && owned->vector) return OK;
    return fail(err, STATUS_NOMEM, "reading %s: no memory for %zu layers", model->path, layers);
}

enum status model_frequencies(struct model *model, int64_t rotary, double factor,
                              const float *factors, struct error *err) {
    model->rope_frequency = calloc((size_t)model->head_size / 2, sizeof *model->rope_frequency);
    if (!model->rope_frequency)
        return fail(err, STATUS_NOMEM, "reading %s: no memory for a head of %lld", model->path,
                    (long long)model->head_size);
    for (int64_t i = 0; i < rotary / 2; i++)
        model->rope_frequency[i] =
            (float)(pow(model->rope_base, -2.0 * (double)i / (double)rotary) / factor /
                    (factors ? factors[i] : 1.0));
    return OK;
}

void model_count(struct model *model, const char *type, int64_t elements, size_t bytes) {
    int i = 0;
    while (i < model->n_types && strcmp(model->type[i].name, type) != 0) i++;
    assert(i < MODEL_TYPES);
    if (i == model->n_types) {
        model->n_types++;
        snprintf(model->type[i].name, sizeof model->type[i].name, "%s", type);
    }
    model->type[i].tensors++;
    model->type[i].bytes += (int64_t)bytes;
    model->parameters += elements;
    model->weight_bytes += (int64_t)bytes;
}

/* ---- open and close ---- */

/* What people take for a model: first bytes, what it is, what to do. */
static const struct {
    const char *bytes, *is, *remedy;
} strangers[] = {
    {"24ka", "a llama2.c model of version 1 or 2", "export it as version 0"},
    {"tjgg", "a GGML model from before GGUF", "convert it to GGUF"},
    {"PK\3\4", "an archive, perhaps of PyTorch", "convert the model to GGUF"},
};

static enum status no_model(const struct model *model, struct error *err) {
    const struct map *map = &model->owned->map;
    if (map->size < 4)
        return fail(err, STATUS_INVALID, "reading %s: its %zu bytes are no model", model->path,
                    map->size);
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        if (!memcmp(map->bytes, strangers[i].bytes, 4))
            return fail(err, STATUS_UNSUPPORTED, "reading %s: it is %s: %s", model->path,
                        strangers[i].is, strangers[i].remedy);
    return fail(err, STATUS_INVALID,
                "reading %s: it begins neither like a GGUF nor like a llama2.c model", model->path);
}

static enum status read_by_content(struct model *model, const char *tokenizer,
                                   const char *force_pretokenizer, struct error *err) {
    const struct map *map = &model->owned->map;
    if (map->size >= 4 && !memcmp(map->bytes, "GGUF", 4)) {
        if (!tokenizer) return model_read_gguf(model, force_pretokenizer, err);
        return fail(err, STATUS_INVALID,
                    "reading %s: a GGUF carries its own tokenizer: leave %s away", model->path,
                    tokenizer);
    }
    if (llama2c_recognise(map->bytes, map->size)) return model_read_llama2c(model, tokenizer, err);
    return no_model(model, err);
}

/* Header and size tell models apart, the final norm tells apart those that differ in training alone. */
static void take_fingerprint(struct model *model) {
    const struct model_owned *owned = model->owned;
    uint64_t hash = hash_bytes(hash_start(), owned->map.bytes, owned->header_bytes);
    hash = hash_bytes(hash, &owned->map.size, sizeof owned->map.size);
    if (model->final_norm)
        hash = hash_bytes(hash, model->final_norm, (size_t)model->width * sizeof(float));
    hash_hex(hash, model->fingerprint);
    hash_hex(owned->map.stamp, model->stamp);
}

/* A shape is generated where no file has its name. */
static enum status read_or_generate(struct model *model, const char *tokenizer,
                                    const char *force_pretokenizer, struct error *err) {
    if (shape_is_named(model->path) && access(model->path, F_OK) != 0) {
        if (!tokenizer) return model_generate(model, err);
        return fail(err, STATUS_INVALID,
                    "generating %s: what it says is noise and needs no tokenizer: leave %s away",
                    model->path, tokenizer);
    }
    enum status status = map_open(model->path, &model->owned->map, err);
    model->file_bytes = (int64_t)model->owned->map.size;
    if (status == OK) status = read_by_content(model, tokenizer, force_pretokenizer, err);
    if (status == OK) take_fingerprint(model);
    return status;
}

enum status model_open(const char *path, const char *tokenizer, const char *force_pretokenizer,
                       struct model **out, struct error *err) {
    *out = NULL;
    struct model *model = calloc(1, sizeof *model);
    struct model_owned *owned = calloc(1, sizeof *owned);
    if (!model || !owned) {
        free(model);
        free(owned);
        return fail(err, STATUS_NOMEM, "reading %s: no memory", path);
    }
    model->owned = owned;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    snprintf(model->path, sizeof model->path, "%s", path);
    utf8_printable(name, strlen(name), model->name, sizeof model->name); /* unless it says */
    const enum status status = read_or_generate(model, tokenizer, force_pretokenizer, err);
    if (status == OK) *out = model;
    else model_close(model);
    return status;
}

void model_close(struct model *model) {
    if (!model) return;
    struct model_owned *owned = model->owned;
    tokenizer_close(model->tokenizer);
    for (size_t i = 0; i < owned->n_vectors; i++) free(owned->vector[i]);
    free(owned->vector);
    free(owned->source);
    generator_close(owned->generator);
    gguf_close(owned->gguf);
    map_close(&owned->map);
    free(owned);
    free(model->chat_template);
    free(model->rope_frequency);
    free(model->layer);
    free(model);
}
