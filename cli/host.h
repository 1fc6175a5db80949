/* host.h: the machine around the device: what /proc, /sys, /dev and /etc say of it. Every path lies below a
 * root, so that a copy of those files can be looked at elsewhere. Linux; what is not there is not told. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host {
    const char *root; /* "" or a folder without a slash at its end */
};

/* The first line of a file below the root, without its end; "" when it cannot be read. The caller frees. */
char *host_line(const struct host *host, const char *path);
/* A file below the root that is there: its path, the caller's; NULL. */
char *host_path(const struct host *host, const char *path);
/* Processors that this process may use; and their load over the last minute, NAN when not told. */
int host_processors(void);
double host_load(const struct host *host);

/* Limits of the control group (version 1 or 2) that this process is in; those of the nearest group that
 * the container shows. */
struct host_limits {
    double processors;   /* NAN: none */
    double memory_bytes; /* NAN: none */
};
struct host_limits host_limits(const struct host *host);
double host_memory_bytes(const struct host *host); /* NAN when not told */
double host_free_bytes(const char *path); /* of the disk that it, or its nearest parent, is on */

/* What stands in brackets in "always [madvise] never"; "" when nothing does. The caller frees. */
char *host_chosen(const char *line);
/* The word that all processors' files of this name hold, "" when none has one, "mixed" when they differ:
 * "cpufreq/scaling_governor". The caller frees. */
char *host_of_processors(const struct host *host, const char *name);
/* Paths below the root that match a pattern ("/dev/dri/renderD*"), ended by NULL; freed by host_paths_free. */
char **host_paths(const struct host *host, const char *pattern);
void host_paths_free(char **paths);
