/* engine_private.h: an open engine, as engine.c (batches, sequences) and requests.c share it. */
#pragma once
#include "runtime/engine.h"
#include "runtime/forward.h"
#include "runtime/sampler.h"
#include <pthread.h>

struct engine {
    const struct model *model;
    struct device *device;
    struct routes *routes;
    struct forward *forward;
    struct engine_facts facts;
    int64_t max_rows;

    /* answers of the last engine_batch */
    struct answer {
        const float *logits, *hidden; /* NULL: not asked for */
    } * answer;                       /* [n_answers] */
    size_t n_answers, answer_capacity;
    float *floats; /* what they point into */
    size_t floats_capacity;

    struct requests *requests;
};

/* requests.c */
enum status requests_open(struct engine *engine, struct error *err);
void requests_close(struct engine *engine);
