/* test_utf8.c: where characters end; what of a stranger's text is shown. */
#include "base/utf8.h"
#include <criterion/criterion.h>
#include <string.h>

Test(utf8, characters_and_what_is_none) {
    static const struct {
        const char *text;
        size_t n;
    } cases[] = {
        {"a", 1},
        {"\xc3\xa4", 2},
        {"\xe2\x82\xac", 3},
        {"\xf0\x9f\xa6\x99", 4},
        {"\xf4\x8f\xbf\xbf", 4}, /* U+10FFFF */
        {"\xf4\x90\x80\x80", 0}, /* beyond */
        {"\xed\x9f\xbf", 3},     /* before the surrogates */
        {"\xed\xa0\x80", 0},     /* a surrogate */
        {"\xc0\x80", 0},         /* overlong */
        {"\xe0\x9f\xbf", 0},     /* overlong */
        {"\xf0\x8f\xbf\xbf", 0}, /* overlong */
        {"\x80", 0},
        {"\xff", 0},
        {"\xe2\x82", 0}, /* not all of it */
        {"\xe2\x82x", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_eq(utf8_character(cases[i].text, strlen(cases[i].text)), cases[i].n, "case %zu",
                     i);
    cr_assert_eq(utf8_character("\0x", 2), 1);
}

Test(utf8, complete_keeps_back_what_may_go_on) {
    static const struct {
        const char *bytes;
        size_t complete;
    } cases[] = {
        {"", 0},
        {"abc", 3},
        {"\xc3", 0},
        {"a\xc3", 1},
        {"a\xc3\xa4", 3},
        {"\xe2\x82", 0},
        {"\xe2\x82\xac", 3},
        {"\xf0\x9f\x98", 0},
        {"x\xf0\x9f", 1},
        {"\xf0\x9f\x98\x80", 4},
        {"\x80", 1},
        {"\x80\x80\x80\x80", 4},
        {"\xff", 1},
        {"\xc0", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_eq(utf8_complete(cases[i].bytes, strlen(cases[i].bytes)), cases[i].complete,
                     "case %zu", i);
}

Test(utf8, printable_shows_no_control_and_cuts_between_characters) {
    char out[8];
    cr_assert_str_eq(utf8_printable("a\033[2J\x7f", 6, out, sizeof out), "a?[2J?");
    cr_assert_str_eq(utf8_printable("\xff\xc3\xa4\0b", 5, out, sizeof out), "?\xc3\xa4?b");
    cr_assert_str_eq(utf8_printable("\xc2\x9b"
                                    "1m",
                                    4, out, sizeof out),
                     "?1m");
    cr_assert_str_eq(utf8_printable("123456\xc3\xa4", 8, out, sizeof out), "123456");
    cr_assert_str_eq(utf8_printable("12345\xc3\xa4", 7, out, sizeof out), "12345\xc3\xa4");
    cr_assert_str_eq(utf8_printable("abc", 3, out, 1), "");
}
