/* rival_sides.h: what the files of the rivals share: the request to the child, and how a rival's ways are
 * tried there. */
#pragma once
#include "tuner/rival.h"

/* The ways to pose C = W·X: W stored [M][K] or [K][M], C stored by token or by output. */
enum { WAY_W_TRANSPOSED = 1, WAY_BY_OUTPUT = 2, RIVAL_WAYS = 4 };
const char *rival_way_name(int way);

/* One problem for a rival's child. */
struct rival_request {
    char rival[16], core[24]; /* core: OPENBLAS_CORETYPE, "" for auto */
    char platform[128], device[256];
    int64_t m, n, k;
    int copies; /* of W, used in turn: cold */
    int ways;   /* those that may be tried: bit w is way w */
};
/* Ask a child of its own; a way in which it dies or hangs is left out, and the others are asked of another child.
 * UNSUPPORTED for what is no plain fp32 product. */
enum status rival_ask(struct device *device, const struct problem *problem, const char *rival,
                      const char *core, double *time_ns, char how[128], struct error *err);

/* A rival in the child: open for a request, multiply once in some way with some copy of W, close. */
struct rival_side {
    const char *name;
    enum status (*open)(const struct rival_request *request, void **state, struct error *err);
    /* Enqueued or done; finish waits. */
    enum status (*multiply)(void *state, int way, int copy, struct error *err);
    enum status (*finish)(void *state, struct error *err);
    /* C as it lies in memory, m · n floats. */
    enum status (*read)(void *state, float *c, struct error *err);
    void (*close)(void *state); /* NULL is fine */
};
extern const struct rival_side rival_side_clblast, rival_side_openblas;
extern const struct rival rival_clblast, rival_openblas;

/* Floats in −1 … 1, the same at every call: what every W and X holds, so that C can be checked. */
void rival_fill(float *x, size_t n);
