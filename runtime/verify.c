/* verify.c: see verify.h. A request is {"device","model","family","problem","class","layout",
 * "variant","config"}, the reply {"why"}: "" when it is right; or {"closed"}, with the reason why the
 * device does not open, which says nothing of the configuration. */
#include "runtime/verify.h"
#include "base/child.h"
#include "base/str.h"
#include "kernels/check.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t DEADLINE_NS = 60000000000; /* a compiler may take long, a small problem not */
static const uint64_t SEED = 1;

struct verify {
    struct device *device;
    struct store *store;
    struct child *child; /* NULL: none runs */
};

struct verify *verify_open(struct device *device, struct store *store) {
    struct verify *verify = memory_new(sizeof *verify);
    *verify = (struct verify){.device = device, .store = store};
    return verify;
}

void verify_rest(struct verify *verify) {
    child_close(verify->child);
    verify->child = NULL;
}

void verify_close(struct verify *verify) {
    if (!verify) return;
    verify_rest(verify);
    free(verify);
}

/* ---- what is remembered ---- */

/* The ragged problem stands for all that are compiled the same; the caller frees. */
static char *fact_key(const struct config *config, const struct problem *small) {
    char problem[160], text[400], source[17];
    problem_format(small, problem);
    config_format(config, text);
    variant_source_key(config->variant, source);
    return text_format("%s %s %s %s %s %s %s", small->family->name, problem,
                       class_names[small->class], small->layout->name, config->variant->name, text,
                       source);
}

static bool recall(const struct verify *verify, const char *key, char why[300]) {
    const struct device_info *info = device_describe(verify->device);
    char *value = NULL;
    if (!verify->store || store_fact_get(verify->store, "check", info->model_key, info->version_key,
                                         key, &value, NULL) != OK)
        return false;
    json_t *fact = json_loads(value, 0, NULL);
    const char *text = json_string_value(json_object_get(fact, "why"));
    if (text) snprintf(why, 300, "%s", text);
    json_decref(fact);
    free(value);
    return text != NULL;
}

static void remember(const struct verify *verify, const char *key, const char *why) {
    const struct device_info *info = device_describe(verify->device);
    if (!verify->store) return;
    json_t *fact = json_pack("{s:s}", "why", why);
    char *value = fact ? json_dumps(fact, JSON_COMPACT) : NULL;
    struct store *writable = NULL;
    if (value && store_open(store_path(verify->store), STORE_WRITE, &writable, NULL) == OK)
        store_fact_set(writable, "check", info->model_key, info->version_key, key, value, NULL);
    store_close(writable);
    free(value);
    json_decref(fact);
}

/* ---- asking the child ---- */

static char *request_text(const struct verify *verify, const struct config *config,
                          const struct problem *small) {
    char problem[160], text[400];
    problem_format(small, problem);
    config_format(config, text);
    json_t *request = json_pack(
        "{s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "device", (json_int_t)device_index(verify->device),
        "model", device_describe(verify->device)->model_key, "family", small->family->name,
        "problem", problem, "class", class_names[small->class], "layout", small->layout->name,
        "variant", config->variant->name, "config", text);
    char *bytes = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    return bytes;
}

/* Whether *why is about the configuration: false when the child has no device to try it on. */
static bool ask(struct verify *verify, const struct config *config, const struct problem *small,
                char why[300]) {
    char *request = request_text(verify, config, small), *reply = NULL;
    struct error err = {OK, ""};
    size_t size;
    enum status st = verify->child ? OK : child_open("check", &verify->child, &err);
    if (st == OK) st = child_send(verify->child, request, strlen(request), &err);
    if (st == OK) st = child_receive(verify->child, DEADLINE_NS, &reply, &size, NULL, &err);
    json_t *answer = st == OK ? json_loads(reply, 0, NULL) : NULL;
    const char *closed = json_string_value(json_object_get(answer, "closed"));
    const char *text = closed ? closed : json_string_value(json_object_get(answer, "why"));
    const bool is_about = !closed;
    snprintf(why, 300, "%.299s", text ? text : st == OK ? "the check gave no answer" : err.text);
    json_decref(answer);
    if (st != OK || !is_about) verify_rest(verify);
    free(request);
    free(reply);
    return is_about;
}

bool verify_config(struct verify *verify, const struct config *config,
                   const struct problem *problem, char why[300]) {
    struct problem small;
    check_ragged(problem, &small);
    if (!config_runs(config, &small, verify->device, NULL)) small = *problem;
    char *key = fact_key(config, &small);
    if (!recall(verify, key, why) && ask(verify, config, &small, why)) remember(verify, key, why);
    free(key);
    return why[0] == 0;
}

/* ---- in the child ---- */

static const char *text_at(const json_t *request, const char *key) {
    const char *text = json_string_value(json_object_get(request, key));
    return text ? text : "";
}

static enum status read_request(const json_t *request, struct problem *problem,
                                struct config *config, struct error *err) {
    const struct slice *slice = slice_find(text_at(request, "family"));
    const int class = class_find(text_at(request, "class"));
    const struct layout *layout = layout_find(text_at(request, "layout"));
    if (!slice || class < 0 || !layout)
        return fail(err, STATUS_INVALID, "a check of an unknown family, class or layout");
    const enum status st = problem_parse(slice, text_at(request, "problem"), problem, err);
    if (st != OK) return st;
    problem->class = (enum class_id) class;
    problem->layout = layout;
    return config_parse(problem->family, text_at(request, "variant"), text_at(request, "config"),
                        config, err);
}

static enum status check_once(struct device *device, const struct problem *problem,
                              const struct config *config, struct error *err) {
    struct check_case *c = NULL;
    struct op *op = NULL;
    struct verdict verdict;
    enum status st = check_open(device, problem, SEED, 1, &c, err);
    if (st == OK) st = op_open(device, config, problem, &op, err);
    if (st == OK) st = check_run(c, op, true, &verdict, err);
    if (st == OK) op_keep(op);
    op_close(op);
    check_close(c);
    return st;
}

static enum status open_asked(const json_t *request, struct device **device, struct error *err) {
    char index[24];
    snprintf(index, sizeof index, "%lld",
             (long long)json_integer_value(json_object_get(request, "device")));
    const enum status st = device_open_known(index, text_at(request, "model"), device, err);
    if (st == OK) device_load_features(*device);
    return st;
}

static enum status answer(const json_t *request, struct device **device, struct error *err) {
    struct problem problem;
    struct config config;
    enum status st = *device ? OK : open_asked(request, device, err);
    if (st == OK) st = read_request(request, &problem, &config, err);
    return st == OK ? check_once(*device, &problem, &config, err) : st;
}

int verify_child(void) {
    struct device *device = NULL;
    char *bytes;
    size_t size;
    while (child_side_receive(&bytes, &size, NULL) == OK) {
        struct error err = {OK, ""};
        json_t *request = json_loadb(bytes, size, 0, NULL);
        if (answer(request, &device, &err) == OK) err.text[0] = 0;
        json_t *reply = json_pack("{s:s}", device ? "why" : "closed", err.text);
        if (!reply) reply = json_pack("{s:s}", "why", "it failed with a message that is no text");
        char *text = json_dumps(reply, JSON_COMPACT);
        const enum status st = child_side_send(text, strlen(text), NULL);
        free(text);
        free(bytes);
        json_decref(reply);
        json_decref(request);
        if (st != OK) break;
    }
    device_close(device);
    return 0;
}
