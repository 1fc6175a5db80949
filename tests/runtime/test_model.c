/* test_model.c: models made here, with every number and tensor broken in turn; what the row permutation
 * must keep; facts and values of real files. */
#include "runtime/model.h"
#include "base/path.h"
#include "base/str.h"
#include "runtime/engine_model.h"
#include "runtime/tokenizer.h"
#include "tests/runtime/gguf_maker.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

static struct error err;

/* ---- a small model, as a recipe that can be spoilt ---- */

enum { WIDTH = 32, HIDDEN = 64, HEADS = 2, KV_HEADS = 1, HEAD = 16, LAYERS = 2, VOCABULARY = 6 };

struct recipe {
    const char *architecture; /* NULL: llama */
    struct {
        const char *name;
        enum gguf_value_type type; /* GGUF_F32: real, GGUF_STRING: text, else integer */
        int64_t integer;
        float real;
        const char *text;
    } key[3];                /* instead of the usual one, or besides */
    const char *no_key;      /* left out */
    const char *no_tensor;   /* left out */
    const char *odd_tensor;  /* one row, or element, more */
    const char *flat_tensor; /* all elements in one dimension */
    const char *q8_tensor;   /* in Q8_0 */
    const char *f16_tensor;  /* in F16 */
    const char *nan_tensor;  /* its last element */
    const char *extra;       /* one more, of 16 elements */
    bool has_bias, has_output, no_tokenizer;
};

static bool is(const char *a, const char *b) {
    return a && !strcmp(a, b);
}

/* The value of element i of a tensor: small, all different enough. */
static float value_of(const char *tensor, int64_t i) {
    uint32_t h = 2166136261u;
    for (; *tensor; tensor++) h = (h ^ (unsigned char)*tensor) * 16777619u;
    h = (h ^ (uint32_t)i) * 2654435761u;
    return (float)((int)(h >> 16 & 255) - 128) / 64;
}

static void add_key(struct maker *m, const struct recipe *r, const char *name,
                    enum gguf_value_type type, int64_t integer, float real) {
    char key[80];
    snprintf(key, sizeof key, "%s.%s", r->architecture ? r->architecture : "llama", name);
    if (is(r->no_key, name)) return;
    for (int i = 0; i < 3; i++)
        if (is(r->key[i].name, name)) return; /* comes later */
    if (type == GGUF_F32) maker_f32(m, key, real);
    else maker_int(m, key, type, integer);
}

static void add_keys(struct maker *m, const struct recipe *r) {
    maker_string(m, "general.architecture", r->architecture ? r->architecture : "llama");
    add_key(m, r, "block_count", GGUF_U32, LAYERS, 0);
    add_key(m, r, "embedding_length", GGUF_U32, WIDTH, 0);
    add_key(m, r, "feed_forward_length", GGUF_U32, HIDDEN, 0);
    add_key(m, r, "attention.head_count", GGUF_U32, HEADS, 0);
    add_key(m, r, "attention.head_count_kv", GGUF_U32, KV_HEADS, 0);
    add_key(m, r, "context_length", GGUF_U32, 128, 0);
    add_key(m, r, "attention.layer_norm_rms_epsilon", GGUF_F32, 0, 1e-5f);
    for (int i = 0; i < 3 && r->key[i].name; i++) {
        char key[80];
        snprintf(key, sizeof key, "%s.%s", r->architecture ? r->architecture : "llama",
                 r->key[i].name);
        if (r->key[i].type == GGUF_STRING) maker_string(m, key, r->key[i].text);
        else if (r->key[i].type == GGUF_F32) maker_f32(m, key, r->key[i].real);
        else maker_int(m, key, r->key[i].type, r->key[i].integer);
    }
}

static void add_tokenizer(struct maker *m) {
    static const char *const tokens[] = {"<unk>", "<s>", "</s>", "a", "b", "ab"};
    static const int32_t types[] = {2, 3, 3, 1, 1, 1};
    maker_string(m, "tokenizer.ggml.model", "llama");
    maker_strings(m, "tokenizer.ggml.tokens", tokens, VOCABULARY);
    maker_array(m, "tokenizer.ggml.scores", GGUF_F32, VOCABULARY);
    for (int i = 0; i < VOCABULARY; i++) maker_uint(&m->keys, 0, 4);
    maker_array(m, "tokenizer.ggml.token_type", GGUF_I32, VOCABULARY);
    for (int i = 0; i < VOCABULARY; i++) maker_uint(&m->keys, (uint64_t)types[i], 4);
}

static void add_tensor(struct maker *m, const struct recipe *r, const char *name, int64_t k,
                       int64_t rows) {
    int64_t n = k * (rows ? rows : 1);
    if (is(r->no_tensor, name)) return;
    if (is(r->odd_tensor, name)) n += k, rows ? rows++ : (k *= 2);
    if (is(r->flat_tensor, name)) k = n, rows = 0;
    if (is(r->q8_tensor, name)) {
        unsigned char *zero = memory_new((size_t)n / 32 * 34);
        maker_tensor(m, name, 8, k, rows, zero, (size_t)n / 32 * 34);
        free(zero);
        return;
    }
    float *values = memory_new((size_t)n * sizeof *values);
    for (int64_t i = 0; i < n; i++) values[i] = value_of(name, i);
    if (is(r->nan_tensor, name)) values[n - 1] = NAN;
    uint16_t *halves = memory_new((size_t)n * sizeof *halves);
    for (int64_t i = 0; i < n; i++) halves[i] = half_from_float(values[i]);
    if (is(r->f16_tensor, name)) maker_tensor(m, name, 1, k, rows, halves, (size_t)n * 2);
    else maker_tensor(m, name, 0, k, rows, values, (size_t)n * 4);
    free(halves);
    free(values);
}

static const struct {
    const char *name;
    int k, rows;
    bool is_bias;
} layer_tensors[] = {
    {"attn_norm.weight", WIDTH, 0, false},
    {"attn_q.weight", WIDTH, HEADS *HEAD, false},
    {"attn_k.weight", WIDTH, KV_HEADS *HEAD, false},
    {"attn_v.weight", WIDTH, KV_HEADS *HEAD, false},
    {"attn_output.weight", HEADS *HEAD, WIDTH, false},
    {"attn_q.bias", HEADS *HEAD, 0, true},
    {"attn_k.bias", KV_HEADS *HEAD, 0, true},
    {"attn_v.bias", KV_HEADS *HEAD, 0, true},
    {"ffn_norm.weight", WIDTH, 0, false},
    {"ffn_gate.weight", WIDTH, HIDDEN, false},
    {"ffn_up.weight", WIDTH, HIDDEN, false},
    {"ffn_down.weight", HIDDEN, WIDTH, false},
};
enum { LAYER_TENSORS = sizeof layer_tensors / sizeof *layer_tensors };

static struct str cook(const struct recipe *r) {
    struct maker m = maker_new();
    char name[64];
    add_keys(&m, r);
    if (!r->no_tokenizer) add_tokenizer(&m);
    add_tensor(&m, r, "token_embd.weight", WIDTH, VOCABULARY);
    add_tensor(&m, r, "output_norm.weight", WIDTH, 0);
    if (r->has_output) add_tensor(&m, r, "output.weight", WIDTH, VOCABULARY);
    for (int layer = 0; layer < LAYERS; layer++)
        for (int i = 0; i < LAYER_TENSORS; i++) {
            if (layer_tensors[i].is_bias && !r->has_bias) continue;
            snprintf(name, sizeof name, "blk.%d.%s", layer, layer_tensors[i].name);
            add_tensor(&m, r, name, layer_tensors[i].k, layer_tensors[i].rows);
        }
    if (r->extra) add_tensor(&m, r, r->extra, HEAD / 2, 0);
    struct str file = maker_file(&m);
    maker_free(&m);
    return file;
}

/* The file of this test. */
static const char *made_path(void) {
    static char *path;
    if (!path) path = text_format("%s/made.gguf", test_folder());
    return path;
}

static enum status open_made(struct model **model) {
    err = (struct error){OK, ""};
    const enum status status = model_open(made_path(), NULL, NULL, model, &err);
    cr_assert((status == OK) == (*model != NULL));
    cr_assert(status == OK || strstr(err.text, made_path()), "no file is named: %s", err.text);
    return status;
}

static enum status open_bytes(const void *bytes, size_t n, struct model **model) {
    FILE *file = fopen(made_path(), "wbe");
    cr_assert(file && fwrite(bytes, 1, n, file) == n);
    fclose(file);
    return open_made(model);
}

static enum status open_recipe(const struct recipe *r, struct model **model) {
    struct str file = cook(r);
    const enum status status = open_bytes(file.text, file.length, model);
    str_free(&file);
    return status;
}

static struct model *must_open(const struct recipe *r) {
    struct model *model;
    cr_assert_eq(open_recipe(r, &model), OK, "%s", err.text);
    return model;
}

static void refused(const struct recipe *r, enum status status, const char *says) {
    struct model *model;
    cr_assert_eq(open_recipe(r, &model), status, "%s: %s", says, err.text);
    cr_assert(strstr(err.text, says), "%s: %s", says, err.text);
}

/* ---- good models ---- */

Test(model, a_small_llama) {
    struct model *m = must_open(&(struct recipe){0});
    cr_assert_str_eq(m->format, "GGUF v3");
    cr_assert_str_eq(m->architecture, "llama");
    cr_assert_str_eq(m->name, "made.gguf");
    cr_assert(m->n_layers == LAYERS && m->width == WIDTH && m->hidden == HIDDEN);
    cr_assert(m->n_heads == HEADS && m->n_kv_heads == KV_HEADS && m->head_size == HEAD);
    cr_assert(m->vocabulary == VOCABULARY && m->context == 128 && m->norm_epsilon == 1e-5f);
    cr_assert(m->tied && m->output == &m->embedding && !m->layer[0].bq);
    cr_assert(m->rope_base == 10000 && m->rope_magnitude == 1 && !m->vocabulary_only);
    for (int i = 0; i < HEAD / 2; i++)
        cr_assert_float_eq(m->rope_frequency[i], pow(10000, -2.0 * i / HEAD), 1e-7);
    cr_assert_eq(m->parameters * 4, m->weight_bytes);
    cr_assert(m->n_types == 1 && m->type[0].tensors == 2 + 9 * LAYERS);
    cr_assert_eq(tokenizer_size(m->tokenizer), VOCABULARY);
    cr_assert_eq(strlen(m->fingerprint), 16);
    model_close(m);
    model_close(NULL);
}

Test(model, every_matrix_and_vector_is_the_tensor_of_its_name) {
    struct model *m = must_open(&(struct recipe){.has_output = true, .has_bias = true});
    cr_assert(!m->tied && m->output != &m->embedding);
    const struct {
        const char *name;
        const struct matrix *matrix;
    } plain[] = {
        {"token_embd.weight", &m->embedding},
        {"output.weight", m->output},
        {"blk.1.attn_v.weight", &m->layer[1].wv},
        {"blk.0.attn_output.weight", &m->layer[0].wo},
        {"blk.1.ffn_gate.weight", &m->layer[1].w_gate},
        {"blk.0.ffn_up.weight", &m->layer[0].w_up},
        {"blk.1.ffn_down.weight", &m->layer[1].w_down},
    };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        const struct matrix *matrix = plain[i].matrix;
        struct weight_row row;
        cr_assert_eq(weight_row_open(matrix->weight, matrix->k, &row, &err), OK);
        for (int64_t r = 0; r < matrix->m; r++) {
            matrix->read(matrix, r, &row);
            for (int64_t c = 0; c < matrix->k; c++)
                cr_assert_eq(row.value[c], value_of(plain[i].name, r * matrix->k + c));
        }
        weight_row_close(&row);
    }
    for (int i = 0; i < WIDTH; i++) {
        cr_assert_eq(m->final_norm[i], value_of("output_norm.weight", i));
        cr_assert_eq(m->layer[1].attn_norm[i], value_of("blk.1.attn_norm.weight", i));
        cr_assert_eq(m->layer[0].ffn_norm[i], value_of("blk.0.ffn_norm.weight", i));
    }
    for (int i = 0; i < HEAD; i++)
        cr_assert_eq(m->layer[1].bv[i], value_of("blk.1.attn_v.bias", i));
    model_close(m);
}

Test(model, norms_may_be_f16_and_unaligned) {
    struct model *m = must_open(&(struct recipe){.f16_tensor = "blk.0.ffn_norm.weight"});
    for (int i = 0; i < WIDTH; i++)
        cr_assert_eq(m->layer[0].ffn_norm[i], value_of("blk.0.ffn_norm.weight", i));
    model_close(m);
}

Test(model, fingerprints_tell_models_apart) {
    struct model *a = must_open(&(struct recipe){0}), *b = must_open(&(struct recipe){0});
    cr_assert_str_eq(a->fingerprint, b->fingerprint);
    model_close(b);
    struct str file = cook(&(struct recipe){0});
    const float first = value_of("output_norm.weight", 0);
    for (size_t i = 0; i + 4 < file.length; i += 32) /* the same header, another final norm */
        if (!memcmp(file.text + i, &first, 4) &&
            !memcmp(file.text + i + 4, &(float){value_of("output_norm.weight", 1)}, 4))
            file.text[i] ^= 1;
    cr_assert_eq(open_bytes(file.text, file.length, &b), OK, "%s", err.text);
    cr_assert_str_neq(a->fingerprint, b->fingerprint);
    model_close(b);
    b = must_open(&(struct recipe){.key = {{"context_length", GGUF_U32, 127, 0, NULL}}});
    cr_assert_str_neq(a->fingerprint, b->fingerprint);
    model_close(a);
    model_close(b);
    str_free(&file);
}

/* ---- rotation ---- */

static void rotate(double *a, double *b, double angle) {
    const double x = *a, y = *b;
    *a = x * cos(angle) - y * sin(angle);
    *b = y * cos(angle) + x * sin(angle);
}

/* Q or K of one head for an input, as the file has it, rotated by the file's convention. */
static void rotated_by_file(const char *stem, int head, int position, int rotary, bool adjacent,
                            bool has_bias, const float *x, double out[HEAD]) {
    char weight[64], bias[64];
    snprintf(weight, sizeof weight, "%s.weight", stem);
    snprintf(bias, sizeof bias, "%s.bias", stem);
    for (int i = 0; i < HEAD; i++) {
        out[i] = has_bias ? value_of(bias, head * HEAD + i) : 0;
        for (int c = 0; c < WIDTH; c++)
            out[i] += (double)value_of(weight, (head * HEAD + i) * WIDTH + c) * x[c];
    }
    for (int i = 0; i < rotary / 2; i++)
        rotate(&out[adjacent ? 2 * i : i], &out[adjacent ? 2 * i + 1 : i + rotary / 2],
               position * pow(10000, -2.0 * i / rotary));
}

/* The same from the opened model, halves of the whole head. */
static void rotated_here(const struct model *m, const struct matrix *matrix, const float *bias,
                         int head, int position, const float *x, double out[HEAD]) {
    struct weight_row row;
    cr_assert_eq(weight_row_open(matrix->weight, matrix->k, &row, &err), OK);
    for (int i = 0; i < HEAD; i++) {
        matrix->read(matrix, head * HEAD + i, &row);
        out[i] = bias ? bias[head * HEAD + i] : 0;
        for (int c = 0; c < WIDTH; c++) out[i] += (double)row.value[c] * x[c];
    }
    for (int i = 0; i < HEAD / 2; i++)
        rotate(&out[i], &out[i + HEAD / 2], position * (double)m->rope_frequency[i]);
    weight_row_close(&row);
}

static double dot(const double a[HEAD], const double b[HEAD]) {
    double sum = 0;
    for (int i = 0; i < HEAD; i++) sum += a[i] * b[i];
    return sum;
}

/* Scores do not know in which order a head's components lie. */
static void check_scores(const char *architecture, bool adjacent, int rotary, bool has_bias) {
    struct recipe r = {.architecture = architecture, .has_bias = has_bias};
    if (rotary != HEAD) {
        r.key[0].name = "rope.dimension_count";
        r.key[0].type = GGUF_U32;
        r.key[0].integer = rotary;
    }
    struct model *m = must_open(&r);
    const struct model_layer *layer = &m->layer[1];
    float x[WIDTH], y[WIDTH];
    for (int i = 0; i < WIDTH; i++) x[i] = value_of("x", i), y[i] = value_of("y", i);
    double q[HEAD], k[HEAD], q_file[HEAD], k_file[HEAD];
    for (int head = 0; head < HEADS; head++)
        for (int position = 0; position < 40; position += 13) {
            rotated_by_file("blk.1.attn_q", head, position, rotary, adjacent, has_bias, x, q_file);
            rotated_by_file("blk.1.attn_k", 0, 7, rotary, adjacent, has_bias, y, k_file);
            rotated_here(m, &layer->wq, layer->bq, head, position, x, q);
            rotated_here(m, &layer->wk, layer->bk, 0, 7, y, k);
            cr_assert_float_eq(dot(q, k), dot(q_file, k_file), 1e-3, "%s %d: %g, %g", architecture,
                               rotary, dot(q, k), dot(q_file, k_file));
        }
    model_close(m);
}

Test(model, scores_are_those_of_the_files_own_rotation) {
    check_scores("llama", true, HEAD, false);
    check_scores("llama", true, HEAD, true);
    check_scores("llama", true, HEAD / 2, true);
    check_scores("llama", true, 2, false);
    check_scores("qwen2", false, HEAD, true);
    check_scores("qwen2", false, HEAD / 2, true);
    check_scores("qwen2", false, 6, true);
}

/* The other convention gives other scores: the check above can fail. */
Test(model, the_check_of_scores_can_fail) {
    struct model *m = must_open(&(struct recipe){0});
    float x[WIDTH];
    double q[HEAD], q_file[HEAD], k[HEAD], k_file[HEAD];
    for (int i = 0; i < WIDTH; i++) x[i] = value_of("x", i);
    rotated_by_file("blk.0.attn_q", 0, 9, HEAD, false, false, x, q_file);
    rotated_by_file("blk.0.attn_k", 0, 2, HEAD, false, false, x, k_file);
    rotated_here(m, &m->layer[0].wq, NULL, 0, 9, x, q);
    rotated_here(m, &m->layer[0].wk, NULL, 0, 2, x, k);
    cr_assert(fabs(dot(q, k) - dot(q_file, k_file)) > 1);
    model_close(m);
}

Test(model, scaling_of_frequencies) {
    const struct {
        const char *key, *type;
        double divisor;
    } cases[] = {
        {"rope.scaling.factor", "linear", 4},
        {"rope.scaling.factor", NULL, 4},
        {"rope.scale_linear", NULL, 4},
        {"rope.scaling.factor", "none", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct recipe r = {.key = {{cases[i].key, GGUF_F32, 0, 4, NULL},
                                   {"rope.freq_base", GGUF_F32, 0, 500, NULL}}};
        if (cases[i].type) {
            r.key[2].name = "rope.scaling.type";
            r.key[2].type = GGUF_STRING;
            r.key[2].text = cases[i].type;
        }
        struct model *m = must_open(&r);
        for (int k = 0; k < HEAD / 2; k++)
            cr_assert_float_eq(m->rope_frequency[k], pow(500, -2.0 * k / HEAD) / cases[i].divisor,
                               1e-6);
        model_close(m);
    }
    refused(&(struct recipe){.key = {{"rope.scaling.type", GGUF_STRING, 0, 0, "yarn\033"}}},
            STATUS_UNSUPPORTED, "\"yarn?\"");
}

Test(model, factors_of_llama_3) {
    const struct recipe r = {.extra = "rope_freqs.weight"};
    struct model *m;
    struct str file = cook(&r); /* values of value_of: some negative */
    cr_assert_eq(open_bytes(file.text, file.length, &m), STATUS_INVALID);
    cr_assert(strstr(err.text, "rope_freqs.weight"), "%s", err.text);
    for (int i = 0; i < HEAD / 2; i++) /* it is the last tensor */
        memcpy(file.text + file.length - 4 * (size_t)(HEAD / 2 - i), &(float){(float)(1 + i)}, 4);
    cr_assert_eq(open_bytes(file.text, file.length, &m), OK, "%s", err.text);
    for (int i = 0; i < HEAD / 2; i++)
        cr_assert_float_eq(m->rope_frequency[i], pow(10000, -2.0 * i / HEAD) / (1 + i), 1e-7);
    model_close(m);
    str_free(&file);
}

/* ---- stacks ---- */

Test(model, stacked_matrices_read_as_one) {
    struct model *m = must_open(&(struct recipe){0});
    const struct model_layer *l = &m->layer[0];
    const struct matrix *parts[] = {&l->wq, &l->wk, &l->wv};
    struct matrix_stack stack;
    struct weight_row row, part;
    cr_assert_eq(matrix_stack(parts, 3, &stack, &err), OK);
    cr_assert(stack.matrix.m == (HEADS + 2 * KV_HEADS) * HEAD && stack.matrix.k == WIDTH);
    cr_assert_eq(weight_row_open(stack.matrix.weight, WIDTH, &row, &err), OK);
    cr_assert_eq(weight_row_open(stack.matrix.weight, WIDTH, &part, &err), OK);
    for (int64_t i = 0, at = 0; i < 3; at += parts[i++]->m)
        for (int64_t r = 0; r < parts[i]->m; r++) {
            stack.matrix.read(&stack.matrix, at + r, &row);
            parts[i]->read(parts[i], r, &part);
            cr_assert_arr_eq(row.value, part.value, WIDTH * sizeof *row.value);
        }
    weight_row_close(&row);
    weight_row_close(&part);
    cr_assert_eq(matrix_stack((const struct matrix *[]){&l->wq, &l->w_down}, 2, &stack, &err),
                 STATUS_INVALID);
    cr_assert(strstr(err.text, "64 columns of f32"), "%s", err.text);
    model_close(m);
    m = must_open(&(struct recipe){.q8_tensor = "blk.0.attn_k.weight"});
    cr_assert_eq(
        matrix_stack((const struct matrix *[]){&m->layer[0].wq, &m->layer[0].wk}, 2, &stack, &err),
        STATUS_INVALID);
    cr_assert(strstr(err.text, "q8:32"), "%s", err.text);
    model_close(m);
}

/* ---- numbers that lie ---- */

Test(model, hostile_numbers) {
    static const struct {
        const char *key;
        enum gguf_value_type type;
        int64_t integer;
        float real;
    } cases[] = {
        {"block_count", GGUF_U32, 0, 0},
        {"block_count", GGUF_U32, 3, 0},
        {"block_count", GGUF_U32, 1000000, 0},
        {"block_count", GGUF_I32, -1, 0},
        {"block_count", GGUF_U64, INT64_MIN, 0},
        {"block_count", GGUF_F32, 0, 2},
        {"embedding_length", GGUF_U32, 0, 0},
        {"embedding_length", GGUF_U32, 31, 0},
        {"embedding_length", GGUF_U32, 64, 0},
        {"embedding_length", GGUF_U32, 0x7fffffff, 0},
        {"feed_forward_length", GGUF_U32, 0, 0},
        {"feed_forward_length", GGUF_U32, 128, 0},
        {"feed_forward_length", GGUF_U64, INT64_MAX, 0},
        {"attention.head_count", GGUF_U32, 0, 0},
        {"attention.head_count", GGUF_U32, 3, 0},
        {"attention.head_count", GGUF_U32, 32, 0},
        {"attention.head_count", GGUF_I64, INT64_MIN, 0},
        {"attention.head_count_kv", GGUF_U32, 0, 0},
        {"attention.head_count_kv", GGUF_U32, 2, 0},
        {"attention.head_count_kv", GGUF_U32, 3, 0},
        {"attention.key_length", GGUF_U32, 15, 0},
        {"attention.key_length", GGUF_U32, 32, 0},
        {"context_length", GGUF_U32, 0, 0},
        {"context_length", GGUF_U32, 1ll << 31, 0},
        {"rope.dimension_count", GGUF_U32, 0, 0},
        {"rope.dimension_count", GGUF_U32, 15, 0},
        {"rope.dimension_count", GGUF_U32, 18, 0},
        {"rope.freq_base", GGUF_F32, 0, 0},
        {"rope.freq_base", GGUF_F32, 0, NAN},
        {"rope.freq_base", GGUF_F32, 0, -10000},
        {"rope.freq_base", GGUF_F32, 0, INFINITY},
        {"rope.scaling.factor", GGUF_F32, 0, 0},
        {"rope.scaling.factor", GGUF_F32, 0, NAN},
        {"rope.scaling.attn_factor", GGUF_F32, 0, INFINITY},
        {"attention.layer_norm_rms_epsilon", GGUF_F32, 0, 0},
        {"attention.layer_norm_rms_epsilon", GGUF_F32, 0, NAN},
        {"attention.layer_norm_rms_epsilon", GGUF_F32, 0, -1},
        {"attention.layer_norm_rms_epsilon", GGUF_U32, 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct recipe r = {
            .key = {{cases[i].key, cases[i].type, cases[i].integer, cases[i].real, NULL}}};
        struct model *model = NULL;
        cr_assert_eq(open_recipe(&r, &model), STATUS_INVALID, "%s, case %zu: %s", cases[i].key, i,
                     err.text);
    }
}

Test(model, numbers_that_are_not_supported) {
    refused(&(struct recipe){.key = {{"attention.value_length", GGUF_U32, 8, 0, NULL}}},
            STATUS_UNSUPPORTED, "values of 8");
    refused(&(struct recipe){.key = {{"expert_count", GGUF_U32, 8, 0, NULL}}}, STATUS_UNSUPPORTED,
            "8 experts");
    refused(&(struct recipe){.architecture = "mamba"}, STATUS_UNSUPPORTED, "\"mamba\"");
    refused(&(struct recipe){.architecture = ""}, STATUS_UNSUPPORTED, "llama, qwen2");
}

Test(model, missing_keys_are_named) {
    static const char *const keys[] = {
        "block_count",         "embedding_length",     "context_length",
        "feed_forward_length", "attention.head_count", "attention.layer_norm_rms_epsilon",
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        refused(&(struct recipe){.no_key = keys[i]}, STATUS_INVALID, keys[i]);
    refused(&(struct recipe){.no_tokenizer = true}, STATUS_UNSUPPORTED, "tokenizer.ggml.model");
    struct model *m; /* with as many KV heads as heads, K and V would have more rows */
    cr_assert_eq(open_recipe(&(struct recipe){.no_key = "attention.head_count_kv"}, &m),
                 STATUS_INVALID);
    cr_assert(strstr(err.text, "attn_k.weight"), "%s", err.text);
}

/* ---- tensors that lie ---- */

Test(model, every_tensor_missing_or_of_another_shape) {
    static const char *const others[] = {"token_embd.weight", "output_norm.weight"};
    for (int i = 0; i < LAYER_TENSORS + 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", i < LAYER_TENSORS ? "blk.1." : "",
                 i < LAYER_TENSORS ? layer_tensors[i].name : others[i - LAYER_TENSORS]);
        const struct recipe missing = {
            .architecture = "qwen2", .has_bias = true, .no_tensor = name};
        refused(&missing, STATUS_INVALID, name);
        if (is(name, "token_embd.weight")) continue; /* its rows say how large the vocabulary is */
        const struct recipe odd = {.architecture = "qwen2", .has_bias = true, .odd_tensor = name};
        refused(&odd, STATUS_INVALID, name);
        cr_assert(strstr(err.text, "described at byte"), "%s", err.text);
    }
    refused(&(struct recipe){.flat_tensor = "blk.0.attn_q.weight"}, STATUS_INVALID,
            "attn_q.weight");
    refused(&(struct recipe){.has_output = true, .odd_tensor = "output.weight"}, STATUS_INVALID,
            "output.weight");
}

Test(model, tensors_nobody_would_use_are_refused) {
    static const char *const names[] = {"blk.0.attn_q_norm.weight", "blk.2.attn_q.weight",
                                        "blk.0.attn_output.bias", "rope_freqs"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        refused(&(struct recipe){.extra = names[i]}, STATUS_UNSUPPORTED, names[i]);
}

Test(model, vectors_must_be_finite_floats) {
    refused(&(struct recipe){.q8_tensor = "output_norm.weight"}, STATUS_UNSUPPORTED,
            "output_norm.weight has type Q8_0");
    refused(&(struct recipe){.nan_tensor = "blk.1.attn_norm.weight"}, STATUS_INVALID,
            "element 31 of tensor blk.1.attn_norm.weight");
    refused(&(struct recipe){.has_bias = true, .nan_tensor = "blk.0.attn_q.bias"}, STATUS_INVALID,
            "element 31 of tensor blk.0.attn_q.bias");
}

Test(model, the_embedding_must_hold_every_token) {
    struct model *m = must_open(&(struct recipe){.odd_tensor = "token_embd.weight"});
    cr_assert_eq(m->vocabulary, VOCABULARY + 1, "a row more is padding");
    model_close(m);
    struct str file = cook(&(struct recipe){0});
    /* One row less: the dimension after the name and the number of dimensions. */
    char *at = memmem(file.text, file.length, "token_embd.weight", 17);
    cr_assert(at);
    cr_assert_eq(at[17 + 4 + 8], VOCABULARY);
    at[17 + 4 + 8] = VOCABULARY - 1;
    cr_assert_eq(open_bytes(file.text, file.length, &m), STATUS_INVALID);
    cr_assert(strstr(err.text, "6 tokens") && strstr(err.text, "5 rows"), "%s", err.text);
    str_free(&file);
}

static void read_rows(const struct model *m) {
    struct weight_row row;
    for (int64_t l = 0; l < m->n_layers; l++) {
        const struct matrix *w = &m->layer[l].wq;
        cr_assert_eq(weight_row_open(w->weight, w->k, &row, &err), OK);
        for (int64_t r = 0; r < w->m; r++) w->read(w, r, &row);
        weight_row_close(&row);
    }
}

/* An error, or a model that can be read to its last row. */
Test(model, every_byte_of_the_header_changed, .timeout = 60) {
    struct str file = cook(&(struct recipe){0});
    struct model *m;
    cr_assert_eq(open_bytes(file.text, file.length, &m), OK);
    model_close(m);
    const char *first = memmem(file.text, file.length, "token_embd", 10);
    const size_t header = (size_t)(first - file.text) + 1200;
    const int fd = open(made_path(), O_WRONLY | O_CLOEXEC);
    int n_open = 0;
    for (size_t i = 0; i < header; i++) {
        const char old = file.text[i];
        const char values[] = {0, (char)255, (char)(old ^ 1), (char)(old + 16)};
        for (size_t v = 0; v < sizeof values; v++) {
            cr_assert_eq(pwrite(fd, &values[v], 1, (off_t)i), 1);
            if (open_made(&m) != OK) continue;
            n_open++;
            read_rows(m);
            model_close(m);
        }
        cr_assert_eq(pwrite(fd, &old, 1, (off_t)i), 1);
    }
    cr_assert(n_open > 0);
    close(fd);
    str_free(&file);
}

/* ---- files that are no models ---- */

Test(model, strangers_are_told_what_they_are) {
    static const struct {
        const char *bytes;
        size_t n;
        const char *says;
    } cases[] = {
        {"", 0, "0 bytes"},
        {"G", 1, "1 bytes"},
        {"GGU", 3, "3 bytes"},
        {"GGUF", 4, "version"},
        {"GGUF\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 23, "number of keys"},
        {"PK\3\4............................", 32, "PyTorch"},
        {"tjgg............................", 32, "GGUF"},
        {"24ka............................", 32, "version 0"},
        {"Once upon a time there was a file that was no model.", 52, "neither"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct model *m;
        cr_assert_neq(open_bytes(cases[i].bytes, cases[i].n, &m), OK);
        cr_assert(strstr(err.text, cases[i].says), "case %zu: %s", i, err.text);
    }
    struct model *m;
    cr_assert_eq(model_open("/", NULL, NULL, &m, &err), STATUS_IO);
    cr_assert_eq(model_open("/nowhere.gguf", NULL, NULL, &m, &err), STATUS_IO);
}

Test(model, a_vocabulary_alone) {
    struct maker maker = maker_new();
    maker_string(&maker, "general.architecture", "anything");
    maker_string(&maker, "general.name", "only \033[1mwords");
    add_tokenizer(&maker);
    struct str file = maker_file(&maker);
    struct model *m;
    cr_assert_eq(open_bytes(file.text, file.length, &m), OK, "%s", err.text);
    cr_assert(m->vocabulary_only && m->n_layers == 0 && !m->layer && !m->output);
    cr_assert_str_eq(m->name, "only ?[1mwords");
    cr_assert_eq(tokenizer_size(m->tokenizer), VOCABULARY);
    model_close(m);
    str_free(&file);
    maker_free(&maker);
}

Test(model, a_gguf_takes_no_tokenizer) {
    struct model *m = must_open(&(struct recipe){0});
    model_close(m);
    cr_assert_eq(model_open(made_path(), "tokenizer.bin", NULL, &m, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "tokenizer.bin"), "%s", err.text);
}

/* ---- real files ---- */

Test(model, stories260k) {
    const char *path = test_data("model/stories260K.bin");
    struct model *m;
    struct map map;
    cr_assert_eq(model_open(path, test_data("tokenizer/tok512.bin"), NULL, &m, &err), OK, "%s",
                 err.text);
    cr_assert_str_eq(m->format, "llama2.c v0");
    cr_assert_str_eq(m->name, "stories260K.bin");
    cr_assert(m->n_layers == 5 && m->width == 64 && m->hidden == 172 && m->tied);
    cr_assert(m->n_heads == 8 && m->n_kv_heads == 4 && m->head_size == 8);
    cr_assert(m->vocabulary == 512 && m->context == 512 && m->norm_epsilon == 1e-5f);
    cr_assert(m->parameters == 260032 && m->type[0].tensors == 47);
    cr_assert_eq(map_open(path, &map, &err), OK);
    struct weight_row row;
    cr_assert_eq(weight_row_open(m->embedding.weight, 64, &row, &err), OK);
    m->embedding.read(&m->embedding, 403, &row);
    cr_assert_arr_eq(row.value, map.bytes + 28 + 403 * 256, 256);
    /* wq comes after the embedding and the norms; row 5 of head 3 is component 1 of its second half */
    const size_t wq = 28 + 4 * (512 * 64 + 5 * 64);
    m->layer[2].wq.read(&m->layer[2].wq, 3 * 8 + 5, &row);
    cr_assert_arr_eq(row.value, map.bytes + wq + 4 * (2 * 64 * 64 + (3 * 8 + 3) * 64), 256);
    weight_row_close(&row);
    model_close(m);
    map_close(&map);
    cr_assert_eq(model_open(path, test_data("tokenizer/ggml-vocab-gpt-2.gguf"), NULL, &m, &err),
                 STATUS_INVALID);
    cr_assert(strstr(err.text, "GGUF"), "%s", err.text);
}

Test(model, smollm2_facts) {
    const char *path = test_model();
    struct engine_model *model;
    struct engine_model_facts f;
    const clock_t start = clock(); /* of this process: a busy machine is not counted */
    cr_assert_eq(engine_model_open(path, NULL, NULL, &model, &err), OK, "%s", err.text);
    const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    cr_assert(seconds < 0.1, "opening took %.3f s", seconds);
    engine_model_describe(model, &f);
    cr_assert_str_eq(f.architecture, "llama");
    cr_assert_str_eq(f.license, "apache-2.0");
    cr_assert(f.n_layers == 30 && f.width == 576 && f.hidden == 1536 && f.context == 8192);
    cr_assert(f.n_heads == 9 && f.n_kv_heads == 3 && f.head_size == 64 && f.vocabulary == 49152);
    cr_assert(f.parameters == 134515008 && f.file_bytes == 98362432 && f.n_types == 3);
    int64_t tensors = 0, bytes = 0;
    for (int i = 0; i < f.n_types; i++) {
        const int64_t n = f.types[i].tensors;
        cr_assert_eq(n, is(f.types[i].name, "Q4_1") ? 210 : is(f.types[i].name, "F32") ? 61 : 1);
        tensors += n;
        bytes += f.types[i].bytes;
    }
    cr_assert(tensors == 272 && bytes == f.weight_bytes);
    const struct model *m = engine_model_get(model);
    cr_assert(m->tied && m->rope_base == 100000 && m->embedding.weight.kind == WEIGHT_q8);
    cr_assert(m->layer[29].w_down.weight.kind == WEIGHT_q4_1 && m->layer[29].w_down.k == 1536);
    /* 30 layers, K and V, 4096 positions, 3 heads of 64 */
    cr_assert_eq(engine_kv_bytes(model, 4096, "f16"), 30ll * 2 * 4096 * 3 * 64 * 2);
    cr_assert_eq(engine_kv_bytes(model, 4096, "f32"), 30ll * 2 * 4096 * 3 * 64 * 4);
    cr_assert_eq(engine_kv_bytes(model, 1, NULL), 30ll * 2 * 32 * 3 * 64 * 2, "whole blocks");
    engine_model_close(model);
    engine_model_close(NULL);
}
