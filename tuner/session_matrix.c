/* session_matrix.c: one matrix, all its n together: what is good at one n is measured at the others, a
 * row each and then side by side, and one layout is chosen for all. matrices.h says what is worth
 * measuring, cross.h what is kept of it. */
#include "base/log.h"
#include "tuner/session_private.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Measured side by side at an n that is used, whatever the time. */
enum { CROSS_LEAST = 2 };

/* One configuration in a row of its own, without racing: its time is wanted even when it is slow. */
static enum status cross_one(struct session *s, struct quest *q, const struct setting *setting,
                             const struct span *span, struct error *err) {
    struct record_key key = quest_key(q, setting);
    enum outcome verdict = OUTCOME_OK;
    char *message = NULL;
    enum status st = OK;
    if (!q->retry_id) st = store_verdict(s->store, s->device_id, &key, &verdict, &message, err);
    free(message);
    struct evaluation e = session_new_evaluation(s, q, false, &key);
    if (st == OK && verdict == OUTCOME_OK) {
        const struct work work = {.config = setting->config,
                                  .problem = quest_problem(q, setting),
                                  .seed = 1,
                                  .incumbent_ns = INFINITY,
                                  .budget_ns = span_samples_ns(span),
                                  .small_first = q->retry_id != 0};
        e.id = q->retry_id;
        e.is_resumed = q->retry_id != 0;
        st =
            q->retry_id ? store_step(s->store, &e, NULL, err) : store_step(s->store, NULL, &e, err);
        if (st == OK) st = session_evaluate(s, q, &work, NULL, &e, err);
        if (st == OK) st = session_commit(s, &e, NULL, err);
        if (st == OK) {
            quest_remember(q, &e);
            q->retry_id = 0;
        }
    }
    evaluation_drop(&e, &key);
    return st;
}

/* The newest attempt of a setting that was right; NULL: none. */
static struct attempt *right_attempt(struct quest *q, const struct setting *setting) {
    for (size_t i = q->n_attempts; i > 0; i--) {
        struct attempt *a = &q->attempts[i - 1];
        if (a->outcome == OUTCOME_OK && a->setting.layout == setting->layout &&
            config_equal(&a->setting.config, &setting->config))
            return a;
    }
    return NULL;
}

/* The step's settings that are not measured here yet, while the time lasts; *left: how many it did not
 * last for. */
static enum status measure_missing(struct session *s, struct quest *q,
                                   const struct setting *settings, size_t n,
                                   const struct span *span, size_t *left, struct error *err) {
    enum status st = OK;
    *left = 0;
    if (q->retry_id && q->retry_setting.layout) st = cross_one(s, q, &q->retry_setting, span, err);
    for (size_t i = 0; st == OK && i < n; i++) {
        if (right_attempt(q, &settings[i])) continue;
        if (session_is_interrupted(s) || pace_affords(&s->first, span->search_end_ns, 1) == 0)
            ++*left;
        else st = cross_one(s, q, &settings[i], span, err);
    }
    return st;
}

/* The settings of the step that is under way, or of a new one. */
static enum status open_step(struct session *s, const struct matrix_uses *m, size_t at,
                             struct setting settings[WORKS_MOST], size_t *n, struct error *err) {
    struct quest *q = m->quest[at];
    const json_t *step = cross_under_way(q->cross);
    enum status st = OK;
    if (!step) {
        *n = matrix_candidates(m, at, settings, WORKS_MOST);
        step = cross_begin(q->cross, s->grants, (int64_t)q->n_attempts, settings, *n);
        st = session_save_cross(s, q, err);
    }
    *n = cross_settings(step, q, settings, WORKS_MOST);
    return st;
}

/* What is good at other n, beside what is good here, measured side by side. Where the time was too
 * short for that, the step stays under way. */
static enum status cross_quest(struct session *s, const struct matrix_uses *m, size_t at,
                               struct error *err) {
    struct quest *q = m->quest[at];
    struct setting settings[WORKS_MOST];
    struct attempt *who[WORKS_MOST];
    const struct span span = session_span(s, q);
    size_t n, n_right = 0, left = 0;
    enum status st = open_step(s, m, at, settings, &n, err);
    if (st == OK) st = measure_missing(s, q, settings, n, &span, &left, err);
    for (size_t i = 0; i < n; i++) {
        who[n_right] = right_attempt(q, &settings[i]);
        n_right += who[n_right] != NULL;
    }
    size_t n_who = pace_affords(&s->again, span.end_ns, n_right);
    if (q->uses > 0 && n_who < CROSS_LEAST) n_who = n_right < CROSS_LEAST ? n_right : CROSS_LEAST;
    if (st == OK && n_who > 1 && !session_is_interrupted(s))
        st = session_measure_again(s, q, who, n_who, span_finals_ns(&span), err);
    if (st != OK || session_is_interrupted(s) || (n_who < 2 && (left > 0 || n_right > 1)))
        return st;
    cross_end(cross_under_way(q->cross), (int64_t)q->n_attempts);
    q->is_crossed = true;
    return session_save_cross(s, q, err);
}

/* The engine asks for it by the problem at n = 1 (runtime/routes.c). */
static enum status save_choice(struct session *s, const struct matrix_uses *m, struct error *err) {
    const struct matrix_choice choice = matrix_choose(m);
    if (!choice.layout) return OK;
    const struct problem *one = &m->quest[0]->problem;
    char kernels[17], name[160], *key = problem_layout_key(one);
    family_key(one->family, kernels);
    matrix_name(m, name);
    json_t *value = matrix_json(m);
    json_object_set_new(value, "kernels", json_string(kernels));
    const enum status st = session_set_fact(s, "plan", key, value, err);
    free(key);
    char open[80] = "";
    if (choice.n_open)
        snprintf(open, sizeof open, "; %zu of %zu n not measured in it", choice.n_open, m->n);
    log_say("%s %s: layout %s for every n, at most ×%.2f of the best measured%s", one->family->name,
            name, choice.layout->name, choice.worst, open);
    return st;
}

enum status session_cross_matrix(struct session *s, const struct matrix_uses *m, bool used,
                                 struct error *err) {
    enum status st = OK;
    bool is_new = false;
    for (size_t i = 0; i < m->n; i++)
        if (!m->quest[i]->is_done) return OK;
    for (size_t i = 0; st == OK && i < m->n && !session_is_over(s); i++) {
        struct quest *q = m->quest[i];
        if (q->is_crossed || (q->uses > 0) != used) continue;
        st = cross_quest(s, m, i, err);
        is_new = is_new || q->is_crossed;
    }
    if (st == OK) st = session_spend(s, "running", err);
    return st == OK && is_new ? save_choice(s, m, err) : st;
}
