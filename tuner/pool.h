/* pool.h: the configurations that a model judges before one of them is measured, with their traits: in each
 * round a part of the space, and what lies around the best. The parts are those of a shuffled list of the
 * whole space, or of a random sample of it where it is large. */
#pragma once
#include "tuner/gaussian.h"
#include "tuner/trail.h"

enum {
    POOL_BLOCKS = 128,      /* at most: spaces up to so many blocks are listed as a whole */
    POOL_ROUND_BLOCKS = 16, /* judged in a round … */
    POOL_AROUND_BLOCKS = 4, /* … beside the neighbours of the best */
    POOL_SHOWN_BLOCKS = 1,
    POOL_ROUND_MOST = POOL_ROUND_BLOCKS + POOL_AROUND_BLOCKS,
};
struct pool_round {
    size_t block[POOL_ROUND_MOST], n;
    size_t next; /* block of the list that the round after it begins with */
};
struct pool {
    struct traits traits;
    int64_t *config;       /* [block][GAUSSIAN_BLOCK], −1: nothing; owned */
    gaussian_block *value; /* [block][trait]; owned */
    size_t n_blocks;       /* of the list; behind them stand the neighbours, then what is shown */
    struct pool_round round;
};
enum status pool_open(struct pool *pool, struct search *search, struct error *err);
void pool_close(struct pool *pool);
/* Begin a round: the next part of the list, at most so many blocks, and the neighbours of these configurations. */
void pool_turn(struct pool *pool, const struct space *space, size_t blocks, const int64_t *centre,
               int n);
/* The block that these configurations are put into, at most GAUSSIAN_BLOCK; it is none of the round. */
size_t pool_show(struct pool *pool, const struct space *space, const int64_t *config, int n);
