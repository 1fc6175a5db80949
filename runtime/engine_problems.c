/* engine_problems.c: the problems that running a model takes, for tuning: what its plan lists at the N of
 * decode and of prefill, and the unfused forms beside the fused ones, so that the choice between them is
 * fair. */
#include "base/str.h"
#include "runtime/engine.h"
#include "runtime/engine_model.h"
#include "runtime/plan.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows of a batch that are worth tuning for: decode, and a whole batch of a prompt (max_rows). */
static const int64_t rows_tuned[] = {1, INT64_MAX};
enum { ROWS_TUNED = sizeof rows_tuned / sizeof *rows_tuned };
/* Between them lie the ends of prompts and what several sequences ask together: what is best for decode and for
 * prefill is measured there, so that it is known which of them serves. */
static const int64_t rows_between[] = {4, 16, 64};
enum { ROWS_BETWEEN = sizeof rows_between / sizeof *rows_between };

struct list {
    struct engine_problem *item;
    size_t n;
};

static void add(struct list *list, const struct problem *problem, double weight) {
    struct engine_problem one = {"", "", "", weight};
    snprintf(one.family, sizeof one.family, "%s", problem->family->name);
    snprintf(one.class_name, sizeof one.class_name, "%s", class_names[problem->class]);
    problem_format(problem, one.problem);
    for (size_t i = 0; i < list->n; i++)
        if (!strcmp(list->item[i].family, one.family) &&
            !strcmp(list->item[i].problem, one.problem) &&
            !strcmp(list->item[i].class_name, one.class_name)) {
            list->item[i].weight += weight;
            return;
        }
    list->item = memory_grow(list->item, (list->n + 1) * sizeof *list->item);
    list->item[list->n++] = one;
}

/* The plan's steps at n rows. The head answers for one row, whatever the batch. A step at N rows runs
 * once for N tokens. */
static void add_steps(struct list *list, const struct plan *plan, int64_t n) {
    const double weight = 1 / (double)n;
    for (size_t i = 0; i < plan->n_steps; i++) {
        struct problem problem = plan->steps[i].problem;
        if (plan->steps[i].is_head && n > 1) continue;
        problem_set(&problem, "n", n);
        add(list, &problem, weight);
    }
    if (n == 1) add(list, &plan->best, weight);
}

/* The multiplications at n rows, without weight. */
static void add_between(struct list *list, const struct plan *plan, int64_t n) {
    for (size_t i = 0; i < plan->n_steps; i++) {
        struct problem problem = plan->steps[i].problem;
        if (plan->steps[i].is_head || !step_is_matrix(&plan->steps[i])) continue;
        problem_set(&problem, "n", n);
        add(list, &problem, 0);
    }
}

enum status engine_model_problems(const struct engine_model *engine_model, const char *class_name,
                                  int64_t max_rows, struct engine_problem **out, size_t *n,
                                  struct error *err) {
    const struct model *model = engine_model_get(engine_model);
    const int class = class_find(class_name);
    struct list list = {NULL, 0};
    *out = NULL;
    *n = 0;
    char all[64];
    class_list(all);
    if (class < 0 || !class_has_kernels((enum class_id) class))
        return fail(err, STATUS_USAGE, "a model runs in class %s, not '%s'", all, class_name);
    enum status st = OK;
    for (int fused = 1; st == OK && fused >= 0; fused--) {
        const struct plan_options options = {.class = (enum class_id) class,
                                             .choice = fused ? plan_choice_fused()
                                                             : (struct plan_choice){0},
                                             .last_layer = model->n_layers};
        struct plan *plan;
        if ((st = plan_open(model, &options, &plan, err)) != OK) break;
        for (int i = 0; i < ROWS_TUNED; i++) {
            const int64_t rows = rows_tuned[i] < max_rows ? rows_tuned[i] : max_rows;
            add_steps(&list, plan, rows);
        }
        for (int i = 0; i < ROWS_BETWEEN && rows_between[i] < max_rows; i++)
            add_between(&list, plan, rows_between[i]);
        plan_close(plan);
    }
    if (st != OK) {
        free(list.item);
        return st;
    }
    *out = list.item;
    *n = list.n;
    return OK;
}
