/* measure.c: the rules of measuring: settle, race, finals. Nothing here knows a device: subjects report
 * the time of their runs, and elapsed time is the sum of what they report. */
#include "tuner/measure.h"
#include "base/stats.h"
#include "base/str.h"
#include "tuner/reach.h"
#include <math.h>
#include <stdlib.h>

/* A clock that has settled repeats itself within the noise of a median of five. */
enum { SETTLE_RUNS = 5 };
static const double SETTLE_WITHIN = 0.02;
static const double SETTLE_LIMIT_NS = 3e9;

/* One run may be off by half for reasons of its own (page faults, another process); two may not. On
 * recorded spaces these thresholds never dropped the optimum and cut four fifths of the time. */
static const double DROP_FIRST = 1.6;
static const double DROP_SECOND = 1.25;
/* Twice in a row no neighbour does that: dropped whatever the canary says. On a machine that stays busy
 * nothing else is, and kernels 200 times slower than the best would take 15 runs each. */
static const double DROP_ANYWAY = 10;

/* Nine samples give an interval for the median with seven of them inside; a sample shorter than 2 ms is
 * mostly timer and wake-up, so short kernels run several times in one. */
enum { SAMPLES = 9, SAMPLES_LEAST = 3, REPEATS_MOST = 64 };
static const double SAMPLE_NS = 2e6;

/* A neighbour who takes half a core shows as 1.25 and more; the canary itself repeats within 3 %. */
static const double CANARY_DRIFT = 0.1;
/* Right behind a kernel that streams or multiplies the canary finds its data gone from the caches and takes 1.1 to 1.4 of
 * what it settled at, 4 behind long ones: then it is compared with itself behind the same kernel, provided that behind
 * another one of the same problem it was not that much faster. */
static const double BEHIND_MOST = 1.2,
                    BEHIND_FIRST = 1.4; /* FIRST: of the settled value, while no other is known */
/* Beyond this many discarded samples the machine is simply like that now: measure on and say so. */
enum { DISCARDS_MOST = 6 };

/* A winner is for long: finals wait for a quiet machine as long again as they may take. Boost clocks come and
 * go over several runs: of two kernels that were recorded 5 % apart six samples in a row chose the slower one in
 * 1 of 100 replays, twelve never did. */
enum { FINAL_ROUNDS = 20, FINAL_LEAST = 12, FINAL_DISCARDS_MOST = 20 };
static const double FINAL_AGREE = 0.01;

/* The host waits from before the first command until after the last: no event lasts longer, but for the
 * rates of two clocks and a tick at either end. It may wait much longer, kept by others or by a compiler,
 * but not whenever it waits. An empty kernel may take less than a tick, a run of a millisecond may not. */
static const double EVENT_MOST = 1.05, EVENT_SLACK_NS = 1e4, EVENT_SHORT = 0.25, LONG_NS = 1e6;
enum { SHORT_MOST = 16 }; /* in a row; the ceilings alone take 40 */

void sample_set_free(struct sample_set *s) {
    free(s->time_ns);
    *s = (struct sample_set){0};
}

static void add_sample(struct sample_set *s, double time_ns) {
    if (s->n == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 16;
        s->time_ns = memory_grow(s->time_ns, s->capacity * sizeof *s->time_ns);
    }
    s->time_ns[s->n++] = time_ns;
}

void sample_set_scale(struct sample_set *s, double by) {
    for (size_t i = 0; i < s->n; i++) s->time_ns[i] *= by;
    s->median *= by;
    s->low *= by;
    s->high *= by;
    s->undisturbed *= by;
}

static void summarise(struct sample_set *s) {
    s->median = stats_median(s->time_ns, s->n);
    stats_median_interval(s->time_ns, s->n, 0.95, &s->low, &s->high);
}

/* ---- the canary beside ---- */

struct beside {
    struct subject canary;
    double settled_ns, last_ns;
    double behind_ns,
        known_ns; /* the least behind this subject, and behind those before; NAN: not asked */
    double spent_ns;
    double ratio[64]; /* of the last runs, for the median */
    size_t n;
};

static enum status run_canary(struct beside *b, struct error *err) {
    if (!b->canary.run) {
        b->last_ns = b->settled_ns;
        return OK;
    }
    enum status st = b->canary.run(b->canary.context, 1, &b->last_ns, err);
    b->spent_ns += b->last_ns;
    b->ratio[b->n++ % 64] = b->settled_ns > 0 ? b->last_ns / b->settled_ns : 1;
    return st;
}

/* That was behind a run of the subject. */
static void note_behind(struct beside *b) {
    if (b->last_ns < b->behind_ns) b->behind_ns = b->last_ns;
}

static bool is_clean(const struct beside *b) {
    if (!(b->settled_ns > 0) || fabs(b->last_ns / b->settled_ns - 1) <= CANARY_DRIFT) return true;
    if (isnan(b->behind_ns) || b->last_ns < b->settled_ns) return false;
    const double least = fmin(b->behind_ns, b->last_ns);
    const double most =
        isfinite(b->known_ns) ? BEHIND_MOST * b->known_ns : BEHIND_FIRST * b->settled_ns;
    return b->last_ns <= least * (1 + CANARY_DRIFT) && least <= most;
}

static double canary_median(const struct beside *b) {
    return b->n ? stats_median(b->ratio, b->n < 64 ? b->n : 64) : 1;
}

/* How much slower than settled the canary runs; 1: no slower. */
static double slowness(const struct beside *b) {
    return b->settled_ns > 0 ? fmax(b->last_ns / b->settled_ns, 1) : 1;
}

/* One sample with the canary before (that of the sample before) and after. */
static enum status take_sample(struct beside *b, struct subject subject, int repeats,
                               double *time_ns, bool *clean, struct error *err) {
    bool before = is_clean(b);
    enum status st = subject.run(subject.context, repeats, time_ns, err);
    if (st != OK) return st;
    b->spent_ns += *time_ns * repeats;
    st = run_canary(b, err);
    note_behind(b);
    *clean = before && is_clean(b);
    return st;
}

static int repeats_for(double time_ns) {
    double repeats = ceil(SAMPLE_NS / (time_ns > 1 ? time_ns : 1));
    return repeats > REPEATS_MOST ? REPEATS_MOST : repeats < 1 ? 1 : (int)repeats;
}

/* How many runs make a sample: one run tells, and is not a sample itself (a lone short run is mostly
 * wake-up); unless it is known. */
static enum status estimate(struct beside *b, struct subject subject, double expected_ns,
                            int *repeats, struct error *err) {
    double time_ns = 0;
    *repeats = 1;
    if (expected_ns >= SAMPLE_NS) return OK;
    enum status st = subject.run(subject.context, 1, &time_ns, err);
    b->spent_ns += time_ns;
    *repeats = repeats_for(time_ns);
    return st;
}

/* ---- settle ---- */

enum status measure_settle(struct subject canary, double *settled_ns, struct error *err) {
    double before = INFINITY, spent = 0;
    while (spent < SETTLE_LIMIT_NS) {
        double run[SETTLE_RUNS];
        for (int i = 0; i < SETTLE_RUNS; i++) {
            enum status st = canary.run(canary.context, 1, &run[i], err);
            if (st != OK) return st;
            spent += run[i];
        }
        *settled_ns = stats_median(run, SETTLE_RUNS);
        if (fabs(*settled_ns / before - 1) < SETTLE_WITHIN) return OK;
        before = *settled_ns;
    }
    return OK;
}

/* ---- race ---- */

static bool drops(const struct measuring *m, const struct sample_set *s, bool clean) {
    double last = s->time_ns[s->n - 1], second = clean ? DROP_SECOND : DROP_ANYWAY;
    if (s->n == 1) return clean && last > DROP_FIRST * m->incumbent_ns;
    return s->n == 2 && fmin(last, s->time_ns[0]) > second * m->incumbent_ns;
}

enum status measure_race(const struct measuring *m, struct sample_set *out, bool *abandoned,
                         struct error *err) {
    struct beside beside = {.canary = m->canary,
                            .settled_ns = m->canary_settled_ns,
                            .behind_ns = m->behind_ns ? INFINITY : NAN,
                            .known_ns = m->behind_ns ? *m->behind_ns : NAN};
    int repeats;
    double undisturbed[SAMPLES];
    *out = (struct sample_set){0};
    *abandoned = false;
    enum status st = estimate(&beside, m->subject, m->expected_ns, &repeats, err);
    if (st == OK) st = run_canary(&beside, err);
    while (st == OK && !*abandoned && out->n < SAMPLES) {
        bool over = m->budget_ns > 0 && beside.spent_ns > (double)m->budget_ns;
        bool far_over = out->n > 0 && beside.spent_ns > 3.0 * (double)m->budget_ns;
        if (over && (out->n >= SAMPLES_LEAST || far_over)) break;
        const double slow_before = slowness(&beside);
        double time_ns;
        bool clean;
        st = take_sample(&beside, m->subject, repeats, &time_ns, &clean, err);
        if (st != OK) break;
        bool hopeless = time_ns > DROP_ANYWAY * m->incumbent_ns;
        if (!clean && !hopeless && !over && out->discarded < DISCARDS_MOST) {
            out->discarded++;
            continue;
        }
        undisturbed[out->n] = clean ? time_ns : time_ns / fmax(slow_before, slowness(&beside));
        add_sample(out, time_ns);
        *abandoned = drops(m, out, clean);
    }
    if (m->behind_ns) *m->behind_ns = fmin(*m->behind_ns, beside.behind_ns);
    summarise(out);
    out->undisturbed = stats_median(undisturbed, out->n);
    out->canary = canary_median(&beside);
    return st;
}

/* ---- finals ---- */

static size_t fastest(const struct sample_set *sets, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (sets[i].median < sets[best].median) best = i;
    return best;
}

static size_t fewest_samples(const struct sample_set *sets, size_t n) {
    size_t fewest = SIZE_MAX;
    for (size_t i = 0; i < n; i++)
        if (sets[i].n < fewest) fewest = sets[i].n;
    return fewest;
}

/* Every other finalist is apart from the fastest, or within 1 % of it. */
static bool is_decided(struct sample_set *sets, size_t n) {
    for (size_t i = 0; i < n; i++) summarise(&sets[i]);
    const struct sample_set *best = &sets[fastest(sets, n)];
    for (size_t i = 0; i < n; i++) {
        bool apart = sets[i].low > best->high;
        bool agrees = sets[i].median <= best->median * (1 + FINAL_AGREE);
        if (sets[i].n < FINAL_LEAST || (!apart && !agrees)) return false;
    }
    return true;
}

enum status measure_finals(struct subject canary, double canary_settled_ns,
                           const struct subject *subjects, size_t n, int64_t budget_ns,
                           struct sample_set *sets, struct error *err) {
    struct beside beside = {
        .canary = canary, .settled_ns = canary_settled_ns, .behind_ns = NAN, .known_ns = NAN};
    int *repeats = memory_new((n ? n : 1) * sizeof *repeats);
    enum status st = OK;
    for (size_t i = 0; st == OK && i < n; i++)
        st = estimate(&beside, subjects[i], 0, &repeats[i], err);
    if (st == OK) st = run_canary(&beside, err);
    bool decided = n == 0;
    for (int round = 0; st == OK && fewest_samples(sets, n) < FINAL_ROUNDS && !decided; round++) {
        bool over = budget_ns > 0 && beside.spent_ns > (double)budget_ns;
        if (over && round >= SAMPLES_LEAST && fewest_samples(sets, n) > 0) break;
        for (size_t turn = 0; st == OK && turn < n; turn++) {
            size_t i = (turn + (size_t)round) % n; /* nobody is always first */
            double time_ns;
            bool clean;
            st = take_sample(&beside, subjects[i], repeats[i], &time_ns, &clean, err);
            if (st != OK) break;
            if (!clean && !over && sets[i].discarded < FINAL_DISCARDS_MOST) sets[i].discarded++;
            else add_sample(&sets[i], time_ns);
        }
        decided = is_decided(sets, n);
    }
    for (size_t i = 0; i < n; i++) {
        summarise(&sets[i]);
        sets[i].canary = canary_median(&beside);
    }
    free(repeats);
    return st;
}

/* ---- what the time is of ---- */

double timer_ns(struct timer *timer, const struct timing *timing) {
    const double event_ns = timing->event_ns, host_ns = timing->host_ns;
    const bool is_long = host_ns >= LONG_NS;
    const bool is_possible = event_ns >= (is_long ? 1 : 0) && /* never NAN; long ones last */
                             event_ns <= EVENT_MOST * host_ns + EVENT_SLACK_NS;
    if (is_long) timer->n_short = event_ns < EVENT_SHORT * host_ns ? timer->n_short + 1 : 0;
    timer->is_host |= !is_possible || timer->n_short >= SHORT_MOST;
    return timer->is_host || event_ns == 0 ? host_ns : event_ns;
}

static enum status timed_op_run(void *context, int repeats, double *time_ns, struct error *err) {
    struct timed_op *t = context;
    struct timing timing;
    int done = 0, copies = 1;
    enum status st = device_time_begin(t->c->device, err);
    for (; st == OK && done < repeats; done += copies)
        st = t->as_phase ? check_enqueue_phase(t->c, t->op, &copies, err)
                         : check_enqueue(t->c, t->op, t->turn++, err);
    struct error ignored;
    enum status end = device_time_end(t->c->device, &timing, st == OK ? err : &ignored);
    if (st == OK) st = end;
    if (st == OK) *time_ns = timer_ns(t->timer, &timing) / done;
    return st;
}

struct subject timed_op_subject(struct timed_op *t) {
    return (struct subject){timed_op_run, t};
}

/* ---- working sets ---- */

/* Copies may take 1.5 GiB, an eighth of the device's memory, one allocation: whichever is least. */
size_t measure_copies_limit(const struct device *device) {
    const struct device_info *info = device_describe(device);
    size_t limit = (size_t)3 << 29;
    if (info->global_bytes / 8 < limit) limit = info->global_bytes / 8;
    if (info->max_alloc_bytes && info->max_alloc_bytes / 8 * 7 < limit)
        limit = info->max_alloc_bytes / 8 * 7;
    return limit;
}

/* Four times the last-level cache: replacement is not least-recently-used, and a part of what goes round
 * stays. On a Zen 5 with 32 MiB a set of 48 MiB was read at up to 181 GB/s, one of 256 MiB at 57.
 * GPUs tell what they like: an H100 says 4 MiB (its first levels together) and has 50 MiB. */
static const size_t GPU_COLD_BYTES = 256 << 20;
/* So much is asked of any host; more only if reading shows that its cache is there: every problem's copies have to
 * be made, and a machine of two processors that is told of 480 MiB would do nothing else. Where all that copies
 * may take is less than twice the cache, nothing can be shown. */
static const size_t HOST_COLD_BYTES = 256 << 20;

static size_t host_cold_bytes(const struct device_info *info, size_t cold, size_t limit) {
    if (cold <= HOST_COLD_BYTES || limit <= HOST_COLD_BYTES || limit / 2 < info->cache_bytes)
        return cold;
    const size_t reach = reach_known(info->model_key, cold < limit ? cold : limit);
    return reach > HOST_COLD_BYTES ? reach : HOST_COLD_BYTES;
}

size_t measure_cold_bytes(const struct device *device) {
    const struct device_info *info = device_describe(device);
    const size_t cold = info->cache_bytes * 4;
    if (info->type == DEVICE_CPU) return host_cold_bytes(info, cold, measure_copies_limit(device));
    return info->type == DEVICE_GPU && cold < GPU_COLD_BYTES ? GPU_COLD_BYTES : cold;
}

size_t measure_cold_set(const struct device *device) {
    const size_t cold = measure_cold_bytes(device), limit = measure_copies_limit(device);
    return cold < limit ? cold : limit;
}

static size_t weights_bytes(const struct problem *problem, size_t *others) {
    size_t weights = 0;
    *others = 0;
    for (int o = 0; o < problem->family->n_operands; o++) {
        const struct operand *operand = &problem->family->operands[o];
        *(operand->role == OPERAND_WEIGHTS ? &weights : others) += operand->bytes(problem);
    }
    return weights;
}

int measure_copies(const struct device *device, const struct problem *problem) {
    size_t others, weights = weights_bytes(problem, &others);
    if (weights == 0) return 1;
    size_t wanted = measure_cold_bytes(device) / weights + 1;
    size_t possible = measure_copies_limit(device) / weights;
    size_t copies = wanted < possible ? wanted : possible;
    return copies < 1 ? 1 : copies > 4096 ? 4096 : (int)copies;
}

size_t measure_working_set(const struct problem *problem, int copies) {
    size_t others, weights = weights_bytes(problem, &others);
    return weights * (size_t)copies + others;
}
