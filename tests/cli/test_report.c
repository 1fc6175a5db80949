/* test_report.c: hone report: from a database to files. The program itself is run, on databases that are made
 * here. */
#include "tests/results/records.h"
#include "base/clock.h"
#include "base/path.h"
#include "kernels/kernel.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOSTILE "<script>alert(1)</script>\"'`touch pwned`\\ {{winners}} &\x07\xff"

/* ---- the program ---- */

struct run {
    int code; /* −1: killed */
    char *out, *err;
};

static char *read_text(const char *path) {
    char *bytes = NULL;
    size_t size;
    struct error err = {OK, ""};
    WELL(path_read(path, 1 << 28, &bytes, &size, &err));
    return bytes;
}

/* Start `hone report` with these options (NULL-terminated) in a folder; path: of programs, NULL: ours. */
static pid_t start(const char *folder, const char *path, const char *const *options) {
    const char *program = getenv("HONE_PROGRAM");
    const char *argv[12] = {"hone", "report"};
    char *absolute = realpath(program && *program ? program : "build/hone", NULL);
    cr_assert_not_null(absolute, "set HONE_PROGRAM to the program");
    for (size_t i = 0; i < 9 && options[i]; i++) argv[i + 2] = options[i];
    const pid_t pid = fork();
    if (pid == 0) {
        if (chdir(folder) != 0 || !freopen("out", "w", stdout) || !freopen("err", "w", stderr))
            _exit(99);
        unsetenv("HONE_DB");
        if (path) setenv("PATH", path, 1);
        execv(absolute, (char *const *)(uintptr_t)argv);
        _exit(99);
    }
    free(absolute);
    return pid;
}

static struct run finish(pid_t pid, const char *folder) {
    char path[1200];
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    struct run run = {.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1};
    snprintf(path, sizeof path, "%s/out", folder);
    run.out = read_text(path);
    snprintf(path, sizeof path, "%s/err", folder);
    run.err = read_text(path);
    return run;
}

static void run_free(struct run *run) {
    free(run->out);
    free(run->err);
}

#define REPORT(folder, path, ...)                                                                  \
    finish(start(folder, path, (const char *const[]){__VA_ARGS__, NULL}), folder)

static char *in_folder(const char *folder, const char *name) {
    return text_format("%s/%s", folder, name);
}

static bool is_there(const char *folder, const char *name) {
    char *path = in_folder(folder, name);
    const bool found = access(path, F_OK) == 0;
    free(path);
    return found;
}

static char *read_in(const char *folder, const char *name) {
    char *path = in_folder(folder, name), *text = read_text(path);
    free(path);
    return text;
}

/* ---- databases ---- */

/* n is 8 for the problem "m=512,k=256,n=8,w=f32". */
static struct record_key key_of(const char *problem) {
    struct record_key key = key_usual;
    key.problem = problem;
    key.layout = "rows";
    return key;
}

/* An evaluation that took a second of the session. */
static void add_evaluation(struct store *store, int64_t session, int64_t device, int64_t sequence,
                           struct record_key key, enum outcome outcome, double time_ns) {
    struct error err = {OK, ""};
    struct evaluation e = evaluation_begun(session, device, sequence, key);
    e.is_default = sequence == 0;
    WELL(store_step(store, NULL, &e, &err));
    evaluation_end(&e, outcome, time_ns);
    if (outcome == OUTCOME_OK) {
        e.ceiling_gbps = 50;
        e.ceiling_gflops = 200;
        e.share = 0.5;
    }
    e.wall_ns = 1000000000;
    e.elapsed_ns = (sequence + 1) * e.wall_ns;
    WELL(store_step(store, &e, NULL, &err));
}

/* The default, a failure, something faster: for each n. */
static void add_session(struct store *store, int64_t device, const char *name, const int *n,
                        size_t n_problems) {
    struct error err = {OK, ""};
    struct session_row row = session_usual(device);
    char problem[80], strategy[160];
    snprintf(strategy, sizeof strategy, "%s", name);
    row.strategy = strategy;
    WELL(store_session_begin(store, &row, &err));
    for (size_t i = 0; i < n_problems; i++) {
        snprintf(problem, sizeof problem, "m=512,k=256,n=%d,w=f32", n[i]);
        struct record_key key = key_of(problem);
        key.config = name;
        add_evaluation(store, row.id, device, 0, key, OUTCOME_OK, 8e6 * n[i]);
        add_evaluation(store, row.id, device, 1, key, OUTCOME_WRONG, 0);
        add_evaluation(store, row.id, device, 2, key, OUTCOME_OK, 4e6);
        add_evaluation(store, row.id, device, 3, key, OUTCOME_OK, 5e6);
    }
}

static void add_bench(struct store *store, int64_t device, int n, const char *profile,
                      double time_ns, const char *rival) {
    struct error err = {OK, ""};
    char problem[80];
    snprintf(problem, sizeof problem, "m=512,k=256,n=%d,w=f32", n);
    json_t *row =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:{s:{s:f}, s:{s:f}, s:{s:n}}}",
                  "family", "gemm", "class", "f32", "layout", "rows", "profile", profile, "outcome",
                  "ok", "time_ns", time_ns, "ceiling_gbps", 40.0, "ceiling_gflops", 100.0, "rivals",
                  rival, "time_ns", 3e6, "clblast_tuned", "time_ns", 2.5e6, "openblas", "time_ns");
    char *text = json_dumps(row, JSON_COMPACT);
    WELL(store_bench_add(store, device, "matmul", problem, text, &err));
    free(text);
    json_decref(row);
}

/* A device of that name with a session over n = 2, 8, 32, of which 8 was benched too. */
static const char *make_database(const char *folder, const char *name) {
    static char path[1200];
    struct error err = {OK, ""};
    int64_t device = 0;
    snprintf(path, sizeof path, "%s/results.db", folder);
    struct store *store = opened(path, STORE_WRITE);
    WELL(store_device(store, MODEL, VERSION, name, "uuid", &device, &err));
    add_session(store, device, name, (const int[]){2, 8, 32}, 3);
    add_bench(store, device, 8, "default", 9e6, "clblast");
    add_bench(store, device, 8, "default", 6e6, "clblast");
    add_bench(store, device, 8, "tuned", 2e6, "clblast");
    store_close(store);
    return path;
}

/* ---- what is written ---- */

/* Every tag of an XML text is closed in its turn. */
static void expect_nested(const char *text, const char *path) {
    struct {
        const char *name;
        size_t length;
    } open[64];
    size_t depth = 0;
    for (const char *p = text; (p = strchr(p, '<')); p++) {
        if (p[1] == '?' || p[1] == '!') continue;
        const bool closes = p[1] == '/';
        const char *name = p + 1 + closes, *end = strchr(p, '>');
        cr_assert_not_null(end, "%s: a tag does not end", path);
        size_t length = 0;
        while (isalnum((unsigned char)name[length])) length++;
        cr_assert_gt(length, 0, "%s: a tag without a name: %.40s", path, p);
        if (closes) {
            cr_assert(depth && open[depth - 1].length == length &&
                          !memcmp(open[depth - 1].name, name, length),
                      "%s: %.20s closes nothing", path, p);
            depth--;
        } else if (end[-1] != '/') {
            cr_assert_lt(depth, 64);
            open[depth].name = name;
            open[depth++].length = length;
        }
    }
    cr_assert_eq(depth, 0, "%s: %zu tags are left open", path, depth);
}

/* No number that is none, in a text without the word. */
static void expect_numbers(const char *text, const char *path) {
    static const char *const none[] = {"NaN",  "nan,", "-nan", ",nan",
                                       "inf,", ",inf", ">nan", ">inf"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        cr_assert_null(strstr(text, none[i]), "%s holds %s", path, none[i]);
}

static const char *path_at(const json_t *figure, const char *key) {
    return json_string_value(json_object_get(figure, key));
}

static void expect_figure(const json_t *figure) {
    char *svg = read_text(path_at(figure, "svg")), *png = read_text(path_at(figure, "png"));
    char *data = read_text(path_at(figure, "data"));
    cr_assert_eq(strncmp(svg, "<?xml", 5), 0);
    expect_nested(svg, path_at(figure, "svg"));
    expect_numbers(svg, path_at(figure, "svg"));
    expect_numbers(data, path_at(figure, "data"));
    cr_assert(!memcmp(png, "\x89PNG", 4));
    cr_assert_eq(access(path_at(figure, "script"), R_OK), 0);
    free(svg);
    free(png);
    free(data);
}

/* Every id is there once. */
static void expect_unique_ids(const char *html) {
    static const char *const marks[] = {" id=\"", " id='"};
    char *seen[2000];
    size_t n = 0;
    for (size_t m = 0; m < 2; m++)
        for (const char *p = html; (p = strstr(p, marks[m]));) {
            p += 5;
            char *id = text_format("%.*s", (int)strcspn(p, "\"'"), p);
            for (size_t i = 0; i < n; i++)
                cr_assert_str_neq(seen[i], id, "the id %s is there twice", id);
            cr_assert_lt(n, 2000);
            seen[n++] = id;
        }
    cr_assert_gt(n, 20);
    for (size_t i = 0; i < n; i++) free(seen[i]);
}

static size_t occurrences(const char *text, const char *what) {
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what)) n++;
    return n;
}

/* ---- the tests ---- */

Test(report, page_and_figures_of_a_hostile_database) {
    const char *folder = test_folder(), *database = make_database(folder, HOSTILE);
    struct run run = REPORT(folder, NULL, "--db", database, "--out", "some/where", "--json", "-q");
    cr_assert_eq(run.code, 0, "%s", run.err);
    cr_assert_eq(chdir(folder), 0);
    json_t *document = json_loads(run.out, 0, NULL);
    cr_assert_not_null(document, "%s", run.out);
    const json_t *list = json_object_get(document, "figures");
    cr_assert_eq(json_array_size(list), 5, "two of a shape, two of a session, a roofline");
    for (size_t i = 0; i < json_array_size(list); i++) expect_figure(json_array_get(list, i));
    cr_assert_str_eq(path_at(document, "page"), "some/where/index.html");
    char *html = read_text("some/where/index.html");
    cr_assert_not_null(strstr(html,
                              "hone on &lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;`touch "
                              "pwned`\\ {{winners}} &amp;?\?</h1>"));
    cr_assert_null(strstr(html, "<script"));
    cr_assert_eq(occurrences(html, "<svg"), 5);
    cr_assert_eq(occurrences(html, "<title>"), 1, "titles of pictures are left out");
    cr_assert_not_null(strstr(html, "<b>gemm</b>"), "families have the names that people use");
    cr_assert_not_null(strstr(html, "×4.00"), "the gain over the default");
    for (const char *p = html; (p = strstr(p, "http")); p++)
        cr_assert_eq(strncmp(p, "http://www.w3.org/", 18), 0, "the page asks for %.40s", p);
    expect_numbers(html, "the page");
    expect_unique_ids(html);
    cr_assert_not(is_there(folder, "pwned") || is_there(folder, "some/where/pwned"));
    free(html);
    json_decref(document);
    run_free(&run);
}

/* Bench rows where there are any, the newest; else the winners. The bounds are those of the family's cost. */
Test(report, data_of_a_shape) {
    const char *folder = test_folder(), *database = make_database(folder, "Device");
    struct run run = REPORT(folder, NULL, "--db", database, "--out", "r");
    cr_assert_eq(run.code, 0, "%s", run.err);
    char *csv = read_in(folder, "r/scaling-m-512-k-256-w-f32-f32.csv");
    struct str expected = {0};
    static const struct {
        int n;
        double tuned, fallback, gbps, gflops;
    } rows[] = {{2, 4e6, 16e6, 50, 200}, {8, 2e6, 6e6, 40, 100}, {32, 4e6, 256e6, 50, 200}};
    str_add(&expected, "series,n,time_s\n");
    for (int i = 0; i < 3; i++)
        str_addf(&expected, "tuned,%d,%g\n", rows[i].n, rows[i].tuned / 1e9);
    str_add(&expected, "\n");
    for (int i = 0; i < 3; i++)
        str_addf(&expected, "default,%d,%g\n", rows[i].n, rows[i].fallback / 1e9);
    str_add(&expected, "\nCLBlast,8,0.003\n\nCLBlast tuned,8,0.0025\n");
    for (int bound = 0; bound < 2; bound++) {
        str_add(&expected, "\n");
        for (int i = 0; i < 3; i++) {
            struct problem problem;
            struct cost cost;
            struct error err;
            char text[80];
            snprintf(text, sizeof text, "m=512,k=256,n=%d,w=f32", rows[i].n);
            WELL(problem_parse(slice_find("matmul"), text, &problem, &err));
            problem.family->cost(&problem, &cost);
            str_addf(&expected, "%s bound,%d,%g\n", bound ? "compute" : "bandwidth", rows[i].n,
                     (bound ? cost.operations / rows[i].gflops : cost.bytes / rows[i].gbps) / 1e9);
        }
    }
    struct str found = {0}; /* the first three columns, numbers as %g */
    for (char *rest = csv, *line; (line = strsep(&rest, "\n")) && (rest || *line);) {
        const char *series = strsep(&line, ","), *n = strsep(&line, ","),
                   *time = strsep(&line, ",");
        if (time && isdigit((unsigned char)*time))
            str_addf(&found, "%s,%s,%g\n", series, n, strtod(time, NULL));
        else str_addf(&found, time ? "%s,%s,%s\n" : "\n", series, n, time);
    }
    cr_assert_str_eq(found.text, expected.text, "%s\nnot\n%s", found.text, expected.text);
    str_free(&found);
    str_free(&expected);
    free(csv);
    run_free(&run);
}

/* The best changes at the first and the third evaluation; the fourth is the last. */
Test(report, data_of_a_session) {
    const char *folder = test_folder(), *database = make_database(folder, "Device");
    struct run run = REPORT(folder, NULL, "--db", database, "--out", "r");
    char *csv = read_in(folder, "r/progress-session1.csv");
    static const char first[] = "series,line,evaluations,seconds,best_s,percent\n"
                                "matmul f32 f32,\"m=512,k=256,n=2,w=f32 f32\",1,1.0,0.016,25.0\n"
                                "matmul f32 f32,\"m=512,k=256,n=2,w=f32 f32\",3,3.0,0.004,100.0\n"
                                "matmul f32 f32,\"m=512,k=256,n=2,w=f32 f32\",4,4.0,0.004,100.0\n"
                                "\n"
                                "matmul f32 f32,\"m=512,k=256,n=8,w=f32 f32\",1,1.0,0.064,6.25\n";
    cr_assert_eq(strncmp(csv, first, strlen(first)), 0, "%s", csv);
    free(csv);
    run_free(&run);
}

Test(report, the_same_database_gives_the_same_bytes) {
    const char *folder = test_folder(), *database = make_database(folder, "Device");
    struct run run[2] = {REPORT(folder, NULL, "--db", database, "--out", "a"),
                         REPORT(folder, NULL, "--db", database, "--out", "b")};
    char *a = in_folder(folder, "a");
    DIR *list = opendir(a);
    size_t n = 0;
    for (const struct dirent *entry; (entry = readdir(list));) {
        if (entry->d_name[0] == '.') continue;
        char *first = in_folder(a, entry->d_name),
             *other = text_format("%s/b/%s", folder, entry->d_name);
        char *bytes[2];
        size_t size[2];
        struct error err;
        WELL(path_read(first, 1 << 28, &bytes[0], &size[0], &err));
        WELL(path_read(other, 1 << 28, &bytes[1], &size[1], &err));
        cr_assert(size[0] == size[1] && !memcmp(bytes[0], bytes[1], size[0]), "%s differs",
                  entry->d_name);
        free(bytes[0]);
        free(bytes[1]);
        free(first);
        free(other);
        n++;
    }
    cr_assert_eq(n, 1 + 3 + 5 * 3, "%zu files", n);
    closedir(list);
    free(a);
    run_free(&run[0]);
    run_free(&run[1]);
}

Test(report, a_reader_can_draw_a_figure_again) {
    const char *folder = test_folder(), *database = make_database(folder, HOSTILE);
    struct run run = REPORT(folder, NULL, "--db", database, "--out", "r");
    cr_assert_eq(run.code, 0, "%s", run.err);
    char *before = read_in(folder, "r/seconds-session1.svg");
    cr_assert_eq(chdir(folder) || chdir("r") || unlink("seconds-session1.svg"), 0);
    cr_assert_eq(system("gnuplot seconds-session1.gp"), 0);
    char *after = read_text("seconds-session1.svg");
    cr_assert_str_eq(before, after);
    free(before);
    free(after);
    run_free(&run);
}

/* One N is no line: the page says which command makes more. */
Test(report, a_figure_without_data_is_left_out) {
    const char *folder = test_folder();
    char *path = in_folder(folder, "one.db");
    struct store *store = opened(path, STORE_WRITE);
    add_session(store, device_row(store, MODEL, VERSION), "local", (const int[]){1}, 1);
    store_close(store);
    struct run run = REPORT(folder, NULL, "--db", path, "--out", "r", "--json", "-q");
    cr_assert_eq(run.code, 0, "%s", run.err);
    char *html = read_in(folder, "r/index.html");
    cr_assert_eq(occurrences(html, "<svg"), 3, "the session's and the roofline");
    cr_assert_not_null(strstr(html, "There is no figure here yet."));
    cr_assert_not_null(strstr(html, "<code>hone bench --family"));
    cr_assert_null(strstr(run.out, "scaling-"));
    free(html);
    free(path);
    run_free(&run);
}

/* ---- no gnuplot, a bad one, a slow one ---- */

static char *fake_gnuplot(const char *folder, const char *script) {
    char *bin = in_folder(folder, "bin"), *path = in_folder(bin, "gnuplot");
    struct error err;
    WELL(path_make_folder(bin, &err));
    WELL(path_write(path, script, strlen(script), &err));
    cr_assert_eq(chmod(path, 0700), 0);
    free(path);
    return bin;
}

static void expect_page_without_figures(const char *folder, const char *says) {
    char *html = read_in(folder, "r/index.html");
    cr_assert_eq(occurrences(html, "<svg"), 0);
    cr_assert_not_null(strstr(html, says));
    cr_assert(is_there(folder, "r/progress-session1.csv"));
    cr_assert(is_there(folder, "r/seconds-session1.gp"));
    cr_assert_not(is_there(folder, "r/seconds-session1.svg"));
    cr_assert_not(is_there(folder, "r/seconds-session1.png"));
    free(html);
}

Test(report, without_gnuplot_there_are_page_data_and_scripts) {
    const char *folder = test_folder(), *database = make_database(folder, "Device");
    struct run run = REPORT(folder, "/nowhere", "--db", database, "--out", "r", "--json");
    cr_assert_eq(run.code, 1);
    cr_assert_not_null(strstr(run.err, "gnuplot-nox"), "%s", run.err);
    cr_assert_not_null(strstr(run.out, "\"svg\": null"));
    expect_page_without_figures(folder, "gnuplot-nox");
    run_free(&run);
}

Test(report, a_gnuplot_that_fails_or_leaves_half_a_picture) {
    const char *folder = test_folder(), *database = make_database(folder, "Device");
    char *bin = fake_gnuplot(folder, "#!/bin/sh\necho 'no <terminal> here' >&2\nexit 1\n");
    struct run run = REPORT(folder, bin, "--db", database, "--out", "r");
    cr_assert_eq(run.code, 1);
    cr_assert_not_null(strstr(run.err, "gnuplot failed: no <terminal> here"), "%s", run.err);
    expect_page_without_figures(folder, "no &lt;terminal&gt; here");
    run_free(&run);
    free(bin);
    bin = fake_gnuplot(folder, "#!/bin/sh\necho '<?xml <svg' > ${2%gp}svg\n");
    run = REPORT(folder, bin, "--db", database, "--out", "r");
    cr_assert_eq(run.code, 1);
    cr_assert_not_null(strstr(run.err, "half a picture"), "%s", run.err);
    expect_page_without_figures(folder, "half a picture");
    run_free(&run);
    free(bin);
}

Test(report, an_interrupt_ends_gnuplot_too) {
    const char *folder = test_folder(), *database = make_database(folder, "Device");
    char *bin = fake_gnuplot(folder, "#!/bin/sh\necho $$ > ../pid\nexec /bin/sleep 1000\n");
    char *pid_file = in_folder(folder, "pid");
    cr_assert_eq(setenv("TMPDIR", folder, 1), 0); /* gnuplot works in a folder in there */
    const int64_t began = clock_now_ns();
    const pid_t pid =
        start(folder, bin, (const char *const[]){"--db", database, "--out", "r", NULL});
    while (access(pid_file, F_OK) != 0 && clock_now_ns() - began < 20000000000)
        clock_sleep_ns(5000000);
    clock_sleep_ns(50000000); /* the number is written */
    kill(pid, SIGINT);
    struct run run = finish(pid, folder);
    cr_assert_eq(run.code, 130, "%s", run.err);
    char *text = read_text(pid_file);
    const pid_t drawing = (pid_t)strtol(text, NULL, 10);
    cr_assert_gt(drawing, 0);
    cr_assert_eq(kill(drawing, 0), -1, "gnuplot still runs");
    cr_assert_not(is_there(folder, "r/index.html"));
    free(text);
    free(pid_file);
    free(bin);
    run_free(&run);
}

/* ---- nothing, or nothing of ours ---- */

Test(report, nothing_to_report_yet) {
    const char *folder = test_folder();
    struct run run = REPORT(folder, NULL, "--db", "missing.db", "--out", "r");
    cr_assert_eq(run.code, 4);
    cr_assert_not_null(strstr(run.err, "nothing to report yet: run hone tune"), "%s", run.err);
    cr_assert_not(is_there(folder, "missing.db") || is_there(folder, "r"));
    run_free(&run);
    char *path = in_folder(folder, "empty.db");
    store_close(opened(path, STORE_WRITE));
    run = REPORT(folder, NULL, "--db", path, "--out", "r");
    cr_assert_eq(run.code, 4);
    cr_assert_not_null(strstr(run.err, "nothing to report yet: run hone tune"), "%s", run.err);
    cr_assert_not(is_there(folder, "r"));
    run_free(&run);
    free(path);
}

static void change(const char *path, const char *sql) {
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void expect_refused(const char *folder, const char *database, const char *says) {
    char *before, *after;
    size_t size[2];
    struct error err;
    WELL(path_read(database, 1 << 28, &before, &size[0], &err));
    struct run run = REPORT(folder, NULL, "--db", database, "--out", "r");
    WELL(path_read(database, 1 << 28, &after, &size[1], &err));
    cr_assert_eq(run.code, 1);
    cr_assert_not_null(strstr(run.err, says), "%s", run.err);
    cr_assert(size[0] == size[1] && !memcmp(before, after, size[0]), "the database was touched");
    cr_assert_not(is_there(folder, "r"));
    run_free(&run);
    free(before);
    free(after);
}

Test(report, a_database_that_is_not_ours_is_left_alone) {
    const char *folder = test_folder(), *database = make_database(folder, "Device");
    struct error err;
    change(database, "PRAGMA user_version = 99");
    expect_refused(folder, database, "newer");
    change(database, "PRAGMA application_id = 7");
    expect_refused(folder, database, "another program");
    cr_assert_eq(truncate(database, 6000), 0);
    expect_refused(folder, database, "results.db");
    WELL(path_write(database, "text", 4, &err));
    expect_refused(folder, database, "no SQLite database");
}

Test(report, usage) {
    const char *folder = test_folder();
    struct run run = REPORT(folder, NULL, "figures");
    cr_assert_eq(run.code, 2);
    run_free(&run);
    run = REPORT(folder, NULL, "--class", "i8");
    cr_assert_eq(run.code, 2);
    cr_assert_not_null(strstr(run.err, "there is no --model; leave --class out"), "%s", run.err);
    run_free(&run);
    run = REPORT(folder, NULL, "--help");
    cr_assert_eq(run.code, 0);
    cr_assert_eq(strncmp(run.out, "  hone report", 13), 0, "help opens with examples");
    run_free(&run);
}

/* A folder that cannot be made. */
Test(report, the_folder_is_a_file) {
    const char *folder = test_folder(), *database = make_database(folder, "Device");
    struct run run = REPORT(folder, NULL, "--db", database, "--out", "results.db");
    cr_assert_eq(run.code, 1);
    cr_assert_not_null(strstr(run.err, "making the folder results.db"), "%s", run.err);
    run_free(&run);
}
