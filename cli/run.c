/* run.c: hone run: text from a prompt, raw by default. */
#include "base/log.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/generate.h"
#include "cli/tune.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char examples[] =
    "  hone run -m model.gguf -p 'Once upon a time' -n 64\n"
    "  hone run -m model.gguf --template auto -p 'Why is the sky blue?' --temp 0.7 --seed 3\n"
    "  echo 'Dear Sir' | hone run -m model.gguf --json\n"
    "  hone run -m stories.bin --tokenizer tok512.bin -p '' --temp 0\n";

struct run_options {
    struct common_options common;
    struct engine_choice choice;
    char *prompt, *file, *template_name, *seed, *tune_first;
    const char **stops;
    float temperature, top_p;
    int top_k, max_new, ignore_end;
};

static enum status prompt_ids(const struct run_options *o, const struct engine_model *model,
                              int32_t **ids, size_t *n, struct error *err) {
    char *read = NULL;
    size_t length = o->prompt ? strlen(o->prompt) : 0;
    enum status status = OK;
    if (!o->prompt && (status = text_read(o->file, &read, &length, err)) != OK) return status;
    const char *text = read ? read : o->prompt;
    if (o->template_name) {
        const struct engine_message message = {"user", text};
        status = engine_chat_ids(model, o->template_name, &message, 1, ids, n, err);
    } else {
        status = engine_tokenize(model, text, length, engine_adds_bos(model), false, ids, n, err);
    }
    free(read);
    if (status == OK && *n == 0) {
        const int32_t bos = engine_bos(model);
        if (bos < 0)
            return fail(err, STATUS_INVALID, "the prompt is empty and this model has no BOS token");
        *ids = memory_grow(*ids, sizeof **ids);
        (*ids)[0] = bos;
        *n = 1;
    }
    return status;
}

static enum status run(const struct run_options *o, struct error *err) {
    struct engine_model *model = NULL;
    struct engine *engine = NULL;
    int32_t *ids = NULL;
    size_t n = 0;
    int64_t seed = 1;
    struct generation g = {0};
    enum status status = OK;
    for (const char **stop = o->stops; stop && *stop; stop++)
        if (!**stop)
            return fail(err, STATUS_USAGE, "hone run: --stop '' would end every answer at once");
    if (o->seed &&
        (status = argument_status(units_parse_int(o->seed, 0, INT64_MAX, &seed, err), err)) != OK)
        goto done;
    if (o->tune_first &&
        (status = tune_model_first(&o->common, &o->choice, o->tune_first, err)) != OK)
        goto done;
    if ((status = choice_open_model(&o->choice, &model, err)) != OK) goto done;
    if ((status = prompt_ids(o, model, &ids, &n, err)) != OK) goto done;
    if ((status = choice_open(&o->choice, &o->common, model, NULL, &engine, err)) != OK) goto done;
    choice_offer_tuning(engine, &o->choice);
    g = (struct generation){
        .prompt = ids,
        .n_prompt = n,
        .max_new = o->max_new,
        .sampling = {o->temperature, o->top_k, o->top_p, (uint64_t)seed},
        .ignore_end = o->ignore_end,
        .sequence = -1,
        .stops = o->stops,
        .stream = !o->common.json,
    };
    if ((status = generate(engine, model, &g, err)) != OK) goto done;
    if (o->common.json) {
        status = json_print(generation_json(&g, engine), err);
    } else {
        status = out_printf(err, "\n");
        if (status == OK) status = out_flush(err);
        generation_say_speed(&g, engine);
    }
    if (status == OK && interrupted) status = fail(err, STATUS_INTERRUPTED, "interrupted");
done:
    generation_free(&g);
    free(ids);
    engine_close(engine);
    engine_model_close(model);
    return status;
}

enum status command_run(int argc, const char **argv, struct error *err) {
    struct run_options o = {.max_new = 128, .top_p = 0};
    struct poptOption table[] = {
        ENGINE_OPTIONS(o.choice),
        {"prompt", 'p', POPT_ARG_STRING, &o.prompt, 0, "the prompt (else -f, else stdin)", "TEXT"},
        {"file", 'f', POPT_ARG_STRING, &o.file, 0, "a file with the prompt", "FILE"},
        {"tokens", 'n', POPT_ARG_INT, &o.max_new, 0, "tokens to generate at most (128)", "N"},
        {"template", 0, POPT_ARG_STRING, &o.template_name, 0,
         "wrap the prompt as a chat: auto, or a name (default: raw text)", "NAME"},
        {"temp", 0, POPT_ARG_FLOAT, &o.temperature, 0, "temperature; 0: greedy (default)", "T"},
        {"top-p", 0, POPT_ARG_FLOAT, &o.top_p, 0, "keep the smallest set of this probability", "P"},
        {"top-k", 0, POPT_ARG_INT, &o.top_k, 0, "keep the K likeliest", "K"},
        {"seed", 0, POPT_ARG_STRING, &o.seed, 0, "of the sampler (1)", "S"},
        {"stop", 0, POPT_ARG_ARGV, &o.stops, 0, "end the answer at this text (repeatable)", "TEXT"},
        {"ignore-eos", 0, POPT_ARG_NONE, &o.ignore_end, 0, "go on past the end of generation",
         NULL},
        {"tune-first", 0, POPT_ARG_STRING, &o.tune_first, 0,
         "tune the model's kernels first, this long", "TIME"},
        COMMON_OPTIONS(o.common),
        END_OPTIONS,
    };
    poptContext context = NULL;
    const char **plain;
    bool helped;
    enum status status = options_parse("run", "-m FILE [options]", examples, table, argc, argv,
                                       &context, &plain, &helped, err);
    if (status == OK && !helped) {
        log_quiet = o.common.quiet;
        if (*plain)
            status = fail(err, STATUS_USAGE,
                          "hone run: '%s' is no option; the prompt goes behind -p", *plain);
        else if (o.prompt && o.file)
            status = fail(err, STATUS_USAGE, "hone run: -p and -f %s: give one of them", o.file);
        else status = run(&o, err);
    }
    poptFreeContext(context);
    return status;
}
