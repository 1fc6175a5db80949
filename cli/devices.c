/* devices.c: hone devices: every device, what it can do, what is known of it. */
#include "base/log.h"
#include "base/units.h"
#include "cli/cli.h"
#include "device/device.h"
#include "results/store.h"
#include <stdlib.h>
#include <string.h>

static const char examples[] = "  hone devices            what is here\n"
                               "  hone devices --json     the same for scripts\n";

static const char *const type_names[] = {"CPU", "GPU", "other"};

/* "tuned" when the database holds a record of this device model, "default" when not. */
static const char *profile_state(const char *database, const char *model) {
    struct store *store = NULL;
    const char *state = "default";
    struct error err;
    const enum status st = store_open(database, STORE_READ, &store, &err);
    if (st != OK && st != STATUS_NOTHING) log_warn("%s", err.text);
    if (st != OK) return state;
    struct evaluation *best = NULL;
    size_t n = 0;
    const struct record_key any = {0};
    if (store_best(store, model, &any, 1, &best, &n, NULL) == OK && n > 0) state = "tuned";
    for (size_t i = 0; i < n; i++) evaluation_free(&best[i]);
    free(best);
    store_close(store);
    return state;
}

static json_t *features_json(uint64_t bits) {
    json_t *list = json_array();
    for (int f = 0; f < FEATURES; f++)
        if (bits >> f & 1) json_array_append_new(list, json_string(feature_name(f)));
    return list;
}

static json_t *device_json(const struct device_info *info, uint64_t bits, const char *profile) {
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:i, s:I, s:I, s:I}", "name", info->name,
                     "key", info->model_key, "type", type_names[info->type], "features",
                     features_json(bits), "profile", profile, "platform", info->platform, "driver",
                     info->driver, "compute_units", info->compute_units, "memory_bytes",
                     (json_int_t)info->global_bytes, "cache_bytes", (json_int_t)info->cache_bytes,
                     "local_bytes", (json_int_t)info->local_bytes);
}

static enum status print_device(size_t index, const struct device_info *info, uint64_t bits,
                                const char *profile, struct error *err) {
    char memory[UNITS_TEXT], buffer[UNITS_TEXT], cache[UNITS_TEXT], local[UNITS_TEXT];
    enum status status = out_printf(
        err,
        "%zu  %s\n   %s, %s, driver %s\n   %s, %d compute units, memory %s (%s "
        "a buffer at most), cache %s, local %s\n   profile: %s\n   features:\n",
        index, info->name, type_names[info->type], info->platform, info->driver,
        info->architecture[0] ? info->architecture : "architecture not told", info->compute_units,
        units_memory(info->global_bytes, memory), units_memory(info->max_alloc_bytes, buffer),
        units_memory(info->cache_bytes, cache), units_memory(info->local_bytes, local), profile);
    for (int f = 0; f < FEATURES && status == OK; f++)
        if (bits >> f & 1)
            status = out_printf(err, "     %-13s %s\n", feature_name(f), feature_meaning(f));
    return status;
}

enum status command_devices(int argc, const char **argv, struct error *err) {
    struct common_options common = {0};
    struct poptOption table[] = {COMMON_OPTIONS(common), END_OPTIONS};
    poptContext context = NULL;
    const char **plain;
    bool helped;
    struct device_info *list = NULL;
    size_t n = 0;
    char *database = NULL;
    json_t *devices = json_array();
    enum status status = options_parse("devices", "[options]", examples, table, argc, argv,
                                       &context, &plain, &helped, err);
    if (status == OK && !helped) status = options_most("devices", plain, 0, err);
    if (status != OK || helped) goto done;
    if ((status = device_list(&list, &n, err)) != OK) goto done;
    database = store_default_path(common.database);
    for (size_t i = 0; i < n && status == OK; i++) {
        uint64_t bits = 0;
        if ((status = device_find_features(&list[i], i, &bits, err)) != OK) break;
        const char *profile = profile_state(database, list[i].model_key);
        if (common.json) json_array_append_new(devices, device_json(&list[i], bits, profile));
        else status = print_device(i, &list[i], bits, profile, err);
    }
    if (status == OK && common.json)
        status = json_print(json_pack("{s:O}", "devices", devices), err);
done:
    json_decref(devices);
    device_list_free(list, n);
    free(database);
    poptFreeContext(context);
    return status;
}
