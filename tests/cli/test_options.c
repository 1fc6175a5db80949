/* test_options.c: command lines that no command can mean are refused with exit code 2, before any work. */
#include "tests/cli/program.h"

static void refused(const char *const *arguments, const char *word) {
    struct program_run run = program_run(test_folder(), "", arguments);
    cr_assert_eq(run.code, 2, "%s %s: exit code %d: %s", arguments[0], word, run.code, run.err);
    cr_assert_not_null(strstr(run.err, word), "names %s: %s", word, run.err);
    cr_assert_eq(run.out[0], 0, "nothing on stdout: %s", run.out);
    program_free(&run);
}

/* The model is not there: a number that is refused later would say so. */
Test(options, numbers_have_ranges) {
    static const struct {
        const char *command, *option, *value;
    } lines[] = {
        {"run", "--temp", "nan"},        {"run", "--temp", "-1"},      {"run", "--top-p", "2"},
        {"run", "--top-k", "-1"},        {"run", "--ctx", "-1"},       {"run", "--tokens", "-5"},
        {"run", "--tokens", "0"},        {"chat", "--temp", "nan"},    {"chat", "--tokens", "0"},
        {"bench", "--pp", "0"},          {"bench", "--tg", "-4"},      {"bench", "--repeats", "0"},
        {"perplexity", "--chunks", "0"}, {"perplexity", "--ctx", "3"}, {"tune", "--evals", "-5"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        refused((const char *[]){lines[i].command, "--model", "none.gguf", lines[i].option,
                                 lines[i].value, NULL},
                lines[i].option);
}

Test(options, nothing_is_silently_ignored) {
    static const struct {
        const char *arguments[9], *word;
    } lines[] = {
        {{"run", "-m", "none.gguf", "-p", "hi", "-f", "prompt.txt"}, "prompt.txt"},
        {{"tokenize", "-m", "none.gguf", "a", "b", "c"}, "'b'"},
        {{"tokenize", "-m", "none.gguf", "a", "-f", "text.txt"}, "text.txt"},
        {{"db", "check", "retry"}, "'retry'"},
        {{"model", "none.gguf", "other.gguf"}, "'other.gguf'"},
        {{"chat", "-m", "none.gguf", "hello"}, "'hello'"},
        {{"perplexity", "-m", "none.gguf", "text.txt"}, "'text.txt'"},
        {{"devices", "0"}, "'0'"},
        {{"explain", "gemm"}, "'gemm'"},
        {{"explain", "--model", "none.gguf", "--family", "gemm"}, "--family"},
        {{"bench", "--model", "none.gguf", "--family", "gemm"}, "--family"},
        {{"bench", "--model", "none.gguf", "--config", "tiled:VW=4"}, "--config"},
        {{"bench", "--model", "none.gguf", "--rivals", "openblas"}, "--rivals"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        refused(lines[i].arguments, lines[i].word);
}

Test(options, the_ends_of_a_range_belong_to_it) {
    struct program_run run =
        program_run(test_folder(), "",
                    (const char *[]){"run", "-m", "none.gguf", "--temp", "100", "--top-p", "1",
                                     "--top-k", "0", "--ctx", "1", "-n", "1", NULL});
    cr_assert_eq(run.code, 1, "%s", run.err);
    cr_assert_not_null(strstr(run.err, "none.gguf"), "the model is what is missing: %s", run.err);
    program_free(&run);
}
