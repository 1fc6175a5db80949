/* check.c: one configuration on one problem against the reference. Where the operands lie, one run,
 * guards and gates; what is right is the family's affair (fill and judge).
 *
 * Every operand of a case has an arena of its own, between guards:
 *
 *     | GUARD_BYTES | operand | GUARD_BYTES, at least to the end of the texels of an image of it |
 *
 * Copies of the weights lie one after another, as many in an arena as the device gives in one piece. */
#include "kernels/check.h"
#include "base/str.h"
#include "base/units.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the gates ---- */

/* Unit roundoff of fp32. */
static const double U = 0x1p-24;

/* The element gate |y − ref| ≤ c·u·Σ|w·x| with c = rounding·√K. Each of the K additions rounds by at most
 * u·Σ|w·x|, with random signs and evenly spread: a standard deviation of √(K/3)·u·Σ|w·x| at most, and
 * 4·√K is 6.9 of them: no correct order of summation fails in 10¹¹ elements, one wrong term among K
 * does. Multipliers of matrices truncate instead of rounding (an error of up to 2u with one sign) and
 * may align products to the largest: 16.
 *
 * The gate as a whole, NMSE. Sums of K terms of random sign grow like √k, hence Σ (u·√k)²/3 over k
 * against K: NMSE ≈ u²·K/6 = 2.4e-12 at K = 4096 in the worst order, one by one. 1e-11 leaves a factor
 * of 4 and is 10⁴ below what ten-bit mantissas (TF32) give. The others round more often on the way. */
static const struct gate {
    double rounding, nmse;
} gates[CLASSES] = {
    [CLASS_F32] = {4, 1e-11},  [CLASS_F32X3] = {4, 1e-10}, [CLASS_TF32] = {16, 1e-10},
    [CLASS_F16] = {16, 1e-10}, [CLASS_I8] = {4, 1e-10},
};

void verdict_fail(struct verdict *v, const char *format, ...) {
    if (*v->failed) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(v->failed, sizeof v->failed, format, arguments);
    va_end(arguments);
}

/* One number of a verdict: an element or a projection, and where it is. */
struct judged {
    double y, reference, energy, bound;
    const char *what; /* "row" */
    int64_t number, column;
};

static void judge_one(struct verdict *v, const struct judged *one) {
    const double error = fabs(one->y - one->reference);
    double ratio = error == 0 ? 0 : error / one->bound;
    if (isnan(ratio)) ratio = INFINITY;
    v->judged++;
    v->sum_error += error * error;
    v->sum_reference += one->energy;
    if (ratio > v->worst) v->worst = ratio;
    if (ratio <= 1 || *v->failed) return;
    char column[40] = "";
    if (one->column >= 0) snprintf(column, sizeof column, ", column %lld", (long long)one->column);
    verdict_fail(v, "%s %lld%s is %.9g, not %.9g: off by %.3g times the allowed %.3g", one->what,
                 (long long)one->number, column, one->y, one->reference, ratio, one->bound);
}

static double element_bound(enum class_id class, int64_t terms, double magnitude) {
    return gates[class].rounding * sqrt((double)terms) * U * magnitude;
}

void verdict_element(struct verdict *v, enum class_id class, int64_t terms, double y,
                     double reference, double magnitude, int64_t row, int64_t column) {
    judge_one(v, &(struct judged){.y = y,
                                  .reference = reference,
                                  .energy = reference * reference,
                                  .bound = element_bound(class, terms, magnitude),
                                  .what = "row",
                                  .number = row,
                                  .column = column});
}

void verdict_projection(struct verdict *v, enum class_id class, int64_t terms, double y,
                        double reference, double magnitude, double energy, int projection,
                        int64_t column) {
    judge_one(v, &(struct judged){.y = y,
                                  .reference = reference,
                                  .energy = energy,
                                  .bound = element_bound(class, terms, magnitude),
                                  .what = "projection",
                                  .number = projection,
                                  .column = column});
}

void verdict_value(struct verdict *v, double y, double reference, double bound, const char *what,
                   int64_t number) {
    judge_one(v, &(struct judged){.y = y,
                                  .reference = reference,
                                  .energy = reference * reference,
                                  .bound = bound,
                                  .what = what,
                                  .number = number,
                                  .column = -1});
}

void verdict_finish(struct verdict *v, enum class_id class) {
    verdict_finish_within(v, gates[class].nmse);
}

void verdict_finish_within(struct verdict *v, double nmse) {
    v->nmse = v->sum_error == 0 ? 0 : v->sum_error / v->sum_reference;
    if (v->judged == 0) verdict_fail(v, "nothing was judged");
    if (!(v->nmse <= nmse))
        verdict_fail(v, "NMSE over %lld elements is %.3g, more than %.0e", (long long)v->judged,
                     v->nmse, nmse);
}

/* ---- open ---- */

enum { GUARD_BYTE = 0xa5, POISON = 0x7fc0dead /* a NaN */ };

static size_t round_up(size_t bytes, size_t multiple) {
    return (bytes + multiple - 1) / multiple * multiple;
}

/* From one guard's end to the other's: the operand, the guard behind it, the texels of an image. */
static size_t guarded_bytes(size_t bytes) {
    const size_t texels = op_image_bytes(bytes);
    return round_up(texels > bytes + GUARD_BYTES ? texels : bytes + GUARD_BYTES, BUFFER_ALIGN);
}

/* Bytes that the operands take on the device, and the largest of them; doubles, because sizes that no
 * memory holds are asked about, too. */
static double operands_bytes(const struct problem *problem, double *largest) {
    double all = 0;
    *largest = 0;
    for (int o = 0; o < problem->family->n_operands; o++) {
        const double bytes = (double)problem->family->operands[o].bytes(problem);
        all += bytes > 0 ? bytes + 2.0 * GUARD_BYTES : 0;
        *largest = fmax(*largest, bytes);
    }
    return all;
}

enum status check_fits(const struct device *device, const struct problem *problem,
                       struct error *err) {
    const struct device_info *info = device_describe(device);
    double largest, all = operands_bytes(problem, &largest);
    if (info->type == DEVICE_CPU) all *= 2;
    if (all <= (double)info->global_bytes &&
        (!info->max_alloc_bytes || largest <= (double)info->max_alloc_bytes))
        return OK;
    char text[160], want[UNITS_TEXT], piece[UNITS_TEXT], have[UNITS_TEXT], most[UNITS_TEXT];
    problem_format(problem, text);
    return fail(
        err, STATUS_NOMEM,
        "%s %s needs %s of memory, %s in one piece: %s has %s and gives %s at once; ask for "
        "a smaller one",
        problem->family->name, text, units_memory(all, want), units_memory(largest, piece),
        info->name, units_memory((double)info->global_bytes, have),
        units_memory((double)info->max_alloc_bytes, most));
}

static const struct operand *operand_of(const struct check_case *c, int o) {
    return &c->problem.family->operands[o];
}

static bool is_output(const struct check_case *c, int o) {
    const enum operand_role role = operand_of(c, o)->role;
    return c->bytes[o] && (role == OPERAND_OUT || role == OPERAND_INOUT);
}

static struct view *view_of(const struct check_case *c, int copy, int o) {
    return &c->view[(size_t)copy * OPERANDS + (size_t)o];
}

static enum status add_arena(struct check_case *c, size_t bytes, struct arena **out,
                             struct error *err) {
    c->arenas = memory_grow(c->arenas, (c->n_arenas + 1) * sizeof *c->arenas);
    const enum status st = c->pool ? arena_pool_take(c->pool, bytes, out, err)
                                   : arena_open(c->device, bytes, out, err);
    if (st == OK) c->arenas[c->n_arenas++] = *out;
    return st;
}

static void drop_arena(struct check_case *c, struct arena *arena) {
    if (c->pool) arena_pool_give(c->pool, arena);
    else arena_close(arena);
}

/* Host memory for every operand, filled. */
static enum status fill_host(struct check_case *c, struct error *err) {
    const struct family *family = c->problem.family;
    for (int o = 0; o < family->n_operands; o++) {
        c->bytes[o] = operand_of(c, o)->bytes(&c->problem);
        if (!c->bytes[o]) continue;
        c->host[o] = calloc(1, c->bytes[o]);
        if (!c->host[o])
            return fail(err, STATUS_NOMEM, "no memory for %zu bytes of %s's operand %s",
                        c->bytes[o], family->name, operand_of(c, o)->name);
    }
    const enum status st = family->fill(&c->problem, c->seed, c, err);
    if (st != OK) return st;
    for (int o = 0; o < family->n_operands; o++) {
        if (!c->bytes[o] || operand_of(c, o)->role != OPERAND_INOUT) continue;
        c->before[o] = malloc(c->bytes[o]);
        if (!c->before[o])
            return fail(err, STATUS_NOMEM, "no memory for a second %zu bytes of %s's operand %s",
                        c->bytes[o], family->name, operand_of(c, o)->name);
        memcpy(c->before[o], c->host[o], c->bytes[o]);
    }
    return OK;
}

/* An arena for operand o, which all copies see. */
static enum status place_operand(struct check_case *c, int o, struct error *err) {
    struct arena *arena;
    enum status st = add_arena(c, GUARD_BYTES + guarded_bytes(c->bytes[o]), &arena, err);
    if (st != OK) return st;
    for (int copy = 0; copy < c->n_copies; copy++)
        *view_of(c, copy, o) = (struct view){arena, GUARD_BYTES, c->bytes[o]};
    return operand_of(c, o)->role == OPERAND_OUT
               ? OK
               : view_write(*view_of(c, 0, o), 0, c->host[o], c->bytes[o], err);
}

/* n_copies of the weights, the first from the host, the others from the first. */
static enum status place_weights(struct check_case *c, int o, struct error *err) {
    const size_t stride = guarded_bytes(c->bytes[o]);
    const size_t most = device_describe(c->device)->max_alloc_bytes / stride;
    const int per_arena =
        most > 1 ? (int)(most < (size_t)c->n_copies ? most : (size_t)c->n_copies) : 1;
    struct arena *arena = NULL;
    enum status st = OK;
    for (int copy = 0; st == OK && copy < c->n_copies; copy++) {
        const int left = c->n_copies - copy, here = left < per_arena ? left : per_arena;
        if (copy % per_arena == 0) st = add_arena(c, stride * (size_t)here, &arena, err);
        if (st != OK) break;
        *view_of(c, copy, o) =
            (struct view){arena, (size_t)(copy % per_arena) * stride, c->bytes[o]};
        st = copy == 0 ? view_write(*view_of(c, 0, o), 0, c->host[o], c->bytes[o], err)
                       : view_copy(*view_of(c, 0, o), 0, *view_of(c, copy, o), 0, c->bytes[o], err);
    }
    return st;
}

static enum status place_all(struct check_case *c, struct error *err) {
    enum status st = OK;
    for (int o = 0; st == OK && o < c->problem.family->n_operands; o++) {
        if (!c->bytes[o]) continue;
        st = operand_of(c, o)->role == OPERAND_WEIGHTS ? place_weights(c, o, err)
                                                       : place_operand(c, o, err);
    }
    return st == OK ? device_finish(c->device, err) : st;
}

enum status check_open(struct device *device, const struct problem *problem, uint64_t seed,
                       int n_copies, struct check_case **out, struct error *err) {
    return check_open_in(NULL, device, problem, seed, n_copies, out, err);
}

enum status check_open_in(struct arena_pool *pool, struct device *device,
                          const struct problem *problem, uint64_t seed, int n_copies,
                          struct check_case **out, struct error *err) {
    *out = NULL;
    const enum status fits = check_fits(device, problem, err);
    if (fits != OK) return fits;
    struct check_case *c = memory_new(sizeof *c);
    *c = (struct check_case){.device = device, .pool = pool, .problem = *problem, .seed = seed};
    c->n_copies = n_copies > 1 ? n_copies : 1;
    c->view = memory_new((size_t)c->n_copies * OPERANDS * sizeof *c->view);
    c->image = memory_new((size_t)c->n_copies * OPERANDS * sizeof *c->image);
    enum status st = fill_host(c, err);
    if (st == OK) st = place_all(c, err);
    if (st != OK) {
        check_close(c);
        return st;
    }
    *out = c;
    return OK;
}

/* The last that uses it frees it. */
static void leave_reference(struct check_case *c) {
    if (c->reference_users && --*c->reference_users > 0) return;
    free(c->reference_users);
    if (c->reference_close) c->reference_close(c->reference);
    else free(c->reference);
}

void check_share(struct check_case *c, struct check_case *other) {
    struct problem twin = other->problem;
    twin.layout = c->problem.layout;
    assert(problem_equal(&twin, &c->problem) && c->seed == other->seed);
    if (c->reference || !other->reference) return;
    if (!other->reference_users) {
        other->reference_users = memory_new(sizeof *other->reference_users);
        *other->reference_users = 1;
    }
    ++*other->reference_users;
    c->reference = other->reference;
    c->reference_close = other->reference_close;
    c->reference_users = other->reference_users;
}

void check_close(struct check_case *c) {
    if (!c) return;
    device_finish(c->device, NULL);
    leave_reference(c);
    for (int i = 0; i < c->n_copies * OPERANDS; i++) image_close(c->image[i]);
    for (size_t i = 0; i < c->n_arenas; i++) drop_arena(c, c->arenas[i]);
    arena_close(c->scratch_arena);
    for (int o = 0; o < OPERANDS; o++) {
        free(c->host[o]);
        free(c->before[o]);
    }
    free(c->arenas);
    free(c->view);
    free(c->image);
    free(c);
}

/* ---- run ---- */

/* Scratch of at least what op needs; c->scratch is exactly that much. */
static enum status prepare_scratch(struct check_case *c, const struct op *op, struct error *err) {
    const size_t need = op_scratch_bytes(op, &c->problem);
    const size_t whole = GUARD_BYTES + round_up(need, VIEW_ALIGN) + GUARD_BYTES;
    if (need && (!c->scratch_arena || arena_bytes(c->scratch_arena) < whole)) {
        enum status st = device_finish(c->device, err);
        if (st != OK) return st;
        arena_close(c->scratch_arena);
        c->scratch_arena = NULL;
        c->scratch = (struct view){0};
        st = arena_open(c->device, whole, &c->scratch_arena, err);
        if (st != OK) return st;
    }
    c->scratch = need ? (struct view){c->scratch_arena, GUARD_BYTES, need} : (struct view){0};
    return OK;
}

/* The view as far as an image of it reaches. */
static struct view texels_view(struct view view) {
    view.bytes = op_image_bytes(view.bytes);
    return view;
}

/* The images that op asks for; weights have one for every copy, loaded once. */
static enum status prepare_images(struct check_case *c, const struct op *op, struct error *err) {
    const uint32_t bits = op_images(op, &c->problem);
    for (int o = 0; o < OPERANDS && bits >> o; o++) {
        if (!(bits >> o & 1)) continue;
        const bool is_weights = operand_of(c, o)->role == OPERAND_WEIGHTS;
        for (int copy = 0; copy < (is_weights ? c->n_copies : 1); copy++) {
            struct image **image = &c->image[(size_t)copy * OPERANDS + (size_t)o];
            if (*image) continue;
            enum status st = op_image_open(c->device, c->bytes[o], image, err);
            if (st == OK && is_weights)
                st = image_load(*image, texels_view(*view_of(c, copy, o)), err);
            if (st != OK) return st;
        }
    }
    return OK;
}

enum status check_enqueue(struct check_case *c, struct op *op, int i, struct error *err) {
    const uint32_t bits = op_images(op, &c->problem);
    const int copy = i % c->n_copies;
    struct view operands[OPERANDS] = {0};
    struct image *images[OPERANDS] = {0};
    enum status st = prepare_scratch(c, op, err);
    if (st == OK) st = prepare_images(c, op, err);
    if (st != OK) return st;
    for (int o = 0; o < c->problem.family->n_operands; o++) {
        const bool is_weights = operand_of(c, o)->role == OPERAND_WEIGHTS;
        operands[o] = *view_of(c, copy, o);
        if (!(bits >> o & 1)) continue;
        images[o] = c->image[(size_t)(is_weights ? copy : 0) * OPERANDS + (size_t)o];
        operands[o] = texels_view(operands[o]);
    }
    return op_run(op, &c->problem, operands, images, c->scratch, err);
}

/* The copies in the first arena, and where their work-groups meet. */
static enum status prepare_phase(struct check_case *c, struct error *err) {
    struct phase *p = &c->phase;
    int o = 0;
    struct arena *arena;
    if (p->copies) return OK;
    while (o < c->problem.family->n_operands - 1 && operand_of(c, o)->role != OPERAND_WEIGHTS) o++;
    enum status st = add_arena(c, VIEW_ALIGN, &arena, err);
    if (st == OK) st = arena_take(arena, sizeof(uint32_t), &p->meeting, err);
    if (st == OK) st = view_fill(p->meeting, 0, 0, sizeof(uint32_t), err);
    if (st != OK) return st;
    p->stride = guarded_bytes(c->bytes[o]);
    while (p->copies < c->n_copies && view_of(c, p->copies, o)->arena == view_of(c, 0, o)->arena)
        p->copies++;
    return OK;
}

enum status check_enqueue_phase(struct check_case *c, struct op *op, int *copies,
                                struct error *err) {
    const enum status st = prepare_phase(c, err);
    *copies = c->phase.copies;
    return st == OK ? op_run_phase(op, &c->problem, view_of(c, 0, 0), &c->phase, err) : st;
}

/* ---- guards and poison ---- */

static enum status write_guards(struct view view, struct error *err) {
    unsigned char guard[GUARD_BYTES];
    memset(guard, GUARD_BYTE, sizeof guard);
    struct view whole = {view.arena, 0, arena_bytes(view.arena)};
    const enum status st = view_write(whole, view.offset - GUARD_BYTES, guard, GUARD_BYTES, err);
    return st == OK ? view_write(whole, view.offset + view.bytes, guard, GUARD_BYTES, err) : st;
}

/* The first byte that differs, −1: none. */
static int guard_broken(const unsigned char guard[GUARD_BYTES]) {
    for (int i = 0; i < GUARD_BYTES; i++)
        if (guard[i] != GUARD_BYTE) return i;
    return -1;
}

static enum status look_at_guards(struct view view, const char *name, struct verdict *v,
                                  struct error *err) {
    unsigned char guard[GUARD_BYTES];
    struct view whole = {view.arena, 0, arena_bytes(view.arena)};
    enum status st = view_read(whole, view.offset - GUARD_BYTES, guard, GUARD_BYTES, err);
    if (st != OK) return st;
    int at = guard_broken(guard);
    if (at >= 0)
        verdict_fail(v, "the kernel wrote %d bytes before the start of %s", GUARD_BYTES - at, name);
    st = view_read(whole, view.offset + view.bytes, guard, GUARD_BYTES, err);
    if (st != OK) return st;
    at = guard_broken(guard);
    if (at >= 0) verdict_fail(v, "the kernel wrote %d bytes beyond the end of %s", at, name);
    return OK;
}

/* The whole view becomes NaN; a guard behind it is written afterwards. */
static enum status poison(struct view view, struct error *err) {
    view.bytes = round_up(view.bytes, 4);
    return view_fill(view, 0, (uint32_t)POISON, view.bytes, err);
}

/* Outputs poisoned, INOUT operands as they were, guards in place. */
static enum status reset_outputs(struct check_case *c, struct error *err) {
    enum status st = OK;
    for (int o = 0; st == OK && o < c->problem.family->n_operands; o++) {
        if (!is_output(c, o)) continue;
        const struct view view = *view_of(c, 0, o);
        st = c->before[o] ? view_write(view, 0, c->before[o], c->bytes[o], err) : poison(view, err);
        if (st == OK) st = write_guards(view, err);
    }
    return st;
}

static enum status reset_scratch(struct check_case *c, struct error *err) {
    if (!c->scratch.arena) return OK;
    const enum status st = poison(c->scratch, err);
    return st == OK ? write_guards(c->scratch, err) : st;
}

/* Outputs into host memory, their guards looked at. */
static enum status read_outputs(struct check_case *c, struct verdict *v, struct error *err) {
    enum status st = device_finish(c->device, err);
    for (int o = 0; st == OK && o < c->problem.family->n_operands; o++) {
        if (!is_output(c, o)) continue;
        st = view_read(*view_of(c, 0, o), 0, c->host[o], c->bytes[o], err);
        if (st == OK) st = look_at_guards(*view_of(c, 0, o), operand_of(c, o)->name, v, err);
    }
    return st;
}

/* ---- judge ---- */

static enum status judge(struct check_case *c, const struct op *op, bool whole, struct verdict *v,
                         struct error *err) {
    const enum status st = c->problem.family->judge(&c->problem, c, whole, v, err);
    if (st != OK || !*v->failed) return st;
    char problem[160], config[400];
    problem_format(&c->problem, problem);
    config_format(op_config(op), config);
    return fail(err, STATUS_WRONG, "%s %s, class %s, layout %s, %s %s: %s", c->problem.family->name,
                problem, class_names[c->problem.class], c->problem.layout->name,
                op_config(op)->variant->name, config, v->failed);
}

enum status check_launch(struct check_case *c, struct op *op, struct error *err) {
    enum status st = reset_outputs(c, err);
    if (st == OK) st = prepare_scratch(c, op, err);
    if (st == OK) st = reset_scratch(c, err);
    if (st == OK) st = check_enqueue(c, op, 0, err);
    return st == OK ? device_finish(c->device, err) : st;
}

enum status check_judge(struct check_case *c, struct op *op, bool whole, struct verdict *verdict,
                        struct error *err) {
    *verdict = (struct verdict){0};
    enum status st = read_outputs(c, verdict, err);
    if (st == OK && c->scratch.arena) st = look_at_guards(c->scratch, "scratch", verdict, err);
    if (st == OK) st = judge(c, op, whole, verdict, err);
    return st == OK ? reset_outputs(c, err) : st;
}

enum status check_run(struct check_case *c, struct op *op, bool whole, struct verdict *verdict,
                      struct error *err) {
    *verdict = (struct verdict){0};
    const enum status st = check_launch(c, op, err);
    return st == OK ? check_judge(c, op, whole, verdict, err) : st;
}

static bool has_inout(const struct check_case *c) {
    for (int o = 0; o < OPERANDS; o++)
        if (c->before[o]) return true;
    return false;
}

enum status check_after(struct check_case *c, struct op *op, struct verdict *verdict,
                        struct error *err) {
    if (has_inout(c)) return check_run(c, op, false, verdict, err);
    *verdict = (struct verdict){0};
    const enum status st = read_outputs(c, verdict, err);
    return st == OK ? judge(c, op, false, verdict, err) : st;
}

enum status check_class_error(const struct problem *problem, uint64_t seed, double *nmse,
                              struct error *err) {
    *nmse = 0;
    if (problem->class == CLASS_F32) return OK;
    const struct layout *found[LAYOUTS];
    if (!problem->family->class_error || !family_layouts(problem, found))
        return fail(err, STATUS_UNSUPPORTED, "%s cannot tell the error of class %s",
                    problem->family->name, class_names[problem->class]);
    *nmse = problem->family->class_error(problem, seed);
    if (!isnan(*nmse)) return OK;
    return fail(err, STATUS_NOMEM, "%s: no memory for the references of class %s",
                problem->family->name, class_names[problem->class]);
}

/* ---- the small ragged relative ---- */

/* Multiplications that are judged in full within some 50 ms; the rows of the product share them. */
static const double RAGGED_PRODUCTS = 3e7;

static int field_index(const struct family *family, const char *name) {
    for (int f = 0; f < family->n_fields; f++)
        if (!strcmp(family->fields[f].name, name)) return f;
    return -1;
}

/* The size of a field that a kernel takes as an argument; NULL: no such field, or compiled in. */
static int64_t *argument_size(struct problem *p, const char *name) {
    const int f = field_index(p->family, name);
    if (f < 0 || p->family->fields[f].kind != FIELD_SIZE || p->family->fields[f].use & USE_DEFINE)
        return NULL;
    return &p->value[f];
}

/* Values along K that belong together: a group of the weights or of the int8 rows. */
static int64_t k_granule(const struct problem *p) {
    for (int f = 0; f < p->family->n_fields; f++)
        if (p->family->fields[f].kind == FIELD_WEIGHT && weight_from_int(p->value[f]).group)
            return weight_from_int(p->value[f]).group;
    const int group = field_index(p->family, "g"), output = field_index(p->family, "o");
    if (group >= 0 && (output < 0 || p->value[output] != 0)) return p->value[group];
    return 1;
}

/* At most `most`, an odd number of granules. */
static int64_t ragged_size(int64_t size, int64_t most, int64_t granule) {
    int64_t n = (size < most ? size : most) / granule;
    if (n % 2 == 0 && n > 1) n--;
    return n > 0 ? n * granule : size;
}

void check_ragged(const struct problem *problem, struct problem *small) {
    *small = *problem;
    int64_t *m = argument_size(small, "m"), *n = argument_size(small, "n");
    int64_t *k = argument_size(small, "k"), *l = argument_size(small, "l");
    /* Few tokens get one more, so that variants for several tokens still accept it. */
    if (n) *n = *n <= 8 && *n % 2 == 0 ? *n + 1 : ragged_size(*n, 1023, 1);
    const bool is_wide = n && *n > 64;
    if (k) *k = ragged_size(*k, is_wide ? 389 : 1157, k_granule(small));
    if (l) *l = ragged_size(*l, 77, 1);
    if (!m) return;
    const double rows = RAGGED_PRODUCTS / (double)((k ? *k : 1) * (n ? *n : 1));
    *m = ragged_size(*m, rows < 131 ? 131 : rows > 2309 ? 2309 : (int64_t)rows, 1);
}

/* Rows of a part: tiles of the largest work-groups on a few processors, and no part of a panel. */
enum { PART_ROWS = 1024, PART_GRANULE = 256 };

bool check_part(const struct problem *problem, int parts, struct problem *part) {
    *part = *problem;
    int64_t *m = argument_size(part, "m");
    if (!m || *m / parts < PART_ROWS) return false;
    *m = (*m / parts + PART_GRANULE - 1) / PART_GRANULE * PART_GRANULE;
    return true;
}
