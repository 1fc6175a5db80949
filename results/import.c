/* import.c: profiles that were brought in: kept whole, as facts of kind "profile", so that hints never look
 * like something that was measured here. Their keys are hashes of the text: the same one is kept once. */
#include "base/hash.h"
#include "base/str.h"
#include "results/profile.h"
#include "results/sql.h"
#include <stdlib.h>
#include <string.h>

static const char kind[] = "profile";

/* ---- in ---- */

static enum status keep(struct store *store, const char *name, const struct profile *profile,
                        const char *text, size_t size, bool *is_new, struct error *err) {
    char key[17], *known = NULL;
    hash_hex(hash_bytes(hash_start(), text, size), key);
    enum status st =
        store_fact_get(store, kind, profile->device, profile->version, key, &known, err);
    free(known);
    *is_new = st == STATUS_NOTHING;
    if (!*is_new) return st;
    json_t *fact = json_pack("{s:s, s:s%}", "name", name, "text", text, size);
    char *value = fact ? json_dumps(fact, JSON_COMPACT) : NULL;
    st = value ? store_fact_set(store, kind, profile->device, profile->version, key, value, err)
               : fail(err, STATUS_INVALID, "importing the profile %s: its name is no UTF-8", name);
    free(value);
    json_decref(fact);
    return st;
}

enum status store_import(struct store *store, const char *name, const char *text, size_t size,
                         bool *is_new, struct error *err) {
    struct profile profile;
    enum status st = profile_parse(name, text, size, &profile, err);
    if (st != OK) return st;
    st = profile.n_records ? keep(store, name, &profile, text, size, is_new, err)
                           : fail(err, STATUS_INVALID, "the profile %s holds no record", name);
    profile_free(&profile);
    return st;
}

/* ---- out ---- */

enum status imports_open(struct imports *imports, struct store *store, const char *model,
                         struct error *err) {
    *imports = (struct imports){0};
    const enum status st = query_open(&imports->q, store, "reading imported profiles",
                                      "SELECT value FROM facts WHERE kind = :kind "
                                      "ORDER BY model = :model DESC, unix_s DESC, key",
                                      err);
    if (st != OK) return st;
    query_bind_text(&imports->q, ":kind", kind);
    query_bind_text(&imports->q, ":model", model);
    return OK;
}

enum status imports_next(struct imports *imports, const char **name, const char **text,
                         struct error *err) {
    enum status st;
    while ((st = query_next(&imports->q, err)) == OK) {
        json_decref(imports->value);
        imports->value = json_loads(query_peek(&imports->q, 0), 0, NULL);
        *name = json_string_value(json_object_get(imports->value, "name"));
        *text = json_string_value(json_object_get(imports->value, "text"));
        if (*name && *text) return OK;
    }
    return st;
}

void imports_close(struct imports *imports) {
    query_close(&imports->q);
    json_decref(imports->value);
    imports->value = NULL;
}

enum status store_imported(struct store *store, struct imported **list, size_t *n,
                           struct error *err) {
    struct imports imports;
    const char *name, *text;
    *list = NULL;
    *n = 0;
    enum status st = imports_open(&imports, store, "", err);
    while (st == OK && (st = imports_next(&imports, &name, &text, err)) == OK) {
        *list = memory_grow(*list, (*n + 1) * sizeof **list);
        (*list)[(*n)++] = (struct imported){text_copy(name), text_copy(text)};
    }
    imports_close(&imports);
    if (st == STATUS_NOTHING) return OK;
    imported_free(*list, *n);
    *list = NULL;
    *n = 0;
    return st;
}

void imported_free(struct imported *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(list[i].name);
        free(list[i].text);
    }
    free(list);
}
