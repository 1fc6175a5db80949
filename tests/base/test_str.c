/* test_str.c: growing strings, and the sentences of failures. */
#include "base/status.h"
#include "base/str.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(str, new_and_empty) {
    struct str s = {0};
    cr_assert_str_eq(str_text(&s), "");
    str_add(&s, "");
    cr_assert(s.length == 0 && s.text && s.text[0] == 0);
    str_free(&s);
    cr_assert(!s.text && !s.length && !s.capacity);
    str_free(&s);
}

Test(str, grows_byte_by_byte) {
    struct str s = {0};
    for (int i = 0; i < 100000; i++) str_add_bytes(&s, &"0123456789"[i % 10], 1);
    cr_assert(s.length == 100000 && s.capacity > s.length && s.text[100000] == 0);
    for (int i = 0; i < 100000; i++) cr_assert(s.text[i] == '0' + i % 10);
    str_clear(&s);
    cr_assert(s.length == 0 && s.capacity > 100000);
    cr_assert_str_eq(str_text(&s), "");
    str_free(&s);
}

Test(str, formats_at_the_end) {
    struct str s = {0};
    str_addf(&s, "%d", 12);
    str_addf(&s, "%s", "");
    str_addf(&s, "-%s-%.2f", "ab", 1.5);
    cr_assert_str_eq(s.text, "12-ab-1.50");
    str_add_bytes(&s, "\0x", 2);
    cr_assert(s.length == 12);
    str_free(&s);
}

Test(str, texts_of_their_own) {
    char *text = text_format("%05d", 42), *copy = text_copy(text), *empty = text_format("%s", "");
    cr_assert_str_eq(text, "00042");
    cr_assert(copy != text);
    cr_assert_str_eq(copy, text);
    cr_assert_str_eq(empty, "");
    free(text);
    free(copy);
    free(empty);
}

Test(str, memory_is_zeroed_and_kept_when_it_grows) {
    unsigned char *p = memory_new(100);
    for (int i = 0; i < 100; i++) cr_assert(p[i] == 0);
    memset(p, 7, 100);
    p = memory_grow(p, 100000);
    for (int i = 0; i < 100; i++) cr_assert(p[i] == 7);
    free(p);
    free(memory_new(0));
}

Test(status, fail_keeps_code_and_sentence) {
    struct error err = {0};
    cr_assert(fail(&err, STATUS_BUSY, "locking %s: held by %d", "x.db", 7) == STATUS_BUSY);
    cr_assert(err.status == STATUS_BUSY);
    cr_assert_str_eq(err.text, "locking x.db: held by 7");
    cr_assert(fail(NULL, STATUS_IO, "nobody listens") == STATUS_IO);
}

Test(status, the_cause_may_be_quoted_from_the_same_error) {
    struct error err = {0};
    fail(&err, STATUS_IO, "disk full");
    fail(&err, STATUS_DB, "storing a row: %s", err.text);
    cr_assert_str_eq(err.text, "storing a row: disk full");
    cr_assert(fail_while(&err, "tuning %s", "gemm") == STATUS_DB);
    cr_assert_str_eq(err.text, "tuning gemm: storing a row: disk full");
}

Test(status, long_sentences_are_cut_not_overrun) {
    struct {
        struct error err;
        char guard[8];
    } box = {.guard = "guarded"};
    char *filler = memory_new(5001);
    memset(filler, 'x', 5000);
    fail(&box.err, STATUS_BUILD, "%s", filler);
    cr_assert(strlen(box.err.text) == sizeof box.err.text - 1);
    fail_while(&box.err, "building %s", filler);
    cr_assert(strlen(box.err.text) == sizeof box.err.text - 1);
    cr_assert_str_eq(box.guard, "guarded");
    free(filler);
}

Test(status, every_code_has_its_row) {
    cr_assert(status_exit_code(OK) == 0);
    cr_assert_str_eq(status_name(OK), "OK");
    cr_assert(status_exit_code(STATUS_USAGE) == 2 && status_exit_code(STATUS_INTERRUPTED) == 130);
    for (enum status s = STATUS_NOMEM; s <= STATUS_INTERRUPTED; s++)
        cr_assert(status_exit_code(s) > 0 && status_name(s)[0]);
}
