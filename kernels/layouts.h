/* layouts.h: packing a matrix of weights for the device, and taking it apart again.
 *
 * A packed matrix is up to three regions, each starting at a multiple of 256 bytes, with P = panel
 * rows interleaved, Mp = M rounded up to P, rows beyond M zero (codes, scales, offsets, values 0):
 *
 *   values (PLAIN)   [Mp/P][K][P]            f32 or f16
 *   codes, 4 bits    [Mp/P][K/8][P]          uint32: low nibbles of byte j hold k = 8i + j (j = 0..3),
 *                                            high nibbles k = 8i + 4 + j
 *   codes, 8 bits    [Mp/P][K/4][P]          uint32: byte j holds k = 4i + j
 *   scales           [Mp/P][K/G][P]          fp16
 *   zeros (ZERO)     [Mp/P][K/G][P]          uint8: the number z
 *   offsets (OFFSET) [Mp/P][K/G][P]          fp16
 *
 * so that P rows at one k are one vector, and a dot-product instruction finds 4 consecutive k of a row
 * in one 32-bit lane. With P = 1 a row is contiguous. K is a multiple of G for quantised types. */
#pragma once
#include "kernels/weights.h"

struct layout {
    const char *name;
    int version;
    int panel; /* P */
};

enum layout_id {
#define LAYOUT(name, version, panel) LAYOUT_##name,
#include "kernels/layouts.def"
#undef LAYOUT
    LAYOUTS
};
extern const struct layout layouts[LAYOUTS];

const struct layout *layout_find(const char *name); /* NULL: unknown */

/* Where the regions start, in bytes from the start of the packed matrix, and the whole size. */
struct layout_regions {
    size_t codes; /* or values; always 0 */
    size_t scales;
    size_t zeros; /* or offsets */
    size_t bytes; /* total */
};
struct layout_regions layout_regions(const struct layout *layout, struct weight w, int64_t m,
                                     int64_t k);

/* Pack all rows into packed (regions.bytes bytes). NOMEM only. */
enum status layout_pack(const struct layout *layout, const struct matrix *matrix, void *packed,
                        struct error *err);
/* The inverse for one row. */
void layout_unpack_row(const struct layout *layout, struct weight w, int64_t m, int64_t k,
                       const void *packed, int64_t row, struct weight_row *out);
