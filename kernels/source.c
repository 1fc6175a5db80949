/* source.c: see source.h. */
#include "kernels/source.h"
#include "base/embedded.h"
#include "base/hash.h"
#include "base/str.h"
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- includes ---- */

enum { FILES_MOST = 32 };

/* A source under assembly, and the files that are in it. */
struct assembly {
    struct str text;
    const struct embedded *file[FILES_MOST];
    int n_files;
};

static bool is_included(const struct assembly *a, const struct embedded *file) {
    for (int i = 0; i < a->n_files; i++)
        if (a->file[i] == file) return true;
    return false;
}

/* The path of a line `#include "kernels/…"` into path; false for other lines. */
static bool parse_include(const char *line, size_t length, char path[128]) {
    static const char head[] = "#include \"";
    const size_t start = sizeof head - 1;
    if (length < start || memcmp(line, head, start) != 0) return false;
    const char *end = memchr(line + start, '"', length - start);
    if (!end || (size_t)(end - line) - start >= 128) return false;
    snprintf(path, 128, "%.*s", (int)((size_t)(end - line) - start), line + start);
    return true;
}

static enum status add_file(struct assembly *a, const char *path, const char *asked_by,
                            struct error *err) {
    const struct embedded *file = embedded_find(path);
    if (!file || !file->text)
        return fail(err, STATUS_INVALID,
                    "kernel source %s, asked for by %s, is not part of this program", path,
                    asked_by);
    if (is_included(a, file)) return OK;
    if (a->n_files == FILES_MOST)
        return fail(err, STATUS_INVALID, "kernel source %s includes more than %d files", asked_by,
                    FILES_MOST);
    a->file[a->n_files++] = file;
    for (const char *line = file->text; *line;) {
        const size_t length = strcspn(line, "\n");
        char include[128];
        if (parse_include(line, length, include)) {
            const enum status st = add_file(a, include, path, err);
            if (st != OK) return st;
        } else {
            str_add_bytes(&a->text, line, length);
            str_add(&a->text, "\n");
        }
        line += length + (line[length] == '\n');
    }
    return OK;
}

enum status source_assemble(const char *path, char **text, struct error *err) {
    struct assembly a = {0};
    const enum status st = add_file(&a, path, "its variant", err);
    *text = st == OK ? text_copy(str_text(&a.text)) : NULL;
    str_free(&a.text);
    return st;
}

/* ---- defines ---- */

static void add_upper(struct str *s, const char *prefix, const char *name) {
    str_addf(s, "-D%s", prefix);
    for (; *name; name++) str_addf(s, "%c", toupper((unsigned char)*name));
}

static void add_weight(struct str *s, struct weight w) {
    add_upper(s, "W_", weight_kinds[w.kind].name);
    str_addf(s, "=1 -DGROUP=%d -DW_ZERO=%d ", w.group ? w.group : 1, weight_kinds[w.kind].zero);
}

char *source_options(const struct config *config, const struct problem *problem) {
    struct str s = {0};
    str_addf(&s, "-DPREFIX=%s -DIMAGE_WIDTH=%d -DPANEL=%d ", SOURCE_PREFIX, IMAGE_WIDTH,
             problem->layout->panel);
    add_upper(&s, "CLASS_", class_names[problem->class]);
    str_add(&s, "=1 ");
    for (int f = 0; f < problem->family->n_fields; f++) {
        const struct field *field = &problem->family->fields[f];
        if (!(field->use & USE_DEFINE)) continue;
        if (field->kind == FIELD_WEIGHT) {
            add_weight(&s, weight_from_int(problem->value[f]));
        } else {
            add_upper(&s, "", field->name);
            str_addf(&s, "=%lld ", (long long)problem->value[f]);
        }
    }
    for (int p = 0; p < config->variant->n_params; p++)
        str_addf(&s, "-D%s=%d ", config->variant->params[p].name, config->value[p]);
    char *options = text_copy(str_text(&s));
    options[s.length - 1] = 0; /* the last blank */
    str_free(&s);
    return options;
}

/* ---- the key ---- */

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

/* What follows a comment or white space that begins here; *has_newline when a line ends on the way. */
static const char *skip_blank(const char *at, bool *has_newline) {
    for (;;) {
        if (isspace((unsigned char)*at)) {
            *has_newline |= *at++ == '\n';
        } else if (at[0] == '\\' && at[1] == '\n') {
            at += 2;
        } else if (at[0] == '/' && at[1] == '/') {
            at += strcspn(at, "\n");
        } else if (at[0] == '/' && at[1] == '*') {
            const char *end = strstr(at + 2, "*/");
            at = end ? end + 2 : at + strlen(at);
        } else {
            return at;
        }
    }
}

/* The end of a string or character literal that begins here. */
static const char *skip_literal(const char *at) {
    const char quote = *at++;
    while (*at && *at != quote) at += *at == '\\' && at[1] ? 2 : 1;
    return *at ? at + 1 : at;
}

char *source_strip(const char *text) {
    struct str s = {0};
    bool is_directive = false;
    for (const char *at = text; *at;) {
        bool has_newline = false;
        const char *token = skip_blank(at, &has_newline);
        const char before = s.length ? s.text[s.length - 1] : '\n';
        if (token != at && *token && before != '\n') {
            const bool keeps_apart =
                is_directive || (is_word(before) && is_word(*token)) || before == *token;
            if (has_newline && (is_directive || *token == '#')) str_add(&s, "\n");
            else if (keeps_apart) str_add(&s, " ");
        }
        if (has_newline || s.length == 0) is_directive = *token == '#';
        if (!*token) break;
        at = *token == '"' || *token == '\'' ? skip_literal(token) : token + 1;
        str_add_bytes(&s, token, (size_t)(at - token));
    }
    char *stripped = text_copy(str_text(&s));
    str_free(&s);
    return stripped;
}

static bool ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* Does this C file describe the kernel of `source`, "kernels/matmul/tiled.cl"? The C files of its folder
 * do, except those of another variant (a .cl of the same name lies beside them). */
static bool describes(const char *path, const char *source) {
    static const char *const common[] = {"kernels/layouts.c", "kernels/layouts.def",
                                         "kernels/activation.c"};
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (!strcmp(path, common[i])) return true;
    const size_t folder = (size_t)(strrchr(source, '/') - source) + 1;
    if (strncmp(path, source, folder) != 0 || !ends_with(path, ".c")) return false;
    char *kernel = text_format("%sl", path); /* x.c -> x.cl */
    const bool is_others = embedded_find(kernel) && strcmp(kernel, source) != 0;
    free(kernel);
    return !is_others;
}

/* The key of a kernel of somebody's own. */
static void own_source_key(const struct own_kernel *own, char text[17]) {
    char *stripped = source_strip(own->text);
    hash_hex(hash_bytes(hash_text(hash_start(), stripped), &own->key, sizeof own->key), text);
    free(stripped);
}

void variant_source_key(const struct variant *variant, char text[17]) {
    char *source = NULL;
    uint64_t hash = hash_start();
    if (variant->own) {
        own_source_key(variant->own, text);
        return;
    }
    if (source_assemble(variant->source, &source, NULL) == OK) {
        char *stripped = source_strip(source);
        hash = hash_text(hash, stripped);
        free(stripped);
    }
    free(source);
    for (const struct embedded *file = embedded_files; file->path; file++)
        if (describes(file->path, variant->source))
            hash = hash_bytes(hash_text(hash, file->path), &file->hash, sizeof file->hash);
    hash_hex(hash, text);
}

/* Of all kernels of a family, in its order, and one for all of them. */
struct family_keys {
    char (*variant)[17];
    char all[17];
};

static void make_keys(const struct family *family, struct family_keys *keys) {
    uint64_t hash = hash_start();
    size_t n = 0;
    while (family->variants[n]) n++;
    keys->variant = memory_new(n * sizeof *keys->variant);
    for (size_t v = 0; v < n; v++) {
        const struct own_kernel *own = family->variants[v]->own;
        variant_source_key(family->variants[v], keys->variant[v]);
        hash = hash_text(hash, keys->variant[v]);
        if (own) hash = hash_bytes(hash, &own->space, sizeof own->space);
    }
    hash_hex(hash, keys->all);
}

/* Of families[], in its order, whose sources stay the same: the engine asks once a matrix, a session once a
 * candidate. */
static struct family_keys *made_keys;
static pthread_once_t made_keys_once = PTHREAD_ONCE_INIT;

static void make_all_keys(void) {
    size_t n = 0;
    while (families[n]) n++;
    made_keys = memory_new(n * sizeof *made_keys);
    for (size_t f = 0; f < n; f++) make_keys(families[f], &made_keys[f]);
}

/* NULL: none of families[]. */
static const struct family_keys *find_made(const struct family *family) {
    size_t f = 0;
    while (families[f] && families[f] != family) f++;
    pthread_once(&made_keys_once, make_all_keys);
    return families[f] ? &made_keys[f] : NULL;
}

void family_key(const struct family *family, char text[17]) {
    const struct family_keys *made = find_made(family);
    struct family_keys own = {0};
    if (!made) make_keys(family, &own);
    memcpy(text, made ? made->all : own.all, sizeof own.all);
    free(own.variant);
}

const char *family_source_key(const struct family *family, const char *variant, char text[17]) {
    const struct variant *found = variant_find(family, variant);
    const struct family_keys *made = find_made(family);
    size_t v = 0;
    text[0] = 0;
    while (found && family->variants[v] != found) v++;
    if (found && made) memcpy(text, made->variant[v], sizeof made->variant[v]);
    else if (found) variant_source_key(found, text);
    return text;
}
