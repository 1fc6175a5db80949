/* worker.h: the process that builds, checks and measures, and may die doing it. The parent side sends
 * one request at a time and kills the worker when a deadline passes; the next request starts another. */
#pragma once
#include "results/store.h"
#include "tuner/measure.h"

/* Deadlines, as constants in worker.c: compile 60 s; launch max(2 s, 20 × best × launches), at most 30 s. */

struct worker;
enum status worker_open(const char *device_selector, struct worker **out, struct error *err);
void worker_close(struct worker *worker);

struct work {
    struct config config;
    struct problem problem;
    uint64_t seed;
    double incumbent_ns;    /* for racing; INFINITY: none */
    int64_t budget_ns;      /* for samples */
    bool small_first;       /* found running before: the ragged problem first */
    bool is_final;          /* check whole, measure without racing */
};
/* Fills outcome, message, times, samples, nmse, build/check/wall times, floor, ceilings, share,
 * conditions of e. A dead or hanging worker is an outcome (CRASHED, TIMEOUT), not a failure; DEVICE
 * when the device is lost (a known-good kernel fails after three crashes in a row); INTERRUPTED when
 * *interrupt is set before the candidate is finished twice. */
enum status worker_evaluate(struct worker *worker, const struct work *work, struct evaluation *e,
                            const volatile int *interrupt, struct error *err);
/* Finalists in one call, interleaved: e[i] for works[i] (same problem). */
enum status worker_finals(struct worker *worker, const struct work *works, size_t n,
                          struct evaluation *e, const volatile int *interrupt, struct error *err);
/* Main of `hone @child worker`. */
int worker_child(void);
