/* page.h: the report as one HTML page that stands alone. */
#pragma once
#include "base/str.h"
#include "cli/figures.h"

/* How much there is in the database. */
struct holdings {
    int64_t evaluations, failed, benches, sessions;
    double seconds;                   /* of all sessions */
    char first_day[16], last_day[16]; /* "2026-03-01", of the measurements */
};
enum status holdings_count(struct store *store, struct holdings *holdings, struct error *err);

/* Fill plots/page.html: the machines, the winners, the figures of the gallery with their captions, and for what
 * is missing the command that makes it. All that the database says is escaped. */
enum status page_make(struct store *store, const struct holdings *holdings,
                      const struct gallery *gallery, struct str *html, struct error *err);
