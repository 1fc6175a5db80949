/* op.c: see op.h. */
#include "kernels/op.h"
#include "base/str.h"
#include "kernels/source.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRY_TEXT = 96, TEXEL_BYTES = 16 };

struct op {
    struct device *device;
    struct config config;
    struct program *program;
    struct entry {
        const char *name; /* the variant's own text: compared by content */
        struct kernel *kernel;
    } entry[STAGES];
    int n_entries;
};

/* ---- build ---- */

char *op_options(const struct config *config, const struct problem *problem) {
    const struct own_kernel *own = config->variant->own;
    return own ? own->options(config, problem) : source_options(config, problem);
}

enum status op_source(const struct config *config, const struct problem *problem, char **source,
                      char **options, struct error *err) {
    const struct own_kernel *own = config->variant->own;
    enum status st = OK;
    if (own) *source = text_copy(own->text);
    else st = source_assemble(config->variant->source, source, err);
    *options = st == OK ? op_options(config, problem) : NULL;
    return st;
}

static struct kernel *entry_find(const struct op *op, const char *name) {
    for (int i = 0; i < op->n_entries; i++)
        if (!strcmp(op->entry[i].name, name)) return op->entry[i].kernel;
    return NULL;
}

/* The kernel of an entry point, looked up in the program the first time. */
static enum status op_entry(struct op *op, const char *name, struct kernel **out,
                            struct error *err) {
    *out = entry_find(op, name);
    if (*out) return OK;
    char symbol[ENTRY_TEXT];
    snprintf(symbol, sizeof symbol, "%s%s", op->config.variant->own ? "" : SOURCE_PREFIX, name);
    const enum status st = program_kernel(op->program, symbol, out, err);
    if (st == OK && op->n_entries < STAGES) op->entry[op->n_entries++] = (struct entry){name, *out};
    return st;
}

/* An op with its program, of which no kernel was looked at. */
static enum status op_build(struct device *device, const struct config *config,
                            const struct problem *problem, const char *more_options,
                            struct op **out, struct error *err) {
    char *source = NULL, *options = NULL;
    *out = memory_new(sizeof **out);
    **out = (struct op){.device = device, .config = *config};
    enum status st = op_source(config, problem, &source, &options, err);
    char *name = text_format("%s %s", problem->family->name, config->variant->name);
    char *all = text_format("%s%s", options ? options : "", more_options);
    if (st == OK) st = program_build(device, name, source, all, &(*out)->program, err);
    free(all);
    free(name);
    free(source);
    free(options);
    return st;
}

/* The op when all is well, else nothing. */
static enum status op_settle(struct op *op, enum status st, struct op **out) {
    *out = st == OK ? op : NULL;
    if (st != OK) op_close(op);
    return st;
}

enum status op_open(struct device *device, const struct config *config,
                    const struct problem *problem, struct op **out, struct error *err) {
    struct geometry geometry = {0};
    struct kernel *kernel;
    struct op *op;
    enum status st = op_build(device, config, problem, "", &op, err);
    if (st == OK) config->variant->geometry(config, problem, &geometry);
    for (int s = 0; st == OK && s < geometry.n_stages; s++)
        st = op_entry(op, geometry.stage[s].entry, &kernel, err);
    return op_settle(op, st, out);
}

void op_close(struct op *op) {
    if (!op) return;
    program_close(op->program);
    free(op);
}

const struct config *op_config(const struct op *op) {
    return &op->config;
}

int64_t op_build_ns(const struct op *op) {
    bool from_cache;
    return program_build_ns(op->program, &from_cache);
}

void op_keep(struct op *op) {
    program_keep(op->program);
}

/* ---- what a run needs ---- */

static struct geometry op_geometry(const struct op *op, const struct problem *problem) {
    struct geometry geometry = {0};
    op->config.variant->geometry(&op->config, problem, &geometry);
    return geometry;
}

size_t op_scratch_bytes(const struct op *op, const struct problem *problem) {
    return op_geometry(op, problem).scratch_bytes;
}

uint32_t op_images(const struct op *op, const struct problem *problem) {
    return op_geometry(op, problem).images;
}

/* Texels in whole rows of IMAGE_WIDTH. */
static size_t image_rows(size_t bytes) {
    const size_t texels = (bytes + TEXEL_BYTES - 1) / TEXEL_BYTES;
    return texels ? (texels + IMAGE_WIDTH - 1) / IMAGE_WIDTH : 1;
}

size_t op_image_bytes(size_t bytes) {
    return image_rows(bytes) * IMAGE_WIDTH * TEXEL_BYTES;
}

enum status op_image_open(struct device *device, size_t bytes, struct image **out,
                          struct error *err) {
    return image_open(device, TEXEL_UINT4, IMAGE_WIDTH, image_rows(bytes), out, err);
}

/* ---- run ---- */

enum { ARGUMENTS = OPERANDS + 1 + PROBLEM_FIELDS };
static_assert((int)ARGUMENTS >= (int)OWN_ARGUMENTS, "all arguments of a kernel have room");

/* Operands in order, scratch, then the int fields. Returns their number. */
static size_t collect_arguments(const struct problem *problem, uint32_t image_bits,
                                const struct view *operands, struct image *const *images,
                                struct view scratch, struct argument argument[ARGUMENTS]) {
    const struct family *family = problem->family;
    size_t n = 0;
    for (int o = 0; o < family->n_operands; o++) {
        if (image_bits >> o & 1)
            argument[n++] = (struct argument){.kind = ARGUMENT_IMAGE, .image = images[o]};
        else argument[n++] = (struct argument){.kind = ARGUMENT_VIEW, .view = operands[o]};
    }
    argument[n++] = (struct argument){.kind = ARGUMENT_VIEW, .view = scratch};
    for (int f = 0; f < family->n_fields; f++)
        if (family->fields[f].use & USE_ARGUMENT)
            argument[n++] =
                (struct argument){.kind = ARGUMENT_INT, .i = (int32_t)problem->value[f]};
    return n;
}

/* Operands that are read as images are copied into them before the stages; weights lie there already. */
static enum status load_images(const struct problem *problem, uint32_t image_bits,
                               const struct view *operands, struct image *const *images,
                               struct error *err) {
    for (int o = 0; o < problem->family->n_operands; o++) {
        if (!(image_bits >> o & 1) || problem->family->operands[o].role == OPERAND_WEIGHTS)
            continue;
        const enum status st = image_load(images[o], operands[o], err);
        if (st != OK) return st;
    }
    return OK;
}

enum status op_run(struct op *op, const struct problem *problem, const struct view *operands,
                   struct image *const *images, struct view scratch, struct error *err) {
    struct argument argument[ARGUMENTS];
    const struct geometry geometry = op_geometry(op, problem);
    assert(!geometry.images || images);
    assert(scratch.bytes >= geometry.scratch_bytes);
    enum status st = load_images(problem, geometry.images, operands, images, err);
    const struct own_kernel *own = op->config.variant->own;
    const size_t n =
        own ? own->arguments(&op->config, problem, operands, argument)
            : collect_arguments(problem, geometry.images, operands, images, scratch, argument);
    for (int s = 0; st == OK && s < geometry.n_stages; s++) {
        const struct stage *stage = &geometry.stage[s];
        struct launch launch;
        st = op_entry(op, stage->entry, &launch.kernel, err);
        if (st != OK) break;
        memcpy(launch.global, stage->global, sizeof launch.global);
        memcpy(launch.local, stage->local, sizeof launch.local);
        st = kernel_set(launch.kernel, argument, n, err);
        if (st == OK) st = launch_enqueue(op->device, &launch, err);
    }
    return st;
}

/* ---- phases ---- */

bool op_has_phase(const struct device *device, const struct config *config,
                  const struct problem *problem) {
    struct geometry geometry = {0};
    config->variant->geometry(config, problem, &geometry);
    return config->variant->phase && geometry.n_stages == 1 && !geometry.images &&
           device_has(device, FEATURE_grid_barrier);
}

enum status op_open_phase(struct device *device, const struct config *config,
                          const struct problem *problem, struct op **out, struct error *err) {
    struct kernel *kernel;
    struct op *op;
    enum status st = op_build(device, config, problem, " -DPHASE=1", &op, err);
    if (st == OK) st = op_entry(op, config->variant->phase, &kernel, err);
    return op_settle(op, st, out);
}

enum status op_run_phase(struct op *op, const struct problem *problem, const struct view *operands,
                         struct phase *phase, struct error *err) {
    enum { MORE = 4 };
    struct argument argument[ARGUMENTS + MORE];
    const struct geometry geometry = op_geometry(op, problem);
    const size_t groups = (size_t)device_describe(op->device)->compute_units;
    struct launch launch = {0};
    enum status st = op_entry(op, op->config.variant->phase, &launch.kernel, err);
    size_t n = collect_arguments(problem, 0, operands, NULL, (struct view){0}, argument);
    argument[n++] = (struct argument){.kind = ARGUMENT_INT, .i = phase->copies};
    argument[n++] =
        (struct argument){.kind = ARGUMENT_INT, .i = (int32_t)(phase->stride / VIEW_ALIGN)};
    argument[n++] = (struct argument){.kind = ARGUMENT_VIEW, .view = phase->meeting};
    argument[n++] = (struct argument){.kind = ARGUMENT_INT, .i = (int32_t)phase->met};
    memcpy(launch.local, geometry.stage[0].local, sizeof launch.local);
    memcpy(launch.global, launch.local, sizeof launch.global);
    launch.global[0] *= groups;
    if (st == OK) st = kernel_set(launch.kernel, argument, n, err);
    if (st == OK) st = launch_enqueue(op->device, &launch, err);
    phase->met += (uint32_t)phase->copies;
    return st;
}
