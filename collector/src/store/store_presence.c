/*
 * Presence: what birth and last will say.  Shown, and moves no data.
 *
 * It comes again with every connection of ours (it is retained), so "since" only
 * moves when the state does.  A will of an earlier connection that comes late
 * has a lower count in the same spool's life and is ignored.
 */
#include <string.h>

#include "store_internal.h"

int
store_presence(struct store *s, const char *device, const struct bl_presence *p, struct bl_err *err)
{
	const int64_t state = p->online ? STORE_PRESENCE_ONLINE : STORE_PRESENCE_OFFLINE;
	int64_t id, was = 0, connections = 0;
	struct bl_id boot = { { 0 } };
	sqlite3_stmt *st;
	int rc;

	if ((rc = store_device_id(s, device, &id, err)) < 0)
		return rc;
	st = store_bind(s, SQL_PRESENCE_GET, err, "i", id);
	if ((rc = store_step(s, st, err)) < 0)
		return rc;
	if (rc == 1) {
		was = sqlite3_column_int64(st, 0);
		store_column_id(st, 1, &boot);
		connections = sqlite3_column_int64(st, 2);
		(void)sqlite3_reset(st);
	}
	if (!p->online && bl_id_equal(&boot, &p->boot) && p->connections < (uint64_t)connections)
		return BL_OK;
	return store_run(s, SQL_PRESENCE_SET, err, "iiidutu", state, (int64_t)(was != state),
	    s->now_unix_ms, &p->boot,
	    p->connections > INT64_MAX ? (uint64_t)INT64_MAX : p->connections, p->software,
	    (uint64_t)id);
}
