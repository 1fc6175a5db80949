/* weights.h: weight types, and a matrix of weights as its source offers it, row by row.
 *
 * A weight type is a kind (weights.def) and a group size along K: q4:128. As one int (in a problem's
 * field) it is kind << 16 | group. */
#pragma once
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum weight_form { FORM_PLAIN, FORM_ZERO, FORM_CONST, FORM_OFFSET };

enum weight_kind {
#define WEIGHT(name, bits, form, zero) WEIGHT_##name,
#include "kernels/weights.def"
#undef WEIGHT
    WEIGHT_KINDS
};

struct weight_kind_info {
    const char *name;
    int bits;
    enum weight_form form;
    int zero; /* the constant z of FORM_CONST */
};
extern const struct weight_kind_info weight_kinds[WEIGHT_KINDS];

struct weight {
    enum weight_kind kind;
    int group; /* codes that share a scale, along K; 0 for PLAIN. 32, 64, 128 or 256 */
};

int64_t weight_pack_int(struct weight w); /* for a problem's field */
struct weight weight_from_int(int64_t value);
/* "q4:128", "f32"; without a group the usual one is taken (q4 128, others 32). INVALID lists the types. */
enum status weight_parse(const char *text, struct weight *w, struct error *err);
char *weight_format(struct weight w, char text[16]);
bool weight_is_quantised(struct weight w);
/* Bytes that the format needs for an M × K matrix: codes, scales, zeros or offsets; nothing else. */
double weight_canonical_bytes(struct weight w, int64_t m, int64_t k);

/* One row of K weights in host memory, in the type's own terms. Only the arrays that the form has
 * are filled. K is a multiple of the group for quantised types. */
struct weight_row {
    float *value;     /* PLAIN: K floats (f16 widened) */
    uint8_t *code;    /* quantised: K codes, one a byte */
    uint16_t *scale;  /* quantised: K/group fp16 */
    uint8_t *zero;    /* ZERO: K/group values 0 … 15 */
    uint16_t *offset; /* OFFSET: K/group fp16 */
};

/* A matrix W[M][K] that can be read by row: a tensor in a mapped file, several of them stacked, or
 * random test data. read fills row (arrays of the caller's); any order of m, any number of times. */
struct matrix {
    struct weight weight;
    int64_t m, k;
    void (*read)(const struct matrix *matrix, int64_t m, struct weight_row *row);
    const void *context; /* whatever read needs; lifetime is the maker's affair */
};

/* Arrays for one row of this matrix; weight_row_close frees them. */
enum status weight_row_open(struct weight w, int64_t k, struct weight_row *row, struct error *err);
void weight_row_close(struct weight_row *row);
/* row as floats: w = s·(q − z) or s·q + o in fp32. */
void weight_row_to_float(struct weight w, int64_t k, const struct weight_row *row, float *out);

float half_to_float(uint16_t h);
uint16_t half_from_float(float f); /* round to nearest, ties to even */
