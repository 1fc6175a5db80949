/* family.c: the registry of families, and what follows from their variants. */
#include "kernels/kernel.h"
#include <string.h>

#define FAMILY(name) extern const struct family name##_family;
#include "kernels/families.def"
#undef FAMILY

const struct family *const families[] = {
#define FAMILY(name) &name##_family,
#include "kernels/families.def"
#undef FAMILY
    NULL};

static const struct family *lent;
static struct slice lent_slice;

void family_lend(const struct family *family) {
    lent = family;
    if (family)
        lent_slice = (struct slice){family->name, family->name, "", 1, INT64_MAX, family->summary};
}

const struct slice *family_lent(void) {
    return lent ? &lent_slice : NULL;
}

const struct family *family_find(const char *name) {
    if (lent && !strcmp(lent->name, name)) return lent;
    for (const struct family *const *family = families; *family; family++)
        if (!strcmp((*family)->name, name)) return *family;
    return NULL;
}

const struct variant *variant_find(const struct family *family, const char *name) {
    for (const struct variant *const *variant = family->variants; *variant; variant++)
        if (!strcmp((*variant)->name, name)) return *variant;
    return NULL;
}

static const struct variant *variant_accepting(const struct problem *problem) {
    for (const struct variant *const *variant = problem->family->variants; *variant; variant++)
        if ((*variant)->accepts(problem)) return *variant;
    return NULL;
}

enum status family_default(const struct problem *problem, struct config *out, struct error *err) {
    const struct variant *variant = variant_accepting(problem);
    *out = (struct config){.variant = variant};
    if (variant) {
        variant->fallback(problem, out);
        return OK;
    }
    char text[160];
    problem_format(problem, text);
    return fail(err, STATUS_UNSUPPORTED, "no kernel of %s does %s in class %s with layout %s",
                problem->family->name, text, class_names[problem->class], problem->layout->name);
}

static bool has_weights(const struct family *family) {
    for (int f = 0; f < family->n_fields; f++)
        if (family->fields[f].kind == FIELD_WEIGHT) return true;
    return false;
}

/* Interleaved rows come first: what knows nothing of the device runs several times faster on them, on
 * vector units and on lanes alike, than row by row. */
static const enum layout_id layout_order[LAYOUTS] = {LAYOUT_panel16, LAYOUT_panel32, LAYOUT_panel64,
                                                     LAYOUT_rows};

size_t family_layouts(const struct problem *problem, const struct layout *out[LAYOUTS]) {
    size_t n = 0;
    for (int i = 0; i < LAYOUTS; i++) {
        struct problem one = *problem;
        one.layout = &layouts[layout_order[i]];
        const bool is_plain = layout_order[i] == LAYOUT_rows;
        if ((is_plain || has_weights(problem->family)) && variant_accepting(&one))
            out[n++] = one.layout;
    }
    return n;
}
