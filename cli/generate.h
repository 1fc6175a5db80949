/* generate.h: one answer, streamed: what run and chat share. */
#pragma once
#include "base/str.h"
#include "runtime/engine.h"
#include <jansson.h>

struct generation {
    const int32_t *prompt;
    size_t n_prompt;
    int64_t max_new;
    struct engine_sampling sampling;
    bool ignore_end;
    int32_t sequence;         /* −1: a new one */
    const char *const *stops; /* texts that end the answer, NULL-terminated; may be NULL */
    bool stream;              /* to stdout, whole characters as they come */
    /* results */
    struct str text; /* the answer, without a stop text */
    int32_t *tokens;
    size_t n_tokens;
    int64_t prompt_ns, decode_ns, n_decoded;
    enum engine_finish finish;
};
/* Runs until the end, max_new, a stop text or an interrupt. */
enum status generate(struct engine *engine, const struct engine_model *model, struct generation *g,
                     struct error *err);
/* What `run --json` prints, and `chat --json` for every answer. */
json_t *generation_json(const struct generation *g, const struct engine *engine);
void generation_free(struct generation *g);
double generation_prompt_tps(const struct generation *g);
double generation_decode_tps(const struct generation *g);
/* "[prompt 12 tokens, 310 token/s; answer 40 tokens, 150 token/s]" into stderr, with what is to be
 * known of them (beyond_text). */
void generation_say_speed(const struct generation *g, const struct engine *engine);
