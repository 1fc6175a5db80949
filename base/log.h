/* log.h: words for people, on stderr only. A progress line rewrites itself on a terminal and is a
 * line every 10 s elsewhere. No colour when NO_COLOR is set, TERM is dumb or stderr is no terminal. */
#pragma once
#include <stdbool.h>

extern bool log_quiet; /* --quiet: only warnings; set once, in main */

/* A line of its own, below the progress line: news, which --quiet keeps silent; a warning, which it does not. */
void log_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...)
    __attribute__((format(printf, 1, 2))); /* "hone: warning: …" */

/* Show this text as the current progress line: at most 10 a second on a terminal, one in 10 s
 * elsewhere (the first at once). `done` clears the line on a terminal. */
void log_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_progress_done(void);
