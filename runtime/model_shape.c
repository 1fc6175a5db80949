/* model_shape.c: a model out of a shape's name: the sizes of shapes.def, weights made row by row from a seed
 * when they are read, so that they take no memory beside the packed ones. For timing: what such a model says
 * is noise, and it has no tokenizer.
 *
 * Embedding and output are f16, the other matrices of the weight type that the name ends with. A row is a part
 * of one pool of random bytes, which part depends on seed and row: as fast as packing reads it. Weights have
 * variance 1/K, so that activations keep their size. */
#include "base/hash.h"
#include "base/rng.h"
#include "base/str.h"
#include "runtime/model_file.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POOL_BYTES = 1 << 16, SCALES = 16 };
static const float NORM_EPSILON = 1e-5f;
static const char TYPE_USUAL[] = "q4";

struct shape {
    const char *name;
    int64_t n_layers, width, hidden, n_heads, n_kv_heads, head_size, vocabulary, context;
    bool tied;
    float rope_base;
};
static const struct shape shapes[] = {
#define SHAPE(name, layers, width, hidden, heads, kv, head, vocabulary, context, tied, base)       \
    {name, layers, width, hidden, heads, kv, head, vocabulary, context, tied, (float)(base)},
#include "runtime/shapes.def"
#undef SHAPE
};
enum { SHAPE_COUNT = sizeof shapes / sizeof *shapes };

/* Context of a generated matrix. */
struct recipe {
    uint64_t seed;
    const uint8_t *pool;     /* [POOL_BYTES + the longest row] */
    float step;              /* PLAIN: of one count of a byte */
    uint16_t scale[SCALES];  /* fp16, a little apart, as those of trained weights are */
    uint16_t offset[SCALES]; /* OFFSET: minus half of all codes, in that scale */
};
struct generator {
    uint8_t *pool;
    struct recipe *recipe;
    size_t n;
};

/* ---- names ---- */

const char *shape_name(size_t i) {
    return i < SHAPE_COUNT ? shapes[i].name : NULL;
}

/* The shape that the name begins with, and what follows its hyphen ("": nothing). */
static const struct shape *find(const char *name, const char **type) {
    for (size_t i = 0; i < SHAPE_COUNT; i++) {
        const size_t n = strlen(shapes[i].name);
        if (strncmp(name, shapes[i].name, n) != 0 || (name[n] && name[n] != '-')) continue;
        *type = name[n] ? name + n + 1 : "";
        return &shapes[i];
    }
    return NULL;
}

bool shape_is_named(const char *name) {
    const char *type;
    struct weight weight;
    const struct shape *shape = find(name, &type);
    return shape && (!*type || weight_parse(type, &weight, NULL) == OK);
}

static bool group_divides(const struct shape *s, int group) {
    return s->width % group == 0 && s->hidden % group == 0 &&
           s->n_heads * s->head_size % group == 0;
}

/* A type that was named without a group takes the usual one, or the largest that divides all rows. */
static enum status find_type(const struct shape *shape, const char *text, struct weight *weight,
                             struct error *err) {
    const enum status st = weight_parse(*text ? text : TYPE_USUAL, weight, err);
    if (st != OK || !weight->group) return st;
    while (!strchr(text, ':') && weight->group > 32 && !group_divides(shape, weight->group))
        weight->group /= 2;
    if (group_divides(shape, weight->group)) return OK;
    return fail(err, STATUS_INVALID,
                "generating %s: rows of %lld and %lld are not whole groups of %d; name a smaller "
                "group",
                shape->name, (long long)shape->width, (long long)shape->hidden, weight->group);
}

/* ---- rows ---- */

static uint64_t mix(uint64_t seed, uint64_t i) {
    struct rng rng = rng_seed(seed * 1000003u + i);
    return rng_next(&rng);
}

static void make_row(const struct matrix *matrix, int64_t m, struct weight_row *row) {
    const struct recipe *recipe = matrix->context;
    const struct weight_kind_info *info = &weight_kinds[matrix->weight.kind];
    const uint8_t *byte = recipe->pool + mix(recipe->seed, (uint64_t)m) % POOL_BYTES;
    const int64_t k = matrix->k, groups = matrix->weight.group ? k / matrix->weight.group : 0;
    const int mask = (1 << (info->bits < 8 ? info->bits : 8)) - 1, middle = (mask + 1) / 2;
    if (row->value)
        for (int64_t i = 0; i < k; i++)
            row->value[i] = ((float)byte[i] - (float)mask / 2) * recipe->step;
    if (row->code)
        for (int64_t i = 0; i < k; i++) row->code[i] = byte[i] & (uint8_t)mask;
    for (int64_t g = 0; g < groups; g++) {
        const int which = byte[g] >> 4;
        row->scale[g] = recipe->scale[which];
        if (row->zero) row->zero[g] = (uint8_t)(middle - which % 2);
        if (row->offset) row->offset[g] = recipe->offset[which];
    }
}

/* Codes are uniform: their deviation is known. */
static void write_recipe(struct recipe *recipe, struct weight weight, int64_t k) {
    const int bits = weight_kinds[weight.kind].bits < 8 ? weight_kinds[weight.kind].bits : 8;
    const double levels = (double)(1 << bits), deviation = sqrt((levels * levels - 1) / 12);
    const double scale = 1 / sqrt((double)k) / deviation;
    recipe->step = (float)scale;
    for (int i = 0; i < SCALES; i++) {
        const double here = scale * (0.75 + 0.5 * i / (SCALES - 1));
        recipe->scale[i] = half_from_float((float)here);
        recipe->offset[i] = half_from_float((float)(-here * (levels - 1) / 2));
    }
}

/* ---- the model ---- */

void generator_close(struct generator *generator) {
    if (!generator) return;
    free(generator->pool);
    free(generator->recipe);
    free(generator);
}

static struct matrix make(struct model *m, struct weight weight, int64_t rows, int64_t k) {
    struct generator *generator = m->owned->generator;
    struct recipe *recipe = &generator->recipe[generator->n++];
    *recipe = (struct recipe){.seed = generator->n, .pool = generator->pool};
    write_recipe(recipe, weight, k);
    char type[16];
    model_count(m, weight_format(weight, type), rows * k,
                (size_t)weight_canonical_bytes(weight, rows, k));
    return (struct matrix){weight, rows, k, make_row, recipe};
}

static void make_layer(struct model *m, struct weight weight, const float *ones,
                       struct model_layer *layer) {
    const int64_t queries = m->n_heads * m->head_size, keys = m->n_kv_heads * m->head_size;
    *layer = (struct model_layer){
        .wq = make(m, weight, queries, m->width),
        .wk = make(m, weight, keys, m->width),
        .wv = make(m, weight, keys, m->width),
        .wo = make(m, weight, m->width, queries),
        .w_gate = make(m, weight, m->hidden, m->width),
        .w_up = make(m, weight, m->hidden, m->width),
        .w_down = make(m, weight, m->width, m->hidden),
        .attn_norm = ones,
        .ffn_norm = ones,
    };
}

static enum status open_generator(struct model *m, struct error *err) {
    enum { LAYER_MATRICES = 7, OTHERS = 2 };
    struct generator *generator = m->owned->generator = calloc(1, sizeof *generator);
    const size_t pool_bytes = POOL_BYTES + (size_t)(m->hidden > m->width ? m->hidden : m->width);
    if (generator) {
        generator->pool = malloc(pool_bytes);
        generator->recipe =
            calloc((size_t)m->n_layers * LAYER_MATRICES + OTHERS, sizeof *generator->recipe);
    }
    if (!generator || !generator->pool || !generator->recipe)
        return fail(err, STATUS_NOMEM, "generating %s: no memory", m->path);
    struct rng rng = rng_seed(1);
    for (size_t i = 0; i < pool_bytes; i++) generator->pool[i] = (uint8_t)(rng_next(&rng) >> 56);
    return OK;
}

/* One gamma for all norms: ones. A model would have as many as it has norms. */
static enum status make_ones(struct model *m, const float **out, struct error *err) {
    float *ones = malloc((size_t)m->width * sizeof *ones);
    if (!ones) return fail(err, STATUS_NOMEM, "generating %s: no memory", m->path);
    m->owned->vector[m->owned->n_vectors++] = ones;
    for (int64_t i = 0; i < m->width; i++) ones[i] = 1;
    for (int64_t i = 0; i < 2 * m->n_layers + 1; i++)
        model_count(m, "f32", m->width, (size_t)m->width * sizeof *ones);
    *out = ones;
    return OK;
}

static void take_facts(struct model *m, const struct shape *shape, struct weight weight) {
    char type[16];
    uint64_t hash;
    snprintf(m->format, sizeof m->format, "generated");
    snprintf(m->architecture, sizeof m->architecture, "llama");
    snprintf(m->name, sizeof m->name, "%s-%s", shape->name, weight_format(weight, type));
    hash = hash_text(hash_text(hash_start(), m->format), m->name);
    hash_hex(hash, m->fingerprint);
    m->n_layers = shape->n_layers, m->width = shape->width, m->hidden = shape->hidden;
    m->n_heads = shape->n_heads, m->n_kv_heads = shape->n_kv_heads;
    m->head_size = shape->head_size;
    m->vocabulary = shape->vocabulary, m->context = shape->context, m->tied = shape->tied;
    m->norm_epsilon = NORM_EPSILON;
    m->rope_base = shape->rope_base;
    m->rope_magnitude = 1;
}

enum status model_generate(struct model *model, struct error *err) {
    const char *type;
    const struct shape *shape = find(model->path, &type);
    const struct weight f16 = {WEIGHT_f16, 0};
    const float *ones = NULL;
    struct weight weight;
    enum status st = find_type(shape, type, &weight, err);
    if (st != OK) return st;
    take_facts(model, shape, weight);
    if ((st = model_reserve(model, err)) != OK) return st;
    if ((st = model_frequencies(model, model->head_size, 1, NULL, err)) != OK) return st;
    if ((st = open_generator(model, err)) != OK) return st;
    if ((st = make_ones(model, &ones, err)) != OK) return st;
    model->embedding = make(model, f16, model->vocabulary, model->width);
    model->output = &model->embedding;
    if (!model->tied) {
        model->owned->output = make(model, f16, model->vocabulary, model->width);
        model->output = &model->owned->output;
    }
    model->final_norm = ones;
    for (int64_t l = 0; l < model->n_layers; l++) make_layer(model, weight, ones, &model->layer[l]);
    return OK;
}
