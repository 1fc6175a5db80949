/* recording.h: what a file says of a space that somebody measured: parameters, configurations in the order of
 * the file, all their times. recorded.h makes a space of it. */
#pragma once
#include "kernels/kernel.h"
#include "results/store.h"

/* A point holds the place of a value in a byte. */
enum { RECORDING_VALUES = 256 };

struct recording_value {
    char *text;
    double number; /* NAN: it is none */
};
struct recording_param {
    char *name;
    struct recording_value values[RECORDING_VALUES]; /* in the order of their first appearance */
    int n_values;
};
struct recorded_config {
    enum outcome outcome;        /* OK, or how it failed */
    double median_ns;            /* of its runs; INFINITY when it failed */
    double compile_ns, check_ns; /* 0 where the file does not say */
    size_t first_run, n_runs;    /* in runs_ns; no runs when it failed */
};
struct recording {
    char key[17];          /* of what the file holds, unpacked */
    char *device, *kernel; /* "" where the file does not say */
    struct recording_param params[PARAMS];
    int n_params;
    unsigned char *places;           /* (n, n_params) places of values */
    struct recorded_config *configs; /* (n) */
    size_t n, capacity;
    double *runs_ns; /* of all configurations, one after the other */
    size_t n_runs, runs_capacity;
};

/* Read a Kernel Tuner cache (also one whose end is missing because the tuner was stopped) or T4 results,
 * gzip or not. Configurations that their constraints forbid are left out; of one that is there twice the
 * first counts. IO: the file cannot be read. INVALID: it is neither, or more than a space holds: PARAMS
 * parameters, RECORDING_VALUES values each. Freed by recording_free, also on failure. */
enum status recording_read(const char *path, struct recording *recording, struct error *err);
void recording_free(struct recording *recording);
