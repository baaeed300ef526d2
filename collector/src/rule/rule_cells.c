/*
 * Cells that changed, and cells that have been waited for long enough, as work
 * for the rules that look at them.
 *
 * Changes are put in order and taken group by group (KPI, window, site): what
 * a group touches between two lines of time is made anew in one go.
 */
#include "rule_internal.h"

#include <stdlib.h>
#include <string.h>

#define LINES_MAX 16 /* that are made anew at once */

/* The longest window of its kind, for looking back: days have up to 25 hours. */
static int64_t
longest_ms(enum bl_window w)
{
	static const int64_t ms[BL_WINDOWS + 1] = { 0, 60000, 300000, 3600000, 25 * 3600000LL };

	return ms[w];
}

static int
by_group(const void *a, const void *b)
{
	const struct kpi_change *x = *(const struct kpi_change *const *)a;
	const struct kpi_change *y = *(const struct kpi_change *const *)b;
	int d;

	if ((d = strcmp(x->kpi, y->kpi)) != 0 || (d = strcmp(x->site, y->site)) != 0)
		return d;
	if (x->window != y->window)
		return x->window < y->window ? -1 : 1;
	return (x->begin_unix_ms > y->begin_unix_ms) - (x->begin_unix_ms < y->begin_unix_ms);
}

static bool
same_group(const struct kpi_change *a, const struct kpi_change *b)
{
	return a->window == b->window && strcmp(a->kpi, b->kpi) == 0 &&
	       strcmp(a->site, b->site) == 0;
}

/* n changes of one group that lie close together, under one version. */
static int
take_close(const struct rule_env *e, const struct define_rule *v, const struct kpi_change *const *c,
    size_t n, struct bl_err *err)
{
	const int64_t begin = c[0]->begin_unix_ms, end = c[n - 1]->begin_unix_ms + 1;
	struct rule_span changed = { 0, 0 };
	const struct rule_told told = { c, n };
	int rc;

	if (v->head.from_unix_ms >= end || v->head.until_unix_ms <= begin)
		return BL_OK;
	rc = rule_amend(e, v, c[0]->site, begin, end, &told, &changed, err);
	if (rc < 0 || changed.begin >= changed.end)
		return rc;
	return rule_stretch(e, v, c[0]->site, &changed, err);
}

static int
take_group(const struct rule_env *e, const struct define_rule *v, const struct kpi_change *const *c,
    size_t n, struct bl_err *err)
{
	const int64_t reach = (LINES_MAX - 1) * rule_line_ms(v->window);
	int rc = BL_OK;

	for (size_t i = 0; i < n && rc >= 0;) {
		size_t m = 1;

		while (
		    i + m < n &&
		    rule_line_at(v->window, c[i + m]->begin_unix_ms) <=
			rule_line_at(v->window, c[i + m - 1]->begin_unix_ms) +
			    rule_line_ms(v->window) &&
		    c[i + m]->begin_unix_ms - rule_line_at(v->window, c[i]->begin_unix_ms) < reach)
			m++;
		rc = take_close(e, v, c + i, m, err);
		i += m;
	}
	return rc;
}

static int
take_groups(
    const struct rule_env *e, const struct kpi_change *const *c, size_t n, struct bl_err *err)
{
	int rc = BL_OK;

	for (size_t i = 0, m; i < n && rc >= 0; i += m) {
		for (m = 1; i + m < n && same_group(c[i], c[i + m]); m++)
			;
		for (size_t r = 0; r < e->set->n_rules && rc >= 0; r++) {
			const struct define_rule *v = &e->set->rule[r];

			if (v->window == c[i]->window && strcmp(v->kpi, c[i]->kpi) == 0 &&
			    rule_watches(e, v, c[i]->site))
				rc = take_group(e, v, c + i, m, err);
		}
	}
	return rc;
}

int
rule_on_cells(const struct rule_env *e, const struct kpi_changes *changes, struct bl_err *err)
{
	const struct kpi_change **sorted;
	int rc;

	if (changes->n == 0 || e->set->n_rules == 0)
		return BL_OK;
	if ((sorted = calloc(changes->n, sizeof(*sorted))) == NULL)
		return bl_fail(err, BL_ENOMEM, "rules: out of memory for changes");
	for (size_t i = 0; i < changes->n; i++)
		sorted[i] = &changes->c[i];
	qsort(sorted, changes->n, sizeof(*sorted), by_group);
	rc = take_groups(e, sorted, changes->n, err);
	free(sorted);
	return rc;
}

/* ---- patience ---- */

struct patience {
	const struct rule_env *e;
	const struct define_rule *first;
	int64_t mark; /* looked at up to here */
	struct kpi_changes due;
};

/* When the patience of a window of that version ends, in SQL: end + wait * length. */
#define PATIENCE "(end_unix_ms + ?3 * (end_unix_ms - begin_unix_ms))"

static int
add_due(struct patience *p, sqlite3_stmt *st, const struct define_rule *v, struct bl_err *err)
{
	struct kpi_changes *l = &p->due;
	struct kpi_change *c;

	if (l->n == l->size) {
		const size_t size = l->size == 0 ? 64 : 2 * l->size;
		struct kpi_change *more = realloc(l->c, size * sizeof(*more));

		if (more == NULL)
			return bl_fail(err, BL_ENOMEM, "rules: out of memory for windows");
		l->c = more;
		l->size = size;
	}
	c = &l->c[l->n++];
	memset(c, 0, sizeof(*c));
	memcpy(c->kpi, v->kpi, sizeof(c->kpi));
	c->window = v->window;
	control_sql_text(st, 0, c->site, sizeof(c->site));
	c->begin_unix_ms = sqlite3_column_int64(st, 1);
	c->end_unix_ms = sqlite3_column_int64(st, 2);
	return BL_OK;
}

/* Windows of one version whose patience ended in (mark, *upto]; *upto comes down when there are
 * more than limit. */
static int
find_due(struct patience *p, const struct define_rule *v, size_t limit, int64_t *upto,
    struct bl_err *err)
{
	static const char sql[] =
	    "SELECT site, begin_unix_ms, end_unix_ms, " PATIENCE " FROM kpi_cell"
	    " INDEXED BY kpi_cell_provisional"
	    " WHERE state = 0 AND ready = 0 AND kpi = ?1 AND window = ?2"
	    " AND end_unix_ms > ?4 AND end_unix_ms <= ?6"
	    " AND " PATIENCE " > ?5 AND " PATIENCE " <= ?6"
	    " AND begin_unix_ms >= ?7 AND begin_unix_ms < ?8 ORDER BY 4, 1";
	const int64_t wait = v->wait_windows;
	const int64_t back = (wait + 1) * longest_ms(v->window);
	const size_t before = p->due.n;
	int64_t last = p->mark;
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(&st, p->e->db, err, sql, "tiiiiiii", v->kpi, (int64_t)v->window,
	    wait, rule_add(p->mark, -back), p->mark, *upto, v->head.from_unix_ms,
	    v->head.until_unix_ms);
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, err)) == 1) {
		const int64_t at = sqlite3_column_int64(st, 3);

		if (p->due.n - before >= limit && at > last) { /* all of one instant together */
			*upto = p->due.n > before ? last : at - 1;
			break;
		}
		last = at;
		if ((rc = add_due(p, st, v, err)) < 0)
			break;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

static int
take_version(struct patience *p, const struct define_rule *v, struct bl_err *err)
{
	const struct kpi_change **sorted;
	int rc = BL_OK;

	if (p->due.n == 0)
		return BL_OK;
	if ((sorted = calloc(p->due.n, sizeof(*sorted))) == NULL)
		return bl_fail(err, BL_ENOMEM, "rules: out of memory for windows");
	for (size_t i = 0; i < p->due.n; i++)
		sorted[i] = &p->due.c[i];
	qsort(sorted, p->due.n, sizeof(*sorted), by_group);
	for (size_t i = 0, m; i < p->due.n && rc >= 0; i += m) {
		for (m = 1; i + m < p->due.n && same_group(sorted[i], sorted[i + m]); m++)
			;
		if (rule_watches(p->e, v, sorted[i]->site))
			rc = take_group(p->e, v, sorted + i, m, err);
	}
	free(sorted);
	p->due.n = 0;
	return rc;
}

static int
set_mark(const struct rule_env *e, const char *rule, int64_t mark, struct bl_err *err)
{
	return control_sql_run(e->db, err,
	    "INSERT OR REPLACE INTO rule_mark (rule, unix_ms, since_unix_ms) VALUES (?, ?, 0)",
	    "ti", rule, mark);
}

/* How often it is worth looking: sixty times a window, at most every second. */
static bool
too_soon(const struct patience *p)
{
	int64_t shortest = INT64_MAX;

	for (const struct define_rule *v = p->first; v != NULL; v = rule_next_version(p->e->set, v))
		if (v->kind == DEFINE_THRESHOLD && longest_ms(v->window) < shortest)
			shortest = longest_ms(v->window);
	return shortest == INT64_MAX || p->e->now_unix_ms - p->mark < shortest / 60;
}

static int
look(struct patience *p, size_t *left, struct bl_err *err)
{
	int64_t upto = p->e->now_unix_ms;
	const int64_t earliest = rule_add(p->mark, -40 * 86400000LL);
	int rc = BL_OK;

	/* Later versions are looked at no further than earlier ones that were cut short. */
	for (const struct define_rule *v = p->first; v != NULL && rc >= 0;
	     v = rule_next_version(p->e->set, v)) {
		if (v->kind != DEFINE_THRESHOLD || !v->head.enabled ||
		    v->head.until_unix_ms <= earliest)
			continue;
		if ((rc = find_due(p, v, *left, &upto, err)) < 0)
			break;
		*left -= p->due.n < *left ? p->due.n : *left;
		rc = take_version(p, v, err);
	}
	return rc < 0 ? rc : set_mark(p->e, p->first->head.id, upto, err);
}

/* The first time a rule is looked at: from when it was made; before, its definition was taken in.
 */
static int64_t
made_unix_ms(const struct define_rule *first)
{
	return first->head.created_unix_ms;
}

int
rule_on_time(const struct rule_env *e, size_t limit, struct bl_err *err)
{
	struct patience p = { .e = e };
	size_t left = limit;
	int rc = BL_OK;

	for (p.first = rule_next(e->set, NULL); p.first != NULL && left > 0 && rc >= 0;
	     p.first = rule_next(e->set, p.first)) {
		rc = control_sql_int(e->db, err, made_unix_ms(p.first), &p.mark,
		    "SELECT unix_ms FROM rule_mark WHERE rule = ?", "t", p.first->head.id);
		if (rc >= 0 && p.mark > e->now_unix_ms) /* our clock was ahead */
			rc = set_mark(e, p.first->head.id, e->now_unix_ms, err);
		else if (rc >= 0 && !too_soon(&p))
			rc = look(&p, &left, err);
	}
	free(p.due.c);
	return rc;
}
