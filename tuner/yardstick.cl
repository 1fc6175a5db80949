/* yardstick.cl: what a run of the gate is divided by: streaming, arithmetic, an empty launch. Frozen: never
 * tuned, never mended for speed. Stored runs name the hash of this file, and others are not compared. */

/* Each item reads `vectors` of data: its first is item * first, then every step-th. */
__kernel void stream(__global const float *data_base, ulong data_at, __global float *out_base,
                     ulong out_at, int first, int step, int vectors) {
    __global const float16 *data =
        (__global const float16 *)((__global const char *)data_base + data_at);
    __global float16 *out = (__global float16 *)((__global char *)out_base + out_at);
    const size_t item = get_global_id(0);
    float16 a = 0, b = 0;
    data += item * first;
    for (int i = 0; i + 1 < vectors; i += 2) {
        a += data[(size_t)i * step];
        b += data[(size_t)(i + 1) * step];
    }
    out[item] = a + b;
}

__kernel void chain(__global const float *data_base, ulong data_at, __global float *out_base,
                    ulong out_at, int first, int step, int rounds) {
    __global float16 *out = (__global float16 *)((__global char *)out_base + out_at);
    const size_t item = get_global_id(0);
    float16 a = 0, b = 1, c = 2, d = 3, e = 4, f = 5, g = 6, h = 7;
    for (int i = 0; i < rounds; i++) {
        a = fma(a, 0.5f, 1.0f);
        b = fma(b, 0.5f, 1.0f);
        c = fma(c, 0.5f, 1.0f);
        d = fma(d, 0.5f, 1.0f);
        e = fma(e, 0.5f, 1.0f);
        f = fma(f, 0.5f, 1.0f);
        g = fma(g, 0.5f, 1.0f);
        h = fma(h, 0.5f, 1.0f);
    }
    out[item] = a + b + c + d + e + f + g + h;
}

__kernel void empty(__global const float *data_base, ulong data_at, __global float *out_base,
                    ulong out_at, int first, int step, int nothing) {}
