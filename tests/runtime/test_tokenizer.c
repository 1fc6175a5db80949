/* test_tokenizer.c: ids of real vocabularies against ids that other programs made, and what must hold
 * for any vocabulary: bytes survive, user text makes no special tokens, hostile files are refused. */
#include "runtime/tokenizer.h"
#include "base/path.h"
#include "runtime/gguf.h"
#include "tests/runtime/gguf_maker.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

static struct error err;

/* ---- opening ---- */

static struct tokenizer *open_gguf(const char *path) {
    struct gguf *gguf;
    struct tokenizer *t;
    cr_assert_eq(gguf_open(path, &gguf, &err), OK, "%s", err.text);
    cr_assert_eq(tokenizer_from_gguf(gguf, NULL, &t, &err), OK, "%s", err.text);
    gguf_close(gguf);
    return t;
}

static struct tokenizer *open_file(const char *name, int64_t vocabulary) {
    struct tokenizer *t;
    cr_assert_eq(tokenizer_from_file(test_data(name), vocabulary, &t, &err), OK, "%s", err.text);
    return t;
}

static struct str read_all(const char *path) {
    char *bytes;
    size_t n;
    cr_assert_eq(path_read(path, 1 << 28, &bytes, &n, &err), OK, "%s", err.text);
    return (struct str){bytes, n, n + 1};
}

/* ---- encoding and decoding ---- */

static struct id_list encode(const struct tokenizer *t, const char *text, size_t n,
                             unsigned flags) {
    struct id_list ids = {0};
    cr_assert_eq(tokenizer_encode(t, text, n, flags, &ids, &err), OK, "%s", err.text);
    return ids;
}

/* "1 2 3" */
static struct str ids_text(const struct id_list *ids) {
    struct str s = {0};
    str_add(&s, "");
    for (size_t i = 0; i < ids->n; i++) str_addf(&s, "%s%d", i ? " " : "", ids->id[i]);
    return s;
}

/* Does this tokenizer put a space in front of a text? */
static bool adds_space(const struct tokenizer *t) {
    struct id_list ids = encode(t, "a", 1, 0);
    size_t n = 0;
    const char *bytes = ids.n ? tokenizer_bytes(t, ids.id[0], true, &n) : "";
    const bool adds = n && bytes[0] == ' ';
    id_list_free(&ids);
    return adds;
}

static struct str decode(const struct tokenizer *t, const struct id_list *ids) {
    struct str s = {0};
    str_add(&s, "");
    for (size_t i = 0; i < ids->n; i++) {
        size_t n;
        const char *bytes = tokenizer_bytes(t, ids->id[i], true, &n);
        str_add_bytes(&s, bytes, n);
    }
    const bool is_space = s.length && s.text[0] == ' ' && adds_space(t);
    if (is_space) memmove(s.text, s.text + 1, s.length--);
    return s;
}

/* Bytes that a vocabulary has no token for: they are left out. */
static void find_lacking(const struct tokenizer *t, bool lacks[256]) {
    for (int i = 0; i < 256; i++) {
        struct id_list ids = encode(t, &(char){(char)i}, 1, 0);
        lacks[i] = ids.n == 0;
        id_list_free(&ids);
    }
}

/* The text comes back byte by byte (less those that are lacking), and never ends the generation. */
static void check_round_trip(const struct tokenizer *t, const char *text, size_t n,
                             const bool *lacks) {
    struct id_list ids = encode(t, text, n, 0);
    struct str back = decode(t, &ids);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (lacks && lacks[(unsigned char)text[i]]) continue;
        cr_assert(at < back.length && back.text[at] == text[i], "byte %zu of %zu", i, n);
        at++;
    }
    cr_assert_eq(at, back.length);
    for (size_t i = 0; i < ids.n; i++)
        cr_assert(ids.id[i] >= 0 && ids.id[i] < tokenizer_size(t) &&
                  !tokenizer_is_end(t, ids.id[i]));
    str_free(&back);
    id_list_free(&ids);
}

/* ---- the 47 texts ---- */

/* The text up to the separator, or the rest; *rest moves behind it, to NULL at the end. */
static size_t next_part(const char **rest, const char *separator, const char **part) {
    *part = *rest;
    const char *end = strstr(*rest, separator);
    *rest = end ? end + strlen(separator) : NULL;
    return end ? (size_t)(end - *part) : strlen(*part);
}

static void check_texts(const struct tokenizer *t, const char *inputs, const char *outputs,
                        bool returns) {
    struct str in = read_all(inputs), out = read_all(outputs);
    const char *texts = in.text, *lines = out.text, *text, *line;
    int n_texts = 0;
    for (; texts; n_texts++) {
        const size_t n = next_part(&texts, "\n__ggml_vocab_test__\n", &text);
        size_t length = lines ? next_part(&lines, "\n", &line) : 0;
        while (length && line[0] == ' ') line++, length--;
        while (length && line[length - 1] == ' ') length--;
        struct id_list ids = encode(t, text, n, 0);
        struct str got = ids_text(&ids);
        cr_assert(got.length == length && !memcmp(got.text, length ? line : "", length),
                  "text %d of %s \"%.*s\":\n%s\n%.*s was expected", n_texts, inputs,
                  (int)(n < 60 ? n : 60), text, got.text, (int)length, length ? line : "");
        if (returns) check_round_trip(t, text, n, NULL);
        str_free(&got);
        id_list_free(&ids);
    }
    cr_assert_eq(n_texts, 47);
    str_free(&in);
    str_free(&out);
}

static void check_vocabulary(const char *name, const char *kind, int64_t size) {
    char file[64], inputs[80], outputs[80];
    snprintf(file, sizeof file, "tokenizer/ggml-vocab-%s.gguf", name);
    snprintf(inputs, sizeof inputs, "%s.inp", file);
    snprintf(outputs, sizeof outputs, "%s.out", file);
    struct tokenizer *t = open_gguf(test_data(file));
    cr_assert_str_eq(tokenizer_kind(t), kind);
    cr_assert_eq(tokenizer_size(t), size);
    check_texts(t, test_data(inputs), test_data(outputs), true);
    tokenizer_close(t);
}

Test(tokenizer, gpt_2) {
    check_vocabulary("gpt-2", "bpe gpt-2", 50257);
}
Test(tokenizer, llama_spm) {
    check_vocabulary("llama-spm", "spm", 32000);
}
Test(tokenizer, llama_bpe) {
    check_vocabulary("llama-bpe", "bpe llama-bpe", 128256);
}
Test(tokenizer, qwen2) {
    check_vocabulary("qwen2", "bpe qwen2", 151936);
}
Test(tokenizer, starcoder) {
    check_vocabulary("starcoder", "bpe starcoder", 49152);
}
Test(tokenizer, deepseek_llm) {
    check_vocabulary("deepseek-llm", "bpe deepseek-llm", 102400);
}

Test(tokenizer, smollm2) {
    struct tokenizer *t = open_gguf(test_model());
    cr_assert_str_eq(tokenizer_kind(t), "bpe smollm");
    cr_assert(!tokenizer_adds_bos(t));
    check_texts(t, test_data("tokenizer/ggml-vocab-gpt-2.gguf.inp"),
                test_data("tokenizer/smollm2.out"), true);
    tokenizer_close(t);
}

Test(tokenizer, tok512_as_llama2c) {
    struct tokenizer *t = open_file("tokenizer/tok512.bin", 512);
    cr_assert_str_eq(tokenizer_kind(t), "llama2.c");
    cr_assert(tokenizer_bos(t) == 1 && tokenizer_eos(t) == 2 && tokenizer_adds_bos(t));
    check_texts(t, test_data("tokenizer/ggml-vocab-llama-spm.gguf.inp"),
                test_data("golden/golden_tok512_vectors.runc.out"), true);
    tokenizer_close(t);
}

/* This form normalises white space: its texts do not come back as they were. */
Test(tokenizer, tok512_as_sentencepiece) {
    struct tokenizer *t = open_file("tokenizer/tok512.model", 512);
    cr_assert_str_eq(tokenizer_kind(t), "sentencepiece");
    cr_assert(tokenizer_bos(t) == 1 && tokenizer_eos(t) == 2 && tokenizer_adds_bos(t));
    check_texts(t, test_data("tokenizer/ggml-vocab-llama-spm.gguf.inp"),
                test_data("golden/golden_tok512_vectors.sentencepiece.out"), false);
    tokenizer_close(t);
}

/* ---- a whole book ---- */

static void sha256(const char *path, char hex[65]) {
    char *command = text_format("sha256sum '%s'", path);
    FILE *pipe = popen(command, "r");
    cr_assert(pipe && fscanf(pipe, "%64s", hex) == 1, "running %s", command);
    pclose(pipe);
    free(command);
}

Test(tokenizer, wiki_test_whole) {
    struct tokenizer *t = open_gguf(test_model());
    struct str text = read_all(test_data("text/wiki.test.raw"));
    const clock_t start = clock();
    struct id_list ids = encode(t, text.text, text.length, 0);
    const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    cr_assert_eq(ids.n, 303415);
    char hex[65], *path = text_format("%s/ids", test_folder());
    struct str joined = ids_text(&ids);
    cr_assert_eq(path_write(path, joined.text, joined.length, &err), OK, "%s", err.text);
    sha256(path, hex);
    cr_assert_str_eq(hex, "faca63a9c8b0953216eb316cc5ebf5ace75f886d4fc930c60cd2ffcf43ce6b68");
    cr_assert(seconds < 2, "1.29 MB took %.2f s", seconds);
    check_round_trip(t, text.text, text.length, NULL);
    free(path);
    str_free(&joined);
    str_free(&text);
    id_list_free(&ids);
    tokenizer_close(t);
}

/* ---- any bytes ---- */

/* Broken UTF-8 of every sort, alone and inside of words. */
static const char *const broken[] = {
    "\x80",
    "\xff\xfe\xfd",
    "\xc0\x80",
    "\xe2\x82",
    "\xed\xa0\x80",
    "\xf4\x90\x80\x80",
    "\xf8\x88\x80\x80\x80",
    "a\xc3 b\xe2\x82 c",
    "ok\xf0\x9f\x98",
    "\xe2\x82\xac\x80\xe2\x82\xac",
};

static void check_any_bytes(struct tokenizer *t, int n_lacking) {
    bool lacks[256];
    int n = 0;
    char all[4 * 256];
    uint32_t noise = 1;
    find_lacking(t, lacks);
    for (int i = 0; i < 256; i++) n += lacks[i];
    cr_assert_eq(n, n_lacking, "%d bytes have no token", n);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        check_round_trip(t, broken[i], strlen(broken[i]), lacks);
    for (int i = 0; i < 256; i++) {
        all[i] = (char)i;
        check_round_trip(t, &all[i], 1, lacks);
    }
    check_round_trip(t, all, 256, lacks);
    for (int run = 0; run < 50; run++) {
        for (size_t i = 0; i < sizeof all; i++) {
            noise = noise * 1664525 + 1013904223;
            all[i] = (char)(noise >> 24);
        }
        check_round_trip(t, all, sizeof all, lacks);
    }
    tokenizer_close(t);
}

Test(tokenizer, any_bytes_survive_bpe) {
    check_any_bytes(open_gguf(test_data("tokenizer/ggml-vocab-gpt-2.gguf")), 0);
}
Test(tokenizer, any_bytes_survive_smollm2) {
    check_any_bytes(open_gguf(test_model()), 21);
}
Test(tokenizer, any_bytes_survive_spm) {
    check_any_bytes(open_gguf(test_data("tokenizer/ggml-vocab-llama-spm.gguf")), 0);
}
Test(tokenizer, any_bytes_survive_llama2c) {
    check_any_bytes(open_file("tokenizer/tok512.bin", 512), 0);
}

/* Texts that make naive tokenizers quadratic, or regular expressions give up. */
static void check_long_texts(struct tokenizer *t) {
    enum { N = 300000 };
    char *text = malloc(N);
    bool lacks[256];
    find_lacking(t, lacks);
    const char *const repeated[] = {" ",    "a", "\n", " \n", "ab ", "1", "\xe4\xbd\xa0",
                                    "\xff", "'s"};
    for (size_t i = 0; i < sizeof repeated / sizeof *repeated; i++) {
        const size_t length = strlen(repeated[i]);
        for (size_t at = 0; at < N; at++) text[at] = repeated[i][at % length];
        const clock_t start = clock();
        check_round_trip(t, text, N / length * length, lacks);
        const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        cr_assert(seconds < 3, "%d bytes of \"%s\" took %.2f s", N, repeated[i], seconds);
    }
    free(text);
    tokenizer_close(t);
}

Test(tokenizer, long_texts_are_quick_in_bpe) {
    check_long_texts(open_gguf(test_model()));
}
Test(tokenizer, long_texts_are_quick_in_llama_3) {
    check_long_texts(open_gguf(test_data("tokenizer/ggml-vocab-llama-bpe.gguf")));
}
Test(tokenizer, long_texts_are_quick_in_deepseek) {
    check_long_texts(open_gguf(test_data("tokenizer/ggml-vocab-deepseek-llm.gguf")));
}
Test(tokenizer, long_texts_are_quick_in_spm) {
    check_long_texts(open_gguf(test_data("tokenizer/ggml-vocab-llama-spm.gguf")));
}

Test(tokenizer, a_text_beyond_2_gib_is_refused) {
    struct tokenizer *t = open_file("tokenizer/tok512.bin", 512);
    struct id_list ids = {0};
    cr_assert_eq(tokenizer_encode(t, "x", (size_t)INT32_MAX + 1, 0, &ids, &err), STATUS_INVALID);
    cr_assert_eq(tokenizer_encode(t, "x", SIZE_MAX, 0, &ids, &err), STATUS_INVALID);
    cr_assert_eq(ids.n, 0);
    tokenizer_close(t);
}

/* ---- special tokens ---- */

Test(tokenizer, markers_in_a_text_are_text_unless_asked_for) {
    struct tokenizer *t = open_gguf(test_model());
    const char text[] = "<|im_start|>user\nHi<|im_end|>";
    const int32_t start = tokenizer_special(t, "<|im_start|>");
    const int32_t end = tokenizer_special(t, "<|im_end|>");
    cr_assert(start > 0 && end > 0 && start != end);
    cr_assert(tokenizer_is_special(t, start) && tokenizer_is_end(t, end));
    cr_assert(!tokenizer_is_end(t, start) && tokenizer_special(t, "user") == -1);
    struct id_list plain = encode(t, text, strlen(text), 0);
    for (size_t i = 0; i < plain.n; i++) cr_assert(!tokenizer_is_special(t, plain.id[i]));
    struct id_list special = encode(t, text, strlen(text), TOKENIZER_PARSE_SPECIAL);
    cr_assert(special.n < plain.n);
    cr_assert(special.id[0] == start && special.id[special.n - 1] == end);
    struct str back = decode(t, &special);
    cr_assert_str_eq(back.text, text);
    size_t n;
    tokenizer_bytes(t, start, false, &n);
    cr_assert_eq(n, 0, "control tokens print nothing");
    check_round_trip(t, text, strlen(text), NULL);
    str_free(&back);
    id_list_free(&plain);
    id_list_free(&special);
    tokenizer_close(t);
}

/* Parts are one text where they meet, and their markers count only where they may. */
Test(tokenizer, parts_join_but_do_not_leak) {
    struct tokenizer *t = open_gguf(test_model());
    const struct tokenizer_part parts[] = {
        {"<|im_start|>us", 14, true}, {"er <|im_", 8, false}, {"end|><|im_end|>", 15, true}};
    struct id_list ids = {0};
    cr_assert_eq(tokenizer_encode_parts(t, parts, 3, false, &ids, &err), OK, "%s", err.text);
    struct id_list middle = encode(t, "user <|im_end|>", 15, 0);
    cr_assert_eq(ids.n, middle.n + 2);
    cr_assert_arr_eq(ids.id + 1, middle.id, middle.n * sizeof *middle.id);
    id_list_free(&ids);
    id_list_free(&middle);
    tokenizer_close(t);
}

Test(tokenizer, bos_where_asked_and_where_there_is_one) {
    struct tokenizer *t = open_gguf(test_data("tokenizer/ggml-vocab-llama-bpe.gguf"));
    struct id_list ids = encode(t, "", 0, TOKENIZER_ADD_BOS);
    cr_assert(ids.n == 1 && ids.id[0] == 128000 && tokenizer_bos(t) == 128000);
    cr_assert(tokenizer_adds_bos(t), "llama-bpe does, and the file does not deny it");
    id_list_free(&ids);
    tokenizer_close(t);
}

Test(tokenizer, ids_outside_have_no_bytes) {
    struct tokenizer *t = open_file("tokenizer/tok512.bin", 0);
    const int32_t outside[] = {-1, 512, INT32_MAX, INT32_MIN};
    size_t n = 7;
    for (int i = 0; i < 4; i++) {
        cr_assert(tokenizer_bytes(t, outside[i], true, &n) != NULL && n == 0);
        cr_assert(!tokenizer_is_special(t, outside[i]) && !tokenizer_is_end(t, outside[i]));
    }
    tokenizer_close(t);
}

/* ---- small vocabularies, good and hostile ---- */

/* The bytes a, b, c and their merges ab, abc. */
static struct maker small_bpe(void) {
    struct maker m = maker_new();
    static const char *const tokens[] = {"a", "b", "c", "ab", "abc", "\xc4\xa0" /* space */, "<e>"};
    static const char *const merges[] = {"a b", "ab c"};
    static const int32_t types[] = {1, 1, 1, 1, 1, 1, 3};
    maker_string(&m, "tokenizer.ggml.model", "gpt2");
    maker_string(&m, "tokenizer.ggml.pre", "gpt-2");
    maker_strings(&m, "tokenizer.ggml.tokens", tokens, 7);
    maker_array(&m, "tokenizer.ggml.token_type", GGUF_I32, 7);
    for (int i = 0; i < 7; i++) maker_uint(&m.keys, (uint64_t)types[i], 4);
    maker_strings(&m, "tokenizer.ggml.merges", merges, 2);
    return m;
}

static enum status open_made(struct maker *m, const char *force, struct tokenizer **t) {
    struct str file = maker_file(m);
    struct gguf *gguf;
    *t = NULL;
    err = (struct error){OK, ""};
    cr_assert_eq(gguf_open_bytes("made.gguf", file.text, file.length, &gguf, &err), OK, "%s",
                 err.text);
    const enum status status = tokenizer_from_gguf(gguf, force, t, &err);
    cr_assert((status == OK) == (*t != NULL));
    gguf_close(gguf);
    str_free(&file);
    maker_free(m);
    return status;
}

static void expect_ids(const struct tokenizer *t, const char *text, const char *wanted) {
    struct id_list ids = encode(t, text, strlen(text), TOKENIZER_PARSE_SPECIAL);
    struct str got = ids_text(&ids);
    cr_assert_str_eq(got.text, wanted);
    str_free(&got);
    id_list_free(&ids);
}

Test(tokenizer, a_small_bpe) {
    struct maker m = small_bpe();
    struct tokenizer *t;
    cr_assert_eq(open_made(&m, NULL, &t), OK, "%s", err.text);
    expect_ids(t, "abcab ba<e>c", "4 3 5 1 0 6 2");
    expect_ids(t, "axb", "0 1"); /* x is nothing here, and there is no unknown token */
    tokenizer_close(t);
}

static void refused(struct maker *m, enum status status, const char *says) {
    struct tokenizer *t;
    cr_assert_eq(open_made(m, NULL, &t), status, "%s: %s", says, err.text);
    cr_assert(strstr(err.text, says) && strstr(err.text, "made.gguf"), "%s: %s", says, err.text);
}

Test(tokenizer, an_unknown_pretokenizer_is_refused_unless_forced) {
    struct maker m = maker_new();
    maker_string(&m, "tokenizer.ggml.model", "gpt2");
    maker_string(&m, "tokenizer.ggml.pre", "martian\033[2J");
    maker_strings(&m, "tokenizer.ggml.tokens", (const char *const[]){"a"}, 1);
    struct tokenizer *t;
    cr_assert_eq(open_made(&m, NULL, &t), STATUS_UNSUPPORTED);
    cr_assert(strstr(err.text, "martian?[2J") && strstr(err.text, "smollm"), "%s", err.text);
    m = maker_new();
    maker_string(&m, "tokenizer.ggml.model", "gpt2");
    maker_strings(&m, "tokenizer.ggml.tokens", (const char *const[]){"a"}, 1);
    cr_assert_eq(open_made(&m, "gpt-2", &t), OK, "%s", err.text);
    expect_ids(t, "aa", "0 0");
    tokenizer_close(t);
    m = maker_new();
    maker_string(&m, "tokenizer.ggml.model", "gpt2");
    cr_assert_eq(open_made(&m, "venusian", &t), STATUS_UNSUPPORTED);
    cr_assert(strstr(err.text, "venusian"), "%s", err.text);
}

Test(tokenizer, vocabularies_that_lie_are_refused) {
    struct maker m = maker_new();
    refused(&m, STATUS_UNSUPPORTED, "tokenizer.ggml.model");
    m = maker_new();
    maker_string(&m, "tokenizer.ggml.model", "bert");
    refused(&m, STATUS_UNSUPPORTED, "bert");
    m = maker_new();
    maker_string(&m, "tokenizer.ggml.model", "llama");
    refused(&m, STATUS_INVALID, "tokenizer.ggml.tokens");
    m = maker_new();
    maker_string(&m, "tokenizer.ggml.model", "llama");
    maker_strings(&m, "tokenizer.ggml.tokens", NULL, 0);
    refused(&m, STATUS_INVALID, "0 tokens");
    for (int which = 0; which < 2; which++) { /* arrays of another length */
        m = maker_new();
        maker_string(&m, "tokenizer.ggml.model", "llama");
        maker_strings(&m, "tokenizer.ggml.tokens", (const char *const[]){"a", "b"}, 2);
        const char *name = which ? "tokenizer.ggml.token_type" : "tokenizer.ggml.scores";
        maker_array(&m, name, which ? GGUF_I32 : GGUF_F32, 1);
        maker_uint(&m.keys, 1, 4);
        refused(&m, STATUS_INVALID, name);
    }
    m = small_bpe();
    maker_array(&m, "tokenizer.ggml.scores", GGUF_U8, 7); /* not looked at by this kind */
    maker_uint(&m.keys, 0, 7);
    struct tokenizer *t;
    cr_assert_eq(open_made(&m, NULL, &t), OK, "%s", err.text);
    tokenizer_close(t);
    static const char *const ids[] = {"bos", "eos", "eot", "unknown"};
    for (int i = 0; i < 4; i++) { /* ids outside of the vocabulary */
        char name[64];
        snprintf(name, sizeof name, "tokenizer.ggml.%s_token_id", ids[i]);
        m = small_bpe();
        maker_int(&m, name, GGUF_U32, 7);
        refused(&m, STATUS_INVALID, name);
        m = small_bpe();
        maker_int(&m, name, GGUF_I32, -1);
        refused(&m, STATUS_INVALID, name);
    }
}

static const char *const *spm_tokens(const char *fourth) {
    static const char *tokens[5] = {"<unk>", "<s>", "</s>", NULL, "\xe2\x96\x81"};
    tokens[3] = fourth;
    return tokens;
}

static struct maker small_spm(const char *byte_token, float score) {
    static const int32_t types[] = {2, 3, 3, 6, 1};
    struct maker m = maker_new();
    maker_string(&m, "tokenizer.ggml.model", "llama");
    maker_strings(&m, "tokenizer.ggml.tokens", spm_tokens(byte_token), 5);
    maker_array(&m, "tokenizer.ggml.token_type", GGUF_I32, 5);
    for (int i = 0; i < 5; i++) maker_uint(&m.keys, (uint64_t)types[i], 4);
    maker_array(&m, "tokenizer.ggml.scores", GGUF_F32, 5);
    for (int i = 0; i < 5; i++) str_add_bytes(&m.keys, &score, 4);
    maker_int(&m, "tokenizer.ggml.unknown_token_id", GGUF_U32, 0);
    return m;
}

Test(tokenizer, a_small_spm_and_bytes_that_are_none) {
    struct maker m = small_spm("<0x41>", 0);
    struct tokenizer *t;
    cr_assert_eq(open_made(&m, NULL, &t), OK, "%s", err.text);
    expect_ids(t, "AB</s>A", "4 3 0 2 4 3");
    tokenizer_close(t);
    static const char *const no_bytes[] = {"<0x-1>", "<0xZZ>", "<0x1>", "<0x123>", "", "A"};
    for (int i = 0; i < 6; i++) {
        m = small_spm(no_bytes[i], 0);
        refused(&m, STATUS_INVALID, "token 3");
    }
    m = small_spm("<0x41>", __builtin_nanf(""));
    refused(&m, STATUS_INVALID, "score");
}

Test(tokenizer, odd_merges) {
    static const struct {
        const char *merge;
        enum status status;
    } cases[] = {
        {"a b", OK},
        {"x y", OK},
        {"ab", STATUS_INVALID},
        {"", STATUS_INVALID},
        {" ", STATUS_INVALID},
        {"a ", STATUS_INVALID},
        {" b", STATUS_INVALID},
        {"a \xff", STATUS_INVALID},
        {"a b c", STATUS_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct maker m = maker_new();
        struct tokenizer *t;
        maker_string(&m, "tokenizer.ggml.model", "gpt2");
        maker_string(&m, "tokenizer.ggml.pre", "gpt-2");
        maker_strings(&m, "tokenizer.ggml.tokens", (const char *const[]){"a", "b", ""}, 3);
        maker_strings(&m, "tokenizer.ggml.merges",
                      (const char *const[]){"a b", cases[i].merge, "b a", "ab ab", "a b"}, 5);
        cr_assert_eq(open_made(&m, NULL, &t), cases[i].status, "\"%s\": %s", cases[i].merge,
                     err.text);
        if (t) expect_ids(t, "abab", "0 1 0 1"); /* merges to what is no token fall back to bytes */
        tokenizer_close(t);
    }
}

Test(tokenizer, a_token_of_10_megabytes) {
    enum { N = 10 << 20 };
    char *big = malloc(N + 1);
    memset(big, 'b', N);
    big[N] = 0;
    for (int type = 1; type <= 4; type += 2) { /* normal, control */
        struct maker m = maker_new();
        struct tokenizer *t;
        maker_string(&m, "tokenizer.ggml.model", "gpt2");
        maker_string(&m, "tokenizer.ggml.pre", "gpt-2");
        maker_strings(&m, "tokenizer.ggml.tokens", (const char *const[]){"b", big}, 2);
        maker_array(&m, "tokenizer.ggml.token_type", GGUF_I32, 2);
        maker_uint(&m.keys, 1, 4);
        maker_uint(&m.keys, (uint64_t)type, 4);
        cr_assert_eq(open_made(&m, NULL, &t), OK, "%s", err.text);
        expect_ids(t, "bbb", "0 0 0");
        tokenizer_close(t);
    }
    free(big);
}

/* ---- tokenizer files, cut and changed ---- */

static void check_mutants(const char *name, int64_t vocabulary) {
    struct str file = read_all(test_data(name));
    char *path = text_format("%s/mutant", test_folder());
    int n_refused = 0;
    for (size_t i = 0; i < 600; i++) {
        const size_t at = i * 131 % file.length;
        const char old = file.text[at];
        const bool cut = i % 2;
        struct tokenizer *t;
        if (!cut) file.text[at] ^= (char)(1 << i / 2 % 8);
        FILE *out = fopen(path, "wbe");
        cr_assert(out && fwrite(file.text, 1, cut ? at : file.length, out) != 0 + (size_t)-1);
        fclose(out);
        const enum status status = tokenizer_from_file(path, vocabulary, &t, &err);
        n_refused += status != OK;
        cr_assert(!cut || status == STATUS_INVALID, "cut at byte %zu: %s", at, status_name(status));
        if (t) { /* whatever it means now, it encodes within its vocabulary */
            struct id_list ids = encode(t, "Once upon a time\xff", 17, TOKENIZER_ADD_BOS);
            for (size_t k = 0; k < ids.n; k++)
                cr_assert(ids.id[k] >= 0 && ids.id[k] < tokenizer_size(t));
            id_list_free(&ids);
        }
        tokenizer_close(t);
        file.text[at] = old;
    }
    cr_assert(n_refused >= 300);
    free(path);
    str_free(&file);
}

Test(tokenizer, mutants_of_a_llama2c_tokenizer) {
    check_mutants("tokenizer/tok512.bin", 512);
}
Test(tokenizer, mutants_of_a_sentencepiece_model) {
    check_mutants("tokenizer/tok512.model", 512);
}

Test(tokenizer, the_vocabulary_must_fit_the_model) {
    struct tokenizer *t;
    for (int i = 0; i < 2; i++) {
        const char *path = test_data(i ? "tokenizer/tok512.model" : "tokenizer/tok512.bin");
        cr_assert_eq(tokenizer_from_file(path, 511, &t, &err), STATUS_INVALID);
        cr_assert(strstr(err.text, "511"), "%s", err.text);
        cr_assert_eq(tokenizer_from_file(path, 513, &t, &err), STATUS_INVALID);
    }
    cr_assert_eq(tokenizer_from_file("/nowhere/tokenizer.bin", 0, &t, &err), STATUS_IO);
}
