/* test_lookup.c: which configuration answers, rule by rule, and what may not. The profiles of this program
 * are the test's own. */
#include "tests/results/direct.h"
#include "tests/results/records.h"
#include "base/clock.h"
#include "base/embedded.h"
#include "results/lookup.h"
#include "results/profile.h"
#include <unistd.h>

/* ---- the world ---- */

static const char profile_text[] =
    "hone-profile 2\n"
    "architecture x86_64 family 26 model 2\n"
    "provenance for tests\n"
    "record matmul m=256,k=128,n=16,w=q4:128 f32 rows tiled TM=90 90.5 00000000000000aa\n"
    "record matmul m=256,k=128,n=16,w=q4:128 f32 rows tiled TM=80 80.5 00000000000000aa\n"
    "record matmul m=256,k=128,n=64,w=q4:128 f32 rows tiled TM=1 1 00000000000000aa\n"
    "record matmul m=256,k=128,n=16,w=q4:128 i8 rows tiled TM=2 2 00000000000000aa\n"
    "record rmsnorm k=128 f32 rows row - 3 00000000000000aa\n"
    "end 5\n";
static const char other_text[] =
    "hone-profile 2\n"
    "architecture compute capability 9.0\n"
    "record matmul m=256,k=128,n=16,w=q4:128 f32 rows tiled TM=7 0.5 00000000000000aa\n"
    "end 1\n";
static bool ship_profiles;

const struct embedded *profile_shipped(size_t i) {
    static const struct embedded files[] = {{"other.profile", other_text, 0},
                                            {"test.profile", profile_text, 0}};
    return ship_profiles && i < 2 ? &files[i] : NULL;
}

/* What the caller of look-up answers: its source keys, and what it will not use. */
static const char *current_key = "0123456789abcdef";
static const char *refused_config = "", *only_layout = NULL;
static int times_asked;

static const char *source_key(void *context, const char *variant) {
    (void)context;
    return strcmp(variant, "gone") ? current_key : "";
}
static bool usable(void *context, const char *layout, const char *variant, const char *config) {
    (void)context, (void)variant;
    times_asked++;
    return strcmp(config, refused_config) != 0 && (!only_layout || !strcmp(layout, only_layout));
}

static struct lookup_query query_for(const char *problem) {
    return (struct lookup_query){.model = MODEL,
                                 .version = VERSION,
                                 .family = "matmul",
                                 .problem = problem,
                                 .class_name = "f32",
                                 .source_key = source_key,
                                 .usable = usable};
}

static void free_answer(struct lookup_answer *answer) {
    evaluation_free(&answer->record);
    evaluation_free(&answer->runner_up);
}

/* The answer's rule, configuration and the runner-up's ("": none). */
static void expect(struct store *store, const struct lookup_query *query, enum lookup_rule rule,
                   const char *config, const char *next) {
    struct lookup_answer answer;
    struct error err = {OK, ""};
    WELL(lookup(store, query, &answer, &err));
    cr_assert_eq(answer.rule, rule, "%s: %s answers with %s", query->problem,
                 lookup_rule_names[answer.rule], answer.record.key.config);
    cr_assert_str_eq(answer.record.key.config, config, "%s", query->problem);
    cr_assert_neq(answer.record.id, 0);
    cr_assert_eq(answer.record.outcome, OUTCOME_OK);
    cr_assert_str_eq(answer.runner_up.id ? answer.runner_up.key.config : "", next, "%s",
                     query->problem);
    free_answer(&answer);
}

static void expect_nothing(struct store *store, const struct lookup_query *query) {
    struct lookup_answer answer;
    struct error err = {OK, ""};
    const enum status st = lookup(store, query, &answer, &err);
    cr_assert_eq(st, STATUS_NOTHING, "%s: %s", status_name(st),
                 st == OK ? answer.record.key.config : err.text);
    cr_assert(strstr(err.text, query->problem), "%s", err.text);
    cr_assert_eq(answer.record.id, 0);
}

#define PROBLEM "m=256,k=128,n=16,w=q4:128"

static struct record_key key_of(const char *problem, const char *config) {
    struct record_key key = with_config(config);
    key.problem = problem;
    return key;
}

static struct store *store;
static int64_t device;
static void open_world(void) {
    store = opened(database_new(), STORE_WRITE);
    device = device_row(store, MODEL, VERSION);
}
static void close_world(void) {
    store_close(store);
}
TestSuite(lookup, .init = open_world, .fini = close_world);

static void add(const char *problem, const char *config, double time_ns) {
    record_new(store, device, key_of(problem, config), OUTCOME_OK, time_ns, true);
}

/* ---- rule by rule ---- */

Test(lookup, names_of_rules) {
    static const char *const names[LOOKUP_RULES] = {"exact",     "near-n",   "near-shape",
                                                    "elsewhere", "imported", "profile"};
    for (int rule = 0; rule < LOOKUP_RULES; rule++)
        cr_assert_str_eq(lookup_rule_names[rule], names[rule]);
}

Test(lookup, exact_is_the_best_of_the_problem) {
    const struct lookup_query query = query_for(PROBLEM);
    expect_nothing(store, &query);
    add(PROBLEM, "TM=1", 30);
    expect(store, &query, LOOKUP_EXACT, "TM=1", "");
    add(PROBLEM, "TM=2", 20);
    add(PROBLEM, "TM=3", 25);
    expect(store, &query, LOOKUP_EXACT, "TM=2", "TM=3");
    /* Not final: after all that are, however fast. */
    record_new(store, device, key_of(PROBLEM, "TM=4"), OUTCOME_OK, 1, false);
    record_new(store, device, key_of(PROBLEM, "TM=5"), OUTCOME_ABANDONED, 1, false);
    expect(store, &query, LOOKUP_EXACT, "TM=2", "TM=3");
    /* Another problem's record is no runner-up. */
    add("m=256,k=128,n=17,w=q4:128", "TM=6", 1);
    expect(store, &query, LOOKUP_EXACT, "TM=2", "TM=3");
}

Test(lookup, layout_and_class_are_conditions) {
    struct lookup_query query = query_for(PROBLEM);
    struct record_key rows = key_of(PROBLEM, "TM=1");
    rows.layout = "rows";
    record_new(store, device, rows, OUTCOME_OK, 10, true);
    add(PROBLEM, "TM=2", 20);
    expect(store, &query, LOOKUP_EXACT, "TM=1", "TM=2");
    query.layout = "panel16";
    expect(store, &query, LOOKUP_EXACT, "TM=2", "");
    query.layout = "panel64";
    expect_nothing(store, &query);
    query.layout = NULL;
    query.class_name = "i8";
    expect_nothing(store, &query);
    query.class_name = "f32";
    query.family = "attention";
    expect_nothing(store, &query);
    /* The caller is asked about the layout, too. */
    query.family = "matmul";
    only_layout = "panel16";
    expect(store, &query, LOOKUP_EXACT, "TM=2", "");
    /* The same parameters in two layouts are two configurations. */
    only_layout = NULL;
    add(PROBLEM, "TM=1", 15);
    expect(store, &query, LOOKUP_EXACT, "TM=1", "TM=1");
}

Test(lookup, near_n_is_the_nearest_by_ratio) {
    add("m=256,k=128,n=1,w=q4:128", "N=1", 1);
    add("m=256,k=128,n=8,w=q4:128", "N=8", 8);
    add("m=256,k=128,n=64,w=q4:128", "N=64", 64);
    add("m=256,k=128,n=16,w=q8:32", "OTHER=1", 0.5);
    add("m=257,k=128,n=16,w=q4:128", "SHAPE=1", 0.5);
    static const struct {
        const char *problem, *config;
    } cases[] = {{PROBLEM, "N=8"},
                 {"m=256,k=128,n=20,w=q4:128", "N=8"},
                 {"m=256,k=128,n=23,w=q4:128", "N=64"},
                 {"m=256,k=128,n=2,w=q4:128", "N=1"},
                 {"m=256,k=128,n=3,w=q4:128", "N=8"},
                 {"m=256,k=128,n=4096,w=q4:128", "N=64"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct lookup_query query = query_for(cases[i].problem);
        expect(store, &query, LOOKUP_NEAR_N, cases[i].config, "");
    }
    const struct lookup_query exact = query_for("m=256,k=128,n=8,w=q4:128");
    expect(store, &exact, LOOKUP_EXACT, "N=8", "");
    /* Where the nearest has nothing to use, the next nearest answers. */
    refused_config = "N=8";
    const struct lookup_query query = query_for("m=256,k=128,n=4,w=q4:128");
    expect(store, &query, LOOKUP_NEAR_N, "N=1", "");
}

/* What was among the finals on both sides comes before what is nearest, and what answers beyond says so. */
Test(lookup, near_n_prefers_what_was_measured_on_both_sides) {
    static const struct {
        const char *problem, *config;
        bool is_beyond;
        int64_t low, high;
    } cases[] = {{"m=256,k=128,n=2,w=q4:128", "BOTH=1", false, 1, 64},
                 {"m=256,k=128,n=60,w=q4:128", "BOTH=1", false, 1, 64},
                 {"m=256,k=128,n=128,w=q4:128", "HIGH=1", true, 64, 64}};
    add("m=256,k=128,n=1,w=q4:128", "LOW=1", 1);
    add("m=256,k=128,n=1,w=q4:128", "BOTH=1", 3);
    add("m=256,k=128,n=64,w=q4:128", "HIGH=1", 50);
    add("m=256,k=128,n=64,w=q4:128", "BOTH=1", 64);
    record_new(store, device, key_of("m=256,k=128,n=64,w=q4:128", "LOW=1"), OUTCOME_OK, 90, false);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct lookup_query query = query_for(cases[i].problem);
        struct lookup_answer answer;
        struct error err = {OK, ""};
        WELL(lookup(store, &query, &answer, &err));
        cr_assert_eq(answer.rule, LOOKUP_NEAR_N);
        cr_assert_str_eq(answer.record.key.config, cases[i].config, "%s", query.problem);
        cr_assert_eq(answer.is_beyond, cases[i].is_beyond);
        cr_assert_eq(answer.n_low, cases[i].low);
        cr_assert_eq(answer.n_high, cases[i].high);
        cr_assert_str_eq(lookup_rule_text(&answer),
                         cases[i].is_beyond ? "near-n-beyond" : "near-n");
        free_answer(&answer);
    }
}

Test(lookup, near_shape_is_the_nearest_by_all_sizes) {
    add("m=512,k=128,n=16,w=q4:128", "NEAR=1", 99);
    add("m=1024,k=128,n=16,w=q4:128", "FAR=1", 1);
    add("m=512,k=512,n=4,w=q4:128", "FARTHER=1", 1);
    add("m=256,k=128,n=16,w=f32", "TEXT=1", 1);
    add("m=256,k=128,n=16,w=q4:128,e=bias", "FIELD=1", 1);
    add("m=256,k=128,n=0,w=q4:128", "ZERO=1", 1);
    const struct lookup_query query = query_for(PROBLEM);
    expect(store, &query, LOOKUP_NEAR_SHAPE, "NEAR=1", "");
    refused_config = "NEAR=1";
    expect(store, &query, LOOKUP_NEAR_SHAPE, "FAR=1", "");
    /* The same n elsewhere is farther than another n here. */
    add("m=256,k=128,n=1,w=q4:128", "N=1", 1);
    expect(store, &query, LOOKUP_NEAR_N, "N=1", "");
}

Test(lookup, elsewhere_is_another_version_or_source) {
    const int64_t older = device_row(store, MODEL, "driver 0");
    struct record_key stale = key_of(PROBLEM, "TM=2");
    stale.source_key = "fedcba9876543210";
    record_new(store, older, key_of(PROBLEM, "TM=1"), OUTCOME_OK, 20, true);
    record_new(store, device, stale, OUTCOME_OK, 10, true);
    record_new(store, older, key_of("m=256,k=128,n=15,w=q4:128", "TM=3"), OUTCOME_OK, 1, true);
    record_new(store, device_row(store, "another model", VERSION), key_of(PROBLEM, "TM=4"),
               OUTCOME_OK, 1, true);
    const struct lookup_query query = query_for(PROBLEM);
    expect(store, &query, LOOKUP_ELSEWHERE, "TM=2", "TM=1");
    /* Anything of here and now comes first, be it of another shape. */
    add("m=512,k=512,n=512,w=q4:128", "TM=5", 1000);
    expect(store, &query, LOOKUP_NEAR_SHAPE, "TM=5", "");
    refused_config = "TM=5";
    expect(store, &query, LOOKUP_ELSEWHERE, "TM=2", "TM=1");
}

Test(lookup, the_same_configuration_of_two_versions_is_no_runner_up) {
    const int64_t older = device_row(store, MODEL, "driver 0"),
                  oldest = device_row(store, MODEL, "driver -1");
    record_new(store, older, key_of(PROBLEM, "TM=1"), OUTCOME_OK, 20, true);
    record_new(store, oldest, key_of(PROBLEM, "TM=1"), OUTCOME_OK, 21, true);
    record_new(store, oldest, key_of(PROBLEM, "TM=2"), OUTCOME_OK, 22, true);
    const struct lookup_query query = query_for(PROBLEM);
    expect(store, &query, LOOKUP_ELSEWHERE, "TM=1", "TM=2");
}

Test(lookup, a_profile_of_the_architecture_comes_last) {
    ship_profiles = true;
    struct lookup_query query = query_for(PROBLEM);
    expect(store, &query, LOOKUP_PROFILE, "TM=80", "TM=90");
    expect(NULL, &query, LOOKUP_PROFILE, "TM=80", "TM=90");
    refused_config = "TM=80";
    expect(store, &query, LOOKUP_PROFILE, "TM=90", "");
    refused_config = "";
    const struct lookup_query between = query_for("m=256,k=128,n=60,w=q4:128");
    expect(store, &between, LOOKUP_PROFILE, "TM=1", "");
    const struct lookup_query shape = query_for("m=300,k=100,n=17,w=q4:128");
    expect(store, &shape, LOOKUP_PROFILE, "TM=80", "TM=90");
    const struct lookup_query text = query_for("m=256,k=128,n=16,w=q8:32");
    expect_nothing(store, &text);
    query.layout = "panel16";
    expect_nothing(store, &query);
    query.layout = "rows";
    expect(store, &query, LOOKUP_PROFILE, "TM=80", "TM=90");
    query.model = "Platform|Vendor|Device|x86_64 family 25 model 2|2|33554432";
    expect_nothing(store, &query);
    query.model = "Platform|Vendor|Other|x86_64 family 26 model 2|64|1";
    expect(store, &query, LOOKUP_PROFILE, "TM=80", "TM=90");
    query.model = "no key at all";
    expect_nothing(store, &query);
    /* A record elsewhere on this model comes before. */
    query.model = MODEL;
    query.layout = NULL;
    record_new(store, device_row(store, MODEL, "driver 0"), key_of(PROBLEM, "TM=5"), OUTCOME_OK,
               500, true);
    expect(store, &query, LOOKUP_ELSEWHERE, "TM=5", "");
}

Test(lookup, what_a_profile_answers_says_so) {
    ship_profiles = true;
    const struct lookup_query query = query_for(PROBLEM);
    struct lookup_answer answer;
    struct error err = {OK, ""};
    WELL(lookup(store, &query, &answer, &err));
    cr_assert(answer.record.id == -5 && answer.runner_up.id == -4, "minus its line");
    cr_assert(answer.record.time_ns == 80.5 && isnan(answer.record.share));
    cr_assert_str_eq(answer.record.key.source_key, "00000000000000aa");
    cr_assert_str_eq(answer.record.key.layout, "rows");
    free_answer(&answer);
}

/* ---- profiles that were imported ---- */

static void import(const char *name, const char *text) {
    bool is_new = false;
    struct error err = {OK, ""};
    WELL(store_import(store, name, text, strlen(text), &is_new, &err));
    cr_assert(is_new);
}

Test(lookup, an_imported_profile_is_a_hint_before_those_that_ship) {
    ship_profiles = true;
    struct lookup_query query = query_for(PROBLEM);
    import("friend.profile",
           "hone-profile 2\narchitecture x86_64 family 26 model 2\nprovenance a friend\n"
           "record matmul m=256,k=128,n=16,w=q4:128 f32 rows tiled TM=6 99.5 00000000000000aa\n"
           "end 1\n");
    expect(store, &query, LOOKUP_IMPORTED, "TM=6", "");
    struct lookup_answer answer;
    struct error err = {OK, ""};
    WELL(lookup(store, &query, &answer, &err));
    cr_assert_str_eq(answer.origin, "friend.profile: a friend");
    cr_assert(answer.record.id < 0 && isnan(answer.record.share));
    free_answer(&answer);
    /* Measured on this very model and version, says the text: still a hint. */
    import("mine.profile",
           "hone-profile 2\ndevice " MODEL "\nversion " VERSION "\n"
           "record matmul m=256,k=128,n=16,w=q4:128 f32 rows tiled TM=5 1 00000000000000aa\n"
           "end 1\n");
    expect(store, &query, LOOKUP_IMPORTED, "TM=5", "");
    refused_config = "TM=5";
    expect(store, &query, LOOKUP_IMPORTED, "TM=6", "");
    refused_config = "";
    /* What was measured here comes first, however slow. */
    record_new(store, device_row(store, MODEL, "driver 0"), key_of(PROBLEM, "TM=9"), OUTCOME_OK,
               500, true);
    expect(store, &query, LOOKUP_ELSEWHERE, "TM=9", "");
    add(PROBLEM, "TM=8", 1000);
    expect(store, &query, LOOKUP_EXACT, "TM=8", "");
    /* Unless only profiles are asked. */
    query.profiles_only = true;
    expect(store, &query, LOOKUP_IMPORTED, "TM=5", "");
}

Test(lookup, a_profile_that_was_spoilt_in_the_database_is_passed_over) {
    struct error err = {OK, ""};
    const struct lookup_query query = query_for(PROBLEM);
    static const char *const values[] = {"1", "{}", "{\"name\":\"x\",\"text\":\"hone-profile 2\"}",
                                         "{\"name\":\"x\",\"text\":5}"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char key[8];
        snprintf(key, sizeof key, "%zu", i);
        WELL(store_fact_set(store, "profile", MODEL, VERSION, key, values[i], &err));
    }
    expect_nothing(store, &query);
    import("good.profile",
           "hone-profile 2\narchitecture x86_64 family 26 model 2\n"
           "record matmul m=256,k=128,n=16,w=q4:128 f32 rows tiled TM=6 99.5 00000000000000aa\n"
           "end 1\n");
    expect(store, &query, LOOKUP_IMPORTED, "TM=6", "");
}

/* ---- what may not answer ---- */

Test(lookup, the_caller_refuses) {
    add(PROBLEM, "TM=1", 10);
    add(PROBLEM, "TM=2", 20);
    const struct lookup_query query = query_for(PROBLEM);
    refused_config = "TM=1";
    times_asked = 0;
    expect(store, &query, LOOKUP_EXACT, "TM=2", "");
    cr_assert_gt(times_asked, 0);
    struct record_key gone = key_of(PROBLEM, "TM=3");
    gone.variant = "gone";
    record_new(store, device, gone, OUTCOME_OK, 1, true);
    expect(store, &query, LOOKUP_EXACT, "TM=2", "");
    current_key = "another";
    expect(store, &query, LOOKUP_ELSEWHERE, "TM=2", "");
}

Test(lookup, what_failed_here_never_answers) {
    ship_profiles = true;
    const int64_t older = device_row(store, MODEL, "driver 0");
    const struct lookup_query query = query_for(PROBLEM);
    /* Right once, wrong later. */
    add(PROBLEM, "TM=1", 10);
    add(PROBLEM, "TM=2", 20);
    record_new(store, device, key_of(PROBLEM, "TM=1"), OUTCOME_WRONG, NAN, false);
    expect(store, &query, LOOKUP_EXACT, "TM=2", "");
    /* Right for a relative, crashed for this problem. */
    add("m=256,k=128,n=15,w=q4:128", "TM=3", 1);
    record_new(store, device, key_of(PROBLEM, "TM=2"), OUTCOME_CRASHED, NAN, false);
    record_new(store, device, key_of(PROBLEM, "TM=3"), OUTCOME_CRASHED, NAN, false);
    /* Right under another driver, wrong under this one. */
    record_new(store, older, key_of(PROBLEM, "TM=4"), OUTCOME_OK, 1, true);
    record_new(store, device, key_of(PROBLEM, "TM=4"), OUTCOME_WRONG, NAN, false);
    /* Right by a profile, does not compile here. */
    struct record_key shipped = key_of(PROBLEM, "TM=80");
    shipped.layout = "rows";
    shipped.options = "";
    record_new(store, device, shipped, OUTCOME_COMPILE_FAILED, NAN, false);
    expect(store, &query, LOOKUP_PROFILE, "TM=90", "");
    /* What failed under the other driver is another matter. */
    record_new(store, older, key_of(PROBLEM, "TM=9"), OUTCOME_CRASHED, NAN, false);
    add(PROBLEM, "TM=9", 30);
    expect(store, &query, LOOKUP_EXACT, "TM=9", "");
}

Test(lookup, a_database_that_fails_is_a_failure) {
    struct store *empty = NULL;
    struct error err = {OK, ""};
    const struct lookup_query query = query_for(PROBLEM);
    expect_nothing(NULL, &query);
    const char *path = database_new();
    store_close(opened(path, STORE_WRITE));
    WELL(store_open(path, STORE_READ, &empty, &err));
    cr_assert_eq(truncate(path, 0), 0);
    struct lookup_answer answer;
    cr_assert_eq(lookup(empty, &query, &answer, &err), STATUS_DB);
    cr_assert_eq(answer.record.id, 0);
    store_close(empty);
}

/* ---- many ---- */

/* 100 000 evaluations of 40 problems, made inside the database. */
static void make_many(const char *path) {
    static const char sql[] =
        "PRAGMA synchronous = OFF; BEGIN; "
        "INSERT INTO problems SELECT 100 + value, 'matmul', 'm=256,k=128,n=' || (100 + value) || "
        "',w=q4:128' FROM (WITH RECURSIVE r(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM r "
        "WHERE value < 40) SELECT value FROM r); "
        "INSERT INTO evaluations (session_id, device_id, problem_id, class, layout, sequence, "
        "source_key, options, variant, config, outcome, time_ns, unix_s, boot_id, is_default) "
        "SELECT session_id, device_id, problems.problem_id, class, layout, i, source_key, options, "
        "variant, 'TM=' || (i + 100), 'ok', 1000 + (i * 7919) % 2500, unix_s, boot_id, 0 "
        "FROM evaluations, problems, (WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
        "FROM r WHERE i < 2500) SELECT i FROM r) WHERE problems.problem_id > 100; COMMIT";
    sql_into(path, sql);
}

Test(lookup, a_large_database_answers_quickly) {
    char *path = text_copy(store_path(store));
    record_new(store, device, key_of(PROBLEM, "TM=1"), OUTCOME_OK, 10, true);
    store_close(store);
    make_many(path);
    store = opened(path, STORE_READ);
    expect_csv(store, "SELECT count(*) AS n FROM evaluations", "n\n100001\n");
    const struct lookup_query exact = query_for("m=256,k=128,n=120,w=q4:128"),
                              near = query_for("m=256,k=128,n=999,w=q4:128");
    const int64_t began = clock_now_ns();
    for (int i = 0; i < 10; i++) {
        expect(store, &exact, LOOKUP_EXACT, "TM=2600", "TM=279");
        expect(store, &near, LOOKUP_NEAR_N, "TM=2600", "TM=279");
    }
    const double each_ms = (double)(clock_now_ns() - began) / 20e6;
    cr_log_info("%.2f ms a look-up", each_ms);
    cr_assert_lt(each_ms, 100, "%.1f ms", each_ms);
    free(path);
}
