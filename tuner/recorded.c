/* recorded.c: see recorded.h. A parameter whose values are whole numbers keeps them, in rising order; one with
 * other numbers or words numbers its values and names them. Names become words of printable ASCII, because
 * records are lines of such words. */
#include "tuner/recorded.h"
#include "base/str.h"
#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- words ---- */

/* In place: what a record cannot hold becomes '_'. True when something did. */
static bool make_word(char *text) {
    bool is_changed = false;
    for (; *text; text++) {
        if (*text > ' ' && *text <= '~') continue;
        *text = '_';
        is_changed = true;
    }
    return is_changed;
}

/* The same of the i-th of several, which must stay different. */
static void make_word_of(char **text, int i) {
    if (!make_word(*text)) return;
    char *numbered = text_format("%s~%d", *text, i);
    free(*text);
    *text = numbered;
}

/* The kernel's name as the value of a field; where the file does not say, its own up to the first point. */
static void name_kernel(struct recorded *r, const char *path) {
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    snprintf(r->kernel, sizeof r->kernel, "%s", r->recording.kernel);
    if (!*r->kernel) snprintf(r->kernel, sizeof r->kernel, "%.*s", (int)strcspn(file, "."), file);
    for (char *c = r->kernel; (c = strpbrk(c, ",=")); c++) *c = '_';
    make_word(r->kernel);
    if (!*r->kernel) snprintf(r->kernel, sizeof r->kernel, "unnamed");
}

/* ---- parameters ---- */

static bool is_number(const struct recording_param *param) {
    bool is = true;
    for (int v = 0; v < param->n_values; v++) is &= !isnan(param->values[v].number);
    return is;
}

static bool is_whole(const struct recording_param *param) {
    bool is = true;
    for (int v = 0; v < param->n_values; v++) {
        const double x = param->values[v].number;
        is &= x == floor(x) && fabs(x) <= INT_MAX;
    }
    return is;
}

/* rank[v]: the place of value v in rising order; words stay in the order of the file. */
static void rank_values(const struct recording_param *param, unsigned char *rank) {
    const bool sorted = is_number(param);
    for (int v = 0; v < param->n_values; v++) {
        int below = 0;
        for (int u = 0; sorted && u < param->n_values; u++)
            below += param->values[u].number < param->values[v].number;
        rank[v] = (unsigned char)(sorted ? below : v);
    }
}

static void make_param(struct recorded *r, int p) {
    struct recording_param *from = &r->recording.params[p];
    unsigned char rank[RECORDING_VALUES];
    const bool whole = is_whole(from);
    make_word_of(&from->name, p);
    for (int v = 0; v < from->n_values; v++) make_word_of(&from->values[v].text, v);
    rank_values(from, rank);
    struct param_value *values = memory_new((size_t)from->n_values * sizeof *values);
    for (int v = 0; v < from->n_values; v++)
        values[rank[v]] =
            (struct param_value){.value = whole ? (int)from->values[v].number : rank[v],
                                 .name = whole ? NULL : from->values[v].text,
                                 .needs = FEATURE_NONE};
    r->values[p] = values;
    r->params[p] = (struct param){from->name, "recorded", values, from->n_values};
    for (size_t i = 0; i < r->recording.n; i++) {
        unsigned char *place = &r->recording.places[i * (size_t)r->recording.n_params + (size_t)p];
        *place = rank[*place];
    }
}

/* ---- what a family and a variant do ---- */

static const struct recorded *recorded_of(const struct problem *problem) {
    const char *family = (const char *)problem->family;
    return (const struct recorded *)(const void *)(family - offsetof(struct recorded, family));
}

static void no_cost(const struct problem *problem, struct cost *out) {
    (void)problem;
    *out = (struct cost){0};
}

static bool accepts(const struct problem *problem) {
    return problem->layout == recorded_of(problem)->problem.layout;
}

static void fall_back(const struct problem *problem, struct config *out) {
    const struct recorded *r = recorded_of(problem);
    *out = space_config(&r->space, r->first_ok);
}

static bool is_recorded(const int *value, const struct problem *problem) {
    const struct recorded *r = recorded_of(problem);
    struct config config = {.variant = &r->variant};
    memcpy(config.value, value, (size_t)r->variant.n_params * sizeof *value);
    return space_find(&r->space, &config, r->problem.layout) >= 0;
}

/* ---- the space ---- */

static void keep_extremes(struct recorded *r) {
    r->optimum_ns = INFINITY;
    r->first_ok = -1;
    for (size_t i = 0; i < r->recording.n; i++) {
        const struct recorded_config *c = &r->recording.configs[i];
        if (c->outcome != OUTCOME_OK) continue;
        if (r->n_ok++ == 0) r->first_ok = (int64_t)i;
        r->optimum_ns = fmin(r->optimum_ns, c->median_ns);
        r->worst_ns = fmax(r->worst_ns, c->median_ns);
    }
}

enum status recorded_space(const struct recorded *recorded, struct space *space,
                           struct error *err) {
    return space_list(&recorded->problem, recorded->recording.places, recorded->recording.n, space,
                      err);
}

static enum status make_space(struct recorded *r, const char *path, struct error *err) {
    for (int p = 0; p < r->recording.n_params; p++) make_param(r, p);
    name_kernel(r, path);
    keep_extremes(r);
    r->constraint = (struct constraint){.text = "it was recorded",
                                        .reads = (1u << r->recording.n_params) - 1,
                                        .holds = is_recorded};
    r->variant = (struct variant){.name = r->kernel,
                                  .summary = "recorded elsewhere",
                                  .params = r->params,
                                  .n_params = r->recording.n_params,
                                  .constraints = &r->constraint,
                                  .n_constraints = 1,
                                  .accepts = accepts,
                                  .fallback = fall_back};
    r->variants[0] = &r->variant;
    r->field = (struct field){.name = "kernel",
                              .meaning = "whose times they are",
                              .kind = FIELD_CHOICE,
                              .fallback = -1,
                              .choices = r->kernel};
    r->family = (struct family){.name = "recorded",
                                .summary = "a space that somebody measured",
                                .fields = &r->field,
                                .n_fields = 1,
                                .variants = r->variants,
                                .cost = no_cost};
    r->problem = (struct problem){.family = &r->family, .layout = &layouts[LAYOUT_rows]};
    return recorded_space(r, &r->space, err);
}

enum status recorded_open(const char *path, struct recorded **out, struct error *err) {
    struct recorded *r = memory_new(sizeof *r);
    enum status st = recording_read(path, &r->recording, err);
    if (st == OK) st = make_space(r, path, err);
    *out = st == OK ? r : NULL;
    if (st != OK) recorded_close(r);
    return st;
}

void recorded_close(struct recorded *recorded) {
    if (!recorded) return;
    space_close(&recorded->space);
    for (int p = 0; p < PARAMS; p++) free(recorded->values[p]);
    recording_free(&recorded->recording);
    free(recorded);
}

const struct recorded_config *recorded_config(const struct recorded *recorded, int64_t at) {
    assert(at >= 0 && (size_t)at < recorded->recording.n);
    return &recorded->recording.configs[at];
}

/* ---- from one to another ---- */

/* The value of the parameter that says the same; false: it has none. */
static bool find_value(const struct param *param, const struct param *other, int other_value,
                       int *value) {
    const char *name = NULL;
    for (int v = 0; v < other->n_values; v++)
        if (other->values[v].value == other_value) name = other->values[v].name;
    for (int v = 0; v < param->n_values; v++) {
        const struct param_value *own = &param->values[v];
        *value = own->value;
        if (name ? own->name && strcmp(own->name, name) == 0
                 : !own->name && own->value == other_value)
            return true;
    }
    return false;
}

int64_t recorded_find(const struct recorded *recorded, const struct recorded *other, int64_t at) {
    const struct config from = space_config(&other->space, at);
    struct config config = {.variant = &recorded->variant};
    for (int p = 0; p < recorded->variant.n_params; p++) {
        const struct param *param = &recorded->params[p];
        int q = 0;
        while (q < other->variant.n_params && strcmp(other->params[q].name, param->name) != 0) q++;
        if (q < other->variant.n_params
                ? !find_value(param, &other->params[q], from.value[q], &config.value[p])
                : param->n_values > 1)
            return -1;
        if (q == other->variant.n_params) config.value[p] = param->values[0].value;
    }
    return space_find(&recorded->space, &config, recorded->problem.layout);
}

size_t recorded_best(const struct recorded *recorded, int64_t *out, size_t n) {
    size_t found = 0;
    for (size_t i = 0; i < recorded->recording.n; i++) {
        const double ns = recorded->recording.configs[i].median_ns;
        if (!(ns < INFINITY)) continue;
        size_t at = found < n ? found++ : n;
        for (; at > 0 && ns < recorded_config(recorded, out[at - 1])->median_ns; at--)
            if (at < n) out[at] = out[at - 1];
        if (at < n) out[at] = (int64_t)i;
    }
    return found;
}
