/* fields.h: the text form of a problem, "m=12288,k=4096,n=32,w=q4:128", as fields, and how far two
 * problems are apart. Private to results/, which knows no families: what is digits only is a size. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_field {
    const char *name, *value; /* in the problem's text, not NUL-terminated */
    size_t name_length, value_length;
    bool is_size;
    int64_t size;
};
/* The field at *at, which moves on; false at the end. */
bool field_next(const char **at, struct text_field *field);
/* The field named n of a problem's text; 0: it has none. */
int64_t field_n(const char *problem);

enum apart { APART_NOT, APART_IN_N, APART_IN_SIZES, APART_UNRELATED };
/* Σ |ln(a/b)| over the sizes in *distance. Unrelated: other fields, other texts, a size of 0 and one
 * that is not. */
enum apart fields_compare(const char *a, const char *b, double *distance);
