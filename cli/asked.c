/* asked.c: see asked.h. A parameter has a name of letters, digits and underscores; all other text goes into SQL
 * in quotes. */
#include "cli/asked.h"
#include "cli/table.h"
#include "runtime/engine.h"
#include <stdlib.h>
#include <string.h>

/* ---- --heat ---- */

static const char parameters[] =
    "SELECT DISTINCT key AS parameter"
    "  FROM (SELECT DISTINCT config FROM evaluations),"
    "       json_each(iif(json_valid('{\"' || replace(replace(config, '=', '\":\"'), ',', '\",\"')"
    "                                || '\"}'),"
    "                     '{\"' || replace(replace(config, '=', '\":\"'), ',', '\",\"') || '\"}',"
    "                     '{}'))"
    " WHERE key <> '' AND key NOT GLOB '*[^A-Za-z0-9_]*'"
    " UNION ALL SELECT 'layout' UNION ALL SELECT 'variant' LIMIT 100";

static bool is_there(const struct table *table, const char *name, size_t length) {
    for (size_t row = 0; row < table->n_rows; row++) {
        const char *known = table_text(table, row, "parameter");
        if (strlen(known) == length && !memcmp(known, name, length)) return true;
    }
    return false;
}

static enum status refuse(const struct table *table, const char *name, size_t length,
                          struct error *err) {
    struct str known = {0};
    for (size_t row = 0; row < table->n_rows; row++)
        str_addf(&known, "%s%s", row ? ", " : "", table_text(table, row, "parameter"));
    fail(err, STATUS_USAGE,
         "hone report --heat: no configuration here has a parameter '%.*s'; there "
         "are: %s",
         (int)length, name, str_text(&known));
    str_free(&known);
    return STATUS_USAGE;
}

enum status asked_add_heat(struct store *store, const char *heat, struct str *sql,
                           struct error *err) {
    if (!heat) {
        str_add(sql, "asked (x, y) AS (VALUES (NULL, NULL))");
        return OK;
    }
    const char *x = heat, *comma = strchr(heat, ','), *y = comma ? comma + 1 : NULL;
    const size_t x_length = comma ? (size_t)(comma - heat) : 0, y_length = y ? strlen(y) : 0;
    if (!x_length || !y_length || strchr(y, ',') ||
        (x_length == y_length && !memcmp(x, y, x_length)))
        return fail(err, STATUS_USAGE,
                    "hone report --heat takes two parameters, as in VW,TN, not '%s'", heat);
    struct table table;
    enum status status = table_query(store, parameters, &table, err);
    if (status == OK && !is_there(&table, x, x_length)) status = refuse(&table, x, x_length, err);
    if (status == OK && !is_there(&table, y, y_length)) status = refuse(&table, y, y_length, err);
    if (status == OK)
        str_addf(sql, "asked (x, y) AS (VALUES ('%.*s', '%.*s'))", (int)x_length, x, (int)y_length,
                 y);
    table_free(&table);
    return status;
}

/* ---- --model ---- */

static void add_quoted(struct str *sql, const char *before, const char *text) {
    str_addf(sql, "%s'", before);
    for (; *text; text++) str_add_bytes(sql, *text == '\'' ? "''" : text, *text == '\'' ? 2 : 1);
    str_add(sql, "'");
}

static void add_operation(struct str *sql, const char *file, const char *model, int place,
                          const struct engine_operation *x) {
    add_quoted(sql, ", (", file);
    add_quoted(sql, ", ", model);
    str_addf(sql, ", %d", place);
    add_quoted(sql, ", ", x->name);
    str_addf(sql, ", %d", x->count);
    const char *const texts[] = {x->family, x->problem, x->class_name, x->layout};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) add_quoted(sql, ", ", texts[i]);
    str_add(sql, ")");
}

static enum status add_plan(const struct engine *engine, const char *path, struct str *sql,
                            struct error *err) {
    const char *slash = strrchr(path, '/');
    struct engine_operation *list = NULL;
    struct engine_facts facts;
    size_t n = 0;
    engine_describe(engine, &facts);
    const enum status status = engine_operations(engine, &list, &n, err);
    for (size_t i = 0; status == OK && i < n; i++)
        add_operation(sql, slash ? slash + 1 : path, facts.model_key, (int)i + 1, &list[i]);
    free(list);
    return status;
}

enum status asked_add_operations(const struct common_options *common,
                                 const struct engine_choice *choice, struct str *sql,
                                 struct error *err) {
    struct engine_model *model = NULL;
    struct engine *engine = NULL;
    enum status status = OK;
    str_add(sql, "operations (file, model, place, name, times, family, problem, class, layout) AS "
                 "(VALUES ('', '', 0, '', 0, '', '', '', '')");
    if (choice->model) {
        status = choice_open_model(choice, &model, err);
        if (status == OK) status = choice_open(choice, common, model, NULL, &engine, err);
        if (status == OK) status = add_plan(engine, choice->model, sql, err);
    }
    str_add(sql, ")");
    engine_close(engine);
    engine_model_close(model);
    return status;
}
