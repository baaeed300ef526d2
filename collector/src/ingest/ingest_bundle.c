/*
 * Bundles: batches that share a message.  Each goes the way of a message of its own, so a
 * bad one is set aside alone and one that kills the decoder is known by its own name; only
 * where the lengths themselves are wrong is the whole set aside.
 *
 * Tried again (`requeue`), a bundle is taken apart: what of it is still bad gets a row of
 * its own, and the bundle's row leaves, unless a part of it could not be dealt with now.
 */
#include "branchline/fault.h"

#include "ingest_internal.h"

/* One after the other; negative: the store failed. */
static int
take_each(
    struct ingest_core *c, const struct arrival *a, const struct bl_bundle *b, struct bl_err *err)
{
	bool later = false;
	int rc = BL_OK;

	for (unsigned i = 0; i < b->n && rc >= 0; i++) {
		c->outcome = OUTCOME_TAKEN;
		rc = ingest_bundled(c, a, b->batch[i].msg, b->batch[i].len, err);
		later = later || c->outcome == OUTCOME_LATER;
		(void)bl_fault_hit("ingest.bundled");
	}
	c->outcome = later ? OUTCOME_LATER : OUTCOME_TAKEN;
	return rc;
}

int
ingest_take_bundle(struct ingest_core *c, const struct arrival *a, struct bl_err *err)
{
	const struct store_aside_msg *again = c->again;
	struct bl_err why = { 0 };
	struct bl_bundle b;
	int rc;

	if ((rc = bl_bundle_decode(a->m->payload, a->m->len, &b, c->room, &why)) < 0)
		return ingest_aside(c, a, STORE_ASIDE_UNDECODABLE, why.msg, NULL, 0, 0, err);
	ingest_decoded(c, a);
	c->stats.bundles++;
	c->again = NULL;
	rc = take_each(c, a, &b, err);
	c->again = again;
	return rc;
}
