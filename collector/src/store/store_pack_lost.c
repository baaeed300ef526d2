/*
 * Hours that came and cannot be read any more: their part is lost or damaged.  Each device's hour
 * is an entry of the ledger by time, which takes away what coverage says of it; it goes when the
 * part is whole again.  What was worked out while it could be read stands.
 */
#include "store_internal.h"

typedef int (*device_fn)(
    struct store *s, int64_t device_id, int64_t hour, int64_t part, struct bl_err *err);

/*
 * fn for so many devices behind *after: placed: of those whose hour lies in the part (0: in none).
 * 1: there may be more; 0.
 */
static int
each_device(struct store *s, int64_t part, int64_t hour, bool placed, int64_t *after,
    unsigned devices, device_fn fn, struct bl_err *err)
{
	for (; devices > 0; devices--) {
		sqlite3_stmt *st = store_bind(s, SQL_LOST_DEVICES, err, "ii", hour, *after);
		int64_t in;
		int rc = store_step(s, st, err);

		if (rc <= 0)
			return rc;
		*after = sqlite3_column_int64(st, 0);
		in = sqlite3_column_int64(st, 1);
		(void)sqlite3_reset(st);
		if ((!placed || in == part) && (rc = fn(s, *after, hour, part, err)) < 0)
			return rc;
	}
	return 1;
}

static int
has_room(struct store *s, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_LOST_ENTRIES, err, "");
	int64_t n = 0;
	int rc = store_step(s, st, err);

	if (rc == 1) {
		n = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	if (rc < 0)
		return rc;
	return n < STORE_LOST_MAX
		   ? BL_OK
		   : bl_fail(err, BL_EFULL,
			 "the ledger has %lld entries of lost hours: no more are named",
			 (long long)n);
}

static int
add(struct store *s, int64_t device_id, int64_t hour, int64_t part, struct bl_err *err)
{
	return store_run(
	    s, SQL_LOST_ADD, err, "iiiii", device_id, hour, part, s->now_unix_ms, s->total.lsn);
}

int
store_pack_found_hour(
    struct store *s, int64_t device_id, int64_t hour_unix_ms, int64_t part, struct bl_err *err)
{
	return store_run(s, SQL_LOST_REMOVE, err, "iii", device_id, hour_unix_ms, part);
}

int
store_pack_lost_hour(struct store *s, int64_t device_id, int64_t hour_unix_ms, struct bl_err *err)
{
	int64_t after = device_id - 1;
	int rc = has_room(s, err);

	if (rc == BL_OK)
		rc = each_device(s, 0, hour_unix_ms, true, &after, 1, add, err);
	return rc < 0 ? rc : BL_OK;
}

int
store_pack_lost(struct store *s, int64_t part, int64_t hour_unix_ms, int64_t *after,
    unsigned devices, struct bl_err *err)
{
	const int rc = has_room(s, err);

	return rc < 0 ? rc : each_device(s, part, hour_unix_ms, true, after, devices, add, err);
}

int
store_pack_found(struct store *s, int64_t part, int64_t hour_unix_ms, int64_t *after,
    unsigned devices, struct bl_err *err)
{
	return each_device(
	    s, part, hour_unix_ms, false, after, devices, store_pack_found_hour, err);
}
