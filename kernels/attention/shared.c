/* shared.c: what the variants of attention share; see attention.h. */
#include "kernels/attention/attention.h"

bool attention_vector_fits(int vw, const struct problem *problem) {
    return problem->value[F_D] / 2 % vw == 0;
}

int attention_widest_vector(const struct problem *problem) {
    int vw = 16;
    while (!attention_vector_fits(vw, problem)) vw /= 2;
    return vw;
}

bool attention_half_applies(int half, int vw, const struct problem *problem) {
    if (half == 0) return true;
    return problem->value[F_KV] == 0 && (half == 1 || vw == 16);
}

bool attention_accepts(const struct problem *problem) {
    return problem->class == CLASS_F32 && problem->value[F_D] % 2 == 0 &&
           problem->value[F_HEADS] % problem->value[F_KVH] == 0;
}

bool attention_writes_first(const struct problem *problem) {
    return problem->value[F_ROPE] && problem->value[F_N] > 1;
}

struct stage attention_write_stage(const struct problem *problem) {
    const size_t tiles = (size_t)(problem->value[F_N] * problem->value[F_KVH]);
    return (struct stage){"attention_write", {tiles, 1, 1}, {1, 1, 1}};
}
