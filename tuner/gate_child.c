/* gate_child.c: one run of one benchmark in a process of its own: `hone @child gate`. It finds its
 * configuration by itself, because another program's defaults are another program's. Kernel and yardstick
 * take turns, sample by sample. */
#include "base/child.h"
#include "base/str.h"
#include "tuner/contender.h"
#include "tuner/frames.h"
#include "tuner/gate_child.h"
#include "tuner/yardstick.h"
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Thirty pairs bring the median within a few tenths of the run's own scatter; more only where they are
 * cheap. A sample shorter than 2 ms is mostly timer and wake-up. */
enum { PAIRS_LEAST = 30, PAIRS_MOST = 100, REPEATS_MOST = 256 };
static const double RUN_NS = 2.5e8, SAMPLE_NS = 2e6;

struct bench_run {
    struct device *device;
    struct store *store;
    struct contender contender;
    struct check_case *c;
    struct op *op;
    struct yardstick *yardstick;
    enum yardstick_kind kind;
    json_t *kernel_ns, *yardstick_ns;
};

/* ---- before the samples ---- */

static enum status read_problem(const json_t *request, struct problem *problem, struct error *err) {
    const struct slice *slice = slice_find(frame_read_text(request, "slice"));
    if (!slice)
        return fail(err, STATUS_UNSUPPORTED, "there is no family %s",
                    frame_read_text(request, "slice"));
    const enum status st = problem_parse(slice, frame_read_text(request, "problem"), problem, err);
    const int class = class_find(frame_read_text(request, "class"));
    if (st == OK && class < 0)
        return fail(err, STATUS_UNSUPPORTED, "there is no class %s",
                    frame_read_text(request, "class"));
    problem->class = (enum class_id) class;
    const struct layout *layout = layout_find(frame_read_text(request, "layout"));
    if (layout) problem->layout = layout;
    return st;
}

/* The tuned configuration of the runs that these are compared with, as far as this program has it. */
static bool find_same(struct bench_run *r, const json_t *found, const struct problem *problem) {
    struct problem here = *problem;
    struct error ignored;
    const struct layout *layout = layout_find(frame_read_text(found, "layout"));
    if (!layout || strcmp(frame_read_text(found, "profile"), "tuned") != 0) return false;
    here.layout = layout;
    if (!contender_config(r->device, &here, frame_read_text(found, "variant"),
                          frame_read_text(found, "config"), &r->contender, &ignored) ||
        r->contender.problem.layout != layout)
        return false;
    r->contender.profile = "tuned";
    return true;
}

/* What is tuned, else the default. */
static enum status find_contender(struct bench_run *r, const json_t *request,
                                  const struct problem *problem, struct error *err) {
    const char *database = json_string_value(json_object_get(request, "database"));
    const bool tuned = strcmp(frame_read_text(request, "profile"), "tuned") == 0;
    if (tuned && find_same(r, json_object_get(request, "found"), problem)) return OK;
    enum status st = tuned && database ? store_open(database, STORE_READ, &r->store, err) : OK;
    if (st == STATUS_NOTHING) st = OK;
    if (st != OK) return st;
    if (tuned && contender_tuned(r->device, r->store, problem, &r->contender)) return OK;
    return contender_default(problem, &r->contender)
               ? OK
               : fail(err, STATUS_UNSUPPORTED, "no variant does this problem");
}

static enum status prepare(struct bench_run *r, bool is_checked, struct error *err) {
    const struct problem *problem = &r->contender.problem;
    enum status st =
        check_open(r->device, problem, 1, measure_copies(r->device, problem), &r->c, err);
    if (st == OK) st = op_open(r->device, &r->contender.config, problem, &r->op, err);
    if (st == OK) st = check_enqueue(r->c, r->op, 0, err);
    if (st == OK) st = device_finish(r->device, err);
    if (st == OK) op_keep(r->op);
    struct verdict verdict = {0};
    if (st == OK && is_checked) st = check_run(r->c, r->op, false, &verdict, err);
    if (st == OK && *verdict.failed) st = fail(err, STATUS_WRONG, "%s", verdict.failed);
    return st == OK ? yardstick_open(r->device, &r->yardstick, err) : st;
}

/* The baseline's kind where there is one; who runs first chooses. */
static enum status choose_kind(struct bench_run *r, const json_t *request, double time_ns,
                               struct error *err) {
    const int named = yardstick_find(json_string_value(json_object_get(request, "yardstick")));
    if (named >= 0) {
        r->kind = (enum yardstick_kind)named;
        return OK;
    }
    struct cost cost;
    r->contender.problem.family->cost(&r->contender.problem, &cost);
    return yardstick_choose(r->yardstick, &cost, time_ns, &r->kind, err);
}

/* ---- samples ---- */

static int repeats_for(double time_ns) {
    const double repeats = ceil(SAMPLE_NS / fmax(time_ns, 1));
    return repeats > REPEATS_MOST ? REPEATS_MOST : (int)repeats;
}

static enum status take(struct subject subject, int repeats, json_t *samples, double *spent_ns,
                        struct error *err) {
    double time_ns;
    const enum status st = subject.run(subject.context, repeats, &time_ns, err);
    if (st != OK) return st;
    *spent_ns += time_ns * repeats;
    json_array_append_new(samples, json_real(time_ns));
    return OK;
}

static enum status take_samples(struct bench_run *r, const json_t *request, struct error *err) {
    struct timer host = {.is_host = true};
    struct timed_op timed = {.c = r->c, .op = r->op, .timer = &host};
    const struct subject kernel = timed_op_subject(&timed);
    double kernel_ns = 0, yardstick_ns = 0, spent_ns = 0;
    enum status st = measure_settle(kernel, &kernel_ns, err);
    if (st == OK) st = choose_kind(r, request, kernel_ns, err);
    if (st != OK) return st;
    const struct subject yardstick = yardstick_subject(r->yardstick, r->kind);
    st = measure_settle(yardstick, &yardstick_ns, err);
    for (int i = 0; st == OK && i < PAIRS_MOST && (i < PAIRS_LEAST || spent_ns < RUN_NS); i++) {
        st = take(kernel, repeats_for(kernel_ns), r->kernel_ns, &spent_ns, err);
        if (st == OK)
            st = take(yardstick, repeats_for(yardstick_ns), r->yardstick_ns, &spent_ns, err);
    }
    return st;
}

/* ---- the answer ---- */

static void add_line(struct str *text, const char *name, const char *path) {
    char line[128] = "";
    FILE *file = fopen(path, "re");
    if (file && !fgets(line, sizeof line, file)) line[0] = 0;
    if (file) fclose(file);
    line[strcspn(line, "\n")] = 0;
    if (*line) str_addf(text, ", %s %s", name, line);
}

/* What changes times and is not of the device: runs under another are not compared. */
static json_t *environment(void) {
    struct str text = {0};
    cpu_set_t cpus;
    str_addf(&text, "cpus %d",
             sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 0);
    add_line(&text, "quota", "/sys/fs/cgroup/cpu.max");
    add_line(&text, "governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    json_t *value = frame_text(str_text(&text));
    str_free(&text);
    return value;
}

static json_t *answer(const struct bench_run *r) {
    char config[400], source[17], yardstick[17];
    const struct device_info *info = device_describe(r->device);
    config_format(&r->contender.config, config);
    variant_source_key(r->contender.config.variant, source);
    yardstick_key(yardstick);
    return json_pack(
        "{s:s,s:s,s:o,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:O,s:O}", "device", info->model_key, "version",
        info->version_key, "environment", environment(), "yardstick_key", yardstick, "profile",
        r->contender.profile, "layout", r->contender.problem.layout->name, "variant",
        r->contender.config.variant->name, "config", config, "source_key", source, "yardstick",
        yardstick_names[r->kind], "kernel_ns", r->kernel_ns, "yardstick_ns", r->yardstick_ns);
}

static enum status run(const json_t *request, json_t **reply, struct error *err) {
    struct bench_run r = {.kernel_ns = json_array(), .yardstick_ns = json_array()};
    struct problem problem;
    enum status st =
        device_open_known(frame_read_text(request, "device"),
                          json_string_value(json_object_get(request, "model")), &r.device, err);
    if (st == OK) {
        device_load_features(r.device);
        st = read_problem(request, &problem, err);
    }
    if (st == OK) st = find_contender(&r, request, &problem, err);
    if (st == OK) st = prepare(&r, json_is_true(json_object_get(request, "check")), err);
    if (st == OK) st = take_samples(&r, request, err);
    if (st == OK) *reply = answer(&r);
    json_decref(r.kernel_ns);
    json_decref(r.yardstick_ns);
    yardstick_close(r.yardstick);
    op_close(r.op);
    check_close(r.c);
    store_close(r.store);
    device_close(r.device);
    return st;
}

int gate_child(void) {
    struct error err = {0};
    char *bytes = NULL;
    size_t size;
    signal(SIGINT, SIG_IGN); /* the terminal's interrupt is the parent's affair */
    if (child_side_receive(&bytes, &size, &err) != OK) return 0;
    json_error_t why;
    json_t *request = json_loads(bytes, 0, &why), *reply = NULL;
    free(bytes);
    const enum status st = request
                               ? run(request, &reply, &err)
                               : fail(&err, STATUS_INVALID, "a request is not JSON: %s", why.text);
    if (st != OK)
        reply = json_pack("{s:s,s:o}", "failed", status_name(st), "text", frame_text(err.text));
    char *text = json_dumps(reply, JSON_COMPACT | JSON_REAL_PRECISION(8));
    if (text) child_side_send(text, strlen(text), &err);
    free(text);
    json_decref(request);
    json_decref(reply);
    return 0;
}
