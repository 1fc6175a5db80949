/* feature_tests.h: one test per feature, each a few lines that are compiled, run and checked.
 * To be called only in a process that may hang or die. */
#pragma once
#include "device/device.h"

/* Whether the device has the feature; if not, `why` says what went wrong, in one line. */
bool feature_test(struct device *device, enum feature feature, char *why, size_t why_size);
/* Changes whenever a test's source does: what older tests found is then found again. */
uint64_t feature_tests_hash(void);
