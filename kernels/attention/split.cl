/* split: queries that share K and V handled together, the KV range cut into parts.
 *
 * A tile is TR rows × HT heads of each of HG KV heads × one of SPLITS parts of the blocks: TR·HT queries
 * read K and V once. (Rows of a tile that belong to different sequences are handled one sequence after another.) Its
 * blocks come in chunks of CB:
 *
 *     s[t][i] = q[t] · K[i]                lanes take units, RP vectors of places
 *     p = exp(s − most), rescale           once a chunk, not once a block
 *     o[t] += Σ over i of p[t][i] · V[i]   lanes take bundles, RD vectors of components; then units
 *
 * With HG > 1 the HG KV heads of a tile take turns in every chunk. They lie side by side in a block of the
 * pool, so that memory is read as one stream, which prefetchers and page tables like better than a piece of
 * every block: where heads share nothing, twice as fast.
 *
 * Chunks lie on multiples of CB and a row's part depends on its own blocks only, so that the result of a
 * row does not depend on its neighbours. With SPLITS > 1 the parts leave (o, most, sum) in scratch, and a
 * second stage merges them. Idea: flash-decoding (parts of KV) with the tiles of flash attention.
 *
 * Work: tile = ((KV head / HG · HEADS/KVH/HT + heads) · row tiles + rows) · SPLITS + part. */
#ifndef WG
#define WG 1 // lanes
#endif
#ifndef VW
#define VW 4 // places of a block, components of V, in a vector
#endif
#ifndef TR
#define TR 1 // rows
#endif
#ifndef HT
#define HT 1 // heads of one KV head
#endif
#ifndef HG
#define HG 1 // KV heads, one after another in every chunk
#endif
#ifndef SPLITS
#define SPLITS 1 // parts of the KV range
#endif
#ifndef CB
#define CB 4 // blocks a chunk
#endif
#ifndef RP
#define RP 1 // vectors of places in registers
#endif
#ifndef RD
#define RD 1 // vectors of components in registers
#endif
#ifndef UNROLL
#define UNROLL 1 // components in flight, each with sums of its own
#endif
#ifndef PF
#define PF 0 // blocks to prefetch ahead; HG > 1: heads
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

#define QT (TR * HT)                     /* queries */
#define UNIT (RP * VW)                   /* places of a unit */
#define CHUNK (CB * BLOCK)               /* places of a chunk */
#define COLUMNS (D / VW)                 /* vectors of components */
#define BUNDLES (COLUMNS / RD)           /* of RD vectors */
#define LD (WG < BUNDLES ? WG : BUNDLES) /* lanes along the bundles */
#define LP (WG / LD)                     /* lanes along the units; those beyond LD·LP rest */
#define LANE_BUNDLES ((BUNDLES + LD - 1) / LD)
#define HEAD_TILES (GROUP_HEADS / HT)

/* Local memory in floats: queries | scores, or the rows' own keys and values | which units are open | where
 * lanes meet. ORDER local: split.c */
#define AT_S (HG * QT * D)
#define AT_OPEN (AT_S + (QT * CHUNK > 2 * D * TR ? QT * CHUNK : 2 * D * TR))
#define AT_MEETING (AT_OPEN + CHUNK / UNIT)
#define LOCAL_FLOATS (AT_MEETING + (WG > 1 ? WG * (QT > VW ? QT : VW) : 0))

/* Units first … last − 1 of a chunk, every stride-th, beginning with the lane's: the same for a lane
 * wherever the range begins. */
#define UNITS_OF(lane, stride)                                                                     \
    for (int unit = first + ((lane) + (stride)-first % (stride)) % (stride); unit < last;          \
         unit += (stride))

#if WG > 1
#define MEET barrier(CLK_LOCAL_MEM_FENCE)
#else
#define MEET
#endif

/* Rows of one sequence within a tile; those beyond count are copies of the last, and not written. */
struct SYM(rows) {
    int first, count, table;
    int begin, end;          /* blocks of all */
    int from[TR], until[TR]; /* of each */
    uint below[TR];
};

struct SYM(running) {
    VEC(float) most[QT];
    VEC(float) sum[QT]; /* of this lane's places, apart for each component of the vector */
    VEC(float) rescale[QT];
    VEC(float) o[LANE_BUNDLES][QT][RD];
};

INLINE struct SYM(rows) SYM(rows_from)(__global const int4 *rows, int first, int last, int part) {
    struct SYM(rows) r;
    r.first = first;
    r.table = ROW_TABLE(rows[first]);
    r.count = 0;
    while (r.count < TR && first + r.count < last && ROW_TABLE(rows[first + r.count]) == r.table)
        r.count++;
    r.begin = INT_MAX;
    r.end = 0;
    for (int i = 0; i < TR; i++) {
        const int4 row = rows[first + min(i, r.count - 1)];
        r.from[i] = ROW_BLOCKS(row) * part / SPLITS;
        r.until[i] = ROW_BLOCKS(row) * (part + 1) / SPLITS;
        r.below[i] = SEES_BELOW(row);
        r.begin = min(r.begin, r.from[i]);
        r.end = max(r.end, r.until[i]);
    }
    return r;
}

/* The queries, scaled. */
INLINE void SYM(load_queries)(__local float *q, const struct SYM(rows) *r,
                              __global const float *QKV, __global const int4 *rows,
                              __global const float *rotary, int head, int lane) {
    for (int item = lane; item < QT * PAIRS; item += WG) {
        const int t = item / PAIRS, i = item % PAIRS * VW;
        const int n = r->first + min(t / HT, r->count - 1);
        __global const float *x = QKV + (ulong)n * QKV_ROW + (head + t % HT) * D;
        const struct SYM(pair) pair = SYM(query)(x, i TURN_OF(rows[n]));
        VPUT_LOCAL(pair.low, q + t * D + i);
        VPUT_LOCAL(pair.high, q + t * D + i + D / 2);
    }
    MEET;
}

INLINE void SYM(start_empty)(struct SYM(running) *run) {
    for (int t = 0; t < QT; t++) {
        run->most[t] = (VEC(float))(NOTHING);
        run->sum[t] = (VEC(float))(0);
        for (int j = 0; j < LANE_BUNDLES; j++)
            for (int d = 0; d < RD; d++) run->o[j][t][d] = (VEC(float))(0);
    }
}

#if ROPE
/* The rows' own keys and values, and with `writes` into the pool; own: k, then v, of each row. */
INLINE void SYM(load_own)(__local float *own, const struct SYM(rows) *r, __global const float *QKV,
                          __global KV_T *Kpool, __global KV_T *Vpool, __global const int4 *rows,
                          __global const float *rotary, int kv_head, bool writes, int lane) {
    for (int item = lane; item < TR * PAIRS; item += WG) {
        const int i = item % PAIRS * VW, n = r->first + min(item / PAIRS, r->count - 1);
        const int4 row = rows[n];
        __local float *key = own + item / PAIRS * 2 * D + i, *value = key + D;
        const struct SYM(own) kept =
            SYM(own_load)(QKV + (ulong)n * QKV_ROW, kv_head, i TURN_OF(row));
        VSTORE(FLOATS_OF(kept.key_low), key);
        VSTORE(FLOATS_OF(kept.key_high), key + D / 2);
        VSTORE(FLOATS_OF(kept.value_low), value);
        VSTORE(FLOATS_OF(kept.value_high), value + D / 2);
        if (writes) SYM(own_write)(Kpool, Vpool, ROW_SLOT(row), kv_head, i, kept);
    }
    MEET;
}

/* The first part begins with the rows' own. */
INLINE void SYM(start_own)(struct SYM(running) *run, __local const float *q, __local const float *own,
                           int lane) {
    for (int t = 0; t < QT; t++) {
        __local const float *key = own + t / HT * 2 * D, *value = key + D;
        VEC(float) s = (VEC(float))(0);
        for (int i = 0; i < D; i += VW) s = fma(VLOAD(q + t * D + i), VLOAD(key + i), s);
        run->most[t] = (VEC(float))(SYM(vector_sum)(s));
        run->sum[t] = (VEC(float))(lane == 0 ? 1.0f / VW : 0.0f); /* 1 over the vector */
        for (int j = 0; j < LANE_BUNDLES; j++) {
            const int bundle = lane + j * LD;
            if (lane >= LD || bundle >= BUNDLES) continue;
            for (int d = 0; d < RD; d++) run->o[j][t][d] = VLOAD(value + (bundle * RD + d) * VW);
        }
    }
}
#endif

/* Scores of the places at … at + UNIT of a block, for all queries. Returns whether every row sees all. */
INLINE bool SYM(unit_scores)(__local const float *q, __local float *s, const uint *below,
                             __global const KV_T *K, __global const KV_T *next,
                             __global const int *stored) {
    VEC(float) sum[UNROLL][QT][RP];
    _Pragma("unroll") for (int u = 0; u < UNROLL; u++)
        _Pragma("unroll") for (int t = 0; t < QT; t++)
            _Pragma("unroll") for (int j = 0; j < RP; j++) sum[u][t][j] = (VEC(float))(0);
    for (int i = 0; i < D; i += UNROLL)
        _Pragma("unroll") for (int u = 0; u < UNROLL; u++) {
#if PF > 0
            __builtin_prefetch(next + (i + u) * BLOCK);
#endif
            _Pragma("unroll") for (int j = 0; j < RP; j++) {
                const VEC(float) k = SYM(kv_load)(K + (i + u) * BLOCK + j * VW);
                _Pragma("unroll") for (int t = 0; t < QT; t++)
                    sum[u][t][j] = fma((VEC(float))(q[t * D + i + u]), k, sum[u][t][j]);
            }
        }
    VEC(uint) latest = (VEC(uint))(0); /* an empty slot's -1 is the latest of all */
    _Pragma("unroll") for (int j = 0; j < RP; j++) {
        const VEC(uint) position = AS(uint, VLOAD(stored + j * VW));
        latest = max(latest, position);
        _Pragma("unroll") for (int t = 0; t < QT; t++) {
            _Pragma("unroll") for (int u = 1; u < UNROLL; u++) sum[0][t][j] += sum[u][t][j];
            VPUT_LOCAL(SYM(masked)(sum[0][t][j], position, below[t / HT]), s + t * CHUNK + j * VW);
        }
    }
    uint least = below[0];
    for (int i = 1; i < TR; i++) least = min(least, below[i]);
    return SYM(vector_max_uint)(latest) < least;
}

/* The largest of each query over the lanes, for every lane. */
INLINE void SYM(lanes_most)(VEC(float) *most, __local float *meeting, int lane) {
#if WG > 1
    for (int t = 0; t < QT; t++) {
        float one[VW];
        VSTORE(most[t], one);
        meeting[t * WG + lane] = one[0];
    }
    for (int stride = WG / 2; stride > 0; stride /= 2) {
        MEET;
        for (int t = 0; t < QT && lane < stride; t++)
            meeting[t * WG + lane] = fmax(meeting[t * WG + lane], meeting[t * WG + lane + stride]);
    }
    MEET;
    for (int t = 0; t < QT; t++) most[t] = (VEC(float))(meeting[t * WG]);
#endif
}

/* Scores of units first … last − 1 become weights; the maxima move. */
INLINE void SYM(soften)(struct SYM(running) *run, __local float *s, __local float *meeting, int first,
                        int last, int lane) {
    VEC(float) most[QT];
    for (int t = 0; t < QT; t++) {
        VEC(float) m = (VEC(float))(NOTHING);
        UNITS_OF(lane, WG)
            _Pragma("unroll") for (int j = 0; j < RP; j++)
                m = SYM(larger)(m, VLOAD(s + t * CHUNK + unit * UNIT + j * VW));
        most[t] = (VEC(float))(SYM(vector_max)(m));
    }
    SYM(lanes_most)(most, meeting, lane);
    for (int t = 0; t < QT; t++) {
        const VEC(float) now = SYM(larger)(most[t], run->most[t]);
        run->rescale[t] = SYM(exp_vector)(run->most[t] - now);
        run->most[t] = now;
        VEC(float) sum = run->sum[t] * run->rescale[t];
        UNITS_OF(lane, WG)
            _Pragma("unroll") for (int j = 0; j < RP; j++) {
                __local float *at = s + t * CHUNK + unit * UNIT + j * VW;
                const VEC(float) p = SYM(exp_vector)(VLOAD(at) - now);
                VPUT_LOCAL(p, at);
                sum += p;
            }
        run->sum[t] = sum;
    }
}

/* sum[t] += Σ p[t]·V over the places of a unit, RD vectors of components. */
INLINE void SYM(unit_values)(VEC(float) sum[QT][RD], __local const float *p,
                             __global const KV_T *V, __global const KV_T *next, bool is_open) {
    for (int i = 0; i < UNIT; i++) {
        if (!is_open) { /* a slot that no row sees may be NaN */
            float all = 0;
            _Pragma("unroll") for (int t = 0; t < QT; t++) all += p[t * CHUNK + i];
            if (all == 0) continue;
        }
#if PF > 0
        __builtin_prefetch(next + i * D);
#endif
        _Pragma("unroll") for (int d = 0; d < RD; d++) {
            const VEC(float) v = SYM(kv_load)(V + i * D + d * VW);
            _Pragma("unroll") for (int t = 0; t < QT; t++)
                sum[t][d] = fma((VEC(float))(p[t * CHUNK + i]), v, sum[t][d]);
        }
    }
}

/* Blocks of a chunk: their physical numbers, and those to prefetch. */
#define BLOCK_UNITS (BLOCK / UNIT)
#define CHUNK_BLOCK(number) table[min(number, r->end - 1)]
#if HG > 1
#define NEXT_AT(b) HEAD_AT(table[b], kv_head + PF) /* behind the last head there is memory, or nothing */
#else
#define NEXT_AT(b) HEAD_AT(CHUNK_BLOCK(b + PF), kv_head)
#endif

/* Blocks begin … end − 1, within the chunk that starts at block `chunk`. */
INLINE void SYM(add_chunk)(struct SYM(running) *run, const struct SYM(rows) *r,
                           __local const float *q, __local float *memory,
                           __global const KV_T *Kpool, __global const KV_T *Vpool,
                           __global const int *table, __global const int *stored, int kv_head,
                           int chunk, int begin, int end, int lane) {
    const int first = (begin - chunk) * BLOCK_UNITS, last = (end - chunk) * BLOCK_UNITS;
    __local float *s = memory + AT_S, *meeting = memory + AT_MEETING;
    __local int *open = (__local int *)(memory + AT_OPEN);
    UNITS_OF(lane, WG) {
        const int b = chunk + unit / BLOCK_UNITS, at = unit % BLOCK_UNITS * UNIT;
        const ulong block = table[b];
        uint below[TR];
        for (int i = 0; i < TR; i++) below[i] = b >= r->from[i] && b < r->until[i] ? r->below[i] : 0;
        open[unit] = SYM(unit_scores)(q, s + unit * UNIT, below, Kpool + HEAD_AT(block, kv_head) + at,
                                      Kpool + NEXT_AT(b) + at,
                                      stored + block * BLOCK + at);
    }
    SYM(soften)(run, s, meeting, first, last, lane);
    MEET;
    for (int j = 0; j < LANE_BUNDLES; j++) {
        const int bundle = lane % LD + j * LD;
        if (lane >= LD * LP || bundle >= BUNDLES) continue;
        VEC(float) sum[QT][RD];
        _Pragma("unroll") for (int t = 0; t < QT; t++)
            _Pragma("unroll") for (int d = 0; d < RD; d++) sum[t][d] = (VEC(float))(0);
        UNITS_OF(lane / LD, LP) {
            const int b = chunk + unit / BLOCK_UNITS;
            const int at = unit % BLOCK_UNITS * UNIT * D + bundle * RD * VW;
            SYM(unit_values)(sum, s + unit * UNIT, Vpool + HEAD_AT(table[b], kv_head) + at,
                             Vpool + NEXT_AT(b) + at, open[unit]);
        }
        _Pragma("unroll") for (int t = 0; t < QT; t++)
            _Pragma("unroll") for (int d = 0; d < RD; d++)
                run->o[j][t][d] = fma(run->o[j][t][d], run->rescale[t], sum[t][d]);
    }
    MEET;
}

/* Sums over the lanes: of weights into total[t], of o into the first LD lanes. */
INLINE void SYM(lanes_sum)(struct SYM(running) *run, float *total, __local float *meeting, int lane) {
    for (int t = 0; t < QT; t++) total[t] = SYM(vector_sum)(run->sum[t]);
#if WG > 1
    for (int t = 0; t < QT; t++) {
        meeting[lane] = total[t];
        MEET;
        total[t] = 0;
        for (int other = 0; other < WG; other++) total[t] += meeting[other];
        MEET;
    }
#if LP > 1
    for (int j = 0; j < LANE_BUNDLES; j++)
        for (int t = 0; t < QT; t++)
            for (int d = 0; d < RD; d++) {
                VPUT_LOCAL(run->o[j][t][d], meeting + lane * VW);
                MEET;
                for (int other = lane + LD; lane < LD && other < LD * LP; other += LD)
                    run->o[j][t][d] += VLOAD(meeting + other * VW);
                MEET;
            }
#endif
#endif
}

/* To O, or this part's share to scratch: o of every (row, head, part), then (most, sum). */
INLINE void SYM(finish)(struct SYM(running) *run, const struct SYM(rows) *r, __global float *O,
                        __global float *scratch, __local float *meeting, int N, int head, int part,
                        int lane) {
    float total[QT];
    SYM(lanes_sum)(run, total, meeting, lane);
    for (int t = 0; t < r->count * HT; t++) {
        const ulong item = (ulong)(r->first + t / HT) * HEADS + head + t % HT;
#if SPLITS > 1
        __global float *o = scratch + (item * SPLITS + part) * D;
        __global float *state = scratch + ((ulong)N * HEADS * SPLITS) * D + (item * SPLITS + part) * 2;
        const float factor = 1;
        float most[VW];
        VSTORE(run->most[t], most);
        if (lane == 0) state[0] = most[0];
        if (lane == 0) state[1] = total[t];
#else
        __global float *o = O + item * D;
        const float factor = total[t] > 0 ? 1.0f / total[t] : 0.0f;
#endif
        for (int j = 0; j < LANE_BUNDLES; j++) {
            const int bundle = lane + j * LD;
            if (lane >= LD || bundle >= BUNDLES) continue;
            for (int d = 0; d < RD; d++)
                VPUT_GLOBAL(run->o[j][t][d] * factor, o + (bundle * RD + d) * VW);
        }
    }
}

INLINE void SYM(split_tile)(__global const float *QKV, __global KV_T *Kpool, __global KV_T *Vpool,
                            __global const int *table, __global const int4 *rows,
                            __global const int *stored, __global const float *rotary,
                            __global float *O, __global float *scratch, __local float *memory, int N,
                            int tile, int lane) {
    const int row_tiles = (N + TR - 1) / TR, part = tile % SPLITS;
    const int row_tile = tile / SPLITS % row_tiles, heads = tile / SPLITS / row_tiles;
    const int kv_head = heads / HEAD_TILES * HG, last = min(N, row_tile * TR + TR);
    const int head = kv_head * GROUP_HEADS + heads % HEAD_TILES * HT; /* g·GROUP_HEADS further on */
    for (int first = row_tile * TR; first < last;) {
        const struct SYM(rows) r = SYM(rows_from)(rows, first, last, part);
        struct SYM(running) run[HG];
        for (int g = 0; g < HG; g++) {
            SYM(start_empty)(&run[g]);
            SYM(load_queries)(memory + g * QT * D, &r, QKV, rows, rotary, head + g * GROUP_HEADS, lane);
#if ROPE
            SYM(load_own)(memory + AT_S, &r, QKV, Kpool, Vpool, rows, rotary, kv_head + g,
                          N == 1 && part == 0 && heads % HEAD_TILES == 0, lane);
            if (part == 0) SYM(start_own)(&run[g], memory + g * QT * D, memory + AT_S, lane);
            MEET;
#endif
        }
        for (int chunk = r.begin / CB * CB; chunk < r.end; chunk += CB)
            for (int g = 0; g < HG; g++)
                SYM(add_chunk)(&run[g], &r, memory + g * QT * D, memory, Kpool, Vpool, table + r.table,
                               stored, kv_head + g, chunk, max(chunk, r.begin),
                               min(chunk + CB, r.end), lane);
        for (int g = 0; g < HG; g++)
            SYM(finish)(&run[g], &r, O, scratch, memory + AT_MEETING, N, head + g * GROUP_HEADS, part,
                        lane);
        first += r.count;
    }
}

__kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void SYM(attention_split)(OPERAND(const float, QKV), OPERAND(KV_T, Kpool), OPERAND(KV_T, Vpool),
                          OPERAND(const int, table), OPERAND(const int4, rows),
                          OPERAND(const int, stored), OPERAND(const float, rotary), OPERAND(float, O),
                          OPERAND(float, scratch), int N) {
    VIEW(const float, QKV);
    VIEW(KV_T, Kpool);
    VIEW(KV_T, Vpool);
    VIEW(const int, table);
    VIEW(const int4, rows);
    VIEW(const int, stored);
    VIEW(const float, rotary);
    VIEW(float, O);
    VIEW(float, scratch);
    __local float memory[LOCAL_FLOATS];
    SYM(split_tile)(QKV, Kpool, Vpool, table, rows, stored, rotary, O, scratch, memory, N,
                    get_group_id(0), get_local_id(0));
}

#if SPLITS > 1
/* The parts of a row and head, brought to the largest maximum. Work: tile = (row, head). */
INLINE void SYM(merge_tile)(__global float *O, __global const float *scratch, int N, int item,
                            int lane) {
    __global const float *state = scratch + ((ulong)N * HEADS * SPLITS) * D + (ulong)item * SPLITS * 2;
    float most = NOTHING, sum = 0, factor[SPLITS];
    for (int part = 0; part < SPLITS; part++) most = fmax(most, state[2 * part]);
    for (int part = 0; part < SPLITS; part++) {
        factor[part] = exp(state[2 * part] - most);
        sum = fma(factor[part], state[2 * part + 1], sum);
    }
    const float whole = sum > 0 ? 1.0f / sum : 0.0f;
    for (int column = lane; column < COLUMNS; column += WG) {
        VEC(float) o = (VEC(float))(0);
        for (int part = 0; part < SPLITS; part++) {
            const VEC(float) v = VLOAD(scratch + ((ulong)item * SPLITS + part) * D + column * VW);
            o = fma((VEC(float))(factor[part]), v, o);
        }
        VPUT_GLOBAL(o * whole, O + (ulong)item * D + column * VW);
    }
}

__kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void SYM(attention_split_merge)(OPERAND(const float, QKV), OPERAND(KV_T, Kpool), OPERAND(KV_T, Vpool),
                                OPERAND(const int, table), OPERAND(const int4, rows),
                                OPERAND(const int, stored), OPERAND(const float, rotary),
                                OPERAND(float, O), OPERAND(const float, scratch), int N) {
    VIEW(float, O);
    VIEW(const float, scratch);
    SYM(merge_tile)(O, scratch, N, get_group_id(0), get_local_id(0));
}
#endif

#undef QT
#undef UNIT
#undef CHUNK
#undef COLUMNS
#undef BUNDLES
#undef LD
#undef LP
#undef LANE_BUNDLES
#undef HEAD_TILES
#undef AT_S
#undef AT_OPEN
#undef AT_MEETING
#undef LOCAL_FLOATS
#undef UNITS_OF
#undef BLOCK_UNITS
#undef CHUNK_BLOCK
#undef NEXT_AT
#undef MEET
#undef WG
#undef VW
#undef TR
#undef HT
#undef SPLITS
#undef HG
#undef CB
#undef RP
#undef RD
#undef UNROLL
#undef PF
#undef HALF
#undef EXP
