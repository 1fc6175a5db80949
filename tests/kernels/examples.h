/* examples.h: the problems that a family's examples stand for.
 *
 * "m=65,k=96,n=3,w=f16" is that problem in every class and layout that some variant accepts;
 * "… f32 panel16" in this one only. Where a family has a stride for its output (ldc), every third
 * problem gets one wider than its rows: people cannot write it, the engine uses it. */
#pragma once
#include "base/str.h"
#include "kernels/kernel.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct examples {
    struct problem *problem;
    size_t n;
};

static inline bool has_field(const struct family *family, const char *name) {
    for (int f = 0; f < family->n_fields; f++)
        if (!strcmp(family->fields[f].name, name)) return true;
    return false;
}

static inline void example_add(struct examples *e, const struct problem *problem) {
    e->problem = memory_grow(e->problem, (e->n + 1) * sizeof *e->problem);
    struct problem *added = &e->problem[e->n++];
    *added = *problem;
    if (has_field(problem->family, "ldc") && e->n % 3 == 0)
        problem_set(added, "ldc", problem_get(problem, "m") + 5);
}

static inline void example_add_all(struct examples *e, struct problem problem) {
    const struct layout *found[LAYOUTS];
    for (int class = 0; class < CLASSES; class ++) {
        problem.class = (enum class_id) class;
        const size_t n = family_layouts(&problem, found);
        for (size_t i = 0; i < n; i++) {
            problem.layout = found[i];
            example_add(e, &problem);
        }
    }
}

static inline void example_parse(struct examples *e, const struct family *family,
                                 const char *text) {
    char fields[160], class[16], layout[16];
    struct problem problem;
    struct error err;
    const int n = sscanf(text, "%159s %15s %15s", fields, class, layout);
    cr_assert(n == 1 || n == 3, "example \"%s\" of %s", text, family->name);
    cr_assert_eq(problem_parse(slice_find(family->name), fields, &problem, &err), OK, "%s",
                 err.text);
    if (n == 1) {
        example_add_all(e, problem);
        return;
    }
    cr_assert(class_find(class) >= 0 && layout_find(layout), "example \"%s\"", text);
    problem.class = (enum class_id)class_find(class);
    problem.layout = layout_find(layout);
    example_add(e, &problem);
}

/* All of a family's; the caller frees .problem. */
static inline struct examples examples_of(const struct family *family) {
    struct examples e = {0};
    for (const char *const *text = family->examples; text && *text; text++)
        example_parse(&e, family, *text);
    return e;
}
