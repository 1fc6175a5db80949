/* own_make.c: how one's own kernel is put together, member by member, and what of it is refused. */
#include "base/hash.h"
#include "base/path.h"
#include "base/str.h"
#include "kernels/own_private.h"
#include <assert.h>
#include <ctype.h>
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of names, of the text form of a configuration (config_format), of an option. */
enum { NAME_MOST = 60, CONFIG_TEXT = 400, OPTION_MOST = 200 };
/* A number of the text form of a configuration has at most nine digits and no sign. */
enum { PLAIN_MOST = 999999999, VALUES_MOST = 256 };
static const char size_name[] = "ProblemSize";

/* ---- making one ---- */

static bool is_name(const char *text) {
    if (!isalpha((unsigned char)*text) && *text != '_') return false;
    const size_t n =
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    return !text[n] && n < NAME_MOST;
}

static void add_to_key(struct own *own, const char *text) {
    own->kernel.key = hash_text(own->kernel.key, text ? text : "");
}

enum status own_open(const char *name, const char *text, struct own **out, struct error *err) {
    *out = NULL;
    if (!is_name(name)) return fail(err, STATUS_INVALID, "'%.80s' is no name of a kernel", name);
    struct own *own = memory_new(sizeof *own);
    own->name = text_copy(name);
    own->family_name = text_format("source:%s", name);
    own->text = text_copy(text);
    own->options = text_copy("");
    own->kernel.key = own->kernel.space = hash_start();
    own->names[0] = size_name;
    *out = own;
    return OK;
}

void own_close(struct own *own) {
    if (!own) return;
    for (int p = 0; p < own->n_params; p++) {
        for (int v = 0; v < own->params[p].n_values; v++) free((char *)own->values[p][v].name);
        free((char *)own->params[p].name);
        free(own->values[p]);
        free(own->numbers[p]);
    }
    for (int c = 0; c < own->n_conditions; c++) {
        expression_close(own->conditions[c]);
        free(own->condition_texts[c]);
    }
    for (int axis = 0; axis < OWN_AXES; axis++) {
        for (int what = 0; what < OWN_SIZES; what++) expression_close(own->sizes[what][axis]);
        for (int i = 0; i < own->n_divisors[axis]; i++) expression_close(own->divisors[axis][i]);
    }
    for (int i = 0; i < own->n_arguments; i++) {
        free(own->arguments[i].name);
        free(own->arguments[i].type_name);
        expression_close(own->arguments[i].size);
        expression_close(own->arguments[i].value);
    }
    if (own->library) dlclose(own->library);
    free(own->reference);
    free(own->options);
    free(own->text);
    free(own->family_name);
    free(own->name);
    free(own);
}

/* ---- parameters ---- */

/* A word that an option of the compiler can hold, and the text form of a configuration. */
static bool is_word(const char *text) {
    const size_t n = strlen(text);
    return n > 0 && n < NAME_MOST &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-") == n;
}

static bool is_plain(const struct value *values) {
    for (size_t v = 0; v < values->n; v++) {
        const struct value *value = &values->items[v];
        if (value->kind != VALUE_INT || value->i < 0 || value->i > PLAIN_MOST) return false;
    }
    return true;
}

/* As the compiler is told it; the caller frees. */
static char *value_word(const struct value *value) {
    switch (value->kind) {
    case VALUE_INT: return text_format("%lld", (long long)value->i);
    case VALUE_REAL: return text_format("%.15g", value->x);
    case VALUE_TEXT: return text_copy(value->text);
    case VALUE_LIST: break;
    }
    return text_copy("");
}

/* Value v of parameter p; its word is the parameter's. */
static enum status add_value(struct own *own, int p, const struct value *value, struct error *err) {
    const int v = own->params[p].n_values;
    char *word = value_word(value);
    const bool is_good = is_word(word);
    if (!is_good) {
        fail(err, STATUS_INVALID, "parameter %s: '%.80s' is no value: numbers and words are",
             own->params[p].name, word);
        free(word);
        return STATUS_INVALID;
    }
    for (int u = 0; u < v; u++)
        if (value_equal(&own->numbers[p][u], value)) {
            fail(err, STATUS_INVALID, "parameter %s has the value %s twice", own->params[p].name,
                 word);
            free(word);
            return STATUS_INVALID;
        }
    own->kernel.space = hash_text(own->kernel.space, word);
    own->numbers[p][v] = *value;
    own->values[p][v] = (struct param_value){
        .value = own->is_plain[p] ? (int)value->i : v, .name = word, .needs = FEATURE_NONE};
    if (value->kind == VALUE_TEXT) own->numbers[p][v].text = word;
    if (own->is_plain[p]) {
        own->values[p][v].name = NULL;
        free(word);
    }
    own->params[p].n_values++;
    return OK;
}

static enum status find_usual(struct own *own, int p, const struct value *usual,
                              struct error *err) {
    own->usual[p] = own->values[p][0].value;
    if (!usual) return OK;
    for (int v = 0; v < own->params[p].n_values; v++) {
        if (!value_equal(usual, &own->numbers[p][v])) continue;
        own->usual[p] = own->values[p][v].value;
        return OK;
    }
    return fail(err, STATUS_INVALID, "the default of parameter %s is none of its values",
                own->params[p].name);
}

enum status own_add_param(struct own *own, const char *name, const struct value *values,
                          const struct value *usual, struct error *err) {
    const int p = own->n_params;
    assert(own->n_conditions == 0 && own->n_arguments == 0);
    if (p == PARAMS) return fail(err, STATUS_INVALID, "there are more than %d parameters", PARAMS);
    if (!is_name(name) || strcmp(name, size_name) == 0)
        return fail(err, STATUS_INVALID, "'%.80s' is no name of a parameter", name);
    for (int q = 0; q < p; q++)
        if (strcmp(own->params[q].name, name) == 0)
            return fail(err, STATUS_INVALID, "parameter %s is there twice", name);
    if (values->kind != VALUE_LIST || values->n == 0 || values->n > VALUES_MOST)
        return fail(err, STATUS_INVALID, "parameter %s: its values are no list of 1 to %d", name,
                    VALUES_MOST);
    own->values[p] = memory_new(values->n * sizeof *own->values[p]);
    own->numbers[p] = memory_new(values->n * sizeof *own->numbers[p]);
    own->params[p] = (struct param){text_copy(name), "of one's own", own->values[p], 0};
    own->is_plain[p] = is_plain(values);
    own->kernel.space = hash_text(own->kernel.space, name);
    own->names[own->n_params++] = own->params[p].name;
    own->names[own->n_params] = size_name;
    for (size_t v = 0; v < values->n; v++) {
        const enum status st = add_value(own, p, &values->items[v], err);
        if (st != OK) return st;
    }
    return find_usual(own, p, usual, err);
}

/* ---- conditions and sizes ---- */

static enum status parse(struct own *own, const char *text, struct expression **out,
                         struct error *err) {
    return expression_parse(text, own->names, out, err);
}

static uint32_t reads_of(const struct own *own, const struct expression *e) {
    uint32_t reads = 0;
    for (int p = 0; p < own->n_params; p++)
        if (e && expression_reads(e, p)) reads |= 1u << p;
    return reads;
}

enum status own_set_problem(struct own *own, const int64_t *size, size_t n, struct error *err) {
    if (n > OWN_AXES)
        return fail(err, STATUS_INVALID, "%s has more than %d numbers", size_name, OWN_AXES);
    for (size_t i = 0; i < n; i++) {
        if (size[i] < 1 || size[i] > OWN_ITEMS_MOST)
            return fail(err, STATUS_INVALID, "%s[%zu] is %lld", size_name, i, (long long)size[i]);
        own->size[i] = size[i];
    }
    own->n_size = n;
    return OK;
}

enum status own_add_condition(struct own *own, const char *text, struct error *err) {
    const int c = own->n_conditions;
    if (c == OWN_CONDITIONS)
        return fail(err, STATUS_INVALID, "there are more than %d conditions", OWN_CONDITIONS);
    const enum status st = parse(own, text, &own->conditions[c], err);
    if (st != OK) return st;
    own->kernel.space = hash_text(own->kernel.space, text);
    own->condition_texts[c] = text_format("%.100s", text);
    own->constraints[c] = (struct constraint){.text = own->condition_texts[c],
                                              .reads = reads_of(own, own->conditions[c])};
    own->n_conditions++;
    return OK;
}

enum status own_set_size(struct own *own, enum own_size what, int axis, const char *text,
                         struct error *err) {
    assert(axis >= 0 && axis < OWN_AXES && !own->sizes[what][axis]);
    add_to_key(own, text);
    return parse(own, text, &own->sizes[what][axis], err);
}

enum status own_add_divisor(struct own *own, int axis, const char *text, struct error *err) {
    assert(axis >= 0 && axis < OWN_AXES);
    own->has_divisors[axis] = true;
    if (!text) return OK;
    if (own->n_divisors[axis] == OWN_DIVISORS)
        return fail(err, STATUS_INVALID, "an axis has more than %d divisors", OWN_DIVISORS);
    add_to_key(own, text);
    const enum status st = parse(own, text, &own->divisors[axis][own->n_divisors[axis]], err);
    own->n_divisors[axis] += st == OK;
    return st;
}

enum status own_add_option(struct own *own, const char *text, struct error *err) {
    const bool is_known = strncmp(text, "-cl-", 4) == 0 || strncmp(text, "-D", 2) == 0;
    if (!is_known || strpbrk(text, " \t\r\n\"'\\") || strlen(text) > OPTION_MOST)
        return fail(err, STATUS_INVALID, "the compiler's option '%.80s' is none of -D… and -cl-…",
                    text);
    char *options = text_format("%s%s ", own->options, text);
    free(own->options);
    own->options = options;
    add_to_key(own, text);
    return OK;
}

/* ---- arguments ---- */

/* Words of a T1 file; the first is meant where it says none. */
struct word {
    const char *name;
    int what;
};
static const struct word memories[] = {
    {"Vector", OWN_VECTOR}, {"Scalar", OWN_SCALAR}, {"Local", OWN_LOCAL_MEMORY}, {NULL, 0}};
static const struct word accesses[] = {
    {"ReadOnly", OPERAND_IN}, {"WriteOnly", OPERAND_OUT}, {"ReadWrite", OPERAND_INOUT}, {NULL, 0}};
static const struct word fills[] = {{"Constant", 0}, {"Random", 1}, {NULL, 0}};

static enum status word_find(const struct word *words, const char *text, const char *of, int *what,
                             struct error *err) {
    struct str all = {0};
    *what = words[0].what;
    if (!text) return OK;
    for (const struct word *word = words; word->name; word++) {
        if (strcmp(word->name, text) == 0) {
            *what = word->what;
            str_free(&all);
            return OK;
        }
        str_addf(&all, "%s%s", all.length ? ", " : "", word->name);
    }
    fail(err, STATUS_UNSUPPORTED, "argument %s: '%.40s' is not supported; there are %s", of, text,
         str_text(&all));
    str_free(&all);
    return STATUS_UNSUPPORTED;
}

static enum status place_argument(struct own *own, struct own_argument *a, struct error *err) {
    if (a->memory == OWN_SCALAR && a->lanes > 1)
        return fail(err, STATUS_UNSUPPORTED, "argument %s: a scalar of type %s is not supported",
                    a->name, a->type_name);
    if (a->memory != OWN_VECTOR) return OK;
    if (own->n_operands == OPERANDS)
        return fail(err, STATUS_UNSUPPORTED, "there are more than %d vectors", OPERANDS);
    a->operand = own->n_operands++;
    own->operands[a->operand] =
        (struct operand){.name = a->name, .shape = a->type_name, .role = a->role};
    return OK;
}

enum status own_add_argument(struct own *own, const struct own_argument_text *text,
                             struct error *err) {
    if (own->n_arguments == OWN_ARGUMENTS)
        return fail(err, STATUS_INVALID, "there are more than %d arguments", OWN_ARGUMENTS);
    struct own_argument *a = &own->arguments[own->n_arguments];
    int memory, role, is_random;
    *a = (struct own_argument){.seed = (uint64_t)text->seed, .absolute = NAN, .relative = NAN};
    if (!is_name(text->name))
        return fail(err, STATUS_INVALID, "'%.80s' is no name of an argument", text->name);
    a->type = own_type_find(text->type, &a->lanes);
    if (!a->type)
        return fail(err, STATUS_UNSUPPORTED, "argument %s: type '%.40s' is not supported",
                    text->name, text->type);
    enum status st = word_find(memories, text->memory, text->name, &memory, err);
    if (st == OK) st = word_find(accesses, text->access, text->name, &role, err);
    if (st == OK) st = word_find(fills, text->fill, text->name, &is_random, err);
    if (st != OK) return st;
    a->name = text_copy(text->name);
    a->type_name = text_copy(text->type);
    own->n_arguments++;
    a->memory = (enum own_memory)memory;
    a->role = (enum operand_role)role;
    a->is_random = is_random;
    const char *const parts[] = {text->name, text->type, text->memory, text->access,
                                 text->fill, text->size, text->value};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) add_to_key(own, parts[i]);
    st = parse(own, text->size ? text->size : "1", &a->size, err);
    if (st == OK) st = parse(own, text->value ? text->value : "1", &a->value, err);
    return st == OK ? place_argument(own, a, err) : fail_while(err, "argument %s", a->name);
}

enum status own_set_tolerance(struct own *own, const char *argument, double absolute,
                              double relative, struct error *err) {
    if (!(absolute >= 0) || !(relative >= 0))
        return fail(err, STATUS_INVALID, "a threshold of argument %.80s is less than 0", argument);
    for (int i = 0; i < own->n_arguments; i++) {
        if (strcmp(own->arguments[i].name, argument) != 0) continue;
        own->arguments[i].absolute = absolute;
        own->arguments[i].relative = relative;
        own->kernel.key = hash_bytes(own->kernel.key, &absolute, sizeof absolute);
        own->kernel.key = hash_bytes(own->kernel.key, &relative, sizeof relative);
        return OK;
    }
    return fail(err, STATUS_INVALID, "a threshold is for argument '%.80s', which there is not",
                argument);
}

/* Another reference may find right what the last one found wrong: it is part of the key. */
enum status own_set_reference(struct own *own, const char *path, struct error *err) {
    struct map map;
    char *whole = realpath(path, NULL);
    if (!whole) return fail(err, STATUS_IO, "cannot read the reference %s: %m", path);
    const enum status st = map_open(whole, &map, err);
    if (st == OK) {
        own->kernel.key = hash_bytes(own->kernel.key, map.bytes, map.size);
        map_close(&map);
        own->reference = whole;
        return OK;
    }
    free(whole);
    return st;
}

bool own_has_reference(const struct own *own) {
    return own->reference;
}

/* ---- the family ---- */

static uint32_t reads_of_sizes(const struct own *own) {
    uint32_t reads = 0;
    for (int axis = 0; axis < OWN_AXES; axis++) {
        for (int what = 0; what < OWN_SIZES; what++) reads |= reads_of(own, own->sizes[what][axis]);
        for (int i = 0; i < own->n_divisors[axis]; i++)
            reads |= reads_of(own, own->divisors[axis][i]);
    }
    for (int i = 0; i < own->n_arguments; i++)
        if (own->arguments[i].memory == OWN_LOCAL_MEMORY)
            reads |= reads_of(own, own->arguments[i].size);
    return reads;
}

/* The largest vector that is only read goes round in copies, so that it is not found in a cache. */
static void choose_cold(struct own *own, const struct problem *problem) {
    struct operand *largest = NULL;
    for (int o = 0; o < own->n_operands; o++) {
        struct operand *operand = &own->operands[o];
        if (operand->role != OPERAND_IN) continue;
        if (!largest || operand->bytes(problem) > largest->bytes(problem)) largest = operand;
    }
    if (largest) largest->role = OPERAND_WEIGHTS;
}

static enum status check_texts(const struct own *own, struct error *err) {
    size_t length = 0;
    bool has_output = false;
    for (int p = 0; p < own->n_params; p++) {
        size_t widest = 10;
        for (int v = 0; v < own->params[p].n_values; v++) {
            const char *name = own->values[p][v].name;
            if (name && strlen(name) > widest) widest = strlen(name);
        }
        length += strlen(own->params[p].name) + widest + 2;
    }
    for (int o = 0; o < own->n_operands; o++)
        has_output |=
            own->operands[o].role == OPERAND_OUT || own->operands[o].role == OPERAND_INOUT;
    if (own->n_params == 0) return fail(err, STATUS_INVALID, "it has no parameter");
    if (length >= CONFIG_TEXT)
        return fail(err, STATUS_INVALID, "its configurations are texts of more than %d bytes",
                    CONFIG_TEXT);
    if (!has_output)
        return fail(err, STATUS_INVALID, "no vector is an output (WriteOnly or ReadWrite)");
    return OK;
}

static void make_fields(struct own *own) {
    static const char *const names[OWN_AXES] = {"x", "y", "z"};
    for (size_t i = 0; i < own->n_size; i++)
        own->fields[i] = (struct field){names[i], "ProblemSize",  FIELD_SIZE,   USE_DEFINE,
                                        1,        OWN_ITEMS_MOST, own->size[i], NULL};
}

enum status own_finish(struct own *own, struct error *err) {
    enum status st = check_texts(own, err);
    if (st != OK) return st;
    make_fields(own);
    own->reads_of_sizes = reads_of_sizes(own);
    own_describe(own);
    own->kernel.space = hash_bytes(own->kernel.space, own->usual, sizeof own->usual);
    /* What is right follows the default configuration, and that the space. */
    if (!own->reference)
        own->kernel.key = hash_bytes(own->kernel.key, &own->kernel.space, sizeof own->kernel.space);
    struct problem problem = {.family = &own->family, .layout = &layouts[LAYOUT_rows]};
    memcpy(problem.value, own->size, sizeof own->size);
    st = own_check_problem(&problem, err);
    if (st == OK) choose_cold(own, &problem);
    return st;
}

const struct family *own_family(const struct own *own) {
    return &own->family;
}

enum status own_check_problem(const struct problem *problem, struct error *err) {
    const struct own *own = own_of(problem->family);
    enum status st = OK;
    for (int i = 0; st == OK && i < own->n_arguments; i++) {
        const struct own_argument *a = &own->arguments[i];
        size_t n;
        uint64_t bits;
        if (a->memory == OWN_VECTOR) st = own_elements(own, a, NULL, problem, &n, err);
        if (st == OK && a->memory != OWN_LOCAL_MEMORY) st = own_scalar(own, a, problem, &bits, err);
    }
    return st;
}
