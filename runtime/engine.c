/* engine.c: opening an engine, batches, sequences. See engine.h. */
#include "base/clock.h"
#include "base/str.h"
#include "base/units.h"
#include "runtime/classes.h"
#include "runtime/engine_model.h"
#include "runtime/engine_private.h"
#include "runtime/verify.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tuning a model measures its matrices at N in steps of four: then no N is further from one of them. */
static const double FAR_BEYOND = 2;

enum { CONTEXT_USUAL = 4096, ROWS_USUAL = 256, SEQUENCES_USUAL = 8 };

/* ---- class, plan ---- */

const char *engine_auto_class(const struct engine_model *model, const char *database,
                              bool *is_known) {
    char *path = database ? text_copy(database) : store_default_path(NULL);
    struct store *store = NULL;
    if (store_open(path, STORE_READ, &store, NULL) != OK) store = NULL;
    const struct class_choice choice = class_choose(store, engine_model_get(model));
    store_close(store);
    free(path);
    *is_known = choice.is_known;
    return class_names[choice.class];
}

enum status engine_remember_perplexity(const struct engine_model *model, const char *database,
                                       const char *class_name,
                                       const struct engine_perplexity *measured,
                                       struct error *err) {
    char *path = database ? text_copy(database) : store_default_path(NULL);
    struct store *store = NULL;
    enum status st = store_open(path, STORE_WRITE, &store, err);
    if (st == OK) st = class_remember(store, engine_model_get(model), class_name, measured, err);
    store_close(store);
    free(path);
    return st;
}

/* Whether most of the different matrix problems of the model have records of this device in a class. */
static bool class_is_tuned(struct routes *routes, const struct model *model, enum class_id class) {
    const struct plan_options options = {
        .class = class, .choice = plan_choice_fused(), .last_layer = model->n_layers};
    struct plan *plan;
    int problems = 0, tuned = 0;
    if (plan_open(model, &options, &plan, NULL) != OK) return false;
    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct problem *problem = &plan->steps[i].problem;
        size_t first = 0;
        while (!problem_equal(&plan->steps[first].problem, problem)) first++;
        if (first < i || !step_is_matrix(&plan->steps[i])) continue;
        problems++;
        tuned += routes_is_tuned(routes, problem);
    }
    plan_close(plan);
    return 2 * tuned > problems;
}

static enum class_id choose_class(struct engine *engine, const struct engine_options *o) {
    const struct class_choice choice = class_choose(routes_store(engine->routes), engine->model);
    const enum class_id other = choice.class == CLASS_I8 ? CLASS_F32 : CLASS_I8;
    engine->facts.is_class_known = choice.is_known;
    engine->facts.class_cost = choice.cost;
    if (o->profile == ENGINE_TUNED && routes_store(engine->routes) &&
        !class_is_tuned(engine->routes, engine->model, choice.class) &&
        class_is_tuned(engine->routes, engine->model, other))
        engine->facts.tuned_class = class_names[other];
    return choice.class;
}

static enum status find_class(struct engine *engine, const struct engine_options *o,
                              enum class_id *class, struct error *err) {
    if (!o->class_name || !strcmp(o->class_name, "auto"))
        return *class = choose_class(engine, o), OK;
    const int found = class_find(o->class_name);
    const bool is_known = found >= 0 && class_has_kernels((enum class_id)found);
    *class = is_known ? (enum class_id)found : CLASS_F32;
    if (is_known) return OK;
    char all[64];
    class_list(all);
    return fail(err, STATUS_USAGE, "a model runs in class auto, %s, not '%s'", all, o->class_name);
}

/* What was measured to be best for this file here; everything fused where nothing was. */
static enum status find_choice(const struct engine *engine, const struct engine_options *o,
                               enum class_id class, struct plan_choice *choice, struct error *err) {
    const struct device_info *info = device_describe(engine->device);
    char *key = text_format("%s %s", engine->model->fingerprint, class_names[class]);
    char *value = NULL;
    *choice = plan_choice_fused();
    if (!o->plan && o->profile == ENGINE_TUNED && routes_store(engine->routes) &&
        store_fact_get(routes_store(engine->routes), "plan", info->model_key, info->version_key,
                       key, &value, NULL) == OK) {
        json_t *fact = json_loads(value, 0, NULL);
        const char *text = json_string_value(json_object_get(fact, "plan"));
        if (!text || plan_choice_parse(text, choice, NULL) != OK) *choice = plan_choice_fused();
        json_decref(fact);
    }
    free(value);
    free(key);
    return o->plan ? plan_choice_parse(o->plan, choice, err) : OK;
}

/* ---- open ---- */

static enum status find_kv_type(const char *name, bool *is_f32, struct error *err) {
    *is_f32 = name && !strcmp(name, "f32");
    if (!name || *is_f32 || !strcmp(name, "f16")) return OK;
    return fail(err, STATUS_USAGE, "keys and values are kept as f16 or f32, not '%s'", name);
}

static enum status find_layers(const struct engine_options *o, const struct model *model,
                               struct plan_options *plan, struct error *err) {
    plan->first_layer = o->first_layer;
    plan->last_layer = o->last_layer ? o->last_layer : model->n_layers;
    if (plan->first_layer >= 0 && plan->first_layer < plan->last_layer &&
        plan->last_layer <= model->n_layers)
        return OK;
    return fail(err, STATUS_USAGE, "%s has layers 0 to %lld: a stage of [%lld, %lld) is none of it",
                model->path, (long long)model->n_layers - 1, (long long)o->first_layer,
                (long long)o->last_layer);
}

static int64_t or_usual(int64_t value, int64_t usual) {
    return value > 0 ? value : usual;
}

/* Before anything large is asked for. A stage has its part of the weights. */
static enum status check_memory(const struct engine *engine, const struct plan_options *plan,
                                int64_t positions, struct error *err) {
    const struct model *m = engine->model;
    const struct device_info *info = device_describe(engine->device);
    const int64_t layers = plan->last_layer - plan->first_layer;
    const struct kv_shape shape = {layers, m->n_kv_heads, m->head_size, plan->kv_is_f32};
    const int64_t bytes =
        memory_needed(m->weight_bytes / m->n_layers * layers, kv_bytes(&shape, positions));
    char need[UNITS_TEXT], have[UNITS_TEXT];
    if ((uint64_t)bytes <= info->global_bytes) return OK;
    return fail(err, STATUS_NOMEM,
                "%s with %lld positions of context needs about %s, and %s has %s: make the context "
                "(--ctx) smaller",
                m->name, (long long)positions, units_memory((double)bytes, need), info->name,
                units_memory((double)info->global_bytes, have));
}

static enum status open_forward(struct engine *engine, const struct engine_options *o,
                                struct error *err) {
    const struct model *model = engine->model;
    const int64_t usual = model->context < CONTEXT_USUAL ? model->context : CONTEXT_USUAL;
    struct forward_options f = {.positions = or_usual(o->context, usual),
                                .max_rows = engine->max_rows,
                                .max_sequences = or_usual(o->max_sequences, SEQUENCES_USUAL),
                                .fixed_layouts = o->profile == ENGINE_DEFAULT,
                                .keeps_packed = true};
    enum status st = find_class(engine, o, &f.plan.class, err);
    if (st == OK) st = find_choice(engine, o, f.plan.class, &f.plan.choice, err);
    if (st == OK) st = find_kv_type(o->kv_type, &f.plan.kv_is_f32, err);
    if (st == OK) st = find_layers(o, model, &f.plan, err);
    if (st == OK) st = check_memory(engine, &f.plan, f.positions, err);
    if (st == OK)
        st = forward_open(model, engine->device, engine->routes, &f, &engine->forward, err);
    snprintf(engine->facts.class_name, sizeof engine->facts.class_name, "%s",
             class_names[f.plan.class]);
    plan_choice_format(&f.plan.choice, engine->facts.plan);
    return st;
}

static enum status fill_facts(struct engine *engine, struct error *err) {
    const struct device_info *info = device_describe(engine->device);
    struct forward_facts f;
    const enum status st = forward_prepare(engine->forward, &f, err);
    struct engine_facts *facts = &engine->facts;
    snprintf(facts->device, sizeof facts->device, "%s", info->name);
    snprintf(facts->model_key, sizeof facts->model_key, "%s", info->model_key);
    snprintf(facts->version_key, sizeof facts->version_key, "%s", info->version_key);
    facts->vocabulary = engine->model->vocabulary;
    facts->weight_bytes = f.weight_bytes;
    facts->kv_bytes = f.kv_bytes;
    facts->activation_bytes = f.activation_bytes;
    facts->operations = f.operations;
    facts->tuned_operations = f.tuned_operations;
    facts->matrices = f.matrices;
    facts->tuned_matrices = f.tuned_matrices;
    facts->is_database_refused = routes_refused(engine->routes);
    facts->profile = 2 * f.tuned_matrices > f.matrices ? "tuned" : "default";
    return st;
}

enum status engine_open(struct engine_model *model, const struct engine_options *options,
                        struct engine **out, struct error *err) {
    const int64_t start_ns = clock_now_ns();
    char *database = options->database ? text_copy(options->database) : store_default_path(NULL);
    struct engine *engine = memory_new(sizeof *engine);
    *out = NULL;
    engine->model = engine_model_get(model);
    engine->max_rows = or_usual(options->max_rows, ROWS_USUAL);
    const struct routes_options routes = {.database = database,
                                          .ignore_records = options->profile == ENGINE_DEFAULT,
                                          .max_rows = engine->max_rows,
                                          .warn = options->warn,
                                          .warn_context = options->warn_context};
    enum status st = plan_check_model(engine->model, err);
    if (st == OK) st = device_open(options->device, &engine->device, err);
    if (st == OK) st = routes_open(engine->device, &routes, &engine->routes, err);
    if (st == OK) st = open_forward(engine, options, err);
    if (st == OK) st = fill_facts(engine, err);
    if (st == OK) st = requests_open(engine, err);
    engine->facts.load_ns = clock_now_ns() - start_ns;
    if (st == OK) *out = engine;
    else engine_close(engine);
    free(database);
    return st;
}

void engine_close(struct engine *engine) {
    if (!engine) return;
    requests_close(engine);
    forward_close(engine->forward);
    routes_close(engine->routes);
    device_close(engine->device);
    free(engine->answer);
    free(engine->floats);
    free(engine);
}

void engine_describe(const struct engine *engine, struct engine_facts *facts) {
    const struct served *furthest = forward_furthest(engine->forward);
    *facts = engine->facts;
    if (!furthest || served_beyond(furthest) <= FAR_BEYOND) return;
    facts->beyond_n = problem_get(&furthest->problem, "n");
    facts->beyond_low = furthest->n_low;
    facts->beyond_high = furthest->n_high;
}

enum status engine_operations(const struct engine *engine, struct engine_operation **list,
                              size_t *n, struct error *err) {
    return forward_operations(engine->forward, list, n, err);
}

/* ---- batches ---- */

/* Room for the answers to these rows: logits at the last stage, hidden states before. */
static enum status need_answers(struct engine *engine, const struct engine_row *rows, size_t n,
                                struct error *err) {
    const struct model *m = engine->model;
    const bool is_last = forward_is_last(engine->forward);
    const size_t each = (size_t)(is_last ? m->vocabulary : m->width);
    size_t floats = 0;
    for (size_t i = 0; i < n; i++) floats += !is_last || rows[i].want_logits ? each : 0;
    if (floats > engine->floats_capacity) {
        free(engine->floats);
        engine->floats_capacity = 0;
        engine->floats = malloc(floats * sizeof *engine->floats);
        if (!engine->floats)
            return fail(err, STATUS_NOMEM, "no memory for the answers to %zu rows", n);
        engine->floats_capacity = floats;
    }
    if (n > engine->answer_capacity) {
        engine->answer = memory_grow(engine->answer, n * sizeof *engine->answer);
        engine->answer_capacity = n;
    }
    engine->n_answers = n;
    float *at = engine->floats;
    for (size_t i = 0; i < n; i++) {
        engine->answer[i] = (struct answer){NULL, NULL};
        if (is_last && !rows[i].want_logits) continue;
        if (is_last) engine->answer[i].logits = at;
        else engine->answer[i].hidden = at;
        at += each;
    }
    return OK;
}

static enum status run_part(struct engine *engine, const struct engine_row *rows, size_t first,
                            size_t n, struct error *err) {
    struct forward_row *part = memory_new(n * sizeof *part);
    for (size_t i = 0; i < n; i++) {
        const struct engine_row *row = &rows[first + i];
        const struct answer *answer = &engine->answer[first + i];
        part[i] = (struct forward_row){.token = row->token,
                                       .hidden = row->hidden,
                                       .position = row->position,
                                       .sequence = row->sequence,
                                       .want = answer->logits ? WANT_LOGITS : WANT_NOTHING,
                                       .logits = (float *)(uintptr_t)answer->logits,
                                       .out = (float *)(uintptr_t)answer->hidden};
    }
    const enum status st = forward_run(engine->forward, part, n, err);
    free(part);
    return st;
}

enum status engine_batch(struct engine *engine, const struct engine_row *rows, size_t n,
                         struct error *err) {
    const size_t most = (size_t)engine->max_rows;
    enum status st = need_answers(engine, rows, n, err);
    for (size_t at = 0; st == OK && at < n; at += most) {
        st = run_part(engine, rows, at, n - at < most ? n - at : most, err);
        if (st == OK) continue;
        struct kv *kv = forward_kv(engine->forward);
        for (size_t i = at; i-- > 0;) /* what came before in this call is taken back, too */
            kv_truncate(kv, rows[i].sequence, rows[i].position, NULL);
    }
    if (st != OK) engine->n_answers = 0;
    return st;
}

const float *engine_logits(const struct engine *engine, size_t row) {
    return row < engine->n_answers ? engine->answer[row].logits : NULL;
}

const float *engine_hidden(const struct engine *engine, size_t row) {
    return row < engine->n_answers ? engine->answer[row].hidden : NULL;
}

/* ---- sequences ---- */

static enum status check_sequence(const struct engine *engine, int32_t sequence,
                                  struct error *err) {
    if (kv_is(forward_kv(engine->forward), sequence)) return OK;
    return fail(err, STATUS_INVALID, "sequence %d is not open", sequence);
}

enum status engine_sequence_new(struct engine *engine, int32_t *sequence, struct error *err) {
    return kv_new(forward_kv(engine->forward), sequence, err);
}

void engine_sequence_drop(struct engine *engine, int32_t sequence) {
    kv_drop(forward_kv(engine->forward), sequence);
}

enum status engine_sequence_fork(struct engine *engine, int32_t sequence, int64_t positions,
                                 int32_t *copy, struct error *err) {
    const enum status st = check_sequence(engine, sequence, err);
    return st == OK ? kv_fork(forward_kv(engine->forward), sequence, positions, copy, err) : st;
}

enum status engine_sequence_truncate(struct engine *engine, int32_t sequence, int64_t positions,
                                     struct error *err) {
    const enum status st = check_sequence(engine, sequence, err);
    return st == OK ? kv_truncate(forward_kv(engine->forward), sequence, positions, err) : st;
}

enum status engine_sequence_forget(struct engine *engine, int32_t sequence, int64_t from,
                                   int64_t to, struct error *err) {
    const enum status st = check_sequence(engine, sequence, err);
    return st == OK ? kv_forget(forward_kv(engine->forward), sequence, from, to, err) : st;
}

int64_t engine_sequence_length(const struct engine *engine, int32_t sequence) {
    struct kv *kv = forward_kv(engine->forward);
    return kv_is(kv, sequence) ? kv_length(kv, sequence) : 0;
}

enum status engine_sequence_export(struct engine *engine, int32_t sequence, float **kv, size_t *n,
                                   struct error *err) {
    const enum status st = check_sequence(engine, sequence, err);
    return st == OK ? kv_export(forward_kv(engine->forward), sequence, kv, n, err) : st;
}

enum status engine_sequence_import(struct engine *engine, int32_t sequence, const float *kv,
                                   size_t n, int64_t positions, struct error *err) {
    const enum status st = check_sequence(engine, sequence, err);
    return st == OK ? kv_import(forward_kv(engine->forward), sequence, kv, n, positions, err) : st;
}

int engine_check_child(void) {
    return verify_child();
}
