/* template.c: see template.h. A conversation becomes a list of parts, the row's own texts and the
 * messages' texts; as text they are joined, as ids only the row's own may hold special tokens. */
#include "runtime/template.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum trim { TRIM_NOTHING, TRIM_START, TRIM_END, TRIM_BOTH }; /* bits */

struct turn {
    const char *before, *after; /* NULL: there is no such turn */
    enum trim trim;
};

enum { MARKERS_MOST = 2 };
struct template {
    const char *name;
    const char *marker[MARKERS_MOST]; /* NULL, NULL: never recognised */
    const char *default_system;       /* NULL: none */
    struct turn system, user, assistant, joined;
    const char *answer;
};

static const struct template templates[] = {
#define MARKERS(first, second)                                                                     \
    { first, second }
#define TEMPLATE(name, markers, ...) {name, markers, __VA_ARGS__},
#include "runtime/templates.def"
#undef TEMPLATE
#undef MARKERS
};
enum { TEMPLATES = sizeof templates / sizeof *templates };

/* ---- the table ---- */

enum status template_find(const char *name, const struct template **out, struct error *err) {
    struct str names = {0};
    for (size_t i = 0; i < TEMPLATES; i++) {
        *out = &templates[i];
        if (!strcmp(templates[i].name, name)) {
            str_free(&names);
            return OK;
        }
        str_addf(&names, "%s%s", i ? ", " : "", templates[i].name);
    }
    *out = NULL;
    const enum status status =
        fail(err, STATUS_USAGE, "there is no chat template \"%.40s\"; there are %s", name,
             str_text(&names));
    str_free(&names);
    return status;
}

const struct template *template_recognise(const char *jinja) {
    for (size_t i = 0; jinja && i < TEMPLATES; i++) {
        const struct template *t = &templates[i];
        if (t->marker[0] && strstr(jinja, t->marker[0]) && strstr(jinja, t->marker[1])) return t;
    }
    return NULL;
}

const char *template_name(const struct template *template) {
    return template->name;
}

const struct template *template_at(size_t i) {
    return i < TEMPLATES ? &templates[i] : NULL;
}

/* ---- a conversation as parts ---- */

static void add_part(struct tokenizer_part *parts, size_t *n, const char *text, size_t length,
                     bool is_own) {
    parts[(*n)++] = (struct tokenizer_part){text, length, is_own};
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void add_turn(const struct turn *turn, const char *text, struct tokenizer_part *parts,
                     size_t *n) {
    size_t length = strlen(text);
    while (turn->trim & TRIM_START && length && is_space(text[0])) text++, length--;
    while (turn->trim & TRIM_END && length && is_space(text[length - 1])) length--;
    add_part(parts, n, turn->before, strlen(turn->before), true);
    add_part(parts, n, text, length, false);
    add_part(parts, n, turn->after, strlen(turn->after), true);
}

/* How message i is written; NULL: its role has no such turn. */
static const struct turn *turn_of(const struct template *t, const struct template_message *messages,
                                  size_t i) {
    const bool follows_system =
        i ? !strcmp(messages[i - 1].role, "system") : t->default_system != NULL;
    const struct {
        const char *role;
        const struct turn *turn;
    } roles[] = {
        {"system", &t->system},
        {"user", follows_system && t->joined.before ? &t->joined : &t->user},
        {"assistant", &t->assistant},
    };
    for (size_t r = 0; r < sizeof roles / sizeof *roles; r++)
        if (!strcmp(roles[r].role, messages[i].role) && roles[r].turn->before) return roles[r].turn;
    return NULL;
}

/* *parts is the caller's to free. */
static enum status list_parts(const struct template *t, const struct template_message *messages,
                              size_t n_messages, struct tokenizer_part **parts, size_t *n,
                              struct error *err) {
    *parts = NULL;
    *n = 0;
    if (n_messages == 0)
        return fail(err, STATUS_INVALID, "rendering a conversation as %s: it has no message",
                    t->name);
    struct tokenizer_part *list = memory_new((3 * (n_messages + 1) + 1) * sizeof *list);
    *parts = list;
    if (t->default_system && strcmp(messages[0].role, "system") != 0)
        add_turn(&t->system, t->default_system, list, n);
    for (size_t i = 0; i < n_messages; i++) {
        const struct turn *turn = turn_of(t, messages, i);
        if (!turn)
            return fail(err, STATUS_INVALID,
                        "rendering a conversation as %s: message %zu has the role \"%.40s\"; "
                        "system, user and assistant are known",
                        t->name, i + 1, messages[i].role);
        add_turn(turn, messages[i].text, list, n);
    }
    add_part(list, n, t->answer, strlen(t->answer), true);
    return OK;
}

/* ---- rendering ---- */

enum status template_text(const struct template *template, const struct template_message *messages,
                          size_t n_messages, struct str *out, struct error *err) {
    struct tokenizer_part *parts;
    size_t n;
    const enum status status = list_parts(template, messages, n_messages, &parts, &n, err);
    for (size_t i = 0; status == OK && i < n; i++)
        str_add_bytes(out, parts[i].text, parts[i].length);
    free(parts);
    return status;
}

enum status template_ids(const struct template *template, const struct tokenizer *tokenizer,
                         const struct template_message *messages, size_t n_messages,
                         struct id_list *ids, struct error *err) {
    struct tokenizer_part *parts;
    size_t n;
    enum status status = list_parts(template, messages, n_messages, &parts, &n, err);
    if (status == OK)
        status =
            tokenizer_encode_parts(tokenizer, parts, n, tokenizer_adds_bos(tokenizer), ids, err);
    free(parts);
    return status;
}
