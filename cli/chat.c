/* chat.c: hone chat: a conversation. Ctrl-C stops the answer only, Ctrl-D ends. */
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/generate.h"
#include "cli/tune.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char examples[] =
    "  hone chat -m model.gguf\n"
    "  hone chat -m model.gguf --system 'You answer in one sentence.' --temp 0.7\n"
    "  echo 'What is 2+2?' | hone chat -m model.gguf --json     (a JSON line an answer)\n";

struct chat {
    struct common_options common;
    struct engine_choice choice;
    char *template_name, *system, *seed, *tune_first;
    float temperature, top_p;
    int top_k, max_new;
    uint64_t turn_seed;
    struct engine_model *model;
    struct engine *engine;
    struct engine_message *messages; /* texts owned */
    size_t n_messages;
    int32_t sequence; /* its KV holds `held` ids of the conversation */
    int32_t *held;
    size_t n_held;
    struct generation last;
    bool is_over;
};

static void add_message(struct chat *chat, const char *role, const char *text) {
    chat->messages = memory_grow(chat->messages, (chat->n_messages + 1) * sizeof *chat->messages);
    chat->messages[chat->n_messages++] = (struct engine_message){role, text_copy(text)};
}

static void reset(struct chat *chat) {
    for (size_t i = 0; i < chat->n_messages; i++) free((char *)(uintptr_t)chat->messages[i].text);
    chat->n_messages = 0;
    if (chat->system) add_message(chat, "system", chat->system);
}

/* Keep the KV of the ids that the new prompt shares with what is held. What is held shrinks at once: the
 * prompt may still be refused. */
static enum status reuse_kv(struct chat *chat, const int32_t *ids, size_t n, size_t *shared,
                            struct error *err) {
    const size_t length = (size_t)engine_sequence_length(chat->engine, chat->sequence);
    const size_t most = chat->n_held < length ? chat->n_held : length;
    size_t same = 0;
    while (same < most && same + 1 < n && chat->held[same] == ids[same]) same++;
    *shared = chat->n_held = same;
    return engine_sequence_truncate(chat->engine, chat->sequence, (int64_t)same, err);
}

static void hold(struct chat *chat, const int32_t *ids, size_t n) {
    const size_t length = (size_t)engine_sequence_length(chat->engine, chat->sequence);
    chat->held = memory_grow(chat->held, (n + chat->last.n_tokens + 1) * sizeof *chat->held);
    memcpy(chat->held, ids, n * sizeof *ids);
    if (chat->last.n_tokens)
        memcpy(chat->held + n, chat->last.tokens, chat->last.n_tokens * sizeof *ids);
    chat->n_held = n + chat->last.n_tokens;
    if (chat->n_held > length) chat->n_held = length;
}

/* The streamed text ends its line; --json prints the answer now, a document a line. */
static enum status end_answer(const struct chat *chat, struct error *err) {
    if (chat->common.json) return json_print_line(generation_json(&chat->last, chat->engine), err);
    const enum status status = out_printf(err, "\n");
    return status == OK ? out_flush(err) : status;
}

/* A message that cannot be answered is dropped, and the conversation goes on. */
static enum status drop_message(struct chat *chat, struct error *err) {
    log_warn("%s", err->text);
    free((char *)(uintptr_t)chat->messages[--chat->n_messages].text);
    return chat->common.json ? json_print_line(json_pack("{s:s}", "error", err->text), err) : OK;
}

static enum status answer(struct chat *chat, struct error *err) {
    int32_t *ids = NULL;
    size_t n = 0, shared = 0;
    enum status status = engine_chat_ids(chat->model, chat->template_name, chat->messages,
                                         chat->n_messages, &ids, &n, err);
    if (status != OK) return status;
    if ((status = reuse_kv(chat, ids, n, &shared, err)) != OK) goto done;
    generation_free(&chat->last);
    chat->last = (struct generation){
        .prompt = ids + shared,
        .n_prompt = n - shared,
        .max_new = chat->max_new,
        .sampling = {chat->temperature, chat->top_k, chat->top_p, chat->turn_seed++},
        .sequence = chat->sequence,
        .stream = !chat->common.json,
    };
    interrupted = 0;
    status = generate(chat->engine, chat->model, &chat->last, err);
    if (status != OK) goto done;
    hold(chat, ids, n);
    interrupted = 0;
    if ((status = end_answer(chat, err)) != OK) goto done;
    add_message(chat, "assistant", str_text(&chat->last.text));
    generation_say_speed(&chat->last, chat->engine);
    if (chat->last.finish == ENGINE_CONTEXT)
        log_warn("the context is full: /reset starts anew, --ctx N makes it longer");
done:
    chat->last.prompt = NULL;
    free(ids);
    return status;
}

/* ---- commands ---- */

static enum status say_help(struct chat *chat, const char *argument, struct error *err);

static enum status do_reset(struct chat *chat, const char *argument, struct error *err) {
    (void)argument, (void)err;
    reset(chat);
    log_say("A new conversation.");
    return OK;
}

static enum status do_system(struct chat *chat, const char *argument, struct error *err) {
    (void)err;
    free(chat->system);
    chat->system = *argument ? text_copy(argument) : NULL;
    reset(chat);
    log_say("A new conversation with this system text.");
    return OK;
}

static enum status do_stats(struct chat *chat, const char *argument, struct error *err) {
    (void)argument, (void)err;
    struct engine_facts facts;
    engine_describe(chat->engine, &facts);
    char weights[UNITS_TEXT], kv[UNITS_TEXT];
    log_say("%s, class %s, profile %s (%d of %d operations tuned); weights %s, KV %s; %zu "
            "positions used",
            facts.device, facts.class_name, facts.profile, facts.tuned_operations, facts.operations,
            units_memory((double)facts.weight_bytes, weights),
            units_memory((double)facts.kv_bytes, kv), chat->n_held);
    generation_say_speed(&chat->last, chat->engine);
    return OK;
}

static enum status do_save(struct chat *chat, const char *argument, struct error *err) {
    struct str text = {0};
    for (size_t i = 0; i < chat->n_messages; i++)
        str_addf(&text, "%s: %s\n\n", chat->messages[i].role, chat->messages[i].text);
    const enum status status =
        path_write(*argument ? argument : "chat.txt", str_text(&text), text.length, err);
    if (status == OK) log_say("Saved to %s.", *argument ? argument : "chat.txt");
    else log_warn("%s", err->text);
    str_free(&text);
    return OK;
}

static enum status do_quit(struct chat *chat, const char *argument, struct error *err) {
    (void)argument, (void)err;
    chat->is_over = true;
    return OK;
}

static const struct {
    const char *name, *summary;
    enum status (*run)(struct chat *chat, const char *argument, struct error *err);
} slashes[] = {
    {"/help", "this list", say_help},
    {"/reset", "start a new conversation", do_reset},
    {"/system", "TEXT: start anew with this system text", do_system},
    {"/stats", "memory and speed", do_stats},
    {"/save", "FILE: write the conversation", do_save},
    {"/quit", "end (Ctrl-D too)", do_quit},
};
enum { SLASHES = sizeof slashes / sizeof *slashes };

static enum status say_help(struct chat *chat, const char *argument, struct error *err) {
    (void)chat, (void)argument, (void)err;
    for (int i = 0; i < SLASHES; i++) log_say("%-8s %s", slashes[i].name, slashes[i].summary);
    return OK;
}

static enum status slash(struct chat *chat, const char *line, struct error *err) {
    const size_t length = strcspn(line, " ");
    for (int i = 0; i < SLASHES; i++)
        if (strlen(slashes[i].name) == length && !memcmp(slashes[i].name, line, length))
            return slashes[i].run(chat, line + length + strspn(line + length, " "), err);
    log_warn("there is no %.*s: /help lists what there is", (int)length, line);
    return OK;
}

/* ---- the loop ---- */

static enum status converse(struct chat *chat, struct error *err) {
    const bool prompt = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    char *line = NULL;
    size_t capacity = 0;
    enum status status = OK;
    while (status == OK && !chat->is_over) {
        if (prompt) fputs("> ", stderr);
        errno = 0;
        ssize_t n = getline(&line, &capacity, stdin);
        if (n < 0 && errno == EINTR) { /* Ctrl-C at the prompt: a fresh one */
            clearerr(stdin);
            interrupted = 0;
            fputs("\n", stderr);
            continue;
        }
        if (n < 0) break;
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = 0;
        if (n == 0) continue;
        if (line[0] == '/') {
            status = slash(chat, line, err);
            continue;
        }
        add_message(chat, "user", line);
        status = answer(chat, err);
        if (status == STATUS_INVALID || status == STATUS_NOMEM) status = drop_message(chat, err);
    }
    if (prompt) fputs("\n", stderr);
    free(line);
    return status;
}

static enum status chat_open(struct chat *chat, struct error *err) {
    int64_t seed = 1;
    enum status status = OK;
    if (chat->seed && (status = argument_status(
                           units_parse_int(chat->seed, 0, INT64_MAX, &seed, err), err)) != OK)
        return status;
    chat->turn_seed = (uint64_t)seed;
    if (chat->tune_first &&
        (status = tune_model_first(&chat->common, &chat->choice, chat->tune_first, err)) != OK)
        return status;
    if ((status = choice_open_model(&chat->choice, &chat->model, err)) != OK) return status;
    status = choice_open(&chat->choice, &chat->common, chat->model, NULL, &chat->engine, err);
    if (status != OK) return status;
    if ((status = engine_sequence_new(chat->engine, &chat->sequence, err)) != OK) return status;
    choice_offer_tuning(chat->engine, &chat->choice);
    reset(chat);
    return OK;
}

enum status command_chat(int argc, const char **argv, struct error *err) {
    struct chat chat = {.max_new = 512, .temperature = 0.0f};
    struct poptOption table[] = {
        ENGINE_OPTIONS(chat.choice),
        {"system", 0, POPT_ARG_STRING, &chat.system, 0, "system text (default: the template's own)",
         "TEXT"},
        {"template", 0, POPT_ARG_STRING, &chat.template_name, 0, "a name (default: the file's)",
         "NAME"},
        {"tokens", 'n', POPT_ARG_INT, &chat.max_new, 0, "tokens an answer at most (512)", "N"},
        {"temp", 0, POPT_ARG_FLOAT, &chat.temperature, 0, "temperature; 0: greedy (default)", "T"},
        {"top-p", 0, POPT_ARG_FLOAT, &chat.top_p, 0, "keep the smallest set of this probability",
         "P"},
        {"top-k", 0, POPT_ARG_INT, &chat.top_k, 0, "keep the K likeliest", "K"},
        {"seed", 0, POPT_ARG_STRING, &chat.seed, 0, "of the sampler (1)", "S"},
        {"tune-first", 0, POPT_ARG_STRING, &chat.tune_first, 0,
         "tune the model's kernels first, this long", "TIME"},
        COMMON_OPTIONS(chat.common),
        END_OPTIONS,
    };
    poptContext context = NULL;
    const char **plain;
    bool helped;
    enum status status = options_parse("chat", "-m FILE [options]", examples, table, argc, argv,
                                       &context, &plain, &helped, err);
    if (status == OK && !helped) status = options_most("chat", plain, 0, err);
    if (status == OK && !helped) {
        log_quiet = chat.common.quiet;
        status = chat_open(&chat, err);
        if (status == OK) status = converse(&chat, err);
        free(chat.system);
        chat.system = NULL;
        reset(&chat);
        free(chat.messages);
        free(chat.held);
        generation_free(&chat.last);
        engine_close(chat.engine);
        engine_model_close(chat.model);
    }
    poptFreeContext(context);
    return status;
}
