/* transpose.c: what transpose.cl must compute: the reference of the example, made into a library at the root of the
 * sources:
 *
 *     cc -shared -fPIC -O2 -I. -o transpose.so examples/transpose/transpose.c
 *
 * Where hone is installed, the header is <hone_reference.h>. */
#include "kernels/hone_reference.h"

enum { IN, OUT };

int hone_reference(struct hone_reference *call) {
    if (call->version != HONE_REFERENCE_VERSION || call->n_size != 2) return 1;
    const int64_t width = call->size[0], height = call->size[1];
    const float *in = call->arguments[IN].data;
    float *out = call->arguments[OUT].expected;
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) out[x * height + y] = in[y * width + x];
    /* Nothing is rounded on the way. */
    call->arguments[OUT].absolute = call->arguments[OUT].relative = 0;
    return 0;
}
