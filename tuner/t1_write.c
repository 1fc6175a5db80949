/* t1_write.c: see t1_write.h. */
#include "tuner/t1_write.h"
#include "base/expression.h"
#include "base/str.h"
#include <stdlib.h>
#include <string.h>

/* A constraint over more points than this is not listed; its text stands in the Note. */
static const double POINTS_MOST = 1 << 16;
static const char layout_param[] = "layout";

/* The variant's parameters, and as number n_params the layout. */
struct axes_of {
    const struct problem *problem;
    const struct variant *variant;
    const struct layout *layouts[LAYOUTS];
    size_t n_layouts;
};

static void find_layouts(struct axes_of *a) {
    const struct layout *all[LAYOUTS];
    const size_t n = family_layouts(a->problem, all);
    for (size_t i = 0; i < n; i++) {
        struct problem problem = *a->problem;
        problem.layout = all[i];
        if (a->variant->accepts(&problem)) a->layouts[a->n_layouts++] = all[i];
    }
}

static bool is_layout(const struct axes_of *a, int p) {
    return p == a->variant->n_params;
}
static const char *name_of(const struct axes_of *a, int p) {
    return is_layout(a, p) ? layout_param : a->variant->params[p].name;
}
static int values_of(const struct axes_of *a, int p) {
    return is_layout(a, p) ? (int)a->n_layouts : a->variant->params[p].n_values;
}
static struct value value_at(const struct axes_of *a, int p, int place) {
    if (is_layout(a, p)) return value_text(a->layouts[place]->name);
    const struct param_value *value = &a->variant->params[p].values[place];
    return value->name ? value_text(value->name) : value_int(value->value);
}
static void add_value(struct str *s, const struct value *value) {
    if (value->kind == VALUE_TEXT) str_addf(s, "'%s'", value->text);
    else str_addf(s, "%lld", (long long)value->i);
}

/* ---- parameters ---- */

static json_t *parameter(const struct axes_of *a, int p, const struct value *usual) {
    struct str values = {0};
    bool is_word = false;
    for (int v = 0; v < values_of(a, p); v++) {
        const struct value value = value_at(a, p, v);
        is_word |= value.kind == VALUE_TEXT;
        str_add(&values, v ? ", " : "[");
        add_value(&values, &value);
    }
    str_add(&values, "]");
    json_t *object = json_pack("{s:s,s:s,s:s}", "Name", name_of(a, p), "Type",
                               is_word ? "string" : "int", "Values", values.text);
    json_object_set_new(object, "Default",
                        usual->kind == VALUE_TEXT ? json_string(usual->text)
                                                  : json_integer(usual->i));
    if (!is_layout(a, p))
        json_object_set_new(object, "Meaning", json_string(a->variant->params[p].meaning));
    str_free(&values);
    return object;
}

static struct value usual_value(const struct axes_of *a, const struct config *usual, int p) {
    for (int v = 0; !is_layout(a, p) && v < values_of(a, p); v++)
        if (a->variant->params[p].values[v].value == usual->value[p]) return value_at(a, p, v);
    return value_at(a, p, 0);
}

static json_t *parameters(const struct axes_of *a, const struct config *usual) {
    json_t *list = json_array();
    const int n = a->variant->n_params;
    for (int i = a->n_layouts > 1 ? -1 : 0; i < n; i++) {
        const int p = i < 0 ? n : i; /* the layout first */
        const struct value value = usual_value(a, usual, p);
        json_array_append_new(list, parameter(a, p, &value));
    }
    return list;
}

/* ---- constraints ---- */

/* Every point of what a constraint reads, one after the other: places of the values. */
struct points {
    const struct axes_of *axes;
    int param[PARAMS + 1], place[PARAMS + 1], n;
};

static bool points_next(struct points *points) {
    for (int i = points->n - 1; i >= 0; i--) {
        if (++points->place[i] < values_of(points->axes, points->param[i])) return true;
        points->place[i] = 0;
    }
    return false;
}

static bool is_allowed(const struct points *points, const struct constraint *constraint) {
    const struct axes_of *a = points->axes;
    struct problem problem = *a->problem;
    int value[PARAMS] = {0};
    problem.layout = a->layouts[0];
    for (int i = 0; i < points->n; i++) {
        const int p = points->param[i], place = points->place[i];
        if (is_layout(a, p)) problem.layout = a->layouts[place];
        else value[p] = a->variant->params[p].values[place].value;
    }
    return constraint->holds(value, &problem);
}

static double points_count(const struct points *points) {
    double n = 1;
    for (int i = 0; i < points->n; i++) n *= values_of(points->axes, points->param[i]);
    return n;
}

static struct points points_of(const struct axes_of *a, uint32_t reads, bool with_layout) {
    struct points points = {.axes = a};
    if (with_layout) points.param[points.n++] = a->variant->n_params;
    for (int p = 0; p < a->variant->n_params; p++)
        if (reads >> p & 1) points.param[points.n++] = p;
    return points;
}

/* Does the layout matter to it? */
static bool depends_on_layout(const struct axes_of *a, const struct constraint *constraint) {
    struct points points = points_of(a, constraint->reads, true);
    if (points_count(&points) > POINTS_MOST) return true;
    do {
        struct points first = points;
        first.place[0] = 0;
        if (is_allowed(&points, constraint) != is_allowed(&first, constraint)) return true;
    } while (points_next(&points));
    return false;
}

/* Does the text, as an expression, say what the function says? */
static bool is_said(struct points points, const struct constraint *constraint) {
    const char *names[PARAMS + 2] = {NULL};
    struct value values[PARAMS + 1];
    struct expression *e = NULL;
    struct error ignored = {0};
    for (int i = 0; i < points.n; i++) names[i] = name_of(points.axes, points.param[i]);
    bool is_same = expression_parse(constraint->text, names, &e, &ignored) == OK;
    bool goes_on = is_same;
    while (goes_on && is_same) {
        for (int i = 0; i < points.n; i++)
            values[i] = value_at(points.axes, points.param[i], points.place[i]);
        is_same = expression_holds(e, values) == is_allowed(&points, constraint);
        goes_on = points_next(&points);
    }
    expression_close(e);
    return is_same;
}

/* "(TM, TN) in [(1, 2), …]"; "" when all are allowed. */
static void list_allowed(struct points points, const struct constraint *constraint,
                         struct str *text) {
    size_t n = 0, n_all = 0;
    struct str list = {0};
    const char *open = points.n > 1 ? "(" : "", *close = points.n > 1 ? ")" : "";
    do {
        n_all++;
        if (!is_allowed(&points, constraint)) continue;
        str_addf(&list, "%s%s", n++ ? ", " : "", open);
        for (int i = 0; i < points.n; i++) {
            const struct value value = value_at(points.axes, points.param[i], points.place[i]);
            str_add(&list, i ? ", " : "");
            add_value(&list, &value);
        }
        str_add(&list, close);
    } while (points_next(&points));
    if (n < n_all) {
        str_add(text, open);
        for (int i = 0; i < points.n; i++)
            str_addf(text, "%s%s", i ? ", " : "", name_of(points.axes, points.param[i]));
        str_addf(text, "%s in [%s]", close, str_text(&list));
    }
    str_free(&list);
}

static void add_condition(json_t *conditions, const struct points *points,
                          const struct constraint *constraint, const char *expression) {
    json_t *names = json_array();
    for (int i = 0; i < points->n; i++)
        json_array_append_new(names, json_string(name_of(points->axes, points->param[i])));
    json_array_append_new(conditions, json_pack("{s:s,s:o,s:s}", "Expression", expression,
                                                "Parameters", names, "Meaning", constraint->text));
}

static json_t *conditions(const struct axes_of *a, struct str *note) {
    json_t *list = json_array();
    for (int c = 0; c < a->variant->n_constraints; c++) {
        const struct constraint *constraint = &a->variant->constraints[c];
        const bool with_layout = a->n_layouts > 1 && depends_on_layout(a, constraint);
        const struct points points = points_of(a, constraint->reads, with_layout);
        struct str text = {0};
        if (points_count(&points) > POINTS_MOST)
            str_addf(note, " Not listed, because it allows too many points: %s.", constraint->text);
        else if (points.n > 0) list_allowed(points, constraint, &text);
        if (text.length > 0)
            add_condition(list, &points, constraint,
                          is_said(points, constraint) ? constraint->text : text.text);
        str_free(&text);
    }
    return list;
}

/* ---- the document ---- */

static json_t *sizes(const size_t size[3]) {
    static const char *const axis[] = {"X", "Y", "Z"};
    json_t *object = json_object();
    for (int i = 0; i < 3; i++) {
        char text[24];
        snprintf(text, sizeof text, "%zu", size[i]);
        json_object_set_new(object, axis[i], json_string(text));
    }
    return object;
}

json_t *t1_space(const struct problem *problem, const struct variant *variant) {
    struct axes_of a = {.problem = problem, .variant = variant};
    struct problem here = *problem;
    struct config usual = {.variant = variant};
    struct geometry geometry = {0};
    struct str note = {0};
    char text[160];
    find_layouts(&a);
    if (a.n_layouts == 0) return NULL;
    here.layout = a.layouts[0];
    variant->fallback(&here, &usual);
    variant->geometry(&usual, &here, &geometry);
    problem_format(problem, text);
    str_addf(&note, "%s %s, class %s, by hone: work sizes are those of the default configuration.",
             problem->family->name, text, class_names[problem->class]);
    json_t *space = json_pack("{s:o,s:o}", "TuningParameters", parameters(&a, &usual), "Conditions",
                              conditions(&a, &note));
    json_t *document = json_pack(
        "{s:{s:s,s:s,s:s},s:o,s:{s:s,s:s,s:s,s:s,s:o,s:o}}", "General", "BenchmarkName",
        problem->family->name, "OutputFormat", "JSON", "Note", note.text, "ConfigurationSpace",
        space, "KernelSpecification", "Language", "OpenCL", "KernelName", geometry.stage[0].entry,
        "KernelFile", variant->source, "GlobalSizeType", "OpenCL", "GlobalSize",
        sizes(geometry.stage[0].global), "LocalSize", sizes(geometry.stage[0].local));
    str_free(&note);
    return document;
}
