/* test_rival.c: rivals as bench asks them. What a rival does wrong is played by a library of the
 * tests (rival_clblast.c). */
#include "base/str.h"
#include "tests/support.h"
#include "tuner/rival.h"
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char product[] = "m=128,k=64,n=8,w=f32";

static struct problem gemm(void) {
    struct problem problem;
    struct error err = {0};
    cr_assert_eq(problem_parse(slice_find("gemm"), product, &problem, &err), OK, "%s", err.text);
    problem.class = CLASS_F32;
    return problem;
}

static struct rival_place opened_place(int64_t tuning_ns) {
    struct rival_place place = {.tuning_ns = tuning_ns};
    struct error err = {0};
    char path[1200];
    snprintf(path, sizeof path, "%s/hone.db", test_folder());
    cr_assert_eq(device_open(NULL, &place.device, &err), OK, "%s", err.text);
    cr_assert_eq(store_open(path, STORE_WRITE, &place.store, &err), OK, "%s", err.text);
    return place;
}

static void close_place(struct rival_place *place) {
    store_close(place->store);
    device_close(place->device);
}

/* ---- facts of CLBlast's tuners ---- */

static char *fact_key(const char *kernel) {
    static char key[200];
    snprintf(key, sizeof key, "CLBlast %s %s f32", kernel, product);
    return key;
}

static void set_fact(const struct rival_place *place, const char *kernel, const char *value) {
    const struct device_info *info = device_describe(place->device);
    struct error err = {0};
    cr_assert_eq(store_fact_set(place->store, "rival", info->model_key, info->version_key,
                                fact_key(kernel), value, &err),
                 OK, "%s", err.text);
}

/* "": there is none. The caller frees. */
static char *get_fact(const struct rival_place *place, const char *kernel) {
    const struct device_info *info = device_describe(place->device);
    char *value = NULL;
    struct error err = {0};
    store_fact_get(place->store, "rival", info->model_key, info->version_key, fact_key(kernel),
                   &value, &err);
    return value ? value : text_copy("");
}

static void expect_fact(const struct rival_place *place, const char *kernel, const char *expected) {
    char *value = get_fact(place, kernel);
    cr_expect_str_eq(value, expected, "%s: %s", kernel, value);
    free(value);
}

/* ---- a rival that does things wrong ---- */

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
    struct rival_place place = opened_place(1);
    const struct problem problem = gemm();
    struct error err = {0};
    double time_ns = 0;
    char how[128] = "";
    const enum status st = rival_find("clblast")->time(&place, &problem, &time_ns, how, &err);
    cr_assert_eq(st, OK, "%s", err.text);
    cr_expect_str_eq(how, "W by row, C by output");
    cr_expect_gt(time_ns, 0);
    close_place(&place);
}

Test(rival, a_tuner_that_dies_is_not_asked_again_and_one_that_is_missing_is_said, .timeout = 300) {
    replace_clblast();
    struct rival_place place = opened_place(1);
    const struct problem problem = gemm();
    struct error err = {0};
    double time_ns;
    char how[128];
    const enum status st = rival_find("clblast_tuned")->time(&place, &problem, &time_ns, how, &err);
    cr_expect_eq(st, STATUS_UNSUPPORTED, "%s", status_name(st));
    cr_expect(strstr(err.text, "no tuner of Xgemm to call"), "%s", err.text);
    expect_fact(&place, "XgemmDirect", "{\"parameters\":\"\",\"tuning_ns\":1}");
    expect_fact(&place, "Xgemm", "");
    close_place(&place);
}

Test(rival, an_interrupt_is_no_outcome, .timeout = 300) {
    replace_clblast();
    const int interrupt = 1;
    struct rival_place place = opened_place(1);
    const struct problem problem = gemm();
    place.interrupt = &interrupt;
    for (size_t i = 0; rivals[i]; i++) {
        struct error err = {0};
        double time_ns;
        char how[128];
        const enum status st = rivals[i]->time(&place, &problem, &time_ns, how, &err);
        cr_expect(st == STATUS_INTERRUPTED || st == STATUS_UNSUPPORTED, "%s: %s", rivals[i]->name,
                  err.text);
    }
    expect_fact(&place, "XgemmDirect", "");
    close_place(&place);
}

/* ---- the true ones ---- */

static enum status time_rival(const struct rival *rival, const struct rival_place *place,
                              char how[128], struct error *err) {
    const struct problem problem = gemm();
    double time_ns = 0;
    const enum status st = rival->time(place, &problem, &time_ns, how, err);
    if (st == STATUS_UNSUPPORTED) cr_skip_test("%s", err->text);
    if (st == OK) cr_expect_gt(time_ns, 0);
    return st;
}

Test(rival, as_shipped, .timeout = 300) {
    struct rival_place place = opened_place(1);
    static const char *const names[] = {"openblas", "clblast"};
    for (int i = 0; i < 2; i++) {
        struct error err = {0};
        char how[128] = "";
        const enum status st = time_rival(rival_find(names[i]), &place, how, &err);
        cr_expect_eq(st, OK, "%s: %s", names[i], err.text);
        cr_expect_neq(*how, 0);
    }
    close_place(&place);
}

/* The other tuner is known to find nothing: it takes three times as long. */
Test(rival, what_a_tuner_finds_is_kept, .timeout = 300) {
    struct rival_place place = opened_place(1000000000);
    set_fact(&place, "Xgemm", "{\"parameters\":\"\",\"tuning_ns\":9000000000}");
    struct error err = {0};
    char how[128] = "";
    const enum status st = time_rival(rival_find("clblast_tuned"), &place, how, &err);
    cr_assert_eq(st, OK, "%s", err.text);
    char *text = get_fact(&place, "XgemmDirect");
    json_t *fact = json_loads(text, 0, NULL);
    const char *parameters = json_string_value(json_object_get(fact, "parameters"));
    cr_assert(parameters && strstr(parameters, "WGD="), "%s", text);
    cr_expect_eq(json_integer_value(json_object_get(fact, "tuning_ns")), 1000000000);
    /* Less time is no reason to tune again: that would be in the fact. */
    place.tuning_ns = 1;
    cr_expect_eq(time_rival(rival_find("clblast_tuned"), &place, how, &err), OK, "%s", err.text);
    expect_fact(&place, "XgemmDirect", text);
    json_decref(fact);
    free(text);
    close_place(&place);
}

/* Parameters reach CLBlast, which wants all of them. */
Test(rival, what_was_kept_is_what_runs, .timeout = 300) {
    struct rival_place place = opened_place(1);
    set_fact(&place, "XgemmDirect", "{\"parameters\":\"WGD=8\",\"tuning_ns\":9}");
    set_fact(&place, "Xgemm", "{\"parameters\":\"MWG=8\",\"tuning_ns\":9}");
    struct error err = {0};
    char how[128] = "";
    cr_expect_eq(time_rival(rival_find("clblast_tuned"), &place, how, &err), STATUS_INVALID);
    cr_expect(strstr(err.text, "CLBlast refuses parameters of Xgemm"), "%s", err.text);
    close_place(&place);
}
