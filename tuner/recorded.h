/* recorded.h: a recorded space as a space that strategies search: a family "recorded" with one variant, named
 * after the kernel, whose points are the configurations that the file holds: no others are valid. No device, no
 * kernel, no work that could be counted: only times. Its default is the first that ran. */
#pragma once
#include "tuner/recording.h"
#include "tuner/space.h"

struct recorded {
    struct recording recording; /* configs and runs_ns: by number in the space */
    struct space space;
    double optimum_ns, worst_ns; /* of the medians */
    size_t n_ok;
    int64_t first_ok; /* in the order of the file */
    char kernel[31];  /* a word, also where the file does not name it */
    /* What the space points to. */
    struct problem problem; /* "kernel=Xgemm" */
    struct family family;
    struct field field;
    struct variant variant;
    const struct variant *variants[2];
    struct constraint constraint;
    struct param params[PARAMS];
    struct param_value *values[PARAMS];
};

/* Statuses as those of recording_read. */
enum status recorded_open(const char *path, struct recorded **out, struct error *err);
void recorded_close(struct recorded *recorded); /* NULL is fine */
/* The space once more, for who closes it. NOMEM. The recording outlives it. */
enum status recorded_space(const struct recorded *recorded, struct space *space, struct error *err);
const struct recorded_config *recorded_config(const struct recorded *recorded, int64_t at);
/* The configuration of another recorded space that has the same values by name, −1: none has. */
int64_t recorded_find(const struct recorded *recorded, const struct recorded *other, int64_t at);
/* The n fastest, best first; returns how many there are. */
size_t recorded_best(const struct recorded *recorded, int64_t *out, size_t n);
