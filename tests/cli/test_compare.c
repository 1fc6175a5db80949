/* test_compare.c: hone compare as CI calls it: exit codes, JSON, Markdown, JUnit, wrong options, a real baseline
 * and a real gate on a small problem. */
#include "tests/support.h"
#include "tests/tuner/made_runs.h"
#include "base/path.h"
#include "base/str.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const char *folder; /* one for each test */

/* ---- the program ---- */

struct run {
    int code;
    char *text; /* stdout and stderr */
};

/* `hone compare` with these words of a shell line, in a folder that is removed. */
static struct run run(const char *words) {
    const char *program = getenv("HONE_PROGRAM");
    struct run result = {-1, NULL};
    struct str text = {0};
    char *absolute = realpath(program && *program ? program : "build/hone", NULL);
    cr_assert_not_null(absolute, "set HONE_PROGRAM to the program");
    char *line = text_format("cd '%s' && '%s' %s 2>&1", folder, absolute, words);
    FILE *pipe = popen(line, "r");
    cr_assert_not_null(pipe);
    char bytes[4096];
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, pipe)) > 0;) str_add_bytes(&text, bytes, n);
    const int status = pclose(pipe);
    if (WIFEXITED(status)) result.code = WEXITSTATUS(status);
    result.text = text.text ? text.text : text_copy("");
    free(line);
    free(absolute);
    return result;
}

static void expect(const char *words, int code, const char *said) {
    struct run r = run(words);
    cr_expect_eq(r.code, code, "%s: exit %d, not %d: %s", words, r.code, code, r.text);
    cr_expect(strstr(r.text, said), "%s: \"%s\" says nothing of \"%s\"", words, r.text, said);
    free(r.text);
}

static void save(const char *name, json_t *document) {
    struct error err = {0};
    char *path = text_format("%s/%s", folder, name);
    cr_assert_eq(runs_save(path, document, &err), OK, "%s", err.text);
    json_decref(document);
    free(path);
}

static void save_all(void) {
    folder = test_folder();
    save("base.json", made_runs(1, 3, 20, 0.008, -1, 0));
    save("same.json", made_runs(2, 3, 18, 0.008, -1, 0));
    save("slow.json", made_runs(3, 3, 18, 0.008, 1, 0.08));
    save("fast.json", made_runs(4, 3, 18, 0.008, 1, -0.08));
    save("wild.json", made_runs(5, 3, 18, 0.3, -1, 0));
    save("few.json", made_runs(6, 3, 3, 0.008, -1, 0));
    json_t *other = made_runs(7, 3, 18, 0.008, -1, 0);
    json_object_set_new(other, "device", json_string("another device"));
    save("other.json", other);
}
TestSuite(compare, .init = save_all);

/* ---- exit codes ---- */

Test(compare, exit_codes_are_the_documented_ones) {
    expect("compare base.json same.json", 0, "OK ");
    expect("compare base.json fast.json", 0, "FAST ");
    expect("compare base.json slow.json", 1,
           "1 of 3 benchmarks is slower than before: gemm m=64,k=64,n=3 f32 +");
    expect("compare base.json wild.json", 3, "too noisy");
    expect("compare base.json other.json", 4, "another device");
    expect("compare few.json same.json", 4, "record");
    expect("compare missing.json", 1, "missing.json");
}

Test(compare, wrong_options_are_usage) {
    static const char *const cases[][2] = {
        {"compare", "takes a baseline"},
        {"compare base.json --against x", "takes a baseline"},
        {"compare base.json same.json --record x.json", "takes one FILE"},
        {"compare base.json --record x.json --accept", "--accept"},
        {"compare base.json same.json slow.json", "two files at most"},
        {"compare base.json --family gemm", "are those of base.json"},
        {"compare base.json same.json --accept", "--accept"},
        {"compare base.json --runs 15", "--runs"},
        {"compare base.json --runs=-1", "--runs"},
        {"compare --record x.json --profile best", "--profile"},
        {"compare base.json --more", "--more"},
        {"compare --record base.json --more --family gemm", "are those of base.json"},
        {"compare --replay", "name a file"},
        {"compare --replay base.json --gates=-5", "--gates"},
        {"compare base.json --mx", "did you mean --md"},
        {"bench --aa --runs 37", "38 runs at least"},
        {"bench --aa --rivals openblas", "--rivals"},
        {"bench --save x.json", "--save"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) expect(cases[i][0], 2, cases[i][1]);
}

/* ---- what is written ---- */

Test(compare, json_has_the_documented_keys) {
    struct run r = run("compare base.json slow.json --json -q 2>/dev/null");
    json_error_t why;
    json_t *document = json_loads(r.text, JSON_DISABLE_EOF_CHECK, &why);
    cr_assert_not_null(document, "%s", why.text);
    cr_expect_str_eq(json_string_value(json_object_get(document, "verdict")), "SLOW");
    static const char *const keys[] = {"name", "verdict", "shift", "low",        "high",
                                       "p",    "n_base",  "n_new", "detectable", "margin"};
    const json_t *row = json_array_get(json_object_get(document, "benchmarks"), 0);
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
        cr_expect(json_object_get(row, keys[k]), "no %s", keys[k]);
    json_decref(document);
    free(r.text);
}

Test(compare, markdown_is_a_table) {
    struct run r = run("compare base.json slow.json --md -q 2>/dev/null");
    cr_expect(strstr(r.text, "### hone compare: SLOW"), "%s", r.text);
    cr_expect(strstr(r.text, "| **SLOW** | gemm m=64,k=64,n=3 f32 | +"), "%s", r.text);
    for (const char *line = r.text; (line = strstr(line, "\n|")); line++) {
        int bars = 0;
        for (const char *c = line + 1; *c && *c != '\n'; c++) bars += *c == '|';
        cr_expect_eq(bars, 10, "%.80s", line + 1);
    }
    free(r.text);
}

/* Elements are closed in the order in which they were opened, attributes are quoted and named once, and no &
 * or < stands for itself. Returns the number of elements called `name`. */
static int count_elements(const char *xml, const char *name) {
    char open[16][32];
    int depth = 0, found = 0;
    cr_assert(!strncmp(xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", 39));
    const char *p = xml + 39;
    while (*p) {
        if (*p == '&') {
            const size_t n = strcspn(p, ";");
            cr_assert(n < 8 && p[n] == ';' && (isalpha((unsigned char)p[1]) || p[1] == '#'),
                      "%.20s", p);
            p += n;
        }
        if (*p++ != '<') continue;
        const bool closes = *p == '/';
        p += closes;
        char element[32];
        const size_t n = strcspn(p, " />\n");
        cr_assert(n > 0 && n < sizeof element);
        memcpy(element, p, n);
        element[n] = 0;
        p += n;
        while (*p && *p != '>' && *p != '/') {
            p += strspn(p, " ");
            if (*p == '>' || *p == '/') break;
            p += strcspn(p, "=");
            cr_assert(p[0] == '=' && p[1] == '"', "%.20s", p);
            const size_t value = strcspn(p + 2, "\"<");
            cr_assert(p[2 + value] == '"', "%.40s", p);
            p += value + 3;
        }
        const bool is_empty = *p == '/';
        p += is_empty;
        cr_assert_eq(*p, '>');
        if (closes) cr_assert(depth > 0 && !strcmp(open[--depth], element), "</%s>", element);
        else if (!is_empty) snprintf(open[depth++], sizeof *open, "%s", element);
        if (!closes) found += !strcmp(element, name);
        cr_assert_lt(depth, 16);
    }
    cr_assert_eq(depth, 0);
    return found;
}

Test(compare, junit_is_well_formed) {
    static const struct {
        const char *words;
        int code, failures, skipped;
    } cases[] = {
        {"compare base.json slow.json --junit junit.xml -q", 1, 1, 0},
        {"compare base.json same.json --junit junit.xml -q", 0, 0, 0},
        {"compare base.json wild.json --junit junit.xml -q", 3, 0, 3},
    };
    char *path = text_format("%s/junit.xml", folder);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        size_t size;
        struct run r = run(cases[i].words);
        cr_expect_eq(r.code, cases[i].code, "%s", r.text);
        free(r.text);
        cr_assert_eq(path_read(path, 1 << 20, &r.text, &size, &err), OK, "%s", err.text);
        cr_expect_eq(count_elements(r.text, "testcase"), 3, "%s", r.text);
        cr_expect_eq(count_elements(r.text, "failure"), cases[i].failures, "%s", r.text);
        cr_expect_eq(count_elements(r.text, "skipped"), cases[i].skipped, "%s", r.text);
        cr_expect(strstr(r.text, "hostname=\"a &lt;device&gt; &amp; &quot;co&quot;\""), "%s",
                  r.text);
        free(r.text);
    }
    free(path);
}

Test(compare, replay_prints_rates) {
    save("many.json", made_runs(1, 2, 40, 0.01, -1, 0));
    save("many_slow.json", made_runs(2, 2, 40, 0.01, 0, 0.08));
    expect("compare --replay many.json many_slow.json --gates 20 -q", 0, "hone compare");
    expect("compare --replay base.json", 1, "20 runs are too few");
}

/* ---- for real ---- */

/* Times are what they are here; only what must hold on any machine is asked. */
Test(compare, records_runs_and_compares_them) {
    struct run r =
        run("compare --record real.json --family rmsnorm --problem k=256,n=1 --runs 5 -q "
            "--profile default --db none.db");
    if (strstr(r.text, "being measured by another process")) cr_skip_test("the device is in use");
    cr_assert_eq(r.code, 0, "%s", r.text);
    free(r.text);
    expect("compare --record real.json --more --runs 2 -q --db none.db", 0, "");
    expect("compare --record again.json real.json --runs 5 -q --db none.db", 0, "");
    r = run("compare real.json again.json -q --json 2>/dev/null");
    cr_expect(r.code == 0 || r.code == 1 || r.code == 3, "%d %s", r.code, r.text);
    free(r.text);
    r = run("compare real.json --runs 5 -q --json --save fresh.json --db none.db 2>/dev/null");
    if (r.code != 1 || *r.text) {
        cr_expect(r.code == 0 || r.code == 1 || r.code == 3, "%d %s", r.code, r.text);
        json_t *document = json_loads(r.text, JSON_DISABLE_EOF_CHECK, NULL);
        const json_t *row = json_array_get(json_object_get(document, "benchmarks"), 0);
        const json_int_t n_base = json_integer_value(json_object_get(row, "n_base"));
        const json_int_t n_new = json_integer_value(json_object_get(row, "n_new"));
        cr_expect(n_base >= 5 && n_base <= 7, "%lld", (long long)n_base);
        cr_expect(n_new >= 5 && n_new <= 10, "%lld", (long long)n_new);
        json_decref(document);
        expect("compare real.json fresh.json --json", r.code, "verdict");
    }
    free(r.text);
}

/* What ran as benchmark i. */
static void expect_found(json_t *document, size_t i, const char *variant, const char *config) {
    const json_t *bench = json_array_get(json_object_get(document, "benchmarks"), i),
                 *found = json_object_get(bench, "found");
    cr_expect_str_eq(json_string_value(json_object_get(found, "variant")), variant);
    cr_expect_eq(
        !strncmp(json_string_value(json_object_get(found, "config")), config, strlen(config)), 1,
        "%s", json_string_value(json_object_get(found, "config")));
}

Test(compare, what_was_tuned_is_run_again_where_it_is_still_there) {
    json_t *base = made_runs(1, 2, 5, 0.008, -1, 0);
    for (size_t i = 0; i < 2; i++) {
        json_t *bench = json_array_get(json_object_get(base, "benchmarks"), i),
               *found = json_object_get(bench, "found");
        json_object_set_new(json_object_get(bench, "wanted"), "profile", json_string("tuned"));
        json_object_set_new(found, "profile", json_string("tuned"));
        json_object_set_new(found, "layout", json_string("panel16"));
        json_object_set_new(found, "variant", json_string(i ? "no-such-variant" : "gemv"));
        json_object_set_new(
            found, "config",
            json_string("VW=4,RV=1,TN=1,UNROLL=2,DEQ=convert,DOT=mul,WI=buffer,LM=1,"
                        "KL=1,SK=1,BLOCKS=1,GS=weight,PF=0"));
    }
    save("tuned.json", base);
    struct run r = run("compare --record again.json tuned.json --runs 1 -q --db none.db");
    if (strstr(r.text, "being measured by another process")) cr_skip_test("the device is in use");
    cr_assert_eq(r.code, 0, "%s", r.text);
    free(r.text);
    struct error err = {0};
    json_t *again = NULL;
    char *path = text_format("%s/again.json", folder);
    cr_assert_eq(runs_load(path, &again, &err), OK, "%s", err.text);
    expect_found(again, 0, "gemv", "VW=4,RV=1,TN=1,UNROLL=2,");
    const char *other = json_string_value(json_object_get(
        json_object_get(json_array_get(json_object_get(again, "benchmarks"), 1), "found"),
        "variant"));
    cr_expect_str_neq(other, "no-such-variant");
    json_decref(again);
    free(path);
}

Test(compare, bench_aa_says_how_often_it_would_be_wrong) {
    struct run r =
        run("bench --aa --family rmsnorm --problem k=256,n=1 --runs 38 -q --profile default "
            "--save aa.json --db none.db");
    if (strstr(r.text, "being measured by another process")) cr_skip_test("the device is in use");
    cr_expect_eq(r.code, 0, "%s", r.text);
    cr_expect(strstr(r.text, "false alarms") && strstr(r.text, " 38 runs"), "%s", r.text);
    free(r.text);
    expect("compare --replay aa.json --gates 10 -q --json", 0, "\"in_order\"");
}

Test(compare, another_program_answers_for_itself) {
    struct run r =
        run("compare --against /bin/true --family rmsnorm --problem k=256,n=1 --runs 1 -q "
            "--db none.db");
    if (strstr(r.text, "being measured by another process")) cr_skip_test("the device is in use");
    cr_expect_eq(r.code, 1, "%s", r.text);
    cr_expect(strstr(r.text, "by /bin/true (is that a hone that has compare?)"), "%s", r.text);
    free(r.text);
}
