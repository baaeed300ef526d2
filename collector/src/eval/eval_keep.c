/*
 * Retention of what KPIs made: a round an hour through its rows, a slice in a transaction.
 *
 * What is not worked out yet keeps its neighbours, and a live incident those of its site from its
 * begin on: its explanation names its first windows, and is made anew with each new one.
 */
#include "eval_internal.h"

/* A transaction of some 10 ms. */
#define FORGET_ROWS 500u
/* The windows before an incident's first: a rule counts some in a row, its lines are hours long. */
#define INCIDENT_MARGIN_MS (3 * 86400000LL)

static int
needed(void *ctx, struct sqlite3 *db, const char *site, int64_t *from_unix_ms, struct bl_err *err)
{
	int64_t begin;
	const int rc = incident_oldest_live(db, site, &begin, err);

	(void)ctx;
	if (rc > 0 && begin - INCIDENT_MARGIN_MS < *from_unix_ms)
		*from_unix_ms = begin - INCIDENT_MARGIN_MS;
	return rc < 0 ? rc : BL_OK;
}

static int
forget(struct eval_tx *tx, void *ctx, struct bl_err *err)
{
	struct kpi_forget_opts o = { .keep = tx->e->opts.keep,
		.now_unix_ms = tx->e->age.unix_ms,
		.needed = needed,
		.rows = FORGET_ROWS };
	int *more = ctx;
	const int rc = control_sql_int(tx->db, err, INT64_MAX, &o.before_unix_ms,
	    "SELECT min(begin_unix_ms) FROM eval_dirty", "");

	if (rc < 0)
		return rc;
	*more = kpi_forget(&tx->e->forgetting, tx->db, &o, err);
	return *more < 0 ? *more : BL_OK;
}

static void
note(struct eval *e)
{
	pthread_mutex_lock(&e->lock);
	e->status.kpi_rows_forgotten = e->forgetting.rows;
	pthread_mutex_unlock(&e->lock);
}

int
eval_load_closed(struct eval *e, struct bl_err *err)
{
	struct kpi_closed closed;
	const int rc = kpi_closed_load(e->reader, &closed, err);

	if (rc < 0)
		return rc;
	kpi_work_closed(e->work, &closed);
	e->closed = closed;
	return BL_OK;
}

int
eval_forget(struct eval *e, struct bl_err *err)
{
	struct kpi_forgetting before = e->forgetting;
	int64_t now;
	int more = 0, rc;

	if ((rc = store_age_now(&e->age, e->telemetry, e->clock, &now, err)) < 0)
		return rc;
	/* While it is behind the log nobody knows what is dirty. */
	if (!kpi_forget_due(&e->forgetting, now) || (e->behind && !e->forgetting.under_way))
		return 0;
	if ((rc = eval_write(e, forget, &more, err)) < 0) {
		e->forgetting = before;
		return rc;
	}
	note(e);
	rc = eval_load_closed(e, err);
	return rc < 0 ? rc : more;
}

int64_t
eval_closed_for(const struct eval *e, enum bl_window w)
{
	/* The stream does not matter where samples are not asked about. */
	return kpi_closed_at(&e->closed, (int)w, BL_STREAM_EVENTS);
}
