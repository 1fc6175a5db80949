/* options.c: option tables make --help; a wrong option names the nearest right one. */
#include "base/log.h"
#include "base/str.h"
#include "cli/cli.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

enum status options_parse(const char *name, const char *arguments, const char *examples,
                          struct poptOption *table, int argc, const char **argv,
                          poptContext *context, const char ***plain, bool *helped,
                          struct error *err) {
    struct poptOption all[] = {
        {NULL, 0, POPT_ARG_INCLUDE_TABLE, table, 0, "Options:", NULL},
        {"help", 'h', POPT_ARG_NONE, NULL, 'h', "this text", NULL},
        END_OPTIONS,
    };
    *helped = false;
    char *title = text_format("hone %s", name);
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
    static const char *none[] = {NULL};
    const char **rest = poptGetArgs(*context);
    *plain = rest ? rest : none;
done:
    free(title);
    return status;
}
