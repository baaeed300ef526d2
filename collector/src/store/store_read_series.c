/*
 * Series of a device.  When each was first and last seen is told by the
 * stream's oldest and newest batch: exact for what is still there, and not
 * known for what came or went in between.
 */
#include <stdlib.h>
#include <string.h>

#include "store_read_internal.h"

#define SERIES_PER_DEVICE_MAX 200000

/* Dictionary numbers that one batch holds. */
struct seen {
	int64_t spool_id, begin_unix_ms, end_unix_ms;
	uint32_t *number; /* ascending */
	size_t n;
};

static int
by_number(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int
see(struct store_read *r, int64_t device_id, enum bl_stream stream, enum scan_order order,
    struct seen *out, struct bl_err *err)
{
	struct bl_batch_reader rd;
	struct bl_column c;
	struct scan_batch *b;
	struct scan sc;
	int rc;

	memset(out, 0, sizeof(*out));
	if ((rc = scan_begin_one(&sc, r, order, device_id, stream, err)) < 0)
		goto done;
	if ((rc = scan_next(&sc, &b, err)) <= 0 || b->h.n_samples == 0)
		goto done;
	out->spool_id = b->spool_id;
	out->begin_unix_ms = b->begin_unix_ms;
	out->end_unix_ms = b->end_unix_ms;
	if ((rc = scan_open(&sc, b, &rd, err)) < 0)
		goto done;
	if ((out->number = malloc(rd.columns_left * sizeof(*out->number))) == NULL) {
		rc = bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
		goto done;
	}
	while ((rc = bl_batch_next_column(&rd, &c, err)) == 1)
		out->number[out->n++] = c.series_id;
	qsort(out->number, out->n, sizeof(*out->number), by_number);
done:
	scan_end(&sc);
	return rc < 0 ? rc : BL_OK;
}

/* One row, owned. */
struct series_row {
	struct store_series s;
	char *text; /* device, name, unit, labels, one after another */
};

static char *
take_text(char **at, sqlite3_stmt *st, int i)
{
	char *p = *at;
	const size_t len = (size_t)sqlite3_column_bytes(st, i);

	if (len > 0)
		memcpy(p, sqlite3_column_text(st, i), len);
	p[len] = '\0';
	*at = p + len + 1;
	return p;
}

static bool
take_series(sqlite3_stmt *st, struct series_row *row)
{
	size_t len = 4;
	char *at;

	for (int i = 1; i <= 4; i++) {
		(void)sqlite3_column_text(st, i); /* fixes the type, so that bytes counts text */
		len += (size_t)sqlite3_column_bytes(st, i);
	}
	if ((row->text = at = malloc(len)) == NULL)
		return false;
	row->s = (struct store_series){
		.id = sqlite3_column_int64(st, 0),
		.kind = (enum bl_series_kind)sqlite3_column_int(st, 5),
		.stream = (enum bl_stream)sqlite3_column_int(st, 6),
		.interval_ms = (uint32_t)sqlite3_column_int64(st, 7),
		.first_unix_ms = STORE_TIME_NONE,
		.last_unix_ms = STORE_TIME_NONE,
	};
	row->s.device = take_text(&at, st, 1);
	row->s.name = take_text(&at, st, 2);
	row->s.unit = take_text(&at, st, 3);
	row->s.labels_json = take_text(&at, st, 4);
	return true;
}

static bool
has(const struct seen *seen, int64_t spool_id, uint32_t number)
{
	return seen->n > 0 && seen->spool_id == spool_id &&
	       bsearch(&number, seen->number, seen->n, sizeof(number), by_number) != NULL;
}

static int
find_first_last(struct store_read *r, struct store_series *s, const struct seen *oldest,
    const struct seen *newest, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_SERIES_ENTRIES, err, "i", s->id);
	int rc;

	while ((rc = read_step(r, st, err)) == 1) {
		const int64_t spool_id = sqlite3_column_int64(st, 0);
		const uint32_t number = (uint32_t)sqlite3_column_int64(st, 1);

		if (has(oldest, spool_id, number))
			s->first_unix_ms = oldest->begin_unix_ms;
		if (has(newest, spool_id, number))
			s->last_unix_ms = newest->end_unix_ms;
	}
	return rc;
}

static void
rows_free(struct series_row *row, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(row[i].text);
	free(row);
}

static int
load_rows(struct store_read *r, sqlite3_stmt *st, struct series_row **out, size_t *n,
    int64_t *device_id, struct bl_err *err)
{
	struct series_row *row = NULL, *more;
	size_t size = 0;
	int rc;

	*n = 0;
	*out = NULL;
	while ((rc = read_step(r, st, err)) == 1) {
		if (*n == size) {
			size = size == 0 ? 64 : size * 2;
			more =
			    size > SERIES_PER_DEVICE_MAX ? NULL : realloc(row, size * sizeof(*row));
			if (more == NULL)
				goto too_many;
			row = more;
		}
		*device_id = sqlite3_column_int64(st, 8);
		if (!take_series(st, &row[*n]))
			goto too_many;
		(*n)++;
	}
	if (rc < 0) {
		rows_free(row, *n);
		return rc;
	}
	*out = row;
	return BL_OK;

too_many:
	(void)sqlite3_reset(st);
	rows_free(row, *n);
	return bl_fail(err, BL_EFULL, "a device has too many series to list");
}

static int
answer(struct store_read *r, struct series_row *row, size_t n, int64_t device_id,
    store_series_cb cb, void *ctx, struct bl_err *err)
{
	struct seen oldest[BL_STREAMS] = { { 0 } }, newest[BL_STREAMS] = { { 0 } };
	int rc = BL_OK;

	for (int i = 0; rc == BL_OK && i < BL_STREAMS; i++) {
		rc = see(r, device_id, (enum bl_stream)(i + 1), SCAN_UP, &oldest[i], err);
		if (rc == BL_OK)
			rc = see(r, device_id, (enum bl_stream)(i + 1), SCAN_DOWN, &newest[i], err);
	}
	for (size_t i = 0; rc == BL_OK && i < n; i++) {
		const int k = (int)row[i].s.stream - 1;

		if (k >= 0 && k < BL_STREAMS)
			rc = find_first_last(r, &row[i].s, &oldest[k], &newest[k], err);
		if (rc == BL_OK && !cb(ctx, &row[i].s))
			break;
	}
	for (int i = 0; i < BL_STREAMS; i++) {
		free(oldest[i].number);
		free(newest[i].number);
	}
	return rc;
}

int
store_read_series(
    struct store_read *r, const char *device, store_series_cb cb, void *ctx, struct bl_err *err)
{
	struct series_row *row;
	int64_t device_id;
	size_t n;
	int rc = read_device_id(r, device, &device_id, err);

	if (rc <= 0)
		return rc; /* never heard of: no series */
	if ((rc = load_rows(
		 r, read_bind(r, READ_SERIES, err, "i", device_id), &row, &n, &device_id, err)) < 0)
		return rc;
	if (n > 0)
		rc = answer(r, row, n, device_id, cb, ctx, err);
	rows_free(row, n);
	return rc;
}

int
store_read_series_by_id(
    struct store_read *r, int64_t id, store_series_cb cb, void *ctx, struct bl_err *err)
{
	struct series_row *row;
	int64_t device_id = 0;
	size_t n;
	int rc;

	if ((rc = load_rows(
		 r, read_bind(r, READ_SERIES_ID, err, "i", id), &row, &n, &device_id, err)) < 0)
		return rc;
	rc = n > 0 ? answer(r, row, n, device_id, cb, ctx, err) : BL_ENOTFOUND;
	rows_free(row, n);
	return rc;
}
