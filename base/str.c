/* str.c: see str.h. */
#include "base/str.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_abort(void *p, size_t bytes) {
    if (p || !bytes) return p;
    fprintf(stderr, "hone: out of memory for %zu bytes\n", bytes);
    abort();
}

void *memory_new(size_t bytes) {
    return or_abort(calloc(1, bytes ? bytes : 1), bytes);
}

void *memory_grow(void *old, size_t bytes) {
    return or_abort(realloc(old, bytes ? bytes : 1), bytes);
}

void str_add_bytes(struct str *s, const void *bytes, size_t n) {
    if (s->length + n + 1 > s->capacity) {
        size_t capacity = s->capacity ? s->capacity : 64;
        while (capacity < s->length + n + 1) capacity *= 2;
        s->text = memory_grow(s->text, capacity);
        s->capacity = capacity;
    }
    if (n) memcpy(s->text + s->length, bytes, n);
    s->length += n;
    s->text[s->length] = 0;
}

void str_add(struct str *s, const char *text) {
    str_add_bytes(s, text, strlen(text));
}

void str_addv(struct str *s, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    const int n = vsnprintf(NULL, 0, format, arguments);
    if (n > 0) {
        char *text = memory_new((size_t)n + 1);
        vsnprintf(text, (size_t)n + 1, format, again);
        str_add_bytes(s, text, (size_t)n);
        free(text);
    }
    va_end(again);
}

void str_addf(struct str *s, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    str_addv(s, format, arguments);
    va_end(arguments);
}

void str_clear(struct str *s) {
    s->length = 0;
    if (s->text) s->text[0] = 0;
}

void str_free(struct str *s) {
    free(s->text);
    *s = (struct str){0};
}

const char *str_text(const struct str *s) {
    return s->text ? s->text : "";
}

char *text_format(const char *format, ...) {
    struct str s = {0};
    va_list arguments;
    va_start(arguments, format);
    str_addv(&s, format, arguments);
    va_end(arguments);
    return s.text ? s.text : memory_new(1);
}

char *text_copy(const char *text) {
    const size_t n = strlen(text) + 1;
    return memcpy(memory_new(n), text, n);
}
