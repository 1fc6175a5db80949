/* conditions.c: see conditions.h. */
#include "tuner/conditions.h"
#include "base/str.h"
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *first_line(const char *path) {
    char line[256] = "";
    FILE *file = fopen(path, "re");
    if (file && !fgets(line, sizeof line, file)) line[0] = 0;
    if (file) fclose(file);
    line[strcspn(line, "\n")] = 0;
    return text_copy(line);
}

static void set_line(json_t *object, const char *key, const char *path) {
    char *line = first_line(path);
    if (*line) json_object_set_new(object, key, frame_text(line));
    free(line);
}

static json_t *environment(void) {
    static const char *const prefixes[] = {"POCL_", "OMP_", "CUDA_", "OPENBLAS_"};
    json_t *object = json_object();
    for (char **e = environ; *e; e++)
        for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
            const char *equal = strchr(*e, '=');
            if (!equal || strncmp(*e, prefixes[p], strlen(prefixes[p])) != 0) continue;
            char *name = text_format("%.*s", (int)(equal - *e), *e);
            json_object_set_new(object, name, frame_text(equal + 1));
            free(name);
        }
    return object;
}

static void set_sensors(const struct desk *d, json_t *object) {
    if (!desk_has_sensors(d)) return;
    struct sensors now;
    sensors_read("/sys", &now);
    const struct sensors_between between = sensors_since(&d->sensors, &now);
    if (isfinite(between.clock_mhz))
        json_object_set_new(object, "clock_mhz", json_real(between.clock_mhz));
    if (isfinite(between.power_w))
        json_object_set_new(object, "power_w", json_real(between.power_w));
    if (between.throttles >= 0)
        json_object_set_new(object, "throttles", json_integer(between.throttles));
}

char *conditions_text(const struct desk *d, const struct work *work, const struct sample_set *set,
                      int parts, const struct ceiling *ceiling) {
    const size_t bytes = desk_set_bytes(d, work);
    json_t *object =
        json_pack("{s:b,s:i,s:I,s:b,s:o,s:o,s:i,s:o,s:o,s:o}", "host_clock", d->timer.is_host,
                  "copies", desk_copies(d, work), "working_set", (json_int_t)bytes, "cold",
                  bytes >= measure_cold_bytes(d->device), "canary", frame_number(set->canary),
                  "undisturbed_ns", frame_number(set->undisturbed), "discarded", set->discarded,
                  "giops", frame_number(ceiling->giops), "gflops", frame_number(ceiling->gflops),
                  "environment", environment());
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0)
        json_object_set_new(object, "cpus", json_integer(CPU_COUNT(&cpus)));
    set_line(object, "cpu_max", "/sys/fs/cgroup/cpu.max");
    set_line(object, "load", "/proc/loadavg");
    set_line(object, "large_pages", "/sys/kernel/mm/transparent_hugepage/enabled");
    if (parts == 0) json_object_set_new(object, "ragged", json_true());
    if (parts > 1) json_object_set_new(object, "parts", json_integer(parts));
    set_sensors(d, object);
    char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(object);
    return text;
}
