/* program.c: programs from source or from the cache folder, kernels and their arguments, launches.
 *
 * The cache keeps what clGetProgramInfo calls the binary after the first launch. The file opens
 * with the whole key in text and a checksum: a file that belongs to something else or is damaged is
 * ignored, and one that the driver refuses falls back to the source.
 *
 * Worth it also where the driver has a cache of its own: with PoCL 3.1 on two Xeon cores a small
 * program takes 630 ms from source and 100 ms more at its first launch, 27 ms from PoCL's cache and
 * 2.4 ms from its binary, whose first launch takes 0.5 ms (it holds the machine code of the
 * geometries that had been launched when it was kept; others are made at their first launch). */
#include "base/clock.h"
#include "base/hash.h"
#include "base/path.h"
#include "base/str.h"
#include "device/opencl.h"
#include "device/program.h"
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_BINARY = 256 << 20, /* bytes of a binary that is believed */
    MAX_ARGUMENTS = 1024,   /* of a kernel; 4 KiB of them are what the largest devices take */
    LOG_LINES = 20,         /* of the compiler's log in a failure */
    LOG_BYTES = 1300,       /* what an error has room for */
};

/* What an argument was last set to; setting the same again is skipped, because a token of a model
 * is hundreds of launches whose operands stay. */
struct slot {
    int kind;       /* enum argument_kind; −1: never set */
    uint64_t value; /* bits of the number, or the serial of the arena or image */
};

struct kernel {
    struct program *program;
    struct kernel *next;
    cl_kernel handle;
    cl_uint slot_count;
    struct slot *slots;
    char name[];
};

struct program {
    struct device *device;
    cl_program handle;
    struct kernel *kernels;
    char *name;
    char *key;  /* the head of its cache file: everything that the binary depends on */
    char *file; /* in the cache folder; NULL when there is none */
    int64_t build_ns;
    bool from_cache, kept;
};

/* "OpenCL C 1.2 …" -> 102 */
static int c_version(const struct device *device) {
    int major = 0, minor = 0;
    if (sscanf(device->info.c_version, "OpenCL C %4d.%4d", &major, &minor) != 2) return 0;
    return major * 100 + minor;
}

/* The caller's options and -cl-std=CL1.2 unless they name a standard. The caller frees. */
static char *options_complete(const struct device *device, const char *options) {
    if (!options) options = "";
    bool is_ours = !strstr(options, "-cl-std=") && c_version(device) >= 102;
    return text_format("%s%s%s", options, is_ours && *options ? " " : "",
                       is_ours ? "-cl-std=CL1.2" : "");
}

static char *key_text(const struct device *device, const char *source, const char *options) {
    char source_hash[17];
    hash_hex(hash_text(hash_start(), source), source_hash);
    return text_format("hone program 1\n%s\n%s\n%s\nsource %s %zu\n", device->info.model_key,
                       device->info.version_key, options, source_hash, strlen(source));
}

/* The line between key and binary. */
static char *seal_text(const void *binary, size_t size) {
    char sum[17];
    hash_hex(hash_bytes(hash_start(), binary, size), sum);
    return text_format("binary %s %zu\n", sum, size);
}

/* The binary within a cache file; NULL when the file is not this program's or is damaged. */
static const unsigned char *unseal(const char *bytes, size_t size, const char *key,
                                   size_t *binary_size) {
    size_t key_size = strlen(key);
    if (size < key_size || memcmp(bytes, key, key_size) != 0) return NULL;
    const char *line = bytes + key_size;
    const char *end = memchr(line, '\n', size - key_size);
    if (!end) return NULL;
    const char *binary = end + 1;
    *binary_size = size - (size_t)(binary - bytes);
    char *seal = seal_text(binary, *binary_size);
    bool is_whole = strlen(seal) == (size_t)(binary - line) &&
                    memcmp(seal, line, strlen(seal)) == 0 && *binary_size > 0;
    free(seal);
    return is_whole ? (const unsigned char *)binary : NULL;
}

/* Load the binary from the cache folder: whether that worked. */
static bool program_restore(struct program *program, const char *options) {
    char *bytes = NULL;
    size_t size = 0, binary_size = 0;
    if (!program->file) return false;
    if (path_read(program->file, MAX_BINARY, &bytes, &size, NULL) != OK) return false;
    const unsigned char *binary = unseal(bytes, size, program->key, &binary_size);
    if (binary) {
        struct device *device = program->device;
        cl_int code, loaded = CL_SUCCESS;
        cl_program handle = clCreateProgramWithBinary(device->context, 1, &device->id, &binary_size,
                                                      &binary, &loaded, &code);
        bool works = handle && code == CL_SUCCESS && loaded == CL_SUCCESS &&
                     clBuildProgram(handle, 1, &device->id, options, NULL, NULL) == CL_SUCCESS;
        if (works) program->handle = handle;
        else if (handle) clReleaseProgram(handle);
    }
    free(bytes);
    return program->handle != NULL;
}

/* The compiler's log without control characters but newlines. The caller frees. */
static char *build_log(const struct program *program) {
    size_t size = 0;
    cl_device_id id = program->device->id;
    clGetProgramBuildInfo(program->handle, id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    if (size > MAX_BINARY) size = 0;
    char *log = memory_new(size + 1);
    if (clGetProgramBuildInfo(program->handle, id, CL_PROGRAM_BUILD_LOG, size, log, NULL) !=
        CL_SUCCESS)
        log[0] = 0;
    for (char *c = log; *c; c++)
        if ((unsigned char)*c < ' ' && *c != '\n') *c = ' ';
    return log;
}

/* The number N of the first ":N:M:" within a line; 0: none. */
static int line_position(const char *line, size_t length) {
    for (size_t i = 0; i < length; i++) {
        int number = 0, column = 0, end = 0;
        if (line[i] != ':' || !isdigit((unsigned char)line[i + 1])) continue;
        if (sscanf(line + i, ":%8d:%8d:%n", &number, &column, &end) == 2 && end > 0) return number;
    }
    return 0;
}

/* The source line that the log's first error points at: "<kernel>:2:13: error: …" (NVIDIA, clang),
 * "error: file.cl:2:13: …" (PoCL); 0: none. */
static int log_line_number(const char *log) {
    for (const char *line = log; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t length = strcspn(line, "\n");
        const char *error = strstr(line, "error:");
        if (!error || error >= line + length) continue;
        int number = line_position(line, length);
        if (number > 0) return number;
    }
    return 0;
}

/* Append "source line N: text". */
static void add_source_line(struct str *s, const char *source, int number) {
    for (int i = 1; i < number && source; i++) {
        source = strchr(source, '\n');
        if (source) source++;
    }
    if (!source || number < 1) return;
    size_t length = strcspn(source, "\n");
    str_addf(s, "\nsource line %d: %.*s", number, (int)(length < 200 ? length : 200), source);
}

static enum status fail_build(const struct program *program, const char *source,
                              const char *options, cl_int code, struct error *err) {
    char *log = build_log(program);
    struct str s = {0};
    size_t end = 0;
    for (int lines = 0; log[end] && lines < LOG_LINES && end < LOG_BYTES; end++)
        lines += log[end] == '\n';
    while (end > 0 && isspace((unsigned char)log[end - 1])) end--;
    str_add_bytes(&s, log, end);
    add_source_line(&s, source, log_line_number(log));
    enum status st =
        fail(err, opencl_status(STATUS_BUILD, code),
             "%.100s does not compile with \"%.300s\" (%s):\n%s", program->name, options,
             device_error_symbol(code), s.length ? str_text(&s) : "the compiler gives no log");
    str_free(&s);
    free(log);
    return st;
}

static enum status program_compile(struct program *program, const char *source, const char *options,
                                   struct error *err) {
    struct device *device = program->device;
    cl_int code;
    program->handle = clCreateProgramWithSource(device->context, 1, &source, NULL, &code);
    if (!program->handle)
        return opencl_fail(err, STATUS_BUILD, code, "making a program of %s", program->name);
    code = clBuildProgram(program->handle, 1, &device->id, options, NULL, NULL);
    return code == CL_SUCCESS ? OK : fail_build(program, source, options, code, err);
}

enum status program_build(struct device *device, const char *name, const char *source,
                          const char *options, struct program **out, struct error *err) {
    char *all_options = options_complete(device, options);
    struct program *program = memory_new(sizeof *program);
    enum status st = OK;
    *out = NULL;
    program->device = device;
    program->name = text_copy(name);
    program->key = key_text(device, source, all_options);
    program->file = path_cache_keyed("programs", program->key, "");
    device->program_count++;
    int64_t start_ns = clock_now_ns();
    program->from_cache = program_restore(program, all_options);
    if (!program->from_cache) st = program_compile(program, source, all_options, err);
    program->build_ns = clock_now_ns() - start_ns;
    if (st == OK) *out = program;
    else program_close(program);
    free(all_options);
    return st;
}

void program_close(struct program *program) {
    if (!program) return;
    for (struct kernel *kernel = program->kernels, *next; kernel; kernel = next) {
        next = kernel->next;
        clReleaseKernel(kernel->handle);
        free(kernel->slots);
        free(kernel);
    }
    if (program->handle) clReleaseProgram(program->handle);
    program->device->program_count--;
    free(program->name);
    free(program->key);
    free(program->file);
    free(program);
}

enum status program_kernel(struct program *program, const char *entry, struct kernel **out,
                           struct error *err) {
    *out = NULL;
    for (struct kernel *kernel = program->kernels; kernel; kernel = kernel->next)
        if (strcmp(kernel->name, entry) == 0) return *out = kernel, OK;
    cl_int code;
    cl_kernel handle = clCreateKernel(program->handle, entry, &code);
    if (!handle)
        return opencl_fail(err, STATUS_BUILD, code, "%s has no kernel %s", program->name, entry);
    cl_uint slot_count = 0;
    code = clGetKernelInfo(handle, CL_KERNEL_NUM_ARGS, sizeof slot_count, &slot_count, NULL);
    if (code != CL_SUCCESS || slot_count > MAX_ARGUMENTS) {
        clReleaseKernel(handle);
        return opencl_fail(err, STATUS_BUILD, code,
                           "counting the arguments of kernel %s of %s (%u)", entry, program->name,
                           slot_count);
    }
    struct kernel *kernel = memory_new(sizeof *kernel + strlen(entry) + 1);
    memcpy(kernel->name, entry, strlen(entry) + 1);
    kernel->program = program;
    kernel->handle = handle;
    kernel->slot_count = slot_count;
    kernel->slots = memory_new((kernel->slot_count + 1) * sizeof *kernel->slots);
    for (cl_uint i = 0; i < kernel->slot_count; i++) kernel->slots[i].kind = -1;
    kernel->next = program->kernels;
    program->kernels = kernel;
    *out = kernel;
    return OK;
}

int64_t program_build_ns(const struct program *program, bool *from_cache) {
    if (from_cache) *from_cache = program->from_cache;
    return program->build_ns;
}

/* The driver's binary. The caller frees; NULL when there is none. */
static unsigned char *program_binary(const struct program *program, size_t *size) {
    *size = 0;
    if (clGetProgramInfo(program->handle, CL_PROGRAM_BINARY_SIZES, sizeof *size, size, NULL) !=
            CL_SUCCESS ||
        *size == 0 || *size > MAX_BINARY)
        return NULL;
    unsigned char *binary = malloc(*size);
    if (binary && clGetProgramInfo(program->handle, CL_PROGRAM_BINARIES, sizeof binary, &binary,
                                   NULL) == CL_SUCCESS)
        return binary;
    free(binary);
    return NULL;
}

void program_keep(struct program *program) {
    size_t size;
    if (program->kept || program->from_cache || !program->file) return;
    program->kept = true;
    /* PoCL 3.1 compiles once more for the binary, and then takes that code for the one that a launch
     * under way holds: "pocl_release_dlhandle_cache: found->ref_count > 0". */
    if (clFinish(program->device->queue) != CL_SUCCESS) return;
    unsigned char *binary = program_binary(program, &size);
    if (!binary) return;
    struct str s = {0};
    char *seal = seal_text(binary, size);
    str_add(&s, program->key);
    str_add(&s, seal);
    str_add_bytes(&s, binary, size);
    if (path_make_parent(program->file, NULL) == OK)
        path_write(program->file, s.text, s.length, NULL);
    str_free(&s);
    free(seal);
    free(binary);
}

static enum status fail_argument(const struct kernel *kernel, cl_uint at, cl_int code,
                                 struct error *err) {
    return opencl_fail(err, STATUS_LAUNCH, code, "argument %u of kernel %s of %s", at, kernel->name,
                       kernel->program->name);
}

/* Set one of OpenCL's arguments unless it has this value already. */
static cl_int slot_set(struct kernel *kernel, cl_uint at, struct slot want, size_t size,
                       const void *value) {
    if (at >= kernel->slot_count) return CL_INVALID_ARG_INDEX;
    struct slot *slot = &kernel->slots[at];
    if (slot->kind == want.kind && slot->value == want.value) return CL_SUCCESS;
    cl_int code = clSetKernelArg(kernel->handle, at, size, value);
    *slot = code == CL_SUCCESS ? want : (struct slot){.kind = -1};
    return code;
}

static cl_int view_set(struct kernel *kernel, cl_uint at, struct view view) {
    cl_mem buffer = view.arena ? view.arena->buffer : NULL;
    cl_ulong offset = view.offset;
    struct slot pointer = {ARGUMENT_VIEW, view.arena ? view.arena->serial : 0};
    struct slot number = {ARGUMENT_VIEW, offset};
    cl_int code = slot_set(kernel, at, pointer, sizeof buffer, &buffer);
    return code != CL_SUCCESS ? code : slot_set(kernel, at + 1, number, sizeof offset, &offset);
}

static cl_int buffer_set(struct kernel *kernel, cl_uint at, struct view view) {
    cl_int code;
    const struct part *part = view_part_buffer(view, &code);
    if (!part) return code;
    return slot_set(kernel, at, (struct slot){ARGUMENT_BUFFER, part->serial}, sizeof part->buffer,
                    &part->buffer);
}

static cl_int argument_set(struct kernel *kernel, cl_uint at, const struct argument *a) {
    assert(a->kind != ARGUMENT_IMAGE || a->image);
    uint32_t bits = 0;
    size_t local_bytes = a->local_bytes ? a->local_bytes : 16;
    switch (a->kind) {
    case ARGUMENT_VIEW: return view_set(kernel, at, a->view);
    case ARGUMENT_INT:
        return slot_set(kernel, at, (struct slot){a->kind, (uint32_t)a->i}, sizeof a->i, &a->i);
    case ARGUMENT_FLOAT:
        memcpy(&bits, &a->f, sizeof bits);
        return slot_set(kernel, at, (struct slot){a->kind, bits}, sizeof a->f, &a->f);
    case ARGUMENT_IMAGE:
        return slot_set(kernel, at, (struct slot){a->kind, a->image->serial},
                        sizeof a->image->image, &a->image->image);
    case ARGUMENT_LOCAL:
        return slot_set(kernel, at, (struct slot){a->kind, local_bytes}, local_bytes, NULL);
    case ARGUMENT_NUMBER:
        return slot_set(kernel, at, (struct slot){a->kind, a->number.bits}, a->number.bytes,
                        &a->number.bits);
    case ARGUMENT_BUFFER: return buffer_set(kernel, at, a->view);
    }
    return CL_INVALID_ARG_VALUE;
}

enum status kernel_set(struct kernel *kernel, const struct argument *arguments, size_t n,
                       struct error *err) {
    cl_uint at = 0;
    for (size_t i = 0; i < n; i++) {
        cl_int code = argument_set(kernel, at, &arguments[i]);
        if (code != CL_SUCCESS) return fail_argument(kernel, at, code, err);
        at += arguments[i].kind == ARGUMENT_VIEW ? 2 : 1;
    }
    if (at == kernel->slot_count) return OK;
    return fail(err, STATUS_LAUNCH, "kernel %s of %s takes %u arguments, not %u", kernel->name,
                kernel->program->name, kernel->slot_count, at);
}

/* Later OpenCL would run ragged work-groups; our kernels are not written for them. */
static cl_int geometry_check(const struct launch *launch) {
    for (int i = 0; i < 3; i++) {
        if (launch->global[i] == 0) return CL_INVALID_GLOBAL_WORK_SIZE;
        if (launch->local[i] == 0 || launch->global[i] % launch->local[i] != 0)
            return CL_INVALID_WORK_GROUP_SIZE;
    }
    return CL_SUCCESS;
}

enum status launch_enqueue(struct device *device, const struct launch *launch, struct error *err) {
    const size_t *g = launch->global, *l = launch->local;
    cl_uint dimensions = g[2] > 1 ? 3 : g[1] > 1 ? 2 : 1;
    cl_int code = geometry_check(launch);
    if (code == CL_SUCCESS)
        code = clEnqueueNDRangeKernel(device->queue, launch->kernel->handle, dimensions, NULL, g, l,
                                      0, NULL, series_event(device));
    if (code == CL_SUCCESS) return OK;
    return opencl_fail(err, STATUS_LAUNCH, code,
                       "kernel %s of %s as %zu×%zu×%zu work-items in groups of %zu×%zu×%zu",
                       launch->kernel->name, launch->kernel->program->name, g[0], g[1], g[2], l[0],
                       l[1], l[2]);
}
