/* Device reports: what a device says of its own state.  Shown, and moves no data. */
#include "ingest_internal.h"

#include "branchline/report.h"

/* Often enough for any agent: what is left out is said again within minutes. */
static bool
too_often(const struct ingest_core *c, struct device *d)
{
	const int64_t now = bl_mono_ms(c->clock);

	if (d->reported && now - d->last_report_mono_ms < REPORT_EVERY_MS)
		return true;
	d->reported = true;
	d->last_report_mono_ms = now;
	return false;
}

/* Its spool: 1; 0: none of this device's, and it has been seen to; negative. */
static int
spool_is_known(
    struct ingest_core *c, const struct arrival *a, const struct bl_id *id, struct bl_err *err)
{
	struct store_spool *sp;
	struct bl_err why = { 0 };
	const int rc = store_spool_known(c->store, id, a->topic.device, &sp, &why);

	if (rc == STORE_SPOOL_OK)
		return 1;
	if (rc == STORE_SPOOL_FOREIGN)
		return ingest_aside(c, a, STORE_ASIDE_FOREIGN_IDENTITY,
		    "its spool belongs to another device", NULL, 0, 0, err);
	c->outcome = OUTCOME_EXPIRED;
	/* A spool that has not said hello here: a report binds none. */
	if (rc == BL_ENOTFOUND)
		return BL_OK;
	if (rc < 0 && err != NULL)
		*err = why;
	return rc < 0 ? rc : BL_OK;
}

int
ingest_take_report(struct ingest_core *c, const struct arrival *a, struct bl_err *err)
{
	struct bl_err why = { 0 };
	struct bl_report r;
	int rc;

	if (a->m->len > BL_REPORT_WIRE_MAX)
		return ingest_aside(
		    c, a, STORE_ASIDE_OVERSIZED, "larger than any report may be", NULL, 0, 0, err);
	if (bl_report_decode(a->m->payload, a->m->len, &r, &why) < 0)
		return ingest_aside(c, a, STORE_ASIDE_UNDECODABLE, why.msg, NULL, 0, 0, err);
	ingest_decoded(c, a);
	if ((rc = spool_is_known(c, a, &r.spool, err)) != 1)
		return rc;
	if (c->again == NULL && (rc = ingest_identity_report(c, a->dev, &r, err)) < 0)
		return rc;
	/* One that was set aside spoke of a moment that has passed. */
	if (c->again != NULL || too_often(c, a->dev)) {
		c->outcome = OUTCOME_EXPIRED;
		return BL_OK;
	}
	return store_report(c->store, a->topic.device, &r, a->m->payload, a->m->len, err);
}
