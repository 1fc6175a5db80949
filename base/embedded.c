/* embedded.c: see embedded.h. */
#include "base/embedded.h"
#include <stddef.h>
#include <string.h>

const struct embedded *embedded_find(const char *path) {
    for (const struct embedded *file = embedded_files; file->path; file++)
        if (!strcmp(file->path, path)) return file;
    return NULL;
}
