/* db.c: hone db: look after the database. */
#include "base/str.h"
#include "base/units.h"
#include "cli/cli.h"
#include "results/store.h"
#include <stdlib.h>
#include <string.h>

static const char examples[] =
    "  hone db check           is the file whole, are its rules kept\n"
    "  hone db retry           forget the quarantine of crashed and hanging kernels\n";

static enum status db_check(struct store *store, int as_json, struct error *err) {
    char *report = NULL;
    struct error ignored;
    const enum status found = store_check(store, &report, err);
    if (found != OK && found != STATUS_WRONG) return found;
    enum status status =
        as_json       ? json_print(json_pack("{s:s, s:b, s:s}", "db", store_path(store), "clean",
                                             found == OK, "findings", report ? report : ""),
                                   &ignored)
        : found == OK ? out_printf(&ignored, "%s: clean\n", store_path(store))
                      : out_printf(&ignored, "%s", report);
    free(report);
    return found != OK ? found : status;
}

static enum status db_retry(struct store *store, int as_json, struct error *err) {
    int64_t n = 0;
    char count[UNITS_TEXT];
    enum status status = store_retry(store, &n, err);
    if (status != OK) return status;
    return as_json ? json_print(
                         json_pack("{s:s, s:I}", "db", store_path(store), "cleared", (json_int_t)n),
                         err)
                   : out_printf(err, "forgiven: %s\n", units_count(n, "failure", count));
}

static const struct {
    const char *name;
    enum store_mode mode;
    enum status (*run)(struct store *store, int as_json, struct error *err);
} actions[] = {
    {"check", STORE_READ, db_check},
    {"retry", STORE_WRITE, db_retry},
};

/* None of the actions makes a database: one that is missing is not found. */
static enum status open_database(const char *path, enum store_mode mode, struct store **store,
                                 struct error *err) {
    const enum status status = store_open(path, STORE_READ, store, err);
    if (status != OK || mode == STORE_READ) return status;
    store_close(*store);
    return store_open(path, mode, store, err);
}

static enum status act(const char *name, const struct common_options *common, struct error *err) {
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(actions[i].name, name) != 0) continue;
        struct store *store = NULL;
        char *database = store_default_path(common->database);
        enum status status = open_database(database, actions[i].mode, &store, err);
        if (status == OK) status = actions[i].run(store, common->json, err);
        store_close(store);
        free(database);
        return status;
    }
    return fail(err, STATUS_USAGE, "hone db has no action '%s': there are check and retry", name);
}

enum status command_db(int argc, const char **argv, struct error *err) {
    struct common_options common = {0};
    struct poptOption table[] = {COMMON_OPTIONS(common), END_OPTIONS};
    poptContext context = NULL;
    const char **plain;
    bool helped;
    enum status status = options_parse("db", "check|retry", examples, table, argc, argv, &context,
                                       &plain, &helped, err);
    if (status == OK && !helped) status = options_most("db", plain, 1, err);
    if (status == OK && !helped)
        status = *plain ? act(*plain, &common, err)
                        : fail(err, STATUS_USAGE, "hone db: say what to do: check or retry");
    poptFreeContext(context);
    return status;
}
