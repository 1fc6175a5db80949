/* classes.c: see classes.h. A fact a file and class holds an object: a member a protocol, whose name is a hash
 * of all that makes two perplexities comparable. Only members of the same name are compared. */
#include "runtime/classes.h"
#include "base/hash.h"
#include "base/str.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Class i8 is chosen by itself when it costs no more perplexity than this, seen on this many predictions. */
static const double COST_MOST = 0.005;
enum { PREDICTIONS_LEAST = 2000 };

static const char KIND[] = "class";

static char *fact_key(const struct model *model, const char *class_name) {
    return text_format("%s %s", model->fingerprint, class_name);
}

/* Protocols of a class; empty where nothing (or nothing that can be read) is recorded. */
static json_t *recorded(struct store *store, const struct model *model, const char *class_name) {
    char *key = fact_key(model, class_name), *value = NULL;
    json_t *fact = NULL;
    if (store && store_fact_get(store, KIND, "", "", key, &value, NULL) == OK)
        fact = json_loads(value, 0, NULL);
    free(value);
    free(key);
    if (json_is_object(fact)) return fact;
    json_decref(fact);
    return json_object();
}

static double number_at(const json_t *object, const char *name) {
    return json_number_value(json_object_get(object, name));
}

/* Both on text enough; *cost of the second over the first. */
static bool compare(const json_t *f32, const json_t *i8, double *cost) {
    const double base = number_at(f32, "ppl"), other = number_at(i8, "ppl");
    *cost = other / base - 1;
    return base >= 1 && other >= 1 && isfinite(*cost) &&
           number_at(f32, "predictions") >= PREDICTIONS_LEAST &&
           number_at(i8, "predictions") >= PREDICTIONS_LEAST;
}

struct class_choice class_choose(struct store *store, const struct model *model) {
    struct class_choice choice = {.class = CLASS_F32};
    json_t *all = recorded(store, model, class_names[CLASS_F32]), *f32;
    json_t *others = recorded(store, model, class_names[CLASS_I8]);
    const char *protocol;
    double most = 0, cost;
    json_object_foreach (all, protocol, f32) {
        const double predictions = number_at(f32, "predictions");
        if (!compare(f32, json_object_get(others, protocol), &cost) || predictions <= most)
            continue;
        most = predictions;
        choice = (struct class_choice){cost <= COST_MOST ? CLASS_I8 : CLASS_F32, true, cost};
    }
    json_decref(all);
    json_decref(others);
    return choice;
}

static void protocol_hash(const struct engine_perplexity *p, char text[17]) {
    const int64_t numbers[] = {p->window, p->windows, p->predictions, p->has_bos};
    uint64_t hash = hash_bytes(hash_start(), p->ids, p->n_ids * sizeof *p->ids);
    hash = hash_bytes(hash, numbers, sizeof numbers);
    hash_hex(hash_text(hash, p->kv_type), text);
}

enum status class_remember(struct store *store, const struct model *model, const char *class_name,
                           const struct engine_perplexity *measured, struct error *err) {
    char protocol[17];
    protocol_hash(measured, protocol);
    json_t *all = recorded(store, model, class_name);
    json_object_set_new(all, protocol,
                        json_pack("{s:f, s:I, s:I, s:I, s:b, s:s}", "ppl", measured->ppl,
                                  "predictions", (json_int_t)measured->predictions, "ctx",
                                  (json_int_t)measured->window, "chunks",
                                  (json_int_t)measured->windows, "bos", measured->has_bos, "kv",
                                  measured->kv_type));
    char *key = fact_key(model, class_name), *value = json_dumps(all, JSON_COMPACT);
    const enum status st = store_fact_set(store, KIND, "", "", key, value, err);
    free(value);
    free(key);
    json_decref(all);
    return st;
}
