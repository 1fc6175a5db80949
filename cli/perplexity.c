/* perplexity.c: hone perplexity: how well a model predicts a text.
 *
 * Protocol: the text's ids are cut into windows of --ctx ids; in each window every id but the first is
 * predicted from those before it. ppl = exp(mean negative log-likelihood) over all of them; the second half
 * counts the predictions of ids ctx/2 … ctx − 1 only, which all have at least ctx/2 ids before them. */
#include "base/log.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/cli.h"
#include "runtime/engine.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char examples[] =
    "  hone perplexity -m model.gguf -f wiki.test.raw --ctx 512 --chunks 8\n"
    "  hone perplexity -m model.gguf -f wiki.test.raw --class i8 --json\n";

struct perplexity_options {
    struct common_options common;
    struct engine_choice choice;
    char *file, *bos;
    int window, chunks;
};

/* −ln p(id) under the logits, in double. */
static double negative_log_likelihood(const float *logits, int64_t n, int32_t id) {
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) top = fmax(top, logits[i]);
    for (int64_t i = 0; i < n; i++) sum += exp(logits[i] - top);
    return top + log(sum) - logits[id];
}

struct tally {
    double sum, half_sum;
    int64_t n, half_n;
    json_t *chunks; /* ppl of each window */
};

static enum status window_run(struct engine *engine, const int32_t *ids, int n, int64_t vocabulary,
                              struct tally *tally, struct error *err) {
    enum { STEP = 64 }; /* rows with logits at a time: they are many floats each */
    int32_t sequence;
    enum status status = engine_sequence_new(engine, &sequence, err);
    if (status != OK) return status;
    double sum = 0;
    for (int at = 0; at < n - 1 && status == OK; at += STEP) {
        struct engine_row rows[STEP];
        const int count = at + STEP < n - 1 ? STEP : n - 1 - at;
        for (int i = 0; i < count; i++)
            rows[i] = (struct engine_row){ids[at + i], NULL, at + i, sequence, true};
        if ((status = engine_batch(engine, rows, (size_t)count, err)) != OK) break;
        for (int i = 0; i < count; i++) {
            const int predicted = at + i + 1;
            const double nll = negative_log_likelihood(engine_logits(engine, (size_t)i), vocabulary,
                                                       ids[predicted]);
            sum += nll;
            if (predicted >= n / 2) tally->half_sum += nll, tally->half_n++;
        }
        if (interrupted) status = fail(err, STATUS_INTERRUPTED, "interrupted");
    }
    engine_sequence_drop(engine, sequence);
    tally->sum += sum;
    tally->n += n - 1;
    json_array_append_new(tally->chunks, json_real(exp(sum / (n - 1))));
    return status;
}

/* Ids of the text in a window: with --bos each it begins with BOS and holds one less. */
static int payload(const struct perplexity_options *o, bool each) {
    return o->window - each;
}

/* The windows of ids. */
static enum status all_windows(const struct perplexity_options *o, struct engine *engine,
                               const struct engine_model *model, const int32_t *ids, size_t n,
                               bool each, struct tally *tally, struct error *err) {
    struct engine_model_facts facts;
    engine_model_describe(model, &facts);
    const size_t some = (size_t)payload(o, each);
    int32_t *window = memory_new((size_t)o->window * sizeof *window);
    enum status status = OK;
    for (int chunk = 0; chunk < o->chunks && status == OK; chunk++) {
        if ((size_t)(chunk + 1) * some > n) break;
        if (each) window[0] = engine_bos(model);
        memcpy(window + each, ids + (size_t)chunk * some, some * sizeof *ids);
        status = window_run(engine, window, o->window, facts.vocabulary, tally, err);
        log_progress("perplexity %d/%d  ppl %.3f", chunk + 1, o->chunks,
                     exp(tally->sum / (double)tally->n));
    }
    log_progress_done();
    free(window);
    return status;
}

/* Remember this class's perplexity for this file; with f32 known too, `auto` can choose. */
static void remember_class(const struct perplexity_options *o, const struct engine_model *model,
                           const struct engine *engine, const struct tally *tally,
                           const int32_t *ids, bool each) {
    struct engine_facts facts;
    struct error err;
    engine_describe(engine, &facts);
    const size_t windows = json_array_size(tally->chunks);
    const struct engine_perplexity measured = {
        .ppl = exp(tally->sum / (double)tally->n),
        .predictions = tally->n,
        .ids = ids,
        .n_ids = windows * (size_t)payload(o, each),
        .window = o->window,
        .windows = (int64_t)windows,
        .has_bos = each,
        .kv_type = o->choice.kv ? o->choice.kv : "f16",
    };
    if (engine_remember_perplexity(model, o->common.database, facts.class_name, &measured, &err) !=
        OK)
        log_warn("the result is not remembered: %s", err.text);
}

static enum status print_result(const struct perplexity_options *o, const struct tally *tally,
                                const struct engine *engine, const char *protocol,
                                struct error *err) {
    struct engine_facts facts;
    engine_describe(engine, &facts);
    const double nll = tally->sum / (double)tally->n,
                 half = tally->half_sum / (double)tally->half_n;
    if (o->common.json)
        return json_print(json_pack("{s:f, s:f, s:f, s:I, s:s, s:s, s:s, s:s, s:O}", "ppl",
                                    exp(nll), "ppl_second_half", exp(half), "nll", nll, "tokens",
                                    (json_int_t)tally->n, "protocol", protocol, "class",
                                    facts.class_name, "device", facts.device, "profile",
                                    facts.profile, "chunks", tally->chunks),
                          err);
    return out_printf(err,
                      "perplexity %.4f over %lld predictions (second half of each window "
                      "%.4f)\n%s; class %s on %s\n",
                      exp(nll), (long long)tally->n, exp(half), protocol, facts.class_name,
                      facts.device);
}

/* One window at least, or why there is none. */
static enum status check_text(const struct perplexity_options *o, size_t n, bool each,
                              struct error *err) {
    const char *name = o->file ? o->file : "stdin";
    if (n >= (size_t)payload(o, each)) return OK;
    if (n == 0) return fail(err, STATUS_INVALID, "%s is empty: there is no text to predict", name);
    return fail(err, STATUS_INVALID,
                "%s holds %zu ids, less than one window of %d: make --ctx smaller", name, n,
                o->window);
}

static enum status find_bos(const char *name, const struct engine_model *model, bool *each,
                            struct error *err) {
    *each = false;
    if (!name || !strcmp(name, "auto")) *each = engine_adds_bos(model) && engine_bos(model) >= 0;
    else if (!strcmp(name, "each")) *each = true;
    else if (strcmp(name, "none") != 0)
        return fail(err, STATUS_USAGE, "--bos is auto, none or each, not '%s'", name);
    if (*each && engine_bos(model) < 0)
        return fail(err, STATUS_INVALID, "--bos each: this model has no BOS token");
    return OK;
}

static enum status perplexity(struct perplexity_options *o, struct error *err) {
    struct engine_model *model = NULL;
    struct engine *engine = NULL;
    struct tally tally = {.chunks = json_array()};
    char *text = NULL;
    int32_t *ids = NULL;
    size_t length = 0, n = 0;
    bool each;
    char *protocol = NULL, count[UNITS_TEXT];
    if (o->choice.context < o->window) o->choice.context = o->window;
    enum status status = choice_open_model(&o->choice, &model, err);
    if (status == OK) status = find_bos(o->bos, model, &each, err);
    if (status == OK) status = text_read(o->file, &text, &length, err);
    if (status == OK) status = engine_tokenize(model, text, length, false, false, &ids, &n, err);
    if (status == OK) status = check_text(o, n, each, err);
    if (status == OK) status = choice_open(&o->choice, &o->common, model, NULL, &engine, err);
    if (status == OK) status = all_windows(o, engine, model, ids, n, each, &tally, err);
    if (status != OK) goto done;
    protocol = text_format("%s of %d ids, %s",
                           units_count((int64_t)json_array_size(tally.chunks), "window", count),
                           o->window, each ? "BOS before each" : "no BOS");
    remember_class(o, model, engine, &tally, ids, each);
    status = print_result(o, &tally, engine, protocol, err);
done:
    json_decref(tally.chunks);
    free(protocol);
    free(ids);
    free(text);
    engine_close(engine);
    engine_model_close(model);
    return status;
}

enum status command_perplexity(int argc, const char **argv, struct error *err) {
    struct perplexity_options o = {.window = 512, .chunks = 8};
    struct poptOption table[] = {
        ENGINE_OPTIONS(o.choice),
        {"file", 'f', POPT_ARG_STRING, &o.file, 0, "the text (else stdin)", "FILE"},
        {"chunks", 0, POPT_ARG_INT, &o.chunks, 0, "windows to look at (8)", "N"},
        {"bos", 0, POPT_ARG_STRING, &o.bos, 0,
         "BOS before each window: auto (as the file says), none, each", "HOW"},
        COMMON_OPTIONS(o.common),
        END_OPTIONS,
    };
    poptContext context = NULL;
    const char **plain;
    bool helped;
    enum status status = options_parse("perplexity", "-m FILE -f TEXT", examples, table, argc, argv,
                                       &context, &plain, &helped, err);
    if (status == OK && !helped) status = options_most("perplexity", plain, 0, err);
    if (status == OK && !helped) {
        log_quiet = o.common.quiet;
        if (o.choice.context > 0) o.window = o.choice.context;
        if (o.window < 4) status = fail(err, STATUS_USAGE, "hone perplexity: --ctx is at least 4");
        else status = perplexity(&o, err);
    }
    poptFreeContext(context);
    return status;
}
