/* rng.h: random numbers that are the same everywhere. xorshift64* is the engine's sampler's too. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t state; /* never 0 */
};

struct rng rng_seed(uint64_t seed);              /* splitmix64 of the seed */
uint64_t rng_next(struct rng *rng);              /* xorshift64* on the whole state */
uint64_t rng_below(struct rng *rng, uint64_t n); /* uniform in [0, n), n ≥ 1, without bias */
double rng_uniform(struct rng *rng);             /* [0, 1) with 53 bits */
double rng_normal(struct rng *rng); /* mean 0, variance 1 (Box–Muller, one of the pair) */
void rng_shuffle(struct rng *rng, int *items, size_t n);
/* llama2.c's generator: state ^= state>>12, <<25, >>27; returns (state * 0x2545F4914F6CDD1D) >> 32. */
uint32_t rng_u32_xorshift(uint64_t *state);
