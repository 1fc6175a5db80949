/* fields.c: see fields.h. */
#include "results/fields.h"
#include <math.h>
#include <string.h>

enum { DIGITS_MOST = 18 }; /* fit an int64_t */

bool field_next(const char **at, struct text_field *field) {
    const size_t length = strcspn(*at, ",");
    if (length == 0) return false;
    const char *equal = memchr(*at, '=', length);
    *field =
        (struct text_field){.name = *at, .name_length = equal ? (size_t)(equal - *at) : length};
    field->value = equal ? equal + 1 : *at + length;
    field->value_length = (size_t)(*at + length - field->value);
    field->is_size = field->value_length > 0 && field->value_length <= DIGITS_MOST &&
                     strspn(field->value, "0123456789") >= field->value_length;
    for (size_t i = 0; field->is_size && i < field->value_length; i++)
        field->size = 10 * field->size + (field->value[i] - '0');
    *at += length + ((*at)[length] == ',');
    return true;
}

int64_t field_n(const char *problem) {
    struct text_field field;
    while (field_next(&problem, &field))
        if (field.name_length == 1 && *field.name == 'n' && field.is_size) return field.size;
    return 0;
}

static bool same_text(const char *a, size_t a_length, const char *b, size_t b_length) {
    return a_length == b_length && !memcmp(a, b, a_length);
}

static enum apart compare_one(const struct text_field *a, const struct text_field *b,
                              double *distance) {
    if (!same_text(a->name, a->name_length, b->name, b->name_length)) return APART_UNRELATED;
    if (same_text(a->value, a->value_length, b->value, b->value_length)) return APART_NOT;
    if (!a->is_size || !b->is_size || a->size == 0 || b->size == 0) return APART_UNRELATED;
    *distance += fabs(log((double)a->size / (double)b->size));
    return same_text(a->name, a->name_length, "n", 1) ? APART_IN_N : APART_IN_SIZES;
}

enum apart fields_compare(const char *a, const char *b, double *distance) {
    enum apart apart = APART_NOT;
    *distance = 0;
    for (;;) {
        struct text_field x, y;
        const bool has_x = field_next(&a, &x), has_y = field_next(&b, &y);
        if (!has_x && !has_y) return apart;
        if (has_x != has_y) return APART_UNRELATED;
        const enum apart one = compare_one(&x, &y, distance);
        if (one == APART_UNRELATED) return one;
        if (one > apart) apart = one;
    }
}
