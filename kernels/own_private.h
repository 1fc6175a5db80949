/* own_private.h: what the files of one's own kernels share: own_make.c (making one), own.c (space, sizes), own_data.c (inputs, outputs). */
#pragma once
#include "kernels/check.h"
#include "kernels/hone_reference.h"
#include "kernels/own.h"

/* How a type's values are rounded, and what of it a kernel may be off: see own_data.c. */
enum own_kind { OWN_SIGNED, OWN_UNSIGNED, OWN_REAL };
struct own_type {
    const char *name;
    enum own_kind kind;
    size_t bytes;
    double relative, nmse;
};
/* The row of "float4", its lanes in *lanes; NULL: no such type. */
const struct own_type *own_type_find(const char *name, int *lanes);

enum own_memory { OWN_VECTOR, OWN_SCALAR, OWN_LOCAL_MEMORY };
struct own_argument {
    char *name, *type_name;
    const struct own_type *type;
    int lanes;
    enum own_memory memory;
    enum operand_role role; /* of a vector */
    bool is_random;
    uint64_t seed;
    struct expression *size, *value;
    int operand;               /* of a vector */
    double absolute, relative; /* NAN: by the type */
};

struct own {
    struct family family;
    struct variant variant;
    struct own_kernel kernel;
    const struct variant *variants[2];
    char *name, *family_name, *text;
    struct param params[PARAMS];
    struct param_value *values[PARAMS];
    struct value *numbers[PARAMS]; /* what expressions see of values */
    bool is_plain[PARAMS];         /* a value is its number, not its place */
    int usual[PARAMS];             /* value of the default configuration */
    int n_params;
    const char *names[PARAMS + 2]; /* of expressions: parameters, ProblemSize */
    struct constraint constraints[OWN_CONDITIONS + 1];
    char *condition_texts[OWN_CONDITIONS];
    struct expression *conditions[OWN_CONDITIONS];
    int n_conditions;
    uint32_t reads_of_sizes; /* parameters in sizes of the work and of local memory */
    struct expression *sizes[OWN_SIZES][OWN_AXES], *divisors[OWN_AXES][OWN_DIVISORS];
    int n_divisors[OWN_AXES];
    bool has_divisors[OWN_AXES];
    struct field fields[OWN_AXES];
    int64_t size[OWN_AXES];
    size_t n_size;
    char *options;
    struct own_argument arguments[OWN_ARGUMENTS];
    int n_arguments;
    struct operand operands[OPERANDS];
    int n_operands;
    char *reference; /* path; NULL: none */
    void *library;
    int (*reference_function)(struct hone_reference *call);
};

/* Work-items of an axis: beyond all devices. */
static const int64_t OWN_ITEMS_MOST = (int64_t)1 << 40;

struct own *own_of(const struct family *family);

/* Once all was said: the functions of the family, its operands and constraints. */
void own_describe(struct own *own);

/* What expressions see. */
struct own_scope {
    struct value names[PARAMS + 1], size[OWN_AXES];
};
/* value NULL: the names of parameters are the lists of their values. */
void own_scope_open(const struct own *own, const int *value, const struct problem *problem,
                    struct own_scope *scope);
/* Elements of a vector, lanes counted one by one; bytes of local memory for this configuration. */
enum status own_elements(const struct own *own, const struct own_argument *argument,
                         const int *value, const struct problem *problem, size_t *n,
                         struct error *err);
/* The bits of a scalar. */
enum status own_scalar(const struct own *own, const struct own_argument *argument,
                       const struct problem *problem, uint64_t *bits, struct error *err);

/* own_data.c: the family's fill and judge. */
enum status own_fill(const struct problem *problem, uint64_t seed, struct check_case *c,
                     struct error *err);
enum status own_judge(const struct problem *problem, struct check_case *c, bool whole,
                      struct verdict *verdict, struct error *err);
