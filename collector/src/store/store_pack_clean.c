/*
 * What goes: rows of batches that are in parts, parts and batches past their retention, parts
 * of which everything lies elsewhere.  In slices, each in a transaction of its own.
 *
 * Rows of batches go in the order of their ids, which is that of the file's pages: so each
 * page changes once, and not once for each device that has a row on it.  The newest
 * batch stays until there is a newer one: SQLite would give its id again, and the log's ids
 * never come twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_internal.h"

static int
by_id(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int
store_pack_clean_later(struct store *s, int64_t *ids, size_t n, struct bl_err *err)
{
	const int64_t after = s->now_unix_ms + STORE_PACK_GRACE_MS;
	int64_t before = 0;
	struct bl_buf b;
	int rc;

	qsort(ids, n, sizeof(*ids), by_id);
	bl_buf_init(&b, n * 10 + 1);
	for (size_t i = 0; i < n; i++) {
		bl_buf_varint(&b, (uint64_t)(ids[i] - before));
		before = ids[i];
	}
	if (b.failed)
		rc = bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
	else
		rc = store_run(s, SQL_CLEAN_ADD, err, "iib", after, (int64_t)n, b.data, b.len);
	bl_buf_free(&b);
	return rc;
}

void
store_pack_clean_stop(struct store *s)
{
	free(s->clean.ids);
	memset(&s->clean, 0, sizeof(s->clean));
}

/* The ids of one row behind those that were read.  False: out of memory. */
static bool
take_ids(struct pack_clean *c, sqlite3_stmt *st)
{
	const size_t n = (size_t)sqlite3_column_int64(st, 2);
	struct bl_rd rd;
	int64_t *more, id = 0;

	bl_rd_init(&rd, sqlite3_column_blob(st, 3), (size_t)sqlite3_column_bytes(st, 3));
	if ((more = realloc(c->ids, (c->n + n + 1) * sizeof(*more))) == NULL)
		return false;
	c->ids = more;
	for (size_t i = 0; i < n && !rd.failed; i++) {
		id += (int64_t)bl_rd_varint(&rd);
		c->ids[c->n++] = id;
	}
	return true;
}

/* Everything whose grace is over, in one order. */
static int
load(struct store *s, struct bl_err *err)
{
	struct pack_clean *c = &s->clean;
	int rc;

	for (;;) {
		sqlite3_stmt *st = store_bind(s, SQL_CLEAN_GET, err, "i", c->upto);

		if ((rc = store_step(s, st, err)) <= 0)
			break;
		if (sqlite3_column_int64(st, 1) > s->now_unix_ms) {
			(void)sqlite3_reset(st);
			break;
		}
		/* A row that does not hold is passed over: its batches stay, and are in parts. */
		c->upto = sqlite3_column_int64(st, 0);
		if (sqlite3_column_int(st, 4) != 0 && !take_ids(c, st))
			rc = bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
		(void)sqlite3_reset(st);
		if (rc < 0)
			break;
	}
	if (c->n > 1)
		qsort(c->ids, c->n, sizeof(*c->ids), by_id);
	return rc < 0 ? rc : BL_OK;
}

static int
remove_one(struct store *s, int64_t id, bool marks, struct bl_err *err)
{
	int rc = store_run(s, SQL_BATCH_REMOVE, err, "i", id);

	return rc < 0 || !marks ? rc : store_run(s, SQL_MARK_REMOVE, err, "i", id);
}

/* 1: there is one; 0; negative. */
static int
any(struct store *s, enum store_sql which, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, which, err, "");
	const int rc = store_step(s, st, err);

	if (rc == 1)
		(void)sqlite3_reset(st);
	return rc;
}

static int
newest(struct store *s, int64_t *out, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_BATCH_LAST, err, "");
	int rc = store_step(s, st, err);

	*out = 0;
	if (rc == 1) {
		*out = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

int
store_pack_clean(struct store *s, unsigned rows, struct bl_err *err)
{
	struct pack_clean *c = &s->clean;
	int64_t last = 0, kept = 0;
	int rc = BL_OK, marks;

	if (c->ids == NULL && (rc = load(s, err)) < 0)
		return rc;
	if (c->upto == 0)
		return BL_OK; /* nothing is there yet */
	if ((rc = newest(s, &last, err)) < 0 || (marks = rc = any(s, SQL_MARK_ANY, err)) < 0)
		return rc;
	for (; c->at < c->n && rows > 0; c->at++, rows--) {
		if (c->ids[c->at] >= last)
			kept = c->ids[c->at];
		else if ((rc = remove_one(s, c->ids[c->at], marks == 1, err)) < 0)
			return rc;
	}
	if (c->at < c->n)
		return 1;
	/* What a crash leaves of this is done again: what is gone is gone. */
	if ((rc = store_run(s, SQL_CLEAN_DONE, err, "i", c->upto)) < 0)
		return rc;
	free(c->ids);
	memset(c, 0, sizeof(*c));
	return kept == 0 ? 0 : store_pack_clean_later(s, &kept, 1, err);
}

/* ---- retention ---- */

/* The places of all devices: 1: there may be more. */
static int
forget_places(struct store *s, int64_t before, unsigned *rows, struct bl_err *err)
{
	while (*rows > 0) {
		sqlite3_stmt *st = store_bind(s, SQL_FORGET_DEVICE, err, "i", s->forget_device);
		int rc = store_step(s, st, err);
		bool none;

		if (rc < 0)
			return rc;
		none = sqlite3_column_type(st, 0) == SQLITE_NULL;
		s->forget_device = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
		if (none) {
			s->forget_device = 0;
			return 0;
		}
		if ((rc = store_run(s, SQL_FORGET_PLACES, err, "ii", s->forget_device, before)) < 0)
			return rc;
		(*rows)--;
	}
	return 1;
}

static int
remove_part(struct store *s, int64_t id, struct bl_err *err)
{
	const int rc = store_run(s, SQL_HIDDEN_REMOVE, err, "i", id);

	return rc < 0 ? rc : store_run(s, SQL_PART_REMOVE, err, "i", id);
}

/* 1: one was found and changed. */
static int
forget_one(struct store *s, enum parts_level level, int64_t before, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_FORGET_GET, err, "ii", before, (int64_t)level);
	int64_t id, m5;
	int rc = store_step(s, st, err);

	if (rc <= 0)
		return rc;
	id = sqlite3_column_int64(st, 0);
	m5 = level == PARTS_RAW ? sqlite3_column_int64(st, 8) : 0;
	(void)sqlite3_reset(st);
	if (level == PARTS_H1)
		rc = remove_part(s, id, err);
	else
		rc = store_run(s, SQL_FORGET_SET, err, "iii", id, (int64_t)0, m5);
	return rc < 0 ? rc : 1;
}

int
store_pack_forget(struct store *s, enum parts_level level, int64_t before_unix_ms, unsigned rows,
    struct bl_err *err)
{
	int rc;

	if (level == PARTS_H1 && (rc = forget_places(s, before_unix_ms, &rows, err)) != 0)
		return rc;
	for (; rows > 0; rows--)
		if ((rc = forget_one(s, level, before_unix_ms, err)) <= 0)
			break;
	if (rows == 0)
		return 1;
	if (rc < 0)
		return rc;
	return store_run(s, SQL_DEAD_FORGET, err, "ii", (int64_t)level, before_unix_ms);
}

/*
 * Ids come in order of arrival, so the walk ends at the first one that came later.  The newest
 * stays, whatever its age.
 */
int
store_pack_forget_batches(
    struct store *s, int64_t before_unix_ms, unsigned rows, struct bl_err *err)
{
	int64_t last = 0;
	int rc;

	if ((rc = newest(s, &last, err)) < 0)
		return rc;
	for (; rows > 0; rows--) {
		sqlite3_stmt *st = store_bind(s, SQL_BATCH_OLD, err, "");
		int64_t id, arrived;

		if ((rc = store_step(s, st, err)) <= 0)
			return rc;
		id = sqlite3_column_int64(st, 0);
		arrived = sqlite3_column_int64(st, 1);
		(void)sqlite3_reset(st);
		if (id >= last || arrived >= before_unix_ms)
			return store_run(
			    s, SQL_DUE_FORGET, err, "ii", STORE_DUE_NEVER, before_unix_ms);
		if ((rc = remove_one(s, id, true, err)) < 0)
			return rc;
	}
	return 1;
}

int
store_pack_sweep(struct store *s, unsigned rows, struct bl_err *err)
{
	for (; rows > 0; rows--) {
		sqlite3_stmt *st = store_bind(s, SQL_SWEEP_GET, err, "");
		int64_t v[8];
		int rc = store_step(s, st, err);

		if (rc <= 0)
			return rc;
		for (int i = 0; i < 8; i++)
			v[i] = sqlite3_column_int64(st, i);
		(void)sqlite3_reset(st);
		for (int i = 0; i < PARTS_LEVELS && rc >= 0; i++)
			if (v[3 + 2 * i] > 0)
				rc = store_run(s, SQL_DEAD_ADD, err, "iiiii", (int64_t)i, v[1],
				    v[2 + 2 * i], v[3 + 2 * i], s->now_unix_ms);
		if (rc < 0 || (rc = remove_part(s, v[0], err)) < 0)
			return rc;
	}
	return 1;
}

int
store_pack_shrink(struct store *s, unsigned pages, struct bl_err *err)
{
	char sql[64];

	(void)snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%u)", pages);
	return store_exec(s->db, sql, err);
}

int
store_pack_dead_gone(struct store *s, int64_t id, struct bl_err *err)
{
	return store_run(s, SQL_DEAD_REMOVE, err, "i", id);
}
