/* steps.h: where runs of hone bench became faster or slower for good, as a table that queries can join. */
#pragma once
#include "base/str.h"
#include "results/store.h"

/* Add "levels (bench_id, level_ns) AS (VALUES …)": a row for each row of `hone bench` in the histories of
 * plots/history.sql, that is of a device model, problem, class and profile; the fit is to ln(time). */
enum status steps_add(struct store *store, struct str *sql, struct error *err);
