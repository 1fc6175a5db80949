/* doctor.c: hone doctor: is this machine ready to run, to tune and to measure? A table of checks, each one
 * finding: good, worth knowing, or to be mended, with what to do. Exit code 1 when something must be mended. */
#include "base/clock.h"
#include "base/embedded.h"
#include "base/path.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/db.h"
#include "cli/host.h"
#include "device/device.h"
#include "kernels/kernel.h"
#include "tuner/lock.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char examples[] =
    "  hone doctor             what is good here, what is worth knowing, what must be mended\n"
    "  hone doctor --json      the same for scripts; exit code 1: something must be mended\n";

static const double LOAD_MOST = 0.25;             /* a processor, before timings suffer */
static const double FREE_LEAST = 256 * 1048576.0; /* bytes; packed weights and programs are kept */
static const double AGE_MOST_DAYS = 180;          /* drivers change meanwhile */

/* ---- findings ---- */

enum level { GOOD, NOTE, MEND, LEVELS };
static const char *const level_names[LEVELS] = {"good", "note", "mend"};

struct visit {
    const struct common_options *common;
    struct host host;
    struct device_info *devices;
    size_t n_devices;
    struct device *described;         /* the one that is looked at */
    const struct device_info *device; /* what it says of itself; NULL: device_error says why */
    struct error device_error;
    struct store *store; /* NULL: database_status and database_error say why */
    enum status database_status;
    struct error database_error;
    char *database;
    enum level level; /* of the finding at hand */
    struct str text, remedy;
};

static void find(struct visit *v, enum level level, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void find(struct visit *v, enum level level, const char *remedy, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    str_addv(&v->text, format, arguments);
    va_end(arguments);
    str_add(&v->remedy, remedy);
    v->level = level;
}

/* ---- the driver ---- */

static void check_platform(struct visit *v) {
    if (!v->device) {
        find(v, MEND, "", "%s", v->device_error.text);
        return;
    }
    find(v, GOOD, "", "%zu device%s", v->n_devices, v->n_devices > 1 ? "s" : "");
    for (size_t i = 0; i < v->n_devices; i++)
        str_addf(&v->text, "%s%s (%s)", i ? ", " : ": ", v->devices[i].name,
                 v->devices[i].platform);
}

/* The loader's list of drivers: a file each, which names a library. */
static void check_icd(struct visit *v) {
    const char *folder = getenv("OCL_ICD_VENDORS");
    char *pattern =
        text_format("%s/*.icd", folder && *folder == '/' ? folder : "/etc/OpenCL/vendors");
    char **files = host_paths(&v->host, pattern);
    const struct host here = {""};
    size_t n = 0, n_bad = 0;
    for (; files[n]; n++) {
        char *library = host_line(&here, files[n]);
        struct error why = {OK, ""};
        if (device_try_library(library, &why) != OK && n_bad++ == 0)
            find(v, MEND, "install the driver's package again, or remove the file",
                 "%s names %s, which does not load: %s", files[n], library, why.text);
        free(library);
    }
    if (n == 0)
        find(v, NOTE, "install a driver: pocl-opencl-icd for CPUs, that of the vendor for a GPU",
             "no driver is listed in %s", pattern);
    else if (n_bad == 0)
        find(v, GOOD, "", "%zu driver%s listed in %s, all load", n, n > 1 ? "s" : "", pattern);
    host_paths_free(files);
    free(pattern);
}

/* Device files of GPUs that this user may not open. */
static void check_permissions(struct visit *v) {
    static const char *const patterns[] = {"/dev/dri/renderD*", "/dev/nvidia[0-9]*",
                                           "/dev/nvidiactl", "/dev/kfd"};
    size_t n = 0, n_closed = 0;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char **files = host_paths(&v->host, patterns[i]);
        for (char **file = files; *file; file++, n++)
            if (access(*file, R_OK | W_OK) != 0 && n_closed++ == 0)
                find(v, MEND,
                     "add the user to the file's group (ls -l says which) and log in again: sudo "
                     "usermod -aG render,video $USER",
                     "%s may not be opened", *file);
        host_paths_free(files);
    }
    if (n_closed == 0)
        find(v, GOOD, "",
             n ? "all %zu device files of GPUs may be opened" : "no GPU's device file is here", n);
}

static void check_versions(struct visit *v) {
    find(v, GOOD, "", "hone %s", HONE_VERSION);
    if (v->device)
        str_addf(&v->text, "; %s, driver %s, %s", v->device->platform_version, v->device->driver,
                 v->device->c_version);
}

/* Settings that change how PoCL compiles and runs, and what each does. */
static const struct knob {
    const char *name, *bad_value, *meaning;
} knobs[] = {
    {"POCL_KERNEL_CACHE", "0", "every start compiles every kernel again; unset it"},
    {"POCL_DEBUG", NULL, "messages cost time; unset it before measuring"},
    {"POCL_DEVICES", NULL, "other devices than usual; records belong to the device they name"},
    {"POCL_WORK_GROUP_METHOD", NULL, "kernels are compiled another way; records hold for it only"},
    {"POCL_MAX_PTHREAD_COUNT", NULL, "so many threads"},
    {"POCL_CPU_MAX_CU_COUNT", NULL, "so many threads"},
    {"POCL_AFFINITY", NULL, "threads are bound to processors"},
    {"POCL_CACHE_DIR", NULL, "where compiled kernels are kept"},
};

static void check_pocl(struct visit *v) {
    size_t n = 0;
    for (size_t i = 0; i < sizeof knobs / sizeof *knobs; i++) {
        const char *value = getenv(knobs[i].name);
        if (!value) continue;
        const bool is_bad = knobs[i].bad_value && !strcmp(value, knobs[i].bad_value);
        str_addf(&v->text, "%s%s=%s", n++ ? "; " : "", knobs[i].name, value);
        str_addf(&v->remedy, "%s%s: %s", n > 1 ? "; " : "", knobs[i].name, knobs[i].meaning);
        if (v->level < (is_bad ? MEND : NOTE)) v->level = is_bad ? MEND : NOTE;
    }
    if (n == 0) find(v, GOOD, "", "no setting of PoCL's is changed");
}

/* ---- what hone keeps ---- */

static void check_database(struct visit *v) {
    char size[UNITS_TEXT];
    if (v->store)
        find(v, GOOD, "", "%s is whole, %s of its disk are free", v->database,
             units_memory(host_free_bytes(v->database), size));
    else if (v->database_status == STATUS_NOTHING)
        find(v, NOTE, "hone tune, or make demo; until then every kernel runs on its default", "%s",
             v->database_error.text);
    else find(v, MEND, "", "%s", v->database_error.text);
}

static void check_cache(struct visit *v) {
    char size[UNITS_TEXT], *folder = path_cache("");
    const double left = host_free_bytes(folder);
    struct error why = {OK, ""};
    if (path_make_folder(folder, &why) != OK || access(folder, W_OK | X_OK) != 0)
        find(v, MEND, "make it writable, or set XDG_CACHE_HOME",
             "compiled kernels and packed weights cannot be kept in %s", folder);
    else if (left < FREE_LEAST)
        find(v, MEND, "make room", "only %s are free for %s", units_memory(left, size), folder);
    else find(v, GOOD, "", "%s, %s free", folder, units_memory(left, size));
    free(folder);
}

/* Records of the device at hand: under this version and these kernels, and others. */
struct standing {
    int64_t here, other_version, other_source, newest_unix_s;
};

static bool is_current(const struct record_key *key) {
    char now[17];
    const struct family *family = family_find(key->family);
    const struct variant *variant = family ? variant_find(family, key->variant) : NULL;
    if (variant) variant_source_key(variant, now);
    return variant && !strcmp(now, key->source_key);
}

static enum status count_records(struct visit *v, struct standing *s, struct error *err) {
    struct device_row *rows = NULL;
    size_t n_rows = 0;
    char *text = NULL;
    *s = (struct standing){0};
    enum status status = store_devices(v->store, &rows, &n_rows, err);
    for (size_t i = 0; i < n_rows && status == OK; i++) {
        if (strcmp(rows[i].model, v->device->model_key) != 0) continue;
        struct profile profile = {0};
        const bool is_here = !strcmp(rows[i].version, v->device->version_key);
        if (rows[i].newest_unix_s > s->newest_unix_s) s->newest_unix_s = rows[i].newest_unix_s;
        if ((status = store_export(v->store, rows[i].id, "", &text, err)) == OK)
            status = profile_parse(v->database, text, strlen(text), &profile, err);
        if (status == STATUS_NOTHING) status = OK;
        for (size_t r = 0; r < profile.n_records; r++) {
            const struct record_key key = {.family = profile.records[r].family,
                                           .variant = profile.records[r].variant,
                                           .source_key = profile.records[r].source_key};
            ++*(!is_here ? &s->other_version : is_current(&key) ? &s->here : &s->other_source);
        }
        profile_free(&profile);
        free(text);
        text = NULL;
    }
    device_rows_free(rows, n_rows);
    return status;
}

/* Does a profile that ships hold for the device? */
static bool is_shipped_for(const struct device_info *device) {
    const struct embedded *file;
    bool covers = false;
    for (size_t i = 0; !covers && (file = profile_shipped(i)); i++) {
        struct profile profile;
        if (profile_parse(file->path, file->text, strlen(file->text), &profile, NULL) != OK)
            continue;
        covers = profile_covers(&profile, device->model_key);
        profile_free(&profile);
    }
    return covers;
}

static void check_profile(struct visit *v) {
    struct standing s;
    struct error err = {OK, ""};
    static const char tune[] = "hone tune --model FILE, or hone tune";
    if (!v->device) {
        find(v, NOTE, "", "there is no device to have one");
    } else if (!v->store) {
        find(v, NOTE, tune, "nothing is measured; %s",
             is_shipped_for(v->device) ? "a profile that ships holds for this device"
                                       : "no profile that ships holds for this device");
    } else if (count_records(v, &s, &err) != OK) {
        find(v, MEND, "hone db check", "%s", err.text);
    } else {
        const double days = (double)(clock_unix_s() - s.newest_unix_s) / 86400;
        const bool is_old = s.newest_unix_s && days > AGE_MOST_DAYS;
        find(v, s.here && !is_old ? GOOD : NOTE, s.here && !is_old ? "" : tune,
             "%s: %lld problems and layouts measured under this driver with these kernels, %lld "
             "with "
             "other kernels, %lld under another driver (those are hints)",
             v->device->name, (long long)s.here, (long long)s.other_source,
             (long long)s.other_version);
        if (s.newest_unix_s) str_addf(&v->text, "; the last %.0f days ago", days);
    }
}

static void check_lock(struct visit *v) {
    struct lock *lock = NULL;
    struct error err = {OK, ""};
    const enum status status = v->device ? lock_take(v->device, "hone doctor", &lock, &err) : OK;
    lock_release(lock);
    if (status == OK) find(v, GOOD, "", "nobody measures on this device");
    else find(v, status == STATUS_BUSY ? NOTE : MEND, "", "%s", err.text);
}

/* ---- the machine ---- */

static void check_governor(struct visit *v) {
    char *governor = host_of_processors(&v->host, "cpufreq/scaling_governor");
    if (!*governor) find(v, GOOD, "", "not told (a virtual machine has none)");
    else if (!strcmp(governor, "performance")) find(v, GOOD, "", "performance");
    else
        find(v, NOTE, "before measuring: sudo cpupower frequency-set -g performance",
             "%s: clocks follow the load, times vary", governor);
    free(governor);
}

static void check_load(struct visit *v) {
    const double load = host_load(&v->host);
    const int n = host_processors();
    if (isnan(load)) find(v, GOOD, "", "not told");
    else if (load > LOAD_MOST * n)
        find(v, NOTE, "wait before tuning or measuring: times will vary",
             "%.2f over the last minute, on %d processors", load, n);
    else find(v, GOOD, "", "%.2f over the last minute, on %d processors", load, n);
}

/* A device that believes in more processors than it gets stalls at every barrier. */
static void check_processors(struct visit *v) {
    const struct host_limits limits = host_limits(&v->host);
    const int allowed = host_processors();
    const bool is_cpu = v->device && v->device->type == DEVICE_CPU;
    const double given = limits.processors < allowed ? limits.processors : allowed;
    if (is_cpu && v->device->compute_units > given + 0.5)
        find(v, MEND,
             "give the container more, or start hone with POCL_MAX_PTHREAD_COUNT of that many",
             "the device counts %d processors and may use %.3g (affinity %d, quota %.3g)",
             v->device->compute_units, given, allowed, limits.processors);
    else if (isnan(limits.processors)) find(v, GOOD, "", "%d, no quota", allowed);
    else find(v, GOOD, "", "%d, quota %.3g", allowed, limits.processors);
}

static void check_memory(struct visit *v) {
    const struct host_limits limits = host_limits(&v->host);
    char total[UNITS_TEXT], limit[UNITS_TEXT];
    const double all = host_memory_bytes(&v->host);
    const bool is_limited = limits.memory_bytes < all;
    const bool is_less = v->device && v->device->type == DEVICE_CPU &&
                         limits.memory_bytes < (double)v->device->global_bytes;
    units_memory(is_limited ? limits.memory_bytes : all, limit);
    if (isnan(all)) find(v, GOOD, "", "not told");
    else if (is_less)
        find(v, NOTE, "models that do not fit are killed, not refused: see hone model FILE",
             "the container gives %s, the device counts %s", limit,
             units_memory((double)v->device->global_bytes, total));
    else find(v, GOOD, "", "%s%s", limit, is_limited ? " (the container's limit)" : "");
}

static void check_pages(struct visit *v) {
    char *line = host_line(&v->host, "/sys/kernel/mm/transparent_hugepage/enabled"),
         *chosen = host_chosen(line);
    if (!strcmp(chosen, "never"))
        find(v, NOTE, "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled",
             "transparent huge pages are off: large weights cost page-table walks");
    else find(v, GOOD, "", "transparent huge pages: %s", *chosen ? chosen : "not told");
    free(chosen);
    free(line);
}

/* ---- the table ---- */

static const struct check {
    const char *name;
    void (*run)(struct visit *v);
} checks[] = {
    {"platform", check_platform},       /* is there a device */
    {"drivers", check_icd},             /* do the loader's drivers load */
    {"permissions", check_permissions}, /* may GPUs be opened */
    {"versions", check_versions},       /* for reports */
    {"database", check_database},       /* can it be used */
    {"profile", check_profile},         /* does it match, how old is it */
    {"cache", check_cache},             /* can compiled kernels be kept */
    {"measuring", check_lock},          /* does somebody measure now */
    {"governor", check_governor},       /* does the clock stand still */
    {"load", check_load},               /* is the machine free */
    {"processors", check_processors},   /* does a quota disagree with the device */
    {"memory", check_memory},           /* does a limit disagree with the device */
    {"huge pages", check_pages},
    {"PoCL", check_pocl}, /* settings in the environment */
};
enum { CHECKS = sizeof checks / sizeof *checks };

static enum status report(const struct visit *v, const char *name, json_t *rows,
                          struct error *err) {
    const char *text = str_text(&v->text), *remedy = str_text(&v->remedy);
    if (v->common->json) {
        json_array_append_new(rows,
                              json_pack("{s:s, s:s, s:s, s:s}", "check", name, "level",
                                        level_names[v->level], "finding", text, "remedy", remedy));
        return OK;
    }
    return out_printf(err, "%-5s %-11s  %s%s%s\n", level_names[v->level], name, text,
                      *remedy ? "\n                   -> " : "", remedy);
}

static enum status examine(struct visit *v, struct error *err) {
    json_t *rows = json_array();
    size_t n[LEVELS] = {0};
    enum status status = OK;
    for (int i = 0; i < CHECKS && status == OK; i++) {
        v->level = GOOD;
        str_clear(&v->text);
        str_clear(&v->remedy);
        checks[i].run(v);
        n[v->level]++;
        status = report(v, checks[i].name, rows, err);
    }
    if (status == OK && v->common->json)
        status = json_print(json_pack("{s:b, s:O}", "ready", n[MEND] == 0, "checks", rows), err);
    json_decref(rows);
    if (status == OK && n[MEND])
        status = fail(err, STATUS_UNSUPPORTED, "%zu of %d checks found something to mend", n[MEND],
                      CHECKS);
    return status;
}

/* ---- the command ---- */

/* A name that fits no device is an error; no device at all, or one that does not open, is a finding. */
static enum status open_device(struct visit *v, struct error *err) {
    enum status status = device_list(&v->devices, &v->n_devices, &v->device_error);
    if (status == OK)
        status = device_open_described(v->common->device, &v->described, &v->device_error);
    if (status == OK) status = device_try(v->described, &v->device_error);
    if (status == OK) v->device = device_describe(v->described);
    if (status != STATUS_USAGE) return OK;
    *err = v->device_error;
    return status;
}

static enum status doctor(const struct common_options *common, const char *root,
                          struct error *err) {
    struct visit v = {.common = common, .host.root = root ? root : ""};
    v.database = store_default_path(common->database);
    v.database_status = store_open(v.database, STORE_READ, &v.store, &v.database_error);
    enum status status = open_device(&v, err);
    if (status == OK) status = examine(&v, err);
    store_close(v.store);
    device_close(v.described);
    device_list_free(v.devices, v.n_devices);
    free(v.database);
    str_free(&v.text);
    str_free(&v.remedy);
    return status;
}

enum status command_doctor(int argc, const char **argv, struct error *err) {
    struct common_options common = {0};
    char *root = NULL;
    struct poptOption table[] = {
        {"root", 0, POPT_ARG_STRING, &root, 0,
         "look at a copy of another machine's /proc, /sys, /dev and /etc below this folder",
         "FOLDER"},
        COMMON_OPTIONS(common),
        END_OPTIONS,
    };
    poptContext context = NULL;
    const char **plain;
    bool helped;
    enum status status = options_parse("doctor", "[options]", examples, table, argc, argv, &context,
                                       &plain, &helped, err);
    if (status == OK && !helped) status = options_most("doctor", plain, 0, err);
    if (status == OK && !helped) status = doctor(&common, root, err);
    poptFreeContext(context);
    return status;
}
