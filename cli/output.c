/* output.c: stdout that notices when it cannot be written, and whole characters. */
#include "cli/cli.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status out_failed(struct error *err) {
    /* A reader that went away (a pipe into head) is no news: fail without a sentence. */
    if (errno == EPIPE) {
        if (err) err->status = STATUS_IO, err->text[0] = 0;
        return STATUS_IO;
    }
    return fail(err, STATUS_IO, "writing to stdout: %s; is the disk full?", strerror(errno));
}

enum status out_write(const char *bytes, size_t n, struct error *err) {
    return fwrite(bytes, 1, n, stdout) == n ? OK : out_failed(err);
}

enum status out_printf(struct error *err, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int n = vprintf(format, arguments);
    va_end(arguments);
    return n >= 0 ? OK : out_failed(err);
}

enum status out_flush(struct error *err) {
    return fflush(stdout) == 0 && !ferror(stdout) ? OK : out_failed(err);
}

static enum status print_json(json_t *document, size_t flags, struct error *err) {
    char *text = json_dumps(document, flags | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    json_decref(document);
    if (!text) return fail(err, STATUS_NOMEM, "writing the JSON document: out of memory");
    enum status status = out_printf(err, "%s\n", text);
    free(text);
    return status == OK ? out_flush(err) : status;
}

enum status json_print(json_t *document, struct error *err) {
    return print_json(document, JSON_INDENT(2), err);
}

enum status json_print_line(json_t *document, struct error *err) {
    return print_json(document, JSON_COMPACT, err);
}

double number_at(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : 0;
}

const char *text_at(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}
