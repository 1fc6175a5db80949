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
        {"gemm", "", "matmul has no variant \"gemm\"; it has gemv, skinny, tiled, rowdot"},
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

/* ---- validity ---- */

static void expect_refused(const struct config *config, const struct problem *problem,
                           const struct device *device, const char *says) {
    char why[200] = "";
    cr_expect_not(config_valid(config, problem, device, why), "not refused: %s", says);
    cr_expect(strstr(why, says), "\"%s\" does not say \"%s\"", why, says);
    cr_expect_not(config_valid(config, problem, device, NULL));
}

Test(config, constraints_and_acceptance) {
    const struct problem p = problem_of("matmul", "m=100,k=256,n=8,w=q4:128", "panel16");
    const struct problem rows = problem_of("matmul", "m=100,k=256,n=8,w=q4:128", "rows");
    const struct problem many = problem_of("matmul", "m=100,k=256,n=17,w=q4:128", "panel16");
    const struct config good = config_of("gemv", "VW=8,RV=2,TN=4,LM=1");
    cr_assert(config_valid(&good, &p, NULL, NULL));
    expect_refused(&good, &rows, NULL, "gemv does not do this problem");
    expect_refused(&good, &many, NULL, "gemv does not do this problem");
    const struct config wide = config_of("gemv", "RV=4,TN=8");
    expect_refused(&wide, &p, NULL, "RV * TN <= 28 registers");
    struct config foreign = good;
    foreign.value[0] = 3;
    expect_refused(&foreign, &p, NULL, "VW has no value 3");
}

/* Thrift keeps out waste: such a configuration is not valid, but runs. */
Test(config, thrift_is_not_need) {
    const struct problem small = problem_of("matmul", "m=3,k=256,n=1,w=q4:128", "panel16");
    const struct config wasteful = config_of("gemv", "VW=16,LM=64,TN=4,BLOCKS=8");
    expect_refused(&wasteful, &small, NULL, "a block of rows is not wasted on m");
    cr_assert(config_runs(&wasteful, &small, NULL, NULL));
    const struct config vnni = config_of("gemv", "VW=8,DOT=vnni");
    char why[200];
    cr_assert_not(config_runs(&vnni, &small, NULL, why), "class f32 has no int8 products");
}

/* ---- on a device ---- */

static struct device *device;

static void open_device(void) {
    if (device_open_bare(NULL, &device, &err) != OK) cr_skip_test("%s", err.text);
    device_set_features(device, 0);
}
static void close_device(void) {
    device_close(device);
}
TestSuite(config_device, .init = open_device, .fini = close_device);

Test(config_device, values_need_features) {
    const struct problem p = problem_of("matmul", "m=100,k=256,n=1,w=q4:128", "panel16");
    const struct config c = config_of("gemv", "VW=16,DEQ=permute");
    expect_refused(&c, &p, device, "DEQ=permute needs the feature x86_avx512");
    expect_refused(&c, &p, NULL, "DEQ=permute needs the feature x86_avx512");
    device_set_features(device, 1ull << FEATURE_x86_avx512);
    cr_assert(config_valid(&c, &p, device, NULL));
    device_set_features(device, 0);
    const struct config prefetch = config_of("gemv", "PF=4"); /* a value without a name */
    expect_refused(&prefetch, &p, device, "PF=4 needs the feature x86_avx512");
}

Test(config_device, device_limits) {
    const struct device_info *info = device_describe(device);
    const struct problem p = problem_of("matmul", "m=4096,k=4096,n=512", "panel64");
    const struct config local = config_of("tiled", "VW=16,RV=1,TN=1,LM=32,KB=1024,WL=1");
    struct geometry geometry = {0};
    local.variant->geometry(&local, &p, &geometry);
    cr_assert_eq(geometry.local_bytes, 1024 * 32 * 16 * sizeof(float));
    if (geometry.local_bytes > info->local_bytes)
        expect_refused(&local, &p, device, "bytes of local memory, the device has");
    else cr_assert(config_valid(&local, &p, device, NULL));
    cr_assert(config_valid(&local, &p, NULL, NULL), "without a device nothing is too large");
    device_set_features(device, 1ull << FEATURE_images);
    const struct problem huge = problem_of("matmul", "m=16777216,k=4096,n=1", "panel64");
    const struct config image = config_of("gemv", "VW=16,WI=image");
    if (info->image_height < 1u << 22)
        expect_refused(&image, &huge, device, "W as an image of 4096 x");
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
