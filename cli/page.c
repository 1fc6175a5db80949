/* page.c: see page.h. The template has slots, {{name}}; each is filled by a function of the table at the end.
 * Whatever comes from the database goes through add_escaped(). */
#include "cli/page.h"
#include "base/embedded.h"
#include "base/units.h"
#include "base/utf8.h"
#include "cli/svg.h"
#include "cli/table.h"
#include "kernels/kernel.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_MOST = 1024 }; /* bytes of one text */

struct page {
    struct store *store;
    const struct holdings *holdings;
    const struct gallery *gallery;
    struct table devices, winners;
};

/* ---- text ---- */

static const char *escape(char c) {
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

/* Text of strangers: printable characters, none of which the page obeys. */
static void add_escaped(struct str *html, const char *text) {
    char shown[SHOWN_MOST];
    utf8_printable(text, strlen(text), shown, sizeof shown);
    for (const char *p = shown; *p; p++) {
        const char *escaped = escape(*p);
        if (escaped) str_add(html, escaped);
        else str_add_bytes(html, p, 1);
    }
}

/* The same, where lines may break behind commas. */
static void add_broken(struct str *html, const char *text) {
    struct str escaped = {0};
    add_escaped(&escaped, text);
    for (const char *p = str_text(&escaped); *p; p++) {
        str_add_bytes(html, p, 1);
        if (*p == ',') str_add(html, "<wbr>");
    }
    str_free(&escaped);
}

static void add_count(struct str *html, int64_t n, const char *one, const char *many) {
    str_addf(html, "%lld %s", (long long)n, n == 1 ? one : many);
}

/* ---- queries ---- */

static enum status ask(struct store *store, const char *path, struct table *table,
                       struct error *err) {
    const struct embedded *file = embedded_find(path);
    assert(file && file->text);
    const enum status status = table_query(store, file->text, table, err);
    return status == OK ? OK : fail_while(err, "%s", path);
}

static int64_t whole(const struct table *table, size_t row, const char *column) {
    const double value = table_number(table, row, column);
    return isnan(value) ? 0 : (int64_t)value;
}

enum status holdings_count(struct store *store, struct holdings *holdings, struct error *err) {
    struct table table;
    *holdings = (struct holdings){0};
    enum status status = ask(store, "plots/overview.sql", &table, err);
    if (status == OK && table.n_rows == 1) {
        *holdings = (struct holdings){.evaluations = whole(&table, 0, "evaluations"),
                                      .failed = whole(&table, 0, "failed"),
                                      .benches = whole(&table, 0, "benches"),
                                      .sessions = whole(&table, 0, "sessions"),
                                      .seconds = table_number(&table, 0, "seconds")};
        snprintf(holdings->first_day, sizeof holdings->first_day, "%s",
                 table_text(&table, 0, "first_day"));
        snprintf(holdings->last_day, sizeof holdings->last_day, "%s",
                 table_text(&table, 0, "last_day"));
    }
    table_free(&table);
    return status;
}

/* ---- head ---- */

static void fill_version(const struct page *page, struct str *html) {
    (void)page;
    add_escaped(html, HONE_VERSION);
}

static void fill_database(const struct page *page, struct str *html) {
    add_escaped(html, store_path(page->store));
}

static void fill_devices_named(const struct page *page, struct str *html) {
    if (page->devices.n_rows == 1) add_escaped(html, table_text(&page->devices, 0, "name"));
    else add_count(html, (int64_t)page->devices.n_rows, "device", "devices");
}

/* "Measured 2026-03-01 to 2026-03-04: 412 evaluations, 3 of them failed, in 3 sessions (7 min); 18 rows of
 * hone bench." */
static void fill_summary(const struct page *page, struct str *html) {
    const struct holdings *h = page->holdings;
    const bool is_short = h->seconds < 120;
    str_addf(html, "Measured %s", h->first_day);
    if (strcmp(h->first_day, h->last_day) != 0) str_addf(html, " to %s", h->last_day);
    str_add(html, ": ");
    add_count(html, h->evaluations, "evaluation", "evaluations");
    if (h->failed) str_addf(html, ", %lld of them failed,", (long long)h->failed);
    str_add(html, " in ");
    add_count(html, h->sessions, "session", "sessions");
    str_addf(html, " (%.0f %s)", is_short ? h->seconds : h->seconds / 60, is_short ? "s" : "min");
    if (h->benches) {
        str_add(html, "; ");
        add_count(html, h->benches, "row", "rows");
        str_add(html, " of hone bench");
    }
    str_add(html, ".");
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The middle of a column of the winners; NAN when it has no number. */
static double middle(const struct table *table, const char *column) {
    double *values = memory_new((table->n_rows + 1) * sizeof *values);
    size_t n = 0;
    for (size_t row = 0; row < table->n_rows; row++) {
        const double value = table_number(table, row, column);
        if (!isnan(value)) values[n++] = value;
    }
    qsort(values, n, sizeof *values, by_size);
    const double found = n == 0  ? NAN
                         : n % 2 ? values[n / 2]
                                 : (values[n / 2 - 1] + values[n / 2]) / 2;
    free(values);
    return found;
}

static void fill_tiles(const struct page *page, struct str *html) {
    const double share = middle(&page->winners, "share"), gain = middle(&page->winners, "speedup");
    if (!isnan(share))
        str_addf(html, "<li><b>%.0f %%</b> of the ceiling, median of the winners</li>\n",
                 100 * share);
    if (!isnan(gain))
        str_addf(html, "<li><b>×%.1f</b> over the default, median of the winners</li>\n", gain);
    str_addf(html, "<li><b>%zu</b> %s tuned</li>\n", page->winners.n_rows,
             page->winners.n_rows == 1 ? "problem" : "problems");
    str_addf(html, "<li><b>%lld</b> %s</li>\n", (long long)page->holdings->evaluations,
             page->holdings->evaluations == 1 ? "evaluation" : "evaluations");
}

/* ---- machines ---- */

static void add_fact(struct str *html, const char *name, const char *value) {
    if (!*value) return;
    str_addf(html, "<dt>%s</dt><dd>", name);
    add_escaped(html, value);
    str_add(html, "</dd>\n");
}

/* The parts of a key, "a|b|c": part n, "" when there are fewer. */
static char *key_part(const char *key, int n) {
    for (; n > 0 && key; n--) key = strchr(key, '|') ? strchr(key, '|') + 1 : NULL;
    return key ? text_format("%.*s", (int)strcspn(key, "|"), key) : text_copy("");
}

/* Which part of the keys of device.h says what. */
static const struct {
    const char *name, *column;
    int part;
    bool is_bytes;
} key_facts[] = {
    {"Architecture", "model", 3, false},
    {"Compute units", "model", 4, false},
    {"Last-level cache", "model", 5, true},
    {"Platform", "model", 0, false},
    {"Vendor", "model", 1, false},
    {"Driver", "version", 0, false},
    {"Platform version", "version", 1, false},
};

/* A device's name; its number before it, as in the titles of figures, when there are several. */
static void add_device(const struct page *page, const char *id, const char *name,
                       struct str *html) {
    if (page->devices.n_rows > 1) str_addf(html, "Device %s: ", id);
    add_escaped(html, name);
}

static void add_machine(const struct page *page, size_t row, struct str *html) {
    const struct table *devices = &page->devices;
    str_add(html, "<section>\n<h3>");
    add_device(page, table_text(devices, row, "device_id"), table_text(devices, row, "name"), html);
    str_add(html, "</h3>\n<dl>\n");
    for (size_t i = 0; i < sizeof key_facts / sizeof *key_facts; i++) {
        char *part = key_part(table_text(devices, row, key_facts[i].column), key_facts[i].part);
        char size[UNITS_TEXT], *end;
        const double bytes = strtod(part, &end);
        const bool is_size = key_facts[i].is_bytes && end != part && !*end && isfinite(bytes);
        add_fact(html, key_facts[i].name, is_size ? units_memory(bytes, size) : part);
        free(part);
    }
    add_fact(html, "Evaluations", table_text(devices, row, "evaluations"));
    add_fact(html, "Last measured", table_text(devices, row, "last_day"));
    str_add(html, "</dl>\n</section>\n");
}

static void fill_machines(const struct page *page, struct str *html) {
    for (size_t row = 0; row < page->devices.n_rows; row++) add_machine(page, row, html);
}

/* ---- winners ---- */

/* What people call the family: gemv_q4. A family or a problem of another hone keeps its own name. */
static const char *people_name(const char *family, const char *text) {
    struct problem problem;
    struct error ignored;
    const struct slice *slice = slice_find(family);
    return slice && problem_parse(slice, text, &problem, &ignored) == OK ? slice_of(&problem)->name
                                                                         : family;
}

static void add_winner(const struct table *winners, size_t row, struct str *html) {
    char time[UNITS_TEXT];
    const char *problem = table_text(winners, row, "problem");
    const double share = table_number(winners, row, "share"),
                 gain = table_number(winners, row, "speedup");
    str_add(html, "<tr><td class=\"problem\"><b>");
    add_escaped(html, people_name(table_text(winners, row, "family"), problem));
    str_add(html, "</b> ");
    add_broken(html, problem);
    str_add(html, ", class&nbsp;");
    add_escaped(html, table_text(winners, row, "class"));
    str_addf(html, "</td><td class=\"time\" data-name=\"time\">%s</td>",
             units_time_ns(table_number(winners, row, "time_ns"), time));
    str_add(html, "<td class=\"share\" data-name=\"of ceiling\">");
    if (isnan(share)) str_add(html, "not known");
    else
        str_addf(html, "<span style=\"--of:%.1f%%\">%.0f %%</span>", 100 * fmin(share, 1),
                 100 * share);
    str_add(html, "</td><td class=\"gain\" data-name=\"gain\">");
    if (isnan(gain)) str_add(html, "–");
    else str_addf(html, "×%.2f", gain);
    str_add(html, "</td><td class=\"config\">");
    add_escaped(html, table_text(winners, row, "layout"));
    str_add(html, ", ");
    add_escaped(html, table_text(winners, row, "variant"));
    str_add(html, "<br><code>");
    add_broken(html, table_text(winners, row, "config"));
    str_add(html, "</code></td></tr>\n");
}

static void open_winners(const struct page *page, size_t row, struct str *html) {
    str_add(html, "<table>\n");
    if (page->devices.n_rows > 1) {
        str_add(html, "<caption>");
        add_device(page, table_text(&page->winners, row, "device_id"),
                   table_text(&page->winners, row, "device"), html);
        str_add(html, "</caption>\n");
    }
    str_add(html, "<thead><tr><th>Problem</th><th>Time</th><th>Of the ceiling</th><th>Over the "
                  "default</th><th>Layout, variant, configuration</th></tr></thead>\n<tbody>\n");
}

static void add_missing(struct str *html, const char *what, const char *command) {
    str_addf(html, "<p class=\"none\">%s <code>", what);
    add_escaped(html, command);
    str_add(html, "</code></p>\n");
}

/* A table for each device. */
static void fill_winners(const struct page *page, struct str *html) {
    const struct table *winners = &page->winners;
    if (!winners->n_rows) {
        add_missing(html,
                    "Nothing has been tuned yet. This finds the best configurations:", "hone tune");
        return;
    }
    str_add(html, "<p>The best configuration of each problem, its time as a share of what the "
                  "device can do, and what was gained over the configuration that runs on any "
                  "device.</p>\n");
    for (size_t row = 0; row < winners->n_rows; row++) {
        const bool is_first = row == 0 || strcmp(table_text(winners, row, "device_id"),
                                                 table_text(winners, row - 1, "device_id")) != 0;
        if (is_first && row) str_add(html, "</tbody>\n</table>\n");
        if (is_first) open_winners(page, row, html);
        add_winner(winners, row, html);
    }
    str_add(html, "</tbody>\n</table>\n");
}

/* ---- figures ---- */

static void add_figure(const struct panel *panel, const struct drawing *drawing, struct str *html) {
    struct str label = {0};
    add_escaped(&label, panel->title);
    str_addf(&label, ": %s", drawing->figure->caption);
    str_add(html, "<figure class=\"figure\">\n");
    if (drawing->svg) svg_add(html, drawing->svg, drawing->name, str_text(&label));
    str_addf(html, "<figcaption>%s ", drawing->figure->caption);
    if (drawing->svg)
        str_addf(html, "<a href=\"%s.svg\">SVG</a>, <a href=\"%s.png\">PNG</a>, ", drawing->name,
                 drawing->name);
    str_addf(html, "<a href=\"%s\">data</a>, <a href=\"%s.gp\">script</a></figcaption>\n",
             panel->data, drawing->name);
    str_add(html, "</figure>\n");
    str_free(&label);
}

static void add_panel(const struct panel *panel, struct str *html) {
    str_add(html, "<div>\n<h3>");
    add_escaped(html, panel->title);
    str_add(html, "</h3>\n");
    if (*panel->note) {
        str_add(html, "<p>");
        add_escaped(html, panel->note);
        str_add(html, "</p>\n");
    }
    str_add(html, "<div class=\"figures\">\n");
    for (size_t d = 0; d < panel->n_drawings; d++) add_figure(panel, &panel->drawings[d], html);
    str_add(html, "</div>\n</div>\n");
}

static void add_chapter(const struct page *page, const struct chapter *chapter, struct str *html) {
    const struct gallery *gallery = page->gallery;
    size_t shown = 0;
    str_addf(html, "<section id=\"%s\">\n<h2>%s</h2>\n<p>%s</p>\n", chapter->name, chapter->heading,
             chapter->about);
    for (size_t p = 0; p < gallery->n; p++) {
        const struct panel *panel = &gallery->panels[p];
        if (panel->chapter != chapter) continue;
        /* Panels of one figure lie side by side, as the figures of larger ones do. */
        if (!shown++)
            str_add(html, panel->n_drawings == 1 ? "<div class=\"panels\">\n" : "<div>\n");
        add_panel(panel, html);
    }
    if (shown) str_add(html, "</div>\n");
    else add_missing(html, "There is no figure here yet. This makes the data:", chapter->command);
    str_add(html, "</section>\n");
}

static void fill_chapters(const struct page *page, struct str *html) {
    const struct error *failure = &page->gallery->failure;
    if (failure->status != OK) {
        str_add(html, "<p class=\"none\">Not all figures were drawn: ");
        add_escaped(html, failure->text);
        str_add(html, ". Their data and scripts lie beside this page; <code>hone report</code> "
                      "tries again.</p>\n");
    }
    for (const struct chapter *chapter = chapters; chapter->name; chapter++)
        add_chapter(page, chapter, html);
}

static void fill_contents(const struct page *page, struct str *html) {
    (void)page;
    str_add(html, "<a href=\"#winners\">Winners</a>");
    for (const struct chapter *chapter = chapters; chapter->name; chapter++)
        str_addf(html, "<a href=\"#%s\">%s</a>", chapter->name, chapter->heading);
}

/* ---- the template ---- */

/* "Device, driver 1.2, measured 2026-03-01 to 2026-03-04, n = 412" for each machine. */
static void fill_sources(const struct page *page, struct str *html) {
    const struct table *devices = &page->devices;
    for (size_t row = 0; row < devices->n_rows; row++) {
        char *driver = key_part(table_text(devices, row, "version"), 0);
        str_add(html, "<p>");
        add_device(page, table_text(devices, row, "device_id"), table_text(devices, row, "name"),
                   html);
        str_add(html, ", driver ");
        add_escaped(html, driver);
        str_addf(html, ", last measured %s, n = %s evaluations and %s rows of hone bench.</p>\n",
                 table_text(devices, row, "last_day"), table_text(devices, row, "evaluations"),
                 table_text(devices, row, "benches"));
        free(driver);
    }
}

static const struct slot {
    const char *name;
    void (*fill)(const struct page *page, struct str *html);
} slots[] = {
    {"version", fill_version}, {"database", fill_database}, {"devices_named", fill_devices_named},
    {"summary", fill_summary}, {"tiles", fill_tiles},       {"machines", fill_machines},
    {"winners", fill_winners}, {"chapters", fill_chapters}, {"contents", fill_contents},
    {"sources", fill_sources},
};

static const struct slot *slot_find(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
        if (strlen(slots[i].name) == length && !memcmp(slots[i].name, name, length))
            return &slots[i];
    assert(!"the template has only slots of the table");
    return NULL;
}

static void fill_template(const struct page *page, struct str *html) {
    const struct embedded *file = embedded_find("plots/page.html");
    assert(file && file->text);
    const char *text = file->text;
    for (const char *slot; (slot = strstr(text, "{{"));) {
        const char *end = strstr(slot, "}}");
        assert(end);
        str_add_bytes(html, text, (size_t)(slot - text));
        slot_find(slot + 2, (size_t)(end - slot - 2))->fill(page, html);
        text = end + 2;
    }
    str_add(html, text);
}

enum status page_make(struct store *store, const struct holdings *holdings,
                      const struct gallery *gallery, struct str *html, struct error *err) {
    struct page page = {.store = store, .holdings = holdings, .gallery = gallery};
    enum status status = ask(store, "plots/devices.sql", &page.devices, err);
    if (status == OK) status = ask(store, "plots/winners.sql", &page.winners, err);
    if (status == OK) fill_template(&page, html);
    table_free(&page.winners);
    table_free(&page.devices);
    return status;
}
