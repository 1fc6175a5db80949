/* diff.c: hone db diff: what a driver, a version or a machine changed: two databases or profiles, record
 * beside record. Times differ when the intervals of their medians part; without samples, by 5 %. */
#include "base/hash.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/db.h"
#include <stdlib.h>
#include <string.h>

static const double LEVEL = 0.95, UNSAMPLED = 1.05;

enum { SIDES = 2 };
enum change { FASTER, SLOWER, SAME, GONE, NEW, CHANGES };
static const char *const change_names[CHANGES] = {"faster", "slower", "same", "gone", "new"};

struct side {
    const char *path;
    struct profile profile;
    struct hash_map *index; /* "family problem class layout" -> record */
    char **keys;
};

/* ---- the sides ---- */

static bool is_database(const char *text, size_t size) {
    static const char magic[] = "SQLite format 3";
    return size >= sizeof magic && !memcmp(text, magic, sizeof magic);
}

/* What begins like a database is opened as one, so that it is refused in its own words. */
static enum status read_side(const char *path, const char *device, char **text, size_t *size,
                             struct error *err) {
    FILE *file = fopen(path, "re");
    char head[16] = "";
    const size_t n = file ? fread(head, 1, sizeof head, file) : 0;
    if (file) fclose(file);
    if (!is_database(head, n)) return share_read(path, text, size, err);
    struct store *store = NULL;
    enum status status = store_open(path, STORE_READ, &store, err);
    if (status == OK) status = share_export(store, device, text, err);
    *size = status == OK ? strlen(*text) : 0;
    store_close(store);
    return status;
}

static enum status side_open(struct side *side, const char *path, const char *device,
                             struct error *err) {
    char *text = NULL;
    size_t size;
    *side = (struct side){.path = path};
    enum status status = read_side(path, device, &text, &size, err);
    if (status == OK) status = profile_parse(path, text, size, &side->profile, err);
    free(text);
    if (status != OK) return status;
    const struct profile *p = &side->profile;
    side->index = hash_map_open(p->n_records + 1);
    side->keys = memory_new((p->n_records + 1) * sizeof *side->keys);
    for (size_t i = 0; i < p->n_records; i++) {
        const struct profile_record *r = &p->records[i];
        side->keys[i] = text_format("%s %s %s %s", r->family, r->problem, r->class_name, r->layout);
        hash_map_add(side->index, side->keys[i], strlen(side->keys[i]), (int)i);
    }
    return OK;
}

static void side_close(struct side *side) {
    for (size_t i = 0; side->keys && i < side->profile.n_records; i++) free(side->keys[i]);
    free(side->keys);
    hash_map_close(side->index);
    profile_free(&side->profile);
}

static const struct profile_record *side_find(const struct side *side, const char *key) {
    const int at = hash_map_find(side->index, key, strlen(key));
    return at < 0 ? NULL : &side->profile.records[at];
}

/* ---- comparing ---- */

/* Of the median of the last round; without samples 5 % around the time. */
static void interval(const struct profile *p, const struct profile_record *r, double *low,
                     double *high) {
    const struct profile_sample *list = p->samples + r->first_sample;
    double *times = memory_new((r->n_samples + 1) * sizeof *times);
    size_t n = 0;
    for (size_t i = 0; i < r->n_samples; i++)
        if (list[i].round == list[r->n_samples - 1].round) times[n++] = list[i].time_ns;
    *low = r->time_ns / UNSAMPLED;
    *high = r->time_ns * UNSAMPLED;
    if (n > 1) stats_median_interval(times, n, LEVEL, low, high);
    free(times);
}

static enum change compare(const struct side side[SIDES], const struct profile_record *a,
                           const struct profile_record *b) {
    double low[SIDES], high[SIDES];
    if (!a || !b) return a ? GONE : NEW;
    interval(&side[0].profile, a, &low[0], &high[0]);
    interval(&side[1].profile, b, &low[1], &high[1]);
    return high[1] < low[0] ? FASTER : low[1] > high[0] ? SLOWER : SAME;
}

static bool same_kernel(const struct profile_record *a, const struct profile_record *b) {
    return !strcmp(a->variant, b->variant) && !strcmp(a->config, b->config);
}

/* ---- showing ---- */

static json_t *record_json(const struct profile_record *r) {
    if (!r) return json_null();
    return json_pack("{s:s, s:s, s:f, s:s}", "variant", r->variant, "config", r->config, "time_ns",
                     r->time_ns, "source_key", r->source_key);
}

static json_t *row_json(const char *key, enum change change, const struct profile_record *a,
                        const struct profile_record *b) {
    json_t *row = json_pack("{s:s, s:s, s:o, s:o}", "record", key, "change", change_names[change],
                            "a", record_json(a), "b", record_json(b));
    if (a && b) {
        json_object_set_new(row, "ratio", json_real(a->time_ns / b->time_ns));
        json_object_set_new(row, "same_kernel", json_boolean(same_kernel(a, b)));
        json_object_set_new(row, "same_source",
                            json_boolean(!strcmp(a->source_key, b->source_key)));
    }
    return row;
}

static enum status print_row(const char *key, enum change change, const struct profile_record *a,
                             const struct profile_record *b, struct error *err) {
    char before[UNITS_TEXT], after[UNITS_TEXT];
    const struct profile_record *one = a ? a : b;
    if (!a || !b)
        return out_printf(err, "%-7s %s: %s %s, %s\n", change_names[change], key, one->variant,
                          one->config, units_time_ns(one->time_ns, before));
    enum status status = out_printf(err, "%-7s %s: %s -> %s (x%.2f)", change_names[change], key,
                                    units_time_ns(a->time_ns, before),
                                    units_time_ns(b->time_ns, after), a->time_ns / b->time_ns);
    if (status == OK && !same_kernel(a, b))
        status = out_printf(err, "; %s %s -> %s %s", a->variant, a->config, b->variant, b->config);
    if (status == OK && strcmp(a->source_key, b->source_key) != 0)
        status = out_printf(err, "; another source");
    return status == OK ? out_printf(err, "\n") : status;
}

static json_t *side_json(const struct side *side) {
    const struct profile *p = &side->profile;
    return json_pack("{s:s, s:s, s:s, s:s, s:I}", "file", side->path, "device", p->device,
                     "version", p->version, "provenance", p->provenance, "records",
                     (json_int_t)p->n_records);
}

static enum status print_sides(const struct side side[SIDES], struct error *err) {
    enum status status = OK;
    for (int s = 0; s < SIDES && status == OK; s++)
        status = out_printf(err, "%s %s: %s; version %s\n", s ? "+" : "-", side[s].path,
                            side[s].profile.provenance, side[s].profile.version);
    return status;
}

static enum status print_sum(const size_t counts[CHANGES], struct error *err) {
    enum status status = OK;
    for (int c = 0; c < CHANGES && status == OK; c++)
        status = out_printf(err, "%s%zu %s", c ? ", " : "", counts[c], change_names[c]);
    return status == OK ? out_printf(err, "\n") : status;
}

/* ---- the action ---- */

static enum status diff(const struct side side[SIDES], bool as_json, struct error *err) {
    size_t counts[CHANGES] = {0};
    json_t *rows = json_array();
    enum status status = as_json ? OK : print_sides(side, err);
    for (int s = 0; s < SIDES; s++)
        for (size_t i = 0; status == OK && i < side[s].profile.n_records; i++) {
            const char *key = side[s].keys[i];
            const struct profile_record *a = side_find(&side[0], key),
                                        *b = side_find(&side[1], key);
            if (s == 1 && a) continue; /* had its line */
            const enum change change = compare(side, a, b);
            counts[change]++;
            if (as_json) json_array_append_new(rows, row_json(key, change, a, b));
            else status = print_row(key, change, a, b, err);
        }
    if (status == OK && !as_json) status = print_sum(counts, err);
    if (status == OK && as_json)
        status = json_print(json_pack("{s:o, s:o, s:O}", "a", side_json(&side[0]), "b",
                                      side_json(&side[1]), "rows", rows),
                            err);
    json_decref(rows);
    return status;
}

enum status db_diff(const struct db_call *call, struct error *err) {
    struct side side[SIDES] = {{0}};
    enum status status = OK;
    for (int s = 0; s < SIDES && status == OK; s++)
        status = side_open(&side[s], call->files[s], call->common->device, err);
    if (status == OK) status = diff(side, call->common->json, err);
    for (int s = 0; s < SIDES; s++) side_close(&side[s]);
    return status;
}
