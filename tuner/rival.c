/* rival.c: the list of rivals, the question to a child, and the child: every way briefly, the best at
 * length, medians. */
#include "tuner/rival.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/stats.h"
#include "base/str.h"
#include "tuner/measure.h"
#include "tuner/rival_sides.h"
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 9, SAMPLES_BRIEF = 3, REPEATS_MOST = 64 };
static const double SAMPLE_NS = 2e6, SAMPLES_NS = 4e9;
static const double SLOW_NS = 1e9;             /* a way this slow is looked at once */
static const int64_t ANSWER_NS = 300000000000; /* kernels are compiled at the first call */

const struct rival *const rivals[] = {&rival_clblast, &rival_openblas, NULL};
static const struct rival_side *const sides[] = {&rival_side_clblast, &rival_side_openblas, NULL};

const struct rival *rival_find(const char *name) {
    for (const struct rival *const *r = rivals; *r; r++)
        if (strcmp((*r)->name, name) == 0) return *r;
    return NULL;
}

const char *rival_way_name(int way) {
    static const char *const names[RIVAL_WAYS] = {
        "W by row, C by token", "W transposed, C by token", "W by row, C by output",
        "W transposed, C by output"};
    return names[way];
}

void rival_fill(float *x, size_t n) {
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(int32_t)state * 0x1p-31f;
    }
}

/* ---- the question ---- */

static bool is_plain_fp32(const struct problem *problem) {
    if (strcmp(problem->family->name, "matmul") != 0 || problem->class != CLASS_F32) return false;
    return weight_from_int(problem_get(problem, "w")).kind == WEIGHT_f32 &&
           problem_get(problem, "e") == 0;
}

static json_t *request_json(struct device *device, const struct problem *problem, const char *rival,
                            const char *core) {
    const struct device_info *info = device_describe(device);
    return json_pack(
        "{s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:i}", "rival", rival, "core", core, "platform",
        info->platform, "device", info->name, "m", (json_int_t)problem_get(problem, "m"), "n",
        (json_int_t)problem_get(problem, "n"), "k", (json_int_t)problem_get(problem, "k"), "copies",
        measure_copies(device, problem));
}

static enum status read_answer(const char *text, double *time_ns, char how[128],
                               struct error *err) {
    json_error_t why;
    json_t *answer = json_loads(text, 0, &why);
    const char *sentence = json_string_value(json_object_get(answer, "error"));
    const char *said = json_string_value(json_object_get(answer, "how"));
    *time_ns = json_number_value(json_object_get(answer, "time_ns"));
    enum status st = OK;
    if (sentence)
        st = fail(err, (enum status)json_integer_value(json_object_get(answer, "status")), "%s",
                  sentence);
    else if (!said || !(*time_ns > 0))
        st = fail(err, STATUS_CRASHED, "the rival's process answers nonsense");
    else snprintf(how, 128, "%s", said);
    json_decref(answer);
    return st;
}

enum status rival_ask(struct device *device, const struct problem *problem, const char *rival,
                      const char *core, double *time_ns, char how[128], struct error *err) {
    if (!is_plain_fp32(problem))
        return fail(err, STATUS_UNSUPPORTED, "%s multiplies plain fp32 matrices only", rival);
    struct child *child = NULL;
    char *text = NULL, *answer = NULL;
    size_t size;
    json_t *request = request_json(device, problem, rival, core);
    enum status st = child_open("rival", &child, err);
    if (st == OK) {
        text = json_dumps(request, JSON_COMPACT);
        st = text ? child_send(child, text, strlen(text), err)
                  : fail(err, STATUS_NOMEM, "no memory to ask %s", rival);
    }
    if (st == OK) st = child_receive(child, ANSWER_NS, &answer, &size, NULL, err);
    if (st == OK) st = read_answer(answer, time_ns, how, err);
    free(answer);
    free(text);
    json_decref(request);
    child_close(child);
    return st;
}

/* ---- the child ---- */

struct bout {
    const struct rival_side *side;
    void *state;
    int copies, turn;
};

static enum status one_sample(struct bout *b, int way, int repeats, double *time_ns,
                              struct error *err) {
    int64_t began = clock_now_ns();
    enum status st = OK;
    for (int i = 0; st == OK && i < repeats; i++)
        st = b->side->multiply(b->state, way, b->turn++ % b->copies, err);
    if (st == OK) st = b->side->finish(b->state, err);
    *time_ns = (double)(clock_now_ns() - began) / repeats;
    return st;
}

/* The median of several samples; the warm-up (compilation, threads) comes first. */
static enum status time_way(struct bout *b, int way, int samples, double *median_ns,
                            struct error *err) {
    double sample[SAMPLES], spent = 0, warm;
    enum status st = one_sample(b, way, 1, &warm, err);
    if (st == OK) st = one_sample(b, way, 1, &warm, err);
    double wanted = ceil(SAMPLE_NS / fmax(warm, 1));
    int repeats = wanted < REPEATS_MOST ? (int)wanted : REPEATS_MOST, n = 0;
    int least = samples == SAMPLES_BRIEF && warm > SLOW_NS ? 1 : SAMPLES_BRIEF;
    while (st == OK && n < samples && (n < least || spent < SAMPLES_NS)) {
        st = one_sample(b, way, repeats, &sample[n], err);
        spent += sample[n++] * repeats;
    }
    *median_ns = st == OK ? stats_median(sample, (size_t)n) : NAN;
    return st;
}

/* The fastest way, by a brief look at each; then its time. A way that fails is no way. */
static enum status time_rival(struct bout *b, int *best, double *time_ns, struct error *err) {
    double brief[RIVAL_WAYS];
    *best = -1;
    for (int way = 0; way < RIVAL_WAYS; way++) {
        enum status st = time_way(b, way, SAMPLES_BRIEF, &brief[way], err);
        if (st == OK && (*best < 0 || brief[way] < brief[*best])) *best = way;
    }
    return *best < 0 ? STATUS_LAUNCH : time_way(b, *best, SAMPLES, time_ns, err);
}

static const struct rival_side *side_find(const char *name) {
    for (const struct rival_side *const *s = sides; *s; s++)
        if (strcmp((*s)->name, name) == 0) return *s;
    return NULL;
}

static enum status serve(const struct rival_request *request, double *time_ns, char how[128],
                         struct error *err) {
    struct bout bout = {.side = side_find(request->rival), .copies = request->copies};
    int best;
    if (!bout.side || request->copies < 1)
        return fail(err, STATUS_INVALID, "there is no rival %s", request->rival);
    enum status st = bout.side->open(request, &bout.state, err);
    if (st == OK) st = time_rival(&bout, &best, time_ns, err);
    if (st == OK)
        snprintf(how, 128, "%s%s%s", rival_way_name(best), *request->core ? ", " : "",
                 request->core);
    bout.side->close(bout.state);
    return st;
}

static enum status read_request(const char *text, struct rival_request *r, struct error *err) {
    json_error_t why;
    const char *rival, *core, *platform, *device;
    json_int_t m, n, k;
    json_t *frame = json_loads(text, 0, &why);
    *r = (struct rival_request){0};
    if (!frame || json_unpack_ex(frame, &why, 0, "{s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:i}", "rival",
                                 &rival, "core", &core, "platform", &platform, "device", &device,
                                 "m", &m, "n", &n, "k", &k, "copies", &r->copies) != 0) {
        json_decref(frame);
        return fail(err, STATUS_INVALID, "a request to a rival is not understood: %s", why.text);
    }
    snprintf(r->rival, sizeof r->rival, "%s", rival);
    snprintf(r->core, sizeof r->core, "%s", core);
    snprintf(r->platform, sizeof r->platform, "%s", platform);
    snprintf(r->device, sizeof r->device, "%s", device);
    r->m = m;
    r->n = n;
    r->k = k;
    json_decref(frame);
    return OK;
}

int rival_child(void) {
    struct error err = {0};
    char *bytes;
    size_t size;
    signal(SIGINT, SIG_IGN);
    while (child_side_receive(&bytes, &size, &err) == OK) {
        struct rival_request request;
        char how[128] = "";
        double time_ns = 0;
        enum status st = read_request(bytes, &request, &err);
        free(bytes);
        if (st == OK) st = serve(&request, &time_ns, how, &err);
        json_t *answer = st == OK ? json_pack("{s:f,s:s}", "time_ns", time_ns, "how", how)
                                  : json_pack("{s:i,s:s}", "status", (int)st, "error", err.text);
        char *text = json_dumps(answer, JSON_COMPACT);
        json_decref(answer);
        st = text ? child_side_send(text, strlen(text), &err) : STATUS_NOMEM;
        free(text);
        if (st != OK) break;
    }
    return 0;
}
