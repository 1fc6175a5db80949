/* db.c: hone db: look after the database, and share it. A table of actions. */
#include "cli/db.h"
#include "base/str.h"
#include "base/units.h"
#include <stdlib.h>
#include <string.h>

static const char examples[] =
    "  hone db check                    is the file whole, are its rules kept\n"
    "  hone db retry                    forget the quarantine of crashed and hanging kernels\n"
    "  hone db export > mine.profile    what is known of this device, as text that reads well\n"
    "  hone db export --t4 results/     all that was measured, for other tuners: T4 and T1, a file "
    "a "
    "kernel\n"
    "  hone db import mine.profile      take a profile as hints: checked before they are used\n"
    "  hone db merge shard-*.db         take over all that was measured elsewhere\n"
    "  hone db diff old.profile new.db  what a driver or a version changed\n"
    "  hone db profiles                 what shipped and imported profiles are worth here\n";

static enum status db_check(const struct db_call *call, struct error *err) {
    char *report = NULL;
    struct error ignored;
    struct store *store = call->store;
    const enum status found = store_check(store, &report, err);
    if (found != OK && found != STATUS_WRONG) return found;
    enum status status =
        call->common->json
            ? json_print(json_pack("{s:s, s:b, s:s}", "db", store_path(store), "clean", found == OK,
                                   "findings", report ? report : ""),
                         &ignored)
        : found == OK ? out_printf(&ignored, "%s: clean\n", store_path(store))
                      : out_printf(&ignored, "%s", report);
    free(report);
    return found != OK ? found : status;
}

static enum status db_retry(const struct db_call *call, struct error *err) {
    int64_t n = 0;
    char count[UNITS_TEXT];
    enum status status = store_retry(call->store, &n, err);
    if (status != OK) return status;
    return call->common->json ? json_print(json_pack("{s:s, s:I}", "db", store_path(call->store),
                                                     "cleared", (json_int_t)n),
                                           err)
                              : out_printf(err, "forgiven: %s\n", units_count(n, "failure", count));
}

/* What an action wants of the database. */
enum want { WANTS_NONE, WANTS_READ, WANTS_WRITE, WANTS_MADE };
static const struct action {
    const char *name;
    enum want want;
    size_t fewest, most; /* files */
    const char *files;
    enum status (*run)(const struct db_call *call, struct error *err);
} actions[] = {
    {"check", WANTS_READ, 0, 0, "no file", db_check},
    {"retry", WANTS_WRITE, 0, 0, "no file", db_retry},
    {"export", WANTS_READ, 0, 0, "no file (the profile goes to stdout)", db_export},
    {"import", WANTS_MADE, 1, SIZE_MAX, "profiles to take as hints", db_import},
    {"merge", WANTS_MADE, 1, SIZE_MAX, "databases to take over", db_merge},
    {"diff", WANTS_NONE, 2, 2, "two files, each a database or a profile", db_diff},
    {"profiles", WANTS_NONE, 0, SIZE_MAX, "profiles to look at", db_profiles},
};
enum { ACTIONS = sizeof actions / sizeof *actions };

/* Only some actions make a database; for others one that is missing is not found. */
static enum status open_database(const char *path, enum want want, struct store **store,
                                 struct error *err) {
    enum status status = OK;
    if (want == WANTS_READ || want == WANTS_WRITE)
        status = store_open(path, STORE_READ, store, err);
    if (status != OK || want == WANTS_READ || want == WANTS_NONE) return status;
    store_close(*store);
    return store_open(path, STORE_WRITE, store, err);
}

static enum status act(const struct action *action, const struct common_options *common,
                       const char *t4, const char **files, struct error *err) {
    size_t n = 0;
    if (t4 && action->run != db_export)
        return fail(err, STATUS_USAGE, "hone db %s: --t4 is for export", action->name);
    while (files[n]) n++;
    if (n > action->most)
        return fail(err, STATUS_USAGE, "hone db %s takes %s: '%s' is one too many", action->name,
                    action->files, files[action->most]);
    if (n < action->fewest)
        return fail(err, STATUS_USAGE, "hone db %s takes %s, not %zu", action->name, action->files,
                    n);
    char *database = store_default_path(common->database);
    struct db_call call = {.common = common, .database = database, .files = files, .t4 = t4};
    enum status status = open_database(database, action->want, &call.store, err);
    if (status == OK) status = action->run(&call, err);
    store_close(call.store);
    free(database);
    return status;
}

static enum status find_action(const char *name, const struct action **action, struct error *err) {
    struct str all = {0};
    const char *names[ACTIONS + 1] = {NULL};
    *action = NULL;
    for (int i = 0; i < ACTIONS; i++) {
        names[i] = actions[i].name;
        str_addf(&all, "%s%s", i ? ", " : "", names[i]);
        if (name && !strcmp(names[i], name)) *action = &actions[i];
    }
    const char *near = name ? nearest_name(name, names) : NULL;
    enum status status = OK;
    if (!*action && !name)
        status = fail(err, STATUS_USAGE, "hone db: say what to do: %s", str_text(&all));
    else if (!*action)
        status = fail(err, STATUS_USAGE, "hone db has no action '%s'%s%s%s there are %s", name,
                      near ? "; did you mean '" : ":", near ? near : "", near ? "'?" : "",
                      str_text(&all));
    str_free(&all);
    return status;
}

enum status command_db(int argc, const char **argv, struct error *err) {
    struct common_options common = {0};
    char *t4 = NULL;
    struct poptOption table[] = {
        {"t4", 0, POPT_ARG_STRING, &t4, 0,
         "export: every evaluation of every kernel, as T4 results with a T1 space beside, into "
         "this "
         "folder",
         "FOLDER"},
        COMMON_OPTIONS(common),
        END_OPTIONS,
    };
    poptContext context = NULL;
    const char **plain;
    bool helped;
    const struct action *action;
    enum status status =
        options_parse("db", "check|retry|export|import|merge|diff|profiles [FILE...]", examples,
                      table, argc, argv, &context, &plain, &helped, err);
    if (status == OK && !helped) {
        status = find_action(*plain, &action, err);
        if (status == OK) status = act(action, &common, t4, plain + 1, err);
    }
    poptFreeContext(context);
    return status;
}
