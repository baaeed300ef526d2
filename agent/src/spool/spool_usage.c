/*
 * What the link carried, by month, and how much of this hour's budget is spent.
 *
 * The figures live in memory and are written as they stand with the next commit, so
 * that a commit of which nobody knows whether it worked can simply be repeated.
 * The table is made with the first of them: most devices pay by no byte.  A file
 * that replaces a damaged one gets the figures of its process; one that is set back
 * to a copy counts on from there.
 *
 * A row a month, its number being year * 12 + month - 1; row 0 is what was counted before
 * anybody knew the month, and goes into the first one that is known; row -1 is
 * the hour.
 */
#include <string.h>

#include "spool_internal.h"

#define HOUR_ROW (-1)

static const char table_sql[] =
    "CREATE TABLE usage(period INTEGER PRIMARY KEY, in_bytes INTEGER NOT NULL,"
    " out_bytes INTEGER NOT NULL, events INTEGER NOT NULL, probes INTEGER NOT NULL,"
    " host INTEGER NOT NULL, boot BLOB, ends_ms INTEGER NOT NULL, hour INTEGER NOT NULL)";
static const char read_sql[] =
    "SELECT period,in_bytes,out_bytes,events,probes,host,boot,ends_ms,hour FROM usage"
    " ORDER BY period";

/* ---- in memory ---- */

static void
other_bytes(struct bl_report_month *m)
{
	uint64_t data = 0;

	for (int i = 0; i < BL_STREAMS; i++)
		data += m->class_bytes[i];
	m->other_bytes = m->out_bytes > data ? m->out_bytes - data : 0;
}

/* The place of a month, made when it is not there; the oldest makes room.  Months ascend. */
static struct bl_report_month *
place_of(struct spool_usage *u, uint32_t month)
{
	uint32_t i = 0;

	while (i < u->n && u->month[i].month < month)
		i++;
	if (i < u->n && u->month[i].month == month)
		return &u->month[i];
	if (u->n == BL_REPORT_MONTHS_MAX) {
		if (i == 0)
			return NULL; /* older than all that are kept */
		memmove(&u->month[0], &u->month[1], (u->n - 1) * sizeof(u->month[0]));
		u->n--;
		i--;
	}
	memmove(&u->month[i + 1], &u->month[i], (u->n - i) * sizeof(u->month[0]));
	u->n++;
	u->month[i] = (struct bl_report_month){ .month = month };
	return &u->month[i];
}

static void
add_to(struct bl_report_month *m, const struct spool_usage_add *add)
{
	if (m == NULL)
		return;
	m->in_bytes += add->in_bytes;
	m->out_bytes += add->out_bytes;
	for (int i = 0; i < BL_STREAMS; i++)
		m->class_bytes[i] += add->class_bytes[i];
	other_bytes(m);
}

void
spool_usage_book(struct spool_usage *u, const struct spool_usage_add *add)
{
	if (add->hour.has)
		u->hour = add->hour;
	if (add->month != 0 && u->n > 0 && u->month[0].month == 0) {
		struct spool_usage_add before = { .in_bytes = u->month[0].in_bytes,
			.out_bytes = u->month[0].out_bytes };

		memcpy(before.class_bytes, u->month[0].class_bytes, sizeof(before.class_bytes));
		u->n--;
		memmove(&u->month[0], &u->month[1], u->n * sizeof(u->month[0]));
		add_to(place_of(u, add->month), &before);
	}
	if (add->in_bytes > 0 || add->out_bytes > 0)
		add_to(place_of(u, add->month), add);
}

void
spool_usage_add(struct spool *s, const struct spool_usage_add *add)
{
	spool_usage_book(&s->usage, add);
	s->usage_dirty = true;
}

/* ---- in the file ---- */

static void
take_row(struct spool_usage *u, sqlite3_stmt *st)
{
	const int64_t period = sqlite3_column_int64(st, 0);
	struct bl_report_month m = { .in_bytes = (uint64_t)sqlite3_column_int64(st, 1),
		.out_bytes = (uint64_t)sqlite3_column_int64(st, 2) };

	for (int i = 0; i < BL_STREAMS; i++)
		m.class_bytes[i] = (uint64_t)sqlite3_column_int64(st, 3 + i);
	if (period == HOUR_ROW) {
		u->hour = (struct spool_hour){ .has = true,
			.boot = db_column_id(st, 6),
			.ends_boot_ms = sqlite3_column_int64(st, 7),
			.hour = sqlite3_column_int64(st, 8),
			.used_bytes = m.out_bytes };
		memcpy(u->hour.class_bytes, m.class_bytes, sizeof(m.class_bytes));
	} else if (period >= 0 && period <= UINT32_MAX && u->n < BL_REPORT_MONTHS_MAX) {
		m.month = (uint32_t)period;
		other_bytes(&m);
		u->month[u->n++] = m;
	}
}

int
usage_read(sqlite3 *db, struct spool_usage *out)
{
	sqlite3_stmt *st = NULL;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = sqlite3_prepare_v2(db, read_sql, -1, &st, NULL);
	if (rc == SQLITE_ERROR)
		return SQLITE_OK; /* no such table: nothing was counted yet */
	while (rc == SQLITE_OK || rc == SQLITE_ROW)
		if ((rc = sqlite3_step(st)) == SQLITE_ROW)
			take_row(out, st);
	(void)sqlite3_finalize(st); /* its code is the step's */
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int
usage_load(struct spool *s, struct bl_err *err)
{
	int64_t there = 0;
	int rc;

	s->usage_fresh = false;
	if ((rc = db_number(
		 s, "SELECT count(*) FROM sqlite_schema WHERE name='usage'", &there, err)) < 0)
		return rc;
	s->usage_missing = there == 0;
	if (s->usage.n > 0 || s->usage.hour.has) {
		s->usage_dirty = true; /* opened again: what this process counted stands */
		return BL_OK;
	}
	if (there > 0 && (rc = usage_read(s->db, &s->usage)) != SQLITE_OK)
		return db_fail(s, rc, err, "read what the link carried");
	return BL_OK;
}

static int
make(struct spool *s, struct bl_err *err)
{
	const int rc = sqlite3_exec(s->db, table_sql, NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		return db_fail(s, rc, err, "make the table of what the link carried");
	s->usage_missing = false;
	s->usage_fresh = true;
	return layout_note(s, err);
}

static int
put_month(struct spool *s, const struct bl_report_month *m, struct bl_err *err)
{
	return db_run(s, Q_USAGE_PUT, err, "iiiiiinii", (int64_t)m->month, (int64_t)m->in_bytes,
	    (int64_t)m->out_bytes, (int64_t)m->class_bytes[0], (int64_t)m->class_bytes[1],
	    (int64_t)m->class_bytes[2], INT64_C(0), INT64_C(0));
}

static int
put_hour(struct spool *s, const struct spool_hour *h, struct bl_err *err)
{
	return db_run(s, Q_USAGE_PUT, err, "iiiiiidii", (int64_t)HOUR_ROW, INT64_C(0),
	    (int64_t)h->used_bytes, (int64_t)h->class_bytes[0], (int64_t)h->class_bytes[1],
	    (int64_t)h->class_bytes[2], &h->boot, h->ends_boot_ms, h->hour);
}

int
usage_write(struct spool *s, struct bl_err *err)
{
	const struct spool_usage *u = &s->usage;
	int rc = BL_OK;

	if (!s->usage_dirty)
		return BL_OK;
	if (s->usage_missing && (rc = make(s, err)) < 0)
		return rc;
	/* What was left out of memory meanwhile: row 0 once the month is known, and the oldest. */
	rc = db_run(s, Q_USAGE_DROP, err, "i", u->n > 0 ? (int64_t)u->month[0].month : 0);
	for (uint32_t i = 0; i < u->n && rc == BL_OK; i++)
		rc = put_month(s, &u->month[i], err);
	if (rc == BL_OK && u->hour.has)
		rc = put_hour(s, &u->hour, err);
	return rc;
}
