/* test_rng.c: the same numbers everywhere, with the shape they promise. */
#include "base/rng.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

/* Computed apart from this program, from the published recurrences. */
Test(rng, known_sequence) {
    uint64_t state = 1;
    static const uint32_t expected[] = {1206177355, 2882512552u, 3117485455u,
                                        1303648416, 241277360,   3362212811u};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const uint32_t got = rng_u32_xorshift(&state);
        cr_assert(got == expected[i], "number %zu is %u, expected %u", i, got, expected[i]);
    }
}

Test(rng, seeding_is_splitmix64) {
    cr_assert(rng_seed(0).state == 0xe220a8397b1dcdafu);
    cr_assert(rng_seed(1).state == 0x910a2dec89025cc1u);
}

Test(rng, the_32_bit_form_is_the_upper_half) {
    struct rng rng = rng_seed(5);
    uint64_t state = rng.state;
    for (int i = 0; i < 100; i++) cr_assert(rng_next(&rng) >> 32 == rng_u32_xorshift(&state));
    cr_assert(rng.state == state);
}

Test(rng, below_stays_below_and_is_even) {
    struct rng rng = rng_seed(1);
    int counts[7] = {0};
    for (int i = 0; i < 70000; i++) {
        const uint64_t x = rng_below(&rng, 7);
        cr_assert(x < 7);
        counts[x]++;
    }
    for (int i = 0; i < 7; i++)
        cr_assert(abs(counts[i] - 10000) < 500, "%d came %d times", i, counts[i]);
    for (int i = 0; i < 100; i++) cr_assert(rng_below(&rng, 1) == 0);
    for (int i = 0; i < 100; i++)
        cr_assert(rng_below(&rng, ((uint64_t)1 << 63) + 1) <= (uint64_t)1 << 63);
}

Test(rng, uniform_and_normal_have_their_moments) {
    struct rng rng = rng_seed(3);
    enum { N = 200000 };
    double uniform = 0, normal = 0, square = 0;
    for (int i = 0; i < N; i++) {
        const double u = rng_uniform(&rng), z = rng_normal(&rng);
        cr_assert(u >= 0 && u < 1 && isfinite(z));
        uniform += u;
        normal += z;
        square += z * z;
    }
    cr_assert(fabs(uniform / N - 0.5) < 0.005);
    cr_assert(fabs(normal / N) < 0.01);
    cr_assert(fabs(square / N - 1) < 0.02);
}

Test(rng, shuffle_keeps_the_items_and_moves_them) {
    struct rng rng = rng_seed(9);
    int items[100], seen[100] = {0}, moved = 0;
    for (int i = 0; i < 100; i++) items[i] = i;
    rng_shuffle(&rng, items, 100);
    for (int i = 0; i < 100; i++) {
        seen[items[i]]++;
        moved += items[i] != i;
    }
    for (int i = 0; i < 100; i++) cr_assert(seen[i] == 1);
    cr_assert(moved > 90);
    rng_shuffle(&rng, items, 0);
}
