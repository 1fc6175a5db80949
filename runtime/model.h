/* model.h: a model, opened and checked: numbers, weights by name, tokenizer; the same whatever its
 * file format, or generated. Immutable once open, shared by all engines. The weights stay in the mapped file
 * and are read by row (kernels/weights.h).
 *
 * Rotation convention, the only one beyond this header: component i of a head is rotated together
 * with component i + head_size / 2 by the angle position * rope_frequency[i]. Files that pair their
 * components otherwise (llama2.c, architecture llama in GGUF, heads of which only a part rotates) are
 * read through a permutation of the rows of Q and K. */
#pragma once
#include "base/status.h"
#include "kernels/weights.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tokenizer;

struct model_layer {
    struct matrix wq;       /* (n_heads * head_size, width), rows in the halves convention */
    struct matrix wk;       /* (n_kv_heads * head_size, width), rows in the halves convention */
    struct matrix wv;       /* (n_kv_heads * head_size, width) */
    struct matrix wo;       /* (width, n_heads * head_size) */
    struct matrix w_gate;   /* (hidden, width): silu(w_gate x) * (w_up x) */
    struct matrix w_up;     /* (hidden, width) */
    struct matrix w_down;   /* (width, hidden) */
    const float *attn_norm; /* (width,) gamma before attention */
    const float *ffn_norm;  /* (width,) gamma before the feed-forward part */
    const float *bq;        /* (n_heads * head_size,) in the order of wq's rows; NULL: no bias */
    const float *bk;        /* (n_kv_heads * head_size,) likewise */
    const float *bv;        /* (n_kv_heads * head_size,) or NULL */
};

struct model_type_facts {
    char name[16];   /* as the file format calls it: "Q4_1" */
    int64_t tensors; /* how many tensors have it */
    int64_t bytes;   /* their bytes in the file */
};

enum { MODEL_TYPES = 16 };

struct model {
    char path[1024];
    char format[32];       /* "GGUF v3", "llama2.c v0" */
    char name[128];        /* general.name, or the file's own */
    char architecture[32]; /* "llama", "qwen2" */
    char license[64];      /* as the file says; "" when it says nothing */
    char fingerprint[40];  /* hash of header, size and final norm: names this file in records */
    char stamp[17]; /* of the file as it lies here (struct map): for caches, never for records;
                              "": generated, nothing to keep */

    bool vocabulary_only; /* no tensors: good for its tokenizer, everything below is 0 or NULL */
    int64_t n_layers, width, hidden;
    int64_t n_heads, n_kv_heads, head_size;
    float rope_base;
    float *
        rope_frequency; /* [head_size / 2] radians per position, scaling included; 0: no rotation */
    float rope_magnitude; /* factor on sine and cosine, normally 1 */
    float norm_epsilon;
    int64_t vocabulary; /* rows of embedding and output */
    int64_t context;    /* positions that the model was trained for */
    bool tied;          /* output is the embedding */

    struct matrix embedding;     /* (vocabulary, width) */
    const struct matrix *output; /* (vocabulary, width); == &embedding when tied */
    const float *final_norm;     /* (width,) */
    struct model_layer *layer;   /* [n_layers] */

    struct tokenizer *tokenizer; /* NULL: a llama2.c model opened without one */
    char *chat_template;         /* the file's Jinja text, only looked at for markers; NULL: none */

    int64_t parameters, file_bytes, weight_bytes; /* weight_bytes: of all tensors */
    struct model_type_facts type[MODEL_TYPES];
    int n_types;

    struct model_owned *owned; /* mapping, row readers, arrays; model_close frees them */
};

/* Open a GGUF or llama2.c file (told apart by content), map it, check every length in it. Where there is no such
 * file and path names a shape (shapes.def: "llama-7b-q4"), a model with generated weights.
 *
 *   tokenizer           path of a llama2.c tokenizer.bin or a SentencePiece .model for a llama2.c
 *                       model, or NULL; refused for GGUF, which carries its own
 *   force_pretokenizer  NULL, or a name of the pre-tokenizer table to use where the file's is unknown
 *
 * IO: the file cannot be read. INVALID: it is damaged, with tensor or key and byte offset.
 * UNSUPPORTED: an architecture, tensor type, tokenizer or scaling that is not known here. */
enum status model_open(const char *path, const char *tokenizer, const char *force_pretokenizer,
                       struct model **out, struct error *err);
void model_close(struct model *model); /* NULL is fine */
/* Whether model_open would generate it, and the names of the shapes; NULL: no more. */
bool shape_is_named(const char *name);
const char *shape_name(size_t i);

/* Several matrices of one weight type and K, one above the other (Q, K, V; gate and up) as one.
 * Parts are copied, their contexts are not. matrix.context points into the stack: it must not move. */
enum { MATRIX_STACK_PARTS = 3 };
struct matrix_stack {
    struct matrix matrix; /* M = sum of the parts' */
    struct matrix part[MATRIX_STACK_PARTS];
    int n_parts;
};
/* INVALID when weight types or K differ, the stack is then unusable: run the parts alone. */
enum status matrix_stack(const struct matrix *const *parts, int n_parts, struct matrix_stack *stack,
                         struct error *err);
