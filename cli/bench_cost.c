/* bench_cost.c: which tests of a model there are, and what they read and compute. See bench.h. */
#include "base/str.h"
#include "base/units.h"
#include "cli/bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS_MOST = 32, TOKENS_MOST = 1 << 20 };
static const char NONE[] = "none";

struct numbers {
    int value[NUMBERS_MOST];
    size_t n;
};

/* "512,1024", or "none". */
static enum status read_list(const char *option, const char *text, int least, struct numbers *list,
                             struct error *err) {
    char *copy = text_copy(text), *rest = copy;
    enum status status = OK;
    list->n = 0;
    if (!strcmp(text, NONE)) rest = NULL;
    for (char *one; status == OK && (one = strsep(&rest, ","));) {
        int64_t value;
        struct error why;
        if (list->n == NUMBERS_MOST)
            status = fail(err, STATUS_USAGE, "hone bench: --%s takes %d numbers at most", option,
                          NUMBERS_MOST);
        else if (units_parse_int(one, least, TOKENS_MOST, &value, &why) != OK)
            status = fail(err, STATUS_USAGE, "hone bench: --%s: %s", option, why.text);
        else list->value[list->n++] = (int)value;
    }
    free(copy);
    return status;
}

struct test_list {
    struct model_test *items;
    size_t n;
};

static void add(struct test_list *list, int pp, int tg, int depth) {
    list->items = memory_grow(list->items, (list->n + 1) * sizeof *list->items);
    struct model_test *test = &list->items[list->n++];
    *test = (struct model_test){.pp = pp, .tg = tg, .depth = depth};
    int at = 0;
    if (pp) at = snprintf(test->name, sizeof test->name, "pp%d", pp);
    if (tg)
        at +=
            snprintf(test->name + at, sizeof test->name - (size_t)at, "%stg%d", pp ? "+" : "", tg);
    if (depth) snprintf(test->name + at, sizeof test->name - (size_t)at, " @ d%d", depth);
}

static enum status add_pair(struct test_list *list, const char *text, int depth,
                            struct error *err) {
    struct numbers pair;
    const enum status status = read_list("pg", text, 1, &pair, err);
    if (status != OK) return status;
    if (pair.n != 2)
        return fail(err, STATUS_USAGE, "hone bench: --pg is PROMPT,GENERATED as 512,128, not '%s'",
                    text);
    add(list, pair.value[0], pair.value[1], depth);
    return OK;
}

enum status tests_parse(const struct bench_choices *o, struct model_test **tests, size_t *n,
                        struct error *err) {
    struct numbers pp = {0}, tg = {0}, depth = {0};
    struct test_list list = {0};
    enum status status = read_list("pp", o->pp ? o->pp : "512", 1, &pp, err);
    if (status == OK) status = read_list("tg", o->tg ? o->tg : "128", 1, &tg, err);
    if (status == OK) status = read_list("depth", o->depth ? o->depth : "0", 0, &depth, err);
    for (size_t d = 0; status == OK && d < depth.n; d++) {
        for (size_t i = 0; i < pp.n; i++) add(&list, pp.value[i], 0, depth.value[d]);
        for (size_t i = 0; i < tg.n; i++) add(&list, 0, tg.value[i], depth.value[d]);
        for (char **pair = o->pg; status == OK && pair && *pair; pair++)
            status = add_pair(&list, *pair, depth.value[d], err);
    }
    if (status == OK && list.n == 0)
        status = fail(err, STATUS_USAGE,
                      "hone bench: no test is left; name one with --pp, --tg or --pg");
    if (status != OK) {
        free(list.items);
        list = (struct test_list){0};
    }
    *tests = list.items;
    *n = list.n;
    return status;
}

int tests_positions(const struct model_test *tests, size_t n) {
    int most = 0;
    for (size_t i = 0; i < n; i++) {
        const int here = tests[i].depth + tests[i].pp + tests[i].tg + 1;
        if (here > most) most = here;
    }
    return most;
}

void test_cost(struct model_test *test, const struct engine_model_facts *model, int rows,
               double kv_position_bytes) {
    const double attention =
        4.0 * (double)(model->n_layers * model->n_heads * model->head_size); /* per position */
    double position = test->depth;
    test->bytes = test->operations = 0;
    for (int done = 0; done < test->pp + test->tg;) {
        const int left = test->pp - done;
        const int n = left <= 0 ? 1 : left < rows ? left : rows;
        const bool is_answered = left <= n;
        const double seen = n * position + (double)n * (n + 1) / 2; /* positions, over all rows */
        test->bytes += model->layer_bytes + is_answered * model->head_bytes +
                       n * model->embedding_row_bytes + (position + n) * kv_position_bytes;
        test->operations += 2.0 * ((double)n * (double)model->layer_weights +
                                   is_answered * (double)model->head_weights) +
                            attention * seen;
        position += n;
        done += n;
    }
}
