/* support.c: see support.h. */
#include "tests/support.h"
#include "base/path.h"
#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RING = 4, FOLDERS = 64, PATH_BYTES = 1024 };

static const char model_name[] = "models/SmolLM2-135M-Instruct.Q4_1.gguf";

/* Where the next path is kept. */
static char *ring_next(void) {
    static char ring[RING][PATH_BYTES];
    static unsigned turn;
    return ring[turn++ % RING];
}

/* path when it can be read; otherwise the running test ends here. */
static const char *readable(const char *path, const char *remedy) {
    if (access(path, R_OK) == 0) return path;
    const char *required = getenv("HONE_REQUIRE_DATA");
    if (required && !strcmp(required, "1"))
        cr_assert_fail("%s is missing and HONE_REQUIRE_DATA=1: %s", path, remedy);
    cr_skip_test("%s is missing: %s", path, remedy);
    return path;
}

const char *test_data(const char *name) {
    const char *folder = getenv("HONE_TEST_DATA");
    char *path = ring_next();
    snprintf(path, PATH_BYTES, "%s/%s", folder && folder[0] ? folder : "../shared/data", name);
    return readable(path, "set HONE_TEST_DATA to the folder of the test data");
}

const char *test_model(void) {
    char *cached = path_cache(model_name), *path = ring_next();
    snprintf(path, PATH_BYTES, "%s", cached);
    free(cached);
    return readable(path, "sh setup/model.sh fetches it");
}

/* The folders made by this process; a forked child inherits the list but must not remove them. */
static struct {
    char path[PATH_BYTES];
    pid_t owner;
} folders[FOLDERS];
static size_t n_folders;

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info, (void)kind, (void)place;
    return remove(path);
}

static void remove_folders(void) {
    for (size_t i = 0; i < n_folders; i++)
        if (folders[i].owner == getpid())
            nftw(folders[i].path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *test_folder(void) {
    cr_assert(n_folders < FOLDERS, "a test asked for more than %d temporary folders", FOLDERS);
    if (n_folders == 0) atexit(remove_folders);
    const char *base = getenv("TMPDIR");
    char *path = folders[n_folders].path;
    snprintf(path, PATH_BYTES, "%s/hone-test-XXXXXX", base && base[0] ? base : "/tmp");
    cr_assert(mkdtemp(path) != NULL, "making the folder %s", path);
    folders[n_folders++].owner = getpid();
    return path;
}

void test_in_memory(void) {
    if (access("/dev/shm", W_OK | X_OK) == 0) setenv("TMPDIR", "/dev/shm", 1);
}
