/* jury.h: which configurations of a round are worth measuring: those of which a model expects the largest
 * gains. First a round is heard, which is nearly all of the work; what comes of that can be judged later, when
 * more is known of how the observed ones turned out, as long as the same were observed. */
#pragma once
#include "tuner/pool.h"

enum { CHOICES_MOST = 16 };
/* Configurations with their gains, largest first. */
struct choices {
    struct choice {
        int64_t config;
        double gain; /* expected improvement */
    } at[CHOICES_MOST];
    int n, most;
    const struct search *unready; /* without those that are ready; NULL: with them */
};

struct jury {
    const struct pool *pool;
    const struct gaussian *model;
    const unsigned char *is_told; /* per configuration: these are no choice */
};
struct hearing {
    struct gaussian_reduced block[POOL_ROUND_MOST];
};
/* Of the pool's round, by so many threads. */
void jury_hear(const struct jury *jury, int threads, struct hearing *hearing);
/* Add what was heard, or one block more, to the choices. */
void jury_judge(const struct jury *jury, const struct hearing *hearing, struct choices *choices);
void jury_judge_block(const struct jury *jury, size_t block, struct choices *choices);
