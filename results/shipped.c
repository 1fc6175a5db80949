/* shipped.c: profiles that travel inside the program: results/profiles/ *.profile. A file of its own, so
 * that a test can put others in their place. */
#include "base/embedded.h"
#include "results/profile.h"
#include <stdbool.h>
#include <string.h>

static bool is_profile(const char *path) {
    static const char folder[] = "results/profiles/", end[] = ".profile";
    const size_t length = strlen(path);
    return !strncmp(path, folder, sizeof folder - 1) && length >= sizeof end &&
           !strcmp(path + length - (sizeof end - 1), end);
}

const struct embedded *profile_shipped(size_t i) {
    for (const struct embedded *file = embedded_files; file->path; file++)
        if (is_profile(file->path) && i-- == 0) return file;
    return NULL;
}
