/* test_reach.c: the smallest size from which on all are read like memory, and the files that keep it. */
#include "tuner/reach.h"
#include "base/clock.h"
#include "base/path.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const size_t MIB = 1 << 20;

static size_t chosen(const double *gbps) {
    const size_t bytes[] = {64 * MIB, 128 * MIB, 256 * MIB, 512 * MIB, 656 * MIB};
    return reach_choose(bytes, gbps, 5) / MIB;
}

Test(reach, the_smallest_size_that_is_read_like_memory) {
    cr_assert_eq(chosen((const double[]){55, 43, 30, 28, 28}), 256);
    cr_assert_eq(chosen((const double[]){55, 28, 29, 28, 28}), 128);
    cr_assert_eq(chosen((const double[]){55, 55, 55, 40, 28}), 656);
    /* A neighbour made one slow: what lies beyond it counts. */
    cr_assert_eq(chosen((const double[]){55, 28, 50, 29, 28}), 512);
}

Test(reach, where_nothing_is_read_faster_all_may_be_in_a_cache) {
    cr_assert_eq(chosen((const double[]){28, 28, 29, 28, 28}), 656);
    const size_t one = 64 * MIB;
    cr_assert_eq(reach_choose(&one, (const double[]){28}, 1), one);
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
        _exit(got >= 32 * MIB && got <= most && (!expected || got == expected) ? 0 : 1);
    }
    int how = -1;
    cr_assert_eq(waitpid(pid, &how, 0), pid);
    cr_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0, "%s, %zu MiB", machine, most / MIB);
}

Test(reach, what_was_measured_is_kept_a_file_a_machine_and_question) {
    use_folder();
    know("a machine", 48 * MIB, 0);
    const size_t first = kept(1);
    cr_assert(first >= 32 * MIB && first <= 48 * MIB);
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
