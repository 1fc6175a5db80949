/* rmsnorm: rows divided by their root mean square, times gamma; with r=1 a residual is added first and
 * the sum is kept.
 *
 *     for (n < N) {
 *         if (r) X[n] += R[n];
 *         rms = sqrt(Σ over k of X[n][k]² / K + eps);
 *         for (k < K) Y[n][k] = X[n][k] / rms · gamma[k];
 *     }
 *
 * Y is f32 or class-i8 blocks. */
#include "kernels/rmsnorm/rmsnorm.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { O_X, O_R, O_GAMMA, O_Y };
enum { SAMPLED_ROWS = 64 };
enum { EPS_1E_5 = 0x3727c5ac }; /* the bits of 1e-5f */

static const struct field fields[] = {
    [F_K] = {"k", "values in a row", FIELD_SIZE, USE_ARGUMENT, 1, 1 << 24, -1, NULL},
    [F_N] = {"n", "rows", FIELD_SIZE, USE_ARGUMENT, 1, 1 << 20, 1, NULL},
    [F_R] = {"r", "1: a residual is added first", FIELD_SIZE, USE_DEFINE, 0, 1, 0, NULL},
    [F_O] = ROWS_FORMAT_FIELD,
    [F_G] = ROWS_GROUP_FIELD,
    [F_EPS] = {"eps", "bits of the float added to the mean square", FIELD_SIZE,
               USE_ARGUMENT | USE_HIDDEN, 0, 0x7f7fffff, EPS_1E_5, NULL},
};

struct rows rmsnorm_rows(const struct problem *p) {
    return (struct rows){(enum rows_format)p->value[F_O], p->value[F_K], (int)p->value[F_G]};
}

static size_t x_bytes(const struct problem *p) {
    return (size_t)p->value[F_N] * p->value[F_K] * sizeof(float);
}

static size_t r_bytes(const struct problem *p) {
    return p->value[F_R] ? x_bytes(p) : 0;
}

static size_t gamma_bytes(const struct problem *p) {
    return (size_t)p->value[F_K] * sizeof(float);
}

static size_t y_bytes(const struct problem *p) {
    return (size_t)p->value[F_N] * rows_bytes(rmsnorm_rows(p));
}

static const struct operand operands[] = {
    [O_X] = {"X", "[N][K] f32", OPERAND_INOUT, x_bytes},
    [O_R] = {"R", "[N][K] f32", OPERAND_IN, r_bytes},
    [O_GAMMA] = {"gamma", "[K] f32", OPERAND_IN, gamma_bytes},
    [O_Y] = {"Y", "[N][K] f32, or N class-i8 blocks", OPERAND_OUT, y_bytes},
};

static void cost(const struct problem *p, struct cost *out) {
    *out = (struct cost){
        .bytes = (p->value[F_R] ? 2 : 1) * (double)x_bytes(p) + (double)r_bytes(p) +
                 (double)gamma_bytes(p) + (double)y_bytes(p),
        .operations = 4.0 * p->value[F_K] * p->value[F_N],
    };
}

static enum status fill(const struct problem *p, uint64_t seed, struct check_case *c,
                        struct error *err) {
    (void)err;
    struct rng rng = rng_seed(seed);
    const int64_t n = p->value[F_N], k = p->value[F_K];
    float *x = (float *)c->host[O_X], *r = (float *)c->host[O_R],
          *gamma = (float *)c->host[O_GAMMA];
    for (int64_t i = 0; i < n; i++) rows_fill(x + i * k, k, &rng);
    for (int64_t i = 0; p->value[F_R] && i < n; i++) rows_fill(r + i * k, k, &rng);
    for (int64_t i = 0; i < k; i++) gamma[i] = 1 + 0.5f * rows_random(&rng);
    return OK;
}

/* One row: the sum x, the output y, and what bounds its error. */
struct row {
    const float *x, *r, *gamma;
    int64_t k;
    double eps;
};

static void row_reference(const struct row *row, double *y, double *magnitude) {
    double squares = 0;
    for (int64_t i = 0; i < row->k; i++) {
        y[i] = row->x[i] + (row->r ? (double)row->r[i] : 0);
        squares += y[i] * y[i];
    }
    const double rms = sqrt(squares / (double)row->k + row->eps);
    for (int64_t i = 0; i < row->k; i++) {
        const double parts = fabs(row->x[i]) + (row->r ? fabs(row->r[i]) : 0);
        y[i] = y[i] / rms * row->gamma[i];
        magnitude[i] = fmax(fabs(y[i]), parts / rms * fabs(row->gamma[i]));
    }
}

static enum status judge(const struct problem *p, struct check_case *c, bool whole,
                         struct verdict *verdict, struct error *err) {
    const struct rows rows = rmsnorm_rows(p);
    const int64_t n = p->value[F_N], k = p->value[F_K], most = whole ? n : SAMPLED_ROWS;
    const uint32_t eps_bits = (uint32_t)p->value[F_EPS];
    float eps;
    memcpy(&eps, &eps_bits, sizeof eps);
    double *reference = malloc(2 * k * sizeof *reference);
    if (!reference) return fail(err, STATUS_NOMEM, "reference of rmsnorm: no memory for a row");
    double *magnitude = reference + k;
    const float *before = (const float *)c->before[O_X], *after = (const float *)c->host[O_X];
    for (int64_t i = 0; i < n && i < most; i++) {
        const int64_t at = rows_sample(n, most, i);
        const float *r = p->value[F_R] ? (const float *)c->host[O_R] + at * k : NULL;
        const struct row row = {before + at * k, r, (const float *)c->host[O_GAMMA], k, eps};
        for (int64_t j = 0; j < k; j++) {
            const double sum = row.x[j] + (r ? (double)r[j] : 0);
            verdict_element(verdict, CLASS_F32, 1, after[at * k + j], sum, fabs(sum), at, j);
        }
        row_reference(&row, reference, magnitude);
        rows_judge(rows, c->host[O_Y] + at * rows_bytes(rows), at, k, reference, magnitude,
                   verdict);
    }
    free(reference);
    verdict_finish(verdict, CLASS_F32);
    return OK;
}

static const struct variant *const variants[] = {&rmsnorm_row, NULL};

static const char *const examples[] = {"k=64,n=1",
                                       "k=576,n=1",
                                       "k=172,n=3",
                                       "k=1536,n=5,r=1",
                                       "k=7,n=2,r=1",
                                       "k=64,n=300",
                                       "k=576,n=1,r=1,o=i8",
                                       "k=1536,n=3,o=i8,g=128",
                                       "k=64,n=37,r=1",
                                       "k=256,n=2,o=i8,g=256",
                                       "k=192,n=70,r=1,o=i8,g=64",
                                       NULL};

const struct family rmsnorm_family = {
    .name = "rmsnorm",
    .summary = "residual, division by the root mean square, gamma",
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
