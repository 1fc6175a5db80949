/* problems.c: see problems.h. */
#include "cli/problems.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/units.h"
#include "runtime/engine.h"
#include <stdlib.h>
#include <string.h>

static const char default_family[] = "gemv_q4,gemm,gemm_q4";
static const char default_problem[] = "m=12288,k=4096,n=1..256*2";

static enum status find_class(const char *name, enum class_id *class, struct error *err) {
    const int found = class_find(name);
    char all[64];
    class_list(all);
    if (found < 0 || !class_has_kernels((enum class_id)found))
        return fail(err, STATUS_USAGE, "there are no kernels for class '%s': there are for %s",
                    name, all);
    *class = (enum class_id)found;
    return OK;
}

static enum status find_slice(const char *name, const struct slice **slice, struct error *err) {
    if ((*slice = slice_find(name))) return OK;
    const char *names[64] = {NULL};
    struct str all = {0};
    for (size_t i = 0; i < 63 && slices[i].name; i++) {
        names[i] = slices[i].name;
        str_addf(&all, i ? ", %s" : "%s", slices[i].name);
    }
    const char *near = nearest_name(name, names);
    fail(err, STATUS_USAGE, "there is no family '%s'%s%s%s are %s", name,
         near ? "; did you mean " : "", near ? near : "", near ? "? There" : ": there",
         str_text(&all));
    str_free(&all);
    return STATUS_USAGE;
}

static enum status find_layout(const char *name, const struct layout **layout, struct error *err) {
    *layout = NULL;
    if (!name || (*layout = layout_find(name))) return OK;
    struct str all = {0};
    for (int i = 0; i < LAYOUTS; i++) str_addf(&all, i ? ", %s" : "%s", layouts[i].name);
    fail(err, STATUS_USAGE, "there is no layout '%s': there are %s", name, str_text(&all));
    str_free(&all);
    return STATUS_USAGE;
}

static bool is_done_by_some_variant(const struct problem *problem) {
    const struct layout *found[LAYOUTS];
    return family_layouts(problem, found) > 0;
}

static void add(struct problem_list *list, const struct problem *problem) {
    for (size_t i = 0; i < list->n; i++)
        if (problem_equal(&list->items[i], problem)) return;
    list->items = memory_grow(list->items, (list->n + 1) * sizeof *list->items);
    list->items[list->n++] = *problem;
}

static void add_weighted(struct problem_list *list, const struct problem *problem, double weight) {
    const size_t n = list->n;
    add(list, problem);
    if (list->n == n) return;
    list->weights = memory_grow(list->weights, list->n * sizeof *list->weights);
    list->weights[n] = weight;
}

static enum status add_slice(const struct slice *slice, const char *text, const char *classes,
                             const struct layout *layout, struct problem_list *list,
                             struct error *err) {
    struct problem *found = NULL;
    size_t n = 0;
    enum status status = argument_status(problem_expand(slice, text, &found, &n, err), err);
    char *names = text_copy(classes), *rest = names;
    for (char *name; status == OK && (name = strsep(&rest, ","));) {
        enum class_id class = CLASS_F32;
        if ((status = find_class(name, &class, err)) != OK) break;
        for (size_t i = 0; i < n; i++) {
            found[i].class = class;
            if (layout) found[i].layout = layout;
            if (is_done_by_some_variant(&found[i])) add(list, &found[i]);
        }
    }
    free(names);
    free(found);
    return status;
}

enum status problems_collect(const struct problem_options *o, struct problem_list *list,
                             struct error *err) {
    *list = (struct problem_list){0};
    const struct layout *layout;
    enum status status = find_layout(o->layout, &layout, err);
    if (status != OK) return status;
    char *named = text_copy(o->family ? o->family : default_family), *rest = named;
    for (char *name; status == OK && (name = strsep(&rest, ","));) {
        const struct slice *slice;
        status = find_slice(name, &slice, err);
        if (status == OK)
            status = add_slice(slice, o->problem ? o->problem : default_problem,
                               o->class_name ? o->class_name : "f32", layout, list, err);
    }
    if (status == OK && list->n == 0)
        status = fail(
            err, STATUS_USAGE,
            "no problem is left: %s holds none of '%s' in class %s (gemv means n=1, gemm n>1; k is "
            "whole groups of the weights: 128 for q4, fewer with w=q4:32)",
            named, o->problem ? o->problem : default_problem,
            o->class_name ? o->class_name : "f32");
    if (status != OK) problem_list_free(list);
    free(named);
    return status;
}

enum status problems_of_model(const char *path, const char *tokenizer, const char *class_name,
                              struct problem_list *list, struct error *err) {
    *list = (struct problem_list){0};
    struct engine_model *model = NULL;
    enum status status = engine_model_open(path, tokenizer, NULL, &model, err);
    char *names = text_copy(class_name), *rest = names;
    for (char *name; status == OK && (name = strsep(&rest, ","));) {
        struct engine_problem *found = NULL;
        size_t n = 0;
        status = engine_model_problems(model, name, 256, &found, &n, err);
        for (size_t i = 0; i < n && status == OK; i++) {
            struct problem problem;
            enum class_id class = CLASS_F32;
            status = problem_parse(slice_find(found[i].family), found[i].problem, &problem, err);
            if (status == OK) status = find_class(found[i].class_name, &class, err);
            if (status != OK) break;
            problem.class = class;
            add_weighted(list, &problem, found[i].weight);
        }
        free(found);
    }
    free(names);
    engine_model_close(model);
    if (status != OK) problem_list_free(list);
    return status;
}

/* ---- shares ---- */

/* Those of a model that differ in n alone stay together: they share a matrix, whose layout is chosen for all. */
static uint64_t problem_hash(const struct problem *problem, bool is_of_model) {
    struct problem one = *problem;
    char text[160];
    if (is_of_model && problem_has(problem, "n")) problem_set(&one, "n", 1);
    problem_format(&one, text);
    uint64_t hash = hash_text(hash_start(), problem->family->name);
    hash = hash_text(hash_text(hash, text), class_names[problem->class]);
    return hash ^ hash >> 32;
}

static enum status parse_share(const char *text, int64_t *share, int64_t *n, struct error *err) {
    char *copy = text_copy(text), *second = copy;
    const char *first = strsep(&second, "/");
    const bool is_share = second && units_parse_int(second, 1, 100000, n, NULL) == OK &&
                          units_parse_int(first, 1, *n, share, NULL) == OK;
    free(copy);
    return is_share ? OK
                    : fail(err, STATUS_USAGE,
                           "'%s' is no share: --shard 2/8 is the second of eight", text);
}

enum status problems_keep_share(struct problem_list *list, const char *text, struct error *err) {
    int64_t share, n;
    size_t kept = 0;
    const enum status status = parse_share(text, &share, &n, err);
    if (status != OK) return status;
    for (size_t i = 0; i < list->n; i++) {
        if (problem_hash(&list->items[i], list->weights) % (uint64_t)n != (uint64_t)share - 1)
            continue;
        list->items[kept] = list->items[i];
        if (list->weights) list->weights[kept] = list->weights[i];
        kept++;
    }
    list->n = kept;
    return OK;
}

void problem_list_free(struct problem_list *list) {
    free(list->items);
    free(list->weights);
    *list = (struct problem_list){0};
}
