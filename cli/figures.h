/* figures.h: the figures of the report: from the queries in plots/ to files in a folder. */
#pragma once
#include "results/store.h"
#include <stdbool.h>

/* ---- what there is to draw: figures.def ---- */

struct figure {
    const char *chapter, *name, *caption;
};
struct chapter {
    const char *name, *heading, *about, *command;
};
extern const struct chapter chapters[]; /* ended by a NULL name */

enum { FIGURES_OF_CHAPTER = 4 };

/* ---- what was drawn ---- */

struct drawing {
    const struct figure *figure;
    char *name; /* of its files, without their endings */
    char *svg;  /* the picture; NULL: not drawn, there are only data and script */
};
/* One subject of a chapter: a shape over N, a session. */
struct panel {
    const struct chapter *chapter;
    char *title, *note; /* as the query says; hostile */
    char *data;         /* name of the CSV */
    struct drawing drawings[FIGURES_OF_CHAPTER];
    size_t n_drawings;
};
struct gallery {
    struct panel *panels; /* in the order of the page */
    size_t n;
    struct error failure; /* the first reason why a figure was not drawn; OK: all were */
};

/* Run the queries and draw; into the folder, which exists, go NAME.csv, NAME.gp and, where gnuplot could draw,
 * NAME.svg and NAME.png; each is written whole or not at all. A figure that cannot be drawn is no failure of
 * the call; INTERRUPTED is. asked: the tables `asked` and `operations` of plots/tables.sql. */
enum status gallery_draw(struct store *store, const char *folder, const char *asked,
                         const volatile int *interrupt, struct gallery *gallery, struct error *err);
void gallery_free(struct gallery *gallery);
