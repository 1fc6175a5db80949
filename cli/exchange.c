/* exchange.c: hone db export --t4: all that was measured as files that other tuners read, and hone replay. A kernel
 * on a problem is a pair of files: results (T4), and the space that they are of (T1) when this program has the
 * kernel. */
#include "base/path.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/db.h"
#include "kernels/kernel.h"
#include "tuner/t1_write.h"
#include "tuner/t4.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct exchange {
    const struct db_call *call;
    const struct device_row *device;
    size_t number;   /* of the device in the list */
    bool is_one;     /* of several, so that names of files say which */
    json_t *files;   /* what was written, for --json */
    int64_t results; /* in all files */
    size_t n_t4, n_t1;
};

/* A file's name: what may stand in one, everywhere. */
static char *file_path(const struct exchange *x, const struct tried *k, const char *kind) {
    char number[24] = "";
    if (x->is_one) snprintf(number, sizeof number, "%zu-", x->number);
    char *name = text_format("%s%s-%s-%s-%s.%s.json", number, k->family, k->variant, k->class_name,
                             k->problem, kind);
    for (char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-_.,=", *c)) *c = '_';
    char *path = text_format("%s/%s", x->call->t4, name);
    free(name);
    return path;
}

static enum status write_json(const char *path, json_t *document, struct error *err) {
    char *text = json_dumps(document, JSON_INDENT(1));
    json_decref(document);
    const enum status st = text ? path_write(path, text, strlen(text), err)
                                : fail(err, STATUS_NOMEM, "no memory for the text of %s", path);
    free(text);
    return st;
}

/* The problem and variant of this program, if it has them. */
static bool find_kernel(const struct tried *k, struct problem *problem,
                        const struct variant **variant) {
    const struct slice *slice = slice_find(k->family);
    const int class = class_find(k->class_name);
    struct error ignored;
    if (!slice || class < 0 || problem_parse(slice, k->problem, problem, &ignored) != OK)
        return false;
    problem->class = (enum class_id) class;
    *variant = variant_find(problem->family, k->variant);
    return *variant;
}

/* Is the layout one of the axes? Where the kernel is unknown, the records tell. */
static bool has_layouts(const struct problem *problem, const struct trial_record *trials,
                        size_t n) {
    const struct layout *found[LAYOUTS];
    bool is_mixed = false;
    for (size_t i = 1; i < n; i++)
        is_mixed |= strcmp(trials[i].evaluation.key.layout, trials[0].evaluation.key.layout) != 0;
    return is_mixed || (problem && family_layouts(problem, found) > 1);
}

static enum status export_one(struct exchange *x, const struct tried *k, struct error *err) {
    struct trial_record *trials = NULL;
    size_t n = 0;
    struct problem problem;
    const struct variant *variant = NULL;
    const bool is_known = find_kernel(k, &problem, &variant);
    char *t4 = file_path(x, k, "t4"), *t1 = file_path(x, k, "t1");
    enum status st = store_trials(x->call->store, x->device->id, k, &trials, &n, err);
    if (st == OK)
        st = write_json(t4,
                        t4_results(k, x->device->name,
                                   has_layouts(is_known ? &problem : NULL, trials, n), trials, n),
                        err);
    json_t *space = st == OK && is_known ? t1_space(&problem, variant) : NULL;
    const bool has_space = space;
    if (space) st = write_json(t1, space, err);
    if (st == OK) {
        json_array_append_new(x->files, json_pack("{s:s,s:s?,s:I}", "t4", t4, "t1",
                                                  has_space ? t1 : NULL, "results", (json_int_t)n));
        x->results += (int64_t)n;
        x->n_t4++;
        x->n_t1 += has_space;
    }
    trials_free(trials, n);
    free(t4);
    free(t1);
    return st;
}

static enum status export_device(struct exchange *x, struct error *err) {
    struct tried *list = NULL;
    size_t n = 0;
    enum status st = store_tried(x->call->store, x->device->id, &list, &n, err);
    for (size_t i = 0; st == OK && i < n; i++) st = export_one(x, &list[i], err);
    tried_free(list, n);
    return st;
}

static enum status export_devices(struct exchange *x, struct error *err) {
    struct device_row *list = NULL;
    size_t n = 0, which = 0;
    const char *device = x->call->common->device;
    enum status st = store_devices(x->call->store, &list, &n, err);
    if (st == OK && (device || n == 0))
        st = share_choose(x->call->store, list, n, device, &which, err);
    if (st == OK) st = path_make_folder(x->call->t4, err);
    x->is_one = n > 1;
    for (size_t i = 0; st == OK && i < n; i++) {
        if (device && i != which) continue;
        x->device = &list[i];
        x->number = i;
        st = export_device(x, err);
    }
    device_rows_free(list, n);
    return st;
}

enum status exchange_export(const struct db_call *call, struct error *err) {
    struct exchange x = {.call = call, .files = json_array()};
    char count[UNITS_TEXT];
    enum status st = export_devices(&x, err);
    if (st == OK && call->common->json)
        st = json_print(
            json_pack("{s:s,s:s,s:O}", "db", call->database, "folder", call->t4, "files", x.files),
            err);
    else if (st == OK)
        st = out_printf(err, "%s: %s in %zu files of results (T4), %zu of spaces (T1)\n", call->t4,
                        units_count(x.results, "evaluation", count), x.n_t4, x.n_t1);
    json_decref(x.files);
    return st;
}
