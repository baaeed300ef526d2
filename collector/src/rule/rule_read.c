/* Reading runs: why did it (not) fire?  Pieces that touch are shown as one. */
#include "rule_internal.h"

#define LIMIT_MAX 10000u

static bool
show(const struct rule_piece *p, rule_run_cb cb, void *ctx)
{
	const struct rule_run_row row = {
		.begin_unix_ms = p->run.begin_unix_ms,
		.end_unix_ms = p->run.end_unix_ms,
		.windows = p->run.windows,
		.version = p->version,
		.outcome = p->run.outcome,
		.completeness = p->completeness,
		.known = p->known,
		.value_min = p->min,
		.value_max = p->max,
	};

	return cb(ctx, &row);
}

static int
show_joined(sqlite3_stmt *st, size_t limit, rule_run_cb cb, void *ctx, struct bl_err *err)
{
	struct rule_piece at, next;
	size_t n = 0; /* with the one in at */
	int rc;

	while ((rc = control_sql_step(st, err)) == 1) {
		rule_piece_of(st, &next);
		if (n > 0 && rule_piece_join(&at, &next))
			continue;
		if (n > 0 && (!show(&at, cb, ctx) || n == limit))
			return BL_OK;
		at = next;
		n++;
	}
	if (rc == 0 && n > 0)
		(void)show(&at, cb, ctx);
	return rc;
}

int
rule_runs(struct sqlite3 *db, const char *rule, const char *subject, int64_t from, int64_t to,
    size_t limit, rule_run_cb cb, void *ctx, struct bl_err *err)
{
	/* The one that `from` falls into begins before it. */
	static const char sql[] =
	    "SELECT " RULE_PIECE_COLUMNS " FROM rule_run WHERE rule = ?1 AND subject = ?2"
	    " AND begin_unix_ms >= coalesce((SELECT max(begin_unix_ms) FROM rule_run"
	    " WHERE rule = ?1 AND subject = ?2 AND begin_unix_ms <= ?3), ?3)"
	    " AND begin_unix_ms < ?4 AND end_unix_ms > ?3 ORDER BY begin_unix_ms";
	sqlite3_stmt *st;
	int rc;

	if ((rc = control_sql_prepare(&st, db, err, sql, "ttii", rule, subject, from, to)) < 0)
		return rc;
	rc = show_joined(st, limit == 0 || limit > LIMIT_MAX ? LIMIT_MAX : limit, cb, ctx, err);
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc;
}
