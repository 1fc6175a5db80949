/* feature_tests.c: the table of feature tests. Most are a kernel from input words to output words
 * and a function that checks the numbers (compilers have been seen that drop foreign assembly and
 * go on); images and the grid barrier run in ways of their own. */
#include "device/feature_tests.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/str.h"
#include "device/opencl.h"
#include "device/program.h"
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 32, LOCAL_BYTES = 1024, MAX_TRIES = 3 };

struct test {
    const char *source;
    const char *options[MAX_TRIES]; /* tried in turn until one works; later ones may be NULL */
    size_t n_in, n_out;             /* words */
    size_t global, local;           /* work-items */
    void (*make)(uint32_t *in);     /* the input words; NULL: random */
    bool (*is_right)(const uint32_t *in, const uint32_t *out);
    enum status (*run)(const struct test *test, struct device *device, struct program *program,
                       struct error *err); /* instead of all of the above; NULL: words to words */
};

#define HEAD                                                                                       \
    "#define TEST(attributes) __kernel attributes void feature_test(__global const uint *in_all, " \
    "ulong in_at, __global uint *out_all, ulong out_at, __local uint *scratch)\n"                  \
    "#define OPERANDS __global const uint *in = in_all + in_at / 4; "                              \
    "__global uint *out = out_all + out_at / 4; uint i = (uint)get_global_id(0);\n"
#define ONE_ITEM "TEST(__attribute__((reqd_work_group_size(1, 1, 1))))"
#define ONE_WARP "TEST(__attribute__((reqd_work_group_size(32, 1, 1))))"

/* ---- half precision: small whole numbers, exact in half; 1·2048 + 1 is 2048 in half only */

static const char fp16_source[] = HEAD "#ifdef WITH_PRAGMA\n"
                                       "#pragma OPENCL EXTENSION cl_khr_fp16 : enable\n"
                                       "#endif\n"
                                       "TEST() { OPERANDS\n"
                                       "    __global const half *h = (__global const half *)in;\n"
                                       "    half a = h[2 * i], b = h[2 * i + 1];\n"
                                       "    half2 pair = (half2)(a, b) * (half2)(b, a);\n"
                                       "    half y = a * b + (half)1.0f;\n"
                                       "    out[i] = as_uint((float)y);\n"
                                       "    out[32 + i] = as_uint((float)(pair.x + pair.y));\n"
                                       "}\n";

/* A whole number up to 2048 as half. */
static uint32_t half_of(unsigned n) {
    if (n == 0) return 0;
    unsigned exponent = 31 - (unsigned)__builtin_clz(n);
    return (exponent + 15) << 10 | ((n << 10 >> exponent) & 0x3ff);
}

static unsigned half_a(unsigned i) {
    return i == 0 ? 1 : i;
}

static unsigned half_b(unsigned i) {
    return i == 0 ? 2048 : 31 - i % 31;
}

static void fp16_make(uint32_t *in) {
    for (unsigned i = 0; i < LANES; i++) in[i] = half_of(half_a(i)) | half_of(half_b(i)) << 16;
}

static bool is_float(uint32_t word, float want) {
    uint32_t bits;
    memcpy(&bits, &want, sizeof bits);
    return word == bits;
}

static bool fp16_right(const uint32_t *in, const uint32_t *out) {
    (void)in;
    for (unsigned i = 0; i < LANES; i++) {
        unsigned product = half_a(i) * half_b(i);
        if (!is_float(out[i], (float)(product == 2048 ? 2048 : product + 1))) return false;
        if (!is_float(out[LANES + i], (float)(2 * product))) return false;
    }
    return true;
}

/* ---- double precision, bit for bit */

static const char fp64_source[] = HEAD "#ifdef cl_khr_fp64\n"
                                       "#pragma OPENCL EXTENSION cl_khr_fp64 : enable\n"
                                       "#endif\n"
                                       "TEST() { OPERANDS\n"
                                       "    double x = 1.0 + in[i] * 0x1p-40;\n"
                                       "    ulong y = as_ulong(x * x / 3.0);\n"
                                       "    out[2 * i] = (uint)y;\n"
                                       "    out[2 * i + 1] = (uint)(y >> 32);\n"
                                       "}\n";

static bool fp64_right(const uint32_t *in, const uint32_t *out) {
    for (size_t i = 0; i < LANES; i++) {
        const double x = 1.0 + in[i] * 0x1p-40, y = x * x / 3.0;
        uint32_t bits[2];
        memcpy(bits, &y, sizeof bits);
        if (out[2 * i] != bits[0] || out[2 * i + 1] != bits[1]) return false;
    }
    return true;
}

/* ---- sub-groups: the sum of those that say they are together */

static const char sub_groups_source[] =
    HEAD "#ifdef WITH_PRAGMA\n"
         "#pragma OPENCL EXTENSION cl_khr_subgroups : enable\n"
         "#endif\n"
         "TEST() { OPERANDS\n"
         "    out[i] = (uint)sub_group_reduce_add((int)(in[i] & 0xffff));\n"
         "    out[128 + i] = (uint)get_group_id(0) * 1000 + get_sub_group_id();\n"
         "    out[256 + i] = get_sub_group_size();\n"
         "}\n";

static bool sub_groups_right(const uint32_t *in, const uint32_t *out) {
    for (int i = 0; i < 128; i++) {
        uint32_t sum = 0, members = 0;
        for (int j = 0; j < 128; j++) {
            if (out[128 + j] != out[128 + i]) continue;
            sum += in[j] & 0xffff;
            members++;
        }
        if (sum != out[i] || members != out[256 + i]) return false;
    }
    return true;
}

/* ---- four products of bytes and their sum */

static uint32_t dot_signed(uint32_t a, uint32_t b) {
    int32_t sum = 0;
    for (int k = 0; k < 32; k += 8) sum += (int8_t)(a >> k) * (int8_t)(b >> k);
    return (uint32_t)sum;
}

static uint32_t dot_mixed(uint32_t a, uint32_t b) {
    int32_t sum = 0;
    for (int k = 0; k < 32; k += 8) sum += (uint8_t)(a >> k) * (int8_t)(b >> k);
    return (uint32_t)sum;
}

static bool dot_right(const uint32_t *in, const uint32_t *out) {
    for (size_t i = 0; i < LANES; i++)
        if (out[i] != 5 + dot_signed(in[i], in[LANES + i])) return false;
    return true;
}

static const char int_dot_source[] =
    HEAD "TEST() { OPERANDS out[i] = (uint)(5 + dot_4x8packed_ss_int(in[i], in[32 + i])); }\n";

static const char ptx_dp4a_source[] =
    HEAD "TEST() { OPERANDS\n"
         "    int sum = 5;\n"
         "    __asm__(\"dp4a.s32.s32 %0, %1, %2, %0;\"\n"
         "        : \"+r\"(sum) : \"r\"(in[i]), \"r\"(in[32 + i]));\n"
         "    out[i] = (uint)sum;\n"
         "}\n";

/* ---- 256-bit registers. In: 8 words unsigned bytes (only four bits of each are multiplied, so that no sum
 * of two saturates), 8 words signed bytes, 8 words start. */

static const char x86_avx2_source[] = HEAD ONE_ITEM
    " { OPERANDS\n"
    "    uint8 w = vload8(0, in) & 0x0f0f0f0fu;\n"
    "    int8 x = as_int8(vload8(1, in)), sum;\n"
    "    short16 pairs;\n"
    "    __asm__(\"vpmaddubsw %2, %1, %0\" : \"=x\"(pairs) : \"x\"(w), \"x\"(x));\n"
    "    __asm__(\"vpmaddwd %2, %1, %0\" : \"=x\"(sum) : \"x\"(pairs), \"x\"((short16)(1)));\n"
    "    vstore8(as_uint8(sum + as_int8(vload8(2, in))), i, out);\n"
    "}\n";

/* Of n words: start and sum, unsigned bytes cut to the mask. */
static bool mixed_right(const uint32_t *in, const uint32_t *out, size_t n, uint32_t mask) {
    for (size_t i = 0; i < n; i++)
        if (out[i] != in[2 * n + i] + dot_mixed(in[i] & mask, in[n + i])) return false;
    return true;
}

static bool x86_avx2_right(const uint32_t *in, const uint32_t *out) {
    return mixed_right(in, out, 8, 0x0f0f0f0f);
}

/* ---- 512-bit registers. In: 16 words unsigned bytes, 16 words signed bytes, 16 words start. */

static const char x86_vnni_source[] =
    HEAD ONE_ITEM " { OPERANDS\n"
                  "    uint16 w = vload16(0, in);\n"
                  "    int16 x = as_int16(vload16(1, in)), sum = as_int16(vload16(2, in));\n"
                  "    __asm__(\"vpdpbusd %2, %1, %0\" : \"+v\"(sum) : \"v\"(w), \"v\"(x));\n"
                  "    vstore16(as_uint16(sum), i, out);\n"
                  "}\n";

static bool x86_vnni_right(const uint32_t *in, const uint32_t *out) {
    return mixed_right(in, out, 16, UINT32_MAX);
}

/* In: 16 words of a table, 16 indices, 16 halfs in 8 words. Out: the words picked, the halfs as
 * float. */
static const char x86_avx512_source[] = HEAD ONE_ITEM
    " { OPERANDS\n"
    "    float16 table = as_float16(vload16(0, in)), picked, wide;\n"
    "    int16 index = as_int16(vload16(1, in));\n"
    "    short16 halfs = as_short16(vload8(4, in));\n"
    "    __asm__(\"vpermps %2, %1, %0\" : \"=v\"(picked) : \"v\"(index), \"v\"(table));\n"
    "    __asm__(\"vcvtph2ps %1, %0\" : \"=v\"(wide) : \"v\"(halfs));\n"
    "    vstore16(as_uint16(picked), 2 * i, out);\n"
    "    vstore16(as_uint16(wide), 2 * i + 1, out);\n"
    "}\n";

static void x86_avx512_make(uint32_t *in) {
    for (uint32_t i = 0; i < 16; i++) {
        in[i] = 1000 + 17 * i;
        in[16 + i] = (5 * i + 3) % 16;
    }
    for (unsigned i = 0; i < 8; i++) in[32 + i] = half_of(2 * i) | half_of(2 * i + 1) << 16;
}

static bool x86_avx512_right(const uint32_t *in, const uint32_t *out) {
    for (size_t i = 0; i < 16; i++)
        if (out[i] != in[in[16 + i]] || !is_float(out[16 + i], (float)i)) return false;
    return true;
}

/* ---- one warp multiplies A (16 × 16, by rows) and B (16 × 8, by columns) of halfs into floats.
 * Lane l = 4·g + t holds rows g and g + 8 of A and C, column g of B. */

static const char ptx_mma_source[] = HEAD ONE_WARP
    " { OPERANDS\n"
    "    uint g = i / 4, t = i % 4;\n"
    "    __global const uint *a = in, *b = in + 128 + g * 8;\n"
    "    uint a0 = a[g * 8 + t], a1 = a[(g + 8) * 8 + t];\n"
    "    uint a2 = a[g * 8 + t + 4], a3 = a[(g + 8) * 8 + t + 4];\n"
    "    uint b0 = b[t], b1 = b[t + 4];\n"
    "    float c0 = 1, c1 = 1, c2 = 1, c3 = 1;\n"
    "    __asm__ volatile(\"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, \"\n"
    "        \"{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\"\n"
    "        : \"+f\"(c0), \"+f\"(c1), \"+f\"(c2), \"+f\"(c3)\n"
    "        : \"r\"(a0), \"r\"(a1), \"r\"(a2), \"r\"(a3), \"r\"(b0), \"r\"(b1));\n"
    "    out[g * 8 + 2 * t] = as_uint(c0);\n"
    "    out[g * 8 + 2 * t + 1] = as_uint(c1);\n"
    "    out[(g + 8) * 8 + 2 * t] = as_uint(c2);\n"
    "    out[(g + 8) * 8 + 2 * t + 1] = as_uint(c3);\n"
    "}\n";

static unsigned mma_value(size_t at) {
    return (unsigned)(at * 2654435761u >> 16) % 16;
}

/* Words 0 … 127: A; 128 … 191: B, column by column. */
static void ptx_mma_make(uint32_t *in) {
    for (size_t w = 0; w < 192; w++)
        in[w] = half_of(mma_value(2 * w)) | half_of(mma_value(2 * w + 1)) << 16;
}

static bool ptx_mma_right(const uint32_t *in, const uint32_t *out) {
    (void)in;
    for (size_t m = 0; m < 16; m++)
        for (size_t n = 0; n < 8; n++) {
            unsigned sum = 1;
            for (size_t k = 0; k < 16; k++)
                sum += mma_value(m * 16 + k) * mma_value(256 + n * 16 + k);
            if (!is_float(out[m * 8 + n], (float)sum)) return false;
        }
    return true;
}

/* ---- 16 bytes a lane straight into local memory, read by the lane's neighbour */

static const char ptx_cp_async_source[] =
    HEAD ONE_WARP " { OPERANDS\n"
                  "    __local uint4 *shared = (__local uint4 *)scratch;\n"
                  "    uint to = (uint)(size_t)(shared + i);\n"
                  "    __asm__ volatile(\"cp.async.cg.shared.global [%0], [%1], 16;\"\n"
                  "        :: \"r\"(to), \"l\"(in + 4 * i));\n"
                  "    __asm__ volatile(\"cp.async.commit_group;\");\n"
                  "    __asm__ volatile(\"cp.async.wait_group 0;\");\n"
                  "    barrier(CLK_LOCAL_MEM_FENCE);\n"
                  "    vstore4(shared[i ^ 1], i, out);\n"
                  "}\n";

static bool ptx_cp_async_right(const uint32_t *in, const uint32_t *out) {
    for (size_t i = 0; i < LANES; i++)
        if (memcmp(&out[4 * i], &in[4 * (i ^ 1)], 16) != 0) return false;
    return true;
}

static const char ptx_shfl_source[] =
    HEAD ONE_WARP " { OPERANDS\n"
                  "    uint x = in[i], y;\n"
                  "    __asm__ volatile(\"shfl.sync.bfly.b32 %0, %1, 16, 31, 0xffffffff;\"\n"
                  "        : \"=r\"(y) : \"r\"(x));\n"
                  "    out[i] = 3 * x + y;\n"
                  "}\n";

static bool ptx_shfl_right(const uint32_t *in, const uint32_t *out) {
    for (size_t i = 0; i < LANES; i++)
        if (out[i] != 3 * in[i] + in[i ^ 16]) return false;
    return true;
}

/* ---- running: words to words */

/* An arena with two views of so many words each, filled from `in` and with `poison`. */
static enum status operands_open(struct device *device, const uint32_t *in, size_t n_in,
                                 size_t n_out, uint32_t poison, struct arena **arena,
                                 struct view views[2], struct error *err) {
    enum status st = arena_open(device, (n_in + n_out) * 4 + 4 * VIEW_ALIGN, arena, err);
    if (st == OK) st = arena_take(*arena, n_in * 4, &views[0], err);
    if (st == OK) st = arena_take(*arena, n_out * 4, &views[1], err);
    if (st == OK) st = view_write(views[0], 0, in, n_in * 4, err);
    if (st == OK) st = view_fill(views[1], 0, poison, n_out * 4, err);
    return st;
}

static enum status kernel_run(struct device *device, struct program *program,
                              const struct argument *arguments, size_t n, struct launch launch,
                              struct error *err) {
    enum status st = program_kernel(program, "feature_test", &launch.kernel, err);
    if (st == OK) st = kernel_set(launch.kernel, arguments, n, err);
    if (st == OK) st = launch_enqueue(device, &launch, err);
    if (st == OK) st = device_finish(device, err);
    return st;
}

static enum status words_run(const struct test *test, struct device *device,
                             struct program *program, struct error *err) {
    struct arena *arena = NULL;
    struct view views[2];
    uint32_t *in = memory_new(test->n_in * 4), *out = memory_new(test->n_out * 4);
    struct rng rng = rng_seed(1);
    for (size_t i = 0; i < test->n_in; i++) in[i] = (uint32_t)(rng_next(&rng) >> 32);
    if (test->make) test->make(in);
    enum status st =
        operands_open(device, in, test->n_in, test->n_out, 0xdeadbeef, &arena, views, err);
    if (st != OK) goto done;
    struct argument arguments[] = {
        {.kind = ARGUMENT_VIEW, .view = views[0]},
        {.kind = ARGUMENT_VIEW, .view = views[1]},
        {.kind = ARGUMENT_LOCAL, .local_bytes = LOCAL_BYTES},
    };
    struct launch launch = {.global = {test->global, 1, 1}, .local = {test->local, 1, 1}};
    st = kernel_run(device, program, arguments, 3, launch, err);
    if (st == OK) st = view_read(views[1], 0, out, test->n_out * 4, err);
    if (st == OK && !test->is_right(in, out)) st = fail(err, STATUS_WRONG, "its numbers are wrong");
done:
    arena_close(arena);
    free(in);
    free(out);
    return st;
}

/* ---- running: images. The views hold the texels of both, then what the kernel read. */

enum { IMAGE_W = 16, IMAGE_H = 8, IMAGE_WORDS = IMAGE_W * IMAGE_H * 4 };

static const char images_source[] =
    "__kernel void feature_test(__read_only image2d_t floats, __read_only image2d_t uints,\n"
    "                           __global uint *out_all, ulong out_at) {\n"
    "    const sampler_t texels = CLK_NORMALIZED_COORDS_FALSE | CLK_ADDRESS_NONE |\n"
    "                             CLK_FILTER_NEAREST;\n"
    "    __global uint *out = out_all + out_at / 4;\n"
    "    int2 at = (int2)(get_global_id(0), get_global_id(1));\n"
    "    int i = at.y * 16 + at.x;\n"
    "    vstore4(as_uint4(read_imagef(floats, texels, at)), i, out);\n"
    "    vstore4(read_imageui(uints, texels, at), 128 + i, out);\n"
    "}\n";

static enum status images_run(const struct test *test, struct device *device,
                              struct program *program, struct error *err) {
    (void)test;
    struct arena *arena = NULL;
    struct image *floats = NULL, *uints = NULL;
    struct view views[2];
    uint32_t in[2 * IMAGE_WORDS], out[2 * IMAGE_WORDS];
    struct rng rng = rng_seed(2);
    for (size_t i = 0; i < IMAGE_WORDS; i++) {
        float x = (float)rng_normal(&rng);
        memcpy(&in[i], &x, sizeof x);
        in[IMAGE_WORDS + i] = (uint32_t)(rng_next(&rng) >> 32);
    }
    enum status st =
        operands_open(device, in, 2 * IMAGE_WORDS, 2 * IMAGE_WORDS, 0, &arena, views, err);
    if (st == OK) st = image_open(device, TEXEL_FLOAT4, IMAGE_W, IMAGE_H, &floats, err);
    if (st == OK) st = image_open(device, TEXEL_UINT4, IMAGE_W, IMAGE_H, &uints, err);
    if (st == OK) st = image_load(floats, view_part(views[0], 0, sizeof in / 2), err);
    if (st == OK) st = image_load(uints, view_part(views[0], sizeof in / 2, sizeof in / 2), err);
    if (st != OK) goto done;
    struct argument arguments[] = {
        {.kind = ARGUMENT_IMAGE, .image = floats},
        {.kind = ARGUMENT_IMAGE, .image = uints},
        {.kind = ARGUMENT_VIEW, .view = views[1]},
    };
    struct launch launch = {.global = {IMAGE_W, IMAGE_H, 1}, .local = {IMAGE_W, 1, 1}};
    st = kernel_run(device, program, arguments, 3, launch, err);
    if (st == OK) st = view_read(views[1], 0, out, sizeof out, err);
    if (st == OK && memcmp(in, out, sizeof in) != 0)
        st = fail(err, STATUS_WRONG, "texels are not read exactly");
done:
    image_close(floats);
    image_close(uints);
    arena_close(arena);
    return st;
}

/* ---- running: the grid barrier
 *
 * As many work-groups as compute units. In every round each work-item writes a word, all meet at
 * the barrier, and each reads the word of its neighbour group by an ordinary load; two buffers in
 * turn, so that one barrier a round is enough. A spin that takes too long sets the abort word, and
 * from then on nobody waits. On a CPU the same again beside a thread that keeps a core busy, because
 * a barrier that works only while nobody disturbs is none. */

enum { BARRIER_LOCAL = 64, BARRIER_ROUNDS = 2000, BARRIER_WORDS = 64 };

static const char grid_barrier_source[] =
    "#if defined __NV_CL_C_VERSION && !defined PLAIN_FENCE\n"
    "#define FENCE __asm__ volatile(\"fence.acq_rel.gpu;\" ::: \"memory\")\n"
    "#else\n"
    "#define FENCE mem_fence(CLK_GLOBAL_MEM_FENCE)\n"
    "#endif\n"
    "#define WORD(round, i) (((round) * 2654435761u) ^ ((i) * 40503u))\n"
    "__kernel void feature_test(__global uint *state_all, ulong state_at,\n"
    "                           __global uint *data_all, ulong data_at, int rounds, int spins) {\n"
    "    /* arrivals, abort, wrong words */\n"
    "    volatile __global uint *state = state_all + state_at / 4;\n"
    "    __global uint *data = data_all + data_at / 4;\n"
    "    uint total = (uint)get_global_size(0), groups = (uint)get_num_groups(0);\n"
    "    uint i = (uint)get_global_id(0), neighbour = (i + (uint)get_local_size(0)) % total;\n"
    "    uint wrong = 0, patience = (uint)spins;\n"
    "    for (uint round = 1; round <= (uint)rounds; round++) {\n"
    "        __global uint *words = data + (round & 1) * total;\n"
    "        words[i] = WORD(round, i);\n"
    "        barrier(CLK_GLOBAL_MEM_FENCE | CLK_LOCAL_MEM_FENCE);\n"
    "        if (get_local_id(0) == 0) {\n"
    "            FENCE;\n"
    "            atomic_add(&state[0], 1u);\n"
    "            uint left = patience;\n"
    "            while (left > 0 && atomic_add(&state[0], 0u) < round * groups)\n"
    "                left = state[1] ? 0 : left - 1;\n"
    "            if (left == 0) { state[1] = 1; patience = 0; }\n"
    "            FENCE;\n"
    "        }\n"
    "        barrier(CLK_GLOBAL_MEM_FENCE | CLK_LOCAL_MEM_FENCE);\n"
    "        wrong += words[neighbour] != WORD(round, neighbour);\n"
    "    }\n"
    "    if (wrong) atomic_add(&state[2], wrong);\n"
    "}\n";

static enum status barrier_round_trip(struct device *device, struct program *program,
                                      struct view views[2], struct error *err) {
    uint32_t groups = (uint32_t)device->info.compute_units, state[3];
    /* Spins: some tenths of a second to seconds; a time slice of the scheduler is milliseconds. */
    int spins = device->info.type == DEVICE_CPU ? 1 << 25 : 1 << 21;
    struct argument arguments[] = {
        {.kind = ARGUMENT_VIEW, .view = views[0]},
        {.kind = ARGUMENT_VIEW, .view = views[1]},
        {.kind = ARGUMENT_INT, .i = BARRIER_ROUNDS},
        {.kind = ARGUMENT_INT, .i = spins},
    };
    size_t most = device->info.max_work_group, local = most < BARRIER_LOCAL ? most : BARRIER_LOCAL;
    struct launch launch = {.global = {groups * local, 1, 1}, .local = {local, 1, 1}};
    enum status st = view_fill(views[0], 0, 0, BARRIER_WORDS * 4, err);
    if (st == OK) st = kernel_run(device, program, arguments, 4, launch, err);
    if (st == OK) st = view_read(views[0], 0, state, sizeof state, err);
    if (st != OK) return st;
    if (state[1]) return fail(err, STATUS_WRONG, "its %u work-groups do not run at once", groups);
    if (state[2] || state[0] != groups * BARRIER_ROUNDS)
        return fail(err, STATUS_WRONG, "%u words of neighbours were old", state[2]);
    return OK;
}

static void *keep_busy(void *stop) {
    while (!atomic_load((atomic_bool *)stop)) continue;
    return NULL;
}

static enum status grid_barrier_run(const struct test *test, struct device *device,
                                    struct program *program, struct error *err) {
    (void)test;
    struct arena *arena = NULL;
    struct view views[2];
    uint32_t zeros[BARRIER_WORDS] = {0};
    size_t n_words = 2 * BARRIER_LOCAL * (size_t)device->info.compute_units;
    atomic_bool stop = false;
    pthread_t busy;
    enum status st = operands_open(device, zeros, BARRIER_WORDS, n_words, 0, &arena, views, err);
    if (st == OK) st = barrier_round_trip(device, program, views, err);
    if (st == OK && device->info.type == DEVICE_CPU &&
        pthread_create(&busy, NULL, keep_busy, &stop) == 0) {
        st = barrier_round_trip(device, program, views, err);
        atomic_store(&stop, true);
        pthread_join(busy, NULL);
    }
    arena_close(arena);
    return st;
}

/* ---- the table */

static const struct test tests[FEATURES] = {
    [FEATURE_fp16] = {fp16_source,
                      {"", "-DWITH_PRAGMA"},
                      LANES,
                      2 * LANES,
                      LANES,
                      LANES,
                      fp16_make,
                      fp16_right,
                      NULL},
    [FEATURE_fp64] = {fp64_source, {""}, LANES, 2 * LANES, LANES, LANES, NULL, fp64_right, NULL},
    [FEATURE_images] = {.source = images_source, .options = {""}, .run = images_run},
    [FEATURE_sub_groups] = {sub_groups_source,
                            {"-cl-std=CL3.0", "-cl-std=CL2.0 -DWITH_PRAGMA", "-DWITH_PRAGMA"},
                            128,
                            384,
                            128,
                            64,
                            NULL,
                            sub_groups_right,
                            NULL},
    [FEATURE_int_dot] = {int_dot_source,
                         {"-cl-std=CL3.0", ""},
                         2 * LANES,
                         LANES,
                         LANES,
                         LANES,
                         NULL,
                         dot_right,
                         NULL},
    [FEATURE_x86_vnni] = {x86_vnni_source, {""}, 48, 16, 1, 1, NULL, x86_vnni_right, NULL},
    [FEATURE_x86_avx2] = {x86_avx2_source, {""}, 24, 8, 1, 1, NULL, x86_avx2_right, NULL},
    [FEATURE_x86_avx512] =
        {x86_avx512_source, {""}, 40, 32, 1, 1, x86_avx512_make, x86_avx512_right, NULL},
    [FEATURE_ptx_dp4a] =
        {ptx_dp4a_source, {""}, 2 * LANES, LANES, LANES, LANES, NULL, dot_right, NULL},
    [FEATURE_ptx_mma] =
        {ptx_mma_source, {""}, 192, 128, LANES, LANES, ptx_mma_make, ptx_mma_right, NULL},
    [FEATURE_ptx_cp_async] = {ptx_cp_async_source,
                              {""},
                              4 * LANES,
                              4 * LANES,
                              LANES,
                              LANES,
                              NULL,
                              ptx_cp_async_right,
                              NULL},
    [FEATURE_ptx_shfl] =
        {ptx_shfl_source, {""}, LANES, LANES, LANES, LANES, NULL, ptx_shfl_right, NULL},
    [FEATURE_grid_barrier] = {.source = grid_barrier_source,
                              .options = {"", "-DPLAIN_FENCE"},
                              .run = grid_barrier_run},
};

static enum status test_try(const struct test *test, struct device *device, enum feature feature,
                            const char *options, struct error *err) {
    struct program *program = NULL;
    enum status st =
        program_build(device, feature_name(feature), test->source, options, &program, err);
    if (st == OK) st = (test->run ? test->run : words_run)(test, device, program, err);
    program_close(program);
    return st;
}

bool feature_test(struct device *device, enum feature feature, char *why, size_t why_size) {
    const struct test *test = &tests[feature];
    struct error err = {0};
    assert(test->source);
    for (int i = 0; i < MAX_TRIES && test->options[i]; i++) {
        if (test_try(test, device, feature, test->options[i], &err) == OK) {
            snprintf(why, why_size, "%s", "");
            return true;
        }
    }
    text_tame(err.text);
    snprintf(why, why_size, "%s", err.text);
    return false;
}

uint64_t feature_tests_hash(void) {
    uint64_t hash = hash_start();
    for (int f = 0; f < FEATURES; f++) {
        hash = hash_text(hash, feature_name(f));
        hash = hash_text(hash, tests[f].source);
    }
    return hash;
}
