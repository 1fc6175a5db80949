/* test_source.c: sources with their includes, defines, stripping, and the source key. The table of
 * embedded files is read through embedded_find, which is this program's own: a test may put another
 * text, or no file, in a file's place. */
#include "kernels/source.h"
#include "base/embedded.h"
#include "base/rng.h"
#include "base/str.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct error err;

/* ---- embedded files, some of them replaced ---- */

enum { REPLACED = 48, KEYS_MOST = 64 };
static struct embedded replaced[REPLACED];
static int n_replaced;

/* text NULL: the file is not there. */
static void replace(const char *path, const char *text) {
    cr_assert_lt(n_replaced, REPLACED);
    replaced[n_replaced++] = (struct embedded){path, text, 0};
}

static void replace_nothing(void) {
    n_replaced = 0;
}

const struct embedded *embedded_find(const char *path) {
    for (int i = n_replaced; i-- > 0;)
        if (!strcmp(replaced[i].path, path)) return replaced[i].text ? &replaced[i] : NULL;
    for (const struct embedded *file = embedded_files; file->path; file++)
        if (!strcmp(file->path, path)) return file;
    return NULL;
}

static char *assembled(const char *path) {
    char *text;
    cr_assert_eq(source_assemble(path, &text, &err), OK, "%s", err.text);
    return text;
}

static void expect_assembled(const char *path, const char *expected) {
    char *text = assembled(path);
    cr_expect_str_eq(text, expected);
    free(text);
}

/* ---- assembly ---- */

Test(source, includes_stand_where_they_are_asked_for_once) {
    replace("kernels/a.cl", "first\n#include \"kernels/b.clh\"\nmiddle\n#include "
                            "\"kernels/c.clh\" // again\nlast\n");
    replace("kernels/b.clh", "b\n#include \"kernels/c.clh\"\nafter c\n");
    replace("kernels/c.clh", "c\n#include \"kernels/a.cl\"\n");
    expect_assembled("kernels/a.cl", "first\nb\nc\nafter c\nmiddle\nlast\n");
}

Test(source, what_is_no_include_stays) {
    replace("kernels/a.cl",
            "#include <stdio.h>\n #include \"kernels/b.clh\"\n#include \"unfinished\n"
            "no newline at the end");
    expect_assembled("kernels/a.cl", "#include <stdio.h>\n #include \"kernels/b.clh\"\n"
                                     "#include \"unfinished\nno newline at the end\n");
}

Test(source, missing_files_are_named_with_who_asked) {
    char *text = (char *)&err;
    replace("kernels/a.cl", "#include \"kernels/common.clh\"\n#include \"kernels/missing.clh\"\n");
    cr_assert_eq(source_assemble("kernels/a.cl", &text, &err), STATUS_INVALID);
    cr_assert_null(text);
    cr_assert_str_eq(err.text, "kernel source kernels/missing.clh, asked for by kernels/a.cl, is "
                               "not part of this program");
    cr_assert_eq(source_assemble("kernels/nothing.cl", &text, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "kernels/nothing.cl, asked for by its variant"), "%s", err.text);
    cr_assert_eq(source_assemble("kernels/family.c", &text, &err), STATUS_INVALID,
                 "only its hash travels");
}

Test(source, endless_chains_end) {
    char paths[REPLACED][32], texts[REPLACED][64];
    for (int i = 0; i < REPLACED; i++) {
        snprintf(paths[i], sizeof paths[i], "kernels/%d.clh", i);
        snprintf(texts[i], sizeof texts[i], "#include \"kernels/%d.clh\"\n", i + 1);
        replace(paths[i], texts[i]);
    }
    char *text;
    cr_assert_eq(source_assemble("kernels/0.clh", &text, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "includes more than 32 files"), "%s", err.text);
}

Test(source, every_variant_assembles_without_includes_left) {
    for (const struct family *const *f = families; *f; f++)
        for (const struct variant *const *v = (*f)->variants; *v; v++) {
            char *text = assembled((*v)->source);
            cr_expect_null(strstr(text, "#include"), "%s", (*v)->source);
            cr_expect(strstr(text, "__kernel"), "%s", (*v)->source);
            free(text);
        }
}

/* Every parameter has its default at the top of the source, so that the file compiles alone; and its own
 * tunables are taken back at the end, so that it can be included twice. */
Test(source, tunables_have_defaults_and_are_undefined) {
    for (const struct family *const *f = families; *f; f++)
        for (const struct variant *const *v = (*f)->variants; *v; v++) {
            char *text = assembled((*v)->source);
            for (int p = 0; p < (*v)->n_params; p++) {
                const char *name = (*v)->params[p].name;
                char *guard = text_format("#ifndef %s\n#define %s ", name, name);
                char *undo = text_format("#undef %s\n", name);
                cr_expect(strstr(text, guard), "%s has no default of %s", (*v)->source, name);
                cr_expect(strstr(text, undo), "%s does not undefine %s", (*v)->source, name);
                free(guard);
                free(undo);
            }
            free(text);
        }
}

/* The next name that a text defines at the start of a line, blanks before the # allowed; NULL: none. */
static char *next_define(const char **at) {
    static const char word[] = "#define ";
    while ((*at = strstr(*at, word))) {
        *at += sizeof word - 1;
        const size_t length = strcspn(*at, "( \n");
        if (length > 0) return text_format("%.*s", (int)length, *at);
    }
    return NULL;
}

Test(source, matmuls_macros_are_all_taken_back) {
    const char *at = embedded_find("kernels/matmul/micro.clh")->text;
    const char *undo = embedded_find("kernels/matmul/undo.clh")->text;
    int n = 0;
    for (char *name; (name = next_define(&at)); n++) {
        char *line = text_format("#undef %s\n", name);
        cr_expect(strstr(undo, line), "%s stays defined", name);
        free(line);
        free(name);
    }
    cr_assert_gt(n, 20);
}

/* The end of a line of the preprocessor, with those that continue it. */
static const char *end_of_directive(const char *at) {
    while (*at && *at != '\n') at += at[0] == '\\' && at[1] ? 2 : 1;
    return at;
}

/* What stands before the next body at the outermost level, from *at on, which moves behind that body; NULL: none. */
static char *next_head(const char **at) {
    const char *start = *at, *end = NULL;
    int depth = 0;
    for (const char *c = start; *c; c++) {
        if (*c == '#' && (c == *at || c[-1] == '\n')) {
            c = end_of_directive(c);
            if (!depth) start = c;
            if (!*c) break;
        } else if (*c == ';' && !depth) {
            start = c + 1;
        } else if (*c == '{' && !depth++) {
            end = c;
        } else if (*c == '}' && !--depth) {
            *at = c + 1;
            return text_format("%.*s", (int)(end - start), start);
        }
    }
    return NULL;
}

/* PoCL gives threads copies of their own only of local memory that the kernel function alone names. */
Test(source, what_takes_local_memory_is_inlined) {
    int n = 0;
    for (const struct family *const *f = families; *f; f++)
        for (const struct variant *const *v = (*f)->variants; *v; v++) {
            char *text = assembled((*v)->source), *head;
            cr_expect(!strstr(text, "INLINE ") ||
                      strstr(text, "#define INLINE static inline __attribute__((always_inline))"));
            for (const char *at = text; (head = next_head(&at)); free(head)) {
                const bool takes_local = strstr(head, "__local ") || strstr(head, "TILE_T ");
                if (!takes_local || !strstr(head, "SYM(") || strstr(head, "__kernel")) continue;
                n++;
                cr_expect(strstr(head, "INLINE ") || strstr(head, "always_inline"), "%s: %s",
                          (*v)->source, head);
            }
            free(text);
        }
    cr_assert_geq(n, 30);
}

/* ---- options ---- */

static bool has_option(const char *options, const char *option) {
    char *padded = text_format(" %s ", options), *wanted = text_format(" %s ", option);
    const bool has = strstr(padded, wanted) != NULL;
    free(padded);
    free(wanted);
    return has;
}

Test(source, options_of_a_problem_and_a_configuration) {
    static const char *const expected[] = {
        "-DPREFIX=hone_", "-DIMAGE_WIDTH=4096", "-DPANEL=32", "-DCLASS_I8=1", "-DW_Q4_1=1",
        "-DGROUP=32",     "-DW_ZERO=0",         "-DE=2",      "-DVW=16",      "-DDOT=1",
        "-DKB=1048576"};
    struct problem p;
    struct config c;
    cr_assert_eq(problem_parse(slice_find("matmul"), "m=8,k=64,n=3,w=q4_1,e=residual", &p, &err),
                 OK);
    p.class = CLASS_I8;
    p.layout = &layouts[LAYOUT_panel32];
    cr_assert_eq(config_parse(p.family, "skinny", "VW=16,DOT=vnni,KB=all", &c, &err), OK);
    char *options = source_options(&c, &p);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        cr_expect(has_option(options, expected[i]), "%s lacks %s", options, expected[i]);
    for (const char *size = "MKN"; *size; size++) {
        char define[8];
        snprintf(define, sizeof define, " -D%c=", *size);
        cr_expect_null(strstr(options, define), "sizes are arguments: %s", options);
    }
    cr_expect_neq(options[strlen(options) - 1], ' ');
    free(options);
}

Test(source, options_of_other_weights) {
    static const char *const rows[][3] = {{"f32", "-DW_F32=1", "-DGROUP=1"},
                                          {"f16", "-DW_F16=1", "-DW_ZERO=0"},
                                          {"q8", "-DW_Q8=1", "-DW_ZERO=128"},
                                          {"q4_0", "-DW_Q4_0=1", "-DW_ZERO=8"},
                                          {"q4", "-DW_Q4=1", "-DGROUP=128"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct problem p;
        struct config c;
        char *text = text_format("m=8,k=256,w=%s", rows[i][0]);
        cr_assert_eq(problem_parse(slice_find("matmul"), text, &p, &err), OK, "%s", err.text);
        cr_assert_eq(config_parse(p.family, "rowdot", "", &c, &err), OK);
        char *options = source_options(&c, &p);
        for (int j = 1; j < 3; j++) cr_expect(has_option(options, rows[i][j]), "%s", options);
        free(options);
        free(text);
    }
}

/* ---- stripping ---- */

static void expect_stripped(const char *text, const char *expected) {
    char *stripped = source_strip(text);
    cr_expect_str_eq(stripped, expected, "%s becomes %s", text, stripped);
    char *again = source_strip(stripped);
    cr_expect_str_eq(again, stripped, "stripping twice");
    free(again);
    free(stripped);
}

Test(source, strip) {
    expect_stripped("", "");
    expect_stripped("  \n // only\n/* comments */\n", "");
    expect_stripped("int  a /* b */ = 1 ; // c\nint b;", "int a=1;int b;");
    expect_stripped("a/**/b", "a b");
    expect_stripped("a + +b - -c", "a+ +b- -c");
    expect_stripped("x = \"two  blanks // here\" ;", "x=\"two  blanks // here\";");
    expect_stripped("c = '\"' ; d = '\\'' ;  e", "c='\"';d='\\'';e");
    expect_stripped("s = \"a \\\" b\"  ;", "s=\"a \\\" b\";");
    expect_stripped("#if  A   ==  1\n  b ;\n#endif", "#if A == 1\nb;\n#endif");
    expect_stripped("#define F(a)   \\\n    a  +  1\nb", "#define F(a) a + 1\nb");
    expect_stripped("#define F (a)\n#define G(a)", "#define F (a)\n#define G(a)");
    expect_stripped("a;\n\n\n  #pragma unroll\n  for", "a;\n#pragma unroll\nfor");
    expect_stripped("a /* not closed", "a");
    expect_stripped("a = \"not closed", "a=\"not closed");
}

/* A source with comments and blanks thrown in between its tokens: the same when stripped. */
static char *dressed(const char *text, struct rng *rng) {
    static const char *const dress[] = {" ", "  ", "\t", " /* x = \"1\"; */ ", " /**/ "};
    struct str s = {0};
    for (const char *at = text; *at; at++) {
        str_add_bytes(&s, at, 1);
        if (*at == '\n' && rng_below(rng, 4) == 0) str_add(&s, "\n// #if 1 \"'\n");
        if (*at == ' ' && rng_below(rng, 4) == 0) str_add(&s, dress[rng_below(rng, 5)]);
    }
    char *copy = text_copy(str_text(&s));
    str_free(&s);
    return copy;
}

/* Sources where no comment, no literal and no continued line can be cut by what `dressed` throws in. */
Test(source, looks_do_not_matter) {
    struct rng rng = rng_seed(2);
    int n = 0;
    for (const struct family *const *f = families; *f; f++)
        for (const struct variant *const *v = (*f)->variants; *v; v++, n++) {
            char *source = assembled((*v)->source), *plain = source_strip(source);
            char *joined = source_strip(plain), *other = dressed(plain, &rng);
            char *stripped = source_strip(other);
            if (!strchr(plain, '"')) cr_expect_str_eq(stripped, plain, "%s", (*v)->source);
            cr_expect_str_eq(joined, plain);
            cr_expect_lt(strlen(plain), strlen(source));
            free(source), free(plain), free(joined), free(other), free(stripped);
        }
    cr_assert_geq(n, 9);
}

/* ---- the key ---- */

static const struct variant *gemv(void) {
    return variant_find(family_find("matmul"), "gemv");
}

static void key_of(const struct variant *variant, char key[17]) {
    variant_source_key(variant, key);
    cr_assert_eq(strspn(key, "0123456789abcdef"), 16, "%s", key);
}

/* The key of gemv when `path` has its text with `from` replaced by `to` (the first one). */
static void key_with(const char *path, const char *from, const char *to, char key[17]) {
    const char *text = embedded_find(path)->text, *at = strstr(text, from);
    cr_assert(at, "%s has no %s", path, from);
    char *changed = text_format("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    replace(path, changed);
    key_of(gemv(), key);
    replace_nothing();
    free(changed);
}

Test(source, key_changes_with_code_only) {
    char plain[17], key[17];
    key_of(gemv(), plain);
    key_with("kernels/matmul/gemv.cl", "#define TN 1", "#define TN 2", key);
    cr_assert_str_neq(key, plain, "a default");
    key_with("kernels/matmul/micro.clh", "& 255u", "& 127u", key);
    cr_assert_str_neq(key, plain, "an included file");
    key_with("kernels/common.clh", "0x1p-24f", "0x1p-25f", key);
    cr_assert_str_neq(key, plain, "an included file of another folder");
    key_with("kernels/matmul/gemv.cl", "#define TN 1", "#define  TN\t1 // changed", key);
    cr_assert_str_eq(key, plain, "a comment and blanks");
    key_with("kernels/matmul/micro.clh", "/* ---- ", "\n\n/* another heading\n */ /* ---- ", key);
    cr_assert_str_eq(key, plain, "comments of an included file");
    key_with("kernels/matmul/tiled.cl", "#define TN 4", "#define TN 2", key);
    cr_assert_str_eq(key, plain, "another variant");
    key_with("kernels/embed/row.cl", "#define WG 1", "#define WG 2", key);
    cr_assert_str_eq(key, plain, "another family");
    key_of(gemv(), key);
    cr_assert_str_eq(key, plain, "nothing");
}

Test(source, keys_differ) {
    char key[KEYS_MOST][17];
    int n = 0;
    for (const struct family *const *f = families; *f; f++)
        for (const struct variant *const *v = (*f)->variants; *v; v++, n++) {
            cr_assert_lt(n, KEYS_MOST);
            key_of(*v, key[n]);
            for (int i = 0; i < n; i++) cr_expect_str_neq(key[i], key[n], "%s", (*v)->source);
        }
}

/* What is remembered of a family is what is made of the same variants under another name. */
Test(source, a_familys_key_is_that_of_its_variants) {
    char key[17], other[17], before[17] = "";
    for (const struct family *const *f = families; *f; f++) {
        const struct family copy = **f;
        family_key(*f, key);
        family_key(&copy, other);
        cr_expect_str_eq(key, other, "%s", copy.name);
        cr_expect_str_neq(key, before, "%s", copy.name);
        memcpy(before, key, sizeof key);
        for (const struct variant *const *v = copy.variants; *v; v++) {
            variant_source_key(*v, other);
            cr_expect_str_eq(family_source_key(*f, (*v)->name, key), other, "%s", (*v)->name);
        }
    }
    const struct family copy = *family_find("embed");
    replace(copy.variants[0]->source, "changed");
    family_key(&copy, other);
    replace_nothing();
    family_key(family_find("embed"), key);
    cr_expect_str_neq(key, other, "a changed source");
}
