/* engine.h: the face of inference, and the only header of runtime/ that others see.
 *
 * A model is immutable and shared; an engine runs it on one device (weights packed there, KV pool,
 * plan); requests are submitted by any thread and stepped by one. A batch is rows {token or hidden
 * state, position, sequence, want_logits}: one sequence is the simple case, not the design. Nothing
 * here prints, exits or keeps globals. */
#pragma once
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- model: a file, opened and checked ---- */

struct engine_model;
/* GGUF or llama2.c, or a built-in shape with generated weights where no file has that name ("llama-7b-q4": for
 * timing; it has no tokenizer). tokenizer: path of a llama2.c tokenizer, or NULL. force_pretokenizer: NULL, or a
 * name of the table to use where the file's is unknown. */
enum status engine_model_open(const char *path, const char *tokenizer,
                              const char *force_pretokenizer, struct engine_model **out,
                              struct error *err);
void engine_model_close(struct engine_model *model);
/* The built-in shapes; NULL: no more. A name may be followed by -TYPE, a weight type (-q4, -q8:32, -f16). */
const char *engine_shape_name(size_t i);

struct engine_model_facts {
    char name[128], architecture[32], license[64], path[1024];
    int64_t n_layers, width, hidden, n_heads, n_kv_heads, head_size, vocabulary, context;
    int64_t parameters, file_bytes, weight_bytes;
    int64_t layer_weights,
        head_weights;               /* of the matrices that a token meets; that an answer does */
    double layer_bytes, head_bytes; /* canonical, of those */
    double embedding_row_bytes;     /* of the embedding a token reads one row */
    struct {
        char name[16];
        int64_t tensors, bytes;
    } types[16];
    int n_types;
    char tokenizer[40];   /* "bpe smollm", "sentencepiece", "llama2.c"; "": none */
    char fingerprint[40]; /* of header and sizes: names this file in records */
};
void engine_model_describe(const struct engine_model *model, struct engine_model_facts *facts);
/* KV bytes for that many positions in that type ("f16" or "f32"). */
int64_t engine_kv_bytes(const struct engine_model *model, int64_t positions, const char *kv_type);

/* Memory that running takes: weights, KV for that many positions, 32 MiB for activations. */
int64_t engine_memory_bytes(const struct engine_model *model, int64_t positions,
                            const char *kv_type);

/* The kernels that running this model takes, as problems to tune: family, problem text, class. */
struct engine_problem {
    char family[16], problem[160], class_name[8];
    double
        weight; /* how often it runs for a generated token and a token of the prompt together; 0: at this n
                      only what is best at others is worth measuring */
};
/* For batches of 1 … max_rows rows in that class ("f32", "i8"; matrices that the class does not apply to
 * are f32). The caller frees *list. */
enum status engine_model_problems(const struct engine_model *model, const char *class_name,
                                  int64_t max_rows, struct engine_problem **list, size_t *n,
                                  struct error *err);

/* ids: the caller frees. parse_special: markers in the text become special tokens. */
enum status engine_tokenize(const struct engine_model *model, const char *text, size_t length,
                            bool add_bos, bool parse_special, int32_t **ids, size_t *n,
                            struct error *err);
/* The bytes of one token, not NUL-terminated, owned by the model. */
const char *engine_token_bytes(const struct engine_model *model, int32_t id, size_t *length);
bool engine_is_end(const struct engine_model *model, int32_t id); /* of generation */
int32_t engine_bos(const struct engine_model *model);             /* −1: none */
bool engine_adds_bos(const struct engine_model *model);           /* what the file says */

struct engine_message {
    const char *role; /* "system", "user", "assistant" */
    const char *text;
};
/* Render a conversation (with the prompt for the answer) by the named template, NULL or "auto": the
 * file's. As ids: the template's markers are special tokens, every content is plain text. */
enum status engine_chat_ids(const struct engine_model *model, const char *template_name,
                            const struct engine_message *messages, size_t n_messages, int32_t **ids,
                            size_t *n, struct error *err);
enum status engine_chat_text(const struct engine_model *model, const char *template_name,
                             const struct engine_message *messages, size_t n_messages, char **text,
                             struct error *err);

/* A perplexity and all that makes it comparable with another one. */
struct engine_perplexity {
    double ppl; /* exp of the mean negative log-likelihood */
    int64_t predictions;
    const int32_t *ids; /* of the text, as many as were used */
    size_t n_ids;
    int64_t window, windows; /* ids a window; how many there were */
    bool has_bos;            /* before each window */
    const char *kv_type;     /* "f16", "f32" */
};
/* Record it for this file and class ("f32", "i8") in the database (NULL: the default place), so that "auto" can
 * choose. DB, IO: it cannot be written. */
enum status engine_remember_perplexity(const struct engine_model *model, const char *database,
                                       const char *class_name,
                                       const struct engine_perplexity *measured, struct error *err);
/* The class that "auto" stands for: "i8" when the perplexity that it costs this file is recorded in the
 * database (NULL: the default place) and at most 0.5 %, else "f32". *is_known: recorded for both, of one text
 * in one protocol, by 2000 predictions or more. */
const char *engine_auto_class(const struct engine_model *model, const char *database,
                              bool *is_known);

/* ---- engine ---- */

/* ENGINE_DEFAULT: the families' defaults everywhere, whatever the records say: same bits in any batch. */
enum engine_profile { ENGINE_TUNED, ENGINE_DEFAULT };
struct engine_options {
    const char *device;   /* selector, NULL: the first */
    const char *database; /* NULL: the default place; missing or bad: defaults, one warning */
    enum engine_profile profile;
    const char *class_name; /* "auto", "f32", "i8" */
    const char *kv_type;    /* "f16", "f32"; NULL: f16 */
    int64_t context;        /* positions in the KV pool, all sequences; 0: min(model's, 4096) */
    int64_t max_rows;       /* of a batch; 0: 256 */
    int64_t max_sequences;  /* 0: 8 */
    int64_t first_layer, last_layer; /* a stage; 0, 0: all layers */
    const char *plan; /* "qkv=1,ffn=1,norm=1,rope=0": what is fused; NULL: what was measured to be
                               best here, else everything */
    void (*warn)(void *context, const char *sentence); /* may be NULL */
    void *warn_context;
};
struct engine;
enum status engine_open(struct engine_model *model, const struct engine_options *options,
                        struct engine **out, struct error *err);
void engine_close(struct engine *engine);

struct engine_facts {
    char device[256], model_key[512], version_key[384], class_name[16];
    char plan[64]; /* what is fused */
    const char
        *profile; /* "tuned" when records serve most multiplications with weights, else "default" */
    int64_t vocabulary; /* of the model: ids are below it */
    int64_t weight_bytes, kv_bytes, activation_bytes;
    int operations, tuned_operations; /* all; those that records serve */
    int matrices, tuned_matrices;     /* likewise, of the multiplications with weights among them */
    const char
        *tuned_class;    /* class auto took another class than this one, which is the one that is
                                         tuned here; NULL: it did not */
    bool is_class_known; /* class auto: what i8 costs is recorded */
    double class_cost;   /* perplexity of i8 over that of f32, less 1 */
    bool is_database_refused; /* it is there and could not be used: the warning said why */
    /* Of the multiplications that ran so far, the one furthest beyond the n that its kernel was measured
     * at, more than twice as far: its n, and those from … to; 0: there is none. */
    int64_t beyond_n, beyond_low, beyond_high;
    int64_t load_ns;
};
void engine_describe(const struct engine *engine, struct engine_facts *facts);
/* How the operations of the plan run at N = 1; those of layers that run alike are one. */
struct engine_operation {
    int count;     /* how many of them run like this */
    char name[48]; /* of the first: "blk.0.qkv" */
    char family[16], problem[160], class_name[8], layout[16];
    char rule[16]; /* which rule of look-up answered: "exact" … "default" */
    char variant[24], config[400];
};
/* The caller frees *list. */
enum status engine_operations(const struct engine *engine, struct engine_operation **list,
                              size_t *n, struct error *err);

/* ---- batches: the level that tests, perplexity and pipelines use ---- */

struct engine_row {
    int32_t token;       /* ignored when hidden is given */
    const float *hidden; /* width floats: input of a later stage; NULL normally */
    int32_t position;
    int32_t sequence; /* from engine_sequence_new */
    bool want_logits; /* last stage: logits; earlier stages always give hidden states */
};
/* Run the rows (any mix of sequences; rows of one sequence in rising position; more than max_rows are
 * cut into several runs). Logits or hidden states are valid until the next call. INVALID: position out of the
 * context, unknown sequence. NOMEM: the KV pool is full. */
enum status engine_batch(struct engine *engine, const struct engine_row *rows, size_t n,
                         struct error *err);
/* Logits of row i of the last batch (vocabulary floats), NULL when it did not ask. */
const float *engine_logits(const struct engine *engine, size_t row);
/* Hidden state of row i (width floats) when the engine is not the last stage. */
const float *engine_hidden(const struct engine *engine, size_t row);

/* An empty sequence, to be dropped by the caller, which gives its KV blocks back. NOMEM: there are max_sequences
 * already. Dropping one that is not open does nothing. */
enum status engine_sequence_new(struct engine *engine, int32_t *sequence, struct error *err);
void engine_sequence_drop(struct engine *engine, int32_t sequence);
/* A new sequence that shares the first `positions` positions (blocks are counted, copied on write). */
enum status engine_sequence_fork(struct engine *engine, int32_t sequence, int64_t positions,
                                 int32_t *copy, struct error *err);
/* Forget positions >= `positions`. INVALID: the sequence is not open, or shorter. */
enum status engine_sequence_truncate(struct engine *engine, int32_t sequence, int64_t positions,
                                     struct error *err);
/* Forget positions in [from, to). */
enum status engine_sequence_forget(struct engine *engine, int32_t sequence, int64_t from,
                                   int64_t to, struct error *err);
/* One more than the largest position kept and not truncated; 0 when the sequence is not open. */
int64_t engine_sequence_length(const struct engine *engine, int32_t sequence);
/* K and V of a sequence in canonical order ([layer][K then V][position][kv head][component], f32), for
 * moving it elsewhere. The caller frees. */
enum status engine_sequence_export(struct engine *engine, int32_t sequence, float **kv, size_t *n,
                                   struct error *err);
/* The inverse, into an empty sequence. INVALID: it is not empty, or n is not what that many positions take. */
enum status engine_sequence_import(struct engine *engine, int32_t sequence, const float *kv,
                                   size_t n, int64_t positions, struct error *err);

/* ---- requests: the level that run, chat and a server use ---- */

struct engine_sampling {
    float temperature; /* 0: greedy */
    int32_t top_k;     /* 0: all */
    float top_p;       /* 0 or 1: all */
    uint64_t seed;     /* xorshift64*, llama2.c's order: temperature, softmax, top-p */
};
struct engine_request {
    const int32_t *prompt; /* copied */
    size_t n_prompt;
    int64_t max_new; /* tokens to generate at most */
    struct engine_sampling sampling;
    bool ignore_end;  /* go on past the end-of-generation ids */
    int32_t sequence; /* −1: a new one, dropped at the end; else continue this one */
};
/* INVALID when the prompt does not fit the context: the sentence names both lengths. */
enum status engine_submit(struct engine *engine, const struct engine_request *request, int64_t *id,
                          struct error *err);
void engine_cancel(struct engine *engine, int64_t id);

enum engine_event_kind { ENGINE_PROMPT, ENGINE_TOKEN, ENGINE_DONE };
/* ORDER engine_finish: names in cli/generate.c */
enum engine_finish { ENGINE_END, ENGINE_LENGTH, ENGINE_CONTEXT, ENGINE_CANCELLED };
struct engine_event {
    int64_t id;
    enum engine_event_kind kind; /* ENGINE_PROMPT: a part of the prompt was read, more is to come */
    int32_t token;               /* ENGINE_TOKEN */
    enum engine_finish finish;   /* ENGINE_DONE */
    int64_t n_prompt, n_generated; /* so far */
    int64_t prompt_ns, decode_ns;  /* until the first token; from there on */
};
/* One batch: the next token of all live requests and a chunk of the prompts. At most n events are
 * written, *n is their number; 0 when nothing is left to do. A request that has no room to go on in the
 * KV pool ends with ENGINE_CONTEXT. */
enum status engine_step(struct engine *engine, struct engine_event *events, size_t *n,
                        struct error *err);

/* Main of the child `hone @child check` (first-use checks): frames of JSON. Returns the exit code. */
int engine_check_child(void);
