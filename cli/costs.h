/* costs.h: what the database's problems cost, as a table that queries can join: the formulas are those of
 * the families, not of the queries. */
#pragma once
#include "base/str.h"
#include "results/store.h"

/* Add "costs (problem_id, class, bytes, operations) AS (VALUES …)", a row for every problem and class that
 * was measured and that this program knows. */
enum status costs_add(struct store *store, struct str *sql, struct error *err);
