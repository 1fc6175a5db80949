/* jury.c: see jury.h. */
#include "tuner/jury.h"
#include "base/parallel.h"
#include <math.h>

/* ---- hearing ---- */

static void reduce(const struct jury *jury, size_t block, struct gaussian_reduced *out) {
    gaussian_reduce(jury->model, jury->pool->value + block * (size_t)jury->pool->traits.n, out);
}

struct task {
    const struct jury *jury;
    struct hearing *hearing;
    size_t threads;
};
static enum status hear_some(void *context, int64_t first, int64_t last, struct error *err) {
    const struct task *task = context;
    const struct pool_round *round = &task->jury->pool->round;
    (void)err;
    for (int64_t thread = first; thread < last; thread++)
        for (size_t b = (size_t)thread; b < round->n; b += task->threads)
            reduce(task->jury, round->block[b], &task->hearing->block[b]);
    return OK;
}

void jury_hear(const struct jury *jury, int threads, struct hearing *hearing) {
    struct task task = {jury, hearing, (size_t)threads};
    parallel_for(threads, hear_some, &task, NULL);
}

/* ---- judging ---- */

static double normal_density(double z) {
    return exp(-z * z / 2) * 0.3989422804014327;
}
static double expected_improvement(double mean, double deviation, double best) {
    const double z = (mean - best) / deviation;
    if (z < -5) return deviation * normal_density(z) / (z * z); /* where the formula cancels */
    return deviation * (z * erfc(-z * 0.7071067811865476) / 2 + normal_density(z));
}

static void consider(struct choices *best, int64_t config, double gain) {
    int place = best->n < best->most ? best->n : best->most - 1;
    if (!(gain >= 0) || (best->n == best->most && !(gain > best->at[place].gain))) return;
    for (int i = 0; i < best->n; i++)
        if (best->at[i].config == config) return; /* in the list and around the best */
    if (best->unready && search_is_ready(best->unready, config)) return;
    for (; place > 0 && gain > best->at[place - 1].gain; place--)
        best->at[place] = best->at[place - 1];
    best->at[place] = (struct choice){config, gain};
    best->n += best->n < best->most;
}

static void judge(const struct jury *jury, size_t block, const struct gaussian_reduced *reduced,
                  double best, struct choices *choices) {
    gaussian_block mean, deviation;
    const int64_t *config = jury->pool->config + block * GAUSSIAN_BLOCK;
    gaussian_read(jury->model, reduced, mean, deviation);
    for (int c = 0; c < GAUSSIAN_BLOCK; c++)
        if (config[c] >= 0 && !jury->is_told[config[c]])
            consider(choices, config[c],
                     expected_improvement((double)mean[c], (double)deviation[c], best));
}

void jury_judge(const struct jury *jury, const struct hearing *hearing, struct choices *choices) {
    const double best = gaussian_best(jury->model);
    const struct pool_round *round = &jury->pool->round;
    for (size_t b = 0; b < round->n; b++)
        judge(jury, round->block[b], &hearing->block[b], best, choices);
}

void jury_judge_block(const struct jury *jury, size_t block, struct choices *choices) {
    struct gaussian_reduced reduced;
    reduce(jury, block, &reduced);
    judge(jury, block, &reduced, gaussian_best(jury->model), choices);
}
