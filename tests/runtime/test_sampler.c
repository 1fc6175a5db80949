/* test_sampler.c: the order of random numbers, of steps and of ids; what happens at the edges. */
#include "runtime/sampler.h"
#include "base/rng.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct error err;

static struct sampler open_sampler(int64_t n) {
    struct sampler s;
    cr_assert_eq(sampler_open(n, &s, &err), OK, "%s", err.text);
    return s;
}

/* Logits as a model's: normal, a few large. */
static void fill(float *logits, int n, uint64_t seed) {
    struct rng rng = rng_seed(seed);
    for (int i = 0; i < n; i++) logits[i] = (float)(2 * rng_normal(&rng));
    for (int i = 0; i < n / 20; i++) logits[rng_below(&rng, (uint64_t)n)] += 6;
}

Test(sampler, coins_are_those_of_xorshift64_star) {
    static const struct {
        uint64_t seed;
        float coins[3]; /* times 2^24 */
    } cases[] = {
        {1, {4711630, 11259814, 12177677}},
        {42, {5688906, 13124075, 13256299}},
        {UINT64_MAX, {16329929, 9434244, -1}},
    };
    for (int i = 0; i < 3; i++) {
        uint64_t state = sampler_seed(cases[i].seed);
        for (int k = 0; k < 3 && cases[i].coins[k] >= 0; k++)
            cr_assert_eq(sampler_coin(&state) * 16777216.0f, cases[i].coins[k]);
    }
    cr_assert_neq(sampler_seed(0), 0, "a state of 0 would stay 0");
    cr_assert_eq(sampler_seed(7), 7);
}

Test(sampler, greedy_is_the_first_of_the_largest) {
    const float logits[] = {-1, 3, 2, 3, -INFINITY};
    uint64_t state = 5;
    struct sampler s = open_sampler(5);
    cr_assert_eq(sampler_greedy(logits, 5), 1);
    const struct sampler_options greedy = {0, 2, 0.9f};
    cr_assert_eq(sampler_next(&s, &greedy, logits, &state), 1);
    cr_assert_eq(state, 5, "no number is drawn");
    sampler_close(&s);
}

/* llama2.c's steps once more, by the shortest way: probabilities, the order of all, sums in float. */
static int32_t by_the_book(const float *logits, int32_t n, struct sampler_options o, float coin) {
    float *p = malloc((size_t)n * sizeof *p), largest = -INFINITY, sum = 0;
    int32_t *order = malloc((size_t)n * sizeof *order), chosen = -1;
    for (int32_t i = 0; i < n; i++) largest = fmaxf(largest, p[i] = logits[i] / o.temperature);
    for (int32_t i = 0; i < n; i++) { /* insertion: falling, lowest id first */
        int32_t at = i;
        for (; at && p[order[at - 1]] < p[i]; at--) order[at] = order[at - 1];
        order[at] = i;
    }
    for (int32_t i = o.top_k ? o.top_k : n; i < n; i++) p[order[i]] = -INFINITY;
    for (int32_t i = 0; i < n; i++) sum += p[i] = expf(p[i] - largest);
    for (int32_t i = 0; i < n; i++) p[i] /= sum;
    float reached = 0;
    int32_t last = 0;
    if (o.top_p > 0 && o.top_p < 1) {
        for (; reached <= o.top_p; last++) reached += p[order[last]];
        coin *= reached;
    }
    reached = 0;
    for (int32_t i = 0; chosen < 0 && i < n; i++) {
        const int32_t id = last ? order[i] : i;
        if (coin < (reached += p[id])) chosen = id;
    }
    free(order);
    free(p);
    return chosen;
}

Test(sampler, ids_are_those_of_the_book) {
    enum { N = 400, DRAWS = 300 };
    const struct sampler_options options[] = {
        {1, 0, 0}, {0.8f, 0, 0.9f},   {1, 0, 0.9f}, {1.5f, 0, 0.5f},  {1, 40, 0},
        {1, 1, 0}, {0.7f, 40, 0.95f}, {1, N, 1},    {2, N + 5, 0.3f}, {1, 0, 0.999f},
    };
    float logits[N];
    struct sampler s = open_sampler(N);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        uint64_t state = sampler_seed(i + 1), mine = state;
        struct sampler_options o = options[i];
        if (o.top_k > N) o.top_k = N;
        for (int draw = 0; draw < DRAWS; draw++) {
            fill(logits, N, (uint64_t)draw + 1);
            const int32_t id = sampler_next(&s, &options[i], logits, &state);
            cr_assert_eq(id, by_the_book(logits, N, o, sampler_coin(&mine)), "options %zu", i);
            cr_assert_eq(state, mine, "one number a draw");
        }
    }
    sampler_close(&s);
}

Test(sampler, frequencies_are_the_probabilities) {
    enum { DRAWS = 100000 };
    const float logits[] = {0, logf(2), logf(3), logf(4)}; /* 0.1 0.2 0.3 0.4 */
    const struct {
        struct sampler_options options;
        double p[4];
    } cases[] = {
        {{1, 0, 0}, {0.1, 0.2, 0.3, 0.4}},
        {{1, 3, 0}, {0, 2 / 9., 3 / 9., 4 / 9.}},
        {{1, 0, 0.6f}, {0, 0, 3 / 7., 4 / 7.}},
        {{0.5f, 0, 0}, {1 / 30., 4 / 30., 9 / 30., 16 / 30.}},
        {{1, 2, 0.5f}, {0, 0, 0, 1}}, /* 4/7 of what top-k left is more than half */
    };
    struct sampler s = open_sampler(4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t state = sampler_seed(11);
        int count[4] = {0};
        for (int k = 0; k < DRAWS; k++)
            count[sampler_next(&s, &cases[i].options, logits, &state)]++;
        for (int id = 0; id < 4; id++) {
            const double p = cases[i].p[id], deviation = sqrt(p * (1 - p) * DRAWS);
            cr_assert(fabs(count[id] - p * DRAWS) <= 4.5 * deviation, "case %zu: id %d %d times", i,
                      id, count[id]);
        }
    }
    sampler_close(&s);
}

Test(sampler, ties_are_kept_by_the_lowest_ids) {
    const float logits[] = {1, 1, 1, 1, 1, 1, 1};
    struct sampler s = open_sampler(7);
    uint64_t state = sampler_seed(3);
    const struct sampler_options k = {1, 3, 0}, p = {1, 0, 0.4f};
    for (int i = 0; i < 200; i++) {
        cr_assert_lt(sampler_next(&s, &k, logits, &state), 3);
        cr_assert_lt(sampler_next(&s, &p, logits, &state), 3, "3/7 are more than 0.4");
    }
    sampler_close(&s);
}

/* Whatever the numbers, an id of the vocabulary comes out; where there are no probabilities, the
 * largest logit's. */
Test(sampler, odd_numbers_give_an_id) {
    enum { N = 5 };
    static const float odd[][N] = {
        {NAN, NAN, NAN, NAN, NAN}, {1, NAN, 2, 0, 0},
        {1, INFINITY, 2, 0, 0},    {-INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY},
        {3e38f, -3e38f, 0, 0, 0},  {0, 0, 0, 0, 0},
    };
    static const struct sampler_options options[] = {
        {1, 0, 0},      {1, 0, 1e-9f}, {1e-40f, 0, 0.9f}, {INFINITY, 0, 0.9f}, {NAN, 0, 0.5f},
        {1, -3, -0.5f}, {1, 2, 0.9f},  {1, 0, NAN},       {-1, 0, 0},          {1, INT32_MAX, 2},
    };
    struct sampler s = open_sampler(N), one = open_sampler(1);
    uint64_t state = sampler_seed(1);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        for (size_t k = 0; k < sizeof options / sizeof *options; k++) {
            const int32_t id = sampler_next(&s, &options[k], odd[i], &state);
            cr_assert(id >= 0 && id < N, "logits %zu, options %zu: %d", i, k, id);
            cr_assert_eq(sampler_next(&one, &options[k], odd[i], &state), 0);
        }
    cr_assert_eq(sampler_next(&s, &options[0], odd[2], &state), 1, "infinity is the largest");
    cr_assert_eq(sampler_next(&s, &options[2], odd[4], &state), 0);
    sampler_close(&s);
    sampler_close(&one);
}

/* A vocabulary of today beside a decode step of some milliseconds. */
Test(sampler, top_k_of_a_large_vocabulary_is_quick) {
    enum { N = 150000, DRAWS = 20 };
    float *logits = malloc(N * sizeof *logits);
    struct sampler s = open_sampler(N);
    uint64_t state = sampler_seed(1);
    fill(logits, N, 1);
    const clock_t start = clock();
    for (int i = 0; i < DRAWS; i++)
        sampler_next(&s, &(struct sampler_options){0.8f, 40, 0.95f}, logits, &state);
    const double ms = (double)(clock() - start) * 1e3 / CLOCKS_PER_SEC / DRAWS;
    cr_assert(ms < 10, "%.1f ms a draw", ms);
    sampler_close(&s);
    free(logits);
}
