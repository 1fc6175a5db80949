/* test_kv.c: the pool of keys and values: who holds which block, which slot says which position, what a
 * copy costs; against a model that only knows sets of positions. With a device also the memory. */
#include "runtime/kv.h"
#include "base/rng.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct error err;

static const struct kv_shape shape = {.n_layers = 2, .n_kv_heads = 2, .head_size = 4};

static struct kv *open_pool(struct device *device, struct kv_shape s, int64_t positions,
                            int64_t sequences) {
    struct kv *kv;
    cr_assert_eq(kv_open(device, &s, positions, sequences, &kv, &err), OK, "%s", err.text);
    return kv;
}

static int32_t new_sequence(struct kv *kv) {
    int32_t sequence;
    cr_assert_eq(kv_new(kv, &sequence, &err), OK, "%s", err.text);
    return sequence;
}

/* Append positions [from, to); returns the slot of the last. */
static int32_t append(struct kv *kv, int32_t sequence, int64_t from, int64_t to) {
    int32_t slot = -1;
    for (int64_t p = from; p < to; p++)
        cr_assert_eq(kv_append(kv, sequence, p, &slot, &err), OK, "%s", err.text);
    return slot;
}

static int64_t blocks(const struct kv *kv, int32_t sequence) {
    return kv_table(kv, sequence, NULL, 0);
}

/* How many of a sequence's blocks hold a position, and in which slot; −1: none does. */
static int32_t slot_of(const struct kv *kv, int32_t sequence, int64_t position) {
    int32_t table[64], found = -1;
    int64_t low, high;
    const int32_t *stored = kv_stored(kv, &low, &high);
    const int64_t n = kv_table(kv, sequence, table, 64);
    cr_assert_leq(n, 64);
    for (int64_t i = 0; i < n * KV_BLOCK; i++) {
        const int32_t slot = table[i / KV_BLOCK] * KV_BLOCK + (int32_t)(i % KV_BLOCK);
        if (stored[slot] != position) continue;
        cr_assert_eq(found, -1, "position %lld stands in two slots", (long long)position);
        found = slot;
    }
    return found;
}

/* ---- one sequence ---- */

Test(kv, sizes_are_whole_blocks) {
    cr_assert_eq(kv_bytes(&shape, 1), 2 * 2 * 32 * 8 * 2);
    cr_assert_eq(kv_bytes(&shape, 33), 2 * 2 * 64 * 8 * 2);
    const struct kv_shape wide = {2, 2, 4, true};
    cr_assert_eq(kv_bytes(&wide, 32), 2 * 2 * 32 * 8 * 4);
    struct kv *kv = open_pool(NULL, shape, 65, 1);
    cr_assert_eq(kv_slots(kv), 96);
    kv_close(kv);
    kv_close(NULL);
}

Test(kv, positions_fill_slots_and_the_pool_ends) {
    struct kv *kv = open_pool(NULL, shape, 64, 2);
    const int32_t s = new_sequence(kv);
    int32_t slot;
    cr_assert(kv_length(kv, s) == 0 && kv_room(kv, s) == 64 && blocks(kv, s) == 0);
    append(kv, s, 0, 33);
    cr_assert(kv_length(kv, s) == 33 && kv_room(kv, s) == 31 && blocks(kv, s) == 2);
    for (int p = 0; p < 33; p++) cr_assert_neq(slot_of(kv, s, p), -1);
    cr_assert_eq(kv_blocks_until(kv, s, 31), 1);
    cr_assert_eq(kv_blocks_until(kv, s, 32), 2);
    append(kv, s, 33, 64);
    cr_assert_eq(kv_room(kv, s), 0);
    cr_assert_eq(kv_append(kv, s, 64, &slot, &err), STATUS_NOMEM);
    cr_assert(strstr(err.text, "64 positions"), "%s", err.text);
    cr_assert_eq(kv_length(kv, s), 64, "a refused position changes nothing");
    kv_drop(kv, s);
    const int32_t t = new_sequence(kv);
    cr_assert_eq(kv_room(kv, t), 64, "all blocks came back");
    kv_close(kv);
}

Test(kv, positions_may_leave_holes) {
    struct kv *kv = open_pool(NULL, shape, 96, 1);
    const int32_t s = new_sequence(kv);
    append(kv, s, 5, 6);
    append(kv, s, 100, 101);
    cr_assert(kv_length(kv, s) == 101 && blocks(kv, s) == 2);
    cr_assert_eq(slot_of(kv, s, 5) % KV_BLOCK, 5);
    cr_assert_eq(slot_of(kv, s, 100) % KV_BLOCK, 4);
    cr_assert_eq(kv_blocks_until(kv, s, 95), 1);
    kv_close(kv);
}

Test(kv, what_changed_is_told_once) {
    struct kv *kv = open_pool(NULL, shape, 128, 1);
    int64_t low, high;
    kv_stored(kv, &low, &high);
    cr_assert(low == 0 && high == 128, "at first all of it");
    kv_stored_clean(kv);
    kv_stored(kv, &low, &high);
    cr_assert_geq(low, high);
    const int32_t s = new_sequence(kv), slot = append(kv, s, 0, 1);
    kv_stored(kv, &low, &high);
    cr_assert(low == slot && high == slot + 1);
    append(kv, s, 1, 40);
    kv_stored(kv, &low, &high);
    cr_assert(low <= slot && high - low >= 40);
    kv_stored_clean(kv);
    kv_drop(kv, s);
    kv_stored(kv, &low, &high);
    cr_assert(high - low >= 40, "empty slots are a change");
    kv_close(kv);
}

Test(kv, sequences_are_counted_and_reused) {
    struct kv *kv = open_pool(NULL, shape, 64, 2);
    int32_t third;
    const int32_t a = new_sequence(kv), b = new_sequence(kv);
    cr_assert(a != b && kv_is(kv, a) && kv_is(kv, b) && !kv_is(kv, 2) && !kv_is(kv, -1));
    cr_assert_eq(kv_new(kv, &third, &err), STATUS_NOMEM);
    cr_assert(strstr(err.text, "2 sequences"), "%s", err.text);
    kv_drop(kv, a);
    kv_drop(kv, a);
    cr_assert(!kv_is(kv, a));
    cr_assert_eq(new_sequence(kv), a);
    kv_close(kv);
}

/* ---- sharing ---- */

Test(kv, a_fork_shares_blocks_until_one_writes) {
    struct kv *kv = open_pool(NULL, shape, 160, 3);
    const int32_t a = new_sequence(kv);
    int32_t b, c, before[2], after[2];
    append(kv, a, 0, 40);
    kv_table(kv, a, before, 2);
    cr_assert_eq(kv_fork(kv, a, 40, &b, &err), OK, "%s", err.text);
    kv_table(kv, b, after, 2);
    cr_assert_arr_eq(before, after, sizeof before);
    cr_assert_eq(kv_room(kv, b), 24 - 8 + 64 + 8, "the copy of a shared block takes one");
    append(kv, b, 40, 41);
    kv_table(kv, b, after, 2);
    cr_assert(after[0] == before[0] && after[1] != before[1], "copied on write, only that block");
    cr_assert(slot_of(kv, a, 40) == -1 && slot_of(kv, b, 40) != -1);
    for (int p = 0; p < 40; p++) cr_assert(slot_of(kv, a, p) != -1 && slot_of(kv, b, p) != -1);
    append(kv, a, 40, 41);
    kv_table(kv, a, after, 2);
    cr_assert_arr_eq(before, after, sizeof before, "alone again: no second copy");
    cr_assert_eq(kv_fork(kv, a, 20, &c, &err), OK, "%s", err.text);
    cr_assert(kv_length(kv, c) == 20 && blocks(kv, c) == 1);
    cr_assert(slot_of(kv, c, 19) != -1 && slot_of(kv, c, 20) == -1 && slot_of(kv, a, 20) != -1);
    kv_drop(kv, a);
    kv_drop(kv, b);
    for (int p = 0; p < 20; p++) cr_assert_neq(slot_of(kv, c, p), -1);
    kv_drop(kv, c);
    cr_assert_eq(kv_room(kv, new_sequence(kv)), 160);
    kv_close(kv);
}

Test(kv, a_fork_at_a_block_boundary_copies_nothing) {
    struct kv *kv = open_pool(NULL, shape, 96, 2);
    const int32_t a = new_sequence(kv);
    int32_t b, c;
    append(kv, a, 0, 64);
    cr_assert_eq(kv_fork(kv, a, 32, &b, &err), OK, "%s", err.text);
    cr_assert(blocks(kv, b) == 1 && kv_room(kv, b) == 32);
    cr_assert_eq(kv_fork(kv, a, 64, &c, &err), STATUS_NOMEM, "no third sequence");
    kv_drop(kv, b);
    cr_assert_eq(kv_fork(kv, a, 0, &b, &err), OK);
    cr_assert(kv_length(kv, b) == 0 && blocks(kv, b) == 0 && kv_room(kv, b) == 32);
    kv_drop(kv, b);
    cr_assert_eq(kv_fork(kv, a, 1000, &b, &err), OK);
    cr_assert_eq(kv_length(kv, b), 64, "there are no more than there are");
    kv_close(kv);
}

/* A fork in the middle of a block needs a block for its copy. */
Test(kv, a_fork_that_does_not_fit_leaves_nothing_behind) {
    struct kv *kv = open_pool(NULL, shape, 64, 2);
    const int32_t a = new_sequence(kv);
    int32_t b;
    append(kv, a, 0, 64);
    cr_assert_eq(kv_fork(kv, a, 40, &b, &err), STATUS_NOMEM);
    cr_assert(kv_length(kv, a) == 64 && blocks(kv, a) == 2);
    for (int p = 0; p < 64; p++) cr_assert_neq(slot_of(kv, a, p), -1);
    kv_drop(kv, a);
    cr_assert_eq(kv_room(kv, new_sequence(kv)), 64);
    new_sequence(kv);
    kv_close(kv);
}

/* ---- forgetting ---- */

Test(kv, truncate_gives_blocks_back) {
    struct kv *kv = open_pool(NULL, shape, 128, 1);
    const int32_t s = new_sequence(kv);
    append(kv, s, 0, 100);
    cr_assert_eq(kv_truncate(kv, s, 101, &err), STATUS_INVALID, "there are no 101");
    cr_assert_eq(kv_truncate(kv, s, 100, &err), OK);
    cr_assert_eq(kv_length(kv, s), 100);
    cr_assert_eq(kv_truncate(kv, s, 33, &err), OK);
    cr_assert(kv_length(kv, s) == 33 && blocks(kv, s) == 2 && kv_room(kv, s) == 95);
    cr_assert(slot_of(kv, s, 32) != -1 && slot_of(kv, s, 33) == -1);
    append(kv, s, 33, 34);
    cr_assert_neq(slot_of(kv, s, 33), -1);
    cr_assert_eq(kv_truncate(kv, s, 32, &err), OK);
    cr_assert_eq(blocks(kv, s), 1);
    cr_assert_eq(kv_truncate(kv, s, -7, &err), OK);
    cr_assert(kv_length(kv, s) == 0 && blocks(kv, s) == 0 && kv_room(kv, s) == 128);
    kv_close(kv);
}

Test(kv, a_window_forgets_from_the_front) {
    struct kv *kv = open_pool(NULL, shape, 128, 1);
    const int32_t s = new_sequence(kv);
    append(kv, s, 0, 100);
    cr_assert_eq(kv_forget(kv, s, 0, 70, &err), OK);
    cr_assert(kv_length(kv, s) == 100 && blocks(kv, s) == 2, "lengths stay, blocks go");
    cr_assert_eq(kv_room(kv, s), 28 + 64);
    cr_assert(slot_of(kv, s, 69) == -1 && slot_of(kv, s, 70) != -1);
    cr_assert_eq(kv_forget(kv, s, 80, 80, &err), OK);
    cr_assert_eq(kv_forget(kv, s, 90, 80, &err), OK);
    cr_assert_neq(slot_of(kv, s, 85), -1);
    append(kv, s, 100, 100 + 28 + 64);
    cr_assert_eq(kv_room(kv, s), 0);
    cr_assert_eq(kv_truncate(kv, s, 70, &err), OK);
    cr_assert(kv_length(kv, s) == 70 && blocks(kv, s) == 0, "nothing of it was kept");
    append(kv, s, 70, 71);
    cr_assert_neq(slot_of(kv, s, 70), -1);
    kv_close(kv);
}

Test(kv, forgetting_in_a_shared_block_leaves_the_other_alone) {
    struct kv *kv = open_pool(NULL, shape, 128, 2);
    const int32_t a = new_sequence(kv);
    int32_t b;
    append(kv, a, 0, 64);
    cr_assert_eq(kv_fork(kv, a, 64, &b, &err), OK);
    cr_assert_eq(kv_forget(kv, b, 10, 50, &err), OK);
    for (int p = 0; p < 64; p++) {
        cr_assert_neq(slot_of(kv, a, p), -1);
        cr_assert_eq(slot_of(kv, b, p) == -1, p >= 10 && p < 50);
    }
    cr_assert_eq(kv_forget(kv, b, 0, 64, &err), OK);
    cr_assert(blocks(kv, b) == 0 && kv_length(kv, b) == 64);
    kv_close(kv);
}

/* ---- anything in any order, against sets of positions ---- */

enum { SETS = 4, POSITIONS = 320 };
struct set {
    bool is_used, holds[POSITIONS];
    int64_t length;
};

static void check_sets(const struct kv *kv, const struct set sets[SETS]) {
    int used_by[POSITIONS / KV_BLOCK * 4] = {0};
    for (int s = 0; s < SETS; s++) {
        cr_assert_eq(kv_is(kv, s), sets[s].is_used);
        if (!sets[s].is_used) continue;
        cr_assert_eq(kv_length(kv, s), sets[s].length);
        for (int p = 0; p < POSITIONS; p++)
            cr_assert_eq(slot_of(kv, s, p) != -1, sets[s].holds[p], "sequence %d, position %d", s,
                         p);
        int32_t table[64];
        for (int64_t i = kv_table(kv, s, table, 64); i-- > 0;) used_by[table[i]]++;
    }
    int64_t low, high;
    const int32_t *stored = kv_stored(kv, &low, &high);
    for (int64_t slot = 0; slot < kv_slots(kv); slot++)
        cr_assert(stored[slot] == -1 || used_by[slot / KV_BLOCK], "a free slot says %d",
                  stored[slot]);
}

static void step(struct kv *kv, struct set sets[SETS], struct rng *rng) {
    const int32_t s = (int32_t)rng_below(rng, SETS);
    struct set *set = &sets[s];
    const int64_t from = (int64_t)rng_below(rng, POSITIONS);
    int64_t to = (int64_t)rng_below(rng, POSITIONS);
    int32_t other;
    if (!set->is_used) {
        if (kv_new(kv, &other, &err) == OK) sets[other] = (struct set){.is_used = true};
        return;
    }
    switch (rng_below(rng, 8)) {
    case 0:
        kv_drop(kv, s);
        *set = (struct set){0};
        return;
    case 1:
        if (kv_truncate(kv, s, from, &err) != OK || from >= set->length) return;
        memset(set->holds + from, 0, (size_t)(POSITIONS - from) * sizeof *set->holds);
        set->length = from;
        return;
    case 2:
        if (kv_forget(kv, s, from, to, &err) == OK)
            for (int64_t p = from; p < to; p++) set->holds[p] = false;
        return;
    case 3:
        if (kv_fork(kv, s, from, &other, &err) != OK) return;
        sets[other] = *set;
        if (from >= set->length) return;
        memset(sets[other].holds + from, 0, (size_t)(POSITIONS - from) * sizeof *set->holds);
        sets[other].length = from;
        return;
    default:
        to = set->length + (int64_t)rng_below(rng, 40); /* runs with a gap before some */
        for (int64_t p = rng_below(rng, 4) ? set->length : to; p <= to && p < POSITIONS; p++) {
            int32_t slot;
            const int64_t room = kv_room(kv, s);
            const enum status status = kv_append(kv, s, p, &slot, &err);
            if (p == set->length)
                cr_assert_eq(status == OK, room > 0, "room %lld", (long long)room);
            if (status != OK) return;
            cr_assert_eq(slot, slot_of(kv, s, p));
            set->holds[p] = true;
            set->length = p + 1;
        }
    }
}

Test(kv, any_order_of_calls_keeps_the_sets, .timeout = 60) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rng rng = rng_seed(seed);
        struct set sets[SETS] = {{0}};
        struct kv *kv = open_pool(NULL, shape, seed % 2 ? 256 : 640, SETS);
        for (int i = 0; i < 300; i++) {
            step(kv, sets, &rng);
            if (i % 10 == 0) check_sets(kv, sets);
        }
        for (int32_t s = 0; s < SETS; s++) kv_drop(kv, s);
        cr_assert_eq(kv_room(kv, new_sequence(kv)), kv_slots(kv), "no block is lost");
        kv_close(kv);
    }
}

/* ---- on a device ---- */

static struct device *need_device(void) {
    struct device *device = NULL;
    if (device_open(NULL, &device, &err) != OK) cr_skip_test("%s", err.text);
    return device;
}

/* The value of a component in the canonical order; exact in f16. */
static float value_of(size_t i) {
    return (float)((int)(i * 37 % 2000) - 1000) / 8;
}

static void check_moves(struct device *device, bool is_f32) {
    const struct kv_shape s = {3, 2, 8, is_f32};
    struct kv *kv = open_pool(device, s, 160, 3);
    const int64_t positions = 50;
    const size_t row = 2 * 8, n = 3 * 2 * (size_t)positions * row;
    float *in = malloc(n * sizeof *in), *out;
    size_t n_out;
    for (size_t i = 0; i < n; i++) in[i] = value_of(i);
    const int32_t a = new_sequence(kv);
    cr_assert_eq(kv_import(kv, a, in, n, positions, &err), OK, "%s", err.text);
    cr_assert_eq(kv_length(kv, a), positions);
    cr_assert_eq(kv_export(kv, a, &out, &n_out, &err), OK, "%s", err.text);
    cr_assert_eq(n_out, n);
    cr_assert_arr_eq(out, in, n * sizeof *in);
    free(out);
    /* A fork that is cut inside of a block gets a copy of its memory, and the original's change does
     * not reach it. */
    int32_t b;
    cr_assert_eq(kv_fork(kv, a, 40, &b, &err), OK, "%s", err.text);
    cr_assert_eq(kv_truncate(kv, a, 0, &err), OK);
    float *other = calloc(n, sizeof *other);
    cr_assert_eq(kv_import(kv, a, other, n, positions, &err), OK, "%s", err.text);
    cr_assert_eq(kv_forget(kv, b, 7, 9, &err), OK);
    cr_assert_eq(kv_export(kv, b, &out, &n_out, &err), OK, "%s", err.text);
    cr_assert_eq(n_out, 3 * 2 * 40 * row);
    for (size_t plane = 0; plane < 6; plane++)
        for (size_t p = 0; p < 40; p++)
            for (size_t c = 0; c < row; c++) {
                const float wanted =
                    p == 7 || p == 8 ? 0 : in[(plane * (size_t)positions + p) * row + c];
                cr_assert_eq(out[(plane * 40 + p) * row + c], wanted);
            }
    free(out);
    free(other);
    free(in);
    kv_close(kv);
}

Test(kv, export_is_what_was_imported, .timeout = 120) {
    struct device *device = need_device();
    check_moves(device, false);
    check_moves(device, true);
    device_close(device);
}

/* Where the kernels look: K [block][head][component][32], V [block][head][32][component]. */
Test(kv, memory_lies_as_the_kernels_read_it, .timeout = 120) {
    struct device *device = need_device();
    const struct kv_shape s = {2, 2, 8, true};
    struct kv *kv = open_pool(device, s, 96, 2);
    enum { ROW = 2 * 8, N = 40, BLOCK = 2 * 8 * KV_BLOCK };
    const size_t n = 2 * 2 * N * ROW;
    float *in = malloc(n * sizeof *in), pool[3 * BLOCK];
    for (size_t i = 0; i < n; i++) in[i] = value_of(i);
    append(kv, new_sequence(kv), 0, 1); /* so that blocks and positions differ */
    const int32_t a = new_sequence(kv);
    cr_assert_eq(kv_import(kv, a, in, n, N, &err), OK, "%s", err.text);
    for (int layer = 0; layer < 2; layer++)
        for (int is_value = 0; is_value < 2; is_value++) {
            const struct view view = is_value ? kv_values(kv, layer) : kv_keys(kv, layer);
            cr_assert_eq(view_read(view, 0, pool, sizeof pool, &err), OK, "%s", err.text);
            for (int p = 0; p < N; p++)
                for (int head = 0; head < 2; head++)
                    for (int c = 0; c < 8; c++) {
                        const int slot = slot_of(kv, a, p), place = slot % KV_BLOCK;
                        const int within = is_value ? (head * KV_BLOCK + place) * 8 + c
                                                    : (head * 8 + c) * KV_BLOCK + place;
                        cr_assert_eq(pool[slot / KV_BLOCK * BLOCK + within],
                                     in[((layer * 2 + is_value) * N + p) * ROW + head * 8 + c]);
                    }
        }
    free(in);
    kv_close(kv);
    device_close(device);
}

Test(kv, imports_that_do_not_fit_change_nothing, .timeout = 120) {
    struct device *device = need_device();
    struct kv *kv = open_pool(device, shape, 64, 2);
    float in[2 * 2 * 65 * 8] = {0};
    const int32_t a = new_sequence(kv), b = new_sequence(kv);
    cr_assert_eq(kv_import(kv, a, in, 5, 1, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "needs 32"), "%s", err.text);
    cr_assert_eq(kv_import(kv, a, in, 2 * 2 * 65 * 8, 65, &err), STATUS_INVALID);
    cr_assert_eq(kv_import(kv, a, in, 0, -1, &err), STATUS_INVALID);
    append(kv, b, 0, 33);
    cr_assert_eq(kv_import(kv, a, in, 2 * 2 * 8 * 8, 8, &err), STATUS_NOMEM,
                 "both blocks are taken");
    cr_assert(kv_length(kv, a) == 0 && blocks(kv, a) == 0);
    kv_truncate(kv, b, 0, &err);
    cr_assert_eq(kv_import(kv, a, in, 2 * 2 * 8 * 8, 8, &err), OK, "%s", err.text);
    cr_assert_eq(kv_import(kv, a, in, 2 * 2 * 8 * 8, 8, &err), STATUS_INVALID,
                 "not empty any more");
    cr_assert_eq(kv_import(kv, b, in, 0, 0, &err), OK, "nothing is fine");
    kv_close(kv);
    device_close(device);
}
