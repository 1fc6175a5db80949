/* test_features.c: features are found in a child, survive its death, and are kept. With no
 * HONE_PROGRAM in the environment nobody can be the child. */
#include "base/clock.h"
#include "base/path.h"
#include "device/device.h"
#include "device/feature_tests.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct error err;

static void fresh_cache(void) {
    setenv("XDG_CACHE_HOME", test_folder(), 1);
}

TestSuite(features, .init = fresh_cache, .timeout = 300);

static bool host_has(const char *flag) {
    char line[16384];
    bool found = false;
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f && !found && fgets(line, sizeof line, f))
        found = strncmp(line, "flags", 5) == 0 && strstr(line, flag);
    if (f) fclose(f);
    return found;
}

static void need_program(void) {
    const char *program = getenv("HONE_PROGRAM");
    if (!program || access(program, X_OK) != 0) cr_skip_test("HONE_PROGRAM names no program");
}

static struct device *need_bare_device(void) {
    struct device *device = NULL;
    if (device_open_bare(NULL, &device, &err) != OK) cr_skip_test("%s", err.text);
    return device;
}

/* Of the first device. */
static enum status find_features(uint64_t *bits) {
    struct device *device = need_bare_device();
    const enum status st = device_find_features(device_describe(device), 0, bits, &err);
    device_close(device);
    return st;
}

Test(features, have_names_and_meanings) {
    for (int f = 0; f < FEATURES; f++) {
        cr_assert(strlen(feature_name(f)) > 0 && strlen(feature_meaning(f)) > 0);
        for (int g = 0; g < f; g++) cr_assert_str_neq(feature_name(f), feature_name(g));
    }
    cr_assert_str_eq(feature_name(FEATURE_grid_barrier), "grid_barrier");
}

Test(features, without_a_child_there_are_none) {
    uint64_t bits = 1;
    unsetenv("HONE_PROGRAM");
    cr_assert_eq(find_features(&bits), STATUS_UNSUPPORTED);
    cr_assert_eq(bits, 0);
    cr_assert(strstr(err.text, "HONE_PROGRAM"), "%s", err.text);
}

/* What is not there has a reason, in one line. */
Test(features, tests_say_why_not) {
    struct device *device = need_bare_device();
    char why[400] = "";
    if (strstr(device_describe(device)->architecture, "compute capability")) {
        cr_assert_not(feature_test(device, FEATURE_x86_vnni, why, sizeof why));
        cr_assert(strlen(why) > 0);
    }
    if (!strstr(device_describe(device)->extensions, "cl_khr_integer_dot_product")) {
        bool has = feature_test(device, FEATURE_int_dot, why, sizeof why);
        cr_assert_eq(has, strlen(why) == 0);
        cr_assert_null(strchr(why, '\n'));
    }
    device_close(device);
}

Test(features, are_found_in_a_child_and_kept) {
    need_program();
    struct device *device = need_bare_device();
    enum device_type type = device_describe(device)->type;
    bool is_pocl = strstr(device_describe(device)->platform, "Portable Computing");
    bool is_x86 = strncmp(device_describe(device)->architecture, "x86_64", 6) == 0;
    device_close(device);
    uint64_t bits, again;
    cr_assert_eq(find_features(&bits), OK, "%s", err.text);
    if (type == DEVICE_CPU) cr_assert_not(bits >> FEATURE_ptx_mma & 1, "a CPU has no tensor cores");
    if (is_pocl && is_x86 && type == DEVICE_CPU) {
        cr_assert_eq(bits >> FEATURE_x86_vnni & 1, host_has("avx512_vnni"));
        cr_assert_eq(bits >> FEATURE_x86_avx2 & 1, host_has("avx2"));
        cr_assert_eq(bits >> FEATURE_x86_avx512 & 1, host_has("avx512f"));
        cr_assert(bits >> FEATURE_fp64 & 1);
    }
    /* kept: found again at once, and without a child */
    unsetenv("HONE_PROGRAM");
    int64_t start_ns = clock_now_ns();
    cr_assert_eq(find_features(&again), OK, "%s", err.text);
    cr_assert_eq(again, bits);
    cr_assert_lt(clock_now_ns() - start_ns, 1000000000);
    cr_assert_eq(device_open(NULL, &device, &err), OK, "%s", err.text);
    cr_assert_eq(device_features(device), bits);
    device_close(device);
}

/* The number of a card that fell off the bus is the next one's, which has features of its own. */
Test(features, of_another_device_are_not_kept) {
    need_program();
    struct device *device = need_bare_device();
    struct device_info other = *device_describe(device);
    uint64_t bits = 1;
    other.model_key[0] = other.model_key[0] == 'x' ? 'y' : 'x';
    cr_assert_eq(device_find_features(&other, 0, &bits, &err), STATUS_DEVICE);
    cr_assert(strstr(err.text, "not the one that this began with"), "%s", err.text);
    char *folder = path_cache("features");
    cr_assert(bits == 0 && access(folder, F_OK) != 0, "%s", folder);
    free(folder);
    device_close(device);
}

/* /bin/false dies at once, whatever it is asked: no features, no hang, no crash here. */
Test(features, a_dying_child_costs_features_only) {
    setenv("HONE_PROGRAM", "/bin/false", 1);
    uint64_t bits = 1;
    cr_assert_eq(find_features(&bits), OK, "%s", err.text);
    cr_assert_eq(bits, 0);
}

/* A cache file that is cut short or says something else is not believed. */
Test(features, a_damaged_file_is_not_believed) {
    setenv("HONE_PROGRAM", "/bin/false", 1);
    uint64_t bits;
    cr_assert_eq(find_features(&bits), OK, "%s", err.text);
    char *folder = path_cache("features"), file[1024] = "", *bytes;
    size_t size;
    DIR *dir = opendir(folder);
    cr_assert_not_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.') snprintf(file, sizeof file, "%s/%s", folder, entry->d_name);
    closedir(dir);
    free(folder);
    cr_assert_eq(path_read(file, 1 << 16, &bytes, &size, &err), OK);
    cr_assert_eq(path_write(file, bytes, size - size / 4, &err), OK);
    free(bytes);
    unsetenv("HONE_PROGRAM");
    cr_assert_eq(find_features(&bits), STATUS_UNSUPPORTED);
}
