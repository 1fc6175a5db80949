/* utf8.h: where characters of UTF-8 begin and end; text of strangers made fit to be shown. */
#pragma once
#include <stddef.h>

/* Bytes of the character that n > 0 bytes begin with; 0: they begin with none (also overlong forms,
 * surrogates, numbers beyond U+10FFFF). */
size_t utf8_character(const char *text, size_t n);
/* The longest prefix that does not end inside a character: print it, keep the rest until more bytes
 * arrive. Bytes that can never become a character count as complete. */
size_t utf8_complete(const char *text, size_t n);
/* Copy for a sentence or a name: characters that fit into out[bytes] with a NUL; what is no UTF-8, and
 * what a terminal would obey, becomes '?'. Returns out. */
char *utf8_printable(const char *text, size_t n, char *out, size_t bytes);
