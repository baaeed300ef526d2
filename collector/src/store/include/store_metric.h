/*
 * Metrics over all devices: which there are, which series each has, how far a
 * stream's data reach.  For queries over a fleet; a reader (store_read.h) is
 * used by one thread.
 */
#ifndef STORE_METRIC_H
#define STORE_METRIC_H

#include "parts.h"
#include "store_read.h"

struct store_metric {
	const char *name;
	const char *unit;      /* as the newest definition has it */
	bool gauges, counters; /* kinds that its series have */
	uint64_t series, devices;
	int64_t interval_ms; /* the least of them */
};

typedef bool (*store_metric_cb)(void *ctx, const struct store_metric *m);

/* In order of name, those behind after ("": from the first), at most limit. */
int store_read_metrics(struct store_read *r, const char *after, size_t limit, store_metric_cb cb,
    void *ctx, struct bl_err *err);
/*
 * Series of a metric, in any order; first_unix_ms and last_unix_ms are not told (NONE).
 * device_no: the store's number of the device, as parts have it.
 */
typedef bool (*store_metric_series_cb)(void *ctx, int64_t device_no, const struct store_series *s);
int store_read_metric(struct store_read *r, const char *metric, store_metric_series_cb cb,
    void *ctx, struct bl_err *err);
/* Where a stream's placed data lie: [*from, *to).  BL_ENOTFOUND: there are none; err is left alone.
 */
int store_read_extent(struct store_read *r, const char *device, enum bl_stream stream,
    int64_t *from_unix_ms, int64_t *to_unix_ms, struct bl_err *err);

/* A series, and its number in the dictionary of a spool of its device. */
struct store_metric_entry {
	int64_t series;
	const char *device, *labels_json, *unit;
	int64_t interval_ms;
	struct bl_id spool;
	uint32_t number;
};
typedef bool (*store_metric_entry_cb)(void *ctx, const struct store_metric_entry *e);
/* Every one of a metric, in any order. */
int store_read_metric_entries(struct store_read *r, const char *metric, store_metric_entry_cb cb,
    void *ctx, struct bl_err *err);
/*
 * What of each level is there from an instant on: parts of hours before from_unix_ms[level] lack it
 * (INT64_MIN: none does).  *begin_unix_ms: of the oldest hour that is in a part or due (INT64_MAX:
 * there is none).
 */
int store_read_levels(struct store_read *r, int64_t since_unix_ms,
    int64_t from_unix_ms[PARTS_LEVELS], int64_t *begin_unix_ms, struct bl_err *err);
/* The first hour from that one on that is in a part or due; INT64_MAX: none is. */
int store_read_next_hour(
    struct store_read *r, int64_t hour_unix_ms, int64_t *out, struct bl_err *err);
/* The same, without parts of which only roll-ups are kept. */
int store_read_next_raw(
    struct store_read *r, int64_t hour_unix_ms, int64_t *out, struct bl_err *err);
/* The files that this reader reads parts from; borrowed from it. */
int store_read_parts_files(struct store_read *r, struct parts **out, struct bl_err *err);

#endif
