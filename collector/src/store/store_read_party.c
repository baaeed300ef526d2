/* Machines that share a device's identity. */
#include "store_read_internal.h"

static void
party_row(sqlite3_stmt *st, struct store_party_row *p)
{
	*p = (struct store_party_row){ .device = (const char *)sqlite3_column_text(st, 0),
		.software = (const char *)sqlite3_column_text(st, 3),
		.address = (const char *)sqlite3_column_text(st, 4),
		.first_unix_ms = sqlite3_column_int64(st, 5),
		.last_unix_ms = sqlite3_column_int64(st, 6),
		.returns = (uint64_t)sqlite3_column_int64(st, 7) };
	store_column_id(st, 1, &p->spool);
	store_column_id(st, 2, &p->boot);
}

int
store_read_parties(struct store_read *r, const char *device, int64_t since_unix_ms,
    store_party_cb cb, void *ctx, struct bl_err *err)
{
	sqlite3_stmt *st =
	    read_bind(r, READ_PARTIES, err, "it", since_unix_ms, device != NULL ? device : "");
	struct store_party_row p;
	int rc;

	while ((rc = read_step(r, st, err)) == 1) {
		party_row(st, &p);
		if (!cb(ctx, &p)) {
			(void)sqlite3_reset(st);
			return BL_OK;
		}
	}
	return rc;
}
