/* ceiling.c: the ceilings of a device: tables of ways to read and to compute, the best of which counts.
 * Kernels are judged by these, so they are given every advantage: their own geometry, no result to
 * write, the same memory again and again. */
#include "base/embedded.h"
#include "base/stats.h"
#include "base/str.h"
#include "tuner/measure.h"
#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

enum { WAYS = 10, DOUBLINGS = 20, FIRST_RUNS = 2, FINALISTS = 3, FINAL_RUNS = 7, FLOORS = 64 };
/* A launch of a compute ceiling: on a CPU the threads that it wakes may share a core for their first
 * milliseconds. Bytes of a read: 2 to 8 ms of memory. */
static const double GPU_LAUNCH_NS = 2e6, CPU_LAUNCH_NS = 1e7;
enum { CPU_READ_BYTES = 256 << 20, GPU_READ_BYTES = 1 << 30 };
/* Geometry of an empty kernel: runs back to back in one sample. */
enum { FLOOR_REPEATS = 16, FLOOR_SAMPLES = 7 };

/* One way: vector width, accumulators, apart, prefetch distance, work-group size, groups per unit. */
struct way {
    int vw, acc, apart, ahead, local, groups, assembly, dot;
    int needs; /* feature, FEATURE_NONE: none */
};
struct way_list {
    const char *entry;
    const struct way *ways;
    size_t n;
};

/* A CPU streams best when every core has one contiguous part and enough lines in flight. */
static const struct way cpu_read[] = {
    {16, 8, 0, 0, 1, 1, 0, 0, FEATURE_NONE},        {16, 4, 0, 0, 1, 1, 0, 0, FEATURE_NONE},
    {16, 8, 1, 0, 1, 1, 0, 0, FEATURE_NONE},        {16, 4, 1, 0, 1, 1, 0, 0, FEATURE_NONE},
    {16, 8, 0, 1024, 1, 1, 0, 0, FEATURE_x86_avx2}, {16, 8, 0, 4096, 1, 1, 0, 0, FEATURE_x86_avx2},
    {16, 4, 1, 2048, 1, 1, 0, 0, FEATURE_x86_avx2}, {8, 8, 0, 0, 1, 1, 0, 0, FEATURE_NONE},
    {16, 8, 0, 0, 1, 8, 0, 0, FEATURE_NONE},        {16, 4, 1, 1024, 1, 8, 0, 0, FEATURE_x86_avx2},
};
static const struct way gpu_read[] = {
    {4, 4, 0, 0, 256, 8, 0, 0, FEATURE_NONE},  {4, 8, 0, 0, 256, 8, 0, 0, FEATURE_NONE},
    {4, 4, 0, 0, 256, 4, 0, 0, FEATURE_NONE},  {4, 8, 0, 0, 256, 4, 0, 0, FEATURE_NONE},
    {4, 2, 0, 0, 256, 16, 0, 0, FEATURE_NONE}, {4, 4, 0, 0, 128, 16, 0, 0, FEATURE_NONE},
    {4, 4, 0, 0, 512, 4, 0, 0, FEATURE_NONE},  {4, 4, 0, 0, 256, 64, 0, 0, FEATURE_NONE},
    {2, 8, 0, 0, 256, 8, 0, 0, FEATURE_NONE},  {1, 8, 0, 0, 256, 8, 0, 0, FEATURE_NONE},
};
static const struct way cpu_copy[] = {
    {16, 8, 0, 0, 1, 1, 0, 0, FEATURE_NONE},
    {16, 1, 0, 0, 1, 1, 0, 0, FEATURE_NONE},
    {8, 4, 0, 0, 1, 1, 0, 0, FEATURE_NONE},
    {16, 4, 0, 0, 1, 8, 0, 0, FEATURE_NONE},
};
static const struct way gpu_copy[] = {
    {4, 4, 0, 0, 256, 8, 0, 0, FEATURE_NONE},
    {4, 1, 0, 0, 256, 16, 0, 0, FEATURE_NONE},
    {4, 1, 0, 0, 256, 64, 0, 0, FEATURE_NONE},
    {2, 4, 0, 0, 256, 8, 0, 0, FEATURE_NONE},
};
static const struct way cpu_fma[] = {
    {16, 8, 0, 0, 1, 1, 0, 0, FEATURE_NONE},        {16, 12, 0, 0, 1, 1, 0, 0, FEATURE_NONE},
    {8, 12, 0, 0, 1, 1, 0, 0, FEATURE_NONE},        {16, 12, 0, 0, 1, 1, 1, 0, FEATURE_x86_avx512},
    {16, 20, 0, 0, 1, 1, 1, 0, FEATURE_x86_avx512},
};
static const struct way gpu_fma[] = {
    {1, 8, 0, 0, 256, 8, 0, 0, FEATURE_NONE}, {1, 16, 0, 0, 256, 8, 0, 0, FEATURE_NONE},
    {2, 8, 0, 0, 256, 8, 0, 0, FEATURE_NONE}, {4, 4, 0, 0, 256, 8, 0, 0, FEATURE_NONE},
    {4, 8, 0, 0, 256, 4, 0, 0, FEATURE_NONE},
};
static const struct way cpu_dot[] = {
    {4, 12, 0, 0, 1, 1, 0, 1, FEATURE_x86_vnni},
    {4, 20, 0, 0, 1, 1, 0, 1, FEATURE_x86_vnni},
    {4, 12, 0, 0, 1, 1, 0, 3, FEATURE_x86_avx2},
    {4, 8, 0, 0, 1, 1, 0, 0, FEATURE_NONE},
};
static const struct way gpu_dot[] = {
    {4, 8, 0, 0, 256, 8, 0, 2, FEATURE_ptx_dp4a},
    {4, 16, 0, 0, 256, 8, 0, 2, FEATURE_ptx_dp4a},
    {4, 4, 0, 0, 256, 8, 0, 0, FEATURE_NONE},
};
#define LIST(entry, ways)                                                                          \
    { entry, ways, sizeof(ways) / sizeof *(ways) }
enum chain { CHAIN_READ, CHAIN_COPY, CHAIN_FMA, CHAIN_DOT, CHAINS };
static const struct way_list lists[2][CHAINS] = {
    {LIST("ceiling_read", gpu_read), LIST("ceiling_copy", gpu_copy), LIST("ceiling_fma", gpu_fma),
     LIST("ceiling_dot", gpu_dot)},
    {LIST("ceiling_read", cpu_read), LIST("ceiling_copy", cpu_copy), LIST("ceiling_fma", cpu_fma),
     LIST("ceiling_dot", cpu_dot)},
};
/* Operations of one step of one chain, by way. */
static double step_operations(enum chain chain, const struct way *way) {
    static const int dot_products[] = {16, 64, 4, 32};
    return 2.0 * (chain == CHAIN_FMA ? way->vw : dot_products[way->dot]);
}

struct ceilings {
    struct device *device;
    struct timer *timer;
    bool is_cpu;
    struct program *program[CHAINS][WAYS]; /* NULL: not built, or does not build */
    bool is_tried[CHAINS][WAYS];
    struct program *empty_program;
    struct kernel *empty;
    struct arena *arena; /* what is read; grows */
    struct view data, out;
    struct ceiling_memory memory;
    /* Of each way to read, when all were tried at that level; 0: not yet, or it does not work. */
    double read_rate[CEILING_LEVELS][WAYS];
    struct floor {
        size_t groups, local;
        double ns;
    } floor[FLOORS];
    size_t n_floors;
};

static const struct way_list *list_of(const struct ceilings *c, enum chain chain) {
    return &lists[c->is_cpu][chain];
}

/* ---- running ---- */

static const char *source_text(void) {
    const struct embedded *file = embedded_find("tuner/ceiling.cl");
    return file ? file->text : NULL;
}

static bool is_possible(const struct ceilings *c, const struct way *way) {
    return device_has(c->device, way->needs) &&
           (size_t)way->local <= device_describe(c->device)->max_work_group &&
           (size_t)way->local <= device_describe(c->device)->max_local[0];
}

/* The way's kernel, built at its first use; NULL when the device cannot or the compiler will not. */
static struct kernel *way_kernel(struct ceilings *c, enum chain chain, size_t w) {
    const struct way *way = &list_of(c, chain)->ways[w];
    if (!c->is_tried[chain][w] && is_possible(c, way)) {
        char options[160];
        snprintf(options, sizeof options,
                 "-DVW=%d -DACC=%d -DAPART=%d -DAHEAD=%d -DASM=%d -DDOT=%d", way->vw, way->acc,
                 way->apart, way->ahead, way->assembly, way->dot);
        struct error ignored;
        program_build(c->device, "ceiling", source_text(), options, &c->program[chain][w],
                      &ignored);
    }
    c->is_tried[chain][w] = true;
    struct kernel *kernel = NULL;
    struct error ignored;
    if (c->program[chain][w])
        program_kernel(c->program[chain][w], list_of(c, chain)->entry, &kernel, &ignored);
    return kernel;
}

static enum status time_launch(struct ceilings *c, const struct launch *launch, int repeats,
                               double *time_ns, struct error *err) {
    struct timing timing;
    enum status st = device_time_begin(c->device, err);
    for (int i = 0; st == OK && i < repeats; i++) st = launch_enqueue(c->device, launch, err);
    struct error ignored;
    enum status end = device_time_end(c->device, &timing, st == OK ? err : &ignored);
    if (st == OK) st = end;
    if (st == OK) *time_ns = timer_ns(c->timer, &timing) / repeats;
    return st;
}

static size_t way_groups(const struct ceilings *c, const struct way *way) {
    int units = device_describe(c->device)->compute_units;
    return (size_t)(units > 0 ? units : 1) * (size_t)way->groups;
}

static bool is_memory(enum chain chain) {
    return chain == CHAIN_READ || chain == CHAIN_COPY;
}

/* One run of a way; *rate in GB/s or G operations/s. bytes for reads and copies (of one half of them to the
 * other), rounds for chains. */
static enum status run_memory(struct ceilings *c, enum chain chain, size_t w, size_t bytes,
                              double *rate, struct error *err) {
    const struct way *way = &list_of(c, chain)->ways[w];
    struct kernel *kernel = way_kernel(c, chain, w);
    const size_t parts = chain == CHAIN_COPY ? 2 : 1;
    size_t groups = way_groups(c, way), unit = (size_t)way->acc * (size_t)way->local;
    size_t per = bytes / parts / ((size_t)way->vw * 4) / groups / unit * unit;
    *rate = 0;
    if (!kernel || per == 0 || per > INT32_MAX) return OK;
    double once = (double)(per * groups * parts) * way->vw * 4;
    double target = c->is_cpu ? CPU_READ_BYTES : GPU_READ_BYTES;
    /* What is read again at once must not be a small part of the set: several groups a unit, one after
     * the other, would each read theirs from the nearest cache. They are launched again instead. */
    const int passes = once < target ? (int)ceil(target / once) : 1;
    const int rounds = way->groups == 1 ? passes : 1;
    const struct argument arguments[] = {
        {.kind = ARGUMENT_VIEW, .view = c->data},
        {.kind = ARGUMENT_VIEW, .view = c->out},
        {.kind = ARGUMENT_INT, .i = (int32_t)per},
        {.kind = ARGUMENT_INT, .i = rounds},
    };
    const struct launch launch = {
        kernel, {groups * (size_t)way->local, 1, 1}, {(size_t)way->local, 1, 1}};
    double time_ns;
    enum status st = kernel_set(kernel, arguments, 4, err);
    if (st == OK) st = time_launch(c, &launch, passes / rounds, &time_ns, err);
    if (st == OK) *rate = once * rounds / time_ns;
    return st;
}

static enum status run_chain(struct ceilings *c, enum chain chain, size_t w, int rounds,
                             double *rate, double *time_ns, struct error *err) {
    const struct way *way = &list_of(c, chain)->ways[w];
    struct kernel *kernel = way_kernel(c, chain, w);
    *rate = 0;
    *time_ns = NAN;
    if (!kernel) return OK;
    size_t items = way_groups(c, way) * (size_t)way->local;
    struct argument arguments[4] = {
        {.kind = ARGUMENT_VIEW, .view = c->out},
        {.kind = ARGUMENT_INT, .i = rounds},
        {.kind = ARGUMENT_INT, .i = 0x01010101},
        {.kind = ARGUMENT_FLOAT, .f = 0.75f},
    };
    if (chain == CHAIN_FMA) arguments[2] = (struct argument){.kind = ARGUMENT_FLOAT, .f = 0.5f};
    const struct launch launch = {kernel, {items, 1, 1}, {(size_t)way->local, 1, 1}};
    enum status st = kernel_set(kernel, arguments, chain == CHAIN_FMA ? 4 : 3, err);
    if (st == OK) st = time_launch(c, &launch, 1, time_ns, err);
    if (st == OK)
        *rate = (double)items * rounds * way->acc * step_operations(chain, way) / *time_ns;
    return st;
}

/* ---- the best of a list ---- */

struct contest {
    struct ceilings *c;
    enum chain chain;
    size_t bytes;      /* reads */
    int rounds[WAYS];  /* chains */
    double rate[WAYS]; /* median so far */
};

static enum status run_way(struct contest *t, size_t w, double *rate, struct error *err) {
    double time_ns;
    return is_memory(t->chain) ? run_memory(t->c, t->chain, w, t->bytes, rate, err)
                               : run_chain(t->c, t->chain, w, t->rounds[w], rate, &time_ns, err);
}

/* A chain's rounds, so that a launch takes its time; the first launch may be compilation. */
static enum status warm_way(struct contest *t, size_t w, struct error *err) {
    const double launch_ns = t->c->is_cpu ? CPU_LAUNCH_NS : GPU_LAUNCH_NS;
    double rate, time_ns = NAN;
    t->rounds[w] = 64;
    enum status st = OK;
    for (int i = 0; st == OK && i < DOUBLINGS; i++) {
        if (is_memory(t->chain)) return run_memory(t->c, t->chain, w, t->bytes, &rate, err);
        st = run_chain(t->c, t->chain, w, t->rounds[w], &rate, &time_ns, err);
        if (i > 0 && !(time_ns < launch_ns / 2)) break;
        t->rounds[w] *= i > 0 ? 2 : 1;
    }
    return st;
}

static enum status median_way(struct contest *t, size_t w, int runs, struct error *err) {
    double rate[FINAL_RUNS];
    for (int i = 0; i < runs; i++) {
        enum status st = run_way(t, w, &rate[i], err);
        if (st != OK) return st;
    }
    t->rate[w] = stats_median(rate, (size_t)runs);
    return OK;
}

/* All ways briefly. A way that the device refuses is out, it does not end the contest. */
static enum status first_round(struct contest *t, bool is_out[WAYS], struct error *err) {
    size_t n = list_of(t->c, t->chain)->n;
    for (size_t w = 0; w < n; w++) {
        enum status st = warm_way(t, w, err);
        if (st == OK) st = median_way(t, w, FIRST_RUNS, err);
        if (st == STATUS_DEVICE || st == STATUS_NOMEM) return st;
        is_out[w] = st != OK || !(t->rate[w] > 0);
    }
    return OK;
}

/* The best few of those that are not out at length; *best in GB/s or G operations/s, 0: no way works. */
static enum status last_round(struct contest *t, bool is_out[WAYS], double *best,
                              struct error *err) {
    size_t n = list_of(t->c, t->chain)->n;
    *best = 0;
    for (int place = 0; place < FINALISTS; place++) {
        size_t next = n;
        for (size_t w = 0; w < n; w++)
            if (!is_out[w] && (next == n || t->rate[w] > t->rate[next])) next = w;
        if (next == n) break;
        enum status st = median_way(t, next, FINAL_RUNS, err);
        if (st != OK) return st;
        *best = fmax(*best, t->rate[next]);
        is_out[next] = true;
    }
    return OK;
}

static enum status hold_contest(struct contest *t, double *best, struct error *err) {
    bool is_out[WAYS] = {false};
    const enum status st = first_round(t, is_out, err);
    return st == OK ? last_round(t, is_out, best, err) : st;
}

/* ---- memory to read ---- */

static enum status make_room(struct ceilings *c, size_t bytes, struct error *err) {
    if (c->arena && c->data.bytes >= bytes) return OK;
    arena_close(c->arena);
    c->arena = NULL;
    enum status st = arena_open(c->device, bytes + 2 * VIEW_ALIGN + 4096, &c->arena, err);
    if (st == OK) st = arena_take(c->arena, bytes, &c->data, err);
    if (st == OK) st = arena_take(c->arena, 4096, &c->out, err);
    if (st == OK) st = view_fill(c->data, 0, 0x3f800000u, bytes, err);
    if (st == OK) st = device_finish(c->device, err);
    if (st != OK) {
        arena_close(c->arena);
        c->arena = NULL;
    }
    return st;
}

/* Working sets are told apart by half powers of two; at least 64 KiB, at most what copies may take. */
static size_t level_bytes(const struct ceilings *c, size_t bytes) {
    size_t most = measure_copies_limit(c->device), level = 64 << 10;
    if (bytes > most) bytes = most;
    while (level * 2 <= bytes) level *= 2;
    return level + (level / 2 * 3 <= bytes ? level / 2 : 0);
}

static struct ceiling_level *find_level(struct ceilings *c, size_t bytes) {
    struct ceiling_memory *memory = &c->memory;
    for (size_t i = 0; i < memory->n_levels; i++)
        if (memory->level[i].bytes == bytes) return &memory->level[i];
    if (memory->n_levels == CEILING_LEVELS)
        memory->n_levels--; /* sizes are few; the last one gives way */
    struct ceiling_level *level = &memory->level[memory->n_levels++];
    *level = (struct ceiling_level){bytes, NAN};
    memset(c->read_rate[level - memory->level], 0, sizeof c->read_rate[0]);
    return level;
}

/* ---- the face ---- */

static const struct ceiling_memory nothing_known = {
    .gflops = NAN, .giops = NAN, .launch_ns = NAN, .copy_gbps = NAN};

enum status ceilings_open(struct device *device, struct timer *timer, struct ceilings **out,
                          struct error *err) {
    struct ceilings *c = memory_new(sizeof *c);
    *c = (struct ceilings){.device = device,
                           .timer = timer,
                           .is_cpu = device_describe(device)->type == DEVICE_CPU,
                           .memory = nothing_known};
    enum status st = source_text() ? OK
                                   : fail(err, STATUS_UNSUPPORTED,
                                          "this program was built without tuner/ceiling.cl");
    if (st == OK) st = program_build(device, "ceiling", source_text(), "", &c->empty_program, err);
    if (st == OK) st = program_kernel(c->empty_program, "ceiling_empty", &c->empty, err);
    if (st == OK) st = make_room(c, 64 << 10, err);
    if (st != OK) {
        ceilings_close(c);
        c = NULL;
    }
    *out = c;
    return st;
}

void ceilings_close(struct ceilings *ceilings) {
    if (!ceilings) return;
    for (int chain = 0; chain < CHAINS; chain++)
        for (int w = 0; w < WAYS; w++) program_close(ceilings->program[chain][w]);
    program_close(ceilings->empty_program);
    arena_close(ceilings->arena);
    free(ceilings);
}

static double *rates_of(struct ceilings *c, const struct ceiling_level *level) {
    return c->read_rate[level - c->memory.level];
}

static enum status measure_read(struct ceilings *c, const struct ceiling_level *level, double *gbps,
                                struct error *err) {
    struct contest read = {.c = c, .chain = CHAIN_READ, .bytes = level->bytes};
    enum status st = make_room(c, level->bytes, err);
    if (st == OK) st = hold_contest(&read, gbps, err);
    if (st == OK) memcpy(rates_of(c, level), read.rate, sizeof read.rate);
    return st;
}

/* Without those ways that were slow when all were tried. */
static enum status measure_read_again(struct ceilings *c, const struct ceiling_level *level,
                                      double *gbps, struct error *err) {
    struct contest read = {.c = c, .chain = CHAIN_READ, .bytes = level->bytes};
    bool is_out[WAYS];
    memcpy(read.rate, rates_of(c, level), sizeof read.rate);
    for (int w = 0; w < WAYS; w++) is_out[w] = !(read.rate[w] > 0);
    enum status st = make_room(c, level->bytes, err);
    if (st == OK) st = last_round(&read, is_out, gbps, err);
    return st == OK && !(*gbps > 0) ? measure_read(c, level, gbps, err) : st;
}

static enum status measure_compute(struct ceilings *c, struct error *err) {
    struct contest fma = {.c = c, .chain = CHAIN_FMA}, dot = {.c = c, .chain = CHAIN_DOT};
    enum status st = hold_contest(&fma, &c->memory.gflops, err);
    return st == OK ? hold_contest(&dot, &c->memory.giops, err) : st;
}

static struct ceiling ceiling_at(const struct ceilings *c, const struct ceiling_level *level) {
    return (struct ceiling){level->read_gbps, c->memory.gflops, c->memory.giops,
                            c->memory.launch_ns};
}

enum status ceilings_measure(struct ceilings *ceilings, size_t bytes, struct ceiling *out,
                             struct error *err) {
    struct ceiling_level *level = find_level(ceilings, level_bytes(ceilings, bytes));
    enum status st = OK;
    if (isnan(ceilings->memory.gflops)) st = measure_compute(ceilings, err);
    if (st == OK && isnan(ceilings->memory.launch_ns))
        st = ceilings_floor(ceilings, 1, 1, &ceilings->memory.launch_ns, err);
    if (st == OK && isnan(level->read_gbps))
        st = measure_read(ceilings, level, &level->read_gbps, err);
    *out = ceiling_at(ceilings, level);
    return st;
}

enum status ceilings_copy(struct ceilings *ceilings, size_t bytes, struct error *err) {
    struct contest copy = {
        .c = ceilings, .chain = CHAIN_COPY, .bytes = level_bytes(ceilings, bytes)};
    const enum status st = make_room(ceilings, copy.bytes, err);
    return st == OK ? hold_contest(&copy, &ceilings->memory.copy_gbps, err) : st;
}

enum status ceilings_beside(struct ceilings *ceilings, size_t bytes, struct ceiling *out,
                            struct error *err) {
    enum status st = ceilings_measure(ceilings, bytes, out, err);
    struct ceiling_level *level = find_level(ceilings, level_bytes(ceilings, bytes));
    return st == OK ? measure_read_again(ceilings, level, &out->read_gbps, err) : st;
}

enum status ceilings_again(struct ceilings *ceilings, size_t bytes, struct ceiling *out,
                           struct error *err) {
    enum status st = ceilings_measure(ceilings, bytes, out, err);
    if (st != OK) return st;
    struct ceiling before = *out;
    struct ceiling_level *level = find_level(ceilings, level_bytes(ceilings, bytes));
    st = measure_read(ceilings, level, &level->read_gbps, err);
    if (st == OK) st = measure_compute(ceilings, err);
    level->read_gbps = fmax(level->read_gbps, before.read_gbps);
    ceilings->memory.gflops = fmax(ceilings->memory.gflops, before.gflops);
    ceilings->memory.giops = fmax(ceilings->memory.giops, before.giops);
    *out = ceiling_at(ceilings, level);
    return st;
}

enum status ceilings_floor(struct ceilings *ceilings, size_t groups, size_t local, double *floor_ns,
                           struct error *err) {
    for (size_t i = 0; i < ceilings->n_floors; i++)
        if (ceilings->floor[i].groups == groups && ceilings->floor[i].local == local) {
            *floor_ns = ceilings->floor[i].ns;
            return OK;
        }
    const struct argument arguments[] = {
        {.kind = ARGUMENT_VIEW, .view = ceilings->data},
        {.kind = ARGUMENT_VIEW, .view = ceilings->out},
        {.kind = ARGUMENT_INT},
        {.kind = ARGUMENT_INT},
        {.kind = ARGUMENT_INT},
    };
    const struct launch launch = {ceilings->empty, {groups * local, 1, 1}, {local, 1, 1}};
    double sample[FLOOR_SAMPLES + 1];
    enum status st = kernel_set(ceilings->empty, arguments, 5, err);
    for (int i = 0; st == OK && i <= FLOOR_SAMPLES; i++)
        st = time_launch(ceilings, &launch, i ? FLOOR_REPEATS : 1, &sample[i], err);
    if (st != OK) return st;
    *floor_ns = stats_median(sample + 1, FLOOR_SAMPLES);
    if (ceilings->n_floors < FLOORS)
        ceilings->floor[ceilings->n_floors++] = (struct floor){groups, local, *floor_ns};
    return OK;
}

const struct ceiling_memory *ceilings_memory(const struct ceilings *ceilings) {
    return &ceilings->memory;
}

void ceilings_remember(struct ceilings *ceilings, const struct ceiling_memory *memory) {
    ceilings->memory = *memory;
    memset(ceilings->read_rate, 0, sizeof ceilings->read_rate);
}

void ceilings_forget(struct ceilings *ceilings) {
    ceilings_remember(ceilings, &nothing_known);
    ceilings->n_floors = 0;
}

double ceiling_share(const struct ceiling *ceiling, const struct cost *cost, double time_ns) {
    double rate = cost->integer && ceiling->giops > 0 ? ceiling->giops : ceiling->gflops;
    double bytes = ceiling->read_gbps > 0 ? cost->bytes / time_ns / ceiling->read_gbps : 0;
    double operations = rate > 0 ? cost->operations / time_ns / rate : 0;
    return fmax(bytes, operations);
}
