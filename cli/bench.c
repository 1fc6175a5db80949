/* bench.c: hone bench: default, tuned and rival kernels in one run; or a model's prefill and decode. */
#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/problems.h"
#include "results/store.h"
#include "runtime/engine.h"
#include "tuner/bench.h"
#include "tuner/lock.h"
#include "tuner/rival.h"
#include <stdlib.h>
#include <string.h>

static const char examples[] =
    "  hone bench --family gemm --problem m=12288,k=4096,n=16..128*2 --rivals clblast,openblas\n"
    "  hone bench --family gemv_q4 --problem m=12288,k=4096 --class f32,i8\n"
    "  hone bench --family gemm --problem m=4096,k=4096,n=64 --config tiled:VW=16,TN=8\n"
    "  hone bench --model model.gguf --pp 512 --tg 128 --class i8\n";

struct bench_choices {
    struct common_options common;
    struct problem_options problems;
    struct engine_choice choice;
    char *config, *rivals;
    int pp, tg, repeats;
};

static enum status split_rivals(const char *text, const char *names[8], size_t *n, char **owned,
                                struct error *err) {
    *n = 0;
    *owned = text_copy(text ? text : "");
    char *rest = *owned;
    for (char *name; text && (name = strsep(&rest, ","));) {
        if (!rival_find(name)) {
            struct str all = {0};
            for (size_t i = 0; rivals[i]; i++) str_addf(&all, i ? ", %s" : "%s", rivals[i]->name);
            fail(err, STATUS_USAGE, "there is no rival '%s': there are %s", name, str_text(&all));
            str_free(&all);
            return STATUS_USAGE;
        }
        if (*n < 8) names[(*n)++] = name;
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

static enum status print_row(const json_t *row, struct error *err) {
    char time[UNITS_TEXT], flops[UNITS_TEXT], rate[UNITS_TEXT], low[UNITS_TEXT], high[UNITS_TEXT],
        rival[UNITS_TEXT];
    const double ns = number_at(row, "time_ns");
    enum status status = out_printf(
        err, "%-8s %-28s %-4s %-8s %9s [%s, %s] %12s %9s %4.0f %%", text_at(row, "family"),
        text_at(row, "problem"), text_at(row, "class"), text_at(row, "profile"),
        units_time_ns(ns, time), units_time_ns(number_at(row, "low_ns"), low),
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
    const char *names[8];
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

/* Time of n rows of prefill, or of n steps of decode behind them. */
static enum status time_rows(struct engine *engine, int n, int depth, bool one_by_one,
                             double *seconds, struct error *err) {
    int32_t sequence;
    enum status status = engine_sequence_new(engine, &sequence, err);
    if (status != OK) return status;
    struct engine_row *rows = memory_new((size_t)(n + depth + 1) * sizeof *rows);
    for (int i = 0; i < n + depth; i++)
        rows[i] = (struct engine_row){filler_id(engine, i), NULL, i, sequence,
                                      one_by_one || i == n + depth - 1};
    for (int i = 0; i < depth; i++) rows[i].want_logits = false;
    if (depth) status = engine_batch(engine, rows, (size_t)depth, err);
    const int64_t start_ns = clock_now_ns();
    if (status == OK && !one_by_one) status = engine_batch(engine, rows + depth, (size_t)n, err);
    for (int i = 0; status == OK && one_by_one && i < n; i++)
        status = engine_batch(engine, rows + depth + i, 1, err);
    *seconds = (double)(clock_now_ns() - start_ns) * 1e-9;
    free(rows);
    engine_sequence_drop(engine, sequence);
    return status;
}

static enum status rate(struct engine *engine, int n, bool one_by_one, int repeats, double *tps,
                        double *low, double *high, struct error *err) {
    double samples[64];
    *tps = *low = *high = 0;
    if (n <= 0) return OK;
    for (int i = -1; i < repeats && i < 64; i++) { /* one to warm up */
        double seconds;
        const enum status status =
            time_rows(engine, n, one_by_one ? 1 : 0, one_by_one, &seconds, err);
        if (status != OK) return status;
        if (i >= 0) samples[i] = n / seconds;
        log_progress("%s %d: %.1f token/s", one_by_one ? "tg" : "pp", n, n / seconds);
    }
    *tps = stats_median(samples, (size_t)repeats);
    stats_median_interval(samples, (size_t)repeats, 0.95, low, high);
    return OK;
}

static enum status bench_model(struct bench_choices *o, struct error *err) {
    struct engine_model *model = NULL;
    struct engine *engine = NULL;
    double pp, pp_low, pp_high, tg, tg_low, tg_high;
    if (o->repeats < 1 || o->repeats > 64) o->repeats = 5;
    if (!o->choice.context) o->choice.context = o->pp > o->tg + 1 ? o->pp : o->tg + 1;
    enum status status = choice_open_model(&o->choice, &model, err);
    if (status == OK) status = choice_open(&o->choice, &o->common, model, NULL, &engine, err);
    if (status == OK) status = rate(engine, o->pp, false, o->repeats, &pp, &pp_low, &pp_high, err);
    if (status == OK) status = rate(engine, o->tg, true, o->repeats, &tg, &tg_low, &tg_high, err);
    log_progress_done();
    if (status == OK) {
        struct engine_facts facts;
        engine_describe(engine, &facts);
        const json_int_t bytes = facts.weight_bytes + facts.kv_bytes + facts.activation_bytes;
        if (o->common.json)
            status = json_print(
                json_pack(
                    "{s:s, s:{}, s:[], s:{s:s, s:s, s:s, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, "
                    "s:f, s:I, s:i, s:i}}",
                    "device", facts.device, "peak", "rows", "model", "file", o->choice.model,
                    "profile", facts.profile, "class", facts.class_name, "pp", o->pp, "tg", o->tg,
                    "pp_tps", pp, "pp_low", pp_low, "pp_high", pp_high, "tg_tps", tg, "tg_low",
                    tg_low, "tg_high", tg_high, "load_s", (double)facts.load_ns * 1e-9, "bytes",
                    bytes, "tuned_operations", facts.tuned_operations, "operations",
                    facts.operations),
                err);
        else
            status = out_printf(err,
                                "%s, class %s, profile %s\npp%-5d %8.1f token/s [%.1f, "
                                "%.1f]\ntg%-5d %8.1f token/s [%.1f, %.1f]\n",
                                facts.device, facts.class_name, facts.profile, o->pp, pp, pp_low,
                                pp_high, o->tg, tg, tg_low, tg_high);
    }
    engine_close(engine);
    engine_model_close(model);
    return status;
}

enum status command_bench(int argc, const char **argv, struct error *err) {
    struct bench_choices o = {.pp = 512, .tg = 128, .repeats = 5};
    struct poptOption table[] = {
        {"family", 0, POPT_ARG_STRING, &o.problems.family, 0, "slices or families, with commas",
         "LIST"},
        {"problem", 0, POPT_ARG_STRING, &o.problems.problem, 0, "fields with lists and ranges",
         "TEXT"},
        {"layout", 0, POPT_ARG_STRING, &o.problems.layout, 0, "only this layout of the weights",
         "NAME"},
        {"config", 0, POPT_ARG_STRING, &o.config, 0, "time this configuration: tiled:VW=16,TN=8",
         "V:P=…"},
        {"rivals", 0, POPT_ARG_STRING, &o.rivals, 0, "clblast, openblas", "LIST"},
        ENGINE_OPTIONS(o.choice),
        {"pp", 0, POPT_ARG_INT, &o.pp, 0, "with --model: prompt tokens (512)", "N"},
        {"tg", 0, POPT_ARG_INT, &o.tg, 0, "with --model: generated tokens (128)", "N"},
        {"repeats", 'r', POPT_ARG_INT, &o.repeats, 0, "with --model: runs (5)", "N"},
        COMMON_OPTIONS(o.common),
        END_OPTIONS,
    };
    poptContext context = NULL;
    const char **plain;
    bool helped;
    enum status status = options_parse("bench", "[options]", examples, table, argc, argv, &context,
                                       &plain, &helped, err);
    const struct option_given own[] = {
        {"--family", o.problems.family}, {"--problem", o.problems.problem},
        {"--layout", o.problems.layout}, {"--config", o.config},
        {"--rivals", o.rivals},          {NULL, false}};
    if (status == OK && !helped && o.choice.model)
        status = options_none("bench", "--model times the whole model", own, err);
    if (status == OK && !helped) {
        log_quiet = o.common.quiet;
        if (*plain)
            status = fail(err, STATUS_USAGE, "hone bench: '%s' is no option; see hone bench --help",
                          *plain);
        else status = o.choice.model ? bench_model(&o, err) : bench_kernels(&o, err);
        log_progress_done();
    }
    poptFreeContext(context);
    return status;
}
