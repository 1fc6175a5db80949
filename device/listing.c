/* listing.c: which devices there are, asked of a child: a driver that hangs or dies when it is
 * asked (and the loader asks them all) does so there. The child names each platform before it asks
 * it, so that it is known who gave no answer; what it found comes last. */
#include "base/child.h"
#include "base/str.h"
#include "device/opencl.h"
#include <dlfcn.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For one platform. Seen: 0.02 s with PoCL; a GPU that sleeps takes seconds to wake. */
static const int64_t LISTING_DEADLINE_NS = 20000000000;

/* What a device_info holds, but for its extensions. */
static const struct member {
    const char *name;
    size_t offset, size;
    bool is_text; /* else a number: an int, or a size_t */
} members[] = {
#define MEMBER(name, is_text)                                                                      \
    { #name, offsetof(struct device_info, name), sizeof((struct device_info *)0)->name, is_text }
    MEMBER(platform, true),
    MEMBER(platform_version, true),
    MEMBER(vendor, true),
    MEMBER(name, true),
    MEMBER(driver, true),
    MEMBER(c_version, true),
    MEMBER(architecture, true),
    MEMBER(type, false),
    MEMBER(compute_units, false),
    MEMBER(clock_mhz, false),
    MEMBER(max_work_group, false),
    MEMBER(max_local[0], false),
    MEMBER(max_local[1], false),
    MEMBER(max_local[2], false),
    MEMBER(global_bytes, false),
    MEMBER(max_alloc_bytes, false),
    MEMBER(local_bytes, false),
    MEMBER(cache_bytes, false),
    MEMBER(line_bytes, false),
    MEMBER(image_width, false),
    MEMBER(image_height, false),
    MEMBER(align_bytes, false),
    MEMBER(uuid, true),
    MEMBER(model_key, true),
    MEMBER(version_key, true),
#undef MEMBER
};
enum { MEMBERS = sizeof members / sizeof *members };

/* ---- the child's side ---- */

static json_t *info_frame(const struct device_info *info) {
    json_t *frame = json_pack("{s:s}", "extensions", info->extensions);
    for (int i = 0; i < MEMBERS; i++) {
        const void *at = (const char *)info + members[i].offset;
        json_object_set_new(frame, members[i].name,
                            members[i].is_text ? json_string(at)
                            : members[i].size == sizeof(int)
                                ? json_integer(*(const int *)at)
                                : json_integer((json_int_t) * (const size_t *)at));
    }
    return frame;
}

static void send_frame(json_t *frame) {
    char *text = json_dumps(frame, JSON_COMPACT);
    if (text) child_side_send(text, strlen(text), NULL); /* a parent that is gone needs no answer */
    free(text);
    json_decref(frame);
}

static void tell_platform(const char *name) {
    send_frame(json_pack("{s:s}", "asking", name));
}

int device_listing_child(void) {
    struct found *list = NULL;
    struct error err = {OK, ""};
    size_t n = 0;
    const enum status st = devices_find(&list, &n, tell_platform, &err);
    json_t *rows = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(rows, info_frame(&list[i].info));
    text_tame(err.text);
    send_frame(json_pack("{s:o, s:i, s:s}", "devices", rows, "status", (int)st, "text", err.text));
    devices_free(list, n);
    return 0;
}

int device_library_child(void) {
    char *bytes = NULL;
    size_t size;
    if (child_side_receive(&bytes, &size, NULL) != OK) return 0;
    json_t *question = json_loads(bytes, 0, NULL);
    const char *library = json_string_value(json_object_get(question, "library"));
    void *handle = library ? dlopen(library, RTLD_LAZY | RTLD_LOCAL) : NULL;
    send_frame(json_pack("{s:s?}", "why", handle ? NULL : library ? dlerror() : "no library"));
    if (handle) dlclose(handle);
    json_decref(question);
    free(bytes);
    return 0;
}

/* ---- the parent's side ---- */

static bool info_read(const json_t *frame, struct device_info *info) {
    const char *extensions = json_string_value(json_object_get(frame, "extensions"));
    bool is_whole = extensions;
    for (int i = 0; i < MEMBERS; i++) {
        void *at = (char *)info + members[i].offset;
        const json_t *value = json_object_get(frame, members[i].name);
        is_whole &= members[i].is_text ? json_is_string(value) : json_is_integer(value);
        if (!is_whole) return false;
        if (members[i].is_text) snprintf(at, members[i].size, "%s", json_string_value(value));
        else if (members[i].size == sizeof(int)) *(int *)at = (int)json_integer_value(value);
        else *(size_t *)at = (size_t)json_integer_value(value);
    }
    info->extensions = text_copy(extensions);
    return true;
}

static enum status list_read(const json_t *frame, struct found **list, size_t *n,
                             struct error *err) {
    const json_t *rows = json_object_get(frame, "devices");
    const json_int_t status = json_integer_value(json_object_get(frame, "status"));
    const char *text = json_string_value(json_object_get(frame, "text"));
    if (status > OK && status <= STATUS_INTERRUPTED && text)
        return fail(err, (enum status)status, "%s", text);
    struct found *found = memory_new((json_array_size(rows) + 1) * sizeof *found);
    while (*n < json_array_size(rows) && info_read(json_array_get(rows, *n), &found[*n].info)) ++*n;
    if (*n && *n == json_array_size(rows)) {
        *list = found;
        return OK;
    }
    devices_free(found, *n);
    *n = 0;
    return fail(err, STATUS_DEVICE, "the answer is no list of devices");
}

/* Frames until the list has come. */
static enum status await_list(struct child *child, struct found **list, size_t *n,
                              struct error *err) {
    char who[160] = "the OpenCL drivers";
    for (;;) {
        struct error why = {OK, ""};
        char *bytes = NULL;
        size_t size;
        const enum status received =
            child_receive(child, LISTING_DEADLINE_NS, &bytes, &size, NULL, &why);
        if (received != OK)
            return fail(err, STATUS_DEVICE,
                        "asking %s which devices there are: %s; try the drivers one at a time: "
                        "OCL_ICD_VENDORS=/etc/OpenCL/vendors/NAME.icd hone devices",
                        who, why.text);
        json_t *frame = json_loads(bytes, 0, NULL);
        const char *asking = json_string_value(json_object_get(frame, "asking"));
        if (asking) snprintf(who, sizeof who, "the driver of %s", asking);
        const enum status st = asking ? OK : list_read(frame, list, n, err);
        json_decref(frame);
        free(bytes);
        if (!asking) return st;
    }
}

enum status devices_ask(struct found **list, size_t *n, struct error *err) {
    struct child *child = NULL;
    *list = NULL;
    *n = 0;
    if (!child_is_possible()) return devices_find(list, n, NULL, err);
    enum status st = child_open("devices", &child, err);
    if (st == OK) st = await_list(child, list, n, err);
    child_close(child);
    return st;
}

enum status device_try_library(const char *library, struct error *err) {
    struct child *child = NULL;
    struct error failure = {OK, ""};
    char *reply = NULL;
    size_t size;
    json_t *frame = json_pack("{s:s}", "library", library);
    char *question = frame ? json_dumps(frame, JSON_COMPACT) : text_copy("{}");
    enum status st = child_open("library", &child, &failure);
    if (st == OK) st = child_send(child, question, strlen(question), &failure);
    if (st == OK) st = child_receive(child, LISTING_DEADLINE_NS, &reply, &size, NULL, &failure);
    if (st != OK) st = fail(err, STATUS_DEVICE, "%s", failure.text);
    json_t *answer = reply ? json_loads(reply, 0, NULL) : NULL;
    const char *why = json_string_value(json_object_get(answer, "why"));
    if (why) st = fail(err, STATUS_UNSUPPORTED, "%s", why);
    json_decref(answer);
    json_decref(frame);
    child_close(child);
    free(question);
    free(reply);
    return st;
}

enum status device_list(struct device_info **list, size_t *n, struct error *err) {
    struct found *found = NULL;
    *list = NULL;
    enum status st = devices_ask(&found, n, err);
    if (st != OK) return st;
    *list = memory_new(*n * sizeof **list);
    for (size_t i = 0; i < *n; i++) (*list)[i] = found[i].info; /* extensions move along */
    free(found);
    return OK;
}

void device_list_free(struct device_info *list, size_t n) {
    for (size_t i = 0; list && i < n; i++) free(list[i].extensions);
    free(list);
}
