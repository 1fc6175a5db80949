/* program.h: what tests of the program share: running it with arguments and an input, with a
 * database and standard streams in a folder of its own. */
#pragma once
#include "base/path.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct program_run {
    int code;        /* −1: killed */
    char *out, *err; /* owned */
};

static inline char *program_text(const char *folder, const char *name) {
    char path[1200];
    char *bytes = NULL;
    size_t size;
    struct error err = {OK, ""};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    cr_assert_eq(path_read(path, 1 << 28, &bytes, &size, &err), OK, "%s", err.text);
    return bytes;
}

/* The child's part: standard streams are files of the folder, the database lies beside them. */
static inline void program_become(const char *program, const char *folder, char *const *argv) {
    static const struct {
        const char *name, *mode;
        int fd;
    } streams[] = {{"in", "re", 0}, {"out", "we", 1}, {"err", "we", 2}};
    char path[1200];
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, streams[i].name);
        FILE *file = fopen(path, streams[i].mode);
        if (!file || dup2(fileno(file), streams[i].fd) < 0) _exit(99);
    }
    snprintf(path, sizeof path, "%s/hone.db", folder);
    setenv("HONE_DB", path, 1);
    execv(program, argv);
    _exit(99);
}

/* Run `hone` with these arguments (NULL-terminated) and this input in the folder. */
static inline struct program_run program_run(const char *folder, const char *input,
                                             const char *const *arguments) {
    enum { MOST = 30 };
    const char *program = getenv("HONE_PROGRAM"), *argv[MOST + 2] = {"hone"};
    char *absolute = realpath(program && *program ? program : "build/hone", NULL), in[1200];
    struct error err = {OK, ""};
    cr_assert_not_null(absolute, "set HONE_PROGRAM to the program");
    for (size_t i = 0; i < MOST && arguments[i]; i++) argv[i + 1] = arguments[i];
    snprintf(in, sizeof in, "%s/in", folder);
    cr_assert_eq(path_write(in, input, strlen(input), &err), OK, "%s", err.text);
    const pid_t pid = fork();
    if (pid == 0) program_become(absolute, folder, (char *const *)(uintptr_t)argv);
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    free(absolute);
    return (struct program_run){WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                                program_text(folder, "out"), program_text(folder, "err")};
}

static inline void program_free(struct program_run *run) {
    free(run->out);
    free(run->err);
}
