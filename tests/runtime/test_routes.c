/* test_routes.c: how an N of a route is served: by its own record, by one that was measured at another N, and
 * what is said of that. */
#include "runtime/routes.h"
#include "tests/runtime/engine_support.h"
#include "tests/results/records.h"

TestSuite(routes, .timeout = 120);

/* A device, and a database that knows it. */
struct scene {
    struct device *device;
    struct store *store;
    int64_t device_id;
    const char *path;
    struct problem problem;
    struct config config;
};

static struct scene scene_open(const char *slice, const char *text) {
    struct scene scene = {.path = database_new()};
    struct error err = {OK, ""};
    const char *program = getenv("HONE_PROGRAM");
    if (!program || !*program) cr_skip_test("HONE_PROGRAM names no program for first-use checks");
    if (device_open(NULL, &scene.device, &err) != OK) cr_skip_test("%s", err.text);
    const struct device_info *info = device_describe(scene.device);
    scene.store = opened(scene.path, STORE_WRITE);
    scene.device_id = device_row(scene.store, info->model_key, info->version_key);
    WELL(problem_parse(slice_find(slice), text, &scene.problem, &err));
    WELL(family_default(&scene.problem, &scene.config, &err));
    return scene;
}

static void scene_close(struct scene *scene) {
    store_close(scene->store);
    device_close(scene->device);
}

/* The configuration was the best at this N, by a session's finals. */
static void record_final(const struct scene *scene, int64_t n) {
    struct problem problem = scene->problem;
    char text[160], config[400], source[17];
    problem_set(&problem, "n", n);
    problem_format(&problem, text);
    config_format(&scene->config, config);
    variant_source_key(scene->config.variant, source);
    const struct record_key key = {.source_key = source,
                                   .options = "",
                                   .family = problem.family->name,
                                   .problem = text,
                                   .class_name = class_names[problem.class],
                                   .layout = problem.layout->name,
                                   .variant = scene->config.variant->name,
                                   .config = config};
    record_new(scene->store, scene->device_id, key, OUTCOME_OK, 1, true);
}

static void expect_served(struct route *route, int64_t n, const char *rule) {
    struct served *served;
    struct error err = {OK, ""};
    WELL(route_serve(route, n, &served, &err));
    cr_assert_str_eq(served->rule, rule, "n = %ld: %s", (long)n, served->rule);
}

static void expect_furthest(const struct route *route, int64_t n, double times) {
    const struct served *furthest = route_furthest(route);
    cr_assert_eq(problem_get(&furthest->problem, "n"), n);
    cr_assert_float_eq(served_beyond(furthest), times, 1e-9);
}

Test(routes, far_beyond_what_was_measured_is_told) {
    struct scene scene = scene_open("gemm", "m=64,k=64,n=64"); /* its default runs from 4 to 512 */
    struct error err = {OK, ""};
    const struct routes_options options = {.database = scene.path, .max_rows = 256};
    struct routes *routes;
    record_final(&scene, 8);
    record_final(&scene, 32);
    WELL(routes_open(scene.device, &options, &routes, &err));
    struct route *route = routes_add(routes, &scene.problem);
    cr_assert_null(route_furthest(route));
    expect_served(route, 8, "exact");
    expect_served(route, 16, "near-n");
    expect_served(route, 40, "near-n-beyond");
    expect_furthest(route, 40, 1.25);
    expect_served(route, 4, "near-n-beyond");
    expect_furthest(route, 4, 2);
    expect_served(route, 256, "near-n-beyond");
    expect_served(route, 128, "near-n-beyond");
    expect_furthest(route, 256, 8);
    cr_assert_eq(route_furthest(route)->n_low, 8);
    cr_assert_eq(route_furthest(route)->n_high, 32);
    routes_close(routes);
    scene_close(&scene);
}

Test(routes, defaults_promise_nothing_and_are_not_told) {
    struct scene scene = scene_open("gemm", "m=64,k=64,n=64"); /* its default runs from 4 to 512 */
    struct error err = {OK, ""};
    const struct routes_options options = {
        .database = scene.path, .max_rows = 64, .ignore_records = true};
    struct routes *routes;
    record_final(&scene, 1);
    WELL(routes_open(scene.device, &options, &routes, &err));
    struct route *route = routes_add(routes, &scene.problem);
    expect_served(route, 64, "default");
    expect_furthest(route, 64, 1);
    routes_close(routes);
    scene_close(&scene);
}

/* Kernels that were tuned for single tokens read a prompt of eight. */
Test(routes, an_engine_says_what_ran_beyond) {
    static const char *const matrices[] = {"m=128,k=64,n=1", "m=64,k=64,n=1", "m=344,k=64,n=1",
                                           "m=64,k=172,n=1", "m=512,k=64,n=1"};
    struct scene scene = scene_open("gemv", matrices[0]);
    char model[1024];
    struct engine_facts facts;
    int32_t ids[8] = {1, 403, 407, 261, 378, 383, 286, 261};
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        struct error err = {OK, ""};
        WELL(problem_parse(slice_find("gemv"), matrices[i], &scene.problem, &err));
        record_final(&scene, 1);
    }
    snprintf(model, sizeof model, "%s", test_data("model/stories260K.bin"));
    struct bench b = bench_open(model, test_data("tokenizer/tok512.bin"),
                                (struct engine_options){.database = scene.path});
    free(bench_logits(&b, bench_sequence(&b), ids, 1, 0, 1));
    engine_describe(b.engine, &facts);
    cr_assert_str_eq(facts.profile, "tuned");
    cr_assert_eq(facts.beyond_n, 0);
    free(bench_logits(&b, bench_sequence(&b), ids, 8, 0, 8));
    engine_describe(b.engine, &facts);
    cr_assert_eq(facts.beyond_n, 8);
    cr_assert(facts.beyond_low == 1 && facts.beyond_high == 1);
    bench_close(&b);
    scene_close(&scene);
}
