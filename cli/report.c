/* report.c: hone report: figures and a page from the database. */
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/asked.h"
#include "cli/cli.h"
#include "cli/figures.h"
#include "cli/page.h"
#include <stdlib.h>

static const char examples[] =
    "  hone report                         everything into ./hone-report; open index.html there\n"
    "  hone report --out DIR --db FILE     of another database, into another folder\n"
    "  hone report --heat VW,TN            these two parameters against each other\n"
    "  hone report --model model.gguf      and where the time of one of its tokens goes\n"
    "  hone tune --budget 60s && hone bench --rivals clblast,openblas && hone report\n";

static const char page_name[] = "index.html";

static enum status write_page(struct store *store, const char *folder,
                              const struct holdings *holdings, const struct gallery *gallery,
                              struct error *err) {
    struct str html = {0};
    char *path = text_format("%s/%s", folder, page_name);
    enum status status = page_make(store, holdings, gallery, &html, err);
    if (status == OK) status = path_write(path, html.text, html.length, err);
    free(path);
    str_free(&html);
    return status;
}

/* ---- what was written ---- */

static json_t *path_json(const char *folder, const char *name, const char *ending) {
    char *path = text_format("%s/%s%s", folder, name, ending);
    json_t *value = json_string(path);
    free(path);
    return value ? value : json_null(); /* no UTF-8: the folder's name is the user's */
}

static json_t *drawing_json(const char *folder, const struct panel *panel,
                            const struct drawing *drawing) {
    json_t *title = json_string(panel->title);
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "name", drawing->name, "title",
                     title ? title : json_null(), "svg",
                     drawing->svg ? path_json(folder, drawing->name, ".svg") : json_null(), "png",
                     drawing->svg ? path_json(folder, drawing->name, ".png") : json_null(), "data",
                     path_json(folder, panel->data, ""), "script",
                     path_json(folder, drawing->name, ".gp"));
}

static enum status print_json(const char *folder, const struct gallery *gallery,
                              struct error *err) {
    json_t *figures = json_array();
    for (size_t p = 0; p < gallery->n; p++)
        for (size_t d = 0; d < gallery->panels[p].n_drawings; d++)
            json_array_append_new(figures, drawing_json(folder, &gallery->panels[p],
                                                        &gallery->panels[p].drawings[d]));
    return json_print(
        json_pack("{s:o, s:o}", "page", path_json(folder, page_name, ""), "figures", figures), err);
}

static enum status print_panel(const char *folder, const struct panel *panel, struct error *err) {
    enum status status = out_printf(err, "%s/%s\n", folder, panel->data);
    for (size_t d = 0; d < panel->n_drawings && status == OK; d++) {
        const struct drawing *drawing = &panel->drawings[d];
        status = out_printf(err, "%s/%s.gp\n", folder, drawing->name);
        if (status == OK && drawing->svg)
            status = out_printf(err, "%s/%s.svg\n%s/%s.png\n", folder, drawing->name, folder,
                                drawing->name);
    }
    return status;
}

/* The page first: it is what people open. */
static enum status print_paths(const char *folder, const struct gallery *gallery,
                               struct error *err) {
    enum status status = out_printf(err, "%s/%s\n", folder, page_name);
    for (size_t p = 0; p < gallery->n && status == OK; p++)
        status = print_panel(folder, &gallery->panels[p], err);
    return status;
}

/* ---- the whole ---- */

/* Everything else is written and printed when figures are missing, but the exit code tells. */
static enum status report(struct store *store, const char *folder, const char *asked, bool as_json,
                          struct error *err) {
    struct holdings holdings;
    struct gallery gallery = {0};
    enum status status = holdings_count(store, &holdings, err);
    if (status == OK && !holdings.evaluations && !holdings.benches)
        status = fail(err, STATUS_NOTHING, "nothing to report yet: run hone tune");
    if (status == OK) status = path_make_folder(folder, err);
    if (status == OK) status = gallery_draw(store, folder, asked, &interrupted, &gallery, err);
    if (status == OK) status = write_page(store, folder, &holdings, &gallery, err);
    if (status == OK)
        status = as_json ? print_json(folder, &gallery, err) : print_paths(folder, &gallery, err);
    if (status == OK && gallery.failure.status != OK) {
        *err = gallery.failure;
        status = fail_while(err, "the page is written, but not all figures are drawn");
    }
    gallery_free(&gallery);
    return status;
}

/* ---- the command ---- */

struct report_choices {
    struct common_options common;
    struct engine_choice model;
    char *out, *heat;
};

static enum status check_choices(const struct report_choices *o, const char *const *plain,
                                 struct error *err) {
    const struct option_given of_model[] = {{"--tokenizer", o->model.tokenizer},
                                            {"--pretokenizer", o->model.pretokenizer},
                                            {"--profile", o->model.profile},
                                            {"--class", o->model.class_name},
                                            {"--ctx", o->model.context},
                                            {"--kv", o->model.kv},
                                            {NULL, false}};
    if (*plain)
        return fail(err, STATUS_USAGE, "hone report: '%s' is no option; see hone report --help",
                    *plain);
    return o->model.model ? OK : options_none("report", "there is no --model", of_model, err);
}

static enum status report_of(struct store *store, const struct report_choices *o,
                             struct error *err) {
    struct str asked = {0};
    enum status status = asked_add_heat(store, o->heat, &asked, err);
    if (status == OK) {
        str_add(&asked, ", ");
        status = asked_add_operations(&o->common, &o->model, &asked, err);
    }
    if (status == OK)
        status = report(store, o->out ? o->out : "hone-report", asked.text, o->common.json, err);
    str_free(&asked);
    return status;
}

static enum status open_and_report(const struct report_choices *o, struct error *err) {
    struct store *store = NULL;
    char *database = store_default_path(o->common.database);
    log_quiet = o->common.quiet;
    enum status status = store_open(database, STORE_READ, &store, err);
    if (status == STATUS_NOTHING)
        status = fail(err, STATUS_NOTHING, "nothing to report yet: run hone tune (%s is not there)",
                      database);
    if (status == OK) status = report_of(store, o, err);
    store_close(store);
    free(database);
    return status;
}

enum status command_report(int argc, const char **argv, struct error *err) {
    struct report_choices o = {0};
    struct poptOption table[] = {
        {"out", 'o', POPT_ARG_STRING, &o.out, 0, "folder for page and figures (hone-report)",
         "DIR"},
        {"heat", 0, POPT_ARG_STRING, &o.heat, 0,
         "parameters of the heat map (those that matter most)", "X,Y"},
        ENGINE_OPTIONS(o.model),
        COMMON_OPTIONS(o.common),
        END_OPTIONS,
    };
    poptContext context = NULL;
    const char **plain;
    bool helped;
    enum status status = options_parse("report", "[options]", examples, table, argc, argv, &context,
                                       &plain, &helped, err);
    if (status == OK && !helped) {
        status = check_choices(&o, plain, err);
        if (status == OK) status = open_and_report(&o, err);
    }
    poptFreeContext(context);
    return status;
}
