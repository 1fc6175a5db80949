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
#include <unistd.h>

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

static char *cache_file(const char *head) {
    char hex[17], name[48];
    hash_hex(hash_text(hash_start(), head), hex);
    snprintf(name, sizeof name, "features/%s", hex);
    return path_cache(name);
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

/* Only hone (or what $HONE_PROGRAM names) answers as a child. Any other program that links this,
 * such as a test, would run its own main there, and start children of its own. */
static bool can_have_child(void) {
    char path[4096];
    const char *program = getenv("HONE_PROGRAM");
    if (program && *program) return true;
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) return false;
    path[n] = 0;
    const char *slash = strrchr(path, '/');
    return slash && strncmp(slash + 1, "hone", 4) == 0;
}

static enum status ask_child(struct child *child, size_t index, int f, char **reply,
                             struct error *err) {
    size_t size;
    char *question = text_format("{\"device\": %zu, \"feature\": \"%s\"}", index, names[f].name);
    enum status st = child_send(child, question, strlen(question), err);
    if (st == OK) st = child_receive(child, feature_deadline_ns, reply, &size, NULL, err);
    free(question);
    return st;
}

/* *goes_on: false when the test has lost the device for this child. DEVICE when the child never had it. */
static enum status keep_reply(struct finding *finding, int f, const char *reply, bool *goes_on,
                              struct error *err) {
    json_t *root = json_loads(reply, 0, NULL);
    const char *why = json_string_value(json_object_get(root, "why"));
    const bool is_closed = json_is_true(json_object_get(root, "closed"));
    finding->has[f] = json_is_true(json_object_get(root, "has"));
    snprintf(finding->why[f], MAX_WHY, "%s", why ? why : "the child answered nonsense");
    *goes_on = !json_is_true(json_object_get(root, "lost"));
    json_decref(root);
    return is_closed ? fail(err, STATUS_DEVICE, "finding features: %s", finding->why[f]) : OK;
}

/* Ask for every feature; a child that hangs, dies or loses the device costs this feature and is replaced:
 * after a bad address nothing works in its context any more. One that cannot open the device says
 * nothing about features. */
static enum status find_all(size_t index, struct finding *finding, struct error *err) {
    struct child *child = NULL;
    enum status st = OK;
    for (int f = 0; f < FEATURES && st == OK; f++) {
        struct error failure = {0};
        char *reply = NULL;
        if (!child) st = child_open("features", &child, err);
        if (st != OK) break;
        bool goes_on = false;
        if (ask_child(child, index, f, &reply, &failure) == OK) {
            st = keep_reply(finding, f, reply, &goes_on, err);
        } else {
            text_tame(failure.text);
            snprintf(finding->why[f], MAX_WHY, "%.*s", MAX_WHY - 1, failure.text);
        }
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

static enum status find_or_load(const struct device_info *info, size_t index, uint64_t *bits,
                                struct error *err) {
    struct finding finding = {0};
    char *head = cache_head(info), *file = cache_file(head);
    enum status st = OK;
    if (cache_load(file, head, bits)) goto done;
    st = can_have_child() ? find_all(index, &finding, err)
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

enum status device_find_features(size_t index, uint64_t *bits, struct error *err) {
    struct found *list = NULL;
    size_t n = 0;
    *bits = 0;
    enum status st = devices_find(&list, &n, err);
    if (st != OK) return st;
    if (index < n) st = find_or_load(&list[index].info, index, bits, err);
    else st = fail(err, STATUS_INVALID, "there is no device %zu: there are %zu", index, n);
    devices_free(list, n);
    return st;
}

/* ---- the child's side */

static int feature_of_name(const char *name) {
    for (int f = 0; name && f < FEATURES; f++)
        if (strcmp(names[f].name, name) == 0) return f;
    return FEATURE_NONE;
}

/* Answer one frame; *device is opened at the first one. */
static enum status answer(const char *question, struct device **device) {
    char why[MAX_WHY] = "the question is not understood", selector[24];
    struct error err = {0};
    json_t *root = json_loads(question, 0, NULL);
    int f = feature_of_name(json_string_value(json_object_get(root, "feature")));
    json_int_t index = json_integer_value(json_object_get(root, "device"));
    json_decref(root);
    snprintf(selector, sizeof selector, "%lld", (long long)index);
    bool has = false;
    if (f == FEATURE_NONE) has = false;
    else if (!*device && device_open_bare(selector, device, &err) != OK)
        snprintf(why, sizeof why, "%.*s", MAX_WHY - 1, err.text);
    else has = feature_test(*device, f, why, sizeof why);
    const bool is_lost = !has && *device && device_finish(*device, NULL) != OK;
    const bool is_closed = f != FEATURE_NONE && !*device;
    json_t *reply = json_pack("{s:b, s:s, s:b, s:b}", "has", has, "why", why, "lost", is_lost,
                              "closed", is_closed);
    char *text = reply ? json_dumps(reply, 0) : text_copy("{\"has\": false, \"why\": \"\"}");
    enum status st = child_side_send(text, strlen(text), NULL);
    free(text);
    json_decref(reply);
    return st;
}

int device_feature_child(void) {
    struct device *device = NULL;
    char *question = NULL;
    size_t size;
    while (child_side_receive(&question, &size, NULL) == OK) {
        enum status st = answer(question, &device);
        free(question);
        if (st != OK) break;
    }
    device_close(device);
    return 0;
}
