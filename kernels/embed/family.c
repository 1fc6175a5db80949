/* embed: rows of a packed matrix of weights, as floats.
 *
 *     for (n < N) for (k < K) X[n][k] = W[ids[n]][k];   w = s·(q − z) or s·q + o */
#include "kernels/embed/embed.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { O_W, O_IDS, O_X };
enum { SAMPLED_ROWS = 64 };

static const struct field fields[] = {
    [F_M] = {"m", "vocabulary, rows of W", FIELD_SIZE, USE_ARGUMENT, 1, 1 << 24, -1, NULL},
    [F_K] = {"k", "columns of W", FIELD_SIZE, USE_ARGUMENT, 1, 1 << 24, -1, NULL},
    [F_N] = {"n", "tokens", FIELD_SIZE, USE_ARGUMENT, 1, 1 << 20, 1, NULL},
    [F_W] = {"w", "weight type", FIELD_WEIGHT, USE_DEFINE, 0, 0, WEIGHT_f32 << 16, NULL},
};

struct weight embed_weight(const struct problem *p) {
    return weight_from_int(p->value[F_W]);
}

static size_t w_bytes(const struct problem *p) {
    return layout_regions(p->layout, embed_weight(p), p->value[F_M], p->value[F_K]).bytes;
}

static size_t ids_bytes(const struct problem *p) {
    return (size_t)p->value[F_N] * sizeof(int32_t);
}

static size_t x_bytes(const struct problem *p) {
    return (size_t)p->value[F_N] * p->value[F_K] * sizeof(float);
}

static const struct operand operands[] = {
    [O_W] = {"W", "packed by the layout", OPERAND_WEIGHTS, w_bytes},
    [O_IDS] = {"ids", "[N] int32", OPERAND_IN, ids_bytes},
    [O_X] = {"X", "[N][K] f32", OPERAND_OUT, x_bytes},
};

static void cost(const struct problem *p, struct cost *out) {
    *out = (struct cost){
        .bytes = weight_canonical_bytes(embed_weight(p), p->value[F_N], p->value[F_K]) +
                 (double)ids_bytes(p) + (double)x_bytes(p),
        .operations = 2.0 * p->value[F_K] * p->value[F_N],
    };
}

/* Random weights, made row by row from (seed, m). */
static void random_row(const struct matrix *matrix, int64_t m, struct weight_row *row) {
    const uint64_t seed = *(const uint64_t *)matrix->context;
    struct rng rng = rng_seed(seed * 1000003u + (uint64_t)m);
    const struct weight_kind_info *info = &weight_kinds[matrix->weight.kind];
    if (info->form == FORM_PLAIN) {
        rows_fill(row->value, matrix->k, &rng);
        for (int64_t k = 0; info->bits == 16 && k < matrix->k; k++)
            row->value[k] = half_to_float(half_from_float(row->value[k]));
        return;
    }
    for (int64_t k = 0; k < matrix->k; k++)
        row->code[k] = (uint8_t)(rng_next(&rng) >> 32 & ((1u << info->bits) - 1));
    for (int64_t g = 0; g < matrix->k / matrix->weight.group; g++) {
        row->scale[g] = half_from_float((1 + 0.5f * rows_random(&rng)) / (float)(1 << info->bits));
        if (info->form == FORM_ZERO) row->zero[g] = rng_next(&rng) >> 32 & 15;
        if (info->form == FORM_OFFSET) row->offset[g] = half_from_float(rows_random(&rng));
    }
}

/* First and last row of W are among the tokens. */
static enum status fill(const struct problem *p, uint64_t seed, struct check_case *c,
                        struct error *err) {
    const struct matrix matrix = {embed_weight(p), p->value[F_M], p->value[F_K], random_row, &seed};
    struct rng rng = rng_seed(seed);
    int32_t *ids = (int32_t *)c->host[O_IDS];
    const int64_t n = p->value[F_N];
    for (int64_t i = 0; i < n; i++) ids[i] = (int32_t)rng_below(&rng, p->value[F_M]);
    ids[0] = (int32_t)p->value[F_M] - 1;
    if (n > 1) ids[n - 1] = 0;
    return layout_pack(p->layout, &matrix, c->host[O_W], err);
}

static void judge_row(const struct problem *p, const struct weight_row *row, const float *x,
                      int64_t n, struct verdict *verdict) {
    const struct weight w = embed_weight(p);
    const struct weight_kind_info *info = &weight_kinds[w.kind];
    for (int64_t k = 0; k < p->value[F_K]; k++) {
        if (info->form == FORM_PLAIN) {
            verdict_element(verdict, CLASS_F32, 1, x[k], row->value[k], fabs(row->value[k]), n, k);
            continue;
        }
        const int64_t g = k / w.group;
        const double s = half_to_float(row->scale[g]), q = row->code[k];
        const double o = info->form == FORM_OFFSET
                             ? half_to_float(row->offset[g])
                             : -s * (info->form == FORM_ZERO ? row->zero[g] : info->zero);
        verdict_element(verdict, CLASS_F32, 1, x[k], s * q + o, fabs(s * q) + fabs(o), n, k);
    }
}

static enum status judge(const struct problem *p, struct check_case *c, bool whole,
                         struct verdict *verdict, struct error *err) {
    const int64_t n = p->value[F_N], k = p->value[F_K], most = whole ? n : SAMPLED_ROWS;
    const struct matrix matrix = {embed_weight(p), p->value[F_M], k, random_row, &c->seed};
    struct weight_row row;
    const enum status st = weight_row_open(matrix.weight, k, &row, err);
    if (st != OK) return st;
    for (int64_t i = 0; i < n && i < most; i++) {
        const int64_t r = rows_sample(n, most, i);
        random_row(&matrix, ((const int32_t *)c->host[O_IDS])[r], &row);
        judge_row(p, &row, (const float *)c->host[O_X] + r * k, r, verdict);
    }
    weight_row_close(&row);
    verdict_finish(verdict, CLASS_F32);
    return OK;
}

static const struct variant *const variants[] = {&embed_row, NULL};

static const char *const examples[] = {"m=512,k=64,n=1,w=f32 f32 rows",
                                       "m=512,k=64,n=3,w=f32 f32 panel16",
                                       "m=300,k=576,n=5,w=f16 f32 panel32",
                                       "m=512,k=100,n=2,w=f16 f32 rows",
                                       "m=512,k=576,n=1,w=q8:32 f32 rows",
                                       "m=300,k=576,n=7,w=q8:32 f32 panel16",
                                       "m=300,k=256,n=3,w=q4:128 f32 panel32",
                                       "m=512,k=256,n=2,w=q4:128 f32 rows",
                                       "m=300,k=576,n=4,w=q4_0:32 f32 panel64",
                                       "m=512,k=1536,n=1,w=q4_1:32 f32 panel16",
                                       "m=49152,k=64,n=300,w=q4_1:32 f32 panel32",
                                       "m=100,k=128,n=9,w=q4:64 f32 panel64",
                                       NULL};

const struct family embed_family = {
    .name = "embed",
    .summary = "rows of packed weights as floats",
    .fields = fields,
    .n_fields = COUNT_OF(fields),
    .operands = operands,
    .n_operands = COUNT_OF(operands),
    .variants = variants,
    .cost = cost,
    .fill = fill,
    .judge = judge,
    .examples = examples,
};
