/* matmul: C[M,N] = W[M,K] · X[K,N], the weights packed, tokens as rows.
 *
 *     for (n < N) for (m < M) { C[n][m] = Σ over k of W[m][k] · X[n][k]; + bias[m] or residual[n][m] }
 *
 * The reference is that loop in fp64 on the class's own inputs: weights as their type says, X as the
 * class rounds it. Large problems are judged by whole rows of W and by projections: with random signs
 * r, Σ over m of r[m]·C[n][m] must be (Σ over m of r[m]·W[m]) · X[n], which looks at every element of C. */
#include "base/hash.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "kernels/activation.h"
#include "kernels/check.h"
#include "kernels/matmul/matmul.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { O_W, O_X, O_C, O_R };
enum { SAMPLED_ROWS = 8 };
/* Projections of each token, and at least so many of all: the mean of 2 squared errors passes four times
 * what is expected in one case of 50, that of 16 never does. */
enum { PROJECTIONS_LEAST = 2, PROJECTIONS_ALL = 16 };
/* Below this many multiplications the whole reference is cheap. */
static const double WHOLE_IS_CHEAP = 3e7;
/* A whole reference up to this size is kept for the next configuration: that of 12288 × 1024. */
static const size_t KEPT_BYTES = 256 << 20;
/* Below this one that is kept is cheap, too: a quarter of a second, once. */
static const double KEPT_IS_CHEAP = 1e9;
/* From so many elements of C on, a pass over them takes longer than threads take to start. */
static const int64_t THREADS_PAY = 1 << 21;

static const struct field fields[] = {
    [F_M] = {"m", "outputs, rows of W", FIELD_SIZE, USE_ARGUMENT, 1, 1 << 24, -1, NULL},
    [F_K] = {"k", "inputs, columns of W", FIELD_SIZE, USE_ARGUMENT, 1, 1 << 24, -1, NULL},
    [F_N] = {"n", "tokens", FIELD_SIZE, USE_ARGUMENT, 1, 1 << 20, 1, NULL},
    [F_W] = {"w", "weight type", FIELD_WEIGHT, USE_DEFINE, 0, 0, WEIGHT_f32 << 16, NULL},
    [F_E] = {"e", "epilogue", FIELD_CHOICE, USE_DEFINE, 0, 2, E_NONE, "none,bias,residual"},
    [F_LDC] = {"ldc", "stride of C's rows, 0 = m", FIELD_SIZE, USE_ARGUMENT | USE_HIDDEN, 0,
               1 << 24, 0, NULL},
};

static size_t w_bytes(const struct problem *p) {
    return layout_regions(p->layout, matmul_weight(p), p->value[F_M], p->value[F_K]).bytes;
}

static size_t x_row_bytes(const struct problem *p) {
    const struct weight w = matmul_weight(p);
    const enum class_id class = weight_is_quantised(w) ? p->class : CLASS_F32;
    return activation_row_bytes(class, p->value[F_K], w.group);
}

static size_t x_bytes(const struct problem *p) {
    return x_row_bytes(p) * p->value[F_N];
}

static int64_t row_stride(const struct problem *p) {
    return p->value[F_LDC] ? p->value[F_LDC] : p->value[F_M];
}

static size_t c_bytes(const struct problem *p) {
    return (size_t)p->value[F_N] * row_stride(p) * sizeof(float);
}

static size_t r_bytes(const struct problem *p) {
    const int64_t rows = p->value[F_E] == E_RESIDUAL ? p->value[F_N] : p->value[F_E] == E_BIAS;
    return (size_t)rows * p->value[F_M] * sizeof(float);
}

static const struct operand operands[] = {
    [O_W] = {"W", "packed by the layout", OPERAND_WEIGHTS, w_bytes},
    [O_X] = {"X", "[N][K] f32, or class-i8 blocks", OPERAND_IN, x_bytes},
    [O_C] = {"C", "[N][ldc] f32", OPERAND_OUT, c_bytes},
    [O_R] = {"R", "bias [M] or residual [N][M] f32", OPERAND_IN, r_bytes},
};

static void cost(const struct problem *p, struct cost *out) {
    const double m = p->value[F_M], n = p->value[F_N], k = p->value[F_K];
    *out = (struct cost){
        .bytes = weight_canonical_bytes(matmul_weight(p), p->value[F_M], p->value[F_K]) +
                 (double)x_bytes(p) + m * n * sizeof(float) + (double)r_bytes(p),
        .operations = 2 * m * n * k,
        .integer = p->class == CLASS_I8,
    };
}

/* ---- inputs ---- */

/* Random weights, made row by row from (seed, m), so that they need no memory of their own. One row in
 * 17 is 2⁻¹² times smaller: halves that are subnormal, which devices may flush where floats do. */
struct random_weights {
    uint64_t seed;
};

static float signed_unit(uint64_t bits) {
    return (float)((int32_t)(uint32_t)bits) * 0x1p-31f;
}

static void random_row(const struct matrix *matrix, int64_t m, struct weight_row *row) {
    const struct random_weights *random = matrix->context;
    struct rng rng = rng_seed(random->seed * 1000003u + (uint64_t)m);
    const struct weight_kind_info *info = &weight_kinds[matrix->weight.kind];
    const float size = m % 17 == 3 ? 0x1p-12f : 1;
    if (!weight_is_quantised(matrix->weight)) {
        for (int64_t k = 0; k < matrix->k; k++) {
            const float v = size * signed_unit(rng_next(&rng) >> 16);
            row->value[k] = info->bits == 16 ? half_to_float(half_from_float(v)) : v;
        }
        return;
    }
    const uint64_t mask = info->bits == 4 ? 0x0f0f0f0f0f0f0f0full : ~0ull;
    for (int64_t k = 0; k < matrix->k; k += 8) {
        const uint64_t bits = rng_next(&rng) & mask;
        memcpy(row->code + k, &bits, 8);
    }
    for (int64_t g = 0; g < matrix->k / matrix->weight.group; g++) {
        const uint64_t bits = rng_next(&rng);
        const float scale =
            size * (0.5f + (float)(bits >> 40) * 0x1p-24f) / (float)(1 << info->bits);
        row->scale[g] = half_from_float(scale);
        if (info->form == FORM_ZERO) row->zero[g] = 5 + (bits & 7);
        if (info->form == FORM_OFFSET)
            row->offset[g] = half_from_float(-scale * (6.5f + 2 * signed_unit(bits << 8 >> 16)));
    }
}

static struct matrix random_matrix(const struct problem *p, const struct random_weights *random) {
    return (struct matrix){matmul_weight(p), p->value[F_M], p->value[F_K], random_row, random};
}

/* Every 61st column is 16 times larger, as in the activations of real models. */
static void fill_row(float *x, int64_t k, struct rng *rng) {
    for (int64_t i = 0; i < k; i++)
        x[i] = signed_unit(rng_next(rng) >> 16) * (i % 61 == 7 ? 16.0f : 1.0f);
}

static struct rng x_rng(uint64_t seed) {
    return rng_seed(seed ^ 0x5851f42d4c957f2dull);
}

static enum status fill(const struct problem *p, uint64_t seed, struct check_case *c,
                        struct error *err) {
    const struct random_weights random = {seed};
    const struct matrix matrix = random_matrix(p, &random);
    enum status st = layout_pack(p->layout, &matrix, c->host[O_W], err);
    if (st != OK) return st;
    const struct weight w = matmul_weight(p);
    const int64_t k = p->value[F_K];
    float *row = malloc(k * sizeof *row);
    if (!row)
        return fail(err, STATUS_NOMEM, "filling X: no memory for a row of %lld values",
                    (long long)k);
    struct rng rng = x_rng(seed);
    for (int64_t n = 0; n < p->value[F_N]; n++) {
        fill_row(row, k, &rng);
        unsigned char *to = c->host[O_X] + n * x_row_bytes(p);
        if (p->class == CLASS_I8) activation_quantise(row, k, w.group, to);
        else memcpy(to, row, k * sizeof *row);
    }
    free(row);
    for (size_t i = 0; i < r_bytes(p) / sizeof(float); i++)
        ((float *)c->host[O_R])[i] = 8 * signed_unit(rng_next(&rng) >> 16);
    return OK;
}

/* ---- reference ---- */

/* What an element should be, and the sum of its terms' sizes, which its error is measured by. */
struct element {
    double value, magnitude;
};
/* For all tokens: [rows][N]. */
struct rows {
    struct element *elements; /* NULL: not kept */
    bool are_there;
};
/* Kept with the case: X as the class sees it, and the others once they were asked for and when there is
 * room. Nothing of it depends on the layout or on what a kernel wrote. */
struct reference {
    double *x; /* [N][K] */
    struct rows all, sampled, projected;
    float *sign; /* [projections][M]: r[m], 1 or −1 */
};

static void reference_close(void *p) {
    struct reference *r = p;
    if (!r) return;
    free(r->x);
    free(r->all.elements);
    free(r->sampled.elements);
    free(r->projected.elements);
    free(r->sign);
    free(r);
}

static int n_projections(const struct problem *p) {
    const int64_t n = p->value[F_N], each = (PROJECTIONS_ALL + n - 1) / n;
    return each > PROJECTIONS_LEAST ? (int)each : PROJECTIONS_LEAST;
}

static float sign_of(int projection, int64_t m) {
    uint64_t h = (uint64_t)m * 0x9e3779b97f4a7c15ull + (uint64_t)projection * 0xd1342543de82ef95ull;
    h ^= h >> 29;
    h *= 0xbf58476d1ce4e5b9ull;
    return (h >> 40) & 1 ? 1 : -1;
}

static enum status widen_x(const struct problem *p, struct check_case *c, struct reference *r,
                           struct error *err) {
    const int64_t n = p->value[F_N], k = p->value[F_K];
    r->x = malloc(n * k * sizeof *r->x);
    if (!r->x) return fail(err, STATUS_NOMEM, "reference of matmul: no memory for X in fp64");
    for (int64_t i = 0; i < n; i++)
        activation_dequantise(p->class, c->host[O_X] + i * x_row_bytes(p), k,
                              matmul_weight(p).group, r->x + i * k);
    return OK;
}

/* W's part of the projections. */
struct projected_w {
    double *signed_sum;   /* [projections][K]: Σ r[m]·W[m][k] */
    double *absolute_sum; /* [K]: Σ |W[m][k]| */
};

/* One pass over W for all projections; *out holds zeros. */
static enum status project_w(const struct problem *p, const struct check_case *c, const float *sign,
                             struct projected_w *out, struct error *err) {
    const int64_t k = p->value[F_K], m_all = p->value[F_M];
    struct weight_row row;
    enum status st = weight_row_open(matmul_weight(p), k, &row, err);
    if (st != OK) return st;
    float *w = malloc(k * sizeof *w);
    if (!w) {
        st = fail(err, STATUS_NOMEM, "reference of matmul: no memory for a row of W");
        goto done;
    }
    const struct random_weights random = {c->seed};
    const struct matrix matrix = random_matrix(p, &random);
    for (int64_t m = 0; m < m_all; m++) {
        matrix.read(&matrix, m, &row);
        weight_row_to_float(matrix.weight, k, &row, w);
        for (int64_t i = 0; i < k; i++) out->absolute_sum[i] += fabs(w[i]);
        for (int j = 0; j < n_projections(p); j++) {
            const double r = sign[j * m_all + m];
            double *sum = out->signed_sum + j * k;
            for (int64_t i = 0; i < k; i++) sum[i] += r * w[i];
        }
    }
done:
    free(w);
    weight_row_close(&row);
    return st;
}

/* w = s·(q − z) or s·q + o in fp64: fp32 would round what the gate measures. */
static void row_to_double(struct weight weight, int64_t k, const struct weight_row *row,
                          double *out) {
    const struct weight_kind_info *info = &weight_kinds[weight.kind];
    for (int64_t i = 0; i < k; i++) {
        if (info->form == FORM_PLAIN) {
            out[i] = row->value[i];
            continue;
        }
        const int64_t g = i / weight.group;
        const double s = half_to_float(row->scale[g]), q = row->code[i];
        if (info->form == FORM_OFFSET) out[i] = s * q + half_to_float(row->offset[g]);
        else out[i] = s * (q - (info->form == FORM_ZERO ? row->zero[g] : info->zero));
    }
}

static double epilogue(const struct problem *p, const struct check_case *c, int64_t m, int64_t n) {
    const float *r = (const float *)c->host[O_R];
    if (p->value[F_E] == E_BIAS) return r[m];
    if (p->value[F_E] == E_RESIDUAL) return r[n * p->value[F_M] + m];
    return 0;
}

/* Rows that share a pass over X, which is larger than the nearest caches, and sums side by side in each: one
 * alone waits for each of its additions. */
enum { BLOCK = 4, LANES = 2 };
typedef double lanes __attribute__((vector_size(LANES * sizeof(double))));
typedef int64_t lane_bits __attribute__((vector_size(LANES * sizeof(int64_t))));

static lanes load(const double *from) {
    lanes value;
    memcpy(&value, from, sizeof value);
    return value;
}

static lanes load_floats(const float *from) {
    return (lanes){from[0], from[1]};
}

/* Σ w·x and Σ |w·x| for BLOCK rows of w, k apart; k is even or the last value stands alone. */
static void products(const double *w, const double *x, int64_t k, struct element out[BLOCK]) {
    const lane_bits without_sign = {INT64_MAX, INT64_MAX};
    lanes sum[BLOCK] = {0}, size[BLOCK] = {0};
    int64_t i = 0;
    for (; i + LANES <= k; i += LANES) {
        const lanes at = load(x + i);
#pragma GCC unroll 4
        for (int b = 0; b < BLOCK; b++) {
            const lanes product = load(w + b * k + i) * at;
            sum[b] += product;
            size[b] += (lanes)((lane_bits)product & without_sign);
        }
    }
    for (int b = 0; b < BLOCK; b++) {
        const double last = i < k ? w[b * k + i] * x[i] : 0;
        out[b] =
            (struct element){sum[b][0] + sum[b][1] + last, size[b][0] + size[b][1] + fabs(last)};
    }
}

static double dot(const double *a, const double *b, int64_t k) {
    double sum = 0;
    for (int64_t i = 0; i < k; i++) sum += a[i] * b[i];
    return sum;
}

/* Σ a·b, in which no product of two floats is rounded; sums side by side, as in `products`. */
static double dot_floats(const float *a, const float *b, int64_t n) {
    lanes sum[BLOCK] = {0};
    double last = 0;
    int64_t i = 0;
    for (; i + BLOCK * LANES <= n; i += BLOCK * LANES) {
#pragma GCC unroll 4
        for (int s = 0; s < BLOCK; s++)
            sum[s] += load_floats(a + i + s * LANES) * load_floats(b + i + s * LANES);
    }
    for (; i < n; i++) last += (double)a[i] * b[i];
    const lanes all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    return all[0] + all[1] + last;
}

static void judge_row(const struct problem *p, const struct check_case *c,
                      const struct element *row, int64_t m, struct verdict *verdict) {
    const int64_t ldc = row_stride(p);
    const float *y = (const float *)c->host[O_C];
    for (int64_t n = 0; n < p->value[F_N]; n++)
        verdict_element(verdict, p->class, p->value[F_K], y[n * ldc + m], row[n].value,
                        row[n].magnitude, m, n);
}

/* Room for so many rows? Without it they are made again each time. */
static bool has_room(const struct problem *p, struct rows *rows, int64_t n_rows) {
    const size_t bytes = (size_t)n_rows * (size_t)p->value[F_N] * sizeof *rows->elements;
    if (!rows->elements && bytes <= KEPT_BYTES) rows->elements = malloc(bytes);
    return rows->elements;
}

/* Rows of W: all, or the first, the last and some between; judged, or kept to be judged. */
struct rows_task {
    const struct problem *p;
    const struct check_case *c;
    const double *x; /* [N][K] */
    bool all;
    struct element *kept;    /* [rows][N]; NULL: judged */
    struct verdict *verdict; /* NULL: kept */
};

static int64_t row_number(const struct rows_task *t, int64_t i) {
    return t->all ? i : i * (t->p->value[F_M] - 1) / (SAMPLED_ROWS - 1);
}

/* Rows i, i + 1 … of the task (at most BLOCK, in w) for all tokens: elements [BLOCK][N]. */
static void multiply_block(const struct rows_task *t, const double *w, int64_t i, int n_rows,
                           struct element *elements) {
    const int64_t n_all = t->p->value[F_N], k = t->p->value[F_K];
    struct element out[BLOCK];
    for (int64_t n = 0; n < n_all; n++) {
        products(w, t->x + n * k, k, out);
        for (int b = 0; b < n_rows; b++) {
            const double extra = epilogue(t->p, t->c, row_number(t, i + b), n);
            elements[b * n_all + n] =
                (struct element){out[b].value + extra, out[b].magnitude + fabs(extra)};
        }
    }
}

static enum status do_rows(void *context, int64_t first, int64_t last, struct error *err) {
    const struct rows_task *t = context;
    const int64_t n = t->p->value[F_N], k = t->p->value[F_K];
    struct weight_row row;
    enum status st = weight_row_open(matmul_weight(t->p), k, &row, err);
    if (st != OK) return st;
    double *w = calloc(BLOCK * k, sizeof *w);
    struct element *spare = malloc(BLOCK * n * sizeof *spare);
    if (!w || !spare) {
        st = fail(err, STATUS_NOMEM, "reference of matmul: no memory for rows of W and of C");
        goto done;
    }
    const struct random_weights random = {t->c->seed};
    const struct matrix matrix = random_matrix(t->p, &random);
    for (int64_t i = first; i < last; i += BLOCK) {
        const int n_rows = last - i < BLOCK ? (int)(last - i) : BLOCK;
        struct element *elements = t->kept ? t->kept + i * n : spare;
        for (int b = 0; b < n_rows; b++) {
            matrix.read(&matrix, row_number(t, i + b), &row);
            row_to_double(matrix.weight, k, &row, w + b * k);
        }
        multiply_block(t, w, i, n_rows, elements);
        for (int b = 0; !t->kept && b < n_rows; b++)
            judge_row(t->p, t->c, elements + b * n, row_number(t, i + b), t->verdict);
    }
done:
    free(w);
    free(spare);
    weight_row_close(&row);
    return st;
}

static enum status judge_rows(const struct problem *p, struct check_case *c, struct reference *r,
                              bool all, struct verdict *verdict, struct error *err) {
    const int64_t n_rows = all ? p->value[F_M] : SAMPLED_ROWS;
    struct rows *rows = all ? &r->all : &r->sampled;
    struct rows_task task = {p, c, r->x, all, NULL, verdict};
    if (!has_room(p, rows, n_rows)) return do_rows(&task, 0, n_rows, err);
    task.kept = rows->elements;
    const enum status st = rows->are_there ? OK : parallel_for(n_rows, do_rows, &task, err);
    rows->are_there = st == OK;
    for (int64_t i = 0; st == OK && i < n_rows; i++)
        judge_row(p, c, rows->elements + i * p->value[F_N], row_number(&task, i), verdict);
    return st;
}

/* Between the rows of a strided C lies what is others': it must be the poison that check put there. */
static void judge_gaps(const struct problem *p, const struct check_case *c,
                       struct verdict *verdict) {
    const int64_t m_all = p->value[F_M], ldc = p->value[F_LDC];
    const float *y = (const float *)c->host[O_C];
    for (int64_t n = 0; n < p->value[F_N]; n++)
        for (int64_t m = m_all; m < ldc; m++)
            if (!isnan(y[n * ldc + m]))
                verdict_fail(verdict,
                             "the kernel wrote %.9g into the gap behind the row of token %lld",
                             y[n * ldc + m], (long long)n);
}

/* What the projections of token n should be. The bound of one: M errors of random sign, each within the
 * element's bound, add up like √M, that is to bound(mean magnitude)·√M = bound(Σ magnitude / √M). */
static void expect_token(const struct problem *p, const struct check_case *c,
                         const struct projected_w *w, int64_t n, struct reference *r) {
    const int64_t m_all = p->value[F_M], k = p->value[F_K];
    const double *x = r->x + n * k;
    double magnitude = 0;
    for (int64_t i = 0; i < k; i++) magnitude += w->absolute_sum[i] * fabs(x[i]);
    for (int64_t m = 0; m < m_all; m++) magnitude += fabs(epilogue(p, c, m, n));
    for (int j = 0; j < n_projections(p); j++) {
        const float *sign = r->sign + j * m_all;
        double value = dot(w->signed_sum + j * k, x, k);
        for (int64_t m = 0; m < m_all; m++) value += sign[m] * epilogue(p, c, m, n);
        r->projected.elements[j * p->value[F_N] + n] =
            (struct element){value, magnitude / sqrt((double)m_all)};
    }
}

static enum status expect_projections(const struct problem *p, const struct check_case *c,
                                      struct reference *r, struct error *err) {
    const int64_t m_all = p->value[F_M], k = p->value[F_K];
    const int n = n_projections(p);
    struct projected_w w = {calloc(n * k, sizeof(double)), calloc(k, sizeof(double))};
    enum status st;
    if (!r->sign) r->sign = malloc(n * m_all * sizeof *r->sign);
    if (!w.signed_sum || !w.absolute_sum || !r->sign || !has_room(p, &r->projected, n)) {
        st = fail(err, STATUS_NOMEM, "reference of matmul: no memory for the projections of W");
        goto done;
    }
    for (int j = 0; j < n; j++)
        for (int64_t m = 0; m < m_all; m++) r->sign[j * m_all + m] = sign_of(j, m);
    st = project_w(p, c, r->sign, &w, err);
    for (int64_t i = 0; st == OK && i < p->value[F_N]; i++) expect_token(p, c, &w, i, r);
    r->projected.are_there = st == OK;
done:
    free(w.signed_sum);
    free(w.absolute_sum);
    return st;
}

/* What C gives. */
struct sums_task {
    const struct problem *p;
    const float *y, *sign;
    double *energy;    /* [N]: Σ C[n][m]² */
    double *projected; /* [projections][N] */
};

static enum status sum_tokens(void *context, int64_t first, int64_t last, struct error *err) {
    (void)err;
    const struct sums_task *t = context;
    const int64_t n_all = t->p->value[F_N], m_all = t->p->value[F_M];
    for (int64_t n = first; n < last; n++) {
        const float *y = t->y + n * row_stride(t->p);
        t->energy[n] = dot_floats(y, y, m_all);
        for (int j = 0; j < n_projections(t->p); j++)
            t->projected[j * n_all + n] = dot_floats(t->sign + j * m_all, y, m_all);
    }
    return OK;
}

static enum status judge_projections(const struct problem *p, const struct check_case *c,
                                     const struct reference *r, struct verdict *verdict,
                                     struct error *err) {
    const int64_t n_all = p->value[F_N];
    const int n_each = n_projections(p);
    double *sums = malloc(n_all * (1 + n_each) * sizeof *sums);
    if (!sums) return fail(err, STATUS_NOMEM, "judging matmul: no memory for the projections of C");
    struct sums_task task = {p, (const float *)c->host[O_C], r->sign, sums, sums + n_all};
    const enum status st = n_all * p->value[F_M] < THREADS_PAY
                               ? sum_tokens(&task, 0, n_all, err)
                               : parallel_for(n_all, sum_tokens, &task, err);
    for (int64_t n = 0; st == OK && n < n_all; n++)
        for (int j = 0; j < n_each; j++) {
            const struct element *expected = &r->projected.elements[j * n_all + n];
            verdict_projection(verdict, p->class, p->value[F_K], task.projected[j * n_all + n],
                               expected->value, expected->magnitude, task.energy[n], j, n);
        }
    free(sums);
    return st;
}

static enum status judge(const struct problem *p, struct check_case *c, bool whole,
                         struct verdict *verdict, struct error *err) {
    enum status st = OK;
    struct reference *r = c->reference;
    if (!r) {
        r = calloc(1, sizeof *r);
        if (!r) return fail(err, STATUS_NOMEM, "reference of matmul: out of memory");
        c->reference = r;
        c->reference_close = reference_close;
        if ((st = widen_x(p, c, r, err)) != OK) return st;
    }
    const double products = (double)p->value[F_M] * p->value[F_N] * p->value[F_K];
    const bool all = whole || r->all.are_there || products <= WHOLE_IS_CHEAP ||
                     p->value[F_M] <= SAMPLED_ROWS ||
                     (products <= KEPT_IS_CHEAP && has_room(p, &r->all, p->value[F_M]));
    if ((st = judge_rows(p, c, r, all, verdict, err)) != OK) return st;
    if (!all) {
        if (!r->projected.are_there && (st = expect_projections(p, c, r, err)) != OK) return st;
        if ((st = judge_projections(p, c, r, verdict, err)) != OK) return st;
    }
    judge_gaps(p, c, verdict);
    verdict_finish(verdict, p->class);
    return OK;
}

/* ---- the class's own error ---- */

enum { ERROR_ROWS = 64, ERROR_TOKENS = 16 };

/* Some tokens of X, and what class i8's rounding adds to them. */
struct rounding {
    int64_t n;
    double *x, *error; /* [n][K] */
};

static bool rounding_open(const struct problem *p, uint64_t seed, struct rounding *r) {
    const int64_t k = p->value[F_K];
    const int group = matmul_weight(p).group;
    r->n = p->value[F_N] < ERROR_TOKENS ? p->value[F_N] : ERROR_TOKENS;
    r->x = malloc(2 * r->n * k * sizeof *r->x);
    r->error = r->x + r->n * k;
    float *row = malloc(k * sizeof *row);
    void *block = malloc(x_row_bytes(p));
    const bool enough = r->x && row && block;
    struct rng rng = x_rng(seed);
    for (int64_t n = 0; enough && n < r->n; n++) {
        double *x = r->x + n * k, *error = r->error + n * k;
        fill_row(row, k, &rng);
        activation_quantise(row, k, group, block);
        activation_dequantise(p->class, block, k, group, error);
        for (int64_t i = 0; i < k; i++) {
            x[i] = row[i];
            error[i] -= row[i];
        }
    }
    free(row);
    free(block);
    return enough;
}

/* Σ (W·(x̃ − x))² / Σ (W·x)² over some rows and tokens, x̃ what class i8 makes of x. */
static double class_error(const struct problem *p, uint64_t seed) {
    const int64_t k = p->value[F_K], m_all = p->value[F_M];
    const int64_t n_rows = m_all < ERROR_ROWS ? m_all : ERROR_ROWS;
    const struct random_weights random = {seed};
    const struct matrix matrix = random_matrix(p, &random);
    struct rounding r;
    struct weight_row row = {0};
    double sum_error = 0, sum = 0;
    double *w = malloc(k * sizeof *w);
    const bool enough =
        rounding_open(p, seed, &r) && w && weight_row_open(matrix.weight, k, &row, NULL) == OK;
    for (int64_t i = 0; enough && i < n_rows; i++) {
        matrix.read(&matrix, i * m_all / n_rows, &row);
        row_to_double(matrix.weight, k, &row, w);
        for (int64_t n = 0; n < r.n; n++) {
            sum_error += pow(dot(w, r.error + n * k, k), 2);
            sum += pow(dot(w, r.x + n * k, k), 2);
        }
    }
    weight_row_close(&row);
    free(r.x);
    free(w);
    return enough ? sum_error / sum : NAN;
}

/* ---- the family ---- */

static const struct variant *const variants[] = {&matmul_gemv, &matmul_tiled, &matmul_skinny,
                                                 &matmul_rowdot, NULL};

/* Ragged in every dimension, down to one element and up to a vocabulary; K = 576 and 1536; M = 172; the
 * epilogues. Long ones (M, K, N in turn, the others small) let every value of every parameter be chosen. */
static const char *const examples[] = {"m=172,k=64,n=1,w=f32",
                                       "m=172,k=576,n=5,w=f32",
                                       "m=100,k=172,n=37,w=f32",
                                       "m=1,k=1,n=1,w=f32",
                                       "m=2309,k=64,n=3,w=f32",
                                       "m=33,k=2304,n=9,w=f32",
                                       "m=65,k=64,n=401,w=f32",
                                       "m=65,k=96,n=6,w=f16",
                                       "m=2,k=7,n=2,w=f16",
                                       "m=20,k=128,n=5,w=q4:128",
                                       "m=172,k=256,n=1,w=q4:128",
                                       "m=100,k=1536,n=7,w=q4:128",
                                       "m=49,k=256,n=33,w=q4:32",
                                       "m=40,k=128,n=130,w=q4:32",
                                       "m=17,k=64,n=6,w=q4_1:32",
                                       "m=172,k=576,n=1,w=q4_1:32",
                                       "m=65,k=1536,n=20,w=q4_1:32",
                                       "m=49152,k=32,n=2,w=q4_1:32",
                                       "m=172,k=576,n=5,w=q4_0:32",
                                       "m=172,k=576,n=1,w=q8:32",
                                       "m=131,k=96,n=13,w=q8:32",
                                       "m=65,k=96,n=6,w=f32,e=bias",
                                       "m=65,k=96,n=1,w=q4_1:32,e=residual",
                                       "m=65,k=96,n=9,w=q8:32,e=residual",
                                       NULL};

const struct family matmul_family = {
    .name = "matmul",
    .summary = "C[M,N] = W[M,K] · X[K,N]",
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .operands = operands,
    .n_operands = sizeof operands / sizeof *operands,
    .variants = variants,
    .cost = cost,
    .fill = fill,
    .judge = judge,
    .examples = examples,
    .class_error = class_error,
};
