/* conditions.h: under which conditions a measurement was made: provenance, never a key. */
#pragma once
#include "tuner/desk.h"

/* A JSON object; the caller frees it. parts: the samples are told from one of so many parts of the rows; 1: from all;
 * 0: they are those of the small ragged problem. */
char *conditions_text(const struct desk *desk, const struct work *work,
                      const struct sample_set *set, int parts, const struct ceiling *ceiling);
