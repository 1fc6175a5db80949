/* test_profile.c: text profiles: what is a profile, and the sentence for everything that is none. */
#include "tests/results/records.h"
#include "base/embedded.h"
#include "base/rng.h"
#include "results/profile.h"

#define HEAD "hone-profile 2\narchitecture x86_64 family 26 model 2\n"
#define RECORD "record matmul m=4,k=4,n=1,w=f32 f32 rows gemv TM=4 12.5 0123456789abcdef"

static struct profile parsed(const char *text) {
    struct profile profile;
    struct error err = {OK, ""};
    WELL(profile_parse("test", text, strlen(text), &profile, &err));
    return profile;
}

Test(profile, records_are_read) {
    struct profile p = parsed("hone-profile 2\n"
                              "# a remark\n"
                              "\n"
                              "architecture x86_64 family 26 model 2\n"
                              "architecture compute capability 9.0\n"
                              "provenance a machine, a driver, a day\n" RECORD "\n"
                              "record rmsnorm k=576,n=1 f32 rows row - 1000 ffffffffffffffff\n"
                              "end 2\n");
    cr_assert_str_eq(p.provenance, "a machine, a driver, a day");
    cr_assert(profile_covers(&p, "P|V|D|x86_64 family 26 model 2|2|0"));
    cr_assert(profile_covers(&p, "NVIDIA CUDA|NVIDIA|H100|compute capability 9.0|132|0"));
    cr_assert_not(profile_covers(&p, "P|V|D|x86_64 family 26|2|0"));
    cr_assert_eq(p.n_records, 2);
    const struct profile_record *r = &p.records[0];
    cr_assert_str_eq(r->family, "matmul");
    cr_assert_str_eq(r->problem, "m=4,k=4,n=1,w=f32");
    cr_assert_str_eq(r->class_name, "f32");
    cr_assert_str_eq(r->layout, "rows");
    cr_assert_str_eq(r->variant, "gemv");
    cr_assert_str_eq(r->config, "TM=4");
    cr_assert_str_eq(r->source_key, "0123456789abcdef");
    cr_assert(r->time_ns == 12.5 && r->line == 7);
    cr_assert_str_eq(p.records[1].config, "", "a dash is no parameters");
    cr_assert_eq(p.records[1].line, 8);
    profile_free(&p);
    profile_free(&p);
}

Test(profile, the_last_line_needs_no_end_and_there_may_be_no_records) {
    struct profile p = parsed(HEAD RECORD "\nend 1");
    cr_assert_eq(p.n_records, 1);
    profile_free(&p);
    p = parsed(HEAD "end 0");
    cr_assert(p.n_records == 0 && !strcmp(p.provenance, ""));
    profile_free(&p);
}

Test(profile, what_is_none_is_refused_by_line_and_word) {
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "it is empty"},
        {"\n", "line 1: it is not \"hone-profile 2\""},
        {"hone-profile 3\n", "line 1: it is not"},
        {"hone-profile 2\r\n", "byte 15 is 0x0d"},
        {"hone-profile 2\nend 0", "no line names an architecture or a device"},
        {"hone-profile 2", "it was cut short: no line says \"end\""},
        {HEAD RECORD "\n", "line 3: it was cut short"},
        {HEAD RECORD "\nend 2", "line 4: it ends with 2 records, and holds 1"},
        {HEAD RECORD "\nend 01", "it ends with 01 records, and holds 1"},
        {HEAD "end 0\n" RECORD, "stands below the end"},
        {HEAD "end", "nothing follows \"end\""},
        {HEAD "device a\ndevice b", "there are two lines of device"},
        {HEAD "version a\nversion b", "there are two lines of version"},
        {HEAD "samples 0 1", "line 3: samples stand below their record"},
        {HEAD RECORD "\nsamples 0", "line 4: no sample follows the round"},
        {HEAD RECORD "\nsamples -1 5", "the round is \"-1\", not a number from 0"},
        {HEAD RECORD "\nsamples 99999999999999999999 5", "the round is"},
        {HEAD RECORD "\nsamples 0 5 nan", "a sample is \"nan\""},
        {HEAD RECORD "\nsamples 0 5  6", "a sample is \"\""},
        {HEAD RECORD "\nsamples 1 12.5\nsamples 0 12.5", "round 0 stands below a later one"},
        {HEAD RECORD "\nsamples 0 12.6 13\nend 1", "line 3 lies outside its last samples"},
        {HEAD RECORD "\nsamples 0 12.5\nsamples 1 11\n" RECORD, "outside its last samples"},
        {HEAD "recipe x", "line 3: \"recipe\" is none of"},
        {HEAD "record", "line 3: nothing follows \"record\""},
        {HEAD "architecture \n", "line 3: nothing follows \"architecture\""},
        {HEAD "provenance a\nprovenance b", "line 4: there are two lines of provenance"},
        {HEAD "record matmul", "line 3: the problem is missing"},
        {HEAD "record matmul  m=4 f32 rows gemv - 1 0123456789abcdef", "the problem is missing"},
        {HEAD "record matmul m=4 f32 rows gemv - 1", "the source key is missing"},
        {HEAD "record matmul m=4 f32 rows gemv - 1 ", "the source key is missing"},
        {HEAD RECORD " 5", "\"5\" after the source key is too much"},
        {HEAD "record matmul 4x4 f32 rows gemv - 1 0123456789abcdef", "the problem is \"4x4\""},
        {HEAD "record matmul m=4 f32 rows gemv - 0 0123456789abcdef", "the time_ns is \"0\""},
        {HEAD "record matmul m=4 f32 rows gemv - -5 0123456789abcdef", "the time_ns is \"-5\""},
        {HEAD "record matmul m=4 f32 rows gemv - 1e9 0123456789abcdef", "the time_ns is \"1e9\""},
        {HEAD "record matmul m=4 f32 rows gemv - nan 0123456789abcdef", "the time_ns is \"nan\""},
        {HEAD "record matmul m=4 f32 rows gemv - 0x10 0123456789abcdef", "the time_ns is"},
        {HEAD "record matmul m=4 f32 rows gemv - 5. 0123456789abcdef", "the time_ns is \"5.\""},
        {HEAD "record matmul m=4 f32 rows gemv - 1234567890123456789 0123456789abcdef",
         "the time_ns is"},
        {HEAD "record matmul m=4 f32 rows gemv - 1 0123456789abcde", "not 16 hexadecimal digits"},
        {HEAD "record matmul m=4 f32 rows gemv - 1 0123456789ABCDEF", "not 16 hexadecimal digits"},
        {HEAD RECORD "\n" RECORD, "line 4: this configuration stands in line 3 already"},
        {HEAD "# caf\xc3\xa9", "line 3: byte 6 is 0xc3, not printable ASCII"},
        {HEAD "# tab\there", "byte 6 is 0x09"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct profile p;
        struct error err = {OK, ""};
        const enum status st =
            profile_parse("test", cases[i].text, strlen(cases[i].text), &p, &err);
        cr_assert_eq(st, STATUS_INVALID, "\"%s\" is a profile", cases[i].text);
        cr_assert(strstr(err.text, "the profile test, line "), "%s", err.text);
        cr_assert(strstr(err.text, cases[i].words), "\"%s\" does not say \"%s\"", err.text,
                  cases[i].words);
        cr_assert(p.n_records == 0 && !p.text);
    }
}

Test(profile, samples_belong_to_the_record_above) {
    struct profile p = parsed("hone-profile 2\ndevice P|V|D||2|3\nversion d|p\n" RECORD
                              "\nsamples 0 99.5\nsamples 1 12 13\nsamples 1 12.5\n"
                              "record rmsnorm k=576 f32 rows row - 1000 ffffffffffffffff\nend 2\n");
    cr_assert_str_eq(p.device, "P|V|D||2|3");
    cr_assert_str_eq(p.version, "d|p");
    cr_assert(profile_covers(&p, "P|V|D||2|3"), "by its device, where it has no architecture");
    cr_assert_not(profile_covers(&p, "P|V|E||2|3"));
    cr_assert_not(profile_covers(&p, ""));
    static const struct profile_sample expected[] = {{0, 99.5}, {1, 12}, {1, 13}, {1, 12.5}};
    cr_assert(p.n_samples == 4 && p.records[0].n_samples == 4 && p.records[1].n_samples == 0);
    for (size_t i = 0; i < 4; i++) {
        const struct profile_sample *s = &p.samples[p.records[0].first_sample + i];
        cr_assert(s->round == expected[i].round && s->time_ns == expected[i].time_ns);
    }
    profile_free(&p);
}

Test(profile, the_architecture_of_a_model_key) {
    static const char *const cases[][2] = {{MODEL, "x86_64 family 26 model 2"},
                                           {"a|b|c|d", "d"},
                                           {"a|b|c||2", ""},
                                           {"a|b", ""},
                                           {"", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *architecture = profile_architecture(cases[i][0]);
        cr_assert_str_eq(architecture, cases[i][1]);
        free(architecture);
    }
}

Test(profile, a_nul_or_a_long_line_is_refused) {
    static const char with_nul[] = HEAD "# a\0b\n";
    struct profile p;
    struct error err = {OK, ""};
    cr_assert_eq(profile_parse("test", with_nul, sizeof with_nul - 1, &p, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "0x00"), "%s", err.text);
    struct str text = {0};
    str_add(&text, HEAD "# ");
    for (int i = 0; i < 3000; i++) str_add(&text, "x");
    cr_assert_eq(profile_parse("test", text.text, text.length, &p, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "line 3: it is longer than"), "%s", err.text);
    str_free(&text);
}

Test(profile, any_bytes_give_a_profile_or_a_sentence) {
    static const char text[] = HEAD "provenance x\n" RECORD "\nsamples 0 12 13\nend 1\n";
    struct rng rng = rng_seed(1);
    int refused = 0;
    for (int i = 0; i < 20000; i++) {
        char bytes[sizeof text];
        struct profile p;
        struct error err = {OK, ""};
        memcpy(bytes, text, sizeof text);
        const size_t size = rng_below(&rng, 2) ? sizeof text - 1 : rng_below(&rng, sizeof text);
        for (uint64_t n = rng_below(&rng, 4); n > 0; n--)
            bytes[rng_below(&rng, sizeof text - 1)] = (char)rng_below(&rng, 256);
        if (profile_parse("test", bytes, size, &p, &err) == OK) {
            cr_assert_gt(p.n_architectures, 0);
            profile_free(&p);
        } else {
            refused++;
            cr_assert_gt(strlen(err.text), 0);
        }
    }
    cr_assert(refused > 5000 && refused < 20000, "%d", refused);
}

Test(profile, many_records_are_read_in_linear_time) {
    enum { RECORDS = 50000 };
    struct str text = {0};
    struct profile p;
    struct error err = {OK, ""};
    str_add(&text, HEAD);
    for (int i = 0; i < RECORDS; i++)
        str_addf(&text,
                 "record matmul m=%d f32 rows gemv TM=4 12.5 0123456789abcdef\n"
                 "samples 0 12.5 12.5 12.5\n",
                 i + 1);
    str_addf(&text, "end %d\n", RECORDS);
    WELL(profile_parse("test", text.text, text.length, &p, &err));
    cr_assert_eq(p.n_records, RECORDS);
    profile_free(&p);
    str_free(&text);
}

Test(profile, lines_of_a_database_are_lines_of_a_profile) {
    struct store *store = opened(database_new(), STORE_WRITE);
    const int64_t device = device_row(store, MODEL, VERSION);
    record_new(store, device, with_config("TM=4"), OUTCOME_OK, 1234.56, true);
    struct record_key bare = with_config("");
    bare.class_name = "i8";
    record_new(store, device, bare, OUTCOME_OK, 0.26, true);
    /* CSV quotes what holds a comma: every line does. */
    char *csv = NULL;
    struct error err = {OK, ""};
    WELL(store_csv(store, "SELECT replace(line, ',', ';') AS line FROM profile_lines", &csv, &err));
    struct str text = {0};
    str_add(&text, HEAD);
    for (char *c = strchr(csv, '\n') + 1; *c; c++) str_add_bytes(&text, *c == ';' ? "," : c, 1);
    str_add(&text, "end 2\n");
    struct profile p = parsed(text.text);
    cr_assert_eq(p.n_records, 2);
    for (size_t i = 0; i < 2; i++) {
        const bool is_bare = !strcmp(p.records[i].class_name, "i8");
        cr_assert_str_eq(p.records[i].config, is_bare ? "" : "TM=4");
        cr_assert_str_eq(p.records[i].problem, key_usual.problem);
        cr_assert_eq(p.records[i].time_ns, is_bare ? 0.3 : 1234.6);
    }
    profile_free(&p);
    str_free(&text);
    free(csv);
    store_close(store);
}

Test(profile, every_shipped_profile_is_one) {
    const struct embedded *file;
    for (size_t i = 0; (file = profile_shipped(i)); i++) {
        struct profile p;
        struct error err = {OK, ""};
        WELL(profile_parse(file->path, file->text, strlen(file->text), &p, &err));
        profile_free(&p);
    }
}
