/* test_refusals.c: files that are not a whole database of ours, each refused with the sentence that tells
 * which, none touched. */
#include "tests/results/direct.h"
#include "tests/results/records.h"
#include "base/clock.h"
#include "base/path.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- support ---- */

static void write_file(const char *path, const char *bytes, size_t size) {
    FILE *file = fopen(path, "we");
    cr_assert(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

static void read_file(const char *path, char **bytes, size_t *size) {
    struct error err = {OK, ""};
    WELL(path_read(path, 1 << 28, bytes, size, &err));
}

/* A database of ours with 150 evaluations, over some dozens of pages: one by the store, the others from
 * it in one transaction, for every transaction waits for the disk. */
static void make_whole(const char *path) {
    struct store *store = opened(path, STORE_WRITE);
    struct error err = {OK, ""};
    record_new(store, device_row(store, MODEL, VERSION), with_config("TM=0"), OUTCOME_OK, 100,
               false);
    WELL(store_fact_set(store, "plan", MODEL, VERSION, "k", "{}", &err));
    store_close(store);
    sql_into(path,
             "BEGIN; CREATE TEMP TABLE more AS WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL "
             "SELECT i + 1 FROM r WHERE i < 149) SELECT i FROM r; "
             "INSERT INTO evaluations SELECT evaluation_id + i, session_id, device_id, "
             "problem_id, class, layout, i, source_key, options, variant, 'TM=' || i, outcome, "
             "'sentence number ' || i, time_ns, low_ns, high_ns, floor_ns, ceiling_gbps, "
             "ceiling_gflops, share, nmse, build_ns, check_ns, wall_ns, elapsed_ns, "
             "conditions, unix_s, boot_id, 0, 0, 0, 0 FROM evaluations, more; "
             "INSERT INTO samples SELECT evaluation_id + i, round, sample, time_ns "
             "FROM samples, more; COMMIT");
    expect_clean(path);
}

static size_t files_beside(const char *path) {
    char *folder = text_format("%.*s", (int)(strrchr(path, '/') - path), path);
    size_t n = 0;
    DIR *list = opendir(folder);
    cr_assert_not_null(list);
    for (struct dirent *entry; (entry = readdir(list));) n += entry->d_name[0] != '.';
    closedir(list);
    free(folder);
    return n;
}

/* Refused in this mode with DB and these words, every byte as it was, nothing left beside. */
static void expect_refused(const char *path, enum store_mode mode, const char *words) {
    char *before, *after;
    size_t size_before, size_after;
    struct stat info_before, info_after;
    struct store *store = NULL;
    struct error err = {OK, ""};
    const size_t beside = files_beside(path);
    read_file(path, &before, &size_before);
    cr_assert_eq(stat(path, &info_before), 0);
    const enum status st = store_open(path, mode, &store, &err);
    cr_assert_eq(st, STATUS_DB, "%s (\"%s\" expected) in mode %d: %s: %s", path, words, mode,
                 status_name(st), err.text);
    cr_assert_null(store);
    cr_assert(strstr(err.text, words), "\"%s\" does not say %s", err.text, words);
    cr_assert(strstr(err.text, path), "\"%s\" does not name the file", err.text);
    cr_assert_eq(stat(path, &info_after), 0);
    read_file(path, &after, &size_after);
    cr_assert(size_before == size_after && !memcmp(before, after, size_before), "%s was changed",
              path);
    cr_assert(info_before.st_mtim.tv_sec == info_after.st_mtim.tv_sec &&
                  info_before.st_mtim.tv_nsec == info_after.st_mtim.tv_nsec,
              "%s was written", path);
    cr_assert_eq(files_beside(path), beside, "something was left beside %s", path);
    free(before);
    free(after);
}

static void expect_refused_always(const char *path, const char *words) {
    expect_refused(path, STORE_WRITE, words);
    expect_refused(path, STORE_READ, words);
}

/* ---- nothing there ---- */

Test(refusals, what_is_missing_is_not_made_by_a_reader) {
    struct store *store = NULL;
    struct error err = {OK, ""};
    char *path = text_format("%s/none/hone.db", test_folder());
    cr_assert_eq(store_open(path, STORE_READ, &store, &err), STATUS_NOTHING);
    cr_assert(strstr(err.text, path) && strstr(err.text, "hone tune"), "%s", err.text);
    *strrchr(path, '/') = 0;
    cr_assert_neq(access(path, F_OK), 0, "its folder was made");
    free(path);
    const char *empty = database_new();
    write_file(empty, "", 0);
    cr_assert_eq(store_open(empty, STORE_READ, &store, &err), STATUS_NOTHING);
    struct stat info;
    cr_assert(stat(empty, &info) == 0 && info.st_size == 0);
    cr_assert_eq(files_beside(empty), 1);
}

Test(refusals, a_folder_a_pipe_and_a_file_in_the_way) {
    struct store *store = NULL;
    struct error err = {OK, ""};
    const char *folder = test_folder();
    char *pipe_path = text_format("%s/pipe", folder), *file = text_format("%s/file", folder),
         *below = text_format("%s/hone.db", file);
    cr_assert_eq(mkfifo(pipe_path, 0600), 0);
    write_file(file, "x", 1);
    const struct {
        const char *path, *words;
    } cases[] = {{folder, "is a folder"},
                 {pipe_path, "neither a file nor a folder"},
                 {"/dev/null", "neither a file nor a folder"},
                 {below, "Not a directory"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int mode = STORE_WRITE; mode <= STORE_READ; mode++) {
            cr_assert_eq(store_open(cases[i].path, mode, &store, &err), STATUS_DB);
            cr_assert(strstr(err.text, cases[i].words), "%s", err.text);
        }
    free(pipe_path);
    free(file);
    free(below);
}

/* ---- somebody else's ---- */

Test(refusals, what_is_no_database) {
    static const struct {
        const char *bytes;
        size_t size;
        const char *words;
    } cases[] = {
        {"x", 1, "no SQLite database"},
        {"SQLite format 2\0", 16, "no SQLite database"},
        {"SQLite format 3\0", 16, "corrupt (it ends within its header)"},
        {"SQLite format 3", 15, "corrupt (it ends within its header)"},
        {"GGUF\3\0\0\0", 8, "no SQLite database"},
        {"#!/bin/sh\necho a text file of a length that passes for a header, if nobody looks at "
         "what "
         "it says in its first sixteen bytes\n",
         121, "no SQLite database"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = database_new();
        write_file(path, cases[i].bytes, cases[i].size);
        expect_refused_always(path, cases[i].words);
    }
}

Test(refusals, another_program_and_other_versions) {
    static const struct {
        bool is_ours;
        const char *sql, *words;
    } cases[] = {
        {false, "CREATE TABLE bookmarks (url)", "another program's (application id 0x00000000)"},
        {false, "PRAGMA application_id = 252006674; CREATE TABLE x (y)",
         "another program's (application id 0x0f055112)"},
        {false, "PRAGMA application_id = -2; CREATE TABLE x (y)",
         "another program's (application id 0xfffffffe)"},
        {true, "PRAGMA user_version = 99", "newer hone (schema 99, this program knows 1)"},
        {true, "PRAGMA user_version = 0", "schema 0, which no hone has made"},
        {true, "PRAGMA user_version = -1", "newer hone"},
        {true, "DROP VIEW records", "view records is missing"},
        {true, "DROP TABLE facts; CREATE TABLE facts (kind, model, version, key, value, unix_s)",
         "table facts was changed"},
        {true, "DROP TABLE samples; CREATE VIEW samples AS SELECT 1", "table samples is missing"},
        {true, "DROP INDEX evaluations_running", "index evaluations_running is missing"},
        {true, "PRAGMA journal_mode = WAL", "switched to WAL"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = database_new();
        if (cases[i].is_ours) make_whole(path);
        sql_into(path, cases[i].sql);
        expect_refused_always(path, cases[i].words);
    }
}

Test(refusals, further_objects_do_no_harm) {
    const char *path = database_new();
    make_whole(path);
    sql_into(path, "CREATE TABLE notes (text); ANALYZE; CREATE VIEW mine AS SELECT * FROM records;"
                   "CREATE INDEX more ON samples (time_ns);"
                   "CREATE TRIGGER trap AFTER INSERT ON evaluations BEGIN "
                   "DELETE FROM evaluations; INSERT INTO notes VALUES ('caught'); END");
    struct store *store = opened(path, STORE_WRITE);
    record_new(store, device_row(store, MODEL, VERSION), key_usual, OUTCOME_OK, 5, false);
    expect_csv(store, "SELECT count(*) AS n FROM evaluations", "n\n151\n");
    expect_csv(store, "SELECT count(*) AS n FROM notes", "n\n0\n");
    store_close(store);
    expect_clean(path);
}

/* ---- corrupt ---- */

/* Every question, to be answered or refused: nothing else may happen on a file of any bytes. */
static void ask_everything(const char *path) {
    struct store *store = NULL;
    struct error err = {OK, ""};
    if (store_open(path, STORE_READ, &store, &err) != OK) return;
    struct evaluation *list = NULL;
    size_t n = 0;
    const struct record_key any = {0};
    int64_t counts[OUTCOMES];
    char *text = NULL;
    if (store_best(store, MODEL, &any, 20, &list, &n, &err) == OK) {
        for (size_t i = 0; i < n; i++) evaluation_free(&list[i]);
        free(list);
    }
    if (store_history(store, 1, &key_usual, &list, &n, &err) == OK) {
        for (size_t i = 0; i < n; i++) evaluation_free(&list[i]);
        free(list);
    }
    store_outcomes(store, MODEL, &any, counts, &err);
    store_check(store, &text, &err);
    free(text);
    if (store_csv(store, "SELECT * FROM winners, progress, bench_rows", &text, &err) == OK)
        free(text);
    store_close(store);
}

Test(refusals, cut_short_at_any_length) {
    const char *path = database_new();
    char *bytes;
    size_t size;
    make_whole(path);
    read_file(path, &bytes, &size);
    cr_assert_gt(size, 20 * 4096);
    for (size_t keep = 16; keep < size; keep += keep < 4200 ? 511 : 4096 + 511) {
        write_file(path, bytes, keep);
        expect_refused_always(path, "corrupt");
    }
    for (size_t pages = 1; pages < size / 4096; pages += 5) {
        write_file(path, bytes, pages * 4096);
        expect_refused_always(path, "corrupt");
    }
    free(bytes);
}

Test(refusals, pages_overwritten) {
    static const struct {
        size_t at, length;
    } places[] = {{0, 4096}, {0, 8}, {3, 5}, {8, 40}, {2048, 2048}};
    const char *path = database_new();
    char *bytes;
    size_t size;
    int refused = 0, tried = 0;
    make_whole(path);
    read_file(path, &bytes, &size);
    char *bad = malloc(size);
    for (size_t page = 1; page < size / 4096; page++)
        for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
            memcpy(bad, bytes, size);
            memset(bad + page * 4096 + places[p].at, 0xAA, places[p].length);
            write_file(path, bad, size);
            struct store *store = NULL;
            struct error err = {OK, ""};
            tried++;
            if (store_open(path, STORE_READ, &store, &err) != OK) {
                refused++;
                expect_refused_always(path, "corrupt");
            }
            store_close(store);
        }
    /* What is overwritten may have been unused, or a text that is as good as another. */
    cr_assert_gt(refused, tried * 3 / 5, "%d of %d", refused, tried);
    cr_log_info("%d of %d refused at the door", refused, tried);
    free(bytes);
    free(bad);
}

Test(refusals, bits_flipped_anywhere) {
    const char *path = database_new();
    char *bytes;
    size_t size;
    make_whole(path);
    read_file(path, &bytes, &size);
    for (size_t i = 0; i < 250; i++) {
        const size_t at = i < 120 ? i : (i * 2654435761u) % size;
        bytes[at] ^= (char)(1 << i % 8);
        write_file(path, bytes, size);
        ask_everything(path);
        bytes[at] ^= (char)(1 << i % 8);
    }
    write_file(path, bytes, size);
    expect_clean(path);
    free(bytes);
}

/* ---- locked ---- */

/* A process that holds a lock on the file until it is killed. */
static pid_t hold(const char *path, const char *sql) {
    int ready[2];
    char byte;
    cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        sqlite3 *db;
        if (sqlite3_open(path, &db) == SQLITE_OK &&
            sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK && write(ready[1], "!", 1) == 1)
            pause();
        _exit(1);
    }
    close(ready[1]);
    cr_assert_eq(read(ready[0], &byte, 1), 1, "the other process has no lock");
    close(ready[0]);
    return pid;
}

static void let_go(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

Test(refusals, a_writer_waits_five_seconds_for_another) {
    const char *path = database_new();
    make_whole(path);
    const pid_t pid = hold(path, "BEGIN IMMEDIATE");
    const int64_t began = clock_now_ns();
    expect_refused(path, STORE_WRITE, "locked by another process");
    const double waited = (double)(clock_now_ns() - began) / 1e9;
    cr_assert(waited > 4 && waited < 9, "it waited %.1f s", waited);
    store_close(opened(path, STORE_READ)); /* a reader need not wait */
    let_go(pid);
    store_close(opened(path, STORE_WRITE));
}

Test(refusals, a_reader_too_where_all_is_locked) {
    const char *path = database_new();
    make_whole(path);
    const pid_t pid = hold(path, "BEGIN EXCLUSIVE");
    expect_refused(path, STORE_READ, "locked by another process");
    let_go(pid);
    store_close(opened(path, STORE_READ));
}

/* ---- read-only ---- */

/* Root may write everywhere: as nobody, then, and back again. */
enum { NOBODY = 65534 };
static bool is_root;
static void become_nobody(void) {
    is_root = geteuid() == 0;
    if (is_root && seteuid(NOBODY) != 0) cr_skip_test("the user cannot be changed here: %m");
}
static void become_myself(void) {
    if (is_root) cr_assert_eq(seteuid(0), 0);
}

static void expect_readable(const char *path) {
    struct store *store = opened(path, STORE_READ);
    expect_csv(store, "SELECT count(*) AS n FROM evaluations", "n\n150\n");
    store_close(store);
    expect_clean(path);
}

Test(refusals, a_file_that_is_read_only) {
    const char *path = database_new();
    char *folder = text_format("%.*s", (int)(strrchr(path, '/') - path), path);
    make_whole(path);
    cr_assert(chmod(path, 0444) == 0 && chmod(folder, 0777) == 0);
    become_nobody();
    expect_refused(path, STORE_WRITE, "the file is read-only");
    expect_readable(path);
    become_myself();
    free(folder);
}

Test(refusals, a_folder_that_is_read_only) {
    const char *path = database_new();
    char *folder = text_format("%.*s", (int)(strrchr(path, '/') - path), path),
         *other = text_format("%s/other.db", folder);
    make_whole(path);
    struct store *store = NULL;
    struct error err = {OK, ""};
    cr_assert(chmod(path, 0666) == 0 && chmod(folder, 0555) == 0);
    become_nobody();
    expect_refused(path, STORE_WRITE, "its folder is read-only");
    expect_readable(path);
    cr_assert_eq(store_open(other, STORE_WRITE, &store, &err), STATUS_DB);
    cr_assert(strstr(err.text, "its folder is read-only"), "%s", err.text);
    become_myself();
    cr_assert(chmod(path, 0444) == 0);
    become_nobody();
    expect_readable(path);
    become_myself();
    cr_assert(chmod(folder, 0777) == 0);
    free(folder);
    free(other);
}

Test(refusals, a_file_that_cannot_even_be_read) {
    const char *path = database_new();
    make_whole(path);
    struct store *store = NULL;
    struct error err = {OK, ""};
    char *folder = text_format("%.*s", (int)(strrchr(path, '/') - path), path);
    cr_assert(chmod(path, 0000) == 0 && chmod(folder, 0755) == 0);
    become_nobody();
    for (int mode = STORE_WRITE; mode <= STORE_READ; mode++) {
        cr_assert_eq(store_open(path, mode, &store, &err), STATUS_DB);
        cr_assert(strstr(err.text, "Permission denied"), "%s", err.text);
    }
    become_myself();
    free(folder);
}

/* ---- a change that was left half done ---- */

/* A writer that has written pages into the file and dies before it commits. */
static void die_in_the_middle(const char *path) {
    const pid_t pid = fork();
    if (pid == 0) {
        sqlite3 *db;
        static const char sql[] =
            "PRAGMA cache_size = 1; BEGIN IMMEDIATE; "
            "UPDATE evaluations SET message = 'half', config = config || '!'; "
            "UPDATE samples SET time_ns = 1";
        if (sqlite3_open(path, &db) == SQLITE_OK) sqlite3_exec(db, sql, NULL, NULL, NULL);
        kill(getpid(), SIGKILL);
    }
    waitpid(pid, NULL, 0);
}

Test(refusals, a_reader_undoes_half_a_change_in_a_copy) {
    const char *path = database_new();
    char *journal = text_format("%s-journal", path), *whole, *torn, *torn_journal, *after;
    size_t size, torn_size, journal_size, after_size;
    make_whole(path);
    read_file(path, &whole, &size);
    die_in_the_middle(path);
    read_file(path, &torn, &torn_size);
    read_file(journal, &torn_journal, &journal_size);
    cr_assert(torn_size != size || memcmp(whole, torn, size) != 0, "nothing was written");
    cr_assert_gt(journal_size, 512);
    expect_readable(path);
    struct store *store = opened(path, STORE_READ);
    cr_assert_str_eq(store_path(store), path);
    expect_csv(store, "SELECT count(*) AS n FROM evaluations WHERE message = 'half'", "n\n0\n");
    store_close(store);
    read_file(path, &after, &after_size);
    cr_assert(after_size == torn_size && !memcmp(after, torn, torn_size), "the reader wrote");
    free(after);
    read_file(journal, &after, &after_size);
    cr_assert(after_size == journal_size && !memcmp(after, torn_journal, journal_size));
    free(after);
    /* A writer undoes it for good. */
    store_close(opened(path, STORE_WRITE));
    cr_assert_neq(access(journal, F_OK), 0);
    read_file(path, &after, &after_size);
    cr_assert(after_size == size && !memcmp(after, whole, size), "not as it was");
    free(after);
    free(whole);
    free(torn);
    free(torn_journal);
    free(journal);
}

Test(refusals, copies_leave_nothing_behind) {
    const char *path = database_new(), *temporary = test_folder();
    make_whole(path);
    die_in_the_middle(path);
    setenv("TMPDIR", temporary, 1);
    char *inside = text_format("%s/x", temporary);
    struct store *store = opened(path, STORE_READ);
    cr_assert_eq(files_beside(inside), 0);
    store_close(store);
    setenv("TMPDIR", "/nowhere", 1);
    struct error err = {OK, ""};
    cr_assert_eq(store_open(path, STORE_READ, &store, &err), STATUS_DB);
    cr_assert(strstr(err.text, "half done") && strstr(err.text, "/nowhere"), "%s", err.text);
    free(inside);
}
