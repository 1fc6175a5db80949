/* gnuplot.c: see gnuplot.h. No shell comes near: gnuplot is started by name with the script's as its only
 * argument, without the user's initialisation files. */
#include "cli/gnuplot.h"
#include "base/clock.h"
#include "base/utf8.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A figure takes a tenth of a second; a busy machine and a cold font cache make it seconds. */
static const int64_t DEADLINE_NS = 60000000000, LOOK_NS = 5000000;
enum { SAID_BYTES = 600, NOT_FOUND = 127, NOT_STARTED = 126 };

static void become_gnuplot(const char *folder, const char *script, int errors, pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(NOT_STARTED);
    setpgid(0, 0);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || chdir(folder) != 0) _exit(NOT_STARTED);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    setenv("LC_ALL", "C.UTF-8", 1); /* decimal points, and characters beyond ASCII */
    execlp("gnuplot", "gnuplot", "-d", script, (char *)NULL);
    _exit(errno == ENOENT ? NOT_FOUND : NOT_STARTED);
}

/* Keep the beginning of what it says; the rest is read and dropped, so that it never waits for us. */
static void hear(int errors, char said[SAID_BYTES], size_t *n) {
    char buffer[512];
    ssize_t got;
    while ((got = read(errors, buffer, sizeof buffer)) > 0) {
        const size_t room = SAID_BYTES - 1 - *n, more = (size_t)got < room ? (size_t)got : room;
        memcpy(said + *n, buffer, more);
        said[ *n += more] = 0;
    }
}

/* Its words in one line: what it says comes with empty lines, and with a caret under the spot. */
static void squeeze(char *text) {
    char *to = text;
    for (const char *p = text; *p; p++) {
        const bool is_blank = isspace((unsigned char)*p);
        if (!is_blank) *to++ = *p;
        else if (to > text && to[-1] != ' ') *to++ = ' ';
    }
    while (to > text && to[-1] == ' ') to--;
    *to = 0;
}

static enum status judge(int wait_status, const char *script, char *said, struct error *err) {
    const int code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
    char what[SAID_BYTES];
    if (code == 0) return OK;
    if (code == NOT_FOUND)
        return fail(err, STATUS_UNSUPPORTED,
                    "gnuplot is not installed: install the Debian package gnuplot-nox");
    if (code < 0)
        return fail(err, STATUS_CRASHED, "drawing %s: gnuplot was killed by signal %d", script,
                    WTERMSIG(wait_status));
    squeeze(said);
    return fail(err, STATUS_CRASHED, "drawing %s: gnuplot failed: %s", script,
                utf8_printable(said, strlen(said), what, sizeof what));
}

/* Wait for it, listening; it is ended at the deadline and on interrupt. */
static enum status await(pid_t pid, int errors, const char *script, const volatile int *interrupt,
                         struct error *err) {
    const int64_t until_ns = clock_now_ns() + DEADLINE_NS;
    char said[SAID_BYTES] = "";
    size_t n = 0;
    int wait_status;
    pid_t ended;
    while ((ended = waitpid(pid, &wait_status, WNOHANG)) == 0 || (ended < 0 && errno == EINTR)) {
        hear(errors, said, &n);
        const bool is_late = clock_now_ns() > until_ns;
        if (is_late || *interrupt) {
            kill(-pid, SIGKILL);
            while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
            return is_late ? fail(err, STATUS_TIMEOUT, "drawing %s: gnuplot did not end in time",
                                  script)
                           : fail(err, STATUS_INTERRUPTED, "drawing %s: interrupted", script);
        }
        clock_sleep_ns(LOOK_NS);
    }
    hear(errors, said, &n);
    return judge(wait_status, script, said, err);
}

enum status gnuplot_run(const char *folder, const char *script, const volatile int *interrupt,
                        struct error *err) {
    int errors[2];
    if (pipe2(errors, O_CLOEXEC | O_NONBLOCK) != 0)
        return fail(err, STATUS_IO, "starting gnuplot: %s", strerror(errno));
    const pid_t parent = getpid(), pid = fork();
    if (pid == 0) become_gnuplot(folder, script, errors[1], parent);
    close(errors[1]);
    enum status status = OK;
    if (pid < 0) {
        status = fail(err, STATUS_IO, "starting gnuplot: %s", strerror(errno));
    } else {
        setpgid(pid, pid); /* on both sides: whoever comes first */
        status = await(pid, errors[0], script, interrupt, err);
    }
    close(errors[0]);
    return status;
}

char *gnuplot_text(const char *text, char out[GNUPLOT_TEXT]) {
    utf8_printable(text, strlen(text), out, GNUPLOT_TEXT);
    for (char *p = out; *p; p++)
        if (strchr("'\"`\\", *p)) *p = '?';
    /* U+FFFE and U+FFFF are characters of UTF-8, but none of XML. */
    for (char *p = out; (p = strstr(p, "\xef\xbf")); p += 2)
        if ((unsigned char)p[2] >= 0xbe) p[0] = p[1] = p[2] = '?';
    return out;
}
