/* svg.h: a picture of gnuplot's as part of a page. */
#pragma once
#include "base/str.h"

/* Add the <svg> of a file: without prologue, title and description; ids and the references to them get `name`
 * and a dash in front, because a page holds many pictures. label: what it shows, escaped. */
void svg_add(struct str *html, const char *svg, const char *name, const char *label);
