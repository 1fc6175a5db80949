/* desk.c: see desk.h. */
#include "tuner/desk.h"
#include "tuner/t1_read.h"
#include <math.h>

/* Host and device copies of inputs may take this share of the device's memory; of a host's no more than so many cold
 * sets, because its pages cost time when they are touched first. What waits in the pool comes on top. */
static const double CASES_SHARE = 0.4;
enum { HOST_SETS = 5, POOL_SETS = 2 };

void desk_tell_stage(enum stage_id stage, double hint_ns) {
    struct error ignored; /* a parent that is gone is noticed at the next request */
    frame_send(
        json_pack("{s:s,s:o}", "stage", stage_names[stage], "hint_ns", frame_number(hint_ns)),
        &ignored);
}

/* ---- what is kept ---- */

enum status desk_op(struct desk *d, const struct config *config, const struct problem *problem,
                    bool is_phase, struct op **out, struct error *err) {
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

void desk_release(struct desk *d, const struct check_case *c) {
    for (int i = 0; i < CASES_KEPT; i++)
        if (d->cases[i].c == c) d->cases[i].is_in_use = false;
}

void desk_share_reference(struct desk *d, struct check_case *c) {
    for (int i = 0; i < CASES_KEPT && !c->reference; i++) {
        struct check_case *other = d->cases[i].c;
        if (!other || other == c || other->seed != c->seed) continue;
        struct problem twin = other->problem;
        twin.layout = c->problem.layout;
        if (problem_equal(&twin, &c->problem)) check_share(c, other);
    }
}

enum status desk_case(struct desk *d, const struct problem *problem, uint64_t seed, int copies,
                      struct check_case **out, struct error *err) {
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

bool desk_has_sensors(const struct desk *d) {
    return device_describe(d->device)->type == DEVICE_CPU;
}

int desk_copies(const struct desk *d, const struct work *work) {
    return work->is_warm ? 1 : measure_copies(d->device, &work->problem);
}

size_t desk_set_bytes(const struct desk *d, const struct work *work) {
    return measure_working_set(&work->problem, desk_copies(d, work));
}

void desk_keep_track(struct desk *d, const struct problem *problem) {
    struct problem twin = d->track.problem;
    twin.layout = problem->layout;
    if (twin.family && problem_equal(&twin, problem)) return;
    d->track = (struct track){*problem, INFINITY, INFINITY, INFINITY, INFINITY};
}

/* ---- open and close ---- */

enum status desk_open(struct desk *d, const json_t *hello, struct error *err) {
    bool agree = false;
    enum status st = t1_lend_frame(json_object_get(hello, "own"), err);
    if (st == OK)
        st = device_open_known(json_string_value(json_object_get(hello, "device")),
                               json_string_value(json_object_get(hello, "model")), &d->device, err);
    if (st == OK) {
        device_load_features(d->device);
        d->pool = arena_pool_new(d->device, POOL_SETS * measure_cold_set(d->device));
    }
    desk_tell_stage(STAGE_ceiling, NAN);
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

void desk_close(struct desk *d) {
    for (int i = 0; i < OPS_KEPT; i++) op_close(d->ops[i].op);
    for (int i = 0; i < CASES_KEPT; i++) close_case(&d->cases[i]);
    arena_pool_free(d->pool);
    ceilings_close(d->ceilings);
    canary_close(d->canary);
    device_close(d->device);
}

void desk_begin(struct desk *d) {
    for (int i = 0; i < CASES_KEPT; i++) d->cases[i].is_in_use = false;
}
