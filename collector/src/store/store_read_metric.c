/* Metrics over all devices: which there are, which series each has, how far data reach. */
#include "store_metric.h"

#include <string.h>

#include "store_pack.h"
#include "store_read_internal.h"

static const char *
text(sqlite3_stmt *st, int column)
{
	const char *t = (const char *)sqlite3_column_text(st, column);

	return t != NULL ? t : "";
}

int
store_read_metrics(struct store_read *r, const char *after, size_t limit, store_metric_cb cb,
    void *ctx, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_METRICS, err, "ti", after, (int64_t)limit);
	int rc;

	while ((rc = read_step(r, st, err)) == 1) {
		const struct store_metric m = {
			.name = text(st, 0),
			.unit = text(st, 1),
			.gauges = sqlite3_column_int(st, 2) != 0,
			.counters = sqlite3_column_int(st, 3) != 0,
			.series = (uint64_t)sqlite3_column_int64(st, 4),
			.devices = (uint64_t)sqlite3_column_int64(st, 5),
			.interval_ms = sqlite3_column_int64(st, 6),
		};

		if (!cb(ctx, &m)) {
			(void)sqlite3_reset(st);
			return BL_OK;
		}
	}
	return rc;
}

int
store_read_metric(struct store_read *r, const char *metric, store_metric_series_cb cb, void *ctx,
    struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_METRIC_SERIES, err, "t", metric);
	int rc;

	while ((rc = read_step(r, st, err)) == 1) {
		const struct store_series s = {
			.id = sqlite3_column_int64(st, 0),
			.device = text(st, 1),
			.name = text(st, 2),
			.unit = text(st, 3),
			.labels_json = text(st, 4),
			.kind = (enum bl_series_kind)sqlite3_column_int(st, 5),
			.stream = (enum bl_stream)sqlite3_column_int(st, 6),
			.interval_ms = (uint32_t)sqlite3_column_int64(st, 7),
			.first_unix_ms = STORE_TIME_NONE,
			.last_unix_ms = STORE_TIME_NONE,
		};

		if (!cb(ctx, sqlite3_column_int64(st, 8), &s)) {
			(void)sqlite3_reset(st);
			return BL_OK;
		}
	}
	return rc;
}

int
store_read_metric_entries(struct store_read *r, const char *metric, store_metric_entry_cb cb,
    void *ctx, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_METRIC_ENTRIES, err, "t", metric);
	int rc;

	while ((rc = read_step(r, st, err)) == 1) {
		struct store_metric_entry e = {
			.series = sqlite3_column_int64(st, 0),
			.device = text(st, 1),
			.labels_json = text(st, 2),
			.unit = text(st, 3),
			.interval_ms = sqlite3_column_int64(st, 4),
			.number = (uint32_t)sqlite3_column_int64(st, 6),
		};

		if (sqlite3_column_bytes(st, 5) != sizeof(e.spool.b))
			continue;
		memcpy(e.spool.b, sqlite3_column_blob(st, 5), sizeof(e.spool.b));
		if (!cb(ctx, &e)) {
			(void)sqlite3_reset(st);
			return BL_OK;
		}
	}
	return rc;
}

int
store_read_extent(struct store_read *r, const char *device, enum bl_stream stream,
    int64_t *from_unix_ms, int64_t *to_unix_ms, struct bl_err *err)
{
	int64_t device_id;
	sqlite3_stmt *st;
	bool there;
	int rc = read_device_id(r, device, &device_id, err);

	if (rc <= 0)
		return rc < 0 ? rc : BL_ENOTFOUND;
	st = read_bind(r, READ_METRIC_EXTENT, err, "ii", device_id, (int64_t)stream);
	if ((rc = read_step(r, st, err)) <= 0)
		return rc < 0 ? rc : BL_ENOTFOUND;
	there =
	    sqlite3_column_type(st, 0) != SQLITE_NULL && sqlite3_column_type(st, 1) != SQLITE_NULL;
	*from_unix_ms = sqlite3_column_int64(st, 0);
	*to_unix_ms = sqlite3_column_int64(st, 1) + 1;
	(void)sqlite3_reset(st);
	return there ? BL_OK : BL_ENOTFOUND;
}

int
store_read_levels(struct store_read *r, int64_t since_unix_ms, int64_t from_unix_ms[PARTS_LEVELS],
    int64_t *begin_unix_ms, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_LEVELS, err, "i", since_unix_ms - STORE_HOUR_MS);
	int rc = read_step(r, st, err);

	if (rc < 0)
		return rc;
	*begin_unix_ms = INT64_MAX;
	for (int i = 0; i < PARTS_LEVELS; i++)
		from_unix_ms[i] = INT64_MIN;
	if (rc == 0)
		return BL_OK;
	for (int i = 0; i < PARTS_LEVELS; i++)
		if (sqlite3_column_type(st, i) != SQLITE_NULL)
			from_unix_ms[i] = sqlite3_column_int64(st, i) + STORE_HOUR_MS;
	for (int i = PARTS_LEVELS; i < PARTS_LEVELS + 2; i++)
		if (sqlite3_column_type(st, i) != SQLITE_NULL &&
		    sqlite3_column_int64(st, i) < *begin_unix_ms)
			*begin_unix_ms = sqlite3_column_int64(st, i);
	(void)sqlite3_reset(st);
	return BL_OK;
}

static int
next_hour(struct store_read *r, enum read_sql which, int64_t hour_unix_ms, int64_t *out,
    struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, which, err, "i", hour_unix_ms);
	int rc = read_step(r, st, err);

	*out = INT64_MAX;
	if (rc <= 0)
		return rc;
	for (int i = 0; i < 2; i++)
		if (sqlite3_column_type(st, i) != SQLITE_NULL && sqlite3_column_int64(st, i) < *out)
			*out = sqlite3_column_int64(st, i);
	(void)sqlite3_reset(st);
	return BL_OK;
}

int
store_read_next_hour(struct store_read *r, int64_t hour_unix_ms, int64_t *out, struct bl_err *err)
{
	return next_hour(r, READ_NEXT_HOUR, hour_unix_ms, out, err);
}

int
store_read_next_raw(struct store_read *r, int64_t hour_unix_ms, int64_t *out, struct bl_err *err)
{
	return next_hour(r, READ_NEXT_RAW, hour_unix_ms, out, err);
}

int
store_read_parts_files(struct store_read *r, struct parts **out, struct bl_err *err)
{
	struct part_read *reads;
	const int rc = read_parts(r, &reads, err);

	*out = r->parts;
	return rc < 0 ? rc : BL_OK;
}
