/* store.h: the results in one SQLite file. The only room that knows SQLite; all keys are text, so
 * that nothing here changes when a family, a variant or a parameter is added.
 *
 * Rollback journal, synchronous FULL, busy timeout, BEGIN IMMEDIATE, STRICT tables, application_id,
 * user_version. A store is opened for work (refuses what is not ours, leaves such a file untouched)
 * or read-only for the engine. One thread at a time. */
#pragma once
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum store_mode { STORE_WRITE, STORE_READ };

/* Open, in STORE_WRITE creating it when missing. DB with the sentence: corrupt, locked, read-only,
 * newer, or another program's file. STORE_READ on a missing file: NOTHING. */
enum status store_open(const char *path, enum store_mode mode, struct store **out,
                       struct error *err);
void store_close(struct store *store); /* NULL is fine */
const char *store_path(const struct store *store);
/* --db, else $HONE_DB, else $XDG_DATA_HOME/hone/hone.db; the caller frees. */
char *store_default_path(const char *option);

/* integrity_check, foreign keys, and our own rules (winners have samples, no `running` row without a
 * session …). Findings go one a line into report (caller frees); WRONG when there are any. */
enum status store_check(struct store *store, char **report, struct error *err);

/* What is written between these two is one transaction: all of it, or nothing. store_end is told how it went, and
 * returns that or why it could not be kept. Only one failure may lie in between: the last call. */
enum status store_begin(struct store *store, struct error *err);
enum status store_end(struct store *store, enum status status, struct error *err);

/* ---- devices ---- */

/* Row of a device model and version; made when missing. */
enum status store_device(struct store *store, const char *model, const char *version,
                         const char *name, const char *uuid, int64_t *device_id, struct error *err);

struct device_row {
    int64_t id;
    char *model, *version, *name;
    int64_t evaluations;   /* that were measured */
    int64_t newest_unix_s; /* of them; 0: there are none */
};
/* All devices that something was measured on, the newest measurement first; freed by device_rows_free. */
enum status store_devices(struct store *store, struct device_row **list, size_t *n,
                          struct error *err);
void device_rows_free(struct device_row *list, size_t n);

/* ---- sessions ---- */

struct session_row {
    int64_t id;
    int64_t device_id;
    char *problems; /* canonical text of what was asked: families, problems, classes, params */
    char *strategy;
    uint64_t seed;
    int64_t budget_ns;   /* wall time asked for; 0: none */
    int64_t evaluations; /* asked for; 0: no limit */
    int64_t spent_ns;    /* of the budget, by all runs of this session */
    char *state;         /* "running", "finished", "interrupted" */
};
/* The session with the same device, problems, strategy, seed, budget and evaluations, newest first;
 * NOTHING when there is none. Strings are the caller's (session_row_free). */
enum status store_session_find(struct store *store, const struct session_row *key,
                               struct session_row *found, struct error *err);
enum status store_session_begin(struct store *store, struct session_row *row, struct error *err);
enum status store_session_spend(struct store *store, int64_t session_id, int64_t spent_ns,
                                const char *state, struct error *err);
void session_row_free(struct session_row *row);

/* ---- evaluations ---- */

enum outcome {
    OUTCOME_RUNNING,
    OUTCOME_OK,
    OUTCOME_ABANDONED,
    OUTCOME_COMPILE_FAILED,
    OUTCOME_LAUNCH_FAILED,
    OUTCOME_WRONG,
    OUTCOME_TIMEOUT,
    OUTCOME_CRASHED,
    OUTCOME_IMPLAUSIBLE,
    OUTCOMES
};
extern const char *const outcome_names[OUTCOMES]; /* "running", "ok", "abandoned", … */
int outcome_find(const char *name);               /* −1: unknown */

/* What identifies a record. */
struct record_key {
    const char *source_key, *options;
    const char *family; /* the family itself, "matmul"; slices are names for people */
    const char *problem, *class_name, *layout;
    const char *variant, *config;
};
struct evaluation {
    int64_t id, session_id, device_id;
    int64_t sequence;      /* 0, 1, 2 … within session and problem, in the order asked */
    struct record_key key; /* strings owned by the evaluation when read (evaluation_free) */
    enum outcome outcome;
    char *message; /* why, when not ok */
    double time_ns, low_ns,
        high_ns; /* median and interval of the samples; NAN when there are none */
    double floor_ns, ceiling_gbps, ceiling_gflops, share;
    double nmse;
    int64_t build_ns, wall_ns, check_ns;
    int64_t elapsed_ns; /* of the session's time, when it ended: for best-so-far over seconds */
    double *samples_ns; /* raw */
    size_t n_samples;
    char *conditions; /* JSON: quota, affinity, environment, canary, load */
    int64_t unix_s;
    bool is_default; /* the family's own configuration; set when it begins */
    bool is_final;   /* measured among the finalists and checked as a whole (check.h) */
    bool is_resumed; /* found `running` once before; a row that runs again is so as it says */
};
void evaluation_free(struct evaluation *e);

/* One transaction: write the outcome of `done` (may be NULL) and insert `next` (may be NULL) as
 * running; next->id is set. kill -9 loses at most the running one. */
enum status store_step(struct store *store, const struct evaluation *done, struct evaluation *next,
                       struct error *err);
/* Add samples to an evaluation that is ok (finalists): replaces time, interval, flags; appends samples. */
enum status store_refine(struct store *store, const struct evaluation *e, struct error *err);
/* Rows left `running` on this device by a dead session: `boot` says whether since this boot. */
enum status store_running(struct store *store, int64_t device_id, const char *boot_id,
                          struct evaluation **list, size_t *n, bool **same_boot, struct error *err);
/* All evaluations of a session's problem in the order asked; caller frees each and the list. */
enum status store_history(struct store *store, int64_t session_id, const struct record_key *problem,
                          struct evaluation **list, size_t *n, struct error *err);
/* Quarantine: was this configuration wrong, crashed, twice timeout, or compile_failed here before
 * (same device id = model and version, same source key)? *outcome is OUTCOME_OK when it may run. */
enum status store_verdict(struct store *store, int64_t device_id, const struct record_key *key,
                          enum outcome *outcome, char **message, struct error *err);
/* `hone db retry`: forget the quarantine of crashed and timeout rows; *n rows. */
enum status store_retry(struct store *store, int64_t *n, struct error *err);

/* The best ok records of one problem (class and layout NULL = any) on a device model, best first:
 * finals before others, at most limit. */
enum status store_best(struct store *store, const char *model, const struct record_key *problem,
                       size_t limit, struct evaluation **list, size_t *n, struct error *err);
/* How many evaluations of this problem ended how (counts[OUTCOMES]) on this device model. */
enum status store_outcomes(struct store *store, const char *model, const struct record_key *problem,
                           int64_t counts[OUTCOMES], struct error *err);

/* The newest message of each outcome of this problem on this device model; NULL: it has none. The caller
 * frees each. */
enum status store_messages(struct store *store, const char *model, const struct record_key *problem,
                           char *messages[OUTCOMES], struct error *err);

/* ---- plan records, benches, facts ---- */

/* Small keyed facts: kind "plan" (fused or not), "class" (perplexity cost per model file),
 * "check" (first-use checks), "ceiling", "rival" (what a rival's own tuner found). Value is JSON.
 * NOTHING when missing. */
enum status store_fact_set(struct store *store, const char *kind, const char *model,
                           const char *version, const char *key, const char *value,
                           struct error *err);
enum status store_fact_get(struct store *store, const char *kind, const char *model,
                           const char *version, const char *key, char **value, struct error *err);
/* One row of a bench: the JSON of the row as printed. */
enum status store_bench_add(struct store *store, int64_t device_id, const char *family,
                            const char *problem, const char *json, struct error *err);

/* Run a query of the report (read only) and write CSV (header first) to out; caller frees *csv. */
enum status store_csv(struct store *store, const char *sql, char **csv, struct error *err);

/* ---- what was tried, kernel by kernel ---- */

/* A kernel on a problem in a class, by its newest source, and how many evaluations it has in all layouts. */
struct tried {
    char *family, *problem, *class_name, *variant, *source_key;
    int64_t evaluations;
};
/* All that were tried on a device, in the order of their names; none that is under way is counted. Freed by
 * tried_free. */
enum status store_tried(struct store *store, int64_t device_id, struct tried **list, size_t *n,
                        struct error *err);
void tried_free(struct tried *list, size_t n);

struct trial_record {
    struct evaluation evaluation; /* with all its samples, oldest first */
    size_t n_earlier;             /* of them; the time is the median of those behind */
};
/* The evaluations of one of them in the order made, those that are under way left out; freed by trials_free. */
enum status store_trials(struct store *store, int64_t device_id, const struct tried *which,
                         struct trial_record **list, size_t *n, struct error *err);
void trials_free(struct trial_record *list, size_t n);

/* ---- sharing ---- */

/* What is known of a device as a text profile (results/profile.h): of every problem, class and layout the
 * best record, by the newest source of its kernel, with its samples; in the order of their names. `maker`
 * goes into the provenance. NOTHING when the device has no record. The caller frees. */
enum status store_export(struct store *store, int64_t device_id, const char *maker, char **text,
                         struct error *err);
/* Keep a text profile as hints: look-up asks it after the records of this database and before what ships
 * with the program, and what it answers is always checked before its first use. `name` is for people. The
 * same text twice is kept once (*is_new false). INVALID with the line when it is no profile, or holds no
 * record. */
enum status store_import(struct store *store, const char *name, const char *text, size_t size,
                         bool *is_new, struct error *err);

struct imported {
    char *name, *text;
};
/* What was imported, the newest first; freed by imported_free. */
enum status store_imported(struct store *store, struct imported **list, size_t *n,
                           struct error *err);
void imported_free(struct imported *list, size_t n);

/* What a merge added; all 0: everything was there. */
struct merge_tally {
    int64_t sessions, evaluations, samples, benches, facts;
};
/* Take over what another database measured, in one transaction: all or nothing. Sessions that both hold
 * are one session, to which samples that are new are added; those that went on apart from a common
 * beginning (a copy of the file) are kept beside each other. What is under way there is left out, and so
 * are findings of first-use checks, which every database makes for itself. Merging again adds nothing.
 * Messages name the other database. */
enum status store_merge(struct store *store, struct store *other, struct merge_tally *added,
                        struct error *err);
