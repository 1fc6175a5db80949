/* check.h: right before fast. One configuration on one problem against the reference; tuner, tests
 * and engine call it.
 *
 * Two gates (constants in check.c, changed only with a derivation):
 *   per element   |y − ref| ≤ c·u·Σ|w·x|,  u = 2⁻²⁴, c = 4·√K (f32, f32x3, i8) or 16·√K (tf32, f16)
 *   as a whole    NMSE ≤ 1e-11 (f32), ≤ 1e-10 (others)
 * The reference is plain C with fp64 sums on the class's own inputs. Inputs are random with a few
 * large columns. Outputs are NaN-poisoned before each run, with guard zones on both sides. */
#pragma once
#include "kernels/op.h"

enum { GUARD_BYTES = 4096 };

/* What was found. A verdict is a pass when `failed` is "". */
struct verdict {
    double nmse;                     /* Σ(y−ref)² / Σref² over all judged elements */
    double worst;                    /* largest |y−ref| / bound; ≤ 1 passes */
    int64_t judged;                  /* elements compared one by one */
    double sum_error, sum_reference; /* numerator and denominator of nmse */
    char failed[300];                /* "" or which gate, where, numbers */
};

/* One problem with its inputs, on a device. Host memory of an operand is what the family's fill made. */
struct check_case {
    struct device *device;
    struct problem problem;
    uint64_t seed;
    unsigned char
        *host[OPERANDS]; /* inputs as filled; OUT and INOUT as read back after check_run */
    unsigned char *before[OPERANDS]; /* INOUT only: as filled, what every check_run starts from */
    size_t bytes[OPERANDS];          /* 0: absent, host is NULL */
    int n_copies;            /* copies of the weights operand on the device, for cold timing */
    struct arena **arenas;   /* all that the operands lie in */
    struct arena_pool *pool; /* whence they come; NULL: from the device */
    size_t n_arenas;
    struct view *view;    /* [copy][operand]: only weights differ between copies */
    struct image **image; /* [copy][operand]; where a configuration asks; made on demand */
    struct view scratch;
    struct arena *scratch_arena;
    struct phase phase;              /* all copies in one launch; copies 0: not set up yet */
    void *reference;                 /* the family's own cache, freed by free() … */
    void (*reference_close)(void *); /* … or by this when not NULL */
    int *reference_users;            /* cases that share it; NULL: this one alone */
};

/* NOMEM, with the sizes, when one copy of the operands is more than the device holds, or one of them more
 * than it gives in a piece. Where the device is the CPU, the host's copy takes of the same memory. */
enum status check_fits(const struct device *device, const struct problem *problem,
                       struct error *err);
/* Fill inputs, put them on the device, n_copies of the weights (at least 1). NOMEM when they do not fit. */
enum status check_open(struct device *device, const struct problem *problem, uint64_t seed,
                       int n_copies, struct check_case **out, struct error *err);
/* The same with arenas of the device's pool, which outlives the case; check_close gives them back. NULL: without. */
enum status check_open_in(struct arena_pool *pool, struct device *device,
                          const struct problem *problem, uint64_t seed, int n_copies,
                          struct check_case **out, struct error *err);
void check_close(struct check_case *c); /* NULL is fine */
/* c judges with what `other` found out already, if it has found anything: they differ in nothing but the layout,
 * which no reference depends on. */
void check_share(struct check_case *c, struct check_case *other);

/* Poison outputs, restore INOUT operands, run once on copy 0, read back, look at guards, judge.
 * whole: every element (of long attention as many rows as take some seconds); else every element where that is
 * cheap, else whole rows, first and last among them, and random projections of all elements. WRONG with the
 * sentence when a gate fails. */
enum status check_run(struct check_case *c, struct op *op, bool whole, struct verdict *verdict,
                      struct error *err);
/* The two halves of that, for who wants to know what each takes: run and wait; read back, look, judge. */
enum status check_launch(struct check_case *c, struct op *op, struct error *err);
enum status check_judge(struct check_case *c, struct op *op, bool whole, struct verdict *verdict,
                        struct error *err);
/* Enqueue one run on copy i mod n_copies, for timing. */
enum status check_enqueue(struct check_case *c, struct op *op, int i, struct error *err);
/* Enqueue one phase (op.h) over the copies that lie in one arena; *copies: how many. */
enum status check_enqueue_phase(struct check_case *c, struct op *op, int *copies,
                                struct error *err);
/* Judge the outputs that the last (timed) runs wrote, without running again: check_run leaves the
 * outputs poisoned, so they must have written everything. A family with INOUT operands is restored and
 * run once more, because every run changed its inputs. */
enum status check_after(struct check_case *c, struct op *op, struct verdict *verdict,
                        struct error *err);

/* A small ragged relative of the problem: same weights, class, layout, choices; sizes cut down and not
 * multiples of any tile. */
void check_ragged(const struct problem *problem, struct problem *small);
/* One of so many parts of the rows of W, all else the same: what a run of the whole takes can be told from it.
 * False: the problem has no rows, or too few that a part could stand for all. */
bool check_part(const struct problem *problem, int parts, struct problem *part);

/* For the families' judge functions: compare one element. Records the first failure. terms = K. */
void verdict_element(struct verdict *v, enum class_id class, int64_t terms, double y,
                     double reference, double magnitude, int64_t row, int64_t column);
/* The same for a projection: Σ r[m]·y[m] with random signs r. energy = Σ y[m]², its square on average over
 * the signs, takes the reference's place in the NMSE: a projection may be near 0 by chance. */
void verdict_projection(struct verdict *v, enum class_id class, int64_t terms, double y,
                        double reference, double magnitude, double energy, int projection,
                        int64_t column);
/* One value against one whose bound is given; `what` and number say which: "y", 17. */
void verdict_value(struct verdict *v, double y, double reference, double bound, const char *what,
                   int64_t number);
/* Record what no gate sees, such as a value written where none belongs. The first failure stays. */
void verdict_fail(struct verdict *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* After the last element: computes nmse and applies its gate. */
void verdict_finish(struct verdict *v, enum class_id class);
void verdict_finish_within(struct verdict *v, double nmse); /* with a gate of that */

/* The class's own error against f32 on this problem (NMSE of the two references): 0 for f32, else what
 * the family's class_error says; UNSUPPORTED when it has none, or no variant does this class. */
enum status check_class_error(const struct problem *problem, uint64_t seed, double *nmse,
                              struct error *err);
