/* clock.h: monotonic time in nanoseconds, and wall-clock time for records. */
#pragma once
#include <stdint.h>

int64_t clock_now_ns(void); /* monotonic */
int64_t clock_cpu_ns(void); /* of processors, that this process had */
int64_t clock_unix_s(void); /* seconds since 1970 */
void clock_sleep_ns(int64_t ns);
/* "2026-03-01T12:00:00Z" of unix_s into text[21] */
void clock_iso(int64_t unix_s, char text[21]);
/* An identity of this boot (Linux boot_id), "" where there is none; static memory. */
const char *clock_boot_id(void);
