/* worker.c: the parent's side of a worker: requests, deadlines by stage, deaths as outcomes. */
#include "tuner/worker.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/str.h"
#include "tuner/builders.h"
#include "tuner/frames.h"
#include "tuner/t1_read.h"
#include "tuner/target.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS(s) ((int64_t)(s)*1000000000)
/* Compilers rarely take 10 s and never come back after 60; a launch that takes 30 s is not wanted even
 * if it ends. The rest is the worker's own business and only must not hang for ever. */
const struct deadlines deadlines_usual = {
    .start = SECONDS(120),
    .prepare = SECONDS(300),
    .build = SECONDS(60),
    .launch_least = SECONDS(2),
    .launch_most = SECONDS(30),
    .judge = SECONDS(180),
    .ceiling = SECONDS(120),
};

enum { CRASHES_UNTIL_DOUBT = 3, ATTEMPTS = 2 };
enum { PATIENCE = 4 }; /* a builder has this part of the deadline: the worker has it again */

struct worker {
    char *selector, *model_key; /* NULL: any device */
    struct deadlines deadlines;
    struct child *child;       /* NULL: none runs */
    bool has_greeted;          /* its answer to the hello was read */
    bool is_apart;             /* it disturbs nobody while it opens the device */
    struct builders *builders; /* NULL: nothing is compiled ahead */
    struct ceiling_memory ceilings;
    int64_t time_ns[TIMES];
    int64_t since_ns;    /* when its present stage began */
    struct leave *leave; /* still to be given; NULL: none is asked for, or it was */
    enum status refusal; /* what giving it failed with */
    int crashes;         /* in a row */
    struct work good;    /* the last that went well */
    bool has_good;
};

enum status worker_open(const char *device_selector, const char *model_key,
                        const struct deadlines *deadlines, struct worker **out, struct error *err) {
    (void)err;
    struct worker *w = memory_new(sizeof *w);
    *w = (struct worker){
        .selector = text_copy(device_selector ? device_selector : ""),
        .model_key = model_key ? text_copy(model_key) : NULL,
        .deadlines = deadlines ? *deadlines : deadlines_usual,
        .ceilings = {.gflops = NAN, .giops = NAN, .launch_ns = NAN, .copy_gbps = NAN}};
    *out = w;
    return OK;
}

static void stop(struct worker *w) {
    child_close(w->child);
    w->child = NULL;
    w->has_greeted = false;
}

void worker_close(struct worker *worker) {
    if (!worker) return;
    stop(worker);
    builders_close(worker->builders);
    free(worker->selector);
    free(worker->model_key);
    free(worker);
}

bool worker_has_built(const struct worker *worker, const struct work *work) {
    return builders_have_built(worker->builders, work);
}

const struct ceiling_memory *worker_ceilings(const struct worker *worker) {
    return &worker->ceilings;
}

const int64_t *worker_times(const struct worker *worker) {
    return worker->time_ns;
}

/* ---- conversation ---- */

static enum status send(struct worker *w, const json_t *frame, struct error *err) {
    w->since_ns = clock_now_ns();
    return frame_ask(w->child, frame, err);
}

/* One frame. The first interrupt lets the candidate finish, a second one gives up at once. */
static enum status receive(struct worker *w, int64_t deadline_ns, char **bytes,
                           const volatile int *interrupt, struct error *err) {
    const int64_t end = clock_now_ns() + deadline_ns, slice = SECONDS(1) / 4;
    const int before = interrupt ? *interrupt : 0;
    size_t size;
    if (before == 0) {
        enum status st = child_receive(w->child, deadline_ns, bytes, &size, interrupt, err);
        if (st != STATUS_INTERRUPTED) return st;
    }
    const int first = interrupt ? *interrupt : 0;
    for (;;) {
        int64_t left = end - clock_now_ns();
        if (left <= 0) return fail(err, STATUS_TIMEOUT, "the deadline passed");
        enum status st =
            child_receive(w->child, left < slice ? left : slice, bytes, &size, NULL, err);
        if (st != STATUS_TIMEOUT) return st;
        if (interrupt && *interrupt > first)
            return fail(err, STATUS_INTERRUPTED, "interrupted in the middle of a candidate");
    }
}

/* The worker's own failure, in its words. */
static enum status read_error(const json_t *frame, struct error *err) {
    const char *text = json_string_value(json_object_get(frame, "text"));
    json_int_t status = json_integer_value(json_object_get(frame, "status"));
    if (status <= OK || status > STATUS_INTERRUPTED) status = STATUS_CRASHED;
    return fail(err, (enum status)status, "%s", text ? text : "the worker failed without a word");
}

/* Builders stand still where they would disturb the stage. */
static void enter(struct worker *w, enum stage_id *stage, enum stage_id next) {
    *stage = next;
    builders_step(w->builders, next == STAGE_build && !child_has_frame(w->child));
}

/* The time of a stage that is over: until the worker says that it went on, of which we may hear later. */
static void account(struct worker *w, enum stage_id stage, const json_t *frame) {
    const int64_t now_ns = clock_now_ns();
    const int64_t at_ns = json_integer_value(json_object_get(frame, "at_ns"));
    const int64_t until_ns = at_ns > w->since_ns && at_ns < now_ns ? at_ns : now_ns;
    w->time_ns[stage_time(stage)] += until_ns - w->since_ns;
    w->since_ns = until_ns;
}

/* Frames until the reply (*reply, to be released) or a failure; *stage is where it happened. */
static enum status converse(struct worker *w, enum stage_id *stage, json_t **reply,
                            const volatile int *interrupt, struct error *err) {
    double hint_ns = INFINITY;
    for (;;) {
        char *bytes = NULL;
        const int64_t deadline = stage_deadline(&w->deadlines, *stage, hint_ns);
        enum status st = receive(w, deadline, &bytes, interrupt, err);
        json_error_t why;
        json_t *frame = st == OK ? json_loads(bytes, 0, &why) : NULL;
        free(bytes);
        account(w, *stage, frame);
        if (st == STATUS_TIMEOUT)
            return fail(err, st, "no end of %s after %.1f s", stage_names[*stage],
                        (double)deadline / 1e9);
        if (st != OK) return st;
        if (!frame)
            return fail(err, STATUS_CRASHED, "the worker's frame is not JSON: %s", why.text);
        int named = stage_find(json_string_value(json_object_get(frame, "stage")));
        const json_t *error = json_object_get(frame, "error");
        if (named < 0 && !error) {
            *reply = frame;
            return OK;
        }
        if (named >= 0) {
            enter(w, stage, (enum stage_id)named);
            hint_ns = frame_read_number(frame, "hint_ns", INFINITY);
        } else {
            st = read_error(error, err);
        }
        json_decref(frame);
        if (error) return st;
    }
}

static enum status launch(struct worker *w, struct error *err) {
    const char *name = target_recording(w->selector) ? "recorded" : "worker";
    enum status st = child_open(name, &w->child, err);
    if (st != OK) return st;
    json_t *hello = json_pack("{s:s,s:s?,s:o,s:o}", "device", w->selector, "model", w->model_key,
                              "ceilings", frame_ceilings(&w->ceilings), "own", t1_frame());
    st = frame_ask(w->child, hello, err);
    json_decref(hello);
    return st;
}

/* Before it is needed: to open a GPU takes seconds, in which we choose and builders build. */
static void launch_early(struct worker *w) {
    if (w->child || !w->is_apart) return;
    if (launch(w, NULL) != OK) stop(w); /* start() tries again, and tells */
}

static enum status start(struct worker *w, enum stage_id *stage, const volatile int *interrupt,
                         struct error *err) {
    enter(w, stage, STAGE_start);
    if (w->has_greeted) return OK;
    w->since_ns = clock_now_ns();
    json_t *reply = NULL;
    enum status st = w->child ? OK : launch(w, err);
    if (st == OK) st = converse(w, stage, &reply, interrupt, err);
    w->has_greeted = st == OK;
    json_decref(reply);
    return st;
}

static enum status give_leave(struct worker *w, struct error *err) {
    struct leave *leave = w->leave;
    if (!leave) return OK;
    w->leave = NULL;
    w->refusal = leave->give(leave->context, err);
    leave->is_given = w->refusal == OK;
    return w->refusal;
}

/* While the worker prepares, which was told to wait before it runs the candidate. */
static enum status send_leave(struct worker *w, struct error *err) {
    if (!w->leave) return OK;
    enum status st = give_leave(w, err);
    json_t *frame = json_pack("{s:b}", "leave", true);
    if (st == OK) st = frame_ask(w->child, frame, err);
    json_decref(frame);
    return st;
}

/* Send a request to a worker that runs, wait for the reply; ceilings in it are remembered. */
static enum status request_reply(struct worker *w, const json_t *request, enum stage_id *stage,
                                 json_t **reply, const volatile int *interrupt, struct error *err) {
    enum status st = start(w, stage, interrupt, err);
    if (st == OK) st = send(w, request, err);
    if (st != OK) return st;
    enter(w, stage, STAGE_prepare);
    st = send_leave(w, err);
    if (st != OK) return st;
    builders_feed(w->builders);
    st = converse(w, stage, reply, interrupt, err);
    if (st == OK && json_object_get(*reply, "ceilings"))
        frame_read_ceilings(json_object_get(*reply, "ceilings"), &w->ceilings);
    return st;
}

/* A single work is built first, by a builder if one is free. Unless the worker, which is up, can
 * begin at once, leave is given at once: what was measured is not kept waiting for a compiler, or
 * for a driver that opens a device. */
static enum status build_first(struct worker *w, const struct work *work,
                               const volatile int *interrupt, struct error *err) {
    builders_begin(w->builders, work);
    const bool is_at_once = w->has_greeted && builders_have_built(w->builders, work);
    const enum status st = is_at_once ? OK : give_leave(w, err);
    if (st == OK) w->time_ns[TIME_build] += builders_build(w->builders, interrupt);
    return st;
}

/* Send the works, wait for their evaluations. Whatever fails from then on ends this worker. */
static enum status ask(struct worker *w, const struct work *works, size_t n, struct evaluation *e,
                       enum stage_id *stage, const volatile int *interrupt, struct error *err) {
    enum status st = n == 1 ? build_first(w, works, interrupt, err) : OK;
    if (st != OK) return st;
    json_t *request = json_pack("{s:[],s:b}", "works", "held", w->leave != NULL), *reply = NULL;
    for (size_t i = 0; i < n; i++)
        json_array_append_new(json_object_get(request, "works"), frame_work(&works[i]));
    st = request_reply(w, request, stage, &reply, interrupt, err);
    const json_t *results = json_object_get(reply, "results");
    if (st == OK) *stage = STAGE_judge; /* a reply that makes no sense is the candidate's work */
    if (st == OK && json_array_size(results) != n)
        st =
            fail(err, STATUS_CRASHED, "the worker answers %zu of %zu", json_array_size(results), n);
    for (size_t i = 0; st == OK && i < n; i++)
        st = frame_read_evaluation(json_array_get(results, i), &e[i], err);
    if (st == OK && n == 1) {
        e->build_ns += builders_spent(w->builders, works);
        builders_collect(w->builders); /* before somebody asks */
    }
    if (st != OK) stop(w);
    json_decref(request);
    json_decref(reply);
    return st;
}

enum status worker_measure_ceilings(struct worker *worker, size_t bytes,
                                    const volatile int *interrupt, struct error *err) {
    json_t *request = json_pack("{s:I}", "ceiling_bytes", (json_int_t)bytes), *reply = NULL;
    enum stage_id stage;
    const enum status st = request_reply(worker, request, &stage, &reply, interrupt, err);
    if (st != OK) stop(worker);
    json_decref(request);
    json_decref(reply);
    return st;
}

void worker_build_ahead(struct worker *worker, const struct build_ahead *ahead) {
    builders_close(worker->builders);
    worker->builders = builders_open(ahead, worker->selector, worker->model_key,
                                     worker->deadlines.start, worker->deadlines.build / PATIENCE);
    worker->is_apart = !ahead->on_device;
    launch_early(worker);
}

/* ---- deaths as outcomes ---- */

/* What the death of a worker, or a failure that it reports, makes of a candidate; and what it is when it
 * comes, again and again, before a candidate is reached. */
static const struct death {
    enum status status;
    enum outcome outcome;
    enum status before;
} deaths[] = {
    {STATUS_TIMEOUT, OUTCOME_TIMEOUT, STATUS_DEVICE},
    {STATUS_CRASHED, OUTCOME_CRASHED, STATUS_DEVICE},
    {STATUS_DEVICE, OUTCOME_CRASHED, STATUS_DEVICE},
    {STATUS_NOMEM, OUTCOME_LAUNCH_FAILED, STATUS_NOMEM},
    {STATUS_BUILD, OUTCOME_COMPILE_FAILED, STATUS_BUILD},
    {STATUS_LAUNCH, OUTCOME_LAUNCH_FAILED, STATUS_LAUNCH},
};

static const struct death *death_of(enum status status) {
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++)
        if (deaths[i].status == status) return &deaths[i];
    return NULL;
}

static void set_failed(struct evaluation *e, enum outcome outcome, const char *stage,
                       const char *text) {
    e->outcome = outcome;
    free(e->message);
    e->message = text_format("%s: %s", stage, text);
    e->time_ns = e->low_ns = e->high_ns = e->floor_ns = e->ceiling_gbps = e->ceiling_gflops =
        e->share = e->nmse = NAN;
    if (!e->conditions) e->conditions = text_copy("{}");
}

/* One request with its second attempt: a worker that dies before it reaches the candidate says nothing
 * about the candidate. *blamed: the death was the candidate's and stands in every e. */
static enum status attempt(struct worker *w, const struct work *works, size_t n,
                           struct evaluation *e, const volatile int *interrupt, bool *blamed,
                           struct error *err) {
    *blamed = false;
    const struct death *death = NULL;
    for (int i = 0; i < ATTEMPTS; i++) {
        enum stage_id stage = STAGE_start;
        const enum status st = ask(w, works, n, e, &stage, interrupt, err);
        if (w->refusal != OK) return st;
        death = death_of(st);
        if (!death) return st;
        if (stage_blames_candidate(stage)) {
            *blamed = true;
            for (size_t k = 0; k < n; k++)
                set_failed(&e[k], death->outcome, stage_names[stage], err->text);
            return OK;
        }
    }
    if (death->before != STATUS_DEVICE) return death->before; /* the worker's own sentence */
    err->status = STATUS_DEVICE;
    return fail_while(err, "the worker fails before it reaches a kernel (see `hone doctor`)");
}

/* Three crashes in a row: is it them, or the device? A kernel that went well must still do so. */
static enum status doubt_device(struct worker *w, const struct work *suspect,
                                const volatile int *interrupt, struct error *err) {
    struct work good = w->has_good ? w->good : *suspect;
    if (!w->has_good && family_default(&good.problem, &good.config, err) != OK) return OK;
    struct evaluation e = {0};
    bool blamed;
    good.incumbent_ns = INFINITY;
    good.is_final = false;
    enum status st = attempt(w, &good, 1, &e, interrupt, &blamed, err);
    if (st == OK && blamed && w->has_good)
        st = fail(err, STATUS_DEVICE,
                  "three kernels crashed in a row, and one that was right before "
                  "does too (%s): the device is lost; see `hone doctor`",
                  e.message);
    evaluation_free(&e);
    w->crashes = 0;
    return st;
}

static enum status evaluate(struct worker *w, const struct work *works, size_t n,
                            struct leave *leave, struct evaluation *e,
                            const volatile int *interrupt, struct error *err) {
    struct error local = {0};
    if (!err) err = &local;
    w->leave = leave;
    w->refusal = OK;
    int64_t began = clock_now_ns();
    bool blamed;
    enum status st = attempt(w, works, n, e, interrupt, &blamed, err);
    w->leave = NULL;
    for (size_t i = 0; i < n; i++) {
        e[i].wall_ns = (clock_now_ns() - began) / (int64_t)n;
        e[i].unix_s = clock_unix_s();
    }
    if (st != OK) return st;
    w->crashes = blamed ? w->crashes + 1 : 0;
    for (size_t i = 0; i < n; i++) {
        if (e[i].outcome == OUTCOME_OK) {
            w->good = works[i];
            w->has_good = true;
        }
        if (e[i].outcome == OUTCOME_WRONG) stop(w); /* it may have written where it should not */
    }
    launch_early(w);
    return w->crashes >= CRASHES_UNTIL_DOUBT ? doubt_device(w, works, interrupt, err) : OK;
}

enum status worker_evaluate(struct worker *worker, const struct work *work, struct leave *leave,
                            struct evaluation *e, const volatile int *interrupt,
                            struct error *err) {
    return evaluate(worker, work, 1, leave, e, interrupt, err);
}

enum status worker_finals(struct worker *worker, const struct work *works, size_t n,
                          struct evaluation *e, const volatile int *interrupt, struct error *err) {
    return n == 0 ? OK : evaluate(worker, works, n, NULL, e, interrupt, err);
}
