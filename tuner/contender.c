/* contender.c: see contender.h. */
#include "tuner/contender.h"
#include "results/lookup.h"
#include <string.h>

/* ---- a layout for it ---- */

/* The problem in a layout that the question holds for: its own first, then the others in order. */
static bool find_layout(const struct problem *problem, struct problem *out,
                        bool (*holds)(void *context, const struct problem *problem),
                        void *context) {
    *out = *problem;
    if (holds(context, out)) return true;
    const struct layout *list[LAYOUTS];
    size_t n = family_layouts(problem, list);
    for (size_t l = 0; l < n; l++) {
        out->layout = list[l];
        if (holds(context, out)) return true;
    }
    return false;
}

static bool has_default(void *context, const struct problem *problem) {
    struct contender *c = context;
    struct error ignored;
    return family_default(problem, &c->config, &ignored) == OK;
}

bool contender_default(const struct problem *problem, struct contender *c) {
    *c = (struct contender){.profile = "default"};
    return find_layout(problem, &c->problem, has_default, c);
}

struct users_config {
    const struct device *device;
    const char *variant, *config;
    struct contender *contender;
    struct error *why; /* why the first layout that was asked about does not hold */
};
static bool understands(void *context, const struct problem *problem) {
    struct users_config *u = context;
    char why[200] = "";
    if (config_parse(problem->family, u->variant, u->config, &u->contender->config, u->why) != OK)
        return false;
    if (config_valid(&u->contender->config, problem, u->device, why)) return true;
    if (u->why->status == OK) fail(u->why, STATUS_UNSUPPORTED, "%s: %s", u->variant, why);
    return false;
}

bool contender_config(const struct device *device, const struct problem *problem,
                      const char *variant, const char *config, struct contender *c,
                      struct error *err) {
    struct users_config users = {device, variant, config, c, err};
    *err = (struct error){OK, ""};
    *c = (struct contender){.profile = "config"};
    return find_layout(problem, &c->problem, understands, &users);
}

/* ---- what is tuned ---- */

struct asker {
    const struct device *device;
    const struct problem *problem;
    char source_key[17];
};
static const char *asker_source_key(void *context, const char *variant) {
    struct asker *a = context;
    return family_source_key(a->problem->family, variant, a->source_key);
}
static bool asker_usable(void *context, const char *layout, const char *variant,
                         const char *config) {
    struct asker *a = context;
    struct problem problem = *a->problem;
    struct config parsed;
    struct error ignored;
    problem.layout = layout_find(layout);
    return problem.layout &&
           config_parse(problem.family, variant, config, &parsed, &ignored) == OK &&
           config_valid(&parsed, &problem, a->device, NULL);
}

bool contender_tuned(const struct device *device, struct store *store,
                     const struct problem *problem, struct contender *c) {
    char text[160];
    problem_format(problem, text);
    const struct device_info *info = device_describe(device);
    struct asker asker = {.device = device, .problem = problem};
    const struct lookup_query query = {.model = info->model_key,
                                       .version = info->version_key,
                                       .family = problem->family->name,
                                       .problem = text,
                                       .class_name = class_names[problem->class],
                                       .layout = NULL,
                                       .source_key = asker_source_key,
                                       .usable = asker_usable,
                                       .context = &asker};
    struct lookup_answer answer = {0};
    struct error ignored;
    if (lookup(store, &query, &answer, &ignored) != OK) return false;
    *c = (struct contender){
        .profile = "tuned", .rule = lookup_rule_text(&answer), .problem = *problem};
    c->problem.layout = layout_find(answer.record.key.layout);
    bool is_known = config_parse(problem->family, answer.record.key.variant,
                                 answer.record.key.config, &c->config, &ignored) == OK;
    evaluation_free(&answer.record);
    evaluation_free(&answer.runner_up);
    return is_known;
}
