/* config.c: configurations as text, and whether one is valid for a problem on a device. */
#include "base/hash.h"
#include "base/str.h"
#include "kernels/kernel.h"
#include "kernels/op.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- text ---- */

static const struct param_value *value_find(const struct param *param, int value) {
    for (int v = 0; v < param->n_values; v++)
        if (param->values[v].value == value) return &param->values[v];
    return NULL;
}

/* By name, or by number. */
static const struct param_value *value_parse(const struct param *param, const char *text) {
    for (int v = 0; v < param->n_values; v++)
        if (param->values[v].name && !strcmp(param->values[v].name, text)) return &param->values[v];
    if (!*text || text[strspn(text, "0123456789")] || strlen(text) > 9) return NULL;
    return value_find(param, (int)strtol(text, NULL, 10));
}

static int param_find(const struct variant *variant, const char *name) {
    for (int p = 0; p < variant->n_params; p++)
        if (!strcmp(variant->params[p].name, name)) return p;
    return -1;
}

static void add_value(struct str *s, const struct param_value *value) {
    if (value->name) str_add(s, value->name);
    else str_addf(s, "%d", value->value);
}

static enum status fail_variant(const struct family *family, const char *name, struct error *err) {
    struct str known = {0};
    for (const struct variant *const *v = family->variants; *v; v++)
        str_addf(&known, "%s%s", known.length ? ", " : "", (*v)->name);
    fail(err, STATUS_INVALID, "%s has no variant \"%.40s\"; it has %s", family->name, name,
         str_text(&known));
    str_free(&known);
    return STATUS_INVALID;
}

static enum status fail_param(const struct variant *variant, const char *name, struct error *err) {
    struct str known = {0};
    for (int p = 0; p < variant->n_params; p++)
        str_addf(&known, "%s%s", p ? ", " : "", variant->params[p].name);
    fail(err, STATUS_INVALID, "%s has no parameter \"%.40s\"; it has %s", variant->name, name,
         str_text(&known));
    str_free(&known);
    return STATUS_INVALID;
}

static enum status fail_value(const struct variant *variant, const struct param *param,
                              const char *text, struct error *err) {
    struct str known = {0};
    for (int v = 0; v < param->n_values; v++) {
        if (v) str_add(&known, ", ");
        add_value(&known, &param->values[v]);
    }
    fail(err, STATUS_INVALID, "%s of %s (%s) is one of %s, not \"%.40s\"", param->name,
         variant->name, param->meaning, str_text(&known), text);
    str_free(&known);
    return STATUS_INVALID;
}

/* The problem whose default stands in for parameters that a text does not name: the smallest one. */
static struct problem smallest_problem(const struct family *family) {
    struct problem problem = {.family = family, .layout = &layouts[LAYOUT_rows]};
    for (int f = 0; f < family->n_fields; f++) {
        const struct field *field = &family->fields[f];
        problem.value[f] = field->fallback >= 0 ? field->fallback : field->low;
    }
    return problem;
}

/* named: bit p = parameter p was named before. */
static enum status parse_pair(struct config *config, char *pair, uint32_t *named,
                              struct error *err) {
    char *value = strchr(pair, '=');
    if (!value)
        return fail(err, STATUS_INVALID, "configuration of %s: \"%.40s\" is not PARAMETER=VALUE",
                    config->variant->name, pair);
    *value++ = 0;
    const int p = param_find(config->variant, pair);
    if (p < 0) return fail_param(config->variant, pair, err);
    if (*named >> p & 1)
        return fail(err, STATUS_INVALID, "configuration of %s: %s is named twice",
                    config->variant->name, pair);
    *named |= 1u << p;
    const struct param_value *found = value_parse(&config->variant->params[p], value);
    if (!found) return fail_value(config->variant, &config->variant->params[p], value, err);
    config->value[p] = found->value;
    return OK;
}

enum status config_change(struct config *config, const char *text, struct error *err) {
    enum status st = OK;
    uint32_t named = 0;
    char *copy = text_copy(text);
    for (char *pair = copy, *next; pair && *text && st == OK; pair = next) {
        next = strchr(pair, ',');
        if (next) *next++ = 0;
        st = parse_pair(config, pair, &named, err);
    }
    free(copy);
    return st;
}

enum status config_parse(const struct family *family, const char *variant, const char *text,
                         struct config *config, struct error *err) {
    memset(config, 0, sizeof *config);
    const struct variant *found = variant_find(family, variant);
    if (!found) return fail_variant(family, variant, err);
    const struct problem smallest = smallest_problem(family);
    found->fallback(&smallest, config);
    config->variant = found;
    return config_change(config, text, err);
}

void config_format(const struct config *config, char text[400]) {
    struct str s = {0};
    for (int p = 0; p < config->variant->n_params; p++) {
        const struct param *param = &config->variant->params[p];
        const struct param_value *value = value_find(param, config->value[p]);
        str_addf(&s, "%s%s=", p ? "," : "", param->name);
        if (value) add_value(&s, value);
        else str_addf(&s, "%d", config->value[p]);
    }
    snprintf(text, 400, "%s", str_text(&s));
    str_free(&s);
}

bool config_equal(const struct config *a, const struct config *b) {
    if (a->variant != b->variant) return false;
    return !memcmp(a->value, b->value, (size_t)a->variant->n_params * sizeof *a->value);
}

uint64_t config_hash(const struct config *config) {
    const uint64_t hash = hash_text(hash_start(), config->variant->name);
    return hash_bytes(hash, config->value,
                      (size_t)config->variant->n_params * sizeof *config->value);
}

/* ---- validity ---- */

static bool refuse(char why[200], const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(char why[200], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (why) vsnprintf(why, 200, format, arguments);
    va_end(arguments);
    return false;
}

static bool has_feature(const struct device *device, int feature) {
    return feature == FEATURE_NONE || (device && device_has(device, feature));
}

static bool refuse_feature(const struct param *param, const struct param_value *value,
                           char why[200]) {
    struct str text = {0};
    if (!why) return false;
    add_value(&text, value);
    refuse(why, "%s=%s needs the feature %s", param->name, str_text(&text),
           feature_name((enum feature)value->needs));
    str_free(&text);
    return false;
}

static bool values_valid(const struct config *config, const struct device *device, char why[200]) {
    for (int p = 0; p < config->variant->n_params; p++) {
        const struct param *param = &config->variant->params[p];
        const struct param_value *value = value_find(param, config->value[p]);
        if (!value) return refuse(why, "%s has no value %d", param->name, config->value[p]);
        if (!has_feature(device, value->needs)) return refuse_feature(param, value, why);
    }
    return true;
}

static bool constraints_hold(const struct config *config, const struct problem *problem,
                             bool is_thrifty, char why[200]) {
    for (int i = 0; i < config->variant->n_constraints; i++) {
        const struct constraint *constraint = &config->variant->constraints[i];
        if (constraint->is_thrift && !is_thrifty) continue;
        if (!constraint->holds(config->value, problem)) return refuse(why, "%s", constraint->text);
    }
    return true;
}

static bool stage_fits(const struct stage *stage, const struct device_info *info, char why[200]) {
    const size_t *l = stage->local;
    for (int i = 0; i < 3; i++)
        if (l[i] > info->max_local[i])
            return refuse(why, "%s: %zu work-items along dimension %d, the device has %zu",
                          stage->entry, l[i], i, info->max_local[i]);
    if (l[0] * l[1] * l[2] <= info->max_work_group) return true;
    return refuse(why, "%s: work-groups of %zu, the device has %zu", stage->entry,
                  l[0] * l[1] * l[2], info->max_work_group);
}

static bool images_fit(const struct geometry *geometry, const struct problem *problem,
                       const struct device_info *info, char why[200]) {
    for (int o = 0; o < problem->family->n_operands; o++) {
        if (!(geometry->images >> o & 1)) continue;
        const struct operand *operand = &problem->family->operands[o];
        const size_t rows = op_image_bytes(operand->bytes(problem)) / 16 / IMAGE_WIDTH;
        if (IMAGE_WIDTH > info->image_width || rows > info->image_height)
            return refuse(why, "%s as an image of %d x %zu texels, the device has %zu x %zu",
                          operand->name, IMAGE_WIDTH, rows, info->image_width, info->image_height);
    }
    return true;
}

static bool device_fits(const struct config *config, const struct problem *problem,
                        const struct device_info *info, char why[200]) {
    struct geometry geometry = {0};
    config->variant->geometry(config, problem, &geometry);
    assert(geometry.n_stages >= 1 && geometry.n_stages <= STAGES);
    for (int s = 0; s < geometry.n_stages; s++)
        if (!stage_fits(&geometry.stage[s], info, why)) return false;
    if (geometry.local_bytes > info->local_bytes)
        return refuse(why, "%zu bytes of local memory, the device has %zu", geometry.local_bytes,
                      info->local_bytes);
    if (geometry.scratch_bytes > info->max_alloc_bytes)
        return refuse(why, "%zu bytes of scratch, the device gives %zu in one piece",
                      geometry.scratch_bytes, info->max_alloc_bytes);
    return images_fit(&geometry, problem, info, why);
}

static bool is_possible(const struct config *config, const struct problem *problem,
                        const struct device *device, bool is_thrifty, char why[200]) {
    if (!config->variant->accepts(problem))
        return refuse(why, "%s does not do this problem", config->variant->name);
    if (!values_valid(config, device, why)) return false;
    if (!constraints_hold(config, problem, is_thrifty, why)) return false;
    return !device || device_fits(config, problem, device_describe(device), why);
}

bool config_fits(const struct config *config, const struct problem *problem,
                 const struct device *device) {
    return !device || device_fits(config, problem, device_describe(device), NULL);
}

bool config_valid(const struct config *config, const struct problem *problem,
                  const struct device *device, char why[200]) {
    return is_possible(config, problem, device, true, why);
}

bool config_runs(const struct config *config, const struct problem *problem,
                 const struct device *device, char why[200]) {
    return is_possible(config, problem, device, false, why);
}
