/* frames.h: what parent and worker say to each other, as JSON. Requests are works, replies are
 * evaluations; between them the worker names the stage it is in, so that the parent knows the
 * deadline, and since when. A request that is "held" is prepared, but nothing of it runs, and no
 * reply is sent, before the parent sends {"leave": true}. */
#pragma once
#include "base/child.h"
#include "tuner/worker.h"
#include <jansson.h>

/* stage, its deadline, is the candidate to blame when the worker dies in it, what its time goes to: filling
 * inputs is part of checking */
#define STAGE_MAP(XX)                                                                              \
    XX(start, start, false, other)                                                                 \
    XX(prepare, prepare, false, check)                                                             \
    XX(build, build, true, build)                                                                  \
    XX(leave, judge, false, other)                                                                 \
    XX(launch, launch_most, true, device)                                                          \
    XX(judge, judge, true, check)                                                                  \
    XX(ceiling, ceiling, false, device)

enum stage_id {
#define XX(name, deadline, blame, time) STAGE_##name,
    STAGE_MAP(XX)
#undef XX
        STAGE_COUNT
};
extern const char *const stage_names[STAGE_COUNT];
int stage_find(const char *name);                 /* −1: unknown */
bool stage_blames_candidate(enum stage_id stage); /* the third column */
enum time_id stage_time(enum stage_id stage);     /* the fourth */
/* hint_ns: what the worker asks for a launch; bounded on both sides. */
int64_t stage_deadline(const struct deadlines *deadlines, enum stage_id stage, double hint_ns);

/* A request for one evaluation: configuration, problem, layout and class as texts. The caller's reference. */
json_t *frame_work(const struct work *work);
/* INVALID when the frame names what this program does not have. */
enum status frame_read_work(const json_t *frame, struct work *work, struct error *err);

/* Of an evaluation only what a worker fills in: outcome, message, times, samples, shares, conditions. The
 * caller's reference. */
json_t *frame_evaluation(const struct evaluation *e);
/* The same back into e, which keeps its key and place; its strings and samples are replaced. CRASHED when the
 * frame is no evaluation: a worker that says such a thing is not well. */
enum status frame_read_evaluation(const json_t *frame, struct evaluation *e, struct error *err);

/* What was measured of the ceilings; the caller's reference. */
json_t *frame_ceilings(const struct ceiling_memory *memory);
/* Anything that a frame does not tell is NAN, as not measured; levels beyond CEILING_LEVELS are left out. */
void frame_read_ceilings(const json_t *frame, struct ceiling_memory *memory);

/* On the parent's side: send a frame, which stays the caller's. NOMEM; CRASHED: the child is gone. */
enum status frame_ask(struct child *child, const json_t *frame, struct error *err);
/* On the worker's side: send a frame (taken), which says when (at_ns, of clock_now_ns); IO: the parent is gone. */
enum status frame_send(json_t *frame, struct error *err);
/* On the worker's side: is the request under way held, and the leave not here yet? */
bool frames_are_held(void);
/* Wait for the leave, if so. IO: the parent is gone; INVALID: it says something else. */
enum status frames_await_leave(struct error *err);
/* On the worker's side, its whole life: answer one request at a time until the parent is gone; a failure goes
 * back as {"error": …}. Interrupts from the terminal are left to the parent. Returns the exit code. */
int frames_answer(enum status (*answer)(void *context, const json_t *request, json_t **reply,
                                        struct error *err),
                  void *context);

/* A number, or null for NAN and infinities; and back (null: what). */
json_t *frame_number(double value);
/* A string of any bytes: what is not UTF-8 (a compiler's log, say) becomes question marks. */
json_t *frame_text(const char *text);
double frame_read_number(const json_t *object, const char *key, double what);
const char *frame_read_text(const json_t *object, const char *key); /* "" when there is none */
