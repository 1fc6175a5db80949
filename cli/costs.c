/* costs.c: see costs.h. */
#include "cli/costs.h"
#include "cli/table.h"
#include "kernels/kernel.h"

/* The newest are enough; SQL has a limit of its own. */
static const char measured[] =
    "SELECT problem_id, family, problem, class"
    "  FROM (SELECT problem_id, class FROM evaluations UNION SELECT problem_id, class FROM benches)"
    "  JOIN problems USING (problem_id) ORDER BY problem_id DESC LIMIT 4096";

static bool parse(const struct table *table, size_t row, struct problem *problem) {
    const struct slice *slice = slice_find(table_text(table, row, "family"));
    const int class = class_find(table_text(table, row, "class"));
    if (!slice || class < 0) return false;
    struct error ignored;
    if (problem_parse(slice, table_text(table, row, "problem"), problem, &ignored) != OK)
        return false;
    problem->class = (enum class_id) class;
    return true;
}

enum status costs_add(struct store *store, struct str *sql, struct error *err) {
    struct table table;
    enum status status = table_query(store, measured, &table, err);
    /* A table has a row at least; no problem has this number. */
    str_add(sql, "costs (problem_id, class, bytes, operations) AS (VALUES (0, '', 0.0, 0.0)");
    for (size_t row = 0; status == OK && row < table.n_rows; row++) {
        struct problem problem;
        struct cost cost;
        if (!parse(&table, row, &problem)) continue;
        problem.family->cost(&problem, &cost);
        str_addf(sql, ", (%.0f, '%s', %.17e, %.17e)", table_number(&table, row, "problem_id"),
                 class_names[problem.class], cost.bytes, cost.operations);
    }
    str_add(sql, ")");
    table_free(&table);
    return status;
}
