/* lookup.h: which configuration answers a problem. Rules in order:
 *
 *   exact      same device model, version and source key, same problem, class, layout
 *   near-n     same weights and layout, nearest n; first of all configurations that were among the finals at an n
 *              below and at one above (tuning measures what is good at one n at the others), then of those beyond
 *              the n that they were measured at: the answer says so
 *   near-shape nearest other sizes (distance = Σ |ln(a/b)| over numeric fields)
 *   elsewhere  the same device model under another version or source key
 *   imported   a profile that `hone db import` brought in, of the same device model or architecture
 *   profile    a shipped profile of the same architecture
 *   default    the family's own (the caller's affair: NOTHING is returned)
 *
 * The first three hold for the device model, version and source key at hand. Text fields of the
 * problem must be equal in all rules, and what failed on this device version never answers. What is
 * not exact is a hint: the caller checks it on first use and remembers (facts of kind "check"). */
#pragma once
#include "results/store.h"

enum lookup_rule {
    LOOKUP_EXACT,
    LOOKUP_NEAR_N,
    LOOKUP_NEAR_SHAPE,
    LOOKUP_ELSEWHERE,
    LOOKUP_IMPORTED,
    LOOKUP_PROFILE,
    LOOKUP_RULES
};
extern const char *const lookup_rule_names[LOOKUP_RULES];

struct lookup_query {
    const char *model, *version;                        /* of the device */
    const char *family, *problem, *class_name, *layout; /* layout NULL: any */
    /* The source key of a variant as this program has it; "" when it has no such variant. */
    const char *(*source_key)(void *context, const char *variant);
    /* May this record be used on this problem in this layout here (parameters known, features there,
     * constraints)? */
    bool (*usable)(void *context, const char *layout, const char *variant, const char *config);
    void *context;
    bool profiles_only; /* ask profiles alone, imported and shipped */
};
struct lookup_answer {
    enum lookup_rule rule;
    struct evaluation record; /* evaluation_free; a profile's has minus its line for an id, and no
                                 samples, interval or share (NAN) */
    struct evaluation runner_up; /* the next best for the same problem; id 0: none */
    int64_t n_low, n_high; /* near-n: the n at which its configuration was measured, from … to */
    bool is_beyond;        /* near-n: the n that was asked for is outside of them */
    char origin[200];      /* of a profile's: its name and provenance; else "" */
};
/* The rule's name; "near-n-beyond" for an answer beyond the n that it was measured at. */
const char *lookup_rule_text(const struct lookup_answer *answer);
/* NOTHING when no rule answers. store NULL: there is no database, only profiles answer. */
enum status lookup(struct store *store, const struct lookup_query *query,
                   struct lookup_answer *answer, struct error *err);
