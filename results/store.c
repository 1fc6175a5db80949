/* store.c: open and close. What is refused is refused before anything could have been written: place and
 * header are looked at first, identity and schema next, and a whole check comes last.
 */
#include "results/store.h"
#include "base/path.h"
#include "base/str.h"
#include "results/sql.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char opening[] = "opening it";

/* ---- the place ---- */

/* *is_new: nothing is there, or a file without a byte. */
static enum status look_at_place(const struct store *store, bool *is_new, struct error *err) {
    struct stat info;
    *is_new = false;
    if (stat(store->path, &info) != 0) {
        *is_new = errno == ENOENT;
        return *is_new ? OK
                       : fail(err, STATUS_DB, "the database %s cannot be reached: %s", store->path,
                              strerror(errno));
    }
    if (S_ISDIR(info.st_mode))
        return fail(err, STATUS_DB, "the database %s is a folder; name a file with --db",
                    store->path);
    if (!S_ISREG(info.st_mode))
        return fail(err, STATUS_DB,
                    "the database %s is neither a file nor a folder; name a file with --db",
                    store->path);
    *is_new = info.st_size == 0;
    return OK;
}

/* ---- the connection ---- */

static enum status connect(struct store *store, const char *file, bool is_new, struct error *err) {
    int flags = store->mode == STORE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    return sql_connect(store, file, flags | (is_new ? SQLITE_OPEN_CREATE : 0), opening, err);
}

static enum status fail_read_only(const struct store *store, const char *what, struct error *err) {
    return fail(err, STATUS_DB,
                "the database %s cannot be written: %s is read-only; make it writable, or name "
                "another file with --db",
                store->path, what);
}

/* A folder that cannot be written holds no journal. */
static enum status check_folder(const struct store *store, const char *file, struct error *err) {
    char *folder = text_format("%.*s/", (int)(strrchr(file, '/') - file), file);
    const bool is_writable = faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0;
    free(folder);
    return is_writable ? OK : fail_read_only(store, "its folder", err);
}

static enum status check_file(const struct store *store, struct error *err) {
    const bool is_writable = sqlite3_db_readonly(store->db, "main") == 0;
    return is_writable ? OK : fail_read_only(store, "the file", err);
}

/* ---- the header ---- */

enum { HEADER_BYTES = 100, AT_FORMAT = 18, AT_VERSION = 60, AT_APPLICATION = 68, FORMAT_WAL = 2 };

static int64_t number_at(const unsigned char *at) {
    return (int64_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

static enum status check_header(const struct schema *schema, const struct store *store,
                                struct error *err) {
    static const char magic[16] = "SQLite format 3";
    unsigned char header[HEADER_BYTES];
    sqlite3_file *file = sql_file(store);
    const int code = file->pMethods->xRead(file, header, sizeof header, 0);
    if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ)
        return fail(err, STATUS_DB, "the database %s cannot be read: %s", store->path,
                    sqlite3_errstr(code));
    if (memcmp(header, magic, sizeof magic) != 0)
        return fail(err, STATUS_DB,
                    "the database %s is no SQLite database; name another file with --db",
                    store->path);
    if (code != SQLITE_OK)
        return fail(err, STATUS_DB,
                    "the database %s is corrupt (it ends within its header); move it away, or put "
                    "a copy in its place, and tune again",
                    store->path);
    const enum status st = schema_check_ids(schema, store, number_at(header + AT_APPLICATION),
                                            number_at(header + AT_VERSION), err);
    if (st == OK && (header[AT_FORMAT] >= FORMAT_WAL || header[AT_FORMAT + 1] >= FORMAT_WAL))
        return fail(err, STATUS_DB,
                    "the database %s was switched to WAL by another program; switch it back: "
                    "sqlite3 FILE 'PRAGMA journal_mode = DELETE'",
                    store->path);
    return st;
}

/* ---- admission ---- */

/* quick_check heads its findings with the name of the database, on a line of its own. */
static const char *first_finding(const char *text) {
    const char *line = strchr(text, '\n');
    return text[0] == '*' && line ? line + 1 : text;
}

static enum status check_whole(struct store *store, struct error *err) {
    struct query q;
    enum status st = query_open(&q, store, opening, "PRAGMA quick_check(1)", err);
    if (st != OK) return st;
    st = query_next(&q, err);
    if (st == OK && strcmp(query_peek(&q, 0), "ok") != 0)
        st = fail(err, STATUS_DB,
                  "the database %s is corrupt (%s); move it away, or put a copy in its place, and "
                  "tune again",
                  store->path, first_finding(query_peek(&q, 0)));
    query_close(&q);
    return st;
}

/* Not a byte is in it: it was never written, or its first change was undone. */
static bool is_blank(const struct store *store) {
    sqlite3_file *file = sql_file(store);
    sqlite3_int64 size = 0;
    return file->pMethods->xFileSize(file, &size) == SQLITE_OK && size == 0;
}

static enum status admit_writer(struct schema *schema, struct store *store, struct error *err) {
    enum status st = sql_begin(store, opening, err);
    if (st != OK) return st;
    if (is_blank(store)) {
        st = schema_make(store, err);
    } else {
        st = schema_check(schema, store, err);
        if (st == OK) st = check_whole(store, err);
    }
    st = sql_end(store, st, opening, err);
    return st == OK ? sql_run(store, opening, "PRAGMA synchronous = FULL", err) : st;
}

/* The first look at the file; a change that was left half done is undone in a private copy. */
static enum status first_look(struct store *store, struct error *err) {
    int64_t n;
    static const char look[] = "SELECT count(*) FROM sqlite_schema";
    enum status st = sql_number(store, opening, look, &n, err);
    if (st == OK || sqlite3_extended_errcode(store->db) != SQLITE_READONLY_ROLLBACK) return st;
    st = snapshot_open(store, err);
    return st == STATUS_BUSY ? sql_number(store, opening, look, &n, err) : st;
}

static enum status admit_reader(struct schema *schema, struct store *store, struct error *err) {
    enum status st = first_look(store, err);
    if (st == OK) st = sql_run(store, opening, "BEGIN", err);
    if (st != OK) return st;
    st = schema_check(schema, store, err);
    if (st == OK) st = check_whole(store, err);
    st = sql_end(store, st, opening, err);
    return st == OK ? sql_run(store, opening, "PRAGMA query_only = ON", err) : st;
}

/* ---- open and close ---- */

/* Never a URI, never ":memory:". */
static char *file_name(const char *path) {
    return text_format("%s%s", path[0] == '/' ? "" : "./", path);
}

enum status store_open(const char *path, enum store_mode mode, struct store **out,
                       struct error *err) {
    struct store *store = memory_new(sizeof *store);
    struct schema schema = {0};
    char *file = file_name(path);
    bool is_new = false;
    *store = (struct store){.path = text_copy(path), .mode = mode};
    *out = NULL;
    enum status st = look_at_place(store, &is_new, err);
    if (st == OK && is_new && mode == STORE_READ)
        st = fail(err, STATUS_NOTHING, "there is no database %s yet; `hone tune` makes one", path);
    if (st == OK && is_new) st = path_make_parent(path, err);
    if (st == OK && is_new) st = check_folder(store, file, err);
    if (st == OK) st = schema_open(&schema, err);
    if (st == OK) st = connect(store, file, is_new, err);
    if (st == OK && !is_new) st = check_header(&schema, store, err);
    if (st == OK && mode == STORE_WRITE) st = check_file(store, err);
    if (st == OK && mode == STORE_WRITE) st = check_folder(store, file, err);
    if (st == OK)
        st = mode == STORE_WRITE ? admit_writer(&schema, store, err)
                                 : admit_reader(&schema, store, err);
    schema_close(&schema);
    free(file);
    if (st == OK) *out = store;
    else store_close(store);
    return st;
}

void store_close(struct store *store) {
    if (!store) return;
    sql_disconnect(store);
    free(store->path);
    free(store);
}

const char *store_path(const struct store *store) {
    return store->path;
}

char *store_default_path(const char *option) {
    const char *variable = getenv("HONE_DB");
    if (option && *option) return text_copy(option);
    if (variable && *variable) return text_copy(variable);
    return path_data("hone.db");
}
