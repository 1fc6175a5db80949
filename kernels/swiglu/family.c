/* swiglu: the gate of a feed-forward block.
 *
 *     for (n < N) for (k < K) Y[n][k] = g / (1 + exp(−g)) · u;   g = GU[n][k], u = GU[n][K + k]
 *
 * Y is f32 or class-i8 blocks. */
#include "kernels/swiglu/swiglu.h"
#include <math.h>
#include <stdlib.h>

enum { O_GU, O_Y };
enum { SAMPLED_ROWS = 64 };
/* Roundings in units of u that OpenCL allows on the way: exp 6, 1 + e 1, division 5, product 1, and
 * those of a range reduction: 4·√16 = 16. */
enum { TERMS = 16 };

static const struct field fields[] = {
    [F_K] = {"k", "values in a row of the output", FIELD_SIZE, USE_ARGUMENT, 1, 1 << 24, -1, NULL},
    [F_N] = {"n", "rows", FIELD_SIZE, USE_ARGUMENT, 1, 1 << 20, 1, NULL},
    [F_O] = ROWS_FORMAT_FIELD,
    [F_G] = ROWS_GROUP_FIELD,
};

struct rows swiglu_rows(const struct problem *p) {
    return (struct rows){(enum rows_format)p->value[F_O], p->value[F_K], (int)p->value[F_G]};
}

static size_t gu_bytes(const struct problem *p) {
    return 2 * (size_t)p->value[F_N] * p->value[F_K] * sizeof(float);
}

static size_t y_bytes(const struct problem *p) {
    return (size_t)p->value[F_N] * rows_bytes(swiglu_rows(p));
}

static const struct operand operands[] = {
    [O_GU] = {"GU", "[N][2K] f32: gate, then up", OPERAND_IN, gu_bytes},
    [O_Y] = {"Y", "[N][K] f32, or N class-i8 blocks", OPERAND_OUT, y_bytes},
};

static void cost(const struct problem *p, struct cost *out) {
    *out = (struct cost){
        .bytes = (double)gu_bytes(p) + (double)y_bytes(p),
        .operations = 4.0 * p->value[F_K] * p->value[F_N],
    };
}

/* Gates from −16 to 16, one in 97 far out on either side. */
static enum status fill(const struct problem *p, uint64_t seed, struct check_case *c,
                        struct error *err) {
    (void)err;
    struct rng rng = rng_seed(seed);
    const int64_t n = p->value[F_N], k = p->value[F_K];
    float *gu = (float *)c->host[O_GU];
    for (int64_t i = 0; i < n; i++, gu += 2 * k) {
        for (int64_t j = 0; j < k; j++) gu[j] = rows_random(&rng) * (j % 97 == 5 ? 100.0f : 16.0f);
        rows_fill(gu + k, k, &rng);
    }
    return OK;
}

static enum status judge(const struct problem *p, struct check_case *c, bool whole,
                         struct verdict *verdict, struct error *err) {
    const struct rows rows = swiglu_rows(p);
    const int64_t n = p->value[F_N], k = p->value[F_K], most = whole ? n : SAMPLED_ROWS;
    double *reference = malloc(2 * k * sizeof *reference);
    if (!reference) return fail(err, STATUS_NOMEM, "reference of swiglu: no memory for a row");
    double *magnitude = reference + k;
    for (int64_t i = 0; i < n && i < most; i++) {
        const int64_t r = rows_sample(n, most, i);
        const float *g = (const float *)c->host[O_GU] + r * 2 * k, *u = g + k;
        for (int64_t j = 0; j < k; j++) {
            reference[j] = g[j] / (1 + exp(-(double)g[j])) * u[j];
            /* from −87 down exp(−g) may saturate or be infinite */
            magnitude[j] = fabs(reference[j]) + 1e-25;
        }
        rows_judge(rows, c->host[O_Y] + r * rows_bytes(rows), r, TERMS, reference, magnitude,
                   verdict);
    }
    free(reference);
    verdict_finish(verdict, CLASS_F32);
    return OK;
}

static const struct variant *const variants[] = {&swiglu_part, NULL};

static const char *const examples[] = {"k=172,n=1",
                                       "k=1536,n=1",
                                       "k=1536,n=5",
                                       "k=7,n=3",
                                       "k=576,n=300",
                                       "k=1536,n=1,o=i8,g=32",
                                       "k=256,n=37,o=i8,g=64",
                                       "k=512,n=3,o=i8,g=256",
                                       "k=172,n=64",
                                       NULL};

const struct family swiglu_family = {
    .name = "swiglu",
    .summary = "silu(gate) · up",
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
