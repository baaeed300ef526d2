/*
 * Runs: what became of each settled window, neighbours with the same outcome in
 * one row.
 *
 * Runs are made anew from the cells between two fixed lines of time (about 60
 * windows apart), never amended one by one: so what is stored is a function of
 * the cells, and the order in which they came cannot show.  A run ends at a line;
 * readers put the pieces together.
 */
#include "rule_internal.h"

#include <stdlib.h>
#include <string.h>

#define HOUR_MS 3600000LL

int64_t
rule_line_ms(enum bl_window w)
{
	switch (w) {
	case BL_WINDOW_1M:
		return HOUR_MS;
	case BL_WINDOW_5M:
		return 6 * HOUR_MS;
	case BL_WINDOW_1H:
		return 48 * HOUR_MS;
	case BL_WINDOW_1D:
		break;
	}
	return 32 * 24 * HOUR_MS;
}

int64_t
rule_line_at(enum bl_window w, int64_t unix_ms)
{
	const int64_t line = rule_line_ms(w);
	const int64_t rest = unix_ms % line;

	return rule_add(unix_ms, -(rest < 0 ? rest + line : rest));
}

void
rule_span_join(struct rule_span *s, int64_t begin, int64_t end)
{
	if (begin >= end)
		return;
	if (s->begin >= s->end) {
		*s = (struct rule_span){ begin, end };
		return;
	}
	s->begin = begin < s->begin ? begin : s->begin;
	s->end = end > s->end ? end : s->end;
}

bool
rule_outcome(const struct define_rule *v, const struct kpi_cell *c, int64_t now_unix_ms,
    enum bl_outcome *out)
{
	const int64_t wait = (int64_t)v->wait_windows * (c->end_unix_ms - c->begin_unix_ms);

	/* Before it is settled it gets a look when it has been waited for, and enough is there. */
	if (!c->ready && c->state == KPI_PROVISIONAL &&
	    (now_unix_ms < rule_add(c->end_unix_ms, wait) || c->completeness < v->completeness))
		return false;
	*out = bl_rule_threshold(
	    c->known, c->value, v->op, v->value, c->completeness, v->completeness);
	return true;
}

/* ---- pieces ---- */

struct pieces {
	struct rule_piece *p;
	size_t n, size;
};

static int
append(struct pieces *l, const struct rule_piece *p, struct bl_err *err)
{
	if (l->n == l->size) {
		const size_t size = l->size == 0 ? 64 : 2 * l->size;
		struct rule_piece *more = realloc(l->p, size * sizeof(*more));

		if (more == NULL)
			return bl_fail(err, BL_ENOMEM, "runs of a rule: out of memory");
		l->p = more;
		l->size = size;
	}
	l->p[l->n++] = *p;
	return BL_OK;
}

bool
rule_piece_join(struct rule_piece *at, const struct rule_piece *next)
{
	if (at->run.end_unix_ms != next->run.begin_unix_ms ||
	    at->run.outcome != next->run.outcome || at->version != next->version)
		return false;
	at->run.end_unix_ms = next->run.end_unix_ms;
	at->run.windows += next->run.windows;
	if (next->completeness < at->completeness)
		at->completeness = next->completeness;
	if (next->known && (!at->known || next->min < at->min))
		at->min = next->min;
	if (next->known && (!at->known || next->max > at->max))
		at->max = next->max;
	at->known = at->known || next->known;
	return true;
}

void
rule_piece_of(sqlite3_stmt *st, struct rule_piece *out)
{
	*out = (struct rule_piece){
		.run = {
			.begin_unix_ms = sqlite3_column_int64(st, 0),
			.end_unix_ms = sqlite3_column_int64(st, 1),
			.outcome = (enum bl_outcome)sqlite3_column_int(st, 2),
			.windows = (uint32_t)sqlite3_column_int64(st, 3),
		},
		.completeness = sqlite3_column_double(st, 4),
		.known = sqlite3_column_type(st, 5) != SQLITE_NULL,
		.min = sqlite3_column_double(st, 5),
		.max = sqlite3_column_double(st, 6),
		.version = sqlite3_column_int64(st, 7),
	};
}

/* ---- what stands, and what the cells say ---- */

struct amend {
	const struct rule_env *e;
	const struct define_rule *v;
	const char *site;
	int64_t from, to; /* lines, within the version */
	struct pieces old, now;
	struct rule_told told; /* not passed yet */
	struct rule_span *changed;
	int rc;
	struct bl_err *err;
};

static int
load_old(struct amend *a)
{
	struct rule_piece p;
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(&st, a->e->db, a->err,
	    "SELECT " RULE_PIECE_COLUMNS " FROM rule_run WHERE rule = ? AND subject = ?"
	    " AND begin_unix_ms >= ? AND begin_unix_ms < ? AND version = ? ORDER BY begin_unix_ms",
	    "ttiii", a->v->head.id, a->site, a->from, a->to, a->v->head.version);
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, a->err)) == 1) {
		rule_piece_of(st, &p);
		if ((rc = append(&a->old, &p, a->err)) < 0)
			break;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc;
}

static void
join_told(struct amend *a, const struct kpi_cell *c, enum bl_outcome o)
{
	struct rule_told *t = &a->told;

	for (; t->n > 0 && t->c[0]->begin_unix_ms < c->begin_unix_ms; t->n--)
		t->c++;
	if (t->n > 0 && t->c[0]->begin_unix_ms == c->begin_unix_ms && o == BL_OUTCOME_TRUE)
		rule_span_join(a->changed, c->begin_unix_ms, c->end_unix_ms);
}

static bool
take_cell(void *ctx, const struct kpi_cell *c)
{
	struct amend *a = ctx;
	const enum bl_window w = a->v->window;
	struct rule_piece p = {
		.run = { .begin_unix_ms = c->begin_unix_ms,
		    .end_unix_ms = c->end_unix_ms,
		    .windows = 1 },
		.completeness = c->completeness,
		.known = c->known,
		.min = c->known ? c->value : 0,
		.max = c->known ? c->value : 0,
		.version = a->v->head.version,
	};

	if (c->begin_unix_ms < a->from || c->begin_unix_ms >= a->to ||
	    !rule_outcome(a->v, c, a->e->now_unix_ms, &p.run.outcome))
		return true;
	join_told(a, c, p.run.outcome);
	if (a->now.n > 0) {
		struct rule_piece *last = &a->now.p[a->now.n - 1];

		if (rule_line_at(w, last->run.begin_unix_ms) == rule_line_at(w, c->begin_unix_ms) &&
		    rule_piece_join(last, &p))
			return true;
	}
	a->rc = append(&a->now, &p, a->err);
	return a->rc >= 0;
}

/* ---- the difference, as a function of time ---- */

struct walk {
	const struct rule_piece *p;
	size_t n, i;
};

/* What holds at t, and until when; -1: nothing. */
static int
outcome_at(struct walk *w, int64_t t, int64_t *until)
{
	while (w->i < w->n && w->p[w->i].run.end_unix_ms <= t)
		w->i++;
	*until = INT64_MAX;
	if (w->i == w->n)
		return -1;
	if (w->p[w->i].run.begin_unix_ms > t) {
		*until = w->p[w->i].run.begin_unix_ms;
		return -1;
	}
	*until = w->p[w->i].run.end_unix_ms;
	return (int)w->p[w->i].run.outcome;
}

/*
 * FALSE where nothing was known, right behind FALSE that stood there before, moves
 * no section's begin or end: the usual minute, in which all is well, costs no more.
 */
static void
join_difference(const struct pieces *old, const struct pieces *now, struct rule_span *changed)
{
	struct walk a = { old->p, old->n, 0 }, b = { now->p, now->n, 0 };
	bool behind_false = false;
	int64_t t = INT64_MIN;

	while (t < INT64_MAX) {
		int64_t until_a, until_b, until;
		const int oa = outcome_at(&a, t, &until_a), ob = outcome_at(&b, t, &until_b);
		const bool more_false = behind_false && oa < 0 && ob == BL_OUTCOME_FALSE;

		until = until_a < until_b ? until_a : until_b;
		if (oa != ob && !more_false)
			rule_span_join(changed, t, until);
		behind_false = more_false || (oa == BL_OUTCOME_FALSE && ob == BL_OUTCOME_FALSE);
		t = until;
	}
}

static bool
same(const struct rule_piece *a, const struct rule_piece *b)
{
	return a->run.begin_unix_ms == b->run.begin_unix_ms &&
	       a->run.end_unix_ms == b->run.end_unix_ms && a->run.outcome == b->run.outcome &&
	       a->run.windows == b->run.windows && a->version == b->version &&
	       a->known == b->known && !(a->completeness < b->completeness) &&
	       !(a->completeness > b->completeness) &&
	       (!a->known || (!(a->min < b->min) && !(a->min > b->min) && !(a->max < b->max) &&
				 !(a->max > b->max)));
}

static int
put(struct amend *a, const struct rule_piece *p)
{
	return control_sql_run(a->e->db, a->err,
	    "INSERT OR REPLACE INTO rule_run (rule, subject, begin_unix_ms, end_unix_ms, outcome,"
	    " windows, completeness, value_min, value_max, version)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	    "ttiiiidooi", a->v->head.id, a->site, p->run.begin_unix_ms, p->run.end_unix_ms,
	    (int64_t)p->run.outcome, (int64_t)p->run.windows, p->completeness, (int)p->known,
	    p->min, (int)p->known, p->max, p->version);
}

static int
drop(struct amend *a, const struct rule_piece *p)
{
	return control_sql_run(a->e->db, a->err,
	    "DELETE FROM rule_run WHERE rule = ? AND subject = ? AND begin_unix_ms = ?", "tti",
	    a->v->head.id, a->site, p->run.begin_unix_ms);
}

/* Only the rows that differ are written. */
static int
write_difference(struct amend *a)
{
	size_t i = 0, j = 0;
	int rc = BL_OK;

	while ((i < a->old.n || j < a->now.n) && rc >= 0) {
		const struct rule_piece *o = i < a->old.n ? &a->old.p[i] : NULL;
		const struct rule_piece *n = j < a->now.n ? &a->now.p[j] : NULL;

		if (n == NULL || (o != NULL && o->run.begin_unix_ms < n->run.begin_unix_ms)) {
			rc = drop(a, o);
			i++;
			continue;
		}
		if (o == NULL || !same(o, n))
			rc = put(a, n);
		if (o != NULL && o->run.begin_unix_ms == n->run.begin_unix_ms)
			i++;
		j++;
	}
	return rc;
}

int
rule_amend(const struct rule_env *e, const struct define_rule *v, const char *site, int64_t from,
    int64_t to, const struct rule_told *told, struct rule_span *changed, struct bl_err *err)
{
	struct amend a = { .e = e, .v = v, .site = site, .changed = changed, .err = err };
	int rc;

	if (told != NULL)
		a.told = *told;
	a.from = rule_line_at(v->window, from);
	a.to = to == INT64_MAX
		   ? to
		   : rule_add(rule_line_at(v->window, rule_add(to, -1)), rule_line_ms(v->window));
	a.from = a.from < v->head.from_unix_ms ? v->head.from_unix_ms : a.from;
	a.to = a.to > v->head.until_unix_ms ? v->head.until_unix_ms : a.to;
	if (a.from >= a.to)
		return BL_OK;
	rc = load_old(&a);
	if (rc >= 0 && rule_watches(e, v, site)) {
		rc = kpi_cells(e->db, v->kpi, v->window, site, a.from, a.to, RULE_CELLS_MAX,
		    take_cell, &a, err);
		rc = rc < 0 ? rc : a.rc;
	}
	if (rc >= 0)
		rc = write_difference(&a);
	if (rc >= 0)
		join_difference(&a.old, &a.now, changed);
	free(a.old.p);
	free(a.now.p);
	return rc < 0 ? rc : BL_OK;
}

int
rule_forget(const struct rule_env *e, const struct define_rule *v, const char *site, int64_t from,
    struct bl_err *err)
{
	if (!rule_watches(e, v, site))
		return control_sql_run(e->db, err,
		    "DELETE FROM rule_run WHERE rule = ? AND subject = ? AND version = ?"
		    " AND end_unix_ms > ?",
		    "ttii", v->head.id, site, v->head.version, from);
	return control_sql_run(e->db, err,
	    "DELETE FROM rule_run WHERE rule = ? AND subject = ? AND version = ?"
	    " AND end_unix_ms > ? AND (begin_unix_ms < ? OR begin_unix_ms >= ?)",
	    "ttiiii", v->head.id, site, v->head.version, from, v->head.from_unix_ms,
	    v->head.until_unix_ms);
}
