/* session_facts.c: what a session keeps besides its rows, as facts of its device in the database. What
 * a database says is checked like any other input. */
#include "base/str.h"
#include "tuner/frames.h"
#include "tuner/session_private.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- facts of a session ---- */

static char *fact_key(const struct session *s, const struct quest *q) {
    char name[256];
    quest_name(q, name);
    return text_format("%lld %s", (long long)s->row.id, name);
}

enum status session_set_fact(struct session *s, const char *kind, const char *key, json_t *value,
                             struct error *err) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
    json_decref(value);
    enum status st = text ? store_fact_set(s->store, kind, s->info->model_key, s->info->version_key,
                                           key, text, err)
                          : fail(err, STATUS_NOMEM, "no memory for a fact of the session");
    free(text);
    return st;
}

/* NULL when there is none. */
static json_t *get_fact(struct session *s, const char *kind, const char *key) {
    char *text = NULL;
    struct error ignored;
    json_error_t why;
    if (store_fact_get(s->store, kind, s->info->model_key, s->info->version_key, key, &text,
                       &ignored) != OK)
        return NULL;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &why);
    free(text);
    return value;
}

enum status session_save_grants(struct session *s, struct error *err) {
    char key[32];
    snprintf(key, sizeof key, "%lld", (long long)s->row.id);
    return session_set_fact(s, "grants", key, json_integer(s->grants), err);
}

void session_load_grants(struct session *s) {
    char key[32];
    snprintf(key, sizeof key, "%lld", (long long)s->row.id);
    json_t *value = get_fact(s, "grants", key);
    s->grants = bounded(json_is_integer(value) ? json_integer_value(value) : 1, 1, GRANTS_MOST);
    json_decref(value);
}

enum status session_save_ceilings(struct session *s, struct error *err) {
    const struct ceiling_memory *memory = worker_ceilings(s->worker);
    if (isnan(memory->gflops)) return OK;
    return session_set_fact(s, "ceiling", "measured", frame_ceilings(memory), err);
}

/* ---- seeds and state of a quest: fixed when it begins ---- */

enum status session_save_seeds(struct session *s, const struct quest *q, struct error *err) {
    json_t *seeds = json_array();
    for (size_t i = 0; i < q->search.n_seeds; i++) {
        const struct setting setting = quest_setting(q, q->seeds[i]);
        json_array_append_new(seeds, setting_json(&setting));
    }
    char *key = fact_key(s, q);
    const enum status st = session_set_fact(s, "seeds", key, seeds, err);
    free(key);
    return st;
}

bool session_load_seeds(struct session *s, const struct quest *q, int64_t seeds[SEEDS_MOST],
                        size_t *n) {
    char *key = fact_key(s, q);
    json_t *list = get_fact(s, "seeds", key);
    const bool is_known = json_is_array(list);
    free(key);
    *n = 0;
    for (size_t i = 0; i < json_array_size(list) && *n < SEEDS_MOST; i++) {
        const struct setting seed = setting_read(q, json_array_get(list, i));
        const int64_t at = seed.layout ? space_find(&q->space, &seed.config, seed.layout) : -1;
        if (at >= 0) seeds[(*n)++] = at;
    }
    json_decref(list);
    return is_known;
}

enum status session_save_done(struct session *s, const struct quest *q, struct error *err) {
    char *key = fact_key(s, q);
    const enum status st = session_set_fact(s, "done", key, json_integer(s->grants), err);
    free(key);
    return st;
}

bool session_load_done(struct session *s, const struct quest *q) {
    char *key = fact_key(s, q);
    json_t *fact = get_fact(s, "done", key);
    const bool is_done = json_is_integer(fact) && json_integer_value(fact) >= s->grants;
    json_decref(fact);
    free(key);
    return is_done;
}

enum status session_save_rounds(struct session *s, const struct quest *q, struct error *err) {
    char *key = fact_key(s, q);
    const enum status st = session_set_fact(
        s, "finals", key,
        json_pack("{s:I,s:i}", "grant", (json_int_t)s->grants, "rounds", q->final_rounds), err);
    free(key);
    return st;
}

void session_load_rounds(struct session *s, struct quest *q) {
    char *key = fact_key(s, q);
    json_t *fact = get_fact(s, "finals", key);
    const json_t *grant = json_object_get(fact, "grant"), *rounds = json_object_get(fact, "rounds");
    q->final_rounds = 0;
    if (json_is_integer(grant) && json_integer_value(grant) == s->grants)
        q->final_rounds = (int)bounded(json_integer_value(rounds), 0, FINAL_ROUNDS);
    json_decref(fact);
    free(key);
}

enum status session_save_cross(struct session *s, const struct quest *q, struct error *err) {
    char *key = fact_key(s, q);
    const enum status st = session_set_fact(s, "cross", key, json_incref(q->cross), err);
    free(key);
    return st;
}

void session_load_cross(struct session *s, struct quest *q) {
    char *key = fact_key(s, q);
    q->cross = get_fact(s, "cross", key);
    if (!json_is_array(q->cross)) {
        json_decref(q->cross);
        q->cross = json_array();
    }
    q->is_crossed = cross_is_done(q->cross, s->grants);
    free(key);
}
