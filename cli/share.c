/* share.c: hone db export, import, merge: databases for others, and theirs for us. */
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/db.h"
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

enum { PROFILE_MOST = 8 << 20 }; /* bytes; a value of the database holds twice that */

/* ---- export ---- */

/* Its number in the list, or a part of its keys. */
static bool is_named(const struct device_row *row, size_t index, const char *device) {
    int64_t number;
    if (units_parse_int(device, 0, INT32_MAX, &number, NULL) == OK) return (size_t)number == index;
    return strcasestr(row->model, device) || strcasestr(row->version, device);
}

enum status share_choose(struct store *store, const struct device_row *list, size_t n,
                         const char *device, size_t *which, struct error *err) {
    struct str all = {0};
    size_t n_found = 0;
    for (size_t i = 0; i < n; i++) {
        const bool is_found = !device || is_named(&list[i], i, device);
        if (is_found) *which = i;
        n_found += is_found;
        str_addf(&all, "\n  %zu  %s, %s", i, list[i].name, list[i].version);
    }
    enum status status = OK;
    if (n == 0)
        status = fail(err, STATUS_NOTHING, "the database %s holds no measurement yet",
                      store_path(store));
    else if (n_found != 1)
        status = fail(err, STATUS_USAGE,
                      "the database %s holds %s devices%s%s; name one with --device, by number or "
                      "part of its keys:%s",
                      store_path(store), n_found ? "several" : "no such", device ? " named " : "",
                      device ? device : "", str_text(&all));
    str_free(&all);
    return status;
}

enum status share_export(struct store *store, const char *device, char **text, struct error *err) {
    struct device_row *list = NULL;
    size_t n = 0, which = 0;
    *text = NULL;
    enum status status = store_devices(store, &list, &n, err);
    if (status == OK) status = share_choose(store, list, n, device, &which, err);
    if (status == OK) status = store_export(store, list[which].id, "hone " HONE_VERSION, text, err);
    device_rows_free(list, n);
    return status;
}

enum status db_export(const struct db_call *call, struct error *err) {
    if (call->t4) return exchange_export(call, err);
    char *text = NULL;
    enum status status = share_export(call->store, call->common->device, &text, err);
    if (status == OK)
        status =
            call->common->json
                ? json_print(json_pack("{s:s, s:s}", "db", call->database, "profile", text), err)
                : out_write(text, strlen(text), err);
    free(text);
    return status;
}

/* ---- import ---- */

enum status share_read(const char *path, char **text, size_t *size, struct error *err) {
    return path_read(path, PROFILE_MOST, text, size, err);
}

static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static enum status import_one(const struct db_call *call, const char *path, json_t *rows,
                              struct error *err) {
    char *text = NULL;
    size_t size;
    bool is_new = false;
    struct profile profile = {0};
    struct review review = {0};
    enum status status = share_read(path, &text, &size, err);
    if (status == OK) status = store_import(call->store, name_of(path), text, size, &is_new, err);
    if (status == OK) status = profile_parse(path, text, size, &profile, err);
    free(text);
    if (status != OK) return status;
    review_profile(&profile, NULL, 0, &review);
    if (call->common->json)
        json_array_append_new(rows, json_pack("{s:s, s:b, s:I, s:I, s:I}", "file", path, "new",
                                              is_new, "current", (json_int_t)review.current,
                                              "older", (json_int_t)review.older, "unknown",
                                              (json_int_t)review.unknown));
    else
        status = out_printf(err,
                            "%s: %s: %zu records of kernels as they are here, %zu of other sources "
                            "of them, %zu of none (%s)\n",
                            path, is_new ? "taken as hints" : "was there already", review.current,
                            review.older, review.unknown,
                            review.unknown ? review.why : "all can be tried");
    profile_free(&profile);
    return status;
}

enum status db_import(const struct db_call *call, struct error *err) {
    json_t *rows = json_array();
    enum status status = OK;
    for (const char **file = call->files; *file && status == OK; file++)
        status = import_one(call, *file, rows, err);
    if (status == OK && call->common->json)
        status = json_print(json_pack("{s:s, s:O}", "db", call->database, "profiles", rows), err);
    json_decref(rows);
    return status;
}

/* ---- merge ---- */

enum { KEPT_BYTES = 64 << 20 };

static enum status merge_one(const struct db_call *call, const char *path,
                             struct merge_tally *added, struct error *err) {
    struct store *other = NULL;
    enum status status = store_open(path, STORE_READ, &other, err);
    if (status == OK) status = store_merge(call->store, other, added, err);
    store_close(other);
    return status;
}

static json_t *tally_json(const char *path, const struct merge_tally *t) {
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "file", path, "sessions",
                     (json_int_t)t->sessions, "evaluations", (json_int_t)t->evaluations, "samples",
                     (json_int_t)t->samples, "benches", (json_int_t)t->benches, "facts",
                     (json_int_t)t->facts);
}

static void tally_add(struct merge_tally *sum, const struct merge_tally *one) {
    sum->sessions += one->sessions;
    sum->evaluations += one->evaluations;
    sum->samples += one->samples;
    sum->benches += one->benches;
    sum->facts += one->facts;
}

/* A file that cannot be merged holds up no other; the first such fails the command in the end. */
enum status db_merge(const struct db_call *call, struct error *err) {
    /* A closed database gives its pages back one by one; handing each to the system takes a third of the
     * time of merging many files. */
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    struct merge_tally sum = {0};
    json_t *rows = json_array();
    size_t n = 0, n_bad = 0;
    enum status status = OK;
    for (const char **file = call->files; *file; file++, n++) {
        struct merge_tally added = {0};
        struct error why = {OK, ""};
        if (interrupted) {
            status =
                fail(err, STATUS_INTERRUPTED, "interrupted; the same command takes what is left");
            break;
        }
        if (merge_one(call, *file, &added, &why) == OK) {
            tally_add(&sum, &added);
            json_array_append_new(rows, tally_json(*file, &added));
            continue;
        }
        if (n_bad++ == 0) {
            *err = why;
            status = why.status;
        } else {
            log_warn("%s", why.text);
        }
    }
    struct error ignored;
    if (call->common->json)
        json_print(json_pack("{s:s, s:O, s:I}", "db", call->database, "files", rows, "failed",
                             (json_int_t)n_bad),
                   &ignored);
    else
        out_printf(&ignored,
                   "%zu of %zu files: %lld sessions, %lld evaluations, %lld samples, %lld rows of "
                   "benches and %lld facts are new\nkept in %s\n",
                   n - n_bad, n, (long long)sum.sessions, (long long)sum.evaluations,
                   (long long)sum.samples, (long long)sum.benches, (long long)sum.facts,
                   call->database);
    json_decref(rows);
    return status;
}
