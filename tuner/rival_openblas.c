/* rival_openblas.c: OpenBLAS's SGEMM, at the best of its core types: what it picks by itself is not
 * always its fastest here. The core type is read from the environment when the library is loaded, hence
 * a child for each. */
#include "base/str.h"
#include "tuner/rival_sides.h"
#include <cblas.h>
#include <dlfcn.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Core types that may be worth it, and what /proc/cpuinfo must list for them. */
static const struct core {
    const char *name, *flags[4];
} cores[] = {
    {"", {NULL}}, /* its own choice */
    {"HASWELL", {"avx2", "fma", NULL}},
    {"ZEN", {"avx2", "fma", NULL}},
    {"SKYLAKEX", {"avx512f", "avx512bw", "avx512vl", NULL}},
    {"COOPERLAKE", {"avx512f", "avx512_bf16", NULL}},
    {"SAPPHIRERAPIDS", {"avx512_bf16", "amx_bf16", NULL}},
};
enum { CORES = sizeof cores / sizeof *cores };

struct openblas {
    struct rival_request request;
    __typeof__(&cblas_sgemm) sgemm;
    float **w, *x, *c;
};

/* ---- in the child ---- */

static int usable_cpus(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static enum status load(struct openblas *s, struct error *err) {
    char threads[16];
    snprintf(threads, sizeof threads, "%d", usable_cpus());
    setenv("OPENBLAS_NUM_THREADS", threads, 1);
    if (*s->request.setting) setenv("OPENBLAS_CORETYPE", s->request.setting, 1);
    else unsetenv("OPENBLAS_CORETYPE");
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library) s->sgemm = (__typeof__(s->sgemm))dlsym(library, "cblas_sgemm");
    /* cppcheck-suppress resourceLeak ; its threads live in it, until the child ends */
    return s->sgemm ? OK
                    : fail(err, STATUS_UNSUPPORTED,
                           "OpenBLAS is not there; install the Debian package "
                           "libopenblas0-pthread");
}

static float *make_values(size_t n) {
    float *values = aligned_alloc(64, (n * sizeof *values + 63) / 64 * 64);
    if (values) rival_fill(values, n);
    return values;
}

static enum status openblas_open(const struct rival_request *request, void **state,
                                 struct error *err) {
    struct openblas *s = memory_new(sizeof *s);
    s->request = *request;
    *state = s;
    enum status st = load(s, err);
    if (st != OK) return st;
    s->w = memory_new((size_t)request->copies * sizeof *s->w);
    s->x = make_values((size_t)(request->n * request->k));
    s->c = make_values((size_t)(request->n * request->m));
    bool made = s->x && s->c;
    for (int i = 0; made && i < request->copies; i++)
        made = (s->w[i] = make_values((size_t)(request->m * request->k))) != NULL;
    return made ? OK : fail(err, STATUS_NOMEM, "OpenBLAS: no memory for its matrices");
}

static enum status openblas_multiply(void *state, int way, int copy, struct error *err) {
    struct openblas *s = state;
    const int m = (int)s->request.m, n = (int)s->request.n, k = (int)s->request.k;
    const bool turned = way & WAY_W_TRANSPOSED;
    (void)err;
    if (way & WAY_BY_OUTPUT)
        s->sgemm(CblasRowMajor, turned ? CblasTrans : CblasNoTrans, CblasNoTrans, m, n, k, 1,
                 s->w[copy], turned ? m : k, s->x, n, 0, s->c, n);
    else
        s->sgemm(CblasRowMajor, CblasNoTrans, turned ? CblasNoTrans : CblasTrans, n, m, k, 1, s->x,
                 k, s->w[copy], turned ? m : k, 0, s->c, m);
    return OK;
}

static enum status openblas_finish(void *state, struct error *err) {
    (void)state;
    (void)err;
    return OK;
}

static enum status openblas_read(void *state, float *c, struct error *err) {
    const struct openblas *s = state;
    (void)err;
    memcpy(c, s->c, (size_t)(s->request.n * s->request.m) * sizeof *c);
    return OK;
}

static void openblas_close(void *state) {
    struct openblas *s = state;
    if (!s) return;
    for (int i = 0; s->w && i < s->request.copies; i++) free(s->w[i]);
    free(s->w);
    free(s->x);
    free(s->c);
    free(s);
}

const struct rival_side rival_side_openblas = {
    .name = "openblas",
    .open = openblas_open,
    .multiply = openblas_multiply,
    .finish = openblas_finish,
    .read = openblas_read,
    .close = openblas_close,
};

/* ---- in the parent ---- */

/* The flags line of /proc/cpuinfo with spaces around, "" where there is none. */
static char *cpu_flags(void) {
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen("/proc/cpuinfo", "re");
    char *flags = NULL;
    while (file && !flags && getline(&line, &size, file) > 0)
        if (strncmp(line, "flags", 5) == 0) {
            line[strcspn(line, "\n")] = ' ';
            flags = text_copy(line);
        }
    free(line);
    if (file) fclose(file);
    return flags ? flags : text_copy("");
}

static bool core_runs_here(const struct core *core, const char *flags) {
    for (int i = 0; i < 4 && core->flags[i]; i++) {
        char *word = text_format(" %s ", core->flags[i]);
        bool has = strstr(flags, word) != NULL;
        free(word);
        if (!has) return false;
    }
    return true;
}

static enum status openblas_time(const struct rival_place *place, const struct problem *problem,
                                 double *time_ns, char how[128], struct error *err) {
    struct rival_request request;
    if (device_describe(place->device)->type != DEVICE_CPU)
        return fail(err, STATUS_UNSUPPORTED, "OpenBLAS runs on the host, this device is not it");
    enum status st = rival_request_make(place, problem, "openblas", &request, err);
    if (st != OK) return st;
    char *flags = cpu_flags();
    *time_ns = INFINITY;
    for (int i = 0; i < CORES; i++) {
        double core_ns;
        char core_how[128];
        if (!core_runs_here(&cores[i], flags)) continue;
        struct error why = {0};
        enum status one = rival_ask(place, &request, cores[i].name, &core_ns, core_how, &why);
        if (one == OK && core_ns < *time_ns) {
            *time_ns = core_ns;
            snprintf(how, 128, "%s", core_how);
        } else if (one == STATUS_UNSUPPORTED || one == STATUS_INTERRUPTED) {
            st = fail(err, one, "%s", why.text);
            break;
        }
    }
    free(flags);
    if (st == OK && !(*time_ns < INFINITY))
        st = fail(err, STATUS_CRASHED, "OpenBLAS gives no result with any of its core types");
    return st;
}

const struct rival rival_openblas = {.name = "openblas", .time = openblas_time};
