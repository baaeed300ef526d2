/*
 * The newest value of some metrics over all devices: what the overview shows.
 *
 * One batch per device and stream is read, the newest placed one, and of it
 * only the wanted columns.
 */
#include <stdlib.h>
#include <string.h>

#include "store_read_internal.h"

struct latest_row {
	int64_t device_id, stream, series, spool_id;
	uint32_t number;
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
	if ((row->device = calloc(1, d + n + 2)) == NULL)
		return false;
	if (d > 0)
		memcpy(row->device, device, d);
	row->labels = row->device + d + 1;
	if (n > 0)
		memcpy(row->labels, labels, n);
	row->name = name;
	row->device_id = sqlite3_column_int64(st, 0);
	row->stream = sqlite3_column_int64(st, 1);
	row->series = sqlite3_column_int64(st, 3);
	row->spool_id = sqlite3_column_int64(st, 5);
	row->number = (uint32_t)sqlite3_column_int64(st, 6);
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
by_batch(const void *a, const void *b)
{
	const struct latest_row *x = a, *y = b;

	if (x->device_id != y->device_id)
		return x->device_id < y->device_id ? -1 : 1;
	if (x->stream != y->stream)
		return x->stream < y->stream ? -1 : 1;
	if (x->spool_id != y->spool_id)
		return x->spool_id < y->spool_id ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

static const struct latest_row *
find(const struct latest_row *row, size_t n, int64_t spool_id, uint32_t number)
{
	for (size_t i = 0; i < n; i++)
		if (row[i].number == number && row[i].spool_id == spool_id)
			return &row[i];
	return NULL;
}

/* rows: all of one device and stream.  1: go on, 0: the visitor stopped. */
static int
group(struct store_read *r, const struct latest_row *row, size_t n, store_latest_cb cb, void *ctx,
    struct bl_err *err)
{
	struct bl_batch_reader rd;
	struct bl_column c;
	struct scan_batch *b;
	struct scan sc;
	int rc;

	if ((rc = scan_begin_one(
		 &sc, r, SCAN_DOWN, row->device_id, (enum bl_stream)row->stream, err)) < 0)
		return rc;
	if ((rc = scan_next(&sc, &b, err)) <= 0 || b->h.n_samples == 0) {
		scan_end(&sc);
		return rc < 0 ? rc : 1;
	}
	if ((rc = scan_open(&sc, b, &rd, err)) < 0)
		goto done;
	while ((rc = bl_batch_next_column(&rd, &c, err)) == 1) {
		const struct latest_row *w = find(row, n, b->spool_id, c.series_id);
		const uint32_t last = c.n - 1;
		struct store_latest l;

		if (w == NULL || c.n == 0)
			continue;
		if ((rc = bl_column_decode(&rd, &c, r->boot_ms, r->value, r->unknown, err)) < 0)
			goto done;
		l = (struct store_latest){ w->device, w->series, w->name, w->labels,
			scan_place(&sc, r->boot_ms[last]), r->unknown[last] == BL_KNOWN,
			r->value[last] };
		if (!cb(ctx, &l))
			goto done;
	}
	if (rc == 0)
		rc = 1;
done:
	scan_end(&sc);
	return rc < 0 ? rc : rc == 1 ? 1 : 0;
}

int
store_read_latest(struct store_read *r, const char *const *names, size_t n, store_latest_cb cb,
    void *ctx, struct bl_err *err)
{
	struct rows l = { 0 };
	int rc = read_scratch(r, err);

	for (size_t i = 0; rc == BL_OK && i < n; i++)
		rc = load(r, names[i], &l, err);
	if (rc == BL_OK && l.n > 1)
		qsort(l.row, l.n, sizeof(*l.row), by_batch);
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
