/* verify.h: first-use checks: a configuration that was not tuned for just this problem, device version and
 * source runs on a small ragged relative against the reference, in a child that may hang or die, before
 * it runs here. What was found is remembered in the database (facts of kind "check"). */
#pragma once
#include "kernels/kernel.h"
#include "results/store.h"

struct verify;
/* store: read for what is remembered, may be NULL; new findings are written through a connection of
 * their own to the same file, and lost where that cannot be done. */
struct verify *verify_open(struct device *device, struct store *store);
void verify_close(struct verify *verify); /* NULL is fine */
/* Is this configuration right here? *why says what is wrong when not. */
bool verify_config(struct verify *verify, const struct config *config,
                   const struct problem *problem, char why[300]);
/* End the child, if one runs: the next check starts another. */
void verify_rest(struct verify *verify);
/* Main of the child `hone @child check`. */
int verify_child(void);
