/* session.c: the story of a tuning session.
 *
 *     lock the device, open the database, find the session or begin it
 *     for each problem, what matters most first:
 *         seeds · replay what was measured · ask, measure, tell · finals
 *     for each matrix whose problems at all n are done: what is good at one n is measured at the others,
 *         and one layout is chosen for all
 *     a finished session: measure its winners once more
 *
 * The parent owns the database and runs no kernel: those run in a worker that may die. The outcome of
 * one candidate and the `running` row of the next are one transaction, before the next may run: where
 * it is compiled already, while the worker prepares it. Its files: session_private.h. */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/units.h"
#include "tuner/lock.h"
#include "tuner/session_private.h"
#include "tuner/times.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The search stops before a problem's time is over: finals take a part of it, of long times no more than this. (Of 12 s
 * that a minute left them they used 3.) */
static const double FINALS_SHARE = 0.2, FINALS_RESERVE_NS = 6e9;
/* Half of the budget is shared evenly, half by what the problems cost. */
static const double EVEN_SHARE = 0.5;
/* A problem that was begun gets its default and its best seed measured, and its finals, though its time is
 * over; one that was not begun then is left for the next run. */
enum { EVALUATIONS_LEAST = 2 };
enum { LIKELY_MOST = 32 }; /* that builders may ask for */
/* Measuring what is good at one n at the others: a part of what the problems of a matrix have. */
static const double CROSS_SHARE = 0.25,
                    BETWEEN_SHARE = 0.1; /* at n that are used; at those between */
/* A session that goes on with less of its budget than this is given the whole of it again. */
static const double REST_LEAST = 0.1;
/* Whatever a database says. */
static const int64_t SPENT_MOST_NS = INT64_MAX / 4;
/* Samples of one candidate: a hundredth of the problem's time, at least and at most this. (Who is the best is for finals
 * to say. Three samples there are until three times that is over.) */
static const double SAMPLES_SHARE = 0.01;
static const int64_t SAMPLES_LEAST_NS = 50000000, SAMPLES_MOST_NS = 2000000000;

/* A quest's place in the order: with the others of its matrix, which are as important as all of them
 * together. */
struct turn {
    struct quest *quest;
    struct matrix_uses *matrix; /* NULL: none */
    double together, alone;     /* time of a token, roughly */
    size_t first;               /* the first quest of its matrix, or itself */
};

/* ---- time ---- */

bool session_is_interrupted(const struct session *s) {
    return s->options->interrupt && *s->options->interrupt;
}

static int64_t spent_ns(const struct session *s) {
    return s->spent_before_ns + clock_now_ns() - s->began_ns;
}

/* What is left of the budget; INT64_MAX without one. */
static int64_t left_ns(const struct session *s) {
    if (s->allowance_ns == INT64_MAX) return INT64_MAX;
    int64_t left = s->allowance_ns - spent_ns(s);
    return left > 0 ? left : 0;
}

bool session_is_over(const struct session *s) {
    return session_is_interrupted(s) || left_ns(s) == 0;
}

/* That much for each grant; what no integer holds is no limit. */
static int64_t granted(const struct session *s, int64_t each) {
    int64_t all;
    return __builtin_mul_overflow(each, s->grants, &all) ? INT64_MAX : all;
}

/* ---- progress ---- */

static void format_left(double ns, char text[32]) {
    double seconds = ns / 1e9;
    if (seconds >= 60) snprintf(text, 32, "%dm%02ds", (int)(seconds / 60), (int)fmod(seconds, 60));
    else snprintf(text, 32, "%.0fs", seconds);
}

static void show_progress(const struct session *s, const struct quest *q, double eta_ns) {
    char name[256], best_text[96] = "none yet", eta[48] = "";
    const struct attempt *best = quest_best(q);
    double base = quest_default_ns(q);
    quest_name(q, name);
    if (best) {
        char time[UNITS_TEXT];
        int at = snprintf(best_text, sizeof best_text, "best %s %.0f %% of ceiling",
                          units_time_ns(best->time_ns, time), 100 * best->share);
        if (base > 0 && at > 0 && (size_t)at < sizeof best_text)
            snprintf(best_text + at, sizeof best_text - (size_t)at, " (×%.1f)",
                     base / best->time_ns);
    }
    if (isfinite(eta_ns)) {
        char left[32];
        format_left(eta_ns, left);
        snprintf(eta, sizeof eta, "  ETA %s", left);
    }
    int64_t failed =
        (int64_t)q->n_attempts - quest_count(q, OUTCOME_OK) - quest_count(q, OUTCOME_ABANDONED);
    int64_t total = (int64_t)q->space_n, limit = granted(s, s->options->evaluations);
    log_progress("%s  %zu/%lld  %s  %lld failed%s", name, q->n_attempts,
                 (long long)(limit > 0 && limit < total ? limit : total), best_text,
                 (long long)failed, eta);
}

/* ---- the search of one problem ---- */

struct span session_span(const struct session *s, const struct quest *q) {
    int64_t left = left_ns(s), now = clock_now_ns();
    if (left == INT64_MAX) return (struct span){INT64_MAX, INT64_MAX};
    double all = 0;
    for (size_t i = 0; i < s->n_quests; i++)
        all += (s->quests[i].is_done ? 0 : s->quests[i].weight) +
               (s->quests[i].is_crossed ? 0 : s->quests[i].cross_weight);
    const double weight = q->is_done ? q->cross_weight : q->weight;
    const double mine = (double)left * (all > 0 ? weight / all : 1);
    const double finals = fmin(FINALS_SHARE * mine, FINALS_RESERVE_NS);
    return (struct span){now + (int64_t)(mine - finals), now + (int64_t)mine};
}

/* Would another candidate, taking as long as they did on average, still fit? */
static bool goes_on(const struct session *s, const struct quest *q, const struct span *span,
                    int64_t search_began_ns) {
    int64_t limit = granted(s, s->options->evaluations);
    const int64_t asked = (int64_t)q->n_attempts - cross_count(q->cross, (int64_t)q->n_attempts);
    if (session_is_interrupted(s) || (limit > 0 && asked >= limit)) return false;
    if (q->n_attempts < EVALUATIONS_LEAST || span->search_end_ns == INT64_MAX) return true;
    if (quest_is_at_floor(q)) return false;
    int64_t now = clock_now_ns();
    int64_t usual = q->n_here ? (now - search_began_ns) / q->n_here : 0;
    return now + usual / 2 < span->search_end_ns;
}

int64_t span_samples_ns(const struct span *span) {
    if (span->end_ns == INT64_MAX) return SAMPLES_MOST_NS;
    double share = SAMPLES_SHARE * (double)(span->end_ns - clock_now_ns());
    return share < (double)SAMPLES_LEAST_NS  ? SAMPLES_LEAST_NS
           : share > (double)SAMPLES_MOST_NS ? SAMPLES_MOST_NS
                                             : (int64_t)share;
}

/* The evaluation under way and the one before, which waits to be committed with it. */
struct pair {
    struct evaluation now;
    struct record_key key;
    bool has_done;
    struct evaluation done;
    struct record_key done_key;
};

void evaluation_drop(struct evaluation *e, struct record_key *key) {
    e->key = (struct record_key){0}; /* the strings are the key's */
    evaluation_free(e);
    *e = (struct evaluation){0};
    quest_key_free(key);
}

struct evaluation session_new_evaluation(const struct session *s, const struct quest *q,
                                         bool is_default, const struct record_key *key) {
    return (struct evaluation){.session_id = s->row.id,
                               .device_id = s->device_id,
                               .sequence = (int64_t)q->n_attempts,
                               .key = *key,
                               .outcome = OUTCOME_RUNNING,
                               .time_ns = NAN,
                               .low_ns = NAN,
                               .high_ns = NAN,
                               .floor_ns = NAN,
                               .ceiling_gbps = NAN,
                               .ceiling_gflops = NAN,
                               .share = NAN,
                               .nmse = NAN,
                               .elapsed_ns = spent_ns(s),
                               .unix_s = clock_unix_s(),
                               .is_default = is_default};
}

enum status session_spend(struct session *s, const char *state, struct error *err) {
    return store_session_spend(s->store, s->row.id, spent_ns(s), state, err);
}

/* What becomes of a row that is running when the worker has failed. Without room or refused, the candidate
 * never ran. Interrupted, or where the device is gone, no process starts or the worker's own kernels do not
 * run, it is as if it had not been asked for: tried once more, whatever was before. (A candidate that loses the
 * device has crashed; it is the next one that does not find it.) */
static const struct {
    enum status status;
    enum outcome outcome;
} unfinished[] = {
    {STATUS_NOMEM, OUTCOME_LAUNCH_FAILED},
    {STATUS_UNSUPPORTED, OUTCOME_LAUNCH_FAILED},
    {STATUS_INVALID, OUTCOME_LAUNCH_FAILED},
    {STATUS_INTERRUPTED, OUTCOME_RUNNING},
    {STATUS_BUILD, OUTCOME_RUNNING},
    {STATUS_LAUNCH, OUTCOME_RUNNING},
    {STATUS_IO, OUTCOME_RUNNING},
    {STATUS_DEVICE, OUTCOME_RUNNING},
};

/* Best effort: the failure that is being reported stays the one that is told. */
static void settle_unfinished(struct session *s, struct evaluation *e, const struct error *why) {
    struct error ignored;
    for (size_t i = 0; i < sizeof unfinished / sizeof *unfinished; i++) {
        if (unfinished[i].status != why->status) continue;
        e->outcome = unfinished[i].outcome;
        e->is_resumed = false;
        free(e->message);
        e->message = e->outcome == OUTCOME_RUNNING ? NULL : text_copy(why->text);
        store_step(s->store, e, NULL, &ignored);
    }
}

enum status session_commit(struct session *s, const struct evaluation *done,
                           struct evaluation *next, struct error *err) {
    enum status st = store_begin(s->store, err);
    if (st != OK) return st;
    st = store_step(s->store, done, next, err);
    if (st == OK) st = session_spend(s, "running", err);
    return store_end(s->store, st, err);
}

enum status session_evaluate(struct session *s, struct quest *q, const struct work *work,
                             struct leave *leave, struct evaluation *e, struct error *err) {
    const int64_t began = clock_now_ns();
    const enum status st = worker_evaluate(s->worker, work, leave, e, s->options->interrupt, err);
    if (st != OK) {
        if (!leave || leave->is_given) settle_unfinished(s, e, err);
        return st;
    }
    e->elapsed_ns = spent_ns(s);
    s->first = (struct pace){s->first.ns + clock_now_ns() - began, s->first.n + 1};
    q->n_here++;
    return OK;
}

/* What must be done before the present candidate runs. */
struct step {
    struct session *s;
    struct quest *q;
    struct pair *pair;
    int64_t config;
    bool is_retry;
};
/* Commit `done` with the next running row. NOTHING: it is in quarantine, as the strategy was told. */
static enum status commit_step(void *context, struct error *err) {
    const struct step *step = context;
    struct pair *p = step->pair;
    bool may_run = false;
    if (step->is_retry) /* still running, for the second time */
        return session_commit(step->s, &p->now, NULL, err);
    enum status st = session_consult(step->s, step->q, &p->key, step->config, &may_run, err);
    if (st == OK && !may_run) return STATUS_NOTHING;
    if (st == OK) st = session_commit(step->s, p->has_done ? &p->done : NULL, &p->now, err);
    if (st != OK || !p->has_done) return st;
    evaluation_drop(&p->done, &p->done_key);
    p->has_done = false;
    return OK;
}

/* Let the worker evaluate a configuration, if it may run, and tell the strategy. */
static enum status evaluate_one(struct session *s, struct quest *q, struct pair *p, int64_t config,
                                bool is_retry, const struct span *span, struct error *err) {
    const struct setting setting = quest_setting(q, config);
    const struct work work = {.config = setting.config,
                              .problem = quest_problem(q, &setting),
                              .seed = 1,
                              .incumbent_ns = quest_incumbent(q),
                              .budget_ns = span_samples_ns(span),
                              .small_first = is_retry};
    p->key = quest_key(q, &setting);
    p->now = session_new_evaluation(s, q, config == q->default_config, &p->key);
    p->now.id = is_retry ? q->retry_id : 0;
    p->now.is_resumed = is_retry;
    struct step step = {s, q, p, config, is_retry};
    struct leave leave = {.give = commit_step, .context = &step};
    enum status st = session_evaluate(s, q, &work, &leave, &p->now, err);
    if (st == STATUS_NOTHING) {
        evaluation_drop(&p->now, &p->key);
        return OK;
    }
    if (st != OK) return st;
    quest_tell(q, &p->now);
    p->done = p->now;
    p->done_key = p->key;
    p->has_done = true;
    p->now = (struct evaluation){0};
    p->key = (struct record_key){0};
    return OK;
}

/* A configuration to be built, by itself. */
static struct work work_of(const struct quest *q, int64_t config) {
    const struct setting setting = quest_setting(q, config);
    return (struct work){
        .config = setting.config, .problem = quest_problem(q, &setting), .seed = 1};
}

/* What the strategy is likely to ask for after what it asks for now. */
static size_t likely_works(void *context, struct work *works, size_t n) {
    const struct session *s = context;
    struct quest *q = s->searched;
    int64_t configs[LIKELY_MOST];
    if (!q || !q->strategy->peek) return 0;
    n = q->strategy->peek(&q->search, configs, n < LIKELY_MOST ? n : LIKELY_MOST);
    for (size_t i = 0; i < n; i++) works[i] = work_of(q, configs[i]);
    return n;
}

static bool has_program(void *context, int64_t config) {
    const struct session *s = context;
    const struct work work = work_of(s->searched, config);
    return worker_has_built(s->worker, &work);
}

/* Where builders go on while the worker measures, what they have done is worth more than what they have not;
 * on a CPU they stand still then, and a program that nobody runs was built for nothing. */
static void begin_search(struct session *s, struct quest *q) {
    s->searched = q;
    if (s->info->type == DEVICE_CPU) return;
    q->search.is_ready = has_program;
    q->search.context = s;
}

/* Not what is in quarantine: a builder would run into it as the worker did. */
static bool may_build(void *context, const struct work *work) {
    const struct session *s = context;
    const struct setting setting = {work->config, work->problem.layout};
    if (!s->searched) return false;
    struct record_key key = quest_key(s->searched, &setting);
    enum outcome outcome = OUTCOME_OK;
    char *message = NULL;
    const enum status st = store_verdict(s->store, s->device_id, &key, &outcome, &message, NULL);
    free(message);
    quest_key_free(&key);
    return st == OK && outcome == OUTCOME_OK;
}

static enum status search_quest(struct session *s, struct quest *q, const struct span *span,
                                struct error *err) {
    struct pair p = {0};
    int64_t began = clock_now_ns();
    enum status st = OK;
    if (q->retry_id && q->retry_config >= 0) {
        st = evaluate_one(s, q, &p, q->retry_config, true, span, err);
        q->retry_id = st == OK ? 0 : q->retry_id;
    }
    while (st == OK && goes_on(s, q, span, began)) {
        st = quest_check_default(q, err);
        const int64_t config = st == OK ? q->strategy->next(&q->search) : -1;
        if (config < 0) break;
        st = evaluate_one(s, q, &p, config, false, span, err);
        double eta = left_ns(s) == INT64_MAX ? NAN : (double)left_ns(s);
        show_progress(s, q, eta);
    }
    struct error second;
    if (p.has_done) {
        enum status last = store_step(s->store, &p.done, NULL, st == OK ? err : &second);
        st = st == OK ? last : st;
        evaluation_drop(&p.done, &p.done_key);
    }
    evaluation_drop(&p.now, &p.key);
    return st;
}

/* ---- one problem ---- */

/* Open the space, fix or load the seeds, begin the search, replay. */
static enum status begin_quest(struct session *s, struct quest *q, struct error *err) {
    int64_t seeds[SEEDS_MOST];
    size_t n;
    enum status st = quest_open_space(q, err);
    if (st != OK) return st;
    const bool is_known = session_load_seeds(s, q, seeds, &n);
    if (!is_known) n = seeds_gather(s->store, s->info, q, s->quests, s->n_quests, seeds);
    st = quest_begin(q, s->strategy, s->options->seed, seeds, n, err);
    if (st == OK && !is_known) st = session_save_seeds(s, q, err);
    if (st == OK) session_load_rounds(s, q);
    return st == OK ? session_replay(s, q, err) : st;
}

static enum status run_quest(struct session *s, struct quest *q, struct error *err) {
    q->is_done = q->is_done || q->uses == 0;
    if (q->is_done) return session_replay(s, q, err);
    struct span span = session_span(s, q);
    enum status st = begin_quest(s, q, err);
    if (st == OK) {
        begin_search(s, q);
        st = search_quest(s, q, &span, err);
    }
    s->searched = NULL;
    quest_rest(q);
    if (st == OK && !session_is_interrupted(s)) st = session_hold_finals(s, q, &span, err);
    if (st == OK && !session_is_interrupted(s)) {
        q->is_done = true;
        st = session_save_done(s, q, err);
    }
    if (st == OK) st = session_save_ceilings(s, err);
    if (st == OK) st = session_spend(s, "running", err);
    log_progress_done();
    const struct attempt *best = quest_best(q);
    if (st == OK && best) {
        char name[256], time[UNITS_TEXT], gain[32] = "";
        double default_ns = quest_default_ns(q);
        quest_name(q, name);
        if (default_ns > 0) snprintf(gain, sizeof gain, ", ×%.2f", default_ns / best->time_ns);
        log_say("%s: %s, %.0f %% of the ceiling%s", name, units_time_ns(best->time_ns, time),
                100 * best->share, gain);
    }
    return st;
}

/* ---- begin and end ---- */

static const struct layout *fixed_layout(const struct session_options *o, size_t i) {
    return o->layout && o->layout[i] ? layout_find(o->layout[i]) : NULL;
}

/* Time that a problem needs at least, roughly, for sharing the budget: bytes and operations a nanosecond. */
static double rough_ns(const struct problem *problem, enum device_type type) {
    static const struct {
        double bytes, operations;
    } per_ns[] = {[DEVICE_CPU] = {20, 100}, [DEVICE_GPU] = {400, 4000}, [DEVICE_OTHER] = {20, 100}};
    struct cost cost;
    problem->family->cost(problem, &cost);
    return fmax(cost.bytes / per_ns[type].bytes, cost.operations / per_ns[type].operations);
}

/* What an evaluation takes: a compilation, and some runs of a kernel that is not the best. */
static double evaluation_ns(const struct problem *problem, enum device_type type) {
    enum { RUNS = 10 };
    static const double BUILD_NS = 5e8;
    return BUILD_NS + RUNS * rough_ns(problem, type);
}

static enum status open_one(struct session *s, const struct problem *problem, size_t i,
                            struct error *err) {
    const struct session_options *o = s->options;
    struct quest *q = &s->quests[s->n_quests];
    if (o->layout && o->layout[i] && !fixed_layout(o, i))
        return fail(err, STATUS_INVALID, "there is no layout %s", o->layout[i]);
    enum status st =
        quest_open(q, &s->target, problem, fixed_layout(o, i), o->limits, o->n_limits, err);
    if (st != OK) return st;
    q->uses = o->weights ? o->weights[i] : 1;
    q->weight = o->weights ? rough_ns(&q->problem, s->info->type) * q->uses
                           : evaluation_ns(&q->problem, s->info->type);
    s->n_quests++;
    return OK;
}

/* Shares of the budget. */
static void weigh_quests(struct session *s) {
    double all = 0, searched = 0;
    for (size_t i = 0; i < s->n_quests; i++) {
        all += s->quests[i].weight;
        searched += s->quests[i].uses > 0;
    }
    for (size_t i = 0; i < s->n_quests; i++)
        if (s->quests[i].uses > 0)
            s->quests[i].weight = EVEN_SHARE / searched +
                                  (1 - EVEN_SHARE) * (all > 0 ? s->quests[i].weight / all : 0);
    for (size_t i = 0; i < s->n_matrices; i++) {
        const struct matrix_uses *m = &s->matrices[i];
        double together = 0;
        for (size_t k = 0; k < m->n; k++) together += m->quest[k]->weight;
        for (size_t k = 0; k < m->n; k++)
            m->quest[k]->cross_weight = m->quest[k]->uses > 0
                                            ? CROSS_SHARE * m->quest[k]->weight
                                            : BETWEEN_SHARE * together / (double)m->n;
    }
}

static int by_importance(const void *a, const void *b) {
    const struct turn *x = a, *y = b;
    if (x->together != y->together) return x->together < y->together ? 1 : -1;
    if (x->first != y->first) return x->first > y->first ? 1 : -1;
    if (x->alone != y->alone) return x->alone < y->alone ? 1 : -1;
    return (x->quest > y->quest) - (x->quest < y->quest);
}

/* Without weights, which tell what matters, the order is that of the question. */
static void order_quests(struct session *s) {
    s->turns = memory_new((s->n_quests + 1) * sizeof *s->turns);
    for (size_t i = 0; i < s->n_quests; i++) {
        struct quest *q = &s->quests[i];
        s->turns[i] = (struct turn){q, NULL, q->weight, q->weight, i};
    }
    if (!s->options->weights) return;
    s->n_matrices = matrices_find(s->quests, s->n_quests, &s->matrices);
    for (size_t i = 0; i < s->n_matrices; i++) {
        struct matrix_uses *m = &s->matrices[i];
        double together = 0;
        size_t first = SIZE_MAX;
        for (size_t k = 0; k < m->n; k++) {
            const size_t at = (size_t)(m->quest[k] - s->quests);
            together += m->quest[k]->weight;
            first = at < first ? at : first;
        }
        for (size_t k = 0; k < m->n; k++) {
            struct turn *turn = &s->turns[m->quest[k] - s->quests];
            *turn = (struct turn){m->quest[k], m, together, turn->alone, first};
        }
    }
    qsort(s->turns, s->n_quests, sizeof *s->turns, by_importance);
}

/* Problems that nothing can do here, or that have no room, are said and left out; all of them: how the
 * last of them failed, in one sentence. */
static enum status open_quests(struct session *s, struct error *err) {
    const struct recorded *recorded = s->target.recorded;
    const struct problem *problems = recorded ? &recorded->problem : s->options->problems;
    const size_t n = recorded ? 1 : s->options->n_problems;
    struct str left_out = {0};
    enum status st = OK, refused = OK;
    s->quests = memory_new((n + 1) * sizeof *s->quests);
    for (size_t i = 0; i < n; i++) {
        st = open_one(s, &problems[i], i, err);
        if (st != OK && st != STATUS_UNSUPPORTED && st != STATUS_NOMEM) break;
        if (st != OK) str_addf(&left_out, "%s\n", err->text), refused = st, st = OK;
    }
    if (st == OK && s->n_quests == 0) {
        st = refused;
        if (n > 1) fail_while(err, "none of %zu problems is left", n);
    } else if (st == OK) {
        char *rest = left_out.text;
        for (char *line; rest && *rest && (line = strsep(&rest, "\n"));) log_warn("%s", line);
    }
    str_free(&left_out);
    order_quests(s);
    weigh_quests(s);
    return st;
}

/* What was asked, canonical: problems with class and layout, one a line, and limits. The kernels are part
 * of it: times of other sources would mislead a search that goes on. */
static char *asked_text(const struct session *s) {
    struct str text = {0};
    for (size_t i = 0; i < s->n_quests; i++) {
        const struct quest *q = &s->quests[i];
        char key[17];
        str_addf(&text, "%s %s %s %s %s\n", q->problem.family->name, q->text,
                 class_names[q->problem.class], q->layout ? q->layout->name : "*",
                 quest_family_key(q, key));
    }
    for (size_t l = 0; l < s->options->n_limits; l++) {
        const struct space_limit *limit = &s->options->limits[l];
        str_addf(&text, "param %s", limit->param);
        for (int v = 0; v < limit->n_values; v++)
            str_addf(&text, "%s%s", v ? "," : "=", limit->values[v]);
        str_add(&text, "\n");
    }
    return text.text;
}

static enum status find_or_begin(struct session *s, struct error *err) {
    struct session_row asked = {.device_id = s->device_id,
                                .problems = asked_text(s),
                                .strategy = (char *)s->strategy->name,
                                .seed = s->options->seed,
                                .budget_ns = s->options->budget_ns,
                                .evaluations = s->options->evaluations,
                                .state = "running"};
    enum status st = store_session_find(s->store, &asked, &s->row, err);
    s->was_found = st == OK;
    s->grants = 1;
    if (st == OK) {
        s->spent_before_ns = bounded(s->row.spent_ns, 0, SPENT_MOST_NS);
        s->was_finished = s->row.state && strcmp(s->row.state, "finished") == 0;
        session_load_grants(s);
    } else if (st == STATUS_NOTHING) {
        st = store_session_begin(s->store, &asked, err);
        s->row = asked;
        s->row.problems = text_copy(asked.problems);
        s->row.strategy = text_copy(asked.strategy);
        s->row.state = text_copy("running");
    }
    free(asked.problems);
    return st;
}

/* A new session has its budget, one that was killed the unspent part. One that has finished, or has hardly
 * anything left because the time was too short for its problems, has the whole again. */
static void allow(struct session *s) {
    const int64_t budget = s->options->budget_ns;
    s->allowance_ns = INT64_MAX;
    if (budget <= 0) return;
    s->allowance_ns = granted(s, budget);
    const int64_t rest = s->allowance_ns - s->spent_before_ns;
    if (s->was_finished || (double)rest < REST_LEAST * (double)budget)
        s->allowance_ns = s->spent_before_ns + budget;
}

/* --more: the budget once again, and the searches are open again. */
static enum status grant_more(struct session *s, struct error *err) {
    if (!s->was_finished || !s->options->more) return OK;
    s->grants += s->grants < GRANTS_MOST;
    s->was_finished = false;
    for (size_t i = 0; i < s->n_quests; i++) s->quests[i].is_done = s->quests[i].is_crossed = false;
    return session_save_grants(s, err);
}

static enum status open_worker(struct session *s, struct error *err) {
    const enum status st =
        worker_open(s->target.selector, s->info->model_key, s->options->deadlines, &s->worker, err);
    if (st != OK) return st;
    /* A recording needs no compiler. */
    const struct build_ahead ahead = {.builders = s->target.recorded ? 0 : s->options->builders,
                                      .on_device = s->info->type == DEVICE_CPU,
                                      .device_bytes = (double)s->info->global_bytes,
                                      .may_build = may_build,
                                      .foresee = likely_works,
                                      .context = s};
    worker_build_ahead(s->worker, &ahead);
    return OK;
}

/* The worker first: on a GPU it opens the device meanwhile. Nobody is asked to foresee before a search begins. */
static enum status open_session(struct session *s, struct error *err) {
    const struct session_options *o = s->options;
    enum status st = target_open(o->device, &s->target, err);
    if (st != OK) return st;
    s->info = s->target.info;
    if ((!o->is_locked && (st = lock_take(s->info, o->lock_text, &s->lock, err)) != OK) ||
        (st = open_worker(s, err)) != OK || (st = open_quests(s, err)) != OK ||
        (st = store_open(o->database, STORE_WRITE, &s->store, err)) != OK ||
        (st = store_device(s->store, s->info->model_key, s->info->version_key, s->info->name,
                           s->info->uuid, &s->device_id, err)) != OK ||
        (st = session_settle_running(s, err)) != OK || (st = find_or_begin(s, err)) != OK)
        return st;
    for (size_t i = 0; st == OK && s->was_found && i < s->n_quests; i++)
        s->quests[i].is_done = s->quests[i].uses == 0 || session_load_done(s, &s->quests[i]);
    for (size_t i = 0; st == OK && i < s->n_quests; i++) session_load_cross(s, &s->quests[i]);
    if (st == OK) allow(s);
    return st == OK ? grant_more(s, err) : st;
}

static void close_session(struct session *s) {
    worker_close(s->worker);
    session_row_free(&s->row);
    store_close(s->store);
    for (size_t i = 0; i < s->n_quests; i++) quest_close(&s->quests[i]);
    free(s->quests);
    free(s->turns);
    free(s->matrices);
    lock_release(s->lock);
    target_close(&s->target);
}

static json_t *session_json(const struct session *s, const char *state) {
    json_t *problems = json_array();
    int64_t here = 0, all = 0;
    for (size_t i = 0; i < s->n_quests; i++) {
        json_array_append_new(problems, quest_json(&s->quests[i]));
        here += s->quests[i].n_here;
        all += (int64_t)s->quests[i].n_attempts;
    }
    const int64_t wall_ns = clock_now_ns() - s->began_ns;
    json_t *object = json_pack(
        "{s:s,s:s,s:s,s:I,s:f,s:o,s:{s:I,s:s,s:I,s:f,s:b},s:o}", "device", s->info->name, "db",
        store_path(s->store), "strategy", s->strategy->name, "evaluations", (json_int_t)here,
        "seconds", (double)wall_ns / 1e9, "time", times_json(s->worker, wall_ns), "session", "id",
        (json_int_t)s->row.id, "state", state, "evaluations", (json_int_t)all, "seconds",
        (double)spent_ns(s) / 1e9, "resumed", s->was_found, "problems", problems);
    if (s->n_matrices)
        json_object_set_new(object, "model", matrices_json(s->matrices, s->n_matrices));
    return object;
}

static void say_times(const struct session *s) {
    char text[160];
    times_format(s->worker, clock_now_ns() - s->began_ns, text);
    log_say("time: %s", text);
}

/* ---- the story ---- */

static size_t count_unfinished(const struct session *s) {
    size_t n = 0;
    for (size_t i = 0; i < s->n_quests; i++) {
        const struct quest *q = &s->quests[i];
        n += !q->is_done || (q->cross_weight > 0 && !q->is_crossed);
    }
    return n;
}

static enum status tell_story(struct session *s, struct error *err) {
    enum status st = OK;
    if (s->was_finished)
        log_say("session %lld is finished: its winners are measured once more (--more goes on)",
                (long long)s->row.id);
    else if (s->was_found) log_say("going on with session %lld", (long long)s->row.id);
    for (size_t i = 0; st == OK && i < s->n_quests; i++) {
        const struct turn *turn = &s->turns[i];
        struct quest *q = turn->quest;
        const bool is_last = i + 1 == s->n_quests || turn[1].matrix != turn->matrix;
        if (session_is_over(s))
            st = session_replay(s, q, err); /* to be reported with what is known of it */
        else st = s->was_finished ? session_recheck(s, q, err) : run_quest(s, q, err);
        if (st == OK && turn->matrix && is_last && !s->was_finished)
            st = session_cross_matrix(s, turn->matrix, true, err);
    }
    for (size_t i = 0; st == OK && i < s->n_quests && !s->was_finished; i++) {
        const struct matrix_uses *m = s->turns[i].matrix;
        if (m && (i == 0 || s->turns[i - 1].matrix != m))
            st = session_cross_matrix(s, m, false, err);
    }
    return st;
}

enum status session_run(const struct session_options *options, json_t **result, struct error *err) {
    struct session s = {.options = options,
                        .began_ns = options->began_ns ? options->began_ns : clock_now_ns(),
                        .strategy = strategy_find(options->strategy)};
    struct error local = {0};
    err = err ? err : &local;
    *result = NULL;
    if (!s.strategy)
        return fail(err, STATUS_INVALID, "there is no strategy %s; see `hone tune --help`",
                    options->strategy);
    enum status st = open_session(&s, err);
    if (st == OK) {
        st = tell_story(&s, err);
        const bool stopped = st == STATUS_INTERRUPTED || (st == OK && session_is_interrupted(&s));
        const size_t left = count_unfinished(&s);
        const char *state = st == OK && !stopped && left == 0 ? "finished" : "interrupted";
        struct error second;
        enum status last = session_spend(&s, state, st == OK ? err : &second);
        log_progress_done();
        say_times(&s);
        if (st == OK) st = last;
        if (st == OK && !stopped && left > 0)
            log_say(
                "The time is over: %zu of %zu problem%s not reached, or not measured with what is "
                "best at other n; the same command goes on.",
                left, s.n_quests, s.n_quests == 1 ? "" : "s");
        if (stopped && (st == OK || st == STATUS_INTERRUPTED))
            st = fail(err, STATUS_INTERRUPTED,
                      "interrupted; what was measured is kept, and the same "
                      "command goes on");
        if (st == OK || st == STATUS_INTERRUPTED) *result = session_json(&s, state);
    }
    close_session(&s);
    return st;
}
