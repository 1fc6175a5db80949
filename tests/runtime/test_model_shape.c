/* test_model_shape.c: models with generated weights: sizes, rows that are a function of their number, weights
 * that keep the size of what they multiply; a name that is a file is the file. */
#include "tests/support.h"
#include <criterion/criterion.h>
#include "base/path.h"
#include "runtime/engine.h"
#include "runtime/model.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct model *opened(const char *name) {
    struct model *model = NULL;
    struct error err;
    cr_assert_eq(model_open(name, NULL, NULL, &model, &err), OK, "%s", err.text);
    if (!model) abort();
    return model;
}

Test(model_shape, has_the_sizes_of_its_row) {
    struct model *m = opened("llama-7b-q4");
    cr_expect_eq(m->parameters, 6738415616);
    cr_expect_str_eq(m->name, "llama-7b-q4:128");
    cr_expect_str_eq(m->stamp, "");
    cr_expect_eq(m->layer[31].w_down.k, 11008);
    cr_expect_eq(m->embedding.weight.kind, WEIGHT_f16);
    cr_expect_null(m->tokenizer);
    model_close(m);
}

Test(model_shape, every_shape_opens_in_every_type) {
    static const char *const types[] = {"", "-q4", "-q8", "-q4_0", "-q4_1", "-f16", "-f32"};
    for (size_t i = 0; shape_name(i); i++)
        for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
            char name[64];
            snprintf(name, sizeof name, "%s%s", shape_name(i), types[t]);
            struct model *m = opened(name);
            cr_expect_eq(
                m->layer[0].wo.k % (m->layer[0].wo.weight.group + !m->layer[0].wo.weight.group), 0);
            model_close(m);
        }
}

/* Mean and variance of a row times sqrt(K). */
static void expect_unit(const struct matrix *matrix, int64_t m) {
    struct weight_row row;
    struct error err;
    cr_assert_eq(weight_row_open(matrix->weight, matrix->k, &row, &err), OK);
    float *w = malloc((size_t)matrix->k * sizeof *w),
          *again = malloc((size_t)matrix->k * sizeof *w);
    double sum = 0, square = 0;
    matrix->read(matrix, m, &row);
    weight_row_to_float(matrix->weight, matrix->k, &row, w);
    matrix->read(matrix, m, &row);
    weight_row_to_float(matrix->weight, matrix->k, &row, again);
    cr_expect_arr_eq(w, again, (size_t)matrix->k * sizeof *w);
    matrix->read(matrix, m + 1, &row);
    weight_row_to_float(matrix->weight, matrix->k, &row, again);
    cr_expect_arr_neq(w, again, (size_t)matrix->k * sizeof *w);
    for (int64_t i = 0; i < matrix->k; i++) sum += w[i], square += (double)w[i] * w[i];
    cr_expect_lt(fabs(sum) / sqrt((double)matrix->k), 0.25, "%g", sum);
    cr_expect(square > 0.7 && square < 1.4, "%g", square);
    weight_row_close(&row);
    free(w);
    free(again);
}

Test(model_shape, rows_are_told_by_number_and_keep_their_size) {
    static const char *const names[] = {"smollm2-135m-q4", "smollm2-135m-q8", "smollm2-135m-q4_0",
                                        "smollm2-135m-q4_1", "smollm2-135m-f16"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct model *m = opened(names[i]);
        expect_unit(&m->layer[0].wq, 0);
        expect_unit(&m->layer[29].w_down, 300);
        expect_unit(m->output, 49000);
        model_close(m);
    }
}

Test(model_shape, what_does_not_fit_is_refused) {
    struct model *m;
    struct error err;
    cr_expect_eq(model_open("smollm2-135m-q4:128", NULL, NULL, &m, &err), STATUS_INVALID);
    cr_expect_not_null(strstr(err.text, "whole groups"), "%s", err.text);
    cr_expect_eq(model_open("smollm2-135m-q9", NULL, NULL, &m, &err), STATUS_IO);
    cr_expect_eq(model_open("smollm2-135m", "tok.bin", NULL, &m, &err), STATUS_INVALID);
    cr_expect_not_null(strstr(err.text, "tok.bin"), "%s", err.text);
}

Test(model_shape, a_file_of_that_name_comes_first) {
    struct model *m;
    struct error err;
    cr_assert_eq(chdir(test_folder()), 0);
    cr_assert_eq(path_write("llama-7b", "nonsense", 8, &err), OK, "%s", err.text);
    cr_expect_neq(model_open("llama-7b", NULL, NULL, &m, &err), OK);
}

/* Through the engine: finite logits, nothing in the cache of packed weights. */
Test(model_shape, runs, .timeout = 300) {
    struct engine_model *model;
    struct engine *engine;
    struct error err;
    const char *cache = test_folder();
    setenv("XDG_CACHE_HOME", cache, 1);
    cr_assert_eq(engine_model_open("smollm2-135m-q4", NULL, NULL, &model, &err), OK, "%s",
                 err.text);
    const struct engine_options options = {.database = "/nowhere/hone.db",
                                           .profile = ENGINE_DEFAULT,
                                           .class_name = "f32",
                                           .context = 32,
                                           .last_layer = 2};
    cr_assert_eq(engine_open(model, &options, &engine, &err), OK, "%s", err.text);
    int32_t sequence;
    cr_assert_eq(engine_sequence_new(engine, &sequence, &err), OK);
    const float *const none = NULL;
    const struct engine_row rows[] = {{5, none, 0, sequence, true}, {77, none, 1, sequence, true}};
    cr_assert_eq(engine_batch(engine, rows, 2, &err), OK, "%s", err.text);
    double most = 0;
    const float *hidden = engine_hidden(engine, 1);
    for (int i = 0; i < 576; i++) {
        cr_assert(isfinite(hidden[i]));
        most = fmax(most, fabs(hidden[i]));
    }
    cr_expect(most > 0.01 && most < 100, "%g", most);
    engine_close(engine);
    engine_model_close(model);
    char packed[1100];
    snprintf(packed, sizeof packed, "%s/hone/packed", cache);
    cr_expect_neq(access(packed, F_OK), 0, "generated weights are not kept");
}
