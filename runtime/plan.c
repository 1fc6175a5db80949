/* plan.c: see plan.h. The layer reads like the paper's; what differs by class, fusion and weight types
 * is in multiply() and normalise(). */
#include "runtime/plan.h"
#include "base/str.h"
#include "kernels/activation.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* At most: norms 2, multiplications 7 with a quantisation each, rope, attention, swiglu. */
enum { STEPS_A_LAYER = 19, STEPS_AT_ENDS = 4, MATRICES_A_LAYER = 7, VECTORS_A_LAYER = 5 };

/* ---- choices ---- */

#define XX(name, meaning) #name,
static const char *const choice_names[] = {PLAN_CHOICE_MAP(XX)};
#undef XX
enum { CHOICES = sizeof choice_names / sizeof *choice_names };

static bool *choice_at(struct plan_choice *choice, int i) {
#define XX(name, meaning) &choice->name,
    bool *const members[] = {PLAN_CHOICE_MAP(XX)};
#undef XX
    return members[i];
}

struct plan_choice plan_choice_fused(void) {
    struct plan_choice choice;
    for (int i = 0; i < CHOICES; i++) *choice_at(&choice, i) = true;
    return choice;
}

enum status plan_choice_parse(const char *text, struct plan_choice *choice, struct error *err) {
    *choice = plan_choice_fused();
    char *copy = text_copy(text), *rest = copy;
    enum status st = OK;
    for (char *one; st == OK && (one = strsep(&rest, ","));) {
        char *value = strchr(one, '=');
        int found = CHOICES;
        if (value) *value++ = 0;
        for (int i = 0; value && i < CHOICES; i++)
            if (!strcmp(choice_names[i], one)) found = i;
        if (found < CHOICES && (!strcmp(value, "0") || !strcmp(value, "1")))
            *choice_at(choice, found) = *value == '1';
        else if (*one || value)
            st = fail(err, STATUS_INVALID,
                      "a plan is qkv=1,ffn=1,norm=1,rope=1 (0: not fused), not '%s'", text);
    }
    free(copy);
    return st;
}

void plan_choice_format(const struct plan_choice *choice, char text[64]) {
    struct plan_choice copy = *choice;
    int at = 0;
    for (int i = 0; i < CHOICES; i++)
        at += snprintf(text + at, 64 - (size_t)at, "%s%s=%d", i ? "," : "", choice_names[i],
                       *choice_at(&copy, i));
}

/* ---- steps ---- */

static struct problem problem_of(const char *family, enum class_id class, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* From its text, which the plan writes itself: it parses. */
static struct problem problem_of(const char *family, enum class_id class, const char *format, ...) {
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct problem problem = {0};
    struct error err;
    const enum status st = problem_parse(slice_find(family), text, &problem, &err);
    assert(st == OK);
    (void)st;
    problem.class = class;
    return problem;
}

static struct step *add_step(struct plan *plan, struct problem problem, const char *name) {
    struct step *step = &plan->steps[plan->n_steps++];
    *step = (struct step){.problem = problem, .is_head = plan->head < plan->n_steps};
    snprintf(step->name, sizeof step->name, "%s%s", plan->prefix, name);
    return step;
}

/* A slot of rows, which grows to hold them. */
static struct place rows(struct plan *plan, enum slot slot, size_t row_bytes) {
    if (plan->row_bytes[slot] < row_bytes) plan->row_bytes[slot] = row_bytes;
    return (struct place){.slot = slot, .row_bytes = row_bytes};
}

static struct place floats(struct plan *plan, enum slot slot, int64_t n) {
    return rows(plan, slot, (size_t)n * sizeof(float));
}

static struct place vector(struct plan *plan, const float *value, int64_t n) {
    if (!value) return (struct place){0};
    plan->vectors[plan->n_vectors] = (struct plan_vector){value, n};
    return (struct place){.slot = SLOT_VECTOR, .index = (int)plan->n_vectors++};
}

/* ---- matrices ---- */

static struct plan_matrix *add_matrix(struct plan *plan, const char *name) {
    struct plan_matrix *m = &plan->matrices[plan->n_matrices++];
    *m = (struct plan_matrix){0};
    snprintf(m->name, sizeof m->name, "%s%s", plan->prefix, name);
    return m;
}

/* What a matrix multiplies with in this class: blocks of int8 that share its groups, or floats. */
static bool takes_blocks(const struct plan *plan, const struct matrix *matrix) {
    return plan->options.class == CLASS_I8 && weight_is_quantised(matrix->weight);
}

/* A row of activations in both forms; which of them are made depends on who reads them. */
struct activations {
    enum slot floats, blocks;
    int64_t k;
    bool has_floats;
    int group; /* of the blocks that are there; 0: none */
};

/* Blocks of that group, made from the floats unless their maker made them. */
static struct place want_blocks(struct plan *plan, struct activations *x, int group) {
    const struct place blocks = rows(plan, x->blocks, activation_row_bytes(CLASS_I8, x->k, group));
    if (x->group == group) return blocks;
    assert(x->has_floats);
    const struct problem problem =
        problem_of("quant_act", CLASS_F32, "k=%lld,n=1,g=%d", (long long)x->k, group);
    struct step *step = add_step(plan, problem, "quant");
    step->operand[0] = floats(plan, x->floats, x->k);
    step->operand[1] = blocks;
    x->group = group;
    return blocks;
}

/* One multiplication: C (at a column of its rows) = W·x, with bias or residual. */
struct product {
    const char *name;
    const struct matrix *matrix;
    struct plan_matrix *entry; /* its place among the matrices; NULL: a new one */
    struct place c;
    const float *bias;  /* NULL: none */
    bool adds_residual; /* C += W·x */
};

static void multiply(struct plan *plan, struct activations *x, const struct product *p) {
    struct plan_matrix *entry = p->entry ? p->entry : add_matrix(plan, p->name);
    entry->matrix = p->matrix;
    const bool blocks = takes_blocks(plan, p->matrix);
    const struct place in =
        blocks ? want_blocks(plan, x, p->matrix->weight.group) : floats(plan, x->floats, x->k);
    char weight[16];
    const char *epilogue = p->adds_residual ? "residual" : p->bias ? "bias" : "none";
    struct problem problem =
        problem_of("matmul", blocks ? CLASS_I8 : CLASS_F32, "m=%lld,k=%lld,n=1,w=%s,e=%s",
                   (long long)p->matrix->m, (long long)p->matrix->k,
                   weight_format(p->matrix->weight, weight), epilogue);
    if (entry->layout) problem.layout = entry->layout;
    entry->layout = problem.layout;
    if (p->c.row_bytes != (size_t)p->matrix->m * sizeof(float))
        problem_set(&problem, "ldc", (int64_t)(p->c.row_bytes / sizeof(float)));
    struct step *step = add_step(plan, problem, p->name);
    step->operand[0] = (struct place){.slot = SLOT_MATRIX, .index = (int)(entry - plan->matrices)};
    step->operand[1] = in;
    step->operand[2] = p->c;
    step->operand[3] = p->adds_residual ? p->c : vector(plan, p->bias, p->matrix->m);
}

/* The biases one behind the other, zeros where a part has none; NULL: none has any. The plan's. */
static const float *join_biases(struct plan *plan, const struct product *parts, int n, int64_t m) {
    bool has_bias = false;
    for (int i = 0; i < n; i++) has_bias = has_bias || parts[i].bias;
    if (!has_bias) return NULL;
    float *joined = memory_new((size_t)m * sizeof *joined), *at = joined;
    for (int i = 0; i < n; at += parts[i++].matrix->m)
        if (parts[i].bias) memcpy(at, parts[i].bias, (size_t)parts[i].matrix->m * sizeof *at);
    plan->joined[plan->n_joined++] = joined;
    return joined;
}

/* Several matrices over one x, their outputs side by side in C's rows: one multiplication when it is
 * wanted and their types allow it, else one each. */
static void multiply_together(struct plan *plan, struct activations *x, const char *name,
                              const struct product *parts, int n, enum slot to, bool together) {
    const struct matrix *matrices[MATRIX_STACK_PARTS];
    int64_t m = 0;
    for (int i = 0; i < n; i++) m += (matrices[i] = parts[i].matrix)->m;
    struct place c = floats(plan, to, m);
    if (together) {
        struct plan_matrix *entry = add_matrix(plan, name);
        if (matrix_stack(matrices, n, &entry->stack, NULL) == OK) {
            multiply(plan, x,
                     &(struct product){.name = name,
                                       .matrix = &entry->stack.matrix,
                                       .entry = entry,
                                       .c = c,
                                       .bias = join_biases(plan, parts, n, m)});
            return;
        }
        plan->n_matrices--;
    }
    for (int i = 0; i < n; i++) {
        struct product part = parts[i];
        part.c = c;
        multiply(plan, x, &part);
        c.offset += (size_t)part.matrix->m * sizeof(float);
    }
}

/* ---- norms and activations in the form that their readers take ---- */

/* The group of blocks that all these matrices take; 0: some take floats, or they differ. */
static int common_group(const struct plan *plan, const struct matrix *const *readers, int n) {
    const int group = readers[0]->weight.group;
    for (int i = 0; i < n; i++)
        if (!takes_blocks(plan, readers[i]) || readers[i]->weight.group != group) return 0;
    return group;
}

/* Where a producer writes: blocks if all readers take the same, else floats. */
static struct place output_for(struct plan *plan, struct activations *x, int group) {
    x->has_floats = group == 0;
    x->group = group;
    return group ? rows(plan, x->blocks, activation_row_bytes(CLASS_I8, x->k, group))
                 : floats(plan, x->floats, x->k);
}

static const char *output_text(int group, char text[24]) {
    if (group) snprintf(text, 24, "o=i8,g=%d", group);
    else snprintf(text, 24, "o=f32");
    return text;
}

/* X (+= R when something is pending) normed for these readers. */
static struct activations normalise(struct plan *plan, const char *name, const float *gamma,
                                    bool pending, const struct matrix *const *readers, int n) {
    const struct model *m = plan->model;
    struct activations h = {.floats = SLOT_H, .blocks = SLOT_HQ, .k = m->width};
    const int group = n ? common_group(plan, readers, n) : 0;
    char output[24];
    struct problem problem = problem_of("rmsnorm", CLASS_F32, "k=%lld,n=1,r=%d,%s",
                                        (long long)m->width, pending, output_text(group, output));
    uint32_t bits;
    memcpy(&bits, &m->norm_epsilon, sizeof bits);
    problem_set(&problem, "eps", bits);
    struct step *step = add_step(plan, problem, name);
    step->operand[0] = floats(plan, SLOT_X, m->width);
    step->operand[1] = pending ? floats(plan, SLOT_R, m->width) : (struct place){0};
    step->operand[2] = vector(plan, gamma, m->width);
    step->operand[3] = output_for(plan, &h, group);
    return h;
}

/* ---- the parts of a layer ---- */

static void self_attention(struct plan *plan, int layer) {
    const struct model *m = plan->model;
    const char *kv = plan->options.kv_is_f32 ? "f32" : "f16";
    const int64_t d = m->head_size;
    const struct place qkv = floats(plan, SLOT_QKV, (m->n_heads + 2 * m->n_kv_heads) * d);
    const struct place keys = {.slot = SLOT_KEYS, .index = layer};
    const struct place values = {.slot = SLOT_VALUES, .index = layer};
    const struct place table = {.slot = SLOT_TABLE}, stored = {.slot = SLOT_STORED};
    const struct place batch = {.slot = SLOT_ROWS, .row_bytes = 4 * sizeof(int32_t)};
    const struct place rotary = {.slot = SLOT_ROTARY};
    const struct place o = floats(plan, SLOT_O, m->n_heads * d);
    char shape[96];
    snprintf(shape, sizeof shape, "heads=%lld,kvh=%lld,d=%lld,n=1,kv=%s", (long long)m->n_heads,
             (long long)m->n_kv_heads, (long long)d, kv);
    if (!plan->options.choice.rope) {
        const struct place operands[] = {qkv, keys, values, batch, rotary};
        struct step *step = add_step(plan, problem_of("rope_kv", CLASS_F32, "%s", shape), "rope");
        memcpy(step->operand, operands, sizeof operands);
    }
    const struct place operands[] = {qkv, keys, values, table, batch, stored, rotary, o};
    const struct problem problem = problem_of("attention", CLASS_F32, "%s,l=%d,rope=%d", shape,
                                              PLAN_KV_LENGTH, plan->options.choice.rope);
    memcpy(add_step(plan, problem, "attention")->operand, operands, sizeof operands);
}

/* W·x for the residual stream: added at once, or left in R for the next norm. *pending says so. */
static void multiply_into_x(struct plan *plan, struct activations *x, const char *name,
                            const struct matrix *matrix, bool *pending) {
    *pending = plan->options.choice.norm;
    multiply(plan, x,
             &(struct product){.name = name,
                               .matrix = matrix,
                               .adds_residual = !*pending,
                               .c = floats(plan, *pending ? SLOT_R : SLOT_X, matrix->m)});
}

static struct activations gate(struct plan *plan, const struct matrix *reader) {
    const int64_t hidden = plan->model->hidden;
    struct activations a = {.floats = SLOT_A, .blocks = SLOT_AQ, .k = hidden};
    const int group = common_group(plan, &reader, 1);
    char output[24];
    const struct problem problem = problem_of("swiglu", CLASS_F32, "k=%lld,n=1,%s",
                                              (long long)hidden, output_text(group, output));
    struct step *step = add_step(plan, problem, "swiglu");
    step->operand[0] = floats(plan, SLOT_GU, 2 * hidden);
    step->operand[1] = output_for(plan, &a, group);
    return a;
}

static void add_layer(struct plan *plan, int64_t number, bool *pending) {
    const struct model *m = plan->model;
    const struct plan_choice *choice = &plan->options.choice;
    const struct model_layer *layer = &m->layer[number];
    const struct product projections[] = {
        {.name = "attn_q", .matrix = &layer->wq, .bias = layer->bq},
        {.name = "attn_k", .matrix = &layer->wk, .bias = layer->bk},
        {.name = "attn_v", .matrix = &layer->wv, .bias = layer->bv}};
    const struct product gates[] = {{.name = "ffn_gate", .matrix = &layer->w_gate},
                                    {.name = "ffn_up", .matrix = &layer->w_up}};
    const struct matrix *const qkv[] = {&layer->wq, &layer->wk, &layer->wv};
    const struct matrix *const ffn[] = {&layer->w_gate, &layer->w_up};
    snprintf(plan->prefix, sizeof plan->prefix, "blk.%lld.", (long long)number);

    struct activations h = normalise(plan, "attn_norm", layer->attn_norm, *pending, qkv, 3);
    multiply_together(plan, &h, "attn_qkv", projections, 3, SLOT_QKV, choice->qkv);
    self_attention(plan, (int)(number - plan->options.first_layer));
    struct activations o = {
        .floats = SLOT_O, .blocks = SLOT_OQ, .k = m->n_heads * m->head_size, .has_floats = true};
    multiply_into_x(plan, &o, "attn_output", &layer->wo, pending);

    h = normalise(plan, "ffn_norm", layer->ffn_norm, *pending, ffn, 2);
    multiply_together(plan, &h, "ffn_gate_up", gates, 2, SLOT_GU, choice->ffn);
    struct activations a = gate(plan, &layer->w_down);
    multiply_into_x(plan, &a, "ffn_down", &layer->w_down, pending);
    plan->prefix[0] = 0;
}

/* ---- both ends ---- */

static void add_embedding(struct plan *plan, struct plan_matrix *entry) {
    const struct model *m = plan->model;
    char weight[16];
    entry->matrix = &m->embedding;
    struct problem problem =
        problem_of("embed", CLASS_F32, "m=%lld,k=%lld,n=1,w=%s", (long long)m->vocabulary,
                   (long long)m->width, weight_format(m->embedding.weight, weight));
    entry->layout = problem.layout;
    struct step *step = add_step(plan, problem, "token_embd");
    step->operand[0] = (struct place){.slot = SLOT_MATRIX, .index = (int)(entry - plan->matrices)};
    step->operand[1] = (struct place){.slot = SLOT_IDS, .row_bytes = sizeof(int32_t)};
    step->operand[2] = floats(plan, SLOT_X, m->width);
}

static void add_head(struct plan *plan, struct plan_matrix *embedding, bool pending) {
    const struct model *m = plan->model;
    plan->head = plan->n_steps;
    struct activations h = normalise(plan, "output_norm", m->final_norm, pending, &m->output, 1);
    multiply(plan, &h,
             &(struct product){.name = "output",
                               .matrix = m->output,
                               .entry = m->output == &m->embedding ? embedding : NULL,
                               .c = floats(plan, SLOT_LOGITS, m->vocabulary)});
    plan->best = problem_of("sample", CLASS_F32, "m=%lld,n=1", (long long)m->vocabulary);
    plan->row_bytes[SLOT_BEST] = sizeof(int32_t);
}

/* ---- open ---- */

enum status plan_check_model(const struct model *m, struct error *err) {
    if (!m->vocabulary_only) return OK;
    return fail(err, STATUS_UNSUPPORTED, "%s holds a vocabulary and no weights: it cannot run",
                m->path);
}

static enum status check_steps(const struct plan *plan, struct error *err) {
    struct config config;
    for (size_t i = 0; i < plan->n_steps; i++)
        if (family_default(&plan->steps[i].problem, &config, err) != OK)
            return fail_while(err, "operation %s of %s", plan->steps[i].name, plan->model->path);
    return OK;
}

static void add_steps(struct plan *plan) {
    const struct model *m = plan->model;
    const int64_t first = plan->options.first_layer, last = plan->options.last_layer;
    const bool is_tied = m->output == &m->embedding;
    struct plan_matrix *embedding = NULL;
    bool pending = false;
    if (plan->is_first || (plan->is_last && is_tied)) embedding = add_matrix(plan, "token_embd");
    if (plan->is_first) add_embedding(plan, embedding);
    for (int64_t l = first; l < last; l++) add_layer(plan, l, &pending);
    if (plan->is_last) add_head(plan, embedding, pending);
    else if (pending) /* X leaves this stage whole */
        normalise(plan, "settle", m->layer[last - 1].ffn_norm, true, NULL, 0);
    if (plan->head == SIZE_MAX) plan->head = plan->n_steps;
}

enum status plan_open(const struct model *model, const struct plan_options *options,
                      struct plan **out, struct error *err) {
    *out = NULL;
    enum status st = plan_check_model(model, err);
    if (st != OK) return st;
    const size_t layers = (size_t)(options->last_layer - options->first_layer);
    struct plan *plan = memory_new(sizeof *plan);
    *plan = (struct plan){.model = model,
                          .options = *options,
                          .head = SIZE_MAX,
                          .is_first = options->first_layer == 0,
                          .is_last = options->last_layer == model->n_layers};
    plan->steps = memory_new((layers * STEPS_A_LAYER + STEPS_AT_ENDS) * sizeof *plan->steps);
    plan->matrices = memory_new((layers * MATRICES_A_LAYER + 2) * sizeof *plan->matrices);
    plan->vectors = memory_new((layers * VECTORS_A_LAYER + 1) * sizeof *plan->vectors);
    plan->joined = memory_new((layers + 1) * sizeof *plan->joined);
    add_steps(plan);
    st = check_steps(plan, err);
    if (st == OK) *out = plan;
    else plan_close(plan);
    return st;
}

void plan_close(struct plan *plan) {
    if (!plan) return;
    for (size_t i = 0; i < plan->n_joined; i++) free(plan->joined[i]);
    free(plan->joined);
    free(plan->steps);
    free(plan->matrices);
    free(plan->vectors);
    free(plan);
}

bool step_is_matrix(const struct step *step) {
    return !strcmp(step->problem.family->name, "matmul");
}

static bool reads(const struct step *step, size_t matrix) {
    return step->operand[0].slot == SLOT_MATRIX && (size_t)step->operand[0].index == matrix;
}

void plan_set_layout(struct plan *plan, size_t matrix, const struct layout *layout) {
    plan->matrices[matrix].layout = layout;
    for (size_t i = 0; i < plan->n_steps; i++)
        if (reads(&plan->steps[i], matrix)) plan->steps[i].problem.layout = layout;
}

const struct problem *plan_matrix_problem(const struct plan *plan, size_t matrix) {
    const struct problem *found = NULL;
    for (size_t i = 0; i < plan->n_steps; i++) {
        if (!reads(&plan->steps[i], matrix)) continue;
        /* the embedding is looked up once a token, and multiplied whole */
        if (!found || step_is_matrix(&plan->steps[i])) found = &plan->steps[i].problem;
    }
    return found;
}
