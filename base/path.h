/* path.h: where things live, and whole files in and out. XDG rules: relative values are ignored,
 * folders are created with mode 0700. */
#pragma once
#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

char *path_cache(const char *name); /* $XDG_CACHE_HOME/hone/name (default ~/.cache); caller frees */
/* path_cache of folder/HASH + suffix, HASH the key's in hexadecimal: what is kept of something with a long name. */
char *path_cache_keyed(const char *folder, const char *key, const char *suffix);
char *path_data(const char *name); /* $XDG_DATA_HOME/hone/name (default ~/.local/share) */
enum status path_make_folder(const char *folder, struct error *err); /* mkdir -p, 0700 */
enum status path_make_parent(const char *file, struct error *err);
/* The whole file; *bytes is NUL-terminated beyond *size; caller frees. At most limit bytes. */
enum status path_read(const char *file, size_t limit, char **bytes, size_t *size,
                      struct error *err);
/* Write beside and rename, so that a reader sees the old file or the new one; fsynced. */
enum status path_write(const char *file, const void *bytes, size_t size, struct error *err);

/* A cache folder: say that a file was used now; remove the files that were used longest ago (by their time of
 * change) until `bytes` are left at most. What cannot be removed stays; folders and links are left alone. */
void path_use(const char *file);
void path_trim(const char *folder, size_t bytes);

/* A read-only mapping of a regular file. Folders, pipes and devices are refused. The size is taken
 * once: a file that shrinks while it is mapped faults. An empty file maps to NULL and size 0. */
struct map {
    const unsigned char *bytes;
    size_t size;
    uint64_t
        stamp; /* hash of inode, size and times of change: another one once the file was written to */
};
enum status map_open(const char *file, struct map *map, struct error *err);
void map_close(struct map *map);
