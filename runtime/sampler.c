/* sampler.c: the next id. Sums run in float and in index order: that is what makes a seed portable. */
#include "runtime/sampler.h"
#include "base/rng.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum status sampler_open(int64_t vocabulary, struct sampler *out, struct error *err) {
    *out = (struct sampler){.vocabulary = (int32_t)vocabulary};
    out->probability = malloc((size_t)vocabulary * sizeof *out->probability);
    out->item = malloc((size_t)vocabulary * sizeof *out->item);
    if (out->probability && out->item) return OK;
    sampler_close(out);
    return fail(err, STATUS_NOMEM, "no memory to sample from a vocabulary of %lld ids",
                (long long)vocabulary);
}

void sampler_close(struct sampler *sampler) {
    free(sampler->probability);
    free(sampler->item);
    *sampler = (struct sampler){0};
}

uint64_t sampler_seed(uint64_t seed) {
    return seed ? seed : 1;
}

float sampler_coin(uint64_t *state) {
    return (float)(rng_u32_xorshift(state) >> 8) / 16777216.0f;
}

int32_t sampler_greedy(const float *logits, int64_t vocabulary) {
    int32_t best = 0;
    for (int64_t i = 1; i < vocabulary; i++)
        if (logits[i] > logits[best]) best = (int32_t)i;
    return best;
}

/* Falling probability; equal ones by id, so that the order never depends on the sort. */
static int by_probability(const void *a, const void *b) {
    const struct sampler_item *x = a, *y = b;
    if (x->probability != y->probability) return x->probability > y->probability ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Let item i of a heap of n, whose last in order is on top, sink to its place. */
static void sink(struct sampler_item *item, int32_t i, int32_t n) {
    for (int32_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && by_probability(&item[child + 1], &item[child]) > 0) child++;
        if (by_probability(&item[child], &item[i]) <= 0) return;
        const struct sampler_item swap = item[i];
        item[i] = item[child];
        item[child] = swap;
    }
}

/* Put minus infinity at all but the k largest; the lowest ids win ties. */
static void keep_top_k(struct sampler *s, int32_t k) {
    struct sampler_item *kept = s->item;
    for (int32_t i = 0; i < k; i++) kept[i] = (struct sampler_item){s->probability[i], i};
    for (int32_t i = k / 2; i-- > 0;) sink(kept, i, k);
    for (int32_t i = k; i < s->vocabulary; i++) {
        struct sampler_item loser = {s->probability[i], i};
        if (by_probability(&loser, &kept[0]) < 0) {
            const struct sampler_item winner = loser;
            loser = kept[0];
            kept[0] = winner;
            sink(kept, 0, k);
        }
        s->probability[loser.id] = -INFINITY;
    }
}

/* false: there are no probabilities (a logit is infinite or no number). */
static bool softmax(float *x, int32_t n) {
    float largest = x[0];
    for (int32_t i = 1; i < n; i++)
        if (x[i] > largest) largest = x[i];
    float sum = 0.0f;
    for (int32_t i = 0; i < n; i++) {
        x[i] = expf(x[i] - largest);
        sum += x[i];
    }
    for (int32_t i = 0; i < n; i++) x[i] /= sum;
    return isfinite(sum);
}

static int32_t draw_from_all(const float *probability, int32_t n, float coin) {
    float sum = 0.0f;
    for (int32_t i = 0; i < n; i++) {
        sum += probability[i];
        if (coin < sum) return i;
    }
    return n - 1; /* rounding left the sum below the coin */
}

/* An id whose probability is below (1 − p) / (n − 1) can never be in the set: it is not sorted. */
static int32_t draw_from_top_p(struct sampler *s, float top_p, float coin) {
    const float cutoff = (1.0f - top_p) / (float)(s->vocabulary - 1);
    int32_t n = 0;
    for (int32_t i = 0; i < s->vocabulary; i++)
        if (s->probability[i] >= cutoff) s->item[n++] = (struct sampler_item){s->probability[i], i};
    if (n == 0) /* nearly equal probabilities and a top_p next to 0 */
        return sampler_greedy(s->probability, s->vocabulary);
    qsort(s->item, (size_t)n, sizeof *s->item, by_probability);
    float sum = 0.0f;
    int32_t last = n - 1;
    for (int32_t i = 0; i < n; i++) {
        sum += s->item[i].probability;
        if (sum > top_p) {
            last = i;
            break;
        }
    }
    const float mark = coin * sum;
    float reached = 0.0f;
    for (int32_t i = 0; i <= last; i++) {
        reached += s->item[i].probability;
        if (mark < reached) return s->item[i].id;
    }
    return s->item[last].id;
}

int32_t sampler_next(struct sampler *sampler, const struct sampler_options *options,
                     const float *logits, uint64_t *state) {
    const int32_t n = sampler->vocabulary;
    if (!(options->temperature > 0.0f) || n == 1) return sampler_greedy(logits, n);
    for (int32_t i = 0; i < n; i++) sampler->probability[i] = logits[i] / options->temperature;
    if (options->top_k > 0 && options->top_k < n) keep_top_k(sampler, options->top_k);
    const float coin = sampler_coin(state);
    if (!softmax(sampler->probability, n)) return sampler_greedy(logits, n);
    if (options->top_p <= 0.0f || options->top_p >= 1.0f)
        return draw_from_all(sampler->probability, n, coin);
    return draw_from_top_p(sampler, options->top_p, coin);
}
