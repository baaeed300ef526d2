/*
 * Machines that share a device's identity: written while they do, read for a day after (see
 * ingest_identity.c). Old rows of a device go when another is written.
 */
#include "store_internal.h"

#define KEPT_MS   (INT64_C(30) * 86400000)
#define KEPT_ROWS 32 /* of a device, and one more: the newest */

int
store_party(struct store *s, const char *device, const struct store_party *p, struct bl_err *err)
{
	int64_t id;
	int rc;

	if ((rc = store_device_id(s, device, &id, err)) < 0 ||
	    (rc = store_run(s, SQL_PARTY_OLD, err, "iii", id, s->now_unix_ms - KEPT_MS,
		 (int64_t)KEPT_ROWS - 1)) < 0)
		return rc;
	return store_run(s, SQL_PARTY_SET, err, "iddttiii", id, &p->spool, &p->boot, p->software,
	    p->address, s->now_unix_ms, s->now_unix_ms, (int64_t)p->returned);
}
