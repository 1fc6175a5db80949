/* test_kills.c: a session is killed and the same command goes on: the database is clean, one evaluation at most is
 * lost, and the session ends as one that nobody disturbed: the same evaluations in the same order, the same winner.
 * A recorded space is the device (tuner/target.h), so that the same configuration always has the same time.
 *
 * Whole programs are killed at random moments (kill -9 of the process group), each with a seed of its own:
 * HONE_KILLS=200 kills that many, HONE_KILLS_SPACE=FILE on that recording (a path from the root). A session of few
 * evaluations is killed before each call by which it writes. */
#include "base/clock.h"
#include "base/log.h"
#include "results/store.h"
#include "tests/cli/answers.h"
#include "tests/results/direct.h"
#include "tests/tuner/made_recording.h"
#include "tuner/session.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { KILLS_USUAL = 8, EVALUATIONS = 60 };
static const char evaluations_text[] = "60";

static char *hone; /* hone, by its whole path */

/* Whoever is killed leaves its pages to the kernel: no disk is needed. */
static void set_up(void) {
    const char *named = getenv("HONE_PROGRAM");
    hone = realpath(named && *named ? named : "build/hone", NULL);
    cr_assert_not_null(hone, "set HONE_PROGRAM to the program");
    setenv("HONE_PROGRAM", hone, 1);
    test_in_memory();
    setenv("XDG_CACHE_HOME", test_folder(), 1); /* its locks are nobody else's */
}
static void tear_down(void) {
    free(hone);
}
TestSuite(kills, .init = set_up, .fini = tear_down);

/* ---- a session as a process group ---- */

/* One session: its seed, and the folder with its database. */
struct shot {
    const char *recording;
    char seed[24], mark[64]; /* mark: in the environment of all its processes */
    char folder[1024], database[1100];
};

static struct shot shot_of(const char *recording, int seed, const char *folder, const char *name) {
    struct shot s = {.recording = recording};
    snprintf(s.seed, sizeof s.seed, "%d", seed);
    snprintf(s.folder, sizeof s.folder, "%s/%s-%d", folder, name, seed);
    snprintf(s.database, sizeof s.database, "%s/hone.db", s.folder);
    snprintf(s.mark, sizeof s.mark, "HONE_TEST_SHOT=%d-%s-%d", (int)getpid(), name, seed);
    struct error err = {0};
    cr_assert_eq(path_make_folder(s.folder, &err), OK, "%s", err.text);
    program_write(s.folder, "in", "");
    return s;
}

static pid_t shot_start(const struct shot *s) {
    char *device = text_format("replay:%s", s->recording);
    const char *const argv[] = {"hone",   "tune",  "--device",  device,
                                "--seed", s->seed, "--evals",   evaluations_text,
                                "--json", "--db",  s->database, NULL};
    const pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        putenv((char *)(uintptr_t)s->mark);
        program_become(hone, s->folder, (char *const *)(uintptr_t)argv);
    }
    setpgid(pid, pid);
    free(device);
    return pid;
}

/* Does a file of /proc/PID hold these bytes? */
static bool holds(const char *pid, const char *name, const char *bytes, size_t n) {
    char *path = text_format("/proc/%s/%s", pid, name), all[65536];
    FILE *file = fopen(path, "re");
    const size_t n_all = file ? fread(all, 1, sizeof all, file) : 0;
    if (file) fclose(file);
    free(path);
    return memmem(all, n_all, bytes, n) != NULL;
}

/* How many processes carry its mark; zombies have no environment and are their parent's. *worker: one that is a
 * child of the program (0: there is none). */
static int count_processes(const struct shot *s, pid_t *worker) {
    static const char child[] = "@child";
    DIR *folder = opendir("/proc");
    int n = 0;
    *worker = 0;
    for (const struct dirent *entry; (entry = readdir(folder));) {
        const char *pid = entry->d_name;
        if (!strspn(pid, "0123456789") || !holds(pid, "environ", s->mark, strlen(s->mark) + 1))
            continue;
        n++;
        if (holds(pid, "cmdline", child, sizeof child)) *worker = (pid_t)strtol(pid, NULL, 10);
    }
    closedir(folder);
    return n;
}

/* To its end; what it prints. */
static json_t *shot_wait(const struct shot *s, pid_t pid) {
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    struct program_run run = {WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                              program_text(s->folder, "out"), program_text(s->folder, "err")};
    cr_assert_eq(run.code, 0, "seed %s: code %d: %s", s->seed, run.code, run.err);
    return program_json(run);
}

static json_t *shot_finish(const struct shot *s) {
    return shot_wait(s, shot_start(s));
}

/* Kill its whole group after that long; false: it had ended before. *n_processes: that it had then. */
static bool shot_kill(const struct shot *s, int64_t after_ns, int *n_processes) {
    const pid_t pid = shot_start(s);
    int status;
    clock_sleep_ns(after_ns);
    pid_t worker;
    *n_processes = count_processes(s, &worker);
    kill(-pid, SIGKILL);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status);
}

/* ---- what is left of it ---- */

/* Its worker ends with it, though it is no member of the group. */
static void expect_no_process(const struct shot *s) {
    pid_t worker;
    for (int i = 0; i < 500 && count_processes(s, &worker) > 0; i++) clock_sleep_ns(2000000);
    cr_assert_eq(count_processes(s, &worker), 0, "seed %s: processes live on", s->seed);
}

/* A copy as the kill left it, with its journal: looking would undo what resuming must undo. */
static void copy_file(const char *from, const char *to) {
    char *bytes = NULL;
    size_t size = 0;
    struct error err = {0};
    if (path_read(from, 1 << 28, &bytes, &size, &err) != OK) return;
    cr_assert_eq(path_write(to, bytes, size, &err), OK, "%s", err.text);
    free(bytes);
}

static const char *copy_database(const struct shot *s) {
    static char copy[1200];
    snprintf(copy, sizeof copy, "%s/copy.db", s->folder);
    for (int j = 0; j < 2; j++) {
        char *from = text_format("%s%s", s->database, j ? "-journal" : "");
        char *to = text_format("%s%s", copy, j ? "-journal" : "");
        unlink(to);
        copy_file(from, to);
        free(from);
        free(to);
    }
    return copy;
}

/* All rows of a query, "a|b\n"; "" also where the tables are not there yet. */
static char *sql_rows(const char *path, const char *sql) {
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    struct str text = {0};
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK, "%s", path);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK)
        while (sqlite3_step(statement) == SQLITE_ROW)
            for (int c = 0, n = sqlite3_column_count(statement); c < n; c++)
                str_addf(&text, "%s%s", (const char *)sqlite3_column_text(statement, c),
                         c + 1 < n ? "|" : "\n");
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return text.text ? text.text : text_copy("");
}

static int sql_number(const char *path, const char *sql) {
    char *text = sql_rows(path, sql);
    const int n = (int)strtol(text, NULL, 10);
    free(text);
    return n;
}

static void expect_clean(const char *path) {
    struct store *store = NULL;
    struct error err = {0};
    char *report = NULL;
    if (access(path, F_OK) != 0) return; /* killed before it was made */
    cr_assert_eq(store_open(path, STORE_WRITE, &store, &err), OK, "%s", err.text);
    cr_assert_eq(store_check(store, &report, &err), OK, "%s: %s", path, report ? report : err.text);
    free(report);
    store_close(store);
}

/* ---- two sessions that must be the same ---- */

static const char all_rows[] =
    "SELECT sequence, config, outcome, time_ns, is_final FROM evaluations "
    "ORDER BY sequence";
static const char is_finished[] = "SELECT state = 'finished' FROM sessions";
static const char settled_rows[] = "SELECT count(*) FROM evaluations WHERE outcome <> 'running'";
static const char running_rows[] = "SELECT count(*) FROM evaluations WHERE outcome = 'running'";

static void expect_same(const struct shot *killed, const struct shot *whole) {
    char *a = sql_rows(killed->database, all_rows), *b = sql_rows(whole->database, all_rows);
    size_t i = 0;
    while (a[i] && a[i] == b[i]) i++;
    while (i > 0 && b[i - 1] != '\n') i--;
    cr_assert(!a[i] && !b[i], "seed %s: killed and resumed\n%.200s\nundisturbed\n%.200s",
              killed->seed, a + i, b + i);
    free(a);
    free(b);
}

static json_t *best_of(json_t *result) {
    json_t *problem = json_array_get(json_object_get(result, "problems"), 0);
    return json_object_get(problem, "best");
}

/* What many kills came to. */
struct tally {
    int n, early, in_finals; /* before anything was settled; after the search */
    int lost, settled;       /* evaluations */
    int with_worker;         /* kills of more than one process */
};

static void resume(const struct shot *killed, const struct shot *whole, json_t *expected,
                   struct tally *tally) {
    const char *copy = copy_database(killed);
    const int running = sql_number(copy, running_rows), settled = sql_number(copy, settled_rows);
    expect_clean(copy);
    json_t *result = shot_finish(killed);
    const int here = (int)json_integer_value(json_object_get(result, "evaluations"));
    cr_assert_leq(running, 1, "seed %s: %d evaluations under way", killed->seed, running);
    cr_assert_eq(settled + here, EVALUATIONS, "seed %s: %d were settled, then came %d",
                 killed->seed, settled, here);
    cr_assert(json_equal(best_of(result), best_of(expected)), "seed %s: another winner: %s",
              killed->seed, json_dumps(best_of(result), 0));
    expect_clean(killed->database);
    expect_same(killed, whole);
    tally->n++;
    tally->early += settled == 0;
    tally->in_finals += settled == EVALUATIONS;
    tally->lost += running;
    tally->settled += settled;
    json_decref(result);
}

/* A session that has told all before it was killed was not killed. */
static bool is_over(const struct shot *s) {
    return sql_number(copy_database(s), is_finished) == 1;
}

/* One undisturbed session, one that is killed at a random moment of the same time. */
static void kill_one(const char *folder, const char *recording, int seed, struct rng *rng,
                     struct tally *tally) {
    const struct shot whole = shot_of(recording, seed, folder, "whole");
    const int64_t began_ns = clock_now_ns();
    json_t *expected = shot_finish(&whole);
    const double took_ns = (double)(clock_now_ns() - began_ns);
    bool was_killed = false;
    for (int i = 0; !was_killed && i < 20; i++) {
        const struct shot killed = shot_of(recording, seed, folder, "killed");
        unlink(killed.database);
        int n_processes;
        was_killed = shot_kill(&killed, (int64_t)(rng_uniform(rng) * took_ns), &n_processes);
        expect_no_process(&killed);
        was_killed &= !is_over(&killed);
        if (!was_killed) continue;
        tally->with_worker += n_processes > 1;
        resume(&killed, &whole, expected, tally);
    }
    cr_assert(was_killed, "seed %d: it ended before every kill", seed);
    json_decref(expected);
}

static void write_recording(const char *folder, struct made_space made, char path[1100]) {
    char *text = made_recording(&made);
    struct error err = {0};
    snprintf(path, 1100, "%s/made.json", folder);
    cr_assert_eq(path_write(path, text, strlen(text), &err), OK, "%s", err.text);
    free(text);
}

Test(kills, sessions_go_on_as_if_nothing_had_been) {
    const char *asked = getenv("HONE_KILLS"), *space = getenv("HONE_KILLS_SPACE");
    const int n = asked ? (int)strtol(asked, NULL, 10) : KILLS_USUAL;
    const char *folder = test_folder();
    char recording[1100];
    struct tally tally = {0};
    struct rng rng = rng_seed((uint64_t)clock_now_ns());
    if (space) snprintf(recording, sizeof recording, "%s", space);
    else write_recording(folder, (struct made_space){1, 0.03, 0, 7}, recording);
    for (int i = 0; i < n; i++) kill_one(folder, recording, i + 1, &rng, &tally);
    fprintf(stderr,
            "checked %d kills: %d with a worker under way, %d before the first evaluation was "
            "settled, %d in the finals; %d of %d evaluations lost\n",
            tally.n, tally.with_worker, tally.early, tally.in_finals, tally.lost,
            tally.settled + tally.lost);
    cr_assert(n < KILLS_USUAL || tally.with_worker > 0, "no kill met a worker");
}

/* ---- the worker alone ---- */

/* Nobody is to blame: another one answers, and nothing is seen of it. */
Test(kills, a_worker_is_replaced) {
    const char *folder = test_folder();
    char recording[1100];
    int n_killed = 0;
    write_recording(folder, (struct made_space){1, 0.03, 0, 7}, recording);
    for (int seed = 1; seed <= 4; seed++) {
        const struct shot whole = shot_of(recording, seed, folder, "whole");
        const struct shot orphaned = shot_of(recording, seed, folder, "orphaned");
        json_t *expected = shot_finish(&whole);
        const pid_t pid = shot_start(&orphaned);
        pid_t worker = 0;
        for (int i = 0; i < 500 && !worker; i++) {
            count_processes(&orphaned, &worker);
            clock_sleep_ns(1000000);
        }
        clock_sleep_ns(seed * 5000000);
        n_killed += worker && kill(worker, SIGKILL) == 0;
        json_t *result = shot_wait(&orphaned, pid);
        cr_assert(json_equal(best_of(result), best_of(expected)), "seed %d", seed);
        expect_same(&orphaned, &whole);
        expect_clean(orphaned.database);
        json_decref(result);
        json_decref(expected);
    }
    cr_assert_gt(n_killed, 0);
}

/* ---- before every write ---- */

/* SQLite's own calls: what was written counts once it was synced, a transaction once its journal is gone. They
 * stand in place of libc's. */
static int *calls, deadly_call; /* calls: shared with the process that makes them */

static void count_call(void) {
    if (calls && ++*calls == deadly_call) raise(SIGKILL);
}
int fsync(int fd) {
    (void)fd;
    count_call();
    return 0;
}
int fdatasync(int fd) {
    (void)fd;
    count_call();
    return 0;
}
int unlink(const char *path) {
    count_call();
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

static int run_session(const char *recording, const char *database, int evaluations) {
    char *device = text_format("replay:%s", recording);
    const struct session_options options = {.device = device,
                                            .database = database,
                                            .strategy = "random",
                                            .seed = 3,
                                            .evaluations = evaluations,
                                            .lock_text = "test_kills"};
    json_t *result = NULL;
    struct error err = {0};
    log_quiet = true;
    const enum status st = session_run(&options, &result, &err);
    json_decref(result);
    free(device);
    return (int)st;
}

/* In a process of its own, which is killed before that call (0: never); true: it came to its end. */
static bool run_until(const char *recording, const char *database, int evaluations, int call) {
    int status;
    *calls = 0;
    const pid_t pid = fork();
    if (pid == 0) {
        deadly_call = call;
        _exit(run_session(recording, database, evaluations));
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status)) cr_assert_eq(WEXITSTATUS(status), OK, "call %d", call);
    return WIFEXITED(status);
}

/* Before the last `most` calls, one after the other. */
static void kill_before_each(struct made_space made, int evaluations, int most) {
    const char *folder = test_folder();
    char recording[1100], whole[1100];
    write_recording(folder, made, recording);
    snprintf(whole, sizeof whole, "%s/whole.db", folder);
    calls = mmap(NULL, sizeof *calls, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(calls, MAP_FAILED);
    cr_assert(run_until(recording, whole, evaluations, 0));
    const int n = *calls, first = n > most ? n - most + 1 : 1;
    char *expected = sql_rows(whole, all_rows);
    cr_assert_gt(n, 4 * evaluations, "SQLite's calls were not seen");
    for (int call = first; call <= n; call++) {
        char *database = text_format("%s/killed-%d.db", folder, call);
        cr_assert(!run_until(recording, database, evaluations, call), "call %d of %d", call, n);
        if (sql_number(database, is_finished) == 0)
            cr_assert(run_until(recording, database, evaluations, 0));
        char *rows = sql_rows(database, all_rows);
        expect_clean(database);
        cr_assert_str_eq(rows, expected, "killed before call %d of %d", call, n);
        free(rows);
        free(database);
    }
    fprintf(stderr, "checked a kill before each of %d writes\n", n - first + 1);
    free(expected);
}

/* All are near each other, so that there are finals. */
Test(kills, before_every_write) {
    kill_before_each((struct made_space){0.01, 0.03, 0, 7}, 8, INT_MAX);
}

/* All are alike, and a third of them look faster than any final, in which the fast runs are not the majority. The
 * rounds come to their limit, and are counted over the kill. */
Test(kills, before_every_write_of_many_finals) {
    kill_before_each((struct made_space){0, 0.0001, 0.008, 20}, 70, 40);
}
