/* test_source.c: the example of docs/own-kernels.md, built and tuned as it says there; and what the options refuse. Run
 * from the root of the source tree. */
#include "tests/cli/answers.h"
#include <sys/wait.h>

enum { CONFIGURATIONS = 2 };

/* Paths of the example, absolute, and its reference built into the folder. */
struct example {
    char *kernel, *space, *reference;
};

static struct example example_build(const char *folder) {
    struct example e = {realpath("examples/transpose/transpose.cl", NULL),
                        realpath("examples/transpose/transpose.json", NULL),
                        text_format("%s/transpose.so", folder)};
    cr_assert(e.kernel && e.space, "run this at the root of the sources");
    const pid_t pid = fork();
    if (pid == 0) {
        execlp("cc", "cc", "-shared", "-fPIC", "-O2", "-I.", "-o", e.reference,
               "examples/transpose/transpose.c", (char *)NULL);
        _exit(127);
    }
    int status = 0;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "cc fails");
    return e;
}

static void example_free(struct example *e) {
    free(e->kernel);
    free(e->space);
    free(e->reference);
}

Test(source, the_example_is_tuned_and_everything_else_goes_on_with_its_records) {
    const char *folder = test_folder();
    struct example e = example_build(folder);
    json_t *said =
        program_json(HONE(folder, "tune", "--device", "0", "--source", e.kernel, "--space", e.space,
                          "--reference", e.reference, "--strategy", "exhaustive", "--evals", "100",
                          "--param", "TILE=8,16,ROWS=4", "--param", "PAD=1", "--json", "-q"));
    const json_t *row = json_array_get(json_object_get(said, "problems"), 0);
    const json_t *outcomes = json_object_get(row, "outcomes");
    cr_expect_str_eq(json_string_value(json_object_get(row, "family")), "source:transpose");
    cr_expect_str_eq(json_string_value(json_object_get(row, "problem")), "x=1021,y=509");
    cr_expect_eq(json_integer_value(json_object_get(outcomes, "ok")) +
                     json_integer_value(json_object_get(outcomes, "abandoned")),
                 CONFIGURATIONS);
    cr_expect(json_is_object(json_object_get(row, "best")));
    cr_expect_gt(json_number_value(json_object_get(json_object_get(row, "best"), "share")), 0);
    json_decref(said);
    program_expect(HONE(folder, "db", "check"), 0, "clean");
    program_expect(HONE(folder, "db", "export"), 4, "that others could use");
    program_expect(HONE(folder, "explain"), 0, "tried");
    program_expect(HONE(folder, "explain", "--family", "source:transpose"), 2, "no family");
    program_expect(HONE(folder, "report", "-q", "--out", "page"), 0, "page");
    program_expect(HONE(folder, "db", "export", "--t4", "t4"), 0, "2 evaluations in 1 files");
    program_expect(HONE(folder, "replay", "t4/source_transpose-transpose-f32-x=1021,y=509.t4.json",
                        "--seeds", "2"),
                   0, "2 configurations");
    example_free(&e);
}

Test(source, what_the_options_refuse) {
    const char *folder = test_folder();
    struct example e = example_build(folder);
    program_write(folder, "bad.json", "{\"ConfigurationSpace\": {}}");
    const struct {
        const char *words[10];
        int code;
        const char *says;
    } cases[] = {
        {{"tune", "--source", e.kernel}, 2, "--space FILE.json"},
        {{"tune", "--space", e.space}, 2, "--source FILE.cl"},
        {{"tune", "--reference", e.reference}, 2, "--source FILE.cl"},
        {{"tune", "--source", e.kernel, "--space", e.space, "--family", "gemm"},
         2,
         "leave --family"},
        {{"tune", "--source", e.kernel, "--space", e.space, "--layout", "rows"},
         2,
         "leave --layout"},
        {{"tune", "--source", e.kernel, "--space", e.space, "--problem", "m=3"},
         2,
         "fields are x, y"},
        {{"tune", "--source", e.kernel, "--space", "bad.json"}, 1, "KernelSpecification"},
        {{"tune", "--source", e.kernel, "--space", "none.json"}, 1, "none.json"},
        {{"tune", "--source", e.kernel, "--space", e.space, "--param", "SIDE=3"}, 2, "it has TILE"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        program_expect(program_answer(folder, cases[i].words), cases[i].code, cases[i].says);
    example_free(&e);
}
