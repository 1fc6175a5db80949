/* quest.h: one problem of a session: its space over all layouts, the search in it, and what came of it so
 * far. The session decides when; a quest knows what. */
#pragma once
#include "tuner/strategy.h"
#include "tuner/target.h"
#include "tuner/worker.h"
#include <jansson.h>

/* A configuration in a layout. */
struct setting {
    struct config config;
    const struct layout *layout; /* NULL: this program does not have the configuration */
};
/* An evaluation that was made, in the order asked. */
struct attempt {
    int64_t id; /* row */
    struct setting setting;
    enum outcome outcome;
    double time_ns, share;
    double hope_ns;  /* what the time may be where somebody disturbed its samples; else the time */
    double floor_ns; /* of an empty kernel with the same work-groups; NAN: not measured */
    bool is_final, is_default;
};
struct quest {
    struct problem problem;
    const struct layout *layout; /* the only one; NULL: all */
    char text[160];              /* of the problem */
    double weight;               /* of the budget */
    double uses; /* a token; 0: not searched, only measured with what is best at other n */
    const struct device *device;     /* NULL: a recording stands for it */
    const struct recorded *recorded; /* NULL: there is a device */
    const struct space_limit *limits;
    size_t n_limits;
    bool is_searching; /* between quest_begin and quest_rest: space and search are there */
    struct space space;
    double space_n, space_raw; /* points and raw points, once the space was open */
    const struct strategy *strategy;
    struct search search;
    int64_t *seeds; /* owned by the quest, used by the search */
    struct attempt *attempts;
    size_t n_attempts, capacity;
    int64_t default_config; /* −1: none is in the space */
    int64_t retry_id;       /* row found running, to be tried once more; 0: none */
    int64_t retry_config;
    struct setting retry_setting; /* the same when no search is on */
    bool is_done;
    int final_rounds;    /* that were held, under the session's present grant */
    json_t *cross;       /* steps at other configurations' n (cross.h); owned; NULL: none */
    double cross_weight; /* of the budget, for the next of them; 0: none is wanted */
    bool is_crossed;
    int64_t n_here; /* evaluations of this run */
};

/* UNSUPPORTED when nothing is valid, NOMEM when the device has no room for the problem. Limits outlive the quest. */
enum status quest_open(struct quest *quest, const struct target *target,
                       const struct problem *problem, const struct layout *layout,
                       const struct space_limit *limits, size_t n_limits, struct error *err);
void quest_close(struct quest *quest);

/* Open the space: it can be large, so only one quest at a time has it open. */
enum status quest_open_space(struct quest *quest, struct error *err);
/* The search, with these configurations first (copied). */
enum status quest_begin(struct quest *quest, const struct strategy *strategy, uint64_t seed,
                        const int64_t *seeds, size_t n_seeds, struct error *err);
/* End the search and close the space; attempts stay. */
void quest_rest(struct quest *quest);
/* Remember an evaluation; while searching the strategy is told, too: what the time may be, so that it
 * does not learn who else was at work. */
void quest_tell(struct quest *quest, const struct evaluation *e);
/* The same for one that the strategy did not ask for and does not hear of. */
void quest_remember(struct quest *quest, const struct evaluation *e);
/* A configuration that may not run: it failed before. */
void quest_skip(struct quest *quest, int64_t config);

/* The fastest ok attempt (finals before others), NULL: none; the same in one layout. */
const struct attempt *quest_best(const struct quest *quest);
const struct attempt *quest_best_in(const struct quest *quest, const struct layout *layout);
double quest_incumbent(const struct quest *quest); /* INFINITY: none */
/* Does the best take no longer than the cheapest launch that was seen? Then there is nothing left to
 * gain. */
bool quest_is_at_floor(const struct quest *quest);
/* A family whose outputs are compared with those of the default configuration has a right one: INVALID, with how it
 * failed, when anything was tried and that was not ok. */
enum status quest_check_default(const struct quest *quest, struct error *err);
/* The fastest ok attempts that are within 5 % of the best, or may be, and not final yet; once there is a final
 * best, those that may be faster than it, for a second look. Returns their number. */
size_t quest_finalists(const struct quest *quest, struct attempt **out, size_t limit);
double quest_default_ns(const struct quest *quest); /* NAN: not measured */
int64_t quest_count(const struct quest *quest, enum outcome outcome);

/* "gemm m=…,k=… f32": for people; and the key of facts about it within a session. */
void quest_name(const struct quest *quest, char text[256]);
json_t *quest_json(const struct quest *quest);

/* Key of a setting's record; the strings are the key's own (quest_key_free). */
struct record_key quest_key(const struct quest *quest, const struct setting *setting);
void quest_key_free(struct record_key *key);
/* Configuration number `at` of the space as a setting, and a record's; layout NULL: not of this program. */
struct setting quest_setting(const struct quest *quest, int64_t at);
struct setting quest_setting_of(const struct quest *quest, const struct record_key *key);
/* Key of a variant's source as records have it, "" when the family has no such variant; and one key for all
 * kernels of the family. Of a recording: what is in its file. Both return text. */
const char *quest_source_key(const struct quest *quest, const char *variant, char text[17]);
const char *quest_family_key(const struct quest *quest, char text[17]);
/* The problem in a setting's layout. */
struct problem quest_problem(const struct quest *quest, const struct setting *setting);
/* The number of a record's configuration in the open space, −1. */
int64_t quest_find(const struct quest *quest, const struct record_key *key);
