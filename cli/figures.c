/* figures.c: see figures.h.
 *
 *     query ─> a panel for each value of its first column ─> CSV, and a script for each figure
 *     script in a folder of its own ─> gnuplot ─> SVG and PNG, looked at, then moved into place
 *
 * A script is the lines that name its files, words and series, then plots/head.gp, FIGURE.gp, CHAPTER.gp,
 * tail.gp: it stands alone, so that a reader can draw the figure again. */
#include "cli/figures.h"
#include "base/embedded.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/costs.h"
#include "cli/gnuplot.h"
#include "cli/steps.h"
#include "cli/table.h"
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PICTURE_MOST = 16 << 20, SLUG_MOST = 80 };

const struct chapter chapters[] = {
#define CHAPTER(name, heading, about, command) {#name, heading, about, command},
#define FIGURE(chapter, name, caption)
#include "cli/figures.def"
#undef CHAPTER
#undef FIGURE
    {NULL, NULL, NULL, NULL}};

static const struct figure figures[] = {
#define CHAPTER(name, heading, about, command)
#define FIGURE(chapter, name, caption) {#chapter, #name, caption},
#include "cli/figures.def"
#undef CHAPTER
#undef FIGURE
};
enum { FIGURES = sizeof figures / sizeof *figures };

/* ---- queries ---- */

static const char *plot_file(const char *name, const char *ending) {
    char path[64];
    snprintf(path, sizeof path, "plots/%s.%s", name, ending);
    const struct embedded *file = embedded_find(path);
    assert(file && file->text);
    return file->text;
}

static const char *behind_with(const char *query) {
    static const char with[] = "\nWITH ";
    const char *found = strstr(query, with);
    assert(found);
    return found + strlen(with);
}

/* The chapter's query; behind its WITH come first the tables of the program, then those of tables.sql. */
static enum status ask(struct store *store, const struct chapter *chapter, const char *tables,
                       struct table *table, struct error *err) {
    char *sql = text_format("WITH %s, %s, %s", tables, behind_with(plot_file("tables", "sql")),
                            behind_with(plot_file(chapter->name, "sql")));
    const enum status status = table_query(store, sql, table, err);
    free(sql);
    return status == OK ? OK : fail_while(err, "plots/%s.sql", chapter->name);
}

/* ---- panels: what the script is given ---- */

/* The panel in work: its rows are those from `row` on with the same first cell. */
struct sheet {
    struct str csv, words, series; /* words: lines of the script; series: quoted, with commas */
    size_t n_series;
};

static void add_text(struct str *csv, const char *cell) {
    char text[GNUPLOT_TEXT];
    str_addf(csv, strchr(cell, ',') ? "\"%s\"" : "%s", gnuplot_text(cell, text));
}

/* Does a new value begin a new line? */
static bool is_key(const struct table *table, size_t column) {
    return !strcmp(table->cells[column], "series") || !strcmp(table->cells[column], "line");
}

static bool is_text(const struct table *table, size_t column) {
    static const char ending[] = "label";
    const size_t length = strlen(table->cells[column]), n = strlen(ending);
    return is_key(table, column) ||
           (length >= n && !strcmp(table->cells[column] + length - n, ending));
}

static void add_row(const struct table *table, size_t row, size_t first, struct str *csv) {
    for (size_t c = first; c < table->n_columns; c++) {
        const char *cell = table_cell(table, row, c);
        if (c > first) str_add(csv, ",");
        if (is_text(table, c)) add_text(csv, cell);
        else if (isfinite(table_number(table, row, table->cells[c]))) str_add(csv, cell);
    }
    str_add(csv, "\n");
}

/* Does a row go on with the line of the row before? */
static bool goes_on(const struct table *table, size_t row, size_t first) {
    for (size_t c = first; c < table->n_columns; c++)
        if (is_key(table, c) &&
            strcmp(table_cell(table, row, c), table_cell(table, row - 1, c)) != 0)
            return false;
    return true;
}

static void add_series(struct sheet *sheet, const char *name) {
    char text[GNUPLOT_TEXT];
    str_addf(&sheet->series, "%s'%s'", sheet->n_series++ ? ", " : "", gnuplot_text(name, text));
}

/* The columns before the series are words of the panel: variables of its script. */
static void add_words(struct sheet *sheet, const struct table *table, size_t row) {
    char text[GNUPLOT_TEXT];
    for (size_t c = 0; c < table_column(table, "series"); c++)
        str_addf(&sheet->words, "%s = '%s'\n", table->cells[c],
                 gnuplot_text(table_cell(table, row, c), text));
    str_addf(&sheet->words, "version = 'hone %s'\n", HONE_VERSION);
}

/* The rows of a panel from `row` on; returns the row behind them. An empty line is put between lines. */
static size_t fill_sheet(const struct table *table, size_t row, struct sheet *sheet) {
    const size_t series = table_column(table, "series"), start = row;
    const char *panel = table_text(table, row, "panel");
    add_words(sheet, table, row);
    for (size_t c = series; c < table->n_columns; c++)
        str_addf(&sheet->csv, "%s%s", c > series ? "," : "", table->cells[c]);
    str_add(&sheet->csv, "\n");
    for (; row < table->n_rows && !strcmp(table_text(table, row, "panel"), panel); row++) {
        const char *name = table_cell(table, row, series);
        if (row == start || strcmp(name, table_cell(table, row - 1, series)) != 0)
            add_series(sheet, name);
        if (row > start && !goes_on(table, row, series)) str_add(&sheet->csv, "\n");
        add_row(table, row, series, &sheet->csv);
    }
    return row;
}

/* ---- names of files ---- */

/* Letters, digits and dashes of a text that may be anything. */
static void add_slug(struct str *name, const char *text) {
    const size_t start = name->length;
    for (; *text && name->length < start + SLUG_MOST; text++) {
        const char c = (char)tolower((unsigned char)*text);
        if (isalnum((unsigned char)c) && (unsigned char)c < 128) str_addf(name, "%c", c);
        else if (name->length > start && name->text[name->length - 1] != '-') str_add(name, "-");
    }
    while (name->length > start && name->text[name->length - 1] == '-')
        name->text[--name->length] = 0;
}

/* "12288-4096-q4-128-i8", with a number behind it when an earlier panel has that name. */
static char *panel_slug(const struct gallery *gallery, const struct chapter *chapter,
                        const char *panel) {
    struct str slug = {0};
    add_slug(&slug, panel);
    if (!slug.length) str_add(&slug, "panel");
    const size_t length = slug.length;
    for (size_t i = 0, again = 2; i < gallery->n; i++) {
        char *data = text_format("%s-%s.csv", chapter->name, slug.text);
        if (!strcmp(gallery->panels[i].data, data)) {
            slug.text[slug.length = length] = 0;
            str_addf(&slug, "-%zu", again++);
            i = (size_t)-1; /* look again from the first */
        }
        free(data);
    }
    return slug.text;
}

/* ---- drawing ---- */

struct studio {
    const char *folder; /* where the files belong */
    char *scratch;      /* where gnuplot works */
    const volatile int *interrupt;
    struct gallery *gallery;
};

static char *inside(const char *folder, const char *name, const char *ending) {
    return text_format("%s/%s%s", folder, name, ending);
}

static enum status write_in(const char *folder, const char *name, const char *ending,
                            const void *bytes, size_t size, struct error *err) {
    char *path = inside(folder, name, ending);
    const enum status status = path_write(path, bytes, size, err);
    free(path);
    return status;
}

static void remove_in(const char *folder, const char *name, const char *ending) {
    char *path = inside(folder, name, ending);
    unlink(path);
    free(path);
}

static void write_script(struct str *script, const struct panel *panel,
                         const struct drawing *drawing, const struct sheet *sheet) {
    str_addf(script,
             "# %s.gp: `gnuplot %s.gp`, in the folder of its data, draws %s.svg and %s.png again.\n"
             "name = '%s'\ndata = '%s'\n%sarray series[%zu] = [%s]\n\n",
             drawing->name, drawing->name, drawing->name, drawing->name, drawing->name, panel->data,
             str_text(&sheet->words), sheet->n_series, str_text(&sheet->series));
    const char *const figure = drawing->figure->name, *const chapter = panel->chapter->name;
    const bool is_alone = !strcmp(figure, chapter); /* the only figure of its chapter */
    const char *const parts[] = {"head", is_alone ? NULL : figure, chapter, "tail"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i]) str_addf(script, "%s%s", i ? "\n" : "", plot_file(parts[i], "gp"));
}

/* What gnuplot has left is a picture: it ends as one. */
static const struct picture {
    const char *ending, *starts, *ends;
    size_t n_starts, n_ends;
} pictures[] = {
    {".svg", "<?xml", "</svg>", 5, 6},
    {".png", "\x89PNG\r\n\x1a\n", "IEND\xae\x42\x60\x82", 8, 8},
};

static bool is_whole(const struct picture *picture, const char *bytes, size_t size) {
    while (size && isspace((unsigned char)bytes[size - 1]) && picture->ends[0] == '<') size--;
    return size >= picture->n_starts + picture->n_ends &&
           !memcmp(bytes, picture->starts, picture->n_starts) &&
           !memcmp(bytes + size - picture->n_ends, picture->ends, picture->n_ends);
}

/* Look at what gnuplot drew and move it into place; the SVG is kept for the page. */
static enum status collect(const struct studio *s, struct drawing *drawing, struct error *err) {
    enum status status = OK;
    for (size_t i = 0; status == OK && i < sizeof pictures / sizeof *pictures; i++) {
        char *path = inside(s->scratch, drawing->name, pictures[i].ending), *bytes = NULL;
        size_t size = 0;
        status = path_read(path, PICTURE_MOST, &bytes, &size, err);
        if (status == OK && !is_whole(&pictures[i], bytes, size))
            status = fail(err, STATUS_CRASHED, "drawing %s: gnuplot left half a picture", path);
        if (status == OK)
            status = write_in(s->folder, drawing->name, pictures[i].ending, bytes, size, err);
        if (status == OK && i == 0) drawing->svg = bytes;
        else free(bytes);
        free(path);
    }
    return status;
}

static enum status draw(const struct studio *s, struct drawing *drawing, const struct str *script,
                        struct error *err) {
    char *file = text_format("%s.gp", drawing->name);
    enum status status = write_in(s->scratch, file, "", script->text, script->length, err);
    if (status == OK) status = gnuplot_run(s->scratch, file, s->interrupt, err);
    if (status == OK) status = collect(s, drawing, err);
    remove_in(s->scratch, file, "");
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++)
        remove_in(s->scratch, drawing->name, pictures[i].ending);
    free(file);
    return status;
}

/* Write the script of a figure and draw it. Once gnuplot is known to be missing it is not asked again. */
static enum status make_figure(const struct studio *s, const struct panel *panel,
                               struct drawing *drawing, const struct sheet *sheet,
                               struct error *err) {
    struct str script = {0};
    struct error why = {OK, ""}, *failure = &s->gallery->failure;
    write_script(&script, panel, drawing, sheet);
    enum status status = write_in(s->folder, drawing->name, ".gp", script.text, script.length, err);
    if (status == OK && failure->status != STATUS_UNSUPPORTED) {
        log_progress("drawing %s", drawing->name);
        const enum status drawn = draw(s, drawing, &script, &why);
        if (drawn == STATUS_INTERRUPTED) *err = why, status = drawn;
        else if (drawn != OK && failure->status == OK) *failure = why;
        if (drawn != OK && drawn != STATUS_INTERRUPTED) log_warn("%s", why.text);
    }
    str_free(&script);
    return status;
}

/* One panel: its data, then its figures. Returns the row behind it in *row. */
static enum status make_panel(const struct studio *s, const struct chapter *chapter,
                              const struct table *table, size_t *row, struct error *err) {
    struct gallery *gallery = s->gallery;
    struct sheet sheet = {0};
    char *slug = panel_slug(gallery, chapter, table_text(table, *row, "panel"));
    gallery->panels = memory_grow(gallery->panels, (gallery->n + 1) * sizeof *gallery->panels);
    struct panel *panel = &gallery->panels[gallery->n++];
    *panel = (struct panel){.chapter = chapter,
                            .title = text_copy(table_text(table, *row, "title")),
                            .note = text_copy(table_text(table, *row, "note")),
                            .data = text_format("%s-%s.csv", chapter->name, slug)};
    *row = fill_sheet(table, *row, &sheet);
    enum status status =
        write_in(s->folder, panel->data, "", sheet.csv.text, sheet.csv.length, err);
    if (status == OK)
        status = write_in(s->scratch, panel->data, "", sheet.csv.text, sheet.csv.length, err);
    for (size_t f = 0; status == OK && f < FIGURES; f++) {
        if (strcmp(figures[f].chapter, chapter->name) != 0) continue;
        assert(panel->n_drawings < FIGURES_OF_CHAPTER);
        struct drawing *drawing = &panel->drawings[panel->n_drawings++];
        *drawing = (struct drawing){.figure = &figures[f],
                                    .name = text_format("%s-%s", figures[f].name, slug)};
        status = make_figure(s, panel, drawing, &sheet, err);
    }
    remove_in(s->scratch, panel->data, "");
    str_free(&sheet.csv);
    str_free(&sheet.words);
    str_free(&sheet.series);
    free(slug);
    return status;
}

static enum status make_chapter(const struct studio *s, struct store *store,
                                const struct chapter *chapter, const char *tables,
                                struct error *err) {
    struct table table;
    enum status status = ask(store, chapter, tables, &table, err);
    for (size_t row = 0; status == OK && row < table.n_rows;)
        status = make_panel(s, chapter, &table, &row, err);
    table_free(&table);
    return status;
}

static enum status make_scratch(char **scratch, struct error *err) {
    const char *base = getenv("TMPDIR");
    *scratch = text_format("%s/hone-report-XXXXXX", base && base[0] == '/' ? base : "/tmp");
    if (mkdtemp(*scratch)) return OK;
    const enum status status =
        fail(err, STATUS_IO, "making a folder to draw in, %s: %s", *scratch, strerror(errno));
    free(*scratch);
    *scratch = NULL;
    return status;
}

enum status gallery_draw(struct store *store, const char *folder, const char *asked,
                         const volatile int *interrupt, struct gallery *gallery,
                         struct error *err) {
    struct studio studio = {.folder = folder, .interrupt = interrupt, .gallery = gallery};
    struct str tables = {0};
    *gallery = (struct gallery){0};
    enum status status = costs_add(store, &tables, err);
    str_addf(&tables, ", %s, ", asked);
    if (status == OK) status = steps_add(store, &tables, err);
    if (status == OK) status = make_scratch(&studio.scratch, err);
    for (const struct chapter *chapter = chapters; status == OK && chapter->name; chapter++)
        status = make_chapter(&studio, store, chapter, tables.text, err);
    if (studio.scratch) rmdir(studio.scratch);
    log_progress_done();
    free(studio.scratch);
    str_free(&tables);
    return status;
}

void gallery_free(struct gallery *gallery) {
    for (size_t p = 0; p < gallery->n; p++) {
        struct panel *panel = &gallery->panels[p];
        for (size_t d = 0; d < panel->n_drawings; d++) {
            free(panel->drawings[d].name);
            free(panel->drawings[d].svg);
        }
        free(panel->title);
        free(panel->note);
        free(panel->data);
    }
    free(gallery->panels);
    *gallery = (struct gallery){0};
}
