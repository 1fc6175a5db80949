/* merge.c: see merge.h. Candidates are not removed from the queue when a neighbour changes; they are
 * recognised as stale when they come up, because lengths only grow. */
#include "runtime/merge.h"
#include <stdbool.h>
#include <stdlib.h>

void merge_clear(struct merge *merge) {
    merge->n = merge->heap_n = 0;
}

void merge_free(struct merge *merge) {
    free(merge->node);
    free(merge->heap);
    *merge = (struct merge){0};
}

/* Room for one more of `size` bytes each. */
static void *with_room(void *array, size_t n, size_t *capacity, size_t size, struct error *err) {
    if (n < *capacity) return array;
    const size_t wanted = *capacity ? 2 * *capacity : 64;
    void *grown = realloc(array, wanted * size);
    if (!grown) fail(err, STATUS_NOMEM, "encoding a text: no memory for %zu symbols", wanted);
    else *capacity = wanted;
    return grown;
}

enum status merge_add(struct merge *merge, int32_t start, int32_t length, int32_t symbol,
                      struct error *err) {
    struct merge_node *node =
        with_room(merge->node, merge->n, &merge->node_capacity, sizeof *node, err);
    if (!node) return STATUS_NOMEM;
    merge->node = node;
    const int32_t i = (int32_t)merge->n++;
    node[i] = (struct merge_node){start, length, symbol, i - 1, -1};
    if (i) node[i - 1].next = i;
    return OK;
}

static bool before(const struct merge_candidate *a, const struct merge_candidate *b) {
    return a->priority < b->priority || (a->priority == b->priority && a->left < b->left);
}

static enum status heap_push(struct merge *merge, struct merge_candidate candidate,
                             struct error *err) {
    struct merge_candidate *heap =
        with_room(merge->heap, merge->heap_n, &merge->heap_capacity, sizeof *heap, err);
    if (!heap) return STATUS_NOMEM;
    merge->heap = heap;
    size_t i = merge->heap_n++;
    for (; i && before(&candidate, &heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = candidate;
    return OK;
}

static struct merge_candidate heap_pop(struct merge *merge) {
    struct merge_candidate *heap = merge->heap;
    const struct merge_candidate top = heap[0], last = heap[--merge->heap_n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < merge->heap_n; i = child) {
        if (child + 1 < merge->heap_n && before(&heap[child + 1], &heap[child])) child++;
        if (!before(&heap[child], &last)) break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return top;
}

static enum status consider(struct merge *merge, int32_t left, merge_find *find,
                            const void *context, struct error *err) {
    const int32_t right = left < 0 ? -1 : merge->node[left].next;
    if (right < 0) return OK;
    const struct merge_node *l = &merge->node[left], *r = &merge->node[right];
    double priority = 0;
    const int32_t symbol = find(context, l, r, &priority);
    if (symbol < 0) return OK;
    return heap_push(
        merge, (struct merge_candidate){priority, left, right, l->length, r->length, symbol}, err);
}

enum status merge_run(struct merge *merge, merge_find *find, const void *context,
                      struct error *err) {
    enum status status = OK;
    for (size_t i = 0; status == OK && i + 1 < merge->n; i++)
        status = consider(merge, (int32_t)i, find, context, err);
    while (status == OK && merge->heap_n) {
        const struct merge_candidate c = heap_pop(merge);
        struct merge_node *l = &merge->node[c.left], *r = &merge->node[c.right];
        if (l->length != c.left_length || r->length != c.right_length || l->next != c.right)
            continue;
        l->length += r->length;
        l->symbol = c.symbol;
        l->next = r->next;
        if (r->next >= 0) merge->node[r->next].previous = c.left;
        r->length = 0;
        status = consider(merge, l->previous, find, context, err);
        if (status == OK) status = consider(merge, c.left, find, context, err);
    }
    return status;
}
