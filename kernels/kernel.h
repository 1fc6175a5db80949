/* kernel.h: what a problem is, what a kernel is, and what a configuration is.
 *
 * A family is a problem (matmul, attention …): fields, operands, reference, cost. A variant is a kernel
 * for it with a space of its own: parameters, constraints, geometry. One description feeds the tuner,
 * the tests, the engine, the plots and --help. Keys are text: "m=12288,k=4096,n=32,w=q4:128",
 * class "f32", layout "panel32", variant "tiled", configuration "VW=16,TM=2,TN=12". */
#pragma once
#include "device/program.h"
#include "kernels/layouts.h"
#include "kernels/weights.h"

/* ---- numeric classes: activations × accumulation ---- */

enum class_id { CLASS_F32, CLASS_F32X3, CLASS_TF32, CLASS_F16, CLASS_I8, CLASSES };
extern const char *const class_names[CLASSES]; /* "f32", "f32x3", "tf32", "f16", "i8" */
int class_find(const char *name);              /* −1: unknown */
bool class_has_kernels(enum class_id class);   /* some variant multiplies matrices in it */
void class_list(char text[64]);                /* those that have, "f32, i8" */

/* ---- problems ---- */

enum { PROBLEM_FIELDS = 10, OPERANDS = 10, PARAMS = 20, STAGES = 3, VARIANTS = 8 };

enum field_kind { FIELD_SIZE, FIELD_WEIGHT, FIELD_CHOICE };
enum field_use {
    USE_ARGUMENT = 1, /* an int argument of the kernel, in the order of the fields */
    USE_DEFINE = 2,   /* -DNAME=value at compile time (name in upper case; weights: see source.h) */
    USE_HIDDEN = 4,   /* not part of the text form (a stride, an epsilon's bits) */
};
struct field {
    const char *name, *meaning;
    enum field_kind kind;
    int use;
    int64_t low, high;   /* FIELD_SIZE: allowed range */
    int64_t fallback;    /* when the text does not name it; −1: must be named */
    const char *choices; /* FIELD_CHOICE: "none,bias,residual" */
};

struct family;
struct problem {
    const struct family *family;
    int64_t value[PROBLEM_FIELDS]; /* in the order of family->fields */
    enum class_id class;
    const struct layout *layout; /* &layouts[LAYOUT_rows] where the family has no weights */
};

/* A slice is a name people use for a part of a family: gemv_q4 = matmul with n = 1 and w = q4:128. */
struct slice {
    const char *name, *family;
    const char *weight; /* stem of the weight type, "" = any (other families) */
    int64_t n_low, n_high;
    const char *summary;
};
extern const struct slice slices[]; /* ended by a NULL name; each family is a slice too */
const struct slice *slice_find(const char *name);
const struct slice *slice_of(const struct problem *problem);

/* Parse "m=…,k=…,n=32,w=q4:128" for a slice (its weight is the fallback of w). INVALID names the
 * text, the field, and the fields that the family has. Class f32 and the first of family_layouts are set. */
enum status problem_parse(const struct slice *slice, const char *text, struct problem *problem,
                          struct error *err);
/* The same with lists and ranges, "n=1,2,4", "n=1..8", "n=1..1024*2", "n=16..64+16"; problems that
 * the slice does not hold (gemv with n = 2) are left out. The caller frees *list. At most 4096. */
enum status problem_expand(const struct slice *slice, const char *text, struct problem **list,
                           size_t *n, struct error *err);
void problem_format(const struct problem *problem, char text[160]); /* without class and layout */
/* By what records name the layout that was chosen for a matrix, for all its n together (a fact of kind "plan"); the
 * caller frees. */
char *problem_layout_key(const struct problem *problem);
int64_t problem_get(const struct problem *problem, const char *field); /* asserts that it exists */
bool problem_has(const struct problem *problem, const char *field);
void problem_set(struct problem *problem, const char *field, int64_t value);
bool problem_equal(const struct problem *a, const struct problem *b); /* class and layout too */
/* Does one program of a configuration run both? They differ at most in sizes that are arguments. */
bool problem_shares_program(const struct problem *a, const struct problem *b);

/* ---- configurations ---- */

struct param_value {
    int value;
    const char *name; /* NULL: the number itself */
    int needs;        /* a feature, or FEATURE_NONE */
};
struct param {
    const char *name, *meaning;
    const struct param_value *values; /* at least one; in sensible order (neighbours are near) */
    int n_values;
};
/* Values are indexed by the variant's own enum of parameters (same order as params). */
struct constraint {
    const char *text; /* "WG % LANES == 0" */
    uint32_t reads;   /* bit p = reads parameter p; enumeration prunes at the last of them */
    bool (*holds)(const int *value, const struct problem *problem);
    bool is_thrift; /* keeps out waste only: without it the kernel is slow, never wrong */
};

struct variant;
struct config {
    const struct variant *variant;
    int value[PARAMS];
};

/* Parse "VW=16,TM=2" for a variant; parameters that the text does not name are the variant's fallback's.
 * INVALID names the variant, parameter or value that does not exist, and those that do. */
enum status config_parse(const struct family *family, const char *variant, const char *text,
                         struct config *config, struct error *err);
/* Give a configuration the values that a text names; INVALID as above, pairs before the faulty one taken. */
enum status config_change(struct config *config, const char *text, struct error *err);
void config_format(const struct config *config, char text[400]);
bool config_equal(const struct config *a, const struct config *b);
uint64_t config_hash(const struct config *config);
/* Features, constraints, device limits (work-group, local memory, image size), and acceptance.
 * false with the reason in why (may be NULL). */
bool config_valid(const struct config *config, const struct problem *problem,
                  const struct device *device, char why[200]);
/* The last part of that alone, for a configuration whose values, constraints and acceptance are known to be
 * good: the limits of the device (NULL: none). */
bool config_fits(const struct config *config, const struct problem *problem,
                 const struct device *device);
/* All of it without the constraints of thrift: may a kernel that was chosen for another size run here? */
bool config_runs(const struct config *config, const struct problem *problem,
                 const struct device *device, char why[200]);

/* ---- variants ---- */

/* An operand that is read as an image is its bytes as 16-byte uint4 texels, folded into rows of
 * IMAGE_WIDTH; weights are copied into the image once, other operands before every run (timed). */
enum { IMAGE_WIDTH = 4096 };

/* What one run of a problem does: up to STAGES launches of entry points of one program, in order. All
 * take the same arguments: the operands in order, the scratch view, then the USE_ARGUMENT fields. */
struct geometry {
    int n_stages;
    struct stage {
        const char *entry;
        size_t global[3], local[3];
    } stage[STAGES];
    size_t scratch_bytes; /* device memory between stages */
    size_t local_bytes;   /* __local memory of the hungriest stage, for the limit check */
    uint32_t images;      /* bit o: operand o is passed as an image */
};

/* A configuration worth trying early on a kind of device, as somebody who knows the kernel would: a text
 * form; parameters that it does not name are the fallback's. One that is not valid for a problem or
 * lacks its feature is passed over. Only where the search starts, never what it finds. */
struct hint {
    enum device_type device;
    const char *layout; /* NULL: any */
    const char *config;
};

/* A kernel that is none of this program's (own.h): its symbols bear no prefix, it knows no layouts and classes. */
struct own_kernel {
    const char *text; /* of the .cl */
    uint64_t key;     /* of what it is given, for the source key */
    uint64_t space;   /* of its values and conditions: what a search depends on */
    char *(*options)(const struct config *config, /* "-DTX=4 …"; the caller frees */
                     const struct problem *problem);
    /* In its order; at most OWN_ARGUMENTS. Returns how many. */
    size_t (*arguments)(const struct config *config, const struct problem *problem,
                        const struct view *operands, struct argument *out);
};
enum { OWN_ARGUMENTS = 20 };

struct variant {
    const char *name, *summary;
    const char *source;           /* "kernels/matmul/tiled.cl" */
    const struct own_kernel *own; /* NULL: one of ours; else it has no source */
    const struct param *params;
    int n_params;
    const struct constraint *constraints;
    int n_constraints;
    /* Does it do this problem at all: weight type, class, layout, shape, N range? */
    bool (*accepts)(const struct problem *problem);
    /* Geometry of a valid configuration. */
    void (*geometry)(const struct config *config, const struct problem *problem,
                     struct geometry *out);
    const struct hint *hints; /* best guess first; ended by a NULL config; NULL: none */
    /* A configuration that is valid on any OpenCL 1.2 device. */
    void (*fallback)(const struct problem *problem, struct config *out);
    bool embeds; /* its tile function may be part of a larger kernel */
    /* The kernel that runs many copies in one launch, compiled with -DPHASE (op.h, phases); NULL: none. It
     * does the configurations of one stage without images. */
    const char *phase;
};

/* The family's variant of that name; NULL: it has none. */
const struct variant *variant_find(const struct family *family, const char *name);
/* Key of everything that makes the kernel what it is: source with includes, comments and white space
 * stripped, and the C files with geometry, arguments and packer. */
void variant_source_key(const struct variant *variant, char text[17]);
/* The same by name, as records have it; "" when the family has no such variant. Returns text. Those of families[]
 * are made once, as is the next. */
const char *family_source_key(const struct family *family, const char *variant, char text[17]);
/* One key for all kernels of a family; of one's own with what their spaces hold. */
void family_key(const struct family *family, char text[17]);

/* ---- families ---- */

enum operand_role { OPERAND_IN, OPERAND_OUT, OPERAND_INOUT, OPERAND_WEIGHTS };
struct operand {
    const char *name, *shape;
    enum operand_role role;
    size_t (*bytes)(const struct problem *problem); /* 0: absent in this problem, NULL is passed */
};

struct cost {
    double bytes;      /* canonical: weights as the format needs them, inputs, outputs */
    double operations; /* multiply and add counted as two */
    bool integer;      /* class i8: compare with the integer ceiling */
};

struct check_case;
struct verdict;
struct family {
    const char *name, *summary;
    const struct field *fields;
    int n_fields;
    const struct operand *operands;
    int n_operands;
    const struct variant *const
        *variants; /* ended by NULL; [0] holds the defaults where it accepts */
    void (*cost)(const struct problem *problem, struct cost *out);
    /* Fill the host memory of every operand (inputs; INOUT too) from the seed; hostile on purpose. */
    enum status (*fill)(const struct problem *problem, uint64_t seed, struct check_case *c,
                        struct error *err);
    /* Compare the outputs in the case's host memory with the fp64 reference on the class's own
     * inputs; see check.h for the gates. */
    enum status (*judge)(const struct problem *problem, struct check_case *c, bool whole,
                         struct verdict *verdict, struct error *err);
    const char *const *examples; /* problems that tests run: text forms with class and layout, e.g.
                                      "m=172,k=64,n=3,w=f32 f32 panel16"; without them all that
                                      some variant accepts; ended by NULL */
    /* Does judge look at every element, whole or not? Then no ragged relative is checked before. */
    bool judges_all;
    /* Is right what agrees with the default configuration? Then nothing is, unless that runs. */
    bool is_relative;
    /* NMSE of the class's own reference against the f32 one; NAN without memory; NULL: no other class. */
    double (*class_error)(const struct problem *problem, uint64_t seed);
};

extern const struct family *const families[]; /* ended by NULL */
const struct family *family_find(const char *name);
/* One more family that family_find knows, of a kernel that is none of this program's; NULL: no more. It is no
 * member of families[], and outlives its use. */
void family_lend(const struct family *family);
const struct slice *family_lent(void); /* as a slice; NULL: none */

/* The default configuration for a problem: the first variant that accepts it, its fallback.
 * UNSUPPORTED when no variant accepts it. */
enum status family_default(const struct problem *problem, struct config *out, struct error *err);
/* Layouts worth trying: those that some variant accepts for this problem, the one to take where nothing
 * is known first. Returns their number. */
size_t family_layouts(const struct problem *problem, const struct layout *out[LAYOUTS]);
