/*
 * The part format: one UTC hour of a set of devices as bytes, and back.
 * README.md has every byte and the reasons.
 *
 * A part has three levels, each a region of its own: raw columns, roll-ups of
 * 5 minutes, roll-ups of the hour with a sketch.  In a region the columns of
 * one metric lie side by side, device after device.
 *
 * Pure code: no I/O, no clock, no globals.  Whoever reads fetches the bytes:
 * every locator (struct chunk_span) says where they are, how many and their
 * checksum, and whatever takes such bytes checks that sum first.  Decoding
 * believes nothing: hostile bytes give BL_ECORRUPT with the place's name
 * (BL_ENEWER for a later format), never a fault.
 *
 * Threads: an encoder belongs to one thread.  A chunk_index never changes once
 * it is parsed: any number of threads may read it.  Everything else here is the
 * caller's and on one thread at a time.
 *
 * Ids of devices, series and boots are numbers of the store that wrote the part
 * and mean nothing here; they are kept as they are (any int64).
 */
#ifndef CHUNK_H
#define CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/buf.h"
#include "branchline/err.h"
#include "branchline/seq.h"
#include "branchline/sketch.h"
#include "branchline/wire.h"

#define CHUNK_FORMAT 1

enum chunk_level { CHUNK_RAW = 0, CHUNK_M5 = 1, CHUNK_H1 = 2 };
#define CHUNK_LEVELS 3

#define CHUNK_HOUR_MS     3600000
#define CHUNK_WINDOW_MS   300000
#define CHUNK_WINDOWS     12u        /* of an hour */
#define CHUNK_SAMPLES_MAX (1u << 20) /* of one series in an hour */
#define CHUNK_RUNS_MAX    (1u << 16) /* boot runs of one time column */
#define CHUNK_REGION_MAX  (1u << 30) /* bytes; a part is to be ended long before, at 16 MiB */
#define CHUNK_DEVICES_MAX (1u << 20) /* (device, stream) pairs of a part */
#define CHUNK_SERIES_MAX  (1u << 24) /* columns of a part */
#define CHUNK_BUCKETS_MAX (2 * BL_SKETCH_BUCKETS_MAX + 1)

/* Consecutive samples of one boot and one clock segment: boot time = unix time - offset. */
struct chunk_run {
	int64_t boot;
	int64_t offset_ms;
	uint32_t n; /* never 0 */
};

/*
 * What a sample stands for, with what store_log_sample has of it: how long before it the known
 * sample before it of its batch lies, and that one's value; 0: none.  A sample that stands
 * for itself: count 1; of it the rest means nothing when it goes in, and min = max =
 * value, before_ms 0 when it comes out.  An unknown one: count 0.
 */
struct chunk_thin {
	struct bl_thin thin;
	int64_t before_ms;
	double before;
};

/* ---- writing ---- */

struct chunk_enc;

/* hour_unix_ms: begin of the hour.  NULL: out of memory. */
struct chunk_enc *chunk_enc_create(int64_t hour_unix_ms);
void chunk_enc_free(struct chunk_enc *e); /* NULL is fine */
/* Forgets the content and begins another hour; keeps a little memory, gives back the rest. */
void chunk_enc_reset(struct chunk_enc *e, int64_t hour_unix_ms);

/*
 * The times of columns of a device's stream: n unix times (1 to CHUNK_SAMPLES_MAX) that do not
 * descend, all within the hour, and the boot runs that make them up, in their order.  Returns the
 * handle that chunk_enc_column takes (>= 0): the same one for the same times of the same device
 * and stream, which are kept once (the last 256 are looked through).  All of a device comes in one
 * piece, its streams in any order: its handles are good until this is called for another device,
 * and a device that comes back is BL_EINVAL at chunk_enc_finish.
 * BL_EINVAL: something of this does not hold; BL_ENOMEM; BL_EFULL: a cap.  Nothing is added then.
 */
int chunk_enc_times(struct chunk_enc *e, int64_t device, enum bl_stream stream,
    const int64_t *unix_ms, uint32_t n, const struct chunk_run *runs, uint32_t n_runs,
    struct bl_err *err);

struct chunk_in {
	struct bl_str metric; /* name of 1 to BL_NAME_MAX bytes */
	int64_t series;
	enum bl_series_kind kind;
	uint32_t interval_ms; /* scheduled; 0: when it happens */
	int times;            /* of chunk_enc_times */
	/* The known samples in the order of the times; values->n may be 0 (all unknown). */
	const struct bl_seq *values;
	const uint8_t *unknown;        /* per time enum bl_unknown; NULL: all are known */
	const struct chunk_thin *thin; /* per time; NULL: every sample stands for itself */
};

/*
 * Adds one series' hour, and its roll-ups.  Borrows everything.  A series comes once for its
 * device and stream (a second time is BL_EINVAL at chunk_enc_finish).  values->hint is used when
 * it is there.
 * BL_EINVAL: counts that do not agree, a value that is not finite, a bad name, kind or handle;
 * BL_EFULL: a cap; BL_ENOMEM.  Nothing is added then.
 */
int chunk_enc_column(struct chunk_enc *e, const struct chunk_in *in, struct bl_err *err);

/* About what the three regions will have as bytes: end the part when that passes 16 MiB. */
size_t chunk_enc_bytes(const struct chunk_enc *e);

struct chunk_counts {
	uint64_t samples; /* known and unknown */
	uint32_t series;  /* columns */
	uint32_t sources; /* (device, stream) pairs */
	uint32_t metrics;
};

/*
 * Writes the regions, each appended to its buffer (their caps should be CHUNK_REGION_MAX), and
 * the counts (may be NULL).  The encoder stays as it is.
 * BL_EINVAL: no column, or one twice; BL_EFULL: a buffer's cap; BL_ENOMEM; the buffers are then as
 * before.
 */
int chunk_enc_finish(struct chunk_enc *e, struct bl_buf out[CHUNK_LEVELS],
    struct chunk_counts *counts, struct bl_err *err);

/*
 * How far apart the two samples of a counter may be that make a pair, which counts at its later
 * sample when both are of one boot; a thinned sample brings its neighbour (before) along, which may
 * be an hour further away.
 */
int64_t chunk_pair_ms(uint32_t interval_ms);

/* ---- reading: head and index ---- */

/* Where bytes are, from the beginning of the region. */
struct chunk_span {
	uint32_t offset, len;
	uint32_t crc; /* crc32 (RFC 1952) */
};
/* Whether these are the bytes; the functions below look themselves. */
bool chunk_span_ok(const struct chunk_span *s, const void *bytes);

#define CHUNK_HEAD_BYTES 48u

struct chunk_head {
	enum chunk_level level;
	int64_t hour_unix_ms;
	uint32_t region_bytes;
	uint32_t n_series;
	uint64_t n_samples;      /* of the raw columns, also in the head of a roll-up */
	struct chunk_span index; /* the region's last bytes */
};

/* The first CHUNK_HEAD_BYTES of a region. */
int chunk_head_parse(const void *bytes, size_t len, struct chunk_head *out, struct bl_err *err);

struct chunk_index;

/* bytes: what head->index says.  Keeps nothing of it.  BL_ECORRUPT, BL_ENOMEM; *out is NULL then.
 */
int chunk_index_parse(
    struct chunk_index **out, const struct chunk_head *head, const void *bytes, struct bl_err *err);
void chunk_index_free(struct chunk_index *ix); /* NULL is fine */
const struct chunk_head *chunk_index_head(const struct chunk_index *ix);
/* What it holds of memory, for a cache's cap. */
size_t chunk_index_bytes(const struct chunk_index *ix);

/* One device's stream.  Sources ascend by (device, stream); `source` below is the place. */
struct chunk_source {
	int64_t device;
	enum bl_stream stream;
	uint32_t n_times;        /* raw: time columns; a roll-up has none */
	struct chunk_span times; /* raw: all of them in one piece */
};
uint32_t chunk_sources(const struct chunk_index *ix);
void chunk_source_at(const struct chunk_index *ix, uint32_t source, struct chunk_source *out);
/* The place, or -1. */
int64_t chunk_source_find(const struct chunk_index *ix, int64_t device, enum bl_stream stream);

/* All columns of one metric.  Metrics ascend by name (memcmp). */
struct chunk_metric {
	struct bl_str name; /* borrowed from the index */
	uint32_t n_series, n_blocks;
	struct chunk_span dir; /* where its blocks are */
	uint32_t offset, len; /* the whole section, dir first: what a fleet query reads in one go */
};
uint32_t chunk_metrics(const struct chunk_index *ix);
void chunk_metric_at(const struct chunk_index *ix, uint32_t metric, struct chunk_metric *out);
/* The place, or -1. */
int64_t chunk_metric_find(const struct chunk_index *ix, struct bl_str name);

/* ---- reading: blocks and columns ---- */

/* A few columns of a metric (raw: about 4 KiB) that are fetched and checked together. */
struct chunk_block {
	uint32_t first, last; /* sources: of its first and its last column */
	uint32_t n_series;
	struct chunk_span span;
};

/* A walk over a section's blocks; borrows the index and the bytes of m->dir. */
struct chunk_dir {
	const struct chunk_index *ix;
	struct bl_rd rd;
	uint32_t blocks_left, series_left, offset, source, end;
};
int chunk_dir_open(struct chunk_dir *d, const struct chunk_index *ix, const struct chunk_metric *m,
    const void *bytes, struct bl_err *err);
/* 1: *b filled; 0: no more; BL_ECORRUPT. */
int chunk_dir_next(struct chunk_dir *d, struct chunk_block *b, struct bl_err *err);
/* The next block that may have columns of the source: 1, 0, BL_ECORRUPT. */
int chunk_dir_find(struct chunk_dir *d, uint32_t source, struct chunk_block *b, struct bl_err *err);

/* One series' hour, still encoded. */
struct chunk_column {
	int64_t series;
	uint32_t source; /* chunk_source_at has device and stream */
	enum bl_series_kind kind;
	uint32_t interval_ms;
	uint32_t n;     /* raw: samples, known and unknown */
	uint32_t times; /* raw: which time column of the source */
	/* private: */
	const struct chunk_index *ix;
	const uint8_t *data, *end;
	uint32_t ref, edge;
	uint8_t flags;
	const uint8_t *shape, *shape_end; /* of a roll-up: in the index, or in the block */
};

/* A walk over a block's columns, which ascend by (source, series); borrows index and bytes. */
struct chunk_block_it {
	const struct chunk_index *ix;
	struct bl_rd rd;
	uint32_t left, source, last_source;
	int64_t series, step[2];
	uint32_t interval_ms;
	bool begun;
};
int chunk_block_open(struct chunk_block_it *it, const struct chunk_index *ix,
    const struct chunk_block *b, const void *bytes, struct bl_err *err);
/* 1: *c filled; 0: no more; BL_ECORRUPT. */
int chunk_block_next(struct chunk_block_it *it, struct chunk_column *c, struct bl_err *err);

/* ---- reading: raw ---- */

/*
 * Time column k of a source; bytes: what chunk_source.times says.  unix_ms has room for as many as
 * chunk_times_n says, which is also the n of the columns that go by it.  runs (may be NULL) is
 * filled up to size; *n_runs (may be NULL) is how many there are, also when that is more than size.
 */
uint32_t chunk_times_n(const struct chunk_index *ix, uint32_t source, uint32_t k);
int chunk_times_get(const struct chunk_index *ix, uint32_t source, uint32_t k, const void *bytes,
    int64_t *unix_ms, struct chunk_run *runs, uint32_t size, uint32_t *n_runs, struct bl_err *err);
/*
 * The same without checking the sum of the source's bytes again: for the second and later
 * columns of bytes that have passed chunk_times_get or chunk_span_ok.
 */
int chunk_times_more(const struct chunk_index *ix, uint32_t source, uint32_t k, const void *bytes,
    int64_t *unix_ms, struct chunk_run *runs, uint32_t size, uint32_t *n_runs, struct bl_err *err);

static inline bool
chunk_has_unknown(const struct chunk_column *c)
{
	return (c->flags & 0x40) != 0;
}
static inline bool
chunk_has_thin(const struct chunk_column *c)
{
	return (c->flags & 0x80) != 0;
}
/*
 * The known samples of a raw column (both arrays of out have room for c->n) and what is unknown
 * (c->n entries; may be NULL when chunk_has_unknown says false).  BL_ECORRUPT.
 */
int chunk_raw_seq(
    const struct chunk_column *c, struct bl_seq *out, uint8_t *unknown, struct bl_err *err);
/* As doubles, one per time, NaN where unknown; scratch: c->n entries.  unknown may be NULL. */
int chunk_raw_doubles(const struct chunk_column *c, double *value, uint8_t *unknown,
    int64_t *scratch, struct bl_err *err);
/* What each sample stands for (c->n entries); unix_ms and value as read before. */
int chunk_raw_thin(const struct chunk_column *c, const int64_t *unix_ms, const double *value,
    struct chunk_thin *out, struct bl_err *err);

/* ---- reading: roll-ups ---- */

/*
 * A window: by the times of the samples.  A thinned sample is in it as a whole where its
 * time lies, with its count, its mean, its min and max.
 */
struct chunk_window {
	uint64_t count;   /* known samples; 0: the doubles are NaN */
	uint64_t unknown; /* unknown ones */
	double sum;       /* gauge; decimals are summed exactly.  Counter: NaN */
	double min, max;
	double increase; /* counter; pairs within the hour.  Gauge: NaN */
};

/* A counter's first and last known sample of the hour, for the pair across its border. */
struct chunk_edges {
	bool there; /* false: a gauge, or no known sample */
	double first, last;
	int64_t first_unix_ms, last_unix_ms;
	int64_t first_boot, last_boot;
	/* The first one is thinned and brings its neighbour along: no pair goes across to it. */
	bool first_own;
};

/* The windows of an M5 column; edges may be NULL. */
int chunk_m5_get(const struct chunk_column *c, struct chunk_window out[CHUNK_WINDOWS],
    struct chunk_edges *edges, struct bl_err *err);
/* Only count, unknown and sum (gauge) or increase (counter) are filled: what avg and rate need. */
int chunk_m5_sums(
    const struct chunk_column *c, struct chunk_window out[CHUNK_WINDOWS], struct bl_err *err);
/* The hour of an H1 column; edges may be NULL. */
int chunk_h1_get(const struct chunk_column *c, struct chunk_window *out, struct chunk_edges *edges,
    struct bl_err *err);
/*
 * Adds the hour's values to a sketch (a counter has none: BL_EINVAL).  Fast when the sketch
 * has most of the buckets already.  BL_ECORRUPT, BL_ENOMEM, BL_EFULL: the sketch is then as before.
 */
int chunk_h1_sketch(const struct chunk_column *c, struct bl_sketch *s, struct bl_err *err);
/*
 * The same into the sketch's counts (bl_sketch_counts; bl_sketch_settle is the caller's), in half
 * the time.  After a failure some of it is in there.
 */
int chunk_h1_counts(const struct chunk_column *c, struct bl_sketch *s, struct bl_err *err);

#endif
