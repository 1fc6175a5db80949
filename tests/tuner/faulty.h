/* faulty.h: a family whose kernels are right, wrong, slow, hanging, crashing or do not compile, and a
 * registry that holds only it. A test program that includes this is its own worker: HONE_PROGRAM is
 * the program itself.
 *
 *     for (i < m·n) Y[i] = 2·X[i] + 1
 *
 * The registry's functions and embedded_find are defined here, so that the library's own are not linked.
 * The family has the name of one that exists, because slices are found by name. */
#pragma once
#include "base/embedded.h"
#include "base/rng.h"
#include "kernels/check.h"
#include "tuner/builders.h"
#include "tuner/rival.h"
#include "tuner/worker.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KIND_RIGHT, KIND_SLOW, KIND_WRONG, KIND_NO_COMPILE, KIND_HANG, KIND_CRASH, KINDS };
enum { P_KIND, P_WG, P_FAULTY };

static const char faulty_source[] = "#ifndef KIND\n"
                                    "#define KIND 0\n"
                                    "#endif\n"
                                    "#ifndef WG\n"
                                    "#define WG 1\n"
                                    "#endif\n"
                                    "#include \"kernels/common.clh\"\n"
                                    "#if KIND == 3\n"
                                    "#error this one does not compile\n"
                                    "#endif\n"
                                    "__kernel void SYM(faulty_line)(OPERAND(const float, X), "
                                    "OPERAND(float, Y), OPERAND(float, scratch),\n"
                                    "                               int m, int n) {\n"
                                    "    VIEW(const float, X);\n"
                                    "    VIEW(float, Y);\n"
                                    "    const int i = get_global_id(0);\n"
                                    "    if (i >= m * n) return;\n"
                                    "    float y = 2.0f * X[i] + 1.0f;\n"
                                    "#if KIND == 1\n"
                                    "    volatile __global const float *again = X;\n"
                                    "    for (int j = 0; j < 500; j++) y += 0.0f * again[i];\n"
                                    "#elif KIND == 2\n"
                                    "    if (i == m * n / 2) y += 0.01f;\n"
                                    "#elif KIND == 4\n"
                                    "    volatile __global float *flag = Y;\n"
                                    "    while (flag[i] != 123.25f) flag[i] = 1.0f;\n"
                                    "#elif KIND == 5\n"
                                    "    *(volatile __global int *)0 = 1;\n"
                                    "#endif\n"
                                    "    Y[i] = y;\n"
                                    "}\n";

/* ---- the one file that is not the library's ---- */

const struct embedded *embedded_find(const char *path) {
    static const struct embedded faulty = {"tests/faulty.cl", faulty_source, 0x5eed};
    if (strcmp(path, faulty.path) == 0) return &faulty;
    for (const struct embedded *file = embedded_files; file->path; file++)
        if (strcmp(file->path, path) == 0) return file;
    return NULL;
}

/* ---- the family ---- */

static const struct param_value faulty_kinds[KINDS] = {
    {KIND_RIGHT, "right", FEATURE_NONE}, {KIND_SLOW, "slow", FEATURE_NONE},
    {KIND_WRONG, "wrong", FEATURE_NONE}, {KIND_NO_COMPILE, "no_compile", FEATURE_NONE},
    {KIND_HANG, "hang", FEATURE_NONE},   {KIND_CRASH, "crash", FEATURE_NONE},
};
static const struct param_value faulty_groups[] = {{1, NULL, FEATURE_NONE},
                                                   {2, NULL, FEATURE_NONE},
                                                   {4, NULL, FEATURE_NONE},
                                                   {8, NULL, FEATURE_NONE}};
static const struct param faulty_params[P_FAULTY] = {
    [P_KIND] = {"KIND", "what is wrong with it", faulty_kinds, KINDS},
    [P_WG] = {"WG", "work-group size", faulty_groups, 4},
};

static bool faulty_accepts(const struct problem *problem) {
    return problem->class == CLASS_F32;
}
static void faulty_geometry(const struct config *config, const struct problem *problem,
                            struct geometry *out) {
    size_t local = (size_t)config->value[P_WG];
    size_t items = (size_t)(problem->value[0] * problem->value[1]);
    *out = (struct geometry){.n_stages = 1};
    out->stage[0] =
        (struct stage){"faulty_line", {(items + local - 1) / local * local, 1, 1}, {local, 1, 1}};
}
static void faulty_fallback(const struct problem *problem, struct config *out);
static const struct variant faulty_variant = {
    .name = "line",
    .summary = "for tests",
    .source = "tests/faulty.cl",
    .params = faulty_params,
    .n_params = P_FAULTY,
    .accepts = faulty_accepts,
    .geometry = faulty_geometry,
    .fallback = faulty_fallback,
};
static void faulty_fallback(const struct problem *problem, struct config *out) {
    (void)problem;
    *out = (struct config){.variant = &faulty_variant, .value = {KIND_RIGHT, 1}};
}

static const struct field faulty_fields[] = {
    {.name = "m",
     .meaning = "values",
     .kind = FIELD_SIZE,
     .use = USE_ARGUMENT,
     .low = 1,
     .high = 1 << 24,
     .fallback = -1},
    {.name = "n",
     .meaning = "rows",
     .kind = FIELD_SIZE,
     .use = USE_ARGUMENT,
     .low = 1,
     .high = 1 << 24,
     .fallback = 1},
};
static size_t faulty_bytes(const struct problem *problem) {
    return (size_t)(problem->value[0] * problem->value[1]) * sizeof(float);
}
static const struct operand faulty_operands[] = {
    {"X", "[n][m] f32", OPERAND_IN, faulty_bytes},
    {"Y", "[n][m] f32", OPERAND_OUT, faulty_bytes},
};
static void faulty_cost(const struct problem *problem, struct cost *out) {
    *out = (struct cost){.bytes = 2.0 * (double)faulty_bytes(problem),
                         .operations = 0.5 * (double)faulty_bytes(problem)};
}
static enum status faulty_fill(const struct problem *problem, uint64_t seed, struct check_case *c,
                               struct error *err) {
    struct rng rng = rng_seed(seed);
    (void)err;
    for (size_t i = 0; i < faulty_bytes(problem) / sizeof(float); i++)
        ((float *)c->host[0])[i] = (float)rng_uniform(&rng) - 0.5f;
    return OK;
}
static enum status faulty_judge(const struct problem *problem, struct check_case *c, bool whole,
                                struct verdict *verdict, struct error *err) {
    (void)whole;
    (void)err;
    const float *x = (const float *)c->host[0], *y = (const float *)c->host[1];
    for (int64_t i = 0; i < problem->value[0] * problem->value[1]; i++)
        verdict_element(verdict, CLASS_F32, 2, y[i], 2.0 * x[i] + 1.0, 2.0 * fabs(x[i]) + 1.0, i,
                        0);
    verdict_finish(verdict, CLASS_F32);
    return OK;
}
static const struct variant *const faulty_variants[] = {&faulty_variant, NULL};
static const struct family faulty_family = {
    .name = "sample",
    .summary = "for tests",
    .fields = faulty_fields,
    .n_fields = 2,
    .operands = faulty_operands,
    .n_operands = 2,
    .variants = faulty_variants,
    .cost = faulty_cost,
    .fill = faulty_fill,
    .judge = faulty_judge,
};

/* ---- the registry ---- */

const struct family *const families[] = {&faulty_family, NULL};

const struct family *family_find(const char *name) {
    return strcmp(name, faulty_family.name) == 0 ? &faulty_family : NULL;
}
void family_lend(const struct family *family) {
    (void)family;
}
const struct slice *family_lent(void) {
    return NULL;
}
const struct variant *variant_find(const struct family *family, const char *name) {
    (void)family;
    return strcmp(name, faulty_variant.name) == 0 ? &faulty_variant : NULL;
}
enum status family_default(const struct problem *problem, struct config *out, struct error *err) {
    (void)err;
    faulty_fallback(problem, out);
    return OK;
}
size_t family_layouts(const struct problem *problem, const struct layout *out[LAYOUTS]) {
    (void)problem;
    out[0] = &layouts[LAYOUT_rows];
    return 1;
}

static inline struct problem faulty_problem(int64_t m, int64_t n) {
    return (struct problem){
        .family = &faulty_family, .value = {m, n}, .layout = &layouts[LAYOUT_rows]};
}

/* Short enough for a test, long enough for a compiler on a busy machine. */
static const struct deadlines faulty_deadlines = {
    .start = 120000000000,
    .prepare = 60000000000,
    .build = 8000000000,
    .launch_least = 2000000000,
    .launch_most = 4000000000,
    .judge = 30000000000,
    .ceiling = 60000000000,
};

/* Before the first child of a test: Criterion's own variable would take the child for one of its tests. */
static inline void faulty_setup(void) {
    unsetenv("BXFI_MAP");
}

/* ---- the program: tests, or the worker that they start ---- */

#ifdef FAULTY_CHILD /* a further child of the test: int f(int argc, char **argv) */
static int FAULTY_CHILD(int argc, char **argv);
#endif

int main(int argc, char **argv) {
    if (argc > 2 && strcmp(argv[1], "@child") == 0) {
        if (strcmp(argv[2], "worker") == 0) return worker_child();
        if (strcmp(argv[2], "builder") == 0) return getenv("NO_BUILDER") ? 2 : builder_child();
        if (strcmp(argv[2], "devices") == 0) return device_listing_child();
        if (strcmp(argv[2], "features") == 0) return device_feature_child();
#ifdef FAULTY_CHILD
        return FAULTY_CHILD(argc, argv);
#endif
        return 2;
    }
    setenv("HONE_PROGRAM", "/proc/self/exe", 1); /* tests/run.sh names the real one */
    struct criterion_test_set *tests = criterion_initialize();
    criterion_options.jobs = 1; /* measurements disturb each other, and a device has one lock */
    int code = criterion_handle_args(argc, argv, true) ? !criterion_run_all_tests(tests) : 0;
    criterion_finalize(tests);
    return code;
}
