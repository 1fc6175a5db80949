/* svg.c: see svg.h. The text is that of gnuplot's svg terminal, which is regular: elements are not nested in
 * the ones left out, and ids are referred to by href='#…' and url(#…). */
#include "cli/svg.h"
#include <stdbool.h>
#include <string.h>

/* What stands in front of an id or of a reference to one. */
static const char *const marks[] = {" id='", " id=\"", "href='#", "href=\"#", "url(#"};
/* Elements that are left out, with all that is in them. */
static const char *const dropped[][2] = {{"<title>", "</title>"}, {"<desc>", "</desc>"}};

/* The end of the element that starts at p, when it is one of those left out; else NULL. */
static const char *skip_dropped(const char *p) {
    for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++) {
        if (strncmp(p, dropped[i][0], strlen(dropped[i][0])) != 0) continue;
        const char *end = strstr(p, dropped[i][1]);
        return end ? end + strlen(dropped[i][1]) : NULL;
    }
    return NULL;
}

static size_t mark_length(const char *p) {
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (!strncmp(p, marks[i], strlen(marks[i]))) return strlen(marks[i]);
    return 0;
}

void svg_add(struct str *html, const char *svg, const char *name, const char *label) {
    static const char opening[] = "<svg";
    const char *p = strstr(svg, opening);
    if (!p) return;
    str_addf(html, "<svg role=\"img\" aria-label=\"%s\"", label);
    for (p += strlen(opening); *p;) {
        const char *end = skip_dropped(p);
        if (end) {
            p = end;
            continue;
        }
        const size_t length = mark_length(p);
        str_add_bytes(html, p, length ? length : 1);
        if (length) str_addf(html, "%s-", name);
        p += length ? length : 1;
    }
}
