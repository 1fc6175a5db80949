/* forward.h: a plan bound to a device: weights packed there, a KV pool, room for a batch, and the forward
 * pass. A stage may hold all layers of a model or some of them; it takes tokens or hidden states and
 * gives logits, ids or hidden states. */
#pragma once
#include "runtime/engine.h"
#include "runtime/kv.h"
#include "runtime/plan.h"
#include "runtime/routes.h"

struct forward;

struct forward_options {
    struct plan_options plan;
    int64_t positions; /* of the KV pool, all sequences */
    int64_t max_rows, max_sequences;
    bool fixed_layouts; /* the default layout everywhere, whatever the records say */
    bool keeps_packed;  /* read and write the cache of packed weights */
};
/* Model, device and routes outlive the stage. */
enum status forward_open(const struct model *model, struct device *device, struct routes *routes,
                         const struct forward_options *options, struct forward **out,
                         struct error *err);
void forward_close(struct forward *f); /* NULL is fine */

struct kv *forward_kv(struct forward *f);
/* The largest position + 1 that a row may have. */
int64_t forward_positions(const struct forward *f);
bool forward_is_last(const struct forward *f);

/* What a row wants: ORDER want: rows stand in a batch in this order. */
enum want { WANT_NOTHING, WANT_BEST, WANT_LOGITS };
struct forward_row {
    int32_t token;       /* ignored when hidden is given */
    const float *hidden; /* (width) floats, or NULL */
    int32_t position, sequence;
    enum want want;
    float *logits; /* WANT_LOGITS: (vocabulary) floats, written */
    float *out;    /* a stage that is not the last: (width) floats, written */
    int32_t best;  /* WANT_BEST: written */
};
/* Run 1 … max_rows rows: their positions enter the KV pool, attention sees them, answers are written. On a
 * failure the pool is as before. INVALID: a position or sequence that cannot be. NOMEM: the pool is full. */
enum status forward_run(struct forward *f, struct forward_row *rows, size_t n, struct error *err);

struct forward_facts {
    int64_t weight_bytes, kv_bytes, activation_bytes;
    int operations, tuned_operations; /* at N = 1 */
    int matrices, tuned_matrices;     /* those of them that multiply with weights */
};
/* Serves N = 1 of all operations, so that the facts are true and the first token is not slower. */
enum status forward_prepare(struct forward *f, struct forward_facts *facts, struct error *err);
/* Of the multiplications with weights that ran so far, the one furthest beyond the N that its kernel was
 * measured at (routes.h); NULL: none ran. */
const struct served *forward_furthest(const struct forward *f);
/* The operations at N = 1 as engine.h has them; the caller frees *list. */
enum status forward_operations(const struct forward *f, struct engine_operation **list, size_t *n,
                               struct error *err);
