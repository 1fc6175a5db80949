/* test_exchange.c: what was tuned goes out as T4 and T1, and comes back as a recorded space. */
#include "tests/results/records.h"
#include "tests/cli/answers.h"
#include "tuner/recorded.h"

/* The number of a query's lone answer. */
static double number_of(const char *database, const char *sql) {
    struct store *store = opened(database, STORE_READ);
    char *csv = csv_of(store, sql), *line = strchr(csv, '\n');
    const double number = line ? strtod(line + 1, NULL) : NAN;
    free(csv);
    store_close(store);
    return number;
}

static const char *word_of(const json_t *object, const char *key) {
    const char *word = json_string_value(json_object_get(object, key));
    return word ? word : "";
}

Test(exchange, a_tuned_space_comes_back_as_a_recorded_one) {
    const char *folder = test_folder();
    struct recorded *recorded = NULL;
    struct error err = {0};
    program_expect(HONE(folder, "tune", "--device", "0", "--family", "swiglu", "--problem",
                        "k=512,n=1", "--strategy", "exhaustive", "--evals", "100", "--param",
                        "WG=1,VW=4,8,16,PER=1,4", "-q"),
                   0, "12 evaluations");
    json_t *said = program_json(HONE(folder, "db", "export", "--t4", "t4", "--json"));
    const json_t *files = json_object_get(said, "files");
    cr_assert_eq(json_array_size(files), 1);
    const json_t *file = json_array_get(files, 0);
    cr_assert_eq(json_integer_value(json_object_get(file, "results")), 12);
    const char *t4 = json_string_value(json_object_get(file, "t4"));
    cr_assert_eq(recorded_open(t4, &recorded, &err), OK, "%s", err.text);
    cr_expect_eq(recorded->space.n, 12);
    cr_expect_eq((double)recorded->n_ok,
                 number_of("hone.db", "SELECT count(*) FROM evaluations WHERE time_ns > 0"));
    /* The times of the database are medians of the samples in the file. */
    const double optimum_ns = number_of("hone.db", "SELECT min(time_ns) FROM evaluations");
    cr_expect_float_eq(recorded->optimum_ns, optimum_ns, 1e-6 * optimum_ns, "%g, not %g",
                       recorded->optimum_ns, optimum_ns);
    recorded_close(recorded);
    cr_expect_eq(access(json_string_value(json_object_get(file, "t1")), R_OK), 0);
    program_expect(HONE(folder, "replay", t4, "--seeds", "3", "--strategy", "random"), 0, "random");
    json_decref(said);
}

Test(exchange, every_outcome_is_told_and_nothing_is_lost) {
    static const struct {
        const char *config;
        enum outcome outcome;
        const char *invalidity;
    } rows[] = {
        {"TM=1,DOT=fma", OUTCOME_OK, "correct"},
        {"TM=2,DOT=fma", OUTCOME_ABANDONED, "correct"},
        {"TM=3,DOT=fma", OUTCOME_COMPILE_FAILED, "compile"},
        {"TM=4,DOT=fma", OUTCOME_LAUNCH_FAILED, "runtime"},
        {"TM=5,DOT=fma", OUTCOME_WRONG, "correctness"},
        {"TM=6,DOT=fma", OUTCOME_TIMEOUT, "timeout"},
        {"TM=7,DOT=fma", OUTCOME_CRASHED, "runtime"},
    };
    enum { ROWS = sizeof rows / sizeof *rows };
    const char *folder = test_folder();
    char *path = text_format("%s/hone.db", folder);
    struct store *store = opened(path, STORE_WRITE);
    const int64_t device = device_row(store, MODEL, VERSION);
    for (size_t i = 0; i < ROWS; i++) {
        struct record_key key = with_config(rows[i].config);
        key.family = "source:mine";
        record_new(store, device, key, rows[i].outcome, 1000, false);
    }
    store_close(store);
    json_t *said = program_json(HONE(folder, "db", "export", "--t4", "a/b", "--json"));
    const json_t *file = json_array_get(json_object_get(said, "files"), 0);
    cr_expect(json_is_null(json_object_get(file, "t1")), "a kernel of nobody has a space");
    const char *t4 = json_string_value(json_object_get(file, "t4"));
    json_t *document = json_load_file(t4, 0, NULL);
    const json_t *results = json_object_get(document, "results");
    cr_assert_eq(json_array_size(results), ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        const json_t *row = json_array_get(results, i);
        const json_t *config = json_object_get(row, "configuration");
        cr_expect_str_eq(word_of(row, "invalidity"), rows[i].invalidity);
        cr_expect_eq(json_integer_value(json_object_get(config, "TM")), (json_int_t)i + 1);
        cr_expect_str_eq(word_of(config, "DOT"), "fma");
        cr_expect_str_eq(word_of(json_array_get(json_object_get(row, "measurements"), 0), "value"),
                         outcome_names[rows[i].outcome]);
        const json_t *runs = json_object_get(json_object_get(row, "times"), "runtimes");
        cr_expect_eq(json_array_size(runs), i < 2 ? 3 : 0);
    }
    json_decref(document);
    json_decref(said);
    free(path);
}

Test(exchange, what_cannot_be_exported_is_a_sentence) {
    const char *folder = test_folder();
    char *path = text_format("%s/hone.db", folder);
    program_expect(HONE(folder, "db", "export", "--t4", "t4"), 4, "no database");
    struct store *store = opened(path, STORE_WRITE);
    program_expect(HONE(folder, "db", "export", "--t4", "t4"), 4, "holds no measurement yet");
    record_new(store, device_row(store, MODEL, VERSION), key_usual, OUTCOME_OK, 1000, true);
    store_close(store);
    program_expect(HONE(folder, "db", "check", "--t4", "t4"), 2, "--t4 is for export");
    program_expect(HONE(folder, "db", "export", "--t4", "t4", "--device", "7"), 2,
                   "no such devices named 7");
    program_write(folder, "plain", "");
    program_expect(HONE(folder, "db", "export", "--t4", "plain"), 1, "plain");
    free(path);
}
