/* The store in figures. */
#include <string.h>
#include <sys/stat.h>

#include "store_read_internal.h"

static int64_t
file_bytes(const char *path, const char *suffix)
{
	char name[4096];
	struct stat sb;
	const size_t len = strlen(path), more = strlen(suffix) + 1;

	if (len + more > sizeof(name))
		return 0;
	memcpy(name, path, len);
	memcpy(name + len, suffix, more);
	return stat(name, &sb) == 0 ? (int64_t)sb.st_size : 0;
}

static int
aside_counts(struct store_read *r, struct store_totals *t, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_ASIDE_COUNT, err, "");
	int rc;

	while ((rc = read_step(r, st, err)) == 1) {
		const int reason = sqlite3_column_int(st, 0);

		if (reason >= 1 && reason <= STORE_ASIDE_REASONS)
			t->set_aside_by[reason - 1] = (uint64_t)sqlite3_column_int64(st, 1);
	}
	return rc;
}

int
store_read_totals(struct store_read *r, struct store_totals *t, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_TOTAL, err, "");
	int rc;

	memset(t, 0, sizeof(*t));
	t->created_unix_ms = t->last_commit_unix_ms = STORE_TIME_NONE;
	if ((rc = read_step(r, st, err)) < 0)
		return rc;
	if (rc == 1) {
		t->lsn = sqlite3_column_int64(st, 0);
		t->last_commit_unix_ms = store_column_time(st, 1);
		t->batches = (uint64_t)sqlite3_column_int64(st, 2);
		t->samples = (uint64_t)sqlite3_column_int64(st, 3);
		t->events = (uint64_t)sqlite3_column_int64(st, 4);
		t->duplicates = (uint64_t)sqlite3_column_int64(st, 5);
		t->conflicts = (uint64_t)sqlite3_column_int64(st, 6);
		t->set_aside_refused = (uint64_t)sqlite3_column_int64(st, 7);
		t->requeued = (uint64_t)sqlite3_column_int64(st, 8);
		(void)sqlite3_reset(st);
	}
	st = read_bind(r, READ_EPOCH, err, "");
	if ((rc = read_step(r, st, err)) == 1) {
		store_column_id(st, 0, &t->epoch);
		(void)sqlite3_reset(st);
	}
	if (rc < 0)
		return rc;
	st = read_bind(r, READ_COUNTS, err, "");
	if ((rc = read_step(r, st, err)) == 1) {
		t->gaps = (uint64_t)sqlite3_column_int64(st, 0);
		t->set_aside = (uint64_t)sqlite3_column_int64(st, 1);
		t->unplaced_batches = (uint64_t)sqlite3_column_int64(st, 2);
		t->devices = (uint64_t)sqlite3_column_int64(st, 3);
		t->spools = (uint64_t)sqlite3_column_int64(st, 4);
		t->series = (uint64_t)sqlite3_column_int64(st, 5);
		t->created_unix_ms = store_column_time(st, 6);
		(void)sqlite3_reset(st);
	}
	if (rc < 0 || (rc = aside_counts(r, t, err)) < 0 || (rc = read_gap_sums(r, t, err)) < 0 ||
	    (rc = store_read_unexplained(r, NULL, &t->unexplained, err)) < 0)
		return rc;
	t->store_bytes = file_bytes(r->path, "") + file_bytes(r->path, "-wal");
	return BL_OK;
}
