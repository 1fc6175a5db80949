/* records.h: a small world to keep: one device, sessions, evaluations with every member set. */
#pragma once
#include "base/str.h"
#include "results/store.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL "Platform|Vendor|Device|x86_64 family 26 model 2|2|33554432"
#define VERSION "driver 1|platform 1"

static const struct record_key key_usual = {.source_key = "0123456789abcdef",
                                            .options = "-DTM=4",
                                            .family = "matmul",
                                            .problem = "m=256,k=128,n=16,w=q4:128",
                                            .class_name = "f32",
                                            .layout = "panel16",
                                            .variant = "tiled",
                                            .config = "TM=4,TN=2"};

/* Fails the test with the sentence. */
#define WELL(call)                                                                                 \
    do {                                                                                           \
        const enum status well_status = (call);                                                    \
        cr_assert_eq(well_status, OK, "%s: %s: %s", #call, status_name(well_status), err.text);    \
    } while (0)

static inline const char *database_new(void) {
    static char path[1100];
    snprintf(path, sizeof path, "%s/hone.db", test_folder());
    return path;
}

static inline struct store *opened(const char *path, enum store_mode mode) {
    struct store *store = NULL;
    struct error err = {OK, ""};
    WELL(store_open(path, mode, &store, &err));
    return store;
}

static inline int64_t device_row(struct store *store, const char *model, const char *version) {
    int64_t id = 0;
    struct error err = {OK, ""};
    WELL(store_device(store, model, version, "Device", "uuid", &id, &err));
    return id;
}

static inline struct session_row session_usual(int64_t device_id) {
    static char problems[] = "matmul m=256,k=128,n=16,w=q4:128 f32 *\n", strategy[] = "local",
                state[] = "running";
    return (struct session_row){.device_id = device_id,
                                .problems = problems,
                                .strategy = strategy,
                                .seed = 1,
                                .budget_ns = 1000000000,
                                .state = state};
}

static inline int64_t session_new(struct store *store, int64_t device_id) {
    struct session_row row = session_usual(device_id);
    struct error err = {OK, ""};
    WELL(store_session_begin(store, &row, &err));
    return row.id;
}

static inline struct evaluation evaluation_begun(int64_t session_id, int64_t device_id,
                                                 int64_t sequence, struct record_key key) {
    return (struct evaluation){.session_id = session_id,
                               .device_id = device_id,
                               .sequence = sequence,
                               .key = key,
                               .outcome = OUTCOME_RUNNING,
                               .time_ns = NAN,
                               .low_ns = NAN,
                               .high_ns = NAN,
                               .floor_ns = NAN,
                               .ceiling_gbps = NAN,
                               .ceiling_gflops = NAN,
                               .share = NAN,
                               .nmse = NAN,
                               .unix_s = 1700000000};
}

/* What the worker would have made of it; the samples are static. */
static inline void evaluation_end(struct evaluation *e, enum outcome outcome, double time_ns) {
    static double samples[3];
    const bool is_timed = outcome == OUTCOME_OK || outcome == OUTCOME_ABANDONED;
    e->outcome = outcome;
    if (!is_timed) return;
    samples[0] = time_ns * 1.25, samples[1] = time_ns * 0.75, samples[2] = time_ns;
    e->time_ns = time_ns;
    e->low_ns = samples[1];
    e->high_ns = samples[0];
    e->samples_ns = samples;
    e->n_samples = 3;
}

static inline struct record_key with_config(const char *config) {
    struct record_key key = key_usual;
    key.config = config;
    return key;
}

/* A session with one evaluation that ended so; its number. */
static inline int64_t record_new(struct store *store, int64_t device_id, struct record_key key,
                                 enum outcome outcome, double time_ns, bool is_final) {
    struct error err = {OK, ""};
    struct evaluation e = evaluation_begun(session_new(store, device_id), device_id, 0, key);
    WELL(store_step(store, NULL, &e, &err));
    evaluation_end(&e, outcome, time_ns);
    e.is_final = is_final;
    WELL(store_step(store, &e, NULL, &err));
    return e.id;
}

/* A query's CSV, the caller's. */
static inline char *csv_of(struct store *store, const char *sql) {
    char *csv = NULL;
    struct error err = {OK, ""};
    WELL(store_csv(store, sql, &csv, &err));
    return csv;
}

static inline void expect_csv(struct store *store, const char *sql, const char *expected) {
    char *csv = csv_of(store, sql);
    cr_assert_str_eq(csv, expected, "%s gives\n%snot\n%s", sql, csv, expected);
    free(csv);
}

static inline void expect_clean(const char *path) {
    struct store *store = opened(path, STORE_READ);
    char *report = NULL;
    struct error err = {OK, ""};
    const enum status st = store_check(store, &report, &err);
    cr_assert_eq(st, OK, "%s: %s%s", path, report ? report : "", err.text);
    cr_assert_str_eq(report, "");
    free(report);
    store_close(store);
}
