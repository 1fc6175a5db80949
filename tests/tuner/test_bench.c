/* test_bench.c: what bench refuses before anything is measured: configurations that no problem takes,
 * problems that no memory holds. */
#include "tuner/bench.h"
#include <criterion/criterion.h>
#include <string.h>

static struct problem gemm(const char *text) {
    struct problem problem;
    struct error err = {0};
    cr_assert_eq(problem_parse(slice_find("gemm"), text, &problem, &err), OK, "%s", err.text);
    return problem;
}

static void expect_refusal(const struct problem *problem, const char *variant, const char *config,
                           enum status status, const char *words) {
    const struct bench_options options = {.problems = problem,
                                          .n_problems = 1,
                                          .config_variant = variant,
                                          .config = config,
                                          .lock_text = "test_bench"};
    struct error err = {0};
    json_t *result = NULL;
    const enum status st = bench_run(&options, &result, &err);
    cr_assert_eq(st, status, "%s: %s", status_name(st), err.text);
    cr_assert_null(result);
    cr_assert(strstr(err.text, words), "\"%s\" says nothing of %s", err.text, words);
}

Test(bench, a_configuration_that_no_problem_takes_is_wrong_usage) {
    const struct problem problem = gemm("m=64,k=64,n=8");
    expect_refusal(&problem, "foo", "VW=4", STATUS_USAGE, "no variant \"foo\"");
    expect_refusal(&problem, "tiled", "VW=3", STATUS_USAGE, "not \"3\"");
    expect_refusal(&problem, "tiled", "ZZ=3", STATUS_USAGE, "no parameter \"ZZ\"");
}

Test(bench, a_problem_that_no_memory_holds_is_refused) {
    const struct problem problem = gemm("m=16777216,k=16777216,n=4");
    expect_refusal(&problem, NULL, NULL, STATUS_NOMEM, "ask for a smaller one");
}
