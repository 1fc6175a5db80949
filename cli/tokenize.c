/* tokenize.c: hone tokenize: text to token ids. */
#include "cli/cli.h"
#include "runtime/engine.h"
#include <stdlib.h>
#include <string.h>

static const char examples[] = "  hone tokenize -m model.gguf 'Hello world'\n"
                               "  hone tokenize -m model.gguf -f text.txt --json\n"
                               "  hone tokenize -m vocabulary.gguf --special '<|im_start|>user'\n";

static enum status print_ids(const int32_t *ids, size_t n, int as_json, struct error *err) {
    if (as_json) {
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++) json_array_append_new(list, json_integer(ids[i]));
        return json_print(json_pack("{s:o}", "ids", list), err);
    }
    enum status status = OK;
    for (size_t i = 0; i < n && status == OK; i++)
        status = out_printf(err, i ? " %d" : "%d", ids[i]);
    return status == OK ? out_printf(err, "\n") : status;
}

enum status command_tokenize(int argc, const char **argv, struct error *err) {
    struct common_options common = {0};
    struct engine_choice choice = {0};
    char *file = NULL;
    int special = 0, bos = 0;
    struct poptOption table[] = {
        {"model", 'm', POPT_ARG_STRING, &choice.model, 0, "GGUF or llama2.c model", "FILE"},
        {"tokenizer", 0, POPT_ARG_STRING, &choice.tokenizer, 0, "tokenizer of a llama2.c model",
         "FILE"},
        {"pretokenizer", 0, POPT_ARG_STRING, &choice.pretokenizer, 0,
         "use this pre-tokenizer where the file names an unknown one", "NAME"},
        {"file", 'f', POPT_ARG_STRING, &file, 0, "a file with the text (else stdin)", "FILE"},
        {"special", 0, POPT_ARG_NONE, &special, 0, "markers in the text become special tokens",
         NULL},
        {"bos", 0, POPT_ARG_NONE, &bos, 0, "begin with the BOS token", NULL},
        COMMON_OPTIONS(common),
        END_OPTIONS,
    };
    poptContext context = NULL;
    const char **plain;
    bool helped;
    struct engine_model *model = NULL;
    char *text = NULL;
    int32_t *ids = NULL;
    size_t length = 0, n = 0;
    enum status status = options_parse("tokenize", "-m FILE [TEXT]", examples, table, argc, argv,
                                       &context, &plain, &helped, err);
    if (status == OK && !helped) status = options_most("tokenize", plain, 1, err);
    if (status != OK || helped) goto done;
    if (*plain && file) {
        status = fail(err, STATUS_USAGE, "hone tokenize: a text and -f %s: give one of them", file);
        goto done;
    }
    if ((status = choice_open_model(&choice, &model, err)) != OK) goto done;
    if (!*plain && (status = text_read(file, &text, &length, err)) != OK) goto done;
    status = engine_tokenize(model, *plain ? *plain : text, *plain ? strlen(*plain) : length, bos,
                             special, &ids, &n, err);
    if (status == OK) status = print_ids(ids, n, common.json, err);
done:
    free(ids);
    free(text);
    engine_model_close(model);
    poptFreeContext(context);
    return status;
}
