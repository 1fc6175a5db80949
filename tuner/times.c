/* times.c: see times.h. */
#include "tuner/times.h"
#include <stdio.h>

static const char *const names[TIMES] = {
#define XX(name) #name,
    TIME_MAP(XX)
#undef XX
};

/* The worker's own times, and all that is left of the wall as other. */
static void split(const struct worker *worker, int64_t wall_ns, double seconds[TIMES]) {
    double rest = (double)wall_ns / 1e9;
    for (int t = 0; t < TIMES; t++) {
        seconds[t] = worker ? (double)worker_times(worker)[t] / 1e9 : 0;
        if (t != TIME_other) rest -= seconds[t];
    }
    seconds[TIME_other] = rest > 0 ? rest : 0;
}

json_t *times_json(const struct worker *worker, int64_t wall_ns) {
    double seconds[TIMES];
    json_t *object = json_object();
    split(worker, wall_ns, seconds);
    for (int t = 0; t < TIMES; t++) {
        char key[16];
        snprintf(key, sizeof key, "%s_s", names[t]);
        json_object_set_new(object, key, json_real(seconds[t]));
    }
    return object;
}

void times_format(const struct worker *worker, int64_t wall_ns, char text[160]) {
    double seconds[TIMES];
    size_t used = 0;
    split(worker, wall_ns, seconds);
    for (int t = 0; t < TIMES && used < 160; t++)
        used += (size_t)snprintf(text + used, 160 - used, "%s%s %.1f s (%.0f %%)", t ? ", " : "",
                                 names[t], seconds[t],
                                 wall_ns > 0 ? 100e9 * seconds[t] / (double)wall_ns : 0.0);
}
