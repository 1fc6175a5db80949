/* model_file.h: what the readers of the two file formats (model_gguf.c, model_llama2c.c) and the maker of
 * generated models (model_shape.c) take from model.c, which opens, closes and owns. Files describe tensors in
 * GGUF's terms. Private to the four. */
#pragma once
#include "runtime/gguf.h"
#include "runtime/model.h"

/* Where a file keeps the rows of a head. Here the pairs that rotate together are i and i + size / 2. */
struct head_order {
    int64_t size;   /* components; 0: rows that belong to no head stay where they are */
    int64_t rotary; /* how many rotate; those behind them do not */
    bool adjacent;  /* the file pairs 2i with 2i + 1; else i with i + rotary / 2 */
};

/* Where the rows of a matrix lie; its context. */
struct matrix_source {
    const struct gguf_tensor_type *type;
    const unsigned char *data; /* in the mapped file */
    size_t row_bytes;
    struct head_order order;
};

struct model_owned {
    struct map map;
    struct gguf *gguf;            /* NULL: llama2.c */
    size_t header_bytes;          /* what comes before the weights */
    struct matrix_source *source; /* [n_sources] */
    float **vector;               /* [n_vectors] */
    struct matrix output;         /* where it is not the embedding */
    struct generator *generator;  /* NULL: the weights are in the file */
    size_t n_sources, n_vectors;
};

/* Layers, and room for the matrices and vectors of model->n_layers of them. */
enum status model_reserve(struct model *model, struct error *err);
/* A tensor of m rows and k columns as a matrix; m is a multiple of order.size. */
struct matrix model_matrix(struct model *model, const struct gguf_tensor_type *type,
                           const unsigned char *data, int64_t m, int64_t k,
                           struct head_order order);
/* A tensor of n elements as floats of its own (a file may keep them unaligned). UNSUPPORTED: it is
 * quantised; INVALID: one is not finite. name: for messages. */
enum status model_vector(struct model *model, const char *name, const struct gguf_tensor_type *type,
                         const unsigned char *data, int64_t n, struct head_order order,
                         const float **out, struct error *err);
/* model->rope_frequency from model->rope_base:
 *
 *     frequency[i] = base^(-2i / rotary) / factor / factors[i]      i < rotary / 2, else 0
 *
 * factors: [rotary / 2] or NULL. */
enum status model_frequencies(struct model *model, int64_t rotary, double factor,
                              const float *factors, struct error *err);
/* A tensor of the named type enters the facts. */
void model_count(struct model *model, const char *type, int64_t elements, size_t bytes);

/* Fill the model from owned->map; what they leave behind on failure model_close frees. */
enum status model_read_gguf(struct model *model, const char *force_pretokenizer, struct error *err);
enum status model_read_llama2c(struct model *model, const char *tokenizer, struct error *err);
/* Fill the model from the shape that model->path names. INVALID: its rows are no whole groups. */
enum status model_generate(struct model *model, struct error *err);
void generator_close(struct generator *generator); /* NULL is fine */
