/* test_doctor.c: hone doctor: on this machine, and on copies of what others say in /proc, /sys and /dev. */
#include "tests/cli/answers.h"
#include "tests/support.h"
#include <sys/stat.h>

/* ---- support ---- */

/* A file below the folder, with its folders. */
static void put(const char *folder, const char *name, const char *text) {
    char *path = text_format("%s/%s", folder, name);
    struct error err = {OK, ""};
    cr_assert_eq(path_make_parent(path, &err), OK, "%s", err.text);
    cr_assert_eq(path_write(path, text, strlen(text), &err), OK, "%s", err.text);
    free(path);
}

static json_t *examined(const char *folder) {
    return program_json(HONE(folder, "doctor", "--root", folder, "--db", "none.db", "--json"));
}

static const char *word_of(const json_t *document, const char *check, const char *word) {
    size_t i;
    json_t *row;
    json_array_foreach (json_object_get(document, "checks"), i, row)
        if (!strcmp(json_string_value(json_object_get(row, "check")), check))
            return json_string_value(json_object_get(row, word));
    cr_assert_fail("there is no check %s", check);
    return "";
}

static void expect(const char *folder, const char *check, const char *level, const char *words) {
    json_t *document = examined(folder);
    const char *finding = word_of(document, check, "finding");
    cr_assert_str_eq(word_of(document, check, "level"), level, "%s: %s", check, finding);
    cr_assert(strstr(finding, words), "\"%s\" does not say \"%s\"", finding, words);
    /* What is not good says what to do, in the finding or beside it. */
    cr_assert(!strcmp(level, "good") || *word_of(document, check, "remedy") ||
              strstr(finding, ";"));
    json_decref(document);
}

/* ---- here ---- */

Test(doctor, every_check_answers_once) {
    static const char *const names[] = {
        "platform",  "drivers",  "permissions", "versions",   "database", "profile",    "cache",
        "measuring", "governor", "load",        "processors", "memory",   "huge pages", "PoCL"};
    const char *folder = test_folder();
    json_t *document = program_json(HONE(folder, "doctor", "--json"));
    const json_t *checks = json_object_get(document, "checks");
    cr_assert_eq(json_array_size(checks), sizeof names / sizeof *names);
    bool ready = true;
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *row = json_array_get(checks, i);
        cr_assert_str_eq(json_string_value(json_object_get(row, "check")), names[i]);
        cr_assert_gt(json_string_length(json_object_get(row, "finding")), 0);
        ready &= strcmp(json_string_value(json_object_get(row, "level")), "mend") != 0;
    }
    cr_assert_eq(json_is_true(json_object_get(document, "ready")), ready);
    json_decref(document);
}

Test(doctor, a_database_that_is_none_must_be_mended) {
    const char *folder = test_folder();
    program_write(folder, "bad.db", "no database");
    program_expect(HONE(folder, "doctor", "--db", "bad.db"), 1, "found something to mend");
    json_t *document = program_json(HONE(folder, "doctor", "--db", "bad.db", "--json"));
    cr_assert_str_eq(word_of(document, "database", "level"), "mend");
    cr_assert(strstr(word_of(document, "database", "finding"), "is no SQLite database"));
    cr_assert_not(json_is_true(json_object_get(document, "ready")));
    json_decref(document);
    expect(folder, "database", "note", "there is no database none.db yet");
    program_expect(HONE(folder, "doctor", "--device", "nonsense"), 2,
                   "no device is called \"nonsense\"");
}

Test(doctor, without_a_device_it_says_what_to_install) {
    const char *folder = test_folder();
    setenv("OCL_ICD_VENDORS", folder, 1);
    program_expect(HONE(folder, "doctor"), 1, "to mend");
    setenv("OCL_ICD_VENDORS", "/nonexistent", 1);
    json_t *document = program_json(HONE(folder, "doctor", "--json"));
    cr_assert_str_eq(word_of(document, "platform", "level"), "mend");
    cr_assert(strstr(word_of(document, "platform", "finding"), "pocl-opencl-icd"));
    cr_assert_str_eq(word_of(document, "drivers", "level"), "note");
    cr_assert_str_eq(word_of(document, "profile", "level"), "note");
    json_decref(document);
}

Test(doctor, settings_of_pocl) {
    const char *folder = test_folder();
    setenv("POCL_MAX_PTHREAD_COUNT", "1", 1);
    expect(folder, "PoCL", "note", "POCL_MAX_PTHREAD_COUNT=1");
    setenv("POCL_KERNEL_CACHE", "0", 1);
    expect(folder, "PoCL", "mend", "POCL_KERNEL_CACHE=0; POCL_MAX_PTHREAD_COUNT=1");
}

/* ---- elsewhere ---- */

Test(doctor, a_machine_that_tells_nothing_is_good) {
    const char *folder = test_folder();
    expect(folder, "governor", "good", "not told");
    expect(folder, "load", "good", "not told");
    expect(folder, "memory", "good", "not told");
    expect(folder, "huge pages", "good", "not told");
    expect(folder, "permissions", "good", "no GPU");
    expect(folder, "drivers", "note", "no driver is listed");
}

Test(doctor, a_driver_that_does_not_load) {
    const char *folder = test_folder();
    put(folder, "etc/OpenCL/vendors/gone.icd", "libgone-for-good.so.1\n");
    expect(folder, "drivers", "mend", "names libgone-for-good.so.1, which does not load");
}

/* hangs.c. */
Test(doctor, a_driver_that_never_ends_loading) {
    const char *folder = test_folder(), *named = getenv("HONE_PROGRAM");
    char *program = realpath(named && *named ? named : "build/hone", NULL);
    cr_assert_not_null(program, "set HONE_PROGRAM to the program");
    *strrchr(program, '/') = 0;
    char *library = text_format("%s/tests/cli/hangs.so", program);
    if (access(library, R_OK) != 0) cr_skip_test("%s was not built", library);
    put(folder, "etc/OpenCL/vendors/hangs.icd", library);
    expect(folder, "drivers", "mend", "the library process gave no answer before its deadline");
    free(library);
    free(program);
}

Test(doctor, governor_load_and_pages) {
    const char *folder = test_folder();
    put(folder, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
    put(folder, "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n");
    expect(folder, "governor", "good", "performance");
    put(folder, "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n");
    expect(folder, "governor", "note", "mixed");
    put(folder, "proc/loadavg", "999.50 1.0 1.0 3/4 5\n");
    expect(folder, "load", "note", "999.50 over the last minute");
    put(folder, "proc/loadavg", "0.01 1.0 1.0 3/4 5\n");
    expect(folder, "load", "good", "0.01");
    put(folder, "sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
    expect(folder, "huge pages", "note", "huge pages are off");
    put(folder, "sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    expect(folder, "huge pages", "good", "madvise");
}

static void clear(const char *folder, const char *name) {
    char *path = text_format("%s/%s", folder, name);
    remove(path);
    free(path);
}

/* A quota of a thousandth of a processor is less than any CPU device counts; a GPU does not care. */
Test(doctor, limits_of_containers_of_both_versions) {
    const char *folder = test_folder();
    json_t *list = program_json(HONE(folder, "devices", "--json"));
    const json_t *device = json_array_get(json_object_get(list, "devices"), 0);
    const char *type = json_string_value(json_object_get(device, "type"));
    const bool is_cpu = type && !strcmp(type, "CPU");
    json_decref(list);
    if (!is_cpu) cr_skip_test("the first device is no CPU");
    put(folder, "proc/meminfo", "MemTotal:       16777216 kB\n");
    expect(folder, "memory", "good", "16.0 GiB");
    expect(folder, "processors", "good", "no quota");
    /* Version 2: the group's own limit, or that of the nearest parent that shows. */
    put(folder, "proc/self/cgroup", "0::/box/inner\n");
    put(folder, "sys/fs/cgroup/box/cpu.max", "100 100000\n");
    put(folder, "sys/fs/cgroup/box/inner/memory.max", "1048576\n");
    expect(folder, "processors", "mend", "quota 0.001");
    expect(folder, "memory", "note", "the container gives 1.00 MiB");
    put(folder, "sys/fs/cgroup/box/cpu.max", "max 100000\n");
    put(folder, "sys/fs/cgroup/box/inner/memory.max", "max\n");
    expect(folder, "processors", "good", "no quota");
    expect(folder, "memory", "good", "16.0 GiB");
    /* Version 1, where the container sees its own group as the root. */
    clear(folder, "sys/fs/cgroup/box/cpu.max");
    put(folder, "proc/self/cgroup", "4:memory:/docker/7\n1:cpuacct,cpu:/docker/7\n");
    put(folder, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100\n");
    put(folder, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    put(folder, "sys/fs/cgroup/memory/memory.limit_in_bytes", "2097152\n");
    expect(folder, "processors", "mend", "quota 0.001");
    expect(folder, "memory", "note", "the container gives 2.00 MiB");
    put(folder, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put(folder, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    expect(folder, "processors", "good", "no quota");
    expect(folder, "memory", "good", "16.0 GiB");
    /* Any words. */
    put(folder, "proc/self/cgroup", "::::\n\n0\n0::\n/x");
    put(folder, "sys/fs/cgroup/cpu.max", "1e999 nan\n");
    expect(folder, "processors", "good", "no quota");
}

Test(doctor, a_device_file_that_may_not_be_opened) {
    if (geteuid() == 0) cr_skip_test("root may open everything");
    const char *folder = test_folder();
    put(folder, "dev/dri/renderD128", "");
    expect(folder, "permissions", "good", "all 1 device files");
    char *path = text_format("%s/dev/dri/renderD128", folder);
    cr_assert_eq(chmod(path, 0), 0);
    free(path);
    expect(folder, "permissions", "mend", "renderD128 may not be opened");
}
