/* cross.c: see cross.h. What a database says is checked like any other input. */
#include "tuner/cross.h"
#include "results/store.h"

json_t *setting_json(const struct setting *setting) {
    char config[400];
    config_format(&setting->config, config);
    return json_pack("{s:s,s:s,s:s}", "layout", setting->layout->name, "variant",
                     setting->config.variant->name, "config", config);
}

struct setting setting_read(const struct quest *quest, const json_t *json) {
    const struct record_key key = {.layout = json_string_value(json_object_get(json, "layout")),
                                   .variant = json_string_value(json_object_get(json, "variant")),
                                   .config = json_string_value(json_object_get(json, "config"))};
    return key.layout && key.variant && key.config ? quest_setting_of(quest, &key)
                                                   : (struct setting){.layout = NULL};
}

static int64_t number(const json_t *step, const char *key, int64_t otherwise) {
    const json_t *value = json_object_get(step, key);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

bool cross_has(const json_t *steps, int64_t sequence) {
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        if (sequence >= number(step, "from", INT64_MAX) && sequence < number(step, "to", INT64_MAX))
            return true;
    }
    return false;
}

int64_t cross_count(const json_t *steps, int64_t n) {
    int64_t count = 0;
    for (int64_t i = 0; json_array_size(steps) && i < n; i++) count += cross_has(steps, i);
    return count;
}

static json_t *last_step(const json_t *steps) {
    const size_t n = json_array_size(steps);
    return n ? json_array_get(steps, n - 1) : NULL;
}

bool cross_is_done(const json_t *steps, int64_t grant) {
    const json_t *last = last_step(steps);
    return last && json_object_get(last, "to") && number(last, "grant", 0) >= grant;
}

json_t *cross_under_way(json_t *steps) {
    json_t *last = last_step(steps);
    return last && !json_object_get(last, "to") ? last : NULL;
}

json_t *cross_begin(json_t *steps, int64_t grant, int64_t from, const struct setting *settings,
                    size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, setting_json(&settings[i]));
    json_array_append_new(steps, json_pack("{s:I,s:I,s:o}", "grant", (json_int_t)grant, "from",
                                           (json_int_t)from, "settings", list));
    return last_step(steps);
}

void cross_end(json_t *step, int64_t to) {
    json_object_set_new(step, "to", json_integer(to));
}

size_t cross_settings(const json_t *step, const struct quest *quest, struct setting *out,
                      size_t most) {
    const json_t *list = json_object_get(step, "settings");
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(list) && n < most; i++) {
        out[n] = setting_read(quest, json_array_get(list, i));
        n += out[n].layout != NULL;
    }
    return n;
}
