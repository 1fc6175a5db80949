/* engine.c: opening a model and an engine from the options that run, chat, perplexity and bench share. */
#include "base/log.h"
#include "base/path.h"
#include "cli/cli.h"
#include "results/store.h"
#include "runtime/engine.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void warn(void *context, const char *sentence) {
    (void)context;
    log_warn("%s", sentence);
}

enum status choice_open_model(const struct engine_choice *choice, struct engine_model **model,
                              struct error *err) {
    if (!choice->model)
        return fail(err, STATUS_USAGE, "name a model with -m FILE (a GGUF, or a llama2.c .bin)");
    return engine_model_open(choice->model, choice->tokenizer, choice->pretokenizer, model, err);
}

static enum status find_profile(const char *name, enum engine_profile *profile, struct error *err) {
    *profile = ENGINE_TUNED;
    if (!name || !strcmp(name, "tuned")) return OK;
    *profile = ENGINE_DEFAULT;
    if (!strcmp(name, "default")) return OK;
    return fail(err, STATUS_USAGE, "there is no profile '%s': --profile is default or tuned", name);
}

enum status choice_open(const struct engine_choice *choice, const struct common_options *common,
                        struct engine_model *model, const char *plan, struct engine **engine,
                        struct error *err) {
    enum engine_profile profile;
    enum status status = find_profile(choice->profile, &profile, err);
    if (status != OK) return status;
    char *database = store_default_path(common->database);
    const struct engine_options options = {
        .device = common->device,
        .database = database,
        .profile = profile,
        .class_name = choice->class_name ? choice->class_name : "auto",
        .kv_type = choice->kv,
        .context = choice->context,
        .max_rows = choice->rows,
        .plan = plan,
        .warn = warn,
    };
    status = engine_open(model, &options, engine, err);
    free(database);
    return status;
}

/* auto took a class that is not the one that is tuned here. */
static void say_class(const struct engine_facts *facts, const char *model) {
    if (facts->is_class_known)
        log_say("Class %s, though %s is what is tuned here: i8 costs this model %.2f %% of "
                "perplexity (auto takes it up to 0.5 %%). --class %s takes what is tuned.",
                facts->class_name, facts->tuned_class, 100 * facts->class_cost, facts->tuned_class);
    else
        log_say("Class %s, though %s is tuned here: what i8 costs this model is not known. "
                "--class %s takes it; `hone perplexity -m %s -f TEXT`, once with --class f32 and "
                "once with i8, lets auto choose.",
                facts->class_name, facts->tuned_class, facts->tuned_class, model);
}

void choice_offer_tuning(const struct engine *engine, const struct engine_choice *choice) {
    struct engine_facts facts;
    char count[60] = "Nothing is";
    engine_describe(engine, &facts);
    if (facts.tuned_class) say_class(&facts, choice->model);
    if (facts.tuned_class || !strcmp(facts.profile, "tuned") || facts.is_database_refused ||
        (choice->profile && !strcmp(choice->profile, "default")))
        return;
    if (facts.tuned_operations)
        snprintf(count, sizeof count, "Only %d of %d operations are", facts.tuned_operations,
                 facts.operations);
    log_say("%s tuned for this model on %s: running class %s on defaults. "
            "`hone tune --model %s --budget 60s`, or --tune-first 30s, makes it faster.",
            count, facts.device, facts.class_name, choice->model);
}

const char *beyond_text(const struct engine_facts *facts, char text[BEYOND_TEXT]) {
    char to[30] = "";
    text[0] = 0;
    if (facts->beyond_high > facts->beyond_low)
        snprintf(to, sizeof to, " to %lld", (long long)facts->beyond_high);
    if (facts->beyond_n)
        snprintf(text, BEYOND_TEXT,
                 "; at n = %lld kernels ran that were measured at n = %lld%s (hone tune --model "
                 "measures them there)",
                 (long long)facts->beyond_n, (long long)facts->beyond_low, to);
    return text;
}

json_t *beyond_json(const struct engine_facts *facts) {
    return facts->beyond_n
               ? json_pack("{s:I, s:[I, I]}", "n", (json_int_t)facts->beyond_n, "measured_n",
                           (json_int_t)facts->beyond_low, (json_int_t)facts->beyond_high)
               : json_null();
}

int32_t filler_id(const struct engine *engine, int64_t i) {
    struct engine_facts facts;
    engine_describe(engine, &facts);
    return (int32_t)((i * 7 + 5) % facts.vocabulary);
}

enum status text_read(const char *path, char **text, size_t *length, struct error *err) {
    enum { LIMIT = 1 << 30 };
    if (path) return path_read(path, LIMIT, text, length, err);
    size_t capacity = 1 << 16;
    *length = 0;
    *text = malloc(capacity);
    while (*text) {
        const size_t n = fread(*text + *length, 1, capacity - *length - 1, stdin);
        *length += n;
        if (n == 0) break;
        if (*length + 1 < capacity) continue;
        char *more = capacity < LIMIT ? realloc(*text, capacity *= 2) : NULL;
        if (!more) {
            free(*text);
            *text = NULL;
            return fail(err, STATUS_NOMEM, "reading stdin: more than %zu bytes", capacity);
        }
        *text = more;
    }
    if (!*text) return fail(err, STATUS_NOMEM, "reading stdin: out of memory");
    (*text)[*length] = 0;
    if (ferror(stdin)) {
        free(*text);
        return fail(err, STATUS_IO, "reading stdin: %s", strerror(errno));
    }
    return OK;
}
