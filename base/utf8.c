/* utf8.c: see utf8.h. */
#include "base/utf8.h"
#include <stdbool.h>
#include <string.h>

/* Bytes that a character with this first byte has; 1 for what begins none. */
static size_t length_of(unsigned char first) {
    return first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1;
}

size_t utf8_character(const char *text, size_t n) {
    const unsigned char *p = (const unsigned char *)text;
    if (p[0] < 0x80) return 1;
    const size_t length = length_of(p[0]);
    if (length < 2 || length > n) return 0;
    for (size_t i = 1; i < length; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    const bool refused = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
                         (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f);
    return refused ? 0 : length; /* overlong, surrogate, beyond U+10FFFF */
}

size_t utf8_complete(const char *text, size_t n) {
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        const unsigned char byte = (unsigned char)text[n - back];
        if ((byte & 0xc0) == 0x80) continue; /* a later byte of a character: look further */
        return length_of(byte) > back ? n - back : n;
    }
    return n;
}

/* ASCII's control characters, and the second set of them, U+0080 to U+009F. */
static bool is_control(const unsigned char *character) {
    return character[0] < ' ' || character[0] == 127 ||
           (character[0] == 0xc2 && character[1] < 0xa0);
}

char *utf8_printable(const char *text, size_t n, char *out, size_t bytes) {
    size_t used = 0;
    for (size_t i = 0; i < n;) {
        const size_t length = utf8_character(text + i, n - i);
        const bool good = length && !is_control((const unsigned char *)text + i);
        const size_t adds = good ? length : 1;
        if (used + adds + 1 > bytes) break;
        memcpy(out + used, good ? text + i : "?", adds);
        used += adds;
        i += length ? length : 1;
    }
    out[used] = 0;
    return out;
}
