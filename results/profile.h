/* profile.h: text profiles: what is known of an architecture before anything was measured on the machine
 * at hand. One record a line, so that a change of a profile reads well as a difference:
 *
 *     hone-profile 1
 *     # a remark
 *     architecture x86_64 family 26 model 68
 *     provenance AMD EPYC 9575F, PoCL 3.1, 2026-03-01
 *     record matmul m=12288,k=4096,n=1,w=q4:128 f32 panel16 gemv WG=64,VW=16 1234567.8 0123456789abcdef
 *
 * A record is family, problem, class, layout, variant, configuration ("-": no parameters), time in ns,
 * source key; words stand apart by one space. Several architectures may share a profile. */
#pragma once
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

struct profile_record {
    int line;
    const char *family, *problem, *class_name, *layout, *variant, *config, *source_key;
    double time_ns;
};
struct profile {
    char *text; /* a copy, cut into words that the others point to */
    const char **architectures;
    size_t n_architectures;
    const char *provenance; /* "" when it names none */
    struct profile_record *records;
    size_t n_records;
};
/* name: for sentences. INVALID names the line, the word and what it should be; two records of one
 * configuration are refused. The text need not be NUL-terminated. */
enum status profile_parse(const char *name, const char *text, size_t size, struct profile *out,
                          struct error *err);
void profile_free(struct profile *profile);
bool profile_covers(const struct profile *profile, const char *architecture);

/* The profiles that travel inside the program, by number; NULL: there are no more. */
struct embedded;
const struct embedded *profile_shipped(size_t i);
