/* covering.h: few configurations of a variant that hold every pair of values.
 *
 * A point is a problem and a configuration that is valid for it on a device. Its letters are the values
 * of the parameters and of what the kernel is compiled for: the class, the layout, and the fields that
 * become defines. The covering set holds every pair of letters that some valid point has, each at least
 * once: faults that two things make together are found by some tens of points instead of by millions.
 *
 * Greedy, after AETG: take the pair whose letters miss most pairs, complete it in several ways to a
 * valid point (values that bring new pairs first, constraints asked as soon as they can be), keep the
 * one that brings most. A pair that no point has is found by an exhausted search, and counted. Same
 * seed, same set. */
#pragma once
#include "base/rng.h"
#include "base/str.h"
#include "kernels/kernel.h"
#include <assert.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { AXES = PARAMS + PROBLEM_FIELDS + 2, LETTERS = 320 };

struct point {
    size_t problem; /* index into the problems */
    struct config config;
};

struct covering {
    const struct device *device;
    const struct variant *variant;
    const struct problem *problems; /* all accepted by the variant */
    size_t n_problems;
    /* Letters: axis a has letters first[a] … first[a + 1) − 1; parameters come first. */
    int n_axes, first[AXES + 1];
    int64_t letter[LETTERS];
    bool covered[LETTERS][LETTERS]; /* [a][b] with a < b */
    int n_pairs, n_impossible;      /* possible pairs, and those that no valid point has */
    struct point *points;
    size_t n_points;
    struct rng rng;
};

/* ---- letters ---- */

/* What axis `axis` beyond the parameters reads from a problem. */
static inline int64_t problem_axis(const struct problem *p, int axis) {
    if (axis == 0) return p->class;
    if (axis == 1) return p->layout - layouts;
    for (int f = 0, seen = 2; f < p->family->n_fields; f++)
        if (p->family->fields[f].use & USE_DEFINE && seen++ == axis) return p->value[f];
    return 0;
}

static inline int problem_axes(const struct family *family) {
    int n = 2;
    for (int f = 0; f < family->n_fields; f++) n += (family->fields[f].use & USE_DEFINE) != 0;
    return n;
}

static inline int letter_find(const struct covering *c, int axis, int64_t value) {
    for (int i = c->first[axis]; i < c->first[axis + 1]; i++)
        if (c->letter[i] == value) return i;
    return -1;
}

static inline void letter_add(struct covering *c, int axis, int64_t value) {
    if (letter_find(c, axis, value) >= 0) return;
    cr_assert_lt(c->first[axis + 1], LETTERS);
    c->letter[c->first[axis + 1]++] = value;
}

static inline void add_axes(struct covering *c) {
    const int n_params = c->variant->n_params;
    c->n_axes = n_params + problem_axes(c->problems[0].family);
    for (int axis = 0; axis < c->n_axes; axis++) {
        c->first[axis + 1] = c->first[axis];
        if (axis < n_params) {
            const struct param *param = &c->variant->params[axis];
            for (int v = 0; v < param->n_values; v++)
                if (device_has(c->device, param->values[v].needs))
                    letter_add(c, axis, param->values[v].value);
        } else {
            for (size_t i = 0; i < c->n_problems; i++)
                letter_add(c, axis, problem_axis(&c->problems[i], axis - n_params));
        }
    }
}

/* The letters of a point under construction, −1 where it has none yet. */
struct word {
    int letter[AXES];
};

static inline int word_gain(const struct covering *c, const struct word *word, int letter) {
    int gain = 0;
    for (int axis = 0; axis < c->n_axes; axis++) {
        const int other = word->letter[axis];
        if (other >= 0 && other != letter)
            gain += !c->covered[other < letter ? other : letter][other < letter ? letter : other];
    }
    return gain;
}

static inline struct word word_of(const struct covering *c, const struct point *point) {
    struct word word = {{0}};
    for (int axis = 0; axis < c->n_axes; axis++)
        word.letter[axis] = axis < c->variant->n_params
                                ? letter_find(c, axis, point->config.value[axis])
                                : letter_find(c, axis,
                                              problem_axis(&c->problems[point->problem],
                                                           axis - c->variant->n_params));
    return word;
}

/* ---- one point around a pair ---- */

/* The search for values of the parameters that are still open, for one problem. */
struct completion {
    struct covering *c;
    struct word word;
    struct point point;
    uint32_t given; /* bit p: parameter p has a value */
    int order[PARAMS], n_open;
};

static inline bool constraints_allow(const struct completion *s) {
    const struct variant *variant = s->c->variant;
    for (int i = 0; i < variant->n_constraints; i++)
        if (!(variant->constraints[i].reads & ~s->given) &&
            !variant->constraints[i].holds(s->point.config.value,
                                           &s->c->problems[s->point.problem]))
            return false;
    return true;
}

/* How many parameters a constraint on p still waits for, the smallest number over all of them. */
static inline int waits_for(const struct variant *variant, uint32_t given, int p) {
    int least = PARAMS;
    for (int i = 0; i < variant->n_constraints; i++) {
        const uint32_t reads = variant->constraints[i].reads;
        const int left = __builtin_popcount(reads & ~given);
        if (reads >> p & 1 && left < least) least = left;
    }
    return least;
}

/* Open parameters in the order in which constraints become decidable soonest; chance decides ties. */
static inline void order_open(struct completion *s) {
    const struct variant *variant = s->c->variant;
    uint32_t given = s->given;
    const int n_open = variant->n_params - __builtin_popcount(given);
    for (s->n_open = 0; s->n_open < n_open; s->n_open++) {
        int best = 0, least = PARAMS + 1;
        uint64_t ties = 0;
        for (int p = 0; p < variant->n_params; p++) {
            if (given >> p & 1) continue;
            const int waits = waits_for(variant, given, p);
            if (waits < least) ties = 0;
            if (waits <= least && rng_below(&s->c->rng, ++ties) == 0) best = p;
            if (waits < least) least = waits;
        }
        s->order[s->n_open] = best;
        given |= 1u << best;
    }
}

/* Letters of an axis, those that bring new pairs first, then those that stand first in the variant's list:
 * these make the smaller kernels, which compile sooner. */
static inline int order_letters(struct completion *s, int axis, int letters[LETTERS]) {
    struct covering *c = s->c;
    int key[LETTERS];
    const int n = c->first[axis + 1] - c->first[axis];
    for (int i = 0; i < n; i++) {
        const int letter = c->first[axis] + i;
        const int rank = word_gain(c, &s->word, letter);
        int at = i;
        for (; at > 0 && key[at - 1] < rank; at--) {
            key[at] = key[at - 1];
            letters[at] = letters[at - 1];
        }
        key[at] = rank;
        letters[at] = letter;
    }
    return n;
}

/* Depth first through the open parameters; complete: false means that there is no such point. */
static inline bool complete(struct completion *s, int depth) {
    struct covering *c = s->c;
    if (!constraints_allow(s)) return false;
    if (depth == s->n_open)
        return config_valid(&s->point.config, &c->problems[s->point.problem], c->device, NULL);
    const int axis = s->order[depth];
    int letters[LETTERS];
    const int n = order_letters(s, axis, letters);
    s->given |= 1u << axis;
    for (int i = 0; i < n; i++) {
        s->word.letter[axis] = letters[i];
        s->point.config.value[axis] = (int)c->letter[letters[i]];
        if (complete(s, depth + 1)) return true;
    }
    s->given &= ~(1u << axis);
    s->word.letter[axis] = -1;
    return false;
}

static inline int axis_of(const struct covering *c, int letter) {
    int axis = 0;
    while (letter >= c->first[axis + 1]) axis++;
    return axis;
}

/* Does the problem have the letters of the pair that problems decide? */
static inline bool problem_fits(const struct covering *c, const struct problem *p,
                                const int pair[2]) {
    for (int i = 0; i < 2; i++) {
        const int axis = axis_of(c, pair[i]) - c->variant->n_params;
        if (axis >= 0 && problem_axis(p, axis) != c->letter[pair[i]]) return false;
    }
    return true;
}

static inline bool complete_for(struct covering *c, size_t problem, const int pair[2],
                                struct completion *s) {
    *s = (struct completion){.c = c};
    s->point = (struct point){problem, {.variant = c->variant}};
    for (int axis = 0; axis < c->n_axes; axis++) {
        const int attribute = axis - c->variant->n_params;
        s->word.letter[axis] =
            attribute < 0 ? -1
                          : letter_find(c, axis, problem_axis(&c->problems[problem], attribute));
    }
    for (int i = 0; i < 2; i++) {
        const int axis = axis_of(c, pair[i]);
        s->word.letter[axis] = pair[i];
        if (axis >= c->variant->n_params) continue;
        s->point.config.value[axis] = (int)c->letter[pair[i]];
        s->given |= 1u << axis;
    }
    order_open(s);
    return complete(s, 0);
}

/* ---- the set ---- */

static inline int point_gain(const struct covering *c, const struct point *point) {
    const struct word word = word_of(c, point);
    int gain = 0;
    for (int axis = 0; axis < c->n_axes; axis++) gain += word_gain(c, &word, word.letter[axis]);
    return gain / 2;
}

/* The best of some points that have the pair; false: there is none. */
static inline bool point_around(struct covering *c, const int pair[2], struct point *best) {
    int most = -1;
    for (size_t i = 0; i < c->n_problems; i++) {
        struct completion s;
        if (!problem_fits(c, &c->problems[i], pair) || !complete_for(c, i, pair, &s)) continue;
        const int gain = point_gain(c, &s.point);
        if (gain <= most) continue;
        most = gain;
        *best = s.point;
    }
    return most >= 0;
}

/* Take a point into the set. */
static inline void covering_add(struct covering *c, const struct point *point) {
    const struct word word = word_of(c, point);
    for (int a = 0; a < c->n_axes; a++)
        for (int b = a + 1; b < c->n_axes; b++) {
            bool *covered = &c->covered[word.letter[a]][word.letter[b]];
            c->n_pairs += !*covered;
            *covered = true;
        }
    c->points = memory_grow(c->points, (c->n_points + 1) * sizeof *c->points);
    c->points[c->n_points++] = *point;
}

/* The pair that is not covered and whose letters have most such pairs; false: none is left. */
static inline bool next_pair(const struct covering *c, int pair[2]) {
    int left[LETTERS] = {0}, most = 0;
    const int n = c->first[c->n_axes];
    for (int a = 0; a < n; a++)
        for (int b = c->first[axis_of(c, a) + 1]; b < n; b++)
            if (!c->covered[a][b]) left[a]++, left[b]++;
    for (int a = 0; a < n; a++)
        for (int b = c->first[axis_of(c, a) + 1]; b < n; b++) {
            if (c->covered[a][b] || left[a] + left[b] <= most) continue;
            most = left[a] + left[b];
            pair[0] = a, pair[1] = b;
        }
    return most > 0;
}

/* The covering set of a variant over problems that it accepts (at least one). covering_close frees. */
static inline struct covering *covering_open(const struct device *device,
                                             const struct variant *variant,
                                             const struct problem *problems, size_t n_problems) {
    assert(problems && n_problems > 0);
    struct covering *c = memory_new(sizeof *c);
    *c = (struct covering){.device = device,
                           .variant = variant,
                           .problems = problems,
                           .n_problems = n_problems,
                           .rng = rng_seed(1)};
    add_axes(c);
    for (int pair[2]; next_pair(c, pair);) {
        struct point point;
        if (point_around(c, pair, &point)) covering_add(c, &point);
        else c->n_impossible++;
        c->covered[pair[0]][pair[1]] = true;
    }
    return c;
}

static inline void covering_close(struct covering *c) {
    free(c->points);
    free(c);
}
