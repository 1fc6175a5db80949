/* strategy.c: the registry of strategies, and what they share. */
#include "tuner/strategy.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STRATEGY(name) extern const struct strategy strategy_##name;
#include "tuner/strategies.def"
#undef STRATEGY

const struct strategy *const strategies[] = {
#define STRATEGY(name) &strategy_##name,
#include "tuner/strategies.def"
#undef STRATEGY
    NULL,
};

const struct strategy *strategy_find(const char *name) {
    if (!name || !*name) return strategies[0];
    for (const struct strategy *const *s = strategies; *s; s++)
        if (strcmp((*s)->name, name) == 0) return *s;
    return NULL;
}

bool search_is_ready(const struct search *search, int64_t config) {
    return search->is_ready && search->is_ready(search->context, config);
}

enum status told_open(struct told *told, const struct search *search, struct error *err) {
    *told = (struct told){.n = search->space->n};
    told->is_told = calloc(told->n ? told->n : 1, 1);
    if (!told->is_told)
        return fail(err, STATUS_NOMEM, "no memory to search %zu configurations", told->n);
    return OK;
}

void told_close(struct told *told) {
    free(told->is_told);
    *told = (struct told){0};
}

void told_mark(struct told *told, int64_t config) {
    assert(config >= 0 && (size_t)config < told->n);
    told->n_told += !told->is_told[config];
    told->is_told[config] = 1;
}

int64_t told_next_seed(struct told *told, const struct search *search) {
    for (; told->next_seed < search->n_seeds; told->next_seed++) {
        int64_t seed = search->seeds[told->next_seed];
        if (seed >= 0 && (size_t)seed < told->n && !told->is_told[seed]) return seed;
    }
    return -1;
}

size_t told_peek_seeds(const struct told *told, const struct search *search, int64_t *likely,
                       size_t n) {
    size_t found = 0;
    for (size_t i = told->next_seed + 1; i < search->n_seeds && found < n; i++) {
        const int64_t seed = search->seeds[i];
        if (seed >= 0 && (size_t)seed < told->n && !told->is_told[seed] &&
            seed != search->seeds[told->next_seed])
            likely[found++] = seed;
    }
    return found;
}
