/* classes.h: which class a model runs in, by what each costs it: the perplexity of one text in one protocol,
 * in class f32 and in class i8, as `hone perplexity` recorded them. */
#pragma once
#include "kernels/kernel.h"
#include "results/store.h"
#include "runtime/engine.h"
#include "runtime/model.h"

/* What the records say. */
struct class_choice {
    enum class_id class; /* i8 where it is known to be cheap enough, else f32 */
    bool is_known;       /* both were measured in one protocol, on text enough */
    double cost;         /* perplexity of i8 over that of f32, less 1; 0: not known */
};
/* store NULL: nothing is known. */
struct class_choice class_choose(struct store *store, const struct model *model);

/* Record a class's perplexity beside those that other texts and protocols gave. DB: it cannot be written. */
enum status class_remember(struct store *store, const struct model *model, const char *class_name,
                           const struct engine_perplexity *measured, struct error *err);
