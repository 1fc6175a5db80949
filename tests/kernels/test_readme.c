/* test_readme.c: kernels/README.md says what the registry says: families with fields and operands, and
 * every parameter of every variant with its meaning. Run from the root of the source tree. */
#include "base/str.h"
#include "kernels/kernel.h"
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES = 400 };

static struct {
    char *line[LINES];
    int n;
} readme;

static void read_lines(void) {
    static char text[1024];
    FILE *file = fopen("kernels/README.md", "re");
    cr_assert(file, "kernels/README.md is not here: run this from the root of the source tree");
    while (readme.n < LINES && fgets(text, sizeof text, file)) {
        text[strcspn(text, "\n")] = 0;
        readme.line[readme.n++] = text_copy(text);
    }
    cr_assert_lt(readme.n, LINES);
    fclose(file);
}
static void free_lines(void) {
    while (readme.n) free(readme.line[--readme.n]);
}
TestSuite(readme, .init = read_lines, .fini = free_lines);

/* Column `column` of a row of a table, without blanks around it; false when the line is no such row. */
static bool cell(const char *line, int column, char text[1024]) {
    for (int i = 0; i <= column; i++) {
        line = strchr(line, '|');
        if (!line++) return false;
    }
    line += strspn(line, " ");
    size_t length = strcspn(line, "|");
    if (line[length] != '|') return false;
    while (length && line[length - 1] == ' ') length--;
    snprintf(text, 1024, "%.*s", (int)length, line);
    return true;
}

/* Is `word` in the text, with no letter or digit beside it? */
static bool has_word(const char *text, const char *word) {
    for (const char *at = text; (at = strstr(at, word)); at++) {
        const unsigned char before = at > text ? (unsigned char)at[-1] : ' ';
        const unsigned char after = (unsigned char)at[strlen(word)];
        if (before < 128 && after < 128 && !isalnum(before) && before != '_' && !isalnum(after) &&
            after != '_')
            return true;
    }
    return false;
}

static const char *row_of_family(const char *name) {
    char first[1024];
    for (int i = 0; i < readme.n; i++)
        if (cell(readme.line[i], 0, first) && !strcmp(first, name)) return readme.line[i];
    return NULL;
}

Test(readme, families_with_fields_and_operands) {
    for (const struct family *const *f = families; *f; f++) {
        char fields[1024] = "", operands[1024] = "";
        const char *row = row_of_family((*f)->name);
        cr_expect(row && cell(row, 1, fields) && cell(row, 2, operands), "no row of %s",
                  (*f)->name);
        for (int i = 0; i < (*f)->n_fields; i++)
            cr_expect(has_word(fields, (*f)->fields[i].name), "%s: no field %s", (*f)->name,
                      (*f)->fields[i].name);
        const char *last = operands;
        for (int i = 0; i < (*f)->n_operands; i++) {
            const char *at = strstr(last, (*f)->operands[i].name);
            cr_expect(at, "%s: operand %s is missing or out of order", (*f)->name,
                      (*f)->operands[i].name);
            if (at) last = at + 1;
        }
    }
}

/* Is "matmul gemv, skinny · swiglu part" about this variant? */
static bool names_variant(const char *where, const char *family, const char *variant) {
    char *copy = text_copy(where), *rest = copy;
    bool found = false;
    for (char *part; !found && (part = strstr(rest, family)); rest = part + 1) {
        char *end = strstr(part, "·");
        const char keep = end ? *end : 0;
        if (end) *end = 0;
        found = has_word(part, family) && has_word(part + strlen(family), variant);
        if (end) *end = keep;
    }
    free(copy);
    return found;
}

/* Rows of the table of parameters that are about this one. */
static int rows_about(const char *family, const char *variant, const struct param *param) {
    char name[1024], meaning[1024], where[1024];
    int n = 0;
    for (int i = 0; i < readme.n; i++)
        n += cell(readme.line[i], 0, name) && !strcmp(name, param->name) &&
             cell(readme.line[i], 1, meaning) && !strcmp(meaning, param->meaning) &&
             cell(readme.line[i], 2, where) && names_variant(where, family, variant);
    return n;
}

Test(readme, every_parameter_once_with_its_meaning) {
    for (const struct family *const *f = families; *f; f++)
        for (const struct variant *const *v = (*f)->variants; *v; v++)
            for (int p = 0; p < (*v)->n_params; p++)
                cr_expect_eq(rows_about((*f)->name, (*v)->name, &(*v)->params[p]), 1,
                             "the table of parameters needs one row | %s | %s | %s %s |",
                             (*v)->params[p].name, (*v)->params[p].meaning, (*f)->name, (*v)->name);
}

static bool is_param_anywhere(const char *name, const char *meaning) {
    for (const struct family *const *f = families; *f; f++)
        for (const struct variant *const *v = (*f)->variants; *v; v++)
            for (int p = 0; p < (*v)->n_params; p++)
                if (!strcmp((*v)->params[p].name, name) &&
                    !strcmp((*v)->params[p].meaning, meaning))
                    return true;
    return false;
}

Test(readme, no_row_about_nothing) {
    char name[1024], meaning[1024];
    int i = 0, n = 0;
    while (i < readme.n && strstr(readme.line[i], "| parameter |") != readme.line[i]) i++;
    for (i += 2; i < readme.n && cell(readme.line[i], 0, name); i++, n++)
        cr_expect(cell(readme.line[i], 1, meaning) && is_param_anywhere(name, meaning),
                  "nothing has the parameter %s (%s)", name, meaning);
    cr_expect_gt(n, 20);
}
