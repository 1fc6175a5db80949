/* rng.c: see rng.h. */
#include "base/rng.h"
#include <math.h>

struct rng rng_seed(uint64_t seed) {
    uint64_t z = seed + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (struct rng){z ? z : 1};
}

uint64_t rng_next(struct rng *rng) {
    uint64_t x = rng->state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    rng->state = x;
    return x * 0x2545f4914f6cdd1du;
}

uint64_t rng_below(struct rng *rng, uint64_t n) {
    const uint64_t reject = (UINT64_MAX % n + 1) % n; /* 2^64 mod n */
    uint64_t x;
    do x = rng_next(rng);
    while (x < reject);
    return x % n;
}

double rng_uniform(struct rng *rng) {
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

double rng_normal(struct rng *rng) {
    const double u = 1 - rng_uniform(rng), v = rng_uniform(rng);
    return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}

void rng_shuffle(struct rng *rng, int *items, size_t n) {
    for (size_t i = n; i > 1; i--) {
        const size_t j = rng_below(rng, i);
        const int swap = items[i - 1];
        items[i - 1] = items[j];
        items[j] = swap;
    }
}

uint32_t rng_u32_xorshift(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)((*state * 0x2545f4914f6cdd1du) >> 32);
}
