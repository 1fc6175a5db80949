/* own.h: a kernel of somebody's own as a family with one variant, made at run time from what a T1 file says of it
 * (tuner/t1_read.h reads those): parameters and conditions as expressions, work sizes, arguments. Space, op, check and
 * session then treat it like any other.
 *
 *     family   "source:NAME"; its problem is the file's ProblemSize, as x, y, z
 *     inputs   as the file says, constant or random
 *     outputs  compared with those of a function of a library (hone_reference.h), else with those of the default
 *              configuration
 *
 * Everything in such a file is hostile: sizes and values are expressions that may fail. */
#pragma once
#include "base/expression.h"
#include "kernels/kernel.h"

enum { OWN_AXES = 3, OWN_CONDITIONS = 30, OWN_DIVISORS = 8 };

struct own;
/* A kernel of that name in this text; both copied. INVALID when the name is no name of C's. */
enum status own_open(const char *name, const char *text, struct own **out, struct error *err);
void own_close(struct own *own); /* NULL is fine */

/* What it is, in this order; INVALID and UNSUPPORTED say what is wrong with it, and where. */
enum status own_add_param(struct own *own, const char *name, const struct value *values,
                          const struct value *usual, struct error *err); /* usual NULL: the first */
/* ProblemSize: at most OWN_AXES. */
enum status own_set_problem(struct own *own, const int64_t *size, size_t n, struct error *err);
enum status own_add_condition(struct own *own, const char *text, struct error *err);
/* How many work-items an axis has: as a text that counts items (rounded up to whole groups) or groups. */
enum own_size { OWN_LOCAL, OWN_ITEMS, OWN_GROUPS, OWN_SIZES };
enum status own_set_size(struct own *own, enum own_size what, int axis, const char *text,
                         struct error *err);
/* Kernel Tuner's way: the groups of an axis are ProblemSize over the product of its divisors, rounded up. Without
 * any it is ProblemSize; axes for which it was never called have a size or 1. */
enum status own_add_divisor(struct own *own, int axis, const char *text, struct error *err);
/* An option of the compiler: -D… and -cl-… are taken; INVALID for others. */
enum status own_add_option(struct own *own, const char *text, struct error *err);
/* An argument as a T1 file has it. size and value may be expressions: in the size of a vector the name of a parameter
 * is the list of its values, in that of local memory the value at hand. */
struct own_argument_text {
    const char *name, *type, *memory, *access, *fill, *size, *value;
    int64_t seed;
};
enum status own_add_argument(struct own *own, const struct own_argument_text *text,
                             struct error *err);
/* How far the elements of an output may be off, as hone_reference.h; not called: by its type. */
enum status own_set_tolerance(struct own *own, const char *argument, double absolute,
                              double relative, struct error *err);
/* The library with the reference, loaded before its first use. IO when it cannot be read. */
enum status own_set_reference(struct own *own, const char *path, struct error *err);
/* All was said: makes the family, and looks whether it can be: some output, configurations whose text has room. */
enum status own_finish(struct own *own, struct error *err);

/* Of a finished one; lives as long as it. */
const struct family *own_family(const struct own *own);
bool own_has_reference(const struct own *own);
/* Can this problem be: do all sizes have a value? */
enum status own_check_problem(const struct problem *problem, struct error *err);
