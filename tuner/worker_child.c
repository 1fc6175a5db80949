/* worker_child.c: the worker itself: build, check, measure, check again; one request at a time until the
 * parent is gone. Cases (inputs on the device) and programs are kept between requests: the same
 * configuration at another n needs no compilation, the same problem no filling.
 *
 * An evaluation is: the ragged problem whole, the real one sampled, samples, the outputs of the timed
 * runs again. Before everything that may hang or die the parent is told the stage. */
#include "base/clock.h"
#include "base/str.h"
#include "tuner/frames.h"
#include "tuner/sensors.h"
#include "tuner/t1_read.h"
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Enough that all finalists of one request fit, each with its ragged relative. */
enum { OPS_KEPT = 2 * WORKS_MOST, CASES_KEPT = 2 * WORKS_MOST };
/* Host and device copies of inputs may take this share of the device's memory; of a host's no more than so many cold
 * sets, because its pages cost time when they are touched first. What waits in the pool comes on top. */
static const double CASES_SHARE = 0.4;
enum { HOST_SETS = 5, POOL_SETS = 2 };
/* A launch may take this many times the best before it counts as hanging. */
static const double LAUNCH_TIMES_BEST = 20;
/* Where the best takes as long as that, candidates race over a part of the rows before they do over all of them: what
 * loses there by far needs no runs of the whole, which take seconds. Parts are compared with parts, as a part may be
 * shared badly by the processors; while none of the good ones is known, with twice that part of the best's time. */
enum { PARTS = 4 };
static const double PART_FROM_NS = 20e6, PART_TIMES_BEST = 2, PART_RUNS = 2.5;
static const double PART_HOPELESS = 3; /* times the best, whatever the canary says */
/* How far above the ceiling a share may be before nobody believes it. */
static const double PLAUSIBLE_SHARE = 1.05;

struct kept_op {
    struct op *op;
    struct config config;
    struct problem problem;
    bool is_phase;
    uint64_t used;
};
struct kept_case {
    struct check_case *c;
    uint64_t used;
    bool is_in_use; /* by the request under way */
};
struct desk {
    struct device *device;
    struct timer timer;
    struct canary *canary;
    double settled_ns;
    struct track {
        struct problem problem; /* the last that was raced, in any layout … */
        double behind_ns;       /* … the least that the canary took behind its kernels … */
        double part_behind_ns;  /* … and behind parts of them */
        double part_ns;         /* the least that a part took of what was right as a whole */
    } track;
    struct ceilings *ceilings;
    struct kept_op ops[OPS_KEPT];
    struct kept_case cases[CASES_KEPT];
    struct arena_pool *pool; /* of the cases */
    uint64_t tick;
    struct sensors sensors; /* before the samples */
};

/* ---- frames ---- */

static void tell_stage(enum stage_id stage, double hint_ns) {
    struct error ignored; /* a parent that is gone is noticed at the next request */
    frame_send(
        json_pack("{s:s,s:o}", "stage", stage_names[stage], "hint_ns", frame_number(hint_ns)),
        &ignored);
}

/* ---- what is kept ---- */

static enum status desk_op(struct desk *d, const struct config *config,
                           const struct problem *problem, bool is_phase, struct op **out,
                           struct error *err) {
    struct kept_op *oldest = &d->ops[0];
    for (int i = 0; i < OPS_KEPT; i++) {
        struct kept_op *kept = &d->ops[i];
        if (kept->op && kept->is_phase == is_phase && config_equal(&kept->config, config) &&
            problem_shares_program(&kept->problem, problem)) {
            kept->used = ++d->tick;
            *out = kept->op;
            return OK;
        }
        if (kept->used < oldest->used) oldest = kept;
    }
    enum status st = is_phase ? op_open_phase(d->device, config, problem, out, err)
                              : op_open(d->device, config, problem, out, err);
    if (st != OK) return st;
    op_close(oldest->op);
    *oldest = (struct kept_op){*out, *config, *problem, is_phase, ++d->tick};
    return OK;
}

static double case_bytes(const struct check_case *c) {
    double bytes = 0;
    for (int o = 0; o < c->problem.family->n_operands; o++) {
        bool is_weights = c->problem.family->operands[o].role == OPERAND_WEIGHTS;
        bytes += (double)c->bytes[o] * (1 + (is_weights ? c->n_copies : 1));
    }
    return bytes;
}

static void close_case(struct kept_case *kept) {
    check_close(kept->c);
    *kept = (struct kept_case){0};
}

/* Room for one more case: the least recently used go until number and bytes allow it. */
static struct kept_case *make_room(struct desk *d, const struct problem *problem, int copies) {
    const struct device_info *info = device_describe(d->device);
    const double coming = 2.0 * (double)measure_working_set(problem, copies);
    double most = CASES_SHARE * (double)info->global_bytes;
    if (info->type == DEVICE_CPU)
        most = fmin(most, HOST_SETS * fmax((double)measure_cold_set(d->device), coming));
    for (;;) {
        struct kept_case *oldest = NULL, *empty = NULL;
        double bytes = coming;
        for (int i = 0; i < CASES_KEPT; i++) {
            struct kept_case *kept = &d->cases[i];
            if (!kept->c) {
                empty = kept;
                continue;
            }
            bytes += case_bytes(kept->c);
            if (!kept->is_in_use && (!oldest || kept->used < oldest->used)) oldest = kept;
        }
        if (empty && (bytes <= most || !oldest)) return empty;
        close_case(oldest);
    }
}

/* What is right does not depend on the layout: whoever was judged first knows. */
static void share_reference(struct desk *d, struct check_case *c) {
    for (int i = 0; i < CASES_KEPT && !c->reference; i++) {
        struct check_case *other = d->cases[i].c;
        if (!other || other == c || other->seed != c->seed) continue;
        struct problem twin = other->problem;
        twin.layout = c->problem.layout;
        if (problem_equal(&twin, &c->problem)) check_share(c, other);
    }
}

static enum status desk_case(struct desk *d, const struct problem *problem, uint64_t seed,
                             int copies, struct check_case **out, struct error *err) {
    for (int i = 0; i < CASES_KEPT; i++) {
        struct kept_case *kept = &d->cases[i];
        if (kept->c && problem_equal(&kept->c->problem, problem) && kept->c->seed == seed &&
            kept->c->n_copies == copies) {
            kept->used = ++d->tick;
            kept->is_in_use = true;
            *out = kept->c;
            return OK;
        }
    }
    struct kept_case *place = make_room(d, problem, copies);
    enum status st = check_open_in(d->pool, d->device, problem, seed, copies, out, err);
    if (st == OK) *place = (struct kept_case){*out, ++d->tick, true};
    return st;
}

/* ---- one candidate ---- */

/* A timed op that tells the parent before every launch how long it may take. */
struct watched {
    struct timed_op timed;
    double best_ns;
};
static enum status watched_run(void *context, int repeats, double *time_ns, struct error *err) {
    struct watched *w = context;
    tell_stage(STAGE_launch, LAUNCH_TIMES_BEST * w->best_ns * repeats);
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
    bool is_partial;             /* its samples are told from a part of the rows */
    double part_ns, expected_ns; /* what a part took, and the whole will by that; 0: not known */
    enum outcome outcome;
    char message[2100];
};

/* ---- conditions ---- */

static char *first_line(const char *path) {
    char line[256] = "";
    FILE *file = fopen(path, "re");
    if (file && !fgets(line, sizeof line, file)) line[0] = 0;
    if (file) fclose(file);
    line[strcspn(line, "\n")] = 0;
    return text_copy(line);
}

static void set_line(json_t *object, const char *key, const char *path) {
    char *line = first_line(path);
    if (*line) json_object_set_new(object, key, frame_text(line));
    free(line);
}

static json_t *environment(void) {
    static const char *const prefixes[] = {"POCL_", "OMP_", "CUDA_", "OPENBLAS_"};
    json_t *object = json_object();
    for (char **e = environ; *e; e++)
        for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
            const char *equal = strchr(*e, '=');
            if (!equal || strncmp(*e, prefixes[p], strlen(prefixes[p])) != 0) continue;
            char *name = text_format("%.*s", (int)(equal - *e), *e);
            json_object_set_new(object, name, frame_text(equal + 1));
            free(name);
        }
    return object;
}

/* Are the processors, of which the system tells, the device? */
static bool has_sensors(const struct desk *d) {
    return device_describe(d->device)->type == DEVICE_CPU;
}

static void set_sensors(const struct desk *d, json_t *object) {
    if (!has_sensors(d)) return;
    struct sensors now;
    sensors_read("/sys", &now);
    const struct sensors_between between = sensors_since(&d->sensors, &now);
    if (isfinite(between.clock_mhz))
        json_object_set_new(object, "clock_mhz", json_real(between.clock_mhz));
    if (isfinite(between.power_w))
        json_object_set_new(object, "power_w", json_real(between.power_w));
    if (between.throttles >= 0)
        json_object_set_new(object, "throttles", json_integer(between.throttles));
}

/* Copies of the weights that a work's runs rotate over. */
static int copies_of(const struct desk *d, const struct work *work) {
    return work->is_warm ? 1 : measure_copies(d->device, &work->problem);
}

/* What its runs go round in. */
static size_t set_bytes(const struct desk *d, const struct work *work) {
    return measure_working_set(&work->problem, copies_of(d, work));
}

/* Under which conditions a measurement was made: provenance, never a key. */
static char *conditions_text(const struct desk *d, const struct trial *t,
                             const struct ceiling *ceiling) {
    const struct work *work = t->work;
    const struct sample_set *set = &t->set;
    const size_t bytes = set_bytes(d, work);
    json_t *object =
        json_pack("{s:b,s:i,s:I,s:b,s:o,s:o,s:i,s:o,s:o,s:o}", "host_clock", d->timer.is_host,
                  "copies", copies_of(d, work), "working_set", (json_int_t)bytes, "cold",
                  bytes >= measure_cold_bytes(d->device), "canary", frame_number(set->canary),
                  "undisturbed_ns", frame_number(set->undisturbed), "discarded", set->discarded,
                  "giops", frame_number(ceiling->giops), "gflops", frame_number(ceiling->gflops),
                  "environment", environment());
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0)
        json_object_set_new(object, "cpus", json_integer(CPU_COUNT(&cpus)));
    set_line(object, "cpu_max", "/sys/fs/cgroup/cpu.max");
    set_line(object, "load", "/proc/loadavg");
    set_line(object, "large_pages", "/sys/kernel/mm/transparent_hugepage/enabled");
    if (t->is_partial) json_object_set_new(object, "parts", json_integer(PARTS));
    set_sensors(d, object);
    char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(object);
    return text;
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

/* Build, with the first launch of this geometry, which may be half of the compilation. What it writes is
 * what is judged. */
static enum status first_launch(struct desk *d, struct trial *t, const struct problem *problem,
                                struct check_case *c, struct error *err) {
    int64_t began = clock_now_ns();
    tell_stage(STAGE_build, NAN);
    enum status st = desk_op(d, &t->work->config, problem, false, &t->op, err);
    if (st == OK) st = check_launch(c, t->op, err);
    if (st == OK) op_keep(t->op);
    t->build_ns += clock_now_ns() - began;
    return st;
}

static enum status judge(struct desk *d, struct trial *t, struct check_case *c, bool whole,
                         struct error *err) {
    int64_t began = clock_now_ns();
    struct verdict verdict = {0};
    tell_stage(STAGE_judge, NAN);
    share_reference(d, c);
    enum status st = check_judge(c, t->op, whole, &verdict, err);
    if (st == OK && *verdict.failed) st = fail(err, STATUS_WRONG, "%s", verdict.failed);
    t->verdict = verdict;
    t->check_ns += clock_now_ns() - began;
    return st;
}

/* A small ragged relative in full: cheap, and tails are where kernels are wrong. */
static enum status try_small(struct desk *d, struct trial *t, struct error *err) {
    struct problem small;
    struct check_case *c;
    if (t->work->problem.family->judges_all) return OK;
    check_ragged(&t->work->problem, &small);
    if (!config_runs(&t->work->config, &small, d->device, NULL)) return OK;
    tell_stage(STAGE_prepare, NAN);
    enum status st = desk_case(d, &small, t->work->seed, 1, &c, err);
    if (st == OK) st = first_launch(d, t, &small, c, err);
    return st == OK ? judge(d, t, c, true, err) : st;
}

/* The same as a phase, run once. */
static enum status first_phase(struct desk *d, struct trial *t, struct op **phase,
                               struct error *err) {
    int64_t began = clock_now_ns();
    int copies;
    tell_stage(STAGE_build, NAN);
    enum status st = desk_op(d, &t->work->config, &t->work->problem, true, phase, err);
    if (st == OK) st = check_enqueue_phase(t->c, *phase, &copies, err);
    if (st == OK) st = device_finish(d->device, err);
    t->build_ns += clock_now_ns() - began;
    return st;
}

/* Everything between the small problem and the samples. */
static enum status prepare(struct desk *d, struct trial *t, struct error *err) {
    const struct problem *problem = &t->work->problem;
    tell_stage(STAGE_prepare, NAN);
    enum status st = desk_case(d, problem, t->work->seed, copies_of(d, t->work), &t->c, err);
    if (st == OK) st = first_launch(d, t, problem, t->c, err);
    if (st == OK) st = judge(d, t, t->c, t->work->is_final, err);
    struct op *timed = t->op;
    if (st == OK && t->work->as_phase) st = first_phase(d, t, &timed, err);
    t->watched = (struct watched){.timed = {t->c, timed, 0, &d->timer, t->work->as_phase},
                                  .best_ns = t->work->incumbent_ns};
    if (has_sensors(d)) sensors_read("/sys", &d->sensors);
    return st;
}

/* ---- samples ---- */

static double share_of(const struct trial *t, const struct ceiling *ceiling) {
    struct cost cost;
    t->work->problem.family->cost(&t->work->problem, &cost);
    return ceiling_share(ceiling, &cost, t->set.median);
}

/* Faster than the device by its events: are they still right? */
static enum status doubt_events(struct desk *d, const struct trial *t, struct error *err) {
    struct ceiling ceiling;
    bool agree = true;
    if (d->timer.is_host) return OK;
    tell_stage(STAGE_ceiling, NAN);
    enum status st = ceilings_measure(d->ceilings, set_bytes(d, t->work), &ceiling, err);
    if (st == OK && share_of(t, &ceiling) > PLAUSIBLE_SHARE)
        st = measure_clocks_agree(d->device, &agree, err);
    d->timer.is_host |= !agree;
    return st;
}

/* Did events turn out to lie since then? Ceilings may have been measured by them, too. */
static bool has_changed_clock(struct desk *d, bool was_host) {
    if (d->timer.is_host == was_host) return false;
    ceilings_forget(d->ceilings);
    return true;
}

/* Those of a race, by one clock: when it changes all are taken again. */
static enum status race(struct desk *d, struct trial *t, bool *abandoned, struct error *err) {
    const struct measuring m = {.subject = {watched_run, &t->watched},
                                .canary = canary_subject(d->canary),
                                .canary_settled_ns = d->settled_ns,
                                .behind_ns = &d->track.behind_ns,
                                .expected_ns = t->expected_ns,
                                .incumbent_ns =
                                    t->work->is_final ? INFINITY : t->work->incumbent_ns,
                                .budget_ns = t->work->budget_ns};
    const bool was_host = d->timer.is_host;
    enum status st = measure_race(&m, &t->set, abandoned, err);
    if (st == OK) st = doubt_events(d, t, err);
    if (st != OK || !has_changed_clock(d, was_host)) return st;
    sample_set_free(&t->set);
    return measure_race(&m, &t->set, abandoned, err);
}

static bool wants_part(const struct desk *d, const struct work *work, struct problem *part) {
    return !work->is_final && !work->as_phase && work->incumbent_ns >= PART_FROM_NS &&
           isfinite(work->incumbent_ns) && check_part(&work->problem, PARTS, part) &&
           config_runs(&work->config, part, d->device, NULL);
}

static double operations(const struct problem *problem) {
    struct cost cost;
    problem->family->cost(problem, &cost);
    return cost.operations;
}

/* What its runs say of all rows. */
static void note_part(struct trial *t, double share, bool abandoned) {
    t->part_ns = t->set.median;
    t->expected_ns = t->set.median / share;
    t->is_partial = abandoned;
    if (abandoned) sample_set_scale(&t->set, 1 / share);
    else sample_set_free(&t->set);
}

/* The race over a part of the rows. Who loses it is abandoned, with the time that all rows would have taken. */
static enum status race_part(struct desk *d, struct trial *t, bool *abandoned, struct error *err) {
    struct problem part;
    struct check_case *c;
    if (!wants_part(d, t->work, &part)) return OK;
    const double share = operations(&part) / operations(&t->work->problem);
    const double best_ns = fmin(d->track.part_ns, PART_TIMES_BEST * share * t->work->incumbent_ns);
    tell_stage(STAGE_prepare, NAN);
    enum status st = desk_case(d, &part, t->work->seed, 1, &c, err);
    if (st == OK) st = first_launch(d, t, &part, c, err);
    if (st != OK) return st;
    struct watched watched = {.timed = {c, t->op, 0, &d->timer, false}, .best_ns = best_ns};
    const struct measuring m = {.subject = {watched_run, &watched},
                                .canary = canary_subject(d->canary),
                                .canary_settled_ns = d->settled_ns,
                                .behind_ns = &d->track.part_behind_ns,
                                .incumbent_ns = best_ns,
                                .budget_ns = (int64_t)(PART_RUNS * best_ns)};
    st = measure_race(&m, &t->set, abandoned, err);
    *abandoned |= t->set.median > PART_HOPELESS * share * t->work->incumbent_ns;
    if (st == OK) note_part(t, share, *abandoned);
    return st;
}

/* What is remembered of a problem begins anew with another one. */
static void keep_track(struct desk *d, const struct problem *problem) {
    struct problem twin = d->track.problem;
    twin.layout = problem->layout;
    if (twin.family && problem_equal(&twin, problem)) return;
    d->track = (struct track){*problem, INFINITY, INFINITY, INFINITY};
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
    tell_stage(STAGE_judge, NAN);
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
    for (int s = 0; s < geometry.n_stages; s++) {
        size_t groups = 1, local = 1;
        for (int i = 0; i < 3; i++) {
            size_t width = geometry.stage[s].local[i] ? geometry.stage[s].local[i] : 1;
            local *= width;
            size_t across = geometry.stage[s].global[i] / width;
            groups *= across ? across : 1;
        }
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
    const size_t bytes = set_bytes(d, t->work);
    struct cost cost;
    t->work->problem.family->cost(&t->work->problem, &cost);
    tell_stage(STAGE_ceiling, NAN);
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
                           .nmse = t->verdict.judged > 0 ? t->verdict.nmse : NAN};
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
    e.conditions = conditions_text(d, t, &ceiling);
    json_array_append_new(results, frame_evaluation(&e));
    free(e.conditions);
    return OK;
}

/* A machine that has changed its pace for good gets a new settled value. */
static enum status settle_again(struct desk *d, const struct sample_set *set, struct error *err) {
    if (set->discarded <= (int)set->n / 2) return OK;
    tell_stage(STAGE_ceiling, NAN);
    return measure_settle(canary_subject(d->canary), &d->settled_ns, err);
}

static void say_abandoned(struct trial *t) {
    const double times = t->set.median / t->work->incumbent_ns;
    if (t->is_partial)
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
    struct trial t = {.work = work, .outcome = OUTCOME_OK};
    bool abandoned = false;
    keep_track(d, &work->problem);
    enum status st = try_small(d, &t, err);
    if (st == OK) st = race_part(d, &t, &abandoned, err);
    if (st == OK && !abandoned) st = measure(d, &t, &abandoned, err);
    if (st == OK && !abandoned && t.part_ns > 0)
        d->track.part_ns = fmin(d->track.part_ns, t.part_ns);
    if (st == OK && abandoned) {
        t.outcome = OUTCOME_ABANDONED;
        say_abandoned(&t);
    }
    st = settle_failure(&t, st, err);
    if (st == OK) st = settle_again(d, &t.set, err);
    if (st == OK) st = report(d, &t, results, err);
    sample_set_free(&t.set);
    return st;
}

/* Those that pass the whole check are measured in turn; the others are reported as what they are. */
static enum status finals(struct desk *d, const struct work *works, size_t n, json_t *results,
                          struct error *err) {
    struct trial trials[WORKS_MOST] = {0}, *right[WORKS_MOST] = {NULL};
    size_t n_right = 0;
    enum status st = OK;
    for (size_t i = 0; st == OK && i < n; i++) {
        trials[i] = (struct trial){.work = &works[i], .outcome = OUTCOME_OK};
        st = try_small(d, &trials[i], err);
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

static enum status desk_open(struct desk *d, const json_t *hello, struct error *err) {
    bool agree = false;
    enum status st = t1_lend_frame(json_object_get(hello, "own"), err);
    if (st == OK)
        st = device_open_known(json_string_value(json_object_get(hello, "device")),
                               json_string_value(json_object_get(hello, "model")), &d->device, err);
    if (st == OK) {
        device_load_features(d->device);
        d->pool = arena_pool_new(d->device, POOL_SETS * measure_cold_set(d->device));
    }
    tell_stage(STAGE_ceiling, NAN);
    if (st == OK) st = measure_clocks_agree(d->device, &agree, err);
    d->timer.is_host = !agree;
    if (st == OK) st = canary_open(d->device, &d->canary, err);
    if (st == OK) st = measure_settle(canary_subject(d->canary), &d->settled_ns, err);
    if (st == OK) st = ceilings_open(d->device, &d->timer, &d->ceilings, err);
    if (st == OK) {
        struct ceiling_memory memory;
        frame_read_ceilings(json_object_get(hello, "ceilings"), &memory);
        ceilings_remember(d->ceilings, &memory);
    }
    return st;
}

static void desk_close(struct desk *d) {
    for (int i = 0; i < OPS_KEPT; i++) op_close(d->ops[i].op);
    for (int i = 0; i < CASES_KEPT; i++) close_case(&d->cases[i]);
    arena_pool_free(d->pool);
    ceilings_close(d->ceilings);
    canary_close(d->canary);
    device_close(d->device);
}

static enum status serve_works(struct desk *d, const json_t *list, json_t *results,
                               struct error *err) {
    size_t n = json_array_size(list);
    struct work works[WORKS_MOST];
    if (n == 0 || n > WORKS_MOST) return fail(err, STATUS_INVALID, "%zu works in one request", n);
    for (size_t i = 0; i < n; i++) {
        enum status st = frame_read_work(json_array_get(list, i), &works[i], err);
        if (st != OK) return st;
    }
    for (int i = 0; i < CASES_KEPT; i++) d->cases[i].is_in_use = false;
    return n == 1 ? evaluate(d, &works[0], results, err) : finals(d, works, n, results, err);
}

static enum status serve_ceilings(struct desk *d, size_t bytes, struct error *err) {
    struct ceiling ceiling;
    if (!bytes) bytes = measure_cold_bytes(d->device);
    tell_stage(STAGE_ceiling, NAN);
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
