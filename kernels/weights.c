/* weights.c: weight types, rows of weights, half precision on the host. */
#include "kernels/weights.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct weight_kind_info weight_kinds[WEIGHT_KINDS] = {
#define WEIGHT(name, bits, form, zero) {#name, bits, FORM_##form, zero},
#include "kernels/weights.def"
#undef WEIGHT
};

/* ---- names ---- */

int64_t weight_pack_int(struct weight w) {
    return (int64_t)w.kind << 16 | w.group;
}

struct weight weight_from_int(int64_t value) {
    assert(value >= 0 && value >> 16 < WEIGHT_KINDS);
    return (struct weight){.kind = (enum weight_kind)(value >> 16), .group = (int)(value & 0xffff)};
}

bool weight_is_quantised(struct weight w) {
    return weight_kinds[w.kind].form != FORM_PLAIN;
}

static const struct {
    const char *text;
    int group;
} groups[] = {{"32", 32}, {"64", 64}, {"128", 128}, {"256", 256}};

static int group_find(const char *text) {
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (!strcmp(groups[i].text, text)) return groups[i].group;
    return 0;
}

static int kind_find(const char *name, size_t length) {
    for (int kind = 0; kind < WEIGHT_KINDS; kind++)
        if (strlen(weight_kinds[kind].name) == length &&
            !memcmp(weight_kinds[kind].name, name, length))
            return kind;
    return -1;
}

static enum status fail_weight(const char *text, struct error *err) {
    char list[128] = "";
    for (int kind = 0; kind < WEIGHT_KINDS; kind++) {
        const size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", kind ? ", " : "",
                 weight_kinds[kind].name);
    }
    return fail(err, STATUS_INVALID,
                "there is no weight type \"%.40s\": the types are %s; quantised ones may name a "
                "group of 32, "
                "64, 128 or 256, as in q4:128",
                text, list);
}

enum status weight_parse(const char *text, struct weight *w, struct error *err) {
    const size_t stem = strcspn(text, ":");
    const int kind = kind_find(text, stem);
    if (kind < 0) return fail_weight(text, err);
    *w = (struct weight){.kind = (enum weight_kind)kind};
    if (!weight_is_quantised(*w)) return text[stem] ? fail_weight(text, err) : OK;
    w->group = text[stem] ? group_find(text + stem + 1) : kind == WEIGHT_q4 ? 128 : 32;
    return w->group ? OK : fail_weight(text, err);
}

char *weight_format(struct weight w, char text[16]) {
    if (weight_is_quantised(w)) snprintf(text, 16, "%s:%d", weight_kinds[w.kind].name, w.group);
    else snprintf(text, 16, "%s", weight_kinds[w.kind].name);
    return text;
}

/* Bits that a group needs besides its codes. */
static const int group_bits[] = {
    [FORM_PLAIN] = 0, [FORM_ZERO] = 16 + 4, [FORM_CONST] = 16, [FORM_OFFSET] = 16 + 16};

double weight_canonical_bytes(struct weight w, int64_t m, int64_t k) {
    const struct weight_kind_info *info = &weight_kinds[w.kind];
    const double elements = (double)m * (double)k;
    const double in_groups = w.group ? elements / w.group * group_bits[info->form] : 0;
    return (elements * info->bits + in_groups) / 8;
}

/* ---- rows ---- */

enum status weight_row_open(struct weight w, int64_t k, struct weight_row *row, struct error *err) {
    *row = (struct weight_row){0};
    const enum weight_form form = weight_kinds[w.kind].form;
    const size_t n = (size_t)k, n_groups = w.group ? n / w.group : 0;
    bool enough;
    if (form == FORM_PLAIN) {
        enough = (row->value = calloc(n + 1, sizeof *row->value));
    } else {
        row->code = calloc(n + 1, 1);
        row->scale = calloc(n_groups + 1, sizeof *row->scale);
        enough = row->code && row->scale;
        if (form == FORM_ZERO) enough &= (row->zero = calloc(n_groups + 1, 1)) != NULL;
        if (form == FORM_OFFSET)
            enough &= (row->offset = calloc(n_groups + 1, sizeof *row->offset)) != NULL;
    }
    if (enough) return OK;
    weight_row_close(row);
    return fail(err, STATUS_NOMEM, "no memory for a row of %lld weights", (long long)k);
}

void weight_row_close(struct weight_row *row) {
    free(row->value);
    free(row->code);
    free(row->scale);
    free(row->zero);
    free(row->offset);
    *row = (struct weight_row){0};
}

void weight_row_to_float(struct weight w, int64_t k, const struct weight_row *row, float *out) {
    const struct weight_kind_info *info = &weight_kinds[w.kind];
    if (info->form == FORM_PLAIN) {
        memcpy(out, row->value, (size_t)k * sizeof *out);
        return;
    }
    for (int64_t g = 0; g < k / w.group; g++) {
        const float s = half_to_float(row->scale[g]);
        const float o = info->form == FORM_OFFSET ? half_to_float(row->offset[g]) : 0;
        const int z = info->form == FORM_ZERO ? row->zero[g] : info->zero;
        for (int64_t i = g * w.group; i < (g + 1) * w.group; i++)
            out[i] = s * (float)(row->code[i] - z) + o;
    }
}

/* ---- half precision ---- */

static float float_of_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint32_t bits_of_float(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

float half_to_float(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = h & 0x7fff;
    if (magnitude >= 0x7c00) return float_of_bits(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
    if (magnitude >= 0x0400) return float_of_bits(sign | ((magnitude << 13) + (112u << 23)));
    const float subnormal = (float)magnitude * 0x1p-24f;
    return sign ? -subnormal : subnormal;
}

uint16_t half_from_float(float f) {
    const uint32_t bits = bits_of_float(f), magnitude = bits & 0x7fffffff;
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    if (magnitude > 0x7f800000) return sign | 0x7e00 | (uint16_t)(magnitude >> 13 & 0x1ff);
    if (magnitude >= 0x47800000) return sign | 0x7c00; /* 65536 and beyond */
    /* Below 2⁻¹⁴ the last place of 0.5 + |f| is that of a subnormal half: the addition rounds. */
    if (magnitude < 0x38800000)
        return sign |
               (uint16_t)(bits_of_float(float_of_bits(magnitude) + 0.5f) - bits_of_float(0.5f));
    return sign | (uint16_t)((magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13);
}
