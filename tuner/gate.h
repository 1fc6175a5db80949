/* gate.h: is it slower than it was? The verdicts of a regression gate over several benchmarks, from the values
 * of their runs and nothing else.
 *
 * A run is a fresh process, its value ln(kernel time / yardstick time): samples within one process are not
 * independent, and the yardstick (yardstick.h) takes the machine's mood out. Of two sets of runs the gate
 * knows the Hodges–Lehmann shift with its interval, and by the exact Mann–Whitney test whether it is larger
 * than a margin. The margin is 3 %, or twice the noise of the runs where that is more. Holm keeps all
 * benchmarks of a gate together to one rate of false alarms, and SLOW needs a second batch of runs that says
 * so by itself. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* verdict, what it means */
#define VERDICT_MAP(XX)                                                                            \
    XX(SLOW, "slower than before by more than the margin, in both batches")                        \
    XX(NOISY, "the machine moved or the runs scatter too much to say anything")                    \
    XX(AMBG, "neither slower than the margin nor surely within it")                                \
    XX(OK, "within the margin")                                                                    \
    XX(FAST, "faster than before by more than the margin")

/* In the order of how bad it is: the verdict of a whole gate is the first that one of its benchmarks has. */
enum verdict_id {
#define XX(name, meaning) VERDICT_##name,
    VERDICT_MAP(XX)
#undef XX
        VERDICTS
};
extern const char *const verdict_names[VERDICTS], *const verdict_meanings[VERDICTS];

struct gate_runs {
    const double *value;     /* ln of kernel over yardstick, a run */
    const double *yardstick; /* ln of the yardstick's time in ns, a run */
    size_t n;                /* ≤ STATS_RANKS_MOST with those of the other batch */
};
struct gate_bench {
    struct gate_runs base, base_second;   /* second.n = 0: a stored baseline is in no hurry */
    struct gate_runs fresh, fresh_second; /* second.n = 0: the first batch */
};
/* Shifts are in ln; expm1 of them is a fraction. */
struct judgement {
    enum verdict_id verdict;
    double shift, low, high; /* Hodges–Lehmann and its 95 % interval */
    double noise, margin;
    double p;     /* of being slower than the margin, after Holm */
    double moved; /* of the yardstick, new over base */
    size_t n_base,
        n_fresh; /* runs that count: at least 5 whose yardstick is within 25 % of most runs' */
    double detectable; /* a shift that 95 of 100 such gates would find; see gate_detectable */
};
/* Judge all benchmarks of a gate together. Those for which gate_is_open holds want a second batch. */
void gate_judge(const struct gate_bench *benches, size_t n, struct judgement *out);
/* SLOW, AMBG and NOISY of a first batch are not the last word. */
bool gate_is_open(const struct gate_bench *bench, const struct judgement *judgement);
/* Fills `detectable` by drawing gates from the runs that there are; slow, so apart from the verdicts. */
void gate_detectable(const struct gate_bench *benches, size_t n, struct judgement *out);
