/* test_parallel.c: every number once, whatever the number of processors; the first failure is told. */
#include "base/parallel.h"
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>

enum { NUMBERS = 1000 };

struct tally {
    atomic_int times[NUMBERS];
    int64_t bad; /* the piece that holds this number fails */
};

static enum status count(void *context, int64_t first, int64_t last, struct error *err) {
    struct tally *tally = context;
    for (int64_t i = first; i < last; i++) {
        if (i == tally->bad) return fail(err, STATUS_NOMEM, "number %d", (int)i);
        tally->times[i]++;
    }
    return OK;
}

Test(parallel, every_number_once) {
    for (int64_t n = 0; n <= NUMBERS; n += n < 20 ? 1 : 49) {
        struct tally tally = {.bad = -1};
        cr_assert_eq(parallel_for(n, count, &tally, NULL), OK);
        for (int64_t i = 0; i < NUMBERS; i++)
            cr_assert_eq(tally.times[i], i < n, "%d of %d", (int)i, (int)n);
    }
}

Test(parallel, a_failure_is_told) {
    const int64_t bad[] = {0, NUMBERS - 1};
    for (int i = 0; i < 2; i++) {
        struct tally tally = {.bad = bad[i]};
        struct error err = {0};
        char sentence[32];
        snprintf(sentence, sizeof sentence, "number %d", (int)bad[i]);
        cr_assert_eq(parallel_for(NUMBERS, count, &tally, &err), STATUS_NOMEM);
        cr_assert_str_eq(err.text, sentence);
        cr_assert_eq(parallel_for(NUMBERS, count, &tally, NULL), STATUS_NOMEM);
    }
}
