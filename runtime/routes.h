/* routes.h: from a problem, whatever its N, to a kernel that runs it here: what was tuned, else what is
 * known of relatives (checked on first use), else the family's default.
 *
 * A route serves all operations that are the same problem but for N: the attention output matrices of
 * thirty layers are one route. Kernels are built at the first call for an N and shared by all N and
 * routes that take the same configuration. */
#pragma once
#include "kernels/op.h"
#include "results/lookup.h"

struct routes;
struct route;

struct routes_options {
    const char *database;                              /* path; NULL: everything runs on defaults */
    bool ignore_records;                               /* likewise, though a database is there */
    int64_t max_rows;                                  /* the largest N that will be asked for */
    void (*warn)(void *context, const char *sentence); /* may be NULL */
    void *warn_context;
};
/* A database that cannot be used is a warning, not a failure. The device outlives the routes. */
enum status routes_open(struct device *device, const struct routes_options *options,
                        struct routes **out, struct error *err);
void routes_close(struct routes *routes); /* NULL is fine */
/* The open database, NULL: none. */
struct store *routes_store(const struct routes *routes);
/* A database is there and could not be used (the warning said why). */
bool routes_refused(const struct routes *routes);

/* The route of a problem; the same pointer for problems that differ in N alone. */
struct route *routes_add(struct routes *routes, const struct problem *problem);

/* How an N of a route is served. */
struct served {
    struct op *op;
    struct problem problem; /* with that N */
    struct config config;
    const char *rule;      /* "exact" … "profile" (lookup_rule_text), "default" */
    int64_t n_low, n_high; /* near-n: the n that the configuration was measured at; else 0 */
    bool is_tuned;         /* any rule but the default */
    bool is_fresh; /* built, not run yet: the caller keeps its program after the first run */
};
/* For n in 1 … max_rows. Looks up, checks and builds at the first call. */
enum status route_serve(struct route *route, int64_t n, struct served **out, struct error *err);

/* How many times its N lies beyond those that its configuration was measured at, where nothing promises
 * that it is fast; 1: not at all. */
double served_beyond(const struct served *served);
/* Of the N of a route that were served so far, the one that lies furthest beyond; NULL: none was served. */
const struct served *route_furthest(const struct route *route);

/* End the child of first-use checks, if one runs. */
void routes_rest(struct routes *routes);

/* The layout for a weight matrix that is multiplied once for every generated token and, in batches of
 * max_rows, once for every token of a prompt: the one that tuning chose for all n together; else the one whose
 * times for both, by the records, are least in sum. The first layout that some variant accepts where there is
 * no record. */
const struct layout *routes_layout(struct routes *routes, const struct problem *problem);
/* Whether records of this device, version and kernel answer for a problem, at any N and in any layout. */
bool routes_is_tuned(struct routes *routes, const struct problem *problem);
