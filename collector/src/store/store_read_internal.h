/*
 * Inside the reading side: one connection, its statements, and the walk over a
 * device's batches that queries, events and latest values share.
 */
#ifndef STORE_READ_INTERNAL_H
#define STORE_READ_INTERNAL_H

#include "branchline/batch.h"

#include "store_internal.h"

enum read_sql {
	READ_DEVICES,
	READ_DEVICE,
	READ_DEVICE_SPOOLS,
	READ_DEVICE_GAPS,
	READ_DEVICE_HOLES,
	READ_DEVICE_ASIDE,
	READ_SPOOL_CLOCK,
	READ_REPORT,
	READ_USAGE,
	READ_PARTIES,
	READ_PARTY_OF,
	READ_DEVICE_ID,
	READ_SERIES,
	READ_SERIES_ID,
	READ_SERIES_ENTRIES,
	READ_SERIES_NAMED,
	READ_SERIES_NAME,
	READ_PACK_MARK,
	READ_SAMPLE_HOURS,
	READ_METRICS,
	READ_METRIC_SERIES,
	READ_METRIC_ENTRIES,
	READ_METRIC_EXTENT,
	READ_LEVELS,
	READ_NEXT_HOUR,
	READ_NEXT_RAW,
	READ_MOVED_MARK,
	READ_SPAN_MAX,
	READ_SPAN_WIDE,
	READ_SEGMENTS,
	READ_DOUBTS,
	READ_DOUBTS_DEVICE,
	READ_DOUBT_EXTENT,
	READ_BOOT,
	READ_COVER_OLDEST,
	READ_COVER_NEWEST,
	READ_COVERS_UP,
	READ_COVERS_DOWN,
	READ_COVERS_UNPLACED,
	READ_BATCHES_UP,
	READ_BATCHES_DOWN,
	READ_COVERAGE,
	READ_LINK_HELD,
	READ_GAPS_DEVICE,
	READ_GAPS_ALL,
	READ_GAPS_STREAM,
	READ_UNEXPLAINED_DEVICE,
	READ_UNEXPLAINED,
	READ_MISSING_STREAMS,
	READ_MISSING_RANGES,
	READ_MISSING_BESIDE,
	READ_GAP_SUCCESSOR,
	READ_MISSING_HOLES,
	READ_MISSING_SAMPLES,
	READ_GAP_TOTALS,
	READ_THINNED,
	READ_GAP_SUMS,
	READ_ASIDE,
	READ_ASIDE_DEVICE,
	READ_ASIDE_MATCHING,
	READ_TOTAL,
	READ_ASIDE_COUNT,
	READ_EPOCH,
	READ_COUNTS,
	READ_LOG_HEAD,
	READ_LOG_MAPS,
	READ_LOG_VERSION,
	READ_LOG_BACKLOG,
	READ_LOG_BATCHES,
	READ_LOG_BATCH,
	READ_LOG_GAPS,
	READ_LOG_MOVED,
	READ_LOG_MOVED_BATCHES,
	READ_LOG_BEFORE,
	READ_LOG_AFTER,
	READ_LOG_SERIES,
	READ_LOG_SPOOL,
	READ_LOG_WHOLE,
	READ_LOG_COVERS,
	READ_LOG_COVER_BEFORE,
	READ_LOG_COVER_AFTER,
	READ_LOG_SEQS,
	READ_LOG_GAP_TIMES,
	READ_LOST_PARTS,
	READ_LOST_HOUR,
	READ_LOG_GAP_SEQS,
	READ_PARTS,
	READ_PART,
	READ_PART_AFTER,
	READ_HIDDEN,
	READ_ALIAS,
	READ_PACKED,
	READ_DUE,
	READ_DUE_SUM,
	READ_DUE_BATCHES,
	READ_DUE_PLACING,
	READ_PARTS_COME,
	READ_DUE_SERIES,
	READ_DUE_SEQS,
	READ_CLEAN,
	READ_PART_END,
	READ_RETAINED,
	READ_MOVED_NEXT,
	READ_WORN_HOUR,
	READ_FREE_PAGES,
	READ_PART_SUM,
	READ_BATCH_COUNT,
	READ_OLDEST_BATCH,
	READ_DEAD,
	READ_LOG_PACKED,
	READ_LOG_PACKED_BEFORE,
	READ_LOG_PACKED_AFTER,
	READ_LOG_COVER_OF,
	READ_LOG_COVER_LAST,
	READ_LOG_RETAINED,
	READ_AGE,
	READ_RAW_GONE,
	READ_COUNT
};

extern const char *const read_text[READ_COUNT]; /* store_read_sql.c */

struct store_read {
	sqlite3 *db;
	sqlite3_stmt *stmt[READ_COUNT];
	struct sql_set sql;
	char *path;
	const struct bl_clock *clock;
	bool held;
	int64_t until_mono_ms; /* when what runs is ended, by the kernel's clock */
	struct bl_buf raw;     /* the inflated body of one batch */
	/* one decoded column; made when first needed */
	int64_t *boot_ms;
	double *value;
	uint8_t *unknown;
	struct bl_thin *thin; /* by read_thin only */
	struct whole *whole;  /* store_read_whole.c; made by whole_begin */
	/* parts of closed hours; opened when the first one is met, unless they were given */
	struct parts *parts, *own_parts;
	struct part_read *part;
	struct store_fresh *fresh; /* NULL: none */
};

sqlite3_stmt *read_bind(
    struct store_read *r, enum read_sql which, struct bl_err *err, const char *types, ...);
int read_step(struct store_read *r, sqlite3_stmt *st, struct bl_err *err);
/* 1 and *out, 0: not known, negative. */
int read_device_id(struct store_read *r, const char *device, int64_t *out, struct bl_err *err);
/* Fills gaps_by. */
int read_gap_sums(struct store_read *r, struct store_totals *t, struct bl_err *err);
int read_scratch(struct store_read *r, struct bl_err *err);
/* What the samples of a column that was just decoded stand for, into r->thin. */
int read_thin(struct store_read *r, const struct bl_batch_reader *rd, const struct bl_column *c,
    struct bl_err *err);

/* What reads parts, kept by r. */
int read_parts(struct store_read *r, struct part_read **out, struct bl_err *err);
void read_parts_close(struct store_read *r);

/* ---- store_read_place.c ---- */

/* Wall time of one boot of one spool, by the clock map as it is now.  Zero with r set to begin. */
struct log_row;

struct placer {
	struct store_read *r;
	int64_t spool_id, boot_id; /* 0: of none yet */
	struct bl_id boot;
	struct bl_clock_segment *seg;
	size_t n_segs, size_segs;
	/* What was placed last, and how far that goes: neighbours need no look at the map, which
	 * may have thousands of segments. */
	int64_t same_from, same_to, offset_ms;
	uint32_t uncertainty_ms;
	/* store_log.c: what is read together, as it stands in the store; neighbours are looked
	 * for there first. */
	const struct log_row *slice;
	size_t n_slice;
};

int placer_for(struct placer *p, int64_t spool_id, int64_t boot_id, struct bl_err *err);
void placer_free(struct placer *p);
/* STORE_TIME_NONE: clock unknown. */
int64_t placer_place(struct placer *p, int64_t boot_ms);
/* The same with how wrong it may be. */
int64_t placer_place_within(struct placer *p, int64_t boot_ms, uint32_t *uncertainty_ms);
/* Where the constant offset that holds at boot_ms ends, at most end_ms. */
int64_t placer_until(const struct placer *p, int64_t boot_ms, int64_t end_ms);
/* The extent of [begin_ms, end_ms], both included, whatever steps lie in it.  False: unknown. */
bool placer_extent(
    const struct placer *p, int64_t begin_ms, int64_t end_ms, int64_t *lo, int64_t *hi);

/* ---- store_read_scan.c ---- */

/* One batch out of the store; valid until the next one. */
struct scan_batch {
	int64_t id, spool_id, boot_id;
	/* The extent of its events and samples; STORE_TIME_NONE: clock unknown. */
	int64_t begin_unix_ms, end_unix_ms;
	int64_t arrived_unix_ms;
	struct bl_batch_header h;
	const uint8_t *body;
	size_t body_len;
	/* store_fresh_internal.h: its columns are there, decoded, and there is no body. */
	const struct fresh_piece *piece;
	const struct fresh_batch *in_piece;
};

/* UNPLACED: what has no time yet, by arrival. */
enum scan_order { SCAN_UP, SCAN_DOWN, SCAN_UNPLACED_DOWN };

/* One row of coverage: the way to some batches. */
struct scan_cover {
	int64_t id, spool_id, boot_id;
	uint64_t seq_first, seq_last;
	int64_t lo_unix_ms, first_arrived_unix_ms;
};

#define SCAN_COVERS        64
#define SCAN_FRESH_BATCHES 16u /* live rows have two or three */

struct scan;
/*
 * Fills sc->rows with all batches of the row of coverage sc->at, which was not begun, in another
 * way than from their rows.  1; 0: it has none, and the ordinary way is gone; negative.
 */
typedef int (*scan_fresh_fn)(void *ctx, struct scan *sc, struct bl_err *err);

/*
 * Walks the batches of one stream of one device that touch [from, to), by the
 * coverage rows that lead to them.  Rows are copied in slices; no transaction is
 * open between slices.
 */
struct scan {
	struct store_read *r;
	enum scan_order order;
	int64_t device_id;
	enum bl_stream stream;
	int64_t from_unix_ms, to_unix_ms;
	int64_t reach_ms; /* no row is longer */
	int64_t deadline_mono_ms;
	uint64_t n_read;
	/* coverage */
	struct scan_cover cover[SCAN_COVERS];
	size_t n_covers, next_cover;
	unsigned covers_at_a_time;
	bool no_more_covers;
	const struct scan_cover *at;  /* NULL: none yet */
	uint64_t seq_first, seq_last; /* what is left of it */
	/* a slice of its batches */
	struct scan_batch *rows;
	size_t n, next;
	unsigned rows_at_a_time;
	struct bl_buf bodies;
	struct placer place; /* of its boot */
	bool bare;           /* bodies are not wanted */
	bool unfiltered;     /* batches outside of the range come, too */
	/* Upwards, of short rows that begin at fresh_from_unix_ms or later; NULL: of none. */
	scan_fresh_fn fresh;
	void *fresh_ctx;
	int64_t fresh_from_unix_ms;
};

int scan_begin(struct scan *sc, struct store_read *r, enum scan_order order, int64_t device_id,
    enum bl_stream stream, int64_t from_unix_ms, int64_t to_unix_ms, int64_t deadline_mono_ms,
    struct bl_err *err);
/* 1: *b filled; 0: no more; BL_ETIMEDOUT. */
int scan_next(struct scan *sc, struct scan_batch **b, struct bl_err *err);
/* For scan_fresh_fn: the next slice of sc->at into sc->rows, unfiltered, with bodies; when that was
 * all of it sc->seq_first passes sc->seq_last. */
int scan_read_all(struct scan *sc, struct bl_err *err);
/* SCAN_DOWN: nothing that is still to come ends after this. */
int64_t scan_bound(const struct scan *sc);
/* Inflates b into r->raw and sets up a reader over it. */
int scan_open(
    struct scan *sc, const struct scan_batch *b, struct bl_batch_reader *rd, struct bl_err *err);
/* Of the present batch's boot.  STORE_TIME_NONE: clock unknown. */
int64_t scan_place(struct scan *sc, int64_t boot_ms);
/*
 * One batch by its id: its header (without spool and boot), its body inflated
 * into r->raw.  1, 0: there is none, negative.
 */
int read_batch(struct store_read *r, int64_t id, struct bl_batch_header *h, int64_t *spool_id,
    int64_t *boot_id, struct bl_err *err);
/* A batch was checked before it was stored: rc BL_ECORRUPT of decoding one tells who watches the
 * store that the disk has changed it. */
void read_tell_damaged(const struct store_read *r, int64_t batch, int rc);
/* A stored body into r->raw; who watches the store is told of one that does not hold. */
int read_inflate(struct store_read *r, int64_t id, const struct bl_batch_header *h,
    const uint8_t *body, size_t body_len, struct bl_err *err);
void scan_end(struct scan *sc);
/* What of a header a row of batches says (columns 1 to 14); spool, boot and stream are not in it.
 */
void read_take_header(sqlite3_stmt *st, struct bl_batch_header *h);
/* How far a row of coverage may begin before its end. */
int read_reach(struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t *out,
    struct bl_err *err);

/* The same of those that end at or behind `from`: one that is long for a late event costs those who
 * ask behind it nothing. */
int read_reach_from(struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t from,
    int64_t *out, struct bl_err *err);

/* The extent of a stream's newest or oldest placed row of coverage: 1; 0: there is none. */
int read_edge(struct store_read *r, int64_t device_id, enum bl_stream stream, bool newest,
    int64_t *lo_unix_ms, int64_t *hi_unix_ms, struct bl_err *err);

/* ---- store_read_spans.c ---- */

struct spans {
	struct store_span *s;
	size_t n, size;
};

/* Merges with the last one when it has the same reason and is not more than join_ms away. */
int spans_add(struct spans *l, int64_t from, int64_t to, int reason, int64_t join_ms);
/* A row of coverage. */
struct hole_row {
	int64_t begin, end, first_arrived, arrived, spool_id;
	uint64_t seq_first, seq_last;
};
/* An entry of the ledger. */
struct hole_entry {
	int64_t begin, end, spool_id;
	uint64_t seq_first, seq_last;
	int reason;
	bool lost_part; /* takes away what was delivered, and explains nothing else */
};
/* Batches that a spool has, as its device says, and that are not settled here. */
struct hole_held {
	int64_t spool_id;
	uint64_t first, last;
};
/* Zero to begin with. */
struct hole_facts {
	struct hole_row *c; /* by begin */
	size_t n_c, size_c;
	struct hole_entry *g; /* by begin */
	size_t n_g, size_g;
	struct hole_held *held; /* filled by who wants STORE_GAP_HELD told apart */
	size_t n_held;
};
int holes_load(struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t from,
    int64_t to, struct hole_facts *h, struct bl_err *err);
/* What the rows leave of [from, to), with reasons.  Pure.  BL_OK or BL_ENOMEM. */
int holes_make(const struct hole_facts *h, int64_t from, int64_t to, struct spans *out);
void holes_free(struct hole_facts *h);

/* What of [from, to) a device's stream did not deliver, with the ledger's reasons: what holes_load
 * and holes_make say, without the rows of hours that were seen to be whole. */
int read_holes(struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t from,
    int64_t to, struct spans *out, struct bl_err *err);

/* ---- store_read_whole.c: hours of a stream without a hole ---- */

/* Before coverage is read: forgets everything when something was moved since. */
int whole_begin(struct store_read *r, struct bl_err *err);
/* The first span of [from, to) that lies in known hours that touch; false: there is none. */
bool whole_next(struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t from,
    int64_t to, int64_t *begin, int64_t *end);
/* [begin, end) has no hole: its whole hours are known from now on. */
void whole_note(
    struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t begin, int64_t end);
void whole_free(struct store_read *r);

/* ---- store_log.c ---- */

/* What is left over beside a reason this near its edge belongs to it: a tick. */
#define STORE_EDGE_MS 2000
/* Shorter holes come from placing neighbours by different segments of a clock map. */
#define STORE_HOLE_MIN_MS 1000

/* Every seq of [first, last] is in the ledger (or there is none): 1, 0 or negative. */
int log_all_gone(struct store_read *r, int64_t spool_id, enum bl_stream stream, uint64_t first,
    uint64_t last, struct bl_err *err);

/* ---- store_read_bounds.c ---- */
struct read_gap_of {
	int64_t device_id, spool_id;
};
/* Fills the bounds of an entry that lacks a time. */
int read_gap_bounds(
    struct store_read *r, const struct read_gap_of *of, struct store_gap *g, struct bl_err *err);

#endif
