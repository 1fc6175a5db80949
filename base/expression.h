/* expression.h: Python's expressions over numbers, words and lists, as far as files of tuning problems use
 * them: "block_size_x * block_size_y <= 1024 and tile in [1, 2, 4]", "[2**i for i in range(6)]". Nothing else of
 * Python: no attributes, no assignments, no calls but those of a few functions. Texts are hostile: depth,
 * length, items and steps are bounded, numbers that 64 bits do not hold and divisions by zero are errors. */
#pragma once
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a text; of all lists of an evaluation together; steps of an evaluation. */
enum { EXPRESSION_BYTES = 1 << 20, EXPRESSION_ITEMS = 1 << 18, EXPRESSION_STEPS = 1 << 20 };

enum value_kind { VALUE_INT, VALUE_REAL, VALUE_TEXT, VALUE_LIST };
struct value {
    enum value_kind kind;
    union {
        int64_t i; /* True and False are 1 and 0 */
        double x;
        const char *text;
        const struct value *items; /* n of them */
    };
    size_t n;
};
static inline struct value value_int(int64_t i) {
    return (struct value){.kind = VALUE_INT, .i = i};
}
static inline struct value value_real(double x) {
    return (struct value){.kind = VALUE_REAL, .x = x};
}
static inline struct value value_text(const char *text) {
    return (struct value){.kind = VALUE_TEXT, .text = text};
}
bool value_equal(const struct value *a, const struct value *b); /* 1 == 1.0; a word is no number */
bool value_is_true(const struct value *value);                  /* not 0, "" or [] */

struct expression;
/* `names` (ended by NULL; copied) are what it may read. INVALID says what is wrong, and where. */
enum status expression_parse(const char *text, const char *const *names, struct expression **out,
                             struct error *err);
void expression_close(struct expression *expression); /* NULL is fine */
/* Does it read name number i? */
bool expression_reads(const struct expression *expression, int i);
/* values: one a name. What *out points to stays until the next evaluation. INVALID: a division by zero, a number
 * that is too large, words where numbers belong, too many items or steps. Not for two threads at once. */
enum status expression_evaluate(struct expression *expression, const struct value *values,
                                struct value *out, struct error *err);
/* The same as a truth; one that cannot be evaluated is false. */
bool expression_holds(struct expression *expression, const struct value *values);
/* As a whole number within [low, high] (a real one without a fraction is one); INVALID says what it is. */
enum status expression_int(struct expression *expression, const struct value *values, int64_t low,
                           int64_t high, int64_t *out, struct error *err);
