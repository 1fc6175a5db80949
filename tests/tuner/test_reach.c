/* test_reach.c: the smallest size from which on all are read like memory, and the files that keep it. */
#include "tuner/reach.h"
#include "base/clock.h"
#include "base/path.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const size_t MIB = 1 << 20;

/* A cache of so many MiB beside a memory of 28 GB/s; what is larger is read a bit faster for a while. */
struct machine {
    double cache_mib, cache_gbps;
};
static double scripted_gbps(void *context, size_t bytes) {
    const struct machine *m = context;
    const double mib = (double)bytes / (double)MIB, in = m->cache_mib / mib;
    return in >= 1 ? m->cache_gbps : 28 + (m->cache_gbps - 28) * pow(in, 4);
}
static size_t found(double cache_mib, double cache_gbps, size_t most_mib) {
    struct machine m = {cache_mib, cache_gbps};
    return reach_search(most_mib * MIB, scripted_gbps, &m) / MIB;
}

Test(reach, the_smallest_size_that_is_read_like_memory) {
    cr_assert_eq(found(100, 55, 1200), 192);
    cr_assert_eq(found(150, 55, 1200), 384);
    cr_assert_eq(found(40, 55, 1200), 128);
    cr_assert_eq(found(500, 55, 1200), 1024);
    cr_assert_eq(found(100, 55, 150), 150);
    cr_assert_eq(found(100, 55, 64), 64);
}

Test(reach, where_little_is_read_no_faster_all_may_be_in_a_cache) {
    cr_assert_eq(found(2000, 55, 1200), 1200);
    cr_assert_eq(found(100, 28, 1200), 1200);
}

static const char *folder;

static void use_folder(void) {
    if (!*clock_boot_id()) cr_skip_test("nothing is kept where the system does not name its boot");
    folder = test_folder();
    setenv("XDG_CACHE_HOME", folder, 1);
}

/* The value that is kept, 0: none. */
static size_t kept(size_t n_files) {
    char reach[1100];
    size_t bytes = 0, files = 0;
    snprintf(reach, sizeof reach, "%s/hone/reach", folder);
    DIR *dir = opendir(reach);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char file[1400], *text = NULL, *last;
        size_t size;
        if (entry->d_name[0] == '.') continue;
        files++;
        snprintf(file, sizeof file, "%s/%s", reach, entry->d_name);
        cr_assert_eq(path_read(file, 4096, &text, &size, NULL), OK);
        cr_assert_eq(text[size - 1], '\n');
        text[size - 1] = 0;
        last = strrchr(text, '\n');
        bytes = strtoul(last + 1, NULL, 10);
        free(text);
    }
    if (dir) closedir(dir);
    cr_assert_eq(files, n_files);
    return bytes;
}

/* Each in a process of its own, which remembers nothing. */
static void know(const char *machine, size_t most, size_t expected) {
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        const size_t got = reach_known(machine, most);
        _exit(got > 0 && got <= most && (!expected || got == expected) ? 0 : 1);
    }
    int how = -1;
    cr_assert_eq(waitpid(pid, &how, 0), pid);
    cr_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0, "%s, %zu MiB", machine, most / MIB);
}

Test(reach, what_was_measured_is_kept_a_file_a_machine_and_question) {
    use_folder();
    know("a machine", 48 * MIB, 0);
    const size_t first = kept(1);
    cr_assert(first > 0 && first <= 48 * MIB);
    know("a machine", 48 * MIB, first);
    kept(1);
    know("another", 48 * MIB, 0);
    know("another", 64 * MIB, 0);
    kept(3);
}

/* What stands in the only file: another boot, or nonsense. */
static void spoil(const char *from, const char *to) {
    char command[2600];
    snprintf(command, sizeof command, "sed -i 's/%s/%s/' '%s'/hone/reach/*", from, to, folder);
    cr_assert_eq(system(command), 0);
}

Test(reach, a_file_is_believed_only_if_it_is_of_this_boot_and_possible) {
    use_folder();
    know("a machine", 48 * MIB, 0);
    spoil("^[0-9]*$", "34603008"); /* 33 MiB */
    know("a machine", 48 * MIB, 33 * MIB);
    spoil("^boot .*", "boot another");
    know("a machine", 48 * MIB, 0);
    cr_assert_neq(kept(1), 33 * MIB);
    spoil("^[0-9]*$", "50331649"); /* more than was asked for */
    know("a machine", 48 * MIB, 0);
    cr_assert_leq(kept(1), 48 * MIB);
}

Test(reach, without_a_cache_folder_it_is_measured_all_the_same) {
    setenv("XDG_CACHE_HOME", "/dev/null/nowhere", 1);
    know("a machine", 48 * MIB, 0);
}
