/* str.h: a growing string. Out of memory aborts the program: a string is never so large that
 * carrying on without it would make sense. */
#pragma once
#include <stdarg.h>
#include <stddef.h>

struct str {
    char *text;      /* always NUL-terminated once anything was added; NULL when empty and new */
    size_t length;   /* bytes, without the NUL */
    size_t capacity; /* bytes allocated */
};

/* Append a text; n bytes of any value; what printf would print. What is appended may not lie in s itself. */
void str_add(struct str *s, const char *text);
void str_add_bytes(struct str *s, const void *bytes, size_t n);
void str_addf(struct str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void str_addv(struct str *s, const char *format, va_list arguments);
void str_clear(struct str *s);             /* length 0, memory kept */
void str_free(struct str *s);              /* memory released, ready to be used again */
const char *str_text(const struct str *s); /* "" when nothing was added */

/* printf into memory of its own; the caller frees. */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *text_copy(const char *text); /* strdup that aborts when out of memory */

/* malloc, calloc and realloc that abort with a sentence when out of memory; for small things only:
 * what a file or a user can make large goes through malloc and STATUS_NOMEM. */
void *memory_new(size_t bytes); /* zeroed */
void *memory_grow(void *old, size_t bytes);
