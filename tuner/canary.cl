/* canary.cl: the frozen kernel that runs beside every sample: half streaming, half arithmetic, on all
 * compute units. It is never tuned; when its time moves, the machine moved. */
__kernel void canary(__global const float *data_base, ulong data_at, __global float *out_base,
                     ulong out_at, int vectors, int rounds) {
    __global const float16 *data =
        (__global const float16 *)((__global const char *)data_base + data_at);
    __global float16 *out = (__global float16 *)((__global char *)out_base + out_at);
    const size_t item = get_global_id(0);
    float16 a = 0, b = 0, c = 1, d = 2;
    for (int i = 0; i + 1 < vectors; i += 2) {
        a += data[item * vectors + i];
        b += data[item * vectors + i + 1];
    }
    for (int i = 0; i < rounds; i++) {
        a = a * 0.5f + 1.0f;
        b = b * 0.5f + 1.0f;
        c = c * 0.5f + 1.0f;
        d = d * 0.5f + 1.0f;
    }
    out[item] = a + b + c + d;
}
