/* test_pack.c: the cache of packed weights: used while the model's file is the same, never after it was written
 * to, and no larger than it may be; packing without it. */
#include "base/path.h"
#include "base/rng.h"
#include "base/str.h"
#include "runtime/model.h"
#include "runtime/pack.h"
#include "tests/runtime/engine_support.h"
#include <dirent.h>
#include <sys/stat.h>

/* A llama2.c model whose embedding is large enough to be kept (1.2 MB). */
enum { WIDTH = 256, VOCABULARY = 1200, POSITIONS = 64, LAYER = 2 * WIDTH + 7 * WIDTH * WIDTH };
enum { FLOATS = VOCABULARY * WIDTH + LAYER + WIDTH + 2 * POSITIONS * (WIDTH / 4 / 2) };
enum { ROW = 700 }; /* the row that is edited, far from either end */

static float *weights_new(void) {
    struct rng rng = rng_seed(7);
    float *weights = malloc(FLOATS * sizeof *weights);
    for (size_t i = 0; i < FLOATS; i++) weights[i] = (float)(rng_uniform(&rng) - 0.5) / 4;
    return weights;
}

static void write_model(const char *path, const float *weights) {
    const int32_t header[] = {WIDTH, WIDTH, 1, 4, 4, VOCABULARY, POSITIONS};
    char *file = malloc(sizeof header + FLOATS * sizeof *weights);
    memcpy(file, header, sizeof header);
    memcpy(file + sizeof header, weights, FLOATS * sizeof *weights);
    MUST(path_write(path, file, sizeof header + FLOATS * sizeof *weights, &err));
    free(file);
}

/* The logits behind the edited row's token, from an engine opened now. */
static float *logits_now(const char *path) {
    const int32_t id = ROW;
    struct bench b = bench_open(path, NULL, (struct engine_options){.profile = ENGINE_DEFAULT});
    float *logits = bench_logits(&b, bench_sequence(&b), &id, 1, 0, 1);
    bench_close(&b);
    return logits;
}

static size_t files_kept(void) {
    char *folder = path_cache("packed");
    DIR *open = opendir(folder);
    size_t n = 0;
    for (struct dirent *entry; open && (entry = readdir(open));) n += entry->d_name[0] != '.';
    if (open) closedir(open);
    free(folder);
    return n;
}

Test(pack, weights_edited_in_place_are_packed_anew) {
    setenv("XDG_CACHE_HOME", test_folder(), 1);
    char *path = text_format("%s/model.bin", test_folder());
    float *weights = weights_new();
    write_model(path, weights);
    float *first = logits_now(path);
    const size_t kept = files_kept();
    cr_assert_geq(kept, 1, "the embedding is kept");
    float *again = logits_now(path);
    same_bits(first, again, VOCABULARY, "from the cache");
    cr_assert_eq(files_kept(), kept, "nothing was packed twice");
    FILE *file = fopen(path, "r+e"); /* the same file, size and header */
    cr_assert_not_null(file);
    for (size_t i = 0; i < WIDTH; i++) weights[ROW * WIDTH + i] = (float)i / WIDTH;
    cr_assert_eq(fseek(file, 28 + (long)ROW * WIDTH * 4, SEEK_SET), 0);
    cr_assert_eq(fwrite(weights + ROW * WIDTH, sizeof *weights, WIDTH, file), WIDTH);
    cr_assert_eq(fclose(file), 0);
    float *edited = logits_now(path);
    setenv("XDG_CACHE_HOME", test_folder(), 1); /* an empty cache: what is right */
    float *right = logits_now(path);
    cr_assert_neq(memcmp(first, right, VOCABULARY * sizeof *first), 0, "the edit matters");
    same_bits(right, edited, VOCABULARY, "after the edit");
    free(first), free(again), free(edited), free(right), free(weights), free(path);
}

/* ---- in parts ---- */

/* Without the cache a matrix is packed part by part: the same bytes, whatever the last part leaves over. */
Test(pack, parts_join) {
    static const char *const names[] = {"smollm2-135m-q4", "smollm2-135m-q4_1", "smollm2-135m-q8",
                                        "smollm2-135m-f16", "smollm2-135m-f32"};
    struct device *device;
    MUST(device_open(NULL, &device, &err));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int l = 0; l < LAYOUTS; l++) {
            struct model *model;
            struct packed packed;
            MUST(model_open(names[i], NULL, NULL, &model, &err));
            struct matrix matrix = model->layer[1].w_up;
            matrix.m = 700; /* two parts and a ragged rest */
            struct pack_item item = {"w_up", &matrix, &layouts[l], {0}};
            MUST(pack_open(device, NULL, &item, 1, &packed, &err));
            unsigned char *whole = malloc(item.view.bytes), *parts = malloc(item.view.bytes);
            MUST(layout_pack(item.layout, &matrix, whole, &err));
            MUST(view_read(item.view, 0, parts, item.view.bytes, &err));
            cr_expect_arr_eq(whole, parts, item.view.bytes, "%s %s", names[i], item.layout->name);
            free(whole);
            free(parts);
            pack_close(&packed);
            model_close(model);
        }
    device_close(device);
}
