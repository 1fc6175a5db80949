/* recording.c: reads what others recorded. A format is a row of the table below: how it is recognised, and the
 * function that walks its configurations. Files are hostile: sizes are bounded, every value is looked at. */
#include "tuner/recording.h"
#include "base/hash.h"
#include "base/stats.h"
#include "base/str.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* The largest recorded spaces known unpack to a few hundred megabytes; a bomb unpacks to more. */
static const size_t BYTES_MOST = (size_t)1 << 30;
/* No kernel of interest takes less than a tenth of a nanosecond or more than a day. */
static const double RUN_LEAST_NS = 0.1, RUN_MOST_NS = 86400e9;
/* The text form of a configuration has room for this many bytes (config_format). */
enum { CONFIG_TEXT = 400 };

/* ---- the file ---- */

static enum status unpack(gzFile file, const char *path, char **bytes, size_t *n,
                          struct error *err) {
    size_t capacity = (size_t)1 << 20;
    for (;;) {
        char *grown = realloc(*bytes, capacity);
        if (!grown) return fail(err, STATUS_NOMEM, "%s: no memory for %zu bytes", path, capacity);
        *bytes = grown;
        const int got = gzread(file, *bytes + *n, (unsigned)(capacity - *n));
        int code;
        const char *why = gzerror(file, &code);
        if (got < 0 || code == Z_BUF_ERROR)
            return fail(err, STATUS_IO, "%s: cannot unpack it: %s", path, why);
        *n += (size_t)got;
        if (*n < capacity) return OK;
        if (capacity >= BYTES_MOST)
            return fail(err, STATUS_INVALID, "%s: it unpacks to more than 1 GiB", path);
        capacity *= 2;
    }
}

static enum status read_bytes(const char *path, char **bytes, size_t *n, struct error *err) {
    *bytes = NULL;
    *n = 0;
    gzFile file = gzopen(path, "rbe");
    if (!file) return fail(err, STATUS_IO, "%s: cannot open it: %m", path);
    const enum status st = unpack(file, path, bytes, n, err);
    gzclose(file);
    return st;
}

/* Python writes NaN and Infinity, which JSON does not have: they become empty words, which are no numbers
 * either. */
static void soften(char *bytes, size_t n) {
    static const char *const words[] = {"-Infinity", "Infinity", "NaN"};
    bool in_text = false;
    for (size_t i = 0; i < n; i++) {
        if (in_text && bytes[i] == '\\') i++;
        else if (bytes[i] == '"') in_text = !in_text;
        for (size_t w = 0; !in_text && i < n && w < sizeof words / sizeof *words; w++) {
            const size_t length = strlen(words[w]);
            if (n - i < length || memcmp(bytes + i, words[w], length) != 0) continue;
            memset(bytes + i, ' ', length);
            bytes[i] = bytes[i + 1] = '"';
            i += length;
        }
    }
}

/* A cache whose tuner was stopped ends behind an entry, with or without a comma. */
static json_t *load_cut(char *bytes, size_t n) {
    while (n > 0 && strchr(" \t\r\n,", bytes[n - 1])) n--;
    struct str whole = {0};
    str_add_bytes(&whole, bytes, n);
    str_add(&whole, "}}");
    json_t *root = json_loadb(whole.text, whole.length, 0, NULL);
    str_free(&whole);
    return root;
}

static enum status load(const char *path, json_t **root, char key[17], struct error *err) {
    char *bytes;
    size_t n;
    json_error_t why;
    enum status st = read_bytes(path, &bytes, &n, err);
    if (st == OK) {
        hash_hex(hash_bytes(hash_start(), bytes, n), key);
        soften(bytes, n);
        *root = json_loadb(bytes, n, 0, &why);
        if (!*root && why.position >= (int)n) *root = load_cut(bytes, n);
        if (!*root)
            st = fail(err, STATUS_INVALID, "%s: line %d is not JSON: %s", path, why.line, why.text);
    }
    free(bytes);
    return st;
}

/* ---- a configuration ---- */

/* How the formats say that a configuration is not in the space, or failed. */
static const struct {
    const char *word;
    enum outcome outcome; /* RUNNING: its constraints forbid it */
} failures[] = {
    {"InvalidConfig", OUTCOME_RUNNING},
    {"CompilationFailedConfig", OUTCOME_COMPILE_FAILED},
    {"RuntimeFailedConfig", OUTCOME_LAUNCH_FAILED},
    {"constraints", OUTCOME_RUNNING},
    {"compile", OUTCOME_COMPILE_FAILED},
    {"runtime", OUTCOME_LAUNCH_FAILED},
    {"correctness", OUTCOME_WRONG},
    {"timeout", OUTCOME_TIMEOUT},
    {"correct", OUTCOME_OK},
};

static enum outcome failure_of(const json_t *word) {
    for (size_t i = 0; json_is_string(word) && i < sizeof failures / sizeof *failures; i++)
        if (strcmp(json_string_value(word), failures[i].word) == 0) return failures[i].outcome;
    return OUTCOME_LAUNCH_FAILED;
}

/* A finite number that is no less than 0, else 0. */
static double duration_of(const json_t *value, double unit_ns) {
    const double ns = json_number_value(value) * unit_ns;
    return ns >= 0 && ns <= RUN_MOST_NS ? ns : 0;
}

static bool value_text(const json_t *json, struct recording_value *value) {
    *value = (struct recording_value){.number = NAN};
    if (json_is_string(json)) value->text = text_copy(json_string_value(json));
    else if (json_is_boolean(json)) value->text = text_copy(json_is_true(json) ? "true" : "false");
    else if (json_is_number(json))
        value->text = text_format("%.15g", value->number = json_number_value(json));
    return value->text && !strpbrk(value->text, ",=") && *value->text;
}

/* The place of a value among those seen so far; −1: no value, or one too many. */
static int place_of(struct recording_param *param, const json_t *json) {
    struct recording_value value;
    int v = 0;
    if (value_text(json, &value)) {
        while (v < param->n_values && strcmp(param->values[v].text, value.text) != 0) v++;
        if (v == param->n_values && v < RECORDING_VALUES) {
            param->values[param->n_values++] = value;
            return v;
        }
    } else {
        v = RECORDING_VALUES;
    }
    free(value.text);
    return v < RECORDING_VALUES ? v : -1;
}

static enum status reserve(struct recording *r, size_t runs, struct error *err) {
    if (r->n == r->capacity) {
        const size_t capacity = r->capacity ? 2 * r->capacity : 1024;
        void *configs = realloc(r->configs, capacity * sizeof *r->configs);
        if (configs) r->configs = configs;
        void *places = realloc(r->places, capacity * PARAMS);
        if (places) r->places = places;
        if (!configs || !places)
            return fail(err, STATUS_NOMEM, "no memory for %zu configurations", capacity);
        r->capacity = capacity;
    }
    if (r->n_runs + runs > r->runs_capacity) {
        const size_t capacity = 2 * (r->n_runs + runs);
        void *list = realloc(r->runs_ns, capacity * sizeof *r->runs_ns);
        if (!list) return fail(err, STATUS_NOMEM, "no memory for %zu run times", capacity);
        r->runs_ns = list;
        r->runs_capacity = capacity;
    }
    return OK;
}

/* The runs of a configuration that went well; one whose times cannot be is implausible. */
static void add_runs(struct recording *r, struct recorded_config *c, const json_t *runs,
                     double unit_ns) {
    c->first_run = r->n_runs;
    size_t i;
    json_t *run;
    json_array_foreach (runs, i, run) {
        const double ns = json_number_value(run) * unit_ns;
        if (!(ns >= RUN_LEAST_NS && ns <= RUN_MOST_NS)) c->outcome = OUTCOME_IMPLAUSIBLE;
        r->runs_ns[r->n_runs + c->n_runs++] = ns;
    }
    if (c->n_runs == 0) c->outcome = OUTCOME_IMPLAUSIBLE;
    if (c->outcome != OUTCOME_OK) c->n_runs = 0;
    r->n_runs += c->n_runs;
    if (c->outcome == OUTCOME_OK) c->median_ns = stats_median(r->runs_ns + c->first_run, c->n_runs);
}

/* What a format says of one configuration. */
struct entry {
    const json_t *values;          /* object: parameter -> value */
    const json_t *runs, *run;      /* array of run times; else a single one */
    double unit_ns;                /* of all times */
    const json_t *compile, *check; /* times */
    enum outcome outcome;          /* RUNNING: its constraints forbid it */
};

static enum status add_entry(struct recording *r, const struct entry *e, struct error *err) {
    const size_t n_runs = e->outcome == OUTCOME_OK ? json_array_size(e->runs) + 1 : 0;
    if (e->outcome == OUTCOME_RUNNING) return OK;
    enum status st = reserve(r, n_runs, err);
    if (st != OK) return st;
    for (int p = 0; p < r->n_params; p++) {
        struct recording_param *param = &r->params[p];
        const int place = place_of(param, json_object_get(e->values, param->name));
        if (place < 0)
            return fail(err, STATUS_INVALID,
                        "configuration %zu: %s has no value that is a number or a word, or is "
                        "one of more than %d",
                        r->n + 1, param->name, RECORDING_VALUES);
        r->places[r->n * (size_t)r->n_params + (size_t)p] = (unsigned char)place;
    }
    struct recorded_config *c = &r->configs[r->n++];
    *c = (struct recorded_config){.outcome = e->outcome,
                                  .median_ns = INFINITY,
                                  .compile_ns = duration_of(e->compile, e->unit_ns),
                                  .check_ns = duration_of(e->check, e->unit_ns)};
    if (c->outcome != OUTCOME_OK) return OK;
    json_t *single = json_is_number(e->run) ? json_pack("[O]", e->run) : NULL;
    add_runs(r, c, json_array_size(e->runs) > 0 ? e->runs : single, e->unit_ns);
    json_decref(single);
    return OK;
}

static enum status add_param(struct recording *r, const char *name, struct error *err) {
    if (r->n_params == PARAMS)
        return fail(err, STATUS_INVALID, "it has more than %d parameters", PARAMS);
    if (!name || !*name || strpbrk(name, ",="))
        return fail(err, STATUS_INVALID, "'%s' is no name of a parameter", name ? name : "");
    r->params[r->n_params++].name = text_copy(name);
    return OK;
}

static char *text_at(const json_t *root, const char *key) {
    const char *text = json_string_value(json_object_get(root, key));
    return text_copy(text ? text : "");
}

/* ---- Kernel Tuner's cache: an object of configurations, milliseconds ---- */

static bool is_cache(const json_t *root) {
    return json_is_object(json_object_get(root, "cache"));
}

static enum status read_cache(const json_t *root, struct recording *r, struct error *err) {
    enum status st = OK;
    size_t i;
    json_t *name;
    json_array_foreach (json_object_get(root, "tune_params_keys"), i, name)
        if (st == OK) st = add_param(r, json_string_value(name), err);
    const char *key;
    json_t *row;
    json_object_foreach (json_object_get(root, "cache"), key, row) {
        const json_t *time = json_object_get(row, "time");
        const struct entry entry = {.values = row,
                                    .runs = json_object_get(row, "times"),
                                    .run = time,
                                    .unit_ns = 1e6,
                                    .compile = json_object_get(row, "compile_time"),
                                    .check = json_object_get(row, "verification_time"),
                                    .outcome =
                                        json_is_number(time) ? OUTCOME_OK : failure_of(time)};
        if (st == OK) st = add_entry(r, &entry, err);
    }
    return st;
}

/* ---- T4: an array of results ---- */

static bool is_t4(const json_t *root) {
    return json_is_array(json_object_get(root, "results"));
}

static const struct {
    const char *name;
    double ns;
} units[] = {
    {"miliseconds", 1e6}, {"milliseconds", 1e6}, {"ms", 1e6}, {"microseconds", 1e3},
    {"us", 1e3},          {"nanoseconds", 1},    {"ns", 1},   {"s", 1e9},
    {"seconds", 1e9},
};

/* Milliseconds where the file does not say; 0: it says what is no unit. */
static double unit_of(const json_t *root) {
    const char *unit =
        json_string_value(json_object_get(json_object_get(root, "metadata"), "timeunit"));
    if (!unit) return 1e6;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i].name) == 0) return units[i].ns;
    return 0;
}

/* The measurement that is named "time". */
static const json_t *measured_time(const json_t *result) {
    size_t i;
    json_t *m;
    json_array_foreach (json_object_get(result, "measurements"), i, m) {
        const char *name = json_string_value(json_object_get(m, "name"));
        if (name && strcmp(name, "time") == 0) return json_object_get(m, "value");
    }
    return NULL;
}

static enum status read_t4(const json_t *root, struct recording *r, struct error *err) {
    const json_t *results = json_object_get(root, "results");
    const double unit_ns = unit_of(root);
    if (unit_ns == 0) return fail(err, STATUS_INVALID, "its metadata name no known unit of time");
    enum status st = OK;
    const char *name;
    json_t *value, *result;
    json_object_foreach (json_object_get(json_array_get(results, 0), "configuration"), name, value)
        if (st == OK) st = add_param(r, name, err);
    size_t i;
    json_array_foreach (results, i, result) {
        const json_t *times = json_object_get(result, "times");
        const json_t *compile = json_object_get(times, "compilation");
        const struct entry entry = {.values = json_object_get(result, "configuration"),
                                    .runs = json_object_get(times, "runtimes"),
                                    .run = measured_time(result),
                                    .unit_ns = unit_ns,
                                    .compile = compile ? compile
                                                       : json_object_get(times, "compilation_time"),
                                    .check = json_object_get(times, "validation"),
                                    .outcome = failure_of(json_object_get(result, "invalidity"))};
        if (st == OK) st = add_entry(r, &entry, err);
    }
    return st;
}

/* ---- all formats ---- */

static const struct {
    bool (*is)(const json_t *root);
    enum status (*read)(const json_t *root, struct recording *r, struct error *err);
} formats[] = {
    {is_cache, read_cache},
    {is_t4, read_t4},
};

/* Of a configuration that is there twice the first counts. */
static void drop_doubles(struct recording *r) {
    const size_t stride = (size_t)r->n_params;
    struct hash_map *seen = hash_map_open(r->n);
    size_t kept = 0;
    for (size_t i = 0; i < r->n; i++) {
        unsigned char *row = r->places + kept * stride;
        memmove(row, r->places + i * stride, stride);
        r->configs[kept] = r->configs[i];
        if (hash_map_add(seen, row, stride, 0)) kept++;
    }
    r->n = kept;
    hash_map_close(seen);
}

/* The longest text form must have room, and there must be something to search. */
static enum status judge(const struct recording *r, struct error *err) {
    size_t length = 0;
    for (int p = 0; p < r->n_params; p++) {
        size_t widest = 0;
        for (int v = 0; v < r->params[p].n_values; v++)
            if (strlen(r->params[p].values[v].text) > widest)
                widest = strlen(r->params[p].values[v].text);
        length += strlen(r->params[p].name) + widest + 2;
    }
    if (length >= CONFIG_TEXT)
        return fail(err, STATUS_INVALID, "its configurations are texts of more than %d bytes",
                    CONFIG_TEXT);
    for (size_t i = 0; i < r->n; i++)
        if (r->configs[i].outcome == OUTCOME_OK) return OK;
    return fail(err, STATUS_INVALID, "it has no configuration with a time");
}

enum status recording_read(const char *path, struct recording *recording, struct error *err) {
    *recording = (struct recording){0};
    json_t *root = NULL;
    enum status st = load(path, &root, recording->key, err);
    size_t f = 0;
    while (f < sizeof formats / sizeof *formats && !formats[f].is(root)) f++;
    if (st == OK && f == sizeof formats / sizeof *formats)
        st = fail(err, STATUS_INVALID,
                  "%s: it is neither a Kernel Tuner cache (\"cache\": {…}) nor T4 results "
                  "(\"results\": […])",
                  path);
    else if (st == OK) {
        recording->device = text_at(root, "device_name");
        recording->kernel = text_at(root, "kernel_name");
        st = formats[f].read(root, recording, err);
        if (st == OK) {
            drop_doubles(recording);
            st = judge(recording, err);
        }
        if (st != OK) fail_while(err, "%s", path);
    }
    json_decref(root);
    return st;
}

void recording_free(struct recording *recording) {
    for (int p = 0; p < recording->n_params; p++) {
        struct recording_param *param = &recording->params[p];
        for (int v = 0; v < param->n_values; v++) free(param->values[v].text);
        free(param->name);
    }
    free(recording->device);
    free(recording->kernel);
    free(recording->places);
    free(recording->configs);
    free(recording->runs_ns);
    *recording = (struct recording){0};
}
