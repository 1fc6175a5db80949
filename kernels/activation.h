/* activation.h: how activations lie in memory, and how class i8 rounds them.
 *
 * X and C are stored token by token, f32: X[N][K], C[N][M]. In class i8 a row of X of K values with
 * groups of G is one block of activation_row_bytes:
 *
 *     K × int8 codes | K/G × f32 scale | K/G × f32 sum of the codes
 *
 *   scale = max |x| / 127 of the group, code = rint(x · (1 / scale)), ties to even, x ≈ scale · code.
 *
 * 1 / scale is rounded, the product is not: both are one instruction for many values.
 *
 * A scale below SCALE_LEAST is 0 and its codes are 0: a subnormal one has so few bits that codes would
 * pass 127, and devices may flush it. G is the weights' group size. */
#pragma once
#include "kernels/kernel.h"

/* The smallest normal float. ORDER scale: quant_act/block.clh */
#define SCALE_LEAST 0x1p-126f

size_t activation_row_bytes(enum class_id class, int64_t k, int group);
/* The same on the host as the device's quant_act, which multiplies by 1 / 127 and divides once: the last bit of a scale,
 * and with it a code of a tie, may differ. */
void activation_quantise(const float *x, int64_t k, int group, void *row);
/* The values that class `class` really multiplies with: f32 as they are, i8 rounded and widened. */
void activation_dequantise(enum class_id class, const void *row, int64_t k, int group, double *x);
