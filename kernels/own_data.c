/* own_data.c: what one's own kernel is given, what it must leave, and how far that may be off.
 *
 * A correct kernel sums in any order. Naive summing of K terms of random sign leaves an error of u·√(K/6) of the
 * output's root mean square: 129 u at K = 100 000, and 5.6 times that is the largest among 10⁸ elements: 723 u. So an
 * element of float or double may be off by 1024 u of itself and of the root mean square, and all of them by an NMSE of
 * (168 u)². Ten bits of mantissa are off by 8192 u of float's. A kernel on half rounds at least its results: 8 u and
 * (2 u)². Whole numbers are exact. Files and references may say otherwise. */
#include "base/rng.h"
#include "base/str.h"
#include "kernels/own_private.h"
#include <assert.h>
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- types ---- */

static const struct own_type types[] = {
    {"bool", OWN_UNSIGNED, 1, 0, 0},
    {"int8", OWN_SIGNED, 1, 0, 0},
    {"uint8", OWN_UNSIGNED, 1, 0, 0},
    {"int16", OWN_SIGNED, 2, 0, 0},
    {"uint16", OWN_UNSIGNED, 2, 0, 0},
    {"int32", OWN_SIGNED, 4, 0, 0},
    {"uint32", OWN_UNSIGNED, 4, 0, 0},
    {"int64", OWN_SIGNED, 8, 0, 0},
    {"uint64", OWN_UNSIGNED, 8, 0, 0},
    {"int", OWN_SIGNED, 4, 0, 0},
    {"uint", OWN_UNSIGNED, 4, 0, 0},
    {"half", OWN_REAL, 2, 8 * 0x1p-11, 4 * 0x1p-22},
    {"float", OWN_REAL, 4, 1024 * 0x1p-24, 168.0 * 168.0 * 0x1p-48},
    {"double", OWN_REAL, 8, 1024 * 0x1p-53, 168.0 * 168.0 * 0x1p-106},
};
enum { TYPES = sizeof types / sizeof *types };

/* Real types come as vectors of lanes, too. */
const struct own_type *own_type_find(const char *name, int *lanes) {
    static const struct {
        const char *suffix;
        int lanes;
    } widths[] = {{"", 1}, {"2", 2}, {"4", 4}, {"8", 8}, {"16", 16}};
    for (int i = 0; i < TYPES; i++) {
        const size_t n = strlen(types[i].name);
        if (strncmp(types[i].name, name, n) != 0) continue;
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            if (strcmp(widths[w].suffix, name + n) != 0) continue;
            *lanes = widths[w].lanes;
            if (*lanes == 1 || types[i].kind == OWN_REAL) return &types[i];
        }
    }
    return NULL;
}

/* A number as the bytes of its type, rounded to it; what a whole type does not hold is cut to its limits. */
static void put(const struct own_type *type, double x, void *at) {
    const int bits = (int)type->bytes * 8;
    if (type->kind == OWN_REAL) {
        const float f = (float)x;
        const uint16_t h = half_from_float(f);
        memcpy(at,
               type->bytes == 8   ? (const void *)&x
               : type->bytes == 4 ? (const void *)&f
                                  : &h,
               type->bytes);
        return;
    }
    const double high = ldexp(1, type->kind == OWN_SIGNED ? bits - 1 : bits),
                 low = type->kind == OWN_SIGNED ? -high : 0;
    uint64_t whole = x >= high  ? (type->kind == OWN_SIGNED ? INT64_MAX : UINT64_MAX) >> (64 - bits)
                     : x <= low ? (uint64_t)(int64_t)low
                     : x < 0    ? (uint64_t)(int64_t)x
                                : (uint64_t)x;
    memcpy(at, &whole, type->bytes);
}

static double get(const struct own_type *type, const void *at) {
    uint64_t bits = 0;
    memcpy(&bits, at, type->bytes);
    if (type->kind == OWN_UNSIGNED) return (double)bits;
    if (type->kind == OWN_SIGNED) {
        const int shift = 64 - (int)type->bytes * 8;
        return (double)((int64_t)(bits << shift) >> shift);
    }
    float f;
    double d;
    memcpy(&f, at, type->bytes < sizeof f ? type->bytes : sizeof f);
    memcpy(&d, &bits, sizeof d);
    return type->bytes == 8 ? d : type->bytes == 4 ? (double)f : half_to_float((uint16_t)bits);
}

/* ---- inputs ---- */

/* FillValue as a number. */
static enum status fill_value(const struct own *own, const struct own_argument *argument,
                              const struct problem *problem, double *x, struct error *err) {
    struct own_scope scope;
    struct value value;
    own_scope_open(own, NULL, problem, &scope);
    const enum status st = expression_evaluate(argument->value, scope.names, &value, err);
    if (st != OK) return fail_while(err, "the FillValue of argument %s", argument->name);
    if (value.kind != VALUE_INT && value.kind != VALUE_REAL)
        return fail(err, STATUS_INVALID, "the FillValue of argument %s is no number",
                    argument->name);
    *x = value.kind == VALUE_INT ? (double)value.i : value.x;
    return OK;
}

enum status own_scalar(const struct own *own, const struct own_argument *argument,
                       const struct problem *problem, uint64_t *bits, struct error *err) {
    double x;
    const enum status st = fill_value(own, argument, problem, &x, err);
    *bits = 0;
    if (st == OK) put(argument->type, x, bits);
    return st;
}

/* Random ones lie between 0 and FillValue, of whole types both included. */
static void fill_vector(const struct own_argument *a, double most, uint64_t seed, void *data,
                        size_t bytes) {
    struct rng rng = rng_seed(seed ^ a->seed);
    unsigned char *at = data;
    for (size_t i = 0; i < bytes / a->type->bytes; i++, at += a->type->bytes) {
        const double uniform = a->is_random ? rng_uniform(&rng) : 1;
        put(a->type,
            a->is_random && a->type->kind != OWN_REAL ? floor(uniform * (most + 1))
                                                      : uniform * most,
            at);
    }
}

/* ---- the reference ---- */

struct expected {
    unsigned char *data[OPERANDS];
    double absolute[OPERANDS], relative[OPERANDS], nmse[OPERANDS]; /* absolute NAN: by the output */
};

static void expected_close(void *all) {
    struct expected *e = all;
    for (int o = 0; e && o < OPERANDS; o++) free(e->data[o]);
    free(e);
}

/* What may be off: as the file says, else by the type. A threshold of the file is the only gate. */
static void set_gates(struct expected *e, const struct own_argument *a) {
    const bool is_said = !isnan(a->relative);
    e->absolute[a->operand] = a->absolute;
    e->relative[a->operand] = is_said ? a->relative : a->type->relative;
    e->nmse[a->operand] = is_said ? INFINITY : a->type->nmse;
}

static bool is_output(const struct own_argument *a) {
    return a->memory == OWN_VECTOR && (a->role == OPERAND_OUT || a->role == OPERAND_INOUT);
}

/* Room for all outputs, zeros, or the inputs of those that are both. */
static enum status expected_open(const struct own *own, const struct check_case *c,
                                 struct expected **out, struct error *err) {
    struct expected *e = memory_new(sizeof *e);
    for (int i = 0; i < own->n_arguments; i++) {
        const struct own_argument *a = &own->arguments[i];
        if (!is_output(a)) continue;
        e->data[a->operand] = calloc(1, c->bytes[a->operand]);
        if (!e->data[a->operand]) {
            expected_close(e);
            return fail(err, STATUS_NOMEM, "no memory for %zu bytes that %s must become",
                        c->bytes[a->operand], a->name);
        }
        if (a->role == OPERAND_INOUT)
            memcpy(e->data[a->operand], c->host[a->operand], c->bytes[a->operand]);
        set_gates(e, a);
    }
    *out = e;
    return OK;
}

static enum status load_reference(struct own *own, struct error *err) {
    if (own->reference_function) return OK;
    own->library = dlopen(own->reference, RTLD_NOW | RTLD_LOCAL);
    if (!own->library)
        return fail(err, STATUS_INVALID, "the reference cannot be loaded: %s", dlerror());
    *(void **)&own->reference_function = dlsym(own->library, "hone_reference");
    return own->reference_function
               ? OK
               : fail(err, STATUS_INVALID,
                      "the reference %s exports no function hone_reference (see hone_reference.h)",
                      own->reference);
}

static enum status call_reference(struct own *own, const struct problem *problem,
                                  const struct check_case *c, struct expected *e,
                                  struct error *err) {
    struct hone_argument arguments[OWN_ARGUMENTS];
    uint64_t scalars[OWN_ARGUMENTS];
    for (int i = 0; i < own->n_arguments; i++) {
        const struct own_argument *a = &own->arguments[i];
        arguments[i] = (struct hone_argument){.name = a->name, .type = a->type_name, .n = 1};
        if (a->memory == OWN_SCALAR) {
            own_scalar(own, a, problem, &scalars[i], NULL);
            arguments[i].data = &scalars[i];
        } else if (a->memory == OWN_VECTOR) {
            const int o = a->operand;
            arguments[i].n = c->bytes[o] / a->type->bytes;
            arguments[i].data = a->role == OPERAND_OUT ? NULL : c->host[o];
            arguments[i].expected = e->data[o];
            arguments[i].absolute = e->absolute[o];
            arguments[i].relative = e->relative[o];
            arguments[i].nmse = e->nmse[o];
        } else {
            arguments[i].n = 0;
        }
    }
    struct hone_reference call = {.version = HONE_REFERENCE_VERSION,
                                  .size = problem->value,
                                  .n_size = own->n_size,
                                  .arguments = arguments,
                                  .n_arguments = (size_t)own->n_arguments};
    const int answer = own->reference_function(&call);
    if (answer != 0)
        return fail(err, STATUS_INVALID, "the reference %s cannot do this problem: it returned %d",
                    own->reference, answer);
    for (int i = 0; i < own->n_arguments; i++) {
        if (!is_output(&own->arguments[i])) continue;
        const int o = own->arguments[i].operand;
        e->absolute[o] = arguments[i].absolute;
        e->relative[o] = arguments[i].relative;
        e->nmse[o] = arguments[i].nmse;
    }
    return OK;
}

enum status own_fill(const struct problem *problem, uint64_t seed, struct check_case *c,
                     struct error *err) {
    struct own *own = own_of(problem->family);
    struct expected *e = NULL;
    enum status st = OK;
    for (int i = 0; st == OK && i < own->n_arguments; i++) {
        const struct own_argument *a = &own->arguments[i];
        double most = 0;
        if (a->memory != OWN_VECTOR || a->role == OPERAND_OUT) continue;
        st = fill_value(own, a, problem, &most, err);
        if (st == OK)
            fill_vector(a, most, seed * 64 + (uint64_t)i, c->host[a->operand],
                        c->bytes[a->operand]);
    }
    if (st != OK || !own->reference) return st;
    st = load_reference(own, err);
    if (st == OK) st = expected_open(own, c, &e, err);
    if (st == OK) st = call_reference(own, problem, c, e, err);
    if (st == OK) {
        c->reference = e;
        c->reference_close = expected_close;
    } else {
        expected_close(e);
    }
    return st;
}

/* ---- without a reference: what the default configuration makes of the same inputs ---- */

static enum status run_default(struct check_case *other, struct op *op, const struct own *own,
                               struct expected *e, struct error *err) {
    enum status st = check_enqueue(other, op, 0, err);
    if (st == OK) st = device_finish(other->device, err);
    for (int o = 0; st == OK && o < own->n_operands; o++)
        if (e->data[o]) st = view_read(other->view[o], 0, e->data[o], other->bytes[o], err);
    return st;
}

static enum status find_by_default(const struct own *own, const struct problem *problem,
                                   struct check_case *c, struct error *err) {
    struct config config;
    struct check_case *other = NULL;
    struct op *op = NULL;
    struct expected *e = NULL;
    char text[400];
    memset(&config, 0, sizeof config);
    enum status st = family_default(problem, &config, err);
    if (st == OK) st = check_open(c->device, problem, c->seed, 1, &other, err);
    if (st == OK) st = op_open(c->device, &config, problem, &op, err);
    if (st == OK) st = expected_open(own, other, &e, err);
    if (st == OK) st = run_default(other, op, own, e, err);
    op_close(op);
    check_close(other);
    if (st == OK) {
        c->reference = e;
        c->reference_close = expected_close;
        return OK;
    }
    expected_close(e);
    if (st == STATUS_NOMEM || st == STATUS_DEVICE) return st;
    config_format(&config, text);
    fail_while(err, "the default configuration %s, with which outputs are compared", text);
    err->status = STATUS_INVALID; /* nobody else's fault */
    return STATUS_INVALID;
}

/* ---- judging ---- */

static double root_mean_square(const struct own_type *type, const unsigned char *data, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double x = get(type, data + i * type->bytes);
        sum += isfinite(x) ? x * x : 0;
    }
    return n ? sqrt(sum / (double)n) : 0;
}

/* One output; what is the same in every bit, or no number on both sides, is right. */
static void judge_output(const struct own_argument *a, const struct check_case *c,
                         const struct expected *e, struct verdict *v) {
    const struct own_type *type = a->type;
    const int o = a->operand;
    const unsigned char *y = c->host[o], *want = e->data[o];
    const size_t n = c->bytes[o] / type->bytes;
    const double absolute =
        isnan(e->absolute[o]) ? e->relative[o] * root_mean_square(type, want, n) : e->absolute[o];
    for (size_t i = 0; i < n; i++, y += type->bytes, want += type->bytes) {
        double is = get(type, y), must = get(type, want);
        const bool is_same = memcmp(y, want, type->bytes) == 0;
        if (!isfinite(must) && (is_same || (isnan(must) && isnan(is)))) is = must = 0;
        else if (!is_same && is == must && type->kind != OWN_REAL) is = nextafter(must, INFINITY);
        verdict_value(v, is, must, absolute + e->relative[o] * fabs(must), a->name, (int64_t)i);
    }
    verdict_finish_within(v, type->kind == OWN_REAL ? e->nmse[o] : 0);
}

/* The worst of the outputs. */
static void merge(struct verdict *all, const struct verdict *one) {
    all->judged += one->judged;
    all->nmse = fmax(all->nmse, one->nmse);
    all->worst = fmax(all->worst, one->worst);
    if (*one->failed) verdict_fail(all, "%s", one->failed);
}

enum status own_judge(const struct problem *problem, struct check_case *c, bool whole,
                      struct verdict *verdict, struct error *err) {
    const struct own *own = own_of(problem->family);
    (void)whole;
    if (!c->reference) {
        const enum status st = find_by_default(own, problem, c, err);
        if (st != OK) return st;
    }
    for (int i = 0; i < own->n_arguments; i++) {
        struct verdict one = {0};
        if (!is_output(&own->arguments[i])) continue;
        judge_output(&own->arguments[i], c, c->reference, &one);
        merge(verdict, &one);
    }
    return OK;
}
