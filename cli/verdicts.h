/* verdicts.h: what a gate found, and how often it would be wrong, for people and for CI. The documents are
 * those of tuner/compare.h and tuner/resample.h. */
#pragma once
#include "cli/cli.h"

enum status verdicts_print(const json_t *result, struct error *err);
/* The same as a Markdown table, for the summary of a CI run. */
enum status verdicts_markdown(const json_t *result, struct error *err);
/* JUnit XML: a test case a benchmark; SLOW is a failure, NOISY skipped. The caller frees. */
char *verdicts_junit(const json_t *result);
/* Fails by the worst verdict: SLOW names the benchmarks, INCONCLUSIVE when all that is wrong is noise. */
enum status verdicts_judge(const json_t *result, struct error *err);

enum status alarms_print(const json_t *result, struct error *err);
