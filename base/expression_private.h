/* expression_private.h: what the files of expressions share: the tree, a walk over it, what operators and functions
 * do. */
#pragma once
#include "base/expression.h"

/* Brackets and prefixes within each other; the tree's height, which long sums make too; loops within loops. */
enum { DEPTH_MOST = 64, HEIGHT_MOST = 1000, LOOPS_MOST = 4, NAME_BYTES = 64, ARGUMENTS_MOST = 16 };

enum node_kind {
    NODE_VALUE,
    NODE_NAME, /* what: its number; loops come behind the names */
    NODE_LIST,
    NODE_MINUS,
    NODE_NOT,
    NODE_BINARY,  /* what: ORDER operators */
    NODE_COMPARE, /* what: ORDER comparisons */
    NODE_AND,
    NODE_OR,
    NODE_IF, /* condition, then, else */
    NODE_INDEX,
    NODE_CALL, /* what: ORDER functions */
    NODE_EACH, /* what: number of its name; item, list, condition or none */
};
struct node {
    enum node_kind kind;
    int what, height;
    int first, n; /* kids: links[first] … */
    struct value value;
};

/* Items of lists: blocks, so that nothing moves. */
struct block {
    struct block *next;
    size_t used, n;
    struct value items[];
};
struct expression {
    char *text;
    char **names;
    int n_names;
    bool *is_read;
    struct node *nodes;
    int n_nodes, root;
    int *links;
    int n_links;
    char **words;
    size_t n_words;
    struct block *constants, *scratch;
};

/* One evaluation. */
struct run {
    struct expression *e;
    const struct value *values;
    struct value loops[LOOPS_MOST];
    struct block **room;
    size_t items, steps;
    struct error *err;
};

static inline bool is_number(const struct value *v) {
    return v->kind == VALUE_INT || v->kind == VALUE_REAL;
}

static inline double real_of(const struct value *v) {
    return v->kind == VALUE_INT ? (double)v->i : v->x;
}

/* Say what failed, with the text. */
enum status expression_fail(const struct run *r, const char *what);
/* Room for a list of n; NULL: one too many. */
struct value *expression_list(struct run *r, size_t n);
/* The tree below node `at`. */
enum status expression_walk(struct run *r, int at, struct value *out);

/* ---- what operators and functions do ---- */

enum arithmetic { DONE, TOO_LARGE, BY_ZERO, NEEDS_REAL, NEEDS_WHOLE };

/* Higher levels bind tighter. A text that another one begins with stands behind it. ORDER operators */
enum { POWER, FLOOR, TIMES, OVER, MODULO, PLUS, MINUS, OPERATORS = 12, TIGHTEST = 6 };
struct binary {
    const char *text;
    int level;
    enum arithmetic (*whole)(int64_t a, int64_t b, int64_t *c);
    enum arithmetic (*real)(double a, double b, double *c); /* NULL: none */
};
extern const struct binary expression_operators[OPERATORS];
enum status expression_apply(const struct run *r, int what, const struct value *a,
                             const struct value *b, struct value *out);

/* A text that another one begins with stands behind it; the last two are words. ORDER comparisons */
enum { LESS_EQUAL, GREATER_EQUAL, EQUAL, NOT_EQUAL, LESS, GREATER, IN, NOT_IN, COMPARISONS };
extern const char *const expression_comparisons[COMPARISONS];
enum status expression_compare(const struct run *r, int what, const struct value *a,
                               const struct value *b, struct value *out);

/* ORDER functions */
enum { FUNCTIONS = 10 };
struct function {
    const char *name;
    size_t fewest, most;
    enum status (*call)(struct run *r, const struct value *a, size_t n, struct value *out);
};
extern const struct function expression_functions[FUNCTIONS];
