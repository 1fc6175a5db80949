/* quest.c: see quest.h. */
#include "tuner/quest.h"
#include "base/hash.h"
#include "base/str.h"
#include "kernels/op.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Finalists lie this close to the best: what noise can turn round. */
static const double FINALIST_WITHIN = 0.05;
/* "At the floor": no more than this many times an empty kernel. */
static const double AT_FLOOR = 1.2;

/* ---- open and close ---- */

/* The family's default, in the problem's layout or the first that has one. */
static int64_t find_default(const struct quest *q) {
    struct problem problem = q->problem;
    struct config config;
    if (q->layout) problem.layout = q->layout;
    struct error ignored;
    memset(&config, 0, sizeof config);
    if (family_default(&problem, &config, &ignored) == OK) {
        int64_t at = space_find(&q->space, &config, problem.layout);
        if (at >= 0) return at;
    }
    for (size_t l = 0; l < q->space.n_layouts; l++) {
        problem.layout = q->space.layouts[l];
        memset(&config, 0, sizeof config);
        if (family_default(&problem, &config, &ignored) != OK) continue;
        int64_t at = space_find(&q->space, &config, problem.layout);
        if (at >= 0) return at;
    }
    return -1;
}

enum status quest_open(struct quest *quest, const struct target *target,
                       const struct problem *problem, const struct layout *layout,
                       const struct space_limit *limits, size_t n_limits, struct error *err) {
    *quest = (struct quest){.problem = *problem,
                            .layout = layout,
                            .device = target->device,
                            .recorded = target->recorded,
                            .limits = limits,
                            .n_limits = n_limits,
                            .default_config = -1,
                            .retry_config = -1};
    problem_format(problem, quest->text);
    if (quest->recorded) return OK; /* what was read has room and configurations */
    struct problem here = *problem;
    struct config config;
    if (layout) here.layout = layout;
    const enum status fits = check_fits(quest->device, &here, err);
    if (fits != OK) return fits;
    if (n_limits == 0 && family_default(&here, &config, NULL) == OK &&
        config_valid(&config, &here, quest->device, NULL))
        return OK;
    const enum status st = quest_open_space(quest, err);
    quest_rest(quest);
    return st;
}

void quest_close(struct quest *quest) {
    quest_rest(quest);
    free(quest->attempts);
    json_decref(quest->cross);
    *quest = (struct quest){0};
}

/* ---- the search ---- */

enum status quest_open_space(struct quest *quest, struct error *err) {
    const enum status st = quest->recorded
                               ? recorded_space(quest->recorded, &quest->space, err)
                               : space_open(quest->device, &quest->problem, quest->layout,
                                            quest->limits, quest->n_limits, &quest->space, err);
    quest->is_searching = st == OK;
    if (st != OK) return st;
    quest->space_n = (double)quest->space.n;
    quest->space_raw = quest->space.raw;
    quest->default_config = find_default(quest);
    return OK;
}

enum status quest_begin(struct quest *quest, const struct strategy *strategy, uint64_t seed,
                        const int64_t *seeds, size_t n_seeds, struct error *err) {
    quest->seeds = memory_new((n_seeds + 1) * sizeof *seeds);
    memcpy(quest->seeds, seeds, n_seeds * sizeof *seeds);
    quest->search = (struct search){
        .space = &quest->space, .rng = rng_seed(seed), .seeds = quest->seeds, .n_seeds = n_seeds};
    quest->strategy = strategy;
    return strategy->begin(&quest->search, err);
}

void quest_rest(struct quest *quest) {
    if (quest->strategy) quest->strategy->end(&quest->search);
    if (quest->is_searching) space_close(&quest->space);
    free(quest->seeds);
    quest->seeds = NULL;
    quest->strategy = NULL;
    quest->is_searching = false;
}

/* ---- settings ---- */

struct setting quest_setting(const struct quest *quest, int64_t at) {
    return (struct setting){space_config(&quest->space, at),
                            space_problem(&quest->space, at).layout};
}

struct problem quest_problem(const struct quest *quest, const struct setting *setting) {
    struct problem problem = quest->problem;
    problem.layout = setting->layout;
    return problem;
}

struct setting quest_setting_of(const struct quest *quest, const struct record_key *key) {
    struct setting setting = {.layout = layout_find(key->layout)};
    if (!setting.layout) return setting;
    const struct problem problem = quest_problem(quest, &setting);
    if (config_parse(quest->problem.family, key->variant, key->config, &setting.config, NULL) !=
            OK ||
        !config_valid(&setting.config, &problem, quest->device, NULL))
        setting.layout = NULL;
    return setting;
}

int64_t quest_find(const struct quest *quest, const struct record_key *key) {
    const struct setting setting = quest_setting_of(quest, key);
    if (!setting.layout || !quest->is_searching) return -1;
    return space_find(&quest->space, &setting.config, setting.layout);
}

/* ---- attempts ---- */

/* Conditions say what the time may be (see sample_set.undisturbed): as much as this part of what it
 * was. A canary that took longer still says that nothing was measured, not that all would be well. */
static const double HOPE_LEAST = 1.0 / 3;
static double hope_of(const struct evaluation *e) {
    json_t *conditions = e->conditions ? json_loads(e->conditions, 0, NULL) : NULL;
    const double hope_ns = json_number_value(json_object_get(conditions, "undisturbed_ns"));
    json_decref(conditions);
    return hope_ns > 0 && hope_ns < e->time_ns ? fmax(hope_ns, HOPE_LEAST * e->time_ns)
                                               : e->time_ns;
}

void quest_remember(struct quest *quest, const struct evaluation *e) {
    if (quest->n_attempts == quest->capacity) {
        quest->capacity = quest->capacity ? quest->capacity * 2 : 64;
        quest->attempts = memory_grow(quest->attempts, quest->capacity * sizeof *quest->attempts);
    }
    struct attempt *a = &quest->attempts[quest->n_attempts++];
    *a = (struct attempt){.id = e->id,
                          .setting = quest_setting_of(quest, &e->key),
                          .outcome = e->outcome,
                          .time_ns = e->time_ns,
                          .share = e->share,
                          .hope_ns = hope_of(e),
                          .floor_ns = e->floor_ns,
                          .is_final = e->is_final,
                          .is_default = e->is_default};
}

void quest_tell(struct quest *quest, const struct evaluation *e) {
    quest_remember(quest, e);
    const struct attempt *told = &quest->attempts[quest->n_attempts - 1];
    const int64_t config = quest_find(quest, &e->key);
    const bool is_timed = e->outcome == OUTCOME_OK || e->outcome == OUTCOME_ABANDONED;
    if (config >= 0)
        quest->strategy->tell(&quest->search, config, is_timed ? told->hope_ns : INFINITY,
                              e->outcome == OUTCOME_ABANDONED);
}

void quest_skip(struct quest *quest, int64_t config) {
    quest->strategy->tell(&quest->search, config, INFINITY, false);
}

static bool is_candidate(const struct attempt *a) {
    return a->outcome == OUTCOME_OK && a->setting.layout;
}

/* Layout NULL: any. */
static const struct attempt *best_of(const struct quest *quest, const struct layout *layout) {
    const struct attempt *best = NULL;
    for (size_t i = 0; i < quest->n_attempts; i++) {
        const struct attempt *a = &quest->attempts[i];
        if (!is_candidate(a) || (layout && a->setting.layout != layout)) continue;
        if (!best || a->is_final > best->is_final ||
            (a->is_final == best->is_final && a->time_ns < best->time_ns))
            best = a;
    }
    return best;
}

const struct attempt *quest_best(const struct quest *quest) {
    return best_of(quest, NULL);
}

const struct attempt *quest_best_in(const struct quest *quest, const struct layout *layout) {
    return best_of(quest, layout);
}

bool quest_is_at_floor(const struct quest *quest) {
    const struct attempt *best = quest_best(quest);
    double least_ns = INFINITY; /* whoever launches twice has a floor that others do not have */
    for (size_t i = 0; i < quest->n_attempts; i++)
        least_ns = fmin(least_ns, quest->attempts[i].floor_ns);
    return best && least_ns < INFINITY && best->time_ns <= AT_FLOOR * least_ns;
}

enum status quest_check_default(const struct quest *quest, struct error *err) {
    enum outcome outcome = OUTCOME_CRASHED; /* in quarantine: it was not tried */
    if (!quest->problem.family->is_relative || quest->n_attempts == 0) return OK;
    for (size_t i = 0; i < quest->n_attempts; i++)
        if (quest->attempts[i].is_default) outcome = quest->attempts[i].outcome;
    if (outcome == OUTCOME_OK || outcome == OUTCOME_ABANDONED || quest->default_config < 0)
        return OK;
    return fail(err, STATUS_INVALID,
                "%s: the default configuration, with whose outputs the others would be compared, "
                "ended as %s: name a --reference, or other Default values",
                quest->text, outcome_names[outcome]);
}

double quest_incumbent(const struct quest *quest) {
    double best = INFINITY;
    for (size_t i = 0; i < quest->n_attempts; i++)
        if (is_candidate(&quest->attempts[i])) best = fmin(best, quest->attempts[i].time_ns);
    return best;
}

/* The fastest as measured stands before those that may be faster: there may be time for one only. */
static void put_fastest_first(struct attempt **list, size_t n) {
    size_t fastest = 0;
    for (size_t i = 1; i < n; i++)
        if (list[i]->time_ns < list[fastest]->time_ns) fastest = i;
    for (size_t i = fastest; i > 0; i--) {
        struct attempt *moved = list[i];
        list[i] = list[i - 1];
        list[i - 1] = moved;
    }
}

static int by_hope(const void *a, const void *b) {
    const struct attempt *x = *(struct attempt *const *)a, *y = *(struct attempt *const *)b;
    return (x->hope_ns > y->hope_ns) - (x->hope_ns < y->hope_ns);
}

size_t quest_finalists(const struct quest *quest, struct attempt **out, size_t limit) {
    struct attempt **near = memory_new((quest->n_attempts + 1) * sizeof *near);
    const struct attempt *best = quest_best(quest);
    const double most =
        best && best->is_final ? best->time_ns : quest_incumbent(quest) * (1 + FINALIST_WITHIN);
    size_t n = 0;
    for (size_t i = 0; i < quest->n_attempts; i++) {
        struct attempt *a = &quest->attempts[i];
        if (is_candidate(a) && !a->is_final && a->hope_ns < most) near[n++] = a;
    }
    qsort(near, n, sizeof *near, by_hope);
    put_fastest_first(near, n);
    n = n < limit ? n : limit;
    if (n) memcpy(out, near, n * sizeof *near);
    free(near);
    return n;
}

double quest_default_ns(const struct quest *quest) {
    for (size_t i = 0; i < quest->n_attempts; i++) {
        const struct attempt *a = &quest->attempts[i];
        if (a->is_default && a->outcome == OUTCOME_OK) return a->time_ns;
    }
    return NAN;
}

int64_t quest_count(const struct quest *quest, enum outcome outcome) {
    int64_t n = 0;
    for (size_t i = 0; i < quest->n_attempts; i++) n += quest->attempts[i].outcome == outcome;
    return n;
}

/* ---- texts ---- */

static const char *slice_name(const struct quest *quest) {
    return quest->recorded ? quest->problem.family->name : slice_of(&quest->problem)->name;
}

void quest_name(const struct quest *quest, char text[256]) {
    snprintf(text, 256, "%s %s %s%s%s", slice_name(quest), quest->text,
             class_names[quest->problem.class], quest->layout ? " " : "",
             quest->layout ? quest->layout->name : "");
}

static json_t *number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *quest_json(const struct quest *quest) {
    const struct attempt *best = quest_best(quest);
    json_t *outcomes = json_object();
    for (int o = 0; o < OUTCOMES; o++) {
        int64_t n = quest_count(quest, (enum outcome)o);
        if (n > 0 || o == OUTCOME_OK)
            json_object_set_new(outcomes, outcome_names[o], json_integer(n));
    }
    json_t *object =
        json_pack("{s:s,s:s,s:s,s:o,s:I,s:f,s:b}", "family", slice_name(quest), "problem",
                  quest->text, "class", class_names[quest->problem.class], "outcomes", outcomes,
                  "space", (json_int_t)quest->space_n, "raw", quest->space_raw, "finished",
                  quest->is_done && (quest->cross_weight == 0 || quest->is_crossed));
    double default_ns = quest_default_ns(quest);
    json_object_set_new(object, "default", json_pack("{s:o}", "time_ns", number(default_ns)));
    if (!best) {
        json_object_set_new(object, "layout", json_null());
        json_object_set_new(object, "best", json_null());
        json_object_set_new(object, "speedup", json_null());
        return object;
    }
    char config[400];
    config_format(&best->setting.config, config);
    json_object_set_new(object, "layout", json_string(best->setting.layout->name));
    json_object_set_new(object, "best",
                        json_pack("{s:s,s:s,s:o,s:o,s:b}", "variant",
                                  best->setting.config.variant->name, "config", config, "time_ns",
                                  number(best->time_ns), "share", number(best->share),
                                  "checked_in_full", best->is_final));
    json_object_set_new(object, "speedup", number(default_ns / best->time_ns));
    return object;
}

/* ---- keys ---- */

const char *quest_source_key(const struct quest *quest, const char *variant, char text[17]) {
    if (!quest->recorded) return family_source_key(quest->problem.family, variant, text);
    const bool is_known = variant_find(quest->problem.family, variant);
    snprintf(text, 17, "%s", is_known ? quest->recorded->recording.key : "");
    return text;
}

const char *quest_family_key(const struct quest *quest, char text[17]) {
    if (quest->recorded) hash_hex(hash_text(hash_start(), quest->recorded->recording.key), text);
    else family_key(quest->problem.family, text);
    return text;
}

/* How the kernel is compiled; a recorded one is not. */
static char *build_options(const struct quest *quest, const struct config *config,
                           const struct problem *problem) {
    return quest->recorded ? text_copy("") : op_options(config, problem);
}

struct record_key quest_key(const struct quest *quest, const struct setting *setting) {
    const struct config *c = &setting->config;
    const struct problem problem = quest_problem(quest, setting);
    char source_key[17], text[400];
    config_format(c, text);
    return (struct record_key){.source_key =
                                   text_copy(quest_source_key(quest, c->variant->name, source_key)),
                               .options = build_options(quest, c, &problem),
                               .family = quest->problem.family->name,
                               .problem = quest->text,
                               .class_name = class_names[problem.class],
                               .layout = problem.layout->name,
                               .variant = c->variant->name,
                               .config = text_copy(text)};
}

void quest_key_free(struct record_key *key) {
    free((char *)key->source_key);
    free((char *)key->options);
    free((char *)key->config);
    *key = (struct record_key){0};
}
