/* cross.h: the steps in which configurations that are good at some n are measured at another, as a session keeps
 * them: what was to be measured is fixed when a step begins, so that a killed session goes on with the same.
 *
 *     [{"grant": 1, "from": 12, "to": 20, "settings": [{"layout", "variant", "config"}, …]}, …]
 *
 * Evaluations number from … to − 1 of the problem are the step's: no strategy asked for them. Without "to" the
 * step is under way, and all from `from` on are its own. */
#pragma once
#include "tuner/quest.h"

/* A setting by its names; and back, layout NULL: not of this program, or not for this problem. */
json_t *setting_json(const struct setting *setting);
struct setting setting_read(const struct quest *quest, const json_t *json);

bool cross_has(const json_t *steps, int64_t sequence);
/* How many of the first n evaluations belong to steps. */
int64_t cross_count(const json_t *steps, int64_t n);
/* The step under this grant was brought to its end. */
bool cross_is_done(const json_t *steps, int64_t grant);
/* The step that is under way (borrowed), NULL: none. */
json_t *cross_under_way(json_t *steps);
/* Begin one at evaluation number `from`; returns it (borrowed). */
json_t *cross_begin(json_t *steps, int64_t grant, int64_t from, const struct setting *settings,
                    size_t n);
void cross_end(json_t *step, int64_t to);
/* What it measures, as far as this program has it; returns the number. */
size_t cross_settings(const json_t *step, const struct quest *quest, struct setting *out,
                      size_t most);
