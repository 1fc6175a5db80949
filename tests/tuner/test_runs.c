/* test_runs.c: recordings as files, hostile ones among them; verdicts over recordings; gates drawn from them. */
#include "tests/tuner/made_runs.h"
#include "tests/support.h"
#include "base/path.h"
#include "base/str.h"
#include "tuner/compare.h"
#include "tuner/resample.h"
#include <string.h>

static double number_at(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}
static const char *text_at(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

/* ---- files ---- */

Test(runs, survive_a_file) {
    struct error err = {0};
    json_t *made = made_runs(1, 3, 9, 0.01, -1, 0), *read = NULL;
    char *path = text_format("%s/base.json", test_folder());
    cr_assert_eq(runs_save(path, made, &err), OK, "%s", err.text);
    cr_assert_eq(runs_load(path, &read, &err), OK, "%s", err.text);
    cr_expect_eq(runs_comparable(made, read, &err), OK, "%s", err.text);
    for (size_t b = 0; b < 3; b++) {
        const json_t *bench = json_array_get(json_object_get(made, "benchmarks"), b);
        const json_t *again = runs_find(read, runs_name(bench));
        cr_assert_eq(runs_count(again), 9);
        for (size_t i = 0; i < 9; i++) {
            double value, yardstick, kernel_ns, value_again, yardstick_again;
            runs_value(bench, i, &value, &yardstick, &kernel_ns);
            runs_value(again, i, &value_again, &yardstick_again, NULL);
            cr_expect_float_eq(value, value_again, 1e-5);
            cr_expect_float_eq(value, log(kernel_ns) - yardstick, 0.1);
            cr_expect_float_eq(yardstick, yardstick_again, 1e-5);
        }
    }
    free(path);
    json_decref(read);
    json_decref(made);
}

/* The value of a run by hand: the lower tenths of {1, 6, 100} and {1, 2, 25} are 2 and 1.2. */
Test(runs, value_is_the_ratio_of_lower_tenths) {
    struct error err = {0};
    json_t *document = runs_new();
    json_t *bench = runs_add_bench(document, "gemm", "m=1,k=1,n=2", "f32", "default", NULL);
    json_t *answer =
        json_pack("{s:[f,f,f],s:[i,i,i]}", "kernel_ns", 6.0, 100.0, 1.0, "yardstick_ns", 1, 25, 2);
    cr_assert_eq(runs_add(document, bench, answer, &err), OK, "%s", err.text);
    double value, yardstick, kernel_ns;
    runs_value(bench, 0, &value, &yardstick, &kernel_ns);
    cr_expect_float_eq(value, log(2 / 1.2), 1e-12);
    cr_expect_float_eq(yardstick, log(1.2), 1e-12);
    cr_expect_float_eq(kernel_ns, 6, 1e-12);
    json_decref(answer);
    json_decref(document);
}

Test(runs, hostile_files_are_refused_with_a_sentence) {
#define BENCH(name, runs)                                                                          \
    "{\"name\":\"" name "\",\"wanted\":{\"slice\":\"gemm\",\"problem\":\"m=1\",\"class\":\"f32\"," \
    "\"profile\":\"tuned\"},\"runs\":" runs "}"
#define FILE_OF(benches) "{\"format\":\"hone runs 1\",\"benchmarks\":[" benches "]}"
    static const struct {
        const char *text, *words;
        enum status status;
    } cases[] = {
        {"", "not JSON", STATUS_INVALID},
        {"[", "not JSON", STATUS_INVALID},
        {"[]", "no runs of hone", STATUS_INVALID},
        {"{\"format\":\"hone runs 2\"}", "no runs of hone", STATUS_INVALID},
        {"{\"format\":\"hone runs 1\",\"format\":\"x\"}", "not JSON", STATUS_INVALID},
        {FILE_OF(""), "no benchmarks", STATUS_NOTHING},
        {FILE_OF("7"), "lacks", STATUS_INVALID},
        {FILE_OF("{\"name\":\"x\",\"runs\":[]}"), "lacks", STATUS_INVALID},
        {FILE_OF(BENCH("x", "{}")), "lacks", STATUS_INVALID},
        {FILE_OF(BENCH("x", "[]") "," BENCH("x", "[]")), "twice", STATUS_INVALID},
        {FILE_OF(BENCH("x", "[1]")), "run 1 of x", STATUS_INVALID},
        {FILE_OF(BENCH("x", "[{\"unix_s\":1,\"kernel_ns\":[],\"yardstick_ns\":[1]}]")),
         "run 1 of x", STATUS_INVALID},
        {FILE_OF(BENCH("x", "[{\"unix_s\":1,\"kernel_ns\":[1],\"yardstick_ns\":[-1]}]")),
         "run 1 of x", STATUS_INVALID},
        {FILE_OF(BENCH("x", "[{\"unix_s\":1,\"kernel_ns\":[1],\"yardstick_ns\":[1,2]}]")),
         "run 1 of x", STATUS_INVALID},
        {FILE_OF(BENCH("x", "[{\"unix_s\":1,\"kernel_ns\":[\"1\"],\"yardstick_ns\":[1]}]")),
         "run 1 of x", STATUS_INVALID},
        {FILE_OF(BENCH("x", "[{\"unix_s\":1,\"kernel_ns\":[1],\"yardstick_ns\":[1e999]}]")),
         "not JSON", STATUS_INVALID},
    };
    char *path = text_format("%s/hostile.json", test_folder());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        json_t *document;
        cr_assert_eq(path_write(path, cases[i].text, strlen(cases[i].text), &err), OK);
        cr_expect_eq(runs_load(path, &document, &err), cases[i].status, "%s", cases[i].text);
        cr_expect(strstr(err.text, cases[i].words), "%s: \"%s\"", cases[i].text, err.text);
        cr_expect_null(document);
    }
    free(path);
}

Test(runs, other_places_are_not_compared) {
    struct rng rng = rng_seed(1);
    struct error err = {0};
    json_t *document = made_runs(1, 1, 3, 0.01, -1, 0);
    json_t *bench = json_array_get(json_object_get(document, "benchmarks"), 0);
    json_t *answer = made_answer(&rng, 1, "cpus 64");
    cr_expect_eq(runs_add(document, bench, answer, &err), STATUS_NOTHING);
    cr_expect(strstr(err.text, "cpus 64") && strstr(err.text, "cpus 2"), "%s", err.text);
    cr_expect_eq(runs_count(bench), 3);
    json_t *other = json_deep_copy(document);
    json_object_set_new(other, "device", json_string("another"));
    cr_expect_eq(runs_comparable(document, other, &err), STATUS_NOTHING);
    cr_expect(strstr(err.text, "device"), "%s", err.text);
    json_decref(other);
    json_decref(answer);
    json_decref(document);
}

Test(runs, trimming_drops_the_old_and_the_many) {
    json_t *document = made_runs(1, 1, 30, 0.01, -1, 0);
    json_t *bench = json_array_get(json_object_get(document, "benchmarks"), 0);
    json_t *first = json_array_get(json_object_get(bench, "runs"), 29);
    const json_int_t now = json_integer_value(json_object_get(first, "unix_s"));
    runs_trim(document, 0, 20);
    cr_expect_eq(runs_count(bench), 20);
    json_object_set_new(first, "unix_s", json_integer(now + 100));
    runs_trim(document, now + 50, 20);
    cr_expect_eq(runs_count(bench), 1);
    json_t *plan = runs_plan_of(document);
    cr_expect_eq(runs_count(runs_find(plan, runs_name(bench))), 0);
    cr_expect_eq(runs_count(bench), 1);
    cr_expect_null(json_object_get(plan, "device"));
    json_decref(plan);
    json_decref(document);
}

/* ---- verdicts ---- */

Test(runs, verdict_names_the_benchmark_that_is_slower) {
    struct error err = {0};
    json_t *base = made_runs(1, 3, 20, 0.008, -1, 0), *fresh = made_runs(2, 3, 18, 0.008, 1, 0.07);
    json_t *result;
    cr_assert_eq(compare_documents(base, fresh, &result, &err), OK, "%s", err.text);
    const json_t *rows = json_object_get(result, "benchmarks");
    cr_assert_eq(json_array_size(rows), 3);
    cr_expect_str_eq(text_at(result, "verdict"), "SLOW");
    for (size_t i = 0; i < 3; i++) {
        const json_t *row = json_array_get(rows, i);
        cr_expect_str_eq(text_at(row, "verdict"), i == 1 ? "SLOW" : "OK");
        cr_expect_float_eq(number_at(row, "shift"), i == 1 ? expm1(0.07) : 0, 0.01);
        cr_expect_eq(number_at(row, "n_base"), 20);
        cr_expect_eq(number_at(row, "n_new"), 18);
        cr_expect(number_at(row, "low") <= number_at(row, "shift") &&
                  number_at(row, "shift") <= number_at(row, "high"));
        cr_expect(number_at(row, "detectable") > 0.03 && number_at(row, "detectable") < 0.06);
    }
    json_decref(result);
    json_decref(fresh);
    json_decref(base);
}

Test(runs, too_few_in_the_baseline_are_nothing_to_compare_with) {
    struct error err = {0};
    json_t *base = made_runs(1, 2, 4, 0.01, -1, 0), *fresh = made_runs(2, 2, 9, 0.01, -1, 0),
           *result;
    cr_expect_eq(compare_documents(base, fresh, &result, &err), STATUS_NOTHING);
    cr_expect_null(result);
    json_decref(fresh);
    json_decref(base);
}

/* ---- how often it is wrong ---- */

Test(runs, resampling_finds_rates) {
    struct error err = {0};
    const struct resample_options options = {.gates = 100, .bootstraps = 20, .seed = 1};
    json_t *base = made_runs(1, 3, 60, 0.01, -1, 0), *slow = made_runs(2, 3, 60, 0.01, 2, 0.07);
    json_t *result;
    cr_assert_eq(resample(base, slow, &options, &result, &err), OK, "%s", err.text);
    const json_t *alarms = json_object_get(result, "false_alarms");
    const json_t *rows = json_object_get(result, "benchmarks");
    cr_expect_leq(number_at(alarms, "rate"), 0.01);
    cr_expect_leq(number_at(alarms, "upper"), 0.02);
    cr_expect_leq(number_at(alarms, "in_order"), 0.01);
    cr_expect_geq(number_at(json_array_get(rows, 2), "power"), 0.95);
    cr_expect_leq(number_at(json_array_get(rows, 0), "power"), 0.01, "it is not slower");
    cr_expect_float_eq(number_at(json_array_get(rows, 2), "sigma"), 0.01, 0.004);
    cr_expect_float_eq(number_at(json_array_get(rows, 2), "shift"), expm1(0.07), 0.01);
    /* Raw times move with the machine (5 % here): practice pays for it. */
    cr_expect_geq(number_at(json_array_get(json_object_get(result, "practice"), 0), "false_alarms"),
                  0.2);
    json_decref(result);
    json_decref(slow);
    json_decref(base);
}

Test(runs, resampling_wants_enough_of_them) {
    struct error err = {0};
    const struct resample_options options = {.gates = 10, .bootstraps = 2, .seed = 1};
    json_t *base = made_runs(1, 1, 37, 0.01, -1, 0), *result;
    cr_expect_eq(resample(base, NULL, &options, &result, &err), STATUS_INVALID);
    cr_expect(strstr(err.text, "37 runs are too few"), "%s", err.text);
    json_decref(base);
}
