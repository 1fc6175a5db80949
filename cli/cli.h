/* cli.h: what the subcommands share: options as popt tables, the one place where errors are printed,
 * JSON on stdout, interrupts. Only main.c exits. */
#pragma once
#include "base/status.h"
#include <jansson.h>
#include <popt.h>
#include <stdbool.h>
#include <stdint.h>

/* A subcommand: parses argv (argv[0] is its name), does its work, fails with a sentence. */
#define COMMAND(name, summary)                                                                     \
    enum status command_##name(int argc, const char **argv, struct error *err);
#include "cli/commands.def"
#undef COMMAND

/* ---- options ---- */

/* What nearly every subcommand takes. */
struct common_options {
    int json, quiet;
    char *device, *database;
};
/* One line of a popt table that brings in --json, --quiet, --device, --db. */
#define COMMON_OPTIONS(common)                                                                     \
    COMMON_OPTIONS_DEVICE(common, "number or part of the name of the device (see hone devices)")
#define COMMON_OPTIONS_DEVICE(common, device_help)                                                 \
    {"json", 0, POPT_ARG_NONE, &(common).json, 0, "one JSON document on stdout", NULL},            \
        {"quiet", 'q', POPT_ARG_NONE, &(common).quiet, 0, "no progress on stderr", NULL},          \
        {"device", 0, POPT_ARG_STRING, &(common).device, 0, device_help, "D"}, {                   \
        "db", 0, POPT_ARG_STRING, &(common).database, 0,                                           \
            "the database (default: $HONE_DB, else "                                               \
            "$XDG_DATA_HOME/hone/hone.db)",                                                        \
            "FILE"                                                                                 \
    }
#define END_OPTIONS                                                                                \
    { NULL, 0, 0, NULL, 0, NULL, NULL }

/* Parse argv by the table. --help prints the examples, then the options, and sets *helped. Plain
 * arguments are returned (NULL-terminated, owned by the context, which the caller frees with
 * poptFreeContext). USAGE names the option and the nearest one, or the range of its number (ranges.def). */
enum status options_parse(const char *name, const char *arguments, const char *examples,
                          struct poptOption *table, int argc, const char **argv,
                          poptContext *context, const char ***plain, bool *helped,
                          struct error *err);
/* USAGE when there are more plain arguments than `most`. */
enum status options_most(const char *name, const char *const *plain, size_t most,
                         struct error *err);
/* USAGE when one of these was given, with the reason why it cannot be; ends with a NULL option. */
struct option_given {
    const char *option;
    bool is_given;
};
enum status options_none(const char *name, const char *reason, const struct option_given *given,
                         struct error *err);
/* What a parser says of a text that came from the command line: INVALID there is USAGE. */
enum status argument_status(enum status status, struct error *err);
/* The value of an option that is a time; *ns stays what it is when text is NULL. USAGE: it is
 * none, or nothing. */
enum status argument_duration(const char *option, const char *text, int64_t *ns, struct error *err);
/* The candidate most like text, NULL when none is near; candidates end with NULL. */
const char *nearest_name(const char *text, const char *const *candidates);

/* ---- output ---- */

/* Print one JSON document with a newline; takes the reference. IO when stdout cannot be written. */
enum status json_print(json_t *document, struct error *err);
/* The same on a line of its own, for a program that prints a document at a time. */
enum status json_print_line(json_t *document, struct error *err);
/* Members of an object, for print: 0 or "" where there is none of that kind. */
double number_at(const json_t *object, const char *key);
const char *text_at(const json_t *object, const char *key);
/* Write bytes to stdout; IO when it cannot be written. */
enum status out_write(const char *bytes, size_t n, struct error *err);
enum status out_printf(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
enum status out_flush(struct error *err);

/* ---- interrupts ---- */

extern volatile int interrupted; /* SIGINT and SIGTERM count up; chat resets it */
void interrupts_catch(void);     /* after the second signal in a row the program ends with 130 */

/* ---- engine, shared by run, chat, perplexity, bench ---- */

struct engine;
struct engine_facts;
struct engine_model;
struct engine_choice {
    char *model, *tokenizer, *pretokenizer, *profile, *class_name, *kv;
    int context;
    int rows; /* of a batch at most; 0: the engine's own */
};
#define ENGINE_OPTIONS(choice)                                                                     \
    {"model",         'm', POPT_ARG_STRING,                                                        \
     &(choice).model, 0,   "GGUF or llama2.c model, or a built-in shape: llama-7b-q4",             \
     "FILE"},                                                                                      \
        {"tokenizer", 0, POPT_ARG_STRING, &(choice).tokenizer, 0, "tokenizer of a llama2.c model", \
         "FILE"},                                                                                  \
        {"pretokenizer",                                                                           \
         0,                                                                                        \
         POPT_ARG_STRING,                                                                          \
         &(choice).pretokenizer,                                                                   \
         0,                                                                                        \
         "use this pre-tokenizer where the file names an unknown one",                             \
         "NAME"},                                                                                  \
        {"profile", 0, POPT_ARG_STRING, &(choice).profile, 0, "default or tuned (default: tuned)", \
         "NAME"},                                                                                  \
        {"class", 0, POPT_ARG_STRING, &(choice).class_name, 0, "auto, f32 or i8 (default: auto)",  \
         "C"},                                                                                     \
        {"ctx", 0, POPT_ARG_INT, &(choice).context, 0, "positions in the KV pool", "N"}, {         \
        "kv", 0, POPT_ARG_STRING, &(choice).kv, 0, "f16 or f32 (default: f16)", "TYPE"             \
    }
enum status choice_open_model(const struct engine_choice *choice, struct engine_model **model,
                              struct error *err);
/* An engine on an open model; plan: one of one's own (runtime/engine.h), NULL: the usual. */
enum status choice_open(const struct engine_choice *choice, const struct common_options *common,
                        struct engine_model *model, const char *plan, struct engine **engine,
                        struct error *err);
/* One line where tuned kernels were asked for and most matrices run on defaults: that --class would take what is
 * tuned here, or how to tune. */
void choice_offer_tuning(const struct engine *engine, const struct engine_choice *choice);
/* Where an operation ran far beyond the n that its kernel was measured at: a clause that follows a
 * speed ("; …"), or ""; and {"n", "measured_n": [from, to]}, or null. */
enum { BEYOND_TEXT = 200 };
const char *beyond_text(const struct engine_facts *facts, char text[BEYOND_TEXT]);
json_t *beyond_json(const struct engine_facts *facts);
/* Id number i of a text that stands for any text, for timing: ids spread over the engine's vocabulary. */
int32_t filler_id(const struct engine *engine, int64_t i);
/* Read all of a file, or of stdin when path is NULL. Caller frees. */
enum status text_read(const char *path, char **text, size_t *length, struct error *err);
