/*
 * The newest value of some metrics over all devices: what the overview shows.
 *
 * Of each device and stream the newest row of coverage is looked at, and of it the end: what
 * came last, whatever holds it.
 */
#include <stdlib.h>
#include <string.h>

#include "store_samples.h"

/* Of the end of the newest row: two batches of a minute, or what is left of one. */
#define LATEST_MS 120000

struct latest_row {
	int64_t device_id, stream, series;
	bool seen, known; /* its newest sample */
	int64_t unix_ms;
	double value;
	const char *name; /* the caller's */
	char *device;     /* owned; labels follow in the same block */
	char *labels;
};

struct rows {
	struct latest_row *row;
	size_t n, size;
};

static bool
take_row(struct rows *l, sqlite3_stmt *st, const char *name)
{
	const char *device = (const char *)sqlite3_column_text(st, 2);
	const char *labels = (const char *)sqlite3_column_text(st, 4);
	const size_t d = device == NULL ? 0 : strlen(device);
	const size_t n = labels == NULL ? 0 : strlen(labels);
	struct latest_row *row;

	if (l->n == l->size) {
		const size_t size = l->size == 0 ? 256 : l->size * 2;

		if ((row = realloc(l->row, size * sizeof(*row))) == NULL)
			return false;
		l->row = row;
		l->size = size;
	}
	row = &l->row[l->n];
	*row = (struct latest_row){ .name = name };
	if ((row->device = calloc(1, d + n + 2)) == NULL)
		return false;
	if (d > 0)
		memcpy(row->device, device, d);
	row->labels = row->device + d + 1;
	if (n > 0)
		memcpy(row->labels, labels, n);
	row->device_id = sqlite3_column_int64(st, 0);
	row->stream = sqlite3_column_int64(st, 1);
	row->series = sqlite3_column_int64(st, 3);
	l->n++;
	return true;
}

static int
load(struct store_read *r, const char *name, struct rows *l, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_SERIES_NAMED, err, "t", name);
	int rc;

	while ((rc = read_step(r, st, err)) == 1)
		if (!take_row(l, st, name)) {
			(void)sqlite3_reset(st);
			return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
		}
	return rc;
}

static int
by_stream(const void *a, const void *b)
{
	const struct latest_row *x = a, *y = b;

	if (x->device_id != y->device_id)
		return x->device_id < y->device_id ? -1 : 1;
	if (x->stream != y->stream)
		return x->stream < y->stream ? -1 : 1;
	return (x->series > y->series) - (x->series < y->series);
}

static bool
note_last(void *ctx, const struct samples *l)
{
	struct latest_row *row = (struct latest_row *)ctx + l->series;
	const struct sample *last = &l->s[l->n - 1];

	row->seen = true;
	row->known = last->unknown == BL_KNOWN;
	row->unix_ms = last->unix_ms;
	row->value = last->value;
	return true;
}

static int
look(struct store_read *r, struct latest_row *row, size_t n, int64_t from, int64_t to,
    struct bl_err *err)
{
	struct samples_ask a = { .device_id = row->device_id,
		.stream = (enum bl_stream)row->stream,
		.n = n,
		.from_unix_ms = from,
		.to_unix_ms = to,
		.deadline_mono_ms = INT64_MAX };
	int64_t *ids = calloc(n, sizeof(*ids));
	int rc;

	if (ids == NULL)
		return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	for (size_t i = 0; i < n; i++)
		ids[i] = row[i].series;
	a.ids = ids;
	rc = samples_of(r, &a, note_last, row, NULL, err);
	free(ids);
	return rc;
}

/* rows: all of one device and stream.  1: go on, 0: the visitor stopped. */
static int
group(struct store_read *r, struct latest_row *row, size_t n, store_latest_cb cb, void *ctx,
    struct bl_err *err)
{
	int64_t lo, hi;
	int rc = read_edge(r, row->device_id, (enum bl_stream)row->stream, true, &lo, &hi, err);

	if (rc <= 0)
		return rc < 0 ? rc : 1;
	if (hi - lo > LATEST_MS)
		lo = hi - LATEST_MS;
	if ((rc = look(r, row, n, lo, hi + 1, err)) < 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		const struct store_latest l = { row[i].device, row[i].series, row[i].name,
			row[i].labels, row[i].unix_ms, row[i].known, row[i].value };

		if (row[i].seen && !cb(ctx, &l))
			return 0;
	}
	return 1;
}

int
store_read_latest(struct store_read *r, const char *const *names, size_t n, store_latest_cb cb,
    void *ctx, struct bl_err *err)
{
	struct rows l = { 0 };
	int rc = BL_OK;

	for (size_t i = 0; rc == BL_OK && i < n; i++)
		rc = load(r, names[i], &l, err);
	if (rc == BL_OK && l.n > 1)
		qsort(l.row, l.n, sizeof(*l.row), by_stream);
	for (size_t i = 0, j; rc >= 0 && i < l.n; i = j) {
		for (j = i + 1; j < l.n && l.row[j].device_id == l.row[i].device_id &&
				l.row[j].stream == l.row[i].stream;
		     j++)
			;
		if ((rc = group(r, &l.row[i], j - i, cb, ctx, err)) == 0)
			break;
	}
	for (size_t i = 0; i < l.n; i++)
		free(l.row[i].device);
	free(l.row);
	return rc < 0 ? rc : BL_OK;
}
