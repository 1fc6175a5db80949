/* test_rival.c: rivals as bench asks them. What a rival does wrong is played by a library of the tests
 * (rival_clblast.c). */
#include "tests/support.h"
#include "tuner/rival.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct device *opened_device(void) {
    struct device *device = NULL;
    struct error err = {0};
    cr_assert_eq(device_open(NULL, &device, &err), OK, "%s", err.text);
    return device;
}

static struct problem gemm(const char *text) {
    struct problem problem;
    struct error err = {0};
    cr_assert_eq(problem_parse(slice_find("gemm"), text, &problem, &err), OK, "%s", err.text);
    problem.class = CLASS_F32;
    return problem;
}

/* Children that are started from here on find the tests' library in place of CLBlast. */
static void replace_clblast(void) {
    const char *program = getenv("HONE_PROGRAM");
    char *absolute = realpath(program && *program ? program : "build/hone", NULL);
    char library[1200], link[1200];
    const char *folder = test_folder();
    cr_assert_not_null(absolute, "set HONE_PROGRAM to the program");
    *strrchr(absolute, '/') = 0;
    snprintf(library, sizeof library, "%s/tests/tuner/rival_clblast.so", absolute);
    free(absolute);
    snprintf(link, sizeof link, "%s/libclblast.so.1", folder);
    if (access(library, R_OK) != 0) cr_skip_test("%s was not built", library);
    cr_assert_eq(symlink(library, link), 0);
    setenv("LD_LIBRARY_PATH", folder, 1);
}

Test(rival, a_way_that_fails_or_dies_or_is_wrong_is_no_way, .timeout = 300) {
    replace_clblast();
    struct device *device = opened_device();
    const struct problem problem = gemm("m=96,k=40,n=8");
    struct error err = {0};
    double time_ns = 0;
    char how[128] = "";
    const enum status st = rival_find("clblast")->time(device, &problem, &time_ns, how, &err);
    cr_assert_eq(st, OK, "%s", err.text);
    cr_expect_str_eq(how, "W by row, C by output");
    cr_expect_gt(time_ns, 0);
    device_close(device);
}

/* What the true ones compute passes the check. */
Test(rival, products_are_checked, .timeout = 300) {
    struct device *device = opened_device();
    const struct problem problem = gemm("m=131,k=77,n=9");
    for (size_t i = 0; rivals[i]; i++) {
        struct error err = {0};
        double time_ns = 0;
        char how[128] = "";
        const enum status st = rivals[i]->time(device, &problem, &time_ns, how, &err);
        cr_assert(st == OK || st == STATUS_UNSUPPORTED, "%s: %s", rivals[i]->name, err.text);
        if (st == OK) cr_expect_gt(time_ns, 0);
    }
    device_close(device);
}
