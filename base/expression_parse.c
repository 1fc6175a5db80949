/* expression_parse.c: a parser by recursive descent that makes the tree.
 *
 *     test    = or ["if" or "else" test]
 *     or      = and {"or" and}          and = not {"and" not}         not = "not" not | compare
 *     compare = sum {("<" | … | "in" | "not" "in") sum}               sum: the operators' table
 *     unary   = ("-" | "+") unary | power        power = item ["**" unary]
 *     item    = (number | word | name | call | "(" list ")" | "[" list | each "]") {"[" test "]"}
 *     each    = test "for" name "in" or ["if" or]
 *
 * What depends on no name is evaluated once, when it is read: a list of a thousand tuples costs a look-up. */
#include "base/expression_private.h"
#include "base/str.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    struct expression *e;
    const char *at;
    char loops[LOOPS_MOST][NAME_BYTES];
    int n_loops, depth;
    struct error *err;
};

static enum status fail_at(const struct parser *p, const char *what) {
    fail(p->err, STATUS_INVALID, "'%.200s': %s at place %zu", p->e->text, what,
         (size_t)(p->at - p->e->text) + 1);
    return STATUS_INVALID;
}

static void skip_space(struct parser *p) {
    while (isspace((unsigned char)*p->at)) p->at++;
}

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

/* Take a mark such as "(", or a word such as "and". */
static bool take(struct parser *p, const char *text) {
    const size_t n = strlen(text);
    skip_space(p);
    if (strncmp(p->at, text, n) != 0 || (is_word(*text) && is_word(p->at[n]))) return false;
    p->at += n;
    return true;
}

static bool is_constant(const struct expression *e, int node) {
    return e->nodes[node].kind == NODE_VALUE;
}

/* A node whose kids are all constants becomes one, unless it fails: then it fails when it is reached. */
static void fold(const struct parser *p, int at) {
    struct expression *e = p->e;
    const struct node *node = &e->nodes[at];
    struct error ignored = {0};
    struct run run = {.e = e, .room = &e->constants, .err = &ignored};
    struct value value;
    if (node->kind == NODE_VALUE || node->kind == NODE_NAME || node->kind == NODE_EACH) return;
    for (int i = 0; i < node->n; i++)
        if (!is_constant(e, e->links[node->first + i])) return;
    if (expression_walk(&run, at, &value) == OK)
        e->nodes[at] = (struct node){.kind = NODE_VALUE, .height = 1, .value = value};
}

static enum status node_new(struct parser *p, struct node node, const int *kids, int n, int *out) {
    struct expression *e = p->e;
    node.first = e->n_links;
    node.n = n;
    node.height = 1;
    e->links = memory_grow(e->links, (size_t)(e->n_links + n + 1) * sizeof *e->links);
    for (int i = 0; i < n; i++) {
        const int height = e->nodes[kids[i]].height + 1;
        if (height > node.height) node.height = height;
        e->links[e->n_links++] = kids[i];
    }
    if (node.height > HEIGHT_MOST) return fail_at(p, "it is too long a chain");
    e->nodes = memory_grow(e->nodes, (size_t)(e->n_nodes + 1) * sizeof *e->nodes);
    e->nodes[e->n_nodes] = node;
    *out = e->n_nodes++;
    fold(p, *out);
    return OK;
}

static enum status parse_test(struct parser *p, int *out);
static enum status parse_unary(struct parser *p, int *out);
static enum status parse_or(struct parser *p, int *out);

static enum status parse_number(struct parser *p, int *out) {
    struct node node = {.kind = NODE_VALUE};
    const size_t digits = strspn(p->at, "0123456789");
    const bool is_hex = p->at[0] == '0' && (p->at[1] == 'x' || p->at[1] == 'X');
    char *end = NULL;
    if (is_hex || !strchr(".eE", p->at[digits]) || p->at[digits] == 0) {
        unsigned long long whole = 0;
        const char *from = is_hex ? p->at + 2 : p->at;
        const char *known = is_hex ? "0123456789abcdefABCDEF" : "0123456789";
        const size_t n = strspn(from, known);
        if (n > 0 && n < 20) whole = strtoull(from, &end, is_hex ? 16 : 10);
        if (n == 0 || n >= 20 || whole > INT64_MAX) return fail_at(p, "a number that is too large");
        node.value = value_int((int64_t)whole);
    } else {
        const double x = strtod(p->at, &end);
        if (end == p->at || !isfinite(x)) return fail_at(p, "what is no number");
        node.value = value_real(x);
    }
    p->at = end;
    if (is_word(*p->at)) return fail_at(p, "what is no number");
    return node_new(p, node, NULL, 0, out);
}

/* Between quotes, without escapes. */
static enum status parse_word(struct parser *p, int *out) {
    const char quote = *p->at, *from = p->at + 1, *end = strchr(from, quote);
    if (!end) return fail_at(p, "a word without an end");
    if (memchr(from, '\\', (size_t)(end - from))) return fail_at(p, "a word with a backslash");
    char *word = text_format("%.*s", (int)(end - from), from);
    p->e->words = memory_grow(p->e->words, (p->e->n_words + 1) * sizeof *p->e->words);
    p->e->words[p->e->n_words++] = word;
    p->at = end + 1;
    return node_new(p, (struct node){.kind = NODE_VALUE, .value = value_text(word)}, NULL, 0, out);
}

/* Items up to the closing mark: *n_kids of *kids, which the caller frees; *has_comma: one stood behind the last. */
static enum status parse_items(struct parser *p, const char *close, int **kids, int *n_kids,
                               bool *has_comma) {
    *kids = NULL;
    *n_kids = 0;
    *has_comma = false;
    while (!take(p, close)) {
        if (*n_kids > 0 && !*has_comma) return fail_at(p, "a comma or a bracket is missing");
        *kids = memory_grow(*kids, (size_t)(*n_kids + 1) * sizeof **kids);
        const enum status st = parse_test(p, &(*kids)[*n_kids]);
        if (st != OK) return st;
        ++*n_kids;
        *has_comma = take(p, ",");
    }
    return OK;
}

static int find_function(const char *name) {
    for (int i = 0; i < FUNCTIONS; i++)
        if (strcmp(expression_functions[i].name, name) == 0) return i;
    return -1;
}

static enum status parse_call(struct parser *p, const char *name, int *out) {
    const int what = find_function(name);
    int *kids = NULL, n = 0;
    bool has_comma;
    if (what < 0) return fail_at(p, "a call of an unknown function");
    enum status st = parse_items(p, ")", &kids, &n, &has_comma);
    if (st == OK && ((size_t)n < expression_functions[what].fewest ||
                     (size_t)n > expression_functions[what].most))
        st = fail_at(p, "a call with too few or too many arguments");
    if (st == OK) st = node_new(p, (struct node){.kind = NODE_CALL, .what = what}, kids, n, out);
    free(kids);
    return st;
}

/* The names of loops hide those outside. −1: unknown. */
static int find_name(const struct parser *p, const char *name) {
    for (int i = p->n_loops - 1; i >= 0; i--)
        if (strcmp(p->loops[i], name) == 0) return p->e->n_names + i;
    for (int i = 0; i < p->e->n_names; i++)
        if (strcmp(p->e->names[i], name) == 0) return i;
    return -1;
}

static bool take_name(struct parser *p, char name[NAME_BYTES]) {
    size_t n = 0;
    skip_space(p);
    if (!is_word(*p->at) || isdigit((unsigned char)*p->at)) return false;
    while (is_word(p->at[n])) n++;
    if (n >= NAME_BYTES) return false;
    memcpy(name, p->at, n);
    name[n] = 0;
    p->at += n;
    return true;
}

static enum status parse_name(struct parser *p, int *out) {
    static const struct {
        const char *name;
        int value;
    } truths[] = {{"True", 1}, {"False", 0}};
    char name[NAME_BYTES];
    const char *from = p->at;
    if (!take_name(p, name)) return fail_at(p, "what is neither a number nor a name");
    if (take(p, "(")) return parse_call(p, name, out);
    const int what = find_name(p, name);
    if (what >= 0) {
        if (what < p->e->n_names) p->e->is_read[what] = true;
        return node_new(p, (struct node){.kind = NODE_NAME, .what = what}, NULL, 0, out);
    }
    for (size_t i = 0; i < sizeof truths / sizeof *truths; i++)
        if (strcmp(name, truths[i].name) == 0)
            return node_new(p,
                            (struct node){.kind = NODE_VALUE, .value = value_int(truths[i].value)},
                            NULL, 0, out);
    p->at = from;
    return fail_at(p, "an unknown name");
}

/* Is there a "for" before the bracket closes? Then what follows it is the loop's name. */
static const char *find_for(const char *at) {
    int depth = 0;
    for (char quote = 0; *at; at++) {
        if (quote) quote = *at == quote ? 0 : quote;
        else if (*at == '\'' || *at == '"') quote = *at;
        else if (strchr("([", *at)) depth++;
        else if (strchr(")]", *at) && depth-- == 0) return NULL;
        else if (depth == 0 && strncmp(at, "for", 3) == 0 && !is_word(at[-1]) && !is_word(at[3]))
            return at + 3;
    }
    return NULL;
}

static enum status parse_each(struct parser *p, const char *behind_for, int *out) {
    const char *from = p->at;
    struct node node = {.kind = NODE_EACH, .what = p->e->n_names + p->n_loops};
    int kids[3] = {0}, n = 2;
    if (p->n_loops == LOOPS_MOST) return fail_at(p, "too many loops within each other");
    p->at = behind_for;
    if (!take_name(p, p->loops[p->n_loops])) return fail_at(p, "no name behind 'for'");
    p->n_loops++;
    p->at = from;
    enum status st = parse_test(p, &kids[0]);
    if (st == OK && (!take(p, "for") || p->at != behind_for)) st = fail_at(p, "no 'for'");
    if (st == OK && (!take(p, p->loops[p->n_loops - 1]) || !take(p, "in")))
        st = fail_at(p, "no 'in' behind the name of a loop");
    if (st == OK) st = parse_or(p, &kids[1]);
    if (st == OK && take(p, "if")) {
        n = 3;
        st = parse_or(p, &kids[2]);
    }
    if (st == OK && !take(p, "]")) st = fail_at(p, "no ']' behind a loop");
    p->n_loops--;
    return st == OK ? node_new(p, node, kids, n, out) : st;
}

/* A list or, in round brackets, a tuple (one item and no comma: only brackets). */
static enum status parse_brackets(struct parser *p, int *out) {
    const bool is_round = *p->at++ == '(';
    const char *behind_for = is_round ? NULL : find_for(p->at);
    int *kids = NULL, n = 0;
    bool has_comma;
    if (behind_for) return parse_each(p, behind_for, out);
    enum status st = parse_items(p, is_round ? ")" : "]", &kids, &n, &has_comma);
    if (st == OK && is_round && n == 1 && !has_comma) *out = kids[0];
    else if (st == OK) st = node_new(p, (struct node){.kind = NODE_LIST}, kids, n, out);
    free(kids);
    return st;
}

static enum status parse_item(struct parser *p, int *out) {
    skip_space(p);
    const char c = *p->at;
    enum status st = c == '(' || c == '['                    ? parse_brackets(p, out)
                     : c == '"' || c == '\''                 ? parse_word(p, out)
                     : isdigit((unsigned char)c) || c == '.' ? parse_number(p, out)
                                                             : parse_name(p, out);
    while (st == OK && take(p, "[")) {
        int kids[2] = {*out};
        st = parse_test(p, &kids[1]);
        if (st == OK && !take(p, "]")) st = fail_at(p, "no ']' behind a place");
        if (st == OK) st = node_new(p, (struct node){.kind = NODE_INDEX}, kids, 2, out);
    }
    return st;
}

static enum status parse_power(struct parser *p, int *out) {
    int kids[2] = {0};
    enum status st = parse_item(p, out);
    if (st != OK || !take(p, expression_operators[POWER].text)) return st;
    kids[0] = *out;
    st = parse_unary(p, &kids[1]);
    return st == OK ? node_new(p, (struct node){.kind = NODE_BINARY, .what = POWER}, kids, 2, out)
                    : st;
}

static enum status parse_unary(struct parser *p, int *out) {
    if (p->depth++ == DEPTH_MOST) return fail_at(p, "too many brackets or signs within each other");
    enum status st;
    if (take(p, "+")) {
        st = parse_unary(p, out);
    } else if (take(p, "-")) {
        int kid = 0;
        st = parse_unary(p, &kid);
        if (st == OK) st = node_new(p, (struct node){.kind = NODE_MINUS}, &kid, 1, out);
    } else {
        st = parse_power(p, out);
    }
    p->depth--;
    return st;
}

/* The operator of this level that stands here, taken; −1: none. */
static int take_operator(struct parser *p, int level) {
    skip_space(p);
    for (int i = POWER + 1; i < OPERATORS; i++) {
        const size_t n = strlen(expression_operators[i].text);
        if (strncmp(p->at, expression_operators[i].text, n) != 0) continue;
        if (expression_operators[i].level != level) return -1;
        p->at += n;
        return i;
    }
    return -1;
}

static enum status parse_level(struct parser *p, int level, int *out) {
    if (level > TIGHTEST) return parse_unary(p, out);
    enum status st = parse_level(p, level + 1, out);
    for (int what; st == OK && (what = take_operator(p, level)) >= 0;) {
        int kids[2] = {*out};
        st = parse_level(p, level + 1, &kids[1]);
        if (st == OK)
            st = node_new(p, (struct node){.kind = NODE_BINARY, .what = what}, kids, 2, out);
    }
    return st;
}

/* −1: none. */
static int take_comparison(struct parser *p) {
    skip_space(p);
    if (strncmp(p->at, "<<", 2) == 0 || strncmp(p->at, ">>", 2) == 0) return -1;
    for (int i = 0; i < COMPARISONS; i++)
        if (take(p, expression_comparisons[i])) return i;
    return -1;
}

/* a < b < c is a < b and b < c. */
static enum status parse_compare(struct parser *p, int *out) {
    int kids[2] = {0}, both[2] = {0};
    bool is_chain = false;
    enum status st = parse_level(p, 1, &kids[0]);
    *out = kids[0];
    for (int what; st == OK && (what = take_comparison(p)) >= 0; is_chain = true) {
        if (what == NOT_IN && !take(p, "in")) return fail_at(p, "'not' without 'in'");
        st = parse_level(p, 1, &kids[1]);
        both[0] = *out;
        if (st == OK)
            st = node_new(p, (struct node){.kind = NODE_COMPARE, .what = what}, kids, 2, &both[1]);
        *out = both[1];
        if (st == OK && is_chain) st = node_new(p, (struct node){.kind = NODE_AND}, both, 2, out);
        kids[0] = kids[1];
    }
    return st;
}

static enum status parse_not(struct parser *p, int *out) {
    if (!take(p, "not")) return parse_compare(p, out);
    if (p->depth++ == DEPTH_MOST) return fail_at(p, "too many brackets or signs within each other");
    int kid = 0;
    const enum status st = parse_not(p, &kid);
    p->depth--;
    return st == OK ? node_new(p, (struct node){.kind = NODE_NOT}, &kid, 1, out) : st;
}

static enum status parse_and(struct parser *p, int *out) {
    enum status st = parse_not(p, out);
    while (st == OK && take(p, "and")) {
        int kids[2] = {*out};
        st = parse_not(p, &kids[1]);
        if (st == OK) st = node_new(p, (struct node){.kind = NODE_AND}, kids, 2, out);
    }
    return st;
}

static enum status parse_or(struct parser *p, int *out) {
    enum status st = parse_and(p, out);
    while (st == OK && take(p, "or")) {
        int kids[2] = {*out};
        st = parse_and(p, &kids[1]);
        if (st == OK) st = node_new(p, (struct node){.kind = NODE_OR}, kids, 2, out);
    }
    return st;
}

static enum status parse_test(struct parser *p, int *out) {
    int kids[3] = {0};
    if (p->depth++ == DEPTH_MOST) return fail_at(p, "too many brackets or signs within each other");
    enum status st = parse_or(p, out);
    if (st == OK && take(p, "if")) {
        kids[1] = *out;
        st = parse_or(p, &kids[0]);
        if (st == OK && !take(p, "else")) st = fail_at(p, "'if' without 'else'");
        if (st == OK) st = parse_test(p, &kids[2]);
        if (st == OK) st = node_new(p, (struct node){.kind = NODE_IF}, kids, 3, out);
    }
    p->depth--;
    return st;
}

static void copy_names(struct expression *e, const char *const *names) {
    while (names[e->n_names]) e->n_names++;
    e->names = memory_new((size_t)(e->n_names + 1) * sizeof *e->names);
    e->is_read = memory_new((size_t)(e->n_names + 1) * sizeof *e->is_read);
    for (int i = 0; i < e->n_names; i++) e->names[i] = text_copy(names[i]);
}

enum status expression_parse(const char *text, const char *const *names, struct expression **out,
                             struct error *err) {
    *out = NULL;
    if (strlen(text) > EXPRESSION_BYTES)
        return fail(err, STATUS_INVALID, "'%.40s…': an expression of %zu bytes, more than %d", text,
                    strlen(text), EXPRESSION_BYTES);
    struct expression *e = memory_new(sizeof *e);
    e->text = text_copy(text);
    copy_names(e, names);
    struct parser p = {.e = e, .at = e->text, .err = err};
    enum status st = parse_test(&p, &e->root);
    skip_space(&p);
    if (st == OK && *p.at) st = fail_at(&p, "more than an expression");
    if (st == OK) *out = e;
    else expression_close(e);
    return st;
}
