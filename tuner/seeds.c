/* seeds.c: see seeds.h. Distance between problems is Σ |ln(a/b)| over their sizes, and a little for every
 * field that is no size: another weight type or epilogue often wants the same configuration. */
#include "tuner/seeds.h"
#include "base/str.h"
#include "results/lookup.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of a problem's records as many are read as there may be of three configurations under some drivers and sources. */
enum { NEAREST = 3, RECORDS_EACH = 3, RECORDS_READ = 12, SEEDS_FEW = 3 };

struct relative {
    const struct quest *quest;
    double distance;
};

/* As much as a size that differs by a factor of 4. */
static const double OTHER_CHOICE = 1.4;

/* −1: not related. */
static double distance(const struct problem *a, const struct problem *b) {
    if (a->family != b->family || a->class != b->class) return -1;
    double sum = 0;
    for (int f = 0; f < a->family->n_fields; f++) {
        if (a->family->fields[f].kind == FIELD_SIZE && a->value[f] > 0 && b->value[f] > 0)
            sum += fabs(log((double)a->value[f] / (double)b->value[f]));
        else if (a->value[f] != b->value[f]) sum += OTHER_CHOICE;
    }
    return sum;
}

static void add_seed(int64_t seeds[SEEDS_MOST], size_t *n, int64_t seed) {
    for (size_t i = 0; i < *n; i++)
        if (seeds[i] == seed) return;
    if (seed >= 0 && *n < SEEDS_MOST) seeds[(*n)++] = seed;
}

static int by_distance(const void *a, const void *b) {
    const struct relative *x = a, *y = b;
    return (x->distance > y->distance) - (x->distance < y->distance);
}

/* The best configurations of a problem that are in the space here, fastest first. */
struct known {
    int64_t best[RECORDS_EACH];
    size_t n;
    double distance;
};

static void add_known(struct known *known, int64_t at) {
    for (size_t i = 0; i < known->n; i++)
        if (known->best[i] == at) return;
    if (at >= 0 && known->n < RECORDS_EACH) known->best[known->n++] = at;
}

/* Whatever driver and kernel source they were measured under: the search measures them again. */
static struct known known_of(struct store *store, const struct device_info *info,
                             const struct quest *quest, const struct relative *relative) {
    const struct quest *r = relative->quest;
    const struct record_key key = {.family = r->problem.family->name,
                                   .problem = r->text,
                                   .class_name = class_names[r->problem.class],
                                   .layout = quest->layout ? quest->layout->name : NULL};
    struct known known = {.distance = relative->distance};
    struct evaluation *list = NULL;
    size_t n = 0;
    struct error ignored;
    if (store_best(store, info->model_key, &key, RECORDS_READ, &list, &n, &ignored) != OK) n = 0;
    for (size_t i = 0; i < n; i++) {
        add_known(&known, quest_find(quest, &list[i].key));
        evaluation_free(&list[i]);
    }
    free(list);
    return known;
}

/* The nearest problems that have records; returns how many there are. */
static size_t nearest_known(struct store *store, const struct device_info *info,
                            const struct quest *quest, struct relative *relatives, size_t n,
                            struct known known[NEAREST + 1]) {
    size_t places = 0;
    if (n) qsort(relatives, n, sizeof *relatives, by_distance);
    for (size_t i = 0; i < n && places <= NEAREST; i++) {
        known[places] = known_of(store, info, quest, &relatives[i]);
        places += known[places].n > 0;
    }
    return places;
}

/* ---- what the look-up knows beyond the session's problems ---- */

struct asker {
    const struct quest *quest;
    char source_key[17];
};
static const char *asker_source_key(void *context, const char *variant) {
    struct asker *a = context;
    return quest_source_key(a->quest, variant, a->source_key);
}
static bool asker_usable(void *context, const char *layout, const char *variant,
                         const char *config) {
    struct asker *a = context;
    const struct record_key key = {.layout = layout, .variant = variant, .config = config};
    return quest_find(a->quest, &key) >= 0;
}

static enum status look_up(struct store *store, const struct device_info *info,
                           const struct quest *quest, bool profiles_only,
                           struct lookup_answer *answer) {
    struct asker asker = {.quest = quest};
    struct error ignored;
    const struct lookup_query query = {.model = info->model_key,
                                       .version = info->version_key,
                                       .family = quest->problem.family->name,
                                       .problem = quest->text,
                                       .class_name = class_names[quest->problem.class],
                                       .layout = quest->layout ? quest->layout->name : NULL,
                                       .source_key = asker_source_key,
                                       .usable = asker_usable,
                                       .context = &asker,
                                       .profiles_only = profiles_only};
    return lookup(store, &query, answer, &ignored);
}

static void add_answer(struct lookup_answer *answer, const struct quest *quest,
                       int64_t seeds[SEEDS_MOST], size_t *n) {
    add_seed(seeds, n, quest_find(quest, &answer->record.key));
    if (answer->runner_up.id) add_seed(seeds, n, quest_find(quest, &answer->runner_up.key));
}

static void answer_free(struct lookup_answer *answer) {
    evaluation_free(&answer->record);
    if (answer->runner_up.id) evaluation_free(&answer->runner_up);
}

static void add_looked_up(struct store *store, const struct device_info *info,
                          const struct quest *quest, int64_t seeds[SEEDS_MOST], size_t *n) {
    struct lookup_answer answer = {0};
    if (look_up(store, info, quest, false, &answer) != OK) return;
    add_answer(&answer, quest, seeds, n);
    answer_free(&answer);
}

/* ---- hints ---- */

static void add_hint(const struct quest *quest, const struct variant *variant,
                     const struct hint *hint, size_t layout, int64_t seeds[SEEDS_MOST], size_t *n) {
    struct problem problem = quest->problem;
    problem.layout = quest->space.layouts[layout];
    if (hint->layout && strcmp(hint->layout, problem.layout->name) != 0) return;
    if (!variant->accepts(&problem)) return;
    struct config config;
    memset(&config, 0, sizeof config);
    variant->fallback(&problem, &config);
    if (config_change(&config, hint->config, NULL) == OK)
        add_seed(seeds, n, space_find(&quest->space, &config, problem.layout));
}

/* The first hints of all variants, then the second ones …; how many there are. */
static int add_hints_of_rank(const struct device_info *info, const struct quest *quest, int rank,
                             int64_t seeds[SEEDS_MOST], size_t *n) {
    int found = 0;
    for (const struct variant *const *v = quest->problem.family->variants; *v; v++) {
        int skip = rank;
        for (const struct hint *hint = (*v)->hints; hint && hint->config; hint++) {
            if (hint->device != info->type || skip-- > 0) continue;
            for (size_t l = 0; l < quest->space.n_layouts; l++)
                add_hint(quest, *v, hint, l, seeds, n);
            found++;
            break;
        }
    }
    return found;
}

/* Where hardly anything is known, the default in every other layout. */
static void add_defaults(const struct quest *quest, int64_t seeds[SEEDS_MOST], size_t *n) {
    for (size_t l = 0; l < quest->space.n_layouts; l++) {
        struct problem problem = quest->problem;
        problem.layout = quest->space.layouts[l];
        struct config config;
        struct error ignored;
        memset(&config, 0, sizeof config);
        if (family_default(&problem, &config, &ignored) == OK)
            add_seed(seeds, n, space_find(&quest->space, &config, problem.layout));
    }
}

/* What was best for this very problem comes first: after an update of the driver, or a change of the kernel, it is
 * most of what a search would find again. */
static void add_own(const struct known *known, size_t places, int64_t seeds[SEEDS_MOST],
                    size_t *n) {
    for (size_t place = 0; place < places; place++)
        for (size_t rank = 0; known[place].distance == 0 && rank < known[place].n; rank++)
            add_seed(seeds, n, known[place].best[rank]);
}

size_t seeds_gather(struct store *store, const struct device_info *info, const struct quest *quest,
                    const struct quest *relatives, size_t n_relatives, int64_t seeds[SEEDS_MOST]) {
    struct relative *list = memory_new((n_relatives + 1) * sizeof *list);
    struct known known[NEAREST + 1];
    size_t n = 0, n_list = 0;
    add_seed(seeds, &n, quest->default_config);
    for (size_t i = 0; i < n_relatives; i++) {
        double d = distance(&quest->problem, &relatives[i].problem);
        if (d >= 0) list[n_list++] = (struct relative){&relatives[i], d};
    }
    const size_t places = nearest_known(store, info, quest, list, n_list, known);
    free(list);
    add_own(known, places, seeds, &n);
    /* Profiles are asked beside the records: by the look-up's rules what this session found for another
     * n would answer before what they say of this very problem. */
    struct lookup_answer profiled = {0};
    const bool is_profiled = look_up(store, info, quest, true, &profiled) == OK;
    if (is_profiled && !strcmp(profiled.record.key.problem, quest->text))
        add_answer(&profiled, quest, seeds, &n);
    for (int rank = 0; rank < RECORDS_EACH; rank++) {
        for (size_t place = 0; place < places; place++)
            if ((size_t)rank < known[place].n) add_seed(seeds, &n, known[place].best[rank]);
        if (rank == 0) {
            add_looked_up(store, info, quest, seeds, &n);
            if (is_profiled) add_answer(&profiled, quest, seeds, &n);
        }
        add_hints_of_rank(info, quest, rank, seeds, &n);
    }
    for (int rank = RECORDS_EACH; add_hints_of_rank(info, quest, rank, seeds, &n) > 0;) rank++;
    if (n < SEEDS_FEW) add_defaults(quest, seeds, &n);
    if (is_profiled) answer_free(&profiled);
    return n;
}
