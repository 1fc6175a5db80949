/* compare.c: hone compare: the regression gate of CI. A baseline is a file of runs, or another program. */
#include "cli/compare.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/verdicts.h"
#include "results/store.h"
#include "tuner/compare.h"
#include "tuner/resample.h"
#include "tuner/runs.h"
#include <stdlib.h>
#include <string.h>

static const char examples[] =
    "  hone compare --record base.json --family gemv_q4,gemm --problem m=2048,k=2048,n=1,32\n"
    "  hone compare base.json --junit compare.xml     run its benchmarks now, compare\n"
    "  hone compare --against old/build/hone          two programs, their runs interleaved\n"
    "  hone compare base.json new.json                two recordings\n"
    "  hone compare --record slower.json base.json    the same benchmarks by the same yardsticks\n"
    "  hone compare --replay quiet.json slower.json   how often would the gate be wrong\n"
    "\n"
    "Exit codes: 0 nothing is slower (AMBG passes with a warning), 1 SLOW, 3 NOISY, 4 the\n"
    "baseline is of another machine, too old or too short; docs/regressions.md says more.\n";

/* Shapes whose fresh run takes about a second on two cores. */
static char small_problem[] = "m=2048,k=2048,n=1,32";

/* Gates drawn from them share few runs. */
enum { ALARM_RUNS = 60 };

struct compare_choices {
    struct common_options common;
    struct problem_options problems;
    char *profile, *record, *against, *save, *junit;
    int runs, more, accept, markdown, replay, gates;
};

/* ---- problems ---- */

static enum status make_plan(struct problem_options *problems, const char *profile, json_t **plan,
                             struct error *err) {
    struct problem_list list;
    *plan = NULL;
    if (strcmp(profile, "default") != 0 && strcmp(profile, "tuned") != 0)
        return fail(err, STATUS_USAGE, "--profile is default or tuned, not '%s'", profile);
    if (!problems->problem) problems->problem = small_problem;
    const enum status status = problems_collect(problems, &list, err);
    if (status == OK) *plan = compare_plan(list.items, list.n, profile, problems->layout);
    problem_list_free(&list);
    return status;
}

static struct compare_options options_of(const struct common_options *common, const char *against,
                                         size_t runs, const char *database) {
    return (struct compare_options){.device = common->device,
                                    .database = database,
                                    .lock_text = "hone compare",
                                    .against = against,
                                    .batch = runs,
                                    .interrupt = &interrupted};
}

/* ---- what is asked ---- */

/* A baseline has more runs than a batch: it is recorded once, and its noise is in every gate. */
static enum status record(const struct compare_choices *o, struct compare_options options,
                          json_t *plan, struct error *err) {
    if (!options.batch) options.batch = COMPARE_BASE_MOST;
    enum status status = compare_record(&options, plan, err);
    if (status == OK) status = runs_save(o->record, plan, err);
    if (status == OK) log_say("recorded in %s", o->record);
    return status;
}

/* New runs of what passed become part of the baseline. */
static enum status accept_runs(const char *path, json_t *base, const json_t *fresh,
                               struct error *err) {
    size_t i;
    const json_t *bench;
    json_array_foreach (json_object_get(fresh, "benchmarks"), i, bench) {
        json_t *old = runs_find(base, runs_name(bench));
        if (old) runs_append(old, bench);
    }
    runs_trim(base, 0, COMPARE_BASE_MOST);
    return runs_save(path, base, err);
}

static enum status show(const struct compare_choices *o, const json_t *result, struct error *err) {
    enum status status = OK;
    if (o->junit) {
        char *text = verdicts_junit(result);
        status = path_write(o->junit, text, strlen(text), err);
        free(text);
    }
    if (status != OK) return status;
    if (o->common.json) return json_print(json_incref((json_t *)result), err);
    return o->markdown ? verdicts_markdown(result, err) : verdicts_print(result, err);
}

/* A stored baseline, or another program; fresh runs, or a second recording. */
static enum status gate(const struct compare_choices *o, const struct compare_options *options,
                        const char *base_path, const char *new_path, json_t *base,
                        struct error *err) {
    json_t *fresh = NULL, *result = NULL;
    enum status status = new_path ? runs_load(new_path, &fresh, err) : OK;
    if (status == OK)
        status = new_path ? compare_documents(base, fresh, &result, err)
                          : compare_run(options, base, &fresh, &result, err);
    if (status == OK && o->save) status = runs_save(o->save, fresh, err);
    if (status == OK) status = show(o, result, err);
    if (status == OK) status = verdicts_judge(result, err);
    if (status == OK && o->accept) status = accept_runs(base_path, base, fresh, err);
    json_decref(result);
    json_decref(fresh);
    return status;
}

static enum status replay(const struct compare_choices *o, const char *path, const char *slow_path,
                          struct error *err) {
    json_t *document = NULL, *slow = NULL, *result = NULL;
    if (!path) return fail(err, STATUS_USAGE, "hone compare --replay: name a file of runs");
    const struct resample_options options = {.gates = (size_t)o->gates, .seed = 1};
    enum status status = runs_load(path, &document, err);
    if (status == OK && slow_path) status = runs_load(slow_path, &slow, err);
    if (status == OK) status = resample(document, slow, &options, &result, err);
    if (status == OK)
        status = o->common.json ? json_print(json_incref(result), err) : alarms_print(result, err);
    json_decref(result);
    json_decref(slow);
    json_decref(document);
    return status;
}

/* ---- the command line ---- */

static enum status check_choices(const struct compare_choices *o, const char **plain,
                                 struct error *err) {
    const bool has_base = plain[0] != NULL;
    if (!o->record && o->runs > COMPARE_BATCH_MOST)
        return fail(err, STATUS_USAGE, "--runs is at most %d without --record, not %d",
                    COMPARE_BATCH_MOST, o->runs);
    if (plain[0] && plain[1] && plain[2])
        return fail(err, STATUS_USAGE, "hone compare takes two files at most, not %s as well",
                    plain[2]);
    if (!o->replay && (o->against ? has_base || o->record : !has_base && !o->record))
        return fail(err, STATUS_USAGE,
                    "hone compare takes a baseline (FILE), or --record FILE, or --against PROGRAM; "
                    "see hone compare --help");
    if (o->record && plain[0] && (plain[1] || o->more))
        return fail(err, STATUS_USAGE,
                    "--record takes one FILE whose benchmarks to run, or --more of its own");
    if (o->accept && (!has_base || plain[1] || o->record))
        return fail(err, STATUS_USAGE, "--accept adds fresh runs to a baseline FILE: name one");
    if (o->more && !o->record)
        return fail(err, STATUS_USAGE, "--more adds runs to a recording: name it with --record");
    if ((has_base || o->more) && (o->problems.family || o->problems.problem))
        return fail(err, STATUS_USAGE,
                    "the benchmarks are those of %s: --family and --problem are for a new --record "
                    "and for --against",
                    has_base ? plain[0] : o->record);
    return OK;
}

static enum status compare(struct compare_choices *o, const char **plain, struct error *err) {
    enum status status = check_choices(o, plain, err);
    if (status != OK) return status;
    if (o->replay) return replay(o, plain[0], plain[0] ? plain[1] : NULL, err);
    char *database = store_default_path(o->common.database);
    json_t *base = NULL;
    const struct compare_options options =
        options_of(&o->common, o->against, (size_t)o->runs, database);
    const char *stored = plain[0] ? plain[0] : o->more ? o->record : NULL;
    status = stored ? runs_load(stored, &base, err)
                    : make_plan(&o->problems, o->profile ? o->profile : "tuned", &base, err);
    if (status == OK && o->record && plain[0]) {
        json_t *plan = runs_plan_of(base);
        json_decref(base);
        base = plan;
    }
    if (status == OK)
        status = o->record ? record(o, options, base, err)
                           : gate(o, &options, plain[0], plain[0] ? plain[1] : NULL, base, err);
    json_decref(base);
    free(database);
    return status;
}

enum status compare_alarms(const struct common_options *common, struct problem_options *problems,
                           const char *profile, int runs, const char *save, struct error *err) {
    if (runs != 0 && runs < RESAMPLE_LEAST)
        return fail(err, STATUS_USAGE, "--aa needs %d runs at least, not %d", RESAMPLE_LEAST, runs);
    char *database = store_default_path(common->database);
    json_t *plan = NULL, *result = NULL;
    const struct compare_options options =
        options_of(common, NULL, runs ? (size_t)runs : ALARM_RUNS, database);
    const struct resample_options draws = {.seed = 1};
    enum status status = make_plan(problems, profile ? profile : "tuned", &plan, err);
    if (status == OK) status = compare_record(&options, plan, err);
    if (status == OK && save) status = runs_save(save, plan, err);
    if (status == OK) status = resample(plan, NULL, &draws, &result, err);
    if (status == OK)
        status = common->json ? json_print(json_incref(result), err) : alarms_print(result, err);
    json_decref(result);
    json_decref(plan);
    free(database);
    return status;
}

enum status command_compare(int argc, const char **argv, struct error *err) {
    struct compare_choices o = {0};
    struct poptOption table[] = {
        PROBLEM_OPTIONS(o.problems),
        {"profile", 0, POPT_ARG_STRING, &o.profile, 0, "default or tuned (default: tuned)", "NAME"},
        {"record", 0, POPT_ARG_STRING, &o.record, 0, "run the benchmarks and keep their runs",
         "FILE"},
        {"more", 0, POPT_ARG_NONE, &o.more, 0, "with --record: add runs to what FILE holds", NULL},
        {"against", 0, POPT_ARG_STRING, &o.against, 0, "another hone, run in turns with this one",
         "PROGRAM"},
        {"runs", 'r', POPT_ARG_INT, &o.runs, 0,
         "fresh processes a benchmark and batch (9; 20 with --record)", "N"},
        {"save", 0, POPT_ARG_STRING, &o.save, 0, "keep the fresh runs", "FILE"},
        {"accept", 0, POPT_ARG_NONE, &o.accept, 0,
         "add the fresh runs to the baseline when nothing is slower", NULL},
        {"junit", 0, POPT_ARG_STRING, &o.junit, 0, "the verdicts as JUnit XML", "FILE"},
        {"md", 0, POPT_ARG_NONE, &o.markdown, 0, "a Markdown table on stdout", NULL},
        {"replay", 0, POPT_ARG_NONE, &o.replay, 0,
         "draw gates from recorded runs: false alarms, power with a second, slower recording",
         NULL},
        {"gates", 0, POPT_ARG_INT, &o.gates, 0, "with --replay: gates drawn for a rate (400)", "N"},
        COMMON_OPTIONS(o.common),
        END_OPTIONS,
    };
    poptContext context = NULL;
    const char **plain;
    bool helped;
    enum status status = options_parse("compare", "[options] [BASE [NEW]]", examples, table, argc,
                                       argv, &context, &plain, &helped, err);
    if (status == OK && !helped) {
        log_quiet = o.common.quiet;
        status = compare(&o, plain, err);
        log_progress_done();
    }
    poptFreeContext(context);
    return status;
}
