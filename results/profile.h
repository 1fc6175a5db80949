/* profile.h: text profiles: what is known of a device before anything was measured on the machine at hand.
 * One record a line, so that a change of a profile reads well as a difference:
 *
 *     hone-profile 2
 *     # a remark
 *     architecture x86_64 family 26 model 68
 *     device Portable Computing Language|AuthenticAMD|…|x86_64 family 26 model 68|2|33554432
 *     version 3.1|OpenCL 3.0 PoCL 3.1 …
 *     provenance AMD EPYC 9575F, driver 3.1, measured 2026-03-01 to 2026-03-02, exported by hone 1.0
 *     record matmul m=12288,k=4096,n=1,w=q4:128 f32 panel16 gemv WG=64,VW=16 1234567.8 0123456789abcdef
 *     samples 0 1234567.8 1240000.1 1230000.0
 *     end 1
 *
 * A record is family, problem, class, layout, variant, configuration ("-": no parameters), time in ns,
 * source key; words stand apart by one space. Lines of samples belong to the record above them: the round,
 * then times in ns. The last line counts the records, so that a text that was cut short is seen. A profile
 * says what it is for: architectures (it may hold for several), a device, or both; device and version are
 * the keys of where it was measured. */
#pragma once
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

struct profile_sample {
    int round;
    double time_ns;
};
struct profile_record {
    int line;
    const char *family, *problem, *class_name, *layout, *variant, *config, *source_key;
    double time_ns;
    size_t first_sample, n_samples; /* of the profile's samples, in order of their rounds */
};
struct profile {
    char *text; /* a copy, cut into words that the others point to */
    const char **architectures;
    size_t n_architectures;
    const char *device, *version, *provenance; /* "" when it names none */
    struct profile_sample *samples;
    size_t n_samples;
    struct profile_record *records;
    size_t n_records;
};
/* name: for sentences. INVALID names the line, the word and what it should be; two records of one
 * configuration are refused. The text need not be NUL-terminated. */
enum status profile_parse(const char *name, const char *text, size_t size, struct profile *out,
                          struct error *err);
void profile_free(struct profile *profile);
/* Was it made for this device model, or for its architecture? */
bool profile_covers(const struct profile *profile, const char *model);
/* The architecture within a model key, its fourth part; "" when it has none. The caller frees. */
char *profile_architecture(const char *model);

/* The profiles that travel inside the program, by number; NULL: there are no more. */
struct embedded;
const struct embedded *profile_shipped(size_t i);
