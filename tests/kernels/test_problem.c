/* test_problem.c: classes, slices, and problems as text. */
#include "kernels/kernel.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct error err;

#define must(call) cr_assert_eq(call, OK, "%s", err.text)

static struct problem parsed(const char *slice, const char *text) {
    struct problem problem;
    must(problem_parse(slice_find(slice), text, &problem, &err));
    return problem;
}

static size_t expanded(const char *slice, const char *text, struct problem **list) {
    size_t n;
    must(problem_expand(slice_find(slice), text, list, &n, &err));
    return n;
}

/* The values of n among the problems that a text means. */
static void expect_n(const char *slice, const char *text, const int64_t *expected, size_t count) {
    struct problem *list;
    const size_t n = expanded(slice, text, &list);
    cr_expect_eq(n, count, "%s %s gives %zu problems", slice, text, n);
    for (size_t i = 0; i < n && i < count; i++)
        cr_expect_eq(problem_get(&list[i], "n"), expected[i], "%s %s, number %zu", slice, text, i);
    free(list);
}
#define EXPECT_N(slice, text, ...)                                                                 \
    expect_n(slice, text, (const int64_t[]){__VA_ARGS__},                                          \
             sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

Test(problem, classes_by_name) {
    for (int class = 0; class < CLASSES; class ++)
        cr_assert_eq(class_find(class_names[class]), class);
    cr_assert_eq(class_find("f64"), -1);
    char done[64];
    class_list(done);
    cr_assert_str_eq(done, "f32, i8");
    cr_assert_eq(class_find(""), -1);
}

Test(problem, parses_fields_in_any_order) {
    const struct problem p = parsed("matmul", "n=32,w=q4:64,k=4096,m=12288,e=residual");
    cr_assert_eq(problem_get(&p, "m"), 12288);
    cr_assert_eq(problem_get(&p, "k"), 4096);
    cr_assert_eq(problem_get(&p, "n"), 32);
    const struct weight w = weight_from_int(problem_get(&p, "w"));
    cr_assert(w.kind == WEIGHT_q4 && w.group == 64);
    cr_assert_eq(problem_get(&p, "e"), 2);
    cr_assert_eq(problem_get(&p, "ldc"), 0);
    cr_assert_eq(p.class, CLASS_F32);
    cr_assert_eq(p.layout, &layouts[LAYOUT_panel16]);
    cr_assert_str_eq(p.family->name, "matmul");
}

Test(problem, fallbacks_are_the_slices_weight_and_the_fields_own) {
    const struct problem q4 = parsed("gemv_q4", "m=64,k=256");
    const struct weight w = weight_from_int(problem_get(&q4, "w"));
    cr_assert(w.kind == WEIGHT_q4 && w.group == 128);
    cr_assert_eq(problem_get(&q4, "n"), 1);
    const struct problem plain = parsed("matmul", "m=64,k=256");
    cr_assert_eq(weight_from_int(problem_get(&plain, "w")).kind, WEIGHT_f32);
    const struct problem norm = parsed("rmsnorm", "k=576");
    cr_assert_eq(problem_get(&norm, "eps"), 0x3727c5ac, "the bits of 1e-5f");
    cr_assert_eq(problem_get(&norm, "o"), 0);
}

/* What text gives, text gives again; and numbers make the round trip, too. */
Test(problem, format_round_trip) {
    static const struct {
        const char *slice, *text, *formatted;
    } rows[] = {
        {"matmul", "n=32,k=4096,m=12288,w=q4", "m=12288,k=4096,n=32,w=q4:128"},
        {"gemv", "m=1,k=1", "m=1,k=1,n=1,w=f32"},
        {"gemm_q8", "m=5,k=64,n=2,e=bias", "m=5,k=64,n=2,w=q8:32,e=bias"},
        {"matmul", "m=5,k=64,n=2,e=none", "m=5,k=64,n=2,w=f32"},
        {"rmsnorm", "k=576,n=3,o=i8,r=1,g=64", "k=576,n=3,r=1,o=i8,g=64"},
        {"sample", "m=49152", "m=49152,n=1"},
        {"matmul", "m=16777216,k=16777216,n=1048576,w=q4_1:256,e=residual",
         "m=16777216,k=16777216,n=1048576,w=q4_1:256,e=residual"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[160];
        const struct problem p = parsed(rows[i].slice, rows[i].text);
        problem_format(&p, text);
        cr_expect_str_eq(text, rows[i].formatted);
        const struct problem again = parsed(p.family->name, text);
        cr_expect(problem_equal(&p, &again), "%s", text);
        const struct problem by_slice = parsed(slice_of(&p)->name, text);
        cr_expect(problem_equal(&p, &by_slice), "%s as %s", text, slice_of(&p)->name);
    }
}

Test(problem, every_example_makes_the_round_trip) {
    int n = 0;
    for (const struct family *const *f = families; *f; f++)
        for (const char *const *text = (*f)->examples; text && *text; text++, n++) {
            char fields[160], formatted[160];
            snprintf(fields, sizeof fields, "%.*s", (int)strcspn(*text, " "), *text);
            const struct problem p = parsed((*f)->name, fields);
            problem_format(&p, formatted);
            const struct problem again = parsed((*f)->name, formatted);
            cr_expect(problem_equal(&p, &again), "%s: %s", *text, formatted);
        }
    cr_assert_gt(n, 50);
}

Test(problem, lists_and_ranges) {
    EXPECT_N("matmul", "m=8,k=8,n=5", 5);
    EXPECT_N("matmul", "m=8,k=8,n=1,2,4", 1, 2, 4);
    EXPECT_N("matmul", "m=8,k=8,n=3..6", 3, 4, 5, 6);
    EXPECT_N("matmul", "m=8,k=8,n=16..64+16", 16, 32, 48, 64);
    EXPECT_N("matmul", "m=8,k=8,n=16..63+16", 16, 32, 48);
    EXPECT_N("matmul", "m=8,k=8,n=1..10*2", 1, 2, 4, 8);
    EXPECT_N("matmul", "m=8,k=8,n=3..81*3", 3, 9, 27, 81);
    EXPECT_N("matmul", "m=8,k=8,n=7..7", 7);
    EXPECT_N("matmul", "m=8,k=8,n=1..4*2,100,200..300+50", 1, 2, 4, 100, 200, 250, 300);
    EXPECT_N("matmul", "m=8,k=8,n=1..1048576*1024", 1, 1024, 1048576);
}

Test(problem, expansion_is_the_product_last_field_fastest) {
    static const char *const expected[] = {
        "m=1,k=8,n=5,w=f32", "m=1,k=8,n=5,w=f16", "m=1,k=8,n=6,w=f32", "m=1,k=8,n=6,w=f16",
        "m=2,k=8,n=5,w=f32", "m=2,k=8,n=5,w=f16", "m=2,k=8,n=6,w=f32", "m=2,k=8,n=6,w=f16"};
    struct problem *list;
    cr_assert_eq(expanded("matmul", "w=f32,f16,m=1,2,k=8,n=5,6", &list), 8);
    for (int i = 0; i < 8; i++) {
        char text[160];
        problem_format(&list[i], text);
        cr_expect_str_eq(text, expected[i]);
    }
    free(list);
}

/* A slice leaves out what is not its own in a list, and refuses it alone. */
Test(problem, slices_hold_their_own) {
    EXPECT_N("gemv", "m=8,k=8,n=1,2,4", 1);
    EXPECT_N("gemm", "m=8,k=8,n=1..8*2", 2, 4, 8);
    struct problem p, *list;
    cr_assert_eq(expanded("gemv_q4", "m=8,k=256,n=2..4", &list), 0);
    cr_assert_eq(expanded("gemm_q4", "m=8,k=256,n=4,w=q4:32,q8,f32,q4:64", &list), 2);
    free(list);
    cr_assert_eq(problem_parse(slice_find("gemv"), "m=8,k=8,n=2", &p, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "n is not what gemv means"), "%s", err.text);
    cr_assert_eq(problem_parse(slice_find("gemm_q8"), "m=8,k=64,n=2,w=q4", &p, &err),
                 STATUS_INVALID);
    cr_assert(strstr(err.text, "w is not what gemm_q8 means"), "%s", err.text);
    cr_assert_null(slice_find("gemm_q5"));
    cr_assert_null(slice_find(""));
}

Test(problem, slice_of_a_problem) {
    static const struct {
        const char *family, *text, *slice;
    } rows[] = {
        {"matmul", "m=8,k=256,n=1", "gemv"},
        {"matmul", "m=8,k=256,n=2", "gemm"},
        {"matmul", "m=8,k=256,n=1,w=q4:32", "gemv_q4"},
        {"matmul", "m=8,k=256,n=9,w=q4_1", "gemm_q4_1"},
        {"matmul", "m=8,k=256,n=1,w=q4_0", "gemv_q4_0"},
        {"matmul", "m=8,k=256,n=1,w=q8", "gemv_q8"},
        {"matmul", "m=8,k=256,n=7,w=f16", "gemm_f16"},
        {"swiglu", "k=8", "swiglu"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct problem p = parsed(rows[i].family, rows[i].text);
        cr_expect_str_eq(slice_of(&p)->name, rows[i].slice);
    }
}

Test(problem, every_family_is_a_slice_and_every_slice_has_a_family) {
    for (const struct family *const *f = families; *f; f++) {
        const struct slice *slice = slice_find((*f)->name);
        cr_assert(slice && !strcmp(slice->family, (*f)->name) && !*slice->weight);
    }
    for (const struct slice *slice = slices; slice->name; slice++) {
        cr_assert_not_null(family_find(slice->family), "%s", slice->name);
        cr_assert_eq(slice_find(slice->name), slice, "%s stands twice", slice->name);
        cr_assert(*slice->summary);
    }
}

/* What is refused names the text, what is wrong, and the fields that there are. */
Test(problem, refusals_say_why) {
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", "m (outputs, rows of W) must be named"},
        {"k=8,n=1", "m (outputs, rows of W) must be named"},
        {"m=8,k=8,x=1", "no field \"x\""},
        {"m=8,k=8,ldc=9", "no field \"ldc\""},
        {"m=8,k=8,=1", "no field \"\""},
        {"m=8,k=8,m=9", "m is named twice"},
        {"8,k=8", "\"8\" belongs to no field"},
        {"m", "\"m\" belongs to no field"},
        {"m=,k=8", "m= is no size"},
        {"m=8,k=8,,n=2", "k= is no size"},
        {"m=8,k=8,n=0", "n (tokens) is 0, not within 1 … 1048576"},
        {"m=16777217,k=8", "m (outputs, rows of W) is 16777217"},
        {"m=8,k=-8", "k=-8 is no size"},
        {"m=8,k=+8", "k=+8 is no size"},
        {"m=8,k= 8", "k= 8 is no size"},
        {"m=8,k=8x", "k=8x is no size"},
        {"m=8,k=1e3", "k=1e3 is no size"},
        {"m=8,k=0x10", "k=0x10 is no size"},
        {"m=8,k=99999999999999999999", "k=99999999999999999999 is no size"},
        {"m=8,k=8,n=4..2", "n=4..2 is no size"},
        {"m=8,k=8,n=4..", "n=4.. is no size"},
        {"m=8,k=8,n=..4", "n=..4 is no size"},
        {"m=8,k=8,n=1..8*1", "n=1..8*1 is no size"},
        {"m=8,k=8,n=0..8*2", "n=0..8*2 is no size"},
        {"m=8,k=8,n=1..8+0", "n=1..8+0 is no size"},
        {"m=8,k=8,n=1..8-1", "n=1..8-1 is no size"},
        {"m=8,k=8,n=1..8+", "n=1..8+ is no size"},
        {"m=8,k=8,n=1..9223372036854775807*2", "n (tokens) is 2097152, not within"},
        {"m=8,k=8,n=1..9223372036854775807", "more than 4096 values of n"},
        {"m=8,k=8,w=q5", "no weight type \"q5\""},
        {"m=8,k=8,w=q4:48", "no weight type \"q4:48\""},
        {"m=8,k=8,w=f32:32", "no weight type \"f32:32\""},
        {"m=8,k=8,w=q4:", "no weight type \"q4:\""},
        {"m=8,k=8,w=", "no weight type \"\""},
        {"m=8,k=8,e=silu", "e (epilogue) is one of none,bias,residual, not \"silu\""},
        {"m=8,k=8,e=", "e (epilogue) is one of none,bias,residual, not \"\""},
        {"m=8,k=8,e=bia", "not \"bia\""},
        {"m=8,k=8,e=none,bias", "e has several values where one problem is meant"},
        {"m=8,k=8,n=1..2", "n has several values"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct problem p;
        char quoted[220];
        snprintf(quoted, sizeof quoted, "problem \"%s\" of matmul: ", rows[i].text);
        cr_expect_eq(problem_parse(slice_find("matmul"), rows[i].text, &p, &err), STATUS_INVALID,
                     "%s", rows[i].text);
        cr_expect(strstr(err.text, quoted), "%s", err.text);
        cr_expect(strstr(err.text, rows[i].says), "%s: %s", rows[i].text, err.text);
        cr_expect(strstr(err.text, "; the fields are m, k, n, w, e"), "%s", err.text);
    }
}

Test(problem, refuses_too_many) {
    struct problem *list = (struct problem *)&err;
    size_t n = 7;
    cr_assert_eq(problem_expand(slice_find("matmul"), "m=1..64,k=1..64,n=1..2", &list, &n, &err),
                 STATUS_INVALID);
    cr_assert(strstr(err.text, "8192 problems, more than 4096"), "%s", err.text);
    cr_assert(list == NULL && n == 0);
    cr_assert_eq(expanded("matmul", "m=1..64,k=1..64,n=1", &list), 4096);
    free(list);
}

/* A long text is quoted in part, never beyond the sentence's room. */
Test(problem, long_texts_are_cut) {
    char text[6000];
    struct problem p;
    memset(text, '7', sizeof text - 1);
    memcpy(text, "m=", 2);
    text[sizeof text - 1] = 0;
    cr_assert_eq(problem_parse(slice_find("matmul"), text, &p, &err), STATUS_INVALID);
    cr_assert_lt(strlen(err.text), sizeof err.text);
    memcpy(text, "w=", 2);
    cr_assert_eq(problem_parse(slice_find("matmul"), text, &p, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "the types are"), "%s", err.text);
}

Test(problem, get_set_equal) {
    struct problem a = parsed("matmul", "m=8,k=64,n=2,w=q8"), b = a;
    cr_assert(problem_equal(&a, &b));
    problem_set(&b, "ldc", 9);
    cr_assert_eq(problem_get(&b, "ldc"), 9);
    cr_assert_not(problem_equal(&a, &b));
    b = a, b.class = CLASS_I8;
    cr_assert_not(problem_equal(&a, &b));
    b = a, b.layout = &layouts[LAYOUT_panel32];
    cr_assert_not(problem_equal(&a, &b));
    const struct problem other = parsed("embed", "m=8,k=64,n=2,w=q8");
    cr_assert_not(problem_equal(&a, &other));
}
