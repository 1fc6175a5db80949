/* asked.h: what the user of hone report asks for, as tables that the queries of the figures can join. */
#pragma once
#include "base/str.h"
#include "cli/cli.h"
#include "results/store.h"

/* Add "asked (x, y) AS (VALUES …)": the two parameters of "VW,TN", NULLs where heat is NULL. USAGE when they
 * are not two, or no configuration in the store has them (the sentence lists what there is). */
enum status asked_add_heat(struct store *store, const char *heat, struct str *sql,
                           struct error *err);
/* Add "operations (file, model, place, name, times, family, problem, class, layout) AS (VALUES …)": the plan
 * of the model at N = 1 on the device of that model key; a row of no device alone where choice names no file. */
enum status asked_add_operations(const struct common_options *common,
                                 const struct engine_choice *choice, struct str *sql,
                                 struct error *err);
