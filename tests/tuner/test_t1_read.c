/* test_t1_read.c: T1 files of kernels of one's own: what they mean, and what is refused. */
#include "tests/tuner/own.h"
#include "base/path.h"
#include "kernels/check.h"
#include "tests/support.h"
#include "tuner/space.h"
#include <math.h>

static struct error err;

/* ---- what a file means ---- */

Test(t1_read, a_file_becomes_a_family) {
    const struct family *family = own_lend("[0, 2]", 2, NULL);
    struct problem problem = own_problem(family), other;
    const struct variant *variant = family->variants[0];
    struct config config = {0};
    struct geometry geometry;
    char text[400], *options, *source;
    cr_assert_str_eq(family->name, "source:saxpy");
    cr_assert_eq(family_find("source:saxpy"), family);
    problem_format(&problem, text);
    cr_assert_str_eq(text, "x=10007");
    cr_assert_eq(family_default(&problem, &config, &err), OK);
    config_format(&config, text);
    cr_assert_str_eq(text, "WG=16,BLOCK=1,MODE=2");
    cr_assert_eq(config_parse(family, "saxpy", "WG=32,BLOCK=2,MODE=0", &config, &err), OK);
    cr_assert(config_valid(&config, &problem, NULL, text), "%s", text);
    variant->geometry(&config, &problem, &geometry);
    cr_assert_eq(geometry.stage[0].local[0], 32);
    cr_assert_eq(geometry.stage[0].global[0], 157 * 32, "%zu", geometry.stage[0].global[0]);
    cr_assert_eq(geometry.stage[0].global[1], 1);
    cr_assert_eq(config_parse(family, "saxpy", "WG=64,BLOCK=2", &config, &err), OK);
    cr_assert_not(config_valid(&config, &problem, NULL, text));
    cr_assert(strstr(text, "WG * BLOCK <= 64"), "%s", text);
    cr_assert_eq(op_source(&config, &problem, &source, &options, &err), OK);
    cr_assert_str_eq(source, own_kernel);
    cr_assert_str_eq(options, "-DWG=64 -DBLOCK=2 -DMODE=2 -Dproblem_size_x=10007 -Dbroken=1");
    /* Another size. */
    cr_assert_eq(problem_parse(slice_find(family->name), "x=64", &other, &err), OK);
    cr_assert_eq(family->operands[1].bytes(&other), 64 * sizeof(float));
    cr_assert_not(problem_shares_program(&problem, &other));
    free(source);
    free(options);
    t1_return();
    cr_assert_null(family_find("source:saxpy"));
}

Test(t1_read, the_space_is_what_the_conditions_leave) {
    struct device *device = NULL;
    struct space space;
    if (device_open("0", &device, &err) != OK) cr_skip_test("%s", err.text);
    const struct problem problem = own_problem(own_lend("range(6)", 0, NULL));
    cr_assert_eq(space_open(device, &problem, NULL, NULL, 0, &space, &err), OK, "%s", err.text);
    cr_assert_eq(space.n, 4 * 6, "%zu", space.n);
    cr_assert_eq(space.raw, 3 * 2 * 6);
    space_close(&space);
    device_close(device);
    t1_return();
}

/* The key is what the kernel is and is given, not how its text looks or what its values are. */
Test(t1_read, the_source_key_follows_what_matters) {
    char keys[6][17];
    const char *folder = test_folder();
    char *library = text_format("%s/any", folder);
    cr_assert_eq(path_write(library, "bytes", 5, &err), OK);
    variant_source_key(own_lend("[0]", 0, NULL)->variants[0], keys[0]);
    variant_source_key(own_lend("[0, 2]", 0, NULL)->variants[0], keys[1]);
    variant_source_key(own_lend("[0]", 0, library)->variants[0], keys[2]);
    variant_source_key(own_lend("[0, 2]", 0, library)->variants[0], keys[5]);
    char *space = own_space("[0]", 0);
    const struct family *family;
    char *kernel = text_format("%s/* a comment */\n", own_kernel);
    struct t1_source source = {.path = "a", .space = space, .kernel = kernel};
    cr_assert_eq(t1_lend(&source, &family, NULL, &err), OK, "%s", err.text);
    variant_source_key(family->variants[0], keys[3]);
    *strstr(space, "2.5") = '3';
    cr_assert_eq(t1_lend(&source, &family, NULL, &err), OK, "%s", err.text);
    variant_source_key(family->variants[0], keys[4]);
    cr_expect_str_neq(keys[0], keys[1], "more values, of which the default says what is right");
    cr_expect_str_eq(keys[2], keys[5], "more values");
    cr_expect_str_eq(keys[0], keys[3], "a comment");
    cr_expect_str_neq(keys[0], keys[2], "a reference");
    cr_expect_str_neq(keys[0], keys[4], "another argument");
    free(kernel);
    free(space);
    free(library);
    t1_return();
}

/* ---- inputs and gates, without a device ---- */

/* A vector y of that type that is input and output, 1000 elements; its reference leaves it as it is. */
static const struct family *vector_lend(const char *type, const char *fill, double value,
                                        const char *library) {
    const struct family *family = NULL;
    char *space = text_format(
        "{\"ConfigurationSpace\": {\"TuningParameters\": [{\"Name\": \"A\", \"Values\": [1]}]}, "
        "\"KernelSpecification\": {\"KernelName\": \"k\", \"Arguments\": [{\"Name\": \"y\", "
        "\"Type\": \"%s\", \"AccessType\": \"ReadWrite\", \"FillType\": \"%s\", \"FillValue\": "
        "%.17g, \"Size\": 1000}]}}",
        type, fill, value);
    const struct t1_source source = {
        .path = "a", .space = space, .kernel = "", .reference = library};
    cr_assert_eq(t1_lend(&source, &family, NULL, &err), OK, "%s", err.text);
    free(space);
    return family;
}

static void vector_fill(const struct family *family, struct check_case *c) {
    *c = (struct check_case){.problem = own_problem(family)};
    c->bytes[0] = family->operands[0].bytes(&c->problem);
    c->host[0] = calloc(1, c->bytes[0]);
    cr_assert_eq(family->fill(&c->problem, 1, c, &err), OK, "%s", err.text);
}

static void vector_close(struct check_case *c) {
    c->reference_close(c->reference);
    free(c->host[0]);
}

static const char leaves_it[] = "int hone_reference(void *call) { return call ? 0 : 1; }\n";

Test(t1_read, inputs_are_those_of_the_types) {
    static const struct {
        const char *type, *fill;
        double value;
        size_t bytes;
        uint64_t first; /* the bits of a constant */
    } cases[] = {
        {"float", "Random", 3, 4, 0},
        {"double", "Random", 3, 8, 0},
        {"half", "Constant", 1.5, 2, 0x3e00},
        {"int32", "Random", 100, 4, 0},
        {"uint8", "Constant", 300, 1, 255},
        {"int16", "Constant", -40000, 2, 0x8000},
        {"int8", "Constant", -3, 1, 0xfd},
        {"int64", "Constant", 1e19, 8, INT64_MAX},
        {"uint64", "Constant", 1e20, 8, UINT64_MAX},
        {"float4", "Random", 1, 16, 0},
        {"bool", "Constant", 1, 1, 1},
    };
    const char *library = own_library(test_folder(), leaves_it);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct check_case c;
        uint64_t first = 0;
        vector_fill(vector_lend(cases[i].type, cases[i].fill, cases[i].value, library), &c);
        cr_expect_eq(c.bytes[0], 1000 * cases[i].bytes, "%s: %zu", cases[i].type, c.bytes[0]);
        memcpy(&first, c.host[0], cases[i].bytes < 8 ? cases[i].bytes : 8);
        if (cases[i].first)
            cr_expect_eq(first, cases[i].first, "%s: %llx", cases[i].type, (long long)first);
        vector_close(&c);
    }
    struct check_case c;
    double low = INFINITY, high = 0;
    vector_fill(vector_lend("float", "Random", 3, library), &c);
    for (size_t i = 0; i < 1000; i++) {
        low = fmin(low, ((const float *)c.host[0])[i]);
        high = fmax(high, ((const float *)c.host[0])[i]);
    }
    cr_expect(low >= 0 && low < 0.1 && high > 2.9 && high <= 3, "%g to %g", low, high);
    vector_close(&c);
    t1_return();
}

/* One element off by a little is right, by four times what may be is wrong, and so are all of them by a little. */
Test(t1_read, gates_are_those_of_the_types) {
    const char *library = own_library(test_folder(), leaves_it);
    const double unit = 1024 * 0x1p-24;
    static const struct {
        double one, all; /* off by so many allowances */
        const char *failed;
    } cases[] = {{0, 0, ""}, {0.9, 0, ""}, {4, 0, "y 500 is"}, {0, 0.05, ""}, {0, 0.9, "NMSE"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct family *family = vector_lend("float", "Constant", 2, library);
        struct check_case c;
        struct verdict verdict = {0};
        vector_fill(family, &c);
        float *y = (float *)c.host[0];
        for (int k = 0; k < 1000; k++) y[k] += (float)(cases[i].all * 4 * unit);
        y[500] += (float)(cases[i].one * 4 * unit);
        cr_assert_eq(family->judge(&c.problem, &c, false, &verdict, &err), OK, "%s", err.text);
        cr_expect_eq(verdict.judged, 1000);
        cr_expect(*cases[i].failed ? strstr(verdict.failed, cases[i].failed) != NULL
                                   : !*verdict.failed,
                  "case %zu: \"%s\"", i, verdict.failed);
        vector_close(&c);
    }
    struct check_case c;
    struct verdict verdict = {0};
    const struct family *family = vector_lend("uint64", "Constant", 1e18, library);
    vector_fill(family, &c);
    c.host[0][8] ^= 1; /* no double sees that */
    cr_assert_eq(family->judge(&c.problem, &c, false, &verdict, &err), OK, "%s", err.text);
    cr_expect(strstr(verdict.failed, "y 1 is"), "\"%s\"", verdict.failed);
    vector_close(&c);
    t1_return();
}

/* ---- what is refused ---- */

Test(t1_read, what_is_no_such_file_is_a_sentence) {
    static const struct {
        const char *from, *to, *why;
    } cases[] = {
        {"{\"ConfigurationSpace\"", "[", "not JSON"},
        {"\"ConfigurationSpace\"", "\"Space\"", "no TuningParameters"},
        {"\"OpenCL\"", "\"CUDA\"", "in CUDA"},
        {"\"saxpy\"", "\"no name\"", "no name of a kernel"},
        {"\"KernelName\"", "\"Name\"", "no KernelSpecification"},
        {"\"WG\", \"Type\"", "\"W G\", \"Type\"", "no name of a parameter"},
        {"\"BLOCK\", \"Type\"", "\"WG\", \"Type\"", "there twice"},
        {"[16*2**i for i in range(3)]", "[]", "no list"},
        {"[16*2**i for i in range(3)]", "[i for i in range(999)]", "no list of 1 to 256"},
        {"[16*2**i for i in range(3)]", "[2**i for i in range(99)]", "64 bits"},
        {"[16*2**i for i in range(3)]", "[16, 32, 16]", "twice"},
        {"[16*2**i for i in range(3)]", "['-I /etc']", "is no value"},
        {"[16*2**i for i in range(3)]", "[[1], [2]]", "is no value"},
        {"\"Default\": 0", "\"Default\": 9", "none of its values"},
        {"WG * BLOCK <= 64", "WG * BLOCK <<= 64", "neither a number nor a name"},
        {"WG * BLOCK <= 64", "rm -rf", "unknown name"},
        {"[10007]", "[0]", "not within"},
        {"[10007]", "[1, 2, 3, 4]", "more than 3"},
        {"[\"WG\", \"BLOCK\"], \"Grid", "[\"WG\", \"BLACK\"], \"Grid", "GridDivX"},
        {"{\"X\": \"WG\"", "{\"X\": \"WG +\"", "LocalSize"},
        {"\"int32\"", "\"custom\"", "type 'custom' is not supported"},
        {"\"Scalar\", \"FillValue\": 2.5", "\"Symbol\", \"FillValue\": 2.5", "'Symbol'"},
        {"\"FillValue\": 2.5", "\"FillValue\": \"[1]\"", "no number"},
        {"\"ReadWrite\"", "\"ReadOnly\"", "no vector is an output"},
        {"\"FillType\": \"Random\", \"Size\"", "\"FillType\": \"BinaryRaw\", \"Size\"",
         "'BinaryRaw'"},
        {"ProblemSize[0] + 0*max(WG)", "ProblemSize[1]", "no such place"},
        {"ProblemSize[0] + 0*max(WG)", "0 - max(WG)", "not within"},
        {"ProblemSize[0] + 0*max(WG)", "10**18", "not within"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *space = own_space("[0]", 0), *at = strstr(space, cases[i].from);
        const struct family *family;
        cr_assert_not_null(at, "%s", cases[i].from);
        char *changed = text_format("%.*s%s%s", (int)(at - space), space, cases[i].to,
                                    at + strlen(cases[i].from));
        const struct t1_source source = {.path = "a.json", .space = changed, .kernel = own_kernel};
        const enum status st = t1_lend(&source, &family, NULL, &err);
        cr_expect(st == STATUS_INVALID || st == STATUS_UNSUPPORTED, "%s: %d", cases[i].to, (int)st);
        cr_expect(strstr(err.text, "a.json") && strstr(err.text, cases[i].why),
                  "\"%s\" does not say \"%s\"", err.text, cases[i].why);
        free(changed);
        free(space);
    }
}

/* Every file that is cut short or has one byte changed is read or refused. */
Test(t1_read, damaged_files_never_harm) {
    static const char marks[] = "{}[]\",:0-9x";
    char *space = own_space("[0]", 0);
    const size_t n = strlen(space);
    size_t taken = 0, refused = 0;
    for (size_t at = 0; at < n; at++)
        for (size_t m = at % 3; m < sizeof marks; m += 3) {
            const char before = space[at];
            const struct family *family;
            space[at] = marks[m];
            const struct t1_source source = {.path = "a", .space = space, .kernel = own_kernel};
            if (t1_lend(&source, &family, NULL, &err) == OK) taken++;
            else refused++;
            space[at] = before;
        }
    cr_log_info("checked %zu damaged files: %zu mean something, %zu are refused", taken + refused,
                taken, refused);
    cr_assert(taken > 100 && refused > 1000);
    t1_return();
    free(space);
}

Test(t1_read, real_files_are_read_as_far_as_they_are_opencl) {
    static const struct {
        const char *name, *why;
    } files[] = {{"tuning/gemm_milo.json", "block_size_x"}, {"tuning/test_T1_input.json", "CUDA"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const struct family *family;
        char *text;
        size_t size;
        cr_assert_eq(path_read(test_data(files[i].name), 1 << 20, &text, &size, &err), OK);
        const struct t1_source source = {.path = "a", .space = text, .kernel = ""};
        cr_expect_neq(t1_lend(&source, &family, NULL, &err), OK);
        cr_expect(strstr(err.text, files[i].why), "%s", err.text);
        free(text);
    }
}

/* A word of JSON by a shorter one and blanks. */
static void overwrite(char *at, const char *from, const char *to) {
    for (; *from; from++, at++) *at = *to ? *to++ : ' ';
}

/* CLBlast's space, with the group sizes that the file forgot: as many points as Python's eval leaves of 663,552. */
Test(t1_read, a_published_space_has_as_many_points_as_python_counts) {
    struct device *device = NULL;
    struct space space;
    const struct family *family;
    char *text;
    size_t size;
    if (device_open("0", &device, &err) != OK) cr_skip_test("%s", err.text);
    cr_assert_eq(path_read(test_data("tuning/gemm_milo.json"), 1 << 20, &text, &size, &err), OK);
    char *x = strstr(text, "\"block_size_x\""), *y = strstr(text, "\"block_size_y\"");
    cr_assert(x && y);
    overwrite(x, "\"block_size_x\"", "\"MDIMC\"");
    overwrite(y, "\"block_size_y\"", "\"NDIMC\"");
    const struct t1_source source = {.path = "a", .space = text, .kernel = ""};
    cr_assert_eq(t1_lend(&source, &family, NULL, &err), OK, "%s", err.text);
    const struct problem problem = own_problem(family);
    cr_assert_eq(space_open(device, &problem, NULL, NULL, 0, &space, &err), OK, "%s", err.text);
    cr_expect_eq(space.n, 116928, "%zu", space.n);
    space_close(&space);
    device_close(device);
    t1_return();
    free(text);
}
