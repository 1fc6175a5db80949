/* made_runs.h: documents of runs (tuner/runs.h) that were never run: benchmarks "gemm m=64,k=64,n=<i>", a
 * normal run value around 1, samples around the run's. */
#pragma once
#include "base/rng.h"
#include "tuner/runs.h"
#include <criterion/criterion.h>
#include <math.h>

static inline json_t *made_samples(struct rng *rng, double median) {
    json_t *list = json_array();
    for (int i = 0; i < 31; i++)
        json_array_append_new(list, json_real(median * exp(0.02 * rng_normal(rng))));
    return list;
}

static inline json_t *made_answer(struct rng *rng, double value, const char *environment) {
    const double yardstick = 1e5 * exp(0.05 * rng_normal(rng));
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:o}", "device",
                     "a <device> & \"co\"", "version", "1.0", "environment", environment,
                     "yardstick_key", "0123", "profile", "default", "layout", "rows", "variant",
                     "gemv", "config", "VW=4", "source_key", "4567", "yardstick", "chain",
                     "kernel_ns", made_samples(rng, yardstick * exp(value)), "yardstick_ns",
                     made_samples(rng, yardstick));
}

/* n runs of each benchmark; benchmark `which` is slower by `shift` (ln), -1: none. */
static inline json_t *made_runs(uint64_t seed, size_t n_benches, size_t n, double sigma, int which,
                                double shift) {
    struct rng rng = rng_seed(seed);
    struct error err = {0};
    json_t *document = runs_new();
    for (size_t b = 0; b < n_benches; b++) {
        char problem[64];
        snprintf(problem, sizeof problem, "m=64,k=64,n=%zu", b + 2);
        json_t *bench = runs_add_bench(document, "gemm", problem, "f32", "default", NULL);
        for (size_t i = 0; i < n; i++) {
            const double value = 1 + sigma * rng_normal(&rng) + ((int)b == which ? shift : 0);
            json_t *answer = made_answer(&rng, value, "cpus 2");
            cr_assert_eq(runs_add(document, bench, answer, &err), OK, "%s", err.text);
            json_decref(answer);
        }
    }
    return document;
}
