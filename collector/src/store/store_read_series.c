/*
 * Series of a device.  When each was first and last seen is told by the two ends of what its
 * stream has delivered: exact for what is there, and not known for what came or
 * went in between.
 */
#include <stdlib.h>
#include <string.h>

#include "store_samples.h"

#define SERIES_PER_DEVICE_MAX 200000
/* So much of the first and of the last row of coverage is looked at. */
#define EDGE_MS 600000

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

/* The series of one stream, and where they are in the list. */
struct group {
	struct series_row *row;
	int64_t *id;
	size_t *at;
	size_t n;
	bool newest;
};

static bool
note_edge(void *ctx, const struct samples *l)
{
	struct group *g = ctx;
	struct store_series *s = &g->row[g->at[l->series]].s;

	if (g->newest)
		s->last_unix_ms = l->s[l->n - 1].unix_ms;
	else if (s->first_unix_ms == STORE_TIME_NONE)
		s->first_unix_ms = l->s[0].unix_ms;
	return true;
}

static int
see_edge(struct store_read *r, int64_t device_id, enum bl_stream stream, bool newest,
    struct group *g, struct bl_err *err)
{
	struct samples_ask a = { .device_id = device_id,
		.stream = stream,
		.ids = g->id,
		.n = g->n,
		.deadline_mono_ms = INT64_MAX,
		.leave_damaged = true };
	int64_t lo, hi;
	const int rc = read_edge(r, device_id, stream, newest, &lo, &hi, err);

	if (rc <= 0)
		return rc;
	g->newest = newest;
	a.from_unix_ms = newest && hi - lo > EDGE_MS ? hi - EDGE_MS : lo;
	a.to_unix_ms = !newest && hi - lo > EDGE_MS ? lo + EDGE_MS : hi + 1;
	return samples_of(r, &a, note_edge, g, NULL, err);
}

static int
see_stream(struct store_read *r, struct group *g, size_t n, int64_t device_id,
    enum bl_stream stream, struct bl_err *err)
{
	int rc;

	g->n = 0;
	for (size_t i = 0; i < n; i++)
		if (g->row[i].s.stream == stream) {
			g->id[g->n] = g->row[i].s.id;
			g->at[g->n++] = i;
		}
	if (g->n == 0)
		return BL_OK;
	rc = see_edge(r, device_id, stream, false, g, err);
	return rc < 0 ? rc : see_edge(r, device_id, stream, true, g, err);
}

static int
answer(struct store_read *r, struct series_row *row, size_t n, int64_t device_id,
    store_series_cb cb, void *ctx, struct bl_err *err)
{
	struct group g = {
		.row = row, .id = calloc(n, sizeof(*g.id)), .at = calloc(n, sizeof(*g.at))
	};
	int rc = g.id == NULL || g.at == NULL
		     ? bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory")
		     : BL_OK;

	for (int i = 1; rc == BL_OK && i <= BL_STREAMS; i++)
		rc = see_stream(r, &g, n, device_id, (enum bl_stream)i, err);
	free(g.id);
	free(g.at);
	for (size_t i = 0; rc == BL_OK && i < n; i++)
		if (!cb(ctx, &row[i].s))
			break;
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
