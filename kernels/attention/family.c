/* attention: every row's heads look at the slots of its sequence up to its position.
 *
 *     for (r < N) for (h < heads) {
 *         q = Q[r][h];  g = h / (heads / kvh);                       (rope=1: q turned by the position)
 *         for (slot i in the row's blocks with 0 <= stored[i] <= position of r)
 *             s[i] = q · K[i][g] / √d;
 *         p = softmax(s);
 *         O[r][h] = Σ over i of p[i] · V[i][g];
 *     }
 *
 * rope=0: QKV holds Q rotated, rope_kv has written the pool. rope=1: QKV is as the multiplication left
 * it, and this family turns K and writes K and V of all rows to their slots before anything is read.
 * QKV itself stays as it is. In both cases the host has marked the rows' own slots in stored; a sequence
 * keeps a position once, and a row's slot lies in a block of its own table, so that it sees itself. A
 * slot that a row does not see may hold anything, NaN included.
 *
 * ---- the gate ----
 *
 * Write m_i = |s_i − max s|, A_i = Σ|q·k_i|/√d, L = the number of slots seen, u = 2⁻²⁴. What fp32 does to
 * o = Σ p_i·v_i, p_i = e_i / Σe, to first order, as terms of the gate 4·√terms·u·magnitude (check.c):
 *
 *   sums     Σ e_i·v_i and Σ e_i have L terms each, and some eight single roundings (division, rescaling
 *            of a running sum) follow: √(L + 8) · (Σ p_i·|v_i| + |o|).
 *   scores   s_i off by δ_i moves o by p_i·δ_i·(v_i − o). The rounding errors of the inner products are
 *            independent over i: each is a gate of its own with √d · A_i, to which the argument of exp adds
 *            the rounding of the difference, m_i, and exp its 3 ulp, 2 (of 4u). Independent errors add as
 *            squares: √Σ (p_i · (√d·A_i + m_i + 2) · |v_i − o|)².
 *   common   Errors of q are shared by all i and add linearly. A component of q is rounded three times (two
 *            in the rotation, once by the scale): √3 · B_i, B_i = √Σ(|q|·k_i)²/√d, where |q| is the sum of
 *            the absolute products of the rotation; the factor 1/√d itself is within 4 ulp: 2·|s_i|; and
 *            exp of a changed maximum is shared by all slots before it, three times 3 ulp: 4.
 *            Σ p_i · (√3·B_i + 2·|s_i| + 4) · |v_i − o|.
 *
 *   flushed  An e_i or a product below 2⁻¹²⁵ may become 0: Σ (1 + |v_i|)·2⁻¹²⁵ / 4u.
 *
 * The sum of the four is the magnitude, with terms = 1. K and V are the pool's after the run, so that they
 * are rounded as the kernel rounded them; with rope=1 that they were written rightly is judged on its own. */
#include "kernels/attention/attention.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { O_QKV, O_K, O_V, O_TABLE, O_ROWS, O_STORED, O_ROTARY, O_O };
enum { ROW_SLOT, ROW_POSITION, ROW_TABLE, ROW_BLOCKS, ROW_INTS };

static const struct field fields[] = {
    [F_HEADS] = {"heads", "heads of Q", FIELD_SIZE, USE_DEFINE, 1, 1024, -1, NULL},
    [F_KVH] = {"kvh", "heads of K and V", FIELD_SIZE, USE_DEFINE, 1, 1024, -1, NULL},
    [F_D] = {"d", "components of a head", FIELD_SIZE, USE_DEFINE, 2, HEAD_MOST, -1, NULL},
    [F_N] = {"n", "rows", FIELD_SIZE, USE_ARGUMENT, 1, 1 << 20, 1, NULL},
    [F_L] = {"l", "KV length that the problem stands for", FIELD_SIZE, 0, 1, 1 << 24, -1, NULL},
    [F_KV] = {"kv", "type of the pool", FIELD_CHOICE, USE_DEFINE, 0, 1, 0, "f16,f32"},
    [F_ROPE] = {"rope", "1: rotates and writes K and V itself", FIELD_SIZE, USE_DEFINE, 0, 1, 0,
                NULL},
};

static struct pool pool_of(const struct problem *p) {
    return (struct pool){p->value[F_KVH], p->value[F_D], p->value[F_KV] == 1};
}

/* ---- operands ---- */

static int64_t row_floats(const struct problem *p) {
    return (p->value[F_HEADS] + 2 * p->value[F_KVH]) * p->value[F_D];
}

static size_t qkv_bytes(const struct problem *p) {
    return (size_t)(p->value[F_N] * row_floats(p)) * sizeof(float);
}

static size_t kv_bytes(const struct problem *p) {
    return pool_bytes(pool_of(p), attention_blocks(p));
}

static size_t table_bytes(const struct problem *p) {
    return (size_t)attention_table_size(p) * sizeof(int32_t);
}

static size_t batch_bytes(const struct problem *p) {
    return (size_t)p->value[F_N] * ROW_INTS * sizeof(int32_t);
}

static size_t stored_bytes(const struct problem *p) {
    return (size_t)attention_blocks(p) * POOL_BLOCK * sizeof(int32_t);
}

static size_t rotary_bytes(const struct problem *p) {
    return p->value[F_ROPE] ? (size_t)(p->value[F_L] * p->value[F_D]) * sizeof(float) : 0;
}

static size_t o_bytes(const struct problem *p) {
    return (size_t)(p->value[F_N] * p->value[F_HEADS] * p->value[F_D]) * sizeof(float);
}

static const struct operand operands[] = {
    [O_QKV] = {"QKV", "[N][(heads + 2 kvh) d] f32", OPERAND_INOUT, qkv_bytes},
    [O_K] = {"Kpool", "[block][kvh][d][32] f16 or f32", OPERAND_INOUT, kv_bytes},
    [O_V] = {"Vpool", "[block][kvh][32][d] f16 or f32", OPERAND_INOUT, kv_bytes},
    [O_TABLE] = {"table", "[T] int32: physical blocks", OPERAND_IN, table_bytes},
    [O_ROWS] = {"rows", "[N][4] int32: slot, position, table offset, blocks", OPERAND_IN,
                batch_bytes},
    [O_STORED] = {"stored", "[slots] int32: position kept, or -1", OPERAND_IN, stored_bytes},
    [O_ROTARY] = {"rotary", "[positions][d/2][2] f32: cos, sin (rope=1)", OPERAND_IN, rotary_bytes},
    [O_O] = {"O", "[N][heads d] f32", OPERAND_OUT, o_bytes},
};

/* Positions 0 … last of the part that are kept. */
static int64_t seen_until(const struct part *part, int64_t last) {
    int64_t n = 0;
    for (int64_t position = 0; position <= last; position++)
        n += !attention_is_hole(part, position);
    return n;
}

/* K and V that the rows see, once a sequence; Q, and O; with rope=1 also K and V of the rows, read and
 * written. QK and PV are two operations a component. */
static void cost(const struct problem *p, struct cost *out) {
    const int64_t n_parts = attention_parts(p);
    double kept = 0, seen = 0;
    for (int64_t i = 0; i < n_parts; i++) {
        const struct part part = attention_part(p, i);
        const int64_t first = seen_until(&part, part.position);
        kept += (double)(first + part.rows - 1);
        for (int64_t row = 0; row < part.rows; row++) seen += (double)(first + row);
    }
    const double n = (double)p->value[F_N], d = (double)p->value[F_D];
    const double kv_row = 2 * (double)p->value[F_KVH] * d, q_row = (double)p->value[F_HEADS] * d;
    const double element = p->value[F_KV] == 1 ? 4 : 2;
    *out = (struct cost){
        .bytes = kept * kv_row * element + 2 * n * q_row * sizeof(float) +
                 (double)p->value[F_ROPE] * n * kv_row * (element + sizeof(float)),
        .operations = 4 * seen * q_row,
    };
}

/* ---- inputs ---- */

/* Inputs under construction. */
struct filling {
    const struct problem *p;
    struct check_case *c;
    struct pool pool;
    struct rng rng;
};

static int64_t slot_of(const struct check_case *c, const struct part *part, int64_t position) {
    const int64_t place = position % POOL_BLOCK, block = position / POOL_BLOCK;
    const int32_t *table = (const int32_t *)c->host[O_TABLE];
    return (int64_t)table[part->table + block] * POOL_BLOCK +
           (part->kind == PART_HOLEY ? (5 * place + 3) % POOL_BLOCK : place);
}

/* One component in 61 of K is 4 times larger, and 16 times of V. */
static float random_key(struct rng *rng, int64_t i) {
    return rows_random(rng) * (i % 61 == 7 ? 4.0f : 1.0f);
}

/* V of position 0 is so small that its halves are subnormal, which devices may flush where floats are. */
static void fill_slot(struct filling *f, int64_t slot, int64_t position) {
    const float size = position == 0 ? 0x1p-12f : 1;
    float v[HEAD_MOST];
    for (int64_t head = 0; head < f->pool.kvh; head++) {
        rows_fill(v, f->pool.d, &f->rng);
        for (int64_t i = 0; i < f->pool.d; i++) {
            pool_set(f->pool, f->c->host[O_K], pool_key_at(f->pool, slot, head, i),
                     random_key(&f->rng, i));
            pool_set(f->pool, f->c->host[O_V], pool_value_at(f->pool, slot, head, i), size * v[i]);
        }
    }
}

/* The slots of a part: kept positions marked, and filled where a row reads what is not written by it or
 * by another row. What comes after the last row is kept, but poison. */
static void fill_part(struct filling *f, const struct part *part) {
    int32_t *stored = (int32_t *)f->c->host[O_STORED];
    for (int64_t position = 0; position < part->length; position++) {
        if (attention_is_hole(part, position)) continue;
        const int64_t slot = slot_of(f->c, part, position), row = position - part->position;
        stored[slot] = (int32_t)position;
        if (row < 0 || (row < part->rows && !f->p->value[F_ROPE])) fill_slot(f, slot, position);
    }
}

/* Head 0 of the row looks hard at position 0: a score of 120, whose exp is no float. Few components make
 * others look the same, and then the answer hangs on the last bits. */
static void aim(struct filling *f, const struct part *part, int64_t position, float *q) {
    enum { FEWEST = 32 };
    const struct pool pool = f->pool;
    const int64_t half = pool.d / 2, slot = slot_of(f->c, part, 0);
    double square = 0;
    if (pool.d < FEWEST || part->position == 0 || attention_is_hole(part, 0)) return;
    for (int64_t i = 0; i < pool.d; i++) {
        q[i] = (float)pool_get(pool, f->c->host[O_K], pool_key_at(pool, slot, 0, i));
        square += (double)q[i] * q[i];
    }
    const double scale = 120 * sqrt((double)pool.d) / square;
    for (int64_t i = 0; i < pool.d; i++) q[i] *= (float)scale;
    if (!f->p->value[F_ROPE]) return;
    const float *rotary = (const float *)f->c->host[O_ROTARY] + position * pool.d;
    for (int64_t i = 0; i < half; i++) { /* turned back */
        const float a = q[i], b = q[i + half], c = rotary[2 * i], s = rotary[2 * i + 1];
        q[i] = a * c + b * s;
        q[i + half] = b * c - a * s;
    }
}

/* A row of QKV. With rope=0 nobody may look at its K and V. Q is small enough for scores of one digit: the
 * last bits of a larger one weigh too much in the gate as a whole, which is made for sums. */
static void fill_row(struct filling *f, const struct part *part, int64_t position, float *x) {
    const int64_t d = f->pool.d, heads = f->p->value[F_HEADS], kvh = f->pool.kvh;
    for (int64_t i = 0; i < heads * d; i++) x[i] = 2 * rows_random(&f->rng);
    if (heads > 1) aim(f, part, position, x);
    float *k = x + heads * d, *v = k + kvh * d;
    for (int64_t i = 0; i < kvh * d; i++) k[i] = random_key(&f->rng, i % d);
    for (int64_t head = 0; head < kvh; head++) rows_fill(v + head * d, d, &f->rng);
    for (int64_t i = 0; !f->p->value[F_ROPE] && i < 2 * kvh * d; i++) k[i] = NAN;
}

/* The table: blocks of the pool in random order. */
static enum status fill_table(struct filling *f, struct error *err) {
    const int64_t n = attention_blocks(f->p);
    int *block = malloc((size_t)n * sizeof *block);
    if (!block) return fail(err, STATUS_NOMEM, "inputs of attention: no memory for a table");
    for (int64_t i = 0; i < n; i++) block[i] = (int)i;
    rng_shuffle(&f->rng, block, (size_t)n);
    int32_t *table = (int32_t *)f->c->host[O_TABLE];
    for (int64_t i = 0; i < attention_table_size(f->p); i++) table[i] = block[i];
    free(block);
    return OK;
}

/* All is poison and looks as if it were visible; then the blocks of sequences are emptied, and filled. */
static enum status fill(const struct problem *p, uint64_t seed, struct check_case *c,
                        struct error *err) {
    struct filling f = {p, c, pool_of(p), rng_seed(seed)};
    const int64_t slots = attention_blocks(p) * POOL_BLOCK;
    int32_t *stored = (int32_t *)c->host[O_STORED], *row = (int32_t *)c->host[O_ROWS];
    float *qkv = (float *)c->host[O_QKV];
    const enum status st = fill_table(&f, err);
    if (st != OK) return st;
    if (c->host[O_ROTARY])
        rotary_fill((float *)c->host[O_ROTARY], p->value[F_L], p->value[F_D], seed + 1);
    pool_poison(f.pool, c->host[O_K], attention_blocks(p));
    pool_poison(f.pool, c->host[O_V], attention_blocks(p));
    for (int64_t slot = 0; slot < slots; slot++) stored[slot] = (int32_t)(slot % POOL_BLOCK);
    for (int64_t i = 0; i < attention_parts(p); i++) {
        const struct part part = attention_part(p, i);
        for (int64_t at = 0; at < part.blocks * POOL_BLOCK; at++)
            stored[slot_of(c, &part, at)] = -1;
        fill_part(&f, &part);
        for (int64_t j = 0; j < part.rows; j++, row += ROW_INTS, qkv += row_floats(p)) {
            const int64_t position = part.position + j;
            row[ROW_SLOT] = (int32_t)slot_of(c, &part, position);
            row[ROW_POSITION] = (int32_t)position;
            row[ROW_TABLE] = (int32_t)part.table;
            row[ROW_BLOCKS] = (int32_t)(position / POOL_BLOCK + 1);
            fill_row(&f, &part, position, qkv);
        }
    }
    return OK;
}

/* ---- the reference ---- */

/* Rows of the reference as far as they were asked for, valid for K and V that the rows wrote. */
struct reference {
    bool *has_row;         /* [n] */
    double *o, *magnitude; /* [n][heads d] */
    double *own;           /* [n][kvh d]: K in the rows' slots; rope=1 */
    bool *is_own;          /* [slots] */
    /* what one row sees, for one head of K and V */
    int64_t *slot;                    /* [most] */
    double *k, *v;                    /* [most][d] */
    double *p, *independent, *common; /* [most] */
};

static void reference_close(void *memory) {
    struct reference *r = memory;
    if (!r) return;
    free(r->has_row);
    free(r->o);
    free(r->magnitude);
    free(r->own);
    free(r->is_own);
    free(r->slot);
    free(r->k);
    free(r->v);
    free(r->p);
    free(r->independent);
    free(r->common);
    free(r);
}

static enum status reference_open(const struct problem *p, struct reference **out,
                                  struct error *err) {
    const size_t n = (size_t)p->value[F_N], width = (size_t)(p->value[F_HEADS] * p->value[F_D]);
    const size_t most = (size_t)p->value[F_L] + POOL_BLOCK, d = (size_t)p->value[F_D];
    struct reference *r = calloc(1, sizeof *r);
    if (r) {
        r->has_row = calloc(n, sizeof *r->has_row);
        r->o = malloc(n * width * sizeof *r->o);
        r->magnitude = malloc(n * width * sizeof *r->magnitude);
        r->own = calloc(n * (size_t)p->value[F_KVH] * d, sizeof *r->own);
        r->is_own = calloc((size_t)attention_blocks(p) * POOL_BLOCK, sizeof *r->is_own);
        r->slot = malloc(most * sizeof *r->slot);
        r->k = malloc(most * d * sizeof *r->k);
        r->v = malloc(most * d * sizeof *r->v);
        r->p = malloc(most * sizeof *r->p);
        r->independent = malloc(most * sizeof *r->independent);
        r->common = malloc(most * sizeof *r->common);
    }
    if (r && r->has_row && r->o && r->magnitude && r->own && r->is_own && r->slot && r->k && r->v &&
        r->p && r->independent && r->common) {
        *out = r;
        return OK;
    }
    reference_close(r);
    return fail(err, STATUS_NOMEM, "reference of attention: no memory for %zu rows", n);
}

/* The slots that a row sees. Returns their number. */
static int64_t see(const struct check_case *c, const int32_t *row, int64_t *slot) {
    const int32_t *table = (const int32_t *)c->host[O_TABLE] + row[ROW_TABLE];
    const int32_t *stored = (const int32_t *)c->host[O_STORED];
    int64_t n = 0;
    for (int64_t b = 0; b < row[ROW_BLOCKS]; b++)
        for (int64_t i = 0; i < POOL_BLOCK; i++) {
            const int64_t at = (int64_t)table[b] * POOL_BLOCK + i;
            if (stored[at] >= 0 && stored[at] <= row[ROW_POSITION]) slot[n++] = at;
        }
    return n;
}

/* K and V of a head in n slots as doubles. */
static void gather(struct pool pool, const struct check_case *c, int64_t head, int64_t n,
                   struct reference *r) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < pool.d; j++) {
            r->k[i * pool.d + j] =
                pool_get(pool, c->host[O_K], pool_key_at(pool, r->slot[i], head, j));
            r->v[i * pool.d + j] =
                pool_get(pool, c->host[O_V], pool_value_at(pool, r->slot[i], head, j));
        }
}

/* p, and what the gate says about the errors of each score (see the top). */
static void weigh(struct reference *r, int64_t n, int64_t d, const double *q, const double *size) {
    const double scale = 1 / sqrt((double)d);
    double most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const double *k = r->k + i * d;
        double s = 0, absolute = 0, square = 0;
        for (int64_t j = 0; j < d; j++) {
            s += q[j] * k[j];
            absolute += fabs(q[j] * k[j]);
            square += size[j] * k[j] * size[j] * k[j];
        }
        r->p[i] = s * scale;
        r->independent[i] = sqrt((double)d) * absolute * scale + 2;
        r->common[i] = sqrt(3 * square) * scale + 2 * fabs(s * scale) + 4;
        most = fmax(most, r->p[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        r->independent[i] += most - r->p[i];
        r->p[i] = exp(r->p[i] - most);
        sum += r->p[i];
    }
    for (int64_t i = 0; i < n; i++) r->p[i] /= sum;
}

/* 2⁻¹²⁵ / 4u */
static const double FLUSHED = 0x1p-103;

/* One head: o and magnitude, [d]. */
static void attend(const struct reference *r, int64_t n, int64_t d, double *o, double *magnitude) {
    double absolute[HEAD_MOST] = {0}, independent[HEAD_MOST] = {0}, common[HEAD_MOST] = {0};
    double flushed[HEAD_MOST] = {0};
    for (int64_t j = 0; j < d; j++) o[j] = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < d; j++) {
            o[j] += r->p[i] * r->v[i * d + j];
            absolute[j] += r->p[i] * fabs(r->v[i * d + j]);
            flushed[j] += (1 + fabs(r->v[i * d + j])) * FLUSHED;
        }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < d; j++) {
            const double moves = r->p[i] * fabs(r->v[i * d + j] - o[j]);
            independent[j] += moves * r->independent[i] * moves * r->independent[i];
            common[j] += moves * r->common[i];
        }
    for (int64_t j = 0; j < d; j++)
        magnitude[j] = sqrt((double)n + 8) * (absolute[j] + fabs(o[j])) + sqrt(independent[j]) +
                       common[j] + flushed[j];
}

/* The (cos, sin) of a row's position; rope=1. */
static const float *rotary_of(const struct check_case *c, const int32_t *row, int64_t d) {
    return (const float *)c->host[O_ROTARY] + row[ROW_POSITION] * d;
}

/* All heads of a row. */
static void row_reference(const struct problem *p, const struct check_case *c, int64_t at,
                          struct reference *r) {
    const int64_t d = p->value[F_D], heads = p->value[F_HEADS], group = heads / p->value[F_KVH];
    const int32_t *row = (const int32_t *)c->host[O_ROWS] + at * ROW_INTS;
    const float *x = (const float *)c->before[O_QKV] + at * row_floats(p);
    const int64_t n = see(c, row, r->slot);
    double q[HEAD_MOST], size[HEAD_MOST];
    for (int64_t head = 0; head < heads; head++) {
        if (head % group == 0) gather(pool_of(p), c, head / group, n, r);
        for (int64_t j = 0; j < d; j++) size[j] = fabs(q[j] = x[head * d + j]);
        if (p->value[F_ROPE]) rotate(x + head * d, rotary_of(c, row, d), d, q, size);
        weigh(r, n, d, q, size);
        attend(r, n, d, r->o + (at * heads + head) * d, r->magnitude + (at * heads + head) * d);
    }
    r->has_row[at] = true;
}

/* ---- judge ---- */

/* K and V that the rows wrote, with a verdict of their own: they would hide O's errors in one sum. K is
 * kept, as it was rounded: when it differs from what the rows of the reference were made with, these are
 * forgotten. */
static void judge_own(const struct problem *p, const struct check_case *c, struct reference *r,
                      struct verdict *verdict) {
    const struct pool pool = pool_of(p);
    const int64_t d = pool.d, heads = p->value[F_HEADS], width = pool.kvh * d;
    bool is_same = true;
    for (int64_t at = 0; at < p->value[F_N]; at++) {
        const int32_t *row = (const int32_t *)c->host[O_ROWS] + at * ROW_INTS;
        const float *k = (const float *)c->before[O_QKV] + at * row_floats(p) + heads * d;
        const struct pool_row kept = {at, row[ROW_SLOT], k, k + width, rotary_of(c, row, d)};
        pool_judge_row(pool, &kept, c->host[O_K], c->host[O_V], verdict);
        r->is_own[kept.slot] = true;
        for (int64_t i = 0; i < width; i++) {
            double *own = r->own + at * width + i;
            const double now =
                pool_get(pool, c->host[O_K], pool_key_at(pool, kept.slot, i / d, i % d));
            is_same &= *own == now;
            *own = now;
        }
    }
    if (!is_same) memset(r->has_row, 0, (size_t)p->value[F_N] * sizeof *r->has_row);
    verdict_finish(verdict, CLASS_F32);
}

/* Nothing but the rows' slots changed, and these are right. */
static void judge_pool(const struct problem *p, const struct check_case *c, struct reference *r,
                       struct verdict *verdict) {
    struct verdict own = {0};
    if (p->value[F_ROPE]) judge_own(p, c, r, &own);
    verdict->judged += own.judged;
    verdict->worst = own.worst;
    if (own.failed[0]) verdict_fail(verdict, "K and V of the rows: %s", own.failed);
    for (int is_keys = 0; is_keys <= 1; is_keys++) {
        const int o = is_keys ? O_K : O_V;
        pool_judge_rest(pool_of(p), attention_blocks(p), r->is_own, c->host[o], c->before[o],
                        is_keys, verdict);
    }
}

static void judge_qkv(const struct check_case *c, struct verdict *verdict) {
    if (memcmp(c->before[O_QKV], c->host[O_QKV], c->bytes[O_QKV]) != 0)
        verdict_fail(verdict, "QKV changed");
}

/* Rows to judge: the reference of so many takes some 100 ms, of the whole some seconds (2048 tokens of 32 heads
 * would take minutes), or there are 4. */
static int64_t judged_rows(const struct problem *p, bool whole) {
    const double row = (double)(p->value[F_HEADS] * p->value[F_L]) * (double)p->value[F_D];
    const double most = whole ? 1.1e9 / row : fmin(3e7 / row, 64);
    return most < 4 ? 4 : (int64_t)fmin(most, (double)p->value[F_N]);
}

static enum status judge(const struct problem *p, struct check_case *c, bool whole,
                         struct verdict *verdict, struct error *err) {
    const int64_t n = p->value[F_N], width = p->value[F_HEADS] * p->value[F_D];
    const int64_t most = judged_rows(p, whole);
    struct reference *r = c->reference;
    if (!r) {
        const enum status st = reference_open(p, &r, err);
        if (st != OK) return st;
        c->reference = r;
        c->reference_close = reference_close;
    }
    judge_pool(p, c, r, verdict);
    judge_qkv(c, verdict);
    if (verdict->failed[0]) return OK; /* a reference from wrong K and V is good for nothing */
    for (int64_t i = 0; i < n && i < most; i++) {
        const int64_t at = rows_sample(n, most, i);
        if (!r->has_row[at]) row_reference(p, c, at, r);
        for (int64_t j = 0; j < width; j++)
            verdict_element(verdict, CLASS_F32, 1, ((const float *)c->host[O_O])[at * width + j],
                            r->o[at * width + j], r->magnitude[at * width + j], at, j);
    }
    verdict_finish(verdict, CLASS_F32);
    return OK;
}

/* ---- the family ---- */

static const struct variant *const variants[] = {&attention_flash, &attention_split,
                                                 &attention_naive, NULL};

/* Lengths around a block, groups of 1 … 8 heads, batches of one sequence and of several. */
static const char *const examples[] = {"heads=9,kvh=3,d=64,n=1,l=300",
                                       "heads=9,kvh=3,d=64,n=1,l=300,rope=1",
                                       "heads=9,kvh=3,d=64,n=17,l=77,rope=1",
                                       "heads=9,kvh=3,d=64,n=64,l=300",
                                       "heads=9,kvh=3,d=64,n=64,l=33,kv=f32,rope=1",
                                       "heads=8,kvh=4,d=8,n=1,l=1",
                                       "heads=8,kvh=4,d=8,n=1,l=1,rope=1",
                                       "heads=8,kvh=4,d=8,n=5,l=1,rope=1",
                                       "heads=8,kvh=4,d=8,n=2,l=31,kv=f32",
                                       "heads=8,kvh=4,d=8,n=17,l=32,rope=1",
                                       "heads=8,kvh=4,d=8,n=64,l=77,kv=f32,rope=1",
                                       "heads=32,kvh=32,d=128,n=1,l=77,rope=1",
                                       "heads=32,kvh=32,d=128,n=2,l=33",
                                       "heads=4,kvh=1,d=128,n=1,l=300,kv=f32",
                                       "heads=4,kvh=1,d=128,n=5,l=300,rope=1",
                                       "heads=4,kvh=1,d=80,n=5,l=31",
                                       "heads=4,kvh=1,d=64,n=1,l=32,kv=f32,rope=1",
                                       "heads=7,kvh=1,d=64,n=3,l=33,rope=1",
                                       "heads=10,kvh=2,d=8,n=1,l=1000,rope=1",
                                       "heads=4,kvh=1,d=128,n=33,l=200",
                                       "heads=10,kvh=2,d=8,n=15,l=40",
                                       "heads=7,kvh=1,d=64,n=19,l=33,rope=1",
                                       NULL};

const struct family attention_family = {
    .name = "attention",
    .summary = "softmax(Q K / sqrt d) V over the KV pool, many sequences at once",
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
