/*
 * Status, and reading a spool's file from outside its daemon.
 *
 * A reader needs no lock of ours: WAL lets it read beside the daemon.  Where
 * it may not write the folder (no -shm can be made) and no log is left behind,
 * the file is read as immutable; with a log that it cannot index it is
 * refused, because the file alone would tell an old story.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "spool_internal.h"

int
db_code_plain(int sqlite_rc)
{
	switch (sqlite_rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_TOOBIG:
		return BL_ECORRUPT;
	case SQLITE_NOMEM:
		return BL_ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return BL_EBUSY;
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return BL_EDENIED;
	default:
		return BL_EIO;
	}
}

/* "file:" URI of a path: what has a meaning in a URI is escaped. */
static bool
uri_of(const char *path, const char *query, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, "file:");

	for (const char *p = path; *p != '\0'; p++) {
		if (n + 4 >= size)
			return false;
		if (*p == '?' || *p == '#' || *p == '%')
			n += (size_t)snprintf(out + n, size - n, "%%%02X", (unsigned char)*p);
		else
			out[n++] = *p;
	}
	return (size_t)snprintf(out + n, size - n, "%s", query) < size - n;
}

static int
number(sqlite3 *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	if (rc == SQLITE_OK) {
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW)
			*out = sqlite3_column_int64(st, 0);
	}
	(void)sqlite3_finalize(st); /* repeats the code above */
	return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;
}

/* One way of opening; reads something, because opening alone proves nothing. */
static int
try_open(sqlite3 **db, const char *path, const char *query, int64_t *version, int64_t *app)
{
	char uri[4096 * 3];
	int rc;

	if (!uri_of(path, query, uri, sizeof(uri)))
		return SQLITE_CANTOPEN;
	rc = sqlite3_open_v2(
	    uri, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK) {
		(void)sqlite3_busy_timeout(*db, 2000);
		(void)sqlite3_exec(*db, "PRAGMA cache_size=-64", NULL, NULL, NULL);
		rc = number(*db, "PRAGMA user_version", version);
	}
	if (rc == SQLITE_OK)
		rc = number(*db, "PRAGMA application_id", app);
	if (rc != SQLITE_OK) {
		(void)sqlite3_close(*db); /* only read */
		*db = NULL;
	}
	return rc;
}

bool
db_is_empty(const char *path)
{
	int64_t version = 0, app = 0, tables = 0;
	sqlite3 *db;
	int rc;

	if (access(path, F_OK) < 0)
		return errno == ENOENT;
	if (file_bytes(path, "") == 0)
		return true;
	if (try_open(&db, path, "", &version, &app) != SQLITE_OK)
		return false;
	rc = number(db, "SELECT count(*) FROM sqlite_schema", &tables);
	(void)sqlite3_close(db); /* only read */
	return rc == SQLITE_OK && tables == 0 && version == 0;
}

int
db_open_to_read(sqlite3 **db, const char *path, struct bl_err *err)
{
	int64_t version = 0, app = 0;
	int rc;

	*db = NULL;
	if (access(path, F_OK) < 0)
		return bl_fail_errno(
		    err, errno == EACCES ? BL_EDENIED : BL_ENOTFOUND, "read spool %s", path);
	if (access(path, R_OK) < 0)
		return bl_fail_errno(err, BL_EDENIED, "read spool %s", path);
	rc = try_open(db, path, "", &version, &app);
	if (((rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_READONLY) &&
	    file_bytes(path, "-wal") == 0)
		rc = try_open(db, path, "?immutable=1", &version, &app);
	if (rc != SQLITE_OK)
		return bl_fail(
		    err, db_code_plain(rc), "read spool %s: %s", path, sqlite3_errstr(rc));
	if (app == SPOOL_APPLICATION_ID && version >= 1 && version <= SPOOL_SCHEMA)
		return BL_OK;
	(void)sqlite3_close(*db); /* only read */
	*db = NULL;
	if (app == SPOOL_APPLICATION_ID && version > SPOOL_SCHEMA)
		return bl_fail(err, BL_ENEWER,
		    "spool %s: written by a newer version (schema %lld, this build knows %d); "
		    "left untouched: install the newer version, or move the file away",
		    path, (long long)version, SPOOL_SCHEMA);
	return bl_fail(err, BL_ECORRUPT, "read spool %s: not a spool", path);
}

/* ---- status ---- */

static void
stream_status(const struct spool_stream *m, struct spool_stream_status *out)
{
	out->next_seq = (uint64_t)m->next_seq;
	out->lowest_held = (uint64_t)m->next_seq;
	out->receipted_contiguous = (uint64_t)m->contiguous;
	out->held_batches = (uint64_t)m->held;
	out->held_bytes = (uint64_t)m->held_bytes;
	out->waiting_batches = (uint64_t)m->waiting;
	out->waiting_bytes = (uint64_t)m->waiting_bytes;
	out->open_samples = (uint64_t)m->open_samples;
	out->dropped_batches = (uint64_t)m->dropped_batches;
	out->dropped_samples = (uint64_t)m->dropped_samples;
}

static void
durable_status(const struct spool_durable *d, struct spool_status *out)
{
	out->spool = d->spool;
	out->predecessor = d->predecessor;
	out->epoch = d->epoch;
	out->accepted_samples = (uint64_t)d->samples;
	out->accepted_events = (uint64_t)d->events;
	out->last_commit_unix_ms = d->commit_unix_ms;
	out->last_receipt_unix_ms = d->receipt_unix_ms;
	out->gaps = (uint64_t)d->gaps;
	out->gaps_forgotten = (uint64_t)d->forgotten;
	out->connections = (uint64_t)d->connections;
	out->dict_version = (uint32_t)d->dict;
	out->clock_version = (uint32_t)d->clock;
	for (unsigned i = 0; i < BL_STREAMS; i++)
		stream_status(&d->stream[i], &out->stream[i]);
}

/* The boot's segments, ascending; how many. */
static unsigned
segments_of(sqlite3 *db, const struct bl_id *boot, struct bl_clock_segment *seg, unsigned max)
{
	sqlite3_stmt *st = NULL;
	unsigned n = 0;

	if (sqlite3_prepare_v2(db,
		"SELECT from_ms,offset_ms,uncertainty_ms,source FROM clock WHERE boot=?1"
		" ORDER BY id LIMIT ?2",
		-1, &st, NULL) == SQLITE_OK &&
	    sqlite3_bind_blob(st, 1, boot->b, BL_ID_BYTES, SQLITE_STATIC) == SQLITE_OK &&
	    sqlite3_bind_int64(st, 2, max) == SQLITE_OK)
		while (n < max && sqlite3_step(st) == SQLITE_ROW) {
			seg[n].id = n + 1;
			seg[n].boot = *boot;
			seg[n].from_boot_ms = sqlite3_column_int64(st, 0);
			seg[n].offset_ms = sqlite3_column_int64(st, 1);
			seg[n].uncertainty_ms = (uint32_t)sqlite3_column_int64(st, 2);
			seg[n].source = (enum bl_clock_source)sqlite3_column_int(st, 3);
			n++;
		}
	(void)sqlite3_finalize(st); /* without them the time is unknown, and said so */
	return n;
}

/* The oldest that waits, and the lowest held, of one stream.  An SQLite code. */
static int
stream_edges(sqlite3 *db, int64_t gen, enum bl_stream stream, struct spool_stream_status *out)
{
	struct bl_clock_segment seg[64];
	uint32_t uncertainty_ms;
	struct bl_id boot;
	sqlite3_stmt *st = NULL;
	int rc;

	rc = sqlite3_prepare_v2(
	    db, "SELECT min(id) FROM batch WHERE id>=?1 AND id<=?2", -1, &st, NULL);
	if (rc != SQLITE_OK)
		return rc;
	(void)sqlite3_bind_int64(st, 1, batch_id(gen, stream, 0));
	(void)sqlite3_bind_int64(st, 2, batch_id(gen, stream, UINT64_MAX));
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
		out->lowest_held = batch_seq(sqlite3_column_int64(st, 0));
	(void)sqlite3_finalize(st); /* repeats the code above */
	if (rc != SQLITE_ROW)
		return rc;

	rc = sqlite3_prepare_v2(db,
	    "SELECT boot,begin_ms FROM batch WHERE receipted_unix_ms IS NULL AND id>=?1 AND id<=?2"
	    " ORDER BY id LIMIT 1",
	    -1, &st, NULL);
	if (rc != SQLITE_OK)
		return rc;
	(void)sqlite3_bind_int64(st, 1, batch_id(gen, stream, 0));
	(void)sqlite3_bind_int64(st, 2, batch_id(gen, stream, UINT64_MAX));
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		boot = db_column_id(st, 0);
		if (!bl_clock_place(seg, segments_of(db, &boot, seg, 64), &boot,
			sqlite3_column_int64(st, 1), &out->oldest_waiting_unix_ms, &uncertainty_ms))
			out->oldest_waiting_unix_ms = 0;
	}
	(void)sqlite3_finalize(st); /* repeats the code above */
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int
edges(sqlite3 *db, const struct spool_durable *d, struct spool_status *out)
{
	struct bl_clock_segment seg[64];
	const unsigned n = segments_of(db, &d->boot, seg, 64);
	int rc = SQLITE_OK;

	for (unsigned i = 0; i < n; i++)
		out->clock_trusted = out->clock_trusted || seg[i].source != BL_CLOCK_UNTRUSTED;
	for (unsigned i = 0; i < BL_STREAMS && rc == SQLITE_OK; i++)
		rc = stream_edges(db, d->gen, (enum bl_stream)(i + 1), &out->stream[i]);
	return rc;
}

int
spool_status(struct spool *s, struct spool_status *out, struct bl_err *err)
{
	int rc;

	memset(out, 0, sizeof(*out));
	(void)snprintf(out->device, sizeof(out->device), "%s", s->device);
	out->max_bytes = s->max_bytes;
	out->reserve_gone = s->disk_full && s->ballast_bytes > 0;
	out->file_bytes = file_bytes(s->path, "") + file_bytes(s->path, "-wal");
	durable_status(&s->d, out);
	out->usage = s->usage;
	if (s->db == NULL)
		return bl_fail(err, BL_EIO, "spool %s: not open after an error", s->path);
	rc = edges(s->db, &s->d, out);
	return rc == SQLITE_OK ? BL_OK : db_fail(s, rc, err, "status");
}

int
spool_status_of_file(const char *path, struct spool_status *out, struct bl_err *err)
{
	struct spool_durable d;
	sqlite3 *db;
	int rc;

	memset(out, 0, sizeof(*out));
	if ((rc = db_open_to_read(&db, path, err)) < 0)
		return rc;
	/* One snapshot for all that follows. */
	rc = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = durable_load(db, &d, out->device, sizeof(out->device));
	if (rc == SQLITE_OK) {
		durable_status(&d, out);
		rc = edges(db, &d, out);
	}
	if (rc == SQLITE_OK)
		rc = usage_read(db, &out->usage);
	out->file_bytes = file_bytes(path, "") + file_bytes(path, "-wal");
	if (rc != SQLITE_OK)
		(void)bl_fail(
		    err, db_code_plain(rc), "read spool %s: %s", path, sqlite3_errmsg(db));
	(void)sqlite3_close(db); /* only read */
	return rc == SQLITE_OK ? BL_OK : db_code_plain(rc);
}
