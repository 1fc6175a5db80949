/* measure.h: the measuring protocol. What is timed and what the time is are behind two functions, so
 * that a fake clock can prove the rules. Constants stand on top of measure.c with their reasons. */
#pragma once
#include "kernels/check.h"

/* Something that can be run and timed. run: `repeats` runs back to back (operands rotating), the time
 * of one in ns. */
struct subject {
    enum status (*run)(void *context, int repeats, double *time_ns, struct error *err);
    void *context;
};

struct sample_set {
    double *time_ns; /* one per sample: time of one run */
    size_t n, capacity;
    double median, low, high;
    double
        undisturbed; /* of a race: the median that it might have been had nobody disturbed it: what was
                           sampled beside a slow canary counts as that much faster. A hope that finals look
                           into, never a result */
    double canary; /* median of the canary beside, relative to its settled value; 1 = undisturbed */
    int discarded; /* samples thrown away because the canary drifted */
};
void sample_set_free(struct sample_set *s);
void sample_set_scale(struct sample_set *s, double by); /* all times of one */

/* The canary: a frozen kernel that runs beside every sample (its own source, never tuned). */
struct canary;
enum status canary_open(struct device *device, struct canary **out, struct error *err);
void canary_close(struct canary *canary);
struct subject canary_subject(struct canary *canary);

struct measuring {
    struct subject subject, canary;
    double canary_settled_ns; /* from measure_settle */
    double *
        behind_ns; /* the least that the canary took right behind kernels of the same problem, which leave its data
                          cold: INFINITY at first, then kept by the race; NULL: only the settled value counts */
    double expected_ns;  /* of one run, roughly; 0: a run more tells */
    double incumbent_ns; /* best so far; INFINITY: none. Racing compares with it */
    int64_t budget_ns;   /* at most this long for one candidate's samples; 0: no limit */
};
/* Warm up until two consecutive medians of 5 canary runs differ < 2 %, at most 3 s. */
enum status measure_settle(struct subject canary, double *settled_ns, struct error *err);
/* Race: one sample, dropped when > 1.6 × incumbent; a second later, dropped when > 1.25 ×; then up to
 * the full number. *abandoned says that it was dropped (the samples are kept, censored). Time that the
 * runs report is what the budget is counted in. */
enum status measure_race(const struct measuring *m, struct sample_set *out, bool *abandoned,
                         struct error *err);
/* Finalists, interleaved round by round until their intervals part or they agree within 1 %, at most
 * 20 rounds or, after three, the budget's end (0: none). subjects[i] adds to sets[i]. */
enum status measure_finals(struct subject canary, double canary_settled_ns,
                           const struct subject *subjects, size_t n, int64_t budget_ns,
                           struct sample_set *sets, struct error *err);

/* What times are taken from: the device's events, or the host's clock where they do not agree with it or
 * stopped doing so. */
struct timer {
    bool is_host;
    int n_short; /* timings in a row, of a millisecond and more, whose events lasted a quarter or less */
};
/* The time of one timing, in ns. An event that tells none, or more than the host waited, is a lie, and so
 * are events that are much too short again and again: from then on the timer is the host's. Whoever has
 * taken samples meanwhile takes them anew. */
double timer_ns(struct timer *timer, const struct timing *timing);
/* Do events agree with the host clock within 5 % on runs of a few ms? Checked when a worker begins, and
 * when a kernel seems faster than the device. */
enum status measure_clocks_agree(struct device *device, bool *agree, struct error *err);

/* A case and an op as a subject: cold (copies rotate) when the case has copies. */
struct timed_op {
    struct check_case *c;
    struct op *op;
    int turn;
    struct timer *timer;
    bool as_phase; /* op is a phase: one launch over the copies, the time of one */
};
struct subject timed_op_subject(struct timed_op *t);
/* Copies of the weights so that together they are cold (bounded by memory). */
int measure_copies(const struct device *device, const struct problem *problem);
/* What the timed runs of a problem go round in: all copies of its weights, and its other operands. */
size_t measure_working_set(const struct problem *problem, int copies);
/* The most that rotating copies may take on this device, in bytes. */
size_t measure_copies_limit(const struct device *device);
/* What they should exceed: four times the last-level cache, or less where a host has less of it than it tells of;
 * that is measured at the first call (reach.h). Not for two threads at once. */
size_t measure_cold_bytes(const struct device *device);
/* What copies take: that, or the most where it is more. */
size_t measure_cold_set(const struct device *device);

/* Ceilings of a device, measured in the same run. */
struct ceiling {
    double read_gbps; /* best of the read family at this working-set size */
    double gflops;    /* FMA chain */
    double giops;     /* int8 dot chain (operations, multiply and add counted as two); 0: no such */
    double launch_ns; /* empty kernel */
};
struct ceilings; /* opened once per run: keeps programs, remembers results by working-set size */
enum status ceilings_open(struct device *device, struct timer *timer, struct ceilings **out,
                          struct error *err);   /* the timer outlives them */
void ceilings_close(struct ceilings *ceilings); /* NULL is fine */
/* For a working set of that many bytes (the copies of the weights count once each). */
enum status ceilings_measure(struct ceilings *ceilings, size_t bytes, struct ceiling *out,
                             struct error *err);
/* The same with the read ceiling as it is now: memory shared with neighbours gives twice as much at one
 * minute as at another, and a winner's share is of what was to be had beside it. The three ways that read
 * fastest when all were tried at this size are tried again. */
enum status ceilings_beside(struct ceilings *ceilings, size_t bytes, struct ceiling *out,
                            struct error *err);
/* The same measured again, the better of old and new: before a kernel is called implausible. */
enum status ceilings_again(struct ceilings *ceilings, size_t bytes, struct ceiling *out,
                           struct error *err);
/* The copy ceiling at that working-set size, into the memory; what is read and what is written count. */
enum status ceilings_copy(struct ceilings *ceilings, size_t bytes, struct error *err);
/* What was measured so far; a process that takes over is given it instead of measuring again. */
enum { CEILING_LEVELS = 32 };
struct ceiling_memory {
    double gflops, giops, launch_ns, copy_gbps; /* NAN: not measured yet */
    struct ceiling_level {
        size_t bytes;
        double read_gbps; /* NAN: not measured yet */
    } level[CEILING_LEVELS];
    size_t n_levels;
};
const struct ceiling_memory *ceilings_memory(const struct ceilings *ceilings);
void ceilings_remember(struct ceilings *ceilings, const struct ceiling_memory *memory);
/* As if nothing was measured yet: for who learns that the clock was wrong. */
void ceilings_forget(struct ceilings *ceilings);
/* Median time of an empty kernel with this many work-groups of this size. */
enum status ceilings_floor(struct ceilings *ceilings, size_t groups, size_t local, double *floor_ns,
                           struct error *err);
/* The larger of canonical bytes / time over the read ceiling and operations / time over compute. */
double ceiling_share(const struct ceiling *ceiling, const struct cost *cost, double time_ns);
