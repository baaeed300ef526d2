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
#include "store_read.h"

#define STORE_APPLICATION_ID    0x424c544d /* "BLTM" */
#define STORE_DEFAULT_SPOOLS    20000u
#define STORE_SEQ_MAX           ((uint64_t)INT64_MAX / 4) /* fits SQLite's integers with room */
#define STORE_RANGES_MAX        1024u  /* of one stream: holes we keep track of */
#define STORE_HOLES_MAX         10000  /* in time, of all devices */
#define STORE_COVERAGE_MERGE_MS 120000 /* completeness "as it had arrived then" rests on this */
#define STORE_COVERAGE_SPAN_MS                                                                     \
	21600000 /* a row stays below 6 h, so that range scans stay short                          \
		  */

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
	uint64_t next_seq, lowest_held, unexplained, unexplained_gaps;
	int64_t unexplained_since_unix_ms;
	uint64_t batches, samples;
	int64_t last_arrival_unix_ms, until_unix_ms, span_max_ms;
	bool exists; /* has a row */
	bool dirty, ranges_dirty;
	/* Two, because live and past may come in turns. */
	struct coverage_row cover[2];
	unsigned cover_older;
};

struct store_spool {
	struct store_spool *next;          /* hash chain */
	struct store_spool *newer, *older; /* by last use */
	int64_t touched_lsn;               /* the transaction that last met it */
	struct bl_id uuid;
	int64_t id, device_id;
	char device[BL_DEVICE_ID_MAX + 1];
	bool closed, conflict;
	/* store_again.c: when it was first heard of, and whether it has a predecessor */
	bool birth_known, has_predecessor;
	int64_t made_unix_ms;
	bool dirty;     /* it or one of its streams */
	bool row_dirty; /* its own row */
	uint32_t dict_version, clock_version;
	struct bl_clock_segment *segs;
	size_t n_segs, size_segs;
	/* the last boot met */
	struct bl_id boot;
	int64_t boot_id;
	struct store_stream stream[BL_STREAMS];
};

struct store_totals_memory {
	int64_t lsn;
	int64_t batches, samples, events, duplicates, conflicts, aside_bytes, aside_refused;
	int64_t aside_rows;
	int64_t holes;    /* rows of "hole" */
	int64_t requeued; /* set aside once, taken in after all */
	int64_t aside_by[STORE_ASIDE_REASONS];
	bool aside_dirty;
};

enum store_sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_TOTAL_SET,
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
	SQL_BATCH_ANY,
	SQL_BATCH_SEQS,
	SQL_BATCH_SUPERSEDED,
	SQL_BATCH_AGAIN,
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
	SQL_SERIES_GET,
	SQL_SERIES_ADD,
	SQL_SERIES_SET,
	SQL_DICT_GET,
	SQL_DICT_ADD,
	SQL_PLACING_ADD,
	SQL_PLACING_GET,
	SQL_PLACING_DONE,
	SQL_UNPLACED_COVERAGE,
	SQL_PLACED_COVERAGE,
	SQL_COVERAGE_PLACE,
	SQL_PRESENCE_GET,
	SQL_PRESENCE_SET,
	SQL_ASIDE_GET,
	SQL_ASIDE_ADD,
	SQL_ASIDE_AGAIN,
	SQL_COUNT
};

/* Statements of one connection: prepared when first used, kept. */
struct sql_set {
	sqlite3 *db;
	const char *const *text;
	sqlite3_stmt **stmt;
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
	bool placing; /* rows wait to be placed, as far as we know */
	struct store_stats stats;
};

/* ---- store_sql.c ---- */

/* The code and message for what SQLite last said on db. */
int store_sql_fail(sqlite3 *db, struct bl_err *err, const char *doing);
/* Runs several statements that return nothing. */
int store_exec(sqlite3 *db, const char *sql, struct bl_err *err);
int store_pragma_int(sqlite3 *db, const char *sql, int64_t *out, struct bl_err *err);

/*
 * Resets and binds.  types: i int64_t, u uint64_t, o int64_t or NULL when
 * STORE_TIME_NONE, t const char * (NULL: null), b const void * and size_t,
 * d const struct bl_id *, n nothing (null).  NULL on failure.  Text and blobs are
 * borrowed until the statement is reset.
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

/* ---- store_migrate.c ---- */

struct store_migration {
	int version;
	const char *name;
	const char *sql;
};

extern const struct store_migration store_migrations[];
int store_schema_version(void);
int store_migrate(sqlite3 *db, const char *path, bool *created, struct bl_err *err);

/* ---- store_mark.c ---- */

int store_mark_open(struct store *s, struct bl_err *err);
/* False: no mark, or not a whole one. */
bool store_mark_read(const struct store *s, struct bl_id *epoch, int64_t *lsn);
void store_mark_write(struct store *s);

/* ---- store_spool.c ---- */

void store_forget_spools(struct store *s);
void store_shrink_spools(struct store *s);
int store_flush_spools(struct store *s, struct bl_err *err);
/* NULL in *out: there is none. */
int store_spool_find(
    struct store *s, const struct bl_id *uuid, struct store_spool **out, struct bl_err *err);
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

/* ---- store_gap.c ---- */

/* BL_EINVAL: its seqs or its stream are impossible. */
int store_gap_check(const struct bl_gap *g, struct bl_err *err);
/* One ledger entry, checked; of sp when g->spool is zero.  Only the database or memory fails. */
int store_gap_add(
    struct store *s, struct store_spool *sp, const struct bl_gap *g, struct bl_err *err);
/* A batch came after all: no entry may claim it. */
int store_gap_carve(struct store *s, struct store_spool *sp, enum bl_stream stream, uint64_t first,
    uint64_t last, struct bl_err *err);
/* A thinned batch stands for them: what had no reason has one now. */
int store_gap_carve_vanished(struct store *s, struct store_spool *sp, enum bl_stream stream,
    uint64_t first, uint64_t last, struct bl_err *err);
int store_gap_replace_boot(
    struct store *s, struct store_spool *sp, const struct bl_id *boot, struct bl_err *err);

#endif
