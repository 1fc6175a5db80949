/* rope_kv: Q and K of every row turned in place, K and V written to the row's slot of the pool.
 *
 *     for (n < N) {
 *         for (head of Q and K) for (i < d/2) {
 *             (c, s) = rotary[position of n][i];
 *             (a, b) = (head[i], head[i + d/2]);
 *             head[i] = a·c − b·s;  head[i + d/2] = b·c + a·s;
 *         }
 *         K of the pool [slot of n] = K;  V of the pool [slot of n] = V;
 *     }
 *
 * Rows have slots of their own. Whether the pool rounds to f16 is the field kv. */
#include "kernels/rope_kv/rope_kv.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { O_QKV, O_K, O_V, O_ROWS, O_ROTARY };
enum { SAMPLED_ROWS = 64, ROTATION_TERMS = 2 };
enum { ROW_SLOT, ROW_POSITION, ROW_TABLE, ROW_BLOCKS, ROW_INTS };
enum { SPARE_SLOTS = 96 }; /* that no row writes to, two blocks and more */

static const struct field fields[] = {
    [F_HEADS] = {"heads", "heads of Q", FIELD_SIZE, USE_DEFINE, 1, 1024, -1, NULL},
    [F_KVH] = {"kvh", "heads of K and V", FIELD_SIZE, USE_DEFINE, 1, 1024, -1, NULL},
    [F_D] = {"d", "components of a head", FIELD_SIZE, USE_DEFINE, 2, HEAD_MOST, -1, NULL},
    [F_N] = {"n", "rows", FIELD_SIZE, USE_ARGUMENT, 1, 1 << 20, 1, NULL},
    [F_KV] = {"kv", "type of the pool", FIELD_CHOICE, USE_DEFINE, 0, 1, 0, "f16,f32"},
    [F_SLOTS] = {"slots", "slots of the pool, at least what the rows need", FIELD_SIZE, USE_HIDDEN,
                 0, 1 << 30, 0, NULL},
};

static struct pool pool_of(const struct problem *p) {
    return (struct pool){p->value[F_KVH], p->value[F_D], p->value[F_KV] == 1};
}

static int64_t n_blocks(const struct problem *p) {
    const int64_t needed = p->value[F_N] + SPARE_SLOTS;
    const int64_t slots = p->value[F_SLOTS] > needed ? p->value[F_SLOTS] : needed;
    return (slots + POOL_BLOCK - 1) / POOL_BLOCK;
}

static int64_t n_positions(const struct problem *p) {
    return p->value[F_N] + 100;
}

static int64_t row_floats(const struct problem *p) {
    return (p->value[F_HEADS] + 2 * p->value[F_KVH]) * p->value[F_D];
}

static size_t qkv_bytes(const struct problem *p) {
    return (size_t)(p->value[F_N] * row_floats(p)) * sizeof(float);
}

static size_t kv_bytes(const struct problem *p) {
    return pool_bytes(pool_of(p), n_blocks(p));
}

static size_t rows_bytes_all(const struct problem *p) {
    return (size_t)p->value[F_N] * ROW_INTS * sizeof(int32_t);
}

static size_t rotary_bytes(const struct problem *p) {
    return (size_t)(n_positions(p) * (p->value[F_D] / 2) * 2) * sizeof(float);
}

static const struct operand operands[] = {
    [O_QKV] = {"QKV", "[N][(heads + 2 kvh) d] f32", OPERAND_INOUT, qkv_bytes},
    [O_K] = {"Kpool", "[block][kvh][d][32] f16 or f32", OPERAND_INOUT, kv_bytes},
    [O_V] = {"Vpool", "[block][kvh][32][d] f16 or f32", OPERAND_INOUT, kv_bytes},
    [O_ROWS] = {"rows", "[N][4] int32: slot, position, table offset, blocks", OPERAND_IN,
                rows_bytes_all},
    [O_ROTARY] = {"rotary", "[positions][d/2][2] f32: cos, sin", OPERAND_IN, rotary_bytes},
};

/* QKV is read, Q and K of it are written; K and V go into the pool; each row has its (cos, sin). */
static void cost(const struct problem *p, struct cost *out) {
    const double n = (double)p->value[F_N], d = (double)p->value[F_D];
    const double turned = (double)(p->value[F_HEADS] + p->value[F_KVH]) * d;
    const double kept = 2 * (double)p->value[F_KVH] * d;
    *out = (struct cost){
        .bytes = (double)qkv_bytes(p) + n * (turned + d) * sizeof(float) +
                 n * kept * (p->value[F_KV] == 1 ? 4 : 2),
        .operations = n * turned * 3,
    };
}

/* n rows of a sequence, from a slot and a position on; returns those behind. */
static int32_t *fill_prompt(int32_t *rows, int64_t n, const int *slot, int64_t position) {
    for (int64_t i = 0; i < n; i++, rows += ROW_INTS) {
        rows[ROW_SLOT] = slot[i];
        rows[ROW_POSITION] = (int32_t)(position + i);
        rows[ROW_TABLE] = rows[ROW_BLOCKS] = INT32_MAX; /* not this kernel's affair */
    }
    return rows;
}

/* Slots and positions of the rows: seven of eight are of two prompts, one from some place of a block on, one from a
 * block's first; the rest are of sequences of their own. slot: the pool's, blocks in random order. */
static void fill_rows(const struct problem *p, struct rng *rng, int *slot, int32_t *rows) {
    const int64_t n = p->value[F_N], prompts = n - n / 8, second = prompts / 2;
    const int64_t place = (int64_t)rng_below(rng, POOL_BLOCK), first = prompts - second;
    const int64_t block = (place + first + POOL_BLOCK - 1) / POOL_BLOCK * POOL_BLOCK;
    const uint64_t positions = (uint64_t)(n_positions(p) - first + 1);
    rows = fill_prompt(rows, first, slot + place, (int64_t)rng_below(rng, positions));
    rows = fill_prompt(rows, second, slot + block, (int64_t)rng_below(rng, positions));
    int *rest = slot + block + second;
    rng_shuffle(rng, rest, (size_t)(n_blocks(p) * POOL_BLOCK - block - second));
    for (int64_t i = 0; i < n - prompts; i++)
        rows = fill_prompt(rows, 1, rest + i, (int64_t)rng_below(rng, (uint64_t)n_positions(p)));
}

/* The pool's slots, block by block in random order. */
static int *shuffled_slots(int64_t blocks, struct rng *rng) {
    int *slot = malloc((size_t)(blocks * (POOL_BLOCK + 1)) * sizeof *slot);
    if (!slot) return NULL;
    int *block = slot + blocks * POOL_BLOCK;
    for (int64_t i = 0; i < blocks; i++) block[i] = (int)i;
    rng_shuffle(rng, block, (size_t)blocks);
    for (int64_t i = 0; i < blocks * POOL_BLOCK; i++)
        slot[i] = block[i / POOL_BLOCK] * POOL_BLOCK + (int)(i % POOL_BLOCK);
    return slot;
}

/* The whole pool is poison. */
static enum status fill(const struct problem *p, uint64_t seed, struct check_case *c,
                        struct error *err) {
    const int64_t n = p->value[F_N];
    struct rng rng = rng_seed(seed);
    int *slot = shuffled_slots(n_blocks(p), &rng);
    if (!slot)
        return fail(err, STATUS_NOMEM, "inputs of rope_kv: no memory for %lld slots",
                    (long long)(n_blocks(p) * POOL_BLOCK));
    fill_rows(p, &rng, slot, (int32_t *)c->host[O_ROWS]);
    free(slot);
    for (int64_t i = 0; i < n; i++)
        rows_fill((float *)c->host[O_QKV] + i * row_floats(p), row_floats(p), &rng);
    rotary_fill((float *)c->host[O_ROTARY], n_positions(p), p->value[F_D], seed + 1);
    pool_poison(pool_of(p), c->host[O_K], n_blocks(p));
    pool_poison(pool_of(p), c->host[O_V], n_blocks(p));
    return OK;
}

/* Q and K of a row of QKV turned, V as it was. */
static void judge_qkv(const struct problem *p, const float *before, const float *after,
                      const float *rotary, int64_t row, struct verdict *verdict) {
    const int64_t d = p->value[F_D], turned = p->value[F_HEADS] + p->value[F_KVH];
    double y[HEAD_MOST], magnitude[HEAD_MOST];
    for (int64_t head = 0; head < turned; head++) {
        rotate(before + head * d, rotary, d, y, magnitude);
        for (int64_t i = 0; i < d; i++)
            verdict_element(verdict, CLASS_F32, ROTATION_TERMS, after[head * d + i], y[i],
                            magnitude[i], row, head * d + i);
    }
    for (int64_t i = turned * d; i < row_floats(p); i++)
        verdict_element(verdict, CLASS_F32, 1, after[i], before[i], 0, row, i);
}

static enum status judge(const struct problem *p, struct check_case *c, bool whole,
                         struct verdict *verdict, struct error *err) {
    const int64_t n = p->value[F_N], most = whole ? n : SAMPLED_ROWS, d = p->value[F_D];
    const int64_t floats = row_floats(p), heads = p->value[F_HEADS], kvh = p->value[F_KVH];
    const struct pool pool = pool_of(p);
    const int32_t *rows = (const int32_t *)c->host[O_ROWS];
    bool *is_own = calloc((size_t)(n_blocks(p) * POOL_BLOCK), sizeof *is_own);
    if (!is_own) return fail(err, STATUS_NOMEM, "reference of rope_kv: no memory for its slots");
    for (int64_t i = 0; i < n; i++) is_own[rows[i * ROW_INTS + ROW_SLOT]] = true;
    for (int64_t i = 0; i < n && i < most; i++) {
        const int64_t at = rows_sample(n, most, i);
        const int32_t *row = rows + at * ROW_INTS;
        const float *before = (const float *)c->before[O_QKV] + at * floats;
        const float *rotary = (const float *)c->host[O_ROTARY] + row[ROW_POSITION] * (d / 2) * 2;
        const struct pool_row kept = {.row = at,
                                      .slot = row[ROW_SLOT],
                                      .k = before + heads * d,
                                      .v = before + (heads + kvh) * d,
                                      .rotary = rotary};
        judge_qkv(p, before, (const float *)c->host[O_QKV] + at * floats, rotary, at, verdict);
        pool_judge_row(pool, &kept, c->host[O_K], c->host[O_V], verdict);
    }
    pool_judge_rest(pool, n_blocks(p), is_own, c->host[O_K], c->before[O_K], true, verdict);
    pool_judge_rest(pool, n_blocks(p), is_own, c->host[O_V], c->before[O_V], false, verdict);
    free(is_own);
    verdict_finish(verdict, CLASS_F32);
    return OK;
}

static const struct variant *const variants[] = {&rope_kv_row, NULL};

static const char *const examples[] = {
    "heads=9,kvh=3,d=64,n=1",    "heads=9,kvh=3,d=64,n=5,kv=f32",
    "heads=8,kvh=4,d=8,n=17",    "heads=8,kvh=4,d=8,n=1,kv=f32",
    "heads=32,kvh=32,d=128,n=2", "heads=4,kvh=1,d=128,n=64,kv=f32",
    "heads=4,kvh=1,d=80,n=33",   "heads=3,kvh=1,d=6,n=3",
    "heads=9,kvh=3,d=64,n=300",  NULL};

const struct family rope_kv_family = {
    .name = "rope_kv",
    .summary = "rotation of Q and K, K and V into the pool",
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
