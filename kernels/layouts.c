/* layouts.c: packing, after the formulas of layouts.h. A row is scattered into its panel; the P rows of a
 * panel go one after the other, so that the panel being written stays in the nearer caches. */
#include "kernels/layouts.h"
#include <stdlib.h>
#include <string.h>

enum { REGION_ALIGN = 256 };

const struct layout layouts[LAYOUTS] = {
#define LAYOUT(name, version, panel) {#name, version, panel},
#include "kernels/layouts.def"
#undef LAYOUT
};

const struct layout *layout_find(const char *name) {
    for (int i = 0; i < LAYOUTS; i++)
        if (!strcmp(layouts[i].name, name)) return &layouts[i];
    return NULL;
}

static size_t aligned(size_t bytes) {
    return (bytes + REGION_ALIGN - 1) / REGION_ALIGN * REGION_ALIGN;
}

/* Bytes that a group has beside its scale. */
static size_t zero_bytes(struct weight w) {
    static const size_t bytes[] = {[FORM_ZERO] = sizeof(uint8_t), [FORM_OFFSET] = sizeof(uint16_t)};
    const enum weight_form form = weight_kinds[w.kind].form;
    return form < sizeof bytes / sizeof *bytes ? bytes[form] : 0;
}

struct layout_regions layout_regions(const struct layout *layout, struct weight w, int64_t m,
                                     int64_t k) {
    const size_t rows = (size_t)((m + layout->panel - 1) / layout->panel) * (size_t)layout->panel;
    const size_t groups = w.group ? rows * (size_t)(k / w.group) : 0;
    struct layout_regions regions = {0};
    regions.scales = aligned(rows * (size_t)k * (size_t)weight_kinds[w.kind].bits / 8);
    regions.zeros = regions.scales + aligned(groups * sizeof(uint16_t));
    regions.bytes = regions.zeros + aligned(groups * zero_bytes(w));
    return regions;
}

/* Where a row lies: its first element in a region whose rows have `per_row` elements. */
static size_t row_start(const struct layout *layout, int64_t row, size_t per_row) {
    const size_t panel = (size_t)(row / layout->panel), within = (size_t)(row % layout->panel);
    return panel * per_row * (size_t)layout->panel + within;
}

/* k of code j of a 4-bit word: low nibbles of the bytes first, then the high ones. */
static int nibble_shift(int j) {
    return j < 4 ? 8 * j : 8 * (j - 4) + 4;
}

/* ---- one row in ---- */

/* One row of a matrix on its way into or out of the packed bytes. */
struct place {
    const struct layout *layout;
    struct weight w;
    int64_t k, row;
    struct layout_regions regions;
};

static void put_values(const struct place *p, const float *value, unsigned char *packed) {
    const size_t start = row_start(p->layout, p->row, (size_t)p->k),
                 step = (size_t)p->layout->panel;
    if (weight_kinds[p->w.kind].bits == 32) {
        float *to = (float *)packed + start;
        for (int64_t i = 0; i < p->k; i++) to[(size_t)i * step] = value[i];
    } else {
        uint16_t *to = (uint16_t *)packed + start;
        for (int64_t i = 0; i < p->k; i++) to[(size_t)i * step] = half_from_float(value[i]);
    }
}

static void put_codes(const struct place *p, const uint8_t *code, unsigned char *packed) {
    const int per_word = 32 / weight_kinds[p->w.kind].bits;
    const size_t words = (size_t)p->k / (size_t)per_word, step = (size_t)p->layout->panel;
    uint32_t *to = (uint32_t *)packed + row_start(p->layout, p->row, words);
    for (size_t i = 0; i < words; i++, code += per_word) {
        uint32_t word = 0;
        if (per_word == 4)
            for (int j = 0; j < 4; j++) word |= (uint32_t)code[j] << 8 * j;
        else
            for (int j = 0; j < 8; j++) word |= (uint32_t)(code[j] & 15) << nibble_shift(j);
        to[i * step] = word;
    }
}

static void put_groups(const struct place *p, const struct weight_row *row, unsigned char *packed) {
    const size_t n = (size_t)(p->k / p->w.group), step = (size_t)p->layout->panel;
    const size_t start = row_start(p->layout, p->row, n);
    uint16_t *scales = (uint16_t *)(packed + p->regions.scales) + start;
    uint8_t *zeros = packed + p->regions.zeros + start;
    uint16_t *offsets = (uint16_t *)(packed + p->regions.zeros) + start;
    for (size_t g = 0; g < n; g++) scales[g * step] = row->scale[g];
    if (row->zero)
        for (size_t g = 0; g < n; g++) zeros[g * step] = row->zero[g];
    if (row->offset)
        for (size_t g = 0; g < n; g++) offsets[g * step] = row->offset[g];
}

enum status layout_pack(const struct layout *layout, const struct matrix *matrix, void *packed,
                        struct error *err) {
    struct weight_row row;
    enum status st = weight_row_open(matrix->weight, matrix->k, &row, err);
    if (st != OK)
        return fail_while(err, "packing a matrix of %lld × %lld", (long long)matrix->m,
                          (long long)matrix->k);
    struct place place = {layout, matrix->weight, matrix->k, 0,
                          layout_regions(layout, matrix->weight, matrix->m, matrix->k)};
    memset(packed, 0, place.regions.bytes);
    for (int64_t m = 0; m < matrix->m; m++) {
        place.row = m;
        matrix->read(matrix, m, &row);
        if (!weight_is_quantised(matrix->weight)) {
            put_values(&place, row.value, packed);
        } else {
            put_codes(&place, row.code, packed);
            put_groups(&place, &row, packed);
        }
    }
    weight_row_close(&row);
    return OK;
}

/* ---- one row out ---- */

static void get_values(const struct place *p, const unsigned char *packed, float *value) {
    const size_t start = row_start(p->layout, p->row, (size_t)p->k),
                 step = (size_t)p->layout->panel;
    const bool is_wide = weight_kinds[p->w.kind].bits == 32;
    for (int64_t i = 0; i < p->k; i++) {
        const size_t at = start + (size_t)i * step;
        value[i] =
            is_wide ? ((const float *)packed)[at] : half_to_float(((const uint16_t *)packed)[at]);
    }
}

static void get_codes(const struct place *p, const unsigned char *packed, uint8_t *code) {
    const int per_word = 32 / weight_kinds[p->w.kind].bits;
    const size_t words = (size_t)p->k / (size_t)per_word, step = (size_t)p->layout->panel;
    const uint32_t *from = (const uint32_t *)packed + row_start(p->layout, p->row, words);
    for (size_t i = 0; i < words; i++, code += per_word)
        for (int j = 0; j < per_word; j++)
            code[j] = (uint8_t)(per_word == 4 ? from[i * step] >> 8 * j & 255
                                              : from[i * step] >> nibble_shift(j) & 15);
}

static void get_groups(const struct place *p, const unsigned char *packed, struct weight_row *row) {
    const size_t n = (size_t)(p->k / p->w.group), step = (size_t)p->layout->panel;
    const size_t start = row_start(p->layout, p->row, n);
    const uint16_t *scales = (const uint16_t *)(packed + p->regions.scales) + start;
    const uint8_t *zeros = packed + p->regions.zeros + start;
    const uint16_t *offsets = (const uint16_t *)(packed + p->regions.zeros) + start;
    for (size_t g = 0; g < n; g++) row->scale[g] = scales[g * step];
    if (weight_kinds[p->w.kind].form == FORM_ZERO)
        for (size_t g = 0; g < n; g++) row->zero[g] = zeros[g * step];
    if (weight_kinds[p->w.kind].form == FORM_OFFSET)
        for (size_t g = 0; g < n; g++) row->offset[g] = offsets[g * step];
}

void layout_unpack_row(const struct layout *layout, struct weight w, int64_t m, int64_t k,
                       const void *packed, int64_t row, struct weight_row *out) {
    const struct place place = {layout, w, k, row, layout_regions(layout, w, m, k)};
    if (!weight_is_quantised(w)) {
        get_values(&place, packed, out->value);
        return;
    }
    get_codes(&place, packed, out->code);
    get_groups(&place, packed, out);
}
