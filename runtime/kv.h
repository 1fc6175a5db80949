/* kv.h: the pool of keys and values: blocks of 32 slots with reference counts, sequences as lists of
 * blocks, and the position kept in every slot.
 *
 * Attention masks by stored positions, so a sequence may have holes (forget), share blocks with others
 * (fork; copied when one of them writes), and end anywhere (truncate). Block b of every layer belongs
 * together: one table serves all layers. Layout of the memory: kernels/README.md. */
#pragma once
#include "device/memory.h"

enum { KV_BLOCK = 32 }; /* slots of a block. ORDER block: kernels/README.md */

struct kv_shape {
    int64_t n_layers, n_kv_heads, head_size;
    bool is_f32; /* else f16 */
};
/* Bytes of K and V for that many positions, whole blocks. */
int64_t kv_bytes(const struct kv_shape *shape, int64_t positions);

struct kv;
/* device NULL: the bookkeeping alone, no memory behind it. */
enum status kv_open(struct device *device, const struct kv_shape *shape, int64_t positions,
                    int64_t max_sequences, struct kv **out, struct error *err);
void kv_close(struct kv *kv); /* NULL is fine */
int64_t kv_slots(const struct kv *kv);
struct view kv_keys(const struct kv *kv, int64_t layer);
struct view kv_values(const struct kv *kv, int64_t layer);

/* ---- sequences ---- */

enum status kv_new(struct kv *kv, int32_t *sequence, struct error *err); /* NOMEM: too many */
bool kv_is(const struct kv *kv, int32_t sequence);
void kv_drop(struct kv *kv, int32_t sequence);
/* One more than the largest position that the sequence ever kept and did not truncate. */
int64_t kv_length(const struct kv *kv, int32_t sequence);
/* Positions that may still be appended, were no other sequence to grow. */
int64_t kv_room(const struct kv *kv, int32_t sequence);
/* A new sequence that shares the first `positions` positions, or all when it has fewer. NOMEM: too many. */
enum status kv_fork(struct kv *kv, int32_t sequence, int64_t positions, int32_t *copy,
                    struct error *err);
/* Forget positions >= `positions`; below 0 is 0. INVALID: the sequence is shorter. NOMEM: a shared block
 * had to be copied and the pool is full. */
enum status kv_truncate(struct kv *kv, int32_t sequence, int64_t positions, struct error *err);
/* Forget positions in [from, to), none when they are the wrong way round. NOMEM as above. */
enum status kv_forget(struct kv *kv, int32_t sequence, int64_t from, int64_t to, struct error *err);

/* ---- a batch ---- */

/* The slot for a position that is not yet kept; position >= kv_length. NOMEM: the pool is full. */
enum status kv_append(struct kv *kv, int32_t sequence, int64_t position, int32_t *slot,
                      struct error *err);
/* Blocks of the sequence in rising position, at most n_most of them; returns how many there are. */
int64_t kv_table(const struct kv *kv, int32_t sequence, int32_t *table, int64_t n_most);
/* How many of them hold positions <= position. */
int64_t kv_blocks_until(const struct kv *kv, int32_t sequence, int64_t position);
/* The position of every slot, −1: empty. [*low, *high) has changed since the last kv_stored_clean. */
const int32_t *kv_stored(const struct kv *kv, int64_t *low, int64_t *high);
void kv_stored_clean(struct kv *kv);

/* ---- moving a sequence ---- */

/* [layer][K then V][position][kv head][component] as f32; a forgotten position is zeros. The caller frees. */
enum status kv_export(struct kv *kv, int32_t sequence, float **out, size_t *n, struct error *err);
/* The inverse, into an empty sequence. INVALID: it is not empty, or n is not what positions take. */
enum status kv_import(struct kv *kv, int32_t sequence, const float *in, size_t n, int64_t positions,
                      struct error *err);
