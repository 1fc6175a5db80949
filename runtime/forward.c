/* forward.c: see forward.h. */
#include "runtime/forward.h"
#include "base/str.h"
#include "runtime/pack.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows of the head that run together: their logits are large. */
enum { HEAD_ROWS = 64 };

/* A step as it runs: its route, and where its operands lie. */
struct bound {
    struct route *route;
    struct view operand[OPERANDS];
};

struct forward {
    struct device *device;
    struct routes *routes;
    struct forward_options options;
    struct plan *plan;
    struct kv *kv;
    struct packed packed;
    struct pack_item *item; /* [matrices]: where each lies */
    struct image *
        *weight_image;   /* [matrices]: where a kernel reads it as an image; NULL: none does */
    struct bound *bound; /* [steps] */
    struct route *best;  /* sample */
    struct arena *vectors, *activations;
    struct view *vector;     /* [vectors] */
    struct view slot[SLOTS]; /* rows and batch */
    struct image *slot_image[SLOTS];
    struct arena *scratch;
    int64_t positions;    /* rows of the rotary table */
    int64_t table_most;   /* ints in the table of a batch */
    unsigned char *batch; /* host side of ids, rows, table: one write */
    size_t batch_bytes;
    struct forward_row **order; /* [max_rows] the batch as it lies on the device */
};

/* ---- memory ---- */

static size_t aligned(size_t bytes) {
    return (bytes + VIEW_ALIGN - 1) / VIEW_ALIGN * VIEW_ALIGN;
}

/* A slot of rows: as many as a batch has, or the head runs; reaching as far as an image of it would. */
static size_t slot_bytes(const struct forward *f, enum slot slot) {
    const bool is_head = slot == SLOT_LOGITS || slot == SLOT_BEST;
    const int64_t most = f->options.max_rows;
    const int64_t n = is_head && most > HEAD_ROWS ? HEAD_ROWS : most;
    return f->plan->row_bytes[slot] * (size_t)n;
}

static enum status open_activations(struct forward *f, struct error *err) {
    size_t bytes[SLOTS] = {0}, total = 0;
    const size_t rows = (size_t)f->options.max_rows;
    for (int s = SLOT_X; s <= SLOT_BEST; s++) bytes[s] = slot_bytes(f, s);
    bytes[SLOT_STORED] = (size_t)kv_slots(f->kv) * sizeof(int32_t);
    bytes[SLOT_ROTARY] = (size_t)(f->positions * f->plan->model->head_size) * sizeof(float);
    f->table_most = f->options.max_sequences * (kv_slots(f->kv) / KV_BLOCK);
    f->batch_bytes = aligned(rows * sizeof(int32_t)) + aligned(rows * 4 * sizeof(int32_t)) +
                     (size_t)f->table_most * sizeof(int32_t);
    for (int s = 0; s < SLOTS; s++)
        if (bytes[s]) total += aligned(op_image_bytes(bytes[s]));
    enum status st = arena_open(f->device, total + aligned(f->batch_bytes), &f->activations, err);
    for (int s = 0; st == OK && s < SLOTS; s++) {
        if (!bytes[s]) continue;
        st = arena_take(f->activations, op_image_bytes(bytes[s]), &f->slot[s], err);
    }
    struct view batch;
    if (st == OK) st = arena_take(f->activations, f->batch_bytes, &batch, err);
    if (st != OK) return fail_while(err, "memory for a batch of %zu rows", rows);
    const size_t at_rows = aligned(rows * sizeof(int32_t));
    const size_t at_table = at_rows + aligned(rows * 4 * sizeof(int32_t));
    f->slot[SLOT_IDS] = batch;
    f->slot[SLOT_ROWS] = view_part(batch, at_rows, rows * 4 * sizeof(int32_t));
    f->slot[SLOT_TABLE] = view_part(batch, at_table, (size_t)f->table_most * sizeof(int32_t));
    f->batch = memory_new(f->batch_bytes);
    f->order = memory_new(rows * sizeof *f->order);
    return OK;
}

static enum status open_vectors(struct forward *f, struct error *err) {
    const struct plan *plan = f->plan;
    size_t total = 0;
    for (size_t i = 0; i < plan->n_vectors; i++)
        total += aligned((size_t)plan->vectors[i].n * sizeof(float));
    enum status st = arena_open(f->device, total, &f->vectors, err);
    f->vector = memory_new((plan->n_vectors + 1) * sizeof *f->vector);
    for (size_t i = 0; st == OK && i < plan->n_vectors; i++) {
        const size_t bytes = (size_t)plan->vectors[i].n * sizeof(float);
        st = arena_take(f->vectors, bytes, &f->vector[i], err);
        if (st == OK) st = view_write(f->vector[i], 0, plan->vectors[i].value, bytes, err);
    }
    return st;
}

/* (cos, sin) of position · frequency, in double: the angle grows large. */
static enum status fill_rotary(struct forward *f, struct error *err) {
    const struct model *m = f->plan->model;
    const int64_t half = m->head_size / 2;
    float *table = malloc((size_t)(f->positions * m->head_size) * sizeof *table), *at = table;
    if (!table)
        return fail(err, STATUS_NOMEM, "no memory for the rotation of %lld positions",
                    (long long)f->positions);
    for (int64_t p = 0; p < f->positions; p++)
        for (int64_t i = 0; i < half; i++) {
            const double angle = (double)p * (double)m->rope_frequency[i];
            *at++ = (float)(cos(angle) * m->rope_magnitude);
            *at++ = (float)(sin(angle) * m->rope_magnitude);
        }
    const enum status st =
        view_write(f->slot[SLOT_ROTARY], 0, table, (size_t)(at - table) * sizeof *table, err);
    free(table);
    return st;
}

/* ---- weights ---- */

static void choose_layouts(struct forward *f) {
    if (f->options.fixed_layouts) return;
    for (size_t i = 0; i < f->plan->n_matrices; i++)
        plan_set_layout(f->plan, i, routes_layout(f->routes, plan_matrix_problem(f->plan, i)));
}

static enum status pack_weights(struct forward *f, struct error *err) {
    struct plan *plan = f->plan;
    f->item = memory_new((plan->n_matrices + 1) * sizeof *f->item);
    f->weight_image = memory_new((plan->n_matrices + 1) * sizeof *f->weight_image);
    for (size_t i = 0; i < plan->n_matrices; i++) {
        struct pack_item *item = &f->item[i];
        *item = (struct pack_item){.matrix = plan->matrices[i].matrix,
                                   .layout = plan->matrices[i].layout};
        snprintf(item->name, sizeof item->name, "%s", plan->matrices[i].name);
    }
    char key[64];
    snprintf(key, sizeof key, "%.40s %s", plan->model->fingerprint, plan->model->stamp);
    const bool keeps = f->options.keeps_packed && *plan->model->stamp;
    return pack_open(f->device, keeps ? key : NULL, f->item, plan->n_matrices, &f->packed, err);
}

/* ---- binding ---- */

static struct view bind_place(const struct forward *f, const struct place *place) {
    struct view view;
    switch (place->slot) {
    case SLOT_NONE: return (struct view){0};
    case SLOT_KEYS: return kv_keys(f->kv, place->index);
    case SLOT_VALUES: return kv_values(f->kv, place->index);
    case SLOT_MATRIX: return f->item[place->index].view;
    case SLOT_VECTOR: return f->vector[place->index];
    default: break;
    }
    view = f->slot[place->slot];
    return view_part(view, place->offset, view.bytes - place->offset);
}

static void bind(struct forward *f) {
    const struct plan *plan = f->plan;
    f->bound = memory_new((plan->n_steps + 1) * sizeof *f->bound);
    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct step *step = &plan->steps[i];
        struct bound *bound = &f->bound[i];
        bound->route = routes_add(f->routes, &step->problem);
        for (int o = 0; o < step->problem.family->n_operands; o++)
            bound->operand[o] = bind_place(f, &step->operand[o]);
    }
    if (plan->is_last) f->best = routes_add(f->routes, &plan->best);
}

enum status forward_open(const struct model *model, struct device *device, struct routes *routes,
                         const struct forward_options *options, struct forward **out,
                         struct error *err) {
    const struct plan_options *p = &options->plan;
    const struct kv_shape shape = {p->last_layer - p->first_layer, model->n_kv_heads,
                                   model->head_size, p->kv_is_f32};
    struct forward *f = memory_new(sizeof *f);
    *f = (struct forward){.device = device, .routes = routes, .options = *options};
    *out = NULL;
    enum status st = plan_open(model, p, &f->plan, err);
    if (st != OK) goto done;
    choose_layouts(f);
    if ((st = pack_weights(f, err)) != OK) goto done;
    st = kv_open(device, &shape, options->positions, options->max_sequences, &f->kv, err);
    if (st != OK) goto done;
    /* A sequence that forgets may go on beyond the pool, as far as the model was trained. */
    f->positions = kv_slots(f->kv) > model->context ? kv_slots(f->kv) : model->context;
    if ((st = open_activations(f, err)) != OK) goto done;
    if ((st = open_vectors(f, err)) != OK) goto done;
    if ((st = fill_rotary(f, err)) != OK) goto done;
    bind(f);
    *out = f;
done:
    if (st != OK) forward_close(f);
    return st;
}

void forward_close(struct forward *f) {
    if (!f) return;
    device_finish(f->device, NULL);
    const size_t n_matrices = f->plan ? f->plan->n_matrices : 0;
    for (size_t i = 0; f->weight_image && i < n_matrices; i++) image_close(f->weight_image[i]);
    for (int s = 0; s < SLOTS; s++) image_close(f->slot_image[s]);
    arena_close(f->scratch);
    arena_close(f->activations);
    arena_close(f->vectors);
    pack_close(&f->packed);
    kv_close(f->kv);
    plan_close(f->plan);
    free(f->weight_image);
    free(f->item);
    free(f->bound);
    free(f->vector);
    free(f->batch);
    free(f->order);
    free(f);
}

struct kv *forward_kv(struct forward *f) {
    return f->kv;
}

int64_t forward_positions(const struct forward *f) {
    return f->positions;
}

bool forward_is_last(const struct forward *f) {
    return f->plan->is_last;
}

/* ---- one operation ---- */

static enum status need_scratch(struct forward *f, const struct served *served,
                                struct view *scratch, struct error *err) {
    const size_t bytes = op_scratch_bytes(served->op, &served->problem);
    *scratch = (struct view){0};
    if (!bytes) return OK;
    if (!f->scratch || arena_bytes(f->scratch) < bytes) {
        enum status st = device_finish(f->device, err);
        if (st != OK) return st;
        arena_close(f->scratch);
        f->scratch = NULL;
        if ((st = arena_open(f->device, bytes, &f->scratch, err)) != OK) return st;
    }
    *scratch = (struct view){f->scratch, 0, bytes};
    return OK;
}

/* The image that a kernel reads operand o through: one a matrix, loaded once; one a slot. */
static enum status need_image(struct forward *f, const struct place *place, struct view *view,
                              struct image **out, struct error *err) {
    const bool is_matrix = place->slot == SLOT_MATRIX;
    struct image **image = is_matrix ? &f->weight_image[place->index] : &f->slot_image[place->slot];
    const size_t bytes = view->bytes;
    enum status st = OK;
    if (is_matrix) view->bytes = op_image_bytes(bytes);
    if (!*image) {
        st = is_matrix ? op_image_open(f->device, bytes, image, err)
                       : op_image_open(f->device, f->slot[place->slot].bytes, image, err);
        if (st == OK && is_matrix) st = image_load(*image, *view, err);
    }
    *out = *image;
    return st;
}

/* Run a step on rows [from, from + n) of its slots. */
static enum status run_served(struct forward *f, struct served *served, const struct place *places,
                              struct view *operands, struct error *err) {
    struct image *images[OPERANDS] = {0};
    struct view scratch;
    const uint32_t bits = op_images(served->op, &served->problem);
    enum status st = need_scratch(f, served, &scratch, err);
    for (int o = 0; st == OK && bits >> o; o++)
        if (bits >> o & 1) st = need_image(f, &places[o], &operands[o], &images[o], err);
    if (st == OK) st = op_run(served->op, &served->problem, operands, images, scratch, err);
    if (st == OK && served->is_fresh) {
        op_keep(served->op);
        served->is_fresh = false;
    }
    return st;
}

static enum status run_step(struct forward *f, size_t i, int64_t from, int64_t n,
                            struct error *err) {
    const struct step *step = &f->plan->steps[i];
    struct served *served;
    struct view operands[OPERANDS];
    enum status st = route_serve(f->bound[i].route, n, &served, err);
    memcpy(operands, f->bound[i].operand, sizeof operands);
    for (int o = 0; st == OK && from > 0 && o < step->problem.family->n_operands; o++) {
        const struct place *place = &step->operand[o];
        const size_t skip = (size_t)from * place->row_bytes;
        /* what the head makes itself starts at its slot's first row */
        const bool is_made_here =
            place->slot == SLOT_LOGITS || place->slot == SLOT_H || place->slot == SLOT_HQ;
        if (skip && !is_made_here)
            operands[o] = view_part(operands[o], skip, operands[o].bytes - skip);
    }
    if (st == OK) st = run_served(f, served, step->operand, operands, err);
    return st == OK ? OK : fail_while(err, "operation %s", step->name);
}

/* ---- a batch ---- */

static enum status check_row(const struct forward *f, const struct forward_row *row,
                             struct error *err) {
    const struct model *m = f->plan->model;
    if (!kv_is(f->kv, row->sequence))
        return fail(err, STATUS_INVALID, "a row of sequence %d, which is not open", row->sequence);
    if (row->position < kv_length(f->kv, row->sequence) || row->position >= f->positions)
        return fail(err, STATUS_INVALID,
                    "a row at position %d of a sequence that has %lld; at most %lld positions",
                    row->position, (long long)kv_length(f->kv, row->sequence),
                    (long long)f->positions);
    if (!row->hidden && !f->plan->is_first)
        return fail(err, STATUS_INVALID, "a later stage takes hidden states, not tokens");
    if (!row->hidden && (row->token < 0 || row->token >= m->vocabulary))
        return fail(err, STATUS_INVALID, "token %d is not in the vocabulary of %lld", row->token,
                    (long long)m->vocabulary);
    return OK;
}

/* Lengths of the sequences before a batch, to go back to. */
static void undo(struct forward *f, const struct forward_row *rows, size_t n) {
    for (size_t i = n; i-- > 0;)
        if (kv_is(f->kv, rows[i].sequence))
            kv_truncate(f->kv, rows[i].sequence, rows[i].position, NULL);
}

/* Rows that want least come first. */
static void sort_rows(struct forward *f, struct forward_row *rows, size_t n,
                      size_t count[WANT_LOGITS + 1]) {
    size_t at = 0;
    for (int want = WANT_NOTHING; want <= WANT_LOGITS; want++) {
        const size_t start = at;
        for (size_t i = 0; i < n; i++)
            if ((int)rows[i].want == want) f->order[at++] = &rows[i];
        count[want] = at - start;
    }
}

/* Where a sequence's blocks begin in the table of this batch. */
struct listed {
    int32_t sequence, offset;
};

static enum status list_blocks(struct forward *f, int32_t sequence, int32_t *table,
                               struct listed *listed, size_t *n_listed, int64_t *n_table,
                               int32_t *offset, struct error *err) {
    for (size_t i = 0; i < *n_listed; i++)
        if (listed[i].sequence == sequence) return *offset = listed[i].offset, OK;
    const int64_t room = f->table_most - *n_table;
    const int64_t blocks = kv_table(f->kv, sequence, table + *n_table, room);
    if (blocks > room)
        return fail(err, STATUS_NOMEM, "the block table of a batch has room for %lld blocks",
                    (long long)f->table_most);
    *offset = (int32_t)*n_table;
    listed[(*n_listed)++] = (struct listed){sequence, *offset};
    *n_table += blocks;
    return OK;
}

/* Slots for all rows, then what the kernels read: ids, rows, table; and the changed part of `stored`. */
static enum status write_batch(struct forward *f, struct forward_row *rows, size_t n,
                               struct error *err) {
    const struct view batch = f->slot[SLOT_IDS];
    int32_t *ids = (int32_t *)f->batch;
    const size_t at_rows = f->slot[SLOT_ROWS].offset - batch.offset;
    const size_t at_table = f->slot[SLOT_TABLE].offset - batch.offset;
    int32_t(*row)[4] = (int32_t(*)[4])(f->batch + at_rows);
    int32_t *table = (int32_t *)(f->batch + at_table);
    int32_t *slot = memory_new(n * sizeof *slot);
    struct listed *listed = memory_new(n * sizeof *listed);
    size_t n_listed = 0;
    int64_t n_table = 0, low, high;
    enum status st = OK;
    for (size_t i = 0; st == OK && i < n; i++)
        st = kv_append(f->kv, rows[i].sequence, rows[i].position, &slot[i], err);
    for (size_t i = 0; st == OK && i < n; i++) {
        const struct forward_row *r = f->order[i];
        int32_t offset = 0;
        st = list_blocks(f, r->sequence, table, listed, &n_listed, &n_table, &offset, err);
        ids[i] = r->hidden ? 0 : r->token;
        row[i][0] = slot[r - rows];
        row[i][1] = r->position;
        row[i][2] = offset;
        row[i][3] = (int32_t)kv_blocks_until(f->kv, r->sequence, r->position);
    }
    if (st == OK)
        st = view_write(batch, 0, f->batch, at_table + (size_t)n_table * sizeof *table, err);
    const int32_t *stored = kv_stored(f->kv, &low, &high);
    if (st == OK && high > low)
        st = view_write(f->slot[SLOT_STORED], (size_t)low * sizeof *stored, stored + low,
                        (size_t)(high - low) * sizeof *stored, err);
    if (st == OK) kv_stored_clean(f->kv);
    free(listed);
    free(slot);
    return st;
}

static enum status write_hidden(struct forward *f, size_t n, struct error *err) {
    const size_t bytes = (size_t)f->plan->model->width * sizeof(float);
    enum status st = OK;
    for (size_t i = 0; st == OK && i < n; i++)
        if (f->order[i]->hidden)
            st = view_write(f->slot[SLOT_X], i * bytes, f->order[i]->hidden, bytes, err);
    return st;
}

static enum status read_hidden(struct forward *f, size_t n, struct error *err) {
    const size_t bytes = (size_t)f->plan->model->width * sizeof(float);
    enum status st = OK;
    for (size_t i = 0; st == OK && i < n; i++)
        if (f->order[i]->out)
            st = view_read(f->slot[SLOT_X], i * bytes, f->order[i]->out, bytes, err);
    return st;
}

/* Ids of the largest logits of the first n rows of the head's slot. */
static enum status read_best(struct forward *f, size_t from, size_t n, struct error *err) {
    static const struct place places[] = {{.slot = SLOT_LOGITS}, {.slot = SLOT_BEST}};
    struct view operands[OPERANDS] = {f->slot[SLOT_LOGITS], f->slot[SLOT_BEST]};
    struct served *served;
    int32_t best[HEAD_ROWS];
    enum status st = route_serve(f->best, (int64_t)n, &served, err);
    if (st == OK) st = run_served(f, served, places, operands, err);
    if (st == OK) st = view_read(f->slot[SLOT_BEST], 0, best, n * sizeof *best, err);
    for (size_t i = 0; st == OK && i < n; i++) f->order[from + i]->best = best[i];
    return st;
}

static enum status read_logits(struct forward *f, size_t from, size_t n, size_t first,
                               struct error *err) {
    const size_t bytes = f->plan->row_bytes[SLOT_LOGITS];
    enum status st = OK;
    for (size_t i = first; st == OK && i < n; i++)
        st = view_read(f->slot[SLOT_LOGITS], i * bytes, f->order[from + i]->logits, bytes, err);
    return st;
}

/* The head on rows [from, from + n), of which the first n_best want ids. */
static enum status run_head(struct forward *f, size_t from, size_t n, size_t n_best,
                            struct error *err) {
    enum status st = OK;
    for (size_t i = f->plan->head; st == OK && i < f->plan->n_steps; i++)
        st = run_step(f, i, (int64_t)from, (int64_t)n, err);
    if (st == OK && n_best) st = read_best(f, from, n_best, err);
    return st == OK ? read_logits(f, from, n, n_best, err) : st;
}

static enum status run_batch(struct forward *f, struct forward_row *rows, size_t n,
                             struct error *err) {
    size_t count[WANT_LOGITS + 1];
    sort_rows(f, rows, n, count);
    enum status st = write_batch(f, rows, n, err);
    size_t step = 0;
    if (st == OK && f->plan->is_first) st = run_step(f, step++, 0, (int64_t)n, err);
    if (st == OK) st = write_hidden(f, n, err);
    for (; st == OK && step < f->plan->head; step++) st = run_step(f, step, 0, (int64_t)n, err);
    if (st == OK && !f->plan->is_last) return read_hidden(f, n, err);
    for (size_t from = count[WANT_NOTHING]; st == OK && from < n;) {
        const size_t some = n - from < HEAD_ROWS ? n - from : HEAD_ROWS;
        const size_t best_end = count[WANT_NOTHING] + count[WANT_BEST];
        const size_t n_best = from >= best_end         ? 0
                              : best_end - from < some ? best_end - from
                                                       : some;
        st = run_head(f, from, some, n_best, err);
        from += some;
    }
    return st == OK ? device_finish(f->device, err) : st;
}

enum status forward_run(struct forward *f, struct forward_row *rows, size_t n, struct error *err) {
    assert(n >= 1 && n <= (size_t)f->options.max_rows);
    enum status st = OK;
    for (size_t i = 0; st == OK && i < n; i++) st = check_row(f, &rows[i], err);
    if (st != OK) return st;
    st = run_batch(f, rows, n, err);
    if (st != OK) undo(f, rows, n);
    routes_rest(f->routes);
    return st;
}

/* ---- facts ---- */

enum status forward_prepare(struct forward *f, struct forward_facts *facts, struct error *err) {
    enum status st = OK;
    *facts = (struct forward_facts){
        .weight_bytes = f->packed.bytes,
        .kv_bytes =
            kv_bytes(&(struct kv_shape){f->options.plan.last_layer - f->options.plan.first_layer,
                                        f->plan->model->n_kv_heads, f->plan->model->head_size,
                                        f->options.plan.kv_is_f32},
                     kv_slots(f->kv)),
        .activation_bytes = (int64_t)(arena_bytes(f->activations) + arena_bytes(f->vectors)),
        .operations = (int)f->plan->n_steps,
    };
    for (size_t i = 0; st == OK && i < f->plan->n_steps; i++) {
        struct served *served;
        st = route_serve(f->bound[i].route, 1, &served, err);
        if (st != OK) {
            fail_while(err, "operation %s", f->plan->steps[i].name);
            break;
        }
        const bool is_matrix = step_is_matrix(&f->plan->steps[i]);
        facts->tuned_operations += served->is_tuned;
        facts->matrices += is_matrix;
        facts->tuned_matrices += is_matrix && served->is_tuned;
    }
    routes_rest(f->routes);
    return st;
}

const struct served *forward_furthest(const struct forward *f) {
    const struct served *furthest = NULL;
    for (size_t i = 0; i < f->plan->n_steps; i++) {
        const struct served *one =
            step_is_matrix(&f->plan->steps[i]) ? route_furthest(f->bound[i].route) : NULL;
        if (one && (!furthest || served_beyond(one) > served_beyond(furthest))) furthest = one;
    }
    return furthest;
}

/* How the operation's route is served; count is the caller's affair. */
static enum status describe(const struct forward *f, size_t i, struct engine_operation *out,
                            struct error *err) {
    struct served *served;
    const enum status st = route_serve(f->bound[i].route, 1, &served, err);
    if (st != OK) return fail_while(err, "operation %s", f->plan->steps[i].name);
    const struct problem *problem = &served->problem;
    *out = (struct engine_operation){0};
    snprintf(out->name, sizeof out->name, "%s", f->plan->steps[i].name);
    snprintf(out->family, sizeof out->family, "%s", problem->family->name);
    snprintf(out->class_name, sizeof out->class_name, "%s", class_names[problem->class]);
    snprintf(out->layout, sizeof out->layout, "%s", problem->layout->name);
    snprintf(out->rule, sizeof out->rule, "%s", served->rule);
    snprintf(out->variant, sizeof out->variant, "%s", served->config.variant->name);
    problem_format(problem, out->problem);
    config_format(&served->config, out->config);
    return OK;
}

enum status forward_operations(const struct forward *f, struct engine_operation **list, size_t *n,
                               struct error *err) {
    enum status st = OK;
    *list = memory_new(f->plan->n_steps * sizeof **list);
    *n = 0;
    for (size_t i = 0; st == OK && i < f->plan->n_steps; i++) {
        size_t first = 0;
        while (f->bound[first].route != f->bound[i].route) first++;
        if (first < i) continue;
        struct engine_operation *operation = &(*list)[*n];
        st = describe(f, i, operation, err);
        if (st != OK) break;
        for (size_t j = i; j < f->plan->n_steps; j++)
            operation->count += f->bound[j].route == f->bound[i].route;
        ++*n;
    }
    return st;
}
