/* faults.c: an OpenCL that fails on request. Loaded before the real one (LD_PRELOAD) it passes calls on, until the
 * one that is to fail; tests/tuner/faults.h asks for it. The processes of a session count their calls
 * together, in a file that all of them map. Releases are passed on uncounted: nobody can act on their failure.
 *
 *     HONE_FAULT_STATE=FILE                       where calls are counted, one 64-bit number a fault
 *     HONE_FAULT="segv clBuildProgram 2 once VW=; refuse clFinish 7 all *"
 *                                                 what happens, in which function, at which of its calls, how
 *                                                 long, where: part of the options of a build, else of the name
 *                                                 of the kernel that this process launched last
 *
 * A fault counts calls once the one before it has struck, so that a line is a story. Instead of a function, "any"
 * counts the calls of all, and "new" those that come from where none came from yet (no earlier call had the
 * same callers): a session makes thousands of calls in a few hundred places, and what happens behind a
 * failure is up to the place. */
#include <CL/cl.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- what is passed on ---- */

/* Functions that return a code: name, parameters, their names, what they fill, its size,
 * the text that "where" looks into. */
#define CODES(XX)                                                                                  \
    XX(clGetPlatformIDs, (cl_uint room, cl_platform_id * ids, cl_uint * n), (room, ids, n), NULL,  \
       0, launched)                                                                                \
    XX(clGetPlatformInfo,                                                                          \
       (cl_platform_id id, cl_platform_info what, size_t size, void *to, size_t *got),             \
       (id, what, size, to, got), to, size, launched)                                              \
    XX(clGetDeviceIDs,                                                                             \
       (cl_platform_id id, cl_device_type type, cl_uint room, cl_device_id * ids, cl_uint * n),    \
       (id, type, room, ids, n), NULL, 0, launched)                                                \
    XX(clGetDeviceInfo,                                                                            \
       (cl_device_id id, cl_device_info what, size_t size, void *to, size_t *got),                 \
       (id, what, size, to, got), to, size, launched)                                              \
    XX(clBuildProgram,                                                                             \
       (cl_program program, cl_uint n, const cl_device_id *ids, const char *options,               \
        void(CL_CALLBACK * done)(cl_program, void *), void *context),                              \
       (program, n, ids, options, done, context), NULL, 0, options ? options : "")                 \
    XX(clGetProgramBuildInfo,                                                                      \
       (cl_program program, cl_device_id id, cl_program_build_info what, size_t size, void *to,    \
        size_t *got),                                                                              \
       (program, id, what, size, to, got), to, size, launched)                                     \
    XX(clGetProgramInfo,                                                                           \
       (cl_program program, cl_program_info what, size_t size, void *to, size_t *got),             \
       (program, what, size, to, got), NULL, 0, launched)                                          \
    XX(clGetKernelInfo,                                                                            \
       (cl_kernel kernel, cl_kernel_info what, size_t size, void *to, size_t *got),                \
       (kernel, what, size, to, got), to, size, launched)                                          \
    XX(clSetKernelArg, (cl_kernel kernel, cl_uint at, size_t size, const void *value),             \
       (kernel, at, size, value), NULL, 0, launched)                                               \
    XX(clEnqueueNDRangeKernel,                                                                     \
       (cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *offset,        \
        const size_t *global, const size_t *local, cl_uint n, const cl_event *after,               \
        cl_event *event),                                                                          \
       (queue, kernel, dimensions, offset, global, local, n, after, event), NULL, 0,               \
       launch(kernel))                                                                             \
    XX(clEnqueueReadBuffer,                                                                        \
       (cl_command_queue queue, cl_mem buffer, cl_bool wait, size_t offset, size_t size, void *to, \
        cl_uint n, const cl_event *after, cl_event *event),                                        \
       (queue, buffer, wait, offset, size, to, n, after, event), to, size, launched)               \
    XX(clEnqueueWriteBuffer,                                                                       \
       (cl_command_queue queue, cl_mem buffer, cl_bool wait, size_t offset, size_t size,           \
        const void *from, cl_uint n, const cl_event *after, cl_event *event),                      \
       (queue, buffer, wait, offset, size, from, n, after, event), NULL, 0, launched)              \
    XX(clEnqueueFillBuffer,                                                                        \
       (cl_command_queue queue, cl_mem buffer, const void *pattern, size_t width, size_t offset,   \
        size_t size, cl_uint n, const cl_event *after, cl_event *event),                           \
       (queue, buffer, pattern, width, offset, size, n, after, event), NULL, 0, launched)          \
    XX(clEnqueueCopyBuffer,                                                                        \
       (cl_command_queue queue, cl_mem from, cl_mem to, size_t from_offset, size_t to_offset,      \
        size_t size, cl_uint n, const cl_event *after, cl_event *event),                           \
       (queue, from, to, from_offset, to_offset, size, n, after, event), NULL, 0, launched)        \
    XX(clEnqueueCopyBufferToImage,                                                                 \
       (cl_command_queue queue, cl_mem from, cl_mem to, size_t offset, const size_t *origin,       \
        const size_t *region, cl_uint n, const cl_event *after, cl_event *event),                  \
       (queue, from, to, offset, origin, region, n, after, event), NULL, 0, launched)              \
    XX(clFinish, (cl_command_queue queue), (queue), NULL, 0, launched)                             \
    XX(clGetEventProfilingInfo,                                                                    \
       (cl_event event, cl_profiling_info what, size_t size, void *to, size_t *got),               \
       (event, what, size, to, got), to, size, launched)

/* Functions that make something: type, name, parameters but the last, their names. */
#define MAKERS(XX)                                                                                 \
    XX(cl_context, clCreateContext,                                                                \
       (const cl_context_properties *properties, cl_uint n, const cl_device_id *ids,               \
        void(CL_CALLBACK * tell)(const char *, const void *, size_t, void *), void *context,       \
        cl_int *error),                                                                            \
       (properties, n, ids, tell, context, error))                                                 \
    XX(cl_command_queue, clCreateCommandQueue,                                                     \
       (cl_context context, cl_device_id id, cl_command_queue_properties properties,               \
        cl_int * error),                                                                           \
       (context, id, properties, error))                                                           \
    XX(cl_mem, clCreateBuffer,                                                                     \
       (cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *error),           \
       (context, flags, size, host, error))                                                        \
    XX(cl_mem, clCreateImage,                                                                      \
       (cl_context context, cl_mem_flags flags, const cl_image_format *format,                     \
        const cl_image_desc *desc, void *host, cl_int *error),                                     \
       (context, flags, format, desc, host, error))                                                \
    XX(cl_program, clCreateProgramWithSource,                                                      \
       (cl_context context, cl_uint n, const char **texts, const size_t *lengths, cl_int *error),  \
       (context, n, texts, lengths, error))                                                        \
    XX(cl_program, clCreateProgramWithBinary,                                                      \
       (cl_context context, cl_uint n, const cl_device_id *ids, const size_t *lengths,             \
        const unsigned char **binaries, cl_int *loaded, cl_int *error),                            \
       (context, n, ids, lengths, binaries, loaded, error))                                        \
    XX(cl_kernel, clCreateKernel, (cl_program program, const char *name, cl_int *error),           \
       (program, name, error))

#define CODE(name, ...) CALL_##name,
#define MAKER(type, name, ...) CALL_##name,
enum call { CALL_any, CALL_new, CODES(CODE) MAKERS(MAKER) CALLS };
#undef CODE
#undef MAKER

#define CODE(name, ...) #name,
#define MAKER(type, name, ...) #name,
static const char *const call_names[CALLS] = {"any", "new",
                                              CODES(CODE) MAKERS(MAKER)}; /* ORDER call */
#undef CODE
#undef MAKER

/* ---- what may happen ---- */

/* As a driver does whose device never answers: only SIGKILL ends it. */
static void hang(void) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (;;) pause();
}

/* PoCL's own handler would let a signal that was only sent pass. */
static void fall(void) {
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static void spoil_number(void *bytes, size_t size) {
    if (size >= 4) ((unsigned char *)bytes)[size / 8 * 4 + 3] ^= 0x40;
}

static void spoil_zero(void *bytes, size_t size) {
    memset(bytes, 0, size);
}

/* Times a thousandth of what they were, and so what lies between them; or a thousand times that. */
static void scale_time(void *bytes, size_t size, cl_ulong up, cl_ulong down) {
    cl_ulong time;
    if (size != sizeof time) return;
    memcpy(&time, bytes, size);
    time = time * up / down;
    memcpy(bytes, &time, size);
}
static void spoil_short(void *bytes, size_t size) {
    scale_time(bytes, size, 1, 1000);
}
static void spoil_long(void *bytes, size_t size) {
    scale_time(bytes, size, 1000, 1);
}

static const struct fault {
    const char *name;
    cl_int code;                             /* returned in place of the call */
    void (*happen)(void);                    /* instead of it */
    void (*spoil)(void *bytes, size_t size); /* behind it: what it has filled */
} faults[] = {
    {"refuse", CL_OUT_OF_RESOURCES, NULL, NULL},
    {"lose", CL_DEVICE_NOT_AVAILABLE, NULL, NULL},
    {"hang", CL_SUCCESS, hang, NULL},
    {"abort", CL_SUCCESS, abort, NULL},
    {"segv", CL_SUCCESS, fall, NULL},
    {"wrong", CL_SUCCESS, NULL, spoil_number},
    {"zero", CL_SUCCESS, NULL, spoil_zero},
    {"short", CL_SUCCESS, NULL, spoil_short},
    {"long", CL_SUCCESS, NULL, spoil_long},
};

/* That call alone; it and all later ones of its process; of all processes. */
enum span { SPAN_once, SPAN_process, SPAN_all, SPANS };
static const char *const span_names[SPANS] = {"once", "process", "all"};

/* ---- when ---- */

enum { PLACES = 4096, CALLERS = 24, PLANS = 16, WORD = 48 }; /* ORDER faults.h: STORY_MOST */

struct plan {
    const struct fault *fault;
    enum call call;
    enum span span;
    int64_t at;
    char where[WORD];       /* "*": wherever */
    atomic_bool has_struck; /* in this process */
};
static struct plan plans[PLANS];
static int n_plans;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Of all processes; a file of zeroes to begin with. */
static struct state {
    _Atomic int64_t counts[PLANS];
    _Atomic uint64_t places[PLACES]; /* hashes of callers; 0: free */
} * state;

/* A test that asks for what there is not must not pass. */
static void refuse_request(const char *what) {
    fprintf(stderr, "faults: HONE_FAULT, HONE_FAULT_STATE: %s\n", what);
    abort();
}

static int find_name(const char *const *names, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(names[i], name)) return i;
    refuse_request(name);
    return 0;
}

static void read_plan(const char *text, struct plan *plan) {
    char fault[WORD], call[WORD], span[WORD];
    if (sscanf(text, " %47s %47s %18" SCNd64 " %47s %47[^; ]", fault, call, &plan->at, span,
               plan->where) != 5)
        refuse_request(text);
    plan->call = (enum call)find_name(call_names, CALLS, call);
    plan->span = (enum span)find_name(span_names, SPANS, span);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (!strcmp(faults[i].name, fault)) plan->fault = &faults[i];
    if (!plan->fault) refuse_request(fault);
}

static void open_state(void) {
    const char *path = getenv("HONE_FAULT_STATE");
    const int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    void *map = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, sizeof *state) == 0)
        map = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) refuse_request("no file to count in");
    close(fd);
    state = map;
}

static void open_plans(void) {
    open_state();
    for (const char *text = getenv("HONE_FAULT"); text;) {
        if (n_plans == PLANS) refuse_request("too many");
        read_plan(text, &plans[n_plans++]);
        text = strchr(text, ';');
        if (text) text++;
    }
}

/* Of the chain of callers. Wherever a process has its code, addresses keep their place in the page. */
static uint64_t hash_callers(void) {
    void *callers[CALLERS];
    const int n = backtrace(callers, CALLERS);
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (int i = 0; i < n; i++) hash = (hash ^ ((uintptr_t)callers[i] & 4095)) * 1099511628211u;
    return hash | 1;
}

/* Is this the first call from here? */
static bool is_new_place(void) {
    const uint64_t place = hash_callers();
    for (uint64_t at = place >> 8;; at++) {
        uint64_t found = 0;
        if (atomic_compare_exchange_strong(&state->places[at % PLACES], &found, place)) return true;
        if (found == place) return false;
    }
}

/* The kernel that this process launched last. */
static char launched[256];

static bool is_meant(const struct plan *plan, enum call call, bool is_new, const char *text) {
    if (plan->call != CALL_any && plan->call != call && !(plan->call == CALL_new && is_new))
        return false;
    return !strcmp(plan->where, "*") || strstr(text, plan->where);
}

/* Does it strike this call, which is meant? */
static bool strikes(struct plan *plan, int64_t n) {
    if (n == plan->at) atomic_store(&plan->has_struck, true);
    return plan->span == SPAN_once      ? n == plan->at
           : plan->span == SPAN_process ? atomic_load(&plan->has_struck)
                                        : n >= plan->at;
}

/* The fault that strikes this call, or NULL. */
static const struct fault *strike(enum call call, const char *text) {
    pthread_once(&once, open_plans);
    const bool is_new = is_new_place();
    const struct fault *fault = NULL;
    for (int i = 0; i < n_plans && !fault; i++) {
        struct plan *plan = &plans[i];
        if (is_meant(plan, call, is_new, text) &&
            strikes(plan, atomic_fetch_add(&state->counts[i], 1) + 1))
            fault = plan->fault;
        if (atomic_load(&state->counts[i]) < plan->at) break;
    }
    if (fault && fault->happen) fault->happen();
    return fault;
}

static void find_real(const char *name, void **function) {
    if (!*function) *function = dlsym(RTLD_NEXT, name);
    if (!*function) refuse_request(name);
}

/* The kernel that is launched now. */
static const char *launch(cl_kernel kernel) {
    static __typeof__(clGetKernelInfo) *ask;
    find_real("clGetKernelInfo", (void **)&ask);
    if (ask(kernel, CL_KERNEL_FUNCTION_NAME, sizeof launched, launched, NULL) != CL_SUCCESS)
        launched[0] = 0;
    return launched;
}

/* ---- the functions ---- */

#define CODE(name, parameters, arguments, filled, size, text)                                      \
    cl_int name parameters {                                                                       \
        static __typeof__(name) *real;                                                             \
        find_real(#name, (void **)&real);                                                          \
        const struct fault *fault = strike(CALL_##name, text);                                     \
        if (fault && fault->code != CL_SUCCESS) return fault->code;                                \
        const cl_int code = real arguments;                                                        \
        void *bytes = filled;                                                                      \
        if (code == CL_SUCCESS && fault && fault->spoil && bytes) fault->spoil(bytes, size);       \
        return code;                                                                               \
    }
CODES(CODE)

#define MAKER(type, name, parameters, arguments)                                                   \
    type name parameters {                                                                         \
        static __typeof__(name) *real;                                                             \
        find_real(#name, (void **)&real);                                                          \
        const struct fault *fault = strike(CALL_##name, launched);                                 \
        if (!fault || fault->code == CL_SUCCESS) return real arguments;                            \
        if (error) *error = fault->code;                                                           \
        return NULL;                                                                               \
    }
MAKERS(MAKER)
