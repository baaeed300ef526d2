/*
 * Reading the telemetry store: read-only connections beside the one writer.
 *
 * Each thread of the API opens its own struct store_read and keeps it; one
 * object is used by one thread at a time.  No call holds a read transaction
 * for longer than a slice (a few hundred rows): long readers would let the
 * write-ahead log grow.  So one answer may mix two neighbouring commits; rows
 * themselves are whole.
 *
 * Times are Unix milliseconds as placed by the clock maps, STORE_TIME_NONE
 * where unknown (never 0).  Visitors (`*_cb`) borrow their row for the call
 * and return true to go on, false to stop (which is not an error).
 *
 * Common failures: BL_EIO, BL_ECORRUPT, BL_ENOMEM, BL_ENEWER (the file was
 * made by a newer version), BL_ENOTFOUND, BL_EBUSY, BL_ETIMEDOUT (the deadline
 * of a query passed), BL_EFULL (more would have to be read than the cap).
 */
#ifndef STORE_READ_H
#define STORE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/err.h"
#include "branchline/report.h"
#include "branchline/wire.h"

#define STORE_TIME_NONE      INT64_MIN
#define STORE_QUERY_SERIES   20u
#define STORE_QUERY_STEPS    5000u
#define STORE_QUERY_DEADLINE 10000 /* ms, when none is given */

struct store_read;

/* path: the telemetry database that store_open made.  Keeps clock.  BL_ENOTFOUND: it is not there;
 * BL_EBUSY: the writer has not brought it up to date yet. */
int store_read_open(
    struct store_read **out, const char *path, const struct bl_clock *clock, struct bl_err *err);
/* Goes over to the store that is at the path now, when a damaged one was replaced.  Not while held.
 */
int store_read_refresh(struct store_read *r, struct bl_err *err);
/*
 * fn is called when the file is found damaged, on the reader's thread: batch is the id of
 * the batch that does not hold, 0: SQLite says so.  Keeps ctx.
 */
typedef void (*store_damaged_fn)(void *ctx, int64_t batch);
void store_read_watch(struct store_read *r, store_damaged_fn fn, void *ctx);
/*
 * Where closed hours are read from (parts.h): keeps parts, which several readers may share.
 * Without it a reader opens the folder "parts" beside its file when it first meets one.
 */
struct parts;
void store_read_use_parts(struct store_read *r, struct parts *parts);
/* NULL is fine. */
void store_read_close(struct store_read *r);

/*
 * Between the two every call sees one state of the store: that of the first.  For
 * a piece of work of some 100 ms whose parts must agree; longer would let the
 * write-ahead log grow, and is ended by the first call after a minute: it, and every
 * other one before the release, says BL_EBUSY.
 */
int store_read_hold(struct store_read *r, struct bl_err *err);
/* The same for another time than a minute. */
int store_read_hold_for(struct store_read *r, int64_t ms, struct bl_err *err);
void store_read_release(struct store_read *r); /* also when nothing is held */

/* ---- devices ---- */

enum store_presence { STORE_PRESENCE_NONE = 0, STORE_PRESENCE_ONLINE, STORE_PRESENCE_OFFLINE };

/* What the store knows about one device. */
struct store_device {
	char device[BL_DEVICE_ID_MAX + 1];
	enum store_presence presence;
	int64_t presence_since_unix_ms;           /* when this state was first seen here */
	int64_t last_arrival_unix_ms;             /* of a batch */
	int64_t data_until_unix_ms;               /* newest of the streams */
	int64_t stream_until_unix_ms[BL_STREAMS]; /* end of the newest collection interval */
	bool has_spool;                           /* said hello or sent a batch at least once */
	struct bl_id spool;   /* the one in use; the newest when there are several */
	char software[32];    /* empty: unknown */
	char config_hash[65]; /* empty: unknown */
	bool clock_trusted;   /* the spool's newest boot has a trusted segment */
	bool conflict;        /* its identity is in use twice, or same seq with another checksum */
	uint64_t gaps;        /* ledger entries */
	uint64_t unexplained; /* gaps without a reason: store_unexplained.gaps */
	uint64_t set_aside;   /* distinct messages */
	uint64_t waiting;     /* batches that it has named, still holds, and that are not here */
	uint64_t batches, samples; /* stored */
};

typedef bool (*store_device_cb)(void *ctx, const struct store_device *d);

/* Every device that the store has heard of (registered or not), ordered by id. */
int store_read_devices(struct store_read *r, store_device_cb cb, void *ctx, struct bl_err *err);
/* BL_ENOTFOUND: never heard of; err is then left alone. */
int store_read_device(
    struct store_read *r, const char *device, struct store_device *out, struct bl_err *err);

/* ---- what a device said of itself ---- */

struct store_report {
	int64_t arrived_unix_ms;
	struct bl_report report;
};

/* The last one.  BL_ENOTFOUND: none came; err is then left alone. */
int store_read_report(
    struct store_read *r, const char *device, struct store_report *out, struct bl_err *err);

#define STORE_USAGE_MONTHS 120

struct store_usage {
	struct bl_report_month month;
	int64_t known_unix_ms; /* when it last grew */
};

/* The newest months first, at most max; returns how many. */
int store_read_usage(struct store_read *r, const char *device, struct store_usage *out,
    unsigned max, struct bl_err *err);

/* ---- machines that share an identity ---- */

#define STORE_RIVALS_MS 86400000 /* so long it is told after the last of them came */

struct store_party_row {
	const char *device;
	struct bl_id spool, boot;
	const char *software, *address; /* address: empty: not known */
	int64_t first_unix_ms, last_unix_ms;
	uint64_t returns; /* how often it came back after another one */
};

typedef bool (*store_party_cb)(void *ctx, const struct store_party_row *p);

/*
 * Those that were there since then, of one device or (NULL) of all, by device and then the newest
 * first.  A device has none, or two and more.
 */
int store_read_parties(struct store_read *r, const char *device, int64_t since_unix_ms,
    store_party_cb cb, void *ctx, struct bl_err *err);

/* ---- series ---- */

struct store_series {
	int64_t id; /* for the life of the store */
	const char *device;
	const char *name;
	const char *unit;
	const char *labels_json; /* canonical JSON object, keys ascending: {"mode":"user"} */
	enum bl_series_kind kind;
	enum bl_stream stream;
	uint32_t interval_ms;
	/* Of its first and last sample, when they lie at the ends of what its stream has delivered
	 * (ten minutes, of one row of coverage), else NONE: it came, or went, in between. */
	int64_t first_unix_ms;
	int64_t last_unix_ms;
};

typedef bool (*store_series_cb)(void *ctx, const struct store_series *s);

/* Series of a device, ordered by name, labels. */
int store_read_series(
    struct store_read *r, const char *device, store_series_cb cb, void *ctx, struct bl_err *err);
/* One series by its id; cb is called once.  BL_ENOTFOUND: none; err is then left alone. */
int store_read_series_by_id(
    struct store_read *r, int64_t id, store_series_cb cb, void *ctx, struct bl_err *err);

/* ---- query ---- */

enum store_gap_reason {
	/* 1..10 are enum bl_gap_reason */
	STORE_GAP_NOT_ARRIVED = 32,   /* no coverage and no ledger entry (yet) */
	STORE_GAP_UNKNOWN_VALUE = 33, /* samples came, but said "unknown" */
	/* of the history of a link alone (store_link.h) */
	STORE_GAP_HELD = 34,           /* the device has announced it and still has it */
	STORE_GAP_OFFLINE = 35,        /* the device is away; what it collects now is not known */
	STORE_GAP_NOT_IN_SERVICE = 36, /* nobody expected anything */
	/* of a query alone */
	STORE_GAP_NOT_KEPT = 37, /* it came, and went by its age: roll-ups at most are left */
};

/* "not_arrived", "off", "evicted", "disk_full", "damaged", "clock", "lost_at_centre",
 * "rolled_back", "overload", "vanished", "thinned", "unknown_value", "held", "offline",
 * "not_in_service", "not_kept"; "other" for a number that this build does not know.
 */
const char *store_gap_reason_name(int reason);

struct store_span {
	int64_t from_unix_ms;
	int64_t to_unix_ms; /* exclusive */
	int reason;         /* enum bl_gap_reason or store_gap_reason */
};

struct store_query {
	const int64_t *series; /* 1..STORE_QUERY_SERIES ids */
	size_t n_series;
	int64_t from_unix_ms; /* first step begins here */
	int64_t to_unix_ms;   /* exclusive; > from */
	int64_t step_ms;      /* > 0; (to - from) / step, rounded up, <= STORE_QUERY_STEPS */
	/*
	 * Counters only: the increase per second as store_rate.h says, least and greatest of
	 * the pairs.  Gauges in the same query are left as they are.
	 */
	bool rate;
	int64_t deadline_ms; /* give up after this long; 0: STORE_QUERY_DEADLINE */
};

struct store_query_series {
	int64_t id;
	uint64_t *n; /* per step: samples with a value, a thinned one as many as it stands for */
	double *min; /* of all of them; NaN where nothing is known, as the two below */
	double *max;
	double *mean;
	/*
	 * Per step: a thinned sample stands for it.  Where n is 0 none has its
	 * time there, and the three are those of the one whose window the step
	 * lies in.  NULL: no step is.
	 */
	bool *thin;
	struct store_span *gap; /* ascending, merged, clipped to the range */
	size_t n_gaps;
};

struct store_query_result {
	size_t n_steps;
	size_t n_series;
	struct store_query_series *series; /* in the order asked for */
	uint64_t batches_read;
};

/* The largest window that a thinned sample may stand for. */
#define STORE_THIN_MAX_MS (60 * 60 * (int64_t)1000)
/*
 * The time before it that a sample of so many stands for, at most that; 0
 * when the series has no interval.
 */
int64_t store_thin_span_ms(uint32_t count, int64_t interval_ms);

/* BL_ENOTFOUND: a series does not exist (err names it).  *out is freed by store_query_free. */
int store_read_query(struct store_read *r, const struct store_query *q,
    struct store_query_result **out, struct bl_err *err);
void store_query_free(struct store_query_result *res); /* NULL is fine */

/* Newest sample of every series whose metric is one of names[n], over all devices. */
struct store_latest {
	const char *device;
	int64_t series;
	const char *name;
	const char *labels_json;
	int64_t unix_ms; /* NONE: clock unknown */
	bool known;      /* false: the sample says "unknown" */
	double value; /* of a known one; of a thinned one the mean (gauge) or the last (counter) */
};

typedef bool (*store_latest_cb)(void *ctx, const struct store_latest *l);

/*
 * Looks at the end of the newest row of coverage of each stream only (two minutes): a metric
 * missing there is not reported.
 */
int store_read_latest(struct store_read *r, const char *const *names, size_t n, store_latest_cb cb,
    void *ctx, struct bl_err *err);

/* ---- events, coverage, gaps, set aside ---- */

struct store_event {
	int64_t unix_ms;         /* NONE: clock unknown */
	uint32_t uncertainty_ms; /* of unix_ms, by its clock map; 0 while unknown */
	int64_t arrived_unix_ms;
	const struct bl_event *ev; /* boot_ms, type, id, attrs */
};

typedef bool (*store_event_cb)(void *ctx, const struct store_event *e);

/* Newest first, at most limit (1..1000).  Events without a placed time stand by their arrival. */
int store_read_events(struct store_read *r, const char *device, int64_t from_unix_ms,
    int64_t to_unix_ms, size_t limit, store_event_cb cb, void *ctx, struct bl_err *err);

/*
 * Where devices' clock maps are not sure of at least least_ms (STORE_DOUBT_MIN_MS at least):
 * what lies there may really have been so much earlier or later.  device NULL: of all.
 * Boot by boot, ascending within one; what nothing was delivered of is none.  At most 4,096 boots.
 */
#define STORE_DOUBT_MIN_MS 1000u
struct store_doubt {
	const char *device;
	int64_t from_unix_ms, to_unix_ms; /* clipped to the range */
	uint32_t uncertainty_ms;
};

typedef bool (*store_doubt_cb)(void *ctx, const struct store_doubt *d);

/* Spans of a stream of which samples were thinned, as the ledger says: entries that touch are one
 * span. */
struct store_thinned {
	const char *device;
	int64_t from_unix_ms, to_unix_ms; /* of the entries; not cut to what was asked for */
};
typedef bool (*store_thinned_cb)(void *ctx, const struct store_thinned *t);
/* Of all devices. */
int store_read_thinned(struct store_read *r, enum bl_stream stream, int64_t from_unix_ms,
    int64_t to_unix_ms, store_thinned_cb cb, void *ctx, struct bl_err *err);

int store_read_doubts(struct store_read *r, const char *device, int64_t from_unix_ms,
    int64_t to_unix_ms, uint32_t least_ms, store_doubt_cb cb, void *ctx, struct bl_err *err);

struct store_coverage {
	enum bl_stream stream;
	int64_t from_unix_ms;
	int64_t to_unix_ms;
	int64_t arrived_unix_ms; /* of the last batch in it */
	uint64_t seq_first, seq_last;
};

typedef bool (*store_coverage_cb)(void *ctx, const struct store_coverage *c);

/* Placed rows that touch the range, ordered by stream, begin. */
int store_read_coverage(struct store_read *r, const char *device, int64_t from_unix_ms,
    int64_t to_unix_ms, store_coverage_cb cb, void *ctx, struct bl_err *err);

struct store_gap {
	int64_t id; /* for paging */
	const char *device;
	enum bl_stream stream;
	int reason;
	uint64_t seq_first, seq_last; /* 0: a span of time */
	int64_t from_unix_ms;         /* NONE: unknown */
	int64_t to_unix_ms;
	/*
	 * Filled by store_read_gaps for an entry that lacks a time, of 100 such ones of a call, in a
	 * quarter of a second: it lies between these.  NONE: that is not known either.
	 */
	int64_t not_before_unix_ms, not_after_unix_ms;
	uint64_t samples; /* 0: unknown */
	int64_t known_unix_ms;
	bool
	    lost_part; /* filled by store_log_gaps: an hour that came and cannot be read any more */
};

typedef bool (*store_gap_cb)(void *ctx, const struct store_gap *g);

struct store_gap_filter {
	const char *device;   /* NULL: all */
	int64_t from_unix_ms; /* NONE: no bound; a gap without times is in every range */
	int64_t to_unix_ms;
	int64_t before_id; /* 0: from the newest; else ids below */
	size_t limit;      /* 1..1000 */
};

/* Newest first. */
int store_read_gaps(struct store_read *r, const struct store_gap_filter *f, store_gap_cb cb,
    void *ctx, struct bl_err *err);

/* What nothing explains. */
struct store_unexplained {
	/*
	 * Ranges of batches that neither came nor have a reason, holes in time between
	 * neighbouring batches of a boot, and cuts from which accepted samples vanished.
	 */
	uint64_t gaps;
	uint64_t batches;      /* in those ranges */
	uint64_t unanswered;   /* of them: the agent has been asked and has not answered yet */
	int64_t since_unix_ms; /* NONE: there is nothing */
};

/* device NULL: all. */
int store_read_unexplained(
    struct store_read *r, const char *device, struct store_unexplained *out, struct bl_err *err);

enum store_missing_what {
	STORE_MISSING_UNANSWERED, /* batches; the agent is being asked */
	STORE_MISSING_VANISHED,   /* batches; the agent has them no more and knows no reason */
	STORE_MISSING_HOLE,       /* a span of time that no batch covers */
	STORE_MISSING_SAMPLES,    /* accepted samples that vanished before they were cut */
};

/* One unexplained gap. */
struct store_missing {
	const char *device;
	enum bl_stream stream;
	enum store_missing_what what;
	uint64_t seq_first, seq_last; /* 0: a span of time */
	int64_t from_unix_ms;         /* of batches: between what there is; NONE: unknown */
	int64_t to_unix_ms;
	uint64_t samples; /* 0: unknown */
	int64_t since_unix_ms;
};

typedef bool (*store_missing_cb)(void *ctx, const struct store_missing *m);

/* At most limit; at most BL_RANGES_MAX unanswered ranges of a stream. */
int store_read_missing(struct store_read *r, const char *device, size_t limit, store_missing_cb cb,
    void *ctx, struct bl_err *err);

/* The entries of one device and reason, summed up. */
struct store_gap_total {
	const char *device;
	int reason;
	uint64_t entries, batches, samples; /* samples: as far as known */
	int64_t time_ms;                    /* in the range; of all streams together */
	int64_t first_unix_ms, last_unix_ms;
};

typedef bool (*store_gap_total_cb)(void *ctx, const struct store_gap_total *t);

/* Ordered by device, reason.  Of the filter: device, from, to.  Walks the whole ledger. */
int store_read_gap_totals(struct store_read *r, const struct store_gap_filter *f,
    store_gap_total_cb cb, void *ctx, struct bl_err *err);

struct store_aside_row {
	int64_t id;
	int64_t arrived_unix_ms; /* first time */
	const char *topic;       /* cut, control characters replaced */
	const char *device;      /* NULL: none in the topic */
	int part;                /* -1: none in the topic */
	const char *reason;      /* "undecodable" ... */
	const char *detail;
	uint64_t bytes;        /* of the message */
	uint64_t repeats;      /* how often the same message came again */
	bool kept;             /* the payload is in the store */
	int64_t tried_unix_ms; /* decoded again, in vain; NONE: not yet */
};

typedef bool (*store_aside_cb)(void *ctx, const struct store_aside_row *a);

/* Newest first; before_id 0: from the newest; limit 1..1000; device NULL: all. */
int store_read_aside(struct store_read *r, const char *device, int64_t before_id, size_t limit,
    store_aside_cb cb, void *ctx, struct bl_err *err);

/* How many of them would be tried again: reason 0, device NULL, id 0: any. */
int store_read_aside_count(struct store_read *r, int reason, const char *device, int64_t id,
    uint64_t *out, struct bl_err *err);

/* ---- totals ---- */

#define STORE_ASIDE_REASONS 9
#define STORE_GAP_REASONS   10

struct store_gap_sum {
	uint64_t entries, batches, samples;
};

struct store_totals {
	struct bl_id epoch;
	int64_t lsn;
	int64_t created_unix_ms;
	int64_t last_commit_unix_ms; /* NONE: nothing committed yet */
	uint64_t batches, samples, events;
	uint64_t duplicates; /* batches that came again */
	uint64_t conflicts;
	uint64_t gaps;
	struct store_gap_sum gaps_by[STORE_GAP_REASONS]; /* by enum bl_gap_reason - 1 */
	struct store_unexplained unexplained;
	uint64_t requeued;  /* set aside once, and taken in after all */
	uint64_t set_aside; /* distinct messages kept in the list */
	uint64_t
	    set_aside_by[STORE_ASIDE_REASONS]; /* by enum store_aside_reason - 1, repeats too */
	uint64_t set_aside_refused;            /* payloads or rows that the caps refused */
	uint64_t unplaced_batches;             /* clock unknown */
	uint64_t devices, spools, series;
	int64_t store_bytes; /* database and write-ahead log */
};

int store_read_totals(struct store_read *r, struct store_totals *out, struct bl_err *err);

#endif
