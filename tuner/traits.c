/* traits.c: see traits.h. */
#include "tuner/traits.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ORDER point: layout, variant, parameters (space.h) */
enum { AT_LAYOUT, AT_VARIANT, AT_PARAMS };
enum kind { KIND_PARAM, KIND_QUOTIENT, KIND_LAYOUT, KIND_VARIANT };

/* Configurations that are looked at to find out what divides what, evenly over the space. */
enum { LOOKED_AT = 1 << 14 };
/* A parameter that a variant lacks stands in the middle. */
static const float ABSENT = 1;

static const struct variant *variant_at(const struct space *space, int variant) {
    return space->problem.family->variants[variant];
}
static const unsigned char *point_at(const struct space *space, int64_t at) {
    return space->points + (size_t)at * space->stride;
}
static const struct param_value *value_at(const struct space *space, const unsigned char *point,
                                          int param) {
    const struct variant *v = variant_at(space, point[AT_VARIANT]);
    return &v->params[param].values[point[AT_PARAMS + param]];
}

static bool is_positive(const struct param *param) {
    for (int v = 0; v < param->n_values; v++)
        if (param->values[v].name || param->values[v].value <= 0) return false;
    return true;
}

static int param_place(const struct variant *variant, const char *name) {
    for (int p = 0; p < variant->n_params; p++)
        if (strcmp(variant->params[p].name, name) == 0) return p;
    return -1;
}

/* What the trait is before it is scaled; NAN: this variant lacks it. */
static float raw_of(const struct trait *f, const struct space *space, int64_t at) {
    const unsigned char *point = point_at(space, at);
    const int variant = point[AT_VARIANT], param = f->param[variant];
    switch ((enum kind)f->kind) {
    case KIND_LAYOUT: return log2f((float)space->layouts[point[AT_LAYOUT]]->panel);
    case KIND_VARIANT: return param; /* 1 for its variant, else 0 */
    default: break;
    }
    if (param < 0) return NAN;
    const struct param_value *value = value_at(space, point, param);
    float raw = f->is_log ? log2f((float)value->value)
                          : (value->name ? (float)point[AT_PARAMS + param] : (float)value->value);
    if (f->kind == KIND_QUOTIENT)
        raw -= log2f((float)value_at(space, point, f->divisor[variant])->value);
    return raw;
}

void traits_of(const struct traits *traits, const struct space *space, int64_t at, float *value) {
    assert(at >= 0 && (size_t)at < space->n);
    for (int i = 0; i < traits->n; i++) {
        const struct trait *f = &traits->trait[i];
        const float raw = raw_of(f, space, at);
        value[i] = isnan(raw) ? ABSENT : (raw - f->base) * f->scale;
    }
}

static int64_t looked_at(const struct space *space, size_t i, size_t n) {
    return (int64_t)((double)i / (double)n * (double)space->n);
}
static size_t n_looked_at(const struct space *space) {
    return space->n < LOOKED_AT ? space->n : LOOKED_AT;
}

/* Add the trait with its scale, unless it is the same everywhere. */
static void add(struct traits *traits, struct trait f, const struct space *space) {
    const size_t n = n_looked_at(space);
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        const float raw = raw_of(&f, space, looked_at(space, i, n));
        low = fminf(low, raw);
        high = fmaxf(high, raw);
    }
    if (!(high > low) || traits->n == TRAITS) return;
    f.base = low;
    f.scale = 2 / (high - low);
    traits->trait[traits->n++] = f;
}

/* The trait of parameters of these names, in all variants that have them. */
static struct trait named(const struct space *space, const char *param, const char *divisor) {
    struct trait f = {.kind = divisor ? KIND_QUOTIENT : KIND_PARAM, .is_log = true};
    snprintf(f.name, sizeof f.name, "%.24s%s%.24s", param, divisor ? "/" : "",
             divisor ? divisor : "");
    for (int v = 0; variant_at(space, v); v++) {
        const struct variant *variant = variant_at(space, v);
        f.param[v] = (short)param_place(variant, param);
        f.divisor[v] = divisor ? (short)param_place(variant, divisor) : -1;
        if (divisor && f.divisor[v] < 0) f.param[v] = -1;
        if (f.param[v] >= 0) f.is_log &= is_positive(&variant->params[f.param[v]]);
        if (f.param[v] >= 0 && divisor) f.is_log &= is_positive(&variant->params[f.divisor[v]]);
    }
    return f;
}

static bool has_trait(const struct traits *traits, const char *name) {
    for (int i = 0; i < traits->n; i++)
        if (strcmp(traits->trait[i].name, name) == 0) return true;
    return false;
}

/* Would some pair of their values leave a remainder? */
static bool can_leave_rest(const struct param *a, const struct param *b) {
    for (int i = 0; i < a->n_values; i++)
        for (int j = 0; j < b->n_values; j++)
            if (a->values[i].value % b->values[j].value != 0) return true;
    return false;
}

/* Of parameters a and b of a variant; others that have them need not divide. */
static void add_quotient(struct traits *traits, const struct space *space,
                         const struct variant *variant, int a, int b) {
    const struct param *over = &variant->params[a], *under = &variant->params[b];
    if (a == b || !is_positive(over) || !is_positive(under) || !can_leave_rest(over, under)) return;
    const struct trait f = named(space, over->name, under->name);
    if (!f.is_log || has_trait(traits, f.name)) return;
    const size_t n = n_looked_at(space);
    for (size_t i = 0; i < n; i++) {
        const unsigned char *point = point_at(space, looked_at(space, i, n));
        if (variant_at(space, point[AT_VARIANT]) == variant &&
            value_at(space, point, a)->value % value_at(space, point, b)->value != 0)
            return;
    }
    add(traits, f, space);
}

void traits_open(const struct space *space, struct traits *traits) {
    *traits = (struct traits){0};
    add(traits, (struct trait){.name = "layout", .kind = KIND_LAYOUT}, space);
    for (int v = 0; variant_at(space, v) && variant_at(space, 1); v++) {
        struct trait f = {.kind = KIND_VARIANT};
        snprintf(f.name, sizeof f.name, "is %.48s", variant_at(space, v)->name);
        f.param[v] = 1;
        add(traits, f, space);
    }
    for (int v = 0; variant_at(space, v); v++)
        for (int p = 0; p < variant_at(space, v)->n_params; p++) {
            const struct trait f = named(space, variant_at(space, v)->params[p].name, NULL);
            if (!has_trait(traits, f.name)) add(traits, f, space);
        }
    for (int v = 0; variant_at(space, v); v++) {
        const struct variant *variant = variant_at(space, v);
        for (int a = 0; a < variant->n_params; a++)
            for (int b = 0; b < variant->n_params; b++) add_quotient(traits, space, variant, a, b);
    }
}
