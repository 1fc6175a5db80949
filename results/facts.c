/* facts.c: small keyed facts and the rows of benches. Values are JSON documents, and checked to be. */
#include "base/clock.h"
#include "base/str.h"
#include "results/sql.h"
#include <jansson.h>
#include <string.h>

/* ---- facts ---- */

static void bind_fact(struct query *q, const char *kind, const char *model, const char *version,
                      const char *key) {
    query_bind_text(q, ":kind", kind);
    query_bind_text(q, ":model", model);
    query_bind_text(q, ":version", version);
    query_bind_text(q, ":key", key);
}

enum status store_fact_set(struct store *store, const char *kind, const char *model,
                           const char *version, const char *key, const char *value,
                           struct error *err) {
    static const char doing[] = "recording a fact";
    struct query q;
    enum status st = sql_check_json(store, doing, value, err);
    if (st == OK) st = sql_begin(store, doing, err);
    if (st != OK) return st;
    st = query_open(&q, store, doing,
                    "INSERT INTO facts (kind, model, version, key, value, unix_s) "
                    "VALUES (:kind, :model, :version, :key, :value, :unix_s) "
                    "ON CONFLICT DO UPDATE SET value = :value, unix_s = :unix_s",
                    err);
    if (st == OK) {
        bind_fact(&q, kind, model, version, key);
        query_bind_text(&q, ":value", value);
        query_bind_int(&q, ":unix_s", clock_unix_s());
        st = query_finish(&q, err);
    }
    return sql_end(store, st, doing, err);
}

enum status store_fact_get(struct store *store, const char *kind, const char *model,
                           const char *version, const char *key, char **value, struct error *err) {
    struct query q;
    *value = NULL;
    enum status st = query_open(&q, store, "reading a fact",
                                "SELECT value FROM facts WHERE kind = :kind AND model = :model "
                                "AND version = :version AND key = :key",
                                err);
    if (st != OK) return st;
    bind_fact(&q, kind, model, version, key);
    st = query_next(&q, err);
    if (st == OK) *value = query_text(&q, 0);
    query_close(&q);
    return st;
}

/* ---- benches ---- */

/* What of a row has a column of its own. */
static const char *const texts[] = {"class", "layout", "profile", "variant", "config", "outcome"};
static const char *const numbers[] = {"time_ns",        "low_ns", "high_ns", "floor_ns",
                                      "pack_ns",        "gflops", "gbps",    "ceiling_gbps",
                                      "ceiling_gflops", "share"};

static void bind_row(struct query *q, const json_t *row) {
    char name[32];
    query_bind_text(q, ":slice", json_string_value(json_object_get(row, "family")));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        snprintf(name, sizeof name, ":%s", texts[i]);
        query_bind_text(q, name, json_string_value(json_object_get(row, texts[i])));
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const json_t *number = json_object_get(row, numbers[i]);
        snprintf(name, sizeof name, ":%s", numbers[i]);
        if (json_is_number(number)) query_bind_real(q, name, json_number_value(number));
    }
}

static const char adding[] = "recording a row of a bench";

static enum status add_rival(struct store *store, int64_t bench_id, const char *rival,
                             const json_t *time_ns, struct error *err) {
    struct query q;
    const enum status st = query_open(&q, store, adding,
                                      "INSERT INTO rivals (bench_id, rival, time_ns) "
                                      "VALUES (:bench_id, :rival, :time_ns)",
                                      err);
    if (st != OK) return st;
    query_bind_int(&q, ":bench_id", bench_id);
    query_bind_text(&q, ":rival", rival);
    if (json_is_number(time_ns)) query_bind_real(&q, ":time_ns", json_number_value(time_ns));
    return query_finish(&q, err);
}

static enum status add_row(struct store *store, int64_t device_id, const char *family,
                           const char *problem, json_t *row, const char *text, struct error *err) {
    struct query q;
    int64_t problem_id;
    enum status st = problem_row(store, family, problem, &problem_id, err);
    if (st == OK)
        st = query_open(&q, store, adding,
                        "INSERT INTO benches (device_id, problem_id, slice, class, layout, "
                        "profile, variant, config, outcome, time_ns, low_ns, high_ns, floor_ns, "
                        "pack_ns, gflops, gbps, ceiling_gbps, ceiling_gflops, share, row, unix_s) "
                        "VALUES (:device_id, :problem_id, :slice, :class, :layout, :profile, "
                        ":variant, :config, :outcome, :time_ns, :low_ns, :high_ns, :floor_ns, "
                        ":pack_ns, :gflops, :gbps, :ceiling_gbps, :ceiling_gflops, :share, :row, "
                        ":unix_s)",
                        err);
    if (st != OK) return st;
    bind_row(&q, row);
    query_bind_int(&q, ":device_id", device_id);
    query_bind_int(&q, ":problem_id", problem_id);
    query_bind_text(&q, ":row", text);
    query_bind_int(&q, ":unix_s", clock_unix_s());
    st = query_finish(&q, err);
    const int64_t bench_id = sqlite3_last_insert_rowid(store->db);
    const char *rival;
    json_t *theirs;
    json_object_foreach (json_object_get(row, "rivals"), rival, theirs)
        if (st == OK)
            st = add_rival(store, bench_id, rival, json_object_get(theirs, "time_ns"), err);
    return st;
}

enum status store_bench_add(struct store *store, int64_t device_id, const char *family,
                            const char *problem, const char *json, struct error *err) {
    json_t *row = json_loads(json, 0, NULL);
    if (!json_is_object(row)) {
        json_decref(row);
        return fail(err, STATUS_INVALID, "the database %s: %s: \"%.100s\" is not a JSON object",
                    store->path, adding, json);
    }
    enum status st = sql_begin(store, adding, err);
    if (st == OK) {
        st = add_row(store, device_id, family, problem, row, json, err);
        st = sql_end(store, st, adding, err);
    }
    json_decref(row);
    return st;
}
