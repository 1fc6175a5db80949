/* trials.c: what was tried, kernel by kernel: for files that say all that was measured, not only the best. */
#include "base/str.h"
#include "results/sql.h"
#include <stdlib.h>

static const char listing[] = "listing what was tried";

/* ---- kernels ---- */

/* Times of other sources of a kernel are those of another kernel. */
static const char newest_sources[] =
    "WITH sources AS (SELECT family, problem, class, variant, source_key, count(*) AS n, "
    "row_number() OVER (PARTITION BY problem_id, class, variant ORDER BY max(evaluation_id) DESC) "
    "AS age FROM evaluations JOIN problems USING (problem_id) WHERE device_id = :device_id AND "
    "outcome <> 'running' GROUP BY problem_id, class, variant, source_key) "
    "SELECT family, problem, class, variant, source_key, n FROM sources WHERE age = 1 "
    "ORDER BY family, problem, class, variant";

enum status store_tried(struct store *store, int64_t device_id, struct tried **list, size_t *n,
                        struct error *err) {
    struct query q;
    *list = NULL;
    *n = 0;
    enum status st = query_open(&q, store, listing, newest_sources, err);
    if (st != OK) return st;
    query_bind_int(&q, ":device_id", device_id);
    while ((st = query_next(&q, err)) == OK) {
        *list = memory_grow(*list, (*n + 1) * sizeof **list);
        (*list)[(*n)++] = (struct tried){.family = query_text(&q, 0),
                                         .problem = query_text(&q, 1),
                                         .class_name = query_text(&q, 2),
                                         .variant = query_text(&q, 3),
                                         .source_key = query_text(&q, 4),
                                         .evaluations = query_int(&q, 5)};
    }
    query_close(&q);
    if (st == STATUS_NOTHING) return OK;
    tried_free(*list, *n);
    *list = NULL;
    *n = 0;
    return st;
}

void tried_free(struct tried *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(list[i].family);
        free(list[i].problem);
        free(list[i].class_name);
        free(list[i].variant);
        free(list[i].source_key);
    }
    free(list);
}

/* ---- their evaluations ---- */

/* How many samples are of rounds before the last. */
static enum status count_earlier(struct store *store, int64_t evaluation_id, size_t *n,
                                 struct error *err) {
    struct query q;
    enum status st =
        query_open(&q, store, listing,
                   "SELECT count(*) FROM samples WHERE evaluation_id = :evaluation_id AND round < "
                   "(SELECT max(round) FROM samples WHERE evaluation_id = :evaluation_id)",
                   err);
    if (st != OK) return st;
    query_bind_int(&q, ":evaluation_id", evaluation_id);
    st = query_next(&q, err);
    if (st == OK) *n = (size_t)query_int(&q, 0);
    query_close(&q);
    return st;
}

static enum status read_trials(struct store *store, struct query *ids, struct trial_record **list,
                               size_t *n, struct error *err) {
    size_t capacity = 0;
    enum status st;
    while ((st = query_next(ids, err)) == OK) {
        if (*n == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            *list = memory_grow(*list, capacity * sizeof **list);
        }
        struct trial_record *trial = &(*list)[*n];
        *trial = (struct trial_record){0};
        const int64_t id = query_int(ids, 0);
        if ((st = evaluation_read(store, id, &trial->evaluation, err)) != OK) return st;
        ++*n;
        if ((st = count_earlier(store, id, &trial->n_earlier, err)) != OK) return st;
    }
    return st == STATUS_NOTHING ? OK : st;
}

enum status store_trials(struct store *store, int64_t device_id, const struct tried *which,
                         struct trial_record **list, size_t *n, struct error *err) {
    struct query q;
    *list = NULL;
    *n = 0;
    enum status st =
        query_open(&q, store, listing,
                   "SELECT evaluation_id FROM evaluations JOIN problems USING (problem_id) "
                   "WHERE device_id = :device_id AND family = :family AND problem = :problem AND "
                   "class = :class AND variant = :variant AND source_key = :source_key AND "
                   "outcome <> 'running' ORDER BY evaluation_id",
                   err);
    if (st != OK) return st;
    query_bind_int(&q, ":device_id", device_id);
    query_bind_key(&q, &(struct record_key){.family = which->family,
                                            .problem = which->problem,
                                            .class_name = which->class_name,
                                            .variant = which->variant,
                                            .source_key = which->source_key});
    st = read_trials(store, &q, list, n, err);
    query_close(&q);
    if (st == OK) return OK;
    trials_free(*list, *n);
    *list = NULL;
    *n = 0;
    return st;
}

void trials_free(struct trial_record *list, size_t n) {
    for (size_t i = 0; i < n; i++) evaluation_free(&list[i].evaluation);
    free(list);
}
