/* lookup.c: see lookup.h. The problems of the family are put in order, nearest first; each rule asks them
 * in that order for a record that may be used. What failed on this device version is never an answer,
 * wherever the record comes from. */
#include "results/lookup.h"
#include "base/embedded.h"
#include "base/str.h"
#include "results/fields.h"
#include "results/profile.h"
#include "results/sql.h"
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const lookup_rule_names[LOOKUP_RULES] = {
    [LOOKUP_EXACT] = "exact",           [LOOKUP_NEAR_N] = "near-n",
    [LOOKUP_NEAR_SHAPE] = "near-shape", [LOOKUP_ELSEWHERE] = "elsewhere",
    [LOOKUP_IMPORTED] = "imported",     [LOOKUP_PROFILE] = "profile",
};
const char *lookup_rule_text(const struct lookup_answer *answer) {
    return answer->is_beyond ? "near-n-beyond" : lookup_rule_names[answer->rule];
}

/* Problems that are apart in nothing, in n, in sizes, answer by the first three rules. */
_Static_assert((int)APART_NOT == LOOKUP_EXACT && (int)APART_IN_N == LOOKUP_NEAR_N &&
                   (int)APART_IN_SIZES == LOOKUP_NEAR_SHAPE,
               "the order of both");

enum { KEY_BYTES = 64 };
/* So many of the nearest n are asked what was among their finals, and so many of the best of each n whether
 * they were on both sides. */
enum { FINALS_OF = 16, COVERING_TRIES = 16 };

struct search {
    struct store *store; /* NULL: there is no database */
    const struct lookup_query *query;
    struct lookup_answer *answer;
    int64_t device_id; /* 0: this model and version has no row */
    struct relative {
        char *problem;
        enum apart apart;
        double distance;
        int64_t n; /* its field of that name; 0: none */
    } * relatives;
    size_t n;
    struct final {
        char *name;
        int64_t n;
    } * finals;
    size_t n_finals;
    bool wants_covering; /* only configurations that were right below and above the n asked for */
    char variant[KEY_BYTES], source_key[KEY_BYTES]; /* the last that was asked for */
};

/* ---- may it be used? ---- */

/* The source key of a variant as this program has it; "" when it has none. */
static const char *current_key(struct search *s, const char *variant) {
    if (strcmp(s->variant, variant) != 0 || !*variant) {
        snprintf(s->variant, sizeof s->variant, "%s", variant);
        snprintf(s->source_key, sizeof s->source_key, "%s",
                 s->query->source_key(s->query->context, variant));
    }
    return s->source_key;
}

/* Did it fail here, on the problem that is asked for? */
static enum status check_quarantine(struct search *s, const struct evaluation *e, bool *is_free,
                                    struct error *err) {
    struct record_key key = e->key;
    enum outcome outcome = OUTCOME_OK;
    char *message = NULL;
    key.problem = s->query->problem;
    key.source_key = s->source_key;
    enum status st = OK;
    if (s->device_id) st = store_verdict(s->store, s->device_id, &key, &outcome, &message, err);
    free(message);
    *is_free = st == OK && outcome == OUTCOME_OK;
    return st;
}

/* Keep it as the answer, then as the runner-up, when nothing speaks against it; else free it. */
static enum status consider(struct search *s, enum lookup_rule rule, struct evaluation *e,
                            bool *is_full, struct error *err) {
    struct evaluation *first = &s->answer->record;
    bool is_free = false;
    enum status st = check_quarantine(s, e, &is_free, err);
    if (st == OK && is_free && !first->id) {
        *first = *e;
        s->answer->rule = rule;
        return OK;
    }
    /* The same parameters under another layout are another configuration, under another source not. */
    const bool differs = first->id && (strcmp(first->key.layout, e->key.layout) != 0 ||
                                       strcmp(first->key.variant, e->key.variant) != 0 ||
                                       strcmp(first->key.config, e->key.config) != 0);
    if (st == OK && is_free && differs) {
        s->answer->runner_up = *e;
        *is_full = true;
    } else {
        evaluation_free(e);
    }
    return st;
}

/* ---- records of the database ---- */

static int by_nearness(const void *a, const void *b) {
    const struct relative *x = a, *y = b;
    if (x->apart != y->apart) return x->apart > y->apart ? 1 : -1;
    if (x->distance != y->distance) return x->distance > y->distance ? 1 : -1;
    return strcmp(x->problem, y->problem);
}

/* The problems of the family that the one asked for is related to, nearest first. */
static enum status find_relatives(struct search *s, struct error *err) {
    struct query q;
    enum status st = query_open(&q, s->store, "looking for related problems",
                                "SELECT problem FROM problems WHERE family = :family", err);
    if (st != OK) return st;
    query_bind_text(&q, ":family", s->query->family);
    while ((st = query_next(&q, err)) == OK) {
        double distance;
        const enum apart apart = fields_compare(s->query->problem, query_peek(&q, 0), &distance);
        if (apart == APART_UNRELATED) continue;
        s->relatives = memory_grow(s->relatives, (s->n + 1) * sizeof *s->relatives);
        s->relatives[s->n++] =
            (struct relative){query_text(&q, 0), apart, distance, field_n(query_peek(&q, 0))};
    }
    query_close(&q);
    if (s->n) qsort(s->relatives, s->n, sizeof *s->relatives, by_nearness);
    return st == STATUS_NOTHING ? OK : st;
}

/* "panel16 tiled TM=1 01234…": what a configuration is, whatever the problem. */
static char *name_of(const char *layout, const char *variant, const char *config,
                     const char *source_key) {
    return text_format("%s %s %s %s", layout, variant, config, source_key);
}

static enum status add_finals(struct search *s, const struct relative *relative,
                              struct error *err) {
    const struct record_key key = {.family = s->query->family,
                                   .problem = relative->problem,
                                   .class_name = s->query->class_name};
    struct query q;
    enum status st = query_open(&q, s->store, "looking where configurations were measured",
                                "SELECT layout, variant, config, source_key FROM evaluations "
                                "JOIN problems USING (problem_id) WHERE family = :family AND "
                                "problem = :problem AND class = :class AND "
                                "device_id = :device_id AND outcome = 'ok' AND is_final = 1",
                                err);
    if (st != OK) return st;
    query_bind_key(&q, &key);
    query_bind_int(&q, ":device_id", s->device_id);
    while ((st = query_next(&q, err)) == OK) {
        s->finals = memory_grow(s->finals, (s->n_finals + 1) * sizeof *s->finals);
        s->finals[s->n_finals++] = (struct final){
            name_of(query_peek(&q, 0), query_peek(&q, 1), query_peek(&q, 2), query_peek(&q, 3)),
            relative->n};
    }
    query_close(&q);
    return st == STATUS_NOTHING ? OK : st;
}

/* What was measured in finals at the nearest n. */
static enum status find_finals(struct search *s, struct error *err) {
    enum status st = OK;
    int asked = 0;
    for (size_t i = 0; st == OK && i < s->n && asked < FINALS_OF; i++) {
        if (s->relatives[i].apart > APART_IN_N) continue;
        st = add_finals(s, &s->relatives[i], err);
        asked++;
    }
    return st;
}

/* The least and the greatest n at which a configuration was among the finals, or its record stands. */
static void find_range(const struct search *s, const struct record_key *key, int64_t *low,
                       int64_t *high) {
    char *name = name_of(key->layout, key->variant, key->config, key->source_key);
    *low = *high = field_n(key->problem);
    for (size_t i = 0; i < s->n_finals; i++) {
        if (strcmp(s->finals[i].name, name) != 0) continue;
        if (s->finals[i].n < *low) *low = s->finals[i].n;
        if (s->finals[i].n > *high) *high = s->finals[i].n;
    }
    free(name);
}

static bool is_between(const struct search *s, int64_t low, int64_t high) {
    const int64_t n = field_n(s->query->problem);
    return low <= n && n <= high;
}

/* Is the row's configuration one that covers the n asked for? */
static bool covers(const struct search *s, const struct query *q, const char *problem) {
    const struct record_key key = {.problem = problem,
                                   .layout = query_peek(q, RECORD_LAYOUT),
                                   .variant = query_peek(q, RECORD_VARIANT),
                                   .config = query_peek(q, RECORD_CONFIG),
                                   .source_key = query_peek(q, RECORD_SOURCE_KEY)};
    int64_t low, high;
    find_range(s, &key, &low, &high);
    return is_between(s, low, high);
}

/* Does the row of records_open answer by this rule, and does the caller take it? */
static bool suits(struct search *s, const struct query *q, enum lookup_rule rule) {
    const char *variant = query_peek(q, RECORD_VARIANT), *key = current_key(s, variant);
    const bool is_here = !strcmp(query_peek(q, RECORD_VERSION), s->query->version) &&
                         !strcmp(query_peek(q, RECORD_SOURCE_KEY), key);
    return *key && (is_here || rule == LOOKUP_ELSEWHERE) &&
           s->query->usable(s->query->context, query_peek(q, RECORD_LAYOUT), variant,
                            query_peek(q, RECORD_CONFIG));
}

static enum status ask_relative(struct search *s, const struct relative *relative,
                                enum lookup_rule rule, struct error *err) {
    const struct record_key key = {.family = s->query->family,
                                   .problem = relative->problem,
                                   .class_name = s->query->class_name,
                                   .layout = s->query->layout};
    struct query q;
    bool is_full = false;
    int tries = s->wants_covering ? COVERING_TRIES : INT_MAX;
    enum status st = records_open(&q, s->store, s->query->model, &key, err);
    if (st != OK) return st;
    while (!is_full && tries-- > 0 && (st = query_next(&q, err)) == OK) {
        struct evaluation e;
        if (!suits(s, &q, rule)) continue;
        if (s->wants_covering && !covers(s, &q, relative->problem)) continue;
        if ((st = evaluation_read(s->store, query_int(&q, RECORD_ID), &e, err)) != OK) break;
        if ((st = consider(s, rule, &e, &is_full, err)) != OK) break;
    }
    query_close(&q);
    return st == STATUS_NOTHING ? OK : st;
}

/* The first three rules ask their own relatives, "elsewhere" asks all. */
static enum status ask_rule(struct search *s, enum lookup_rule rule, struct error *err) {
    enum status st = OK;
    for (size_t i = 0; st == OK && i < s->n && !s->answer->record.id; i++)
        if (rule == LOOKUP_ELSEWHERE || (int)s->relatives[i].apart == (int)rule)
            st = ask_relative(s, &s->relatives[i], rule, err);
    return st;
}

/* Where the answer was measured, for who must say that this is beyond. */
static void tell_range(const struct search *s) {
    struct lookup_answer *a = s->answer;
    if (!a->record.id || a->rule != LOOKUP_NEAR_N) return;
    find_range(s, &a->record.key, &a->n_low, &a->n_high);
    a->is_beyond = !is_between(s, a->n_low, a->n_high);
}

/* First what is known on both sides, where anything is. */
static enum status ask_near_n(struct search *s, struct error *err) {
    enum status st = find_finals(s, err);
    s->wants_covering = s->n_finals > 1;
    if (st == OK && s->wants_covering) st = ask_rule(s, LOOKUP_NEAR_N, err);
    s->wants_covering = false;
    return st == OK ? ask_rule(s, LOOKUP_NEAR_N, err) : st;
}

static enum status ask_records(struct search *s, struct error *err) {
    enum status st = find_relatives(s, err);
    for (enum lookup_rule rule = LOOKUP_EXACT; rule <= LOOKUP_ELSEWHERE; rule++)
        if (st == OK && !s->answer->record.id)
            st = rule == LOOKUP_NEAR_N ? ask_near_n(s, err) : ask_rule(s, rule, err);
    tell_range(s);
    return st;
}

static enum status find_device(struct search *s, struct error *err) {
    struct query q;
    enum status st = query_open(&q, s->store, "finding the device",
                                "SELECT device_id FROM devices "
                                "WHERE model = :model AND version = :version",
                                err);
    if (st != OK) return st;
    query_bind_text(&q, ":model", s->query->model);
    query_bind_text(&q, ":version", s->query->version);
    st = query_next(&q, err);
    if (st == OK) s->device_id = query_int(&q, 0);
    query_close(&q);
    return st == STATUS_NOTHING ? OK : st;
}

/* ---- profiles ---- */

struct candidate {
    const struct profile_record *record;
    enum apart apart;
    double distance;
};

static int by_promise(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->apart != y->apart) return x->apart > y->apart ? 1 : -1;
    if (x->distance != y->distance) return x->distance > y->distance ? 1 : -1;
    const int problems = strcmp(x->record->problem, y->record->problem);
    if (problems) return problems;
    if (x->record->time_ns != y->record->time_ns)
        return x->record->time_ns > y->record->time_ns ? 1 : -1;
    return x->record->line - y->record->line;
}

/* The records of a profile that could answer, nearest and fastest first; the caller frees. */
static struct candidate *find_candidates(const struct lookup_query *q, const struct profile *p,
                                         size_t *n) {
    struct candidate *list = memory_new((p->n_records + 1) * sizeof *list);
    *n = 0;
    for (size_t i = 0; i < p->n_records; i++) {
        const struct profile_record *r = &p->records[i];
        struct candidate c = {.record = r};
        if (strcmp(r->family, q->family) != 0 || strcmp(r->class_name, q->class_name) != 0 ||
            (q->layout && strcmp(r->layout, q->layout) != 0))
            continue;
        c.apart = fields_compare(q->problem, r->problem, &c.distance);
        if (c.apart != APART_UNRELATED) list[(*n)++] = c;
    }
    qsort(list, *n, sizeof *list, by_promise);
    return list;
}

static struct evaluation profile_evaluation(const struct profile_record *r) {
    return (struct evaluation){.id = -r->line,
                               .key = {.source_key = text_copy(r->source_key),
                                       .options = text_copy(""),
                                       .family = text_copy(r->family),
                                       .problem = text_copy(r->problem),
                                       .class_name = text_copy(r->class_name),
                                       .layout = text_copy(r->layout),
                                       .variant = text_copy(r->variant),
                                       .config = text_copy(r->config)},
                               .outcome = OUTCOME_OK,
                               .time_ns = r->time_ns,
                               .low_ns = NAN,
                               .high_ns = NAN,
                               .floor_ns = NAN,
                               .ceiling_gbps = NAN,
                               .ceiling_gflops = NAN,
                               .share = NAN,
                               .nmse = NAN,
                               .conditions = text_copy("{}")};
}

static enum status ask_records_of(struct search *s, enum lookup_rule rule,
                                  const struct profile *profile, struct error *err) {
    size_t n;
    struct candidate *list = find_candidates(s->query, profile, &n);
    enum status st = OK;
    bool is_full = false;
    for (size_t i = 0; st == OK && i < n && !is_full; i++) {
        const struct profile_record *r = list[i].record;
        if (s->answer->record.id && strcmp(r->problem, s->answer->record.key.problem) != 0) break;
        if (!*current_key(s, r->variant) ||
            !s->query->usable(s->query->context, r->layout, r->variant, r->config))
            continue;
        struct evaluation e = profile_evaluation(r);
        st = consider(s, rule, &e, &is_full, err);
    }
    free(list);
    return st;
}

static enum status ask_profile(struct search *s, enum lookup_rule rule, const char *name,
                               const char *text, struct error *err) {
    struct profile profile;
    enum status st = profile_parse(name, text, strlen(text), &profile, err);
    if (st != OK) return st;
    if (profile_covers(&profile, s->query->model)) st = ask_records_of(s, rule, &profile, err);
    if (s->answer->record.id)
        snprintf(s->answer->origin, sizeof s->answer->origin, "%s%s%s", name,
                 *profile.provenance ? ": " : "", profile.provenance);
    profile_free(&profile);
    return st;
}

/* What is no profile any more was looked at when it came in: a database that was spoilt since holds one
 * hint less. */
static enum status ask_imported(struct search *s, struct error *err) {
    struct imports imports;
    enum status st = s->store ? imports_open(&imports, s->store, s->query->model, err) : OK;
    if (!s->store || st != OK) return st;
    const char *name, *text;
    while (!s->answer->record.id && (st = imports_next(&imports, &name, &text, err)) == OK)
        if ((st = ask_profile(s, LOOKUP_IMPORTED, name, text, err)) != OK && st != STATUS_INVALID)
            break;
    imports_close(&imports);
    return st == STATUS_NOTHING || st == STATUS_INVALID ? OK : st;
}

static enum status ask_shipped(struct search *s, struct error *err) {
    enum status st = OK;
    const struct embedded *file;
    for (size_t i = 0; st == OK && !s->answer->record.id && (file = profile_shipped(i)); i++)
        st = ask_profile(s, LOOKUP_PROFILE, file->path, file->text, err);
    return st;
}

/* ---- the rules ---- */

enum status lookup(struct store *store, const struct lookup_query *query,
                   struct lookup_answer *answer, struct error *err) {
    struct search s = {.store = store, .query = query, .answer = answer};
    *answer = (struct lookup_answer){0};
    enum status st = OK;
    if (store) st = find_device(&s, err);
    if (store && st == OK && !query->profiles_only) st = ask_records(&s, err);
    if (st == OK && !answer->record.id) st = ask_imported(&s, err);
    if (st == OK && !answer->record.id) st = ask_shipped(&s, err);
    for (size_t i = 0; i < s.n; i++) free(s.relatives[i].problem);
    free(s.relatives);
    for (size_t i = 0; i < s.n_finals; i++) free(s.finals[i].name);
    free(s.finals);
    if (st != OK) {
        evaluation_free(&answer->record);
        evaluation_free(&answer->runner_up);
        return st;
    }
    if (answer->record.id) return OK;
    return fail(err, STATUS_NOTHING, "nothing is known of %s %s %s on this device", query->family,
                query->problem, query->class_name);
}
