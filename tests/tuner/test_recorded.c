/* test_recorded.c: recorded spaces are read as they are, and hostile ones refused. */
#include "tests/tuner/files.h"
#include "tuner/recorded.h"
#include <math.h>
#include <stdlib.h>

static struct recorded *opened(const char *path) {
    struct recorded *r = NULL;
    struct error err = {0};
    cr_assert_eq(recorded_open(path, &r, &err), OK, "%s", err.text);
    return r;
}

static const struct recorded_config *named(const struct recorded *r, const char *text) {
    for (size_t i = 0; i < r->space.n; i++) {
        char have[400];
        const struct config config = space_config(&r->space, (int64_t)i);
        config_format(&config, have);
        if (strcmp(have, text) == 0) return recorded_config(r, (int64_t)i);
    }
    return NULL;
}

static void check_small(const struct recorded *r) {
    cr_assert_eq(r->space.n, 5);
    cr_assert_eq(r->n_ok, 3);
    cr_assert_eq(r->optimum_ns, 1.5e6);
    cr_assert_eq(r->worst_ns, 9.25e6);
    cr_assert_null(named(r, "A=4,B=y"), "its constraints forbid it");
    const struct recorded_config *c = named(r, "A=8,B=x");
    cr_assert_not_null(c);
    cr_assert_eq(c->median_ns, 3e6);
    cr_assert_eq(c->compile_ns, 1e7);
    cr_assert_eq(c->check_ns, 5e6);
    cr_assert_eq(c->n_runs, 3);
    cr_assert_eq(r->recording.runs_ns[c->first_run + 1], 2e6, "the order of the runs is kept");
    cr_assert_eq(named(r, "A=2,B=x")->n_runs, 1, "a lone time is a run");
    cr_assert_eq(named(r, "A=4,B=x")->outcome, OUTCOME_COMPILE_FAILED);
    cr_assert_eq(named(r, "A=4,B=x")->compile_ns, 7e6);
    cr_assert_eq(named(r, "A=8,B=y")->outcome, OUTCOME_IMPLAUSIBLE, "no kernel takes no time");
    cr_assert_eq(named(r, "A=8,B=y")->median_ns, INFINITY);
}

Test(recorded, cache) {
    struct recorded *r = opened(file_of_text(CACHE_HEAD CACHE_ROWS "}}"));
    check_small(r);
    cr_assert_str_eq(r->recording.device, "D");
    cr_assert_str_eq(r->recording.kernel, "K");
    const struct param *a = &r->variant.params[0], *b = &r->variant.params[1];
    cr_assert_str_eq(a->name, "A");
    cr_assert_eq(a->n_values, 3);
    cr_assert(a->values[0].value == 2 && a->values[1].value == 4 && a->values[2].value == 8);
    cr_assert_str_eq(b->values[1].name, "y");
    recorded_close(r);
}

Test(recorded, packed_and_cut) {
    struct recorded *r = opened(file_of_gzip(CACHE_HEAD CACHE_ROWS "}}"));
    check_small(r);
    recorded_close(r);
    r = opened(file_of_text(CACHE_HEAD CACHE_ROWS ",\n"));
    check_small(r);
    recorded_close(r);
}

#define T4_ROW(a, b, word, times)                                                                  \
    "{\"configuration\": {\"A\": " a ", \"B\": " b "}, \"invalidity\": \"" word                    \
    "\", \"correctness\": 1, \"times\": {" times "}}"
Test(recorded, t4) {
    static const char text[] = "{\"metadata\": {\"timeunit\": \"microseconds\"}, \"results\": [" //
        T4_ROW("0.5", "true", "correct", "\"runtimes\": [5, 6, 7], \"compilation_time\": 3") "," //
        T4_ROW("0.25", "false", "runtime", "") ","                                               //
        T4_ROW("1", "true", "timeout", "") ","                                                   //
        T4_ROW("1", "false", "constraints", "") "]}";
    struct recorded *r = opened(file_of_text(text));
    cr_assert_eq(r->space.n, 3);
    cr_assert_eq(r->optimum_ns, 6e3);
    cr_assert_eq(named(r, "A=0.5,B=true")->compile_ns, 3e3);
    cr_assert_eq(named(r, "A=0.25,B=false")->outcome, OUTCOME_LAUNCH_FAILED);
    cr_assert_eq(named(r, "A=1,B=true")->outcome, OUTCOME_TIMEOUT);
    cr_assert_str_eq(r->params[0].values[0].name, "0.25", "numbers rise");
    recorded_close(r);
}

Test(recorded, from_one_to_another) {
    struct recorded *r = opened(file_of_text(CACHE_HEAD CACHE_ROWS "}}"));
    struct recorded *other =
        opened(file_of_text("{\"tune_params_keys\": [\"B\", \"A\"], \"cache\": {"
                            "\"1\": {\"A\": 2, \"B\": \"y\", \"time\": 2}, \"2\": {\"A\": 8, "
                            "\"B\": \"x\", \"time\": 1},"
                            "\"3\": {\"A\": 8, \"B\": \"z\", \"time\": 3}, \"4\": {\"A\": 4, "
                            "\"B\": \"y\", \"time\": 4}}}"));
    int64_t best[3];
    cr_assert_eq(recorded_best(other, best, 3), 3);
    cr_assert(best[0] == 1 && best[1] == 0 && best[2] == 2);
    cr_assert_eq(recorded_config(r, recorded_find(r, other, 0))->median_ns, 9.25e6);
    cr_assert_eq(recorded_config(r, recorded_find(r, other, 1))->median_ns, 3e6);
    cr_assert_eq(recorded_find(r, other, 2), -1, "no such value");
    cr_assert_eq(recorded_find(r, other, 3), -1, "not recorded");
    cr_assert_eq(recorded_best(other, best, 1), 1);
    cr_assert_eq(best[0], 1);
    recorded_close(r);
    recorded_close(other);
}

/* ---- as a family with one variant ---- */

Test(recorded, is_a_family_of_what_was_recorded) {
    struct recorded *r = opened(file_of_text(CACHE_HEAD CACHE_ROWS "}}"));
    struct config config;
    struct space again;
    struct error err = {0};
    char text[160], why[200];
    problem_format(&r->problem, text);
    cr_assert_str_eq(text, "kernel=K");
    cr_assert_eq(family_default(&r->problem, &config, &err), OK, "%s", err.text);
    cr_assert_eq(space_find(&r->space, &config, r->problem.layout), 0, "the first that ran");
    cr_assert_eq(config_parse(&r->family, "K", "A=4,B=x", &config, &err), OK, "%s", err.text);
    cr_assert(config_valid(&config, &r->problem, NULL, NULL), "it failed, but it is there");
    cr_assert_eq(config_parse(&r->family, "K", "A=4,B=y", &config, &err), OK, "%s", err.text);
    cr_assert_not(config_valid(&config, &r->problem, NULL, why));
    cr_assert_str_eq(why, "it was recorded");
    cr_assert_eq(recorded_space(r, &again, &err), OK);
    cr_assert_eq(again.n, r->space.n);
    space_close(&again);
    recorded_close(r);
}

Test(recorded, is_known_by_what_the_file_holds) {
    struct recorded *plain = opened(file_of_text(CACHE_HEAD CACHE_ROWS "}}"));
    struct recorded *packed = opened(file_of_gzip(CACHE_HEAD CACHE_ROWS "}}"));
    struct recorded *other = opened(file_of_text(CACHE_HEAD CACHE_ROWS "} }"));
    cr_assert_str_eq(plain->recording.key, packed->recording.key);
    cr_assert_str_neq(plain->recording.key, other->recording.key);
    recorded_close(plain);
    recorded_close(packed);
    recorded_close(other);
}

/* Records are lines of words: names are words, and stay different. */
Test(recorded, names_become_words) {
    struct recorded *r = opened(file_of_text(
        "{\"kernel_name\": \"my kernel, a=1 \\u00e4 and much more than a line of words can hold\", "
        "\"tune_params_keys\": [\"block size\"], \"cache\": {"
        "\"1\": {\"block size\": \"a b\", \"time\": 1}, "
        "\"2\": {\"block size\": \"a_b\", \"time\": 2}, "
        "\"3\": {\"block size\": \"a\\nb\", \"time\": 3}}}"));
    cr_assert_str_eq(r->variant.name, "my_kernel__a_1____and_much_mor");
    cr_assert_eq(named(r, "block_size~0=a_b~0")->median_ns, 1e6);
    cr_assert_eq(named(r, "block_size~0=a_b")->median_ns, 2e6);
    cr_assert_eq(named(r, "block_size~0=a_b~2")->median_ns, 3e6);
    recorded_close(r);
    r = opened(file_of_text("{\"tune_params_keys\": [\"A\"], \"cache\": {\"1\": {\"A\": 1, "
                            "\"time\": 1}}}"));
    cr_assert_str_eq(r->variant.name, "recorded", "the name of the file");
    recorded_close(r);
}

static void refused(const char *path, enum status status, const char *why) {
    struct recorded *r;
    struct error err = {0};
    cr_assert_eq(recorded_open(path, &r, &err), status, "%s", err.text);
    cr_assert_null(r);
    cr_assert(strstr(err.text, why), "'%s' does not say '%s'", err.text, why);
}

Test(recorded, what_is_none_is_refused) {
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "is not JSON"},
        {"[1", "is not JSON"},
        {"[]", "neither"},
        {"{\"cache\": 1}", "neither"},
        {"{\"cache\": {}}", "no configuration"},
        {"{\"results\": []}", "no configuration"},
        {"{\"results\": [1, null, {}]}", "no configuration"},
        {"{\"cache\": {\"1\": 7, \"2\": {\"time\": -1}}}", "no configuration"},
        {CACHE_HEAD "\"1\": {\"A\": 1, \"time\": 1}}}", "B has no value"},
        {CACHE_HEAD "\"1\": {\"A\": [1], \"B\": 1, \"time\": 1}}}", "A has no value"},
        {CACHE_HEAD "\"1\": {\"A\": \"1,C=2\", \"B\": 1, \"time\": 1}}}", "A has no value"},
        {"{\"tune_params_keys\": [\"A=1\"], \"cache\": {}}", "no name"},
        {"{\"tune_params_keys\": [7], \"cache\": {}}", "no name"},
        {"{\"metadata\": {\"timeunit\": \"fortnight\"}, \"results\": []}", "unit of time"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(file_of_text(bad[i].text), STATUS_INVALID, bad[i].why);
    refused("/none/there", STATUS_IO, "cannot open");
    refused(test_folder(), STATUS_IO, "cannot unpack");
}

Test(recorded, too_much_is_refused) {
    struct str text = {0};
    str_add(&text, CACHE_HEAD);
    for (int i = 0; i <= RECORDING_VALUES; i++)
        str_addf(&text, "%s\"%d\": {\"A\": %d, \"B\": 1, \"time\": 1}", i ? "," : "", i, i);
    str_add(&text, "}}");
    refused(file_of_text(text.text), STATUS_INVALID, "more than 256");
    str_clear(&text);
    str_add(&text, "{\"cache\": {}, \"tune_params_keys\": [");
    for (int i = 0; i <= PARAMS; i++) str_addf(&text, "%s\"P%d\"", i ? "," : "", i);
    str_add(&text, "]}");
    refused(file_of_text(text.text), STATUS_INVALID, "more than 20 parameters");
    str_clear(&text);
    str_addf(&text, CACHE_HEAD "\"1\": {\"A\": \"%0400d\", \"B\": 1, \"time\": 1}}}", 0);
    refused(file_of_text(text.text), STATUS_INVALID, "more than 400 bytes");
    str_free(&text);
}

/* Every prefix of a packed file, and of a plain one: refused or read, never a crash. */
Test(recorded, cut_anywhere) {
    const char *whole = CACHE_HEAD CACHE_ROWS "}}";
    char packed[2000];
    FILE *file = fopen(file_of_gzip(whole), "re");
    const size_t n = fread(packed, 1, sizeof packed, file);
    fclose(file);
    struct recorded *r;
    size_t read = 0;
    for (size_t i = 0; i < n; i++)
        cr_assert_neq(recorded_open(file_with("cut.gz", packed, i), &r, NULL), OK, "%zu bytes", i);
    for (size_t i = 0; i < strlen(whole); i++) {
        read += recorded_open(file_with("cut.json", whole, i), &r, NULL) == OK;
        recorded_close(r);
    }
    cr_assert_gt(read, 5, "behind each entry, with its comma or without");
}

Test(recorded, real_ones) {
    struct recorded *r = opened(test_data("tuning/RTX_2080_Ti.json.gz"));
    cr_assert_eq(r->space.n, 17956);
    cr_assert_eq(r->n_ok, 17956);
    cr_assert_eq(r->recording.n_runs, 17956 * 32);
    cr_assert_float_eq(r->optimum_ns, 11.55e6, 0.01e6);
    recorded_close(r);
    r = opened(test_data("tuning/A6000_original_T4.json.gz"));
    cr_assert_eq(r->space.n, 2442);
    cr_assert_eq(r->n_ok, 2266);
    recorded_close(r);
}
