/*
 * One metric over many devices: what is asked, what it is read from, what comes
 * out.  Pure: samples come through struct query_source, places and labels with
 * the series; nothing here does I/O, knows SQL, files or HTTP.
 *
 * A range is cut into steps.  Each hour of it is read at the coarsest level
 * that loses nothing: roll-ups of an hour where the hour lies in one step, of
 * five minutes where those do, raw samples elsewhere.  Percentiles come from
 * sketches of all raw samples (relative error 1 %), of an hour where those are
 * there, else made from the samples.  Where the finer level is not kept any
 * more, the step is made longer before anything is read (query_plan), so that
 * an answer is never less exact than it says.
 *
 * One thread an object.
 */
#ifndef QUERY_H
#define QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/err.h"
#include "branchline/wire.h"

struct bl_clock;
struct bl_sketch;

#define QUERY_STEPS_MAX    5000u
#define QUERY_SERIES_MAX   100000u /* that one answer may be made of */
#define QUERY_GROUPS_MAX   20000u
#define QUERY_CELLS_MAX    500000u /* groups x steps: 32 bytes each */
#define QUERY_SKETCHES_MAX 4096u   /* alive at once: groups x steps that touch one hour */
#define QUERY_PAIRS_MAX    8u      /* labels of a filter */
#define QUERY_HOUR_MS      INT64_C(3600000)
#define QUERY_M5_MS        INT64_C(300000)
#define QUERY_M5_OF_HOUR   12

/* ---- what is asked ----------------------------------------------------- */

/* All of known samples; a thinned one counts as often as it stands for. */
enum query_agg {
	QUERY_AVG, /* mean of all samples */
	QUERY_MIN,
	QUERY_MAX,
	QUERY_SUM,   /* of all samples */
	QUERY_TOTAL, /* what all series have together: each one's mean in the step, added up */
	QUERY_COUNT,
	QUERY_INCREASE, /* counters: by how much all series have grown together */
	QUERY_RATE,     /* counters: each one's growth per second of what is known, added up */
	QUERY_P50,
	QUERY_P75,
	QUERY_P90,
	QUERY_P95,
	QUERY_P99,
	QUERY_AGGS
};

const char *query_agg_name(enum query_agg agg); /* "avg" ... "p99" */
/* NULL-terminated, in order. */
extern const char *const query_agg_names[];
/* Needs counters (increase, rate), or gauges (all others but min, max and count, which take both).
 */
bool query_agg_takes(enum query_agg agg, enum bl_series_kind kind);
/* 0.5 ... 0.99; 0: no percentile. */
double query_agg_quantile(enum query_agg agg);

enum query_by { QUERY_BY_ALL, QUERY_BY_SITE, QUERY_BY_REGION, QUERY_BY_DEVICE, QUERY_BY_LABEL };

/* From the finest to the coarsest. */
enum query_level { QUERY_RAW, QUERY_M5, QUERY_H1, QUERY_LEVELS };

const char *query_level_name(enum query_level level); /* "raw", "5m", "1h" */

struct query_grid {
	int64_t from_unix_ms, to_unix_ms, step_ms; /* step i begins at from + i * step */
	enum query_agg agg;
};

/*
 * From when on each level is kept; INT64_MIN: everything there ever was.  What is older than
 * raw is to be had at 5 min only, older than that at 1 h.  Nothing lies outside of
 * [begin, end): hours that do are passed over.
 */
struct query_kept {
	int64_t from_unix_ms[QUERY_LEVELS];
	int64_t begin_unix_ms, end_unix_ms;
};

/*
 * Makes the step as long as what is kept asks for, and begins it at a multiple of
 * itself, or at the window's begin.  align: at a multiple of itself in any case (a step of
 * five minutes or more then needs no raw samples).  The end moves to that of the window that
 * it lies in, where samples are gone.  BL_EINVAL with a sentence for people: an empty range, a step below
 * 1 ms, more than QUERY_STEPS_MAX steps.
 */
int query_plan(struct query_grid *r, const struct query_kept *kept, bool align, struct bl_err *err);
size_t query_steps(const struct query_grid *r);
/* A step that people and roll-ups like, with which the range has at most so many. */
int64_t query_step_for(int64_t range_ms, int64_t points);
/* How the hour that begins at hour_unix_ms is read. */
enum query_level query_level_of(
    const struct query_grid *r, const struct query_kept *kept, int64_t hour_unix_ms);

/* ---- of which series --------------------------------------------------- */

/* Where a device was in service; site and region NULL: nowhere. */
struct query_place {
	int64_t from_unix_ms, to_unix_ms; /* [from, to) */
	const char *site, *region;        /* region: "Asia/China", empty: none */
};

/* A device's places, ascending, not overlapping; borrowed until the set is made. */
typedef size_t (*query_places_fn)(void *ctx, const char *device, const struct query_place **out);

struct query_pair {
	const char *key, *value;
};

/* NULL and 0: any.  A region takes in all below it. */
struct query_filter {
	const char *site, *region, *device;
	struct query_pair label[QUERY_PAIRS_MAX];
	size_t n_labels;
	enum query_by by;
	const char *by_label; /* QUERY_BY_LABEL */
	unsigned by_depth;    /* QUERY_BY_REGION: so many of its names count; 0: all */
	int64_t from_unix_ms, to_unix_ms;
	enum query_agg agg;
	query_places_fn places;
	void *places_ctx;
	size_t groups_max; /* 0: QUERY_GROUPS_MAX */
};

/* A series as the store has it; borrowed for the call. */
struct query_entry {
	int64_t id; /* for the life of the store */
	const char *device;
	int64_t device_no;       /* the source's own number of it */
	const char *labels_json; /* canonical */
	enum bl_series_kind kind;
	enum bl_stream stream;
	int64_t interval_ms;
};

#define QUERY_NO_GROUP UINT32_MAX

/* In which group a series counts when: ascending, not overlapping. */
struct query_stay {
	int64_t from_unix_ms, to_unix_ms;
	uint32_t group; /* QUERY_NO_GROUP: in none */
};

struct query_series {
	int64_t id;
	const char *device; /* borrowed from the set */
	int64_t device_no;
	const char *labels_json;
	enum bl_series_kind kind;
	enum bl_stream stream;
	int64_t interval_ms;
	const struct query_stay *stay;
	size_t n_stays;
};

struct query_group {
	const char *key; /* NULL: those without a site, or without that label */
	size_t n_series;
};

/* Pure pieces of the filter, for those who have their own list. */
bool query_region_in(const char *region, const char *filter);
bool query_labels_fit(const struct query_filter *f, const char *labels_json);

struct query_set; /* series and groups of one question */

int query_set_create(struct query_set **out, const struct query_filter *f, struct bl_err *err);
void query_set_free(struct query_set *s); /* NULL is fine */
/* Takes the series in when the filter does.  BL_EFULL: over a cap, with a sentence for people. */
int query_set_add(struct query_set *s, const struct query_entry *e, struct bl_err *err);
/* No more come: series ascend by id, groups by key (NULL last). */
int query_set_end(struct query_set *s, struct bl_err *err);
const struct query_series *query_set_series(const struct query_set *s, size_t *n);
const struct query_group *query_set_groups(const struct query_set *s, size_t *n);
/* Of the wrong kind for the aggregate; they were left out. */
size_t query_set_left_out(const struct query_set *s);

/* The value of a key in canonical JSON of labels, cut to size.  False: it has no such label. */
bool query_label(const char *labels_json, const char *key, char *out, size_t size);
/* Visits each; false stops. */
typedef bool (*query_label_cb)(void *ctx, const char *key, const char *value);
void query_labels_each(const char *labels_json, query_label_cb cb, void *ctx);
/*
 * "mode=user,disk=sd\,a": pairs by commas; a comma, an equals sign or a backslash stands
 * behind a backslash.  Cuts text up; false: malformed or more than QUERY_PAIRS_MAX.
 */
bool query_pairs_parse(char *text, struct query_pair *out, size_t *n);

/* ---- what it is read from ---------------------------------------------- */

/* The known sample of a counter at one end of an hour; boot distinguishes boots. */
struct query_edge {
	int64_t unix_ms, boot;
	double value;
};

/* One window of a series, of known samples; n 0: sum, min, max mean nothing. */
struct query_roll {
	uint64_t n, unknown;
	double sum, min, max; /* sum: gauges */
	double increase;      /* counters: of the pairs whose later sample lies in it */
};

/*
 * An hour of a series.  first and last: a counter's, NULL where there is none; first NULL
 * also when no pair may go across to it.  add_sketch puts the hour's samples into a sketch
 * (branchline/sketch.h) or its counts, with of as its first argument; NULL: it was not asked for.
 */
struct query_hour_roll {
	int64_t begin_unix_ms;
	struct query_roll roll;
	const struct query_edge *first, *last;
	int (*add_sketch)(const void *of, struct bl_sketch *into, struct bl_err *err);
	const void *of;
};

/*
 * What a thinned sample stands for (store_log_sample has the same): how long before it the
 * known sample before it of its batch lies, and that one's value; 0: none.
 */
struct query_thin {
	struct bl_thin thin;
	int64_t before_ms;
	double before;
};

/* Samples of one series, ascending. */
struct query_samples {
	size_t n;
	const int64_t *unix_ms;
	const double *value;
	const uint8_t *unknown; /* enum bl_unknown; NULL: all are known */
	const int64_t *boot;    /* NULL: all of boot_all */
	int64_t boot_all;
	const struct query_thin *thin; /* NULL: each stands for itself */
	/* How far the wall was ahead of the boot's own time; NULL: offset_all_ms. */
	const int64_t *offset_ms;
	int64_t offset_all_ms;
};

/*
 * Where a source puts what it reads; i: index into the series.  A series comes at one
 * level in an hour, samples in as many calls as it likes, ascending.  Negative: stop and
 * pass it on.
 */
struct query_take {
	void *ctx;
	int (*hour)(void *ctx, size_t i, const struct query_hour_roll *h, struct bl_err *err);
	/* The windows of the hour that begins then; first, last as above, NULL for gauges. */
	int (*five)(void *ctx, size_t i, int64_t begin_unix_ms,
	    const struct query_roll roll[QUERY_M5_OF_HOUR], const struct query_edge *first,
	    const struct query_edge *last, struct bl_err *err);
	int (*samples)(void *ctx, size_t i, const struct query_samples *s, struct bl_err *err);
};

struct query_want {
	int64_t from_unix_ms, to_unix_ms; /* one hour of the clock */
	enum query_level level;
	bool sketch;    /* hours with their sketches */
	bool sums_only; /* of windows of five minutes: n, unknown, and sum (gauge) */
	const struct query_series *series;
	size_t n_series;
	const uint32_t *want; /* ascending indices into series */
	size_t n_want;
	/* A source looks at it within the hour, too, which may be a dense one of many devices:
	 * BL_ETIMEDOUT.  INT64_MAX: none. */
	int64_t deadline_mono_ms;
};

struct query_source {
	void *ctx;
	/* For a range that begins then. */
	int (*kept)(void *ctx, int64_t from_unix_ms, struct query_kept *out, struct bl_err *err);
	/*
	 * The first hour from that one on of which there may be anything; INT64_MAX: none.  NULL:
	 * it cannot tell, and every hour is read.
	 */
	int (*next)(void *ctx, int64_t hour_unix_ms, int64_t *out, struct bl_err *err);
	/*
	 * Everything of the wanted series in that hour, at the level asked for; what is not
	 * rolled up (yet) as samples.  Asked for samples where only roll-ups are kept, those.
	 */
	int (*read)(
	    void *ctx, const struct query_want *w, const struct query_take *t, struct bl_err *err);
};

/* ---- what comes out ---------------------------------------------------- */

struct query_cell {
	double value;     /* NaN: nothing is known */
	uint64_t n;       /* known samples in it */
	uint64_t unknown; /* samples that said "unknown" */
	uint32_t series;  /* that had known samples in it */
};

struct query_read {
	int64_t from_unix_ms, to_unix_ms;
	enum query_level level;
};

struct query_result {
	size_t n_groups, n_steps;
	struct query_cell *cell; /* [group * n_steps + step] */
	struct query_read *read; /* ascending, joined: at which level what was read */
	size_t n_reads;
	uint64_t n, unknown; /* samples in all of it */
};

struct query_limits {
	const struct bl_clock *clock; /* NULL: no deadline */
	int64_t deadline_mono_ms;
};

/*
 * Answers.  r has been through query_plan, s through query_set_end.  BL_EFULL: over a cap,
 * BL_ETIMEDOUT: over the deadline, each with a sentence for people; others are the source's.
 */
int query_run(struct query_result **out, const struct query_grid *r, const struct query_set *s,
    const struct query_source *src, const struct query_limits *limits, struct bl_err *err);
void query_result_free(struct query_result *res); /* NULL is fine */

#endif
