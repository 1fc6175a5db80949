/* rival_sides.h: what the files of the rivals share: the request to the child, and how a rival's ways are
 * tried there. */
#pragma once
#include "base/str.h"
#include "tuner/rival.h"

/* The ways to pose C = W·X: W stored [M][K] or [K][M], C stored by token or by output. */
enum { WAY_W_TRANSPOSED = 1, WAY_BY_OUTPUT = 2, RIVAL_WAYS = 4 };
const char *rival_way_name(int way);

/* One problem for a rival's child. */
enum { RIVAL_SETTING = 400 };
struct rival_request {
    char rival[16];
    char setting[RIVAL_SETTING]; /* its own; the first word names it; "": as shipped */
    char tuner[16];              /* not to be timed but tuned by this tuner of its own; "": timed */
    int part;                    /* one of so many of the tuner's configurations */
    char platform[128], device[256];
    int64_t m, n, k;
    int copies; /* of W, used in turn: cold */
    int ways;   /* those that may be tried: bit w is way w */
};
/* UNSUPPORTED for what is no plain fp32 product. */
enum status rival_request_make(const struct rival_place *place, const struct problem *problem,
                               const char *rival, struct rival_request *request, struct error *err);
/* Its time in a setting, from a child of its own; a way in which that dies or hangs is left out,
 * and the others are asked of another child. */
enum status rival_ask(const struct rival_place *place, const struct rival_request *request,
                      const char *setting, double *time_ns, char how[128], struct error *err);
/* What the request's tuner finds, from a child of its own, which is ended at the deadline. */
enum status rival_ask_tuner(const struct rival_place *place, const struct rival_request *request,
                            int64_t deadline_ns, char found[RIVAL_SETTING], struct error *err);

/* A rival in the child: open for a request, multiply once in some way with some copy of W,
 * close. Or tune, without any of that; NULL: it has no tuners. */
struct rival_side {
    const char *name;
    enum status (*open)(const struct rival_request *request, void **state, struct error *err);
    /* Enqueued or done; finish waits. */
    enum status (*multiply)(void *state, int way, int copy, struct error *err);
    enum status (*finish)(void *state, struct error *err);
    /* C as it lies in memory, m · n floats. */
    enum status (*read)(void *state, float *c, struct error *err);
    void (*close)(void *state); /* NULL is fine */
    enum status (*tune)(const struct rival_request *request, struct str *found, struct error *err);
};
extern const struct rival_side rival_side_clblast, rival_side_openblas;
extern const struct rival rival_clblast, rival_clblast_tuned, rival_openblas;

/* Floats in −1 … 1, the same at every call: what every W and X holds, so that C can be checked. */
void rival_fill(float *x, size_t n);
