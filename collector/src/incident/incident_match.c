/*
 * Takes a finding: the intervals that hold today against the incidents that
 * stand, matched by overlap (shared/rule).
 *
 * A function of both, so that a finding that comes again changes nothing.
 */
#include "incident_internal.h"

#include <stdlib.h>
#include <string.h>

#define OLD_MAX 4096u /* incidents of one subject in one stretch */

struct olds {
	struct incident_old *o;
	size_t n, size;
};

static void
free_olds(struct olds *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->o[i].assignee);
		free(l->o[i].explanation);
	}
	free(l->o);
}

static int
add_old(struct olds *l, const struct incident *i, struct bl_err *err)
{
	struct incident_old *o;

	if (l->n == OLD_MAX)
		return bl_fail(err, BL_EFULL, "incidents of %s: more than %u in one stretch",
		    i->subject, OLD_MAX);
	if (l->n == l->size) {
		const size_t size = l->size == 0 ? 16 : 2 * l->size;

		if ((o = realloc(l->o, size * sizeof(*o))) == NULL)
			return bl_fail(err, BL_ENOMEM, "incidents: out of memory");
		l->o = o;
		l->size = size;
	}
	o = &l->o[l->n++];
	*o = (struct incident_old){ .id = i->id,
		.begin = i->begin_unix_ms,
		.end = i->end_unix_ms,
		.last_true = i->last_true_unix_ms,
		.rule_version = i->rule_version,
		.state = i->state,
		.notice = i->notice,
		.severity = i->severity,
		.assignee = strdup(i->assignee),
		.explanation = strdup(i->explanation) };
	if (o->assignee == NULL || o->explanation == NULL)
		return bl_fail(err, BL_ENOMEM, "incidents: out of memory");
	return BL_OK;
}

static int
load_olds(const struct incident_change *c, struct olds *out)
{
	const struct rule_finding *f = c->f;
	struct incident i;
	sqlite3_stmt *st;
	int rc;

	/* +site: by subject. A site may have thousands of incidents, and its index looks as good. */
	rc = control_sql_prepare(&st, c->db, c->err,
	    "SELECT " INCIDENT_COLUMNS " FROM incident WHERE rule = ? AND subject = ? AND +site = ?"
	    " AND state NOT IN ('withdrawn', 'merged')"
	    " AND begin_unix_ms < ? AND (end_unix_ms IS NULL OR end_unix_ms > ?)"
	    " ORDER BY begin_unix_ms, id",
	    "tttii", f->rule->head.id, f->subject, f->site, f->end_unix_ms, f->begin_unix_ms);
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, c->err)) == 1) {
		incident_of(st, &i);
		if ((rc = add_old(out, &i, c->err)) < 0)
			break;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc;
}

static struct incident_old *
find(struct olds *l, int64_t id)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->o[i].id == id)
			return &l->o[i];
	return NULL;
}

static int
apply(const struct incident_change *c, struct olds *l, const struct bl_match *m)
{
	struct incident_old *old = find(l, m->id);

	switch (m->kind) {
	case BL_MATCH_NEW:
		return incident_open(c, m->interval);
	case BL_MATCH_SAME:
		return incident_touch(c, old, m->interval);
	case BL_MATCH_AMEND:
		return incident_amend(c, old, m->interval);
	case BL_MATCH_WITHDRAW:
		return incident_withdraw(c, old);
	case BL_MATCH_MERGE:
		break; /* before the others: see apply_all */
	}
	return BL_OK;
}

/* Merging first: the one that stays is then amended with what it has taken over. */
static int
apply_all(const struct incident_change *c, struct olds *l, const struct bl_match *m, size_t n)
{
	int rc = BL_OK;

	for (size_t i = 0; i < n && rc >= 0; i++)
		if (m[i].kind == BL_MATCH_MERGE)
			rc = incident_merge(c, find(l, m[i].id), find(l, m[i].into));
	for (size_t i = 0; i < n && rc >= 0; i++)
		rc = apply(c, l, &m[i]);
	return rc;
}

static int
match(const struct incident_change *c, struct olds *l)
{
	const size_t room = l->n + c->f->n;
	struct bl_match_old *old = calloc(l->n + 1, sizeof(*old));
	struct bl_match *out = calloc(room + 1, sizeof(*out));
	int rc;

	if (old == NULL || out == NULL) {
		rc = bl_fail(c->err, BL_ENOMEM, "incidents: out of memory");
	} else {
		for (size_t i = 0; i < l->n; i++)
			old[i] = (struct bl_match_old){ l->o[i].id, l->o[i].begin, l->o[i].end };
		rc = apply_all(c, l, out, bl_rule_match(old, l->n, c->f->at, c->f->n, out));
	}
	free(old);
	free(out);
	return rc;
}

int
incident_reconcile(
    sqlite3 *db, const struct rule_finding *f, int64_t now_unix_ms, struct bl_err *err)
{
	const struct incident_change c = { db, f, now_unix_ms, err };
	struct olds l = { .o = NULL };
	int rc = load_olds(&c, &l);

	if (rc >= 0 && l.n + f->n > 0)
		rc = match(&c, &l);
	free_olds(&l);
	return rc < 0 ? rc : BL_OK;
}
