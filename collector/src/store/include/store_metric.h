/*
 * Metrics over all devices: which there are, which series each has, how far a
 * stream's data reach.  For queries over a fleet; a reader (store_read.h) is
 * used by one thread.
 */
#ifndef STORE_METRIC_H
#define STORE_METRIC_H

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
/* Series of a metric, in any order; first_unix_ms and last_unix_ms are not told (NONE). */
int store_read_metric(
    struct store_read *r, const char *metric, store_series_cb cb, void *ctx, struct bl_err *err);
/* Where a stream's placed data lie: [*from, *to).  BL_ENOTFOUND: there are none; err is left alone.
 */
int store_read_extent(struct store_read *r, const char *device, enum bl_stream stream,
    int64_t *from_unix_ms, int64_t *to_unix_ms, struct bl_err *err);

#endif
