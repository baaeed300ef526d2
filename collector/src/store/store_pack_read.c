/* The manifest as readers see it: parts, where a device's hours are, numbers of other stores. */
#include <stdlib.h>
#include <string.h>

#include "store_read_internal.h"

#define PARTS_AT_ONCE 64

static void
take_part(sqlite3_stmt *st, struct store_part *p)
{
	memset(p, 0, sizeof(*p));
	p->id = sqlite3_column_int64(st, 0);
	p->hour_unix_ms = sqlite3_column_int64(st, 1);
	p->space = sqlite3_column_int64(st, 2);
	for (int i = 0; i < PARTS_LEVELS; i++) {
		p->offset[i] = sqlite3_column_int64(st, 3 + 2 * i);
		p->bytes[i] = sqlite3_column_int64(st, 4 + 2 * i);
	}
	p->devices = (uint32_t)sqlite3_column_int64(st, 9);
	p->series = (uint32_t)sqlite3_column_int64(st, 10);
	p->samples = (uint64_t)sqlite3_column_int64(st, 11);
	p->made_unix_ms = sqlite3_column_int64(st, 12);
}

/* Devices that a part hides, into *ids, which grows. */
static int
hidden_of(
    struct store_read *r, struct store_part *p, int64_t **ids, size_t *size, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_HIDDEN, err, "i", p->id);
	int rc;

	while ((rc = read_step(r, st, err)) == 1) {
		if (p->n_hidden == *size) {
			const size_t want = *size == 0 ? 64 : *size * 2;
			int64_t *more = realloc(*ids, want * sizeof(*more));

			if (more == NULL) {
				(void)sqlite3_reset(st);
				return bl_fail(
				    err, BL_ENOMEM, "read telemetry store: out of memory");
			}
			*ids = more;
			*size = want;
		}
		(*ids)[p->n_hidden++] = sqlite3_column_int64(st, 0);
	}
	p->hidden = *ids;
	return rc;
}

/* The next slice behind *p, which is where it ends. */
static int
some_parts(struct store_read *r, const struct store_part *behind, int64_t to,
    struct store_part out[PARTS_AT_ONCE], struct bl_err *err)
{
	sqlite3_stmt *st =
	    read_bind(r, READ_PARTS, err, "iii", behind->hour_unix_ms, behind->id, to);
	int n = 0, rc;

	while ((rc = read_step(r, st, err)) == 1)
		take_part(st, &out[n++]);
	return rc < 0 ? rc : n;
}

int
store_read_parts(struct store_read *r, int64_t from_unix_ms, int64_t to_unix_ms, store_part_cb cb,
    void *ctx, struct bl_err *err)
{
	struct store_part some[PARTS_AT_ONCE], behind = { .id = INT64_MAX };
	int64_t *ids = NULL;
	size_t size = 0;
	int n = PARTS_AT_ONCE, rc = BL_OK;
	bool on = true;

	behind.hour_unix_ms = store_hour(from_unix_ms) - 1;
	while (on && n == PARTS_AT_ONCE) {
		if ((n = rc = some_parts(r, &behind, to_unix_ms, some, err)) < 0)
			break;
		for (int i = 0; i < n && on; i++) {
			if ((rc = hidden_of(r, &some[i], &ids, &size, err)) < 0)
				goto done;
			on = cb(ctx, &some[i]);
		}
		if (n > 0)
			behind = some[n - 1];
	}
done:
	free(ids);
	return rc < 0 ? rc : BL_OK;
}

int
store_read_part(struct store_read *r, int64_t id, struct store_part *out, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_PART, err, "i", id);
	int rc = read_step(r, st, err);

	if (rc <= 0)
		return rc < 0 ? rc : BL_ENOTFOUND;
	take_part(st, out);
	(void)sqlite3_reset(st);
	return BL_OK;
}

int
store_read_part_after(
    struct store_read *r, int64_t id, struct store_part *out, bool *holds, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_PART_AFTER, err, "i", id);
	const int rc = read_step(r, st, err);

	if (rc != 1)
		return rc;
	take_part(st, out);
	*holds = sqlite3_column_int64(st, 13) ==
		 row_sum_ints("part",
		     (const int64_t[]){ out->id, out->hour_unix_ms, out->space, out->devices,
			 out->series, (int64_t)out->samples, out->offset[0], out->bytes[0],
			 out->offset[1], out->bytes[1], out->offset[2], out->bytes[2] },
		     12);
	(void)sqlite3_reset(st);
	return 1;
}

static int
sum_level(
    struct store_read *r, enum parts_level level, struct store_part_sum *out, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_PART_SUM, err, "i", (int64_t)level);
	int rc = read_step(r, st, err);

	if (rc < 0)
		return rc;
	out->parts = (uint64_t)sqlite3_column_int64(st, 0);
	out->samples = (uint64_t)sqlite3_column_int64(st, 1);
	out->bytes = sqlite3_column_int64(st, 2);
	out->from_unix_ms = store_column_time(st, 3);
	out->to_unix_ms = store_column_time(st, 4);
	if (out->to_unix_ms != STORE_TIME_NONE)
		out->to_unix_ms += STORE_HOUR_MS;
	(void)sqlite3_reset(st);
	return BL_OK;
}

int
store_read_part_sums(struct store_read *r, struct store_part_sum out[PARTS_LEVELS],
    uint64_t *batches, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	for (int i = 0; i < PARTS_LEVELS; i++)
		if ((rc = sum_level(r, (enum parts_level)i, &out[i], err)) < 0)
			return rc;
	st = read_bind(r, READ_BATCH_COUNT, err, "");
	if ((rc = read_step(r, st, err)) < 0)
		return rc;
	*batches = (uint64_t)sqlite3_column_int64(st, 0);
	(void)sqlite3_reset(st);
	return BL_OK;
}

int
store_read_alias(struct store_read *r, int64_t space, enum store_alias kind, store_alias_cb cb,
    void *ctx, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_ALIAS, err, "ii", space, (int64_t)kind);
	int rc;

	while ((rc = read_step(r, st, err)) == 1)
		if (!cb(ctx, sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1))) {
			(void)sqlite3_reset(st);
			break;
		}
	return rc < 0 ? rc : BL_OK;
}

int
store_read_device_number(struct store_read *r, const char *device, int64_t *out, struct bl_err *err)
{
	const int rc = read_device_id(r, device, out, err);

	return rc < 0 ? rc : rc == 1 ? BL_OK : BL_ENOTFOUND;
}

/* ---- one device's hours ---- */

int
store_read_packed(struct store_read *r, int64_t device_id, int64_t from_unix_ms, int64_t to_unix_ms,
    struct store_packed *out, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(
	    r, READ_PACKED, err, "iii", device_id, store_hour(from_unix_ms) - 1, to_unix_ms);
	int rc;

	while ((rc = read_step(r, st, err)) == 1) {
		if (out->n == out->size) {
			const size_t size = out->size == 0 ? 32 : out->size * 2;
			struct store_packed_hour *more = realloc(out->h, size * sizeof(*more));

			if (more == NULL) {
				(void)sqlite3_reset(st);
				return bl_fail(
				    err, BL_ENOMEM, "read telemetry store: out of memory");
			}
			out->h = more;
			out->size = size;
		}
		out->h[out->n++] = (struct store_packed_hour){ sqlite3_column_int64(st, 0),
			sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 2) };
	}
	return rc;
}

void
store_packed_free(struct store_packed *p)
{
	free(p->h);
	memset(p, 0, sizeof(*p));
}

const struct store_packed_hour *
store_packed_at(const struct store_packed *p, int64_t unix_ms)
{
	const int64_t hour = store_hour(unix_ms);
	size_t lo = 0, hi = p->n;

	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;

		if (p->h[mid].hour_unix_ms < hour)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->n && p->h[lo].hour_unix_ms == hour ? &p->h[lo] : NULL;
}

bool
store_packed_has(
    const struct store_packed *p, int64_t batch_id, int64_t mark_unix_ms, int64_t unix_ms)
{
	const struct store_packed_hour *h;

	if (mark_unix_ms != STORE_TIME_NONE)
		return unix_ms < mark_unix_ms;
	h = store_packed_at(p, unix_ms);
	return h != NULL && batch_id <= h->batch_upto;
}

/* ---- hours that cannot be read ---- */

int
store_read_lost_parts(struct store_read *r, store_lost_cb cb, void *ctx, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_LOST_PARTS, err, "");
	int rc;

	while ((rc = read_step(r, st, err)) == 1)
		if (!cb(ctx, sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1))) {
			(void)sqlite3_reset(st);
			return BL_OK;
		}
	return rc;
}

int
store_read_lost_hour(struct store_read *r, int64_t device_id, enum bl_stream stream,
    int64_t hour_unix_ms, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_LOST_HOUR, err, "iii", device_id, (int64_t)stream,
	    hour_unix_ms + STORE_HOUR_MS);
	const int rc = read_step(r, st, err);

	if (rc == 1)
		(void)sqlite3_reset(st);
	return rc;
}
