/* clock.c: see clock.h. */
#include "base/clock.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t clock_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_unix_s(void) {
    return (int64_t)time(NULL);
}

void clock_sleep_ns(int64_t ns) {
    if (ns <= 0) return;
    struct timespec t = {ns / 1000000000, ns % 1000000000};
    while (nanosleep(&t, &t) != 0) continue;
}

void clock_iso(int64_t unix_s, char text[21]) {
    const time_t t = (time_t)unix_s;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || !strftime(text, 21, "%Y-%m-%dT%H:%M:%SZ", &tm)) text[0] = 0;
}

const char *clock_boot_id(void) {
    static char id[64];
    if (id[0]) return id;
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!file) return "";
    if (!fgets(id, sizeof id, file)) id[0] = 0;
    fclose(file);
    id[strcspn(id, "\n")] = 0;
    return id;
}
