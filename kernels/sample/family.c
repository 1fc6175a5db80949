/* sample: the most likely token of each row.
 *
 *     for (n < N) ids[n] = the lowest m with logits[n][m] = max over m of logits[n][m] */
#include "kernels/sample/sample.h"

enum { O_LOGITS, O_IDS };

static const struct field fields[] = {
    [F_M] = {"m", "vocabulary", FIELD_SIZE, USE_ARGUMENT, 1, 1 << 24, -1, NULL},
    [F_N] = {"n", "rows", FIELD_SIZE, USE_ARGUMENT, 1, 1 << 20, 1, NULL},
};

static size_t logits_bytes(const struct problem *p) {
    return (size_t)p->value[F_N] * p->value[F_M] * sizeof(float);
}

static size_t ids_bytes(const struct problem *p) {
    return (size_t)p->value[F_N] * sizeof(int32_t);
}

static const struct operand operands[] = {
    [O_LOGITS] = {"logits", "[N][M] f32", OPERAND_IN, logits_bytes},
    [O_IDS] = {"ids", "[N] int32", OPERAND_OUT, ids_bytes},
};

static void cost(const struct problem *p, struct cost *out) {
    *out = (struct cost){
        .bytes = (double)logits_bytes(p) + (double)ids_bytes(p),
        .operations = (double)p->value[F_M] * p->value[F_N],
    };
}

/* The largest value stands twice in every row, anywhere, the last column and the first included; rows
 * 3, 7 … are negative throughout. */
static enum status fill(const struct problem *p, uint64_t seed, struct check_case *c,
                        struct error *err) {
    (void)err;
    struct rng rng = rng_seed(seed);
    const int64_t m = p->value[F_M];
    float *x = (float *)c->host[O_LOGITS];
    for (int64_t n = 0; n < p->value[F_N]; n++, x += m) {
        const float shift = n % 4 == 3 ? -40.0f : 0.0f;
        rows_fill(x, m, &rng);
        for (int64_t i = 0; i < m; i++) x[i] += shift;
        x[n % 4 == 1 ? 0 : rng_below(&rng, m)] = 20 + shift;
        x[n % 4 == 2 ? m - 1 : (int64_t)rng_below(&rng, m)] = 20 + shift;
    }
    return OK;
}

static int64_t argmax(const float *x, int64_t m) {
    int64_t best = 0;
    for (int64_t i = 1; i < m; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

/* An index is right or wrong: its magnitude 1 leaves less than 1 of room. */
static enum status judge(const struct problem *p, struct check_case *c, bool whole,
                         struct verdict *verdict, struct error *err) {
    (void)whole;
    (void)err;
    const float *x = (const float *)c->host[O_LOGITS];
    const int32_t *ids = (const int32_t *)c->host[O_IDS];
    for (int64_t n = 0; n < p->value[F_N]; n++) {
        const double expected = (double)argmax(x + n * p->value[F_M], p->value[F_M]);
        verdict_element(verdict, CLASS_F32, 1, ids[n] + 1.0, expected + 1, 1, n, 0);
    }
    verdict_finish(verdict, CLASS_F32);
    return OK;
}

static const struct variant *const variants[] = {&sample_argmax, NULL};

static const char *const examples[] = {"m=512,n=1",  "m=49152,n=1", "m=49152,n=5", "m=512,n=300",
                                       "m=1000,n=3", "m=7,n=4",     "m=1,n=1",     NULL};

const struct family sample_family = {
    .name = "sample",
    .summary = "the index of the largest logit",
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
