/* log.c: see log.h. */
#include "base/log.h"
#include "base/clock.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool log_quiet;

static bool line_shown;      /* a progress line stands on the terminal */
static int64_t line_time_ns; /* when it was last written */

static bool on_terminal(void) {
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

static void clear_line(void) {
    if (line_shown) fputs("\r\033[K", stderr);
    line_shown = false;
}

static void say(const char *prefix, const char *format, va_list arguments) {
    clear_line();
    fputs(prefix, stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void log_say(const char *format, ...) {
    if (log_quiet) return;
    va_list arguments;
    va_start(arguments, format);
    say("", format, arguments);
    va_end(arguments);
}

void log_warn(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say("hone: warning: ", format, arguments);
    va_end(arguments);
}

void log_progress(const char *format, ...) {
    if (log_quiet) return;
    const bool terminal = on_terminal();
    const int64_t now_ns = clock_now_ns(), gap_ns = terminal ? 100000000 : 10000000000;
    if (line_time_ns && now_ns - line_time_ns < gap_ns) return;
    line_time_ns = now_ns;
    va_list arguments;
    va_start(arguments, format);
    if (terminal) {
        fputs("\r\033[K", stderr);
        vfprintf(stderr, format, arguments);
        line_shown = true;
    } else {
        vfprintf(stderr, format, arguments);
        fputc('\n', stderr);
    }
    va_end(arguments);
    fflush(stderr);
}

void log_progress_done(void) {
    clear_line();
    line_time_ns = 0;
    fflush(stderr);
}
