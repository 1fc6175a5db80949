/* t1_read.c: see t1_read.h. JSON to calls of own.h, member by member; what is wrong with a value those say. */
#include "tuner/t1_read.h"
#include "base/str.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char axis_names[OWN_AXES][2] = {"X", "Y", "Z"};
static const char *const no_names[] = {NULL}; /* what values and sizes of problems may read */

/* One file under reading. */
struct reading {
    struct own *own;
    const json_t *space, *kernel; /* ConfigurationSpace, KernelSpecification */
    struct str notes;
    struct error *err;
};

static enum status refuse(const struct reading *r, const char *what) {
    return fail(r->err, STATUS_INVALID, "%s", what);
}

/* A member as the text of an expression: a string is one, other JSON is written as Python writes it. NULL: it is not
 * there, or null. The caller frees. */
static char *text_of(const json_t *value) {
    if (!value || json_is_null(value)) return NULL;
    if (json_is_string(value)) return text_copy(json_string_value(value));
    if (json_is_boolean(value)) return text_copy(json_is_true(value) ? "True" : "False");
    char *dumped = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    char *text = dumped ? text_copy(dumped) : NULL;
    free(dumped);
    return text;
}

static const char *word_of(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

/* ---- parameters ---- */

static enum status evaluate(const json_t *json, struct expression **e, struct value *value,
                            struct error *err) {
    char *text = text_of(json);
    enum status st = expression_parse(text ? text : "", no_names, e, err);
    if (st == OK) st = expression_evaluate(*e, NULL, value, err);
    free(text);
    return st;
}

/* Words stand without the quotes of expressions, and so does a Default that is one. */
static enum status read_default(const json_t *json, struct expression **e, struct value *value,
                                struct error *err) {
    const json_t *one = json_is_array(json) ? json_array_get(json, 0) : json;
    *value = value_text(json_string_value(one));
    return json_is_string(one) ? OK : evaluate(one, e, value, err);
}

static enum status read_param(struct reading *r, const json_t *row) {
    const char *name = word_of(row, "Name");
    const json_t *usual = json_object_get(row, "Default");
    struct expression *e = NULL, *e_usual = NULL;
    struct value values, value;
    if (!name) return refuse(r, "a parameter without a Name");
    enum status st = evaluate(json_object_get(row, "Values"), &e, &values, r->err);
    if (st == OK && usual) st = read_default(usual, &e_usual, &value, r->err);
    if (st != OK) fail_while(r->err, "parameter %.80s", name);
    if (st == OK) st = own_add_param(r->own, name, &values, usual ? &value : NULL, r->err);
    expression_close(e_usual);
    expression_close(e);
    return st;
}

static enum status read_params(struct reading *r) {
    const json_t *list = json_object_get(r->space, "TuningParameters");
    enum status st = json_array_size(list) > 0 ? OK : refuse(r, "no TuningParameters");
    for (size_t i = 0; st == OK && i < json_array_size(list); i++)
        st = read_param(r, json_array_get(list, i));
    return st;
}

static enum status read_problem(struct reading *r) {
    const json_t *size = json_object_get(r->kernel, "ProblemSize");
    int64_t number[OWN_AXES + 1] = {0};
    const size_t n = json_is_array(size) ? json_array_size(size) : size && !json_is_null(size);
    enum status st = OK;
    for (size_t i = 0; st == OK && i < n && i <= OWN_AXES; i++) {
        struct expression *e = NULL;
        char *text = text_of(json_is_array(size) ? json_array_get(size, i) : size);
        st = expression_parse(text ? text : "", no_names, &e, r->err);
        if (st == OK) st = expression_int(e, NULL, 1, INT64_MAX, &number[i], r->err);
        expression_close(e);
        free(text);
    }
    return st == OK ? own_set_problem(r->own, number, n, r->err)
                    : fail_while(r->err, "ProblemSize");
}

static enum status read_conditions(struct reading *r) {
    const json_t *list = json_object_get(r->space, "Conditions");
    enum status st = OK;
    for (size_t i = 0; st == OK && i < json_array_size(list); i++) {
        const char *text = word_of(json_array_get(list, i), "Expression");
        st = text ? own_add_condition(r->own, text, r->err)
                  : refuse(r, "a condition without an Expression");
    }
    return st;
}

/* ---- sizes ---- */

/* Which size an axis of GlobalSize is, by GlobalSizeType; OpenCL's where it says none. */
static enum status find_size_type(const struct reading *r, enum own_size *what) {
    static const struct {
        const char *name;
        enum own_size what;
    } kinds[] = {{"OpenCL", OWN_ITEMS}, {"CUDA", OWN_GROUPS}, {"Vulkan", OWN_GROUPS}};
    const char *name = word_of(r->kernel, "GlobalSizeType");
    *what = OWN_ITEMS;
    for (size_t i = 0; name && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0) {
            *what = kinds[i].what;
            return OK;
        }
    return name ? refuse(r, "GlobalSizeType is none of OpenCL, CUDA, Vulkan") : OK;
}

static enum status read_size(const struct reading *r, const char *member, enum own_size what,
                             int axis) {
    const json_t *size = json_object_get(r->kernel, member);
    char *text = text_of(json_is_object(size) ? json_object_get(size, axis_names[axis]) : NULL);
    const enum status st = text ? own_set_size(r->own, what, axis, text, r->err) : OK;
    free(text);
    return st == OK ? OK : fail_while(r->err, "%s", member);
}

/* GridDivX, GridDivY, GridDivZ: an array where Kernel Tuner wrote the file. */
static enum status read_divisors(const struct reading *r, int axis) {
    char member[] = "GridDivX";
    member[7] = axis_names[axis][0];
    const json_t *list = json_object_get(r->kernel, member);
    enum status st = json_is_array(list) ? own_add_divisor(r->own, axis, NULL, r->err) : OK;
    for (size_t i = 0; st == OK && i < json_array_size(list); i++) {
        char *text = text_of(json_array_get(list, i));
        st = text ? own_add_divisor(r->own, axis, text, r->err) : OK;
        free(text);
    }
    return st == OK ? OK : fail_while(r->err, "%s", member);
}

static enum status read_sizes(struct reading *r) {
    enum own_size what;
    enum status st = find_size_type(r, &what);
    for (int axis = 0; st == OK && axis < OWN_AXES; axis++) {
        st = read_size(r, "LocalSize", OWN_LOCAL, axis);
        if (st == OK) st = read_size(r, "GlobalSize", what, axis);
        if (st == OK) st = read_divisors(r, axis);
    }
    return st;
}

/* ---- the kernel ---- */

static enum status read_options(struct reading *r) {
    const json_t *list = json_object_get(r->kernel, "CompilerOptions");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        struct error why = {0};
        if (!text || own_add_option(r->own, text, &why) == OK) continue;
        str_addf(&r->notes, "%s: left out\n", why.text);
    }
    return OK;
}

static enum status read_argument(struct reading *r, const json_t *row, size_t number) {
    char name[40];
    snprintf(name, sizeof name, "argument_%zu", number);
    char *size = text_of(json_object_get(row, "Size")),
         *value = text_of(json_object_get(row, "FillValue"));
    const char *type = word_of(row, "Type"), *known = word_of(row, "Name");
    const struct own_argument_text text = {
        .name = known ? known : name,
        .type = type ? type : "",
        .memory = word_of(row, "MemoryType"),
        .access = word_of(row, "AccessType"),
        .fill = word_of(row, "FillType"),
        .size = size,
        .value = value,
        .seed = json_integer_value(json_object_get(row, "RandomSeed"))};
    const enum status st = own_add_argument(r->own, &text, r->err);
    free(size);
    free(value);
    return st;
}

/* Thresholds of KTT: an absolute one an element, or a relative one. */
static enum status read_threshold(struct reading *r, const json_t *row) {
    const char *target = word_of(row, "TargetName"), *method = word_of(row, "ValidationMethod");
    const json_t *threshold = json_object_get(row, "ValidationThreshold");
    if (!target || !json_is_number(threshold)) return OK;
    const double most = json_number_value(threshold);
    if (!method || strcmp(method, "SideBySideComparison") == 0)
        return own_set_tolerance(r->own, target, most, 0, r->err);
    if (strcmp(method, "SideBySideRelativeComparison") == 0)
        return own_set_tolerance(r->own, target, 0, most, r->err);
    return fail(r->err, STATUS_UNSUPPORTED,
                "ValidationMethod '%.60s' of argument %.60s is not supported; there are "
                "SideBySideComparison and SideBySideRelativeComparison",
                method, target);
}

static enum status read_arguments(struct reading *r) {
    const json_t *list = json_object_get(r->kernel, "Arguments"),
                 *references = json_object_get(r->kernel, "ReferenceArguments");
    enum status st = OK;
    for (size_t i = 0; st == OK && i < json_array_size(list); i++)
        st = read_argument(r, json_array_get(list, i), i);
    for (size_t i = 0; st == OK && i < json_array_size(references); i++)
        st = read_threshold(r, json_array_get(references, i));
    return st;
}

/* In the order of own.h. */
static enum status read_all(struct reading *r, const struct t1_source *source) {
    static enum status (*const parts[])(struct reading * r) = {
        read_params, read_problem, read_conditions, read_sizes, read_options, read_arguments};
    const char *language = word_of(r->kernel, "Language"), *name = word_of(r->kernel, "KernelName");
    if (language && strcmp(language, "OpenCL") != 0)
        return fail(r->err, STATUS_UNSUPPORTED, "its kernel is in %.40s, not in OpenCL", language);
    if (!name) return refuse(r, "no KernelSpecification with a KernelName");
    enum status st = own_open(name, source->kernel, &r->own, r->err);
    for (size_t i = 0; st == OK && i < sizeof parts / sizeof *parts; i++) st = parts[i](r);
    if (st == OK && source->reference) st = own_set_reference(r->own, source->reference, r->err);
    return st == OK ? own_finish(r->own, r->err) : st;
}

static enum status read_text(const struct t1_source *source, struct own **out, char **notes,
                             struct error *err) {
    json_error_t why;
    json_t *root = json_loads(source->space, JSON_REJECT_DUPLICATES, &why);
    *out = NULL;
    if (!root)
        return fail(err, STATUS_INVALID, "%s: line %d is not JSON: %s", source->path, why.line,
                    why.text);
    struct reading r = {.space = json_object_get(root, "ConfigurationSpace"),
                        .kernel = json_object_get(root, "KernelSpecification"),
                        .err = err};
    const enum status st = read_all(&r, source);
    if (notes) *notes = text_copy(str_text(&r.notes));
    str_free(&r.notes);
    json_decref(root);
    if (st == OK) *out = r.own;
    else own_close(r.own);
    return st == OK ? OK : fail_while(err, "%s", source->path);
}

/* ---- lending ---- */

static struct {
    struct own *own;
    char *path, *space, *kernel, *reference;
} lent;

void t1_return(void) {
    family_lend(NULL);
    own_close(lent.own);
    free(lent.path);
    free(lent.space);
    free(lent.kernel);
    free(lent.reference);
    memset(&lent, 0, sizeof lent);
}

enum status t1_lend(const struct t1_source *source, const struct family **family, char **notes,
                    struct error *err) {
    struct own *own;
    if (notes) *notes = NULL;
    const enum status st = read_text(source, &own, notes, err);
    if (st != OK) return st;
    t1_return();
    lent.own = own;
    lent.path = text_copy(source->path);
    lent.space = text_copy(source->space);
    lent.kernel = text_copy(source->kernel);
    lent.reference = source->reference ? text_copy(source->reference) : NULL;
    json_t *frame = t1_frame();
    if (!frame) {
        t1_return();
        return fail(err, STATUS_INVALID, "%s: it, the kernel or a path is not UTF-8", source->path);
    }
    json_decref(frame);
    *family = own_family(own);
    family_lend(*family);
    return OK;
}

json_t *t1_frame(void) {
    if (!lent.own) return json_null();
    return json_pack("{s:s,s:s,s:s,s:s?}", "path", lent.path, "space", lent.space, "kernel",
                     lent.kernel, "reference", lent.reference);
}

enum status t1_lend_frame(const json_t *frame, struct error *err) {
    const struct family *family;
    const struct t1_source source = {.path = word_of(frame, "path"),
                                     .space = word_of(frame, "space"),
                                     .kernel = word_of(frame, "kernel"),
                                     .reference = word_of(frame, "reference")};
    if (!json_is_object(frame)) return OK;
    if (!source.path || !source.space || !source.kernel)
        return fail(err, STATUS_INVALID, "the worker is lent a kernel without a text");
    return t1_lend(&source, &family, NULL, err);
}
