/* rival_clblast_tuners.h: CLBlast's own tuners of its GEMM kernels. They are C++ and exported as
 * such; this is their way into C. */
#pragma once
#ifdef __cplusplus
extern "C" {
#endif
#include "base/status.h"
#include "base/str.h"

/* Tune one kernel, "Xgemm" or "XgemmDirect", in fp32 for C[m,n] = A·B with inner dimension k,
 * and append the fastest parameters to found: "KWG=16,MWG=64,…". Of the tuner's configurations
 * that fraction is tried, always the same: a larger fraction holds a smaller one. Xgemm wants m,
 * n and k to be multiples of 128. library: of dlopen; queue: a cl_command_queue. UNSUPPORTED
 * when it has no such tuner; LAUNCH when none of the configurations runs. */
enum status clblast_tune(void *library, const char *kernel, void *queue, size_t m, size_t n,
                         size_t k, double fraction, struct str *found, struct error *err);
#ifdef __cplusplus
}
#endif
