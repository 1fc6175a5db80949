/* child.c: see child.h. */
#include "base/child.h"
#include "base/clock.h"
#include "base/str.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FRAME_LIMIT = 64 << 20, STDERR_KEPT = 4096, TERM_GRACE_MS = 200 };

struct child {
    pid_t pid;
    int socket, errors; /* our ends: frames, and the child's stderr */
    bool is_gone;       /* reaped; status holds how it ended */
    int wait_status;
    char kept[STDERR_KEPT + 1]; /* the end of its stderr */
    size_t n_kept;
    char name[64];
};

static void keep_errors(struct child *child) {
    char buffer[1024];
    ssize_t n;
    while ((n = read(child->errors, buffer, sizeof buffer)) > 0) {
        const size_t more = (size_t)n;
        if (child->n_kept + more > STDERR_KEPT) {
            const size_t drop = child->n_kept + more - STDERR_KEPT;
            memmove(child->kept, child->kept + drop, child->n_kept - drop);
            child->n_kept -= drop;
        }
        memcpy(child->kept + child->n_kept, buffer, more);
        child->n_kept += more;
        child->kept[child->n_kept] = 0;
    }
}

/* Has it ended? Not reaped, so that its process group keeps its number. */
static bool has_ended(const struct child *child) {
    if (child->is_gone) return true;
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid;
}

/* Take the ending of the child; with `force` it is ended first. The compilers and linkers that it
 * started are of its process group and go with it. */
static bool reap(struct child *child, bool force) {
    if (child->is_gone) return true;
    if (!force && !has_ended(child)) return false;
    kill(-child->pid, SIGKILL);
    while (waitpid(child->pid, &child->wait_status, 0) < 0 && errno == EINTR) continue;
    child->is_gone = true;
    return true;
}

/* "was killed by signal 11 (Segmentation fault)"; the end of its stderr follows. */
static enum status gone(struct child *child, struct error *err) {
    for (int i = 0; i < 100 && !reap(child, false); i++) clock_sleep_ns(2000000);
    keep_errors(child);
    struct str how = {0};
    if (!child->is_gone) str_add(&how, "closed its socket");
    else if (WIFSIGNALED(child->wait_status))
        str_addf(&how, "was killed by signal %d (%s)", WTERMSIG(child->wait_status),
                 strsignal(WTERMSIG(child->wait_status)));
    else str_addf(&how, "exited with code %d", WEXITSTATUS(child->wait_status));
    if (child->n_kept) str_addf(&how, "; it said: %s", child->kept);
    while (how.length && how.text[how.length - 1] == '\n') how.text[--how.length] = 0;
    fail(err, STATUS_CRASHED, "the %s process %s", child->name, str_text(&how));
    str_free(&how);
    return STATUS_CRASHED;
}

static void become_child(const char *program, const char *name, int socket, int errors,
                         pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    /* Ctrl-C is for the parent to handle: the candidate in work is finished. */
    setpgid(0, 0);
    if (socket != CHILD_FD) dup2(socket, CHILD_FD);
    else fcntl(socket, F_SETFD, 0);
    dup2(errors, STDERR_FILENO);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
    }
    execl(program, program, "@child", name, (char *)NULL);
    fprintf(stderr, "cannot start %s: %s\n", program, strerror(errno));
    _exit(127);
}

static const char *usual_program(void) {
    const char *program = getenv("HONE_PROGRAM");
    return program && program[0] ? program : "/proc/self/exe";
}

bool child_is_possible(void) {
    char path[4096];
    const char *program = getenv("HONE_PROGRAM");
    if (program && *program) return true;
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) return false;
    path[n] = 0;
    const char *slash = strrchr(path, '/');
    return slash && strncmp(slash + 1, "hone", 4) == 0;
}

enum status child_open(const char *name, struct child **out, struct error *err) {
    return child_open_program(NULL, name, out, err);
}

enum status child_open_program(const char *program, const char *name, struct child **out,
                               struct error *err) {
    if (!program) program = usual_program();
    int sockets[2] = {-1, -1}, errors[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0 ||
        pipe2(errors, O_CLOEXEC) != 0) {
        if (sockets[0] >= 0) close(sockets[0]), close(sockets[1]);
        return fail(err, STATUS_IO, "starting the %s process: %s", name, strerror(errno));
    }
    /* The descriptors must not be the ones that the child puts in their place. */
    const int high = fcntl(sockets[1], F_DUPFD_CLOEXEC, 10),
              high_errors = fcntl(errors[1], F_DUPFD_CLOEXEC, 10);
    close(sockets[1]);
    close(errors[1]);
    const pid_t parent = getpid(), pid = fork();
    if (pid == 0) become_child(program, name, high, high_errors, parent);
    close(high);
    close(high_errors);
    if (pid < 0) {
        close(sockets[0]);
        close(errors[0]);
        return fail(err, STATUS_IO, "starting the %s process: %s", name, strerror(errno));
    }
    setpgid(pid, pid); /* on both sides: whoever comes first */
    struct child *child = memory_new(sizeof *child);
    child->pid = pid;
    child->socket = sockets[0];
    child->errors = errors[0];
    fcntl(child->errors, F_SETFL, O_NONBLOCK);
    snprintf(child->name, sizeof child->name, "%s", name);
    *out = child;
    return OK;
}

void child_close(struct child *child) {
    if (!child) return;
    close(child->socket);
    if (!child->is_gone) {
        kill(-child->pid, SIGTERM);
        kill(-child->pid, SIGCONT); /* one that is paused would not hear of it */
        for (int ms = 0; ms < TERM_GRACE_MS && !has_ended(child); ms += 2) clock_sleep_ns(2000000);
        reap(child, true);
    }
    close(child->errors);
    free(child);
}

static bool send_all(int fd, const void *bytes, size_t size) {
    const char *p = bytes;
    while (size) {
        const ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

static bool send_frame(int fd, const void *bytes, size_t size) {
    const unsigned char head[4] = {size & 255, size >> 8 & 255, size >> 16 & 255, size >> 24 & 255};
    return size <= FRAME_LIMIT && send_all(fd, head, sizeof head) && send_all(fd, bytes, size);
}

enum status child_send(struct child *child, const void *bytes, size_t size, struct error *err) {
    if (size > FRAME_LIMIT)
        return fail(err, STATUS_INVALID, "a frame of %zu bytes is too large for the %s process",
                    size, child->name);
    return !child->is_gone && send_frame(child->socket, bytes, size) ? OK : gone(child, err);
}

static size_t frame_size(const unsigned char head[4]) {
    return (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
}

/* Read n bytes before the deadline (0: none), looking after the child's stderr meanwhile. */
static enum status receive_bytes(struct child *child, void *bytes, size_t n, int64_t until_ns,
                                 const volatile int *interrupt, struct error *err) {
    char *p = bytes;
    int watched = child->errors;
    while (n) {
        if (interrupt && *interrupt)
            return fail(err, STATUS_INTERRUPTED, "waiting for the %s process: interrupted",
                        child->name);
        const bool ended = has_ended(child); /* asked first: what it sent before is seen by poll */
        const int64_t left_ms = until_ns ? (until_ns - clock_now_ns() + 999999) / 1000000 : 100;
        if (until_ns && left_ms <= 0)
            return fail(err, STATUS_TIMEOUT, "the %s process gave no answer before its deadline",
                        child->name);
        struct pollfd wait[2] = {{child->socket, POLLIN, 0}, {watched, POLLIN, 0}};
        if (poll(wait, 2, left_ms < 100 ? (int)left_ms : 100) < 0) {
            if (errno == EINTR) continue;
            return fail(err, STATUS_IO, "waiting for the %s process: %s", child->name,
                        strerror(errno));
        }
        if (wait[1].revents & POLLIN) keep_errors(child);
        else if (wait[1].revents)
            watched = -1; /* it closed its stderr: nothing more to look after */
        if (!(wait[0].revents & (POLLIN | POLLHUP | POLLERR))) {
            if (ended) return gone(child, err); /* a process that it started holds the socket */
            continue;
        }
        const ssize_t got = recv(child->socket, p, n, MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got <= 0) return gone(child, err);
        p += got;
        n -= (size_t)got;
    }
    return OK;
}

enum status child_receive(struct child *child, int64_t deadline_ns, char **bytes, size_t *size,
                          const volatile int *interrupt, struct error *err) {
    *bytes = NULL;
    const int64_t until_ns = deadline_ns > 0 ? clock_now_ns() + deadline_ns : 0;
    unsigned char head[4] = {0};
    enum status status = receive_bytes(child, head, sizeof head, until_ns, interrupt, err);
    if (status != OK) return status;
    *size = frame_size(head);
    if (*size > FRAME_LIMIT)
        return fail(err, STATUS_CRASHED, "the %s process sent a frame of %zu bytes", child->name,
                    *size);
    char *buffer = malloc(*size + 1);
    if (!buffer)
        return fail(err, STATUS_NOMEM, "the %s process: no memory for its answer", child->name);
    buffer[*size] = 0;
    status = receive_bytes(child, buffer, *size, until_ns, interrupt, err);
    if (status != OK) free(buffer);
    else *bytes = buffer;
    return status;
}

bool child_has_frame(struct child *child) {
    struct pollfd wait = {child->socket, POLLIN, 0};
    keep_errors(child);
    return poll(&wait, 1, 0) > 0 || has_ended(child);
}

void child_pause(struct child *child, bool is_paused) {
    if (!child->is_gone) kill(-child->pid, is_paused ? SIGSTOP : SIGCONT);
}

static bool read_all(int fd, void *bytes, size_t n) {
    char *p = bytes;
    while (n) {
        const ssize_t got = read(fd, p, n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

enum status child_side_receive(char **bytes, size_t *size, struct error *err) {
    unsigned char head[4];
    *bytes = NULL;
    if (!read_all(CHILD_FD, head, sizeof head)) return fail(err, STATUS_IO, "the parent is gone");
    *size = frame_size(head);
    char *buffer = *size <= FRAME_LIMIT ? malloc(*size + 1) : NULL;
    if (!buffer || !read_all(CHILD_FD, buffer, *size)) {
        free(buffer);
        return fail(err, STATUS_IO, "reading a frame of %zu bytes from the parent", *size);
    }
    buffer[*size] = 0;
    *bytes = buffer;
    return OK;
}

enum status child_side_send(const void *bytes, size_t size, struct error *err) {
    return send_frame(CHILD_FD, bytes, size) ? OK : fail(err, STATUS_IO, "the parent is gone");
}
