/* test_arguments.c: command lines that are wrong end with 2 and a sentence about what is wrong, before anything
 * is measured; help ends with 0. The program itself is run. */
#include "base/path.h"
#include "base/str.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* The exit code of `hone arguments`; *words: what it printed to both streams, the caller's. */
static int run(const char *arguments, char **words) {
    const char *program = getenv("HONE_PROGRAM");
    const char *folder = test_folder();
    char *path = text_format("%s/words", folder);
    char *line = text_format("HONE_DB=%s/hone.db '%s' %s >%s 2>&1", folder,
                             program && *program ? program : "build/hone", arguments, path);
    const int status = system(line);
    size_t size;
    struct error err = {OK, ""};
    cr_assert_eq(path_read(path, 1 << 20, words, &size, &err), OK, "%s", err.text);
    free(line);
    free(path);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const struct {
    const char *arguments;
    int code;
    const char *words;
} cases[] = {
    {"tune --family gemm --problem m=x", 2, "m=x is no size"},
    {"tune --budget 0", 2, "no time at all"},
    {"tune --budget -5s", 2, "is not a time"},
    {"tune --seed -1", 2, "not a whole number"},
    {"tune --param VW", 2, "expected NAME=VALUE"},
    {"tune --family gemm --problem m=64,k=64,n=8 --param ZZ=3", 2, "no such parameter"},
    {"tune --family gemn", 2, "did you mean gemm?"},
    {"tune --strategy x", 2, "auto (default), local"},
    {"tune --class f16", 2, "there are for f32, i8"},
    {"tune --family gemm --problem m=16777216,k=16777216,n=4", 1, "ask for a smaller one"},
    {"tune --device replay:", 2, "replay:FILE names a recorded space"},
    {"tune --device replay:x --family gemm", 2, "leave --family out"},
    {"tune --device replay:x --problem m=4,k=4,n=1", 2, "leave --problem out"},
    {"tune --device replay:x --param WG=4", 2, "leave --param out"},
    {"tune --device replay:/none/there", 1, "cannot open it"},
    {"bench --device 99", 2, "no device is called"},
    {"bench --rivals x", 2, "there are clblast, clblast_tuned, openblas"},
    {"bench --rivals clblast_tuned --rival-budget 0", 2, "no time at all"},
    {"bench --rival-budget 60s", 2, "it is of --rivals"},
    {"bench --family gemm --problem m=64,k=64,n=8 --config foo:VW=3", 2, "no variant"},
    {"replay", 2, "name one recorded space"},
    {"replay x --strategy y", 2, "there is no strategy 'y'"},
    {"replay x --seeds 0", 2, "--seeds is 1 to 100000, not 0"},
    {"replay x --evals -3", 2, "--evals is 1 to"},
    {"replay x --evals 5", 1, "cannot open it"},
    {"replay x --told y", 2, "median, sample or race"},
    {"replay x --csv --json", 2, "choose one"},
    {"replay /none/there", 1, "cannot open it"},
    {"help tune", 0, "Usage: hone tune [options]"},
    {"tune --help", 0, "--param P=V,V"},
    {"-v", 0, "hone "},
    {"help", 0, "Commands"},
};

Test(arguments, wrong_ones_end_with_2) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *words;
        const int code = run(cases[i].arguments, &words);
        cr_expect_eq(code, cases[i].code, "hone %s ends with %d, not %d: %s", cases[i].arguments,
                     code, cases[i].code, words);
        cr_expect(strstr(words, cases[i].words), "hone %s says nothing of \"%s\": %s",
                  cases[i].arguments, cases[i].words, words);
        free(words);
    }
}
