/* answers.h: what the program answers when it is run from within a folder: codes, words, JSON. */
#pragma once
#include "base/str.h"
#include "tests/cli/program.h"
#include <jansson.h>

static inline void program_write(const char *folder, const char *name, const char *text) {
    char *path = text_format("%s/%s", folder, name);
    struct error err = {OK, ""};
    cr_assert_eq(path_write(path, text, strlen(text), &err), OK, "%s", err.text);
    free(path);
}

/* The words are those after `hone`; names in them are of files in the folder. */
static inline struct program_run program_answer(const char *folder, const char *const *words) {
    const char *program = getenv("HONE_PROGRAM");
    char *absolute = realpath(program && *program ? program : "build/hone", NULL);
    cr_assert_not_null(absolute, "set HONE_PROGRAM to the program");
    setenv("HONE_PROGRAM", absolute, 1);
    free(absolute);
    cr_assert_eq(chdir(folder), 0);
    return program_run(folder, "", words);
}
#define HONE(folder, ...) program_answer(folder, (const char *const[]){__VA_ARGS__, NULL})

/* It ended with this code, and says this on stderr (or stdout, for code 0). */
static inline void program_expect(struct program_run run, int code, const char *words) {
    cr_assert_eq(run.code, code, "code %d, not %d: %s%s", run.code, code, run.out, run.err);
    const char *said = code ? run.err : run.out;
    cr_assert(strstr(said, words), "\"%s\" does not say \"%s\"", said, words);
    program_free(&run);
}

/* The JSON document that it prints, whatever its code; the caller's. */
static inline json_t *program_json(struct program_run run) {
    json_error_t why;
    json_t *document = json_loads(run.out, 0, &why);
    cr_assert_not_null(document, "%s: %s%s", why.text, run.out, run.err);
    program_free(&run);
    return document;
}
