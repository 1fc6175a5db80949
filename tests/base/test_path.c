/* test_path.c: the XDG rules, folders that only their owner reads, whole files, mappings. */
#include "base/path.h"
#include "base/str.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void check_path(char *path, const char *expected) {
    cr_assert_str_eq(path, expected, "'%s', expected '%s'", path, expected);
    free(path);
}

Test(path, xdg_variables_win) {
    setenv("HOME", "/home/someone", 1);
    setenv("XDG_CACHE_HOME", "/c", 1);
    setenv("XDG_DATA_HOME", "/d", 1);
    check_path(path_cache("binaries"), "/c/hone/binaries");
    check_path(path_data("hone.db"), "/d/hone/hone.db");
}

Test(path, relative_empty_and_missing_xdg_variables_are_ignored) {
    setenv("HOME", "/home/someone", 1);
    setenv("XDG_CACHE_HOME", "cache", 1);
    setenv("XDG_DATA_HOME", "", 1);
    check_path(path_cache("x"), "/home/someone/.cache/hone/x");
    check_path(path_data("x"), "/home/someone/.local/share/hone/x");
    unsetenv("XDG_CACHE_HOME");
    check_path(path_cache("x"), "/home/someone/.cache/hone/x");
}

Test(path, without_home_the_path_is_still_absolute) {
    unsetenv("HOME");
    unsetenv("XDG_CACHE_HOME");
    char *path = path_cache("x");
    cr_assert(path[0] == '/');
    free(path);
    setenv("HOME", "relative", 1);
    path = path_cache("x");
    cr_assert(path[0] == '/');
    free(path);
}

Test(path, folders_are_made_for_their_owner_alone) {
    umask(0);
    char *deep = text_format("%s/a/b/c", test_folder());
    cr_assert(path_make_folder(deep, NULL) == OK);
    for (int level = 0; level < 3; level++) {
        struct stat info;
        cr_assert(stat(deep, &info) == 0 && S_ISDIR(info.st_mode));
        cr_assert((info.st_mode & 0777) == 0700, "%s has mode %o", deep, info.st_mode & 0777);
        *strrchr(deep, '/') = 0;
    }
    cr_assert(path_make_folder(deep, NULL) == OK, "a folder that is there is fine");
    free(deep);
}

Test(path, a_file_in_the_way_of_a_folder_is_named) {
    char *file = text_format("%s/file", test_folder()), *below = text_format("%s/below", file);
    struct error err = {0};
    cr_assert(path_write(file, "x", 1, NULL) == OK);
    cr_assert(path_make_folder(file, &err) == STATUS_IO && strstr(err.text, file));
    cr_assert(path_make_folder(below, &err) == STATUS_IO && strstr(err.text, file));
    cr_assert(path_make_parent(below, &err) == STATUS_IO);
    cr_assert(path_make_folder("", &err) == STATUS_INVALID);
    cr_assert(path_make_parent("here", &err) == OK && path_make_parent("/here", &err) == OK);
    free(file);
    free(below);
}

Test(path, what_is_written_is_read) {
    char *file = text_format("%s/new/folder/file", test_folder()), *bytes = NULL;
    size_t size = 0;
    struct error err = {0};
    cr_assert(path_write(file, "a\0b", 3, &err) == OK, "%s", err.text);
    cr_assert(path_read(file, 3, &bytes, &size, &err) == OK, "%s", err.text);
    cr_assert(size == 3 && !memcmp(bytes, "a\0b\0", 4));
    free(bytes);
    cr_assert(path_write(file, "", 0, &err) == OK);
    cr_assert(path_read(file, 100, &bytes, &size, &err) == OK && size == 0 && bytes[0] == 0);
    free(bytes);
    free(file);
}

Test(path, a_failed_write_leaves_the_old_file) {
    const char *folder = test_folder();
    char *file = text_format("%s/busy", folder), *inside = text_format("%s/busy/inside", folder);
    cr_assert(path_write(inside, "old", 3, NULL) == OK);
    struct error err = {0};
    cr_assert(path_write(file, "new", 3, &err) == STATUS_IO, "a folder is not replaced by a file");
    cr_assert(strstr(err.text, file) != NULL);
    char *bytes = NULL;
    size_t size = 0;
    cr_assert(path_read(inside, 10, &bytes, &size, NULL) == OK && size == 3);
    free(bytes);
    *strrchr(inside, '/') = 0;
    char *all = text_format("%s/*", folder);
    glob_t beside = {0};
    cr_assert(glob(all, 0, NULL, &beside) == 0 && beside.gl_pathc == 1,
              "the file beside must be gone");
    globfree(&beside);
    free(all);
    free(inside);
    free(file);
}

Test(path, reading_has_a_limit) {
    char *file = text_format("%s/file", test_folder()), *bytes = (char *)1;
    size_t size = 0;
    struct error err = {0};
    cr_assert(path_write(file, "12345", 5, NULL) == OK);
    cr_assert(path_read(file, 4, &bytes, &size, &err) == STATUS_INVALID && bytes == NULL);
    cr_assert(strstr(err.text, file) != NULL);
    free(file);
}

/* Folders, pipes, devices and what is not there: refused at once, named, nothing mapped. */
static void check_refused(const char *file) {
    struct error err = {0};
    struct map map = {.bytes = (const unsigned char *)"x", .size = 1};
    char *bytes = (char *)1;
    size_t size = 0;
    cr_assert(map_open(file, &map, &err) == STATUS_IO, "%s was mapped", file);
    cr_assert(map.bytes == NULL && map.size == 0);
    cr_assert(strstr(err.text, file) != NULL, "the sentence names the file: %s", err.text);
    cr_assert(path_read(file, 100, &bytes, &size, &err) == STATUS_IO && bytes == NULL);
    map_close(&map);
}

Test(path, only_regular_files_are_read, .timeout = 20) {
    const char *folder = test_folder();
    char *pipe = text_format("%s/pipe", folder), *missing = text_format("%s/missing", folder);
    cr_assert(mkfifo(pipe, 0600) == 0);
    check_refused(folder);
    check_refused(pipe);
    check_refused(missing);
    check_refused("/dev/zero");
    check_refused("/dev/null");
    free(pipe);
    free(missing);
}

Test(path, mapping_shows_the_bytes) {
    char *file = text_format("%s/file", test_folder());
    struct map map;
    struct error err = {0};
    cr_assert(path_write(file, "GGUF", 4, NULL) == OK);
    cr_assert(map_open(file, &map, &err) == OK, "%s", err.text);
    cr_assert(map.size == 4 && !memcmp(map.bytes, "GGUF", 4));
    map_close(&map);
    cr_assert(map.bytes == NULL && map.size == 0);
    map_close(&map);
    free(file);
}

Test(path, mapping_an_empty_file_gives_size_zero) {
    char *file = text_format("%s/empty", test_folder());
    struct map map = {.bytes = (const unsigned char *)"x", .size = 1};
    cr_assert(path_write(file, NULL, 0, NULL) == OK);
    cr_assert(map_open(file, &map, NULL) == OK && map.size == 0 && map.bytes == NULL);
    map_close(&map);
    free(file);
}

Test(path, a_mapping_knows_its_file_again) {
    char *file = text_format("%s/file", test_folder());
    struct map map;
    cr_assert(path_write(file, "GGUF", 4, NULL) == OK && map_open(file, &map, NULL) == OK);
    const uint64_t stamp = map.stamp;
    map_close(&map);
    cr_assert(map_open(file, &map, NULL) == OK && map.stamp == stamp, "nothing was written");
    map_close(&map);
    nanosleep(&(struct timespec){.tv_nsec = 20000000},
              NULL); /* file systems tell time by the tick */
    FILE *open = fopen(file, "r+e");
    cr_assert_not_null(open);
    cr_assert_eq(fwrite("X", 1, 1, open), 1);
    cr_assert_eq(fclose(open), 0);
    cr_assert(map_open(file, &map, NULL) == OK && map.stamp != stamp, "the same size, new bytes");
    map_close(&map);
    free(file);
}

Test(path, trimming_takes_what_was_used_longest_ago) {
    const char *folder = test_folder(), *names[] = {"a", "b", "c"};
    char *file[3], *below = text_format("%s/folder", folder);
    struct stat info;
    cr_assert(path_make_folder(below, NULL) == OK);
    for (int i = 0; i < 3; i++) {
        file[i] = text_format("%s/%s", folder, names[i]);
        cr_assert(path_write(file[i], "0123456789", 10, NULL) == OK);
        const struct timespec times[2] = {{1000 + i, 0}, {1000 + i, 0}};
        cr_assert_eq(utimensat(AT_FDCWD, file[i], times, 0), 0);
    }
    path_trim(folder, 30);
    for (int i = 0; i < 3; i++) cr_assert_eq(stat(file[i], &info), 0, "30 bytes may stay");
    path_use(file[0]);
    path_trim(folder, 29);
    cr_assert(stat(file[0], &info) == 0 && stat(file[1], &info) != 0 && stat(file[2], &info) == 0);
    path_trim(folder, 0);
    cr_assert(stat(file[0], &info) != 0 && stat(below, &info) == 0, "folders stay");
    path_trim(file[0], 0); /* is not there */
    for (int i = 0; i < 3; i++) free(file[i]);
    free(below);
}
