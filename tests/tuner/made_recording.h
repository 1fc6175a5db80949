/* made_recording.h: a recorded space that tests make themselves: T4 results of 384 configurations, some per cent of
 * which fail in the ways that the format knows. */
#pragma once
#include "base/rng.h"
#include "base/str.h"

struct made_space {
    double
        depth; /* of the valley: 1: the slowest takes some times as long as the fastest; 0: all are alike */
    double noise; /* a run takes up to that part longer */
    double drift; /* after the first six a run takes that part longer */
    int n_runs;
};

/* Milliseconds, without noise: a valley in all four parameters. */
static inline double made_time_ms(double depth, int wg, int tm, int tn, int vw) {
    const double a = tm * tn - 12, b = wg / 64.0 - 2, c = vw - 4;
    return 3.0 + depth * (0.012 * a * a + 0.3 * b * b + 0.1 * c * c);
}

static inline void made_entry(struct str *text, const struct made_space *made, int i,
                              struct rng *rng) {
    static const char *const failures[] = {"compile", "runtime", "correctness", "timeout"};
    const int wg = 32 << i % 4, tm = 1 + i / 4 % 4, tn = 1 + i / 16 % 6, vw = 1 << i / 96;
    const double time_ms = made_time_ms(made->depth, wg, tm, tn, vw);
    const uint64_t draw = rng_below(rng, 40);
    str_addf(text,
             "{\"configuration\": {\"WG\": %d, \"TM\": %d, \"TN\": %d, \"VW\": %d}, \"times\": "
             "{\"compilation\": 80, \"validation\": 2, \"runtimes\": [",
             wg, tm, tn, vw);
    for (int r = 0; r < made->n_runs; r++) {
        const double drift = r >= 6 ? made->drift : 0;
        str_addf(text, "%s%.6f", r ? ", " : "",
                 time_ms * (1 + drift + made->noise * rng_uniform(rng)));
    }
    str_addf(text, "]}, \"invalidity\": \"%s\"}", draw < 4 ? failures[draw] : "correct");
}

/* The caller frees. */
static inline char *made_recording(const struct made_space *made) {
    struct str text = {0};
    struct rng rng = rng_seed(1);
    str_add(&text, "{\"metadata\": {\"timeunit\": \"milliseconds\"}, \"results\": [");
    for (int i = 0; i < 384; i++) {
        str_add(&text, i ? ",\n" : "\n");
        made_entry(&text, made, i, &rng);
    }
    str_add(&text, "]}\n");
    return text.text;
}
