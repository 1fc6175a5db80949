/* files.h: small recorded spaces that tests write themselves. */
#pragma once
#include "base/str.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

static inline const char *files_folder(void) {
    static const char *folder;
    return folder ? folder : (folder = test_folder());
}
/* A file of the test's folder with these bytes; static memory, one at a time. */
static inline const char *file_with(const char *name, const char *bytes, size_t n) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", files_folder(), name);
    FILE *file = fopen(path, "we");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, n, file), n);
    cr_assert_eq(fclose(file), 0);
    return path;
}
static inline const char *file_of_text(const char *text) {
    return file_with("recorded.json", text, strlen(text));
}
static inline const char *file_of_gzip(const char *text) {
    static char path[512];
    snprintf(path, sizeof path, "%s/recorded.json.gz", files_folder());
    gzFile file = gzopen(path, "wbe");
    cr_assert_not_null(file);
    cr_assert_gt(gzputs(file, text), 0);
    cr_assert_eq(gzclose(file), Z_OK);
    return path;
}

#define CACHE_HEAD                                                                                 \
    "{\"device_name\": \"D\", \"kernel_name\": \"K\", \"tune_params_keys\": [\"A\", \"B\"], "      \
    "\"cache\": {"
/* Two parameters, six entries: one forbidden, one that does not compile, one whose times cannot be, one NaN
 * among what nobody reads. */
#define CACHE_ROWS                                                                                 \
    "\"8,x\": {\"A\": 8, \"B\": \"x\", \"time\": 3.0, \"times\": [3.0, 2.0, 4.0], "                \
    "\"compile_time\": 10, \"verification_time\": 5, \"GFLOP/s\": NaN},\n"                         \
    "\"2,x\": {\"A\": 2, \"B\": \"x\", \"time\": 1.5},\n"                                          \
    "\"4,y\": {\"A\": 4, \"B\": \"y\", \"time\": \"InvalidConfig\"},\n"                            \
    "\"4,x\": {\"A\": 4, \"B\": \"x\", \"time\": \"CompilationFailedConfig\", "                    \
    "\"compile_time\": 7},\n"                                                                      \
    "\"8,y\": {\"A\": 8, \"B\": \"y\", \"time\": 0.0, \"times\": [0.0]},\n"                        \
    "\"2,y\": {\"A\": 2, \"B\": \"y\", \"time\": 9.0, \"times\": [9.0, 9.5]}"
