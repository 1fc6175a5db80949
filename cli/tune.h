/* tune.h: `--tune-first` of run and chat. */
#pragma once
#include "cli/cli.h"

/* Tune this model's kernels on its device for that long ("30s"); progress on stderr, nothing on stdout. */
enum status tune_model_first(const struct common_options *common,
                             const struct engine_choice *choice, const char *budget,
                             struct error *err);
