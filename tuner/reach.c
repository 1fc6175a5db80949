/* reach.c: working sets of growing size are read by the host's processors, until one is read as slowly as memory.
 * Plain loops of the host: kernels of a CPU device read the same memory. */
#include "tuner/reach.h"
#include "base/clock.h"
#include "base/parallel.h"
#include "base/path.h"
#include "base/str.h"
#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ROUNDS = 3, LARGE_PAGE = 2 << 20, THERE = 1, NOT_THERE = 2, FILE_LIMIT = 4096 };
/* In a cache, where there is one that matters; and the first size that is tried. Then half powers of two. */
static const size_t CACHED = 32 << 20, LEAST = 128 << 20;
/* A timing lasts that long: threads take part of a millisecond to begin. */
static const double TIMING_NS = 2e7;
/* Faster than memory by less than this is like memory. */
static const double LIKE_MEMORY = 1.1;

size_t reach_search(size_t most, double (*read_gbps)(void *context, size_t bytes), void *context) {
    const double memory = read_gbps(context, most);
    if (!(read_gbps(context, CACHED) > LIKE_MEMORY * memory)) return most;
    for (size_t power = LEAST; power < most; power *= 2)
        for (size_t bytes = power; bytes < most && bytes < 2 * power; bytes += power / 2)
            if (read_gbps(context, bytes) <= LIKE_MEMORY * memory) return bytes;
    return most;
}

/* ---- reading ---- */

struct room {
    char *bytes;
    int passes;           /* over the same, each processor its part */
    atomic_bool is_found; /* so that nobody may leave out the reading */
};

static enum status touch_piece(void *context, int64_t first, int64_t last, struct error *err) {
    (void)err;
    struct room *room = context;
    memset(room->bytes + first, THERE, (size_t)(last - first));
    return OK;
}

/* Looking for what is not there: the C library reads as wide as the processor can. */
static enum status read_piece(void *context, int64_t first, int64_t last, struct error *err) {
    (void)err;
    struct room *room = context;
    for (int pass = 0; pass < room->passes; pass++)
        if (memchr(room->bytes + first, NOT_THERE, (size_t)(last - first))) room->is_found = true;
    return OK;
}

static double read_once(struct room *room, size_t bytes, int passes) {
    struct error ignored;
    room->passes = passes;
    const int64_t start = clock_now_ns();
    parallel_for((int64_t)bytes, read_piece, room, &ignored);
    const int64_t spent = clock_now_ns() - start;
    return spent > 0 ? (double)bytes * passes / (double)spent : 0;
}

/* The best of several times; each after one that brought into a cache what fits. */
static double read_best(void *context, size_t bytes) {
    double best = 0, rate;
    for (int round = 0; round < ROUNDS; round++) {
        rate = read_once(context, bytes, 1);
        rate = read_once(context, bytes, 1 + (int)(TIMING_NS * rate / (double)bytes));
        best = fmax(best, rate);
    }
    return best;
}

size_t reach_measure(size_t most) {
    struct room room = {.bytes = aligned_alloc(LARGE_PAGE, most / LARGE_PAGE * LARGE_PAGE)};
    if (!room.bytes) return 0;
    struct error ignored;
    most = most / LARGE_PAGE * LARGE_PAGE;
#ifdef MADV_HUGEPAGE
    madvise(room.bytes, most, MADV_HUGEPAGE);
#endif
    parallel_for((int64_t)most, touch_piece, &room, &ignored);
    const size_t bytes = reach_search(most, read_best, &room);
    free(room.bytes);
    return bytes;
}

/* ---- kept ---- */

/* What is kept holds for one machine, one boot (what is shared out may be shared out anew), these processors and
 * one question. */
static char *head_of(const char *machine, size_t most) {
    cpu_set_t set;
    const int processors = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
    return text_format("hone reach 1\n%s\nboot %s\n%d processors\nof %zu\n", machine,
                       clock_boot_id(), processors, most);
}

/* NULL where nobody could tell that the machine was started anew. */
static char *file_of(const char *head) {
    return *clock_boot_id() ? path_cache_keyed("reach", head, "") : NULL;
}

/* 0: not there, or of something else. */
static size_t load(const char *file, const char *head, size_t most) {
    char *text = NULL;
    size_t size, bytes = 0;
    if (!file || path_read(file, FILE_LIMIT, &text, &size, NULL) != OK) return 0;
    const size_t length = strlen(head);
    if (strncmp(text, head, length) != 0 || sscanf(text + length, "%20zu", &bytes) != 1) bytes = 0;
    free(text);
    return bytes > 0 && bytes <= most ? bytes : 0;
}

static void store(const char *file, const char *head, size_t bytes) {
    if (!file || path_make_parent(file, NULL) != OK) return;
    char *text = text_format("%s%zu\n", head, bytes);
    path_write(file, text, strlen(text), NULL); /* not kept: measured again */
    free(text);
}

size_t reach_known(const char *machine, size_t most) {
    static char *asked; /* of this process */
    static size_t known;
    char *head = head_of(machine, most);
    if (!asked || strcmp(asked, head) != 0) {
        char *file = file_of(head);
        size_t bytes = load(file, head, most);
        if (!bytes && (bytes = reach_measure(most))) store(file, head, bytes);
        free(file);
        free(asked);
        asked = text_copy(head);
        known = bytes ? bytes : most;
    }
    free(head);
    return known;
}
