/* sensors.c: see sensors.h. */
#include "tuner/sensors.h"
#include "base/clock.h"
#include "base/stats.h"
#include "base/str.h"
#include <glob.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { PROCESSORS_MOST = 1024 };

/* The numbers in all files that the pattern below root names; their count. */
static size_t read_numbers(const char *root, const char *pattern, double values[PROCESSORS_MOST]) {
    char *full = text_format("%s/%s", root, pattern);
    glob_t found = {0};
    size_t n = 0;
    if (glob(full, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc && n < PROCESSORS_MOST; i++) {
            FILE *file = fopen(found.gl_pathv[i], "re");
            if (file && fscanf(file, "%lf", &values[n]) == 1) n += values[n] >= 0;
            if (file) fclose(file);
        }
    globfree(&found);
    free(full);
    return n;
}

static double sum(const double *values, size_t n) {
    double total = 0;
    for (size_t i = 0; i < n; i++) total += values[i];
    return n ? total : NAN;
}

void sensors_read(const char *root, struct sensors *out) {
    double v[PROCESSORS_MOST];
    size_t n = read_numbers(root, "devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq", v);
    out->clock_mhz = n ? stats_median(v, n) / 1e3 : NAN;
    n = read_numbers(root, "class/powercap/intel-rapl:[0-9]/energy_uj", v);
    out->energy_j = sum(v, n) / 1e6;
    n = read_numbers(root, "class/powercap/intel-rapl:[0-9]/max_energy_range_uj", v);
    out->energy_wrap_j = sum(v, n) / 1e6;
    n = read_numbers(root, "devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count", v);
    out->throttles = n ? (int64_t)sum(v, n) : -1;
    out->at_ns = clock_now_ns();
}

struct sensors_between sensors_since(const struct sensors *before, const struct sensors *after) {
    double joule = after->energy_j - before->energy_j;
    if (joule < 0) joule += after->energy_wrap_j;
    const double seconds = (double)(after->at_ns - before->at_ns) / 1e9;
    const bool is_counted = before->throttles >= 0 && after->throttles >= before->throttles;
    return (struct sensors_between){
        .clock_mhz = after->clock_mhz,
        .power_w = seconds > 0 ? joule / seconds : NAN,
        .throttles = is_counted ? after->throttles - before->throttles : -1,
    };
}
