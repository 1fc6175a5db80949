/* recorded_child.c: the worker of a recorded space (target.h): it answers the same requests as worker_child.c
 * with what the file holds. Nothing is built or checked, and playing takes no time; racing and finals are those
 * of the measuring protocol. A configuration that failed fails in the same way.
 *
 * Which runs are played depends on the seed, the configuration and whether it is a finalist, never on when it is
 * asked: a session that was killed meets the same device again. */
#include "base/str.h"
#include "tuner/frames.h"
#include "tuner/tape.h"
#include "tuner/target.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* One configuration under way. */
struct playing {
    const struct recorded_config *config;
    double incumbent_ns;
    int64_t budget_ns;
    struct tape tape;
    struct sample_set set;
    bool is_abandoned;
};

/* ---- requests ---- */

static enum status read_playing(const struct recorded *r, const json_t *frame,
                                struct playing *playing, struct error *err) {
    const char *variant, *text;
    json_int_t seed, budget_ns;
    int is_final;
    json_error_t why;
    if (json_unpack_ex((json_t *)frame, &why, 0, "{s:s,s:s,s:I,s:I,s:b}", "variant", &variant,
                       "config", &text, "seed", &seed, "budget_ns", &budget_ns, "final",
                       &is_final) != 0)
        return fail(err, STATUS_INVALID, "a request to the worker is not understood: %s", why.text);
    struct config config;
    const enum status st = config_parse(&r->family, variant, text, &config, err);
    const int64_t at = st == OK ? space_find(&r->space, &config, r->problem.layout) : -1;
    if (st != OK) return st;
    if (at < 0) return fail(err, STATUS_INVALID, "%s was not recorded", text);
    struct rng rng =
        rng_seed((uint64_t)seed * 0x9E3779B97F4A7C15u + 2 * (uint64_t)at + (is_final ? 1 : 0));
    *playing = (struct playing){
        .config = recorded_config(r, at),
        .incumbent_ns = is_final ? INFINITY : frame_read_number(frame, "incumbent_ns", INFINITY),
        .budget_ns = budget_ns};
    if (playing->config->outcome == OUTCOME_OK) playing->tape = tape_of(r, playing->config, &rng);
    return OK;
}

/* ---- reports ---- */

/* The ceiling of a recording is its optimum: nothing faster was ever seen there. */
static json_t *report(const struct recorded *r, const struct playing *p) {
    const struct recorded_config *c = p->config;
    const bool is_timed = c->outcome == OUTCOME_OK;
    char message[120] = "", conditions[80];
    if (p->is_abandoned)
        snprintf(message, sizeof message, "%.2f times the best after %zu runs",
                 p->set.median / p->incumbent_ns, p->set.n);
    else if (!is_timed)
        snprintf(message, sizeof message, "it was recorded as %s", outcome_names[c->outcome]);
    snprintf(conditions, sizeof conditions, "{\"recorded_runs\":%zu}", c->n_runs);
    const struct evaluation e = {.outcome = p->is_abandoned ? OUTCOME_ABANDONED : c->outcome,
                                 .message = message,
                                 .time_ns = is_timed ? p->set.median : NAN,
                                 .low_ns = is_timed ? p->set.low : NAN,
                                 .high_ns = is_timed ? p->set.high : NAN,
                                 .floor_ns = NAN,
                                 .ceiling_gbps = NAN,
                                 .ceiling_gflops = NAN,
                                 .share = is_timed ? r->optimum_ns / p->set.median : NAN,
                                 .nmse = NAN,
                                 .build_ns = (int64_t)c->compile_ns,
                                 .check_ns = (int64_t)c->check_ns,
                                 .samples_ns = p->set.time_ns,
                                 .n_samples = p->set.n,
                                 .conditions = conditions};
    return frame_evaluation(&e);
}

/* ---- playing ---- */

static enum status race(struct playing *p, struct error *err) {
    if (p->config->outcome != OUTCOME_OK) return OK;
    const struct measuring m = {.subject = tape_subject(&p->tape),
                                .incumbent_ns = p->incumbent_ns,
                                .budget_ns = p->budget_ns};
    return measure_race(&m, &p->set, &p->is_abandoned, err);
}

static enum status finals(struct playing *list, size_t n, struct error *err) {
    struct subject subjects[WORKS_MOST];
    struct sample_set sets[WORKS_MOST] = {0};
    size_t who[WORKS_MOST], n_right = 0;
    for (size_t i = 0; i < n; i++) {
        if (list[i].config->outcome != OUTCOME_OK) continue;
        who[n_right] = i;
        subjects[n_right++] = tape_subject(&list[i].tape);
    }
    const enum status st =
        measure_finals((struct subject){0}, 0, subjects, n_right, list[0].budget_ns, sets, err);
    for (size_t i = 0; i < n_right; i++) list[who[i]].set = sets[i];
    return st;
}

static enum status play(const struct recorded *r, const json_t *works, json_t *results,
                        struct error *err) {
    struct playing list[WORKS_MOST] = {0};
    const size_t n = json_array_size(works);
    enum status st = OK;
    if (n == 0 || n > WORKS_MOST) return fail(err, STATUS_INVALID, "%zu works in one request", n);
    for (size_t i = 0; st == OK && i < n; i++)
        st = read_playing(r, json_array_get(works, i), &list[i], err);
    if (st == OK) st = n == 1 ? race(&list[0], err) : finals(list, n, err);
    for (size_t i = 0; i < n; i++) {
        if (st == OK) json_array_append_new(results, report(r, &list[i]));
        sample_set_free(&list[i].set);
    }
    return st;
}

/* The first request names the recording, all others works. */
static enum status answer(void *context, const json_t *request, json_t **reply, struct error *err) {
    struct recorded **recorded = context;
    const char *selector = json_string_value(json_object_get(request, "device"));
    const char *file = target_recording(selector);
    json_t *results = json_array();
    enum status st = OK;
    if (*recorded) st = play(*recorded, json_object_get(request, "works"), results, err);
    else if (file) st = recorded_open(file, recorded, err);
    else st = fail(err, STATUS_INVALID, "%s is no recording", selector ? selector : "nothing");
    if (st == OK) *reply = json_pack("{s:O}", "results", results);
    json_decref(results);
    return st;
}

int recorded_child(void) {
    struct recorded *recorded = NULL;
    const int code = frames_answer(answer, &recorded);
    recorded_close(recorded);
    return code;
}
