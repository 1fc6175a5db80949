/* test_expression.c: Python's expressions: what they are worth, and texts that mean harm. */
#include "base/expression.h"
#include "base/str.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"x", "y", "word", "sizes", NULL};
static const struct value sizes[] = {{.kind = VALUE_INT, .i = 4096}, {.kind = VALUE_INT, .i = 30}};

static enum status worth(const char *text, struct value *out, struct expression **e,
                         struct error *err) {
    const struct value values[] = {value_int(32),
                                   value_real(2.5),
                                   value_text("vec"),
                                   {.kind = VALUE_LIST, .items = sizes, .n = 2}};
    const enum status st = expression_parse(text, names, e, err);
    return st == OK ? expression_evaluate(*e, values, out, err) : st;
}

Test(expression, whole_numbers_are_those_of_python) {
    static const struct {
        const char *text;
        int64_t is;
    } cases[] = {
        {"1 + 2 * 3", 7},
        {"(1 + 2) * 3", 9},
        {"2 ** 3 ** 2", 512},
        {"-2 ** 2", -4},
        {"-7 // 2", -4},
        {"-7 % 3", 2},
        {"7 % -3", -2},
        {"7 // -1", -7},
        {"1 << 4 | 3 & 2 ^ 1", 19},
        {"0x20 == x", 1},
        {"x % 32 != 0", 0},
        {"x*16<=1024 and x >= 16 or False", 1},
        {"not x == 32", 0},
        {"not (x == 32 and y > 3)", 1},
        {"16 < x <= 32", 1},
        {"16 < x < 32", 0},
        {"x in [16, 32, 64]", 1},
        {"x not in (16, 32)", 0},
        {"(x, word) in [(32, 'vec'), (16, \"no\")]", 1},
        {"(x, word) in [(32, 'no'), (16, 'vec')]", 0},
        {"word == 'vec'", 1},
        {"word == 1", 0},
        {"x if y > 2 else 0", 32},
        {"(sizes[0] // x) // 4", 32},
        {"sizes[-1]", 30},
        {"max(sizes) + min(3, 1, 2)", 4097},
        {"len([2**i for i in range(6)])", 6},
        {"sum([16*i for i in range(1, 9)])", 576},
        {"sum([i for i in range(3, 35, 2) if i % 3 == 0])", 3 + 9 + 15 + 21 + 27 + 33},
        {"len([[j for j in range(i)] for i in range(4)])", 4},
        {"abs(-5) + ceil(2.1) + floor(2.9) + int(-2.9)", 8},
        {"32 % ((8 * 8) / 16) == 0", 1},
        {"3 and 0 or 7", 7},
        {"len(range(10, 0, -3))", 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct expression *e = NULL;
        struct value value;
        struct error err = {0};
        cr_assert_eq(worth(cases[i].text, &value, &e, &err), OK, "%s", err.text);
        cr_assert_eq(value.kind, VALUE_INT, "%s", cases[i].text);
        cr_expect_eq(value.i, cases[i].is, "%s is %lld", cases[i].text, (long long)value.i);
        expression_close(e);
    }
}

Test(expression, real_numbers) {
    static const struct {
        const char *text;
        double is;
    } cases[] = {{"7 / 2", 3.5},    {"y * 2", 5},       {"7.5 // 2", 3},
                 {"-7.5 % 2", 0.5}, {"2 ** -1", 0.5},   {"1e3 + .5", 1000.5},
                 {"float(3)", 3},   {"max(1, y)", 2.5}, {"sum([0.5, 1])", 1.5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct expression *e = NULL;
        struct value value;
        struct error err = {0};
        cr_assert_eq(worth(cases[i].text, &value, &e, &err), OK, "%s", err.text);
        cr_assert_eq(value.kind, VALUE_REAL, "%s", cases[i].text);
        cr_expect_float_eq(value.x, cases[i].is, 1e-12, "%s is %g", cases[i].text, value.x);
        expression_close(e);
    }
}

Test(expression, what_is_none_or_fails_says_why) {
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "neither a number nor a name"},
        {"1 +", "neither a number nor a name"},
        {"1 2", "more than an expression"},
        {"x = 3", "more than an expression"},
        {"(1", "comma or a bracket"},
        {"unknown * 2", "unknown name"},
        {"__import__('os')", "unknown function"},
        {"x.real", "more than an expression"},
        {"'open", "without an end"},
        {"'a\\'b'", "backslash"},
        {"12abc", "no number"},
        {"99999999999999999999", "too large"},
        {"1e999", "no number"},
        {"1 // 0", "division by zero"},
        {"1 % 0", "division by zero"},
        {"1 / (x - 32)", "division by zero"},
        {"0 ** -1", "division by zero"},
        {"9223372036854775807 + 1", "64 bits"},
        {"(0 - 9223372036854775807 - 1) // -1", "64 bits"},
        {"2 ** 63", "64 bits"},
        {"10 ** 10 ** 10", "64 bits"},
        {"1 << 64", "64 bits"},
        {"1e300 * 1e300", "64 bits"},
        {"1.5 & 1", "whole numbers"},
        {"'a' + 1", "no number"},
        {"word < 1", "cannot be ordered"},
        {"x in 5", "wants a list"},
        {"sizes[2]", "no such place"},
        {"x[0]", "wants a list"},
        {"max([])", "extreme of nothing"},
        {"range(0, 1, 0)", "steps of 0"},
        {"len(range(10 ** 18))", "too many items"},
        {"len(range(-9223372036854775807, 9223372036854775807, 9223372036854775807)) / 0", "zero"},
        {"[[[i for i in range(999)] for j in range(999)] for k in range(999)]", "too many"},
        {"len([[0 for i in [1] if 0 * i] for j in range(200000)]) and sum([sum([k for k in "
         "range(1000)]) for i in range(9999)])",
         "too many"},
        {"abs()", "too few"},
        {"abs(1, 2)", "too many arguments"},
        {"1 if 2", "without 'else'"},
        {"x not 3", "without 'in'"},
        {"[i for in range(3)]", "unknown name"},
        {"[i for i range(3)]", "no 'in'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct expression *e = NULL;
        struct value value;
        struct error err = {0};
        cr_expect_eq(worth(cases[i].text, &value, &e, &err), STATUS_INVALID, "%s", cases[i].text);
        cr_expect(strstr(err.text, cases[i].why), "%s: \"%s\" does not say \"%s\"", cases[i].text,
                  err.text, cases[i].why);
        expression_close(e);
    }
}

/* n times the head, the middle, n times the tail. */
static char *repeated(const char *head, size_t n, const char *middle, const char *tail) {
    struct str s = {0};
    for (size_t i = 0; i < n; i++) str_add(&s, head);
    str_add(&s, middle);
    for (size_t i = 0; i < n; i++) str_add(&s, tail);
    return s.text;
}

Test(expression, texts_that_would_burst_the_stack_or_the_memory_are_refused) {
    static const struct {
        const char *head, *middle, *tail;
        size_t n;
    } cases[] = {
        {"(", "1", ")", 100000}, {"[", "1", "]", 100000},         {"-", "1", "", 100000},
        {"not ", "1", "", 1000}, {"x+", "1", "", 300000},         {"x and ", "1", "", 100000},
        {"x<", "1", "", 100000}, {"x if x else ", "1", "", 1000}, {"2**", "1", "", 1000},
        {"abs(", "x", ")", 500}, {"x", "", "[0]", 2000},          {"x+", "1", "", 600000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct expression *e = NULL;
        struct error err = {0};
        char *text = repeated(cases[i].head, cases[i].n, cases[i].middle, cases[i].tail);
        cr_expect_eq(expression_parse(text, names, &e, &err), STATUS_INVALID, "%zu times %s",
                     cases[i].n, cases[i].head);
        cr_expect_null(e);
        free(text);
    }
}

Test(expression, what_is_cut_short_or_changed_anywhere_never_harms) {
    static const char whole[] = "(x, 'w') in [(1, 'w'), (2.5, \"v\")] and not sizes[0] // (y - 2) "
                                "** 2 <= max([i*2 for i in "
                                "range(3, 35, 2) if i % 3]) or -x if word else 0x1f << 2";
    static const char marks[] = "([)]'\"*/%-+<>=!,. x0i";
    size_t checked = 0;
    char text[sizeof whole];
    for (size_t at = 0; at < sizeof whole - 1; at++)
        for (size_t m = 0; m < sizeof marks; m++) { /* the last one cuts */
            struct expression *e = NULL;
            struct value value;
            struct error err = {0};
            memcpy(text, whole, sizeof whole);
            text[at] = marks[m];
            worth(text, &value, &e, &err);
            expression_close(e);
            checked++;
        }
    cr_assert_gt(checked, 2000);
}

Test(expression, reads_and_bounds) {
    struct expression *e = NULL;
    struct error err = {0};
    int64_t n = 0;
    const struct value values[] = {value_int(8), value_real(2), value_text(""), value_int(0)};
    cr_assert_eq(expression_parse("x * y", names, &e, &err), OK);
    cr_expect(expression_reads(e, 0) && expression_reads(e, 1) && !expression_reads(e, 2));
    cr_expect_eq(expression_int(e, values, 1, 16, &n, &err), OK);
    cr_expect_eq(n, 16);
    cr_expect_eq(expression_int(e, values, 1, 15, &n, &err), STATUS_INVALID);
    cr_expect(expression_holds(e, values));
    expression_close(e);
    cr_assert_eq(expression_parse("1 % (x - 8) == 0", names, &e, &err), OK);
    cr_expect_not(expression_holds(e, values), "a division by zero holds");
    expression_close(e);
}
