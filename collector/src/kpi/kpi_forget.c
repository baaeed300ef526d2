/*
 * Retention: rows of minutes and hours go when their time is over; days stay.
 *
 * A larger window is made anew from the rows below it whenever one of them changes, so what
 * is taken away closes what it would go into: kpi_kept says how far, and kpi_compute leaves what
 * begins before alone.  The instant is written before the first row goes.
 */
#include "kpi_internal.h"

#include <stdio.h>
#include <string.h>

#include "control_sql.h"

#define HOUR_MS 3600000LL
/* Longer than an hour and than what a rule looks at together of such windows (6 h of five minutes);
 * longer than a day is in any zone and than a rule looks at of hours (48 h). */
#define MINUTES_MARGIN_MS (8 * HOUR_MS)
#define HOURS_MARGIN_MS   (72 * HOUR_MS)
#define RAW_MARGIN_MS     (26 * HOUR_MS) /* a window, and how far its neighbours may be */
#define PLACES_MAX        200u /* (KPI, window, site) of one slice, with or without rows to go */

enum level { RAW = 0, MINUTES = 1, HOURS = 3 };

/* Revisions and cells first: what is shown goes before what it was made from. */
static const char *const tables[] = { "kpi_revision", "kpi_cell", "kpi_part" };
#define N_TABLES ((int)(sizeof(tables) / sizeof(tables[0])))

/* ---- what is closed ---- */

int
kpi_closed_load(struct sqlite3 *db, struct kpi_closed *out, struct bl_err *err)
{
	static const char sql[] = "SELECT from_unix_ms FROM kpi_kept WHERE level = ?";
	int rc;

	if ((rc = control_sql_int(db, err, INT64_MIN, &out->raw_unix_ms, sql, "i", (int64_t)RAW)) <
	    0)
		return rc;
	if ((rc = control_sql_int(
		 db, err, INT64_MIN, &out->minutes_unix_ms, sql, "i", (int64_t)MINUTES)) < 0)
		return rc;
	return control_sql_int(db, err, INT64_MIN, &out->hours_unix_ms, sql, "i", (int64_t)HOURS);
}

static void
raise_to(int64_t *at, int64_t from, int64_t margin)
{
	if (from != INT64_MIN && from + margin > *at)
		*at = from + margin;
}

int64_t
kpi_closed_at(const struct kpi_closed *c, int code, enum bl_stream stream)
{
	int64_t at = INT64_MIN;

	/* Its hour has all its minutes, its day all its hours, it has all its samples and the
	 * neighbours of the first. */
	if (code == BL_WINDOW_1M || code == BL_WINDOW_5M)
		raise_to(&at, c->minutes_unix_ms, MINUTES_MARGIN_MS);
	raise_to(&at, c->hours_unix_ms, HOURS_MARGIN_MS);
	if (stream != BL_STREAM_EVENTS) /* steps are read from cases, which stay */
		raise_to(&at, c->raw_unix_ms, RAW_MARGIN_MS);
	return at;
}

/* ---- how far a round goes ---- */

static int64_t
whole_hour(int64_t unix_ms)
{
	return unix_ms - (unix_ms % HOUR_MS + HOUR_MS) % HOUR_MS;
}

static int
keep_from(sqlite3 *db, enum level level, int64_t *from, int64_t wanted, struct bl_err *err)
{
	if (wanted <= *from)
		return BL_OK;
	*from = wanted;
	return control_sql_run(db, err,
	    "INSERT INTO kpi_kept (level, from_unix_ms) VALUES (?, ?)"
	    " ON CONFLICT (level) DO UPDATE SET from_unix_ms = excluded.from_unix_ms",
	    "ii", (int64_t)level, wanted);
}

/* Before what is provisional, and what it and the rules about it are made from. */
static int
before_provisional(sqlite3 *db, int64_t *before, struct bl_err *err)
{
	int64_t end;
	const int rc = control_sql_int(
	    db, err, INT64_MAX, &end, "SELECT min(end_unix_ms) FROM kpi_cell WHERE state = 0", "");

	if (rc >= 0 && end != INT64_MAX && end - HOURS_MARGIN_MS < *before)
		*before = end - HOURS_MARGIN_MS;
	return rc;
}

static int64_t
wanted(const struct kpi_forget_opts *o, int64_t keep_ms, int64_t before)
{
	const int64_t from = o->now_unix_ms - keep_ms;

	return keep_ms <= 0 ? INT64_MIN : whole_hour(from < before ? from : before);
}

static int
begin_round(
    struct kpi_forgetting *f, sqlite3 *db, const struct kpi_forget_opts *o, struct bl_err *err)
{
	int64_t before = o->before_unix_ms;
	int rc;

	if ((rc = kpi_closed_load(db, &f->from, err)) < 0 ||
	    (rc = before_provisional(db, &before, err)) < 0 ||
	    (rc = keep_from(
		 db, RAW, &f->from.raw_unix_ms, wanted(o, o->keep.raw_ms, INT64_MAX), err)) < 0 ||
	    (rc = keep_from(db, MINUTES, &f->from.minutes_unix_ms,
		 wanted(o, o->keep.minutes_ms, before), err)) < 0 ||
	    (rc = keep_from(
		 db, HOURS, &f->from.hours_unix_ms, wanted(o, o->keep.hours_ms, before), err)) < 0)
		return rc;
	f->hour_unix_ms = whole_hour(o->now_unix_ms);
	f->table = 0;
	f->window = 0;
	f->kpi[0] = f->site[0] = '\0';
	f->under_way = true;
	return BL_OK;
}

/* ---- a slice ---- */

struct slice {
	struct kpi_forgetting *f;
	sqlite3 *db;
	const struct kpi_forget_opts *o;
	unsigned left;
	struct bl_err *err;
};

/* The next (KPI, window, site) of this table.  1: there is one; 0: none. */
static int
next_place(struct slice *s)
{
	char sql[160];
	sqlite3_stmt *st;
	int rc;

	(void)snprintf(sql, sizeof(sql),
	    "SELECT kpi, window, site FROM %s WHERE (kpi, window, site) > (?, ?, ?)"
	    " ORDER BY kpi, window, site LIMIT 1",
	    tables[s->f->table]);
	rc = control_sql_prepare(
	    &st, s->db, s->err, sql, "tit", s->f->kpi, (int64_t)s->f->window, s->f->site);
	if (rc < 0)
		return rc;
	if ((rc = control_sql_step(st, s->err)) == 1) {
		control_sql_text(st, 0, s->f->kpi, sizeof(s->f->kpi));
		s->f->window = sqlite3_column_int(st, 1);
		control_sql_text(st, 2, s->f->site, sizeof(s->f->site));
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc;
}

/* Rows of this place that begin before may go; INT64_MIN: none may. */
static int
going_before(const struct slice *s, int64_t *out)
{
	const struct kpi_forgetting *f = s->f;

	switch (f->window) {
	case BL_WINDOW_1M:
	case BL_WINDOW_5M:
		*out = f->from.minutes_unix_ms;
		break;
	case BL_WINDOW_1H:
	case KPI_DAY_HOURS: /* hours do not begin on whole ones everywhere */
		*out = f->from.hours_unix_ms == INT64_MIN ? INT64_MIN
							  : f->from.hours_unix_ms - HOUR_MS;
		break;
	default:
		*out = INT64_MIN;
	}
	if (*out == INT64_MIN || s->o->needed == NULL)
		return BL_OK;
	return s->o->needed(s->o->ctx, s->db, f->site, out, s->err);
}

/* Where this slice has to end: the begin of the row behind as many as are left; else before. */
static int
cut_short(const struct slice *s, int64_t before, int64_t *out)
{
	char sql[200];

	(void)snprintf(sql, sizeof(sql),
	    "SELECT begin_unix_ms FROM %s WHERE kpi = ? AND window = ? AND site = ?"
	    " AND begin_unix_ms < ? ORDER BY begin_unix_ms LIMIT 1 OFFSET ?",
	    tables[s->f->table]);
	return control_sql_int(s->db, s->err, before, out, sql, "titii", s->f->kpi,
	    (int64_t)s->f->window, s->f->site, before, (int64_t)s->left);
}

/* 1: there is more here. */
static int
take_away(struct slice *s, int64_t before)
{
	int64_t cut;
	char sql[160];
	unsigned n;
	int rc;

	if ((rc = cut_short(s, before, &cut)) < 0)
		return rc;
	/* Up to and with it: all rows of one instant go together, so it always gets on. */
	(void)snprintf(sql, sizeof(sql),
	    "DELETE FROM %s WHERE kpi = ? AND window = ? AND site = ? AND begin_unix_ms %s ?",
	    tables[s->f->table], cut < before ? "<=" : "<");
	rc = control_sql_run(
	    s->db, s->err, sql, "titi", s->f->kpi, (int64_t)s->f->window, s->f->site, cut);
	if (rc < 0)
		return rc;
	n = (unsigned)sqlite3_changes(s->db);
	s->f->rows += n;
	s->left -= n < s->left ? n : s->left;
	return cut < before;
}

/* 1: the place is done; 0: not yet. */
static int
do_place(struct slice *s)
{
	int64_t before;
	int rc;

	if ((rc = going_before(s, &before)) < 0 || before == INT64_MIN)
		return rc < 0 ? rc : 1;
	rc = take_away(s, before);
	return rc < 0 ? rc : rc == 0;
}

/* The place that was not finished is gone to again: in front of it. */
static void
stay(struct kpi_forgetting *f, const struct kpi_forgetting *before)
{
	f->window = before->window;
	memcpy(f->kpi, before->kpi, sizeof(f->kpi));
	memcpy(f->site, before->site, sizeof(f->site));
}

static int
do_slice(struct slice *s)
{
	struct kpi_forgetting *f = s->f;
	int rc;

	for (unsigned places = 0; places < PLACES_MAX && s->left > 0; places++) {
		const struct kpi_forgetting before = *f;

		if ((rc = next_place(s)) < 0)
			return rc;
		if (rc == 0) {
			f->window = 0;
			f->kpi[0] = f->site[0] = '\0';
			if (++f->table == N_TABLES)
				return 0;
			continue;
		}
		if ((rc = do_place(s)) < 0)
			return rc;
		if (rc == 0)
			stay(f, &before);
	}
	return 1;
}

bool
kpi_forget_due(const struct kpi_forgetting *f, int64_t now_unix_ms)
{
	return f->under_way || f->hour_unix_ms != whole_hour(now_unix_ms);
}

int
kpi_forget(struct kpi_forgetting *f, struct sqlite3 *db, const struct kpi_forget_opts *opts,
    struct bl_err *err)
{
	struct slice s = { .f = f, .db = db, .o = opts, .left = opts->rows, .err = err };
	int rc;

	if (!kpi_forget_due(f, opts->now_unix_ms))
		return 0;
	if (!f->under_way && (rc = begin_round(f, db, opts, err)) < 0)
		return rc;
	if ((rc = do_slice(&s)) == 0)
		f->under_way = false;
	return rc;
}
