/* export.c: what a database knows of a device, as a text profile. Only what look-up would choose goes out:
 * of every problem, class and layout the best that is trusted. Kernels change, so only records of the newest
 * source of each are worth a line. */
#include "base/clock.h"
#include "base/str.h"
#include "results/profile.h"
#include "results/sql.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char exporting[] = "exporting a profile";
enum { SAMPLES_A_LINE = 64, DAY = 10 };

/* ---- devices ---- */

enum status store_devices(struct store *store, struct device_row **list, size_t *n,
                          struct error *err) {
    struct query q;
    *list = NULL;
    *n = 0;
    enum status st = query_open(
        &q, store, "listing devices",
        "SELECT device_id, model, version, name, count(*), max(unix_s) FROM devices "
        "JOIN evaluations USING (device_id) WHERE outcome <> 'running' GROUP BY device_id "
        "ORDER BY max(unix_s) DESC, device_id",
        err);
    if (st != OK) return st;
    while ((st = query_next(&q, err)) == OK) {
        *list = memory_grow(*list, (*n + 1) * sizeof **list);
        (*list)[(*n)++] = (struct device_row){.id = query_int(&q, 0),
                                              .model = query_text(&q, 1),
                                              .version = query_text(&q, 2),
                                              .name = query_text(&q, 3),
                                              .evaluations = query_int(&q, 4),
                                              .newest_unix_s = query_int(&q, 5)};
    }
    query_close(&q);
    if (st == STATUS_NOTHING) return OK;
    device_rows_free(*list, *n);
    *list = NULL;
    *n = 0;
    return st;
}

void device_rows_free(struct device_row *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(list[i].model);
        free(list[i].version);
        free(list[i].name);
    }
    free(list);
}

/* ---- lines ---- */

/* A profile is printable ASCII; keys of drivers may be anything. */
static void add_printable(struct str *text, const char *word) {
    for (; *word; word++) str_addf(text, "%c", *word >= ' ' && *word <= '~' ? *word : '?');
}

static void add_line(struct str *text, const char *word, const char *value) {
    if (!*value) return;
    str_addf(text, "%s ", word);
    add_printable(text, value);
    str_add(text, "\n");
}

static enum status add_samples(struct store *store, int64_t evaluation_id, struct str *text,
                               struct error *err) {
    struct query q;
    enum status st = query_open(&q, store, exporting,
                                "SELECT round, time_ns FROM samples "
                                "WHERE evaluation_id = :evaluation_id ORDER BY round, sample",
                                err);
    if (st != OK) return st;
    query_bind_int(&q, ":evaluation_id", evaluation_id);
    int64_t round = -1;
    int on_line = 0;
    while ((st = query_next(&q, err)) == OK) {
        const bool is_next = query_int(&q, 0) != round || on_line == SAMPLES_A_LINE;
        round = query_int(&q, 0);
        if (is_next) str_addf(text, "%ssamples %lld", on_line ? "\n" : "", (long long)round);
        str_addf(text, " %.1f", query_real(&q, 1));
        on_line = is_next ? 1 : on_line + 1;
    }
    query_close(&q);
    if (on_line) str_add(text, "\n");
    return st == STATUS_NOTHING ? OK : st;
}

enum { FAMILY, PROBLEM, CLASS, LAYOUT, VARIANT, CONFIG, SOURCE_KEY, TIME, ID };

static enum status add_record(struct store *store, const struct query *q, struct str *text,
                              struct error *err) {
    str_add(text, "record");
    for (int word = FAMILY; word <= CONFIG; word++) {
        const char *value = query_peek(q, word);
        str_add(text, " ");
        add_printable(text, *value ? value : "-");
    }
    str_addf(text, " %.1f %s\n", query_real(q, TIME), query_peek(q, SOURCE_KEY));
    return add_samples(store, query_int(q, ID), text, err);
}

/* Times below 0.1 ns have no line; such a record is no measurement. A kernel of one's own is a hint to nobody. */
static const char best_records[] =
    "WITH newest AS (SELECT family, variant, source_key, row_number() OVER (PARTITION BY family, "
    "variant ORDER BY max(evaluation_id) DESC) AS age FROM evaluations JOIN problems USING "
    "(problem_id) WHERE device_id = :device_id AND outcome = 'ok' "
    "GROUP BY family, variant, source_key), "
    "ranked AS (SELECT family, problem, class, layout, variant, config, source_key, time_ns, "
    "evaluation_id, row_number() OVER (PARTITION BY problem_id, class, layout "
    "ORDER BY is_final DESC, time_ns, evaluation_id) AS place "
    "FROM records r JOIN problems USING (problem_id) JOIN newest USING (family, variant, "
    "source_key) WHERE device_id = :device_id AND newest.age = 1 AND time_ns >= 0.1 AND "
    "family NOT LIKE 'source:%' AND NOT EXISTS "
    "(SELECT 1 FROM quarantine q WHERE q.device_id = r.device_id AND q.problem_id = r.problem_id "
    "AND q.class = r.class AND q.layout = r.layout AND q.source_key = r.source_key AND "
    "q.variant = r.variant AND q.config = r.config)) "
    "SELECT family, problem, class, layout, variant, config, source_key, time_ns, evaluation_id "
    "FROM ranked WHERE place = 1 ORDER BY family, class, problem, layout";

static enum status add_records(struct store *store, int64_t device_id, struct str *text, size_t *n,
                               struct error *err) {
    struct query q;
    enum status st = query_open(&q, store, exporting, best_records, err);
    if (st != OK) return st;
    query_bind_int(&q, ":device_id", device_id);
    while ((st = query_next(&q, err)) == OK) {
        ++*n;
        if ((st = add_record(store, &q, text, err)) != OK) break;
    }
    query_close(&q);
    return st == STATUS_NOTHING ? OK : st;
}

static enum status add_head(struct store *store, int64_t device_id, const char *maker,
                            struct str *text, struct error *err) {
    struct query q;
    enum status st = query_open(
        &q, store, exporting,
        "SELECT model, version, name, min(unix_s), max(unix_s), count(*) FROM devices "
        "JOIN evaluations USING (device_id) WHERE device_id = :device_id AND outcome <> 'running'",
        err);
    if (st != OK) return st;
    query_bind_int(&q, ":device_id", device_id);
    if ((st = query_next(&q, err)) == OK) {
        char first[21], last[21];
        char *architecture = profile_architecture(query_peek(&q, 0));
        clock_iso(query_int(&q, 3), first);
        clock_iso(query_int(&q, 4), last);
        char *provenance =
            text_format("%s, %lld evaluations from %.*s to %.*s, by %s", query_peek(&q, 2),
                        (long long)query_int(&q, 5), DAY, first, DAY, last, maker);
        str_add(text, "hone-profile 2\n");
        add_line(text, "architecture", architecture);
        add_line(text, "device", query_peek(&q, 0));
        add_line(text, "version", query_peek(&q, 1));
        add_line(text, "provenance", provenance);
        free(provenance);
        free(architecture);
    }
    query_close(&q);
    return st;
}

/* A database of any content may have given words that no profile can hold. */
static enum status prove(const struct store *store, const struct str *text, struct error *err) {
    struct profile profile;
    if (profile_parse(store->path, text->text, text->length, &profile, err) != OK)
        return fail_while(err, "exporting from the database %s", store->path);
    profile_free(&profile);
    return OK;
}

enum status store_export(struct store *store, int64_t device_id, const char *maker, char **text,
                         struct error *err) {
    struct str s = {0};
    size_t n = 0;
    *text = NULL;
    enum status st = sql_run(store, exporting, "BEGIN", err);
    if (st == OK) st = add_head(store, device_id, maker, &s, err);
    if (st == OK) st = add_records(store, device_id, &s, &n, err);
    st = sql_end(store, st, exporting, err);
    if (st == OK && n == 0)
        st = fail(err, STATUS_NOTHING,
                  "the database %s holds no record of this device that others could use",
                  store->path);
    str_addf(&s, "end %zu\n", n);
    if (st == OK) st = prove(store, &s, err);
    if (st == OK) *text = text_copy(s.text);
    str_free(&s);
    return st;
}
