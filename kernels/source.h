/* source.h: kernel sources as they are compiled: includes resolved from what travels inside the
 * program, and the compile-time defines of a problem and a configuration.
 *
 * Defines: every USE_DEFINE field under its name in upper case (a choice as its index; a weight type as
 * W_F32 … W_Q4_1 = 1, GROUP (1 where there is none), W_ZERO), CLASS_F32 … CLASS_I8 = 1 for the class,
 * PANEL of the layout, IMAGE_WIDTH, PREFIX, and each parameter under its own name. */
#pragma once
#include "kernels/kernel.h"

/* What every symbol begins with: SYM(name) in the sources. ORDER prefix: common.clh */
#define SOURCE_PREFIX "hone_"

/* The text of an embedded file with every #include "kernels/…" replaced by that file's text, the first
 * time only. INVALID names a file that is not there. The caller frees. */
enum status source_assemble(const char *path, char **text, struct error *err);
/* "-DVW=16 …"; the caller frees. */
char *source_options(const struct config *config, const struct problem *problem);
/* A source without comments, and with no more white space than keeps its tokens and its directives
 * apart: two texts that differ in looks only become one. The caller frees. */
char *source_strip(const char *text);
