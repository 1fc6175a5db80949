/* features.c: what a device can do beyond OpenCL 1.2: found in a child that may hang or die, kept
 * in the cache folder as text, one line a feature, below the keys that it belongs to. Remove the
 * file to have them found again. */
#include "base/child.h"
#include "base/hash.h"
#include "base/path.h"
#include "base/str.h"
#include "device/feature_tests.h"
#include "device/opencl.h"
#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CACHE_FILE = 1 << 16, MAX_WHY = 400 };
static const int64_t feature_deadline_ns = 20000000000; /* seen: 0.7 s, most of it compiling */

static_assert(FEATURES <= 64, "a set of features is the bits of one uint64_t");

static const struct {
    const char *name, *meaning;
} names[] = {
#define FEATURE(name, meaning) {#name, meaning},
#include "device/features.def"
#undef FEATURE
};

const char *feature_name(enum feature f) {
    return names[f].name;
}

const char *feature_meaning(enum feature f) {
    return names[f].meaning;
}

/* What was found: whether each feature is there, and why not. */
struct finding {
    bool has[FEATURES];
    char why[FEATURES][MAX_WHY];
};

static uint64_t finding_bits(const struct finding *finding) {
    uint64_t bits = 0;
    for (int f = 0; f < FEATURES; f++) bits |= (uint64_t)finding->has[f] << f;
    return bits;
}

/* ---- the cache file */

/* The lines on top of the file; they are its key. The caller frees. */
static char *cache_head(const struct device_info *info) {
    char tests[17];
    hash_hex(feature_tests_hash(), tests);
    return text_format("hone features 1\n%s\n%s\ntests %s\n", info->model_key, info->version_key,
                       tests);
}

/* The line of one feature, "name yes" or "name no why": moves *text beyond it; false: not there. */
static bool line_take(const char **text, int f, bool *has) {
    const char *line = *text;
    size_t length = strlen(names[f].name);
    const char *end = strchr(line, '\n');
    if (!end || strncmp(line, names[f].name, length) != 0) return false;
    const char *word = line + length;
    *has = strncmp(word, " yes\n", 5) == 0;
    *text = end + 1;
    return *has || strncmp(word, " no ", 4) == 0;
}

static bool cache_load(const char *file, const char *head, uint64_t *bits) {
    char *bytes = NULL;
    size_t size = 0;
    struct finding finding = {0};
    if (!file || path_read(file, MAX_CACHE_FILE, &bytes, &size, NULL) != OK) return false;
    bool is_whole = strncmp(bytes, head, strlen(head)) == 0;
    const char *line = is_whole ? bytes + strlen(head) : "";
    for (int f = 0; f < FEATURES && is_whole; f++) is_whole = line_take(&line, f, &finding.has[f]);
    if (is_whole) *bits = finding_bits(&finding);
    free(bytes);
    return is_whole;
}

static void cache_store(const char *file, const char *head, const struct finding *finding) {
    struct str s = {0};
    if (!file || path_make_parent(file, NULL) != OK) return;
    str_add(&s, head);
    for (int f = 0; f < FEATURES; f++)
        str_addf(&s, finding->has[f] ? "%s yes\n" : "%s no %s\n", names[f].name, finding->why[f]);
    path_write(file, s.text, s.length, NULL);
    str_free(&s);
}

/* ---- the parent's side */

/* Does this device have that feature? */
struct question {
    const struct device_info *info;
    size_t index;
    const char *feature; /* "": none has it, for who asks whether it opens */
    bool is_first;       /* of a new child, which opens the device first */
};

/* DEVICE when the child cannot open the device, or hangs doing so. */
static enum status await_opening(struct child *child, size_t index, struct error *err) {
    char *note = NULL;
    size_t size;
    enum status st = child_receive(child, feature_deadline_ns, &note, &size, NULL, err);
    if (st == STATUS_TIMEOUT)
        return fail(err, STATUS_DEVICE, "device %zu does not open: no answer from its driver",
                    index);
    if (st != OK) return st;
    json_t *root = json_loads(note, 0, NULL);
    const char *why = json_string_value(json_object_get(root, "closed"));
    if (why) st = fail(err, STATUS_DEVICE, "%s", why);
    json_decref(root);
    free(note);
    return st;
}

static enum status ask_child(struct child *child, const struct question *question, char **reply,
                             struct error *err) {
    size_t size;
    json_t *frame = json_pack("{s:I, s:s, s:s}", "device", (json_int_t)question->index, "model",
                              question->info->model_key, "feature", question->feature);
    char *text = json_dumps(frame, JSON_COMPACT);
    enum status st = child_send(child, text, strlen(text), err);
    if (st == OK && question->is_first) st = await_opening(child, question->index, err);
    if (st == OK) st = child_receive(child, feature_deadline_ns, reply, &size, NULL, err);
    json_decref(frame);
    free(text);
    return st;
}

/* false: the test has lost the device for this child. */
static bool keep_reply(struct finding *finding, int f, const char *reply) {
    json_t *root = json_loads(reply, 0, NULL);
    const char *why = json_string_value(json_object_get(root, "why"));
    finding->has[f] = json_is_true(json_object_get(root, "has"));
    snprintf(finding->why[f], MAX_WHY, "%s", why ? why : "the child answered nonsense");
    const bool is_lost = json_is_true(json_object_get(root, "lost"));
    json_decref(root);
    return !is_lost;
}

/* Ask for every feature; a child that hangs, dies or loses the device costs this feature and is replaced:
 * after a bad address nothing works in its context any more. One that cannot open the device says
 * nothing about features. */
static enum status find_all(const struct device_info *info, size_t index, struct finding *finding,
                            struct error *err) {
    struct child *child = NULL;
    enum status st = OK;
    for (int f = 0; f < FEATURES && st == OK; f++) {
        struct error failure = {0};
        char *reply = NULL;
        const struct question question = {info, index, names[f].name, .is_first = !child};
        if (!child) st = child_open("features", &child, err);
        if (st != OK) break;
        bool goes_on = false;
        const enum status asked = ask_child(child, &question, &reply, &failure);
        text_tame(failure.text);
        if (asked == OK) goes_on = keep_reply(finding, f, reply);
        else snprintf(finding->why[f], MAX_WHY, "%.*s", MAX_WHY - 1, failure.text);
        if (asked == STATUS_DEVICE) st = fail(err, asked, "finding features: %s", failure.text);
        if (!goes_on) {
            child_close(child);
            child = NULL;
        }
        text_tame(finding->why[f]);
        free(reply);
    }
    child_close(child);
    return st;
}

enum status device_find_features(const struct device_info *info, size_t index, uint64_t *bits,
                                 struct error *err) {
    struct finding finding = {0};
    char *head = cache_head(info), *file = path_cache_keyed("features", head, "");
    enum status st = OK;
    *bits = 0;
    if (cache_load(file, head, bits)) goto done;
    st = child_is_possible()
             ? find_all(info, index, &finding, err)
             : fail(err, STATUS_UNSUPPORTED,
                    "features are found by a child process of hone: set HONE_PROGRAM");
    if (st != OK) goto done;
    *bits = finding_bits(&finding);
    cache_store(file, head, &finding);
done:
    free(head);
    free(file);
    return st;
}

enum status device_try(const struct device *device, struct error *err) {
    struct child *child = NULL;
    char *reply = NULL;
    const struct question question = {&device->info, device->index, "", .is_first = true};
    enum status st = child_open("features", &child, err);
    if (st == OK) st = ask_child(child, &question, &reply, err);
    child_close(child);
    free(reply);
    return st;
}

/* ---- the child's side */

static int feature_of_name(const char *name) {
    for (int f = 0; name && f < FEATURES; f++)
        if (strcmp(names[f].name, name) == 0) return f;
    return FEATURE_NONE;
}

static enum status send_frame(json_t *frame) {
    char *text = frame ? json_dumps(frame, 0) : text_copy("{}");
    enum status st = child_side_send(text, strlen(text), NULL);
    free(text);
    json_decref(frame);
    return st;
}

/* The device of the first question, and a word on how that went. */
static enum status open_asked(const json_t *question, struct device **device) {
    char selector[24];
    struct error err = {0};
    const json_int_t index = json_integer_value(json_object_get(question, "device"));
    snprintf(selector, sizeof selector, "%lld", (long long)index);
    const char *key = json_string_value(json_object_get(question, "model"));
    const enum status opened = device_open_known(selector, key, device, &err);
    text_tame(err.text);
    const enum status st =
        send_frame(json_pack("{s:s?}", "closed", opened == OK ? NULL : err.text));
    return opened == OK ? st : opened;
}

/* Answer one frame; *device is opened at the first one. */
static enum status answer(const json_t *question, struct device **device) {
    char why[MAX_WHY] = "the question is not understood";
    const int f = feature_of_name(json_string_value(json_object_get(question, "feature")));
    const enum status st = *device ? OK : open_asked(question, device);
    if (st != OK) return st;
    const bool has = f != FEATURE_NONE && feature_test(*device, f, why, sizeof why);
    const bool is_lost = !has && device_finish(*device, NULL) != OK;
    return send_frame(json_pack("{s:b, s:s, s:b}", "has", has, "why", why, "lost", is_lost));
}

int device_feature_child(void) {
    struct device *device = NULL;
    char *question = NULL;
    size_t size;
    while (child_side_receive(&question, &size, NULL) == OK) {
        json_t *root = json_loads(question, 0, NULL);
        enum status st = answer(root, &device);
        json_decref(root);
        free(question);
        if (st != OK) break;
    }
    device_close(device);
    return 0;
}
