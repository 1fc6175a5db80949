/* lock.c: see lock.h. The file stays when the lock is released: removing it would let two processes
 * hold locks on two files of one name. */
#include "tuner/lock.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct lock {
    int fd;
};

/* What the holder wrote, on one line of printable characters. */
static void read_holder(int fd, char text[256]) {
    ssize_t n = pread(fd, text, 255, 0);
    text[n > 0 ? n : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ') *c = '?';
}

static void write_holder(int fd, const char *command) {
    char since[21];
    clock_iso(clock_unix_s(), since);
    char *text = text_format("pid %ld, %s, since %s\n", (long)getpid(),
                             command && *command ? command : "hone", since);
    /* Only words for people: the lock holds without them. */
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, strlen(text), 0) < 0) errno = 0;
    free(text);
}

enum status lock_take(const struct device_info *info, const char *command, struct lock **out,
                      struct error *err) {
    *out = NULL;
    char *path = path_cache_keyed("locks", info->model_key, ""), holder[256];
    enum status st = path_make_parent(path, err);
    if (st != OK) {
        free(path);
        return st;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        st = fail(err, STATUS_IO, "the lock file %s cannot be opened: %s", path, strerror(errno));
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        read_holder(fd, holder);
        st = fail(err, STATUS_BUSY,
                  "%s is being measured by another process (%s); wait for it or stop "
                  "it",
                  info->name, *holder ? holder : path);
        close(fd);
    } else {
        write_holder(fd, command);
        *out = memory_new(sizeof **out);
        (*out)->fd = fd;
    }
    free(path);
    return st;
}

enum status lock_take_device(const char *selector, const char *command, struct lock **out,
                             struct error *err) {
    struct device *device = NULL;
    *out = NULL;
    enum status st = device_open_described(selector, &device, err);
    if (st == OK) st = lock_take(device_describe(device), command, out, err);
    device_close(device);
    return st;
}

void lock_release(struct lock *lock) {
    if (!lock) return;
    if (ftruncate(lock->fd, 0) != 0) errno = 0;
    close(lock->fd);
    free(lock);
}
