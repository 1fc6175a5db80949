/* problems.h: the problems that tune, bench and explain were asked about. */
#pragma once
#include "cli/cli.h"
#include "kernels/kernel.h"

struct problem_options {
    char *family, *problem, *class_name, *layout;
};
#define PROBLEM_OPTIONS(o)                                                                         \
    {"family",    0, POPT_ARG_STRING,                                                              \
     &(o).family, 0, "slices or families, with commas: gemm, gemv, gemm_q4, gemv_q4, attention …", \
     "LIST"},                                                                                      \
        {"problem",    0, POPT_ARG_STRING,                                                         \
         &(o).problem, 0, "fields with lists and ranges: m=12288,k=4096,n=1..1024*2",              \
         "TEXT"},                                                                                  \
        {"class",                                                                                  \
         0,                                                                                        \
         POPT_ARG_STRING,                                                                          \
         &(o).class_name,                                                                          \
         0,                                                                                        \
         "f32 (default; auto with --model), i8, or both: f32,i8",                                  \
         "C"},                                                                                     \
    {                                                                                              \
        "layout", 0, POPT_ARG_STRING, &(o).layout, 0, "only this layout of the weights", "NAME"    \
    }

struct problem_list {
    struct problem *items;
    double *weights; /* of a model's: how often each runs; NULL: all alike */
    size_t n;
};
/* Every slice × problem × class that exists; USAGE or INVALID names what does not. Without a problem the
 * reference problem m=12288,k=4096,n=1..256*2; without a family gemv_q4,gemm,gemm_q4. */
enum status problems_collect(const struct problem_options *options, struct problem_list *list,
                             struct error *err);
/* The same for what a model needs; class_name as a list. */
enum status problems_of_model(const char *path, const char *tokenizer, const char *class_name,
                              struct problem_list *list, struct error *err);
/* Keep what falls to one of n shares, "2/8": which, says a hash of the problem's names, so that it is the
 * same everywhere and whatever else is asked for. USAGE when the text is no share. */
enum status problems_keep_share(struct problem_list *list, const char *share, struct error *err);
void problem_list_free(struct problem_list *list);
