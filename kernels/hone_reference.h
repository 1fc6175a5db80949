/* hone_reference.h: what the library of `hone tune --reference LIBRARY` exports: one function that says what one's
 * own kernel must compute. It needs nothing else of hone and can be included from C and C++; docs/own-kernels.md
 * has an example.
 *
 *     int hone_reference(struct hone_reference *call);
 *
 * It is called in the process that runs the kernel, once for each set of inputs; it returns 0, or any other number
 * when it cannot do it. Outputs are to be computed more exactly than the kernel does: sums of floats in double. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define HONE_REFERENCE_VERSION 1

/* An argument of the kernel, in its order. Of vector types (float4) every lane is an element. */
struct hone_argument {
    const char *name, *type; /* as the T1 file has them: "x", "float" */
    size_t n;                /* elements; 1 for a scalar, 0 for local memory */
    const void
        *data; /* (n) what the kernel is given; of a WriteOnly argument it is nothing: NULL */
    /* (n) what the kernel must leave there, to be written by the function; NULL: it is no output. Of a ReadWrite
     * argument it holds a copy of data at first, of a WriteOnly one zeros. */
    void *expected;
    /* How far an element may be off: |y - expected| <= absolute + relative * |expected|; and all of them together:
     * sum of squared errors / sum of squares <= nmse. The function may write others than those it finds; absolute
     * is NAN at first: the same share of the root of the mean square of the output as `relative` is of an element. */
    double absolute, relative, nmse;
};

struct hone_reference {
    int version;         /* HONE_REFERENCE_VERSION */
    const int64_t *size; /* (n_size) ProblemSize */
    size_t n_size;
    struct hone_argument *arguments;
    size_t n_arguments;
};

#ifdef __cplusplus
extern "C"
#endif
    int
    hone_reference(struct hone_reference *call);
