/* path.c: see path.h. */
#include "base/path.h"
#include "base/hash.h"
#include "base/str.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* $HOME, else what the user database says. The caller frees. */
static char *home_folder(void) {
    const char *home = getenv("HOME");
    if (home && home[0] == '/') return text_copy(home);
    char strings[4096];
    struct passwd entry, *user = NULL;
    if (getpwuid_r(getuid(), &entry, strings, sizeof strings, &user) != 0) user = NULL;
    return text_copy(user && user->pw_dir && user->pw_dir[0] == '/' ? user->pw_dir : "/");
}

/* $variable/hone/name, or ~/fallback/hone/name; relative values are ignored, as the XDG rules say. */
static char *xdg(const char *variable, const char *fallback, const char *name) {
    const char *base = getenv(variable);
    if (base && base[0] == '/') return text_format("%s/hone/%s", base, name);
    char *home = home_folder(), *path = text_format("%s/%s/hone/%s", home, fallback, name);
    free(home);
    return path;
}

char *path_cache(const char *name) {
    return xdg("XDG_CACHE_HOME", ".cache", name);
}

char *path_cache_keyed(const char *folder, const char *key, const char *suffix) {
    char hex[17];
    hash_hex(hash_text(hash_start(), key), hex);
    char *name = text_format("%s/%s%s", folder, hex, suffix), *file = path_cache(name);
    free(name);
    return file;
}

char *path_data(const char *name) {
    return xdg("XDG_DATA_HOME", ".local/share", name);
}

static enum status make_one(const char *path, struct error *err) {
    if (mkdir(path, 0700) == 0) return OK;
    const int reason = errno; /* a folder that is there already may also answer EROFS or EACCES */
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return OK;
    return fail(err, STATUS_IO, "making the folder %s: %s", path, strerror(reason));
}

enum status path_make_folder(const char *folder, struct error *err) {
    if (!folder[0]) return fail(err, STATUS_INVALID, "making a folder: its name is empty");
    char *path = text_copy(folder);
    enum status status = OK;
    for (char *p = path + 1; status == OK; p++) {
        if (*p && *p != '/') continue;
        const char end = *p;
        *p = 0;
        status = make_one(path, err);
        if (!end) break;
        *p = end;
    }
    free(path);
    return status;
}

enum status path_make_parent(const char *file, struct error *err) {
    const char *slash = strrchr(file, '/');
    if (!slash || slash == file) return OK;
    char *parent = text_copy(file);
    parent[slash - file] = 0;
    const enum status status = path_make_folder(parent, err);
    free(parent);
    return status;
}

/* A descriptor of a regular file, and what it is; −1 with the sentence. O_NONBLOCK: a pipe must not hang. */
static int open_regular(const char *file, struct stat *info, struct error *err) {
    const int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, info) != 0)
        fail(err, STATUS_IO, "reading %s: %s", file, strerror(errno));
    else if (!S_ISREG(info->st_mode))
        fail(err, STATUS_IO, "reading %s: it is not a regular file", file);
    else return fd;
    if (fd >= 0) close(fd);
    return -1;
}

enum status path_read(const char *file, size_t limit, char **bytes, size_t *size,
                      struct error *err) {
    struct stat info;
    size_t done = 0;
    *bytes = NULL;
    const int fd = open_regular(file, &info, err);
    if (fd < 0) return STATUS_IO;
    const size_t expected = (size_t)info.st_size;
    enum status status = OK;
    if (expected > limit) {
        status =
            fail(err, STATUS_INVALID, "reading %s: its %zu bytes are more than the %zu allowed",
                 file, expected, limit);
        goto done;
    }
    char *buffer = malloc(expected + 1);
    if (!buffer) {
        status = fail(err, STATUS_NOMEM, "reading %s: no memory for %zu bytes", file, expected);
        goto done;
    }
    while (done < expected) {
        const ssize_t n = read(fd, buffer + done, expected - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            status = fail(err, STATUS_IO, "reading %s: %s", file, strerror(errno));
            free(buffer);
            goto done;
        }
        if (n == 0) break; /* it shrank: what is there is what is read */
        done += (size_t)n;
    }
    buffer[done] = 0;
    *bytes = buffer;
    *size = done;
done:
    close(fd);
    return status;
}

static bool write_all(int fd, const char *bytes, size_t size) {
    while (size) {
        const ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

enum status path_write(const char *file, const void *bytes, size_t size, struct error *err) {
    enum status status = path_make_parent(file, err);
    if (status != OK) return status;
    char *beside = text_format("%s.%ld.tmp", file, (long)getpid());
    const int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write_all(fd, bytes, size) && fsync(fd) == 0;
    if (fd >= 0 && close(fd) != 0) good = false;
    if (!good || rename(beside, file) != 0) {
        status = fail(err, STATUS_IO, "writing %s: %s", file, strerror(errno));
        unlink(beside);
    }
    free(beside);
    return status;
}

/* ---- a cache folder ---- */

struct aged {
    char *path;
    size_t bytes;
    struct timespec used;
};

static int by_age(const void *a, const void *b) {
    const struct timespec *x = &((const struct aged *)a)->used,
                          *y = &((const struct aged *)b)->used;
    if (x->tv_sec != y->tv_sec) return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* The regular files of a folder; *n is their number. */
static struct aged *list_files(const char *folder, size_t *n) {
    struct aged *files = NULL;
    DIR *open = opendir(folder);
    *n = 0;
    for (struct dirent *entry; open && (entry = readdir(open));) {
        struct stat info;
        if (fstatat(dirfd(open), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(info.st_mode))
            continue;
        files = memory_grow(files, (*n + 1) * sizeof *files);
        files[(*n)++] = (struct aged){text_format("%s/%s", folder, entry->d_name),
                                      (size_t)info.st_size, info.st_mtim};
    }
    if (open) closedir(open);
    return files;
}

void path_use(const char *file) {
    utimensat(AT_FDCWD, file, NULL, 0);
}

void path_trim(const char *folder, size_t bytes) {
    size_t n, total = 0;
    struct aged *files = list_files(folder, &n);
    if (n) qsort(files, n, sizeof *files, by_age);
    for (size_t i = 0; i < n; i++) total += files[i].bytes;
    for (size_t i = 0; i < n; i++) {
        if (total > bytes && unlink(files[i].path) == 0) total -= files[i].bytes;
        free(files[i].path);
    }
    free(files);
}

/* ---- mappings ---- */

static uint64_t stamp_of(const struct stat *info) {
    const int64_t numbers[] = {(int64_t)info->st_ino, info->st_size,        info->st_mtim.tv_sec,
                               info->st_mtim.tv_nsec, info->st_ctim.tv_sec, info->st_ctim.tv_nsec};
    return hash_bytes(hash_start(), numbers, sizeof numbers);
}

enum status map_open(const char *file, struct map *map, struct error *err) {
    *map = (struct map){0};
    struct stat info;
    const int fd = open_regular(file, &info, err);
    if (fd < 0) return STATUS_IO;
    const size_t size = (size_t)info.st_size;
    map->stamp = stamp_of(&info);
    enum status status = OK;
    if (size) {
        void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED)
            status = fail(err, STATUS_IO, "mapping %s: %s", file, strerror(errno));
        else map->bytes = bytes, map->size = size;
    }
    close(fd);
    return status;
}

void map_close(struct map *map) {
    if (map->bytes) munmap((void *)(uintptr_t)map->bytes, map->size);
    *map = (struct map){0};
}
