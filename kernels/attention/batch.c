/* batch.c: the batch that a problem stands for; see attention.h. */
#include "kernels/attention/attention.h"

enum { SHORT_LENGTH = 5 };
/* A holey sequence forgets every seventh position, and a whole block when it has several. */
enum {
    HOLES_PERIOD = 7,
    HOLES_PHASE = 3,
    FORGOTTEN_BLOCK = 1,
    FORGETS_BLOCKS_FROM = 3 * POOL_BLOCK
};

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Rows of the dense sequences. */
static int64_t dense_rows(const struct problem *p) {
    const int64_t n = p->value[F_N];
    return n - (n >= 2) - (n >= 3);
}

static int64_t dense_parts(const struct problem *p) {
    return (int64_t)ceil_div((size_t)dense_rows(p), (size_t)p->value[F_L]);
}

int64_t attention_parts(const struct problem *p) {
    return dense_parts(p) + (p->value[F_N] >= 2) + (p->value[F_N] >= 3);
}

/* Entries of the table for each part: its blocks, and one behind them that no row counts. */
static int64_t table_stride(const struct problem *p) {
    return (int64_t)ceil_div((size_t)p->value[F_L], POOL_BLOCK) + 1;
}

struct part attention_part(const struct problem *p, int64_t number) {
    const int64_t l = p->value[F_L], n = p->value[F_N];
    const int64_t dense = number - (n >= 2);
    struct part part = {.length = l, .rows = 1, .position = l - 1, .kind = PART_DENSE};
    if (dense < 0) {
        part.kind = PART_HOLEY;
        part.position = l > 1 ? l - 2 : 0;
    } else if (dense < dense_parts(p)) {
        part.rows = least(l, dense_rows(p) - dense * l);
        part.position = l - part.rows;
    } else {
        part.kind = PART_SHORT;
        part.length = least(l, SHORT_LENGTH);
        part.position = part.length - 1;
    }
    part.table = number * table_stride(p);
    part.blocks = (int64_t)ceil_div((size_t)part.length, POOL_BLOCK);
    return part;
}

bool attention_is_hole(const struct part *part, int64_t position) {
    if (position >= part->position) return false;
    if (part->kind == PART_DENSE) return position == part->length / 2;
    if (part->kind == PART_SHORT) return false;
    return position % HOLES_PERIOD == HOLES_PHASE ||
           (part->length >= FORGETS_BLOCKS_FROM && position / POOL_BLOCK == FORGOTTEN_BLOCK);
}

int64_t attention_table_size(const struct problem *p) {
    return attention_parts(p) * table_stride(p);
}

int64_t attention_blocks(const struct problem *p) {
    return attention_table_size(p) + 1;
}
