/* parallel.c: see parallel.h. */
#include "base/parallel.h"
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

enum { THREADS_MOST = 64 };

struct piece {
    enum status (*body)(void *context, int64_t first, int64_t last, struct error *err);
    void *context;
    int64_t first, last;
    enum status status;
    struct error err;
    pthread_t thread;
    bool is_started;
};

static void *work(void *memory) {
    struct piece *piece = memory;
    piece->status = piece->body(piece->context, piece->first, piece->last, &piece->err);
    return NULL;
}

static int count_processors(void) {
    cpu_set_t set;
    const int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > THREADS_MOST ? THREADS_MOST : n;
}

enum status parallel_for(int64_t n,
                         enum status (*body)(void *context, int64_t first, int64_t last,
                                             struct error *err),
                         void *context, struct error *err) {
    struct piece pieces[THREADS_MOST];
    const int processors = count_processors();
    const int n_pieces = n < processors ? (n > 0 ? (int)n : 0) : processors;
    for (int i = 0; i < n_pieces; i++) {
        pieces[i] = (struct piece){.body = body,
                                   .context = context,
                                   .first = n * i / n_pieces,
                                   .last = n * (i + 1) / n_pieces};
        pieces[i].is_started =
            i < n_pieces - 1 && pthread_create(&pieces[i].thread, NULL, work, &pieces[i]) == 0;
    }
    for (int i = n_pieces - 1; i >= 0; i--)
        if (pieces[i].is_started) pthread_join(pieces[i].thread, NULL);
        else work(&pieces[i]);
    for (int i = 0; i < n_pieces; i++)
        if (pieces[i].status != OK) {
            if (err) *err = pieces[i].err;
            return pieces[i].status;
        }
    return OK;
}
