/* requests.c: requests in continuous batches. Every step takes the next token of each live request and
 * fills the batch up with prompts, oldest first. Any thread submits and cancels, by leaving word under
 * the mutex; the thread that steps takes it up, and alone touches the pool and the live requests. */
#include "base/clock.h"
#include "base/str.h"
#include "runtime/engine_private.h"
#include "runtime/tokenizer.h"
#include <stdlib.h>
#include <string.h>

struct request {
    int64_t id;
    int32_t *prompt;
    int64_t n_prompt, n_read; /* of the prompt, into the KV pool */
    int64_t max_new, n_generated;
    struct engine_sampling sampling;
    uint64_t random;
    bool ignores_end, owns_sequence;
    int32_t sequence; /* −1: waits for one */
    int32_t token;    /* to be fed next, once the prompt is read */
    int64_t start_ns, first_ns, last_ns;
    bool is_cancelled;
    struct request *next; /* in the order submitted */
};

struct requests {
    pthread_mutex_t mutex; /* guards the next four */
    int64_t last_id;
    struct request *submitted;
    int64_t *cancelled; /* ids */
    size_t n_cancelled;

    struct request *first;
    struct sampler sampler;
    float *logits; /* [max_rows][vocabulary], grown as needed */
    size_t logits_rows;
    struct forward_row *rows;   /* [max_rows] */
    struct request **owner;     /* [max_rows] of each row */
    struct engine_event *event; /* not handed out yet */
    size_t n_events, events_capacity, next_event;
};

/* ---- open ---- */

enum status requests_open(struct engine *engine, struct error *err) {
    struct requests *r = memory_new(sizeof *r);
    engine->requests = r;
    pthread_mutex_init(&r->mutex, NULL);
    r->rows = memory_new((size_t)engine->max_rows * sizeof *r->rows);
    r->owner = memory_new((size_t)engine->max_rows * sizeof *r->owner);
    return forward_is_last(engine->forward)
               ? sampler_open(engine->model->vocabulary, &r->sampler, err)
               : OK;
}

static void request_free(struct engine *engine, struct request *request) {
    if (request->owns_sequence && request->sequence >= 0)
        kv_drop(forward_kv(engine->forward), request->sequence);
    free(request->prompt);
    free(request);
}

static void requests_free(struct engine *engine, struct request *list) {
    for (struct request *next; list; list = next) {
        next = list->next;
        request_free(engine, list);
    }
}

void requests_close(struct engine *engine) {
    struct requests *r = engine->requests;
    if (!r) return;
    requests_free(engine, r->first);
    requests_free(engine, r->submitted);
    sampler_close(&r->sampler);
    pthread_mutex_destroy(&r->mutex);
    free(r->cancelled);
    free(r->logits);
    free(r->rows);
    free(r->owner);
    free(r->event);
    free(r);
    engine->requests = NULL;
}

/* Behind the last of a list. */
static void append(struct request **list, struct request *more) {
    while (*list) list = &(*list)->next;
    *list = more;
}

/* ---- submit, cancel ---- */

static enum status check_request(struct engine *engine, const struct engine_request *q,
                                 struct error *err) {
    struct kv *kv = forward_kv(engine->forward);
    if (!forward_is_last(engine->forward))
        return fail(err, STATUS_INVALID, "a stage without the output matrix takes no requests");
    if (q->n_prompt == 0) return fail(err, STATUS_INVALID, "a request without a prompt");
    if (q->max_new < 1) return fail(err, STATUS_INVALID, "a request for no token at all");
    if (q->sequence >= 0 && !kv_is(kv, q->sequence))
        return fail(err, STATUS_INVALID, "sequence %d is not open", q->sequence);
    const int64_t held = q->sequence >= 0 ? kv_length(kv, q->sequence) : 0;
    const int64_t most = kv_slots(kv) < forward_positions(engine->forward)
                             ? kv_slots(kv)
                             : forward_positions(engine->forward);
    if (held + (int64_t)q->n_prompt > most)
        return fail(err, STATUS_INVALID,
                    "the prompt has %zu tokens behind the %lld that are there, the context has "
                    "%lld: shorten it, or open a longer context (--ctx)",
                    q->n_prompt, (long long)held, (long long)most);
    for (size_t i = 0; i < q->n_prompt; i++)
        if (q->prompt[i] < 0 || q->prompt[i] >= engine->model->vocabulary)
            return fail(err, STATUS_INVALID, "token %d of the prompt is not in the vocabulary",
                        q->prompt[i]);
    return OK;
}

enum status engine_submit(struct engine *engine, const struct engine_request *q, int64_t *id,
                          struct error *err) {
    struct requests *r = engine->requests;
    const enum status st = check_request(engine, q, err);
    if (st != OK) return st;
    int32_t *prompt = malloc(q->n_prompt * sizeof *prompt);
    if (!prompt)
        return fail(err, STATUS_NOMEM, "no memory for a prompt of %zu tokens", q->n_prompt);
    memcpy(prompt, q->prompt, q->n_prompt * sizeof *prompt);
    struct request *request = memory_new(sizeof *request);
    *request = (struct request){.prompt = prompt,
                                .n_prompt = (int64_t)q->n_prompt,
                                .max_new = q->max_new,
                                .sampling = q->sampling,
                                .random = sampler_seed(q->sampling.seed),
                                .ignores_end = q->ignore_end,
                                .owns_sequence = q->sequence < 0,
                                .sequence = q->sequence < 0 ? -1 : q->sequence,
                                .start_ns = clock_now_ns()};
    pthread_mutex_lock(&r->mutex);
    *id = request->id = ++r->last_id;
    append(&r->submitted, request);
    pthread_mutex_unlock(&r->mutex);
    return OK;
}

void engine_cancel(struct engine *engine, int64_t id) {
    struct requests *r = engine->requests;
    pthread_mutex_lock(&r->mutex);
    r->cancelled = memory_grow(r->cancelled, (r->n_cancelled + 1) * sizeof *r->cancelled);
    r->cancelled[r->n_cancelled++] = id;
    pthread_mutex_unlock(&r->mutex);
}

/* What was submitted and cancelled since the last step. */
static void take_word(struct requests *r) {
    pthread_mutex_lock(&r->mutex);
    append(&r->first, r->submitted);
    r->submitted = NULL;
    for (size_t i = 0; i < r->n_cancelled; i++)
        for (struct request *q = r->first; q; q = q->next)
            if (q->id == r->cancelled[i]) q->is_cancelled = true;
    r->n_cancelled = 0;
    pthread_mutex_unlock(&r->mutex);
}

/* ---- events ---- */

static void add_event(struct requests *r, const struct request *q, enum engine_event_kind kind,
                      int32_t token, enum engine_finish finish) {
    if (r->n_events == r->events_capacity) {
        r->events_capacity = r->events_capacity ? 2 * r->events_capacity : 64;
        r->event = memory_grow(r->event, r->events_capacity * sizeof *r->event);
    }
    r->event[r->n_events++] = (struct engine_event){
        .id = q->id,
        .kind = kind,
        .token = token,
        .finish = finish,
        .n_prompt = q->n_read,
        .n_generated = q->n_generated,
        .prompt_ns = q->first_ns ? q->first_ns - q->start_ns : 0,
        .decode_ns = q->first_ns ? q->last_ns - q->first_ns : 0,
    };
}

static void hand_out(struct requests *r, struct engine_event *events, size_t most, size_t *n) {
    *n = 0;
    while (*n < most && r->next_event < r->n_events) events[(*n)++] = r->event[r->next_event++];
    if (r->next_event == r->n_events) r->next_event = r->n_events = 0;
}

static void end_request(struct engine *engine, struct request *q, enum engine_finish finish) {
    struct requests *r = engine->requests;
    add_event(r, q, ENGINE_DONE, -1, finish);
    struct request **at = &r->first;
    while (*at != q) at = &(*at)->next;
    *at = q->next;
    request_free(engine, q);
}

/* ---- one step ---- */

static void end_cancelled(struct engine *engine) {
    for (struct request *q = engine->requests->first, *next; q; q = next) {
        next = q->next;
        if (q->is_cancelled) end_request(engine, q, ENGINE_CANCELLED);
    }
}

/* Sequences for those that wait for one, while there are any. */
static void admit(struct engine *engine) {
    struct kv *kv = forward_kv(engine->forward);
    for (struct request *q = engine->requests->first; q; q = q->next)
        if (q->sequence < 0 && kv_new(kv, &q->sequence, NULL) != OK) return;
}

static bool has_room(const struct engine *engine, const struct request *q) {
    struct kv *kv = forward_kv(engine->forward);
    return kv_room(kv, q->sequence) > 0 &&
           kv_length(kv, q->sequence) < forward_positions(engine->forward);
}

static void end_without_room(struct engine *engine) {
    for (struct request *q = engine->requests->first, *next; q; q = next) {
        next = q->next;
        if (q->sequence >= 0 && !has_room(engine, q)) end_request(engine, q, ENGINE_CONTEXT);
    }
}

static void add_row(struct requests *r, size_t *n, struct request *q, int32_t token,
                    int64_t position, bool wants) {
    const enum want want = !wants                        ? WANT_NOTHING
                           : q->sampling.temperature > 0 ? WANT_LOGITS
                                                         : WANT_BEST;
    r->owner[*n] = q;
    r->rows[(*n)++] = (struct forward_row){
        .token = token, .position = (int32_t)position, .sequence = q->sequence, .want = want};
}

/* Decode rows of all, then prompts. */
static size_t collect_rows(struct engine *engine) {
    struct requests *r = engine->requests;
    struct kv *kv = forward_kv(engine->forward);
    const size_t most = (size_t)engine->max_rows;
    size_t n = 0;
    for (struct request *q = r->first; q && n < most; q = q->next)
        if (q->n_read == q->n_prompt) add_row(r, &n, q, q->token, kv_length(kv, q->sequence), true);
    for (struct request *q = r->first; q && n < most; q = q->next) {
        if (q->sequence < 0) continue;
        const int64_t at = kv_length(kv, q->sequence);
        for (int64_t i = q->n_read; i < q->n_prompt && n < most; i++)
            add_row(r, &n, q, q->prompt[i], at + i - q->n_read, i == q->n_prompt - 1);
    }
    return n;
}

static enum status place_logits(struct engine *engine, size_t n, struct error *err) {
    struct requests *r = engine->requests;
    const size_t vocabulary = (size_t)engine->model->vocabulary;
    size_t wanted = 0;
    for (size_t i = 0; i < n; i++) wanted += r->rows[i].want == WANT_LOGITS;
    if (wanted > r->logits_rows) {
        free(r->logits);
        r->logits_rows = 0;
        r->logits = malloc(wanted * vocabulary * sizeof *r->logits);
        if (!r->logits)
            return fail(err, STATUS_NOMEM, "no memory for the logits of %zu rows", wanted);
        r->logits_rows = wanted;
    }
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        if (r->rows[i].want == WANT_LOGITS) r->rows[i].logits = r->logits + at++ * vocabulary;
    return OK;
}

static int32_t choose_token(struct requests *r, struct request *q, const struct forward_row *row) {
    const struct sampler_options options = {q->sampling.temperature, q->sampling.top_k,
                                            q->sampling.top_p};
    if (row->want == WANT_BEST) return row->best;
    return sampler_next(&r->sampler, &options, row->logits, &q->random);
}

/* What a row that wanted an answer brought: a token, perhaps the end. */
static void take_token(struct engine *engine, struct request *q, const struct forward_row *row) {
    struct requests *r = engine->requests;
    q->token = choose_token(r, q, row);
    q->n_generated++;
    q->last_ns = clock_now_ns();
    if (!q->first_ns) q->first_ns = q->last_ns;
    add_event(r, q, ENGINE_TOKEN, q->token, ENGINE_END);
    const struct tokenizer *tokenizer = engine->model->tokenizer;
    if (!q->ignores_end && tokenizer && tokenizer_is_end(tokenizer, q->token))
        end_request(engine, q, ENGINE_END);
    else if (q->n_generated >= q->max_new) end_request(engine, q, ENGINE_LENGTH);
}

static void take_answers(struct engine *engine, size_t n) {
    struct requests *r = engine->requests;
    for (size_t i = 0; i < n; i++) {
        struct request *q = r->owner[i];
        if (q->n_read < q->n_prompt) q->n_read++;
        const bool is_last_of_chunk =
            r->rows[i].want == WANT_NOTHING && (i + 1 == n || r->owner[i + 1] != q);
        if (is_last_of_chunk) add_event(r, q, ENGINE_PROMPT, -1, ENGINE_END);
    }
    for (size_t i = 0; i < n; i++)
        if (r->rows[i].want != WANT_NOTHING) take_token(engine, r->owner[i], &r->rows[i]);
}

/* The youngest request gives way. */
static void end_youngest(struct engine *engine) {
    struct request *q = engine->requests->first;
    while (q->next) q = q->next;
    end_request(engine, q, ENGINE_CONTEXT);
}

static enum status step(struct engine *engine, struct error *err) {
    struct requests *r = engine->requests;
    end_cancelled(engine);
    end_without_room(engine);
    admit(engine);
    const size_t n = collect_rows(engine);
    if (n == 0 && r->first) end_youngest(engine); /* all sequences are others' */
    if (n == 0) return OK;
    enum status st = place_logits(engine, n, err);
    if (st == OK) st = forward_run(engine->forward, r->rows, n, err);
    if (st == OK) take_answers(engine, n);
    else if (st == STATUS_NOMEM && r->first->next) end_youngest(engine), st = OK;
    return st;
}

enum status engine_step(struct engine *engine, struct engine_event *events, size_t *n,
                        struct error *err) {
    struct requests *r = engine->requests;
    enum status st = OK;
    if (r->n_events == 0) take_word(r);
    while (st == OK && r->n_events == 0 && r->first) st = step(engine, err);
    hand_out(r, events, *n, n);
    return st;
}
