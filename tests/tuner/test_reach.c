/* test_reach.c: the smallest size from which on all are read like memory, and the file that keeps it. */
#include "tuner/reach.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const size_t MIB = 1 << 20;

static size_t chosen(const double *gbps) {
    const size_t bytes[] = {64 * MIB, 128 * MIB, 256 * MIB, 512 * MIB, 656 * MIB};
    return reach_choose(bytes, gbps, 5) / MIB;
}

Test(reach, the_smallest_size_that_is_read_like_memory) {
    cr_assert_eq(chosen((const double[]){55, 43, 30, 28, 28}), 256);
    cr_assert_eq(chosen((const double[]){30, 28, 29, 28, 28}), 64);
    cr_assert_eq(chosen((const double[]){55, 55, 55, 40, 28}), 656);
    /* A neighbour made one slow: what lies beyond it counts. */
    cr_assert_eq(chosen((const double[]){55, 28, 50, 29, 28}), 512);
}

Test(reach, what_is_measured_lies_between_and_is_kept_for_this_boot) {
    setenv("XDG_CACHE_HOME", test_folder(), 1);
    const size_t most = 96 * MIB, got = reach_known("a machine", most);
    cr_assert(got >= 48 * MIB && got <= most, "%zu", got);
    char *file = path_cache("reach"), *text = NULL;
    size_t size;
    cr_assert_eq(path_read(file, 4096, &text, &size, NULL), OK);
    char *line = text_format("\n%zu\n", got);
    cr_assert_not_null(strstr(text, "\na machine\n"));
    cr_assert_not_null(strstr(text, clock_boot_id()));
    cr_assert_not_null(strstr(text, line));
    free(line);
    free(text);
    free(file);
}

static size_t told(const char *text) {
    char *file = path_cache("reach");
    cr_assert_eq(path_make_parent(file, NULL), OK);
    cr_assert_eq(path_write(file, text, strlen(text), NULL), OK);
    free(file);
    return reach_known("a machine", 64 * MIB);
}

Test(reach, a_file_is_believed) {
    setenv("XDG_CACHE_HOME", test_folder(), 1);
    char *text = text_format("hone reach 2\na machine\nboot %s\nof %zu\n%zu\n", clock_boot_id(),
                             64 * MIB, 33 * MIB);
    cr_assert_eq(told(text), 33 * MIB);
    free(text);
}

Test(reach, a_file_with_nonsense_is_not) {
    setenv("XDG_CACHE_HOME", test_folder(), 1);
    char *text = text_format("hone reach 2\na machine\nboot %s\nof %zu\n%zu\n", clock_boot_id(),
                             64 * MIB, 65 * MIB);
    cr_assert_leq(told(text), 64 * MIB);
    free(text);
}
