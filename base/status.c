/* status.c: see status.h. */
#include "base/status.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef fail /* the analyser's */
#undef fail_while

static const struct {
    const char *name;
    int exit_code;
} table[] = {[OK] = {"OK", 0},
#define XX(name, exit_code) [STATUS_##name] = {#name, exit_code},
             STATUS_MAP(XX)
#undef XX
};

enum status fail(struct error *err, enum status status, const char *format, ...) {
    if (!err) return status;
    va_list arguments;
    va_start(arguments, format);
    char text[sizeof err->text]; /* the arguments may lie in err */
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    err->status = status;
    memcpy(err->text, text, sizeof text);
    return status;
}

enum status fail_while(struct error *err, const char *format, ...) {
    if (!err) return STATUS_INVALID;
    char what[sizeof err->text], text[2 * sizeof err->text + 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    snprintf(text, sizeof text, "%s: %s", what, err->text);
    memcpy(err->text, text, sizeof err->text);
    err->text[sizeof err->text - 1] = 0;
    return err->status;
}

const char *status_name(enum status status) {
    return table[status].name;
}

int status_exit_code(enum status status) {
    return table[status].exit_code;
}
