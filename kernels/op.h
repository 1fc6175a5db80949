/* op.h: a configuration made runnable. Built once per (configuration, compile-time part of the
 * problem), run on any problem that shares those: the engine runs one op at N = 1, 2, 3 … */
#pragma once
#include "kernels/kernel.h"

struct op;

/* Build the program for this configuration and problem. BUILD, LAUNCH. The op holds its program; the
 * caller closes it. */
enum status op_open(struct device *device, const struct config *config,
                    const struct problem *problem, struct op **out, struct error *err);
void op_close(struct op *op); /* NULL is fine */
const struct config *op_config(const struct op *op);
int64_t op_build_ns(const struct op *op);
void op_keep(struct op *op); /* program_keep of its program: call after the first run */

/* Scratch that a run of this problem needs. */
size_t op_scratch_bytes(const struct op *op, const struct problem *problem);

/* Which operands this configuration reads as images: bit o for operand o. */
uint32_t op_images(const struct op *op, const struct problem *problem);
/* Bytes that an image of an operand of `bytes` covers: its texels, rows of IMAGE_WIDTH. The memory that
 * it is loaded from must reach so far (what lies there is never used). */
size_t op_image_bytes(size_t bytes);
/* The image for an operand of `bytes`, not loaded yet. */
enum status op_image_open(struct device *device, size_t bytes, struct image **out,
                          struct error *err);

/* Enqueue all stages. operands: one view per operand of the family, in order (arena NULL = absent).
 * images (NULL when op_images is 0): an image per operand where the configuration asks for one.
 * Weights must have been loaded into theirs; other operands are loaded here, from a view of at least
 * op_image_bytes. scratch: at least op_scratch_bytes. The problem must share the compile-time part
 * with the op's. */
enum status op_run(struct op *op, const struct problem *problem, const struct view *operands,
                   struct image *const *images, struct view scratch, struct error *err);

/* ---- phases ----
 *
 * As a phase of a larger kernel an operation costs no launch: work-groups that all run at once take their
 * shares of one copy of the weights after another, and meet in between. */

/* Does this configuration run as a phase here (the variant has one, one stage, no image, FEATURE_grid_barrier)? */
bool op_has_phase(const struct device *device, const struct config *config,
                  const struct problem *problem);
/* As op_open, with the phase's kernel alone; only op_run_phase runs it. */
enum status op_open_phase(struct device *device, const struct config *config,
                          const struct problem *problem, struct op **out, struct error *err);
struct phase {
    int copies;          /* of the weights, the first where operands say */
    size_t stride;       /* bytes from one to the next, a multiple of VIEW_ALIGN */
    struct view meeting; /* 4 bytes; 0 before the first phase that uses it */
    uint32_t met;        /* meetings so far; updated */
};
/* Enqueue one launch over all copies; operands as op_run's. */
enum status op_run_phase(struct op *op, const struct problem *problem, const struct view *operands,
                         struct phase *phase, struct error *err);

/* How a configuration is compiled; the caller frees. The same with the source, includes resolved. */
char *op_options(const struct config *config, const struct problem *problem);
enum status op_source(const struct config *config, const struct problem *problem, char **source,
                      char **options, struct error *err);
