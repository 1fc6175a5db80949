/* pool.c: see pool.h. */
#include "tuner/pool.h"
#include <stdlib.h>

static void put(struct pool *pool, const struct space *space, size_t place, int64_t config) {
    float value[TRAITS];
    gaussian_block *block = pool->value + place / GAUSSIAN_BLOCK * (size_t)pool->traits.n;
    pool->config[place] = config;
    if (config < 0) return;
    traits_of(&pool->traits, space, config, value);
    for (int t = 0; t < pool->traits.n; t++) block[t][place % GAUSSIAN_BLOCK] = value[t];
}

static void shuffle(struct rng *rng, int64_t *items, size_t n) {
    for (size_t i = n; i > 1; i--) {
        const size_t j = rng_below(rng, i);
        const int64_t swap = items[i - 1];
        items[i - 1] = items[j];
        items[j] = swap;
    }
}

/* The list: everything in random order, or a random sample. */
static void list(struct pool *pool, struct search *search) {
    const size_t n = search->space->n, places = pool->n_blocks * GAUSSIAN_BLOCK;
    for (size_t i = 0; i < places; i++)
        pool->config[i] =
            n > places ? (int64_t)rng_below(&search->rng, n) : (i < n ? (int64_t)i : -1);
    shuffle(&search->rng, pool->config, places);
    for (size_t i = 0; i < places; i++) put(pool, search->space, i, pool->config[i]);
}

enum status pool_open(struct pool *pool, struct search *search, struct error *err) {
    const size_t needed = (search->space->n + GAUSSIAN_BLOCK - 1) / GAUSSIAN_BLOCK;
    *pool = (struct pool){.n_blocks = needed < POOL_BLOCKS ? needed : POOL_BLOCKS};
    traits_open(search->space, &pool->traits);
    const size_t blocks = pool->n_blocks + POOL_AROUND_BLOCKS + POOL_SHOWN_BLOCKS;
    pool->config = malloc(blocks * GAUSSIAN_BLOCK * sizeof *pool->config);
    pool->value = calloc(blocks * (size_t)(pool->traits.n + 1), sizeof *pool->value);
    if (!pool->config || !pool->value)
        return fail(err, STATUS_NOMEM, "no memory for a model of %zu configurations",
                    search->space->n);
    list(pool, search);
    return OK;
}

void pool_close(struct pool *pool) {
    free(pool->config);
    free(pool->value);
    *pool = (struct pool){0};
}

/* Into the blocks behind the list; returns how many are used. */
static size_t look_around(struct pool *pool, const struct space *space, const int64_t *centre,
                          int n) {
    enum { MOST = POOL_AROUND_BLOCKS * GAUSSIAN_BLOCK };
    const size_t first = pool->n_blocks * GAUSSIAN_BLOCK;
    int64_t around[MOST];
    size_t used = 0;
    for (int c = 0; c < n; c++) {
        const size_t n_around = space_neighbours(space, centre[c], around, MOST);
        for (size_t i = 0; i < n_around && i < MOST && used < MOST; i++)
            put(pool, space, first + used++, around[i]);
    }
    while (used % GAUSSIAN_BLOCK) put(pool, space, first + used++, -1);
    return used / GAUSSIAN_BLOCK;
}

void pool_turn(struct pool *pool, const struct space *space, size_t blocks, const int64_t *centre,
               int n) {
    struct pool_round *round = &pool->round;
    round->n = 0;
    while (round->n < blocks && round->n < pool->n_blocks) {
        round->block[round->n++] = round->next;
        round->next = (round->next + 1) % pool->n_blocks;
    }
    const size_t around = look_around(pool, space, centre, n);
    for (size_t b = 0; b < around; b++) round->block[round->n++] = pool->n_blocks + b;
}

size_t pool_show(struct pool *pool, const struct space *space, const int64_t *config, int n) {
    const size_t block = pool->n_blocks + POOL_AROUND_BLOCKS;
    for (int i = 0; i < GAUSSIAN_BLOCK; i++)
        put(pool, space, block * GAUSSIAN_BLOCK + (size_t)i, i < n ? config[i] : -1);
    return block;
}
