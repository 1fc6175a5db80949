/* embedded.h: texts that travel inside the program (kernel sources, schema, plot scripts), and the
 * hashes of the C files that describe kernels. The table is made at build time. */
#pragma once
#include <stdint.h>

struct embedded {
    const char *path; /* "kernels/matmul/gemv.cl", from the root of the source tree */
    const char *text; /* NULL when only the hash travels */
    uint64_t hash;    /* of the file's bytes */
};
extern const struct embedded embedded_files[]; /* ended by a NULL path */

/* NULL when there is no such file. */
const struct embedded *embedded_find(const char *path);
