/* test_chat.c: hone chat as a conversation through a pipe, on stories260K. */
#include "base/str.h"
#include "tests/cli/program.h"

/* A chat with the families' defaults: the same question has the same answer. */
static struct program_run chat(const char *input) {
    char model[1024], tokenizer[1024];
    snprintf(model, sizeof model, "%s", test_data("model/stories260K.bin"));
    snprintf(tokenizer, sizeof tokenizer, "%s", test_data("tokenizer/tok512.bin"));
    return program_run(test_folder(), input,
                       (const char *[]){"chat", "-m", model, "--tokenizer", tokenizer, "--template",
                                        "llama-2", "--profile", "default", "--class", "f32", "-n",
                                        "12", "--ctx", "128", NULL});
}

/* Its prompt cuts the keys and values that are held, and is then refused: the next turn must not count on
 * what was cut. */
Test(chat, a_refused_prompt_leaves_nothing_behind) {
    struct str input = {0};
    str_add(&input, "Once upon a time there was a dog\n/reset\n");
    for (int i = 0; i < 300; i++) str_add(&input, "word ");
    str_add(&input, "\nOnce upon a time there was a dog\n");
    struct program_run run = chat(str_text(&input));
    cr_assert_eq(run.code, 0, "%s", run.err);
    cr_assert_not_null(strstr(run.err, "context"), "the long prompt is refused: %s", run.err);
    const size_t n = strlen(run.out), half = n / 2;
    cr_assert(n > 2 && n % 2 == 0 && !memcmp(run.out, run.out + half, half),
              "the same question twice: %s", run.out);
    program_free(&run);
    str_free(&input);
}
