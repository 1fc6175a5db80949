/* bench.c: hone bench: default, tuned and rival kernels in one run; or a model's prefill and decode. */
#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/compare.h"
#include "cli/problems.h"
#include "results/store.h"
#include "runtime/engine.h"
#include "tuner/bench.h"
#include "tuner/lock.h"
#include "tuner/rival.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char examples[] =
    "  hone bench --family gemm --problem m=12288,k=4096,n=16..128*2 --rivals clblast,openblas\n"
    "  hone bench --family gemv_q4 --problem m=12288,k=4096 --class f32,i8\n"
    "  hone bench --family gemm --problem m=4096,k=4096,n=64 --config tiled:VW=16,TN=8\n"
    "  hone bench --model model.gguf --pp 512 --tg 128 --class i8\n"
    "  hone bench --aa --save runs.json     how often would the gate of hone compare err here\n";

struct bench_choices {
    struct common_options common;
    struct problem_options problems;
    struct engine_choice choice;
    char *config, *rivals, *save;
    int pp, tg, repeats, phase, aa, runs;
};

enum { RIVALS_MOST = 8 };

static void list_rivals(struct str *text) {
    for (size_t i = 0; rivals[i]; i++) str_addf(text, i ? ", %s" : "%s", rivals[i]->name);
}

static enum status split_rivals(const char *text, const char *names[RIVALS_MOST], size_t *n,
                                char **owned, struct error *err) {
    *n = 0;
    *owned = text_copy(text ? text : "");
    char *rest = *owned;
    for (char *name; text && (name = strsep(&rest, ","));) {
        if (rival_find(name) && *n < RIVALS_MOST) {
            names[(*n)++] = name;
            continue;
        }
        struct str all = {0};
        list_rivals(&all);
        fail(err, STATUS_USAGE, "there is no rival '%s': there are %s", name, str_text(&all));
        str_free(&all);
        return STATUS_USAGE;
    }
    return OK;
}

static double number_at(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : 0;
}

static const char *text_at(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static const char *profile_of(const json_t *row) {
    static char text[40];
    if (!json_is_true(json_object_get(row, "phase"))) return text_at(row, "profile");
    snprintf(text, sizeof text, "%s/phase", text_at(row, "profile"));
    return text;
}

static enum status print_row(const json_t *row, struct error *err) {
    char time[UNITS_TEXT], flops[UNITS_TEXT], rate[UNITS_TEXT], low[UNITS_TEXT], high[UNITS_TEXT],
        rival[UNITS_TEXT];
    const double ns = number_at(row, "time_ns");
    enum status status = out_printf(
        err, "%-8s %-28s %-4s %-13s %9s [%s, %s] %12s %9s %4.0f %%", text_at(row, "family"),
        text_at(row, "problem"), text_at(row, "class"), profile_of(row), units_time_ns(ns, time),
        units_time_ns(number_at(row, "low_ns"), low),
        units_time_ns(number_at(row, "high_ns"), high),
        units_flops(number_at(row, "gflops"), flops), units_rate(number_at(row, "gbps"), rate),
        100 * number_at(row, "share"));
    const char *name;
    json_t *other;
    json_object_foreach (json_object_get(row, "rivals"), name, other) {
        const double theirs = number_at(other, "time_ns");
        if (status == OK && theirs > 0)
            status =
                out_printf(err, "  ×%.2f %s (%s)", theirs / ns, name, units_time_ns(theirs, rival));
    }
    return status == OK ? out_printf(err, "  %s %s %s\n", text_at(row, "layout"),
                                     text_at(row, "variant"), text_at(row, "config"))
                        : status;
}

static enum status print_document(json_t *document, bool as_json, struct error *err) {
    if (as_json) return json_print(json_incref(document), err);
    const json_t *peak = json_object_get(document, "peak");
    char read[UNITS_TEXT], flops[UNITS_TEXT], launch[UNITS_TEXT];
    enum status status =
        out_printf(err, "%s: read %s, %s, int8 %.0f GOP/s, launch %s\n",
                   text_at(document, "device"), units_rate(number_at(peak, "read_gbps"), read),
                   units_flops(number_at(peak, "gflops"), flops), number_at(peak, "giops"),
                   units_time_ns(number_at(peak, "launch_ns"), launch));
    size_t i;
    json_t *row;
    json_array_foreach (json_object_get(document, "rows"), i, row)
        if (status == OK) status = print_row(row, err);
    return status;
}

/* "tiled:VW=16,TN=8" -> variant and configuration. */
static enum status split_config(char *text, const char **variant, const char **config,
                                struct error *err) {
    *variant = *config = NULL;
    if (!text) return OK;
    char *colon = strchr(text, ':');
    if (!colon)
        return fail(err, STATUS_USAGE,
                    "--config is VARIANT:PARAMETERS, as tiled:VW=16,TN=8, not '%s'", text);
    *colon = 0;
    *variant = text;
    *config = colon + 1;
    return OK;
}

static enum status bench_kernels(struct bench_choices *o, struct error *err) {
    struct problem_list list = {0};
    const char *names[RIVALS_MOST];
    char *owned = NULL, *database = store_default_path(o->common.database);
    const char *variant = NULL, *config = NULL;
    size_t n_rivals = 0;
    json_t *result = NULL;
    enum status status = split_rivals(o->rivals, names, &n_rivals, &owned, err);
    if (status == OK) status = split_config(o->config, &variant, &config, err);
    o->problems.class_name = o->choice.class_name;
    if (status == OK) status = problems_collect(&o->problems, &list, err);
    if (status != OK) goto done;
    const struct bench_options options = {
        .device = o->common.device,
        .database = database,
        .problems = list.items,
        .n_problems = list.n,
        .profile = o->choice.profile,
        .phase = o->phase,
        .config_variant = variant,
        .config = config,
        .rivals = names,
        .n_rivals = n_rivals,
        .interrupt = &interrupted,
        .lock_text = "hone bench",
    };
    status = bench_run(&options, &result, err);
    if (result) {
        struct error print_error = {OK, ""};
        const enum status printed = print_document(result, o->common.json, &print_error);
        if (status == OK && printed != OK) *err = print_error, status = printed;
    }
done:
    json_decref(result);
    problem_list_free(&list);
    free(owned);
    free(database);
    return status;
}

/* ---- --model ---- */

/* Rows between two looks at the interrupt: the most that the engine takes in one batch (engine.h), so that
 * cutting a prompt here changes nothing. */
enum { PART = 256, REPEATS_MOST = 64 };

/* What was measured of prefill or decode. */
struct rate {
    const char *name; /* "pp", "tg" */
    bool one_by_one;
    int tokens;
    int n;                 /* runs that count */
    double tps, low, high; /* NAN: none */
};

static enum status go_on(struct error *err) {
    return interrupted ? fail(err, STATUS_INTERRUPTED, "interrupted; above is what was measured")
                       : OK;
}

/* Rows [at, at + n) in parts. */
static enum status feed(struct engine *engine, const struct engine_row *rows, int n, int part,
                        struct error *err) {
    enum status status = OK;
    for (int at = 0; status == OK && at < n; at += part) {
        status = go_on(err);
        const int here = n - at < part ? n - at : part;
        if (status == OK) status = engine_batch(engine, rows + at, (size_t)here, err);
    }
    return status;
}

/* Time of n rows of prefill, or of n steps of decode behind one row. */
static enum status time_rows(struct engine *engine, const struct rate *rate, double *seconds,
                             struct error *err) {
    const int n = rate->tokens, depth = rate->one_by_one ? 1 : 0;
    int32_t sequence;
    enum status status = engine_sequence_new(engine, &sequence, err);
    if (status != OK) return status;
    struct engine_row *rows = memory_new((size_t)(n + depth) * sizeof *rows);
    for (int i = 0; i < n + depth; i++)
        rows[i] = (struct engine_row){filler_id(engine, i), NULL, i, sequence,
                                      i >= depth && (rate->one_by_one || i == n - 1)};
    if (depth) status = engine_batch(engine, rows, (size_t)depth, err);
    const int64_t start_ns = clock_now_ns();
    if (status == OK) status = feed(engine, rows + depth, n, rate->one_by_one ? 1 : PART, err);
    *seconds = (double)(clock_now_ns() - start_ns) * 1e-9;
    free(rows);
    engine_sequence_drop(engine, sequence);
    return status;
}

/* Runs, one of them to warm up; interrupted, those that were finished count. */
static enum status measure_rate(struct engine *engine, int repeats, struct rate *rate,
                                struct error *err) {
    double samples[REPEATS_MOST];
    enum status status = OK;
    for (int i = -1; rate->tokens > 0 && i < repeats; i++) {
        double seconds;
        status = time_rows(engine, rate, &seconds, err);
        if (status != OK) break;
        if (i >= 0) samples[rate->n++] = rate->tokens / seconds;
        log_progress("%s %d: %.1f token/s", rate->name, rate->tokens, rate->tokens / seconds);
    }
    if (rate->n == 0) return status;
    rate->tps = stats_median(samples, (size_t)rate->n);
    stats_median_interval(samples, (size_t)rate->n, 0.95, &rate->low, &rate->high);
    return status;
}

static json_t *number(double value) {
    return isnan(value) ? json_null() : json_real(value);
}

static json_t *model_json(const struct bench_choices *o, const struct engine_facts *facts,
                          const struct rate *pp, const struct rate *tg) {
    const json_int_t bytes = facts->weight_bytes + facts->kv_bytes + facts->activation_bytes;
    return json_pack("{s:s, s:{}, s:[], s:{s:s, s:s, s:s, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, "
                     "s:f, s:I, s:i, s:i}}",
                     "device", facts->device, "peak", "rows", "model", "file", o->choice.model,
                     "profile", facts->profile, "class", facts->class_name, "pp", o->pp, "tg",
                     o->tg, "pp_tps", number(pp->tps), "pp_low", number(pp->low), "pp_high",
                     number(pp->high), "tg_tps", number(tg->tps), "tg_low", number(tg->low),
                     "tg_high", number(tg->high), "load_s", (double)facts->load_ns * 1e-9, "bytes",
                     bytes, "tuned_operations", facts->tuned_operations, "operations",
                     facts->operations);
}

static enum status print_rate(const struct rate *rate, struct error *err) {
    if (rate->n == 0) return out_printf(err, "%s%-5d not measured\n", rate->name, rate->tokens);
    return out_printf(err, "%s%-5d %8.1f token/s [%.1f, %.1f]\n", rate->name, rate->tokens,
                      rate->tps, rate->low, rate->high);
}

static enum status print_model(const struct bench_choices *o, const struct engine *engine,
                               const struct rate *pp, const struct rate *tg, struct error *err) {
    struct engine_facts facts;
    engine_describe(engine, &facts);
    log_progress_done();
    if (o->common.json) return json_print(model_json(o, &facts, pp, tg), err);
    enum status status = out_printf(err, "%s, class %s, profile %s\n", facts.device,
                                    facts.class_name, facts.profile);
    if (status == OK) status = print_rate(pp, err);
    return status == OK ? print_rate(tg, err) : status;
}

/* The device is locked all the while. What was measured is printed when interrupted, too. */
static enum status bench_model(struct bench_choices *o, struct error *err) {
    struct engine_model *model = NULL;
    struct engine *engine = NULL;
    struct lock *lock = NULL;
    struct rate pp = {"pp", false, o->pp, 0, NAN, NAN, NAN};
    struct rate tg = {"tg", true, o->tg, 0, NAN, NAN, NAN};
    if (o->repeats < 1 || o->repeats > REPEATS_MOST) o->repeats = 5;
    if (!o->choice.context) o->choice.context = o->pp > o->tg + 1 ? o->pp : o->tg + 1;
    enum status status = choice_open_model(&o->choice, &model, err);
    if (status == OK) status = lock_take_device(o->common.device, "hone bench", &lock, err);
    if (status == OK) status = choice_open(&o->choice, &o->common, model, NULL, &engine, err);
    if (status == OK) {
        status = measure_rate(engine, o->repeats, &pp, err);
        if (status == OK) status = measure_rate(engine, o->repeats, &tg, err);
        struct error print_error = {OK, ""};
        if (status == OK || status == STATUS_INTERRUPTED) {
            const enum status printed = print_model(o, engine, &pp, &tg, &print_error);
            if (status == OK && printed != OK) *err = print_error, status = printed;
        }
    }
    engine_close(engine);
    lock_release(lock);
    engine_model_close(model);
    return status;
}

/* ---- --aa ---- */

static enum status bench_alarms(struct bench_choices *o, struct error *err) {
    o->problems.class_name = o->choice.class_name;
    return compare_alarms(&o->common, &o->problems, o->choice.profile, o->runs, o->save, err);
}

enum status command_bench(int argc, const char **argv, struct error *err) {
    struct bench_choices o = {.pp = 512, .tg = 128, .repeats = 5};
    struct str rival_names = {0};
    list_rivals(&rival_names);
    struct poptOption table[] = {
        {"family", 0, POPT_ARG_STRING, &o.problems.family, 0, "slices or families, with commas",
         "LIST"},
        {"problem", 0, POPT_ARG_STRING, &o.problems.problem, 0, "fields with lists and ranges",
         "TEXT"},
        {"layout", 0, POPT_ARG_STRING, &o.problems.layout, 0, "only this layout of the weights",
         "NAME"},
        {"config", 0, POPT_ARG_STRING, &o.config, 0, "time this, too: tiled:VW=16,TN=8",
         "VARIANT:P=V,P=V"},
        {"phase", 0, POPT_ARG_NONE, &o.phase, 0,
         "also as a phase of a larger kernel: no launch, one copy of the weights after another",
         NULL},
        {"rivals", 0, POPT_ARG_STRING, &o.rivals, 0, str_text(&rival_names), "LIST"},
        ENGINE_OPTIONS(o.choice),
        {"pp", 0, POPT_ARG_INT, &o.pp, 0, "with --model: prompt tokens (512)", "N"},
        {"tg", 0, POPT_ARG_INT, &o.tg, 0, "with --model: generated tokens (128)", "N"},
        {"repeats", 'r', POPT_ARG_INT, &o.repeats, 0, "with --model: runs (5)", "N"},
        {"aa", 0, POPT_ARG_NONE, &o.aa, 0, "false alarms of the regression gate on this machine",
         NULL},
        {"runs", 0, POPT_ARG_INT, &o.runs, 0, "with --aa: fresh processes a benchmark (60)", "N"},
        {"save", 0, POPT_ARG_STRING, &o.save, 0, "with --aa: keep the runs", "FILE"},
        COMMON_OPTIONS(o.common),
        END_OPTIONS,
    };
    poptContext context = NULL;
    const char **plain;
    bool helped;
    enum status status = options_parse("bench", "[options]", examples, table, argc, argv, &context,
                                       &plain, &helped, err);
    const struct option_given own[] = {{"--family", o.problems.family},
                                       {"--problem", o.problems.problem},
                                       {"--layout", o.problems.layout},
                                       {"--config", o.config},
                                       {"--rivals", o.rivals},
                                       {"--phase", o.phase},
                                       {NULL, false}};
    if (status == OK && !helped && o.choice.model)
        status = options_none("bench", "--model times the whole model", own, err);
    const struct option_given foreign[] = {{"--model", o.choice.model},
                                           {"--config", o.config},
                                           {"--rivals", o.rivals},
                                           {"--phase", o.phase},
                                           {NULL, false}};
    if (status == OK && !helped && o.aa)
        status = options_none("bench", "--aa asks about the gate of hone compare", foreign, err);
    const struct option_given of_aa[] = {{"--runs", o.runs}, {"--save", o.save}, {NULL, false}};
    if (status == OK && !helped && !o.aa)
        status = options_none("bench", "they are of --aa", of_aa, err);
    if (status == OK && !helped) {
        log_quiet = o.common.quiet;
        if (*plain)
            status = fail(err, STATUS_USAGE, "hone bench: '%s' is no option; see hone bench --help",
                          *plain);
        else if (o.aa) status = bench_alarms(&o, err);
        else status = o.choice.model ? bench_model(&o, err) : bench_kernels(&o, err);
        log_progress_done();
    }
    poptFreeContext(context);
    str_free(&rival_names);
    return status;
}
