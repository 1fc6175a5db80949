/* frames.c: see frames.h. Both sides are this program, but the worker's memory may have been written
 * over by a kernel: replies are checked like any other input. */
#include "tuner/frames.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/str.h"
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES_MOST = 4096 };

const char *const stage_names[STAGE_COUNT] = {
#define XX(name, deadline, blame, time) #name,
    STAGE_MAP(XX)
#undef XX
};

int stage_find(const char *name) {
    for (int i = 0; name && i < STAGE_COUNT; i++)
        if (strcmp(stage_names[i], name) == 0) return i;
    return -1;
}

bool stage_blames_candidate(enum stage_id stage) {
    static const bool blame[STAGE_COUNT] = {
#define XX(name, deadline, is_blamed, time) is_blamed,
        STAGE_MAP(XX)
#undef XX
    };
    return blame[stage];
}

enum time_id stage_time(enum stage_id stage) {
    static const enum time_id times[STAGE_COUNT] = {
#define XX(name, deadline, blame, time) TIME_##time,
        STAGE_MAP(XX)
#undef XX
    };
    return times[stage];
}

int64_t stage_deadline(const struct deadlines *deadlines, enum stage_id stage, double hint_ns) {
    const int64_t deadline[STAGE_COUNT] = {
#define XX(name, deadline, blame, time) deadlines->deadline,
        STAGE_MAP(XX)
#undef XX
    };
    if (stage != STAGE_launch || !(hint_ns < (double)deadlines->launch_most))
        return deadline[stage];
    return hint_ns < (double)deadlines->launch_least ? deadlines->launch_least : (int64_t)hint_ns;
}

json_t *frame_number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *frame_text(const char *text) {
    json_t *string = json_string(text);
    if (string) return string;
    char *plain = text_copy(text);
    for (char *c = plain; *c; c++)
        if ((unsigned char)*c >= 0x80) *c = '?';
    string = json_string(plain);
    free(plain);
    return string;
}

double frame_read_number(const json_t *object, const char *key, double what) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : what;
}

const char *frame_read_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* ---- work ---- */

json_t *frame_work(const struct work *work) {
    char problem[160], config[400];
    problem_format(&work->problem, problem);
    config_format(&work->config, config);
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:o,s:I,s:b,s:b,s:b,s:b}", "family",
                     work->problem.family->name, "problem", problem, "class",
                     class_names[work->problem.class], "layout", work->problem.layout->name,
                     "variant", work->config.variant->name, "config", config, "seed",
                     (json_int_t)work->seed, "incumbent_ns", frame_number(work->incumbent_ns),
                     "budget_ns", (json_int_t)work->budget_ns, "small_first", work->small_first,
                     "final", work->is_final, "phase", work->as_phase, "warm", work->is_warm);
}

enum status frame_read_work(const json_t *frame, struct work *work, struct error *err) {
    const char *family_name, *problem, *class, *layout, *variant, *config;
    json_int_t seed, budget_ns;
    int small_first, is_final, as_phase, is_warm;
    json_error_t why;
    if (json_unpack_ex((json_t *)frame, &why, 0,
                       "{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:b,s:b,s:b,s:b}", "family", &family_name,
                       "problem", &problem, "class", &class, "layout", &layout, "variant", &variant,
                       "config", &config, "seed", &seed, "budget_ns", &budget_ns, "small_first",
                       &small_first, "final", &is_final, "phase", &as_phase, "warm", &is_warm) != 0)
        return fail(err, STATUS_INVALID, "a request to the worker is not understood: %s", why.text);
    const struct family *family = family_find(family_name);
    if (!family || class_find(class) < 0 || !layout_find(layout))
        return fail(err, STATUS_INVALID, "the worker knows no family %s, class %s or layout %s",
                    family_name, class, layout);
    const struct slice slice = {.name = family->name,
                                .family = family->name,
                                .weight = "",
                                .n_low = 1,
                                .n_high = INT64_MAX,
                                .summary = ""};
    *work = (struct work){.seed = (uint64_t)seed,
                          .budget_ns = budget_ns,
                          .small_first = small_first,
                          .is_final = is_final,
                          .as_phase = as_phase,
                          .is_warm = is_warm,
                          .incumbent_ns = frame_read_number(frame, "incumbent_ns", INFINITY)};
    enum status st = problem_parse(&slice, problem, &work->problem, err);
    if (st != OK) return st;
    work->problem.class = (enum class_id)class_find(class);
    work->problem.layout = layout_find(layout);
    return config_parse(family, variant, config, &work->config, err);
}

/* ---- evaluation ---- */

/* The numbers of an evaluation, by name. */
static const struct number {
    const char *key;
    size_t offset;
    bool is_int;
} numbers[] = {
    {"time_ns", offsetof(struct evaluation, time_ns), false},
    {"low_ns", offsetof(struct evaluation, low_ns), false},
    {"high_ns", offsetof(struct evaluation, high_ns), false},
    {"floor_ns", offsetof(struct evaluation, floor_ns), false},
    {"ceiling_gbps", offsetof(struct evaluation, ceiling_gbps), false},
    {"ceiling_gflops", offsetof(struct evaluation, ceiling_gflops), false},
    {"share", offsetof(struct evaluation, share), false},
    {"nmse", offsetof(struct evaluation, nmse), false},
    {"build_ns", offsetof(struct evaluation, build_ns), true},
    {"check_ns", offsetof(struct evaluation, check_ns), true},
};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

json_t *frame_evaluation(const struct evaluation *e) {
    json_t *frame = json_pack("{s:s,s:o,s:o}", "outcome", outcome_names[e->outcome], "message",
                              frame_text(e->message ? e->message : ""), "conditions",
                              frame_text(e->conditions ? e->conditions : "{}"));
    for (int i = 0; i < NUMBERS; i++) {
        const char *at = (const char *)e + numbers[i].offset;
        json_object_set_new(frame, numbers[i].key,
                            numbers[i].is_int ? json_integer(*(const int64_t *)at)
                                              : frame_number(*(const double *)at));
    }
    json_t *samples = json_array();
    for (size_t i = 0; i < e->n_samples; i++)
        json_array_append_new(samples, frame_number(e->samples_ns[i]));
    json_object_set_new(frame, "samples_ns", samples);
    return frame;
}

static bool is_number(double value) {
    return isnan(value) || (value >= 0 && isfinite(value));
}

/* What the database would refuse, and an ok or abandoned evaluation without a time, is not believed. */
static bool is_sane(const struct evaluation *e) {
    const double numbers_at[] = {e->floor_ns, e->ceiling_gbps, e->ceiling_gflops, e->share,
                                 e->nmse};
    bool needs_time = e->outcome == OUTCOME_OK || e->outcome == OUTCOME_ABANDONED ||
                      e->outcome == OUTCOME_IMPLAUSIBLE;
    bool is_timed = e->time_ns > 0 && e->low_ns > 0 && e->low_ns <= e->time_ns &&
                    e->time_ns <= e->high_ns && isfinite(e->high_ns) && e->n_samples > 0;
    bool is_good =
        needs_time ? is_timed : isnan(e->time_ns) && isnan(e->low_ns) && isnan(e->high_ns);
    for (size_t i = 0; i < sizeof numbers_at / sizeof *numbers_at; i++)
        is_good = is_good && is_number(numbers_at[i]);
    for (size_t i = 0; i < e->n_samples; i++)
        is_good = is_good && e->samples_ns[i] > 0 && isfinite(e->samples_ns[i]);
    json_t *conditions = json_loads(e->conditions, 0, NULL);
    is_good = is_good && json_is_object(conditions);
    json_decref(conditions);
    return is_good;
}

enum status frame_read_evaluation(const json_t *frame, struct evaluation *e, struct error *err) {
    const char *name = json_string_value(json_object_get(frame, "outcome"));
    int outcome = name ? outcome_find(name) : -1;
    const json_t *samples = json_object_get(frame, "samples_ns");
    const char *message = json_string_value(json_object_get(frame, "message"));
    const char *conditions = json_string_value(json_object_get(frame, "conditions"));
    if (outcome < 0 || !message || !conditions || json_array_size(samples) > SAMPLES_MOST)
        return fail(err, STATUS_CRASHED, "the worker's reply makes no sense");
    for (int i = 0; i < NUMBERS; i++) {
        char *at = (char *)e + numbers[i].offset;
        double value = frame_read_number(frame, numbers[i].key, NAN);
        if (numbers[i].is_int) *(int64_t *)at = value > 0 && value < 9e18 ? (int64_t)value : 0;
        else *(double *)at = value;
    }
    e->outcome = (enum outcome)outcome;
    free(e->message);
    free(e->conditions);
    free(e->samples_ns);
    e->message = *message ? text_copy(message) : NULL;
    e->conditions = text_copy(conditions);
    e->n_samples = json_array_size(samples);
    e->samples_ns = memory_new((e->n_samples + 1) * sizeof *e->samples_ns);
    for (size_t i = 0; i < e->n_samples; i++)
        e->samples_ns[i] = json_number_value(json_array_get(samples, i));
    return is_sane(e)
               ? OK
               : fail(err, STATUS_CRASHED, "the worker reports %s with numbers that cannot be",
                      outcome_names[outcome]);
}

/* ---- ceilings ---- */

json_t *frame_ceilings(const struct ceiling_memory *memory) {
    json_t *levels = json_array();
    for (size_t i = 0; i < memory->n_levels; i++)
        json_array_append_new(levels,
                              json_pack("{s:I,s:o}", "bytes", (json_int_t)memory->level[i].bytes,
                                        "read_gbps", frame_number(memory->level[i].read_gbps)));
    return json_pack("{s:o,s:o,s:o,s:o,s:o}", "gflops", frame_number(memory->gflops), "giops",
                     frame_number(memory->giops), "launch_ns", frame_number(memory->launch_ns),
                     "copy_gbps", frame_number(memory->copy_gbps), "levels", levels);
}

void frame_read_ceilings(const json_t *frame, struct ceiling_memory *memory) {
    *memory = (struct ceiling_memory){.gflops = frame_read_number(frame, "gflops", NAN),
                                      .giops = frame_read_number(frame, "giops", NAN),
                                      .launch_ns = frame_read_number(frame, "launch_ns", NAN),
                                      .copy_gbps = frame_read_number(frame, "copy_gbps", NAN)};
    const json_t *levels = json_object_get(frame, "levels");
    for (size_t i = 0; i < json_array_size(levels) && memory->n_levels < CEILING_LEVELS; i++) {
        const json_t *level = json_array_get(levels, i);
        memory->level[memory->n_levels++] =
            (struct ceiling_level){(size_t)json_integer_value(json_object_get(level, "bytes")),
                                   frame_read_number(level, "read_gbps", NAN)};
    }
}

/* ---- the parent's side ---- */

enum status frame_ask(struct child *child, const json_t *frame, struct error *err) {
    char *text = json_dumps(frame, JSON_COMPACT);
    const enum status st = text ? child_send(child, text, strlen(text), err)
                                : fail(err, STATUS_NOMEM, "no memory for a request to a child");
    free(text);
    return st;
}

/* ---- the worker's side ---- */

enum status frame_send(json_t *frame, struct error *err) {
    json_object_set_new(frame, "at_ns", json_integer(clock_now_ns()));
    char *text = json_dumps(frame, JSON_COMPACT);
    json_decref(frame);
    enum status st = text ? child_side_send(text, strlen(text), err)
                          : fail(err, STATUS_NOMEM, "no memory for a reply");
    free(text);
    return st;
}

static bool is_held; /* the request under way; a worker has one parent */

bool frames_are_held(void) {
    return is_held;
}

enum status frames_await_leave(struct error *err) {
    char *bytes = NULL;
    size_t size;
    if (!is_held) return OK;
    const enum status st = child_side_receive(&bytes, &size, err);
    if (st != OK) return st;
    json_t *frame = json_loads(bytes, 0, NULL);
    is_held = !json_is_true(json_object_get(frame, "leave"));
    json_decref(frame);
    free(bytes);
    return is_held ? fail(err, STATUS_INVALID, "a request came in the place of a leave") : OK;
}

int frames_answer(enum status (*answer)(void *context, const json_t *request, json_t **reply,
                                        struct error *err),
                  void *context) {
    struct error err = {0};
    char *bytes;
    size_t size;
    signal(SIGINT, SIG_IGN);
    while (child_side_receive(&bytes, &size, &err) == OK) {
        json_error_t why;
        json_t *request = json_loads(bytes, 0, &why), *reply = NULL;
        free(bytes);
        is_held = json_is_true(json_object_get(request, "held"));
        enum status st = request
                             ? answer(context, request, &reply, &err)
                             : fail(&err, STATUS_INVALID, "a request is not JSON: %s", why.text);
        if (st != OK)
            reply = json_pack("{s:{s:i,s:o}}", "error", "status", (int)st, "text",
                              frame_text(err.text));
        json_decref(request);
        /* Where nothing was run the leave is still to come, and would be taken for a request. */
        if (frames_await_leave(&err) != OK) {
            json_decref(reply);
            break;
        }
        if (!reply || frame_send(reply, &err) != OK) break;
    }
    return 0;
}
