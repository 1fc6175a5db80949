/* test_golden.c: the forward pass, sampler and tokenizer together against golden data of stories260K:
 * ids, fp64 logits, mean NLL, and llama2.c's texts. */
#include "base/path.h"
#include "tests/runtime/engine_support.h"
#include <jansson.h>

static json_t *read_json(const char *name) {
    json_error_t why;
    json_t *json = json_load_file(test_data(name), 0, &why);
    cr_assert(json, "%s: %s", name, why.text);
    return json;
}

static size_t read_ids(const json_t *list, int32_t *ids, size_t most) {
    const size_t n = json_array_size(list);
    cr_assert_leq(n, most);
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return n;
}

Test(golden, greedy_ids) {
    struct bench b = bench_stories((struct engine_options){0});
    json_t *golden = read_json("golden/golden_greedy_stories260K.json"), *one;
    size_t index;
    json_array_foreach (golden, index, one) {
        int32_t prompt[256], expected[512], ids[512];
        const size_t n_prompt = read_ids(json_object_get(one, "prompt_ids"), prompt, 256);
        const size_t n = read_ids(json_object_get(one, "ids"), expected, 512);
        const struct engine_request request = {
            .max_new = (int64_t)(n - n_prompt), .ignore_end = true, .sequence = -1};
        cr_assert_eq(bench_generate(&b, prompt, n_prompt, request, ids, NULL), n);
        for (size_t i = 0; i < n; i++)
            cr_assert_eq(ids[i], expected[i], "prompt %zu: id %zu is %d, not %d", index, i, ids[i],
                         expected[i]);
    }
    cr_assert_gt(index, 0);
    json_decref(golden);
    bench_close(&b);
}

/* Lines "T position id …" are the greedy run, lines "L position logit …" its logits in fp64. */
static void compare_logits(size_t chunk) {
    struct bench b = bench_stories((struct engine_options){0});
    FILE *file = fopen(test_data("golden/golden_logits_stories260K.txt"), "re");
    char *line = NULL;
    size_t capacity = 0, n = 0, compared = 0;
    int32_t ids[512];
    cr_assert(file);
    while (getline(&line, &capacity, file) > 0) {
        int position, id;
        if (sscanf(line, "T %d %d", &position, &id) == 2) ids[position] = id, n++;
    }
    float *logits = bench_logits(&b, bench_sequence(&b), ids, n, 0, chunk);
    rewind(file);
    while (getline(&line, &capacity, file) > 0) {
        char *at = line + 1;
        if (line[0] != 'L') continue;
        const long position = strtol(at, &at, 10);
        for (int i = 0; i < b.facts.vocabulary; i++, compared++) {
            const double expected = strtod(at, &at);
            const double got = (double)logits[position * b.facts.vocabulary + i];
            cr_assert_leq(fabs(got - expected), 1e-3, "position %ld, logit %d is %.7g, not %.7g",
                          position, i, got, expected);
        }
    }
    cr_assert_gt(compared, 1000);
    free(line);
    free(logits);
    fclose(file);
    bench_close(&b);
}

Test(golden, logits_within_1e_3_of_fp64_token_by_token) {
    compare_logits(1);
}

Test(golden, logits_within_1e_3_of_fp64_in_chunks) {
    compare_logits(37);
}

/* −ln p of the ids behind the first. */
static double sequence_nll(const struct bench *b, const int32_t *ids, size_t n) {
    const size_t v = (size_t)b->facts.vocabulary;
    const int32_t sequence = bench_sequence(b);
    float *logits = bench_logits(b, sequence, ids, n - 1, 0, 64);
    double sum = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        const float *row = logits + i * v;
        double top = -INFINITY, all = 0;
        for (size_t t = 0; t < v; t++) top = fmax(top, (double)row[t]);
        for (size_t t = 0; t < v; t++) all += exp((double)row[t] - top);
        sum += top + log(all) - (double)row[ids[i + 1]];
    }
    free(logits);
    engine_sequence_drop(b->engine, sequence);
    return sum;
}

Test(golden, mean_nll_of_texts) {
    struct bench b = bench_stories((struct engine_options){.context = 1024});
    json_t *golden = read_json("golden/golden_nll_stories260K.json"), *part, *list;
    const char *name;
    size_t texts = 0, index;
    json_object_foreach (golden, name, part) {
        const json_t *lists = json_object_get(part, "ids");
        double sum = 0;
        size_t n_all = 0;
        if (!lists) continue;
        json_array_foreach (lists, index, list) {
            int32_t ids[513];
            const size_t n = read_ids(list, ids, 513);
            sum += sequence_nll(&b, ids, n);
            n_all += n - 1;
        }
        const double expected = json_number_value(json_object_get(part, "mean_nll"));
        cr_assert_leq(fabs(sum / (double)n_all - expected), 1e-4, "%s: mean NLL %.6f, not %.6f",
                      name, sum / (double)n_all, expected);
        texts++;
    }
    cr_assert_gt(texts, 0);
    json_decref(golden);
    bench_close(&b);
}

/* The text of ids as llama2.c prints it: without BOS and the first space. */
static void join_text(const struct bench *b, const int32_t *ids, size_t n, char *text,
                      size_t most) {
    size_t length = 0;
    for (size_t i = 1; i < n; i++) {
        size_t bytes;
        const char *piece = engine_token_bytes(b->model, ids[i], &bytes);
        const size_t skip = i == 1 && bytes && piece[0] == ' ';
        cr_assert_lt(length + bytes, most);
        memcpy(text + length, piece + skip, bytes - skip);
        length += bytes - skip;
    }
    while (length && text[length - 1] == '\n') length--;
    text[length] = 0;
}

/* llama2.c counts positions: `steps` of them, the prompt's among them. */
static void compare_text(const char *name, const char *prompt, struct engine_sampling sampling,
                         int steps) {
    struct bench b = bench_stories((struct engine_options){0});
    int32_t *prompt_ids = NULL, ids[512];
    size_t n_prompt, size;
    char *expected = NULL, text[4096] = "";
    MUST(engine_tokenize(b.model, prompt, strlen(prompt), true, false, &prompt_ids, &n_prompt,
                         &err));
    const struct engine_request request = {
        .max_new = steps - (int64_t)n_prompt + 1, .sampling = sampling, .sequence = -1};
    const size_t n = bench_generate(&b, prompt_ids, n_prompt, request, ids, NULL);
    join_text(&b, ids, n, text, sizeof text);
    MUST(path_read(test_data(name), 1 << 16, &expected, &size, &err));
    while (size && expected[size - 1] == '\n') expected[--size] = 0;
    cr_assert_str_eq(text, expected, "%s", name);
    free(expected);
    free(prompt_ids);
    bench_close(&b);
}

Test(golden, sampled_texts) {
    for (uint64_t seed = 1; seed <= 3; seed++) {
        char name[64];
        snprintf(name, sizeof name, "golden/golden_stories260K_t08_p09_s%d_n128.txt", (int)seed);
        compare_text(name, "Once upon a time",
                     (struct engine_sampling){.temperature = 0.8f, .top_p = 0.9f, .seed = seed},
                     128);
    }
    compare_text("golden/golden_stories260K_t1_p09_s133742.txt", "",
                 (struct engine_sampling){.temperature = 1, .top_p = 0.9f, .seed = 133742}, 256);
}

Test(golden, greedy_texts) {
    static const struct {
        const char *name, *prompt;
        int steps;
    } texts[] = {
        {"golden/golden_stories260K_t0_n256.txt", "", 256},
        {"golden/golden_stories260K_t0_n200.txt", "", 200},
        {"golden/golden_stories260K_t0_n256_prompt1.txt", "Once upon a time", 256},
        {"golden/golden_stories260K_t0_n256_prompt2.txt", "Lily and Ben", 256},
        {"golden/golden_stories260K_t0_n256_prompt3.txt", "The cat", 256},
        {"golden/golden_stories260K_t0_n256_prompt4.txt", "One day, a big dog", 256},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        compare_text(texts[i].name, texts[i].prompt, (struct engine_sampling){0}, texts[i].steps);
}
