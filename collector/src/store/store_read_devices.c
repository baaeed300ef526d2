/* Devices: what is known of each, out of its spools and the ledger. */
#include <stdlib.h>
#include <string.h>

#include "store_read_internal.h"

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b; /* STORE_TIME_NONE is the smallest */
}

static int
count_of(struct store_read *r, sqlite3_stmt *st, uint64_t *out, struct bl_err *err)
{
	int rc = read_step(r, st, err);

	if (rc == 1) {
		*out = (uint64_t)sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

/* Several machines took turns with its identity within the last day. */
static int
device_rivals(struct store_read *r, int64_t id, struct store_device *d, struct bl_err *err)
{
	sqlite3_stmt *st =
	    read_bind(r, READ_PARTY_OF, err, "ii", id, bl_unix_ms(r->clock) - STORE_RIVALS_MS);
	const int rc = read_step(r, st, err);

	if (rc == 1)
		(void)sqlite3_reset(st);
	d->conflict = d->conflict || rc == 1;
	return rc < 0 ? rc : BL_OK;
}

/* Rows are ordered so that the spool in use comes last: what it says stands. */
static int
device_spools(struct store_read *r, int64_t id, struct store_device *d, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_DEVICE_SPOOLS, err, "i", id);
	int64_t spool_id = 0;
	struct bl_id boot = { { 0 } };
	int rc;

	while ((rc = read_step(r, st, err)) == 1) {
		const int64_t stream = sqlite3_column_int64(st, 7);
		int64_t *until;

		spool_id = sqlite3_column_int64(st, 0);
		d->has_spool = true;
		store_column_id(st, 1, &d->spool);
		d->conflict = d->conflict || sqlite3_column_int(st, 3) != 0;
		if (sqlite3_column_bytes(st, 4) > 0)
			store_column_text(st, 4, d->software, sizeof(d->software));
		store_column_text(st, 5, d->config_hash, sizeof(d->config_hash));
		store_column_id(st, 6, &boot);
		if (stream < 1 || stream > BL_STREAMS)
			continue;
		d->batches += (uint64_t)sqlite3_column_int64(st, 8);
		d->samples += (uint64_t)sqlite3_column_int64(st, 9);
		d->last_arrival_unix_ms = later(d->last_arrival_unix_ms, store_column_time(st, 10));
		until = &d->stream_until_unix_ms[stream - 1];
		*until = later(*until, store_column_time(st, 11));
		d->data_until_unix_ms = later(d->data_until_unix_ms, *until);
		d->unexplained += (uint64_t)sqlite3_column_int64(st, 12);
		d->waiting += (uint64_t)sqlite3_column_int64(st, 14);
	}
	if (rc < 0 || spool_id == 0)
		return rc;
	st = read_bind(r, READ_SPOOL_CLOCK, err, "id", spool_id, &boot);
	if ((rc = read_step(r, st, err)) == 1) {
		d->clock_trusted = true;
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

/* Takes the row that st stands on, then asks for the rest. */
static void
device_row(sqlite3_stmt *st, int64_t *id, struct store_device *d)
{
	memset(d, 0, sizeof(*d));
	*id = sqlite3_column_int64(st, 0);
	store_column_text(st, 1, d->device, sizeof(d->device));
	d->presence = (enum store_presence)sqlite3_column_int(st, 2);
	d->presence_since_unix_ms = store_column_time(st, 3);
	store_column_text(st, 4, d->software, sizeof(d->software));
	d->last_arrival_unix_ms = d->data_until_unix_ms = STORE_TIME_NONE;
	for (int i = 0; i < BL_STREAMS; i++)
		d->stream_until_unix_ms[i] = STORE_TIME_NONE;
}

static int
device_rest(struct store_read *r, int64_t id, struct store_device *d, struct bl_err *err)
{
	uint64_t holes = 0;
	int rc;

	if ((rc = device_spools(r, id, d, err)) < 0 || (rc = device_rivals(r, id, d, err)) < 0 ||
	    (rc = count_of(r, read_bind(r, READ_DEVICE_HOLES, err, "i", id), &holes, err)) < 0)
		return rc;
	d->unexplained += holes;
	if ((rc = count_of(r, read_bind(r, READ_DEVICE_GAPS, err, "i", id), &d->gaps, err)) < 0)
		return rc;
	return count_of(
	    r, read_bind(r, READ_DEVICE_ASIDE, err, "t", d->device), &d->set_aside, err);
}

int
store_read_devices(struct store_read *r, store_device_cb cb, void *ctx, struct bl_err *err)
{
	struct store_device *page;
	int64_t *id;
	char after[BL_DEVICE_ID_MAX + 1] = "";
	size_t n;
	int rc;

	page = malloc(256 * sizeof(*page));
	id = malloc(256 * sizeof(*id));
	if (page == NULL || id == NULL) {
		rc = bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
		goto done;
	}
	do {
		sqlite3_stmt *st = read_bind(r, READ_DEVICES, err, "t", after);

		for (n = 0; n < 256 && (rc = read_step(r, st, err)) == 1; n++)
			device_row(st, &id[n], &page[n]);
		if (n < 256 && rc < 0)
			goto done;
		if (n == 256)
			(void)sqlite3_reset(st);
		rc = BL_OK;
		for (size_t i = 0; i < n; i++) {
			if ((rc = device_rest(r, id[i], &page[i], err)) < 0 || !cb(ctx, &page[i]))
				goto done;
		}
		if (n > 0)
			memcpy(after, page[n - 1].device, sizeof(after));
	} while (n == 256);
done:
	free(page);
	free(id);
	return rc;
}

int
store_read_device(
    struct store_read *r, const char *device, struct store_device *out, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_DEVICE, err, "t", device);
	int rc = read_step(r, st, err);
	int64_t id;

	if (rc <= 0)
		return rc < 0 ? rc : BL_ENOTFOUND;
	device_row(st, &id, out);
	(void)sqlite3_reset(st);
	return device_rest(r, id, out, err);
}
