/*
 * Sections of runs become findings.
 *
 * A stretch reaches from the nearest FALSE run before what changed to the nearest
 * one after it, within one version: nothing outside can look different for it.
 * All sections in it go into one finding, so that an incident which is split or
 * joined is matched as a whole.
 */
#include "rule_internal.h"

#include <stdlib.h>

struct stretch {
	const struct rule_env *e;
	const struct define_rule *v;
	const char *site;
	struct rule_finding f;
	char *facts[RULE_FINDING_MAX];
	/* the section that is being read, without the FALSE runs around it */
	struct rule_piece *piece;
	struct bl_run *run;
	size_t n, size;
	struct bl_err *err;
};

static int
tell(struct stretch *s, int64_t end)
{
	int rc = BL_OK;

	s->f.end_unix_ms = end;
	if (s->f.begin_unix_ms < end)
		rc = s->e->found(s->e->ctx, &s->f, s->err);
	for (size_t i = 0; i < s->f.n; i++)
		free(s->facts[i]);
	s->f.n = 0;
	s->f.begin_unix_ms = end;
	return rc < 0 ? rc : BL_OK;
}

static int
grow(struct stretch *s)
{
	const size_t size = s->size == 0 ? 64 : 2 * s->size;
	struct rule_piece *piece = realloc(s->piece, size * sizeof(*piece));
	struct bl_run *run;

	if (piece == NULL)
		return bl_fail(s->err, BL_ENOMEM, "section of a rule: out of memory");
	s->piece = piece;
	if ((run = realloc(s->run, size * sizeof(*run))) == NULL)
		return bl_fail(s->err, BL_ENOMEM, "section of a rule: out of memory");
	s->run = run;
	s->size = size;
	return BL_OK;
}

static int
add(struct stretch *s, const struct rule_piece *p)
{
	int rc;

	if (s->n > 0 && rule_piece_join(&s->piece[s->n - 1], p)) {
		s->run[s->n - 1] = s->piece[s->n - 1].run;
		return BL_OK;
	}
	if (s->n == RULE_RUNS_MAX) /* beyond: the rest waits for the next FALSE */
		return BL_OK;
	if (s->n == s->size && (rc = grow(s)) < 0)
		return rc;
	s->piece[s->n] = *p;
	s->run[s->n++] = p->run;
	return BL_OK;
}

/* The section ends: at the FALSE that begins there, at the version's end, or not yet. */
static int
close_section(struct stretch *s, int64_t closed_at)
{
	struct bl_interval at;
	int rc;

	if (s->n == 0 || !bl_rule_section(s->run, s->n, s->v->for_windows, closed_at, &at)) {
		s->n = 0;
		return BL_OK;
	}
	if (at.last_true_unix_ms > at.end_unix_ms) /* a window may reach over the version's end */
		at.last_true_unix_ms = at.end_unix_ms;
	rc = rule_facts(s->e, s->v, s->site, s->piece, s->n, &at, &s->facts[s->f.n], s->err);
	s->n = 0;
	if (rc < 0)
		return rc;
	s->f.at[s->f.n] = at;
	s->f.facts[s->f.n] = s->facts[s->f.n];
	s->f.n++;
	return s->f.n == RULE_FINDING_MAX && closed_at != BL_RULE_OPEN ? tell(s, closed_at) : BL_OK;
}

/* The FALSE run before the stretch: from where to read, and where it ends.  1: there is one. */
static int
find_before(struct stretch *s, int64_t begin, int64_t *read_from)
{
	sqlite3_stmt *st;
	int rc;

	*read_from = s->v->head.from_unix_ms;
	s->f.begin_unix_ms = s->v->head.from_unix_ms;
	rc = control_sql_prepare(&st, s->e->db, s->err,
	    "SELECT begin_unix_ms, end_unix_ms FROM rule_run WHERE rule = ? AND subject = ?"
	    " AND begin_unix_ms < ? AND begin_unix_ms >= ? AND version = ? AND outcome = 0"
	    " ORDER BY begin_unix_ms DESC LIMIT 1",
	    "ttiii", s->v->head.id, s->site, begin, s->v->head.from_unix_ms, s->v->head.version);
	if (rc < 0)
		return rc;
	if ((rc = control_sql_step(st, s->err)) == 1) {
		*read_from = sqlite3_column_int64(st, 0);
		s->f.begin_unix_ms = sqlite3_column_int64(st, 1);
		if (s->f.begin_unix_ms > begin)
			s->f.begin_unix_ms = begin;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc;
}

/* Reads runs until a FALSE one that reaches over `end`; *closed: where that begins. */
static int
read_sections(struct stretch *s, sqlite3_stmt *st, int64_t end, int64_t *closed)
{
	struct rule_piece p;
	int rc;

	*closed = BL_RULE_OPEN;
	while ((rc = control_sql_step(st, s->err)) == 1) {
		rule_piece_of(st, &p);
		rc = p.run.outcome == BL_OUTCOME_FALSE ? close_section(s, p.run.begin_unix_ms)
						       : add(s, &p);
		if (rc < 0)
			return rc;
		if (p.run.outcome == BL_OUTCOME_FALSE && p.run.end_unix_ms > end) {
			*closed = p.run.begin_unix_ms > end ? p.run.begin_unix_ms : end;
			return BL_OK;
		}
	}
	return rc;
}

static int
work_out(struct stretch *s, int64_t read_from, int64_t end)
{
	const int64_t until = s->v->head.until_unix_ms;
	sqlite3_stmt *st;
	int64_t closed;
	int rc;

	rc = control_sql_prepare(&st, s->e->db, s->err,
	    "SELECT " RULE_PIECE_COLUMNS " FROM rule_run WHERE rule = ? AND subject = ?"
	    " AND begin_unix_ms >= ? AND begin_unix_ms < ? AND version = ? ORDER BY begin_unix_ms",
	    "ttiii", s->v->head.id, s->site, read_from, until, s->v->head.version);
	if (rc < 0)
		return rc;
	rc = read_sections(s, st, end, &closed);
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	if (rc >= 0 && closed == BL_RULE_OPEN) {
		closed = until; /* INT64_MAX: still in force, BL_RULE_OPEN */
		rc = close_section(s, until);
	}
	return rc < 0 ? rc : tell(s, closed);
}

static void
begin_stretch(struct stretch *s)
{
	s->f.rule = s->v;
	s->f.site = s->site;
	s->f.subject = s->site;
}

static void
end_stretch(struct stretch *s)
{
	for (size_t i = 0; i < s->f.n; i++)
		free(s->facts[i]);
	free(s->piece);
	free(s->run);
}

/*
 * A version's first section may follow one of the version before that still
 * counts as open: that one ends where this version begins.
 */
static int
end_before(
    const struct rule_env *e, const struct define_rule *v, const char *site, struct bl_err *err)
{
	const int64_t last = rule_add(v->head.from_unix_ms, -1);
	struct stretch s = { .e = e, .site = site, .err = err };
	int64_t read_from;
	int rc;

	s.v = define_rule_at(e->set, v->head.id, last);
	if (s.v == NULL || s.v == v || s.v->kind != DEFINE_THRESHOLD)
		return BL_OK;
	begin_stretch(&s);
	if ((rc = find_before(&s, last, &read_from)) >= 0)
		rc = work_out(&s, read_from, v->head.from_unix_ms);
	end_stretch(&s);
	return rc;
}

int
rule_stretch(const struct rule_env *e, const struct define_rule *v, const char *site,
    const struct rule_span *span, struct bl_err *err)
{
	struct stretch s = { .e = e, .v = v, .site = site, .err = err };
	const int64_t from = v->head.from_unix_ms, until = v->head.until_unix_ms;
	const int64_t begin = span->begin < from ? from : span->begin;
	const int64_t end = span->end > until ? until : span->end;
	int64_t read_from;
	int rc;

	if (begin >= end)
		return BL_OK;
	begin_stretch(&s);
	rc = find_before(&s, begin, &read_from);
	if (rc == 0)
		rc = end_before(e, v, site, err);
	if (rc >= 0)
		rc = work_out(&s, read_from, end);
	end_stretch(&s);
	return rc;
}
