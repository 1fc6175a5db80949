/* test_config.c: configurations as text, and what makes one valid; the registry's own promises. */
#include "base/rng.h"
#include "kernels/check.h"
#include "kernels/op.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct error err;

#define must(call) cr_assert_eq(call, OK, "%s", err.text)

static struct problem problem_of(const char *family, const char *text, const char *layout) {
    struct problem problem;
    must(problem_parse(slice_find(family), text, &problem, &err));
    problem.layout = layout_find(layout);
    return problem;
}

static struct config config_of(const char *variant, const char *text) {
    struct config config;
    must(config_parse(family_find("matmul"), variant, text, &config, &err));
    return config;
}

static int value_of(const struct config *config, const char *param) {
    for (int p = 0; p < config->variant->n_params; p++)
        if (!strcmp(config->variant->params[p].name, param)) return config->value[p];
    cr_assert_fail("no parameter %s", param);
    return 0;
}

/* ---- text ---- */

Test(config, parses_names_and_numbers) {
    const struct config c = config_of("skinny", "VW=16,TN=6,DOT=vnni,KB=all,XP=tiles,WI=1");
    cr_assert_eq(value_of(&c, "VW"), 16);
    cr_assert_eq(value_of(&c, "TN"), 6);
    cr_assert_eq(value_of(&c, "DOT"), 1);
    cr_assert_eq(value_of(&c, "KB"), 1 << 20);
    cr_assert_eq(value_of(&c, "XP"), 1);
    cr_assert_eq(value_of(&c, "WI"), 1, "a value with a name may be given as its number");
    const struct config numbers = config_of("skinny", "VW=16,TN=6,DOT=1,KB=1048576,XP=1,WI=image");
    cr_assert(config_equal(&c, &numbers));
}

Test(config, unnamed_parameters_are_the_defaults) {
    const struct config all = config_of("gemv", ""), one = config_of("gemv", "LM=32");
    cr_assert_eq(value_of(&one, "LM"), 32);
    for (int p = 0; p < all.variant->n_params; p++)
        if (strcmp(all.variant->params[p].name, "LM") != 0)
            cr_assert_eq(all.value[p], one.value[p], "%s", all.variant->params[p].name);
}

/* Every variant's every value of every parameter survives the way through text. */
Test(config, format_round_trip) {
    int n = 0;
    for (const struct family *const *f = families; *f; f++)
        for (const struct variant *const *v = (*f)->variants; *v; v++) {
            struct config config, again;
            must(config_parse(*f, (*v)->name, "", &config, &err));
            for (int p = 0; p < (*v)->n_params; p++)
                for (int i = 0; i < (*v)->params[p].n_values; i++, n++) {
                    char text[400];
                    config.value[p] = (*v)->params[p].values[i].value;
                    config_format(&config, text);
                    cr_assert_lt(strlen(text), sizeof text - 1, "%s is cut", text);
                    must(config_parse(*f, (*v)->name, text, &again, &err));
                    cr_expect(config_equal(&config, &again), "%s %s", (*v)->name, text);
                    cr_expect_eq(config_hash(&config), config_hash(&again));
                }
        }
    cr_assert_gt(n, 200);
}

Test(config, refusals_say_what_there_is) {
    static const struct {
        const char *variant, *text, *says;
    } rows[] = {
        {"gemm", "", "matmul has no variant \"gemm\"; it has gemv, tiled, skinny, rowdot"},
        {"", "", "matmul has no variant \"\""},
        {"rowdot", "TM=4", "rowdot has no parameter \"TM\"; it has VW, TN, LK"},
        {"rowdot", "vw=4", "rowdot has no parameter \"vw\""},
        {"rowdot", "VW", "\"VW\" is not PARAMETER=VALUE"},
        {"rowdot", "VW=4,", "\"\" is not PARAMETER=VALUE"},
        {"rowdot", "VW=4,,TN=2", "\"\" is not PARAMETER=VALUE"},
        {"rowdot", "VW=4,VW=8", "VW is named twice"},
        {"rowdot", "VW=", "VW of rowdot (values along K a step) is one of 4, 8, not \"\""},
        {"rowdot", "VW=5", "is one of 4, 8, not \"5\""},
        {"rowdot", "VW=4x", "not \"4x\""},
        {"rowdot", "VW= 4", "not \" 4\""},
        {"rowdot", "VW=+4", "not \"+4\""},
        {"rowdot", "VW=4294967300", "not \"4294967300\""},
        {"rowdot", "DOT=vnni", "DOT of rowdot (int8 products) is one of mul, dp4a, not \"vnni\""},
        {"rowdot", "WI=Image", "is one of buffer, image, not \"Image\""},
        {"rowdot", "=4", "rowdot has no parameter \"\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct config c;
        cr_expect_eq(config_parse(family_find("matmul"), rows[i].variant, rows[i].text, &c, &err),
                     STATUS_INVALID, "%s", rows[i].text);
        cr_expect(strstr(err.text, rows[i].says), "%s: %s", rows[i].text, err.text);
    }
}

Test(config, equal_and_hash) {
    const struct config a = config_of("gemv", "VW=16,RV=2"), b = config_of("gemv", "RV=2,VW=16"),
                        c = config_of("gemv", "VW=16,RV=4"), d = config_of("skinny", "VW=16,RV=2");
    cr_assert(config_equal(&a, &b));
    cr_assert_eq(config_hash(&a), config_hash(&b));
    cr_assert_not(config_equal(&a, &c));
    cr_assert_neq(config_hash(&a), config_hash(&c));
    cr_assert_not(config_equal(&a, &d));
    cr_assert_neq(config_hash(&a), config_hash(&d));
    struct config dirty = a; /* what lies behind the last parameter is nobody's */
    dirty.value[PARAMS - 1] = 99;
    cr_assert(config_equal(&a, &dirty));
    cr_assert_eq(config_hash(&a), config_hash(&dirty));
}

/* ---- validity, of a variant made for it ---- */

enum { P_SIZE, P_TRICK, P_MADE };

static const struct param_value sizes[] = {{1, NULL, FEATURE_NONE}, {64, NULL, FEATURE_fp16}};
static const struct param_value tricks[] = {{0, "none", FEATURE_NONE},
                                            {1, "dp4a", FEATURE_ptx_dp4a}};
static const struct param made_params[P_MADE] = {
    [P_SIZE] = {"SIZE", "for tests", sizes, 2},
    [P_TRICK] = {"TRICK", "for tests", tricks, 2},
};

static bool trick_needs_groups(const int *value, const struct problem *problem) {
    return !value[P_TRICK] || problem_get(problem, "k") % 32 == 0;
}
static bool size_is_not_wasted(const int *value, const struct problem *problem) {
    return value[P_SIZE] <= problem_get(problem, "m");
}
static const struct constraint made_constraints[] = {
    {"k % 32 == 0 with TRICK", 1u << P_TRICK, trick_needs_groups, false},
    {"SIZE <= m", 1u << P_SIZE, size_is_not_wasted, true},
};

static bool made_accepts(const struct problem *problem) {
    return problem_get(problem, "n") < 4;
}

/* What geometry says, set by a test. */
static struct geometry made;
static void made_geometry(const struct config *config, const struct problem *problem,
                          struct geometry *out) {
    (void)config, (void)problem;
    *out = made;
}

static const struct variant made_variant = {
    .name = "made",
    .params = made_params,
    .n_params = P_MADE,
    .constraints = made_constraints,
    .n_constraints = 2,
    .accepts = made_accepts,
    .geometry = made_geometry,
};

static struct config made_config(int size, int trick) {
    return (struct config){.variant = &made_variant, .value = {size, trick}};
}

static void made_fits(void) {
    made = (struct geometry){.n_stages = 1, .stage = {{"stage", {64, 1, 1}, {1, 1, 1}}}};
}

static void expect_refused(const struct config *config, const struct problem *problem,
                           const struct device *device, const char *says) {
    char why[200] = "";
    cr_expect_not(config_valid(config, problem, device, why), "not refused: %s", says);
    cr_expect(strstr(why, says), "\"%s\" does not say \"%s\"", why, says);
    cr_expect_not(config_valid(config, problem, device, NULL));
}

Test(config, acceptance_values_and_constraints) {
    const struct problem p = problem_of("matmul", "m=8,k=33,n=3", "rows"),
                         many = problem_of("matmul", "m=8,k=33,n=4", "rows");
    const struct config plain = made_config(1, 0), odd = made_config(2, 0);
    cr_assert(config_valid(&plain, &p, NULL, NULL));
    cr_assert(config_runs(&plain, &p, NULL, NULL));
    expect_refused(&plain, &many, NULL, "made does not do this problem");
    cr_assert_not(config_runs(&plain, &many, NULL, NULL));
    expect_refused(&odd, &p, NULL, "SIZE has no value 2");
}

/* ---- on a device ---- */

static struct device *device;

static void open_device(void) {
    if (device_open_bare(NULL, &device, &err) != OK) cr_skip_test("%s", err.text);
    device_set_features(device, ~0ull);
    made_fits();
}
static void close_device(void) {
    device_close(device);
}
TestSuite(config_device, .init = open_device, .fini = close_device);

Test(config_device, values_need_features) {
    const struct problem p = problem_of("matmul", "m=100,k=64,n=1", "rows");
    const struct config trick = made_config(1, 1), size = made_config(64, 0);
    cr_assert(config_valid(&trick, &p, device, NULL) && config_valid(&size, &p, device, NULL));
    device_set_features(device, 0);
    expect_refused(&trick, &p, device, "TRICK=dp4a needs the feature ptx_dp4a");
    expect_refused(&size, &p, device, "SIZE=64 needs the feature fp16");
    expect_refused(&size, &p, NULL, "SIZE=64 needs the feature fp16");
    cr_assert_not(config_runs(&size, &p, device, NULL));
}

/* Thrift keeps out waste: such a configuration is not valid, but runs. Need is asked either way. */
Test(config_device, thrift_is_not_need) {
    const struct problem small = problem_of("matmul", "m=3,k=33,n=1", "rows");
    const struct config wasteful = made_config(64, 0), wrong = made_config(1, 1);
    char why[200];
    expect_refused(&wasteful, &small, device, "SIZE <= m");
    cr_assert(config_runs(&wasteful, &small, device, NULL));
    expect_refused(&wrong, &small, device, "k % 32 == 0 with TRICK");
    cr_assert_not(config_runs(&wrong, &small, device, why));
    cr_assert_str_eq(why, "k % 32 == 0 with TRICK");
}

static void expect_too_large(const struct problem *problem, const char *says) {
    const struct config config = made_config(1, 0);
    expect_refused(&config, problem, device, says);
    cr_expect_not(config_runs(&config, problem, device, NULL), "%s", says);
    cr_expect(config_valid(&config, problem, NULL, NULL), "without a device nothing is too large");
    made_fits();
    cr_expect(config_valid(&config, problem, device, NULL));
}

Test(config_device, limits) {
    const struct device_info *info = device_describe(device);
    const struct problem p = problem_of("matmul", "m=8,k=8,n=1", "rows");
    for (int i = 0; i < 3; i++) {
        made.stage[0].local[i] = info->max_local[i] + 1;
        expect_too_large(&p, "stage: ");
    }
    made.n_stages = 2;
    made.stage[1] = (struct stage){"second", {1, 1, 1}, {info->max_work_group, 2, 1}};
    expect_too_large(&p, "second: ");
    made.local_bytes = info->local_bytes + 1;
    expect_too_large(&p, "bytes of local memory, the device has");
    made.scratch_bytes = info->max_alloc_bytes + 1;
    expect_too_large(&p, "bytes of scratch, the device gives");
}

Test(config_device, images_must_fit) {
    const struct device_info *info = device_describe(device);
    const struct problem p = problem_of("matmul", "m=16777216,k=16777216,n=1", "rows");
    made.images = 1;
    if (info->image_height < 1u << 30) expect_too_large(&p, "W as an image of 4096 x");
}

/* ---- what the registry promises ---- */

/* A size between low and high, small ones as likely as large ones. */
static int64_t random_size(struct rng *rng, int64_t low, int64_t high) {
    int64_t most = (int64_t)1 << rng_below(rng, 17);
    if (most > high) most = high;
    return most <= low ? low : low + (int64_t)rng_below(rng, (uint64_t)(most - low + 1));
}

static struct problem random_problem(const struct family *family, struct rng *rng) {
    static const int groups[] = {32, 64, 128, 256};
    struct problem p = {.family = family};
    p.class = (enum class_id)rng_below(rng, CLASSES);
    p.layout = &layouts[rng_below(rng, LAYOUTS)];
    for (int f = 0; f < family->n_fields; f++) {
        const struct field *field = &family->fields[f];
        struct weight w = {(enum weight_kind)rng_below(rng, WEIGHT_KINDS), 0};
        if (weight_is_quantised(w)) w.group = groups[rng_below(rng, 4)];
        p.value[f] = field->kind == FIELD_WEIGHT ? weight_pack_int(w)
                     : field->use & USE_HIDDEN   ? field->fallback
                                                 : random_size(rng, field->low, field->high);
    }
    /* Half of them with a K that whole groups fill. */
    for (int f = 0; f < family->n_fields; f++)
        if (!strcmp(family->fields[f].name, "k") && rng_below(rng, 2))
            p.value[f] = (p.value[f] + 255) / 256 * 256;
    return p;
}

/* A default is there for any OpenCL 1.2 device, whose limits may be as low as work-groups of 1 and 32 KiB
 * of local memory: no feature, no image, and no constraint broken, however odd the problem. */
static void expect_default_everywhere(const struct variant *variant, const struct problem *p) {
    char why[200] = "", text[160];
    struct config config = {0};
    struct geometry geometry = {0};
    variant->fallback(p, &config);
    problem_format(p, text);
    cr_expect_eq(config.variant, variant);
    cr_expect(config_valid(&config, p, NULL, why), "default of %s %s, %s, %s: %s", p->family->name,
              variant->name, text, p->layout->name, why);
    variant->geometry(&config, p, &geometry);
    cr_expect_eq(geometry.images, 0);
    cr_expect_leq(geometry.local_bytes, 32768, "default of %s %s, %s", p->family->name,
                  variant->name, text);
    for (int s = 0; s < geometry.n_stages; s++)
        for (int i = 0; i < 3; i++)
            cr_expect_eq(geometry.stage[s].local[i], 1, "default of %s %s, %s", p->family->name,
                         variant->name, text);
}

Test(registry, defaults_are_valid_everywhere) {
    enum { TRIES = 4000 };
    struct rng rng = rng_seed(3);
    for (const struct family *const *f = families; *f; f++)
        for (const struct variant *const *v = (*f)->variants; *v; v++) {
            int n = 0;
            for (int i = 0; i < TRIES; i++) {
                const struct problem p = random_problem(*f, &rng);
                if (!(*v)->accepts(&p)) continue;
                expect_default_everywhere(*v, &p);
                n++;
            }
            cr_expect_gt(n, 20, "%s %s accepted %d problems", (*f)->name, (*v)->name, n);
        }
}

static bool is_among(const struct layout *layout, const struct layout *const *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (list[i] == layout) return true;
    return false;
}

Test(registry, default_and_layouts_follow_acceptance) {
    struct rng rng = rng_seed(4);
    for (const struct family *const *f = families; *f; f++)
        for (int i = 0; i < 500; i++) {
            const struct problem p = random_problem(*f, &rng);
            const struct layout *found[LAYOUTS];
            const size_t n = family_layouts(&p, found);
            struct config config;
            const struct variant *first = NULL;
            for (int v = 0; (*f)->variants[v] && !first; v++)
                if ((*f)->variants[v]->accepts(&p)) first = (*f)->variants[v];
            const enum status st = family_default(&p, &config, &err);
            cr_expect_eq(st, first ? OK : STATUS_UNSUPPORTED);
            cr_expect_eq(config.variant, first);
            if (!first) cr_expect(strstr(err.text, class_names[p.class]), "%s", err.text);
            const bool has_layouts = !strcmp((*f)->name, "matmul") || !strcmp((*f)->name, "embed");
            if (has_layouts || p.layout == &layouts[LAYOUT_rows])
                cr_expect_eq(is_among(p.layout, found, n), first != NULL);
        }
}

Test(registry, tables_are_sound) {
    for (const struct family *const *f = families; *f; f++) {
        cr_expect(*(*f)->summary && (*f)->n_fields <= PROBLEM_FIELDS);
        cr_expect_leq((*f)->n_operands, OPERANDS);
        cr_expect_eq(family_find((*f)->name), *f);
        for (const struct variant *const *v = (*f)->variants; *v; v++) {
            cr_expect_eq(variant_find(*f, (*v)->name), *v);
            cr_expect(*(*v)->summary);
            cr_expect_leq((*v)->n_params, PARAMS);
            cr_expect_lt(v - (*f)->variants, VARIANTS);
            for (int p = 0; p < (*v)->n_params; p++) {
                cr_expect((*v)->params[p].name && *(*v)->params[p].meaning);
                cr_expect_gt((*v)->params[p].n_values, 0);
            }
            for (int c = 0; c < (*v)->n_constraints; c++) {
                const struct constraint *constraint = &(*v)->constraints[c];
                cr_expect(*constraint->text && constraint->reads && constraint->holds);
                cr_expect_eq(constraint->reads >> (*v)->n_params, 0, "%s", constraint->text);
            }
        }
    }
    cr_expect_null(family_find("gemm"));
    cr_expect_null(variant_find(family_find("matmul"), "row"));
}

/* The parameters that a constraint does not name must not change its answer: enumeration prunes by it. */
Test(registry, constraints_read_what_they_say) {
    struct rng rng = rng_seed(5);
    for (const struct family *const *f = families; *f; f++)
        for (const struct variant *const *v = (*f)->variants; *v; v++)
            for (int i = 0; i < 4000; i++) {
                const struct problem p = random_problem(*f, &rng);
                if (!(*v)->accepts(&p)) continue;
                int value[PARAMS] = {0}, other[PARAMS] = {0};
                for (int q = 0; q < (*v)->n_params; q++) {
                    const struct param *param = &(*v)->params[q];
                    value[q] = param->values[rng_below(&rng, (uint64_t)param->n_values)].value;
                    other[q] = param->values[rng_below(&rng, (uint64_t)param->n_values)].value;
                }
                for (int c = 0; c < (*v)->n_constraints; c++) {
                    const struct constraint *constraint = &(*v)->constraints[c];
                    int mixed[PARAMS];
                    for (int q = 0; q < PARAMS; q++)
                        mixed[q] = constraint->reads >> q & 1 ? value[q] : other[q];
                    cr_expect_eq(constraint->holds(value, &p), constraint->holds(mixed, &p),
                                 "%s %s: \"%s\" reads more than it says", (*f)->name, (*v)->name,
                                 constraint->text);
                }
            }
}
