/* test_attention.c: what attention and rope_kv promise beyond being right on one batch: rows do not feel
 * their neighbours, forgotten positions are gone, the fused form does what the two kernels do, a lone row
 * is one launch. And faults on purpose: the gates see a slot too many or too few.
 *
 * A pool of 16 blocks holds two sequences, A of 75 positions and B of 10, in blocks out of order. A third fills
 * up batches of kernels for many rows. Operands
 * are the families' own; kernels run through op.h, as in the engine. */
#include "base/rng.h"
#include "kernels/check.h"
#include "kernels/rope_kv/pool.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADS = 6, KVH = 2, D = 16, FLOATS = (HEADS + 2 * KVH) * D, WIDTH = HEADS * D };
enum { BLOCKS = 16, SLOTS = BLOCKS * POOL_BLOCK, TABLE = 8, ROWS_MOST = 28 };
enum { LENGTH_A = 75, LENGTH_B = 10, LENGTH_FILLER = 16 };
enum { AT_A = 0, AT_B = 4, AT_FILLER = 6 }; /* offsets in the table */

static const int32_t table[TABLE] = {9, 2, 12, 0, 5, 14, 7, 3};
static const struct pool pool = {KVH, D, false};

/* Configurations that differ in all that may make a row feel its neighbours. */
static const char *const configs[][2] = {
    {"naive", "WG=1,VW=8,HALF=load,EXP=polynomial"},
    {"naive", "WG=16,VW=2,HALF=integer,EXP=built-in"},
    {"split", "WG=1,VW=8,TR=1,HT=3,SPLITS=1,CB=2,RP=4,RD=2,UNROLL=2,HALF=load,EXP=polynomial"},
    {"split",
     "WG=1,VW=8,TR=4,HT=3,HG=2,SPLITS=2,CB=1,RP=2,RD=1,UNROLL=1,HALF=integer,EXP=polynomial"},
    {"split", "WG=32,VW=4,TR=2,HT=1,SPLITS=2,CB=2,RP=1,RD=2,UNROLL=4,HALF=load,EXP=built-in"},
    {"flash", "WG=1,VW=8,TR=3,HT=1,NB=2,CB=2,RP=2,RD=2,UNROLL=2,HALF=load,EXP=polynomial"},
    {"flash", "WG=32,VW=4,TR=2,HT=3,NB=4,CB=1,RP=1,RD=1,KVL=1,HALF=integer,EXP=built-in"},
};
enum { CONFIGS = sizeof configs / sizeof *configs };

static struct error err;

#define must(call) cr_assert_eq(call, OK, "%s", err.text)

/* ---- a pool, and batches on it ---- */

struct row {
    int32_t slot, position, table, blocks;
};
struct batch {
    int n;
    struct row row[ROWS_MOST];
    float qkv[ROWS_MOST][FLOATS];
    float o[ROWS_MOST][WIDTH]; /* what attention answers */
};

static struct device *device;
static struct arena *arena;
static struct view keys_view, values_view, table_view, rows_view, stored_view, rotary_view,
    qkv_view, o_view, scratch_view;
static uint16_t *keys, *values; /* on the host */
static int32_t stored[SLOTS];
static float rotary[LENGTH_A * D];

static int32_t slot_of(int32_t offset, int position) {
    return table[offset + position / POOL_BLOCK] * POOL_BLOCK + position % POOL_BLOCK;
}

static float *random_floats(float *x, size_t n, uint64_t seed) {
    struct rng rng = rng_seed(seed);
    for (size_t i = 0; i < n; i++) x[i] = (float)(2 * rng_uniform(&rng) - 1);
    return x;
}

static void fill_pool(void) {
    float x[KVH * D];
    memset(stored, 0xff, sizeof stored);
    for (int i = 0; i < LENGTH_A; i++) stored[slot_of(AT_A, i)] = i;
    for (int i = 0; i < LENGTH_B; i++) stored[slot_of(AT_B, i)] = i;
    for (int i = 0; i < LENGTH_FILLER; i++) stored[slot_of(AT_FILLER, i)] = i;
    for (int32_t slot = 0; slot < SLOTS; slot++) {
        random_floats(x, KVH * D, 100 + (uint64_t)slot);
        for (int i = 0; i < KVH * D; i++) {
            pool_set(pool, keys, pool_key_at(pool, slot, i / D, i % D), 3 * x[i]);
            pool_set(pool, values, pool_value_at(pool, slot, i / D, i % D), x[KVH * D - 1 - i]);
        }
    }
}

static void take(size_t bytes, struct view *view) {
    must(arena_take(arena, bytes, view, &err));
}

static void open_pool(void) {
    const size_t bytes = pool_bytes(pool, BLOCKS), scratch = 1 << 20;
    if (device_open(NULL, &device, &err) != OK) cr_skip_test("%s", err.text);
    must(arena_open(device, 2 * bytes + scratch + (1 << 16), &arena, &err));
    take(bytes, &keys_view);
    take(bytes, &values_view);
    take(sizeof table, &table_view);
    take(sizeof(struct row) * ROWS_MOST, &rows_view);
    take(sizeof stored, &stored_view);
    take(sizeof rotary, &rotary_view);
    take(sizeof(float) * ROWS_MOST * FLOATS, &qkv_view);
    take(sizeof(float) * ROWS_MOST * WIDTH, &o_view);
    take(scratch, &scratch_view);
    keys = malloc(bytes);
    values = malloc(bytes);
    cr_assert(keys && values);
    fill_pool();
    rotary_fill(rotary, LENGTH_A, D, 5);
}

static void close_pool(void) {
    free(keys);
    free(values);
    arena_close(arena);
    device_close(device);
}

/* Rows first … first + n − 1 of the sequence at an offset of the table, behind those of the batch. The
 * content of a row hangs on its sequence and position only. */
static void add_rows(struct batch *batch, int32_t offset, int first, int n) {
    for (int position = first; position < first + n; position++) {
        const int at = batch->n++;
        batch->row[at] =
            (struct row){slot_of(offset, position), position, offset, position / POOL_BLOCK + 1};
        random_floats(batch->qkv[at], FLOATS, 1000 * (uint64_t)offset + (uint64_t)position);
    }
}

static void write_all(const struct batch *batch) {
    must(view_write(keys_view, 0, keys, keys_view.bytes, &err));
    must(view_write(values_view, 0, values, values_view.bytes, &err));
    must(view_write(table_view, 0, table, sizeof table, &err));
    must(view_write(rows_view, 0, batch->row, sizeof batch->row, &err));
    must(view_write(stored_view, 0, stored, sizeof stored, &err));
    must(view_write(rotary_view, 0, rotary, sizeof rotary, &err));
    must(view_write(qkv_view, 0, batch->qkv, sizeof batch->qkv, &err));
}

/* One launch sequence of a family on what the views hold; the pool comes back to the host. */
static void run(const char *family, const char *variant, const char *text, int rope,
                struct batch *batch) {
    const struct view of_attention[] = {qkv_view,  keys_view,   values_view, table_view,
                                        rows_view, stored_view, rotary_view, o_view};
    const struct view of_rope[] = {qkv_view, keys_view, values_view, rows_view, rotary_view};
    const bool is_attention = !strcmp(family, "attention");
    struct problem problem;
    struct config config;
    struct op *op;
    char form[120];
    snprintf(form, sizeof form, "heads=%d,kvh=%d,d=%d,n=%d%s%s", HEADS, KVH, D, batch->n,
             is_attention ? ",l=75" : "", rope ? ",rope=1" : "");
    must(problem_parse(slice_find(family), form, &problem, &err));
    must(config_parse(problem.family, variant, text, &config, &err));
    cr_assert(config_runs(&config, &problem, device, err.text), "%s", err.text);
    must(op_open(device, &config, &problem, &op, &err));
    cr_assert_leq(op_scratch_bytes(op, &problem), scratch_view.bytes);
    must(op_run(op, &problem, is_attention ? of_attention : of_rope, NULL, scratch_view, &err));
    must(device_finish(device, &err));
    must(view_read(keys_view, 0, keys, keys_view.bytes, &err));
    must(view_read(values_view, 0, values, values_view.bytes, &err));
    must(view_read(qkv_view, 0, batch->qkv, sizeof batch->qkv, &err));
    must(view_read(o_view, 0, batch->o, sizeof batch->o, &err));
    op_close(op);
}

/* Rows of no interest behind the others, so that a kernel for many rows accepts the batch. */
static void fill_up(const char *const config[2], struct batch *batch) {
    if (!strcmp(config[0], "flash")) add_rows(batch, AT_FILLER, 0, LENGTH_FILLER);
}

/* Attention on a pool as new. */
static void attend(const char *const config[2], int rope, struct batch *batch) {
    fill_up(config, batch);
    write_all(batch);
    run("attention", config[0], config[1], rope, batch);
}

static void expect_near(const float *a, const float *b, const char *what) {
    double most = 0;
    for (int i = 0; i < WIDTH; i++) most = fmax(most, fabs((double)a[i] - b[i]));
    cr_expect_lt(most, 2e-6, "%s: off by %g", what, most);
}

static void expect_same(const float *a, const float *b, const char *const config[2], int rope,
                        const char *what) {
    cr_expect(!memcmp(a, b, WIDTH * sizeof *a), "%s %s, rope=%d: not the bits of %s", config[0],
              config[1], rope, what);
}

TestSuite(attention, .init = open_pool, .fini = close_pool, .timeout = 300);

/* ---- neighbours ---- */

/* Rows of two sequences, mixed, against each sequence alone: the same bits. */
static void compare_with_alone(const char *const config[2], int rope) {
    static struct batch both, a, b;
    memset(&both, 0, sizeof both);
    a = b = both;
    add_rows(&both, AT_A, 60, 2);
    add_rows(&both, AT_B, 9, 1);
    add_rows(&both, AT_A, 62, 5);
    add_rows(&a, AT_A, 60, 7);
    add_rows(&b, AT_B, 9, 1);
    attend(config, rope, &both);
    fill_pool();
    attend(config, rope, &a);
    fill_pool();
    attend(config, rope, &b);
    fill_pool();
    expect_same(both.o[2], b.o[0], config, rope, "B alone");
    for (int i = 0; i < 7; i++)
        expect_same(both.o[i < 2 ? i : i + 1], a.o[i], config, rope, "A alone");
}

Test(attention, two_sequences_are_each_as_alone) {
    for (int i = 0; i < CONFIGS; i++)
        for (int rope = 0; rope <= 1; rope++) compare_with_alone(configs[i], rope);
}

/* Seven rows at once against one after another (a lone row writes its own K and V while it attends): the
 * same bits, in O and in the pool. */
Test(attention, a_chunk_is_its_rows_one_by_one) {
    static struct batch chunk, one;
    const size_t bytes = keys_view.bytes;
    uint16_t *chunk_keys = malloc(bytes), *chunk_values = malloc(bytes);
    for (int i = 0; i < CONFIGS; i++) {
        memset(&chunk, 0, sizeof chunk);
        add_rows(&chunk, AT_A, 61, 7);
        attend(configs[i], 1, &chunk);
        memcpy(chunk_keys, keys, bytes);
        memcpy(chunk_values, values, bytes);
        fill_pool();
        for (int j = 0; j < 7; j++) {
            memset(&one, 0, sizeof one);
            add_rows(&one, AT_A, 61 + j, 1);
            attend(configs[i], 1, &one);
            expect_same(one.o[0], chunk.o[j], configs[i], 1, "the chunk");
        }
        cr_expect_arr_eq(keys, chunk_keys, bytes);
        cr_expect_arr_eq(values, chunk_values, bytes);
        fill_pool();
    }
    free(chunk_keys);
    free(chunk_values);
}

/* What runs where nothing was tuned: another variant for many rows. */
static void attend_by_default(int rope, struct batch *batch) {
    struct problem problem;
    struct config config;
    char form[120], text[400];
    snprintf(form, sizeof form, "heads=%d,kvh=%d,d=%d,n=%d,l=75,rope=%d", HEADS, KVH, D, batch->n,
             rope);
    must(problem_parse(slice_find("attention"), form, &problem, &err));
    must(family_default(&problem, &config, &err));
    config_format(&config, text);
    write_all(batch);
    run("attention", config.variant->name, text, rope, batch);
    fill_pool();
}

Test(attention, a_large_batch_has_the_bits_of_a_small_one) {
    static const char *const defaults[2] = {"the default", ""};
    static struct batch small, large;
    for (int rope = 0; rope <= 1; rope++) {
        memset(&small, 0, sizeof small);
        add_rows(&small, AT_A, 61, 7);
        large = small;
        add_rows(&large, AT_FILLER, 0, LENGTH_FILLER);
        attend_by_default(rope, &small);
        attend_by_default(rope, &large);
        for (int i = 0; i < small.n; i++)
            expect_same(large.o[i], small.o[i], defaults, rope, "the small batch");
    }
}

/* ---- what is forgotten ---- */

static void copy_slot(int32_t from, int32_t to) {
    for (int i = 0; i < KVH * D; i++) {
        keys[pool_key_at(pool, to, i / D, i % D)] = keys[pool_key_at(pool, from, i / D, i % D)];
        values[pool_value_at(pool, to, i / D, i % D)] =
            values[pool_value_at(pool, from, i / D, i % D)];
    }
}

/* A without positions 3 … 60 against a sequence that never had them: what is left moved together. What
 * lies in forgotten slots, and behind the row, is NaN. */
Test(attention, forgotten_positions_are_gone) {
    static struct batch holes, dense;
    for (int i = 0; i < CONFIGS; i++) {
        memset(&holes, 0, sizeof holes);
        add_rows(&holes, AT_A, LENGTH_A - 2, 1);
        dense = holes;
        for (int position = 3; position < LENGTH_A; position++) {
            const int32_t slot = slot_of(AT_A, position);
            if (position > 60 && position < LENGTH_A - 1) continue;
            for (int j = 0; j < KVH * D; j++) {
                keys[pool_key_at(pool, slot, j / D, j % D)] = 0x7e01;
                values[pool_value_at(pool, slot, j / D, j % D)] = 0x7e01;
            }
            if (position <= 60) stored[slot] = -1;
        }
        attend(configs[i], 0, &holes);
        for (int position = 61; position < LENGTH_A - 1; position++) {
            const int32_t to = slot_of(AT_A, position - 58);
            copy_slot(slot_of(AT_A, position), to);
            stored[to] = position - 58;
        }
        dense.row[0].position = LENGTH_A - 2 - 58;
        dense.row[0].blocks = 1;
        attend(configs[i], 0, &dense);
        expect_near(holes.o[0], dense.o[0], configs[i][1]);
        fill_pool();
    }
}

/* ---- the fused form ---- */

Test(attention, fused_is_rope_kv_and_attention) {
    static struct batch fused, apart;
    const size_t bytes = keys_view.bytes;
    uint16_t *fused_keys = malloc(bytes), *fused_values = malloc(bytes);
    for (int i = 0; i < CONFIGS; i++) {
        memset(&fused, 0, sizeof fused);
        add_rows(&fused, AT_A, 30, 5);
        add_rows(&fused, AT_B, 8, 2);
        apart = fused;
        fill_up(configs[i], &apart);
        attend(configs[i], 1, &fused);
        cr_expect_arr_eq(fused.qkv, apart.qkv, sizeof fused.qkv, "QKV stays as it is");
        memcpy(fused_keys, keys, bytes);
        memcpy(fused_values, values, bytes);
        fill_pool();
        write_all(&apart);
        run("rope_kv", "row", "WG=1,VW=4,PARTS=2", 0, &apart);
        cr_expect_arr_eq(keys, fused_keys, bytes, "the pool's K");
        cr_expect_arr_eq(values, fused_values, bytes, "the pool's V");
        run("attention", configs[i][0], configs[i][1], 0, &apart);
        for (int j = 0; j < 7; j++) expect_near(fused.o[j], apart.o[j], configs[i][1]);
        fill_pool();
    }
    free(fused_keys);
    free(fused_values);
}

/* Launches cost as much as a short sequence's attention. */
Test(attention, a_lone_row_is_one_launch) {
    struct problem problem;
    struct config config;
    struct geometry geometry;
    must(problem_parse(slice_find("attention"), "heads=6,kvh=2,d=16,n=1,l=75,rope=1", &problem,
                       &err));
    for (int i = 0; i < 3; i++) {
        must(config_parse(problem.family, configs[i][0], configs[i][1], &config, &err));
        config.variant->geometry(&config, &problem, &geometry);
        cr_expect_eq(geometry.n_stages, 1);
    }
}

/* ---- faults ---- */

enum { O_STORED = 5, O_ROWS_OF_ROPE = 3 };

/* A default configuration on a problem whose operand was tampered with on the device. */
static enum status run_tampered(const char *family, const char *form, int operand, size_t at,
                                int32_t value) {
    struct problem problem;
    struct config config;
    struct check_case *check;
    struct verdict verdict;
    struct op *op;
    must(problem_parse(slice_find(family), form, &problem, &err));
    must(family_default(&problem, &config, &err));
    must(check_open(device, &problem, 3, 1, &check, &err));
    must(op_open(device, &config, &problem, &op, &err));
    must(check_run(check, op, true, &verdict, &err));
    cr_assert_neq(((const int32_t *)check->host[operand])[at], value, "it is what was there");
    must(view_write(check->view[operand], at * sizeof value, &value, sizeof value, &err));
    const enum status st = check_run(check, op, true, &verdict, &err);
    op_close(op);
    check_close(check);
    return st;
}

/* The only sequence of a problem with one row has its blocks behind one another in the table: the slots
 * that it sees are those with a position and a good value, found in the case's own table. */
Test(attention, one_slot_too_few_is_seen) {
    static const char form[] = "heads=9,kvh=3,d=64,n=1,l=300";
    struct problem problem;
    struct check_case *check;
    must(problem_parse(slice_find("attention"), form, &problem, &err));
    must(check_open(device, &problem, 3, 1, &check, &err));
    const int32_t *physical = (const int32_t *)check->host[3];
    for (int position = 10; position < 300; position += 41) {
        const size_t slot =
            (size_t)physical[position / POOL_BLOCK] * POOL_BLOCK + (size_t)(position % POOL_BLOCK);
        cr_assert_eq(((const int32_t *)check->host[O_STORED])[slot], position);
        cr_expect_eq(run_tampered("attention", form, O_STORED, slot, -1), STATUS_WRONG,
                     "position %d was hidden", position);
    }
    check_close(check);
}

Test(attention, one_slot_too_many_is_seen) {
    static const char form[] = "heads=9,kvh=3,d=64,n=1,l=300,kv=f32";
    struct problem problem;
    struct check_case *check;
    must(problem_parse(slice_find("attention"), form, &problem, &err));
    must(check_open(device, &problem, 3, 1, &check, &err));
    const int32_t *physical = (const int32_t *)check->host[3];
    const size_t hole = (size_t)physical[150 / POOL_BLOCK] * POOL_BLOCK + 150 % POOL_BLOCK;
    cr_assert_eq(((const int32_t *)check->host[O_STORED])[hole], -1, "the forgotten position");
    cr_expect_eq(run_tampered("attention", form, O_STORED, hole, 150), STATUS_WRONG);
    check_close(check);
}

Test(attention, a_wrong_slot_or_position_is_seen) {
    static const char form[] = "heads=9,kvh=3,d=64,n=1";
    cr_expect_eq(run_tampered("rope_kv", form, O_ROWS_OF_ROPE, 1, 78), STATUS_WRONG, "position");
    cr_expect_eq(run_tampered("rope_kv", form, O_ROWS_OF_ROPE, 0, 0), STATUS_WRONG, "slot");
}
