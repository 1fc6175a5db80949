/* own.c: see own.h. What the family of one's own kernel does: work sizes, space, arguments. Functions of a family and its
 * parts have no context but the problem, whose family lies in the struct own: own_of. Operands and constraints are
 * told apart by a function each, made by the lists below. */
#include "base/str.h"
#include "kernels/own_private.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Work-items of a group and of an axis, elements of a vector: beyond all devices. */
static const int64_t LOCAL_MOST = 1 << 16, ELEMENTS_MOST = (int64_t)1 << 40;
/* Points that are looked at for a first valid configuration. */
enum { FIRST_STEPS = 1 << 20 };

struct own *own_of(const struct family *family) {
    return (struct own *)(uintptr_t)((const char *)family - offsetof(struct own, family));
}

/* ---- what expressions see ---- */

void own_scope_open(const struct own *own, const int *value, const struct problem *problem,
                    struct own_scope *scope) {
    for (int p = 0; p < own->n_params; p++) {
        const int n = own->params[p].n_values;
        if (!value)
            scope->names[p] =
                (struct value){.kind = VALUE_LIST, .items = own->numbers[p], .n = (size_t)n};
        else if (own->is_plain[p]) scope->names[p] = value_int(value[p]);
        else scope->names[p] = own->numbers[p][value[p] >= 0 && value[p] < n ? value[p] : 0];
    }
    for (size_t i = 0; i < own->n_size; i++) scope->size[i] = value_int(problem->value[i]);
    scope->names[own->n_params] =
        (struct value){.kind = VALUE_LIST, .items = scope->size, .n = own->n_size};
}

enum status own_elements(const struct own *own, const struct own_argument *argument,
                         const int *value, const struct problem *problem, size_t *n,
                         struct error *err) {
    struct own_scope scope;
    int64_t elements = 0;
    own_scope_open(own, argument->memory == OWN_LOCAL_MEMORY ? value : NULL, problem, &scope);
    const enum status st =
        expression_int(argument->size, scope.names, 1, ELEMENTS_MOST, &elements, err);
    *n = (size_t)elements * (size_t)argument->lanes;
    return st == OK ? OK : fail_while(err, "the size of argument %s", argument->name);
}

/* ---- work sizes ---- */

/* The axis has this many items in groups of `local`; false when a size is none. */
static bool find_axis(const struct own *own, const struct value *names,
                      const struct problem *problem, int axis, size_t *items, size_t *local) {
    int64_t group = 1, n = 1, divisor;
    struct error ignored = {0};
    struct expression *items_text = own->sizes[OWN_ITEMS][axis];
    struct expression *groups_text = own->sizes[OWN_GROUPS][axis];
    if (own->sizes[OWN_LOCAL][axis] &&
        expression_int(own->sizes[OWN_LOCAL][axis], names, 1, LOCAL_MOST, &group, &ignored) != OK)
        return false;
    if (own->has_divisors[axis]) {
        int64_t all = 1;
        for (int i = 0; i < own->n_divisors[axis]; i++) {
            if (expression_int(own->divisors[axis][i], names, 1, OWN_ITEMS_MOST, &divisor,
                               &ignored) != OK ||
                __builtin_mul_overflow(all, divisor, &all))
                return false;
        }
        n = (size_t)axis < own->n_size ? problem->value[axis] : 1;
        n = (n / all + (n % all != 0)) * group;
    } else if (items_text || groups_text) {
        if (expression_int(items_text ? items_text : groups_text, names, 1, OWN_ITEMS_MOST, &n,
                           &ignored) != OK)
            return false;
        n = (items_text ? n / group + (n % group != 0) : n) * group;
    } else {
        n = group;
    }
    *items = (size_t)n;
    *local = (size_t)group;
    return n >= 1 && n <= OWN_ITEMS_MOST;
}

static bool find_stage(const struct own *own, const int *value, const struct problem *problem,
                       struct stage *stage) {
    struct own_scope scope;
    bool is_good = true;
    own_scope_open(own, value, problem, &scope);
    for (int axis = 0; axis < OWN_AXES; axis++)
        is_good =
            find_axis(own, scope.names, problem, axis, &stage->global[axis], &stage->local[axis]) &&
            is_good;
    return is_good;
}

static void geometry(const struct config *config, const struct problem *problem,
                     struct geometry *out) {
    const struct own *own = own_of(problem->family);
    *out = (struct geometry){.n_stages = 1};
    out->stage[0] = (struct stage){own->name, {1, 1, 1}, {1, 1, 1}};
    find_stage(own, config->value, problem, &out->stage[0]);
    for (int i = 0; i < own->n_arguments; i++) {
        size_t n = 0;
        if (own->arguments[i].memory == OWN_LOCAL_MEMORY &&
            own_elements(own, &own->arguments[i], config->value, problem, &n, NULL) == OK)
            out->local_bytes += n * own->arguments[i].type->bytes;
    }
}

/* ---- operands and constraints, a function each ---- */

static size_t operand_bytes(const struct problem *problem, int operand) {
    const struct own *own = own_of(problem->family);
    for (int i = 0; i < own->n_arguments; i++) {
        const struct own_argument *a = &own->arguments[i];
        size_t n;
        if (a->memory != OWN_VECTOR || a->operand != operand) continue;
        if (own_elements(own, a, NULL, problem, &n, NULL) != OK) break;
        return n * a->type->bytes;
    }
    return SIZE_MAX / 4; /* own_check_problem says why; no memory holds it */
}

static bool condition_holds(const struct problem *problem, const int *value, int c) {
    const struct own *own = own_of(problem->family);
    struct own_scope scope;
    own_scope_open(own, value, problem, &scope);
    return expression_holds(own->conditions[c], scope.names);
}

/* Behind the conditions stands one that every size of the work, and of local memory, has a value. */
static bool sizes_hold(const int *value, const struct problem *problem) {
    const struct own *own = own_of(problem->family);
    struct stage stage;
    size_t n;
    bool is_good = find_stage(own, value, problem, &stage);
    for (int i = 0; i < own->n_arguments; i++)
        is_good =
            is_good && (own->arguments[i].memory != OWN_LOCAL_MEMORY ||
                        own_elements(own, &own->arguments[i], value, problem, &n, NULL) == OK);
    return is_good;
}

#define OPERANDS_MAP(XX)                                                                           \
    XX(0)                                                                                          \
    XX(1)                                                                                          \
    XX(2)                                                                                          \
    XX(3)                                                                                          \
    XX(4)                                                                                          \
    XX(5)                                                                                          \
    XX(6)                                                                                          \
    XX(7)                                                                                          \
    XX(8)                                                                                          \
    XX(9)
#define TEN_MAP(XX, tens)                                                                          \
    XX(tens##0)                                                                                    \
    XX(tens##1)                                                                                    \
    XX(tens##2)                                                                                    \
    XX(tens##3)                                                                                    \
    XX(tens##4)                                                                                    \
    XX(tens##5)                                                                                    \
    XX(tens##6)                                                                                    \
    XX(tens##7)                                                                                    \
    XX(tens##8)                                                                                    \
    XX(tens##9)
#define CONDITIONS_MAP(XX) OPERANDS_MAP(XX) TEN_MAP(XX, 1) TEN_MAP(XX, 2)

#define XX(i)                                                                                      \
    static size_t bytes_##i(const struct problem *problem) {                                       \
        return operand_bytes(problem, i);                                                          \
    }
OPERANDS_MAP(XX)
#undef XX
#define XX(i)                                                                                      \
    static bool holds_##i(const int *value, const struct problem *problem) {                       \
        return condition_holds(problem, value, i);                                                 \
    }
CONDITIONS_MAP(XX)
#undef XX

#define XX(i) bytes_##i,
static size_t (*const bytes_of[OPERANDS])(const struct problem *problem) = {OPERANDS_MAP(XX)};
#undef XX
#define XX(i) holds_##i,
static bool (*const holds_of[OWN_CONDITIONS])(const int *value,
                                              const struct problem *problem) = {CONDITIONS_MAP(XX)};
#undef XX

/* ---- the default configuration ---- */

static bool constraints_hold(const struct own *own, const int *value, const struct problem *problem,
                             int p) {
    for (int c = 0; c < own->variant.n_constraints; c++) {
        const struct constraint *constraint = &own->constraints[c];
        const bool is_last = constraint->reads >> p == 1 || (p == 0 && !constraint->reads);
        if (is_last && !constraint->holds(value, problem)) return false;
    }
    return true;
}

/* The first that the conditions allow, from parameter p on. */
static bool find_first(const struct own *own, const struct problem *problem, int *value, int p,
                       int *steps) {
    if (p == own->n_params) return true;
    for (int v = 0; v < own->params[p].n_values && --*steps > 0; v++) {
        value[p] = own->values[p][v].value;
        if (constraints_hold(own, value, problem, p) &&
            find_first(own, problem, value, p + 1, steps))
            return true;
    }
    return false;
}

/* What the file calls the default where it is valid, else the first valid one. */
static void fallback(const struct problem *problem, struct config *out) {
    const struct own *own = own_of(problem->family);
    int steps = FIRST_STEPS;
    bool is_valid = true;
    memcpy(out->value, own->usual, sizeof own->usual);
    for (int p = 0; p < own->n_params; p++)
        is_valid = is_valid && constraints_hold(own, out->value, problem, p);
    if (is_valid || find_first(own, problem, out->value, 0, &steps)) return;
    memcpy(out->value, own->usual, sizeof own->usual);
}

/* ---- the kernel ---- */

static bool accepts(const struct problem *problem) {
    return problem->class == CLASS_F32 && problem->layout->panel == 1;
}

static char *kernel_options(const struct config *config, const struct problem *problem) {
    const struct own *own = own_of(problem->family);
    struct str s = {0};
    for (int p = 0; p < own->n_params; p++) {
        const struct param *param = &own->params[p];
        int v = 0;
        while (v < param->n_values - 1 && param->values[v].value != config->value[p]) v++;
        if (param->values[v].name) str_addf(&s, "-D%s=%s ", param->name, param->values[v].name);
        else str_addf(&s, "-D%s=%d ", param->name, config->value[p]);
    }
    for (size_t i = 0; i < own->n_size; i++)
        str_addf(&s, "-Dproblem_size_%c=%lld ", "xyz"[i], (long long)problem -> value[i]);
    str_add(&s, own->options);
    if (s.length > 0 && s.text[s.length - 1] == ' ') s.text[s.length - 1] = 0;
    char *options = text_copy(str_text(&s));
    str_free(&s);
    return options;
}

static size_t kernel_arguments(const struct config *config, const struct problem *problem,
                               const struct view *operands, struct argument *out) {
    const struct own *own = own_of(problem->family);
    for (int i = 0; i < own->n_arguments; i++) {
        const struct own_argument *a = &own->arguments[i];
        size_t n = 0;
        out[i] = (struct argument){.kind = ARGUMENT_NUMBER, .number = {0, a->type->bytes}};
        if (a->memory == OWN_VECTOR)
            out[i] = (struct argument){.kind = ARGUMENT_BUFFER, .view = operands[a->operand]};
        else if (a->memory == OWN_SCALAR) own_scalar(own, a, problem, &out[i].number.bits, NULL);
        else if (own_elements(own, a, config->value, problem, &n, NULL) == OK)
            out[i] = (struct argument){.kind = ARGUMENT_LOCAL, .local_bytes = n * a->type->bytes};
    }
    return (size_t)own->n_arguments;
}

/* Every vector once, those that are read and written twice; how many operations nobody knows. */
static void cost(const struct problem *problem, struct cost *out) {
    const struct own *own = own_of(problem->family);
    *out = (struct cost){0};
    for (int o = 0; o < own->n_operands; o++)
        out->bytes +=
            (double)operand_bytes(problem, o) * (own->operands[o].role == OPERAND_INOUT ? 2 : 1);
}

/* ---- the family ---- */

void own_describe(struct own *own) {
    for (int o = 0; o < own->n_operands; o++) own->operands[o].bytes = bytes_of[o];
    for (int c = 0; c < own->n_conditions; c++) own->constraints[c].holds = holds_of[c];
    own->constraints[own->n_conditions] = (struct constraint){
        .text = "all sizes have a value", .reads = own->reads_of_sizes, .holds = sizes_hold};
    own->kernel.text = own->text;
    own->kernel.options = kernel_options;
    own->kernel.arguments = kernel_arguments;
    own->variant = (struct variant){.name = own->name,
                                    .summary = "of one's own",
                                    .own = &own->kernel,
                                    .params = own->params,
                                    .n_params = own->n_params,
                                    .constraints = own->constraints,
                                    .n_constraints = own->n_conditions + 1,
                                    .accepts = accepts,
                                    .geometry = geometry,
                                    .fallback = fallback};
    own->variants[0] = &own->variant;
    own->family = (struct family){.name = own->family_name,
                                  .summary = "a kernel of one's own",
                                  .fields = own->fields,
                                  .n_fields = (int)own->n_size,
                                  .operands = own->operands,
                                  .n_operands = own->n_operands,
                                  .variants = own->variants,
                                  .cost = cost,
                                  .fill = own_fill,
                                  .judge = own_judge,
                                  .judges_all = true,
                                  .is_relative = !own->reference};
}
