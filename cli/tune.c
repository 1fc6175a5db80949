/* tune.c: hone tune: find the best configurations, keep them, say what was gained. */
#include "cli/tune.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/plans.h"
#include "cli/problems.h"
#include "cli/source.h"
#include "device/device.h"
#include "results/store.h"
#include "runtime/engine.h"
#include "tuner/builders.h"
#include "tuner/lock.h"
#include "tuner/session.h"
#include "tuner/target.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char examples[] =
    "  hone tune                                   the reference problems, every device, a minute\n"
    "  hone tune --family gemv_q4,gemm --problem m=12288,k=4096,n=1..1024*2 --budget 5m\n"
    "  hone tune --model model.gguf --budget 60s   what this model needs\n"
    "  hone tune --family gemm --problem m=4096,k=4096,n=64 --param VW=16 --evals 100 --strategy "
    "random\n"
    "  hone tune --source my.cl --space my.T1.json --reference ref.so   a kernel of one's own\n"
    "  hone tune --model model.gguf --shard 2/8 --db shard-2.db   one of eight machines' shares\n"
    "  hone tune --device replay:RTX_Titan.json.gz --evals 60     a recorded space stands for a "
    "device\n";

struct tune_options {
    struct common_options common;
    struct problem_options problems;
    struct source_options source;
    char *model, *tokenizer, *budget, *strategy, *seed, *shard;
    const char **params;
    int evaluations, builders, more;
};

/* A recording brings its own problem, space and class. */
static enum status refuse_problems(const struct tune_options *o, struct error *err) {
    const struct option_given given[] = {{"--family", o->problems.family},
                                         {"--problem", o->problems.problem},
                                         {"--class", o->problems.class_name},
                                         {"--layout", o->problems.layout},
                                         {"--model", o->model},
                                         {"--tokenizer", o->tokenizer},
                                         {"--shard", o->shard},
                                         {"--param", o->params},
                                         {"--source", source_is_given(&o->source)},
                                         {NULL, false}};
    if (!*target_recording(o->common.device))
        return fail(err, STATUS_USAGE, "hone tune: --device replay:FILE names a recorded space");
    return options_none("tune", "a recorded space is one problem, and all of it is searched", given,
                        err);
}

static enum status collect_source(const struct tune_options *o, struct problem_list *list,
                                  struct error *err) {
    const struct option_given others[] = {{"--family", o->problems.family},
                                          {"--model", o->model},
                                          {"--class", o->problems.class_name},
                                          {"--layout", o->problems.layout},
                                          {NULL, false}};
    const enum status status =
        options_none("tune", "--source is a problem of its own", others, err);
    return status == OK ? source_collect(&o->source, o->problems.problem, list, err) : status;
}

static enum status collect(const struct tune_options *o, struct problem_list *list,
                           struct error *err) {
    if (target_recording(o->common.device)) return refuse_problems(o, err);
    if (source_is_given(&o->source)) return collect_source(o, list, err);
    if (!o->model) return problems_collect(&o->problems, list, err);
    if (o->problems.family || o->problems.problem)
        return fail(err, STATUS_USAGE,
                    "hone tune: --model brings its own problems; leave --family and --problem out");
    return problems_of_model(o->model, o->tokenizer, o->problems.class_name, list, err);
}

/* The class of a model when none is named: the one that it will run in. */
static enum status choose_class(struct tune_options *o, struct error *err) {
    if (!o->model || (o->problems.class_name && strcmp(o->problems.class_name, "auto") != 0))
        return OK;
    struct engine_model *model = NULL;
    const enum status status = engine_model_open(o->model, o->tokenizer, NULL, &model, err);
    if (status != OK) return status;
    bool is_known;
    char *database = store_default_path(o->common.database);
    const char *class_name = engine_auto_class(model, database, &is_known);
    if (!is_known)
        log_say("Tuning for class f32: what class i8 costs this model is not recorded yet "
                "(--class i8 tunes for it unseen).");
    o->problems.class_name = (char *)(uintptr_t)class_name;
    free(database);
    engine_model_close(model);
    return OK;
}

static void list_strategies(struct str *text) {
    for (size_t i = 0; strategies[i]; i++)
        str_addf(text, "%s%s%s", i ? ", " : "", strategies[i]->name, i ? "" : " (default)");
}

static enum status check_strategy(const char *name, struct error *err) {
    if (!name || strategy_find(name)) return OK;
    struct str all = {0};
    list_strategies(&all);
    fail(err, STATUS_USAGE, "there is no strategy '%s': there are %s", name, str_text(&all));
    str_free(&all);
    return STATUS_USAGE;
}

/* One line a problem: share of the ceiling first, then the gain over the default. */
static enum status print_problem(const json_t *row, struct error *err) {
    const json_t *best = json_object_get(row, "best");
    const char *problem = json_string_value(json_object_get(row, "problem"));
    const char *layout = json_string_value(json_object_get(row, "layout"));
    if (!json_is_object(best))
        return out_printf(err, "%-8s %-30s %s\n", json_string_value(json_object_get(row, "family")),
                          problem,
                          json_is_true(json_object_get(row, "finished"))
                              ? "no valid configuration was found"
                              : "not reached; the same command goes on");
    char time[UNITS_TEXT], gain[40] = "default not measured";
    const double speedup = number_at(row, "speedup");
    if (speedup > 0) snprintf(gain, sizeof gain, "×%.2f over the default", speedup);
    return out_printf(err, "%-8s %-30s %-4s %4.0f %% of the ceiling  %s  %9s  %s %s %s\n",
                      json_string_value(json_object_get(row, "family")), problem,
                      json_string_value(json_object_get(row, "class")),
                      100 * number_at(best, "share"), gain,
                      units_time_ns(number_at(best, "time_ns"), time), layout ? layout : "",
                      json_string_value(json_object_get(best, "variant")),
                      json_string_value(json_object_get(best, "config")));
}

/* One line a matrix: its layout, which variant serves which n, and how far that is from the best at each. */
static enum status print_matrix(const json_t *matrix, struct error *err) {
    const char *layout = json_string_value(json_object_get(matrix, "layout"));
    if (!layout) return OK;
    enum status status = out_printf(err, "%-8s %-30s %-4s %s, at most ×%.2f of the best:",
                                    json_string_value(json_object_get(matrix, "family")),
                                    json_string_value(json_object_get(matrix, "problem")),
                                    json_string_value(json_object_get(matrix, "class")), layout,
                                    number_at(matrix, "worst"));
    size_t i;
    json_t *range;
    json_array_foreach (json_object_get(matrix, "ranges"), i, range) {
        const json_t *n = json_object_get(range, "n");
        const json_int_t low = json_integer_value(json_array_get(n, 0)),
                         high = json_integer_value(json_array_get(n, 1));
        if (status == OK) status = out_printf(err, "%s n=%lld", i ? ";" : "", (long long)low);
        if (status == OK && high != low) status = out_printf(err, "..%lld", (long long)high);
        if (status == OK)
            status = out_printf(err, " %s", json_string_value(json_object_get(range, "variant")));
    }
    json_t *n;
    json_array_foreach (json_object_get(matrix, "open"), i, n)
        if (status == OK)
            status =
                out_printf(err, "%s%lld",
                           i ? ", " : "; not measured in it: n=", (long long)json_integer_value(n));
    return status == OK ? out_printf(err, "\n") : status;
}

static enum status print_model(const json_t *model, struct error *err) {
    enum status status = OK;
    size_t i;
    json_t *matrix;
    json_array_foreach (json_object_get(model, "matrices"), i, matrix)
        if (status == OK) status = print_matrix(matrix, err);
    const double worst = number_at(model, "worst_slowdown");
    if (status != OK || !(worst > 0)) return status;
    return out_printf(err, "one layout a matrix costs at most ×%.2f at any n that was measured\n",
                      worst);
}

static enum status print_run(const json_t *run, struct error *err) {
    const char *device = json_string_value(json_object_get(run, "device"));
    const char *database = json_string_value(json_object_get(run, "db"));
    enum status status = out_printf(err, "%s: %.0f evaluations in %.1f s\n", device ? device : "?",
                                    number_at(run, "evaluations"), number_at(run, "seconds"));
    size_t i;
    json_t *row;
    json_array_foreach (json_object_get(run, "problems"), i, row)
        if (status == OK) status = print_problem(row, err);
    if (status == OK) status = print_model(json_object_get(run, "model"), err);
    if (status == OK && database) status = out_printf(err, "kept in %s\n", database);
    return status;
}

static enum status print_runs(json_t *runs, bool as_json, struct error *err) {
    if (as_json) {
        json_t *document = json_array_size(runs) == 1 ? json_incref(json_array_get(runs, 0))
                                                      : json_pack("{s:O}", "runs", runs);
        return json_print(document, err);
    }
    enum status status = OK;
    size_t i;
    json_t *run;
    json_array_foreach (runs, i, run)
        if (status == OK) status = print_run(run, err);
    return status;
}

/* Part of a model's budget for asking whether fusing is worth it. */
static const double PLANS_SHARE = 0.15;

/* A share of the kernels says nothing of the whole. */
static bool measures_plans(const struct tune_options *o) {
    return o->model && !o->shard;
}

/* The first class that was tuned for, on this device, until then. */
static enum status measure_plans(const struct tune_options *o, char *device, int64_t end_ns,
                                 json_t *result, struct error *err) {
    struct common_options common = o->common;
    struct engine_choice choice = {.model = o->model, .tokenizer = o->tokenizer};
    char *class_name = text_copy(o->problems.class_name), *rest = class_name;
    json_t *plan = NULL;
    common.device = device;
    choice.class_name = strsep(&rest, ",");
    const enum status status = plans_measure(&common, &choice, end_ns, &plan, err);
    if (plan) json_object_set_new(result, "plan", plan);
    free(class_name);
    return status;
}

/* One device, locked all the while: its problems and, for a model, its plan, within the budget of this
 * device. */
static enum status tune_device(const struct tune_options *o, const struct session_options *asked,
                               char *device, json_t *runs, struct error *err) {
    struct session_options session = *asked;
    session.device = device;
    if (measures_plans(o))
        session.budget_ns = (int64_t)((double)session.budget_ns * (1 - PLANS_SHARE));
    const int64_t end_ns = asked->budget_ns > 0 ? asked->began_ns + asked->budget_ns : INT64_MAX;
    json_t *result = NULL;
    struct lock *lock = NULL; /* of a recording the session takes it: nothing else is measured */
    enum status status =
        target_recording(device) ? OK : lock_take_device(device, "hone tune", &lock, err);
    if (status != OK) return status;
    session.is_locked = lock;
    status = session_run(&session, &result, err);
    if (status == OK && measures_plans(o)) status = measure_plans(o, device, end_ns, result, err);
    lock_release(lock);
    if (result) json_array_append_new(runs, result);
    return status;
}

/* Every device in turn (or the one named), sharing the budget. */
static enum status tune_devices(const struct tune_options *o, const struct session_options *asked,
                                json_t *runs, struct error *err) {
    struct device_info *list = NULL;
    size_t n = 0;
    enum status status = OK;
    const bool all = !o->common.device || !strcmp(o->common.device, "all");
    if (all && (status = device_list(&list, &n, err)) != OK) return status;
    for (size_t i = 0; status == OK && i < (all ? n : 1); i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        struct session_options session = *asked;
        if (all) session.budget_ns /= (int64_t)n;
        if (i > 0) session.began_ns = clock_now_ns();
        status = tune_device(o, &session, all ? number : o->common.device, runs, err);
    }
    device_list_free(list, n);
    return status;
}

static enum status tune(struct tune_options *o, json_t *runs, struct error *err) {
    struct problem_list list = {0};
    struct space_limit *limits = NULL;
    const char **layout_names = NULL;
    char *database = store_default_path(o->common.database);
    size_t n_limits = 0, n_params = 0;
    int64_t budget_ns = 0, seed = 1, began_ns = clock_now_ns();
    enum status status = check_strategy(o->strategy, err);
    if (status == OK && o->builders != BUILDERS_USUAL &&
        (o->builders < 0 || o->builders > BUILDERS_MOST))
        status =
            fail(err, STATUS_USAGE, "--builders %d: write 0 to %d", o->builders, BUILDERS_MOST);
    if (status == OK) status = argument_duration("--budget", o->budget, &budget_ns, err);
    if (status == OK && o->seed)
        status = argument_status(units_parse_int(o->seed, 0, INT64_MAX, &seed, err), err);
    if (status == OK) status = choose_class(o, err);
    if (status == OK) status = collect(o, &list, err);
    if (status == OK && o->shard) status = problems_keep_share(&list, o->shard, err);
    const bool is_nothing = list.n == 0 && !target_recording(o->common.device);
    if (status == OK && is_nothing) log_say("No problem falls to share %s.", o->shard);
    if (status != OK || is_nothing) goto done;
    if (!o->budget && o->evaluations <= 0) budget_ns = 60 * (int64_t)1000000000;
    while (o->params && o->params[n_params]) n_params++;
    if (n_params &&
        (status = space_parse_limits(o->params, n_params, &limits, &n_limits, err)) != OK)
        goto done;
    layout_names = memory_new((list.n + 1) * sizeof *layout_names);
    for (size_t i = 0; i < list.n; i++) layout_names[i] = o->problems.layout;
    struct session_options session = {
        .database = database,
        .problems = list.items,
        .n_problems = list.n,
        .layout = layout_names,
        .weights = list.weights,
        .strategy = o->strategy,
        .seed = (uint64_t)seed,
        .budget_ns = budget_ns,
        .began_ns = began_ns,
        .evaluations = o->evaluations,
        .more = o->more,
        .limits = limits,
        .n_limits = n_limits,
        .builders = o->builders,
        .interrupt = &interrupted,
        .lock_text = "hone tune",
    };
    status = tune_devices(o, &session, runs, err);
done:
    free(layout_names);
    free(limits);
    problem_list_free(&list);
    source_return();
    free(database);
    return status;
}

enum status tune_model_first(const struct common_options *common,
                             const struct engine_choice *choice, const char *budget,
                             struct error *err) {
    struct tune_options o = {.common = *common,
                             .model = choice->model,
                             .tokenizer = choice->tokenizer,
                             .builders = BUILDERS_USUAL};
    o.common.device = common->device ? common->device : "0";
    o.budget = (char *)(uintptr_t)budget;
    if (choice->class_name && strcmp(choice->class_name, "auto") != 0)
        o.problems.class_name = choice->class_name;
    if (!o.model) return fail(err, STATUS_USAGE, "name a model with -m FILE");
    json_t *runs = json_array();
    const enum status status = tune(&o, runs, err);
    json_decref(runs);
    return status;
}

enum status command_tune(int argc, const char **argv, struct error *err) {
    struct tune_options o = {.builders = BUILDERS_USUAL};
    struct str strategy_names = {0};
    list_strategies(&strategy_names);
    struct poptOption table[] = {
        PROBLEM_OPTIONS(o.problems),
        {"model", 'm', POPT_ARG_STRING, &o.model, 0, "tune what this model needs", "FILE"},
        {"tokenizer", 0, POPT_ARG_STRING, &o.tokenizer, 0, "tokenizer of a llama2.c model", "FILE"},
        SOURCE_OPTIONS(o.source),
        {"budget", 0, POPT_ARG_STRING, &o.budget, 0, "wall time of the command (60s)", "TIME"},
        {"evals", 0, POPT_ARG_INT, &o.evaluations, 0, "evaluations a problem at most", "N"},
        {"shard", 0, POPT_ARG_STRING, &o.shard, 0,
         "the i-th of n shares of the problems: tune each anywhere, then hone db merge", "I/N"},
        {"more", 0, POPT_ARG_NONE, &o.more, 0, "go on with a finished session", NULL},
        {"strategy", 0, POPT_ARG_STRING, &o.strategy, 0, str_text(&strategy_names), "NAME"},
        {"seed", 0, POPT_ARG_STRING, &o.seed, 0, "of the strategy (1)", "S"},
        {"param", 0, POPT_ARG_ARGV, &o.params, 0, "only these values: TM=4,8 (repeatable)",
         "P=V,V"},
        {"builders", 0, POPT_ARG_INT, &o.builders, 0,
         "processes that compile ahead (default: one a processor, two less for a GPU)", "N"},
        COMMON_OPTIONS_DEVICE(o.common, "number or part of the name; all: each in turn (default); "
                                        "replay:FILE: a recorded space"),
        END_OPTIONS,
    };
    poptContext context = NULL;
    const char **plain;
    bool helped;
    enum status status = options_parse("tune", "[options]", examples, table, argc, argv, &context,
                                       &plain, &helped, err);
    if (status == OK && !helped) {
        log_quiet = o.common.quiet;
        if (*plain) {
            status = fail(err, STATUS_USAGE, "hone tune: '%s' is no option; see hone tune --help",
                          *plain);
        } else {
            json_t *runs = json_array();
            struct error print_error = {OK, ""};
            status = tune(&o, runs, err);
            log_progress_done();
            /* What was found is printed even when the session was interrupted. */
            if (json_array_size(runs) && print_runs(runs, o.common.json, &print_error) != OK &&
                status == OK) {
                *err = print_error;
                status = print_error.status;
            }
            json_decref(runs);
        }
    }
    poptFreeContext(context);
    str_free(&strategy_names);
    return status;
}
