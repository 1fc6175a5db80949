/* test_t1_write.c: the T1 file of a kernel allows the points that its C functions allow, and no other. */
#include "base/expression.h"
#include "base/rng.h"
#include "base/str.h"
#include "tests/kernels/examples.h"
#include "tuner/t1_write.h"
#include <stdlib.h>

enum { POINTS = 300, CONDITIONS_MOST = 32 };

/* A T1 document as a reader sees it: names, values, conditions. */
struct document {
    json_t *root;
    const char *names[PARAMS + 2];
    struct expression *values[PARAMS + 1], *conditions[CONDITIONS_MOST];
    int n, n_conditions;
};

static struct expression *parsed(const char *text, const char *const *names) {
    struct expression *e = NULL;
    struct error err = {0};
    cr_assert_eq(expression_parse(text, names, &e, &err), OK, "%s", err.text);
    return e;
}

static void document_read(struct document *d, json_t *root) {
    const json_t *space = json_object_get(root, "ConfigurationSpace");
    static const char *const no_names[] = {NULL};
    size_t i;
    json_t *row;
    *d = (struct document){.root = root};
    json_array_foreach (json_object_get(space, "TuningParameters"), i, row) {
        d->names[d->n] = json_string_value(json_object_get(row, "Name"));
        d->values[d->n++] = parsed(json_string_value(json_object_get(row, "Values")), no_names);
    }
    json_array_foreach (json_object_get(space, "Conditions"), i, row) {
        cr_assert_lt(d->n_conditions, CONDITIONS_MOST);
        d->conditions[d->n_conditions++] =
            parsed(json_string_value(json_object_get(row, "Expression")), d->names);
    }
}

static void document_close(struct document *d) {
    for (int i = 0; i < d->n; i++) expression_close(d->values[i]);
    for (int i = 0; i < d->n_conditions; i++) expression_close(d->conditions[i]);
    json_decref(d->root);
}

/* A point drawn from the document's values: what it says of it, and what the constraints say. */
static bool point_agrees(const struct document *d, const struct problem *problem,
                         const struct variant *variant, struct rng *rng, bool *is_valid) {
    struct value point[PARAMS + 1];
    struct problem here = *problem;
    int value[PARAMS] = {0};
    const int shift = d->n - variant->n_params;
    for (int i = 0; i < d->n; i++) {
        struct value list;
        struct error err = {0};
        cr_assert_eq(expression_evaluate(d->values[i], NULL, &list, &err), OK, "%s", err.text);
        const size_t place = rng_below(rng, list.n);
        point[i] = list.items[place];
        if (i < shift) here.layout = layout_find(point[i].text);
        else value[i - shift] = variant->params[i - shift].values[place].value;
    }
    bool document_says = true;
    *is_valid = true;
    for (int c = 0; c < d->n_conditions; c++)
        document_says &= expression_holds(d->conditions[c], point);
    for (int c = 0; c < variant->n_constraints; c++)
        *is_valid &= variant->constraints[c].holds(value, &here);
    return document_says == *is_valid;
}

Test(t1_write, says_of_every_kernel_what_its_constraints_say) {
    size_t checked = 0, valid = 0, spaces = 0;
    for (const struct family *const *family = families; *family; family++) {
        struct examples examples = examples_of(*family);
        for (size_t i = 0; i < examples.n; i += 1 + examples.n / 6)
            for (const struct variant *const *v = (*family)->variants; *v; v++) {
                struct rng rng = rng_seed(i);
                struct document d;
                if (!(*v)->accepts(&examples.problem[i])) continue;
                document_read(&d, t1_space(&examples.problem[i], *v));
                /* Work sizes for people; the layout only where there are several. */
                cr_assert(d.n == (*v)->n_params || d.n == (*v)->n_params + 1);
                for (int p = 0; p < POINTS; p++, checked++) {
                    bool is_valid;
                    cr_assert(point_agrees(&d, &examples.problem[i], *v, &rng, &is_valid),
                              "%s %s, example %zu", (*family)->name, (*v)->name, i);
                    valid += is_valid;
                }
                document_close(&d);
                spaces++;
            }
        free(examples.problem);
    }
    cr_log_info("checked %zu points of %zu spaces, %zu valid", checked, spaces, valid);
    cr_assert_gt(valid, 500);
    cr_assert_gt(checked, 10 * POINTS);
}
