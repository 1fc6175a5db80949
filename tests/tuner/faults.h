/* faults.h: programs over an OpenCL that fails on request (tests/device/faults.c), and what must hold whatever
 * fails: they end, by themselves and in time, with a code and a sentence; no process of theirs is left, nor a
 * lock; the database is whole. */
#pragma once
#include "base/clock.h"
#include "base/path.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A folder with a database, caches that know the features of the device, what the last program said. */
struct scene {
    const char *folder;
    char program[1024], preload[1100], cache[1100], database[1100];
};

struct ending {
    int code; /* of the exit; −1: killed */
    char *out, *err;
    int64_t count; /* calls that the last fault of the story was about */
};

static inline void ending_free(struct ending *ending) {
    free(ending->out);
    free(ending->err);
}

static inline char *scene_text(const struct scene *scene, const char *name) {
    char path[1200], *bytes = NULL;
    size_t size;
    struct error err = {OK, ""};
    snprintf(path, sizeof path, "%s/%s", scene->folder, name);
    cr_assert_eq(path_read(path, 1 << 24, &bytes, &size, &err), OK, "%s", err.text);
    return bytes;
}

/* Finding features takes longer than a session: they are taken from the caches of all tests. */
static inline void scene_link_features(const struct scene *scene) {
    char *known = path_cache("features/none"), link[1200];
    snprintf(link, sizeof link, "%s/hone", scene->cache);
    cr_assert(mkdir(scene->cache, 0700) == 0 && mkdir(link, 0700) == 0);
    cr_assert_eq(path_make_parent(known, NULL), OK);
    *strrchr(known, '/') = 0;
    snprintf(link, sizeof link, "%s/hone/features", scene->cache);
    cr_assert_eq(symlink(known, link), 0);
    free(known);
}

/* Skips the running test where the library was not built. */
static inline struct scene scene_open(void) {
    struct scene scene = {.folder = test_folder()};
    const char *program = getenv("HONE_PROGRAM");
    char *absolute = realpath(program && *program ? program : "build/hone", NULL);
    cr_assert_not_null(absolute, "set HONE_PROGRAM to the program");
    snprintf(scene.program, sizeof scene.program, "%s", absolute);
    *strrchr(absolute, '/') = 0;
    snprintf(scene.preload, sizeof scene.preload, "%s/tests/device/faults.so", absolute);
    free(absolute);
    if (access(scene.preload, R_OK) != 0) cr_skip_test("%s was not built", scene.preload);
    snprintf(scene.cache, sizeof scene.cache, "%s/cache", scene.folder);
    snprintf(scene.database, sizeof scene.database, "%s/hone.db", scene.folder);
    scene_link_features(&scene);
    return scene;
}

static inline int scene_remove(const char *path, const struct stat *info, int kind,
                               struct FTW *at) {
    (void)info, (void)kind;
    return at->level > 0 ? remove(path) : 0;
}

/* As if nothing had been played yet. */
static inline void scene_clear(const struct scene *scene) {
    cr_assert_eq(nftw(scene->folder, scene_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
    scene_link_features(scene);
}

/* ---- running ---- */

static inline void scene_redirect(const struct scene *scene, const char *name, int to) {
    char path[1200];
    snprintf(path, sizeof path, "%s/%s", scene->folder, name);
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || dup2(fd, to) < 0) _exit(99);
}

/* The program's part. */
static inline void scene_become(const struct scene *scene, const char *program, const char *fault,
                                const char *const *arguments) {
    enum { MOST = 30 };
    const char *argv[MOST + 2] = {"hone"};
    char counted[1200];
    for (size_t i = 0; i < MOST && arguments[i]; i++) argv[i + 1] = arguments[i];
    scene_redirect(scene, "out", STDOUT_FILENO);
    scene_redirect(scene, "err", STDERR_FILENO);
    unsetenv("BXFI_MAP"); /* Criterion's: another program is none of its tests */
    setenv("HONE_PROGRAM", scene->program, 1);
    setenv("XDG_CACHE_HOME", scene->cache, 1);
    setenv("HONE_DB", scene->database, 1);
    if (fault) {
        snprintf(counted, sizeof counted, "%s/counted", scene->folder);
        setenv("HONE_FAULT_STATE", counted, 1);
        setenv("HONE_FAULT", fault, 1);
        setenv("LD_PRELOAD", scene->preload, 1);
    }
    execv(program, (char *const *)(uintptr_t)argv);
    _exit(99);
}

/* Wait for one child (0: all that there are) for so long: whether it ended in time. */
static inline bool scene_wait(pid_t pid, int *status, double seconds) {
    const int64_t end = clock_now_ns() + (int64_t)(seconds * 1e9);
    for (;;) {
        const pid_t got = waitpid(pid ? pid : -1, status, WNOHANG);
        if (got < 0 && errno == ECHILD) return true;
        if (got > 0 && pid) return true;
        if (got == 0 && clock_now_ns() > end) return false;
        if (got == 0) clock_sleep_ns(1000000);
    }
}

/* Locks that somebody still holds. */
static inline int scene_count_locks(const struct scene *scene) {
    char pattern[1200];
    glob_t found;
    int held = 0;
    snprintf(pattern, sizeof pattern, "%s/hone/locks/*", scene->cache);
    if (glob(pattern, 0, NULL, &found) != 0) return 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const int fd = open(found.gl_pathv[i], O_RDWR | O_CLOEXEC);
        held += flock(fd, LOCK_EX | LOCK_NB) != 0;
        close(fd);
    }
    globfree(&found);
    return held;
}

enum { STORY_MOST = 16 }; /* faults of a story; ORDER faults.c: PLANS */

/* How many calls each fault of the story was about so far. */
static inline void scene_counts(const struct scene *scene, int64_t counts[STORY_MOST]) {
    char path[1200];
    memset(counts, 0, STORY_MOST * sizeof *counts);
    snprintf(path, sizeof path, "%s/counted", scene->folder);
    FILE *file = fopen(path, "re");
    if (!file) return; /* no call at all */
    cr_assert_eq(fread(counts, sizeof *counts, STORY_MOST, file), STORY_MOST);
    fclose(file);
}

/* ---- what became of them ---- */

/* A line "kind code" in $HONE_FAULT_TALLY for each fault of the story that struck in this run: those of the
 * tests, which are processes of their own, stand together there. */
static inline void scene_tally(const struct scene *scene, const char *story,
                               const int64_t before[STORY_MOST], int code) {
    const char *path = getenv("HONE_FAULT_TALLY");
    FILE *file = path && story ? fopen(path, "ae") : NULL;
    int64_t after[STORY_MOST];
    if (!file) return;
    scene_counts(scene, after);
    for (size_t i = 0; i < STORY_MOST && story; i++) {
        char kind[16], span[16];
        int64_t at;
        cr_assert_eq(sscanf(story, " %15s %*s %18" SCNd64 " %15s", kind, &at, span), 3, "%s",
                     story);
        const bool is_again = before[i] >= at && !strcmp(span, "once");
        if (after[i] >= at && after[i] > before[i] && !is_again)
            fprintf(file, "%s %d\n", kind, code);
        story = strchr(story, ';');
        if (story) story++;
    }
    fclose(file);
}

/* How runs end in which faults struck. */
struct tally {
    char kind[16];
    int went_on, stopped, lost; /* code 0, 1, 5 */
};

/* Print how many of each kind struck and how the runs ended. */
static inline void tally_print(const char *path) {
    struct tally kinds[STORY_MOST] = {{"", 0, 0, 0}};
    char kind[16];
    int code, n = 0;
    FILE *file = fopen(path, "re");
    while (file && fscanf(file, " %15s %d", kind, &code) == 2) {
        struct tally *tally = kinds;
        while (tally->kind[0] && strcmp(tally->kind, kind) != 0) tally++;
        snprintf(tally->kind, sizeof tally->kind, "%s", kind);
        ++*(code == 0 ? &tally->went_on : code == 5 ? &tally->lost : &tally->stopped);
        n++;
    }
    if (file) fclose(file);
    for (const struct tally *tally = kinds; tally->kind[0]; tally++)
        printf(
            "checked faults: %-6s %5d injected: %d went on, %d stopped with a sentence, %d found "
            "the device lost\n",
            tally->kind, tally->went_on + tally->stopped + tally->lost, tally->went_on,
            tally->stopped, tally->lost);
    printf("checked faults: %d injected in all\n", n);
}

/* Run a program with these arguments over an OpenCL with this fault (NULL: over the real one). Processes
 * that it leaves behind become ours, and are seen. */
static inline struct ending scene_run(const struct scene *scene, const char *program,
                                      const char *fault, const char *const *arguments) {
    static const double long_s = 120, soon_s = 2;
    int64_t before[STORY_MOST];
    int status = 0;
    scene_counts(scene, before);
    cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    const pid_t pid = fork();
    if (pid == 0) scene_become(scene, program, fault, arguments);
    if (!scene_wait(pid, &status, long_s)) {
        kill(pid, SIGKILL);
        cr_assert_fail("%s: no end after %.0f s", fault ? fault : "no fault", long_s);
    }
    cr_assert(scene_wait(0, NULL, soon_s), "%s: a process is left", fault ? fault : "no fault");
    cr_assert_eq(scene_count_locks(scene), 0, "%s: a lock is left", fault ? fault : "no fault");
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    scene_tally(scene, fault, before, code);
    return (struct ending){
        .code = code, .out = scene_text(scene, "out"), .err = scene_text(scene, "err")};
}

/* A new story begins: nothing was counted yet. */
static inline void scene_forget(const struct scene *scene) {
    char path[1200];
    snprintf(path, sizeof path, "%s/counted", scene->folder);
    unlink(path);
}

static inline void scene_check_database(const struct scene *scene, const char *fault) {
    if (access(scene->database, F_OK) != 0) return; /* it failed before there was one */
    struct ending check =
        scene_run(scene, scene->program, NULL, (const char *const[]){"db", "check", NULL});
    cr_assert_eq(check.code, 0, "%s: hone db check: %s%s", fault, check.out, check.err);
    ending_free(&check);
}
