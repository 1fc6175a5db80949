/* worker_child.c: the worker itself: build, check, measure, check again; one request at a time until the
 * parent is gone. What it keeps between requests is its desk (desk.h).
 *
 * An evaluation is: the ragged problem whole, a race on it against what is hopeless, where runs take long a race
 * over a part of the rows, the real problem sampled, samples, the outputs of the timed runs again. Before
 * everything that may hang or die the parent is told the stage. */
#include "base/clock.h"
#include "tuner/conditions.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A launch may take this many times the best before it counts as hanging. */
static const double LAUNCH_TIMES_BEST = 20;
/* Where the best takes as long as that, candidates race over a part of the rows before they do over all of them: what
 * loses there by far needs no runs of the whole, which take seconds. Parts are compared with parts, as a part may be
 * shared badly by the processors; while none of the good ones is known, with twice that part of the best's time. */
enum { PARTS = 4 };
static const double PART_FROM_NS = 20e6, PART_TIMES_BEST = 2, PART_RUNS = 2.5;
static const double HOPELESS = 3; /* times the best, whatever the canary says */
/* A part stands for all where it has less than that of the operations, and so many work-groups a compute unit. */
static const double PART_SHARE_MOST = 0.5;
enum { PART_GROUPS = 2 };
/* What is hopeless with the ragged problem already, which has at most so much of the operations, would take seconds
 * with all of them, or hang. */
static const double SMALL_SHARE_MOST = 0.1, SMALL_RUNS = 10;
/* How far above the ceiling a share may be before nobody believes it. */
static const double PLAUSIBLE_SHARE = 1.05;

/* ---- one candidate ---- */

/* A timed op that tells the parent before every launch how long it may take. */
struct watched {
    struct timed_op timed;
    double best_ns;
};
static enum status watched_run(void *context, int repeats, double *time_ns, struct error *err) {
    struct watched *w = context;
    desk_tell_stage(STAGE_launch, LAUNCH_TIMES_BEST * w->best_ns * repeats);
    return timed_op_subject(&w->timed).run(&w->timed, repeats, time_ns, err);
}

/* One candidate under way. */
struct trial {
    const struct work *work;
    struct op *op;
    struct check_case *c;
    struct watched watched;
    struct sample_set set;
    struct verdict verdict;
    int64_t build_ns, check_ns;
    int64_t launch_ns;           /* of the first launch and all around it, by the host's clock */
    int parts;                   /* as conditions_text's */
    struct work measured;        /* as it was run: with the part as its problem, warm */
    double part_ns, expected_ns; /* what a part took, and the whole will by that; 0: not known */
    enum outcome outcome;
    char message[2100];
};

static struct trial trial_of(const struct work *work) {
    return (struct trial){.work = work, .measured = *work, .parts = 1, .outcome = OUTCOME_OK};
}

/* ---- a failure is an outcome ---- */

static const struct {
    enum status status;
    enum outcome outcome;
} candidate_failures[] = {
    {STATUS_BUILD, OUTCOME_COMPILE_FAILED},
    {STATUS_UNSUPPORTED, OUTCOME_COMPILE_FAILED},
    {STATUS_LAUNCH, OUTCOME_LAUNCH_FAILED},
    {STATUS_WRONG, OUTCOME_WRONG},
};

/* A failure of the candidate becomes its outcome; anything else is the worker's. */
static enum status settle_failure(struct trial *t, enum status st, const struct error *err) {
    for (size_t i = 0; i < sizeof candidate_failures / sizeof *candidate_failures; i++)
        if (candidate_failures[i].status == st) {
            t->outcome = candidate_failures[i].outcome;
            snprintf(t->message, sizeof t->message, "%s", err->text);
            return OK;
        }
    return st;
}

/* Until the candidate may run; *waited_ns grows by that. */
static enum status await_leave(int64_t *waited_ns, struct error *err) {
    const int64_t began = clock_now_ns();
    if (!frames_are_held()) return OK;
    desk_tell_stage(STAGE_leave, NAN);
    const enum status st = frames_await_leave(err);
    desk_tell_stage(STAGE_build, NAN);
    *waited_ns += clock_now_ns() - began;
    return st;
}

/* Build, with the first launch of this geometry, which may be half of the compilation. What it writes is
 * what is judged. */
static enum status first_launch(struct desk *d, struct trial *t, const struct problem *problem,
                                struct check_case *c, struct error *err) {
    int64_t began = clock_now_ns(), waited_ns = 0;
    desk_tell_stage(STAGE_build, NAN);
    enum status st = desk_op(d, &t->work->config, problem, false, &t->op, err);
    if (st == OK) st = await_leave(&waited_ns, err);
    const int64_t built = clock_now_ns();
    if (st == OK) st = check_launch(c, t->op, err);
    if (st == OK) op_keep(t->op);
    t->launch_ns = clock_now_ns() - built;
    t->build_ns += clock_now_ns() - began - waited_ns;
    return st;
}

static enum status judge(struct desk *d, struct trial *t, struct check_case *c, bool whole,
                         struct error *err) {
    int64_t began = clock_now_ns();
    struct verdict verdict = {0};
    desk_tell_stage(STAGE_judge, NAN);
    desk_share_reference(d, c);
    enum status st = check_judge(c, t->op, whole, &verdict, err);
    if (st == OK && *verdict.failed) st = fail(err, STATUS_WRONG, "%s", verdict.failed);
    t->verdict = verdict;
    t->check_ns += clock_now_ns() - began;
    return st;
}

/* The same as a phase, run once. */
static enum status first_phase(struct desk *d, struct trial *t, struct op **phase,
                               struct error *err) {
    int64_t began = clock_now_ns();
    int copies;
    desk_tell_stage(STAGE_build, NAN);
    enum status st = desk_op(d, &t->work->config, &t->work->problem, true, phase, err);
    if (st == OK) st = check_enqueue_phase(t->c, *phase, &copies, err);
    if (st == OK) st = device_finish(d->device, err);
    t->build_ns += clock_now_ns() - began;
    return st;
}

/* Everything between the small problem and the samples. */
static enum status prepare(struct desk *d, struct trial *t, struct error *err) {
    const struct problem *problem = &t->work->problem;
    desk_tell_stage(STAGE_prepare, NAN);
    enum status st = desk_case(d, problem, t->work->seed, desk_copies(d, t->work), &t->c, err);
    if (st == OK) st = first_launch(d, t, problem, t->c, err);
    if (st == OK) st = judge(d, t, t->c, t->work->is_final, err);
    struct op *timed = t->op;
    if (st == OK && t->work->as_phase) st = first_phase(d, t, &timed, err);
    t->watched = (struct watched){.timed = {t->c, timed, 0, &d->timer, t->work->as_phase},
                                  .best_ns = t->work->incumbent_ns};
    if (desk_has_sensors(d)) sensors_read("/sys", &d->sensors);
    return st;
}

/* Work-groups of a stage, and the work-items of one. */
static size_t groups_of(const struct geometry *geometry, int stage, size_t *local) {
    size_t groups = 1;
    *local = 1;
    for (int i = 0; i < 3; i++) {
        const size_t width = geometry->stage[stage].local[i] ? geometry->stage[stage].local[i] : 1;
        const size_t across = geometry->stage[stage].global[i] / width;
        *local *= width;
        groups *= across ? across : 1;
    }
    return groups;
}

/* ---- samples ---- */

static double share_of(const struct trial *t, const struct ceiling *ceiling) {
    const struct problem *problem = t->parts ? &t->work->problem : &t->measured.problem;
    struct cost cost;
    problem->family->cost(problem, &cost);
    return ceiling_share(ceiling, &cost, t->set.median);
}

/* Faster than the device by its events: are they still right? */
static enum status doubt_events(struct desk *d, const struct trial *t, struct error *err) {
    struct ceiling ceiling;
    bool agree = true;
    if (d->timer.is_host) return OK;
    desk_tell_stage(STAGE_ceiling, NAN);
    enum status st = ceilings_measure(d->ceilings, desk_set_bytes(d, t->work), &ceiling, err);
    if (st == OK && share_of(t, &ceiling) > PLAUSIBLE_SHARE)
        st = measure_clocks_agree(d->device, &agree, err);
    d->timer.is_host |= !agree;
    return st;
}

/* Did events turn out to lie since then? Ceilings may have been measured by them, too. */
static bool has_changed_clock(struct desk *d, bool was_host) {
    if (d->timer.is_host == was_host) return false;
    ceilings_forget(d->ceilings);
    d->track.part_ns = d->track.whole_ns = INFINITY;
    return true;
}

/* Those of a race, by one clock: when it changes all are taken again. What a part takes says nothing of the ceiling. */
static enum status race_by_one_clock(struct desk *d, struct trial *t, struct measuring m,
                                     bool is_whole, bool *abandoned, struct error *err) {
    m.canary = canary_subject(d->canary);
    m.canary_settled_ns = d->settled_ns;
    const bool was_host = d->timer.is_host;
    enum status st = measure_race(&m, &t->set, abandoned, err);
    if (st == OK && is_whole) st = doubt_events(d, t, err);
    if (st != OK || !has_changed_clock(d, was_host)) return st;
    sample_set_free(&t->set);
    return measure_race(&m, &t->set, abandoned, err);
}

static enum status race(struct desk *d, struct trial *t, bool *abandoned, struct error *err) {
    const struct measuring m = {.subject = {watched_run, &t->watched},
                                .behind_ns = &d->track.behind_ns,
                                .expected_ns = t->expected_ns,
                                .incumbent_ns =
                                    t->work->is_final ? INFINITY : t->work->incumbent_ns,
                                .budget_ns = t->work->budget_ns};
    return race_by_one_clock(d, t, m, true, abandoned, err);
}

/* That of another problem than the trial's own, against the best that the subject is watched by; at most so many runs
 * of that. */
static enum status race_watched(struct desk *d, struct trial *t, struct watched *watched,
                                double runs, double *behind_ns, bool *abandoned,
                                struct error *err) {
    const struct measuring m = {.subject = {watched_run, watched},
                                .behind_ns = behind_ns,
                                .incumbent_ns = watched->best_ns,
                                .budget_ns = (int64_t)(runs * watched->best_ns)};
    return race_by_one_clock(d, t, m, false, abandoned, err);
}

/* Do its groups still fill the device evenly, and does it have its part of the work? */
static bool stands_for_all(const struct desk *d, const struct config *config,
                           const struct problem *part, double share) {
    struct geometry geometry;
    config->variant->geometry(config, part, &geometry);
    size_t most = 0, local;
    for (int stage = 0; stage < geometry.n_stages; stage++) {
        const size_t groups = groups_of(&geometry, stage, &local);
        most = groups > most ? groups : most;
    }
    return share < PART_SHARE_MOST &&
           most >= PART_GROUPS * (size_t)device_describe(d->device)->compute_units;
}

static double operations(const struct problem *problem) {
    struct cost cost;
    problem->family->cost(problem, &cost);
    return cost.operations;
}

/* The part's share of all operations; 0: no part is run. */
static double part_of(const struct desk *d, const struct work *work, struct problem *part) {
    if (work->is_final || work->as_phase || work->incumbent_ns < PART_FROM_NS ||
        !isfinite(work->incumbent_ns) || !check_part(&work->problem, PARTS, part) ||
        !config_runs(&work->config, part, d->device, NULL))
        return 0;
    const double share = operations(part) / operations(&work->problem);
    return stands_for_all(d, &work->config, part, share) ? share : 0;
}

/* Told from another problem than its own. */
static void stand_in(struct trial *t, const struct problem *problem, int parts) {
    t->measured.problem = *problem;
    t->measured.is_warm = true;
    t->parts = parts;
}

/* What the part's runs say of all rows. */
static void note_part(struct trial *t, const struct problem *part, double share, bool abandoned) {
    t->part_ns = t->set.median;
    t->expected_ns = t->set.median / share;
    if (!abandoned) {
        sample_set_free(&t->set);
        return;
    }
    sample_set_scale(&t->set, 1 / share);
    stand_in(t, part, PARTS);
}

/* The race over a part of the rows. Who loses it is abandoned, with the time that all rows would have taken. */
static enum status race_part(struct desk *d, struct trial *t, bool *abandoned, struct error *err) {
    struct problem part;
    struct check_case *c;
    const double share = part_of(d, t->work, &part), all_ns = share * t->work->incumbent_ns;
    if (share == 0) return OK;
    desk_tell_stage(STAGE_prepare, NAN);
    enum status st = desk_case(d, &part, t->work->seed, 1, &c, err);
    if (st == OK) st = first_launch(d, t, &part, c, err);
    if (st != OK) return st;
    if (desk_has_sensors(d)) sensors_read("/sys", &d->sensors);
    const double best_ns = fmin(d->track.part_ns, PART_TIMES_BEST * all_ns);
    struct watched watched = {.timed = {c, t->op, 0, &d->timer, false}, .best_ns = best_ns};
    st = race_watched(d, t, &watched, PART_RUNS, &d->track.part_behind_ns, abandoned, err);
    desk_release(d, c);
    *abandoned |= t->set.median > HOPELESS * fmin(d->track.part_ns, all_ns);
    if (st == OK) note_part(t, &part, share, *abandoned);
    return st;
}

/* Is a launch of the small problem, where the first one took that long, hopeless beside the best of the whole?
 * Then that is what it takes at least. */
static enum status race_small(struct desk *d, struct trial *t, const struct problem *small,
                              struct check_case *c, bool *abandoned, struct error *err) {
    const double most_ns = HOPELESS * t->work->incumbent_ns;
    if (t->work->is_final || t->work->as_phase || (double)t->launch_ns <= most_ns ||
        operations(small) > SMALL_SHARE_MOST * operations(&t->work->problem))
        return OK;
    double behind_ns = INFINITY, once_ns;
    struct watched watched = {.timed = {c, t->op, 0, &d->timer, false}, .best_ns = most_ns};
    enum status st = watched_run(&watched, 1, &once_ns, err);
    if (st != OK || once_ns <= most_ns) return st;
    st = race_watched(d, t, &watched, SMALL_RUNS, &behind_ns, abandoned, err);
    *abandoned |= st == OK && t->set.median > most_ns;
    if (*abandoned) stand_in(t, small, 0);
    else sample_set_free(&t->set);
    return st;
}

/* A small ragged relative in full: cheap, and tails are where kernels are wrong. */
static enum status try_small(struct desk *d, struct trial *t, bool *abandoned, struct error *err) {
    struct problem small;
    struct check_case *c;
    if (t->work->problem.family->judges_all) return OK;
    check_ragged(&t->work->problem, &small);
    if (!config_runs(&t->work->config, &small, d->device, NULL)) return OK;
    desk_tell_stage(STAGE_prepare, NAN);
    enum status st = desk_case(d, &small, t->work->seed, 1, &c, err);
    if (st == OK) st = first_launch(d, t, &small, c, err);
    if (st == OK) st = judge(d, t, c, true, err);
    return st == OK ? race_small(d, t, &small, c, abandoned, err) : st;
}

/* What parts are compared with: that of the fastest. */
static void keep_part(struct desk *d, const struct trial *t) {
    if (t->outcome != OUTCOME_OK || t->part_ns == 0 || t->set.median >= d->track.whole_ns) return;
    d->track.whole_ns = t->set.median;
    d->track.part_ns = t->part_ns;
}

static enum status time_finals(struct desk *d, struct trial *const *trials, size_t n,
                               int64_t budget_ns, struct error *err) {
    struct subject subjects[WORKS_MOST];
    struct sample_set sets[WORKS_MOST] = {0};
    for (size_t i = 0; i < n; i++) subjects[i] = (struct subject){watched_run, &trials[i]->watched};
    enum status st =
        measure_finals(canary_subject(d->canary), d->settled_ns, subjects, n, budget_ns, sets, err);
    for (size_t i = 0; i < n; i++) trials[i]->set = sets[i];
    for (size_t i = 0; st == OK && i < n; i++) st = doubt_events(d, trials[i], err);
    return st;
}

/* Those of finalists, likewise. */
static enum status race_finals(struct desk *d, struct trial *const *trials, size_t n,
                               int64_t budget_ns, struct error *err) {
    const bool was_host = d->timer.is_host;
    const enum status st = time_finals(d, trials, n, budget_ns, err);
    if (st != OK || !has_changed_clock(d, was_host)) return st;
    for (size_t i = 0; i < n; i++) sample_set_free(&trials[i]->set);
    return time_finals(d, trials, n, budget_ns, err);
}

/* The outputs that the timed runs wrote. */
static enum status check_again(struct trial *t, struct error *err) {
    int64_t began = clock_now_ns();
    struct verdict verdict = {0};
    desk_tell_stage(STAGE_judge, NAN);
    enum status st = check_after(t->c, t->op, &verdict, err);
    if (st == OK && *verdict.failed) st = fail(err, STATUS_WRONG, "%s", verdict.failed);
    if (st == STATUS_WRONG) fail_while(err, "after the timed runs");
    t->check_ns += clock_now_ns() - began;
    return st;
}

/* ---- reports ---- */

static enum status floor_of(struct desk *d, const struct trial *t, double *floor_ns,
                            struct error *err) {
    struct geometry geometry;
    t->work->config.variant->geometry(&t->work->config, &t->work->problem, &geometry);
    *floor_ns = 0;
    for (int stage = 0; stage < geometry.n_stages; stage++) {
        size_t local;
        const size_t groups = groups_of(&geometry, stage, &local);
        double stage_ns;
        enum status st = ceilings_floor(d->ceilings, groups, local, &stage_ns, err);
        if (st != OK) return st;
        *floor_ns += stage_ns;
    }
    return OK;
}

/* Ceilings, share, floor of a measured trial; beyond the ceiling is implausible unless the ceiling,
 * measured again, gets there. */
static enum status relate(struct desk *d, struct trial *t, struct evaluation *e,
                          struct ceiling *ceiling, struct error *err) {
    const size_t bytes = desk_set_bytes(d, t->work);
    struct cost cost;
    t->work->problem.family->cost(&t->work->problem, &cost);
    desk_tell_stage(STAGE_ceiling, NAN);
    enum status st = t->work->is_final ? ceilings_beside(d->ceilings, bytes, ceiling, err)
                                       : ceilings_measure(d->ceilings, bytes, ceiling, err);
    if (st == OK && share_of(t, ceiling) > PLAUSIBLE_SHARE)
        st = ceilings_again(d->ceilings, bytes, ceiling, err);
    if (st == OK && t->work->as_phase) e->floor_ns = 0;
    else if (st == OK) st = floor_of(d, t, &e->floor_ns, err);
    if (st != OK) return st;
    e->share = share_of(t, ceiling);
    e->ceiling_gbps = ceiling->read_gbps;
    e->ceiling_gflops = cost.integer && ceiling->giops > 0 ? ceiling->giops : ceiling->gflops;
    if (t->outcome == OUTCOME_OK && e->share > PLAUSIBLE_SHARE) {
        t->outcome = OUTCOME_IMPLAUSIBLE;
        snprintf(t->message, sizeof t->message,
                 "%.0f %% of what the device was seen to do: something is not being done",
                 100 * e->share);
    }
    return OK;
}

static enum status report(struct desk *d, struct trial *t, json_t *results, struct error *err) {
    struct evaluation e = {.time_ns = NAN,
                           .low_ns = NAN,
                           .high_ns = NAN,
                           .floor_ns = NAN,
                           .ceiling_gbps = NAN,
                           .ceiling_gflops = NAN,
                           .share = NAN,
                           .nmse = t->verdict.judged > 0 && t->parts == 1 ? t->verdict.nmse : NAN};
    struct ceiling ceiling = {.giops = NAN, .gflops = NAN};
    if (t->outcome == OUTCOME_OK || t->outcome == OUTCOME_ABANDONED) {
        enum status st = relate(d, t, &e, &ceiling, err);
        if (st != OK) return st;
        e.time_ns = t->set.median;
        e.low_ns = t->set.low;
        e.high_ns = t->set.high;
    }
    e.outcome = t->outcome;
    e.message = t->message;
    e.build_ns = t->build_ns;
    e.check_ns = t->check_ns;
    e.samples_ns = t->set.time_ns;
    e.n_samples = t->set.n;
    e.conditions = conditions_text(d, &t->measured, &t->set, t->parts, &ceiling);
    json_array_append_new(results, frame_evaluation(&e));
    free(e.conditions);
    return OK;
}

/* A machine that has changed its pace for good gets a new settled value. */
static enum status settle_again(struct desk *d, const struct sample_set *set, struct error *err) {
    if (set->discarded <= (int)set->n / 2) return OK;
    desk_tell_stage(STAGE_ceiling, NAN);
    return measure_settle(canary_subject(d->canary), &d->settled_ns, err);
}

static void say_abandoned(struct trial *t) {
    const double times = t->set.median / t->work->incumbent_ns;
    if (t->parts == 0)
        snprintf(t->message, sizeof t->message,
                 "%.2f times the best with the small ragged problem alone", times);
    else if (t->parts > 1)
        snprintf(t->message, sizeof t->message,
                 "%.2f times the best, told from one of %d parts of the rows", times, PARTS);
    else
        snprintf(t->message, sizeof t->message, "%.2f times the best after %zu runs", times,
                 t->set.n);
}

static enum status measure(struct desk *d, struct trial *t, bool *abandoned, struct error *err) {
    enum status st = prepare(d, t, err);
    if (st == OK) st = race(d, t, abandoned, err);
    return st == OK ? check_again(t, err) : st;
}

static enum status evaluate(struct desk *d, const struct work *work, json_t *results,
                            struct error *err) {
    struct trial t = trial_of(work);
    bool abandoned = false;
    desk_keep_track(d, &work->problem);
    enum status st = try_small(d, &t, &abandoned, err);
    if (st == OK && !abandoned) st = race_part(d, &t, &abandoned, err);
    if (st == OK && !abandoned) st = measure(d, &t, &abandoned, err);
    if (st == OK && abandoned) {
        t.outcome = OUTCOME_ABANDONED;
        say_abandoned(&t);
    }
    st = settle_failure(&t, st, err);
    if (st == OK) st = settle_again(d, &t.set, err);
    if (st == OK) st = report(d, &t, results, err);
    if (st == OK) keep_part(d, &t);
    sample_set_free(&t.set);
    return st;
}

/* Those that pass the whole check are measured in turn; the others are reported as what they are. */
static enum status finals(struct desk *d, const struct work *works, size_t n, json_t *results,
                          struct error *err) {
    struct trial trials[WORKS_MOST] = {0}, *right[WORKS_MOST] = {NULL};
    size_t n_right = 0;
    bool never = false; /* several at once are not abandoned: finals, or without an incumbent */
    enum status st = OK;
    for (size_t i = 0; st == OK && i < n; i++) {
        trials[i] = trial_of(&works[i]);
        st = try_small(d, &trials[i], &never, err);
        if (st == OK) st = prepare(d, &trials[i], err);
        st = settle_failure(&trials[i], st, err);
        if (st == OK && trials[i].outcome == OUTCOME_OK) right[n_right++] = &trials[i];
    }
    if (st == OK) st = race_finals(d, right, n_right, works[0].budget_ns, err);
    for (size_t i = 0; st == OK && i < n_right; i++)
        st = settle_failure(right[i], check_again(right[i], err), err);
    for (size_t i = 0; st == OK && i < n; i++) st = report(d, &trials[i], results, err);
    for (size_t i = 0; i < n; i++) sample_set_free(&trials[i].set);
    return st;
}

/* ---- requests ---- */

static enum status serve_works(struct desk *d, const json_t *list, json_t *results,
                               struct error *err) {
    size_t n = json_array_size(list);
    struct work works[WORKS_MOST];
    if (n == 0 || n > WORKS_MOST) return fail(err, STATUS_INVALID, "%zu works in one request", n);
    for (size_t i = 0; i < n; i++) {
        enum status st = frame_read_work(json_array_get(list, i), &works[i], err);
        if (st != OK) return st;
    }
    desk_begin(d);
    return n == 1 ? evaluate(d, &works[0], results, err) : finals(d, works, n, results, err);
}

static enum status serve_ceilings(struct desk *d, size_t bytes, struct error *err) {
    struct ceiling ceiling;
    if (!bytes) bytes = measure_cold_bytes(d->device);
    desk_tell_stage(STAGE_ceiling, NAN);
    const enum status st = ceilings_measure(d->ceilings, bytes, &ceiling, err);
    return st == OK ? ceilings_copy(d->ceilings, bytes, err) : st;
}

static enum status serve(void *context, const json_t *request, json_t **reply, struct error *err) {
    struct desk *d = context;
    json_t *results = json_array();
    const json_t *bytes = json_object_get(request, "ceiling_bytes");
    enum status st = !d->device ? desk_open(d, request, err)
                     : bytes    ? serve_ceilings(d, (size_t)json_integer_value(bytes), err)
                                : serve_works(d, json_object_get(request, "works"), results, err);
    if (st == OK)
        *reply = json_pack("{s:o,s:o}", "results", results, "ceilings",
                           frame_ceilings(ceilings_memory(d->ceilings)));
    else json_decref(results);
    return st;
}

int worker_child(void) {
    struct desk desk = {0};
    const int code = frames_answer(serve, &desk);
    desk_close(&desk);
    return code;
}
