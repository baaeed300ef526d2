/*
 * The telemetry store as a log, for the evaluator: what came, in the order in
 * which it was committed; and samples and events of a span in order of time.
 *
 * A reader (store_read.h) is used by one thread.  No call holds a read
 * transaction for longer than a slice.  Visitors return false to stop.
 */
#ifndef STORE_LOG_H
#define STORE_LOG_H

#include "branchline/wire.h"
#include "store_read.h"

/* How far the log goes, cheaply: for "is there more?" and "is it still the same store?". */
struct store_log_head {
	struct bl_id epoch;
	int64_t batch_id, gap_id, moved_id; /* the newest; 0: none */
	int64_t version; /* of the file: another one after each commit of somebody else */
	int64_t
	    maps; /* grows with every entry of a dictionary and trusted segment of a clock map */
};
int store_log_head(struct store_read *r, struct store_log_head *out, struct bl_err *err);

/* The same of one device: how many entries and segments there are.  0: never heard of. */
int store_log_maps(struct store_read *r, const char *device, int64_t *out, struct bl_err *err);

/* *out: the device is known to hold batches of the spool in use that have not come yet. */
int store_log_backlog(struct store_read *r, const char *device, bool *out, struct bl_err *err);

/*
 * One batch of the log.  Its span joins its collection interval and its events,
 * and reaches over a hole beside it of which nothing can come any more (the
 * ledger has it): what is known anew of the stream by this batch's coming.
 */
struct store_log_batch {
	int64_t id, lsn;
	const char *device;
	enum bl_stream stream;
	int64_t begin_unix_ms, end_unix_ms; /* STORE_TIME_NONE: its clock is not known yet */
	bool dict_missing;                  /* names entries that have not come */
	uint32_t n_samples, n_events;
	int64_t arrived_unix_ms;
};
typedef bool (*store_log_cb)(void *ctx, const struct store_log_batch *b);

/* Batches with ids above after_id, ascending, at most limit. */
int store_log_batches(struct store_read *r, int64_t after_id, size_t limit, store_log_cb cb,
    void *ctx, struct bl_err *err);
/* One again, to see whether it can be placed now.  BL_ENOTFOUND: it is gone (superseded). */
int store_log_batch(
    struct store_read *r, int64_t id, store_log_cb cb, void *ctx, struct bl_err *err);
/*
 * Ledger entries with ids above after_id, ascending.  The span is widened like a
 * batch's; an entry without times gets it from its neighbours by seq, or has
 * NONE: then a neighbour that comes has it in its span.
 */
int store_log_gaps(struct store_read *r, int64_t after_id, size_t limit, store_gap_cb cb, void *ctx,
    struct bl_err *err);

/*
 * What a clock map that came late has given another wall time to, or to a ledger
 * entry its first: where it stood and where it stands, joined; ids above
 * after_id, ascending, at most limit.  Batches that got their first times are not
 * among it: who waits for one asks for it again.
 * of_batch (may be NULL): called behind its cb for each batch concerned of the stream of events,
 * whose events have to be taken in again.
 */
struct store_log_moved {
	int64_t id;
	const char *device;
	enum bl_stream stream;
	int64_t begin_unix_ms, end_unix_ms;
};
typedef bool (*store_log_moved_cb)(void *ctx, const struct store_log_moved *m);
int store_log_moved(struct store_read *r, int64_t after_id, size_t limit, store_log_moved_cb cb,
    store_log_cb of_batch, void *ctx, struct bl_err *err);

/*
 * Coverage of which batches lie in parts as a whole, so that no row of the log tells of it any
 * more: for who begins anew.  Rows with ids above after_id, ascending, at most limit; a call looks
 * at some thousands.  Those whose samples retention has taken are not among it.
 * *reached: looked at up to this id; INT64_MAX: to the end.
 */
int store_log_covers(struct store_read *r, int64_t after_id, size_t limit, store_log_moved_cb cb,
    void *ctx, int64_t *reached, struct bl_err *err);
/*
 * From when on samples are there one by one: of what is older retention has left roll-ups at most,
 * so it cannot be worked out again.  INT64_MIN: nothing was taken.
 */
int store_log_retained(struct store_read *r, int64_t *from_unix_ms, struct bl_err *err);

/* The events of one batch, in its order; index counts from 0. */
typedef bool (*store_log_event_cb)(
    void *ctx, uint32_t index, int64_t unix_ms, const struct bl_event *ev);
int store_log_events(
    struct store_read *r, int64_t batch_id, store_log_event_cb cb, void *ctx, struct bl_err *err);

/* Series of a device with that metric, ordered by labels: an order that every store shares,
 * which that of the ids is not.  At most STORE_LOG_SERIES_MAX. */
#define STORE_LOG_SERIES_MAX 10000u
struct store_log_series {
	int64_t id;
	const char *labels_json;
	enum bl_series_kind kind;
	enum bl_stream stream;
	uint32_t interval_ms;
};
typedef bool (*store_log_series_cb)(void *ctx, const struct store_log_series *s);
int store_log_series(struct store_read *r, const char *device, const char *metric,
    store_log_series_cb cb, void *ctx, struct bl_err *err);

/*
 * Samples of a device's stream with from <= time < to, of the series in
 * ids[n] (distinct, in any order).  They come in sections of time, within a section series by
 * series in the order of ids, within a series in order of time: so each series is in order of
 * time as a whole, and the same batches give the same sequence whatever the order of their
 * arrival.  A sample that two spools hold (one was set back and cut again) comes once.
 * unknown: enum bl_unknown; the value is NaN then.  boot distinguishes boots
 * (a counter starts anew).
 * A thinned sample (count above 1) stands for so many, up to its time: the value is their mean
 * (gauge) or the last (counter), min and max are of all of them.  It comes as a whole where its
 * time lies.  Where a plain sample of another spool has the same instant, it gives way.
 */
struct store_log_sample {
	size_t series; /* index into ids */
	int64_t unix_ms;
	double value;
	uint8_t unknown;
	int64_t boot;        /* some number, the same within a boot */
	int64_t boot_ms;     /* its time there, whatever the clock on the wall did meanwhile */
	struct bl_thin thin; /* as bl_column_thin says */
	/*
	 * Of a thinned one: how long before it the known sample before it of its series and its
	 * batch lies, and its value; 0: it is the first.  A counter's rate goes by these, since
	 * no neighbour that may come later, or lie outside of the span, has a say in them.
	 */
	int64_t before_ms;
	double before;
};
typedef bool (*store_log_sample_cb)(void *ctx, const struct store_log_sample *s);
int store_log_samples(struct store_read *r, const char *device, enum bl_stream stream,
    const int64_t *ids, size_t n, int64_t from_unix_ms, int64_t to_unix_ms, store_log_sample_cb cb,
    void *ctx, struct bl_err *err);
/*
 * The same for an answer that has no place for holes: BL_ECORRUPT when a part or a batch that
 * has some of them cannot be read, BL_ETIMEDOUT when the deadline is over.
 */
struct store_log_ask {
	const char *device; /* or NULL, and: */
	int64_t device_no;  /* the store's number of it */
	enum bl_stream stream;
	const int64_t *ids;
	size_t n;
	int64_t from_unix_ms, to_unix_ms;
	int64_t deadline_mono_ms; /* INT64_MAX: none */
	bool sparse;              /* others of the device's series will hardly be asked for next */
};
int store_log_samples_whole(struct store_read *r, const struct store_log_ask *q,
    store_log_sample_cb cb, void *ctx, struct bl_err *err);

/*
 * What of [from, to) the device's stream has delivered (covered), and what of
 * the rest will never come (gone: by the ledger's times, or because the ledger
 * has every seq between the two neighbours); ascending, each joined.  Holes below 1 s are none.
 */
typedef void (*store_log_span_cb)(void *ctx, bool gone, int64_t begin, int64_t end);
int store_log_coverage(struct store_read *r, const char *device, enum bl_stream stream,
    int64_t from_unix_ms, int64_t to_unix_ms, store_log_span_cb cb, void *ctx, struct bl_err *err);

#endif
