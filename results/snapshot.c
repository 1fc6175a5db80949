/* snapshot.c: reading a database whose last writer was killed in the middle of a change.
 *
 * SQLite undoes such a change from the journal beside the file, but a reader may not write. The reader
 * takes a copy of both, SQLite undoes it there, and both names are removed at once.
 *
 * Nobody can spoil the copy unseen: pages change only while the journal is there, undoing writes what our
 * own undoing writes again, and the journal is compared before and after. */
#include "base/str.h"
#include "results/sql.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char undoing[] = "undoing what a killed program left half done";
enum { PIECE = 1 << 16 };

struct copying {
    struct store *store;
    char *folder, *file, *journal; /* private */
    char *theirs;                  /* the journal beside the database */
};

static enum status fail_io(const struct copying *c, struct error *err) {
    return fail(err, STATUS_DB, "the database %s: %s, in the folder %s: %s", c->store->path,
                undoing, c->folder, strerror(errno));
}

static bool write_all(int fd, const char *bytes, ssize_t size) {
    while (size > 0) {
        const ssize_t n = write(fd, bytes, (size_t)size);
        if (n <= 0) return false;
        bytes += n;
        size -= n;
    }
    return true;
}

/* The journal: no locks lie on it. NOTHING: it is not there any more. */
static enum status copy_journal(const struct copying *c, struct error *err) {
    char piece[PIECE];
    const int from = open(c->theirs, O_RDONLY | O_CLOEXEC);
    if (from < 0 && errno == ENOENT) return STATUS_NOTHING;
    const int to = open(c->journal, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t n = -1;
    while (from >= 0 && to >= 0 && (n = read(from, piece, sizeof piece)) > 0)
        if (!write_all(to, piece, n)) {
            n = -1;
            break;
        }
    const enum status st = n == 0 ? OK : fail_io(c, err);
    if (from >= 0) close(from);
    if (to >= 0) close(to);
    return st;
}

static enum status copy_database(const struct copying *c, struct error *err) {
    char piece[PIECE];
    sqlite3_file *from = sql_file(c->store);
    sqlite3_int64 size = 0;
    const int to = open(c->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0) return fail_io(c, err);
    int code = from->pMethods->xFileSize(from, &size);
    enum status st = OK;
    for (sqlite3_int64 at = 0; code == SQLITE_OK && st == OK && at < size; at += PIECE) {
        const int n = size - at < PIECE ? (int)(size - at) : PIECE;
        code = from->pMethods->xRead(from, piece, n, at);
        if (code == SQLITE_OK && !write_all(to, piece, n)) st = fail_io(c, err);
    }
    if (code != SQLITE_OK)
        st = fail(err, STATUS_DB, "the database %s: %s: %s", c->store->path, undoing,
                  sqlite3_errstr(code));
    close(to);
    return st;
}

static bool is_same(const struct stat *a, const struct stat *b) {
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Both files, whole and of one moment; BUSY when the journal went away or changed meanwhile. */
static enum status copy_both(const struct copying *c, struct error *err) {
    struct stat before, after;
    if (stat(c->theirs, &before) != 0) return STATUS_BUSY;
    enum status st = copy_journal(c, err);
    if (st == OK) st = copy_database(c, err);
    if (st == STATUS_NOTHING) return STATUS_BUSY;
    if (st == OK && (stat(c->theirs, &after) != 0 || !is_same(&before, &after))) st = STATUS_BUSY;
    return st;
}

/* The copy, undone by SQLite at the first look, in place of the file. */
static enum status change_over(const struct copying *c, struct error *err) {
    struct store copy = {.path = c->store->path, .mode = STORE_READ};
    int64_t n;
    enum status st = sql_connect(&copy, c->file, SQLITE_OPEN_READWRITE, undoing, err);
    if (st == OK) st = sql_number(&copy, undoing, "SELECT count(*) FROM sqlite_schema", &n, err);
    if (st == OK) {
        sql_forget(&copy);
        sql_disconnect(c->store);
        c->store->db = copy.db;
    } else {
        sql_disconnect(&copy);
    }
    return st;
}

enum status snapshot_open(struct store *store, struct error *err) {
    const char *base = getenv("TMPDIR");
    struct copying c = {.store = store};
    c.folder = text_format("%s/hone-XXXXXX", base && base[0] == '/' ? base : "/tmp");
    c.theirs = text_format("%s-journal", sqlite3_db_filename(store->db, "main"));
    enum status st = mkdtemp(c.folder) ? OK : fail_io(&c, err);
    if (st == OK) {
        c.file = text_format("%s/copy", c.folder);
        c.journal = text_format("%s/copy-journal", c.folder);
        st = copy_both(&c, err);
        if (st == OK) st = change_over(&c, err);
        unlink(c.journal);
        unlink(c.file);
        rmdir(c.folder);
    }
    free(c.folder);
    free(c.file);
    free(c.journal);
    free(c.theirs);
    return st;
}
