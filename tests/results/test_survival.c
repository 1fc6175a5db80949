/* test_survival.c: nothing that was committed is lost to kill -9, a second writer, a full disk, a failing
 * one, or want of memory. */
#include "tests/results/records.h"
#include "base/clock.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- kill -9 ---- */

/* A session that steps for ever and tells each evaluation that it has committed. */
static void step_for_ever(const char *path, int told, uint64_t seed) {
    struct store *store = NULL;
    struct error err = {OK, ""};
    int64_t device;
    if (store_open(path, STORE_WRITE, &store, &err) != OK ||
        store_device(store, MODEL, VERSION, "d", "u", &device, &err) != OK)
        _exit(1);
    struct session_row row = session_usual(device);
    row.seed = seed;
    if (store_session_begin(store, &row, &err) != OK) _exit(2);
    struct evaluation done = {0};
    for (int64_t i = 0;; i++) {
        struct evaluation next = evaluation_begun(row.id, device, i, key_usual);
        if (store_step(store, i ? &done : NULL, &next, &err) != OK) _exit(3);
        if (i && write(told, &done.id, sizeof done.id) != sizeof done.id) _exit(4);
        done = next;
        evaluation_end(&done, i % 5 ? OUTCOME_OK : OUTCOME_WRONG, 100 + (double)i);
        if (store_session_spend(store, row.id, i, "running", &err) != OK) _exit(5);
    }
}

/* *last: the number of the last evaluation that was told; 0: none. */
static void run_and_kill(const char *path, int round, int64_t *last) {
    int told[2];
    int64_t id;
    cr_assert_eq(pipe2(told, O_CLOEXEC), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        close(told[0]);
        step_for_ever(path, told[1], (uint64_t)round);
    }
    close(told[1]);
    clock_sleep_ns(INT64_C(10000000) + round * INT64_C(9777777) % 90000000);
    kill(pid, SIGKILL);
    int status = 0;
    waitpid(pid, &status, 0);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "it ended by itself: %x", status);
    *last = 0;
    while (read(told[0], &id, sizeof id) == sizeof id) *last = id;
    close(told[0]);
}

/* The first number of a query. */
static int64_t number_of(struct store *store, const char *sql) {
    char *text = NULL;
    struct error err = {OK, ""};
    WELL(store_csv(store, sql, &text, &err));
    const int64_t number = strtoll(strchr(text, '\n') + 1, NULL, 10);
    free(text);
    return number;
}

Test(survival, kill_9_loses_one_evaluation_at_most) {
    enum { ROUNDS = 80 };
    const char *path = database_new();
    store_close(opened(path, STORE_WRITE));
    int64_t committed = 0;
    int journals = 0;
    for (int round = 1; round <= ROUNDS; round++) {
        int64_t last;
        run_and_kill(path, round, &last);
        char *journal = text_format("%s-journal", path);
        journals += access(journal, F_OK) == 0;
        free(journal);
        expect_clean(path); /* through a private copy where the journal was left */
        struct store *store = opened(path, STORE_READ);
        char *sql = text_format("SELECT count(*) FROM evaluations WHERE evaluation_id <= %lld AND "
                                "evaluation_id > %lld AND outcome IN ('ok', 'wrong')",
                                (long long)last, (long long)committed);
        if (last) cr_assert_gt(number_of(store, sql), 0, "what was committed is gone");
        free(sql);
        sql = text_format("SELECT count(*) FROM evaluations WHERE outcome = 'running' AND "
                          "session_id = (SELECT max(session_id) FROM sessions)");
        cr_assert_leq(number_of(store, sql), 1);
        free(sql);
        /* Numbers are given in order, so every one up to the last told is there and has its end. */
        sql = text_format("SELECT count(*) FROM evaluations WHERE evaluation_id <= %lld",
                          (long long)last);
        if (last) cr_assert_eq(number_of(store, sql), last);
        free(sql);
        if (last) committed = last;
        store_close(store);
    }
    cr_assert_gt(committed, ROUNDS / 4, "the writers hardly came to write");
    cr_log_info("%lld evaluations, %d of %d kills left a journal", (long long)committed, journals,
                ROUNDS);
}

/* ---- two writers ---- */

static void step_often(const char *path, int n, uint64_t seed) {
    struct store *store = NULL;
    struct error err = {OK, ""};
    int64_t device;
    if (store_open(path, STORE_WRITE, &store, &err) != OK ||
        store_device(store, MODEL, VERSION, "d", "u", &device, &err) != OK)
        _exit(1);
    struct session_row row = session_usual(device);
    row.seed = seed;
    if (store_session_begin(store, &row, &err) != OK) _exit(2);
    struct evaluation done = {0};
    for (int i = 0; i < n; i++) {
        struct evaluation next = evaluation_begun(row.id, device, i, key_usual);
        if (store_step(store, i ? &done : NULL, &next, &err) != OK) {
            fprintf(stderr, "%s\n", err.text);
            _exit(3);
        }
        done = next;
        evaluation_end(&done, OUTCOME_OK, 100 + i);
    }
    if (store_step(store, &done, NULL, &err) != OK) _exit(4);
    store_close(store);
    _exit(0);
}

Test(survival, two_writers_at_once_lose_nothing) {
    enum { STEPS = 150 };
    const char *path = database_new(); /* both make it, too */
    pid_t pids[2];
    for (int i = 0; i < 2; i++) {
        pids[i] = fork();
        if (pids[i] == 0) step_often(path, STEPS, (uint64_t)i + 1);
    }
    for (int i = 0; i < 2; i++) {
        int status = 0;
        waitpid(pids[i], &status, 0);
        cr_assert_eq(status, 0, "a writer ended with %x", status);
    }
    expect_clean(path);
    struct store *store = opened(path, STORE_READ);
    expect_csv(store,
               "SELECT session_id, count(*) AS n, sum(outcome = 'ok') AS ok FROM evaluations "
               "GROUP BY session_id",
               "session_id,n,ok\n1,150,150\n2,150,150\n");
    expect_csv(store, "SELECT count(*) AS n FROM devices", "n\n1\n");
    store_close(store);
}

/* ---- a full disk, and a failing one ---- */

/* Until it fails: a long message each time. Returns the number of the last that was kept. */
static int64_t fill(const char *path, struct error *err) {
    struct store *store = opened(path, STORE_WRITE);
    const int64_t device = device_row(store, MODEL, VERSION), session = session_new(store, device);
    static char message[4000];
    memset(message, 'x', sizeof message - 1);
    struct evaluation done = {0};
    enum status st = OK;
    int64_t last = 0;
    for (int64_t i = 0; st == OK && i < 10000; i++) {
        struct evaluation next = evaluation_begun(session, device, i, key_usual);
        st = store_step(store, i ? &done : NULL, &next, err);
        if (st == OK) last = done.id;
        done = next;
        done.outcome = OUTCOME_WRONG;
        done.message = message;
    }
    store_close(store);
    cr_assert_eq(st, STATUS_DB, "the disk never was full");
    return last;
}

/* A file system of that size on a fresh folder, seen by this process alone; skips where that is not
 * allowed. */
static const char *small_disk(const char *size) {
    const char *folder = test_folder();
    char *options = text_format("size=%s", size);
    const bool is_mounted =
        (unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) &&
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("tmpfs", folder, "tmpfs", 0, options) == 0;
    free(options);
    if (!is_mounted) cr_skip_test("a small file system cannot be mounted here: %m");
    return folder;
}

Test(survival, a_full_disk_loses_nothing_that_was_kept) {
    const char *folder = small_disk("400k");
    char *path = text_format("%s/hone.db", folder), *other = text_format("%s/other.db", folder),
         *journal = text_format("%s-journal", other);
    struct error err = {OK, ""};
    const int64_t last = fill(path, &err);
    cr_assert(strstr(err.text, "disk is full") && strstr(err.text, path), "%s", err.text);
    cr_assert_gt(last, 5);
    expect_clean(path);
    struct store *store = opened(path, STORE_READ);
    char *sql = text_format("SELECT count(*) FROM evaluations WHERE outcome = 'wrong' AND "
                            "evaluation_id <= %lld",
                            (long long)last);
    cr_assert_eq(number_of(store, sql), last);
    free(sql);
    store_close(store);

    cr_assert_eq(store_open(other, STORE_WRITE, &store, &err), STATUS_DB);
    cr_assert(strstr(err.text, "disk is full"), "%s", err.text);
    struct stat info;
    cr_assert(stat(other, &info) != 0 || info.st_size == 0, "half a database was left");
    cr_assert_neq(access(journal, F_OK), 0, "a journal was left");
    umount2(folder, MNT_DETACH);
    free(path);
    free(other);
    free(journal);
}

/* SQLite's own file system, whose n-th write, sync or truncation fails. */
static struct {
    int left, code;
    bool for_ever;
    const sqlite3_io_methods *true_methods;
    sqlite3_io_methods methods[2]; /* of databases; of journals, which are not locked */
    sqlite3_vfs vfs, *true_vfs;
} fault;

static bool is_faulty(void) {
    if (fault.left == 0) return false;
    if (fault.left > 1) return fault.left--, false;
    if (!fault.for_ever) fault.left = 0;
    return true;
}
static int faulty_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at) {
    return is_faulty() ? fault.code : fault.true_methods->xWrite(file, bytes, n, at);
}
static int faulty_sync(sqlite3_file *file, int flags) {
    return is_faulty() ? SQLITE_IOERR_FSYNC : fault.true_methods->xSync(file, flags);
}
static int faulty_truncate(sqlite3_file *file, sqlite3_int64 size) {
    return is_faulty() ? SQLITE_IOERR_TRUNCATE : fault.true_methods->xTruncate(file, size);
}
static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                       int *out) {
    (void)vfs;
    const int code = fault.true_vfs->xOpen(fault.true_vfs, name, file, flags, out);
    if (code != SQLITE_OK || !file->pMethods) return code;
    sqlite3_io_methods *methods = &fault.methods[!(flags & SQLITE_OPEN_MAIN_DB)];
    fault.true_methods = file->pMethods; /* what is replaced is the same in both */
    *methods = *file->pMethods;
    methods->xWrite = faulty_write;
    methods->xSync = faulty_sync;
    methods->xTruncate = faulty_truncate;
    file->pMethods = methods;
    return code;
}

/* Open, a session, three steps; what fails first. */
static enum status small_story(const char *path, int64_t *kept, struct error *err) {
    struct store *store = NULL;
    struct session_row row;
    int64_t device = 0;
    *kept = 0;
    enum status st = store_open(path, STORE_WRITE, &store, err);
    if (st == OK) st = store_device(store, MODEL, VERSION, "d", "u", &device, err);
    row = session_usual(device);
    if (st == OK) st = store_session_begin(store, &row, err);
    struct evaluation done = {0};
    for (int i = 0; st == OK && i < 3; i++) {
        struct evaluation next = evaluation_begun(row.id, device, i, key_usual);
        st = store_step(store, i ? &done : NULL, &next, err);
        if (st != OK) break;
        *kept = next.id;
        done = next;
        evaluation_end(&done, OUTCOME_OK, 100);
    }
    store_close(store);
    return st;
}

static void fail_everywhere(int code, bool for_ever) {
    fault.true_vfs = sqlite3_vfs_find(NULL);
    fault.vfs = *fault.true_vfs;
    fault.vfs.zName = "faulty";
    fault.vfs.xOpen = faulty_open;
    sqlite3_vfs_register(&fault.vfs, 1);
    int failed = 0;
    for (int n = 1;; n++) {
        const char *path = n == 1 ? database_new() : NULL;
        static char same[1100];
        if (path) snprintf(same, sizeof same, "%s", path);
        unlink(same);
        struct error err = {OK, ""};
        int64_t kept = 0;
        fault.left = n;
        fault.code = code;
        fault.for_ever = for_ever;
        const enum status st = small_story(same, &kept, &err);
        const bool was_reached = fault.left == 0 || (for_ever && fault.left == 1);
        fault.left = 0;
        failed += st != OK;
        if (st != OK) {
            cr_assert_eq(st, STATUS_DB, "fault %d: %s: %s", n, status_name(st), err.text);
            cr_assert(strstr(err.text, same), "fault %d: %s", n, err.text);
        }
        /* Whatever failed: it opens, it is clean, and what was said to be kept is there. */
        store_close(opened(same, STORE_WRITE));
        expect_clean(same);
        struct store *store = opened(same, STORE_READ);
        cr_assert_geq(number_of(store, "SELECT count(*) FROM evaluations"), kept, "fault %d", n);
        store_close(store);
        if (!was_reached) break;
    }
    cr_assert_gt(failed, 20, "%d faults were seen", failed);
    cr_log_info("%d places failed", failed);
}

Test(survival, a_disk_that_is_full_at_any_write) {
    fail_everywhere(SQLITE_FULL, true);
}
Test(survival, a_disk_that_fails_at_any_write) {
    fail_everywhere(SQLITE_IOERR_WRITE, true);
}
Test(survival, a_disk_that_fails_once_at_any_write) {
    fail_everywhere(SQLITE_IOERR_WRITE, false);
}

/* ---- no memory ---- */

static sqlite3_mem_methods true_memory;
static int allocations_left = -1; /* −1: as many as it takes */

static void *scarce_malloc(int bytes) {
    if (allocations_left == 0) return NULL;
    if (allocations_left > 0) allocations_left--;
    return true_memory.xMalloc(bytes);
}
static void *scarce_realloc(void *old, int bytes) {
    if (allocations_left == 0) return NULL;
    if (allocations_left > 0) allocations_left--;
    return true_memory.xRealloc(old, bytes);
}

Test(survival, no_memory_is_said_and_harmless) {
    cr_assert_eq(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &true_memory), SQLITE_OK);
    sqlite3_mem_methods scarce = true_memory;
    scarce.xMalloc = scarce_malloc;
    scarce.xRealloc = scarce_realloc;
    cr_assert_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &scarce), SQLITE_OK);
    cr_assert_eq(sqlite3_initialize(), SQLITE_OK);
    const char *path = database_new();
    int failed = 0;
    enum status st = STATUS_NOMEM;
    /* Every one at first, then in wider and wider steps: there are thousands. */
    for (int n = 0; st != OK; n += n < 100 ? 1 : n / 50) {
        struct error err = {OK, ""};
        int64_t kept;
        allocations_left = n;
        st = small_story(path, &kept, &err);
        allocations_left = -1;
        if (st == OK) break;
        failed++;
        cr_assert(st == STATUS_NOMEM || st == STATUS_DB, "%d: %s: %s", n, status_name(st),
                  err.text);
        cr_assert_gt(strlen(err.text), 0);
    }
    cr_assert_gt(failed, 100);
    expect_clean(path);
}
