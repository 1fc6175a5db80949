/* template.h: chat templates as a table (templates.def). The Jinja text inside a model file is never
 * run, only searched for the markers that tell which row of the table it is. */
#pragma once
#include "base/status.h"
#include "base/str.h"
#include "runtime/tokenizer.h"
#include <stddef.h>

struct template;

struct template_message {
    const char *role; /* "system", "user", "assistant" */
    const char *text; /* NUL-terminated */
};

/* By name. USAGE lists the names. */
enum status template_find(const char *name, const struct template **out, struct error *err);
/* The row whose markers the Jinja text holds; NULL: none of them, or jinja is NULL. */
const struct template *template_recognise(const char *jinja);
const char *template_name(const struct template *template);
/* The i-th row, NULL after the last; for help. */
const struct template *template_at(size_t i);

/* Append the conversation and the prompt for the answer. INVALID: a role that the row does not have,
 * or no message at all. */
enum status template_text(const struct template *template, const struct template_message *messages,
                          size_t n_messages, struct str *out, struct error *err);
/* The same as ids: the row's own markers are special tokens, every message's text is plain text,
 * whatever it looks like. BOS first where the tokenizer adds one. */
enum status template_ids(const struct template *template, const struct tokenizer *tokenizer,
                         const struct template_message *messages, size_t n_messages,
                         struct id_list *ids, struct error *err);
