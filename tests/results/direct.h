/* direct.h: SQL straight into a database, past the store: what other programs, older ones and accidents
 * may have left there. */
#pragma once
#include <criterion/criterion.h>
#include <sqlite3.h>

static inline void sql_into(const char *path, const char *sql) {
    sqlite3 *db;
    char *why = NULL;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &why), SQLITE_OK, "%s: %s", sql, why);
    sqlite3_close(db);
}
