/* test_options.c: command lines that no command can mean are refused with exit code 2, before any work. */
#include "tests/cli/program.h"
#include <jansson.h>

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

/* ---- what a model can and cannot do ---- */

static struct program_run with_stories(const char *command, const char *input, const char *option,
                                       const char *value) {
    char model[1024], tokenizer[1024];
    snprintf(model, sizeof model, "%s", test_data("model/stories260K.bin"));
    snprintf(tokenizer, sizeof tokenizer, "%s", test_data("tokenizer/tok512.bin"));
    return program_run(
        test_folder(), input,
        (const char *[]){command, "-m", model, "--tokenizer", tokenizer, option, value, NULL});
}

Test(options, a_context_beyond_memory_is_refused) {
    struct program_run run = with_stories("run", "Once", "--ctx", "2000000000");
    cr_assert_eq(run.code, 1, "%s", run.err);
    cr_assert(strstr(run.err, "--ctx") && strstr(run.err, "2000000000"), "%s", run.err);
    program_free(&run);
}

Test(options, an_empty_text_has_no_perplexity) {
    struct program_run run = with_stories("perplexity", "", "--chunks", "1");
    cr_assert_eq(run.code, 1, "%s", run.err);
    cr_assert_not_null(strstr(run.err, "stdin is empty"), "%s", run.err);
    program_free(&run);
}

Test(options, explain_of_a_model_has_rows) {
    struct program_run run = with_stories("explain", "", "--json", NULL);
    cr_assert_eq(run.code, 0, "%s", run.err);
    json_t *document = json_loads(run.out, 0, NULL);
    const json_t *rows = json_object_get(document, "rows"), *first = json_array_get(rows, 0);
    cr_assert_gt(json_array_size(rows), 5);
    cr_assert_str_eq(json_string_value(json_object_get(first, "family")), "embed");
    cr_assert_str_eq(json_string_value(json_object_get(first, "rule")), "default");
    cr_assert_gt(json_integer_value(json_object_get(first, "count")), 0);
    json_decref(document);
    program_free(&run);
}
