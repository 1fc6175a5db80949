/* forest.c: see forest.h. */
#include "tuner/forest.h"
#include <assert.h>
#include <math.h>

enum { LEAF_MOST = 2 }; /* observations that are not split further */

/* One tree under construction: observations in an order in which those of a node stand together. */
struct growth {
    const struct forest *forest;
    struct forest_node *node;
    int n_nodes;
    short order[FOREST_MOST];
};

struct cut {
    int trait;
    float split;
    double gain; /* what the squared error falls by */
};

static struct cut random_cut(const struct growth *g, int from, int to, int trait, struct rng *rng) {
    const struct forest *f = g->forest;
    float low = INFINITY, high = -INFINITY;
    for (int i = from; i < to; i++) {
        low = fminf(low, f->x[g->order[i]][trait]);
        high = fmaxf(high, f->x[g->order[i]][trait]);
    }
    struct cut cut = {.trait = -1, .gain = -1};
    if (!(high > low)) return cut;
    cut.split = low + (float)rng_uniform(rng) * (high - low);
    double sum[2] = {0};
    int n[2] = {0};
    for (int i = from; i < to; i++) {
        const int side = f->x[g->order[i]][trait] > cut.split;
        sum[side] += (double)f->y[g->order[i]];
        n[side]++;
    }
    if (n[0] == 0 || n[1] == 0) return cut;
    cut.trait = trait;
    cut.gain = sum[0] * sum[0] / n[0] + sum[1] * sum[1] / n[1];
    return cut;
}

static int part(struct growth *g, int from, int to, const struct cut *cut) {
    int middle = from;
    for (int i = from; i < to; i++)
        if (g->forest->x[g->order[i]][cut->trait] <= cut->split) {
            const short swap = g->order[middle];
            g->order[middle++] = g->order[i];
            g->order[i] = swap;
        }
    return middle;
}

static short grow(struct growth *g, int from, int to, struct rng *rng) {
    const short here = (short)g->n_nodes++;
    struct forest_node *node = &g->node[here];
    double sum = 0;
    for (int i = from; i < to; i++) sum += (double)g->forest->y[g->order[i]];
    *node = (struct forest_node){.trait = -1, .value = (float)(sum / (to - from))};
    if (to - from <= LEAF_MOST) return here;
    struct cut best = {.trait = -1, .gain = -1};
    for (int t = 0; t < g->forest->n_traits; t++) {
        const struct cut cut = random_cut(g, from, to, t, rng);
        if (cut.gain > best.gain) best = cut;
    }
    if (best.trait < 0) return here;
    const int middle = part(g, from, to, &best);
    node->trait = (short)best.trait;
    node->split = best.split;
    node->down = grow(g, from, middle, rng);
    node->up = grow(g, middle, to, rng);
    return here;
}

void forest_fit(struct forest *forest, struct rng *rng) {
    assert(forest->n > 0 && forest->n <= FOREST_MOST);
    for (int tree = 0; tree < FOREST_TREES; tree++) {
        struct growth g = {.forest = forest, .node = forest->node[tree]};
        for (int i = 0; i < forest->n; i++) g.order[i] = (short)i;
        grow(&g, 0, forest->n, rng);
    }
}

void forest_expect(const struct forest *forest, const float *value, double *mean,
                   double *deviation) {
    double sum = 0, squares = 0;
    for (int tree = 0; tree < FOREST_TREES; tree++) {
        const struct forest_node *node = forest->node[tree];
        while (node->trait >= 0)
            node = forest->node[tree] + (value[node->trait] <= node->split ? node->down : node->up);
        sum += (double)node->value;
        squares += (double)node->value * (double)node->value;
    }
    *mean = sum / FOREST_TREES;
    *deviation = sqrt(fmax(squares / FOREST_TREES - *mean * *mean, 0));
}
