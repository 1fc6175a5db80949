/* axes.c: see axes.h. */
#include "tuner/axes.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool value_is(const struct param_value *value, const char *text) {
    if (value->name && strcmp(value->name, text) == 0) return true;
    char *end;
    long number = strtol(text, &end, 10);
    return *end == 0 && end != text && number == value->value;
}

static bool limits_allow(const struct space_limit *limits, size_t n, const struct param *param,
                         const struct param_value *value) {
    for (size_t l = 0; l < n; l++) {
        const struct space_limit *limit = &limits[l];
        if (strcmp(limit->param, param->name) != 0) continue;
        bool found = false;
        for (int v = 0; v < limit->n_values; v++) found |= value_is(value, limit->values[v]);
        if (!found) return false;
    }
    return true;
}

static void keep_values(struct axis *axis, const struct device *device, const struct param *param,
                        const struct space_limit *limits, size_t n_limits) {
    assert(param->n_values <= AXIS_VALUES);
    for (int v = 0; v < param->n_values; v++)
        if (device_has(device, param->values[v].needs) &&
            limits_allow(limits, n_limits, param, &param->values[v]))
            axis->place[axis->n++] = (unsigned char)v;
}

static int last_read(uint32_t reads) {
    int last = 0;
    for (int p = 0; p < PARAMS; p++)
        if (reads >> p & 1) last = p;
    return last;
}

void axes_open(struct axes *axes, const struct device *device, const struct problem *problem,
               const struct variant *variant, const struct space_limit *limits, size_t n_limits) {
    *axes = (struct axes){.device = device, .problem = problem, .variant = variant};
    for (int p = 0; p < variant->n_params; p++)
        keep_values(&axes->axis[p], device, &variant->params[p], limits, n_limits);
    for (int c = 0; c < variant->n_constraints; c++) {
        const uint32_t reads = variant->constraints[c].reads;
        const int last = last_read(reads);
        axes->axis[last].decided |= 1u << c;
        for (int p = 0; p <= last; p++) axes->axis[p].live |= reads & ((1u << p) - 1);
    }
}

bool axes_hold(const struct axes *axes, const int *value, int p) {
    const struct constraint *constraints = axes->variant->constraints;
    for (uint32_t left = axes->axis[p].decided; left; left &= left - 1)
        if (!constraints[__builtin_ctz(left)].holds(value, axes->problem)) return false;
    return true;
}
