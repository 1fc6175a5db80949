/* routes.c: see routes.h. */
#include "runtime/routes.h"
#include "base/str.h"
#include "runtime/verify.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct route {
    struct routes *owner;
    struct problem problem; /* n = 1 */
    struct served **served; /* [max_rows + 1], by n; NULL: not asked for yet */
};

/* A built kernel, shared. */
struct kept_op {
    struct op *op;
    struct config config;
    struct problem problem;
};

struct routes {
    struct device *device;
    struct routes_options options;
    struct store *store;
    bool is_refused; /* a database is there and could not be used */
    struct verify *verify;
    struct route **route;
    size_t n_routes;
    struct kept_op *ops;
    size_t n_ops;
};

/* ---- open ---- */

static void warn(const struct routes *routes, const char *sentence) {
    if (routes->options.warn) routes->options.warn(routes->options.warn_context, sentence);
}

/* Missing is not worth a word: nothing was tuned yet. */
static void open_store(struct routes *routes) {
    struct error err;
    if (!routes->options.database || routes->options.ignore_records) return;
    const enum status st = store_open(routes->options.database, STORE_READ, &routes->store, &err);
    if (st == OK || st == STATUS_NOTHING) return;
    char *sentence = text_format("%s; running on defaults", err.text);
    warn(routes, sentence);
    free(sentence);
    routes->is_refused = true;
}

enum status routes_open(struct device *device, const struct routes_options *options,
                        struct routes **out, struct error *err) {
    (void)err;
    struct routes *routes = memory_new(sizeof *routes);
    *routes = (struct routes){.device = device, .options = *options};
    open_store(routes);
    routes->verify = verify_open(device, routes->store);
    *out = routes;
    return OK;
}

void routes_close(struct routes *routes) {
    if (!routes) return;
    for (size_t i = 0; i < routes->n_routes; i++) {
        for (int64_t n = 0; n <= routes->options.max_rows; n++) free(routes->route[i]->served[n]);
        free(routes->route[i]->served);
        free(routes->route[i]);
    }
    for (size_t i = 0; i < routes->n_ops; i++) op_close(routes->ops[i].op);
    verify_close(routes->verify);
    store_close(routes->store);
    free(routes->route);
    free(routes->ops);
    free(routes);
}

struct store *routes_store(const struct routes *routes) {
    return routes->store;
}

bool routes_refused(const struct routes *routes) {
    return routes->is_refused;
}

struct route *routes_add(struct routes *routes, const struct problem *problem) {
    struct problem one = *problem;
    problem_set(&one, "n", 1);
    for (size_t i = 0; i < routes->n_routes; i++)
        if (problem_equal(&routes->route[i]->problem, &one)) return routes->route[i];
    struct route *route = memory_new(sizeof *route);
    *route = (struct route){.owner = routes, .problem = one};
    route->served = memory_new((size_t)(routes->options.max_rows + 1) * sizeof *route->served);
    routes->route = memory_grow(routes->route, (routes->n_routes + 1) * sizeof *routes->route);
    routes->route[routes->n_routes++] = route;
    return route;
}

/* ---- asking the records ---- */

struct asking {
    const struct device *device;
    const struct problem *problem;
    char key[17];
};

static const char *source_key(void *context, const char *variant) {
    struct asking *asking = context;
    return family_source_key(asking->problem->family, variant, asking->key);
}

/* The layout is the problem's: no other was asked for. */
static bool usable(void *context, const char *layout, const char *variant, const char *text) {
    const struct asking *asking = context;
    struct config config;
    (void)layout;
    return config_parse(asking->problem->family, variant, text, &config, NULL) == OK &&
           config_runs(&config, asking->problem, asking->device, NULL);
}

static enum status look_up(struct routes *routes, const struct problem *problem,
                           struct lookup_answer *answer, struct error *err) {
    const struct device_info *info = device_describe(routes->device);
    struct asking asking = {routes->device, problem, ""};
    char text[160];
    problem_format(problem, text);
    const struct lookup_query query = {.model = info->model_key,
                                       .version = info->version_key,
                                       .family = problem->family->name,
                                       .problem = text,
                                       .class_name = class_names[problem->class],
                                       .layout = problem->layout->name,
                                       .source_key = source_key,
                                       .usable = usable,
                                       .context = &asking};
    return lookup(routes->store, &query, answer, err);
}

static void answer_free(struct lookup_answer *answer) {
    evaluation_free(&answer->record);
    evaluation_free(&answer->runner_up);
}

/* The records' answer, checked unless it is exact; false: the default it is. */
static bool ask_records(struct routes *routes, struct served *served) {
    struct lookup_answer answer;
    char why[300] = "";
    if (routes->options.ignore_records || look_up(routes, &served->problem, &answer, NULL) != OK)
        return false;
    bool good = config_parse(served->problem.family, answer.record.key.variant,
                             answer.record.key.config, &served->config, NULL) == OK;
    if (good && answer.rule != LOOKUP_EXACT)
        good = verify_config(routes->verify, &served->config, &served->problem, why);
    served->rule = lookup_rule_text(&answer);
    served->n_low = answer.n_low;
    served->n_high = answer.n_high;
    if (!good) {
        char *sentence =
            text_format("a record of %s is not used: %s", served->problem.family->name, why);
        warn(routes, sentence);
        free(sentence);
    }
    answer_free(&answer);
    return good;
}

/* ---- serving ---- */

/* A kernel of that configuration which was built already, or a new one. */
static enum status find_op(struct routes *routes, struct served *served, struct error *err) {
    for (size_t i = 0; i < routes->n_ops; i++) {
        const struct kept_op *kept = &routes->ops[i];
        served->op = kept->op;
        if (config_equal(&kept->config, &served->config) &&
            problem_shares_program(&kept->problem, &served->problem))
            return OK;
    }
    const enum status st =
        op_open(routes->device, &served->config, &served->problem, &served->op, err);
    if (st != OK) return st;
    served->is_fresh = true;
    routes->ops = memory_grow(routes->ops, (routes->n_ops + 1) * sizeof *routes->ops);
    routes->ops[routes->n_ops++] = (struct kept_op){served->op, served->config, served->problem};
    return OK;
}

static enum status serve(struct route *route, int64_t n, struct served *served, struct error *err) {
    served->problem = route->problem;
    problem_set(&served->problem, "n", n);
    served->is_tuned = ask_records(route->owner, served);
    if (served->is_tuned && find_op(route->owner, served, NULL) == OK) return OK;
    served->is_tuned = false;
    served->rule = "default";
    served->n_low = served->n_high = 0;
    const enum status st = family_default(&served->problem, &served->config, err);
    return st == OK ? find_op(route->owner, served, err) : st;
}

double served_beyond(const struct served *served) {
    if (served->n_high == 0) return 1;
    const double n = (double)problem_get(&served->problem, "n");
    return fmax(1, fmax(n / (double)served->n_high, (double)served->n_low / n));
}

const struct served *route_furthest(const struct route *route) {
    const struct served *furthest = NULL;
    for (int64_t n = 1; n <= route->owner->options.max_rows; n++) {
        const struct served *served = route->served[n];
        if (served && (!furthest || served_beyond(served) > served_beyond(furthest)))
            furthest = served;
    }
    return furthest;
}

enum status route_serve(struct route *route, int64_t n, struct served **out, struct error *err) {
    *out = route->served[n];
    if (*out) return OK;
    struct served *served = memory_new(sizeof *served);
    const enum status st = serve(route, n, served, err);
    if (st == OK) *out = route->served[n] = served;
    else free(served);
    return st;
}

void routes_rest(struct routes *routes) {
    verify_rest(routes->verify);
}

/* ---- layouts ---- */

static double operations(const struct problem *problem) {
    struct cost cost;
    problem->family->cost(problem, &cost);
    return cost.operations;
}

/* Time that this problem would take by the record that answers for it, as if time grew like the work;
 * NAN: no record. Good for choosing between layouts, which have the same records beside them. */
static double expected_ns(struct routes *routes, const struct problem *problem, int64_t n) {
    struct problem at = *problem, other = {0};
    struct lookup_answer answer;
    problem_set(&at, "n", n);
    if (look_up(routes, &at, &answer, NULL) != OK) return NAN;
    const struct slice *slice = slice_find(problem->family->name);
    const bool is_known = problem_parse(slice, answer.record.key.problem, &other, NULL) == OK;
    const double time_ns = answer.record.time_ns;
    answer_free(&answer);
    return is_known ? time_ns * operations(&at) / operations(&other) : NAN;
}

/* What tuning chose for all n of this matrix together, with these kernels (a fact of kind "plan", see
 * tuner/session_matrix.c); NULL: nothing. */
static const struct layout *chosen_layout(struct routes *routes, const struct problem *problem) {
    const struct device_info *info = device_describe(routes->device);
    char *value = NULL, kernels[17];
    if (!routes->store || routes->options.ignore_records || !problem_has(problem, "n")) return NULL;
    char *key = problem_layout_key(problem);
    const enum status st = store_fact_get(routes->store, "plan", info->model_key, info->version_key,
                                          key, &value, NULL);
    json_t *choice = st == OK ? json_loads(value, 0, NULL) : NULL;
    family_key(problem->family, kernels);
    const char *made_of = json_string_value(json_object_get(choice, "kernels"));
    const char *name = json_string_value(json_object_get(choice, "layout"));
    const struct layout *layout =
        name && made_of && !strcmp(made_of, kernels) ? layout_find(name) : NULL;
    json_decref(choice);
    free(value);
    free(key);
    return layout;
}

const struct layout *routes_layout(struct routes *routes, const struct problem *problem) {
    const struct layout *found[LAYOUTS], *chosen = chosen_layout(routes, problem);
    const size_t n = family_layouts(problem, found);
    for (size_t i = 0; chosen && i < n; i++)
        if (found[i] == chosen) return chosen;
    const int64_t most = routes->options.max_rows;
    const struct layout *best = n ? found[0] : problem->layout;
    double least = INFINITY;
    for (size_t i = 0; i < n && !routes->options.ignore_records; i++) {
        struct problem one = *problem;
        one.layout = found[i];
        const double decode = expected_ns(routes, &one, 1);
        const double prefill = expected_ns(routes, &one, most) / (double)most;
        const double sum = decode + (isnan(prefill) ? 0 : prefill);
        if (sum < least) /* never when there is no record: NAN */
            least = sum, best = found[i];
    }
    return best;
}

bool routes_is_tuned(struct routes *routes, const struct problem *problem) {
    const struct layout *found[LAYOUTS];
    const size_t n = family_layouts(problem, found);
    bool is_tuned = false;
    for (size_t i = 0; i < n && !is_tuned && routes->store; i++) {
        struct problem one = *problem;
        struct lookup_answer answer;
        one.layout = found[i];
        if (look_up(routes, &one, &answer, NULL) != OK) continue;
        is_tuned = answer.rule == LOOKUP_EXACT || answer.rule == LOOKUP_NEAR_N;
        answer_free(&answer);
    }
    return is_tuned;
}
