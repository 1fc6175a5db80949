/* census.c: see census.h. Counts are doubles: exact to 2^53, and beyond that in the right proportion. */
#include "tuner/census.h"
#include "base/hash.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* 2^22 counts are 160 MB; a space that needs more has no structure to make use of. */
enum { COUNTS_MOST = 1 << 22, COUNTS_FIRST = 1 << 10 };

/* The points behind a parameter for the values before it that are still read. */
struct count {
    unsigned char key[PARAMS]; /* places of those values, 0 for the others */
    unsigned char depth;       /* the parameter; 0: the slot is free, for parameter 0 needs none */
    double points;
};
struct census {
    const struct axes *axes;
    struct count *counts; /* hash table, at most half full */
    size_t size, used;
    double all;
    bool is_full;
};

/* ---- what is kept ---- */

static void make_key(const struct axes *axes, int p, const unsigned char *place,
                     unsigned char key[PARAMS]) {
    memset(key, 0, PARAMS);
    for (uint32_t left = axes->axis[p].live; left; left &= left - 1) {
        const int q = __builtin_ctz(left);
        key[q] = place[q];
    }
}

static struct count *slot_of(const struct census *c, int depth, const unsigned char *key) {
    uint64_t hash = hash_short(key, PARAMS) + (uint64_t)depth * 0x9E3779B97F4A7C15u;
    for (;; hash++) {
        struct count *slot = &c->counts[hash & (c->size - 1)];
        if (!slot->depth || (slot->depth == depth && memcmp(slot->key, key, PARAMS) == 0))
            return slot;
    }
}

static bool grow(struct census *c) {
    struct count *old = c->counts;
    const size_t n = c->size;
    c->counts = n < COUNTS_MOST ? calloc(2 * n, sizeof *c->counts) : NULL;
    if (!c->counts) {
        c->counts = old;
        c->is_full = true;
        return false;
    }
    c->size = 2 * n;
    for (size_t i = 0; i < n; i++)
        if (old[i].depth) *slot_of(c, old[i].depth, old[i].key) = old[i];
    free(old);
    return true;
}

static void keep(struct census *c, int depth, const unsigned char *key, double points) {
    if (2 * (c->used + 1) > c->size && !grow(c)) return;
    struct count *slot = slot_of(c, depth, key);
    memcpy(slot->key, key, PARAMS);
    slot->depth = (unsigned char)depth;
    slot->points = points;
    c->used++;
}

/* ---- counting ---- */

static double count_from(struct census *c, struct config *config, unsigned char *place, int p);

/* Points behind parameter p once it has its value number v; 0 when a constraint forbids it. */
static double count_behind(struct census *c, struct config *config, unsigned char *place, int p,
                           int v) {
    const struct axes *axes = c->axes;
    place[p] = axes->axis[p].place[v];
    config->value[p] = axes->variant->params[p].values[place[p]].value;
    return axes_hold(axes, config->value, p) ? count_from(c, config, place, p + 1) : 0;
}

static double count_from(struct census *c, struct config *config, unsigned char *place, int p) {
    unsigned char key[PARAMS];
    if (p == c->axes->variant->n_params) return 1;
    if (p > 0) {
        make_key(c->axes, p, place, key);
        const struct count *slot = slot_of(c, p, key);
        if (slot->depth) return slot->points;
    }
    double points = 0;
    for (int v = 0; v < c->axes->axis[p].n && !c->is_full; v++)
        points += count_behind(c, config, place, p, v);
    if (p > 0) keep(c, p, key, points);
    return points;
}

enum status census_open(const struct axes *axes, struct census **out, struct error *err) {
    struct census *c = calloc(1, sizeof *c);
    *out = c;
    if (c) c->counts = calloc(COUNTS_FIRST, sizeof *c->counts);
    if (!c || !c->counts) {
        census_close(c);
        *out = NULL;
        return fail(err, STATUS_NOMEM, "no memory to count the configurations of %s",
                    axes->variant->name);
    }
    c->axes = axes;
    c->size = COUNTS_FIRST;
    struct config config = {.variant = axes->variant};
    unsigned char place[PARAMS] = {0};
    c->all = count_from(c, &config, place, 0);
    if (!c->is_full) return OK;
    census_close(c);
    *out = NULL;
    return fail(err, STATUS_NOMEM,
                "the constraints of %s are too entangled to count its configurations; narrow its "
                "parameters with --param",
                axes->variant->name);
}

void census_close(struct census *census) {
    if (census) free(census->counts);
    free(census);
}

double census_count(const struct census *census) {
    return census->all;
}

/* ---- drawing ---- */

void census_draw(struct census *census, struct rng *rng, unsigned char place[PARAMS],
                 struct config *config) {
    const struct axes *axes = census->axes;
    assert(census->all > 0);
    *config = (struct config){.variant = axes->variant};
    double left = census->all;
    for (int p = 0; p < axes->variant->n_params; p++) {
        double draw = rng_uniform(rng) * left;
        int chosen = -1;
        for (int v = 0; v < axes->axis[p].n && draw >= 0; v++) {
            const double behind = count_behind(census, config, place, p, v);
            if (behind == 0) continue;
            chosen = v;
            left = behind;
            draw -= behind;
        }
        assert(chosen >= 0);
        count_behind(census, config, place, p, chosen);
    }
}
