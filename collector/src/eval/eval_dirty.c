/*
 * Spans of which something new is known, waiting to be worked out: rows, so that
 * a crash forgets none.
 *
 * Only spans of one priority are joined: a month that a new definition made dirty
 * must not become as urgent as the minute that touches it.
 */
#include "eval_internal.h"

#include <stdio.h>
#include <string.h>

/* Joins two that touch; the result may touch a further one, so it is asked again. */
static int
join_one(struct sqlite3 *db, struct eval_span *s, struct bl_err *err)
{
	sqlite3_stmt *st;
	int64_t begin, end;
	int rc;

	rc = control_sql_kept(&st, db, err,
	    "SELECT begin_unix_ms, end_unix_ms FROM eval_dirty WHERE device = ? AND stream = ?"
	    " AND priority = ? AND begin_unix_ms <= ? AND end_unix_ms >= ? LIMIT 1",
	    "tiiii", s->device, (int64_t)s->stream, (int64_t)s->priority, s->end_unix_ms,
	    s->begin_unix_ms);
	if (rc < 0)
		return rc;
	if ((rc = control_sql_step(st, err)) <= 0) {
		control_sql_done(st);
		return rc;
	}
	begin = sqlite3_column_int64(st, 0);
	end = sqlite3_column_int64(st, 1);
	control_sql_done(st);
	rc = control_sql_run(db, err,
	    "DELETE FROM eval_dirty WHERE device = ? AND stream = ? AND priority = ?"
	    " AND begin_unix_ms = ?",
	    "tiii", s->device, (int64_t)s->stream, (int64_t)s->priority, begin);
	if (rc < 0)
		return rc;
	if (begin < s->begin_unix_ms)
		s->begin_unix_ms = begin;
	if (end > s->end_unix_ms)
		s->end_unix_ms = end;
	return 1;
}

void
eval_dirty_whole(struct eval_span *s)
{
	if (s->end_unix_ms <= s->begin_unix_ms)
		s->end_unix_ms = s->begin_unix_ms + 1;
}

int
eval_dirty_add(struct sqlite3 *db, const struct eval_span *span, struct bl_err *err)
{
	struct eval_span s = *span;
	int rc;

	eval_dirty_whole(&s);
	while ((rc = join_one(db, &s, err)) == 1)
		;
	if (rc < 0)
		return rc;
	return control_sql_run(db, err,
	    "INSERT INTO eval_dirty (device, stream, begin_unix_ms, end_unix_ms, priority)"
	    " VALUES (?, ?, ?, ?, ?)",
	    "tiiii", s.device, (int64_t)s.stream, s.begin_unix_ms, s.end_unix_ms,
	    (int64_t)s.priority);
}

int
eval_dirty_next(
    struct sqlite3 *db, bool with_events, struct eval_span *out, unsigned max, struct bl_err *err)
{
	sqlite3_stmt *st;
	unsigned n = 0;
	int rc;

	rc = control_sql_kept(&st, db, err,
	    "SELECT device, stream, begin_unix_ms, end_unix_ms, priority FROM eval_dirty"
	    " WHERE stream <> ? ORDER BY priority, end_unix_ms DESC LIMIT ?",
	    "ii", with_events ? (int64_t)0 : (int64_t)BL_STREAM_EVENTS, (int64_t)max);
	if (rc < 0)
		return rc;
	while (n < max && (rc = control_sql_step(st, err)) == 1) {
		struct eval_span *s = &out[n++];

		control_sql_text(st, 0, s->device, sizeof(s->device));
		s->stream = (enum bl_stream)sqlite3_column_int(st, 1);
		s->begin_unix_ms = sqlite3_column_int64(st, 2);
		s->end_unix_ms = sqlite3_column_int64(st, 3);
		s->priority = (enum eval_priority)sqlite3_column_int(st, 4);
	}
	control_sql_done(st);
	return rc < 0 ? rc : (int)n;
}

int
eval_dirty_done(
    struct sqlite3 *db, const struct eval_span *s, int64_t done_until, struct bl_err *err)
{
	struct eval_span rest = *s;
	int rc;

	rc = control_sql_run(db, err,
	    "DELETE FROM eval_dirty WHERE device = ? AND stream = ? AND priority = ?"
	    " AND begin_unix_ms = ?",
	    "tiii", s->device, (int64_t)s->stream, (int64_t)s->priority, s->begin_unix_ms);
	if (rc < 0 || done_until >= s->end_unix_ms)
		return rc;
	rest.begin_unix_ms = done_until;
	return eval_dirty_add(db, &rest, err);
}

struct site_spans {
	struct eval_tx *tx;
	struct eval_span span;
	int64_t begin, end;
	int rc;
	struct bl_err *err;
};

static bool
add_service(const struct roster_service *s, void *ctx)
{
	struct site_spans *l = ctx;

	(void)snprintf(l->span.device, sizeof(l->span.device), "%s", s->device);
	l->span.begin_unix_ms = l->begin > s->from_unix_ms ? l->begin : s->from_unix_ms;
	l->span.end_unix_ms = l->end < s->to_unix_ms ? l->end : s->to_unix_ms;
	l->rc = eval_dirty_add(l->tx->db, &l->span, l->err);
	return l->rc >= 0;
}

int
eval_dirty_site(struct eval_tx *tx, const char *site, int64_t begin, int64_t end,
    enum eval_priority priority, struct bl_err *err)
{
	struct site_spans l = {
		.tx = tx,
		.span = { .stream = BL_STREAM_EVENTS, .priority = priority },
		.begin = begin,
		.end = end,
		.err = err,
	};

	roster_in_service(tx->e->roster, site, begin, end, add_service, &l);
	return l.rc;
}
