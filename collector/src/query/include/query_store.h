/*
 * The telemetry store as a source of queries (query.h).  One object a question,
 * used by one thread; it borrows the reader for its life.
 */
#ifndef QUERY_STORE_H
#define QUERY_STORE_H

#include "query.h"

struct bl_clock;
struct query_store;
struct store_read;

/* Keeps r and clock. */
int query_store_open(struct query_store **out, struct store_read *r, const struct bl_clock *clock,
    struct bl_err *err);
void query_store_close(struct query_store *s); /* NULL is fine */
const struct query_source *query_store_source(const struct query_store *s);
/* Puts the series of a metric into a set.  *unit (may be NULL) gets the newest one's unit. */
int query_store_series(struct query_store *s, const char *metric, struct query_set *set,
    char unit[BL_NAME_MAX + 1], size_t *n_series, struct bl_err *err);

/* As the source's next, but of hours of which samples may be there. */
int query_store_next_raw(
    struct query_store *s, int64_t hour_unix_ms, int64_t *out, struct bl_err *err);
/* The metric of series that were put into a set before, by another such object. */
void query_store_metric(struct query_store *s, const char *metric);
/* Of the metric's first series; BL_ENOTFOUND: there is no such metric; err is then left alone. */
int query_store_kind(
    struct query_store *s, const char *metric, enum bl_series_kind *out, struct bl_err *err);

#endif
