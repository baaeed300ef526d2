/*
 * Inside the store: the writer's memory, and the helpers that both sides use.
 *
 * The database is the truth.  What the writer keeps in memory (settled ranges,
 * clock segments, the newest coverage rows) is loaded when a spool is first
 * met and written back by store_commit; a rollback forgets all of it.
 */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <sqlite3.h>
#include <stdarg.h>

#include "store.h"
#include "store_pack.h"
#include "store_read.h"

#define STORE_APPLICATION_ID    0x424c544d /* "BLTM" */
#define STORE_PATH_MAX          4096
#define STORE_VERSIONS_BELIEVED 1000 /* a version further ahead is a flipped bit */
#define STORE_DEFAULT_SPOOLS    20000u
#define STORE_SEQ_MAX           ((uint64_t)INT64_MAX / 4) /* fits SQLite's integers with room */
#define STORE_RANGES_MAX        1024u  /* of one stream: holes we keep track of */
#define STORE_DICT_RUN_MAX      256    /* entries of one row: view dict counts so far */
#define STORE_HOLES_MAX         10000  /* in time, of all devices */
#define STORE_COVERAGE_MERGE_MS 120000 /* completeness "as it had arrived then" rests on this */
#define STORE_COVERAGE_SPAN_MS                                                                     \
	21600000 /* a row stays below 6 h, so that range scans stay short                          \
		  */
/* A row is longer than that: an event in it is late, or its clock was set.  An index has these. */
#define STORE_SQL_WIDE "hi_unix_ms - lo_unix_ms > 21600000"
#define STORE_WIDE_MS  21600000

/* ---- sequence numbers: ascending ranges that neither touch nor overlap ---- */

struct seqs {
	size_t n, size;
	struct bl_range *r;
};

void seqs_free(struct seqs *q);
bool seqs_has(const struct seqs *q, uint64_t seq);
/* BL_EFULL: it would be more than max ranges; BL_ENOMEM.  q is then as before. */
int seqs_add(struct seqs *q, uint64_t first, uint64_t last, size_t max);
/* Takes [first, last] out.  BL_ENOMEM. */
int seqs_remove(struct seqs *q, uint64_t first, uint64_t last);
/* 1..n are in it. */
uint64_t seqs_contiguous(const struct seqs *q);
uint64_t seqs_highest(const struct seqs *q);
/* How many of [first, last] are not in it. */
uint64_t seqs_missing(const struct seqs *q, uint64_t first, uint64_t last);
/* Ranges of [1, last] that are not in it. */
uint64_t seqs_holes(const struct seqs *q, uint64_t last);
/* Adds what of [first, last] is not in q to out, as far as its cap goes. */
void seqs_missing_ranges(
    const struct seqs *q, uint64_t first, uint64_t last, struct bl_ranges *out);

/* ---- the writer's memory ---- */

struct coverage_row {
	int64_t id; /* 0: not in the database yet */
	bool used, dirty;
	uint64_t seq_first, seq_last;
	struct bl_id boot;
	int64_t boot_id;
	int64_t begin_ms, end_ms; /* collection interval */
	int64_t lo_ms, hi_ms;     /* and what lies outside of it */
	int64_t first_arrived_unix_ms, arrived_unix_ms;
	/* Its lower end as it stands in the database: while it stays, no index changes. */
	uint64_t put_seq_first;
	int64_t put_lo_ms, put_begin_unix_ms, put_lo_unix_ms;
};

/* The four times of a row, placed; STORE_TIME_NONE: clock unknown. */
struct coverage_times {
	int64_t begin, end, lo, hi;
};

struct store_stream {
	struct seqs settled; /* stored, set aside, superseded, known gone */
	struct seqs aside;
	struct seqs vanished; /* not settled: the agent knows neither them nor a reason */
	struct seqs named;    /* not settled, in the ledger: another life's, of a closed spool */
	uint64_t next_seq, lowest_held, unexplained, unexplained_gaps;
	/* From here on whoever said the last hello under this id knows nothing; 0: not known. */
	uint64_t untold_from;
	int64_t unexplained_since_unix_ms;
	uint64_t batches, samples;
	int64_t last_arrival_unix_ms, until_unix_ms, span_max_ms;
	bool exists; /* has a row */
	bool dirty, ranges_dirty;
	/* Two, because live and past may come in turns. */
	struct coverage_row cover[2];
	unsigned cover_older;
	/* Of rows of pack_due that are there: two, for the same reason. */
	struct due_note {
		int64_t hour_unix_ms;
		uint64_t first, last; /* 0, 0: none */
		uint32_t generation;
	} due[2];
	unsigned due_older;
};

/* Entries entry .. entry + n - 1 are series_id .. series_id + n - 1. */
struct dict_run {
	bool known; /* what stands here is the last one; n 0: there is none yet */
	bool put, dirty;
	int64_t entry, series_id, n;
};

struct store_spool {
	struct store_spool *next;          /* hash chain */
	struct store_spool *newer, *older; /* by last use */
	int64_t touched_lsn;               /* the transaction that last met it */
	struct bl_id uuid;
	int64_t id, device_id;
	char device[BL_DEVICE_ID_MAX + 1];
	bool closed, conflict;
	bool said_hello;
	bool was_recovered; /* the last hello under this id asked for what a damaged file had */
	/* store_again.c: when it was first heard of, and whether it has a predecessor */
	bool birth_known, has_predecessor;
	int64_t made_unix_ms;
	bool dirty;     /* it or one of its streams */
	bool row_dirty; /* its own row */
	uint32_t dict_version, clock_version;
	struct dict_run run; /* the last of its dictionary */
	struct bl_clock_segment *segs;
	size_t n_segs, size_segs;
	/* the last boot met */
	struct bl_id boot;
	int64_t boot_id;
	struct store_stream stream[BL_STREAMS];
};

struct store_totals_memory {
	int64_t
	    due_unseen; /* store_due_again.c: the highest batch that was not looked at; 0: none */
	int64_t lsn;
	int64_t batches, samples, events, duplicates, conflicts, aside_bytes, aside_refused;
	int64_t aside_rows;
	int64_t holes;    /* rows of "hole" */
	int64_t requeued; /* set aside once, taken in after all */
	int64_t aside_by[STORE_ASIDE_REASONS];
	bool aside_dirty;
};

/* How far the rounds have come that look at every row: store_scrub.c. */
struct scrub {
	int64_t at; /* batch id */
	unsigned table;
	bool in_round;
	int64_t next_mono_ms; /* of the next round; 0: at once */
};

enum store_sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_TOTAL_SET,
	SQL_META_SET,
	SQL_META_SET_TEXT,
	SQL_META_GET,
	SQL_ASIDE_COUNT_SET,
	SQL_DEVICE_GET,
	SQL_DEVICE_ADD,
	SQL_BOOT_GET,
	SQL_BOOT_ADD,
	SQL_SPOOL_GET,
	SQL_SPOOL_COUNT,
	SQL_SPOOL_ADD,
	SQL_SPOOL_SET,
	SQL_SPOOL_HELLO,
	SQL_SPOOL_BIRTH,
	SQL_SPOOL_SUCCESSOR,
	SQL_STREAM_GET,
	SQL_STREAM_ADD,
	SQL_STREAM_SET,
	SQL_RANGE_GET,
	SQL_RANGE_CLEAR,
	SQL_RANGE_ADD,
	SQL_SEGMENT_GET,
	SQL_SEGMENT_ADD,
	SQL_BATCH_GET,
	SQL_BATCH_ADD,
	SQL_BATCH_CHECK,
	SQL_SCRUB,
	SQL_SCRUB_DEVICES,
	SQL_SCRUB_BOOTS,
	SQL_SCRUB_SPOOLS,
	SQL_SCRUB_DEFS,
	SQL_SCRUB_SERIES,
	SQL_SCRUB_DICT,
	SQL_SCRUB_CLOCK,
	SQL_SCRUB_STREAMS,
	SQL_BATCH_ANY,
	SQL_BATCH_SEQS,
	SQL_BATCH_SUPERSEDED,
	SQL_BATCH_AGAIN,
	SQL_PACKED_CHECK,
	SQL_PACKED_RANGES,
	SQL_PACKED_AGAIN,
	SQL_SALVAGE_PART,
	SQL_SALVAGE_PART_ID,
	SQL_SALVAGE_ALIAS,
	SQL_SALVAGE_SPACE,
	SQL_SALVAGE_PLACE,
	SQL_COVERAGE_OF,
	SQL_COVERAGE_ADD,
	SQL_COVERAGE_SET,
	SQL_COVERAGE_GROW,
	SQL_GAP_ADD,
	SQL_GAP_OVERLAP,
	SQL_GAP_REMOVE,
	SQL_GAP_OF_BOOT,
	SQL_GAP_PLACE,
	SQL_MOVED_ADD,
	SQL_HOLE_ADD,
	SQL_HOLE_GET,
	SQL_HOLE_REMOVE,
	SQL_HOLE_COVERED,
	SQL_HOLE_NAMED,
	SQL_DEF_GET,
	SQL_DEF_LAST,
	SQL_DEF_ADD,
	SQL_DEF_UNUSED,
	SQL_SERIES_GET,
	SQL_SERIES_LAST,
	SQL_SERIES_ADD,
	SQL_SERIES_SET,
	SQL_DICT_GET,
	SQL_DICT_LAST,
	SQL_DICT_ADD,
	SQL_DICT_GROW,
	SQL_PLACING_ADD,
	SQL_PLACING_GET,
	SQL_PLACING_DONE,
	SQL_UNPLACED_COVERAGE,
	SQL_PLACED_COVERAGE,
	SQL_COVERAGE_PLACE,
	SQL_PRESENCE_GET,
	SQL_PRESENCE_SET,
	SQL_REPORT_NEWER,
	SQL_REPORT_SET,
	SQL_USAGE_SET,
	SQL_USAGE_OLD,
	SQL_PARTY_OLD,
	SQL_PARTY_SET,
	SQL_ASIDE_GET,
	SQL_ASIDE_ADD,
	SQL_ASIDE_AGAIN,
	SQL_ASIDE_NEXT,
	SQL_ASIDE_LAST,
	SQL_ASIDE_STAYS,
	SQL_ASIDE_REMOVE,
	SQL_DUE_NOTE,
	SQL_DUE_UNSEEN,
	SQL_DUE_HAS,
	SQL_PACKED_UPTO,
	SQL_DUE_AGAIN,
	SQL_DUE_DONE,
	SQL_DUE_FORGET,
	SQL_DUE_NEWER,
	SQL_MARK_ADD,
	SQL_MARK_SEQS,
	SQL_MARK_ANY,
	SQL_MARK_REMOVE,
	SQL_MOVED_LAST,
	SQL_MOVED_SINCE,
	SQL_PART_NEXT,
	SQL_PART_ADD,
	SQL_PART_OF,
	SQL_PART_PLACE,
	SQL_PART_VACATE,
	SQL_PART_HIDE,
	SQL_PACKED_BESIDE,
	SQL_PACKED_AFTER,
	SQL_PACKED_SET,
	SQL_PACKED_REMOVE,
	SQL_PACKED_CLEAR,
	SQL_PACKED_BARE,
	SQL_CHECKS_NEXT,
	SQL_CHECKS_OLD,
	SQL_CLEAN_ADD,
	SQL_CLEAN_GET,
	SQL_CLEAN_DONE,
	SQL_BATCH_LAST,
	SQL_BATCH_REMOVE,
	SQL_BATCH_OLD,
	SQL_FORGET_GET,
	SQL_FORGET_SET,
	SQL_FORGET_DEVICE,
	SQL_FORGET_PLACES,
	SQL_PART_REMOVE,
	SQL_HIDDEN_REMOVE,
	SQL_SWEEP_GET,
	SQL_DEAD_ADD,
	SQL_DEAD_FORGET,
	SQL_DEAD_REMOVE,
	SQL_LOST_DEVICES,
	SQL_LOST_ENTRIES,
	SQL_LOST_ADD,
	SQL_LOST_REMOVE,
	SQL_COUNT
};

/*
 * A ledger entry of an hour that lies in a part which cannot be read: no seqs, no boot, begin_ms
 * the hour, end_ms the part (0: its row is lost, too).
 */
#define STORE_SQL_LOST_PART                                                                        \
	"reason = 6 AND seq_first = 0 AND length(begin_boot) = 0 AND begin_unix_ms = begin_ms"

/* Statements of one connection: prepared when first used, kept. */
struct sql_set {
	sqlite3 *db;
	const char *const *text;
	sqlite3_stmt **stmt;
	int failed;               /* BL_EIO or BL_ECORRUPT, since somebody looked last */
	store_damaged_fn damaged; /* NULL: nobody asks */
	void *damaged_ctx;
};

struct store {
	sqlite3 *db;
	sqlite3_stmt *stmt[SQL_COUNT];
	struct sql_set sql;
	char *path;
	int mark_fd; /* the mark and the lock */
	const struct bl_clock *clock;
	struct bl_id epoch;
	struct store_opts opts;
	bool in_tx;
	int64_t now_unix_ms; /* of the transaction */
	struct store_totals_memory total;
	struct store_totals_memory total_committed;
	struct store_spool **bucket;
	unsigned n_buckets;
	struct store_spool *newest, *oldest;
	unsigned n_spools;
	bool placing;                  /* rows wait to be placed, as far as we know */
	int64_t def_last, series_last; /* the highest ids; -1: not known */
	/* store_mend.c: before the next transaction, the file is opened again ... */
	bool broken;           /* ... because a write failed */
	bool suspect;          /* ... because it may be damaged */
	bool foreign;          /* it is no store of ours, and stays as it is */
	int64_t suspect_batch; /* 0: none; it is read again first */
	char damage[96];       /* what was found for certain; empty: nothing */
	struct scrub scrub;
	unsigned log_waits;        /* for readers, in vain, in a row */
	int64_t log_again_mono_ms; /* when they may be waited for again */
	unsigned suspected, replaced;
	struct salvage *salvage; /* NULL: nothing to take over */
	uint32_t due_generation; /* grows when rows of pack_due go */
	struct pack_clean {      /* store_pack_clean.c: rows of batch that are to go */
		int64_t *ids;    /* ascending; owned; NULL: not read */
		size_t n, at;
		int64_t upto; /* newest row of pack_clean that is in it */
	} clean;
	int64_t forget_device;     /* store_pack_forget: done up to this one */
	struct store_read *reader; /* opened when parts are first looked into */
	bool lifting; /* what is put comes from a damaged store: a closed spool's, too */
	bool again;   /* what is put now was set aside before */
	struct store_stats stats;
};

/* ---- store.c ---- */

/* Opens the file and reads what the writer keeps of it.  BL_ECORRUPT: damaged, unless foreign. */
int store_connect(struct store *s, bool *created, struct bl_err *err);
/* Drops the connection as it is. */
void store_disconnect(struct store *s);
/* enum store_opened */
int store_settle_epoch(struct store *s, bool created, struct bl_err *err);

/* ---- store_mend.c ---- */

/* The kernel's clock and not the store's: for what takes real time, like a disk. */
int64_t store_kernel_mono_ms(void);
/* Connects, replaces a damaged file.  enum store_opened. */
int store_attach(struct store *s, struct bl_err *err);
/* The same for a store that failed while it ran. */
int store_mend(struct store *s, struct bl_err *err);
/* Replaces the file when something was found for certain, or a batch that a reader complained of
 * does not hold. */
int store_mend_found(struct store *s, struct bl_err *err);
/* What is certain: the next transaction begins with another file.  Returns BL_ECORRUPT. */
int store_found_damaged(struct store *s, struct bl_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The file is not where it was any more. */
bool store_moved(struct store *s);

/* ---- store_files.c ---- */

/* -1: it is not there. */
int64_t store_file_bytes(const char *path, const char *suffix);
const char *store_file_name(const char *path);
/* Renames database and log; to: the new path. */
int store_set_aside(const struct store *s, char to[STORE_PATH_MAX], struct bl_err *err);
int store_copy_log_aside(const struct store *s, char to[STORE_PATH_MAX], struct bl_err *err);
void store_forget_aside(const char *path);

/* ---- store_salvage.c ---- */

/* From now on this file beside the store is to be taken over.  Outside a transaction. */
int store_salvage_of(struct store *s, const char *file, struct bl_err *err);
/* Goes on where the last run ended. */
int store_salvage_load(struct store *s, struct bl_err *err);
void store_salvage_stop(struct store *s);
void store_salvage_committed(struct store *s);
void store_salvage_rolled_back(struct store *s);

/* ---- store_batch.c ---- */

/* 1: its row and its body agree with their sums, or it is not there; 0: they do not. */
int store_batch_holds(struct store *s, int64_t id, struct bl_err *err);

/* An inflated body is what its row says. */
bool store_body_holds(uint32_t crc32, uint32_t raw_bytes, const void *body, size_t len);

/* ---- store_series.c ---- */

struct series_text {
	const char *name, *labels, *unit; /* as table series_def has them */
	int64_t kind, stream, interval_ms;
};

/* The row of a device's series with this name and labels; *id 0: there is none. */
int store_series_find(struct store *s, int64_t device_id, const struct series_text *t, int64_t *id,
    struct bl_err *err);
/* The same, and from now on it has this unit, kind, stream and interval. */
int store_series_set(struct store *s, int64_t device_id, const struct series_text *t, int64_t *id,
    struct bl_err *err);
int store_series_add(struct store *s, int64_t device_id, const struct series_text *t, int64_t *id,
    struct bl_err *err);

/* ---- store_dict.c ---- */

/* The next entry of a spool's dictionary, as a damaged store had it. */
int store_dict_salvaged(struct store *s, struct store_spool *sp, int64_t entry,
    const struct series_text *row, struct bl_err *err);
/* Writes what of the last run is not written yet. */
int store_dict_flush(struct store *s, struct store_spool *sp, struct bl_err *err);

/* ---- store_sum.c ---- */

void row_sum_begin(uint64_t *h, const char *table);
void row_sum_int(uint64_t *h, int64_t v);
void row_sum_bytes(uint64_t *h, const void *p, size_t n);
int64_t row_sum_end(uint64_t h);
/* Of a row of integers. */
int64_t row_sum_ints(const char *table, const int64_t *v, size_t n);
/* row_sum() for the statements of db.  An SQLite code. */
int row_sum_register(sqlite3 *db);

/* ---- store_sql.c ---- */

/* The code and message for what SQLite last said on db. */
int store_sql_fail(sqlite3 *db, struct bl_err *err, const char *doing);
/* Runs several statements that return nothing. */
int store_exec(sqlite3 *db, const char *sql, struct bl_err *err);
int store_pragma_int(sqlite3 *db, const char *sql, int64_t *out, struct bl_err *err);

/*
 * Resets and binds.  types: i int64_t, u uint64_t, o int64_t or NULL when
 * STORE_TIME_NONE, t const char * (NULL: null), b const void * and size_t,
 * d const struct bl_id *, a const int64_t * and size_t of them, n nothing (null).  NULL on failure.
 * Text and blobs are borrowed until the statement is reset.
 */
sqlite3_stmt *store_bind(
    struct store *s, enum store_sql which, struct bl_err *err, const char *types, ...);
/* 1: a row; 0: done (the statement is reset); negative. */
int store_step(struct store *s, sqlite3_stmt *st, struct bl_err *err);
/* Bind and step one that returns no row. */
int store_run(struct store *s, enum store_sql which, struct bl_err *err, const char *types, ...);
extern const char *const store_sql_text[SQL_COUNT];

/* The same for any connection. */
sqlite3_stmt *sql_bind_va(
    struct sql_set *set, int which, struct bl_err *err, const char *types, va_list ap);
int sql_step(struct sql_set *set, sqlite3_stmt *st, struct bl_err *err);

int64_t store_column_time(sqlite3_stmt *st, int i);
void store_column_id(sqlite3_stmt *st, int i, struct bl_id *out);
void store_column_text(sqlite3_stmt *st, int i, char *out, size_t size);

/* ---- store_draft.c ---- */

/* BL_ENEWER: it holds batches that a draft of the wire's format wrote. */
int store_refuse_draft(sqlite3 *db, int64_t version, const char *path, struct bl_err *err);

/* ---- store_migrate.c ---- */

struct store_migration {
	int version;
	const char *name;
	const char *sql;
};

extern const struct store_migration store_migrations[];
int store_schema_version(void);

enum store_found { STORE_FOUND_OURS, STORE_FOUND_EMPTY, STORE_FOUND_FOREIGN };

/* *found is STORE_FOUND_OURS before.  BL_ECORRUPT: damaged, or foreign. */
int store_migrate(sqlite3 *db, const char *path, enum store_found *found, struct bl_err *err);

/* ---- store_mark.c ---- */

int store_mark_open(struct store *s, struct bl_err *err);
/* False: no mark, or not a whole one. */
bool store_mark_read(const struct store *s, struct bl_id *epoch, int64_t *lsn);
/* There is one, whole or not: a store was here before. */
bool store_mark_known(const struct store *s);
void store_mark_write(struct store *s);

/* ---- store_spool.c ---- */

void store_forget_spools(struct store *s);
void store_shrink_spools(struct store *s);
int store_flush_spools(struct store *s, struct bl_err *err);
/* NULL in *out: there is none. */
int store_spool_find(
    struct store *s, const struct bl_id *uuid, struct store_spool **out, struct bl_err *err);
/* Nothing is known of it but what another spool's ledger says. */
bool store_spool_mentioned(const struct store_spool *sp);
int store_device_id(struct store *s, const char *device, int64_t *id, struct bl_err *err);
int store_boot_id(struct store *s, struct store_spool *sp, const struct bl_id *boot, int64_t *id,
    struct bl_err *err);

/* Rows of coverage that wait in memory for the commit. */
int store_flush_coverage(struct store *s, struct bl_err *err);

/* ---- store_again.c ---- */

enum store_before { STORE_BEFORE_NONE = 0, STORE_BEFORE_SOME = 1, STORE_BEFORE_ALL = 2 };

/* How much of a batch is stored under other spools of this device; negative: failed. */
int store_came_before(struct store *s, struct store_spool *sp, const struct bl_batch_header *h,
    const void *raw, size_t raw_len, struct bl_err *err);

/* s->reader is there: what the last commit left, for looking into parts. */
int store_own_reader(struct store *s, struct bl_err *err);

/* ---- store_packed.c ---- */

/* The batch that the header names is packed and has no row: 1, and whether it is the same. */
int store_packed_same(struct store *s, const struct store_spool *sp,
    const struct bl_batch_header *h, bool *same, struct bl_err *err);
/* Any of [first, last] is: 1, 0 or negative. */
int store_packed_any(struct store *s, const struct store_spool *sp, enum bl_stream stream,
    uint64_t first, uint64_t last, struct bl_err *err);
/* Takes what of [first, last] is out of a set. */
int store_packed_remove(struct store *s, const struct store_spool *sp, enum bl_stream stream,
    uint64_t first, uint64_t last, struct seqs *from, struct bl_err *err);
/* 1: it is; the boot, and the collection interval of the row of coverage that it lies in. */
int store_packed_span(struct store *s, const struct store_spool *sp, enum bl_stream stream,
    uint64_t seq, int64_t *boot_id, int64_t *begin_ms, int64_t *end_ms, struct bl_err *err);

/* ---- store_stream.c ---- */

int store_stream_load(struct store *s, struct store_spool *sp, struct bl_err *err);
int store_stream_flush(
    struct store *s, struct store_spool *sp, enum bl_stream stream, struct bl_err *err);
/* BL_EFULL: too many holes. */
int store_settle(struct store_spool *sp, enum bl_stream stream, uint64_t first, uint64_t last);

/* ---- store_unexplained.c ---- */

/* What lies below and is not settled is missing. */
uint64_t store_stream_bound(const struct store_spool *sp, const struct store_stream *m);
/* Counts anew. */
void store_stream_unexplained(
    const struct store_spool *sp, struct store_stream *m, int64_t now_unix_ms);
/* Adds what of [first, last] is neither settled nor answered with "vanished". */
void store_stream_unasked(
    const struct store_stream *m, uint64_t first, uint64_t last, struct bl_ranges *out);
uint64_t store_stream_unanswered(const struct store_stream *m);
/* The agent's word.  BL_EFULL: too many ranges. */
int store_stream_vanished(
    struct store_spool *sp, enum bl_stream stream, uint64_t first, uint64_t last);

/* ---- store_hole.c ---- */

/* Where a batch does not touch its neighbours of the same boot. */
struct store_edges {
	bool below, above;
	int64_t below_ms, above_ms; /* the neighbour's end, or begin */
};

/* Before the batch is in coverage. */
int store_hole_edges(struct store *s, struct store_spool *sp, const struct bl_batch_header *h,
    int64_t boot_id, struct store_edges *out, struct bl_err *err);
/* After it is, with the entries that it carried. */
int store_hole_note(struct store *s, struct store_spool *sp, const struct bl_batch_header *h,
    const struct store_edges *e, struct bl_err *err);
/* Something came that may explain holes of this boot. */
int store_hole_review(struct store *s, int64_t device_id, enum bl_stream stream,
    const struct bl_id *boot, struct bl_err *err);

/* ---- store_coverage.c ---- */

int store_cover(struct store *s, struct store_spool *sp, const struct bl_batch_header *h,
    int64_t boot_id, struct bl_err *err);
/* Places c, and notes in its stream what follows from that. */
void store_cover_times(struct store_spool *sp, enum bl_stream stream, const struct bl_id *boot,
    const struct coverage_row *c, struct coverage_times *t);
int store_cover_flush(struct store *s, struct store_spool *sp, enum bl_stream stream,
    struct coverage_row *row, struct bl_err *err);
/* Rows changed in the database behind the memory: start new ones. */
void store_cover_forget(struct store_spool *sp);

/* ---- store_clock.c ---- */

/* STORE_TIME_NONE: the boot has no trusted segment. */
int64_t store_place_time(const struct store_spool *sp, const struct bl_id *boot, int64_t boot_ms);
/* Where the constant offset that holds at boot_ms ends, at most end_ms. */
int64_t store_clock_until(const struct bl_clock_segment *segs, size_t n, const struct bl_id *boot,
    int64_t boot_ms, int64_t end_ms);
/*
 * The extent in wall time of [begin_ms, end_ms], both included, whatever steps of the
 * clock lie in it.  False: the boot has no trusted segment; both are STORE_TIME_NONE.
 */
bool store_clock_extent(const struct bl_clock_segment *segs, size_t n, const struct bl_id *boot,
    int64_t begin_ms, int64_t end_ms, int64_t *lo, int64_t *hi);

/* ---- store_pack_note.c ---- */

/* Right after a batch was inserted: in which hours something of it is due, and its mark. */
int store_pack_note(struct store *s, struct store_spool *sp, const struct bl_batch_header *h,
    int64_t batch_id, struct bl_err *err);
/* The same for one hour of a batch that was there. */
int store_pack_note_hour(struct store *s, struct store_spool *sp, enum bl_stream stream,
    uint64_t seq, int64_t hour, struct bl_err *err);
/* From when to when (both included) a batch has what is due; false: it has nothing, no place, or
 * stays a batch for its length. */
bool store_pack_extent(
    const struct store_spool *sp, const struct bl_batch_header *h, int64_t *lo, int64_t *hi);
/* A row of coverage got other times; moved: its batches are marked, what is in parts moves later.
 */
int store_pack_note_cover(struct store *s, struct store_spool *sp, enum bl_stream stream,
    const struct coverage_row *c, const struct coverage_times *t, bool moved, struct bl_err *err);

/* ---- store_due_again.c ---- */

/* How far it had come, when the file is opened. */
int store_due_again_load(struct store *s, struct bl_err *err);

/* ---- store_pack_seq.c ---- */

/* Of these seqs nothing stays but that they were packed; rows with checks of them go. */
int store_pack_bare(struct store *s, int64_t spool_id, enum bl_stream stream, uint64_t first,
    uint64_t last, struct bl_err *err);
/* 1: nothing but that is known of seq; 0. */
int store_pack_is_bare(
    struct store *s, int64_t spool_id, enum bl_stream stream, uint64_t seq, struct bl_err *err);
/* Keeps the checks of seqs whose rows are to go; by spool, stream, seq. */
int store_pack_keep_checks(
    struct store *s, const struct store_pack_seq *seq, size_t n, struct bl_err *err);

/* ---- store_pack_lost.c ---- */

/* A device's hour whose part is lost together with its row. */
int store_pack_lost_hour(
    struct store *s, int64_t device_id, int64_t hour_unix_ms, struct bl_err *err);
int store_pack_found_hour(
    struct store *s, int64_t device_id, int64_t hour_unix_ms, int64_t part, struct bl_err *err);

/* ---- store_pack_clean.c ---- */

/* Notes that these go when readers have let go of them. */
int store_pack_clean_later(struct store *s, int64_t *ids, size_t n, struct bl_err *err);
void store_pack_clean_stop(struct store *s);

/* ---- store_aside.c ---- */

/* Texts come from outside: what is not printable becomes '?', what is long is cut. */
void store_printable(char *out, size_t size, const char *in);

/* ---- store_gap.c ---- */

/* BL_EINVAL: its seqs or its stream are impossible. */
int store_gap_check(const struct bl_gap *g, struct bl_err *err);
/* One ledger entry, checked; of sp when g->spool is zero.  Only the database or memory fails. */
int store_gap_add(
    struct store *s, struct store_spool *sp, const struct bl_gap *g, struct bl_err *err);
/*
 * Names what of [first, last] neither came nor is in the ledger, of a spool that its successor
 * closes.  Nothing is settled: should its other life be alive, no receipt may take it from that.
 */
int store_gap_name(struct store *s, struct store_spool *sp, enum bl_stream stream, uint64_t first,
    uint64_t last, enum bl_gap_reason reason, struct bl_err *err);
/* A batch came after all: no entry may claim it. */
int store_gap_carve(struct store *s, struct store_spool *sp, enum bl_stream stream, uint64_t first,
    uint64_t last, struct bl_err *err);
/* A thinned batch stands for them: what had no reason has one now. */
int store_gap_carve_vanished(struct store *s, struct store_spool *sp, enum bl_stream stream,
    uint64_t first, uint64_t last, struct bl_err *err);
int store_gap_replace_boot(
    struct store *s, struct store_spool *sp, const struct bl_id *boot, struct bl_err *err);

#endif
