/*
 * The last report of each device, and what it used of its link by month.
 *
 * A report is kept as it came, so that a new section needs no new column; it is
 * state, not data: nothing is receipted by it and a lost one costs nothing.  Usage
 * only grows: a spool that begins anew counts from zero again, and what was known
 * before stands until the new count has passed it.
 */
#include "branchline/report.h"
#include "store_internal.h"

#define MONTHS_KEPT  120 /* of a device: the newest */
#define MONTH_FIRST  (1970u * 12)
#define MONTH_BEYOND (10000u * 12)

static int64_t
capped(uint64_t v)
{
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

/* 1: there is a newer one of the same boot already; 0; negative. */
static int
is_old(struct store *s, int64_t device_id, const struct bl_report *r, struct bl_err *err)
{
	sqlite3_stmt *st =
	    store_bind(s, SQL_REPORT_NEWER, err, "idi", device_id, &r->boot, r->boot_ms);
	const int rc = store_step(s, st, err);

	if (rc == 1)
		(void)sqlite3_reset(st);
	return rc;
}

static int
put_usage(struct store *s, int64_t device_id, const struct bl_report_month *m, struct bl_err *err)
{
	if (m->month < MONTH_FIRST || m->month >= MONTH_BEYOND)
		return BL_OK; /* of no calendar */
	return store_run(s, SQL_USAGE_SET, err, "iiiiiiiii", device_id, (int64_t)m->month,
	    capped(m->in_bytes), capped(m->out_bytes), capped(m->class_bytes[BL_STREAM_EVENTS - 1]),
	    capped(m->class_bytes[BL_STREAM_PROBES - 1]),
	    capped(m->class_bytes[BL_STREAM_HOST - 1]), capped(m->other_bytes), s->now_unix_ms);
}

int
store_report(struct store *s, const char *device, const struct bl_report *r, const void *payload,
    size_t len, struct bl_err *err)
{
	int64_t id;
	int rc;

	if ((rc = store_device_id(s, device, &id, err)) < 0)
		return rc;
	if ((rc = is_old(s, id, r, err)) != 0)
		return rc < 0 ? rc : BL_OK;
	for (uint32_t i = 0; i < r->n_months; i++)
		if ((rc = put_usage(s, id, &r->month[i], err)) < 0)
			return rc;
	if (r->n_months > 0 &&
	    (rc = store_run(s, SQL_USAGE_OLD, err, "ii", id, (int64_t)MONTHS_KEPT - 1)) < 0)
		return rc;
	return store_run(s, SQL_REPORT_SET, err, "iidib", id, s->now_unix_ms, &r->boot, r->boot_ms,
	    payload, len);
}
