/* sampler.h: from logits to the next id: greedy, or temperature, softmax, top-k and top-p with one
 * random number a token. The order of steps and of floating-point sums is part of the contract: the
 * same seed tells the same story everywhere. */
#pragma once
#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

struct sampler_options {
    float temperature; /* 0: greedy, nothing else is looked at */
    int32_t top_k;     /* 0: all */
    float top_p;       /* <= 0 or >= 1: all */
};

struct sampler_item {
    float probability;
    int32_t id;
};
/* Room for one vocabulary; shared by all requests of an engine. */
struct sampler {
    float *probability;        /* [vocabulary] */
    struct sampler_item *item; /* [vocabulary] */
    int32_t vocabulary;
};

/* NOMEM: no room for a vocabulary of that size. *out holds nothing then, and may be closed. */
enum status sampler_open(int64_t vocabulary, struct sampler *out, struct error *err);
void sampler_close(struct sampler *sampler);

/* The state of a request's random numbers: the seed itself, never 0. */
uint64_t sampler_seed(uint64_t seed);
/* Uniform in [0, 1) with 24 bits: the high 24 of the next xorshift64* number. */
float sampler_coin(uint64_t *state);

/* The index of the largest logit, the lowest on ties. */
int32_t sampler_greedy(const float *logits, int64_t vocabulary);
/* The next id:
 *
 *     p = softmax(logits / temperature), kept where the logit is among the top_k largest
 *     coin in [0, 1)
 *     all of p:  the first id whose running sum exceeds the coin
 *     top_p:     ids by falling p until their sum exceeds top_p; of those, by the coin times the sum
 *
 * One number is drawn from *state unless the temperature is 0. */
int32_t sampler_next(struct sampler *sampler, const struct sampler_options *options,
                     const float *logits, uint64_t *state);
