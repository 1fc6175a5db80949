/* rival.h: other people's GEMM, at their best: threads, warm-up and layout of their liking. */
#pragma once
#include "kernels/kernel.h"
#include "results/store.h"

/* Where rivals run. */
struct rival_place {
    struct device *device;
    struct store *store;           /* keeps what their own tuners found; NULL: nothing does */
    int64_t tuning_ns;             /* for each such tuner, once a device and problem */
    const volatile int *interrupt; /* may be NULL */
};

struct rival {
    const char *name; /* "clblast", "clblast_tuned", "openblas" */
    /* Fastest median time of C[M,N] = W·X in fp32, cold the same way as ours; trying the
     * transposes (and core types, and parameters) it may like best; how says which won.
     * UNSUPPORTED for problems that it does not do, or when its library is not installed (the
     * sentence names the Debian package), INTERRUPTED. Runs in children. */
    enum status (*time)(const struct rival_place *place, const struct problem *problem,
                        double *time_ns, char how[128], struct error *err);
};
extern const struct rival *const rivals[]; /* ended by NULL */
const struct rival *rival_find(const char *name);
/* Main of `hone @child rival`: OpenBLAS chooses its kernels once per process, by environment. */
int rival_child(void);
