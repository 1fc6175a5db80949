/* plans.c: see plans.h. Two engines at a time, fused and not, take turns token by token, so that a busy
 * neighbour slows both; what counts is the median of the pairs' ratios. A token is one of the answer and
 * one of the prompt: what makes decode 3 % faster and prompts take twice as long is no gain. */
#include "cli/plans.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/str.h"
#include "base/units.h"
#include "results/store.h"
#include "runtime/engine.h"
#include <stdlib.h>
#include <string.h>

/* Tokens compared, behind as many that warm up; positions that attention sees meanwhile; a prompt. */
enum { TOKENS = 24, WARM_TOKENS = 8, DEPTH = 64, PROMPT = 256, PROMPTS = 3 };
/* A plan must be this much faster than the fused one: below, it is as likely noise. */
static const double GAIN_LEAST = 0.02;

static const char *const trials[] = {"qkv=0", "ffn=0", "norm=0", "rope=0"};
enum { TRIALS = sizeof trials / sizeof *trials };

struct side {
    struct engine *engine;
    int32_t sequence;
    int32_t position;
};

static enum status side_open(struct side *side, const struct common_options *common,
                             const struct engine_choice *choice, struct engine_model *model,
                             const char *plan, struct error *err) {
    *side = (struct side){NULL, -1, 0};
    enum status st = choice_open(choice, common, model, plan, &side->engine, err);
    if (st == OK) st = engine_sequence_new(side->engine, &side->sequence, err);
    if (st != OK) return st;
    struct engine_row rows[DEPTH];
    for (int i = 0; i < DEPTH; i++)
        rows[i] = (struct engine_row){filler_id(side->engine, i), NULL, i, side->sequence, false};
    side->position = DEPTH;
    return engine_batch(side->engine, rows, DEPTH, err);
}

/* Time of a token of the prompt: a whole batch, forgotten again. */
static enum status side_prompt(struct side *side, double *time_ns, struct error *err) {
    struct engine_row rows[PROMPT];
    for (int i = 0; i < PROMPT; i++)
        rows[i] = (struct engine_row){filler_id(side->engine, i), NULL, side->position + i,
                                      side->sequence, false};
    const int64_t start_ns = clock_now_ns();
    const enum status st = engine_batch(side->engine, rows, PROMPT, err);
    *time_ns = (double)(clock_now_ns() - start_ns) / PROMPT;
    if (st != OK) return st;
    return engine_sequence_truncate(side->engine, side->sequence, side->position, err);
}

static enum status side_step(struct side *side, double *time_ns, struct error *err) {
    const struct engine_row row = {filler_id(side->engine, 0), NULL, side->position++,
                                   side->sequence, true};
    const int64_t start_ns = clock_now_ns();
    const enum status st = engine_batch(side->engine, &row, 1, err);
    *time_ns = (double)(clock_now_ns() - start_ns);
    return st;
}

/* Between two measurements: may it go on? INTERRUPTED, or TIMEOUT when the time is over. */
static enum status go_on(int64_t end_ns, struct error *err) {
    if (interrupted) return fail(err, STATUS_INTERRUPTED, "interrupted while comparing plans");
    if (clock_now_ns() >= end_ns) return fail(err, STATUS_TIMEOUT, "no time to compare plans");
    return OK;
}

/* Time of a token of the prompt on either side. */
static enum status compare_prompts(struct side *fused, struct side *other, int64_t end_ns,
                                   double *a, double *b, struct error *err) {
    double x[PROMPTS], y[PROMPTS];
    for (int i = -1; i < PROMPTS; i++) { /* the first warms up */
        enum status st = go_on(end_ns, err);
        if (st == OK) st = side_prompt(fused, a, err);
        if (st == OK) st = go_on(end_ns, err);
        if (st == OK) st = side_prompt(other, b, err);
        if (st != OK) return st;
        if (i >= 0) x[i] = *a, y[i] = *b;
    }
    *a = stats_median(x, PROMPTS);
    *b = stats_median(y, PROMPTS);
    return OK;
}

/* What a trial found: time of a token of answer and prompt together as a part of the fused side's, and that of
 * a token of the answer on either side. */
struct comparison {
    double ratio, fused_ns, token_ns;
};

static enum status compare(struct side *fused, struct side *other, int64_t end_ns,
                           struct comparison *found, struct error *err) {
    double ratios[TOKENS], fused_ns[TOKENS], other_ns[TOKENS], prompt_a, prompt_b, a, b;
    enum status prompts = compare_prompts(fused, other, end_ns, &prompt_a, &prompt_b, err);
    if (prompts != OK) return prompts;
    for (int i = -WARM_TOKENS; i < TOKENS; i++) {
        enum status st = go_on(end_ns, err);
        if (st == OK) st = side_step(fused, &a, err);
        if (st == OK) st = side_step(other, &b, err);
        if (st != OK) return st;
        if (i < 0) continue;
        ratios[i] = (b + prompt_b) / (a + prompt_a);
        fused_ns[i] = a;
        other_ns[i] = b;
    }
    *found = (struct comparison){stats_median(ratios, TOKENS), stats_median(fused_ns, TOKENS),
                                 stats_median(other_ns, TOKENS)};
    return OK;
}

static enum status keep(const struct common_options *common, const struct engine_model *model,
                        const struct engine *engine, json_t *result, struct error *err) {
    struct engine_model_facts m;
    struct engine_facts e;
    engine_model_describe(model, &m);
    engine_describe(engine, &e);
    char *path = store_default_path(common->database);
    char *key = text_format("%s %s", m.fingerprint, e.class_name);
    char *value = json_dumps(result, JSON_COMPACT);
    struct store *store = NULL;
    enum status st = store_open(path, STORE_WRITE, &store, err);
    if (st == OK) st = store_fact_set(store, "plan", e.model_key, e.version_key, key, value, err);
    store_close(store);
    free(value);
    free(key);
    free(path);
    return st;
}

/* What won by itself, together; the empty text: all fused. */
static void join(const bool *wins, char text[64]) {
    text[0] = 0;
    for (int i = 0; i < TRIALS; i++) {
        const size_t used = strlen(text);
        if (wins[i]) snprintf(text + used, 64 - used, "%s%s", used ? "," : "", trials[i]);
    }
}

/* plan and *best: of the winning trial; without one, the empty text and the fused side's times. */
static enum status try_all(const struct common_options *common, const struct engine_choice *choice,
                           struct engine_model *model, struct side *fused, int64_t end_ns,
                           char plan[64], struct comparison *best, struct error *err) {
    bool wins[TRIALS] = {false};
    int n_wins = 0;
    enum status st = OK;
    *best = (struct comparison){1, 0, 0};
    for (int i = 0; st == OK && i <= TRIALS; i++) {
        const bool is_together = i == TRIALS;
        char together[64];
        join(wins, together);
        if (is_together && n_wins < 2) break;
        struct side other = {NULL, -1, 0};
        struct comparison found = *best;
        log_progress("fused or not: %s", is_together ? together : trials[i]);
        st = go_on(end_ns, err); /* opening an engine takes seconds */
        if (st == OK)
            st = side_open(&other, common, choice, model, is_together ? together : trials[i], err);
        if (st == OK) st = compare(fused, &other, end_ns, &found, err);
        engine_close(other.engine);
        if (st != OK) break;
        if (n_wins == 0) best->fused_ns = best->token_ns = found.fused_ns;
        if (found.ratio > 1 - GAIN_LEAST) continue;
        if (!is_together) wins[i] = true, n_wins++;
        if (found.ratio >= best->ratio) continue;
        *best = found;
        snprintf(plan, 64, "%s", is_together ? together : trials[i]);
    }
    log_progress_done();
    return st == STATUS_TIMEOUT && plan[0] ? OK : st; /* what has won by then has won */
}

enum status plans_measure(const struct common_options *common, const struct engine_choice *choice,
                          int64_t end_ns, json_t **result, struct error *err) {
    struct engine_model *model = NULL;
    struct side fused = {NULL, -1, 0};
    char plan[64] = "", time[UNITS_TEXT];
    struct comparison best;
    *result = NULL;
    enum status st = go_on(end_ns, err);
    if (st == OK) st = choice_open_model(choice, &model, err);
    if (st == OK) st = side_open(&fused, common, choice, model, "", err);
    if (st == OK) st = try_all(common, choice, model, &fused, end_ns, plan, &best, err);
    if (st == OK) {
        *result = json_pack("{s:s,s:f,s:f}", "plan", plan, "token_ns", best.token_ns, "fused_ns",
                            best.fused_ns);
        st = keep(common, model, fused.engine, *result, err);
        log_say("plan: %s, %s a token", plan[0] ? plan : "everything fused",
                units_time_ns(best.token_ns, time));
    }
    engine_close(fused.engine);
    engine_model_close(model);
    if (st != STATUS_TIMEOUT) return st;
    log_say("The time was over before fused and not fused were compared: the plan stays as it is; "
            "a larger "
            "--budget compares them.");
    return OK;
}
