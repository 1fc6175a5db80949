/* test_chat.c: hone chat as a conversation through a pipe, on stories260K. */
#include "base/str.h"
#include "tests/cli/program.h"
#include <jansson.h>

/* A chat with the families' defaults: the same question has the same answer. */
static struct program_run chat(const char *input, const char *option) {
    char model[1024], tokenizer[1024];
    snprintf(model, sizeof model, "%s", test_data("model/stories260K.bin"));
    snprintf(tokenizer, sizeof tokenizer, "%s", test_data("tokenizer/tok512.bin"));
    return program_run(test_folder(), input,
                       (const char *[]){"chat", "-m", model, "--tokenizer", tokenizer, "--template",
                                        "llama-2", "--profile", "default", "--class", "f32", "-n",
                                        "12", "--ctx", "128", option, NULL});
}

/* Its prompt cuts the keys and values that are held, and is then refused: the next turn must not count on
 * what was cut. */
Test(chat, a_refused_prompt_leaves_nothing_behind) {
    struct str input = {0};
    str_add(&input, "Once upon a time there was a dog\n/reset\n");
    for (int i = 0; i < 300; i++) str_add(&input, "word ");
    str_add(&input, "\nOnce upon a time there was a dog\n");
    struct program_run run = chat(str_text(&input), NULL);
    cr_assert_eq(run.code, 0, "%s", run.err);
    cr_assert_not_null(strstr(run.err, "context"), "the long prompt is refused: %s", run.err);
    const size_t n = strlen(run.out), half = n / 2;
    cr_assert(n > 2 && n % 2 == 0 && !memcmp(run.out, run.out + half, half),
              "the same question twice: %s", run.out);
    program_free(&run);
    str_free(&input);
}

/* The next line as a document; *at goes behind it. */
static json_t *next_line(const char **at) {
    json_error_t error;
    const size_t n = strcspn(*at, "\n");
    json_t *line = json_loadb(*at, n, 0, &error);
    cr_assert(line && (*at)[n] == '\n', "%s: %.*s", error.text, (int)n, *at);
    *at += n + 1;
    return line;
}

Test(chat, json_is_a_line_an_answer) {
    struct str input = {0};
    str_add(&input, "Once upon a time\n/system Be kind\n/system Be brief\nTom had a dog\n");
    for (int i = 0; i < 300; i++) str_add(&input, "word ");
    str_add(&input, "\n");
    struct program_run run = chat(str_text(&input), "--json");
    const char *at = run.out;
    cr_assert_eq(run.code, 0, "%s", run.err);
    for (int i = 0; i < 2; i++) {
        json_t *line = next_line(&at);
        cr_assert(json_is_string(json_object_get(line, "text")));
        cr_assert_eq(json_array_size(json_object_get(line, "tokens")), 12);
        cr_assert_str_eq(json_string_value(json_object_get(line, "finish")), "length");
        json_decref(line);
    }
    json_t *refused = next_line(&at);
    cr_assert(json_is_string(json_object_get(refused, "error")), "the long prompt is refused");
    cr_assert_eq(*at, 0, "three lines, not more: %s", at);
    json_decref(refused);
    program_free(&run);
    str_free(&input);
}
