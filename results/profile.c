/* profile.c: see profile.h. The parser takes nothing for granted: any bytes give a profile or a sentence. */
#include "results/profile.h"
#include "base/hash.h"
#include "base/str.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MOST = 2048, WORDS = 8, KEY_DIGITS = 16, ROUND_MOST = 1000000 };
static const char signature[] = "hone-profile 2";

struct parser {
    const char *name;
    int line;
    struct profile *profile;
    struct hash_map *seen; /* configuration -> its line */
    char **keys;           /* what the map points to */
    size_t n_keys;
    bool is_ended; /* by its line "end" */
    struct error *err;
};

/* ---- failures ---- */

static enum status refuse(const struct parser *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static enum status refuse(const struct parser *p, const char *format, ...) {
    struct str what = {0};
    va_list arguments;
    va_start(arguments, format);
    str_addv(&what, format, arguments);
    va_end(arguments);
    fail(p->err, STATUS_INVALID, "the profile %s, line %d: %s", p->name, p->line, str_text(&what));
    str_free(&what);
    return STATUS_INVALID;
}

/* ---- words ---- */

static const char *const word_names[WORDS] = {"family",  "problem",       "class",   "layout",
                                              "variant", "configuration", "time_ns", "source key"};

/* Cut a line at its spaces; false when it was refused. */
static bool cut(const struct parser *p, char *line, char *words[WORDS]) {
    for (int w = 0; w < WORDS; w++) {
        char *space = strchr(line, ' ');
        if (*line == 0 || *line == ' ')
            return refuse(p, "the %s is missing (one space stands between words)", word_names[w]),
                   false;
        if (space && w == WORDS - 1)
            return refuse(p, "\"%.60s\" after the %s is too much", space + 1, word_names[w]), false;
        words[w] = line;
        if (space) *space = 0;
        line = space ? space + 1 : line + strlen(line);
    }
    return true;
}

/* Digits with at most one point between them: no sign, exponent, infinity or hexadecimals. */
static bool parse_time(const char *text, double *time_ns) {
    const size_t whole = strspn(text, "0123456789");
    const size_t part = text[whole] == '.' ? 1 + strspn(text + whole + 1, "0123456789") : 0;
    if (whole == 0 || whole > 18 || part == 1 || text[whole + part] != 0) return false;
    *time_ns = strtod(text, NULL);
    return *time_ns > 0;
}

static bool is_key(const char *text) {
    return strlen(text) == KEY_DIGITS && strspn(text, "0123456789abcdef") == KEY_DIGITS;
}

/* ---- samples ---- */

static void add_sample(struct profile *profile, int round, double time_ns) {
    const size_t n = profile->n_samples++;
    /* Sizes double: there may be many. */
    if ((n & (n - 1)) == 0)
        profile->samples =
            memory_grow(profile->samples, (n ? 2 * n : 1) * sizeof *profile->samples);
    profile->samples[n] = (struct profile_sample){round, time_ns};
}

static enum status read_samples(struct parser *p, char *rest) {
    struct profile *profile = p->profile;
    if (!profile->n_records) return refuse(p, "samples stand below their record");
    struct profile_record *r = &profile->records[profile->n_records - 1];
    char *word = strsep(&rest, " "), *end;
    const long round = strtol(word, &end, 10);
    if (strspn(word, "0123456789") != strlen(word) || !*word || round > ROUND_MOST)
        return refuse(p, "the round is \"%.60s\", not a number from 0 to %d", word, ROUND_MOST);
    if (r->n_samples && round < profile->samples[profile->n_samples - 1].round)
        return refuse(p, "round %ld stands below a later one", round);
    if (!rest) return refuse(p, "no sample follows the round");
    while ((word = strsep(&rest, " "))) {
        double time_ns;
        if (!parse_time(word, &time_ns))
            return refuse(p, "a sample is \"%.60s\", not a number of nanoseconds above 0", word);
        add_sample(profile, (int)round, time_ns);
        r->n_samples++;
    }
    return OK;
}

/* The time of a record is a median of its last round. */
static enum status check_samples(struct parser *p) {
    const struct profile *profile = p->profile;
    if (!profile->n_records) return OK;
    const struct profile_record *r = &profile->records[profile->n_records - 1];
    if (!r->n_samples) return OK;
    const struct profile_sample *list = profile->samples + r->first_sample;
    const int last = list[r->n_samples - 1].round;
    bool above = false, below = false;
    for (size_t i = 0; i < r->n_samples; i++) {
        if (list[i].round != last) continue;
        above |= list[i].time_ns >= r->time_ns;
        below |= list[i].time_ns <= r->time_ns;
    }
    return above && below ? OK
                          : refuse(p,
                                   "the time_ns of the record in line %d lies outside its last "
                                   "samples",
                                   r->line);
}

/* ---- records ---- */

/* The same configuration of the same problem may stand there once. */
static enum status note_seen(struct parser *p, const struct profile_record *r) {
    char *key = text_format("%s %s %s %s %s %s", r->family, r->problem, r->class_name, r->layout,
                            r->variant, r->config);
    const int before = hash_map_find(p->seen, key, strlen(key));
    if (before >= 0) {
        free(key);
        return refuse(p, "this configuration stands in line %d already", before);
    }
    p->keys = memory_grow(p->keys, (p->n_keys + 1) * sizeof *p->keys);
    p->keys[p->n_keys++] = key;
    hash_map_add(p->seen, key, strlen(key), p->line);
    return OK;
}

static enum status read_record(struct parser *p, char *rest) {
    struct profile *profile = p->profile;
    char *words[WORDS] = {NULL};
    if (check_samples(p) != OK || !cut(p, rest, words)) return STATUS_INVALID;
    struct profile_record r = {.line = p->line,
                               .family = words[0],
                               .problem = words[1],
                               .class_name = words[2],
                               .layout = words[3],
                               .variant = words[4],
                               .config = strcmp(words[5], "-") ? words[5] : "",
                               .source_key = words[7],
                               .first_sample = profile->n_samples};
    if (!strchr(r.problem, '='))
        return refuse(p, "the problem is \"%.100s\", not fields such as m=4096,n=1", r.problem);
    if (!parse_time(words[6], &r.time_ns))
        return refuse(p, "the time_ns is \"%.60s\", not a number of nanoseconds above 0", words[6]);
    if (!is_key(r.source_key))
        return refuse(p, "the source key is \"%.60s\", not %d hexadecimal digits", r.source_key,
                      KEY_DIGITS);
    const enum status st = note_seen(p, &r);
    if (st != OK) return st;
    profile->records =
        memory_grow(profile->records, (profile->n_records + 1) * sizeof *profile->records);
    profile->records[profile->n_records++] = r;
    return OK;
}

static enum status read_architecture(struct parser *p, char *rest) {
    struct profile *profile = p->profile;
    const size_t n = profile->n_architectures;
    profile->architectures =
        memory_grow(profile->architectures, (n + 1) * sizeof *profile->architectures);
    profile->architectures[profile->n_architectures++] = rest;
    return OK;
}

/* A line that may stand there once. */
static enum status read_once(struct parser *p, const char **place, const char *word, char *rest) {
    if (**place) return refuse(p, "there are two lines of %s", word);
    *place = rest;
    return OK;
}

static enum status read_device(struct parser *p, char *rest) {
    return read_once(p, &p->profile->device, "device", rest);
}

static enum status read_version(struct parser *p, char *rest) {
    return read_once(p, &p->profile->version, "version", rest);
}

static enum status read_provenance(struct parser *p, char *rest) {
    return read_once(p, &p->profile->provenance, "provenance", rest);
}

/* ---- the end ---- */

static enum status read_end(struct parser *p, char *rest) {
    char number[24];
    snprintf(number, sizeof number, "%zu", p->profile->n_records);
    p->is_ended = true;
    return strcmp(rest, number) == 0
               ? check_samples(p)
               : refuse(p, "it ends with %.20s records, and holds %s", rest, number);
}

/* ---- lines ---- */

static const struct {
    const char *word;
    enum status (*read)(struct parser *p, char *rest);
} kinds[] = {
    {"architecture", read_architecture},
    {"device", read_device},
    {"version", read_version},
    {"provenance", read_provenance},
    {"record", read_record},
    {"samples", read_samples},
    {"end", read_end},
};

static enum status read_line(struct parser *p, char *line) {
    if (*line == 0 || *line == '#') return OK;
    if (p->is_ended) return refuse(p, "\"%.60s\" stands below the end", line);
    char *rest = strchr(line, ' ');
    if (rest) *rest++ = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        if (strcmp(kinds[k].word, line) != 0) continue;
        if (!rest || !*rest) return refuse(p, "nothing follows \"%s\"", line);
        return kinds[k].read(p, rest);
    }
    return refuse(p,
                  "\"%.60s\" is none of architecture, device, version, provenance, record, "
                  "samples, end, #",
                  line);
}

/* Printable ASCII, and lines that people can read. */
static enum status check_bytes(const struct parser *p, const char *line, size_t length) {
    if (length > LINE_MOST) return refuse(p, "it is longer than %d bytes", LINE_MOST);
    for (size_t i = 0; i < length; i++)
        if (line[i] < ' ' || line[i] > '~')
            return refuse(p, "byte %zu is 0x%02x, not printable ASCII", i + 1,
                          (unsigned)(unsigned char)line[i]);
    return OK;
}

static enum status read_lines(struct parser *p, char *text, size_t size) {
    char *end = text + size;
    bool is_signed = false;
    for (char *line = text, *next; line < end; line = next) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop ? stop : end;
        next = stop + 1;
        p->line++;
        enum status st = check_bytes(p, line, (size_t)(stop - line));
        if (st != OK) return st;
        *stop = 0;
        if (is_signed) st = read_line(p, line);
        else if (strcmp(line, signature) != 0) st = refuse(p, "it is not \"%s\"", signature);
        is_signed = true;
        if (st != OK) return st;
    }
    if (!is_signed) return refuse(p, "it is empty, not \"%s\"", signature);
    if (!p->is_ended) return refuse(p, "it was cut short: no line says \"end\"");
    return p->profile->n_architectures || *p->profile->device
               ? OK
               : refuse(p, "no line names an architecture or a device");
}

enum status profile_parse(const char *name, const char *text, size_t size, struct profile *out,
                          struct error *err) {
    *out =
        (struct profile){.device = "", .version = "", .provenance = "", .text = malloc(size + 1)};
    if (!out->text)
        return fail(err, STATUS_NOMEM, "reading the profile %s: no memory for %zu bytes", name,
                    size);
    memcpy(out->text, text, size);
    out->text[size] = 0;
    struct parser p = {.name = name, .profile = out, .seen = hash_map_open(64), .err = err};
    const enum status st = read_lines(&p, out->text, size);
    for (size_t i = 0; i < p.n_keys; i++) free(p.keys[i]);
    free(p.keys);
    hash_map_close(p.seen);
    if (st != OK) profile_free(out);
    return st;
}

void profile_free(struct profile *profile) {
    free(profile->text);
    free(profile->architectures);
    free(profile->samples);
    free(profile->records);
    *profile = (struct profile){0};
}

char *profile_architecture(const char *model) {
    for (int part = 0; part < 3 && model; part++) {
        model = strchr(model, '|');
        if (model) model++;
    }
    return model ? text_format("%.*s", (int)strcspn(model, "|"), model) : text_copy("");
}

bool profile_covers(const struct profile *profile, const char *model) {
    char *architecture = profile_architecture(model);
    bool covers = *model && !strcmp(profile->device, model);
    for (size_t i = 0; i < profile->n_architectures; i++)
        covers |= !strcmp(profile->architectures[i], architecture);
    free(architecture);
    return covers;
}
