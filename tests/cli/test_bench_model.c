/* test_bench_model.c: hone bench --model on a model of few words: its ids are the model's. */
#include "tests/cli/program.h"
#include <jansson.h>

Test(bench_model, runs_with_a_small_vocabulary) {
    char model[1024], tokenizer[1024];
    snprintf(model, sizeof model, "%s", test_data("model/stories260K.bin"));
    snprintf(tokenizer, sizeof tokenizer, "%s", test_data("tokenizer/tok512.bin"));
    struct program_run run = program_run(
        test_folder(), "",
        (const char *[]){"bench", "--model", model, "--tokenizer", tokenizer, "--pp", "200", "--tg",
                         "4", "-r", "1", "--profile", "default", "--json", NULL});
    cr_assert_eq(run.code, 0, "%s", run.err);
    json_t *document = json_loads(run.out, 0, NULL);
    const json_t *facts = json_object_get(document, "model");
    cr_assert_gt(json_number_value(json_object_get(facts, "pp_tps")), 0);
    cr_assert_gt(json_number_value(json_object_get(facts, "tg_tps")), 0);
    cr_assert_eq(json_integer_value(json_object_get(facts, "tuned_operations")), 0);
    cr_assert(json_is_null(json_object_get(facts, "beyond")));
    cr_assert_gt(json_integer_value(json_object_get(facts, "operations")), 0);
    json_decref(document);
    program_free(&run);
}
