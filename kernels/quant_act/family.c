/* quant_act: rows of activations rounded to class-i8 blocks, as activation.h defines them.
 *
 *     scale = max |x| / 127 of the group;  code = rint(x · (1 / scale));  sum = Σ code */
#include "kernels/quant_act/quant_act.h"
#include <math.h>
#include <stdlib.h>

enum { O_X, O_Y };
enum { SAMPLED_ROWS = 64 };

static const struct field fields[] = {
    [F_K] = {"k", "values in a row", FIELD_SIZE, USE_ARGUMENT, 32, 1 << 24, -1, NULL},
    [F_N] = {"n", "rows", FIELD_SIZE, USE_ARGUMENT, 1, 1 << 20, 1, NULL},
    [F_G] = ROWS_GROUP_FIELD,
};

struct rows quant_act_rows(const struct problem *p) {
    return (struct rows){ROWS_I8, p->value[F_K], (int)p->value[F_G]};
}

static size_t x_bytes(const struct problem *p) {
    return (size_t)p->value[F_N] * p->value[F_K] * sizeof(float);
}

static size_t y_bytes(const struct problem *p) {
    return (size_t)p->value[F_N] * rows_bytes(quant_act_rows(p));
}

static const struct operand operands[] = {
    [O_X] = {"X", "[N][K] f32", OPERAND_IN, x_bytes},
    [O_Y] = {"Y", "N class-i8 blocks", OPERAND_OUT, y_bytes},
};

static void cost(const struct problem *p, struct cost *out) {
    *out = (struct cost){
        .bytes = (double)x_bytes(p) + (double)y_bytes(p),
        .operations = 4.0 * p->value[F_K] * p->value[F_N],
    };
}

/* The last group of the last row is zero; among four or more, the one before is so small that its scale
 * would be subnormal. */
static enum status fill(const struct problem *p, uint64_t seed, struct check_case *c,
                        struct error *err) {
    (void)err;
    struct rng rng = rng_seed(seed);
    const int64_t n = p->value[F_N], k = p->value[F_K], g = p->value[F_G];
    float *x = (float *)c->host[O_X];
    for (int64_t r = 0; r < n; r++) rows_fill(x + r * k, k, &rng);
    for (int64_t i = 1; i <= g && n * k >= 2 * g; i++) x[n * k - i] = 0;
    for (int64_t i = 1; i <= g && n * k >= 4 * g; i++) x[n * k - g - i] *= 0x1p-130f;
    return OK;
}

static enum status judge(const struct problem *p, struct check_case *c, bool whole,
                         struct verdict *verdict, struct error *err) {
    const struct rows rows = quant_act_rows(p);
    const int64_t n = p->value[F_N], k = p->value[F_K], most = whole ? n : SAMPLED_ROWS;
    double *reference = malloc(2 * k * sizeof *reference);
    if (!reference) return fail(err, STATUS_NOMEM, "reference of quant_act: no memory for a row");
    double *magnitude = reference + k;
    for (int64_t i = 0; i < n && i < most; i++) {
        const int64_t r = rows_sample(n, most, i);
        const float *x = (const float *)c->host[O_X] + r * k;
        for (int64_t j = 0; j < k; j++) {
            reference[j] = x[j];
            magnitude[j] = fabs(x[j]);
        }
        rows_judge(rows, c->host[O_Y] + r * rows_bytes(rows), r, 1, reference, magnitude, verdict);
    }
    free(reference);
    verdict_finish(verdict, CLASS_F32);
    return OK;
}

static const struct variant *const variants[] = {&quant_act_group, NULL};

static const char *const examples[] = {"k=64,n=1,g=32",    "k=576,n=3,g=64",   "k=1536,n=5,g=128",
                                       "k=256,n=37,g=256", "k=576,n=300,g=32", NULL};

const struct family quant_act_family = {
    .name = "quant_act",
    .summary = "activations to class-i8 blocks",
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
