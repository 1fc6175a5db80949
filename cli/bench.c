/* bench.c: hone bench: its command line; default, tuned and rival kernels in one run. */
#include "base/log.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/bench.h"
#include "cli/compare.h"
#include "results/store.h"
#include "tuner/bench.h"
#include "tuner/rival.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char examples[] =
    "  hone bench --family gemm --problem m=12288,k=4096,n=16..128*2 --rivals clblast,openblas\n"
    "  hone bench --family gemm --problem m=4096,k=4096,n=64 --rivals clblast,clblast_tuned\n"
    "  hone bench --family gemv_q4 --problem m=12288,k=4096 --class f32,i8\n"
    "  hone bench --family gemm --problem m=4096,k=4096,n=64 --config tiled:VW=16,TN=8\n"
    "  hone bench --family gemv_q4 --problem m=4096..12288*3,k=4096 --warm --csv\n"
    "  hone bench --model model.gguf --pp 512 --tg 128 --pg 512,128 --depth 0,1024 --class i8\n"
    "  hone bench --model llama-7b-q4 --pp 64 --tg 16 --md     generated weights, no download\n"
    "  hone bench --aa --save runs.json     how often would the gate of hone compare err here\n";

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

static const char *profile_of(const json_t *row) {
    static char text[40];
    if (!json_is_true(json_object_get(row, "phase"))) return text_at(row, "profile");
    snprintf(text, sizeof text, "%s/phase", text_at(row, "profile"));
    return text;
}

/* What the system told of the processors meanwhile; nothing, most often. */
static enum status print_conditions(const json_t *conditions, struct error *err) {
    static const struct {
        const char *key, *before, *after;
    } told[] = {
        {"clock_mhz", "", " MHz"}, {"power_w", "", " W"}, {"throttles", "throttled ", " times"}};
    enum status status = OK;
    for (size_t i = 0; status == OK && i < sizeof told / sizeof *told; i++) {
        const double value = number_at(conditions, told[i].key);
        if (value > 0) status = out_printf(err, "  %s%.0f%s", told[i].before, value, told[i].after);
    }
    return status;
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
    const double warm_ns = number_at(row, "warm_ns");
    if (status == OK && warm_ns > 0)
        status = out_printf(err, "  warm %s", units_time_ns(warm_ns, time));
    if (status == OK) status = print_conditions(json_object_get(row, "conditions"), err);
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

static enum status print_document(json_t *document, const struct bench_choices *o,
                                  struct error *err) {
    const json_t *rows = json_object_get(document, "rows");
    if (o->common.json) return json_print(json_incref(document), err);
    if (o->csv || o->md) return bench_table(rows, o->csv ? FORM_CSV : FORM_MD, err);
    const json_t *peak = json_object_get(document, "peak");
    char read[UNITS_TEXT], copy[UNITS_TEXT], flops[UNITS_TEXT], launch[UNITS_TEXT];
    enum status status =
        out_printf(err, "%s: read %s, copy %s, %s, int8 %.0f GOP/s, launch %s\n",
                   text_at(document, "device"), units_rate(number_at(peak, "read_gbps"), read),
                   units_rate(number_at(peak, "copy_gbps"), copy),
                   units_flops(number_at(peak, "gflops"), flops), number_at(peak, "giops"),
                   units_time_ns(number_at(peak, "launch_ns"), launch));
    size_t i;
    json_t *row;
    json_array_foreach (rows, i, row)
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
    int64_t tuning_ns = 120 * (int64_t)1000000000;
    json_t *result = NULL;
    enum status status = split_rivals(o->rivals, names, &n_rivals, &owned, err);
    if (status == OK)
        status = argument_duration("--rival-budget", o->rival_budget, &tuning_ns, err);
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
        .warm = o->warm,
        .config_variant = variant,
        .config = config,
        .rivals = names,
        .n_rivals = n_rivals,
        .tuning_ns = tuning_ns,
        .interrupt = &interrupted,
        .lock_text = "hone bench",
    };
    status = bench_run(&options, &result, err);
    if (result) {
        struct error print_error = {OK, ""};
        const enum status printed = print_document(result, o, &print_error);
        if (status == OK && printed != OK) *err = print_error, status = printed;
    }
done:
    json_decref(result);
    problem_list_free(&list);
    free(owned);
    free(database);
    return status;
}

/* ---- --aa ---- */

static enum status bench_alarms(struct bench_choices *o, struct error *err) {
    o->problems.class_name = o->choice.class_name;
    return compare_alarms(&o->common, &o->problems, o->choice.profile, o->runs, o->save, err);
}

/* Options that say nothing beside each other. */
static enum status check_choices(const struct bench_choices *o, struct error *err) {
    const struct option_given own[] = {{"--family", o->problems.family},
                                       {"--problem", o->problems.problem},
                                       {"--layout", o->problems.layout},
                                       {"--config", o->config},
                                       {"--rivals", o->rivals},
                                       {"--rival-budget", o->rival_budget},
                                       {"--phase", o->phase},
                                       {"--warm", o->warm},
                                       {NULL, false}};
    const struct option_given foreign[] = {{"--model", o->choice.model},
                                           {"--config", o->config},
                                           {"--rivals", o->rivals},
                                           {"--rival-budget", o->rival_budget},
                                           {"--phase", o->phase},
                                           {"--warm", o->warm},
                                           {"--csv", o->csv},
                                           {"--md", o->md},
                                           {NULL, false}};
    const struct option_given of_aa[] = {{"--runs", o->runs}, {"--save", o->save}, {NULL, false}};
    const struct option_given of_rivals[] = {{"--rival-budget", o->rival_budget}, {NULL, false}};
    const struct {
        bool is_asked;
        const char *reason;
        const struct option_given *others;
    } rules[] = {
        {o->choice.model, "--model times the whole model", own},
        {o->aa, "--aa asks about the gate of hone compare", foreign},
        {!o->aa, "they are of --aa", of_aa},
        {!o->rivals, "it is of --rivals", of_rivals},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const enum status st =
            rules[i].is_asked ? options_none("bench", rules[i].reason, rules[i].others, err) : OK;
        if (st != OK) return st;
    }
    if (!!o->common.json + !!o->csv + !!o->md > 1)
        return fail(err, STATUS_USAGE, "hone bench: --json, --csv, --md: choose one of them");
    return OK;
}

enum status command_bench(int argc, const char **argv, struct error *err) {
    struct bench_choices o = {.repeats = 5};
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
        {"rival-budget", 0, POPT_ARG_STRING, &o.rival_budget, 0,
         "for each of a rival's own tuners, once a device and problem (120s)", "TIME"},
        ENGINE_OPTIONS(o.choice),
        {"pp", 0, POPT_ARG_STRING, &o.pp, 0, "with --model: prompt tokens (512), or none", "LIST"},
        {"tg", 0, POPT_ARG_STRING, &o.tg, 0, "with --model: generated tokens (128), or none",
         "LIST"},
        {"pg", 0, POPT_ARG_ARGV, &o.pg, 0,
         "with --model: prompt and generation in one test; may be repeated", "P,G"},
        {"depth", 0, POPT_ARG_STRING, &o.depth, 0, "with --model: behind that many positions (0)",
         "LIST"},
        {"repeats", 'r', POPT_ARG_INT, &o.repeats, 0, "with --model: runs (5)", "N"},
        {"aa", 0, POPT_ARG_NONE, &o.aa, 0, "false alarms of the regression gate on this machine",
         NULL},
        {"runs", 0, POPT_ARG_INT, &o.runs, 0, "with --aa: fresh processes a benchmark (60)", "N"},
        {"save", 0, POPT_ARG_STRING, &o.save, 0, "with --aa: keep the runs", "FILE"},
        {"warm", 0, POPT_ARG_NONE, &o.warm, 0,
         "time kernels with warm operands, too: the same again and again", NULL},
        {"csv", 0, POPT_ARG_NONE, &o.csv, 0, "the rows as CSV", NULL},
        {"md", 0, POPT_ARG_NONE, &o.md, 0, "the rows as a Markdown table", NULL},
        COMMON_OPTIONS(o.common),
        END_OPTIONS,
    };
    poptContext context = NULL;
    const char **plain;
    bool helped;
    enum status status = options_parse("bench", "[options]", examples, table, argc, argv, &context,
                                       &plain, &helped, err);
    if (status == OK && !helped) status = check_choices(&o, err);
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
