/* test_verify.c: first-use checks: what the child finds is remembered, and it answers for the device
 * that was meant only. */
#include "runtime/verify.h"
#include "device/device.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(verify, .timeout = 120);

/* A small problem, its default, and a database of its own. */
struct scene {
    struct device *device;
    struct store *store;
    struct problem problem;
    struct config config;
};

static struct scene scene_open(void) {
    struct scene scene = {0};
    struct error err = {OK, ""};
    char path[1200];
    const char *program = getenv("HONE_PROGRAM");
    if (!program || !*program) cr_skip_test("HONE_PROGRAM names no program");
    if (device_open(NULL, &scene.device, &err) != OK) cr_skip_test("%s", err.text);
    snprintf(path, sizeof path, "%s/hone.db", test_folder());
    cr_assert_eq(store_open(path, STORE_WRITE, &scene.store, &err), OK, "%s", err.text);
    cr_assert_eq(problem_parse(slice_find("gemv"), "m=64,k=64,n=1", &scene.problem, &err), OK);
    cr_assert_eq(family_default(&scene.problem, &scene.config, &err), OK, "%s", err.text);
    return scene;
}

static void scene_close(struct scene *scene) {
    store_close(scene->store);
    device_close(scene->device);
}

/* How many findings the database holds. */
static long count_findings(const struct scene *scene) {
    char *csv = NULL;
    struct error err = {OK, ""};
    static const char sql[] = "SELECT count(*) AS n FROM facts WHERE kind = 'check'";
    cr_assert_eq(store_csv(scene->store, sql, &csv, &err), OK, "%s", err.text);
    const long n = strtol(strchr(csv, '\n') + 1, NULL, 10);
    free(csv);
    return n;
}

static bool verify_once(const struct scene *scene, char why[300]) {
    struct verify *verify = verify_open(scene->device, scene->store);
    const bool is_right = verify_config(verify, &scene->config, &scene->problem, why);
    verify_close(verify);
    return is_right;
}

Test(verify, what_is_right_is_remembered) {
    struct scene scene = scene_open();
    char why[300] = "";
    cr_assert(verify_once(&scene, why), "%s", why);
    cr_assert_eq(count_findings(&scene), 1);
    setenv("HONE_PROGRAM", "/bin/false", 1); /* nobody is asked again */
    cr_assert(verify_once(&scene, why), "%s", why);
    scene_close(&scene);
}

/* The number of a card that fell off the bus is the next one's, whose answer is about another device. */
Test(verify, another_device_under_the_same_number_says_nothing) {
    struct scene scene = scene_open();
    char why[300] = "";
    char *key = (char *)(uintptr_t)device_describe(scene.device)->model_key;
    key[0] = key[0] == 'x' ? 'y' : 'x';
    cr_assert_not(verify_once(&scene, why));
    cr_assert(strstr(why, "not the one that this began with"), "%s", why);
    cr_assert_eq(count_findings(&scene), 0);
    scene_close(&scene);
}

/* A finding, too: the kernel may have ended the process. */
Test(verify, a_child_that_dies_is_remembered) {
    struct scene scene = scene_open();
    char why[300] = "";
    setenv("HONE_PROGRAM", "/bin/false", 1);
    cr_assert_not(verify_once(&scene, why));
    cr_assert(strstr(why, "exited with code 1"), "%s", why);
    cr_assert_eq(count_findings(&scene), 1);
    scene_close(&scene);
}
