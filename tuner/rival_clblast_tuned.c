/* rival_clblast_tuned.c: CLBlast with what its own tuners find for the problem, beside CLBlast as
 * shipped. It has two GEMM routines, one kernel that takes any matrix (XgemmDirect), and one that
 * wants whole tiles, for which others copy, pad and transpose (Xgemm); it picks one by size. The
 * kernels are tuned and timed in the real product, and so is CLBlast as shipped: the fastest
 * counts.
 *
 * Its tuners try a random part of their space and say nothing meanwhile, so that their time is
 * bounded from outside: a small part first, twice as much each time, as long as that fits into the
 * time. Kernels that were compiled before come from the driver's cache. What is found is a fact of
 * the database.
 *
 * What they do not do: Xgemm is tuned for multiples of 128 only (a smaller N as 128) and for one
 * of the ways to pose a product, and kernels that copy are left as shipped. Of Xgemm's two inner
 * loops TuneXgemm (1.5.3) returns the second's parameters, whichever is faster, and with those
 * the routine of CLBlast before 1.6.3 computes something else where MWG and NWG differ, or dies.
 * Hence every winner of a step is remembered: the last one that computes the product counts. */
#include "base/clock.h"
#include "base/log.h"
#include "tuner/rival_sides.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PART_FIRST = 8192 };                  /* one configuration of the smallest space */
static const int64_t GRACE_NS = 60000000000; /* for a step that takes longer than was foreseen */
/* A configuration runs eleven times. m and k are halved until the shipped kernel would take this
 * long, so that slow devices see enough configurations; half as many tiles of 128 still keep
 * them busy. */
static const double RUN_NS = 5e6;
enum { SHORTEST = 512 };

static const struct tuner {
    const char *kernel;
    int64_t multiple;    /* of m and k that it is tuned for: the largest tile */
    int64_t multiple_n;  /* of n: the smallest tile, where a larger one may hang over */
    const char *routine; /* what makes CLBlast take this kernel at any size */
} tuners[] = {
    {"XgemmDirect", 64, 8, "GemmRoutine XGEMM_MIN_INDIRECT_SIZE=1000000"},
    {"Xgemm", 128, 128, "GemmRoutine XGEMM_MIN_INDIRECT_SIZE=0"},
};
enum { TUNERS = sizeof tuners / sizeof *tuners };

/* ---- tuning ---- */

static int64_t whole(int64_t size, int64_t multiple) {
    return (size + multiple - 1) / multiple * multiple;
}

/* time_ns: what the product takes as shipped. */
static struct rival_request tuner_request(const struct rival_request *product,
                                          const struct tuner *tuner, double time_ns) {
    struct rival_request r = *product;
    const double each_ns = time_ns / ((double)r.m * (double)r.n * (double)r.k);
    snprintf(r.tuner, sizeof r.tuner, "%s", tuner->kernel);
    r.m = whole(r.m, tuner->multiple);
    r.n = whole(r.n, tuner->multiple_n);
    r.k = whole(r.k, tuner->multiple);
    for (;;) {
        int64_t *longest = r.m > r.k ? &r.m : &r.k;
        if (each_ns * (double)r.m * (double)r.n * (double)r.k <= RUN_NS || *longest <= SHORTEST)
            return r;
        *longest = whole(*longest / 2, tuner->multiple);
    }
}

static void say_step(const struct rival_request *r, int64_t spent_ns) {
    log_progress("CLBlast tunes %s for %lldx%lldx%lld: 1/%d of its space, after %.0f s", r->tuner,
                 (long long)r->m, (long long)r->n, (long long)r->k, r->part,
                 (double)spent_ns / 1e9);
}

/* Parameters, each faster than those before; by the tuner's word. */
enum { STEPS = 14 };
struct winners {
    char parameters[STEPS][RIVAL_SETTING];
    int n;
};

/* Larger and larger parts of the space. A step without a configuration that runs is followed by
 * the next; when one dies or hangs, what was found before it counts. */
static enum status tune(const struct rival_place *place, struct rival_request *r,
                        struct winners *winners, struct error *err) {
    const int64_t began_ns = clock_now_ns();
    int64_t spent_ns = 0;
    enum status st = OK;
    winners->n = 0;
    for (r->part = PART_FIRST; winners->n < STEPS && r->part > 0; r->part /= 2) {
        char *found = winners->parameters[winners->n];
        say_step(r, spent_ns);
        st = rival_ask_tuner(place, r, place->tuning_ns - spent_ns + GRACE_NS, found, err);
        if (st != OK && st != STATUS_LAUNCH) break;
        if (st == OK && (!winners->n || strcmp(winners->parameters[winners->n - 1], found) != 0))
            winners->n++;
        const int64_t step_ns = clock_now_ns() - began_ns - spent_ns;
        spent_ns += step_ns;
        if (spent_ns + (st == OK ? 2 * step_ns : 0) > place->tuning_ns) break;
    }
    if (st == STATUS_INTERRUPTED || !winners->n) return st;
    if (st != OK) log_warn("CLBlast's tuner of %s stops early: %s", r->tuner, err->text);
    return OK;
}

/* ---- facts ---- */

static const char kind[] = "rival";

/* What a tuner found in at least as much time as there is now, and computed the product, if
 * anything; false: not known. */
static bool recall(const struct rival_place *place, const char *key, struct winners *winners) {
    const struct device_info *info = device_describe(place->device);
    char *text = NULL;
    struct error ignored;
    if (!place->store || store_fact_get(place->store, kind, info->model_key, info->version_key, key,
                                        &text, &ignored) != OK)
        return false;
    json_t *value = json_loads(text, 0, NULL);
    const char *parameters = json_string_value(json_object_get(value, "parameters"));
    const json_int_t tuning_ns = json_integer_value(json_object_get(value, "tuning_ns"));
    const bool is_good =
        parameters && strlen(parameters) < RIVAL_SETTING && tuning_ns >= place->tuning_ns;
    if (is_good) snprintf(winners->parameters[0], RIVAL_SETTING, "%s", parameters);
    winners->n = is_good && *parameters;
    json_decref(value);
    free(text);
    return is_good;
}

static enum status keep(const struct rival_place *place, const char *key, const char *found,
                        struct error *err) {
    const struct device_info *info = device_describe(place->device);
    if (!place->store) return OK;
    json_t *value =
        json_pack("{s:s,s:I}", "parameters", found, "tuning_ns", (json_int_t)place->tuning_ns);
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(value);
    enum status st = text ? store_fact_set(place->store, kind, info->model_key, info->version_key,
                                           key, text, err)
                          : fail(err, STATUS_NOMEM, "no memory for what a rival's tuner found");
    free(text);
    return st;
}

/* ---- the rival ---- */

struct timed {
    double time_ns;
    char how[128];
};

/* What says nothing of the tuner's winners, and so is not kept as "none of them is any good". */
static bool ends_rival(enum status st) {
    static const enum status of_winners[] = {STATUS_NOTHING, STATUS_LAUNCH,  STATUS_WRONG,
                                             STATUS_CRASHED, STATUS_TIMEOUT, STATUS_BUILD};
    for (size_t i = 0; i < sizeof of_winners / sizeof *of_winners; i++)
        if (st == of_winners[i]) return false;
    return true;
}

/* The last winner that computes the product, which is left as the last. */
static enum status time_winner(const struct rival_place *place, const struct rival_request *product,
                               const struct tuner *tuner, struct winners *winners,
                               struct timed *timed, struct error *err) {
    enum status st = STATUS_NOTHING;
    for (; winners->n > 0; winners->n--) {
        char setting[RIVAL_SETTING];
        if (snprintf(setting, sizeof setting, "%s %s;%s", tuner->kernel,
                     winners->parameters[winners->n - 1], tuner->routine) >= (int)sizeof setting)
            return fail(err, STATUS_INVALID, "CLBlast's tuner of %s finds too much", tuner->kernel);
        st = rival_ask(place, product, setting, &timed->time_ns, timed->how, err);
        if (ends_rival(st)) break;
    }
    return st;
}

/* Tune, time, and keep what computes the product, "" where nothing does. */
static enum status time_anew(const struct rival_place *place, const struct rival_request *product,
                             const struct tuner *tuner, double shipped_ns, const char *key,
                             struct timed *timed, struct error *err) {
    struct rival_request request = tuner_request(product, tuner, shipped_ns);
    struct winners winners;
    enum status st = tune(place, &request, &winners, err);
    if (st == OK) st = time_winner(place, product, tuner, &winners, timed, err);
    if (st != OK && ends_rival(st)) return st;
    const char *good = winners.n ? winners.parameters[winners.n - 1] : "";
    const enum status kept = keep(place, key, good, st == OK ? err : NULL);
    return st == OK ? kept : st;
}

/* The routine with what its kernel's tuner finds, now or earlier. */
static enum status time_kernel(const struct rival_place *place, const struct problem *problem,
                               const struct rival_request *product, const struct tuner *tuner,
                               double shipped_ns, struct timed *timed, struct error *err) {
    struct winners winners;
    char text[160];
    problem_format(problem, text);
    char *key = text_format("CLBlast %s %s %s", tuner->kernel, text, class_names[problem->class]);
    enum status st;
    if (!recall(place, key, &winners))
        st = time_anew(place, product, tuner, shipped_ns, key, timed, err);
    else if (winners.n) st = time_winner(place, product, tuner, &winners, timed, err);
    else
        st = fail(err, STATUS_NOTHING,
                  "its tuner found nothing that computes this product; a larger --rival-budget "
                  "lets it try again");
    free(key);
    return st;
}

static enum status clblast_tuned_time(const struct rival_place *place,
                                      const struct problem *problem, double *time_ns, char how[128],
                                      struct error *err) {
    struct rival_request product;
    struct timed shipped, tuned, best;
    enum status st = rival_request_make(place, problem, "clblast", &product, err);
    if (st == OK) st = rival_ask(place, &product, "", &shipped.time_ns, shipped.how, err);
    if (st != OK) return st;
    best = shipped;
    int n_tuned = 0;
    for (int t = 0; t < TUNERS; t++) {
        st = time_kernel(place, problem, &product, &tuners[t], shipped.time_ns, &tuned, err);
        if (st != OK && (ends_rival(st) || st == STATUS_DB)) return st;
        if (st != OK) log_warn("CLBlast with a tuned %s: %s", tuners[t].kernel, err->text);
        n_tuned += st == OK;
        if (st == OK && tuned.time_ns < best.time_ns) best = tuned;
    }
    *time_ns = best.time_ns;
    snprintf(how, 128, "%.100s%s", best.how, best.time_ns < shipped.time_ns ? "" : ", as shipped");
    return n_tuned ? OK : err->status;
}

const struct rival rival_clblast_tuned = {.name = "clblast_tuned", .time = clblast_tuned_time};
