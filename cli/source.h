/* source.h: --source, --space, --reference of tune: a kernel of one's own (docs/own-kernels.md). */
#pragma once
#include "cli/problems.h"

struct source_options {
    char *source, *space, *reference;
};
#define SOURCE_OPTIONS(o)                                                                           \
    {"source", 0, POPT_ARG_STRING, &(o).source, 0, "tune the kernel of this file", "FILE.cl"},      \
        {"space",    0, POPT_ARG_STRING, &(o).space, 0, "its parameters, sizes and arguments (T1)", \
         "FILE.json"},                                                                              \
    {                                                                                               \
        "reference", 0, POPT_ARG_STRING, &(o).reference, 0,                                         \
            "what it must compute: a library (default: what its default configuration does)",       \
            "FILE.so"                                                                               \
    }
bool source_is_given(const struct source_options *o);
/* The one problem, of a family that is lent to this process until source_return; `problem`: other sizes than the
 * file's ("x=4096,y=64"), or NULL. Says on stderr what was left out, and that there is no reference. */
enum status source_collect(const struct source_options *o, const char *problem,
                           struct problem_list *list, struct error *err);
void source_return(void);
