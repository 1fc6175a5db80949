/* host.c: see host.h. */
#include "cli/host.h"
#include "base/str.h"
#include <glob.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { LINE_MOST = 4096 };

/* ---- files ---- */

char *host_path(const struct host *host, const char *path) {
    char *full = text_format("%s%s", host->root, path);
    if (access(full, F_OK) == 0) return full;
    free(full);
    return NULL;
}

char *host_line(const struct host *host, const char *path) {
    char *full = text_format("%s%s", host->root, path), line[LINE_MOST] = "";
    FILE *file = fopen(full, "re");
    if (file && !fgets(line, sizeof line, file)) line[0] = 0;
    if (file) fclose(file);
    line[strcspn(line, "\r\n")] = 0;
    free(full);
    return text_copy(line);
}

char **host_paths(const struct host *host, const char *pattern) {
    glob_t found = {0};
    char *full = text_format("%s%s", host->root, pattern);
    const size_t n = glob(full, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    char **paths = memory_new((n + 1) * sizeof *paths);
    for (size_t i = 0; i < n; i++) paths[i] = text_copy(found.gl_pathv[i]);
    globfree(&found);
    free(full);
    return paths;
}

void host_paths_free(char **paths) {
    for (size_t i = 0; paths && paths[i]; i++) free(paths[i]);
    free(paths);
}

char *host_chosen(const char *line) {
    const char *open = strchr(line, '['), *close = open ? strchr(open, ']') : NULL;
    return close ? text_format("%.*s", (int)(close - open - 1), open + 1) : text_copy("");
}

/* ---- numbers ---- */

/* NAN for what is no number, as cgroups say "max". */
static double number_of(const char *text) {
    char *end;
    const double value = strtod(text, &end);
    return end == text || !isfinite(value) ? NAN : value;
}

static double number_at(const struct host *host, const char *path) {
    char *line = host_line(host, path);
    const double value = number_of(line);
    free(line);
    return value;
}

int host_processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

double host_load(const struct host *host) {
    return number_at(host, "/proc/loadavg");
}

double host_memory_bytes(const struct host *host) {
    char *line = host_line(host, "/proc/meminfo");
    const double kib = number_of(line + strcspn(line, "0123456789"));
    free(line);
    return kib * 1024;
}

double host_free_bytes(const char *path) {
    struct statvfs info;
    char *at = text_copy(path);
    bool is_known = false;
    for (char *slash = at + strlen(at); slash && !is_known; slash = strrchr(at, '/')) {
        *slash = 0;
        is_known = statvfs(*at ? at : "/", &info) == 0;
    }
    free(at);
    return is_known ? (double)info.f_bavail * (double)info.f_frsize : NAN;
}

char *host_of_processors(const struct host *host, const char *name) {
    char *pattern = text_format("/sys/devices/system/cpu/cpu[0-9]*/%s", name);
    char **paths = host_paths(host, pattern), *word = text_copy("");
    const struct host here = {""};
    for (char **path = paths; *path; path++) {
        char *line = host_line(&here, *path);
        const bool is_other = *word && strcmp(word, line) != 0;
        free(word);
        word = is_other ? text_copy("mixed") : text_copy(line);
        free(line);
        if (is_other) break;
    }
    host_paths_free(paths);
    free(pattern);
    return word;
}

/* ---- control groups ---- */

/* The group of this process for a controller of version 1, "" for version 2: the third part of its line in
 * /proc/self/cgroup ("4:cpu,cpuacct:/docker/0123"). The caller frees. */
static char *group_of(const struct host *host, const char *controller) {
    char *path = text_format("%s/proc/self/cgroup", host->root), line[LINE_MOST], *group = NULL;
    FILE *file = fopen(path, "re");
    while (file && !group && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        char *rest = strchr(line, ':'), *word;
        if (!rest) continue;
        rest++;
        char *names = strsep(&rest, ":");
        if (!rest) continue;
        if (!*controller && !*names) group = text_copy(rest);
        while (*controller && !group && (word = strsep(&names, ",")))
            if (!strcmp(word, controller)) group = text_copy(rest);
    }
    if (file) fclose(file);
    free(path);
    return group ? group : text_copy("");
}

/* A file of the group, or of the nearest parent that is visible (a container sees its own as the root). */
static char *group_line(const struct host *host, const char *controller, const char *name) {
    char *group = group_of(host, controller), *line = text_copy("");
    for (char *end = group + strlen(group); !*line; end = strrchr(group, '/')) {
        if (end) *end = 0;
        char *path = text_format("/sys/fs/cgroup%s%s%s/%s", *controller ? "/" : "", controller,
                                 end ? group : "", name);
        free(line);
        line = host_line(host, path);
        free(path);
        if (!end || end == group) break;
    }
    free(group);
    return line;
}

static double smaller(double a, double b) {
    return isnan(a) || b < a ? b : a;
}

/* Version 2 says "quota period" or "max period"; version 1 has two files, −1: no limit. */
static double processors_limit(const struct host *host) {
    char *two = group_line(host, "", "cpu.max"),
         *quota = group_line(host, "cpu", "cpu.cfs_quota_us"),
         *period = group_line(host, "cpu", "cpu.cfs_period_us");
    const char *space = strchr(two, ' ');
    const double v2 = space ? number_of(two) / number_of(space) : NAN;
    const double v1 = number_of(quota) > 0 ? number_of(quota) / number_of(period) : NAN;
    free(two);
    free(quota);
    free(period);
    return isnan(v2) ? v1 : smaller(v1, v2);
}

/* Version 1 says an enormous number where there is none. */
static double memory_limit(const struct host *host) {
    static const double NO_LIMIT = 0x1p60;
    char *two = group_line(host, "", "memory.max"),
         *one = group_line(host, "memory", "memory.limit_in_bytes");
    const double v2 = number_of(two), v1 = number_of(one);
    free(two);
    free(one);
    const double limit = isnan(v2) ? v1 : smaller(v1, v2);
    return limit < NO_LIMIT ? limit : NAN;
}

struct host_limits host_limits(const struct host *host) {
    return (struct host_limits){processors_limit(host), memory_limit(host)};
}
