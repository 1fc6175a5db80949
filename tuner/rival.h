/* rival.h: other people's GEMM, at their best: threads, warm-up and layout of their liking. */
#pragma once
#include "kernels/kernel.h"

struct rival {
    const char *name; /* "clblast", "openblas" */
    /* Fastest median time of C[M,N] = W·X in fp32, cold the same way as ours; trying the transposes (and
     * core types) it may like best; how says which won. UNSUPPORTED for problems that it does not do, or
     * when its library is not installed (the sentence names the Debian package). Runs in a child. */
    enum status (*time)(struct device *device, const struct problem *problem, double *time_ns,
                        char how[128], struct error *err);
};
extern const struct rival *const rivals[]; /* ended by NULL */
const struct rival *rival_find(const char *name);
/* Main of `hone @child rival`: OpenBLAS chooses its kernels once per process, by environment. */
int rival_child(void);
