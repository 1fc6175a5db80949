/* rival_clblast.c: a CLBlast of its own kind, found before the system's (LD_LIBRARY_PATH). Of
 * the four ways to pose a product it dies in one, does nothing in one, refuses one, and is right
 * in one. One of its tuners dies, the other is not there. */
#include <clblast_c.h>
#include <stdbool.h>
#include <stdlib.h>

static void multiply(cl_command_queue queue, size_t m, size_t n, size_t k, cl_mem w, cl_mem x,
                     cl_mem c) {
    float *host = calloc(m * k + k * n + m * n, sizeof *host);
    if (!host) abort();
    float *a = host, *b = a + m * k, *out = b + k * n;
    clEnqueueReadBuffer(queue, w, CL_TRUE, 0, m * k * sizeof *a, a, 0, NULL, NULL);
    clEnqueueReadBuffer(queue, x, CL_TRUE, 0, k * n * sizeof *b, b, 0, NULL, NULL);
    for (size_t row = 0; row < m; row++)
        for (size_t i = 0; i < k; i++)
            for (size_t column = 0; column < n; column++)
                out[row * n + column] += a[row * k + i] * b[i * n + column];
    clEnqueueWriteBuffer(queue, c, CL_TRUE, 0, m * n * sizeof *out, out, 0, NULL, NULL);
    free(host);
}

/* Row-major C[m][n]: by token W is the second operand, by output the first. */
CLBlastStatusCode CLBlastSgemm(const CLBlastLayout layout, const CLBlastTranspose a_transpose,
                               const CLBlastTranspose b_transpose, const size_t m, const size_t n,
                               const size_t k, float alpha, cl_mem a, const size_t a_offset,
                               const size_t a_ld, cl_mem b, const size_t b_offset,
                               const size_t b_ld, const float beta, cl_mem c, const size_t c_offset,
                               const size_t c_ld, cl_command_queue *queue, cl_event *event) {
    (void)layout, (void)alpha, (void)a_offset, (void)a_ld, (void)b_offset, (void)b_ld, (void)beta;
    (void)c_offset, (void)c_ld, (void)event;
    const bool by_token = m < n;
    if (by_token && b_transpose == CLBlastTransposeYes) abort();
    if (by_token) return CLBlastSuccess;
    if (a_transpose == CLBlastTransposeYes) return CLBlastNotImplemented;
    multiply(*queue, m, n, k, a, b, c);
    return CLBlastSuccess;
}

/* clblast::TuneXgemmDirect<float> */
void tune_direct(void) __asm__(
    "_ZN7clblast15TuneXgemmDirectIfEENS_10StatusCodeEPP17_cl_command_queuemmmdRSt13unordered_"
    "mapINSt7__cxx1112"
    "basic_stringIcSt11char_traitsIcESaIcEEEmSt4hashISB_ESt8equal_toISB_ESaISt4pairIKSB_mEEE");
void tune_direct(void) {
    abort();
}
