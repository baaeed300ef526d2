/*
 * Appending, syncing, cutting, deleting: the compactor's thread.
 *
 * It goes through SQLite's VFS, as the database beside it does: so one fault shim takes
 * power away from both, in one order.  SUPER_JOURNAL is the kind of file of which the
 * VFS also syncs the folder with the first sync.
 */
#include "parts_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WRITE_AT_ONCE 65536 /* SQLite takes 131,071 bytes at most and calls more a full disk */

static int
vfs_fail(struct bl_err *err, int rc, const char *doing, const char *path)
{
	int code = BL_EIO;

	if ((rc & 0xff) == SQLITE_FULL)
		code = BL_EFULL;
	else if ((rc & 0xff) == SQLITE_NOMEM)
		code = BL_ENOMEM;
	return bl_fail(err, code, "%s %s: %s (SQLite %d)", doing, path, sqlite3_errstr(rc), rc);
}

static int
sync_tail(struct parts *p, struct parts_tail *t, struct bl_err *err)
{
	int rc;

	if (!t->dirty)
		return BL_OK;
	t->dirty = false;
	rc = t->f->pMethods->xSync(t->f, SQLITE_SYNC_FULL);
	(void)pthread_mutex_lock(&p->lock);
	p->stats.syncs++;
	(void)pthread_mutex_unlock(&p->lock);
	if (rc == SQLITE_OK)
		return BL_OK;
	p->sync_failed = true;
	return vfs_fail(err, rc, "sync", t->path);
}

static void
close_tail(struct parts *p, struct parts_tail *t)
{
	struct bl_err err = { 0 };

	if (!t->open)
		return;
	(void)sync_tail(p, t, &err);        /* a failure is told by the next parts_sync */
	(void)t->f->pMethods->xClose(t->f); /* what was synced stays synced */
	t->open = false;
}

void
parts_close_tails(struct parts *p)
{
	for (int i = 0; i < PARTS_LEVELS; i++) {
		close_tail(p, &p->tail[i]);
		free(p->tail[i].f);
		p->tail[i].f = NULL;
	}
}

/* Opens (or makes) the file that the hour's level is appended to. */
static int
open_tail(struct parts *p, enum parts_level level, int64_t hour, bool make, struct bl_err *err)
{
	const int flags =
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_SUPER_JOURNAL | (make ? SQLITE_OPEN_CREATE : 0);
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	struct parts_tail *t = &p->tail[level];
	sqlite3_int64 size = 0;
	int64_t from, to;
	int rc;

	parts_period(level, hour, &from, &to);
	if (t->open && t->from_unix_ms == from)
		return BL_OK;
	close_tail(p, t);
	if (vfs == NULL)
		return bl_fail(err, BL_EIO, "no VFS");
	if (t->f == NULL && (t->f = calloc(1, (size_t)vfs->szOsFile)) == NULL)
		return bl_fail(err, BL_ENOMEM, "open a part file: out of memory");
	memset(t->f, 0, (size_t)vfs->szOsFile);
	parts_path(p, level, hour, t->path);
	if (!make && access(t->path, F_OK) != 0)
		return bl_fail_errno(
		    err, errno == ENOENT ? BL_ENOTFOUND : BL_EIO, "open %s", t->path);
	if ((rc = vfs->xOpen(vfs, t->path, t->f, flags, NULL)) != SQLITE_OK) {
		if (t->f->pMethods != NULL)
			(void)t->f->pMethods->xClose(t->f);
		return vfs_fail(err, rc, "open", t->path);
	}
	t->open = true;
	t->from_unix_ms = from;
	t->dirty = false;
	if ((rc = t->f->pMethods->xFileSize(t->f, &size)) != SQLITE_OK) {
		close_tail(p, t);
		return vfs_fail(err, rc, "open", t->path);
	}
	t->end = size;
	return BL_OK;
}

int
parts_keep(
    struct parts *p, enum parts_level level, int64_t hour_unix_ms, int64_t end, struct bl_err *err)
{
	struct parts_tail *t = &p->tail[level];
	const int rc = open_tail(p, level, hour_unix_ms, true, err);

	if (rc == BL_OK && t->end < end)
		t->end = end;
	return rc;
}

int
parts_append(struct parts *p, enum parts_level level, int64_t hour_unix_ms, const void *data,
    size_t len, int64_t *offset, struct bl_err *err)
{
	struct parts_tail *t = &p->tail[level];
	size_t done = 0;
	int rc;

	if ((rc = open_tail(p, level, hour_unix_ms, true, err)) < 0)
		return rc;
	t->dirty = true;
	while (done < len) {
		const size_t n = len - done < WRITE_AT_ONCE ? len - done : WRITE_AT_ONCE;

		rc = t->f->pMethods->xWrite(
		    t->f, (const char *)data + done, (int)n, t->end + (int64_t)done);
		if (rc != SQLITE_OK) {
			(void)vfs_fail(err, rc, "write", t->path);
			/* As far as that goes; what stays is nobody's and is written over. */
			(void)t->f->pMethods->xTruncate(t->f, t->end);
			close_tail(p, t);
			return err->code;
		}
		done += n;
	}
	*offset = t->end;
	t->end += (int64_t)len;
	(void)pthread_mutex_lock(&p->lock);
	p->stats.bytes_written += len;
	(void)pthread_mutex_unlock(&p->lock);
	return BL_OK;
}

int
parts_sync(struct parts *p, struct bl_err *err)
{
	int rc = BL_OK;

	for (int i = 0; i < PARTS_LEVELS && rc == BL_OK; i++)
		rc = sync_tail(p, &p->tail[i], err);
	if (!p->sync_failed)
		return BL_OK;
	p->sync_failed = false;
	/* Pages that a failed sync carried may be gone: nothing is appended to these by the handles
	 * of before. */
	for (int i = 0; i < PARTS_LEVELS; i++)
		close_tail(p, &p->tail[i]);
	p->sync_failed = false;
	return rc < 0 ? rc : bl_fail(err, BL_EIO, "sync part files: an earlier sync failed");
}

int
parts_cut(
    struct parts *p, enum parts_level level, int64_t hour_unix_ms, int64_t end, struct bl_err *err)
{
	struct parts_tail *t = &p->tail[level];
	int rc;

	if ((rc = open_tail(p, level, hour_unix_ms, false, err)) < 0)
		return rc == BL_ENOTFOUND ? BL_OK : rc;
	if (t->end <= end)
		return BL_OK;
	if ((rc = t->f->pMethods->xTruncate(t->f, end)) != SQLITE_OK)
		return vfs_fail(err, rc, "cut", t->path);
	t->end = end;
	t->dirty = true;
	return sync_tail(p, t, err);
}

int
parts_punch(struct parts *p, const struct parts_region *g, struct bl_err *err)
{
	char path[PARTS_PATH_MAX];
	int fd, rc = BL_OK;

	parts_path(p, g->level, g->hour_unix_ms, path);
	if ((fd = open(path, O_RDWR | O_CLOEXEC)) < 0)
		return errno == ENOENT ? BL_OK : bl_fail_errno(err, BL_EIO, "open %s", path);
	if (g->bytes > 0 &&
	    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)g->offset,
		(off_t)g->bytes) != 0 &&
	    errno != EOPNOTSUPP && errno != ENOSYS)
		rc = bl_fail_errno(err, BL_EIO, "give back space of %s", path);
	(void)close(fd);
	return rc;
}

int
parts_delete(struct parts *p, enum parts_level level, int64_t hour_unix_ms, struct bl_err *err)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	struct parts_tail *t = &p->tail[level];
	char path[PARTS_PATH_MAX];
	int64_t from, to;
	int rc;

	parts_period(level, hour_unix_ms, &from, &to);
	if (t->open && t->from_unix_ms == from)
		close_tail(p, t);
	parts_forget_file(p, level, from);
	parts_path(p, level, hour_unix_ms, path);
	rc = vfs->xDelete(vfs, path, 1);
	if (rc != SQLITE_OK && rc != SQLITE_IOERR_DELETE_NOENT)
		return vfs_fail(err, rc, "delete", path);
	return BL_OK;
}
