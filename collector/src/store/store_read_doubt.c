/*
 * Where clock maps are not sure: spans of devices' time whose samples and events
 * may lie elsewhere by so much.
 *
 * A segment holds from its begin to that of the next one, and later ones stand for
 * earlier ones of the same begin, so a span is what a boot's map says piece by piece
 * over what was delivered of it.
 */
#include <stdlib.h>
#include <string.h>

#include "store_read_internal.h"

#define BOOTS_MAX 4096u

struct doubt_boot {
	char device[BL_DEVICE_ID_MAX + 1];
	int64_t device_id, spool_id, boot_id;
};

struct doubt {
	struct store_read *r;
	struct placer place;
	int64_t from, to;
	uint32_t least_ms;
	store_doubt_cb cb;
	void *ctx;
	bool stopped;
};

static int
doubtful_boots(struct store_read *r, int64_t device_id, uint32_t least_ms, struct doubt_boot **out,
    size_t *n, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	*n = 0;
	if ((*out = malloc(BOOTS_MAX * sizeof(**out))) == NULL)
		return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	st = device_id == 0
		 ? read_bind(r, READ_DOUBTS, err, "ii", (int64_t)least_ms, (int64_t)BOOTS_MAX)
		 : read_bind(r, READ_DOUBTS_DEVICE, err, "iii", (int64_t)least_ms,
		       (int64_t)BOOTS_MAX, device_id);
	while ((rc = read_step(r, st, err)) == 1) {
		struct doubt_boot *b = &(*out)[(*n)++];

		b->device_id = sqlite3_column_int64(st, 0);
		store_column_text(st, 1, b->device, sizeof(b->device));
		b->spool_id = sqlite3_column_int64(st, 2);
		b->boot_id = sqlite3_column_int64(st, 3);
	}
	if (rc < 0) {
		free(*out);
		*out = NULL;
	}
	return rc;
}

/* What the streams of a boot delivered in the range, by boot time; false: nothing. */
static int
extent(struct doubt *d, const struct doubt_boot *b, int64_t *lo, int64_t *hi, struct bl_err *err)
{
	int64_t reach;
	int rc;

	*lo = INT64_MAX;
	*hi = INT64_MIN;
	for (int i = 1; i <= BL_STREAMS; i++) {
		sqlite3_stmt *st;

		if ((rc = read_reach(d->r, b->device_id, (enum bl_stream)i, &reach, err)) < 0)
			return rc;
		st = read_bind(d->r, READ_DOUBT_EXTENT, err, "iiiiiii", b->device_id, (int64_t)i,
		    d->from - reach, d->to, d->from, b->spool_id, b->boot_id);
		if ((rc = read_step(d->r, st, err)) < 0)
			return rc;
		if (rc == 1 && sqlite3_column_type(st, 0) != SQLITE_NULL) {
			const int64_t a = sqlite3_column_int64(st, 0),
				      z = sqlite3_column_int64(st, 1);

			*lo = a < *lo ? a : *lo;
			*hi = z > *hi ? z : *hi;
		}
		if (rc == 1)
			(void)sqlite3_reset(st);
	}
	return *lo <= *hi;
}

static void
tell(struct doubt *d, const struct doubt_boot *b, int64_t begin, int64_t end)
{
	struct store_doubt s = { .device = b->device };
	const int64_t last = end > begin ? end - 1 : begin;

	s.from_unix_ms = placer_place_within(&d->place, begin, &s.uncertainty_ms);
	s.to_unix_ms = placer_place(&d->place, last) + 1;
	if (s.from_unix_ms < d->from)
		s.from_unix_ms = d->from;
	if (s.to_unix_ms > d->to)
		s.to_unix_ms = d->to;
	if (s.uncertainty_ms >= d->least_ms && s.from_unix_ms < s.to_unix_ms)
		d->stopped = !d->cb(d->ctx, &s);
}

static int
walk(struct doubt *d, const struct doubt_boot *b, struct bl_err *err)
{
	int64_t at, hi;
	int rc;

	if ((rc = extent(d, b, &at, &hi, err)) <= 0 ||
	    (rc = placer_for(&d->place, b->spool_id, b->boot_id, err)) < 0)
		return rc;
	if (at == hi)
		hi++; /* an instant */
	while (at < hi && !d->stopped) {
		const int64_t until = placer_until(&d->place, at, hi);

		tell(d, b, at, until);
		at = until;
	}
	return BL_OK;
}

int
store_read_doubts(struct store_read *r, const char *device, int64_t from_unix_ms,
    int64_t to_unix_ms, uint32_t least_ms, store_doubt_cb cb, void *ctx, struct bl_err *err)
{
	struct doubt d = { .r = r, .place.r = r, .cb = cb, .ctx = ctx };
	struct doubt_boot *boot;
	int64_t device_id = 0;
	size_t n;
	int rc;

	if (device != NULL && (rc = read_device_id(r, device, &device_id, err)) <= 0)
		return rc;
	/* Bounds keep every sum below within 64 bits. */
	d.from = from_unix_ms < -INT64_MAX / 4 ? -INT64_MAX / 4 : from_unix_ms;
	d.to = to_unix_ms > INT64_MAX / 4 ? INT64_MAX / 4 : to_unix_ms;
	d.least_ms = least_ms < STORE_DOUBT_MIN_MS ? STORE_DOUBT_MIN_MS : least_ms;
	if ((rc = doubtful_boots(r, device_id, d.least_ms, &boot, &n, err)) < 0)
		return rc;
	rc = BL_OK;
	for (size_t i = 0; i < n && rc >= 0 && !d.stopped; i++)
		rc = walk(&d, &boot[i], err);
	placer_free(&d.place);
	free(boot);
	return rc < 0 ? rc : BL_OK;
}
