/* profiles.c: hone db profiles: what shipped and imported profiles, or the files that are named, are worth to
 * this program on this machine. One that is to ship must be a profile, name nothing that does not exist, and,
 * when it was made for a device that is here, hold a record of a kernel as it is now. */
#include "base/embedded.h"
#include "base/str.h"
#include "cli/db.h"
#include "device/device.h"
#include "kernels/kernel.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a record ---- */

/* OK when this program has all that it names; the variant in *variant. */
static enum status know_record(const struct profile_record *r, const struct variant **variant,
                               struct error *err) {
    const struct family *family = family_find(r->family);
    const struct slice *slice = family ? slice_find(r->family) : NULL;
    struct problem problem;
    struct config config;
    if (!slice) return fail(err, STATUS_INVALID, "there is no family %.60s", r->family);
    if (class_find(r->class_name) < 0)
        return fail(err, STATUS_INVALID, "there is no class %.60s", r->class_name);
    if (!layout_find(r->layout))
        return fail(err, STATUS_INVALID, "there is no layout %.60s", r->layout);
    *variant = variant_find(family, r->variant);
    if (!*variant)
        return fail(err, STATUS_INVALID, "%s has no variant %.60s", r->family, r->variant);
    const enum status status = problem_parse(slice, r->problem, &problem, err);
    return status == OK ? config_parse(family, r->variant, r->config, &config, err) : status;
}

static bool is_current(const struct variant *variant, const char *source_key) {
    char key[17];
    variant_source_key(variant, key);
    return !strcmp(key, source_key);
}

void review_profile(const struct profile *profile, const struct device_info *devices,
                    size_t n_devices, struct review *review) {
    *review = (struct review){0};
    for (size_t i = 0; i < n_devices; i++)
        review->covers |= profile_covers(profile, devices[i].model_key);
    for (size_t i = 0; i < profile->n_records; i++) {
        const struct profile_record *r = &profile->records[i];
        const struct variant *variant = NULL;
        struct error why = {OK, ""};
        if (know_record(r, &variant, &why) != OK) {
            if (!review->unknown++)
                snprintf(review->why, sizeof review->why, "line %d: %.250s", r->line, why.text);
        } else if (is_current(variant, r->source_key)) {
            review->current++;
        } else {
            review->older++;
        }
    }
}

/* ---- all of them ---- */

struct looking {
    const struct db_call *call;
    struct device_info *devices;
    size_t n_devices;
    json_t *rows;
    size_t n_bad;
    struct error first; /* of the bad ones */
};

/* Why a profile that is to ship must not; "" when nothing speaks against it. */
static void judge(const struct review *review, char why[400]) {
    why[0] = 0;
    if (review->unknown)
        snprintf(why, 400, "%zu records name what does not exist: %s", review->unknown,
                 review->why);
    else if (review->covers && !review->current)
        snprintf(why, 400,
                 "it was made for a device that is here, and none of its records is of a kernel as "
                 "it is now: make profiles renews it");
}

static enum status show(struct looking *l, const char *name, const char *origin,
                        const struct profile *p, const struct review *r, const char *why,
                        struct error *err) {
    if (l->call->common->json) {
        json_array_append_new(
            l->rows, json_pack("{s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:s}", "name", name, "origin",
                               origin, "provenance", p->provenance, "covers", r->covers, "current",
                               (json_int_t)r->current, "older", (json_int_t)r->older, "unknown",
                               (json_int_t)r->unknown, "why", why));
        return OK;
    }
    return out_printf(err,
                      "%s (%s): %s\n  %s: %zu records of kernels as they are, %zu of older ones "
                      "(hints only), %zu of none%s%s\n",
                      name, origin, p->provenance,
                      r->covers ? "for a device that is here" : "for other devices", r->current,
                      r->older, r->unknown, *why ? "\n  " : "", why);
}

static enum status look(struct looking *l, const char *name, const char *origin, bool must_be_good,
                        const char *text, size_t size, struct error *err) {
    struct profile profile = {.provenance = ""};
    struct review review = {0};
    char why[400] = "";
    struct error bad = {OK, ""};
    if (profile_parse(name, text, size, &profile, &bad) == OK) {
        review_profile(&profile, l->devices, l->n_devices, &review);
        judge(&review, why);
    } else {
        snprintf(why, sizeof why, "%.399s", bad.text);
        profile.provenance = "";
    }
    if (*why && must_be_good && !l->n_bad++)
        fail(&l->first, STATUS_WRONG, "the profile %s must not ship: %s", name, why);
    const enum status status = show(l, name, origin, &profile, &review, why, err);
    profile_free(&profile);
    return status;
}

static enum status look_at_files(struct looking *l, struct error *err) {
    enum status status = OK;
    for (const char **file = l->call->files; *file && status == OK; file++) {
        char *text = NULL;
        size_t size;
        status = share_read(*file, &text, &size, err);
        if (status == OK) status = look(l, *file, "file", true, text, size, err);
        free(text);
    }
    return status;
}

static enum status look_at_shipped(struct looking *l, struct error *err) {
    const struct embedded *file;
    enum status status = OK;
    for (size_t i = 0; status == OK && (file = profile_shipped(i)); i++)
        status = look(l, file->path, "shipped", true, file->text, strlen(file->text), err);
    return status;
}

/* Without a database nothing was imported. */
static enum status look_at_imported(struct looking *l, struct error *err) {
    struct store *store = NULL;
    struct imported *list = NULL;
    size_t n = 0;
    enum status status = store_open(l->call->database, STORE_READ, &store, err);
    if (status == STATUS_NOTHING) return OK;
    if (status == OK) status = store_imported(store, &list, &n, err);
    for (size_t i = 0; i < n && status == OK; i++)
        status = look(l, list[i].name, "imported", false, list[i].text, strlen(list[i].text), err);
    imported_free(list, n);
    store_close(store);
    return status;
}

enum status db_profiles(const struct db_call *call, struct error *err) {
    struct looking l = {.call = call, .rows = json_array()};
    /* Without a device the words can still be judged. */
    device_list(&l.devices, &l.n_devices, NULL);
    enum status status = OK;
    if (*call->files) {
        status = look_at_files(&l, err);
    } else {
        status = look_at_shipped(&l, err);
        if (status == OK) status = look_at_imported(&l, err);
    }
    if (status == OK && call->common->json)
        status = json_print(json_pack("{s:O}", "profiles", l.rows), err);
    if (status == OK && l.n_bad) {
        *err = l.first;
        status = l.first.status;
    }
    device_list_free(l.devices, l.n_devices);
    json_decref(l.rows);
    return status;
}
