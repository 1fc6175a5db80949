/* problem.c: numeric classes, slices, and problems as text. */
#include "base/str.h"
#include "kernels/kernel.h"
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- classes ---- */

const char *const class_names[CLASSES] = {[CLASS_F32] = "f32",
                                          [CLASS_F32X3] = "f32x3",
                                          [CLASS_TF32] = "tf32",
                                          [CLASS_F16] = "f16",
                                          [CLASS_I8] = "i8"};

int class_find(const char *name) {
    for (int class = 0; class < CLASSES; class ++)
        if (!strcmp(class_names[class], name)) return class;
    return -1;
}

bool class_has_kernels(enum class_id class) {
    struct problem problem;
    const struct layout *found[LAYOUTS];
    if (problem_parse(slice_find("gemm_q4"), "m=64,k=128,n=8", &problem, NULL) != OK) return false;
    problem.class = class;
    return family_layouts(&problem, found) > 0;
}

void class_list(char text[64]) {
    *text = 0;
    for (int class = 0; class < CLASSES; class ++) {
        if (!class_has_kernels((enum class_id) class)) continue;
        const size_t used = strlen(text);
        snprintf(text + used, 64 - used, "%s%s", used ? ", " : "", class_names[class]);
    }
}

/* ---- slices ---- */

/* gemm is n ≥ 2, gemv is n = 1, by weight type. */
#define MATMUL_SLICES(suffix, weight, what)                                                        \
    {"gemm" suffix, "matmul",                                                                      \
     weight,        2,                                                                             \
     INT64_MAX,     "matrix times matrix, " what " weights, n >= 2"},                              \
    {                                                                                              \
        "gemv" suffix, "matmul", weight, 1, 1, "matrix times vector, " what " weights, n = 1"      \
    }

const struct slice slices[] = {
    MATMUL_SLICES("", "f32", "f32"),        MATMUL_SLICES("_f16", "f16", "f16"),
    MATMUL_SLICES("_q4", "q4", "q4"),       MATMUL_SLICES("_q8", "q8", "q8"),
    MATMUL_SLICES("_q4_0", "q4_0", "q4_0"), MATMUL_SLICES("_q4_1", "q4_1", "q4_1"),
#define FAMILY(name) {#name, #name, "", 1, INT64_MAX, "every problem of the family"},
#include "kernels/families.def"
#undef FAMILY
    {NULL, NULL, NULL, 0, 0, NULL}};

const struct slice *slice_find(const char *name) {
    for (const struct slice *slice = slices; slice->name; slice++)
        if (!strcmp(slice->name, name)) return slice;
    const struct slice *lent = family_lent();
    return lent && !strcmp(lent->name, name) ? lent : NULL;
}

static int field_find(const struct family *family, const char *name, size_t length) {
    for (int f = 0; f < family->n_fields; f++)
        if (strlen(family->fields[f].name) == length &&
            !memcmp(family->fields[f].name, name, length))
            return f;
    return -1;
}

static int field_of_kind(const struct family *family, enum field_kind kind) {
    for (int f = 0; f < family->n_fields; f++)
        if (family->fields[f].kind == kind) return f;
    return -1;
}

/* The field that the slice does not hold: −1 when it holds the problem. */
static int slice_objects(const struct slice *slice, const struct problem *problem) {
    const int w = *slice->weight ? field_of_kind(problem->family, FIELD_WEIGHT) : -1;
    if (w >= 0 &&
        strcmp(weight_kinds[weight_from_int(problem->value[w]).kind].name, slice->weight) != 0)
        return w;
    const int n = field_find(problem->family, "n", 1);
    if (n >= 0 && (problem->value[n] < slice->n_low || problem->value[n] > slice->n_high)) return n;
    return -1;
}

const struct slice *slice_of(const struct problem *problem) {
    for (const struct slice *slice = slices; slice->name; slice++)
        if (!strcmp(slice->family, problem->family->name) && slice_objects(slice, problem) < 0)
            return slice;
    assert(family_lent() && !strcmp(family_lent()->family, problem->family->name));
    return family_lent();
}

/* ---- text to values ---- */

enum { PROBLEMS_MOST = 4096 };

/* The values that a text names for every field. */
struct parse {
    const struct slice *slice;
    const struct family *family;
    const char *text;
    struct values {
        int64_t *value;
        size_t n;
    } field[PROBLEM_FIELDS];
};

static bool is_hidden(const struct field *field) {
    return field->use & USE_HIDDEN;
}

/* "m, k, n, w, e": what the text form may name. */
static void list_fields(const struct family *family, char text[120]) {
    text[0] = 0;
    for (int f = 0; f < family->n_fields; f++) {
        const size_t used = strlen(text);
        if (!is_hidden(&family->fields[f]))
            snprintf(text + used, 120 - used, "%s%s", used ? ", " : "", family->fields[f].name);
    }
}

/* The one way in which a problem's text is refused: `what` is a sentence about a part of it. */
static enum status fail_text(const struct parse *p, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum status fail_text(const struct parse *p, struct error *err, const char *format, ...) {
    struct str what = {0};
    va_list arguments;
    va_start(arguments, format);
    str_addv(&what, format, arguments);
    va_end(arguments);
    char fields[120];
    list_fields(p->family, fields);
    fail(err, STATUS_INVALID, "problem \"%.200s\" of %s: %s; the fields are %s", p->text,
         p->slice->name, str_text(&what), fields);
    str_free(&what);
    return STATUS_INVALID;
}

static enum status add_value(struct parse *p, int f, int64_t value, struct error *err) {
    const struct field *field = &p->family->fields[f];
    struct values *values = &p->field[f];
    if (field->kind == FIELD_SIZE && (value < field->low || value > field->high))
        return fail_text(p, err, "%s (%s) is %lld, not within %lld … %lld", field->name,
                         field->meaning, (long long)value, (long long)field->low,
                         (long long)field->high);
    if (values->n == PROBLEMS_MOST)
        return fail_text(p, err, "more than %d values of %s", PROBLEMS_MOST, field->name);
    values->value = memory_grow(values->value, (values->n + 1) * sizeof *values->value);
    values->value[values->n++] = value;
    return OK;
}

/* Digits only, so that "1e3", "+4" and " 5" are refused; *end is what follows. */
static bool parse_number(const char *text, int64_t *value, const char **end) {
    char *after = NULL;
    *value = 0;
    if (!isdigit((unsigned char)*text)) return false;
    errno = 0;
    *value = strtoll(text, &after, 10);
    *end = after;
    return errno == 0;
}

/* "32", "1..8", "16..64+16", "1..1024*2" */
static enum status add_sizes(struct parse *p, int f, const char *text, struct error *err) {
    int64_t first, last, step = 1;
    const char *at;
    char operator= '+';
    bool is_good = parse_number(text, &first, &at);
    last = first;
    if (is_good && !strncmp(at, "..", 2)) {
        is_good = parse_number(at + 2, &last, &at) && first <= last;
        if (is_good && (*at == '+' || *at == '*')) {
            operator= * at;
            is_good = parse_number(at + 1, &step, &at) && step > (operator== '*') &&
                      (first > 0 || operator== '+');
        }
    }
    if (!is_good || *at)
        return fail_text(p, err,
                         "%s=%s is no size and no range such as 1..8, 16..64+16 or 1..1024*2",
                         p->family->fields[f].name, text);
    for (;;) {
        const enum status st = add_value(p, f, first, err);
        if (st != OK) return st;
        const int64_t room = operator== '*' ? last / first
                                            : last - first; /* compared without overflow */
        if (room < step) return OK;
        first = operator== '*' ? first * step : first + step;
    }
}

static enum status add_choice(struct parse *p, int f, const char *text, struct error *err) {
    const struct field *field = &p->family->fields[f];
    int64_t index = 0;
    for (const char *choice = field->choices;; index++) {
        const size_t length = strcspn(choice, ",");
        if (strlen(text) == length && !memcmp(choice, text, length))
            return add_value(p, f, index, err);
        if (!choice[length])
            return fail_text(p, err, "%s (%s) is one of %s, not \"%s\"", field->name,
                             field->meaning, field->choices, text);
        choice += length + 1;
    }
}

static enum status add_weight(struct parse *p, int f, const char *text, struct error *err) {
    struct weight w;
    struct error why;
    if (weight_parse(text, &w, &why) == OK) return add_value(p, f, weight_pack_int(w), err);
    return fail_text(p, err, "%s: %s", p->family->fields[f].name, why.text);
}

static enum status add_text(struct parse *p, int f, const char *text, struct error *err) {
    static enum status (*const add[])(struct parse *, int, const char *, struct error *) = {
        [FIELD_SIZE] = add_sizes, [FIELD_WEIGHT] = add_weight, [FIELD_CHOICE] = add_choice};
    return add[p->family->fields[f].kind](p, f, text, err);
}

/* Pieces between commas: with '=' they start a field, without they add to the last one. */
static enum status parse_fields(struct parse *p, struct error *err) {
    enum status st = OK;
    char *copy = text_copy(p->text);
    int f = -1;
    for (char *piece = copy, *next; piece && *p->text && st == OK; piece = next) {
        next = strchr(piece, ',');
        if (next) *next++ = 0;
        char *value = strchr(piece, '=');
        if (value) {
            *value = 0;
            f = field_find(p->family, piece, strlen(piece));
            if (f < 0 || is_hidden(&p->family->fields[f]))
                st = fail_text(p, err, "there is no field \"%s\"", piece);
            else if (p->field[f].n) st = fail_text(p, err, "%s is named twice", piece);
        } else if (f < 0) {
            st = fail_text(p, err, "\"%s\" belongs to no field (expected name=value)", piece);
        }
        if (st == OK) st = add_text(p, f, value ? value + 1 : piece, err);
    }
    free(copy);
    return st;
}

/* What the text does not name: the slice's weight, the field's fallback. */
static enum status add_fallbacks(struct parse *p, struct error *err) {
    for (int f = 0; f < p->family->n_fields; f++) {
        const struct field *field = &p->family->fields[f];
        enum status st = OK;
        if (p->field[f].n) continue;
        if (field->kind == FIELD_WEIGHT && *p->slice->weight)
            st = add_weight(p, f, p->slice->weight, err);
        else if (field->fallback < 0)
            st = fail_text(p, err, "%s (%s) must be named", field->name, field->meaning);
        else st = add_value(p, f, field->fallback, err);
        if (st != OK) return st;
    }
    return OK;
}

static void parse_close(struct parse *p) {
    for (int f = 0; f < PROBLEM_FIELDS; f++) free(p->field[f].value);
}

static enum status parse_open(const struct slice *slice, const char *text, struct parse *p,
                              struct error *err) {
    *p = (struct parse){.slice = slice, .family = family_find(slice->family), .text = text};
    if (!p->family) return fail(err, STATUS_INVALID, "there is no family \"%s\"", slice->family);
    const enum status st = parse_fields(p, err);
    return st == OK ? add_fallbacks(p, err) : st;
}

/* The problem that takes value number at[f] of every field. */
static struct problem problem_at(const struct parse *p, const size_t at[PROBLEM_FIELDS]) {
    struct problem problem = {
        .family = p->family, .class = CLASS_F32, .layout = &layouts[LAYOUT_rows]};
    const struct layout *found[LAYOUTS];
    for (int f = 0; f < p->family->n_fields; f++) problem.value[f] = p->field[f].value[at[f]];
    if (family_layouts(&problem, found) > 0) problem.layout = found[0];
    return problem;
}

enum status problem_parse(const struct slice *slice, const char *text, struct problem *problem,
                          struct error *err) {
    static const size_t first[PROBLEM_FIELDS];
    struct parse p;
    enum status st = parse_open(slice, text, &p, err);
    for (int f = 0; st == OK && f < p.family->n_fields; f++)
        if (p.field[f].n > 1)
            st = fail_text(&p, err, "%s has several values where one problem is meant",
                           p.family->fields[f].name);
    if (st == OK) {
        *problem = problem_at(&p, first);
        const int f = slice_objects(slice, problem);
        if (f >= 0)
            st = fail_text(&p, err, "its %s is not what %s means (%s)", p.family->fields[f].name,
                           slice->name, slice->summary);
    }
    parse_close(&p);
    return st;
}

/* The next combination, last field fastest; false after the last. */
static bool next_combination(const struct parse *p, size_t at[PROBLEM_FIELDS]) {
    for (int f = p->family->n_fields - 1; f >= 0; f--) {
        if (++at[f] < p->field[f].n) return true;
        at[f] = 0;
    }
    return false;
}

enum status problem_expand(const struct slice *slice, const char *text, struct problem **list,
                           size_t *n, struct error *err) {
    size_t at[PROBLEM_FIELDS] = {0};
    struct parse p;
    *list = NULL;
    *n = 0;
    enum status st = parse_open(slice, text, &p, err);
    if (st != OK) goto done;
    double combinations = 1;
    for (int f = 0; f < p.family->n_fields; f++) combinations *= (double)p.field[f].n;
    if (combinations > PROBLEMS_MOST) {
        st = fail_text(&p, err, "%.0f problems, more than %d", combinations, PROBLEMS_MOST);
        goto done;
    }
    do {
        const struct problem problem = problem_at(&p, at);
        if (slice_objects(slice, &problem) >= 0) continue;
        *list = memory_grow(*list, (*n + 1) * sizeof **list);
        (*list)[(*n)++] = problem;
    } while (next_combination(&p, at));
done:
    parse_close(&p);
    return st;
}

/* ---- values to text ---- */

static void format_choice(const char *choices, int64_t index, char text[32]) {
    for (; index > 0; index--) choices += strcspn(choices, ",") + 1;
    snprintf(text, 32, "%.*s", (int)strcspn(choices, ","), choices);
}

void problem_format(const struct problem *problem, char text[160]) {
    size_t used = 0;
    text[0] = 0;
    for (int f = 0; f < problem->family->n_fields; f++) {
        const struct field *field = &problem->family->fields[f];
        const int64_t value = problem->value[f];
        char one[32];
        if (is_hidden(field) || (field->kind == FIELD_CHOICE && value == field->fallback)) continue;
        if (field->kind == FIELD_WEIGHT) weight_format(weight_from_int(value), one);
        else if (field->kind == FIELD_CHOICE) format_choice(field->choices, value, one);
        else snprintf(one, sizeof one, "%lld", (long long)value);
        if (used < 160)
            used += (size_t)snprintf(text + used, 160 - used, "%s%s=%s", used ? "," : "",
                                     field->name, one);
    }
}

char *problem_layout_key(const struct problem *problem) {
    struct problem one = *problem;
    char text[160];
    problem_set(&one, "n", 1);
    problem_format(&one, text);
    return text_format("layout %s %s %s", one.family->name, text, class_names[one.class]);
}

bool problem_has(const struct problem *problem, const char *field) {
    return field_find(problem->family, field, strlen(field)) >= 0;
}

int64_t problem_get(const struct problem *problem, const char *field) {
    const int f = field_find(problem->family, field, strlen(field));
    assert(f >= 0);
    return problem->value[f];
}

void problem_set(struct problem *problem, const char *field, int64_t value) {
    const int f = field_find(problem->family, field, strlen(field));
    assert(f >= 0);
    problem->value[f] = value;
}

bool problem_equal(const struct problem *a, const struct problem *b) {
    if (a->family != b->family || a->class != b->class || a->layout != b->layout) return false;
    return !memcmp(a->value, b->value, (size_t)a->family->n_fields * sizeof *a->value);
}

bool problem_shares_program(const struct problem *a, const struct problem *b) {
    if (a->family != b->family || a->class != b->class || a->layout != b->layout) return false;
    for (int f = 0; f < a->family->n_fields; f++) {
        const struct field *field = &a->family->fields[f];
        const bool is_argument = field->kind == FIELD_SIZE && !(field->use & USE_DEFINE);
        if (!is_argument && a->value[f] != b->value[f]) return false;
    }
    return true;
}
