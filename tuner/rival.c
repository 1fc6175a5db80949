/* rival.c: the list of rivals, the question to a child, and the child: every way briefly, the
 * best at length, medians. A way that fails, kills or hangs its process, or computes something
 * else, is no way. */
#include "tuner/rival.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/stats.h"
#include "base/str.h"
#include "tuner/frames.h"
#include "tuner/measure.h"
#include "tuner/rival_sides.h"
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 9, SAMPLES_BRIEF = 3, REPEATS_MOST = 64 };
enum { CHECKS = 64, STRIDE = 27 }; /* elements of C; without a common factor */
static const double SAMPLE_NS = 2e6, SAMPLES_NS = 4e9;
static const double SLOW_NS = 1e9;             /* a way this slow is looked at once */
static const int64_t ANSWER_NS = 300000000000; /* kernels are compiled at the first call */

const struct rival *const rivals[] = {&rival_clblast, &rival_clblast_tuned, &rival_openblas, NULL};
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

enum status rival_request_make(const struct rival_place *place, const struct problem *problem,
                               const char *rival, struct rival_request *request,
                               struct error *err) {
    const struct device_info *info = device_describe(place->device);
    if (!is_plain_fp32(problem))
        return fail(err, STATUS_UNSUPPORTED, "%s multiplies plain fp32 matrices only", rival);
    *request = (struct rival_request){.m = problem_get(problem, "m"),
                                      .n = problem_get(problem, "n"),
                                      .k = problem_get(problem, "k"),
                                      .copies = measure_copies(place->device, problem),
                                      .ways = (1 << RIVAL_WAYS) - 1};
    snprintf(request->rival, sizeof request->rival, "%s", rival);
    snprintf(request->platform, sizeof request->platform, "%s", info->platform);
    snprintf(request->device, sizeof request->device, "%s", info->name);
    return OK;
}

static enum status send_request(struct child *child, const struct rival_request *r,
                                struct error *err) {
    json_t *frame =
        json_pack("{s:s,s:s,s:s,s:i,s:s,s:s,s:I,s:I,s:I,s:i,s:i}", "rival", r->rival, "setting",
                  r->setting, "tuner", r->tuner, "part", r->part, "platform", r->platform, "device",
                  r->device, "m", (json_int_t)r->m, "n", (json_int_t)r->n, "k", (json_int_t)r->k,
                  "copies", r->copies, "ways", r->ways);
    const enum status st = frame_ask(child, frame, err);
    json_decref(frame);
    return st;
}

/* The next frame; NULL when it only says which way comes next, which *way remembers. */
static enum status receive_answer(const struct rival_place *place, struct child *child,
                                  int64_t deadline_ns, int *way, json_t **answer,
                                  struct error *err) {
    char *text;
    size_t size;
    json_error_t why;
    enum status st = child_receive(child, deadline_ns, &text, &size, place->interrupt, err);
    if (st != OK) return st;
    *answer = json_loads(text, 0, &why);
    free(text);
    if (!*answer) return fail(err, STATUS_CRASHED, "the rival's process answers nonsense");
    const json_t *next = json_object_get(*answer, "way");
    if (!next) return OK;
    *way = (int)json_integer_value(next);
    json_decref(*answer);
    *answer = NULL;
    return OK;
}

/* *way: the last that was begun, −1: none was. */
static enum status exchange(const struct rival_place *place, const struct rival_request *request,
                            int64_t deadline_ns, int *way, json_t **answer, struct error *err) {
    struct child *child = NULL;
    *way = -1;
    *answer = NULL;
    enum status st = child_open("rival", &child, err);
    if (st == OK) st = send_request(child, request, err);
    while (st == OK && !*answer) st = receive_answer(place, child, deadline_ns, way, answer, err);
    child_close(child);
    const char *sentence = json_string_value(json_object_get(*answer, "error"));
    return sentence ? fail(err, (enum status)json_integer_value(json_object_get(*answer, "status")),
                           "%s", sentence)
                    : st;
}

static enum status read_time(const json_t *answer, double *time_ns, char how[128],
                             struct error *err) {
    const char *said = json_string_value(json_object_get(answer, "how"));
    *time_ns = json_number_value(json_object_get(answer, "time_ns"));
    if (!said || !(*time_ns > 0))
        return fail(err, STATUS_CRASHED, "the rival's process answers nonsense");
    snprintf(how, 128, "%s", said);
    return OK;
}

static bool has_died(enum status st) {
    return st == STATUS_CRASHED || st == STATUS_TIMEOUT;
}

enum status rival_ask(const struct rival_place *place, const struct rival_request *request,
                      const char *setting, double *time_ns, char how[128], struct error *err) {
    struct rival_request one = *request;
    json_t *answer;
    int way;
    snprintf(one.setting, sizeof one.setting, "%s", setting);
    enum status st = exchange(place, &one, ANSWER_NS, &way, &answer, err);
    while (has_died(st) && way >= 0 && (one.ways &= ~(1 << way)) != 0) {
        json_decref(answer);
        st = exchange(place, &one, ANSWER_NS, &way, &answer, err);
    }
    if (st == OK) st = read_time(answer, time_ns, how, err);
    json_decref(answer);
    return st;
}

enum status rival_ask_tuner(const struct rival_place *place, const struct rival_request *request,
                            int64_t deadline_ns, char found[RIVAL_SETTING], struct error *err) {
    json_t *answer;
    int way;
    enum status st = exchange(place, request, deadline_ns, &way, &answer, err);
    const char *said = json_string_value(json_object_get(answer, "found"));
    if (st == OK && (!said || strlen(said) >= RIVAL_SETTING))
        st = fail(err, STATUS_CRASHED, "the tuner's process answers nonsense");
    if (st == OK) snprintf(found, RIVAL_SETTING, "%s", said);
    json_decref(answer);
    return st;
}

/* ---- the child ---- */

struct bout {
    const struct rival_side *side;
    const struct rival_request *request;
    void *state;
    int turn;
    float *operand, *c; /* what W and X hold; room for C */
};

static enum status one_sample(struct bout *b, int way, int repeats, double *time_ns,
                              struct error *err) {
    int64_t began = clock_now_ns();
    enum status st = OK;
    for (int i = 0; st == OK && i < repeats; i++)
        st = b->side->multiply(b->state, way, b->turn++ % b->request->copies, err);
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

static enum status open_check(struct bout *b, struct error *err) {
    const struct rival_request *r = b->request;
    const size_t n = (size_t)(r->k * (r->m > r->n ? r->m : r->n));
    b->operand = malloc(n * sizeof *b->operand);
    b->c = malloc((size_t)(r->m * r->n) * sizeof *b->c);
    if (!b->operand || !b->c)
        return fail(err, STATUS_NOMEM, "no memory to check the products of %s", r->rival);
    rival_fill(b->operand, n);
    return OK;
}

/* One element in fp64. Whatever the order of a sum in fp32, it is off by k·2⁻²⁴ of its
 * magnitudes at most. */
static enum status check_element(const struct bout *b, int way, int64_t m, int64_t n,
                                 struct error *err) {
    const struct rival_request *r = b->request;
    const bool turned = way & WAY_W_TRANSPOSED, by_output = way & WAY_BY_OUTPUT;
    double sum = 0, size = 0;
    for (int64_t k = 0; k < r->k; k++) {
        const double product = (double)b->operand[turned ? k * r->m + m : m * r->k + k] *
                               b->operand[by_output ? k * r->n + n : n * r->k + k];
        sum += product;
        size += fabs(product);
    }
    const double c = b->c[by_output ? m * r->n + n : n * r->m + m];
    return fabs(c - sum) <= (double)(r->k + 1) * 0x1p-24 * size
               ? OK
               : fail(err, STATUS_WRONG, "%s (%s): C[%lld][%lld] is %g in place of %g", r->rival,
                      rival_way_name(way), (long long)m, (long long)n, c, sum);
}

/* Elements all over C, its corners among them. */
static enum status check_way(const struct bout *b, int way, struct error *err) {
    const struct rival_request *r = b->request;
    enum status st = b->side->read(b->state, b->c, err);
    for (int i = 0; st == OK && i < CHECKS; i++)
        st = check_element(b, way, i * (r->m - 1) / (CHECKS - 1),
                           i * STRIDE % CHECKS * (r->n - 1) / (CHECKS - 1), err);
    return st;
}

/* The parent hears of it first, so that it knows what was under way when this process dies. */
static enum status begin_way(int way, struct error *err) {
    char text[32];
    return child_side_send(text, (size_t)snprintf(text, sizeof text, "{\"way\":%d}", way), err);
}

/* The fastest way, by a brief look at each; then its time. */
static enum status time_rival(struct bout *b, int *best, double *time_ns, struct error *err) {
    double brief[RIVAL_WAYS];
    *best = -1;
    for (int way = 0; way < RIVAL_WAYS; way++) {
        if (!(b->request->ways & 1 << way)) continue;
        enum status st = begin_way(way, err);
        if (st == OK) st = time_way(b, way, SAMPLES_BRIEF, &brief[way], err);
        if (st == OK) st = check_way(b, way, err);
        if (st == OK && (*best < 0 || brief[way] < brief[*best])) *best = way;
    }
    if (*best < 0) return err->status;
    enum status st = begin_way(*best, err);
    return st == OK ? time_way(b, *best, SAMPLES, time_ns, err) : st;
}

static const struct rival_side *side_find(const char *name) {
    for (const struct rival_side *const *s = sides; *s; s++)
        if (strcmp((*s)->name, name) == 0) return *s;
    return NULL;
}

static enum status serve_time(const struct rival_side *side, const struct rival_request *request,
                              json_t **answer, struct error *err) {
    struct bout bout = {.side = side, .request = request};
    const char *setting = request->setting;
    double time_ns;
    int best;
    enum status st = side->open(request, &bout.state, err);
    if (st == OK) st = open_check(&bout, err);
    if (st == OK) st = time_rival(&bout, &best, &time_ns, err);
    if (st == OK) {
        char *how = text_format("%s%s%.*s", rival_way_name(best), *setting ? ", " : "",
                                (int)strcspn(setting, " "), setting);
        *answer = json_pack("{s:f,s:s}", "time_ns", time_ns, "how", how);
        free(how);
    }
    side->close(bout.state);
    free(bout.operand);
    free(bout.c);
    return st;
}

static enum status serve_tuner(const struct rival_side *side, const struct rival_request *request,
                               json_t **answer, struct error *err) {
    struct str found = {0};
    enum status st = side->tune(request, &found, err);
    if (st == OK) *answer = json_pack("{s:s}", "found", str_text(&found));
    str_free(&found);
    return st;
}

static enum status serve(const struct rival_request *request, json_t **answer, struct error *err) {
    const struct rival_side *side = side_find(request->rival);
    const bool can_tune = side && side->tune && request->part > 0;
    if (!side || request->copies < 1 || !request->ways || (*request->tuner && !can_tune))
        return fail(err, STATUS_INVALID, "there is no rival %s", request->rival);
    return (*request->tuner ? serve_tuner : serve_time)(side, request, answer, err);
}

static enum status read_request(const char *text, struct rival_request *r, struct error *err) {
    json_error_t why;
    const char *rival, *setting, *tuner, *platform, *device;
    json_int_t m, n, k;
    json_t *frame = json_loads(text, 0, &why);
    *r = (struct rival_request){0};
    if (!frame || json_unpack_ex(frame, &why, 0, "{s:s,s:s,s:s,s:i,s:s,s:s,s:I,s:I,s:I,s:i,s:i}",
                                 "rival", &rival, "setting", &setting, "tuner", &tuner, "part",
                                 &r->part, "platform", &platform, "device", &device, "m", &m, "n",
                                 &n, "k", &k, "copies", &r->copies, "ways", &r->ways) != 0) {
        json_decref(frame);
        return fail(err, STATUS_INVALID, "a request to a rival is not understood: %s", why.text);
    }
    snprintf(r->rival, sizeof r->rival, "%s", rival);
    snprintf(r->setting, sizeof r->setting, "%s", setting);
    snprintf(r->tuner, sizeof r->tuner, "%s", tuner);
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
        json_t *answer = NULL;
        enum status st = read_request(bytes, &request, &err);
        free(bytes);
        if (st == OK) st = serve(&request, &answer, &err);
        if (st != OK) answer = json_pack("{s:i,s:s}", "status", (int)st, "error", err.text);
        if (frame_send(answer, &err) != OK) break;
    }
    return 0;
}
