/* runs.h: runs of benchmarks, kept as one JSON document: what a gate compares, and what it leaves behind.
 *
 *     {"format": "hone runs 1", "device", "version", "environment", "yardstick_key",
 *      "benchmarks": [{"name", "wanted": {"slice", "problem", "class", "profile", "layout"?},
 *                      "yardstick", "found": {"profile", "layout", "variant", "config", "source_key"},
 *                      "runs": [{"unix_s", "kernel_ns": […], "yardstick_ns": […]}]}]}
 *
 * The first four say where runs may be compared with each other. What was found is run again where it was tuned and
 * the program still has it: after a change of its source the look-up would answer with another kernel, and nothing
 * would be known of this one. It may differ otherwise, because that is what a gate is for. A document is a baseline when a file holds it: it is small text, can be kept by CI as
 * an artifact or in the repository, and is independent of the database, which a branch may not have. */
#pragma once
#include "base/status.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

json_t *runs_new(void);
/* INVALID names the file and what is wrong with it; NOTHING when it is not there. */
enum status runs_load(const char *path, json_t **out, struct error *err);
enum status runs_save(const char *path, const json_t *document, struct error *err);

/* A benchmark without runs; layout NULL: where it likes best. Returns it (the document's). */
json_t *runs_add_bench(json_t *document, const char *slice, const char *problem,
                       const char *class_name, const char *profile, const char *layout);
/* The same benchmarks, with yardsticks and what was found, without runs. */
json_t *runs_plan_of(const json_t *document);
json_t *runs_find(const json_t *document, const char *name); /* NULL: not there */
const char *runs_name(const json_t *bench);
size_t runs_count(const json_t *bench);

/* Add the answer of a run (gate_child.h). INVALID when it is none; NOTHING when the device, its version or
 * the environment are other than those of the runs that there are. */
enum status runs_add(json_t *document, json_t *bench, const json_t *answer, struct error *err);
/* May their runs be compared? NOTHING says what differs. */
enum status runs_comparable(const json_t *base, const json_t *fresh, struct error *err);
/* Were both measured by the same yardstick? */
bool runs_same_yardstick(const json_t *bench, const json_t *other);
/* Drop runs that began before, and all but the newest `most` of each benchmark. */
void runs_trim(json_t *document, int64_t since_unix_s, size_t most);
/* Append the runs of one benchmark to another of the same name. */
void runs_append(json_t *bench, const json_t *more);

/* One run: ln of the lower tenth of the kernel's samples over that of the yardstick's (runs.c says why the
 * tenth), ln of the latter in ns, and the median of the kernel's samples (may be NULL), which is for people. */
void runs_value(const json_t *bench, size_t run, double *value, double *yardstick,
                double *kernel_ns);
