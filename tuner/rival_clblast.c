/* rival_clblast.c: CLBlast's SGEMM on the same device in a context of its own, as shipped or
 * with the parameters of a setting: "Xgemm GEMMK=1,MWG=64,…;GemmRoutine
 * XGEMM_MIN_INDIRECT_SIZE=0". With CL/cl.h for CLBlast's handles: rival_clblast*.* are the only
 * such files outside device/. The library is loaded when it is asked for, so that hone runs
 * without it. */
#include "base/str.h"
#include "tuner/rival_clblast_tuners.h"
#include "tuner/rival_sides.h"
#include <clblast_c.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEVICES = 64, PARAMETERS = 32 };

struct clblast {
    struct rival_request request;
    void *library;
    __typeof__(&CLBlastSgemm) sgemm;
    __typeof__(&CLBlastOverrideParameters) override;
    cl_device_id device;
    cl_context context;
    cl_command_queue queue;
    cl_mem *w, x, c;
};

static enum status load(struct clblast *s, struct error *err) {
    s->library = dlopen("libclblast.so.1", RTLD_NOW | RTLD_LOCAL);
    if (s->library) {
        s->sgemm = (__typeof__(s->sgemm))dlsym(s->library, "CLBlastSgemm");
        s->override = (__typeof__(s->override))dlsym(s->library, "CLBlastOverrideParameters");
    }
    return s->sgemm ? OK
                    : fail(err, STATUS_UNSUPPORTED,
                           "CLBlast is not there; install the Debian package "
                           "libclblast1");
}

/* The device with this platform's and this device's name. */
static cl_device_id find_device(const struct rival_request *request) {
    cl_platform_id platforms[DEVICES];
    cl_uint n_platforms = 0;
    clGetPlatformIDs(DEVICES, platforms, &n_platforms);
    for (cl_uint p = 0; p < n_platforms && p < DEVICES; p++) {
        char name[256] = "";
        cl_device_id devices[DEVICES];
        cl_uint n = 0;
        clGetPlatformInfo(platforms[p], CL_PLATFORM_NAME, sizeof name, name, NULL);
        if (strncmp(name, request->platform, sizeof request->platform - 1) != 0) continue;
        clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, DEVICES, devices, &n);
        for (cl_uint d = 0; d < n && d < DEVICES; d++) {
            clGetDeviceInfo(devices[d], CL_DEVICE_NAME, sizeof name, name, NULL);
            if (strncmp(name, request->device, sizeof request->device - 1) == 0) return devices[d];
        }
    }
    return NULL;
}

static cl_mem make_buffer(struct clblast *s, const float *values, size_t n, struct error *err) {
    cl_int code;
    cl_mem buffer = clCreateBuffer(s->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                   n * sizeof(float), (void *)values, &code);
    if (!buffer)
        fail(err, STATUS_NOMEM, "CLBlast: no buffer of %zu bytes (OpenCL error %d)",
             n * sizeof(float), code);
    return buffer;
}

static enum status make_operands(struct clblast *s, struct error *err) {
    const struct rival_request *r = &s->request;
    size_t w = (size_t)(r->m * r->k), x = (size_t)(r->n * r->k), c = (size_t)(r->m * r->n);
    size_t most = w > x ? w : x;
    most = most > c ? most : c;
    float *values = malloc(most * sizeof *values);
    if (!values) return fail(err, STATUS_NOMEM, "CLBlast: no memory for %zu values", most);
    rival_fill(values, most);
    s->w = memory_new((size_t)r->copies * sizeof *s->w);
    s->x = make_buffer(s, values, x, err);
    s->c = s->x ? make_buffer(s, values, c, err) : NULL;
    bool made = s->c != NULL;
    for (int i = 0; made && i < r->copies; i++)
        made = (s->w[i] = make_buffer(s, values, w, err)) != NULL;
    free(values);
    return made ? OK : STATUS_NOMEM;
}

static void clblast_close(void *state) {
    struct clblast *s = state;
    if (!s) return;
    for (int i = 0; s->w && i < s->request.copies; i++)
        if (s->w[i]) clReleaseMemObject(s->w[i]);
    free(s->w);
    if (s->x) clReleaseMemObject(s->x);
    if (s->c) clReleaseMemObject(s->c);
    if (s->queue) clReleaseCommandQueue(s->queue);
    if (s->context) clReleaseContext(s->context);
    free(s); /* the library stays: it has threads and caches of its own */
}

/* The library, and a queue for it. */
static enum status open_queue(struct clblast *s, struct error *err) {
    enum status st = load(s, err);
    if (st != OK) return st;
    s->device = find_device(&s->request);
    if (!s->device)
        return fail(err, STATUS_DEVICE, "CLBlast: the device %s is not there", s->request.device);
    s->context = clCreateContext(NULL, 1, &s->device, NULL, NULL, NULL);
    if (s->context) s->queue = clCreateCommandQueue(s->context, s->device, 0, NULL);
    return s->queue ? OK : fail(err, STATUS_DEVICE, "CLBlast: no queue on %s", s->request.device);
}

/* "KERNEL NAME=VALUE,NAME=VALUE", which is taken apart. */
static enum status override_kernel(struct clblast *s, char *text, struct error *err) {
    const char *names[PARAMETERS], *kernel = strsep(&text, " ");
    size_t values[PARAMETERS], n = 0;
    for (char *word; n < PARAMETERS && (word = strsep(&text, ",")); n++) {
        names[n] = strsep(&word, "=");
        values[n] = word ? strtoul(word, NULL, 10) : 0;
    }
    CLBlastStatusCode code =
        s->override(s->device, kernel, CLBlastPrecisionSingle, n, names, values);
    return code == CLBlastSuccess
               ? OK
               : fail(err, STATUS_INVALID, "CLBlast refuses parameters of %s (%d)", kernel,
                      (int)code);
}

static enum status apply_setting(struct clblast *s, struct error *err) {
    char text[RIVAL_SETTING], *rest = text;
    enum status st = OK;
    if (!*s->request.setting) return OK;
    if (!s->override)
        return fail(err, STATUS_UNSUPPORTED, "this CLBlast does not let its parameters be set");
    snprintf(text, sizeof text, "%s", s->request.setting);
    for (char *one; st == OK && (one = strsep(&rest, ";"));) st = override_kernel(s, one, err);
    return st;
}

static enum status clblast_open(const struct rival_request *request, void **state,
                                struct error *err) {
    struct clblast *s = memory_new(sizeof *s);
    s->request = *request;
    *state = s;
    enum status st = open_queue(s, err);
    if (st == OK) st = apply_setting(s, err);
    return st == OK ? make_operands(s, err) : st;
}

static enum status clblast_run_tuner(const struct rival_request *r, struct str *found,
                                     struct error *err) {
    struct clblast *s = memory_new(sizeof *s);
    s->request = *r;
    enum status st = open_queue(s, err);
    if (st == OK)
        st = clblast_tune(s->library, r->tuner, s->queue, (size_t)r->m, (size_t)r->n, (size_t)r->k,
                          1.0 / r->part, found, err);
    clblast_close(s);
    return st;
}

/* C by token: row-major C[N][M] = X[N][K] · W; by output: C[M][N] = W · X[K][N]. */
static enum status clblast_multiply(void *state, int way, int copy, struct error *err) {
    struct clblast *s = state;
    const struct rival_request *r = &s->request;
    const size_t m = (size_t)r->m, n = (size_t)r->n, k = (size_t)r->k;
    const bool turned = way & WAY_W_TRANSPOSED, by_output = way & WAY_BY_OUTPUT;
    CLBlastStatusCode code;
    if (by_output)
        code = s->sgemm(CLBlastLayoutRowMajor, turned ? CLBlastTransposeYes : CLBlastTransposeNo,
                        CLBlastTransposeNo, m, n, k, 1, s->w[copy], 0, turned ? m : k, s->x, 0, n,
                        0, s->c, 0, n, &s->queue, NULL);
    else
        code = s->sgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo,
                        turned ? CLBlastTransposeNo : CLBlastTransposeYes, n, m, k, 1, s->x, 0, k,
                        s->w[copy], 0, turned ? m : k, 0, s->c, 0, m, &s->queue, NULL);
    return code == CLBlastSuccess
               ? OK
               : fail(err, STATUS_LAUNCH, "CLBlast refuses %zux%zux%zu (%d)", m, n, k, (int)code);
}

static enum status clblast_finish(void *state, struct error *err) {
    struct clblast *s = state;
    cl_int code = clFinish(s->queue);
    return code == CL_SUCCESS ? OK : fail(err, STATUS_LAUNCH, "CLBlast's kernels fail (%d)", code);
}

static enum status clblast_read(void *state, float *c, struct error *err) {
    struct clblast *s = state;
    const size_t bytes = (size_t)(s->request.m * s->request.n) * sizeof *c;
    cl_int code = clEnqueueReadBuffer(s->queue, s->c, CL_TRUE, 0, bytes, c, 0, NULL, NULL);
    return code == CL_SUCCESS ? OK : fail(err, STATUS_LAUNCH, "CLBlast's C is lost (%d)", code);
}

const struct rival_side rival_side_clblast = {
    .name = "clblast",
    .open = clblast_open,
    .multiply = clblast_multiply,
    .finish = clblast_finish,
    .read = clblast_read,
    .close = clblast_close,
    .tune = clblast_run_tuner,
};

static enum status clblast_time(const struct rival_place *place, const struct problem *problem,
                                double *time_ns, char how[128], struct error *err) {
    struct rival_request request;
    enum status st = rival_request_make(place, problem, "clblast", &request, err);
    return st == OK ? rival_ask(place, &request, "", time_ns, how, err) : st;
}

const struct rival rival_clblast = {.name = "clblast", .time = clblast_time};
