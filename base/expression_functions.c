/* expression_functions.c: what the operators, comparisons and functions of expressions do, as Python does it: whole
 * numbers as far as 64 bits go, and no further. */
#include "base/expression_private.h"
#include <math.h>
#include <string.h>

/* ---- arithmetic ---- */

static const char *const arithmetic_errors[] = {
    [TOO_LARGE] = "a number is larger than 64 bits hold",
    [BY_ZERO] = "a division by zero",
    [NEEDS_WHOLE] = "an operator for whole numbers is given others",
};

static enum arithmetic add_whole(int64_t a, int64_t b, int64_t *c) {
    return __builtin_add_overflow(a, b, c) ? TOO_LARGE : DONE;
}
static enum arithmetic subtract_whole(int64_t a, int64_t b, int64_t *c) {
    return __builtin_sub_overflow(a, b, c) ? TOO_LARGE : DONE;
}
static enum arithmetic multiply_whole(int64_t a, int64_t b, int64_t *c) {
    return __builtin_mul_overflow(a, b, c) ? TOO_LARGE : DONE;
}
static enum arithmetic divide_whole(int64_t a, int64_t b, int64_t *c) {
    (void)a, (void)b, (void)c;
    return NEEDS_REAL;
}
/* Python rounds towards minus infinity, C towards zero. */
static enum arithmetic floor_whole(int64_t a, int64_t b, int64_t *c) {
    if (b == 0) return BY_ZERO;
    if (b == -1) return subtract_whole(0, a, c);
    *c = a / b - (a % b != 0 && (a < 0) != (b < 0));
    return DONE;
}
static enum arithmetic modulo_whole(int64_t a, int64_t b, int64_t *c) {
    if (b == 0) return BY_ZERO;
    *c = b == -1 ? 0 : a % b;
    if (*c != 0 && (a < 0) != (b < 0)) *c += b;
    return DONE;
}
static enum arithmetic power_whole(int64_t a, int64_t b, int64_t *c) {
    if (b < 0) return NEEDS_REAL;
    *c = 1;
    while (b > 0) {
        if (b & 1 && __builtin_mul_overflow(*c, a, c)) return TOO_LARGE;
        b >>= 1;
        if (b > 0 && __builtin_mul_overflow(a, a, &a)) return TOO_LARGE;
    }
    return DONE;
}
static enum arithmetic left_whole(int64_t a, int64_t b, int64_t *c) {
    if (b < 0 || b > 62) return TOO_LARGE;
    return multiply_whole(a, (int64_t)1 << b, c);
}
static enum arithmetic right_whole(int64_t a, int64_t b, int64_t *c) {
    if (b < 0) return TOO_LARGE;
    *c = a >> (b > 63 ? 63 : b);
    return DONE;
}
static enum arithmetic and_whole(int64_t a, int64_t b, int64_t *c) {
    *c = a & b;
    return DONE;
}
static enum arithmetic or_whole(int64_t a, int64_t b, int64_t *c) {
    *c = a | b;
    return DONE;
}
static enum arithmetic xor_whole(int64_t a, int64_t b, int64_t *c) {
    *c = a ^ b;
    return DONE;
}

static enum arithmetic checked(double x, double *c) {
    *c = x;
    return isfinite(x) ? DONE : TOO_LARGE;
}
static enum arithmetic add_real(double a, double b, double *c) {
    return checked(a + b, c);
}
static enum arithmetic subtract_real(double a, double b, double *c) {
    return checked(a - b, c);
}
static enum arithmetic multiply_real(double a, double b, double *c) {
    return checked(a * b, c);
}
static enum arithmetic divide_real(double a, double b, double *c) {
    return b == 0 ? BY_ZERO : checked(a / b, c);
}
static enum arithmetic floor_real(double a, double b, double *c) {
    return b == 0 ? BY_ZERO : checked(floor(a / b), c);
}
static enum arithmetic modulo_real(double a, double b, double *c) {
    if (b == 0) return BY_ZERO;
    const double rest = fmod(a, b);
    return checked(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest, c);
}
static enum arithmetic power_real(double a, double b, double *c) {
    return a == 0 && b < 0 ? BY_ZERO : checked(pow(a, b), c);
}

const struct binary expression_operators[OPERATORS] = {
    {"**", 7, power_whole, power_real}, /* read by `power`, because it binds to the right */
    {"//", 6, floor_whole, floor_real},
    {"*", 6, multiply_whole, multiply_real},
    {"/", 6, divide_whole, divide_real},
    {"%", 6, modulo_whole, modulo_real},
    {"+", 5, add_whole, add_real},
    {"-", 5, subtract_whole, subtract_real},
    {"<<", 4, left_whole, NULL},
    {">>", 4, right_whole, NULL},
    {"&", 3, and_whole, NULL},
    {"^", 2, xor_whole, NULL},
    {"|", 1, or_whole, NULL},
};
enum status expression_apply(const struct run *r, int what, const struct value *a,
                             const struct value *b, struct value *out) {
    const struct binary *op = &expression_operators[what];
    if (!is_number(a) || !is_number(b))
        return expression_fail(r, "arithmetic with what is no number");
    const bool is_whole = a->kind == VALUE_INT && b->kind == VALUE_INT;
    enum arithmetic done = NEEDS_REAL;
    *out = value_int(0);
    if (is_whole) done = op->whole(a->i, b->i, &out->i);
    if (done == NEEDS_REAL) {
        *out = value_real(0);
        done = op->real ? op->real(real_of(a), real_of(b), &out->x) : NEEDS_WHOLE;
    }
    return done == DONE ? OK : expression_fail(r, arithmetic_errors[done]);
}

/* ---- comparisons ---- */

const char *const expression_comparisons[COMPARISONS] = {
    "<=", ">=", "==", "!=", "<", ">", "in", "not"};

static bool is_ordered(int what, double order) {
    switch (what) {
    case LESS: return order < 0;
    case GREATER: return order > 0;
    case LESS_EQUAL: return order <= 0;
    default: return order >= 0;
    }
}

enum status expression_compare(const struct run *r, int what, const struct value *a,
                               const struct value *b, struct value *out) {
    bool is = false;
    if (what == EQUAL || what == NOT_EQUAL) {
        is = value_equal(a, b) == (what == EQUAL);
    } else if (what == IN || what == NOT_IN) {
        if (b->kind != VALUE_LIST) return expression_fail(r, "'in' wants a list on its right");
        for (size_t i = 0; !is && i < b->n; i++) is = value_equal(a, &b->items[i]);
        is = is == (what == IN);
    } else if (a->kind == VALUE_INT && b->kind == VALUE_INT) {
        is = is_ordered(what, (a->i > b->i) - (a->i < b->i));
    } else if (is_number(a) && is_number(b)) {
        is = is_ordered(what, (real_of(a) > real_of(b)) - (real_of(a) < real_of(b)));
    } else if (a->kind == VALUE_TEXT && b->kind == VALUE_TEXT) {
        const int order = strcmp(a->text, b->text);
        is = is_ordered(what, order);
    } else {
        return expression_fail(r, "what cannot be ordered is compared");
    }
    *out = value_int(is);
    return OK;
}

/* ---- functions ---- */

/* A real number as a whole one. */
static enum status whole_of(const struct run *r, double x, struct value *out) {
    if (!(fabs(x) < 0x1p63)) return expression_fail(r, arithmetic_errors[TOO_LARGE]);
    *out = value_int((int64_t)x);
    return OK;
}

static enum status rounded(const struct run *r, const struct value *a, double (*round_it)(double),
                           struct value *out) {
    if (!is_number(a)) return expression_fail(r, "what is no number is rounded");
    *out = *a;
    return a->kind == VALUE_INT ? OK : whole_of(r, round_it(a->x), out);
}
static enum status call_ceil(struct run *r, const struct value *a, size_t n, struct value *out) {
    (void)n;
    return rounded(r, a, ceil, out);
}
static enum status call_floor(struct run *r, const struct value *a, size_t n, struct value *out) {
    (void)n;
    return rounded(r, a, floor, out);
}
static enum status call_int(struct run *r, const struct value *a, size_t n, struct value *out) {
    (void)n;
    return rounded(r, a, trunc, out);
}
static enum status call_float(struct run *r, const struct value *a, size_t n, struct value *out) {
    (void)n;
    if (!is_number(a)) return expression_fail(r, "float() of what is no number");
    *out = value_real(real_of(a));
    return OK;
}
static enum status call_abs(struct run *r, const struct value *a, size_t n, struct value *out) {
    const struct value zero = value_int(0);
    (void)n;
    if (!is_number(a)) return expression_fail(r, "abs() of what is no number");
    if (real_of(a) < 0) return expression_apply(r, MINUS, &zero, a, out);
    *out = *a;
    return OK;
}
static enum status call_len(struct run *r, const struct value *a, size_t n, struct value *out) {
    (void)n;
    if (a->kind != VALUE_LIST) return expression_fail(r, "len() of what is no list");
    *out = value_int((int64_t)a->n);
    return OK;
}

/* The extreme of the arguments, or of the items of a lone list. */
static enum status extreme(struct run *r, int what, const struct value *a, size_t n,
                           struct value *out) {
    const bool is_list = n == 1 && a->kind == VALUE_LIST;
    const struct value *items = is_list ? a->items : a;
    const size_t n_items = is_list ? a->n : n;
    if (n_items == 0) return expression_fail(r, "the extreme of nothing");
    *out = items[0];
    for (size_t i = 1; i < n_items; i++) {
        struct value is = value_int(0);
        const enum status st = expression_compare(r, what, &items[i], out, &is);
        if (st != OK) return st;
        if (is.i) *out = items[i];
    }
    return OK;
}
static enum status call_min(struct run *r, const struct value *a, size_t n, struct value *out) {
    return extreme(r, LESS, a, n, out);
}
static enum status call_max(struct run *r, const struct value *a, size_t n, struct value *out) {
    return extreme(r, GREATER, a, n, out);
}
static enum status call_sum(struct run *r, const struct value *a, size_t n, struct value *out) {
    (void)n;
    if (a->kind != VALUE_LIST) return expression_fail(r, "sum() of what is no list");
    *out = value_int(0);
    enum status st = OK;
    for (size_t i = 0; st == OK && i < a->n; i++) {
        const struct value so_far = *out;
        st = expression_apply(r, PLUS, &so_far, &a->items[i], out);
    }
    return st;
}
static enum status call_range(struct run *r, const struct value *a, size_t n, struct value *out) {
    for (size_t i = 0; i < n; i++)
        if (a[i].kind != VALUE_INT) return expression_fail(r, "range() of what is no whole number");
    const int64_t from = n > 1 ? a[0].i : 0, to = a[n > 1].i, step = n > 2 ? a[2].i : 1;
    if (step == 0) return expression_fail(r, "range() in steps of 0");
    const double length = ceil(((double)to - (double)from) / (double)step);
    const size_t count = length <= 0                 ? 0
                         : length > EXPRESSION_ITEMS ? EXPRESSION_ITEMS + 1
                                                     : (size_t)length;
    struct value *items = expression_list(r, count);
    if (!items) return expression_fail(r, "a list has too many items");
    for (size_t i = 0; i < count; i++)
        items[i] = value_int((int64_t)((uint64_t)from + i * (uint64_t)step));
    *out = (struct value){.kind = VALUE_LIST, .items = items, .n = count};
    return OK;
}

const struct function expression_functions[FUNCTIONS] = {
    {"abs", 1, 1, call_abs},
    {"ceil", 1, 1, call_ceil},
    {"float", 1, 1, call_float},
    {"floor", 1, 1, call_floor},
    {"int", 1, 1, call_int},
    {"len", 1, 1, call_len},
    {"max", 1, ARGUMENTS_MOST, call_max},
    {"min", 1, ARGUMENTS_MOST, call_min},
    {"range", 1, 3, call_range},
    {"sum", 1, 1, call_sum},
};
