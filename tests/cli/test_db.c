/* test_db.c: hone db: sharing databases from the command line, and the sentence for every input that is none. */
#include "tests/results/direct.h"
#include "tests/results/records.h"
#include "results/profile.h"
#include "tests/cli/answers.h"
#include "kernels/kernel.h"
#include <sys/stat.h>

static const struct record_key known = {.options = "",
                                        .family = "swiglu",
                                        .problem = "k=256,n=1,o=f32",
                                        .class_name = "f32",
                                        .layout = "rows",
                                        .variant = "part"};

/* A database in the folder with one record of a kernel that exists; its time in µs. */
static void make(const char *folder, const char *name, const char *version, double time_us,
                 int64_t began) {
    char *path = text_format("%s/%s", folder, name), key[17], config[400], *sql;
    struct store *store = opened(path, STORE_WRITE);
    struct problem problem;
    struct config chosen;
    struct error err = {OK, ""};
    struct record_key record = known;
    WELL(problem_parse(slice_find(known.family), known.problem, &problem, &err));
    WELL(family_default(&problem, &chosen, &err));
    config_format(&chosen, config);
    variant_source_key(chosen.variant, key);
    record.variant = chosen.variant->name;
    record.config = config;
    record.source_key = key;
    record_new(store, device_row(store, MODEL, version), record, OUTCOME_OK, time_us * 1000, true);
    store_close(store);
    sql = text_format("UPDATE sessions SET began_unix_s = %lld", (long long)began);
    sql_into(path, sql);
    free(sql);
    free(path);
}

static char *exported(const char *folder, const char *database) {
    struct program_run run = HONE(folder, "db", "export", "--db", database);
    cr_assert_eq(run.code, 0, "%s", run.err);
    free(run.err);
    return run.out;
}

/* ---- to and fro ---- */

Test(db, what_is_exported_is_a_hint_elsewhere) {
    const char *folder = test_folder();
    make(folder, "a.db", VERSION, 50, 1);
    char *text = exported(folder, "a.db");
    program_write(folder, "a.profile", text);
    free(text);
    program_expect(HONE(folder, "db", "import", "a.profile", "--db", "b.db"), 0,
                   "taken as hints: 1 records of kernels as they are here");
    program_expect(HONE(folder, "db", "import", "a.profile", "--db", "b.db"), 0,
                   "was there already");
    program_expect(HONE(folder, "db", "check", "--db", "b.db"), 0, "clean");
    json_t *list = program_json(HONE(folder, "db", "profiles", "--db", "b.db", "--json"));
    const json_t *rows = json_object_get(list, "profiles");
    const json_t *last = json_array_get(rows, json_array_size(rows) - 1);
    cr_assert_str_eq(json_string_value(json_object_get(last, "name")), "a.profile");
    cr_assert_str_eq(json_string_value(json_object_get(last, "origin")), "imported");
    cr_assert_eq(json_integer_value(json_object_get(last, "current")), 1);
    json_decref(list);
    /* It is no measurement of that database. */
    program_expect(HONE(folder, "db", "export", "--db", "b.db"), 4, "holds no measurement yet");
}

Test(db, merge_adds_and_says_what) {
    const char *folder = test_folder();
    make(folder, "a.db", VERSION, 50, 1);
    make(folder, "b.db", VERSION, 40, 2);
    program_expect(HONE(folder, "db", "merge", "a.db", "b.db", "--db", "all.db"), 0,
                   "2 of 2 files: 2 sessions, 2 evaluations, 6 samples");
    program_expect(HONE(folder, "db", "merge", "b.db", "a.db", "--db", "all.db"), 0,
                   "2 of 2 files: 0 sessions, 0 evaluations, 0 samples");
    program_expect(HONE(folder, "db", "merge", "all.db", "--db", "all.db"), 2, "into itself");
    /* A bad file does not hold up the others. */
    program_write(folder, "bad.db", "no database");
    program_expect(HONE(folder, "db", "merge", "bad.db", "a.db", "--db", "new.db"), 1,
                   "bad.db is no SQLite database");
    program_expect(HONE(folder, "db", "check", "--db", "new.db"), 0, "clean");
    json_t *done =
        program_json(HONE(folder, "db", "merge", "bad.db", "b.db", "--db", "new.db", "--json"));
    cr_assert_eq(json_integer_value(json_object_get(done, "failed")), 1);
    cr_assert_eq(json_array_size(json_object_get(done, "files")), 1);
    json_decref(done);
}

static const char *change_of(const json_t *document) {
    const json_t *row = json_array_get(json_object_get(document, "rows"), 0);
    return json_string_value(json_object_get(row, "change"));
}

Test(db, diff_says_what_a_driver_changed) {
    const char *folder = test_folder();
    make(folder, "old.db", "driver 0", 100, 1);
    make(folder, "new.db", VERSION, 40, 2);
    char *text = exported(folder, "old.db");
    program_write(folder, "old.profile", text);
    free(text);
    static const struct {
        const char *a, *b, *change;
    } cases[] = {{"old.db", "new.db", "faster"},
                 {"new.db", "old.profile", "slower"},
                 {"old.profile", "old.db", "same"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *found = program_json(HONE(folder, "db", "diff", cases[i].a, cases[i].b, "--json"));
        cr_assert_str_eq(change_of(found), cases[i].change);
        json_decref(found);
    }
    program_expect(HONE(folder, "db", "diff", "old.db", "new.db"), 0, "(x2.50)");
    program_expect(HONE(folder, "db", "diff", "old.db", "new.db"), 0,
                   "1 faster, 0 slower, 0 same, 0 gone, 0 new");
    program_write(folder, "none.profile", "hone-profile 2\narchitecture x\nend 0\n");
    program_expect(HONE(folder, "db", "diff", "none.profile", "new.db"), 0, "1 new");
    program_expect(HONE(folder, "db", "diff", "new.db", "none.profile"), 0, "1 gone");
}

Test(db, one_device_of_several_is_named) {
    const char *folder = test_folder();
    make(folder, "a.db", "driver 0", 100, 1);
    make(folder, "a.db", VERSION, 100, 2);
    program_expect(HONE(folder, "db", "export", "--db", "a.db"), 2, "holds several devices");
    program_expect(HONE(folder, "db", "diff", "a.db", "a.db"), 2, "name one with --device");
    program_expect(HONE(folder, "db", "export", "--db", "a.db", "--device", "driver 0"), 0,
                   "version driver 0\n");
    program_expect(HONE(folder, "db", "export", "--db", "a.db", "--device", "1"), 0, "\nversion ");
    program_expect(HONE(folder, "db", "export", "--db", "a.db", "--device", "7"), 2,
                   "holds no such devices named 7");
}

/* ---- shares ---- */

/* Tunes the whole (share NULL) or one share of a small search to its end. */
static void tune(const char *folder, const char *share, const char *database) {
    const char *words[] = {"tune",
                           "--quiet",
                           "--family",
                           "swiglu",
                           "--problem",
                           "k=256,n=1..4",
                           "--strategy",
                           "exhaustive",
                           "--evals",
                           "100",
                           "--param",
                           "WG=64",
                           "--param",
                           "VW=4",
                           "--db",
                           database,
                           share ? "--shard" : NULL,
                           share,
                           NULL};
    struct program_run run = program_answer(folder, words);
    cr_assert_eq(run.code, 0, "%s", run.err);
    program_free(&run);
}

static char *configurations(const char *folder, const char *database) {
    char *path = text_format("%s/%s", folder, database);
    struct store *store = opened(path, STORE_READ);
    char *csv = csv_of(store, "SELECT DISTINCT family, problem, class, layout, variant, config, "
                              "source_key FROM measurements ORDER BY 1, 2, 3, 4, 5, 6");
    store_close(store);
    free(path);
    return csv;
}

Test(db, shares_of_a_search_add_up_to_it, .timeout = 300) {
    const char *folder = test_folder();
    json_t *list = program_json(HONE(folder, "devices", "--json"));
    const size_t n_devices = json_array_size(json_object_get(list, "devices"));
    json_decref(list);
    if (!n_devices) cr_skip_test("there is no OpenCL device");
    tune(folder, NULL, "whole.db");
    tune(folder, "1/2", "1.db");
    tune(folder, "2/2", "2.db");
    program_expect(HONE(folder, "db", "merge", "1.db", "2.db", "--db", "merged.db"), 0,
                   "2 of 2 files");
    char *whole = configurations(folder, "whole.db"), *merged = configurations(folder, "merged.db");
    cr_assert_str_eq(merged, whole);
    for (int i = 1; i <= 2; i++) {
        char *name = text_format("%d.db", i), *one = configurations(folder, name);
        cr_assert_lt(strlen(one), strlen(whole), "share %d is the whole", i);
        free(one);
        free(name);
    }
    free(whole);
    free(merged);
}

Test(db, what_is_no_share) {
    static const char *const words[] = {"",    "1",     "0/2",  "3/2", "1/0",
                                        "a/b", "1/2/3", "-1/2", "1/ 2"};
    const char *folder = test_folder();
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        program_expect(HONE(folder, "tune", "--shard", words[i]), 2, "is no share");
}

/* ---- what is refused ---- */

Test(db, usage) {
    const char *folder = test_folder();
    program_expect(HONE(folder, "db"), 2, "say what to do: check, retry, export");
    program_expect(HONE(folder, "db", "exprot"), 2, "did you mean 'export'?");
    program_expect(HONE(folder, "db", "merge"), 2, "takes databases to take over, not 0");
    program_expect(HONE(folder, "db", "import"), 2, "takes profiles to take as hints");
    program_expect(HONE(folder, "db", "diff", "a"), 2, "takes two files");
    program_expect(HONE(folder, "db", "check", "a"), 2, "takes no file");
    program_expect(HONE(folder, "db", "export", "--db", "none.db"), 4,
                   "there is no database none.db");
    program_expect(HONE(folder, "db", "merge", "none.db"), 4, "there is no database none.db");
    program_expect(HONE(folder, "db", "import", "none.profile"), 1, "none.profile");
    program_expect(HONE(folder, "db", "diff", "none.db", "none.db"), 1, "none.db");
}

/* What may lie where a database is asked for, by every action that takes one. */
static const struct bad {
    const char *name, *bytes, *sql, *words;
} bad[] = {
    {"empty.db", "", NULL, "there is no database"},
    {"text.db", "hone-profile 2\n", NULL, "is no SQLite database"},
    {"cut.db", "SQLite format 3", NULL, "corrupt"},
    {"foreign.db", NULL, "PRAGMA application_id = 1", "another program's"},
    {"newer.db", NULL, "PRAGMA user_version = 99", "newer hone"},
    {"changed.db", NULL, "DROP VIEW records", "view records is missing"},
};

Test(db, every_bad_database_has_its_sentence_in_every_action) {
    const char *folder = test_folder();
    make(folder, "good.db", VERSION, 50, 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *name = bad[i].name;
        if (bad[i].bytes) program_write(folder, name, bad[i].bytes);
        else {
            char *path = text_format("%s/%s", folder, name);
            make(folder, name, VERSION, 50, 1);
            sql_into(path, bad[i].sql);
            free(path);
        }
        const bool is_missing = i == 0; /* as good as none: merging into it makes one */
        program_expect(HONE(folder, "db", "merge", name, "--db", "into.db"), is_missing ? 4 : 1,
                       bad[i].words);
        program_expect(HONE(folder, "db", "export", "--db", name), is_missing ? 4 : 1,
                       bad[i].words);
        if (is_missing) continue;
        program_expect(HONE(folder, "db", "merge", "good.db", "--db", name), 1, bad[i].words);
        program_expect(HONE(folder, "db", "profiles", "--db", name), 1, bad[i].words);
        if (i == 1) continue; /* diff takes it for a profile */
        program_expect(HONE(folder, "db", "diff", "good.db", name), 1,
                       i == 2 ? "the profile cut.db, line 1" : bad[i].words);
    }
}

Test(db, every_bad_profile_has_its_sentence_in_every_action) {
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "it is empty"},
        {"\x7f"
         "ELF",
         "not printable ASCII"},
        {"hone-profile 1\n", "it is not \"hone-profile 2\""},
        {"hone-profile 2\narchitecture x\nrecord swiglu k=256 f32 rows part - 1 0123456789abcdef\n",
         "it was cut short"},
        {"hone-profile 2\narchitecture x\nrecord swiglu k=256 f32 rows pa", "line 3"},
        {"hone-profile 2\narchitecture x\nrecord a k=1 f32 rows b %s%s%n 1 0123456789abcdeg\nend 1",
         "not 16 hexadecimal digits"},
    };
    const char *folder = test_folder();
    make(folder, "good.db", VERSION, 50, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        program_write(folder, "bad.profile", cases[i].text);
        program_expect(HONE(folder, "db", "import", "bad.profile", "--db", "new.db"), 1,
                       cases[i].words);
        program_expect(HONE(folder, "db", "profiles", "bad.profile"), 1, cases[i].words);
        program_expect(HONE(folder, "db", "diff", "bad.profile", "good.db"), 1, cases[i].words);
    }
}

Test(db, locked_and_read_only) {
    const char *folder = test_folder();
    char *path = text_format("%s/locked.db", folder);
    make(folder, "good.db", VERSION, 50, 1);
    make(folder, "locked.db", VERSION, 50, 1);
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    program_expect(HONE(folder, "db", "merge", "locked.db", "--db", "new.db"), 1,
                   "locked by another process");
    sqlite3_close(db);
    if (geteuid() != 0) { /* root may write everywhere */
        cr_assert_eq(chmod(path, 0444), 0);
        program_expect(HONE(folder, "db", "merge", "good.db", "--db", "locked.db"), 1, "read-only");
    }
    program_expect(HONE(folder, "db", "merge", "locked.db", "--db", "new.db"), 0, "1 of 1 files");
    free(path);
}

/* ---- profiles that ship ---- */

#define LINE "record swiglu k=256,n=1,o=f32 f32 rows part "

Test(db, what_must_not_ship_is_told) {
    static const struct {
        const char *line, *words;
    } cases[] = {
        {"record nonsense k=256 f32 rows part - 1 0123456789abcdef", "no family nonsense"},
        {"record swiglu k=256,n=1 f33 rows part - 1 0123456789abcdef", "no class f33"},
        {"record swiglu k=256,n=1 f32 cols part - 1 0123456789abcdef", "no layout cols"},
        {"record swiglu k=256,n=1 f32 rows whole - 1 0123456789abcdef", "no variant whole"},
        {"record swiglu k=256,n=1,z=3 f32 rows part - 1 0123456789abcdef", "no field"},
        {LINE "NONSENSE=4 1 0123456789abcdef", "NONSENSE"},
        {LINE "VW=3 1 0123456789abcdef", "VW"},
    };
    const char *folder = test_folder();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = text_format("hone-profile 2\narchitecture x\n%s\nend 1\n", cases[i].line);
        program_write(folder, "x.profile", text);
        program_expect(HONE(folder, "db", "profiles", "x.profile"), 1, cases[i].words);
        program_expect(HONE(folder, "db", "import", "x.profile", "--db", "x.db"), 0,
                       cases[i].words); /* a hint that cannot be tried, from a newer hone perhaps */
        free(text);
    }
}

/* The architecture of the first device here. */
static char *architecture_here(const char *folder) {
    json_t *list = program_json(HONE(folder, "devices", "--json"));
    const json_t *device = json_array_get(json_object_get(list, "devices"), 0);
    if (!device) cr_skip_test("there is no OpenCL device");
    char *architecture = profile_architecture(json_string_value(json_object_get(device, "key")));
    json_decref(list);
    return architecture;
}

Test(db, records_of_older_kernels_are_hints_and_all_of_them_are_too_many) {
    const char *folder = test_folder();
    char *architecture = architecture_here(folder);
    static const char old[] = "0123456789abcdef";
    char *elsewhere = text_format(
             "hone-profile 2\narchitecture of another machine\n" LINE "- 1 %s\nend 1\n", old),
         *here = text_format("hone-profile 2\narchitecture %s\n" LINE "- 1 %s\nend 1\n",
                             architecture, old);
    program_write(folder, "elsewhere.profile", elsewhere);
    program_write(folder, "here.profile", here);
    program_expect(
        HONE(folder, "db", "profiles", "elsewhere.profile"), 0,
        "for other devices: 0 records of kernels as they are, 1 of older ones (hints only)");
    program_expect(HONE(folder, "db", "profiles", "here.profile"), 1, "make profiles renews it");
    free(here);
    free(elsewhere);
    free(architecture);
}

/* This is what CI asks: they are profiles, name nothing unknown, and hold for this machine if made for it. */
Test(db, every_profile_that_ships_may) {
    const char *folder = test_folder();
    struct program_run run = HONE(folder, "db", "profiles");
    cr_assert_eq(run.code, 0, "%s%s", run.out, run.err);
    cr_log_info("checked the profiles that ship: %s", *run.out ? run.out : "there are none");
    free(run.out);
    free(run.err);
}
