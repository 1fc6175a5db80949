/* merge.h: byte-pair merging, the heart of both tokenizers: a row of symbols in which the best pair of
 * neighbours is joined until no pair can be. A queue makes it n log n, whatever the text. Private to
 * the tokenizers. */
#pragma once
#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

struct merge_node {
    int32_t start, length;  /* bytes of the text; length 0: joined to its left neighbour */
    int32_t symbol;         /* the maker's number, −1 allowed */
    int32_t previous, next; /* nodes, −1 at the ends */
};

struct merge_candidate {
    double priority; /* lowest first; the leftmost of equals */
    int32_t left, right, left_length, right_length, symbol;
};

/* Scratch of one encode call; reused over its words. Start with zeros. */
struct merge {
    struct merge_node *node;
    size_t n, node_capacity;
    struct merge_candidate *heap;
    size_t heap_n, heap_capacity;
};

/* The symbol that two neighbours join to, and its priority; −1: they do not. */
typedef int32_t merge_find(const void *context, const struct merge_node *left,
                           const struct merge_node *right, double *priority);

/* Begin a new row, memory kept; give the memory back. */
void merge_clear(struct merge *merge);
void merge_free(struct merge *merge);
/* Append a symbol to the row. */
enum status merge_add(struct merge *merge, int32_t start, int32_t length, int32_t symbol,
                      struct error *err);
/* Join until nothing joins; afterwards follow `next` from node 0. */
enum status merge_run(struct merge *merge, merge_find *find, const void *context,
                      struct error *err);
