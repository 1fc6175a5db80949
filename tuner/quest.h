/* quest.h: one problem of a session: its space over all layouts, the search in it, and what came of it so
 * far. The session decides when; a quest knows what. */
#pragma once
#include "tuner/strategy.h"
#include "tuner/worker.h"
#include <jansson.h>

/* An evaluation that was made, in the order asked. */
struct attempt {
    int64_t id;     /* row */
    int64_t config; /* in the space; −1: this program does not have it any more */
    enum outcome outcome;
    double time_ns, share;
    bool is_final;
};
struct quest {
    struct problem problem;
    const struct layout *layout; /* the only one; NULL: all */
    char text[160];              /* of the problem */
    double weight;               /* of the budget */
    struct space space;
    const struct strategy *strategy;
    struct search search;
    int64_t *seeds; /* owned by the quest, used by the search */
    struct attempt *attempts;
    size_t n_attempts, capacity;
    int64_t default_config; /* −1: none is in the space */
    int64_t retry_id;       /* row found running, to be tried once more; 0: none */
    int64_t retry_config;
    bool is_open, is_done;
    int64_t n_here; /* evaluations of this run */
};

/* Space and default; UNSUPPORTED when nothing is valid. */
enum status quest_open(struct quest *quest, const struct device *device,
                       const struct problem *problem, const struct layout *layout,
                       const struct space_limit *limits, size_t n_limits, struct error *err);
void quest_close(struct quest *quest);

/* The search, with these configurations first (copied). */
enum status quest_begin(struct quest *quest, const struct strategy *strategy, uint64_t seed,
                        const int64_t *seeds, size_t n_seeds, struct error *err);
/* Remember an evaluation and tell the strategy. */
void quest_tell(struct quest *quest, const struct evaluation *e, int64_t config);
/* A configuration that may not run: it failed before. */
void quest_skip(struct quest *quest, int64_t config);

/* The fastest ok attempt (finals before others), NULL: none. */
const struct attempt *quest_best(const struct quest *quest);
double quest_incumbent(const struct quest *quest); /* INFINITY: none */
/* The fastest ok attempts that are within 5 % of the best and not final yet; returns their number. */
size_t quest_finalists(const struct quest *quest, struct attempt **out, size_t limit);
double quest_default_ns(const struct quest *quest); /* NAN: not measured */
int64_t quest_count(const struct quest *quest, enum outcome outcome);

/* "gemm m=…,k=… f32": for people; and the key of facts about it within a session. */
void quest_name(const struct quest *quest, char text[256]);
json_t *quest_json(const struct quest *quest);

/* Key of a configuration's record; the strings are the key's own (quest_key_free). */
enum status quest_key(const struct quest *quest, int64_t config, struct record_key *key,
                      struct error *err);
void quest_key_free(struct record_key *key);
/* The number of a record's configuration in the space, −1. */
int64_t quest_find(const struct quest *quest, const struct record_key *key);
