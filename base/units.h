/* units.h: numbers for people, and people's numbers for us. Units are data (a table), one function
 * formats them all. Buffers hold at least UNITS_TEXT bytes. */
#pragma once
#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

enum { UNITS_TEXT = 32 };

char *units_time_ns(double ns, char *text);   /* "1.234 ms" */
char *units_memory(double bytes, char *text); /* "3.72 GiB" binary */
char *units_rate(double gbps, char *text);    /* "43.1 GB/s" */
char *units_flops(double gflops, char *text); /* "315 GFLOP/s" */

/* "1 token", "2 tokens": a count of a thing whose plural ends in s. */
char *units_count(int64_t n, const char *noun, char *text);

/* "60s", "2m", "1h30m", "90" (seconds) -> nanoseconds; INVALID names the text. */
enum status units_parse_duration(const char *text, int64_t *ns, struct error *err);
/* A whole decimal number within [low, high]; INVALID names the text and the range. */
enum status units_parse_int(const char *text, int64_t low, int64_t high, int64_t *value,
                            struct error *err);
