/* source.c: see source.h. */
#include "cli/source.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "tuner/t1_read.h"
#include <stdlib.h>
#include <string.h>

enum { TEXT_MOST = 4 << 20 }; /* bytes of a kernel or a T1 file */

bool source_is_given(const struct source_options *o) {
    return o->source || o->space || o->reference;
}

static void say_notes(char *notes) {
    for (char *line; notes && *notes && (line = strsep(&notes, "\n"));) log_warn("%s", line);
}

static enum status read_problem(const struct family *family, const char *text,
                                struct problem *problem, struct error *err) {
    enum status status = argument_status(
        problem_parse(slice_find(family->name), text ? text : "", problem, err), err);
    if (status == OK) status = argument_status(own_check_problem(problem, err), err);
    return status;
}

/* Texts become a family, the family a problem. */
static enum status lend(const struct t1_source *source, const char *text, struct problem *problem,
                        struct error *err) {
    const struct family *family = NULL;
    char *notes = NULL;
    enum status status = t1_lend(source, &family, &notes, err);
    say_notes(notes);
    free(notes);
    if (status == OK) status = read_problem(family, text, problem, err);
    if (status == OK && family->is_relative)
        log_say("No --reference: outputs are compared with those of the default configuration.");
    return status;
}

enum status source_collect(const struct source_options *o, const char *text,
                           struct problem_list *list, struct error *err) {
    char *kernel = NULL, *space = NULL;
    size_t size;
    struct problem problem;
    *list = (struct problem_list){0};
    if (!o->source || !o->space)
        return fail(err, STATUS_USAGE,
                    "hone tune: a kernel of one's own is --source FILE.cl and --space FILE.json");
    enum status status = path_read(o->source, TEXT_MOST, &kernel, &size, err);
    if (status == OK && strlen(kernel) != size)
        status = fail(err, STATUS_INVALID, "%s is no text", o->source);
    if (status == OK) status = path_read(o->space, TEXT_MOST, &space, &size, err);
    const struct t1_source source = {
        .path = o->space, .space = space, .kernel = kernel, .reference = o->reference};
    if (status == OK) status = lend(&source, text, &problem, err);
    if (status == OK) {
        list->items = memory_new(sizeof *list->items);
        list->items[list->n++] = problem;
    } else {
        source_return();
    }
    free(kernel);
    free(space);
    return status;
}

void source_return(void) {
    t1_return();
}
