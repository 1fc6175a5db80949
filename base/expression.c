/* expression.c: values, and the walk over the tree that evaluates an expression. */
#include "base/expression_private.h"
#include "base/str.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_ITEMS = 256 };

enum status expression_fail(const struct run *r, const char *what) {
    fail(r->err, STATUS_INVALID, "'%.200s': %s", r->e->text, what);
    return STATUS_INVALID;
}

/* ---- values ---- */

bool value_equal(const struct value *a, const struct value *b) {
    if (a->kind == VALUE_INT && b->kind == VALUE_INT) return a->i == b->i;
    if (is_number(a) && is_number(b)) return real_of(a) == real_of(b);
    if (a->kind != b->kind) return false;
    if (a->kind == VALUE_TEXT) return strcmp(a->text, b->text) == 0;
    bool is_equal = a->n == b->n;
    for (size_t i = 0; is_equal && i < a->n; i++)
        is_equal = value_equal(&a->items[i], &b->items[i]);
    return is_equal;
}

bool value_is_true(const struct value *v) {
    switch (v->kind) {
    case VALUE_INT: return v->i != 0;
    case VALUE_REAL: return v->x != 0;
    case VALUE_TEXT: return *v->text != 0;
    case VALUE_LIST: return v->n > 0;
    }
    return false;
}

static void blocks_free(struct block *block) {
    while (block) {
        struct block *next = block->next;
        free(block);
        block = next;
    }
}

/* Room for a list of n; NULL: one too many. */
struct value *expression_list(struct run *r, size_t n) {
    if (n > EXPRESSION_ITEMS || r->items + n > EXPRESSION_ITEMS) return NULL;
    struct block *block = *r->room;
    r->items += n;
    if (!block || block->n - block->used < n) {
        const size_t size = n > BLOCK_ITEMS ? n : BLOCK_ITEMS;
        block = memory_new(sizeof *block + size * sizeof *block->items);
        block->n = size;
        block->next = *r->room;
        *r->room = block;
    }
    struct value *items = block->items + block->used;
    block->used += n;
    return items;
}

/* ---- evaluation ---- */

static enum status evaluate_kid(struct run *r, int at, int i, struct value *out) {
    return expression_walk(r, r->e->links[r->e->nodes[at].first + i], out);
}

static enum status evaluate_list(struct run *r, int at, struct value *out) {
    const size_t n = (size_t)r->e->nodes[at].n;
    struct value *items = expression_list(r, n);
    if (!items) return expression_fail(r, "a list has too many items");
    enum status st = OK;
    for (size_t i = 0; st == OK && i < n; i++) st = evaluate_kid(r, at, (int)i, &items[i]);
    *out = (struct value){.kind = VALUE_LIST, .items = items, .n = n};
    return st;
}

static enum status evaluate_each(struct run *r, int at, struct value *out) {
    const struct node node = r->e->nodes[at];
    struct value list, holds = value_int(1), *items;
    size_t n = 0;
    enum status st = evaluate_kid(r, at, 1, &list);
    if (st != OK) return st;
    if (list.kind != VALUE_LIST) return expression_fail(r, "'for … in' wants a list");
    if (!(items = expression_list(r, list.n)))
        return expression_fail(r, "a list has too many items");
    for (size_t i = 0; st == OK && i < list.n; i++) {
        r->loops[node.what - r->e->n_names] = list.items[i];
        if (node.n > 2) st = evaluate_kid(r, at, 2, &holds);
        if (st == OK && value_is_true(&holds)) st = evaluate_kid(r, at, 0, &items[n++]);
    }
    *out = (struct value){.kind = VALUE_LIST, .items = items, .n = n};
    return st;
}

/* Negative places count from the end. */
static enum status evaluate_index(struct run *r, int at, struct value *out) {
    struct value list = value_int(0), place = value_int(0);
    enum status st = evaluate_kid(r, at, 0, &list);
    if (st == OK) st = evaluate_kid(r, at, 1, &place);
    if (st != OK) return st;
    if (list.kind != VALUE_LIST || place.kind != VALUE_INT)
        return expression_fail(r, "[…] wants a list and a place in it");
    const int64_t n = (int64_t)list.n, i = place.i < 0 && place.i >= -n ? place.i + n : place.i;
    if (i < 0 || i >= n) return expression_fail(r, "a list has no such place");
    *out = list.items[i];
    return OK;
}

static enum status evaluate_call(struct run *r, int at, struct value *out) {
    const struct node node = r->e->nodes[at];
    struct value arguments[ARGUMENTS_MOST];
    enum status st = OK;
    for (int i = 0; st == OK && i < node.n; i++) st = evaluate_kid(r, at, i, &arguments[i]);
    return st == OK ? expression_functions[node.what].call(r, arguments, (size_t)node.n, out) : st;
}

static enum status evaluate_pair(struct run *r, int at, struct value *out) {
    const struct node node = r->e->nodes[at];
    struct value a, b;
    enum status st = evaluate_kid(r, at, 0, &a);
    if (st == OK) st = evaluate_kid(r, at, 1, &b);
    if (st != OK) return st;
    return node.kind == NODE_COMPARE ? expression_compare(r, node.what, &a, &b, out)
                                     : expression_apply(r, node.what, &a, &b, out);
}

enum status expression_walk(struct run *r, int at, struct value *out) {
    const struct node node = r->e->nodes[at];
    const struct value zero = value_int(0);
    struct value a = zero;
    *out = zero;
    if (r->steps++ == EXPRESSION_STEPS) return expression_fail(r, "it takes too many steps");
    if (node.kind == NODE_VALUE) {
        *out = node.value;
        return OK;
    }
    if (node.kind == NODE_NAME) {
        *out =
            node.what < r->e->n_names ? r->values[node.what] : r->loops[node.what - r->e->n_names];
        return OK;
    }
    switch (node.kind) {
    case NODE_LIST: return evaluate_list(r, at, out);
    case NODE_EACH: return evaluate_each(r, at, out);
    case NODE_INDEX: return evaluate_index(r, at, out);
    case NODE_CALL: return evaluate_call(r, at, out);
    case NODE_BINARY:
    case NODE_COMPARE: return evaluate_pair(r, at, out);
    default: break;
    }
    const enum status st = evaluate_kid(r, at, 0, &a);
    if (st != OK) return st;
    const bool is_true = value_is_true(&a);
    *out = a;
    switch (node.kind) {
    case NODE_MINUS: return expression_apply(r, MINUS, &zero, &a, out);
    case NODE_NOT: *out = value_int(!is_true); return OK;
    case NODE_AND: return is_true ? evaluate_kid(r, at, 1, out) : OK;
    case NODE_OR: return is_true ? OK : evaluate_kid(r, at, 1, out);
    default: return evaluate_kid(r, at, is_true ? 1 : 2, out);
    }
}

enum status expression_evaluate(struct expression *e, const struct value *values, struct value *out,
                                struct error *err) {
    struct run run = {.e = e, .values = values, .room = &e->scratch, .err = err};
    if (e->scratch) {
        blocks_free(e->scratch->next);
        e->scratch->next = NULL;
        e->scratch->used = 0;
    }
    return expression_walk(&run, e->root, out);
}

bool expression_holds(struct expression *expression, const struct value *values) {
    struct value value;
    struct error ignored = {0};
    return expression_evaluate(expression, values, &value, &ignored) == OK && value_is_true(&value);
}

enum status expression_int(struct expression *expression, const struct value *values, int64_t low,
                           int64_t high, int64_t *out, struct error *err) {
    struct value value;
    const enum status st = expression_evaluate(expression, values, &value, err);
    if (st != OK) return st;
    if (value.kind == VALUE_REAL && value.x == floor(value.x) && fabs(value.x) < 0x1p62)
        value = value_int((int64_t)value.x);
    if (value.kind != VALUE_INT)
        return fail(err, STATUS_INVALID, "'%.200s' is no whole number", expression->text);
    if (value.i < low || value.i > high)
        return fail(err, STATUS_INVALID, "'%.200s' is %lld, not within %lld and %lld",
                    expression->text, (long long)value.i, (long long)low, (long long)high);
    *out = value.i;
    return OK;
}

void expression_close(struct expression *e) {
    if (!e) return;
    for (int i = 0; i < e->n_names; i++) free(e->names[i]);
    for (size_t i = 0; i < e->n_words; i++) free(e->words[i]);
    blocks_free(e->constants);
    blocks_free(e->scratch);
    free(e->words);
    free(e->names);
    free(e->is_read);
    free(e->nodes);
    free(e->links);
    free(e->text);
    free(e);
}

bool expression_reads(const struct expression *expression, int i) {
    return i >= 0 && i < expression->n_names && expression->is_read[i];
}
