/* llama2c.c: see llama2c.h. */
#include "runtime/llama2c.h"
#include <string.h>

enum { FIELDS = 7 };
static const char *const field_names[FIELDS] = {"dim",        "hidden_dim", "n_layers", "n_heads",
                                                "n_kv_heads", "vocab_size", "seq_len"};
static const int32_t field_limits[FIELDS] = {1 << 20, 1 << 24, 1 << 12, 1 << 16,
                                             1 << 16, 1 << 24, 1 << 30};

static void header_fields(const unsigned char *bytes, int64_t field[FIELDS], bool *tied) {
    for (int i = 0; i < FIELDS; i++) {
        int32_t value;
        memcpy(&value, bytes + 4 * i, sizeof value);
        field[i] = value;
    }
    *tied = field[5] > 0;
    if (!*tied) field[5] = -field[5];
}

static int bad_field(const int64_t field[FIELDS]) {
    for (int i = 0; i < FIELDS; i++)
        if (field[i] < 1 || field[i] > field_limits[i]) return i;
    return -1;
}

bool llama2c_recognise(const unsigned char *bytes, size_t size) {
    int64_t field[FIELDS];
    bool tied;
    if (size < LLAMA2C_HEADER_BYTES) return false;
    header_fields(bytes, field, &tied);
    return bad_field(field) < 0;
}

/* Arrays in the order of the file: where each pointer goes, and its floats. */
enum { PARTS = 14 };
struct part {
    const unsigned char **bytes; /* NULL: skipped */
    int64_t layers, rows, columns;
};

static void list_parts(struct llama2c *m, struct part part[PARTS]) {
    const int64_t kv = m->n_kv_heads * m->head_size, l = m->n_layers, d = m->width, h = m->hidden;
    const struct part list[PARTS] = {
        {&m->embedding, 1, m->vocabulary, d},
        {&m->attn_norm, l, 1, d},
        {&m->wq, l, d, d},
        {&m->wk, l, kv, d},
        {&m->wv, l, kv, d},
        {&m->wo, l, d, d},
        {&m->ffn_norm, l, 1, d},
        {&m->w_gate, l, h, d},
        {&m->w_down, l, d, h},
        {&m->w_up, l, h, d},
        {&m->final_norm, 1, 1, d},
        {NULL, 1, m->context, m->head_size / 2}, /* cosines of old writers */
        {NULL, 1, m->context, m->head_size / 2}, /* sines */
        {&m->output, m->tied ? 0 : 1, m->vocabulary, d},
    };
    memcpy(part, list, sizeof list);
}

static enum status check_heads(const char *path, const struct llama2c *m, struct error *err) {
    if (m->width % m->n_heads || m->width / m->n_heads % 2)
        return fail(err, STATUS_INVALID,
                    "reading %s: dim %lld is not n_heads %lld times an even head size", path,
                    (long long)m->width, (long long)m->n_heads);
    if (m->n_heads % m->n_kv_heads)
        return fail(err, STATUS_INVALID,
                    "reading %s: n_heads %lld is no multiple of n_kv_heads %lld", path,
                    (long long)m->n_heads, (long long)m->n_kv_heads);
    return OK;
}

enum status llama2c_parse(const char *path, const unsigned char *bytes, size_t size,
                          struct llama2c *out, struct error *err) {
    int64_t field[FIELDS];
    struct part part[PARTS];
    *out = (struct llama2c){0};
    if (size < LLAMA2C_HEADER_BYTES)
        return fail(err, STATUS_INVALID,
                    "reading %s: its %zu bytes are fewer than a llama2.c header", path, size);
    header_fields(bytes, field, &out->tied);
    const int bad = bad_field(field);
    if (bad >= 0)
        return fail(err, STATUS_INVALID, "reading %s: %s at byte %d is %lld; 1 to %d are allowed",
                    path, field_names[bad], 4 * bad, (long long)field[bad], field_limits[bad]);
    out->width = field[0], out->hidden = field[1], out->n_layers = field[2],
    out->n_heads = field[3];
    out->n_kv_heads = field[4], out->vocabulary = field[5], out->context = field[6];
    const enum status status = check_heads(path, out, err);
    if (status != OK) return status;
    out->head_size = out->width / out->n_heads;
    list_parts(out, part);
    int64_t total = LLAMA2C_HEADER_BYTES;
    for (int i = 0; i < PARTS; i++) {
        int64_t length =
            part[i].rows * part[i].columns * (int64_t)sizeof(float); /* below 2^50: limits above */
        if (part[i].bytes) *part[i].bytes = bytes + ((size_t)total <= size ? (size_t)total : size);
        total += length * part[i].layers; /* below 2^62 */
        if ((uint64_t)total > size) break;
    }
    if ((uint64_t)total != size)
        return fail(err, STATUS_INVALID,
                    "reading %s: as a llama2.c model (dim %lld, %lld layers) it would have "
                    "%s%lld bytes, but it has %zu: it is cut off, damaged or another format",
                    path, (long long)out->width, (long long)out->n_layers,
                    (uint64_t)total > size ? "at least " : "", (long long)total, size);
    if (out->tied) out->output = out->embedding;
    return OK;
}
