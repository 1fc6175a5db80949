/* options.c: option tables make --help; a wrong option names the nearest right one; numbers have ranges. */
#include "base/log.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/cli.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum status argument_status(enum status status, struct error *err) {
    if (status != STATUS_INVALID) return status;
    err->status = STATUS_USAGE;
    return STATUS_USAGE;
}

enum status argument_duration(const char *option, const char *text, int64_t *ns,
                              struct error *err) {
    const enum status status = text ? units_parse_duration(text, ns, err) : OK;
    if (status == OK && text && *ns <= 0)
        return fail(err, STATUS_USAGE, "%s %s: no time at all; write 60s, 2m or 1h30m", option,
                    text);
    return argument_status(status, err);
}

/* Edits to turn a into b; long names are cut. */
static int edit_distance(const char *a, const char *b) {
    enum { MOST = 40 };
    const size_t n = strnlen(a, MOST), m = strnlen(b, MOST);
    int row[MOST + 1];
    for (size_t j = 0; j <= m; j++) row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            const int above = row[j];
            int best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best) best = above + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[m];
}

const char *nearest_name(const char *text, const char *const *candidates) {
    const char *best = NULL;
    int best_distance = 3; /* more edits than that is another word */
    for (; *candidates; candidates++) {
        const int distance = edit_distance(text, *candidates);
        if (distance < best_distance) best = *candidates, best_distance = distance;
    }
    return best;
}

static enum status wrong_option(const char *name, poptContext context, int code,
                                const struct poptOption *table, struct error *err) {
    const char *bad = poptBadOption(context, POPT_BADOPTION_NOALIAS);
    const char *names[64] = {"help"};
    size_t n = 1;
    for (; (table->longName || table->shortName) && n < 62; table++)
        if (table->longName) names[n++] = table->longName;
    const char *near = bad ? nearest_name(bad + strspn(bad, "-"), names) : NULL;
    if (code == POPT_ERROR_BADOPT && near)
        return fail(err, STATUS_USAGE,
                    "hone %s has no option %s; did you mean --%s? See hone %s --help", name, bad,
                    near, name);
    return fail(err, STATUS_USAGE, "hone %s: %s: %s; see hone %s --help", name,
                bad ? bad : "options", poptStrerror(code), name);
}

/* ---- numbers ---- */

static const struct {
    const char *option;
    double least, most;
} ranges[] = {
#define RANGE(option, least, most) {option, least, most},
#include "cli/ranges.def"
#undef RANGE
};
enum { RANGES = sizeof ranges / sizeof *ranges };

/* What the option of that range holds now; NULL: this command has no such option. */
static const struct poptOption *read_number(const struct poptOption *table, int range,
                                            double *number) {
    for (; table->longName || table->shortName; table++) {
        if (!table->longName || strcmp(table->longName, ranges[range].option) != 0) continue;
        const unsigned kind = table->argInfo & POPT_ARG_MASK;
        if (kind != POPT_ARG_INT && kind != POPT_ARG_FLOAT) return NULL;
        const bool is_int = kind == POPT_ARG_INT;
        *number = is_int ? *(const int *)table->arg : (double)*(const float *)table->arg;
        return table;
    }
    return NULL;
}

/* Every number that is not its default any more lies within its range. */
static enum status check_numbers(const char *name, const struct poptOption *table,
                                 const double *defaults, struct error *err) {
    for (int i = 0; i < RANGES; i++) {
        double number = 0;
        if (!read_number(table, i, &number) || number == defaults[i] ||
            (number >= ranges[i].least && number <= ranges[i].most))
            continue;
        return fail(err, STATUS_USAGE, "hone %s: --%s is %.10g to %.10g, not %g", name,
                    ranges[i].option, ranges[i].least, ranges[i].most, number);
    }
    return OK;
}

enum status options_parse(const char *name, const char *arguments, const char *examples,
                          struct poptOption *table, int argc, const char **argv,
                          poptContext *context, const char ***plain, bool *helped,
                          struct error *err) {
    struct poptOption all[] = {
        {NULL, 0, POPT_ARG_INCLUDE_TABLE, table, 0, "Options:", NULL},
        {"help", 'h', POPT_ARG_NONE, NULL, 'h', "this text", NULL},
        END_OPTIONS,
    };
    double defaults[RANGES] = {0};
    for (int i = 0; i < RANGES; i++) read_number(table, i, &defaults[i]);
    *helped = false;
    char *title = text_format("hone %s", name);
    argv[0] = title; /* what popt prints behind "Usage:" */
    *context = poptGetContext(title, argc, argv, all, 0);
    poptSetOtherOptionHelp(*context, arguments);
    int code;
    enum status status = OK;
    while ((code = poptGetNextOpt(*context)) >= 0) {
        if (code != 'h') continue;
        *helped = true;
        printf("%s\n", examples);
        poptPrintHelp(*context, stdout, 0);
        goto done;
    }
    if (code < -1) status = wrong_option(name, *context, code, table, err);
    else status = check_numbers(name, table, defaults, err);
    static const char *none[] = {NULL};
    const char **rest = poptGetArgs(*context);
    *plain = rest ? rest : none;
done:
    argv[0] = name;
    free(title);
    return status;
}

enum status options_most(const char *name, const char *const *plain, size_t most,
                         struct error *err) {
    for (size_t i = 0; i < most; i++)
        if (!plain[i]) return OK;
    if (!plain[most]) return OK;
    return fail(err, STATUS_USAGE, "hone %s: '%s' is one argument too many; see hone %s --help",
                name, plain[most], name);
}

enum status options_none(const char *name, const char *reason, const struct option_given *given,
                         struct error *err) {
    for (; given->option; given++)
        if (given->is_given)
            return fail(err, STATUS_USAGE, "hone %s: %s; leave %s out", name, reason,
                        given->option);
    return OK;
}
