/* device.c: find devices and describe them. What a driver says is hostile text until it is tamed,
 * and a number until it is compared with nothing but itself. */
#include "base/str.h"
#include "device/opencl.h"
#include <CL/cl_ext.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

enum { MAX_PLATFORMS = 64, MAX_DEVICES = 256, MAX_TEXT = 1 << 16 };

/* Queries of extensions, by number: not every header has them. */
enum {
    QUERY_UUID = 0x106A,     /* cl_khr_device_uuid: 16 bytes */
    QUERY_NV_MAJOR = 0x4000, /* cl_nv_device_attribute_query: compute capability */
    QUERY_NV_MINOR = 0x4001,
    QUERY_AMD_BOARD = 0x4038,    /* cl_amd_device_attribute_query */
    QUERY_PCI_BUS_INFO = 0x410F, /* cl_khr_pci_bus_info: domain, bus, device, function */
};

void text_tame(char *text) {
    char *to = text;
    for (const char *from = text; *from; from++) {
        unsigned char c = (unsigned char)*from;
        if (c <= ' ' || c == 127) {
            if (to > text && to[-1] != ' ') *to++ = ' ';
        } else {
            *to++ = c > 127 ? '?' : c == '|' ? '/' : (char)c;
        }
    }
    if (to > text && to[-1] == ' ') to--;
    *to = 0;
}

/* Whom we ask. Spaces and records depend on what every driver must tell: one that kept silent once must not
 * pass for another device. */
struct asked {
    cl_platform_id platform;
    cl_device_id id;
    bool is_silent; /* a question was not answered */
};

/* A driver's text of any length, tamed; "" when it tells none. The caller frees. */
static char *take_text(struct asked *asked, cl_int code, char *text) {
    asked->is_silent |= code != CL_SUCCESS;
    if (code != CL_SUCCESS) *text = 0;
    text[MAX_TEXT] = 0;
    text_tame(text);
    return text;
}

static char *device_text(struct asked *asked, cl_device_info what) {
    char *text = memory_new(MAX_TEXT + 1);
    return take_text(asked, clGetDeviceInfo(asked->id, what, MAX_TEXT, text, NULL), text);
}

static char *platform_text(struct asked *asked, cl_platform_info what) {
    char *text = memory_new(MAX_TEXT + 1);
    return take_text(asked, clGetPlatformInfo(asked->platform, what, MAX_TEXT, text, NULL), text);
}

static void keep_text(char *to, size_t size, char *text) {
    snprintf(to, size, "%.*s", (int)size - 1, text);
    free(text);
}

/* A number of 4 or 8 bytes; 0 when the driver tells none. */
static uint64_t device_number(struct asked *asked, cl_device_info what) {
    uint64_t number = 0;
    size_t size = 0;
    const cl_int code = clGetDeviceInfo(asked->id, what, sizeof number, &number, &size);
    asked->is_silent |= code != CL_SUCCESS;
    return code != CL_SUCCESS ? 0 : size == 4 ? (uint32_t)number : number;
}

/* The first line of a small file, "" when there is none. */
static void line_read(const char *file, char *line, size_t size) {
    *line = 0;
    FILE *f = fopen(file, "re");
    if (!f) return;
    if (!fgets(line, (int)size, f)) *line = 0;
    line[strcspn(line, "\n")] = 0;
    fclose(f);
}

/* The value of "field : value" of the first processor in /proc/cpuinfo. */
static bool cpuinfo_field(const char *field, char *value, size_t size) {
    bool found = false;
    char line[512];
    FILE *f = fopen("/proc/cpuinfo", "re");
    if (!f) return false;
    while (!found && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        size_t length = strlen(field);
        if (!colon || strncmp(line, field, length) != 0) continue;
        if (line[length + strspn(line + length, " \t")] != ':') continue;
        snprintf(value, size, "%s", colon + 1);
        text_tame(value);
        found = true;
    }
    fclose(f);
    return found;
}

/* "x86_64 family 6 model 143", "aarch64 implementer 0x41 part 0xd0c" */
static void host_architecture(char *text, size_t size) {
    static const struct {
        const char *first, *first_word, *second, *second_word;
    } ways[] = {
        {"cpu family", "family", "model", "model"},
        {"CPU implementer", "implementer", "CPU part", "part"},
    };
    struct utsname host = {0};
    uname(&host);
    snprintf(text, size, "%.16s", host.machine);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char a[24], b[24];
        if (!cpuinfo_field(ways[i].first, a, sizeof a)) continue;
        if (!cpuinfo_field(ways[i].second, b, sizeof b)) continue;
        snprintf(text, size, "%.16s %s %s %s %s", host.machine, ways[i].first_word, a,
                 ways[i].second_word, b);
        return;
    }
}

/* "pci 10de:2330", where the driver tells the place and sysfs what sits there. */
static void pci_architecture(cl_device_id id, char *text, size_t size) {
    struct {
        cl_uint domain, bus, device, function;
    } at = {0};
    size_t got = 0;
    if (clGetDeviceInfo(id, QUERY_PCI_BUS_INFO, sizeof at, &at, &got) != CL_SUCCESS) return;
    if (got != sizeof at) return;
    char file[96], vendor[16], device[16];
    snprintf(file, sizeof file, "/sys/bus/pci/devices/%04x:%02x:%02x.%x/vendor", at.domain, at.bus,
             at.device, at.function);
    line_read(file, vendor, sizeof vendor);
    snprintf(file, sizeof file, "/sys/bus/pci/devices/%04x:%02x:%02x.%x/device", at.domain, at.bus,
             at.device, at.function);
    line_read(file, device, sizeof device);
    unsigned v, d;
    if (sscanf(vendor, "%8x", &v) == 1 && sscanf(device, "%8x", &d) == 1)
        snprintf(text, size, "pci %04x:%04x", v, d);
}

static void describe_architecture(cl_device_id id, struct device_info *info) {
    size_t size = sizeof info->architecture;
    struct asked extra = {.id = id}; /* nobody must answer these */
    unsigned major = (unsigned)device_number(&extra, QUERY_NV_MAJOR);
    unsigned minor = (unsigned)device_number(&extra, QUERY_NV_MINOR);
    if (info->type == DEVICE_CPU) {
        host_architecture(info->architecture, size);
    } else if (major > 0) {
        snprintf(info->architecture, size, "compute capability %u.%u", major, minor);
    } else {
        keep_text(info->architecture, size, device_text(&extra, QUERY_AMD_BOARD));
        if (!info->architecture[0]) pci_architecture(id, info->architecture, size);
    }
}

/* Size of one cache of a processor, if it holds data and no earlier processor shares it. */
static size_t cache_read(int cpu, int index, int *level) {
    static const char *const names[] = {"level", "type", "size", "shared_cpu_list"};
    char values[4][64];
    for (int i = 0; i < 4; i++) {
        char file[128];
        snprintf(file, sizeof file, "/sys/devices/system/cpu/cpu%d/cache/index%d/%s", cpu, index,
                 names[i]);
        line_read(file, values[i], sizeof values[i]);
    }
    *level = (int)strtol(values[0], NULL, 10);
    char unit = 0;
    size_t size = 0;
    if (strcmp(values[1], "Instruction") == 0 || strtol(values[3], NULL, 10) != cpu) return 0;
    if (sscanf(values[2], "%9zu%c", &size, &unit) < 1) return 0;
    return unit == 'K' ? size << 10 : unit == 'M' ? size << 20 : size;
}

/* All last-level caches of the host together: that much is needed to push operands out. */
static size_t host_cache_bytes(void) {
    size_t total = 0;
    int last_level = 0;
    for (int cpu = 0; cpu < 4096; cpu++) {
        char folder[96], online[8];
        snprintf(folder, sizeof folder, "/sys/devices/system/cpu/cpu%d/cache/index0/level", cpu);
        line_read(folder, online, sizeof online);
        if (!online[0]) break;
        for (int index = 0; index < 8; index++) {
            int level = 0;
            size_t size = cache_read(cpu, index, &level);
            if (level > last_level) {
                last_level = level;
                total = 0;
            }
            if (level == last_level) total += size;
        }
    }
    return total;
}

static void describe_limits(struct asked *asked, struct device_info *info) {
    size_t local[16] = {0}, got = 0;
    if (clGetDeviceInfo(asked->id, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof local, local, &got) !=
        CL_SUCCESS)
        asked->is_silent = true;
    memcpy(info->max_local, local, sizeof info->max_local);
    info->compute_units = (int)device_number(asked, CL_DEVICE_MAX_COMPUTE_UNITS);
    info->clock_mhz = (int)device_number(asked, CL_DEVICE_MAX_CLOCK_FREQUENCY);
    info->max_work_group = device_number(asked, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    info->global_bytes = device_number(asked, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->max_alloc_bytes = device_number(asked, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    info->local_bytes = device_number(asked, CL_DEVICE_LOCAL_MEM_SIZE);
    info->cache_bytes = info->type == DEVICE_CPU ? host_cache_bytes() : 0;
    if (!info->cache_bytes)
        info->cache_bytes = device_number(asked, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE);
    info->line_bytes = device_number(asked, CL_DEVICE_GLOBAL_MEM_CACHELINE_SIZE);
    info->align_bytes = device_number(asked, CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8;
    if (device_number(asked, CL_DEVICE_IMAGE_SUPPORT)) {
        info->image_width = device_number(asked, CL_DEVICE_IMAGE2D_MAX_WIDTH);
        info->image_height = device_number(asked, CL_DEVICE_IMAGE2D_MAX_HEIGHT);
    }
    if (info->compute_units < 1) info->compute_units = 1;
    if (info->max_work_group < 1) info->max_work_group = 1;
    for (int i = 0; i < 3; i++)
        if (info->max_local[i] < 1) info->max_local[i] = 1;
}

static void describe_uuid(cl_device_id id, struct device_info *info) {
    unsigned char uuid[16];
    size_t got = 0;
    if (clGetDeviceInfo(id, QUERY_UUID, sizeof uuid, uuid, &got) != CL_SUCCESS) return;
    if (got != sizeof uuid) return;
    for (int i = 0; i < 16; i++) snprintf(info->uuid + 2 * i, 3, "%02x", uuid[i]);
}

static void describe_keys(struct device_info *info) {
    snprintf(info->model_key, sizeof info->model_key, "%.100s|%.80s|%.180s|%.95s|%d|%zu",
             info->platform, info->vendor, info->name, info->architecture, info->compute_units,
             info->cache_bytes);
    snprintf(info->version_key, sizeof info->version_key, "%s|%s", info->driver,
             info->platform_version);
}

static void describe(struct asked *asked, struct device_info *info) {
    const struct {
        char *to;
        size_t size;
        cl_device_info what;
    } texts[] = {
        {info->vendor, sizeof info->vendor, CL_DEVICE_VENDOR},
        {info->name, sizeof info->name, CL_DEVICE_NAME},
        {info->driver, sizeof info->driver, CL_DRIVER_VERSION},
        {info->c_version, sizeof info->c_version, CL_DEVICE_OPENCL_C_VERSION},
    };
    keep_text(info->platform, sizeof info->platform, platform_text(asked, CL_PLATFORM_NAME));
    keep_text(info->platform_version, sizeof info->platform_version,
              platform_text(asked, CL_PLATFORM_VERSION));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        keep_text(texts[i].to, texts[i].size, device_text(asked, texts[i].what));
    cl_device_type type = device_number(asked, CL_DEVICE_TYPE);
    info->type = (type & CL_DEVICE_TYPE_CPU)   ? DEVICE_CPU
                 : (type & CL_DEVICE_TYPE_GPU) ? DEVICE_GPU
                                               : DEVICE_OTHER;
    info->extensions = device_text(asked, CL_DEVICE_EXTENSIONS);
    describe_architecture(asked->id, info);
    describe_limits(asked, info);
    describe_uuid(asked->id, info);
    describe_keys(info);
}

static enum status fail_none(struct error *err, const char *what) {
    const char *folder = getenv("OCL_ICD_VENDORS");
    return fail(err, STATUS_DEVICE,
                "no OpenCL %s is here%s%s%s; install a driver: pocl-opencl-icd for CPUs, "
                "nvidia-opencl-icd for NVIDIA, mesa-opencl-icd for AMD, intel-opencl-icd for Intel",
                what, folder ? " (OCL_ICD_VENDORS is " : "", folder ? folder : "",
                folder ? ")" : "");
}

/* Append the devices of one platform that can compile and tell what must be known of them. */
static void platform_find(cl_platform_id platform, struct found *list, size_t *n,
                          void (*tell)(const char *platform)) {
    cl_device_id ids[MAX_DEVICES];
    cl_uint count = 0;
    struct asked first = {.platform = platform};
    char *name = platform_text(&first, CL_PLATFORM_NAME);
    if (tell) tell(name);
    free(name);
    cl_int code = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, MAX_DEVICES, ids, &count);
    if (code != CL_SUCCESS) return;
    if (count > MAX_DEVICES) count = MAX_DEVICES;
    for (cl_uint i = 0; i < count && *n < MAX_DEVICES; i++) {
        struct asked asked = {.platform = platform, .id = ids[i]};
        if (!device_number(&asked, CL_DEVICE_COMPILER_AVAILABLE)) continue;
        struct found found = {.id = ids[i]};
        describe(&asked, &found.info);
        if (asked.is_silent) free(found.info.extensions);
        else list[(*n)++] = found;
    }
}

/* In the order found, but behind all others. */
static void put_cpus_last(struct found *list, size_t n) {
    struct found *old = memory_new((n + 1) * sizeof *old);
    memcpy(old, list, n * sizeof *old);
    for (int cpus = 0; cpus < 2; cpus++)
        for (size_t i = 0; i < n; i++)
            if ((old[i].info.type == DEVICE_CPU) == cpus) *list++ = old[i];
    free(old);
}

enum status devices_find(struct found **list, size_t *n, void (*tell)(const char *platform),
                         struct error *err) {
    *list = NULL;
    *n = 0;
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint count = 0;
    cl_int code = clGetPlatformIDs(MAX_PLATFORMS, platforms, &count);
    if (code != CL_SUCCESS || count == 0) return fail_none(err, "platform");
    if (count > MAX_PLATFORMS) count = MAX_PLATFORMS;
    *list = memory_new(MAX_DEVICES * sizeof **list);
    for (cl_uint i = 0; i < count; i++) platform_find(platforms[i], *list, n, tell);
    put_cpus_last(*list, *n);
    if (*n > 0) return OK;
    free(*list);
    *list = NULL;
    return fail_none(err, "device with a compiler");
}

void devices_free(struct found *list, size_t n) {
    for (size_t i = 0; i < n; i++) free(list[i].info.extensions);
    free(list);
}
