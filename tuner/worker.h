/* worker.h: the process that builds, checks and measures, and may die doing it. The parent side
 * sends one request at a time and kills the worker when a deadline passes; the next request
 * starts another, if none was started before it (worker_build_ahead). */
#pragma once
#include "results/store.h"
#include "tuner/measure.h"
#include <limits.h>

/* How long each part of an evaluation may take, in ns. The worker tells which part it is in. */
struct deadlines {
    int64_t start;        /* open the device, settle */
    int64_t prepare;      /* fill inputs, put them on the device */
    int64_t build;        /* compile, and the first launch of a geometry */
    int64_t launch_least; /* a sample: 20 × best × launches, within these two */
    int64_t launch_most;
    int64_t judge;   /* run once and compare with the reference */
    int64_t ceiling; /* measure ceilings */
};
extern const struct deadlines deadlines_usual;

/* What the time of a session goes to. Other: whatever neither builds, checks nor runs what is
 * timed. */
#define TIME_MAP(XX) XX(build) XX(check) XX(device) XX(other)
enum time_id {
#define XX(name) TIME_##name,
    TIME_MAP(XX)
#undef XX
        TIMES
};

struct worker;
/* deadlines NULL: the usual ones. The process starts with the first request, or before it
 * (worker_build_ahead). model_key: what the device that the selector means is known by; NULL: whatever it is. With a key, a device that is
 * not there any more, or another one in its place, is DEVICE: a card that fell off the bus
 * leaves its number to the next one. "replay:FILE" (target.h) is answered by the recording. */
enum status worker_open(const char *device_selector, const char *model_key,
                        const struct deadlines *deadlines, struct worker **out, struct error *err);
void worker_close(struct worker *worker); /* NULL is fine */
/* Ceilings that workers measured so far. */
const struct ceiling_memory *worker_ceilings(const struct worker *worker);
/* ns that workers were at work, by what they were at: [TIMES]. */
const int64_t *worker_times(const struct worker *worker);

enum { WORKS_MOST = 12 }; /* in one request */
struct work {
    struct config config;
    struct problem problem;
    uint64_t seed;
    double incumbent_ns; /* for racing; INFINITY: none */
    int64_t budget_ns;   /* for samples; 0: no limit */
    bool small_first;    /* found running before: the ragged problem first */
    bool is_final;       /* check whole, measure without racing */
    bool as_phase;       /* time it as a phase (op.h): the floor is 0 */
    bool is_warm;        /* the same operands again and again, else cold ones (measure_copies) */
};
/* Compiling ahead: processes beside the worker (builders.h) that compile what is likely to come
 * while it is at an evaluation. Outcomes are the worker's own; an evaluation's build_ns holds what
 * a builder took for it, too. */
enum { BUILDERS_USUAL = INT_MIN }; /* as many as the processors allow */
struct build_ahead {
    int builders; /* processes at most; 0: none; or BUILDERS_USUAL */
    /* The device is the processor that they run on: they stand still but while the worker builds. */
    bool on_device;
    double device_bytes; /* memory of the device */
    /* May it be built? Not what is in quarantine. */
    bool (*may_build)(void *context, const struct work *work);
    /* The works that are likely to come after the one under way, likeliest first, at most n;
     * returns how many. Asked once an evaluation, before or while the worker is at it. */
    size_t (*foresee)(void *context, struct work *works, size_t n);
    void *context;
};
/* From now on; before the first request. On a device of its own the worker opens it at once, before it is asked, and
 * so does who takes the place of one that died. */
void worker_build_ahead(struct worker *worker, const struct build_ahead *ahead);
/* Did a builder finish this work, so that nobody will wait for its program? */
bool worker_has_built(const struct worker *worker, const struct work *work);
/* What must be done before the candidate may run. It is done at once, or, where the program is there
 * and the worker up, while the worker prepares; once, or not at all where no worker starts. When it
 * fails nothing has run, and with its status worker_evaluate returns. */
struct leave {
    enum status (*give)(void *context, struct error *err);
    void *context;
    bool is_given; /* it went well */
};
/* Fills outcome, message, times, samples, nmse, build/check/wall times, floor, ceilings, share,
 * conditions of e. A dead or hanging worker is an outcome (CRASHED, TIMEOUT), not a failure;
 * NOMEM when the problem finds no room, UNSUPPORTED and INVALID when the worker refuses it: in
 * its words; DEVICE when the device is lost (a known-good kernel fails after three crashes in a
 * row); INTERRUPTED when *interrupt (may be NULL) rises twice before the candidate is finished.
 * leave NULL: it may run at once. */
enum status worker_evaluate(struct worker *worker, const struct work *work, struct leave *leave,
                            struct evaluation *e, const volatile int *interrupt, struct error *err);
/* Finalists in one call, interleaved: e[i] for works[i] (same family). */
enum status worker_finals(struct worker *worker, const struct work *works, size_t n,
                          struct evaluation *e, const volatile int *interrupt, struct error *err);
/* Ceilings at that working-set size (0: what counts as cold), the copy's too: then
 * worker_ceilings has them. */
enum status worker_measure_ceilings(struct worker *worker, size_t bytes,
                                    const volatile int *interrupt, struct error *err);
/* Mains of `hone @child worker` and, for recordings, of `hone @child recorded`. */
int worker_child(void);
int recorded_child(void);
