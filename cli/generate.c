/* generate.c: see generate.h. A stop text may end inside a token and may begin in one and end in the
 * next: text that could still become a stop is held back. */
#include "cli/generate.h"
#include "base/log.h"
#include "base/units.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include <stdlib.h>
#include <string.h>

/* Where the first stop text begins in text, or its length. */
static size_t find_stop(const char *text, size_t n, const char *const *stops, bool *found) {
    size_t first = n;
    *found = false;
    for (; stops && *stops; stops++) {
        const char *at = strstr(text, *stops);
        if (at && (size_t)(at - text) <= first) first = (size_t)(at - text), *found = true;
    }
    return first;
}

/* How many bytes at the end of text are the beginning of a stop text. */
static size_t held_back(const char *text, size_t n, const char *const *stops) {
    size_t most = 0;
    for (; stops && *stops; stops++) {
        const size_t length = strlen(*stops);
        for (size_t k = length - 1; k > most; k--)
            if (k <= n && !memcmp(text + n - k, *stops, k)) most = k;
    }
    return most;
}

static enum status stream_text(struct generation *g, size_t *shown, bool last, struct error *err) {
    size_t until = g->text.length;
    if (!last) {
        until -= held_back(g->text.text, until, g->stops);
        until = *shown + utf8_complete(g->text.text + *shown, until > *shown ? until - *shown : 0);
    }
    if (!g->stream || until <= *shown) return OK;
    enum status status = out_write(g->text.text + *shown, until - *shown, err);
    *shown = until;
    return status == OK ? out_flush(err) : status;
}

static void add_token(struct generation *g, const struct engine_model *model, int32_t token) {
    size_t n;
    const char *bytes = engine_token_bytes(model, token, &n);
    g->tokens = memory_grow(g->tokens, (g->n_tokens + 1) * sizeof *g->tokens);
    g->tokens[g->n_tokens++] = token;
    if (!engine_is_end(model, token) || g->ignore_end) str_add_bytes(&g->text, bytes, n);
}

enum status generate(struct engine *engine, const struct engine_model *model, struct generation *g,
                     struct error *err) {
    const struct engine_request request = {g->prompt,   g->n_prompt,   g->max_new,
                                           g->sampling, g->ignore_end, g->sequence};
    int64_t id;
    enum status status = engine_submit(engine, &request, &id, err);
    if (status != OK) return status;
    str_add(&g->text, "");
    size_t shown = 0;
    bool cancelled = false;
    for (;;) {
        struct engine_event events[16];
        size_t n = 16;
        if ((status = engine_step(engine, events, &n, err)) != OK) return status;
        if (n == 0 && cancelled) break;
        for (size_t i = 0; i < n; i++) {
            if (events[i].id != id) continue;
            if (events[i].kind == ENGINE_DONE) {
                g->finish = cancelled && !interrupted ? ENGINE_END : events[i].finish;
                g->prompt_ns = events[i].prompt_ns;
                g->decode_ns = events[i].decode_ns;
                g->n_decoded = events[i].n_generated;
                return stream_text(g, &shown, true, err);
            }
            if (cancelled || events[i].kind != ENGINE_TOKEN) continue;
            add_token(g, model, events[i].token);
            bool stopped;
            const size_t end = find_stop(g->text.text, g->text.length, g->stops, &stopped);
            if (stopped) {
                g->text.length = end;
                g->text.text[end] = 0;
                engine_cancel(engine, id);
                cancelled = true;
            }
            if ((status = stream_text(g, &shown, stopped, err)) != OK) {
                engine_cancel(engine, id);
                return status;
            }
        }
        if (interrupted && !cancelled) {
            engine_cancel(engine, id);
            cancelled = true;
        }
    }
    return stream_text(g, &shown, true, err);
}

void generation_free(struct generation *g) {
    str_free(&g->text);
    free(g->tokens);
    g->tokens = NULL;
    g->n_tokens = 0;
}

double generation_prompt_tps(const struct generation *g) {
    return g->prompt_ns > 0 ? (double)g->n_prompt * 1e9 / (double)g->prompt_ns : 0;
}

/* The first token comes with the prompt. */
double generation_decode_tps(const struct generation *g) {
    return g->decode_ns > 0 && g->n_decoded > 1
               ? (double)(g->n_decoded - 1) * 1e9 / (double)g->decode_ns
               : 0;
}

void generation_say_speed(const struct generation *g, const struct engine *engine) {
    char prompt[UNITS_TEXT], answer[UNITS_TEXT], beyond[BEYOND_TEXT];
    struct engine_facts facts;
    engine_describe(engine, &facts);
    log_say("[prompt %s, %.0f token/s; answer %s, %.1f token/s%s]",
            units_count((int64_t)g->n_prompt, "token", prompt), generation_prompt_tps(g),
            units_count((int64_t)g->n_tokens, "token", answer), generation_decode_tps(g),
            beyond_text(&facts, beyond));
}

/* ORDER engine_finish */
static const char *const finish_names[] = {"end", "length", "context", "cancelled"};

static json_t *ids_json(const int32_t *ids, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_integer(ids[i]));
    return list;
}

json_t *generation_json(const struct generation *g, const struct engine *engine) {
    struct engine_facts facts;
    engine_describe(engine, &facts);
    /* A generation that was cut may end inside a character: JSON holds whole ones only. */
    json_t *text = json_stringn(g->text.text, utf8_complete(g->text.text, g->text.length));
    if (!text) text = json_null();
    return json_pack("{s:o, s:o, s:o, s:s, s:f, s:f, s:s, s:s, s:s, s:i, s:i, s:o}", "text", text,
                     "tokens", ids_json(g->tokens, g->n_tokens), "prompt_ids",
                     ids_json(g->prompt, g->n_prompt), "finish", finish_names[g->finish],
                     "prompt_tps", generation_prompt_tps(g), "decode_tps", generation_decode_tps(g),
                     "device", facts.device, "profile", facts.profile, "class", facts.class_name,
                     "tuned_operations", facts.tuned_operations, "operations", facts.operations,
                     "beyond", beyond_json(&facts));
}
