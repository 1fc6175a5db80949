/* matrices.h: one matrix of weights is packed once and read at every n: the problems of a session that differ in
 * n alone, which configurations of each are worth measuring at the others, and which layout is best for all
 * of them together.
 *
 * A layout's cost is Σ over n of uses(n) · time(n), with the time of the best configuration in that layout: what
 * a token of the answer (n = 1) and one of a prompt take. Nothing here measures; the session does. */
#pragma once
#include "tuner/quest.h"

enum { MATRIX_SIZES_MOST = 32 };
struct matrix_uses {
    struct quest *quest[MATRIX_SIZES_MOST]; /* by n */
    size_t n;
};
/* The matrices that problems with at least two n read, in the order of their first problem; of one that has
 * more than MATRIX_SIZES_MOST, the first of these. The caller frees *out; the quests are not moved meanwhile. */
size_t matrices_find(struct quest *quests, size_t n, struct matrix_uses **out);

/* What is worth measuring at quest[at]: the best few of every n and layout that may run there, the best of each
 * before the second of any, its own before others'. Returns their number. */
size_t matrix_candidates(const struct matrix_uses *m, size_t at, struct setting *out, size_t most);

struct matrix_choice {
    const struct layout *layout; /* NULL: no layout was measured at every n that is used */
    double cost_ns;              /* of a token, in that layout */
    double worst;  /* largest time in it over the best in any, over the n measured in it */
    size_t n_open; /* how many n nothing was measured at in it: worst is silent on them */
    const struct layout *decode, *prefill; /* the best two, for n = 1 and beyond; may be the same */
    double two_cost_ns;
};
struct matrix_choice matrix_choose(const struct matrix_uses *m);

/* "m=3072,k=576,w=q4:32": what all its problems have in common. */
void matrix_name(const struct matrix_uses *m, char text[160]);
/* {"family", "problem", "class", "layout", "ranges": [{"n": [low, high], "variant", "config", "slowdown"}],
 *  "worst", "open": [n without a measurement in that layout], "two": {"decode", "prefill", "gain"}}; layout null and no ranges: nothing was chosen. */
json_t *matrix_json(const struct matrix_uses *m);
/* {"matrices": […], "worst_slowdown": of all that have a layout; null: none has}. */
json_t *matrices_json(const struct matrix_uses *list, size_t n);
