/* support.h: what several test programs need: test data, temporary folders, a device to test on. */
#pragma once
#include <stddef.h>

/* Path of a file of the test data ($HONE_TEST_DATA, default ../shared/data). When it is missing the
 * running test is skipped with its reason; with HONE_REQUIRE_DATA=1 it fails. Static memory, 4 in turn. */
const char *test_data(const char *name);
/* The SmolLM2 model in the cache folder, with the same treatment. */
const char *test_model(void);
/* A fresh folder under $TMPDIR; removed at exit of the test process. Static memory. */
const char *test_folder(void);
/* From here on folders lie in memory where there is /dev/shm: for tests of many transactions that say nothing of
 * disks. */
void test_in_memory(void);
