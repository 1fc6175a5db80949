/* gnuplot.h: figures are drawn by gnuplot, in a process of its own that is ended when it takes too long. */
#pragma once
#include "base/status.h"

/* Run `gnuplot script` inside a folder. UNSUPPORTED when gnuplot is not installed (the sentence names the
 * package); CRASHED with what it said; TIMEOUT; INTERRUPTED when *interrupt becomes non-zero. */
enum status gnuplot_run(const char *folder, const char *script, const volatile int *interrupt,
                        struct error *err);

/* Text from the database, fit for a string of gnuplot's and a cell of its data: whole printable
 * characters; quotes, backquotes and backslashes become '?'. Returns out. */
enum { GNUPLOT_TEXT = 256 };
char *gnuplot_text(const char *text, char out[GNUPLOT_TEXT]);
