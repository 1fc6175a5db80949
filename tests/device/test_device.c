/* test_device.c: devices, memory, programs, launches and their time, on the first device here. */
#include "device/device.h"
#include "base/path.h"
#include "base/str.h"
#include "device/opencl.h"
#include "device/program.h"
#include "tests/support.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* y[i] = 2·x[i] + n + N */
static const char twice[] = "__kernel void twice(__global const float *x, ulong x_at,\n"
                            "                    __global float *y, ulong y_at, int n) {\n"
                            "    size_t i = get_global_id(0);\n"
                            "    y[y_at / 4 + i] = 2 * x[x_at / 4 + i] + n + N;\n"
                            "}\n";
enum { COUNT = 1024, BYTES = 4 * COUNT };

static struct error err;

/* A fresh cache folder for every test; programs of other tests must not answer. */
static void fresh_cache(void) {
    setenv("XDG_CACHE_HOME", test_folder(), 1);
}

TestSuite(device, .init = fresh_cache, .timeout = 120);

static struct device *need_device(void) {
    struct device *device = NULL;
    if (device_open(NULL, &device, &err) != OK) cr_skip_test("%s", err.text);
    return device;
}

#define must(call) cr_assert_eq(call, OK, "%s", err.text)

/* The operands of `twice`: x = 0, 1, 2 …, and the program built with N. */
struct bench {
    struct device *device;
    struct arena *arena;
    struct view x, y;
    struct program *program;
    struct kernel *kernel;
};

static void bench_build(struct bench *b, const char *options) {
    must(program_build(b->device, "twice.cl", twice, options, &b->program, &err));
    must(program_kernel(b->program, "twice", &b->kernel, &err));
}

static struct bench bench_open(void) {
    struct bench b = {.device = need_device()};
    float x[COUNT];
    for (int i = 0; i < COUNT; i++) x[i] = (float)i;
    must(arena_open(b.device, 4 * BYTES, &b.arena, &err));
    must(arena_take(b.arena, BYTES, &b.x, &err));
    must(arena_take(b.arena, BYTES, &b.y, &err));
    must(view_write(b.x, 0, x, BYTES, &err));
    bench_build(&b, "-DN=3");
    return b;
}

static void bench_close(struct bench *b) {
    program_close(b->program);
    arena_close(b->arena);
    device_close(b->device);
}

static enum status bench_set(struct bench *b, struct view x, int n) {
    struct argument arguments[] = {{.kind = ARGUMENT_VIEW, .view = x},
                                   {.kind = ARGUMENT_VIEW, .view = b->y},
                                   {.kind = ARGUMENT_INT, .i = n}};
    return kernel_set(b->kernel, arguments, 3, &err);
}

static enum status bench_launch(struct bench *b, size_t local) {
    struct launch launch = {b->kernel, {COUNT, 1, 1}, {local, 1, 1}};
    return launch_enqueue(b->device, &launch, &err);
}

static void bench_expect(struct bench *b, float slope, float start) {
    float y[COUNT];
    must(view_read(b->y, 0, y, BYTES, &err));
    for (int i = 0; i < COUNT; i++)
        cr_assert_eq(y[i], slope * (float)i + start, "y[%d] = %g", i, y[i]);
}

Test(device, list_describes_and_keys) {
    struct device_info *list;
    size_t n;
    if (device_list(&list, &n, &err) != OK) cr_skip_test("%s", err.text);
    for (size_t i = 0; i < n; i++) {
        const struct device_info *info = &list[i];
        int bars = 0;
        for (const char *c = info->model_key; *c; c++) {
            bars += *c == '|';
            cr_assert(*c >= ' ' && *c < 127);
        }
        cr_assert_eq(bars, 5, "%s", info->model_key);
        cr_assert(strstr(info->model_key, info->name));
        cr_assert(strstr(info->version_key, info->driver));
        cr_assert_null(strstr(info->model_key, "LLVM 1"), "a version in the model key");
        cr_assert(info->name[0] && info->compute_units > 0 && info->max_work_group > 0);
        cr_assert(info->global_bytes >= info->max_alloc_bytes && info->max_alloc_bytes > 0);
        cr_assert(info->cache_bytes > 0 && info->local_bytes > 0);
        cr_assert(i == 0 || list[i - 1].type != DEVICE_CPU || info->type == DEVICE_CPU);
        if (info->type == DEVICE_CPU) cr_assert(info->architecture[0]);
    }
    device_list_free(list, n);
}

Test(device, known_by_its_key) {
    static const struct {
        const char *selector, *key, *words; /* key NULL: its own */
    } told[] = {
        {"0", NULL, ""}, {"0", "a|b|another||0|0", "not the one"}, {"99", NULL, "gone now"}};
    struct device *device = need_device();
    char key[512];
    snprintf(key, sizeof key, "%s", device_describe(device)->model_key);
    device_close(device);
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        const char *asked = told[i].key ? told[i].key : key;
        const enum status st = device_open_known(told[i].selector, asked, &device, &err);
        cr_assert_eq(st, i == 0 ? OK : STATUS_DEVICE, "%s", err.text);
        cr_assert(i == 0 ? device != NULL : device == NULL && strstr(err.text, told[i].words));
        device_close(device);
    }
}

/* What a child tells is what this process would have found, to the last member. */
Test(device, list_of_a_child_is_whole) {
    struct found *told, *own;
    size_t n_told, n_own;
    if (devices_find(&own, &n_own, NULL, &err) != OK) cr_skip_test("%s", err.text);
    must(devices_ask(&told, &n_told, &err));
    cr_assert_eq(n_told, n_own);
    for (size_t i = 0; i < n_own; i++) {
        char *extensions = own[i].info.extensions;
        cr_assert_str_eq(told[i].info.extensions, extensions);
        own[i].info.extensions = told[i].info.extensions;
        cr_assert_eq(memcmp(&told[i].info, &own[i].info, sizeof own[i].info), 0);
        own[i].info.extensions = extensions;
    }
    devices_free(told, n_told);
    devices_free(own, n_own);
}

/* /bin/false stands for a driver that ends the process, /bin/true for one that says nothing. */
Test(device, a_child_that_dies_is_a_driver_that_fails) {
    static const char *const programs[] = {"/bin/false", "/bin/true", "/no/such/program"};
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        struct device_info *list = NULL;
        struct device *device = NULL;
        size_t n = 1;
        setenv("HONE_PROGRAM", programs[i], 1);
        cr_assert_eq(device_list(&list, &n, &err), STATUS_DEVICE);
        cr_assert(n == 0 && !list);
        cr_assert(strstr(err.text, "the OpenCL drivers") && strstr(err.text, "OCL_ICD_VENDORS"),
                  "%s", err.text);
        cr_assert_eq(device_open_described(NULL, &device, &err), STATUS_DEVICE);
        cr_assert_null(device);
    }
}

Test(device, tries_whether_it_opens) {
    struct device *device = NULL;
    const char *program = getenv("HONE_PROGRAM");
    if (!program || !*program) cr_skip_test("HONE_PROGRAM names no program");
    if (device_open_described(NULL, &device, &err) != OK) cr_skip_test("%s", err.text);
    must(device_try(device, &err));
    setenv("HONE_PROGRAM", "/bin/false", 1);
    cr_assert_eq(device_try(device, &err), STATUS_CRASHED);
    device_close(device);
}

Test(device, selector_by_number_or_part_of_a_name) {
    struct device *device = need_device();
    char name[256];
    snprintf(name, sizeof name, "%s", device_describe(device)->name);
    device_close(device);
    must(device_open("0", &device, &err));
    cr_assert_eq(device_index(device), 0);
    cr_assert(device_has(device, FEATURE_NONE));
    device_set_features(device, 1u << FEATURE_images);
    cr_assert(device_has(device, FEATURE_images) && !device_has(device, FEATURE_fp16));
    device_close(device);
    for (char *c = name; *c; c++) *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
    must(device_open_bare(name, &device, &err));
    device_close(device);
    cr_assert_eq(device_open("999", &device, &err), STATUS_USAGE);
    cr_assert_null(device);
    cr_assert_eq(device_open("no such thing", &device, &err), STATUS_USAGE);
    cr_assert(strstr(err.text, "no such thing") && strstr(err.text, "0: "), "%s", err.text);
}

Test(device, no_driver_is_a_sentence_with_a_package) {
    struct device *device;
    setenv("OCL_ICD_VENDORS", test_folder(), 1);
    cr_assert_eq(device_open(NULL, &device, &err), STATUS_DEVICE);
    cr_assert(strstr(err.text, "pocl-opencl-icd"), "%s", err.text);
    cr_assert(strstr(err.text, "OCL_ICD_VENDORS"), "%s", err.text);
}

Test(device, driver_text_is_tamed) {
    char text[] = " a|b\n\tc \x01\xff \x7f";
    text_tame(text);
    cr_assert_str_eq(text, "a/b c ?");
    char blank[] = " \n ";
    text_tame(blank);
    cr_assert_str_eq(blank, "");
}

Test(device, error_symbols) {
    cr_assert_str_eq(device_error_symbol(-54), "CL_INVALID_WORK_GROUP_SIZE");
    cr_assert_str_eq(device_error_symbol(-5), "CL_OUT_OF_RESOURCES");
    cr_assert(strlen(device_error_symbol(12345)) > 0);
}

Test(device, arenas_and_views) {
    struct device *device = need_device();
    struct arena *arena, *huge;
    struct view a, b, c;
    uint32_t words[64];
    must(arena_open(device, 3000, &arena, &err));
    cr_assert_geq(arena_bytes(arena), 3000);
    must(arena_take(arena, 100, &a, &err));
    must(arena_take(arena, 256, &b, &err));
    cr_assert_eq(a.offset, 0);
    cr_assert_eq(b.offset, VIEW_ALIGN);
    cr_assert_eq(arena_take(arena, 1 << 20, &c, &err), STATUS_NOMEM);
    cr_assert_null(c.arena);
    must(view_fill(b, 0, 0x01020304, 256, &err));
    must(view_fill(b, 4, 7, 4, &err));
    must(view_copy(b, 0, a, 0, 96, &err));
    must(view_read(a, 0, words, 96, &err));
    cr_assert(words[0] == 0x01020304 && words[1] == 7 && words[23] == 0x01020304);
    must(view_write(view_part(b, 8, 8), 4, "abcd", 4, &err));
    must(view_read(b, 12, words, 4, &err));
    cr_assert_arr_eq(words, "abcd", 4);
    cr_assert_eq(arena_open(device, SIZE_MAX / 2, &huge, &err), STATUS_NOMEM);
    cr_assert_null(huge);
    cr_assert(strstr(err.text, "GiB"), "%s", err.text);
    arena_close(arena);
    arena_close(NULL);
    device_close(device);
}

Test(device, images_are_read_exactly) {
    struct device *device = need_device();
    struct program *program;
    struct arena *arena;
    struct image *image;
    struct view in, out;
    float texels[4 * 4 * 4], got[4 * 4 * 4];
    static const char source[] =
        "__kernel void texels(__read_only image2d_t image, __global float4 *out, ulong at) {\n"
        "    const sampler_t s = CLK_NORMALIZED_COORDS_FALSE | CLK_FILTER_NEAREST;\n"
        "    int x = get_global_id(0), y = get_global_id(1);\n"
        "    out[at / 16 + y * 4 + x] = read_imagef(image, s, (int2)(x, y));\n"
        "}\n";
    if (device_describe(device)->image_width == 0) {
        device_close(device);
        cr_skip_test("the device has no images");
    }
    for (int i = 0; i < 64; i++) texels[i] = (float)i / 3;
    must(arena_open(device, 4096, &arena, &err));
    must(arena_take(arena, sizeof texels, &in, &err));
    must(arena_take(arena, sizeof texels, &out, &err));
    must(view_write(in, 0, texels, sizeof texels, &err));
    must(image_open(device, TEXEL_FLOAT4, 4, 4, &image, &err));
    must(image_load(image, in, &err));
    must(program_build(device, "texels.cl", source, "", &program, &err));
    struct launch launch = {.global = {4, 4, 1}, .local = {4, 1, 1}};
    struct argument arguments[] = {{.kind = ARGUMENT_IMAGE, .image = image},
                                   {.kind = ARGUMENT_VIEW, .view = out}};
    must(program_kernel(program, "texels", &launch.kernel, &err));
    must(kernel_set(launch.kernel, arguments, 2, &err));
    must(launch_enqueue(device, &launch, &err));
    must(view_read(out, 0, got, sizeof got, &err));
    cr_assert_arr_eq(got, texels, sizeof got);
    image_close(image);
    cr_assert_eq(image_open(device, TEXEL_UINT4, 1u << 30, 1, &image, &err), STATUS_NOMEM);
    program_close(program);
    arena_close(arena);
    device_close(device);
}

Test(device, build_failure_shows_log_options_and_line) {
    struct device *device = need_device();
    struct program *program;
    static const char source[] = "__kernel void a(int x) {\n    int wrong = x +;\n}\n";
    cr_assert_eq(program_build(device, "bad.cl", source, "-DWHY=7", &program, &err), STATUS_BUILD);
    cr_assert_null(program);
    cr_assert(strstr(err.text, "bad.cl") && strstr(err.text, "-DWHY=7"), "%s", err.text);
    cr_assert(strstr(err.text, "expression"), "%s", err.text);
    cr_assert(strstr(err.text, "source line 2:     int wrong = x +;"), "%s", err.text);
    device_close(device);
}

Test(device, launches_compute) {
    struct bench b = bench_open();
    must(bench_set(&b, b.x, 5));
    must(bench_launch(&b, 64));
    bench_expect(&b, 2, 8);
    must(bench_set(&b, b.x, 6));
    must(bench_launch(&b, 32));
    bench_expect(&b, 2, 9);
    struct kernel *same;
    must(program_kernel(b.program, "twice", &same, &err));
    cr_assert_eq(same, b.kernel);
    cr_assert_neq(program_kernel(b.program, "thrice", &same, &err), OK);
    cr_assert(strstr(err.text, "thrice"), "%s", err.text);
    cr_assert(strstr(err.text, "CL_INVALID_KERNEL_NAME"), "%s", err.text);
    bench_close(&b);
}

/* No operand is a NULL pointer in the kernel. */
Test(device, a_view_of_nothing_is_null) {
    struct bench b = bench_open();
    struct program *program;
    struct launch launch = {.global = {1, 1, 1}, .local = {1, 1, 1}};
    int32_t got;
    static const char source[] =
        "__kernel void told(__global const float *x, ulong x_at, __global int *y, ulong y_at) {\n"
        "    y[y_at / 4] = x ? 1 : 2;\n"
        "}\n";
    must(program_build(b.device, "told.cl", source, NULL, &program, &err));
    must(program_kernel(program, "told", &launch.kernel, &err));
    for (int i = 0; i < 4; i++) {
        struct view x = i % 2 ? b.x : (struct view){0};
        struct argument arguments[] = {{.kind = ARGUMENT_VIEW, .view = x},
                                       {.kind = ARGUMENT_VIEW, .view = b.y}};
        must(kernel_set(launch.kernel, arguments, 2, &err));
        must(launch_enqueue(b.device, &launch, &err));
        must(view_read(b.y, 0, &got, sizeof got, &err));
        cr_assert_eq(got, i % 2 ? 1 : 2);
    }
    program_close(program);
    bench_close(&b);
}

/* KiB of this process for which large pages were asked; -1: the system does not tell. */
static long asked_large_kib(void) {
    FILE *f = fopen("/proc/self/smaps", "re");
    char line[512];
    long total = 0, kib = 0;
    bool told = false;
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "Size: %ld kB", &kib) == 1) continue;
        if (strncmp(line, "VmFlags:", 8) != 0) continue;
        told = true;
        if (strstr(line, " hg")) total += kib;
    }
    if (f) fclose(f);
    return told ? total : -1;
}

Test(device, a_large_arena_of_a_host_asks_for_large_pages) {
    struct device *device = need_device();
    if (device_describe(device)->type != DEVICE_CPU || asked_large_kib() < 0 ||
        access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) != 0)
        cr_skip_test("checked where the device is the host, and the host tells");
    struct arena *small, *large;
    const long before = asked_large_kib();
    must(arena_open(device, 1 << 20, &small, &err));
    cr_assert_eq(asked_large_kib(), before);
    must(arena_open(device, 32 << 20, &large, &err));
    cr_assert_geq(asked_large_kib(), before + (28 << 10));
    arena_close(small);
    arena_close(large);
    device_close(device);
}

static struct arena *taken(struct arena_pool *pool, size_t bytes) {
    struct arena *arena;
    must(arena_pool_take(pool, bytes, &arena, &err));
    cr_assert_geq(arena_bytes(arena), bytes);
    return arena;
}

Test(device, a_pool_hands_on_what_fits_and_keeps_no_more_than_it_may) {
    struct device *device = need_device();
    struct arena_pool *pool = arena_pool_new(device, 64 << 10);
    struct arena *big = taken(pool, 40 << 10), *small = taken(pool, 16 << 10), *none;
    struct view view;
    must(arena_take(small, 16 << 10, &view, &err));
    arena_pool_give(pool, big);
    arena_pool_give(pool, small);
    cr_assert_eq(arena_pool_bytes(pool), 56 << 10);
    cr_assert_eq(taken(pool, 12 << 10), small, "the smallest that is large enough");
    must(arena_take(small, 16 << 10, &view, &err)); /* nothing is taken from it any more */
    struct arena *middle = taken(pool, 26 << 10);
    cr_assert_neq(middle, big, "40 KiB are more than half too much for 26");
    cr_assert_eq(arena_pool_bytes(pool), 40 << 10);
    arena_pool_give(pool, small);
    arena_pool_give(pool, middle); /* 40 + 16 + 26 are too much: what was given first goes */
    cr_assert_eq(arena_pool_bytes(pool), (16 + 26) << 10);
    arena_pool_give(pool, taken(pool, 65 << 10)); /* more than it may keep */
    arena_pool_give(pool, NULL);
    cr_assert_eq(arena_pool_bytes(pool), (16 + 26) << 10);
    cr_assert_eq(arena_open(device, SIZE_MAX / 2, &none, &err), STATUS_NOMEM);
    cr_assert_eq(arena_pool_bytes(pool), 0, "who finds no room gets what is kept");
    cr_assert_eq(arena_pool_bytes(NULL), 0);
    arena_pool_free(pool);
    arena_pool_free(NULL);
    device_close(device);
}

/* An arena that is closed and another opened in its place must not pass for the same operand. */
Test(device, arguments_follow_new_arenas) {
    struct bench b = bench_open();
    for (int i = 0; i < 3; i++) {
        struct arena *arena;
        struct view x;
        must(arena_open(b.device, BYTES, &arena, &err));
        must(arena_take(arena, BYTES, &x, &err));
        must(view_fill(x, 0, i ? 0x3f800000 : 0, BYTES, &err)); /* 1.0f */
        must(bench_set(&b, x, 0));
        must(bench_launch(&b, 64));
        bench_expect(&b, 0, i ? 5 : 3);
        arena_close(arena);
    }
    bench_close(&b);
}

/* Kernels of others take pointers to their first value, and numbers of any size. */
Test(device, buffers_and_numbers_for_kernels_without_views) {
    static const char source[] =
        "__kernel void plain(long n, __global const float *x, float a, __global float *y) {\n"
        "    y[get_global_id(0)] = a * x[get_global_id(0)] + n;\n"
        "}\n";
    struct device *device = need_device();
    struct arena *arena;
    struct program *program;
    struct launch launch = {.global = {4, 1, 1}, .local = {4, 1, 1}};
    float x[2][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}}, y[4], a = 0.5f;
    uint32_t a_bits;
    memcpy(&a_bits, &a, sizeof a);
    must(arena_open(device, 4 * BUFFER_ALIGN, &arena, &err));
    must(program_build(device, "plain.cl", source, "", &program, &err));
    must(program_kernel(program, "plain", &launch.kernel, &err));
    for (int round = 0; round < 6; round++) {
        const int at = round % 2;
        const struct view in = {arena, (size_t)at * BUFFER_ALIGN, sizeof x[0]};
        const struct view out = {arena, 3 * BUFFER_ALIGN, sizeof y};
        struct argument arguments[] = {
            {.kind = ARGUMENT_NUMBER,
             .number = {(uint64_t)((int64_t)-10 * round), sizeof(int64_t)}},
            {.kind = ARGUMENT_BUFFER, .view = in},
            {.kind = ARGUMENT_NUMBER, .number = {a_bits, sizeof a}},
            {.kind = ARGUMENT_BUFFER, .view = out}};
        must(view_write(in, 0, x[at], sizeof x[at], &err));
        must(kernel_set(launch.kernel, arguments, 4, &err));
        must(launch_enqueue(device, &launch, &err));
        must(view_read(out, 0, y, sizeof y, &err));
        for (int i = 0; i < 4; i++)
            cr_assert_eq(y[i], 0.5f * x[at][i] - 10 * (float)round, "round %d: %g", round, y[i]);
    }
    program_close(program);
    arena_close(arena);
    device_close(device);
}

Test(device, launch_refusals_have_symbols) {
    struct bench b = bench_open();
    must(bench_set(&b, b.x, 0));
    cr_assert_eq(bench_launch(&b, 3), STATUS_LAUNCH);
    cr_assert(strstr(err.text, "twice"), "%s", err.text);
    cr_assert(strstr(err.text, "CL_INVALID_WORK_GROUP_SIZE"), "%s", err.text);
    cr_assert_eq(bench_launch(&b, 0), STATUS_LAUNCH);
    struct launch huge = {b.kernel, {1 << 20, 1, 1}, {1 << 20, 1, 1}};
    cr_assert_eq(launch_enqueue(b.device, &huge, &err), STATUS_LAUNCH);
    cr_assert(strstr(err.text, "CL_"), "%s", err.text);
    struct argument one = {.kind = ARGUMENT_VIEW, .view = b.x};
    cr_assert_eq(kernel_set(b.kernel, &one, 1, &err), STATUS_LAUNCH);
    cr_assert(strstr(err.text, "takes 5 arguments, not 2"), "%s", err.text);
    bench_close(&b);
}

Test(device, time_is_positive_and_both_clocks_agree) {
    struct bench b = bench_open();
    struct timing timing;
    must(bench_set(&b, b.x, 0));
    must(bench_launch(&b, 64)); /* the first launch may compile */
    must(device_time_begin(b.device, &err));
    must(device_time_end(b.device, &timing, &err));
    cr_assert(isnan(timing.event_ns), "nothing was launched");
    must(device_time_begin(b.device, &err));
    for (int i = 0; i < 2000; i++) must(bench_launch(&b, 64));
    must(device_time_end(b.device, &timing, &err));
    cr_assert(timing.host_ns > 0);
    if (!isnan(timing.event_ns)) {
        cr_assert(timing.event_ns > 0 && timing.event_ns < 1.05 * timing.host_ns);
        cr_assert_gt(timing.event_ns, timing.host_ns / 10, "%g of %g ns", timing.event_ns,
                     timing.host_ns);
    }
    bench_close(&b);
}

/* The only file in the programs folder of this test's cache. Static memory. */
static const char *kept_file(void) {
    static char file[1024];
    char *folder = path_cache("programs");
    DIR *dir = opendir(folder);
    cr_assert_not_null(dir, "%s", folder);
    file[0] = 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.') snprintf(file, sizeof file, "%s/%s", folder, entry->d_name);
    closedir(dir);
    free(folder);
    return file;
}

static void run_again(struct bench *b, const char *options, bool want_cached, float start) {
    bool from_cache;
    program_close(b->program);
    bench_build(b, options);
    cr_assert_gt(program_build_ns(b->program, &from_cache), 0);
    cr_assert_eq(from_cache, want_cached);
    must(view_fill(b->y, 0, 0, BYTES, &err));
    must(bench_set(b, b->x, 0));
    must(bench_launch(b, 64));
    bench_expect(b, 2, start);
}

Test(device, binaries_come_from_the_cache) {
    struct bench b = bench_open();
    run_again(&b, "-DN=3", false, 3);
    program_keep(b.program);
    program_keep(b.program);
    run_again(&b, "-DN=3", true, 3);
    run_again(&b, "-DN=4", false, 4);
    bench_close(&b);
}

/* Flip one byte after another part of the file: never used, and built from source all the same. */
Test(device, damaged_binaries_are_not_used) {
    struct bench b = bench_open();
    run_again(&b, "-DN=3", false, 3);
    program_keep(b.program);
    const char *file = kept_file();
    char *bytes;
    size_t size;
    must(path_read(file, 1 << 28, &bytes, &size, &err));
    for (size_t at = 5; at < size; at += size / 3) {
        bytes[at] ^= 1;
        must(path_write(file, bytes, size, &err));
        run_again(&b, "-DN=3", false, 3);
        bytes[at] ^= 1;
    }
    must(path_write(file, bytes, size / 2, &err));
    run_again(&b, "-DN=3", false, 3);
    must(path_write(file, bytes, size, &err));
    run_again(&b, "-DN=3", true, 3);
    free(bytes);
    bench_close(&b);
}
