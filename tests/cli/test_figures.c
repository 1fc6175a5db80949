/* test_figures.c: the figures of hone report: what their data say, against records made by hand. */
#include "tests/cli/program.h"
#include "tests/results/records.h"
#include "kernels/kernel.h"
#include <jansson.h>
#include <math.h>

/* ---- databases ---- */

/* A search of one problem: eight right, one abandoned, two failed; the best is number 3. */
static const struct try {
    const char *variant, *layout, *config;
    enum outcome outcome;
    double time_ms, nmse;
}
tries[] = {
    {"gemv", "rows", "VW=4,WI=buffer,TN=1", OUTCOME_OK, 8, NAN},
    {"gemv", "rows", "VW=8,WI=buffer,TN=1", OUTCOME_OK, 4, 1e-14},
    {"gemv", "rows", "VW=8,WI=image,TN=1", OUTCOME_OK, 6, 4e-14},
    {"gemv", "rows", "VW=8,WI=buffer,TN=2", OUTCOME_OK, 2, 1e-12},
    {"gemv", "rows", "VW=4,WI=buffer,TN=2", OUTCOME_OK, 5, NAN},
    {"gemv", "rows", "VW=16,WI=buffer,TN=2", OUTCOME_WRONG, NAN, NAN},
    {"gemv", "rows", "VW=16,WI=buffer,TN=1", OUTCOME_TIMEOUT, NAN, NAN},
    {"gemv", "rows", "VW=8,WI=image,TN=2", OUTCOME_OK, 2.5, NAN},
    {"gemv", "panel16", "VW=8,WI=buffer,TN=2", OUTCOME_ABANDONED, 10, NAN},
    {"skinny", "rows", "VW=8,WI=buffer,TN=1", OUTCOME_OK, 3.2, NAN},
    {"gemv", "rows", "VW=4,WI=image,TN=1", OUTCOME_OK, 16, NAN},
};
enum { TRIES = sizeof tries / sizeof *tries, BEST = 3 };

static const char problem_usual[] = "m=512,k=256,n=8,w=f32";
#define SUBJECT "m-512-k-256-n-8-w-f32-f32.csv"

static void add_try(struct store *store, int64_t session, int64_t device, int64_t sequence,
                    const char *problem, const struct try *tried) {
    struct error err = {OK, ""};
    struct record_key key = key_usual;
    key.problem = problem;
    key.variant = tried->variant;
    key.layout = tried->layout;
    key.config = tried->config;
    struct evaluation e = evaluation_begun(session, device, sequence, key);
    e.is_default = sequence == 0;
    WELL(store_step(store, NULL, &e, &err));
    evaluation_end(&e, tried->outcome, tried->time_ms * 1e6);
    e.nmse = tried->nmse;
    if (tried->outcome == OUTCOME_OK) e.ceiling_gbps = 50, e.ceiling_gflops = 200, e.share = 0.5;
    WELL(store_step(store, &e, NULL, &err));
}

static struct store *search_database(const char *folder, int64_t *session, int64_t *device) {
    char path[1200];
    snprintf(path, sizeof path, "%s/hone.db", folder);
    struct store *store = opened(path, STORE_WRITE);
    *device = device_row(store, MODEL, VERSION);
    *session = session_new(store, *device);
    for (int i = 0; i < TRIES; i++) add_try(store, *session, *device, i, problem_usual, &tries[i]);
    return store;
}

static void add_bench(struct store *store, int64_t device, const char *profile, double time_ns) {
    struct error err = {OK, ""};
    char row[256];
    snprintf(row, sizeof row,
             "{\"family\":\"gemm\",\"class\":\"f32\",\"layout\":\"rows\",\"profile\":\"%s\","
             "\"outcome\":\"ok\",\"time_ns\":%.1f,\"ceiling_gbps\":50.0,\"ceiling_gflops\":200.0}",
             profile, time_ns);
    WELL(store_bench_add(store, device, "matmul", problem_usual, row, &err));
}

/* ---- reports ---- */

/* hone report in the folder, into "r", with these options (NULL-terminated); it must be content. */
static void report(const char *folder, const char *const *options) {
    char out[1100];
    const char *arguments[10] = {"report", "-q", "--out", out};
    snprintf(out, sizeof out, "%s/r", folder);
    for (size_t i = 0; i < 5 && options && options[i]; i++) arguments[i + 4] = options[i];
    struct program_run run = program_run(folder, "", arguments);
    cr_assert_eq(run.code, 0, "%s", run.err);
    cr_assert_eq(run.err[0], 0, "%s", run.err);
    program_free(&run);
}

static char *report_of_search(const char *options[]) {
    const char *folder = test_folder();
    int64_t session, device;
    store_close(search_database(folder, &session, &device));
    report(folder, options);
    static char kept[1024];
    snprintf(kept, sizeof kept, "%s", folder);
    return kept;
}

static char *written(const char *folder, const char *name) {
    char *path = text_format("%s/r", folder), *text = program_text(path, name);
    free(path);
    return text;
}

static void expect_text(const char *folder, const char *name, const char *expected) {
    char *text = written(folder, name);
    cr_assert_str_eq(text, expected, "%s:\n%s\nnot\n%s", name, text, expected);
    free(text);
}

static void expect_in(const char *folder, const char *name, const char *what) {
    char *text = written(folder, name);
    cr_assert_not_null(strstr(text, what), "%s lacks %s", name, what);
    free(text);
}

static bool was_written(const char *folder, const char *name) {
    char path[1200];
    snprintf(path, sizeof path, "%s/r/%s", folder, name);
    return access(path, F_OK) == 0;
}

/* A row of a CSV as numbers, from the second cell on; the row is the first that begins so. */
static size_t numbers_of(const char *csv, const char *start, double *numbers, size_t most) {
    const char *row = strstr(csv, start);
    cr_assert_not_null(row, "no row %s in\n%s", start, csv);
    size_t n = 0;
    for (const char *p = strchr(row, ','); p && n < most && *p == ','; n++) {
        char *end;
        numbers[n] = p[1] == ',' || p[1] == '\n' ? NAN : strtod(p + 1, &end);
        p += 1 + strcspn(p + 1, ",\n");
    }
    return n;
}

/* ---- a figure each ---- */

Test(figures, heat_map_of_two_parameters) {
    const char *folder = report_of_search((const char *[]){"--heat", "VW,TN", NULL});
    expect_text(folder, "heat-" SUBJECT,
                "series,x,y,x_label,y_label,percent,n\n"
                "measured,1,1,4,1,25.0,2\n"
                "measured,1,2,4,2,40.0,1\n"
                "measured,2,1,8,1,62.5,3\n"
                "measured,2,2,8,2,100.0,3\n"
                "\n"
                "timeout,3,1,16,1,,1\n"
                "\n"
                "wrong,3,2,16,2,,1\n");
    expect_in(folder, "heat-m-512-k-256-n-8-w-f32-f32.gp", "x_title = 'VW'\ny_title = 'TN'\n");
    expect_in(folder, "heat-m-512-k-256-n-8-w-f32-f32.svg", "timeout");
    expect_in(folder, "heat-m-512-k-256-n-8-w-f32-f32.svg", "<pattern");
}

/* Without --heat: the parameters whose values explain most of the variance of ln(time). */
Test(figures, heat_map_takes_what_explains_most) {
    const char *folder = report_of_search(NULL);
    static const char *const names[] = {"VW", "WI", "TN"};
    double effect[3], total = 0, mean = 0;
    int n = 0;
    for (int i = 0; i < TRIES; i++)
        if (isfinite(tries[i].time_ms)) mean += log(tries[i].time_ms), n++;
    mean /= n;
    for (int i = 0; i < TRIES; i++)
        if (isfinite(tries[i].time_ms)) total += pow(log(tries[i].time_ms) - mean, 2);
    for (int p = 0; p < 3; p++) {
        static const char *const values[3][2] = {
            {"VW=4,", "VW=8,"}, {"WI=buffer", "WI=image"}, {"TN=1", "TN=2"}};
        effect[p] = 0;
        for (int v = 0; v < 2; v++) {
            double sum = 0;
            int of_value = 0;
            for (int i = 0; i < TRIES; i++)
                if (isfinite(tries[i].time_ms) && strstr(tries[i].config, values[p][v]))
                    sum += log(tries[i].time_ms), of_value++;
            effect[p] += of_value * pow(sum / of_value - mean, 2) / total;
        }
    }
    int best = 0;
    for (int p = 1; p < 3; p++)
        if (effect[p] > effect[best]) best = p;
    char says[100];
    snprintf(says, sizeof says, "note = '%s explains %.0f %%", names[best], 100 * effect[best]);
    expect_in(folder, "heat-m-512-k-256-n-8-w-f32-f32.gp", says);
}

Test(figures, distribution_of_speeds) {
    const char *folder = report_of_search(NULL);
    expect_text(folder, "distribution-" SUBJECT,
                "series,low,base,top,percent\n"
                "gemv,10,0,1,\ngemv,20,0,1,\ngemv,25,0,1,\ngemv,30,0,1,\n"
                "gemv,40,0,1,\ngemv,50,0,1,\ngemv,80,0,1,\ngemv,95,0,1,\n"
                "\n"
                "skinny,60,0,1,\n"
                "\n"
                "default,,,,25.0\n");
    expect_in(folder, "index.html", "1 of 9 are within 10 % of the best; 2 more failed.");
}

Test(figures, ablation_of_the_winner) {
    const char *folder = report_of_search(NULL);
    expect_text(folder, "ablation-" SUBJECT,
                "series,bar,label,percent,alone_percent\n"
                "the best with it,1,layout rows → panel16,20.0,20.0\n"
                "the best with it,2,VW 8 → 4,40.0,40.0\n"
                "the best with it,3,TN 2 → 1,62.5,50.0\n"
                "the best with it,4,variant gemv → skinny,62.5,\n"
                "the best with it,5,WI buffer → image,80.0,80.0\n");
}

/* A finalist's later rounds are of another time: the figures compare what the race saw. */
Test(figures, finalists_are_compared_as_the_race_saw_them) {
    const char *folder = test_folder();
    int64_t session, device;
    struct error err = {OK, ""};
    struct store *store = search_database(folder, &session, &device);
    struct evaluation *list = NULL;
    size_t n = 0;
    struct record_key key = key_usual;
    key.problem = problem_usual;
    key.layout = "rows";
    WELL(store_best(store, MODEL, &key, 1, &list, &n, &err));
    cr_assert_eq(n, 1);
    list[0].time_ns = 3e6, list[0].low_ns = 2.9e6, list[0].high_ns = 3.1e6;
    list[0].samples_ns = (double[]){3e6, 3e6, 3e6}, list[0].n_samples = 3;
    list[0].is_final = true;
    WELL(store_refine(store, &list[0], &err));
    store_close(store);
    report(folder, NULL);
    expect_in(folder, "ablation-" SUBJECT, "WI buffer → image,80.0,80.0\n");
    expect_in(folder, "index.html", "3.000 ms"); /* the table of winners has the finals' */
}

Test(figures, time_and_error) {
    const char *folder = report_of_search(NULL);
    static const struct {
        const char *row;
        double time_s, error;
    } rows[] = {{"gemv,0.002,", 2e-3, 1e-6},
                {"gemv,0.004,", 4e-3, 1e-7},
                {"gemv,0.006,", 6e-3, 2e-7},
                {"front,0.002,", 2e-3, 1e-6},
                {"front,0.004,", 4e-3, 1e-7}};
    char *csv = written(folder, "pareto-" SUBJECT);
    size_t lines = 0;
    for (const char *p = csv; (p = strchr(p, '\n')); p++) lines++;
    cr_assert_eq(lines, 1 + 5 + 1, "%s", csv);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double cells[2] = {0};
        cr_assert_eq(numbers_of(csv, rows[i].row, cells, 2), 2);
        cr_assert_float_eq(cells[0], rows[i].time_s, 1e-9);
        cr_assert_float_eq(cells[1] / rows[i].error, 1, 1e-9);
    }
    free(csv);
}

static double speed_of(int i) {
    return isfinite(tries[i].time_ms) ? tries[BEST].time_ms / tries[i].time_ms : 0;
}

/* The expected best of one and of two draws, by going over all of them. */
Test(figures, search_against_random_draws) {
    const char *folder = report_of_search(NULL);
    char *csv = written(folder, "search-" SUBJECT);
    double one = 0, two = 0, cells[2] = {0};
    for (int i = 0; i < TRIES; i++) {
        one += speed_of(i) / TRIES;
        for (int j = 0; j < TRIES; j++) two += fmax(speed_of(i), speed_of(j)) / (TRIES * TRIES);
    }
    static const char local[] = "series,evaluations,percent\n"
                                "local,1,25.0\nlocal,2,50.0\nlocal,4,100.0\nlocal,11,100.0\n\n";
    cr_assert_eq(strncmp(csv, local, strlen(local)), 0, "%s", csv);
    numbers_of(csv, "random draws,1,", cells, 2);
    cr_assert_float_eq(cells[1], 100 * one, 1e-3);
    numbers_of(csv, "random draws,2,", cells, 2);
    cr_assert_float_eq(cells[1], 100 * two, 1e-3);
    free(csv);
    expect_in(folder, "index.html", "Within 5 % of the best: local after 4, random draws never.");
}

/* A line for each that was right; the best one stands on top of the axis of speed. */
Test(figures, parallel_coordinates) {
    const char *folder = report_of_search(NULL);
    char *csv = written(folder, "parallel-" SUBJECT);
    cr_assert_eq(strncmp(csv, "series,line,axis,y,percent,label\nlines,8,0,0.0,12.5,\n", 52), 0,
                 "%s", csv);
    cr_assert_not_null(strstr(csv, "\nlines,1,0,1.0,100.0,\n"), "%s", csv);
    cr_assert_null(strstr(csv, "lines,9,"));
    static const char *const labels[] = {",VW\n",    ",TN\n",     ",WI\n",    ",variant\n",
                                         ",speed\n", ",buffer\n", ",image\n", ",skinny\n",
                                         ",100 %\n", ",13 %\n"};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        cr_assert_not_null(strstr(csv, labels[i]), "no label %s in %s", labels[i], csv);
    cr_assert_null(strstr(csv, ",layout\n"), "all eight have the same");
    free(csv);
}

/* Default and tuned over the intensity that the family's cost says, under the corners of the roof. */
Test(figures, roofline) {
    const char *folder = report_of_search(NULL);
    struct problem problem;
    struct cost cost;
    struct error err;
    double cells[3] = {0};
    WELL(problem_parse(slice_find("matmul"), problem_usual, &problem, &err));
    problem.family->cost(&problem, &cost);
    char *csv = written(folder, "roofline-f32.csv");
    numbers_of(csv, "matmul f32,", cells, 3);
    cr_assert_float_eq(cells[0], cost.operations / cost.bytes, 1e-6);
    cr_assert_float_eq(cells[1], cost.operations / 2e6, 1e-6);
    cr_assert_float_eq(cells[2], cost.operations / 8e6, 1e-6);
    numbers_of(csv, "ceiling,4.0,", cells, 2); /* the ridge: 200 GFLOP/s at 50 GB/s */
    cr_assert_float_eq(cells[1], 200, 1e-9);
    free(csv);
}

Test(figures, history_with_a_step) {
    const char *folder = test_folder();
    int64_t session, device;
    struct store *store = search_database(folder, &session, &device);
    for (int i = 0; i < 10; i++)
        add_bench(store, i < 5 ? device : device_row(store, MODEL, "driver 2|platform 1"), "tuned",
                  (i < 5 ? 2e6 : 3e6) + 1e3 * (i % 3));
    store_close(store);
    report(folder, NULL);
    expect_in(folder, "index.html", "Steps: tuned 50 % slower at run 6 (");
    char *csv = written(folder, "history-device1-" SUBJECT);
    double cells[5] = {0};
    numbers_of(csv, "tuned,5,", cells, 5);
    cr_assert_float_eq(cells[1], 0.002001, 1e-9);
    cr_assert_float_eq(cells[4], 0.002001, 1e-9, "the median of five");
    numbers_of(csv, "tuned,6,", cells, 5);
    cr_assert_float_eq(cells[4], 0.003001, 1e-9);
    free(csv);
}

/* ---- a model's token ---- */

/* Every operation of the plan takes a millisecond, of another layout than the plan's where that is all there
 * is: a bar is as long as its operation runs often. */
Test(figures, time_of_a_token) {
    char model[1024], tokenizer[1024], key[600];
    const char *folder = test_folder();
    snprintf(model, sizeof model, "%s", test_data("model/stories260K.bin"));
    snprintf(tokenizer, sizeof tokenizer, "%s", test_data("tokenizer/tok512.bin"));
    struct program_run run = program_run(folder, "", (const char *[]){"devices", "--json", NULL});
    json_t *devices = json_loads(run.out, 0, NULL);
    snprintf(key, sizeof key, "%s",
             json_string_value(
                 json_object_get(json_array_get(json_object_get(devices, "devices"), 0), "key")));
    program_free(&run);
    run = program_run(
        folder, "",
        (const char *[]){"explain", "--model", model, "--tokenizer", tokenizer, "--json", NULL});
    cr_assert_eq(run.code, 0, "%s", run.err);
    json_t *plan = json_loads(run.out, 0, NULL);
    char path[1200];
    snprintf(path, sizeof path, "%s/hone.db", folder);
    struct store *store = opened(path, STORE_WRITE);
    const int64_t device = device_row(store, key, "another driver|platform 1"),
                  session = session_new(store, device);
    double runs = 0;
    size_t i;
    json_t *row;
    json_array_foreach (json_object_get(plan, "rows"), i, row) {
        struct error err = {OK, ""};
        struct record_key record = key_usual;
        record.family = json_string_value(json_object_get(row, "family"));
        record.problem = json_string_value(json_object_get(row, "problem"));
        record.class_name = json_string_value(json_object_get(row, "class"));
        record.layout = i % 2 ? json_string_value(json_object_get(row, "layout")) : "panel64";
        struct evaluation e = evaluation_begun(session, device, (int64_t)i, record);
        WELL(store_step(store, NULL, &e, &err));
        evaluation_end(&e, OUTCOME_OK, 1e6);
        WELL(store_step(store, &e, NULL, &err));
        runs += json_number_value(json_object_get(row, "count"));
    }
    cr_assert_gt(runs, 10);
    store_close(store);
    report(folder, (const char *[]){"--model", model, "--tokenizer", tokenizer, NULL});
    char *csv = written(folder, "token-token.csv"), says[64];
    double total = 0, seconds = 0;
    for (char *rest = csv, *line; (line = strsep(&rest, "\n"));) {
        if (!strchr(line, ',') || !strncmp(line, "series,", 7)) continue;
        total += strtod(strrchr(line, ',') + 1, NULL);
        *strrchr(line, ',') = 0;
        seconds += strtod(strrchr(line, ',') + 1, NULL);
    }
    cr_assert_float_eq(total, 100, 0.02, "%g %%", total);
    cr_assert_float_eq(seconds, runs * 1e-3, 1e-9);
    expect_in(folder, "index.html", "one token of stories260K.bin");
    snprintf(says, sizeof says, "%.3g ms in all", runs);
    expect_in(folder, "index.html", says);
    free(csv);
    json_decref(plan);
    json_decref(devices);
    program_free(&run);
}

/* ---- what is not there, and what is not ours ---- */

/* A copy of a chapter of the page. (Inlined, gcc 12 takes the page for a local variable of program_text.) */
static __attribute__((noinline)) char *section_of(const char *html, const char *name) {
    char *id = text_format("<section id=\"%s\">", name);
    const char *start = strstr(html, id);
    cr_assert_not_null(start, "%s", name);
    char *section = text_copy(start), *end = strstr(section, "</section>");
    cr_assert_not_null(end, "%s", name);
    *end = 0;
    free(id);
    return section;
}

Test(figures, without_data_there_is_a_command_instead) {
    const char *folder = test_folder();
    char path[1200];
    snprintf(path, sizeof path, "%s/hone.db", folder);
    struct store *store = opened(path, STORE_WRITE);
    const int64_t device = device_row(store, MODEL, VERSION), session = session_new(store, device);
    for (int i = 0; i < 5; i++) add_try(store, session, device, i, problem_usual, &tries[i]);
    store_close(store);
    report(folder, NULL);
    static const struct {
        const char *section, *file, *command;
    } missing[] = {
        {"ablation", "ablation-" SUBJECT, "hone tune --family"},
        {"heat", "heat-" SUBJECT, "hone tune --family"},
        {"distribution", "distribution-" SUBJECT, "hone tune --family"},
        {"parallel", "parallel-" SUBJECT, "hone tune --family"},
        {"pareto", "pareto-" SUBJECT, "hone tune --family"},
        {"search", "search-" SUBJECT, "hone tune --family"},
        {"token", "token-token.csv", "hone report --model"},
        {"history", "history-" SUBJECT, "hone bench --family"},
    };
    char *html = written(folder, "index.html");
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        char *section = section_of(html, missing[i].section);
        cr_assert_not_null(strstr(section, missing[i].command), "%s", section);
        cr_assert_null(strstr(section, "<figure"), "%s", missing[i].section);
        cr_assert_not(was_written(folder, missing[i].file), "%s", missing[i].file);
        free(section);
    }
    free(html);
}

Test(figures, heat_of_parameters_that_are_not_there) {
    const char *folder = test_folder();
    int64_t session, device;
    store_close(search_database(folder, &session, &device));
    static const char *const cases[][2] = {
        {"VW,QQ", "'QQ'; there are: "},
        {"QQ,VW", "'QQ'"},
        {"VW", "as in VW,TN"},
        {"VW,VW", "as in VW,TN"},
        {"VW,TN,WI", "as in"},
        {",TN", "as in"},
        {"VW,", "as in"},
        {"V'--,TN", "'V'--'"},
        {"", "as in"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct program_run run = program_run(
            folder, "", (const char *[]){"report", "--out", "r", "--heat", cases[i][0], NULL});
        cr_assert_eq(run.code, 2, "%s: %d", cases[i][0], run.code);
        cr_assert_not_null(strstr(run.err, cases[i][1]), "%s: %s", cases[i][0], run.err);
        program_free(&run);
    }
    report(folder, (const char *[]){"--heat", "layout,VW", NULL});
    expect_in(folder, "heat-" SUBJECT, "measured,1,2,panel16,8,20.0,1\n");
}

/* Names of variants, values and parameters that mean something to SQL, JSON, gnuplot or HTML. */
Test(figures, hostile_names) {
    const char *folder = test_folder();
    int64_t session, device;
    struct store *store = search_database(folder, &session, &device);
    static const struct try hostile[] = {
        {"<script>'`touch pwned`\\", "rows", "VW=8,WI=<script>,TN='`touch pwned`", OUTCOME_OK, 3,
         1e-13},
        {"gemv\"}", "\",\"", "VW=8\",\"a\":{\"b\":1},TN=2", OUTCOME_OK, 3, 1e-13},
        {"gemv", "rows", "VW==,,=,TN", OUTCOME_OK, 3, 1e-13},
        {"gemv", "rows", "<script>'=1,\\u0000=2,TN=$(touch pwned)", OUTCOME_OK, 1, 1e-13},
        {"gemv", "rows", "", OUTCOME_OK, 3, 1e-13},
    };
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
        add_try(store, session, device, (int64_t)(TRIES + i), problem_usual, &hostile[i]);
    store_close(store);
    report(folder, NULL);
    char *html = written(folder, "index.html");
    cr_assert_null(strstr(html, "<script"));
    cr_assert_not_null(strstr(html, "&lt;script&gt;"));
    for (const char *p = html; (p = strstr(p, "http")); p++)
        cr_assert_eq(strncmp(p, "http://www.w3.org/", 18), 0, "the page asks for %.40s", p);
    cr_assert(was_written(folder, "heat-" SUBJECT) && was_written(folder, "parallel-" SUBJECT) &&
              was_written(folder, "ablation-" SUBJECT));
    cr_assert_not(was_written(folder, "pwned") || was_written(folder, "../pwned"));
    free(html);
}

/* The three problems that were searched most, of each device. */
Test(figures, three_problems_of_each_device) {
    const char *folder = test_folder();
    int64_t session, device;
    struct store *store = search_database(folder, &session, &device);
    static const char *const problems[] = {"m=64,k=64,n=1,w=f32", "m=64,k=64,n=2,w=f32",
                                           "m=64,k=64,n=3,w=f32"};
    for (size_t p = 0; p < 3; p++)
        for (int i = 0; i < TRIES; i++)
            if (p < 2 || tries[i].time_ms > 2)
                add_try(store, session, device, i, problems[p], &tries[i]);
    const int64_t second = device_row(store, MODEL, "driver 2|platform 1"),
                  later = session_new(store, second);
    for (int i = 0; i < TRIES; i++) add_try(store, later, second, i, problem_usual, &tries[i]);
    store_close(store);
    report(folder, NULL);
    cr_assert(was_written(folder, "heat-device1-" SUBJECT));
    cr_assert(was_written(folder, "heat-device1-m-64-k-64-n-1-w-f32-f32.csv"));
    cr_assert(was_written(folder, "heat-device1-m-64-k-64-n-2-w-f32-f32.csv"));
    cr_assert_not(was_written(folder, "heat-device1-m-64-k-64-n-3-w-f32-f32.csv"));
    cr_assert(was_written(folder, "heat-device2-" SUBJECT));
    expect_in(folder, "index.html", "device 2, matmul m=512 k=256 n=8 w=f32, class f32");
}
