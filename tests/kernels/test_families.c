/* test_families.c: every variant of every family, found in the registry, is right.
 *
 * Two rounds, every check in full, on the problems that the family's examples stand for:
 *
 *   defaults   each problem with the variant's default configuration, so that every weight type ×
 *              class × layout × shape is checked on every variant;
 *   pairs      a covering set (covering.h): every pair of values of parameters, classes, layouts, weight
 *              types and other defines that is valid on some problem here.
 *
 * Making machine code is what costs (0.2 … 4 s each): a kernel that is built is run on all problems that
 * share it and where it runs at all, thrifty or not, and not only on the one that its point chose. That is
 * what the engine does, too: built once, run at N = 1, 2, 3 … One test a variant; they may run side by side.
 *
 * HONE_TEST_SIMULATOR=1 (tests/oclgrind.sh) is for a device that is slow and sees every access: small
 * problems only, and inputs that end where their memory ends. */
#include "kernels/check.h"
#include "kernels/source.h"
#include "tests/kernels/covering.h"
#include "tests/kernels/examples.h"
#include <criterion/parameterized.h>

enum { FAMILIES_MOST = 32, FAILURES_SHOWN = 8, SEED = 7, SMALL_OPERATIONS = 120000 };

/* ---- one variant under test ---- */

/* A problem, and where its operands lie. */
struct trial {
    struct check_case *check;    /* opened when it is needed first */
    struct view own[OPERANDS];   /* where check put the operands */
    struct view flush[OPERANDS]; /* inputs at the end of an arena, in a simulator */
};

struct subject {
    struct device *device;
    const struct family *family;
    const struct variant *variant;
    struct problem *problem; /* accepted by the variant */
    size_t n;
    struct trial *trial; /* per problem */
    int n_configs, n_runs, n_failed;
};

static bool is_simulated(void) {
    const char *simulator = getenv("HONE_TEST_SIMULATOR");
    return simulator && !strcmp(simulator, "1");
}

static bool is_small(const struct problem *problem) {
    struct cost cost;
    problem->family->cost(problem, &cost);
    return cost.operations <= SMALL_OPERATIONS;
}

/* Values that need features are left out where none are known: that must not happen unseen. */
static struct device *device_with_features(void) {
    struct device *device;
    struct error err;
    uint64_t bits;
    if (device_open(NULL, &device, &err) != OK) cr_skip_test("%s", err.text);
    cr_assert_eq(device_find_features(device_describe(device), device_index(device), &bits, &err),
                 OK, "%s", err.text);
    return device;
}

static struct subject *subject_open(const struct family *family, const struct variant *variant) {
    struct subject *s = memory_new(sizeof *s);
    *s = (struct subject){.device = device_with_features(), .family = family, .variant = variant};
    struct examples examples = examples_of(family);
    s->problem = examples.problem;
    for (size_t i = 0; i < examples.n; i++)
        if (variant->accepts(&examples.problem[i]) &&
            (!is_simulated() || is_small(&examples.problem[i])))
            s->problem[s->n++] = examples.problem[i];
    s->trial = memory_new((s->n + 1) * sizeof *s->trial);
    return s;
}

static void subject_close(struct subject *s) {
    for (size_t i = 0; i < s->n; i++) check_close(s->trial[i].check);
    device_close(s->device);
    free(s->problem);
    free(s->trial);
    free(s);
}

static void report(struct subject *s, const struct error *err) {
    if (s->n_failed++ < FAILURES_SHOWN) cr_expect_fail("%s", err->text);
}

/* ---- one problem ---- */

/* A copy of input o that ends with its arena, so that a simulator sees a read beyond it. */
static enum status flush_input(struct trial *t, struct device *device, int o, struct error *err) {
    struct check_case *c = t->check;
    struct arena *arena;
    const enum status st = arena_open(device, c->bytes[o], &arena, err);
    if (st != OK) return st;
    c->arenas = memory_grow(c->arenas, (c->n_arenas + 1) * sizeof *c->arenas);
    c->arenas[c->n_arenas++] = arena;
    t->flush[o] = (struct view){arena, arena_bytes(arena) - c->bytes[o], c->bytes[o]};
    return view_write(t->flush[o], 0, c->host[o], c->bytes[o], err);
}

static enum status trial_open(struct subject *s, size_t i, struct error *err) {
    struct trial *t = &s->trial[i];
    enum status st = check_open(s->device, &s->problem[i], SEED, 1, &t->check, err);
    for (int o = 0; st == OK && o < s->family->n_operands; o++) {
        const enum operand_role role = s->family->operands[o].role;
        t->own[o] = t->flush[o] = t->check->view[o];
        if (is_simulated() && t->check->bytes[o] && (role == OPERAND_IN || role == OPERAND_WEIGHTS))
            st = flush_input(t, s->device, o, err);
    }
    return st;
}

/* ---- one configuration ---- */

static enum status run_on(struct subject *s, struct op *op, size_t i, struct error *err) {
    struct trial *t = &s->trial[i];
    struct verdict verdict;
    enum status st = t->check ? OK : trial_open(s, i, err);
    if (st != OK) return st;
    for (int o = 0; o < s->family->n_operands; o++) /* texels reach beyond the operand */
        t->check->view[o] = op_images(op, &s->problem[i]) >> o & 1 ? t->own[o] : t->flush[o];
    s->n_runs++;
    return check_run(t->check, op, true, &verdict, err);
}

/* Is the kernel of problem a also that of problem b? */
static bool shares_kernel(const struct config *config, const struct problem *a,
                          const struct problem *b) {
    char *of_a = source_options(config, a), *of_b = source_options(config, b);
    const bool same = !strcmp(of_a, of_b);
    free(of_a);
    free(of_b);
    return same;
}

/* Build for problem `first` and run on it and on all others that share the kernel. */
static void check_config(struct subject *s, const struct config *config, size_t first) {
    struct error err;
    struct op *op = NULL;
    enum status st = op_open(s->device, config, &s->problem[first], &op, &err);
    if (st == OK) st = run_on(s, op, first, &err);
    if (st == OK) op_keep(op);
    for (size_t i = 0; st == OK && i < s->n; i++) {
        const struct problem *other = &s->problem[i];
        if (i == first || !shares_kernel(config, &s->problem[first], other)) continue;
        if (!config_runs(config, other, s->device, NULL)) continue;
        st = run_on(s, op, i, &err);
    }
    if (st != OK) report(s, &err);
    op_close(op);
    s->n_configs++;
}

/* ---- the two rounds ---- */

/* Problems whose default is the same configuration are done together. */
static void check_defaults(struct subject *s) {
    for (size_t i = 0; i < s->n; i++) {
        struct config config, other;
        char why[200], text[160];
        s->variant->fallback(&s->problem[i], &config);
        problem_format(&s->problem[i], text);
        cr_expect(config_valid(&config, &s->problem[i], s->device, why),
                  "the default of %s %s for %s: %s", s->family->name, s->variant->name, text, why);
        bool is_first = true;
        for (size_t j = 0; j < i && is_first; j++) {
            s->variant->fallback(&s->problem[j], &other);
            is_first = !config_equal(&config, &other) ||
                       !shares_kernel(&config, &s->problem[i], &s->problem[j]);
        }
        if (is_first) check_config(s, &config, i);
    }
}

/* A value that no example lets anybody choose is never tested: the examples must be made richer. */
static void expect_no_idle_value(const struct covering *c, const struct family *family) {
    for (int axis = 0; axis < c->variant->n_params; axis++)
        for (int letter = c->first[axis]; letter < c->first[axis + 1]; letter++) {
            bool is_used = false;
            for (size_t i = 0; i < c->n_points && !is_used; i++)
                is_used = c->points[i].config.value[axis] == c->letter[letter];
            cr_expect(is_used, "%s %s: no example allows %s=%lld", family->name, c->variant->name,
                      c->variant->params[axis].name, (long long)c->letter[letter]);
        }
}

/* Points are made greedily, the richest first: where CI is set, which has twenty minutes for everything, the first
 * quarter of them has to do; in the simulator all are looked at, there as well. */
static size_t points_to_check(const struct covering *c) {
    const char *ci = getenv("CI");
    return ci && *ci && !is_simulated() ? (c->n_points + 3) / 4 : c->n_points;
}

static void check_pairs(struct subject *s, int *n_pairs, int *n_impossible) {
    struct covering *c = covering_open(s->device, s->variant, s->problem, s->n);
    if (!is_simulated()) expect_no_idle_value(c, s->family);
    for (size_t i = 0; i < points_to_check(c); i++)
        check_config(s, &c->points[i].config, c->points[i].problem);
    *n_pairs = c->n_pairs;
    *n_impossible = c->n_impossible;
    covering_close(c);
}

/* ---- the tests ---- */

/* Numbers of family and variant: pointers do not travel into the process of a test. */
struct place {
    int family, variant;
};

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

/* HONE_TEST_VARIANT="matmul gemv", or "matmul": only those; HONE_TEST_EXCEPT: all others. */
static bool is_wanted(const struct family *family, const struct variant *variant) {
    const char *only = getenv("HONE_TEST_VARIANT"), *except = getenv("HONE_TEST_EXCEPT");
    char *name = text_format("%s %s", family->name, variant->name);
    const bool is = (!only || starts_with(name, only)) && (!except || !starts_with(name, except));
    free(name);
    return is;
}

ParameterizedTestParameters(families, variant) {
    static struct place places[FAMILIES_MOST * VARIANTS];
    size_t n = 0;
    for (int f = 0; families[f]; f++)
        for (int v = 0; families[f]->variants[v]; v++)
            if (is_wanted(families[f], families[f]->variants[v]))
                places[n++] = (struct place){f, v};
    return cr_make_param_array(struct place, places, n);
}

ParameterizedTest(struct place *place, families, variant, .timeout = 600) {
    const struct family *family = families[place->family];
    struct subject *s = subject_open(family, family->variants[place->variant]);
    int n_pairs = 0, n_impossible = 0;
    cr_expect_gt(s->n, 0, "%s has no example for %s", family->name, s->variant->name);
    check_defaults(s);
    const int n_defaults = s->n_configs;
    if (s->n) check_pairs(s, &n_pairs, &n_impossible);
    fprintf(stderr,
            "%s %s: checked %d configurations (%d defaults; %d pairs of values, %d more excluded) "
            "on %zu problems, %d runs\n",
            family->name, s->variant->name, s->n_configs, n_defaults, n_pairs, n_impossible, s->n,
            s->n_runs);
    cr_expect_eq(s->n_failed, 0, "%d of %d configurations of %s %s failed", s->n_failed,
                 s->n_configs, family->name, s->variant->name);
    subject_close(s);
}
