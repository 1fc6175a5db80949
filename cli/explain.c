/* explain.c: hone explain: which rule chose a configuration, where its record is from, what time it promises
 * here, the runner-up, what failed and why. */
#include "base/clock.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/problems.h"
#include "device/device.h"
#include "kernels/op.h"
#include "results/lookup.h"
#include "runtime/engine.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char examples[] = "  hone explain --family gemm --problem m=12288,k=4096,n=32\n"
                               "  hone explain --family gemv_q4 --problem m=12288,k=4096 --source\n"
                               "  hone explain --model model.gguf\n";

/* What the look-up's callbacks need. */
struct asking {
    const struct device *device;
    struct problem problem;
    char key[17];
};

static const char *source_key(void *context, const char *variant) {
    struct asking *asking = context;
    return family_source_key(asking->problem.family, variant, asking->key);
}

static bool usable(void *context, const char *layout, const char *variant, const char *text) {
    const struct asking *asking = context;
    struct problem problem = asking->problem;
    struct config config;
    problem.layout = layout_find(layout);
    return problem.layout && config_parse(problem.family, variant, text, &config, NULL) == OK &&
           config_runs(&config, &problem, asking->device, NULL);
}

struct explanation {
    const char *rule;
    struct lookup_answer answer; /* id 0: none */
    struct config config;
    struct problem problem; /* with the layout that answers */
    double predicted_ns; /* here, by the record, as if time grew like the work; NAN without one */
    double ceiling_ns;   /* what the ceilings beside the record allow here; NAN: not known */
    bool is_current;     /* the record is of the kernel as it is now */
    int64_t outcomes[OUTCOMES];
    char *messages[OUTCOMES]; /* the newest of each; owned */
};

static void explanation_free(struct explanation *x) {
    evaluation_free(&x->answer.record);
    evaluation_free(&x->answer.runner_up);
    for (int i = 0; i < OUTCOMES; i++) free(x->messages[i]);
}

/* ---- times ---- */

/* Work in ns, if each ceiling alone held; 0 where a ceiling is not known. */
static double floor_of(const struct cost *cost, double gbps, double gflops) {
    const double memory = gbps > 0 ? cost->bytes / gbps : 0;
    const double compute = gflops > 0 ? cost->operations / gflops : 0;
    return memory > compute ? memory : compute;
}

static void predict(struct explanation *x, struct error *err) {
    const struct evaluation *record = &x->answer.record;
    struct problem other;
    struct cost here, there;
    char key[17];
    x->predicted_ns = x->ceiling_ns = NAN;
    if (!record->id ||
        problem_parse(slice_find(x->problem.family->name), record->key.problem, &other, err) != OK)
        return;
    other.class = x->problem.class;
    x->problem.family->cost(&x->problem, &here);
    x->problem.family->cost(&other, &there);
    const double bytes = here.bytes / there.bytes, operations = here.operations / there.operations;
    x->predicted_ns = record->time_ns * (bytes > operations ? bytes : operations);
    const double floor_ns = floor_of(&here, record->ceiling_gbps, record->ceiling_gflops);
    if (floor_ns > 0) x->ceiling_ns = floor_ns;
    variant_source_key(x->config.variant, key);
    x->is_current = !strcmp(key, record->key.source_key);
}

/* ---- asking ---- */

static enum status explain_problem(struct store *store, struct device *device,
                                   const struct problem *problem, bool any_layout,
                                   struct explanation *out, struct error *err) {
    struct asking asking = {device, *problem, ""};
    const struct device_info *info = device_describe(device);
    char text[160];
    problem_format(problem, text);
    *out = (struct explanation){.rule = "default", .problem = *problem};
    const struct record_key key = {.family = problem->family->name,
                                   .problem = text,
                                   .class_name = class_names[problem->class]};
    const struct lookup_query query = {.model = info->model_key,
                                       .version = info->version_key,
                                       .family = key.family,
                                       .problem = text,
                                       .class_name = key.class_name,
                                       .layout = any_layout ? NULL : problem->layout->name,
                                       .source_key = source_key,
                                       .usable = usable,
                                       .context = &asking};
    enum status status = lookup(store, &query, &out->answer, err);
    if (status == OK) {
        const struct record_key *found = &out->answer.record.key;
        out->rule = lookup_rule_text(&out->answer);
        out->problem.layout = layout_find(found->layout);
        status = config_parse(problem->family, found->variant, found->config, &out->config, err);
    } else if (status == STATUS_NOTHING) {
        status = family_default(&out->problem, &out->config, err);
    }
    if (status == OK && store)
        status = store_outcomes(store, info->model_key, &key, out->outcomes, err);
    if (status == OK && store)
        status = store_messages(store, info->model_key, &key, out->messages, err);
    if (status == OK) predict(out, err);
    return status;
}

static json_t *record_json(const struct evaluation *e) {
    if (!e->id) return json_null();
    return json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:I, s:s, s:I}", "problem", e->key.problem,
                     "layout", e->key.layout, "variant", e->key.variant, "config", e->key.config,
                     "time_ns", e->time_ns, "share", isfinite(e->share) ? e->share : 0.0, "samples",
                     (json_int_t)e->n_samples, "source_key", e->key.source_key, "unix_s",
                     (json_int_t)e->unix_s);
}

static json_t *number_json(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *explanation_json(const struct explanation *x) {
    char problem[160], config[400];
    problem_format(&x->problem, problem);
    config_format(&x->config, config);
    json_t *outcomes = json_object(), *messages = json_object();
    for (int i = 0; i < OUTCOMES; i++) {
        if (x->outcomes[i])
            json_object_set_new(outcomes, outcome_names[i], json_integer(x->outcomes[i]));
        if (x->messages[i])
            json_object_set_new(messages, outcome_names[i], json_string(x->messages[i]));
    }
    json_t *range = x->answer.n_high ? json_pack("[I, I]", (json_int_t)x->answer.n_low,
                                                 (json_int_t)x->answer.n_high)
                                     : json_null();
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:b, "
                     "s:o}",
                     "family", slice_of(&x->problem)->name, "problem", problem, "class",
                     class_names[x->problem.class], "layout", x->problem.layout->name, "rule",
                     x->rule, "variant", x->config.variant->name, "config", config, "record",
                     record_json(&x->answer.record), "runner_up", record_json(&x->answer.runner_up),
                     "outcomes", outcomes, "messages", messages, "predicted_ns",
                     number_json(x->predicted_ns), "ceiling_ns", number_json(x->ceiling_ns),
                     "origin", x->answer.origin, "current", x->is_current, "measured_n", range);
}

/* Where the record is from, and what it says of the time here. */
static enum status print_record(const struct explanation *x, struct error *err) {
    const struct evaluation *record = &x->answer.record;
    const bool is_exact = x->answer.rule == LOOKUP_EXACT;
    char time[UNITS_TEXT], low[UNITS_TEXT], high[UNITS_TEXT], day[21];
    clock_iso(record->unix_s, day);
    enum status status =
        out_printf(err, "\n  from  %s%.10s%s", x->answer.origin, *x->answer.origin ? "" : day,
                   x->is_current ? "" : ", of another source of the kernel");
    if (status == OK)
        status = out_printf(err, "\n  time  measured %s at %s",
                            units_time_ns(record->time_ns, time), record->key.problem);
    if (status == OK && isfinite(record->low_ns))
        status = out_printf(err, " (%s to %s, %zu samples)", units_time_ns(record->low_ns, low),
                            units_time_ns(record->high_ns, high), record->n_samples);
    if (status == OK && !is_exact)
        status = out_printf(err, "; predicted %s here, not measured; checked before its first use",
                            units_time_ns(x->predicted_ns, time));
    if (status == OK && isfinite(x->ceiling_ns))
        status = out_printf(err, "; the ceilings allow %s", units_time_ns(x->ceiling_ns, time));
    return status;
}

/* The first line of a message: compilers say much. */
static enum status print_failures(const struct explanation *x, struct error *err) {
    enum status status = OK;
    for (int i = 0; i < OUTCOMES && status == OK; i++)
        if (x->messages[i] && i != OUTCOME_OK && i != OUTCOME_ABANDONED)
            status = out_printf(err, "        %s: %.*s\n", outcome_names[i],
                                (int)strcspn(x->messages[i], "\n"), x->messages[i]);
    return status;
}

static enum status explanation_print(const struct explanation *x, struct error *err) {
    char problem[160], config[400], time[UNITS_TEXT];
    problem_format(&x->problem, problem);
    config_format(&x->config, config);
    enum status status =
        out_printf(err, "%s %s, class %s, layout %s\n  runs  %s %s\n  rule  %s",
                   slice_of(&x->problem)->name, problem, class_names[x->problem.class],
                   x->problem.layout->name, x->config.variant->name, config, x->rule);
    const struct evaluation *second = &x->answer.runner_up;
    if (status == OK && x->answer.n_high)
        status = out_printf(err, ", %sthe n that it was right at (%lld to %lld)",
                            x->answer.is_beyond ? "beyond " : "between ",
                            (long long)x->answer.n_low, (long long)x->answer.n_high);
    if (status == OK && x->answer.record.id) status = print_record(x, err);
    if (status == OK && second->id)
        status = out_printf(err, "\n  next  %s %s: %s", second->key.variant, second->key.config,
                            units_time_ns(second->time_ns, time));
    if (status == OK) status = out_printf(err, "\n  tried");
    int64_t tried = 0;
    for (int i = 0; i < OUTCOMES && status == OK; i++) {
        tried += x->outcomes[i];
        if (x->outcomes[i])
            status = out_printf(err, "  %s %lld", outcome_names[i], (long long)x->outcomes[i]);
    }
    if (status == OK) status = out_printf(err, tried ? "\n" : "  nothing yet\n");
    return status == OK ? print_failures(x, err) : status;
}

static enum status print_source(const struct explanation *x, struct error *err) {
    char *source = NULL, *options = NULL;
    enum status status = op_source(&x->config, &x->problem, &source, &options, err);
    if (status == OK) status = out_printf(err, "// options: %s\n%s\n", options, source);
    free(source);
    free(options);
    return status;
}

static enum status explain_problems(const struct common_options *common,
                                    const struct problem_options *o, bool source,
                                    struct error *err) {
    struct problem_list list = {0};
    struct device *device = NULL;
    struct store *store = NULL;
    char *database = store_default_path(common->database);
    json_t *rows = json_array();
    enum status status = problems_collect(o, &list, err);
    if (status == OK) status = device_open_described(common->device, &device, err);
    if (status != OK) goto done;
    device_load_features(device);
    status = store_open(database, STORE_READ, &store, err);
    if (status == STATUS_NOTHING) status = OK; /* no database yet: defaults answer */
    for (size_t i = 0; i < list.n && status == OK; i++) {
        struct explanation x;
        status = explain_problem(store, device, &list.items[i], !o->layout, &x, err);
        if (status == OK && source) status = print_source(&x, err);
        else if (status == OK && common->json) json_array_append_new(rows, explanation_json(&x));
        else if (status == OK) status = explanation_print(&x, err);
        explanation_free(&x);
    }
    if (status == OK && common->json && !source)
        status = json_print(
            json_pack("{s:s, s:O}", "device", device_describe(device)->name, "rows", rows), err);
done:
    json_decref(rows);
    store_close(store);
    device_close(device);
    problem_list_free(&list);
    free(database);
    return status;
}

static json_t *operation_json(const struct engine_operation *x) {
    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "count", x->count,
                     "operation", x->name, "family", x->family, "problem", x->problem, "class",
                     x->class_name, "layout", x->layout, "rule", x->rule, "variant", x->variant,
                     "config", x->config);
}

static enum status print_operations(const struct engine *engine, int as_json, struct error *err) {
    struct engine_operation *list = NULL;
    struct engine_facts facts;
    size_t n = 0;
    engine_describe(engine, &facts);
    enum status status = engine_operations(engine, &list, &n, err);
    json_t *rows = as_json ? json_array() : NULL;
    for (size_t i = 0; status == OK && i < n; i++) {
        const struct engine_operation *x = &list[i];
        if (as_json) json_array_append_new(rows, operation_json(x));
        else
            status =
                out_printf(err, "%d × %s  %s %s %s %s  %s  %s %s\n", x->count, x->name, x->family,
                           x->problem, x->class_name, x->layout, x->rule, x->variant, x->config);
    }
    if (status == OK && as_json)
        status = json_print(json_pack("{s:s, s:s, s:s, s:s, s:O}", "device", facts.device, "class",
                                      facts.class_name, "profile", facts.profile, "plan",
                                      facts.plan, "rows", rows),
                            err);
    json_decref(rows);
    free(list);
    return status;
}

static enum status explain_model(const struct common_options *common,
                                 const struct engine_choice *choice, struct error *err) {
    struct engine_model *model = NULL;
    struct engine *engine = NULL;
    enum status status = choice_open_model(choice, &model, err);
    if (status == OK) status = choice_open(choice, common, model, NULL, &engine, err);
    if (status == OK) status = print_operations(engine, common->json, err);
    engine_close(engine);
    engine_model_close(model);
    return status;
}

enum status command_explain(int argc, const char **argv, struct error *err) {
    struct common_options common = {0};
    struct problem_options problems = {0};
    struct engine_choice choice = {0};
    int source = 0;
    struct poptOption table[] = {
        {"family", 0, POPT_ARG_STRING, &problems.family, 0, "slices or families, with commas",
         "LIST"},
        {"problem", 0, POPT_ARG_STRING, &problems.problem, 0, "fields with lists and ranges",
         "TEXT"},
        {"layout", 0, POPT_ARG_STRING, &problems.layout, 0, "only this layout of the weights",
         "NAME"},
        ENGINE_OPTIONS(choice),
        {"source", 0, POPT_ARG_NONE, &source, 0, "print the kernel as it is compiled", NULL},
        COMMON_OPTIONS(common),
        END_OPTIONS,
    };
    poptContext context = NULL;
    const char **plain;
    bool helped;
    enum status status = options_parse("explain", "[options]", examples, table, argc, argv,
                                       &context, &plain, &helped, err);
    if (status == OK && !helped) status = options_most("explain", plain, 0, err);
    const struct option_given own[] = {{"--family", problems.family},
                                       {"--problem", problems.problem},
                                       {"--layout", problems.layout},
                                       {"--source", source},
                                       {NULL, false}};
    if (status == OK && !helped && choice.model)
        status = options_none("explain", "--model brings its own problems", own, err);
    if (status == OK && !helped) {
        problems.class_name = choice.class_name;
        if (choice.model && source)
            status = fail(err, STATUS_USAGE,
                          "hone explain: --source prints one kernel: name it with --family and "
                          "--problem, as --model lists them");
        else
            status = choice.model ? explain_model(&common, &choice, err)
                                  : explain_problems(&common, &problems, source, err);
    }
    poptFreeContext(context);
    return status;
}
