/* flash: many rows of a sequence, Q·K and P·V as products of register tiles.
 *
 * A work-group takes one KV head's HT heads of TR·NB rows, one sequence after another. QT = TR·HT queries
 * are a register tile; there are NB of them, which share what was read of K and V. Blocks come in chunks
 * of CB:
 *
 *     s[t][i] = q[t] · K[i]                lanes take (tile, unit): QT × RP vectors of places
 *     p = exp(s − most), rescale           lanes take queries; once a chunk
 *     o[t] += Σ over i of p[t][i] · V[i]   lanes take (tile, bundle): QT × RD vectors of components
 *
 * Causal: a tile stops at the last block of its rows, and P·V leaves out places that none of its rows
 * sees, which may hold NaN. K and V are read from the pool by every tile, or a chunk of each is brought to
 * local memory as floats first (KVL): halves are then converted once a chunk and not once a tile.
 *
 * Chunks lie on multiples of CB and what a row does not see adds zeros, so that a row's result does not
 * depend on its neighbours. With ROPE a stage before writes K and V of all rows. Every sum is made in the
 * order of `split` with as many blocks a chunk, SPLITS = UNROLL = WG = 1 and the same VW, EXP: a row has the
 * same bits in a large batch and in a small one.
 * Ideas: online softmax over blocks (flash attention), register tiles as in a matrix product.
 *
 * Work: tile = heads · row tiles + rows; the last rows, which see most, come first. */
#ifndef WG
#define WG 1 // lanes
#endif
#ifndef VW
#define VW 4 // places of a block, components of V, in a vector
#endif
#ifndef TR
#define TR 4 // rows of a register tile
#endif
#ifndef HT
#define HT 1 // heads of one KV head in a register tile
#endif
#ifndef NB
#define NB 1 // register tiles a work-group
#endif
#ifndef CB
#define CB 1 // blocks a chunk
#endif
#ifndef RP
#define RP 1 // vectors of places in registers
#endif
#ifndef RD
#define RD 1 // vectors of components in registers
#endif
#ifndef UNROLL
#define UNROLL 1 // unroll of the loops over components and places
#endif
#ifndef KVL
#define KVL 0 // 1: chunks of K and V staged in local memory as floats
#endif
#ifndef PF
#define PF 0 // 1: queries of the next work-group prefetched
#endif
#ifndef HALF
#define HALF 0 // halves to floats: 0 integer arithmetic, 1 vload_half, 2 vcvtph2ps
#endif
#ifndef EXP
#define EXP 0 // exponential: 0 built-in, 1 polynomial
#endif
#include "kernels/common.clh"
#include "kernels/whole.clh"
#include "kernels/quant_act/expf.clh"
#include "kernels/quant_act/reduce.clh"
#include "kernels/rope_kv/pool.clh"
#include "kernels/attention/attend.clh"

#define QT (TR * HT)         /* queries of a tile */
#define ROWS (TR * NB)       /* rows of a work-group */
#define QUERIES (QT * NB)    /* queries of a work-group */
#define UNIT (RP * VW)       /* places of a unit */
#define CHUNK (CB * BLOCK)   /* places of a chunk */
#define COLUMNS (D / VW)     /* vectors of components */
#define BUNDLES (COLUMNS / RD)
#define BLOCK_UNITS (BLOCK / UNIT)
#define HEAD_TILES (GROUP_HEADS / HT)
#define LINE 16              /* floats of a cache line */
#define PREFETCHES ((HT * D + LINE - 1) / LINE)

/* Local memory in floats: queries | scores | o | maxima | factors of the last rescaling | sums, apart for
 * each component of a vector | first position that a row does not see | blocks that a tile looks at |
 * staged K or V. ORDER local: flash.c */
#define AT_S (QUERIES * D)
#define AT_O (AT_S + QUERIES * CHUNK)
#define AT_MOST (AT_O + QUERIES * D)
#define AT_FACTOR (AT_MOST + QUERIES)
#define AT_SUM (AT_FACTOR + QUERIES)
#define AT_BELOW (AT_SUM + QUERIES * VW)
#define AT_UNTIL (AT_BELOW + ROWS)
#define AT_STAGED ((AT_UNTIL + NB + 15) / 16 * 16)
#define LOCAL_FLOATS (AT_STAGED + (KVL ? CHUNK * D : 0))

#if WG > 1
#define MEET barrier(CLK_LOCAL_MEM_FENCE)
#else
#define MEET
#endif

/* K and V of a head in a block, as the products read them: `within` the chunk, or from the pool. */
#if KVL
#define TILE_T __local const float
#define TILE_AT(pool, block, within) (memory + AT_STAGED + (within) * (BLOCK * D))
#define TILE_LOAD(at) VLOAD(at)
#else
#define TILE_T __global const KV_T
#define TILE_AT(pool, block, within) ((pool) + HEAD_AT(block, kv_head))
#define TILE_LOAD(at) SYM(kv_load)(at)
#endif

/* Rows of one sequence, and the tiles they fill. Rows beyond count are copies of the last, not written. */
struct SYM(rows) {
    int first, count, tiles;
    int table, end; /* blocks */
};

INLINE struct SYM(rows) SYM(rows_from)(__local float *memory, __global const int4 *rows, int first,
                                       int last, int lane) {
    __local uint *below = (__local uint *)(memory + AT_BELOW);
    __local int *until = (__local int *)(memory + AT_UNTIL);
    struct SYM(rows) r;
    r.first = first;
    r.table = ROW_TABLE(rows[first]);
    r.count = 1;
    while (first + r.count < last && ROW_TABLE(rows[first + r.count]) == r.table) r.count++;
    r.tiles = (r.count + TR - 1) / TR;
    r.end = 0;
    for (int tile = 0; tile < r.tiles; tile++) {
        int most = 0;
        for (int i = tile * TR; i < tile * TR + TR; i++) {
            const int4 row = rows[first + min(i, r.count - 1)];
            if (lane == 0) below[i] = SEES_BELOW(row);
            most = max(most, ROW_BLOCKS(row));
        }
        if (lane == 0) until[tile] = most;
        r.end = max(r.end, most);
    }
    return r;
}

#if ROPE
/* A query begins with its row's own key and value. x: the row of QKV. */
INLINE void SYM(start_own)(__local float *memory, int t, __global const float *x, int kv_head TURNS) {
    __global const float *value = x + (HEADS + KVH + kv_head) * D;
    __local float *q = memory + t * D, *o = q + AT_O;
    VEC(float) s = (VEC(float))(0);
    for (int i = 0; i < D / 2; i += VW) {
        const struct SYM(own) own = SYM(own_load)(x, kv_head, i, turn);
        s = fma(VLOAD(q + i), FLOATS_OF(own.key_low), s);
        VPUT_LOCAL(FLOATS_OF(own.key_high), o + i); /* until its turn in the sum */
    }
    for (int i = 0; i < D / 2; i += VW) s = fma(VLOAD(q + D / 2 + i), VLOAD(o + i), s);
    for (int i = 0; i < D / 2; i += VW) {
        VPUT_LOCAL(FLOATS_OF(KV_OF(VLOAD(value + i))), o + i);
        VPUT_LOCAL(FLOATS_OF(KV_OF(VLOAD(value + D / 2 + i))), o + D / 2 + i);
    }
    memory[AT_MOST + t] = SYM(vector_sum)(s);
    VPUT_LOCAL((VEC(float))(1.0f / VW), memory + AT_SUM + t * VW); /* 1 over the vector */
}
#endif

/* The queries, scaled; nothing was seen but, with ROPE, the rows themselves. */
INLINE void SYM(start)(__local float *memory, const struct SYM(rows) *r, __global const float *QKV,
                       __global const int4 *rows, __global const float *rotary, int head, int lane) {
    for (int item = lane; item < r->tiles * QT * PAIRS; item += WG) {
        const int t = item / PAIRS, i = item % PAIRS * VW;
        const int n = r->first + min(t / HT, r->count - 1);
        __global const float *x = QKV + (ulong)n * QKV_ROW + (head + t % HT) * D;
        const struct SYM(pair) pair = SYM(query)(x, i TURN_OF(rows[n]));
        __local float *q = memory + t * D + i, *o = q + AT_O;
        VPUT_LOCAL(pair.low, q);
        VPUT_LOCAL(pair.high, q + D / 2);
        VPUT_LOCAL((VEC(float))(0), o);
        VPUT_LOCAL((VEC(float))(0), o + D / 2);
    }
#if PF > 0
    for (int item = lane; item < ROWS * PREFETCHES && r->first >= ROWS; item += WG) {
        const int n = r->first - ROWS + item / PREFETCHES;
        __builtin_prefetch(QKV + (ulong)n * QKV_ROW + head * D + item % PREFETCHES * LINE, 0, 2);
    }
#endif
    for (int t = lane; t < r->tiles * QT; t += WG) {
        memory[AT_MOST + t] = NOTHING;
        VPUT_LOCAL((VEC(float))(0), memory + AT_SUM + t * VW);
    }
    MEET;
#if ROPE
    for (int t = lane; t < r->tiles * QT; t += WG) {
        const int n = r->first + min(t / HT, r->count - 1);
        SYM(start_own)(memory, t, QKV + (ulong)n * QKV_ROW, head / GROUP_HEADS TURN_OF(rows[n]));
    }
    MEET;
#endif
}

#if KVL
/* Blocks of K or of V as floats. */
INLINE void SYM(stage)(__local float *memory, __global const KV_T *pool, __global const int *table,
                       int kv_head, int blocks, int lane) {
    for (int block = 0; block < blocks; block++) {
        __global const KV_T *from = pool + HEAD_AT(table[block], kv_head);
        __local float *to = memory + AT_STAGED + block * (BLOCK * D);
        _Pragma("unroll 4") for (int i = lane * VW; i < BLOCK * D; i += WG * VW)
            VPUT_LOCAL(SYM(kv_load)(from + i), to + i);
    }
    MEET;
}
#endif

/* Scores of the places of a unit for the queries of a tile. */
INLINE void SYM(unit_scores)(__local const float *q, __local float *s, __local const uint *below,
                             TILE_T *K, __global const int *stored) {
    VEC(float) sum[QT][RP];
    _Pragma("unroll") for (int t = 0; t < QT; t++)
        _Pragma("unroll") for (int j = 0; j < RP; j++) sum[t][j] = (VEC(float))(0);
    _Pragma("unroll UNROLL") for (int i = 0; i < D; i++) {
        VEC(float) k[RP];
        _Pragma("unroll") for (int j = 0; j < RP; j++) k[j] = TILE_LOAD(K + i * BLOCK + j * VW);
        _Pragma("unroll") for (int t = 0; t < QT; t++) {
            const VEC(float) x = (VEC(float))(q[t * D + i]);
            _Pragma("unroll") for (int j = 0; j < RP; j++) sum[t][j] = fma(x, k[j], sum[t][j]);
        }
    }
    _Pragma("unroll") for (int j = 0; j < RP; j++) {
        const VEC(uint) position = AS(uint, VLOAD(stored + j * VW));
        _Pragma("unroll") for (int t = 0; t < QT; t++)
            VPUT_LOCAL(SYM(masked)(sum[t][j], position, below[t / HT]), s + t * CHUNK + j * VW);
    }
}

/* Scores of a query become weights; its maximum moves. */
INLINE void SYM(soften)(__local float *memory, int t, int places) {
    __local float *s = memory + AT_S + t * CHUNK, *sum = memory + AT_SUM + t * VW;
    VEC(float) most = (VEC(float))(NOTHING);
    for (int i = 0; i < places; i += VW) most = SYM(larger)(most, VLOAD(s + i));
    const float before = memory[AT_MOST + t], now = fmax(before, SYM(vector_max)(most));
    const VEC(float) factor = SYM(exp_vector)((VEC(float))(before - now));
    VEC(float) total = VLOAD(sum) * factor;
    for (int i = 0; i < places; i += VW) {
        const VEC(float) p = SYM(exp_vector)(VLOAD(s + i) - now);
        VPUT_LOCAL(p, s + i);
        total += p;
    }
    VPUT_LOCAL(total, sum);
    float one[VW];
    VSTORE(factor, one);
    memory[AT_FACTOR + t] = one[0];
    memory[AT_MOST + t] = now;
}

/* sum[t] += Σ p[t]·V over the places of a block that are seen. */
INLINE void SYM(block_values)(VEC(float) sum[QT][RD], __local const float *p, TILE_T *V,
                              __global const int *stored, uint below) {
    _Pragma("unroll UNROLL") for (int i = 0; i < BLOCK; i++) {
        if ((uint)stored[i] >= below) continue;
        VEC(float) v[RD];
        _Pragma("unroll") for (int d = 0; d < RD; d++) v[d] = TILE_LOAD(V + i * D + d * VW);
        _Pragma("unroll") for (int t = 0; t < QT; t++) {
            const VEC(float) x = (VEC(float))(p[t * CHUNK + i]);
            _Pragma("unroll") for (int d = 0; d < RD; d++) sum[t][d] = fma(x, v[d], sum[t][d]);
        }
    }
}

/* The blocks of a chunk, for all tiles. */
INLINE void SYM(add_chunk)(__local float *memory, const struct SYM(rows) *r,
                           __global const KV_T *Kpool, __global const KV_T *Vpool,
                           __global const int *table, __global const int *stored, int kv_head,
                           int chunk, int lane) {
    __local const uint *below = (__local const uint *)(memory + AT_BELOW);
    __local const int *until = (__local const int *)(memory + AT_UNTIL);
    const int end = min(r->end, chunk + CB);
#if KVL
    SYM(stage)(memory, Kpool, table + chunk, kv_head, end - chunk, lane);
#endif
    for (int item = lane; item < r->tiles * BLOCK_UNITS * (end - chunk); item += WG) {
        const int tile = item % r->tiles, unit = item / r->tiles, within = unit / BLOCK_UNITS;
        if (chunk + within >= until[tile]) continue;
        const int block = table[chunk + within], at = unit % BLOCK_UNITS * UNIT;
        SYM(unit_scores)(memory + tile * QT * D, memory + AT_S + tile * QT * CHUNK + unit * UNIT,
                         below + tile * TR, TILE_AT(Kpool, block, within) + at,
                         stored + (ulong)block * BLOCK + at);
    }
    MEET;
    for (int t = lane; t < r->tiles * QT; t += WG)
        if (until[t / QT] > chunk)
            SYM(soften)(memory, t, (min(until[t / QT], end) - chunk) * BLOCK);
#if KVL
    SYM(stage)(memory, Vpool, table + chunk, kv_head, end - chunk, lane);
#else
    MEET;
#endif
    for (int item = lane; item < r->tiles * BUNDLES; item += WG) {
        const int tile = item % r->tiles, bundle = item / r->tiles * (RD * VW);
        const int last = min(until[tile], end);
        VEC(float) sum[QT][RD];
        uint most = 0;
        if (last <= chunk) continue;
        for (int i = 0; i < TR; i++) most = max(most, below[tile * TR + i]);
        _Pragma("unroll") for (int t = 0; t < QT; t++)
            _Pragma("unroll") for (int d = 0; d < RD; d++) sum[t][d] = (VEC(float))(0);
        for (int b = chunk; b < last; b++)
            SYM(block_values)(sum, memory + AT_S + tile * QT * CHUNK + (b - chunk) * BLOCK,
                              TILE_AT(Vpool, table[b], b - chunk) + bundle,
                              stored + (ulong)table[b] * BLOCK, most);
        _Pragma("unroll") for (int t = 0; t < QT; t++)
            _Pragma("unroll") for (int d = 0; d < RD; d++) {
                __local float *o = memory + AT_O + (tile * QT + t) * D + bundle + d * VW;
                const VEC(float) factor = (VEC(float))(memory[AT_FACTOR + tile * QT + t]);
                VPUT_LOCAL(fma(VLOAD(o), factor, sum[t][d]), o);
            }
    }
    MEET;
}

INLINE void SYM(finish)(__local const float *memory, const struct SYM(rows) *r, __global float *O,
                        int head, int lane) {
    for (int item = lane; item < r->count * HT * COLUMNS; item += WG) {
        const int t = item / COLUMNS, i = item % COLUMNS * VW;
        const float sum = SYM(vector_sum)(VLOAD(memory + AT_SUM + t * VW));
        const float whole = sum > 0 ? 1.0f / sum : 0.0f;
        VPUT_GLOBAL(VLOAD(memory + AT_O + t * D + i) * whole,
                    O + ((ulong)(r->first + t / HT) * HEADS + head + t % HT) * D + i);
    }
    MEET;
}

INLINE void SYM(flash_tile)(__global const float *QKV, __global const KV_T *Kpool,
                            __global const KV_T *Vpool, __global const int *table,
                            __global const int4 *rows, __global const int *stored,
                            __global const float *rotary, __global float *O, __local float *memory,
                            int N, int tile, int lane) {
    const int row_tiles = (N + ROWS - 1) / ROWS, row_tile = row_tiles - 1 - tile % row_tiles;
    const int heads = tile / row_tiles, head = heads * HT, kv_head = heads / HEAD_TILES;
    const int last = min(N, row_tile * ROWS + ROWS);
    for (int first = row_tile * ROWS; first < last;) {
        const struct SYM(rows) r = SYM(rows_from)(memory, rows, first, last, lane);
        SYM(start)(memory, &r, QKV, rows, rotary, head, lane);
        for (int chunk = 0; chunk < r.end; chunk += CB)
            SYM(add_chunk)(memory, &r, Kpool, Vpool, table + r.table, stored, kv_head, chunk, lane);
        SYM(finish)(memory, &r, O, head, lane);
        first += r.count;
    }
}

__kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void SYM(attention_flash)(OPERAND(const float, QKV), OPERAND(const KV_T, Kpool),
                          OPERAND(const KV_T, Vpool), OPERAND(const int, table),
                          OPERAND(const int4, rows), OPERAND(const int, stored),
                          OPERAND(const float, rotary), OPERAND(float, O), OPERAND(float, scratch),
                          int N) {
    VIEW(const float, QKV);
    VIEW(const KV_T, Kpool);
    VIEW(const KV_T, Vpool);
    VIEW(const int, table);
    VIEW(const int4, rows);
    VIEW(const int, stored);
    VIEW(const float, rotary);
    VIEW(float, O);
    __local float memory[LOCAL_FLOATS];
    SYM(flash_tile)(QKV, Kpool, Vpool, table, rows, stored, rotary, O, memory, N, get_group_id(0),
                    get_local_id(0));
}

#undef QT
#undef ROWS
#undef QUERIES
#undef UNIT
#undef CHUNK
#undef COLUMNS
#undef BUNDLES
#undef BLOCK_UNITS
#undef HEAD_TILES
#undef LINE
#undef PREFETCHES
#undef AT_S
#undef AT_O
#undef AT_MOST
#undef AT_FACTOR
#undef AT_SUM
#undef AT_BELOW
#undef AT_UNTIL
#undef AT_STAGED
#undef LOCAL_FLOATS
#undef MEET
#undef TILE_T
#undef TILE_AT
#undef TILE_LOAD
#undef WG
#undef VW
#undef TR
#undef HT
#undef NB
#undef CB
#undef RP
#undef RD
#undef UNROLL
#undef KVL
#undef PF
#undef HALF
#undef EXP
