/* db.h: what the actions of `hone db` share. */
#pragma once
#include "cli/cli.h"
#include "results/profile.h"
#include "results/store.h"

/* One call of an action: `store` is open as the action's row asks, or NULL. */
struct db_call {
    const struct common_options *common;
    struct store *store;
    const char *database; /* its path, open or not */
    const char **files;   /* ended by NULL */
    const char *t4;       /* folder of --t4; NULL: not asked for */
};

/* share.c */
enum status db_export(const struct db_call *call, struct error *err);
enum status db_import(const struct db_call *call, struct error *err);
enum status db_merge(const struct db_call *call, struct error *err);
/* The profile of the device that --device names (NULL: there must be one), as text, the caller's. */
enum status share_export(struct store *store, const char *device, char **text, struct error *err);
/* The device of the list that is named by number or part of its keys (NULL: there must be one). NOTHING when the
 * list is empty, USAGE with the list when it is not one. */
enum status share_choose(struct store *store, const struct device_row *list, size_t n,
                         const char *device, size_t *which, struct error *err);
/* A whole text profile; the caller frees. */
enum status share_read(const char *path, char **text, size_t *size, struct error *err);
/* exchange.c: the files of --t4 */
enum status exchange_export(const struct db_call *call, struct error *err);
/* diff.c */
enum status db_diff(const struct db_call *call, struct error *err);

/* profiles.c */
enum status db_profiles(const struct db_call *call, struct error *err);
struct device_info;
/* What a profile's records are to this program. */
struct review {
    size_t current, older,
        unknown;   /* by this program's kernels, by other sources of them, by none */
    char why[300]; /* of the first that is unknown */
    bool covers;   /* it holds for one of the devices */
};
void review_profile(const struct profile *profile, const struct device_info *devices,
                    size_t n_devices, struct review *review);
