/* plan.h: what running a model takes, as a table of operations: problem by problem, operand by operand,
 * without a device. A stage (stage.h) binds a plan to a device; tuning lists a plan's problems.
 *
 * One layer, all choices fused; brackets say what an operation is for the residual stream X:
 *
 *     X, R ─ rmsnorm (X += R) ─ H ─ matmul QKV ─ attention (rotates, writes K and V) ─ O ─ matmul ─ R
 *     X, R ─ rmsnorm (X += R) ─ H ─ matmul gate+up ─ GU ─ swiglu ─ A ─ matmul down ─ R
 *
 * Every operation is a family's problem at N = 1; N is set when it runs. Operations of the head (the last
 * norm, the output matrix) run on the rows that want an answer only, which stand last in a batch. */
#pragma once
#include "kernels/kernel.h"
#include "runtime/model.h"

/* Fused or not: each is a choice against operations of their own. */
#define PLAN_CHOICE_MAP(XX)                                                                        \
    XX(qkv, "Q, K, V in one multiplication")                                                       \
    XX(ffn, "gate and up in one multiplication")                                                   \
    XX(norm, "residual and norm in one kernel")                                                    \
    XX(rope, "RoPE, KV write and attention in one kernel")
struct plan_choice {
#define XX(name, meaning) bool name;
    PLAN_CHOICE_MAP(XX)
#undef XX
};
struct plan_choice plan_choice_fused(void);
/* "qkv=1,ffn=1,norm=1,rope=0"; what is not named is fused. INVALID lists the names. */
enum status plan_choice_parse(const char *text, struct plan_choice *choice, struct error *err);
void plan_choice_format(const struct plan_choice *choice, char text[64]);

/* Where an operand lies. Rows of a batch lie in one slot, one after the other, row_bytes apart. */
enum slot {
    SLOT_NONE,
    SLOT_IDS,
    SLOT_ROWS,
    SLOT_TABLE,
    SLOT_STORED,
    SLOT_ROTARY, /* a batch, see kernels/README.md */
    SLOT_X,      /* residual stream, f32 */
    SLOT_R,      /* what the next norm adds to it, f32 */
    SLOT_H,
    SLOT_HQ, /* normed: f32; class-i8 blocks */
    SLOT_QKV,
    SLOT_O,
    SLOT_OQ, /* of attention: f32; blocks */
    SLOT_GU,
    SLOT_A,
    SLOT_AQ, /* of swiglu: f32; blocks */
    SLOT_LOGITS,
    SLOT_BEST,
    SLOT_KEYS,
    SLOT_VALUES, /* index: layer of the stage */
    SLOT_MATRIX,
    SLOT_VECTOR, /* index: of the plan's matrices, vectors */
    SLOTS
};
struct place {
    enum slot slot;
    int index;
    size_t offset;    /* bytes from the slot's start: a column of every row */
    size_t row_bytes; /* 0: not by row */
};

struct step {
    char name[48];          /* "blk.3.qkv" */
    struct problem problem; /* n = 1 */
    struct place operand[OPERANDS];
    bool is_head; /* runs on the rows that want an answer */
};

struct plan_matrix {
    char name[48];
    const struct matrix *matrix; /* of the model, or the stack's */
    struct matrix_stack stack;
    const struct layout *layout;
};
struct plan_vector {
    const float *value;
    int64_t n;
};

/* Problems of attention stand for this many positions in the KV pool. */
enum { PLAN_KV_LENGTH = 512 };

struct plan_options {
    enum class_id class;
    struct plan_choice choice;
    int64_t first_layer, last_layer; /* [first, last) */
    bool kv_is_f32;
};
struct plan {
    const struct model *model;
    struct plan_options options;
    bool is_first, is_last; /* embeds tokens; ends with the output matrix */
    struct step *steps;
    size_t n_steps, head; /* steps[head …) are the head's; == n_steps when there is none */
    struct plan_matrix *matrices;
    size_t n_matrices;
    struct plan_vector *vectors;
    size_t n_vectors;
    size_t row_bytes[SLOTS]; /* the most that a row takes in a slot */
    struct problem best;     /* sample: the largest logit's id */
    float **joined;          /* biases of fused matrices, owned */
    size_t n_joined;
    char prefix[24]; /* of names, while the steps are added */
};

/* UNSUPPORTED: a file without weights. plan_open asks this, too. */
enum status plan_check_model(const struct model *model, struct error *err);
/* UNSUPPORTED: the model needs what no family does. Lives no longer than the model. */
enum status plan_open(const struct model *model, const struct plan_options *options,
                      struct plan **out, struct error *err);
void plan_close(struct plan *plan); /* NULL is fine */

/* It multiplies with a matrix of weights: what takes most of the time. */
bool step_is_matrix(const struct step *step);
/* One layout for a matrix, in every problem that reads it. */
void plan_set_layout(struct plan *plan, size_t matrix, const struct layout *layout);
/* The problem of the first step that multiplies with this matrix. */
const struct problem *plan_matrix_problem(const struct plan *plan, size_t matrix);
