/* reach.c: working sets of growing size are read by the host's processors, in turns, until it is known which of
 * them are read as slowly as memory. Plain loops of the host: kernels of a CPU device read the same memory. */
#include "tuner/reach.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/parallel.h"
#include "base/path.h"
#include "base/str.h"
#include <assert.h>
#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Half powers of two from LEAST on, at most so many. */
enum { SIZES = 32, ROUNDS = 3, THERE = 1, NOT_THERE = 2, FILE_LIMIT = 4096 };
static const size_t LEAST = 32 << 20;
/* A timing lasts that long: threads take part of a millisecond to begin. */
static const double TIMING_NS = 2e7;
/* Faster than memory by less than this is like memory. */
static const double LIKE_MEMORY = 1.1;

size_t reach_choose(const size_t *bytes, const double *gbps, size_t n) {
    assert(n > 0);
    if (!(gbps[0] > LIKE_MEMORY * gbps[n - 1])) return bytes[n - 1];
    size_t i = n - 1;
    while (gbps[i - 1] <= LIKE_MEMORY * gbps[n - 1]) i--;
    return bytes[i];
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

static double read_gbps(struct room *room, size_t bytes, int passes) {
    struct error ignored;
    room->passes = passes;
    const int64_t start = clock_now_ns();
    parallel_for((int64_t)bytes, read_piece, room, &ignored);
    const int64_t spent = clock_now_ns() - start;
    return spent > 0 ? (double)bytes * passes / (double)spent : 0;
}

static size_t list_sizes(size_t most, size_t bytes[SIZES]) {
    size_t n = 0;
    for (size_t at = LEAST; at < most && n + 2 < SIZES; at *= 2) {
        bytes[n++] = at;
        if (at / 2 * 3 < most) bytes[n++] = at / 2 * 3;
    }
    bytes[n++] = most;
    return n;
}

size_t reach_measure(size_t most) {
    size_t bytes[SIZES];
    double gbps[SIZES] = {0};
    const size_t n = list_sizes(most, bytes);
    struct room room = {.bytes = malloc(most)};
    if (!room.bytes) return 0;
    struct error ignored;
    parallel_for((int64_t)most, touch_piece, &room, &ignored);
    const double timing_bytes = TIMING_NS * read_gbps(&room, most, 1);
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < n; i++) {
            read_gbps(&room, bytes[i], 1); /* into what cache there is */
            gbps[i] = fmax(gbps[i],
                           read_gbps(&room, bytes[i], 1 + (int)(timing_bytes / (double)bytes[i])));
        }
    free(room.bytes);
    return reach_choose(bytes, gbps, n);
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
    char hex[17], name[48];
    if (!*clock_boot_id()) return NULL;
    hash_hex(hash_text(hash_start(), head), hex);
    snprintf(name, sizeof name, "reach/%s", hex);
    return path_cache(name);
}

/* 0: not there, or of something else. */
static size_t load(const char *file, const char *head, size_t most) {
    char *text = NULL;
    size_t size, bytes = 0;
    if (!file || path_read(file, FILE_LIMIT, &text, &size, NULL) != OK) return 0;
    const size_t length = strlen(head);
    if (strncmp(text, head, length) != 0 || sscanf(text + length, "%20zu", &bytes) != 1) bytes = 0;
    free(text);
    return bytes >= LEAST && bytes <= most ? bytes : 0;
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
